import { type Codec, decodeText, encodeText, type Reader, type Writer } from '../../encoding/index.ts';
import { CEPH_NOSNAP, CEPH_SNAPDIR, formatSnapid, type Snapid, snapid, snapidFromBigint } from './snapid.ts';
import { compareText } from './text-order.ts';

/** Pool of the OSD's own objects. */
export const POOL_META = -1;
/** Pools of temporary objects go down from here: pool p has -2 - p. */
export const POOL_TEMP_START = -2;
/** Pool of the smallest hobject: INT64_MIN. */
export const POOL_MIN = -(2 ** 63);

export function isTempPool(pool: number): boolean {
  return pool <= POOL_TEMP_START && pool !== POOL_MIN;
}

/** The pool of temporary objects of `pool`, and back. */
export function tempPool(pool: number): number {
  return POOL_TEMP_START - pool;
}

/** The 32 bits in opposite order: objects are ordered by this of their hash, so that a PG's objects are neighbours through splits. */
export function reverseBits(x: number): number {
  let v = x;
  v = ((v >>> 1) & 0x55555555) | ((v & 0x55555555) << 1);
  v = ((v >>> 2) & 0x33333333) | ((v & 0x33333333) << 2);
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4);
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8);
  return ((v >>> 16) | (v << 16)) >>> 0;
}

/** The 8 nibbles in opposite order. */
export function reverseNibbles(x: number): number {
  let v = x;
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4);
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8);
  return ((v >>> 16) | (v << 16)) >>> 0;
}

/** Whether the lowest `bits` bits of two hashes agree. */
export function matchHash(hash: number, bits: number, match: number): boolean {
  if (bits >= 32) return hash === match;
  const mask = (1 << bits) - 1;
  return (hash & mask) === (match & mask);
}

/** hobject_t: an object in the cluster's namespace: pool, hash, namespace, locator key, name, snapshot. Immutable. */
export class Hobject {
  /** Name. */
  readonly oid: string;
  /** Locator key; empty where it is the name itself. */
  readonly key: string;
  readonly snap: Snapid;
  /** Placement hash, unsigned. */
  readonly hash: number;
  /** Pool id; see {@link POOL_META}, {@link isTempPool}, {@link POOL_MIN}. */
  readonly pool: number;
  /** Namespace. */
  readonly nspace: string;
  /** The one that comes after all others. */
  readonly max: boolean;
  /** Hash with its bits reversed, unsigned: first criterion of order within a pool. */
  readonly bitwiseKey: number;
  #mapKey: string | undefined = undefined;

  constructor(oid: string, key: string, snap: Snapid, hash: number, pool: number, nspace: string, max = false) {
    this.oid = oid;
    this.key = key === oid ? '' : key;
    this.snap = snap;
    this.hash = hash >>> 0;
    this.pool = pool;
    this.nspace = nspace;
    this.max = max;
    this.bitwiseKey = reverseBits(hash);
  }

  /** A string that equals another's exactly where the objects are equal; for Map keys. Made once. */
  get mapKey(): string {
    this.#mapKey ??= makeMapKey(this);
    return this.#mapKey;
  }

  /** What the object is placed by: key or, without one, the name. */
  get effectiveKey(): string {
    return this.key === '' ? this.oid : this.key;
  }

  get isHead(): boolean {
    return this.snap === CEPH_NOSNAP;
  }

  get isSnapdir(): boolean {
    return this.snap === CEPH_SNAPDIR;
  }

  /** A clone: neither head nor snapdir nor the maximum. */
  get isSnap(): boolean {
    return !this.max && this.snap < CEPH_NOSNAP;
  }

  get isMax(): boolean {
    return this.max;
  }

  get isMin(): boolean {
    return this.snap === 0 && this.hash === 0 && !this.max && this.pool === POOL_MIN;
  }

  get isTemp(): boolean {
    return isTempPool(this.pool);
  }

