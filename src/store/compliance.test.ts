import { SeededEntropy } from '../base/index.ts';
import type { ObjectStore } from './api.ts';
import { DiskStore } from './disk/disk-store.ts';
import { compressionDefaults } from './disk/options.ts';
import { MemoryStore } from './memory-store.ts';
import { TestClock } from './testing/clock.ts';
import { type StoreFixture, storeCompliance } from './testing/compliance.ts';
import { installTestCompressors } from './testing/compressors.ts';
import { TestDisk } from './testing/disk.ts';

async function memory(): Promise<StoreFixture> {
  const clock = new TestClock();
  const store = new MemoryStore(clock);
  await store.mkfs('f');
  await store.mount();
  return { store, run: () => clock.run(), reopen: async () => {} };
}

/** `crash`: the store is not shut down but loses power. `compressed`: whatever can be is compressed. */
function disk(crash: boolean, compressed = false): () => Promise<StoreFixture> {
  return async () => {
    let clock = new TestClock();
    const entropy = new SeededEntropy(1);
    let device = new TestDisk(clock, entropy.fork());
    const compression = { ...compressionDefaults, mode: compressed ? 'force' : 'none', algorithm: 'zlib' } as const;
    const options = { size: 16 << 20, logCapacity: 1 << 20, compression };
    const machine = { clock };
    installTestCompressors(machine);
    const open = (): DiskStore => new DiskStore({ disk: device, clock, entropy }, 's', options);
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
          machine.clock = clock;
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
storeCompliance('disk, compressed', disk(false, true));
storeCompliance('disk after power loss, compressed', disk(true, true));
