/**
 * Object operation codes and flags as they travel in MOSDOp (include/rados.h of Ceph 16.2). A code is mode | type | number.
 */
const RD = 0x1000;
const WR = 0x2000;
const RMW = RD | WR;
const CACHE = 0x8000;
const DATA = 0x0200;
const ATTR = 0x0300;
const EXEC = 0x0400;
const PG = 0x0500;

export const OP_MODE_RD = RD;
export const OP_MODE_WR = WR;
export const OP_MODE_CACHE = CACHE;
export const OP_TYPE_MASK = 0x0f00;
export const OP_TYPE_PG = PG;

export const opCode = {
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
  WRITE: WR | DATA | 1,
  WRITEFULL: WR | DATA | 2,
  TRUNCATE: WR | DATA | 3,
  ZERO: WR | DATA | 4,
  DELETE: WR | DATA | 5,
  APPEND: WR | DATA | 6,
  STARTSYNC: WR | DATA | 7,
  SETTRUNC: WR | DATA | 8,
  TRIMTRUNC: WR | DATA | 9,
  TMAPUP: RMW | DATA | 10,
  TMAPPUT: WR | DATA | 11,
  TMAPGET: RD | DATA | 12,
  CREATE: WR | DATA | 13,
  ROLLBACK: WR | DATA | 14,
  WATCH: WR | DATA | 15,
  OMAPGETKEYS: RD | DATA | 17,
  OMAPGETVALS: RD | DATA | 18,
  OMAPGETHEADER: RD | DATA | 19,
  OMAPGETVALSBYKEYS: RD | DATA | 20,
  OMAPSETVALS: WR | DATA | 21,
  OMAPSETHEADER: WR | DATA | 22,
  OMAPCLEAR: WR | DATA | 23,
  OMAPRMKEYS: WR | DATA | 24,
  OMAP_CMP: RD | DATA | 25,
  COPY_FROM: WR | DATA | 26,
  UNDIRTY: WR | DATA | 28,
  ISDIRTY: RD | DATA | 29,
  COPY_GET: RD | DATA | 30,
  CHECKSUM: RD | DATA | 31,
  CACHE_FLUSH: CACHE | DATA | 31,
  CMPEXT: RD | DATA | 32,
  CACHE_EVICT: CACHE | DATA | 32,
  CACHE_TRY_FLUSH: CACHE | DATA | 33,
  TMAP2OMAP: RMW | DATA | 34,
  SETALLOCHINT: WR | DATA | 35,
  CACHE_PIN: WR | DATA | 36,
  CACHE_UNPIN: WR | DATA | 37,
  WRITESAME: WR | DATA | 38,
  SET_REDIRECT: WR | DATA | 39,
  SET_CHUNK: CACHE | DATA | 40,
  TIER_PROMOTE: WR | DATA | 41,
  UNSET_MANIFEST: WR | DATA | 42,
  TIER_FLUSH: CACHE | DATA | 43,
  OMAPRMKEYRANGE: WR | DATA | 44,
  TIER_EVICT: CACHE | DATA | 44,
  COPY_FROM2: WR | DATA | 45,
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

const NAMES = new Map<number, string>([
  [opCode.READ, 'read'],
  [opCode.STAT, 'stat'],
  [opCode.MAPEXT, 'mapext'],
  [opCode.MASKTRUNC, 'masktrunc'],
  [opCode.SPARSE_READ, 'sparse-read'],
  [opCode.NOTIFY, 'notify'],
  [opCode.NOTIFY_ACK, 'notify-ack'],
  [opCode.ASSERT_VER, 'assert-version'],
  [opCode.LIST_WATCHERS, 'list-watchers'],
  [opCode.LIST_SNAPS, 'list-snaps'],
  [opCode.SYNC_READ, 'sync_read'],
  [opCode.WRITE, 'write'],
  [opCode.WRITEFULL, 'writefull'],
  [opCode.TRUNCATE, 'truncate'],
  [opCode.ZERO, 'zero'],
  [opCode.DELETE, 'delete'],
  [opCode.APPEND, 'append'],
  [opCode.STARTSYNC, 'startsync'],
  [opCode.SETTRUNC, 'settrunc'],
  [opCode.TRIMTRUNC, 'trimtrunc'],
  [opCode.TMAPUP, 'tmapup'],
  [opCode.TMAPPUT, 'tmapput'],
  [opCode.TMAPGET, 'tmapget'],
  [opCode.CREATE, 'create'],
  [opCode.ROLLBACK, 'rollback'],
  [opCode.WATCH, 'watch'],
  [opCode.OMAPGETKEYS, 'omap-get-keys'],
  [opCode.OMAPGETVALS, 'omap-get-vals'],
  [opCode.OMAPGETHEADER, 'omap-get-header'],
  [opCode.OMAPGETVALSBYKEYS, 'omap-get-vals-by-keys'],
  [opCode.OMAPSETVALS, 'omap-set-vals'],
  [opCode.OMAPSETHEADER, 'omap-set-header'],
  [opCode.OMAPCLEAR, 'omap-clear'],
  [opCode.OMAPRMKEYS, 'omap-rm-keys'],
  [opCode.OMAPRMKEYRANGE, 'omap-rm-key-range'],
  [opCode.OMAP_CMP, 'omap-cmp'],
  [opCode.COPY_FROM, 'copy-from'],
  [opCode.COPY_FROM2, 'copy-from2'],
  [opCode.UNDIRTY, 'undirty'],
  [opCode.ISDIRTY, 'isdirty'],
  [opCode.COPY_GET, 'copy-get'],
  [opCode.CHECKSUM, 'checksum'],
  [opCode.CACHE_FLUSH, 'cache-flush'],
  [opCode.CACHE_EVICT, 'cache-evict'],
  [opCode.CACHE_TRY_FLUSH, 'cache-try-flush'],
  [opCode.TMAP2OMAP, 'tmap2omap'],
  [opCode.SETALLOCHINT, 'set-alloc-hint'],
  [opCode.CACHE_PIN, 'cache-pin'],
  [opCode.CACHE_UNPIN, 'cache-unpin'],
  [opCode.WRITESAME, 'write-same'],
  [opCode.CMPEXT, 'cmpext'],
  [opCode.SET_REDIRECT, 'set-redirect'],
  [opCode.SET_CHUNK, 'set-chunk'],
  [opCode.TIER_PROMOTE, 'tier-promote'],
  [opCode.UNSET_MANIFEST, 'unset-manifest'],
  [opCode.TIER_FLUSH, 'tier-flush'],
  [opCode.TIER_EVICT, 'tier-evict'],
  [opCode.GETXATTR, 'getxattr'],
  [opCode.GETXATTRS, 'getxattrs'],
  [opCode.CMPXATTR, 'cmpxattr'],
  [opCode.SETXATTR, 'setxattr'],
  [opCode.SETXATTRS, 'setxattrs'],
  [opCode.RESETXATTRS, 'resetxattrs'],
  [opCode.RMXATTR, 'rmxattr'],
  [opCode.CALL, 'call'],
  [opCode.PGLS, 'pgls'],
  [opCode.PGLS_FILTER, 'pgls-filter'],
  [opCode.PG_HITSET_LS, 'pg-hitset-ls'],
  [opCode.PG_HITSET_GET, 'pg-hitset-get'],
  [opCode.PGNLS, 'pgnls'],
  [opCode.PGNLS_FILTER, 'pgnls-filter'],
  [opCode.SCRUBLS, 'scrubls'],
]);

export function opName(code: number): string {
  return NAMES.get(code) ?? '???';
}

/** CEPH_OSD_FLAG_*: of the whole request. */
export const opFlag = {
  ACK: 0x0001,
  ONNVRAM: 0x0002,
  ONDISK: 0x0004,
  RETRY: 0x0008,
  READ: 0x0010,
  WRITE: 0x0020,
  ORDERSNAP: 0x0040,
  BALANCE_READS: 0x0100,
  PARALLELEXEC: 0x0200,
  PGOP: 0x0400,
  EXEC: 0x0800,
  LOCALIZE_READS: 0x2000,
  RWORDERED: 0x4000,
  IGNORE_CACHE: 0x8000,
  SKIPRWLOCKS: 0x10000,
  IGNORE_OVERLAY: 0x20000,
  FLUSH: 0x40000,
  MAP_SNAP_CLONE: 0x80000,
  ENFORCE_SNAPC: 0x100000,
  REDIRECTED: 0x200000,
  KNOWN_REDIR: 0x400000,
  FULL_TRY: 0x800000,
  FULL_FORCE: 0x1000000,
  IGNORE_REDIRECT: 0x2000000,
  RETURNVEC: 0x4000000,
} as const;

/** CEPH_OSD_OP_FLAG_*: of one operation in the request. */
export const subOpFlag = {
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

/** CEPH_OSD_CMPXATTR_OP_* and _MODE_*. */
export const cmpOp = { EQ: 1, NE: 2, GT: 3, GTE: 4, LT: 5, LTE: 6 } as const;
export const cmpMode = { STRING: 1, U64: 2 } as const;

/** CEPH_OSD_WATCH_OP_*. */
export const watchOp = { UNWATCH: 0, LEGACY_WATCH: 1, WATCH: 3, RECONNECT: 5, PING: 7 } as const;

/** CEPH_OSD_CHECKSUM_OP_TYPE_*. */
export const checksumType = { XXHASH32: 0, XXHASH64: 1, CRC32C: 2 } as const;
