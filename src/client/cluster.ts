import { decodeText } from '../encoding/index.ts';
import type { CommandResult } from './api.ts';
import { RadosError } from './rados-error.ts';

/** A command by its fields (`{ prefix: 'osd pool get', pool: 'x', var: 'size' }`), or its JSON text. */
export type CommandInput = string | Readonly<Record<string, unknown>>;

export function commandText(cmd: CommandInput): string {
  return typeof cmd === 'string' ? cmd : JSON.stringify(cmd);
}

/** Who takes commands: {@link Rados}. */
export interface CommandTarget {
  monCommand(cmd: CommandInput, input?: Uint8Array): Promise<CommandResult>;
  mgrCommand(cmd: CommandInput, input?: Uint8Array): Promise<CommandResult>;
}

/** `ceph health`. */
export interface Health {
  readonly status: 'HEALTH_OK' | 'HEALTH_WARN' | 'HEALTH_ERR';
  readonly checks: Readonly<
    Record<
      string,
      { readonly severity: string; readonly summary: { readonly message: string; readonly count: number } }
    >
  >;
}

/** `ceph status`: what is common to all of Ceph's versions; the rest is there too. */
export interface ClusterStatus {
  readonly fsid: string;
  readonly health: Health;
  readonly quorum_names: readonly string[];
  readonly osdmap: { readonly num_osds: number; readonly num_up_osds: number; readonly num_in_osds: number };
  readonly pgmap: {
    readonly num_pgs: number;
    readonly num_pools: number;
    readonly num_objects: number;
    readonly data_bytes: number;
    readonly bytes_used: number;
    readonly bytes_avail: number;
    readonly bytes_total: number;
    readonly pgs_by_state: readonly { readonly state_name: string; readonly count: number }[];
  };
  readonly [more: string]: unknown;
}

/** `ceph df`; bytes. */
export interface ClusterDf {
  readonly stats: {
    readonly total_bytes: number;
    readonly total_avail_bytes: number;
    readonly total_used_bytes: number;
  };
  readonly pools: readonly {
    readonly name: string;
    readonly id: number;
    readonly stats: {
      readonly stored: number;
      readonly objects: number;
      readonly bytes_used: number;
      readonly max_avail: number;
    };
  }[];
}

/** A node of `ceph osd tree`. */
export interface OsdTreeNode {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly children?: readonly number[];
  readonly status?: 'up' | 'down';
  readonly reweight?: number;
  readonly crush_weight?: number;
}

/** A user's key and caps. */
export interface AuthUser {
  readonly entity: string;
  readonly key: string;
  readonly caps: Readonly<Record<string, string>>;
}

/**
 * The common commands with types: `rados.cluster`. They throw {@link RadosError}; its message has what the `ceph` program prints. Names of fields
 * are those of Ceph's JSON.
 */
export class Cluster {
  readonly #target: CommandTarget;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** A monitor command whose failure is thrown; its output as text. `operation`: its name in the error. */
  async run(operation: string, cmd: CommandInput, input?: Uint8Array): Promise<string> {
    return this.#checked(operation, await this.#target.monCommand(cmd, input));
  }

  /** A monitor command whose output is JSON. */
  async json<T = unknown>(cmd: Readonly<Record<string, unknown>>, input?: Uint8Array): Promise<T> {
    return JSON.parse(await this.run(String(cmd.prefix), { format: 'json', ...cmd }, input)) as T;
  }

  /** A manager command whose output is JSON. */
  async mgrJson<T = unknown>(cmd: Readonly<Record<string, unknown>>, input?: Uint8Array): Promise<T> {
    const result = await this.#target.mgrCommand({ format: 'json', ...cmd }, input);
    return JSON.parse(this.#checked(String(cmd.prefix), result)) as T;
  }

  #checked(operation: string, { result, text, data }: CommandResult): string {
    if (result < 0) throw new RadosError(result, { operation, detail: text });
    return decodeText(data);
  }

  status(): Promise<ClusterStatus> {
    return this.json({ prefix: 'status' });
  }

  health(): Promise<Health> {
    return this.json({ prefix: 'health' });
  }

  df(): Promise<ClusterDf> {
    return this.json({ prefix: 'df' });
  }

  /** Versions of the daemons that run: how many of each, by kind (`mon`, `osd`, ..., `overall`). */
  versions(): Promise<Record<string, Record<string, number>>> {
    return this.json({ prefix: 'versions' });
  }

  osdTree(): Promise<{ readonly nodes: readonly OsdTreeNode[]; readonly stray: readonly OsdTreeNode[] }> {
    return this.json({ prefix: 'osd tree' });
  }

  /** One variable of a pool: `size`, `pg_num`, `crush_rule` and so on. ENOENT. */
  async getPool(pool: string, name: string): Promise<unknown> {
    const all = await this.json<Record<string, unknown>>({ prefix: 'osd pool get', pool, var: name });
    return all[name];
  }

  async setPool(pool: string, name: string, value: string | number | boolean): Promise<void> {
    await this.run('osd pool set', { prefix: 'osd pool set', pool, var: name, val: String(value) });
  }

  /** Says what a pool is for. */
  async enableApplication(pool: string, application: string): Promise<void> {
    const prefix = 'osd pool application enable';
    await this.run(prefix, { prefix, pool, app: application, yes_i_really_mean_it: true });
  }

  /** Sets an option for daemons and clients: `who` is `global`, `osd`, `osd.3`, `client.x`. */
  async setConfig(who: string, name: string, value: string | number | boolean): Promise<void> {
    await this.run('config set', { prefix: 'config set', who, name, value: String(value) });
  }

  async removeConfig(who: string, name: string): Promise<void> {
    await this.run('config rm', { prefix: 'config rm', who, name });
  }

  /** A user with these caps (by kind of daemon: `{ mon: 'allow r', osd: 'allow rw pool=x' }`), made where it is not there. EINVAL where it has others. */
  async getOrCreateUser(entity: string, caps: Readonly<Record<string, string>>): Promise<AuthUser> {
    const words = Object.entries(caps).flat();
    const found = await this.json<AuthUser[]>({ prefix: 'auth get-or-create', entity, caps: words });
    const user = found[0];
    if (user === undefined) throw new RadosError(-2, { operation: 'auth get-or-create', detail: entity });
    return user.caps === undefined ? { ...user, caps } : user;
  }

  async removeUser(entity: string): Promise<void> {
    await this.run('auth del', { prefix: 'auth del', entity });
  }

  /** Nobody of that address gets at the cluster for so long (seconds; an hour). */
  async blocklist(address: string, expire_s?: number): Promise<void> {
    const prefix = 'osd blocklist';
    const expire = expire_s === undefined ? {} : { expire: expire_s };
    await this.run(prefix, { prefix, blocklistop: 'add', addr: address, ...expire });
  }

  async unblocklist(address: string): Promise<void> {
    const prefix = 'osd blocklist';
    await this.run(prefix, { prefix, blocklistop: 'rm', addr: address });
  }

  /** Writes to the cluster log. */
  async log(text: string): Promise<void> {
    await this.run('log', { prefix: 'log', logtext: [text] });
  }
}
