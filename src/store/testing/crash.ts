import assert from 'node:assert/strict';
import { SeededEntropy } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import { DiskStore } from '../disk/disk-store.ts';
import type { DiskStoreOptions } from '../disk/options.ts';
import { MemoryStore } from '../memory-store.ts';
import type { Transaction } from '../transaction.ts';
import { TestClock } from './clock.ts';
import { assertSameStore } from './compare.ts';
import { installTestCompressors, randomCompression } from './compressors.ts';
import { PowerLoss, TestDisk } from './disk.ts';
import { Workload } from './workload.ts';

const OPTIONS: Partial<DiskStoreOptions> = {
  // So small, and given back in such small pieces, that space which is being punched is soon wanted again.
  size: 4 << 20,
  reserveBlocks: 64,
  logCapacity: 1 << 20,
  deferredBytes: 256 << 10,
  metaBytes: 256 << 10,
  cacheBytes: 60_000,
  directBytes: 32 << 10,
  punchAfter_ms: 0.1,
  punchBytes: 4096,
};

/** One machine's lives: work, power loss at a random point, recovery, more work. */
export interface CrashRun {
  /** Power losses that were survived. */
  readonly points: number;
  readonly transactions: number;
}

async function until(clock: TestClock, promise: Promise<void>): Promise<boolean> {
  // A promise that waits for a machine without power never settles; its rejection, where there is one, is the power loss itself.
  const outcome = promise.then(
    () => true,
    (error) => {
      if (clock.stopped) return false;
      throw error;
    },
  );
  let settled: boolean | undefined;
  outcome.then(
    (x) => {
      settled = x;
    },
    () => {
      settled = true;
    },
  );
  for (;;) {
    for (let i = 0; i < 8; i++) await undefined;
    if (settled !== undefined) return outcome;
    if (clock.stopped) return false;
    try {
      clock.step();
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
  }
}

/**
 * Loses power `points` times. After each the store must mount, hold every acknowledged transaction whole and every other whole or not
 * at all (so: exactly the state after some transaction not before the last acknowledged one), and pass its own check. `compressed`: data is compressed.
 */
export async function crashRun(seed: number, points: number, compressed = false): Promise<CrashRun> {
  const entropy = new SeededEntropy(seed);
  let clock = new TestClock();
  const machine = { clock };
  installTestCompressors(machine);
  const options: Partial<DiskStoreOptions> = {
    ...OPTIONS,
    ...(compressed ? { compression: randomCompression(entropy) } : {}),
    onFailure: () => {},
  };
  let disk = new TestDisk(clock, entropy.fork(), 200);
  let store = new DiskStore({ disk, clock, entropy: entropy.fork() }, 's', options);
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  const workload = new Workload(entropy.fork(), { extent_max: 90_000, hashes: 4 });
  let history: Transaction[] = [];
  let model = await modelOf(history);
  let total = 0;
  for (let point = 0; point < points; point++) {
    let acknowledged = history.length;
    // Now and then long enough for the allocator to come round to where it began.
    const operations_max = entropy.u32() % 5 === 0 ? 1500 : 250;
    disk.powerLossAfter = 1 + Math.floor(entropy.float() ** 2 * operations_max);
    try {
      for (let i = 0; !clock.stopped && i < 1000; i++) {
        const tx = history.length === 0 ? workload.first() : workload.next(model);
        const number = history.length + 1;
        try {
          store.queueTransactions('meta', [tx], () => {
            assert.equal(number, acknowledged + 1, 'acknowledged out of order');
            acknowledged = number;
          });
        } catch (error) {
          if (clock.stopped) break;
          if (!(error instanceof StoreError) || error.kind === 'corrupt') throw error;
          continue;
        }
        history.push(tx);
        model.queueTransactions('meta', [tx]);
        for (let n = entropy.u32() % 4; n > 0; n--) clock.step();
      }
      clock.stopped = true;
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
    total += history.length;
    // Power may go again while it recovers.
    for (;;) {
      clock = new TestClock();
      machine.clock = clock;
      disk = disk.afterCrash(clock, entropy.fork());
      if (entropy.u32() % 3 === 0) disk.powerLossAfter = 1 + (entropy.u32() % 12);
      store = new DiskStore({ disk, clock, entropy: entropy.fork() }, 's', options);
      if (await until(clock, store.mount())) break;
      point++;
    }
    disk.powerLossAfter = Number.POSITIVE_INFINITY;
    const last = store.lastTransaction;
    assert.ok(last >= acknowledged, `acknowledged ${acknowledged}, but only ${last} survived`);
    assert.ok(last <= history.length, `${last} transactions came back, ${history.length} were given`);
    if (last !== history.length) {
      history = history.slice(0, last);
      model = await modelOf(history);
    }
    assertSameStore(store, model);
    const report = store.fsck({ deep: true });
    assert.deepEqual(report.errors, []);
  }
  return { points, transactions: total };
}

async function modelOf(history: readonly Transaction[]): Promise<MemoryStore> {
  const model = new MemoryStore(new TestClock());
  await model.mkfs('f');
  await model.mount();
  for (const tx of history) model.queueTransactions('meta', [tx]);
  return model;
}
