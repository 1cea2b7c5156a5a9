import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject } from '../types/index.ts';
import { StoreError } from './api.ts';
import { Arena } from './arena.ts';
import { DiskStore } from './disk/disk-store.ts';
import { keys } from './disk/format.ts';
import { sealedPut } from './disk/sealed.ts';
import type { SortedMap } from './sorted-map.ts';
import { TestClock } from './testing/clock.ts';
import { TestDisk } from './testing/disk.ts';
import { rotRun } from './testing/rot.ts';
import { Transaction } from './transaction.ts';

const C = '1.0_head';
const MIB = 1 << 20;

function object(name: string): Ghobject {
  return new Ghobject(new Hobject(name, '', CEPH_NOSNAP, 7, 1, ''));
}

interface Fixture {
  readonly kv: SortedMap<Uint8Array>;
  readonly disk: TestDisk;
  readonly store: DiskStore;
  mount(): Promise<DiskStore>;
}

/** A store that is not mounted: `small` and its clone `twin` share blocks, `large` has segments of its own, `map` an omap. */
async function fixture(): Promise<Fixture> {
  const clock = new TestClock();
  const entropy = new SeededEntropy(5);
  const disk = new TestDisk(clock, entropy);
  const make = (): DiskStore => new DiskStore({ disk, clock, entropy }, 's', { size: 32 * MIB, logCapacity: MIB });
  let store = make();
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  const t = new Transaction();
  t.write(C, object('small'), 0, new Uint8Array(10_000).fill(3));
  t.write(C, object('large'), 0, new Uint8Array(2 * MIB).fill(4));
  t.omapSetKeys(C, object('map'), [
    ['one', Uint8Array.of(1)],
    ['two', Uint8Array.of(2)],
  ]);
  store.queueTransactions(C, [new Transaction().touch(C, object('map')).append(t)]);
  clock.run(60_000);
  store.queueTransactions(C, [new Transaction().clone(C, object('small'), object('twin'))]);
  await clock.settle(store.umount());
  store = make();
  return {
    kv: disk.kvOf('s/kv'),
    disk,
    store,
    async mount() {
      const next = make();
      await clock.settle(next.mount());
      return next;
    },
  };
}

function seal(key: string, value: Uint8Array): Uint8Array {
  const op = sealedPut(new Arena(), key, value);
  assert.equal(op.kind, 'put');
  return (op as { value: Uint8Array }).value;
}

/** Changes a value and gives it a right seal again. */
function change(kv: SortedMap<Uint8Array>, key: string, edit: (value: Uint8Array) => void): void {
  const value = kv.get(key)!.slice(0, -4);
  edit(value);
  kv.set(key, seal(key, value));
}

function keyOf(kv: SortedMap<Uint8Array>, kind: string): string {
  for (const [key] of kv.entries(kind)) if (key[0] === kind) return key;
  throw new Error(`no key of kind ${kind}`);
}

interface Damage {
  readonly what: string;
  inflict(f: Fixture): void;
  readonly found: RegExp;
  /** Only the deep check sees it. */
  readonly deep?: boolean;
  readonly mends: boolean;
}

const A = keys.allocation(0);
const R = keys.references(0);

