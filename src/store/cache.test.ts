import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject } from '../types/index.ts';
import { DiskStore } from './disk/disk-store.ts';
import { TestClock } from './testing/clock.ts';
import { TestDisk } from './testing/disk.ts';
import { Transaction } from './transaction.ts';

const C = '1.0_head';
const LIMIT = 1_000_000;
/** Changed onodes stay until they are stored; so many transactions lie between two checkpoints here. */
const UNSTORED = 64;

test('the onode cache keeps its limit, by what onodes take once they have attributes and maps', async () => {
  const clock = new TestClock();
  const entropy = new SeededEntropy(3);
  const disk = new TestDisk(clock, entropy);
  const store = new DiskStore({ disk, clock, entropy }, 's', {
    size: 64 << 20,
    logCapacity: 4 << 20,
    deferredBytes: UNSTORED * 4096,
    cacheBytes: LIMIT,
  });
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  const object = (i: number): Ghobject =>
    new Ghobject(new Hobject(`object-with-a-name-of-usual-length-${i}`, '', CEPH_NOSNAP, i * 977, 1, ''));
  let most = 0;
  for (let i = 0; i < 2000; i++) {
    const t = new Transaction();
    t.write(C, object(i), 0, new Uint8Array(4096).fill(i));
    t.setattr(C, object(i), '_', new Uint8Array(250));
    t.setattr(C, object(i), 'snapset', new Uint8Array(30));
    store.queueTransactions(C, [t]);
    clock.run();
    if (i % 50 === 0) most = Math.max(most, store.cacheUse.bytes);
  }
  const each = store.cacheUse.bytes / store.cacheUse.onodes;
  assert.ok(most < LIMIT + 2.5 * UNSTORED * each, `${most} bytes in the cache, ${LIMIT} allowed`);
  // What is counted is what is there, after removals, names taken again and loads.
  for (let i = 0; i < 300; i++) {
    store.queueTransactions(C, [new Transaction().remove(C, object(i))]);
    store.queueTransactions(C, [new Transaction().write(C, object(i), 0, new Uint8Array(9000))]);
    store.stat(C, object(1999 - i));
  }
  clock.run();
  await clock.settle(store.umount());
  await clock.settle(store.mount());
  for (let i = 0; i < 500; i++) store.readSync(C, object(i), 0, 4096);
  const { counted, bytes } = store.cacheUse;
  assert.equal(counted, bytes);
  // A lower limit is kept from then on.
  store.limitCache(LIMIT / 8);
  for (let i = 500; i < 1500; i++) {
    store.readSync(C, object(i), 0, 4096);
    clock.run();
  }
  assert.ok(store.cacheUse.bytes < LIMIT / 8 + 64 * each, `${store.cacheUse.bytes} bytes after the limit was lowered`);
  store.close();
});
