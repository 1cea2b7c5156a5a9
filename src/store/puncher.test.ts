import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject } from '../types/index.ts';
import { DiskStore } from './disk/disk-store.ts';
import type { DiskStoreOptions } from './disk/options.ts';
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
  /** Another store in the same place. */
  readonly again: () => DiskStore;
  readonly notices: string[];
  /** Blocks of the block file that take space. */
  taken(): number;
}

/** A store that gives space back in units of 64 KiB, two milliseconds after it was freed; calls of the disk take up to `latency_ms`. */
async function fixture(latency_ms = 0.2, more: Partial<DiskStoreOptions> = {}, isDevice = false): Promise<Fixture> {
  const clock = new TestClock();
  const entropy = new SeededEntropy(3);
  const disk = new TestDisk(clock, entropy, 1978, latency_ms);
  if (isDevice) {
    const device = disk.openFile('s/block', { create: true });
    device.truncateSync(128 * MIB);
    disk.devices.add('s/block');
  }
  const notices: string[] = [];
  const options: Partial<DiskStoreOptions> = {
    size: 128 * MIB,
    logCapacity: MIB,
    checkpointInterval_ms: 50,
    punchAfter_ms: 2,
    punchBytes: 64 << 10,
    onNotice: (message) => notices.push(message),
    ...more,
  };
  const store = new DiskStore({ disk, clock, entropy }, 's', options);
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  clock.run();
  const again = () => new DiskStore({ disk, clock, entropy }, 's', options);
  return { clock, disk, store, again, notices, taken: () => disk.pagesOf('s/block').length };
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
  // A punch takes up to five seconds: others write all the time meanwhile.
  const { clock, store } = await fixture(25);
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

/** Writes eight objects and removes them; the space they took, in blocks. */
function writeAndRemove(f: Fixture): number {
  for (let n = 0; n < 8; n++) write(f.store, n);
  f.clock.run();
  const full = f.taken();
  for (let n = 0; n < 8; n++) f.store.queueTransactions(C, [new Transaction().remove(C, object(n))]);
  return full;
}

test('what was freed before a crash is found after it, in its time', async () => {
  const f = await fixture(0.2, { punchAfter_ms: 5000 });
  const { clock, store, again, taken } = f;
  write(store, 20);
  const full = writeAndRemove(f);
  clock.run(2000);
  assert.equal(store.punching.punched, 0);
  store.close();
  const next = again();
  await clock.settle(next.mount());
  clock.run(4500);
  assert.ok(taken() >= full, 'it had its time from the mount on');
  clock.run(5000);
  assert.ok(taken() <= full - 8 * 256 + 64, `${full} blocks, then ${taken()}`);
  assertHolds(next, 20);
  await clock.settle(next.umount());
  // Nothing is left to be found: no more holes are made.
  const last = again();
  await clock.settle(last.mount());
  clock.run(20_000);
  assert.equal(last.punching.punched, 0);
  assertHolds(last, 20);
  await clock.settle(last.umount());
});

test('a store that is busy keeps its space until it is idle, and no longer than so', async () => {
  const keepBusy = async (f: Fixture, duration_ms: number): Promise<void> => {
    const until = f.clock.monotonic() + duration_ms;
    while (f.clock.monotonic() < until) {
      f.store.queueTransactions(C, [new Transaction().touch(C, object(30))]);
      f.clock.run(5);
    }
  };
  const f = await fixture(0.2, { punchAfter_ms: 1000 });
  writeAndRemove(f);
  await keepBusy(f, 1800);
  assert.equal(f.store.punching.punched, 0);
  f.clock.run(300);
  assert.ok(f.store.punching.punched > 0);
  await f.clock.settle(f.store.umount());

  const never = await fixture(0.2, { punchAfter_ms: 1000 });
  writeAndRemove(never);
  await keepBusy(never, 2500);
  assert.ok(never.store.punching.punched > 0);
  await never.clock.settle(never.store.umount());
});

test('where the file system has little left, space goes back soon', async () => {
  const f = await fixture(0.2, { punchAfter_ms: 600_000 });
  writeAndRemove(f);
  f.clock.run(60_000);
  assert.equal(f.store.punching.punched, 0);
  f.disk.space = { total: 1000, free: 50 };
  f.clock.run(25_000);
  assert.ok(f.store.punching.punched > 0);
  await f.clock.settle(f.store.umount());
});

test('a file system that cannot say how much it has left is no reason to stop', async () => {
  const f = await fixture();
  f.disk.statfs = () => {
    throw new Error('statfs failed: No such file or directory');
  };
  write(f.store, 0);
  f.clock.run();
  f.store.queueTransactions(C, [new Transaction().remove(C, object(0))]);
  f.clock.run(5000);
  assert.ok(f.store.punching.punched > 0);
  write(f.store, 1);
  f.clock.run();
  assertHolds(f.store, 1);
});

test('a device is told only where that was asked for', async () => {
  for (const discardDevices of [false, true]) {
    const f = await fixture(0.2, { discardDevices }, true);
    writeAndRemove(f);
    f.clock.run(5000);
    assert.equal(f.store.punching.punched > 0, discardDevices);
    await f.clock.settle(f.store.umount());
  }
});
