import { ErrnoError } from '../../base/index.ts';
import {
  isPoolOptName,
  type PgPool,
  type PoolOptName,
  pgAutoscaleMode,
  pgAutoscaleModeFromName,
  poolFlag,
  poolFlagFromName,
  poolOptType,
  setPoolOpt,
  unsetPoolOpt,
} from '../../types/index.ts';
import { parseIec, parseReal, parseSi, parseWhole } from './numbers.ts';

/** What setting a pool's variable needs to know beyond the pool. */
export interface PoolSetContext {
  readonly allowSizeOne: boolean;
  /** Least size that I/O needs by default for a pool of `size`. */
  defaultMinSize(size: number): number;
  /** Throws where a rule cannot serve a pool of this type and size. */
  checkRule(rule: number, type: number, size: number): void;
  /** Throws ERANGE where OSDs would get too many PGs. */
  checkPgNum(pgNum: number, size: number): void;
  ruleId(name: string): number | undefined;
  poolId(name: string): number | undefined;
  /** Whether OSDs and the manager can split and merge PGs yet. */
  readonly canChangePgNum: boolean;
}

/** Variables that only cache tiers have. */
export const tierVariables: ReadonlySet<string> = new Set([
  'hit_set_type',
  'hit_set_period',
  'hit_set_count',
  'hit_set_fpp',
  'target_max_objects',
  'target_max_bytes',
  'cache_target_full_ratio',
  'cache_target_dirty_ratio',
  'cache_target_dirty_high_ratio',
  'cache_min_flush_age',
  'cache_min_evict_age',
  'hit_set_grade_decay_rate',
  'hit_set_search_last_n',
  'min_read_recency_for_promote',
  'min_write_recency_for_promote',
]);

const flagVariables = new Set([
  'nodelete',
  'nopgchange',
  'nosizechange',
  'write_fadvise_dontneed',
  'noscrub',
  'nodeep-scrub',
  'bulk',
]);
const iecVariables = new Set([
  'target_size_bytes',
  'compression_max_blob_size',
  'compression_min_blob_size',
  'csum_max_block',
  'csum_min_block',
]);
/** Values of `csum_type` by their number (Checksummer::CSumType); 0 is not used. */
export const csumTypes = ['', 'none', 'xxhash32', 'xxhash64', 'crc32c', 'crc32c_16', 'crc32c_8'];
const compressionModes = ['none', 'passive', 'aggressive', 'force'];
const compressionAlgorithms = ['none', 'snappy', 'zlib', 'zstd', 'lz4'];
const fingerprintAlgorithms = ['none', 'sha1', 'sha256', 'sha512'];
const dedupAlgorithms = ['fastcdc', 'fixed'];

function invalid(message: string): never {
  throw new ErrnoError('EINVAL', message);
}

function whole(text: string): number {
  const n = parseWhole(text);
  return typeof n === 'number' ? n : invalid(`error parsing integer value '${text}': ${n.error}`);
}

function truth(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  return invalid("expecting value 'true', 'false', '0', or '1'");
}

/**
 * The pool with one variable changed, as `ceph osd pool set` does. `lastChange` is the caller's. Undefined where it has that value already.
 * @throws ErrnoError
 */
