import { blob, type Codec, list, Reader, since, string, struct, u8, u64num, Writer } from '../../encoding/index.ts';

/** perfcounter_type_d: a mask; TIME or U64 is always set. */
export const perfCounterKind = { TIME: 0x1, U64: 0x2, LONGRUNAVG: 0x4, COUNTER: 0x8, HISTOGRAM: 0x10 } as const;
export const perfUnit = { BYTES: 0, NONE: 1 } as const;
/** PerfCountersBuilder::PRIO_*: the manager asks for those at least as important as its threshold. */
export const perfPriority = { CRITICAL: 10, INTERESTING: 8, USEFUL: 5, UNINTERESTING: 2, DEBUGONLY: 0 } as const;

/** PerfCounterType: what a daemon tells the manager of a counter before its first value. */
export interface PerfCounterType {
  /** `osd.op_w` */
  path: string;
  description: string;
  nick: string;
  /** Mask of perfCounterKind. */
  type: number;
  priority: number;
  unit: number;
}

export const perfCounterType: Codec<PerfCounterType> = struct(
  'PerfCounterType',
  { version: 3, compat: 1 },
  {
    path: string,
    description: string,
    nick: string,
    type: u8,
    priority: since(2, u8, () => perfPriority.USEFUL),
    unit: since(3, u8, () => perfUnit.NONE),
  },
);

/** Value of one counter. TIME counters are in nanoseconds. */
export interface PerfCounterValue {
  readonly value: number;
  /** Number of samples; only LONGRUNAVG counters have it. */
  readonly count?: number;
}

/**
 * MMgrReport's `packed`: the values of all declared counters in the order of their paths (bytewise); of those with LONGRUNAVG also the count,
 * twice, as Ceph's counters keep it.
 */
export function packPerfCounters(
  counters: Iterable<readonly [type: Pick<PerfCounterType, 'type'>, value: PerfCounterValue]>,
): Uint8Array {
  const w = new Writer(1024);
  const token = w.structStart(1, 1);
  for (const [{ type }, { value, count }] of counters) {
    w.u64num(value);
    if ((type & perfCounterKind.LONGRUNAVG) !== 0) {
      w.u64num(count ?? 0);
      w.u64num(count ?? 0);
    }
  }
  w.structEnd(token);
  return w.bytes();
}

/** Reads `packed` by the declared types, given in the order of their paths. Path -> value. */
export function unpackPerfCounters(
  packed: Uint8Array,
  types: Iterable<PerfCounterType>,
): Map<string, PerfCounterValue> {
  const values = new Map<string, PerfCounterValue>();
  const r = new Reader(packed);
  const frame = r.structStart(1);
  for (const { path, type } of types) {
    const value = r.u64num();
    if ((type & perfCounterKind.LONGRUNAVG) === 0) values.set(path, { value });
    else {
      const count = r.u64num();
      r.u64num();
      values.set(path, { value, count });
    }
  }
  r.structEnd(frame);
  return values;
}

/** denc_varint: seven bits a byte, the lowest first, the top bit set on all but the last. */
export function writeVarint(w: Writer, x: number): void {
  let v = x;
  while (v >= 0x80) {
    w.u8((v % 0x80) | 0x80);
    v = Math.floor(v / 0x80);
  }
  w.u8(v);
}

export function readVarint(r: Reader): number {
  let v = 0;
  let scale = 1;
  for (let i = 0; i < 8; i++) {
    const b = r.u8();
    v += (b & 0x7f) * scale;
    if (b < 0x80) return v;
    scale *= 0x80;
  }
  r.fail('varint longer than 53 bits');
}

function varintList<T>(element: Codec<T>): Codec<T[]> {
  return {
    name: `varlist<${element.name}>`,
    length_min: 1,
    encode(w, values) {
      writeVarint(w, values.length);
      for (const v of values) element.encode(w, v);
    },
    decode(r) {
      const n = readVarint(r);
      if (n * element.length_min > r.remaining) r.fail(`claims ${n} elements, ${r.remaining} bytes left`);
      const values: T[] = [];
      for (let i = 0; i < n; i++) values.push(element.decode(r));
      return values;
    },
  };
}

