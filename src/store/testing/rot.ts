import assert from 'node:assert/strict';
import { entropyBelow, SeededEntropy } from '../../base/index.ts';
import { type Ghobject, ghobjectMin } from '../../types/index.ts';
import { type CollectionId, StoreError } from '../api.ts';
import { DiskStore } from '../disk/disk-store.ts';
import type { DiskStoreOptions } from '../disk/options.ts';
import { TestClock } from './clock.ts';
import { installTestCompressors, randomCompression } from './compressors.ts';
import { TestDisk } from './disk.ts';
import { Workload } from './workload.ts';

const OPTIONS: Partial<DiskStoreOptions> = { size: 32 << 20, logCapacity: 1 << 20, directBytes: 32 << 10 };
const PAGE_BITS = 4096 * 8;

interface Content {
  readonly collection: CollectionId;
  readonly object: Ghobject;
  readonly data: Buffer;
  readonly attrs: ReadonlyMap<string, Uint8Array>;
  readonly omap: ReadonlyMap<string, Uint8Array>;
  readonly header: Uint8Array;
}

function contentOf(store: DiskStore): Content[] {
  const all: Content[] = [];
  for (const collection of store.collections()) {
    for (const object of store.list(collection, ghobjectMin, undefined, 10_000).objects) {
      all.push({
        collection,
        object,
        data: Buffer.concat(store.readSync(collection, object, 0, 0)!),
        attrs: new Map(store.getAttrs(collection, object)!),
        omap: new Map(store.omapIterate(collection, object, {})!),
        header: store.omapHeader(collection, object)!,
      });
    }
  }
  return all;
}

/** True where damage was told. What is returned must be right; where a key was hit, its object or entry may be gone. */
function reads(store: DiskStore, { collection, object, ...right }: Content): boolean {
  let isTold = false;
  const attempt = (read: () => void): void => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'corrupt') throw error;
      isTold = true;
    }
  };
  attempt(() => {
    const parts = store.readSync(collection, object, 0, 0);
    if (parts !== undefined) assert.deepEqual(Buffer.concat(parts), right.data, `data of ${object}`);
  });
  attempt(() => {
    const attrs = store.getAttrs(collection, object);
    if (attrs !== undefined) assert.deepEqual(new Map(attrs), right.attrs, `attributes of ${object}`);
  });
  attempt(() => {
    const header = store.omapHeader(collection, object);
    if (header !== undefined) assert.deepEqual(header, right.header, `omap header of ${object}`);
    for (const [key, value] of store.omapIterate(collection, object, {}) ?? []) {
      assert.deepEqual(value, right.omap.get(key), `omap of ${object}, key ${key}`);
    }
  });
  return isTold;
}

/**
 * Fills a store at random, then flips `flips` bits, one at a time, anywhere in used blocks and in keys and values of the database. Each must be found by the deep
 * check, and whatever is read meanwhile must be right or an error. Returns how many reads told of one.
 */
export async function rotRun(seed: number, flips: number, compressed = false): Promise<number> {
  const entropy = new SeededEntropy(seed);
  const clock = new TestClock();
  const disk = new TestDisk(clock, entropy.fork(), 200);
  installTestCompressors({ clock });
  const options = compressed ? { ...OPTIONS, compression: randomCompression(entropy) } : OPTIONS;
  const open = (): DiskStore => new DiskStore({ disk, clock, entropy: entropy.fork() }, 's', options);
  let store = open();
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  const workload = new Workload(entropy.fork(), { extent_max: 700_000, hashes: 3 });
  store.queueTransactions('meta', [workload.first()]);
  for (let i = 0; i < 60; i++) {
    try {
      store.queueTransactions('meta', [workload.next(store)]);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind === 'corrupt') throw error;
    }
    if (i % 10 === 0) clock.run();
  }
  await clock.settle(store.umount());
  store = open();
  await clock.settle(store.mount());
  const right = contentOf(store);
  // Blocks that are in use: what is left of freed ones is nobody's.
  const used = disk.pagesOf('s/block').filter((page) => store.usesBlock(page));
  store.close();
  const kv = disk.kvOf('s/kv');
  const keys = [...kv.entries()].map(([key]) => key);
  let told = 0;
  for (let i = 0; i < flips; i++) {
    let restore: () => void;
    let what: string;
    const choice = entropyBelow(entropy, 3);
    if (choice === 0 && used.length > 0) {
      const bit = used[entropyBelow(entropy, used.length)]! * PAGE_BITS + entropyBelow(entropy, PAGE_BITS);
      disk.flipBit('s/block', bit);
      restore = () => disk.flipBit('s/block', bit);
      what = `block file, bit ${bit}`;
    } else {
      const key = keys[entropyBelow(entropy, keys.length)]!;
      const value = kv.get(key)!;
      if (choice === 1) {
        const bit = entropyBelow(entropy, key.length * 8);
        const at = bit >>> 3;
        const other = key.slice(0, at) + String.fromCharCode(key.charCodeAt(at) ^ (1 << (bit & 7))) + key.slice(at + 1);
        const there = kv.get(other);
        kv.delete(key);
        kv.set(other, value);
        restore = () => {
          if (there === undefined) kv.delete(other);
          else kv.set(other, there);
          kv.set(key, value);
        };
        what = `key ${Buffer.from(key, 'latin1').toString('hex')}, bit ${bit}`;
      } else {
        const wrong = value.slice();
        const bit = entropyBelow(entropy, wrong.length * 8);
        wrong[bit >>> 3]! ^= 1 << (bit & 7);
        kv.set(key, wrong);
        restore = () => kv.set(key, value);
        what = `value of ${Buffer.from(key, 'latin1').toString('hex')}, bit ${bit}`;
      }
    }
    store = open();
    try {
      await clock.settle(store.mount());
      const isTold = right.map((content) => reads(store, content)).includes(true);
      if (isTold) told++;
      const report = store.fsck({ deep: true });
      assert.ok(report.errorCount > 0, 'the deep check finds nothing');
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'corrupt') {
        throw new Error(`seed ${seed}, ${what}: ${(error as Error).message}`, { cause: error });
      }
      told++;
    }
    store.close();
    restore();
  }
  return told;
}
