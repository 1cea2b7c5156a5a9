/** pg_history_t, pg_info_t and the past intervals of a PG. */
import { type Codec, type Reader, since, struct, u32, type Writer } from '../../encoding/index.ts';
import {
  type Eversion,
  eversion,
  eversionZero,
  type Hobject,
  hobject,
  hobjectMax,
  hobjectMin,
  IntervalSet,
  NO_OSD,
  NO_SHARD,
  PgStat,
  pgId,
  pgShard,
  pgStat,
  type SpgId,
  type Utime,
  utime,
  utimeZero,
} from '../../types/index.ts';
import { isZeroEversion } from '../model.ts';

/** A span of time in Ceph's form: s32 seconds, s32 nanoseconds; here in milliseconds. */
export const timespanMs: Codec<number> = {
  name: 'timespan',
  length_min: 8,
  encode(w, ms) {
    const s = Math.trunc(ms / 1000);
    w.s32(s);
    w.s32(Math.round((ms - s * 1000) * 1e6));
  },
  decode(r) {
    const s = r.s32();
    return s * 1000 + r.s32() / 1e6;
  },
};

/** pg_history_t: what all copies come to agree on about a PG's past. */
export interface PgHistory {
  epochCreated: number;
  /** Last epoch in which the PG went active, as all copies of that interval know. */
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
  lastIntervalStarted: number;
  lastIntervalClean: number;
  epochPoolCreated: number;
  priorReadableUntilUb_ms: number;
}

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
    lastDeepScrub: eversion,
    lastDeepScrubStamp: utime,
    lastCleanScrubStamp: utime,
    lastEpochMarkedFull: u32,
    lastIntervalStarted: since(8, u32, () => 0),
    lastIntervalClean: since(8, u32, () => 0),
    epochPoolCreated: since(9, u32, () => 0),
    priorReadableUntilUb_ms: since(10, timespanMs, () => 0),
  },
);

export function newHistory(epoch: number, stamp: Utime): PgHistory {
  return {
    epochCreated: epoch,
    lastEpochStarted: 0,
    lastEpochClean: epoch,
    lastEpochSplit: 0,
    sameIntervalSince: epoch,
    sameUpSince: epoch,
    samePrimarySince: epoch,
    lastScrub: eversionZero,
    lastScrubStamp: stamp,
    lastDeepScrub: eversionZero,
    lastDeepScrubStamp: stamp,
    lastCleanScrubStamp: stamp,
    lastEpochMarkedFull: 0,
    lastIntervalStarted: 0,
    lastIntervalClean: 0,
    epochPoolCreated: epoch,
    priorReadableUntilUb_ms: 0,
  };
}

/** Takes over what another copy knows better. Returns whether anything changed. */
export function mergeHistory(into: PgHistory, other: PgHistory): boolean {
  let changed = false;
  // A copy that was never told when the PG was made, or was told a later epoch, learns.
  if (into.epochCreated < other.epochCreated) {
    into.epochCreated = other.epochCreated;
    changed = true;
  }
  for (const k of [
    'epochPoolCreated',
    'lastEpochStarted',
    'lastIntervalStarted',
    'lastEpochClean',
    'lastIntervalClean',
    'lastEpochSplit',
    'lastEpochMarkedFull',
  ] as const) {
    if (into[k] < other[k]) {
      into[k] = other[k];
      changed = true;
    }
  }
  if (newer(other.lastScrub, into.lastScrub)) {
    into.lastScrub = other.lastScrub;
    changed = true;
  }
  if (newer(other.lastDeepScrub, into.lastDeepScrub)) {
    into.lastDeepScrub = other.lastDeepScrub;
    changed = true;
  }
  for (const k of ['lastScrubStamp', 'lastDeepScrubStamp', 'lastCleanScrubStamp'] as const) {
    const a = into[k];
    const b = other[k];
    if (a.sec < b.sec || (a.sec === b.sec && a.nsec < b.nsec)) {
      into[k] = b;
      changed = true;
    }
  }
  return changed;
}

function newer(a: Eversion, b: Eversion): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);
}

/** pg_info_t: where a copy of a PG stands. */
export class PgInfo {
  readonly pgid: SpgId;
  /** Head of its log. */
  lastUpdate: Eversion = eversionZero;
  /** Up to here nothing is missing. */
  lastComplete: Eversion = eversionZero;
  logTail: Eversion = eversionZero;
  lastUserVersion = 0;
  /** Objects up to here are there (backfill); the maximum: all. */
  lastBackfill: Hobject = hobjectMax;
  /** Epoch in which this copy last went active. */
  lastEpochStarted = 0;
  lastIntervalStarted = 0;
  stats: PgStat = new PgStat();
  history: PgHistory;
  purgedSnaps: IntervalSet = IntervalSet.empty;

