import { plain, string, u32, u64, u64num } from '../../encoding/index.ts';
import type { SortKey } from '../object-key.ts';

/**
 * What lies on disk; docs/store-format.md draws it.
 *
 * Version ladder. A store of a newer version is refused; an older one is brought up step by step at mount.
 *
 * | version | since | what |
 * |---|---|---|
 * | 1 | 0.1 | first |
 * | 2 | 0.2 | an onode says which of its segments have keys; what version 1 wrote stays readable and gets the list when it is stored again |
 * | 3 | 0.3 | segments may have compressed blobs; the space that pools take is counted (once, at the first mount of an older store, from all its maps) |
 */
export const FORMAT_VERSION = 3;
export const FORMAT_FILE = 'type';
export const FORMAT_NAME = 'sepiola-disk';

export const BLOCK_SIZE = 4096;
/** log2 of the block size. */
export const BLOCK_SHIFT = 12;
/** Blocks of one segment of an object's map: what is read, changed and written as one value. */
export const SEGMENT_BLOCKS = 128;
export const SEGMENT_SHIFT = 7;
/** A block number that means none: a hole. */
export const NO_BLOCK = 0xffff_ffff;
/** In a segment's map, a block number that means: part of a compressed blob. No store has so many blocks. */
export const PACKED = 0xffff_fffe;
/** Blocks covered by one page of the allocation map. */
export const PAGE_BLOCKS = 4096;
export const PAGE_BYTES = PAGE_BLOCKS / 8;

/** Seed of every checksum, as Ceph's convention has it. */
export const CRC_SEED = 0xffff_ffff;

/** First byte of every key: what kind of value it has. */
export const keyKind = {
  superblock: 0x53, // S
  collection: 0x43, // C name
  onode: 0x4f, // O sort key
  segment: 0x58, // X u64 nid, u32 index
  omap: 0x50, // P u64 omap id, key
  graveyard: 0x47, // G u64 omap id
  allocation: 0x41, // A u32 page
  references: 0x52, // R u32 page
  usage: 0x55, // U
} as const;

/** The checkpoint's root: everything else in the database is the state after transaction `seq`. */
export const superblock = plain('superblock', {
  version: u32,
  fsid: string,
  /** Random, made at mkfs: tells this store's log from the remains of another. */
  storeId: u64,
  /** Blocks of the block file. */
  blockCount: u32,
  logCapacity: u64num,
  /** Last transaction that the checkpoint holds. */
  seq: u64num,
  /** Where replay starts in the log: a position that only grows (modulo the capacity is the offset in the file). */
  logStart: u64num,
  /** Changes at every mount: batches of an earlier mount beyond the checkpoint are not of this log. */
  logEpoch: u32,
  /** Number of the batch at `logStart`. */
  batchNumber: u64num,
  /** Next id for an object, and for an omap. */
  nidNext: u64num,
});
export type Superblock = ReturnType<(typeof superblock)['decode']>;

const TWO_32 = 0x1_0000_0000;

function u32be(x: number): string {
  return String.fromCharCode(x >>> 24, (x >>> 16) & 0xff, (x >>> 8) & 0xff, x & 0xff);
}

function u64be(x: number): string {
  return u32be(Math.floor(x / TWO_32)) + u32be(x % TWO_32);
}

/** Keys as byte strings. */
export const keys = {
  superblock: String.fromCharCode(keyKind.superblock),
  usage: String.fromCharCode(keyKind.usage),
  collection: (id: string): string => String.fromCharCode(keyKind.collection) + id,
  onodePrefix: String.fromCharCode(keyKind.onode),
  onode: (key: SortKey): string => `O${key}`,
  segment: (nid: number, index: number): string => `X${u64be(nid)}${u32be(index)}`,
  segmentEnd: (nid: number): string => `X${u64be(nid + 1)}`,
  omapPrefix: (id: number): string => `P${u64be(id)}`,
  omapEnd: (id: number): string => `P${u64be(id + 1)}`,
  graveyard: (id: number): string => `G${u64be(id)}`,
  allocation: (page: number): string => `A${u32be(page)}`,
  references: (page: number): string => `R${u32be(page)}`,
};

/** The number at the end of a key of {@link keys}.allocation or references. */
export function pageOfKey(key: string): number {
  const n = key.length;
  return (
    ((key.charCodeAt(n - 4) << 24) |
      (key.charCodeAt(n - 3) << 16) |
      (key.charCodeAt(n - 2) << 8) |
      key.charCodeAt(n - 1)) >>>
    0
  );
}

/** The 64-bit number after the first byte of a key. */
export function idOfKey(key: string): number {
  let n = 0;
  for (let i = 1; i < 9; i++) n = n * 256 + key.charCodeAt(i);
  return n;
}
