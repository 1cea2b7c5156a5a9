import {
  between,
  bool,
  byNumber,
  byString,
  type Codec,
  list,
  optional,
  plain,
  type Reader,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u32,
  u64,
  u64num,
  type Writer,
} from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import { IntervalSet, intervalSet } from '../interval-set.ts';
import { hashObjectKey, stableMod, stableModMask, strHash } from '../str-hash.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type HitSetParams, hitSetParams } from './hit-set.ts';
import { type PgMergeMeta, pgMergeMeta, pgMergeMetaNone } from './merge-meta.ts';
import { type PoolOpts, poolOpts } from './opts.ts';

export const poolType = { REPLICATED: 1, ERASURE: 3 } as const;

export function poolTypeName(type: number): string {
  if (type === poolType.REPLICATED) return 'replicated';
  return type === poolType.ERASURE ? 'erasure' : '???';
}

/** pg_pool_t::FLAG_* */
export const poolFlag = {
  HASHPSPOOL: 1 << 0,
  FULL: 1 << 1,
  EC_OVERWRITES: 1 << 2,
  INCOMPLETE_CLONES: 1 << 3,
  NODELETE: 1 << 4,
  NOPGCHANGE: 1 << 5,
  NOSIZECHANGE: 1 << 6,
  WRITE_FADVISE_DONTNEED: 1 << 7,
  NOSCRUB: 1 << 8,
  NODEEP_SCRUB: 1 << 9,
  FULL_QUOTA: 1 << 10,
  NEARFULL: 1 << 11,
  BACKFILLFULL: 1 << 12,
  SELFMANAGED_SNAPS: 1 << 13,
  POOL_SNAPS: 1 << 14,
  CREATING: 1 << 15,
  /** Clients get EIO for everything. */
  EIO: 1 << 16,
  /** Expected to be large: the autoscaler starts it with many PGs. */
  BULK: 1 << 17,
} as const;

const FLAG_NAMES = [
  'hashpspool',
  'full',
  'ec_overwrites',
  'incomplete_clones',
  'nodelete',
  'nopgchange',
  'nosizechange',
  'write_fadvise_dontneed',
  'noscrub',
  'nodeep-scrub',
  'full_quota',
  'nearfull',
  'backfillfull',
  'selfmanaged_snaps',
  'pool_snaps',
  'creating',
  'eio',
  'bulk',
];

/** Names of the flags, lowest bit first, with commas between. */
export function poolFlagsText(flags: number): string {
  const names: string[] = [];
  for (let i = 0; i < 32; i++) if ((flags & (1 << i)) !== 0) names.push(FLAG_NAMES[i] ?? '???');
  return names.join(',');
}

/** The flag called `name`; 0 where there is none. */
export function poolFlagFromName(name: string): number {
  const i = FLAG_NAMES.indexOf(name);
  return i < 0 ? 0 : 1 << i;
}

/** Values of PgPool.cacheMode. */
export const cacheModeNames = [
  'none',
  'writeback',
  'forward',
  'readonly',
  'readforward',
  'readproxy',
  'proxy',
] as const;

/** Values of PgPool.pgAutoscaleMode. */
export const pgAutoscaleMode = { OFF: 0, WARN: 1, ON: 2, UNKNOWN: 255 } as const;

export function pgAutoscaleModeName(mode: number): string {
  return ['off', 'warn', 'on'][mode] ?? '???';
}

/** The mode called `name`; UNKNOWN where there is none. */
export function pgAutoscaleModeFromName(name: string): number {
  const mode = ['off', 'warn', 'on'].indexOf(name);
  return mode < 0 ? pgAutoscaleMode.UNKNOWN : mode;
}

/** pool_snap_info_t */
export interface PoolSnapInfo {
  readonly id: number;
  readonly stamp: Utime;
  readonly name: string;
}

const poolSnapInfo: Codec<PoolSnapInfo> = struct(
  'pool_snap_info_t',
  { version: 2, compat: 2 },
  { id: u64num, stamp: utime, name: string },
);

/** Application name to its own key-value pairs: `rbd`, `rgw`, `cephfs`. */
export type ApplicationMetadata = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A count from outside may claim four billion hit sets; nobody keeps more than these. */
export const HIT_SETS_GRADED_MAX = 65_536;

/** What stands for "no bucket" in peeringCrushMandatoryMember. */
export const PEERING_MEMBER_NONE = 0x7fffffff;

/**
 * pg_pool_t: one pool of an OSDMap. In a map it is a value; {@link PgPool.clone} it to prepare a changed one. Its id and name are in the
 * map beside it.
 */
