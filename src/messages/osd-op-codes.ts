/**
 * Codes and flags of object operations (include/rados.h of Ceph 16.2). A code is mode | type | number.
 */
export const opMode = { RD: 0x1000, WR: 0x2000, SUB: 0x4000, CACHE: 0x8000, MASK: 0xf000 } as const;
export const opType = { LOCK: 0x0100, DATA: 0x0200, ATTR: 0x0300, EXEC: 0x0400, PG: 0x0500, MASK: 0x0f00 } as const;

const { RD, WR, CACHE } = opMode;
const { DATA, ATTR, EXEC, PG } = opType;

/** CEPH_OSD_OP_*. */
export const osdOp = {
  READ: RD | DATA | 1,
  STAT: RD | DATA | 2,
  MAPEXT: RD | DATA | 3,
  MASKTRUNC: RD | DATA | 4,
  SPARSE_READ: RD | DATA | 5,
  NOTIFY: RD | DATA | 6,
  NOTIFY_ACK: RD | DATA | 7,
  ASSERT_VER: RD | DATA | 8,
  LIST_WATCHERS: RD | DATA | 9,
  LIST_SNAPS: RD | DATA | 10,
  SYNC_READ: RD | DATA | 11,
  TMAPGET: RD | DATA | 12,
  OMAPGETKEYS: RD | DATA | 17,
  OMAPGETVALS: RD | DATA | 18,
  OMAPGETHEADER: RD | DATA | 19,
  OMAPGETVALSBYKEYS: RD | DATA | 20,
  OMAP_CMP: RD | DATA | 25,
  ISDIRTY: RD | DATA | 29,
  COPY_GET: RD | DATA | 30,
  CHECKSUM: RD | DATA | 31,
  CMPEXT: RD | DATA | 32,
  WRITE: WR | DATA | 1,
  WRITEFULL: WR | DATA | 2,
  TRUNCATE: WR | DATA | 3,
  ZERO: WR | DATA | 4,
  DELETE: WR | DATA | 5,
  APPEND: WR | DATA | 6,
  STARTSYNC: WR | DATA | 7,
  SETTRUNC: WR | DATA | 8,
  TRIMTRUNC: WR | DATA | 9,
  TMAPUP: RD | WR | DATA | 10,
  TMAPPUT: WR | DATA | 11,
  CREATE: WR | DATA | 13,
  ROLLBACK: WR | DATA | 14,
  WATCH: WR | DATA | 15,
  OMAPSETVALS: WR | DATA | 21,
  OMAPSETHEADER: WR | DATA | 22,
  OMAPCLEAR: WR | DATA | 23,
  OMAPRMKEYS: WR | DATA | 24,
  COPY_FROM: WR | DATA | 26,
  UNDIRTY: WR | DATA | 28,
  TMAP2OMAP: RD | WR | DATA | 34,
  SETALLOCHINT: WR | DATA | 35,
  CACHE_PIN: WR | DATA | 36,
  CACHE_UNPIN: WR | DATA | 37,
  WRITESAME: WR | DATA | 38,
  SET_REDIRECT: WR | DATA | 39,
  TIER_PROMOTE: WR | DATA | 41,
  UNSET_MANIFEST: WR | DATA | 42,
  OMAPRMKEYRANGE: WR | DATA | 44,
  COPY_FROM2: WR | DATA | 45,
  CACHE_FLUSH: CACHE | DATA | 31,
  CACHE_EVICT: CACHE | DATA | 32,
  CACHE_TRY_FLUSH: CACHE | DATA | 33,
  SET_CHUNK: CACHE | DATA | 40,
  TIER_FLUSH: CACHE | DATA | 43,
  TIER_EVICT: CACHE | DATA | 44,
  GETXATTR: RD | ATTR | 1,
  GETXATTRS: RD | ATTR | 2,
  CMPXATTR: RD | ATTR | 3,
  SETXATTR: WR | ATTR | 1,
  SETXATTRS: WR | ATTR | 2,
  RESETXATTRS: WR | ATTR | 3,
  RMXATTR: WR | ATTR | 4,
  CALL: RD | EXEC | 1,
  PGLS: RD | PG | 1,
  PGLS_FILTER: RD | PG | 2,
  PG_HITSET_LS: RD | PG | 3,
  PG_HITSET_GET: RD | PG | 4,
  PGNLS: RD | PG | 5,
  PGNLS_FILTER: RD | PG | 6,
  SCRUBLS: RD | PG | 7,
} as const;

/** Names that are not the constant's in lower case with `_` as `-`. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [osdOp.ASSERT_VER, 'assert-version'],
  [osdOp.SYNC_READ, 'sync_read'],
  [osdOp.OMAPGETKEYS, 'omap-get-keys'],
  [osdOp.OMAPGETVALS, 'omap-get-vals'],
  [osdOp.OMAPGETHEADER, 'omap-get-header'],
  [osdOp.OMAPGETVALSBYKEYS, 'omap-get-vals-by-keys'],
  [osdOp.OMAPSETVALS, 'omap-set-vals'],
  [osdOp.OMAPSETHEADER, 'omap-set-header'],
  [osdOp.OMAPCLEAR, 'omap-clear'],
  [osdOp.OMAPRMKEYS, 'omap-rm-keys'],
  [osdOp.OMAPRMKEYRANGE, 'omap-rm-key-range'],
  [osdOp.SETALLOCHINT, 'set-alloc-hint'],
  [osdOp.WRITESAME, 'write-same'],
]);

const NAME_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(osdOp).map(([key, code]) => [code, NAMES.get(code) ?? key.toLowerCase().replaceAll('_', '-')]),
);

/** `omap-get-keys`; `???` for an unknown code. */
export function osdOpName(code: number): string {
  return NAME_OF.get(code) ?? '???';
}

