/**
 * Brings objects to the copies that lack them: the primary pulls what it lacks itself, then pushes to the others. Objects travel whole, large ones in pieces that
 * gather in a temporary object.
 */
import { DecodeError } from '../../encoding/index.ts';
import type { ReceivedMessage, WireMessage } from '../../msgr/index.ts';
import { type ObjectStore, Transaction } from '../../store/index.ts';
import {
  compareEversion,
  type Eversion,
  formatEversion,
  Ghobject,
  type Hobject,
  type PgId,
} from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { readObjectInfo } from '../ops/object-info.ts';
import type { Backfill } from './backfill.ts';
import type { MissingSet } from './missing.ts';
import type { Peering } from './peering.ts';
import {
  type PullOp,
  type PushOp,
  progressStart,
  pullInfo,
  pullMessage,
  pushMessage,
  pushReplyMessage,
  type RecoveryProgress,
  readPull,
  readPush,
  readPushReply,
} from './push.ts';

export interface RecoveryHost {
  readonly whoami: number;
  readonly pgid: PgId;
  readonly coll: string;
  readonly shard: number;
  readonly store: ObjectStore;
  readonly mapEpoch: number;
  readonly peering: Peering;
  /** Bytes of data in one piece, and objects at a time. */
  readonly chunkSize: number;
  readonly active_max: number;
  readonly omapEntries: number;
  send(osd: number, message: WireMessage): void;
  /** Applies and calls back when durable, unless the interval ended. */
  commit(t: Transaction, done: () => void): void;
  /** Adds what changed of info and missing set. */
  writeMeta(t: Transaction): void;
  /** This copy has the object now. */
  gotLocally(oid: Hobject, key: string, version: Eversion): void;
  objectRecovered(key: string, bytes: number): void;
  forgetContext(key: string): void;
  allRecovered(): void;
  unfound(found: boolean): void;
  requeueLater(fn: () => void): void;
  readonly backfill: Backfill;
}

/** An object that the primary is bringing somewhere. */
interface Recovering {
  readonly oid: Hobject;
  readonly key: string;
  version: Eversion;
  /** Where it is pulled from, -1 for nowhere. */
  pullingFrom: number;
  /** Copies that were sent it, with how far. */
  readonly pushingTo: Map<number, RecoveryProgress>;
  size: number;
}

export class Recovery {
  readonly #host: RecoveryHost;
  readonly #active = new Map<string, Recovering>();
  readonly #wanted = new Set<string>();
  /** Objects that cannot be found now. */
  readonly #unfound = new Set<string>();
  /** Temporary objects of pieces received. */
  readonly #temps = new Map<string, Ghobject>();
  #running = false;
  #scheduled = false;

  constructor(host: RecoveryHost) {
    this.#host = host;
  }

  get activeCount(): number {
    return this.#active.size;
  }

  /** Begins, or looks again after something new became known. */
  start(): void {
    this.#running = true;
    this.#unfound.clear();
    this.#fill();
  }