export class PgPool {
  createTime: Utime = utimeZero;
  /** Bits of {@link poolFlag}. */
  flags = 0;
  /** One of {@link poolType}. */
  type: number = poolType.REPLICATED;
  /** Copies, or k + m. */
  size = 0;
  /** Copies that must be there for I/O. */
  minSize = 0;
  /** Id of the CRUSH rule. */
  crushRule = 0;
  /** One of {@link strHash}. */
  objectHash: number = strHash.RJENKINS;
  /** One of {@link pgAutoscaleMode}. */
  pgAutoscaleMode: number = pgAutoscaleMode.UNKNOWN;
  pgNum = 0;
  pgpNum = 0;
  /** What pgNum is about to shrink to. */
  pgNumPending = 0;
  pgNumTarget = 0;
  pgpNumTarget = 0;
  /** Obsolete. */
  properties: ReadonlyMap<string, string> = new Map();
  erasureCodeProfile = '';
  /** Epoch of the last change other than snapshots. */
  lastChange = 0;
  /** Stretch mode: copies must be in at least this many buckets ... */
  peeringCrushBucketCount = 0;
  peeringCrushBucketTarget = 0;
  /** ... of this type ... */
  peeringCrushBucketBarrier = 0;
  /** ... one of which is this. */
  peeringCrushMandatoryMember = PEERING_MEMBER_NONE;
  /** Epochs that made clients send their operations again, for clients of this and of older releases. */
  lastForceOpResend = 0;
  lastForceOpResendPrenautilus = 0;
  lastForceOpResendPreluminous = 0;
  lastPgMergeMeta: PgMergeMeta = pgMergeMetaNone;
  snapSeq = 0;
  /** Epoch of the last snapshot. */
  snapEpoch = 0;
  auid = 0n;
  /** 0: none. */
  quotaMaxBytes = 0;
  quotaMaxObjects = 0;
  /** Pool snapshots by id. */
  snaps: ReadonlyMap<number, PoolSnapInfo> = new Map();
  /** Removed self-managed snapshots, where the map is from before Octopus. */
  removedSnaps: IntervalSet = IntervalSet.empty;
  /** Pools that are cache tiers of this one. */
  tiers: readonly number[] = [];
  /** -1: none. */
  tierOf = -1;
  readTier = -1;
  writeTier = -1;
  /** Index into {@link cacheModeNames}. */
  cacheMode = 0;
  targetMaxBytes = 0;
  targetMaxObjects = 0;
  cacheTargetDirtyRatioMicro = 0;
  cacheTargetDirtyHighRatioMicro = 0;
  cacheTargetFullRatioMicro = 0;
  /** Seconds. */
  cacheMinFlushAge = 0;
  cacheMinEvictAge = 0;
  hitSetParams: HitSetParams = { type: 'none' };
  /** Seconds. */
  hitSetPeriod = 0;
  hitSetCount = 0;
  useGmtHitset = true;
  minReadRecencyForPromote = 0;
  minWriteRecencyForPromote = 0;
  hitSetGradeDecayRate = 0;
  hitSetSearchLastN = 0;
  /** Bytes; erasure pools. */
  stripeWidth = 0;
  expectedNumObjects = 0;
  fastRead = false;
  opts: PoolOpts = new Map();
  applicationMetadata: ApplicationMetadata = new Map();

  constructor(fields: Partial<PgPoolFields> = {}) {
    Object.assign(this, fields);
  }

  clone(changes: Partial<PgPoolFields> = {}): PgPool {
    return Object.assign(new PgPool(), this, changes);
  }

