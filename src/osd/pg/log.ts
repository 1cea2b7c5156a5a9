/**
 * A PG's log in memory: the last updates, oldest first, and what answers repeated requests. What must be written is collected and handed to
 * `PgMeta` with the transaction of the change.
 */
import { invariant } from '../../base/index.ts';
import {
  compareEversion,
  compareHobject,
  type Eversion,
  eversionMax,
  eversionZero,
  formatEversion,
  type Hobject,
  maxEversion,
  minEversion,
} from '../../types/index.ts';
import { isZeroEversion } from '../model.ts';
import type { Reqid } from '../ops/object-info.ts';
import type { LogDup, LogEntry, OpReturn } from './log-entry.ts';
import { LogPack } from './log-pack.ts';
import type { MissingSet } from './missing.ts';

/** An answer to a request that was done before. */
export interface DoneBefore {
  readonly version: Eversion;
  readonly userVersion: number;
  readonly returnCode: number;
  readonly opReturns: readonly OpReturn[] | undefined;
}

/** A log as it travels: part or whole, with its bounds. */
export interface LogSlice {
  head: Eversion;
  tail: Eversion;
  canRollbackTo: Eversion;
  rollbackInfoTrimmedTo: Eversion;
  entries: LogEntry[];
  dups: LogDup[];
}

export function emptySlice(): LogSlice {
  return {
    head: eversionZero,
    tail: eversionZero,
    canRollbackTo: eversionZero,
    rollbackInfoTrimmedTo: eversionZero,
    entries: [],
    dups: [],
  };
}

/** What persistence must do to the log's keys. */
export interface LogChanges {
  /** Keys of entries in [from, end] are rewritten from memory. {@link eversionMax} for none. */
  rewriteFrom: Eversion;
  /** Keys of entries up to and with this are rewritten. 0'0 for none. */
  rewriteTo: Eversion;
  rewriteDups: boolean;
}

/** What a trim took out and made, by what names it on disk. */
export interface Trimmed {
  readonly entries: readonly Eversion[];
  /** What was made of entries. */
  readonly dups: readonly LogDup[];
  readonly droppedDups: readonly Eversion[];
}

export class PgLog {
  readonly #entries = new LogPack();
  readonly #dups = new LogPack();
  tail: Eversion = eversionZero;
  head: Eversion = eversionZero;
  canRollbackTo: Eversion = eversionZero;
  rollbackInfoTrimmedTo: Eversion = eversionZero;
  #changes: LogChanges = noChanges();

  get length(): number {
    return this.#entries.length;
  }

  at(i: number): LogEntry {
    return this.#entries.entry(i);
  }

  versionAt(i: number): Eversion {
    return this.#entries.version(i);
  }

