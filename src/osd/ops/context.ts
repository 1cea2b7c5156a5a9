import type { Entropy } from '../../base/index.ts';
import type { ObjectStore, Transaction } from '../../store/index.ts';
import {
  type EntityName,
  type Eversion,
  eversionZero,
  type Ghobject,
  type Hobject,
  type ObjectStatSum,
  type Utime,
} from '../../types/index.ts';
import type { ClassAnswer } from '../classes/method.ts';
import type { Watch } from '../watch.ts';
import type { ClientOp } from './client-op.ts';
import { type ObjectInfo, oiFlag, type Reqid } from './object-info.ts';
import { Ranges } from './ranges.ts';
import type { SnapSet } from './snap-set.ts';

/** What head and clones of one object share: the set of clones. */
export interface SnapSetHolder {
  exists: boolean;
  snapset: SnapSet;
}

/**
 * An object in use, as the last operation that was started on it left it (its writes may still be on their way to disk). Kept in the PG's cache.
 */
export class ObjectContext {
  readonly oid: Hobject;
  readonly gho: Ghobject;
  /** Key in the PG's tables. */
  readonly key: string;
  /** {@link identityBytes}, and the encoded name alone, which it begins with. */
  readonly identity: Uint8Array;
  readonly oidBytes: Uint8Array;
  exists: boolean;
  oi: ObjectInfo;
  /** Undefined until needed, for clones. */
  ssc: SnapSetHolder | undefined;
  /** Writes that are not yet durable everywhere. Reads wait while there are any. */
  writesInFlight = 0;
  /** Reads in progress that give way to the event loop. Writes wait while there are any. */
  readsInFlight = 0;
  /** Operations that wait for the above, in order. */
  waiting: ClientOp[] | undefined = undefined;
  /** Waits for recovery of this object or the like; operations queue behind. */
  blocked = false;
  /** Live watches by watchKey. */
  watches: Map<string, Watch> | undefined = undefined;

  constructor(
    oid: Hobject,
    gho: Ghobject,
    key: string,
    identity: Uint8Array,
    exists: boolean,
    oi: ObjectInfo,
    ssc: SnapSetHolder | undefined,
  ) {
    this.oid = oid;
    this.gho = gho;
    this.key = key;
    this.identity = identity;
    // hobject_t: two version bytes, length, body.
    this.oidBytes = identity.subarray(0, 6 + (identity[2]! | (identity[3]! << 8) | (identity[4]! << 16)));
    this.exists = exists;
    this.oi = oi;
    this.ssc = ssc;
  }

  /** Nothing hangs on it but the cache. */
  get idle(): boolean {
    return (
      this.writesInFlight === 0 &&
      this.readsInFlight === 0 &&
      this.waiting === undefined &&
      !this.blocked &&
      (this.watches === undefined || this.watches.size === 0)
    );
  }
}

/** Changes of object_stat_sum_t by one operation. */
export class StatDelta {
  bytes = 0;
  objects = 0;
  clones = 0;
  rd = 0;
  rdKb = 0;
  wr = 0;
  wrKb = 0;
  dirty = 0;
  whiteouts = 0;
  omap = 0;

  addTo(s: ObjectStatSum): void {
    s.numBytes += this.bytes;
    s.numObjects += this.objects;
    s.numObjectClones += this.clones;
    s.numRd += this.rd;
    s.numRdKb += this.rdKb;
    s.numWr += this.wr;
    s.numWrKb += this.wrKb;
    s.numObjectsDirty += this.dirty;
    s.numWhiteouts += this.whiteouts;
    s.numObjectsOmap += this.omap;
  }
}

/** Limits that options set; read once per change of the options. */
export interface OpLimits {
  readonly objectSize: number;
  readonly nameLength: number;
  readonly nspaceLength: number;
  readonly attrNameLength: number;
  readonly attrSize: number;
  readonly omapEntries: number;
  readonly omapBytes: number;
  readonly pgls: number;
  readonly writeSize: number;
  readonly writeReply: number;
  readonly watchTimeout_s: number;
  readonly notifyTimeout_s: number;
}