  hasFlag(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  get isReplicated(): boolean {
    return this.type === poolType.REPLICATED;
  }

  get isErasure(): boolean {
    return this.type === poolType.ERASURE;
  }

  /** Whether a missing member of the set closes up (replicated) or leaves a hole (erasure: position is the shard). */
  get canShiftOsds(): boolean {
    return this.type !== poolType.ERASURE;
  }

  get supportsOmap(): boolean {
    return !this.isErasure;
  }

  get requiresAlignedAppend(): boolean {
    return this.isErasure && !this.hasFlag(poolFlag.EC_OVERWRITES);
  }

  get isTier(): boolean {
    return this.tierOf >= 0;
  }

  get isPoolSnapsMode(): boolean {
    return this.hasFlag(poolFlag.POOL_SNAPS);
  }

  get isUnmanagedSnapsMode(): boolean {
    return this.hasFlag(poolFlag.SELFMANAGED_SNAPS);
  }

  get isStretchPool(): boolean {
    return this.peeringCrushBucketCount !== 0;
  }

  get pgNumMask(): number {
    return stableModMask(this.pgNum);
  }

  get pgpNumMask(): number {
    return stableModMask(this.pgpNum);
  }

  /** Hash of an object's name, or of its locator key where it has one. */
  hashKey(key: string, namespace = ''): number {
    return hashObjectKey(this.objectHash, key, namespace);
  }

  /** The PG's seed for a hash: stable modulo pgNum. */
  rawPgToPg(hash: number): number {
    return stableMod(hash, this.pgNum, stableModMask(this.pgNum));
  }

  /** Pool snapshots, newest first, as a client's snap context lists them. */
  get snapContext(): { seq: number; snaps: number[] } {
    return { seq: this.snapSeq, snaps: [...this.snaps.keys()].sort((a, b) => b - a) };
  }

  /** What `hitSetGradeDecayRate` makes of one after another hit set, in millionths; of the first {@link HIT_SETS_GRADED_MAX} only. */
  get gradeTable(): number[] {
    const grades: number[] = [];
    let v = 1_000_000;
    for (let i = 0; i < Math.min(this.hitSetCount, HIT_SETS_GRADED_MAX); i++) {
      v = Math.trunc(v * (1 - this.hitSetGradeDecayRate / 100));
      grades.push(v);
    }
    return grades;
  }
}

const lateFlags = poolFlag.SELFMANAGED_SNAPS | poolFlag.POOL_SNAPS | poolFlag.CREATING;

/** Flags, without those that programs before Mimic take for something else. */
const flagsCodec: Codec<number> = {
  name: 'u64',
  length_min: 8,
  encode: (w, flags) => w.u64num(hasFeature(w.features, feature.SERVER_MIMIC) ? flags : flags & ~lateFlags),
  decode: (r) => r.u64num(),
};

const VERSION = 30;
const COMPAT = 5;

/** Version for a receiver: v30 carries stretch mode and is sent only where it is used. */
function versionFor(features: bigint): { version: number; compat: number } {
  let version = 29;
  if (!hasFeature(features, feature.NEW_OSDOP_ENCODING)) version = 21;
  else if (!hasFeature(features, feature.SERVER_LUMINOUS)) version = 24;
  else if (!hasFeature(features, feature.SERVER_MIMIC)) version = 26;
  else if (!hasFeature(features, feature.SERVER_NAUTILUS)) version = 27;
  return { version, compat: COMPAT };
}

const zero = (): number => 0;
const none = (): number => -1;

/** Stretch mode as versions from 31 on have it: for all pools, but empty for most. */
const stretchPeering = plain('peering_crush_data', {
  peeringCrushBucketCount: u32,
  peeringCrushBucketTarget: u32,
  peeringCrushBucketBarrier: u32,
  peeringCrushMandatoryMember: s32,
});

/** Fields in the order of the wire; `_` names are ones no longer used. Written from v18 on, read from v5. */
const fields = {
  type: u8,
  size: u8,
  crushRule: u8,
  objectHash: u8,
  pgNum: u32,
  pgpNum: u32,
  _lpgNum: u32,
  _lpgpNum: u32,
  lastChange: u32,
  snapSeq: u64num,
  snapEpoch: u32,
  snaps: sortedMap(u64num, poolSnapInfo, byNumber),
  removedSnaps: intervalSet,
  auid: u64,
  flags: flagsCodec,
  _crashReplayInterval: u32,
  minSize: since(7, u8, none),
  quotaMaxBytes: since(8, u64num, zero),
  quotaMaxObjects: since(8, u64num, zero),
  tiers: since(9, list(u64num), (): number[] => []),
  tierOf: since(9, s64num, none),
  cacheMode: since(9, u8, zero),
  readTier: since(9, s64num, none),
  writeTier: since(9, s64num, none),
  properties: since(10, sortedMap(string, string, byString), () => new Map<string, string>()),
  hitSetParams: since(11, hitSetParams, (): HitSetParams => ({ type: 'none' })),
  hitSetPeriod: since(11, u32, zero),
  hitSetCount: since(11, u32, zero),
  stripeWidth: since(12, u32, zero),
  targetMaxBytes: since(13, u64num, zero),
  targetMaxObjects: since(13, u64num, zero),
  cacheTargetDirtyRatioMicro: since(13, u32, zero),
  cacheTargetFullRatioMicro: since(13, u32, zero),
  cacheMinFlushAge: since(13, u32, zero),
  cacheMinEvictAge: since(13, u32, zero),
  erasureCodeProfile: since(14, string, () => ''),
  lastForceOpResendPreluminous: since(15, u32, zero),
  minReadRecencyForPromote: since(16, u32, () => 1),
  expectedNumObjects: since(17, u64num, zero),
  cacheTargetDirtyHighRatioMicro: since(19, u32, none),
  minWriteRecencyForPromote: since(20, u32, () => 1),
  useGmtHitset: since(21, bool, () => false),
  fastRead: since(22, bool, () => false),
  hitSetGradeDecayRate: since(23, u32, zero),
  hitSetSearchLastN: since(23, u32, () => 1),
  opts: since(24, poolOpts, (): PoolOpts => new Map()),
  lastForceOpResendPrenautilus: since(25, u32, none),
  applicationMetadata: since(
    26,
    sortedMap(string, sortedMap(string, string, byString), byString) as Codec<ApplicationMetadata>,
    (): ApplicationMetadata => new Map(),
  ),
  createTime: since(27, utime, () => utimeZero),
  pgNumTarget: since(28, u32, none),
  pgpNumTarget: since(28, u32, none),
  pgNumPending: since(28, u32, none),
  _mergeLastEpochStarted: since(28, u32, zero),
  _mergeLastEpochClean: since(28, u32, zero),
  lastForceOpResend: since(28, u32, none),
  pgAutoscaleMode: since(28, u8, () => pgAutoscaleMode.WARN as number),
  lastPgMergeMeta: since(29, pgMergeMeta, () => pgMergeMetaNone),
  peeringCrushBucketCount: between(30, 31, u32, zero),
  peeringCrushBucketTarget: between(30, 31, u32, zero),
  peeringCrushBucketBarrier: between(30, 31, u32, zero),
  peeringCrushMandatoryMember: between(30, 31, s32, () => PEERING_MEMBER_NONE),
  // What follows is of Ceph 18 and later, and skipped: shards that never become primary.
  _peering: since(31, optional(stretchPeering), () => undefined),
};

/** The fields of a {@link PgPool} that can be given or changed. */
export type PgPoolFields = Omit<
  { [K in keyof PgPool as PgPool[K] extends (...args: never) => unknown ? never : K]: PgPool[K] },
  | 'isReplicated'
  | 'isErasure'
  | 'canShiftOsds'
  | 'supportsOmap'
  | 'requiresAlignedAppend'
  | 'isTier'
  | 'isPoolSnapsMode'
  | 'isUnmanagedSnapsMode'
  | 'isStretchPool'
  | 'pgNumMask'
  | 'pgpNumMask'
  | 'snapContext'
  | 'gradeTable'
>;

const wire = struct('pg_pool_t', { version: VERSION, compat: COMPAT, forFeatures: versionFor }, fields);
const wireStretch = struct('pg_pool_t', { version: VERSION, compat: COMPAT }, fields);
type Wire = ReturnType<typeof wire.decode>;

/** Fields that a writer of an older version left out and whose value follows from others. */
function fillIn(w: Wire): void {
  const snapFlags = poolFlag.SELFMANAGED_SNAPS | poolFlag.POOL_SNAPS;
  if (w.snapSeq > 0 && (w.flags & snapFlags) === 0) {
    w.flags |= w.removedSnaps.isEmpty ? poolFlag.POOL_SNAPS : poolFlag.SELFMANAGED_SNAPS;
  }
  if (w.minSize < 0) w.minSize = w.size - Math.floor(w.size / 2);
  if (w.cacheTargetDirtyHighRatioMicro < 0) w.cacheTargetDirtyHighRatioMicro = w.cacheTargetDirtyRatioMicro;
  if (w.lastForceOpResendPrenautilus < 0) w.lastForceOpResendPrenautilus = w.lastForceOpResendPreluminous;
  if (w.lastForceOpResend < 0) w.lastForceOpResend = w.lastForceOpResendPrenautilus;
  if (w.pgNumTarget < 0) w.pgNumTarget = w.pgNum;
  if (w.pgpNumTarget < 0) w.pgpNumTarget = w.pgpNum;
  if (w.pgNumPending < 0) w.pgNumPending = w.pgNum;
}

/** pg_pool_t. Receivers without OSD_POOLRESEND (before Firefly's end) are not written for. */
export const pgPool: Codec<PgPool> = {
  name: 'pg_pool_t',
  length_min: 6,
  encode(w: Writer, pool: PgPool): void {
    const extra = {
      _lpgNum: 0,
      _lpgpNum: 0,
      _crashReplayInterval: 0,
      _mergeLastEpochStarted: 0,
      _mergeLastEpochClean: 0,
      _peering: undefined,
    };
    const value = { ...pool, ...extra } as unknown as Wire;
    const stretch = pool.isStretchPool && versionFor(w.features).version === 29;
    (stretch ? wireStretch : wire).encode(w, value);
  },
  decode(r: Reader): PgPool {
    const value = wire.decode(r);
    fillIn(value);
    const { _lpgNum, _lpgpNum, _crashReplayInterval, _mergeLastEpochStarted, _mergeLastEpochClean, _peering, ...rest } =
      value;
    return new PgPool(_peering === undefined ? rest : { ...rest, ..._peering });
  },
};
