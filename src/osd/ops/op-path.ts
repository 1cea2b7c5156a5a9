/**
 * The way of a client's request through one PG: what it must wait for, whether it was done before, execution, and the reply.
 */
import { errno } from '../../base/index.ts';
import { Transaction } from '../../store/index.ts';
import {
  CEPH_MAXSNAP,
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  type Eversion,
  eversionZero,
  Ghobject,
  Hobject,
  type Snapid,
  utimeFromMs,
  utimeIsZero,
} from '../../types/index.ts';
import { InProgress } from '../backend/replicated.ts';
import { cloneKey, headKey } from '../model.ts';
import { errorEntry, LogEntry, logOp, type OpReturn, writeLogEntry } from '../pg/log-entry.ts';
import { scratch } from '../scratch.ts';
import type { Session } from '../session.ts';
import { textLength } from './attr-ops.ts';
import { type ClientOp, may } from './client-op.ts';
import { opCode, opFlag } from './codes.ts';
import { ObjectContext, OpContext } from './context.ts';
import { executeOps } from './execute.ts';
import { identityBytes, ObjectInfo, oiFlag, readObjectInfo, writeObjectInfo } from './object-info.ts';
import type { OpHost } from './op-host.ts';
import { OwnChange } from './own-change.ts';
import { Ranges } from './ranges.ts';
import { rangeToFetch } from './read-ops.ts';
import { encodeReply, type ReplyVersions } from './reply.ts';
import { type Clone, encodeSnaps, readSnapSet, type SnapSet, snapSetBytes, snapSetEmpty } from './snap-set.ts';
import { concat } from './sub-op.ts';

const ACKS = opFlag.ACK | opFlag.ONDISK;
const NO_VERSIONS: ReplyVersions = { replay: eversionZero, badReplay: eversionZero, user: 0 };
const EMPTY = new Uint8Array(0);
/** Ceph's own names for Linux numbers (include/rados.h). */
const EBLOCKLISTED = errno.ESHUTDOWN;
const EOLDSNAPC = 85;
const OSD_WRITETOOBIG = 90;

export class OpPath {
  readonly #host: OpHost;
  readonly #contexts = new Map<string, ObjectContext>();
  /** Requests that wait for an object's recovery, by the object. */
  readonly #waitingForObject = new Map<string, ClientOp[]>();
  /** Requests whose data is being brought, each with the attempt at it: one that a new interval took back comes again with another. */
  readonly #fetching = new Map<ClientOp, symbol>();
  contexts_max = 4096;

  constructor(host: OpHost) {
    this.#host = host;
  }

  get contextCount(): number {
    return this.#contexts.size;
  }

  contexts(): IterableIterator<ObjectContext> {
    return this.#contexts.values();
  }

  // --- arrival ----------------------------------------------------------------------------------------------------------------

