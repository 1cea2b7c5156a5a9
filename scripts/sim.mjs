// Simulated clusters from seeds; a failing one prints the command that runs it again.
//   usage: npm run sim -- [--scenario NAME|all] [--seed 1] [--seeds 10] [--ops 1000] [--trace FILE]
// The trace is that of the last seed run, failed or not; after a failure with --trace no further seed is run.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'osd-crash' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    ops: { type: 'string', default: '1000' },
    trace: { type: 'string' },
  },
});
const { installNativeCrc32c } = await import('../dist/runtime/index.js');
const { runScenario, scenarioNames } = await import('../dist/sim/index.js');
installNativeCrc32c();

const names = values.scenario === 'all' ? scenarioNames : [values.scenario];
for (const name of names) {
  if (scenarioNames.includes(name)) continue;
  process.stderr.write(`there is no scenario ${name}; there are ${scenarioNames.join(', ')}\n`);
  process.exit(1);
}
let run = 0;
let failed = 0;
all: for (const name of names) {
  for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
    const started = Date.now();
    run++;
    let lines;
    try {
      const r = await runScenario(name, {
        seed,
        operations: Number(values.ops),
        keepTrace: values.trace !== undefined,
      });
      lines = r.lines;
      const seconds = (Date.now() - started) / 1000;
      process.stdout.write(
        `${name} seed ${seed}: ${r.operations} operations, ${r.objects} objects and ${r.copies} copies compared, ${(r.virtual_ms / 1000).toFixed(0)} virtual s in ${seconds.toFixed(1)} s, trace ${r.digest.slice(0, 16)}\n`,
      );
    } catch (error) {
      failed++;
      lines = error.lines ?? [];
      process.stdout.write(`${error.message}\n${error.cause?.stack ?? ''}\n`);
    }
    if (values.trace !== undefined) {
      writeFileSync(values.trace, lines.join(''));
      if (failed > 0) break all;
    }
  }
}
process.stdout.write(`${run - failed} of ${run} runs passed\n`);
process.exitCode = failed === 0 ? 0 : 1;
