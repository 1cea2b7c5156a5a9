import { crushHash3, HASH_RJENKINS1 } from './hash.ts';
import { fillLnTables, lnRanks, lnTable } from './ln.ts';

/** Words of a {@link Straw2Items} of so many items: their number, ids and shares. */
export const straw2Words = (size: number): number => 1 + 2 * paddedPairs(size);

/** What a straw2 bucket's items are drawn by, made once for many draws. */
export class Straw2Items {
  readonly size: number;
  /** All weights are the same, and so small that different logarithms make different quotients. */
  readonly equal: boolean;
  /** Whether costs are estimated, see {@link likeliest}. */
  readonly estimable: boolean;
  /** Holds the number of items at `at`, behind it what is hashed for them, and from `sharesAt` on what stands for their weights in estimates. */
  readonly words: Int32Array;
  readonly at: number;
  readonly sharesAt: number;
  /** The signed reading of the 32 bits, as Ceph's division has it; a negative one (2^31 and above) makes a positive draw. */
  readonly weights: Float64Array;
  readonly costs: Float64Array;
  readonly costMargin: number;

  /** `words` has room at `at` for {@link straw2Words}: one array for all buckets of a map, so that what is read together lies together. */
  constructor(ids: ArrayLike<number>, weights: Float64Array, size: number, words?: Int32Array, at = 0) {
    this.size = size;
    this.words = words ?? new Int32Array(straw2Words(size));
    this.at = at;
    this.sharesAt = at + 1 + paddedPairs(size);
    this.words[at] = size;
    this.weights = weights;
    this.equal = equalWeights(weights, size);
    // Among equal weights the tables are asked so seldom that a small cluster starts without them.
    if (!this.equal) fillTables();
    const greatest = weights.reduce((a, b) => Math.max(a, b), 0);
    this.estimable = !this.equal && size <= ESTIMATED_SIZE_MAX && greatest > 0 && weights.every((w) => w >= 0);
    const unit = weights.reduce((a, b) => Math.min(a, b), greatest);
    const least = Math.max(1, unit, greatest / SPREAD_MAX);
    for (let i = 0; i < size; i++) {
      this.words[at + 1 + i] = ids[i]!;
      this.words[this.sharesAt + i] = Math.floor((SHARE * least) / Math.max(weights[i]!, least));
    }
    this.costMargin = (SHARE * least) / LN_UNIT;
    this.costs = this.estimable ? Float64Array.from(weights, (w) => this.costMargin / w) : new Float64Array(0);
  }
}

/** Least difference of two values of the table, 56128037, which is 856 as a weight. */
const EQUAL_WEIGHT_MAX = 56_128_037;
/** Items whose places, counted from one, fit in what a hash leaves of 31 bits. */
const EQUAL_SIZE_MAX = 0x7fff;

/** Whether the greatest logarithm wins: weights are all the same, and different logarithms make different quotients. */
export function equalWeights(weights: Float64Array, size: number): boolean {
  const first = weights[0] ?? 0;
  if (first <= 0 || first > EQUAL_WEIGHT_MAX || size > EQUAL_SIZE_MAX) return false;
  return weights.every((weight) => weight === first);
}

/** Places for `size` ids, hashed two by two. */
const paddedPairs = (size: number): number => (size + 1) & ~1;

/** Index of the item that draws the longest straw for `x` and `r`: the greatest trunc(ln(hash16) / weight), the first of equals. */
export function straw2Choose(hash: number, x: number, r: number, items: Straw2Items): number {
  const size = items.size;
  if (hash !== HASH_RJENKINS1) return draw(items.weights, size);
  if (items.equal) {
    single[0] = items.at;
    highest(items.words, single, 1, x | 0, r | 0, 0);
    return single[0]!;
  }
  if (hashes.length <= size) hashes = new Uint16Array(paddedPairs(size));
  hashItems(x | 0, r | 0, items.words, items.at + 1, size, hashes);
  if (items.estimable) {
    const index = likeliest(hashes, items);
    if (index >= 0) return index;
  }
  return longest(hashes, items.weights, size);
}

const single = new Int32Array(1);

/** Low 16 bits of the hashes of a bucket's items; grows with the largest bucket. */
let hashes = new Uint16Array(1024);

/**
 * crushHash3(x, id, r) in line, two items at a time. One alone is a chain of 90 operations that wait for one another, and half of the processor
 * idles; two fill it, and three have too many values at once for its registers. The choice is a loop of its own for the same reason.
 */
