/** The options of `ceph` itself, read as Python's argparse reads them: anywhere on the line, by unambiguous beginnings, what is unknown left alone. */
import { pyFloat, pyInt, pyRepr } from './python.ts';
import { SHORT_USAGE } from './usage.ts';

export interface CephOptions {
  completion: boolean;
  help: boolean;
  conf: string | undefined;
  inFile: string | undefined;
  outFile: string | undefined;
  setuser: string | undefined;
  setgroup: string | undefined;
  id: string | undefined;
  name: string | undefined;
  cluster: string | undefined;
  adminDaemon: string | undefined;
  status: boolean;
  watch: boolean;
  watchDebug: boolean;
  watchInfo: boolean;
  watchSec: boolean;
  watchWarn: boolean;
  watchError: boolean;
  watchChannel: string | undefined;
  version: boolean;
  verbose: boolean;
  format: string | undefined;
  /** Seconds. */
  connectTimeout: number | undefined;
  block: boolean;
  /** Seconds. */
  period: number;
}

/** A line that argparse refuses: usage and reason on stderr, status 2. */
export class OptionsError extends Error {}

type Key = keyof CephOptions;

interface Spec {
  readonly forms: readonly string[];
  readonly key: Key;
  /** Undefined: a flag. */
  readonly read?: (text: string) => string | number;
  /** What a flag sets. */
  readonly flag?: boolean;
}

const FORMATS = ['json', 'json-pretty', 'xml', 'xml-pretty', 'plain', 'yaml'];
const text = (word: string): string => word;

class ValueRefused extends Error {}

const SPECS: readonly Spec[] = [
  { forms: ['--completion'], key: 'completion', flag: true },
  { forms: ['-h', '--help'], key: 'help', flag: true },
  { forms: ['-c', '--conf'], key: 'conf', read: text },
  { forms: ['-i', '--in-file'], key: 'inFile', read: text },
  { forms: ['-o', '--out-file'], key: 'outFile', read: text },
  { forms: ['--setuser'], key: 'setuser', read: text },
  { forms: ['--setgroup'], key: 'setgroup', read: text },
  { forms: ['--id', '--user'], key: 'id', read: text },
  { forms: ['--name', '-n'], key: 'name', read: text },
  { forms: ['--cluster'], key: 'cluster', read: text },
  { forms: ['--admin-daemon'], key: 'adminDaemon', read: text },
  { forms: ['-s', '--status'], key: 'status', flag: true },
  { forms: ['-w', '--watch'], key: 'watch', flag: true },
  { forms: ['--watch-debug'], key: 'watchDebug', flag: true },
  { forms: ['--watch-info'], key: 'watchInfo', flag: true },
  { forms: ['--watch-sec'], key: 'watchSec', flag: true },
  { forms: ['--watch-warn'], key: 'watchWarn', flag: true },
  { forms: ['--watch-error'], key: 'watchError', flag: true },
  { forms: ['-W', '--watch-channel'], key: 'watchChannel', read: text },
  { forms: ['--version', '-v'], key: 'version', flag: true },
  { forms: ['--verbose'], key: 'verbose', flag: true },
  { forms: ['--concise'], key: 'verbose', flag: false },
  {
    forms: ['-f', '--format'],
    key: 'format',
    read: (word) => {
      if (FORMATS.includes(word)) return word;
      throw new ValueRefused(`invalid choice: ${pyRepr(word)} (choose from ${FORMATS.map(pyRepr).join(', ')})`);
    },
  },
  {
    forms: ['--connect-timeout'],
    key: 'connectTimeout',
    read: (word) => {
      const value = pyInt(word);
      if (value === undefined) throw new ValueRefused(`invalid int value: ${pyRepr(word)}`);
      return Number(value);
    },
  },
  { forms: ['--block'], key: 'block', flag: true },
  {
    forms: ['--period', '-p'],
    key: 'period',
    read: (word) => {
      const value = pyFloat(word);
      if (value === undefined) throw new ValueRefused(`invalid float value: ${pyRepr(word)}`);
      return value;
    },
  },
];

const BY_FORM: ReadonlyMap<string, Spec> = new Map(SPECS.flatMap((s) => s.forms.map((f) => [f, s] as const)));

