import { type Bucket, bucketAlg, itemWeightAt } from './bucket.ts';
import { HASH_RJENKINS1 } from './hash.ts';
import type { ChooseArg, CrushMap } from './map.ts';
import { Straw2Items, straw2Words } from './straw2.ts';
import { padded, type Straw2Arena } from './straw2-wasm.ts';

/** A bucket laid out for the mapper: typed arrays, and its items' types looked up beforehand. */
export class BucketNode {
  readonly id: number;
  readonly alg: number;
  readonly type: number;
  readonly hash: number;
  /** 0 also for a bucket that cannot be drawn from (a tree of impossible shape); it then counts as empty. */
  readonly size: number;
  readonly items: Int32Array;
  /** Of the items, as the signed reading of their 32 bits for straw2 (Ceph divides by an int), unsigned for the others. */
  readonly weights: Float64Array;
  /** Running sums of a list, node weights of a tree, straws of a straw bucket. */
  readonly aux: Float64Array;

  readonly straw2: Straw2Items | undefined;
  /** Holds items from `itemsAt` on (which is behind `at`, see {@link Straw2Items}) and their types from `typesAt` on; the same for all buckets of a map. */
  readonly words: Int32Array;
  readonly itemsAt: number;
  /** A type is 0 for a device, -1 for a bucket that does not exist. */
  readonly typesAt: number;
  /** The type of all items; -1 where they have several. */
  readonly itemType: number;

  /** Where ids and weights lie in the arena of the straw2 kernel; -1: not there, or not for the kernel. */
  idsAt = -1;
  weightsAt = -1;

  // The permutation of uniform buckets (and of the local fallback), kept while x stays.
  readonly perm: Uint32Array;
  permX = 0;
  /** Places computed; -1: nothing yet. */
  permLength = -1;
  /** The first place when it alone is known, else -1. */
  permFirst = -1;

  constructor(bucket: Bucket, typeOf: (item: number) => number, words: Int32Array, at: number) {
    this.id = bucket.id;
    this.alg = bucket.alg;
    this.type = bucket.type;
    this.hash = bucket.hash;
    const count = bucket.items.length;
    this.words = words;
    this.itemsAt = at + 1;
    this.typesAt = at + straw2Words(count);
    words.set(bucket.items, this.itemsAt);
    const types = bucket.items.map(typeOf);
    words.set(types, this.typesAt);
    this.itemType = types.every((one) => one === types[0]) ? (types[0] ?? -1) : -1;
    this.items = words.subarray(this.itemsAt, this.itemsAt + count);
    const signed = bucket.alg === bucketAlg.STRAW2;
    this.weights = Float64Array.from(bucket.items, (_, i) => {
      const weight = itemWeightAt(bucket, i);
      return signed ? weight | 0 : weight;
    });
    this.straw2 = signed ? new Straw2Items(bucket.items, this.weights, count, words, at) : undefined;
    this.aux = Float64Array.from(auxOf(bucket));
    this.perm = new Uint32Array(bucket.items.length);
    this.size =
      bucket.alg === bucketAlg.TREE && !isTree(this.aux.length, bucket.items.length) ? 0 : bucket.items.length;
  }
}

/** Whether the kernel can draw: no weight is negative (2^31 and above), the hash is the known one. */
function suitsKernel(node: BucketNode, items: Straw2Items): boolean {
  return node.hash === HASH_RJENKINS1 && items.weights.every((weight) => weight >= 0);
}

function auxOf(bucket: Bucket): readonly number[] {
  switch (bucket.alg) {
    case bucketAlg.LIST:
      return bucket.sumWeights;
    case bucketAlg.TREE:
      return bucket.nodeWeights;
    case bucketAlg.STRAW:
      return bucket.straws;
    default:
      return [];
  }
}

function isTree(nodes: number, items: number): boolean {
  return nodes >= 2 && (nodes & (nodes - 1)) === 0 && 2 * items <= nodes;
}

/** Replacements for one bucket, see `ChooseArg`. */
export interface ChooseOverlay {
  /** For each position of the weight set; the bucket's own weights where there is none. */
  readonly straw2: readonly Straw2Items[];
  /** As in {@link BucketNode}: ids, and the weights by position (those of the bucket where there is no weight set). */
  idsAt: number;
  weightsAt: readonly number[];
}

