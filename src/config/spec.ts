import { ErrnoError } from '../base/index.ts';
import { optionTable } from './table.ts';

export type OptionType =
  | 'str'
  | 'int'
  | 'uint'
  | 'float'
  | 'bool'
  | 'size'
  | 'secs'
  | 'millisecs'
  | 'addr'
  | 'addrvec'
  | 'uuid';

export type OptionValue = string | number | boolean;

/** What is known of an option; see `ceph config help`. */
export interface OptionSpec {
  readonly name: string;
  readonly type: OptionType;
  readonly level: 'basic' | 'advanced' | 'dev' | 'unknown';
  /** Default in text form, before metavariables are expanded. */
  readonly default: string;
  /** Default of daemons where it differs, else undefined. */
  readonly daemonDefault: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly enumValues: readonly string[];
  readonly flags: readonly string[];
  readonly services: readonly string[];
  readonly runtime: boolean;
}

/** Log subsystems with their default levels (log/gather): each is an option `debug_NAME`. */
const subsystems = `
none=0/5 lockdep=0/1 context=0/1 crush=1/1 mds=1/5 mds_balancer=1/5 mds_locker=1/5 mds_log=1/5
mds_log_expire=1/5 mds_migrator=1/5 buffer=0/1 timer=0/1 filer=0/1 striper=0/1 objecter=0/1 rados=0/5 rbd=0/5
rbd_mirror=0/5 rbd_replay=0/5 rbd_pwl=0/5 journaler=0/5 objectcacher=0/5 immutable_obj_cache=0/5 client=0/5
osd=1/5 optracker=0/5 objclass=0/5 filestore=1/3 journal=1/3 ms=0/0 mon=1/5 monc=0/10 paxos=1/5 tp=0/5
auth=1/5 crypto=1/5 finisher=1/1 reserver=1/1 heartbeatmap=1/5 perfcounter=1/5 rgw=1/5 rgw_sync=1/5
civetweb=1/10 javaclient=1/5 asok=1/5 throttle=1/1 refs=0/0 compressor=1/5 bluestore=1/5 bluefs=1/5 bdev=1/3
kstore=1/5 rocksdb=4/5 leveldb=4/5 memdb=4/5 fuse=1/5 mgr=2/5 mgrc=1/5 dpdk=1/5 eventtrace=1/5
prioritycache=1/5 test=0/5 cephfs_mirror=0/5 cephsqlite=0/5
`;

let specs: Map<string, OptionSpec> | undefined;

/** Every option that Ceph 16.2.15 knows, by name. */
export function optionSpecs(): ReadonlyMap<string, OptionSpec> {
  if (specs !== undefined) return specs;
  specs = new Map();
  for (const line of optionTable.split('\n')) {
    if (line === '') continue;
    const [name, type, level, dflt, daemonDefault, min, max, enums, flags, services, runtime] = line.split(
      '|',
    ) as string[];
    specs.set(name!, {
      name: name!,
      type: type as OptionType,
      level: level as OptionSpec['level'],
      default: dflt!,
      daemonDefault: daemonDefault === '' ? undefined : daemonDefault,
      min: min === '' ? undefined : parseMinimum(min!),
      max: max === '' ? undefined : Number(max),
      enumValues: enums === '' ? [] : enums!.split(','),
      flags: flags === '' ? [] : flags!.split(','),
      services: services === '' ? [] : services!.split(','),
      runtime: runtime === 'r',
    });
  }
  for (const item of subsystems.trim().split(/\s+/)) {
    const [name, levels] = item.split('=') as [string, string];
    specs.set(`debug_${name}`, {
      name: `debug_${name}`,
      type: 'str',
      level: 'advanced',
      default: levels,
      daemonDefault: undefined,
      min: undefined,
      max: undefined,
      enumValues: [],
      flags: [],
      services: [],
      runtime: true,
    });
  }
  return specs;
}

/** `osd memory-target` and `osd_memory_target` are one option, as in ceph.conf. */
export function normalizeOptionName(name: string): string {
  return name.trim().replace(/[\s-]+/g, '_');
}