function hashItems(x: number, r: number, ids: Int32Array, at: number, size: number, out: Uint16Array): void {
  const seed = 1315423911 ^ x ^ r;
  for (let i = 0; i < size; i += 2) {
    let a0 = x;
    let a1 = x;
    let b0 = ids[at + i]!;
    let b1 = ids[at + i + 1]!;
    let c0 = r;
    let c1 = r;
    let h0 = seed ^ b0;
    let h1 = seed ^ b1;
    let p0 = 231232;
    let p1 = 231232;
    let q0 = 1232;
    let q1 = 1232;

    a0 = (a0 - b0 - h0) ^ (h0 >>> 13);
    a1 = (a1 - b1 - h1) ^ (h1 >>> 13);
    b0 = (b0 - h0 - a0) ^ (a0 << 8);
    b1 = (b1 - h1 - a1) ^ (a1 << 8);
    h0 = (h0 - a0 - b0) ^ (b0 >>> 13);
    h1 = (h1 - a1 - b1) ^ (b1 >>> 13);
    a0 = (a0 - b0 - h0) ^ (h0 >>> 12);
    a1 = (a1 - b1 - h1) ^ (h1 >>> 12);
    b0 = (b0 - h0 - a0) ^ (a0 << 16);
    b1 = (b1 - h1 - a1) ^ (a1 << 16);
    h0 = (h0 - a0 - b0) ^ (b0 >>> 5);
    h1 = (h1 - a1 - b1) ^ (b1 >>> 5);
    a0 = (a0 - b0 - h0) ^ (h0 >>> 3);
    a1 = (a1 - b1 - h1) ^ (h1 >>> 3);
    b0 = (b0 - h0 - a0) ^ (a0 << 10);
    b1 = (b1 - h1 - a1) ^ (a1 << 10);
    h0 = (h0 - a0 - b0) ^ (b0 >>> 15);
    h1 = (h1 - a1 - b1) ^ (b1 >>> 15);

    c0 = (c0 - p0 - h0) ^ (h0 >>> 13);
    c1 = (c1 - p1 - h1) ^ (h1 >>> 13);
    p0 = (p0 - h0 - c0) ^ (c0 << 8);
    p1 = (p1 - h1 - c1) ^ (c1 << 8);
    h0 = (h0 - c0 - p0) ^ (p0 >>> 13);
    h1 = (h1 - c1 - p1) ^ (p1 >>> 13);
    c0 = (c0 - p0 - h0) ^ (h0 >>> 12);
    c1 = (c1 - p1 - h1) ^ (h1 >>> 12);
    p0 = (p0 - h0 - c0) ^ (c0 << 16);
    p1 = (p1 - h1 - c1) ^ (c1 << 16);
    h0 = (h0 - c0 - p0) ^ (p0 >>> 5);
    h1 = (h1 - c1 - p1) ^ (p1 >>> 5);
    c0 = (c0 - p0 - h0) ^ (h0 >>> 3);
    c1 = (c1 - p1 - h1) ^ (h1 >>> 3);
    p0 = (p0 - h0 - c0) ^ (c0 << 10);
    p1 = (p1 - h1 - c1) ^ (c1 << 10);
    h0 = (h0 - c0 - p0) ^ (p0 >>> 15);
    h1 = (h1 - c1 - p1) ^ (p1 >>> 15);

    q0 = (q0 - a0 - h0) ^ (h0 >>> 13);
    q1 = (q1 - a1 - h1) ^ (h1 >>> 13);
    a0 = (a0 - h0 - q0) ^ (q0 << 8);
    a1 = (a1 - h1 - q1) ^ (q1 << 8);
    h0 = (h0 - q0 - a0) ^ (a0 >>> 13);
    h1 = (h1 - q1 - a1) ^ (a1 >>> 13);
    q0 = (q0 - a0 - h0) ^ (h0 >>> 12);
    q1 = (q1 - a1 - h1) ^ (h1 >>> 12);
    a0 = (a0 - h0 - q0) ^ (q0 << 16);
    a1 = (a1 - h1 - q1) ^ (q1 << 16);
    h0 = (h0 - q0 - a0) ^ (a0 >>> 5);
    h1 = (h1 - q1 - a1) ^ (a1 >>> 5);
    q0 = (q0 - a0 - h0) ^ (h0 >>> 3);
    q1 = (q1 - a1 - h1) ^ (h1 >>> 3);
    a0 = (a0 - h0 - q0) ^ (q0 << 10);
    a1 = (a1 - h1 - q1) ^ (q1 << 10);
    h0 = (h0 - q0 - a0) ^ (a0 >>> 15);
    h1 = (h1 - q1 - a1) ^ (a1 >>> 15);

    b0 = (b0 - p0 - h0) ^ (h0 >>> 13);
    b1 = (b1 - p1 - h1) ^ (h1 >>> 13);
    p0 = (p0 - h0 - b0) ^ (b0 << 8);
    p1 = (p1 - h1 - b1) ^ (b1 << 8);
    h0 = (h0 - b0 - p0) ^ (p0 >>> 13);
    h1 = (h1 - b1 - p1) ^ (p1 >>> 13);
    b0 = (b0 - p0 - h0) ^ (h0 >>> 12);
    b1 = (b1 - p1 - h1) ^ (h1 >>> 12);
    p0 = (p0 - h0 - b0) ^ (b0 << 16);
    p1 = (p1 - h1 - b1) ^ (b1 << 16);
    h0 = (h0 - b0 - p0) ^ (p0 >>> 5);
    h1 = (h1 - b1 - p1) ^ (p1 >>> 5);
    b0 = (b0 - p0 - h0) ^ (h0 >>> 3);
    b1 = (b1 - p1 - h1) ^ (h1 >>> 3);
    p0 = (p0 - h0 - b0) ^ (b0 << 10);
    p1 = (p1 - h1 - b1) ^ (b1 << 10);
    h0 = (h0 - b0 - p0) ^ (p0 >>> 15);
    h1 = (h1 - b1 - p1) ^ (p1 >>> 15);

    q0 = (q0 - c0 - h0) ^ (h0 >>> 13);
    q1 = (q1 - c1 - h1) ^ (h1 >>> 13);
    c0 = (c0 - h0 - q0) ^ (q0 << 8);
    c1 = (c1 - h1 - q1) ^ (q1 << 8);
    h0 = (h0 - q0 - c0) ^ (c0 >>> 13);
    h1 = (h1 - q1 - c1) ^ (c1 >>> 13);
    q0 = (q0 - c0 - h0) ^ (h0 >>> 12);
    q1 = (q1 - c1 - h1) ^ (h1 >>> 12);
    c0 = (c0 - h0 - q0) ^ (q0 << 16);
    c1 = (c1 - h1 - q1) ^ (q1 << 16);
    h0 = (h0 - q0 - c0) ^ (c0 >>> 5);
    h1 = (h1 - q1 - c1) ^ (c1 >>> 5);
    q0 = (q0 - c0 - h0) ^ (h0 >>> 3);
    q1 = (q1 - c1 - h1) ^ (h1 >>> 3);
    c0 = (c0 - h0 - q0) ^ (q0 << 10);
    c1 = (c1 - h1 - q1) ^ (q1 << 10);
    h0 = (h0 - q0 - c0) ^ (c0 >>> 15);
    h1 = (h1 - q1 - c1) ^ (c1 >>> 15);
    out[i] = h0;
    out[i + 1] = h1;
  }
}

