import { type Formatter, formatG, formatTimespan } from '../format/index.ts';
import type { IntervalSet } from '../interval-set.ts';
import { dumpAddrVec } from '../mon-map.ts';
import { formatPgKey } from '../pg-key.ts';
import { dumpPgPool, formatPgPool } from '../pool/index.ts';
import { releaseName } from '../release.ts';
import { formatUtime, type Utime, utimeIsZero, utimeSub, utimeToSeconds } from '../utime.ts';
import { uuidZero } from '../uuid.ts';
import { minCompatClient } from './features.ts';
import { type BlocklistEntry, type ErasureProfiles, sortedBlocklist } from './fields.ts';
import {
  OSDMAP_SEMIHIDDEN_FLAGS,
  osdMapFlagSet,
  osdMapFlagsText,
  osdStateSet,
  PRIMARY_AFFINITY_DEFAULT,
  PRIMARY_AFFINITY_MAX,
} from './flags.ts';
import type { OSDMap } from './osdmap.ts';
import { printOrderBlocklist } from './unordered.ts';

/** Name of a pool as dumps show it where the map has none. */
const NO_NAME = '<unknown>';

function fraction(fixed: number): number {
  return Math.fround(fixed / PRIMARY_AFFINITY_MAX);
}

/** One OSD of `ceph osd dump -f json`. */
export function dumpOsd(map: OSDMap, osd: number, f: Formatter): void {
  const info = map.osdInfo[osd]!;
  const [client, cluster] = [map.clientAddrs[osd]!, map.clusterAddrs[osd]!];
  const [back, front] = [map.hbBackAddrs[osd]!, map.hbFrontAddrs[osd]!];
  f.openObject('osd_info');
  f.int('osd', osd);
  f.string('uuid', map.osdUuid[osd]!);
  f.int('up', map.isUp(osd) ? 1 : 0);
  f.int('in', map.isIn(osd) ? 1 : 0);
  f.float('weight', fraction(map.osdWeight[osd]!));
  f.float('primary_affinity', fraction(map.primaryAffinityOf(osd)));
  f.int('last_clean_begin', info.lastCleanBegin);
  f.int('last_clean_end', info.lastCleanEnd);
  f.int('up_from', info.upFrom);
  f.int('up_thru', info.upThru);
  f.int('down_at', info.downAt);
  f.int('lost_at', info.lostAt);
  dumpAddrVec(f, 'public_addrs', client);
  dumpAddrVec(f, 'cluster_addrs', cluster);
  dumpAddrVec(f, 'heartbeat_back_addrs', back);
  dumpAddrVec(f, 'heartbeat_front_addrs', front);
  f.string('public_addr', client.legacyText);
  f.string('cluster_addr', cluster.legacyText);
  f.string('heartbeat_back_addr', back.legacyText);
  f.string('heartbeat_front_addr', front.legacyText);
  dumpTexts(f, 'state', 'state', osdStateSet(map.osdState[osd]!));
  f.close();
}

function dumpTexts(f: Formatter, section: string, name: string, texts: Iterable<string>): void {
  f.openArray(section);
  for (const text of texts) f.string(name, text);
  f.close();
}

function dumpHeader(map: OSDMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.string('fsid', map.fsid);
  f.string('created', formatUtime(map.created));
  f.string('modified', formatUtime(map.modified));
  f.string('last_up_change', formatUtime(map.lastUpChange));
  f.string('last_in_change', formatUtime(map.lastInChange));
  f.string('flags', osdMapFlagsText(map.flags));
  f.int('flags_num', map.flags);
  dumpTexts(f, 'flags_set', 'flag', osdMapFlagSet(map.flags));
  f.int('crush_version', map.crushVersion);
  f.float('full_ratio', map.fullRatio);
  f.float('backfillfull_ratio', map.backfillfullRatio);
  f.float('nearfull_ratio', map.nearfullRatio);
  f.string('cluster_snapshot', map.clusterSnapshot);
  f.int('pool_max', map.poolMax);
  f.int('max_osd', map.maxOsd);
  f.string('require_min_compat_client', releaseName(map.requireMinCompatClient));
  f.string('min_compat_client', releaseName(minCompatClient(map)));
  f.string('require_osd_release', releaseName(map.requireOsdRelease));
}

