import { EntityAddrVec } from '../entity-addr.ts';
import type { IntervalSet } from '../interval-set.ts';
import type { PgKey } from '../pg-key.ts';
import type { PgPool } from '../pool/index.ts';
import { release } from '../release.ts';
import { type Utime, utimeZero } from '../utime.ts';
import { type Uuid, uuidZero } from '../uuid.ts';
import type { Blocklist, ErasureProfiles, UpmapItem } from './fields.ts';
import { OSD_OUT, PRIMARY_AFFINITY_DEFAULT } from './flags.ts';
import { type OsdInfo, type OsdXinfo, osdInfoNone, osdXinfoNone } from './records.ts';

/** Data of an {@link OSDMap}: all that is on the wire. */
export interface OSDMapFields {
  readonly fsid: Uuid;
  readonly epoch: number;
  readonly created: Utime;
  readonly modified: Utime;
  readonly pools: ReadonlyMap<number, PgPool>;
  readonly poolNames: ReadonlyMap<number, string>;
  /** Largest pool id ever used. */
  readonly poolMax: number;
  /** Bits of osdMapFlag. */
  readonly flags: number;
  /** OSD ids are below this. Lists by OSD id have this length. */
  readonly maxOsd: number;
  /** Bits of osdState, by OSD id. */
  readonly osdState: readonly number[];
  /** 16.16 fixed point, by OSD id; 0 is out, 0x10000 fully in. */
  readonly osdWeight: readonly number[];
  readonly clientAddrs: readonly EntityAddrVec[];
  readonly clusterAddrs: readonly EntityAddrVec[];
  readonly hbBackAddrs: readonly EntityAddrVec[];
  readonly hbFrontAddrs: readonly EntityAddrVec[];
  /** Acting sets that differ from the up set for a while (backfill). */
  readonly pgTemp: ReadonlyMap<PgKey, readonly number[]>;
  readonly primaryTemp: ReadonlyMap<PgKey, number>;
  /** 16.16 fixed point, by OSD id; empty: all 0x10000. */
  readonly primaryAffinity: readonly number[];
  /** The CRUSH map in its binary form. */
  readonly crushBytes: Uint8Array;
  /** Counts the changes of the CRUSH map. */
  readonly crushVersion: number;
  readonly erasureCodeProfiles: ErasureProfiles;
  readonly pgUpmap: ReadonlyMap<PgKey, readonly number[]>;
  readonly pgUpmapItems: ReadonlyMap<PgKey, readonly UpmapItem[]>;
  /** Who of a PG's set leads (Ceph 18 and later: feature SERVER_REEF). */
  readonly pgUpmapPrimaries: ReadonlyMap<PgKey, number>;
  /** Snapshots removed in this epoch, and those whose removal is complete in this epoch, by pool. */
  readonly newRemovedSnaps: ReadonlyMap<number, IntervalSet>;
  readonly newPurgedSnaps: ReadonlyMap<number, IntervalSet>;
  /** Removed snapshots that OSDs are still trimming. */
  readonly removedSnapsQueue: ReadonlyMap<number, IntervalSet>;
  readonly lastUpChange: Utime;
  readonly lastInChange: Utime;
  readonly osdInfo: readonly OsdInfo[];
  readonly osdXinfo: readonly OsdXinfo[];
  readonly osdUuid: readonly Uuid[];
  readonly blocklist: Blocklist;
  /** Whole networks: addresses of type CIDR whose nonce is the number of bits. */
  readonly rangeBlocklist: Blocklist;
  readonly clusterSnapshotEpoch: number;
  readonly clusterSnapshot: string;
  /** Single precision. */
  readonly nearfullRatio: number;
  readonly fullRatio: number;
  readonly backfillfullRatio: number;
  /** Release numbers; see release.ts. */
  readonly requireMinCompatClient: number;
  readonly requireOsdRelease: number;
  /** CRUSH node id to bits of osdState (noup, nodown, noin, noout). */
  readonly crushNodeFlags: ReadonlyMap<number, number>;
  /** Device class id to the same. */
  readonly deviceClassFlags: ReadonlyMap<number, number>;
  readonly stretchModeEnabled: boolean;
  readonly stretchBucketCount: number;
  readonly degradedStretchMode: number;
  readonly recoveringStretchMode: number;
  readonly stretchModeBucket: number;
}

