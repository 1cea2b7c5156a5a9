import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { KeyRing } from '../auth/index.ts';
import { Monitor } from '../mon/index.ts';
import { EntityAddrVec } from '../types/index.ts';
import { claimDirectory } from './claim.ts';
import { commonAdminCommand } from './common-admin.ts';
import type { DaemonContext, RunningDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';
import { monDataPath, openMonStore } from './mon-make.ts';

const MON_PORT = 3300;

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

/** Where a monitor listens that the map does not have: `public_addrv` or `public_addr`, at Ceph's port unless it names one. */
function ownAddrs({ config }: DaemonContext): EntityAddrVec {
  const text = config.str('public_addrv') || config.str('public_addr');
  if (text === '' || text === '-') return EntityAddrVec.empty;
  const addrs = EntityAddrVec.parse(text) ?? EntityAddrVec.empty;
  return new EntityAddrVec(addrs.addrs.map((addr) => (addr.port === 0 ? addr.with({ port: MON_PORT }) : addr)));
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
    addrs: ownAddrs(context),
    removed: () => context.fatal(`mon.${id} was removed from the cluster's monitor map`),
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
