import { type CrushMap, crushHash2, findRule, type Mapper, mapperOf } from '../../crush/index.ts';
import { pgKey } from '../pg-key.ts';
import { type PgPool, poolFlag } from '../pool/index.ts';
import { stableMod } from '../str-hash.ts';
import type { OSDMapFields } from './data.ts';
import type { UpmapItem } from './fields.ts';
import { OSD_OUT, osdState, PRIMARY_AFFINITY_DEFAULT, PRIMARY_AFFINITY_MAX } from './flags.ts';

/** No OSD in a place of an erasure-coded set (CRUSH_ITEM_NONE). */
export const CRUSH_ITEM_NONE = 0x7fffffff;

/** Number of the rule that a pool's crush_rule means, for its type and size; -1: none. */
export function poolRule(crush: CrushMap, pool: PgPool): number {
  return findRule(crush, pool.crushRule, pool.type, pool.size) ?? -1;
}

/** Where a PG's copies are, and which of them leads. */
export interface PgMapping {
  /** What placement wants. */
  readonly up: readonly number[];
  /** -1: none. */
  readonly upPrimary: number;
  /** Who serves now: pg_temp where there is one, else up. */
  readonly acting: readonly number[];
  readonly actingPrimary: number;
}

export const pgMappingNone: PgMapping = { up: [], upPrimary: -1, acting: [], actingPrimary: -1 };

type Fields = Pick<
  OSDMapFields,
  | 'maxOsd'
  | 'osdState'
  | 'osdWeight'
  | 'primaryAffinity'
  | 'pgTemp'
  | 'primaryTemp'
  | 'pgUpmap'
  | 'pgUpmapItems'
  | 'pgUpmapPrimaries'
>;

/** The placement seed that CRUSH gets for a PG (raw_pg_to_pps). */
export function placementSeed(pool: PgPool, poolId: number, seed: number): number {
  const folded = stableMod(seed, pool.pgpNum, pool.pgpNumMask);
  return pool.hasFlag(poolFlag.HASHPSPOOL) ? crushHash2(folded, poolId) : (folded + poolId) >>> 0;
}

function exists(map: Fields, osd: number): boolean {
  return osd >= 0 && osd < map.maxOsd && (map.osdState[osd]! & osdState.EXISTS) !== 0;
}

function isUp(map: Fields, osd: number): boolean {
  const up = osdState.EXISTS | osdState.UP;
  return osd >= 0 && osd < map.maxOsd && (map.osdState[osd]! & up) === up;
}

/** Members for which `keep` holds: others close up in replicated pools, and leave a hole in erasure-coded ones. */
function filterSet(pool: PgPool, osds: readonly number[], keep: (osd: number) => boolean): number[] {
  if (pool.canShiftOsds) return osds.filter(keep);
  return osds.map((osd) => (keep(osd) ? osd : CRUSH_ITEM_NONE));
}

/** A pool as placement sees it: what is the same for all its PGs is found once. */
export interface PoolPlacement {
  readonly id: number;
  readonly pool: PgPool;
  readonly mapper: Mapper;
  /** -1: none, all its PGs are empty. */
  readonly rule: number;
}

export function poolPlacement(crush: CrushMap, id: number, pool: PgPool): PoolPlacement {
  return { id, pool, mapper: mapperOf(crush), rule: poolRule(crush, pool) };
}

/** What CRUSH says, without OSDs that do not exist. */
export function rawOsds(map: Fields, { id, pool, mapper, rule }: PoolPlacement, pps: number): number[] {
  if (rule < 0) return [];
  return existingOsds(map, pool, mapper.doRule(rule, pps, pool.size, map.osdWeight, id));
}

/** `raw` without OSDs that do not exist. May be `raw` itself. */
export function existingOsds(map: Fields, pool: PgPool, raw: number[]): number[] {
  // Mostly all exist, and then there is nothing to copy.
  for (const osd of raw) if (!exists(map, osd)) return filterSet(pool, raw, (other) => exists(map, other));
  return raw;
}

export function pickPrimary(osds: readonly number[]): number {
  for (const osd of osds) if (osd !== CRUSH_ITEM_NONE) return osd;
  return -1;
}

