import type { Formatter } from '../format/index.ts';
import { formatEversion } from '../osd/eversion.ts';
import { formatPgKey } from '../pg-key.ts';
import { strHashName } from '../str-hash.ts';
import { formatUtime } from '../utime.ts';
import { dumpHitSetParams, formatHitSetParams } from './hit-set.ts';
import { dumpPoolOpts, formatPoolOpts } from './opts.ts';
import {
  cacheModeNames,
  type PgPool,
  pgAutoscaleMode,
  pgAutoscaleModeName,
  poolFlagsText,
  poolTypeName,
} from './pg-pool.ts';

function cacheModeName(mode: number): string {
  return cacheModeNames[mode] ?? 'unknown';
}

/** The fields of a pool in `osd dump` and `osd pool ls detail`, after its id and name. */
export function dumpPgPool(pool: PgPool, f: Formatter): void {
  f.string('create_time', formatUtime(pool.createTime));
  f.int('flags', pool.flags);
  f.string('flags_names', poolFlagsText(pool.flags));
  f.int('type', pool.type);
  f.int('size', pool.size);
  f.int('min_size', pool.minSize);
  f.int('crush_rule', pool.crushRule);
  f.int('peering_crush_bucket_count', pool.peeringCrushBucketCount);
  f.int('peering_crush_bucket_target', pool.peeringCrushBucketTarget);
  f.int('peering_crush_bucket_barrier', pool.peeringCrushBucketBarrier);
  f.int('peering_crush_bucket_mandatory_member', pool.peeringCrushMandatoryMember);
  f.int('object_hash', pool.objectHash);
  f.string('pg_autoscale_mode', pgAutoscaleModeName(pool.pgAutoscaleMode));
  f.int('pg_num', pool.pgNum);
  f.int('pg_placement_num', pool.pgpNum);
  f.int('pg_placement_num_target', pool.pgpNumTarget);
  f.int('pg_num_target', pool.pgNumTarget);
  f.int('pg_num_pending', pool.pgNumPending);
  dumpMergeMeta(pool, f);
  // Numbers as text from here to preluminous, as Ceph has them.
  f.string('last_change', String(pool.lastChange));
  f.string('last_force_op_resend', String(pool.lastForceOpResend));
  f.string('last_force_op_resend_prenautilus', String(pool.lastForceOpResendPrenautilus));
  f.string('last_force_op_resend_preluminous', String(pool.lastForceOpResendPreluminous));
  f.int('auid', pool.auid);
  f.string('snap_mode', pool.isPoolSnapsMode ? 'pool' : 'selfmanaged');
  f.int('snap_seq', pool.snapSeq);
  f.int('snap_epoch', pool.snapEpoch);
  f.openArray('pool_snaps');
  for (const snap of pool.snaps.values()) {
    f.openObject('pool_snap_info');
    f.int('snapid', snap.id);
    f.string('stamp', formatUtime(snap.stamp));
    f.string('name', snap.name);
    f.close();
  }
  f.close();
  f.string('removed_snaps', pool.removedSnaps.toString());
  f.int('quota_max_bytes', pool.quotaMaxBytes);
  f.int('quota_max_objects', pool.quotaMaxObjects);
  dumpTiering(pool, f);
  f.int('stripe_width', pool.stripeWidth);
  f.int('expected_num_objects', pool.expectedNumObjects);
  f.bool('fast_read', pool.fastRead);
  f.openObject('options');
  dumpPoolOpts(pool.opts, f);
  f.close();
  f.openObject('application_metadata');
  for (const [application, metadata] of pool.applicationMetadata) {
    f.openObject(application);
    for (const [key, value] of metadata) f.string(key, value);
    f.close();
  }
  f.close();
}

function dumpMergeMeta({ lastPgMergeMeta: m }: PgPool, f: Formatter): void {
  f.openObject('last_pg_merge_meta');
  f.string('source_pgid', formatPgKey(m.sourcePg));
  f.int('ready_epoch', m.readyEpoch);
  f.int('last_epoch_started', m.lastEpochStarted);
  f.int('last_epoch_clean', m.lastEpochClean);
  f.string('source_version', formatEversion(m.sourceVersion));
  f.string('target_version', formatEversion(m.targetVersion));
  f.close();
}

