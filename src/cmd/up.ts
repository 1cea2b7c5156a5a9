import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ErrnoError } from '../base/index.ts';
import { optionSpecs, parseOptionValue } from '../config/index.ts';
import { AdminClient } from './admin.ts';
import { claimDirectory } from './claim.ts';
import {
  ClusterDir,
  type ClusterPlan,
  checkSetting,
  DAEMON_FOLDER,
  daemonNames,
  editConf,
  makeLayout,
  monAddresses,
  newPlan,
  portAnswers,
  portIsFree,
  type Setting,
  sealLayout,
  UNFINISHED,
} from './layout.ts';

/** How long `up` waits for every OSD to be up and in and a manager to be active. */
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 25;
/** How long a daemon gets to stop by itself before it is killed. */
const STOP_TIMEOUT_MS = 20_000;

const UP_HELP = `usage: sepiola up [options]

Makes a cluster in a directory, or resumes the one that is there, and shows its status until Ctrl-C stops it.

  --dir DIR                     where it lives (default ./cluster)
  --mons N                      monitors (default 1); three go on without any one of them
  --osds N                      OSDs (default 3)
  --hosts N                     host buckets the OSDs are spread over (default 1); the failure domain is then host, else osd
  --port BASE                   the first monitor's port, the others' follow; daemons take theirs from BASE+20 on (default 43000)
  --store disk|memory           where OSDs keep data (default disk)
  --osd-size SIZE               bytes of each OSD's store (default 10G)
  --set SECTION:OPTION=VALUE    an option of ceph.conf; may be given again and again
  --detach                      return once the cluster is ready; 'sepiola down' stops it
`;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function parseSize(text: string): number {
  try {
    return parseOptionValue(optionSpecs().get('bluestore_block_size')!, text) as number;
  } catch {
    throw new ErrnoError('EINVAL', `--osd-size ${text}: expected a size such as 10G or 512M`);
  }
}

function parseCount(flag: string, text: string | undefined, dflt: number, max: number): number {
  if (text === undefined) return dflt;
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > max)
    throw new ErrnoError('EINVAL', `--${flag} ${text}: expected a number from 1 to ${max}`);
  return Number(text);
}

function parseSetting(text: string): Setting {
  const match = /^([^:=]+):([^=]+)=(.*)$/s.exec(text);
  if (match === null)
    throw new ErrnoError('EINVAL', `--set ${text}: expected SECTION:OPTION=VALUE, such as osd:osd_max_backfills=3`);
  return checkSetting(match[1]!, match[2]!, match[3]!, `--set ${text}`);
}

/** Node's flags for a daemon: young generations kept small, since memory is a figure users look at. */
const NODE_FLAGS = ['--max-semi-space-size=4'];

/**
 * glibc's allocator, told to give freed memory back: what is as large as a socket's read buffer or larger is mapped by itself (of itself glibc raises that limit to
 * what was freed last, up to 32 MiB, and the heap then is full of holes that other allocations keep open), and one arena serves all threads. What the user has set stays.
 */
const MALLOC_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MALLOC_TOP_PAD_: '65536',
};

function spawnDaemon(dir: ClusterDir, name: string, detached: boolean): ChildProcess {
  const [type, id] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)];
  const out = openSync(dir.file('log', `${name}.out`), 'a');
  const program = fileURLToPath(new URL('../../bin/sepiola.js', import.meta.url));
  const child = spawn(process.execPath, [...NODE_FLAGS, program, type, '--conf', dir.conf, '--id', id], {
    stdio: ['ignore', out, out],
    // A group of its own: Ctrl-C goes to `up`, which then stops the daemons in order.
    detached: true,
    cwd: dir.path,
    env: { ...MALLOC_ENVIRONMENT, ...process.env },
  });
  closeSync(out);
  if (detached) child.unref();
  return child;
}

