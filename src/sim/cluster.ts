import { CryptoKey, KeyRing } from '../auth/index.ts';
import { type Entropy, invariant, type Logger, type SeededEntropy } from '../base/index.ts';
import { Rados } from '../client/index.ts';
import { Config } from '../config/index.ts';
import { encodeText } from '../encoding/index.ts';
import { MgrDaemon } from '../mgr/index.ts';
import { Monitor, mkfs as mkfsMonitor } from '../mon/index.ts';
import { mkfs as mkfsOsd, OsdDaemon } from '../osd/index.ts';
import { DiskStore, type ObjectStore } from '../store/index.ts';
import { type DiskMachine, TestDisk } from '../store/testing/index.ts';
import { EntityAddrVec, entityType, MonMap, makeMonInfo, utimeFromMs } from '../types/index.ts';
import { SimNetwork } from './network.ts';
import { SimNode, SimWorld } from './world.ts';

const MON_PORT = 3300;
/** Well above the network's delay, so that an acknowledgement given before its sync is out before the power goes. */
const DISK_LATENCY_MS_MAX = 5;
const STORE_BYTES = 256 * 1024 * 1024;

/** A machine of the cluster with its disk, and the daemon that runs on it in its present life. */
class Machine {
  readonly node: SimNode;
  readonly #entropy: SeededEntropy;
  disk: TestDisk;
  /** Ends the daemon in an orderly way, where one runs. */
  stop: (() => unknown) | undefined;

  constructor(node: SimNode) {
    this.node = node;
    this.#entropy = node.world.entropy.fork();
    this.disk = new TestDisk(this.#diskMachine(), this.#entropy.fork(), undefined, DISK_LATENCY_MS_MAX);
  }

  #diskMachine(): DiskMachine {
    const { node } = this;
    const { life } = node;
    return {
      get stopped() {
        return !node.alive || node.life !== life;
      },
      set stopped(value: boolean) {
        invariant(value && node.alive, 'only a running machine stops');
        node.crash();
      },
      setTimer: (delay_ms, fn) => node.world.schedule(delay_ms, fn, node),
    };
  }

  /** Comes up with what the disk kept. */
  start(): void {
    this.node.start();
    this.disk = this.disk.afterCrash(this.#diskMachine(), this.#entropy.fork());
  }

  entropy(): Entropy {
    return this.#entropy.fork();
  }
}

export interface SimClusterOptions {
  readonly seed: number;
  readonly osds?: number;
  /** Monitors (default 1). */
  readonly mons?: number;
  /** Options by section: `global`, `osd`, `osd.0`, ... */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Keeps the trace's lines, for a person to read. */
  readonly keepTrace?: boolean;
  /** Where daemons log; nowhere by default. */
  readonly logger?: (node: string) => Logger;
}

/**
 * One monitor or several, one manager, some OSDs and a client, each on a machine of its own, on a simulated network, disk and clock. The daemons are the very code that the
 * processes run.
 */
export class SimCluster {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly osds: number;
  /** `mon.a`, ... */
  readonly mons: readonly string[];
  readonly #options: SimClusterOptions;
  readonly #machines = new Map<string, Machine>();
  readonly #keys = new KeyRing();
  readonly #entropy: SeededEntropy;
  /** Of the OSDs that run, by name: for checkers that look past the protocol. */
  readonly stores = new Map<string, ObjectStore>();
  /** Monitors that run, by name. */
  readonly monitors = new Map<string, Monitor>();
  #client: Rados | undefined;

  constructor(options: SimClusterOptions) {
    this.#options = options;
    this.osds = options.osds ?? 3;
    this.world = new SimWorld(options.seed, { keepLines: options.keepTrace ?? false });
    this.network = new SimNetwork(this.world);
    this.#entropy = this.world.entropy.fork();
    this.mons = Array.from({ length: options.mons ?? 1 }, (_, i) => `mon.${String.fromCharCode(97 + i)}`);
    const names = [...this.mons, 'mgr.x', ...Array.from({ length: this.osds }, (_, i) => `osd.${i}`), 'client.admin'];
    names.forEach((name, i) => {
      this.#machines.set(name, new Machine(new SimNode(this.world, name, `10.0.0.${i + 1}`)));
    });
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name);
    invariant(machine !== undefined, 'no machine of that name', { name });
    return machine;
  }

