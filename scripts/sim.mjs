// Simulated clusters from seeds; a failing one prints the command that runs it again.
//   usage: npm run sim -- [--seed 1] [--seeds 10] [--ops 1000] [--trace FILE]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    ops: { type: 'string', default: '1000' },
    trace: { type: 'string' },
  },
});
const { installNativeCrc32c } = await import('../dist/runtime/index.js');
const { crashOneOsd } = await import('../dist/sim/index.js');
installNativeCrc32c();

let failed = 0;
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
  const started = Date.now();
  try {
    const r = await crashOneOsd({ seed, operations: Number(values.ops), keepTrace: values.trace !== undefined });
    if (values.trace !== undefined) writeFileSync(values.trace, r.lines.join(''));
    const seconds = (Date.now() - started) / 1000;
    process.stdout.write(
      `seed ${seed}: ${r.operations} operations, ${r.objects} objects compared, ${(r.virtual_ms / 1000).toFixed(0)} virtual s in ${seconds.toFixed(1)} s, trace ${r.digest.slice(0, 16)}\n`,
    );
  } catch (error) {
    failed++;
    process.stdout.write(`${error.message}\n${error.cause?.stack ?? ''}\n`);
  }
}
process.stdout.write(`${Number(values.seeds) - failed} of ${values.seeds} seeds passed\n`);
process.exitCode = failed === 0 ? 0 : 1;
