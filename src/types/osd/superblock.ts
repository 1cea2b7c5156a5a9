import {
  between,
  byNumber,
  type Codec,
  f64,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u32,
} from '../../encoding/index.ts';
import { type CompatSet, compatSet } from '../compat-set.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type Uuid, uuid, uuidZero } from '../uuid.ts';

/** OSDSuperblock: who an OSD is and which maps it has. */
export interface OsdSuperblock {
  clusterFsid: Uuid;
  whoami: number;
  currentEpoch: number;
  oldestMap: number;
  newestMap: number;
  weight: number;
  compatFeatures: CompatSet;
  cleanThru: number;
  mounted: number;
  osdFsid: Uuid;
  purgedSnapsLast: number;
  lastPurgedSnapsScrub: Utime;
  /** Oldest map that the monitors still have, as last heard; so long the OSD keeps maps. */
  clusterOsdmapTrimLowerBound: number;
}

const wire = struct(
  'OSDSuperblock',
  { version: 10, compat: 5 },
  {
    magic: between(0, 3, string, () => ''),
    clusterFsid: uuid,
    whoami: s32,
    currentEpoch: u32,
    oldestMap: u32,
    newestMap: u32,
    weight: f64,
    compatFeatures: compatSet,
    cleanThru: u32,
    mounted: u32,
    osdFsid: since(4, uuid, () => uuidZero),
    lastEpochMarkedFull: since(6, u32, () => 0),
    poolLastEpochMarkedFull: since(7, sortedMap(s64num, u32, byNumber), () => new Map()),
    purgedSnapsLast: since(9, u32, () => 0),
    lastPurgedSnapsScrub: since(9, utime, () => utimeZero),
    clusterOsdmapTrimLowerBound: since(10, u32, () => 0),
  },
);

export const osdSuperblock: Codec<OsdSuperblock> = {
  name: 'OSDSuperblock',
  length_min: 6,
  encode: (w, s) => wire.encode(w, { ...s, magic: '', lastEpochMarkedFull: 0, poolLastEpochMarkedFull: new Map() }),
  decode(r) {
    const { magic: _magic, lastEpochMarkedFull: _full, poolLastEpochMarkedFull: _pools, ...s } = wire.decode(r);
    return s;
  },
};

/** CEPH_OSD_FEATURE_INCOMPAT_*: what is on the disk of an OSD of Pacific, by number. */
export const OSD_FEATURES_INCOMPAT: ReadonlyMap<number, string> = new Map([
  [1, 'initial feature set(~v.18)'],
  [2, 'pginfo object'],
  [3, 'object locator'],
  [4, 'last_epoch_clean'],
  [5, 'categories'],
  [6, 'hobjectpool'],
  [7, 'biginfo'],
  [8, 'leveldbinfo'],
  [9, 'leveldblog'],
  [10, 'snapmapper'],
  [11, 'sharded objects'],
  [12, 'transaction hints'],
  [13, 'pg meta object'],
  [14, 'explicit missing set'],
  [15, 'fastinfo pg attr'],
  [16, 'deletes in missing set'],
  [17, 'new snapmapper key structure'],
]);
