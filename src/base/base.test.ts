import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32cPortable } from './crc32c.ts';
import { entropyUuid, SeededEntropy } from './entropy.ts';
import { ErrnoError, errnoName } from './errno.ts';
import { Queue } from './queue.ts';

const ascii = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

// Values of Ceph's own unit test of its checksum (src/test/common/test_crc32c.cc).
test('crc32c follows Ceph convention for the seed', () => {
  assert.equal(crc32cPortable(0, ascii('foo bar baz')), 4119623852);
  assert.equal(crc32cPortable(1234, ascii('foo bar baz')), 881700046);
  assert.equal(crc32cPortable(0, ascii('whiz bang boom')), 2360230088);
  assert.equal(crc32cPortable(5678, ascii('whiz bang boom')), 3743019208);
});

test('crc32c continues from a previous result at any split', () => {
  const data = new SeededEntropy(7).bytes(301);
  const whole = crc32cPortable(0xffffffff, data);
  for (let i = 0; i <= data.length; i++) {
    assert.equal(crc32cPortable(crc32cPortable(0xffffffff, data.subarray(0, i)), data.subarray(i)), whole);
  }
});

test('seeded entropy repeats itself and spreads over its range', () => {
  const a = new SeededEntropy(1);
  const b = new SeededEntropy(1);
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const x = a.u32();
    assert.equal(x, b.u32());
    counts[x >>> 28]!++;
  }
  for (const n of counts) assert.ok(n > 850 && n < 1150, `a sixteenth of the range drew ${n} of 16000`);
  assert.match(entropyUuid(a), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a queue keeps order through growth and from both ends', () => {
  const q = new Queue<number>();
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 30; i++) q.push(i);
    q.unshift(-1);
    assert.deepEqual([...q].slice(0, 3), [-1, 0, 1]);
    assert.equal(q.shift(), -1);
    for (let i = 0; i < 30; i++) assert.equal(q.shift(), i);
    assert.equal(q.shift(), undefined);
  }
});

test('errno errors carry name, number and sentence', () => {
  const e = new ErrnoError('ENOENT', "pool 'x' does not exist");
  assert.equal(e.errno, 2);
  assert.equal(e.message, "ENOENT: pool 'x' does not exist");
  assert.equal(errnoName(-110), 'ETIMEDOUT');
});
