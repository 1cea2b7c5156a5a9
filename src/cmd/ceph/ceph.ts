/** `sepiola ceph`: Ceph's program for administrators. What it takes, prints and ends with are those of Ceph 16.2's `ceph`. */
import { closeSync, fchownSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { Rados } from '../../client/index.ts';
import { Config } from '../../config/index.ts';
import { installCrc32cOnDemand } from '../../runtime/index.ts';
import { CEPH_RELEASE_NAME, CEPH_VERSION_SHORT, MonMap, parseAuthName } from '../../types/index.ts';
import { adminSocketCommand } from './admin-socket.ts';
import { ArgumentError } from './arg-types.ts';
import { ConfMissing, clientConfig, takeConfigOptions } from './client-config.ts';
import { runCommand } from './command.ts';
import { logLine, makeRados } from './connect.ts';
import { daemonperf } from './daemonperf.ts';
import { completions, formatHelp, heading } from './help.ts';
import { interactive } from './interactive.ts';
import { type CephOptions, OptionsError, parseOptions } from './options.ts';
import { pyRepr, pyRstrip } from './python.ts';
import { scrubStamps, waitForScrub } from './scrub-wait.ts';
import { parseDescriptions } from './signature.ts';
import { errnoOf, errorCode, strerror } from './strerror.ts';
import { daemonIds, findTarget, isTellTarget, sendCommand, type Target, targetText } from './target.ts';
import { FULL_USAGE, LOCAL_COMMANDS } from './usage.ts';
import { followClusterLog, pingMonitor } from './watch.ts';

/** The commit of the release that this program stands in for, as its `--version` says it. */
const VERSION_TEXT = `ceph version ${CEPH_VERSION_SHORT} (618f440892089921c3e944a991122ddc44e60516) ${CEPH_RELEASE_NAME} (stable)\n`;
const EINVAL = 22;
const ENOENT = 2;
const EACCES = 13;
const NO_BYTES = new Uint8Array(0);

const out = (text: string): void => void process.stdout.write(text);
const err = (text: string): void => void process.stderr.write(text);

/** Ends the program with a status; what there was to say was said. */
class Exit extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`exit ${status}`);
    this.status = status;
  }
}

/** CEPH_ARGS stands at the end of the line, but before what is to be injected. */
function withEnvironment(words: readonly string[]): string[] {
  const env = (process.env.CEPH_ARGS ?? '').split(/\s+/).filter((w) => w !== '');
  const at = words.indexOf('injectargs');
  if (at >= 0) return [...words.slice(0, at), ...env, ...words.slice(at)];
  return [...words, ...env.filter((w) => !w.includes('--admin-socket'))];
}

/** The path of a daemon's socket by its configuration. */
function adminSocketPath(options: CephOptions, daemon: string): string {
  const name = parseAuthName(daemon);
  if (name === undefined) throw unknownDaemon(daemon);
  const file = clientConfig({ conf: options.conf, cluster: options.cluster, name: daemon }, false);
  const config = new Config({ ...file.owner, daemon: true });
  for (const option of ['admin_socket', 'run_dir']) {
    const from = file.sources(option).at(-1)!;
    if (from.layer !== 'default') config.set('file', option, from.text);
  }
  const path = config.expand(config.str('admin_socket'));
  const isSocket = statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  const dot = daemon.lastIndexOf('.');
  // `osd.3` may also be what is left of a name with a process's number behind it: no daemon is called `osd`.
  if (!isSocket && /^\d+$/.test(daemon.slice(dot + 1)) && !daemon.slice(0, dot).includes('.')) {
    throw unknownDaemon(daemon.slice(0, dot));
  }
  return path;
}

function unknownDaemon(name: string): Error {
  return new Error(
    `unable to get conf option admin_socket for ${name}: b"error parsing '${name}': expected string of the form TYPE.ID, valid types are: auth, mon, osd, mds, mgr, client\\n"`,
  );
}

