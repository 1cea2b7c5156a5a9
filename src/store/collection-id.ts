import { DecodeError, type Reader, type Writer } from '../encoding/index.ts';
import type { CollectionId } from './api.ts';

/** Kinds of collection, with the numbers that coll_t's encoding gives them. */
export const collectionType = { meta: 0, pg: 2, pgTemp: 3 } as const;

/** What a collection's name says. */
export interface ParsedCollectionId {
  readonly type: (typeof collectionType)[keyof typeof collectionType];
  /** Pool of the PG; 0 for `meta`. */
  readonly pool: number;
  /** Placement seed of the PG; 0 for `meta`. */
  readonly seed: number;
  /** Shard of an erasure-coded PG, else -1. */
  readonly shard: number;
}

const META: ParsedCollectionId = { type: collectionType.meta, pool: 0, seed: 0, shard: -1 };
const PATTERN = /^(\d{1,16})\.([0-9a-f]{1,8})(?:s(\d{1,3}))?_(head|TEMP)$/;

/** Parsed names, since the same few hundred are asked for all the time. Cleared when it grows past what an OSD has. */
const parsed = new Map<CollectionId, ParsedCollectionId>();
const PARSED_MAX = 20_000;

/** Parts of a collection's name, or undefined where it is not one. */
export function parseCollectionId(id: CollectionId): ParsedCollectionId | undefined {
  if (id === 'meta') return META;
  const known = parsed.get(id);
  if (known !== undefined) return known;
  const m = PATTERN.exec(id);
  if (m === null) return undefined;
  const shard = m[3] === undefined ? -1 : Number(m[3]);
  if (shard > 127) return undefined;
  const result: ParsedCollectionId = {
    type: m[4] === 'head' ? collectionType.pg : collectionType.pgTemp,
    pool: Number(m[1]),
    seed: Number.parseInt(m[2]!, 16),
    shard,
  };
  if (parsed.size >= PARSED_MAX) parsed.clear();
  parsed.set(id, result);
  return result;
}

/** Name of a collection. */
export function formatCollectionId(c: ParsedCollectionId): CollectionId {
  if (c.type === collectionType.meta) return 'meta';
  const shard = c.shard < 0 ? '' : `s${c.shard}`;
  return `${c.pool}.${c.seed.toString(16)}${shard}_${c.type === collectionType.pg ? 'head' : 'TEMP'}`;
}

/** Order of coll_t: kind, then pool, seed, shard. */
export function compareCollectionIds(a: CollectionId, b: CollectionId): number {
  const x = parseCollectionId(a);
  const y = parseCollectionId(b);
  if (x === undefined || y === undefined) return a < b ? -1 : a > b ? 1 : 0;
  return x.type - y.type || x.pool - y.pool || x.seed - y.seed || x.shard - y.shard;
}

const NOSNAP_LOW = 0xfffffffe;
const TWO_32 = 0x1_0000_0000;

/** coll_t: version 2 (kind, spg_t, snap) or, for temporary collections, version 3 (the name). */
export function encodeCollectionId(w: Writer, id: CollectionId): void {
  const c = parseCollectionId(id);
  if (c === undefined) throw new RangeError(`not a collection's name: ${id}`);
  if (c.type === collectionType.pgTemp) {
    w.u8(3);
    w.string(id);
    return;
  }
  w.u8(2);
  w.u8(c.type);
  w.u8(1); // spg_t, version 1, compat 1
  w.u8(1);
  w.u32(18);
  w.u8(1); // pg_t, version 1
  w.u64num(c.pool);
  w.u32(c.seed);
  w.s32(-1);
  w.s8(c.shard);
  w.u32(NOSNAP_LOW);
  w.u32(TWO_32 - 1);
}

export function decodeCollectionId(r: Reader): CollectionId {
  const version = r.u8();
  if (version === 3) {
    const at = r.offset;
    const id = r.string();
    if (parseCollectionId(id) === undefined)
      throw new DecodeError(`not a collection's name: ${JSON.stringify(id)}`, at);
    return id;
  }
  if (version !== 2) r.fail(`collection id of version ${version}, this program reads 2 and 3`);
  const type = r.u8();
  const frame = r.structStart(1);
  if (r.u8() !== 1) r.fail('pg_t of an unknown version');
  const pool = r.u64num();
  const seed = r.u32();
  r.skip(4);
  const shard = r.s8();
  r.structEnd(frame);
  r.skip(8);
  if (type === collectionType.meta) return 'meta';
  if (type !== collectionType.pg && type !== collectionType.pgTemp) r.fail(`collection of kind ${type}`);
  return formatCollectionId({ type: type as 2 | 3, pool, seed, shard });
}
