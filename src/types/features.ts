/**
 * Connection feature bits (CEPH_FEATURE_*). Bits are reused over the years: a bit of the second or third incarnation only means
 * what it says together with the bits that mark the incarnation, so features are masks and are tested with {@link hasFeature}.
 */
const bit = (n: number): bigint => 1n << BigInt(n);

/** Marks the second use of a bit: SERVER_JEWEL. */
const INCARNATION_2 = bit(57);
/** Marks the third: also SERVER_MIMIC. */
const INCARNATION_3 = bit(57) | bit(28);

/** Masks: the bit and the marks of its incarnation. */
export const feature = {
  UID: bit(0),
  NOSRCADDR: bit(1),
  SERVER_NAUTILUS: bit(2) | INCARNATION_3,
  FLOCK: bit(3),
  SUBSCRIBE2: bit(4),
  MONNAMES: bit(5),
  RECONNECT_SEQ: bit(6),
  DIRLAYOUTHASH: bit(7),
  OBJECTLOCATOR: bit(8),
  PGID64: bit(9),
  INCSUBOSDMAP: bit(10),
  PGPOOL3: bit(11),
  OSDREPLYMUX: bit(12),
  OSDENC: bit(13),
  SERVER_KRAKEN: bit(14) | INCARNATION_2,
  MONENC: bit(15),
  SERVER_OCTOPUS: bit(16) | INCARNATION_3,
  OSD_REPOP_MLCOD: bit(16) | INCARNATION_3,
  OS_PERF_STAT_NS: bit(17) | INCARNATION_3,
  CRUSH_TUNABLES: bit(18),
  OSD_PGLOG_HARDLIMIT: bit(19) | INCARNATION_2,
  SERVER_PACIFIC: bit(20) | INCARNATION_3,
  SERVER_LUMINOUS: bit(21) | INCARNATION_2,
  RESEND_ON_SPLIT: bit(21) | INCARNATION_2,
  RADOS_BACKOFF: bit(21) | INCARNATION_2,
  OSDMAP_PG_UPMAP: bit(21) | INCARNATION_2,
  CRUSH_CHOOSE_ARGS: bit(21) | INCARNATION_2,
  OSD_FIXED_COLLECTION_LIST: bit(22) | INCARNATION_2,
  MSG_AUTH: bit(23),
  RECOVERY_RESERVATION_2: bit(24) | INCARNATION_2,
  CRUSH_TUNABLES2: bit(25),
  CREATEPOOLID: bit(26),
  REPLY_CREATE_INODE: bit(27),
  SERVER_MIMIC: bit(28) | INCARNATION_2,
  MDSENC: bit(29),
  OSDHASHPSPOOL: bit(30),
  MON_SINGLE_PAXOS: bit(31),
  SERVER_REEF: bit(31) | INCARNATION_3,
  STRETCH_MODE: bit(32) | INCARNATION_3,
  OSD_CACHEPOOL: bit(35),
  CRUSH_V2: bit(36),
  EXPORT_PEER: bit(37),
  OSDMAP_ENC: bit(39),
  MDS_INLINE_DATA: bit(40),
  CRUSH_TUNABLES3: bit(41),
  OSD_PRIMARY_AFFINITY: bit(41),
  MSGR_KEEPALIVE2: bit(42),
  OSD_POOLRESEND: bit(43),
  OSD_FADVISE_FLAGS: bit(46),
  MDS_QUOTA: bit(47),
  CRUSH_V4: bit(48),
  NEW_OSDOP_ENCODING: bit(56),
  MON_STATEFUL_SUB: bit(57),
  SERVER_JEWEL: bit(57),
  CRUSH_TUNABLES5: bit(58),
  NEW_OSDOPREPLY_ENCODING: bit(58),
  FS_FILE_LAYOUT_V2: bit(58),
  FS_BTIME: bit(59),
  FS_CHANGE_ATTR: bit(59),
  MSG_ADDR2: bit(59),
  OSD_RECOVERY_DELETES: bit(60),
  CEPHX_V2: bit(61),
} as const;

/** True where `features` has every bit of `mask`, which should come from {@link feature}. */
export function hasFeature(features: bigint, mask: bigint): boolean {
  return (features & mask) === mask;
}

/** What Ceph 16.2.15 advertises (`ceph features` shows it): CEPH_FEATURES_ALL. */
export const CEPH_FEATURES_ALL = 0x3f01cfbdfffdffffn;
export const CEPH_FEATURES_SUPPORTED_DEFAULT = CEPH_FEATURES_ALL;

/** Features that a CRUSH map may ask of its readers. */
export const CEPH_FEATURES_CRUSH =
  feature.CRUSH_TUNABLES |
  feature.CRUSH_TUNABLES2 |
  feature.CRUSH_TUNABLES3 |
  feature.CRUSH_TUNABLES5 |
  feature.CRUSH_V2 |
  feature.CRUSH_V4 |
  feature.CRUSH_CHOOSE_ARGS;

/** `0x3f01cfbdfffdffff` */
export function formatFeatures(features: bigint): string {
  return `0x${features.toString(16)}`;
}
