import { compressionTypes, invariant } from '../../base/index.ts';
import { DecodeError, Reader, Writer } from '../../encoding/index.ts';
import type { Ghobject } from '../../types/index.ts';
import { StoreError } from '../api.ts';
import { fromSortKey } from '../object-key.ts';
import { BLOCK_SIZE, keys, NO_BLOCK, PACKED, SEGMENT_BLOCKS } from './format.ts';
import type { KeySpace } from './keyspace.ts';
import { pagedKeys } from './omap.ts';
import { type Blob, decodeOnode, decodeSegment, Onode, type Segment } from './onode.ts';

/** Bytes that the objects of one pool take. */
export class PoolUse {
  /** Blocks in use, what waits in memory for its place included. */
  allocated = 0;
  /** Data as the objects have it: blocks that are no holes, up to the objects' ends. */
  stored = 0;
  /** Compressed data, without the rest of its last block; its blocks; and what it stands for. */
  compressed = 0;
  compressedAllocated = 0;
  compressedOriginal = 0;

  get isEmpty(): boolean {
    return this.allocated === 0 && this.stored === 0 && this.compressed === 0;
  }
}

const FIELDS = ['allocated', 'stored', 'compressed', 'compressedAllocated', 'compressedOriginal'] as const;
const VERSION = 1;

/** The pool that an object's space is counted with: temporary ones are their pool's. */
export function poolOf(object: Ghobject): number {
  return object.hobj.logicalPool;
}

/** What a store holds, counted as it changes and stored with each checkpoint. */
export class Usage {
  readonly pools = new Map<number, PoolUse>();
  /** Bytes of the keys and values of omaps, as the database was given them. */
  omap = 0;
  /** Compressors that were used, ever: bit n for that of type n. */
  compressors = 0;

  of(pool: number): PoolUse {
    let use = this.pools.get(pool);
    if (use === undefined) {
      use = new PoolUse();
      this.pools.set(pool, use);
    }
    return use;
  }

  /** All pools together. */
  get total(): PoolUse {
    const sum = new PoolUse();
    for (const use of this.pools.values()) for (const field of FIELDS) sum[field] += use[field];
    return sum;
  }

  /** Names of the compressors that were used. */
  get compressorNames(): string[] {
    return Object.entries(compressionTypes)
      .filter(([, type]) => (this.compressors & (1 << type)) !== 0)
      .map(([name]) => name);
  }

  copy(): Usage {
    const copy = new Usage();
    copy.omap = this.omap;
    copy.compressors = this.compressors;
    for (const [pool, use] of this.pools) copy.pools.set(pool, Object.assign(new PoolUse(), use));
    return copy;
  }

  /** u8 version, u32 compressors, u64 omap, u32 pools, and for each u64 pool + 2^32 and the fields as u64. */
  encode(): Uint8Array {
    const w = new Writer(256);
    w.u8(VERSION);
    w.u32(this.compressors);
    w.u64num(this.omap);
    const pools = [...this.pools].filter(([, use]) => !use.isEmpty);
    w.u32(pools.length);
    for (const [pool, use] of pools.sort((a, b) => a[0] - b[0])) {
      w.u64num(pool + 2 ** 32);
      for (const field of FIELDS) {
        invariant(use[field] >= 0, 'less than nothing is in use', { pool, field, value: use[field] });
        w.u64num(use[field]);
      }
    }
    return w.bytes().slice();
  }

  /** Throws DecodeError. */
  static decode(bytes: Uint8Array): Usage {
    const r = new Reader(bytes);
    const version = r.u8();
    if (version !== VERSION) r.fail(`counts of space of version ${version}, this program reads ${VERSION}`);
    const usage = new Usage();
    usage.compressors = r.u32();
    usage.omap = r.u64num();
    for (let n = r.count(8 * (FIELDS.length + 1)); n > 0; n--) {
      const use = usage.of(r.u64num() - 2 ** 32);
      for (const field of FIELDS) use[field] = r.u64num();
    }
    return usage;
  }

  /** Where another one differs, in words. */
  difference(found: Usage): string | undefined {
    if (this.omap !== found.omap) return `${this.omap} bytes of omaps are counted, ${found.omap} found`;
    for (const pool of new Set([...this.pools.keys(), ...found.pools.keys()])) {
      const [mine, theirs] = [this.of(pool), found.of(pool)];
      for (const field of FIELDS) {
        if (mine[field] !== theirs[field]) {
          return `pool ${pool}: ${mine[field]} bytes ${field} are counted, ${theirs[field]} found`;
        }
      }
    }
    return undefined;
  }
}

/** Counts what lies in a store, map by map. */
export class UsageTally {
  readonly usage = new Usage();
  /** Blocks met: each is counted once, whoever shares it. */
  readonly #seen: Uint32Array;

  constructor(blockCount: number) {
    this.#seen = new Uint32Array(Math.ceil(blockCount / 32));
  }

  #isNew(block: number): boolean {
    const word = this.#seen[block >>> 5] ?? 0;
    const bit = 1 << (block & 31);
    if ((word & bit) !== 0) return false;
    this.#seen[block >>> 5] = word | bit;
    return true;
  }

  add(o: Onode, index: number, s: Segment): void {
    const use = this.usage.of(poolOf(o.name));
    for (let i = 0; i < s.count; i++) {
      const block = s.block(i);
      if (block === NO_BLOCK) continue;
      const start = (index * SEGMENT_BLOCKS + i) * BLOCK_SIZE;
      use.stored += Math.min(BLOCK_SIZE, Math.max(0, o.size - start));
      if (block === PACKED) use.compressedOriginal += BLOCK_SIZE;
      else if (this.#isNew(block)) use.allocated += BLOCK_SIZE;
    }
    for (const entry of s.blobs ?? []) if (entry !== undefined) this.#addBlob(use, entry.blob);
  }

  #addBlob(use: PoolUse, blob: Blob): void {
    use.compressed += blob.length;
    for (const block of blob.blocks) {
      if (!this.#isNew(block)) continue;
      use.allocated += BLOCK_SIZE;
      use.compressedAllocated += BLOCK_SIZE;
    }
  }
}

/** Bytes of all omaps' keys and values. */
export function omapBytes(space: KeySpace): number {
  let bytes = 0;
  for (const key of pagedKeys(space, 'P', 'Q')) bytes += space.storedLength(key) ?? 0;
  return bytes;
}

/** Counts a store that was made before its space was counted. What is damaged is passed over: reading it and fsck tell of it. */
export function measureUsage(space: KeySpace, blockCount: number): Usage {
  const tally = new UsageTally(blockCount);
  for (const key of pagedKeys(space, 'O', 'P')) {
    try {
      const o = new Onode(fromSortKey(key.slice(1)));
      decodeOnode(o, space.get(key)!);
      const count = Math.ceil(Math.ceil(o.size / BLOCK_SIZE) / SEGMENT_BLOCKS);
      for (let i = 0; i < count; i++) {
        const stored = o.sharded ? space.get(keys.segment(o.nid, i)) : undefined;
        const s = stored === undefined ? o.segments[i] : decodeSegment(new Reader(stored));
        if (s !== undefined) tally.add(o, i, s);
      }
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof StoreError || error instanceof RangeError)) throw error;
    }
  }
  tally.usage.omap = omapBytes(space);
  return tally.usage;
}
