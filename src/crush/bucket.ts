/** CRUSH_BUCKET_*: how a bucket picks among its items. */
export const bucketAlg = { UNIFORM: 1, LIST: 2, TREE: 3, STRAW: 4, STRAW2: 5 } as const;

export type BucketAlg = (typeof bucketAlg)[keyof typeof bucketAlg];

interface BucketBase {
  /** Negative; the bucket stands at index -1-id of the map's table. */
  id: number;
  /** Of the map's types; 0 is a device, so a bucket's is above. */
  type: number;
  /** CRUSH_HASH_*. */
  hash: number;
  /** Sum of the items' weights, 16.16 fixed point (u32). */
  weight: number;
  /** Devices (>= 0) and buckets (< 0), in the order the algorithm depends on. */
  items: number[];
}

export interface UniformBucket extends BucketBase {
  readonly alg: typeof bucketAlg.UNIFORM;
  /** Every item's weight. */
  itemWeight: number;
}

export interface ListBucket extends BucketBase {
  readonly alg: typeof bucketAlg.LIST;
  itemWeights: number[];
  /** Running sums of `itemWeights`. */
  sumWeights: number[];
}

export interface TreeBucket extends BucketBase {
  readonly alg: typeof bucketAlg.TREE;
  /** A binary tree in an array of a power of two (at most 128): item i is node 2i+1, the root is in the middle. */
  nodeWeights: number[];
}

export interface StrawBucket extends BucketBase {
  readonly alg: typeof bucketAlg.STRAW;
  itemWeights: number[];
  /** Straw lengths, 16.16; computed from the weights by the map's straw_calc_version. */
  straws: number[];
}

export interface Straw2Bucket extends BucketBase {
  readonly alg: typeof bucketAlg.STRAW2;
  itemWeights: number[];
}

export type Bucket = UniformBucket | ListBucket | TreeBucket | StrawBucket | Straw2Bucket;

const ALG_NAMES = ['unknown', 'uniform', 'list', 'tree', 'straw', 'straw2'];

export function algName(alg: number): string {
  return ALG_NAMES[alg] ?? 'unknown';
}

/** Number of an algorithm's name, 0 for one that is not known. */
export function algByName(name: string): BucketAlg | 0 {
  const alg = ALG_NAMES.indexOf(name);
  return alg > 0 ? (alg as BucketAlg) : 0;
}

/** Weight (16.16) of the item at `position`. */
export function itemWeightAt(bucket: Bucket, position: number): number {
  switch (bucket.alg) {
    case bucketAlg.UNIFORM:
      return bucket.itemWeight;
    case bucketAlg.TREE:
      return bucket.nodeWeights[2 * position + 1] ?? 0;
    default:
      return bucket.itemWeights[position] ?? 0;
  }
}
