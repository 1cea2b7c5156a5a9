import { ErrnoError } from '../base/index.ts';
import { type Bucket, type BucketAlg, bucketAlg, itemWeightAt, type StrawBucket, type TreeBucket } from './bucket.ts';
import { HASH_RJENKINS1 } from './hash.ts';
import type { CrushMap } from './map.ts';

/*
 * Buckets made and changed item by item, with the arithmetic (and the rounding and the omissions) of Ceph's builder, so that the maps come
 * out with the same bytes. Weights are 16.16 in 32 bits.
 */

const WEIGHT_MAX = 0xffffffff;
/** Items of a tree bucket: its node count, twice a power of two at or above them, has to fit one byte. */
const TREE_ITEMS_MAX = 64;

function addWeights(a: number, b: number): number {
  if (a + b > WEIGHT_MAX) throw new ErrnoError('ERANGE', 'the weights add up to more than 65535');
  return a + b;
}

/**
 * A bucket over these items, not yet in a map (its id is 0). Throws EINVAL for a uniform bucket of zero weight and a tree of more than 64
 * items, ERANGE where the weights' sum leaves 32 bits.
 */
export function makeBucket(
  map: CrushMap,
  alg: BucketAlg,
  type: number,
  items: readonly number[] = [],
  weights: readonly number[] = [],
  hash: number = HASH_RJENKINS1,
): Bucket {
  const base = { id: 0, type, hash, weight: 0, items: [...items] };
  const itemWeights = items.map((_, i) => weights[i] ?? 0);
  const wrapped = itemWeights.reduce((a, b) => (a + b) >>> 0, 0);
  switch (alg) {
    case bucketAlg.UNIFORM: {
      const itemWeight = itemWeights[0] ?? 0;
      if (items.length > 0 && (itemWeight === 0 || itemWeight * items.length > WEIGHT_MAX)) {
        throw new ErrnoError(
          'EINVAL',
          `a uniform bucket cannot hold ${items.length} items of weight ${itemWeight / 0x10000}`,
        );
      }
      return { ...base, alg, weight: itemWeight * items.length, itemWeight };
    }
    case bucketAlg.LIST: {
      let sum = 0;
      const sumWeights = itemWeights.map((weight) => {
        sum = addWeights(sum, weight);
        return sum;
      });
      return { ...base, alg, weight: sum, itemWeights, sumWeights };
    }
    case bucketAlg.TREE: {
      const tree: TreeBucket = { ...base, alg, items: [], nodeWeights: [] };
      items.forEach((item, i) => {
        addToTree(tree, item, itemWeights[i]!);
      });
      return tree;
    }
    case bucketAlg.STRAW: {
      const straw: StrawBucket = { ...base, alg, weight: wrapped, itemWeights, straws: [] };
      calcStraws(map, straw);
      return straw;
    }
    case bucketAlg.STRAW2:
      return { ...base, alg, weight: wrapped, itemWeights };
  }
}

/** Number of levels of a tree bucket of `size` items. */
function treeDepth(size: number): number {
  return size === 0 ? 0 : 33 - Math.clz32(size - 1);
}

function treeParent(node: number): number {
  const step = node & -node;
  return (node & (step << 1)) !== 0 ? node - step : node + step;
}

function addToTree(bucket: TreeBucket, item: number, weight: number): void {
  const size = bucket.items.length + 1;
  if (size > TREE_ITEMS_MAX) throw new ErrnoError('EINVAL', `a tree bucket holds at most ${TREE_ITEMS_MAX} items`);
  const depth = treeDepth(size);
  const nodes = bucket.nodeWeights;
  while (nodes.length < 1 << depth) nodes.push(0);
  let node = 2 * size - 1;
  nodes[node] = weight;
  const root = nodes.length >> 1;
  // The first item of a new right half: the new root starts out as the old one.
  if (depth >= 2 && node - 1 === root) nodes[root] = nodes[root >> 1]!;
  for (let level = 1; level < depth; level++) {
    node = treeParent(node);
    nodes[node] = addWeights(nodes[node]!, weight);
  }
  bucket.weight = addWeights(bucket.weight, weight);
  bucket.items.push(item);
}