/**
 * The choice where all weights are equal: the greatest logarithm, the first of equals; for several buckets, as the time between one call and the next
 * is as long as a hash. `draws` holds where the {@link Straw2Items} begin in `words`, and then the indices; `r` holds for the first of them, the next
 * ones' is greater by `step` each.
 *
 * A greater hash makes a greater logarithm, but for some that make the same as the one next to them, and the very last, which makes less (a test
 * says so): hashes two apart or more are in the order of their logarithms. So the greatest hash has won unless another comes closer, and no table is
 * needed. A key is a hash above how far down the list its item is, so that the first of equals has the greatest. Of two whose keys are near, the later
 * meets the other, or one greater still, as the best so far: some step sees a lead within `near`. That may also be among others, or by overflow, and
 * is then told apart for nothing.
 *
 * There is no branch that depends on a hash, as one mispredicted costs as much as a hash; and none between the two hashes and what is made of them, nor
 * an array: either would have V8 emit the two hashes one after the other.
 */
export function highest(
  words: Int32Array,
  draws: Int32Array,
  count: number,
  input: number,
  r0: number,
  step: number,
): void {
  // Here, as V8 looks up what belongs to the module at each use.
  const indexBits = 15;
  // Keys of hashes less than two apart differ by less.
  const near = 2 << indexBits;
  const x = input | 0;
  const seed = 1315423911 ^ x;
  let r = r0 | 0;
  for (let draw = 0; draw < count; draw++) {
    const at = draws[draw]!;
    const size = words[at]!;
    const end = at + 1 + (size & ~1);
    // Positions count from `at`, in keys too.
    const last = at + size;
    let best = -1 << indexBits;
    if ((size & 1) !== 0) best = ((crushHash3(x, words[last]!, r) & 0xffff) << indexBits) - size;
    let leads = 0;
    const seedR = seed ^ r;
    for (let i = at + 1; i < end; i = (i + 2) | 0) {
      let a0 = x;
      let a1 = x;
      let b0 = words[i]!;
      let b1 = words[i + 1]!;
      let c0 = r;
      let c1 = r;
      let h0 = seedR ^ b0;
      let h1 = seedR ^ b1;
      let p0 = 231232;
      let p1 = 231232;
      let q0 = 1232;
      let q1 = 1232;

      a0 = (a0 - b0 - h0) ^ (h0 >>> 13);
      a1 = (a1 - b1 - h1) ^ (h1 >>> 13);
      b0 = (b0 - h0 - a0) ^ (a0 << 8);
      b1 = (b1 - h1 - a1) ^ (a1 << 8);
      h0 = (h0 - a0 - b0) ^ (b0 >>> 13);
      h1 = (h1 - a1 - b1) ^ (b1 >>> 13);
      a0 = (a0 - b0 - h0) ^ (h0 >>> 12);
      a1 = (a1 - b1 - h1) ^ (h1 >>> 12);
      b0 = (b0 - h0 - a0) ^ (a0 << 16);
      b1 = (b1 - h1 - a1) ^ (a1 << 16);
      h0 = (h0 - a0 - b0) ^ (b0 >>> 5);
      h1 = (h1 - a1 - b1) ^ (b1 >>> 5);
      a0 = (a0 - b0 - h0) ^ (h0 >>> 3);
      a1 = (a1 - b1 - h1) ^ (h1 >>> 3);
      b0 = (b0 - h0 - a0) ^ (a0 << 10);
      b1 = (b1 - h1 - a1) ^ (a1 << 10);
      h0 = (h0 - a0 - b0) ^ (b0 >>> 15);
      h1 = (h1 - a1 - b1) ^ (b1 >>> 15);

      c0 = (c0 - p0 - h0) ^ (h0 >>> 13);
      c1 = (c1 - p1 - h1) ^ (h1 >>> 13);
      p0 = (p0 - h0 - c0) ^ (c0 << 8);
      p1 = (p1 - h1 - c1) ^ (c1 << 8);
      h0 = (h0 - c0 - p0) ^ (p0 >>> 13);
      h1 = (h1 - c1 - p1) ^ (p1 >>> 13);
      c0 = (c0 - p0 - h0) ^ (h0 >>> 12);
      c1 = (c1 - p1 - h1) ^ (h1 >>> 12);
      p0 = (p0 - h0 - c0) ^ (c0 << 16);
      p1 = (p1 - h1 - c1) ^ (c1 << 16);
      h0 = (h0 - c0 - p0) ^ (p0 >>> 5);
      h1 = (h1 - c1 - p1) ^ (p1 >>> 5);
      c0 = (c0 - p0 - h0) ^ (h0 >>> 3);
      c1 = (c1 - p1 - h1) ^ (h1 >>> 3);
      p0 = (p0 - h0 - c0) ^ (c0 << 10);
      p1 = (p1 - h1 - c1) ^ (c1 << 10);
      h0 = (h0 - c0 - p0) ^ (p0 >>> 15);
      h1 = (h1 - c1 - p1) ^ (p1 >>> 15);

      q0 = (q0 - a0 - h0) ^ (h0 >>> 13);
      q1 = (q1 - a1 - h1) ^ (h1 >>> 13);
      a0 = (a0 - h0 - q0) ^ (q0 << 8);
      a1 = (a1 - h1 - q1) ^ (q1 << 8);
      h0 = (h0 - q0 - a0) ^ (a0 >>> 13);
      h1 = (h1 - q1 - a1) ^ (a1 >>> 13);
      q0 = (q0 - a0 - h0) ^ (h0 >>> 12);
      q1 = (q1 - a1 - h1) ^ (h1 >>> 12);
      a0 = (a0 - h0 - q0) ^ (q0 << 16);
      a1 = (a1 - h1 - q1) ^ (q1 << 16);
      h0 = (h0 - q0 - a0) ^ (a0 >>> 5);
      h1 = (h1 - q1 - a1) ^ (a1 >>> 5);
      q0 = (q0 - a0 - h0) ^ (h0 >>> 3);
      q1 = (q1 - a1 - h1) ^ (h1 >>> 3);
      a0 = (a0 - h0 - q0) ^ (q0 << 10);
      a1 = (a1 - h1 - q1) ^ (q1 << 10);
      h0 = (h0 - q0 - a0) ^ (a0 >>> 15);
      h1 = (h1 - q1 - a1) ^ (a1 >>> 15);

      b0 = (b0 - p0 - h0) ^ (h0 >>> 13);
      b1 = (b1 - p1 - h1) ^ (h1 >>> 13);
      p0 = (p0 - h0 - b0) ^ (b0 << 8);
      p1 = (p1 - h1 - b1) ^ (b1 << 8);
      h0 = (h0 - b0 - p0) ^ (p0 >>> 13);
      h1 = (h1 - b1 - p1) ^ (p1 >>> 13);
      b0 = (b0 - p0 - h0) ^ (h0 >>> 12);
      b1 = (b1 - p1 - h1) ^ (h1 >>> 12);
      p0 = (p0 - h0 - b0) ^ (b0 << 16);
      p1 = (p1 - h1 - b1) ^ (b1 << 16);
      h0 = (h0 - b0 - p0) ^ (p0 >>> 5);
      h1 = (h1 - b1 - p1) ^ (p1 >>> 5);
      b0 = (b0 - p0 - h0) ^ (h0 >>> 3);
      b1 = (b1 - p1 - h1) ^ (h1 >>> 3);
      p0 = (p0 - h0 - b0) ^ (b0 << 10);
      p1 = (p1 - h1 - b1) ^ (b1 << 10);
      h0 = (h0 - b0 - p0) ^ (p0 >>> 15);
      h1 = (h1 - b1 - p1) ^ (p1 >>> 15);

      q0 = (q0 - c0 - h0) ^ (h0 >>> 13);
      q1 = (q1 - c1 - h1) ^ (h1 >>> 13);
      c0 = (c0 - h0 - q0) ^ (q0 << 8);
      c1 = (c1 - h1 - q1) ^ (q1 << 8);
      h0 = (h0 - q0 - c0) ^ (c0 >>> 13);
      h1 = (h1 - q1 - c1) ^ (c1 >>> 13);
      q0 = (q0 - c0 - h0) ^ (h0 >>> 12);
      q1 = (q1 - c1 - h1) ^ (h1 >>> 12);
      c0 = (c0 - h0 - q0) ^ (q0 << 16);
      c1 = (c1 - h1 - q1) ^ (q1 << 16);
      h0 = (h0 - q0 - c0) ^ (c0 >>> 5);
      h1 = (h1 - q1 - c1) ^ (c1 >>> 5);
      q0 = (q0 - c0 - h0) ^ (h0 >>> 3);
      q1 = (q1 - c1 - h1) ^ (h1 >>> 3);
      c0 = (c0 - h0 - q0) ^ (q0 << 10);
      c1 = (c1 - h1 - q1) ^ (q1 << 10);
      h0 = (h0 - q0 - c0) ^ (c0 >>> 15);
      h1 = (h1 - q1 - c1) ^ (c1 >>> 15);

      const place = i - at;
      const key0 = (((h0 & 0xffff) << indexBits) - place) | 0;
      const key1 = (((h1 & 0xffff) << indexBits) - place - 1) | 0;
      const lead0 = (best - key0) | 0;
      leads |= (lead0 - near) ^ (lead0 + near);
      best = (best - (lead0 & (lead0 >> 31))) | 0;
      const lead1 = (best - key1) | 0;
      leads |= (lead1 - near) ^ (lead1 + near);
      best = (best - (lead1 & (lead1 >> 31))) | 0;
    }
    draws[draw] = leads < 0 ? highestRank(words, at, x, r) : (-best & ((1 << indexBits) - 1)) - 1;
    r = (r + step) | 0;
  }
}

