import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '../auth/index.ts';
import type { Kv } from '../base/index.ts';
import { decodeFromBytes } from '../encoding/index.ts';
import { isMade, Monitor, mkfs } from '../mon/index.ts';
import { monMap } from '../types/index.ts';
import { claimDirectory } from './claim.ts';
import { commonAdminCommand } from './common-admin.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';

const flags = {
  mkfs: { type: 'boolean' },
  monmap: { type: 'string' },
} as const;

function dataPath({ config }: DaemonContext): string {
  const path = config.expand(config.str('mon_data'));
  if (path === '') throw new Error('mon_data is empty: where is the monitor to keep its state?');
  return path;
}

function openStore(context: DaemonContext): Kv {
  const path = dataPath(context);
  mkdirSync(path, { recursive: true });
  return context.disk.openKv(join(path, 'store.mdb'));
}

/** `--mkfs`: a new monitor's store, from a monitor map and the keys of the cluster's first users. */
function make(context: DaemonContext): void {
  const { monmap } = context.flags;
  if (typeof monmap !== 'string') throw new Error('--mkfs needs --monmap FILE');
  const map = decodeFromBytes(monMap, readFileSync(monmap));
  if (map.mon(context.id) === undefined) throw new Error(`${monmap} has no monitor ${context.id}`);
  const keyring = context.config.expand(context.config.str('keyring'));
  const keys = readFileSync(keyring);
  KeyRing.parse(keys, keyring);
  const kv = openStore(context);
  try {
    if (isMade(kv)) throw new Error(`${dataPath(context)} already holds the store of a monitor`);
    mkfs(kv, map, keys);
  } finally {
    kv.close();
  }
}

async function start(context: DaemonContext): Promise<RunningDaemon | undefined> {
  if (context.flags.mkfs === true) {
    make(context);
    return undefined;
  }
  const { id, config, logger } = context;
  const path = dataPath(context);
  const keyring = config.expand(config.str('keyring'));
  if (!existsSync(path)) throw new Error(`mon.${id} has no data in ${path}; make it with --mkfs`);
  const release = claimDirectory(path);
  const kv = openStore(context);
  const monitor = new Monitor({
    ...context,
    kv,
    hostname: hostname().split('.')[0]!,
    keyring: KeyRing.parse(readFileSync(keyring), keyring),
    metadata: hostMetadata(hostname().split('.')[0]!),
    commonCommand: (command, own) => commonAdminCommand(context, command, own),
    statfs: () => context.disk.statfs(path),
    writeClusterLog(file, text) {
      try {
        appendFileSync(config.expand(file), text);
      } catch (error) {
        logger.log('mon', 0, `cannot write the cluster log ${file}: ${(error as Error).message}`);
      }
    },
  });
  await monitor.start();
  logger.log('mon', 0, `mon.${id} runs with its store at ${path}`);
  return {
    async stop() {
      monitor.stop();
      kv.close();
      release();
    },
    adminCommand: (command) => monitor.adminCommand(command),
  };
}

/** `sepiola mon --conf C --id X`, and first `--mkfs --monmap FILE --keyring FILE` */
export function main(argv: string[]): Promise<number> {
  return runDaemon('mon', argv, flags, start);
}
