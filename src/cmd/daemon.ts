import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { Clock, Disk, Entropy, Network } from '../base/index.ts';
import { type ConfFile, Config, confFor, normalizeOptionName, optionSpecs, parseConf } from '../config/index.ts';
import {
  type AdminReply,
  describeFailure,
  FileLogger,
  installCrc32cOnDemand,
  installNativeCompressors,
  osDisk,
  serveAdminSocket,
  systemClock,
  systemEntropy,
  tcpNetwork,
} from '../runtime/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { isSepiola } from './layout.ts';

/**
 * A daemon's heap is kept near what lives in it, since its memory is a figure that users look at: it is collected once it has grown by 60 per cent, while V8 of
 * itself lets it double and more. At 30 per cent it took a tenth more CPU. Said here and not on the command line: an engine that knows no such flag then says
 * so and goes on.
 */
const HEAP_GROWTH = '--heap-growing-percent=60';

/** Everything a daemon's core is given by its process, or by a process that is a whole cluster. */
export interface DaemonContext {
  readonly type: 'mon' | 'osd' | 'mgr' | 'mds' | 'client';
  readonly id: string;
  readonly config: Config;
  /** The whole configuration file, for those that read other sections. */
  readonly conf: ConfFile;
  readonly logger: FileLogger;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  readonly disk: Disk;
  /** Values of the extra flags this daemon declared. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** Stops the daemon with a message; for failures after the start that cannot be survived. */
  readonly fatal: (message: string) => never;
  /** Where several daemons share a process: an OSD's store, formatted, that outlives it. */
  readonly store?: ObjectStore;
}

export interface RunningDaemon {
  /** Ends in an orderly way: tells peers, flushes, closes. */
  stop(): Promise<void>;
  /** Lets go of the data as it is, of a daemon whose clock and network are gone: what the end of a process does. */
  abandon(): Promise<void>;
  /** A command of the admin socket: the JSON that `ceph daemon NAME ...` sends. */
  adminCommand(command: Record<string, unknown>): AdminReply | Promise<AdminReply>;
}

/** How daemons of one type are made and run. Neither touches the process itself, so that one process may hold many. */
export interface DaemonKind {
  readonly type: DaemonContext['type'];
  /** Flags beyond those of every daemon. */
  readonly flags: FlagSpec;
  /** `--mkfs`: makes what it keeps its state in, and is done. */
  readonly make?: (context: DaemonContext) => Promise<void>;
  readonly start: (context: DaemonContext) => Promise<RunningDaemon>;
}

export type FlagSpec = Record<string, { type: 'string' | 'boolean'; short?: string }>;

const COMMON_FLAGS: FlagSpec = {
  conf: { type: 'string', short: 'c' },
  id: { type: 'string', short: 'i' },
  name: { type: 'string', short: 'n' },
  cluster: { type: 'string' },
  keyring: { type: 'string', short: 'k' },
  foreground: { type: 'boolean', short: 'f' },
};

/** Options given as `--option_name value`, `--option-name=value`, as Ceph's daemons take them. */
function splitOptionFlags(argv: readonly string[], known: FlagSpec): { own: string[]; options: Map<string, string> } {
  const own: string[] = [];
  const options = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(argv[i]!);
    const name = match === null ? '' : normalizeOptionName(match[1]!);
    if (match === null || match[1]! in known || !optionSpecs().has(name)) {
      own.push(argv[i]!);
      continue;
    }
    if (match[2] !== undefined) options.set(name, match[2]);
    else if (optionSpecs().get(name)!.type === 'bool' && !/^(true|false|0|1|yes|no|on|off)$/i.test(argv[i + 1] ?? '')) {
      options.set(name, 'true');
    } else options.set(name, argv[++i] ?? '');
  }
  return { own, options };
}

/** Reads the configuration a program of this type and id runs with: file, CEPH_ARGS-like flags, environment (`env`). */
export function loadConfig(
  type: DaemonContext['type'],
  argv: readonly string[],
  extraFlags: FlagSpec,
  env: Readonly<Record<string, string | undefined>> = process.env,
): {
  config: Config;
  conf: ConfFile;
  id: string;
  flags: Record<string, string | boolean | undefined>;
  positionals: string[];
} {
  const known = { ...COMMON_FLAGS, ...extraFlags };
  const { own, options } = splitOptionFlags(argv, known);
  const { values, positionals } = parseArgs({ args: own, options: known, allowPositionals: true, strict: true });
  const flags = values as Record<string, string | boolean | undefined>;
  const name = typeof flags.name === 'string' ? flags.name : undefined;
  const id =
    typeof flags.id === 'string'
      ? flags.id
      : (name?.slice(name.indexOf('.') + 1) ?? (type === 'client' ? 'admin' : ''));
  const config = new Config({
    cluster: typeof flags.cluster === 'string' ? flags.cluster : 'ceph',
    type,
    id,
    host: hostname().split('.')[0]!,
    pid: process.pid,
    daemon: type !== 'client',
  });
  const path = typeof flags.conf === 'string' ? flags.conf : (env.CEPH_CONF ?? '/etc/ceph/ceph.conf');
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (flags.conf !== undefined || env.CEPH_CONF !== undefined) {
      throw new Error(`cannot read the configuration ${path}: ${(error as Error).message}`);
    }
  }
  const conf = parseConf(text, path);
  config.replaceLayer('file', confFor(conf, type, id));
  if (env.CEPH_KEYRING !== undefined) config.set('env', 'keyring', env.CEPH_KEYRING);
  if (typeof flags.keyring === 'string') options.set('keyring', flags.keyring);
  for (const [option, value] of options) config.set('cmdline', option, value);
  return { config, conf, id, flags, positionals };
}

