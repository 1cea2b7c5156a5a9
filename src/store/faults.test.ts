import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, ghobjectMin, Hobject } from '../types/index.ts';
import { StoreError } from './api.ts';
import { Arena } from './arena.ts';
import { DiskStore } from './disk/disk-store.ts';
import type { DiskStoreOptions } from './disk/options.ts';
import { sealedPut } from './disk/sealed.ts';
import { TestClock } from './testing/clock.ts';
import { crashRun } from './testing/crash.ts';
import { TestDisk } from './testing/disk.ts';
import { Transaction } from './transaction.ts';

const C = '1.0_head';
const MIB = 1 << 20;

function object(name: string): Ghobject {
  return new Ghobject(new Hobject(name, '', CEPH_NOSNAP, 7, 1, ''));
}

interface Fixture {
  readonly clock: TestClock;
  readonly disk: TestDisk;
  store: DiskStore;
  readonly failures: StoreError[];
  open(): Promise<DiskStore>;
}

async function fixture(options: Partial<DiskStoreOptions> = {}): Promise<Fixture> {
  const clock = new TestClock();
  const entropy = new SeededEntropy(3);
  const disk = new TestDisk(clock, entropy);
  const failures: StoreError[] = [];
  const all = { size: 16 * MIB, logCapacity: MIB, onFailure: (e: StoreError) => failures.push(e), ...options };
  const store = new DiskStore({ disk, clock, entropy }, 's', all);
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  clock.run();
  return {
    clock,
    disk,
    store,
    failures,
    async open() {
      const next = new DiskStore({ disk, clock, entropy }, 's', all);
      await clock.settle(next.mount());
      return next;
    },
  };
}

function isKind(kind: StoreError['kind']): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.kind === kind;
}

test('power loss at 12 points: every acknowledged transaction survives whole', async () => {
  for (let seed = 1; seed <= 4; seed++) await crashRun(seed, 3, seed % 2 === 0);
});

for (const call of ['write', 'sync', 'commit']) {
  test(`EIO on ${call}: nothing more is acknowledged, and it says so`, async () => {
    for (let after = 0; after < 4; after++) {
      const f = await fixture({ checkpointInterval_ms: 5 });
      const error = new Error('EIO: i/o error');
      f.disk.faults.push({ call, after, error });
      const acknowledged: number[] = [];
      let queued = 0;
      for (let i = 0; i < 60; i++) {
        try {
          const data = new Uint8Array(i % 3 === 0 ? 100_000 : 3000).fill(i);
          f.store.queueTransactions(C, [new Transaction().write(C, object(`o${i}`), 0, data)], () =>
            acknowledged.push(i),
          );
          queued++;
        } catch (refused) {
          assert.ok(isKind('io')(refused));
        }
        f.clock.run(3);
      }
      f.clock.run();
      assert.equal(f.failures.length, 1, 'the failure is told once');
      assert.match(f.failures[0]!.message, /EIO/);
      assert.ok(queued < 60, 'it refuses what comes after');
      // What was acknowledged is there when the device works again.
      const before = acknowledged.length;
      f.clock.run();
      assert.equal(acknowledged.length, before);
      f.disk.faults = [];
      f.store.close();
      const store = await f.open();
      for (const i of acknowledged) assert.equal(Buffer.concat(store.readSync(C, object(`o${i}`), 0, 0)!)[50], i);
    }
  });
}

/** One life under a fault: gives what was acknowledged, or undefined where the fault was never met. */
async function lifeUnder(fault: { call: string; after: number; error: Error; short: boolean }): Promise<boolean> {
  const clock = new TestClock();
  const disk = new TestDisk(clock, new SeededEntropy(fault.after + 1));
  const entropy = new SeededEntropy(3);
  const failures: StoreError[] = [];
  const options = { size: 16 * MIB, logCapacity: MIB, checkpointInterval_ms: 4, directBytes: 32 << 10 };
  const make = (): DiskStore =>
    new DiskStore({ disk, clock, entropy }, 's', { ...options, onFailure: (e) => failures.push(e) });
  const met = { ...fault };
  disk.faults.push(met);
  const acknowledged: number[] = [];
  const content = (i: number): Uint8Array => new Uint8Array(i % 3 === 0 ? 70_000 : 3000).fill(i + 1);
  let isMade = false;
  let store = make();
  try {
    await clock.settle(store.mkfs('f'));
    isMade = true;
    await clock.settle(store.mount());
    store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
    for (let i = 0; i < 12; i++) {
      const t = new Transaction()
        .write(C, object(`o${i}`), 0, content(i))
        .omapSetKeys(C, object(`o${i}`), [['k', content(i)]]);
      store.queueTransactions(C, [t], () => acknowledged.push(i));
      clock.run(2);
    }
    await clock.settle(store.umount());
  } catch (error) {
    assert.match((error as Error).message, /EIO|ENOSPC/);
  }
  clock.run();
  store.close();
  const wasMet = met.after < 0;
  disk.faults = [];
  // The device works again: all that was acknowledged is there, and the store is sound.
  store = make();
  if (!isMade) await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  for (const i of acknowledged) {
    assert.deepEqual(Buffer.concat(store.readSync(C, object(`o${i}`), 0, 0)!), Buffer.from(content(i)));
    assert.deepEqual(store.omapValues(C, object(`o${i}`), ['k'])!.get('k'), content(i));
  }
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  assert.ok(failures.length <= 1, 'a failure is told once');
  return wasMet;
}

