import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzMessenger } from './testing/fuzz.ts';

test('mutated handshakes and frames end connections, nothing else (short; the long one is npm run fuzz)', async () => {
  const report = await fuzzMessenger(1000, 1);
  assert.equal(report.cases, 1000);
  // The damage is not so heavy that nothing deep is reached.
  assert.ok(report.connected > 150, `${report.connected} connected`);
  assert.ok(report.survived > 50, `${report.survived} survived`);
});
