import { ErrnoError } from '../../base/index.ts';
import {
  getPoolOpt,
  type IntervalSet,
  IntervalSet as Intervals,
  PgPool,
  type PoolSnapInfo,
  pgAutoscaleMode,
  pgAutoscaleModeFromName,
  pgKeyPool,
  poolFlag,
  poolType,
  poolTypeName,
  setPoolOpt,
  utimeFromMs,
} from '../../types/index.ts';
import { type CommandCall, type CommandResult, committing, done, failure } from '../commands/registry.ts';
import type { OsdContext } from './context.ts';
import {
  type ApplicationChange,
  disableApplication,
  enableApplication,
  removeApplicationKey,
  setApplicationKey,
} from './pool-application.ts';
import { type PoolSetContext, parseQuota, setPoolVariable } from './pool-set.ts';

/** OSDs that the PG limit assumes at least (OSDMonitor::check_pg_num). */
const OSDS_ASSUMED_MIN = 3;

export interface NewPool {
  readonly name: string;
  /** Empty: the default rule. */
  readonly ruleName: string;
  /** 0: the default. */
  readonly pgNum: number;
  readonly pgpNum: number;
  readonly size: number;
  readonly pgNumMin: number;
  readonly pgNumMax: number;
  readonly targetSizeBytes: number;
  readonly targetSizeRatio: number;
  readonly expectedNumObjects: number;
  readonly autoscaleMode: string;
  readonly bulk: boolean;
}

export function defaultMinSize(context: OsdContext, size: number): number {
  const min = context.config.num('osd_pool_default_min_size');
  return min > 0 ? Math.min(min, size) : size - Math.floor(size / 2);
}

/** @throws ErrnoError ERANGE where the cluster's OSDs would hold too many PGs on average */
export function checkPgNum(context: OsdContext, pool: number | undefined, pgNum: number, size: number): void {
  const perOsd = context.config.num('mon_max_pg_per_osd');
  const osds = Math.max(context.map.osdCounts.in, OSDS_ASSUMED_MIN);
  const max = perOsd * osds;
  let projected = pgNum * size;
  for (const [id, p] of context.map.pools) if (id !== pool) projected += p.pgNumTarget * p.size;
  if (projected <= max) return;
  throw new ErrnoError(
    'ERANGE',
    `${pool === undefined ? '' : `pool id ${pool}`} pg_num ${pgNum} size ${size} would mean ${projected} total pgs, which exceeds max ${max} (mon_max_pg_per_osd ${perOsd} * num_in_osds ${osds})`,
  );
}

/** @throws ErrnoError where the rule cannot place that many copies */
export function checkRule(context: OsdContext, rule: number, type: number, size: number): void {
  const mask = context.crush.ruleMask(rule);
  if (mask === undefined || mask.type !== type)
    throw new ErrnoError('EINVAL', `crush rule ${rule} is not for this type of pool`);
  if (size < mask.minSize) throw new ErrnoError('EINVAL', 'pool size is smaller than the crush rule min size');
  if (size > mask.maxSize) throw new ErrnoError('EINVAL', 'pool size is bigger than the crush rule max size');
}

function chooseRule(context: OsdContext, name: string): number {
  const { crush, config } = context;
  if (name !== '') {
    const rule = crush.ruleId(name);
    if (rule === undefined) throw new ErrnoError('ENOENT', `specified rule ${name} doesn't exist`);
    return rule;
  }
  const wanted = config.num('osd_pool_default_crush_rule');
  const rule = wanted >= 0 ? wanted : crush.ruleIds().find((id) => crush.ruleMask(id)?.type === poolType.REPLICATED);
  if (rule === undefined || crush.ruleMask(rule) === undefined) {
    throw new ErrnoError('ENOENT', "No suitable CRUSH rule exists, check 'osd pool default crush *' config options");
  }
  return rule;
}

