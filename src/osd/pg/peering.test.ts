import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPgState, ghobjectMin } from '../../types/index.ts';
import { opCode } from '../ops/codes.ts';
import { extent, TestCluster } from '../testing.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const state = (c: TestCluster): string => formatPgState(c.primary.pg!.info.stats.state);

function put(c: TestCluster, name: string, content: string): void {
  const { result } = c.do([{ code: opCode.WRITEFULL, union: extent(0, content.length), data: text(content) }], {
    name,
  });
  assert.equal(result, 0, `put ${name}`);
}

function get(c: TestCluster, name: string): string {
  const { result, data } = c.do([{ code: opCode.READ, union: extent(0, 0) }], { name });
  return result < 0 ? `errno ${result}` : new TextDecoder().decode(data);
}

/** Every copy's objects, to compare. */
function contents(c: TestCluster, id: number): string {
  const pg = c.osds[id]!.pg!;
  const out: string[] = [];
  const { objects } = pg.store.list(pg.coll, ghobjectMin, undefined, 10_000);
  for (const o of objects) {
    if (o.isPgMeta) continue;
    const data = Buffer.concat(pg.store.readSync(pg.coll, o, 0, 0) ?? []).toString();
    const attrs = [...pg.store.getAttrs(pg.coll, o)!].map(([k, v]) => `${k}=${Buffer.from(v).toString('hex')}`).sort();
    const omap = [...(pg.store.omapIterate(pg.coll, o, { from: '' }) ?? [])].map(([k, v]) => `${k}=${Buffer.from(v)}`);
    out.push(`${o} ${data} ${attrs} ${omap}`);
  }
  return out.join('\n');
}

test('three OSDs make a PG active and clean, and keep what is written', async () => {
  const c = new TestCluster();
  await c.start();
  assert.equal(state(c), 'active+clean');
  put(c, 'a', 'one');
  put(c, 'b', 'two');
  assert.equal(get(c, 'a'), 'one');
  assert.equal(contents(c, 0), contents(c, 1));
  assert.equal(contents(c, 0), contents(c, 2));
  assert.equal(get(c, 'none'), 'errno -2');
});

test('a replica that was away is brought up to date by the log', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one');
  put(c, 'gone', 'soon');
  c.kill(2);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+undersized+degraded');
  put(c, 'a', 'two');
  put(c, 'new', 'object');
  assert.equal(c.do([{ code: opCode.DELETE }], { name: 'gone' }).result, 0);
  c.restart(2);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  assert.equal(contents(c, 2), contents(c, 0));
  assert.equal(get(c, 'gone'), 'errno -2');
});

test('a primary that was away comes back and takes over after recovery', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one');
  c.kill(0);
  c.nextMap();
  c.settle();
  put(c, 'a', 'two');
  put(c, 'b', 'x');
  c.restart(0);
  c.nextMap();
  c.settle();
  assert.equal(c.primary.id, 0);
  assert.equal(state(c), 'active+clean');
  assert.equal(get(c, 'a'), 'two');
  assert.equal(contents(c, 0), contents(c, 1));
});

test('a primary that lacks much lets another act until it has all, and then takes over', async () => {
  const c = new TestCluster({ forceAuthMissing: 2 });
  await c.start();
  c.kill(0);
  c.nextMap();
  c.settle();
  for (let i = 0; i < 6; i++) put(c, `o${i}`, `content ${i}`);
  c.restart(0);
  c.nextMap();
  c.settle();
  assert.ok(
    c.maps.some((m) => m.pgTemp.size > 0),
    'another acted',
  );
  assert.equal(c.maps[c.maps.length - 1]!.pgTemp.size, 0);
  assert.equal(c.primary.id, 0);
  assert.equal(state(c), 'active+clean');
  assert.equal(get(c, 'o3'), 'content 3');
  assert.equal(contents(c, 0), contents(c, 1));
});

test('all killed and started again: nothing is lost', async () => {
  const c = new TestCluster();
  await c.start();
  for (let i = 0; i < 20; i++) put(c, `o${i}`, `content ${i}`);
  for (const id of [0, 1, 2]) c.kill(id);
  c.nextMap();
  for (const id of [0, 1, 2]) c.restart(id);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  for (let i = 0; i < 20; i++) assert.equal(get(c, `o${i}`), `content ${i}`);
});

