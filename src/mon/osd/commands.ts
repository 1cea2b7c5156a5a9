import {
  CRUSH_ITEM_NONE,
  EntityAddr,
  entityType,
  entityTypeName,
  formatG,
  formatUtime,
  minCompatClient,
  parsePgId,
  pgKeyOf,
  release,
  releaseFeatures,
  releaseFromFeatures,
  releaseFromName,
  releaseName,
  type UpmapItem,
  utimeAdd,
  utimeFromMs,
  utimeFromSeconds,
} from '../../types/index.ts';
import {
  type CommandCall,
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  failure,
} from '../commands/registry.ts';
import type { Monitor } from '../monitor.ts';
import { registerCrushCommands } from './crush-commands.ts';
import { createOsd, endOsd, newOsd, requireSafeToDestroy } from './lifecycle.ts';
import type { OsdMonitor } from './osd-monitor.ts';
import {
  changeApplication,
  createPool,
  makeSnap,
  removePool,
  removeSnap,
  renamePool,
  setPool,
  setQuota,
} from './pools.ts';
import { registerReadCommands } from './read-commands.ts';
import {
  changeFlag,
  changeGroupFlags,
  changeOsds,
  markLost,
  reweight,
  reweightMany,
  setMaxOsd,
  setPrimaryAffinity,
  setRatio,
} from './state-commands.ts';
import { registerWeightSetCommands } from './weight-sets.ts';

/** Longest time to blocklist an address for: what ends beyond 2106 has no time on the wire. */
const BLOCKLIST_SECONDS_MAX = 30 * 365 * 86400;

/** osd blocklist add|rm ADDR [SECONDS] */
function changeBlocklist(osd: OsdMonitor, { args, prefix }: CommandCall): CommandResult {
  if (args.strOr('range', '') !== '') {
    return failure('EOPNOTSUPP', 'blocklisting ranges of addresses is not supported yet; name each address');
  }
  const text = args.str('addr');
  const parsed = EntityAddr.parse(text, 3);
  if (parsed === undefined) return failure('EINVAL', `unable to parse address ${text}`);
  const addr = parsed.with({ type: 3 });
  const op = args.str(prefix.endsWith('blacklist') ? 'blacklistop' : 'blocklistop');
  const key = addr.toString();
  if (op === 'add') {
    const seconds = args.numOr('expire', osd.config.num('mon_osd_blocklist_default_expire'));
    if (seconds > BLOCKLIST_SECONDS_MAX) return failure('EINVAL', `${formatG(seconds)} sec is too long`);
    const until = utimeAdd(utimeFromMs(osd.clock.now()), utimeFromSeconds(seconds));
    // A map keeps the time of an address that it has; a new time comes by removing it first.
    if (osd.map.blocklist.has(key)) osd.pending.oldBlocklist.push(addr);
    osd.pending.newBlocklist.set(key, { addr, until });
    return committing(`blocklisting ${addr.legacyText} until ${formatUtime(until)} (${formatG(seconds)} sec)`);
  }
  if (!osd.map.blocklist.has(key)) return done(`${addr.legacyText} isn't blocklisted`);
  osd.pending.oldBlocklist.push(addr);
  return committing(`un-blocklisting ${addr.legacyText}`);
}

function clearBlocklist(osd: OsdMonitor): CommandResult {
  for (const { addr } of osd.map.blocklist.values()) osd.pending.oldBlocklist.push(addr);
  return committing(' removed all blocklist entries');
}

/** A PG that exists, or the reply that says why not. */
function findPg(osd: OsdMonitor, text: string): { pool: number; seed: number } | CommandResult {
  const pg = parsePgId(text);
  if (pg === undefined) return failure('EINVAL', `invalid pgid '${text}'`);
  const pool = osd.map.pool(pg.pool);
  if (pool === undefined || pg.seed >= pool.pgNum) return failure('ENOENT', `pg ${text} does not exist`);
  return pg;
}

function isReply(x: { pool: number; seed: number } | CommandResult): x is CommandResult {
  return 'status' in x;
}

