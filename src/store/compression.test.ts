import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { installCompressors, SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject, tempPool } from '../types/index.ts';
import { type CompressionOptions, StoreError } from './api.ts';
import { CompressionPolicy } from './disk/compression.ts';
import { DiskStore } from './disk/disk-store.ts';
import { compressionDefaults } from './disk/options.ts';
import { TestClock } from './testing/clock.ts';
import { installTestCompressors } from './testing/compressors.ts';
import { TestDisk } from './testing/disk.ts';
import { Transaction } from './transaction.ts';

const C = '1.0_head';
const KIB = 1024;
const FORCE: CompressionOptions = { ...compressionDefaults, mode: 'force', algorithm: 'zlib', minBlobSize: 64 * KIB };
const COMPRESSIBLE = 256;
const INCOMPRESSIBLE = 512;
const STREAM = 4 + 32;

function object(name: string, pool = 1): Ghobject {
  return new Ghobject(new Hobject(name, '', CEPH_NOSNAP, 7, pool, ''));
}
const o = object('o');
const twin = object('twin');

class Fixture {
  readonly clock = new TestClock();
  readonly disk: TestDisk;
  readonly #entropy = new SeededEntropy(5);
  readonly #compression: CompressionOptions;
  store: DiskStore;

  constructor(compression: CompressionOptions) {
    this.disk = new TestDisk(this.clock, this.#entropy);
    this.#compression = compression;
    installTestCompressors(this);
    this.store = this.#make();
  }

  #make(): DiskStore {
    const options = { size: 32 << 20, logCapacity: 4 << 20, compression: this.#compression };
    return new DiskStore({ disk: this.disk, clock: this.clock, entropy: this.#entropy }, 's', options);
  }

  static async make(compression = FORCE): Promise<Fixture> {
    const f = new Fixture(compression);
    await f.clock.settle(f.store.mkfs('f'));
    await f.clock.settle(f.store.mount());
    f.apply(new Transaction().createCollection(C, 0));
    return f;
  }

  apply(tx: Transaction): void {
    this.store.queueTransactions(C, [tx]);
  }

  /** Everything is in its place on disk. */
  checkpoint(): void {
    this.clock.run(60_000);
  }

  async reopen(): Promise<void> {
    await this.clock.settle(this.store.umount());
    this.store = this.#make();
    await this.clock.settle(this.store.mount());
  }

  /** Blocks that compressed data takes, and those that it stands for. */
  get packed(): [number, number] {
    const { allocated, available, compressedAllocatedBytes, compressedOriginalBytes, total } = this.store.statfs();
    assert.equal(available, total - allocated);
    return [compressedAllocatedBytes / 4096, compressedOriginalBytes / 4096];
  }

  read(name: Ghobject, offset = 0, length = 0): Buffer {
    return Buffer.concat(this.store.readSync(C, name, offset, length)!);
  }

  sound(): void {
    assert.deepEqual(this.store.fsck({ deep: true }).errors, []);
  }
}

afterEach(() => installCompressors({ find: () => undefined, ready: async () => {} }));

const text = (length: number, seed = 'compress me; '): Buffer => Buffer.alloc(length, seed);

function noise(length: number): Buffer {
  const entropy = new SeededEntropy(99);
  return Buffer.from(Array.from({ length }, () => entropy.u32() & 0xff));
}

test('long and short writes are compressed when they are placed, and read back before and after', async () => {
  const f = await Fixture.make();
  const data = text(200_000);
  f.apply(new Transaction().write(C, o, 0, data));
  assert.ok(f.read(o).equals(data));
  assert.deepEqual(f.packed, [0, 0]);
  f.checkpoint();
  assert.ok(f.read(o).equals(data));
  // 49 blocks: three blobs of 16, and the last block by itself.
  assert.deepEqual(f.packed, [3, 48]);
  assert.deepEqual(f.store.poolSpace().get(1), {
    allocated: 4 * 4096,
    stored: 200_000,
    compressedBytes: f.store.statfs().compressedBytes,
    compressedAllocatedBytes: 3 * 4096,
    compressedOriginalBytes: 48 * 4096,
  });
  await f.reopen();
  assert.ok(f.read(o).equals(data));
  assert.ok(f.read(o, 70_001, 5000).equals(data.subarray(70_001, 75_001)));
  assert.deepEqual(f.packed, [3, 48]);
  let seen: Buffer | undefined;
  f.store.read(C, o, 4097, 150_000, (error, parts) => {
    assert.equal(error, null);
    seen = Buffer.concat(parts!);
  });
  f.clock.run();
  assert.ok(seen!.equals(data.subarray(4097, 154_097)));
  f.sound();
});

test('small writes one after another are compressed together', async () => {
  const f = await Fixture.make();
  for (let i = 0; i < 16; i++) f.apply(new Transaction().write(C, o, i * 4096, text(4096)));
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 16]);
});

test('part of a blob is overwritten: the rest stays, and the blob is free with its last block', async () => {
  const f = await Fixture.make();
  f.apply(new Transaction().write(C, o, 0, text(64 * KIB)));
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 16]);
  f.apply(new Transaction().write(C, o, 5000, text(10, 'x')));
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 15]);
  const expected = text(64 * KIB);
  expected.fill('x', 5000, 5010);
  assert.ok(f.read(o).equals(expected));
  await f.reopen();
  assert.ok(f.read(o).equals(expected));
  f.apply(new Transaction().zero(C, o, 0, 60 * KIB));
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 1]);
  assert.ok(f.read(o, 60 * KIB, 4096).equals(expected.subarray(60 * KIB)));
  f.apply(new Transaction().truncate(C, o, 60 * KIB));
  f.checkpoint();
  assert.deepEqual(f.packed, [0, 0]);
  assert.equal(f.store.statfs().allocated, 0);
  await f.reopen();
  f.sound();
});

