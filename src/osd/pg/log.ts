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
  type Hobject,
  maxEversion,
  minEversion,
} from '../../types/index.ts';
import { isZeroEversion } from '../model.ts';
import type { Reqid } from '../ops/object-info.ts';
import type { LogDup, LogEntry, OpReturn } from './log-entry.ts';
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

type ByTid = Map<number, LogEntry | LogDup>;

/** Entries removed from the front before the array is compacted. */
const COMPACT_AT = 1024;

export class PgLog {
  #entries: LogEntry[] = [];
  #start = 0;
  tail: Eversion = eversionZero;
  head: Eversion = eversionZero;
  canRollbackTo: Eversion = eversionZero;
  rollbackInfoTrimmedTo: Eversion = eversionZero;
  dups: LogDup[] = [];
  /** By client instance, then tid. */
  readonly #byReqid = new Map<string, ByTid>();
  #lastClient: Reqid | undefined;
  #lastByTid: ByTid | undefined;
  #changes: LogChanges = noChanges();

  get length(): number {
    return this.#entries.length - this.#start;
  }

  get empty(): boolean {
    return this.length === 0;
  }

  at(i: number): LogEntry {
    return this.#entries[this.#start + i]!;
  }

  /** Requests that changed an object, newest first, so many at most. */
  requestsOn(key: string, max: number): LogEntry[] {
    const found: LogEntry[] = [];
    for (let i = this.length - 1; i >= 0 && found.length < max; i--) {
      const e = this.at(i);
      if (e.key === key && e.hasReqid) found.push(e);
    }
    return found;
  }

  /** First and last entry. */
  get first(): LogEntry | undefined {
    return this.#entries[this.#start];
  }

  get last(): LogEntry | undefined {
    return this.length === 0 ? undefined : this.#entries[this.#entries.length - 1];
  }

  // --- requests done before ---------------------------------------------------------------------------------------------------

