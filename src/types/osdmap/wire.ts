import {
  between,
  blob,
  bool,
  byNumber,
  type Codec,
  f32,
  list,
  map,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u32,
  u64,
} from '../../encoding/index.ts';
import { type EntityAddr, entityAddr } from '../entity-addr.ts';
import { feature, hasFeature } from '../features.ts';
import { type IntervalSet, intervalSet } from '../interval-set.ts';
import { pgKeyCodec, pgMap } from '../pg-key.ts';
import { type PgPool, pgPool } from '../pool/index.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { uuid } from '../uuid.ts';
import {
  addrs,
  addrsList,
  type Blocklist,
  blocklist,
  type ErasureProfiles,
  erasureProfiles,
  osdList,
  type UpmapItem,
  upmapItem,
} from './fields.ts';
import { osdInfo, osdXinfo } from './records.ts';

/**
 * The two parts of an OSDMap and of an Incremental, as they lie on the wire:
 *
 *     u8 8, u8 7, u32 length              the wrapper
 *       u8 v, u8 1, u32 length            what clients use
 *       u8 v, u8 1, u32 length            what OSDs use besides
 *       u32 crc                           crc32c of everything else in the wrapper, its header included
 *       u32 crc of the resulting map      (Incremental only)
 *
 * The versions of the parts follow the receiver's features, back to Luminous; v before that is read, not written.
 */
const none = <T>(): T[] => [];
const zero = (): number => 0;

function ladder(features: bigint, steps: { newest: number; nautilus: number; mimic: number }): number {
  if (!hasFeature(features, feature.SERVER_MIMIC)) return steps.mimic;
  if (!hasFeature(features, feature.SERVER_NAUTILUS)) return steps.nautilus;
  return steps.newest;
}

const snapQueue: Codec<Map<number, IntervalSet>> = sortedMap(s64num, intervalSet, byNumber);
const pools: Codec<Map<number, PgPool>> = sortedMap(s64num, pgPool, byNumber);
const poolNames: Codec<Map<number, string>> = sortedMap(s64num, string, byNumber);
const byOsd = <T>(value: Codec<T>): Codec<Map<number, T>> => sortedMap(s32, value, byNumber);
/** std::set of numbers, written in order. */
function idSet(element: Codec<number>): Codec<Set<number>> {
  const elements = list(element);
  return {
    name: `set<${element.name}>`,
    length_min: 4,
    encode: (w, ids) => elements.encode(w, [...ids].sort(byNumber)),
    decode: (r) => new Set(elements.decode(r)),
  };
}

const noSnaps = (): Map<number, IntervalSet> => new Map();
const noUpmap = (): Map<number, readonly number[]> => new Map();
const noUpmapItems = (): Map<number, readonly UpmapItem[]> => new Map();
const noPrimaries = (): Map<number, number> => new Map();
const upmapItems: Codec<readonly UpmapItem[]> = list(upmapItem);

const fullClient = {
  fsid: uuid,
  epoch: u32,
  created: utime,
  modified: utime,
  pools,
  poolNames,
  poolMax: s32,
  flags: u32,
  maxOsd: s32,
  osdStateOld: between(0, 5, list(u8), none<number>),
  osdState: since(5, list(u32), none<number>),
  osdWeight: list(u32),
  clientAddrs: addrsList,
  pgTemp: pgMap(osdList),
  primaryTemp: pgMap(s32),
  primaryAffinity: since(2, list(u32), none<number>),
  crushBytes: blob,
  erasureCodeProfiles: since(3, erasureProfiles, (): ErasureProfiles => new Map()),
  pgUpmap: since(4, pgMap(osdList), noUpmap),
  pgUpmapItems: since(4, pgMap(upmapItems), noUpmapItems),
  crushVersion: since(6, u32, () => 1),
  newRemovedSnaps: since(7, snapQueue, noSnaps),
  newPurgedSnaps: since(7, snapQueue, noSnaps),
  lastUpChange: since(9, utime, () => utimeZero),
  lastInChange: since(9, utime, () => utimeZero),
  pgUpmapPrimaries: since(10, pgMap(s32), noPrimaries),
};

