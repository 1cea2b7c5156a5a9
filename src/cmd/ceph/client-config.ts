/** How Ceph's client programs come by their configuration: a ceph.conf, the environment, options on the command line. */
import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { Config, confFor, normalizeOptionName, optionSpecs, parseConf, parseOptionValue } from '../../config/index.ts';

/** Single letters, and what they stand for in the configuration. */
const SHORT_FORMS: Readonly<Record<string, string>> = {
  '-m': 'mon_host',
  '-k': 'keyring',
  '-K': 'keyfile',
  '-M': 'monmap',
  '-r': 'client_mountpoint',
  '-l': 'log_file',
};

/** Names of boolean options that programs take although the table does not list them, all without effect on a client. */
const FLAGS_WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  '--no-mon-config',
  '--mon-config',
  '--log-early',
  '--foreground',
  '-f',
  '-d',
]);

export interface ClientIdentity {
  /** Path or list of paths, as given; undefined: the usual places. */
  readonly conf?: string | undefined;
  readonly cluster?: string | undefined;
  /** `client.admin`, or another type's name. */
  readonly name: string;
}

/** No configuration file where one was asked for; `paths` as they were given. */
export class ConfMissing extends Error {
  readonly paths: string;

  constructor(paths: string) {
    super(`no configuration file at ${paths}`);
    this.paths = paths;
  }
}

/** A value on the command line that is none for its option. */
export interface OptionError {
  readonly name: string;
  readonly value: string;
  readonly reason: string;
}

function usualConfPaths(cluster: string): string[] {
  return [`/etc/ceph/${cluster}.conf`, `${homedir()}/.ceph/${cluster}.conf`, `${cluster}.conf`];
}

function readFirst(paths: readonly string[]): { text: string; path: string } | undefined {
  for (const path of paths) {
    try {
      return { text: readFileSync(path, 'utf8'), path };
    } catch {
      // The next one; whether there must be any is the caller's.
    }
  }
  return undefined;
}

/**
 * The configuration of a client: file and environment. Throws ConfMissing where a file that was named (in `identity` or in CEPH_CONF) is not
 * there, and, with `isFileNeeded`, where none is found at all.
 */
export function clientConfig(identity: ClientIdentity, isFileNeeded: boolean): Config {
  const dot = identity.name.indexOf('.');
  const type = identity.name.slice(0, dot);
  const id = identity.name.slice(dot + 1);
  const cluster = identity.cluster ?? 'ceph';
  const config = new Config({
    cluster,
    type,
    id,
    host: hostname().split('.')[0]!,
    pid: process.pid,
    daemon: false,
  });
  const named = identity.conf ?? process.env.CEPH_CONF;
  const paths = named === undefined ? usualConfPaths(cluster) : named.split(/[,;\s]+/).map((p) => config.expand(p));
  const file = readFirst(paths);
  if (file !== undefined) config.replaceLayer('file', confFor(parseConf(file.text, file.path), type, id));
  else if (named !== undefined || isFileNeeded) throw new ConfMissing(named ?? paths.join(','));
  if (process.env.CEPH_KEYRING !== undefined) config.set('env', 'keyring', process.env.CEPH_KEYRING);
  return config;
}

/** Why a text is no value for an option, in Ceph's words where they are known; undefined where it is one. */
function valueError(name: string, text: string): string | undefined {
  const spec = optionSpecs().get(name)!;
  if (name.startsWith('debug_') && !/^\d+(\/\d+)?$/.test(text)) {
    return 'value must take the form N or N/M, where N and M are integers';
  }
  try {
    if (!text.includes('$')) parseOptionValue(spec, text);
    return undefined;
  } catch (error) {
    if ((spec.type === 'secs' || spec.type === 'millisecs') && !/^\s*\d/.test(text)) return 'expected digit';
    return (error as Error).message.replace(/^EINVAL: value '.*' of \w+: /s, '');
  }
}

/**
 * Takes options of the configuration out of a command line, up to `--`: `--debug-ms 20`, `--debug_ms=20`, `--no-...` for booleans, `-m`, `-k`.
 * What is not one stays, in order.
 */
export function takeConfigOptions(config: Config, words: readonly string[]): { rest: string[]; errors: OptionError[] } {
  const rest: string[] = [];
  const errors: OptionError[] = [];
  const specs = optionSpecs();
  const set = (name: string, value: string): void => {
    const reason = valueError(name, value);
    if (reason !== undefined) errors.push({ name, value, reason });
    else config.set('cmdline', name, value);
  };
  let i = 0;
  const takeValue = (word: string, name: string, inline: string | undefined): void => {
    if (inline !== undefined) set(name, inline);
    else if (i < words.length) set(name, words[i++]!);
    else errors.push({ name, value: '', reason: `Option ${word} requires an argument.\n` });
  };
  while (i < words.length) {
    const word = words[i++]!;
    if (word === '--') {
      rest.push(...words.slice(i - 1));
      break;
    }
    if (FLAGS_WITHOUT_EFFECT.has(normalFlag(word))) continue;
    const short = SHORT_FORMS[word];
    if (short !== undefined) {
      takeValue(word, short, undefined);
      continue;
    }
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      rest.push(word);
      continue;
    }
    const name = normalizeOptionName(match[1]!);
    const spec = specs.get(name);
    if (spec?.type === 'bool') set(name, match[2] ?? boolAfter(words, i) ?? 'true');
    else if (spec !== undefined) takeValue(`--${match[1]}`, name, match[2]);
    else if (name.startsWith('no_') && specs.get(name.slice(3))?.type === 'bool') set(name.slice(3), 'false');
    else {
      rest.push(word);
      continue;
    }
    if (spec?.type === 'bool' && match[2] === undefined && boolAfter(words, i) !== undefined) i++;
  }
  return { rest, errors };
}

function normalFlag(word: string): string {
  return word.startsWith('--') ? word.replaceAll('_', '-') : word;
}

/** A word that can only be the value of a boolean option before it. */
function boolAfter(words: readonly string[], i: number): string | undefined {
  const word = words[i];
  return word !== undefined && /^(true|false|yes|no)$/i.test(word) ? word : undefined;
}

/** The words of CEPH_ARGS go before those of the command line; what stands after `--` in either stays at the end. */
export function withCephArgs(words: readonly string[]): string[] {
  const env = (process.env.CEPH_ARGS ?? '').split(/\s+/).filter((w) => w !== '');
  if (env.length === 0) return [...words];
  const split = (all: readonly string[]): [string[], string[]] => {
    const at = all.indexOf('--');
    return at < 0 ? [[...all], []] : [all.slice(0, at), all.slice(at + 1)];
  };
  const [envOptions, envArguments] = split(env);
  const [options, args] = split(words);
  const tail = [...envArguments, ...args];
  return [...envOptions, ...options, ...(tail.length > 0 ? ['--', ...tail] : [])];
}