/** Appends an item. Throws EINVAL where a uniform bucket has another weight per item, ERANGE where the sum leaves 32 bits. */
export function bucketAddItem(map: CrushMap, bucket: Bucket, item: number, weight: number): void {
  switch (bucket.alg) {
    case bucketAlg.UNIFORM:
      if (bucket.itemWeight !== weight) {
        throw new ErrnoError(
          'EINVAL',
          `a uniform bucket of weight ${bucket.itemWeight / 0x10000} takes no item of weight ${weight / 0x10000}`,
        );
      }
      bucket.weight = addWeights(bucket.weight, weight);
      bucket.items.push(item);
      break;
    case bucketAlg.LIST:
      bucket.sumWeights.push(addWeights(bucket.sumWeights.at(-1) ?? 0, weight));
      bucket.items.push(item);
      bucket.itemWeights.push(weight);
      bucket.weight = (bucket.weight + weight) >>> 0;
      break;
    case bucketAlg.TREE:
      addToTree(bucket, item, weight);
      break;
    case bucketAlg.STRAW:
    case bucketAlg.STRAW2:
      bucket.weight = addWeights(bucket.weight, weight);
      bucket.items.push(item);
      bucket.itemWeights.push(weight);
      if (bucket.alg === bucketAlg.STRAW) calcStraws(map, bucket);
  }
}

/** Removes the first occurrence of an item; false where there is none. */
export function bucketRemoveItem(map: CrushMap, bucket: Bucket, item: number): boolean {
  const at = bucket.items.indexOf(item);
  if (at < 0) return false;
  const weight = itemWeightAt(bucket, at);
  const lessened = Math.max(0, bucket.weight - weight);
  if (bucket.alg === bucketAlg.TREE) {
    // The others keep their places in the tree: the item leaves a hole (which reads as device 0 without weight).
    adjustTree(bucket, at, 0);
    bucket.weight = lessened;
    bucket.items[at] = 0;
    shrinkTree(bucket);
    return true;
  }
  bucket.items.splice(at, 1);
  bucket.weight = lessened;
  if (bucket.alg === bucketAlg.UNIFORM) return true;
  bucket.itemWeights.splice(at, 1);
  if (bucket.alg === bucketAlg.LIST) {
    bucket.sumWeights.splice(at, 1);
    for (let i = at; i < bucket.sumWeights.length; i++) bucket.sumWeights[i] = (bucket.sumWeights[i]! - weight) >>> 0;
  } else if (bucket.alg === bucketAlg.STRAW) {
    bucket.straws.length = bucket.items.length;
    if (bucket.items.length > 0) calcStraws(map, bucket);
  }
  return true;
}

function shrinkTree(bucket: TreeBucket): void {
  let size = bucket.items.length;
  while (size > 0 && bucket.nodeWeights[2 * size - 1] === 0) size--;
  if (size === bucket.items.length) return;
  const depth = treeDepth(size);
  if (treeDepth(bucket.items.length) !== depth) bucket.nodeWeights.length = 1 << depth;
  bucket.items.length = size;
}

function adjustTree(bucket: TreeBucket, position: number, weight: number): number {
  let node = 2 * position + 1;
  const diff = weight - bucket.nodeWeights[node]!;
  bucket.nodeWeights[node] = weight;
  for (let level = treeDepth(bucket.items.length); level > 1; level--) {
    node = treeParent(node);
    bucket.nodeWeights[node] = ((bucket.nodeWeights[node] ?? 0) + diff) >>> 0;
  }
  return diff;
}

