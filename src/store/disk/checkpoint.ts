import type { Compressor, KvOp } from '../../base/index.ts';
import { Writer } from '../../encoding/index.ts';
import { Arena } from '../arena.ts';
import { byteStringToBytes } from '../byte-string.ts';
import { AllocationPages } from './allocator.ts';
import { type Chunk, chunkBytes, chunksOf, keepPacked } from './blobs.ts';
import type { CompressionPlan, CompressionPolicy } from './compression.ts';
import type { Generation, StoreCore } from './core.ts';
import type { ObjectData } from './data.ts';
import { BLOCK_SIZE, idOfKey, keys } from './format.ts';
import { omapOps, pagedKeys } from './omap.ts';
import { encodeOnode, encodeSegment, type Onode, type Segment } from './onode.ts';
import { sealedPut } from './sealed.ts';
import { poolOf } from './usage.ts';

/** Work done in one turn of the event loop: what keeps each well under a few milliseconds. Sixteen blocks count as an onode. */
const ONODES_PER_TURN = 64;
const OPS_PER_TURN = 1024;
/**
 * What nobody can say how long it takes ends its turn after so many milliseconds: omaps, which look at what is stored, and that may have to come from the disk (the time
 * is looked at every so many operations); and compressing.
 */
const TURN_MS = 3;
const OPS_PER_LOOK = 32;
/** Blocks compressed in one turn at most: half a millisecond or so where the compressor is quick. */
const PACKED_PER_TURN = 64;
/** Blocks of an object that is changed again before its turn came that are compressed at once at most; the rest of them stays as it is. */
const PACKED_EARLY = 256;
/** Blocks of one gather write. */
const BLOCKS_PER_WRITE = 256;
/** Keys of removed omaps that one checkpoint clears away. */
const PURGE_PER_CHECKPOINT = 4096;

/** Blocks to be compressed together, of an object that waits for its turn. */
interface PackJob {
  readonly o: Onode;
  readonly s: Segment;
  readonly chunk: Chunk;
  readonly plan: CompressionPlan;
}

export interface CheckpointHost {
  readonly core: StoreCore;
  readonly data: ObjectData;
  readonly compression: CompressionPolicy;
  /** The superblock for a state after transaction `seq`, as it is to be stored. */
  superblock(seq: number): Uint8Array;
  /** The checkpoint of the generation is durable, and what it freed may be used. */
  committed(generation: Generation): void;
  failed(error: Error): void;
}

/**
 * Brings a generation into the database while the store goes on: places the data that waits in memory and writes it to the block file,
 * then commits all changed onodes, omaps and allocation pages in one database transaction. Until that commit nothing that the last
 * checkpoint refers to is overwritten or used again, so a crash at any point leads back to it and the log.
 */
export class Checkpointer {
  readonly #host: CheckpointHost;
  readonly #writer = new Writer(8192);
  /** Keys and values that wait for their commit. */
  readonly #values = new Arena(64 * 1024);
  #done: (() => void)[] = [];
  #writesInFlight = 0;
  #serialized = false;
  #position = 0;
  #writePosition = 0;

