import { crc32c, crc32cPortable } from './crc32c.ts';

/**
 * One pass over long data for every checksum of it: those of its 4096-byte blocks (the store keeps them) and that of the whole (the
 * messenger sends it), which follows from them in a few nanoseconds a block. What was computed is remembered with the memory it is of, for as long as that
 * lives; so the data must not be changed any more. Were it changed, the next reader of the checksum would refuse it.
 */
export const CRC_BLOCK = 4096;
const SEED = 0xffffffff;

/** Shorter data is not worth remembering. */
export const BLOCK_CRCS_MIN = 64 * 1024;

interface Known {
  /** Where in the memory the first block starts. */
  readonly start: number;
  /** Of each block, seed 0xffffffff. */
  readonly crcs: Uint32Array;
}

const known = new WeakMap<ArrayBufferLike, Known>();

/** Four tables of 256: what 4096 zero bytes make of a register. The checksum is linear in it. */
let shift: Uint32Array | undefined;

function makeShift(): Uint32Array {
  const zeros = new Uint8Array(CRC_BLOCK);
  const t = new Uint32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    const table = (bit >>> 3) * 256;
    const low = 1 << (bit & 7);
    t[table + low] = crc32cPortable((1 << bit) >>> 0, zeros);
    for (let i = 1; i < low; i++) t[table + low + i] = t[table + low]! ^ t[table + i]!;
  }
  return t;
}

/** Checksum of whole blocks continued from `seed`, from their own. */
export function combineBlockCrcs(seed: number, crcs: Uint32Array): number {
  shift ??= makeShift();
  const t = shift;
  let r = seed ^ SEED;
  for (let i = 0; i < crcs.length; i++) {
    r =
      t[r & 0xff]! ^
      t[256 + ((r >>> 8) & 0xff)]! ^
      t[512 + ((r >>> 16) & 0xff)]! ^
      t[768 + (r >>> 24)]! ^
      crcs[i]! ^
      SEED;
  }
  return (r ^ SEED) >>> 0;
}

/** Says what the checksums of the blocks are of which `blocks` consists. */
export function rememberBlockCrcs(blocks: Uint8Array, crcs: Uint32Array): void {
  known.set(blocks.buffer, { start: blocks.byteOffset, crcs });
}

/** Checksums of the whole blocks of which `blocks` consists, where they are known. A view: not to be changed. */
export function knownBlockCrcs(blocks: Uint8Array): Uint32Array | undefined {
  const k = known.get(blocks.buffer);
  if (k === undefined || blocks.length % CRC_BLOCK !== 0) return undefined;
  const from = blocks.byteOffset - k.start;
  const first = from / CRC_BLOCK;
  const count = blocks.length / CRC_BLOCK;
  if (from < 0 || from % CRC_BLOCK !== 0 || first + count > k.crcs.length) return undefined;
  return k.crcs.subarray(first, first + count);
}

/** How far into `bytes` the first block starts whose checksum is known; 0 where none is. */
export function knownBlockPhase(bytes: Uint8Array): number {
  const k = known.get(bytes.buffer);
  if (k === undefined) return 0;
  const ahead = (k.start - bytes.byteOffset) % CRC_BLOCK;
  return ahead < 0 ? ahead + CRC_BLOCK : Math.abs(ahead);
}

/**
 * crc32c of `bytes` continued from `seed`. Of long data the checksums of the blocks that start `lead` bytes in are used where they are known; with
 * `remember` they are computed and remembered where not.
 */
export function crc32cLong(seed: number, bytes: Uint8Array, lead = knownBlockPhase(bytes), remember = false): number {
  const count = Math.floor((bytes.length - lead) / CRC_BLOCK);
  if (bytes.length < BLOCK_CRCS_MIN || count <= 0) return crc32c(seed, bytes);
  const end = lead + count * CRC_BLOCK;
  const blocks = bytes.subarray(lead, end);
  let crcs = knownBlockCrcs(blocks);
  if (crcs === undefined) {
    if (!remember) return crc32c(seed, bytes);
    crcs = new Uint32Array(count);
    for (let i = 0; i < count; i++) crcs[i] = crc32c(SEED, blocks.subarray(i * CRC_BLOCK, (i + 1) * CRC_BLOCK));
    rememberBlockCrcs(blocks, crcs);
  }
  let crc = lead > 0 ? crc32c(seed, bytes.subarray(0, lead)) : seed;
  crc = combineBlockCrcs(crc, crcs);
  return end < bytes.length ? crc32c(crc, bytes.subarray(end)) : crc;
}