/** `daemon`, `daemonperf` and --admin-daemon: they need no cluster. Undefined where it is another command. */
async function daemonCommand(options: CephOptions, words: readonly string[]): Promise<number | undefined> {
  const verb = words[0];
  let path = options.adminDaemon;
  let rest = words;
  if (path === undefined) {
    if (verb !== 'daemon' && verb !== 'daemonperf') return undefined;
    const needed = verb === 'daemon' ? 3 : 2;
    if (words.length < needed) {
      err(`${verb} requires at least ${needed} arguments\n`);
      return EINVAL;
    }
    const name = words[1]!;
    try {
      path = name.includes('/') ? name : adminSocketPath(options, name);
    } catch (error) {
      err(`Can't get admin socket path: ${(error as Error).message}\n`);
      return EINVAL;
    }
    rest = words.slice(2);
  }
  try {
    if (options.adminDaemon === undefined && verb === 'daemonperf') return await daemonperf(path, rest);
    process.stdout.write(await adminSocketCommand(path, rest, options.format));
    return 0;
  } catch (error) {
    err(`admin_socket: ${(error as Error).message}\n`);
    return EINVAL;
  }
}

/** Names that Ceph's Python binding gives to errors of its calls. */
const ERROR_NAMES: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [1, ['PermissionError', 'RADOS permission error']],
  [2, ['ObjectNotFound', 'RADOS object not found']],
  [5, ['IOError', 'RADOS I/O error']],
  [13, ['PermissionDeniedError', 'RADOS permission denied']],
  [22, ['InvalidArgumentError', 'RADOS invalid argument']],
  [110, ['TimedOut', 'RADOS timed out']],
]);

function radosErrorText(code: number, call: string): string {
  const text = ERROR_NAMES.get(code)?.[1] ?? `RADOS ${strerror(code).toLowerCase()}`;
  return `${text} (error ${call})`;
}

function initFailure(code: number, call: string): never {
  const name = ERROR_NAMES.get(code)?.[0] ?? 'OSError';
  err(`Error initializing cluster client: ${name}(${pyRepr(radosErrorText(code, call))})\n`);
  throw new Exit(1);
}

function makeConfig(options: CephOptions, words: readonly string[]): { config: Config; rest: string[] } {
  const name = options.name ?? `client.${options.id ?? 'admin'}`;
  if (parseAuthName(name) === undefined) {
    err("Error initializing cluster client: Error('rados_initialize failed with error code: -22')\n");
    throw new Exit(1);
  }
  let config: Config;
  try {
    config = clientConfig({ conf: options.conf, cluster: options.cluster, name }, true);
  } catch (error) {
    if (error instanceof ConfMissing) initFailure(2, 'calling conf_read_file');
    throw error;
  }
  const { rest, errors } = takeConfigOptions(config, words);
  for (const { name, value, reason } of errors) err(`parse error setting '${name}' to '${value}' (${reason})\n\n`);
  if (errors.length > 0) initFailure(EINVAL, 'calling conf_parse_argv_remainder');
  return { config, rest };
}

async function connect(config: Config, timeout_s: number | undefined): Promise<Rados> {
  const rados = makeRados(config);
  const failed = (code: number): never => {
    err(`[errno ${code}] ${radosErrorText(code, 'connecting to the cluster')}\n`);
    throw new Exit(code === EACCES ? EACCES : 1);
  };
  if (rados === undefined) return failed(2);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    if (timeout_s !== undefined) timer = setTimeout(() => resolve('late'), timeout_s * 1000);
  });
  try {
    if ((await Promise.race([rados.connect(), late])) !== 'late') return rados;
  } catch (error) {
    rados.shutdown();
    if (errnoOf(error) !== ENOENT) return failed(errnoOf(error));
    // A keyring without a key of this name: Ceph's client finds it has no method that the monitor takes.
    logLine('monclient(hunting): handle_auth_bad_method server allowed_methods [2] but i only support [2]');
    return failed(EACCES);
  } finally {
    clearTimeout(timer);
  }
  rados.shutdown();
  err('timed out\n');
  throw new Exit(1);
}