/** Checks a set of OSDs for a PG; undefined where it will do. */
function badSet(osd: OsdMonitor, pool: number, ids: readonly number[]): CommandResult | undefined {
  const info = osd.map.pool(pool)!;
  for (const id of ids) {
    if (id !== CRUSH_ITEM_NONE && !osd.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
  }
  if (ids.length < info.minSize) {
    return failure('EINVAL', `num of osds (${ids.length}) < pool min size (${info.minSize})`);
  }
  if (ids.length > info.size) return failure('EINVAL', `num of osds (${ids.length}) > pool size (${info.size})`);
  return undefined;
}

function pgTemp(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const text = args.str('pgid');
  const pg = findPg(osd, text);
  if (isReply(pg)) return pg;
  const ids = [...args.numbers('id')];
  if (ids.length > 0) {
    const bad = badSet(osd, pg.pool, ids);
    if (bad !== undefined) return bad;
  }
  osd.pending.newPgTemp.set(pgKeyOf(pg), ids);
  return committing(
    ids.length === 0 ? `done cleaning up pg_temp of ${text}` : `set ${text} pg_temp mapping to [${ids.join(',')}]`,
  );
}

function primaryTemp(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const text = args.str('pgid');
  const pg = findPg(osd, text);
  if (isReply(pg)) return pg;
  const id = args.num('id');
  if (id !== -1 && !osd.map.exists(id)) return failure('ENOENT', `osd.${id} does not exist`);
  osd.pending.newPrimaryTemp.set(pgKeyOf(pg), id);
  return committing(`set ${text} primary_temp mapping to ${id}`);
}

function repeer(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const text = args.str('pgid');
  const pg = findPg(osd, text);
  if (isReply(pg)) return failure('ENOENT', `pg '${text}' does not exist`);
  const { acting, actingPrimary } = osd.map.pgToUpActing(pg);
  if (actingPrimary < 0) return failure('EAGAIN', 'pg currently has no primary');
  if (acting.length > 1) {
    osd.pending.newPgTemp.set(pgKeyOf(pg), [actingPrimary]);
    return committing('');
  }
  const other = [...osd.map.osds()].find((id) => id !== actingPrimary && osd.map.isUp(id));
  if (other === undefined) return failure('EAGAIN', 'not enough up OSDs in the cluster to force repeer');
  osd.pending.newPgTemp.set(pgKeyOf(pg), [actingPrimary, other]);
  return committing('');
}

function upmap(osd: OsdMonitor, { prefix, args }: CommandCall): CommandResult {
  const { requireMinCompatClient } = osd.map;
  if (requireMinCompatClient < release.LUMINOUS) {
    return failure(
      'EPERM',
      `min_compat_client ${releaseName(requireMinCompatClient)} < luminous, which is required for pg-upmap. Try 'ceph osd set-require-min-compat-client luminous' before using the new interface`,
    );
  }
  const text = args.str('pgid');
  const pg = findPg(osd, text);
  if (isReply(pg)) return pg;
  const key = pgKeyOf(pg);
  const { pending } = osd;
  if (prefix === 'osd rm-pg-upmap') {
    pending.oldPgUpmap.add(key);
    return committing(`clear ${text} pg_upmap mapping`);
  }
  if (prefix === 'osd rm-pg-upmap-items') {
    pending.oldPgUpmapItems.add(key);
    return committing(`clear ${text} pg_upmap_items mapping`);
  }
  const ids = args.numbers('id').map((id) => (id === -1 ? CRUSH_ITEM_NONE : id));
  if (prefix === 'osd pg-upmap') {
    const unique = [...new Set(ids)];
    const bad = badSet(osd, pg.pool, unique);
    if (bad !== undefined) return bad;
    pending.newPgUpmap.set(key, unique);
    return committing(`set ${text} pg_upmap mapping to [${unique.join(',')}]`);
  }
  if (ids.length % 2 !== 0) return failure('EINVAL', 'you must specify pairs of osd ids to be remapped');
  const size = osd.map.pool(pg.pool)!.size;
  if (ids.length / 2 > size) {
    return failure('EINVAL', `num of osd pairs (${ids.length / 2}) > pool size (${size})`);
  }
  const items: UpmapItem[] = [];
  let status = '';
  for (let i = 0; i < ids.length; i += 2) {
    const from = ids[i]!;
    const to = ids[i + 1]!;
    if (from === to) {
      status += `from osd.${from} == to osd.${to}, `;
      continue;
    }
    if (!osd.map.exists(from)) return failure('ENOENT', `osd.${from} does not exist`);
    if (to !== CRUSH_ITEM_NONE && !osd.map.exists(to)) return failure('ENOENT', `osd.${to} does not exist`);
    if (!items.some(([a, b]) => a === from && b === to)) items.push([from, to]);
  }
  if (items.length === 0) return failure('EINVAL', `${status}no valid upmap items(pairs) is specified`);
  pending.newPgUpmapItems.set(key, items);
  const shown = items.map(([from, to]) => `${from}->${to}`).join(',');
  return committing(`${status}set ${text} pg_upmap_items mapping to [${shown}]`);
}

function setMinCompatClient(mon: Monitor, { args }: CommandCall): CommandResult {
  const { osd } = mon;
  const name = args.str('version');
  const wanted = releaseFromName(name);
  if (wanted === 0) return failure('EINVAL', `version ${name} is not recognized`);
  const needed = minCompatClient(osd.map);
  if (wanted < needed) {
    return failure(
      'EPERM',
      `osdmap current utilizes features that require ${releaseName(needed)}; cannot set require_min_compat_client below that to ${name}`,
    );
  }
  if (!args.flag('yes_i_really_mean_it')) {
    const features = releaseFeatures(wanted);
    const older = new Map<string, number>();
    for (const session of mon.sessions) {
      const lacking = features & ~session.features;
      if (lacking === 0n || ![entityType.CLIENT, entityType.MDS, entityType.MGR].includes(session.name.type as 8)) {
        continue;
      }
      const like = releaseName(releaseFromFeatures(session.features));
      const what = `connected ${entityTypeName(session.name.type)}(s) look like ${like} (missing 0x${lacking.toString(16)})`;
      older.set(what, (older.get(what) ?? 0) + 1);
    }
    if (older.size > 0) {
      const list = [...older].map(([what, n]) => `${n} ${what}`).join('; ');
      return failure(
        'EPERM',
        `cannot set require_min_compat_client to ${name}: ${list}; add --yes-i-really-mean-it to do it anyway`,
      );
    }
  }
  osd.pending.newRequireMinCompatClient = wanted;
  return committing(`set require_min_compat_client to ${name}`);
}

function requireRelease(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const wanted = releaseFromName(args.str('release'));
  const { requireOsdRelease, osdCounts } = osd.map;
  if (wanted === requireOsdRelease) return done('');
  if (osdCounts.up === 0 && !args.flag('yes_i_really_mean_it')) {
    return failure(
      'EPERM',
      'Not advisable to continue since no OSDs are up. Pass --yes-i-really-mean-it if you really wish to continue.',
    );
  }
  if (wanted < requireOsdRelease) {
    return failure('EPERM', 'require_osd_release cannot be lowered once it has been set');
  }
  osd.pending.newRequireOsdRelease = wanted;
  return committing('');
}

/** What Ceph's jerasure plugin adds to a profile that leaves it open. */
const JERASURE_DEFAULTS: readonly (readonly [string, string])[] = [
  ['crush-device-class', ''],
  ['crush-failure-domain', 'host'],
  ['crush-root', 'default'],
  ['jerasure-per-chunk-alignment', 'false'],
  ['k', '2'],
  ['m', '1'],
  ['technique', 'reed_sol_van'],
  ['w', '8'],
];

function setProfile(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const name = args.str('name');
  const profile = new Map<string, string>();
  for (const word of args.list('profile')) {
    const at = word.indexOf('=');
    profile.set(at < 0 ? word : word.slice(0, at), at < 0 ? '' : word.slice(at + 1));
  }
  if (!profile.has('plugin')) profile.set('plugin', 'jerasure');
  if (profile.get('plugin') === 'jerasure') {
    for (const [key, value] of JERASURE_DEFAULTS) if (!profile.has(key)) profile.set(key, value);
  }
  const sorted = new Map([...profile].sort(([a], [b]) => (a < b ? -1 : 1)));
  const show = (p: ReadonlyMap<string, string>): string => `{${[...p].map(([k, v]) => `${k}=${v}`).join(',')}}`;
  const existing = osd.map.erasureCodeProfiles.get(name);
  if (existing !== undefined) {
    if (show(existing) === show(sorted)) return done('');
    if (!args.flag('force')) {
      return failure(
        'EPERM',
        `will not override erasure code profile ${name} because the existing profile ${show(existing)} is different from the proposed profile ${show(sorted)}`,
      );
    }
  }
  osd.pending.newErasureCodeProfiles.set(name, sorted);
  return committing('');
}

function removeProfile(osd: OsdMonitor, { args }: CommandCall): CommandResult {
  const name = args.str('name');
  if (!osd.map.erasureCodeProfiles.has(name)) return done(`erasure-code-profile ${name} does not exist`);
  const users = [...osd.map.pools].filter(([, pool]) => pool.isErasure && pool.erasureCodeProfile === name);
  if (users.length > 0) {
    const names = users.map(([id]) => osd.map.poolName(id)).join(', ');
    return failure('EBUSY', `${names} pool(s) are using the erasure code profile '${name}'`);
  }
  osd.pending.oldErasureCodeProfiles.push(name);
  return committing('');
}

/** All commands of the OSD service. */
export function registerOsdCommands(commands: CommandRegistry, mon: Monitor): void {
  const { osd } = mon;
  const write = (prefixes: string | readonly string[], handler: (call: CommandCall) => CommandResult): void => {
    for (const prefix of typeof prefixes === 'string' ? [prefixes] : prefixes) commands.write(prefix, osd, handler);
  };
  registerReadCommands(commands, mon);
  registerCrushCommands(commands, osd);
  registerWeightSetCommands(commands, osd);
  write(['osd out', 'osd in', 'osd down', 'osd rm', 'osd stop'], (call) => changeOsds(osd, call));
  write('osd reweight', (call) => reweight(osd, call));
  write('osd reweightn', (call) => reweightMany(osd, call));
  write('osd primary-affinity', (call) => setPrimaryAffinity(osd, call));
  write('osd lost', (call) => markLost(osd, call));
  write('osd setmaxosd', (call) => setMaxOsd(osd, call));
  write(['osd set', 'osd unset', 'osd pause', 'osd unpause'], (call) => changeFlag(osd, call));
  const groups = ['noup', 'nodown', 'noin', 'noout'].flatMap((flag) => [`osd add-${flag}`, `osd rm-${flag}`]);
  write(['osd set-group', 'osd unset-group', ...groups], (call) => changeGroupFlags(osd, call));
  write(['osd set-full-ratio', 'osd set-backfillfull-ratio', 'osd set-nearfull-ratio'], (call) => setRatio(osd, call));
  write('osd pool create', (call) => createPool(osd, call));
  write(['osd pool rm', 'osd pool delete'], (call) => removePool(osd, call));
  write('osd pool rename', (call) => renamePool(osd, call));
  write('osd pool set', (call) => setPool(osd, call));
  write('osd pool set-quota', (call) => setQuota(osd, call));
  write('osd pool mksnap', (call) => makeSnap(osd, call));
  write('osd pool rmsnap', (call) => removeSnap(osd, call));
  const verbs = ['enable', 'disable', 'set', 'rm'].map((verb) => `osd pool application ${verb}`);
  write(verbs, (call) => changeApplication(osd, call));
  write(['osd blocklist', 'osd blacklist'], (call) => changeBlocklist(osd, call));
  write(['osd blocklist clear', 'osd blacklist clear'], () => clearBlocklist(osd));
  write('osd new', (call) => newOsd(mon, call));
  write('osd create', (call) => createOsd(osd, call));
  write(['osd destroy-actual', 'osd purge-actual', 'osd purge-new'], (call) => endOsd(mon, call));
  // With Ceph the manager checks and then sends the commands above. This one's judgement of what is safe is coarser.
  write(['osd destroy', 'osd purge'], (call) => {
    if (!call.args.flag('force')) requireSafeToDestroy(mon, call.args.num('id'));
    return endOsd(mon, call);
  });
  write('osd pg-temp', (call) => pgTemp(osd, call));
  write('osd primary-temp', (call) => primaryTemp(osd, call));
  write('pg repeer', (call) => repeer(osd, call));
  write(['osd pg-upmap', 'osd rm-pg-upmap', 'osd pg-upmap-items', 'osd rm-pg-upmap-items'], (call) => upmap(osd, call));
  write('osd set-require-min-compat-client', (call) => setMinCompatClient(mon, call));
  write('osd require-osd-release', (call) => requireRelease(osd, call));
  write('osd erasure-code-profile set', (call) => setProfile(osd, call));
  write('osd erasure-code-profile rm', (call) => removeProfile(osd, call));
  write('osd force-create-pg', () => failure('EOPNOTSUPP', 'making a lost placement group anew is not supported yet'));
}
