import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { CryptoKey, KeyRing } from '../../auth/index.ts';
import { type Logger, silentLogger } from '../../base/index.ts';
import { Rados } from '../../client/index.ts';
import type { Config } from '../../config/index.ts';
import { FileLogger, logStamp, systemClock, systemEntropy, tcpNetwork } from '../../runtime/index.ts';
import { type MonMap, parseAuthName } from '../../types/index.ts';

/** Lines of the log that Ceph's programs write to stderr too: time, a thread's name, level. */
export function logLine(text: string): void {
  process.stderr.write(`${logStamp(systemClock.now())} ${process.pid.toString(16)} -1 ${text}\n\n`);
}

/** The keys a client may use, by options `key`, `keyfile` and `keyring`; undefined where there are none. */
function clientKeys(config: Config, name: string): KeyRing | undefined {
  const own = config.str('key');
  const keyFile = config.str('keyfile');
  const text = own !== '' ? own : keyFile === '' ? '' : readFileSync(config.expand(keyFile), 'utf8').trim();
  if (text !== '') {
    const key = CryptoKey.fromBase64(text);
    if (key === undefined) {
      logLine('auth: failed to decode key');
      return undefined;
    }
    const ring = new KeyRing();
    ring.set(name, { key, caps: new Map() });
    return ring;
  }
  const paths = config.expand(config.str('keyring'));
  for (const path of paths.split(/[,;\s]+/)) {
    if (path === '') continue;
    try {
      return KeyRing.parse(readFileSync(path), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  logLine(`auth: unable to find a keyring on ${paths}: (2) No such file or directory`);
  logLine(`AuthRegistry no keyring found at ${paths}, disabling cephx`);
  return undefined;
}

/** Where something is logged on purpose (`--debug-ms 1`), it goes to option log_file or to stderr; else nowhere. */
function clientLogger(config: Config): Logger {
  const isWanted = config.sources('log_file').some((s) => s.layer === 'cmdline')
    ? true
    : config.changed().some((n) => n.startsWith('debug_') && config.sources(n).some((s) => s.layer === 'cmdline'));
  if (!isWanted) return silentLogger;
  const path = config.expand(config.str('log_file'));
  return new FileLogger(path === '' ? '/dev/stderr' : path, config, false);
}

/** A handle that is not connected yet. `monMap`: the monitors to begin with, where it is not mon_host that tells them. Undefined where this client has no key: that was said already. */
export function makeRados(config: Config, monMap?: MonMap): Rados | undefined {
  const { type, id } = config.owner;
  const name = `${type}.${id}`;
  const keyring = clientKeys(config, name);
  if (keyring === undefined) return undefined;
  return new Rados({
    name: parseAuthName(name)!,
    keyring,
    config,
    network: tcpNetwork,
    clock: systemClock,
    entropy: systemEntropy,
    log: clientLogger(config),
    hostname: hostname(),
    ...(monMap === undefined ? {} : { monMap }),
  });
}