for (const [call, code, short] of [
  ['write', 'EIO', false],
  ['write', 'ENOSPC', true],
  ['sync', 'EIO', false],
  ['commit', 'ENOSPC', false],
] as const) {
  test(`${code} on every ${short ? 'write, a part of it done,' : call} in turn: never acknowledged what is not durable`, async () => {
    let after = 0;
    while (await lifeUnder({ call, after, error: new Error(`${code}: made by the test`), short })) after++;
    assert.ok(after >= (call === 'commit' ? 3 : 8), `${after} calls`);
  });
}

test('EIO on read is an error, not data', async () => {
  const f = await fixture();
  f.store.queueTransactions(C, [new Transaction().write(C, object('o'), 0, new Uint8Array(200_000).fill(1))]);
  f.clock.run();
  f.disk.faults.push({ call: 'read', after: 0, error: new Error('EIO: i/o error') });
  assert.throws(() => f.store.readSync(C, object('o'), 0, 4096), isKind('io'));
  let seen: Error | null = null;
  f.store.read(C, object('o'), 0, 0, (error) => {
    seen = error;
  });
  f.clock.run();
  assert.ok(isKind('io')(seen));
});

test('a full store refuses before anything is seen, deletes, and takes again what was freed', async () => {
  const f = await fixture({ size: 8 * MIB });
  let written = 0;
  assert.throws(() => {
    for (; written < 100; written++) {
      const tx = new Transaction().write(C, object(`o${written}`), 0, new Uint8Array(200_000).fill(written));
      f.store.queueTransactions(C, [tx]);
      f.clock.run(20);
    }
  }, isKind('nospace'));
  assert.ok(written > 30 && written < 42, `${written} objects of 200 kB fit`);
  assert.ok(!f.store.exists(C, object(`o${written}`)));
  // Small changes of what is there still go, and so do removals.
  f.store.queueTransactions(C, [
    new Transaction().setattr(C, object('o1'), 'a', Uint8Array.of(1)).truncate(C, object('o2'), 100),
  ]);
  for (let i = 3; i < 13; i++) f.store.queueTransactions(C, [new Transaction().remove(C, object(`o${i}`))]);
  f.clock.run(60_000);
  f.store.queueTransactions(C, [new Transaction().write(C, object('new'), 0, new Uint8Array(1_500_000))]);
  await f.clock.settle(f.store.umount());
  const store = await f.open();
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  assert.equal(store.stat(C, object('new'))?.size, 1_500_000);
});

test('a store that is full to the brim stays alive whatever comes', async () => {
  const f = await fixture({ size: 4 * MIB, checkpointInterval_ms: 20 });
  const entropy = new SeededEntropy(21);
  let refused = 0;
  for (let i = 0; i < 1300; i++) {
    const o = object(`o${entropy.u32() % 12}`);
    const p = object(`o${entropy.u32() % 12}`);
    const at = entropy.u32() % 600_000;
    const tx = new Transaction().touch(C, o).touch(C, p);
    const choice = entropy.u32() % 16;
    if (choice < 9) tx.write(C, o, at, new Uint8Array(entropy.u32() % 90_000));
    else if (choice < 10) tx.truncate(C, o, at);
    else if (choice < 12) tx.zero(C, o, at, entropy.u32() % 50_000);
    else if (choice < 13) tx.cloneRange(C, o, p, at, 50_000, entropy.u32() % 100_000);
    else if (choice < 14) tx.clone(C, o, p);
    else if (i % 5 === 0) tx.remove(C, o);
    try {
      f.store.queueTransactions(C, [tx]);
    } catch (error) {
      assert.ok(isKind('nospace')(error), String(error));
      refused++;
    }
    if (i % 3 === 0) f.clock.run(1);
  }
  assert.deepEqual(f.failures, []);
  assert.ok(refused > 5, `${refused} refused`);
  await f.clock.settle(f.store.umount());
  assert.deepEqual((await f.open()).fsck({ deep: true }).errors, []);
});