/** Writes the pid file and returns its path; undefined where none is wanted, or where a daemon that runs has it: the claim on its data will refuse this one. */
function writePidFile(path: string): string | undefined {
  if (path === '') return undefined;
  const other = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  if (other > 0 && other !== process.pid && isSepiola(other)) return undefined;
  writeFileSync(path, `${process.pid}\n`);
  return path;
}

/** Makes what a daemon keeps its state in, as `--mkfs` does, within this process. `args` are its flags. */
export async function makeDaemon(
  kind: DaemonKind,
  args: readonly string[],
  around: Partial<DaemonContext> = {},
): Promise<void> {
  const { type } = kind;
  // The environment is the caller's, not the daemon's.
  const { config, conf, id, flags } = loadConfig(type, args, kind.flags, {});
  const logger = openLog(config, false);
  try {
    await new Promise<void>((resolve, reject) => {
      const fatal = (message: string): never => {
        const error = new Error(message);
        reject(error);
        throw error;
      };
      kind.make!({ type, id, config, conf, logger, flags, fatal, ...system, ...around }).then(resolve, reject);
    });
  } catch (error) {
    logger.error(type, `${type}.${id} cannot be made: ${(error as Error).message}`);
    throw error;
  } finally {
    logger.close();
  }
}

/** What the system gives every daemon. */
export const system = { clock: systemClock, entropy: systemEntropy, network: tcpNetwork, disk: osDisk } as const;

export function openLog(config: Config, alsoStderr: boolean): FileLogger {
  const path = config.expand(config.str('log_file'));
  return new FileLogger(path === '' ? undefined : path, config, alsoStderr);
}

/** Serves a daemon's admin socket; undefined where the configuration wants none. */
export async function serveAdmin(config: Config, daemon: RunningDaemon): Promise<{ close(): void } | undefined> {
  const path = config.expand(config.str('admin_socket'));
  if (path === '') return undefined;
  return serveAdminSocket(path, (text) => {
    let command: Record<string, unknown>;
    try {
      command = text.startsWith('{') ? JSON.parse(text) : { prefix: text };
    } catch {
      return { code: -22, out: '', err: 'the command is not valid JSON' };
    }
    return daemon.adminCommand(command);
  });
}

/**
 * Runs one daemon as this process: configuration, log, pid file, admin socket, signals. Resolves when the daemon has ended, or has been made (--mkfs).
 */
export async function runDaemon(kind: DaemonKind, argv: readonly string[]): Promise<number> {
  installCrc32cOnDemand();
  setFlagsFromString(HEAP_GROWTH);
  installNativeCompressors();
  const { type } = kind;
  let logger: FileLogger | undefined;
  let pidFile: string | undefined;
  const fatal = (message: string): never => {
    logger?.error(type, message);
    logger?.flush();
    if (logger === undefined) process.stderr.write(`${message}\n`);
    if (pidFile !== undefined) rmSync(pidFile, { force: true });
    process.exit(1);
  };
  try {
    const { config, conf, id, flags } = loadConfig(type, argv, kind.flags);
    if (id === '') throw new Error(`which ${type}? give --id`);
    logger = openLog(config, true);
    const log = logger;
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, (error: Error) => {
        const reason = describeFailure(error);
        const text = reason === undefined ? (error?.stack ?? error) : `its database: ${reason}`;
        fatal(`${type}.${id} stops on an error it cannot survive: ${text}`);
      });
    }
    process.on('SIGHUP', () => log.reopen());
    const context: DaemonContext = { type, id, config, conf, logger: log, flags, fatal, ...system };
    if (flags.mkfs === true) {
      await kind.make!(context);
      log.flush();
      return 0;
    }
    const stopped = new Promise<undefined>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => resolve(undefined));
    });
    // From the first moment on, so that whoever stops a cluster finds a daemon that still waits for a monitor, too.
    pidFile = writePidFile(config.expand(config.str('pid_file')));
    const daemon = await Promise.race([kind.start(context), stopped]);
    const asok = daemon === undefined ? undefined : await serveAdmin(config, daemon);
    await stopped;
    log.log(type, 0, `${type}.${id} stops on a signal`);
    asok?.close();
    await daemon?.stop();
    if (pidFile !== undefined) rmSync(pidFile, { force: true });
    log.flush();
    // One that was still starting has nobody to tell, and its data is safe at any moment.
    if (daemon === undefined) process.exit(0);
    return 0;
  } catch (error) {
    return fatal(`${type}: ${(error as Error).message}`);
  }
}