function dumpPools(map: OSDMap, f: Formatter): void {
  f.openArray('pools');
  for (const [id, pool] of map.pools) {
    f.openObject('pool');
    f.int('pool', id);
    f.string('pool_name', map.poolNames.get(id) ?? NO_NAME);
    dumpPgPool(pool, f);
    f.close();
  }
  f.close();
}

/** The fields of `ceph osd pool ls detail -f json`, an array. */
export function dumpPoolsDetail(map: OSDMap, f: Formatter): void {
  f.openArray('pools');
  for (const [id, pool] of map.pools) {
    f.openObject('pool');
    f.int('pool_id', id);
    f.string('pool_name', map.poolNames.get(id) ?? NO_NAME);
    dumpPgPool(pool, f);
    f.close();
  }
  f.close();
}

function dumpXinfos(map: OSDMap, f: Formatter): void {
  f.openArray('osd_xinfo');
  for (const osd of map.osds()) {
    const x = map.osdXinfo[osd]!;
    f.openObject('xinfo');
    f.int('osd', osd);
    f.string('down_stamp', formatUtime(x.downStamp));
    f.float('laggy_probability', x.laggyProbability);
    f.int('laggy_interval', x.laggyInterval);
    f.int('features', BigInt.asIntN(64, x.features));
    f.int('old_weight', x.oldWeight);
    f.string('last_purged_snaps_scrub', formatUtime(x.lastPurgedSnapsScrub));
    f.int('dead_epoch', x.deadEpoch);
    f.close();
  }
  f.close();
}

function sortedEntries<V>(map: ReadonlyMap<number, V>): [number, V][] {
  return [...map].sort((a, b) => a[0] - b[0]);
}

function dumpOsdList(f: Formatter, osds: readonly number[]): void {
  f.openArray('osds');
  for (const osd of osds) f.int('osd', osd);
  f.close();
}

