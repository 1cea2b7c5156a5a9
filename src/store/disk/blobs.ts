import { compressionName, compressorNamed, crc32c } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import { acceptableBlocks, type CompressionPlan } from './compression.ts';
import type { StoreCore } from './core.ts';
import { corruption } from './corruption.ts';
import { BLOCK_SHIFT, BLOCK_SIZE, CRC_SEED, SEGMENT_SHIFT } from './format.ts';
import type { Blob, Onode, PackedBlocks, Segment } from './onode.ts';

/** A run of a blob's blocks on disk: which of them, how many, and where. */
export interface BlobRun {
  readonly at: number;
  readonly count: number;
  readonly block: number;
}

/** Copies what of a blob's blocks is still on its way to the disk; the runs that are to be read. */
export function blobRuns(core: StoreCore, blob: Blob, into: Uint8Array): BlobRun[] {
  const runs: { at: number; count: number; block: number }[] = [];
  for (let k = 0; k < blob.blocks.length; k++) {
    const block = blob.blocks[k]!;
    const content = core.inFlight.size > 0 ? core.inFlight.get(block) : undefined;
    if (content !== undefined) {
      into.set(content, k * BLOCK_SIZE);
      continue;
    }
    const last = runs[runs.length - 1];
    if (last !== undefined && last.at + last.count === k && last.block + last.count === block) last.count++;
    else runs.push({ at: k, count: 1, block });
  }
  return runs;
}

/** What a blob stands for, given its blocks. Throws StoreError: 'corrupt' where a block's checksum differs, 'io' where its compressor is not installed. */
export function expandBlob(o: Onode, logical: number, blob: Blob, stored: Uint8Array): Uint8Array {
  for (let k = 0; k < blob.blocks.length; k++) {
    const found = crc32c(CRC_SEED, stored.subarray(k << BLOCK_SHIFT, (k + 1) << BLOCK_SHIFT));
    if (found !== blob.crcs[k]) throw corruption(o, logical * BLOCK_SIZE, blob.crcs[k]!, found);
  }
  const name = compressionName(blob.type);
  const compressor = name === undefined ? undefined : compressorNamed(name);
  if (compressor === undefined) {
    throw new StoreError(
      'io',
      `object ${o.name} is compressed with ${name ?? `number ${blob.type}`}, which is not installed here`,
    );
  }
  try {
    return compressor.decompress(stored.subarray(0, blob.length), blob.rawBlocks * BLOCK_SIZE);
  } catch (error) {
    throw new StoreError('corrupt', `object ${o.name} at ${logical * BLOCK_SIZE}: ${(error as Error).message}`);
  }
}

/** Reads a blob, checks and expands it. */
export function readBlob(core: StoreCore, o: Onode, logical: number, blob: Blob): Uint8Array {
  const stored = new Uint8Array(blob.blocks.length * BLOCK_SIZE);
  for (const run of blobRuns(core, blob, stored)) {
    const part = stored.subarray(run.at * BLOCK_SIZE, (run.at + run.count) * BLOCK_SIZE);
    const n = core.blocks.readSync(part, run.block * BLOCK_SIZE);
    if (n < part.length) part.fill(0, n);
  }
  return expandBlob(o, logical, blob, stored);
}

/** Blocks of a segment that are to be compressed together. */
export interface Chunk {
  readonly first: number;
  readonly count: number;
}

/** What waits in memory, in chunks that end where multiples of the blob size do. */
export function chunksOf(s: Segment, index: number, blobBlocks: number): Chunk[] {
  const { memory } = s;
  if (memory === undefined) return [];
  const chunks: Chunk[] = [];
  for (let i = 0; i < memory.length; ) {
    if (memory[i] === undefined) {
      i++;
      continue;
    }
    const most = blobBlocks - (((index << SEGMENT_SHIFT) + i) % blobBlocks);
    let n = 1;
    while (n < most && i + n < memory.length && memory[i + n] !== undefined) n++;
    if (n > 1) chunks.push({ first: i, count: n });
    i += n;
  }
  return chunks;
}

/** The chunk's bytes in one piece. */
export function chunkBytes(s: Segment, { first, count }: Chunk): Uint8Array {
  const raw = Buffer.allocUnsafe(count * BLOCK_SIZE);
  for (let k = 0; k < count; k++) raw.set(s.memoryOf(first + k)!, k * BLOCK_SIZE);
  return raw;
}

/** Notes a chunk's compressed form where it saves enough, which it tells. */
export function keepPacked(s: Segment, { first, count }: Chunk, plan: CompressionPlan, bytes: Uint8Array): boolean {
  if (Math.ceil(bytes.length / BLOCK_SIZE) > acceptableBlocks(count, plan.requiredRatio)) return false;
  const packed: PackedBlocks = { first, count, type: plan.compressor.type, bytes };
  if (s.packed === undefined) s.packed = [packed];
  else s.packed.push(packed);
  return true;
}