/** Puts a replicated pool into the pending change; returns its id. @throws ErrnoError */
export function addPool(context: OsdContext, wanted: NewPool): number {
  const { config, pending, map } = context;
  if (wanted.name === '') throw new ErrnoError('EINVAL', 'a pool needs a name');
  const pgNum = wanted.pgNum > 0 ? wanted.pgNum : config.num('osd_pool_default_pg_num');
  const pgpNum = wanted.pgpNum > 0 ? wanted.pgpNum : config.num('osd_pool_default_pgp_num') || pgNum;
  const max = config.num('mon_max_pool_pg_num');
  if (pgNum > max) {
    throw new ErrnoError(
      'ERANGE',
      `'pg_num' must be greater than 0 and less than or equal to ${max} (you may adjust 'mon max pool pg num' for higher values)`,
    );
  }
  if (pgpNum > pgNum) {
    throw new ErrnoError(
      'ERANGE',
      `'pgp_num' must be greater than 0 and lower or equal than 'pg_num', which in this case is ${pgNum}`,
    );
  }
  const crushRule = chooseRule(context, wanted.ruleName);
  const size = wanted.size > 0 ? wanted.size : config.num('osd_pool_default_size');
  if (size > 255) throw new ErrnoError('EINVAL', 'pool size must be between 1 and 10');
  checkPgNum(context, undefined, pgNum, size);
  checkRule(context, crushRule, poolType.REPLICATED, size);

  const id = Math.max(map.poolMax, pending.newPoolMax) + 1;
  pending.newPoolMax = id;
  pending.newPoolNames.set(id, wanted.name);
  pending.newPools.set(id, makePool(context, wanted, { pgNum, pgpNum, size, crushRule }));
  return id;
}

function defaultFlags(context: OsdContext): number {
  const { config } = context;
  let flags = config.num('osd_pool_default_flags') | poolFlag.CREATING;
  if (config.bool('osd_pool_default_flag_hashpspool')) flags |= poolFlag.HASHPSPOOL;
  if (config.bool('osd_pool_default_flag_nodelete')) flags |= poolFlag.NODELETE;
  if (config.bool('osd_pool_default_flag_nopgchange')) flags |= poolFlag.NOPGCHANGE;
  if (config.bool('osd_pool_default_flag_nosizechange')) flags |= poolFlag.NOSIZECHANGE;
  return flags;
}

function makePool(
  context: OsdContext,
  wanted: NewPool,
  chosen: { pgNum: number; pgpNum: number; size: number; crushRule: number },
): PgPool {
  const { config } = context;
  const named = pgAutoscaleModeFromName(wanted.autoscaleMode);
  const byDefault = pgAutoscaleModeFromName(config.str('osd_pool_default_pg_autoscale_mode'));
  const mode = named !== pgAutoscaleMode.UNKNOWN ? named : byDefault;
  let opts: PgPool['opts'] = new Map();
  if (wanted.pgNumMin > 0) opts = setPoolOpt(opts, 'pg_num_min', wanted.pgNumMin);
  if (wanted.pgNumMax > 0) opts = setPoolOpt(opts, 'pg_num_max', wanted.pgNumMax);
  if (wanted.targetSizeBytes > 0) opts = setPoolOpt(opts, 'target_size_bytes', wanted.targetSizeBytes);
  if (wanted.targetSizeRatio > 0) opts = setPoolOpt(opts, 'target_size_ratio', wanted.targetSizeRatio);
  const bulk = wanted.bulk || config.bool('osd_pool_default_flag_bulk') ? poolFlag.BULK : 0;
  return new PgPool({
    createTime: utimeFromMs(context.clock.now()),
    type: poolType.REPLICATED,
    flags: defaultFlags(context) | bulk,
    useGmtHitset: config.bool('osd_pool_use_gmt_hitset'),
    size: chosen.size,
    minSize: defaultMinSize(context, chosen.size),
    crushRule: chosen.crushRule,
    expectedNumObjects: wanted.expectedNumObjects,
    pgAutoscaleMode: mode === pgAutoscaleMode.UNKNOWN ? pgAutoscaleMode.OFF : mode,
    pgNum: chosen.pgNum,
    pgNumPending: chosen.pgNum,
    pgNumTarget: chosen.pgNum,
    pgpNum: chosen.pgNum,
    pgpNumTarget: chosen.pgpNum,
    lastChange: context.pending.epoch,
    opts,
    cacheTargetDirtyRatioMicro: Math.trunc(config.num('osd_pool_default_cache_target_dirty_ratio') * 1e6),
    cacheTargetDirtyHighRatioMicro: Math.trunc(config.num('osd_pool_default_cache_target_dirty_high_ratio') * 1e6),
    cacheTargetFullRatioMicro: Math.trunc(config.num('osd_pool_default_cache_target_full_ratio') * 1e6),
    cacheMinFlushAge: config.num('osd_pool_default_cache_min_flush_age'),
    cacheMinEvictAge: config.num('osd_pool_default_cache_min_evict_age'),
  });
}