function highestRank(words: Int32Array, at: number, x: number, r: number): number {
  fillLnTables();
  const size = words[at]!;
  let high = 0;
  let best = -1;
  for (let i = 0; i < size; i++) {
    const rank = lnRanks[crushHash3(x, words[at + 1 + i]!, r) & 0xffff]!;
    if (rank > best) {
      high = i;
      best = rank;
    }
  }
  return high;
}

const SHARE_BITS = 15;
const SHARE = 1 << SHARE_BITS;
/** What estimates count logarithms in: 2^32, so that all fit 16 bits. */
const LN_UNIT = 2 ** 32;
const LN_STEP_BITS = 4;
/** Items of an estimate: their number takes the low bits of its 31. Among more the first two are mostly too close to tell apart. */
const INDEX_MASK = 0xff;
const ESTIMATED_SIZE_MAX = INDEX_MASK + 1;
/** An estimate takes weights for this part of the greatest where they are less: they seldom win, and then the exact form looks. */
const SPREAD_MAX = 64;

/** The least -ln of 16 hashes, in its units: in the fastest cache, where the whole table has no room. */
const lnFloors = new Uint16Array(lnTable.length >> LN_STEP_BITS);

let isFilled = false;

function fillTables(): void {
  if (isFilled) return;
  isFilled = true;
  fillLnTables();
  for (let i = 0; i < lnFloors.length; i++) {
    let most = Number.NEGATIVE_INFINITY;
    for (let u = i << LN_STEP_BITS; u < (i + 1) << LN_STEP_BITS; u++) most = Math.max(most, lnTable[u]!);
    lnFloors[i] = Math.min(0xffff, Math.floor(-most / LN_UNIT));
  }
}

