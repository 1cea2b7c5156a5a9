/**
 * A whole cluster in this process, for somebody's test suite: `sepiola/cluster`. The daemons are those that processes run, on real sockets of the loopback
 * interface, so Ceph's own programs work with it too. Nothing of the process itself is touched: no signal handlers, no exit, no environment.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '../auth/index.ts';
import { type Disk, ErrnoError, silentLogger } from '../base/index.ts';
import { Rados, RadosError } from '../rados/index.ts';
import {
  installCrc32cOnDemand,
  installNativeCompressors,
  keepCompiled,
  Scope,
  systemClock,
  systemEntropy,
} from '../runtime/index.ts';
import { MemoryStore, type ObjectStore } from '../store/index.ts';
import { entityType } from '../types/index.ts';
import { claimDirectory } from './claim.ts';
import {
  type DaemonContext,
  type DaemonKind,
  loadConfig,
  openLog,
  type RunningDaemon,
  serveAdmin,
  system,
} from './daemon.ts';
import {
  ClusterDir,
  type ClusterPlan,
  checkSetting,
  daemonNames,
  makeLayout,
  monAddresses,
  newPlan,
  portIsFree,
  sealLayout,
} from './layout.ts';
import { makeDaemons } from './make.ts';
import { memoryDisk } from './memory-disk.ts';
import { mgrKind } from './mgr.ts';
import { monKind } from './mon.ts';
import { osdKind } from './osd.ts';
import { osdStore } from './osd-make.ts';

export type { Rados } from '../rados/index.ts';

/** What {@link Cluster.start} takes. */
export interface ClusterOptions {
  /** OSDs; default 3. */
  readonly osds?: number;
  /** Monitors; default 1, and more are not there yet. */
  readonly mons?: number;
  /** Host buckets that the OSDs are spread over; default 1. With more, replicas are kept on different hosts. */
  readonly hosts?: number;
  /** Where the daemons keep their state: `memory` (default) is gone at the end, `disk` is what production runs, in {@link dir}. */
  readonly store?: 'memory' | 'disk';
  /** Bytes of each OSD; default 1 GiB. It is a limit: nothing is taken before it is used. */
  readonly osdSize?: number;
  /**
   * Options for ceph.conf: `{ osd_pool_default_size: 2, 'osd.0:debug_osd': 20 }`. A name alone is for all (`[global]`); before a colon stands the section.
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Directory for ceph.conf, keyrings, logs and, with `store: 'disk'`, the data; made where it is missing. It stays at the end, and a cluster on disk that is
   * in it is resumed. Default: a temporary one that goes at the end.
   */
  readonly dir?: string;
  /** The first monitor's port; the others' ports follow from `port + 20` on. Default: free ones. */
  readonly port?: number;
  /** How long the start may take, in ms; default 30 000. */
  readonly timeout?: number;
}

/** What {@link Cluster.createPool} takes. */
export interface PoolOptions {
  /** PGs; default 4, which is enough for a test. */
  readonly pgNum?: number;
  /** Copies; default 3, or as many as there are OSDs. */
  readonly size?: number;
  /** Application to enable on the pool (`rbd`, `rgw`, ...); default `rados`. Ceph warns of pools that have none. */
  readonly application?: string;
}

interface Daemon {
  readonly scope: Scope;
  readonly context: DaemonContext;
  readonly running: RunningDaemon;
  readonly asok: { close(): void } | undefined;
}

