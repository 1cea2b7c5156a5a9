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
  if (hash !== HASH_RJENKINS1) return draw(weights, size);
  let high = 0;
  let best = Number.NEGATIVE_INFINITY;
  // crushHash3(x, id, r) of two items at a time, in line: a hash is one long chain of dependent operations, and the processor has room for two.
  for (let i = 0; i < size; i += 2) {
    let a0 = x;
    let b0 = ids[i]!;
    let c0 = r;
    let h0 = 1315423911 ^ a0 ^ b0 ^ c0;
    let p0 = 231232;
    let q0 = 1232;
    let a1 = x;
    let b1 = i + 1 < size ? ids[i + 1]! : 0;
    let c1 = r;
    let h1 = 1315423911 ^ a1 ^ b1 ^ c1;
    let p1 = 231232;
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

    const w0 = weights[i]!;
    const ln0 = lnTable[h0 & 0xffff]!;
    if (w0 > 0 ? ln0 > best * w0 : w0 < 0 && Math.trunc(ln0 / w0) > best) {
      high = i;
      best = Math.trunc(ln0 / w0);
    }
    if (i + 1 === size) break;
    const w1 = weights[i + 1]!;
    const ln1 = lnTable[h1 & 0xffff]!;
    if (w1 > 0 ? ln1 > best * w1 : w1 < 0 && Math.trunc(ln1 / w1) > best) {
      high = i + 1;
      best = Math.trunc(ln1 / w1);
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
