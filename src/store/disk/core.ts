import { type Clock, type DiskFile, type Kv, type KvOp, Queue } from '../../base/index.ts';
import { Reader } from '../../encoding/index.ts';
import type { Ghobject } from '../../types/index.ts';
import { type CollectionId, StoreError } from '../api.ts';
import { byteStringToBytes } from '../byte-string.ts';
import { sortKey } from '../object-key.ts';
import { AllocationDelta, type BlockAllocator } from './allocator.ts';
import { BlockPool } from './block-pool.ts';
import { keys } from './format.ts';
import type { KeySpace } from './keyspace.ts';
import type { ObjectOmap, OmapDelta } from './omap.ts';
import { decodeOnode, decodeSegment, Onode, Segment } from './onode.ts';
import { getSealed } from './sealed.ts';
import type { Usage } from './usage.ts';

/**
 * What the transactions between two checkpoints changed. One generation runs; at most one other, frozen, is on its way into the
 * database. An object of the frozen one that is to be changed again is stored first (see {@link StoreCore.touch}), so a checkpoint
 * is exactly the state after its last transaction although the store goes on.
 */
export class Generation {
  readonly number: number;
  readonly dirty: Onode[] = [];
  readonly allocation = new AllocationDelta();
  /** Bits, or -1: removed. */
  readonly collections = new Map<CollectionId, number>();
  readonly deadOmaps: number[] = [];
  readonly deadSegments: { nid: number; count: number }[] = [];
  readonly omaps: { omap: ObjectOmap; delta: OmapDelta }[] = [];
  /** Block numbers and contents to be written. */
  readonly writes: { block: number; content: Uint8Array }[] = [];
  readonly ops: KvOp[] = [];
  /** Last transaction; known when frozen. */
  seq = 0;
  /** The space in use at that point; its checkpoint goes on counting what it compresses. */
  usage: Usage | undefined = undefined;
  /** Direct writes under way. */
  directWrites = 0;
  onDirectDone: (() => void) | undefined = undefined;
  /** About how many bytes of keys and values wait in memory. */
  metaBytes = 0;

  constructor(number: number) {
    this.number = number;
  }

  get isClean(): boolean {
    return this.dirty.length === 0 && this.collections.size === 0 && this.allocation.isEmpty;
  }
}

/** Onodes that come in between two passes of eviction. */
const EVICT_EVERY = 32;

/** State that the parts of a disk store share. */
export class StoreCore {
  readonly clock: Clock;
  readonly kv: Kv;
  readonly space: KeySpace;
  readonly blocks: DiskFile;
  readonly allocator: BlockAllocator;
  readonly pool = new BlockPool();
  readonly collections = new Map<CollectionId, number>();
  /** Onodes by the object's mapKey. */
  readonly onodes = new Map<string, Onode>();
  /** Contents given a place whose write is not done: reads take them from here. */
  readonly inFlight = new Map<number, Uint8Array>();
  generation: Generation;
  frozen: Generation | undefined = undefined;
  /** Last generation that is in the database. */
  committed = 0;
  nidNext: number;
  /** Blocks that wait in memory without a place: a promise to the allocator. */
  unplaced = 0;
  /** Space in use, as of the last transaction applied. */
  readonly usage: Usage;
  /** Last transaction applied. */
  seq: number;
  /** Replaying the log: no checks, and damage met on the way is left for the reader to find. */
  replaying = false;
  cacheBytes_max: number;
  #cacheBytes = 0;
  #hand: IterableIterator<[string, Onode]> | undefined;
  /** Onodes that came in since the last eviction. */
  #inserted = 0;
  /** Called with an object of the frozen generation that is about to be changed. */
  storeFrozen: (o: Onode) => void = () => {};
  #syncWaiters: ((error: Error | null) => void)[] = [];
  #syncing = false;

  constructor(parts: {
    clock: Clock;
    kv: Kv;
    space: KeySpace;
    blocks: DiskFile;
    allocator: BlockAllocator;
    nidNext: number;
    seq: number;
    usage: Usage;
    cacheBytes: number;
  }) {
    this.clock = parts.clock;
    this.kv = parts.kv;
    this.space = parts.space;
    this.blocks = parts.blocks;
    this.allocator = parts.allocator;
    this.nidNext = parts.nidNext;
    this.seq = parts.seq;
    this.usage = parts.usage;
    this.cacheBytes_max = parts.cacheBytes;
    this.generation = new Generation(1);
  }

