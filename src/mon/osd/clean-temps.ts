import { type OSDMap, type OSDMapIncremental, pgFromKey, pgKeyPool } from '../../types/index.ts';

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/**
 * Takes temporary sets and primaries out of the pending change, or of the map, that serve nobody: of pools that are gone, of OSDs that are
 * all down, larger than the pool, or what placement gives anyway. `next` is the map that `inc` would make of `map`.
 */
export function cleanTemps(map: OSDMap, next: OSDMap, inc: OSDMapIncremental): void {
  for (const [key, osds] of next.pgTemp) {
    const pool = next.pool(pgKeyPool(key));
    const useless =
      pool === undefined ||
      osds.every((osd) => next.isDown(osd)) ||
      osds.length > pool.size ||
      same(osds, next.pgToUpActing(pgFromKey(key)).up);
    if (!useless) continue;
    if (map.pgTemp.has(key)) inc.newPgTemp.set(key, []);
    else inc.newPgTemp.delete(key);
  }
  for (const [key, osd] of next.primaryTemp) {
    const { upPrimary, actingPrimary } = next.pgToUpActing(pgFromKey(key));
    if (!next.isDown(osd) && next.pool(pgKeyPool(key)) !== undefined && upPrimary !== actingPrimary) continue;
    if (map.primaryTemp.has(key)) inc.newPrimaryTemp.set(key, -1);
    else inc.newPrimaryTemp.delete(key);
  }
}
