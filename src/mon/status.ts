import {
  CEPH_FEATURES_ALL,
  dumpAddrVec,
  dumpMgrMapSummary,
  dumpMonMap,
  dumpOSDMap,
  dumpOSDMapSummary,
  dumpServiceMap,
  entityType,
  entityTypeName,
  type Formatter,
  formatTimespan,
  formatUtime,
  type MgrMap,
  monFeatureNames,
  printOSDMapSummary,
  releaseFromFeatures,
  releaseName,
  serviceSummary,
  utimeFromMs,
  utimeIsZero,
  utimeToMs,
} from '../types/index.ts';
import {
  asLines,
  type CommandRegistry,
  type CommandResult,
  committing,
  done,
  failure,
  reply,
} from './commands/registry.ts';
import { formatterOr } from './kv.ts';
import { countMetadata, type MetadataTable } from './metadata.ts';
import type { Monitor } from './monitor.ts';
import { dumpSummary } from './monmap.ts';

/** Service map entries that are daemons of Ceph's core: the status lists those from their own maps. */
const CORE_SERVICES = new Set(['osd', 'client', 'mon', 'mds', 'mgr']);

/** `x(active, since 20m), standbys: y` */
export function mgrSummaryText(map: MgrMap, now_ms: number): string {
  const age = utimeIsZero(map.activeChange)
    ? undefined
    : formatTimespan(Math.max(0, now_ms - utimeToMs(map.activeChange)) / 1000);
  let text: string;
  if (map.activeGid !== 0) {
    const state = map.available ? 'active' : 'active, starting';
    text = `${map.activeName}(${state}${age === undefined ? '' : `, since ${age}`})`;
  } else text = `no daemons active${age === undefined ? '' : ` (since ${age})`}`;
  if (map.standbys.size > 0) text += `, standbys: ${[...map.standbys.values()].map((s) => s.name).join(', ')}`;
  return text;
}

/** `ceph -s` */
function statusText(mon: Monitor): string {
  const now_ms = mon.clock.now();
  const services = [...mon.mgrStat.services.services].filter(([name]) => !CORE_SERVICES.has(name));
  const width = Math.max(3, ...[...mon.mgrStat.services.services.keys()].map((name) => name.length));
  const label = (name: string): string => `    ${name}: ${' '.repeat(width - name.length)}`;
  const { map } = mon.monmap;
  const { names } = mon.quorum;
  const others = map.ranks.filter((name) => !names.includes(name));
  const out = others.length > 0 ? `, out of quorum: ${others.join(', ')}` : '';
  const age = formatTimespan(mon.quorumAge_ms / 1000);
  const lines = [
    '  cluster:',
    `    id:     ${mon.fsid}`,
    `    health: ${mon.health.text(false, '\n            ', '\n            ')}`,
    ' ',
    '  services:',
    `${label('mon')}${map.size} daemons, quorum ${names.join(',')} (age ${age})${out}`,
    `${label('mgr')}${mgrSummaryText(mon.mgr.map, now_ms)}`,
    `${label('osd')}${printOSDMapSummary(mon.osd.map, utimeFromMs(now_ms), ' '.repeat(width + 6), false)}`,
    ...services.map(([name, service]) => `${label(name)}${serviceSummary(service)}`),
    ' ',
    '  data:',
  ];
  let text = `${lines.join('\n')}\n${mon.mgrStat.summaryText()}`;
  const progress = [...mon.mgrStat.progress.values()];
  if (progress.length > 0) {
    text += '\n \n  progress:\n';
    for (const event of progress) if (event.addToCephS) text += `    ${event.message}\n`;
  }
  return `${text}\n `;
}

function dumpQuorum(mon: Monitor, f: Formatter, name: string): void {
  f.openArray('quorum');
  for (const rank of mon.quorum.ranks) f.int(name, rank);
  f.close();
}

function dumpQuorumAge(mon: Monitor, f: Formatter): void {
  f.int('quorum_age', Math.floor(mon.quorumAge_ms / 1000));
}

