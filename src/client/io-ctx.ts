import type { ErrnoError } from '../base/index.ts';
import { type Codec, list, plain, Reader, string, struct, Writer } from '../encoding/index.ts';
import { OsdOp, type OsdOpReply, osdFlag, osdOp } from '../messages/index.ts';
import {
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  type Hobject,
  hobject,
  hobjectMax,
  hobjectMin,
  type OSDMap,
  type Snapid,
  utimeFromMs,
} from '../types/index.ts';
import type { LingerOp, WatchHandler } from './linger-op.ts';
import type { ObjectSnaps, Watcher } from './object-info.ts';
import {
  ObjectOperation,
  type ObjectStat,
  type OmapPage,
  ReadOperation,
  radosError,
  WriteOperation,
} from './object-operation.ts';
import type { Objecter } from './objecter.ts';
import { noSnapContext, Op, type SnapContext } from './op.ts';
import { OpTarget } from './op-target.ts';

/** Entries asked for at a time when listing. */
const LIST_PAGE = 1024;
/** Namespace that means all of them, for listing only. */
export const ALL_NAMESPACES = '\u0001';

/** An object as listing finds it. */
export interface ListedObject {
  readonly nspace: string;
  readonly oid: string;
  /** Locator key, where it has one. */
  readonly locator: string;
}

const listEntry: Codec<ListedObject> = plain('librados::ListObjectImpl', {
  nspace: string,
  oid: string,
  locator: string,
});
/** pg_nls_response_t */
const listReply = struct('pg_nls_response_t', { version: 1, compat: 1 }, { handle: hobject, entries: list(listEntry) });

/** Answers of a notify: what watchers said, and who said nothing in time. */
export interface NotifyReply {
  readonly acks: { readonly gid: bigint; readonly cookie: bigint; readonly payload: Uint8Array }[];
  readonly timeouts: { readonly gid: bigint; readonly cookie: bigint }[];
}

function decodeNotifyReply(bytes: Uint8Array): NotifyReply {
  const acks: NotifyReply['acks'] = [];
  const timeouts: NotifyReply['timeouts'] = [];
  if (bytes.length > 0) {
    const r = new Reader(bytes);
    const n = r.count(20);
    for (let i = 0; i < n; i++) acks.push({ gid: r.u64(), cookie: r.u64(), payload: r.blob() });
    const m = r.count(16);
    for (let i = 0; i < m; i++) timeouts.push({ gid: r.u64(), cookie: r.u64() });
  }
  return { acks, timeouts };
}

/** A notify that a watcher got. */
export interface Notify {
  readonly notifyId: bigint;
  readonly notifierGid: bigint;
  readonly payload: Uint8Array;
  /** To be called once; the notifier waits for it. */
  ack(payload?: Uint8Array): void;
}

/** A watch on an object. */
export class Watch {
  readonly #objecter: Objecter;
  readonly #linger: LingerOp;

  constructor(objecter: Objecter, linger: LingerOp) {
    this.#objecter = objecter;
    this.#linger = linger;
  }

  get cookie(): bigint {
    return this.#linger.id;
  }

  /** Milliseconds since the OSD last confirmed it. Throws what broke it. */
  check(): number {
    const age = this.#objecter.watches.check(this.#linger);
    if (age < 0) throw radosError(age, `watch on ${this.#linger.target.oid}`);
    return age;
  }

  unwatch(): Promise<void> {
    const { oid } = this.#linger.target;
    return new Promise((resolve, reject) =>
      this.#objecter.watches.unwatch(this.#linger, (result) =>
        result < 0 ? reject(radosError(result, `unwatch ${oid}`)) : resolve(),
      ),
    );
  }
}

/**
 * Object I/O in one pool: as librados' ioctx. Methods that give promises reject with ErrnoError. Not for the path of a hundred thousand requests a
 * second: that is {@link IoCtx.submit}.
 */
export class IoCtx {
  readonly #objecter: Objecter;
  readonly poolId: number;
  readonly poolName: string;
  /** Namespace of the objects; '' is the default one, ALL_NAMESPACES for listing. */
  nspace = '';
  /** Placement key, where it is not the object's name. */
  locatorKey = '';
  /** What reads see: a snapshot, or the newest. */
  snapRead: Snapid = CEPH_NOSNAP;
  /** Snapshots (of the program's own making) that writes preserve. */
  snapContext: SnapContext = noSnapContext;
  /** Added to the flags of each request: mask of osdFlag, as BALANCE_READS or FULL_TRY. */
  flags = 0;

  constructor(objecter: Objecter, poolId: number, poolName: string) {
    this.#objecter = objecter;
    this.poolId = poolId;
    this.poolName = poolName;
  }

  // --- the general way

