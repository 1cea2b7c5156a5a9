import { crc32c, crc32cLong, errno } from '../../base/index.ts';
import { Writer } from '../../encoding/index.ts';
import { CEPH_NOSNAP, entityAddr, entityName, snapid } from '../../types/index.ts';
import { checksumType, opCode } from './codes.ts';
import type { OpContext } from './context.ts';
import { type ObjectInfo, oiFlag } from './object-info.ts';
import { concat, type SubOp } from './sub-op.ts';
import { xxhash32, xxhash64 } from './xxhash.ts';

/** Failure of cmpext at byte n is -4095 - n. */
const ERRNO_MAX = 4095;

export function kb(bytes: number): number {
  return Math.ceil(bytes / 1024);
}

/** Reads this long go through a worker thread before the request is executed: the store would hold the event loop for a millisecond. */
const ASYNC_READ_MIN = 128 * 1024;

/** Bytes of the object at [offset, offset+length) as parts, or a negative errno. Short at the end. */
export function readParts(ctx: OpContext, offset: number, length: number): Uint8Array[] | number {
  if (length === 0) return [];
  const host = ctx.host;
  const fetched = ctx.op.fetched;
  if (fetched !== undefined && fetched.offset === offset && fetched.length === length) {
    if (fetched.error !== null) return host.corrupt(fetched.error, ctx.obc.oid);
    return fetched.data ?? -errno.ENOENT;
  }
  try {
    return host.store.readSync(host.coll, ctx.obc.gho, offset, length) ?? -errno.ENOENT;
  } catch (error) {
    return host.corrupt(error, ctx.obc.oid);
  }
}

export function partsLength(parts: readonly Uint8Array[]): number {
  let n = 0;
  for (const p of parts) n += p.length;
  return n;
}

/** How much of an extent is there, with the truncation that the client knows of. */
function lengthThere(oi: ObjectInfo, sub: SubOp): number {
  let size = oi.size;
  if (oi.truncateSeq < sub.truncateSeq && sub.offset + sub.length > sub.truncateSize && size > sub.truncateSize) {
    size = sub.truncateSize;
  }
  const length = sub.length === 0 ? size : sub.length;
  if (sub.offset >= size) return 0;
  return Math.min(length, size - sub.offset);
}

/** The range to be fetched before a request is executed, where it begins with a long read. */
export function rangeToFetch(ops: readonly SubOp[], oi: ObjectInfo): { offset: number; length: number } | undefined {
  const sub = ops[0];
  if (sub === undefined || (sub.code !== opCode.READ && sub.code !== opCode.SYNC_READ)) return undefined;
  const length = lengthThere(oi, sub);
  return length >= ASYNC_READ_MIN ? { offset: sub.offset, length } : undefined;
}

export function read(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  sub.length = lengthThere(ctx.oi, sub);
  if (sub.length > 0) {
    const parts = readParts(ctx, sub.offset, sub.length);
    if (typeof parts === 'number') {
      sub.length = 0;
      return parts;
    }
    const oi = ctx.oi;
    sub.length = partsLength(parts);
    if (sub.offset === 0 && sub.length === oi.size && oi.test(oiFlag.DATA_DIGEST)) {
      let crc = 0xffffffff;
      for (const p of parts) crc = crc32cLong(crc, p);
      if (crc !== oi.dataDigest) return ctx.host.corrupt(undefined, ctx.obc.oid);
    }
    sub.outdata = parts;
    ctx.bytesRead += sub.length;
  }
  ctx.delta.rdKb += kb(sub.length);
  ctx.delta.rd++;
  return 0;
}

/** Extents of data in a range, or a negative errno. */
function extentsIn(ctx: OpContext, offset: number, length: number): { offset: number; length: number }[] | number {
  const host = ctx.host;
  const size = ctx.oi.size;
  if (offset >= size || length === 0) return [];
  try {
    return host.store.extents(host.coll, ctx.obc.gho, offset, Math.min(length, size - offset)) ?? -errno.ENOENT;
  } catch (error) {
    return host.corrupt(error, ctx.obc.oid);
  }
}

/** map<u64, u64> of extents. */
function writeExtents(w: Writer, extents: readonly { offset: number; length: number }[]): void {
  w.u32(extents.length);
  for (const e of extents) {
    w.u64num(e.offset);
    w.u64num(e.length);
  }
}

export function mapExtents(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const extents = extentsIn(ctx, sub.offset, sub.length);
  if (typeof extents === 'number') return extents;
  const w = new Writer(4 + extents.length * 16);
  writeExtents(w, extents);
  sub.out(w.bytes());
  ctx.delta.rd++;
  return 0;
}

export function sparseRead(ctx: OpContext, sub: SubOp): number {
  if (sub.truncateSeq !== 0) return -errno.EINVAL;
  ctx.reads++;
  const extents = extentsIn(ctx, sub.offset, sub.length);
  if (typeof extents === 'number') return extents;
  const data: Uint8Array[] = [];
  let n = 0;
  for (const e of extents) {
    const parts = readParts(ctx, e.offset, e.length);
    if (typeof parts === 'number') return parts;
    for (const p of parts) {
      data.push(p);
      n += p.length;
    }
  }
  const w = new Writer(8 + extents.length * 16);
  writeExtents(w, extents);
  w.u32(n);
  sub.length = n;
  sub.out(w.bytes());
  for (const p of data) sub.out(p);
  ctx.bytesRead += n;
  ctx.delta.rdKb += kb(n);
  ctx.delta.rd++;
  return 0;
}