/**
 * The choice among different weights by an estimate of what draws cost (-ln / weight, the least wins) that is never above the cost, in whole
 * numbers and without a branch that depends on a hash. The item of the least estimate has the least cost where its true cost stays below the
 * next estimate by a whole quotient (`costMargin`); where it does not, -1.
 */
function likeliest(hashes: Uint16Array, items: Straw2Items): number {
  const { words, sharesAt, size } = items;
  let best = 0x7fffffff;
  let second = 0x7fffffff;
  for (let i = 0; i < size; i++) {
    // Exchanges best and key where key is less.
    const key = (Math.imul(lnFloors[hashes[i]! >>> LN_STEP_BITS]!, words[sharesAt + i]!) & ~INDEX_MASK) | i;
    const more = (key - best) | 0;
    const change = more & (more >> 31);
    best = (best + change) | 0;
    const lead = (key - change - second) | 0;
    second = (second + (lead & (lead >> 31))) | 0;
  }
  const index = best & INDEX_MASK;
  const cost = -lnTable[hashes[index]!]! * items.costs[index]! + items.costMargin + 1;
  return cost < (second & ~INDEX_MASK) ? index : -1;
}

/**
 * The choice among any weights.
 *
 * Exact without a division per item. With `best` the integer quotient so far, ln <= 0 and weight > 0,
 *   trunc(ln / w) > best  <=>  ceil(ln / w) >= best + 1  <=>  ln / w > best  <=>  ln > best * w.
 * The product of doubles is exact below 2^53, and above it exceeds |ln| <= 2^48 in magnitude whatever its rounding, so the comparison
 * holds. The division happens only when an item wins; |ln| < 2^49 and w < 2^32 leave the rounded quotient on the right side of every
 * integer (its error is below 2^-4 / w, the distance to the next integer at least 1 / w).
 */
function longest(hashes: Uint16Array, weights: Float64Array, size: number): number {
  let high = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    const w = weights[i]!;
    const ln = lnTable[hashes[i]!]!;
    if (w > 0) {
      if (ln > best * w) {
        high = i;
        best = Math.trunc(ln / w);
      }
    } else if (w < 0) {
      const straw = Math.trunc(ln / w);
      if (straw > best) {
        high = i;
        best = straw;
      }
    }
  }
  return high;
}

/** A bucket with an unknown hash: every item draws ln(0). */
function draw(weights: Float64Array, size: number): number {
  let high = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    const w = weights[i]!;
    const straw = w === 0 ? Number.NEGATIVE_INFINITY : Math.trunc(lnTable[0]! / w);
    if (straw > best) {
      high = i;
      best = straw;
    }
  }
  return high;
}
