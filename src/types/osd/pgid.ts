import { type Codec, s8, s32, struct } from '../../encoding/index.ts';
import { stableMod } from '../str-hash.ts';
import { Ghobject, Hobject, hobjectMax, NO_SHARD, reverseBits, tempPool } from './hobject.ts';
import { CEPH_NOSNAP } from './snapid.ts';

/** No OSD: the hole in an acting set (CRUSH_ITEM_NONE). */
export const NO_OSD = 0x7fffffff;

/** pg_t: a placement group of a pool. */
export interface PgId {
  readonly pool: number;
  /** Placement seed. */
  readonly seed: number;
}

/** u8 1, u64 pool, u32 seed, s32 -1 (what was the preferred OSD). */
export const pgId: Codec<PgId> = {
  name: 'pg_t',
  length_min: 17,
  encode(w, pg) {
    w.u8(1);
    w.u64num(pg.pool);
    w.u32(pg.seed);
    w.s32(-1);
  },
  decode(r) {
    r.u8();
    const pool = r.s64num();
    const seed = r.u32();
    r.s32();
    return { pool, seed };
  },
};

export function makePgId(pool: number, seed: number): PgId {
  return { pool, seed };
}

export function comparePgId(a: PgId, b: PgId): number {
  return a.pool - b.pool || a.seed - b.seed;
}

export function samePgId(a: PgId, b: PgId): boolean {
  return a.seed === b.seed && a.pool === b.pool;
}

/** `1.2a`; also the Map key of a PG. */
export function formatPgId(pg: PgId): string {
  return `${pg.pool}.${pg.seed.toString(16)}`;
}

/** Parses `1.2a`; undefined where it is something else. */
export function parsePgId(text: string): PgId | undefined {
  const m = /^(\d{1,16})\.([0-9a-f]{1,8})$/i.exec(text);
  return m === null ? undefined : { pool: Number(m[1]), seed: Number.parseInt(m[2]!, 16) };
}

/** spg_t: a placement group's shard; NO_SHARD (-1) for replicated pools. */
export interface SpgId {
  readonly pgid: PgId;
  readonly shard: number;
}

export const spgId: Codec<SpgId> = struct('spg_t', { version: 1, compat: 1 }, { pgid: pgId, shard: s8 });

export function makeSpgId(pool: number, seed: number, shard = NO_SHARD): SpgId {
  return { pgid: { pool, seed }, shard };
}

export function compareSpgId(a: SpgId, b: SpgId): number {
  return comparePgId(a.pgid, b.pgid) || a.shard - b.shard;
}

export function sameSpgId(a: SpgId, b: SpgId): boolean {
  return a.shard === b.shard && samePgId(a.pgid, b.pgid);
}

/** `1.2a`, or `1.2as0` for a shard; also the Map key. */
export function formatSpgId(pg: SpgId): string {
  return pg.shard === NO_SHARD ? formatPgId(pg.pgid) : `${formatPgId(pg.pgid)}s${pg.shard}`;
}

/** Parses `1.2a` and `1.2as0`; undefined where it is something else. */
export function parseSpgId(text: string): SpgId | undefined {
  const m = /^(\d{1,16}\.[0-9a-f]{1,8})(?:s(\d{1,3}))?$/i.exec(text);
  if (m === null) return undefined;
  const pgid = parsePgId(m[1]!);
  if (pgid === undefined) return undefined;
  return { pgid, shard: m[2] === undefined ? NO_SHARD : Number(m[2]) };
}

/** Name of a PG's collection: `1.2a_head`, `1.2as0_head`. */
export function pgCollection(pg: SpgId): string {
  return `${formatSpgId(pg)}_head`;
}

/** Name of the collection of a PG's temporary objects. */
export function pgTempCollection(pg: SpgId): string {
  return `${formatSpgId(pg)}_TEMP`;
}

/** The PG whose head collection `name` is, or undefined. */
export function parsePgCollection(name: string): SpgId | undefined {
  return name.endsWith('_head') ? parseSpgId(name.slice(0, -5)) : undefined;
}

/** The object that holds a PG's info and log. */
export function pgMetaObject(pg: SpgId): Ghobject {
  return Ghobject.pgMeta(pg.pgid.pool, pg.pgid.seed, pg.shard);
}