  /** A request for this PG, which is active. */
  doOp(op: ClientOp): void {
    const host = this.#host;
    const session = op.message.connection.session as Session | undefined;
    if (session === undefined || !op.message.connection.isConnected) {
      host.drop(op, 'connection is gone');
      return;
    }
    if (op.has(opFlag.PARALLELEXEC)) {
      this.replyError(op, -errno.EINVAL);
      return;
    }
    const writes = op.mayWrite;
    if (!host.isPrimary) {
      const balanced = op.has(opFlag.BALANCE_READS | opFlag.LOCALIZE_READS) && !op.writeOrdered;
      if (!balanced) {
        host.drop(op, 'not primary');
        return;
      }
    }
    const refused = this.#check(op, session);
    if (refused !== 0) {
      this.replyError(op, refused);
      return;
    }
    if ((op.may & may.PG_OP) !== 0) {
      host.listObjects(op);
      return;
    }
    if (op.writeOrdered && host.failsafeFull && !op.has(opFlag.FULL_TRY)) {
      host.drop(op, 'the store is full');
      return;
    }
    if (writes) {
      if (op.snapId !== CEPH_NOSNAP) {
        this.replyError(op, -errno.EINVAL);
        return;
      }
      const limit = host.limits.writeSize;
      if (limit > 0) {
        let n = 0;
        for (const part of op.message.data) n += part.length;
        if (n > limit) {
          this.replyError(op, -OSD_WRITETOOBIG);
          return;
        }
      }
    }
    const key = headKey(op.name, op.nspace, op.locatorKey === op.name ? '' : op.locatorKey);
    if (host.isUnreadable(key)) {
      if (!host.isPrimary) {
        this.replyError(op, -errno.EAGAIN);
        return;
      }
      this.waitForObject(key, op, 'waiting for missing object');
      return;
    }
    if (op.writeOrdered && host.isDegraded(key, this.#oidOf(op))) {
      this.waitForObject(key, op, 'waiting for degraded object');
      return;
    }
    if (op.writeOrdered && host.waitsForScrub(op)) return;
    if (writes && this.#repeated(op)) return;
    for (const sub of op.ops) {
      if ((sub.code === opCode.LIST_SNAPS) !== (op.snapId === CEPH_SNAPDIR)) {
        this.replyError(op, -errno.EINVAL);
        return;
      }
    }
    const found = this.#find(op, key);
    if (typeof found === 'number') {
      if (found === -errno.EAGAIN) {
        if (!host.isPrimary) this.replyError(op, -errno.EAGAIN);
        else if (host.isUnreadable(key)) this.waitForObject(key, op, 'waiting for missing object');
        return;
      }
      if (writes) this.#recordError(op, this.#oidOf(op), key, found, undefined);
      else this.#replyRead(op, found, undefined);
      return;
    }
    this.#startOn(op, found);
  }

  /** Everything that is refused before any object is looked at: 0, or a negative errno. */
  #check(op: ClientOp, session: Session): number {
    const host = this.#host;
    if (!session.allows(op, host.pool)) return -errno.EPERM;
    if ((op.may & may.PG_OP) !== 0) return 0;
    const limits = host.limits;
    if (op.nameLength > limits.nameLength) return -errno.ENAMETOOLONG;
    if (op.locatorKey !== '' && textLength(op.locatorKey) > limits.nameLength) return -errno.ENAMETOOLONG;
    if (op.nspace !== '' && textLength(op.nspace) > limits.nspaceLength) return -errno.ENAMETOOLONG;
    if (op.nameLength === 0) return -errno.EINVAL;
    if (host.isBlocklisted(op)) return -EBLOCKLISTED;
    return 0;
  }

  #oidOf(op: ClientOp): Hobject {
    return new Hobject(op.name, op.locatorKey, CEPH_NOSNAP, op.hash, this.#host.pool, op.nspace);
  }

  /** Answers (or queues for the answer) a request that is in the log; false for one that is new. */
  #repeated(op: ClientOp): boolean {
    const host = this.#host;
    const before = host.log.find(op.reqid);
    if (before === undefined) return false;
    const open = host.backend.findByVersion(before.version);
    if (open !== undefined) {
      open.repeats ??= [];
      open.repeats.push(op);
      op.state = 'waiting for ondisk';
      return true;
    }
    this.replyBefore(op, before.version, before.userVersion, before.returnCode, before.opReturns);
    return true;
  }

  /** Answers a repeated request as the first was. */
  replyBefore(
    op: ClientOp,
    version: Eversion,
    userVersion: number,
    returnCode: number,
    returns: readonly OpReturn[] | undefined,
  ): void {
    if (returns !== undefined) {
      for (let i = 0; i < op.ops.length && i < returns.length; i++) {
        op.ops[i]!.rval = returns[i]!.rval;
        op.ops[i]!.outdata = [returns[i]!.data];
      }
    }
    this.#send(op, returnCode, replyVersions(version, userVersion), op.has(opFlag.RETURNVEC));
  }

  waitForObject(key: string, op: ClientOp, state: string): void {
    op.state = state;
    const list = this.#waitingForObject.get(key);
    if (list === undefined) this.#waitingForObject.set(key, [op]);
    else list.push(op);
    this.#host.wantRecovered(key);
  }

  /** The object is whole again everywhere: those that waited go on. */
  objectRecovered(key: string): void {
    const list = this.#waitingForObject.get(key);
    if (list === undefined) return;
    this.#waitingForObject.delete(key);
    for (const op of list) this.doOp(op);
  }

  /** Objects somebody waits for. */
  waitedFor(): IterableIterator<string> {
    return this.#waitingForObject.keys();
  }

  // --- object contexts --------------------------------------------------------------------------------------------------------

