import { HASH_RJENKINS1 } from './hash.ts';
import { lnTable } from './ln.ts';

const LN_BOUND_BITS = 5;

/** Greatest value in every 32 of the table. */
const lnBounds = Float64Array.from({ length: lnTable.length >> LN_BOUND_BITS }, (_, i) =>
  Math.max(...lnTable.subarray(i << LN_BOUND_BITS, (i + 1) << LN_BOUND_BITS)),
);

/**
 * Index of the item that draws the longest straw: the greatest trunc(ln(hash16) / weight), the first of equals.
 *
 * Exact without a division per item. With `best` the integer quotient so far, ln <= 0 and weight > 0,
 *   trunc(ln / w) > best  <=>  ceil(ln / w) >= best + 1  <=>  ln / w > best  <=>  ln > best * w.
 * The product of doubles is exact below 2^53, and above it exceeds |ln| <= 2^48 in magnitude whatever its rounding, so the comparison
 * holds. The division happens only when an item wins; |ln| < 2^49 and w < 2^32 leave the rounded quotient on the right side of every
 * integer (its error is below 2^-4 / w, the distance to the next integer at least 1 / w).
 *
 * Weights are the signed reading of the 32 bits, as there; a negative one (2^31 and above) makes a positive draw and takes the slow path.
 */
export function straw2Choose(
  hash: number,
  x: number,
  r: number,
  ids: Int32Array,
  weights: Float64Array,
  size: number,
): number {
  if (hash !== HASH_RJENKINS1) return draw(weights, size);
  if (hashes.length < size) hashes = new Uint16Array(size);
  hashItems(x, r, ids, size, hashes);
  return longest(hashes, weights, size);
}

/** Low 16 bits of the hashes of a bucket's items; grows with the largest bucket. */
let hashes = new Uint16Array(1024);

/**
 * crushHash3(x, id, r) in line, an item at a time: two interleaved need more registers than there are. Apart from the choice for the same reason, and so that
 * a branch mispredicted there does not hold up the next hashes.
 */
function hashItems(x: number, r: number, ids: Int32Array, size: number, out: Uint16Array): void {
  for (let i = 0; i < size; i++) {
    let a = x;
    let b = ids[i]!;
    let c = r;
    let h = 1315423911 ^ a ^ b ^ c;
    let p = 231232;
    let q = 1232;

    a = (a - b - h) ^ (h >>> 13);
    b = (b - h - a) ^ (a << 8);
    h = (h - a - b) ^ (b >>> 13);
    a = (a - b - h) ^ (h >>> 12);
    b = (b - h - a) ^ (a << 16);
    h = (h - a - b) ^ (b >>> 5);
    a = (a - b - h) ^ (h >>> 3);
    b = (b - h - a) ^ (a << 10);
    h = (h - a - b) ^ (b >>> 15);

    c = (c - p - h) ^ (h >>> 13);
    p = (p - h - c) ^ (c << 8);
    h = (h - c - p) ^ (p >>> 13);
    c = (c - p - h) ^ (h >>> 12);
    p = (p - h - c) ^ (c << 16);
    h = (h - c - p) ^ (p >>> 5);
    c = (c - p - h) ^ (h >>> 3);
    p = (p - h - c) ^ (c << 10);
    h = (h - c - p) ^ (p >>> 15);

    q = (q - a - h) ^ (h >>> 13);
    a = (a - h - q) ^ (q << 8);
    h = (h - q - a) ^ (a >>> 13);
    q = (q - a - h) ^ (h >>> 12);
    a = (a - h - q) ^ (q << 16);
    h = (h - q - a) ^ (a >>> 5);
    q = (q - a - h) ^ (h >>> 3);
    a = (a - h - q) ^ (q << 10);
    h = (h - q - a) ^ (a >>> 15);

    b = (b - p - h) ^ (h >>> 13);
    p = (p - h - b) ^ (b << 8);
    h = (h - b - p) ^ (p >>> 13);
    b = (b - p - h) ^ (h >>> 12);
    p = (p - h - b) ^ (b << 16);
    h = (h - b - p) ^ (p >>> 5);
    b = (b - p - h) ^ (h >>> 3);
    p = (p - h - b) ^ (b << 10);
    h = (h - b - p) ^ (p >>> 15);

    q = (q - c - h) ^ (h >>> 13);
    c = (c - h - q) ^ (q << 8);
    h = (h - q - c) ^ (c >>> 13);
    q = (q - c - h) ^ (h >>> 12);
    c = (c - h - q) ^ (q << 16);
    h = (h - q - c) ^ (c >>> 5);
    q = (q - c - h) ^ (h >>> 3);
    c = (c - h - q) ^ (q << 10);
    h = (h - q - c) ^ (c >>> 15);
    out[i] = h;
  }
}

function longest(hashes: Uint16Array, weights: Float64Array, size: number): number {
  let high = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    const w = weights[i]!;
    const u = hashes[i]!;
    if (w > 0) {
      const product = best * w;
      // Most items lose already by the bound, whose table stays in the fastest cache: the whole one takes half a megabyte.
      if (lnBounds[u >>> LN_BOUND_BITS]! <= product) continue;
      const ln = lnTable[u]!;
      if (ln > product) {
        high = i;
        best = Math.trunc(ln / w);
      }
    } else if (w < 0) {
      const straw = Math.trunc(lnTable[u]! / w);
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
