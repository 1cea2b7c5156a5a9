import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyRing } from '../auth/index.ts';
import type { Kv } from '../base/index.ts';
import { decodeFromBytes } from '../encoding/index.ts';
import { isMade, mkfs } from '../mon/index.ts';
import { monMap } from '../types/index.ts';
import type { DaemonContext } from './daemon.ts';

export function monDataPath({ config }: DaemonContext): string {
  const path = config.expand(config.str('mon_data'));
  if (path === '') throw new Error('mon_data is empty: where is the monitor to keep its state?');
  return path;
}

export function openMonStore(context: DaemonContext): Kv {
  const path = monDataPath(context);
  mkdirSync(path, { recursive: true });
  return context.disk.openKv(join(path, 'store.mdb'));
}

/** `--mkfs`: a new monitor's store, from a monitor map, the keys of the cluster's first users and, where one is given, a first map of OSDs. */
export async function makeMon(context: DaemonContext): Promise<void> {
  const { monmap, osdmap } = context.flags;
  if (typeof monmap !== 'string') throw new Error('--mkfs needs --monmap FILE');
  const map = decodeFromBytes(monMap, readFileSync(monmap));
  const keyring = context.config.expand(context.config.str('keyring'));
  const keys = readFileSync(keyring);
  KeyRing.parse(keys, keyring);
  const kv = openMonStore(context);
  try {
    if (isMade(kv)) throw new Error(`${monDataPath(context)} already holds the store of a monitor`);
    mkfs(kv, map, keys, typeof osdmap === 'string' ? readFileSync(osdmap) : undefined);
  } finally {
    kv.close();
  }
}
