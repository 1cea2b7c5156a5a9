import assert from 'node:assert/strict';
import { SeededEntropy } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import { DiskStore } from '../disk/disk-store.ts';
import { MemoryStore } from '../memory-store.ts';
import { TestClock } from './clock.ts';
import { assertSameStore } from './compare.ts';
import { installTestCompressors, randomCompression } from './compressors.ts';
import { TestDisk } from './disk.ts';
import { Workload } from './workload.ts';

const SMALL = {
  size: 64 << 20,
  logCapacity: 4 << 20,
  deferredBytes: 512 << 10,
  metaBytes: 1 << 20,
  cacheBytes: 40_000,
  punchAfter_ms: 1,
  punchBytes: 16 << 10,
};

/**
 * Runs random transactions on a disk store and on the memory store, which does the same in a much simpler way; both must accept and refuse
 * the same ones, and hold the same whenever they are compared. The disk store is shut down and mounted anew every few hundred.
 * `compressed`: it compresses. Returns the number of operations.
 */
export async function modelRun(seed: number, steps: number, compressed = false): Promise<number> {
  const entropy = new SeededEntropy(seed);
  const clock = new TestClock();
  const disk = new TestDisk(clock, entropy.fork(), 120);
  const env = { disk, clock, entropy: entropy.fork() };
  installTestCompressors({ clock });
  const options = compressed ? { ...SMALL, compression: randomCompression(entropy) } : SMALL;
  const model = new MemoryStore(clock);
  let store = new DiskStore(env, 's', options);
  await model.mkfs('f');
  await model.mount();
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  const workload = new Workload(entropy.fork());
  let acknowledged = 0;
  let queued = 0;
  let operations = 0;
  const queue = (tx: ReturnType<Workload['next']>): void => {
    let expected: StoreError | undefined;
    try {
      model.queueTransactions('meta', [tx]);
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      expected = error;
    }
    try {
      store.queueTransactions('meta', [tx], () => acknowledged++);
      queued++;
      operations += tx.opCount;
      assert.equal(expected, undefined, `should have been refused: ${expected?.message}`);
    } catch (error) {
      if (!(error instanceof StoreError) || expected === undefined) throw error;
      assert.equal(error.kind, expected.kind);
    }
  };
  queue(workload.first());
  for (let i = 1; i <= steps; i++) {
    queue(workload.next(model));
    readSomething(store, model, workload);
    for (let n = entropy.u32() % 4; n > 0; n--) clock.step();
    if (i % 97 === 0) {
      assertSameStore(store, model, i % 291 === 0);
      const { allocated, available, total } = store.statfs();
      assert.equal(available, total - allocated, 'what is counted by pool is not what is taken');
    }
    if (i % 200 === 0) {
      const umount = store.umount();
      await clock.settle(umount);
      assert.equal(acknowledged, queued);
      store = new DiskStore(env, 's', options);
      await clock.settle(store.mount());
      assertSameStore(store, model);
    }
  }
  await clock.settle(store.umount());
  store = new DiskStore(env, 's', options);
  await clock.settle(store.mount());
  assertSameStore(store, model);
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  return operations;
}

/** Starts a read that may last while the object changes: it must give what the object held at some time since, never an error. */
function readSomething(store: DiskStore, model: MemoryStore, workload: Workload): void {
  const object = workload.object();
  const collection = model.collections().find((c) => model.exists(c, object));
  if (collection === undefined) return;
  const before = Buffer.concat(model.readSync(collection, object, 0, 0)!);
  store.read(collection, object, 0, 0, (error, data) => {
    assert.equal(error, null, `read of ${object}`);
    const seen = Buffer.concat(data!);
    const after = model.exists(collection, object)
      ? Buffer.concat(model.readSync(collection, object, 0, 0)!)
      : undefined;
    if (after === undefined || !before.equals(after)) return;
    assert.ok(seen.equals(before), `data of ${object}`);
  });
}
