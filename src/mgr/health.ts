import {
  formatFixed,
  formatPgState,
  type OSDMap,
  type PgMapDigest,
  type PgStat,
  parsePgId,
  pgState,
  type Utime,
  utimeIsZero,
  utimeToMs,
} from '../types/index.ts';
import type { PgMap } from './pg-map.ts';

export type Severity = 'HEALTH_WARN' | 'HEALTH_ERR';

export interface HealthCheck {
  readonly code: string;
  readonly severity: Severity;
  readonly summary: string;
  readonly detail: readonly string[];
  readonly count: number;
}

type Consequence = 'unavailable' | 'degraded' | 'backfillFull' | 'damaged' | 'recoveryFull';

interface StateRule {
  readonly state: bigint;
  readonly consequence: Consequence;
  /** Reported only when stuck: since when the PG was last well in this respect. */
  readonly wellSince?: (pg: PgStat) => Utime;
  /** The PG is ill where it lacks the state. */
  readonly inverted?: string;
}

/** Which state of a PG means what for its users, in the order of the states' bits. */
const RULES: readonly StateRule[] = [
  { state: pgState.ACTIVE, consequence: 'unavailable', wellSince: (pg) => pg.lastActive, inverted: 'inactive' },
  { state: pgState.DOWN, consequence: 'unavailable' },
  { state: pgState.RECOVERY_UNFOUND, consequence: 'damaged' },
  { state: pgState.BACKFILL_UNFOUND, consequence: 'damaged' },
  { state: pgState.DEGRADED, consequence: 'degraded' },
  { state: pgState.INCONSISTENT, consequence: 'damaged' },
  { state: pgState.PEERING, consequence: 'unavailable', wellSince: (pg) => pg.lastPeered },
  { state: pgState.INCOMPLETE, consequence: 'unavailable' },
  { state: pgState.STALE, consequence: 'unavailable', wellSince: (pg) => pg.lastUnstale },
  { state: pgState.BACKFILL_TOOFULL, consequence: 'backfillFull' },
  { state: pgState.UNDERSIZED, consequence: 'degraded', wellSince: (pg) => pg.lastFullsized },
  { state: pgState.RECOVERY_TOOFULL, consequence: 'recoveryFull' },
  { state: pgState.SNAPTRIM_ERROR, consequence: 'damaged' },
];

const CHECKS: Record<Consequence, { code: string; severity: Severity; intro: string }> = {
  unavailable: { code: 'PG_AVAILABILITY', severity: 'HEALTH_WARN', intro: 'Reduced data availability: ' },
  degraded: { code: 'PG_DEGRADED', severity: 'HEALTH_WARN', intro: 'Degraded data redundancy: ' },
  backfillFull: {
    code: 'PG_BACKFILL_FULL',
    severity: 'HEALTH_WARN',
    intro: "Low space hindering backfill (add storage if this doesn't resolve itself): ",
  },
  damaged: { code: 'PG_DAMAGED', severity: 'HEALTH_ERR', intro: 'Possible data damage: ' },
  recoveryFull: { code: 'PG_RECOVERY_FULL', severity: 'HEALTH_ERR', intro: 'Full OSDs blocking recovery: ' },
};

