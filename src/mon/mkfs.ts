import type { Kv } from '../base/index.ts';
import { encodeText, encodeToBytes } from '../encoding/index.ts';
import { MonStore, StoreTransaction } from '../paxos/index.ts';
import { type MonMap, monMap } from '../types/index.ts';

/** Table of the monitor's own values. */
export const TABLE = 'monitor';
export const MKFS_TABLE = 'mkfs';
/** Layout of the store: raised when an older program could not read it. */
export const STORE_VERSION = 1;

/**
 * Makes the store of a new monitor. The first start turns what is written here into the cluster's first maps. `osdMap`: an encoded OSDMap for it to begin
 * with, in place of one without OSDs.
 */
export function mkfs(kv: Kv, map: MonMap, keyring: Uint8Array, osdMap?: Uint8Array): void {
  const store = new MonStore(kv);
  const t = new StoreTransaction();
  t.putNumber(TABLE, 'store_version', STORE_VERSION);
  t.put(TABLE, 'cluster_uuid', encodeText(`${map.fsid}\n`));
  t.put(MKFS_TABLE, 'monmap', encodeToBytes(monMap, map));
  t.put(MKFS_TABLE, 'keyring', keyring);
  if (osdMap !== undefined) t.put(MKFS_TABLE, 'osdmap', osdMap);
  store.commitSync(t.ops);
}

/** Whether a store was made by {@link mkfs}. */
export function isMade(kv: Kv): boolean {
  return new MonStore(kv).exists(TABLE, 'cluster_uuid');
}
