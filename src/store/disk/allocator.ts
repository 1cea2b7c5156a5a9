import { invariant } from '../../base/index.ts';
import { NO_BLOCK, PAGE_BLOCKS, PAGE_BYTES } from './format.ts';

const PAGE_WORDS = PAGE_BLOCKS / 32;
/** Most sharers of one block; a clone beyond copies the data. */
const EXTRA_MAX = 0xffff;
/** The limit grows by this many pages: 64 MiB. */
const LIMIT_STEP = 4;

/** A run of blocks. */
export interface Run {
  start: number;
  count: number;
}

/**
 * What one generation (the transactions between two checkpoints) changed of the allocation: persisted with its checkpoint, and
 * only then may what it freed be used again, since until then the last checkpoint may still be what a crash leads back to.
 */
export class AllocationDelta {
  /** start, count pairs. */
  readonly allocated: number[] = [];
  readonly freed: number[] = [];
  readonly references = new Map<number, number>();

  get isEmpty(): boolean {
    return this.allocated.length === 0 && this.freed.length === 0 && this.references.size === 0;
  }
}

/**
 * Blocks of the block file. In memory one bit for each (busy: in use, or freed and not yet safe to use again) with a count of free
 * ones per page of 4096, and for blocks that clones share a count of further owners. 10 GB take 320 KB.
 *
 * Search goes on from where the last one ended (next fit), page by page; full pages are passed over by their count. A request is
 * served by one run where one is found within a bounded search, else from the pieces that are there.
 *
 * The search stays below a limit that grows only when less than an eighth below it is free: blocks that were in use before are taken
 * again rather than ever new ones, so the (sparse) file stays near the size of what it holds, and a sync has no new extents to record.
 */
export class BlockAllocator {
  readonly blockCount: number;
  readonly #busy: Uint32Array;
  readonly #pageFree: Uint16Array;
  readonly #extra = new Map<number, Uint16Array>();
  #free: number;
  #cursor = 0;
  /** Pages below the limit, and free blocks in them. */
  #limitPages = 0;
  #freeBelow = 0;
  #pendingFree = 0;
  #held = 0;

  constructor(blockCount: number) {
    invariant(blockCount < NO_BLOCK, 'too many blocks', { blockCount });
    this.blockCount = blockCount;
    const pages = Math.ceil(blockCount / PAGE_BLOCKS);
    this.#busy = new Uint32Array(pages * PAGE_WORDS);
    this.#pageFree = new Uint16Array(pages).fill(PAGE_BLOCKS);
    this.#free = blockCount;
    // What the last page covers beyond the end is never free.
    for (let b = blockCount; b < pages * PAGE_BLOCKS; b++) {
      this.#busy[b >>> 5]! |= 1 << (b & 31);
      this.#pageFree[pages - 1]!--;
    }
  }

  /** Blocks that may be allocated now. */
  get free(): number {
    return this.#free;
  }

  /** Blocks that will be free after the next checkpoints. */
  get pendingFree(): number {
    return this.#pendingFree;
  }

  /** Free blocks that are not to be allocated for the moment: see {@link hold}. */
  get held(): number {
    return this.#held;
  }

  get used(): number {
    return this.blockCount - this.#free - this.#pendingFree - this.#held;
  }