/** Makes a cluster's files and stores, within this process: to start one for each would take longer than the work does. */
async function makeCluster(dir: ClusterDir, plan: ClusterPlan): Promise<void> {
  makeLayout(dir, plan);
  const release = claimDirectory(dir.path);
  try {
    await (await import('./make.ts')).makeDaemons(dir, plan);
    sealLayout(dir, plan);
  } finally {
    release();
  }
}

/** Daemons that the maps name, and from which they can be removed. */
const REMOVABLE = /^(mon|osd)\./;

function endedEarly(dir: ClusterDir, name: string, child: ChildProcess): ErrnoError {
  const how = child.signalCode ?? `exit status ${child.exitCode}`;
  return new ErrnoError('EIO', `${name} ended (${how}); its log is ${dir.log(name)}:\n${tail(dir, name)}`);
}

/** Last lines a daemon left, for an error's text. */
function tail(dir: ClusterDir, name: string): string {
  for (const path of [dir.file('log', `${name}.out`), dir.log(name)]) {
    if (!existsSync(path)) continue;
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-5);
    if (lines.join('') !== '') return lines.map((line) => `    ${line}`).join('\n');
  }
  return '    (its log is empty)';
}

function checkWritable(dir: ClusterDir): void {
  let at = dir.path;
  while (!existsSync(at)) at = dirname(at);
  try {
    accessSync(at, constants.W_OK | constants.X_OK);
  } catch {
    throw new ErrnoError('EACCES', `cannot write in ${at}; choose another --dir or change its permissions`);
  }
  if (existsSync(dir.path) && dir.plan() === undefined) {
    const foreign = readdirSync(dir.path).filter(
      (entry) =>
        ![
          ...'log run lock ceph.conf monmap bootstrap.keyring ceph.client.admin.keyring'.split(' '),
          UNFINISHED,
        ].includes(entry) && !DAEMON_FOLDER.test(entry),
    );
    if (foreign.length > 0)
      throw new ErrnoError(
        'ENOTEMPTY',
        `${dir.path} holds other files (${foreign.slice(0, 3).join(', ')}); choose an empty --dir`,
      );
  }
}

interface Readiness {
  readonly ready: boolean;
  readonly waitingFor: string;
  /** OSDs that are up. */
  readonly osds: number;
}

async function ask<T>(client: AdminClient, prefix: string): Promise<T> {
  const reply = await client.command({ prefix, format: 'json' });
  if (reply.code !== 0) throw new Error(reply.err);
  return JSON.parse(reply.out) as T;
}

/** A cluster that is resumed has what its maps say: since it was made, its operators may have removed daemons or taken OSDs out. */
async function readiness(client: AdminClient, plan: ClusterPlan, fresh: boolean): Promise<Readiness> {
  const status = await ask<{
    monmap: { num_mons: number };
    osdmap: { num_osds: number; num_up_osds: number; num_in_osds: number };
    mgrmap: { available: boolean };
    quorum_names: string[];
  }>(client, 'status');
  const { num_osds: exist, num_up_osds: up, num_in_osds: inside } = status.osdmap;
  const missing: string[] = [];
  const quorum = status.quorum_names;
  const mons = fresh ? plan.mons : Math.min(plan.mons, status.monmap.num_mons);
  const osds = fresh ? plan.osds : Math.min(plan.osds, exist);
  if (quorum.length < mons) missing.push(`monitors (${quorum.join(', ')} of ${mons} in the quorum)`);
  if (up < osds || (fresh && inside < osds)) missing.push(`OSDs (${up} up, ${inside} in of ${osds})`);
  if (!status.mgrmap.available) missing.push('an active manager');
  return { ready: missing.length === 0, waitingFor: missing.join(' and '), osds: up };
}

