import { type Formatter, formatBytes, formatFixed, formatSi } from '../format/index.ts';
import { formatPgState, type PoolStat, type StoreStatfs, statfsUsedRaw } from '../osd/index.ts';
import type { PgMapDigest } from './digest.ts';
import { clientIoText, dumpClientIo, dumpRecoveryRate, ioRates, recoveryRateText } from './rates.ts';

/** Continuation lines of `pgs:` in `ceph -s` start here. */
const PGS_INDENT = ' '.repeat(13);

/** Bytes used by data, the reserved ones left out (store_statfs_t::get_used). */
export function statfsUsed(s: StoreStatfs): number {
  return s.total - s.available - s.internallyReserved;
}

/** The ways in which objects can be short of what they should be: sum's field, word, and what it is a share of. */
const SHORTFALLS = [
  ['numObjectsDegraded', 'degraded', 'numObjectCopies'],
  ['numObjectsMisplaced', 'misplaced', 'numObjectCopies'],
  ['numObjectsUnfound', 'unfound', 'numObjects'],
] as const;

/** `1/30 objects degraded (3.333%)`, and so on. */
export function recoveryTexts(sum: PoolStat): string[] {
  const lines: string[] = [];
  for (const [field, word, whole] of SHORTFALLS) {
    const n = sum.stats[field];
    const total = sum.stats[whole];
    if (n !== 0 && total > 0) lines.push(`${n}/${total} objects ${word} (${formatFixed((n / total) * 100, 3)}%)`);
  }
  return lines;
}

export function dumpRecovery(f: Formatter, sum: PoolStat): void {
  for (const [field, word, whole] of SHORTFALLS) {
    const n = sum.stats[field];
    const total = sum.stats[whole];
    if (n === 0 || total <= 0) continue;
    f.int(`${word}_objects`, n);
    f.int(`${word}_total`, total);
    f.float(`${word}_ratio`, n / total);
  }
}

/** Most PGs first; of equal counts the higher mask first. */
function statesByCount(d: PgMapDigest): [state: bigint, count: number][] {
  return [...d.numPgByState].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? 1 : -1));
}

function notActive(d: PgMapDigest): number {
  return d.numPg - d.numPgActive - d.numPgUnknown;
}

/** The `data:` and `io:` sections of `ceph -s`, from `pools:` on. */
export function pgMapSummaryText(d: PgMapDigest): string {
  const { statfs } = d.osdSum;
  let text = `    pools:   ${d.poolSum.size} pools, ${d.numPg} pgs\n`;
  text += `    objects: ${formatSi(d.pgSum.stats.numObjects)} objects, ${formatBytes(d.pgSum.stats.numBytes)}\n`;
  text += `    usage:   ${formatBytes(statfsUsedRaw(statfs))} used, ${formatBytes(statfs.available)} / ${formatBytes(statfs.total)} avail\n`;
  const lines: string[] = [];
  const share = (n: number): string => formatFixed((n / d.numPg) * 100, 3);
  if (d.numPgUnknown > 0) lines.push(`${share(d.numPgUnknown)}% pgs unknown`);
  if (notActive(d) > 0) lines.push(`${share(notActive(d))}% pgs not active`);
  lines.push(...recoveryTexts(d.pgSum));
  const states = statesByCount(d);
  const width = Math.max(1, ...states.map(([, count]) => String(count).length));
  for (const [state, count] of states) lines.push(`${String(count).padEnd(width)} ${formatPgState(state)}`);
  text += `    pgs:     ${lines.map((line) => `${line}\n`).join(PGS_INDENT)}`;
  const rates = ioRates(d.pgSumDelta, d.stampDelta);
  const client = clientIoText(rates);
  const recovery = recoveryRateText(rates);
  if (client !== '' || recovery !== '') text += ' \n  io:\n';
  if (client !== '') text += `    client:   ${client}\n`;
  if (recovery !== '') text += `    recovery: ${recovery}\n`;
  return text;
}

