import { pgParent } from '../osd/pgid.ts';
import { type PgKey, pgKey, pgKeyPool, pgKeySeed } from '../pg-key.ts';
import type { PgPool } from '../pool/index.ts';
import type { UpmapItem } from './fields.ts';
import { OSD_OUT } from './flags.ts';
import type { OSDMapIncremental } from './incremental.ts';
import type { OSDMap } from './osdmap.ts';
import { PgTable } from './pg-table.ts';
import { CRUSH_ITEM_NONE, poolRule } from './placement.ts';
import { RuleView } from './rule-view.ts';

/** Views of the rules of a map's pools. */
class RuleViews {
  readonly #map: OSDMap;
  readonly #views = new Map<number, RuleView | undefined>();

  constructor(map: OSDMap) {
    this.#map = map;
  }

  /** Undefined where the pool has no rule that fits it. */
  of(poolId: number): RuleView | undefined {
    if (!this.#views.has(poolId)) {
      const pool = this.#map.pools.get(poolId)!;
      const rule = poolRule(this.#map.crush, pool);
      this.#views.set(poolId, rule < 0 ? undefined : new RuleView(this.#map.crush, rule, pool.size));
    }
    return this.#views.get(poolId);
  }
}

/** True where the PG is about to be merged away, or to be merged into. */
function isPendingMerge(pool: PgPool, seed: number): boolean {
  if (pool.pgNumPending >= pool.pgNum) return false;
  if (seed >= pool.pgNumPending && seed < pool.pgNum) return true;
  // Sources have one bit more than their parents: only few numbers come into question.
  for (let bit = 1; bit <= 2 ** 31; bit *= 2) {
    const source = seed + bit;
    if (source < pool.pgNumPending || source >= pool.pgNum) continue;
    if (pgParent({ pool: 0, seed: source }).seed === seed) return true;
  }
  return false;
}

function sameItems(a: readonly UpmapItem[], b: readonly UpmapItem[]): boolean {
  return a.length === b.length && a.every(([from, to], i) => from === b[i]![0] && to === b[i]![1]);
}

/** What is wrong with a PG's upmaps: `cancel` them, `remap` to fewer items, or nothing. */
function judge(map: OSDMap, views: RuleViews, key: PgKey): 'cancel' | readonly UpmapItem[] | undefined {
  const poolId = pgKeyPool(key);
  const seed = pgKeySeed(key);
  const pool = map.pools.get(poolId);
  if (pool === undefined || seed >= pool.pgNumPending || isPendingMerge(pool, seed)) return 'cancel';
  const view = views.of(poolId);
  const raw = map.pgToRawOsds({ pool: poolId, seed });
  const up = map.pgToRawUpmap({ pool: poolId, seed });
  if (view === undefined || !view.allows(up)) return 'cancel';
  for (const osd of up) {
    // Gone from the part of the tree that the rule takes, or of no weight there, or out.
    const weight = view.weights.get(osd);
    if (weight === undefined || weight * map.weightf(osd) === 0) return 'cancel';
  }
  const whole = map.pgUpmap.get(key);
  if (whole !== undefined) {
    const redundant = whole.length === raw.length && whole.every((osd, i) => osd === raw[i]);
    if (redundant || whole.length !== pool.size) return 'cancel';
  }
  const items = map.pgUpmapItems.get(key);
  if (items === undefined) return undefined;
  const useful = items.filter(([from, to]) => raw.includes(from) && !isOut(map, to));
  if (useful.length === 0) return 'cancel';
  return sameItems(useful, items) ? undefined : useful;
}

function isOut(map: OSDMap, osd: number): boolean {
  return osd !== CRUSH_ITEM_NONE && osd >= 0 && osd < map.maxOsd && map.osdWeight[osd] === OSD_OUT;
}

/** Puts the removal of upmaps that are invalid or do nothing into `inc`, a change of `map`. Returns whether there was any. */
export function cleanPgUpmaps(map: OSDMap, inc: OSDMapIncremental): boolean {
  const views = new RuleViews(map);
  let any = false;
  for (const key of new Set([...map.pgUpmap.keys(), ...map.pgUpmapItems.keys()])) {
    const verdict = judge(map, views, key);
    if (verdict === undefined) continue;
    any = true;
    if (verdict !== 'cancel') {
      inc.newPgUpmapItems.set(key, verdict);
      continue;
    }
    inc.newPgUpmap.delete(key);
    inc.newPgUpmapItems.delete(key);
    if (map.pgUpmap.has(key)) inc.oldPgUpmap.add(key);
    if (map.pgUpmapItems.has(key)) inc.oldPgUpmapItems.add(key);
  }
  return any;
}

export interface BalanceOptions {
  /** PGs that an OSD may have more or less than its share; at least 1. */
  readonly maxDeviation: number;
  /** Changes of upmap items at most. */
  readonly maxChanges: number;
  /** Pools to look at together; all when not given. */
  readonly pools?: readonly number[];
}

/**
 * Puts upmap items into `inc`, a change of `map`, that even out the number of PGs for each OSD's weight. Every step takes a PG from the OSD
 * that is furthest above its share (or gives one to the one furthest below), only where that brings the sum of squared deviations down
 * and the rule's failure domains allow it. Returns the number of changes.
 */
export function balancePgUpmaps(map: OSDMap, options: BalanceOptions, inc: OSDMapIncremental): number {
  const pools = options.pools ?? [...map.pools.keys()];
  const balancer = new Balancer(map, pools, Math.max(1, options.maxDeviation));
  let changes = 0;
  while (changes < options.maxChanges && balancer.step()) changes++;
  balancer.writeTo(inc);
  return changes;
}

class Balancer {
  readonly #map: OSDMap;
  readonly #views: RuleViews;
  readonly #maxDeviation: number;
  /** Sets as placement wants them, up or not, as they become. */
  readonly #sets = new Map<PgKey, number[]>();
  readonly #pgsOf = new Map<number, Set<PgKey>>();
  readonly #targets = new Map<number, number>();
  readonly #items = new Map<PgKey, UpmapItem[]>();
  readonly #changed = new Set<PgKey>();