/** Those of the daemons that the cluster's maps no longer have, as monitors and OSDs are removed; managers come and go. */
async function removedOf(client: AdminClient, names: Iterable<string>): Promise<string[]> {
  const { mons } = await ask<{ mons: { name: string }[] }>(client, 'mon dump');
  const members = new Set(mons.map(({ name }) => `mon.${name}`));
  for (const id of await ask<number[]>(client, 'osd ls')) members.add(`osd.${id}`);
  return [...names].filter((name) => REMOVABLE.test(name) && !members.has(name));
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Stops daemons that were removed from the cluster, where they have not ended by themselves, and takes them from `children`. */
async function leaveOut(names: readonly string[], children: Map<string, ChildProcess>): Promise<void> {
  for (const name of names) {
    const child = children.get(name);
    if (child === undefined) continue;
    if (!hasEnded(child)) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await gone;
      clearTimeout(kill);
    }
    children.delete(name);
    process.stderr.write(`${name} is no longer of this cluster: left out\n`);
  }
}

/** Whether one of the monitors listens. */
async function anyAnswers(plan: ClusterPlan): Promise<boolean> {
  for (const { port } of monAddresses(plan)) if (await portAnswers(port)) return true;
  return false;
}

/** Waits until the cluster is whole; gives how many OSDs it has then. Throws with the reason and the log to read. A daemon that was removed from the cluster may end: it is taken from `children`. */
async function waitReady(
  dir: ClusterDir,
  plan: ClusterPlan,
  fresh: boolean,
  children: Map<string, ChildProcess>,
  interrupted: () => boolean,
): Promise<number> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let waitingFor = 'the monitor';
  let client: AdminClient | undefined;
  try {
    while (Date.now() < deadline) {
      if (interrupted()) throw new ErrnoError('EINTR', 'interrupted; what was started is stopped again');
      const ended = [...children].filter(([, child]) => hasEnded(child));
      const [first] = ended;
      if (first !== undefined) {
        // Whether it was removed the monitors tell, if one runs.
        const monitorRuns = [...children].some(([name, child]) => name.startsWith('mon.') && !hasEnded(child));
        if (fresh || !REMOVABLE.test(first[0]) || !monitorRuns) throw endedEarly(dir, ...first);
      }
      let lost: [string, ChildProcess] | undefined;
      try {
        // Dialled only once somebody listens: a connection that is refused waits longer than this loop before it tries again.
        if (client === undefined && !(await anyAnswers(plan))) {
          await sleep(READY_POLL_MS);
          continue;
        }
        client ??= await AdminClient.connect(dir.conf, Math.min(5000, deadline - Date.now()));
        const state = await readiness(client, plan, fresh);
        if (!fresh && (state.ready || first !== undefined)) {
          const removed = await removedOf(client, children.keys());
          lost = ended.find(([name]) => !removed.includes(name));
          await leaveOut(removed, children);
        }
        if (state.ready && lost === undefined) return state.osds;
        waitingFor = state.waitingFor;
      } catch (error) {
        waitingFor = `the monitor (${(error as Error).message})`;
        client?.close();
        client = undefined;
      }
      if (lost !== undefined) throw endedEarly(dir, ...lost);
      await sleep(READY_POLL_MS);
    }
  } finally {
    client?.close();
  }
  throw new ErrnoError(
    'ETIMEDOUT',
    `not ready after ${READY_TIMEOUT_MS / 1000} s: still waiting for ${waitingFor}; the logs are in ${dir.file('log')}`,
  );
}

/** To a process that may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Stops daemons in Ceph's order: OSDs first, so that their last words reach a monitor. */
async function stopAll(dir: ClusterDir): Promise<number> {
  let stopped = 0;
  for (const kind of ['osd', 'mgr', 'mon']) {
    const group = dir.running().filter(({ name }) => name.startsWith(`${kind}.`));
    for (const { pid } of group) signal(pid, 'SIGTERM');
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (Date.now() < deadline && dir.running().some(({ name }) => name.startsWith(`${kind}.`))) await sleep(25);
    for (const { name, pid } of dir.running().filter(({ name }) => name.startsWith(`${kind}.`))) {
      process.stderr.write(`${name} (pid ${pid}) did not stop in ${STOP_TIMEOUT_MS / 1000} s and is killed\n`);
      signal(pid, 'SIGKILL');
    }
    stopped += group.length;
  }
  return stopped;
}

