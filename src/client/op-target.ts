import { fullLocation } from '../crush/index.ts';
import { osdFlag } from '../messages/index.ts';
import {
  Hobject,
  NO_SHARD,
  type OSDMap,
  osdMapFlag,
  type PgPool,
  poolFlag,
  type Snapid,
  type SpgId,
  sameSpgId,
  stableMod,
  stableModMask,
} from '../types/index.ts';

/** What became of a target with a map. */
export type TargetChange =
  | 'same'
  /** The request has to be sent (again). */
  | 'resend'
  /** The pool is not in this map. */
  | 'noPool';

const noPg: SpgId = { pgid: { pool: -1, seed: 0 }, shard: NO_SHARD };
const NO_OSDS: readonly number[] = [];

/**
 * What a request is for, and which OSD serves that by the newest map. The first group of fields is the caller's, the second comes of the
 * map ({@link calcTarget}).
 */
export class OpTarget {
  /** Empty for a request on a PG. */
  oid: string;
  key: string;
  nspace: string;
  pool: number;
  snap: Snapid;
  /** Mask of osdFlag. */
  flags: number;
  /** For a request on a PG: its seed. */
  pgSeed: number | undefined;

  /** Where the map was that all of the following comes from. */
  epoch = 0;
  /** Pool after cache tiering. */
  targetPool = -1;
  /** -1: nobody. */
  osd = -1;
  hash = 0;
  pg: SpgId = noPg;
  up: readonly number[] = NO_OSDS;
  acting: readonly number[] = NO_OSDS;
  actingPrimary = -1;
  /** Of the pool: size * 256 + minSize. */
  sizes = 0;
  pgNum = 0;
  isPaused = false;
  isPoolKnown = false;
  usedReplica = false;
  lastForceResend = 0;

  constructor(
    oid: string,
    pool: number,
    flags: number,
    options: { key?: string; nspace?: string; snap: Snapid; pgSeed?: number },
  ) {
    this.oid = oid;
    this.pool = pool;
    this.flags = flags;
    this.key = options.key ?? '';
    this.nspace = options.nspace ?? '';
    this.snap = options.snap;
    this.pgSeed = options.pgSeed;
  }

  get respectsFull(): boolean {
    return (this.flags & (osdFlag.FULL_TRY | osdFlag.FULL_FORCE)) === 0;
  }

  get hobject(): Hobject {
    return new Hobject(this.oid, this.key, this.snap, this.hash, this.targetPool, this.nspace);
  }

  /** Makes the next {@link calcTarget} take it as never sent. */
  forget(): void {
    this.pg = noPg;
    this.pgNum = 0;
    this.acting = NO_OSDS;
    this.actingPrimary = -1;
    this.osd = -1;
  }
}

function role(primary: number, acting: readonly number[]): number {
  return acting.indexOf(primary);
}

/** Whether requests are to be sent again: OSDs keep what they have as long as the primary stays the same, in the same place. */
function isPrimaryChanged(t: OpTarget, primary: number, acting: readonly number[]): boolean {
  if (t.acting.length === 0 && acting.length === 0) return false;
  if (t.acting.length === 0 || acting.length === 0) return true;
  if (t.actingPrimary !== primary || role(t.actingPrimary, t.acting) !== role(primary, acting)) return true;
  if (!t.usedReplica) return false;
  return !sameOsds(t.acting, acting);
}

/** Is writing to the pool held back for want of space? */
export function isPoolFull(pool: PgPool | undefined): boolean {
  return pool?.hasFlag(poolFlag.FULL) === true;
}

export function isMapFull(map: OSDMap): boolean {
  return (map.flags & osdMapFlag.FULL) !== 0;
}

function shouldPause(map: OSDMap, t: OpTarget, pool: PgPool, epochBarrier: number): boolean {
  const pauseRead = (map.flags & osdMapFlag.PAUSERD) !== 0;
  const pauseWrite = (map.flags & osdMapFlag.PAUSEWR) !== 0 || (t.respectsFull && (isMapFull(map) || isPoolFull(pool)));
  return (
    ((t.flags & osdFlag.READ) !== 0 && pauseRead) ||
    ((t.flags & osdFlag.WRITE) !== 0 && pauseWrite) ||
    map.epoch < epochBarrier
  );
}

function sameOsds(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((osd, i) => osd === b[i]));
}

/** For reads that any replica may serve. */
export interface ReplicaChoice {
  /** A whole number in [0, n). */
  readonly pick: (n: number) => number;
  /** Where this client is: names of CRUSH buckets by type, as option crush_location says. */
  readonly location: ReadonlyMap<string, readonly string[]>;
}

/** `root=default rack=r1 host=a`: types with names; the same type may be there several times. */
export function parseCrushLocation(text: string): Map<string, string[]> {
  const location = new Map<string, string[]>();
  for (const word of text.split(/[;,\s]+/)) {
    const [type, name] = word.split('=', 2);
    if (type === undefined || name === undefined || type === '' || name === '') continue;
    const names = location.get(type);
    if (names === undefined) location.set(type, [name]);
    else names.push(name);
  }
  return location;
}

