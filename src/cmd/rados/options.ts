/** The options of `rados`, as Ceph's reads them: anywhere on the line; a word it does not know is an argument. */
import { ToolExit } from '../tools/args.ts';
import { UsageExit } from './report.ts';

/** What stands without a value, and what it is called below. */
const FLAGS = {
  '--force-full': 'forceFull',
  '-d': 'deleteAfter',
  '--delete-after': 'deleteAfter',
  '-C': 'create',
  '--create': 'create',
  '--create-pool': 'create',
  '--pretty-format': 'prettyFormat',
  '--show-time': 'showTime',
  '--no-cleanup': 'noCleanup',
  '--no-hints': 'noHints',
  '--reuse-bench': 'reuseBench',
  '--no-verify': 'noVerify',
  '--striper': 'striper',
  '--all': 'all',
  '--default': 'default',
  '--write-omap': 'writeOmap',
  '--write-object': 'writeObject',
  '--write-xattr': 'writeXattr',
  '--with-clones': 'withClones',
  '--with-reference': 'withReference',
} as const;

const VALUES = {
  '--run-name': 'runName',
  '--prefix': 'prefix',
  '-p': 'pool',
  '--pool': 'pool',
  '--target-pool': 'targetPool',
  '--object-locator': 'objectLocator',
  '--target-locator': 'targetLocator',
  '--target-nspace': 'targetNspace',
  '-t': 'concurrentIos',
  '--concurrent-ios': 'concurrentIos',
  '-b': 'blockSize',
  '--block-size': 'blockSize',
  '-O': 'objectSize',
  '--object-size': 'objectSize',
  '--max-objects': 'maxObjects',
  '--offset': 'offset',
  '-s': 'snap',
  '--snap': 'snap',
  '-S': 'snapid',
  '--snapid': 'snapid',
  '--min-object-size': 'minObjectSize',
  '--max-object-size': 'maxObjectSize',
  '--min-op-len': 'minOpLen',
  '--max-op-len': 'maxOpLen',
  '--max-ops': 'maxOps',
  '--max-backlog': 'maxBacklog',
  '--target-throughput': 'targetThroughput',
  '--offset-align': 'offsetAlign',
  '--read-percent': 'readPercent',
  '--num-objects': 'numObjects',
  '--run-length': 'runLength',
  '--workers': 'workers',
  '-f': 'format',
  '--format': 'format',
  '--lock-tag': 'lockTag',
  '--lock-cookie': 'lockCookie',
  '--lock-description': 'lockDescription',
  '--lock-duration': 'lockDuration',
  '--lock-type': 'lockType',
  '-N': 'namespace',
  '--namespace': 'namespace',
  '-o': 'output',
  '--output': 'output',
  '--omap-key-file': 'omapKeyFile',
  '--obj-name-file': 'objNameFile',
  '--pgid': 'pgid',
  '--input-file': 'inputFile',
} as const;

export type Flag = (typeof FLAGS)[keyof typeof FLAGS];
export type ValueOption = (typeof VALUES)[keyof typeof VALUES];

/** Options whose values are numbers, in the order in which they are looked at, and what errors call them. */
const NUMBERS = [
  ['concurrentIos', 'concurrent-ios'],
  ['blockSize', 'block-size'],
  ['objectSize', 'object-size'],
  ['maxObjects', 'max-objects'],
  ['offset', 'offset'],
  ['snapid', 'snapid'],
  ['minObjectSize', 'min-object-size'],
  ['maxObjectSize', 'max-object-size'],
  ['minOpLen', 'min-op-len'],
  ['maxOpLen', 'max-op-len'],
  ['maxOps', 'max-ops'],
  ['maxBacklog', 'max-backlog'],
  ['targetThroughput', 'target-throughput'],
  ['readPercent', 'read-percent'],
  ['numObjects', 'num-objects'],
  ['runLength', 'run-length'],
  ['offsetAlign', 'offset_align'],
] as const;

export type NumberOption = (typeof NUMBERS)[number][0];

/** Of those, the ones that are 32 bits wide in Ceph's program: what does not fit wraps around. */
const NARROW: ReadonlySet<NumberOption> = new Set(['blockSize', 'objectSize', 'maxObjects']);

export interface RadosWords {
  readonly flags: ReadonlySet<Flag>;
  readonly values: ReadonlyMap<ValueOption, string>;
  /** The command and its arguments. */
  readonly args: readonly string[];
}

const normal = (name: string): string => (name.startsWith('--') ? name.replaceAll('_', '-') : name);

/** Sorts the words of a command line. ToolExit where an option lacks its value. */
export function readWords(words: readonly string[]): RadosWords {
  const flags = new Set<Flag>();
  const values = new Map<ValueOption, string>();
  const args: string[] = [];
  let last = '';
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      args.push(...words.slice(i + 1));
      break;
    }
    const flag = (FLAGS as Record<string, Flag>)[normal(word)];
    if (flag !== undefined) {
      flags.add(flag);
      continue;
    }
    const equals = word.startsWith('-') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const option = (VALUES as Record<string, ValueOption>)[normal(name)];
    if (option === undefined) {
      // Ceph's takes the value of the option before for the word it looks at.
      if (last.startsWith('-')) throw new UsageExit();
      args.push(word);
      continue;
    }
    const value = equals < 0 ? words[++i] : word.slice(equals + 1);
    if (value === undefined) throw new ToolExit(1, `Option ${name} requires an argument.\n`);
    values.set(option, value);
    last = value;
  }
  return { flags, values, args };
}

const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  B: 1n,
  K: 1n << 10n,
  M: 1n << 20n,
  G: 1n << 30n,
  T: 1n << 40n,
  P: 1n << 50n,
  E: 1n << 60n,
};

/** A number with a binary unit, as `4K` or `4Ki`. Throws with what Ceph says of others. */
export function parseIec(text: string): bigint {
  if (text === '') throw new RangeError('strict_iecstrtoll: value not specified');
  const digits = /^[-+0-9]*/.exec(text)![0];
  const unit = text.slice(digits.length);
  if (unit.endsWith('i') && unit.startsWith('B')) throw new RangeError('strict_iecstrtoll: illegal prefix "Bi"');
  if (unit.length > 2) throw new RangeError('strict_iecstrtoll: illegal prefix (length > 2)');
  const factor = UNITS[unit.slice(0, 1)];
  if (factor === undefined) throw new RangeError('strict_iecstrtoll: unit prefix not recognized');
  if (!/^[-+]?\d+$/.test(digits)) {
    throw new RangeError(`Expected option value to be integer, got '${digits}'`);
  }
  const value = BigInt(digits.replace('+', ''));
  if (BigInt.asIntN(64, value) !== value) {
    throw new RangeError(`The option value '${digits}' seems to be invalid`);
  }
  if (value < 0n) throw new RangeError('strict_iecstrtoll: value should not be negative');
  if (BigInt.asUintN(64, value * factor) !== value * factor) {
    throw new RangeError('strict_iecstrtoll: value seems to be too large');
  }
  return value * factor;
}

/** The numbers among the options. ToolExit with the status that Ceph's program ends with where one is none. */
export function readNumbers(values: ReadonlyMap<ValueOption, string>): Map<NumberOption, number> {
  const numbers = new Map<NumberOption, number>();
  for (const [option, shown] of NUMBERS) {
    const text = values.get(option);
    if (text === undefined) continue;
    try {
      const value = parseIec(text);
      numbers.set(option, Number(NARROW.has(option) ? BigInt.asUintN(32, value) : value));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new ToolExit(256 - 22, `Invalid value for ${shown}: ${error.message}\n`);
    }
  }
  return numbers;
}
