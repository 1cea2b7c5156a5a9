/**
 * Robert Jenkins' 32-bit mix (1997, public domain) as CRUSH uses it: one to five integers to an unsigned 32-bit number.
 * Arguments are taken modulo 2^32; the results are unsigned.
 */

/** CRUSH_HASH_RJENKINS1, the only hash there is; buckets that name another one hash everything to 0. */
export const HASH_RJENKINS1 = 0;

const SEED = 1315423911;
const X = 231232;
const Y = 1232;

// The mix needs three results; module variables return them without an allocation. The mapper's inner loop has its own
// unrolled form of hash3 (see straw2.ts); these serve everything else.
let ma = 0;
let mb = 0;
let mc = 0;

function mix(a: number, b: number, c: number): void {
  a = (a - b - c) ^ (c >>> 13);
  b = (b - c - a) ^ (a << 8);
  c = (c - a - b) ^ (b >>> 13);
  a = (a - b - c) ^ (c >>> 12);
  b = (b - c - a) ^ (a << 16);
  c = (c - a - b) ^ (b >>> 5);
  a = (a - b - c) ^ (c >>> 3);
  b = (b - c - a) ^ (a << 10);
  c = (c - a - b) ^ (b >>> 15);
  ma = a;
  mb = b;
  mc = c;
}

export function crushHash1(a: number): number {
  a |= 0;
  mix(a, X, SEED ^ a);
  mix(Y, a, mc);
  return mc >>> 0;
}

export function crushHash2(a: number, b: number): number {
  mix(a | 0, b | 0, SEED ^ a ^ b);
  const a1 = ma;
  const b1 = mb;
  mix(X, a1, mc);
  mix(b1, Y, mc);
  return mc >>> 0;
}

export function crushHash3(a: number, b: number, c: number): number {
  mix(a | 0, b | 0, SEED ^ a ^ b ^ c);
  const a1 = ma;
  const b1 = mb;
  mix(c | 0, X, mc);
  const c1 = ma;
  const x1 = mb;
  mix(Y, a1, mc);
  const y1 = ma;
  mix(b1, x1, mc);
  mix(y1, c1, mc);
  return mc >>> 0;
}

export function crushHash4(a: number, b: number, c: number, d: number): number {
  mix(a | 0, b | 0, SEED ^ a ^ b ^ c ^ d);
  const a1 = ma;
  const b1 = mb;
  mix(c | 0, d | 0, mc);
  const c1 = ma;
  const d1 = mb;
  mix(a1, X, mc);
  const x1 = mb;
  mix(Y, b1, mc);
  const y1 = ma;
  mix(c1, x1, mc);
  mix(y1, d1, mc);
  return mc >>> 0;
}

export function crushHash5(a: number, b: number, c: number, d: number, e: number): number {
  mix(a | 0, b | 0, SEED ^ a ^ b ^ c ^ d ^ e);
  const a1 = ma;
  const b1 = mb;
  mix(c | 0, d | 0, mc);
  const c1 = ma;
  const d1 = mb;
  mix(e | 0, X, mc);
  const e1 = ma;
  const x1 = mb;
  mix(Y, a1, mc);
  const y1 = ma;
  mix(b1, x1, mc);
  const x2 = mb;
  mix(y1, c1, mc);
  const y2 = ma;
  mix(d1, x2, mc);
  mix(y2, e1, mc);
  return mc >>> 0;
}

export function hashName(hash: number): string {
  return hash === HASH_RJENKINS1 ? 'rjenkins1' : 'unknown';
}