export function stat(ctx: OpContext, sub: SubOp): number {
  ctx.delta.rd++;
  if (!ctx.present) return -errno.ENOENT;
  const w = new Writer(16);
  w.u64num(ctx.oi.size);
  w.u32(ctx.oi.mtime.sec);
  w.u32(ctx.oi.mtime.nsec);
  sub.out(w.bytes());
  return 0;
}

export function compareExtent(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const oi = ctx.oi;
  let size = oi.size;
  if (oi.truncateSeq < sub.truncateSeq && sub.offset + sub.length > sub.truncateSize) size = sub.truncateSize;
  if (sub.offset >= size) sub.length = 0;
  else if (sub.offset + sub.length > size) sub.length = size - sub.offset;
  let found: Uint8Array = new Uint8Array(0);
  if (sub.length > 0 && ctx.obc.exists && !ctx.obc.oi.test(oiFlag.WHITEOUT)) {
    const parts = readParts(ctx, sub.offset, sub.length);
    if (typeof parts === 'number') return parts;
    found = concat(parts.length === 0 ? [new Uint8Array(0)] : parts);
    ctx.delta.rdKb += kb(found.length);
    ctx.delta.rd++;
  }
  const wanted = sub.indata;
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] !== (i < found.length ? found[i] : 0)) return -ERRNO_MAX - i;
  }
  return 0;
}

export function checksum(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const chunk = sub.unionU32(16);
  const type = sub.unionU8(20);
  const size = ctx.oi.size;
  if (chunk > 0 && (sub.length === 0 || sub.length % chunk !== 0)) return -errno.EINVAL;
  if (sub.offset === 0 && sub.length === 0) sub.length = size;
  else if (sub.offset >= size) return 0;
  else if (sub.offset + sub.length > size) {
    sub.length = size - sub.offset;
    if (chunk > 0 && sub.length % chunk !== 0) return -errno.EINVAL;
  }
  const valueLength = type === checksumType.XXHASH64 ? 8 : 4;
  if (type !== checksumType.XXHASH32 && type !== checksumType.XXHASH64 && type !== checksumType.CRC32C)
    return -errno.EINVAL;
  if (sub.indata.length < valueLength) return -errno.EINVAL;
  const parts = readParts(ctx, sub.offset, sub.length);
  if (typeof parts === 'number') return parts;
  const data = parts.length === 0 ? new Uint8Array(0) : concat(parts);
  const step = chunk > 0 ? chunk : data.length;
  const count = step === 0 ? 0 : Math.floor(data.length / step);
  const seed = new DataView(sub.indata.buffer, sub.indata.byteOffset, sub.indata.length);
  const w = new Writer(4 + count * valueLength);
  w.u32(count);
  for (let i = 0; i < count; i++) {
    const part = data.subarray(i * step, (i + 1) * step);
    if (type === checksumType.CRC32C) w.u32(crc32c(seed.getUint32(0, true), part));
    else if (type === checksumType.XXHASH32) w.u32(xxhash32(seed.getUint32(0, true), part));
    else w.u64(xxhash64(seed.getBigUint64(0, true), part));
  }
  sub.out(w.bytes());
  ctx.delta.rd++;
  ctx.delta.rdKb += kb(data.length);
  return 0;
}

export function assertVersion(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const version = sub.unionU64num(8);
  if (version === 0) return -errno.EINVAL;
  if (version < ctx.oi.userVersion) return -errno.ERANGE;
  if (version > ctx.oi.userVersion) return -errno.EOVERFLOW;
  return 0;
}

/** obj_list_watch_response_t. */
export function listWatchers(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  ctx.delta.rd++;
  const watchers = [...(ctx.oi.watchers?.values() ?? [])].sort((a, b) =>
    a.cookie < b.cookie ? -1 : a.cookie > b.cookie ? 1 : a.entity.num - b.entity.num,
  );
  const w = new Writer(64 + watchers.length * 80);
  const token = w.structStart(1, 1);
  w.u32(watchers.length);
  for (const x of watchers) {
    const item = w.structStart(2, 1);
    entityName.encode(w, x.entity);
    w.u64(x.cookie);
    w.u32(x.timeout_s);
    entityAddr.encode(w, x.addr);
    w.structEnd(item);
  }
  w.structEnd(token);
  sub.out(w.bytes());
  return 0;
}

/** obj_list_snap_response_t: the clones oldest first, then the head. */
export function listSnaps(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  ctx.delta.rd++;
  const ss = ctx.obc.ssc?.snapset ?? ctx.snapset;
  const head = ctx.obc.exists && !ctx.obc.oi.test(oiFlag.WHITEOUT);
  const w = new Writer(128);
  const token = w.structStart(2, 1);
  w.u32(ss.clones.length + (head ? 1 : 0));
  for (const c of ss.clones) {
    const item = w.structStart(1, 1);
    w.u64num(c.id);
    w.u32(c.snaps.length);
    for (let i = c.snaps.length - 1; i >= 0; i--) w.u64num(c.snaps[i]!);
    c.overlap.encode(w);
    w.u64num(c.size);
    w.structEnd(item);
  }
  if (head) {
    const item = w.structStart(1, 1);
    snapid.encode(w, CEPH_NOSNAP);
    w.u32(0);
    w.u32(0);
    w.u64num(ctx.oi.size);
    w.structEnd(item);
  }
  w.u64num(ss.seq);
  w.structEnd(token);
  sub.out(w.bytes());
  return 0;
}
