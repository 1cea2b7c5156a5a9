/** Bytes whose presence is told apart: what `extents` reports and what whole-block zeroing frees. */
const BLOCK = 4096;
const CHUNK = 64 * 1024;
const BLOCKS_PER_CHUNK = CHUNK / BLOCK;

interface Chunk {
  /** A multiple of a block, up to a chunk; grows with what is written. */
  bytes: Uint8Array;
  /** Bit i: block i holds data (else it is a hole and zeros). */
  present: number;
}

/** Data of an object in memory: sparse, in chunks of 64 KiB, holes told in blocks of 4 KiB. */
export class MemoryData {
  size = 0;
  #chunks = new Map<number, Chunk>();

  /** Bytes held. */
  allocated = 0;

  #setPresent(chunk: Chunk, present: number): void {
    if (present === chunk.present) return;
    this.allocated += (bitCount(present) - bitCount(chunk.present)) * BLOCK;
    chunk.present = present;
  }

  clone(): MemoryData {
    const copy = new MemoryData();
    copy.size = this.size;
    copy.allocated = this.allocated;
    for (const [i, c] of this.#chunks) copy.#chunks.set(i, { bytes: c.bytes.slice(), present: c.present });
    return copy;
  }

  /** A copy of the bytes; the range must lie within the size. */
  read(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = offset + done;
      const within = at % CHUNK;
      const n = Math.min(length - done, CHUNK - within);
      const chunk = this.#chunks.get((at - within) / CHUNK);
      if (chunk !== undefined && within < chunk.bytes.length) {
        out.set(chunk.bytes.subarray(within, Math.min(within + n, chunk.bytes.length)), done);
      }
      done += n;
    }
    return out;
  }

  write(offset: number, parts: readonly Uint8Array[]): void {
    let at = offset;
    for (const part of parts) {
      let done = 0;
      while (done < part.length) {
        const within = at % CHUNK;
        const n = Math.min(part.length - done, CHUNK - within);
        const chunk = this.#chunk((at - within) / CHUNK, within + n);
        chunk.bytes.set(part.subarray(done, done + n), within);
        const mask = blockMask(Math.floor(within / BLOCK), Math.floor((within + n - 1) / BLOCK));
        this.#setPresent(chunk, chunk.present | mask);
        done += n;
        at += n;
      }
    }
    if (at > this.size && at > offset) this.size = at;
  }

  #chunk(index: number, length: number): Chunk {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = { bytes: new Uint8Array(roundUp(length)), present: 0 };
      this.#chunks.set(index, chunk);
    } else if (chunk.bytes.length < length) {
      const grown = new Uint8Array(Math.min(CHUNK, Math.max(roundUp(length), chunk.bytes.length * 2)));
      grown.set(chunk.bytes);
      chunk.bytes = grown;
    }
    return chunk;
  }

  /** Zeros the range; whole blocks become holes. Grows the size. */
  zero(offset: number, length: number): void {
    if (length === 0) return;
    // The end of the object counts as the end of a block: nothing is in it beyond.
    const end = offset + length;
    this.#clear(offset, (end >= this.size ? roundUp(end) : end) - offset);
    this.size = Math.max(this.size, end);
  }

  #clear(offset: number, length: number): void {
    const end = offset + length;
    const last = Math.floor((end - 1) / CHUNK);
    const first = Math.floor(offset / CHUNK);
    if (last - first > this.#chunks.size) {
      for (const index of [...this.#chunks.keys()])
        if (index >= first && index <= last) this.#clearChunk(index, offset, end);
      return;
    }
    for (let index = first; index <= last; index++) this.#clearChunk(index, offset, end);
  }

  #clearChunk(index: number, offset: number, end: number): void {
    const chunk = this.#chunks.get(index);
    if (chunk === undefined) return;
    const from = Math.max(0, offset - index * CHUNK);
    const to = Math.min(CHUNK, end - index * CHUNK);
    chunk.bytes.fill(0, Math.min(from, chunk.bytes.length), Math.min(to, chunk.bytes.length));
    const firstWhole = Math.ceil(from / BLOCK);
    const lastWhole = Math.floor(to / BLOCK) - 1;
    if (lastWhole >= firstWhole) this.#setPresent(chunk, chunk.present & ~blockMask(firstWhole, lastWhole));
    if (chunk.present === 0) this.#chunks.delete(index);
  }

  truncate(size: number): void {
    if (size < this.size) {
      // Also the rest of the last block, and its presence where nothing is left in it.
      this.#clear(size, Math.ceil(this.size / BLOCK) * BLOCK - size);
    }
    this.size = size;
  }

  /** Ranges that hold data within [offset, offset + length), clipped to it and to the size. */
  extents(offset: number, length: number): { offset: number; length: number }[] {
    const end = Math.min(this.size, offset + length);
    const out: { offset: number; length: number }[] = [];
    const indices = [...this.#chunks.keys()].sort((a, b) => a - b);
    for (const index of indices) {
      const chunk = this.#chunks.get(index)!;
      for (let b = 0; b < BLOCKS_PER_CHUNK; b++) {
        if ((chunk.present & (1 << b)) === 0) continue;
        const from = Math.max(offset, index * CHUNK + b * BLOCK);
        const to = Math.min(end, index * CHUNK + (b + 1) * BLOCK);
        if (to <= from) continue;
        const previous = out[out.length - 1];
        if (previous !== undefined && previous.offset + previous.length === from) previous.length += to - from;
        else out.push({ offset: from, length: to - from });
      }
    }
    return out;
  }

  /** Copies a range of `from` here, holes as holes where whole blocks are. */
  copyRange(from: MemoryData, offset: number, length: number, to: number): void {
    const end = Math.min(from.size, offset + length);
    if (end <= offset) return;
    const parts = from
      .extents(offset, end - offset)
      .map((e) => ({ at: to + e.offset - offset, bytes: from.read(e.offset, e.length) }));
    this.zero(to, end - offset);
    for (const part of parts) this.write(part.at, [part.bytes]);
  }
}

function roundUp(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK;
}

/** Bits first..last. */
function blockMask(first: number, last: number): number {
  return ((1 << (last - first + 1)) - 1) << first;
}

function bitCount(mask: number): number {
  let n = 0;
  for (let m = mask; m !== 0; m &= m - 1) n++;
  return n;
}
