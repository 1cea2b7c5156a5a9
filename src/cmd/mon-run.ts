import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { KeyRing } from '../auth/index.ts';
import { Monitor } from '../mon/index.ts';
import { claimDirectory } from './claim.ts';
import { commonAdminCommand } from './common-admin.ts';
import type { DaemonContext, RunningDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';
import { monDataPath, openMonStore } from './mon-make.ts';

/** Runs a monitor on the store that `--mkfs` made. */
export async function startMon(context: DaemonContext): Promise<RunningDaemon> {
  const path = monDataPath(context);
  if (!existsSync(path)) throw new Error(`mon.${context.id} has no data in ${path}; make it with --mkfs`);
  const release = claimDirectory(path);
  try {
    return await run(context, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function run(context: DaemonContext, release: () => void): Promise<RunningDaemon> {
  const { id, config, logger } = context;
  const path = monDataPath(context);
  const keyring = config.expand(config.str('keyring'));
  const kv = openMonStore(context);
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
  const abandon = async (): Promise<void> => {
    kv.close();
    release();
  };
  return {
    async stop() {
      monitor.stop();
      await abandon();
    },
    abandon,
    adminCommand: (command) => monitor.adminCommand(command),
  };
}
