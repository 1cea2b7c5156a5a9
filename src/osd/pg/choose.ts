/**
 * The judgements of peering, as functions of what is known: who must be asked, whose log counts, who acts. Copies are named by their OSD (replicated pools).
 */
import {
  compareEversion,
  type Eversion,
  eversionMax,
  minEversion,
  type OSDMap,
  type PgPool,
} from '../../types/index.ts';
import type { PastIntervals, PgInfo } from './info.ts';

/** The sets a PG is mapped to by one map. */
export interface PgMapping {
  readonly up: readonly number[];
  readonly upPrimary: number;
  readonly acting: readonly number[];
  readonly actingPrimary: number;
}

export function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Does an interval end between these two maps? */
export function isNewInterval(
  old: PgMapping,
  now: PgMapping,
  oldPool: PgPool | undefined,
  pool: PgPool | undefined,
): boolean {
  if (oldPool === undefined) return false;
  if (pool === undefined) return true;
  return (
    old.actingPrimary !== now.actingPrimary ||
    old.upPrimary !== now.upPrimary ||
    !sameSet(old.acting, now.acting) ||
    !sameSet(old.up, now.up) ||
    oldPool.size !== pool.size ||
    oldPool.minSize !== pool.minSize ||
    oldPool.pgNum !== pool.pgNum ||
    oldPool.pgNumPending !== pool.pgNumPending ||
    oldPool.peeringCrushBucketCount !== pool.peeringCrushBucketCount ||
    oldPool.peeringCrushBucketTarget !== pool.peeringCrushBucketTarget ||
    oldPool.peeringCrushBucketBarrier !== pool.peeringCrushBucketBarrier ||
    oldPool.peeringCrushMandatoryMember !== pool.peeringCrushMandatoryMember
  );
}

/**
 * May the interval [first, last] have taken writes? Its primary must have been up through it as the map says, with enough copies; or the PG was clean in it.
 */
export function maybeWentRw(
  first: number,
  last: number,
  mapping: PgMapping,
  lastMap: OSDMap,
  pool: PgPool,
  lastEpochClean: number,
): boolean {
  if (mapping.actingPrimary < 0 || mapping.acting.length < pool.minSize || mapping.acting.length === 0) return false;
  const info = lastMap.osdInfo[mapping.actingPrimary];
  if (info !== undefined && info.upThru >= first && info.upFrom <= first) return true;
  return lastEpochClean >= first && lastEpochClean <= last;
}

/** Who must be asked before the PG may go on. */
export interface PriorSet {
  readonly probe: ReadonlySet<number>;
  readonly down: ReadonlySet<number>;
  /** An interval may have taken writes that nobody who is up knows of. */
  readonly pgDown: boolean;
  /** Those whose return would help, with the epoch they were lost at as known then. */
  readonly blockedBy: ReadonlyMap<number, number>;
}

export function buildPrior(
  past: PastIntervals,
  lastEpochStarted: number,
  map: OSDMap,
  up: readonly number[],
  acting: readonly number[],
): PriorSet {
  const probe = new Set<number>([...acting, ...up]);
  const down = new Set<number>();
  for (const osd of past.participants) {
    if (map.isUp(osd)) probe.add(osd);
    else down.add(osd);
  }
  let pgDown = false;
  const blockedBy = new Map<number, number>();
  for (let i = past.intervals.length - 1; i >= 0; i--) {
    const interval = past.intervals[i]!;
    if (interval.last < lastEpochStarted) break;
    let someoneUp = false;
    const candidates = new Map<number, number>();
    for (const osd of interval.acting) {
      if (map.isUp(osd)) someoneUp = true;
      else if (map.exists(osd)) {
        const lostAt = map.osdInfo[osd]?.lostAt ?? 0;
        // Declared lost since: it is not waited for.
        if (lostAt > interval.first) someoneUp = true;
        else candidates.set(osd, lostAt);
      }
    }
    if (!someoneUp && candidates.size > 0) {
      pgDown = true;
      for (const [osd, lostAt] of candidates) blockedBy.set(osd, lostAt);
    }
  }
  return { probe, down, pgDown, blockedBy };
}

/** Must the prior set be built anew for this map? */
export function priorAffected(prior: PriorSet, map: OSDMap): boolean {
  for (const osd of prior.probe) if (!map.isUp(osd)) return true;
  for (const osd of prior.down) if (map.isUp(osd)) return true;
  for (const [osd, lostAt] of prior.blockedBy) {
    if (!map.exists(osd) || (map.osdInfo[osd]?.lostAt ?? 0) !== lostAt) return true;
  }
  return false;
}

