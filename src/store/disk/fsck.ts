import { crc32c, type KvOp } from '../../base/index.ts';
import { DecodeError, Reader } from '../../encoding/index.ts';
import { StoreError } from '../api.ts';
import { Arena } from '../arena.ts';
import { byteStringToBytes, bytesToByteString } from '../byte-string.ts';
import { collectionHolds, fromSortKey } from '../object-key.ts';
import type { StoreCore } from './core.ts';
import {
  BLOCK_SIZE,
  CRC_SEED,
  idOfKey,
  keys,
  NO_BLOCK,
  PAGE_BLOCKS,
  PAGE_BYTES,
  pageOfKey,
  SEGMENT_BLOCKS,
} from './format.ts';
import { decodeOnode, decodeSegment, Onode, type Segment } from './onode.ts';
import { sealedPut, unseal } from './sealed.ts';

export interface FsckOptions {
  /** Read all data and verify its checksums. */
  readonly deep?: boolean;
  /** Mend what can be mended: the allocation map, counts of owners, and what belongs to no object. */
  readonly repair?: boolean;
}

export interface FsckReport {
  readonly objects: number;
  readonly blocks: number;
  /** One line per finding, up to {@link ERRORS_MAX}. */
  readonly errors: string[];
  /** All findings. */
  readonly errorCount: number;
  /** Findings that `repair` mended. */
  readonly repaired: number;
}

/** Findings listed one by one; the rest is only counted. */
const ERRORS_MAX = 1000;

/** Checks the database (and, deep, the data) of a store in which nothing waits for a checkpoint. */
export function fsckCore(core: StoreCore, options: FsckOptions): FsckReport {
  const check = new Fsck(core, options);
  return check.run();
}

class Fsck {
  readonly #core: StoreCore;
  readonly #options: FsckOptions;
  readonly #errors: string[] = [];
  #errorCount = 0;
  #repaired = 0;
  readonly #ops: KvOp[] = [];
  readonly #arena = new Arena(64 * 1024);
  /** Owners found of each block. */
  readonly #owners: Uint16Array;
  readonly #nids = new Set<number>();
  readonly #omaps = new Set<number>();
  /** Segments that sharded objects may have: nid to number of segments. */
  readonly #sharded = new Map<number, number>();
  #objects = 0;
  #blocks = 0;
  readonly #content = new Uint8Array(SEGMENT_BLOCKS * BLOCK_SIZE);

  constructor(core: StoreCore, options: FsckOptions) {
    this.#core = core;
    this.#options = options;
    this.#owners = new Uint16Array(core.allocator.blockCount);
  }

  #error(text: string): void {
    if (this.#errorCount++ < ERRORS_MAX) this.#errors.push(text);
    else if (this.#errorCount === ERRORS_MAX + 1) this.#errors.push('more errors follow');
  }

  run(): FsckReport {
    this.#checkOnodes();
    this.#checkSegments();
    this.#checkOmaps();
    this.#checkAllocation();
    this.#checkReferences();
    if (this.#options.repair === true && this.#ops.length > 0) this.#core.kv.commitSync(this.#ops);
    return {
      objects: this.#objects,
      blocks: this.#blocks,
      errors: this.#errors,
      errorCount: this.#errorCount,
      repaired: this.#repaired,
    };
  }

  #mend(op: KvOp): void {
    if (this.#options.repair !== true) return;
    this.#ops.push(op);
    this.#repaired++;
  }

  /** A value of the database, or undefined where it is missing or damaged (which is told). */
  #value(key: string): Uint8Array | undefined {
    try {
      return this.#core.space.get(key);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#error(error.message);
      return undefined;
    }
  }

  /** Entries of a kind whose keys are short; damaged ones are told and passed over. */
  *#sealed(start: string, end: string): IterableIterator<readonly [Uint8Array, Uint8Array]> {
    for (const [key, stored] of this.#core.kv.range(byteStringToBytes(start), byteStringToBytes(end))) {
      try {
        yield [key, unseal(key, stored)];
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#error(error.message);
      }
    }
  }

  #checkOnodes(): void {
    const core = this.#core;
    for (const [key] of core.space.range('O', 'P', true)) {
      const value = this.#value(key);
      if (value === undefined) continue;
      this.#objects++;
      let o: Onode;
      try {
        o = new Onode(fromSortKey(key.slice(1)));
        decodeOnode(o, value);
      } catch (error) {
        if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
        this.#error(`an onode does not decode: ${error.message}`);
        continue;
      }
      const what = o.name.toString();
      if (o.key !== key.slice(1)) this.#error(`object ${what}: stored under another name's key`);
      let homes = 0;
      for (const [collection, bits] of core.collections) if (collectionHolds(collection, bits, o.name)) homes++;
      if (homes !== 1) this.#error(`object ${what}: belongs into ${homes} collections`);
      if (this.#nids.has(o.nid)) this.#error(`object ${what}: number ${o.nid} is another object's too`);
      this.#nids.add(o.nid);
      if (o.nid >= core.nidNext) this.#error(`object ${what}: number ${o.nid} is not given out yet`);
      if (o.omapId !== 0) {
        if (this.#omaps.has(o.omapId)) this.#error(`object ${what}: omap ${o.omapId} is another object's too`);
        this.#omaps.add(o.omapId);
      }
      const count = Math.ceil(Math.ceil(o.size / BLOCK_SIZE) / SEGMENT_BLOCKS);
      if (o.sharded) this.#sharded.set(o.nid, count);
      for (let i = 0; i < count; i++) {
        const s = o.sharded ? this.#segment(o, i) : o.segments[i];
        if (s !== undefined) this.#checkSegment(o, i, s);
      }
    }
  }

  #segment(o: Onode, index: number): Segment | undefined {
    const stored = this.#value(keys.segment(o.nid, index));
    if (stored === undefined) return undefined;
    try {
      return decodeSegment(new Reader(stored));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#error(`object ${o.name}: segment ${index} does not decode: ${error.message}`);
      return undefined;
    }
  }