  get isMeta(): boolean {
    return this.pool === POOL_META;
  }

  /** The pool whose PG holds the object: of a temporary object, the one it works for. */
  get logicalPool(): number {
    return isTempPool(this.pool) ? tempPool(this.pool) : this.pool;
  }

  withSnap(snap: Snapid): Hobject {
    return snap === this.snap
      ? this
      : new Hobject(this.oid, this.key, snap, this.hash, this.pool, this.nspace, this.max);
  }

  get head(): Hobject {
    return this.withSnap(CEPH_NOSNAP);
  }

  /** The same object before all its snapshots: where a listing by object starts. */
  get objectBoundary(): Hobject {
    return this.max ? this : this.withSnap(0);
  }

  /** The smallest object with this hash in this pool. */
  get hashBoundary(): Hobject {
    return this.max ? this : new Hobject('', '', 0, this.hash, this.pool, '');
  }

  /** A temporary object in the same PG. */
  makeTemp(name: string): Hobject {
    return new Hobject(name, '', CEPH_NOSNAP, this.hash, tempPool(this.pool), '');
  }

  toString(): string {
    return formatHobject(this);
  }
}

function makeMapKey(h: Hobject): string {
  if (h.max) return 'max';
  return h.key === '' && h.nspace === ''
    ? `${h.pool}.${h.snap}.${h.hash}..${h.oid}`
    : `${h.pool}.${h.snap}.${h.hash}.${h.key.length}.${h.nspace.length}.${h.key}${h.nspace}${h.oid}`;
}

export const hobjectMin = new Hobject('', '', 0, 0, POOL_MIN, '');
export const hobjectMax = new Hobject('', '', 0, 0, POOL_MIN, '', true);

/** Order of objects: pool, reversed hash, namespace, effective key, name, snapshot; the maximum last. */
export function compareHobject(a: Hobject, b: Hobject): number {
  if (a === b) return 0;
  if (a.max !== b.max) return a.max ? 1 : -1;
  if (a.pool !== b.pool) return a.pool < b.pool ? -1 : 1;
  if (a.bitwiseKey !== b.bitwiseKey) return a.bitwiseKey < b.bitwiseKey ? -1 : 1;
  let d = compareText(a.nspace, b.nspace);
  if (d !== 0) return d < 0 ? -1 : 1;
  if (a.key !== '' || b.key !== '') {
    d = compareText(a.effectiveKey, b.effectiveKey);
    if (d !== 0) return d < 0 ? -1 : 1;
  }
  d = compareText(a.oid, b.oid);
  if (d !== 0) return d < 0 ? -1 : 1;
  return a.snap < b.snap ? -1 : a.snap > b.snap ? 1 : 0;
}

export function sameHobject(a: Hobject, b: Hobject): boolean {
  return (
    a === b ||
    (a.hash === b.hash &&
      a.oid === b.oid &&
      a.snap === b.snap &&
      a.pool === b.pool &&
      a.key === b.key &&
      a.nspace === b.nspace &&
      a.max === b.max)
  );
}

/** Key of a Map or Set by object; equals `h.mapKey`. */
export function hobjectKey(h: Hobject): string {
  return h.mapKey;
}

function encodeFields(w: Writer, h: Hobject): void {
  w.string(h.key);
  w.string(h.oid);
  snapid.encode(w, h.snap);
  w.u32(h.hash);
  w.bool(h.max);
  w.string(h.nspace);
  w.s64num(h.pool);
}

/** Fields that hobject_t and ghobject_t begin with. Versions before 3 had no length and are refused by the header's compat. */
function decodeFields(r: Reader, version: number): Hobject {
  const key = r.string();
  const oid = r.string();
  const snap = snapid.decode(r);
  const hash = r.u32();
  const max = r.bool();
  let nspace = '';
  let pool = POOL_META;
  if (version >= 4) {
    nspace = r.string();
    pool = r.s64num();
    // Hammer wrote the smallest object with pool -1.
    if (pool === POOL_META && snap === 0 && hash === 0 && !max && oid === '') return hobjectMin;
  }
  return max ? hobjectMax : new Hobject(oid, key, snap, hash, pool, nspace);
}