/** `90s`, `5m`, `2h`, `3d`, `2w`: the largest unit of which there are at least two, as Ceph shows spans. */
export function formatSpan(seconds: number): string {
  const s = Math.trunc(seconds);
  if (s < 120) return `${s}s`;
  const minutes = Math.trunc(s / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (days < 14) return `${days}d`;
  const weeks = Math.trunc(days / 7);
  if (weeks < 12) return `${weeks}w`;
  const months = Math.trunc(days / 30);
  return months < 24 ? `${months}M` : `${Math.trunc(days / 365)}y`;
}

/** `3/90 objects degraded (3.333%)` */
function share(n: number, of: number, word: string): string {
  return `${n}/${of} objects ${word} (${formatFixed((n / of) * 100, 3)}%)`;
}

function describe(key: string, pg: PgStat, rule: StateRule, now_ms: number, map: OSDMap): string {
  const acting = `[${pg.acting.join(',')}]`;
  let text: string;
  if (rule.wellSince !== undefined) {
    const since = rule.wellSince(pg);
    const how = utimeIsZero(since) ? 'since forever' : `for ${formatSpan((now_ms - utimeToMs(since)) / 1000)}`;
    text = `pg ${key} is stuck ${rule.inverted ?? formatPgState(rule.state)} ${how}, current state ${formatPgState(pg.state)}, last acting ${acting}`;
  } else {
    text = `pg ${key} is ${formatPgState(pg.state)}, acting ${acting}`;
    if (pg.stats.numObjectsUnfound > 0) text += `, ${pg.stats.numObjectsUnfound} unfound`;
  }
  if ((pg.state & pgState.INCOMPLETE) !== 0n) {
    const { pool: id } = parsePgId(key)!;
    const pool = map.pool(id);
    if (pool !== undefined && pool.minSize > 1) {
      text += ` (reducing pool ${map.poolName(id)} min_size from ${pool.minSize} may help; search ceph.com/docs for 'incomplete')`;
    }
  }
  return text;
}

/**
 * The health checks that PG statistics give rise to. `stuckAfter_s` is mon_pg_stuck_threshold, `detail_max` mon_health_max_detail.
 */
export function pgHealthChecks(
  pgMap: PgMap,
  digest: PgMapDigest,
  map: OSDMap,
  now_ms: number,
  limits: { readonly stuckAfter_s: number; readonly detail_max: number },
): HealthCheck[] {
  const cutoff_ms = now_ms - limits.stuckAfter_s * 1000;
  const found = new Map<Consequence, { counts: Map<StateRule, number>; detail: Map<string, string> }>();
  for (const [key, pg] of pgMap.pgs) {
    for (const rule of RULES) {
      if (((pg.state & rule.state) !== 0n) === (rule.inverted !== undefined)) continue;
      if (rule.wellSince !== undefined) {
        const since = rule.wellSince(pg);
        if (utimeToMs(utimeIsZero(since) ? pg.lastChange : since) >= cutoff_ms) continue;
      }
      const cause = found.get(rule.consequence) ?? { counts: new Map(), detail: new Map() };
      found.set(rule.consequence, cause);
      cause.counts.set(rule, (cause.counts.get(rule) ?? 0) + 1);
      if (cause.detail.size <= limits.detail_max) cause.detail.set(key, describe(key, pg, rule, now_ms, map));
    }
  }
  const checks: HealthCheck[] = [];
  const { stats } = digest.pgSum;
  for (const consequence of Object.keys(CHECKS) as Consequence[]) {
    const cause = found.get(consequence);
    if (cause === undefined) continue;
    const { code, severity, intro } = CHECKS[consequence];
    let summary = intro;
    if (consequence === 'degraded' && stats.numObjectsDegraded > 0 && stats.numObjectCopies > 0) {
      summary += `${share(stats.numObjectsDegraded, stats.numObjectCopies, 'degraded')}, `;
    }
    const ordered = RULES.filter((rule) => cause.counts.has(rule));
    summary += ordered
      .map((rule) => {
        const n = cause.counts.get(rule)!;
        return `${n} ${n > 1 ? 'pgs' : 'pg'} ${rule.inverted ?? formatPgState(rule.state)}`;
      })
      .join(', ');
    const count = [...cause.counts.values()].reduce((a, b) => a + b, 0);
    checks.push({ code, severity, summary, detail: [...cause.detail.values()], count });
  }
  checks.push(...objectChecks(digest, map));
  checks.push(...applicationCheck(digest, map));
  checks.push(...storeChecks(digest, limits.detail_max));
  return checks;
}

/** What OSDs' stores tell of themselves. */
const STORE_ALERTS: Readonly<Record<string, string>> = {
  BLUESTORE_NO_COMPRESSION: ' have broken BlueStore compression',
};

function storeChecks(digest: PgMapDigest, detail_max: number): HealthCheck[] {
  const found = new Map<string, string[]>();
  for (const [osd, alerts] of digest.osdSum.alerts) {
    for (const [code, text] of alerts) {
      const detail = found.get(code) ?? [];
      found.set(code, detail);
      detail.push(` osd.${osd} ${text}`);
    }
  }
  return [...found].map(([code, detail]) => ({
    code,
    severity: 'HEALTH_WARN',
    summary: `${detail.length} OSD(s)${STORE_ALERTS[code] ?? ''}`,
    detail: detail.slice(0, detail_max),
    count: detail.length,
  }));
}

function objectChecks(digest: PgMapDigest, map: OSDMap): HealthCheck[] {
  const { stats } = digest.pgSum;
  const checks: HealthCheck[] = [];
  if (stats.numScrubErrors > 0) {
    checks.push({
      code: 'OSD_SCRUB_ERRORS',
      severity: 'HEALTH_ERR',
      summary: `${stats.numScrubErrors} scrub errors`,
      detail: [],
      count: stats.numScrubErrors,
    });
  }
  if (stats.numLargeOmapObjects > 0) {
    const detail: string[] = [];
    for (const [id, sum] of digest.poolSum) {
      const n = sum.stats.numLargeOmapObjects;
      if (n > 0) detail.push(`${n} large objects found in pool '${map.poolName(id)}'`);
    }
    detail.push("Search the cluster log for 'Large omap object found' for more details.");
    checks.push({
      code: 'LARGE_OMAP_OBJECTS',
      severity: 'HEALTH_WARN',
      summary: `${stats.numLargeOmapObjects} large omap objects`,
      detail,
      count: stats.numLargeOmapObjects,
    });
  }
  if (stats.numObjectsMisplaced > 0 && stats.numObjectCopies > 0) {
    const summary = share(stats.numObjectsMisplaced, stats.numObjectCopies, 'misplaced');
    checks.push({
      code: 'OBJECT_MISPLACED',
      severity: 'HEALTH_WARN',
      summary,
      detail: [],
      count: stats.numObjectsMisplaced,
    });
  }
  if (stats.numObjectsUnfound > 0 && stats.numObjects > 0) {
    const summary = share(stats.numObjectsUnfound, stats.numObjects, 'unfound');
    checks.push({
      code: 'OBJECT_UNFOUND',
      severity: 'HEALTH_WARN',
      summary,
      detail: [],
      count: stats.numObjectsUnfound,
    });
  }
  return checks;
}

/** Pools that hold objects and have no application named for them (since Luminous). */
function applicationCheck(digest: PgMapDigest, map: OSDMap): HealthCheck[] {
  const detail: string[] = [];
  for (const [id, pool] of map.pools) {
    const objects = digest.poolSum.get(id)?.stats.numObjects ?? 0;
    if (objects > 0 && pool.applicationMetadata.size === 0)
      detail.push(`application not enabled on pool '${map.poolName(id)}'`);
  }
  if (detail.length === 0) return [];
  const count = detail.length;
  detail.push(
    "use 'ceph osd pool application enable <pool-name> <app-name>', where <app-name> is 'cephfs', 'rbd', 'rgw', or freeform for custom applications.",
  );
  return [
    {
      code: 'POOL_APP_NOT_ENABLED',
      severity: 'HEALTH_WARN',
      summary: `${count} pool(s) do not have an application enabled`,
      detail,
      count,
    },
  ];
}