  constructor(pgid: SpgId, history: PgHistory) {
    this.pgid = pgid;
    this.history = history;
  }

  copy(): PgInfo {
    const c = new PgInfo(this.pgid, { ...this.history });
    c.lastUpdate = this.lastUpdate;
    c.lastComplete = this.lastComplete;
    c.logTail = this.logTail;
    c.lastUserVersion = this.lastUserVersion;
    c.lastBackfill = this.lastBackfill;
    c.lastEpochStarted = this.lastEpochStarted;
    c.lastIntervalStarted = this.lastIntervalStarted;
    c.stats = this.stats.copy();
    c.purgedSnaps = this.purgedSnaps;
    return c;
  }

  get isEmpty(): boolean {
    return isZeroEversion(this.lastUpdate);
  }

  /** The copy does not exist. */
  get dne(): boolean {
    return this.history.epochCreated === 0;
  }

  get hasMissing(): boolean {
    return newer(this.lastUpdate, this.lastComplete);
  }

  get isIncomplete(): boolean {
    return !this.lastBackfill.isMax;
  }
}

/** Hit sets are of cache tiers; a PG here has none: eversion, stamp, info and list of infos, all empty. */
function writeNoHitSets(w: Writer): void {
  const token = w.structStart(1, 1);
  eversion.encode(w, eversionZero);
  utime.encode(w, utimeZero);
  const info = w.structStart(2, 1);
  utime.encode(w, utimeZero);
  utime.encode(w, utimeZero);
  eversion.encode(w, eversionZero);
  w.bool(true);
  w.structEnd(info);
  w.u32(0);
  w.structEnd(token);
}

function writeIntervals(w: Writer, set: IntervalSet): void {
  w.u32(set.rangeCount);
  for (const [start, length] of set.ranges()) {
    w.u64num(start);
    w.u64num(length);
  }
}

function readIntervals(r: Reader): IntervalSet {
  const ranges: number[] = [];
  for (let n = r.count(16); n > 0; n--) {
    ranges.push(r.u64num());
    ranges.push(r.u64num());
  }
  return IntervalSet.fromOrdered(ranges);
}

/** pg_info_t version 32. */
export const pgInfo: Codec<PgInfo> = {
  name: 'pg_info_t',
  length_min: 6,
  encode(w, i) {
    const token = w.structStart(32, 26);
    pgId.encode(w, i.pgid.pgid);
    eversion.encode(w, i.lastUpdate);
    eversion.encode(w, i.lastComplete);
    eversion.encode(w, i.logTail);
    hobject.encode(w, hobjectMin);
    pgStat.encode(w, i.stats);
    pgHistory.encode(w, i.history);
    writeIntervals(w, i.purgedSnaps);
    w.u32(i.lastEpochStarted);
    w.u64num(i.lastUserVersion);
    writeNoHitSets(w);
    w.s8(i.pgid.shard);
    hobject.encode(w, i.lastBackfill);
    w.bool(true);
    w.u32(i.lastIntervalStarted);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(32);
    if (frame.version < 31) r.fail(`pg_info_t version ${frame.version} is from before Luminous`);
    const id = pgId.decode(r);
    const lastUpdate = eversion.decode(r);
    const lastComplete = eversion.decode(r);
    const logTail = eversion.decode(r);
    hobject.decode(r);
    const stats = pgStat.decode(r);
    const history = pgHistory.decode(r);
    const purged = readIntervals(r);
    const lastEpochStarted = r.u32();
    const lastUserVersion = r.u64num();
    r.structEnd(r.structStart(1));
    const i = new PgInfo({ pgid: id, shard: r.s8() }, history);
    i.lastUpdate = lastUpdate;
    i.lastComplete = lastComplete;
    i.logTail = logTail;
    i.stats = stats;
    i.purgedSnaps = purged;
    i.lastEpochStarted = lastEpochStarted;
    i.lastUserVersion = lastUserVersion;
    i.lastBackfill = hobject.decode(r);
    r.bool();
    i.lastIntervalStarted = frame.version >= 32 ? r.u32() : 0;
    r.structEnd(frame);
    return i;
  },
};