  /**
   * Sends operations on one object. `flags`: osdFlag.READ, WRITE or both, and others. `done` is called once, with 0 or above or a negative
   * errno; `reply` where an OSD answered. Gives the tid, by which it can be cancelled (`Objecter.cancel`).
   */
  submit(
    oid: string,
    ops: OsdOp[],
    flags: number,
    done: (result: number, reply: OsdOpReply | undefined) => void,
    mtime_ms?: number,
    snap = this.snapRead,
  ): number {
    const isWrite = (flags & osdFlag.WRITE) !== 0;
    const target = new OpTarget(oid, this.poolId, flags | this.flags, {
      key: this.locatorKey,
      nspace: this.nspace,
      snap: isWrite ? CEPH_NOSNAP : snap,
    });
    const op = new Op(target, ops, done, {
      snapc: isWrite ? this.snapContext : noSnapContext,
      mtime: utimeFromMs(mtime_ms ?? this.#objecter.now_ms),
    });
    this.#objecter.submit(op);
    return op.tid;
  }

  #run(oid: string, operation: ObjectOperation, flags: number, mtime_ms?: number, snap?: Snapid): Promise<OsdOpReply> {
    return new Promise((resolve, reject) => {
      this.submit(
        oid,
        operation.ops,
        flags,
        (result, reply) => {
          try {
            if (reply !== undefined) operation.settle(reply.ops);
            if (result < 0 || reply === undefined) reject(radosError(result, `${this.poolName}/${oid}`));
            else resolve(reply);
          } catch (error) {
            reject(error);
          }
        },
        mtime_ms,
        snap,
      );
    });
  }

  /** Does a compound write. Resolves to the object's version. */
  async operate(oid: string, operation: WriteOperation, flags = 0): Promise<number> {
    const reply = await this.#run(oid, operation, osdFlag.WRITE | flags, operation.mtime_ms);
    return reply.userVersion;
  }

  /** Does a compound read: results are in the OpResults that the operation gave. Resolves to the object's version. */
  async operateRead(oid: string, operation: ReadOperation, flags = 0): Promise<number> {
    const reply = await this.#run(oid, operation, osdFlag.READ | flags);
    return reply.userVersion;
  }

  // --- data

  write(oid: string, data: Uint8Array, offset = 0): Promise<number> {
    return this.operate(oid, new WriteOperation().write(data, offset));
  }

  writeFull(oid: string, data: Uint8Array): Promise<number> {
    return this.operate(oid, new WriteOperation().writeFull(data));
  }

  append(oid: string, data: Uint8Array): Promise<number> {
    return this.operate(oid, new WriteOperation().append(data));
  }

  /** `length` 0: to the end. Shorter where the object ends. */
  async read(oid: string, length = 0, offset = 0): Promise<Uint8Array> {
    const op = new ReadOperation();
    const data = op.read(offset, length);
    await this.operateRead(oid, op);
    return data.value;
  }

  async stat(oid: string): Promise<ObjectStat> {
    const op = new ReadOperation();
    const stat = op.stat();
    await this.operateRead(oid, op);
    return stat.value;
  }

  remove(oid: string): Promise<number> {
    return this.operate(oid, new WriteOperation().remove());
  }

  truncate(oid: string, size: number): Promise<number> {
    return this.operate(oid, new WriteOperation().truncate(size));
  }

  zero(oid: string, offset: number, length: number): Promise<number> {
    return this.operate(oid, new WriteOperation().zero(offset, length));
  }

  // --- attributes

  async getXattr(oid: string, name: string): Promise<Uint8Array> {
    const op = new ReadOperation();
    const value = op.getXattr(name);
    await this.operateRead(oid, op);
    return value.value;
  }

  async getXattrs(oid: string): Promise<Map<string, Uint8Array>> {
    const op = new ReadOperation();
    const values = op.getXattrs();
    await this.operateRead(oid, op);
    return values.value;
  }

  setXattr(oid: string, name: string, value: Uint8Array): Promise<number> {
    return this.operate(oid, new WriteOperation().setXattr(name, value));
  }

  removeXattr(oid: string, name: string): Promise<number> {
    return this.operate(oid, new WriteOperation().removeXattr(name));
  }

  // --- omap

  /** One page of keys after `startAfter` that begin with `prefix`. */
  async omapGet(oid: string, startAfter = '', count = LIST_PAGE, prefix = ''): Promise<OmapPage> {
    const op = new ReadOperation();
    const page = op.omapGetVals(startAfter, count, prefix);
    await this.operateRead(oid, op);
    return page.value;
  }

  /** All of it. */
  async omapGetAll(oid: string): Promise<Map<string, Uint8Array>> {
    const all = new Map<string, Uint8Array>();
    let after = '';
    for (;;) {
      const { values, more } = await this.omapGet(oid, after);
      for (const [key, value] of values) {
        all.set(key, value);
        after = key;
      }
      if (!more || values.size === 0) return all;
    }
  }

  async omapGetByKeys(oid: string, keys: readonly string[]): Promise<Map<string, Uint8Array>> {
    const op = new ReadOperation();
    const values = op.omapGetValsByKeys(keys);
    await this.operateRead(oid, op);
    return values.value;
  }

  async omapGetHeader(oid: string): Promise<Uint8Array> {
    const op = new ReadOperation();
    const header = op.omapGetHeader();
    await this.operateRead(oid, op);
    return header.value;
  }

