import { decodeText, encodeText } from '../encoding/index.ts';
import {
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  Ghobject,
  Hobject,
  hobjectMin,
  NO_GEN,
  reverseBits,
  snapidFromHalves,
  tempPool,
} from '../types/index.ts';
import type { CollectionId } from './api.ts';
import { bytesToByteString, writeByteString } from './byte-string.ts';
import { collectionType, parseCollectionId } from './collection-id.ts';

/**
 * An object's name as bytes whose order is the objects' order, so that a key-value database lists them rightly:
 *
 *     u8  shard + 128
 *     u64 pool + 2^63, big-endian
 *     u32 hash with its bits reversed, big-endian
 *     namespace, effective key      each with 00 as 01 01 and 01 as 01 02, ended by 00
 *     '<' '=' '>'                   how the name compares with the effective key
 *     name, ended by 00             only where it differs from the effective key
 *     u64 snap, u64 generation      big-endian
 *
 * Kept as a string of the bytes' characters (latin1): it is compared, sorted and cut without a conversion.
 */
export type SortKey = string;

const TWO_31 = 0x8000_0000;
const TWO_32 = 0x1_0000_0000;
const HEAD = '\xff\xff\xff\xff\xff\xff\xff\xfe';
const ALL_ONES = '\xff\xff\xff\xff\xff\xff\xff\xff';

function u32be(x: number): string {
  return String.fromCharCode(x >>> 24, (x >>> 16) & 0xff, (x >>> 8) & 0xff, x & 0xff);
}

function u64be(x: number): string {
  if (x >= 2 ** 64) return ALL_ONES;
  return u32be(Math.floor(x / TWO_32)) + u32be(x % TWO_32);
}

function snapKey(snap: number): string {
  if (snap === CEPH_NOSNAP) return HEAD;
  if (snap === CEPH_SNAPDIR) return ALL_ONES;
  return u64be(snap);
}

/** Text as the characters of its bytes, with what would end it early escaped. */
function escapeText(s: string): string {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c <= 1 || c >= 0x80) return escapeBytes(encodeText(s));
  }
  return s;
}

function escapeBytes(bytes: Uint8Array): string {
  let out = '';
  for (const b of bytes) out += b === 0 ? '\x01\x01' : b === 1 ? '\x01\x02' : String.fromCharCode(b);
  return out;
}

let lastShard = 0;
let lastPool = 0;
let lastPrefix = '';

/** Shard and pool: the same for nearly all objects in a row. */
function prefix(shard: number, pool: number): string {
  if (shard === lastShard && pool === lastPool && lastPrefix !== '') return lastPrefix;
  const high = Math.floor(pool / TWO_32);
  lastPrefix = String.fromCharCode(shard + 128) + u32be(high + TWO_31) + u32be(pool - high * TWO_32);
  lastShard = shard;
  lastPool = pool;
  return lastPrefix;
}

/** The key after all others that a store can hold. */
export const SORT_KEY_MAX: SortKey = '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff';

/** See {@link SortKey}. The maximum sorts after every key. Made once for each name, which keeps it. */
export function sortKey(g: Ghobject): SortKey {
  g.storeKey ??= makeSortKey(g);
  return g.storeKey;
}

function makeSortKey(g: Ghobject): SortKey {
  if (g.max || g.hobj.max) return SORT_KEY_MAX;
  const h = g.hobj;
  const effective = escapeText(h.effectiveKey);
  let name = '=';
  if (h.key !== '') {
    const oid = escapeText(h.oid);
    name = oid === effective ? '=' : `${oid < effective ? '<' : '>'}${oid}\0`;
  }
  const generation = g.generation === NO_GEN ? ALL_ONES : u64be(g.generation);
  return flat(
    `${prefix(g.shard, h.pool)}${u32be(h.bitwiseKey)}${escapeText(h.nspace)}\0${effective}\0${name}${snapKey(h.snap)}${generation}`,
  );
}

let scratch = new Uint8Array(1024);

/** The same string in one piece. What was put together is otherwise kept as a tree of its parts, at several times the memory, until somebody reads it. */
function flat(s: string): string {
  if (s.length > scratch.length) scratch = new Uint8Array(s.length * 2);
  return bytesToByteString(scratch, 0, writeByteString(scratch, s, 0));
}