interface UpOptions {
  readonly dir: ClusterDir;
  readonly plan: ClusterPlan;
  readonly fresh: boolean;
  readonly detach: boolean;
}

async function prepare(argv: string[]): Promise<UpOptions> {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: 'string' },
      mons: { type: 'string' },
      osds: { type: 'string' },
      hosts: { type: 'string' },
      port: { type: 'string' },
      store: { type: 'string' },
      'osd-size': { type: 'string' },
      set: { type: 'string', multiple: true },
      detach: { type: 'boolean' },
    },
  });
  const dir = new ClusterDir(values.dir ?? 'cluster');
  const existing = dir.plan();
  const busy = dir.running();
  if (busy.length > 0) {
    throw new ErrnoError(
      'EBUSY',
      `${dir.path} is in use by ${busy.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ')}; 'sepiola down --dir ${dir.path}' stops it`,
    );
  }
  const store = values.store ?? existing?.store ?? 'disk';
  if (store !== 'disk' && store !== 'memory')
    throw new ErrnoError('EINVAL', `--store ${store}: expected disk or memory`);
  const settings = (values.set ?? []).map(parseSetting);
  const wanted = {
    mons: parseCount('mons', values.mons, existing?.mons ?? 1, 9),
    osds: parseCount('osds', values.osds, existing?.osds ?? 3, 256),
    hosts: parseCount('hosts', values.hosts, existing?.hosts ?? 1, 256),
    port: parseCount('port', values.port, existing?.port ?? 43000, 64000),
    store,
    osdSize: values['osd-size'] === undefined ? (existing?.osdSize ?? 10 * 2 ** 30) : parseSize(values['osd-size']),
    settings: existing?.settings ?? settings,
  } as const;
  if (existing !== undefined) {
    for (const key of ['mons', 'osds', 'hosts', 'port', 'store', 'osdSize'] as const) {
      if (wanted[key] !== existing[key]) {
        throw new ErrnoError(
          'EINVAL',
          `${dir.path} holds a cluster with ${key} ${existing[key]}; it cannot be resumed with ${wanted[key]}: leave the flag away or choose another --dir`,
        );
      }
    }
  }
  checkWritable(dir);
  for (const { port } of monAddresses({ ...wanted, layout: 0, fsid: '' })) {
    if (!(await portIsFree(port)))
      throw new ErrnoError('EADDRINUSE', `port ${port} of 127.0.0.1 is taken; choose another --port`);
  }
  if (existing !== undefined && settings.length > 0) {
    let text = readFileSync(dir.conf, 'utf8');
    for (const [section, option, value] of settings) text = editConf(text, section, option, value);
    writeFileSync(dir.conf, text);
  }
  return { dir, plan: existing ?? newPlan(wanted), fresh: existing === undefined, detach: values.detach ?? false };
}

function report(error: unknown): number {
  const message =
    error instanceof ErrnoError
      ? error.message.replace(/^E[A-Z]+: /, '')
      : error instanceof Error
        ? error.message
        : String(error);
  process.stderr.write(`sepiola: ${message}\n`);
  return 1;
}

export async function up(argv: string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(UP_HELP);
    return 0;
  }
  let options: UpOptions;
  try {
    options = await prepare(argv);
  } catch (error) {
    return report(error);
  }
  const { dir, plan, fresh, detach } = options;
  const started = Date.now();
  // While a cluster starts, Ctrl-C must still leave no daemon behind.
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const children = new Map<string, ChildProcess>();
  try {
    if (fresh) await makeCluster(dir, plan);
    for (const name of daemonNames(plan)) children.set(name, spawnDaemon(dir, name, detach));
    const osds = await waitReady(dir, plan, fresh, children, () => interrupted);
    process.stderr.write(
      `${fresh ? 'made' : 'resumed'} a cluster of ${osds} OSDs in ${((Date.now() - started) / 1000).toFixed(1)} s\n  export CEPH_CONF=${dir.conf}\n`,
    );
    if (detach) return 0;
    await watch(dir, children, () => interrupted);
    return 0;
  } catch (error) {
    const code = report(error);
    // Some may not have come as far as to write their pid file, by which stopAll knows them.
    for (const child of children.values()) child.kill('SIGTERM');
    if (existsSync(dir.file('run'))) await stopAll(dir);
    return code;
  }
}

