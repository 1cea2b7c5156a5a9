import { DecodeError } from '../../encoding/index.ts';

/** Bytes of a ceph_osd_op: u16 code, u32 flags, 28 bytes of a union, u32 payload length. */
export const SUB_OP_LENGTH = 38;
const UNION_AT = 6;
const PAYLOAD_AT = 34;
const TWO_32 = 0x1_0000_0000;
const NO_DATA = new Uint8Array(0);

function u32At(b: Uint8Array, o: number): number {
  return (b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24)) >>> 0;
}

function u64numAt(b: Uint8Array, o: number): number {
  return u32At(b, o + 4) * TWO_32 + u32At(b, o);
}

/**
 * One operation of a request, flat. The union is read where it lies: `offset`, `length`, `truncateSize` and `truncateSeq` (the extent
 * form, by far the most used) are taken out at once, the other forms through the accessors.
 */
export class SubOp {
  /** May be changed by execution (a zero that reaches the end is a truncate). */
  code: number;
  flags: number;
  /** Extent form; doubles: exact below 2^53, above that only compared with limits. */
  offset: number;
  length: number;
  truncateSize: number;
  truncateSeq: number;
  payloadLength: number;
  indata: Uint8Array = NO_DATA;
  /** Parts of the answer, or undefined for none. */
  outdata: Uint8Array[] | undefined = undefined;
  rval = 0;
  readonly #raw: Uint8Array;
  readonly #at: number;

  constructor(raw: Uint8Array, at: number) {
    this.#raw = raw;
    this.#at = at;
    this.code = raw[at]! | (raw[at + 1]! << 8);
    this.flags = u32At(raw, at + 2);
    this.offset = u64numAt(raw, at + UNION_AT);
    this.length = u64numAt(raw, at + UNION_AT + 8);
    this.truncateSize = u64numAt(raw, at + UNION_AT + 16);
    this.truncateSeq = u32At(raw, at + UNION_AT + 24);
    this.payloadLength = u32At(raw, at + PAYLOAD_AT);
  }

  /** Undoes what execution did, so that it can be executed again. */
  restore(): void {
    const raw = this.#raw;
    const at = this.#at;
    this.code = raw[at]! | (raw[at + 1]! << 8);
    this.offset = u64numAt(raw, at + UNION_AT);
    this.length = u64numAt(raw, at + UNION_AT + 8);
    this.truncateSize = u64numAt(raw, at + UNION_AT + 16);
    this.truncateSeq = u32At(raw, at + UNION_AT + 24);
    this.outdata = undefined;
    this.rval = 0;
  }

  /** A synthetic operation of the extent form, as a fancy operation makes of itself. */
  static extent(code: number, offset: number, length: number, indata: Uint8Array = NO_DATA, flags = 0): SubOp {
    const op = new SubOp(new Uint8Array(SUB_OP_LENGTH), 0);
    op.code = code;
    op.flags = flags;
    op.offset = offset;
    op.length = length;
    op.indata = indata;
    op.payloadLength = indata.length;
    return op;
  }

  /** u8, u32 and u64 of the union at a byte offset within it. */
  unionU8(o: number): number {
    return this.#raw[this.#at + UNION_AT + o]!;
  }

  unionU32(o: number): number {
    return u32At(this.#raw, this.#at + UNION_AT + o);
  }

  unionU64(o: number): bigint {
    return (BigInt(this.unionU32(o + 4)) << 32n) | BigInt(this.unionU32(o));
  }

  unionU64num(o: number): number {
    return u64numAt(this.#raw, this.#at + UNION_AT + o);
  }

  /** Name and value lengths of the xattr form. */
  get xattrNameLength(): number {
    return this.unionU32(0);
  }

  get xattrValueLength(): number {
    return this.unionU32(4);
  }

  get outLength(): number {
    if (this.outdata === undefined) return 0;
    let n = 0;
    for (const part of this.outdata) n += part.length;
    return n;
  }

  /** Adds to the answer. The bytes must not change afterwards. */
  out(part: Uint8Array): void {
    if (this.outdata === undefined) this.outdata = [part];
    else this.outdata.push(part);
  }

  /** Writes the 38 bytes as a reply carries them: code and lengths as execution left them, payload length of the answer. */
  encodeReply(into: Uint8Array, at: number, outLength: number, lengthChanged: boolean): void {
    into.set(this.#raw.subarray(this.#at, this.#at + SUB_OP_LENGTH), at);
    into[at] = this.code & 0xff;
    into[at + 1] = this.code >> 8;
    if (lengthChanged) writeU64num(into, at + UNION_AT + 8, this.length);
    writeU32(into, at + PAYLOAD_AT, outLength);
  }
}

function writeU32(b: Uint8Array, o: number, x: number): void {
  b[o] = x & 0xff;
  b[o + 1] = (x >>> 8) & 0xff;
  b[o + 2] = (x >>> 16) & 0xff;
  b[o + 3] = (x >>> 24) & 0xff;
}

function writeU64num(b: Uint8Array, o: number, x: number): void {
  writeU32(b, o, x % TWO_32);
  writeU32(b, o + 4, Math.floor(x / TWO_32));
}

/**
 * Gives each operation its input from the request's data segment: views where the segment is in one part, copies only where an
 * input straddles parts.
 */
export function splitInput(ops: readonly SubOp[], data: readonly Uint8Array[]): void {
  if (data.length === 0) {
    for (const op of ops) if (op.payloadLength > 0) throw new DecodeError('operation claims input, none came', 0);
    return;
  }
  if (data.length === 1 || ops.length === 1) {
    const whole = data.length === 1 ? data[0]! : concat(data);
    let at = 0;
    for (const op of ops) {
      const n = op.payloadLength;
      if (n === 0) continue;
      if (n > whole.length - at) throw new DecodeError(`operation claims ${n} bytes, ${whole.length - at} left`, at);
      op.indata = at === 0 && n === whole.length ? whole : whole.subarray(at, at + n);
      at += n;
    }
    return;
  }
  splitInput(ops, [concat(data)]);
}

/** One array of several parts; the part itself where there is one. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let n = 0;
  for (const p of parts) n += p.length;
  const whole = new Uint8Array(n);
  let at = 0;
  for (const p of parts) {
    whole.set(p, at);
    at += p.length;
  }
  return whole;
}