  #tids(q: Reqid, make: boolean): ByTid | undefined {
    const last = this.#lastClient;
    if (last !== undefined && last.num === q.num && last.inc === q.inc && last.type === q.type) return this.#lastByTid;
    const key = `${q.type}.${q.num}.${q.inc}`;
    let tids = this.#byReqid.get(key);
    if (tids === undefined) {
      if (!make) return undefined;
      tids = new Map();
      this.#byReqid.set(key, tids);
    }
    this.#lastClient = q;
    this.#lastByTid = tids;
    return tids;
  }

  /** The outcome of a request that is in the log, or undefined. */
  find(q: Reqid): DoneBefore | undefined {
    const found = this.#tids(q, false)?.get(q.tid);
    if (found === undefined) return undefined;
    if ('op' in found && found.extraReqids !== undefined) {
      for (const x of found.extraReqids) {
        if (x.reqid.tid === q.tid && x.reqid.num === q.num) {
          return { version: found.version, userVersion: x.userVersion, returnCode: 0, opReturns: undefined };
        }
      }
    }
    return found;
  }

  #index(e: LogEntry | LogDup): void {
    const q = e.reqid;
    if (q.type !== 0 || q.tid !== 0) this.#tids(q, true)!.set(q.tid, e);
    if ('op' in e && e.extraReqids !== undefined) {
      for (const x of e.extraReqids) this.#tids(x.reqid, true)!.set(x.reqid.tid, e);
    }
  }

  #unindex(e: LogEntry | LogDup): void {
    const drop = (q: Reqid): void => {
      if (q.type === 0 && q.tid === 0) return;
      const tids = this.#tids(q, false);
      if (tids?.get(q.tid) !== e) return;
      tids.delete(q.tid);
      if (tids.size === 0) {
        this.#byReqid.delete(`${q.type}.${q.num}.${q.inc}`);
        this.#lastClient = undefined;
      }
    };
    drop(e.reqid);
    if ('op' in e && e.extraReqids !== undefined) for (const x of e.extraReqids) drop(x.reqid);
  }

  #reindex(): void {
    this.#byReqid.clear();
    this.#lastClient = undefined;
    for (const d of this.dups) this.#index(d);
    for (let i = 0; i < this.length; i++) this.#index(this.at(i));
  }

  // --- growing and trimming ---------------------------------------------------------------------------------------------------

  /** Appends an entry that is written by its caller. */
  append(e: LogEntry): void {
    invariant(compareEversion(e.version, this.head) > 0, 'log entry out of order', {
      version: e.version,
      head: this.head,
    });
    this.#entries.push(e);
    this.head = e.version;
    this.#index(e);
  }

  /**
   * Takes entries up to and with `to` out. Those whose requests may still be repeated become dups: `dupsTracked` counts back from the head.
   * The removed entries, and the dups made and dropped, are returned for persistence.
   */
  trim(to: Eversion, dupsTracked: number): { entries: LogEntry[]; dups: LogDup[]; droppedDups: LogDup[] } {
    const removed: LogEntry[] = [];
    const made: LogDup[] = [];
    const oldest = this.head.version - dupsTracked + 1;
    while (this.#start < this.#entries.length) {
      const e = this.#entries[this.#start]!;
      if (compareEversion(e.version, to) > 0) break;
      this.#entries[this.#start] = undefined as unknown as LogEntry;
      this.#start++;
      this.#unindex(e);
      removed.push(e);
      this.tail = e.version;
      if (e.version.version >= oldest && e.hasReqid) {
        const d: LogDup = {
          reqid: e.reqid,
          version: e.version,
          userVersion: e.userVersion,
          returnCode: e.returnCode,
          opReturns: e.opReturns,
        };
        this.dups.push(d);
        this.#index(d);
        made.push(d);
      }
    }
    if (this.#start >= COMPACT_AT && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
    if (compareEversion(this.tail, to) < 0) this.tail = to;
    let n = 0;
    while (n < this.dups.length && this.dups[n]!.version.version < oldest) n++;
    const dropped = n === 0 ? [] : this.dups.splice(0, n);
    for (const d of dropped) this.#unindex(d);
    return { entries: removed, dups: made, droppedDups: dropped };
  }

  /** Replaces everything, as read from the store or as backfill begins. */
  reset(slice: LogSlice): void {
    this.#entries = slice.entries.slice();
    this.#start = 0;
    this.head = slice.head;
    this.tail = slice.tail;
    this.canRollbackTo = slice.canRollbackTo;
    this.rollbackInfoTrimmedTo = slice.rollbackInfoTrimmedTo;
    this.dups = slice.dups.slice();
    this.#reindex();
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
    return {
      head: this.head,
      tail: this.tail,
      canRollbackTo: this.canRollbackTo,
      rollbackInfoTrimmedTo: this.rollbackInfoTrimmedTo,
      entries: this.#entries.slice(this.#start),
      dups: this.dups.slice(),
    };
  }

  /** Entries newer than `since`; the tail is the newest entry that is not. */
  sliceAfter(since: Eversion): LogSlice {
    const s = this.slice();
    let n = s.entries.length;
    while (n > 0 && compareEversion(s.entries[n - 1]!.version, since) > 0) n--;
    const before = n > 0 ? s.entries[n - 1]!.version : this.tail;
    s.entries = s.entries.slice(n);
    s.tail = n > 0 ? before : this.tail;
    return s;
  }

  /** At most the newest `max` entries. */
  sliceLast(max: number): LogSlice {
    const s = this.slice();
    if (s.entries.length > max) {
      const cut = s.entries.length - max;
      s.tail = s.entries[cut - 1]!.version;
      s.entries = s.entries.slice(cut);
    }
    return s;
  }

  /** Newest entry of each object. */
  newestByObject(): Map<string, LogEntry> {
    const newest = new Map<string, LogEntry>();
    for (let i = 0; i < this.length; i++) {
      const e = this.at(i);
      if (!e.isError) newest.set(e.key, e);
    }
    return newest;
  }

  // --- merging ----------------------------------------------------------------------------------------------------------------

  /** Takes off entries newer than `to`; returns them oldest first. */
  #rewind(to: Eversion): LogEntry[] {
    const off: LogEntry[] = [];
    while (this.length > 0 && compareEversion(this.last!.version, to) > 0) {
      const e = this.#entries.pop()!;
      this.#unindex(e);
      off.push(e);
    }
    this.head = to;
    if (compareEversion(this.canRollbackTo, to) > 0) this.canRollbackTo = to;
    return off.reverse();
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
    mergeDivergent(this.newestByObject(), divergent, state);
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
        this.#entries = [...older, ...this.#entries.slice(this.#start)];
        this.#start = 0;
        for (const e of older) this.#index(e);
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
      mergeDivergent(this.newestByObject(), divergent, state);
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
    const have = new Set(this.dups.map((d) => `${d.version.epoch}.${d.version.version}`));
    const fresh = theirs.filter(
      (d) => compareEversion(d.version, this.tail) <= 0 && !have.has(`${d.version.epoch}.${d.version.version}`),
    );
    if (fresh.length === 0) return false;
    this.dups = [...this.dups, ...fresh].sort((a, b) => compareEversion(a.version, b.version));
    for (const d of fresh) if (this.find(d.reqid) === undefined) this.#index(d);
    this.#changes.rewriteDups = true;
    return true;
  }

  /**
   * A peer's log against this authoritative one: where the peer's entries leave it, its missing set is put right, and the
   * last point that both share becomes its last_update. `state` is the peer's.
   */
  reviewReplica(olog: LogSlice, state: MergeState): void {
    if (compareEversion(olog.head, this.tail) < 0 || compareEversion(olog.head, this.head) === 0) return;
    let shared: Eversion | undefined;
    for (let i = this.length - 1; i >= 0; i--) {
      const v = this.at(i).version;
      if (compareEversion(v, olog.head) <= 0) {
        shared = v;
        break;
      }
    }
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