/** Sets the weight of the first occurrence of an item (of every item, in a uniform bucket). */
export function bucketAdjustItemWeight(map: CrushMap, bucket: Bucket, item: number, weight: number): void {
  if (bucket.alg === bucketAlg.UNIFORM) {
    bucket.itemWeight = weight;
    bucket.weight = Math.imul(weight, bucket.items.length) >>> 0;
    return;
  }
  const at = bucket.items.indexOf(item);
  if (at < 0) return;
  if (bucket.alg === bucketAlg.TREE) {
    bucket.weight = (bucket.weight + adjustTree(bucket, at, weight)) >>> 0;
    return;
  }
  const diff = weight - bucket.itemWeights[at]!;
  bucket.itemWeights[at] = weight;
  bucket.weight = (bucket.weight + diff) >>> 0;
  if (bucket.alg === bucketAlg.STRAW) calcStraws(map, bucket);
  if (bucket.alg === bucketAlg.LIST) {
    for (let i = at; i < bucket.sumWeights.length; i++) bucket.sumWeights[i] = (bucket.sumWeights[i]! + diff) >>> 0;
  }
}

/**
 * Makes the weights of a bucket the sums of what is beneath, all the way down. As in Ceph, the sums of list buckets and the inner nodes of tree
 * buckets stay what they were.
 */
export function reweightBucket(map: CrushMap, bucket: Bucket): void {
  if (bucket.alg === bucketAlg.UNIFORM) {
    let sum = 0;
    let buckets = 0;
    for (const item of bucket.items) {
      const child = map.bucket(item);
      if (child === undefined) continue;
      reweightBucket(map, child);
      sum = addWeights(sum, child.weight);
      buckets++;
    }
    if (buckets > bucket.items.length - buckets) bucket.itemWeight = Math.floor(sum / buckets);
    bucket.weight = Math.imul(bucket.itemWeight, bucket.items.length) >>> 0;
    return;
  }
  let sum = 0;
  for (let i = 0; i < bucket.items.length; i++) {
    const child = map.bucket(bucket.items[i]!);
    if (child !== undefined) {
      reweightBucket(map, child);
      if (bucket.alg === bucketAlg.TREE) bucket.nodeWeights[2 * i + 1] = child.weight;
      else bucket.itemWeights[i] = child.weight;
    }
    sum = addWeights(sum, itemWeightAt(bucket, i));
  }
  bucket.weight = sum;
  if (bucket.alg === bucketAlg.STRAW) calcStraws(map, bucket);
}

/** C's pow where JavaScript's differs: one to any power is one. */
const pow = (base: number, exponent: number): number => (base === 1 ? 1 : base ** exponent);

/**
 * Computes the straws of a straw bucket: from the lightest item up, each next straw is longer by the factor that makes the chances of all the
 * heavier items (`left`) right given the weight below. Version 0 of straw_calc is kept with its flaws (items of equal weight, items of none).
 */
export function calcStraws(map: CrushMap, bucket: StrawBucket): void {
  const weights = bucket.itemWeights;
  const order = weights.map((_, i) => i).sort((a, b) => weights[a]! - weights[b]!);
  const weightAt = (i: number): number => weights[order[i]!]!;
  const size = order.length;
  const early = map.tunables.strawCalcVersion === 0;
  bucket.straws.length = size;
  let left = size;
  let straw = 1;
  let below = 0;
  let last = 0;
  for (let i = 0; i < size; ) {
    if (weightAt(i) === 0) {
      bucket.straws[order[i]!] = 0;
      i++;
      if (!early) left--;
      continue;
    }
    bucket.straws[order[i]!] = toU32(straw * 0x10000);
    i++;
    if (i === size) break;
    if (early && weightAt(i) === weightAt(i - 1)) continue;
    below += (weightAt(i - 1) - last) * left;
    if (early) {
      for (let j = i; j < size && weightAt(j) === weightAt(i); j++) left--;
    } else left--;
    const next = Math.imul(left, weightAt(i) - weightAt(i - 1)) >>> 0;
    straw *= pow(1 / (below / (below + next)), 1 / left);
    last = weightAt(i - 1);
  }
}

/** A double to 32 bits as the machine converts it: by way of 64. */
function toU32(x: number): number {
  return Math.abs(x) < 2 ** 63 ? Math.trunc(x) >>> 0 : 0;
}
