import { BLOCK_CRCS_MIN, crc32c, rememberBlockCrcs } from '../../base/index.ts';
import type { Ghobject } from '../../types/index.ts';
import { StoreError } from '../api.ts';
import type { SortKey } from '../object-key.ts';
import { blobRuns, expandBlob } from './blobs.ts';
import type { StoreCore } from './core.ts';
import { corruption } from './corruption.ts';
import { type ObjectData, readBuffer } from './data.ts';
import { BLOCK_SIZE, CRC_SEED, keys, NO_BLOCK, PACKED, SEGMENT_BLOCKS, SEGMENT_SHIFT } from './format.ts';
import type { Blob, Onode } from './onode.ts';

/** Reads up to this long are done at once where reads have been quick. */
const SYNC_READ_MAX = 64 * 1024;
/** A short read that takes longer than this did not come from memory. */
const QUICK_US = 60;
const RETRIES = 3;
/** Blocks that a read expands in one turn: a millisecond or so. */
const EXPANDED_PER_TURN = 128;

/** Blocks of a blob that is being read. */
interface PackedRead {
  /** First of the read's blocks, and how many. */
  readonly at: number;
  readonly count: number;
  /** First of the blob's. */
  readonly from: number;
  readonly blob: Blob;
  readonly stored: Uint8Array;
}

type ReadDone = (error: Error | null, data: Uint8Array | undefined) => void;

/** Reads of objects that do not block for long. */
export class StoreReader {
  readonly #core: StoreCore;
  readonly #data: ObjectData;
  /** Average of what a short read took lately, in microseconds; decides whether the next may block. */
  #readTime_us = 0;
  #reads = 0;

  constructor(core: StoreCore, data: ObjectData) {
    this.#core = core;
    this.#data = data;
  }

  /** Bytes of a range within the object's size. The callback may come before the return. */
  read(o: Onode, offset: number, length: number, done: ReadDone): void {
    if (length > SYNC_READ_MAX || !this.#mayBlock()) {
      this.#readAsync(o.name, offset, length, RETRIES, done);
      return;
    }
    const { clock } = this.#core;
    const before = clock.monotonic();
    let data: Uint8Array;
    try {
      data = this.#data.readSync(o, offset, length);
    } catch (error) {
      done(error as Error, undefined);
      return;
    }
    this.#readTime_us = this.#readTime_us * 0.9 + (clock.monotonic() - before) * 100;
    done(null, data);
  }

