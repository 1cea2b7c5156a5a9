import { Arena } from '../arena.ts';
import { sortKey } from '../object-key.ts';
import { type Transaction, type TransactionIterator, txOp } from '../transaction.ts';
import type { StoreCore } from './core.ts';
import { type DirectWrite, type ObjectData, sliceBlocks } from './data.ts';
import { BLOCK_SIZE } from './format.ts';
import { ObjectOmap } from './omap.ts';
import { Onode } from './onode.ts';

/** A direct write as its record names it: which operation of which transaction. */
export interface RecordedWrite extends DirectWrite {
  readonly transaction: number;
  readonly operation: number;
}

/** What applying needs to know about writes that bypass the log. */
export interface DirectPolicy {
  /** Whether whole blocks of a write to the object go straight to the block file. */
  isDirect(length: number, o: Onode): boolean;
  /** Starts writing the buffers of each run. */
  start(runs: readonly { start: number; count: number }[], buffers: Uint8Array[][]): void;
}

const EMPTY = new Uint8Array(0);

/** Changes the store's state as checked transactions say. Nothing here fails but for damage and broken invariants. */
export class Applier {
  readonly #core: StoreCore;
  readonly #data: ObjectData;
  readonly #policy: DirectPolicy;

  constructor(core: StoreCore, data: ObjectData, policy: DirectPolicy) {
    this.#core = core;
    this.#data = data;
    this.#policy = policy;
  }

  /**
   * Applies one transaction. What it writes around the log is appended to `direct`; in replay `replayed` says instead what was
   * written so (in the order of operations).
   */
  apply(tx: Transaction, index: number, direct: RecordedWrite[], replayed?: readonly RecordedWrite[]): void {
    const it = tx.iterate();
    let next = 0;
    while (it.next()) {
      if (it.op === txOp.write) {
        let write: RecordedWrite | undefined;
        if (replayed !== undefined) {
          const candidate = replayed[next];
          if (candidate?.operation === it.index) {
            write = candidate;
            next++;
          }
        }
        this.#write(it, index, direct, write);
      } else if (!this.#applyCollection(it)) this.#applyObject(it);
    }
  }

  #write(it: TransactionIterator, index: number, direct: RecordedWrite[], replayed: RecordedWrite | undefined): void {
    const length = it.payload.u32();
    const position = it.payload.position;
    const parts = it.payload.views(length);
    const offset = it.offset;
    const o = this.#core.make(it.object);
    if (length === 0) return;
    let write = replayed;
    if (write === undefined && !this.#core.replaying && this.#policy.isDirect(length, o)) {
      write = this.#startDirect(parts, offset, length, position, index, it.index);
      if (write !== undefined) direct.push(write);
    }
    if (write === undefined) {
      this.#data.write(o, offset, parts, length);
      return;
    }
    // The ends that fill no block go through memory and the log as small writes do.
    const head = write.firstBlock * BLOCK_SIZE - offset;
    const tail = offset + length - (write.firstBlock + write.count) * BLOCK_SIZE;
    if (head > 0) this.#data.write(o, offset, slice(parts, 0, head), head);
    this.#data.placeDirect(o, write);
    if (tail > 0) this.#data.write(o, offset + length - tail, slice(parts, length - tail, tail), tail);
  }