/**
 * The copy whose log is authoritative: of those that saw the last epoch started, the newest update; then the longest log; then one that lacks nothing;
 * then the primary itself. Undefined where no complete copy qualifies.
 */
export function findBestInfo(
  infos: ReadonlyMap<number, PgInfo>,
  primary: number,
): { best: number | undefined; historyBound: boolean } {
  let started = 0;
  let historyBound = false;
  for (const i of infos.values()) {
    if (started < i.history.lastEpochStarted) {
      started = i.history.lastEpochStarted;
      historyBound = true;
    }
    if (!i.isIncomplete && started < i.lastEpochStarted) {
      started = i.lastEpochStarted;
      historyBound = false;
    }
  }
  let least: Eversion = eversionMax;
  for (const i of infos.values()) if (started <= i.lastEpochStarted) least = minEversion(least, i.lastUpdate);
  if (least === eversionMax) return { best: undefined, historyBound };
  let best: number | undefined;
  let bestInfo: PgInfo | undefined;
  for (const [osd, i] of [...infos].sort((a, b) => a[0] - b[0])) {
    if (compareEversion(i.lastUpdate, least) < 0 || i.lastEpochStarted < started || i.isIncomplete) continue;
    if (bestInfo === undefined || isBetter(i, bestInfo, osd === primary)) {
      best = osd;
      bestInfo = i;
    }
  }
  return { best, historyBound };
}

function isBetter(i: PgInfo, than: PgInfo, isPrimary: boolean): boolean {
  const update = compareEversion(i.lastUpdate, than.lastUpdate);
  if (update !== 0) return update > 0;
  const tail = compareEversion(i.logTail, than.logTail);
  if (tail !== 0) return tail < 0;
  if (i.hasMissing !== than.hasMissing) return !i.hasMissing;
  return isPrimary;
}

/** Who acts, and who is filled up beside. */
export interface ActingChoice {
  readonly want: readonly number[];
  readonly backfill: ReadonlySet<number>;
  /** All that take part: acting and backfill. */
  readonly participants: ReadonlySet<number>;
}

/** osd_force_auth_primary_missing_objects: an up primary that lacks more objects than this yields to the copy with the best log. */
export function chooseReplicated(
  infos: ReadonlyMap<number, PgInfo>,
  best: number,
  up: readonly number[],
  upPrimary: number,
  acting: readonly number[],
  size: number,
  forceAuthMissing: number,
): ActingChoice {
  const bestInfo = infos.get(best)!;
  const candidate = infos.get(upPrimary);
  let primary = best;
  if (candidate !== undefined && up.length > 0 && !candidate.isIncomplete) {
    if (compareEversion(candidate.lastUpdate, bestInfo.logTail) >= 0) {
      const behind = Math.abs(bestInfo.lastUpdate.version - candidate.lastUpdate.version);
      if (candidate.stats.stats.numObjectsMissing + behind <= forceAuthMissing) primary = upPrimary;
    }
  }
  const oldest = minEversion(infos.get(primary)!.logTail, bestInfo.logTail);
  const contiguous = (i: PgInfo): boolean => !i.isIncomplete && compareEversion(i.lastUpdate, oldest) >= 0;
  const want: number[] = [primary];
  const backfill = new Set<number>();
  const participants = new Set<number>([primary]);
  for (const osd of up) {
    if (osd === primary) continue;
    const i = infos.get(osd);
    if (i !== undefined && contiguous(i)) want.push(osd);
    else backfill.add(osd);
    participants.add(osd);
  }
  const fill = (candidates: Iterable<number>): void => {
    const usable = [...candidates]
      .filter((osd) => osd !== primary && !up.includes(osd) && !want.includes(osd))
      .filter((osd) => {
        const i = infos.get(osd);
        return i !== undefined && contiguous(i);
      })
      .sort((a, b) => compareEversion(infos.get(b)!.lastUpdate, infos.get(a)!.lastUpdate));
    for (const osd of usable) {
      if (want.length >= size) return;
      want.push(osd);
      participants.add(osd);
    }
  };
  fill(acting);
  fill([...infos.keys()].filter((osd) => !acting.includes(osd)));
  while (want.length > size) want.pop();
  return { want, backfill, participants };
}
