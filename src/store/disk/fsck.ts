import { crc32c, type DiskFile, type Kv, type KvOp } from '../../base/index.ts';
import { DecodeError, Reader } from '../../encoding/index.ts';
import { type CollectionId, StoreError } from '../api.ts';
import { Arena } from '../arena.ts';
import { byteStringToBytes, bytesToByteString } from '../byte-string.ts';
import { collectionHolds, fromSortKey } from '../object-key.ts';
import { expandBlob } from './blobs.ts';
import {
  BLOCK_SIZE,
  CRC_SEED,
  idOfKey,
  keyKind,
  keys,
  NO_BLOCK,
  PACKED,
  PAGE_BLOCKS,
  PAGE_BYTES,
  pageOfKey,
  SEGMENT_BLOCKS,
} from './format.ts';
import type { KeySpace } from './keyspace.ts';
import { type Blob, decodeOnode, decodeSegment, Onode, type Segment } from './onode.ts';
import { getSealed, sealedPut, unseal } from './sealed.ts';
import { omapBytes, Usage, UsageTally } from './usage.ts';

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

/** What is checked: a store in which nothing waits for a checkpoint, or the last checkpoint of one that is not mounted. */
export interface FsckSource {
  readonly kv: Kv;
  readonly space: KeySpace;
  readonly blocks: DiskFile;
  readonly blockCount: number;
  readonly collections: ReadonlyMap<CollectionId, number>;
  readonly nidNext: number;
}

/** Checks the database and, deep, the data and every single value. */
export function fsckStore(source: FsckSource, options: FsckOptions): FsckReport {
  const check = new Fsck(source, options);
  return check.run();
}

/** What keys may begin with: the kinds of format.ts, and those of keyspace.ts. */
const KINDS = new Set<number>([...Object.values(keyKind), 0x54, 0x4e]);

class Fsck {
  readonly #source: FsckSource;
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
  /** Omaps of which it cannot be said whether anybody has them, nor of blocks: some onode or segment is unreadable. */
  #unreadable = 0;
  #objects = 0;
  #blocks = 0;
  readonly #content = new Uint8Array(BLOCK_SIZE);
  readonly #tally: UsageTally;
  /** Bytes of omaps that are removed. */
  #removed = 0;

  constructor(source: FsckSource, options: FsckOptions) {
    this.#source = source;
    this.#options = options;
    this.#owners = new Uint16Array(source.blockCount);
    this.#tally = new UsageTally(source.blockCount);
  }

