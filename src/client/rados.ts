import type { KeyRing } from '../auth/index.ts';
import { type Clock, type Entropy, errno, type Logger, type Network } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { decodeFromBytes, u64num } from '../encoding/index.ts';
import { poolOp } from '../messages/index.ts';
import { clientPolicies, Messenger } from '../msgr/index.ts';
import { type AuthName, formatAuthName, type MonMap, type OSDMap } from '../types/index.ts';
import type { CommandResult, MonTarget } from './api.ts';
import { Cluster, type CommandInput, commandText } from './cluster.ts';
import { IoCtx } from './io-ctx.ts';
import type { IoCtxOptions } from './io-ctx-options.ts';
import { type LogLine, LogWatch, type LogWatchOptions } from './log-watch.ts';
import { MgrClient } from './mgr-client.ts';
import { MonClient } from './mon-client.ts';
import { type ClusterStat, MonRequests, type PoolStats } from './mon-requests.ts';
import { Objecter } from './objecter.ts';
import type { PoolHost } from './pool-host.ts';
import { asRadosError, RadosError } from './rados-error.ts';

export interface RadosOptions {
  readonly name: AuthName;
  readonly keyring: KeyRing;
  readonly config: Config;
  readonly network: Network;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** Else option mon_host. */
  readonly monMap?: MonMap;
  readonly hostname?: string;
}

/** How a pool is to be. What is not given is as the cluster's options say. */
export interface CreatePoolOptions {
  readonly pgNum?: number | undefined;
  /** 'replicated'. */
  readonly type?: 'replicated' | 'erasure' | undefined;
  /** Copies of each object (replicated). */
  readonly size?: number | undefined;
  /** Name of the profile (erasure). */
  readonly erasureCodeProfile?: string | undefined;
  /** Name of the CRUSH rule. */
  readonly rule?: string | undefined;
  /** What the pool is for: `rbd`, `cephfs`, `rgw`, or a name of one's own. Ceph warns of pools without. */
  readonly application?: string | undefined;
}

/**
 * A connection to a cluster, as librados' handle: pools, commands, statistics. Made by `Rados.connect` of `sepiola/rados`; to be ended by
 * {@link Rados.shutdown} (or `await using`). Lost connections, monitors and OSDs that go and come are not seen: what is under way is sent again, and done
 * once.
 */
export class Rados implements PoolHost {
  readonly #o: RadosOptions;
  readonly messenger: Messenger;
  readonly monClient: MonClient;
  readonly objecter: Objecter;
  readonly mgrClient: MgrClient;
  /** The common commands, with types. */
  readonly cluster: Cluster;
  readonly #requests: MonRequests;
  readonly #log: LogWatch;
  #isConnected = false;

