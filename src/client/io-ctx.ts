import type { Readable, Writable } from 'node:stream';
import { entropyUuid, errno } from '../base/index.ts';
import { decodeText } from '../encoding/index.ts';
import { type OsdOp, type OsdOpReply, osdFlag, osdOp, osdOpName } from '../messages/index.ts';
import {
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  type InconsistentObject,
  type InconsistentSnapset,
  type OSDMap,
  type PgPool,
  type Snapid,
  utimeFromMs,
  utimeToMs,
  utimeZero,
} from '../types/index.ts';
import type { IoCtxOptions, OpOptions, ReadOptions } from './io-ctx-options.ts';
import {
  ALL_NAMESPACES,
  LIST_PAGE,
  type ListedObject,
  type ListOptions,
  listParallel,
  listSlice,
} from './list-objects.ts';
import {
  breakInput,
  decodeLockInfo,
  decodeLockNames,
  infoInput,
  Lock,
  type LockInfo,
  type LockOptions,
  lockInput,
  unlockInput,
} from './locks.ts';
import type { ObjectSnaps, Watcher } from './object-info.ts';
import { ObjectOperation, type OpResult } from './object-operation.ts';
import { noSnapContext, Op, type OpDone, type SnapContext } from './op.ts';
import { extent, NO_BYTES } from './op-build.ts';
import { OpTarget } from './op-target.ts';
import {
  type HitSetSpan,
  hitSet,
  hitSets,
  type InconsistentOptions,
  inconsistentObjects,
  inconsistentSnapsets,
  type PgPlace,
} from './pg-read.ts';
import type { PoolHost } from './pool-host.ts';
import { RadosError } from './rados-error.ts';
import { type ChecksumKind, type ObjectStat, type OmapPage, ReadOperation, type SparseData } from './read-operation.ts';
import { runOp } from './run-op.ts';
import { type ReadStreamOptions, readStream, type WriteStreamOptions, writeStream } from './streams.ts';
import { Striper } from './striper.ts';
import type { StripeLayout } from './striper-layout.ts';
import { decodeNotifyReply, type Notify, type NotifyReply, Watch, type WatchHost, type WatchOptions } from './watch.ts';
import { type CopySource, WriteOperation } from './write-operation.ts';

export { ALL_NAMESPACES } from './list-objects.ts';

const versionOf = (reply: OsdOpReply): number => reply.userVersion;
const outputOf = (reply: OsdOpReply): Uint8Array => reply.ops[0]?.output ?? NO_BYTES;

/** Brings the parts to `place`, one after another, where they are not there already; gives how many bytes. What does not fit is left. */
function collect(parts: readonly Uint8Array[], place: Uint8Array): number {
  let filled = 0;
  for (const part of parts) {
    const isThere = part.buffer === place.buffer && part.byteOffset === place.byteOffset + filled;
    const room = place.length - filled;
    if (!isThere) place.set(part.length <= room ? part : part.subarray(0, room), filled);
    filled += Math.min(room, part.length);
  }
  return filled;
}

/** A snapshot of a whole pool. */
export interface PoolSnap {
  readonly id: number;
  readonly name: string;
  /** When it was made, in ms since 1970. */
  readonly stamp_ms: number;
}

export interface OmapOptions extends OpOptions {
  /** Only keys after this one, in the order of bytes. */
  readonly startAfter?: string | undefined;
  /** Only keys that begin so. */
  readonly prefix?: string | undefined;
}

/**
 * Object I/O in one pool, as librados' ioctx; made by {@link Rados.openPool}. Names of objects, attributes and keys are texts (UTF-8; bytes that are
 * none are kept); data are Uint8Arrays, lent until the operation is done. Reads give views of what was received: `slice()` a small part to keep it for
 * long.
 *
 * Methods give promises that reject with {@link RadosError}. ENOENT: no such object (or the pool is gone); EPERM, EACCES: this user's caps do not
 * allow it; ENOSPC, EDQUOT: full; ETIMEDOUT; ESHUTDOWN. As long as a PG has no OSD to serve it, operations wait. Writes resolve to the object's version
 * after them, once all replicas have it on disk.
 *
 * For a hundred thousand operations a second there is {@link IoCtx.submit}, without promises.
 */
