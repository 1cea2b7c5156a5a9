import { bool, type Codec, list, s8, s32, s64num, since, struct, u32, u64num } from '../../encoding/index.ts';
import { IntervalSet, intervalSet } from '../interval-set.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type Eversion, eversion, eversionZero } from './eversion.ts';
import { type Hobject, hobject, hobjectMax, hobjectMin } from './hobject.ts';
import { PastIntervals, pastIntervals } from './past-intervals.ts';
import { PgStat, pgStat } from './pg-stats.ts';
import { type PgId, pgId, type SpgId } from './pgid.ts';
import { span_ns } from './span.ts';

/** pg_history_t: epochs and scrubs of a PG's past, as far as known; merged between its OSDs. */
export interface PgHistory {
  epochCreated: number;
  lastEpochStarted: number;
  lastEpochClean: number;
  lastEpochSplit: number;
  sameIntervalSince: number;
  sameUpSince: number;
  samePrimarySince: number;
  lastScrub: Eversion;
  lastScrubStamp: Utime;
  lastDeepScrub: Eversion;
  lastDeepScrubStamp: Utime;
  lastCleanScrubStamp: Utime;
  lastEpochMarkedFull: number;
  /** First epoch of the interval in which lastEpochStarted lies. */
  lastIntervalStarted: number;
  lastIntervalClean: number;
  epochPoolCreated: number;
  /** How much longer an earlier interval's primary may serve reads, nanoseconds. */
  priorReadableUntilUb_ns: number;
}

export function makePgHistory(epochCreated = 0, stamp: Utime = utimeZero): PgHistory {
  return {
    epochCreated,
    lastEpochStarted: 0,
    lastEpochClean: 0,
    lastEpochSplit: 0,
    sameIntervalSince: 0,
    sameUpSince: 0,
    samePrimarySince: 0,
    lastScrub: eversionZero,
    lastScrubStamp: stamp,
    lastDeepScrub: eversionZero,
    lastDeepScrubStamp: stamp,
    lastCleanScrubStamp: stamp,
    lastEpochMarkedFull: 0,
    lastIntervalStarted: 0,
    lastIntervalClean: 0,
    epochPoolCreated: epochCreated,
    priorReadableUntilUb_ns: 0,
  };
}

/** Versions before 8, from before Luminous, lack fields and get zeros. */
export const pgHistory: Codec<PgHistory> = struct(
  'pg_history_t',
  { version: 10, compat: 4 },
  {
    epochCreated: u32,
    lastEpochStarted: u32,
    lastEpochClean: u32,
    lastEpochSplit: u32,
    sameIntervalSince: u32,
    sameUpSince: u32,
    samePrimarySince: u32,
    lastScrub: eversion,
    lastScrubStamp: utime,
    lastDeepScrub: since(5, eversion, () => eversionZero),
    lastDeepScrubStamp: since(5, utime, () => utimeZero),
    lastCleanScrubStamp: since(6, utime, () => utimeZero),
    lastEpochMarkedFull: since(7, u32, () => 0),
    lastIntervalStarted: since(8, u32, () => 0),
    lastIntervalClean: since(8, u32, () => 0),
    epochPoolCreated: since(9, u32, () => 0),
    priorReadableUntilUb_ns: since(10, span_ns, () => 0),
  },
);

/** pg_hit_set_info_t: one archived hit set. */
export interface PgHitSetInfo {
  begin: Utime;
  end: Utime;
  version: Eversion;
  usingGmt: boolean;
}

const hitSetInfo: Codec<PgHitSetInfo> = struct(
  'pg_hit_set_info_t',
  { version: 2, compat: 1 },
  { begin: utime, end: utime, version: eversion, usingGmt: since(2, bool, () => false) },
);

/** pg_hit_set_history_t. */
export interface PgHitSetHistory {
  readonly currentLastUpdate: Eversion;
  readonly history: readonly PgHitSetInfo[];
}

const hitSetWire = struct(
  'pg_hit_set_history_t',
  { version: 1, compat: 1 },
  { currentLastUpdate: eversion, currentStamp: utime, currentInfo: hitSetInfo, history: list(hitSetInfo) },
);

export const pgHitSetHistoryNone: PgHitSetHistory = Object.freeze({ currentLastUpdate: eversionZero, history: [] });
const hitSetInfoNone: PgHitSetInfo = { begin: utimeZero, end: utimeZero, version: eversionZero, usingGmt: true };

export const pgHitSetHistory: Codec<PgHitSetHistory> = {
  name: 'pg_hit_set_history_t',
  length_min: 6,
  encode: (w, h) =>
    hitSetWire.encode(w, {
      currentLastUpdate: h.currentLastUpdate,
      currentStamp: utimeZero,
      currentInfo: hitSetInfoNone,
      history: h.history as PgHitSetInfo[],
    }),
  decode(r) {
    const { currentLastUpdate, history } = hitSetWire.decode(r);
    return history.length === 0 && currentLastUpdate === eversionZero
      ? pgHitSetHistoryNone
      : { currentLastUpdate, history };
  },
};

/** pg_info_t: what an OSD knows of its copy of a PG. */
export interface PgInfo {
  pgid: SpgId;
  /** Newest entry of the log. */
  lastUpdate: Eversion;
  /** Up to here nothing is missing. */
  lastComplete: Eversion;
  /** The entry before the oldest of the log. */
  logTail: Eversion;
  stats: PgStat;
  history: PgHistory;
  purgedSnaps: IntervalSet;
  lastEpochStarted: number;
  lastUserVersion: number;
  hitSet: PgHitSetHistory;
  /** Objects up to here are there; hobjectMax where none is left to backfill. */
  lastBackfill: Hobject;
  lastIntervalStarted: number;
}

