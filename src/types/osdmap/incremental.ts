import type { EntityAddr, EntityAddrVec } from '../entity-addr.ts';
import type { IntervalSet } from '../interval-set.ts';
import type { PgKey } from '../pg-key.ts';
import type { PgPool } from '../pool/index.ts';
import { type Utime, utimeZero } from '../utime.ts';
import { type Uuid, uuidZero } from '../uuid.ts';
import type { BlocklistEntry, UpmapItem } from './fields.ts';
import type { OsdXinfo } from './records.ts';

/** In a ratio of an Incremental: unchanged. */
export const RATIO_UNCHANGED = -1;
/** In a release of an Incremental: unchanged. */
export const RELEASE_UNCHANGED = 0xff;

const NO_BYTES = new Uint8Array(0);

/**
 * OSDMap::Incremental: what turns the map of `epoch - 1` into that of `epoch`. The monitor fills one in and gives it to the next epoch;
 * once encoded or decoded it is not changed.
 */
export class OSDMapIncremental {
  fsid: Uuid = uuidZero;
  epoch: number;
  modified: Utime = utimeZero;
  /** -1: unchanged. */
  newPoolMax = -1;
  /** -1: unchanged. */
  newFlags = -1;
  /** A whole encoded map that replaces everything; empty: none. */
  fullMap: Uint8Array = NO_BYTES;
  /** The encoded CRUSH map that replaces the old one; empty: unchanged. */
  crush: Uint8Array = NO_BYTES;
  /** -1: unchanged. */
  newMaxOsd = -1;
  newPools = new Map<number, PgPool>();
  newPoolNames = new Map<number, string>();
  oldPools = new Set<number>();
  /** OSDs that come up, with their addresses. */
  newUpClient = new Map<number, EntityAddrVec>();
  newUpCluster = new Map<number, EntityAddrVec>();
  newHbBackUp = new Map<number, EntityAddrVec>();
  newHbFrontUp = new Map<number, EntityAddrVec>();
  /** State bits that flip; 0 means UP does. */
  newState = new Map<number, number>();
  newWeight = new Map<number, number>();
  /** Empty list: removed. */
  newPgTemp = new Map<PgKey, readonly number[]>();
  /** -1: removed. */
  newPrimaryTemp = new Map<PgKey, number>();
  newPrimaryAffinity = new Map<number, number>();
  newErasureCodeProfiles: Map<string, ReadonlyMap<string, string>> = new Map();
  oldErasureCodeProfiles: string[] = [];
  newPgUpmap = new Map<PgKey, readonly number[]>();
  oldPgUpmap = new Set<PgKey>();
  newPgUpmapItems = new Map<PgKey, readonly UpmapItem[]>();
  oldPgUpmapItems = new Set<PgKey>();
  newPgUpmapPrimaries = new Map<PgKey, number>();
  oldPgUpmapPrimaries = new Set<PgKey>();
  newRemovedSnaps = new Map<number, IntervalSet>();
  newPurgedSnaps = new Map<number, IntervalSet>();
  /** Zero: unchanged. */
  newLastUpChange: Utime = utimeZero;
  newLastInChange: Utime = utimeZero;
  newUpThru = new Map<number, number>();
  newLastCleanInterval: Map<number, readonly [begin: number, end: number]> = new Map();
  newLost = new Map<number, number>();
  newUuid = new Map<number, Uuid>();
  newXinfo = new Map<number, OsdXinfo>();
  newBlocklist: Map<string, BlocklistEntry> = new Map();
  oldBlocklist: EntityAddr[] = [];
  newRangeBlocklist: Map<string, BlocklistEntry> = new Map();
  oldRangeBlocklist: EntityAddr[] = [];
  clusterSnapshot = '';
  newNearfullRatio = RATIO_UNCHANGED;
  newBackfillfullRatio = RATIO_UNCHANGED;
  newFullRatio = RATIO_UNCHANGED;
  newRequireMinCompatClient = RELEASE_UNCHANGED;
  newRequireOsdRelease = RELEASE_UNCHANGED;
  newCrushNodeFlags = new Map<number, number>();
  newDeviceClassFlags = new Map<number, number>();
  changeStretchMode = false;
  newStretchBucketCount = 0;
  newDegradedStretchMode = 0;
  newRecoveringStretchMode = 0;
  newStretchModeBucket = 0;
  stretchModeEnabled = false;

  /** Features it was encoded with; the full map that follows is encoded with the same. */
  encodeFeatures = 0n;
  /** crc of the full map that results. */
  fullCrc = 0;
  /** crc of this incremental's own encoding, once encoded or decoded. */
  incCrc: number | undefined = undefined;

  constructor(epoch: number, fields: Partial<OSDMapIncremental> = {}) {
    this.epoch = epoch;
    Object.assign(this, fields);
  }
}
