import { errno } from '../../base/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import { byBytes } from './attr-ops.ts';
import { cmpOp } from './codes.ts';
import type { OpContext } from './context.ts';
import { oiFlag } from './object-info.ts';
import { kb } from './read-ops.ts';
import type { SubOp } from './sub-op.ts';

function hasOmap(ctx: OpContext): boolean {
  return ctx.oi.test(oiFlag.OMAP);
}

function count(ctx: OpContext, w: Writer): void {
  ctx.delta.rd++;
  ctx.delta.rdKb += kb(w.length);
}

/** Keys (with values or without) after `after`, under a prefix: u32 count, entries, bool more. */
function page(ctx: OpContext, sub: SubOp, after: string, wanted: number, prefix: string, values: boolean): number {
  const { limits, store, coll } = ctx.host;
  const limit = Math.min(wanted, limits.omapEntries);
  const w = new Writer(1024);
  w.u32(0);
  let n = 0;
  let more = false;
  if (hasOmap(ctx)) {
    const position = prefix !== '' && byBytes(prefix, after) > 0 ? { from: prefix } : { after };
    // The start "" is after nothing: every key is greater, but for the empty key, which no store holds.
    const entries = store.omapIterate(coll, ctx.obc.gho, position);
    if (entries === undefined) return -errno.ENOENT;
    for (const [key, value] of entries) {
      if (prefix !== '' && !key.startsWith(prefix)) break;
      if (n >= limit || w.length - 4 >= limits.omapBytes) {
        more = true;
        break;
      }
      w.string(key);
      if (values) w.blob(value);
      n++;
    }
  }
  w.bool(more);
  w.patchU32(0, n);
  sub.out(w.bytes());
  count(ctx, w);
  return 0;
}

export function omapGetKeys(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const r = new Reader(sub.indata);
  const after = r.string();
  return page(ctx, sub, after, r.u64num(), '', false);
}

export function omapGetVals(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const r = new Reader(sub.indata);
  const after = r.string();
  const wanted = r.u64num();
  return page(ctx, sub, after, wanted, r.string(), true);
}

export function omapGetHeader(ctx: OpContext, sub: SubOp): number {
  if (!hasOmap(ctx)) return 0;
  ctx.reads++;
  const header = ctx.host.store.omapHeader(ctx.host.coll, ctx.obc.gho);
  if (header !== undefined && header.length > 0) sub.out(header);
  ctx.delta.rd++;
  return 0;
}

/** set<string>. */
function readKeys(sub: SubOp): string[] {
  const r = new Reader(sub.indata);
  const n = r.count(4);
  const keys: string[] = [];
  for (let i = 0; i < n; i++) keys.push(r.string());
  return keys;
}

export function omapGetValsByKeys(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  const keys = readKeys(sub);
  const found = hasOmap(ctx) ? ctx.host.store.omapValues(ctx.host.coll, ctx.obc.gho, keys) : undefined;
  const w = new Writer(256);
  w.u32(found?.size ?? 0);
  if (found !== undefined) {
    for (const key of [...found.keys()].sort(byBytes)) {
      w.string(key);
      w.blob(found.get(key)!);
    }
  }
  sub.out(w.bytes());
  count(ctx, w);
  return 0;
}

function order(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

const NOTHING = new Uint8Array(0);

export function omapCompare(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  if (!ctx.present) return -errno.ENOENT;
  const r = new Reader(sub.indata);
  const wanted: { key: string; value: Uint8Array; op: number }[] = [];
  for (let n = r.count(12); n > 0; n--) {
    const key = r.string();
    const value = r.blob();
    wanted.push({ key, value, op: r.s32() });
  }
  const found = hasOmap(ctx)
    ? ctx.host.store.omapValues(
        ctx.host.coll,
        ctx.obc.gho,
        wanted.map((x) => x.key),
      )
    : undefined;
  ctx.delta.rd++;
  for (const x of wanted) {
    const o = order(found?.get(x.key) ?? NOTHING, x.value);
    let holds: boolean;
    if (x.op === cmpOp.EQ) holds = o === 0;
    else if (x.op === cmpOp.LT) holds = o < 0;
    else if (x.op === cmpOp.GT) holds = o > 0;
    else return -errno.EINVAL;
    if (!holds) return -errno.ECANCELED;
  }
  return 0;
}

function wroteOmap(ctx: OpContext): void {
  ctx.touched = true;
  ctx.omapDirty = true;
  ctx.delta.wr++;
}

export function omapSetVals(ctx: OpContext, sub: SubOp): number {
  if (!ctx.host.supportsOmap) return -errno.EOPNOTSUPP;
  ctx.writes++;
  // Passed on as it came, once it is known to be a map and nothing more.
  const r = new Reader(sub.indata);
  for (let n = r.count(8); n > 0; n--) {
    r.skip(r.u32());
    r.skip(r.u32());
  }
  ctx.ensureObject();
  ctx.t.omapSetKeysEncoded(ctx.host.coll, ctx.obc.gho, sub.indata.subarray(0, r.offset));
  wroteOmap(ctx);
  ctx.delta.wrKb += kb(sub.indata.length);
  ctx.oi.flags |= oiFlag.OMAP;
  ctx.oi.clearOmapDigest();
  return 0;
}

export function omapSetHeader(ctx: OpContext, sub: SubOp): number {
  if (!ctx.host.supportsOmap) return -errno.EOPNOTSUPP;
  ctx.writes++;
  ctx.ensureObject();
  ctx.t.omapSetHeader(ctx.host.coll, ctx.obc.gho, sub.indata);
  wroteOmap(ctx);
  ctx.oi.flags |= oiFlag.OMAP;
  ctx.oi.clearOmapDigest();
  return 0;
}

export function omapClear(ctx: OpContext): number {
  if (!ctx.host.supportsOmap) return -errno.EOPNOTSUPP;
  ctx.writes++;
  if (!ctx.present) return -errno.ENOENT;
  if (!hasOmap(ctx)) return 0;
  ctx.t.omapClear(ctx.host.coll, ctx.obc.gho);
  wroteOmap(ctx);
  ctx.oi.clearOmapDigest();
  ctx.oi.flags &= ~oiFlag.OMAP;
  return 0;
}

export function omapRemoveKeys(ctx: OpContext, sub: SubOp): number {
  if (!ctx.host.supportsOmap) return -errno.EOPNOTSUPP;
  ctx.writes++;
  if (!ctx.present) return -errno.ENOENT;
  ctx.t.omapRmKeys(ctx.host.coll, ctx.obc.gho, readKeys(sub));
  wroteOmap(ctx);
  ctx.oi.clearOmapDigest();
  return 0;
}

export function omapRemoveRange(ctx: OpContext, sub: SubOp): number {
  if (!ctx.host.supportsOmap) return -errno.EOPNOTSUPP;
  ctx.writes++;
  if (!ctx.present) return -errno.ENOENT;
  const r = new Reader(sub.indata);
  const from = r.string();
  ctx.t.omapRmKeyRange(ctx.host.coll, ctx.obc.gho, from, r.string());
  wroteOmap(ctx);
  ctx.oi.clearOmapDigest();
  return 0;
}