function dumpStatus(mon: Monitor, f: Formatter): void {
  f.openObject('status');
  f.string('fsid', mon.fsid);
  mon.health.dump(f, false);
  f.int('election_epoch', mon.electionEpoch);
  dumpQuorum(mon, f, 'rank');
  f.openArray('quorum_names');
  for (const name of mon.quorum.names) f.string('id', name);
  f.close();
  dumpQuorumAge(mon, f);
  f.openObject('monmap');
  dumpSummary(mon.monmap.map, f);
  f.close();
  f.openObject('osdmap');
  dumpOSDMapSummary(mon.osd.map, f);
  f.close();
  f.openObject('pgmap');
  mon.mgrStat.dumpSummary(f);
  f.close();
  f.openObject('fsmap');
  f.int('epoch', mon.fs.map.epoch);
  f.openArray('by_rank');
  f.close();
  f.int('up:standby', 0);
  f.close();
  f.openObject('mgrmap');
  dumpMgrMapSummary(mon.mgr.map, f);
  f.close();
  f.openObject('servicemap');
  dumpServiceMap(mon.mgrStat.services, f);
  f.close();
  f.openObject('progress_events');
  for (const [id, event] of mon.mgrStat.progress) {
    f.openObject(id);
    f.string('message', event.message);
    f.float('progress', event.progress);
    f.bool('add_to_ceph_s', event.addToCephS);
    f.close();
  }
  f.close();
  f.close();
}

/** `ceph quorum_status` */
export function dumpQuorumStatus(mon: Monitor, f: Formatter): void {
  f.openObject('quorum_status');
  f.int('election_epoch', mon.electionEpoch);
  dumpQuorum(mon, f, 'mon');
  f.openArray('quorum_names');
  for (const name of mon.quorum.names) f.string('mon', name);
  f.close();
  f.string('quorum_leader_name', mon.leaderName);
  dumpQuorumAge(mon, f);
  f.openObject('features');
  f.string('quorum_con', String(mon.quorum.features.connection));
  dumpMonFeatures(f, 'quorum_mon', mon.quorum.features.monitor);
  f.close();
  f.openObject('monmap');
  dumpMonMap(mon.monmap.map, f);
  f.close();
  f.close();
}

function dumpMonFeatures(f: Formatter, name: string, features: bigint): void {
  f.openArray(name);
  for (const feature of monFeatureNames(features)) f.string('feature', feature);
  f.close();
}

/** `ceph tell mon.a mon_status` */
export function dumpMonStatus(mon: Monitor, f: Formatter): void {
  const { map } = mon.monmap;
  f.openObject('mon_status');
  f.string('name', mon.id);
  f.int('rank', mon.rank);
  f.string('state', mon.quorum.state);
  f.int('election_epoch', mon.electionEpoch);
  dumpQuorum(mon, f, 'mon');
  dumpQuorumAge(mon, f);
  f.openObject('features');
  f.string('required_con', '0');
  dumpMonFeatures(f, 'required_mon', map.persistentFeatures | map.optionalFeatures);
  f.string('quorum_con', String(mon.quorum.features.connection));
  dumpMonFeatures(f, 'quorum_mon', mon.quorum.features.monitor);
  f.close();
  f.openArray('outside_quorum');
  for (const name of mon.quorum.outside) f.string('mon', name);
  f.close();
  f.openArray('extra_probe_peers');
  for (const addrs of mon.quorum.extraPeers) dumpAddrVec(f, 'peer', addrs);
  f.close();
  f.openArray('sync_provider');
  f.close();
  const { syncProvider } = mon.quorum;
  if (syncProvider !== undefined) {
    f.openObject('sync');
    f.string('sync_provider', syncProvider.toString());
    f.close();
  }
  f.openObject('monmap');
  dumpMonMap(map, f);
  f.close();
  dumpFeatureMap(f, 'feature_map', featureMap(mon));
  f.bool('stretch_mode', false);
  f.close();
}

type FeatureMap = Map<number, Map<bigint, number>>;