  /** Short reads come from the page cache mostly, in a few microseconds; where they have not lately, the device is left to a worker. */
  #mayBlock(): boolean {
    this.#reads++;
    if (this.#readTime_us < QUICK_US) return true;
    // Try again now and then.
    if (this.#reads % 32 !== 0) return false;
    this.#readTime_us = QUICK_US * 0.9;
    return true;
  }

  #readAsync(
    name: Ghobject,
    offset: number,
    length: number,
    retries: number,
    done: (error: Error | null, data: Uint8Array | undefined) => void,
  ): void {
    const core = this.#core;
    const data = this.#data;
    const o = core.lookup(name);
    const version = o.dataVersion;
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
    const out = readBuffer((last - first + 1) * BLOCK_SIZE);
    const expected = new Uint32Array(last - first + 1);
    const onDisk: { at: number; count: number }[] = [];
    const packed: PackedRead[] = [];
    let waiting = 1;
    let failed: Error | undefined;
    let verified = 0;
    const finish = (): void => {
      if (--waiting > 0) return;
      if (failed === undefined) {
        for (const { at, count } of onDisk) {
          verified += count;
          for (let k = at; k < at + count; k++) {
            const found = crc32c(CRC_SEED, out.subarray(k * BLOCK_SIZE, (k + 1) * BLOCK_SIZE));
            if (found !== expected[k]) failed ??= corruption(o, (first + k) * BLOCK_SIZE, expected[k]!, found);
          }
        }
      }
      expand(0);
    };
    // Long ones take milliseconds: a part a turn.
    const expand = (from: number): void => {
      let left = EXPANDED_PER_TURN;
      for (let n = from; n < packed.length && failed === undefined; n++) {
        const p = packed[n]!;
        if (left <= 0) {
          core.clock.defer(() => expand(n));
          return;
        }
        left -= p.blob.rawBlocks;
        try {
          const raw = expandBlob(o, first + p.at, p.blob, p.stored);
          out.set(raw.subarray(p.from * BLOCK_SIZE, (p.from + p.count) * BLOCK_SIZE), p.at * BLOCK_SIZE);
        } catch (error) {
          failed = error as Error;
        }
      }
      end();
    };
    const end = (): void => {
      if (failed === undefined) {
        // All of it is what these checksums say: whoever sends it need not reckon again.
        if (verified === expected.length && out.length >= BLOCK_CRCS_MIN) rememberBlockCrcs(out, expected);
        const skip = offset - first * BLOCK_SIZE;
        done(null, out.subarray(skip, skip + length));
        return;
      }
      // The object may have changed, and its old blocks have been used again, while the read was on its way.
      if (retries > 0) {
        const now = core.lookup(name);
        if (now !== o || o.dataVersion !== version) {
          const rest = Math.min(length, now.size - offset);
          if (now.exists && rest > 0) this.#readAsync(name, offset, rest, retries - 1, done);
          else done(null, new Uint8Array(0));
          return;
        }
      }
      done(failed, undefined);
    };
    try {
      for (let logical = first; logical <= last; ) {
        const run = data.runAt(o, logical, last);
        const at = (logical - first) * BLOCK_SIZE;
        const bytes = run.count * BLOCK_SIZE;
        if (run.memory !== undefined) out.set(run.memory, at);
        else if (run.block === NO_BLOCK) out.fill(0, at, at + bytes);
        else if (run.block === PACKED) {
          const s = o.segments[logical >>> SEGMENT_SHIFT]!;
          const i = logical & (SEGMENT_BLOCKS - 1);
          const blob = s.blob(i);
          const stored = new Uint8Array(blob.blocks.length * BLOCK_SIZE);
          packed.push({ at: logical - first, count: run.count, from: s.positionInBlob(i), blob, stored });
          for (const { at: k, count, block } of blobRuns(core, blob, stored)) {
            waiting++;
            const part = stored.subarray(k * BLOCK_SIZE, (k + count) * BLOCK_SIZE);
            core.blocks.read(part, block * BLOCK_SIZE, (error, n) => {
              if (error !== null) failed ??= new StoreError('io', `read of ${o.name}: ${error.message}`);
              else if (n < part.length) part.fill(0, n);
              finish();
            });
          }
        } else {
          const s = o.segments[logical >>> SEGMENT_SHIFT]!;
          const i = logical & (SEGMENT_BLOCKS - 1);
          for (let k = 0; k < run.count; k++) expected[logical - first + k] = s.crc(i + k);
          onDisk.push({ at: logical - first, count: run.count });
          waiting++;
          core.blocks.read(out.subarray(at, at + bytes), run.block * BLOCK_SIZE, (error, n) => {
            if (error !== null) failed ??= new StoreError('io', `read of ${o.name}: ${error.message}`);
            else if (n < bytes) out.fill(0, at + n, at + bytes);
            finish();
          });
        }
        logical += run.count;
      }
    } catch (error) {
      // The object's map could not be read.
      failed ??= error as Error;
    }
    finish();
  }
}

/** Objects in [from, to): those stored, with what has changed since. */
export function* objectsFrom(
  core: StoreCore,
  from: SortKey,
  to: SortKey,
): IterableIterator<readonly [SortKey, Ghobject | undefined]> {
  // Changed onodes are few compared with those stored, and unordered: the ones in the range are sorted for each listing.
  const changed = new Map<SortKey, Onode>();
  for (const generation of [core.frozen, core.generation]) {
    if (generation === undefined) continue;
    for (const o of generation.dirty) {
      if (o.key < from || o.key >= to) continue;
      const now = core.onodes.get(o.key);
      if (now !== undefined) changed.set(o.key, now);
    }
  }
  const order = [...changed.keys()].sort();
  let next = 0;
  for (const [stored] of core.space.range(keys.onode(from), keys.onode(to), true)) {
    const key = stored.slice(1);
    while (next < order.length && order[next]! < key) {
      const o = changed.get(order[next++]!)!;
      if (o.exists) yield [o.key, o.name];
    }
    if (order[next] === key) {
      const o = changed.get(order[next++]!)!;
      if (o.exists) yield [o.key, o.name];
      continue;
    }
    yield [key, undefined];
  }
  for (; next < order.length; next++) {
    const o = changed.get(order[next]!)!;
    if (o.exists) yield [o.key, o.name];
  }
}