export function makePgInfo(pgid: SpgId, lastBackfill: Hobject = hobjectMax): PgInfo {
  return {
    pgid,
    lastUpdate: eversionZero,
    lastComplete: eversionZero,
    logTail: eversionZero,
    stats: new PgStat(),
    history: makePgHistory(),
    purgedSnaps: IntervalSet.empty,
    lastEpochStarted: 0,
    lastUserVersion: 0,
    hitSet: pgHitSetHistoryNone,
    lastBackfill,
    lastIntervalStarted: 0,
  };
}

const infoWire = struct(
  'pg_info_t',
  { version: 32, compat: 26 },
  {
    pgid: pgId,
    lastUpdate: eversion,
    lastComplete: eversion,
    logTail: eversion,
    oldLastBackfill: hobject,
    stats: pgStat,
    history: pgHistory,
    purgedSnaps: intervalSet,
    lastEpochStarted: u32,
    lastUserVersion: u64num,
    hitSet: pgHitSetHistory,
    shard: s8,
    lastBackfill: hobject,
    lastBackfillBitwise: bool,
    lastIntervalStarted: since(32, u32, () => 0),
  },
);

export const pgInfo: Codec<PgInfo> = {
  name: 'pg_info_t',
  length_min: 6,
  encode(w, i) {
    infoWire.encode(w, {
      ...i,
      pgid: i.pgid.pgid,
      shard: i.pgid.shard,
      oldLastBackfill: hobjectMin,
      lastBackfillBitwise: true,
    });
  },
  decode(r) {
    const { pgid, shard, oldLastBackfill: _old, lastBackfillBitwise: _bitwise, ...i } = infoWire.decode(r);
    return { ...i, pgid: { pgid, shard } };
  },
};

/** pg_fast_info_t: the fields of pg_info_t that a plain write changes. */
export interface PgFastInfo {
  lastUpdate: Eversion;
  lastComplete: Eversion;
  lastUserVersion: number;
  version: Eversion;
  reportedSeq: number;
  lastFresh: Utime;
  lastActive: Utime;
  lastPeered: Utime;
  lastClean: Utime;
  lastUnstale: Utime;
  lastUndegraded: Utime;
  lastFullsized: Utime;
  logSize: number;
  numBytes: number;
  numObjects: number;
  numObjectCopies: number;
  numRd: number;
  numRdKb: number;
  numWr: number;
  numWrKb: number;
  numObjectsDirty: number;
}

export const pgFastInfo: Codec<PgFastInfo> = struct(
  'pg_fast_info_t',
  { version: 1, compat: 1 },
  {
    lastUpdate: eversion,
    lastComplete: eversion,
    lastUserVersion: u64num,
    version: eversion,
    reportedSeq: u64num,
    lastFresh: utime,
    lastActive: utime,
    lastPeered: utime,
    lastClean: utime,
    lastUnstale: utime,
    lastUndegraded: utime,
    lastFullsized: utime,
    logSize: s64num,
    numBytes: s64num,
    numObjects: s64num,
    numObjectCopies: s64num,
    numRd: s64num,
    numRdKb: s64num,
    numWr: s64num,
    numWrKb: s64num,
    numObjectsDirty: s64num,
  },
);

/** pg_notify_t: an OSD tells the primary what it has. */
export interface PgNotify {
  /** Epoch of the query that it answers. */
  queryEpoch: number;
  epochSent: number;
  info: PgInfo;
  /** Shards, NO_SHARD for replicated pools. */
  to: number;
  from: number;
  pastIntervals: PastIntervals;
}

export const pgNotify: Codec<PgNotify> = struct(
  'pg_notify_t',
  { version: 3, compat: 2 },
  {
    queryEpoch: u32,
    epochSent: u32,
    info: pgInfo,
    to: s8,
    from: s8,
    pastIntervals: since(3, pastIntervals, () => PastIntervals.empty),
  },
);

export const pgQueryType = { INFO: 0, LOG: 1, MISSING: 4, FULLLOG: 5 } as const;

/** pg_query_t: the primary asks an OSD what it has. */
export interface PgQuery {
  /** One of pgQueryType. */
  type: number;
  /** LOG: from here on. */
  since: Eversion;
  history: PgHistory;
  epochSent: number;
  to: number;
  from: number;
}

export const pgQuery: Codec<PgQuery> = struct(
  'pg_query_t',
  { version: 3, compat: 3 },
  { type: s32, since: eversion, history: pgHistory, epochSent: u32, to: s8, from: s8 },
);

/** pg_lease_t: until when replicas may serve reads, by the primary's clock (nanoseconds). */
export interface PgLease {
  readableUntil_ns: number;
  readableUntilUb_ns: number;
  interval_ns: number;
}

export const pgLease: Codec<PgLease> = struct(
  'pg_lease_t',
  { version: 1, compat: 1 },
  { readableUntil_ns: span_ns, readableUntilUb_ns: span_ns, interval_ns: span_ns },
);

export const pgLeaseAck: Codec<{ readableUntilUb_ns: number }> = struct(
  'pg_lease_ack_t',
  { version: 1, compat: 1 },
  { readableUntilUb_ns: span_ns },
);

/** pg_create_t. */
export interface PgCreate {
  created: number;
  parent: PgId;
  splitBits: number;
}

export const pgCreate: Codec<PgCreate> = struct(
  'pg_create_t',
  { version: 1, compat: 1 },
  { created: u32, parent: pgId, splitBits: s32 },
);
