/**
 * What methods do with their object: each is one operation of those that clients have, run within the request that called the method. So what a method may not do,
 * what it counts for and what it answers are what they are for clients.
 */
import { Buffer } from 'node:buffer';
import { errno } from '../../base/index.ts';
import { encodeText, Reader, Writer } from '../../encoding/index.ts';
import { opCode } from '../ops/codes.ts';
import type { OpContext } from '../ops/context.ts';
import { executeOne } from '../ops/execute.ts';
import { concat, SUB_OP_LENGTH, SubOp } from '../ops/sub-op.ts';

const EMPTY = new Uint8Array(0);
const UNION_AT = 6;

/** Runs one operation; its answer, or a negative errno. */
function run(ctx: OpContext, code: number, input: Uint8Array, form?: (union: DataView) => void): Uint8Array | number {
  const raw = new Uint8Array(SUB_OP_LENGTH);
  const view = new DataView(raw.buffer);
  view.setUint16(0, code, true);
  form?.(new DataView(raw.buffer, UNION_AT));
  const sub = new SubOp(raw, 0);
  sub.indata = input;
  sub.payloadLength = input.length;
  const result = executeOne(ctx, sub);
  ctx.subOps++;
  if (result < 0) return result;
  return sub.outdata === undefined || sub.outdata.length === 0 ? EMPTY : concat(sub.outdata);
}

/** A negative errno, or 0. */
function status(answer: Uint8Array | number): number {
  return typeof answer === 'number' ? answer : 0;
}

function extentForm(offset: number, length: number): (union: DataView) => void {
  return (union) => {
    union.setBigUint64(0, BigInt(offset), true);
    union.setBigUint64(8, BigInt(length), true);
  };
}

/** ENODATA where there is no such xattr, ENOENT where there is no object. */
export function getXattr(ctx: OpContext, name: string): Uint8Array | number {
  const bytes = encodeText(name);
  return run(ctx, opCode.GETXATTR, bytes, (u) => u.setUint32(0, bytes.length, true));
}

export function setXattr(ctx: OpContext, name: string, value: Uint8Array): number {
  const bytes = encodeText(name);
  const form = (u: DataView): void => {
    u.setUint32(0, bytes.length, true);
    u.setUint32(4, value.length, true);
  };
  return status(run(ctx, opCode.SETXATTR, Buffer.concat([bytes, value]), form));
}

/** 0 where the object is there, ENOENT where not. */
export function statObject(ctx: OpContext): number {
  return status(run(ctx, opCode.STAT, EMPTY));
}

export function readData(ctx: OpContext, offset: number, length: number): Uint8Array | number {
  return run(ctx, opCode.SYNC_READ, EMPTY, extentForm(offset, length));
}

export function writeFull(ctx: OpContext, data: Uint8Array): number {
  return status(run(ctx, opCode.WRITEFULL, data, extentForm(0, data.length)));
}

export function removeObject(ctx: OpContext): number {
  return status(run(ctx, opCode.DELETE, EMPTY));
}

/** Empty where there is none. */
export function omapHeader(ctx: OpContext): Uint8Array | number {
  return run(ctx, opCode.OMAPGETHEADER, EMPTY);
}

export function setOmapHeader(ctx: OpContext, header: Uint8Array): number {
  return status(run(ctx, opCode.OMAPSETHEADER, header));
}

function written(write: (w: Writer) => void): Uint8Array {
  const w = new Writer(64);
  write(w);
  return w.bytes();
}

/** ENODATA where the key is not there. */
export function omapValue(ctx: OpContext, key: string): Uint8Array | number {
  const answer = run(
    ctx,
    opCode.OMAPGETVALSBYKEYS,
    written((w) => {
      w.u32(1);
      w.string(key);
    }),
  );
  if (typeof answer === 'number') return answer;
  const r = new Reader(answer);
  if (r.u32() === 0) return -errno.ENODATA;
  r.string();
  return r.blob();
}

export function setOmapValue(ctx: OpContext, key: string, value: Uint8Array): number {
  return status(
    run(
      ctx,
      opCode.OMAPSETVALS,
      written((w) => {
        w.u32(1);
        w.string(key);
        w.blob(value);
      }),
    ),
  );
}

/** Entries with keys after `after` that begin with `prefix`, `max` at most. */
export function omapAfter(
  ctx: OpContext,
  after: string,
  prefix: string,
  max: number,
): { readonly entries: readonly (readonly [string, Uint8Array])[]; readonly more: boolean } | number {
  const answer = run(
    ctx,
    opCode.OMAPGETVALS,
    written((w) => {
      w.string(after);
      w.u64num(max);
      w.string(prefix);
    }),
  );
  if (typeof answer === 'number') return answer;
  const r = new Reader(answer);
  const entries: [string, Uint8Array][] = [];
  for (let n = r.count(8); n > 0; n--) {
    const key = r.string();
    entries.push([key, r.blob()]);
  }
  return { entries, more: r.bool() };
}

export function removeOmapKey(ctx: OpContext, key: string): number {
  return status(
    run(
      ctx,
      opCode.OMAPRMKEYS,
      written((w) => {
        w.u32(1);
        w.string(key);
      }),
    ),
  );
}

/** From `from` to before `to`. */
export function removeOmapRange(ctx: OpContext, from: string, to: string): number {
  return status(
    run(
      ctx,
      opCode.OMAPRMKEYRANGE,
      written((w) => {
        w.string(from);
        w.string(to);
      }),
    ),
  );
}
