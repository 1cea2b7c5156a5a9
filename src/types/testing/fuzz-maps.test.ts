import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzMaps } from './fuzz-maps.ts';

test('mutants of all maps are read or refused (the long run is npm run fuzz:maps)', () => {
  const { decoded } = fuzzMaps(1200, 20_260, () => performance.now());
  for (const [kind, count] of Object.entries(decoded)) assert.ok(count > 0, `no mutant of a ${kind} was read`);
});
