import {
  BLOCK_CRCS_MIN,
  crc32c,
  invariant,
  knownBlockCrcs,
  LARGE_MIN,
  rememberBlockCrcs,
  takeLarge,
} from '../../base/index.ts';
import { StoreError } from '../api.ts';
import { Arena } from '../arena.ts';
import type { Run } from './allocator.ts';
import { readBlob } from './blobs.ts';
import { type Generation, placeSegment, type StoreCore } from './core.ts';
import { corruption } from './corruption.ts';
import { BLOCK_SHIFT, BLOCK_SIZE, CRC_SEED, NO_BLOCK, PACKED, SEGMENT_BLOCKS, SEGMENT_SHIFT } from './format.ts';
import { Blob, type Onode, type PackedBlocks, Segment } from './onode.ts';
import { type PoolUse, poolOf } from './usage.ts';

const SEGMENT_MASK = SEGMENT_BLOCKS - 1;
/** Free blocks that must be left for the rest of a blob to be written anew. */
const REWRITE_FREE_MIN = 1024;

/** Data that goes to the block file before its record is logged; the record says where it lies. */
export interface DirectWrite {
  /** First block within the object, and how many. */
  readonly firstBlock: number;
  readonly count: number;
  readonly runs: Run[];
  readonly crcs: Uint32Array;
  /** Where in the transaction's payload the blocks' bytes are. */
  readonly payloadOffset: number;
}

/** Changes and reads of objects' data, in blocks. Everything it changes belongs to the running generation. */
export class ObjectData {
  readonly #core: StoreCore;
  /** Blocks read ahead of the transaction that is about to change parts of them; see {@link ObjectData.prefetch}. */
  readonly #prefetched = new Map<number, Uint8Array>();
  readonly #prefetchedBlobs = new Map<Blob, Uint8Array>();

  constructor(core: StoreCore) {
    this.#core = core;
  }

  // --- space ------------------------------------------------------------------------------------------------------------------

