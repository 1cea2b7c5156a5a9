import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CRC_BLOCK,
  combineBlockCrcs,
  crc32cLong,
  knownBlockCrcs,
  knownBlockPhase,
  rememberBlockCrcs,
} from './block-crc.ts';
import { crc32cPortable } from './crc32c.ts';
import { SeededEntropy } from './entropy.ts';

const entropy = new SeededEntropy(7);
const bytes = (length: number): Uint8Array => {
  const b = new Uint8Array(length);
  for (let i = 0; i < length; i++) b[i] = entropy.u32();
  return b;
};

test('the checksum of a whole follows from those of its blocks, whatever the seed', () => {
  const data = bytes(5 * CRC_BLOCK);
  const crcs = Uint32Array.from({ length: 5 }, (_, i) =>
    crc32cPortable(0xffffffff, data, i * CRC_BLOCK, (i + 1) * CRC_BLOCK),
  );
  for (const seed of [0, 1, 0x80000000, 0xffffffff, 12345678]) {
    assert.equal(combineBlockCrcs(seed, crcs), crc32cPortable(seed, data));
  }
});

test('long data: the same checksum for every lead and length, known or not', () => {
  for (const length of [65_536, 65_537, 70_000, 81_920]) {
    for (const lead of [0, 1, 2047, 4095]) {
      const data = bytes(length);
      const expected = crc32cPortable(0xffffffff, data);
      assert.equal(crc32cLong(0xffffffff, data), expected);
      assert.equal(knownBlockPhase(data), 0);
      assert.equal(crc32cLong(0xffffffff, data, lead, true), expected);
      assert.equal(knownBlockPhase(data), lead);
      assert.equal(crc32cLong(0xffffffff, data), expected);
      assert.equal(crc32cLong(3, data.subarray(5)), crc32cPortable(3, data, 5));
    }
  }
});

test('what is known is used: of parts at block boundaries, of nothing else', () => {
  const memory = bytes(100 + 32 * CRC_BLOCK);
  const blocks = memory.subarray(100);
  const crcs = Uint32Array.from({ length: 32 }, (_, i) => i);
  rememberBlockCrcs(blocks, crcs);
  assert.deepEqual(knownBlockCrcs(blocks.subarray(CRC_BLOCK, 3 * CRC_BLOCK)), Uint32Array.of(1, 2));
  assert.equal(knownBlockCrcs(blocks.subarray(1, CRC_BLOCK + 1)), undefined);
  assert.equal(knownBlockCrcs(memory.subarray(0, CRC_BLOCK)), undefined);
  assert.equal(knownBlockCrcs(blocks.subarray(0, CRC_BLOCK + 1)), undefined);
  assert.equal(knownBlockPhase(memory), 100);
  assert.equal(knownBlockPhase(blocks.subarray(1)), CRC_BLOCK - 1);
  assert.equal(knownBlockPhase(blocks.subarray(CRC_BLOCK)), 0);
});
