import { Reader, type Writer } from '../../encoding/index.ts';
import type { Ghobject } from '../../types/index.ts';
import { type SortKey, sortKey } from '../object-key.ts';
import { BLOCK_SIZE, NO_BLOCK, PACKED, SEGMENT_BLOCKS } from './format.ts';
import type { ObjectOmap } from './omap.ts';
import type { PoolUse } from './usage.ts';

/**
 * Several blocks compressed together and stored in fewer. Never changed once it is made: what is overwritten is no longer referred to, and when nothing is, its
 * blocks are free. Clones' segments refer to it too; each segment that does is an owner of its blocks.
 */
export class Blob {
  /** Number of the compressor (base's compressionTypes). */
  readonly type: number;
  /** Blocks that come out. */
  readonly rawBlocks: number;
  /** Bytes of the compressed form; zeros follow to its last block's end. */
  readonly length: number;
  readonly blocks: Uint32Array;
  /** Checksums of its blocks. */
  readonly crcs: Uint32Array;

  constructor(type: number, rawBlocks: number, length: number, blocks: Uint32Array, crcs: Uint32Array) {
    this.type = type;
    this.rawBlocks = rawBlocks;
    this.length = length;
    this.blocks = blocks;
    this.crcs = crcs;
  }
}

/** A compressed form that waits for its place: of `count` blocks in memory from `first` on. */
export interface PackedBlocks {
  readonly first: number;
  readonly count: number;
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** What a segment's block is made of, in memory. */
export class Segment {
  /** Blocks that have a place in `map`; those beyond are holes. */
  count = 0;
  /**
   * Block number and checksum of each, interleaved. A block that has only `memory` has NO_BLOCK; one of a blob PACKED, and for a checksum the blob's place in `blobs`
   * times 256 and which of its blocks it is.
   */
  map: Uint32Array;
  /** Blobs, and how many of the segment's blocks each is referred to by; what is no longer referred to leaves its place undefined. */
  blobs: ({ readonly blob: Blob; uses: number } | undefined)[] | undefined = undefined;
  /** Compressed forms of what is in memory, made for the checkpoint that is about to store it. */
  packed: PackedBlocks[] | undefined = undefined;
  /** Content of blocks that are not yet given a place on disk. */
  memory: (Uint8Array | undefined)[] | undefined = undefined;
  /** Changed since it was last stored. */
  dirty = false;

  constructor(capacity: number) {
    this.map = new Uint32Array(capacity * 2);
  }

  block(i: number): number {
    return i < this.count ? this.map[i * 2]! : NO_BLOCK;
  }

  crc(i: number): number {
    return this.map[i * 2 + 1]!;
  }

  set(i: number, block: number, crc: number): void {
    this.#reach(i);
    this.map[i * 2] = block;
    this.map[i * 2 + 1] = crc;
  }

  /** The blob that a PACKED block is of. */
  blob(i: number): Blob {
    return this.blobs![this.crc(i) >>> 8]!.blob;
  }

  /** Which of its blob's blocks a PACKED one is. */
  positionInBlob(i: number): number {
    return this.crc(i) & 0xff;
  }

  /** Place of a blob that is not referred to yet. */
  addBlob(blob: Blob): number {
    this.blobs ??= [];
    const free = this.blobs.indexOf(undefined);
    const place = free < 0 ? this.blobs.length : free;
    this.blobs[place] = { blob, uses: 0 };
    return place;
  }

  /** Place of the blob that has this first block, or -1. */
  findBlob(firstBlock: number): number {
    return this.blobs?.findIndex((b) => b !== undefined && b.blob.blocks[0] === firstBlock) ?? -1;
  }

  setPacked(i: number, place: number, position: number): void {
    this.set(i, PACKED, place * 256 + position);
    this.blobs![place]!.uses++;
  }

  /** A PACKED block becomes a hole. The blob, where nothing of the segment refers to it any more. */
  unpack(i: number): Blob | undefined {
    const place = this.crc(i) >>> 8;
    const entry = this.blobs![place]!;
    this.set(i, NO_BLOCK, 0);
    if (--entry.uses > 0) return undefined;
    this.blobs![place] = undefined;
    if (this.blobs!.every((b) => b === undefined)) this.blobs = undefined;
    return entry.blob;
  }

