import { type CompatSet, type FeatureSet, formatCompatSet } from '../compat-set.ts';
import type { Formatter } from '../format/index.ts';
import { dumpAddrVec } from '../mon-map.ts';
import { formatUtime, utimeIsZero } from '../utime.ts';
import type { Filesystem, FsMap } from './fs-map.ts';
import { cephfsFeatures, type MdsInfo, type MdsMap, mdsStateName } from './mds-map.ts';

function dumpFeatureSet(f: Formatter, name: string, set: FeatureSet): void {
  f.openObject(name);
  for (const [id, text] of set) f.string(`feature_${id}`, text);
  f.close();
}

export function dumpCompatSet(f: Formatter, name: string, set: CompatSet): void {
  f.openObject(name);
  dumpFeatureSet(f, 'compat', set.compat);
  dumpFeatureSet(f, 'ro_compat', set.roCompat);
  dumpFeatureSet(f, 'incompat', set.incompat);
  f.close();
}

function dumpInts(f: Formatter, section: string, name: string, values: Iterable<number>): void {
  f.openArray(section);
  for (const value of values) f.int(name, value);
  f.close();
}

/** The fields of one metadata server. */
export function dumpMdsInfo(info: MdsInfo, f: Formatter): void {
  f.int('gid', info.globalId);
  f.string('name', info.name);
  f.int('rank', info.rank);
  f.int('incarnation', info.inc);
  f.string('state', mdsStateName(info.state));
  f.int('state_seq', info.stateSeq);
  f.string('addr', info.addrs.legacyText);
  dumpAddrVec(f, 'addrs', info.addrs);
  f.int('join_fscid', info.joinFscid);
  if (!utimeIsZero(info.laggySince)) f.string('laggy_since', formatUtime(info.laggySince));
  dumpInts(f, 'export_targets', 'mds', info.exportTargets);
  f.int('features', info.features);
  f.int('flags', info.flags);
  dumpCompatSet(f, 'compat', info.compat);
}

export function dumpMdsMap(map: MdsMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.int('flags', map.flags);
  f.int('ever_allowed_features', map.everAllowedFeatures);
  f.int('explicitly_allowed_features', map.explicitlyAllowedFeatures);
  f.string('created', formatUtime(map.created));
  f.string('modified', formatUtime(map.modified));
  f.int('tableserver', map.tableserver);
  f.int('root', map.root);
  f.int('session_timeout', map.sessionTimeout);
  f.int('session_autoclose', map.sessionAutoclose);
  f.openObject('required_client_features');
  for (const [bit, name] of cephfsFeatures(map.requiredClientFeatures)) f.string(`feature_${bit}`, name);
  f.close();
  f.int('max_file_size', map.maxFileSize);
  f.int('last_failure', map.lastFailure);
  f.int('last_failure_osd_epoch', map.lastFailureOsdEpoch);
  dumpCompatSet(f, 'compat', map.compat);
  f.int('max_mds', map.maxMds);
  dumpInts(f, 'in', 'mds', map.in);
  f.openObject('up');
  for (const [rank, gid] of map.up) f.int(`mds_${rank}`, gid);
  f.close();
  dumpInts(f, 'failed', 'mds', map.failed);
  dumpInts(f, 'damaged', 'mds', map.damaged);
  dumpInts(f, 'stopped', 'mds', map.stopped);
  f.openObject('info');
  for (const [gid, info] of map.infos) {
    f.openObject(`gid_${gid}`);
    dumpMdsInfo(info, f);
    f.close();
  }
  f.close();
  dumpInts(f, 'data_pools', 'pool', map.dataPools);
  f.int('metadata_pool', map.metadataPool);
  f.bool('enabled', map.enabled);
  f.string('fs_name', map.fsName);
  f.string('balancer', map.balancer);
  f.int('standby_count_wanted', Math.max(0, map.standbyCountWanted));
}