test('a blob of which less is left than it takes is given up, and the rest written anew', async () => {
  const f = await Fixture.make();
  const data = Buffer.concat([noise(40 * KIB), text(24 * KIB)]);
  const changes: [string, (tx: Transaction) => Transaction, Buffer][] = [
    ['zero', (tx) => tx.zero(C, o, 0, 40 * KIB), Buffer.concat([Buffer.alloc(40 * KIB), data.subarray(40 * KIB)])],
    [
      'write',
      (tx) => tx.write(C, o, 0, text(28 * KIB, 'n')),
      Buffer.concat([text(28 * KIB, 'n'), data.subarray(28 * KIB)]),
    ],
    ['truncate', (tx) => tx.truncate(C, o, 5 * 4096), data.subarray(0, 5 * 4096)],
  ];
  for (const [name, change, expected] of changes) {
    f.apply(new Transaction().touch(C, o).truncate(C, o, 0).write(C, o, 0, data));
    f.checkpoint();
    assert.deepEqual(f.packed, [11, 16], name);
    f.apply(change(new Transaction()));
    assert.ok(f.read(o).equals(expected), name);
    // Nothing of the blob is referred to any more.
    assert.deepEqual(f.packed, [0, 0], name);
    f.checkpoint();
    assert.ok(f.read(o).equals(expected), name);
    const rest = f.store.statfs().allocated / 4096;
    assert.ok(rest < 11, `${name}: ${rest} blocks`);
    await f.reopen();
    assert.ok(f.read(o).equals(expected), name);
    f.sound();
  }
  // A long write, which goes around the memory, over most of two blobs.
  f.store.setCompression({ ...FORCE, mode: 'none' });
  f.apply(new Transaction().remove(C, o));
  f.store.setCompression(FORCE);
  f.apply(new Transaction().write(C, o, 0, Buffer.concat([data, data])));
  f.checkpoint();
  assert.deepEqual(f.packed, [22, 32]);
  f.store.setCompression({ ...FORCE, mode: 'none' });
  f.apply(new Transaction().write(C, o, 24 * KIB, text(80 * KIB, 'direct')));
  assert.deepEqual(f.packed, [0, 0]);
  const both = Buffer.concat([data, data]);
  text(80 * KIB, 'direct').copy(both, 24 * KIB);
  await f.reopen();
  assert.ok(f.read(o).equals(both));
  assert.equal(f.store.statfs().allocated, 32 * 4096);
  f.sound();
});

