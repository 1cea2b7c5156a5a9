import type { KeyRing } from '../auth/index.ts';
import { type Clock, type Entropy, ErrnoError, type Logger, type Network } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { decodeFromBytes, u64num } from '../encoding/index.ts';
import { poolOp } from '../messages/index.ts';
import { clientPolicies, Messenger } from '../msgr/index.ts';
import { type AuthName, formatAuthName, type MonMap, type OSDMap } from '../types/index.ts';
import type { CommandResult, MonTarget } from './api.ts';
import { IoCtx } from './io-ctx.ts';
import { MgrClient } from './mgr-client.ts';
import { MonClient } from './mon-client.ts';
import { type ClusterStat, MonRequests, type PoolStats } from './mon-requests.ts';
import { radosError } from './object-operation.ts';
import { Objecter } from './objecter.ts';

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

/** A connection to a cluster: as librados' handle. */
export class Rados {
  readonly #o: RadosOptions;
  readonly messenger: Messenger;
  readonly monClient: MonClient;
  readonly objecter: Objecter;
  readonly mgrClient: MgrClient;
  readonly #requests: MonRequests;
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
    this.objecter = new Objecter({ ...common, entropy, config });
    this.mgrClient = new MgrClient(common);
    this.#requests = new MonRequests(this.monClient, clock);
    this.messenger.addDispatcher(this.#requests);
  }

  /** Authenticates and gets the first OSDMap. EACCES, ENOENT (no key), ETIMEDOUT (client_mount_timeout). */
  async connect(): Promise<void> {
    await this.monClient.authenticate(this.#o.config.num('client_mount_timeout') * 1000);
    this.messenger.name = { type: this.#o.name.type, num: Number(this.monClient.globalId) };
    this.objecter.start();
    await new Promise<void>((resolve) => this.objecter.waitForMap(1, resolve));
    this.#isConnected = true;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get fsid(): string {
    return this.monClient.monMap.fsid;
  }

  /** This client's number in the cluster: `client.4123`. */
  get instanceId(): bigint {
    return this.monClient.globalId;
  }

  get osdMap(): OSDMap {
    return this.objecter.map;
  }

  /** Resolves when the map is as new as the monitors' is now. */
  waitForLatestMap(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.objecter.waitForLatestMap((error) => (error === 0 ? resolve() : reject(radosError(-error, 'OSDMap')))),
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
    if (id === undefined) throw new ErrnoError('ENOENT', `pool '${name}' does not exist`);
    return id;
  }

  /** EEXIST where there is one of that name. Resolves when this client's map has it. */
  async createPool(name: string): Promise<number> {
    await this.#poolOp(`create pool '${name}'`, { op: poolOp.CREATE, name });
    return this.poolId(name);
  }

  async deletePool(name: string): Promise<void> {
    const pool = await this.poolId(name);
    await this.#poolOp(`delete pool '${name}'`, { op: poolOp.DELETE, pool, name: 'delete' });
  }

  // --- snapshots: a pool has either its own or those that programs make

  /** A snapshot of the whole pool. EEXIST; EINVAL where programs make their own there. */
  async createPoolSnap(pool: number, name: string): Promise<void> {
    await this.#poolOp(`create snapshot '${name}'`, { op: poolOp.CREATE_SNAP, pool, name });
  }

  async removePoolSnap(pool: number, name: string): Promise<void> {
    await this.#poolOp(`remove snapshot '${name}'`, { op: poolOp.DELETE_SNAP, pool, name });
  }

  /** A fresh snapshot id; what it means is up to the program, by the snap contexts it writes with. */
  async createSelfManagedSnap(pool: number): Promise<number> {
    const response = await this.#poolOp('create snapshot', { op: poolOp.CREATE_UNMANAGED_SNAP, pool });
    if (response === undefined) throw new ErrnoError('EIO', 'the monitor gave no snapshot id');
    return decodeFromBytes(u64num, response);
  }

  async removeSelfManagedSnap(pool: number, snap: number): Promise<void> {
    await this.#poolOp(`remove snapshot ${snap}`, { op: poolOp.DELETE_UNMANAGED_SNAP, pool, snapid: snap });
  }

  #poolOp(what: string, fields: Parameters<MonRequests['poolOp']>[0]): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) =>
      this.#requests.poolOp(fields, (result, epoch, response) => {
        if (result < 0) reject(radosError(result, what));
        else this.objecter.waitForMap(epoch, () => resolve(response));
      }),
    );
  }

  /** Object I/O in a pool, by name or id. ENOENT. */
  async openPool(pool: string | number): Promise<IoCtx> {
    const id = typeof pool === 'number' ? pool : await this.poolId(pool);
    const name = this.osdMap.poolName(id);
    if (name === undefined) throw new ErrnoError('ENOENT', `pool ${id} does not exist`);
    return new IoCtx(this.objecter, id, name);
  }

  // --- statistics

  /** Of the cluster, or of one pool. */
  statfs(pool?: number): Promise<ClusterStat> {
    return new Promise((resolve, reject) =>
      this.#requests.statfs(pool, (result, stat) =>
        stat === undefined ? reject(radosError(result, 'statfs')) : resolve(stat),
      ),
    );
  }

  poolStats(pools: readonly string[]): Promise<PoolStats> {
    return new Promise((resolve, reject) =>
      this.#requests.poolStats(pools, (result, stats) =>
        result < 0 ? reject(radosError(result, 'pool stats')) : resolve(stats),
      ),
    );
  }

  // --- commands: JSON text, as {"prefix": "status"}

  monCommand(cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.monClient.command([cmd], input, this.#o.config.num('rados_mon_op_timeout') * 1000);
  }

  /** To one monitor's process. */
  monTell(target: MonTarget, cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.monClient.tell(target, [cmd], input);
  }

  mgrCommand(cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.mgrClient.command([cmd], input, this.#o.config.num('rados_mon_op_timeout') * 1000);
  }

  mgrTell(cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.mgrClient.tell([cmd], input);
  }

  osdCommand(osd: number, cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.objecter.command({ osd }, [cmd], input);
  }

  /** To the OSD that leads the PG. */
  pgCommand(pool: number, seed: number, cmd: string, input?: Uint8Array): Promise<CommandResult> {
    return this.objecter.command({ pool, seed }, [cmd], input);
  }

  /** Ends everything under way with ESHUTDOWN. */
  shutdown(): void {
    this.#isConnected = false;
    this.objecter.shutdown();
    this.#requests.shutdown();
    this.mgrClient.shutdown();
    this.monClient.shutdown();
    this.messenger.shutdown();
  }

  toString(): string {
    return `${formatAuthName(this.#o.name)} (${this.fsid})`;
  }
}
