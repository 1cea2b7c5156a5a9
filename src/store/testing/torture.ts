import { crashRun } from './crash.ts';
import { modelRun } from './model.ts';
import { rotRun } from './rot.ts';

/**
 * Long runs of the store's random tests.
 *
 *     torture.js crash --points N --seed S      power losses; each seed's machine lives through five of them
 *     torture.js model --operations N --seed S  random transactions against the memory store
 *     torture.js rot --flips N --seed S         flipped bits, a hundred in each seed's store
 *
 * With --compression on, or off; both, as without it: on with every odd seed. A failure prints the command that repeats it.
 */
const [mode, ...args] = process.argv.slice(2);

function option(name: string, otherwise: number): number {
  const i = args.indexOf(`--${name}`);
  if (i < 0) return otherwise;
  const value = Number(args[i + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} wants a whole number from 1 on`);
  return value;
}

interface Mode {
  readonly option: string;
  readonly goal: number;
  readonly done: string;
  /** One seed; how much it did. */
  run(seed: number, compressed: boolean): Promise<number>;
}

const modes: Readonly<Record<string, Mode>> = {
  crash: {
    option: 'points',
    goal: 500,
    done: 'power losses survived',
    run: async (seed, compressed) => (await crashRun(seed, 5, compressed)).points,
  },
  model: {
    option: 'operations',
    goal: 100_000,
    done: 'operations agreed',
    run: (seed, compressed) => modelRun(seed, 1000, compressed),
  },
  rot: {
    option: 'flips',
    goal: 1000,
    done: 'flipped bits found',
    run: async (seed, compressed) => {
      await rotRun(seed, 100, compressed);
      return 100;
    },
  },
};

async function run(): Promise<number> {
  let seed = option('seed', 1);
  let done = 0;
  const started = process.hrtime.bigint();
  const kind = mode === undefined ? undefined : modes[mode];
  if (kind === undefined) {
    console.error(
      'usage: torture.js crash --points N --seed S | model --operations N --seed S | rot --flips N --seed S',
    );
    return 2;
  }
  const where = args.indexOf('--compression');
  const compression = where < 0 ? 'both' : args[where + 1];
  if (!['on', 'off', 'both'].includes(compression!)) throw new RangeError('--compression wants on, off or both');
  const goal = option(kind.option, kind.goal);
  for (; done < goal; seed++) {
    try {
      done += await kind.run(seed, compression === 'on' || (compression === 'both' && seed % 2 === 1));
    } catch (error) {
      console.error(error);
      console.error(`repeat with: torture.js ${mode} --${kind.option} 1 --seed ${seed} --compression ${compression}`);
      return 1;
    }
  }
  const seconds = Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000;
  console.log(`${done} ${kind.done} in ${seconds} s, next seed ${seed}`);
  return 0;
}

process.exitCode = await run();