/** A map with nothing in it: epoch 0. */
export const emptyOSDMapFields: OSDMapFields = {
  fsid: uuidZero,
  epoch: 0,
  created: utimeZero,
  modified: utimeZero,
  pools: new Map(),
  poolNames: new Map(),
  poolMax: 0,
  flags: 0,
  maxOsd: 0,
  osdState: [],
  osdWeight: [],
  clientAddrs: [],
  clusterAddrs: [],
  hbBackAddrs: [],
  hbFrontAddrs: [],
  pgTemp: new Map(),
  primaryTemp: new Map(),
  primaryAffinity: [],
  crushBytes: new Uint8Array(0),
  crushVersion: 1,
  erasureCodeProfiles: new Map(),
  pgUpmap: new Map(),
  pgUpmapItems: new Map(),
  pgUpmapPrimaries: new Map(),
  newRemovedSnaps: new Map(),
  newPurgedSnaps: new Map(),
  removedSnapsQueue: new Map(),
  lastUpChange: utimeZero,
  lastInChange: utimeZero,
  osdInfo: [],
  osdXinfo: [],
  osdUuid: [],
  blocklist: new Map(),
  rangeBlocklist: new Map(),
  clusterSnapshotEpoch: 0,
  clusterSnapshot: '',
  nearfullRatio: 0,
  fullRatio: 0,
  backfillfullRatio: 0,
  requireMinCompatClient: release.UNKNOWN,
  requireOsdRelease: release.UNKNOWN,
  crushNodeFlags: new Map(),
  deviceClassFlags: new Map(),
  stretchModeEnabled: false,
  stretchBucketCount: 0,
  degradedStretchMode: 0,
  recoveringStretchMode: 0,
  stretchModeBucket: 0,
};

function resized<T>(list: readonly T[], length: number, fill: T): readonly T[] {
  if (list.length === length) return list;
  const out = list.slice(0, length);
  while (out.length < length) out.push(fill);
  return out;
}

/** OSD ids at most: a change from outside may claim four billion. Ceph's monitor allows 10,000 (mon_max_osd). */
export const MAX_OSD_MAX = 2 ** 20;

/** The fields of `map` with all lists by OSD id of length `maxOsd`; what is beyond is cut off. Throws RangeError beyond {@link MAX_OSD_MAX}. */
export function withMaxOsd(fields: OSDMapFields, maxOsd: number): OSDMapFields {
  if (!(maxOsd >= 0 && maxOsd <= MAX_OSD_MAX)) throw new RangeError(`max_osd ${maxOsd} is not in [0, ${MAX_OSD_MAX}]`);
  const blank = EntityAddrVec.empty;
  return {
    ...fields,
    maxOsd,
    osdState: resized(fields.osdState, maxOsd, 0),
    osdWeight: resized(fields.osdWeight, maxOsd, OSD_OUT),
    osdInfo: resized(fields.osdInfo, maxOsd, osdInfoNone),
    osdXinfo: resized(fields.osdXinfo, maxOsd, osdXinfoNone),
    clientAddrs: resized(fields.clientAddrs, maxOsd, blank),
    clusterAddrs: resized(fields.clusterAddrs, maxOsd, blank),
    hbBackAddrs: resized(fields.hbBackAddrs, maxOsd, blank),
    hbFrontAddrs: resized(fields.hbFrontAddrs, maxOsd, blank),
    osdUuid: resized(fields.osdUuid, maxOsd, uuidZero),
    primaryAffinity:
      fields.primaryAffinity.length === 0 ? [] : resized(fields.primaryAffinity, maxOsd, PRIMARY_AFFINITY_DEFAULT),
  };
}
