import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { ErrnoError } from '../base/index.ts';
import { normalizeOptionName, optionSpecs, parseOptionValue } from '../config/index.ts';
import { osDisk, tcpNetwork } from '../runtime/index.ts';

/**
 * Version of the directory's layout. 1: ceph.conf, cluster.json, ceph.client.admin.keyring, mon.ID, osd.N, mgr.ID, log, run.
 */
export const LAYOUT_VERSION = 1;

/** There while a cluster is being made: everything of its daemons may then be removed. */
export const UNFINISHED = 'unfinished';
export const DAEMON_FOLDER = /^(mon|osd|mgr)\.\w+$/;

/** An option of ceph.conf. */
export type Setting = readonly [section: string, option: string, value: string];

/** What `up` was asked for when the cluster was made; kept in DIR/cluster.json. */
export interface ClusterPlan {
  readonly layout: number;
  readonly fsid: string;
  readonly mons: number;
  readonly osds: number;
  readonly hosts: number;
  readonly port: number;
  readonly store: 'disk' | 'memory';
  /** Bytes of each OSD's store. */
  readonly osdSize: number;
  /** `section`, `option`, `value` of --set. */
  readonly settings: readonly Setting[];
}

/** Paths in a cluster's directory. */
export class ClusterDir {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  get conf(): string {
    return this.file('ceph.conf');
  }

  get adminKeyring(): string {
    return this.file('ceph.client.admin.keyring');
  }

  log(name: string): string {
    return this.file('log', `${name}.log`);
  }

  /** The plan of the cluster that lives here; undefined where there is none. */
  plan(): ClusterPlan | undefined {
    const path = this.file('cluster.json');
    if (!existsSync(path)) return undefined;
    let plan: ClusterPlan;
    try {
      plan = JSON.parse(readFileSync(path, 'utf8')) as ClusterPlan;
    } catch (error) {
      throw new ErrnoError('EINVAL', `${path} is not readable as JSON: ${(error as Error).message}`);
    }
    if (!(plan.layout <= LAYOUT_VERSION)) {
      throw new ErrnoError(
        'EOPNOTSUPP',
        `${this.path} was written by a newer sepiola (layout ${plan.layout}, this one reads up to ${LAYOUT_VERSION}); use that version`,
      );
    }
    return plan;
  }

  /** Names and pids of this cluster's daemons that run now. */
  running(): { name: string; pid: number }[] {
    const run = this.file('run');
    if (!existsSync(run)) return [];
    const found: { name: string; pid: number }[] = [];
    for (const entry of readdirSync(run)) {
      if (!entry.endsWith('.pid')) continue;
      let pid: number;
      try {
        pid = Number(readFileSync(join(run, entry), 'utf8'));
      } catch (error) {
        // A daemon that ended since the listing took its file along.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw error;
      }
      if (pid > 0 && isSepiola(pid)) found.push({ name: entry.slice(0, -4), pid });
    }
    return found;
  }
}

/** Whether a process of that id runs and is one of ours: a pid file may outlive its process, and the number be used again. */
export function isSepiola(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    // By its own name, or as the script of a checkout runs it.
    return /sepiola|scripts\/run\.mjs/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return true; // No /proc here: trust the signal.
  }
}

/** An option for ceph.conf, its name as Ceph spells it. ENOENT, EINVAL, with `said` to tell where it stood. */
export function checkSetting(section: string, option: string, value: string, said: string): Setting {
  const name = normalizeOptionName(option);
  const spec = optionSpecs().get(name);
  if (spec === undefined) throw new ErrnoError('ENOENT', `${said}: there is no option ${name}`);
  parseOptionValue(spec, value);
  return [section, name, value];
}

/** Whether nobody listens on a port of 127.0.0.1. */
export async function portIsFree(port: number): Promise<boolean> {
  try {
    (await tcpNetwork.listen({ host: '127.0.0.1', port }, (socket) => socket.destroy())).close();
    return true;
  } catch {
    return false;
  }
}