/** An exception may not send data to an OSD that is out. */
function isMarkedOut(map: Fields, osd: number): boolean {
  return osd !== CRUSH_ITEM_NONE && osd >= 0 && osd < map.maxOsd && map.osdWeight[osd] === OSD_OUT;
}

function applyUpmapItems(map: Fields, raw: number[], items: readonly UpmapItem[]): void {
  for (const [from, to] of items) {
    if (raw.includes(to) || isMarkedOut(map, to)) continue;
    const at = raw.indexOf(from);
    if (at >= 0) raw[at] = to;
  }
}

/** `raw` with the operator's and balancer's exceptions to it. A whole upmap with a member that is out makes items ignored too. */
export function applyUpmap(map: Fields, raw: number[], key: number): number[] {
  let result = raw;
  const whole = map.pgUpmap.get(key);
  if (whole !== undefined) {
    if (whole.some((osd) => isMarkedOut(map, osd))) return raw;
    result = [...whole];
  }
  const items = map.pgUpmapItems.get(key);
  if (items !== undefined) applyUpmapItems(map, result, items);
  const primary = map.pgUpmapPrimaries.get(key);
  if (primary !== undefined) applyUpmapPrimary(map, result, primary);
  return result;
}

/** Puts a member of the set, unless it is out, in front; who was there takes its place. */
function applyUpmapPrimary(map: Fields, raw: number[], primary: number): void {
  if (primary < 0 || primary >= map.maxOsd || map.osdWeight[primary] === OSD_OUT) return;
  const at = raw.indexOf(primary);
  if (at <= 0) return;
  raw[at] = raw[0]!;
  raw[0] = primary;
}

/** `raw` without OSDs that are down. */
export function rawToUp(map: Fields, pool: PgPool, raw: readonly number[]): number[] {
  return filterSet(pool, raw, (osd) => isUp(map, osd));
}

/** Chooses the primary by affinity; in replicated pools it is moved to the front of `osds`. */
export function applyPrimaryAffinity(map: Fields, pool: PgPool, pps: number, osds: number[], primary: number): number {
  const affinity = map.primaryAffinity;
  if (affinity.length === 0) return primary;
  const plain = osds.every((osd) => osd === CRUSH_ITEM_NONE || affinity[osd] === PRIMARY_AFFINITY_DEFAULT);
  if (plain) return primary;
  let position = -1;
  for (const [i, osd] of osds.entries()) {
    if (osd === CRUSH_ITEM_NONE) continue;
    const a = affinity[osd] ?? PRIMARY_AFFINITY_DEFAULT;
    // Seed and OSD decide, so that a fraction of its PGs passes it by. The first refused stays as a fallback.
    const refused = a < PRIMARY_AFFINITY_MAX && crushHash2(pps, osd) >>> 16 >= a;
    if (!refused) {
      position = i;
      break;
    }
    if (position < 0) position = i;
  }
  if (position < 0) return primary;
  const chosen = osds[position]!;
  if (pool.canShiftOsds && position > 0) {
    osds.splice(position, 1);
    osds.unshift(chosen);
  }
  return chosen;
}

/** The temporary set and primary of a PG; an empty set and -1 where there are none. */
export function tempOsds(map: Fields, pool: PgPool, key: number): { acting: number[]; primary: number } {
  const temp = map.pgTemp.get(key);
  const acting = temp === undefined ? [] : filterSet(pool, temp, (osd) => isUp(map, osd));
  const primary = map.primaryTemp.get(key) ?? pickPrimary(acting);
  return { acting, primary };
}

/** Up and acting of the PG `seed`, which is below pg_num. */
export function mapPg(map: Fields, placement: PoolPlacement, seed: number): PgMapping {
  const { id, pool } = placement;
  const key = pgKey(id, seed);
  const temp = tempOsds(map, pool, key);
  const pps = placementSeed(pool, id, seed);
  const raw = applyUpmap(map, rawOsds(map, placement, pps), key);
  const up = rawToUp(map, pool, raw);
  const upPrimary = applyPrimaryAffinity(map, pool, pps, up, pickPrimary(up));
  if (temp.acting.length > 0) return { up, upPrimary, acting: temp.acting, actingPrimary: temp.primary };
  return { up, upPrimary, acting: up, actingPrimary: temp.primary === -1 ? upPrimary : temp.primary };
}