  /** Tells of damage; `canMend`: the caller mends it where that is asked for. */
  #error(text: string, canMend = false): void {
    if (this.#errorCount++ < ERRORS_MAX) this.#errors.push(text);
    else if (this.#errorCount === ERRORS_MAX + 1) this.#errors.push('more errors follow');
    if (canMend && this.#options.repair === true) this.#repaired++;
  }

  run(): FsckReport {
    this.#checkOnodes();
    this.#checkSegments();
    this.#checkOmaps();
    this.#checkAllocation();
    this.#checkReferences();
    this.#checkUsage();
    if (this.#options.deep === true) this.#checkValues();
    if (this.#options.repair === true && this.#ops.length > 0) this.#source.kv.commitSync(this.#ops);
    return {
      objects: this.#objects,
      blocks: this.#blocks,
      errors: this.#errors,
      errorCount: this.#errorCount,
      repaired: this.#repaired,
    };
  }

  #mend(op: KvOp): void {
    if (this.#options.repair === true) this.#ops.push(op);
  }

  /** A value of the database, or undefined where it is missing or damaged (which is told). */
  #value(key: string, what: string): Uint8Array | undefined {
    try {
      return this.#source.space.get(key);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#error(`${what}: ${error.message}`);
      return undefined;
    }
  }

  /** Pages of a kind; damaged ones are undefined. */
  *#pages(start: string, end: string): IterableIterator<readonly [number, Uint8Array | undefined]> {
    for (const [key, stored] of this.#source.kv.range(byteStringToBytes(start), byteStringToBytes(end))) {
      const page = pageOfKey(bytesToByteString(key));
      let value: Uint8Array | undefined;
      try {
        value = unseal(key, stored);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
      }
      yield [page, value];
    }
  }

  /** Every key and value there is: a flipped bit in either fails the seal that covers both. */
  #checkValues(): void {
    const first = Uint8Array.of(0);
    for (const [key, stored] of this.#source.kv.range(first, undefined)) {
      const kind = key[0]!;
      if (kind === keyKind.allocation || kind === keyKind.references) continue;
      try {
        unseal(key, stored);
        if (!KINDS.has(kind)) this.#error(`key ${Buffer.from(key).toString('hex')} is of no known kind`);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#error(error.message);
      }
    }
  }

  #checkOnodes(): void {
    const core = this.#source;
    for (const [key] of core.space.range('O', 'P', true)) {
      let o: Onode;
      try {
        o = new Onode(fromSortKey(key.slice(1)));
      } catch (error) {
        if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
        this.#unreadable++;
        this.#error(`an onode's key names no object: ${error.message}`);
        continue;
      }
      const what = o.name.toString();
      const value = this.#value(key, `object ${what}`);
      if (value === undefined) {
        this.#unreadable++;
        continue;
      }
      this.#objects++;
      try {
        decodeOnode(o, value);
      } catch (error) {
        if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
        this.#unreadable++;
        this.#error(`object ${what}: its onode does not decode: ${error.message}`);
        continue;
      }
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
    const before = this.#errorCount;
    const stored = this.#value(keys.segment(o.nid, index), `object ${o.name}: segment ${index}`);
    if (stored === undefined) {
      const isDamaged = this.#errorCount > before;
      if (!isDamaged && o.hasSegment(index)) this.#error(`object ${o.name}: segment ${index} is missing`);
      if (isDamaged || o.hasSegment(index)) this.#unreadable++;
      return undefined;
    }
    try {
      return decodeSegment(new Reader(stored));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#unreadable++;
      this.#error(`object ${o.name}: segment ${index} does not decode: ${error.message}`);
      return undefined;
    }
  }

  #checkSegment(o: Onode, index: number, s: Segment): void {
    this.#tally.add(o, index, s);
    const isDeep = this.#options.deep === true;
    for (let i = 0; i < s.count; i++) {
      const block = s.block(i);
      if (block === NO_BLOCK) continue;
      const offset = (index * SEGMENT_BLOCKS + i) * BLOCK_SIZE;
      if (offset >= o.size) this.#error(`object ${o.name} at ${offset}: a block beyond its size of ${o.size}`);
      if (block !== PACKED && this.#own(o, offset, block) && isDeep) this.#verify(o, offset, block, s.crc(i));
    }
    const { blobs } = s;
    if (blobs === undefined) return;
    for (let place = 0; place < blobs.length; place++) {
      const blob = blobs[place]?.blob;
      if (blob === undefined) continue;
      let first = 0;
      while (s.block(first) !== PACKED || s.crc(first) >>> 8 !== place) first++;
      const logical = index * SEGMENT_BLOCKS + first;
      let isThere = true;
      for (const block of blob.blocks) if (!this.#own(o, logical * BLOCK_SIZE, block)) isThere = false;
      if (isThere && isDeep) this.#verifyBlob(o, logical, blob);
    }
  }

  /** Counts an owner of a block. False where there is no such block. */
  #own(o: Onode, offset: number, block: number): boolean {
    this.#blocks++;
    if (block >= this.#owners.length) {
      this.#error(`object ${o.name} at ${offset}: block ${block} is beyond the device`);
      return false;
    }
    this.#owners[block]!++;
    return true;
  }

  #verifyBlob(o: Onode, logical: number, blob: Blob): void {
    const stored = new Uint8Array(blob.blocks.length * BLOCK_SIZE);
    for (let k = 0; k < blob.blocks.length; k++) {
      const part = stored.subarray(k * BLOCK_SIZE, (k + 1) * BLOCK_SIZE);
      const n = this.#source.blocks.readSync(part, blob.blocks[k]! * BLOCK_SIZE);
      if (n < BLOCK_SIZE) part.fill(0, n);
    }
    try {
      expandBlob(o, logical, blob, stored);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#error(error.message);
    }
  }

