import { SeededEntropy } from '../base/index.ts';
import type { ObjectStore } from './api.ts';
import { DiskStore } from './disk/disk-store.ts';
import { MemoryStore } from './memory-store.ts';
import { TestClock } from './testing/clock.ts';
import { type StoreFixture, storeCompliance } from './testing/compliance.ts';
import { TestDisk } from './testing/disk.ts';

async function memory(): Promise<StoreFixture> {
  const clock = new TestClock();
  const store = new MemoryStore(clock);
  await store.mkfs('f');
  await store.mount();
  return { store, run: () => clock.run(), reopen: async () => {} };
}

/** `crash`: the store is not shut down but loses power. */
function disk(crash: boolean): () => Promise<StoreFixture> {
  return async () => {
    let clock = new TestClock();
    const entropy = new SeededEntropy(1);
    let device = new TestDisk(clock, entropy.fork());
    const open = (): DiskStore =>
      new DiskStore({ disk: device, clock, entropy }, 's', { size: 16 << 20, logCapacity: 1 << 20 });
    let store = open();
    await clock.settle(store.mkfs('f'));
    await clock.settle(store.mount());
    return {
      get store(): ObjectStore {
        return store;
      },
      run: () => clock.run(),
      reopen: async () => {
        if (crash) {
          clock.run(50);
          clock = new TestClock();
          device = device.afterCrash(clock, entropy.fork());
        } else await clock.settle(store.umount());
        store = open();
        await clock.settle(store.mount());
      },
    };
  };
}

storeCompliance('memory', memory);
storeCompliance('disk', disk(false));
storeCompliance('disk after power loss', disk(true));