/** Peers of this monitor by type and features; the monitor counts itself. */
function featureMap(mon: Monitor): FeatureMap {
  const map: FeatureMap = new Map();
  const add = (type: number, features: bigint, n: number): void => {
    if (!map.has(type)) map.set(type, new Map());
    const counts = map.get(type)!;
    counts.set(features, (counts.get(features) ?? 0) + n);
  };
  add(entityType.MON, CEPH_FEATURES_ALL, 1);
  for (const session of mon.sessions) add(session.name.type, session.features, 1);
  return map;
}

function dumpFeatureMap(f: Formatter, name: string, map: FeatureMap): void {
  f.openObject(name);
  for (const [type, counts] of [...map].sort(([a], [b]) => a - b)) {
    f.openArray(entityTypeName(type));
    for (const [features, n] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      f.openObject('group');
      f.string('features', `0x${features.toString(16)}`);
      f.string('release', releaseName(releaseFromFeatures(features)));
      f.int('num', n);
      f.close();
    }
    f.close();
  }
  f.close();
}

/** Versions of one type of daemon; `unknown` ones are left out, as in Ceph. */
function versionsOf(table: MetadataTable, names: Iterable<string | number>): Map<string, number> {
  const counts = countMetadata(table, names, 'ceph_version');
  counts.delete('unknown');
  return counts;
}

/** What the monitors told of themselves, by name, this one's own at first hand. */
function monMetadata(mon: Monitor): Map<string, ReadonlyMap<string, string>> {
  const byRank = mon.monMetadata;
  const all = new Map<string, ReadonlyMap<string, string>>();
  mon.monmap.map.ranks.forEach((name, rank) => {
    const metadata = name === mon.id ? mon.metadata : byRank.get(rank);
    if (metadata !== undefined) all.set(name, metadata);
  });
  return all;
}

