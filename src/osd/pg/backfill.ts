/**
 * Fills up copies whose log ended too long ago: all objects in order. A target has emptied itself when it took the log, so nothing is compared; how far it is
 * (last_backfill) is persistent there, and writes go to it for what it has reached.
 */
import { MOSDPGBackfill, pgBackfillOp } from '../../messages/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import type { ObjectStore } from '../../store/index.ts';
import {
  compareHobject,
  Ghobject,
  type Hobject,
  hobjectMax,
  hobjectMin,
  NO_SHARD,
  type PgId,
} from '../../types/index.ts';
import { objectKey } from '../model.ts';
import type { Peering } from './peering.ts';
import { progressStart, pushMessage, type RecoveryProgress } from './push.ts';
import type { Recovery } from './recovery.ts';

export interface BackfillHost {
  readonly whoami: number;
  readonly pgid: PgId;
  readonly coll: string;
  readonly shard: number;
  readonly store: ObjectStore;
  readonly mapEpoch: number;
  readonly peering: Peering;
  readonly recovery: Recovery;
  readonly scanSize: number;
  readonly active_max: number;
  send(osd: number, message: WireMessage): void;
  objectRecovered(key: string, bytes: number): void;
  allBackfilled(): void;
}

interface InFlight {
  readonly oid: Hobject;
  readonly key: string;
  readonly to: Map<number, RecoveryProgress>;
  size: number;
}

export class Backfill {
  readonly #host: BackfillHost;
  #running = false;
  #targets: number[] = [];
  /** Everything up to here was begun. */
  startedTo: Hobject = hobjectMin;
  #next: Hobject = hobjectMin;
  #queue: Hobject[] = [];
  #scanned = false;
  /** In order of objects. */
  readonly #inFlight = new Map<string, InFlight>();

  constructor(host: BackfillHost) {
    this.#host = host;
  }

  reset(): void {
    this.#running = false;
    this.#targets = [];
    this.#inFlight.clear();
    this.#queue = [];
    this.startedTo = hobjectMin;
    this.#scanned = false;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  start(): void {
    const { peering } = this.#host;
    this.reset();
    this.#running = true;
    this.#targets = [...peering.backfillTargets].filter((osd) => peering.peerInfo.get(osd)?.isIncomplete === true);
    let least = hobjectMax;
    for (const osd of this.#targets) {
      const at = peering.peerInfo.get(osd)!.lastBackfill;
      if (compareHobject(at, least) < 0) least = at;
    }
    this.#next = least;
    this.startedTo = least;
    this.#fill();
  }

  /** The object is on its way to a target: writes wait. */
  isBusy(key: string, _oid: Hobject): boolean {
    return this.#inFlight.has(key);
  }

  /** Has the target this object, or is it about to? */
  reached(osd: number, oid: Hobject): boolean {
    return this.#running && this.#targets.includes(osd) && compareHobject(oid, this.startedTo) <= 0;
  }

  #scan(): void {
    const { store, coll, shard, scanSize } = this.#host;
    const from = new Ghobject(this.#next, undefined, shard);
    const found = store.list(coll, from, undefined, scanSize);
    this.#queue = found.objects
      .filter((o) => !o.isPgMeta && !o.hobj.isTemp)
      .map((o) => o.hobj)
      .filter((o) => compareHobject(o, this.startedTo) > 0 || compareHobject(this.startedTo, hobjectMin) === 0);
    this.#scanned = found.next.isMax;
    this.#next = found.next.hobj;
  }

  #fill(): void {
    if (!this.#running) return;
    while (this.#inFlight.size < this.#host.active_max) {
      while (this.#queue.length === 0 && !this.#scanned) this.#scan();
      const oid = this.#queue.shift();
      if (oid === undefined) break;
      this.#begin(oid);
    }
    if (this.#inFlight.size === 0 && this.#queue.length === 0 && this.#scanned) this.#finish();
  }

  #begin(oid: Hobject): void {
    const { peering } = this.#host;
    this.startedTo = oid;
    const x: InFlight = { oid, key: objectKey(oid), to: new Map(), size: 0 };
    for (const osd of this.#targets) {
      const peer = peering.peerInfo.get(osd)!;
      if (compareHobject(oid, peer.lastBackfill) <= 0) continue;
      x.to.set(osd, progressStart);
    }
    if (x.to.size === 0) return;
    this.#inFlight.set(x.key, x);
    for (const osd of [...x.to.keys()]) this.#push(x, osd, progressStart);
  }

  #push(x: InFlight, osd: number, from: RecoveryProgress): void {
    const { recovery, pgid, mapEpoch, peering, whoami } = this.#host;
    const op = recovery.readPiece(x.oid, from, undefined);
    if (op === undefined) {
      // Deleted between the scan and now: the target has never seen it.
      x.to.delete(osd);
      if (x.to.size === 0) this.#inFlight.delete(x.key);
      return;
    }
    x.size = op.info.size;
    x.to.set(osd, op.after);
    this.#host.send(
      osd,
      pushMessage({ pgid, epoch: mapEpoch, minEpoch: peering.lastPeeringReset, from: whoami }, [op]),
    );
  }

  /** A target has a piece on disk. */
  pushed(osd: number, key: string): void {
    const x = this.#inFlight.get(key);
    const progress = x?.to.get(osd);
    if (x === undefined || progress === undefined) return;
    if (!progress.dataComplete || !progress.omapComplete) {
      this.#push(x, osd, progress);
      return;
    }
    x.to.delete(osd);
    if (x.to.size > 0) return;
    this.#inFlight.delete(key);
    this.#progress();
    this.#host.objectRecovered(key, x.size);
    this.#fill();
  }

  /** Tells the targets up to where they are complete. */
  #progress(): void {
    let to = this.startedTo;
    for (const x of this.#inFlight.values()) {
      // The first that is open ends what is complete: the object before it in order, which its own boundary stands for.
      to = x.oid.objectBoundary;
      break;
    }
    this.#tell(pgBackfillOp.PROGRESS, to);
  }

  #tell(op: number, lastBackfill: Hobject): void {
    const { peering, mapEpoch, pgid } = this.#host;
    const { stats } = peering.info;
    for (const osd of this.#targets) {
      const peer = peering.peerInfo.get(osd)!;
      if (compareHobject(lastBackfill, peer.lastBackfill) <= 0) continue;
      peer.lastBackfill = lastBackfill;
      this.#host.send(
        osd,
        MOSDPGBackfill.encode({
          op,
          mapEpoch,
          queryEpoch: peering.lastPeeringReset,
          pgid,
          lastBackfill,
          objectStats: stats.stats,
          stats,
          shard: NO_SHARD,
        }),
      );
    }
  }

  #finish(): void {
    this.#running = false;
    this.#tell(pgBackfillOp.FINISH, hobjectMax);
    this.#host.allBackfilled();
  }
}
