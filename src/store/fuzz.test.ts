import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../base/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { StoreError } from './api.ts';
import { DiskStore } from './disk/disk-store.ts';
import { MemoryStore } from './memory-store.ts';
import { TestClock } from './testing/clock.ts';
import { assertSameStore } from './testing/compare.ts';
import { TestDisk } from './testing/disk.ts';
import { Workload } from './testing/workload.ts';
import { Transaction } from './transaction.ts';

test('transactions with bytes changed are refused or applied alike, and never harm a store', async () => {
  const entropy = new SeededEntropy(31);
  const clock = new TestClock();
  const disk = new TestDisk(clock, entropy.fork());
  const failures: StoreError[] = [];
  const store = new DiskStore({ disk, clock, entropy }, 's', {
    size: 64 << 20,
    logCapacity: 4 << 20,
    onFailure: (e) => failures.push(e),
  });
  const model = new MemoryStore(clock);
  await model.mkfs('f');
  await model.mount();
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  const workload = new Workload(entropy.fork(), { extent_max: 20_000, hashes: 3 });
  const queue = (s: DiskStore | MemoryStore, tx: Transaction): string => {
    try {
      s.queueTransactions('meta', [tx]);
      return 'applied';
    } catch (error) {
      assert.ok(error instanceof StoreError, `${error}`);
      return error.kind;
    }
  };
  queue(store, workload.first());
  queue(model, workload.first());
  let applied = 0;
  for (let i = 0; i < 500; i++) {
    const bytes = new Uint8Array(Buffer.concat(workload.next(model).encode()));
    for (let n = entropyBelow(entropy, 4); n > 0; n--) {
      // Mostly small numbers, near the end where the operations and names are.
      const at =
        entropyBelow(entropy, 2) === 0
          ? entropyBelow(entropy, bytes.length)
          : Math.max(0, bytes.length - 1 - entropyBelow(entropy, 400));
      bytes[at] = entropyBelow(entropy, 2) === 0 ? entropy.u32() : entropyBelow(entropy, 44);
    }
    let tx: Transaction;
    try {
      tx = Transaction.decode(bytes);
    } catch (error) {
      assert.ok(error instanceof DecodeError, `${error}`);
      continue;
    }
    const outcome = queue(store, tx);
    assert.equal(queue(model, tx), outcome);
    if (outcome === 'applied') applied++;
    clock.step();
  }
  assert.ok(applied > 80, `${applied} applied`);
  assert.deepEqual(failures, []);
  assertSameStore(store, model);
  await clock.settle(store.umount());
});