/** Help of a daemon's commands that begin with `beginning`. */
async function daemonHelp(rados: Rados, target: Target, beginning: string): Promise<number> {
  const { result, text, data } = await sendCommand(rados, target, { prefix: 'get_command_descriptions' });
  if (result === 0) {
    out(formatHelp(parseDescriptions(new TextDecoder().decode(data)), beginning));
    return 0;
  }
  const isDenied = result === -1 || result === -13;
  if (isDenied && (target.type === 'osd' || target.type === 'mds')) {
    err("Permission denied.  Check that your user has 'allow *' capabilities for the target daemon type.\n");
  } else if (result === -1) err('Permission denied.  Check your user has proper capabilities configured\n');
  else {
    const id = target.id === undefined ? '' : `, ${pyRepr(target.id)}`;
    err(`couldn't get command descriptions for [${pyRepr(target.type ?? '')}${id}]: ${text} (${result})\n`);
  }
  return Math.abs(result);
}

function tellWords(word: string): string[] {
  const dot = word.indexOf('.');
  return dot < 0 ? [word] : [word.slice(0, dot), word.slice(dot + 1)];
}

async function help(rados: Rados, words: readonly string[]): Promise<number> {
  if (words[0] !== 'tell' || words.length < 2) {
    out(heading('Monitor commands:'));
    return daemonHelp(rados, { type: 'mon', id: '' }, words.join(' '));
  }
  const [type, id] = tellWords(words[1]!);
  if (!(await isTellTarget(rados, tellWords(words[1]!)))) {
    err(
      `target ${words[1]} doesn't exist; please pass correct target to tell command (e.g., mon.a, osd.1, mds.a, mgr)\n`,
    );
    return 1;
  }
  out(heading(`Tell ${type} commands:`));
  return daemonHelp(rados, { type, id }, words.slice(2).join(' '));
}

/** `ceph tell TARGET help`. */
async function tellHelp(rados: Rados, word: string): Promise<number> {
  const [type, id] = tellWords(word);
  if (!(await isTellTarget(rados, tellWords(word)))) {
    err(`target ${word} doesn't exists, please pass correct target to tell command, such as mon.a/osd.1/mds.a/mgr\n`);
    return 1;
  }
  out(heading(`Tell ${type} commands`));
  return daemonHelp(rados, { type, id }, '');
}

async function ping(config: Config, word: string, timeout_s: number | undefined): Promise<number> {
  if (!word.includes('mon.')) {
    err('"ping" expects a monitor to ping; try "ping mon.<id>"\n');
    return 1;
  }
  const rados = await connect(config, timeout_s);
  const asked = async (id: string): Promise<string | undefined> => {
    const info = rados.monClient.monMap.mon(id);
    const lone = info === undefined ? undefined : makeRados(config, new MonMap().withMon(info));
    return lone === undefined ? undefined : await pingMonitor(lone);
  };
  try {
    const name = word.slice('mon.'.length);
    if (name === '*') {
      for (const id of (await daemonIds(rados, 'mon'))!) {
        out(`mon.${id}\n${(await asked(id)) ?? 'Error connecting to monitor.'}\n`);
      }
      return 0;
    }
    if (rados.monClient.monMap.mon(name) === undefined) {
      err(`[errno ${ENOENT}] ${radosErrorText(ENOENT, 'calling ping_monitor')}\n`);
      return 1;
    }
    out(`${(await asked(name)) ?? 'None'}\n`);
    return 0;
  } finally {
    rados.shutdown();
  }
}