  memoryOf(i: number): Uint8Array | undefined {
    return this.memory === undefined ? undefined : this.memory[i];
  }

  setMemory(i: number, content: Uint8Array | undefined): void {
    if (this.memory === undefined) {
      if (content === undefined) return;
      this.memory = [];
    }
    // No holes in the array: they make every access slow.
    while (this.memory.length <= i) this.memory.push(undefined);
    this.memory[i] = content;
    if (content !== undefined) this.#reach(i);
  }

  #reach(i: number): void {
    if (i < this.count) return;
    if ((i + 1) * 2 > this.map.length) {
      const grown = new Uint32Array(Math.min(SEGMENT_BLOCKS, Math.max(i + 1, this.map.length)) * 2);
      grown.set(this.map.subarray(0, this.count * 2));
      this.map = grown;
    }
    for (let k = this.count; k <= i; k++) this.map[k * 2] = NO_BLOCK;
    this.count = i + 1;
  }

  /** Forgets holes at the end. */
  trim(): void {
    let n = this.count;
    while (n > 0 && this.map[n * 2 - 2] === NO_BLOCK && this.memoryOf(n - 1) === undefined) n--;
    this.count = n;
    if (this.memory?.every((m) => m === undefined) === true) this.memory = undefined;
  }

  get isHole(): boolean {
    for (let i = 0; i < this.count; i++) {
      if (this.map[i * 2] !== NO_BLOCK || this.memoryOf(i) !== undefined) return false;
    }
    return true;
  }
}

/**
 * A segment as stored: u8 blocks, then runs covering all of it: u8 length - 1, u8 kind, and by kind
 *
 *     0  hole
 *     1  blocks in sequence           u32 first block, u32 checksum of each
 *     2  blocks of a blob             u8 first of the blob's blocks; and the blob:
 *                                     u8 compressor, u8 raw blocks - 1, u32 length, u8 runs - 1, (u32 first block, u8 blocks - 1)*, u32 checksum of each
 *     3  blocks of a blob named before: u8 first of the blob's blocks, u8 which blob in the order of kind 2
 *
 * All blocks must have their place on disk.
 */
export function encodeSegment(w: Writer, s: Segment): void {
  w.u8(s.count);
  const named: number[] = [];
  for (let i = 0; i < s.count; ) {
    const first = s.map[i * 2]!;
    let n = 1;
    if (first === NO_BLOCK) {
      while (i + n < s.count && s.map[(i + n) * 2] === NO_BLOCK) n++;
      w.u8(n - 1);
      w.u8(0);
    } else if (first === PACKED) {
      const at = s.crc(i);
      while (i + n < s.count && s.map[(i + n) * 2] === PACKED && s.crc(i + n) === at + n) n++;
      w.u8(n - 1);
      const known = named.indexOf(at >>> 8);
      w.u8(known < 0 ? 2 : 3);
      w.u8(at & 0xff);
      if (known < 0) {
        named.push(at >>> 8);
        encodeBlob(w, s.blob(i));
      } else w.u8(known);
    } else {
      while (i + n < s.count && s.map[(i + n) * 2] === first + n) n++;
      w.u8(n - 1);
      w.u8(1);
      w.u32(first);
      for (let k = i; k < i + n; k++) w.u32(s.map[k * 2 + 1]!);
    }
    i += n;
  }
}

function encodeBlob(w: Writer, blob: Blob): void {
  const { blocks } = blob;
  w.u8(blob.type);
  w.u8(blob.rawBlocks - 1);
  w.u32(blob.length);
  const starts: number[] = [];
  for (let k = 0; k < blocks.length; k++) if (k === 0 || blocks[k] !== blocks[k - 1]! + 1) starts.push(k);
  w.u8(starts.length - 1);
  for (let r = 0; r < starts.length; r++) {
    w.u32(blocks[starts[r]!]!);
    w.u8((starts[r + 1] ?? blocks.length) - starts[r]! - 1);
  }
  for (const crc of blob.crcs) w.u32(crc);
}

