import { deviceBit } from '../../crush/index.ts';
import { pgKey, pgKeyPool, pgKeySeed } from '../pg-key.ts';
import type { PgPool } from '../pool/index.ts';
import type { OSDMap } from './osdmap.ts';
import {
  applyPrimaryAffinity,
  applyUpmap,
  CRUSH_ITEM_NONE,
  existingOsds,
  type PgMapping,
  type PoolPlacement,
  pgMappingNone,
  pickPrimary,
  placementSeed,
  rawToUp,
  tempOsds,
} from './placement.ts';

/** PGs of one pool at most: a map from outside may claim four billion, which would take the memory of a big machine. */
export const PG_TABLE_PGS_MAX = 2 ** 22;

/** All PGs of one pool. Sets lie one after another, `size` places each; unused places at the end of a set hold UNUSED. */
class PoolTable {
  readonly placement: PoolPlacement;
  readonly pgNum: number;
  readonly size: number;
  /** What CRUSH says, before anything of the map's states. */
  readonly raw: Int32Array;
  /** Which OSDs CRUSH looked at beside these, see `Mapper.unseen`. */
  readonly unseen: Int32Array;
  readonly up: Int32Array;
  readonly upPrimary: Int32Array;
  /** Acting sets that are not the up set with its primary. */
  readonly exceptions = new Map<number, { acting: readonly number[]; primary: number }>();

  constructor(placement: PoolPlacement) {
    this.placement = placement;
    this.pgNum = placement.pool.pgNum;
    if (this.pgNum > PG_TABLE_PGS_MAX) throw new RangeError(`pool ${placement.id} claims ${this.pgNum} PGs`);
    this.size = Math.max(1, placement.pool.size);
    this.raw = new Int32Array(this.pgNum * this.size).fill(UNUSED);
    this.unseen = new Int32Array(this.pgNum);
    this.up = new Int32Array(this.pgNum * this.size).fill(UNUSED);
    this.upPrimary = new Int32Array(this.pgNum).fill(-1);
  }

  read(from: Int32Array, seed: number): number[] {
    const osds: number[] = [];
    const start = seed * this.size;
    for (let i = start; i < start + this.size && from[i] !== UNUSED; i++) osds.push(from[i]!);
    return osds;
  }

  write(to: Int32Array, seed: number, osds: readonly number[]): void {
    const start = seed * this.size;
    for (let i = 0; i < this.size; i++) to[start + i] = osds[i] ?? UNUSED;
  }
}

/** Not an OSD and not CRUSH_ITEM_NONE. */
const UNUSED = -0x80000000;

/** How many PGs the last update had to look at again. */
export interface PgTableWork {
  /** Mapped by CRUSH. */
  readonly mapped: number;
  /** Only what comes after CRUSH: states, exceptions. */
  readonly derived: number;
}

/**
 * Where all PGs of a map are. {@link PgTable.update} goes to another map (mostly the next epoch's) and does again only what the differences
 * between the two can change:
 *
 * - another CRUSH map, a pool's own numbers: the PGs of the pools concerned are mapped again;
 * - an OSD's weight: PGs that CRUSH refused it for, which a greater weight can change, and after a lesser one those that it was chosen for, are
 *   mapped again (and a few that look so: what was refused is kept in 32 bits);
 * - an OSD up, down, gone, its affinity: what follows CRUSH, for the PGs that have it in some set;
 * - temporary sets and upmaps: what follows CRUSH, for their PGs.
 */
export class PgTable {
  #map: OSDMap;
  #pools = new Map<number, PoolTable>();
  #work = { mapped: 0, derived: 0 };

  constructor(map: OSDMap) {
    this.#map = map;
    for (const id of map.pools.keys()) this.#build(id);
  }

  get map(): OSDMap {
    return this.#map;
  }

  /** Work of the constructor or of the last update. */
  get work(): PgTableWork {
    return this.#work;
  }