export function setPoolVariable(
  pool: PgPool,
  variable: string,
  text: string,
  sure: boolean,
  context: PoolSetContext,
): PgPool | undefined {
  if (!pool.isTier && tierVariables.has(variable)) {
    throw new ErrnoError('EACCES', 'not a tier pool: variable not applicable');
  }
  if (flagVariables.has(variable)) {
    const flag = poolFlagFromName(variable);
    return pool.clone({ flags: truth(text) ? pool.flags | flag : pool.flags & ~flag });
  }
  switch (variable) {
    case 'size':
      return setSize(pool, whole(text), sure, context);
    case 'min_size': {
      refuseSizeChange(pool, 'pool min size');
      const n = whole(text);
      if (pool.isErasure) throw new ErrnoError('EOPNOTSUPP', 'erasure coded pools are not supported yet');
      if (n < 1 || n > pool.size) {
        invalid(`pool min_size must be between 1 and size, which is set to ${pool.size}`);
      }
      return pool.clone({ minSize: n });
    }
    case 'pg_num':
    case 'pgp_num':
    case 'pgp_num_actual':
      return setPgNum(pool, variable, whole(text), context);
    case 'crush_rule': {
      const rule = context.ruleId(text);
      if (rule === undefined) throw new ErrnoError('ENOENT', `crush rule ${text} does not exist`);
      context.checkRule(rule, pool.type, pool.size);
      return pool.clone({ crushRule: rule });
    }
    case 'hashpspool': {
      if (!sure) {
        throw new ErrnoError(
          'EPERM',
          'are you SURE?  this will remap all placement groups in this pool, this triggers large data movement, pass --yes-i-really-mean-it if you really do.',
        );
      }
      const flags = truth(text) ? pool.flags | poolFlag.HASHPSPOOL : pool.flags & ~poolFlag.HASHPSPOOL;
      return pool.clone({ flags });
    }
    case 'pg_autoscale_mode': {
      const mode = pgAutoscaleModeFromName(text);
      if (mode === pgAutoscaleMode.UNKNOWN) invalid(`specified invalid mode ${text}`);
      return pool.clone({ pgAutoscaleMode: mode });
    }
    case 'use_gmt_hitset':
      if (text !== 'true' && text !== '1') invalid("expecting value 'true' or '1'");
      return pool.clone({ useGmtHitset: true });
    case 'allow_ec_overwrites':
      if (!pool.isErasure) invalid('ec overwrites can only be enabled for an erasure coded pool');
      throw new ErrnoError('EOPNOTSUPP', 'erasure coded pools are not supported yet');
    case 'fast_read':
      if (pool.isReplicated) invalid('fast read is not supported in replication pool');
      return pool.clone({ fastRead: truth(text) });
    default:
      if (isPoolOptName(variable)) return setOption(pool, variable, text, context);
      if (tierVariables.has(variable)) throw new ErrnoError('EOPNOTSUPP', 'cache tiers are not supported yet');
      return invalid(`unrecognized variable '${variable}'`);
  }
}

function refuseSizeChange(pool: PgPool, what: string): void {
  if (!pool.hasFlag(poolFlag.NOSIZECHANGE)) return;
  throw new ErrnoError('EPERM', `${what} change is disabled; you must unset nosizechange flag for the pool first`);
}

function setSize(pool: PgPool, n: number, sure: boolean, context: PoolSetContext): PgPool {
  refuseSizeChange(pool, 'pool size');
  if (pool.isErasure) throw new ErrnoError('EOPNOTSUPP', 'can not change the size of an erasure-coded pool');
  if (n <= 0 || n > 10) invalid('pool size must be between 1 and 10');
  if (n === 1) {
    if (!context.allowSizeOne) throw new ErrnoError('EPERM', 'configuring pool size as 1 is disabled by default.');
    if (!sure) {
      throw new ErrnoError(
        'EPERM',
        'WARNING: setting pool size 1 could lead to data loss without recovery. If you are *ABSOLUTELY CERTAIN* that is what you want, pass the flag --yes-i-really-mean-it.',
      );
    }
  }
  context.checkRule(pool.crushRule, pool.type, n);
  context.checkPgNum(pool.pgNum, n);
  return pool.clone({ size: n, minSize: context.defaultMinSize(n) });
}

function setPgNum(pool: PgPool, variable: string, n: number, context: PoolSetContext): PgPool | undefined {
  const kind = variable === 'pg_num' ? 'pg_num' : 'pgp_num';
  if (pool.hasFlag(poolFlag.NOPGCHANGE)) {
    throw new ErrnoError('EPERM', `pool ${kind} change is disabled; you must unset nopgchange flag for the pool first`);
  }
  if (kind === 'pg_num') {
    if (n === pool.pgNumTarget) return undefined;
    if (n <= 0) throw new ErrnoError('ERANGE', "'pg_num' must be greater than 0");
    if (!context.canChangePgNum) {
      throw new ErrnoError(
        'EOPNOTSUPP',
        `pg_num of a pool cannot be changed yet; it stays ${pool.pgNumTarget}. Make a pool with the pg_num you want`,
      );
    }
    context.checkPgNum(n, pool.size);
    const follow = pool.pgNumTarget === pool.pgpNumTarget ? { pgpNumTarget: n } : {};
    return pool.clone({ pgNumTarget: n, ...follow });
  }
  if (n <= 0) invalid(`specified pgp_num must > 0, but you set to ${n}`);
  if (n > pool.pgNumTarget) invalid(`specified pgp_num ${n} > pg_num ${pool.pgNumTarget}`);
  // Without a manager module that walks pgp_num to its target in steps, it is set at once.
  return pool.clone({ pgpNumTarget: n, pgpNum: n });
}