  dups(): LogDup[] {
    const dups: LogDup[] = [];
    for (let i = 0; i < this.#dups.length; i++) dups.push(this.#dups.dup(i));
    return dups;
  }

  /** How many entries are not newer than `v`. */
  countUpTo(v: Eversion): number {
    return this.#entries.countUpTo(v);
  }

  /** Entries on an object that are newer than `since`, newest first. */
  *on(oid: Hobject, key: string, since: Eversion = eversionZero): Generator<LogEntry> {
    const log = this.#entries;
    for (let i = log.length - 1; i >= 0 && log.compareVersion(i, since) > 0; i--) {
      if (log.objectHash(i) !== oid.hash) continue;
      const e = log.entry(i);
      if (e.key === key) yield e;
    }
  }

  /** Requests that changed an object, newest first, so many at most. */
  requestsOn(oid: Hobject, key: string, max: number): LogEntry[] {
    const found: LogEntry[] = [];
    if (max <= 0) return found;
    for (const e of this.on(oid, key)) {
      if (e.hasReqid && found.push(e) === max) break;
    }
    return found;
  }

  /** The outcome of a request that is in the log, or undefined. */
  find(q: Reqid): DoneBefore | undefined {
    const i = this.#entries.find(q);
    if (i < 0) {
      const d = this.#dups.find(q);
      return d < 0 ? undefined : this.#dups.dup(d);
    }
    const e = this.#entries.entry(i);
    for (const x of e.extraReqids ?? []) {
      if (x.reqid.tid === q.tid && x.reqid.num === q.num) {
        return { version: e.version, userVersion: x.userVersion, returnCode: 0, opReturns: undefined };
      }
    }
    return e;
  }

  // --- growing and trimming ---------------------------------------------------------------------------------------------------

  /** Appends an entry that is written by its caller. */
  append(e: LogEntry): void {
    invariant(compareEversion(e.version, this.head) > 0, 'log entry out of order', {
      version: e.version,
      head: this.head,
    });
    this.#entries.pushEntry(e);
    this.head = e.version;
  }

  /**
   * Takes entries up to and with `to` out. Those whose requests may still be repeated become dups: `dupsTracked` counts back from the head.
   * The removed entries, and the dups made and dropped, are returned for persistence.
   */
  trim(to: Eversion, dupsTracked: number): Trimmed {
    const entries: Eversion[] = [];
    const dups: LogDup[] = [];
    const oldest = this.head.version - dupsTracked + 1;
    const count = this.#entries.countUpTo(to);
    for (let i = 0; i < count; i++) {
      const version = this.#entries.version(i);
      entries.push(version);
      if (version.version < oldest) continue;
      const e = this.#entries.entry(i);
      if (!e.hasReqid) continue;
      const { reqid, userVersion, returnCode, opReturns } = e;
      const d: LogDup = { reqid, version, userVersion, returnCode, opReturns };
      this.#dups.pushDup(d);
      dups.push(d);
    }
    this.#entries.dropFirst(count);
    this.tail = maxEversion(this.tail, to);
    const droppedDups: Eversion[] = [];
    while (droppedDups.length < this.#dups.length) {
      const version = this.#dups.version(droppedDups.length);
      if (version.version >= oldest) break;
      droppedDups.push(version);
    }
    this.#dups.dropFirst(droppedDups.length);
    return { entries, dups, droppedDups };
  }

  /** Replaces everything, as read from the store or as backfill begins. */
  reset(slice: LogSlice): void {
    this.#setEntries(slice.entries);
    this.head = slice.head;
    this.tail = slice.tail;
    this.canRollbackTo = slice.canRollbackTo;
    this.rollbackInfoTrimmedTo = slice.rollbackInfoTrimmedTo;
    this.#setDups(slice.dups);
  }

  #setEntries(entries: readonly LogEntry[]): void {
    this.#entries.clear();
    for (const e of entries) this.#entries.pushEntry(e);
  }