/** What execution asks of the PG that it runs in. */
export interface ExecHost {
  readonly store: ObjectStore;
  readonly coll: string;
  readonly limits: OpLimits;
  readonly supportsOmap: boolean;
  readonly fadviseDontneed: boolean;
  /** Time of day. */
  readonly now_ms: number;
  /** Notify ids must never repeat: epoch and a counter. */
  nextNotifyId(): bigint;
  /** The context that holds the state at `snap`; a negative errno where there is none, or it must be waited for (EAGAIN). */
  contextAt(head: ObjectContext, snap: number): ObjectContext | number;
  /** Runs a class method. */
  call(ctx: OpContext, cls: string, method: string, input: Uint8Array): ClassAnswer;
  readonly entropy: Entropy;
  /** User version of the newest change in the PG. */
  readonly lastUserVersion: number;
  /** Requests in the log that changed an object, newest first, so many at most. */
  requestsOn(oid: Hobject, key: string, max: number): PastRequest[];
  /** A read found bad bytes: answer -EIO, after telling whoever repairs. */
  corrupt(error: unknown, oid: Hobject): number;
}

/** A request that the log knows. */
export interface PastRequest {
  readonly reqid: Reqid;
  readonly userVersion: number;
  readonly returnCode: number;
}

/** A watch to connect once the operation is done. */
export interface WatchConnect {
  readonly cookie: bigint;
  readonly timeout_s: number;
  readonly willPing: boolean;
}

export interface NotifyStart {
  readonly id: bigint;
  readonly cookie: bigint;
  readonly timeout_s: number;
  readonly payload: Uint8Array;
}

export interface NotifyAck {
  readonly id: bigint;
  readonly cookie: bigint | undefined;
  readonly reply: Uint8Array;
}

/** Things that happen beside the object's change, once it is sure. Undefined in nearly every operation. */
export interface Effects {
  connects: WatchConnect[];
  disconnects: { cookie: bigint; entity: EntityName; sendDisconnect: boolean }[];
  notifies: NotifyStart[];
  acks: NotifyAck[];
}

/** One execution: the object's next state, and the transaction that makes it. */
export class OpContext {
  readonly host: ExecHost;
  readonly op: ClientOp;
  readonly obc: ObjectContext;
  /** Next state. */
  exists: boolean;
  oi: ObjectInfo;
  snapset: SnapSet;
  readonly t: Transaction;
  /** The transaction must be made even if it does nothing to the object but rewrite its info. */
  touched = false;
  /** The object's info changes although the transaction is empty. */
  modify = false;
  /** The user's version moves. */
  userModify = false;
  snapSeq = 0;
  snaps: readonly number[] = [];
  atVersion: Eversion = eversionZero;
  userAtVersion = 0;
  mtime: Utime;
  readonly delta = new StatDelta();
  /** Bytes changed, for the clones' overlaps; only kept where there are clones. */
  modified: Ranges | undefined;
  /** Bytes changed, for recovery (clean_regions). */
  readonly dirty = new Ranges();
  dirtyAll = false;
  omapDirty = false;
  effects: Effects | undefined = undefined;
  reads = 0;
  writes = 0;
  /** Operations done, those included that class methods did. */
  subOps = 0;
  /** The object is to count as unchanged since its copy in another tier was made. */
  undirty = false;
  bytesRead = 0;
  bytesWritten = 0;

  constructor(host: ExecHost, op: ClientOp, obc: ObjectContext, t: Transaction) {
    this.host = host;
    this.op = op;
    this.obc = obc;
    this.exists = obc.exists;
    this.oi = op.mayWrite ? obc.oi.copy() : obc.oi;
    const ssc = obc.ssc;
    this.snapset = ssc === undefined ? EMPTY : ssc.snapset;
    this.modified = this.snapset.clones.length > 0 || op.snaps.length > 0 ? new Ranges() : undefined;
    this.t = t;
    this.mtime = op.mtime;
    this.userAtVersion = obc.oi.userVersion;
  }

  get reqid(): Reqid {
    return this.op.reqid;
  }

  /** Exists and is not the shell of a deleted object that still has clones. */
  get present(): boolean {
    return this.exists && (this.oi.flags & oiFlag.WHITEOUT) === 0;
  }

  /** Makes the object if it is not there. */
  ensureObject(): void {
    if (!this.exists) {
      this.exists = true;
      this.delta.objects++;
      this.oi.becomeNew();
      this.t.create(this.host.coll, this.obc.gho);
      this.touched = true;
    } else if (this.oi.test(oiFlag.WHITEOUT)) {
      this.oi.flags &= ~oiFlag.WHITEOUT;
      this.delta.whiteouts--;
      this.touched = true;
    }
  }

  markModified(start: number, length: number): void {
    if (length <= 0) return;
    this.modified?.add(start, length);
    this.dirty.add(start, length);
  }

  effect(): Effects {
    this.effects ??= { connects: [], disconnects: [], notifies: [], acks: [] };
    return this.effects;
  }
}

const EMPTY: SnapSet = Object.freeze({ seq: 0, clones: [] });