/** Whether somebody listens there: asked by dialling, which unlike {@link portIsFree} never takes the port from one that is about to. */
export function portAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    tcpNetwork.connect(
      { host: '127.0.0.1', port },
      (socket) => {
        socket.destroy();
        resolve(true);
      },
      () => resolve(false),
    );
  });
}

export function newPlan(options: Omit<ClusterPlan, 'layout' | 'fsid'>): ClusterPlan {
  return { layout: LAYOUT_VERSION, fsid: randomUUID(), ...options };
}

/** Ids of the monitors: a, b, c, ... */
export function monIds(plan: ClusterPlan): string[] {
  return Array.from({ length: plan.mons }, (_, i) => String.fromCharCode(97 + i));
}

export function daemonNames(plan: ClusterPlan): string[] {
  return [
    ...monIds(plan).map((id) => `mon.${id}`),
    'mgr.x',
    ...Array.from({ length: plan.osds }, (_, i) => `osd.${i}`),
  ];
}

export function monAddresses(plan: ClusterPlan): { id: string; port: number }[] {
  return monIds(plan).map((id, i) => ({ id, port: plan.port + i }));
}

/** CRUSH type of the failure domain: hosts, or OSDs where there is one host. */
export function chooseleafType(plan: ClusterPlan): number {
  return plan.hosts > 1 ? 1 : 0;
}

/** Host bucket that an OSD stands in. */
export function osdHost(plan: ClusterPlan, osd: number): string {
  const host = hostname().split('.')[0]!;
  return plan.hosts > 1 ? `${host}-${(osd % plan.hosts) + 1}` : host;
}

/** Text of ceph.conf for a plan. Ceph's own programs read it too. */
export function cephConf(dir: ClusterDir, plan: ClusterPlan): string {
  const domains = plan.hosts > 1 ? plan.hosts : plan.osds;
  const size = Math.max(1, Math.min(3, domains));
  const sections = new Map<string, [string, string][]>();
  const add = (section: string, option: string, value: string | number): void => {
    const lines = sections.get(section) ?? [];
    sections.set(section, lines);
    const at = lines.findIndex(([name]) => name === option);
    if (at >= 0) lines[at] = [option, String(value)];
    else lines.push([option, String(value)]);
  };
  add('global', 'fsid', plan.fsid);
  add(
    'global',
    'mon_host',
    monAddresses(plan)
      .map(({ port }) => `[v2:127.0.0.1:${port}/0]`)
      .join(','),
  );
  add('global', 'mon_initial_members', monIds(plan).join(','));
  for (const what of ['cluster', 'service', 'client']) add('global', `auth_${what}_required`, 'cephx');
  add('global', 'auth_allow_insecure_global_id_reclaim', 'false');
  add('global', 'public_addr', '127.0.0.1');
  add('global', 'ms_bind_port_min', plan.port + 20);
  add('global', 'ms_bind_port_max', plan.port + 1000);
  // All on one machine: who is refused finds a daemon that is just starting, and it costs nothing to ask again soon.
  add('global', 'ms_initial_backoff', 0.05);
  add('global', 'run_dir', dir.file('run'));
  add('global', 'admin_socket', `${dir.file('run')}/$name.asok`);
  add('global', 'log_file', `${dir.file('log')}/$name.log`);
  add('global', 'pid_file', `${dir.file('run')}/$name.pid`);
  add('global', 'osd_pool_default_size', size);
  add('global', 'osd_pool_default_min_size', size > 2 ? 2 : 1);
  add('global', 'osd_crush_chooseleaf_type', chooseleafType(plan));
  // The number of PGs of a pool cannot change yet, so nothing must try to.
  add('global', 'osd_pool_default_pg_autoscale_mode', 'off');
  add('mon', 'mon_data', `${dir.path}/mon.$id`);
  add('mon', 'keyring', `${dir.path}/mon.$id/keyring`);
  add('mon', 'mon_allow_pool_delete', 'true');
  if (size === 1) add('mon', 'mon_allow_pool_size_one', 'true');
  add('mgr', 'mgr_data', `${dir.path}/mgr.$id`);
  add('mgr', 'keyring', `${dir.path}/mgr.$id/keyring`);
  add('osd', 'osd_data', `${dir.path}/osd.$id`);
  add('osd', 'keyring', `${dir.path}/osd.$id/keyring`);
  add('osd', 'osd_objectstore', plan.store === 'memory' ? 'memstore' : 'bluestore');
  add('osd', plan.store === 'memory' ? 'memstore_device_bytes' : 'bluestore_block_size', plan.osdSize);
  if (plan.hosts > 1) {
    for (let i = 0; i < plan.osds; i++) {
      add(`osd.${i}`, 'crush_location', `root=default host=${osdHost(plan, i)}`);
    }
  }
  // A client's log and socket are no business of the cluster's directory.
  add('client', 'keyring', dir.adminKeyring);
  add('client', 'log_file', '/dev/null');
  add('client', 'admin_socket', '');
  for (const [section, option, value] of plan.settings) add(section, option, value);
  let text = '# Made by sepiola; edit as you would any ceph.conf. Daemons read it when they start.\n';
  for (const [section, lines] of sections) {
    text += `\n[${section}]\n${lines.map(([name, value]) => `${name} = ${value}\n`).join('')}`;
  }
  return text;
}

