import { bucketAlg } from './bucket.ts';
import type { ChooseArg, CrushMap } from './map.ts';

/** Positions of a set of choose args: those of its first bucket that has weights, 1 where none has. */
export function positionsOf(args: ReadonlyMap<number, ChooseArg>): number {
  let first = Number.POSITIVE_INFINITY;
  let positions = 1;
  for (const [index, arg] of args) {
    if (index < first && arg.weightSet.length > 0) {
      first = index;
      positions = arg.weightSet.length;
    }
  }
  return positions;
}

/**
 * Fits choose args to the buckets as they are now: drops those of buckets that are gone or not straw2, and resizes weights
 * (zeros where an item is new).
 */
export function fitChooseArgs(map: CrushMap): void {
  for (const args of map.chooseArgs.values()) {
    const positions = positionsOf(args);
    for (const [index, arg] of args) {
      const bucket = map.buckets[index];
      if (bucket === undefined || bucket.alg !== bucketAlg.STRAW2) {
        args.delete(index);
        continue;
      }
      // Ceph leaves a bucket with another number of positions alone, and so its bytes.
      if (arg.weightSet.length !== positions) continue;
      const size = bucket.items.length;
      for (const weights of arg.weightSet) {
        if (weights.length > size) weights.length = size;
        while (weights.length < size) weights.push(0);
      }
    }
  }
  map.changed();
}