function dumpExceptions(map: OSDMap, f: Formatter): void {
  f.openArray('pg_upmap');
  for (const [key, osds] of sortedEntries(map.pgUpmap)) {
    f.openObject('mapping');
    f.string('pgid', formatPgKey(key));
    dumpOsdList(f, osds);
    f.close();
  }
  f.close();
  f.openArray('pg_upmap_items');
  for (const [key, items] of sortedEntries(map.pgUpmapItems)) {
    f.openObject('mapping');
    f.string('pgid', formatPgKey(key));
    f.openArray('mappings');
    for (const [from, to] of items) {
      f.openObject('mapping');
      f.int('from', from);
      f.int('to', to);
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
  // Ceph 16 does not know them, so they show only where there are some.
  if (map.pgUpmapPrimaries.size > 0) {
    f.openArray('pg_upmap_primaries');
    for (const [key, osd] of sortedEntries(map.pgUpmapPrimaries)) {
      f.openObject('primary_mapping');
      f.string('pgid', formatPgKey(key));
      f.int('primary_osd', osd);
      f.close();
    }
    f.close();
  }
  f.openArray('pg_temp');
  for (const [key, osds] of sortedEntries(map.pgTemp)) {
    f.openObject('osds');
    f.string('pgid', formatPgKey(key));
    dumpOsdList(f, osds);
    f.close();
  }
  f.close();
  f.openArray('primary_temp');
  for (const [key, osd] of sortedEntries(map.primaryTemp)) {
    f.string('pgid', formatPgKey(key));
    f.int('osd', osd);
  }
  f.close();
}

function dumpBlocklist(f: Formatter, name: string, list: readonly BlocklistEntry[]): void {
  f.openObject(name);
  for (const { addr, until } of list) f.string(addr.toString(), formatUtime(until));
  f.close();
}

export function dumpErasureProfiles(profiles: ErasureProfiles, f: Formatter): void {
  f.openObject('erasure_code_profiles');
  for (const [name, profile] of profiles) {
    f.openObject(name);
    for (const [key, value] of profile) f.string(key, value);
    f.close();
  }
  f.close();
}

function dumpSnaps(f: Formatter, name: string, byPool: ReadonlyMap<number, IntervalSet>): void {
  f.openArray(name);
  for (const [pool, snaps] of byPool) {
    f.openObject('pool');
    f.int('pool', pool);
    f.openArray('snaps');
    for (const [begin, length] of snaps.ranges()) {
      f.openObject('interval');
      f.int('begin', begin);
      f.int('length', length);
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
}

function dumpNamedFlags(
  f: Formatter,
  section: string,
  flags: ReadonlyMap<number, number>,
  names: ReadonlyMap<number, string>,
): void {
  f.openObject(section);
  for (const [id, bits] of sortedEntries(flags)) dumpTexts(f, names.get(id) ?? String(id), 'flag', osdStateSet(bits));
  f.close();
}

/** The fields of `ceph osd dump -f json`. */
export function dumpOSDMap(map: OSDMap, f: Formatter): void {
  dumpHeader(map, f);
  dumpPools(map, f);
  f.openArray('osds');
  for (const osd of map.osds()) dumpOsd(map, osd, f);
  f.close();
  dumpXinfos(map, f);
  dumpExceptions(map, f);
  dumpBlocklist(f, 'blocklist', printOrderBlocklist(map.blocklist));
  dumpBlocklist(f, 'range_blocklist', sortedBlocklist(map.rangeBlocklist));
  dumpErasureProfiles(map.erasureCodeProfiles, f);
  dumpSnaps(f, 'removed_snaps_queue', map.removedSnapsQueue);
  dumpSnaps(f, 'new_removed_snaps', map.newRemovedSnaps);
  dumpSnaps(f, 'new_purged_snaps', map.newPurgedSnaps);
  dumpNamedFlags(f, 'crush_node_flags', map.crushNodeFlags, map.crush.itemNames);
  dumpNamedFlags(f, 'device_class_flags', map.deviceClassFlags, map.crush.classNames);
  f.openObject('stretch_mode');
  f.bool('stretch_mode_enabled', map.stretchModeEnabled);
  f.int('stretch_bucket_count', map.stretchBucketCount);
  f.int('degraded_stretch_mode', map.degradedStretchMode);
  f.int('recovering_stretch_mode', map.recoveringStretchMode);
  f.int('stretch_mode_bucket', map.stretchModeBucket);
  f.close();
}

/** Pools and their snapshots, a line each and a blank one: plain `ceph osd pool ls detail`. */
export function printPools(map: OSDMap): string {
  let text = '';
  for (const [id, pool] of map.pools) {
    text += `pool ${id} '${map.poolNames.get(id) ?? NO_NAME}' ${formatPgPool(pool)}\n`;
    for (const snap of pool.snaps.values()) text += `\tsnap ${snap.id} '${snap.name}' ${formatUtime(snap.stamp)}\n`;
    if (!pool.removedSnaps.isEmpty) text += `\tremoved_snaps ${pool.removedSnaps}\n`;
    const queue = map.removedSnapsQueue.get(id);
    if (queue !== undefined) text += `\tremoved_snaps_queue ${queue}\n`;
  }
  return `${text}\n`;
}

/** `osd.0 up   in  weight 1 up_from 5 ...` */
export function formatOsd(map: OSDMap, osd: number): string {
  const info = map.osdInfo[osd]!;
  const affinity = map.primaryAffinityOf(osd);
  let s = `osd.${osd} ${map.isUp(osd) ? 'up  ' : 'down'} ${map.isIn(osd) ? 'in ' : 'out'}`;
  s += ` weight ${formatG(fraction(map.osdWeight[osd]!))}`;
  if (affinity !== PRIMARY_AFFINITY_DEFAULT) s += ` primary_affinity ${formatG(fraction(affinity))}`;
  s += ` up_from ${info.upFrom} up_thru ${info.upThru} down_at ${info.downAt}`;
  s += ` last_clean_interval [${info.lastCleanBegin},${info.lastCleanEnd})`;
  if (info.lostAt !== 0) s += ` lost_at ${info.lostAt}`;
  s += ` ${map.clientAddrs[osd]} ${map.clusterAddrs[osd]} ${osdStateSet(map.osdState[osd]!).join(',')}`;
  return map.osdUuid[osd] === uuidZero ? s : `${s} ${map.osdUuid[osd]}`;
}

/** Plain `ceph osd dump`. */
export function printOSDMap(map: OSDMap): string {
  const lines = [
    `epoch ${map.epoch}`,
    `fsid ${map.fsid}`,
    `created ${formatUtime(map.created)}`,
    `modified ${formatUtime(map.modified)}`,
    `flags ${osdMapFlagsText(map.flags)}`,
    `crush_version ${map.crushVersion}`,
    `full_ratio ${formatG(map.fullRatio)}`,
    `backfillfull_ratio ${formatG(map.backfillfullRatio)}`,
    `nearfull_ratio ${formatG(map.nearfullRatio)}`,
  ];
  if (map.requireMinCompatClient > 0)
    lines.push(`require_min_compat_client ${releaseName(map.requireMinCompatClient)}`);
  lines.push(`min_compat_client ${releaseName(minCompatClient(map))}`);
  if (map.requireOsdRelease > 0) lines.push(`require_osd_release ${releaseName(map.requireOsdRelease)}`);
  lines.push(`stretch_mode_enabled ${map.stretchModeEnabled}`);
  if (map.stretchModeEnabled) {
    lines.push(
      `stretch_bucket_count ${map.stretchBucketCount}`,
      `degraded_stretch_mode ${map.degradedStretchMode}`,
      `recovering_stretch_mode ${map.recoveringStretchMode}`,
      `stretch_mode_bucket ${map.stretchModeBucket}`,
    );
  }
  if (map.clusterSnapshot !== '') lines.push(`cluster_snapshot ${map.clusterSnapshot}`);
  lines.push('');
  const tail: string[] = [`max_osd ${map.maxOsd}`];
  for (const osd of map.osds()) tail.push(formatOsd(map, osd));
  tail.push('');
  for (const [key, osds] of sortedEntries(map.pgUpmap)) tail.push(`pg_upmap ${formatPgKey(key)} [${osds.join(',')}]`);
  for (const [key, items] of sortedEntries(map.pgUpmapItems)) {
    tail.push(`pg_upmap_items ${formatPgKey(key)} [${items.flat().join(',')}]`);
  }
  for (const [key, osd] of sortedEntries(map.pgUpmapPrimaries))
    tail.push(`pg_upmap_primary ${formatPgKey(key)} ${osd}`);
  for (const [key, osds] of sortedEntries(map.pgTemp)) tail.push(`pg_temp ${formatPgKey(key)} [${osds.join(',')}]`);
  for (const [key, osd] of sortedEntries(map.primaryTemp)) tail.push(`primary_temp ${formatPgKey(key)} ${osd}`);
  const listed = (title: string, list: readonly BlocklistEntry[]): void => {
    for (const { addr, until } of list) tail.push(`${title} ${addr} expires ${formatUtime(until)}`);
  };
  listed('blocklist', printOrderBlocklist(map.blocklist));
  listed('range blocklist', sortedBlocklist(map.rangeBlocklist));
  return `${lines.join('\n')}\n${printPools(map)}${tail.join('\n')}\n`;
}

/** What `ceph -s -f json` and `ceph osd stat -f json` show of the map. */
export function dumpOSDMapSummary(map: OSDMap, f: Formatter): void {
  const counts = map.osdCounts;
  f.int('epoch', map.epoch);
  f.int('num_osds', counts.osds);
  f.int('num_up_osds', counts.up);
  f.int('osd_up_since', map.lastUpChange.sec);
  f.int('num_in_osds', counts.in);
  f.int('osd_in_since', map.lastInChange.sec);
  f.int('num_remapped_pgs', map.pgTemp.size);
}

/** The same, plain: `3 osds: 3 up (since 2m), 3 in (since 3m)` and a line of flags after `prefix` where any matter. */
export function printOSDMapSummary(map: OSDMap, now: Utime, prefix: string, withEpoch: boolean): string {
  const counts = map.osdCounts;
  const since = (stamp: Utime): string =>
    utimeIsZero(stamp) ? '' : ` (since ${formatTimespan(utimeToSeconds(utimeSub(now, stamp)))})`;
  let text = `${counts.osds} osds: ${counts.up} up${since(map.lastUpChange)}, ${counts.in} in${since(map.lastInChange)}`;
  if (withEpoch) text += `; epoch: e${map.epoch}`;
  if (map.pgTemp.size > 0) text += `; ${map.pgTemp.size} remapped pgs`;
  text += '\n';
  const important = map.flags & ~OSDMAP_SEMIHIDDEN_FLAGS;
  if (important !== 0) text += `${prefix}flags ${osdMapFlagsText(important)}\n`;
  return text;
}

/** `e12: 3 total, 3 up, 3 in` */
export function formatOSDMapLine(map: OSDMap): string {
  const counts = map.osdCounts;
  return `e${map.epoch}: ${counts.osds} total, ${counts.up} up, ${counts.in} in`;
}
