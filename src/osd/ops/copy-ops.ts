/** copy-get: an object in pieces, with all that makes another one like it (object_copy_data_t); copy-from: that other one. */
import { crc32c, errno } from '../../base/index.ts';
import { bool, type Decoded, Reader, string, struct, u64num, Writer } from '../../encoding/index.ts';
import { copyFromFlag } from '../../messages/index.ts';
import { objectLocator, snapidFromHalves, type Utime, utimeZero } from '../../types/index.ts';
import type { CopyFrom } from '../copy-source.ts';
import { isClone } from '../model.ts';
import { userAttrs } from './attr-ops.ts';
import { opCode, opFlag } from './codes.ts';
import type { OpContext } from './context.ts';
import { oiFlag, readReqid, readUtime, writeReqid, writeUtime } from './object-info.ts';
import { kb, partsLength, readParts } from './read-ops.ts';
import { encodeSnaps } from './snap-set.ts';
import type { SubOp } from './sub-op.ts';

/** How far a copy is. The sides pass it to and fro. */
export const copyCursor = struct(
  'object_copy_cursor_t',
  { version: 1, compat: 1 },
  { attrComplete: bool, dataOffset: u64num, dataComplete: bool, omapOffset: string, omapComplete: bool },
);

export const copyStart: Decoded<typeof copyCursor> = {
  attrComplete: false,
  dataOffset: 0,
  dataComplete: false,
  omapOffset: '',
  omapComplete: false,
};

/** object_copy_data_t as the taker reads it: what this piece has of the object. */
export interface CopyPiece {
  readonly size: number;
  readonly mtime: Utime;
  readonly attrs: ReadonlyMap<string, Uint8Array>;
  readonly data: Uint8Array;
  /** map<string, blob>, or nothing. */
  readonly omap: Uint8Array;
  readonly omapHeader: Uint8Array;
  readonly cursor: Decoded<typeof copyCursor>;
  readonly dataDigest: number | undefined;
  readonly omapDigest: number | undefined;
  readonly truncateSeq: number;
  readonly truncateSize: number;
}

/** Throws DecodeError. */
export function readCopyPiece(r: Reader): CopyPiece {
  const frame = r.structStart(8);
  if (frame.version < 7) r.fail(`object_copy_data_t version ${frame.version} is from before Jewel`);
  const size = r.u64num();
  const mtime = readUtime(r);
  const attrs = new Map<string, Uint8Array>();
  for (let n = r.count(8); n > 0; n--) {
    const name = r.string();
    attrs.set(name, r.blob());
  }
  const data = r.blob();
  const omap = r.blob();
  const cursor = copyCursor.decode(r);
  const omapHeader = r.blob();
  r.skip(8 * r.count(8));
  r.skip(8);
  const flags = r.u32();
  const dataDigest = r.u32();
  const omapDigest = r.u32();
  for (let n = r.count(8); n > 0; n--) {
    readReqid(r);
    r.skip(8);
  }
  const truncateSeq = r.u64num();
  const truncateSize = r.u64num();
  r.structEnd(frame);
  return {
    size,
    mtime,
    attrs,
    data,
    omap,
    omapHeader,
    cursor,
    dataDigest: (flags & flag.DATA_DIGEST) !== 0 ? dataDigest : undefined,
    omapDigest: (flags & flag.OMAP_DIGEST) !== 0 ? omapDigest : undefined,
    truncateSeq,
    truncateSize,
  };
}

/** Reads what a copy-from asks for; a negative errno. Throws DecodeError. */
export function readCopyFrom(
  sub: SubOp,
): { from: CopyFrom; truncate: readonly [seq: number, size: number] | undefined } | number {
  const bits = sub.unionU8(16);
  if (sub.code === opCode.COPY_FROM2 && (bits & ~COPY_FLAGS) !== 0) return -errno.EINVAL;
  const r = new Reader(sub.indata);
  const name = r.string();
  const { pool, key, nspace } = objectLocator.decode(r);
  let truncate: [number, number] | undefined;
  if (sub.code === opCode.COPY_FROM2 && (bits & copyFromFlag.TRUNCATE_SEQ) !== 0) {
    const seq = r.u32();
    truncate = [seq, r.u64num()];
  }
  const flags =
    ((bits & copyFromFlag.FLUSH) !== 0 ? opFlag.FLUSH : 0) |
    ((bits & copyFromFlag.IGNORE_CACHE) !== 0 ? opFlag.IGNORE_CACHE : 0) |
    ((bits & copyFromFlag.IGNORE_OVERLAY) !== 0 ? opFlag.IGNORE_OVERLAY : 0) |
    ((bits & copyFromFlag.MAP_SNAP_CLONE) !== 0 ? opFlag.MAP_SNAP_CLONE : 0) |
    ((bits & copyFromFlag.RWORDERED) !== 0 ? opFlag.RWORDERED : 0);
  const snap = snapidFromHalves(sub.unionU32(0), sub.unionU32(4));
  return { from: { pool, name, nspace, key, snap, version: sub.unionU64num(8), flags }, truncate };
}

