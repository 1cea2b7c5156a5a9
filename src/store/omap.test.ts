import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, type KvOp, SeededEntropy } from '../base/index.ts';
import { KeySpace } from './disk/keyspace.ts';
import { ObjectOmap, type OmapDelta, omapOps } from './disk/omap.ts';
import { TestClock } from './testing/clock.ts';
import { TestDisk } from './testing/disk.ts';

/** As {@link ObjectOmap.freeze} and the checkpoint after it. */
function store(space: KeySpace, kv: ReturnType<TestDisk['openKv']>, omap: ObjectOmap, delta: OmapDelta): void {
  const ops: KvOp[] = [];
  for (const _ of omapOps(space, omap.id, delta, ops, () => {}));
  kv.commitSync(ops);
  omap.frozen = undefined;
}

test('an omap of many pages lists what is stored, what is being stored and what has changed since as one', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const entropy = new SeededEntropy(seed);
    const kv = new TestDisk(new TestClock(), entropy.fork(), 60).openKv('kv');
    const space = new KeySpace(kv);
    const omap = new ObjectOmap(7, true);
    const model = new Map<string, Uint8Array>();
    const any = (): string => {
      const n = String(entropyBelow(entropy, 3000)).padStart(5, '0');
      // Some are longer than the database takes, with heads that others share.
      if (entropyBelow(entropy, 5) === 0) return `${n.slice(0, 3)}${'x'.repeat(80)}${n}`;
      // And some are heads of those, of any length: one is just as long as what is cut off.
      return entropyBelow(entropy, 5) === 0 ? `${n.slice(0, 3)}${'x'.repeat(entropyBelow(entropy, 80))}` : n;
    };
    const change = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const key = any();
        const kind = entropyBelow(entropy, 40);
        if (kind === 0) {
          const last = any();
          omap.removeRange(key, last);
          for (const k of [...model.keys()]) if (k >= key && k < last) model.delete(k);
        } else if (kind < 12) {
          omap.remove(key);
          model.delete(key);
        } else {
          const value = new Uint8Array(entropyBelow(entropy, 20)).fill(i);
          omap.set(key, value);
          model.set(key, value);
        }
      }
    };
    const compare = (from: string): void => {
      const expected = [...model].filter(([key]) => key >= from).sort((a, b) => (a[0] < b[0] ? -1 : 1));
      assert.deepEqual([...omap.entries(space, from)], expected, `seed ${seed}, from ${from}`);
    };
    for (let round = 0; round < 4; round++) {
      change(1500);
      compare('');
      const frozen = omap.freeze();
      compare(any());
      change([0, 5, 600, 2000][round]!);
      compare('');
      compare(any());
      store(space, kv, omap, frozen);
      compare('');
      compare(any());
    }
  }
});
