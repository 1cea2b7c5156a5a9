import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../base/index.ts';
import { CEPH_NOSNAP, CEPH_SNAPDIR, compareGhobject, Ghobject, Hobject, NO_GEN } from '../types/index.ts';
import { AllocationDelta, AllocationPages, BlockAllocator } from './disk/allocator.ts';
import { KeySpace } from './disk/keyspace.ts';
import { collectionHolds, collectionRanges, fromSortKey, sortKey } from './object-key.ts';
import { SortedMap } from './sorted-map.ts';
import { TestClock } from './testing/clock.ts';
import { TestDisk } from './testing/disk.ts';

test('object keys sort as objects do, and lead back to them', () => {
  const entropy = new SeededEntropy(5);
  const pick = <T>(list: readonly T[]): T => list[entropyBelow(entropy, list.length)]!;
  const names = ['', 'a', 'a\0', 'a\u0001', 'ab', 'b', 'é', '\udcff', 'z'.repeat(40), '😀'];
  const objects: Ghobject[] = [];
  for (let i = 0; i < 400; i++) {
    const hobj = new Hobject(
      pick(names),
      pick(['', '', ...names]),
      pick([0, 1, 255, 2 ** 40, CEPH_NOSNAP, CEPH_SNAPDIR]),
      pick([0, 1, 0x80000000, 0xffffffff, 77]),
      pick([-1, -5, 0, 3, 2 ** 40]),
      pick(['', '', 'ns', 'n']),
    );
    objects.push(new Ghobject(hobj, pick([0, 9, NO_GEN]), pick([-1, 0, 3])));
  }
  for (const o of objects) assert.equal(compareGhobject(fromSortKey(sortKey(o)), o), 0, o.toString());
  for (let i = 0; i < 4000; i++) {
    const [a, b] = [pick(objects), pick(objects)];
    const [x, y] = [sortKey(a), sortKey(b)];
    assert.equal(x < y ? -1 : x > y ? 1 : 0, Math.sign(compareGhobject(a, b)), `${a} ${b}`);
  }
});

test('a collection holds exactly the objects in its ranges', () => {
  const entropy = new SeededEntropy(6);
  for (let i = 0; i < 2000; i++) {
    const bits = entropyBelow(entropy, 33);
    const seed = bits === 0 ? 0 : entropy.u32() & (bits === 32 ? -1 : 2 ** bits - 1);
    const c = `3.${(seed >>> 0).toString(16)}_head`;
    const hash =
      entropyBelow(entropy, 2) === 0 ? entropy.u32() : (seed | (bits < 32 ? (entropy.u32() << bits) >>> 0 : 0)) >>> 0;
    const o = new Ghobject(new Hobject('x', '', CEPH_NOSNAP, hash, [3, -5, 4][entropyBelow(entropy, 3)]!, ''));
    const key = sortKey(o);
    const isInside = collectionRanges(c, bits).some((r) => key >= r.start && key < r.end);
    assert.equal(collectionHolds(c, bits, o), isInside, `${c} ${bits} ${o}`);
  }
});

test('sorted map against a plain one', () => {
  const entropy = new SeededEntropy(7);
  const map = new SortedMap<number>();
  const model = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const key = entropyBelow(entropy, 3000).toString(36);
    const choice = entropyBelow(entropy, 10);
    if (choice < 6) {
      map.set(key, i);
      model.set(key, i);
    } else if (choice < 9) {
      assert.equal(map.delete(key), model.delete(key));
    } else if (i % 40 === 0) {
      const end = `${key}z`;
      let n = 0;
      for (const k of [...model.keys()]) {
        if (k < key || k >= end) continue;
        model.delete(k);
        n++;
      }
      assert.equal(map.deleteRange(key, end), n);
    }
    assert.equal(map.get(key), model.get(key));
    assert.equal(map.size, model.size);
    if (i % 2000 === 0) {
      const expected = [...model].filter(([k]) => k >= key).sort((a, b) => (a[0] < b[0] ? -1 : 1));
      assert.deepEqual([...map.entries(key)], expected);
    }
  }
});