const COPY_FLAGS = Object.values(copyFromFlag).reduce((a, b) => a | b, 0);

/** Makes the object what was copied. The copying itself is done before execution. */
export function copyFrom(ctx: OpContext, sub: SubOp): number {
  ctx.writes++;
  const asked = readCopyFrom(sub);
  if (typeof asked === 'number') return asked;
  const copied = ctx.op.copied?.get(sub);
  if (copied === undefined) return -errno.EINVAL;
  if (typeof copied === 'number') return copied;
  const { pieces } = copied;
  const last = pieces[pieces.length - 1]!;
  const { coll, supportsOmap } = ctx.host;
  const { gho } = ctx.obc;
  const { oi, t } = ctx;
  let digest = NO_DIGEST;
  let omapDigest = NO_DIGEST;
  let hasOmap = false;
  for (const p of pieces) {
    digest = crc32c(digest, p.data);
    if (p.omap.length > 0 || p.omapHeader.length > 0) hasOmap = true;
    omapDigest = crc32c(omapDigest, p.omapHeader);
    if (p.omap.length > 4) omapDigest = crc32c(omapDigest, p.omap.subarray(4));
  }
  if (hasOmap && !supportsOmap) return -errno.EOPNOTSUPP;
  if (last.dataDigest !== undefined && last.dataDigest !== digest) return -errno.EIO;
  if (last.omapDigest !== undefined && last.omapDigest !== omapDigest) return -errno.EIO;
  if (ctx.exists) t.remove(coll, gho);
  else {
    ctx.delta.objects++;
    ctx.exists = true;
  }
  t.create(coll, gho);
  ctx.touched = true;
  let offset = 0;
  for (const p of pieces) {
    if (p.data.length > 0) t.write(coll, gho, offset, p.data);
    offset += p.data.length;
    if (p.omapHeader.length > 0) t.omapSetHeader(coll, gho, p.omapHeader);
    if (p.omap.length > 0) t.omapSetKeysEncoded(coll, gho, p.omap);
    if (p.attrs.size > 0)
      t.setattrs(
        coll,
        gho,
        [...p.attrs].map(([name, value]) => [`_${name}`, value]),
      );
  }
  ctx.userAtVersion = copied.userVersion;
  oi.userVersion = copied.userVersion;
  oi.setDataDigest(digest);
  if (last.omapDigest === undefined) oi.clearOmapDigest();
  else oi.setOmapDigest(last.omapDigest);
  if (last.dataDigest === undefined) oi.clearDataDigest();
  oi.truncateSeq = asked.truncate?.[0] ?? last.truncateSeq;
  oi.truncateSize = asked.truncate?.[1] ?? last.truncateSize;
  oi.mtime = last.mtime;
  ctx.mtime = utimeZero;
  if (oi.test(oiFlag.WHITEOUT)) {
    oi.flags &= ~oiFlag.WHITEOUT;
    ctx.delta.whiteouts--;
  }
  oi.flags = hasOmap ? oi.flags | oiFlag.OMAP : oi.flags & ~oiFlag.OMAP;
  if (hasOmap) ctx.omapDirty = true;
  ctx.markModified(0, Math.max(oi.size, offset));
  ctx.delta.bytes += offset - oi.size;
  oi.size = offset;
  ctx.delta.wr++;
  ctx.delta.wrKb += kb(offset);
  return 0;
}

const NO_DIGEST = 0xffffffff;

const flag = { DATA_DIGEST: 1, OMAP_DIGEST: 2 } as const;
/** Whatever the client takes at a time: the cursor says that there is more. */
const PIECE_MAX = 64 << 20;
const REQUESTS_MAX = 10;
const EMPTY = new Uint8Array(0);

