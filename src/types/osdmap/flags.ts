/** CEPH_OSDMAP_*: flags of the whole map. */
export const osdMapFlag = {
  NEARFULL: 1 << 0,
  FULL: 1 << 1,
  PAUSERD: 1 << 2,
  PAUSEWR: 1 << 3,
  PAUSEREC: 1 << 4,
  NOUP: 1 << 5,
  NODOWN: 1 << 6,
  NOOUT: 1 << 7,
  NOIN: 1 << 8,
  NOBACKFILL: 1 << 9,
  NORECOVER: 1 << 10,
  NOSCRUB: 1 << 11,
  NODEEP_SCRUB: 1 << 12,
  NOTIERAGENT: 1 << 13,
  NOREBALANCE: 1 << 14,
  SORTBITWISE: 1 << 15,
  REQUIRE_JEWEL: 1 << 16,
  REQUIRE_KRAKEN: 1 << 17,
  REQUIRE_LUMINOUS: 1 << 18,
  RECOVERY_DELETES: 1 << 19,
  PURGED_SNAPDIRS: 1 << 20,
  NOSNAPTRIM: 1 << 21,
  PGLOG_HARDLIMIT: 1 << 22,
} as const;

export const OSDMAP_LEGACY_REQUIRE_FLAGS =
  osdMapFlag.REQUIRE_JEWEL | osdMapFlag.REQUIRE_KRAKEN | osdMapFlag.REQUIRE_LUMINOUS;

/** Flags that `ceph -s` does not speak of. */
export const OSDMAP_SEMIHIDDEN_FLAGS =
  OSDMAP_LEGACY_REQUIRE_FLAGS |
  osdMapFlag.RECOVERY_DELETES |
  osdMapFlag.SORTBITWISE |
  osdMapFlag.PURGED_SNAPDIRS |
  osdMapFlag.PGLOG_HARDLIMIT;

/** In the order in which they are printed. FULL and NEARFULL have left the print. */
const MAP_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [osdMapFlag.PAUSERD, 'pauserd'],
  [osdMapFlag.PAUSEWR, 'pausewr'],
  [osdMapFlag.PAUSEREC, 'pauserec'],
  [osdMapFlag.NOUP, 'noup'],
  [osdMapFlag.NODOWN, 'nodown'],
  [osdMapFlag.NOOUT, 'noout'],
  [osdMapFlag.NOIN, 'noin'],
  [osdMapFlag.NOBACKFILL, 'nobackfill'],
  [osdMapFlag.NOREBALANCE, 'norebalance'],
  [osdMapFlag.NORECOVER, 'norecover'],
  [osdMapFlag.NOSCRUB, 'noscrub'],
  [osdMapFlag.NODEEP_SCRUB, 'nodeep-scrub'],
  [osdMapFlag.NOTIERAGENT, 'notieragent'],
  [osdMapFlag.NOSNAPTRIM, 'nosnaptrim'],
  [osdMapFlag.SORTBITWISE, 'sortbitwise'],
  [osdMapFlag.REQUIRE_JEWEL, 'require_jewel_osds'],
  [osdMapFlag.REQUIRE_KRAKEN, 'require_kraken_osds'],
  [osdMapFlag.REQUIRE_LUMINOUS, 'require_luminous_osds'],
  [osdMapFlag.RECOVERY_DELETES, 'recovery_deletes'],
  [osdMapFlag.PURGED_SNAPDIRS, 'purged_snapdirs'],
  [osdMapFlag.PGLOG_HARDLIMIT, 'pglog_hardlimit'],
];

/** `noout,sortbitwise,...` */
export function osdMapFlagsText(flags: number): string {
  return MAP_FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(',');
}

/** Names of the flags set, sorted; '' for each bit without a name, once, as Ceph's set of them holds it. */
export function osdMapFlagSet(flags: number): string[] {
  const names = new Set<string>();
  for (let i = 0; i < 32; i++) if ((flags & (1 << i)) !== 0) names.add(osdMapFlagsText(1 << i));
  return [...names].sort();
}

/** CEPH_OSD_*: state of one OSD in the map. */
export const osdState = {
  EXISTS: 1 << 0,
  UP: 1 << 1,
  /** Marked out by the monitor, not by the operator. */
  AUTOOUT: 1 << 2,
  /** Never been in. */
  NEW: 1 << 3,
  FULL: 1 << 4,
  NEARFULL: 1 << 5,
  BACKFILLFULL: 1 << 6,
  DESTROYED: 1 << 7,
  NOUP: 1 << 8,
  NODOWN: 1 << 9,
  NOIN: 1 << 10,
  NOOUT: 1 << 11,
  STOP: 1 << 12,
} as const;

const STATE_NAMES = [
  'exists',
  'up',
  'autoout',
  'new',
  'full',
  'nearfull',
  'backfillfull',
  'destroyed',
  'noup',
  'nodown',
  'noin',
  'noout',
  'stop',
];

/** Names of the state bits, sorted. */
export function osdStateSet(state: number): string[] {
  const names = new Set<string>();
  for (let i = 0; i < 32; i++) if ((state & (1 << i)) !== 0) names.add(STATE_NAMES[i] ?? '???');
  return [...names].sort();
}

/** The state bit called `name`; 0 where there is none. */
export function osdStateFromName(name: string): number {
  const i = STATE_NAMES.indexOf(name);
  return i < 0 ? 0 : 1 << i;
}

/** Weight of an OSD that is in, in 16.16 fixed point; 0 is out. */
export const OSD_IN = 0x10000;
export const OSD_OUT = 0;
/** Primary affinity 1.0, which is the default. */
export const PRIMARY_AFFINITY_MAX = 0x10000;
export const PRIMARY_AFFINITY_DEFAULT = 0x10000;