/** By bucket index; undefined where the bucket's own weights and ids hold. */
export type ChooseOverlays = readonly (ChooseOverlay | undefined)[];

export function buildNodes(map: CrushMap): (BucketNode | undefined)[] {
  const typeOf = (item: number): number => (item >= 0 ? 0 : (map.buckets[-1 - item]?.type ?? -1));
  let length = 0;
  const starts = map.buckets.map((bucket) => {
    const start = length;
    const count = bucket?.items.length ?? 0;
    length += straw2Words(count) + count;
    return start;
  });
  const words = new Int32Array(length);
  return map.buckets.map((bucket, i) => bucket && new BucketNode(bucket, typeOf, words, starts[i]!));
}

export function buildOverlays(
  map: CrushMap,
  nodes: readonly (BucketNode | undefined)[],
  args: ReadonlyMap<number, ChooseArg>,
): ChooseOverlays {
  const overlays = new Array<ChooseOverlay | undefined>(map.buckets.length).fill(undefined);
  for (const [index, arg] of args) {
    const node = nodes[index];
    const size = node?.items.length ?? 0;
    // What does not fit its bucket is not used; Ceph would read past the end.
    if (node?.straw2 === undefined || arg.weightSet.some((weights) => weights.length < size)) continue;
    if (arg.ids.length > 0 && arg.ids.length < size) continue;
    const ids = arg.ids.length > 0 ? Int32Array.from(arg.ids) : node.items;
    const sets = arg.weightSet.map((weights) => Float64Array.from(weights.slice(0, size), (weight) => weight | 0));
    overlays[index] = {
      straw2: (sets.length > 0 ? sets : [node.weights]).map((weights) => new Straw2Items(ids, weights, size)),
      idsAt: -1,
      weightsAt: [],
    };
  }
  return overlays;
}

/** Bytes that all buckets' ids and weights take in the arena. */
export function nodesLength(nodes: readonly (BucketNode | undefined)[]): number {
  return nodes.reduce((sum, node) => sum + (node?.straw2 === undefined ? 0 : 12 * padded(node.size)), 0);
}

export function loadNodes(nodes: readonly (BucketNode | undefined)[], arena: Straw2Arena, base: number): void {
  let at = base;
  for (const node of nodes) {
    if (node?.straw2 === undefined || !suitsKernel(node, node.straw2)) continue;
    arena.writeIds(at, node.items);
    node.idsAt = at;
    at += 4 * padded(node.size);
    node.weightsAt = placeWeights(arena, at, node.straw2);
    at += 8 * padded(node.size);
  }
}

/** Gives where the weights are: 0 says that they are all equal, and that is all the kernel needs to know. */
function placeWeights(arena: Straw2Arena, at: number, items: Straw2Items): number {
  if (items.equal) return 0;
  arena.writeWeights(at, items.weights);
  return at;
}

export function overlaysLength(overlays: ChooseOverlays): number {
  return overlays.reduce((sum, overlay) => {
    const sets = overlay?.straw2 ?? [];
    return sum + (4 + 8 * sets.length) * padded(sets[0]?.size ?? 0);
  }, 0);
}

export function loadOverlays(
  nodes: readonly (BucketNode | undefined)[],
  overlays: ChooseOverlays,
  arena: Straw2Arena,
  base: number,
): void {
  let at = base;
  overlays.forEach((overlay, i) => {
    const node = nodes[i];
    if (overlay === undefined || node === undefined) return;
    if (!overlay.straw2.every((items) => suitsKernel(node, items))) return;
    const { words, at: sizeAt } = overlay.straw2[0]!;
    arena.writeIds(at, words.subarray(sizeAt + 1, sizeAt + 1 + node.size));
    overlay.idsAt = at;
    at += 4 * padded(node.size);
    overlay.weightsAt = overlay.straw2.map((items) => {
      const place = placeWeights(arena, at, items);
      at += 8 * padded(node.size);
      return place;
    });
  });
}
