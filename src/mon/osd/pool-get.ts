import { ErrnoError } from '../../base/index.ts';
import {
  type Formatter,
  formatG,
  getPoolOpt,
  isPoolOptName,
  type PgPool,
  type PoolOptName,
  pgAutoscaleModeName,
  poolFlag,
  poolFlagFromName,
  poolOptType,
} from '../../types/index.ts';
import { csumTypes, tierVariables } from './pool-set.ts';

/** Variables of `osd pool get`, in the order of `osd pool get POOL all`. */
const variables = [
  'size',
  'min_size',
  'pg_num',
  'pgp_num',
  'crush_rule',
  'hashpspool',
  'allow_ec_overwrites',
  'nodelete',
  'nopgchange',
  'nosizechange',
  'write_fadvise_dontneed',
  'noscrub',
  'nodeep-scrub',
  'hit_set_type',
  'hit_set_period',
  'hit_set_count',
  'hit_set_fpp',
  'use_gmt_hitset',
  'target_max_objects',
  'target_max_bytes',
  'cache_target_dirty_ratio',
  'cache_target_dirty_high_ratio',
  'cache_target_full_ratio',
  'cache_min_flush_age',
  'cache_min_evict_age',
  'erasure_code_profile',
  'min_read_recency_for_promote',
  'min_write_recency_for_promote',
  'fast_read',
  'hit_set_grade_decay_rate',
  'hit_set_search_last_n',
  'scrub_min_interval',
  'scrub_max_interval',
  'deep_scrub_interval',
  'recovery_priority',
  'recovery_op_priority',
  'scrub_priority',
  'compression_mode',
  'compression_algorithm',
  'compression_required_ratio',
  'compression_max_blob_size',
  'compression_min_blob_size',
  'csum_type',
  'csum_max_block',
  'csum_min_block',
  'fingerprint_algorithm',
  'pg_autoscale_mode',
  'pg_num_min',
  'pg_num_max',
  'target_size_bytes',
  'target_size_ratio',
  'pg_autoscale_bias',
  'dedup_tier',
  'dedup_chunk_algorithm',
  'dedup_cdc_chunk_size',
  'bulk',
];
const erasureVariables = new Set(['allow_ec_overwrites', 'erasure_code_profile']);

type Value =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** A C++ bool: true in JSON, 1 in plain output. */
  | { readonly kind: 'number-bool'; readonly value: boolean }
  | { readonly kind: 'ratio'; readonly micro: number }
  | { readonly kind: 'string'; readonly value: string };

const flagNames = new Set([
  'hashpspool',
  'nodelete',
  'nopgchange',
  'nosizechange',
  'write_fadvise_dontneed',
  'noscrub',
  'nodeep-scrub',
  'bulk',
]);

function numberOf(pool: PgPool, name: string): number | undefined {
  switch (name) {
    case 'size':
      return pool.size;
    case 'min_size':
      return pool.minSize;
    case 'pg_num':
      return pool.pgNum;
    case 'pgp_num':
      return pool.pgpNum;
    case 'fast_read':
      return pool.fastRead ? 1 : 0;
    case 'hit_set_period':
      return pool.hitSetPeriod;
    case 'hit_set_count':
      return pool.hitSetCount;
    case 'target_max_objects':
      return pool.targetMaxObjects;
    case 'target_max_bytes':
      return pool.targetMaxBytes;
    case 'cache_min_flush_age':
      return pool.cacheMinFlushAge;
    case 'cache_min_evict_age':
      return pool.cacheMinEvictAge;
    case 'min_read_recency_for_promote':
      return pool.minReadRecencyForPromote;
    case 'min_write_recency_for_promote':
      return pool.minWriteRecencyForPromote;
    case 'hit_set_grade_decay_rate':
      return pool.hitSetGradeDecayRate;
    case 'hit_set_search_last_n':
      return pool.hitSetSearchLastN;
    default:
      return undefined;
  }
}

