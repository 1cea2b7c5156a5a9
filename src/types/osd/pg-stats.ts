import { type Codec, list, Reader, s32, type Writer } from '../../encoding/index.ts';
import { IntervalSet, intervalSet } from '../interval-set.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type Eversion, eversion, eversionZero } from './eversion.ts';
import { ObjectStatSum, objectStatCollection, readObjectStatSum } from './object-stats.ts';
import { type PgId, type PgShard, pgId, pgShard } from './pgid.ts';

/** How many objects have their copies exactly at these shards. */
export interface ObjectLocationCount {
  /** Ascending, as std::set keeps them. */
  readonly shards: readonly PgShard[];
  readonly count: number;
}

/** pg_stat_t: what a PG reports of itself. Mutable: the PG keeps one and updates it. */
export class PgStat {
  version: Eversion = eversionZero;
  reportedSeq = 0;
  reportedEpoch = 0;
  /** Mask of pgState. */
  state = 0n;
  logStart: Eversion = eversionZero;
  ondiskLogStart: Eversion = eversionZero;
  created = 0;
  lastEpochClean = 0;
  parent: PgId = PG_NONE;
  parentSplitBits = 0;
  lastScrub: Eversion = eversionZero;
  lastScrubStamp: Utime = utimeZero;
  stats: ObjectStatSum = new ObjectStatSum();
  logSize = 0;
  ondiskLogSize = 0;
  up: readonly number[] = NO_NUMBERS;
  acting: readonly number[] = NO_NUMBERS;
  lastFresh: Utime = utimeZero;
  lastChange: Utime = utimeZero;
  lastActive: Utime = utimeZero;
  lastClean: Utime = utimeZero;
  lastUnstale: Utime = utimeZero;
  mappingEpoch = 0;
  lastDeepScrub: Eversion = eversionZero;
  lastDeepScrubStamp: Utime = utimeZero;
  statsInvalid = false;
  lastCleanScrubStamp: Utime = utimeZero;
  lastBecameActive: Utime = utimeZero;
  dirtyStatsInvalid = false;
  upPrimary = -1;
  actingPrimary = -1;
  omapStatsInvalid = false;
  hitsetStatsInvalid = false;
  /** OSDs the PG waits for. */
  blockedBy: readonly number[] = NO_NUMBERS;
  lastUndegraded: Utime = utimeZero;
  lastFullsized: Utime = utimeZero;
  hitsetBytesStatsInvalid = false;
  lastPeered: Utime = utimeZero;
  lastBecamePeered: Utime = utimeZero;
  pinStatsInvalid = false;
  snaptrimqLen = 0;
  purgedSnaps: IntervalSet = IntervalSet.empty;
  manifestStatsInvalid = false;
  availNoMissing: readonly PgShard[] = NO_SHARDS;
  objectLocationCounts: readonly ObjectLocationCount[] = [];

  copy(): PgStat {
    const c = Object.assign(new PgStat(), this);
    c.stats = this.stats.copy();
    return c;
  }
}

const VERSION = 26;
const PG_NONE: PgId = Object.freeze({ pool: 0, seed: 0 });
const NO_NUMBERS: readonly number[] = Object.freeze([]);
const NO_SHARDS: readonly PgShard[] = Object.freeze([]);
const osds: Codec<number[]> = list(s32);
const shards: Codec<PgShard[]> = list(pgShard);

function encodeOsds(w: Writer, values: readonly number[]): void {
  w.u32(values.length);
  for (let i = 0; i < values.length; i++) w.s32(values[i]!);
}

function decodeOsds(r: Reader): readonly number[] {
  const values = osds.decode(r);
  return values.length === 0 ? NO_NUMBERS : values;
}