  #startDirect(
    parts: readonly Uint8Array[],
    offset: number,
    length: number,
    position: number,
    transaction: number,
    operation: number,
  ): RecordedWrite | undefined {
    const firstBlock = Math.ceil(offset / BLOCK_SIZE);
    const count = Math.floor((offset + length) / BLOCK_SIZE) - firstBlock;
    if (count <= 0) return undefined;
    const skip = firstBlock * BLOCK_SIZE - offset;
    const core = this.#core;
    const runs = core.allocator.allocate(count, core.generation.allocation);
    const { crcs, buffers } = sliceBlocks(parts, skip, runs);
    this.#policy.start(runs, buffers);
    return { firstBlock, count, runs, crcs, payloadOffset: position + skip, transaction, operation };
  }

  #applyCollection(it: TransactionIterator): boolean {
    const core = this.#core;
    switch (it.op) {
      case txOp.nop:
        return true;
      case txOp.mkcoll:
      case txOp.collSetBits:
        core.setCollection(it.collection, it.splitBits);
        return true;
      case txOp.rmcoll:
        core.removeCollection(it.collection);
        return true;
      case txOp.splitCollection2:
        core.setCollection(it.collection, it.splitBits);
        core.setCollection(it.destCollection, it.splitBits);
        return true;
      case txOp.mergeCollection:
        core.removeCollection(it.collection);
        core.setCollection(it.destCollection, it.splitBits);
        return true;
      case txOp.collHint:
        it.skipPayload();
        return true;
      default:
        return false;
    }
  }

  #applyObject(it: TransactionIterator): void {
    const core = this.#core;
    const p = it.payload;
    if (it.op === txOp.touch || it.op === txOp.create) {
      core.make(it.object);
      return;
    }
    if (it.op === txOp.zero) {
      this.#data.zero(core.make(it.object), it.offset, it.length);
      return;
    }
    const o = core.find(it.object);
    if (o === undefined) {
      it.skipPayload();
      return;
    }
    core.touch(o);
    const generation = core.generation;
    switch (it.op) {
      case txOp.truncate:
        this.#data.truncate(o, it.offset);
        return;
      case txOp.remove:
        this.#remove(o);
        return;
      case txOp.setattr: {
        const name = p.string();
        setAttr(o, name, p.blob());
        return;
      }
      case txOp.setattrs:
        for (let n = p.count(8); n > 0; n--) {
          const name = p.string();
          setAttr(o, name, p.blob());
        }
        return;
      case txOp.rmattr:
        o.attrs.delete(p.string());
        return;
      case txOp.rmattrs:
        o.attrs.clear();
        return;
      case txOp.clone:
        this.#clone(o, it);
        return;
      case txOp.cloneRange2: {
        const to = core.make(it.destObject);
        this.#data.copyRange(o, it.offset, it.length, to, it.destOffset);
        return;
      }
      case txOp.collMoveRename:
      case txOp.tryRename:
        this.#rename(o, it);
        return;
      case txOp.setAllocHint:
        o.expectedObjectSize = it.expectedObjectSize;
        o.expectedWriteSize = it.expectedWriteSize;
        o.hintFlags = it.hint;
        return;
      case txOp.omapClear:
        this.#dropOmap(o);
        return;
      case txOp.omapSetKeys: {
        const omap = this.#omapForWrite(o);
        for (let n = p.count(8); n > 0; n--) {
          const key = p.byteString();
          const value = copy(p.blob());
          generation.metaBytes += key.length + value.length + 64;
          omap.set(key, value);
        }
        return;
      }
      case txOp.omapRmKeys: {
        const omap = this.omapOf(o);
        for (let n = p.count(4); n > 0; n--) {
          const key = p.byteString();
          if (omap === undefined) continue;
          generation.metaBytes += key.length + 64;
          omap.remove(key);
        }
        return;
      }
      case txOp.omapRmKeyRange: {
        const first = p.byteString();
        const last = p.byteString();
        generation.metaBytes += 128;
        this.omapOf(o)?.removeRange(first, last);
        return;
      }
      case txOp.omapSetHeader:
        o.omapHeader = copy(p.blob());
        return;
      default:
        it.skipPayload();
    }
  }

  /** The object's omap, or undefined where it never had one. */
  omapOf(o: Onode): ObjectOmap | undefined {
    if (o.omap === undefined && o.omapId !== 0) o.omap = new ObjectOmap(o.omapId, false);
    return o.omap;
  }

  #omapForWrite(o: Onode): ObjectOmap {
    const known = this.omapOf(o);
    if (known !== undefined) return known;
    o.omapId = this.#core.nidNext++;
    o.omap = new ObjectOmap(o.omapId, true);
    return o.omap;
  }

  #dropOmap(o: Onode): void {
    o.omapHeader = EMPTY;
    if (o.omapId === 0) return;
    // Its keys are removed with the checkpoint, a few at a time; a new omap gets a new number.
    if (o.omap?.current.fresh !== true) this.#core.generation.deadOmaps.push(o.omapId);
    o.omapId = 0;
    o.omap = undefined;
  }

  #remove(o: Onode): void {
    const core = this.#core;
    this.#data.clear(o);
    o.attrs.clear();
    this.#dropOmap(o);
    if (o.sharded) core.generation.deadSegments.push({ nid: o.nid, count: o.segments.length });
    o.exists = false;
    o.segments = [];
    o.sharded = false;
    o.complete = true;
  }

  #clone(o: Onode, it: TransactionIterator): void {
    const core = this.#core;
    const name = it.destObject;
    if (sortKey(name) === o.key) return;
    const to = core.make(name);
    this.#data.clear(to);
    this.#dropOmap(to);
    to.attrs.clear();
    this.#data.share(o, to);
    for (const [key, value] of o.attrs) to.attrs.set(key, value);
    to.expectedObjectSize = o.expectedObjectSize;
    to.expectedWriteSize = o.expectedWriteSize;
    to.hintFlags = o.hintFlags;
    to.omapHeader = o.omapHeader;
    const source = this.omapOf(o);
    if (source === undefined) return;
    const target = this.#omapForWrite(to);
    for (const [key, value] of source.entries(core.space, '')) {
      core.generation.metaBytes += key.length + value.length + 64;
      target.set(key, value);
    }
  }

  #rename(o: Onode, it: TransactionIterator): void {
    const core = this.#core;
    const name = it.destObject;
    if (sortKey(name) === o.key) return;
    const replaced = core.lookup(name);
    if (replaced.exists) {
      core.touch(replaced);
      this.#remove(replaced);
    }
    if (replaced.dirtyGeneration === core.generation.number) replaced.superseded = true;
    // The old name stays behind as one that has no object any more.
    const left = new Onode(o.name);
    core.cache(left);
    core.touch(left);
    o.name = name;
    o.key = new Onode(name).key;
    core.cache(o);
  }
}

function setAttr(o: Onode, name: string, value: Uint8Array): void {
  const old = o.attrs.get(name);
  // Values are handed out as they are, so a new one never goes into an old one's place.
  if (old !== undefined && same(old, value)) return;
  o.attrs.set(name, copy(value));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length || a.length > 64) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Values that stay lie side by side: a buffer of its own for each costs more than the bytes, and among short-lived ones each would keep a whole piece of memory. */
const values = new Arena(16 * 1024);

function copy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EMPTY : values.copy(bytes);
}

/** Part of bytes that lie in several buffers. */
function slice(parts: readonly Uint8Array[], offset: number, length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let skip = offset;
  let left = length;
  for (const part of parts) {
    if (left === 0) break;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const n = Math.min(left, part.length - skip);
    out.push(part.subarray(skip, skip + n));
    left -= n;
    skip = 0;
  }
  return out;
}
