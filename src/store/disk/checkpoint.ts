import type { KvOp } from '../../base/index.ts';
import { Writer } from '../../encoding/index.ts';
import { Arena } from '../arena.ts';
import { byteStringToBytes } from '../byte-string.ts';
import { AllocationPages } from './allocator.ts';
import type { Generation, StoreCore } from './core.ts';
import type { ObjectData } from './data.ts';
import { BLOCK_SIZE, idOfKey, keys } from './format.ts';
import { omapOps, pagedKeys } from './omap.ts';
import { encodeOnode, encodeSegment, type Onode } from './onode.ts';
import { sealedPut } from './sealed.ts';

/** Work done in one turn of the event loop: what keeps each well under a few milliseconds. */
const ONODES_PER_TURN = 64;
const OPS_PER_TURN = 1024;
/** Blocks of one gather write. */
const BLOCKS_PER_WRITE = 256;
/** Keys of removed omaps that one checkpoint clears away. */
const PURGE_PER_CHECKPOINT = 4096;

export interface CheckpointHost {
  readonly core: StoreCore;
  readonly data: ObjectData;
  /** The superblock for a state after transaction `seq`, as it is to be stored. */
  superblock(seq: number): Uint8Array;
  /** The checkpoint of `seq` is durable. */
  committed(seq: number): void;
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
    host.core.storeFrozen = (o) => this.#store(o);
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
    this.#storeOnodes(generation);
  }

  // --- step 1: onodes ---------------------------------------------------------------------------------------------------------

  #storeOnodes(generation: Generation): void {
    const { dirty } = generation;
    for (let n = 0; n < ONODES_PER_TURN && this.#position < dirty.length; this.#position++) {
      const o = dirty[this.#position]!;
      if (o.dirtyGeneration !== generation.number) continue;
      this.#store(o);
      n++;
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
      if (s.memory !== undefined) data.place(s, generation);
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
    if (o.omap !== undefined && (o.omap.current.entries.size > 0 || o.omap.current.ranges.length > 0)) {
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
    for (let n = 0; n < OPS_PER_TURN; n++) {
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
    ops.push(sealedPut(this.#values, keys.superblock, this.#host.superblock(generation.seq)));
    core.kv.commit(ops, (error) => {
      if (error !== null) {
        this.#host.failed(error);
        return;
      }
      for (const { omap } of generation.omaps) omap.frozen = undefined;
      core.allocator.release(generation.allocation);
      core.committed = generation.number;
      core.frozen = undefined;
      this.#host.committed(generation.seq);
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

/** All omap work of a generation, one database operation a step. */
function* omapSteps(core: StoreCore, generation: Generation): IterableIterator<void> {
  const { ops } = generation;
  for (const { nid, count } of generation.deadSegments) {
    for (let i = 0; i < count; i++) {
      core.space.del(ops, keys.segment(nid, i));
      yield;
    }
  }
  for (const { omap, delta } of generation.omaps) yield* omapOps(core.space, omap.id, delta, ops);
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
        yield;
      }
    } else isEmpty = false;
    if (isEmpty) core.space.del(ops, keys.graveyard(id));
    else core.space.put(ops, keys.graveyard(id), NOTHING);
    yield;
  }
}