export const pgStat: Codec<PgStat> = {
  name: 'pg_stat_t',
  length_min: 6,
  encode(w, s) {
    const token = w.structStart(VERSION, 22);
    eversion.encode(w, s.version);
    w.u64num(s.reportedSeq);
    w.u32(s.reportedEpoch);
    w.u32(Number(s.state & 0xffffffffn));
    eversion.encode(w, s.logStart);
    eversion.encode(w, s.ondiskLogStart);
    w.u32(s.created);
    w.u32(s.lastEpochClean);
    pgId.encode(w, s.parent);
    w.u32(s.parentSplitBits);
    eversion.encode(w, s.lastScrub);
    utimeOut(w, s.lastScrubStamp);
    objectStatCollection.encode(w, s.stats);
    w.s64num(s.logSize);
    w.s64num(s.ondiskLogSize);
    encodeOsds(w, s.up);
    encodeOsds(w, s.acting);
    utimeOut(w, s.lastFresh);
    utimeOut(w, s.lastChange);
    utimeOut(w, s.lastActive);
    utimeOut(w, s.lastClean);
    utimeOut(w, s.lastUnstale);
    w.u32(s.mappingEpoch);
    eversion.encode(w, s.lastDeepScrub);
    utimeOut(w, s.lastDeepScrubStamp);
    w.bool(s.statsInvalid);
    utimeOut(w, s.lastCleanScrubStamp);
    utimeOut(w, s.lastBecameActive);
    w.bool(s.dirtyStatsInvalid);
    w.s32(s.upPrimary);
    w.s32(s.actingPrimary);
    w.bool(s.omapStatsInvalid);
    w.bool(s.hitsetStatsInvalid);
    encodeOsds(w, s.blockedBy);
    utimeOut(w, s.lastUndegraded);
    utimeOut(w, s.lastFullsized);
    w.bool(s.hitsetBytesStatsInvalid);
    utimeOut(w, s.lastPeered);
    utimeOut(w, s.lastBecamePeered);
    w.bool(s.pinStatsInvalid);
    w.u32(s.snaptrimqLen);
    w.u32(Number((s.state >> 32n) & 0xffffffffn));
    intervalSet.encode(w, s.purgedSnaps);
    w.bool(s.manifestStatsInvalid);
    w.u32(s.availNoMissing.length);
    for (const shard of s.availNoMissing) pgShard.encode(w, shard);
    w.u32(s.objectLocationCounts.length);
    for (const l of s.objectLocationCounts) {
      w.u32(l.shards.length);
      for (const shard of l.shards) pgShard.encode(w, shard);
      w.s32(l.count);
    }
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(VERSION);
    const v = frame.version;
    const s = new PgStat();
    s.version = eversion.decode(r);
    s.reportedSeq = r.u64num();
    s.reportedEpoch = r.u32();
    let state = BigInt(r.u32());
    s.logStart = eversion.decode(r);
    s.ondiskLogStart = eversion.decode(r);
    s.created = r.u32();
    s.lastEpochClean = r.u32();
    s.parent = pgId.decode(r);
    s.parentSplitBits = r.u32();
    s.lastScrub = eversion.decode(r);
    s.lastScrubStamp = utime.decode(r);
    s.stats = objectStatCollection.decode(r);
    s.logSize = r.s64num();
    s.ondiskLogSize = r.s64num();
    s.up = decodeOsds(r);
    s.acting = decodeOsds(r);
    s.lastFresh = utime.decode(r);
    s.lastChange = utime.decode(r);
    s.lastActive = utime.decode(r);
    s.lastClean = utime.decode(r);
    s.lastUnstale = utime.decode(r);
    s.mappingEpoch = r.u32();
    s.lastDeepScrub = eversion.decode(r);
    s.lastDeepScrubStamp = utime.decode(r);
    s.statsInvalid = r.bool();
    s.lastCleanScrubStamp = utime.decode(r);
    s.lastBecameActive = utime.decode(r);
    s.dirtyStatsInvalid = r.bool();
    s.upPrimary = r.s32();
    s.actingPrimary = r.s32();
    s.omapStatsInvalid = r.bool();
    s.hitsetStatsInvalid = r.bool();
    s.blockedBy = decodeOsds(r);
    s.lastUndegraded = utime.decode(r);
    s.lastFullsized = utime.decode(r);
    s.hitsetBytesStatsInvalid = r.bool();
    s.lastPeered = utime.decode(r);
    s.lastBecamePeered = utime.decode(r);
    s.pinStatsInvalid = r.bool();
    if (v >= 23) s.snaptrimqLen = r.u32();
    if (v >= 24) {
      const high = r.u32();
      if (high !== 0) state |= BigInt(high) << 32n;
      s.purgedSnaps = intervalSet.decode(r);
    }
    s.state = state;
    s.manifestStatsInvalid = v >= 25 ? r.bool() : true;
    if (v >= 26) {
      const available = shards.decode(r);
      if (available.length > 0) s.availNoMissing = available;
      s.objectLocationCounts = decodeLocations(r);
    }
    r.structEnd(frame);
    return s;
  },
};

/** Where in a pg_stat_t the version ends, and the sums (with their headers), and the lengths of the log after them, begin and end. */
const VERSION_AT = 6;
const VERSION_END = VERSION_AT + 12;
const SUM_COLLECTION_AT = 107;
const SUM_AT = SUM_COLLECTION_AT + 6;
const SUM_FIELDS_AT = SUM_AT + 6;
const SUM_END = SUM_FIELDS_AT + 36 * 8 + 4 * 4;
const LOG_SIZES_END = SUM_END + 4 + 8 + 8;

/**
 * A pg_stat_t that comes again and again, as a primary sends it with each change: nearly always nothing differs from the last but the version, the sums and the log's
 * length, and only these are then read. (Reading all of it makes some 30 objects.)
 */
export class PgStatMirror {
  #last: PgStat | undefined;
  /** The bytes that made `#last`: but for what is read each time, those that came last. */
  #bytes = new Uint8Array(0);

  /** The statistics that `bytes` are: `own`, brought up to date, where that is what this gave last. Throws DecodeError. */
  read(own: PgStat, bytes: Uint8Array): PgStat {
    if (own === this.#last && this.#isAlike(bytes)) {
      const r = new Reader(bytes, VERSION_AT);
      own.version = eversion.decode(r);
      r.offset = SUM_AT;
      readObjectStatSum(r, own.stats);
      r.offset = SUM_END + 4;
      own.logSize = r.s64num();
      own.ondiskLogSize = r.s64num();
      return own;
    }
    this.#last = undefined;
    const stat = pgStat.decode(new Reader(bytes));
    if (bytes[0] !== VERSION || bytes[SUM_AT] !== 20) return stat;
    this.#bytes = bytes.slice();
    this.#last = stat;
    return stat;
  }

  #isAlike(bytes: Uint8Array): boolean {
    const last = this.#bytes;
    return (
      bytes.length === last.length &&
      sameRange(bytes, last, 0, VERSION_AT) &&
      sameRange(bytes, last, VERSION_END, SUM_FIELDS_AT) &&
      sameRange(bytes, last, SUM_END, SUM_END + 4) &&
      sameRange(bytes, last, LOG_SIZES_END, bytes.length)
    );
  }
}

function sameRange(a: Uint8Array, b: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (a[i] !== b[i]) return false;
  return true;
}

function decodeLocations(r: Reader): ObjectLocationCount[] {
  const counts: ObjectLocationCount[] = [];
  for (let n = r.count(8); n > 0; n--) {
    const where = shards.decode(r);
    counts.push({ shards: where, count: r.s32() });
  }
  return counts;
}

function utimeOut(w: Writer, t: Utime): void {
  w.u32(t.sec);
  w.u32(t.nsec);
}
