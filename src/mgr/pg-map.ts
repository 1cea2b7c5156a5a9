import {
  formatPgId,
  IntervalSet,
  makeOsdStat,
  makePgMapDigest,
  makePoolStat,
  makeStoreStatfs,
  type OSDMap,
  type OsdStat,
  type PgId,
  type PgMapDigest,
  PgStat,
  type PoolStat,
  parsePgId,
  pgState,
  type StoreStatfs,
  utimeFromMs,
} from '../types/index.ts';
import { RateWindow } from './rate-window.ts';

/** What one OSD says in MPGStats. */
export interface OsdReport {
  readonly osd: number;
  readonly osdStat: OsdStat;
  readonly pgs: Iterable<readonly [pgid: PgId, stat: PgStat]>;
  /** Pool -> what it takes on this OSD. */
  readonly pools: Iterable<readonly [pool: number, statfs: StoreStatfs]>;
}

/** Where PGs of an OSD map are: what the map of PGs must know of CRUSH. */
export interface Placement {
  /** Bytes that a rule can still take, raw, from the OSDs under it; undefined where the rule is unknown. */
  ruleAvailable(rule: number, osdStats: ReadonlyMap<number, OsdStat>): number;
  /** Device class of an OSD, or undefined. */
  deviceClass(osd: number): string | undefined;
}

/** Statistics of every PG, OSD and pool, as last reported: mon/PGMap.h's PGMap, kept by the manager alone. */
export class PgMap {
  /** By `pool.seed`. */
  readonly pgs = new Map<string, PgStat>();
  readonly osds = new Map<number, OsdStat>();
  /** OSD -> pool -> space. */
  readonly #poolSpace = new Map<number, Map<number, StoreStatfs>>();
  readonly #rates: RateWindow;
  readonly #poolRates = new Map<number, RateWindow>();
  /** By pool: the counts with which its PGs were first heard of. */
  readonly #before = new Map<number, PoolStat>();
  readonly #smoothIntervals: number;
  readonly #resetAfter_ms: number;
  version = 0;
  stamp_ms = 0;
  lastOsdMapEpoch = 0;

  /** `smoothIntervals`: mon_stat_smooth_intervals; `resetAfter_ms`: mon_delta_reset_interval. */
  constructor(smoothIntervals: number, resetAfter_ms: number) {
    this.#smoothIntervals = smoothIntervals;
    this.#resetAfter_ms = resetAfter_ms;
    this.#rates = new RateWindow(smoothIntervals, resetAfter_ms);
  }

  /** Takes one OSD's report. What is older than what is known is passed over, PG by PG. Returns whether a PG's state or an OSD is new. */
  report(report: OsdReport, map: OSDMap): boolean {
    if (!map.exists(report.osd) || !map.isUp(report.osd)) return false;
    let isNews = !this.osds.has(report.osd);
    this.osds.set(report.osd, report.osdStat);
    this.#poolSpace.set(report.osd, new Map(report.pools));
    for (const [pgid, stat] of report.pgs) {
      const pool = map.pool(pgid.pool);
      if (pool === undefined || pgid.seed >= pool.pgNum) continue;
      const key = formatPgId(pgid);
      const known = this.pgs.get(key);
      if (
        known !== undefined &&
        (known.reportedEpoch > stat.reportedEpoch ||
          (known.reportedEpoch === stat.reportedEpoch && known.reportedSeq > stat.reportedSeq))
      ) {
        continue;
      }
      if (known === undefined || known.state === 0n) this.#note(pgid.pool, stat);
      if (known?.state !== stat.state) isNews = true;
      this.pgs.set(key, stat);
    }
    return isNews;
  }