  // --- onodes -----------------------------------------------------------------------------------------------------------------

  /** The object's onode, existing or not; loaded where need be. */
  lookup(name: Ghobject): Onode {
    const known = this.onodes.get(sortKey(name));
    if (known !== undefined) {
      known.recent = true;
      return known;
    }
    const o = new Onode(name);
    const stored = this.space.get(keys.onode(o.key));
    if (stored !== undefined) decodeOnode(o, stored);
    this.#insert(o);
    return o;
  }

  /** The object's onode, or undefined where there is no such object. */
  find(name: Ghobject): Onode | undefined {
    const o = this.lookup(name);
    return o.exists ? o : undefined;
  }

  /** The object's onode, made where it is missing; marked as changed. */
  make(name: Ghobject): Onode {
    let o = this.lookup(name);
    if (!o.exists) {
      if (o.lastGeneration !== 0) {
        // What is left of a removed object stays apart: its checkpoint still has keys to remove.
        if (o.dirtyGeneration === this.generation.number) o.superseded = true;
        o = new Onode(name);
        this.cache(o);
      }
      o.exists = true;
      o.nid = this.nidNext++;
    }
    this.touch(o);
    return o;
  }

  #insert(o: Onode): void {
    this.cache(o);
    this.#inserted++;
  }

  /** Puts an onode in the cache under its name, in the place of whichever was there. */
  cache(o: Onode): void {
    const { key } = o;
    const old = this.onodes.get(key);
    if (old !== undefined) this.#cacheBytes -= old.counted;
    o.counted = 0;
    this.onodes.set(key, o);
    this.count(o);
  }

  /** Counts an onode of the cache with the memory that it takes now: once it is stored after a change, and when more of it was loaded. */
  count(o: Onode): void {
    const { memory } = o;
    this.#cacheBytes += memory - o.counted;
    o.counted = memory;
  }

  /** Keeps the cache within its limit. Only to be called when nobody holds an onode that it is about to change. */
  trimCache(): void {
    if (this.#cacheBytes <= this.cacheBytes_max || this.#inserted < EVICT_EVERY) return;
    this.#inserted = 0;
    this.#evict();
  }

  /** Marks an onode as about to be changed by the running generation. */
  touch(o: Onode): void {
    const g = this.generation;
    if (o.dirtyGeneration === g.number) return;
    if (o.dirtyGeneration !== 0) this.storeFrozen(o);
    o.dirtyGeneration = g.number;
    o.lastGeneration = g.number;
    g.dirty.push(o);
  }

  /**
   * Gives up onodes that were not used since the hand last passed. Changed ones stay until they are stored, so a pass may find nothing: it
   * ends after a few steps for each onode that came in.
   */
  #evict(): void {
    for (let steps = 0; steps < EVICT_EVERY * 8 && this.#cacheBytes > this.cacheBytes_max; steps++) {
      const hand: IterableIterator<[string, Onode]> = this.#hand ?? this.onodes.entries();
      this.#hand = hand;
      const next = hand.next();
      if (next.done === true) {
        this.#hand = undefined;
        continue;
      }
      const [key, o] = next.value;
      if (o.dirtyGeneration === 0 && o.lastGeneration <= this.committed) {
        if (!o.recent) {
          this.#cacheBytes -= o.counted;
          this.onodes.delete(key);
          continue;
        }
        o.recent = false;
      }
    }
  }

  get cacheBytes(): number {
    return this.#cacheBytes;
  }

  /** The segment, loaded where need be; undefined for a hole. */
  segment(o: Onode, index: number): Segment | undefined {
    const s = o.segments[index];
    if (s !== undefined || o.complete) return s;
    const stored = this.space.get(keys.segment(o.nid, index));
    if (stored === undefined && o.hasSegment(index)) {
      throw new StoreError('corrupt', `object ${o.name}: segment ${index} of its map is missing`);
    }
    const loaded = stored === undefined ? new Segment(0) : decodeSegment(new Reader(stored));
    placeSegment(o, index, loaded);
    if (this.onodes.get(o.key) === o) this.count(o);
    return loaded;
  }

  /** The segment to be changed, made where it is missing. */
  segmentForWrite(o: Onode, index: number): Segment {
    let s = this.segment(o, index);
    if (s === undefined) {
      s = new Segment(1);
      placeSegment(o, index, s);
    }
    s.dirty = true;
    return s;
  }

  // --- collections ------------------------------------------------------------------------------------------------------------

  setCollection(collection: CollectionId, bits: number): void {
    this.collections.set(collection, bits);
    this.generation.collections.set(collection, bits);
  }

  removeCollection(collection: CollectionId): void {
    this.collections.delete(collection);
    this.generation.collections.set(collection, -1);
  }

  // --- the block file ---------------------------------------------------------------------------------------------------------

  /** Calls back after a sync that starts after this call. Callers that come while one runs share the next. */
  syncBlocks(done: (error: Error | null) => void): void {
    this.#syncWaiters.push(done);
    if (!this.#syncing) this.#runSync();
  }

  #runSync(): void {
    const waiters = this.#syncWaiters;
    this.#syncWaiters = [];
    this.#syncing = true;
    this.blocks.sync((error) => {
      this.#syncing = false;
      if (this.#syncWaiters.length > 0) this.#runSync();
      for (const waiter of waiters) waiter(error);
    });
  }

  /** Reads of the database by key, for the allocation pages. */
  stored(key: string): Uint8Array | undefined {
    return getSealed(this.kv, byteStringToBytes(key));
  }

  /** Freezes the running generation and starts the next. */
  freeze(): Generation {
    if (this.frozen !== undefined) throw new StoreError('invalid', 'a checkpoint is running');
    const frozen = this.generation;
    frozen.seq = this.seq;
    frozen.usage = this.usage.copy();
    this.frozen = frozen;
    this.generation = new Generation(frozen.number + 1);
    return frozen;
  }
}

