/** `sepiola rados`: Ceph's program for pools and objects. What it takes, prints and ends with are those of Ceph 16.2's `rados`. */
import type { Rados } from '../../client/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import { installCrc32cOnDemand } from '../../runtime/index.ts';
import { CEPH_RELEASE_NAME, CEPH_VERSION_SHORT, parseAuthName } from '../../types/index.ts';
import { ConfMissing, clientConfig, takeConfigOptions, withCephArgs } from '../ceph/client-config.ts';
import { logLine, makeRados } from '../ceph/connect.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import { Args, ToolExit, wantsHelp } from '../tools/args.ts';
import { bench, cleanup } from './bench.ts';
import { exportPool } from './export.ts';
import { importPool } from './import.ts';
import { listInconsistentObj, listInconsistentPg, listInconsistentSnapset } from './inconsistent.ts';
import { loadGen } from './load-gen.ts';
import * as objects from './object-commands.ts';
import * as omap from './omap-commands.ts';
import { readWords } from './options.ts';
import * as pools from './pool-commands.ts';
import { err, isErrno, out, UsageExit } from './report.ts';
import { openSession, readInput, type Session } from './session.ts';
import * as tiers from './tier-commands.ts';
import { CLIENT_USAGE, RADOS_USAGE } from './usage.ts';
import * as watches from './watch-commands.ts';

/** Does its work on a session. Gives 0, a negative errno, or (where all was said) a status. Throws ToolExit. */
type Command = (session: Session) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  lspools: pools.lspools,
  df: pools.df,
  ls: pools.ls,
  cppool: pools.cppool,
  purge: pools.purge,
  lssnap: pools.lssnap,
  mksnap: pools.mksnap,
  rmsnap: pools.rmsnap,
  rollback: pools.rollback,
  listsnaps: pools.listsnaps,
  get: objects.get,
  put: objects.put,
  append: objects.append,
  truncate: objects.truncate,
  create: objects.create,
  rm: objects.rm,
  cp: objects.cp,
  stat: objects.stat,
  stat2: objects.stat2,
  touch: objects.touch,
  mapext: objects.mapext,
  'set-alloc-hint': objects.setAllocHint,
  setxattr: objects.setxattr,
  getxattr: objects.getxattr,
  rmxattr: objects.rmxattr,
  listxattr: objects.listxattr,
  clearomap: objects.clearomap,
  getomapheader: omap.getomapheader,
  setomapheader: omap.setomapheader,
  setomapval: omap.setomapval,
  getomapval: omap.getomapval,
  rmomapkey: omap.rmomapkey,
  listomapvals: omap.listomapvals,
  listomapkeys: omap.listomapkeys,
  watch: watches.watch,
  notify: watches.notify,
  listwatchers: watches.listwatchers,
  lock: watches.lock,
  bench,
  cleanup,
  'load-gen': loadGen,
  'list-inconsistent-pg': listInconsistentPg,
  'list-inconsistent-obj': listInconsistentObj,
  'list-inconsistent-snapset': listInconsistentSnapset,
  export: exportPool,
  import: importPool,
  'cache-flush': tiers.cacheFlush,
  'cache-try-flush': tiers.cacheTryFlush,
  'cache-evict': tiers.cacheEvict,
  'cache-flush-evict-all': tiers.cacheFlushEvictAll,
  'cache-try-flush-evict-all': tiers.cacheTryFlushEvictAll,
  'set-redirect': tiers.setRedirect,
  'set-chunk': tiers.setChunk,
  'tier-promote': tiers.tierPromote,
  'unset-manifest': tiers.unsetManifest,
  'tier-flush': tiers.tierFlush,
  'tier-evict': tiers.tierEvict,
};

const EINVAL = 22;
const VERSION_TEXT = `ceph version ${CEPH_VERSION_SHORT} (618f440892089921c3e944a991122ddc44e60516) ${CEPH_RELEASE_NAME} (stable)\n`;

/** What all of Ceph's client programs take before their own options. */
interface Identity {
  conf?: string;
  cluster?: string;
  name: string;
}

/** `-f` is a format here where a format follows, before it is what other programs have it for. */
function takeFormat(words: string[]): string | undefined {
  for (let i = 0; i + 1 < words.length && words[i] !== '--'; i++) {
    if (words[i] !== '-f') continue;
    const [, format] = words.slice(i, i + 2);
    if (!['json', 'json-pretty', 'xml', 'xml-pretty'].includes(format!)) continue;
    words.splice(i, 2);
    return format;
  }
  return undefined;
}

