import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extent, TestCluster } from '../testing.ts';
import { opCode } from './codes.ts';

const LENGTH = 300_000;
const read = { code: opCode.READ, union: extent(0, 0) };
const write = (byte: number) => ({
  code: opCode.WRITEFULL,
  union: extent(0, LENGTH),
  data: new Uint8Array(LENGTH).fill(byte),
});

/** A cluster with a long object, whose reads come back when the test lets them. */
async function withHeldReads(): Promise<{ c: TestCluster; held: (() => void)[] }> {
  const c = new TestCluster();
  await c.start();
  assert.equal(c.do([write(1)], { name: 'long' }).result, 0);
  const held: (() => void)[] = [];
  for (const osd of c.osds) {
    const { store } = osd.services;
    const original = store.read.bind(store);
    store.read = (coll, object, offset, length, done) =>
      original(coll, object, offset, length, (error, data) => held.push(() => done(error, data)));
  }
  return { c, held };
}

test('a change waits for the long read before it, which sees what was there', async () => {
  const { c, held } = await withHeldReads();
  const reading = c.request([read], { name: 'long' });
  const writing = c.request([write(2)], { name: 'long' });
  c.settle();
  assert.equal(held.length, 1);
  assert.equal(c.replies.get(writing), undefined, 'the change waits');
  held[0]!();
  c.settle();
  const { data } = c.replies.get(reading)!.message;
  assert.equal(Buffer.concat(data).length, LENGTH);
  assert.ok(Buffer.concat(data).every((b) => b === 1));
  assert.equal(c.replies.get(writing)!.result, 0);
});

test('a long read that a new interval took back is not ended by what it had begun before', async () => {
  const { c, held } = await withHeldReads();
  const reading = c.request([read], { name: 'long' });
  assert.equal(held.length, 1);
  // A new interval with the same primary: the request is begun again.
  c.kill(2);
  c.nextMap();
  c.settle();
  assert.equal(held.length, 2);
  held[0]!();
  c.settle();
  assert.equal(c.replies.get(reading), undefined, 'the read of the interval before answers nobody');
  held[1]!();
  c.settle();
  assert.equal(c.replies.get(reading)!.result, 0);
  // And the object is free for changes.
  assert.equal(c.do([write(3)], { name: 'long' }).result, 0);
});
