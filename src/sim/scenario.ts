import type { Logger } from '../base/index.ts';
import { SimCluster } from './cluster.ts';
import { compareMonitors } from './monitors.ts';
import { compareReplicas } from './replicas.ts';
import { SimWorkload } from './workload.ts';

export interface ScenarioResult {
  readonly scenario: string;
  readonly seed: number;
  readonly operations: number;
  readonly objects: number;
  /** Copies of objects that were compared between stores, byte by byte. */
  readonly copies: number;
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

/** A failed run: its message has the command that runs it again. */
export class ScenarioError extends Error {
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[], cause: unknown) {
    super(message, { cause });
    this.name = 'ScenarioError';
    this.lines = lines;
  }
}

/** What goes wrong, and when: it is given a cluster whose workload runs. */
interface Scenario {
  readonly settings?: Readonly<Record<string, string>>;
  readonly objects?: number;
  readonly mons?: number;
  disturb(cluster: SimCluster): Promise<void>;
}

const someOsd = (cluster: SimCluster): string => `osd.${cluster.world.entropy.u32() % cluster.osds}`;

async function cutFor(cluster: SimCluster, name: string, others: readonly string[], ms: number): Promise<void> {
  cluster.setCut(name, others, true);
  await cluster.pass(ms);
  cluster.setCut(name, others, false);
}

async function lose(cluster: SimCluster, name: string, away_ms: number, isDark = false): Promise<void> {
  cluster.crash(name, isDark);
  await cluster.pass(away_ms);
  await cluster.restart(name);
}