export const hobject: Codec<Hobject> = {
  name: 'hobject_t',
  length_min: 6,
  encode(w, h) {
    const token = w.structStart(4, 3);
    encodeFields(w, h);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(4);
    const h = decodeFields(r, frame.version);
    r.structEnd(frame);
    return h;
  },
};

/** `pool:reversedhash:namespace:key:name:snap`, as Ceph prints it; `MIN` and `MAX`. */
export function formatHobject(h: Hobject): string {
  if (h.max) return 'MAX';
  if (h.isMin && h.oid === '' && h.nspace === '' && h.key === '') return 'MIN';
  const bits = h.bitwiseKey.toString(16).padStart(8, '0');
  return `${h.pool}:${bits}:${escapeName(h.nspace)}:${escapeName(h.key)}:${escapeName(h.oid)}:${formatSnapid(h.snap)}`;
}

/** Parses what {@link formatHobject} prints; undefined where it is something else. */
export function parseHobject(text: string): Hobject | undefined {
  if (text === 'MIN') return hobjectMin;
  if (text === 'MAX') return hobjectMax;
  const m = /^(-?\d{1,19}):([0-9a-f]{1,8}):([^:]*):([^:]*):([^:]*):(head|[0-9a-f]{1,16})$/.exec(text);
  if (m === null) return undefined;
  const snap = m[6] === 'head' ? CEPH_NOSNAP : snapidFromBigint(BigInt(`0x${m[6]}`));
  const hash = reverseBits(Number.parseInt(m[2]!, 16));
  return new Hobject(unescapeName(m[5]!), unescapeName(m[4]!), snap, hash, Number(m[1]), unescapeName(m[3]!));
}

function escapeName(s: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
  if (!/[%:/\u0000-\u001f\u007f-\uffff]/.test(s)) return s;
  let out = '';
  for (const b of encodeText(s)) {
    const plainByte = b >= 32 && b < 127 && b !== 0x25 && b !== 0x3a && b !== 0x2f;
    out += plainByte ? String.fromCharCode(b) : `%${b.toString(16).padStart(2, '0')}`;
  }
  return out;
}

function unescapeName(s: string): string {
  if (!s.includes('%')) return s;
  const bytes: number[] = [];
  for (let i = 0; i < s.length; i++) {
    const hex = s[i] === '%' ? /^[0-9a-fA-F]{2}/.exec(s.slice(i + 1)) : null;
    if (hex !== null) {
      bytes.push(Number.parseInt(hex[0], 16));
      i += 2;
    } else bytes.push(...encodeText(s[i]!));
  }
  return decodeText(Uint8Array.from(bytes));
}

/** shard_id_t::NO_SHARD: the object of a replicated pool. */
export const NO_SHARD = -1;
/** ghobject_t::NO_GEN (all ones on the wire): not a rollback copy. */
export const NO_GEN = 2 ** 64;

/** ghobject_t: what an object store holds: an hobject, its shard (erasure pools) and generation (rollback copies). Immutable. */
export class Ghobject {
  readonly hobj: Hobject;
  readonly generation: number;
  /** Signed, as Ceph's shard_id_t. */
  readonly shard: number;
  readonly max: boolean;
  #mapKey: string | undefined = undefined;
  /** Where an object store keeps the key it has made of the name, so that it makes it once. */
  storeKey: string | undefined = undefined;

  constructor(hobj: Hobject, generation = NO_GEN, shard = NO_SHARD, max = false) {
    this.hobj = hobj;
    this.generation = generation;
    this.shard = shard;
    this.max = max;
  }

