/** Which PG is scrubbed next: once a second one may begin, as options, flags and hours allow. */
import type { Clock, Entropy } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { getPoolOpt, type OSDMap, osdMapFlag, type PgPool, poolFlag, utimeToMs } from '../types/index.ts';
import type { Pg } from './pg/pg.ts';
import type { Reserver } from './reserver.ts';

export interface ScrubScheduleHost {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly config: Config;
  readonly map: OSDMap;
  readonly pgs: ReadonlyMap<number, Pg>;
  readonly scrubs: Reserver<string>;
}

/** Is `value` in the half-open span from `begin` to `end`, which may reach over the end of day or week? Equal bounds: always. */
function within(value: number, begin: number, end: number): boolean {
  if (begin === end) return true;
  return begin < end ? value >= begin && value < end : value >= begin || value < end;
}

function numberOption(
  pool: PgPool,
  name: 'scrub_min_interval' | 'scrub_max_interval' | 'deep_scrub_interval',
): number | undefined {
  const value = getPoolOpt(pool.opts, name);
  return typeof value === 'number' ? value : undefined;
}

export class ScrubSchedule {
  readonly #host: ScrubScheduleHost;

  constructor(host: ScrubScheduleHost) {
    this.#host = host;
  }

  /** Begins a scrub, where one is due and this OSD has room for it. */
  tick(): void {
    const { config, entropy, scrubs, pgs } = this.#host;
    if (scrubs.held >= config.num('osd_max_scrubs')) return;
    // OSDs that want each other's turn at once must not do so for ever.
    if (entropy.float() < config.num('osd_scrub_backoff_ratio')) return;
    let recovering = false;
    const asked: Pg[] = [];
    const others: Pg[] = [];
    for (const pg of pgs.values()) {
      if (pg.state === 'Recovering' || pg.state === 'Backfilling') recovering = true;
      if (!pg.isPrimary || pg.state !== 'Clean') continue;
      (pg.scrubber.planned === undefined ? others : asked).push(pg);
    }
    if (recovering && !config.bool('osd_scrub_during_recovery')) return;
    for (const pg of asked) if (this.#start(pg)) return;
    const now_ms = this.#host.clock.now();
    const permitted = this.#isHour(now_ms);
    for (const pg of others) {
      const due = this.#due(pg, now_ms, permitted);
      if (due !== undefined && this.#start(pg, due)) return;
    }
  }

  #start(pg: Pg, byItself?: { readonly deep: boolean; readonly autoRepair: boolean }): boolean {
    let begun = false;
    pg.run(() => {
      begun = pg.scrubber.start(byItself);
    });
    return begun;
  }

  #isHour(now_ms: number): boolean {
    const { config } = this.#host;
    const now = new Date(now_ms);
    return (
      within(now.getDay(), config.num('osd_scrub_begin_week_day'), config.num('osd_scrub_end_week_day')) &&
      within(now.getHours(), config.num('osd_scrub_begin_hour'), config.num('osd_scrub_end_hour'))
    );
  }

  /** What kind of scrub the PG is due for by itself; undefined for none. */
  #due(pg: Pg, now_ms: number, permitted: boolean): { deep: boolean; autoRepair: boolean } | undefined {
    const { config, map } = this.#host;
    const { pool } = pg.peering;
    const { history, stats } = pg.info;
    const interval_ms = (poolOption: number | undefined, option: string): number =>
      (poolOption !== undefined && poolOption > 0 ? poolOption : config.num(option)) * 1000;
    const light = (map.flags & osdMapFlag.NOSCRUB) === 0 && !pool.hasFlag(poolFlag.NOSCRUB);
    const deepToo = (map.flags & osdMapFlag.NODEEP_SCRUB) === 0 && !pool.hasFlag(poolFlag.NODEEP_SCRUB);
    const last_ms = utimeToMs(history.lastScrubStamp);
    const min_ms = interval_ms(numberOption(pool, 'scrub_min_interval'), 'osd_scrub_min_interval');
    const max_ms = interval_ms(numberOption(pool, 'scrub_max_interval'), 'osd_scrub_max_interval');
    const deep_ms = interval_ms(numberOption(pool, 'deep_scrub_interval'), 'osd_deep_scrub_interval');
    // Spread over time, each PG in its own way, the same until its next scrub.
    const spread = (Math.imul(pg.seed + pg.pool * 7919 + history.lastScrubStamp.sec, 2654435761) >>> 0) / 2 ** 32;
    const at_ms = last_ms + min_ms * (1 + config.num('osd_scrub_interval_randomize_ratio') * spread);
    const deepErrors = stats.stats.numDeepScrubErrors > 0;
    if (now_ms < at_ms || (now_ms < last_ms + max_ms && !permitted)) return undefined;
    if (deepErrors && !deepToo) return undefined;
    const deep =
      deepToo &&
      (now_ms >= utimeToMs(history.lastDeepScrubStamp) + deep_ms ||
        deepErrors ||
        (light && this.#host.entropy.float() < config.num('osd_deep_scrub_randomize_ratio')));
    if (!light && !deep) return undefined;
    return { deep, autoRepair: config.bool('osd_scrub_auto_repair') };
  }
}
