import { compareEversion, type Eversion, eversionZero } from '../../types/index.ts';
import type { PgLog } from './log.ts';

/** Up to which version every copy has all changes on disk, and so up to where the log may be cut. */
export class CompleteOndisk {
  /** Least of all copies. */
  least: Eversion = eversionZero;
  /** Up to here entries of the log go with the next change. */
  trimTo: Eversion = eversionZero;
  #own: Eversion;
  readonly #peers = new Map<number, Eversion>();

  constructor(own: Eversion) {
    this.#own = own;
  }

  /** A new interval. */
  reset(own: Eversion): void {
    this.least = eversionZero;
    this.trimTo = eversionZero;
    this.#peers.clear();
    this.#own = own;
  }

  /** `replicas`: the other copies, on the primary; undefined on a replica. */
  local(version: Eversion, replicas: readonly number[] | undefined): void {
    this.#own = version;
    this.#update(replicas);
  }

  peer(osd: number, version: Eversion, replicas: readonly number[] | undefined): void {
    this.#peers.set(osd, version);
    this.#update(replicas);
  }

  #update(replicas: readonly number[] | undefined): void {
    if (replicas === undefined) return;
    let least = this.#own;
    for (const osd of replicas) {
      const v = this.#peers.get(osd);
      if (v === undefined) return;
      if (compareEversion(v, least) < 0) least = v;
    }
    this.least = least;
  }

  /** Moves {@link trimTo} on where the log has more than `target` entries. */
  advance(log: PgLog, target: number, { logTrimMin, logTrimMax }: { logTrimMin: number; logTrimMax: number }): void {
    const size = log.length;
    if (size <= target) return;
    const limit = this.least;
    if (limit.version === 0 || compareEversion(limit, this.trimTo) <= 0) return;
    const n = Math.min(size - target, logTrimMax);
    if (n < logTrimMin) return;
    const to = log.versionAt(n - 1);
    this.trimTo = compareEversion(to, limit) > 0 ? limit : to;
  }
}