/** A temporary object of a PG. */
export function pgTempObject(pg: SpgId, name: string): Ghobject {
  const hobj = new Hobject(name, '', CEPH_NOSNAP, pg.pgid.seed, tempPool(pg.pgid.pool), '');
  return new Ghobject(hobj, undefined, pg.shard);
}

/** Number of bits that `x` takes. */
function bitLength(x: number): number {
  return 32 - Math.clz32(x);
}

/** The PG that held this one's objects when there were `oldPgNum`. */
export function pgAncestor(pg: PgId, oldPgNum: number): PgId {
  return { pool: pg.pool, seed: stableMod(pg.seed, oldPgNum, 2 ** bitLength(oldPgNum) - 1) };
}

/** The PG that this one was last split from. */
export function pgParent(pg: PgId): PgId {
  const bits = bitLength(pg.seed);
  return bits === 0 ? pg : { pool: pg.pool, seed: pg.seed & (2 ** (bits - 1) - 1) };
}

/** PGs split from this one when their number goes from `oldPgNum` to `newPgNum`, ascending; empty where none is. */
export function pgSplitChildren(pg: PgId, oldPgNum: number, newPgNum: number): PgId[] {
  const children: PgId[] = [];
  if (pg.seed >= oldPgNum || newPgNum <= oldPgNum) return children;
  const bits = bitLength(oldPgNum);
  const mask = 2 ** bits - 1;
  const step = 2 ** (bits - 1);
  for (let next = step; ; next += step) {
    const seed = (next | pg.seed) >>> 0;
    if (seed >= newPgNum || next >= 0x1_0000_0000) return children;
    if (seed < oldPgNum || seed === pg.seed) continue;
    if (stableMod(seed, oldPgNum, mask) === pg.seed) children.push({ pool: pg.pool, seed });
  }
}

/** The PG that this one is merged into when their number falls to `newPgNum`, or undefined where it stays. */
export function pgMergeTarget(pg: PgId, oldPgNum: number, newPgNum: number): PgId | undefined {
  if (pg.seed >= oldPgNum || pg.seed < newPgNum) return undefined;
  let target = pg;
  while (target.seed >= newPgNum) target = pgParent(target);
  return target;
}

/** Number b of low hash bits such that exactly the objects whose b low bits are the seed's are in the PG. */
export function pgSplitBits(pg: PgId, pgNum: number): number {
  if (pgNum <= 1) return 0;
  const p = bitLength(pgNum);
  const half = 2 ** (p - 1);
  return pg.seed % half < pgNum % half ? p : p - 1;
}

/** Smallest object that may be in the PG. */
export function pgHobjectStart(pg: PgId): Hobject {
  return new Hobject('', '', 0, pg.seed, pg.pool, '');
}

/** First object in order after all that may be in the PG. */
export function pgHobjectEnd(pg: PgId, pgNum: number): Hobject {
  // Reversed, the PG's bits are the high ones: the end is the next value of those.
  const bits = pgSplitBits(pg, pgNum);
  const start = reverseBits(pg.seed);
  const end = (bits === 0 ? 0 : start) + 2 ** (32 - bits);
  return end >= 0x1_0000_0000 ? hobjectMax : new Hobject('', '', 0, reverseBits(end), pg.pool, '');
}

/** pg_shard_t: an OSD and the shard it holds. */
export interface PgShard {
  /** -1 undefined, {@link NO_OSD} none. */
  readonly osd: number;
  readonly shard: number;
}

export const pgShard: Codec<PgShard> = struct('pg_shard_t', { version: 1, compat: 1 }, { osd: s32, shard: s8 });

export function makePgShard(osd: number, shard = NO_SHARD): PgShard {
  return { osd, shard };
}

export function comparePgShard(a: PgShard, b: PgShard): number {
  return a.osd - b.osd || a.shard - b.shard;
}

export function samePgShard(a: PgShard, b: PgShard): boolean {
  return a.osd === b.osd && a.shard === b.shard;
}

/** `3`, `3(1)`, `NONE`, `?`: as Ceph prints it; also the Map key. */
export function formatPgShard(s: PgShard): string {
  if (s.osd === -1) return '?';
  const osd = s.osd === NO_OSD ? 'NONE' : String(s.osd);
  return s.shard === NO_SHARD ? osd : `${osd}(${s.shard})`;
}
