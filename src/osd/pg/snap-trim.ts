/**
 * Frees what removed snapshots hold. The map says which snapshots are removed (removed_snaps_queue); the primary of a clean PG goes through its clones, takes those
 * snapshots off them, and removes clones that serve none any more. What is done is told to the others, and in the PG's statistics to the manager; when all PGs of a pool
 * have done it, the monitors take the snapshot out of the queue.
 *
 * ```
 * idle -> waiting (for a turn: osd_max_trimming_pgs) -> trimming -> idle
 * ```
 *
 * A pass serves every snapshot that was in the queue when it began. Clones are found by listing the PG: their order is that of names, so a clone's head
 * is never far, and a PG without clones (its statistics say so) is done at once.
 */
import type { ObjectStore } from '../../store/index.ts';
import { CEPH_NOSNAP, Ghobject, type Hobject, hobjectMin, IntervalSet, pgState } from '../../types/index.ts';
import type { Peering } from './peering.ts';

export interface SnapTrimHost {
  readonly pool: number;
  readonly coll: string;
  readonly shard: number;
  readonly store: ObjectStore;
  readonly peering: Peering;
  /** A scrub counts clones: none are taken from under it. */
  readonly isScrubbing: boolean;
  /** Clones at a time (osd_pg_max_concurrent_snap_trims), and the pause between them in ms (osd_snap_trim_sleep). */
  readonly trimActive_max: number;
  readonly trimSleep_ms: number;
  /** A turn among the PGs of this OSD. */
  requestTrimTurn(granted: () => void): void;
  releaseTrimTurn(): void;
  /**
   * Takes removed snapshots off a clone. `busy`: something else is being done with the object, try later; `failed`: it cannot be done as it is; otherwise `done`
   * is called once the change is on disk everywhere, or `nothing` was to be done.
   */
  trimClone(clone: Hobject, removed: IntervalSet, done: () => void): 'busy' | 'failed' | 'nothing' | 'begun';
  /** Runs later on the event loop, in this interval only. */
  requeueLater(fn: () => void): void;
  /** The same after a time. */
  after(delay_ms: number, fn: () => void): void;
  markDirty(big: boolean): void;
  publishStats(): void;
}

/** Objects listed at a time. */
const SCAN = 256;
/** Until what was busy is tried again. */
const RETRY_MS = 100;

export class SnapTrimmer {
  readonly #host: SnapTrimHost;
  #state: 'idle' | 'waiting' | 'trimming' = 'idle';
  /** Snapshots that this pass trims. */
  #snaps: IntervalSet = IntervalSet.empty;
  #next = hobjectMin;
  #scanned = false;
  #clones: Hobject[] = [];
  #inFlight = 0;
  #scheduled = false;
  #failed = false;

  constructor(host: SnapTrimHost) {
    this.#host = host;
  }

  /** Removed snapshots that this PG has not trimmed. */
  get queue(): IntervalSet {
    const { peering, pool } = this.#host;
    const removed = peering.map.removedSnapsQueue.get(pool);
    return removed === undefined ? IntervalSet.empty : removed.subtract(peering.info.purgedSnaps);
  }

  get active(): boolean {
    return this.#state !== 'idle';
  }

  /** Looks whether there is something to do: the PG became clean, or the map has more removed snapshots. */
  kick(): void {
    const host = this.#host;
    if (this.#state !== 'idle' || !this.#permitted || this.queue.isEmpty) return;
    this.#state = 'waiting';
    this.#setState(pgState.SNAPTRIM_WAIT);
    host.requestTrimTurn(() => {
      if (this.#state !== 'waiting') return;
      this.#setState(pgState.SNAPTRIM);
      this.#state = 'trimming';
      this.#snaps = this.queue;
      this.#next = hobjectMin;
      this.#scanned = host.peering.info.stats.stats.numObjectClones === 0;
      this.#clones = [];
      this.#failed = false;
      this.#schedule(0);
    });
  }

  /** A new interval: what was under way is void. */
  reset(): void {
    if (this.#state !== 'idle') this.#stop();
    this.#host.peering.clearState(pgState.SNAPTRIM_ERROR);
    this.#inFlight = 0;
    this.#scheduled = false;
  }

  get #permitted(): boolean {
    const { peering } = this.#host;
    if (this.#host.isScrubbing) return false;
    return peering.isPrimary && peering.state === 'Clean' && peering.test(pgState.CLEAN);
  }

  #setState(flag: bigint): void {
    const { peering } = this.#host;
    peering.clearState(pgState.SNAPTRIM | pgState.SNAPTRIM_WAIT | pgState.SNAPTRIM_ERROR);
    peering.setState(flag);
    this.#host.publishStats();
  }

  #stop(): void {
    this.#state = 'idle';
    this.#clones = [];
    this.#host.peering.clearState(pgState.SNAPTRIM | pgState.SNAPTRIM_WAIT);
    this.#host.releaseTrimTurn();
    this.#host.publishStats();
  }

  #schedule(delay_ms: number): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const go = (): void => {
      this.#scheduled = false;
      if (this.#state === 'trimming') this.#step();
    };
    if (delay_ms > 0) this.#host.after(delay_ms, go);
    else this.#host.requeueLater(go);
  }

  #step(): void {
    const host = this.#host;
    if (!this.#permitted) {
      if (this.#inFlight === 0) this.#stop();
      return;
    }
    while (this.#inFlight < host.trimActive_max) {
      const clone = this.#clones[0];
      if (clone === undefined) {
        if (!this.#scanned) this.#scan();
        break;
      }
      const began = host.trimClone(clone, this.#snaps, () => {
        this.#inFlight--;
        if (this.#state === 'trimming') this.#schedule(host.trimSleep_ms);
      });
      if (began === 'busy') {
        this.#schedule(RETRY_MS);
        return;
      }
      this.#clones.shift();
      if (began === 'begun') this.#inFlight++;
      else if (began === 'failed') this.#failed = true;
    }
    if (this.#clones.length === 0 && this.#scanned && this.#inFlight === 0) this.#finish();
    else if (this.#inFlight === 0) this.#schedule(0);
  }

  /** The next clones of the PG. */
  #scan(): void {
    const { store, coll, shard } = this.#host;
    const found = store.list(coll, new Ghobject(this.#next, undefined, shard), undefined, SCAN);
    for (const o of found.objects) {
      if (!o.isPgMeta && !o.hobj.isTemp && o.hobj.snap < CEPH_NOSNAP) this.#clones.push(o.hobj);
    }
    this.#scanned = found.next.isMax;
    this.#next = found.next.hobj;
  }

  #finish(): void {
    const host = this.#host;
    this.#stop();
    if (this.#failed) {
      // Tried again when the PG is next clean, after a repair.
      host.peering.setState(pgState.SNAPTRIM_ERROR);
      host.publishStats();
      return;
    }
    const { info } = host.peering;
    info.purgedSnaps = info.purgedSnaps.union(this.#snaps);
    host.markDirty(true);
    host.peering.shareInfo();
    host.publishStats();
    this.kick();
  }
}
