import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '../auth/index.ts';
import { mkfs, OsdDaemon, SPARE_BYTES } from '../osd/index.ts';
import { DiskStore, MemoryStore, type ObjectStore } from '../store/index.ts';
import { claimDirectory } from './claim.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from './daemon.ts';
import { hostMetadata } from './metadata.ts';

const flags = {
  mkfs: { type: 'boolean' },
  'osd-uuid': { type: 'string' },
} as const;

function isMemory({ config }: DaemonContext): boolean {
  return config.str('osd_objectstore') === 'memstore';
}

function makeStore(context: DaemonContext, path: string): ObjectStore {
  const { config, clock, disk, entropy, id } = context;
  if (isMemory(context)) return new MemoryStore(clock, { size: config.num('memstore_device_bytes') });
  return new DiskStore({ clock, disk, entropy }, path, {
    size: Math.floor(config.num('bluestore_block_size') / 4096) * 4096 + SPARE_BYTES,
    syncInTurn_ms: 1,
    onFailure: (error) => context.fatal(`osd.${id}: the store failed: ${error.message}`),
  });
}

function dataPath({ config, id }: DaemonContext): string {
  const path = config.expand(config.str('osd_data'));
  if (path === '') throw new Error(`osd_data is empty: where is osd.${id} to keep its data?`);
  return path;
}

/**
 * The OSD's own uuid: given, or made once. A memory store is new at every start, and yet the same OSD to the monitors, so it stands in a file beside.
 */
function osdFsid(context: DaemonContext, path: string): string {
  const given = context.flags['osd-uuid'];
  if (typeof given === 'string') return given;
  const file = join(path, 'osd_uuid');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const made = randomUUID();
  writeFileSync(file, `${made}\n`);
  return made;
}

async function make(context: DaemonContext, store: ObjectStore, path: string, whoami: number): Promise<void> {
  mkdirSync(path, { recursive: true });
  const clusterFsid = context.config.str('fsid');
  if (clusterFsid === '') throw new Error('fsid is not set: of which cluster is the OSD to be?');
  await mkfs(store, { clusterFsid, osdFsid: osdFsid(context, path), whoami });
}

async function start(context: DaemonContext): Promise<RunningDaemon | undefined> {
  const { config, id, logger } = context;
  if (!/^\d+$/.test(id)) throw new Error(`osd.${id}: an OSD's id is a number`);
  const whoami = Number(id);
  const path = dataPath(context);
  const store = makeStore(context, path);
  if (context.flags.mkfs === true) {
    await make(context, store, path, whoami);
    logger.log('osd', 0, `made the store of osd.${id} in ${path}`);
    return undefined;
  }
  if (!existsSync(path)) throw new Error(`osd.${id} has no data in ${path}; make it with --mkfs`);
  const release = claimDirectory(path);
  if (isMemory(context)) await make(context, store, path, whoami);
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
    adminCommand: (command) => daemon.adminCommand(command),
  };
}

/** `sepiola osd --conf C --id N`, and first `--mkfs` */
export function main(argv: string[]): Promise<number> {
  return runDaemon('osd', argv, flags, start);
}