  #use(o: Onode): PoolUse {
    o.use ??= this.#core.usage.of(poolOf(o.name));
    return o.use;
  }

  /** What of the object's last block, where it has one, lies beyond its end. */
  #slack(o: Onode): number {
    const within = o.size % BLOCK_SIZE;
    if (within === 0) return 0;
    const last = Math.floor(o.size / BLOCK_SIZE);
    const s = this.#core.segment(o, last >>> SEGMENT_SHIFT);
    if (s === undefined) return 0;
    const i = last & SEGMENT_MASK;
    return s.block(i) !== NO_BLOCK || s.memoryOf(i) !== undefined ? BLOCK_SIZE - within : 0;
  }

  /** One owner less of a block of the block file. */
  #giveBack(o: Onode, block: number): void {
    const core = this.#core;
    if (core.allocator.unshare(block, core.generation.allocation)) this.#use(o).allocated -= BLOCK_SIZE;
  }

  /** A block of a blob becomes a hole. */
  #unpack(o: Onode, s: Segment, i: number): void {
    const use = this.#use(o);
    use.compressedOriginal -= BLOCK_SIZE;
    const blob = s.unpack(i);
    if (blob === undefined) return;
    use.compressed -= blob.length;
    const { allocator, generation } = this.#core;
    let freed = 0;
    for (const block of blob.blocks) if (allocator.unshare(block, generation.allocation)) freed += BLOCK_SIZE;
    use.allocated -= freed;
    use.compressedAllocated -= freed;
  }

  // --- blocks -----------------------------------------------------------------------------------------------------------------

  /** Content of a block, or undefined for a hole. The view may be of memory that changes later. Throws on damage. */
  #content(o: Onode, index: number, s: Segment, i: number): Uint8Array | undefined {
    const memory = s.memoryOf(i);
    if (memory !== undefined) return memory;
    const block = s.block(i);
    if (block === NO_BLOCK) return undefined;
    const core = this.#core;
    if (block === PACKED) {
      const at = s.positionInBlob(i) * BLOCK_SIZE;
      return this.#blobContent(o, (index << SEGMENT_SHIFT) + i, s.blob(i)).subarray(at, at + BLOCK_SIZE);
    }
    if (core.inFlight.size > 0) {
      const content = core.inFlight.get(block);
      if (content !== undefined) return content;
    }
    if (this.#prefetched.size > 0) {
      const content = this.#prefetched.get(block);
      if (content !== undefined) return content;
    }
    const content = new Uint8Array(BLOCK_SIZE);
    this.#readBlocks(o, (index << SEGMENT_SHIFT) + i, s, i, 1, content);
    return content;
  }

  /** What a blob stands for. Throws on damage. */
  #blobContent(o: Onode, logical: number, blob: Blob): Uint8Array {
    return this.#prefetchedBlobs.get(blob) ?? readBlob(this.#core, o, logical, blob);
  }

  /** Reads blocks that lie in sequence on disk and checks them. */
  #readBlocks(o: Onode, logical: number, s: Segment, i: number, count: number, into: Uint8Array): void {
    const n = this.#core.blocks.readSync(into, s.block(i) * BLOCK_SIZE);
    // The file may end within its last block's promise; what is missing reads as zeros and fails its checksum where it should not.
    if (n < into.length) into.fill(0, n);
    verifyBlocks(o, logical, s, i, count, into);
  }

  /** A block to be changed in memory: with its content, or (without `needBase`) with whatever. Undefined where its content is lost. */
  #writable(o: Onode, index: number, s: Segment, i: number, needBase: boolean): Uint8Array | undefined {
    const memory = s.memoryOf(i);
    if (memory !== undefined) return memory;
    const core = this.#core;
    const block = s.block(i);
    const b = core.pool.take();
    if (block !== NO_BLOCK) {
      if (needBase) {
        try {
          b.set(this.#content(o, index, s, i)!);
        } catch (error) {
          core.pool.give(b);
          if (core.replaying && error instanceof StoreError && error.kind === 'corrupt') return undefined;
          throw error;
        }
      }
      if (block === PACKED) this.#unpack(o, s, i);
      else {
        this.#giveBack(o, block);
        s.set(i, NO_BLOCK, 0);
      }
    } else {
      this.#use(o).stored += BLOCK_SIZE;
      if (needBase) b.fill(0);
    }
    s.setMemory(i, b);
    core.unplaced++;
    this.#use(o).allocated += BLOCK_SIZE;
    return b;
  }

  /**
   * After blocks of these segments were overwritten or cleared: a blob of which fewer blocks are left than it takes itself is given up, and what is left of it waits in
   * memory as if it had just been written. As BlueStore does where it gains space.
   */
  #rewriteRemainders(o: Onode, firstBlock: number, lastBlock: number): void {
    for (let index = firstBlock >>> SEGMENT_SHIFT; index <= lastBlock >>> SEGMENT_SHIFT; index++) {
      const s = o.segments[index];
      if (s?.blobs === undefined) continue;
      for (let place = 0; place < (s.blobs?.length ?? 0); place++) {
        const entry = s.blobs?.[place];
        if (entry !== undefined && entry.uses < entry.blob.blocks.length) this.#rewrite(o, index, s, place);
      }
    }
  }

  #rewrite(o: Onode, index: number, s: Segment, place: number): void {
    const core = this.#core;
    const { blob, uses } = s.blobs![place]!;
    // What others own too would not become free; and what it takes until the checkpoint must be there.
    for (const block of blob.blocks) if (core.allocator.extraOwners(block) > 0) return;
    if (core.allocator.free - core.unplaced < uses + REWRITE_FREE_MIN) return;
    let content: Uint8Array | undefined;
    for (let i = 0; i < s.count; i++) {
      if (s.block(i) !== PACKED || s.crc(i) >>> 8 !== place) continue;
      if (content === undefined) {
        try {
          content = this.#blobContent(o, (index << SEGMENT_SHIFT) + i, blob);
        } catch (error) {
          // Damaged, or its compressor is gone: for whoever reads it.
          if (error instanceof StoreError) return;
          throw error;
        }
      }
      const at = s.positionInBlob(i) * BLOCK_SIZE;
      const b = core.pool.take();
      b.set(content.subarray(at, at + BLOCK_SIZE));
      this.#unpack(o, s, i);
      s.setMemory(i, b);
      s.dirty = true;
      core.unplaced++;
      this.#use(o).allocated += BLOCK_SIZE;
    }
  }

  #drop(o: Onode, s: Segment, i: number): void {
    const core = this.#core;
    const memory = s.memoryOf(i);
    if (memory !== undefined) {
      s.setMemory(i, undefined);
      core.pool.give(memory);
      core.unplaced--;
      const use = this.#use(o);
      use.allocated -= BLOCK_SIZE;
      use.stored -= BLOCK_SIZE;
      return;
    }
    const block = s.block(i);
    if (block === NO_BLOCK) return;
    this.#use(o).stored -= BLOCK_SIZE;
    if (block === PACKED) this.#unpack(o, s, i);
    else {
      this.#giveBack(o, block);
      s.set(i, NO_BLOCK, 0);
    }
  }

  /** Reads what a partial write at these places will need, so that damage shows before anything is changed. */
  prefetch(o: Onode, offset: number, length: number): void {
    const end = offset + length;
    if ((offset & (BLOCK_SIZE - 1)) !== 0) this.#prefetchBlock(o, Math.floor(offset / BLOCK_SIZE));
    if (end % BLOCK_SIZE !== 0 && end < o.size) this.#prefetchBlock(o, Math.floor(end / BLOCK_SIZE));
  }

  #prefetchBlock(o: Onode, logical: number): void {
    const index = logical >>> SEGMENT_SHIFT;
    const s = this.#core.segment(o, index);
    if (s === undefined) return;
    const i = logical & SEGMENT_MASK;
    const block = s.block(i);
    if (block === NO_BLOCK || s.memoryOf(i) !== undefined) return;
    if (block === PACKED) {
      const blob = s.blob(i);
      this.#prefetchedBlobs.set(blob, this.#blobContent(o, logical, blob));
      return;
    }
    this.#prefetched.set(block, this.#content(o, index, s, i)!);
  }

  forgetPrefetched(): void {
    if (this.#prefetched.size > 0) this.#prefetched.clear();
    if (this.#prefetchedBlobs.size > 0) this.#prefetchedBlobs.clear();
  }

  // --- changes ----------------------------------------------------------------------------------------------------------------

  /** Writes into memory. Whole blocks need no old content; the end of the object counts as a block's end. */
  write(o: Onode, offset: number, parts: readonly Uint8Array[], length: number): void {
    const end = offset + length;
    const slack = this.#slack(o);
    let at = offset;
    let part = 0;
    let within = 0;
    while (at < end) {
      const logical = Math.floor(at / BLOCK_SIZE);
      const from = at - logical * BLOCK_SIZE;
      const to = Math.min(BLOCK_SIZE, end - logical * BLOCK_SIZE);
      const index = logical >>> SEGMENT_SHIFT;
      const s = this.#core.segmentForWrite(o, index);
      const whole = from === 0 && (to === BLOCK_SIZE || end >= o.size);
      const b = this.#writable(o, index, s, logical & SEGMENT_MASK, !whole);
      if (whole && to < BLOCK_SIZE) b!.fill(0, to);
      // Gather from the parts.
      let done = from;
      while (done < to) {
        const p = parts[part]!;
        const n = Math.min(to - done, p.length - within);
        if (b !== undefined) {
          if (n === p.length) b.set(p, done);
          else b.set(p.subarray(within, within + n), done);
        }
        done += n;
        within += n;
        if (within === p.length) {
          part++;
          within = 0;
        }
      }
      at += to - from;
    }
    if (end > o.size) o.size = end;
    this.#recount(o, slack);
    this.#rewriteRemainders(o, Math.floor(offset / BLOCK_SIZE), Math.floor((end - 1) / BLOCK_SIZE));
    o.dataVersion++;
  }

  /** After a change of the object's end: `before` is what #slack gave. */
  #recount(o: Onode, before: number): void {
    const change = before - this.#slack(o);
    if (change !== 0) this.#use(o).stored += change;
  }

  /** Puts whole blocks that were (or are being) written to the block file in place. */
  placeDirect(o: Onode, d: DirectWrite): void {
    const slack = this.#slack(o);
    let k = 0;
    for (const run of d.runs) {
      for (let n = 0; n < run.count; n++, k++) {
        const logical = d.firstBlock + k;
        const s = this.#core.segmentForWrite(o, logical >>> SEGMENT_SHIFT);
        const i = logical & SEGMENT_MASK;
        this.#drop(o, s, i);
        s.set(i, run.start + n, d.crcs[k]!);
      }
    }
    const use = this.#use(o);
    use.allocated += d.count * BLOCK_SIZE;
    use.stored += d.count * BLOCK_SIZE;
    const end = (d.firstBlock + d.count) * BLOCK_SIZE;
    if (end > o.size) o.size = end;
    this.#recount(o, slack);
    this.#rewriteRemainders(o, d.firstBlock, d.firstBlock + d.count - 1);
    o.dataVersion++;
  }

  /** Zeros, as holes where whole blocks are concerned. */
  zero(o: Onode, offset: number, length: number): void {
    if (length === 0) return;
    const slack = this.#slack(o);
    this.#clear(o, offset, offset + length);
    if (offset + length > o.size) o.size = offset + length;
    this.#recount(o, slack);
    this.#rewriteRemainders(o, Math.floor(offset / BLOCK_SIZE), Math.floor((offset + length - 1) / BLOCK_SIZE));
    o.dataVersion++;
  }

  #clear(o: Onode, offset: number, to: number): void {
    const lastByte = Math.min(to, Math.ceil(o.size / BLOCK_SIZE) * BLOCK_SIZE);
    let at = offset;
    while (at < lastByte) {
      const logical = Math.floor(at / BLOCK_SIZE);
      const index = logical >>> SEGMENT_SHIFT;
      const blockStart = logical * BLOCK_SIZE;
      const s = index < o.segments.length || !o.complete ? this.#core.segment(o, index) : undefined;
      if (s === undefined || s.count === 0) {
        at = (index + 1) * SEGMENT_BLOCKS * BLOCK_SIZE;
        continue;
      }
      const i = logical & SEGMENT_MASK;
      const blockEnd = Math.min(to, blockStart + BLOCK_SIZE);
      if (s.block(i) !== NO_BLOCK || s.memoryOf(i) !== undefined) {
        s.dirty = true;
        if (at === blockStart && (blockEnd === blockStart + BLOCK_SIZE || blockEnd >= o.size)) this.#drop(o, s, i);
        else this.#writable(o, index, s, i, true)?.fill(0, at - blockStart, blockEnd - blockStart);
      }
      at = blockStart + BLOCK_SIZE;
    }
  }

  truncate(o: Onode, size: number): void {
    const slack = this.#slack(o);
    if (size < o.size) {
      this.#clear(o, size, Math.ceil(o.size / BLOCK_SIZE) * BLOCK_SIZE);
      for (const s of o.segments) if (s?.dirty === true) s.trim();
    }
    const cut = Math.floor(size / BLOCK_SIZE);
    o.size = size;
    this.#recount(o, slack);
    // What is left of the segment that was cut.
    this.#rewriteRemainders(o, cut, cut);
    o.dataVersion++;
  }

  /** Gives all blocks back. */
  clear(o: Onode): void {
    const slack = this.#slack(o);
    const segments = Math.ceil(Math.ceil(o.size / BLOCK_SIZE) / SEGMENT_BLOCKS);
    for (let index = 0; index < Math.max(segments, o.segments.length); index++) {
      const s = this.#core.segment(o, index);
      if (s === undefined) continue;
      for (let i = 0; i < s.count; i++) this.#drop(o, s, i);
      s.dirty = true;
      s.trim();
    }
    o.size = 0;
    this.#recount(o, slack);
    o.dataVersion++;
  }

  /** Makes `to` (which has no data) share the blocks of `from`. What is in memory only is copied. */
  share(from: Onode, to: Onode): void {
    const blocks = Math.ceil(from.size / BLOCK_SIZE);
    for (let logical = 0; logical < blocks; ) {
      const index = logical >>> SEGMENT_SHIFT;
      const s = this.#core.segment(from, index);
      const next = (index + 1) << SEGMENT_SHIFT;
      if (s !== undefined && s.count > 0) {
        if (this.#core.segment(to, index) === undefined) placeSegment(to, index, new Segment(s.count));
        for (let i = 0; i < s.count; i++) this.#shareBlock(from, s, to, index, i, i);
      }
      logical = next;
    }
    to.size = from.size;
    this.#recount(to, 0);
    to.dataVersion++;
  }

  #shareBlock(from: Onode, s: Segment, to: Onode, index: number, i: number, toI: number, fromIndex = index): void {
    const core = this.#core;
    const memory = s.memoryOf(i);
    const block = s.block(i);
    if (memory === undefined && block === NO_BLOCK) return;
    const target = core.segmentForWrite(to, index);
    this.#drop(to, target, toI);
    const use = this.#use(to);
    use.stored += BLOCK_SIZE;
    if (memory === undefined) {
      if (block === PACKED) {
        const place = this.#shareBlob(to, target, s.blob(i));
        if (place >= 0) {
          target.setPacked(toI, place, s.positionInBlob(i));
          use.compressedOriginal += BLOCK_SIZE;
          return;
        }
      } else if (core.allocator.share(block, core.generation.allocation)) {
        target.set(toI, block, s.crc(i));
        return;
      }
    }
    const b = core.pool.take();
    b.set(memory ?? this.#content(from, fromIndex, s, i)!);
    target.setMemory(toI, b);
    core.unplaced++;
    use.allocated += BLOCK_SIZE;
  }

  /** Place of the blob in the segment, which becomes an owner of its blocks; -1 where one has as many as can be counted. */
  #shareBlob(to: Onode, target: Segment, blob: Blob): number {
    const known = target.findBlob(blob.blocks[0]!);
    if (known >= 0) return known;
    const { allocator, generation } = this.#core;
    for (let k = 0; k < blob.blocks.length; k++) {
      if (allocator.share(blob.blocks[k]!, generation.allocation)) continue;
      while (--k >= 0) allocator.unshare(blob.blocks[k]!, generation.allocation);
      return -1;
    }
    this.#use(to).compressed += blob.length;
    return target.addBlob(blob);
  }

  /** Copies a range; aligned whole blocks are shared. */
  copyRange(from: Onode, offset: number, length: number, to: Onode, toOffset: number): void {
    const end = Math.min(from.size, offset + length);
    if (end <= offset) return;
    const extents = this.extents(from, offset, end - offset);
    if (from === to || (offset - toOffset) % BLOCK_SIZE !== 0) {
      const pieces = extents.map((e) => ({
        at: toOffset + e.offset - offset,
        bytes: this.readSync(from, e.offset, e.length),
      }));
      this.zero(to, toOffset, end - offset);
      for (const piece of pieces) this.write(to, piece.at, [piece.bytes], piece.bytes.length);
      return;
    }
    this.zero(to, toOffset, end - offset);
    for (const e of extents) {
      let at = e.offset;
      const extentEnd = e.offset + e.length;
      while (at < extentEnd) {
        const target = toOffset + at - offset;
        const logical = Math.floor(at / BLOCK_SIZE);
        const n = Math.min(extentEnd, (logical + 1) * BLOCK_SIZE) - at;
        // A block at both objects' ends counts as whole: zeros follow in both.
        if (at % BLOCK_SIZE === 0 && (n === BLOCK_SIZE || (at + n === from.size && target + n >= to.size))) {
          const index = logical >>> SEGMENT_SHIFT;
          const targetBlock = Math.floor(target / BLOCK_SIZE);
          const slack = this.#slack(to);
          this.#shareBlock(
            from,
            this.#core.segment(from, index)!,
            to,
            targetBlock >>> SEGMENT_SHIFT,
            logical & SEGMENT_MASK,
            targetBlock & SEGMENT_MASK,
            index,
          );
          if (target + n > to.size) to.size = target + n;
          this.#recount(to, slack);
        } else {
          const bytes = this.readSync(from, at, n);
          this.write(to, target, [bytes], n);
        }
        at += n;
      }
    }
    to.dataVersion++;
  }

  /**
   * Places the memory-only blocks of an onode for a checkpoint: they get numbers in the frozen generation, their contents go to its list of
   * writes, and reads find them in flight until they are written.
   */
  place(o: Onode, s: Segment, generation: Generation): void {
    const memory = s.memory;
    if (memory === undefined) return;
    const core = this.#core;
    if (s.packed !== undefined) {
      for (const packed of s.packed) this.#placePacked(o, s, packed, generation);
      s.packed = undefined;
    }
    for (let i = 0; i < memory.length; i++) {
      const content = memory[i];
      if (content === undefined) continue;
      const block = core.allocator.allocateOne(generation.allocation);
      s.set(i, block, crc32c(CRC_SEED, content));
      core.inFlight.set(block, content);
      generation.writes.push({ block, content });
      core.unplaced--;
    }
    s.memory = undefined;
    s.dirty = true;
  }

  /** As {@link place}, of blocks whose compressed form is at hand. */
  #placePacked(o: Onode, s: Segment, packed: PackedBlocks, generation: Generation): void {
    const core = this.#core;
    const { first, count, bytes } = packed;
    const blocks = new Uint32Array(Math.ceil(bytes.length / BLOCK_SIZE));
    const crcs = new Uint32Array(blocks.length);
    let k = 0;
    for (const run of core.allocator.allocate(blocks.length, generation.allocation)) {
      for (let n = 0; n < run.count; n++, k++) {
        const block = run.start + n;
        const content = core.pool.take();
        const part = bytes.subarray(k * BLOCK_SIZE, (k + 1) * BLOCK_SIZE);
        content.set(part);
        if (part.length < BLOCK_SIZE) content.fill(0, part.length);
        blocks[k] = block;
        crcs[k] = crc32c(CRC_SEED, content);
        core.inFlight.set(block, content);
        generation.writes.push({ block, content });
      }
    }
    const place = s.addBlob(new Blob(packed.type, count, bytes.length, blocks, crcs));
    for (let i = first; i < first + count; i++) {
      core.pool.give(s.memoryOf(i)!);
      s.setMemory(i, undefined);
      s.setPacked(i, place, i - first);
    }
    core.unplaced -= count;
    // The space is the frozen generation's, and that of what goes on from it.
    for (const usage of [core.usage, generation.usage!]) {
      usage.compressors |= 1 << packed.type;
      const use = usage.of(poolOf(o.name));
      use.allocated -= (count - blocks.length) * BLOCK_SIZE;
      use.compressed += bytes.length;
      use.compressedAllocated += blocks.length * BLOCK_SIZE;
      use.compressedOriginal += count * BLOCK_SIZE;
    }
  }

  // --- reading ----------------------------------------------------------------------------------------------------------------

  /** Bytes of a range within the object's size. */
  readSync(o: Onode, offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
    const out = readBuffer((last - first + 1) * BLOCK_SIZE);
    // Checksums of all of it, as far as it was read and verified.
    let crcs = out.length >= BLOCK_CRCS_MIN ? new Uint32Array(last - first + 1) : undefined;
    for (let logical = first; logical <= last; ) {
      const at = (logical - first) * BLOCK_SIZE;
      const run = this.runAt(o, logical, last);
      if (run.block === PACKED) {
        crcs = undefined;
        const s = o.segments[logical >>> SEGMENT_SHIFT]!;
        const i = logical & SEGMENT_MASK;
        const from = s.positionInBlob(i) * BLOCK_SIZE;
        out.set(this.#blobContent(o, logical, s.blob(i)).subarray(from, from + run.count * BLOCK_SIZE), at);
      } else if (run.block === NO_BLOCK) {
        crcs = undefined;
        if (run.memory !== undefined) out.set(run.memory, at);
        else out.fill(0, at, at + run.count * BLOCK_SIZE);
      } else {
        const s = o.segments[logical >>> SEGMENT_SHIFT]!;
        const i = logical & SEGMENT_MASK;
        this.#readBlocks(o, logical, s, i, run.count, out.subarray(at, at + run.count * BLOCK_SIZE));
        if (crcs !== undefined) for (let k = 0; k < run.count; k++) crcs[logical - first + k] = s.crc(i + k);
      }
      logical += run.count;
    }
    if (crcs !== undefined) rememberBlockCrcs(out, crcs);
    const skip = offset - first * BLOCK_SIZE;
    return out.subarray(skip, skip + length);
  }

  /**
   * What lies at a block, and for how many blocks in sequence (within one segment): a hole, a block run on disk, one block in memory, or (PACKED) a run of one
   * blob's blocks.
   */
  runAt(o: Onode, logical: number, last: number): { block: number; count: number; memory: Uint8Array | undefined } {
    const core = this.#core;
    const index = logical >>> SEGMENT_SHIFT;
    const i = logical & SEGMENT_MASK;
    const most = Math.min(last - logical + 1, SEGMENT_BLOCKS - i);
    const s = core.segment(o, index);
    if (s === undefined || i >= s.count) return { block: NO_BLOCK, count: most, memory: undefined };
    const block = s.block(i);
    const memory =
      s.memoryOf(i) ?? (core.inFlight.size > 0 && block !== NO_BLOCK ? core.inFlight.get(block) : undefined);
    if (memory !== undefined) return { block: NO_BLOCK, count: 1, memory };
    let n = 1;
    if (block === NO_BLOCK) {
      while (n < most && s.block(i + n) === NO_BLOCK && s.memoryOf(i + n) === undefined) n++;
    } else if (block === PACKED) {
      while (n < most && s.block(i + n) === PACKED && s.crc(i + n) === s.crc(i) + n) n++;
    } else {
      while (n < most && s.block(i + n) === block + n && !(core.inFlight.size > 0 && core.inFlight.has(block + n))) n++;
    }
    return { block, count: n, memory: undefined };
  }

  /** Ranges that are not holes, clipped to the range and the size. */
  extents(o: Onode, offset: number, length: number): { offset: number; length: number }[] {
    const end = Math.min(o.size, offset + length);
    const out: { offset: number; length: number }[] = [];
    if (end <= offset) return out;
    const lastBlock = Math.floor((end - 1) / BLOCK_SIZE);
    for (let logical = Math.floor(offset / BLOCK_SIZE); logical <= lastBlock; ) {
      const run = this.runAt(o, logical, lastBlock);
      if (run.memory !== undefined || run.block !== NO_BLOCK) {
        const from = Math.max(offset, logical * BLOCK_SIZE);
        const to = Math.min(end, (logical + run.count) * BLOCK_SIZE);
        const previous = out[out.length - 1];
        if (previous !== undefined && previous.offset + previous.length === from) previous.length += to - from;
        else out.push({ offset: from, length: to - from });
      }
      logical += run.count;
    }
    return out;
  }
}

