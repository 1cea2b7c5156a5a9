import { CryptoKey, type EntityAuth, KeyRing } from '../auth/index.ts';
import { createOrMoveItem, encodeCrushMap, initialCrushMap, parseLocation, setDeviceClass } from '../crush/index.ts';
import { encodeToBytes } from '../encoding/index.ts';
import { systemClock, systemEntropy } from '../runtime/index.ts';
import {
  EntityAddrVec,
  MonMap,
  makeMonInfo,
  monMap,
  OSD_IN,
  OSDMap,
  OSDMapIncremental,
  osdState,
  release,
  utimeFromMs,
} from '../types/index.ts';
import {
  type ClusterDir,
  type ClusterPlan,
  chooseleafType,
  monAddresses,
  monIds,
  osdHost,
  writeFile,
} from './layout.ts';

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

/** Options that say otherwise where an OSD stands, what it weighs, or of which class it is. */
const PLACING =
  /^(crush_location|osd_crush_|osd_class_update_on_start|osd_objectstore|bluestore_block_size|memstore_device_bytes)/;

/**
 * The first map of OSDs: each is known, by its uuid in `uuids`, and has its place in the CRUSH tree. It is the map that the OSDs would make of an empty one, each in
 * three steps that all the others have to follow, as they start. Undefined where options place them otherwise.
 */
export function firstOsdMap(plan: ClusterPlan, uuids: readonly string[]): Uint8Array | undefined {
  if (plan.settings.some(([, name]) => PLACING.test(name))) return undefined;
  const crush = initialCrushMap(chooseleafType(plan));
  const weight = Math.max(0.00001, Math.round((plan.osdSize / 2 ** 40) * 1e5) / 1e5);
  const inc = new OSDMapIncremental(1);
  inc.newMaxOsd = plan.osds;
  inc.newLastInChange = utimeFromMs(systemClock.now());
  uuids.forEach((uuid, osd) => {
    inc.newWeight.set(osd, OSD_IN);
    inc.newState.set(osd, osdState.NEW);
    inc.newUuid.set(osd, uuid);
    createOrMoveItem(crush, osd, weight, `osd.${osd}`, parseLocation(['root=default', `host=${osdHost(plan, osd)}`]));
    setDeviceClass(crush, osd, 'ssd');
  });
  const empty = new OSDMap({ requireOsdRelease: release.PACIFIC });
  inc.crush = encodeCrushMap(crush, empty.encodingFeatures).slice();
  return empty.apply(inc).encode().bytes;
}
