import { type Formatter, formatBytes, formatFixed, formatSi, TextTable } from '../format/index.ts';
import { type OsdStat, type PoolStat, type StoreStatfs, statfsUsedRaw } from '../osd/index.ts';
import { hasPoolOmapStats, hasPoolStats, type PgMapDigest } from './digest.ts';
import { statfsUsed } from './summary.ts';

/** What `ceph df` must know of a pool besides its statistics. */
export interface DfPool {
  readonly id: number;
  readonly name: string;
  readonly pgNum: number;
  /** Copies of a byte: size of a replicated pool, (k+m)/k of an erasure-coded one. */
  readonly rawUsedRate: number;
  /** Bytes its rule can still take, before replication; see PgMapDigest.availableByRule. */
  readonly availableRaw: number;
  readonly quotaObjects: number;
  readonly quotaBytes: number;
  readonly isTier: boolean;
}

function usedRatio(s: StoreStatfs): number {
  return s.total > 0 ? Math.fround(statfsUsedRaw(s) / s.total) : 0;
}

function percent(x: number): string {
  return x < 0.01 ? '0' : formatFixed(Math.fround(x), 2);
}

interface PoolUsage {
  readonly stored: number;
  readonly storedData: number;
  readonly storedOmap: number;
  readonly storedRaw: number;
  readonly used: number;
  readonly usedData: number;
  readonly usedOmap: number;
  readonly usedRatio: number;
  readonly maxAvailable: number;
}

function poolUsage(d: PgMapDigest, stat: PoolStat, pool: DfPool): PoolUsage {
  const { stats, storeStats } = stat;
  let rate = Math.fround(pool.rawUsedRate);
  // Copies that are missing take no space.
  if (stats.numObjectCopies > 0) {
    rate = Math.fround(rate * Math.fround((stats.numObjectCopies - stats.numObjectsDegraded) / stats.numObjectCopies));
  }
  const perPool = hasPoolStats(d);
  const perPoolOmap = hasPoolOmapStats(d);
  const usedData = perPool ? storeStats.allocated : stats.numBytes;
  const usedOmap = perPoolOmap ? storeStats.omapAllocated : stats.numOmapBytes;
  const used = usedData + usedOmap;
  const unit = (x: number): number => (rate > 0 ? Math.trunc(x / rate) : 0);
  const storedData = perPool ? unit(storeStats.dataStored) : stats.numBytes;
  const storedOmap = perPoolOmap ? unit(storeStats.omapAllocated) : stats.numOmapBytes;
  const stored = storedData + storedOmap;
  return {
    stored,
    storedData,
    storedOmap,
    storedRaw: Math.trunc(Math.fround(stored * rate)),
    used,
    usedData,
    usedOmap,
    usedRatio: pool.availableRaw > 0 ? Math.fround(used / (used + pool.availableRaw)) : used > 0 ? 1 : 0,
    maxAvailable: rate > 0 ? Math.trunc(Math.fround(pool.availableRaw / rate)) : 0,
  };
}

function dumpOsdSum(f: Formatter, s: OsdStat): void {
  f.int('total_bytes', s.statfs.total);
  f.int('total_avail_bytes', s.statfs.available);
  f.int('total_used_bytes', statfsUsed(s.statfs));
  f.int('total_used_raw_bytes', statfsUsedRaw(s.statfs));
  f.float('total_used_raw_ratio', usedRatio(s.statfs));
}