  /** Whether all blocks of a run may be allocated. */
  isFree(start: number, count: number): boolean {
    const end = start + count;
    if (end > this.blockCount) return false;
    for (let b = start; b < end; ) {
      if ((b & 31) === 0 && end - b >= 32) {
        if (this.#busy[b >>> 5] !== 0) return false;
        b += 32;
      } else if (this.isBusy(b++)) return false;
    }
    return true;
  }

  /** Keeps a run of free blocks from being allocated until {@link letGo}. */
  hold(start: number, count: number): void {
    invariant(this.isFree(start, count), 'blocks in use are held', { start, count });
    this.#setBusy(start, count);
    this.#held += count;
  }

  letGo(start: number, count: number): void {
    this.#setFree(start, count);
    this.#held -= count;
  }

  isBusy(block: number): boolean {
    return (this.#busy[block >>> 5]! & (1 << (block & 31))) !== 0;
  }

  #countFree(block: number, change: number): void {
    const page = Math.floor(block / PAGE_BLOCKS);
    this.#pageFree[page]! += change;
    if (page < this.#limitPages) this.#freeBelow += change;
  }

  /** Raises the limit to so many pages. */
  #raiseLimit(pages: number): void {
    const to = Math.min(pages, this.#pageFree.length);
    for (let page = this.#limitPages; page < to; page++) this.#freeBelow += this.#pageFree[page]!;
    this.#limitPages = Math.max(this.#limitPages, to);
  }

  /** Sees to it that `count` blocks are free below the limit, and enough beyond that for runs to be found. */
  #makeRoom(count: number): void {
    while (this.#limitPages < this.#pageFree.length && this.#freeBelow < count + (this.#limitPages * PAGE_BLOCKS) / 8) {
      // What is new is in one piece: go on there.
      this.#cursor = this.#limitPages * PAGE_BLOCKS;
      this.#raiseLimit(this.#limitPages + LIMIT_STEP);
    }
  }

  #setBusy(start: number, count: number): void {
    const end = start + count;
    for (let b = start; b < end; ) {
      const bit = b & 31;
      if (bit === 0 && end - b >= 32) {
        this.#busy[b >>> 5] = 0xffff_ffff;
        this.#countFree(b, -32);
        b += 32;
      } else {
        this.#busy[b >>> 5]! |= 1 << bit;
        this.#countFree(b, -1);
        b++;
      }
    }
    this.#free -= count;
  }

  #setFree(start: number, count: number): void {
    for (let b = start; b < start + count; b++) {
      this.#busy[b >>> 5]! &= ~(1 << (b & 31));
      this.#countFree(b, 1);
    }
    this.#free += count;
  }

  /** Loads a page of the persisted map (bits of blocks in use). */
  loadPage(page: number, bits: Uint8Array): void {
    const first = page * PAGE_BLOCKS;
    this.#raiseLimit(page + 1);
    for (let i = 0; i < bits.length; i++) {
      let byte = bits[i]!;
      if (byte === 0xff && i % 4 === 0 && bits[i + 1] === 0xff && bits[i + 2] === 0xff && bits[i + 3] === 0xff) {
        this.#setBusy(first + i * 8, 32);
        i += 3;
        continue;
      }
      for (; byte !== 0; byte &= byte - 1) {
        const b = first + i * 8 + (31 - Math.clz32(byte & -byte));
        if (b < this.blockCount) this.#setBusy(b, 1);
      }
    }
  }

  /** Loads the counts of further owners of a page: pairs of block within the page and count. */
  loadReferences(page: number, pairs: Uint8Array): void {
    const counts = new Uint16Array(PAGE_BLOCKS);
    const v = new DataView(pairs.buffer, pairs.byteOffset, pairs.byteLength);
    for (let i = 0; i + 4 <= pairs.length; i += 4) counts[v.getUint16(i, true)] = v.getUint16(i + 2, true);
    this.#extra.set(page, counts);
  }

