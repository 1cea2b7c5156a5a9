/** How operations of a request are made: what all kinds of them share. */
import { byString, encodeText } from '../encoding/index.ts';
import { OsdOp } from '../messages/index.ts';

export const NO_BYTES = new Uint8Array(0);

export function withInput(code: number, input: Uint8Array): OsdOp {
  const op = new OsdOp(code);
  op.indata = input;
  return op;
}

export function extent(code: number, offset: number, length: number, data?: Uint8Array): OsdOp {
  const op = new OsdOp(code);
  op.offset = offset;
  op.length = length;
  if (data !== undefined) op.indata = data;
  return op;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** An operation on an attribute. */
export function named(code: number, name: string, value?: Uint8Array): OsdOp {
  const n = encodeText(name);
  const op = new OsdOp(code);
  op.indata = value === undefined ? n : joined(n, value);
  op.setXattr(n.length, value?.length ?? 0);
  return op;
}

/** A call of a class's method. */
export function classCall(code: number, className: string, method: string, input: Uint8Array): OsdOp {
  const c = encodeText(className);
  const m = encodeText(method);
  const op = withInput(code, joined(joined(c, m), input));
  op.setClass(c.length, m.length, input.length);
  return op;
}

/** Each once, in the order of bytes. */
export function sortedKeys(keys: Iterable<string>): string[] {
  return [...new Set(keys)].sort(byString);
}
