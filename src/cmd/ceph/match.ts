/** Which command a command line means, and the values it gives. The words and their order follow what Ceph's `ceph` accepts and says. */
import { ArgumentError } from './arg-types.ts';
import { type PyValue, pyReprList } from './python.ts';
import { type CommandDescription, commandFlag, type Parameter, parameterText, usageLine } from './signature.ts';

/** Values by parameter; `prefix` is the command's own words. */
export type CommandValues = Record<string, PyValue>;

/** How many words of a parameter were seen, and how many it takes now: one that repeats always takes one more. */
interface Progress {
  seen: number;
  wanted: number;
}

/** Values of one word: several where a repeated parameter is given as `a,b`. */
function readWord(
  word: string,
  parameter: Parameter,
  progress: Progress,
  isNamed: boolean,
  isPartial: boolean,
): PyValue[] {
  const mayHoldCommas = parameter.isRepeated && (isNamed || parameter.type.name !== 'CephString');
  const parts = mayHoldCommas ? word.split(',') : [word];
  const values = parts.map((part) => parameter.type.parse(part, isPartial));
  progress.seen++;
  if (parameter.isRepeated) progress.wanted = progress.seen + 1;
  return values;
}

/** Required parameters that the words match from the start on. `isPartial`: the last word may be the beginning of one. */
function countMatches(words: readonly string[], signature: readonly Parameter[], isPartial: boolean): number {
  let at = 0;
  let matches = 0;
  for (const parameter of signature) {
    const progress = { seen: 0, wanted: parameter.count };
    while (progress.seen < progress.wanted) {
      const word = words[at];
      if (word === undefined) return matches;
      try {
        readWord(word, parameter, progress, false, isPartial && at === words.length - 1);
      } catch (error) {
        if (!(error instanceof ArgumentError)) throw error;
        if (parameter.isRequired) return matches;
        break;
      }
      at++;
    }
    if (parameter.isRequired) matches++;
  }
  return matches;
}

/** Options that older daemons describe as plain values. */
const CONFIRMATIONS: ReadonlySet<string> = new Set([
  '--yes-i-really-mean-it',
  '--yes-i-really-really-mean-it',
  '--yes-i-really-really-mean-it-not-faking',
  '--force',
]);

/** One attempt to read words by one command's signature. */
class Reading {
  readonly #signature: readonly Parameter[];
  readonly #words: string[];
  readonly #isPartial: boolean;
  readonly #progress: Map<Parameter, Progress>;
  readonly #byName: Map<string, Parameter>;
  readonly #isInjectargs: boolean;
  readonly values: CommandValues = {};
  #matches = 0;
  /** The last word that an optional parameter refused, and why. */
  #refused: { word: string; error: ArgumentError } | undefined;

  constructor(words: readonly string[], signature: readonly Parameter[], isPartial: boolean) {
    this.#signature = signature;
    this.#words = [...words];
    this.#isPartial = isPartial;
    this.#progress = new Map(signature.map((p) => [p, { seen: 0, wanted: p.count }]));
    this.#byName = new Map(signature.filter((p) => p.type.name !== 'CephPrefix').map((p) => [p.name, p]));
    this.#isInjectargs = words[0] === 'injectargs';
  }

  /** True where the whole signature was read; false where a partial reading ended before. */
  read(): boolean {
    for (const parameter of this.#signature) {
      const progress = this.#progress.get(parameter)!;
      progress.seen = 0;
      while (progress.seen < progress.wanted) {
        const step = this.#step(parameter, progress);
        if (step === 'end') return false;
        if (step === 'next') break;
      }
    }
    const required = this.#signature.filter((p) => p.isRequired).length;
    if (this.#matches < required) throw new ArgumentError('tooFew', 'not enough arguments given');
    if (this.#words.length > 0 && !this.#isPartial) {
      if (this.#refused !== undefined) {
        process.stderr.write(`${this.#refused.word} not valid:  ${this.#refused.error.message}\n`);
      }
      throw new ArgumentError('value', `unused arguments: ${pyReprList(this.#words)}`);
    }
    return true;
  }

  #step(parameter: Parameter, progress: Progress): 'again' | 'next' | 'end' {
    const word = this.#words.shift();
    const isThere = word !== undefined && word !== '';
    if (word === undefined && (!parameter.isRequired || parameter.name in this.values)) return 'next';
    if (isThere && this.#readNamed(word)) return 'again';
    if (isThere && word.startsWith('--') && !this.#isValue(word, parameter)) {
      throw new ArgumentError('value', `Unexpected argument '${word}'`);
    }
    if (word === undefined) return this.#lacking(parameter, progress);
    try {
      this.#store(parameter, readWord(word, parameter, progress, false, false));
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      if (!parameter.isRequired) {
        this.#refused = { word, error };
        this.#words.unshift(word);
        return 'next';
      }
      if (this.#isPartial) return 'end';
      throw error;
    }
    this.#refused = undefined;
    return 'again';
  }

  /** Takes `--name=value`, `--name value` or `--flag`, where there is a parameter of that name. */
  #readNamed(word: string): boolean {
    const inline = /^--([^=]+)=(.+)/.exec(word);
    const name = (inline ?? /^--([^=]+)/.exec(word))?.[1]?.replaceAll('-', '_');
    const parameter = name === undefined ? undefined : this.#byName.get(name);
    if (parameter === undefined) return false;
    let value: string | undefined = inline?.[2];
    if (inline === null) value = parameter.type.name === 'CephBool' ? 'true' : this.#words.shift();
    if (value === undefined) return false;
    this.#store(parameter, readWord(value, parameter, this.#progress.get(parameter)!, true, false));
    return true;
  }

  #isValue(word: string, parameter: Parameter): boolean {
    return parameter.type.name === 'CephChoices' || CONFIRMATIONS.has(word) || this.#isInjectargs;
  }

