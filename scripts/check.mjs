// The check: what a contributor runs, `npm test` and .ci/run alike. Installs what is missing, builds, lints, runs every test, and ends
// with one line of counts. Uses Node alone until the packages are there.
//   usage: node scripts/check.mjs [--only build|lint|unit|house|program]
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureCephPackages } from './ceph-packages.mjs';
import { prepare } from './prepare.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const totals = { pass: 0, fail: 0, skipped: 0 };

/** Runs a step; prints what it prints; adds up the counts of node's test runner, or counts the step as one test. */
function step(name, command, args, { counts }) {
  const started = Date.now();
  process.stdout.write(`\n=== ${name}\n`);
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SEPIOLA_NO_BUILD: '1' },
    });
    const seen = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
    let rest = '';
    const line = (text) => {
      const count = /^# (pass|fail|cancelled|skipped|todo) (\d+)$/.exec(text);
      if (count !== null) seen[count[1]] += Number(count[2]);
      // Passing tests are not news; failures are shown whole.
      if (!counts || !/^\s*(ok \d+|# Subtest|---|\.\.\.|duration_ms|type:|1\.\.)/.test(text))
        process.stdout.write(`${text}\n`);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      lines.forEach(line);
    });
    child.on('close', (code) => {
      if (rest !== '') line(rest);
      const ran = seen.pass + seen.fail + seen.cancelled + seen.skipped + seen.todo;
      if (!counts || ran === 0) {
        if (code === 0 && !counts) totals.pass++;
        else totals.fail++;
      } else {
        totals.pass += seen.pass;
        totals.fail += seen.fail + seen.cancelled;
        totals.skipped += seen.skipped + seen.todo;
        if (code !== 0 && seen.fail + seen.cancelled === 0) totals.fail++;
      }
      process.stdout.write(
        `=== ${name}: ${code === 0 ? 'ok' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
      );
      resolve(code === 0);
    });
  });
}

const wanted = (name) => only === undefined || only === name;
const node = process.execPath;
const tap = ['--test-reporter=tap'];

prepare();
const missing = wanted('program') || wanted('unit') ? ensureCephPackages() : undefined;
if (missing !== undefined) {
  process.stdout.write(`${missing}\n`);
  // In CI a missing tool is a failure, never a skip.
  if (process.env.CI) totals.fail++;
}
if (wanted('lint'))
  await step('lint', node, ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'], {
    counts: false,
  });
if (wanted('house')) await step('house rules', node, ['--test', ...tap, 'test/house.test.mjs'], { counts: true });
if (wanted('unit')) await step('unit tests and vectors', node, [...tap, 'scripts/unit.mjs'], { counts: true });
if (wanted('program')) {
  const files = readdirSync(join(root, 'test'))
    .filter((f) => f.endsWith('.test.mjs') && f !== 'house.test.mjs')
    .sort();
  for (const file of files) {
    if (missing !== undefined) totals.skipped++;
    else await step(`whole programs: ${file}`, node, ['--test', ...tap, `test/${file}`], { counts: true });
  }
}
process.stdout.write(`\n${totals.pass} passed, ${totals.fail} failed, ${totals.skipped} skipped\n`);
process.exitCode = totals.fail === 0 && totals.pass > 0 ? 0 : 1;