  constructor(map: OSDMap, pools: readonly number[], maxDeviation: number) {
    this.#map = map;
    this.#views = new RuleViews(map);
    this.#maxDeviation = maxDeviation;
    const weights = new Map<number, number>();
    const table = new PgTable(map);
    let placed = 0;
    for (const id of pools) {
      const pool = map.pools.get(id);
      const view = pool === undefined ? undefined : this.#views.of(id);
      if (pool === undefined || view === undefined) continue;
      placed += pool.size * pool.pgNum;
      for (const [osd, share] of view.weights) {
        const weight = share * (osd < map.maxOsd ? map.weightf(osd) : 0);
        if (weight > 0) weights.set(osd, (weights.get(osd) ?? 0) + weight);
      }
      for (let seed = 0; seed < pool.pgNum; seed++) this.#load(table, id, seed);
    }
    let total = 0;
    for (const weight of weights.values()) total += weight;
    for (const [osd, weight] of weights) this.#targets.set(osd, (weight / total) * placed);
  }

  #load(table: PgTable, pool: number, seed: number): void {
    const key = pgKey(pool, seed);
    const set = table.placed(pool, seed);
    this.#sets.set(key, set);
    const items = this.#map.pgUpmapItems.get(key);
    if (items !== undefined) this.#items.set(key, [...items]);
    for (const osd of set) if (osd !== CRUSH_ITEM_NONE) this.#pgs(osd).add(key);
  }

  #pgs(osd: number): Set<PgKey> {
    let pgs = this.#pgsOf.get(osd);
    if (pgs === undefined) {
      pgs = new Set();
      this.#pgsOf.set(osd, pgs);
    }
    return pgs;
  }

  #deviation(osd: number): number {
    return (this.#pgsOf.get(osd)?.size ?? 0) - (this.#targets.get(osd) ?? 0);
  }

  /** Makes one change; false where there is none that helps. */
  step(): boolean {
    const byDeviation = [...this.#targets.keys()]
      .map((osd) => ({ osd, deviation: this.#deviation(osd) }))
      .sort((a, b) => a.deviation - b.deviation || a.osd - b.osd);
    const low = byDeviation[0];
    const high = byDeviation.at(-1);
    if (low === undefined || high === undefined) return false;
    if (high.deviation <= this.#maxDeviation && -low.deviation <= this.#maxDeviation) return false;
    // From the fullest down, each to the emptiest that will do; then the emptiest up, where only those are beyond the limit.
    for (let i = byDeviation.length - 1; i >= 0 && byDeviation[i]!.deviation > this.#maxDeviation; i--) {
      for (const { osd: to, deviation } of byDeviation) {
        if (byDeviation[i]!.deviation - deviation <= 1) break;
        if (this.#move(byDeviation[i]!.osd, to)) return true;
      }
    }
    for (const { osd: to, deviation } of byDeviation) {
      if (-deviation <= this.#maxDeviation) break;
      for (let i = byDeviation.length - 1; i >= 0; i--) {
        if (byDeviation[i]!.deviation - deviation <= 1) break;
        if (this.#move(byDeviation[i]!.osd, to)) return true;
      }
    }
    return false;
  }

  /** Moves one PG from an OSD to another: by undoing an item that brought it, else by a new one. */
  #move(from: number, to: number): boolean {
    const pgs = [...this.#pgs(from)].sort((a, b) => a - b);
    for (const key of pgs) {
      const items = this.#items.get(key) ?? [];
      const undone = items.findIndex(([original, now]) => original === to && now === from);
      if (undone >= 0 && this.#replace(key, from, to)) {
        items.splice(undone, 1);
        return this.#note(key, items);
      }
    }
    for (const key of pgs) {
      const items = this.#items.get(key) ?? [];
      if (this.#map.pgUpmap.has(key) || items.length >= this.#sets.get(key)!.length) continue;
      // A chain of items over one OSD would depend on their order; and `from` has to be CRUSH's own choice.
      if (items.some((pair) => pair.includes(from) || pair.includes(to))) continue;
      if (this.#replace(key, from, to)) return this.#note(key, [...items, [from, to]]);
    }
    return false;
  }

  #replace(key: PgKey, from: number, to: number): boolean {
    const set = this.#sets.get(key)!;
    const at = set.indexOf(from);
    if (at < 0 || set.includes(to) || !this.#map.isUp(to)) return false;
    set[at] = to;
    if (this.#views.of(pgKeyPool(key))?.allows(set) !== true) {
      set[at] = from;
      return false;
    }
    this.#pgs(from).delete(key);
    this.#pgs(to).add(key);
    return true;
  }

  #note(key: PgKey, items: UpmapItem[]): true {
    this.#items.set(key, items);
    this.#changed.add(key);
    return true;
  }

  writeTo(inc: OSDMapIncremental): void {
    for (const key of this.#changed) {
      const items = this.#items.get(key)!;
      const before = this.#map.pgUpmapItems.get(key) ?? [];
      if (sameItems(items, before)) continue;
      if (items.length > 0) inc.newPgUpmapItems.set(key, items);
      else inc.oldPgUpmapItems.add(key);
    }
  }
}