export class IoCtx {
  readonly #host: PoolHost;
  readonly poolId: number;
  readonly poolName: string;
  /** Namespace of the objects; '' is the default one, ALL_NAMESPACES for listing. */
  nspace: string;
  /** Placement key, where it is not the object's name; ''. */
  locatorKey: string;
  /** What reads see: a snapshot, or the newest (CEPH_NOSNAP). */
  snapRead: Snapid;
  /** Snapshots (of the program's own making) that writes preserve. */
  snapContext: SnapContext;
  /** Added to the flags of each request: mask of osdFlag, as BALANCE_READS or FULL_TRY. */
  flags: number;

  /** Use {@link Rados.openPool}. */
  constructor(host: PoolHost, poolId: number, poolName: string, options: IoCtxOptions = {}) {
    this.#host = host;
    this.poolId = poolId;
    this.poolName = poolName;
    this.nspace = options.namespace ?? '';
    this.locatorKey = options.locatorKey ?? '';
    this.snapRead = options.snapRead ?? CEPH_NOSNAP;
    this.snapContext = options.snapContext ?? noSnapContext;
    this.flags = options.flags ?? 0;
  }

  /** Another view of the same pool, as this one but for `options`. */
  with(options: IoCtxOptions): IoCtx {
    return new IoCtx(this.#host, this.poolId, this.poolName, {
      namespace: options.namespace ?? this.nspace,
      locatorKey: options.locatorKey ?? this.locatorKey,
      snapRead: options.snapRead ?? this.snapRead,
      snapContext: options.snapContext ?? this.snapContext,
      flags: options.flags ?? this.flags,
    });
  }

  /** The map that requests go by. */
  get osdMap(): OSDMap {
    return this.#host.objecter.map;
  }

  /** The pool as the newest map has it; undefined where it is gone. */
  get pool(): PgPool | undefined {
    return this.osdMap.pool(this.poolId);
  }

  /** Writes must begin at, and be of, a multiple of so many bytes; 0: any. Erasure-coded pools without overwrites have it. */
  get alignment(): number {
    const { pool } = this;
    return pool?.requiresAlignedAppend ? pool.stripeWidth : 0;
  }

  // --- the general way

  /**
   * Sends operations on one object. `flags`: osdFlag.READ, WRITE or both, and others. `done` is called once, with 0 or above or a negative
   * errno; `reply` where an OSD answered. Gives the tid, by which it can be cancelled (`Objecter.cancel`).
   */
  submit(oid: string, ops: OsdOp[], flags: number, done: OpDone, mtime_ms?: number, snap = this.snapRead): number {
    const op = this.#makeOp(oid, ops, flags, done, { mtime_ms, snap });
    this.#host.objecter.submit(op);
    return op.tid;
  }

  #makeOp(
    oid: string,
    ops: OsdOp[],
    flags: number,
    done: OpDone,
    options: {
      mtime_ms?: number | undefined;
      snap?: Snapid | undefined;
      timeout_ms?: number | undefined;
      into?: Uint8Array | undefined;
    },
  ): Op {
    const isWrite = (flags & osdFlag.WRITE) !== 0;
    const target = new OpTarget(oid, this.poolId, flags | this.flags, {
      key: this.locatorKey,
      nspace: this.nspace,
      snap: isWrite ? CEPH_NOSNAP : (options.snap ?? this.snapRead),
    });
    const { mtime_ms } = options;
    return new Op(target, ops, done, {
      snapc: isWrite ? this.snapContext : noSnapContext,
      // Reads have none, as Ceph's.
      mtime: isWrite || mtime_ms !== undefined ? utimeFromMs(mtime_ms ?? this.#host.objecter.now_ms) : utimeZero,
      timeout_ms: options.timeout_ms,
      into: options.into,
    });
  }

  /** `operation` undefined: a compound, whose failed part is named. */
  #failure(operation: string | undefined, oid: string | undefined, result: number, reply?: OsdOpReply): RadosError {
    const failed = reply?.ops.find((op) => op.rval < 0);
    const name = operation ?? (failed === undefined ? 'operate' : osdOpName(failed.code));
    return new RadosError(result, { operation: name, pool: this.poolName, object: oid });
  }

  #run(
    oid: string,
    operation: ObjectOperation,
    flags: number,
    name: string | undefined,
    options: OpOptions,
    more: { mtime_ms?: number | undefined; snap?: Snapid; into?: Uint8Array } = {},
  ): Promise<OsdOpReply> {
    return runOp(
      this.#host.objecter,
      options,
      (done, timeout_ms) =>
        this.#makeOp(oid, operation.ops, flags | (options.flags ?? 0), done, { ...more, timeout_ms }),
      (result, reply) => this.#failure(name, oid, result, reply),
      (reply) => operation.settle(reply.ops, reply.result),
    );
  }

  /**
   * One plain operation, with what `take` makes of its reply: {@link IoCtx.#run} without what only compounds need, for the calls of which there are the
   * most.
   */
  #one<T>(
    name: string,
    oid: string,
    op: OsdOp,
    mode: number,
    options: OpOptions,
    take: (reply: OsdOpReply) => T,
    into?: Uint8Array,
  ): Promise<T> {
    const { timeout_ms, signal } = options;
    const flags = mode | (options.flags ?? 0);
    if (signal !== undefined) {
      return runOp(
        this.#host.objecter,
        options,
        (done, limit_ms) => this.#makeOp(oid, [op], flags, done, { timeout_ms: limit_ms, into }),
        (result, reply) => this.#failure(name, oid, result, reply),
      ).then(take);
    }
    return new Promise((resolve, reject) => {
      const done: OpDone = (result, reply) => {
        if (result < 0 || reply === undefined) {
          reject(this.#failure(name, oid, result, reply));
          return;
        }
        try {
          resolve(take(reply));
        } catch (error) {
          reject(error);
        }
      };
      this.#host.objecter.submit(this.#makeOp(oid, [op], flags, done, { timeout_ms, into }));
    });
  }

  async #write(name: string, oid: string, operation: WriteOperation, options: OpOptions): Promise<number> {
    return (await this.#run(oid, operation, osdFlag.WRITE, name, options)).userVersion;
  }

  async #read<T>(
    name: string,
    oid: string,
    add: (op: ReadOperation) => OpResult<T>,
    options: OpOptions,
    snap?: Snapid,
  ): Promise<T> {
    const operation = new ReadOperation();
    const result = add(operation);
    await this.#run(oid, operation, osdFlag.READ, name, options, snap === undefined ? {} : { snap });
    return result.value;
  }

  /** Does a compound write: all of it, or nothing. Resolves to the object's version. The error names the part that failed. */
  async operate(oid: string, operation: WriteOperation, options: OpOptions = {}): Promise<number> {
    const { mtime_ms } = operation;
    return (await this.#run(oid, operation, osdFlag.WRITE, undefined, options, { mtime_ms })).userVersion;
  }

  /** Does a compound read: results are in the OpResults that the operation gave. Resolves to the object's version. */
  async operateRead(oid: string, operation: ReadOperation, options: OpOptions = {}): Promise<number> {
    return (await this.#run(oid, operation, osdFlag.READ, undefined, options)).userVersion;
  }

  // --- data

  /** Writes `data` at `offset` (bytes); the object is made, or grows, where needed. */
  write(oid: string, data: Uint8Array, offset = 0, options: OpOptions = {}): Promise<number> {
    return this.#one('write', oid, extent(osdOp.WRITE, offset, data.length, data), osdFlag.WRITE, options, versionOf);
  }

  /** Makes `data` the whole content. Attributes and omap stay. */
  writeFull(oid: string, data: Uint8Array, options: OpOptions = {}): Promise<number> {
    return this.#one(
      'writeFull',
      oid,
      extent(osdOp.WRITEFULL, 0, data.length, data),
      osdFlag.WRITE,
      options,
      versionOf,
    );
  }

  /** Writes `data` over and over, `length` bytes in all, from `offset` on. EINVAL where `length` is no multiple of data's. */
  writeSame(oid: string, data: Uint8Array, length: number, offset = 0, options: OpOptions = {}): Promise<number> {
    return this.#write('writeSame', oid, new WriteOperation().writeSame(data, offset, length), options);
  }

  /** Writes at the end. */
  append(oid: string, data: Uint8Array, options: OpOptions = {}): Promise<number> {
    return this.#one('append', oid, extent(osdOp.APPEND, 0, data.length, data), osdFlag.WRITE, options, versionOf);
  }

  /** Content; shorter than asked where the object ends. Into a buffer of the caller's with option `into`. */
  read(oid: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const { into, offset = 0 } = options;
    const length = options.length ?? into?.length ?? 0;
    if (into === undefined) {
      return this.#one('read', oid, extent(osdOp.READ, offset, length), osdFlag.READ, options, outputOf);
    }
    if (into.length < length) {
      const detail = `${length} bytes do not fit into ${into.length}`;
      return Promise.reject(
        new RadosError(-errno.ERANGE, { operation: 'read', pool: this.poolName, object: oid, detail }),
      );
    }
    // Length 0 would mean all there is.
    if (length === 0) return Promise.resolve(into.subarray(0, 0));
    const place = length === into.length ? into : into.subarray(0, length);
    const take = (reply: OsdOpReply): Uint8Array => {
      const filled = collect(reply.ops[0]?.outdata ?? [], place);
      return filled === place.length ? place : place.subarray(0, filled);
    };
    return this.#one('read', oid, extent(osdOp.READ, offset, length), osdFlag.READ, options, take, place);
  }

  /** Content of `length` bytes from `offset` on, without its holes. */
  sparseRead(oid: string, offset: number, length: number, options: OpOptions = {}): Promise<SparseData> {
    return this.#read('sparseRead', oid, (op) => op.sparseRead(offset, length), options);
  }

  /**
   * Sums of content, computed by the OSD: one for each `chunkSize` bytes, or one for all. With neither `offset` nor `length`: the whole object.
   * Sums start at `seed`, all bits set where not given.
   */
  checksum(
    oid: string,
    kind: ChecksumKind,
    options: OpOptions & {
      offset?: number | undefined;
      length?: number | undefined;
      chunkSize?: number | undefined;
      seed?: bigint | undefined;
    } = {},
  ): Promise<bigint[]> {
    const { offset, length, chunkSize, seed } = options;
    return this.#read('checksum', oid, (op) => op.checksum(kind, { offset, length, chunkSize, seed }), options);
  }

  /**
   * Compares the content at `offset` with `data`: resolves to undefined where they are equal, else to the index of the first byte that differs.
   */
  async cmpExt(oid: string, data: Uint8Array, offset = 0, options: OpOptions = {}): Promise<number | undefined> {
    try {
      await this.#run(oid, new ReadOperation().cmpExt(data, offset), osdFlag.READ, 'cmpExt', options);
      return undefined;
    } catch (error) {
      if (error instanceof RadosError && error.mismatchOffset !== undefined) return error.mismatchOffset;
      throw error;
    }
  }

  /** Size and time of change. */
  stat(oid: string, options: OpOptions = {}): Promise<ObjectStat> {
    return this.#read('stat', oid, (op) => op.stat(), options);
  }

  /** Stat that tells an object that is not there by undefined. */
  async statIfExists(oid: string, options: OpOptions = {}): Promise<ObjectStat | undefined> {
    try {
      return await this.stat(oid, options);
    } catch (error) {
      if (error instanceof RadosError && error.errno === errno.ENOENT) return undefined;
      throw error;
    }
  }

  /** Goes through in a full pool too. */
  async remove(oid: string, options: OpOptions = {}): Promise<number> {
    const operation = new WriteOperation().remove();
    const reply = await this.#run(oid, operation, osdFlag.WRITE | osdFlag.FULL_FORCE, 'remove', options);
    return reply.userVersion;
  }

  /** Cuts the content off at `size` bytes, or lets it grow to that with zeros. */
  truncate(oid: string, size: number, options: OpOptions = {}): Promise<number> {
    return this.#write('truncate', oid, new WriteOperation().truncate(size), options);
  }

  /** Zeros in place of content. */
  zero(oid: string, offset: number, length: number, options: OpOptions = {}): Promise<number> {
    return this.#write('zero', oid, new WriteOperation().zero(offset, length), options);
  }

  /** Makes an empty object. `isExclusive`: EEXIST where it is there. */
  create(oid: string, isExclusive = false, options: OpOptions = {}): Promise<number> {
    return this.#write('create', oid, new WriteOperation().create(isExclusive), options);
  }

  /** Copies content, attributes and omap of another object, at the OSDs. */
  copyFrom(oid: string, source: CopySource, options: OpOptions = {}): Promise<number> {
    return this.#write('copyFrom', oid, new WriteOperation().copyFrom(source), options);
  }

  /** An object of this pool and namespace as a source for copyFrom. `version` 0: whichever it has by then. */
  copySource(oid: string, version = 0): CopySource {
    const { poolId: pool, nspace, locatorKey, snapRead: snap } = this;
    return { oid, pool, nspace, locatorKey, snap, version };
  }

  /** What to expect of the object, in bytes, that its store may lay it out accordingly. `hints`: mask of allocHintFlag. */
  setAllocHint(
    oid: string,
    objectSize: number,
    writeSize: number,
    hints = 0,
    options: OpOptions = {},
  ): Promise<number> {
    return this.#write('setAllocHint', oid, new WriteOperation().setAllocHint(objectSize, writeSize, hints), options);
  }

  // --- attributes

  /** ENODATA where there is none of that name. */
  getXattr(oid: string, name: string, options: OpOptions = {}): Promise<Uint8Array> {
    return this.#read('getXattr', oid, (op) => op.getXattr(name), options);
  }

  /** All attributes, by name. */
  getXattrs(oid: string, options: OpOptions = {}): Promise<Map<string, Uint8Array>> {
    return this.#read('getXattrs', oid, (op) => op.getXattrs(), options);
  }

  /** At most osd_max_attr_size and osd_max_attr_name_len bytes: EFBIG, ENAMETOOLONG. */
  setXattr(oid: string, name: string, value: Uint8Array, options: OpOptions = {}): Promise<number> {
    return this.#write('setXattr', oid, new WriteOperation().setXattr(name, value), options);
  }

  /** ENODATA where there is none of that name. */
  removeXattr(oid: string, name: string, options: OpOptions = {}): Promise<number> {
    return this.#write('removeXattr', oid, new WriteOperation().removeXattr(name), options);
  }

  // --- omap: keys in the order of bytes, and values; replicated pools have it (EOPNOTSUPP in erasure-coded ones)

  /** One page of it: at most `count` keys after `startAfter` that begin with `prefix`. */
  omapGet(oid: string, startAfter = '', count = LIST_PAGE, prefix = '', options: OpOptions = {}): Promise<OmapPage> {
    return this.#read('omapGet', oid, (op) => op.omapGetVals(startAfter, count, prefix), options);
  }

  /** Keys and values in order, page after page. What changes meanwhile may be seen or not. */
  async *omapEntries(oid: string, options: OmapOptions = {}): AsyncGenerator<[key: string, value: Uint8Array]> {
    let after = options.startAfter ?? '';
    for (;;) {
      const { values, more } = await this.omapGet(oid, after, LIST_PAGE, options.prefix, options);
      for (const entry of values) {
        after = entry[0];
        yield entry;
      }
      if (!more || values.size === 0) return;
    }
  }

  /** Keys in order, page after page. */
  async *omapKeys(oid: string, options: Omit<OmapOptions, 'prefix'> = {}): AsyncGenerator<string> {
    let after = options.startAfter ?? '';
    for (;;) {
      const page = await this.#read('omapKeys', oid, (op) => op.omapGetKeys(after, LIST_PAGE), options);
      yield* page.keys;
      if (!page.more || page.keys.length === 0) return;
      after = page.keys.at(-1)!;
    }
  }

  /** All of it, in memory. */
  async omapGetAll(oid: string, options: OmapOptions = {}): Promise<Map<string, Uint8Array>> {
    const all = new Map<string, Uint8Array>();
    for await (const [key, value] of this.omapEntries(oid, options)) all.set(key, value);
    return all;
  }

  /** Of those keys that are there. */
  omapGetByKeys(oid: string, keys: Iterable<string>, options: OpOptions = {}): Promise<Map<string, Uint8Array>> {
    return this.#read('omapGetByKeys', oid, (op) => op.omapGetValsByKeys(keys), options);
  }

  /** Empty where none was set. */
  omapGetHeader(oid: string, options: OpOptions = {}): Promise<Uint8Array> {
    return this.#read('omapGetHeader', oid, (op) => op.omapGetHeader(), options);
  }

  /** Sets these keys; others stay. */
  omapSet(oid: string, entries: ReadonlyMap<string, Uint8Array>, options: OpOptions = {}): Promise<number> {
    return this.#write('omapSet', oid, new WriteOperation().omapSet(entries), options);
  }

  /** Some bytes beside the keys. */
  omapSetHeader(oid: string, header: Uint8Array, options: OpOptions = {}): Promise<number> {
    return this.#write('omapSetHeader', oid, new WriteOperation().omapSetHeader(header), options);
  }

  /** Keys that are not there are no error. */
  omapRemoveKeys(oid: string, keys: Iterable<string>, options: OpOptions = {}): Promise<number> {
    return this.#write('omapRemoveKeys', oid, new WriteOperation().omapRemoveKeys(keys), options);
  }

  /** Removes keys from `begin` up to and without `end`. */
  omapRemoveRange(oid: string, begin: string, end: string, options: OpOptions = {}): Promise<number> {
    return this.#write('omapRemoveRange', oid, new WriteOperation().omapRemoveRange(begin, end), options);
  }

  /** Removes keys, values and header. */
  omapClear(oid: string, options: OpOptions = {}): Promise<number> {
    return this.#write('omapClear', oid, new WriteOperation().omapClear(), options);
  }

  // --- snapshots: a pool has either its own, of all objects, or those that programs manage

  /** Snapshots of the pool, oldest first, by the newest map known. */
  listSnapshots(): PoolSnap[] {
    return [...(this.pool?.snaps.values() ?? [])]
      .map(({ id, name, stamp }) => ({
        id,
        name,
        stamp_ms: utimeToMs(stamp),
      }))
      .sort((a, b) => a.id - b.id);
  }

  /** ENOENT where the pool has none of that name. */
  snapshotId(name: string): number {
    const snap = this.listSnapshots().find((s) => s.name === name);
    if (snap === undefined) {
      throw new RadosError(-errno.ENOENT, {
        operation: 'snapshotId',
        pool: this.poolName,
        detail: `snapshot '${name}'`,
      });
    }
    return snap.id;
  }

  /** A snapshot of the whole pool. EEXIST; EINVAL where programs manage their own there. */
  createSnapshot(name: string): Promise<void> {
    return this.#host.createPoolSnap(this.poolId, name);
  }

  /** ENOENT where there is none of that name. */
  removeSnapshot(name: string): Promise<void> {
    return this.#host.removePoolSnap(this.poolId, name);
  }

  /**
   * The id of a fresh snapshot of the program's own. It is one once writes preserve it: their snapContext has it as `seq` and first in `snaps`.
   * EINVAL in a pool with snapshots of its own.
   */
  createSelfManagedSnapshot(): Promise<number> {
    return this.#host.createSelfManagedSnap(this.poolId);
  }

  /** What it kept is removed, by and by. */
  removeSelfManagedSnapshot(snap: number): Promise<void> {
    return this.#host.removeSelfManagedSnap(this.poolId, snap);
  }

  /** What snapshots keep of the object. */
  listSnaps(oid: string, options: OpOptions = {}): Promise<ObjectSnaps> {
    return this.#read('listSnaps', oid, (op) => op.listSnaps(), options, CEPH_SNAPDIR);
  }

  /** Makes the object what it was at a snapshot (its id, or the name of one of the pool's); removes it where it was not there. */
  async rollback(oid: string, snap: Snapid | string, options: OpOptions = {}): Promise<number> {
    const id = typeof snap === 'string' ? this.snapshotId(snap) : snap;
    return this.#write('rollback', oid, new WriteOperation().rollback(Number(id)), options);
  }

  // --- classes

  /**
   * Calls a method of an object class at the OSD; its output. `isRead`: the method only reads. EOPNOTSUPP where there is no such class or method,
   * and what the method fails with. A method that changes the object can give output up to osd_max_write_op_reply_len (64 bytes).
   */
  async exec(
    oid: string,
    className: string,
    method: string,
    input: Uint8Array = NO_BYTES,
    options: OpOptions & { readonly isRead?: boolean | undefined } = {},
  ): Promise<Uint8Array> {
    const operation = new ObjectOperation();
    const output = operation.call(className, method, input);
    const flags = osdFlag.READ | (options.isRead ? 0 : osdFlag.WRITE);
    await this.#run(oid, operation, flags, `${className}.${method}`, options);
    return output.value;
  }

  // --- advisory locks

  /**
   * Takes a lock on the object (which is made where it is not there). EBUSY where others hold it in a way that excludes this one, or with another
   * tag; EEXIST where this client holds it with this cookie and does not renew. Without a cookie it gets a fresh one.
   */
  async lock(oid: string, name: string, options: LockOptions = {}): Promise<Lock> {
    const cookie = options.cookie ?? entropyUuid(this.#host.entropy);
    const full = { ...options, cookie };
    await this.#class('lock', oid, 'lock', lockInput(name, full), options);
    return new Lock(this, oid, name, full);
  }

  /** Gives a lock back. ENOENT where this client does not hold it with that cookie. */
  async unlock(oid: string, name: string, cookie: string, options: OpOptions = {}): Promise<void> {
    await this.#class('unlock', oid, 'unlock', unlockInput(name, cookie), options);
  }

  /** Takes a lock from another client, `client.4123`. ENOENT where it does not hold it with that cookie. */
  async breakLock(oid: string, name: string, client: string, cookie: string, options: OpOptions = {}): Promise<void> {
    await this.#class('breakLock', oid, 'break_lock', breakInput(name, client, cookie), options);
  }

  /** Who holds a lock, and how. */
  async lockInfo(oid: string, name: string, options: OpOptions = {}): Promise<LockInfo> {
    return decodeLockInfo(await this.#class('lockInfo', oid, 'get_info', infoInput(name), options, true));
  }

  /** Names of the object's locks. */
  async listLocks(oid: string, options: OpOptions = {}): Promise<string[]> {
    return decodeLockNames(await this.#class('listLocks', oid, 'list_locks', NO_BYTES, options, true));
  }

  async #class(
    name: string,
    oid: string,
    method: string,
    input: Uint8Array,
    options: OpOptions,
    isRead = false,
  ): Promise<Uint8Array> {
    const operation = new ObjectOperation();
    const output = operation.call('lock', method, input);
    await this.#run(oid, operation, isRead ? osdFlag.READ : osdFlag.READ | osdFlag.WRITE, name, options);
    return output.value;
  }

  // --- watches

  /** Who watches the object. */
  listWatchers(oid: string, options: OpOptions = {}): Promise<Watcher[]> {
    return this.#read('listWatchers', oid, (op) => op.listWatchers(), options);
  }

  /** Watches an object that exists (ENOENT): `onNotify` is called for each notify, and must acknowledge it. See {@link WatchOptions} for what may break. */
  async watch(oid: string, onNotify: (notify: Notify) => void, options: WatchOptions = {}): Promise<Watch> {
    const { objecter, clock } = this.#host;
    const host: WatchHost = { watches: objecter.watches, clock, object: this.#watched(oid), poolName: this.poolName };
    const watch = new Watch(host, onNotify, options);
    await watch.start();
    return watch;
  }

  /** Tells all watchers and waits for their answers, at most `timeout_ms` (whole seconds; 10 s). */
  notify(oid: string, payload: Uint8Array = NO_BYTES, timeout_ms = 10_000): Promise<NotifyReply> {
    const { watches } = this.#host.objecter;
    return new Promise((resolve, reject) => {
      watches.notify(this.#watched(oid), payload, Math.ceil(timeout_ms / 1000), (result, reply) => {
        try {
          const decoded = decodeNotifyReply(reply);
          // Some watcher did not answer in time: the answers that came are worth having.
          if (result < 0 && decoded.timeouts.length === 0) reject(this.#failure('notify', oid, result));
          else resolve(decoded);
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #watched(oid: string): { oid: string; pool: number; key: string; nspace: string } {
    return { oid, pool: this.poolId, key: this.locatorKey, nspace: this.nspace };
  }

  // --- listing

  /**
   * Objects of the namespace, in the order of their hashes. Those that come or go meanwhile may be seen or not. With `slice` one part of them, with
   * `parallel` several parts at once.
   */
  async *listObjects(options: ListOptions = {}): AsyncGenerator<ListedObject> {
    const { parallel = 1 } = options;
    const pages = parallel > 1 ? listParallel(this.#place, options, parallel) : listSlice(this.#place, options);
    for await (const page of pages) yield* page;
  }

  /** All namespaces of the pool that have objects; it lists the whole pool for that. */
  async listNamespaces(options: ListOptions = {}): Promise<string[]> {
    const found = new Set<string>();
    for await (const { nspace } of this.with({ namespace: ALL_NAMESPACES }).listObjects(options)) found.add(nspace);
    return [...found].sort();
  }

  // --- more than one request

  /**
   * The content as a stream of Node's, read ahead by some requests; for objects of any size. It is no snapshot: what is written meanwhile may be in it.
   */
  createReadStream(oid: string, options: ReadStreamOptions = {}): Readable {
    return readStream(this, oid, options);
  }

  /** A stream of Node's into the object; 'finish' comes when all of it is on disk. */
  createWriteStream(oid: string, options: WriteStreamOptions = {}): Writable {
    return writeStream(this, oid, options, this.alignment);
  }

  /** Large objects over many of the pool's, as libradosstriper has them. `layout`: of those that are made; 4 MiB, 1, 4 MiB. */
  striper(layout: Partial<StripeLayout> = {}): Striper {
    return new Striper(this, this.#host.entropy, layout);
  }

  // --- PGs

  get #place(): PgPlace {
    const { poolId, poolName, nspace, flags } = this;
    return { objecter: this.#host.objecter, poolId, poolName, nspace, flags };
  }

  /** Seed of the PG that an object is in: the number after the dot of its id, `1.2a`. */
  pgOf(oid: string): number {
    const pg = this.osdMap.objectToPg(this.poolId, oid, { key: this.locatorKey, namespace: this.nspace });
    if (pg === undefined) throw this.#failure('pgOf', oid, -errno.ENOENT);
    return pg.seed;
  }

  /** Seeds of the pool's PGs that scrubs found inconsistent. */
  async inconsistentPgs(): Promise<number[]> {
    const cmd = { prefix: 'pg ls', pool: this.poolId, states: ['inconsistent'], format: 'json' };
    const { result, text, data } = await this.#host.mgrCommand(JSON.stringify(cmd));
    if (result < 0) throw new RadosError(result, { operation: 'inconsistentPgs', pool: this.poolName, detail: text });
    const found = JSON.parse(decodeText(data)) as { pg_stats?: { pgid: string }[] } | { pgid: string }[];
    const pgs = Array.isArray(found) ? found : (found.pg_stats ?? []);
    return pgs.map(({ pgid }) => Number.parseInt(pgid.slice(pgid.indexOf('.') + 1), 16));
  }

  /**
   * Objects of a PG whose copies differ, as its last scrub found them. ENOENT where it was not scrubbed since it was last peered, EAGAIN where it was peered
   * anew meanwhile.
   */
  listInconsistentObjects(pgSeed: number, options: InconsistentOptions = {}): AsyncGenerator<InconsistentObject> {
    return inconsistentObjects(this.#place, pgSeed, options);
  }

  /** Objects of a PG whose snapshots are broken. ENOENT and EAGAIN as above. */
  listInconsistentSnapsets(pgSeed: number, options: InconsistentOptions = {}): AsyncGenerator<InconsistentSnapset> {
    return inconsistentSnapsets(this.#place, pgSeed, options);
  }

  /** Hit sets (which objects were used when) that a PG of a cache pool has. */
  hitSets(pgSeed: number, options: OpOptions = {}): Promise<HitSetSpan[]> {
    return hitSets(this.#place, pgSeed, options);
  }

  /** The hit set that is about a time (ms since 1970), in Ceph's encoding. ENOENT where there is none. */
  hitSet(pgSeed: number, stamp_ms: number, options: OpOptions = {}): Promise<Uint8Array> {
    return hitSet(this.#place, pgSeed, stamp_ms, options);
  }

  // --- load

  /**
   * Resolves when an operation can be sent without waiting for others of this client (options objecter_inflight_ops and
   * objecter_inflight_op_bytes bound what is under way): for programs that start many without waiting for each.
   */
  whenRoom(): Promise<void> {
    return new Promise((resolve) => this.#host.objecter.whenRoom(resolve));
  }
}
