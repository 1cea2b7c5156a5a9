import { crashRun } from './crash.ts';
import { modelRun } from './model.ts';

/**
 * Long runs of the store's random tests.
 *
 *     torture.js crash --points N --seed S      power losses; each seed's machine lives through five of them
 *     torture.js model --operations N --seed S  random transactions against the memory store
 *
 * A failure prints the command that repeats it.
 */
const [mode, ...args] = process.argv.slice(2);

function option(name: string, otherwise: number): number {
  const i = args.indexOf(`--${name}`);
  if (i < 0) return otherwise;
  const value = Number(args[i + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} wants a whole number from 1 on`);
  return value;
}

async function run(): Promise<number> {
  let seed = option('seed', 1);
  let done = 0;
  const started = process.hrtime.bigint();
  if (mode !== 'crash' && mode !== 'model') {
    console.error('usage: torture.js crash --points N --seed S | model --operations N --seed S');
    return 2;
  }
  const goal = mode === 'crash' ? option('points', 500) : option('operations', 100_000);
  for (; done < goal; seed++) {
    try {
      done += mode === 'crash' ? (await crashRun(seed, 5)).points : await modelRun(seed, 1000);
    } catch (error) {
      console.error(error);
      console.error(`repeat with: torture.js ${mode} --${mode === 'crash' ? 'points' : 'operations'} 1 --seed ${seed}`);
      return 1;
    }
  }
  const seconds = Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000;
  console.log(
    `${done} ${mode === 'crash' ? 'power losses survived' : 'operations agreed'} in ${seconds} s, next seed ${seed}`,
  );
  return 0;
}

process.exitCode = await run();