const fullOsd = {
  hbBackAddrs: addrsList,
  osdInfo: list(osdInfo),
  blocklist,
  clusterAddrs: addrsList,
  clusterSnapshotEpoch: u32,
  clusterSnapshot: string,
  osdUuid: list(uuid),
  osdXinfo: list(osdXinfo),
  hbFrontAddrs: addrsList,
  nearfullRatio: since(2, f32, zero),
  fullRatio: since(2, f32, zero),
  backfillfullRatio: since(3, f32, zero),
  minCompatClientName: between(4, 5, string, () => ''),
  requireMinCompatClient: since(5, u8, zero),
  requireOsdRelease: since(5, u8, zero),
  removedSnapsQueue: since(6, snapQueue, noSnaps),
  crushNodeFlags: since(8, byOsd(u32), (): Map<number, number> => new Map()),
  deviceClassFlags: since(9, byOsd(u32), (): Map<number, number> => new Map()),
  stretchModeEnabled: since(10, bool, () => false),
  stretchBucketCount: since(10, u32, zero),
  degradedStretchMode: since(10, u32, zero),
  recoveringStretchMode: since(10, u32, zero),
  stretchModeBucket: since(10, s32, zero),
  rangeBlocklist: since(11, blocklist, (): Blocklist => new Map()),
};

const incClient = {
  fsid: uuid,
  epoch: u32,
  modified: utime,
  newPoolMax: s64num,
  newFlags: s32,
  fullMap: blob,
  crush: blob,
  newMaxOsd: s32,
  newPools: pools,
  newPoolNames: poolNames,
  oldPools: idSet(s64num),
  newUpClient: byOsd(addrs),
  newStateOld: between(0, 5, map(s32, u8), (): Map<number, number> => new Map()),
  newState: since(5, byOsd(u32), (): Map<number, number> => new Map()),
  newWeight: byOsd(u32),
  newPgTemp: pgMap(osdList),
  newPrimaryTemp: pgMap(s32),
  newPrimaryAffinity: since(2, byOsd(u32), (): Map<number, number> => new Map()),
  newErasureCodeProfiles: since(3, erasureProfiles, (): ErasureProfiles => new Map()),
  oldErasureCodeProfiles: since(3, list(string), none<string>),
  newPgUpmap: since(4, pgMap(osdList), noUpmap),
  oldPgUpmap: since(4, idSet(pgKeyCodec), (): Set<number> => new Set()),
  newPgUpmapItems: since(4, pgMap(upmapItems), noUpmapItems),
  oldPgUpmapItems: since(4, idSet(pgKeyCodec), (): Set<number> => new Set()),
  newRemovedSnaps: since(6, snapQueue, noSnaps),
  newPurgedSnaps: since(6, snapQueue, noSnaps),
  newLastUpChange: since(8, utime, (): Utime => utimeZero),
  newLastInChange: since(8, utime, (): Utime => utimeZero),
  newPgUpmapPrimaries: since(9, pgMap(s32), noPrimaries),
  oldPgUpmapPrimaries: since(9, idSet(pgKeyCodec), (): Set<number> => new Set()),
};

/** -1 in a ratio of an Incremental: unchanged. 255 in a release: unchanged. */
export const RATIO_UNCHANGED = -1;
export const RELEASE_UNCHANGED = 0xff;

const incOsd = {
  newHbBackUp: byOsd(addrs),
  newUpThru: byOsd(u32),
  newLastCleanInterval: byOsd<readonly [number, number]>({
    name: 'pair<epoch_t, epoch_t>',
    length_min: 8,
    encode(w, [begin, end]) {
      w.u32(begin);
      w.u32(end);
    },
    decode: (r) => [r.u32(), r.u32()],
  }),
  newLost: byOsd(u32),
  newBlocklist: blocklist,
  oldBlocklist: list(entityAddr),
  newUpCluster: byOsd(addrs),
  clusterSnapshot: string,
  newUuid: byOsd(uuid),
  newXinfo: byOsd(osdXinfo),
  newHbFrontUp: byOsd(addrs),
  encodeFeatures: since(2, u64, () => 0n),
  newNearfullRatio: since(3, f32, () => RATIO_UNCHANGED),
  newFullRatio: since(3, f32, () => RATIO_UNCHANGED),
  newBackfillfullRatio: since(4, f32, () => RATIO_UNCHANGED),
  minCompatClientName: between(5, 6, string, () => ''),
  newRequireMinCompatClient: since(6, u8, () => RELEASE_UNCHANGED),
  newRequireOsdRelease: since(6, u8, () => RELEASE_UNCHANGED),
  newCrushNodeFlags: since(8, byOsd(u32), (): Map<number, number> => new Map()),
  newDeviceClassFlags: since(9, byOsd(u32), (): Map<number, number> => new Map()),
  changeStretchMode: since(10, bool, () => false),
  newStretchBucketCount: since(10, u32, zero),
  newDegradedStretchMode: since(10, u32, zero),
  newRecoveringStretchMode: since(10, u32, zero),
  newStretchModeBucket: since(10, s32, zero),
  stretchModeEnabled: since(10, bool, () => false),
  newRangeBlocklist: since(11, blocklist, (): Blocklist => new Map()),
  oldRangeBlocklist: since(11, list(entityAddr), none<EntityAddr>),
};