function dumpFilesystem(fs: Filesystem, f: Formatter): void {
  f.openObject('filesystem');
  f.openObject('mdsmap');
  dumpMdsMap(fs.mdsMap, f);
  f.close();
  f.int('id', fs.fscid);
  if (fs.mirrorInfo.mirrored) {
    f.openObject('mirror_info');
    f.openObject('peers');
    for (const peer of fs.mirrorInfo.peers) {
      f.openObject(peer.uuid);
      f.openObject('remote');
      f.string('client_name', peer.clientName);
      f.string('cluster_name', peer.clusterName);
      f.string('fs_name', peer.fsName);
      f.close();
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
}

/** The fields of `ceph fs dump -f json`. */
export function dumpFsMap(map: FsMap, f: Formatter): void {
  f.int('epoch', map.epoch);
  f.int('default_fscid', map.legacyClientFscid);
  dumpCompatSet(f, 'compat', map.defaultCompat);
  f.openObject('feature_flags');
  f.bool('enable_multiple', map.enableMultiple);
  f.bool('ever_enabled_multiple', map.everEnabledMultiple);
  f.close();
  f.openArray('standbys');
  for (const [gid, info] of map.standbyDaemons) {
    f.openObject('info');
    dumpMdsInfo(info, f);
    f.int('epoch', map.standbyEpochs.get(gid) ?? 0);
    f.close();
  }
  f.close();
  f.openArray('filesystems');
  for (const fs of map.filesystems.values()) dumpFilesystem(fs, f);
  f.close();
}

/** The lowest bit is always set in memory, though never written. */
function maskText(set: FeatureSet): string {
  let mask = 1n;
  for (const id of set.keys()) mask |= 1n << BigInt(id);
  return mask.toString(16);
}

/** `[mds.a{0:14112} state up:active seq 2 addr ... compat {c=[1],r=[1],i=[7ff]}]` */
export function formatMdsInfo(info: MdsInfo): string {
  const parts = [
    `[mds.${info.name}{${info.rank}:${info.globalId}} state ${mdsStateName(info.state)} seq ${info.stateSeq}`,
  ];
  if (!utimeIsZero(info.laggySince)) parts.push(`laggy since ${formatUtime(info.laggySince)}`);
  if (info.exportTargets.length > 0) parts.push(`export targets ${info.exportTargets.join(',')}`);
  if ((info.flags & 1n) !== 0n) parts.push('frozen');
  if (info.joinFscid !== -1) parts.push(`join_fscid=${info.joinFscid}`);
  const { compat, roCompat, incompat } = info.compat;
  parts.push(`addr ${info.addrs}`);
  parts.push(`compat {c=[${maskText(compat)}],r=[${maskText(roCompat)}],i=[${maskText(incompat)}]}]`);
  return parts.join(' ');
}

export function printMdsMap(map: MdsMap): string {
  const features = cephfsFeatures(map.requiredClientFeatures).map(([bit, name]) => `${bit}=${name}`);
  const rows: [string, string | number][] = [
    ['fs_name', map.fsName],
    ['epoch', map.epoch],
    ['flags', map.flags.toString(16)],
    ['created', formatUtime(map.created)],
    ['modified', formatUtime(map.modified)],
    ['tableserver', map.tableserver],
    ['root', map.root],
    ['session_timeout', map.sessionTimeout],
    ['session_autoclose', map.sessionAutoclose],
    ['max_file_size', map.maxFileSize],
    ['required_client_features', `{${features.join(',')}}`],
    ['last_failure', map.lastFailure],
    ['last_failure_osd_epoch', map.lastFailureOsdEpoch],
    ['compat', formatCompatSet(map.compat)],
    ['max_mds', map.maxMds],
    ['in', map.in.join(',')],
    ['up', `{${[...map.up].map(([rank, gid]) => `${rank}=${gid}`).join(',')}}`],
    ['failed', map.failed.join(',')],
    ['damaged', map.damaged.join(',')],
    ['stopped', map.stopped.join(',')],
    ['data_pools', `[${map.dataPools.join(',')}]`],
    ['metadata_pool', map.metadataPool],
    ['inline_data', map.inlineDataEnabled ? 'enabled' : 'disabled'],
    ['balancer', map.balancer],
    ['standby_count_wanted', Math.max(0, map.standbyCountWanted)],
  ];
  // Incarnations are compared as unsigned there, so that 0 comes last.
  const infos = [...map.infos.values()].sort((a, b) => a.rank - b.rank || ((a.inc - 1) >>> 0) - ((b.inc - 1) >>> 0));
  return [...rows.map(([key, value]) => `${key}\t${value}\n`), ...infos.map((i) => `${formatMdsInfo(i)}\n`)].join('');
}

/** Plain `ceph fs dump`. */
export function printFsMap(map: FsMap): string {
  const flag = (b: boolean): string => (b ? '1' : '0');
  let text = `e${map.epoch}\n`;
  text += `enable_multiple, ever_enabled_multiple: ${flag(map.enableMultiple)},${flag(map.everEnabledMultiple)}\n`;
  text += `default compat: ${formatCompatSet(map.defaultCompat)}\n`;
  text += `legacy client fscid: ${map.legacyClientFscid}\n \n`;
  if (map.filesystems.size === 0) text += 'No filesystems configured\n';
  for (const fs of map.filesystems.values()) {
    text += `Filesystem '${fs.mdsMap.fsName}' (${fs.fscid})\n${printMdsMap(fs.mdsMap)}`;
    if (fs.mirrorInfo.mirrored) text += `${formatMirrorInfo(fs)}\n`;
    text += ' \n \n';
  }
  if (map.standbyDaemons.size > 0) text += 'Standby daemons:\n \n';
  for (const info of map.standbyDaemons.values()) text += `${formatMdsInfo(info)}\n`;
  return text;
}

function formatMirrorInfo(fs: Filesystem): string {
  const peers = fs.mirrorInfo.peers.map(
    (p) =>
      `[uuid=${p.uuid}, remote=[client_name=${p.clientName}, cluster_name=${p.clusterName}, fs_name=${p.fsName}]\n]\n`,
  );
  return `[peers=${peers.join(',')}]`;
}
