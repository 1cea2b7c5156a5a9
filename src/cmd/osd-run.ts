import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { KeyRing } from '../auth/index.ts';
import { OsdDaemon } from '../osd/index.ts';
import { claimDirectory } from './claim.ts';
import type { DaemonContext, RunningDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';
import { formatOsd, isMemory, osdPlace, osdStore } from './osd-make.ts';

/** Runs an OSD on the store that `--mkfs` made; a memory store is made at each start. */
export async function startOsd(context: DaemonContext): Promise<RunningDaemon> {
  const { path } = osdPlace(context);
  if (!existsSync(path)) throw new Error(`osd.${context.id} has no data in ${path}; make it with --mkfs`);
  const release = claimDirectory(path);
  try {
    return await run(context, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function run(context: DaemonContext, release: () => void): Promise<RunningDaemon> {
  const { config } = context;
  const { whoami, path } = osdPlace(context);
  const store = context.store ?? osdStore(context);
  if (isMemory(context) && context.store === undefined) await formatOsd(context, store);
  const keyring = config.expand(config.str('keyring'));
  const daemon = new OsdDaemon({
    ...context,
    whoami,
    hostname: hostname().split('.')[0]!,
    keyring: KeyRing.parse(readFileSync(keyring), keyring),
    store,
    metadata: new Map([
      ...hostMetadata(hostname()),
      ['osd_data', path],
      ['osd_objectstore', config.str('osd_objectstore')],
    ]),
  });
  await daemon.start();
  return {
    async stop() {
      await daemon.stop();
      release();
    },
    async abandon() {
      await store.umount();
      release();
    },
    adminCommand: (command) => daemon.adminCommand(command),
  };
}