test('a blob stays as it is while a clone has it, where nothing is gained, and where it cannot be read', async () => {
  const f = await Fixture.make();
  const data = Buffer.concat([noise(40 * KIB), text(24 * KIB)]);
  f.apply(new Transaction().write(C, o, 0, data).clone(C, o, twin));
  f.checkpoint();
  f.apply(new Transaction().remove(C, twin));
  f.checkpoint();
  f.apply(new Transaction().truncate(C, o, 0).write(C, o, 0, data));
  f.checkpoint();
  f.apply(new Transaction().clone(C, o, twin).zero(C, o, 0, 40 * KIB));
  assert.deepEqual(f.packed, [11, 22]);
  assert.ok(f.read(twin).equals(data));
  f.apply(new Transaction().zero(C, twin, 0, 5 * 4096));
  f.checkpoint();
  assert.deepEqual(f.packed, [11, 17]);
  f.apply(new Transaction().remove(C, o));
  f.checkpoint();
  // Eleven blocks of it are left, and it takes eleven.
  assert.deepEqual(f.packed, [11, 11]);
  const page = f.disk.pagesOf('s/block').find((p) => f.store.usesBlock(p))!;
  f.disk.flipBit('s/block', page * 32_768 + 40);
  f.apply(new Transaction().zero(C, twin, 5 * 4096, 4096));
  assert.deepEqual(f.packed, [11, 10]);
  assert.throws(() => f.read(twin), StoreError);
  f.disk.flipBit('s/block', page * 32_768 + 40);
  f.apply(new Transaction().zero(C, twin, 6 * 4096, 4096));
  assert.deepEqual(f.packed, [0, 0]);
  await f.reopen();
  assert.ok(f.read(twin).equals(Buffer.concat([Buffer.alloc(7 * 4096), data.subarray(7 * 4096)])));
  f.sound();
});

test('clones share blobs, whole and in part, and each lets go of its own', async () => {
  const f = await Fixture.make();
  const data = text(128 * KIB);
  f.apply(new Transaction().write(C, o, 0, data));
  f.checkpoint();
  f.apply(new Transaction().clone(C, o, twin));
  f.apply(new Transaction().touch(C, object('part')).cloneRange(C, o, object('part'), 32 * KIB, 64 * KIB, 480 * KIB));
  assert.deepEqual(f.packed, [2, 32 + 32 + 16]);
  f.checkpoint();
  await f.reopen();
  f.sound();
  f.apply(new Transaction().remove(C, o));
  f.checkpoint();
  assert.deepEqual(f.packed, [2, 32 + 16]);
  assert.ok(f.read(twin).equals(data));
  f.apply(new Transaction().remove(C, twin));
  f.checkpoint();
  assert.deepEqual(f.packed, [2, 16]);
  assert.ok(f.read(object('part'), 480 * KIB, 64 * KIB).equals(data.subarray(32 * KIB, 96 * KIB)));
  f.apply(new Transaction().remove(C, object('part')));
  await f.reopen();
  assert.deepEqual(f.packed, [0, 0]);
  assert.equal(f.store.statfs().allocated, 0);
  f.sound();
});

test('an object that is changed while its checkpoint runs is compressed all the same', async () => {
  const f = await Fixture.make();
  for (let i = 0; i < 40; i++) {
    f.apply(new Transaction().write(C, o, i * 64 * KIB, text(64 * KIB, `${i};`)));
    f.clock.run(1);
  }
  f.checkpoint();
  assert.equal(f.packed[1], 640);
  for (let i = 0; i < 40; i++) assert.ok(f.read(o, i * 64 * KIB, 64 * KIB).equals(text(64 * KIB, `${i};`)));
});

