import { CryptoKey, type EntityAuth } from '../../auth/index.ts';
import { ErrnoError } from '../../base/index.ts';
import { isLinked, removeItem, setDeviceClass } from '../../crush/index.ts';
import { decodeText, encodeText } from '../../encoding/index.ts';
import { OSD_IN, osdState, pgState, uuidZero } from '../../types/index.ts';
import { requireSame } from '../auth.ts';
import { type CommandCall, type CommandResult, committing, done, failure, reply } from '../commands/registry.ts';
import type { Monitor } from '../monitor.ts';
import type { OsdMonitor } from './osd-monitor.ts';
import { removeFromMap } from './state-commands.ts';

/** What `osd new -i` brings: a JSON object of strings. */
function readParams(data: Uint8Array): ReadonlyMap<string, string> {
  if (data.length === 0) return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(decodeText(data));
  } catch {
    throw new ErrnoError('EINVAL', 'the input is not valid JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ErrnoError('EINVAL', 'the input is not a JSON object');
  }
  return new Map(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
}

function idOutput({ f }: CommandCall, id: number): string {
  if (f === undefined) return `${id}\n`;
  f.openObject('created_osd');
  f.int('osdid', id);
  f.close();
  return f.flush();
}

function idOfUuid(osd: OsdMonitor, uuid: string): number | undefined {
  if (uuid === uuidZero) return undefined;
  for (const id of osd.map.osds()) if (osd.map.osdUuid[id] === uuid) return id;
  return undefined;
}

/** The first id that no OSD has. */
function freeId(osd: OsdMonitor): number {
  for (let id = 0; id < osd.map.maxOsd; id++) if (!osd.map.exists(id)) return id;
  return osd.map.maxOsd;
}

function create(osd: OsdMonitor, id: number, uuid: string, deviceClass: string): void {
  const { map, pending } = osd;
  if (id >= map.maxOsd) pending.newMaxOsd = Math.max(pending.newMaxOsd, id + 1);
  // The weight makes it exist; it stays new until it has booted.
  pending.newWeight.set(id, OSD_IN);
  pending.newState.set(id, osdState.NEW);
  if (uuid !== uuidZero) pending.newUuid.set(id, uuid);
  if (deviceClass === '') return;
  const crush = osd.editCrush();
  if (!crush.itemNames.has(id)) crush.setItemName(id, `osd.${id}`);
  if (id >= crush.maxDevices) crush.maxDevices = id + 1;
  if (setDeviceClass(crush, id, deviceClass)) osd.setCrush(crush);
}

interface Secrets {
  readonly cephx: EntityAuth;
  readonly lockbox: EntityAuth | undefined;
  readonly dmcryptKey: string;
}

function readKey(text: string, what: string): CryptoKey {
  const key = CryptoKey.fromBase64(text);
  if (key === undefined || key.isEmpty) throw new ErrnoError('EINVAL', `invalid ${what}.`);
  return key;
}

function readSecrets(params: ReadonlyMap<string, string>, uuid: string): Secrets | undefined {
  const cephx = params.get('cephx_secret');
  const lockbox = params.get('cephx_lockbox_secret');
  const dmcryptKey = params.get('dmcrypt_key');
  if (cephx === undefined && lockbox === undefined && dmcryptKey === undefined) return undefined;
  if (cephx === undefined) throw new ErrnoError('EINVAL', 'requires a cephx secret.');
  if ((lockbox === undefined) !== (dmcryptKey === undefined)) {
    throw new ErrnoError('EINVAL', 'requires both a cephx lockbox secret and a dm-crypt key.');
  }
  const lockboxCap = `allow command "config-key get" with key="dm-crypt/osd/${uuid}/luks"`;
  return {
    cephx: {
      key: readKey(cephx, 'cephx secret'),
      caps: new Map([
        ['osd', 'allow *'],
        ['mon', 'allow profile osd'],
        ['mgr', 'allow profile osd'],
      ]),
    },
    lockbox:
      lockbox === undefined
        ? undefined
        : { key: readKey(lockbox, 'cephx lockbox secret'), caps: new Map([['mon', lockboxCap]]) },
    dmcryptKey: dmcryptKey ?? '',
  };
}

const luksKey = (uuid: string): string => `dm-crypt/osd/${uuid}/luks`;

/** osd new UUID [ID] -i SECRETS: asking again with the same things gives the same id. */
export function newOsd(mon: Monitor, call: CommandCall): CommandResult {
  const { osd, auth, kv } = mon;
  const { map } = osd;
  const uuid = call.args.str('uuid');
  let id = call.args.optionalNum('id');
  if (id !== undefined && id < 0) return failure('EINVAL', 'invalid OSD id; must be greater or equal than zero.');
  const params = readParams(call.data);
  const recreate = id !== undefined && map.isDestroyed(id);
  const existing = idOfUuid(osd, uuid);
  if (existing !== undefined && id !== undefined && existing !== id) {
    return failure('EEXIST', `uuid ${uuid} already in use for different id ${existing}`);
  }
  if (existing === undefined && id !== undefined && map.exists(id) && !recreate) {
    return failure('EINVAL', `id ${id} already in use and does not match uuid ${uuid}`);
  }
  id = existing ?? id ?? freeId(osd);
  if (id >= mon.config.num('mon_max_osd')) {
    return failure('ERANGE', `cannot make osd.${id}: mon_max_osd is ${mon.config.num('mon_max_osd')}`);
  }
  const secrets = readSecrets(params, uuid);
  const lockboxName = `client.osd-lockbox.${uuid}`;
  const missing: [name: string, auth: EntityAuth][] = [];
  if (secrets !== undefined) {
    const wanted: [string, EntityAuth | undefined][] = [
      [`osd.${id}`, secrets.cephx],
      [lockboxName, secrets.lockbox],
    ];
    for (const [name, entity] of wanted) {
      if (entity === undefined) continue;
      const known = auth.keyServer.get(name);
      if (known === undefined) missing.push([name, entity]);
      else requireSame(name, known, entity.key, entity.caps);
    }
  }
  if (existing !== undefined) {
    return missing.length > 0
      ? failure('EEXIST', `osd.${id} exists but secrets do not match`)
      : reply(idOutput(call, id));
  }
  if (missing.length > 0) {
    if (!auth.isWriteable) throw new ErrnoError('EAGAIN', 'keys are being written; try again');
    for (const [name, entity] of missing) auth.addEntity(name, entity);
    auth.submit();
  }
  if (secrets?.lockbox !== undefined) {
    kv.whenWriteable(() => {
      kv.set(luksKey(uuid), encodeText(secrets.dmcryptKey));
      kv.submit();
    });
  }
  if (recreate) {
    osd.pending.newState.set(id, osdState.DESTROYED | (osdState.NEW & ~map.osdState[id]!));
    osd.pending.newUuid.set(id, uuid);
  } else create(osd, id, uuid, params.get('crush_device_class') ?? '');
  return committing('', idOutput(call, id));
}

/** osd create [UUID] [ID] */
export function createOsd(osd: OsdMonitor, call: CommandCall): CommandResult {
  const uuid = call.args.strOr('uuid', uuidZero);
  const wanted = uuid === uuidZero ? undefined : call.args.optionalNum('id');
  if (wanted !== undefined && osd.map.isDestroyed(wanted)) {
    return failure('EINVAL', 'ceph osd create has been deprecated. Please use ceph osd new instead.');
  }
  const existing = idOfUuid(osd, uuid);
  if (existing !== undefined) {
    return wanted !== undefined && wanted !== existing
      ? failure('EEXIST', `uuid ${uuid} already in use for different id ${existing}`)
      : reply(idOutput(call, existing));
  }
  if (wanted !== undefined && osd.map.exists(wanted)) {
    return failure('EINVAL', `id ${wanted} already in use and does not match uuid ${uuid}`);
  }
  const id = wanted ?? freeId(osd);
  create(osd, id, uuid, '');
  return committing('', idOutput(call, id));
}

/** Nothing is lost with an OSD on which no PG is or should be, while all PGs are whole. @throws ErrnoError EBUSY, EAGAIN */
export function requireSafeToDestroy(mon: Monitor, id: number): void {
  const { map } = mon.osd;
  if (!map.exists(id)) return;
  if (map.isUp(id)) throw new ErrnoError('EBUSY', `osd.${id} is not \`down\`.`);
  let here = 0;
  for (const [pool, { pgNum }] of map.pools) {
    for (let seed = 0; seed < pgNum; seed++) {
      const { up, acting } = map.pgToUpActing({ pool, seed });
      if (up.includes(id) || acting.includes(id)) here++;
    }
  }
  if (here > 0) {
    throw new ErrnoError(
      'EBUSY',
      `OSD(s) ${id} have ${here} pgs currently mapped to them. You can proceed by passing --force, but be warned that this will likely mean real, permanent data loss.`,
    );
  }
  const { numPg, numPgByState } = mon.mgrStat.digest;
  let whole = 0;
  for (const [state, n] of numPgByState) {
    if ((state & pgState.CLEAN) !== 0n && (state & pgState.STALE) === 0n) whole += n;
  }
  if (whole < numPg) {
    throw new ErrnoError(
      'EAGAIN',
      `OSD(s) ${id}: ${numPg - whole} pgs are not clean, so the last copy of something may be there. You can proceed by passing --force, but be warned that this will likely mean real, permanent data loss.`,
    );
  }
}

/** osd destroy, osd purge, osd purge-new */
export function endOsd(mon: Monitor, { prefix, args }: CommandCall): CommandResult {
  const { osd, auth, kv } = mon;
  const { map, pending } = osd;
  const id = args.num('id');
  const destroy = prefix.startsWith('osd destroy');
  if (!args.flag('yes_i_really_mean_it')) {
    return failure(
      'EPERM',
      "Are you SURE?  Did you verify with 'ceph osd safe-to-destroy'?  This will mean real, permanent data loss, as well as deletion of cephx and lockbox keys. Pass --yes-i-really-mean-it if you really do.",
    );
  }
  if (!map.exists(id)) return done(`osd.${id} does not exist`);
  if (map.isUp(id)) return failure('EBUSY', `osd.${id} is not \`down\`.`);
  if (destroy && map.isDestroyed(id)) return done(`destroyed osd.${id}`);
  if (prefix === 'osd purge-new' && (map.osdState[id]! & osdState.NEW) === 0) {
    return failure('EPERM', `osd.${id} is not new`);
  }
  const uuid = map.osdUuid[id]!;
  if (!auth.isWriteable) throw new ErrnoError('EAGAIN', 'keys are being written; try again');
  const gone = [`osd.${id}`, `client.osd-lockbox.${uuid}`].filter((name) => auth.removeEntity(name));
  if (gone.length > 0) auth.submit();
  const secrets = [...kv.keys(`dm-crypt/osd/${uuid}/`), ...kv.keys(`daemon-private/osd.${id}/`)];
  if (secrets.length > 0) {
    kv.whenWriteable(() => {
      for (const key of secrets) kv.set(key, undefined);
      kv.submit();
    });
  }
  if (destroy) {
    pending.newState.set(id, osdState.DESTROYED);
    pending.newUuid.set(id, uuidZero);
    return committing(`destroyed osd.${id}`);
  }
  const crush = osd.editCrush();
  if (crush.itemNames.has(id)) {
    if (isLinked(crush, id)) removeItem(crush, id);
    else {
      crush.deleteItemName(id);
      crush.itemClasses.delete(id);
      crush.changed();
    }
    osd.setCrush(crush);
  }
  removeFromMap(osd, id);
  osd.metadata.remove(id);
  return committing(`purged osd.${id}`);
}
