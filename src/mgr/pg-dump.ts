import {
  comparePgId,
  dumpOsdStat,
  dumpPgStat,
  dumpPgStatBrief,
  dumpPoolStat,
  dumpStoreStatfs,
  type Formatter,
  formatBytes,
  formatEversion,
  formatPgState,
  formatUtime,
  makePoolStat,
  type ObjectStatSum,
  type PgMapDigest,
  type PgStat,
  type PoolStat,
  parsePgId,
  statfsUsed,
  statfsUsedRaw,
  TextTable,
  utimeFromMs,
  utimeToMs,
} from '../types/index.ts';
import { formatSpan } from './health.ts';
import type { PgMap } from './pg-map.ts';

/** What stands under every table that shows omap sizes. */
export const OMAP_NOTE =
  '\n* NOTE: Omap statistics are gathered during deep scrub and may be inaccurate soon afterwards depending on utilization. See http://docs.ceph.com/en/latest/dev/placement-group/#omap-statistics for further details.\n';

export type NamedPg = readonly [pgid: string, stat: PgStat];

/** PGs by id, ascending. */
export function sortedPgs(pgs: Iterable<NamedPg>): NamedPg[] {
  return [...pgs].sort((a, b) => comparePgId(parsePgId(a[0])!, parsePgId(b[0])!));
}

/** The head of `pg dump`. */
export function basicText(map: PgMap): string {
  return `version ${map.version}\nstamp ${formatUtime(utimeFromMs(map.stamp_ms))}\nlast_osdmap_epoch 0\nlast_pg_scan 0\n`;
}

export function dumpBasic(f: Formatter, map: PgMap, d: PgMapDigest): void {
  f.int('version', map.version);
  f.string('stamp', formatUtime(utimeFromMs(map.stamp_ms)));
  // The manager's map has had no use for these two since Luminous, and shows them as 0.
  f.int('last_osdmap_epoch', 0);
  f.int('last_pg_scan', 0);
  f.openObject('pg_stats_sum');
  dumpPoolStat(f, { ...d.pgSum, storeStats: makePoolStat().storeStats, numStoreStats: 0 });
  f.close();
  f.openObject('osd_stats_sum');
  dumpOsdStat(f, d.osdSum);
  f.close();
  dumpDelta(f, d);
}

export function dumpDelta(f: Formatter, d: PgMapDigest): void {
  f.openObject('pg_stats_delta');
  dumpPoolStat(f, d.pgSumDelta);
  f.string('stamp_delta', (utimeToMs(d.stampDelta) / 1000).toFixed(6));
  f.close();
}

export function dumpPgs(f: Formatter, pgs: readonly NamedPg[], brief = false, name = 'pg_stats'): void {
  f.openArray(name);
  for (const [pgid, stat] of pgs) {
    f.openObject('pg_stat');
    f.string('pgid', pgid);
    if (brief) dumpPgStatBrief(f, stat);
    else dumpPgStat(f, stat);
    f.close();
  }
  f.close();
}

export function dumpPools(f: Formatter, d: PgMapDigest): void {
  f.openArray('pool_stats');
  for (const [pool, stat] of [...d.poolSum].sort((a, b) => b[0] - a[0])) {
    f.openObject('pool_stat');
    f.int('poolid', pool);
    f.int('num_pg', d.numPgByPool.get(pool) ?? 0);
    dumpPoolStat(f, stat);
    f.close();
  }
  f.close();
}

export function dumpOsds(f: Formatter, map: PgMap): void {
  f.openArray('osd_stats');
  for (const [osd, stat] of [...map.osds].sort((a, b) => b[0] - a[0])) {
    f.openObject('osd_stat');
    f.int('osd', osd);
    dumpOsdStat(f, stat);
    f.close();
  }
  f.close();
  f.openArray('pool_statfs');
  for (const [pool, osd, space] of map.poolSpace()) {
    f.openObject('pool_statfs');
    f.int('poolid', pool);
    f.int('osd', osd);
    dumpStoreStatfs(f, space);
    f.close();
  }
  f.close();
}

const list = (values: readonly number[]): string => `[${values.join(',')}]`;

/** Columns of object counts that several tables share. */
function countCells(s: ObjectStatSum): number[] {
  return [
    s.numObjects,
    s.numObjectsMissingOnPrimary,
    s.numObjectsDegraded,
    s.numObjectsMisplaced,
    s.numObjectsUnfound,
    s.numBytes,
    s.numOmapBytes,
    s.numOmapKeys,
  ];
}

const COUNT_HEADINGS = [
  'OBJECTS',
  'MISSING_ON_PRIMARY',
  'DEGRADED',
  'MISPLACED',
  'UNFOUND',
  'BYTES',
  'OMAP_BYTES*',
  'OMAP_KEYS*',
];

export function pgsBriefText(pgs: readonly NamedPg[]): string {
  const table = new TextTable();
  for (const [heading, align] of [
    ['PG_STAT', 'left'],
    ['STATE', 'right'],
    ['UP', 'right'],
    ['UP_PRIMARY', 'right'],
    ['ACTING', 'right'],
    ['ACTING_PRIMARY', 'right'],
  ] as const) {
    table.column(heading, 'left', align);
  }
  for (const [pgid, s] of pgs)
    table.row(pgid, formatPgState(s.state), list(s.up), s.upPrimary, list(s.acting), s.actingPrimary);
  return String(table);
}