function takeIdentity(words: readonly string[]): { identity: Identity; rest: string[]; isVersion: boolean } {
  const args = new Args(words);
  const identity: Identity = { name: 'client.admin' };
  let isVersion = false;
  while (args.more) {
    const conf = args.value('--conf', '-c');
    const cluster = conf === undefined ? args.value('--cluster') : undefined;
    const id = conf ?? cluster ?? args.value('--id', '--user');
    const name = id === undefined ? args.value('--name', '-n') : undefined;
    if (conf !== undefined) identity.conf = conf;
    else if (cluster !== undefined) identity.cluster = cluster;
    else if (id !== undefined) identity.name = `client.${id}`;
    else if (name !== undefined) identity.name = name;
    else if (args.value('--setuser', '--setgroup') !== undefined) continue;
    else if (args.flag('--version', '-v')) isVersion = true;
    else if (args.word === '--') break;
    else args.skip();
  }
  return { identity, rest: args.words, isVersion };
}

async function connect(identity: Identity, words: readonly string[]): Promise<{ rados: Rados; rest: string[] }> {
  if (parseAuthName(identity.name) === undefined) {
    throw new ToolExit(
      1,
      `error parsing '${identity.name}': expected string of the form TYPE.ID, valid types are: auth, mon, osd, mds, mgr, client\n`,
    );
  }
  let config: ReturnType<typeof clientConfig>;
  try {
    config = clientConfig(identity, false);
  } catch (error) {
    if (!(error instanceof ConfMissing)) throw error;
    throw new ToolExit(1, `global_init: unable to open config file from search list ${error.paths}\n`);
  }
  const { rest, errors } = takeConfigOptions(config, words);
  for (const { name, value, reason } of errors) err(`parse error setting '${name}' to '${value}' (${reason})\n\n`);
  const noConfig = 'failed to fetch mon config (--no-mon-config to skip)\n';
  if (config.str('mon_host') === '') {
    err('unable to get monitor info from DNS SRV with service name: ceph-mon\n');
    logLine('monclient: get_monmap_and_config cannot identify monitors to contact');
    throw new ToolExit(1, noConfig);
  }
  const rados = makeRados(config);
  if (rados === undefined) throw new ToolExit(1, noConfig);
  try {
    await rados.connect();
  } catch (error) {
    rados.shutdown();
    logLine(`monclient: ${(error as Error).message}`);
    throw new ToolExit(1, noConfig);
  }
  return { rados, rest };
}

async function run(argv: readonly string[]): Promise<number> {
  if (argv.length === 0) throw new ToolExit(1, 'rados: -h or --help for usage\n');
  if (wantsHelp(argv)) {
    out(RADOS_USAGE + CLIENT_USAGE);
    return 0;
  }
  const words = withCephArgs(argv);
  const format = takeFormat(words);
  const { identity, rest: given, isVersion } = takeIdentity(words);
  if (isVersion) {
    out(VERSION_TEXT);
    return 0;
  }
  const { rados, rest } = await connect(identity, given);
  try {
    const sorted = readWords(rest);
    if (sorted.args.length === 0) throw new ToolExit(1, 'rados: you must give an action. Try --help\n');
    const values = new Map(sorted.values);
    if (format !== undefined && !values.has('format')) values.set('format', format);
    const session = await openSession(rados, readInput({ ...sorted, values }));
    const name = sorted.args[0]!;
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) err(`unrecognized command ${name}; -h or --help for usage\n`);
    const result = command === undefined ? -EINVAL : await command(session);
    if (result >= 0) return result;
    err(`error ${-result}: ${cppStrerror(result)}\n`);
    return 1;
  } finally {
    rados.shutdown();
  }
}

/** `rados ARGS`. Gives the exit status. */
export async function rados(argv: readonly string[]): Promise<number> {
  installCrc32cOnDemand();
  try {
    return await run(argv);
  } catch (error) {
    if (error instanceof UsageExit) error.print();
    else if (error instanceof ToolExit) err(error.message);
    else if (error instanceof DecodeError || isErrno(error)) {
      err(`error: ${error.message}\n`);
      return 1;
    } else throw error;
    return error.status;
  }
}
