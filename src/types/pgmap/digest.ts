import {
  byNumber,
  byString,
  type Codec,
  list,
  pair,
  plain,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u64,
  u64num,
} from '../../encoding/index.ts';
import { type IntervalSet, intervalSet } from '../interval-set.ts';
import { makeOsdStat, makePoolStat, type OsdStat, osdStat, type PoolStat, poolStat } from '../osd/index.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';

/** How many PGs an OSD serves. */
export interface PgCount {
  acting: number;
  upNotActing: number;
  primary: number;
}

/**
 * PGMapDigest (mon/PGMap.h): what the monitors keep of the manager's PG and OSD statistics. The manager makes one every
 * `mgr_tick_period` and sends it in MMonMgrReport; `ceph -s`, `df`, `pg stat`, statfs and pool statistics are answered from it.
 */
export interface PgMapDigest {
  numPg: number;
  numPgActive: number;
  numPgUnknown: number;
  numOsd: number;
  poolSum: Map<number, PoolStat>;
  pgSum: PoolStat;
  osdSum: OsdStat;
  /** Mask of pgState -> number of PGs. */
  numPgByState: Map<bigint, number>;
  numPgByOsd: Map<number, PgCount>;
  numPgByPool: Map<number, number>;
  /** By OSD id: the last report's sequence. */
  osdLastSeq: bigint[];
  /** Pool -> what changed over the last reports, and when the change was last taken. */
  poolSumDelta: Map<number, [delta: PoolStat, stamp: Utime]>;
  /** Pool -> length of time that its delta covers. */
  poolSumDeltaStamps: Map<number, Utime>;
  pgSumDelta: PoolStat;
  /** Length of time that pgSumDelta covers. */
  stampDelta: Utime;
  /** CRUSH rule -> bytes that can still be written through it, before replication. */
  availableByRule: Map<number, number>;
  purgedSnaps: Map<number, IntervalSet>;
  osdSumByClass: Map<string, OsdStat>;
}

const pgCount: Codec<PgCount> = plain('pg_count', { acting: s32, upNotActing: s32, primary: s32 });

export const pgMapDigest: Codec<PgMapDigest> = struct(
  'PGMapDigest',
  { version: 4, compat: 1 },
  {
    numPg: s64num,
    numPgActive: s64num,
    numPgUnknown: s64num,
    numOsd: s64num,
    poolSum: sortedMap(s32, poolStat, byNumber),
    pgSum: poolStat,
    osdSum: osdStat,
    numPgByState: sortedMap(u64, s32, undefined),
    numPgByOsd: sortedMap(s32, pgCount, byNumber),
    numPgByPool: sortedMap(s64num, s64num, byNumber),
    osdLastSeq: list(u64),
    poolSumDelta: sortedMap(u64num, pair(poolStat, utime), byNumber),
    poolSumDeltaStamps: sortedMap(u64num, utime, byNumber),
    pgSumDelta: poolStat,
    stampDelta: utime,
    availableByRule: sortedMap(s32, s64num, byNumber),
    purgedSnaps: since(3, sortedMap(s64num, intervalSet, byNumber), () => new Map<number, IntervalSet>()),
    osdSumByClass: since(4, sortedMap(string, osdStat, byString), () => new Map<string, OsdStat>()),
  },
);

export function makePgMapDigest(): PgMapDigest {
  return {
    numPg: 0,
    numPgActive: 0,
    numPgUnknown: 0,
    numOsd: 0,
    poolSum: new Map(),
    pgSum: makePoolStat(),
    osdSum: makeOsdStat(),
    numPgByState: new Map(),
    numPgByOsd: new Map(),
    numPgByPool: new Map(),
    osdLastSeq: [],
    poolSumDelta: new Map(),
    poolSumDeltaStamps: new Map(),
    pgSumDelta: makePoolStat(),
    stampDelta: utimeZero,
    availableByRule: new Map(),
    purgedSnaps: new Map<number, IntervalSet>(),
    osdSumByClass: new Map(),
  };
}

/** Whether every OSD reports statistics by pool, so that sums over pools can be trusted. */
export function hasPoolStats(d: PgMapDigest): boolean {
  return d.osdSum.numOsds === d.osdSum.numPerPoolOsds;
}

export function hasPoolOmapStats(d: PgMapDigest): boolean {
  return d.osdSum.numOsds === d.osdSum.numPerPoolOmapOsds;
}