  /** Takes `count` blocks, in as few runs as the search finds. Throws an InvariantError where they are not there: check `free` first. */
  allocate(count: number, delta: AllocationDelta): Run[] {
    invariant(count <= this.#free, 'more blocks asked for than are free', { count, free: this.#free });
    const runs: Run[] = [];
    this.#makeRoom(count);
    let left = count;
    if (left > 1) {
      let run = this.#findRun(left);
      if (run < 0 && this.#limitPages < this.#pageFree.length) {
        this.#cursor = this.#limitPages * PAGE_BLOCKS;
        this.#raiseLimit(this.#limitPages + Math.max(LIMIT_STEP, Math.ceil(left / PAGE_BLOCKS)));
        run = this.#findRun(left);
      }
      if (run >= 0) {
        this.#take(run, left, runs, delta);
        return runs;
      }
    }
    while (left > 0) {
      const start = this.#nextFree(this.#cursor);
      let n = 1;
      while (n < left && start + n < this.#limitPages * PAGE_BLOCKS && !this.isBusy(start + n)) n++;
      this.#take(start, n, runs, delta);
      left -= n;
    }
    return runs;
  }

  /** Takes one block. */
  allocateOne(delta: AllocationDelta): number {
    invariant(this.#free > 0, 'no block is free');
    if (this.#freeBelow < 1024) this.#makeRoom(1);
    const start = this.#nextFree(this.#cursor);
    this.#setBusy(start, 1);
    this.#cursor = start + 1;
    const a = delta.allocated;
    const n = a.length;
    if (n > 0 && a[n - 2]! + a[n - 1]! === start) a[n - 1]!++;
    else a.push(start, 1);
    return start;
  }

  #take(start: number, count: number, runs: Run[], delta: AllocationDelta): void {
    this.#setBusy(start, count);
    this.#cursor = start + count;
    runs.push({ start, count });
    delta.allocated.push(start, count);
  }

  /** The first free block from `from` on, going round below the limit. */
  #nextFree(from: number): number {
    const words = this.#limitPages * PAGE_WORDS;
    const first = from >= words * 32 ? 0 : from;
    let w = first >>> 5;
    // Bits below the start of the first word count as busy the first time.
    let word = (this.#busy[w]! | ((1 << (first & 31)) - 1)) >>> 0;
    for (let steps = 0; steps <= words + PAGE_WORDS; ) {
      if (word !== 0xffff_ffff) {
        const inverted = ~word >>> 0;
        return w * 32 + (31 - Math.clz32(inverted & -inverted));
      }
      w++;
      steps++;
      while (w % PAGE_WORDS === 0 && steps <= words + PAGE_WORDS) {
        if (w >= words) w = 0;
        if (this.#pageFree[w / PAGE_WORDS]! > 0) break;
        w += PAGE_WORDS;
        steps += PAGE_WORDS;
      }
      if (w >= words) w = 0;
      word = this.#busy[w]!;
    }
    invariant(false, 'the free count does not agree with the map', { free: this.#free });
  }

  /** A run of `count` free blocks near the cursor, or -1. Looks at 64 pages that may have one at most. */
  #findRun(count: number): number {
    const pages = this.#limitPages;
    const top = Math.min(this.blockCount, pages * PAGE_BLOCKS);
    const wantedInPage = Math.min(count, PAGE_BLOCKS);
    let page = Math.floor((this.#cursor >= top ? 0 : this.#cursor) / PAGE_BLOCKS);
    let looked = 0;
    let run = 0;
    let start = 0;
    let from = this.#cursor >= top ? 0 : this.#cursor;
    for (let i = 0; i <= pages && looked < 64; i++) {
      if (
        this.#pageFree[page]! === 0 ||
        (run === 0 && wantedInPage > 256 && this.#pageFree[page]! < wantedInPage / 8)
      ) {
        run = 0;
      } else {
        looked++;
        const end = Math.min((page + 1) * PAGE_BLOCKS, this.blockCount);
        for (let b = Math.max(from, page * PAGE_BLOCKS); b < end; ) {
          const word = this.#busy[b >>> 5]!;
          if ((b & 31) === 0 && word === 0 && end - b >= 32) {
            if (run === 0) start = b;
            run += 32;
            b += 32;
          } else if ((b & 31) === 0 && word === 0xffff_ffff) {
            run = 0;
            b += 32;
          } else {
            if ((word & (1 << (b & 31))) === 0) {
              if (run === 0) start = b;
              run++;
            } else run = 0;
            b++;
          }
          if (run >= count) return start;
        }
      }
      page++;
      from = 0;
      if (page >= pages) {
        page = 0;
        run = 0;
      }
    }
    return -1;
  }

  /** Marks blocks that a replayed record had taken. False where one of them is in use: the log does not fit the checkpoint. */
  takeExact(start: number, count: number, delta: AllocationDelta): boolean {
    if (start + count > this.blockCount) return false;
    this.#raiseLimit(Math.floor((start + count - 1) / PAGE_BLOCKS) + 1);
    for (let b = start; b < start + count; b++) if (this.isBusy(b)) return false;
    this.#setBusy(start, count);
    delta.allocated.push(start, count);
    return true;
  }

  /** Further owners of a block, beyond the first. */
  extraOwners(block: number): number {
    const page = this.#extra.size === 0 ? undefined : this.#extra.get(Math.floor(block / PAGE_BLOCKS));
    return page === undefined ? 0 : page[block % PAGE_BLOCKS]!;
  }

  /** Adds an owner; false where the block has as many as can be counted. */
  share(block: number, delta: AllocationDelta): boolean {
    const index = Math.floor(block / PAGE_BLOCKS);
    let page = this.#extra.get(index);
    if (page === undefined) {
      page = new Uint16Array(PAGE_BLOCKS);
      this.#extra.set(index, page);
    }
    const i = block % PAGE_BLOCKS;
    if (page[i] === EXTRA_MAX) return false;
    page[i]!++;
    delta.references.set(block, (delta.references.get(block) ?? 0) + 1);
    return true;
  }

  /** Takes one owner away. True where it was the last: the block is free once the generation is checkpointed. */
  unshare(block: number, delta: AllocationDelta): boolean {
    invariant(this.isBusy(block), 'a free block is freed', { block });
    if (this.#extra.size > 0) {
      const page = this.#extra.get(Math.floor(block / PAGE_BLOCKS));
      const i = block % PAGE_BLOCKS;
      if (page !== undefined && page[i]! > 0) {
        page[i]!--;
        delta.references.set(block, (delta.references.get(block) ?? 0) - 1);
        return false;
      }
    }
    const f = delta.freed;
    const n = f.length;
    if (n > 0 && f[n - 2]! + f[n - 1]! === block) f[n - 1]!++;
    else f.push(block, 1);
    this.#pendingFree++;
    return true;
  }

  /** After the checkpoint of the generation is durable: what it freed may be used. */
  release(delta: AllocationDelta): void {
    const f = delta.freed;
    for (let i = 0; i < f.length; i += 2) {
      const start = f[i]!;
      const count = f[i + 1]!;
      this.#setFree(start, count);
      this.#pendingFree -= count;
    }
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.#busy.byteLength + this.#pageFree.byteLength + this.#extra.size * PAGE_BLOCKS * 2;
  }
}

/** Pages that a generation's delta changes, with what is to be stored; reads the stored ones through `get`. */
export class AllocationPages {
  readonly #bits = new Map<number, Uint8Array>();
  readonly #references = new Map<number, Map<number, number>>();

  constructor(
    delta: AllocationDelta,
    readBits: (page: number) => Uint8Array | undefined,
    readReferences: (page: number) => Uint8Array | undefined,
  ) {
    const page = (index: number): Uint8Array => {
      let p = this.#bits.get(index);
      if (p === undefined) {
        p = new Uint8Array(PAGE_BYTES);
        const stored = readBits(index);
        if (stored !== undefined) p.set(stored);
        this.#bits.set(index, p);
      }
      return p;
    };
    // First what was taken, then what was freed: a block may be both in one generation, and is then free.
    each(delta.allocated, (b) => {
      page(Math.floor(b / PAGE_BLOCKS))[(b % PAGE_BLOCKS) >>> 3]! |= 1 << (b & 7);
    });
    each(delta.freed, (b) => {
      page(Math.floor(b / PAGE_BLOCKS))[(b % PAGE_BLOCKS) >>> 3]! &= ~(1 << (b & 7));
    });
    for (const [block, change] of delta.references) {
      if (change === 0) continue;
      const index = Math.floor(block / PAGE_BLOCKS);
      let counts = this.#references.get(index);
      if (counts === undefined) {
        counts = new Map();
        const stored = readReferences(index);
        if (stored !== undefined) {
          const v = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
          for (let i = 0; i + 4 <= stored.length; i += 4) counts.set(v.getUint16(i, true), v.getUint16(i + 2, true));
        }
        this.#references.set(index, counts);
      }
      const within = block % PAGE_BLOCKS;
      const count = (counts.get(within) ?? 0) + change;
      invariant(count >= 0 && count <= EXTRA_MAX, 'count of owners out of range', { block, count });
      if (count === 0) counts.delete(within);
      else counts.set(within, count);
    }
  }

  /** Page and content; undefined content where nothing is left to store. */
  *bits(): IterableIterator<readonly [number, Uint8Array | undefined]> {
    for (const [index, bytes] of this.#bits) yield [index, bytes.every((b) => b === 0) ? undefined : bytes];
  }

  *references(): IterableIterator<readonly [number, Uint8Array | undefined]> {
    for (const [index, counts] of this.#references) {
      if (counts.size === 0) {
        yield [index, undefined];
        continue;
      }
      const bytes = new Uint8Array(counts.size * 4);
      const v = new DataView(bytes.buffer);
      let at = 0;
      for (const [block, count] of [...counts].sort((a, b) => a[0] - b[0])) {
        v.setUint16(at, block, true);
        v.setUint16(at + 2, count, true);
        at += 4;
      }
      yield [index, bytes];
    }
  }
}

function each(runs: readonly number[], visit: (block: number) => void): void {
  for (let i = 0; i < runs.length; i += 2) {
    const start = runs[i]!;
    const end = start + runs[i + 1]!;
    for (let b = start; b < end; b++) visit(b);
  }
}
