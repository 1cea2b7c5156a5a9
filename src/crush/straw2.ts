import { HASH_RJENKINS1 } from './hash.ts';
import { lnTable } from './ln.ts';

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
  let high = 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    const w = weights[i]!;
    if (w === 0) continue;
    let u = 0;
    if (hash === HASH_RJENKINS1) {
      const id = ids[i]!;
      // crushHash3(x, id, r) & 0xffff, in line: this is where placement spends its time.
      let a = x;
      let b = id;
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
      u = h & 0xffff;
    }
    const ln = lnTable[u]!;
    if (w > 0 ? ln > best * w : Math.trunc(ln / w) > best) {
      high = i;
      best = Math.trunc(ln / w);
    }
  }
  return high;
}