/** osd pool create */
export function createPool(context: OsdContext, { args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const type = args.strOr('pool_type', '') || context.config.str('osd_pool_default_type');
  const existing = context.map.poolId(name);
  if (existing !== undefined) {
    const is = poolTypeName(context.map.pool(existing)!.type);
    return is === type
      ? done(`pool '${name}' already exists`)
      : failure('EINVAL', `pool '${name}' cannot change to type ${type}`);
  }
  if (type === 'erasure') {
    return failure('EOPNOTSUPP', 'erasure coded pools are not supported yet; make a replicated pool');
  }
  if (type !== 'replicated') return failure('EINVAL', `unknown pool type '${type}'`);
  // The `ceph` program fills positions from the left, so a replicated pool's rule arrives as the erasure code profile.
  const profile = args.strOr('erasure_code_profile', '');
  let ruleName = args.strOr('rule', '');
  let expectedNumObjects = args.numOr('expected_num_objects', 0);
  if (profile !== '') {
    if (ruleName !== '') {
      expectedNumObjects = Number(ruleName);
      if (!Number.isSafeInteger(expectedNumObjects)) {
        return failure('EINVAL', `error parsing integer value '${ruleName}': not a number`);
      }
    }
    ruleName = profile;
  }
  if (expectedNumObjects < 0) return failure('EINVAL', "'expected_num_objects' must be non-negative");
  const pgNum = args.numOr('pg_num', 0);
  const pgpNum = args.numOr('pgp_num', pgNum);
  addPool(context, {
    name,
    ruleName,
    pgNum,
    pgpNum,
    size: args.numOr('size', 0),
    pgNumMin: args.numOr('pg_num_min', 0),
    pgNumMax: args.numOr('pg_num_max', 0),
    targetSizeBytes: args.numOr('target_size_bytes', 0),
    targetSizeRatio: args.numOr('target_size_ratio', 0),
    expectedNumObjects,
    autoscaleMode: args.strOr('autoscale_mode', ''),
    bulk: args.flag('bulk'),
  });
  return committing(`pool '${name}' created`);
}

/** The id of a pool by name. @throws ErrnoError ENOENT */
export function requirePool(context: OsdContext, name: string): number {
  const id = context.map.poolId(name);
  if (id === undefined) throw new ErrnoError('ENOENT', `unrecognized pool '${name}'`);
  return id;
}

/** osd pool rm, osd pool delete */
export function removePool(context: OsdContext, { args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const id = context.map.poolId(name);
  if (id === undefined) return done(`pool '${name}' does not exist`);
  const sure = args.flag('yes_i_really_really_mean_it') || args.flag('yes_i_really_really_mean_it_not_faking');
  if (args.strOr('pool2', '') !== name || !sure) {
    return failure(
      'EPERM',
      `WARNING: this will *PERMANENTLY DESTROY* all data stored in pool ${name}.  If you are *ABSOLUTELY CERTAIN* that is what you want, pass the pool name *twice*, followed by --yes-i-really-really-mean-it.`,
    );
  }
  dropPool(context, id);
  return committing(`pool '${name}' removed`);
}

/** Puts a pool's removal into the pending change. @throws ErrnoError */
export function dropPool(context: OsdContext, id: number): void {
  const { map, pending } = context;
  const pool = map.pool(id)!;
  const name = map.poolName(id)!;
  if (pool.tierOf >= 0) throw new ErrnoError('EBUSY', `pool '${name}' is a tier of '${map.poolName(pool.tierOf)}'`);
  if (pool.tiers.length > 0) throw new ErrnoError('EBUSY', `pool '${name}' has tiers`);
  if (!context.config.bool('mon_allow_pool_delete')) {
    throw new ErrnoError(
      'EPERM',
      'pool deletion is disabled; you must first set the mon_allow_pool_delete config option to true before you can destroy a pool',
    );
  }
  if (pool.hasFlag(poolFlag.NODELETE)) {
    throw new ErrnoError('EPERM', 'pool deletion is disabled; you must unset nodelete flag for the pool first');
  }
  pending.oldPools.add(id);
  for (const key of map.pgTemp.keys()) if (pgKeyPool(key) === id) pending.newPgTemp.set(key, []);
  for (const key of map.primaryTemp.keys()) if (pgKeyPool(key) === id) pending.newPrimaryTemp.set(key, -1);
  for (const key of map.pgUpmap.keys()) if (pgKeyPool(key) === id) pending.oldPgUpmap.add(key);
  for (const key of map.pgUpmapItems.keys()) if (pgKeyPool(key) === id) pending.oldPgUpmapItems.add(key);
}

/** osd pool rename */
export function renamePool(context: OsdContext, { args }: CommandCall): CommandResult {
  const from = args.str('srcpool');
  const to = args.str('destpool');
  const source = context.map.poolId(from);
  const target = context.map.poolId(to);
  if (source === undefined) {
    return target === undefined
      ? failure('ENOENT', `unrecognized pool '${from}'`)
      : done(`pool '${from}' does not exist; pool '${to}' does -- assuming successful rename`);
  }
  if (target !== undefined) return failure('EEXIST', `pool '${to}' already exists`);
  context.pending.newPoolNames.set(source, to);
  return committing(`pool '${from}' renamed to '${to}'`);
}

/** osd pool set */
export function setPool(context: OsdContext, { args }: CommandCall): CommandResult {
  const id = requirePool(context, args.str('pool'));
  const variable = args.str('var');
  const value = args.str('val');
  const set: PoolSetContext = {
    allowSizeOne: context.config.bool('mon_allow_pool_size_one'),
    defaultMinSize: (size) => defaultMinSize(context, size),
    checkRule: (rule, type, size) => checkRule(context, rule, type, size),
    checkPgNum: (pgNum, size) => checkPgNum(context, id, pgNum, size),
    ruleId: (name) => context.crush.ruleId(name),
    poolId: (name) => context.map.poolId(name),
    canChangePgNum: false,
  };
  const changed = setPoolVariable(context.map.pool(id)!, variable, value, args.flag('yes_i_really_mean_it'), set);
  if (changed === undefined) return done('');
  context.pending.newPools.set(id, changed.clone({ lastChange: context.pending.epoch }));
  const verb = value === 'unset' ? `unset pool ${id} ${variable}` : `set pool ${id} ${variable} to ${value}`;
  return committing(verb);
}

/** osd pool set-quota */
export function setQuota(context: OsdContext, { args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const id = requirePool(context, name);
  const field = args.str('field');
  const value = parseQuota(field, args.str('val'));
  const change = field === 'max_objects' ? { quotaMaxObjects: value } : { quotaMaxBytes: value };
  context.pending.newPools.set(id, context.map.pool(id)!.clone(change));
  return committing(`set-quota ${field} = ${value} for pool ${name}`);
}

/** osd pool application enable, disable, set, rm */
export function changeApplication(context: OsdContext, { prefix, args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const id = requirePool(context, name);
  const pool = context.map.pool(id)!;
  const app = args.str('app');
  const sure = args.flag('yes_i_really_mean_it');
  let change: ApplicationChange;
  if (prefix.endsWith('enable')) change = enableApplication(pool, name, app, sure);
  else if (prefix.endsWith('disable')) change = disableApplication(pool, name, app, sure);
  else if (prefix.endsWith('set')) change = setApplicationKey(pool, name, app, args.str('key'), args.str('value'));
  else change = removeApplicationKey(pool, name, app, args.str('key'));
  if (change.pool === undefined) return done(change.status);
  context.pending.newPools.set(id, change.pool.clone({ lastChange: context.pending.epoch }));
  return committing(change.status);
}

export function snapByName(pool: PgPool, name: string): PoolSnapInfo | undefined {
  for (const snap of pool.snaps.values()) if (snap.name === name) return snap;
  return undefined;
}

/** The pool with a further snapshot of its own. */
export function withSnap(context: OsdContext, pool: PgPool, name: string): PgPool {
  const id = pool.snapSeq + 1;
  const snaps = new Map(pool.snaps).set(id, { id, stamp: utimeFromMs(context.clock.now()), name });
  return pool.clone({
    flags: pool.flags | poolFlag.POOL_SNAPS,
    snaps,
    snapSeq: id,
    snapEpoch: context.pending.epoch,
  });
}

/** The pool without one of its snapshots, whose id is queued for trimming. */
export function withoutSnap(context: OsdContext, id: number, pool: PgPool, snap: number): PgPool {
  const snaps = new Map(pool.snaps);
  snaps.delete(snap);
  queueRemovedSnap(context, id, snap);
  return pool.clone({ snaps, snapSeq: pool.snapSeq + 1, snapEpoch: context.pending.epoch });
}

export function queueRemovedSnap(context: OsdContext, pool: number, snap: number): void {
  const { newRemovedSnaps } = context.pending;
  const before: IntervalSet = newRemovedSnaps.get(pool) ?? Intervals.empty;
  newRemovedSnaps.set(pool, before.insert(snap));
}

/** osd pool mksnap */
export function makeSnap(context: OsdContext, { args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const id = requirePool(context, name);
  const snap = args.str('snap');
  const pool = context.map.pool(id)!;
  if (pool.isUnmanagedSnapsMode) return failure('EINVAL', `pool ${name} is in unmanaged snaps mode`);
  if (snapByName(pool, snap) !== undefined) return done(`pool ${name} snap ${snap} already exists`);
  if (pool.isTier) return failure('EINVAL', `pool ${name} is a cache tier`);
  context.pending.newPools.set(id, withSnap(context, pool, snap));
  return committing(`created pool ${name} snap ${snap}`);
}

/** osd pool rmsnap */
export function removeSnap(context: OsdContext, { args }: CommandCall): CommandResult {
  const name = args.str('pool');
  const id = requirePool(context, name);
  const snap = args.str('snap');
  const pool = context.map.pool(id)!;
  if (pool.isUnmanagedSnapsMode) return failure('EINVAL', `pool ${name} is in unmanaged snaps mode`);
  const found = snapByName(pool, snap);
  if (found === undefined) return done(`pool ${name} snap ${snap} does not exist`);
  context.pending.newPools.set(id, withoutSnap(context, id, pool, found.id));
  return committing(`removed pool ${name} snap ${snap}`);
}

/** Whether the pool's size target exceeds its limit; used by health. */
export function targetSizeBytes(pool: PgPool): number {
  return Number(getPoolOpt(pool.opts, 'target_size_bytes') ?? 0);
}
