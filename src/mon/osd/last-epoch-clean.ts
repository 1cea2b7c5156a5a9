import type { OSDMap } from '../../types/index.ts';

/**
 * For each pool, the last epoch in which each of its PGs was clean, as primaries report in their beacons. Maps from before the least of
 * them are needed by nobody.
 */
export class LastEpochClean {
  readonly #pools = new Map<number, Map<number, number>>();

  report(pool: number, pgNum: number, seed: number, epoch: number): void {
    if (seed >= pgNum) return;
    const pgs = this.#pools.get(pool) ?? new Map<number, number>();
    this.#pools.set(pool, pgs);
    for (const known of pgs.keys()) if (known >= pgNum) pgs.delete(known);
    pgs.set(seed, epoch);
  }

  removePool(pool: number): void {
    this.#pools.delete(pool);
  }

  /** The epoch from which on every map may still be needed; 0 while a PG of any pool has not reported. */
  lowerBound(map: OSDMap): number {
    let floor = map.epoch;
    for (const [id, pool] of map.pools) {
      const pgs = this.#pools.get(id);
      if (pgs === undefined || pgs.size < pool.pgNum) return 0;
      for (const epoch of pgs.values()) floor = Math.min(floor, epoch);
    }
    return floor;
  }
}
