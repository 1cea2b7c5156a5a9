import type { Codec } from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import type { Formatter } from '../format/index.ts';
import { formatG } from '../format/index.ts';

/** The type of a pool option: text, whole number or double. */
export type PoolOptType = 'str' | 'int' | 'double';

/** pool_opts_t::key_t: options in the order of their numbers on the wire. */
const OPTIONS = [
  ['scrub_min_interval', 'double'],
  ['scrub_max_interval', 'double'],
  ['deep_scrub_interval', 'double'],
  ['recovery_priority', 'int'],
  ['recovery_op_priority', 'int'],
  ['scrub_priority', 'int'],
  ['compression_mode', 'str'],
  ['compression_algorithm', 'str'],
  ['compression_required_ratio', 'double'],
  ['compression_max_blob_size', 'int'],
  ['compression_min_blob_size', 'int'],
  ['csum_type', 'int'],
  ['csum_max_block', 'int'],
  ['csum_min_block', 'int'],
  ['fingerprint_algorithm', 'str'],
  ['pg_num_min', 'int'],
  ['target_size_bytes', 'int'],
  ['target_size_ratio', 'double'],
  ['pg_autoscale_bias', 'double'],
  ['read_lease_interval', 'double'],
  ['dedup_tier', 'int'],
  ['dedup_chunk_algorithm', 'str'],
  ['dedup_cdc_chunk_size', 'int'],
  ['pg_num_max', 'int'],
] as const;

export type PoolOptName = (typeof OPTIONS)[number][0];

const NUMBER_OF: ReadonlyMap<string, number> = new Map(OPTIONS.map(([name], i) => [name, i]));
const BY_NAME = OPTIONS.map(([name]) => name).sort();

/** Type of the option called `name`, or undefined where there is none. */
export function poolOptType(name: string): PoolOptType | undefined {
  const number = NUMBER_OF.get(name);
  return number === undefined ? undefined : OPTIONS[number]![1];
}

export function isPoolOptName(name: string): name is PoolOptName {
  return NUMBER_OF.has(name);
}

/** A value with its type: a double that happens to be whole is still sent as a double. */
export type PoolOpt =
  | { readonly type: 'str'; readonly value: string }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'double'; readonly value: number };

/** pool_opts_t: options that are set, by their number. Numbers this version does not know are kept. */
export type PoolOpts = ReadonlyMap<number, PoolOpt>;

export function getPoolOpt(opts: PoolOpts, name: PoolOptName): string | number | undefined {
  return opts.get(NUMBER_OF.get(name)!)?.value;
}

/** A copy with `name` set to `value`, which must be of the option's type. */
export function setPoolOpt(opts: PoolOpts, name: PoolOptName, value: string | number): PoolOpts {
  const number = NUMBER_OF.get(name)!;
  const type = OPTIONS[number]![1];
  if ((type === 'str') !== (typeof value === 'string')) throw new RangeError(`${name} is of type ${type}`);
  return new Map(opts).set(number, { type, value } as PoolOpt);
}

/** A copy without `name`. */
export function unsetPoolOpt(opts: PoolOpts, name: PoolOptName): PoolOpts {
  const copy = new Map(opts);
  copy.delete(NUMBER_OF.get(name)!);
  return copy;
}

/** Names and values of what is set, by name, as dumps list them. */
export function listPoolOpts(opts: PoolOpts): [PoolOptName, PoolOpt][] {
  const listed: [PoolOptName, PoolOpt][] = [];
  for (const name of BY_NAME) {
    const opt = opts.get(NUMBER_OF.get(name)!);
    if (opt !== undefined) listed.push([name, opt]);
  }
  return listed;
}

export function dumpPoolOpts(opts: PoolOpts, f: Formatter): void {
  for (const [name, opt] of listPoolOpts(opts)) {
    if (opt.type === 'str') f.string(name, opt.value);
    else if (opt.type === 'int') f.int(name, opt.value);
    else f.float(name, opt.value);
  }
}

/** ` name value` of each, as in the plain listing of pools. */
export function formatPoolOpts(opts: PoolOpts): string {
  return listPoolOpts(opts)
    .map(([name, opt]) => ` ${name} ${opt.type === 'double' ? formatG(opt.value) : opt.value}`)
    .join('');
}

const TYPE_NUMBERS: readonly PoolOptType[] = ['str', 'int', 'double'];

/** pool_opts_t: before Nautilus (v1) whole numbers have 32 bits. */
export const poolOpts: Codec<PoolOpts> = {
  name: 'pool_opts_t',
  length_min: 10,
  encode(w, opts) {
    const version = hasFeature(w.features, feature.SERVER_NAUTILUS) ? 2 : 1;
    const token = w.structStart(version, 1);
    w.u32(opts.size);
    for (const number of [...opts.keys()].sort((a, b) => a - b)) {
      const opt = opts.get(number)!;
      w.s32(number);
      w.s32(TYPE_NUMBERS.indexOf(opt.type));
      if (opt.type === 'str') w.string(opt.value);
      else if (opt.type === 'double') w.f64(opt.value);
      else if (version >= 2) w.s64num(opt.value);
      else w.s32(opt.value);
    }
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const opts = new Map<number, PoolOpt>();
    const n = r.count(12);
    for (let i = 0; i < n; i++) {
      const number = r.s32();
      const type = TYPE_NUMBERS[r.s32()];
      if (type === 'str') opts.set(number, { type, value: r.string() });
      else if (type === 'double') opts.set(number, { type, value: r.f64() });
      else if (type === 'int') opts.set(number, { type, value: frame.version >= 2 ? r.s64num() : r.s32() });
      else r.fail('unknown type of a pool option');
    }
    r.structEnd(frame);
    return opts;
  },
};