  /** What a PG had counted when it was first heard of happened before: it is no rate. */
  #note(pool: number, stat: PgStat): void {
    let sum = this.#before.get(pool);
    if (sum === undefined) {
      sum = makePoolStat();
      this.#before.set(pool, sum);
    }
    sum.stats.add(stat.stats);
    sum.logSize += stat.logSize;
    sum.ondiskLogSize += stat.ondiskLogSize;
  }

  /** Follows a new OSD map: PGs come and go with pools, those of a primary that is down turn stale. */
  updateMap(map: OSDMap, now_ms: number): void {
    this.lastOsdMapEpoch = map.epoch;
    for (const key of this.pgs.keys()) {
      const { pool, seed } = parsePgId(key)!;
      const known = map.pool(pool);
      if (known === undefined || seed >= known.pgNum) this.pgs.delete(key);
    }
    for (const [id, pool] of map.pools) {
      for (let seed = 0; seed < pool.pgNum; seed++) {
        const key = formatPgId({ pool: id, seed });
        if (this.pgs.has(key)) continue;
        const stat = new PgStat();
        stat.created = pool.lastChange;
        stat.lastFresh = stat.lastActive = stat.lastChange = stat.lastPeered = stat.lastClean = utimeFromMs(now_ms);
        stat.lastUnstale = stat.lastUndegraded = stat.lastFullsized = utimeFromMs(now_ms);
        this.pgs.set(key, stat);
      }
    }
    for (const pool of this.#poolRates.keys()) if (!map.pools.has(pool)) this.#poolRates.delete(pool);
    for (const pool of this.#before.keys()) if (!map.pools.has(pool)) this.#before.delete(pool);
    for (const osd of [...this.osds.keys()]) {
      if (!map.exists(osd)) {
        this.osds.delete(osd);
        this.#poolSpace.delete(osd);
      } else if (map.isOut(osd)) {
        // Space of an OSD that is out counts no more.
        this.osds.set(osd, { ...makeOsdStat(), hbPeers: this.osds.get(osd)!.hbPeers, seq: this.osds.get(osd)!.seq });
        this.#poolSpace.delete(osd);
      }
    }
    for (const [key, stat] of this.pgs) {
      if (stat.state === 0n || (stat.state & pgState.STALE) !== 0n) continue;
      if (stat.actingPrimary >= 0 && map.isUp(stat.actingPrimary)) continue;
      const stale = stat.copy();
      stale.state |= pgState.STALE;
      stale.lastUnstale = utimeFromMs(now_ms);
      this.pgs.set(key, stale);
    }
  }

  /** Takes a reading for the rates; called once every mgr_tick_period. */
  tick(now_ms: number): void {
    this.version++;
    this.stamp_ms = now_ms;
    const sums = this.#sums();
    const all = [...this.#before.values()];
    this.#rates.add(less(sums.all, all), now_ms);
    for (const [pool, sum] of sums.pools) {
      const before = this.#before.get(pool);
      let window = this.#poolRates.get(pool);
      if (window === undefined) {
        window = new RateWindow(this.#smoothIntervals, this.#resetAfter_ms);
        this.#poolRates.set(pool, window);
      }
      window.add(before === undefined ? sum : less(sum, [before]), now_ms);
    }
  }

  #sums(): { all: PoolStat; pools: Map<number, PoolStat>; pgsOf: Map<number, number> } {
    const all = makePoolStat();
    const pools = new Map<number, PoolStat>();
    const pgsOf = new Map<number, number>();
    for (const [key, pg] of this.pgs) {
      const pool = Number(key.slice(0, key.indexOf('.')));
      let sum = pools.get(pool);
      if (sum === undefined) {
        sum = makePoolStat();
        pools.set(pool, sum);
      }
      pgsOf.set(pool, (pgsOf.get(pool) ?? 0) + 1);
      for (const s of [sum, all]) {
        s.stats.add(pg.stats);
        s.logSize += pg.logSize;
        s.ondiskLogSize += pg.ondiskLogSize;
        s.up += pg.up.length;
        s.acting += pg.acting.length;
      }
    }
    for (const byPool of this.#poolSpace.values()) {
      for (const [pool, space] of byPool) {
        const sum = pools.get(pool);
        if (sum === undefined) continue;
        for (const s of [sum, all]) {
          addSpace(s.storeStats, space);
          s.numStoreStats++;
        }
      }
    }
    return { all, pools, pgsOf };
  }

  /** Space of each pool on each OSD, by pool and OSD. */
  poolSpace(): [pool: number, osd: number, space: StoreStatfs][] {
    const all: [number, number, StoreStatfs][] = [];
    for (const [osd, byPool] of this.#poolSpace) for (const [pool, space] of byPool) all.push([pool, osd, space]);
    return all.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  }

  /** Removed snapshots that every PG of their pool has trimmed. A pool of which a PG has not been heard has none. */
  #purgedSnaps(): Map<number, IntervalSet> {
    const purged = new Map<number, IntervalSet>();
    for (const [key, pg] of this.pgs) {
      const pool = Number(key.slice(0, key.indexOf('.')));
      const own = pg.state === 0n ? IntervalSet.empty : pg.purgedSnaps;
      purged.set(pool, purged.get(pool)?.intersection(own) ?? own);
    }
    for (const [pool, snaps] of purged) if (snaps.isEmpty) purged.delete(pool);
    return purged;
  }

  /** What the monitors are told. */
  digest(map: OSDMap, placement: Placement): PgMapDigest {
    const d = makePgMapDigest();
    const { all, pools, pgsOf } = this.#sums();
    d.pgSum = all;
    d.poolSum = pools;
    d.numPgByPool = pgsOf;
    d.numPg = this.pgs.size;
    d.numOsd = this.osds.size;
    d.purgedSnaps = this.#purgedSnaps();
    const countOf = (osd: number): { acting: number; upNotActing: number; primary: number } => {
      let count = d.numPgByOsd.get(osd);
      if (count === undefined) {
        count = { acting: 0, upNotActing: 0, primary: 0 };
        d.numPgByOsd.set(osd, count);
      }
      return count;
    };
    for (const pg of this.pgs.values()) {
      if (pg.state === 0n) d.numPgUnknown++;
      else if ((pg.state & pgState.ACTIVE) !== 0n) d.numPgActive++;
      d.numPgByState.set(pg.state, (d.numPgByState.get(pg.state) ?? 0) + 1);
      for (const osd of pg.acting) countOf(osd).acting++;
      for (const osd of pg.up) if (!pg.acting.includes(osd)) countOf(osd).upNotActing++;
      if (pg.actingPrimary >= 0) countOf(pg.actingPrimary).primary++;
    }
    d.osdLastSeq = new Array<bigint>(map.maxOsd).fill(0n);
    for (const [osd, stat] of this.osds) {
      addOsd(d.osdSum, stat);
      if (osd < map.maxOsd) d.osdLastSeq[osd] = stat.seq;
      const name = placement.deviceClass(osd);
      if (name === undefined) continue;
      const sum = d.osdSumByClass.get(name) ?? makeOsdStat();
      d.osdSumByClass.set(name, sum);
      addOsd(sum, stat);
    }
    d.pgSumDelta = this.#rates.delta;
    d.stampDelta = utimeFromMs(this.#rates.span_ms);
    for (const [pool, window] of this.#poolRates) {
      if (!pools.has(pool)) continue;
      d.poolSumDelta.set(pool, [window.delta, utimeFromMs(this.stamp_ms)]);
      d.poolSumDeltaStamps.set(pool, utimeFromMs(window.span_ms));
    }
    for (const pool of map.pools.values()) {
      if (!d.availableByRule.has(pool.crushRule)) {
        d.availableByRule.set(pool.crushRule, placement.ruleAvailable(pool.crushRule, this.osds));
      }
    }
    return d;
  }
}

function less(sum: PoolStat, parts: readonly PoolStat[]): PoolStat {
  const rest = { ...sum, stats: sum.stats.copy() };
  for (const part of parts) {
    rest.stats.sub(part.stats);
    rest.logSize -= part.logSize;
    rest.ondiskLogSize -= part.ondiskLogSize;
  }
  return rest;
}

const SPACE_FIELDS = Object.keys(makeStoreStatfs()) as (keyof StoreStatfs)[];

function addSpace(into: StoreStatfs, s: StoreStatfs): void {
  for (const field of SPACE_FIELDS) into[field] += s[field];
}

function addOsd(into: OsdStat, s: OsdStat): void {
  addSpace(into.statfs, s.statfs);
  into.snapTrimQueueLen += s.snapTrimQueueLen;
  into.numSnapTrimming += s.numSnapTrimming;
  into.numPgs += s.numPgs;
  into.numShardsRepaired += s.numShardsRepaired;
  into.numOsds += s.numOsds;
  into.numPerPoolOsds += s.numPerPoolOsds;
  into.numPerPoolOmapOsds += s.numPerPoolOmapOsds;
  for (const [osd, alerts] of s.alerts) into.alerts.set(osd, alerts);
}
