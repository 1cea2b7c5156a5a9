import { CryptoKey, KeyRing } from '../auth/index.ts';
import { ErrnoError, type Logger, silentLogger } from '../base/index.ts';
import { asRadosError, Rados as Client } from '../client/index.ts';
import { type ConfFile, Config, confFor, parseConf } from '../config/index.ts';
import { decodeText } from '../encoding/index.ts';
import { installCrc32cOnDemand, systemClock, systemEntropy, tcpNetwork, thisProcess } from '../runtime/index.ts';
import { parseAuthName } from '../types/index.ts';
import { parseCephArgs } from './ceph-args.ts';
import { findMonitors } from './monitors.ts';

/** How to find a cluster, and who one is there. Nothing given: as Ceph's programs do it. */
export interface ConnectOptions {
  /**
   * Path of a ceph.conf; false: none is read. By default what environment variable CEPH_CONF names, else the first that is there of
   * `/etc/ceph/CLUSTER.conf`, `~/.ceph/CLUSTER.conf`, `CLUSTER.conf`. One that is named must be there (ENOENT).
   */
  readonly conf?: string | false | undefined;
  /** Name of the cluster, which default paths contain; 'ceph'. */
  readonly cluster?: string | undefined;
  /** Who: `client.admin`. */
  readonly name?: string | undefined;
  /**
   * Addresses of monitors, as option mon_host has them: `10.0.0.1`, `10.0.0.1:6789`, `v2:10.0.0.1:3300`, `[v2:...,v1:...]`, or names of hosts.
   * Else option mon_host, then `[mon.x]` sections with `mon addr`, then DNS SRV records (option mon_dns_srv_name: `_ceph-mon._tcp`).
   */
  readonly monHost?: string | readonly string[] | undefined;
  /** The key itself, in base64. */
  readonly key?: string | undefined;
  /** Path of a file with the user's key; else option keyring, or environment variable CEPH_KEYRING. */
  readonly keyring?: string | undefined;
  /** More of Ceph's options, over all others: `{ rados_osd_op_timeout: 10, ms_client_mode: 'secure' }`. */
  readonly options?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Milliseconds for the whole of it; else option client_mount_timeout, 300 s. ETIMEDOUT. */
  readonly timeout_ms?: number | undefined;
  /** Gives up: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Gets what the library has to say of its doings; levels as Ceph's debug levels. */
  readonly log?: Logger | undefined;
}

function confPaths(options: ConnectOptions, named: string | undefined, cluster: string, config: Config): string[] {
  if (options.conf === false) return [];
  if (named !== undefined) return named.split(/[,;\s]+/).map((path) => config.expand(path));
  return [`/etc/ceph/${cluster}.conf`, `${thisProcess.homedir}/.ceph/${cluster}.conf`, `${cluster}.conf`];
}

function makeConfig(options: ConnectOptions): { config: Config; conf: ConfFile | undefined; name: string } {
  const args = parseCephArgs(thisProcess.env('CEPH_ARGS') ?? '');
  const name = options.name ?? args.name ?? 'client.admin';
  const cluster = options.cluster ?? args.cluster ?? 'ceph';
  const authName = parseAuthName(name);
  if (authName === undefined) throw new ErrnoError('EINVAL', `'${name}' is no name like client.admin`);
  const [type, id] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)];
  const { hostname, pid } = thisProcess;
  const config = new Config({ cluster, type, id, host: hostname.split('.')[0]!, pid, daemon: false });
  const named = (options.conf === false ? undefined : options.conf) ?? args.conf ?? thisProcess.env('CEPH_CONF');
  let conf: ConfFile | undefined;
  const paths = confPaths(options, named, cluster, config);
  for (const path of paths) {
    const text = thisProcess.readFile(path);
    if (text === undefined) continue;
    conf = parseConf(decodeText(text), path);
    break;
  }
  if (conf !== undefined) config.replaceLayer('file', confFor(conf, type, id));
  else if (named !== undefined && options.conf !== false) {
    throw new ErrnoError('ENOENT', `no configuration file at ${named}`);
  }
  const keyring = thisProcess.env('CEPH_KEYRING');
  if (keyring !== undefined) config.set('env', 'keyring', keyring);
  for (const [option, text] of args.options) config.set('env', option, text);
  const given: Record<string, string | number | boolean> = { ...options.options };
  if (options.monHost !== undefined) given.mon_host = [options.monHost].flat().join(' ');
  if (options.key !== undefined) given.key = options.key;
  if (options.keyring !== undefined) given.keyring = options.keyring;
  for (const [option, value] of Object.entries(given)) config.set('override', option, String(value));
  return { config, conf, name };
}

/** The keys that the options name. ENOENT where there are none, unless nothing asks for one; EINVAL where a key is none. */
function findKeys(config: Config, name: string): KeyRing {
  const own = config.str('key');
  const keyFile = config.str('keyfile');
  const file = own === '' && keyFile !== '' ? thisProcess.readFile(config.expand(keyFile)) : undefined;
  const text = own !== '' ? own : file === undefined ? '' : decodeText(file).trim();
  if (text !== '') {
    const key = CryptoKey.fromBase64(text);
    if (key === undefined) throw new ErrnoError('EINVAL', 'the key is no key');
    const ring = new KeyRing();
    ring.set(name, { key, caps: new Map() });
    return ring;
  }
  const paths = config.expand(config.str('keyring')).split(/[,;\s]+/);
  for (const path of paths) {
    const content = path === '' ? undefined : thisProcess.readFile(path);
    if (content !== undefined) return KeyRing.parse(content, path);
  }
  if (!/cephx/.test(config.str('auth_client_required'))) return new KeyRing();
  throw new ErrnoError('ENOENT', `no keyring at ${paths.filter((p) => p !== '').join(', ')}`);
}

/** A connection to a cluster: see {@link Rados.connect}. */
export class Rados extends Client {
  /**
   * Connects to a cluster: authenticates with a monitor and gets the map of OSDs. Rejects with {@link RadosError}: ENOENT (no configuration, key or
   * monitors to be found), EACCES (the cluster does not know this user, or has another key), ETIMEDOUT, EINVAL.
   *
   *     await using rados = await Rados.connect({ conf: '/etc/ceph/ceph.conf', name: 'client.app' });
   *     const pool = await rados.openPool('data');
   */
  static async connect(options: ConnectOptions = {}): Promise<Rados> {
    const { signal } = options;
    signal?.throwIfAborted();
    installCrc32cOnDemand();
    const rados = await asRadosError('connect', async () => {
      const { config, conf, name } = makeConfig(options);
      const keyring = findKeys(config, name);
      return new Rados({
        name: parseAuthName(name)!,
        keyring,
        config,
        network: tcpNetwork,
        clock: systemClock,
        entropy: systemEntropy,
        log: options.log ?? silentLogger,
        monMap: await findMonitors(config, conf),
        hostname: thisProcess.hostname,
      });
    });
    const abort = (): void => rados.shutdown();
    signal?.addEventListener('abort', abort);
    try {
      signal?.throwIfAborted();
      await rados.connect(options.timeout_ms);
    } catch (error) {
      rados.shutdown();
      if (signal?.aborted) throw signal.reason;
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    return rados;
  }
}