/** Undefined: nothing is to be watched. */
function watchLevel(o: CephOptions): string | undefined {
  if (o.watchWarn) return 'warn';
  if (o.watchSec) return 'sec';
  if (o.watchInfo) return 'info';
  if (o.watchError) return 'error';
  if (o.watchDebug) return 'debug';
  return o.watch || o.watchChannel !== undefined ? 'info' : undefined;
}

async function watch(rados: Rados, level: string, channel: string | undefined): Promise<number> {
  const { result, text, data } = await rados.monCommand('{"prefix": "status"}');
  if (result !== 0) {
    err(`status query failed:  ${text}\n`);
    return Math.abs(result);
  }
  out(`${new TextDecoder().decode(data)}\n`);
  followClusterLog(rados, level, (line, from) => {
    if (channel === from || channel === '*') out(`${line}\n`);
  });
  await new Promise<void>((resolve) => process.once('SIGINT', resolve));
  return 0;
}

function readInput(path: string): Uint8Array {
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (error) {
    const code = errnoOf(error);
    err(`Can't open input file ${path}: [Errno ${code}] ${strerror(code)}: ${pyRepr(path)}\n`);
    throw new Exit(1);
  }
}

/** User or group id by its name in a file of /etc. */
function idOf(file: 'passwd' | 'group', name: string): number {
  const line = readFileSync(`/etc/${file}`, 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${name}:`));
  if (line === undefined) throw Object.assign(new Error(`no ${name} in /etc/${file}`), { errno: 2 });
  return Number(line.split(':')[2]);
}

function openOutput({ outFile, setuser, setgroup }: CephOptions): number | undefined {
  if (outFile === undefined) return undefined;
  let fd: number;
  try {
    fd = outFile === '-' ? 1 : openSync(outFile, 'w');
  } catch (error) {
    const code = errnoOf(error);
    err(`Can't open output file ${outFile}: [Errno ${code}] ${strerror(code)}: ${pyRepr(outFile)}\n`);
    throw new Exit(1);
  }
  try {
    const uid = setuser === undefined ? -1 : idOf('passwd', setuser);
    const gid = setgroup === undefined ? -1 : idOf('group', setgroup);
    if (uid >= 0 || gid >= 0) fchownSync(fd, uid, gid);
  } catch (error) {
    const what = setuser !== undefined ? 'user' : 'group';
    out(`Failed to change ${what} ownership of ${outFile} to ${setuser ?? setgroup}: ${(error as Error).message}\n`);
    throw new Exit(1);
  }
  return fd;
}

/** What one target gave, on stdout and stderr. Its status: 0 or an errno. */
function report(
  { result, text, data }: { result: number; text: string; data: Uint8Array },
  options: CephOptions,
  fd: number | undefined,
  label: string,
): number {
  if (fd !== undefined) writeSync(fd, data);
  else {
    // Programs that read JSON skip a first line, which older versions had.
    if (options.format?.startsWith('json') === true) out('\n');
    const shown = label === '' ? data : pyRstrip(data);
    if (shown.length > 0) {
      out(label);
      process.stdout.write(shown);
      if (label !== '') out('\n');
    }
  }
  if (result < 0) {
    err(`Error ${errorCode(result) ?? 'Unknown'}: ${text}\n`);
    return -result;
  }
  if (text !== '') err(`${label}${text}\n`);
  return 0;
}

