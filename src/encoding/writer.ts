import { encodeText } from './text.ts';

const TWO_32 = 0x1_0000_0000;
/** Up to here text is written character by character: the way through TextEncoder costs a microsecond and an array of its own. */
const SHORT = 96;

/** A growing little-endian buffer. `bytes()` gives what was written, as a view. */
export class Writer {
  #buffer: Uint8Array;
  #view: DataView;
  /** Where what was written last begins: behind what was taken. */
  #start = 0;
  /** One past the last byte written. */
  #end = 0;
  /** Feature bits of the receiver, for structs whose form hangs on them. */
  readonly features: bigint;

  constructor(capacity = 256, features = ~0n) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
    this.features = features;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** What was written so far; shares memory, so later writes that patch are seen and ones that grow are not. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /**
   * What was written so far, which stays as it is: the writer begins anew behind it. Many small encodings then lie side by side in one piece of memory, which
   * lasts as long as any of them.
   */
  take(): Uint8Array {
    const bytes = this.bytes();
    this.#start = this.#end;
    return bytes;
  }

  /** Forgets what was written since the last {@link Writer.take} and keeps the memory. Only where no view of it is in use. */
  reset(): void {
    this.#end = this.#start;
  }

  #reserve(length: number): number {
    if (this.#end + length > this.#buffer.length) this.#grow(length);
    const at = this.#end;
    this.#end = at + length;
    return at;
  }

  #grow(length: number): void {
    const there = this.bytes();
    const needed = there.length + length;
    const { capacity } = this;
    // Memory that is used up by what was taken is left to that, and as much again begun.
    const isUsedUp = this.#start > 0 && 2 * needed <= capacity;
    const grown = new Uint8Array(isUsedUp ? capacity : Math.max(needed, capacity * 2));
    grown.set(there);
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
    this.#start = 0;
    this.#end = there.length;
  }

  u8(x: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = x;
  }

  s8(x: number): void {
    this.u8(x);
  }

  bool(x: boolean): void {
    this.u8(x ? 1 : 0);
  }

  u16(x: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, x, true);
  }

  s16(x: number): void {
    this.u16(x);
  }

  u32(x: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, x, true);
  }

  s32(x: number): void {
    this.u32(x);
  }

  u64(x: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, x), true);
  }

  s64(x: bigint): void {
    this.u64(x);
  }

  /** An unsigned 64-bit value given as a double. Values from 2^64 on are written as all ones. */
  u64num(x: number): void {
    const at = this.#reserve(8);
    if (x >= 0 && x < TWO_32) {
      this.#view.setUint32(at, x, true);
      this.#view.setUint32(at + 4, 0, true);
      return;
    }
    if (x >= 0x1_0000_0000_0000_0000) {
      this.#view.setUint32(at, 0xffffffff, true);
      this.#view.setUint32(at + 4, 0xffffffff, true);
      return;
    }
    this.#view.setUint32(at, x % TWO_32, true);
    this.#view.setUint32(at + 4, Math.floor(x / TWO_32), true);
  }

  /** A signed 64-bit value given as a double. */
  s64num(x: number): void {
    const at = this.#reserve(8);
    if (x >= 0 && x < TWO_32) {
      this.#view.setUint32(at, x, true);
      this.#view.setUint32(at + 4, 0, true);
      return;
    }
    const high = Math.floor(x / TWO_32);
    this.#view.setUint32(at, x - high * TWO_32, true);
    this.#view.setInt32(at + 4, high, true);
  }

  f64(x: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, x, true);
  }

  f32(x: number): void {
    const at = this.#reserve(4);
    this.#view.setFloat32(at, x, true);
  }

  /** Bytes as they are, copied. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  zeros(length: number): void {
    const at = this.#reserve(length);
    this.#buffer.fill(0, at, at + length);
  }

  /** A bufferlist: u32 length, then the bytes. */
  blob(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  string(s: string): void {
    const n = s.length;
    if (n <= SHORT) {
      // Short ASCII by hand; anything else backs out to the general way.
      const at = this.#reserve(4 + n);
      let i = 0;
      for (; i < n; i++) {
        const c = s.charCodeAt(i);
        if (c >= 0x80) break;
        this.#buffer[at + 4 + i] = c;
      }
      if (i === n) {
        this.#view.setUint32(at, n, true);
        return;
      }
      this.#end = at;
    }
    this.blob(encodeText(s));
  }

  /** Overwrites a u32 written earlier. */
  patchU32(at: number, x: number): void {
    this.#view.setUint32(this.#start + at, x, true);
  }

  /** Overwrites a u8 written earlier. */
  patchU8(at: number, x: number): void {
    this.#buffer[this.#start + at] = x;
  }

  /** Opens a versioned struct; returns the token for {@link Writer.structEnd}. */
  structStart(version: number, compat: number): number {
    this.u8(version);
    this.u8(compat);
    this.u32(0);
    return this.length;
  }

  structEnd(token: number): void {
    this.patchU32(token - 4, this.length - token);
  }
}
