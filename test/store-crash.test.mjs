// Power losses of the disk store over a simulated disk, 500 of them; `npm run crash:store -- --points 10000` is the long run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const torture = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/store/testing/torture.js');

function run(points, seed) {
  const child = spawn(process.execPath, [torture, 'crash', '--points', String(points), '--seed', String(seed)]);
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })));
}

test('500 power losses: every acknowledged transaction is there, and fsck finds nothing', async () => {
  const runs = await Promise.all([run(250, 1), run(250, 100_001)]);
  let points = 0;
  for (const { code, said } of runs) {
    assert.equal(code, 0, said);
    points += Number(/^(\d+) power losses survived/m.exec(said)?.[1]);
  }
  assert.ok(points >= 500, `${points} power losses`);
});