test('what does not become small enough stays as it is', async () => {
  const f = await Fixture.make();
  f.apply(new Transaction().write(C, o, 0, noise(64 * KIB)));
  f.apply(new Transaction().write(C, twin, 0, Buffer.concat([noise(40 * KIB), text(24 * KIB)])));
  f.checkpoint();
  // 11 blocks of 16.
  assert.deepEqual(f.packed, [11, 16]);
  assert.deepEqual(f.store.compressionCounts(), { success: 1, rejected: 1 });
  f.store.setCompression({ ...FORCE, requiredRatio: 0.6 });
  f.apply(new Transaction().remove(C, twin));
  f.apply(new Transaction().write(C, twin, 0, Buffer.concat([noise(40 * KIB), text(24 * KIB)])));
  f.checkpoint();
  assert.deepEqual(f.packed, [0, 0]);
  f.store.setCompression({ ...FORCE, requiredRatio: 0.65 });
  f.apply(new Transaction().write(C, twin, 0, Buffer.concat([noise(40 * KIB), text(24 * KIB)])));
  f.checkpoint();
  assert.deepEqual(f.packed, [11, 16]);
});

test('modes, hints and sizes, of the OSD and of pools, decide as in BlueStore', () => {
  const f = new Fixture(FORCE);
  assert.ok(f.clock);
  const policy = new CompressionPolicy(compressionDefaults);
  const compresses = (hints: number, pool = 1): boolean => policy.planFor(pool, hints) !== undefined;
  assert.ok(!policy.isOn && !compresses(COMPRESSIBLE));
  const expected = {
    none: [false, false, false],
    passive: [false, true, false],
    aggressive: [true, true, false],
    force: [true, true, true],
  };
  for (const [mode, wanted] of Object.entries(expected)) {
    const hints = [0, COMPRESSIBLE, INCOMPRESSIBLE];
    const options = { ...compressionDefaults, mode: mode as keyof typeof expected };
    policy.setDefaults(options);
    assert.deepEqual(
      hints.map((h) => compresses(h)),
      wanted,
      mode,
    );
    // A pool's own mode counts, whatever the OSD's.
    policy.setDefaults({ ...compressionDefaults, mode: mode === 'none' ? 'force' : 'none' });
    policy.setPool(1, { mode: options.mode });
    assert.deepEqual(
      hints.map((h) => compresses(h)),
      wanted,
      mode,
    );
    assert.equal(compresses(0, 2), mode === 'none');
    policy.setPool(1, undefined);
  }
  policy.setDefaults({ ...compressionDefaults, mode: 'force' });
  assert.equal(policy.planFor(1, 0)?.blobBlocks, 2);
  assert.equal(policy.planFor(1, STREAM)?.blobBlocks, 16);
  assert.equal(policy.planFor(1, STREAM + 2)?.blobBlocks, 2);
  policy.setPool(1, { minBlobSize: 40_000, maxBlobSize: 1 << 20, requiredRatio: 0.5, algorithm: 'zlib' });
  assert.equal(policy.planFor(1, 0)?.blobBlocks, 9);
  assert.equal(policy.planFor(1, STREAM)?.blobBlocks, 16);
  assert.equal(policy.planFor(1, 0)?.requiredRatio, 0.5);
  assert.equal(policy.planFor(1, 0)?.compressor.name, 'zlib');
  assert.equal(policy.planFor(2, 0)?.compressor.name, 'snappy');
  assert.equal(policy.planFor(-1, 0), undefined);
  policy.setPool(1, { algorithm: 'none' });
  assert.equal(policy.planFor(1, 0), undefined);
});

test('pools differ, temporary objects are compressed as their pool, hints are the objects’ own', async () => {
  const f = await Fixture.make({ ...FORCE, mode: 'none' });
  f.store.setPoolCompression(1, { mode: 'passive' });
  const temp = object('temp', tempPool(1));
  f.apply(new Transaction().write(C, o, 0, text(64 * KIB)));
  f.apply(
    new Transaction()
      .touch(C, temp)
      .setAllocHint(C, temp, 0, 0, COMPRESSIBLE)
      .write(C, temp, 0, text(64 * KIB)),
  );
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 16]);
  f.apply(new Transaction().collMoveRename(C, temp, C, twin));
  await f.reopen();
  assert.equal(f.store.poolSpace().get(1)!.compressedOriginalBytes, 64 * KIB);
  assert.ok(f.read(twin).equals(text(64 * KIB)));
  f.sound();
});