test('keys longer than the engine takes keep their order', () => {
  const entropy = new SeededEntropy(8);
  const disk = new TestDisk(new TestClock(), entropy, 30);
  const kv = disk.openKv('kv');
  let space = new KeySpace(kv);
  const model = new Map<string, number>();
  const pieces = ['a', 'b', 'aaaaaaaaaaaaaaaaaaaaaaaaaa', 'zz', '\xff', '\0', '\x01'];
  const any = (): string => {
    let key = 'O';
    for (let n = entropyBelow(entropy, 7); n > 0; n--) key += pieces[entropyBelow(entropy, pieces.length)]!;
    return key;
  };
  for (let i = 0; i < 1500; i++) {
    const ops: Parameters<typeof kv.commitSync>[0][number][] = [];
    for (let j = 0; j < 4; j++) {
      const key = any();
      if (entropyBelow(entropy, 3) > 0) {
        space.put(ops, key, Uint8Array.of(i & 255));
        model.set(key, i & 255);
      } else {
        space.del(ops, key);
        model.delete(key);
      }
    }
    kv.commitSync(ops);
    if (i % 300 === 0) space = new KeySpace(kv);
    const key = any();
    assert.equal(space.get(key)?.[0], model.get(key));
    if (i % 50 > 0) continue;
    const [from, to] = [any(), any()];
    assert.deepEqual(
      [...space.range(from, to)].map(([k]) => k),
      [...model.keys()].filter((k) => k >= from && k < to).sort(),
    );
  }
});

test('allocator: nothing twice, nothing lost, and what is stored says the same', () => {
  const entropy = new SeededEntropy(9);
  const blocks = 20_000;
  const allocator = new BlockAllocator(blocks);
  const owned = new Map<number, number>();
  const bits = new Map<number, Uint8Array>();
  const references = new Map<number, Uint8Array>();
  for (let round = 0; round < 40; round++) {
    const delta = new AllocationDelta();
    for (let i = 0; i < 60; i++) {
      const n = 1 + entropyBelow(entropy, i % 10 === 0 ? 900 : 8);
      if (n <= allocator.free && entropyBelow(entropy, 2) === 0) {
        let sum = 0;
        for (const run of allocator.allocate(n, delta)) {
          sum += run.count;
          for (let b = run.start; b < run.start + run.count; b++) {
            assert.ok(b < blocks && !owned.has(b), `block ${b} twice`);
            owned.set(b, 1);
          }
        }
        assert.equal(sum, n);
      } else {
        let left = n;
        for (const [b, count] of owned) {
          if (left-- === 0) break;
          if (entropyBelow(entropy, 4) === 0) {
            allocator.share(b, delta);
            owned.set(b, count + 1);
          } else {
            allocator.unshare(b, delta);
            if (count === 1) owned.delete(b);
            else owned.set(b, count - 1);
          }
        }
      }
    }
    const pages = new AllocationPages(
      delta,
      (page) => bits.get(page),
      (page) => references.get(page),
    );
    for (const [page, value] of pages.bits())
      if (value === undefined) bits.delete(page);
      else bits.set(page, value);
    for (const [page, value] of pages.references())
      if (value === undefined) references.delete(page);
      else references.set(page, value);
    allocator.release(delta);
    assert.equal(allocator.free, blocks - owned.size);
    const loaded = new BlockAllocator(blocks);
    for (const [page, value] of bits) loaded.loadPage(page, value);
    for (const [page, value] of references) loaded.loadReferences(page, value);
    assert.equal(loaded.free, allocator.free);
    for (let b = 0; b < blocks; b++) {
      assert.equal(loaded.isBusy(b), owned.has(b));
      assert.equal(loaded.extraOwners(b), Math.max(0, (owned.get(b) ?? 0) - 1));
    }
  }
});