export const defaultOptions: CephOptions = {
  completion: false,
  help: false,
  conf: undefined,
  inFile: undefined,
  outFile: undefined,
  setuser: undefined,
  setgroup: undefined,
  id: undefined,
  name: undefined,
  cluster: undefined,
  adminDaemon: undefined,
  status: false,
  watch: false,
  watchDebug: false,
  watchInfo: false,
  watchSec: false,
  watchWarn: false,
  watchError: false,
  watchChannel: undefined,
  version: false,
  verbose: false,
  format: undefined,
  connectTimeout: undefined,
  block: false,
  period: 1,
};

const NEGATIVE_NUMBER = /^-(\d+|\d*\.\d+)$/;

interface Found {
  readonly spec: Spec;
  readonly value: string | undefined;
}

function refuse(spec: Spec, why: string): never {
  throw new OptionsError(`${SHORT_USAGE}ceph: error: argument ${spec.forms.join('/')}: ${why}\n`);
}

/** The option a word is; undefined for arguments and for options that nobody knows. */
function findOption(word: string): Found | 'unknown' | undefined {
  if (!word.startsWith('-') || word === '-') return undefined;
  const exact = BY_FORM.get(word);
  if (exact !== undefined) return { spec: exact, value: undefined };
  const equals = word.indexOf('=');
  if (equals > 0) {
    const spec = BY_FORM.get(word.slice(0, equals));
    if (spec !== undefined) return { spec, value: word.slice(equals + 1) };
  }
  const candidates: (Found & { form: string })[] = [];
  if (word.startsWith('--')) {
    const beginning = equals > 0 ? word.slice(0, equals) : word;
    const value = equals > 0 ? word.slice(equals + 1) : undefined;
    for (const [form, spec] of BY_FORM) if (form.startsWith(beginning)) candidates.push({ spec, value, form });
  } else {
    const short = BY_FORM.get(word.slice(0, 2));
    if (short !== undefined) candidates.push({ spec: short, value: word.slice(2), form: word.slice(0, 2) });
  }
  if (candidates.length > 1) {
    const forms = candidates.map((c) => c.form).join(', ');
    throw new OptionsError(`${SHORT_USAGE}ceph: error: ambiguous option: ${word} could match ${forms}\n`);
  }
  if (candidates.length === 1) return candidates[0]!;
  if (NEGATIVE_NUMBER.test(word) || word.includes(' ')) return undefined;
  return 'unknown';
}

/** Options, and all words that are none. Throws OptionsError. */
export function parseOptions(words: readonly string[]): { options: CephOptions; rest: string[] } {
  const options = { ...defaultOptions };
  const rest: string[] = [];
  const set = (spec: Spec, value: unknown): void => {
    (options as Record<Key, unknown>)[spec.key] = value;
  };
  const read = (spec: Spec, word: string): void => {
    try {
      set(spec, spec.read!(word));
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error;
      refuse(spec, error.message);
    }
  };
  let i = 0;
  while (i < words.length) {
    const word = words[i++]!;
    if (word === '--') {
      rest.push(...words.slice(i - 1));
      break;
    }
    let found = findOption(word);
    if (found === undefined || found === 'unknown') {
      rest.push(word);
      continue;
    }
    // `-sw` is `-s -w`; `-fjson` is `-f json`.
    while (found.spec.read === undefined && found.value !== undefined) {
      const { spec, value }: Found = found;
      const next: Spec | undefined = word.startsWith('--') ? undefined : BY_FORM.get(`-${value.slice(0, 1)}`);
      if (next === undefined) refuse(spec, `ignored explicit argument ${pyRepr(value.replace(/^=/, ''))}`);
      set(spec, spec.flag);
      found = { spec: next, value: value.length > 1 ? value.slice(1) : undefined };
    }
    const { spec, value } = found;
    if (spec.read === undefined) set(spec, spec.flag);
    else if (value !== undefined) read(spec, value);
    else {
      const next = words[i];
      if (next === undefined || next === '--' || findOption(next) !== undefined) refuse(spec, 'expected one argument');
      read(spec, next);
      i++;
    }
  }
  return { options, rest };
}