const KINDS: Readonly<Record<string, DaemonKind>> = { mon: monKind, mgr: mgrKind, osd: osdKind };
/** Bytes that a unix socket's path may have (macOS: 104 with the final zero, Linux: 108). */
const SOCKET_PATH_MAX = 103;
/** Ports for clusters that name none: below those that systems hand out for dialling. */
const PORT_MIN = 20_000;
const PORT_MAX = 31_000;
const POLL_MS = 5;
const LOOK_MS = 50;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A running cluster in this process. Made by {@link Cluster.start}, ended by {@link Cluster.close} or at the end of an `await using` block. */
export class Cluster implements AsyncDisposable {
  readonly #dir: ClusterDir;
  readonly #plan: ClusterPlan;
  readonly #isTemporary: boolean;
  /** Undefined: everything on the system's disk. */
  readonly #memory: { readonly disk: Disk; readonly stores: Map<string, ObjectStore> } | undefined;
  readonly #daemons = new Map<string, Daemon>();
  readonly #clients: { rados: Rados; scope: Scope }[] = [];
  /** Of daemons that are on their way. */
  readonly #starting = new Set<Scope>();
  readonly #failures = new Map<string, Error>();
  readonly #release: () => void;
  /** For the cluster's own commands. */
  #admin: Rados | undefined;
  /** The same, while nobody has asked for a client. */
  #spare: Rados | undefined;
  #closing: Promise<void> | undefined;
  /** It came up. */
  #isWhole = false;

  private constructor(dir: ClusterDir, plan: ClusterPlan, isTemporary: boolean, release: () => void) {
    this.#dir = dir;
    this.#plan = plan;
    this.#isTemporary = isTemporary;
    this.#memory = plan.store === 'memory' ? { disk: memoryDisk(), stores: new Map() } : undefined;
    this.#release = release;
  }

