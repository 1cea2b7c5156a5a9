import { errno } from '../../base/index.ts';
import { decodeText, encodeText, Reader, Writer } from '../../encoding/index.ts';
import { cmpMode, cmpOp } from './codes.ts';
import type { OpContext } from './context.ts';
import { kb } from './read-ops.ts';
import type { SubOp } from './sub-op.ts';

/** Name of a user's xattr in the store: "_" and the name, so that it never meets the OSD's own. Undefined where input is short. */
function storeName(sub: SubOp): string | undefined {
  const n = sub.xattrNameLength;
  return n > sub.indata.length ? undefined : `_${decodeText(sub.indata, 0, n)}`;
}

/** Value of an xattr, or a negative errno. */
export function attrOf(ctx: OpContext, name: string): Uint8Array | number {
  const host = ctx.host;
  try {
    const value = host.store.getAttr(host.coll, ctx.obc.gho, name);
    if (value !== undefined) return value;
    return host.store.exists(host.coll, ctx.obc.gho) ? -errno.ENODATA : -errno.ENOENT;
  } catch (error) {
    return host.corrupt(error, ctx.obc.oid);
  }
}

export function getXattr(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  ctx.delta.rd++;
  const name = storeName(sub);
  if (name === undefined) return -errno.EINVAL;
  const value = attrOf(ctx, name);
  if (typeof value === 'number') return value;
  sub.out(value);
  ctx.delta.rdKb += kb(value.length);
  return 0;
}

/** All user xattrs without the leading "_". */
export function userAttrs(ctx: OpContext): Map<string, Uint8Array> {
  const host = ctx.host;
  const user = new Map<string, Uint8Array>();
  const all = host.store.getAttrs(host.coll, ctx.obc.gho);
  if (all === undefined) return user;
  const names = [...all.keys()].filter((n) => n.length > 1 && n.charCodeAt(0) === 0x5f).sort(byBytes);
  for (const n of names) user.set(n.slice(1), all.get(n)!);
  return user;
}

/** Order of byte strings. Names are nearly always ASCII, where the order of UTF-16 is the same. */
export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function getXattrs(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  ctx.delta.rd++;
  const attrs = userAttrs(ctx);
  const w = new Writer(256);
  w.u32(attrs.size);
  for (const [name, value] of attrs) {
    w.string(name);
    w.blob(value);
  }
  sub.out(w.bytes());
  ctx.delta.rdKb += kb(w.length);
  return 0;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Holds `order` (of given against stored) the relation? Undefined for an unknown one. */
function relation(op: number, order: number): boolean | undefined {
  switch (op) {
    case cmpOp.EQ:
      return order === 0;
    case cmpOp.NE:
      return order !== 0;
    case cmpOp.GT:
      return order > 0;
    case cmpOp.GTE:
      return order >= 0;
    case cmpOp.LT:
      return order < 0;
    case cmpOp.LTE:
      return order <= 0;
    default:
      return undefined;
  }
}

export function compareXattr(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const name = storeName(sub);
  if (name === undefined) return -errno.EINVAL;
  const stored = attrOf(ctx, name);
  if (typeof stored === 'number' && stored !== -errno.ENODATA) return stored;
  const value = typeof stored === 'number' ? new Uint8Array(0) : stored;
  ctx.delta.rd++;
  ctx.delta.rdKb += kb(value.length);
  const nameLength = sub.xattrNameLength;
  let order: number;
  switch (sub.unionU8(9)) {
    case cmpMode.STRING: {
      const n = sub.xattrValueLength;
      if (n > sub.indata.length - nameLength) return -errno.EINVAL;
      order = compareBytes(sub.indata.subarray(nameLength, nameLength + n), value);
      break;
    }
    case cmpMode.U64: {
      const given = new Reader(sub.indata, nameLength).u64();
      const digits = /^\s*(\d+)/.exec(decodeText(value.subarray(0, 64)));
      const held = digits === null ? 0n : BigInt(digits[1]!);
      order = given < held ? -1 : given > held ? 1 : 0;
      break;
    }
    default:
      return -errno.EINVAL;
  }
  const holds = relation(sub.unionU8(8), order);
  if (holds === undefined) return -errno.EINVAL;
  // Ceph answers a true comparison with 1.
  return holds ? 1 : -errno.ECANCELED;
}

export function setXattr(ctx: OpContext, sub: SubOp): number {
  ctx.writes++;
  const { limits, coll } = ctx.host;
  const valueLength = sub.xattrValueLength;
  if (limits.attrSize > 0 && valueLength > limits.attrSize) return -errno.EFBIG;
  const nameLength = sub.xattrNameLength;
  if (nameLength > limits.attrNameLength) return -errno.ENAMETOOLONG;
  const name = storeName(sub);
  if (name === undefined || valueLength > sub.indata.length - nameLength) return -errno.EINVAL;
  ctx.ensureObject();
  ctx.t.setattr(coll, ctx.obc.gho, name, sub.indata.subarray(nameLength, nameLength + valueLength));
  ctx.touched = true;
  ctx.delta.wr++;
  return 0;
}

export function removeXattr(ctx: OpContext, sub: SubOp): number {
  ctx.writes++;
  const name = storeName(sub);
  if (name === undefined) return -errno.EINVAL;
  if (!ctx.present) return -errno.ENOENT;
  ctx.t.rmattr(ctx.host.coll, ctx.obc.gho, name);
  ctx.touched = true;
  ctx.delta.wr++;
  return 0;
}

/** Length in bytes of a byte string. */
export function textLength(s: string): number {
  for (let i = 0; i < s.length; i++) if (s.charCodeAt(i) >= 0x80) return encodeText(s).length;
  return s.length;
}
