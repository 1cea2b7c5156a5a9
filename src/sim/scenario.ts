import type { Logger } from '../base/index.ts';
import { SimCluster } from './cluster.ts';
import { SimWorkload } from './workload.ts';

export interface ScenarioResult {
  readonly seed: number;
  readonly operations: number;
  readonly objects: number;
  readonly events: number;
  /** Virtual milliseconds that passed. */
  readonly virtual_ms: number;
  /** Hash of the trace: the same for every run of a seed. */
  readonly digest: string;
  readonly lines: readonly string[];
}

export interface ScenarioOptions {
  readonly seed: number;
  readonly operations?: number;
  readonly keepTrace?: boolean;
  readonly logger?: (node: string) => Logger;
}

/** Names the seed in whatever goes wrong, with the command that runs it again. */
async function withSeed<T>(seed: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new Error(
      `seed ${seed} failed (run it again with: npm run sim -- --seed ${seed}): ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * Boot, a pool, mixed operations; one OSD loses its power in the middle and comes back; every object is compared at the end.
 */
export function crashOneOsd(options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, operations = 1000 } = options;
  return withSeed(seed, async () => {
    const cluster = new SimCluster({
      seed,
      keepTrace: options.keepTrace ?? false,
      ...(options.logger === undefined ? {} : { logger: options.logger }),
      settings: { global: { osd_heartbeat_grace: '6', osd_heartbeat_interval: '2' } },
    });
    await cluster.start();
    await cluster.drive(cluster.client.createPool('p'));
    await cluster.waitClean();
    const io = await cluster.drive(cluster.client.openPool('p'));
    const workload = new SimWorkload(io, cluster.world.entropy.fork());
    const third = Math.floor(operations / 3);
    await cluster.drive(workload.run(third));
    const victim = `osd.${cluster.world.entropy.u32() % cluster.osds}`;
    const during = workload.run(third);
    // In the middle of it, with operations in flight.
    await cluster.world.run(cluster.world.now_ms + 600_000, () => workload.operations >= third + Math.floor(third / 3));
    cluster.crash(victim);
    await cluster.pass(15_000);
    await cluster.restart(victim);
    await cluster.drive(during);
    await cluster.drive(workload.run(operations - 2 * third));
    await cluster.waitClean();
    const objects = await cluster.drive(workload.verify());
    const { world } = cluster;
    return {
      seed,
      operations: workload.operations,
      objects,
      events: world.events,
      virtual_ms: world.now_ms,
      digest: world.digest(),
      lines: world.lines,
    };
  });
}
