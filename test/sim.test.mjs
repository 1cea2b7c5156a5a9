// Whole clusters on virtual time: the code that the processes run, on a network, a disk and a clock of one seed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installNativeCrc32c } from '../dist/runtime/index.js';
import { runScenario, scenarioNames } from '../dist/sim/index.js';

installNativeCrc32c();

test('boot, a pool, 1,000 mixed operations, an OSD loses its power and returns, every object is compared', async () => {
  const result = await runScenario('osd-crash', { seed: 7, operations: 1000 });
  assert.equal(result.operations, 1000);
  assert.ok(result.objects > 10);
  assert.equal(result.copies, 2 * result.objects);
});

test('two runs of a seed give the same trace, byte for byte; another seed gives another', async () => {
  const run = (seed) => runScenario('osd-crash', { seed, operations: 200, keepTrace: true });
  const first = await run(11);
  const second = await run(11);
  assert.equal(second.digest, first.digest);
  assert.deepEqual(second.lines, first.lines);
  assert.notEqual((await run(12)).digest, first.digest);
});

for (const name of scenarioNames) {
  test(`scenario ${name}: clean at the end, nothing acknowledged is gone, all copies are equal`, async () => {
    // Those of several monitors take long, and are the same for most of their time.
    const seeds = /mons?-|leader|minority/.test(name) && name !== 'mon-crash' && name !== 'mon-alone' ? [3] : [3, 4, 5];
    for (const seed of seeds) assert.ok((await runScenario(name, { seed, operations: 600 })).objects > 10);
  });
}