/** The fields of `pgmap` in `ceph -s -f json`, into an open object. */
export function dumpPgMapSummary(f: Formatter, d: PgMapDigest): void {
  f.openArray('pgs_by_state');
  for (const [state, count] of statesByCount(d)) {
    f.openObject('pgs_by_state_element');
    f.string('state_name', formatPgState(state));
    f.int('count', count);
    f.close();
  }
  f.close();
  const { statfs } = d.osdSum;
  f.int('num_pgs', d.numPg);
  f.int('num_pools', d.poolSum.size);
  f.int('num_objects', d.pgSum.stats.numObjects);
  f.int('data_bytes', d.pgSum.stats.numBytes);
  f.int('bytes_used', statfsUsedRaw(statfs));
  f.int('bytes_avail', statfs.available);
  f.int('bytes_total', statfs.total);
  // The ratios are single precision in Ceph.
  if (d.numPgUnknown > 0) f.float('unknown_pgs_ratio', Math.fround(d.numPgUnknown / d.numPg));
  if (notActive(d) > 0) f.float('inactive_pgs_ratio', Math.fround(notActive(d) / d.numPg));
  dumpRecovery(f, d.pgSum);
  const rates = ioRates(d.pgSumDelta, d.stampDelta);
  dumpRecoveryRate(f, rates);
  dumpClientIo(f, rates);
}

/** States in the order of their masks, as `ceph pg stat` has them. */
function statesByMask(d: PgMapDigest): [state: bigint, count: number][] {
  return [...d.numPgByState].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

/** The one line of `ceph pg stat`, without its newline. */
export function pgStatText(d: PgMapDigest): string {
  const { statfs } = d.osdSum;
  const states = statesByMask(d).map(([state, count]) => `${count} ${formatPgState(state)}`);
  let text = `${d.numPg} pgs: ${states.join(', ')}; ${formatBytes(d.pgSum.stats.numBytes)} data, ${formatBytes(statfsUsed(statfs))} used, ${formatBytes(statfs.available)} / ${formatBytes(statfs.total)} avail`;
  const r = ioRates(d.pgSumDelta, d.stampDelta);
  if (r.any.numRd > 0 || r.any.numWr > 0) {
    text += '; ';
    if (r.any.numRd > 0) text += `${formatBytes(r.readBytes)}/s rd, `;
    if (r.any.numWr > 0) text += `${formatBytes(r.writeBytes)}/s wr, `;
    text += `${formatSi(opsPerSecond(r))} op/s`;
  }
  for (const line of recoveryTexts(d.pgSum)) text += `; ${line}`;
  const recovery = recoveryRateText(r);
  return recovery === '' ? text : `${text}; ${recovery} recovering`;
}

function opsPerSecond(r: ReturnType<typeof ioRates>): number {
  return r.seconds > 0 ? Math.trunc((r.any.numRd + r.any.numWr) / r.seconds) : 0;
}

/** `pg_summary` of `ceph pg stat -f json`, into an open object. */
export function dumpPgStatSummary(f: Formatter, d: PgMapDigest): void {
  f.openArray('num_pg_by_state');
  for (const [state, count] of statesByMask(d)) {
    f.openObject('state');
    f.string('name', formatPgState(state));
    f.int('num', count);
    f.close();
  }
  f.close();
  const { statfs } = d.osdSum;
  f.int('num_pgs', d.numPg);
  f.int('num_bytes', d.pgSum.stats.numBytes);
  f.int('total_bytes', statfs.total);
  f.int('total_avail_bytes', statfs.available);
  f.int('total_used_bytes', statfsUsed(statfs));
  f.int('total_used_raw_bytes', statfsUsedRaw(statfs));
  const r = ioRates(d.pgSumDelta, d.stampDelta);
  if (r.any.numRd > 0 || r.any.numWr > 0) {
    if (r.any.numRd > 0) f.int('read_bytes_sec', r.readBytes);
    if (r.any.numWr > 0) f.int('write_bytes_sec', r.writeBytes);
    f.int('io_sec', opsPerSecond(r));
  }
  dumpRecovery(f, d.pgSum);
  dumpRecoveryRate(f, r);
}