const damages: readonly Damage[] = [
  {
    what: 'a page of the allocation map that fails its checksum',
    inflict: ({ kv }) =>
      kv.set(
        A,
        kv.get(A)!.map((b, i) => (i === 40 ? b ^ 1 : b)),
      ),
    found: /page 0 of the allocation map fails its checksum/,
    mends: true,
  },
  {
    what: 'a page of owner counts that fails its checksum',
    inflict: ({ kv }) =>
      kv.set(
        R,
        kv.get(R)!.map((b, i) => (i === 1 ? b ^ 1 : b)),
      ),
    found: /page 0 of the counts of owners fails its checksum/,
    mends: true,
  },
  {
    what: 'a page of the allocation map that is gone',
    inflict: ({ kv }) => kv.delete(A),
    found: /is in use but marked free/,
    mends: true,
  },
  {
    what: 'leaked blocks',
    inflict: ({ kv }) => change(kv, A, (v) => v.fill(6, 500, 501)),
    found: /block 4001 is leaked/,
    mends: true,
  },
  {
    what: 'a block used by two objects and counted once',
    inflict: ({ kv }) => kv.delete(R),
    found: /has 2 owners, 1 counted/,
    mends: true,
  },
  {
    what: 'more owners counted than there are',
    inflict: ({ kv }) => change(kv, R, (v) => v.fill(4, 2, 3)),
    found: /has 2 owners, 5 counted/,
    mends: true,
  },
  {
    what: 'a segment of no object',
    inflict: ({ kv }) => kv.set(keys.segment(99, 0), seal(keys.segment(99, 0), Uint8Array.of(0))),
    found: /segment 0 of object number 99 belongs to no object/,
    mends: true,
  },
  {
    what: 'an omap of no object',
    inflict: ({ kv }) => kv.set(`${keys.omapPrefix(98)}k`, seal(`${keys.omapPrefix(98)}k`, Uint8Array.of(0))),
    found: /omap 98 belongs to no object/,
    mends: true,
  },
  {
    what: 'a segment that is gone',
    inflict: ({ kv }) => kv.delete(keyOf(kv, 'X')),
    found: /large.*: segment 0 is missing/,
    mends: false,
  },
  {
    what: 'a segment that fails its checksum',
    inflict: ({ kv }) =>
      kv.set(
        keyOf(kv, 'X'),
        kv.get(keyOf(kv, 'X'))!.map((b, i) => (i === 7 ? b ^ 8 : b)),
      ),
    found: /large.*: segment 0: .*fails its checksum/,
    mends: false,
  },
  {
    what: 'an onode that fails its checksum',
    inflict: ({ kv }) =>
      kv.set(
        keyOf(kv, 'O'),
        kv.get(keyOf(kv, 'O'))!.map((b, i) => (i === 3 ? b ^ 8 : b)),
      ),
    found: /object .*fails its checksum/,
    mends: false,
  },
  {
    what: 'an omap value that fails its checksum',
    inflict: ({ kv }) =>
      kv.set(
        keyOf(kv, 'P'),
        kv.get(keyOf(kv, 'P'))!.map((b, i) => (i === 0 ? b ^ 8 : b)),
      ),
    found: /fails its checksum/,
    deep: true,
    mends: false,
  },
  {
    what: 'a key of no kind',
    inflict: ({ kv }) => kv.set('!x', seal('!x', Uint8Array.of(1))),
    found: /key 2178 is of no known kind/,
    deep: true,
    mends: false,
  },
  {
    what: 'data that fails its checksum',
    inflict: ({ disk }) => disk.flipBit('s/block', disk.pagesOf('s/block')[5]! * 32768 + 77),
    found: /at \d+: checksum [0-9a-f]+ found, [0-9a-f]+ expected/,
    deep: true,
    mends: false,
  },
  {
    what: 'objects in no collection',
    inflict: ({ kv }) => kv.delete(keys.collection(C)),
    found: /belongs into 0 collections/,
    mends: false,
  },
];

/** As the tool does it: mounted where that goes, else the last checkpoint. */
async function check(f: Fixture, options: { deep: boolean; repair?: boolean }): Promise<readonly string[]> {
  let store: DiskStore;
  try {
    store = await f.mount();
  } catch (error) {
    assert.ok(error instanceof StoreError && error.kind === 'corrupt', String(error));
    return f.store.checkUnmounted(options).errors;
  }
  const { errors } = store.fsck(options);
  store.close();
  return errors;
}

