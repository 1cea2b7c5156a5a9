import assert from 'node:assert/strict';
import { ghobjectMin } from '../../types/index.ts';
import type { ObjectStore } from '../api.ts';

/** Fails unless two stores hold the same in every respect that the interface shows. `deep` reads all data too. */
export function assertSameStore(actual: ObjectStore, expected: ObjectStore, deep = true): void {
  assert.deepEqual(actual.collections(), expected.collections());
  for (const c of expected.collections()) {
    assert.equal(actual.collectionBits(c), expected.collectionBits(c), c);
    const names = listAll(expected, c);
    assert.deepEqual(
      listAll(actual, c).map((o) => o.toString()),
      names.map((o) => o.toString()),
      `objects of ${c}`,
    );
    assert.equal(actual.collectionEmpty(c), names.length === 0);
    if (!deep) continue;
    for (const name of names) {
      const what = `${c} ${name}`;
      const size = expected.stat(c, name)!.size;
      assert.equal(actual.stat(c, name)?.size, size, `size of ${what}`);
      assert.deepEqual(actual.extents(c, name, 0, size), expected.extents(c, name, 0, size), `extents of ${what}`);
      const a = Buffer.concat(actual.readSync(c, name, 0, 0)!);
      const b = Buffer.concat(expected.readSync(c, name, 0, 0)!);
      if (Buffer.compare(a, b) !== 0) {
        let i = 0;
        while (a[i] === b[i]) i++;
        assert.fail(`data of ${what} differs at ${i} (lengths ${a.length}, ${b.length})`);
      }
      assert.deepEqual(hexMap(actual.getAttrs(c, name)!), hexMap(expected.getAttrs(c, name)!), `xattrs of ${what}`);
      assert.equal(hex(actual.omapHeader(c, name)), hex(expected.omapHeader(c, name)), `omap header of ${what}`);
      assert.deepEqual(omapList(actual, c, name), omapList(expected, c, name), `omap of ${what}`);
    }
  }
}

function listAll(store: ObjectStore, c: string): ReturnType<ObjectStore['list']>['objects'] {
  const all = [];
  let start = ghobjectMin;
  while (!start.max) {
    const page = store.list(c, start, undefined, 7);
    all.push(...page.objects);
    start = page.next;
  }
  return all;
}

function omapList(store: ObjectStore, c: string, name: Parameters<ObjectStore['stat']>[1]): string[] {
  return [...store.omapIterate(c, name, {})!].map(([key, value]) => `${key}=${hex(value)}`);
}

function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex');
}

function hexMap(m: ReadonlyMap<string, Uint8Array>): string[] {
  return [...m].map(([k, v]) => `${k}=${hex(v)}`).sort();
}