function decodeBlob(r: Reader): Blob {
  const type = r.u8();
  const rawBlocks = r.u8() + 1;
  const length = r.u32();
  const count = Math.ceil(length / BLOCK_SIZE);
  if (rawBlocks > SEGMENT_BLOCKS || count < 1 || count >= rawBlocks) {
    r.fail(`a blob of ${length} bytes for ${rawBlocks} blocks`);
  }
  const blocks = new Uint32Array(count);
  let k = 0;
  for (let runs = r.u8() + 1; runs > 0; runs--) {
    const first = r.u32();
    const n = r.u8() + 1;
    if (k + n > count) r.fail('a run beyond its blob');
    for (let i = 0; i < n; i++) blocks[k++] = first + i;
  }
  if (k !== count) r.fail(`a blob of ${count} blocks lists ${k}`);
  const crcs = new Uint32Array(count);
  for (let i = 0; i < count; i++) crcs[i] = r.u32();
  return new Blob(type, rawBlocks, length, blocks, crcs);
}

export function decodeSegment(r: Reader): Segment {
  const count = r.u8();
  if (count > SEGMENT_BLOCKS) r.fail(`a segment of ${count} blocks`);
  const s = new Segment(count);
  s.count = count;
  for (let i = 0; i < count; ) {
    const n = r.u8() + 1;
    if (i + n > count) r.fail('a run beyond its segment');
    const kind = r.u8();
    if (kind === 0) {
      for (let k = i; k < i + n; k++) s.map[k * 2] = NO_BLOCK;
    } else if (kind === 1) {
      const first = r.u32();
      for (let k = i; k < i + n; k++) {
        s.map[k * 2] = first + k - i;
        s.map[k * 2 + 1] = r.u32();
      }
    } else if (kind === 2 || kind === 3) {
      const position = r.u8();
      const place = kind === 2 ? s.addBlob(decodeBlob(r)) : r.u8();
      const entry = s.blobs?.[place];
      if (entry === undefined) r.fail(`blob ${place} of a segment that has ${s.blobs?.length ?? 0}`);
      if (position + n > entry.blob.rawBlocks) r.fail('blocks beyond their blob');
      for (let k = i; k < i + n; k++) s.setPacked(k, place, position + k - i);
    } else r.fail(`a run of kind ${kind}`);
    i += n;
  }
  return s;
}

const EMPTY = new Uint8Array(0);

/** An object in memory: what BlueStore calls an onode. One that does not exist is kept too, as knowledge of that. */
export class Onode {
  name: Ghobject;
  key: SortKey;
  exists = false;
  /** Number of its segments' keys. */
  nid = 0;
  size = 0;
  readonly attrs = new Map<string, Uint8Array>();
  segments: (Segment | undefined)[] = [];
  /** Segments are stored under keys of their own, not in the onode's value. */
  sharded = false;
  /** Whether an absent segment is known to be a hole; else it may wait to be loaded. */
  complete = true;
  /**
   * Which segments have a key in the database, one bit each, as of the stored onode: a key that is lost must not be taken for a hole. Undefined
   * where it is not known (format 1).
   */
  present: Uint8Array | undefined = undefined;
  /** Number of the omap's keys; 0 where it has none. */
  omapId = 0;
  omap: ObjectOmap | undefined = undefined;
  omapHeader: Uint8Array = EMPTY;
  expectedObjectSize = 0;
  expectedWriteSize = 0;
  hintFlags = 0;
  /** Generation whose checkpoint is to store it; 0: unchanged. */
  dirtyGeneration = 0;
  /** Last generation that changed it: until that is durable it must stay in memory. */
  lastGeneration = 0;
  /** Another onode took its key in the generation that removed it: its checkpoint must leave the key alone. */
  superseded = false;
  /** Bytes that the cache counts it with. */
  counted = 0;
  /** Used since the cache's hand last passed. */
  recent = true;
  /** What its pool takes; see usage.ts. */
  use: PoolUse | undefined = undefined;
  /** Counts changes of data, so that a read that took its time sees whether what it read is still the object's. */
  dataVersion = 0;

  constructor(name: Ghobject) {
    this.name = name;
    this.key = sortKey(name);
  }

  /** Whether segment `index` is known to have a key of its own in the database. */
  hasSegment(index: number): boolean {
    const { present } = this;
    return present !== undefined && (present[index >>> 3]! & (1 << (index & 7))) !== 0;
  }

