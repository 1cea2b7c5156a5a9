import { DecodeError, Reader, Writer } from '../../encoding/index.ts';
import {
  type EntityAddr,
  type EntityName,
  type Eversion,
  entityAddr,
  entityName,
  eversionZero,
  type Hobject,
  hobject,
  type Utime,
  utimeZero,
} from '../../types/index.ts';

/** osd_reqid_t: names one request of one client instance, across resends. */
export interface Reqid {
  readonly type: number;
  readonly num: number;
  readonly tid: number;
  readonly inc: number;
}

export const reqidNone: Reqid = Object.freeze({ type: 0, num: 0, tid: 0, inc: 0 });

/** Length of an encoded osd_reqid_t: header 6, name 9, tid 8, inc 4. */
const REQID_LENGTH = 27;

export function writeReqid(w: Writer, q: Reqid): void {
  w.u8(2);
  w.u8(2);
  w.u32(REQID_LENGTH - 6);
  w.u8(q.type);
  w.s64num(q.num);
  w.u64num(q.tid);
  w.s32(q.inc);
}

export function readReqid(r: Reader): Reqid {
  const frame = r.structStart(2);
  const type = r.u8();
  const num = r.s64num();
  const tid = r.u64num();
  const inc = r.s32();
  r.structEnd(frame);
  return { type, num, tid, inc };
}

export function writeEversion(w: Writer, v: Eversion): void {
  w.u64num(v.version);
  w.u32(v.epoch);
}

export function readEversion(r: Reader): Eversion {
  const version = r.u64num();
  return { epoch: r.u32(), version };
}

export function writeUtime(w: Writer, t: Utime): void {
  w.u32(t.sec);
  w.u32(t.nsec);
}

export function readUtime(r: Reader): Utime {
  const sec = r.u32();
  return { sec, nsec: r.u32() };
}

/** A registered watch as the object carries it (watch_info_t and its key). */
export interface WatchInfo {
  readonly cookie: bigint;
  readonly entity: EntityName;
  readonly timeout_s: number;
  readonly addr: EntityAddr;
}

export function watchKey(cookie: bigint, entity: EntityName): string {
  return `${cookie}/${entity.type}.${entity.num}`;
}

/** object_info_t flags. */
export const oiFlag = {
  LOST: 1 << 0,
  WHITEOUT: 1 << 1,
  DIRTY: 1 << 2,
  OMAP: 1 << 3,
  DATA_DIGEST: 1 << 4,
  OMAP_DIGEST: 1 << 5,
  CACHE_PIN: 1 << 6,
  MANIFEST: 1 << 7,
  USES_TMAP: 1 << 8,
  REDIRECT_HAS_REFERENCE: 1 << 9,
} as const;

const DIGEST_NONE = 0xffffffff;

/** object_info_t without the object's name, which the context holds. One allocation; execution works on a copy. */
export class ObjectInfo {
  version: Eversion = eversionZero;
  priorVersion: Eversion = eversionZero;
  userVersion = 0;
  lastReqid: Reqid = reqidNone;
  size = 0;
  mtime: Utime = utimeZero;
  localMtime: Utime = utimeZero;
  flags = 0;
  truncateSeq = 0;
  truncateSize = 0;
  dataDigest = DIGEST_NONE;
  omapDigest = DIGEST_NONE;
  expectedObjectSize = 0;
  expectedWriteSize = 0;
  allocHintFlags = 0;
  /** Undefined for none. Replaced, never changed in place: copies share it. */
  watchers: ReadonlyMap<string, WatchInfo> | undefined = undefined;
  /** object_manifest_t as it was read; kept, not interpreted. */
  manifest: Uint8Array | undefined = undefined;

  copy(): ObjectInfo {
    const c = new ObjectInfo();
    c.version = this.version;
    c.priorVersion = this.priorVersion;
    c.userVersion = this.userVersion;
    c.lastReqid = this.lastReqid;
    c.size = this.size;
    c.mtime = this.mtime;
    c.localMtime = this.localMtime;
    c.flags = this.flags;
    c.truncateSeq = this.truncateSeq;
    c.truncateSize = this.truncateSize;
    c.dataDigest = this.dataDigest;
    c.omapDigest = this.omapDigest;
    c.expectedObjectSize = this.expectedObjectSize;
    c.expectedWriteSize = this.expectedWriteSize;
    c.allocHintFlags = this.allocHintFlags;
    c.watchers = this.watchers;
    c.manifest = this.manifest;
    return c;
  }