  constructor(host: CheckpointHost) {
    this.#host = host;
    host.core.storeFrozen = (o) => {
      if (this.#host.compression.isOn && o.exists) this.#packEarly(o);
      this.#store(o);
    };
  }

  get running(): boolean {
    return this.#host.core.frozen !== undefined;
  }

  /** Starts one unless one runs. `done` is called when the one that covers the present state has finished. */
  start(done?: () => void): void {
    const { core } = this.#host;
    if (core.frozen !== undefined) {
      if (done !== undefined) this.#done.push(() => this.start(done));
      return;
    }
    if (done !== undefined) this.#done.push(done);
    const generation = core.freeze();
    this.#serialized = false;
    this.#position = 0;
    this.#writePosition = 0;
    if (this.#host.compression.isOn) this.#pack(generation, this.#jobs(generation));
    else this.#storeOnodes(generation);
  }

  // --- step 0: compression ----------------------------------------------------------------------------------------------------

  #planFor(o: Onode): CompressionPlan | undefined {
    return this.#host.compression.planFor(poolOf(o.name), o.hintFlags);
  }

  /** What is to be compressed. An object that is changed meanwhile is stored by that, and no longer asks for it. */
  *#jobs(generation: Generation): IterableIterator<PackJob> {
    for (const o of generation.dirty) {
      if (o.dirtyGeneration !== generation.number || !o.exists) continue;
      const plan = this.#planFor(o);
      if (plan === undefined) continue;
      for (let index = 0; index < o.segments.length; index++) {
        const s = o.segments[index];
        if (s?.memory === undefined) continue;
        for (const chunk of chunksOf(s, index, plan.blobBlocks)) {
          if (o.dirtyGeneration !== generation.number) break;
          yield { o, s, chunk, plan };
        }
      }
    }
  }

  #pack(generation: Generation, jobs: IterableIterator<PackJob>): void {
    const { clock } = this.#host.core;
    const until = clock.monotonic() + TURN_MS;
    for (let blocks = 0; blocks < PACKED_PER_TURN && clock.monotonic() <= until; ) {
      const next = jobs.next();
      if (next.done === true) {
        this.#storeOnodes(generation);
        return;
      }
      const { o, s, chunk, plan } = next.value;
      const raw = chunkBytes(s, chunk);
      const { compressor } = plan;
      if (compressor.compressLater !== undefined) {
        compressor.compressLater(raw, (error, bytes) => {
          const isWaiting = o.dirtyGeneration === generation.number;
          if (error === null && bytes !== undefined && isWaiting) this.#keep(s, chunk, plan, bytes);
          this.#pack(generation, jobs);
        });
        return;
      }
      this.#keep(s, chunk, plan, compress(compressor, raw));
      blocks += chunk.count;
    }
    clock.defer(() => this.#pack(generation, jobs));
  }

