/** xxHash, 32 and 64 bits, for the checksum operation (public algorithm of Yann Collet). */
const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

function rotl(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}

function round32(acc: number, lane: number): number {
  return Math.imul(rotl((acc + Math.imul(lane, P2)) | 0, 13), P1);
}

export function xxhash32(seed: number, data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const n = data.length;
  let i = 0;
  let h: number;
  if (n >= 16) {
    let a = (seed + P1 + P2) | 0;
    let b = (seed + P2) | 0;
    let c = seed | 0;
    let d = (seed - P1) | 0;
    for (; i + 16 <= n; i += 16) {
      a = round32(a, view.getUint32(i, true));
      b = round32(b, view.getUint32(i + 4, true));
      c = round32(c, view.getUint32(i + 8, true));
      d = round32(d, view.getUint32(i + 12, true));
    }
    h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0;
  } else h = (seed + P5) | 0;
  h = (h + n) | 0;
  for (; i + 4 <= n; i += 4) h = Math.imul(rotl((h + Math.imul(view.getUint32(i, true), P3)) | 0, 17), P4);
  for (; i < n; i++) h = Math.imul(rotl((h + Math.imul(data[i]!, P5)) | 0, 11), P1);
  h = Math.imul(h ^ (h >>> 15), P2);
  h = Math.imul(h ^ (h >>> 13), P3);
  return (h ^ (h >>> 16)) >>> 0;
}

const MASK = 0xffffffffffffffffn;
const Q1 = 0x9e3779b185ebca87n;
const Q2 = 0xc2b2ae3d27d4eb4fn;
const Q3 = 0x165667b19e3779f9n;
const Q4 = 0x85ebca77c2b2ae63n;
const Q5 = 0x27d4eb2f165667c5n;

function rotl64(x: bigint, n: bigint): bigint {
  return ((x << n) | (x >> (64n - n))) & MASK;
}

function round64(acc: bigint, lane: bigint): bigint {
  return (rotl64((acc + lane * Q2) & MASK, 31n) * Q1) & MASK;
}

function merge64(h: bigint, v: bigint): bigint {
  return ((h ^ round64(0n, v)) * Q1 + Q4) & MASK;
}

export function xxhash64(seed: bigint, data: Uint8Array): bigint {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const n = data.length;
  let i = 0;
  let h: bigint;
  if (n >= 32) {
    let a = (seed + Q1 + Q2) & MASK;
    let b = (seed + Q2) & MASK;
    let c = seed;
    let d = (seed - Q1) & MASK;
    for (; i + 32 <= n; i += 32) {
      a = round64(a, view.getBigUint64(i, true));
      b = round64(b, view.getBigUint64(i + 8, true));
      c = round64(c, view.getBigUint64(i + 16, true));
      d = round64(d, view.getBigUint64(i + 24, true));
    }
    h = (rotl64(a, 1n) + rotl64(b, 7n) + rotl64(c, 12n) + rotl64(d, 18n)) & MASK;
    h = merge64(merge64(merge64(merge64(h, a), b), c), d);
  } else h = (seed + Q5) & MASK;
  h = (h + BigInt(n)) & MASK;
  for (; i + 8 <= n; i += 8) {
    h = (rotl64(h ^ round64(0n, view.getBigUint64(i, true)), 27n) * Q1 + Q4) & MASK;
  }
  if (i + 4 <= n) {
    h = (rotl64(h ^ ((BigInt(view.getUint32(i, true)) * Q1) & MASK), 23n) * Q2 + Q3) & MASK;
    i += 4;
  }
  for (; i < n; i++) h = (rotl64(h ^ ((BigInt(data[i]!) * Q5) & MASK), 11n) * Q1) & MASK;
  h ^= h >> 33n;
  h = (h * Q2) & MASK;
  h ^= h >> 29n;
  h = (h * Q3) & MASK;
  return h ^ (h >> 32n);
}