test('an entry that only the old primary has is rolled back', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one');
  put(c, 'b', 'one');
  // The primary writes, its messages are lost, and it dies.
  c.lose = (from) => from === 0;
  c.request([{ code: opCode.WRITEFULL, union: extent(0, 5), data: text('stray') }], { name: 'a' });
  c.request([{ code: opCode.WRITEFULL, union: extent(0, 5), data: text('stray') }], { name: 'fresh' });
  c.request([{ code: opCode.DELETE }], { name: 'b' });
  c.settle();
  c.kill(0);
  c.lose = undefined;
  c.nextMap();
  c.settle();
  assert.equal(get(c, 'a'), 'one');
  put(c, 'c', 'later');
  c.restart(0);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  assert.equal(get(c, 'a'), 'one');
  assert.equal(get(c, 'b'), 'one');
  assert.equal(get(c, 'fresh'), 'errno -2');
  assert.equal(contents(c, 0), contents(c, 1));
  assert.equal(contents(c, 0), contents(c, 2));
});

test('a copy whose log ended too long ago is filled up', async () => {
  const c = new TestCluster({ logEntries: 10 });
  await c.start();
  put(c, 'a', 'one');
  c.kill(2);
  c.nextMap();
  c.settle();
  for (let i = 0; i < 60; i++) put(c, `o${i}`, `content ${i}`);
  c.do([{ code: opCode.DELETE }], { name: 'a' });
  c.restart(2);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  assert.equal(contents(c, 2), contents(c, 0));
});

test('writes go on while a copy is filled up, to what it has and to what it has not', async () => {
  const c = new TestCluster({ logEntries: 10 });
  await c.start();
  c.kill(2);
  c.nextMap();
  c.settle();
  for (let i = 0; i < 60; i++) put(c, `o${i}`, `content ${i}`);
  c.restart(2);
  c.nextMap();
  const tids: number[] = [];
  for (let n = 0; c.step(); n++) {
    if (n % 5 !== 0 || tids.length === 120) continue;
    const data = text(`later ${n}`);
    tids.push(
      c.request([{ code: opCode.WRITEFULL, union: extent(0, data.length), data }], { name: `o${(n * 7) % 60}` }),
    );
  }
  c.settle();
  assert.equal(tids.length, 120);
  for (const tid of tids) assert.equal(c.replies.get(tid)?.result, 0);
  assert.equal(state(c), 'active+clean');
  assert.equal(contents(c, 2), contents(c, 0));
});

test('large objects come in pieces', async () => {
  const c = new TestCluster({ chunk: 1000 });
  await c.start();
  c.kill(1);
  c.nextMap();
  c.settle();
  put(c, 'big', 'x'.repeat(4500));
  c.restart(1);
  c.nextMap();
  c.settle();
  assert.equal(state(c), 'active+clean');
  assert.equal(contents(c, 1), contents(c, 0));
});

test('too few copies: requests are held back until there are enough', async () => {
  const c = new TestCluster();
  await c.start();
  put(c, 'a', 'one');
  c.kill(1);
  c.kill(2);
  c.nextMap();
  c.settle();
  const { result } = c.do([{ code: opCode.READ, union: extent(0, 0) }], { name: 'a' });
  assert.ok(Number.isNaN(result));
  c.restart(1);
  c.nextMap();
  c.settle();
  assert.equal(get(c, 'a'), 'one');
});

test('a request that is sent again is answered, not done again', async () => {
  const c = new TestCluster();
  await c.start();
  const reqid = { type: 8, num: 4100, tid: 77, inc: 0 };
  const append = [{ code: opCode.APPEND, union: extent(0, 3), data: text('abc') }];
  assert.equal(c.do(append, { reqid }).result, 0);
  assert.equal(c.do(append, { reqid }).result, 0);
  assert.equal(get(c, 'obj'), 'abc');
  // And by another primary.
  c.kill(0);
  c.nextMap();
  c.settle();
  assert.equal(c.do(append, { reqid }).result, 0);
  assert.equal(get(c, 'obj'), 'abc');
});
