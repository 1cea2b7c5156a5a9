import { DecodeError } from './error.ts';
import { decodeText } from './text.ts';

const TWO_32 = 0x1_0000_0000;

/**
 * A cursor over little-endian bytes. Every read checks its length first and throws {@link DecodeError}; nothing is allocated
 * from a claimed size before the bytes are known to be there.
 */
export class Reader {
  readonly buffer: Uint8Array;
  /** Position in `buffer`. */
  offset: number;
  /** One past the last byte that may be read; narrowed by {@link Reader.structStart}. */
  end: number;
  /** Feature bits of the sender, for the few structs whose form hangs on them. */
  readonly features: bigint;
  #view: DataView | undefined;

  constructor(buffer: Uint8Array, offset = 0, end = buffer.length, features = ~0n) {
    this.buffer = buffer;
    this.offset = offset;
    this.end = end;
    this.features = features;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  fail(reason: string): never {
    throw new DecodeError(reason, this.offset);
  }

  /** Throws unless `length` more bytes are there. */
  need(length: number): void {
    if (length > this.end - this.offset || length < 0) {
      throw new DecodeError(`wants ${length} bytes, ${this.end - this.offset} left`, this.offset);
    }
  }

  u8(): number {
    this.need(1);
    return this.buffer[this.offset++]!;
  }

  s8(): number {
    return (this.u8() << 24) >> 24;
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  u16(): number {
    this.need(2);
    const o = this.offset;
    this.offset = o + 2;
    return this.buffer[o]! | (this.buffer[o + 1]! << 8);
  }

  s16(): number {
    return (this.u16() << 16) >> 16;
  }

  s32(): number {
    this.need(4);
    const b = this.buffer;
    const o = this.offset;
    this.offset = o + 4;
    return b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24);
  }

  u32(): number {
    return this.s32() >>> 0;
  }

  /** Exact. */
  u64(): bigint {
    this.need(8);
    const low = this.u32();
    const high = this.u32();
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  s64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  /** An unsigned 64-bit value as a double: exact below 2^53, rounded above. For offsets, lengths and counters. */
  u64num(): number {
    this.need(8);
    const low = this.u32();
    const high = this.u32();
    // Most are small: what multiplication makes of them is a number with a fraction to the engine, which takes an allocation of its own wherever it is kept.
    return high === 0 ? low : high * TWO_32 + low;
  }

  /** A signed 64-bit value as a double: exact within +-2^53. */
  s64num(): number {
    this.need(8);
    const low = this.u32();
    const high = this.s32();
    return high === 0 ? low : high * TWO_32 + low;
  }

  f64(): number {
    this.need(8);
    this.#view ??= new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
    const x = this.#view.getFloat64(this.offset, true);
    this.offset += 8;
    return x;
  }

  f32(): number {
    this.need(4);
    this.#view ??= new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
    const x = this.#view.getFloat32(this.offset, true);
    this.offset += 4;
    return x;
  }

  /** A view of the next `length` bytes; shares memory with the buffer. Never a Buffer, though that may be one: of a Buffer, slice() makes no copy. */
  raw(length: number): Uint8Array {
    this.need(length);
    const { buffer } = this;
    const part = new Uint8Array(buffer.buffer, buffer.byteOffset + this.offset, length);
    this.offset += length;
    return part;
  }

  /** A bufferlist: u32 length and that many bytes, as a view. */
  blob(): Uint8Array {
    return this.raw(this.u32());
  }

  /** A string: u32 length and that many bytes (see `text.ts` for those that are not UTF-8). */
  string(): string {
    const length = this.u32();
    this.need(length);
    const start = this.offset;
    this.offset = start + length;
    return decodeText(this.buffer, start, this.offset);
  }

  skip(length: number): void {
    this.need(length);
    this.offset += length;
  }

  /**
   * An element count (u32), checked against the bytes left: `elementLength_min` is the least that one element can take, so that a
   * count that cannot be true fails before anything is allocated for it.
   */
  count(elementLength_min = 1): number {
    const n = this.u32();
    if (n * elementLength_min > this.remaining) {
      throw new DecodeError(`claims ${n} elements, ${this.remaining} bytes left`, this.offset - 4);
    }
    return n;
  }

  /**
   * Opens a versioned struct (u8 version, u8 compat, u32 length) of which this code understands up to `version`. Reading is then
   * confined to it until {@link Reader.structEnd}, which also skips what a newer writer appended.
   */
  structStart(version: number): StructFrame {
    this.need(6);
    const v = this.u8();
    const compat = this.u8();
    const length = this.u32();
    if (compat > version) this.fail(`needs version ${compat} of the format, this program reads up to ${version}`);
    this.need(length);
    const frame = { version: v, end: this.offset + length, outerEnd: this.end };
    this.end = frame.end;
    return frame;
  }

  /** Passes over a versioned struct that nothing is wanted of, whatever its version. */
  skipStruct(): void {
    this.skip(2);
    this.skip(this.u32());
  }

  structEnd(frame: StructFrame): void {
    this.offset = frame.end;
    this.end = frame.outerEnd;
  }
}

/** An open versioned struct; see {@link Reader.structStart}. */
export interface StructFrame {
  /** Version the writer used. */
  readonly version: number;
  readonly end: number;
  readonly outerEnd: number;
}
