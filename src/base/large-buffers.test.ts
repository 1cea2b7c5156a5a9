import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveLarge, LARGE_MIN, takeLarge, trimLarge } from './large-buffers.ts';

test('memory that was given back is used again, and views of it that somebody kept are empty', () => {
  const first = takeLarge(300_000);
  first.fill(7);
  const kept = first.subarray(1000, 2000);
  giveLarge(first);
  assert.equal(first.length, 0);
  assert.equal(kept.length, 0);
  const second = takeLarge(299_000);
  assert.equal(second.length, 299_000);
  assert.equal(second[5], 7, 'the same memory');
  second.fill(9);
  assert.equal(kept[0], undefined);
  giveLarge(second);
});

test('memory from elsewhere, and what was given back already, is left alone', () => {
  const other = new Uint8Array(LARGE_MIN);
  giveLarge(other);
  assert.equal(other.length, LARGE_MIN);
  const mine = takeLarge(LARGE_MIN);
  const view = mine.subarray(0, 10);
  giveLarge(view);
  giveLarge(mine);
  assert.equal(mine.length, 0);
});

test('what nobody needs for a while goes', () => {
  const a = takeLarge(1 << 20);
  a.fill(1);
  giveLarge(a);
  trimLarge();
  trimLarge();
  const b = takeLarge(1 << 20);
  assert.equal(b[0], 0, 'fresh memory');
  giveLarge(b);
});

test('what goes is given back to the system without a garbage collection', () => {
  const parts = Array.from({ length: 8 }, () => takeLarge(4 << 20).fill(1));
  const before = process.memoryUsage().arrayBuffers;
  for (const part of parts) giveLarge(part);
  trimLarge();
  trimLarge();
  assert.ok(process.memoryUsage().arrayBuffers <= before - (32 << 20));
});