  /** The context of a head; one for an object that does not exist where it is not there. */
  headContext(op: ClientOp, key: string): ObjectContext | number {
    const cached = this.#contexts.get(key);
    if (cached !== undefined) return cached;
    return this.loadHead(this.#oidOf(op), key);
  }

  loadHead(oid: Hobject, key: string): ObjectContext | number {
    const host = this.#host;
    const gho = new Ghobject(oid, undefined, host.shard);
    const identity = identityBytes(oid);
    let obc: ObjectContext;
    try {
      const attr = host.store.getAttr(host.coll, gho, '_');
      if (attr === undefined) {
        const holder = { exists: false, snapset: snapSetEmpty };
        obc = new ObjectContext(oid, gho, key, identity, false, new ObjectInfo(), holder);
      } else {
        const ss = host.store.getAttr(host.coll, gho, 'snapset');
        const holder = { exists: true, snapset: ss === undefined ? snapSetEmpty : readSnapSet(ss) };
        obc = new ObjectContext(oid, gho, key, identity, true, readObjectInfo(attr).oi, holder);
      }
    } catch (error) {
      return host.corrupt(error, oid);
    }
    // A replica sees changes go by without knowing whose they are: nothing is kept there.
    if (host.isPrimary) {
      this.#remember(key, obc);
      if (obc.oi.watchers !== undefined) host.loadWatches(obc);
    }
    return obc;
  }

  #remember(key: string, obc: ObjectContext): void {
    this.#contexts.set(key, obc);
    if (this.#contexts.size > this.contexts_max) this.#evict();
  }

  /** Lets the oldest idle ones go: an eighth at a time, in order of making. */
  #evict(): void {
    let n = Math.ceil(this.contexts_max / 8);
    for (const [key, obc] of this.#contexts) {
      if (n-- <= 0) return;
      if (obc.idle) this.#contexts.delete(key);
    }
  }

  /** The context in the cache, or undefined. */
  cached(key: string): ObjectContext | undefined {
    return this.#contexts.get(key);
  }

  forget(key: string): void {
    this.#contexts.delete(key);
  }

  /** The context of a clone, or undefined where it is not there. */
  cloneContext(head: ObjectContext, snap: Snapid): ObjectContext | number {
    const key = cloneKey(head.key, snap);
    const cached = this.#contexts.get(key);
    if (cached !== undefined) return cached;
    const host = this.#host;
    const oid = head.oid.withSnap(snap);
    const gho = new Ghobject(oid, undefined, host.shard);
    try {
      const attr = host.store.getAttr(host.coll, gho, '_');
      if (attr === undefined) return -errno.ENOENT;
      const obc = new ObjectContext(oid, gho, key, identityBytes(oid), true, readObjectInfo(attr).oi, head.ssc);
      if (host.isPrimary) this.#remember(key, obc);
      return obc;
    } catch (error) {
      return host.corrupt(error, oid);
    }
  }