test('one flipped bit anywhere in the data is found on read and by the deep check', async () => {
  const f = await fixture();
  const content = new Map<string, Uint8Array>();
  for (let i = 0; i < 12; i++) {
    const data = new Uint8Array(1000 + i * 9000);
    for (let k = 0; k < data.length; k++) data[k] = k * 7 + i;
    content.set(`o${i}`, data);
    f.store.queueTransactions(C, [new Transaction().write(C, object(`o${i}`), 0, data)]);
  }
  await f.clock.settle(f.store.umount());
  const store = await f.open();
  const entropy = new SeededEntropy(11);
  const pages = f.disk.pagesOf('s/block').filter((_, i) => i % 3 === 0);
  assert.ok(pages.length > 40);
  for (const page of pages) {
    const bit = page * 32768 + (entropy.u32() % 32768);
    f.disk.flipBit('s/block', bit);
    let found = 0;
    for (const [name, data] of content) {
      try {
        assert.deepEqual(Buffer.concat(store.readSync(C, object(name), 0, 0)!), Buffer.from(data));
      } catch (error) {
        assert.ok(isKind('corrupt')(error), String(error));
        const c = (error as StoreError).corruption!;
        assert.equal(c.collection, C);
        assert.equal(c.object, object(name).toString());
        assert.equal(c.offset % 4096, 0);
        assert.notEqual(c.found, c.expected);
        // Changing part of it would lend the damage a good checksum: refused. Replacing it whole is the repair.
        const inside = new Transaction().write(C, object(name), c.offset + 1, Uint8Array.of(1));
        assert.throws(() => store.queueTransactions(C, [inside]), isKind('corrupt'));
        found++;
      }
    }
    assert.equal(found, 1, `page ${page}`);
    f.disk.flipBit('s/block', bit);
  }
  f.disk.flipBit('s/block', pages[5]! * 32768 + 9);
  assert.equal(store.fsck({ deep: true }).errors.length, 1);
  assert.equal(store.fsck().errors.length, 0);
});

test('one flipped bit in any value of the database is found, never believed', async () => {
  const f = await fixture();
  for (let i = 0; i < 6; i++) {
    const tx = new Transaction().write(C, object(`o${i}`), 0, new Uint8Array(i * 200_000 + 10).fill(i));
    tx.setattr(C, object(`o${i}`), 'a', Uint8Array.of(i)).omapSetKeys(C, object(`o${i}`), [['k', Uint8Array.of(i)]]);
    f.store.queueTransactions(C, [tx]);
  }
  f.clock.run(60_000);
  f.store.queueTransactions(C, [new Transaction().clone(C, object('o2'), object('o3'))]);
  await f.clock.settle(f.store.umount());
  const read = (store: DiskStore): string => {
    const all = store.list(C, ghobjectMin, undefined, 100).objects.map((o) => [
      o.toString(),
      createHash('sha1')
        .update(Buffer.concat(store.readSync(C, o, 0, 0)!))
        .digest('hex'),
      [...store.getAttrs(C, o)!],
      [...store.omapIterate(C, o, {})!],
    ]);
    return JSON.stringify(all);
  };
  let store = await f.open();
  const right = read(store);
  store.close();
  const kv = f.disk.kvOf('s/kv');
  const entropy = new SeededEntropy(12);
  for (const [key, value] of [...kv.entries()]) {
    const wrong = value.slice();
    const bit = entropy.u32() % (wrong.length * 8);
    wrong[bit >>> 3]! ^= 1 << (bit & 7);
    kv.set(key, wrong);
    const what = `${key[0]} ${Buffer.from(key, 'latin1').toString('hex')} bit ${bit}`;
    try {
      store = await f.open();
    } catch (error) {
      assert.ok(isKind('corrupt')(error), `${what}: ${error}`);
      kv.set(key, value);
      continue;
    }
    try {
      assert.equal(read(store), right, what);
    } catch (error) {
      assert.ok(isKind('corrupt')(error), `${what}: ${error}`);
    }
    assert.ok(store.fsck({ deep: true }).errors.length > 0, what);
    store.close();
    kv.set(key, value);
  }
});