/** Value of a variable; undefined for one that is not set. */
function variableOf(pool: PgPool, name: string, ruleName: (rule: number) => string): Value | undefined {
  const n = numberOf(pool, name);
  if (n !== undefined) return { kind: 'int', value: n };
  if (flagNames.has(name)) return { kind: 'bool', value: pool.hasFlag(poolFlagFromName(name)) };
  switch (name) {
    case 'crush_rule':
      return { kind: 'string', value: ruleName(pool.crushRule) };
    case 'allow_ec_overwrites':
      return { kind: 'bool', value: pool.hasFlag(poolFlag.EC_OVERWRITES) };
    case 'use_gmt_hitset':
      return { kind: 'number-bool', value: pool.useGmtHitset };
    case 'pg_autoscale_mode':
      return { kind: 'string', value: pgAutoscaleModeName(pool.pgAutoscaleMode) };
    case 'erasure_code_profile':
      return { kind: 'string', value: pool.erasureCodeProfile };
    case 'hit_set_type':
      return { kind: 'string', value: pool.hitSetParams.type };
    case 'hit_set_fpp':
      return pool.hitSetParams.type === 'bloom'
        ? { kind: 'float', value: pool.hitSetParams.fppMicro / 1e6 }
        : undefined;
    case 'cache_target_dirty_ratio':
      return { kind: 'ratio', micro: pool.cacheTargetDirtyRatioMicro };
    case 'cache_target_dirty_high_ratio':
      return { kind: 'ratio', micro: pool.cacheTargetDirtyHighRatioMicro };
    case 'cache_target_full_ratio':
      return { kind: 'ratio', micro: pool.cacheTargetFullRatioMicro };
  }
  if (!isPoolOptName(name)) return undefined;
  return optionOf(pool, name);
}

function optionOf(pool: PgPool, name: PoolOptName): Value | undefined {
  const value = getPoolOpt(pool.opts, name);
  if (value === undefined) return undefined;
  if (name === 'csum_type') return { kind: 'string', value: csumTypes[Number(value)] ?? '???' };
  if (typeof value === 'string') return { kind: 'string', value };
  return { kind: poolOptType(name) === 'double' ? 'float' : 'int', value };
}

function write(f: Formatter, name: string, v: Value): void {
  if (v.kind === 'int') f.int(name, v.value);
  else if (v.kind === 'float') f.float(name, v.value);
  else if (v.kind === 'string') f.string(name, v.value);
  else if (v.kind === 'ratio') {
    f.int(`${name}_micro`, v.micro);
    f.float(name, Math.fround(v.micro) / 1e6);
  } else f.bool(name, v.value);
}

function text(v: Value): string {
  if (v.kind === 'ratio') return formatG(v.micro / 1e6);
  if (v.kind === 'float') return formatG(v.value);
  if (v.kind === 'number-bool') return v.value ? '1' : '0';
  return String(v.value);
}

/** `osd pool get POOL VARIABLE` into `f`, or as plain text. @throws ErrnoError */
export function getPoolVariable(
  pool: PgPool,
  id: number,
  poolName: string,
  variable: string,
  ruleName: (rule: number) => string,
  f: Formatter | undefined,
): string {
  let names = [variable];
  if (variable === 'all') {
    names = variables.filter(
      (v) => (pool.isTier || !tierVariables.has(v)) && (pool.isErasure || !erasureVariables.has(v)),
    );
  } else {
    if (!variables.includes(variable)) {
      throw new ErrnoError('EINVAL', `pool '${poolName}': invalid variable: '${variable}'`);
    }
    if (!pool.isTier && tierVariables.has(variable)) {
      throw new ErrnoError('EACCES', `pool '${poolName}' is not a tier pool: variable not applicable`);
    }
    if (!pool.isErasure && erasureVariables.has(variable)) {
      throw new ErrnoError('EACCES', `pool '${poolName}' is not a erasure pool: variable not applicable`);
    }
    if (isPoolOptName(variable) && getPoolOpt(pool.opts, variable) === undefined) {
      throw new ErrnoError('ENOENT', `option '${variable}' is not set on pool '${poolName}'`);
    }
  }
  if (f === undefined) {
    let out = '';
    for (const name of names) {
      const v = variableOf(pool, name, ruleName);
      if (v !== undefined) out += `${name}: ${text(v)}\n`;
    }
    return out;
  }
  f.openObject('pool');
  f.string('pool', poolName);
  f.int('pool_id', id);
  for (const name of names) {
    const v = variableOf(pool, name, ruleName);
    if (v !== undefined) write(f, name, v);
  }
  f.close();
  return f.flush();
}
