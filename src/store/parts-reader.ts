import { DecodeError, decodeText } from '../encoding/index.ts';
import { type ByteString, bytesToByteString } from './byte-string.ts';

/**
 * A little-endian cursor over bytes that lie in several buffers, as a transaction's payload does. What lies within one buffer
 * comes back as a view of it; only what crosses a boundary is copied.
 */
export class PartsReader {
  #parts: readonly Uint8Array[];
  #index = 0;
  #part: Uint8Array;
  #offset = 0;
  /** Bytes before the current part. */
  #before = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
    this.#part = parts[0] ?? new Uint8Array(0);
  }

  /** Bytes consumed. */
  get position(): number {
    return this.#before + this.#offset;
  }

  /** Goes back to the start. */
  rewind(): void {
    this.#index = 0;
    this.#part = this.#parts[0] ?? new Uint8Array(0);
    this.#offset = 0;
    this.#before = 0;
  }

  #fail(reason: string): never {
    throw new DecodeError(reason, this.position);
  }

  /** Steps over exhausted (and empty) parts; false at the end. */
  #advance(): boolean {
    while (this.#offset === this.#part.length) {
      if (this.#index + 1 >= this.#parts.length) return false;
      this.#before += this.#part.length;
      this.#part = this.#parts[++this.#index]!;
      this.#offset = 0;
    }
    return true;
  }

  u8(): number {
    if (!this.#advance()) this.#fail('wants 1 byte, none left');
    return this.#part[this.#offset++]!;
  }

  u32(): number {
    const o = this.#offset;
    const b = this.#part;
    if (o + 4 <= b.length) {
      this.#offset = o + 4;
      return (b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24)) >>> 0;
    }
    return (this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24)) >>> 0;
  }

  /** The next `length` bytes: a view where they lie in one part, else a copy. */
  raw(length: number): Uint8Array {
    if (length === 0) return this.#part.subarray(this.#offset, this.#offset);
    if (!this.#advance()) this.#fail(`wants ${length} bytes, none left`);
    const o = this.#offset;
    if (o + length <= this.#part.length) {
      this.#offset = o + length;
      return this.#part.subarray(o, o + length);
    }
    const left = this.#remaining();
    if (length > left) this.#fail(`wants ${length} bytes, ${left} left`);
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      this.#advance();
      const n = Math.min(length - done, this.#part.length - this.#offset);
      out.set(this.#part.subarray(this.#offset, this.#offset + n), done);
      this.#offset += n;
      done += n;
    }
    return out;
  }

  /** The next `length` bytes as views in order, never copied. */
  views(length: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      if (!this.#advance()) this.#fail(`wants ${length} bytes, ${length - left} there`);
      const n = Math.min(left, this.#part.length - this.#offset);
      out.push(
        n === this.#part.length && this.#offset === 0
          ? this.#part
          : this.#part.subarray(this.#offset, this.#offset + n),
      );
      this.#offset += n;
      left -= n;
    }
    return out;
  }

  skip(length: number): void {
    let left = length;
    while (left > 0) {
      if (!this.#advance()) this.#fail(`skips ${length} bytes, ${length - left} there`);
      const n = Math.min(left, this.#part.length - this.#offset);
      this.#offset += n;
      left -= n;
    }
  }

  /** A bufferlist: u32 length and the bytes. */
  blob(): Uint8Array {
    return this.raw(this.u32());
  }

  /** A string: u32 length and the bytes. */
  string(): string {
    const length = this.u32();
    const o = this.#offset;
    if (o + length <= this.#part.length) {
      this.#offset = o + length;
      return decodeText(this.#part, o, o + length);
    }
    return decodeText(this.raw(length));
  }

  /** A string: u32 length and the bytes, as a byte string. */
  byteString(): ByteString {
    const length = this.u32();
    const o = this.#offset;
    if (o + length <= this.#part.length) {
      this.#offset = o + length;
      return bytesToByteString(this.#part, o, o + length);
    }
    return bytesToByteString(this.raw(length));
  }

  /** An element count, refused where the bytes left cannot hold that many. */
  count(elementLength_min: number): number {
    const n = this.u32();
    if (n * elementLength_min > this.#remaining()) this.#fail(`claims ${n} elements, ${this.#remaining()} bytes left`);
    return n;
  }

  /** All that is left, as one buffer. */
  rest(): Uint8Array {
    return this.raw(this.#remaining());
  }

  #remaining(): number {
    let n = this.#part.length - this.#offset;
    for (let i = this.#index + 1; i < this.#parts.length; i++) n += this.#parts[i]!.length;
    return n;
  }
}