/** Puts one option into ceph.conf's text: replaces it in its section, or adds it there. */
export function editConf(text: string, section: string, option: string, value: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === `[${section}]`);
  if (start < 0) return `${text.trimEnd()}\n\n[${section}]\n${option} = ${value}\n`;
  let end = lines.findIndex((line, i) => i > start && line.trim().startsWith('['));
  if (end < 0) end = lines.length;
  const at = lines.findIndex(
    (line, i) =>
      i > start &&
      i < end &&
      line
        .split('=')[0]!
        .trim()
        .replace(/[\s-]+/g, '_') === option,
  );
  if (at >= 0) lines[at] = `${option} = ${value}`;
  else lines.splice(start + 1, 0, `${option} = ${value}`);
  return lines.join('\n');
}

/**
 * Makes the directory's folders and ceph.conf, for a cluster that {@link sealLayout} makes whole. Nothing is left behind where that fails. What an
 * interrupted `up` had made is removed; daemons' data that no interrupted `up` explains is never touched: ENOTEMPTY.
 */
export function makeLayout(dir: ClusterDir, plan: ClusterPlan, durable = true): void {
  try {
    mkdirSync(dir.path, { recursive: true });
    const left = readdirSync(dir.path).filter((entry) => DAEMON_FOLDER.test(entry));
    if (existsSync(dir.file(UNFINISHED))) {
      for (const folder of left) rmSync(dir.file(folder), { recursive: true, force: true });
    } else if (left.some((folder) => readdirSync(dir.file(folder)).length > 0)) {
      throw new ErrnoError(
        'ENOTEMPTY',
        `${dir.path} holds data of daemons (${left.slice(0, 3).join(', ')}) and no cluster.json: put that back, or choose another --dir`,
      );
    }
    writeFile(
      dir.file(UNFINISHED),
      'This cluster is being made. Where nothing does that any more, the next `sepiola up` begins afresh.\n',
      0o644,
      durable,
    );
    for (const folder of ['log', 'run', ...daemonNames(plan)])
      mkdirSync(dir.file(folder), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof ErrnoError) throw error;
    throw new ErrnoError('EACCES', `cannot write in ${dir.path}: ${(error as Error).message}`);
  }
  writeFile(dir.conf, cephConf(dir, plan), 0o644, durable);
}

/** Marks the directory as a whole cluster: written last, so that an interrupted `up` starts afresh. */
export function sealLayout(dir: ClusterDir, plan: ClusterPlan): void {
  osDisk.writeFileAtomic(dir.file('cluster.json'), new TextEncoder().encode(`${JSON.stringify(plan, undefined, 2)}\n`));
  rmSync(dir.file(UNFINISHED), { force: true });
}

/** Writes a file and, where it is to be durable, waits until it is on disk. `mode` is that of a new file. */
export function writeFile(path: string, content: string | Uint8Array, mode: number, durable: boolean): void {
  const fd = openSync(path, 'w', mode);
  try {
    writeFileSync(fd, content);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
