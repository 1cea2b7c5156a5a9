import { CryptoKey, type EntityAuth, KeyRing } from '../auth/index.ts';
import { encodeToBytes } from '../encoding/index.ts';
import { systemClock, systemEntropy } from '../runtime/index.ts';
import { EntityAddrVec, MonMap, makeMonInfo, monMap, utimeFromMs } from '../types/index.ts';
import { type ClusterDir, type ClusterPlan, monAddresses, monIds, writeFile } from './layout.ts';

function entity(caps: Record<string, string>): EntityAuth {
  return { key: CryptoKey.create(systemEntropy, systemClock.now()), caps: new Map(Object.entries(caps)) };
}

/** Writes one entity's key where its daemon or program looks for it, readable by the owner alone. */
function writeKeyring(path: string, name: string, auth: EntityAuth, withCaps: boolean, durable: boolean): void {
  const keyring = new KeyRing();
  keyring.set(name, withCaps ? auth : { key: auth.key, caps: new Map() });
  writeFile(path, keyring.toBytes(), 0o600, durable);
}

/**
 * Makes the keys of a new cluster: each daemon's and the administrator's in their own files, and all of them in bootstrap.keyring, which the monitors take
 * into their store when they are made and which is removed then.
 */
export function writeKeyrings(dir: ClusterDir, plan: ClusterPlan, durable: boolean): void {
  const all = new KeyRing();
  const add = (name: string, caps: Record<string, string>): EntityAuth => {
    const auth = entity(caps);
    all.set(name, auth);
    return auth;
  };
  const mon = add('mon.', { mon: 'allow *' });
  for (const id of monIds(plan)) writeKeyring(dir.file(`mon.${id}`, 'keyring'), 'mon.', mon, true, durable);
  writeKeyring(
    dir.adminKeyring,
    'client.admin',
    add('client.admin', { mon: 'allow *', osd: 'allow *', mds: 'allow *', mgr: 'allow *' }),
    true,
    durable,
  );
  writeKeyring(
    dir.file('mgr.x', 'keyring'),
    'mgr.x',
    add('mgr.x', { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' }),
    false,
    durable,
  );
  for (let i = 0; i < plan.osds; i++) {
    const auth = add(`osd.${i}`, { mgr: 'allow profile osd', mon: 'allow profile osd', osd: 'allow *' });
    writeKeyring(dir.file(`osd.${i}`, 'keyring'), `osd.${i}`, auth, false, durable);
  }
  writeFile(dir.file('bootstrap.keyring'), all.toBytes(), 0o600, durable);
}

/** Writes the first monitor map, as monmaptool would. */
export function writeMonMap(dir: ClusterDir, plan: ClusterPlan, durable: boolean): void {
  const now = utimeFromMs(systemClock.now());
  let map = new MonMap({ fsid: plan.fsid, created: now, lastChanged: now });
  for (const { id, port } of monAddresses(plan)) {
    map = map.withMon(makeMonInfo(id, EntityAddrVec.parse(`[v2:127.0.0.1:${port}/0]`)!));
  }
  writeFile(dir.file('monmap'), encodeToBytes(monMap, map), 0o644, durable);
}