  #setDups(dups: readonly LogDup[]): void {
    this.#dups.clear();
    for (const d of dups) this.#dups.pushDup(d);
  }

  /** Marks all keys as to be rewritten. */
  markAllDirty(): void {
    this.#changes.rewriteTo = eversionMax;
    this.#changes.rewriteDups = true;
  }

  takeChanges(): LogChanges | undefined {
    const c = this.#changes;
    if (c.rewriteFrom === eversionMax && isZeroEversion(c.rewriteTo) && !c.rewriteDups) return undefined;
    this.#changes = noChanges();
    return c;
  }

  #dirtyFrom(v: Eversion): void {
    this.#changes.rewriteFrom = minEversion(this.#changes.rewriteFrom, v);
  }

  #dirtyTo(v: Eversion): void {
    this.#changes.rewriteTo = maxEversion(this.#changes.rewriteTo, v);
  }

  // --- slices -----------------------------------------------------------------------------------------------------------------

  /** All of it. */
  slice(): LogSlice {
    return this.#sliceFrom(0);
  }

  /** Entries newer than `since`; the tail is the newest entry that is not. */
  sliceAfter(since: Eversion): LogSlice {
    return this.#sliceFrom(this.#entries.countUpTo(since));
  }

  /** At most the newest `max` entries. */
  sliceLast(max: number): LogSlice {
    return this.#sliceFrom(Math.max(0, this.length - max));
  }

  #sliceFrom(first: number): LogSlice {
    return {
      head: this.head,
      tail: first > 0 ? this.#entries.version(first - 1) : this.tail,
      canRollbackTo: this.canRollbackTo,
      rollbackInfoTrimmedTo: this.rollbackInfoTrimmedTo,
      entries: this.#entriesFrom(first),
      dups: this.dups(),
    };
  }

  #entriesFrom(first: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let i = first; i < this.length; i++) entries.push(this.#entries.entry(i));
    return entries;
  }

  /** The newest entry of each object that `entries` are on (and of some others). */
  #newestOf(entries: readonly LogEntry[]): Map<string, LogEntry> {
    const newest = new Map<string, LogEntry>();
    if (entries.length === 0) return newest;
    const hashes = new Set(entries.map((e) => e.oid.hash));
    for (let i = this.length - 1; i >= 0; i--) {
      if (!hashes.has(this.#entries.objectHash(i))) continue;
      const e = this.#entries.entry(i);
      if (!e.isError && !newest.has(e.key)) newest.set(e.key, e);
    }
    return newest;
  }

  // --- merging ----------------------------------------------------------------------------------------------------------------

  /** Takes off entries newer than `to`; returns them oldest first. */
  #rewind(to: Eversion): LogEntry[] {
    const off = this.#entriesFrom(this.#entries.countUpTo(to));
    this.#entries.dropLast(off.length);
    this.head = to;
    if (compareEversion(this.canRollbackTo, to) > 0) this.canRollbackTo = to;
    return off;
  }

  /**
   * Makes this log end at `to`, an older point that the authoritative log shares. Objects that the dropped entries touched are put right in
   * `missing` and, through `target`, in the store.
   */
  rewindDivergent(to: Eversion, state: MergeState): void {
    if (compareEversion(state.lastComplete, to) > 0) state.lastComplete = to;
    const divergent = this.#rewind(to);
    const first = divergent[0];
    if (first !== undefined) this.#dirtyFrom(first.version);
    state.lastUpdate = to;
    mergeDivergent(this.#newestOf(divergent), divergent, state);
  }

  /**
   * Merges an authoritative log that overlaps this one (`olog.tail` <= head and `olog.head` >= tail): longer history at the tail, divergent
   * entries dropped, new entries appended and what they need added to `missing`. Returns whether anything changed.
   */
  merge(olog: LogSlice, state: MergeState): boolean {
    invariant(
      compareEversion(this.head, olog.tail) >= 0 && compareEversion(olog.head, this.tail) >= 0,
      'logs do not overlap',
      {
        head: this.head,
        tail: this.tail,
        otherHead: olog.head,
        otherTail: olog.tail,
      },
    );
    let changed = false;
    const originalTail = this.tail;
    if (compareEversion(olog.tail, this.tail) < 0) {
      const older = olog.entries.filter((e) => compareEversion(e.version, this.tail) <= 0);
      if (older.length > 0) {
        this.#dirtyTo(older[older.length - 1]!.version);
        this.#setEntries([...older, ...this.#entriesFrom(0)]);
      }
      this.tail = olog.tail;
      changed = true;
    }
    if (compareEversion(olog.head, this.head) < 0) {
      this.rewindDivergent(olog.head, state);
      changed = true;
    }
    if (compareEversion(olog.head, this.head) > 0) {
      let from = olog.entries.length;
      let bound = maxEversion(olog.tail, originalTail);
      while (from > 0) {
        const e = olog.entries[from - 1]!;
        if (compareEversion(e.version, this.head) <= 0) {
          bound = maxEversion(bound, e.version);
          break;
        }
        from--;
      }
      this.#dirtyFrom(bound);
      const divergent = this.#rewind(bound);
      for (const e of olog.entries.slice(from)) {
        this.append(e);
        if (e.isError || compareHobject(e.oid, state.lastBackfill) > 0) continue;
        state.missing.addNextEvent(e);
        if (e.isDelete) state.removeObject?.(e.oid, e.key);
      }
      mergeDivergent(this.#newestOf(divergent), divergent, state);
      this.head = olog.head;
      state.lastUpdate = olog.head;
      this.canRollbackTo = olog.head;
      this.rollbackInfoTrimmedTo = olog.head;
      changed = true;
    }
    if (this.#mergeDups(olog.dups)) changed = true;
    return changed;
  }

  #mergeDups(theirs: readonly LogDup[]): boolean {
    if (theirs.length === 0) return false;
    const ours = this.dups();
    const have = new Set(ours.map((d) => formatEversion(d.version)));
    const fresh = theirs.filter(
      (d) => compareEversion(d.version, this.tail) <= 0 && !have.has(formatEversion(d.version)),
    );
    if (fresh.length === 0) return false;
    this.#setDups([...ours, ...fresh].sort((a, b) => compareEversion(a.version, b.version)));
    this.#changes.rewriteDups = true;
    return true;
  }

  /**
   * A peer's log against this authoritative one: where the peer's entries leave it, its missing set is put right, and the
   * last point that both share becomes its last_update. `state` is the peer's.
   */
  reviewReplica(olog: LogSlice, state: MergeState): void {
    if (compareEversion(olog.head, this.tail) < 0 || compareEversion(olog.head, this.head) === 0) return;
    const upTo = this.countUpTo(olog.head);
    const shared = upTo === 0 ? undefined : this.versionAt(upTo - 1);
    const limit = maxEversion(olog.tail, this.tail);
    const last = shared === undefined || compareEversion(shared, limit) < 0 ? limit : shared;
    const kept = olog.entries.filter((e) => compareEversion(e.version, last) <= 0);
    const divergent = olog.entries.filter((e) => compareEversion(e.version, last) > 0);
    const newest = new Map<string, LogEntry>();
    for (const e of kept) if (!e.isError) newest.set(e.key, e);
    mergeDivergent(newest, divergent, state);
    if (compareEversion(last, state.lastUpdate) < 0) state.lastUpdate = last;
    const first = state.missing.first();
    if (first === undefined) state.lastComplete = state.lastUpdate;
    else {
      state.lastComplete = eversionZero;
      for (const e of olog.entries) {
        if (compareEversion(e.version, first.need) >= 0) break;
        state.lastComplete = e.version;
      }
    }
  }
}

/** The replica whose log is merged: its own, or a peer's as the primary sees it. */
export interface MergeState {
  lastUpdate: Eversion;
  lastComplete: Eversion;
  readonly lastBackfill: Hobject;
  readonly missing: MissingSet;
  /** Removes an object from the store. Absent where the replica is another. */
  readonly removeObject?: (oid: Hobject, key: string) => void;
}

function noChanges(): LogChanges {
  return { rewriteFrom: eversionMax, rewriteTo: eversionZero, rewriteDups: false };
}

/**
 * Divergent entries are updates that a replica applied and the others never agreed on. By object, with `newest` the entries that stay:
 *
 * 1. a newer entry stays: that one is wanted, and nothing of what is here is it (the object goes, `have` is nothing);
 * 2. the divergent entries created the object: it goes, and is not missing;
 * 3. the object was missing: the version before the divergent ones is wanted; where that is held it is not missing any more;
 * 4. else the object goes and the version before is wanted. (Replicated pools keep nothing to roll back with.)
 */
function mergeDivergent(
  newest: ReadonlyMap<string, LogEntry>,
  divergent: readonly LogEntry[],
  state: MergeState,
): void {
  const byObject = new Map<string, LogEntry[]>();
  for (const e of divergent) {
    if (e.isError || compareHobject(e.oid, state.lastBackfill) > 0) continue;
    const list = byObject.get(e.key);
    if (list === undefined) byObject.set(e.key, [e]);
    else list.push(e);
  }
  const { missing } = state;
  for (const [key, entries] of byObject) {
    const first = entries[0]!;
    const last = entries[entries.length - 1]!;
    const inStore = missing.has(key) || !last.isDelete;
    const staying = newest.get(key);
    if (staying !== undefined && compareEversion(staying.version, first.version) >= 0) {
      if (staying.isUpdate) missing.set(staying.oid, key, staying.version, eversionZero);
      else missing.remove(key);
      if (inStore) state.removeObject?.(first.oid, key);
      continue;
    }
    if (isZeroEversion(first.priorVersion) || first.isClone) {
      missing.remove(key);
      if (inStore) state.removeObject?.(first.oid, key);
      continue;
    }
    const held = missing.get(key);
    if (held !== undefined) {
      if (compareEversion(held.have, first.priorVersion) === 0) missing.remove(key);
      else missing.reviseNeed(key, first.priorVersion);
      continue;
    }
    missing.set(first.oid, key, first.priorVersion, eversionZero);
    if (inStore) state.removeObject?.(first.oid, key);
  }
}