  /** As {@link OSDMap.pgMapping}; `seed` is below the pool's pg_num. */
  get(pool: number, seed: number): PgMapping {
    const table = this.#pools.get(pool);
    if (table === undefined || seed < 0 || seed >= table.pgNum) return pgMappingNone;
    const up = table.read(table.up, seed);
    const upPrimary = table.upPrimary[seed]!;
    const exception = table.exceptions.get(seed);
    if (exception === undefined) return { up, upPrimary, acting: up, actingPrimary: upPrimary };
    const acting = exception.acting.length > 0 ? exception.acting : up;
    return { up, upPrimary, acting, actingPrimary: exception.primary };
  }

  /** What placement with its exceptions wants of a PG, whether its OSDs are up or not. */
  placed(pool: number, seed: number): number[] {
    const table = this.#pools.get(pool);
    if (table === undefined || seed < 0 || seed >= table.pgNum) return [];
    const raw = existingOsds(this.#map, table.placement.pool, table.read(table.raw, seed));
    return applyUpmap(this.#map, raw, pgKey(pool, seed));
  }

  /** Number of PGs that have each OSD in their up set, by OSD id; of the pools given, or of all. */
  upCounts(pools: Iterable<number> = this.#pools.keys()): Int32Array {
    const counts = new Int32Array(this.#map.maxOsd);
    for (const id of pools) {
      for (const osd of this.#pools.get(id)?.up ?? []) if (osd >= 0 && osd < counts.length) counts[osd]!++;
    }
    return counts;
  }

  #build(id: number): void {
    const placement = this.#map.placementOf(id);
    if (placement === undefined) return;
    const table = new PoolTable(placement);
    this.#pools.set(id, table);
    for (let seed = 0; seed < table.pgNum; seed++) this.#mapRaw(table, seed);
  }

  #mapRaw(table: PoolTable, seed: number): void {
    const { id, pool, mapper, rule } = table.placement;
    this.#work.mapped++;
    const pps = placementSeed(pool, id, seed);
    table.write(table.raw, seed, rule < 0 ? [] : mapper.doRule(rule, pps, pool.size, this.#map.osdWeight, id));
    table.unseen[seed] = rule < 0 ? 0 : mapper.unseen;
    this.#derive(table, seed);
  }

  #derive(table: PoolTable, seed: number): void {
    const { id, pool } = table.placement;
    const map = this.#map;
    const key = pgKey(id, seed);
    const temp = tempOsds(map, pool, key);
    const raw = applyUpmap(map, existingOsds(map, pool, table.read(table.raw, seed)), key);
    const up = rawToUp(map, pool, raw);
    const pps = placementSeed(pool, id, seed);
    const upPrimary = applyPrimaryAffinity(map, pool, pps, up, pickPrimary(up));
    table.write(table.up, seed, up);
    table.upPrimary[seed] = upPrimary;
    if (temp.acting.length > 0 || temp.primary !== -1) {
      table.exceptions.set(seed, { acting: temp.acting, primary: temp.primary });
    } else {
      table.exceptions.delete(seed);
    }
  }

  /** Goes on to another map. */
  update(next: OSDMap): void {
    const previous = this.#map;
    this.#map = next;
    this.#work = { mapped: 0, derived: 0 };
    const crushChanged = previous.crushBytes !== next.crushBytes && !sameBytes(previous.crushBytes, next.crushBytes);
    const osds = changedOsds(previous, next);
    for (const id of [...this.#pools.keys()]) if (!next.pools.has(id)) this.#pools.delete(id);
    for (const [id, pool] of next.pools) {
      const old = previous.pools.get(id);
      if (old === undefined || crushChanged || placesOtherwise(old, pool)) {
        this.#build(id);
      } else {
        this.#pools.set(id, this.#carryOver(this.#pools.get(id)!, pool));
        this.#touch(this.#pools.get(id)!, osds);
      }
    }
    this.#touchExceptions(previous, next);
  }

  /** The same table for the pool as it is now; what it is placed by has not changed. */
  #carryOver(table: PoolTable, pool: PgPool): PoolTable {
    if (table.placement.pool === pool) return table;
    return Object.assign(Object.create(PoolTable.prototype) as PoolTable, table, {
      placement: this.#map.placementOf(table.placement.id),
    });
  }

  /** Looks again at the PGs that have an OSD which changed. */
  #touch(table: PoolTable, { weights, lighter, other, any }: ChangedOsds): void {
    if (!any) return;
    const { raw, unseen, up, size } = table;
    for (let seed = 0; seed < table.pgNum; seed++) {
      let remap = (unseen[seed]! & weights) !== 0;
      let derive = false;
      for (let i = seed * size; i < (seed + 1) * size; i++) {
        const [a, b] = [raw[i]!, up[i]!];
        if (a >= 0 && a < lighter.length && a !== CRUSH_ITEM_NONE) {
          if (lighter[a] === 1) remap = true;
          else if (other[a] === 1) derive = true;
        }
        if (b >= 0 && b < other.length && (other[b] === 1 || lighter[b] === 1)) derive = true;
      }
      if (remap) {
        this.#mapRaw(table, seed);
      } else if (derive) {
        this.#work.derived++;
        this.#derive(table, seed);
      }
    }
  }

  /** Looks again at PGs with an entry of their own, in either map: few, so all of them. */
  #touchExceptions(previous: OSDMap, next: OSDMap): void {
    const keys = new Set<number>();
    const osdsChanged = previous.osdState !== next.osdState || previous.osdWeight !== next.osdWeight;
    for (const table of ['pgTemp', 'primaryTemp', 'pgUpmap', 'pgUpmapItems', 'pgUpmapPrimaries'] as const) {
      if (previous[table] === next[table] && !osdsChanged) continue;
      for (const key of previous[table].keys()) keys.add(key);
      for (const key of next[table].keys()) keys.add(key);
    }
    for (const key of keys) {
      const table = this.#pools.get(pgKeyPool(key));
      const seed = pgKeySeed(key);
      if (table === undefined || seed >= table.pgNum) continue;
      this.#work.derived++;
      this.#derive(table, seed);
    }
  }
}

interface ChangedOsds {
  /** OSDs whose weight changed, as a set of `deviceBit`s. */
  readonly weights: number;
  /** 1 for OSDs whose weight fell. */
  readonly lighter: Uint8Array;
  /** 1 for OSDs whose state or affinity changed. */
  readonly other: Uint8Array;
  readonly any: boolean;
}

function changedOsds(previous: OSDMap, next: OSDMap): ChangedOsds {
  const n = Math.max(previous.maxOsd, next.maxOsd);
  const lighter = new Uint8Array(n);
  const other = new Uint8Array(n);
  let weights = 0;
  let any = false;
  const affinity = (map: OSDMap, osd: number): number => (osd < map.maxOsd ? map.primaryAffinityOf(osd) : -1);
  for (let osd = 0; osd < n; osd++) {
    const before = previous.osdWeight[osd] ?? 0;
    const after = next.osdWeight[osd] ?? 0;
    if (after !== before) weights |= deviceBit(osd);
    if (after < before) lighter[osd] = 1;
    const states = previous.osdState[osd] !== next.osdState[osd];
    if (states || affinity(previous, osd) !== affinity(next, osd)) other[osd] = 1;
    if (after !== before || other[osd] === 1) any = true;
  }
  return { weights, lighter, other, any };
}

/** Whether a change of the pool's own numbers moves PGs. */
function placesOtherwise(a: PgPool, b: PgPool): boolean {
  return (
    a !== b &&
    (a.pgNum !== b.pgNum ||
      a.pgpNum !== b.pgpNum ||
      a.size !== b.size ||
      a.type !== b.type ||
      a.crushRule !== b.crushRule ||
      (a.flags & 1) !== (b.flags & 1))
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
