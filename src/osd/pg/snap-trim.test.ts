import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CEPH_NOSNAP, formatPgState, ghobjectMin, IntervalSet } from '../../types/index.ts';
import { opCode } from '../ops/codes.ts';
import { extent, TestCluster, type TestRequest } from '../testing.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const state = (c: TestCluster): string => formatPgState(c.primary.pg!.info.stats.state);

function put(c: TestCluster, name: string, content: string, snaps: readonly number[]): void {
  const request: TestRequest = { name, snaps, snapSeq: snaps[0] ?? 0 };
  const op = { code: opCode.WRITEFULL, union: extent(0, content.length), data: text(content) };
  assert.equal(c.do([op], request).result, 0);
}

function get(c: TestCluster, name: string, snap = CEPH_NOSNAP): string {
  const { result, data } = c.do([{ code: opCode.READ, union: extent(0, 0) }], { name, snap });
  return result < 0 ? `errno ${result}` : new TextDecoder().decode(data);
}

/** Names of the objects on an OSD, with their snapshots. */
function names(c: TestCluster, osd: number): string[] {
  const pg = c.osds[osd]!.pg!;
  return pg.store
    .list(pg.coll, ghobjectMin, undefined, 1000)
    .objects.filter((o) => !o.isPgMeta)
    .map((o) => `${o.hobj.oid}@${o.hobj.isHead ? 'head' : o.hobj.snap}`)
    .sort();
}

function removeSnap(c: TestCluster, snap: number): void {
  c.removedSnaps = c.removedSnaps.insert(snap);
  c.nextMap();
  c.settle();
}

test('clones of removed snapshots go, on every copy, and the PG says so', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one', []);
  put(c, 'a', 'second', [1]);
  put(c, 'a', 'three', [3, 1]);
  put(c, 'b', 'only head', [3, 1]);
  for (const osd of [0, 1, 2]) assert.deepEqual(names(c, osd), ['a@1', 'a@3', 'a@head', 'b@head']);
  const { stats } = c.primary.pg!.info.stats;
  assert.deepEqual([stats.numObjects, stats.numObjectClones, stats.numBytes], [4, 2, 3 + 6 + 5 + 9]);
  removeSnap(c, 1);
  for (const osd of [0, 1, 2]) assert.deepEqual(names(c, osd), ['a@3', 'a@head', 'b@head']);
  assert.equal(get(c, 'a', 1), 'errno -2');
  assert.equal(get(c, 'a', 3), 'second');
  assert.deepEqual([stats.numObjects, stats.numObjectClones, stats.numBytes], [3, 1, 6 + 5 + 9]);
  for (const osd of [0, 1, 2]) assert.equal(c.osds[osd]!.pg!.info.purgedSnaps.toString(), '[1~1]');
  assert.equal(state(c), 'active+clean');
  // The monitors have taken note: nobody needs to remember it.
  c.removedSnaps = IntervalSet.empty;
  c.nextMap();
  c.settle();
  for (const osd of [0, 1, 2]) assert.equal(c.osds[osd]!.pg!.info.purgedSnaps.toString(), '[]');
});

test('a clone that serves other snapshots stays, and the shell of a deleted object goes with its last clone', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one', []);
  const { result } = c.do([{ code: opCode.DELETE }], { name: 'a', snaps: [5, 4], snapSeq: 5 });
  assert.equal(result, 0);
  assert.deepEqual(names(c, 1), ['a@5', 'a@head']);
  removeSnap(c, 5);
  assert.deepEqual(names(c, 1), ['a@5', 'a@head']);
  assert.equal(get(c, 'a', 4), 'one');
  assert.equal(get(c, 'a', 5), 'errno -2');
  removeSnap(c, 4);
  for (const osd of [0, 1, 2]) assert.deepEqual(names(c, osd), []);
  const { stats } = c.primary.pg!.info.stats;
  assert.deepEqual(
    [stats.numObjects, stats.numObjectClones, stats.numBytes, stats.numWhiteouts, stats.numObjectsDirty],
    [0, 0, 0, 0, 0],
  );
});

test('what a clone shared with the next newer one is then counted to the older', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'abcdefgh', []);
  const write = (offset: number, s: string, snaps: readonly number[]): void => {
    const op = { code: opCode.WRITE, union: extent(offset, s.length), data: text(s) };
    assert.equal(c.do([op], { name: 'a', snaps, snapSeq: snaps[0]! }).result, 0);
  };
  write(0, 'XX', [1]);
  write(4, 'YYY', [2, 1]);
  assert.equal(c.primary.pg!.info.stats.stats.numBytes, 8 + 2 + 3);
  removeSnap(c, 2);
  assert.equal(c.primary.pg!.info.stats.stats.numBytes, 8 + 5);
  assert.equal(get(c, 'a', 1), 'abcdefgh');
  assert.equal(get(c, 'a'), 'XXcdYYYh');
});

test('a replica that was away while clones were trimmed loses them by its log', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one', []);
  put(c, 'a', 'two', [1]);
  c.kill(2);
  c.nextMap();
  c.settle();
  removeSnap(c, 1);
  // Not clean: nothing is trimmed.
  assert.deepEqual(names(c, 0), ['a@1', 'a@head']);
  c.restart(2);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  for (const osd of [0, 1, 2]) assert.deepEqual(names(c, osd), ['a@head']);
});
