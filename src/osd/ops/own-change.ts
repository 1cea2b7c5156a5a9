/** Changes of objects that the PG makes of itself and not for a request: they go the way of a client's change, through log and replicas. */
import { Writer } from '../../encoding/index.ts';
import { Transaction } from '../../store/index.ts';
import { type Eversion, eversionZero, type IntervalSet, type Utime, utimeFromMs } from '../../types/index.ts';
import { InProgress } from '../backend/replicated.ts';
import { LogEntry, logOp, writeLogEntry } from '../pg/log-entry.ts';
import type { ObjectContext } from './context.ts';
import { StatDelta } from './context.ts';
import { ObjectInfo, oiFlag, reqidNone, writeObjectInfo } from './object-info.ts';
import type { OpHost } from './op-host.ts';
import { Ranges } from './ranges.ts';
import { type Clone, cloneBytes, encodeSnaps, type SnapSet, snapSetBytes, snapSetEmpty } from './snap-set.ts';

const NO_VERSIONS = { replay: eversionZero, badReplay: eversionZero, user: 0 };
const NOTHING_CHANGED = { data: new Ranges(), omap: false };

/** One or more log entries and the transaction that they tell of, gathered and then sent on their way. */
export class OwnChange {
  readonly #host: OpHost;
  readonly t = new Transaction();
  readonly delta = new StatDelta();
  readonly mtime: Utime;
  readonly #entries: LogEntry[] = [];
  readonly #encoded: Uint8Array[] = [];
  #at: Eversion;

  constructor(host: OpHost) {
    this.#host = host;
    this.mtime = utimeFromMs(host.clock.now());
    this.#at = { epoch: host.mapEpoch, version: host.lastUpdate.version };
  }

  #log(op: number, obc: ObjectContext, snaps: readonly number[] | undefined): Eversion {
    this.#at = { epoch: this.#at.epoch, version: this.#at.version + 1 };
    const entry = new LogEntry(op, obc.oid, obc.key, this.#at, obc.oi.version, 0, reqidNone, this.mtime, 0);
    if (snaps !== undefined) entry.snaps = encodeSnaps(snaps);
    const w = new Writer(256);
    writeLogEntry(w, entry, obc.oidBytes, NOTHING_CHANGED);
    this.#entries.push(entry);
    this.#encoded.push(w.bytes());
    return this.#at;
  }

  /** Removes an object, with what its kind counts for in the statistics. */
  remove(obc: ObjectContext, snaps?: readonly number[]): void {
    this.#log(logOp.DELETE, obc, snaps);
    this.delta.objects--;
    if (obc.oi.test(oiFlag.DIRTY)) this.delta.dirty--;
    if (obc.oi.test(oiFlag.OMAP)) this.delta.omap--;
    if (obc.oi.test(oiFlag.WHITEOUT)) this.delta.whiteouts--;
    this.t.remove(this.#host.coll, obc.gho);
    obc.exists = false;
    obc.oi = new ObjectInfo();
  }

  /** Writes the object's info anew, after `change`, and for a head its clones. */
  modify(obc: ObjectContext, isHead: boolean, snaps?: readonly number[], change?: (oi: ObjectInfo) => void): void {
    const version = this.#log(logOp.MODIFY, obc, snaps);
    const oi = obc.oi.copy();
    change?.(oi);
    oi.priorVersion = oi.version;
    oi.version = version;
    obc.oi = oi;
    const w = new Writer(512);
    writeObjectInfo(w, oi, obc.identity, isHead);
    const attrs: [string, Uint8Array][] = [['_', w.bytes()]];
    if (isHead) attrs.push(['snapset', snapSetBytes(obc.ssc?.snapset ?? snapSetEmpty)]);
    this.t.setattrs(this.#host.coll, obc.gho, attrs);
  }

  /** `obc` (and `cloneObc`) count as being written until it is done. */
  submit(obc: ObjectContext, cloneObc: ObjectContext | undefined, done: () => void): void {
    const host = this.#host;
    obc.writesInFlight++;
    if (cloneObc !== undefined) cloneObc.writesInFlight++;
    host.lastUpdate = this.#at;
    host.addStats(this.delta, this.#at, obc.oid);
    host.updateTrimTo();
    const change = new InProgress({
      tid: host.nextTid(),
      version: this.#at,
      op: undefined,
      obc,
      cloneObc,
      result: 0,
      keepOut: false,
      versions: NO_VERSIONS,
      effects: undefined,
      started_ms: host.clock.monotonic(),
      waitingFor: host.replicas.slice(),
      lastComplete: host.lastComplete,
    });
    change.onDone = done;
    host.backend.submit(change, reqidNone, obc.oidBytes, this.t, this.#entries, this.#encoded);
  }
}

/** Whether the PG may change the object now: nobody reads it, and nothing waits for it. */
export function isFree(obc: ObjectContext): boolean {
  return !obc.blocked && obc.waiting === undefined && obc.readsInFlight === 0;
}

/**
 * Takes removed snapshots off a clone (PrimaryLogPG::trim_object): one that serves others still keeps those; one that serves none goes, its older neighbour inherits
 * what both share with what came after; and the shell of a deleted object goes with its last clone.
 */
export function trimClone(
  host: OpHost,
  head: ObjectContext,
  clone: ObjectContext,
  removed: IntervalSet,
  done: () => void,
): 'busy' | 'failed' | 'nothing' | 'begun' {
  const snapset = head.ssc?.snapset ?? snapSetEmpty;
  const at = snapset.clones.findIndex((c) => c.id === clone.oid.snap);
  if (at < 0) return 'failed';
  const found = snapset.clones[at]!;
  const kept = found.snaps.filter((s) => !removed.contains(s));
  if (kept.length === found.snaps.length && kept.length > 0) return 'nothing';
  if (!isFree(head) || !isFree(clone)) return 'busy';
  const change = new OwnChange(host);
  // The log tells them oldest first, as sets are.
  const logged = [...kept].reverse();
  const clones = [...snapset.clones];
  if (kept.length > 0) {
    clones[at] = { ...found, snaps: kept };
    change.modify(clone, false, logged);
  } else {
    change.delta.bytes -= cloneBytes(found);
    const older = clones[at - 1];
    if (older !== undefined) {
      const overlap = older.overlap.clone();
      overlap.intersect(found.overlap);
      const merged: Clone = { ...older, overlap };
      change.delta.bytes += cloneBytes(merged) - cloneBytes(older);
      clones[at - 1] = merged;
    }
    clones.splice(at, 1);
    change.delta.clones--;
    change.remove(clone, logged);
  }
  const next: SnapSet = { seq: snapset.seq, clones };
  if (clones.length === 0 && head.oi.test(oiFlag.WHITEOUT)) {
    change.remove(head);
    if (head.ssc !== undefined) {
      head.ssc.exists = false;
      head.ssc.snapset = snapSetEmpty;
    }
  } else {
    if (head.ssc !== undefined) head.ssc.snapset = next;
    change.modify(head, true);
  }
  change.submit(head, clone, done);
  return 'begun';
}
