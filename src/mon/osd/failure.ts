import { osdState, utimeToMs } from '../../types/index.ts';
import type { OsdContext } from './context.ts';
import { pendingXinfo } from './context.ts';

/** An OSD's report that it does not hear from another. */
interface Report {
  /** Clock.now() since when. */
  readonly failedSince_ms: number;
  /** Tells the reporter the map in which the other is down. */
  readonly notify: () => void;
}

/** OSDs that others report as failed, until enough agree, the grace is over, or the reports are taken back. */
export class FailureTracker {
  readonly #context: OsdContext;
  readonly #reports = new Map<number, Map<number, Report>>();

  constructor(context: OsdContext) {
    this.#context = context;
  }

  /** Failed OSDs with the number of their reporters. */
  get size(): number {
    return this.#reports.size;
  }

  clear(): void {
    this.#reports.clear();
  }

  add(target: number, reporter: number, failedSince_ms: number, notify: () => void): void {
    const reports = this.#reports.get(target) ?? new Map<number, Report>();
    this.#reports.set(target, reports);
    reports.set(reporter, { failedSince_ms, notify });
  }

  cancel(target: number, reporter: number): void {
    const reports = this.#reports.get(target);
    reports?.delete(reporter);
    if (reports?.size === 0) this.#reports.delete(target);
  }

  /** Tells reporters of those that the committed map now has as down. */
  settle(): void {
    for (const [target, reports] of [...this.#reports]) {
      if (this.#context.map.isUp(target)) continue;
      this.#reports.delete(target);
      for (const { notify } of reports.values()) notify();
    }
  }

  /** Marks down in the pending change whoever has failed by now. True where something was marked. */
  check(canMarkDown: (osd: number) => boolean): boolean {
    let marked = false;
    for (const [target, reports] of [...this.#reports]) {
      if (canMarkDown(target) && this.checkOne(target)) marked = true;
      else if (this.#isStale(reports)) this.#reports.delete(target);
    }
    return marked;
  }

  /** As {@link check} for one OSD. */
  checkOne(target: number): boolean {
    const { map, pending, crush, config, clock } = this.#context;
    if (((pending.newState.get(target) ?? 0) & osdState.UP) !== 0) return true;
    const reports = this.#reports.get(target);
    if (reports === undefined) return false;
    const level = config.str('mon_osd_reporter_subtree_level');
    const subtrees = new Set<string>();
    for (const reporter of [...reports.keys()]) {
      // Reports of OSDs that are gone do not count.
      if (!map.exists(reporter)) reports.delete(reporter);
      else subtrees.add(crush.locationOf(reporter).get(level) ?? `osd.${reporter}`);
    }
    if (reports.size === 0 || subtrees.size < config.num('mon_osd_min_down_reporters')) return false;
    const now_ms = clock.now();
    const failedFor_s = (now_ms - latestStart(reports)) / 1000;
    const grace_s = this.#grace(target, reports, now_ms);
    if (failedFor_s < grace_s) return false;
    pending.newState.set(target, osdState.UP);
    this.#context.clog(
      'info',
      `osd.${target} failed (${this.#place(target)}) (${subtrees.size} reporters from different ${level} after ${failedFor_s.toFixed(6)} >= grace ${grace_s.toFixed(6)})`,
    );
    return true;
  }

  /** Its host refuses connections: the process is gone, no grace needed. */
  force(target: number, reporter: number): void {
    const { pending } = this.#context;
    if (((pending.newState.get(target) ?? 0) & osdState.UP) !== 0) return;
    pending.newState.set(target, osdState.UP);
    pending.newXinfo.set(target, { ...pendingXinfo(this.#context, target), deadEpoch: pending.epoch });
    this.#context.clog(
      'info',
      `osd.${target} failed (${this.#place(target)}) (connection refused reported by osd.${reporter})`,
    );
  }

  #place(osd: number): string {
    return [...this.#context.crush.locationOf(osd)]
      .reverse()
      .map(([type, name]) => `${type}=${name}`)
      .join(',');
  }

  /**
   * Seconds of silence that mean failure: osd_heartbeat_grace, more for an OSD, or for reporters, that were falsely reported before.
   */
  #grace(target: number, reports: ReadonlyMap<number, Report>, now_ms: number): number {
    const { map, config } = this.#context;
    const base = config.num('osd_heartbeat_grace');
    if (!config.bool('mon_osd_adjust_heartbeat_grace')) return base;
    const decay = Math.log(0.5) / config.num('mon_osd_laggy_halflife');
    const laggy = (osd: number, since_ms: number): number => {
      const xinfo = map.osdXinfo[osd]!;
      return Math.exp(((now_ms - since_ms) / 1000) * decay) * xinfo.laggyInterval * xinfo.laggyProbability;
    };
    let peers = 0;
    for (const reporter of reports.keys()) {
      if (map.exists(reporter)) peers += laggy(reporter, utimeToMs(map.osdXinfo[reporter]!.downStamp));
    }
    return base + laggy(target, latestStart(reports)) + peers / reports.size;
  }

  #isStale(reports: ReadonlyMap<number, Report>): boolean {
    const { config, clock } = this.#context;
    const limit_s = config.num('osd_heartbeat_grace') + config.num('osd_heartbeat_stale');
    return reports.size === 0 || (clock.now() - latestStart(reports)) / 1000 >= limit_s;
  }
}

/** The latest of the reporters' starts: all agree from then on. */
function latestStart(reports: ReadonlyMap<number, Report>): number {
  return Math.max(...[...reports.values()].map((r) => r.failedSince_ms));
}