  test(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  setDataDigest(crc: number): void {
    this.flags |= oiFlag.DATA_DIGEST;
    this.dataDigest = crc;
  }

  clearDataDigest(): void {
    this.flags &= ~oiFlag.DATA_DIGEST;
    this.dataDigest = DIGEST_NONE;
  }

  setOmapDigest(crc: number): void {
    this.flags |= oiFlag.OMAP_DIGEST;
    this.omapDigest = crc;
  }

  clearOmapDigest(): void {
    this.flags &= ~oiFlag.OMAP_DIGEST;
    this.omapDigest = DIGEST_NONE;
  }

  /** What a new object starts with: digest of nothing. */
  becomeNew(): void {
    this.flags |= oiFlag.DATA_DIGEST | oiFlag.OMAP_DIGEST;
    this.dataDigest = DIGEST_NONE;
    this.omapDigest = DIGEST_NONE;
  }
}

/** Identities last about as long as others made with them, in contexts that are let go in order: they share memory, a few tens each. */
const identities = new Writer(4096);

/** The part of an encoded object_info_t that names the object: hobject, locator and the category that is no more. */
export function identityBytes(oid: Hobject): Uint8Array {
  const w = identities;
  w.reset();
  hobject.encode(w, oid);
  // object_locator_t of the object: pool, preferred OSD (none), key, namespace, hash (none).
  const token = w.structStart(6, 3);
  w.s64num(oid.pool);
  w.s32(-1);
  w.string(oid.key);
  w.string(oid.nspace);
  w.s64(-1n);
  w.structEnd(token);
  w.u32(0);
  return w.take();
}

function writeWatchInfo(w: Writer, watch: WatchInfo): void {
  const token = w.structStart(4, 3);
  w.u64(watch.cookie);
  w.u32(watch.timeout_s);
  entityAddr.encode(w, watch.addr);
  w.structEnd(token);
}

function byCookie(a: WatchInfo, b: WatchInfo): number {
  if (a.cookie !== b.cookie) return a.cookie < b.cookie ? -1 : 1;
  return a.entity.type - b.entity.type || a.entity.num - b.entity.num;
}

/** object_info_t version 17 (osd/osd_types.cc). `identity` is {@link identityBytes} of the object. */
export function writeObjectInfo(w: Writer, oi: ObjectInfo, identity: Uint8Array, isHead: boolean): void {
  const token = w.structStart(17, 8);
  w.raw(identity);
  writeEversion(w, oi.version);
  writeEversion(w, oi.priorVersion);
  writeReqid(w, oi.lastReqid);
  w.u64num(oi.size);
  writeUtime(w, oi.mtime);
  if (isHead) writeReqid(w, reqidNone);
  else w.u32(0);
  w.u64num(oi.truncateSeq);
  w.u64num(oi.truncateSize);
  w.bool(oi.test(oiFlag.LOST));
  const watchers = oi.watchers === undefined ? undefined : [...oi.watchers.values()].sort(byCookie);
  if (watchers === undefined || watchers.length === 0) w.u32(0);
  else {
    // The old form has one watch per entity: the first by cookie.
    const old = new Map<string, WatchInfo>();
    for (const x of watchers) {
      const k = `${x.entity.type}.${x.entity.num}`;
      if (!old.has(k)) old.set(k, x);
    }
    w.u32(old.size);
    for (const x of [...old.values()].sort((a, b) => a.entity.type - b.entity.type || a.entity.num - b.entity.num)) {
      entityName.encode(w, x.entity);
      writeWatchInfo(w, x);
    }
  }
  // user_version as an eversion of epoch 0.
  w.u64num(oi.userVersion);
  w.u32(0);
  w.bool(oi.test(oiFlag.USES_TMAP));
  if (watchers === undefined || watchers.length === 0) w.u32(0);
  else {
    w.u32(watchers.length);
    for (const x of watchers) {
      w.u64(x.cookie);
      entityName.encode(w, x.entity);
      writeWatchInfo(w, x);
    }
  }
  w.u32(oi.flags);
  writeUtime(w, oi.localMtime);
  w.u32(oi.dataDigest);
  w.u32(oi.omapDigest);
  w.u64num(oi.expectedObjectSize);
  w.u64num(oi.expectedWriteSize);
  w.u32(oi.allocHintFlags);
  if (oi.manifest !== undefined) w.raw(oi.manifest);
  w.structEnd(token);
}

/** Reads xattr "_". The name inside is returned too, for the few that need it (recovery of whole objects). */
export function readObjectInfo(bytes: Uint8Array): { oid: Hobject; oi: ObjectInfo } {
  const r = new Reader(bytes);
  const frame = r.structStart(17);
  if (frame.version < 16) throw new DecodeError(`object_info_t version ${frame.version} is from before Pacific`, 0);
  const oi = new ObjectInfo();
  const oid = hobject.decode(r);
  const locator = r.structStart(6);
  r.structEnd(locator);
  r.skip(r.u32());
  oi.version = readEversion(r);
  oi.priorVersion = readEversion(r);
  oi.lastReqid = readReqid(r);
  oi.size = r.u64num();
  oi.mtime = readUtime(r);
  if (oid.isHead) readReqid(r);
  else r.skip(8 * r.count(8));
  oi.truncateSeq = r.u64num();
  oi.truncateSize = r.u64num();
  r.bool();
  const oldCount = r.count(9);
  for (let i = 0; i < oldCount; i++) {
    entityName.decode(r);
    const f = r.structStart(4);
    r.structEnd(f);
  }
  oi.userVersion = r.u64num();
  r.u32();
  r.bool();
  const count = r.count(17);
  if (count > 0) {
    const watchers = new Map<string, WatchInfo>();
    for (let i = 0; i < count; i++) {
      r.u64();
      const entity = entityName.decode(r);
      const f = r.structStart(4);
      const cookie = r.u64();
      const timeout_s = r.u32();
      const addr = entityAddr.decode(r);
      r.structEnd(f);
      watchers.set(watchKey(cookie, entity), { cookie, entity, timeout_s, addr });
    }
    oi.watchers = watchers;
  }
  oi.flags = r.u32();
  oi.localMtime = readUtime(r);
  oi.dataDigest = r.u32();
  oi.omapDigest = r.u32();
  oi.expectedObjectSize = r.u64num();
  oi.expectedWriteSize = r.u64num();
  oi.allocHintFlags = r.u32();
  if (oi.test(oiFlag.MANIFEST)) oi.manifest = r.raw(r.remaining).slice();
  r.structEnd(frame);
  return { oid, oi };
}