  #monAddrs(name: string): string {
    return `[v2:${this.#machine(name).node.host}:${MON_PORT}/0]`;
  }

  #config(type: 'mon' | 'mgr' | 'osd' | 'client', id: string, host: string): Config {
    const config = new Config({ cluster: 'ceph', type, id, host: `${type}-${id}`, pid: 1, daemon: type !== 'client' });
    const values = new Map<string, string>([
      ['fsid', '00000000-5e91-4014-8000-000000000001'],
      ['mon_host', this.mons.map((name) => this.#monAddrs(name)).join(',')],
      ['public_addr', host],
      ['osd_pool_default_size', String(Math.min(3, this.osds))],
      ['osd_crush_chooseleaf_type', '0'],
      ['osd_pool_default_pg_autoscale_mode', 'off'],
      ['osd_pool_default_pg_num', '8'],
      ['mon_allow_pool_delete', 'true'],
      ['auth_allow_insecure_global_id_reclaim', 'false'],
    ]);
    for (const section of ['global', type, `${type}.${id}`]) {
      for (const [name, value] of Object.entries(this.#options.settings?.[section] ?? {})) values.set(name, value);
    }
    const rejected = config.replaceLayer('file', values);
    invariant(rejected.length === 0, 'options of the simulation do not hold', { rejected });
    return config;
  }

  /** Makes keys, maps and stores, and starts every daemon. Resolves when all OSDs are up and in and the manager is available. */
  async start(timeout_ms = 60_000): Promise<void> {
    for (const machine of this.#machines.values()) machine.start();
    await this.#make();
    for (const mon of this.mons) await this.startDaemon(mon);
    await this.startDaemon('mgr.x');
    for (let i = 0; i < this.osds; i++) await this.startDaemon(`osd.${i}`);
    await this.#connect();
    await this.waitFor('all OSDs up and in and an available manager', timeout_ms, async () => {
      const status = await this.status();
      return (
        status.osdmap.num_up_osds === this.osds && status.osdmap.num_in_osds === this.osds && status.mgrmap.available
      );
    });
  }

  async #make(): Promise<void> {
    const now = utimeFromMs(this.#machine('mon.a').node.clock().now());
    const add = (name: string, caps: Record<string, string>): void =>
      this.#keys.set(name, {
        key: new CryptoKey(1, now, this.#entropy.bytes(16)),
        caps: new Map(Object.entries(caps)),
      });
    add('mon.', { mon: 'allow *' });
    add('client.admin', { mon: 'allow *', osd: 'allow *', mds: 'allow *', mgr: 'allow *' });
    add('mgr.x', { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' });
    for (let i = 0; i < this.osds; i++)
      add(`osd.${i}`, { mgr: 'allow profile osd', mon: 'allow profile osd', osd: 'allow *' });
    const fsid = this.#config('mon', 'a', this.#machine('mon.a').node.host).str('fsid');
    let map = new MonMap({ fsid, created: now, lastChanged: now });
    for (const name of this.mons) {
      map = map.withMon(makeMonInfo(name.slice('mon.'.length), EntityAddrVec.parse(this.#monAddrs(name))!));
    }
    for (const name of this.mons) {
      const kv = this.#machine(name).disk.openKv(`${name}/store`);
      mkfsMonitor(kv, map, encodeText(this.#keys.format()));
      kv.close();
    }
    for (let i = 0; i < this.osds; i++) {
      const machine = this.#machine(`osd.${i}`);
      const osdFsid = `00000000-5e91-4014-8000-1000000000${String(i).padStart(2, '0')}`;
      await this.#drive(mkfsOsd(this.#store(machine, `osd.${i}`), { clusterFsid: fsid, osdFsid, whoami: i }));
    }
  }

  #store(machine: Machine, name: string): DiskStore {
    return new DiskStore({ disk: machine.disk, clock: machine.node.clock(), entropy: machine.entropy() }, name, {
      size: STORE_BYTES,
    });
  }

  #logger(name: string): Logger {
    return (
      this.#options.logger?.(name) ?? {
        enabled: () => false,
        log: () => {},
        error: (_s, message) => this.world.trace(`${name} error: ${message}`),
      }
    );
  }

  #keyring(name: string): KeyRing {
    const own = new KeyRing();
    const auth = this.#keys.get(name);
    invariant(auth !== undefined, 'no key of that name', { name });
    own.set(name, auth);
    return own;
  }

  /** Starts the daemon of a machine that runs. */
  async startDaemon(name: string): Promise<void> {
    const machine = this.#machine(name);
    const [type, id] = name.split('.') as ['mon' | 'mgr' | 'osd', string];
    const { node } = machine;
    const shared = {
      clock: node.clock(),
      entropy: machine.entropy(),
      network: this.network.of(node),
      logger: this.#logger(name),
      config: this.#config(type, id, node.host),
      metadata: new Map([['hostname', name]]),
      hostname: name.replace('.', '-'),
      fatal: (message: string): never => {
        throw new Error(`${name}: ${message}`);
      },
    };
    if (type === 'mon') {
      const kv = machine.disk.openKv(`${name}/store`);
      const monitor = new Monitor({
        ...shared,
        id,
        kv,
        keyring: this.#keyring('mon.'),
        commonCommand: () => ({ code: -22, out: '', err: 'no admin socket in a simulation' }),
        writeClusterLog: () => {},
        statfs: () => undefined,
      });
      machine.stop = () => monitor.stop();
      this.monitors.set(name, monitor);
      await this.#drive(monitor.start());
    } else if (type === 'mgr') {
      const mgr = new MgrDaemon({ ...shared, id, keyring: this.#keyring(name) });
      machine.stop = () => mgr.stop();
      await this.#drive(mgr.start());
    } else {
      const store = this.#store(machine, name);
      this.stores.set(name, store);
      const osd = new OsdDaemon({ ...shared, whoami: Number(id), keyring: this.#keyring(name), store });
      machine.stop = () => osd.stop();
      await this.#drive(osd.start());
    }
  }

  /** Power off: what was not synced is lost or torn. `isDark`: its peers are not told by its system either. */
  crash(name: string, isDark = false): void {
    const machine = this.#machine(name);
    machine.stop = undefined;
    this.stores.delete(name);
    this.monitors.delete(name);
    machine.node.crash();
    this.network.nodeCrashed(machine.node, isDark);
  }

  /** Power on: the daemon starts on what its disk kept. */
  async restart(name: string): Promise<void> {
    const machine = this.#machine(name);
    machine.start();
    this.network.nodeStarted(machine.node);
    await this.startDaemon(name);
  }

  /** Every machine's name. */
  get names(): readonly string[] {
    return [...this.#machines.keys()];
  }

  /** Cuts or mends the wires between one machine and others. */
  setCut(name: string, others: readonly string[], cut: boolean): void {
    const { host } = this.#machine(name).node;
    for (const other of others) if (other !== name) this.network.setCut(host, this.#machine(other).node.host, cut);
  }

  /** Sets a machine's wall clock wrong by so much. */
  setSkew(name: string, ms: number): void {
    this.#machine(name).node.skew_ms = ms;
  }

  async #connect(): Promise<void> {
    const machine = this.#machine('client.admin');
    this.#client = new Rados({
      name: { type: entityType.CLIENT, id: 'admin' },
      keyring: this.#keyring('client.admin'),
      config: this.#config('client', 'admin', machine.node.host),
      network: this.network.of(machine.node),
      clock: machine.node.clock(),
      entropy: machine.entropy(),
      log: this.#logger('client.admin'),
    });
    await this.#drive(this.#client.connect());
  }

  get client(): Rados {
    invariant(this.#client !== undefined, 'the cluster has not started');
    return this.#client;
  }

  /** Lets virtual time pass until a promise settles; fails after ten virtual minutes. */
  async #drive<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    if (!(await this.world.run(this.world.now_ms + 600_000, () => settled)))
      throw new Error('something in the simulation waits for ever');
    return promise;
  }

  /** As a test awaits what it asked of the cluster. */
  drive<T>(promise: Promise<T>): Promise<T> {
    return this.#drive(promise);
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.world.run(this.world.now_ms + ms);
  }

  async command(command: Record<string, unknown>): Promise<{ result: number; text: string; out: string }> {
    const { result, text, data } = await this.#drive(this.client.monClient.command([JSON.stringify(command)]));
    return { result, text, out: new TextDecoder().decode(data) };
  }

  async status(): Promise<ClusterStatus> {
    const { result, text, out } = await this.command({ prefix: 'status', format: 'json' });
    invariant(result === 0, 'status failed', { result, text });
    return JSON.parse(out) as ClusterStatus;
  }

  async waitFor(what: string, timeout_ms: number, condition: () => Promise<boolean>): Promise<void> {
    const until_ms = this.world.now_ms + timeout_ms;
    while (!(await condition())) {
      if (this.world.now_ms > until_ms)
        throw new Error(
          `waited ${timeout_ms} virtual ms for ${what}; the status is ${JSON.stringify(await this.status())}`,
        );
      await this.pass(200);
    }
  }

  /** Every monitor that was made is in the quorum, and has what the others have. */
  async waitQuorum(timeout_ms = 120_000): Promise<void> {
    await this.waitFor('all monitors in the quorum', timeout_ms, async () => {
      const { quorum_names } = await this.status();
      return quorum_names.length === this.mons.length;
    });
  }

  waitClean(timeout_ms = 300_000): Promise<void> {
    return this.waitFor('every PG active+clean', timeout_ms, async () => {
      const { pgmap } = await this.status();
      const clean = pgmap.pgs_by_state
        .filter((s) => s.state_name === 'active+clean')
        .reduce((sum, s) => sum + s.count, 0);
      return pgmap.num_pgs > 0 && clean === pgmap.num_pgs;
    });
  }
}

/** What the simulation looks at of `ceph -s -f json`. */
export interface ClusterStatus {
  readonly osdmap: { readonly num_up_osds: number; readonly num_in_osds: number };
  readonly quorum_names: readonly string[];
  readonly mgrmap: { readonly available: boolean };
  readonly pgmap: {
    readonly num_pgs: number;
    readonly pgs_by_state: readonly { readonly state_name: string; readonly count: number }[];
  };
}