for (const damage of damages) {
  test(`fsck finds ${damage.what}, and repair ${damage.mends ? 'mends' : 'leaves'} it`, async () => {
    const f = await fixture();
    assert.deepEqual(await check(f, { deep: true }), []);
    const right = new Map(f.kv.entries());
    damage.inflict(f);
    const shallow = await check(f, { deep: false });
    assert.equal(shallow.length === 0, damage.deep === true, shallow.join('\n'));
    assert.match((await check(f, { deep: true })).join('\n'), damage.found);
    await check(f, { deep: true, repair: true });
    const left = await check(f, { deep: true });
    if (!damage.mends) {
      assert.match(left.join('\n'), damage.found);
      // Nothing that an unreadable map may own was given away.
      assert.deepEqual(f.kv.get(A), right.get(A));
      return;
    }
    assert.deepEqual(left, []);
    for (const [key, value] of right) if (key[0] !== 'S') assert.deepEqual(f.kv.get(key), value);
    const store = await f.mount();
    for (const [name, byte] of [
      ['small', 3],
      ['twin', 3],
      ['large', 4],
    ] as const) {
      assert.ok(Buffer.concat(store.readSync(C, object(name), 0, 0)!).every((b) => b === byte));
    }
    store.close();
  });
}

test('a segment whose key is gone is damage to a reader, not a hole', async () => {
  const f = await fixture();
  const [, second] = [...f.kv.entries('X')].map(([key]) => key);
  f.kv.delete(second!);
  const store = await f.mount();
  assert.throws(
    () => store.readSync(C, object('large'), 0, 0),
    (e) => e instanceof StoreError && e.kind === 'corrupt',
  );
  assert.equal(store.readSync(C, object('large'), 0, 4096)![0]![9], 4);
});

test('a bit that flips in a batch of the log before its last is told at mount; the last one may have been torn', async () => {
  const clock = new TestClock();
  const entropy = new SeededEntropy(6);
  const disk = new TestDisk(clock, entropy);
  const open = (acceptDamagedLog = false): DiskStore =>
    new DiskStore({ disk, clock, entropy }, 's', { size: 32 * MIB, logCapacity: MIB, acceptDamagedLog });
  let store = open();
  await clock.settle(store.mkfs('f'));
  await clock.settle(store.mount());
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  for (let i = 0; i < 6; i++) {
    store.queueTransactions(C, [new Transaction().write(C, object(`o${i}`), 0, new Uint8Array(9000).fill(i))]);
    clock.run(50);
  }
  store.close();
  const pages = disk.pagesOf('s/log').length;
  let refused = 0;
  for (let page = 0; page < pages; page++) {
    const bit = page * 32768 + 333;
    disk.flipBit('s/log', bit);
    // What the mount changes is put back.
    const kv = new Map([...disk.kvOf('s/kv').entries()]);
    store = open();
    try {
      await clock.settle(store.mount());
      for (let i = 0; i < 5; i++) assert.ok(store.exists(C, object(`o${i}`)), `page ${page}, object ${i}`);
    } catch (error) {
      assert.ok(error instanceof StoreError && /log's batch \d+ at \d+ is damaged/.test(error.message), String(error));
      refused++;
    }
    store.close();
    for (const [key] of [...disk.kvOf('s/kv').entries()]) disk.kvOf('s/kv').delete(key);
    for (const [key, value] of kv) disk.kvOf('s/kv').set(key, value);
    disk.flipBit('s/log', bit);
  }
  assert.ok(refused >= 6, `${refused} refused`);
  disk.flipBit('s/log', 333);
  store = open(true);
  await clock.settle(store.mount());
  assert.ok(!store.exists(C, object('o0')));
  store.close();
});

test('a store of format 1 is mounted and marked as of this version', async () => {
  const f = await fixture();
  f.disk.writeFileAtomic('s/type', new TextEncoder().encode('sepiola-disk 1\n'));
  // Before format 3 nothing was counted.
  const counted = f.kv.get(keys.usage);
  f.kv.delete(keys.usage);
  const store = await f.mount();
  assert.equal(new TextDecoder().decode(f.disk.readFile('s/type')), 'sepiola-disk 3\n');
  assert.deepEqual(f.kv.get(keys.usage), counted);
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  store.close();
});

test('one flipped bit anywhere is an error to readers or missing, never data; the deep check finds each', async () => {
  let told = 0;
  for (let seed = 1; seed <= 2; seed++) told += await rotRun(seed, 25, seed === 2);
  assert.ok(told > 15, `${told} told by reads`);
});
