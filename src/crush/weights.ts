import { ErrnoError } from '../base/index.ts';
import { type Bucket, bucketAlg, itemWeightAt } from './bucket.ts';
import { bucketAddItem, bucketAdjustItemWeight, bucketRemoveItem, reweightBucket } from './build.ts';
import { positionsOf } from './choose-args.ts';
import { rebuildShadows } from './classes.ts';
import type { ChooseArg, CrushMap } from './map.ts';
import { type CrushLocation, findNonshadowRoots } from './query.ts';

/*
 * Weights of items, kept consistent upwards: a bucket's entry in its parent is the sum of what it holds, in the buckets and in the weight sets.
 * Weights are 16.16 unless a name says otherwise.
 */

const WEIGHT_MAX = 0x7fffffff;

/** 16.16 of a weight, by way of a 32-bit float as Ceph goes. Throws EOVERFLOW for what 31 bits do not hold. */
export function weightToFixed(weight: number): number {
  const fixed = Math.trunc(Math.fround(Math.fround(weight) * 0x10000));
  if (!(fixed >= 0 && fixed <= WEIGHT_MAX)) throw new ErrnoError('EOVERFLOW', `weight ${weight} is out of range`);
  return fixed;
}

/** The weight as the 32-bit float that Ceph makes of 16.16. */
export function weightFromFixed(weight: number): number {
  return Math.fround(Math.fround(weight) / 0x10000);
}

/** Appends an item to a bucket and its weight sets. */
export function linkItem(map: CrushMap, bucket: Bucket, item: number, weight: number): void {
  bucketAddItem(map, bucket, item, weight);
  for (const args of map.chooseArgs.values()) {
    const arg = args.get(-1 - bucket.id);
    if (arg === undefined) continue;
    for (const weights of arg.weightSet) weights.push(weight);
    if (arg.ids.length > 0) arg.ids.push(item);
  }
}

/** Removes an item from a bucket and its weight sets. */
export function unlinkItem(map: CrushMap, bucket: Bucket, item: number): void {
  const at = bucket.items.indexOf(item);
  if (!bucketRemoveItem(map, bucket, item)) return;
  const size = bucket.items.length;
  for (const args of map.chooseArgs.values()) {
    const arg = args.get(-1 - bucket.id);
    if (arg === undefined) continue;
    for (const weights of arg.weightSet) {
      weights.splice(at, 1);
      weights.length = size;
    }
    if (arg.ids.length > 0) arg.ids.splice(at, 1);
  }
}

/**
 * Sets an item's weight in one bucket and lets the sums follow, everywhere the bucket is linked. With `weightSets` the weight sets take the same
 * weight. Gives how many places changed.
 */
export function adjustItemWeightInBucket(
  map: CrushMap,
  item: number,
  weight: number,
  bucketId: number,
  weightSets: boolean,
): number {
  const bucket = map.bucket(bucketId);
  if (bucket === undefined) return 0;
  let changed = 0;
  for (const child of bucket.items) {
    if (child !== item) continue;
    if (weightSets) setWeightSets(map, bucket, item, weight);
    bucketAdjustItemWeight(map, bucket, item, weight);
    adjustItemWeight(map, bucketId, bucket.weight, false);
    changed++;
  }
  for (const args of map.chooseArgs.values()) {
    const arg = args.get(-1 - bucketId);
    if (arg === undefined || arg.weightSet.length === 0) continue;
    adjustWeightSetOf(map, args, bucketId, sums(arg));
  }
  map.changed();
  return changed;
}

function setWeightSets(map: CrushMap, bucket: Bucket, item: number, weight: number): void {
  const at = bucket.items.indexOf(item);
  for (const args of map.chooseArgs.values()) {
    for (const weights of args.get(-1 - bucket.id)?.weightSet ?? []) weights[at] = weight;
  }
}

const sums = (arg: ChooseArg): number[] => arg.weightSet.map((weights) => weights.reduce((a, b) => (a + b) >>> 0, 0));

/** {@link adjustItemWeightInBucket} in every bucket that holds the item. */
export function adjustItemWeight(map: CrushMap, item: number, weight: number, weightSets = true): number {
  let changed = 0;
  for (const bucket of map.buckets) {
    if (bucket !== undefined && adjustItemWeightInBucket(map, item, weight, bucket.id, weightSets) > 0) changed++;
  }
  return changed;
}

/** {@link adjustItemWeightInBucket} in the buckets that a location names. */
export function adjustItemWeightAt(
  map: CrushMap,
  item: number,
  weight: number,
  location: CrushLocation,
  weightSets = true,
): number {
  let changed = 0;
  for (const [, name] of [...location].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const id = map.itemId(name);
    if (id !== undefined && adjustItemWeightInBucket(map, item, weight, id, weightSets) > 0) changed++;
  }
  return changed;
}