  #keep(s: Segment, chunk: Chunk, plan: CompressionPlan, bytes: Uint8Array): void {
    const { counts } = this.#host.compression;
    if (keepPacked(s, chunk, plan, bytes)) counts.success++;
    else counts.rejected++;
  }

  /** Compresses what of an object is to be stored before its turn. */
  #packEarly(o: Onode): void {
    const plan = this.#planFor(o);
    if (plan === undefined) return;
    const { clock } = this.#host.core;
    const until = clock.monotonic() + TURN_MS;
    let left = PACKED_EARLY;
    for (let index = 0; index < o.segments.length; index++) {
      const s = o.segments[index];
      if (s?.memory === undefined) continue;
      for (const chunk of chunksOf(s, index, plan.blobBlocks)) {
        if (s.packed?.some((p) => p.first === chunk.first) === true) continue;
        left -= chunk.count;
        if (left < 0 || clock.monotonic() > until) return;
        this.#keep(s, chunk, plan, compress(plan.compressor, chunkBytes(s, chunk)));
      }
    }
  }

  // --- step 1: onodes ---------------------------------------------------------------------------------------------------------

  #storeOnodes(generation: Generation): void {
    const { dirty } = generation;
    for (let n = 0; n < ONODES_PER_TURN && this.#position < dirty.length; this.#position++) {
      const o = dirty[this.#position]!;
      if (o.dirtyGeneration !== generation.number) continue;
      const { core } = this.#host;
      const before = core.unplaced;
      this.#store(o);
      n += 1 + ((before - core.unplaced) >> 4);
    }
    this.#issueWrites(generation, false);
    if (this.#position < dirty.length) this.#host.core.clock.defer(() => this.#storeOnodes(generation));
    else this.#host.core.clock.defer(() => this.#storeOmaps(generation, omapSteps(this.#host.core, generation)));
  }

  /** Stores an onode of the frozen generation: in its turn, or earlier because it is about to be changed. */
  #store(o: Onode): void {
    const { core, data } = this.#host;
    const generation = core.frozen!;
    o.dirtyGeneration = 0;
    const { ops } = generation;
    if (!o.exists) {
      if (!o.superseded) core.space.del(ops, keys.onode(o.key));
      return;
    }
    const { segments } = o;
    if (!o.sharded && segments.length > 1) {
      o.sharded = true;
      for (const s of segments) if (s !== undefined) s.dirty = true;
    }
    for (let i = 0; i < segments.length; i++) {
      const s = segments[i];
      if (s === undefined) continue;
      if (s.memory !== undefined) data.place(o, s, generation);
      if (!s.dirty) continue;
      s.dirty = false;
      if (!o.sharded) continue;
      const key = keys.segment(o.nid, i);
      if (s.isHole) core.space.del(ops, key);
      else
        core.space.put(
          ops,
          key,
          this.#encode((w) => encodeSegment(w, s)),
        );
    }
    core.space.put(
      ops,
      keys.onode(o.key),
      this.#encode((w) => encodeOnode(w, o)),
    );
    if (core.onodes.get(o.key) === o) core.count(o);
    if (o.omap !== undefined && !o.omap.current.isEmpty) {
      generation.omaps.push({ omap: o.omap, delta: o.omap.freeze() });
    }
  }

  /** The value as a view that the next one overwrites: putting it copies. */
  #encode(encode: (w: Writer) => void): Uint8Array {
    this.#writer.reset();
    encode(this.#writer);
    return this.#writer.bytes();
  }

  // --- step 2: omaps, and the data meanwhile ----------------------------------------------------------------------------------

  #storeOmaps(generation: Generation, steps: IterableIterator<void>): void {
    const { clock } = this.#host.core;
    const until = clock.monotonic() + TURN_MS;
    for (let n = 0; n < OPS_PER_TURN; n++) {
      if (n % OPS_PER_LOOK === 0 && clock.monotonic() > until) break;
      if (steps.next().done !== true) continue;
      this.#serialized = true;
      this.#issueWrites(generation, true);
      this.#dataWritten(generation);
      return;
    }
    this.#host.core.clock.defer(() => this.#storeOmaps(generation, steps));
  }

  #issueWrites(generation: Generation, all: boolean): void {
    const { writes } = generation;
    // Two at a time: the log's sync must find a free worker thread.
    while (this.#writesInFlight < 2) {
      const left = writes.length - this.#writePosition;
      if (left === 0 || (left < BLOCKS_PER_WRITE && !all)) return;
      const first = writes[this.#writePosition]!.block;
      const buffers: Uint8Array[] = [];
      const blocks: number[] = [];
      while (
        buffers.length < BLOCKS_PER_WRITE &&
        this.#writePosition < writes.length &&
        writes[this.#writePosition]!.block === first + buffers.length
      ) {
        const w = writes[this.#writePosition++]!;
        buffers.push(w.content);
        blocks.push(w.block);
      }
      this.#writesInFlight++;
      this.#host.core.blocks.write(buffers, first * BLOCK_SIZE, (error) => {
        this.#writesInFlight--;
        if (error !== null) {
          this.#host.failed(error);
          return;
        }
        const { core } = this.#host;
        for (let i = 0; i < blocks.length; i++) {
          core.inFlight.delete(blocks[i]!);
          core.pool.give(buffers[i]!);
        }
        this.#issueWrites(generation, this.#serialized);
        if (this.#serialized) this.#dataWritten(generation);
      });
    }
  }

  // --- step 3: the data is written and synced ---------------------------------------------------------------------------------

  #dataWritten(generation: Generation): void {
    if (this.#writesInFlight > 0 || this.#writePosition < generation.writes.length) return;
    generation.writes.length = 0;
    this.#writePosition = 0;
    if (generation.directWrites > 0) {
      generation.onDirectDone = () => this.#dataWritten(generation);
      return;
    }
    generation.onDirectDone = undefined;
    if (generation.allocation.allocated.length === 0) {
      this.#commit(generation);
      return;
    }
    this.#host.core.syncBlocks((error) => {
      if (error !== null) this.#host.failed(error);
      else this.#commit(generation);
    });
  }

  // --- step 4: the commit -----------------------------------------------------------------------------------------------------

  #commit(generation: Generation): void {
    const { core } = this.#host;
    const { ops } = generation;
    const pages = new AllocationPages(
      generation.allocation,
      (page) => core.stored(keys.allocation(page)),
      (page) => core.stored(keys.references(page)),
    );
    for (const [page, bits] of pages.bits()) this.#putOrDelete(ops, keys.allocation(page), bits);
    for (const [page, counts] of pages.references()) this.#putOrDelete(ops, keys.references(page), counts);
    for (const [collection, bits] of generation.collections) {
      this.#putOrDelete(ops, keys.collection(collection), bits < 0 ? undefined : Uint8Array.of(bits));
    }
    ops.push(sealedPut(this.#values, keys.usage, generation.usage!.encode()));
    ops.push(sealedPut(this.#values, keys.superblock, this.#host.superblock(generation.seq)));
    // Until it is done all that it changes is read from memory, so a part that shows early does no harm.
    const { kv } = core;
    const commit = (done: (error: Error | null) => void): void =>
      kv.commitInTurns === undefined ? kv.commit(ops, done) : kv.commitInTurns(ops, done);
    commit((error) => {
      if (error !== null) {
        this.#host.failed(error);
        return;
      }
      for (const { omap } of generation.omaps) omap.frozen = undefined;
      core.allocator.release(generation.allocation);
      core.committed = generation.number;
      core.frozen = undefined;
      this.#host.committed(generation);
      const done = this.#done;
      this.#done = [];
      for (const callback of done) callback();
    });
  }

  #putOrDelete(ops: KvOp[], key: string, value: Uint8Array | undefined): void {
    if (value === undefined) ops.push({ kind: 'del', key: byteStringToBytes(key) });
    else ops.push(sealedPut(this.#values, key, value));
  }
}

const NOTHING = new Uint8Array(0);

/** What a compressor refuses stays as it is. */
function compress(compressor: Compressor, raw: Uint8Array): Uint8Array {
  try {
    return compressor.compress(raw);
  } catch {
    return raw;
  }
}

/** All omap work of a generation, one database operation a step. */
function* omapSteps(core: StoreCore, generation: Generation): IterableIterator<void> {
  const { ops } = generation;
  for (const { nid, count } of generation.deadSegments) {
    for (let i = 0; i < count; i++) {
      core.space.del(ops, keys.segment(nid, i));
      yield;
    }
  }
  const usages = [core.usage, generation.usage!];
  const grown = (bytes: number): void => {
    for (const usage of usages) usage.omap += bytes;
  };
  for (const { omap, delta } of generation.omaps) yield* omapOps(core.space, omap.id, delta, ops, grown);
  // Omaps of removed objects: their keys go as far as this checkpoint's share reaches, the rest is left to the next ones.
  let budget = PURGE_PER_CHECKPOINT;
  const graves = new Set<number>();
  for (const key of pagedKeys(core.space, 'G', 'H')) {
    if (graves.size >= PURGE_PER_CHECKPOINT) break;
    graves.add(idOfKey(key));
  }
  for (const id of generation.deadOmaps) graves.add(id);
  for (const id of graves) {
    let isEmpty = true;
    if (budget > 0) {
      for (const key of pagedKeys(core.space, keys.omapPrefix(id), keys.omapEnd(id))) {
        if (budget-- <= 0) {
          isEmpty = false;
          break;
        }
        core.space.del(ops, key);
        grown(-(core.space.storedLength(key) ?? 0));
        yield;
      }
    } else isEmpty = false;
    if (isEmpty) core.space.del(ops, keys.graveyard(id));
    else core.space.put(ops, keys.graveyard(id), NOTHING);
    yield;
  }
}
