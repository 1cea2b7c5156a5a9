import { test } from 'node:test';
import { modelRun } from './testing/model.ts';

for (const seed of [1, 2]) {
  test(`disk store and memory store agree, seed ${seed}`, async () => {
    await modelRun(seed, 130, seed === 2);
  });
}