/** An interval in which the PG may have been written: who was acting. */
export interface PastInterval {
  readonly first: number;
  readonly last: number;
  readonly acting: readonly number[];
}

/**
 * PastIntervals: the intervals since the PG was last clean, as far as they matter: those in which it may have taken writes, without the ones that a later
 * interval of fewer copies makes irrelevant. OSD ids stand for copies (replicated pools: no shards).
 */
export class PastIntervals {
  first = 0;
  last = 0;
  #participants: Set<number> = new Set();
  #intervals: PastInterval[] = [];

  get empty(): boolean {
    return this.first > this.last || (this.first === 0 && this.last === 0);
  }

  get intervals(): readonly PastInterval[] {
    return this.#intervals;
  }

  /** Everybody who was acting at any time since. */
  get participants(): ReadonlySet<number> {
    return this.#participants;
  }

  clear(): void {
    this.first = 0;
    this.last = 0;
    this.#participants = new Set();
    this.#intervals = [];
  }

  copy(): PastIntervals {
    const c = new PastIntervals();
    c.first = this.first;
    c.last = this.last;
    c.#participants = new Set(this.#participants);
    c.#intervals = this.#intervals.slice();
    return c;
  }

  /** Adds the interval that just ended. */
  add(first: number, last: number, acting: readonly number[], maybeWentRw: boolean): void {
    if (this.first === 0) this.first = first;
    this.last = last;
    const who = acting.filter((o) => o !== NO_OSD).sort((a, b) => a - b);
    for (const o of who) this.#participants.add(o);
    if (!maybeWentRw) return;
    // Where all that acted now acted in an older interval too, whoever speaks for this one speaks for that one.
    this.#intervals = this.#intervals.filter((i) => !who.every((o) => i.acting.includes(o)));
    this.#intervals.push({ first, last, acting: who });
  }

  encode(w: Writer): void {
    const token = w.structStart(1, 1);
    w.u8(2);
    const inner = w.structStart(1, 1);
    w.u32(this.first);
    w.u32(this.last);
    writeShards(
      w,
      [...this.#participants].sort((a, b) => a - b),
    );
    w.u32(this.#intervals.length);
    for (const i of this.#intervals) {
      const t = w.structStart(1, 1);
      w.u32(i.first);
      w.u32(i.last);
      writeShards(w, i.acting);
      w.structEnd(t);
    }
    w.structEnd(inner);
    w.structEnd(token);
  }

  static decode(r: Reader): PastIntervals {
    const frame = r.structStart(1);
    const p = new PastIntervals();
    const type = r.u8();
    if (type === 2) {
      const inner = r.structStart(1);
      p.first = r.u32();
      p.last = r.u32();
      p.#participants = new Set(readShards(r));
      for (let n = r.count(18); n > 0; n--) {
        const f = r.structStart(1);
        const first = r.u32();
        const last = r.u32();
        p.#intervals.push({ first, last, acting: readShards(r) });
        r.structEnd(f);
      }
      r.structEnd(inner);
    } else if (type !== 0) r.fail(`past intervals of kind ${type}`);
    r.structEnd(frame);
    return p;
  }
}

export const pastIntervals: Codec<PastIntervals> = {
  name: 'PastIntervals',
  length_min: 7,
  encode: (w, p) => p.encode(w),
  decode: (r) => PastIntervals.decode(r),
};

function writeShards(w: Writer, osds: readonly number[]): void {
  w.u32(osds.length);
  for (const osd of osds) pgShard.encode(w, { osd, shard: NO_SHARD });
}

function readShards(r: Reader): number[] {
  const osds: number[] = [];
  for (let n = r.count(11); n > 0; n--) osds.push(pgShard.decode(r).osd);
  return osds;
}

/** pg_lease_t: until when the primary may serve reads. */
export interface PgLease {
  readonly readableUntil_ms: number;
  readonly readableUntilUb_ms: number;
  readonly interval_ms: number;
}

export const pgLease: Codec<PgLease> = struct(
  'pg_lease_t',
  { version: 1, compat: 1 },
  { readableUntil_ms: timespanMs, readableUntilUb_ms: timespanMs, interval_ms: timespanMs },
);

/** pg_lease_ack_t. */
export const pgLeaseAck: Codec<{ readableUntilUb_ms: number }> = struct(
  'pg_lease_ack_t',
  { version: 1, compat: 1 },
  { readableUntilUb_ms: timespanMs },
);