/** A command (or none: then they are read from stdin) to its target, or to all that `TYPE.*` stands for. */
async function command(
  rados: Rados,
  words: readonly string[],
  injected: readonly string[],
  options: CephOptions,
): Promise<number> {
  const input = options.inFile === undefined ? NO_BYTES : readInput(options.inFile);
  const fd = openOutput(options);
  let rest = options.status ? ['status', ...words] : [...words];
  let target: Target;
  try {
    target = findTarget(rest);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    err(`error handling command target: ${error.message}\n`);
    return 1;
  }
  if (rest[0] === 'tell') {
    rest = injected.length > 0 ? [...injected] : rest.slice(2);
    if (rest.length === 0) {
      err('"ceph tell" requires additional arguments. Try "ceph tell <name> <command> [options...]" instead.\n');
      return EINVAL;
    }
  }
  const { type } = target;
  const isEach = target.id === '*';
  const targets: Target[] = isEach ? ((await daemonIds(rados, type)) ?? []).map((id) => ({ type, id })) : [target];
  let status = 0;
  for (const each of targets) {
    const label = fd === undefined && targets.length > 1 ? `${targetText(each)}: ` : '';
    const described = await sendCommand(rados, each, { prefix: 'get_command_descriptions' });
    let done = { ...described, text: `problem getting command descriptions from ${targetText(each)}` };
    if (described.result === 0) {
      const commands = parseDescriptions(new TextDecoder().decode(described.data));
      if (options.completion) {
        out(`${completions(commands, rest).join('\n')}\n`);
        return 0;
      }
      if (rest.length === 0) return await interactive(rados, commands, options, input);
      done = await runCommand(rados, commands, each, rest, options, input);
    }
    const code = report(done, options, fd, label);
    if (code !== 0) status = code;
  }
  if (fd !== undefined && fd !== 1) closeSync(fd);
  return status;
}

async function withCluster(
  config: Config,
  words: readonly string[],
  injected: readonly string[],
  options: CephOptions,
): Promise<number> {
  let timeout_s = options.connectTimeout;
  if (timeout_s === undefined || timeout_s === 0) timeout_s = options.help ? 5 : undefined;
  if (options.completion) timeout_s = 3;
  const rados = await connect(config, timeout_s);
  try {
    if (options.help) return await help(rados, words);
    if (words[0] === 'tell' && words[2] === 'help') return await tellHelp(rados, words[1]!);
    const level = watchLevel(options);
    if (level !== undefined) {
      return await watch(rados, level, options.watchChannel ?? (options.watch ? 'cluster' : undefined));
    }
    const isScrub = words[0] === 'osd' && (words[1] === 'scrub' || words[1] === 'deep-scrub');
    const before = options.block && isScrub && words.length > 2 ? await scrubStamps(rados, words) : undefined;
    const status = await command(rados, words, injected, options);
    if (before !== undefined) await waitForScrub(rados, words, before);
    return status;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    err(`ceph_argparse.ArgumentValid: ${error.message}\n`);
    return 1;
  } finally {
    rados.shutdown();
  }
}

/** `ceph ARGS`. Gives the exit status: an errno where the cluster gave one. */
export async function ceph(argv: readonly string[]): Promise<number> {
  installCrc32cOnDemand();
  try {
    const { options, rest: words } = parseOptions(withEnvironment(argv));
    if (options.version) {
      out(VERSION_TEXT);
      return 0;
    }
    const local = await daemonCommand(options, words);
    if (local !== undefined) return local;
    if (options.help) out(`${heading('General usage:')}${FULL_USAGE}${heading('Local commands:')}${LOCAL_COMMANDS}`);
    const at = words.indexOf('injectargs');
    const injected = at < 0 ? [] : words.slice(at);
    const { config, rest } = makeConfig(options, at < 0 ? words : words.slice(0, at));
    const withoutDashes = (list: string[]): string[] => {
      const dashes = list.indexOf('--');
      return dashes < 0 ? list : list.toSpliced(dashes, 1);
    };
    const left = withoutDashes(rest);
    if (left[0] === 'ping' && !options.help) {
      if (left.length < 2) {
        err('"ping" requires a monitor name as argument: "ping mon.<id>"\n');
        return 1;
      }
      return await ping(config, left[1]!, options.connectTimeout);
    }
    return await withCluster(config, left, withoutDashes(injected), options);
  } catch (error) {
    if (error instanceof Exit) return error.status;
    if (error instanceof OptionsError) {
      err(error.message);
      return 2;
    }
    throw error;
  }
}