/** `ceph df` (`verbose`: `df detail`) as JSON or XML, into an open object. */
export function dumpDf(f: Formatter, d: PgMapDigest, pools: readonly DfPool[], verbose: boolean): void {
  f.openObject('stats');
  dumpOsdSum(f, d.osdSum);
  f.int('num_osds', d.osdSum.numOsds);
  f.int('num_per_pool_osds', d.osdSum.numPerPoolOsds);
  f.int('num_per_pool_omap_osds', d.osdSum.numPerPoolOmapOsds);
  f.close();
  f.openObject('stats_by_class');
  for (const [name, sum] of d.osdSumByClass) {
    f.openObject(name);
    dumpOsdSum(f, sum);
    f.close();
  }
  f.close();
  f.openArray('pools');
  for (const pool of pools) {
    const stat = d.poolSum.get(pool.id);
    if (stat === undefined) continue;
    f.openObject('pool');
    f.string('name', pool.name);
    f.int('id', pool.id);
    f.openObject('stats');
    const u = poolUsage(d, stat, pool);
    f.int('stored', u.stored);
    if (verbose) {
      f.int('stored_data', u.storedData);
      f.int('stored_omap', u.storedOmap);
    }
    f.int('objects', stat.stats.numObjects);
    f.int('kb_used', Math.ceil(u.used / 1024));
    f.int('bytes_used', u.used);
    if (verbose) {
      f.int('data_bytes_used', u.usedData);
      f.int('omap_bytes_used', u.usedOmap);
    }
    f.float('percent_used', u.usedRatio);
    f.int('max_avail', u.maxAvailable);
    if (verbose) {
      f.int('quota_objects', pool.quotaObjects);
      f.int('quota_bytes', pool.quotaBytes);
      f.int('dirty', pool.isTier ? stat.stats.numObjectsDirty : 0);
      f.int('rd', stat.stats.numRd);
      f.int('rd_bytes', stat.stats.numRdKb * 1024);
      f.int('wr', stat.stats.numWr);
      f.int('wr_bytes', stat.stats.numWrKb * 1024);
      f.int('compress_bytes_used', stat.storeStats.dataCompressedAllocated);
      f.int('compress_under_bytes', stat.storeStats.dataCompressedOriginal);
      f.int('stored_raw', u.storedRaw);
      f.int('avail_raw', pool.availableRaw);
    }
    f.close();
    f.close();
  }
  f.close();
}

function right(table: TextTable, ...headings: string[]): void {
  for (const heading of headings) table.column(heading, 'right');
}

/** `ceph df` as text. */
export function dfText(d: PgMapDigest, pools: readonly DfPool[], verbose: boolean): string {
  const raw = new TextTable().column('CLASS', 'left');
  right(raw, 'SIZE', 'AVAIL', 'USED', 'RAW USED', '%RAW USED');
  for (const [name, { statfs }] of [...d.osdSumByClass, ['TOTAL', d.osdSum] as const]) {
    raw.row(
      name,
      formatBytes(statfs.total),
      formatBytes(statfs.available),
      formatBytes(statfsUsed(statfs)),
      formatBytes(statfsUsedRaw(statfs)),
      percent(usedRatio(statfs) * 100),
    );
  }
  const table = new TextTable().column('POOL', 'left');
  right(table, 'ID', 'PGS', 'STORED');
  if (verbose) right(table, '(DATA)', '(OMAP)');
  right(table, 'OBJECTS', 'USED');
  if (verbose) right(table, '(DATA)', '(OMAP)');
  right(table, '%USED', 'MAX AVAIL');
  if (verbose) right(table, 'QUOTA OBJECTS', 'QUOTA BYTES', 'DIRTY', 'USED COMPR', 'UNDER COMPR');
  for (const pool of pools) {
    const stat = d.poolSum.get(pool.id);
    if (stat === undefined) continue;
    const u = poolUsage(d, stat, pool);
    const cells: (string | number)[] = [pool.name, pool.id, pool.pgNum, formatBytes(u.stored)];
    if (verbose) cells.push(formatBytes(u.storedData), formatBytes(u.storedOmap));
    cells.push(formatSi(stat.stats.numObjects), formatBytes(u.used));
    if (verbose) cells.push(formatBytes(u.usedData), formatBytes(u.usedOmap));
    cells.push(percent(u.usedRatio * 100), formatBytes(u.maxAvailable));
    if (verbose) {
      cells.push(
        pool.quotaObjects === 0 ? 'N/A' : formatSi(pool.quotaObjects),
        pool.quotaBytes === 0 ? 'N/A' : formatBytes(pool.quotaBytes),
        pool.isTier ? formatSi(stat.stats.numObjectsDirty) : 'N/A',
        formatBytes(stat.storeStats.dataCompressedAllocated),
        formatBytes(stat.storeStats.dataCompressedOriginal),
      );
    }
    table.row(...cells);
  }
  return `--- RAW STORAGE ---\n${raw} \n--- POOLS ---\n${table}`;
}
