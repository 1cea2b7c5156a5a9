import {
  byNumber,
  byString,
  type Codec,
  list,
  plain,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u32,
  u64,
  u64num,
} from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import { ObjectStatSum, objectStatCollection } from './object-stats.ts';

/** store_statfs_t: space of an object store, in bytes. */
export interface StoreStatfs {
  total: number;
  available: number;
  internallyReserved: number;
  allocated: number;
  dataStored: number;
  dataCompressed: number;
  dataCompressedAllocated: number;
  dataCompressedOriginal: number;
  omapAllocated: number;
  internalMetadata: number;
}

export const storeStatfs: Codec<StoreStatfs> = struct(
  'store_statfs_t',
  { version: 1, compat: 1 },
  {
    total: u64num,
    available: u64num,
    internallyReserved: u64num,
    allocated: s64num,
    dataStored: s64num,
    dataCompressed: s64num,
    dataCompressedAllocated: s64num,
    dataCompressedOriginal: s64num,
    omapAllocated: s64num,
    internalMetadata: s64num,
  },
);

export function makeStoreStatfs(): StoreStatfs {
  return {
    total: 0,
    available: 0,
    internallyReserved: 0,
    allocated: 0,
    dataStored: 0,
    dataCompressed: 0,
    dataCompressedAllocated: 0,
    dataCompressedOriginal: 0,
    omapAllocated: 0,
    internalMetadata: 0,
  };
}

/** Used bytes, the reserved ones included. */
export function statfsUsedRaw(s: StoreStatfs): number {
  return s.total - s.available;
}

/** objectstore_perf_stat_t: recent mean latencies. */
export interface ObjectStorePerfStat {
  commitLatency_ns: number;
  applyLatency_ns: number;
}

const NS_PER_MS = 1_000_000;

export const objectStorePerfStat: Codec<ObjectStorePerfStat> = {
  name: 'objectstore_perf_stat_t',
  length_min: 6,
  encode(w, s) {
    const v = hasFeature(w.features, feature.OS_PERF_STAT_NS) ? 2 : 1;
    const token = w.structStart(v, v);
    if (v === 2) {
      w.u64num(s.commitLatency_ns);
      w.u64num(s.applyLatency_ns);
    } else {
      w.u32(Math.floor(s.commitLatency_ns / NS_PER_MS));
      w.u32(Math.floor(s.applyLatency_ns / NS_PER_MS));
    }
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const old = frame.version < 2;
    const commitLatency_ns = old ? r.u32() * NS_PER_MS : r.u64num();
    const applyLatency_ns = old ? r.u32() * NS_PER_MS : r.u64num();
    r.structEnd(frame);
    return { commitLatency_ns, applyLatency_ns };
  },
};

/** Heartbeat round trips with one peer, microseconds over 1, 5 and 15 minutes. */
export interface PingTimes {
  /** Seconds since 1970. */
  lastUpdate: number;
  backPingtime: [number, number, number];
  backMin: [number, number, number];
  backMax: [number, number, number];
  backLast: number;
  frontPingtime: [number, number, number];
  frontMin: [number, number, number];
  frontMax: [number, number, number];
  frontLast: number;
}

const three: Codec<[number, number, number]> = {
  name: 'u32[3]',
  length_min: 12,
  encode(w, x) {
    for (const v of x) w.u32(v);
  },
  decode: (r) => [r.u32(), r.u32(), r.u32()],
};

const pingTimes: Codec<PingTimes> = plain('Interfaces', {
  lastUpdate: u32,
  backPingtime: three,
  backMin: three,
  backMax: three,
  backLast: u32,
  frontPingtime: three,
  frontMin: three,
  frontMax: three,
  frontLast: u32,
});

/** pow2_hist_t: counts of values by their number of bits. */
const pow2Hist: Codec<number[]> = {
  name: 'pow2_hist_t',
  length_min: 6,
  encode(w, h) {
    const token = w.structStart(1, 1);
    w.u32(h.length);
    for (const n of h) w.s32(n);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(1);
    const h = list(s32).decode(r);
    r.structEnd(frame);
    return h;
  },
};

/** osd_stat_t: what an OSD reports of itself. */
export interface OsdStat {
  snapTrimQueueLen: number;
  numSnapTrimming: number;
  hbPeers: number[];
  opQueueAgeHist: number[];
  perfStat: ObjectStorePerfStat;
  upFrom: number;
  /** upFrom << 32 | count: orders reports. */
  seq: bigint;
  numPgs: number;
  statfs: StoreStatfs;
  /** OSD id -> name of alert -> text. */
  alerts: Map<number, Map<string, string>>;
  numShardsRepaired: number;
  numOsds: number;
  numPerPoolOsds: number;
  numPerPoolOmapOsds: number;
  hbPingtime: Map<number, PingTimes>;
}