/** The clients' part of a map; also reads what Ceph 18 and later write. */
export const fullClientWire = struct(
  'OSDMap.client',
  {
    version: 10,
    compat: 1,
    forFeatures: (f) => ({ version: ladder(f, { newest: 9, nautilus: 7, mimic: 6 }), compat: 1 }),
  },
  fullClient,
);
/** The same for writing where PGs have primaries of their own, for receivers that know of that. */
export const fullClientWireReef = struct('OSDMap.client', { version: 10, compat: 1 }, fullClient);

/** Versions of the OSDs' part that are written only where what they brought is used. */
const OSD_PART_STRETCH = 10;
const OSD_PART_RANGE_BLOCKLIST = 11;

function osdPartVersion(plain: number, stretch: boolean, ranges: boolean): { version: number; compat: number } {
  const version = ranges ? OSD_PART_RANGE_BLOCKLIST : stretch ? OSD_PART_STRETCH : plain;
  return { version, compat: 1 };
}

const fullOsdVariants = new Map<string, typeof fullOsdWire>();
/** The OSDs' part of a map, for reading. */
export const fullOsdWire = struct('OSDMap.osd', { version: OSD_PART_RANGE_BLOCKLIST, compat: 1 }, fullOsd);

/** The OSDs' part of a map for writing: the version hangs on the receiver and on what is in the map. */
export function fullOsdWriter(stretch: boolean, ranges: boolean): typeof fullOsdWire {
  const key = `${stretch} ${ranges}`;
  let found = fullOsdVariants.get(key);
  if (found === undefined) {
    const forFeatures = (f: bigint): { version: number; compat: number } =>
      osdPartVersion(ladder(f, { newest: 9, nautilus: 6, mimic: 5 }), stretch, ranges);
    found = struct('OSDMap.osd', { version: OSD_PART_RANGE_BLOCKLIST, compat: 1, forFeatures }, fullOsd);
    fullOsdVariants.set(key, found);
  }
  return found;
}

export const incClientWire = struct(
  'OSDMap::Incremental.client',
  {
    version: 9,
    compat: 1,
    forFeatures: (f) => ({ version: ladder(f, { newest: 8, nautilus: 6, mimic: 5 }), compat: 1 }),
  },
  incClient,
);
/** As {@link fullClientWireReef}. */
export const incClientWireReef = struct('OSDMap::Incremental.client', { version: 9, compat: 1 }, incClient);

const incOsdVariants = new Map<string, typeof incOsdWire>();
/** The OSDs' part of an incremental, for reading. */
export const incOsdWire = struct('OSDMap::Incremental.osd', { version: OSD_PART_RANGE_BLOCKLIST, compat: 1 }, incOsd);

/** The same for writing. */
export function incOsdWriter(stretch: boolean, ranges: boolean): typeof incOsdWire {
  const key = `${stretch} ${ranges}`;
  let found = incOsdVariants.get(key);
  if (found === undefined) {
    const forFeatures = (f: bigint): { version: number; compat: number } =>
      osdPartVersion(ladder(f, { newest: 9, nautilus: 6, mimic: 6 }), stretch, ranges);
    found = struct('OSDMap::Incremental.osd', { version: OSD_PART_RANGE_BLOCKLIST, compat: 1, forFeatures }, incOsd);
    incOsdVariants.set(key, found);
  }
  return found;
}

/** The wrapper around both parts. */
export const WRAPPER_VERSION = 8;
export const WRAPPER_COMPAT = 7;
