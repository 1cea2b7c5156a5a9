import { bucketAlg } from './bucket.ts';
import { crushHash3, crushHash4, HASH_RJENKINS1 } from './hash.ts';
import type { BucketNode, ChooseOverlay } from './node.ts';
import { straw2Choose } from './straw2.ts';
import type { ChooseKernel } from './straw2-wasm.ts';

const TWO_16 = 0x1_0000;

const hash3 = (type: number, a: number, b: number, c: number): number =>
  type === HASH_RJENKINS1 ? crushHash3(a, b, c) : 0;
const hash4 = (type: number, a: number, b: number, c: number, d: number): number =>
  type === HASH_RJENKINS1 ? crushHash4(a, b, c, d) : 0;

/**
 * Index of the item that `node` (which has items) gives for input `x` and attempt `r`. `overlay` and `position` replace the weights and
 * ids of straw2 buckets; `kernel` draws for those whose data is in its memory.
 */
export function chooseIndex(
  node: BucketNode,
  x: number,
  r: number,
  overlay: ChooseOverlay | undefined,
  position: number,
  kernel: ChooseKernel | undefined,
): number {
  switch (node.alg) {
    case bucketAlg.STRAW2: {
      if (overlay === undefined) {
        if (kernel !== undefined && node.idsAt >= 0) return kernel(node.idsAt, node.weightsAt, node.size, x, r);
        return straw2Choose(node.hash, x, r, node.straw2!);
      }
      const set = Math.min(position, overlay.straw2.length - 1);
      if (kernel !== undefined && overlay.idsAt >= 0) {
        return kernel(overlay.idsAt, overlay.weightsAt[set]!, node.size, x, r);
      }
      return straw2Choose(node.hash, x, r, overlay.straw2[set]!);
    }
    case bucketAlg.UNIFORM:
      return permutedIndex(node, x, r);
    case bucketAlg.LIST:
      return listIndex(node, x, r);
    case bucketAlg.TREE:
      return treeIndex(node, x, r);
    case bucketAlg.STRAW:
      return strawIndex(node, x, r);
    default:
      return 0;
  }
}

/**
 * Place `r` (modulo the size) of a pseudorandom permutation of the items that depends on x and the bucket. It is computed as far as
 * needed and kept for the next attempt with the same x.
 */
export function permutedIndex(node: BucketNode, x: number, r: number): number {
  const size = node.size;
  const place = (r >>> 0) % size;
  if (node.permX !== x || node.permLength < 0) {
    node.permX = x;
    if (place === 0) {
      // The first place alone needs no array; permLength 0 with permFirst set says that the rest is still to be made.
      node.permFirst = hash3(node.hash, x, node.id, 0) % size;
      node.permLength = 0;
      return node.permFirst;
    }
    node.permFirst = -1;
    node.permLength = 0;
    for (let i = 0; i < size; i++) node.perm[i] = i;
  } else if (node.permLength === 0 && node.permFirst >= 0) {
    if (place === 0) return node.permFirst;
    for (let i = 0; i < size; i++) node.perm[i] = i;
    node.perm[node.permFirst] = 0;
    node.perm[0] = node.permFirst;
    node.permLength = 1;
  }
  const perm = node.perm;
  for (let p = node.permLength; p <= place; p++) {
    if (p < size - 1) {
      const i = p + (hash3(node.hash, x, node.id, p) % (size - p));
      const t = perm[i]!;
      perm[i] = perm[p]!;
      perm[p] = t;
    }
    node.permLength = p + 1;
  }
  return perm[place]!;
}

function listIndex(node: BucketNode, x: number, r: number): number {
  for (let i = node.size - 1; i >= 0; i--) {
    // 16 bits times 32: exact in a double.
    const w = hash4(node.hash, x, node.items[i]!, r, node.id) & 0xffff;
    if (Math.floor((w * node.aux[i]!) / TWO_16) < node.weights[i]!) return i;
  }
  return 0;
}

function treeIndex(node: BucketNode, x: number, r: number): number {
  const weights = node.aux;
  let n = weights.length >> 1;
  while ((n & 1) === 0) {
    const t = mulHigh(hash4(node.hash, x, n, r, node.id), weights[n]!);
    const half = (n & -n) >> 1;
    n = t < weights[n - half]! ? n - half : n + half;
  }
  // Weights that do not add up can lead beside the items.
  return Math.min(n >> 1, node.size - 1);
}

/** floor(a * b / 2^32) of unsigned 32-bit numbers; the product itself would not fit a double. */
function mulHigh(a: number, b: number): number {
  const low = (a & 0xffff) * b;
  const high = (a >>> 16) * b;
  return Math.floor((high + Math.floor(low / TWO_16)) / TWO_16);
}

function strawIndex(node: BucketNode, x: number, r: number): number {
  let high = 0;
  let best = -1;
  for (let i = 0; i < node.size; i++) {
    const draw = (hash3(node.hash, x, node.items[i]!, r) & 0xffff) * node.aux[i]!;
    if (draw > best) {
      high = i;
      best = draw;
    }
  }
  return high;
}
