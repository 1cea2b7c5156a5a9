import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzMessenger } from './testing/fuzz.ts';

test('mutated handshakes and frames end connections, nothing else (short; the long one is npm run fuzz)', async () => {
  const report = await fuzzMessenger(2000, 1);
  assert.equal(report.cases, 2000);
  // The damage is not so heavy that nothing deep is reached.
  assert.ok(report.connected > 300, `${report.connected} connected`);
  assert.ok(report.survived > 100, `${report.survived} survived`);
});