/** Shows the status until a signal comes, then stops the cluster. A daemon that ends meanwhile is named; once all have (`sepiola down` elsewhere), it is over. */
async function watch(
  dir: ClusterDir,
  children: ReadonlyMap<string, ChildProcess>,
  interrupted: () => boolean,
): Promise<void> {
  const live = process.stdout.isTTY === true;
  const ended = new Set<string>();
  let client: AdminClient | undefined;
  let shown = '';
  while (!interrupted()) {
    for (const [name, child] of children) {
      if (!ended.has(name) && (child.exitCode !== null || child.signalCode !== null)) {
        ended.add(name);
        process.stderr.write(
          `${name} ended (${child.signalCode ?? `exit status ${child.exitCode}`}); its log is ${dir.log(name)}\n`,
        );
      }
    }
    if (ended.size === children.size) {
      process.stderr.write('every daemon has ended\n');
      break;
    }
    try {
      client ??= await AdminClient.connect(dir.conf, 5000);
      const { out } = await client.command({ prefix: 'status' });
      if (live) process.stdout.write(`\x1b[H\x1b[2J${out}\nCtrl-C stops the cluster; its data stays in ${dir.path}\n`);
      else if (shown === '') process.stdout.write(out);
      shown = out;
    } catch (error) {
      client?.close();
      client = undefined;
      process.stderr.write(`no status: ${(error as Error).message}\n`);
    }
    for (let waited = 0; waited < 1000 && !interrupted(); waited += 50) await sleep(50);
  }
  client?.close();
  if (ended.size === children.size) return;
  process.stderr.write('\nstopping ...\n');
  await stopAll(dir);
}

function dirFlag(argv: string[], usage: string): ClusterDir | undefined {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(usage);
    return undefined;
  }
  const { values } = parseArgs({ args: argv, options: { dir: { type: 'string' } } });
  const dir = new ClusterDir(values.dir ?? 'cluster');
  if (dir.plan() === undefined)
    throw new ErrnoError('ENOENT', `there is no cluster in ${dir.path}; 'sepiola up --dir ${dir.path}' makes one`);
  return dir;
}

export async function down(argv: string[]): Promise<number> {
  try {
    const dir = dirFlag(
      argv,
      'usage: sepiola down [--dir DIR]\n\nStops the cluster of a directory and leaves its data.\n',
    );
    if (dir === undefined) return 0;
    const stopped = await stopAll(dir);
    process.stderr.write(stopped === 0 ? 'nothing was running\n' : `stopped ${stopped} daemons\n`);
    return 0;
  } catch (error) {
    return report(error);
  }
}

export async function status(argv: string[]): Promise<number> {
  try {
    const dir = dirFlag(argv, 'usage: sepiola status [--dir DIR]\n\nShows the status of the cluster of a directory.\n');
    if (dir === undefined) return 0;
    const running = dir.running();
    if (running.length === 0) {
      process.stdout.write(`the cluster in ${dir.path} is stopped; 'sepiola up --dir ${dir.path}' resumes it\n`);
      return 1;
    }
    const client = await AdminClient.connect(dir.conf, 10_000);
    const { out } = await client.command({ prefix: 'status' });
    client.close();
    process.stdout.write(out);
    for (const name of daemonNames(dir.plan()!)) {
      const pid = running.find((d) => d.name === name)?.pid;
      process.stdout.write(
        `  ${name.padEnd(8)} ${pid === undefined ? `not running; its log is ${dir.log(name)}` : `pid ${pid}`}\n`,
      );
    }
    return 0;
  } catch (error) {
    return report(error);
  }
}
