/** What a PG's primary reports of it: counts of copies that lack objects, and stamps of when it last was how. */
import { IntervalSet, type PgStat, pgState, type Utime } from '../types/index.ts';
import type { Pg } from './pg/pg.ts';

/** Fills in what is computed and gives the statistics to send. */
export function pgStatReport(pg: Pg, epoch: number, now: Utime): PgStat {
  const { peering } = pg;
  const s = pg.info.stats;
  s.reportedSeq++;
  s.reportedEpoch = epoch;
  copyScrubs(pg);
  const { state } = s;
  if (pg.reportedState !== state) {
    s.lastChange = now;
    if ((state & pgState.ACTIVE) !== 0n && (pg.reportedState & pgState.ACTIVE) === 0n) s.lastBecameActive = now;
    if ((state & PEERED) !== 0n && (pg.reportedState & PEERED) === 0n) s.lastBecamePeered = now;
    pg.reportedState = state;
  }
  s.lastFresh = now;
  if ((state & pgState.CLEAN) !== 0n) s.lastClean = now;
  if ((state & pgState.ACTIVE) !== 0n) s.lastActive = now;
  if ((state & PEERED) !== 0n) s.lastPeered = now;
  s.lastUnstale = now;
  if ((state & pgState.DEGRADED) === 0n) s.lastUndegraded = now;
  if ((state & pgState.UNDERSIZED) === 0n) s.lastFullsized = now;
  s.lastEpochClean = pg.info.history.lastEpochClean;
  s.logSize = pg.log.length;
  s.ondiskLogSize = s.logSize;
  s.logStart = pg.log.tail;
  s.ondiskLogStart = pg.log.tail;
  s.blockedBy = peering.blockedBy.slice();
  s.snaptrimqLen = pg.trimmer.queue.size;
  s.purgedSnaps = firstIntervals(pg.info.purgedSnaps, pg.services.pgOptions.purgedIntervalsMax);
  s.created = pg.info.history.epochCreated;
  countCopies(pg);
  return s;
}

/** When the PG was scrubbed is in its history; what came of it, in its state. */
function copyScrubs(pg: Pg): void {
  const { peering } = pg;
  const { history, stats: s } = pg.info;
  s.lastScrub = history.lastScrub;
  s.lastScrubStamp = history.lastScrubStamp;
  s.lastDeepScrub = history.lastDeepScrub;
  s.lastDeepScrubStamp = history.lastDeepScrubStamp;
  s.lastCleanScrubStamp = history.lastCleanScrubStamp;
  if (s.stats.numScrubErrors > 0) peering.setState(pgState.INCONSISTENT);
  else peering.clearState(pgState.INCONSISTENT | pgState.FAILED_REPAIR);
}

/** Statistics stay small: so many ranges at a time, the rest when the monitors have taken these. */
function firstIntervals(set: IntervalSet, max: number): IntervalSet {
  if (set.rangeCount <= max) return set;
  const ranges: number[] = [];
  for (const range of set.ranges()) {
    if (ranges.length >= 2 * max) break;
    ranges.push(...range);
  }
  return IntervalSet.fromOrdered(ranges);
}

const PEERED = pgState.ACTIVE | pgState.PEERED;

function countCopies(pg: Pg): void {
  const { peering } = pg;
  const sum = pg.info.stats.stats;
  const size = peering.pool.size;
  sum.numObjectCopies = sum.numObjects * size;
  sum.numObjectsMissingOnPrimary = pg.missing.size;
  sum.numObjectsDegraded = 0;
  sum.numObjectsMisplaced = 0;
  sum.numObjectsUnfound = 0;
  if (!peering.isPeered && !peering.test(pgState.ACTIVATING)) return;
  let lacking = pg.missing.size;
  for (const osd of peering.acting) {
    if (osd !== pg.whoami) lacking += peering.peerMissing.get(osd)?.size ?? 0;
  }
  const absent = Math.max(0, size - peering.acting.length - backfilled(pg));
  sum.numObjectsDegraded = Math.min(sum.numObjectCopies, lacking + absent * sum.numObjects);
  if (peering.test(pgState.REMAPPED)) {
    const away = peering.mapping.up.filter((osd) => !peering.acting.includes(osd)).length;
    sum.numObjectsMisplaced = away * sum.numObjects;
  }
  if (peering.test(pgState.RECOVERY_UNFOUND)) {
    for (const item of pg.missing.items()) {
      if (peering.sourcesOf(item.oid, item.key, item.need).length === 0) sum.numObjectsUnfound++;
    }
  }
}

/** Backfill targets that are complete already. */
function backfilled(pg: Pg): number {
  let n = 0;
  for (const osd of pg.peering.backfillTargets) if (pg.peering.peerInfo.get(osd)?.isIncomplete === false) n++;
  return n;
}