  #lacking(parameter: Parameter, { seen, wanted }: Progress): 'next' | 'end' {
    const shown = parameterText(parameter);
    if (parameter.isRepeated) {
      if (seen >= 1) return 'next';
      if (this.#isPartial) return 'end';
      throw new ArgumentError('value', `saw ${seen} of ${shown}, expected at least 1`);
    }
    if (this.#isPartial) return 'end';
    if (seen === 0 && wanted === 1) throw new ArgumentError('missing', `missing required parameter ${shown}`);
    throw new ArgumentError('value', `saw ${seen} of ${shown}, expected ${wanted}`);
  }

  #store({ name, type, isRepeated }: Parameter, given: readonly PyValue[]): void {
    const there = this.values[name];
    this.#matches++;
    if (isRepeated) this.values[name] = [...(Array.isArray(there) ? there : []), ...given];
    else if (type.name === 'CephPrefix' && there !== undefined) this.values[name] = `${there} ${given.at(-1)}`;
    else this.values[name] = given.at(-1)!;
  }
}

/** The values that words have by one signature. Throws ArgumentError. */
export function readCommand(words: readonly string[], signature: readonly Parameter[]): CommandValues {
  const reading = new Reading(words, signature, false);
  reading.read();
  return reading.values;
}

/** As {@link readCommand}, of a signature that only begins a command: gives as many values as there are, and fails for nothing. */
export function readBeginning(words: readonly string[], signature: readonly Parameter[]): CommandValues {
  const reading = new Reading(words, signature, true);
  try {
    reading.read();
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return {};
  }
  return reading.values;
}

/** The commands that match most of the words, those with fewest required parameters first. */
function bestMatches(commands: readonly CommandDescription[], words: readonly string[]): CommandDescription[] {
  let most = 0;
  let best: CommandDescription[] = [];
  for (const command of commands) {
    if ((command.flags & commandFlag.OBSOLETE) !== 0) continue;
    let matches = countMatches(words, command.signature, true);
    // One that matches whole words goes before one that matches the beginning of a word.
    if (matches >= Math.floor(most) && matches === countMatches(words, command.signature, false)) matches += 0.5;
    if (matches > most) {
      most = matches;
      best = [command];
    } else if (matches === most) best.push(command);
  }
  return best;
}

/**
 * Finds the command that words mean and reads their values. Where there is none, says on stderr what would be near and gives undefined. A command for
 * the manager has a `target` among its values, one to be repeated has `poll`.
 */
export function matchCommand(
  commands: readonly CommandDescription[],
  words: readonly string[],
): CommandValues | undefined {
  const best = bestMatches(commands, words);
  const required = (c: CommandDescription): number => c.signature.filter((p) => p.isRequired).length;
  let wrong: { command: CommandDescription; error: ArgumentError } | undefined;
  for (const command of [...best].sort((a, b) => required(a) - required(b))) {
    try {
      const values = readCommand(words, command.signature);
      if ((command.flags & commandFlag.MGR) !== 0) values.target = ['mon-mgr', ''];
      if ((command.flags & commandFlag.POLL) !== 0) values.poll = true;
      return values;
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      if (error.fault === 'prefix' || error.fault === 'tooFew') continue;
      if (error.fault !== 'missing' || best.length === 1) wrong = { command, error };
      break;
    }
  }
  if (wrong !== undefined) {
    const { command, error } = wrong;
    process.stderr.write(`Invalid command: ${error.message}\n${usageLine(command.signature)} :  ${command.help}\n`);
    return undefined;
  }
  const near = best.filter((c) => (c.flags & (commandFlag.DEPRECATED | commandFlag.HIDDEN)) === 0).slice(0, 10);
  process.stderr.write(`no valid command found; ${near.length} closest matches:\n`);
  for (const { signature } of near) process.stderr.write(`${usageLine(signature)}\n`);
  return undefined;
}
