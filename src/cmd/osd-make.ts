import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mkfs, SPARE_BYTES } from '../osd/index.ts';
import { DiskStore, MemoryStore, type ObjectStore } from '../store/index.ts';
import type { DaemonContext } from './daemon.ts';

export function isMemory({ config }: DaemonContext): boolean {
  return config.str('osd_objectstore') === 'memstore';
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
  const file = join(path, 'osd_uuid');
  if (typeof given !== 'string' && existsSync(file)) return readFileSync(file, 'utf8').trim();
  const made = typeof given === 'string' ? given : randomUUID();
  writeFileSync(file, `${made}\n`);
  return made;
}

/** The number of the OSD, and the directory of its data. */
export function osdPlace(context: DaemonContext): { whoami: number; path: string } {
  const { id } = context;
  if (!/^\d+$/.test(id)) throw new Error(`osd.${id}: an OSD's id is a number`);
  return { whoami: Number(id), path: dataPath(context) };
}

/** bluestore_block_path: where the data goes, a device or a file; a link `block` in the directory leads there, as in Ceph's. */
function linkBlock(context: DaemonContext, path: string): void {
  const target = context.config.expand(context.config.str('bluestore_block_path'));
  const link = join(path, 'block');
  if (target === '' || isMemory(context) || existsSync(link)) return;
  if (!existsSync(target)) throw new Error(`bluestore_block_path: there is no ${target}`);
  symlinkSync(target, link);
}

/** Formats a store as that of the OSD that the context names. */
export async function formatOsd(context: DaemonContext, store: ObjectStore): Promise<void> {
  const { whoami, path } = osdPlace(context);
  mkdirSync(path, { recursive: true });
  linkBlock(context, path);
  const clusterFsid = context.config.str('fsid');
  if (clusterFsid === '') throw new Error('fsid is not set: of which cluster is the OSD to be?');
  await mkfs(store, { clusterFsid, osdFsid: osdFsid(context, path), whoami });
}

/** `--mkfs`: a new OSD's store. */
export async function makeOsd(context: DaemonContext): Promise<void> {
  const { path } = osdPlace(context);
  await formatOsd(context, context.store ?? osdStore(context));
  context.logger.log('osd', 0, `made the store of osd.${context.id} in ${path}`);
}

/** The store of an OSD as its configuration has it; not mounted. */
export function osdStore(context: DaemonContext): ObjectStore {
  const { config, clock, disk, entropy, id } = context;
  if (isMemory(context)) return new MemoryStore(clock, { size: config.num('memstore_device_bytes') });
  // Ceph's is off and about devices, and so it is for those here. A block file is sparse: there it is on, unless somebody said no.
  const isDiscardOn = config.bool('bdev_enable_discard');
  const isPunchOff = !isDiscardOn && config.sources('bdev_enable_discard').some(({ layer }) => layer !== 'default');
  if (config.sources('bdev_async_discard').some(({ layer }) => layer !== 'default')) {
    context.logger.log('osd', 0, `osd.${id}: bdev_async_discard has no effect: discards always run in the background`);
  }
  return new DiskStore({ clock, disk, entropy }, osdPlace(context).path, {
    size: Math.floor(config.num('bluestore_block_size') / 4096) * 4096 + SPARE_BYTES,
    syncInTurn_ms: 1,
    discardDevices: isDiscardOn,
    ...(isPunchOff ? { punchAfter_ms: 0 } : {}),
    onNotice: (message) => context.logger.log('osd', 0, `osd.${id}: ${message}`),
    onFailure: (error) => context.fatal(`osd.${id}: the store failed: ${error.message}`),
  });
}