  /** Somebody waits for this object. */
  want(key: string): void {
    this.#wanted.add(key);
    if (this.#running && !this.#scheduled) {
      this.#scheduled = true;
      this.#host.requeueLater(() => {
        this.#scheduled = false;
        if (this.#running) this.#fill();
      });
    }
  }

  /** A new interval: what was under way is void. */
  reset(t: Transaction): void {
    this.#running = false;
    this.#active.clear();
    this.#wanted.clear();
    this.#unfound.clear();
    for (const temp of this.#temps.values()) t.remove(this.#host.coll, temp);
    this.#temps.clear();
  }

  *#candidates(): Generator<{ oid: Hobject; key: string }> {
    const { peering } = this.#host;
    const find = (key: string): { oid: Hobject; key: string } | undefined => {
      const own = peering.missing.get(key);
      if (own !== undefined) return own;
      for (const osd of peering.participants) {
        const item = peering.peerMissing.get(osd)?.get(key);
        if (item !== undefined) return item;
      }
      return undefined;
    };
    for (const key of [...this.#wanted]) {
      const item = find(key);
      if (item !== undefined) yield item;
      else this.#wanted.delete(key);
    }
    yield* peering.missing.inOrder();
    for (const osd of peering.participants) {
      const set: MissingSet | undefined = peering.peerMissing.get(osd);
      if (set === undefined || osd === this.#host.whoami) continue;
      for (const item of [...set.items()]) yield item;
    }
  }

  #fill(): void {
    const { peering, active_max } = this.#host;
    if (this.#active.size < active_max) {
      for (const item of this.#candidates()) {
        if (this.#active.has(item.key) || this.#unfound.has(item.key)) continue;
        this.#begin(item.oid, item.key);
        if (this.#active.size >= active_max) break;
      }
    }
    this.#host.unfound(this.#unfound.size > 0);
    if (this.#active.size === 0 && !peering.needsRecovery()) {
      this.#running = false;
      this.#host.allRecovered();
    }
  }

  #begin(oid: Hobject, key: string): void {
    const host = this.#host;
    const own = host.peering.missing.get(key);
    if (own !== undefined) {
      const source = host.peering.sourcesOf(oid, key, own.need).find((osd) => osd !== host.whoami);
      if (source === undefined) {
        this.#unfound.add(key);
        return;
      }
      this.#active.set(key, {
        oid,
        key,
        version: own.need,
        pullingFrom: source,
        pushingTo: new Map(),
        size: 0,
      });
      this.#pull(source, { oid, info: pullInfo(oid, own.need), progress: progressStart });
      return;
    }
    const recovering: Recovering = {
      oid,
      key,
      version: host.peering.info.lastUpdate,
      pullingFrom: -1,
      pushingTo: new Map(),
      size: 0,
    };
    this.#active.set(key, recovering);
    this.#pushToPeers(recovering);
  }

  get #header(): { pgid: PgId; epoch: number; minEpoch: number; from: number } {
    const { pgid, mapEpoch, peering, whoami } = this.#host;
    return { pgid, epoch: mapEpoch, minEpoch: peering.lastPeeringReset, from: whoami };
  }

  #pull(osd: number, op: PullOp): void {
    this.#host.send(osd, pullMessage(this.#header, [op]));
  }

  #pushToPeers(x: Recovering): void {
    const { peering, whoami } = this.#host;
    for (const osd of peering.participants) {
      if (osd === whoami || !(peering.peerMissing.get(osd)?.has(x.key) ?? false)) continue;
      x.pushingTo.set(osd, progressStart);
      this.#push(x, osd, progressStart);
    }
    if (x.pushingTo.size === 0) this.#finished(x);
  }

  #push(x: Recovering, osd: number, from: RecoveryProgress): void {
    const op = this.readPiece(x.oid, from, undefined);
    if (op === undefined) {
      // It should be there. What it was is in the log; the copies are told what is true of this one at the next peering.
      this.#active.delete(x.key);
      this.#unfound.add(x.key);
      return;
    }
    x.version = op.version;
    x.size = op.info.size;
    x.pushingTo.set(osd, op.after);
    this.#host.send(osd, pushMessage(this.#header, [op]));
  }

  /** The next piece of an object, or undefined where it is not here. */
  readPiece(oid: Hobject, from: RecoveryProgress, need: Eversion | undefined): PushOp | undefined {
    const { store, coll, shard, chunkSize, omapEntries } = this.#host;
    const gho = new Ghobject(oid, undefined, shard);
    const attrs = store.getAttrs(coll, gho);
    const info = attrs?.get('_');
    if (attrs === undefined || info === undefined) return undefined;
    const { oi } = readObjectInfo(info);
    if (need !== undefined && compareEversion(oi.version, need) < 0) return undefined;
    let budget = chunkSize;
    let omap: [string, Uint8Array][] = [];
    let omapTo = from.omapRecoveredTo;
    let omapComplete = from.omapComplete;
    if (!omapComplete) {
      omapComplete = true;
      const entries = store.omapIterate(coll, gho, omapTo === '' ? { from: '' } : { after: omapTo });
      if (entries !== undefined) {
        for (const [k, v] of entries) {
          if (omap.length >= omapEntries || budget <= 0) {
            omapComplete = false;
            break;
          }
          omap.push([k, v]);
          omapTo = k;
          budget -= k.length + v.length;
        }
      }
    } else omap = [];
    const ranges: { offset: number; length: number }[] = [];
    const data: Uint8Array[] = [];
    let dataTo = from.dataRecoveredTo;
    if (!from.dataComplete && budget > 0) {
      const extents = store.extents(coll, gho, dataTo, oi.size - dataTo) ?? [];
      dataTo = oi.size;
      for (const e of extents) {
        if (budget <= 0) {
          dataTo = e.offset;
          break;
        }
        const length = Math.min(e.length, budget);
        const parts = store.readSync(coll, gho, e.offset, length) ?? [];
        ranges.push({ offset: e.offset, length });
        data.push(...parts);
        budget -= length;
        if (length < e.length) {
          dataTo = e.offset + length;
          break;
        }
      }
    }
    const after: RecoveryProgress = {
      first: false,
      dataComplete: from.dataComplete || dataTo >= oi.size,
      dataRecoveredTo: dataTo,
      omapRecoveredTo: omapTo,
      omapComplete,
    };
    return {
      oid,
      version: oi.version,
      data,
      ranges,
      omapHeader: from.first ? (store.omapHeader(coll, gho) ?? new Uint8Array(0)) : new Uint8Array(0),
      omap,
      attrs: from.first ? attrs : new Map(),
      info: { oid, version: oi.version, size: oi.size },
      after,
      before: from,
    };
  }

  // --- messages ---------------------------------------------------------------------------------------------------------------

  /** MOSDPGPull: another copy wants an object. */
  handlePull(message: ReceivedMessage): void {
    const m = readPull(message.front);
    message.release();
    const pushes: PushOp[] = [];
    for (const pull of m.pulls) {
      const op = this.readPiece(pull.oid, pull.progress, pull.info.version);
      if (op !== undefined) pushes.push(op);
      else {
        // Nothing to give: a push of version 0 says so.
        pushes.push({
          oid: pull.oid,
          version: { epoch: 0, version: 0 },
          data: [],
          ranges: [],
          omapHeader: new Uint8Array(0),
          omap: [],
          attrs: new Map(),
          info: pull.info,
          after: pull.progress,
          before: pull.progress,
        });
      }
    }
    this.#host.send(m.from, pushMessage(this.#header, pushes));
  }

  /** MOSDPGPush: pieces arrive, on a replica because the primary sent them, on the primary because it asked. */
  handlePush(message: ReceivedMessage): void {
    const m = readPush(message.front);
    for (const push of m.pushes) {
      if (push.ranges.reduce((n, x) => n + x.length, 0) !== push.data[0]!.length) {
        throw new DecodeError('PushOp: ranges and data differ in length', 0);
      }
    }
    const host = this.#host;
    const t = new Transaction();
    const isPrimary = host.peering.isPrimary;
    const done: { push: PushOp; key: string; complete: boolean }[] = [];
    for (const push of m.pushes) {
      const key = objectKey(push.oid);
      const complete = push.after.dataComplete && push.after.omapComplete;
      if (isPrimary) {
        const x = this.#active.get(key);
        if (x === undefined || x.pullingFrom !== m.from) continue;
        if (push.version.version === 0) {
          // That copy has it no more.
          this.#active.delete(key);
          host.peering.peerMissing.get(m.from)?.set(push.oid, key, x.version, { epoch: 0, version: 0 });
          continue;
        }
        x.size = push.info.size;
      }
      this.#apply(t, push, key, complete);
      done.push({ push, key, complete });
      if (complete) {
        host.forgetContext(key);
        host.gotLocally(push.oid, key, push.version);
      }
    }
    host.writeMeta(t);
    host.commit(t, () => {
      message.release();
      if (!isPrimary) {
        host.send(
          m.from,
          pushReplyMessage(
            this.#header,
            done.map((d) => d.push.oid),
          ),
        );
        return;
      }
      for (const d of done) this.#pulled(d.push, d.key, d.complete, m.from);
      this.#fill();
    });
  }

  #tempFor(oid: Hobject, version: Eversion): Ghobject {
    const { pgid, shard } = this.#host;
    const name = `temp_recovering_${pgid.pool}.${pgid.seed.toString(16)}_${formatEversion(version)}_${oid.mapKey}`;
    return new Ghobject(oid.head.makeTemp(name), undefined, shard);
  }

  /** Writes a piece, into the object itself where it is the only one. */
  #apply(t: Transaction, push: PushOp, key: string, complete: boolean): void {
    const { coll, shard } = this.#host;
    const object = new Ghobject(push.oid, undefined, shard);
    const alone = push.before.first && complete;
    let target = object;
    if (!alone) {
      const temp = this.#temps.get(key) ?? this.#tempFor(push.oid, push.version);
      this.#temps.set(key, temp);
      target = temp;
    }
    if (push.before.first) {
      t.remove(coll, target);
      t.touch(coll, target);
      t.truncate(coll, target, push.info.size);
      if (push.omapHeader.length > 0) t.omapSetHeader(coll, target, push.omapHeader);
      t.setattrs(coll, target, push.attrs);
      this.#hint(t, target, push.attrs.get('_'));
    }
    const data = push.data[0]!;
    let at = 0;
    for (const x of push.ranges) {
      t.write(coll, target, x.offset, data.subarray(at, at + x.length));
      at += x.length;
    }
    if (push.omap.length > 0) t.omapSetKeys(coll, target, push.omap);
    if (complete && !alone) {
      t.remove(coll, object);
      t.collMoveRename(coll, target, coll, object);
      this.#temps.delete(key);
    }
  }

  /** Clients' hints are the store's to know on every copy: they decide about compression. */
  #hint(t: Transaction, target: Ghobject, info: Uint8Array | undefined): void {
    if (info === undefined) return;
    try {
      const { oi } = readObjectInfo(info);
      if (oi.expectedObjectSize + oi.expectedWriteSize + oi.allocHintFlags === 0) return;
      t.setAllocHint(this.#host.coll, target, oi.expectedObjectSize, oi.expectedWriteSize, oi.allocHintFlags);
    } catch (error) {
      // The copy is as damaged as what it is of; scrub tells.
      if (!(error instanceof DecodeError)) throw error;
    }
  }

  #pulled(push: PushOp, key: string, complete: boolean, from: number): void {
    const x = this.#active.get(key);
    if (x === undefined) return;
    if (!complete) {
      this.#pull(from, { oid: x.oid, info: push.info, progress: push.after });
      return;
    }
    x.pullingFrom = -1;
    this.#pushToPeers(x);
  }

  /** MOSDPGPushReply: a copy has a piece on disk. */
  handlePushReply(message: ReceivedMessage): void {
    const m = readPushReply(message.front);
    message.release();
    const { peering } = this.#host;
    for (const oid of m.oids) {
      const key = objectKey(oid);
      const x = this.#active.get(key);
      const progress = x?.pushingTo.get(m.from);
      if (x === undefined || progress === undefined) {
        this.#host.backfill.pushed(m.from, key);
        continue;
      }
      if (!progress.dataComplete || !progress.omapComplete) {
        this.#push(x, m.from, progress);
        continue;
      }
      x.pushingTo.delete(m.from);
      const missing = peering.peerMissing.get(m.from);
      missing?.remove(key);
      const peer = peering.peerInfo.get(m.from);
      if (missing?.empty === true && peer !== undefined) peer.lastComplete = peer.lastUpdate;
      if (x.pushingTo.size === 0) this.#finished(x);
    }
    if (this.#running) this.#fill();
  }

  #finished(x: Recovering): void {
    this.#active.delete(x.key);
    this.#wanted.delete(x.key);
    this.#host.objectRecovered(x.key, x.size);
  }
}