export function placeSegment(o: Onode, index: number, s: Segment): void {
  // No holes in the array: they make every access slow.
  while (o.segments.length <= index) o.segments.push(undefined);
  o.segments[index] = s;
}

/** First come, first called, by sequence number. */
export class CommitQueue {
  readonly #waiting = new Queue<{ seq: number; direct: DirectState | undefined; onCommit: (() => void) | undefined }>();
  readonly #direct = new Queue<DirectState>();
  #durable = 0;
  #emptyWaiters: (() => void)[] = [];

  add(seq: number, direct: DirectState | undefined, onCommit: (() => void) | undefined): void {
    this.#waiting.push({ seq, direct, onCommit });
    if (direct !== undefined) this.#direct.push(direct);
  }

  /** All data that records up to here describe is durable. */
  directSeq(lastSeq: number): number {
    while (this.#direct.length > 0 && this.#direct.peek()!.durable) this.#direct.shift();
    const first = this.#direct.peek();
    return first === undefined ? lastSeq : first.seq - 1;
  }

  /** The log holds everything up to `seq`. */
  logged(seq: number): void {
    this.#durable = seq;
    this.run();
  }

  run(): void {
    for (;;) {
      const first = this.#waiting.peek();
      if (first === undefined || first.seq > this.#durable || first.direct?.durable === false) return;
      this.#waiting.shift();
      first.onCommit?.();
      if (this.#waiting.length === 0) this.#wakeEmpty();
    }
  }

  /** Calls back once everything has been acknowledged. */
  whenEmpty(done: () => void): void {
    if (this.#waiting.length === 0) done();
    else this.#emptyWaiters.push(done);
  }

  #wakeEmpty(): void {
    const waiters = this.#emptyWaiters;
    this.#emptyWaiters = [];
    for (const waiter of waiters) waiter();
  }

  get length(): number {
    return this.#waiting.length;
  }
}

/** Whether the data that a record describes is on disk. */
export interface DirectState {
  readonly seq: number;
  writes: number;
  durable: boolean;
}
