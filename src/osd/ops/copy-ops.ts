/** copy-get: an object in pieces, with all that makes another one like it (object_copy_data_t). */
import { errno } from '../../base/index.ts';
import { bool, Reader, string, struct, u64num, Writer } from '../../encoding/index.ts';
import { isClone } from '../model.ts';
import { userAttrs } from './attr-ops.ts';
import type { OpContext } from './context.ts';
import { oiFlag, writeReqid, writeUtime } from './object-info.ts';
import { partsLength, readParts } from './read-ops.ts';
import { encodeSnaps } from './snap-set.ts';
import type { SubOp } from './sub-op.ts';

/** How far a copy is. The sides pass it to and fro. */
const cursorCodec = struct(
  'object_copy_cursor_t',
  { version: 1, compat: 1 },
  { attrComplete: bool, dataOffset: u64num, dataComplete: bool, omapOffset: string, omapComplete: bool },
);

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
  const cursor = { ...cursorCodec.decode(r) };
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
  const requests = whole ? host.requestsOn(obc.key, REQUESTS_MAX) : [];
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
  cursorCodec.encode(w, cursor);
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