function setOption(pool: PgPool, name: PoolOptName, text: string, context: PoolSetContext): PgPool {
  const type = poolOptType(name)!;
  const unset = text === 'unset';
  if (type === 'str') {
    if (unset) return pool.clone({ opts: unsetPoolOpt(pool.opts, name) });
    checkTextOption(name, text);
    return pool.clone({ opts: setPoolOpt(pool.opts, name, text) });
  }
  const value = unset ? 0 : type === 'int' ? wholeOption(pool, name, text, context) : realOption(name, text);
  const opts = value === 0 ? unsetPoolOpt(pool.opts, name) : setPoolOpt(pool.opts, name, value);
  return pool.clone({ opts });
}

function checkTextOption(name: PoolOptName, text: string): void {
  if (name === 'compression_mode' && !compressionModes.includes(text)) {
    invalid(`unrecognized compression mode '${text}'`);
  }
  if (name === 'compression_algorithm' && !compressionAlgorithms.includes(text)) {
    invalid(`unrecognized compression_algorithm '${text}'`);
  }
  if (name === 'fingerprint_algorithm' && !fingerprintAlgorithms.includes(text)) {
    invalid(`unrecognized fingerprint_algorithm '${text}'`);
  }
  if (name === 'dedup_chunk_algorithm' && !dedupAlgorithms.includes(text)) {
    invalid(`unrecognized fingerprint_algorithm '${text}'`);
  }
}

function wholeOption(pool: PgPool, name: PoolOptName, text: string, context: PoolSetContext): number {
  if (name === 'csum_type') {
    const type = csumTypes.indexOf(text);
    return type > 0 ? type : invalid(`unrecognized csum_type '${text}'`);
  }
  if (name === 'dedup_tier') {
    const id = context.poolId(text);
    if (id === undefined) throw new ErrnoError('ENOENT', `unrecognized pool '${text}'`);
    return id;
  }
  const n = iecVariables.has(name) ? parseIec(text) : parseWhole(text);
  if (typeof n !== 'number') return invalid(`error parsing int value '${text}': ${n.error}`);
  if (name === 'pg_num_min' && n > pool.pgNumTarget) {
    invalid(`specified pg_num_min ${n} > pg_num ${pool.pgNumTarget}`);
  }
  if ((name as string) === 'pg_num_max' && n < pool.pgNumTarget) {
    invalid(`specified pg_num_max ${n} < pg_num ${pool.pgNumTarget}`);
  }
  if (name === 'recovery_priority' && (n > 10 || n < -10)) {
    invalid('pool recovery_priority must be between -10 and 10');
  }
  return n;
}

function realOption(name: PoolOptName, text: string): number {
  const x = parseReal(text);
  if (typeof x !== 'number') return invalid(`error parsing floating point value '${text}': ${x.error}`);
  if (name === 'compression_required_ratio' && (x < 0 || x > 1)) {
    invalid(`compression_required_ratio is out of range (0-1): '${text}'`);
  }
  if (name === 'pg_autoscale_bias' && (x < 0 || x > 1000)) invalid('pg_autoscale_bias must be between 0 and 1000');
  return x;
}

/** Limits of a quota's value: `max_objects` in SI units, `max_bytes` in IEC units. */
export function parseQuota(field: string, text: string): number {
  const n = field === 'max_objects' ? parseSi(text) : parseIec(text);
  if (typeof n !== 'number') return invalid(`error parsing value '${text}': ${n.error}`);
  if (n < 0) invalid(`error parsing value '${text}': must not be negative`);
  return n;
}