test('a compressor that is not there: nothing is compressed with it, what was is not readable, and both are told', async () => {
  const f = await Fixture.make();
  f.apply(new Transaction().write(C, o, 0, text(64 * KIB)));
  f.checkpoint();
  assert.deepEqual([...f.store.alerts()], []);
  f.store.setCompression({ ...FORCE, algorithm: 'lz4' });
  f.apply(new Transaction().write(C, twin, 0, text(64 * KIB)));
  f.checkpoint();
  assert.deepEqual(f.packed, [1, 16]);
  assert.deepEqual([...f.store.alerts()], [['BLUESTORE_NO_COMPRESSION', 'unable to load:lz4']]);
  installCompressors({ find: () => undefined, ready: async () => {} });
  assert.throws(
    () => f.read(o),
    (e) => e instanceof StoreError && e.kind === 'io' && /compressed with zlib, which is not installed/.test(e.message),
  );
  // A partial overwrite needs what it cannot have, and is refused before anything is changed.
  assert.throws(() => f.apply(new Transaction().write(C, o, 100, text(10))), StoreError);
  assert.match(f.store.fsck({ deep: true }).errors.join(), /compressed with zlib, which is not installed/);
  assert.deepEqual(f.store.fsck().errors, []);
  installTestCompressors(f);
  assert.ok(f.read(o).equals(text(64 * KIB)));
});

test('a flipped bit in a blob is an error with its place, for readers of any part and for the deep check', async () => {
  const f = await Fixture.make();
  f.apply(new Transaction().write(C, o, 64 * KIB, text(64 * KIB)));
  await f.reopen();
  const page = f.disk.pagesOf('s/block').find((p) => f.store.usesBlock(p))!;
  // Within the compressed bytes, and in the zeros after them.
  for (const bit of [40, 4000 * 8]) {
    f.disk.flipBit('s/block', page * 32_768 + bit);
    assert.throws(
      () => f.read(o, 100 * KIB, 10),
      (e) => e instanceof StoreError && e.kind === 'corrupt' && e.corruption?.offset === 100 * KIB,
    );
    assert.match(f.store.fsck({ deep: true }).errors.join(), /at 65536: checksum [0-9a-f]+ found/);
    assert.equal(f.store.fsck({ deep: true }).errorCount, 1);
    f.disk.flipBit('s/block', page * 32_768 + bit);
  }
  f.sound();
});

test('bytes of omaps are counted as they are set, replaced, removed, cleared away', async () => {
  const f = await Fixture.make();
  const entry = (key: string, length: number): [string, Uint8Array] => [key, new Uint8Array(length)];
  const counted = async (): Promise<number> => {
    await f.reopen();
    f.sound();
    return f.store.statfs().omapBytes;
  };
  // Each key is stored after nine bytes that name the omap.
  f.apply(
    new Transaction().touch(C, o).omapSetKeys(C, o, [entry('a', 100), entry('bb', 50), entry('c'.repeat(3000), 7)]),
  );
  assert.equal(await counted(), 1 + 100 + 2 + 50 + 3000 + 7 + 27);
  f.apply(new Transaction().omapSetKeys(C, o, [entry('a', 10)]).omapRmKeys(C, o, ['bb', 'none']));
  assert.equal(await counted(), 1 + 10 + 3000 + 7 + 18);
  f.apply(new Transaction().omapRmKeyRange(C, o, 'b', 'd'));
  assert.equal(await counted(), 1 + 10 + 9);
  f.apply(new Transaction().clone(C, o, twin));
  assert.equal(await counted(), 2 * (1 + 10 + 9));
  f.apply(new Transaction().remove(C, o).omapClear(C, twin));
  assert.equal(await counted(), 0);
});
