import { type Codec, list, plain, string, struct, u32, u64num } from '../../encoding/index.ts';
import { namedBytes } from './recovery.ts';
import { type Snapid, snapid } from './snapid.ts';

// What scrubs found, as `rados list-inconsistent-obj` and `-snapset` ask for it (common/scrub_types.h, rados_types.hpp).

/** What is wrong with one copy of an object (err_t). */
export const shardError = {
  MISSING: 1 << 1,
  STAT_ERROR: 1 << 2,
  READ_ERROR: 1 << 3,
  DATA_DIGEST_MISMATCH_INFO: 1 << 9,
  OMAP_DIGEST_MISMATCH_INFO: 1 << 10,
  SIZE_MISMATCH_INFO: 1 << 11,
  INFO_MISSING: 1 << 14,
  INFO_CORRUPTED: 1 << 15,
  SNAPSET_MISSING: 1 << 16,
  SNAPSET_CORRUPTED: 1 << 17,
  OBJ_SIZE_INFO_MISMATCH: 1 << 18,
} as const;

/** Those that only reading the data finds. */
export const SHARD_DEEP_ERRORS =
  shardError.READ_ERROR | shardError.DATA_DIGEST_MISMATCH_INFO | shardError.OMAP_DIGEST_MISMATCH_INFO;

/** In what the copies of an object differ (obj_err_t). */
export const objectError = {
  OBJECT_INFO_INCONSISTENCY: 1 << 1,
  DATA_DIGEST_MISMATCH: 1 << 4,
  OMAP_DIGEST_MISMATCH: 1 << 5,
  SIZE_MISMATCH: 1 << 6,
  ATTR_VALUE_MISMATCH: 1 << 7,
  ATTR_NAME_MISMATCH: 1 << 8,
  SNAPSET_INCONSISTENCY: 1 << 9,
  SIZE_TOO_LARGE: 1 << 11,
} as const;

export const OBJECT_DEEP_ERRORS = objectError.DATA_DIGEST_MISMATCH | objectError.OMAP_DIGEST_MISMATCH;

/** What is wrong with an object's clones. */
export const snapsetError = {
  SNAPSET_MISSING: 1 << 0,
  SNAPSET_CORRUPTED: 1 << 1,
  CLONE_MISSING: 1 << 2,
  SNAP_ERROR: 1 << 3,
  HEADLESS_CLONE: 1 << 5,
  SIZE_MISMATCH: 1 << 6,
  INFO_MISSING: 1 << 7,
  INFO_CORRUPTED: 1 << 8,
  EXTRA_CLONES: 1 << 9,
} as const;

/** object_id_t. */
export interface ObjectId {
  readonly name: string;
  readonly nspace: string;
  readonly locator: string;
  readonly snap: Snapid;
}

export const objectId: Codec<ObjectId> = struct(
  'object_id_t',
  { version: 1, compat: 1 },
  { name: string, nspace: string, locator: string, snap: snapid },
);

/** shard_info_t: one copy. A missing one has nothing but its errors. */
export interface ShardInfo {
  /** Mask of {@link shardError}. */
  errors: number;
  primary: boolean;
  attrs: ReadonlyMap<string, Uint8Array>;
  size: number;
  omapDigest: number | undefined;
  dataDigest: number | undefined;
  /** Its object info is the one that the others were compared with. */
  selectedOi: boolean;
}

export function makeShardInfo(primary: boolean): ShardInfo {
  const attrs = new Map<string, Uint8Array>();
  return { errors: 0, primary, attrs, size: 2 ** 64, omapDigest: undefined, dataDigest: undefined, selectedOi: false };
}

export const shardInfo: Codec<ShardInfo> = {
  name: 'shard_info_t',
  length_min: 6,
  encode(w, s) {
    const token = w.structStart(3, 3);
    w.u64num(s.errors);
    w.bool(s.primary);
    if ((s.errors & shardError.MISSING) === 0) {
      namedBytes.encode(w, new Map(s.attrs));
      w.u64num(s.size);
      w.bool(s.omapDigest !== undefined);
      w.u32(s.omapDigest ?? 0);
      w.bool(s.dataDigest !== undefined);
      w.u32(s.dataDigest ?? 0);
      w.bool(s.selectedOi);
    }
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(3);
    const errors = r.u64num();
    const s = makeShardInfo(r.bool());
    s.errors = errors;
    if ((errors & shardError.MISSING) === 0) {
      s.attrs = namedBytes.decode(r);
      s.size = r.u64num();
      const hasOmap = r.bool();
      const omap = r.u32();
      if (hasOmap) s.omapDigest = omap;
      const hasData = r.bool();
      const data = r.u32();
      if (hasData) s.dataDigest = data;
      s.selectedOi = r.bool();
    }
    r.structEnd(frame);
    return s;
  },
};

/** inconsistent_obj_t. */
export interface InconsistentObject {
  /** Mask of {@link objectError}. */
  errors: number;
  readonly object: ObjectId;
  /** User version. */
  version: number;
  /** By OSD (replicated pools: no shards). */
  shards: Map<number, ShardInfo>;
  /** All that is wrong with any copy. */
  unionErrors: number;
}

export const inconsistentObject: Codec<InconsistentObject> = {
  name: 'inconsistent_obj_t',
  length_min: 6,
  encode(w, x) {
    const token = w.structStart(2, 2);
    w.u64num(x.errors);
    objectId.encode(w, x.object);
    w.u64num(x.version);
    w.u32(x.shards.size);
    for (const [osd, shard] of [...x.shards].sort((a, b) => a[0] - b[0])) {
      const id = w.structStart(1, 1);
      w.s32(osd);
      w.s8(-1);
      w.structEnd(id);
      shardInfo.encode(w, shard);
    }
    w.u64num(x.unionErrors);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const errors = r.u64num();
    const object = objectId.decode(r);
    const version = r.u64num();
    const shards = new Map<number, ShardInfo>();
    for (let n = r.count(17); n > 0; n--) {
      const id = r.structStart(1);
      const osd = r.s32();
      r.s8();
      r.structEnd(id);
      shards.set(osd, shardInfo.decode(r));
    }
    const unionErrors = r.u64num();
    r.structEnd(frame);
    return { errors, object, version, shards, unionErrors };
  },
};

/** inconsistent_snapset_t. `snapset` are the bytes of the object's SnapSet. */
export interface InconsistentSnapset {
  /** Mask of {@link snapsetError}. */
  errors: number;
  readonly object: ObjectId;
  clones: Snapid[];
  missing: Snapid[];
  snapset: Uint8Array;
}

const bytes: Codec<Uint8Array> = {
  name: 'bufferlist',
  length_min: 4,
  encode: (w, b) => w.blob(b),
  decode: (r) => r.blob(),
};

export const inconsistentSnapset: Codec<InconsistentSnapset> = struct(
  'inconsistent_snapset_t',
  { version: 2, compat: 1 },
  { errors: u64num, object: objectId, clones: list(snapid), missing: list(snapid), snapset: bytes },
);

/** What SCRUBLS asks: from after an object on, in the interval that the asker believes in (0: whichever). */
export const scrubLsArg = struct(
  'scrub_ls_arg_t',
  { version: 1, compat: 1 },
  {
    interval: u32,
    getSnapsets: u32,
    startAfter: plain('start_after', { name: string, nspace: string, snap: snapid }),
    max: u64num,
  },
);

/** Its answer: encoded inconsistent_obj_t or inconsistent_snapset_t. */
export const scrubLsResult = struct(
  'scrub_ls_result_t',
  { version: 1, compat: 1 },
  { interval: u32, values: list(bytes) },
);