  /** The object that a request is about: the head, or the clone that its snapshot sees. */
  #find(op: ClientOp, key: string): ObjectContext | number {
    const head = this.headContext(op, key);
    if (typeof head === 'number') return head;
    const snap = op.snapId;
    if (snap === CEPH_NOSNAP || snap === CEPH_SNAPDIR) return head;
    const found = op.has(opFlag.MAP_SNAP_CLONE) ? this.#exactClone(head, snap) : this.contextAt(head, snap);
    if (found === -errno.EAGAIN && this.#host.isPrimary) {
      const clone = this.#cloneFor(head, snap);
      if (clone !== undefined) this.waitForObject(cloneKey(head.key, clone.id), op, 'waiting for missing object');
    }
    return found;
  }

  #exactClone(head: ObjectContext, snap: Snapid): ObjectContext | number {
    const ss = head.ssc?.snapset ?? snapSetEmpty;
    if (snap > ss.seq) return head.exists ? head : -errno.ENOENT;
    if (!ss.clones.some((c) => c.id === snap)) return -errno.ENOENT;
    if (this.#host.isUnreadable(cloneKey(head.key, snap))) return -errno.EAGAIN;
    return this.cloneContext(head, snap);
  }

  #cloneFor(head: ObjectContext, snap: Snapid): Clone | undefined {
    return head.ssc?.snapset.clones.find((c) => c.id >= snap);
  }

  /** The context that holds the object as it was at `snap`. */
  contextAt(head: ObjectContext, snap: Snapid): ObjectContext | number {
    const ss = head.ssc?.snapset ?? snapSetEmpty;
    if (snap > ss.seq) return head;
    const clone = this.#cloneFor(head, snap);
    if (clone === undefined) return -errno.ENOENT;
    if (this.#host.isUnreadable(cloneKey(head.key, clone.id))) return -errno.EAGAIN;
    const obc = this.cloneContext(head, clone.id);
    if (typeof obc === 'number') return obc;
    if (!clone.snaps.includes(snap) || this.#host.isRemovedSnap(snap)) return -errno.ENOENT;
    return obc;
  }

  // --- ordering on one object -------------------------------------------------------------------------------------------------

  /** Runs the request, or queues it behind what the object is in the middle of. */
  #startOn(op: ClientOp, obc: ObjectContext): void {
    if (!op.has(opFlag.SKIPRWLOCKS) && this.#mustWait(op, obc)) {
      op.state = 'waiting for rw locks';
      obc.waiting ??= [];
      obc.waiting.push(op);
      return;
    }
    this.#execute(op, obc);
  }

  #mustWait(op: ClientOp, obc: ObjectContext): boolean {
    if (obc.blocked || obc.waiting !== undefined) return true;
    return op.writeOrdered ? obc.readsInFlight > 0 : obc.writesInFlight > 0;
  }

  /** What held the object back is over: lets the queue go on, in order, as far as it can. */
  #resume(obc: ObjectContext): void {
    const queue = obc.waiting;
    if (queue === undefined || obc.blocked) return;
    obc.waiting = undefined;
    for (let i = 0; i < queue.length; i++) {
      this.doOp(queue[i]!);
      if (obc.waiting !== undefined) {
        // It waits again; all behind it do.
        for (let k = i + 1; k < queue.length; k++) (obc.waiting as ClientOp[]).push(queue[k]!);
        return;
      }
    }
  }

  // --- execution --------------------------------------------------------------------------------------------------------------

  #execute(op: ClientOp, obc: ObjectContext): void {
    const host = this.#host;
    op.started_ms = host.clock.monotonic();
    op.state = 'started';
    if (!op.mayWrite && (op.may & may.CACHE) === 0) {
      this.#executeRead(op, obc);
      return;
    }
    if ((op.may & may.COPY) !== 0 && op.copied === undefined) {
      this.#copyFirst(op, obc);
      return;
    }
    const ctx = new OpContext(host, op, obc, new Transaction());
    const bad = this.#takeSnapContext(ctx);
    if (bad < 0) {
      this.replyError(op, bad);
      return;
    }
    ctx.atVersion = { epoch: host.mapEpoch, version: host.lastUpdate.version + 1 };
    const clone = this.#prepareClone(ctx);
    let result = executeOps(ctx, op.ops);
    if (result === -errno.EAGAIN) {
      this.#again(op, obc);
      return;
    }
    if (result < 0) {
      this.#recordError(op, obc.oid, obc.key, result, ctx);
      return;
    }
    if (!ctx.touched && !ctx.modify) {
      host.readStats(ctx.delta);
      if (ctx.effects !== undefined) host.runEffects({ op }, obc, ctx.effects);
      this.#recordError(op, obc.oid, obc.key, result, ctx);
      return;
    }
    const full = host.poolFull;
    if (full < 0 && (ctx.delta.bytes > 0 || ctx.delta.objects > 0) && !op.has(opFlag.FULL_FORCE)) {
      if (op.has(opFlag.FULL_TRY)) {
        this.#recordError(op, obc.oid, obc.key, full, ctx);
        return;
      }
      host.drop(op, 'the pool is full');
      return;
    }
    const keepOut = op.has(opFlag.RETURNVEC);
    if (keepOut) {
      for (const sub of op.ops) {
        if (sub.outLength > host.limits.writeReply) {
          result = -errno.EOVERFLOW;
          sub.rval = result;
          sub.outdata = undefined;
        }
      }
    } else result = 0;
    this.#commit(ctx, result, keepOut, clone);
  }

  #executeRead(op: ClientOp, obc: ObjectContext): void {
    const host = this.#host;
    if (!host.isPrimary && this.#isUnstable(obc)) {
      this.replyError(op, -errno.EAGAIN);
      return;
    }
    if (!obc.exists || (op.snapId !== CEPH_SNAPDIR && obc.oi.test(oiFlag.WHITEOUT))) {
      this.#replyRead(op, -errno.ENOENT, undefined);
      return;
    }
    if (host.isPrimary && op.fetched === undefined) {
      const range = rangeToFetch(op.ops, obc.oi);
      if (range !== undefined) {
        this.#fetch(op, obc, range.offset, range.length);
        return;
      }
    }
    const ctx = new OpContext(host, op, obc, NO_TRANSACTION);
    const result = executeOps(ctx, op.ops);
    if (result === -errno.EAGAIN) {
      this.#again(op, obc);
      return;
    }
    host.readStats(ctx.delta);
    if (result >= 0 && ctx.effects !== undefined) host.runEffects({ op }, obc, ctx.effects);
    this.#replyRead(op, result, ctx);
  }

  /** What execution needed cannot be read here now: the request waits for it, or goes elsewhere. */
  #again(op: ClientOp, obc: ObjectContext): void {
    const host = this.#host;
    for (const sub of op.ops) sub.restore();
    if (!host.isPrimary) {
      this.replyError(op, -errno.EAGAIN);
      return;
    }
    const clones = obc.ssc?.snapset.clones ?? [];
    const keys = [obc.key, ...clones.map((c) => cloneKey(obc.key, c.id))];
    const missing = keys.find((key) => host.isUnreadable(key));
    if (missing !== undefined) this.waitForObject(missing, op, 'waiting for missing object');
    else host.drop(op, 'try again');
  }

  #beginFetch(op: ClientOp): symbol {
    const attempt = Symbol();
    this.#fetching.set(op, attempt);
    return attempt;
  }

  /** False for an attempt of an interval that has ended. */
  #endFetch(op: ClientOp, attempt: symbol): boolean {
    return this.#fetching.get(op) === attempt && this.#fetching.delete(op);
  }

  /** Brings the objects that the request copies from. Until then everything else on this object waits. */
  #copyFirst(op: ClientOp, obc: ObjectContext): void {
    const attempt = this.#beginFetch(op);
    obc.blocked = true;
    op.state = 'copying';
    this.#host.copyFrom(
      op,
      () => this.#fetching.get(op) === attempt,
      (copied) => {
        if (!this.#endFetch(op, attempt)) return;
        obc.blocked = false;
        op.copied = copied;
        this.#execute(op, obc);
        op.copied = undefined;
        this.#resume(obc);
      },
    );
  }

  /** Reads ahead of execution, off the event loop's thread. Until then changes of the object wait, so that the request sees what it would have seen at once. */
  #fetch(op: ClientOp, obc: ObjectContext, offset: number, length: number): void {
    const { store, coll } = this.#host;
    const attempt = this.#beginFetch(op);
    obc.readsInFlight++;
    op.state = 'reading';
    store.read(coll, obc.gho, offset, length, (error, data) => {
      if (!this.#endFetch(op, attempt)) return;
      op.fetched = { offset, length, error, data };
      obc.readsInFlight--;
      this.#executeRead(op, obc);
      op.fetched = undefined;
      if (obc.readsInFlight === 0) this.#resume(obc);
    });
  }

  /** On a replica: a change of the object may not be everywhere yet. */
  #isUnstable(obc: ObjectContext): boolean {
    const { log, minLastCompleteOndisk } = this.#host;
    for (const _ of log.on(obc.oid, obc.key, minLastCompleteOndisk)) return true;
    return false;
  }

  #takeSnapContext(ctx: OpContext): number {
    const host = this.#host;
    const { op, obc } = ctx;
    const pool = host.poolSnaps;
    if (pool !== undefined && !op.has(opFlag.ENFORCE_SNAPC)) {
      ctx.snapSeq = pool.seq;
      ctx.snaps = pool.snaps;
    } else {
      ctx.snapSeq = op.snapSeq;
      ctx.snaps = op.snaps.length === 0 ? op.snaps : op.snaps.filter((s) => !host.isRemovedSnap(s));
    }
    if (op.has(opFlag.ORDERSNAP) && ctx.snapSeq < (obc.ssc?.snapset.seq ?? 0)) return -EOLDSNAPC;
    if (ctx.snaps.length === 0) return ctx.snapSeq > CEPH_MAXSNAP ? -errno.EINVAL : 0;
    let previous = ctx.snapSeq;
    if (previous > CEPH_MAXSNAP) return -errno.EINVAL;
    for (let i = 0; i < ctx.snaps.length; i++) {
      const s = ctx.snaps[i]!;
      if (s > previous || (i > 0 && s === previous)) return -errno.EINVAL;
      previous = s;
    }
    if (ctx.modified === undefined) ctx.modified = new Ranges();
    return 0;
  }

  /**
   * Before the first write after a snapshot, the object as it is becomes a clone. Its part of the transaction comes first; where the operations then change nothing
   * it is thrown away with the rest.
   */
  #prepareClone(ctx: OpContext): { obc: ObjectContext; clone: Clone; entry: LogEntry } | undefined {
    const { obc, snaps, snapset } = ctx;
    const newest = snaps[0];
    if (newest === undefined || newest <= snapset.seq) return undefined;
    if (!obc.exists || obc.oi.test(oiFlag.WHITEOUT)) return undefined;
    const host = this.#host;
    const served = snaps.filter((s) => s > snapset.seq);
    const oid = obc.oid.withSnap(ctx.snapSeq);
    const gho = new Ghobject(oid, undefined, host.shard);
    const oi = obc.oi.copy();
    oi.watchers = undefined;
    oi.version = ctx.atVersion;
    oi.priorVersion = obc.oi.version;
    const key = cloneKey(obc.key, ctx.snapSeq);
    const identity = identityBytes(oid);
    const cloneObc = new ObjectContext(oid, gho, key, identity, true, oi, obc.ssc);
    ctx.t.clone(host.coll, obc.gho, gho);
    ctx.t.setattr(host.coll, gho, '_', this.#infoBytes(oi, identity, false));
    ctx.t.rmattr(host.coll, gho, 'snapset');
    const clone: Clone = {
      id: ctx.snapSeq,
      snaps: served,
      size: obc.oi.size,
      overlap: Ranges.of(0, obc.oi.size),
    };
    const entry = new LogEntry(
      logOp.CLONE,
      oid,
      key,
      ctx.atVersion,
      obc.oi.version,
      obc.oi.userVersion,
      NO_REQID,
      ctx.op.mtime,
      0,
    );
    entry.snaps = encodeSnaps(served);
    ctx.atVersion = { epoch: ctx.atVersion.epoch, version: ctx.atVersion.version + 1 };
    return { obc: cloneObc, clone, entry };
  }

  #infoBytes(oi: ObjectInfo, identity: Uint8Array, isHead: boolean): Uint8Array {
    const w = scratch();
    writeObjectInfo(w, oi, identity, isHead);
    return w.take();
  }

  /** Makes the change final: versions, info and snapset, log, and off to the copies. */
  #commit(
    ctx: OpContext,
    result: number,
    keepOut: boolean,
    made: { obc: ObjectContext; clone: Clone; entry: LogEntry } | undefined,
  ): void {
    const host = this.#host;
    const { op, obc, oi, t, delta } = ctx;
    const at = ctx.atVersion;
    this.#finishSnapSet(ctx, made?.clone);
    const was = obc.exists ? obc.oi.flags : 0;
    if (ctx.exists) {
      if ((was & oiFlag.DIRTY) === 0) delta.dirty++;
      if (ctx.undirty) {
        oi.flags &= ~oiFlag.DIRTY;
        delta.dirty--;
      } else oi.flags |= oiFlag.DIRTY;
    } else if ((was & oiFlag.DIRTY) !== 0) delta.dirty--;
    const hadOmap = (was & oiFlag.OMAP) !== 0;
    const hasOmap = ctx.exists && oi.test(oiFlag.OMAP);
    if (hasOmap !== hadOmap) delta.omap += hasOmap ? 1 : -1;
    if (ctx.userModify) {
      ctx.userAtVersion = Math.max(host.lastUserVersion, oi.userVersion) + 1;
      if (at.version > ctx.userAtVersion) ctx.userAtVersion = at.version;
      oi.userVersion = ctx.userAtVersion;
    }
    const prior = obc.oi.version;
    if (ctx.exists) {
      oi.version = at;
      oi.priorVersion = prior;
      oi.lastReqid = op.reqid;
      if (!utimeIsZero(ctx.mtime)) {
        oi.mtime = ctx.mtime;
        oi.localMtime = utimeFromMs(host.clock.now());
      }
      t.setattrs(host.coll, obc.gho, [
        ['_', this.#infoBytes(oi, obc.identity, true)],
        ['snapset', snapSetBytes(ctx.snapset)],
      ]);
    }
    const entry = new LogEntry(
      ctx.exists ? logOp.MODIFY : logOp.DELETE,
      obc.oid,
      obc.key,
      at,
      prior,
      ctx.userAtVersion,
      op.reqid,
      ctx.mtime,
      keepOut ? result : 0,
    );
    if (keepOut) entry.opReturns = returnsOf(op);
    const w = scratch();
    writeLogEntry(w, entry, obc.oidBytes, { data: ctx.dirty, omap: ctx.omapDirty });
    const encoded = w.take();
    let entries: LogEntry[];
    let bytes: Uint8Array[];
    if (made === undefined) {
      entries = [entry];
      bytes = [encoded];
    } else {
      writeLogEntry(w, made.entry, made.obc.oidBytes);
      entries = [made.entry, entry];
      bytes = [w.take(), encoded];
      this.#remember(made.obc.key, made.obc);
      made.obc.writesInFlight++;
    }
    obc.exists = ctx.exists;
    obc.oi = ctx.exists ? oi : new ObjectInfo();
    obc.ssc = holderOf(obc, ctx);
    obc.writesInFlight++;
    host.lastUserVersion = Math.max(host.lastUserVersion, ctx.userAtVersion);
    host.lastUpdate = at;
    host.addStats(delta, at, obc.oid);
    host.updateTrimTo();
    op.state = 'waiting for sub ops';
    const change = new InProgress({
      tid: host.nextTid(),
      version: at,
      op,
      obc,
      cloneObc: made?.obc,
      result,
      keepOut,
      versions: replyVersions(at, ctx.userAtVersion),
      effects: ctx.effects,
      started_ms: op.started_ms,
      waitingFor: host.replicas.slice(),
      lastComplete: host.lastComplete,
    });
    host.backend.submit(change, op.reqid, obc.oidBytes, t, entries, bytes);
  }

  #finishSnapSet(ctx: OpContext, made: Clone | undefined): void {
    let { snapset } = ctx;
    if (made !== undefined) {
      snapset = { seq: snapset.seq, clones: [...snapset.clones, made] };
      ctx.delta.objects++;
      ctx.delta.clones++;
      if (ctx.obc.oi.test(oiFlag.DIRTY)) ctx.delta.dirty++;
      if (ctx.obc.oi.test(oiFlag.OMAP)) ctx.delta.omap++;
    }
    const newest = snapset.clones[snapset.clones.length - 1];
    if (newest !== undefined && ctx.modified !== undefined && !ctx.modified.empty) {
      const gone = ctx.modified.clone();
      gone.intersect(newest.overlap);
      ctx.delta.bytes += gone.size;
      const overlap = newest.overlap.clone();
      overlap.removeAll(gone);
      snapset = { seq: snapset.seq, clones: [...snapset.clones.slice(0, -1), { ...newest, overlap }] };
    }
    if (ctx.snapSeq > snapset.seq) snapset = { seq: ctx.snapSeq, clones: snapset.clones };
    ctx.snapset = snapset;
  }

  /** A write that failed, or changed nothing, is remembered in the log, so that its repeat is answered alike. */
  #recordError(op: ClientOp, oid: Hobject, key: string, result: number, ctx: OpContext | undefined): void {
    const host = this.#host;
    const at: Eversion = { epoch: host.mapEpoch, version: host.lastUpdate.version + 1 };
    const keepOut = op.has(opFlag.RETURNVEC);
    const entry = errorEntry(oid, key, at, op.reqid, result, ctx !== undefined && keepOut ? returnsOf(op) : undefined);
    const w = scratch();
    writeLogEntry(w, entry, undefined, NOTHING_CHANGED);
    const encoded = w.take();
    host.lastUpdate = at;
    host.updateTrimTo();
    let versions: ReplyVersions;
    if (ctx === undefined || result < 0) {
      versions =
        result === -errno.ENOENT ? { replay: eversionZero, badReplay: at, user: host.lastUserVersion } : NO_VERSIONS;
    } else versions = replyVersions(at, ctx.userAtVersion);
    const change = new InProgress({
      tid: host.nextTid(),
      version: at,
      op,
      obc: undefined,
      cloneObc: undefined,
      result,
      keepOut,
      versions,
      effects: undefined,
      started_ms: op.started_ms,
      waitingFor: host.replicas.slice(),
      lastComplete: host.lastComplete,
    });
    const identity = identityBytes(oid);
    const length = 6 + (identity[2]! | (identity[3]! << 8) | (identity[4]! << 16));
    host.backend.submit(change, op.reqid, identity.subarray(0, length), new Transaction(), [entry], [encoded]);
  }

  // --- the end ----------------------------------------------------------------------------------------------------------------

  /** A change is on disk everywhere. */
  changeDone(c: InProgress): void {
    const host = this.#host;
    const { op, obc } = c;
    if (op !== undefined) this.#send(op, c.result, c.versions, c.keepOut);
    if (c.repeats !== undefined) {
      for (const again of c.repeats) {
        const before = host.log.find(again.reqid);
        if (before !== undefined) {
          this.replyBefore(again, before.version, before.userVersion, before.returnCode, before.opReturns);
        } else this.doOp(again);
      }
    }
    if (obc !== undefined) {
      obc.writesInFlight--;
      if (c.effects !== undefined) host.runEffects(c, obc, c.effects);
      if (obc.writesInFlight === 0) {
        if (obc.waiting !== undefined) this.#resume(obc);
        else if (!obc.exists && obc.idle) this.#contexts.delete(obc.key);
      } else if (obc.waiting !== undefined && obc.waiting[0]!.writeOrdered) this.#resume(obc);
    }
    if (c.cloneObc !== undefined) {
      c.cloneObc.writesInFlight--;
      if (c.cloneObc.writesInFlight === 0) this.#resume(c.cloneObc);
    }
    c.onDone?.();
  }

  /** Takes a watch that timed out off its object: a change of the PG's own, as a client's unwatch would make it. */
  dropWatch(obc: ObjectContext, watch: string): void {
    const host = this.#host;
    if (obc.oi.watchers?.has(watch) !== true || host.isDegraded(obc.key, obc.oid)) return;
    const watchers = new Map(obc.oi.watchers);
    watchers.delete(watch);
    const change = new OwnChange(host);
    change.modify(obc, true, undefined, (oi) => {
      oi.watchers = watchers.size === 0 ? undefined : watchers;
    });
    change.submit(obc, undefined, () => {});
  }

  replyError(op: ClientOp, result: number): void {
    this.#send(op, result, NO_VERSIONS, op.has(opFlag.RETURNVEC));
  }

  #replyRead(op: ClientOp, result: number, ctx: OpContext | undefined): void {
    const host = this.#host;
    let versions = NO_VERSIONS;
    if (result >= 0 && ctx !== undefined) versions = replyVersions(eversionZero, ctx.obc.oi.userVersion);
    else if (result === -errno.ENOENT) {
      versions = { replay: eversionZero, badReplay: host.lastUpdate, user: host.lastUserVersion };
    }
    this.#send(op, result, versions, true);
  }

  /** Answers a request on the PG itself. */
  replyPg(op: ClientOp, result: number): void {
    this.#send(op, result, NO_VERSIONS, true);
  }

  #send(op: ClientOp, result: number, versions: ReplyVersions, keepOut: boolean): void {
    const host = this.#host;
    const reply = encodeReply(op, result, host.mapEpoch, ACKS, versions, keepOut);
    op.message.connection.send(reply);
    let bytesIn = 0;
    for (const part of op.message.data) bytesIn += part.length;
    let bytesOut = 0;
    for (const part of reply.data) bytesOut += part.length;
    op.state = 'done';
    // Every copy has it on disk and has answered; all that lasts has been copied out of it.
    if (op.isBulkWrite && !op.wasTakenBack) op.message.recycleData();
    op.message.release();
    host.opDone(op, bytesIn, bytesOut);
  }

  /**
   * A new interval: everything that waits or was under way comes back, oldest first, to be queued again; contexts are forgotten.
   */
  reset(open: readonly InProgress[]): ClientOp[] {
    const again: ClientOp[] = [];
    for (const c of open) {
      if (c.op !== undefined) {
        for (const sub of c.op.ops) sub.restore();
        c.op.wasTakenBack = true;
        again.push(c.op);
      }
      if (c.repeats !== undefined) again.push(...c.repeats);
    }
    again.push(...this.#fetching.keys());
    this.#fetching.clear();
    for (const list of this.#waitingForObject.values()) again.push(...list);
    this.#waitingForObject.clear();
    for (const obc of this.#contexts.values()) {
      if (obc.waiting !== undefined) again.push(...obc.waiting);
      obc.waiting = undefined;
      if (obc.watches !== undefined) for (const w of obc.watches.values()) w.discard();
    }
    this.#contexts.clear();
    again.sort((a, b) => a.received_ms - b.received_ms);
    return again;
  }
}

const NO_TRANSACTION = new Transaction();
const NO_REQID = Object.freeze({ type: 0, num: 0, tid: 0, inc: 0 });
const NOTHING_CHANGED = { data: new Ranges(), omap: false };

function replyVersions(version: Eversion, user: number): ReplyVersions {
  return {
    replay: version,
    badReplay: user === 0 ? version : { epoch: version.epoch, version: user },
    user,
  };
}

function returnsOf(op: ClientOp): OpReturn[] {
  return op.ops.map((sub) => ({
    rval: sub.rval,
    data: sub.outdata === undefined ? EMPTY : concat(sub.outdata).slice(),
  }));
}

function holderOf(obc: ObjectContext, ctx: OpContext): { exists: boolean; snapset: SnapSet } {
  const holder = obc.ssc ?? { exists: false, snapset: snapSetEmpty };
  holder.exists = ctx.exists;
  holder.snapset = ctx.exists ? ctx.snapset : snapSetEmpty;
  return holder;
}