function monCounts(mon: Monitor, property: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const metadata of monMetadata(mon).values()) {
    const value = metadata.get(property) ?? 'unknown';
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function dumpCounts(f: Formatter, name: string, counts: ReadonlyMap<string, number>): void {
  f.openObject(name);
  for (const [value, n] of counts) f.int(value, n);
  f.close();
}

function mgrNames(map: MgrMap): string[] {
  const names = map.activeGid === 0 ? [] : [map.activeName];
  return [...names, ...[...map.standbys.values()].map((s) => s.name)];
}

function allVersions(mon: Monitor, f: Formatter): void {
  const sections: [string, Map<string, number>][] = [
    ['mon', monCounts(mon, 'ceph_version')],
    ['mgr', versionsOf(mon.mgr.metadata, mgrNames(mon.mgr.map))],
    ['osd', versionsOf(mon.osd.metadata, upOsds(mon))],
    ['mds', new Map()],
  ];
  const overall = new Map<string, number>();
  f.openObject('version');
  for (const [name, counts] of sections) {
    dumpCounts(f, name, counts);
    for (const [version, n] of counts) overall.set(version, (overall.get(version) ?? 0) + n);
  }
  dumpCounts(f, 'overall', new Map([...overall].sort(([a], [b]) => (a < b ? -1 : 1))));
  f.close();
}

function upOsds(mon: Monitor): number[] {
  const { map } = mon.osd;
  return [...map.osds()].filter((osd) => map.isUp(osd));
}

/** Daemons by the host they told. */
function dumpNodes(f: Formatter, name: string, daemons: Iterable<[string, string | number]>): void {
  const byHost = new Map<string, (string | number)[]>();
  for (const [host, daemon] of daemons) byHost.set(host, [...(byHost.get(host) ?? []), daemon]);
  f.openObject(name);
  for (const [host, ids] of [...byHost].sort(([a], [b]) => (a < b ? -1 : 1))) {
    f.openArray(host);
    for (const id of ids) {
      if (typeof id === 'number') f.int(name, id);
      else f.string(name, id);
    }
    f.close();
  }
  f.close();
}

function nodesOf(mon: Monitor, type: string): [string, string | number][] {
  const hostOf = (table: MetadataTable, id: string | number): [string, string | number][] => {
    const host = table.get(id)?.get('hostname') ?? '';
    return host === '' ? [] : [[host, id]];
  };
  switch (type) {
    case 'mon':
      return [...monMetadata(mon)].flatMap(([name, metadata]): [string, string][] => {
        const host = metadata.get('hostname') ?? '';
        return host === '' ? [] : [[host, name]];
      });
    case 'osd':
      return [...mon.osd.map.osds()].flatMap((osd) => hostOf(mon.osd.metadata, osd));
    case 'mgr':
      return mgrNames(mon.mgr.map).flatMap((name) => hostOf(mon.mgr.metadata, name));
    default:
      return [];
  }
}

function metadataCommands(commands: CommandRegistry, mon: Monitor): void {
  const dumpFields = (f: Formatter, metadata: ReadonlyMap<string, string>): void => {
    for (const [key, value] of [...metadata].sort(([a], [b]) => (a < b ? -1 : 1))) f.string(key, value);
  };
  commands.readLines('mon metadata', ({ args, f }) => {
    const out = formatterOr(f);
    const id = args.optionalStr('id');
    const all = monMetadata(mon);
    if (id !== undefined) {
      if (mon.monmap.map.mon(id) === undefined) return failure('ENOENT', 'requested mon not found');
      const metadata = all.get(id);
      if (metadata === undefined) return failure('ENOENT', `mon.${id} metadata not found`);
      out.openObject('mon_metadata');
      dumpFields(out, metadata);
      out.close();
    } else {
      out.openArray('mon_metadata');
      for (const [name, metadata] of all) {
        out.openObject('mon_metadata');
        out.string('name', name);
        dumpFields(out, metadata);
        out.close();
      }
      out.close();
    }
    return reply(out.flush());
  });
  commands.readLines('mon versions', ({ f }) => {
    const out = formatterOr(f);
    dumpCounts(out, 'ceph_version', monCounts(mon, 'ceph_version'));
    return reply(out.flush());
  });
  commands.readLines('mon count-metadata', ({ args, f }) => {
    const property = args.str('property');
    const out = formatterOr(f);
    dumpCounts(out, property, monCounts(mon, property));
    return reply(out.flush());
  });
}

function quorumCommands(commands: CommandRegistry, mon: Monitor): void {
  const known = (name: string): boolean => mon.monmap.map.mon(name) !== undefined;
  const isEnough = (count: number, size: number): boolean => count > size >> 1;
  commands.read('mon ok-to-stop', ({ args }) => {
    const ids = args.list('ids');
    for (const id of ids) if (!known(id)) return failure('EINVAL', `mon.${id} does not exist`);
    const left = mon.quorum.names.filter((name) => !ids.includes(name));
    if (isEnough(left.length, mon.monmap.map.size)) {
      return done(`quorum should be preserved (${left.join(',')}) after stopping [${ids.join(',')}]`);
    }
    return failure(
      'EBUSY',
      `not enough monitors would be available (${left.join(',')}) after stopping mons [${ids.join(',')}]`,
    );
  });
  commands.read('mon ok-to-rm', ({ args }) => {
    const id = args.str('id');
    if (!known(id)) return done(`mon.${id} does not exist`);
    const left = mon.quorum.names.filter((name) => name !== id);
    if (isEnough(left.length, mon.monmap.map.size - 1)) return done(`safe to remove mon.${id}`);
    return failure('EBUSY', `removing mon.${id} would break quorum`);
  });
  commands.read('mon ok-to-add-offline', () => {
    if (isEnough(mon.quorum.ranks.length, mon.monmap.map.size + 1)) {
      return done('adding another mon that is not yet online will not break quorum');
    }
    return failure('EBUSY', 'adding a monitor may break quorum (until that monitor starts)');
  });
}

function report(mon: Monitor, f: Formatter, tags: readonly string[]): void {
  f.openObject('report');
  f.string('cluster_fingerprint', mon.fingerprint);
  f.string('version', mon.version.short);
  f.string('commit', mon.version.commit);
  f.string('timestamp', formatUtime(utimeFromMs(mon.clock.now())));
  f.string('tag', tags.join(' '));
  mon.health.dump(f, true);
  f.int('monmap_first_committed', mon.monmap.firstCommitted);
  f.int('monmap_last_committed', mon.monmap.lastCommitted);
  f.openObject('monmap');
  dumpMonMap(mon.monmap.map, f);
  f.close();
  dumpQuorum(mon, f, 'mon');
  f.openObject('osdmap');
  dumpOSDMap(mon.osd.map, f);
  f.close();
  f.openArray('osd_metadata');
  for (const osd of mon.osd.map.osds()) {
    f.openObject('osd');
    f.int('id', osd);
    for (const [key, value] of mon.osd.metadata.get(osd) ?? []) f.string(key, value);
    f.close();
  }
  f.close();
  f.int('osdmap_first_committed', mon.osd.firstCommitted);
  f.int('osdmap_last_committed', mon.osd.lastCommitted);
  f.int('auth_first_committed', mon.auth.firstCommitted);
  f.int('auth_last_committed', mon.auth.lastCommitted);
  f.openObject('servicemap');
  dumpServiceMap(mon.mgrStat.services, f);
  f.close();
  f.int('mgrstat_first_committed', mon.mgrStat.firstCommitted);
  f.int('mgrstat_last_committed', mon.mgrStat.lastCommitted);
  f.openObject('paxos');
  f.int('first_committed', mon.commitLog.firstCommitted);
  f.int('last_committed', mon.commitLog.lastCommitted);
  f.int('last_pn', mon.commitLog.lastPn);
  f.int('accepted_pn', mon.commitLog.acceptedPn);
  f.close();
  f.close();
}

/** The commands that are about the cluster as a whole. */
export function registerStatusCommands(commands: CommandRegistry, mon: Monitor): void {
  commands.read('status', ({ f }) => {
    if (f === undefined) return reply(asLines(statusText(mon)));
    dumpStatus(mon, f);
    return reply(asLines(f.flush()));
  });
  commands.read('fsid', ({ f }) => {
    if (f === undefined) return reply(mon.fsid);
    f.openObject('fsid');
    f.string('fsid', mon.fsid);
    f.close();
    return reply(f.flush());
  });
  const formatted = (prefix: string, dump: (f: Formatter) => void): void => {
    commands.read(prefix, ({ f }): CommandResult => {
      const out = formatterOr(f);
      dump(out);
      return reply(out.flush());
    });
  };
  commands.readLines('quorum_status', ({ f }) => {
    // Without a format it is JSON without line ends.
    const out = f ?? formatterOr(undefined, 'json');
    dumpQuorumStatus(mon, out);
    return reply(out.flush());
  });
  formatted('versions', (f) => allVersions(mon, f));
  formatted('features', (f) => dumpFeatureMap(f, 'features', featureMap(mon)));
  formatted('time-sync-status', (f) => mon.timeCheck.dump(f));
  commands.read('node ls', ({ args, f }) => {
    const type = args.strOr('type', 'all');
    const out = formatterOr(f);
    if (type === 'all') {
      out.openObject('nodes');
      for (const each of ['mon', 'osd', 'mds', 'mgr']) {
        const nodes = nodesOf(mon, each);
        if (each !== 'mds' || nodes.length > 0) dumpNodes(out, each, nodes);
      }
      out.close();
    } else if (type !== 'mds') dumpNodes(out, type, nodesOf(mon, type));
    return reply(asLines(out.flush()));
  });
  commands.read('report', ({ args }) => {
    const out = formatterOr(undefined);
    report(mon, out, args.list('tags'));
    return reply(out.flush());
  });
  metadataCommands(commands, mon);
  quorumCommands(commands, mon);
  commands.write('log', mon.log, ({ args, session }) => {
    mon.log.addOperatorLine(args.list('logtext').join(' '), session);
    return committing('');
  });
  tellCommands(commands, mon);
}

/** Clients from before Octopus send these to the monitors as any other command, newer ones with `ceph tell`: see admin.ts. */
function tellCommands(commands: CommandRegistry, mon: Monitor): void {
  for (const prefix of ['mon_status', 'sessions', 'version', 'compact', 'injectargs']) {
    commands.read(prefix, ({ args, format }) => {
      const words: Record<string, unknown> = { prefix, format };
      if (args.has('injected_args')) words.injected_args = args.list('injected_args');
      const { code, out, err } = mon.admin.run(words)!;
      return { rc: code, status: err, out };
    });
  }
}