  constructor(options: RadosOptions) {
    this.#o = options;
    const { name, keyring, config, network, clock, entropy, log, monMap, hostname } = options;
    this.messenger = new Messenger({
      network,
      clock,
      entropy,
      logger: log,
      name: { type: name.type, num: -1 },
      policies: clientPolicies(),
    });
    this.monClient = new MonClient({
      messenger: this.messenger,
      name,
      keyring,
      clock,
      entropy,
      log,
      config,
      ...(monMap === undefined ? {} : { monMap }),
      ...(hostname === undefined ? {} : { hostname }),
    });
    const common = { messenger: this.messenger, monClient: this.monClient, clock, log };
    const host = hostname?.split('.')[0] ?? '';
    const crushLocation = host === '' ? 'root=default' : `host=${host} root=default`;
    this.objecter = new Objecter({ ...common, entropy, config, crushLocation });
    this.mgrClient = new MgrClient(common);
    this.#requests = new MonRequests(this.monClient, clock);
    this.#log = new LogWatch(this.monClient);
    this.messenger.addDispatcher(this.#requests);
    this.messenger.addDispatcher(this.#log);
    this.cluster = new Cluster(this);
  }

  get clock(): Clock {
    return this.#o.clock;
  }

  get entropy(): Entropy {
    return this.#o.entropy;
  }

  /** Options of this client: ceph.conf, environment, what was given, and what the monitors say. */
  get config(): Config {
    return this.#o.config;
  }

  /** Authenticates and gets the first OSDMap. EACCES, ENOENT (no key), ETIMEDOUT (by default client_mount_timeout; 0: never). */
  async connect(timeout_ms = this.#o.config.num('client_mount_timeout') * 1000): Promise<void> {
    const { clock } = this.#o;
    const begin_ms = clock.monotonic();
    await asRadosError('connect', () => this.monClient.authenticate(timeout_ms));
    this.messenger.name = { type: this.#o.name.type, num: Number(this.monClient.globalId) };
    this.objecter.start();
    const error = await new Promise<number>((resolve) => {
      const left_ms = Math.max(1, begin_ms + timeout_ms - clock.monotonic());
      const timer = timeout_ms > 0 ? clock.setTimer(left_ms, () => resolve(errno.ETIMEDOUT)) : undefined;
      this.objecter.waitForMap(1, (code) => {
        if (timer !== undefined) clock.clearTimer(timer);
        resolve(code);
      });
    });
    if (error !== 0) throw new RadosError(-error, { operation: 'connect', detail: 'no OSDMap came' });
    this.#isConnected = true;
  }

  /** Whether {@link Rados.connect} is done and `shutdown` was not called. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The cluster's id, a UUID. */
  get fsid(): string {
    return this.monClient.monMap.fsid;
  }

  /** This client's number in the cluster: `client.4123`. */
  get instanceId(): bigint {
    return this.monClient.globalId;
  }

  /** This client's addresses, by which it can be blocklisted. */
  get addresses(): string {
    return this.messenger.addrs.toString();
  }

  /** The newest map known. */
  get osdMap(): OSDMap {
    return this.objecter.map;
  }

  /** Resolves when the map is as new as the monitors' is now. */
  waitForLatestMap(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.objecter.waitForLatestMap((error) =>
        error === 0 ? resolve() : reject(new RadosError(-error, { operation: 'waitForLatestMap' })),
      ),
    );
  }

  // --- pools

  /** By id and name. */
  listPools(): { id: number; name: string }[] {
    return [...this.osdMap.poolNames].map(([id, name]) => ({ id, name })).sort((a, b) => a.id - b.id);
  }

  /** ENOENT where there is none, by the newest map. */
  async poolId(name: string): Promise<number> {
    const known = this.osdMap.poolId(name);
    if (known !== undefined) return known;
    await this.waitForLatestMap();
    const id = this.osdMap.poolId(name);
    if (id === undefined) throw new RadosError(-errno.ENOENT, { operation: 'poolId', pool: name });
    return id;
  }

  /**
   * EEXIST where there is one of that name; ERANGE where it would be too many PGs; EPERM. Resolves to its id when this client's map has it; its PGs may
   * still be in the making, and operations then wait.
   */
  async createPool(name: string, options: CreatePoolOptions = {}): Promise<number> {
    const { application, ...how } = options;
    // The monitors find nothing wrong with a pool that is there.
    if (this.osdMap.poolId(name) !== undefined) {
      throw new RadosError(-errno.EEXIST, { operation: 'createPool', pool: name });
    }
    const isPlain = Object.values(how).every((value) => value === undefined);
    if (isPlain) await this.#poolOp('createPool', name, { op: poolOp.CREATE, name });
    else await this.#createPoolAs(name, how);
    const id = await this.poolId(name);
    if (application !== undefined) await this.cluster.enableApplication(name, application);
    return id;
  }

  async #createPoolAs(name: string, how: CreatePoolOptions): Promise<void> {
    const { pgNum, type, size, erasureCodeProfile, rule } = how;
    await this.cluster.run('createPool', {
      prefix: 'osd pool create',
      pool: name,
      ...(pgNum === undefined ? {} : { pg_num: pgNum }),
      ...(type === undefined ? {} : { pool_type: type }),
      ...(erasureCodeProfile === undefined ? {} : { erasure_code_profile: erasureCodeProfile }),
      ...(rule === undefined ? {} : { rule }),
      ...(size === undefined ? {} : { size }),
    });
    await this.waitForLatestMap();
  }

  /** With all objects. ENOENT; EPERM where option mon_allow_pool_delete of the monitors forbids it; EBUSY. */
  async deletePool(name: string): Promise<void> {
    const pool = await this.poolId(name);
    await this.#poolOp('deletePool', name, { op: poolOp.DELETE, pool, name: 'delete' });
  }

  // --- snapshots, by id of the pool; IoCtx has them for its own

  async createPoolSnap(pool: number, name: string): Promise<void> {
    await this.#poolOp('createSnapshot', this.osdMap.poolName(pool), { op: poolOp.CREATE_SNAP, pool, name }, name);
  }

  async removePoolSnap(pool: number, name: string): Promise<void> {
    await this.#poolOp('removeSnapshot', this.osdMap.poolName(pool), { op: poolOp.DELETE_SNAP, pool, name }, name);
  }

  async createSelfManagedSnap(pool: number): Promise<number> {
    const poolName = this.osdMap.poolName(pool);
    const operation = 'createSelfManagedSnapshot';
    const response = await this.#poolOp(operation, poolName, { op: poolOp.CREATE_UNMANAGED_SNAP, pool });
    if (response === undefined) throw new RadosError(-errno.EIO, { operation, pool: poolName });
    return decodeFromBytes(u64num, response);
  }

  async removeSelfManagedSnap(pool: number, snap: number): Promise<void> {
    const fields = { op: poolOp.DELETE_UNMANAGED_SNAP, pool, snapid: snap };
    await this.#poolOp('removeSelfManagedSnapshot', this.osdMap.poolName(pool), fields, `${snap}`);
  }

  #poolOp(
    operation: string,
    pool: string | undefined,
    fields: Parameters<MonRequests['poolOp']>[0],
    detail?: string,
  ): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) =>
      this.#requests.poolOp(fields, (result, epoch, response) => {
        const fail = (code: number): void => reject(new RadosError(code, { operation, pool, detail }));
        if (result < 0) fail(result);
        else this.objecter.waitForMap(epoch, (error) => (error === 0 ? resolve(response) : fail(-error)));
      }),
    );
  }

  /** Object I/O in a pool, by name or id. ENOENT. */
  async openPool(pool: string | number, options: IoCtxOptions = {}): Promise<IoCtx> {
    const id = typeof pool === 'number' ? pool : await this.poolId(pool);
    if (this.osdMap.poolName(id) === undefined) await this.waitForLatestMap();
    const name = this.osdMap.poolName(id);
    if (name === undefined) throw new RadosError(-errno.ENOENT, { operation: 'openPool', pool: `${id}` });
    return new IoCtx(this, id, name, options);
  }

  // --- statistics

  /** Space and objects of the cluster, or of one pool. */
  statfs(pool?: number): Promise<ClusterStat> {
    return new Promise((resolve, reject) =>
      this.#requests.statfs(pool, (result, stat) =>
        stat === undefined ? reject(new RadosError(result, { operation: 'statfs' })) : resolve(stat),
      ),
    );
  }

  /** Of pools, by name, as the monitors have them from the managers; pools that are not there are left out. */
  poolStats(pools: readonly string[]): Promise<PoolStats> {
    return new Promise((resolve, reject) =>
      this.#requests.poolStats(pools, (result, stats) =>
        result < 0
          ? reject(new RadosError(result, { operation: 'poolStats', detail: pools.join(', ') }))
          : resolve(stats),
      ),
    );
  }

  // --- commands: { prefix: 'status' }, or its JSON text. Their results are not thrown; Cluster.run does that

  /** To the monitors. ETIMEDOUT (as result) after rados_mon_op_timeout. */
  monCommand(cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.monClient.command([commandText(cmd)], input, this.#o.config.num('rados_mon_op_timeout') * 1000);
  }

  /** To one monitor's process. */
  monTell(target: MonTarget, cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.monClient.tell(target, [commandText(cmd)], input);
  }

  /** To the active manager. */
  mgrCommand(cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.mgrClient.command([commandText(cmd)], input, this.#o.config.num('rados_mon_op_timeout') * 1000);
  }

  /** To the active manager's process. */
  mgrTell(cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.mgrClient.tell([commandText(cmd)], input);
  }

  /** To an OSD. ENXIO where it is down, ENOENT where there is none such. */
  osdCommand(osd: number, cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.objecter.command({ osd }, [commandText(cmd)], input);
  }

  /** To the OSD that leads the PG `pool.seed`. */
  pgCommand(pool: number, seed: number, cmd: CommandInput, input?: Uint8Array): Promise<CommandResult> {
    return this.objecter.command({ pool, seed }, [commandText(cmd)], input);
  }

  // --- the cluster log

  /** Lines of the cluster log as they come, after the newest that are there. Ends with its signal, or when the client is shut down. */
  watchLog(options: LogWatchOptions = {}): AsyncGenerator<LogLine> {
    return this.#log.follow(options);
  }

  /** Resolves when an operation can be sent without waiting for others of this client. See {@link IoCtx.whenRoom}. */
  whenRoom(): Promise<void> {
    return new Promise((resolve) => this.objecter.whenRoom(resolve));
  }

  /** Ends everything under way with ESHUTDOWN, and the connections. */
  shutdown(): void {
    this.#isConnected = false;
    this.#log.shutdown();
    this.objecter.shutdown();
    this.#requests.shutdown();
    this.mgrClient.shutdown();
    this.monClient.shutdown();
    this.messenger.shutdown();
  }

  [Symbol.dispose](): void {
    this.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shutdown();
  }

  toString(): string {
    return `${formatAuthName(this.#o.name)} (${this.fsid})`;
  }
}