/** Whether the operation reads by itself; of a class call, its method decides. */
export function osdOpReads(code: number): boolean {
  return (code & opMode.RD) !== 0 && code !== osdOp.CALL;
}

/** Whether the operation modifies. */
export function osdOpWrites(code: number): boolean {
  return (code & opMode.WR) !== 0;
}

const EXTENT_OPS: ReadonlySet<number> = new Set([
  osdOp.READ,
  osdOp.MAPEXT,
  osdOp.MASKTRUNC,
  osdOp.SPARSE_READ,
  osdOp.SYNC_READ,
  osdOp.WRITE,
  osdOp.WRITEFULL,
  osdOp.TRUNCATE,
  osdOp.ZERO,
  osdOp.APPEND,
  osdOp.TRIMTRUNC,
  osdOp.CMPEXT,
]);

/** Whether its offset and length are those of the extent form. */
export function osdOpUsesExtent(code: number): boolean {
  return EXTENT_OPS.has(code);
}

/** CEPH_OSD_FLAG_*: of a whole request. */
export const osdFlag = {
  ACK: 0x0001,
  ONNVRAM: 0x0002,
  ONDISK: 0x0004,
  RETRY: 0x0008,
  READ: 0x0010,
  WRITE: 0x0020,
  ORDERSNAP: 0x0040,
  PEERSTAT_OLD: 0x0080,
  BALANCE_READS: 0x0100,
  PARALLELEXEC: 0x0200,
  PGOP: 0x0400,
  EXEC: 0x0800,
  EXEC_PUBLIC: 0x1000,
  LOCALIZE_READS: 0x2000,
  RWORDERED: 0x4000,
  IGNORE_CACHE: 0x8000,
  SKIPRWLOCKS: 0x1_0000,
  IGNORE_OVERLAY: 0x2_0000,
  FLUSH: 0x4_0000,
  MAP_SNAP_CLONE: 0x8_0000,
  ENFORCE_SNAPC: 0x10_0000,
  REDIRECTED: 0x20_0000,
  KNOWN_REDIR: 0x40_0000,
  FULL_TRY: 0x80_0000,
  FULL_FORCE: 0x100_0000,
  IGNORE_REDIRECT: 0x200_0000,
  RETURNVEC: 0x400_0000,
} as const;

const FLAG_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(osdFlag).map(([key, flag]) => [
    flag,
    flag === osdFlag.KNOWN_REDIR ? 'known_if_redirected' : key.toLowerCase(),
  ]),
);

/** `ondisk+write+known_if_redirected`, `-` for none. */
export function formatOsdFlags(flags: number): string {
  const names: string[] = [];
  for (let i = 0; i < 32; i++) {
    const flag = 2 ** i;
    if ((flags & flag) !== 0) names.push(FLAG_NAMES.get(flag) ?? '???');
  }
  return names.length === 0 ? '-' : names.join('+');
}

/** CEPH_OSD_OP_FLAG_*: of one operation. */
export const osdOpFlag = {
  EXCL: 0x1,
  FAILOK: 0x2,
  FADVISE_RANDOM: 0x4,
  FADVISE_SEQUENTIAL: 0x8,
  FADVISE_WILLNEED: 0x10,
  FADVISE_DONTNEED: 0x20,
  FADVISE_NOCACHE: 0x40,
  WITH_REFERENCE: 0x80,
  BYPASS_CLEAN_CACHE: 0x100,
} as const;

/** CEPH_OSD_CMPXATTR_OP_*; librados' comparison of omap values uses them too. */
export const cmpxattrOp = { EQ: 1, NE: 2, GT: 3, GTE: 4, LT: 5, LTE: 6 } as const;
export const cmpxattrMode = { STRING: 1, U64: 2 } as const;
export const watchOp = { UNWATCH: 0, LEGACY_WATCH: 1, WATCH: 3, RECONNECT: 5, PING: 7 } as const;
export const checksumType = { XXHASH32: 0, XXHASH64: 1, CRC32C: 2 } as const;
export const copyFromFlag = {
  FLUSH: 1,
  IGNORE_OVERLAY: 2,
  IGNORE_CACHE: 4,
  MAP_SNAP_CLONE: 8,
  RWORDERED: 16,
  TRUNCATE_SEQ: 32,
} as const;
export const allocHintFlag = {
  SEQUENTIAL_WRITE: 1,
  RANDOM_WRITE: 2,
  SEQUENTIAL_READ: 4,
  RANDOM_READ: 8,
  APPEND_ONLY: 16,
  IMMUTABLE: 32,
  SHORTLIVED: 64,
  LONGLIVED: 128,
  COMPRESSIBLE: 256,
  INCOMPRESSIBLE: 512,
} as const;
/** CEPH_OSD_BACKOFF_OP_*. */
export const backoffOp = { BLOCK: 1, ACK_BLOCK: 2, UNBLOCK: 3 } as const;