  omapSet(oid: string, entries: ReadonlyMap<string, Uint8Array>): Promise<number> {
    return this.operate(oid, new WriteOperation().omapSet(entries));
  }

  omapSetHeader(oid: string, header: Uint8Array): Promise<number> {
    return this.operate(oid, new WriteOperation().omapSetHeader(header));
  }

  omapRemoveKeys(oid: string, keys: readonly string[]): Promise<number> {
    return this.operate(oid, new WriteOperation().omapRemoveKeys(keys));
  }

  omapClear(oid: string): Promise<number> {
    return this.operate(oid, new WriteOperation().omapClear());
  }

  // --- snapshots

  /** What snapshots keep of the object. */
  async listSnaps(oid: string): Promise<ObjectSnaps> {
    const op = new ReadOperation();
    const snaps = op.listSnaps();
    await this.#run(oid, op, osdFlag.READ, undefined, CEPH_SNAPDIR);
    return snaps.value;
  }

  /** Back to what the object was at a snapshot. */
  rollback(oid: string, snap: Snapid): Promise<number> {
    return this.operate(oid, new WriteOperation().rollback(snap));
  }

  // --- classes, watches

  /** Who watches the object. */
  async listWatchers(oid: string): Promise<Watcher[]> {
    const op = new ReadOperation();
    const watchers = op.listWatchers();
    await this.operateRead(oid, op);
    return watchers.value;
  }

  /** Calls a method of a class. `isWrite` says whether it may change the object. Gives its output. */
  async exec(
    oid: string,
    className: string,
    method: string,
    input: Uint8Array = new Uint8Array(0),
    isWrite = true,
  ): Promise<Uint8Array> {
    const op = new ObjectOperation();
    const output = op.call(className, method, input);
    await this.#run(oid, op, osdFlag.READ | (isWrite ? osdFlag.WRITE : 0));
    return output.value;
  }

  /** Watches an object that exists. `onError` is told once when the watch breaks; the program then watches anew. */
  watch(
    oid: string,
    onNotify: (notify: Notify) => void,
    onError: (error: ErrnoError) => void,
    timeout_s = 0,
  ): Promise<Watch> {
    const { watches } = this.#objecter;
    return new Promise((resolve, reject) => {
      const handler: WatchHandler = {
        notify: (notifyId, notifierGid, payload) =>
          onNotify({
            notifyId,
            notifierGid,
            payload,
            ack: (answer = new Uint8Array(0)) => watches.notifyAck(linger, notifyId, answer),
          }),
        error: (code) => onError(radosError(-code, `watch on ${this.poolName}/${oid}`)),
      };
      const linger = watches.watch(this.#watched(oid), timeout_s, handler, (result) => {
        if (result < 0) reject(radosError(result, `watch ${this.poolName}/${oid}`));
        else resolve(new Watch(this.#objecter, linger));
      });
    });
  }

  /** Tells all watchers and waits for their answers, at most `timeout_s`. */
  notify(oid: string, payload: Uint8Array = new Uint8Array(0), timeout_s = 10): Promise<NotifyReply> {
    return new Promise((resolve, reject) => {
      this.#objecter.watches.notify(this.#watched(oid), payload, timeout_s, (result, reply) => {
        try {
          const decoded = decodeNotifyReply(reply);
          // Some watcher did not answer in time: the answers that came are worth having.
          if (result < 0 && decoded.timeouts.length === 0) reject(radosError(result, `notify ${this.poolName}/${oid}`));
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

  /** Objects of the namespace, in the order of their hashes. Those that come or go meanwhile may be seen or not. */
  async *listObjects(): AsyncGenerator<ListedObject> {
    let cursor = hobjectMin;
    while (!cursor.isMax) {
      const { handle, entries } = await this.#listPage(cursor, LIST_PAGE);
      yield* entries;
      cursor = handle;
    }
  }

  #listPage(cursor: Hobject, count: number): Promise<{ handle: Hobject; entries: ListedObject[] }> {
    const op = new OsdOp(osdOp.PGNLS);
    const w = new Writer();
    hobject.encode(w, cursor);
    op.indata = w.bytes();
    op.setList(count, this.#objecter.map.epoch);
    const target = new OpTarget('', this.poolId, osdFlag.READ | osdFlag.IGNORE_OVERLAY | this.flags, {
      nspace: this.nspace,
      snap: CEPH_NOSNAP,
      pgSeed: cursor.hash,
    });
    return new Promise((resolve, reject) => {
      const done = (result: number, reply: OsdOpReply | undefined): void => {
        try {
          const output = reply?.ops[0]?.output;
          if (result < 0 || output === undefined) reject(radosError(result, `list ${this.poolName}`));
          else {
            const page = listReply.decode(new Reader(output));
            resolve({ ...page, handle: page.handle.isMax ? hobjectMax : page.handle });
          }
        } catch (error) {
          reject(error);
        }
      };
      this.#objecter.submit(
        new Op(target, [op], done, { snapc: noSnapContext, mtime: utimeFromMs(this.#objecter.now_ms) }),
      );
    });
  }

  /** The map that requests go by. */
  get osdMap(): OSDMap {
    return this.#objecter.map;
  }
}
