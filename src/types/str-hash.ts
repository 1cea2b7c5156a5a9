import { encodeText } from '../encoding/index.ts';

/** CEPH_STR_HASH_*: how a pool turns names into placement seeds. */
export const strHash = { LINUX: 1, RJENKINS: 2 } as const;

export function strHashName(type: number): string {
  if (type === strHash.LINUX) return 'linux';
  return type === strHash.RJENKINS ? 'rjenkins' : 'unknown';
}

/** Robert Jenkins' hash of 1997 (evahash), over bytes. */
/** `length`: of what counts in `k`. */
export function strHashRjenkins(k: Uint8Array, length = k.length): number {
  let a = 0x9e3779b9 | 0;
  let b = a;
  let c = 0;
  let i = 0;
  for (;;) {
    const left = length - i;
    const whole = left >= 12;
    if (whole) {
      a = (a + (k[i]! | (k[i + 1]! << 8) | (k[i + 2]! << 16) | (k[i + 3]! << 24))) | 0;
      b = (b + (k[i + 4]! | (k[i + 5]! << 8) | (k[i + 6]! << 16) | (k[i + 7]! << 24))) | 0;
      c = (c + (k[i + 8]! | (k[i + 9]! << 8) | (k[i + 10]! << 16) | (k[i + 11]! << 24))) | 0;
    } else {
      // The low byte of c holds the length, so the tail's bytes go into its upper three.
      c = (c + length) | 0;
      for (let t = left - 1; t >= 8; t--) c = (c + (k[i + t]! << (8 * (t - 7)))) | 0;
      for (let t = Math.min(left, 8) - 1; t >= 4; t--) b = (b + (k[i + t]! << (8 * (t - 4)))) | 0;
      for (let t = Math.min(left, 4) - 1; t >= 0; t--) a = (a + (k[i + t]! << (8 * t))) | 0;
    }
    a = (a - b - c) ^ (c >>> 13);
    b = (b - c - a) ^ (a << 8);
    c = (c - a - b) ^ (b >>> 13);
    a = (a - b - c) ^ (c >>> 12);
    b = (b - c - a) ^ (a << 16);
    c = (c - a - b) ^ (b >>> 5);
    a = (a - b - c) ^ (c >>> 3);
    b = (b - c - a) ^ (a << 10);
    c = (c - a - b) ^ (b >>> 15);
    if (!whole) return c >>> 0;
    i += 12;
  }
}

/** The hash of Linux' directory cache. */
export function strHashLinux(k: Uint8Array): number {
  let hash = 0;
  for (const c of k) hash = Math.imul((hash + (c << 4) + (c >> 4)) | 0, 11);
  return hash >>> 0;
}

/** ceph_str_hash; an unknown type gives all ones, as there. */
export function hashString(type: number, bytes: Uint8Array): number {
  if (type === strHash.RJENKINS) return strHashRjenkins(bytes);
  return type === strHash.LINUX ? strHashLinux(bytes) : 0xffffffff;
}

const SEPARATOR = 0x1f;

/** Where a short name's bytes are laid to be hashed: every request asks for a hash. */
const name = new Uint8Array(256);

/** Puts the characters at `at` of {@link name} and gives where they end; 0 where they are not ASCII. */
function putAscii(text: string, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x80) return 0;
    name[at + i] = c;
  }
  return at + text.length;
}

/** Hash of an object's name (or locator key) in a namespace: `ns` 0x1f `key`, or the key alone in the default one. */
export function hashObjectKey(type: number, key: string, namespace: string): number {
  if (type === strHash.RJENKINS && namespace.length + key.length < name.length) {
    let length = 0;
    if (namespace !== '') {
      length = putAscii(namespace, 0);
      if (length > 0) name[length++] = SEPARATOR;
    }
    if (length > 0 || namespace === '') {
      const end = putAscii(key, length);
      if (end > 0) return strHashRjenkins(name, end);
    }
  }
  const k = encodeText(key);
  if (namespace === '') return hashString(type, k);
  const ns = encodeText(namespace);
  const whole = new Uint8Array(ns.length + 1 + k.length);
  whole.set(ns);
  whole[ns.length] = SEPARATOR;
  whole.set(k, ns.length + 1);
  return hashString(type, whole);
}

/** ceph_stable_mod: x modulo b, such that a growing b splits bins instead of mixing them. `mask` is the power of two >= b, minus 1. */
export function stableMod(x: number, b: number, mask: number): number {
  const low = (x & mask) >>> 0;
  return low < b ? low : (x & (mask >>> 1)) >>> 0;
}

/** The mask for {@link stableMod}: bits of n - 1. */
export function stableModMask(n: number): number {
  return n <= 1 ? 0 : 2 ** (32 - Math.clz32(n - 1)) - 1;
}