  #checkSegment(o: Onode, index: number, s: Segment): void {
    for (let i = 0; i < s.count; i++) {
      const block = s.block(i);
      if (block === NO_BLOCK) continue;
      this.#blocks++;
      const offset = (index * SEGMENT_BLOCKS + i) * BLOCK_SIZE;
      if (block >= this.#owners.length) {
        this.#error(`object ${o.name} at ${offset}: block ${block} is beyond the device`);
        continue;
      }
      if (offset >= o.size) this.#error(`object ${o.name} at ${offset}: a block beyond its size of ${o.size}`);
      this.#owners[block]!++;
      if (this.#options.deep === true) this.#verify(o, offset, block, s.crc(i));
    }
  }

  #verify(o: Onode, offset: number, block: number, expected: number): void {
    const content = this.#content.subarray(0, BLOCK_SIZE);
    const n = this.#core.blocks.readSync(content, block * BLOCK_SIZE);
    if (n < BLOCK_SIZE) content.fill(0, n);
    const found = crc32c(CRC_SEED, content);
    if (found !== expected) {
      this.#error(
        `object ${o.name} at ${offset}: checksum ${found.toString(16)} found, ${expected.toString(16)} expected`,
      );
    }
  }

  #checkSegments(): void {
    for (const [key] of this.#core.space.range('X', 'Y', true)) {
      const nid = idOfKey(key);
      const index = pageOfKey(key);
      const count = this.#sharded.get(nid);
      if (count !== undefined && index < count) continue;
      this.#error(`segment ${index} of object number ${nid} belongs to no object`);
      this.#mend({ kind: 'del', key: byteStringToBytes(key) });
    }
  }

  #checkOmaps(): void {
    const { space } = this.#core;
    const graves = new Set<number>();
    for (const [key] of space.range('G', 'H', true)) {
      this.#value(key);
      graves.add(idOfKey(key));
    }
    let last = -1;
    for (const [key] of space.range('P', 'Q', true)) {
      if (this.#options.deep === true) this.#value(key);
      const id = idOfKey(key);
      if (this.#omaps.has(id) || graves.has(id)) continue;
      if (id !== last) this.#error(`omap ${id} belongs to no object`);
      last = id;
      if (this.#options.repair === true) {
        space.del(this.#ops, key);
        this.#repaired++;
      }
    }
  }

  #checkAllocation(): void {
    const owners = this.#owners;
    const pages = Math.ceil(owners.length / PAGE_BLOCKS);
    const stored = new Map<number, Uint8Array>();
    for (const [key, value] of this.#sealed('A', 'B')) {
      stored.set(pageOfKey(bytesToByteString(key)), value);
    }
    for (let page = 0; page < pages; page++) {
      const bits = stored.get(page);
      const right = new Uint8Array(PAGE_BYTES);
      let isWrong = false;
      for (let i = 0; i < PAGE_BLOCKS; i++) {
        const block = page * PAGE_BLOCKS + i;
        const isOwned = block < owners.length && owners[block]! > 0;
        if (isOwned) right[i >>> 3]! |= 1 << (i & 7);
        const isMarked = bits !== undefined && (bits[i >>> 3]! & (1 << (i & 7))) !== 0;
        if (isOwned === isMarked) continue;
        isWrong = true;
        if (isOwned) this.#error(`block ${block} is in use but marked free`);
        else this.#error(`block ${block} is leaked: marked as in use but no object has it`);
      }
      if (isWrong) this.#mend(sealedPut(this.#arena, keys.allocation(page), right));
    }
  }

  #checkReferences(): void {
    const owners = this.#owners;
    const counts = new Map<number, number>();
    for (const [key, value] of this.#sealed('R', 'S')) {
      const page = pageOfKey(bytesToByteString(key));
      const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
      for (let i = 0; i + 4 <= value.length; i += 4) {
        counts.set(page * PAGE_BLOCKS + v.getUint16(i, true), v.getUint16(i + 2, true));
      }
    }
    const wrongPages = new Set<number>();
    const pagesWithShared = new Map<number, number[]>();
    for (let block = 0; block < owners.length; block++) {
      const further = Math.max(0, owners[block]! - 1);
      const counted = counts.get(block) ?? 0;
      const page = Math.floor(block / PAGE_BLOCKS);
      if (further > 0) {
        const list = pagesWithShared.get(page) ?? [];
        list.push(block % PAGE_BLOCKS, further);
        pagesWithShared.set(page, list);
      }
      if (further === counted) continue;
      wrongPages.add(page);
      this.#error(`block ${block} has ${owners[block]} owners, ${counted + 1} counted`);
    }
    for (const page of wrongPages) {
      const list = pagesWithShared.get(page);
      if (list === undefined) this.#mend({ kind: 'del', key: byteStringToBytes(keys.references(page)) });
      else this.#mend(sealedPut(this.#arena, keys.references(page), new Uint8Array(Uint16Array.from(list).buffer)));
    }
  }
}