export function makeOsdStat(): OsdStat {
  return {
    snapTrimQueueLen: 0,
    numSnapTrimming: 0,
    hbPeers: [],
    opQueueAgeHist: [],
    perfStat: { commitLatency_ns: 0, applyLatency_ns: 0 },
    upFrom: 0,
    seq: 0n,
    numPgs: 0,
    statfs: makeStoreStatfs(),
    alerts: new Map(),
    numShardsRepaired: 0,
    numOsds: 0,
    numPerPoolOsds: 0,
    numPerPoolOmapOsds: 0,
    hbPingtime: new Map(),
  };
}

const body = struct(
  'osd_stat_t',
  { version: 14, compat: 2 },
  {
    kb: s64num,
    kbUsed: s64num,
    kbAvail: s64num,
    snapTrimQueueLen: s32,
    numSnapTrimming: s32,
    hbPeers: list(s32),
    hbOut: list(s32),
    opQueueAgeHist: since(3, pow2Hist, () => []),
    perfStat: since(4, objectStorePerfStat, () => ({ commitLatency_ns: 0, applyLatency_ns: 0 })),
    upFrom: since(6, u32, () => 0),
    seq: since(6, u64, () => 0n),
    numPgs: since(7, u32, () => 0),
    kbUsedData: since(8, s64num, () => 0),
    kbUsedOmap: since(8, s64num, () => 0),
    kbUsedMeta: since(8, s64num, () => 0),
    statfs: since(9, storeStatfs, makeStoreStatfs),
    alerts: since(10, sortedMap(s32, sortedMap(string, string, byString), byNumber), () => new Map()),
    numShardsRepaired: since(11, u64num, () => 0),
    numOsds: since(12, u32, () => 0),
    numPerPoolOsds: since(12, u32, () => 0),
    numPerPoolOmapOsds: since(13, u32, () => 0),
    hbPingtime: since(14, sortedMap(s32, pingTimes, byNumber), () => new Map()),
  },
);

const kb = (bytes: number): number => Math.floor(bytes / 1024);

export const osdStat: Codec<OsdStat> = {
  name: 'osd_stat_t',
  length_min: 6,
  encode(w, s) {
    body.encode(w, {
      ...s,
      kb: kb(s.statfs.total),
      kbUsed: kb(statfsUsedRaw(s.statfs)),
      kbAvail: kb(s.statfs.available),
      hbOut: [],
      kbUsedData: kb(s.statfs.allocated),
      kbUsedOmap: kb(s.statfs.omapAllocated),
      kbUsedMeta: kb(s.statfs.internalMetadata),
    });
  },
  decode(r) {
    const { kb: total, kbUsed, kbAvail, hbOut: _, kbUsedData, kbUsedOmap, kbUsedMeta, ...s } = body.decode(r);
    if (s.statfs.total === 0 && total !== 0) {
      // From before version 9: the sizes in KiB are all there is.
      s.statfs.total = total * 1024;
      s.statfs.available = kbAvail * 1024;
      s.statfs.internallyReserved = Math.max(0, total - kbAvail - kbUsed) * 1024;
      s.statfs.allocated = (kbUsedData === 0 ? kbUsed : kbUsedData) * 1024;
      s.statfs.omapAllocated = kbUsedOmap * 1024;
      s.statfs.internalMetadata = kbUsedMeta * 1024;
    }
    return s;
  },
};

/** pool_stat_t: sums over a pool. */
export interface PoolStat {
  stats: ObjectStatSum;
  logSize: number;
  ondiskLogSize: number;
  /** Number of up and acting OSDs of its PGs together. */
  up: number;
  acting: number;
  storeStats: StoreStatfs;
  /** Number of OSDs that storeStats sums over. */
  numStoreStats: number;
}

export const poolStat: Codec<PoolStat> = struct(
  'pool_stat_t',
  { version: 7, compat: 5 },
  {
    stats: objectStatCollection,
    logSize: s64num,
    ondiskLogSize: s64num,
    up: since(6, s32, () => 0),
    acting: since(6, s32, () => 0),
    storeStats: since(7, storeStatfs, makeStoreStatfs),
    numStoreStats: since(7, s32, () => 0),
  },
);

export function makePoolStat(): PoolStat {
  return {
    stats: new ObjectStatSum(),
    logSize: 0,
    ondiskLogSize: 0,
    up: 0,
    acting: 0,
    storeStats: makeStoreStatfs(),
    numStoreStats: 0,
  };
}