/** Sets the weight of every device beneath a bucket; gives their number. Throws ENOENT for an unknown bucket. */
export function adjustSubtreeWeight(map: CrushMap, id: number, weight: number, weightSets = true): number {
  if (map.bucket(id) === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
  let changed = 0;
  const queue = [id];
  for (const bucketId of queue) {
    for (const item of map.bucket(bucketId)?.items ?? []) {
      if (item < 0) queue.push(item);
      else {
        adjustItemWeightInBucket(map, item, weight, bucketId, weightSets);
        changed++;
      }
    }
  }
  rebuildShadows(map);
  return changed;
}

/** Sums all weights up anew, from the devices to the roots (`ceph osd crush reweight-all`). Throws ERANGE. */
export function reweightAll(map: CrushMap): void {
  for (const root of findNonshadowRoots(map)) {
    reweightBucket(map, map.bucket(root)!);
    for (const args of map.chooseArgs.values()) reweightWeightSet(map, args, root);
  }
  rebuildShadows(map);
}

/** Sums a weight set up beneath a bucket. As in Ceph the first position's weights are what is summed and set, for all positions. */
function reweightWeightSet(map: CrushMap, args: ReadonlyMap<number, ChooseArg>, id: number): number[] {
  const bucket = map.bucket(id)!;
  const arg = args.get(-1 - id);
  const totals = new Array<number>(arg?.weightSet.length ?? 0).fill(0);
  const first = arg?.weightSet[0];
  bucket.items.forEach((item, i) => {
    const sub = item < 0 ? reweightWeightSet(map, args, item) : undefined;
    for (let position = 0; position < totals.length; position++) {
      const weight = sub === undefined ? first![i]! : (sub[position] ?? 0);
      totals[position] = (totals[position]! + weight) >>> 0;
      if (sub !== undefined) first![i] = weight;
    }
  });
  return totals;
}

/** Adds a weight set with the buckets' weights; false where the key has one. `positions` is 1, or the pool's size. */
export function createWeightSet(map: CrushMap, key: number, positions: number): boolean {
  if (map.chooseArgs.has(key)) return false;
  const args = new Map<number, ChooseArg>();
  map.buckets.forEach((bucket, index) => {
    if (bucket?.alg !== bucketAlg.STRAW2) return;
    args.set(index, { weightSet: Array.from({ length: positions }, () => [...bucket.itemWeights]), ids: [] });
  });
  map.chooseArgs.set(key, args);
  map.changed();
  return true;
}

/** Removes a weight set; false where there is none. */
export function removeWeightSet(map: CrushMap, key: number): boolean {
  const had = map.chooseArgs.delete(key);
  map.changed();
  return had;
}

/**
 * Sets an item's weights, one per position, in the weight set of a pool (or the default one), and lets the sums follow. Throws ENOENT where
 * there is no such set or the item is nowhere.
 */
export function adjustWeightSet(map: CrushMap, key: number, item: number, weights: readonly number[]): number {
  const args = map.chooseArgs.get(key);
  if (args === undefined) throw new ErrnoError('ENOENT', `no weight-set for ${key}`);
  const changed = adjustWeightSetOf(map, args, item, weights);
  map.changed();
  if (changed === 0) throw new ErrnoError('ENOENT', `item ${item} not found in crush map`);
  return changed;
}

function adjustWeightSetOf(
  map: CrushMap,
  args: Map<number, ChooseArg>,
  item: number,
  weights: readonly number[],
): number {
  let changed = 0;
  for (const bucket of map.buckets) {
    if (bucket !== undefined) changed += adjustWeightSetInBucket(map, args, bucket, item, weights);
  }
  return changed;
}

function adjustWeightSetInBucket(
  map: CrushMap,
  args: Map<number, ChooseArg>,
  bucket: Bucket,
  item: number,
  weights: readonly number[],
): number {
  let changed = 0;
  let arg = args.get(-1 - bucket.id);
  if (arg === undefined || arg.weightSet.length === 0) {
    const own = bucket.items.map((_, i) => itemWeightAt(bucket, i));
    arg = { weightSet: Array.from({ length: positionsOf(args) }, () => [...own]), ids: arg?.ids ?? [] };
    args.set(-1 - bucket.id, arg);
    changed++;
  }
  if (arg.weightSet.length !== weights.length) return 0;
  bucket.items.forEach((child, i) => {
    if (child !== item) return;
    weights.forEach((weight, position) => {
      arg.weightSet[position]![i] = weight;
    });
    changed++;
  });
  if (changed > 0) adjustWeightSetOf(map, args, bucket.id, sums(arg));
  return changed;
}