export function pgsText(pgs: readonly NamedPg[]): string {
  const table = new TextTable().column('PG_STAT', 'left', 'left');
  for (const heading of COUNT_HEADINGS) table.column(heading, 'left', 'right');
  for (const heading of [
    'LOG',
    'DISK_LOG',
    'STATE',
    'STATE_STAMP',
    'VERSION',
    'REPORTED',
    'UP',
    'UP_PRIMARY',
    'ACTING',
    'ACTING_PRIMARY',
    'LAST_SCRUB',
    'SCRUB_STAMP',
    'LAST_DEEP_SCRUB',
    'DEEP_SCRUB_STAMP',
    'SNAPTRIMQ_LEN',
  ]) {
    table.column(heading, 'left', 'right');
  }
  for (const [pgid, s] of pgs) {
    table.row(
      pgid,
      ...countCells(s.stats),
      s.logSize,
      s.ondiskLogSize,
      formatPgState(s.state),
      formatUtime(s.lastChange),
      formatEversion(s.version),
      `${s.reportedEpoch}:${s.reportedSeq}`,
      list(s.up),
      s.upPrimary,
      list(s.acting),
      s.actingPrimary,
      formatEversion(s.lastScrub),
      formatUtime(s.lastScrubStamp),
      formatEversion(s.lastDeepScrub),
      formatUtime(s.lastDeepScrubStamp),
      s.snaptrimqLen,
    );
  }
  return String(table);
}

/** Pools as `pg dump` shows them. `header`: with the columns' names, else blank ones. */
export function poolsText(d: PgMapDigest, header: boolean): string {
  const names = ['POOLID', ...COUNT_HEADINGS, 'LOG', 'DISK_LOG'];
  const table = new TextTable();
  for (const [i, name] of names.entries()) table.column(header ? name : '', 'left', i === 0 ? 'left' : 'right');
  for (const [pool, s] of [...d.poolSum].sort((a, b) => b[0] - a[0]))
    table.row(pool, ...countCells(s.stats), s.logSize, s.ondiskLogSize);
  return String(table);
}

export function pgSumText(sum: PoolStat, header: boolean): string {
  const names = ['PG_STAT', ...COUNT_HEADINGS, 'LOG', 'DISK_LOG'];
  const table = new TextTable();
  for (const [i, name] of names.entries()) table.column(header ? name : '', 'left', i === 0 ? 'left' : 'right');
  return String(table.row('sum', ...countCells(sum.stats), sum.logSize, sum.ondiskLogSize));
}

export function osdsText(map: PgMap, d: PgMapDigest): string {
  const table = new TextTable().column('OSD_STAT', 'left', 'left');
  for (const heading of ['USED', 'AVAIL', 'USED_RAW', 'TOTAL', 'HB_PEERS', 'PG_SUM', 'PRIMARY_PG_SUM'])
    table.column(heading, 'left', 'right');
  for (const [osd, { statfs, hbPeers }] of [...map.osds].sort((a, b) => b[0] - a[0])) {
    const count = d.numPgByOsd.get(osd);
    table.row(
      osd,
      formatBytes(statfsUsed(statfs)),
      formatBytes(statfs.available),
      formatBytes(statfsUsedRaw(statfs)),
      formatBytes(statfs.total),
      list(hbPeers),
      count === undefined ? 0 : count.acting + count.upNotActing,
      count?.primary ?? 0,
    );
  }
  const { statfs } = d.osdSum;
  table.row(
    'sum',
    formatBytes(statfsUsed(statfs)),
    formatBytes(statfs.available),
    formatBytes(statfsUsedRaw(statfs)),
    formatBytes(statfs.total),
  );
  return String(table);
}

/** `pg ls` as text. */
export function pgLsText(pgs: readonly NamedPg[], now_ms: number): string {
  const table = new TextTable().column('PG', 'left', 'left');
  for (const heading of [
    'OBJECTS',
    'DEGRADED',
    'MISPLACED',
    'UNFOUND',
    'BYTES',
    'OMAP_BYTES*',
    'OMAP_KEYS*',
    'LOG',
    'STATE',
    'SINCE',
    'VERSION',
    'REPORTED',
    'UP',
    'ACTING',
    'SCRUB_STAMP',
    'DEEP_SCRUB_STAMP',
  ]) {
    table.column(heading, 'left', 'right');
  }
  for (const [pgid, s] of pgs) {
    const o = s.stats;
    table.row(
      pgid,
      o.numObjects,
      o.numObjectsDegraded,
      o.numObjectsMisplaced,
      o.numObjectsUnfound,
      o.numBytes,
      o.numOmapBytes,
      o.numOmapKeys,
      s.logSize,
      formatPgState(s.state),
      formatSpan((now_ms - utimeToMs(s.lastChange)) / 1000),
      formatEversion(s.version),
      `${s.reportedEpoch}:${s.reportedSeq}`,
      `${list(s.up)}p${s.upPrimary}`,
      `${list(s.acting)}p${s.actingPrimary}`,
      formatUtime(s.lastScrubStamp),
      formatUtime(s.lastDeepScrubStamp),
    );
  }
  return String(table);
}

/** `pg dump` (all) as text. */
export function allText(map: PgMap, d: PgMapDigest): string {
  const pgs = sortedPgs(map.pgs).reverse();
  return `${basicText(map)}${pgsText(pgs)}${poolsText(d, false)}${pgSumText(d.pgSum, false)}${osdsText(map, d)}`;
}