const SI: Record<string, number> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };
const IEC: Record<string, number> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
  E: 2 ** 60,
};
const SECONDS: Record<string, number> = {
  '': 1,
  s: 1,
  sec: 1,
  second: 1,
  seconds: 1,
  m: 60,
  min: 60,
  minute: 60,
  minutes: 60,
  h: 3600,
  hr: 3600,
  hour: 3600,
  hours: 3600,
  d: 86400,
  day: 86400,
  days: 86400,
  w: 604800,
  wk: 604800,
  week: 604800,
  weeks: 604800,
  mo: 2592000,
  month: 2592000,
  months: 2592000,
  y: 31536000,
  yr: 31536000,
  year: 31536000,
  years: 31536000,
};

/** A negative minimum of an unsigned option is listed wrapped to 64 bits. */
function parseMinimum(text: string): number {
  return /^\d{19,}$/.test(text) ? Number(BigInt.asIntN(64, BigInt(text))) : Number(text);
}

function bad(spec: OptionSpec, text: string, why: string): never {
  throw new ErrnoError('EINVAL', `value '${text}' of ${spec.name}: ${why}`);
}

function parseInteger(spec: OptionSpec, text: string): number {
  const size = spec.type === 'size';
  const match = /^([+-]?)(0x[0-9a-f]+|\d+)([KMGTPE]?)(i?)B?$/i.exec(text.trim());
  if (match === null) bad(spec, text, 'expected a whole number');
  const [, sign, digits, prefix, binary] = match;
  const table = size || binary !== '' ? IEC : SI;
  const value = Number(digits) * table[prefix!.toUpperCase()]! * (sign === '-' ? -1 : 1);
  if (value < 0 && spec.type !== 'int') bad(spec, text, 'must not be negative');
  return value;
}

function parseSeconds(spec: OptionSpec, text: string): number {
  let rest = text.trim();
  let total = 0;
  if (rest === '') bad(spec, text, 'expected a duration');
  while (rest !== '') {
    const match = /^(\d+)\s*([a-z]*)\s*/.exec(rest);
    const unit = match === null ? undefined : SECONDS[match[2]!];
    if (match === null || unit === undefined) bad(spec, text, 'expected a duration such as 30, 5m or 1h30m');
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  return total;
}

/** Value of `text` for an option: numbers for sizes (bytes) and durations (s or ms). Throws EINVAL with what was expected. */
export function parseOptionValue(spec: OptionSpec, text: string): OptionValue {
  let value: OptionValue;
  switch (spec.type) {
    case 'bool': {
      const t = text.trim().toLowerCase();
      if (['true', 'yes', 'on', '1'].includes(t)) value = true;
      else if (['false', 'no', 'off', '0', ''].includes(t)) value = false;
      else bad(spec, text, 'expected true or false');
      break;
    }
    case 'int':
    case 'uint':
    case 'size':
      value = parseInteger(spec, text);
      break;
    case 'float':
      value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value)) bad(spec, text, 'expected a number');
      break;
    case 'secs':
      value = parseSeconds(spec, text);
      break;
    case 'millisecs':
      value = parseInteger(spec, text);
      break;
    case 'uuid':
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) bad(spec, text, 'expected a uuid');
      value = text.toLowerCase();
      break;
    default:
      value = text;
  }
  if (typeof value === 'number') {
    if (spec.min !== undefined && value < spec.min) bad(spec, text, `less than the minimum ${spec.min}`);
    if (spec.max !== undefined && value > spec.max) bad(spec, text, `more than the maximum ${spec.max}`);
  }
  if (spec.enumValues.length > 0 && !spec.enumValues.includes(String(value))) {
    bad(spec, text, `expected one of ${spec.enumValues.join(', ')}`);
  }
  return value;
}

/** Text of a value as Ceph prints it (`config get`, `config show`): floats carry six decimals. */
export function formatOptionValue(spec: OptionSpec, value: OptionValue): string {
  if (spec.type === 'float') return Number(value).toFixed(6);
  return String(value);
}