/** OSDPerfMetricSubKeyType: what an OSD can group its work by. */
export const osdPerfSubKey = {
  CLIENT_ID: 0,
  CLIENT_ADDRESS: 1,
  POOL_ID: 2,
  NAMESPACE: 3,
  OSD_ID: 4,
  PG_ID: 5,
  OBJECT_NAME: 6,
  SNAP_ID: 7,
} as const;

/** PerformanceCounterType: what it counts by group. */
export const osdPerfCounter = {
  OPS: 0,
  WRITE_OPS: 1,
  READ_OPS: 2,
  BYTES: 3,
  WRITE_BYTES: 4,
  READ_BYTES: 5,
  LATENCY: 6,
  WRITE_LATENCY: 7,
  READ_LATENCY: 8,
} as const;

/** OSDPerfMetricQuery: groups (by parts of what a regular expression finds) and what to count of each. */
export interface OsdPerfMetricQuery {
  keyDescriptor: { type: number; regex: string }[];
  /** Of osdPerfCounter. */
  counters: { type: number }[];
}

const subKey = struct('OSDPerfMetricSubKeyDescriptor', { version: 1, compat: 1 }, { type: u8, regex: string });
const counter = struct('PerformanceCounterDescriptor', { version: 1, compat: 1 }, { type: u8 });

export const osdPerfMetricQuery: Codec<OsdPerfMetricQuery> = struct(
  'OSDPerfMetricQuery',
  { version: 1, compat: 1 },
  { keyDescriptor: varintList(subKey), counters: varintList(counter) },
);

/** OSDPerfMetricLimit: how many of the groups, by which order. */
export interface OsdPerfMetricLimit {
  orderBy: { type: number };
  maxCount: number;
}

const limit: Codec<OsdPerfMetricLimit> = struct(
  'OSDPerfMetricLimit',
  { version: 1, compat: 1 },
  { orderBy: counter, maxCount: u64num },
);

/** Queries with their limits, in the order sent. */
export type OsdPerfQueries = [query: OsdPerfMetricQuery, limits: OsdPerfMetricLimit[]][];

/** A std::map whose keys are structs: pairs in the order they came. */
export function pairs<K, V>(key: Codec<K>, value: Codec<V>): Codec<[K, V][]> {
  return {
    name: `map<${key.name}, ${value.name}>`,
    length_min: 4,
    encode(w, entries) {
      w.u32(entries.length);
      for (const [k, v] of entries) {
        key.encode(w, k);
        value.encode(w, v);
      }
    },
    decode(r) {
      const n = r.count(key.length_min + value.length_min);
      const entries: [K, V][] = [];
      for (let i = 0; i < n; i++) {
        const k = key.decode(r);
        entries.push([k, value.decode(r)]);
      }
      return entries;
    },
  };
}

export const osdPerfQueries: Codec<OsdPerfQueries> = pairs(osdPerfMetricQuery, list(limit));

/** OSDPerfMetricReport: group (of each sub-key the parts found) -> packed counters. */
export interface OsdPerfMetricReport {
  counters: { type: number }[];
  groups: [key: string[][], packed: Uint8Array][];
}

export const osdPerfMetricReport: Codec<OsdPerfMetricReport> = struct(
  'OSDPerfMetricReport',
  { version: 1, compat: 1 },
  { counters: varintList(counter), groups: pairs(list(list(string)), blob) },
);

export type OsdPerfReports = [query: OsdPerfMetricQuery, report: OsdPerfMetricReport][];
export const osdPerfReports: Codec<OsdPerfReports> = pairs(osdPerfMetricQuery, osdPerfMetricReport);