  /** The object that holds a PG's info and log (ghobject_t::make_pgmeta). */
  static pgMeta(pool: number, seed: number, shard: number): Ghobject {
    return new Ghobject(new Hobject('', '', CEPH_NOSNAP, seed, pool, ''), NO_GEN, shard);
  }

  get isPgMeta(): boolean {
    return this.hobj.pool >= 0 && this.hobj.oid === '';
  }

  get isMax(): boolean {
    return this.max;
  }

  get isMin(): boolean {
    return this.shard === NO_SHARD && this.generation === NO_GEN && this.hobj.isMin && this.hobj.oid === '';
  }

  /** A string that equals another's exactly where the objects are equal; for Map keys. Made once. */
  get mapKey(): string {
    this.#mapKey ??=
      this.generation === NO_GEN && this.shard === NO_SHARD && !this.max
        ? this.hobj.mapKey
        : `${this.max ? 'M' : 'g'}${this.shard}/${this.generation}/${this.hobj.mapKey}`;
    return this.#mapKey;
  }

  toString(): string {
    return formatGhobject(this);
  }
}

export const ghobjectMin = new Ghobject(hobjectMin);
export const ghobjectMax = new Ghobject(hobjectMax, NO_GEN, NO_SHARD, true);

/** Order in an object store: shard, hobject, generation; the maximum last. */
export function compareGhobject(a: Ghobject, b: Ghobject): number {
  if (a.max !== b.max) return a.max ? 1 : -1;
  if (a.shard !== b.shard) return a.shard < b.shard ? -1 : 1;
  return compareHobject(a.hobj, b.hobj) || (a.generation < b.generation ? -1 : a.generation > b.generation ? 1 : 0);
}

export function sameGhobject(a: Ghobject, b: Ghobject): boolean {
  return (
    a === b || (a.shard === b.shard && a.generation === b.generation && a.max === b.max && sameHobject(a.hobj, b.hobj))
  );
}

/** Key of a Map or Set by object; equals `g.mapKey`. */
export function ghobjectKey(g: Ghobject): string {
  return g.mapKey;
}

export const ghobject: Codec<Ghobject> = {
  name: 'ghobject_t',
  length_min: 6,
  encode(w, g) {
    const token = w.structStart(6, 3);
    encodeFields(w, g.hobj);
    w.u64num(g.generation);
    w.s8(g.shard);
    w.bool(g.max);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(6);
    const hobj = decodeFields(r, frame.version);
    const generation = frame.version >= 5 ? r.u64num() : NO_GEN;
    const shard = frame.version >= 5 ? r.s8() : NO_SHARD;
    const max = frame.version >= 6 ? r.bool() : false;
    r.structEnd(frame);
    return max ? ghobjectMax : new Ghobject(hobj, generation, shard);
  },
};

/** `shard#hobject#generation`, as Ceph prints it; `GHMIN` and `GHMAX`. */
export function formatGhobject(g: Ghobject): string {
  if (g.max) return 'GHMAX';
  if (g.isMin) return 'GHMIN';
  const shard = g.shard === NO_SHARD ? '' : g.shard.toString(16);
  const generation = g.generation === NO_GEN ? '' : g.generation.toString(16);
  return `${shard}#${formatHobject(g.hobj)}#${generation}`;
}

/** Parses what {@link formatGhobject} prints; undefined where it is something else. */
export function parseGhobject(text: string): Ghobject | undefined {
  if (text === 'GHMIN') return ghobjectMin;
  if (text === 'GHMAX') return ghobjectMax;
  const m = /^([0-9a-f]*)#(.*)#([0-9a-f]*)$/s.exec(text);
  if (m === null) return undefined;
  const hobj = parseHobject(m[2]!);
  if (hobj === undefined) return undefined;
  const shard = m[1] === '' ? NO_SHARD : (Number.parseInt(m[1]!, 16) << 24) >> 24;
  return new Ghobject(hobj, m[3] === '' ? NO_GEN : Number(BigInt(`0x${m[3]}`)), shard);
}