  /**
   * Starts a cluster and resolves when every OSD is up and in and a manager is active. Rejects with an {@link ErrnoError}: EINVAL and ENOENT for options,
   * EBUSY for a directory in use, EADDRINUSE for a port, ETIMEDOUT; what was started is then ended again.
   */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    installCrc32cOnDemand();
    installNativeCompressors();
    const isTemporary = options.dir === undefined;
    for (let tries = 1; ; tries++) {
      const dir = new ClusterDir(options.dir ?? mkdtempSync(join(tmpdir(), 'sepiola-')));
      try {
        return await Cluster.#startIn(dir, isTemporary, options);
      } catch (error) {
        if (isTemporary) rmSync(dir.path, { recursive: true, force: true });
        // Between the look for a free port and its use somebody else may have taken it.
        const taken = (error as { code?: string }).code === 'EADDRINUSE' && options.port === undefined;
        if (!taken || !isTemporary || tries === 5) throw error;
      }
    }
  }

  static async #startIn(dir: ClusterDir, isTemporary: boolean, options: ClusterOptions): Promise<Cluster> {
    const busy = dir.running();
    if (busy.length > 0) {
      throw new ErrnoError(
        'EBUSY',
        `${dir.path} is in use by ${busy.map((d) => `${d.name} (pid ${d.pid})`).join(', ')}`,
      );
    }
    const isNew = mkdirSync(dir.path, { recursive: true }) !== undefined;
    const release = claimDirectory(dir.path);
    let cluster: Cluster | undefined;
    try {
      const existing = dir.plan();
      if (existing !== undefined && options.store !== 'disk') {
        throw new ErrnoError(
          'EEXIST',
          `${dir.path} holds a cluster on disk; resume it with store: 'disk', or choose another dir`,
        );
      }
      const plan = existing ?? (await planOf(options));
      for (const { port } of monAddresses(plan)) {
        if (!(await portIsFree(port))) {
          throw new ErrnoError('EADDRINUSE', `port ${port} of 127.0.0.1 is taken; choose another port`);
        }
      }
      const made = new Cluster(dir, plan, isTemporary, release);
      cluster = made;
      if (existing === undefined) {
        makeLayout(dir, plan, !isTemporary);
        await makeDaemons(dir, plan, (name) => made.#given(name), !isTemporary);
        if (plan.store === 'disk') sealLayout(dir, plan);
      }
      await made.#startAll(options.timeout ?? 30_000);
      made.#isWhole = true;
      return made;
    } catch (error) {
      if (cluster !== undefined) await cluster.close().catch(() => {});
      release();
      if (isNew && existsSync(dir.path) && readdirSync(dir.path).length === 0) rmdirSync(dir.path);
      throw error;
    }
  }

  /** Directory of conf, keyrings and logs. */
  get dir(): string {
    return this.#dir.path;
  }

  /** Path of ceph.conf: all that Ceph's programs and libraries need, by `--conf` or CEPH_CONF. */
  get conf(): string {
    return this.#dir.conf;
  }

  /** Path of the administrator's keyring, which ceph.conf names too. */
  get keyring(): string {
    return this.#dir.adminKeyring;
  }

  /** Environment for Ceph's programs: `spawn('rados', ['lspools'], { env: { ...process.env, ...cluster.env } })`. */
  get env(): { readonly CEPH_CONF: string } {
    return { CEPH_CONF: this.conf };
  }

  get fsid(): string {
    return this.#plan.fsid;
  }

  /** Addresses of the monitors, as option mon_host has them. */
  get monHost(): string {
    return monAddresses(this.#plan)
      .map(({ port }) => `[v2:127.0.0.1:${port}/0]`)
      .join(',');
  }

  /** Names of the daemons that run: `mon.a`, `mgr.x`, `osd.0`, ... */
  get daemons(): string[] {
    return [...this.#daemons.keys()];
  }

  /** The last lines of a daemon's log, for the message of a test that failed. */
  log(name: string, lines = 20): string {
    const path = this.#dir.log(name);
    if (!existsSync(path)) return '';
    this.#daemons.get(name)?.context.logger.flush();
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Runs a monitor command as the administrator, `{ prefix: 'osd tree', format: 'json' }`, and gives its output. ErrnoError where it fails. */
  async command(command: Readonly<Record<string, unknown>>): Promise<string> {
    const { result, text, data } = await (await this.#administrator()).monCommand(JSON.stringify(command));
    if (result < 0) throw new RadosError(result, { operation: 'command', detail: text });
    return new TextDecoder().decode(data);
  }

  /** Makes a pool. Its PGs may still be peering: the first operations wait for them. */
  async createPool(name: string, options: PoolOptions = {}): Promise<void> {
    const { pgNum = 4, size, application = 'rados' } = options;
    await this.command({
      prefix: 'osd pool create',
      pool: name,
      pg_num: pgNum,
      ...(size === undefined ? {} : { size }),
    });
    await this.command({ prefix: 'osd pool application enable', pool: name, app: application });
  }

  /** A client of its own, connected as client.admin; ended with the cluster, or by its `shutdown()`. */
  async rados(): Promise<Rados> {
    if (this.#closing !== undefined) throw new ErrnoError('ENOTCONN', 'the cluster does not run');
    // The one that waited for the start serves the first who asks: to connect costs more than all that most tests do. Should he end it, commands make another.
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    return this.#connect();
  }

  async #connect(): Promise<Rados> {
    const { config } = loadConfig('client', ['--conf', this.conf], {}, {});
    const scope = new Scope();
    const rados = new Rados({
      name: { type: entityType.CLIENT, id: 'admin' },
      keyring: KeyRing.parse(readFileSync(this.keyring), this.keyring),
      config,
      network: scope.network,
      clock: scope.clock,
      entropy: systemEntropy,
      log: silentLogger,
    });
    this.#clients.push({ rados, scope });
    await rados.connect();
    return rados;
  }

  /** Ends one daemon in an orderly way: an OSD tells the monitors that it goes. */
  async stop(name: string): Promise<void> {
    const daemon = this.#take(name);
    await daemon.running.stop();
    await this.#end(daemon);
  }

  /** Ends one daemon as SIGKILL would: nobody is told, its peers find out. What it acknowledged is there when it starts again. */
  async kill(name: string): Promise<void> {
    const daemon = this.#take(name);
    await daemon.scope.end();
    await daemon.running.abandon();
    await this.#end(daemon);
  }

  /** Starts a daemon that was stopped or killed. Resolves when it is on its way; see {@link waitUntilUp}. */
  async restart(name: string): Promise<void> {
    if (this.#daemons.has(name)) throw new ErrnoError('EEXIST', `${name} runs`);
    if (!daemonNames(this.#plan).includes(name)) throw new ErrnoError('ENOENT', `this cluster has no ${name}`);
    await this.#start(name);
  }

  /** Resolves when every OSD is up and in and a manager is active. ETIMEDOUT after `timeout_ms`. */
  async waitUntilUp(timeout_ms = 30_000): Promise<void> {
    const deadline = systemClock.monotonic() + timeout_ms;
    for (;;) {
      for (const [name, error] of this.#failures) throw new ErrnoError('EIO', `${name}: ${error.message}`);
      // What the map of OSDs says comes by itself; the monitor is asked for the rest then, and for the reason in the end.
      if (!this.#areOsdsUp(await this.#administrator()) && systemClock.monotonic() <= deadline) {
        await this.#nextMap(await this.#administrator());
        continue;
      }
      const status = JSON.parse(await this.command({ prefix: 'status', format: 'json' })) as {
        osdmap: { num_up_osds: number; num_in_osds: number };
        mgrmap: { available: boolean };
      };
      const { num_up_osds: up, num_in_osds: inside } = status.osdmap;
      if (up === this.#plan.osds && inside === up && status.mgrmap.available) return;
      if (systemClock.monotonic() > deadline) {
        throw new ErrnoError(
          'ETIMEDOUT',
          `${up} of ${this.#plan.osds} OSDs are up, ${inside} in; the manager is ${status.mgrmap.available ? '' : 'not '}active; the logs are in ${this.#dir.file('log')}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  #areOsdsUp({ osdMap: map }: Rados): boolean {
    for (let osd = 0; osd < this.#plan.osds; osd++) if (!map.isUp(osd) || !map.isIn(osd)) return false;
    return true;
  }

  /** Waits for another map of OSDs, or long enough to look what else has become of the cluster. */
  #nextMap({ osdMap: map, objecter }: Rados): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      objecter.waitForMap(map.epoch + 1, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Ends the cluster and leaves nothing behind: no socket, no timer, no temporary file. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- daemons

  async #administrator(): Promise<Rados> {
    if (this.#admin === undefined) throw new ErrnoError('ENOTCONN', 'the cluster does not run');
    if (!this.#admin.isConnected) this.#admin = await this.#connect();
    return this.#admin;
  }

  /** What a daemon is given in place of the system's. */
  #given(name: string): Partial<DaemonContext> {
    if (this.#memory === undefined) return {};
    const { disk, stores } = this.#memory;
    if (!name.startsWith('osd.')) return { disk };
    let store = stores.get(name);
    if (store === undefined) {
      store = new MemoryStore(systemClock, { size: this.#plan.osdSize });
      stores.set(name, store);
    }
    return { disk, store };
  }

  async #startAll(timeout_ms: number): Promise<void> {
    const names = daemonNames(this.#plan);
    let timer: NodeJS.Timeout | undefined;
    await Promise.all(names.filter((name) => name.startsWith('mon.')).map((name) => this.#start(name)));
    const connected = this.#connect().then((rados) => {
      this.#admin = rados;
      this.#spare = rados;
    });
    const others = names.filter((name) => !name.startsWith('mon.')).map((name) => this.#start(name));
    const started = Promise.allSettled([connected, ...others]);
    const deadline = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeout_ms);
    });
    const outcomes = await Promise.race([started, deadline]).finally(() => clearTimeout(timer));
    if (outcomes === undefined) {
      // The logs may go with the directory, so what they say last is said here.
      const late = names.filter((name) => !this.#daemons.has(name)).map((name) => `${name}: ${this.log(name, 3)}`);
      throw new ErrnoError('ETIMEDOUT', `not started after ${timeout_ms} ms:\n${late.join('\n')}`);
    }
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    await this.waitUntilUp(timeout_ms);
  }

  async #start(name: string): Promise<void> {
    const kind = KINDS[name.slice(0, name.indexOf('.'))]!;
    const id = name.slice(name.indexOf('.') + 1);
    const { config, conf, flags } = loadConfig(kind.type, ['--conf', this.conf, '--id', id], kind.flags, {});
    const scope = new Scope();
    this.#starting.add(scope);
    const base: DaemonContext = {
      ...system,
      type: kind.type,
      id,
      config,
      conf,
      flags,
      logger: openLog(config, false),
      clock: scope.clock,
      network: scope.network,
      fatal: (message) => this.#failed(name, message),
      ...this.#given(name),
    };
    // The store of an OSD that is killed still finishes what it has in hand, so that its files may be opened anew.
    const context =
      kind.type === 'osd' && base.store === undefined
        ? { ...base, store: osdStore({ ...base, clock: systemClock }) }
        : base;
    try {
      const running = await kind.start(context);
      const path = config.expand(config.str('admin_socket'));
      const asok = Buffer.byteLength(path) > SOCKET_PATH_MAX ? undefined : await serveAdmin(config, running);
      this.#daemons.set(name, { scope, context, running, asok });
    } catch (error) {
      await scope.end();
      context.logger.close();
      throw error;
    } finally {
      this.#starting.delete(scope);
    }
  }

  /** A daemon that cannot go on: in a process of its own it would end that. Here the error goes to whoever catches what nobody caught. */
  #failed(name: string, message: string): never {
    const error = new Error(message);
    this.#failures.set(name, error);
    this.#daemons.get(name)?.context.logger.error(name, message);
    throw error;
  }

  #take(name: string): Daemon {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new ErrnoError('ENOENT', `${name} does not run`);
    this.#daemons.delete(name);
    return daemon;
  }

  async #end({ scope, asok, context }: Daemon): Promise<void> {
    asok?.close();
    await scope.end();
    context.logger.close();
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    const each = async (names: readonly string[]): Promise<void> => {
      const outcomes = await Promise.allSettled(names.map((name) => this.stop(name)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') failures.push(outcome.reason);
    };
    // In Ceph's order, so that an OSD's last words reach a monitor.
    const running = this.daemons;
    await each(running.filter((name) => name.startsWith('osd.')));
    await each(running.filter((name) => name.startsWith('mgr.')));
    this.#admin = undefined;
    this.#spare = undefined;
    for (const { rados } of this.#clients) rados.shutdown();
    await each(running.filter((name) => name.startsWith('mon.')));
    for (const scope of [...this.#starting, ...this.#clients.map((client) => client.scope)]) await scope.end();
    this.#release();
    if (this.#isTemporary) rmSync(this.#dir.path, { recursive: true, force: true });
    if (this.#isWhole) keepCompiled();
    if (failures.length > 0) throw failures[0];
  }
}

async function planOf(options: ClusterOptions): Promise<ClusterPlan> {
  const count = (name: string, value: number, max: number): number => {
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw new ErrnoError('EINVAL', `${name} ${value}: expected a number from 1 to ${max}`);
    }
    return value;
  };
  const { store = 'memory', mons = 1 } = options;
  if (store !== 'memory' && store !== 'disk') throw new ErrnoError('EINVAL', `store ${store}: expected disk or memory`);
  const settings = Object.entries(options.config ?? {}).map(([name, value]) => {
    const colon = name.lastIndexOf(':');
    const section = colon < 0 ? 'global' : name.slice(0, colon);
    return checkSetting(section, name.slice(colon + 1), String(value), `config ${name}`);
  });
  return newPlan({
    mons: count('mons', mons, 9),
    osds: count('osds', options.osds ?? 3, 256),
    hosts: count('hosts', options.hosts ?? 1, 256),
    port: options.port === undefined ? await freePort() : count('port', options.port, 64_000),
    store,
    osdSize: count('osdSize', options.osdSize ?? 2 ** 30, Number.MAX_SAFE_INTEGER),
    settings,
  });
}

async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = PORT_MIN + (systemEntropy.u32() % (PORT_MAX - PORT_MIN));
    if (await portIsFree(port)) return port;
  }
  throw new ErrnoError('EADDRINUSE', `found no free port between ${PORT_MIN} and ${PORT_MAX}`);
}