/** Entries after a key as far as there is room: map<string, blob>, and the key it got to, undefined at the end. */
function omapPiece(ctx: OpContext, after: string, room: number): { bytes: Uint8Array; to: string | undefined } {
  const { store, coll } = ctx.host;
  const w = new Writer(1024);
  w.u32(0);
  let left = room;
  let n = 0;
  let to: string | undefined;
  for (const [key, value] of store.omapIterate(coll, ctx.obc.gho, { after }) ?? []) {
    if (left <= 0) return { bytes: counted(w, n), to };
    w.string(key);
    w.blob(value);
    left -= key.length + value.length + 8;
    to = key;
    n++;
  }
  return { bytes: n === 0 ? EMPTY : counted(w, n), to: undefined };
}

function counted(w: Writer, n: number): Uint8Array {
  w.patchU32(0, n);
  return w.bytes();
}

export function copyGet(ctx: OpContext, sub: SubOp): number {
  const r = new Reader(sub.indata);
  const cursor = { ...copyCursor.decode(r) };
  let room = Math.min(r.u64num(), PIECE_MAX);
  const { oi, obc, host } = ctx;
  const snapset = obc.ssc?.snapset;
  const clone = isClone(obc.oid);
  const attrs = cursor.attrComplete ? new Map<string, Uint8Array>() : userAttrs(ctx);
  cursor.attrComplete = true;
  let data: Uint8Array[] = [];
  if (room > 0 && !cursor.dataComplete) {
    const length = Math.min(room, Math.max(0, oi.size - cursor.dataOffset));
    const parts = readParts(ctx, cursor.dataOffset, length);
    if (typeof parts === 'number') return parts;
    data = parts;
    room -= length;
    cursor.dataOffset += length;
    if (cursor.dataOffset >= oi.size) cursor.dataComplete = true;
  }
  let omap: Uint8Array = EMPTY;
  let header: Uint8Array = EMPTY;
  if (!oi.test(oiFlag.OMAP)) cursor.omapComplete = true;
  else if (room > 0 && !cursor.omapComplete) {
    if (cursor.omapOffset === '') header = host.store.omapHeader(host.coll, obc.gho) ?? EMPTY;
    const piece = omapPiece(ctx, cursor.omapOffset, room);
    omap = piece.bytes;
    if (piece.to === undefined) cursor.omapComplete = true;
    else cursor.omapOffset = piece.to;
  }
  const whole = cursor.dataComplete && cursor.omapComplete;
  const requests = whole ? host.requestsOn(obc.oid, obc.key, REQUESTS_MAX) : [];
  const found = clone ? snapset?.clones.find((c) => c.id === obc.oid.snap) : undefined;
  if (clone && found === undefined) return -errno.ENOENT;
  const w = new Writer(512 + omap.length);
  const token = w.structStart(8, 5);
  w.u64num(oi.size);
  writeUtime(w, oi.mtime);
  w.u32(attrs.size);
  for (const [name, value] of attrs) {
    w.string(name);
    w.blob(value);
  }
  w.u32(partsLength(data));
  for (const part of data) w.raw(part);
  w.blob(omap);
  copyCursor.encode(w, cursor);
  w.blob(header);
  w.raw(encodeSnaps(found?.snaps ?? []));
  w.u64num(clone ? 0 : (snapset?.seq ?? 0));
  w.u32((oi.test(oiFlag.DATA_DIGEST) ? flag.DATA_DIGEST : 0) | (oi.test(oiFlag.OMAP_DIGEST) ? flag.OMAP_DIGEST : 0));
  // Ceph's fields are -1 where there is none, as the info's are.
  w.u32(oi.dataDigest);
  w.u32(oi.omapDigest);
  w.u32(requests.length);
  for (const q of requests) {
    writeReqid(w, q.reqid);
    w.u64num(q.userVersion);
  }
  w.u64num(oi.truncateSeq);
  w.u64num(oi.truncateSize);
  const failed = requests.flatMap((q, i) => (q.returnCode === 0 ? [] : [[i, q.returnCode] as const]));
  w.u32(failed.length);
  for (const [i, code] of failed) {
    w.u32(i);
    w.s32(code);
  }
  w.structEnd(token);
  sub.out(w.bytes());
  return 0;
}