function dumpTiering(pool: PgPool, f: Formatter): void {
  f.openArray('tiers');
  for (const id of pool.tiers) f.int('pool_id', id);
  f.close();
  f.int('tier_of', pool.tierOf);
  f.int('read_tier', pool.readTier);
  f.int('write_tier', pool.writeTier);
  f.string('cache_mode', cacheModeName(pool.cacheMode));
  f.int('target_max_bytes', pool.targetMaxBytes);
  f.int('target_max_objects', pool.targetMaxObjects);
  f.int('cache_target_dirty_ratio_micro', pool.cacheTargetDirtyRatioMicro);
  f.int('cache_target_dirty_high_ratio_micro', pool.cacheTargetDirtyHighRatioMicro);
  f.int('cache_target_full_ratio_micro', pool.cacheTargetFullRatioMicro);
  f.int('cache_min_flush_age', pool.cacheMinFlushAge);
  f.int('cache_min_evict_age', pool.cacheMinEvictAge);
  f.string('erasure_code_profile', pool.erasureCodeProfile);
  f.openObject('hit_set_params');
  dumpHitSetParams(pool.hitSetParams, f);
  f.close();
  f.int('hit_set_period', pool.hitSetPeriod);
  f.int('hit_set_count', pool.hitSetCount);
  f.bool('use_gmt_hitset', pool.useGmtHitset);
  f.int('min_read_recency_for_promote', pool.minReadRecencyForPromote);
  f.int('min_write_recency_for_promote', pool.minWriteRecencyForPromote);
  f.int('hit_set_grade_decay_rate', pool.hitSetGradeDecayRate);
  f.int('hit_set_search_last_n', pool.hitSetSearchLastN);
  f.openArray('grade_table');
  for (const grade of pool.gradeTable) f.int('value', grade);
  f.close();
}

/** A pool in plain listings, after `pool 1 'name' `. */
export function formatPgPool(p: PgPool): string {
  let s = poolTypeName(p.type);
  const add = (name: string, value: string | number | bigint): void => {
    s += ` ${name} ${value}`;
  };
  const addIfSet = (name: string, value: number | bigint): void => {
    if (value !== 0 && value !== 0n) add(name, value);
  };
  if (p.isErasure) add('profile', p.erasureCodeProfile);
  add('size', p.size);
  add('min_size', p.minSize);
  add('crush_rule', p.crushRule);
  add('object_hash', strHashName(p.objectHash));
  add('pg_num', p.pgNum);
  add('pgp_num', p.pgpNum);
  if (p.pgNumTarget !== p.pgNum) add('pg_num_target', p.pgNumTarget);
  if (p.pgpNumTarget !== p.pgpNum) add('pgp_num_target', p.pgpNumTarget);
  if (p.pgNumPending !== p.pgNum) add('pg_num_pending', p.pgNumPending);
  if (p.pgAutoscaleMode !== pgAutoscaleMode.UNKNOWN) add('autoscale_mode', pgAutoscaleModeName(p.pgAutoscaleMode));
  add('last_change', p.lastChange);
  const resends = [p.lastForceOpResend, p.lastForceOpResendPrenautilus, p.lastForceOpResendPreluminous];
  if (resends.some((epoch) => epoch !== 0)) add('lfor', resends.join('/'));
  addIfSet('owner', p.auid);
  if (p.flags !== 0) add('flags', poolFlagsText(p.flags));
  addIfSet('max_bytes', p.quotaMaxBytes);
  addIfSet('max_objects', p.quotaMaxObjects);
  if (p.tiers.length > 0) add('tiers', p.tiers.join(','));
  if (p.isTier) add('tier_of', p.tierOf);
  if (p.readTier >= 0) add('read_tier', p.readTier);
  if (p.writeTier >= 0) add('write_tier', p.writeTier);
  if (p.cacheMode !== 0) add('cache_mode', cacheModeName(p.cacheMode));
  addIfSet('target_bytes', p.targetMaxBytes);
  addIfSet('target_objects', p.targetMaxObjects);
  if (p.hitSetParams.type !== 'none') {
    add('hit_set', `${formatHitSetParams(p.hitSetParams)} ${p.hitSetPeriod}s x${p.hitSetCount}`);
    add('decay_rate', p.hitSetGradeDecayRate);
    add('search_last_n', p.hitSetSearchLastN);
  }
  addIfSet('min_read_recency_for_promote', p.minReadRecencyForPromote);
  addIfSet('min_write_recency_for_promote', p.minWriteRecencyForPromote);
  add('stripe_width', p.stripeWidth);
  addIfSet('expected_num_objects', p.expectedNumObjects);
  if (p.fastRead) add('fast_read', 1);
  s += formatPoolOpts(p.opts);
  if (p.applicationMetadata.size > 0) add('application', [...p.applicationMetadata.keys()].join(','));
  return s;
}