  /** About how many bytes it takes in memory; of a heap snapshot. */
  get memory(): number {
    let n = 900 + this.key.length * 3;
    for (const [name, value] of this.attrs) n += 150 + name.length + value.length;
    for (const s of this.segments) {
      if (s === undefined) continue;
      n += 160 + s.map.byteLength;
      if (s.blobs !== undefined) for (const b of s.blobs) n += b === undefined ? 8 : 400 + b.blob.blocks.length * 8;
    }
    return n + this.omapHeader.length;
  }
}

const FLAG_SHARDED = 1;
/** A list of the segments that have keys follows (format 2). */
const FLAG_PRESENT = 2;
const VERSION = 1;

/**
 * The segments that have keys once all that is dirty is stored. What is not loaded is as it was; where that is not known (written by format 1) and
 * something is not loaded, nothing can be said.
 */
function presence(o: Onode): Uint8Array | undefined {
  const count = Math.ceil(Math.ceil(o.size / BLOCK_SIZE) / SEGMENT_BLOCKS);
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count; i++) {
    const s = o.segments[i];
    if (s === undefined && !o.complete && o.present === undefined) return undefined;
    const isThere = s === undefined ? !o.complete && o.hasSegment(i) : !s.isHole;
    if (isThere) bits[i >>> 3]! |= 1 << (i & 7);
  }
  return bits;
}

/**
 * An onode as stored: u8 version, u8 flags (1 sharded, 2 segments listed), u64 nid, u64 size, u64 omap id, u32 header length and header, u32 number of
 * xattrs, each with name and value, u64 expected object size, u64 expected write size, u32 hint flags, and, where not sharded, a u8
 * that says whether a segment follows, and it; where sharded and listed, u32 length and a bit for each segment: whether it has a key.
 */
export function encodeOnode(w: Writer, o: Onode): void {
  w.u8(VERSION);
  const present = o.sharded ? presence(o) : undefined;
  o.present = present;
  w.u8((o.sharded ? FLAG_SHARDED : 0) | (present === undefined ? 0 : FLAG_PRESENT));
  w.u64num(o.nid);
  w.u64num(o.size);
  w.u64num(o.omapId);
  w.blob(o.omapHeader);
  w.u32(o.attrs.size);
  for (const [name, value] of o.attrs) {
    w.string(name);
    w.blob(value);
  }
  w.u64num(o.expectedObjectSize);
  w.u64num(o.expectedWriteSize);
  w.u32(o.hintFlags);
  if (o.sharded) {
    if (present !== undefined) w.blob(present);
    return;
  }
  const s = o.segments[0];
  w.bool(s !== undefined);
  if (s !== undefined) encodeSegment(w, s);
}

/** Reads what encodeOnode wrote into a fresh onode. Copies: `bytes` is not kept. */
export function decodeOnode(o: Onode, bytes: Uint8Array): void {
  const r = new Reader(bytes);
  const version = r.u8();
  if (version !== VERSION) r.fail(`onode of version ${version}, this program reads ${VERSION}`);
  const flags = r.u8();
  o.exists = true;
  o.sharded = (flags & FLAG_SHARDED) !== 0;
  o.complete = !o.sharded;
  o.nid = r.u64num();
  o.size = r.u64num();
  o.omapId = r.u64num();
  const header = r.blob();
  o.omapHeader = header.length === 0 ? EMPTY : header.slice();
  const n = r.count(8);
  for (let i = 0; i < n; i++) {
    const name = r.string();
    o.attrs.set(name, r.blob().slice());
  }
  o.expectedObjectSize = r.u64num();
  o.expectedWriteSize = r.u64num();
  o.hintFlags = r.u32();
  if (!o.sharded) {
    if (r.bool()) o.segments.push(decodeSegment(r));
  } else if ((flags & FLAG_PRESENT) !== 0) {
    const present = r.blob();
    // Beyond what the size asks for, bits would be looked for and not be there.
    if (present.length * 8 * SEGMENT_BLOCKS * BLOCK_SIZE < o.size) r.fail('a list of segments that is too short');
    o.present = present.slice();
  }
}
