const SLAB = 256 * 1024;

/**
 * Small pieces of bytes of about one lifetime, cut one after another from larger pieces of memory: an ArrayBuffer of its own for each costs more than what is
 * put in it. A piece is freed when nothing cut from it is in use any more; content is whatever it was.
 */
export class Arena {
  readonly #slabBytes: number;
  bytes: Uint8Array;
  view: DataView;
  #used = 0;

  constructor(slabBytes = SLAB) {
    this.#slabBytes = slabBytes;
    this.bytes = new Uint8Array(0);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Room for `length` bytes: its offset in `bytes`, which the caller must take at once, for the next call may replace it. */
  cut(length: number): number {
    if (this.#used + length > this.bytes.length) {
      const buffer = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, length));
      this.bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
      this.view = new DataView(this.bytes.buffer);
      this.#used = 0;
    }
    const at = this.#used;
    // Multiples of 8 keep copies aligned.
    this.#used = (at + length + 7) & ~7;
    return at;
  }

  /** A view of `length` bytes. */
  take(length: number): Uint8Array {
    const at = this.cut(length);
    return this.bytes.subarray(at, at + length);
  }

  copy(bytes: Uint8Array): Uint8Array {
    const at = this.cut(bytes.length);
    this.bytes.set(bytes, at);
    return this.bytes.subarray(at, at + bytes.length);
  }
}