function unescapeText(key: SortKey): string {
  let plain = true;
  for (let i = 0; i < key.length && plain; i++) plain = key.charCodeAt(i) < 0x80 && key.charCodeAt(i) > 1;
  if (plain) return key;
  const bytes = new Uint8Array(key.length);
  let n = 0;
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    bytes[n++] = c === 1 ? key.charCodeAt(++i) - 1 : c;
  }
  return decodeText(bytes, 0, n);
}

function readU32(key: SortKey, at: number): number {
  return (
    ((key.charCodeAt(at) << 24) |
      (key.charCodeAt(at + 1) << 16) |
      (key.charCodeAt(at + 2) << 8) |
      key.charCodeAt(at + 3)) >>>
    0
  );
}

/** The object that a key names. Throws RangeError where the key is no such. */
export function fromSortKey(key: SortKey): Ghobject {
  const shard = key.charCodeAt(0) - 128;
  const pool = (readU32(key, 1) - TWO_31) * TWO_32 + readU32(key, 5);
  const hash = reverseBits(readU32(key, 9));
  const nspaceEnd = key.indexOf('\0', 13);
  const effectiveEnd = key.indexOf('\0', nspaceEnd + 1);
  if (nspaceEnd < 0 || effectiveEnd < 0) throw new RangeError('an object key without its ends');
  const effective = unescapeText(key.slice(nspaceEnd + 1, effectiveEnd));
  let at = effectiveEnd + 2;
  let oid = effective;
  let locator = '';
  if (key[effectiveEnd + 1] !== '=') {
    const end = key.indexOf('\0', at);
    if (end < 0) throw new RangeError('an object key without its ends');
    oid = unescapeText(key.slice(at, end));
    locator = effective;
    at = end + 1;
  }
  if (key.length !== at + 16) throw new RangeError('an object key of a wrong length');
  const snap = snapidFromHalves(readU32(key, at + 4), readU32(key, at));
  const generationHigh = readU32(key, at + 8);
  const generation =
    generationHigh === 0xffffffff && readU32(key, at + 12) === 0xffffffff
      ? NO_GEN
      : generationHigh * TWO_32 + readU32(key, at + 12);
  const hobj = new Hobject(oid, locator, snap, hash, pool, unescapeText(key.slice(13, nspaceEnd)));
  return new Ghobject(hobj, generation, shard);
}

/** Keys from `start` up to but without `end`. */
export interface KeyRange {
  readonly start: SortKey;
  readonly end: SortKey;
}

/**
 * Where a collection's objects lie: a PG's temporary objects (pool -2 - p) and its own, each one range; those of `meta` in one. A
 * collection owns exactly these, which makes splitting one a change of two numbers.
 */
export function collectionRanges(id: CollectionId, bits: number): KeyRange[] {
  const c = parseCollectionId(id);
  if (c === undefined || c.type === collectionType.pgTemp) return [];
  if (c.type === collectionType.meta) {
    return [{ start: prefix(-1, hobjectMeta), end: prefix(-1, hobjectMeta + 1) }];
  }
  // Reversed, the bits that tell PGs apart are the high ones.
  const start = bits === 0 ? 0 : (reverseBits(c.seed) & (-1 << (32 - bits))) >>> 0;
  const end = start + 2 ** (32 - bits);
  const range = (pool: number): KeyRange => {
    const p = prefix(c.shard, pool);
    return { start: p + u32be(start), end: end >= TWO_32 ? prefix(c.shard, pool + 1) : p + u32be(end) };
  };
  return [range(tempPool(c.pool)), range(c.pool)];
}

const hobjectMeta = -1;

/** Whether an object belongs into a collection with so many bits. */
export function collectionHolds(id: CollectionId, bits: number, g: Ghobject): boolean {
  const c = parseCollectionId(id);
  if (c === undefined || g.max || g.hobj.max || g.hobj === hobjectMin) return false;
  const pool = g.hobj.pool;
  if (c.type === collectionType.meta) return pool === hobjectMeta && g.shard === -1;
  if (c.type !== collectionType.pg) return false;
  if (g.shard !== c.shard || (pool !== c.pool && pool !== tempPool(c.pool))) return false;
  if (bits >= 32) return g.hobj.hash === c.seed;
  const mask = (1 << bits) - 1;
  return (g.hobj.hash & mask) === (c.seed & mask);
}
