import { randomBytes, randomFillSync } from 'node:crypto';
import type { Entropy } from '../base/index.ts';

const pool = new Uint32Array(256);
let used = pool.length;

function u32(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]!;
}

/** Randomness of the operating system. */
export const systemEntropy: Entropy = {
  bytes: (length) => randomBytes(length),
  u32,
  float: () => u32() / 0x1_0000_0000,
};
