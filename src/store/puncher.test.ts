import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject } from '../types/index.ts';
import { DiskStore } from './disk/disk-store.ts';
import { TestClock } from './testing/clock.ts';
import { TestDisk } from './testing/disk.ts';
import { Transaction } from './transaction.ts';

const C = '1.0_head';
const MIB = 1 << 20;
const object = (n: number): Ghobject => new Ghobject(new Hobject(`o${n}`, '', CEPH_NOSNAP, 7, 1, ''));
const content = (n: number): Uint8Array => new Uint8Array(MIB).fill(n + 1);

interface Fixture {
  readonly clock: TestClock;
  readonly disk: TestDisk;
  readonly store: DiskStore;
  readonly notices: string[];
  /** Blocks of the block file that take space. */
  taken(): number;
}

/** A store that gives space back in units of 64 KiB, two milliseconds after it was freed; calls of the disk take up to `latency_ms`. */
async function fixture(latency_ms = 0.2): Promise<Fixture> {
  const clock = new TestClock();
  const entropy = new SeededEntropy(3);
  const disk = new TestDisk(clock, entropy, 1978, latency_ms);
  const notices: string[] = [];
  const store = new DiskStore({ disk, clock, entropy }, 's', {
    size: 128 * MIB,
    logCapacity: MIB,
    checkpointInterval_ms: 50,
    punchAfter_ms: 2,
    punchBytes: 64 << 10,
    onNotice: (message) => notices.push(message),
  });
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  clock.run();
  return { clock, disk, store, notices, taken: () => disk.pagesOf('s/block').length };
}

function write(store: DiskStore, n: number, value = n): void {
  store.queueTransactions(C, [new Transaction().write(C, object(n), 0, content(value))]);
}

function assertHolds(store: DiskStore, n: number, value = n): void {
  assert.ok(Buffer.concat(store.readSync(C, object(n), 0, 0)!).equals(content(value)), `object ${n}`);
}

test('what was deleted goes back to the file system; what is there stays', async () => {
  const { clock, store, taken, notices } = await fixture();
  for (let n = 0; n < 8; n++) write(store, n);
  clock.run();
  const full = taken();
  assert.ok(full >= 8 * 256);
  for (let n = 0; n < 6; n++) store.queueTransactions(C, [new Transaction().remove(C, object(n))]);
  clock.run(5000);
  // Of six objects all but what shares a unit with something else.
  assert.ok(taken() <= full - 6 * 256 + 64, `${full} blocks, then ${taken()}`);
  assert.ok(store.punching.punched >= 6 * MIB - 64 * 4096);
  for (const n of [6, 7]) assertHolds(store, n);
  for (let n = 10; n < 40; n++) write(store, n);
  clock.run();
  for (const n of [6, 7, ...Array.from({ length: 30 }, (_, i) => 10 + i)]) assertHolds(store, n);
  await clock.settle(store.umount());
  assert.deepEqual(notices, []);
});

test('a range that is being punched is not given to anybody, and counts as available', async () => {
  // A punch takes up to half a second: others write all the time meanwhile.
  const { clock, store } = await fixture(500);
  const live = new Map<number, number>();
  let seed = 0;
  let isHeldSeen = false;
  for (let round = 0; round < 60; round++) {
    for (let n = round; n < round + 12; n += 3) {
      write(store, n % 20, seed);
      live.set(n % 20, seed);
      seed = (seed + 1) % 250;
    }
    clock.run(150);
    const gone = (round * 7) % 20;
    if (live.delete(gone)) store.queueTransactions(C, [new Transaction().remove(C, object(gone))]);
    clock.run(150);
    const { total, available, allocated } = store.statfs();
    assert.equal(available, total - allocated);
    isHeldSeen ||= store.punching.held > 0;
    for (const [n, value] of live) assertHolds(store, n, value);
  }
  assert.ok(isHeldSeen, 'no write met a punch');
  assert.ok(store.punching.punched > 0);
  await clock.settle(store.umount());
});

test('where it does not work it is said once, and nothing else changes', async () => {
  const { clock, disk, store, taken, notices } = await fixture();
  disk.faults.push({ call: 'punch', after: 0, error: new Error('fallocate failed: Operation not supported') });
  for (let n = 0; n < 4; n++) write(store, n);
  clock.run();
  const full = taken();
  for (let n = 0; n < 4; n++) store.queueTransactions(C, [new Transaction().remove(C, object(n))]);
  clock.run(5000);
  for (let n = 0; n < 4; n++) write(store, n);
  clock.run();
  for (let n = 0; n < 4; n++) store.queueTransactions(C, [new Transaction().remove(C, object(n))]);
  clock.run(5000);
  assert.ok(taken() >= full);
  assert.deepEqual(notices, [
    'freed space is not given back to the file system: fallocate failed: Operation not supported',
  ]);
  assert.equal(store.punching.held, 0);
  await clock.settle(store.umount());
});
