import { optionSpecs } from '../../config/index.ts';
import { CEPH_VERSION_TEXT } from '../../types/index.ts';

/**
 * Command lines as Ceph's tools read them: options anywhere, `--a-b` and `--a_b` the same, values as `--a=v` or in the next word, and
 * options of the configuration taken out first.
 */
export class Args {
  readonly words: string[];
  #at = 0;
  #ended = false;

  constructor(words: readonly string[]) {
    this.words = [...words];
  }

  /** True while an option or word is left to look at. */
  get more(): boolean {
    return !this.#ended && this.#at < this.words.length;
  }

  /** True where nothing follows the word in sight. */
  get isLast(): boolean {
    return this.#at === this.words.length - 1;
  }

  /** The word in sight. */
  get word(): string | undefined {
    return this.words[this.#at];
  }

  /** Leaves the word in sight where it is: an argument, or an option nobody knows. */
  skip(): void {
    if (this.word === '--') {
      this.words.splice(this.#at, 1);
      this.#ended = true;
      return;
    }
    this.#at++;
  }

  /** Takes the word in sight, whatever it is. */
  take(): string | undefined {
    return this.words.splice(this.#at, 1)[0];
  }

  /** Takes the word in sight where it is one of these flags. */
  flag(...names: string[]): boolean {
    if (this.word === undefined || !names.includes(normal(this.word))) return false;
    this.take();
    return true;
  }

  /** Takes an option with a value; undefined where the word in sight is none of these. A missing value ends the tool. */
  value(...names: string[]): string | undefined {
    const word = this.word;
    if (word === undefined) return undefined;
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!names.includes(normal(name))) return undefined;
    this.take();
    if (equals >= 0) return word.slice(equals + 1);
    const value = this.take();
    if (value === undefined) throw new ToolExit(1, `Option ${name} requires an argument.\n`);
    return value;
  }
}

/** A whole number given to an option; anything else ends the tool. */
export function wholeNumber(text: string): number {
  if (!/^[-+]?\d+$/.test(text)) throw new ToolExit(1, `The option value '${text}' is invalid\n`);
  return Number(text);
}

/** Options of a tool: what to do with each, by its names (`-p` and `--print` each for itself). */
export interface OptionHandlers {
  /** Without a value; may take words that follow from `args`. */
  readonly flags: Readonly<Record<string, (args: Args) => void>>;
  readonly values: Readonly<Record<string, (value: string) => void>>;
  /** Of the values' names: those that at the end of the line get the value last given to a remembered option, or an empty one. */
  readonly mayLackValue?: readonly string[];
  readonly remembered?: readonly string[];
}

/** Takes all known options out of the words; what is left are arguments, and options nobody knows. */
export function readOptions(args: Args, handlers: OptionHandlers): void {
  const valueNames = Object.keys(handlers.values);
  let lastValue = '';
  while (args.more) {
    const word = args.word!;
    const flag = handlers.flags[normal(word)];
    if (flag !== undefined && args.flag(normal(word))) {
      flag(args);
      continue;
    }
    const name = valueNames.find((known) => normal(word) === known || normal(word).startsWith(`${known}=`));
    if (name !== undefined && args.isLast && handlers.mayLackValue?.includes(normal(word)) === true) {
      args.take();
      handlers.values[name]!(lastValue);
      continue;
    }
    const value = name === undefined ? undefined : args.value(name);
    if (value === undefined) args.skip();
    else {
      handlers.values[name!]!(value);
      if (handlers.remembered?.includes(name!) === true) lastValue = value;
    }
  }
}

/** Option names are told apart with `-` between their words. */
function normal(word: string): string {
  if (!word.startsWith('--')) return word;
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  return `--${name.slice(2).replaceAll('_', '-')}${word.slice(name.length)}`;
}

/** Ends a tool with a status and a last message for stderr. */
export class ToolExit extends Error {
  readonly status: number;

  constructor(status: number, message = '') {
    super(message);
    this.status = status;
  }
}

/** Options of the configuration that these tools heed, with their short forms. */
const CONFIG_OPTIONS: readonly (readonly [name: string, ...forms: string[]])[] = [
  ['conf', '--conf', '-c'],
  ['fsid', '--fsid'],
  ['mon_host', '--mon-host', '-m'],
  ['mon_initial_members', '--mon-initial-members'],
  ['mon_election_default_strategy', '--mon-election-default-strategy'],
  ['osd_crush_chooseleaf_type', '--osd-crush-chooseleaf-type'],
  ['osd_pool_default_crush_rule', '--osd-pool-default-crush-rule'],
  ['osd_pool_default_size', '--osd-pool-default-size'],
  ['osd_pool_default_min_size', '--osd-pool-default-min-size'],
  ['name', '--name', '-n'],
  ['id', '--id', '-i'],
  ['cluster', '--cluster'],
  ['keyring', '--keyring', '-k'],
  ['debug_ms', '--debug-ms'],
  ['debug_mon', '--debug-mon'],
  ['debug_osd', '--debug-osd'],
  ['debug_crush', '--debug-crush'],
  ['log_file', '--log-file'],
];

/** Takes any other option of the configuration by its whole name; those of type bool need no value, and may be `--no-name`. */
function takeAnyOption(args: Args, config: Map<string, string>): boolean {
  const word = args.word ?? '';
  if (!word.startsWith('--') || word === '--') return false;
  const name = (word.split('=', 1)[0] ?? '').slice(2).replaceAll('-', '_');
  const specs = optionSpecs();
  if (specs.get(name) === undefined) {
    const negated = name.startsWith('no_') ? specs.get(name.slice(3)) : undefined;
    if (negated?.type !== 'bool' || word.includes('=')) return false;
    config.set(negated.name, 'false');
    args.take();
    return true;
  }
  if (specs.get(name)!.type === 'bool' && !word.includes('=')) {
    args.take();
    config.set(name, 'true');
    return true;
  }
  config.set(name, args.value(`--${name.replaceAll('_', '-')}`)!);
  return true;
}

/** Takes the configuration's options out of a command line, as every Ceph program does before it reads its own. */
export function takeConfig(words: readonly string[]): { config: Map<string, string>; rest: string[] } {
  const args = new Args(words);
  const config = new Map<string, string>();
  while (args.more) {
    const taken = CONFIG_OPTIONS.some(([name, ...forms]) => {
      const value = args.value(...forms);
      if (value !== undefined) config.set(name, value);
      return value !== undefined;
    });
    if (taken || takeAnyOption(args, config)) continue;
    if (args.word === '--') break;
    args.skip();
  }
  return { config, rest: args.words };
}

/** `-v` or `--version` anywhere but after `--`: the tool tells its version and does nothing else. */
export function showsVersion(words: readonly string[], io: { out(text: string): void }): boolean {
  const end = words.indexOf('--');
  const options = end < 0 ? words : words.slice(0, end);
  if (!options.includes('-v') && !options.includes('--version')) return false;
  io.out(`${CEPH_VERSION_TEXT}\n`);
  return true;
}

/** True where `-h` or `--help` is asked for. */
export function wantsHelp(words: readonly string[]): boolean {
  return words.includes('-h') || words.includes('--help');
}