/** Checks blocks against a segment's checksums; throws StoreError 'corrupt' on the first that differs. */
export function verifyBlocks(o: Onode, logical: number, s: Segment, i: number, count: number, bytes: Uint8Array): void {
  for (let k = 0; k < count; k++) {
    const found = crc32c(CRC_SEED, count === 1 ? bytes : bytes.subarray(k << BLOCK_SHIFT, (k + 1) << BLOCK_SHIFT));
    const expected = s.crc(i + k);
    if (found !== expected) throw corruption(o, (logical + k) * BLOCK_SIZE, expected, found);
  }
}

/** Checksums of whole blocks spread over buffers, and those buffers' views per run of blocks. */
export function sliceBlocks(
  parts: readonly Uint8Array[],
  skip: number,
  runs: readonly Run[],
): { crcs: Uint32Array; buffers: Uint8Array[][] } {
  let total = 0;
  for (const run of runs) total += run.count;
  const crcs = new Uint32Array(total);
  const buffers: Uint8Array[][] = [];
  let part = 0;
  let within = skip;
  while (part < parts.length && within >= parts[part]!.length) within -= parts[part++]!.length;
  let k = 0;
  for (const run of runs) {
    const views: Uint8Array[] = [];
    let left = run.count * BLOCK_SIZE;
    let crc = CRC_SEED;
    let inBlock = 0;
    while (left > 0) {
      const p = parts[part];
      invariant(p !== undefined, 'payload shorter than its blocks');
      const n = Math.min(left, p.length - within);
      const view = within === 0 && n === p.length ? p : p.subarray(within, within + n);
      views.push(view);
      let at = within;
      const end = within + n;
      // Mostly the messenger has computed them on the way in.
      const known = inBlock === 0 && n >= BLOCK_CRCS_MIN ? knownBlockCrcs(view) : undefined;
      if (known !== undefined) {
        crcs.set(known, k);
        k += known.length;
        at = end;
      }
      while (at < end) {
        const m = Math.min(end - at, BLOCK_SIZE - inBlock);
        crc = crc32c(crc, p.subarray(at, at + m));
        at += m;
        inBlock += m;
        if (inBlock === BLOCK_SIZE) {
          crcs[k++] = crc;
          crc = CRC_SEED;
          inBlock = 0;
        }
      }
      left -= n;
      within += n;
      if (within === p.length) {
        part++;
        within = 0;
      }
    }
    buffers.push(views);
  }
  return { crcs, buffers };
}

const READ_ARENA = 64 * 1024;
const arena = new Arena(READ_ARENA);

/** A fresh buffer for a read. Short ones are cut from a shared piece of memory, which lives as long as any of them. */
export function readBuffer(length: number): Uint8Array {
  if (length <= READ_ARENA / 4) return arena.take(length);
  if (length >= LARGE_MIN) return takeLarge(length);
  // Not zeroed; and not a Buffer, whose subarray costs several times that of a plain array.
  const b = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(b.buffer, b.byteOffset, length);
}