/** Type number of the lowest bucket that an OSD and a location share; infinite where there is none. */
function distance(map: OSDMap, osd: number, location: ReplicaChoice['location']): number {
  const { crush } = map;
  const above = new Map(fullLocation(crush, osd) ?? []);
  let nearest = Number.POSITIVE_INFINITY;
  for (const [number, type] of crush.typeNames) {
    const name = above.get(type);
    if (name !== undefined && number < nearest && location.get(type)?.includes(name)) nearest = number;
  }
  return nearest;
}

/** The acting OSD nearest to us; the primary where others are no nearer. */
function nearestOf(map: OSDMap, acting: readonly number[], location: ReplicaChoice['location']): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  acting.forEach((osd, i) => {
    const d = distance(map, osd, location);
    if (d >= least) return;
    best = i;
    least = d;
  });
  return best;
}

/**
 * Brings the target to the map's epoch. `choice`: for reads that are spread over replicas or go to a near one. `anyChange`: every
 * new interval of the PG counts, as it does for watches, which OSDs do not carry over.
 */
export function calcTarget(
  map: OSDMap,
  t: OpTarget,
  epochBarrier: number,
  choice: ReplicaChoice,
  anyChange = false,
): TargetChange {
  const isRead = (t.flags & osdFlag.READ) !== 0;
  const isWrite = (t.flags & osdFlag.WRITE) !== 0;
  t.epoch = map.epoch;
  const base = map.pools.get(t.pool);
  if (base === undefined) {
    t.osd = -1;
    return 'noPool';
  }
  let forceResend = false;
  if (map.epoch === base.lastForceOpResend && t.lastForceResend < base.lastForceOpResend) {
    t.lastForceResend = base.lastForceOpResend;
    forceResend = true;
  }
  let targetPool = t.pool;
  if ((t.flags & osdFlag.IGNORE_OVERLAY) === 0) {
    if (isRead && base.readTier >= 0) targetPool = base.readTier;
    if (isWrite && base.writeTier >= 0) targetPool = base.writeTier;
  }
  const pool = targetPool === t.pool ? base : map.pools.get(targetPool);
  if (pool === undefined) {
    t.osd = -1;
    return 'noPool';
  }
  if (t.targetPool !== targetPool || t.hash === 0) {
    t.hash = t.pgSeed ?? pool.hashKey(t.key === '' ? t.oid : t.key, t.nspace);
  }
  t.targetPool = targetPool;
  t.isPoolKnown = true;

  const seed = pool.rawPgToPg(t.hash);
  const { up, acting, actingPrimary } = map.pgMapping(targetPool, t.hash);
  const wasPaused = t.isPaused;
  t.isPaused = shouldPause(map, t, base, epochBarrier);
  const isUnpaused = wasPaused && !t.isPaused;

  const shard = pool.isErasure ? acting.indexOf(actingPrimary) : NO_SHARD;
  const pg: SpgId = { pgid: { pool: targetPool, seed }, shard };
  const sizes = pool.size * 256 + pool.minSize;
  const isNewInterval = anyChange && (sizes !== t.sizes || !sameOsds(t.up, up) || !sameOsds(t.acting, acting));
  const isMoved =
    isNewInterval || t.pgNum === 0 || t.pg.pgid.pool !== targetPool || isPrimaryChanged(t, actingPrimary, acting);
  const isRemapped = !isMoved && (!sameSpgId(t.pg, pg) || isSplitOrMerged(t, pool.pgNum));
  if (isMoved || isRemapped || forceResend) {
    t.pg = pg;
    t.up = up;
    t.sizes = sizes;
    t.acting = acting;
    t.actingPrimary = actingPrimary;
    t.pgNum = pool.pgNum;
    t.osd = actingPrimary;
    t.usedReplica = false;
    const isSpread = (t.flags & (osdFlag.BALANCE_READS | osdFlag.LOCALIZE_READS)) !== 0;
    if (isSpread && !isWrite && pool.isReplicated && acting.length > 1) {
      const isBalanced = (t.flags & osdFlag.BALANCE_READS) !== 0;
      const at = isBalanced ? choice.pick(acting.length) : nearestOf(map, acting, choice.location);
      t.usedReplica = acting[at] !== actingPrimary;
      t.osd = acting[at]!;
    }
    return 'resend';
  }
  return isUnpaused ? 'resend' : 'same';
}

/**
 * Whether the PG itself split or took part in a merge with the pool's change to `pgNum`. An OSD drops what it holds for such a PG, and
 * counts on clients to send it again.
 */
function isSplitOrMerged(t: OpTarget, pgNum: number): boolean {
  const before = t.pgNum;
  const { seed } = t.pg.pgid;
  if (pgNum === before) return false;
  // Children of a PG have its seed in their low bits.
  const [few, many] = pgNum > before ? [before, pgNum] : [pgNum, before];
  const mask = stableModMask(few);
  const parent = stableMod(seed, few, mask);
  for (let child = few; child < many; child++) if (stableMod(child, few, mask) === parent) return true;
  return false;
}
