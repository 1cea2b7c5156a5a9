import { byNumber, type Codec, type Reader, type Writer } from '../encoding/index.ts';
import type { PgId } from './osd/pgid.ts';

/**
 * A pg_t as one number, pool * 2^32 + seed: cheap as a Map key, and in the order of std::less<pg_t>. Exact for pools below 2^21
 * (a cluster that makes a pool a minute needs four years to get there); a map with larger ones does not decode.
 */
export type PgKey = number;

const TWO_32 = 0x1_0000_0000;
export const PG_KEY_POOL_MAX = 2 ** 21 - 1;

export function pgKey(pool: number, seed: number): PgKey {
  return pool * TWO_32 + seed;
}

export function pgKeyOf(pg: PgId): PgKey {
  return pg.pool * TWO_32 + pg.seed;
}

export function pgKeyPool(key: PgKey): number {
  return Math.floor(key / TWO_32);
}

export function pgKeySeed(key: PgKey): number {
  return key % TWO_32;
}

export function pgFromKey(key: PgKey): PgId {
  return { pool: pgKeyPool(key), seed: pgKeySeed(key) };
}

/** `2.1f`: the pool in decimal, the seed in hexadecimal. */
export function formatPgKey(key: PgKey): string {
  return `${pgKeyPool(key)}.${pgKeySeed(key).toString(16)}`;
}

/** pg_t: u8 1, u64 pool, u32 seed, s32 -1 (once the preferred OSD). */
export const pgKeyCodec: Codec<PgKey> = {
  name: 'pg_t',
  length_min: 17,
  encode(w: Writer, key) {
    w.u8(1);
    w.u64num(pgKeyPool(key));
    w.u32(pgKeySeed(key));
    w.s32(-1);
  },
  decode(r: Reader) {
    r.skip(1);
    const pool = r.u64num();
    if (pool > PG_KEY_POOL_MAX) r.fail(`pool ${pool} is beyond ${PG_KEY_POOL_MAX}`);
    const seed = r.u32();
    r.skip(4);
    return pgKey(pool, seed);
  },
};

/** std::map<pg_t, V>, in order. */
export function pgMap<V>(value: Codec<V>): Codec<Map<PgKey, V>> {
  return {
    name: `map<pg_t, ${value.name}>`,
    length_min: 4,
    encode(w, entries) {
      w.u32(entries.size);
      for (const key of [...entries.keys()].sort(byNumber)) {
        pgKeyCodec.encode(w, key);
        value.encode(w, entries.get(key)!);
      }
    },
    decode(r) {
      const n = r.count(pgKeyCodec.length_min + value.length_min);
      const entries = new Map<PgKey, V>();
      for (let i = 0; i < n; i++) {
        const key = pgKeyCodec.decode(r);
        entries.set(key, value.decode(r));
      }
      return entries;
    },
  };
}