test('fsck finds and mends a wrong allocation map', async () => {
  const f = await fixture();
  f.store.queueTransactions(C, [new Transaction().write(C, object('a'), 0, new Uint8Array(9000).fill(1))]);
  // Shared once it is stored; what waits in memory is copied.
  f.clock.run(60_000);
  f.store.queueTransactions(C, [new Transaction().clone(C, object('a'), object('b'))]);
  await f.clock.settle(f.store.umount());
  const kv = f.disk.kvOf('s/kv');
  const right = new Map(kv.entries());
  const seal = (key: string, value: Uint8Array): Uint8Array => {
    const op = sealedPut(new Arena(), key, value);
    return op.kind === 'put' ? op.value : value;
  };
  for (const [key, value] of right) {
    if (key[0] !== 'A' && key[0] !== 'R') continue;
    const wrong = value.slice(0, -4);
    wrong[0]! ^= 0x81;
    wrong[key[0] === 'A' ? 100 : 2]! ^= 4;
    kv.set(key, seal(key, wrong));
  }
  kv.set('X\0\0\0\0\0\0\0\x63\0\0\0\0', seal('X\0\0\0\0\0\0\0\x63\0\0\0\0', Uint8Array.of(0)));
  let store = await f.open();
  const report = store.fsck({ repair: true });
  assert.ok(report.errors.length >= 4 && report.repaired >= 3, report.errors.join('\n'));
  store.close();
  store = await f.open();
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  for (const [key, value] of right) if (key[0] === 'A') assert.deepEqual(kv.get(key), value);
});

test('more at once than the log holds is written batch by batch, and what no batch holds is refused', async () => {
  const f = await fixture();
  const order: number[] = [];
  for (let i = 0; i < 60; i++) {
    const value = new Uint8Array(i % 10 === 0 ? 200_000 : 60_000).fill(i);
    const tx = new Transaction().touch(C, object(`o${i}`)).omapSetKeys(C, object(`o${i}`), [['key', value]]);
    f.store.queueTransactions(C, [tx], () => order.push(i));
  }
  const tooMuch = new Transaction()
    .touch(C, object('p'))
    .omapSetKeys(C, object('p'), [['key', new Uint8Array(300_000)]]);
  assert.throws(() => f.store.queueTransactions(C, [tooMuch]), isKind('invalid'));
  f.clock.run(500);
  assert.deepEqual(order, [...Array(60).keys()]);
  f.store.close();
  const store = await f.open();
  for (let i = 0; i < 60; i++) {
    const value = store.omapValues(C, object(`o${i}`), ['key'])!.get('key')!;
    assert.ok(value.length >= 60_000 && value[59_999] === i);
  }
  assert.ok(!store.exists(C, object('p')));
});

test('stores of other formats are left alone', async () => {
  const f = await fixture();
  await f.clock.settle(f.store.umount());
  const write = (text: string): void => f.disk.writeFileAtomic('s/type', new TextEncoder().encode(text));
  write('sepiola-disk 4\n');
  await assert.rejects(f.open(), (e) => isKind('version')(e) && /newer version/.test((e as Error).message));
  write('bluestore\n');
  await assert.rejects(f.open(), isKind('version'));
  f.disk.remove('s/type');
  await assert.rejects(f.open(), isKind('invalid'));
  write('sepiola-disk 1\n');
  await assert.rejects(f.store.mkfs('again'), isKind('invalid'));
  const store = await f.open();
  assert.ok(store.collectionExists(C));
});

test('omaps of removed objects are cleared away over several checkpoints', async () => {
  const f = await fixture({ checkpointInterval_ms: 50 });
  for (let i = 0; i < 10; i++) {
    const entries = Array.from({ length: 1000 }, (_, k) => [`k${i}.${k}`, Uint8Array.of(1)] as const);
    f.store.queueTransactions(C, [new Transaction().touch(C, object('o')).omapSetKeys(C, object('o'), entries)]);
    f.clock.run(100);
  }
  f.store.queueTransactions(C, [new Transaction().remove(C, object('o')).touch(C, object('o'))]);
  assert.deepEqual([...f.store.omapIterate(C, object('o'), {})!], []);
  for (let i = 0; i < 6; i++) {
    f.clock.run(200);
    f.store.queueTransactions(C, [new Transaction().touch(C, object(`p${i}`))]);
  }
  f.clock.run(200);
  const left = [...f.disk.kvOf('s/kv').entries('P')].filter(([key]) => key < 'Q').length;
  assert.equal(left, 0);
  await f.clock.settle(f.store.umount());
  const store = await f.open();
  assert.deepEqual(store.fsck().errors, []);
});
