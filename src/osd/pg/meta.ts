/**
 * A PG's info and log on disk, as Ceph lays them out: the omap of its meta object.
 *
 * | key | value |
 * |---|---|
 * | `_infover` | u8 10 |
 * | `_epoch` | u32 map epoch up to which the PG has been brought |
 * | `_info` | pg_info_t, without purged snapshots |
 * | `_biginfo` | past intervals, purged snapshots |
 * | `_fastinfo` | pg_fast_info_t: what every write changes; counts where its last_update is newer than `_info`'s |
 * | `0000000012.00000000000000000345` | log entry: u32 length, pg_log_entry_t, crc32c |
 * | `dup_0000000012.000...` | pg_log_dup_t |
 * | `missing/...` | object and pg_missing_item |
 * | `can_rollback_to`, `rollback_info_trimmed_to` | eversion_t |
 */
import { invariant } from '../../base/index.ts';
import { encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import type { ObjectStore, Transaction } from '../../store/index.ts';
import {
  compareEversion,
  type Eversion,
  eversion,
  eversionKey,
  eversionMax,
  eversionZero,
  type Ghobject,
  hobject,
  IntervalSet,
  intervalSet,
} from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { writeEversion, writeUtime } from '../ops/object-info.ts';
import { scratch } from '../scratch.ts';
import { type PastIntervals, type PgInfo, pastIntervals, pgInfo } from './info.ts';
import type { PgLog, Trimmed } from './log.ts';
import {
  frameLogEntry,
  type LogDup,
  type LogEntry,
  readFramedLogEntry,
  readLogDup,
  writeLogDup,
  writeLogEntry,
} from './log-entry.ts';
import { MissingSet, readMissingItem, writeMissingItem } from './missing.ts';

const INFOVER = 10;
const FIRST_LOG_KEY = '0000000000.00000000000000000000';

function dupKey(v: Eversion): string {
  return `dup_${eversionKey(v)}`;
}

/** pg_fast_info_t version 1. */
export function fastInfoBytes(info: PgInfo): Uint8Array {
  const w = scratch();
  const token = w.structStart(1, 1);
  const s = info.stats;
  const sum = s.stats;
  writeEversion(w, info.lastUpdate);
  writeEversion(w, info.lastComplete);
  w.u64num(info.lastUserVersion);
  writeEversion(w, s.version);
  w.u64num(s.reportedSeq);
  writeUtime(w, s.lastFresh);
  writeUtime(w, s.lastActive);
  writeUtime(w, s.lastPeered);
  writeUtime(w, s.lastClean);
  writeUtime(w, s.lastUnstale);
  writeUtime(w, s.lastUndegraded);
  writeUtime(w, s.lastFullsized);
  w.s64num(s.logSize);
  w.s64num(sum.numBytes);
  w.s64num(sum.numObjects);
  w.s64num(sum.numObjectCopies);
  w.s64num(sum.numRd);
  w.s64num(sum.numRdKb);
  w.s64num(sum.numWr);
  w.s64num(sum.numWrKb);
  w.s64num(sum.numObjectsDirty);
  w.structEnd(token);
  return w.take();
}

function applyFastInfo(info: PgInfo, bytes: Uint8Array): void {
  const r = new Reader(bytes);
  const frame = r.structStart(1);
  const lastUpdate = eversion.decode(r);
  if (compareEversion(lastUpdate, info.lastUpdate) <= 0) return;
  const s = info.stats;
  const sum = s.stats;
  const stamp = (): { sec: number; nsec: number } => {
    const sec = r.u32();
    return { sec, nsec: r.u32() };
  };
  info.lastUpdate = lastUpdate;
  info.lastComplete = eversion.decode(r);
  info.lastUserVersion = r.u64num();
  s.version = eversion.decode(r);
  s.reportedSeq = r.u64num();
  s.lastFresh = stamp();
  s.lastActive = stamp();
  s.lastPeered = stamp();
  s.lastClean = stamp();
  s.lastUnstale = stamp();
  s.lastUndegraded = stamp();
  s.lastFullsized = stamp();
  s.logSize = r.s64num();
  s.ondiskLogSize = s.logSize;
  sum.numBytes = r.s64num();
  sum.numObjects = r.s64num();
  sum.numObjectCopies = r.s64num();
  sum.numRd = r.s64num();
  sum.numRdKb = r.s64num();
  sum.numWr = r.s64num();
  sum.numWrKb = r.s64num();
  sum.numObjectsDirty = r.s64num();
  r.structEnd(frame);
}

/** What load gives. */
export interface LoadedPg {
  readonly epoch: number;
  readonly info: PgInfo;
  readonly past: PastIntervals;
  readonly entries: LogEntry[];
  readonly dups: LogDup[];
  readonly missing: MissingSet;
  readonly canRollbackTo: Eversion;
  readonly rollbackInfoTrimmedTo: Eversion;
}

/** Writes and reads one PG's meta object. */
export class PgMeta {
  readonly #coll: string;
  readonly #object: Ghobject;
  /** last_update that is on disk, in `_info` or `_fastinfo`. */
  #writtenUpdate: Eversion = eversionZero;
  /** `_info` must be written whole: more than the fast fields changed. */
  dirtyInfo = true;
  dirtyBigInfo = true;
  #writtenEpoch = 0;

  constructor(coll: string, object: Ghobject) {
    this.#coll = coll;
    this.#object = object;
  }

  /** Makes the meta object of a new PG. */
  create(t: Transaction): void {
    t.touch(this.#coll, this.#object);
    t.omapSetKeys(this.#coll, this.#object, new Map([['_infover', Uint8Array.of(INFOVER)]]));
  }

  /** The two puts of a write: its log entry, framed, and the info. */
  writeEntry(t: Transaction, version: Eversion, framed: Uint8Array, info: PgInfo): void {
    t.omapSetKeys(this.#coll, this.#object, [
      [eversionKey(version), framed],
      ['_fastinfo', fastInfoBytes(info)],
    ]);
    this.#writtenUpdate = info.lastUpdate;
  }

  /** As writeEntry for several entries. */
  writeEntries(t: Transaction, entries: readonly (readonly [Eversion, Uint8Array])[], info: PgInfo): void {
    const puts: [string, Uint8Array][] = entries.map(([v, framed]) => [eversionKey(v), framed]);
    puts.push(['_fastinfo', fastInfoBytes(info)]);
    t.omapSetKeys(this.#coll, this.#object, puts);
    this.#writtenUpdate = info.lastUpdate;
  }

  /** Keys of trimmed entries go, those of the dups made of them come. */
  writeTrim(t: Transaction, trimmed: Trimmed): void {
    const keys = trimmed.entries.map(eversionKey);
    for (const v of trimmed.droppedDups) keys.push(dupKey(v));
    if (keys.length > 0) t.omapRmKeys(this.#coll, this.#object, keys);
    if (trimmed.dups.length > 0) t.omapSetKeys(this.#coll, this.#object, dupEntries(trimmed.dups));
  }

  /** Writes what is dirty of info, log and missing set. */
  write(t: Transaction, epoch: number, info: PgInfo, past: PastIntervals, log: PgLog, missing: MissingSet): void {
    const puts: [string, Uint8Array][] = [];
    const removes: string[] = [];
    if (epoch !== this.#writtenEpoch && (this.dirtyInfo || this.dirtyBigInfo)) {
      this.#writtenEpoch = epoch;
      const w = new Writer(4);
      w.u32(epoch);
      puts.push(['_epoch', w.bytes()]);
    }
    if (this.dirtyInfo || this.dirtyBigInfo) {
      // A fast info that is not newer must not be taken for one that is.
      if (compareEversion(info.lastUpdate, this.#writtenUpdate) <= 0) removes.push('_fastinfo');
      const purged = info.purgedSnaps;
      info.purgedSnaps = IntervalSet.empty;
      puts.push(['_info', encodeToBytes(pgInfo, info)]);
      info.purgedSnaps = purged;
      this.#writtenUpdate = info.lastUpdate;
    }
    if (this.dirtyBigInfo) {
      const w = new Writer(256);
      pastIntervals.encode(w, past);
      intervalSet.encode(w, info.purgedSnaps);
      puts.push(['_biginfo', w.bytes()]);
    }
    this.dirtyInfo = false;
    this.dirtyBigInfo = false;
    this.#writeLog(t, log, puts);
    for (const { oid, key, item } of missing.takeChanged()) {
      const name = `missing/${oid.mapKey}`;
      if (item === undefined) removes.push(name);
      else {
        const w = new Writer(192);
        hobject.encode(w, item.oid);
        writeMissingItem(w, item);
        puts.push([name, w.bytes()]);
      }
      invariant(item === undefined || item.key === key, 'missing item under another key', { key });
    }
    if (removes.length > 0) t.omapRmKeys(this.#coll, this.#object, removes);
    if (puts.length > 0) t.omapSetKeys(this.#coll, this.#object, puts);
  }

  #writeLog(t: Transaction, log: PgLog, puts: [string, Uint8Array][]): void {
    const changes = log.takeChanges();
    if (changes === undefined) return;
    const all = changes.rewriteTo === eversionMax;
    if (all) t.omapRmKeyRange(this.#coll, this.#object, FIRST_LOG_KEY, eversionKey(eversionMax));
    else if (changes.rewriteFrom !== eversionMax) {
      t.omapRmKeyRange(this.#coll, this.#object, eversionKey(changes.rewriteFrom), eversionKey(eversionMax));
    }
    for (let i = 0; i < log.length; i++) {
      const version = log.versionAt(i);
      if (!all && compareEversion(version, changes.rewriteTo) > 0 && compareEversion(version, changes.rewriteFrom) < 0)
        continue;
      const w = new Writer(256);
      writeLogEntry(w, log.at(i));
      puts.push([eversionKey(version), frameLogEntry(w.bytes())]);
    }
    if (changes.rewriteDups) {
      t.omapRmKeyRange(this.#coll, this.#object, dupKey(eversionZero), dupKey(eversionMax));
      puts.push(...dupEntries(log.dups()));
    }
    puts.push(['can_rollback_to', encodeToBytes(eversion, log.canRollbackTo)]);
    puts.push(['rollback_info_trimmed_to', encodeToBytes(eversion, log.rollbackInfoTrimmedTo)]);
  }

  /** Reads all of it. Throws DecodeError where it is damaged, or undefined where there is no PG. */
  load(store: ObjectStore): LoadedPg | undefined {
    const all = store.omapIterate(this.#coll, this.#object, { from: '' });
    if (all === undefined) return undefined;
    let info: PgInfo | undefined;
    let past: PastIntervals | undefined;
    let purged: IntervalSet | undefined;
    let fast: Uint8Array | undefined;
    let epoch = 0;
    let canRollbackTo = eversionZero;
    let rollbackInfoTrimmedTo = eversionZero;
    const entries: LogEntry[] = [];
    const dups: LogDup[] = [];
    const missing = new MissingSet(true);
    for (const [key, value] of all) {
      if (key === '_epoch') epoch = new Reader(value).u32();
      else if (key === '_info') info = pgInfo.decode(new Reader(value));
      else if (key === '_fastinfo') fast = value;
      else if (key === '_biginfo') {
        const r = new Reader(value);
        past = pastIntervals.decode(r);
        purged = intervalSet.decode(r);
      } else if (key === '_infover') invariant(value[0] === INFOVER, 'a PG of another layout', { version: value[0] });
      else if (key === 'can_rollback_to') canRollbackTo = eversion.decode(new Reader(value));
      else if (key === 'rollback_info_trimmed_to') rollbackInfoTrimmedTo = eversion.decode(new Reader(value));
      else if (key.startsWith('dup_')) dups.push(readLogDup(new Reader(value)));
      else if (key.startsWith('missing/')) {
        const r = new Reader(value);
        const oid = hobject.decode(r);
        const { need, have } = readMissingItem(r);
        missing.set(oid, objectKey(oid), need, have);
      } else if (key.charCodeAt(0) <= 0x39) entries.push(readFramedLogEntry(value));
    }
    missing.takeChanged();
    if (info === undefined || past === undefined) return undefined;
    info.purgedSnaps = purged ?? IntervalSet.empty;
    this.#writtenEpoch = epoch;
    this.dirtyInfo = false;
    this.dirtyBigInfo = false;
    if (fast !== undefined) applyFastInfo(info, fast);
    this.#writtenUpdate = info.lastUpdate;
    // Keys in front of the tail are of a trim that the info has seen and the keys not yet.
    const kept = entries.filter((e) => compareEversion(e.version, info.logTail) > 0);
    invariant(
      kept.length === 0 ? true : compareEversion(kept[kept.length - 1]!.version, info.lastUpdate) <= 0,
      'log beyond last_update',
      { head: kept[kept.length - 1]?.version, lastUpdate: info.lastUpdate },
    );
    return { epoch, info, past, entries: kept, dups, missing, canRollbackTo, rollbackInfoTrimmedTo };
  }
}

function dupEntries(dups: readonly LogDup[]): [string, Uint8Array][] {
  return dups.map((d) => {
    const w = new Writer(96);
    writeLogDup(w, d);
    return [dupKey(d.version), w.bytes()];
  });
}
