import { type OSDMap, type OSDMapIncremental, osdState, poolFlag } from '../../types/index.ts';

const LEVELS = [
  [osdState.FULL, poolFlag.FULL],
  [osdState.BACKFILLFULL, poolFlag.BACKFILLFULL],
  [osdState.NEARFULL, poolFlag.NEARFULL],
] as const;
const ALL = poolFlag.FULL | poolFlag.BACKFILLFULL | poolFlag.NEARFULL;

/**
 * Gives every pool the flag of its fullest OSD's state, and takes it away again. Which OSDs a pool uses follows its rule; a map with no full
 * OSD, by far the usual one, costs one pass over the states. A pool that is full by quota stays so.
 */
export function updateFullFlags(
  next: OSDMap,
  inc: OSDMapIncremental,
  usesOsd: (pool: number, osd: number) => boolean = () => true,
): void {
  for (const [id, pool] of next.pools) {
    const current = inc.newPools.get(id) ?? pool;
    if (current.hasFlag(poolFlag.FULL_QUOTA)) continue;
    let wanted = 0;
    for (const [state, flag] of LEVELS) {
      const reached = next.osdState.some(
        (bits, osd) => (bits & state) !== 0 && next.exists(osd) && next.isIn(osd) && usesOsd(id, osd),
      );
      if (!reached) continue;
      wanted = flag;
      break;
    }
    const flags = (current.flags & ~ALL) | wanted;
    if (flags !== current.flags) inc.newPools.set(id, current.clone({ flags }));
  }
}