  #verify(o: Onode, offset: number, block: number, expected: number): void {
    const content = this.#content;
    const n = this.#source.blocks.readSync(content, block * BLOCK_SIZE);
    if (n < BLOCK_SIZE) content.fill(0, n);
    const found = crc32c(CRC_SEED, content);
    if (found !== expected) {
      this.#error(
        `object ${o.name} at ${offset}: checksum ${found.toString(16)} found, ${expected.toString(16)} expected`,
      );
    }
  }

  #checkSegments(): void {
    for (const [key] of this.#source.space.range('X', 'Y', true)) {
      const nid = idOfKey(key);
      const index = pageOfKey(key);
      const count = this.#sharded.get(nid);
      if (count !== undefined && index < count) continue;
      this.#orphan(key, `segment ${index} of object number ${nid} belongs to no object`);
    }
  }

  /** What no object has. It stays while it may be that of an object whose onode cannot be read. */
  #orphan(key: string, text: string | undefined): void {
    const canMend = this.#unreadable === 0;
    if (text !== undefined) this.#error(text, canMend);
    if (!canMend || this.#options.repair !== true) return;
    if (key.charCodeAt(0) === keyKind.omap) this.#removed += this.#source.space.storedLength(key) ?? 0;
    this.#source.space.del(this.#ops, key);
  }

  #checkOmaps(): void {
    const { space } = this.#source;
    const graves = new Set<number>();
    for (const [key] of space.range('G', 'H', true)) graves.add(idOfKey(key));
    let last = -1;
    for (const [key] of space.range('P', 'Q', true)) {
      const id = idOfKey(key);
      if (this.#omaps.has(id) || graves.has(id)) continue;
      this.#orphan(key, id === last ? undefined : `omap ${id} belongs to no object`);
      last = id;
    }
  }

  /** Whether a block may be called free that no readable map has. */
  get #mayFree(): boolean {
    return this.#unreadable === 0;
  }

  #checkAllocation(): void {
    const owners = this.#owners;
    const pages = Math.ceil(owners.length / PAGE_BLOCKS);
    const stored = new Map(this.#pages('A', 'B'));
    for (let page = 0; page < pages; page++) {
      const bits = stored.get(page);
      const isDamaged = bits === undefined && stored.has(page);
      const right = new Uint8Array(PAGE_BYTES);
      let isWrong = isDamaged;
      if (isDamaged) this.#error(`page ${page} of the allocation map fails its checksum`, true);
      for (let i = 0; i < PAGE_BLOCKS; i++) {
        const block = page * PAGE_BLOCKS + i;
        const isOwned = block < owners.length && owners[block]! > 0;
        const isMarked = bits !== undefined && (bits[i >>> 3]! & (1 << (i & 7))) !== 0;
        if (isOwned || (isMarked && !this.#mayFree)) right[i >>> 3]! |= 1 << (i & 7);
        if (isOwned === isMarked || isDamaged) continue;
        if (isOwned) {
          isWrong = true;
          this.#error(`block ${block} is in use but marked free`, true);
        } else {
          isWrong ||= this.#mayFree;
          this.#error(`block ${block} is leaked: marked as in use but no object has it`, this.#mayFree);
        }
      }
      if (isWrong) this.#mend(sealedPut(this.#arena, keys.allocation(page), right));
      stored.delete(page);
    }
    for (const page of stored.keys()) {
      this.#error(`page ${page} of the allocation map is beyond the device`, true);
      this.#mend({ kind: 'del', key: byteStringToBytes(keys.allocation(page)) });
    }
  }

  /** Whether the space that pools take is counted right. While a map cannot be read, nobody can say. */
  #checkUsage(): void {
    if (this.#unreadable > 0) return;
    const { kv, space } = this.#source;
    const found = this.#tally.usage;
    let counted: Usage | undefined;
    try {
      const stored = getSealed(kv, byteStringToBytes(keys.usage));
      // A store of before format 3 has none yet.
      if (stored === undefined) return;
      counted = Usage.decode(stored);
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof DecodeError)) throw error;
      this.#error(`the counts of space: ${error.message}`, true);
    }
    // All keys of omaps are met by the deep check only.
    found.omap = this.#options.deep === true || counted === undefined ? omapBytes(space) : counted.omap;
    if (counted !== undefined) {
      const difference = counted.difference(found);
      if (difference !== undefined) this.#error(`space: ${difference}`, true);
      else if (this.#removed === 0) return;
    }
    found.omap -= this.#removed;
    found.compressors = counted?.compressors ?? 0xff;
    this.#mend(sealedPut(this.#arena, keys.usage, found.encode()));
  }

  #checkReferences(): void {
    const owners = this.#owners;
    const counts = new Map<number, number>();
    const wrongPages = new Set<number>();
    for (const [page, value] of this.#pages('R', 'S')) {
      if (value === undefined) {
        this.#error(`page ${page} of the counts of owners fails its checksum`, true);
        wrongPages.add(page);
        continue;
      }
      const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
      for (let i = 0; i + 4 <= value.length; i += 4) {
        counts.set(page * PAGE_BLOCKS + v.getUint16(i, true), v.getUint16(i + 2, true));
      }
    }
    const damaged = new Set(wrongPages);
    const pagesWithShared = new Map<number, number[]>();
    for (let block = 0; block < owners.length; block++) {
      const counted = counts.get(block) ?? 0;
      const page = Math.floor(block / PAGE_BLOCKS);
      const found = Math.max(0, owners[block]! - 1);
      // Too many only keep a block from being used again: harmless while an unreadable map may own it.
      const further = this.#mayFree ? found : Math.max(found, counted);
      if (further > 0) {
        const list = pagesWithShared.get(page) ?? [];
        list.push(block % PAGE_BLOCKS, further);
        pagesWithShared.set(page, list);
      }
      if (found === counted || damaged.has(page)) continue;
      const canMend = further !== counted;
      if (canMend) wrongPages.add(page);
      this.#error(`block ${block} has ${owners[block]} owners, ${counted + 1} counted`, canMend);
    }
    for (const page of wrongPages) {
      const list = pagesWithShared.get(page);
      if (list === undefined) this.#mend({ kind: 'del', key: byteStringToBytes(keys.references(page)) });
      else this.#mend(sealedPut(this.#arena, keys.references(page), new Uint8Array(Uint16Array.from(list).buffer)));
    }
  }
}