/** By name. Each runs in the middle of a workload with operations in flight; crashes keep what was synced and tear the rest. */
const scenarios = {
  /** One OSD loses its power and comes back after it was marked down. */
  'osd-crash': { disturb: (cluster) => lose(cluster, someOsd(cluster), 15_000) },
  /** As osd-crash, with a primary that misses enough to yield to another copy for a while. */
  'yielding-primary': {
    settings: { osd_force_auth_primary_missing_objects: '2' },
    objects: 200,
    disturb: (cluster) => lose(cluster, 'osd.1', 15_000),
  },
  /** Every OSD in turn, each once the one before is up again. */
  'osd-crashes': {
    async disturb(cluster) {
      for (let i = 0; i < cluster.osds; i++) {
        await lose(cluster, `osd.${i}`, 1000 + (cluster.world.entropy.u32() % 15_000));
        await cluster.waitClean();
      }
    },
  },
  /** All OSDs at once. */
  'all-osds-crash': {
    async disturb(cluster) {
      const names = Array.from({ length: cluster.osds }, (_, i) => `osd.${i}`);
      for (const name of names) cluster.crash(name);
      await cluster.pass(2000);
      for (const name of names) await cluster.restart(name);
    },
  },
  /** The monitor loses its power and comes back. */
  'mon-crash': { disturb: (cluster) => lose(cluster, 'mon.a', 3000) },
  /** Connections break for a while instead of delivering, one chunk in two hundred. */
  resets: {
    async disturb(cluster) {
      cluster.network.faults.reset = 0.005;
      await cluster.pass(20_000);
      cluster.network.faults.reset = 0;
    },
  },
  /** One OSD goes dark without a word to its peers. */
  'osd-dark': { disturb: (cluster) => lose(cluster, someOsd(cluster), 15_000, true) },
  /** The wires between one OSD and the other ones are cut; all of them reach the monitor and the client. */
  'osd-apart': {
    async disturb(cluster) {
      const osd = someOsd(cluster);
      await cutFor(
        cluster,
        osd,
        cluster.names.filter((n) => n.startsWith('osd.')),
        25_000,
      );
    },
  },
  /** One OSD reaches nobody, long enough to be marked down, and comes back as it was. */
  'osd-alone': { disturb: (cluster) => cutFor(cluster, someOsd(cluster), cluster.names, 40_000) },
  /** The monitor reaches nobody. */
  'mon-alone': { disturb: (cluster) => cutFor(cluster, 'mon.a', cluster.names, 20_000) },
  /** Every wire is slow, and some much slower than others. */
  'slow-wires': {
    async disturb(cluster) {
      const { faults } = cluster.network;
      const before = { ...faults };
      Object.assign(faults, { delayMin_ms: 2, delaySpread_ms: 400, split: 0.3 });
      await cluster.pass(30_000);
      Object.assign(faults, before);
    },
  },
  /** Wall clocks jump, each its own way, and come back. */
  'clock-jumps': {
    async disturb(cluster) {
      for (let i = 0; i < 6; i++) {
        for (const name of cluster.names) cluster.setSkew(name, (cluster.world.entropy.u32() % 20_000) - 10_000);
        await cluster.pass(4000);
      }
      for (const name of cluster.names) cluster.setSkew(name, 0);
    },
  },
  /** Three monitors; the leader loses its power and comes back. */
  'leader-crash': { mons: 3, disturb: (cluster) => lose(cluster, 'mon.a', 30_000) },
  /** Three monitors; each loses its power in turn, without a word, and comes back. */
  'mons-crash-in-turn': {
    mons: 3,
    async disturb(cluster) {
      for (const name of cluster.mons) {
        await lose(cluster, name, 1000 + (cluster.world.entropy.u32() % 30_000), true);
        await cluster.waitQuorum();
      }
    },
  },
  /** Three monitors; one that follows reaches none of the others, while clients still reach it. */
  'minority-apart': { mons: 3, disturb: (cluster) => cutFor(cluster, 'mon.c', cluster.mons, 40_000) },
  /** Three monitors; the leader reaches none of the others, while clients still reach it. */
  'leader-apart': { mons: 3, disturb: (cluster) => cutFor(cluster, 'mon.a', cluster.mons, 40_000) },
  /** Three monitors; the leader reaches nobody. */
  'leader-alone': { mons: 3, disturb: (cluster) => cutFor(cluster, 'mon.a', cluster.names, 40_000) },
  /** Three monitors lose their power at once. */
  'all-mons-crash': {
    mons: 3,
    async disturb(cluster) {
      for (const name of cluster.mons) cluster.crash(name);
      await cluster.pass(3000);
      for (const name of cluster.mons) await cluster.restart(name);
    },
  },
  /** One of three monitors is away for so long that the others keep too little for it: it copies the store of one. */
  'mon-far-behind': {
    mons: 3,
    settings: { paxos_min: '10', paxos_trim_min: '5', paxos_trim_max: '20' },
    async disturb(cluster) {
      await lose(cluster, 'mon.c', 90_000);
      await cluster.waitQuorum();
      // And the one that was copied from is not needed any more.
      await lose(cluster, 'mon.a', 20_000);
    },
  },
  /** Two of three monitors lose their power: nothing can change until one comes back. */
  'two-mons-crash': {
    mons: 3,
    async disturb(cluster) {
      cluster.crash('mon.a');
      cluster.crash('mon.b', true);
      await cluster.pass(25_000);
      await cluster.restart('mon.b');
      await cluster.pass(30_000);
      await cluster.restart('mon.a');
    },
  },
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

/**
 * Boot, a pool, mixed operations; the scenario's fault in the middle of them; then every PG must become clean, every object be as the model has it, and every copy
 * equal its others. Throws ScenarioError.
 */
export async function runScenario(name: ScenarioName, options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, operations = 1000 } = options;
  const scenario: Scenario = scenarios[name];
  const cluster = new SimCluster({
    seed,
    keepTrace: options.keepTrace ?? false,
    ...(scenario.mons === undefined ? {} : { mons: scenario.mons }),
    ...(options.logger === undefined ? {} : { logger: options.logger }),
    settings: { global: { osd_heartbeat_grace: '6', osd_heartbeat_interval: '2', ...scenario.settings } },
  });
  const { world } = cluster;
  try {
    await cluster.start();
    await cluster.drive(cluster.client.createPool('p'));
    await cluster.waitClean();
    const io = await cluster.drive(cluster.client.openPool('p'));
    const workload = new SimWorkload(io, world.entropy.fork(), scenario.objects ?? 40);
    const third = Math.floor(operations / 3);
    await cluster.drive(workload.run(third));
    const during = workload.run(third);
    // Awaited below; a failure meanwhile must not be one that nobody handles.
    during.catch(() => {});
    await world.run(world.now_ms + 600_000, () => workload.operations >= third + Math.floor(third / 3));
    await scenario.disturb(cluster);
    await cluster.drive(during);
    await cluster.drive(workload.run(operations - 2 * third));
    await cluster.waitClean();
    const objects = await cluster.drive(workload.verify());
    // The last acknowledgement may be ahead of what a replica has in its store by one turn.
    await cluster.pass(1000);
    if (cluster.mons.length > 1) {
      await cluster.waitQuorum();
      await compareMonitors(cluster);
    }
    return {
      scenario: name,
      seed,
      operations: workload.operations,
      objects,
      copies: compareReplicas(cluster),
      events: world.events,
      virtual_ms: world.now_ms,
      digest: world.digest(),
      lines: world.lines,
    };
  } catch (error) {
    const again = `npm run sim -- --scenario ${name} --seed ${seed} --ops ${operations}`;
    throw new ScenarioError(
      `${name}, seed ${seed} failed (run it again with: ${again}): ${(error as Error).message}`,
      world.lines,
      error,
    );
  }
}
