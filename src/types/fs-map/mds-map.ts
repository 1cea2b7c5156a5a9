import {
  type BodyCodec,
  body,
  bool,
  byNumber,
  type Codec,
  list,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u16,
  u32,
  u64,
  u64num,
} from '../../encoding/index.ts';
import { type CompatSet, compatSet, makeCompatSet } from '../compat-set.ts';
import { EntityAddrVec, entityAddr, entityAddrVec } from '../entity-addr.ts';
import { feature, hasFeature } from '../features.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';

/** CEPH_MDS_STATE_*: below zero it holds no rank. */
export const mdsState = {
  DNE: 0,
  STOPPED: -1,
  BOOT: -4,
  STANDBY: -5,
  CREATING: -6,
  STARTING: -7,
  STANDBY_REPLAY: -8,
  NULL: -10,
  REPLAY: 8,
  RESOLVE: 9,
  RECONNECT: 10,
  REJOIN: 11,
  CLIENTREPLAY: 12,
  ACTIVE: 13,
  STOPPING: 14,
  DAMAGED: 15,
} as const;

const STATE_NAMES: ReadonlyMap<number, string> = new Map([
  [mdsState.DNE, 'down:dne'],
  [mdsState.STOPPED, 'down:stopped'],
  [mdsState.DAMAGED, 'down:damaged'],
  [mdsState.BOOT, 'up:boot'],
  [mdsState.STANDBY, 'up:standby'],
  [mdsState.STANDBY_REPLAY, 'up:standby-replay'],
  [-9, 'up:oneshot-replay'],
  [mdsState.CREATING, 'up:creating'],
  [mdsState.STARTING, 'up:starting'],
  [mdsState.REPLAY, 'up:replay'],
  [mdsState.RESOLVE, 'up:resolve'],
  [mdsState.RECONNECT, 'up:reconnect'],
  [mdsState.REJOIN, 'up:rejoin'],
  [mdsState.CLIENTREPLAY, 'up:clientreplay'],
  [mdsState.ACTIVE, 'up:active'],
  [mdsState.STOPPING, 'up:stopping'],
  [mdsState.NULL, 'null'],
]);

export function mdsStateName(state: number): string {
  return STATE_NAMES.get(state) ?? '???';
}

const FEATURE_NAMES: readonly (readonly [number, string])[] = [
  [1, 'base v0.20'],
  [2, 'client writeable ranges'],
  [3, 'default file layouts on dirs'],
  [4, 'dir inode in separate object'],
  [5, 'mds uses versioned encoding'],
  [6, 'dirfrag is stored in omap'],
  [7, 'mds uses inline data'],
  [8, 'no anchor table'],
  [9, 'file layout v2'],
  [10, 'snaprealm v2'],
];

/** What a metadata server of 16.2 knows. */
export const mdsCompatAll: CompatSet = makeCompatSet(FEATURE_NAMES);
/** What a file system starts with: all but inline data. */
export const mdsCompatDefault: CompatSet = makeCompatSet(FEATURE_NAMES.filter(([id]) => id !== 7));

/** CEPH_MDSMAP_* */
export const mdsMapFlag = {
  NOT_JOINABLE: 1 << 0,
  ALLOW_SNAPS: 1 << 1,
  ALLOW_MULTIMDS_SNAPS: 1 << 4,
  ALLOW_STANDBY_REPLAY: 1 << 5,
} as const;
export const MDSMAP_FLAGS_DEFAULT = mdsMapFlag.ALLOW_SNAPS | mdsMapFlag.ALLOW_MULTIMDS_SNAPS;

/** feature_bitset_t: a u32 length and so many bytes of bits, whole 64-bit words. */
const featureBits: Codec<bigint> = {
  name: 'feature_bitset_t',
  length_min: 4,
  encode(w, bits) {
    const words: bigint[] = [];
    for (let rest = bits; rest > 0n; rest >>= 64n) words.push(rest & 0xffff_ffff_ffff_ffffn);
    w.u32(8 * words.length);
    for (const word of words) w.u64(word);
  },
  decode(r) {
    const bytes = r.blob();
    let bits = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(bytes[i]!);
    return bits;
  },
};

/** Names of what clients of CephFS may be required to do, by bit. */
const CLIENT_FEATURES = [
  'reserved',
  'reserved',
  'reserved',
  'reserved',
  'reserved',
  'jewel',
  'kraken',
  'luminous',
  'mimic',
  'reply_encoding',
  'reclaim_client',
  'lazy_caps_wanted',
  'multi_reconnect',
  'deleg_ino',
  'metric_collect',
  'alternate_name',
];

/** `[bit, name]` of the client features set, lowest first; bits without a name are left out. */
export function cephfsFeatures(bits: bigint): [bit: number, name: string][] {
  return [...CLIENT_FEATURES.entries()].filter(([bit]) => ((bits >> BigInt(bit)) & 1n) === 1n);
}

/** MDSMap::mds_info_t: one metadata server. */
export interface MdsInfo {
  readonly globalId: number;
  readonly name: string;
  /** -1: none. */
  readonly rank: number;
  readonly inc: number;
  /** One of {@link mdsState}. */
  readonly state: number;
  readonly stateSeq: number;
  readonly addrs: EntityAddrVec;
  /** Zero: it is not laggy. */
  readonly laggySince: Utime;
  readonly exportTargets: readonly number[];
  readonly features: bigint;
  /** File system it prefers to join; -1: any. */
  readonly joinFscid: number;
  /** 1: frozen. */
  readonly flags: bigint;
  readonly compat: CompatSet;
}

export const mdsInfoNone: MdsInfo = {
  globalId: 0,
  name: '',
  rank: -1,
  inc: 0,
  state: mdsState.STANDBY,
  stateSeq: 0,
  addrs: EntityAddrVec.empty,
  laggySince: utimeZero,
  exportTargets: [],
  features: 0n,
  joinFscid: -1,
  flags: 0n,
  compat: makeCompatSet(),
};

const addrs: Codec<EntityAddrVec> = {
  name: 'entity_addrvec_t',
  length_min: 5,
  encode(w, vec) {
    if (hasFeature(w.features, feature.SERVER_NAUTILUS)) entityAddrVec.encode(w, vec);
    else entityAddr.encode(w, vec.legacy);
  },
  decode: (r) => entityAddrVec.decode(r),
};

const infoWire = struct(
  'MDSMap::mds_info_t',
  {
    version: 10,
    compat: 4,
    forFeatures: (f) => ({ version: hasFeature(f, feature.SERVER_NAUTILUS) ? 10 : 7, compat: 4 }),
  },
  {
    globalId: u64num,
    name: string,
    rank: s32,
    inc: s32,
    state: s32,
    stateSeq: u64num,
    addrs,
    laggySince: utime,
    standbyForRank: s32,
    standbyForName: string,
    exportTargets: since(2, list(s32), (): number[] => []),
    features: since(5, u64, () => 0n),
    joinFscid: since(6, s32, () => -1),
    standbyReplay: since(7, bool, () => false),
    flags: since(9, u64, () => 0n),
    // What v16.2.4 and older know: all of it.
    compat: since(10, compatSet, () => mdsCompatAll),
  },
);

export const mdsInfo: Codec<MdsInfo> = {
  name: infoWire.name,
  length_min: infoWire.length_min,
  encode(w, info) {
    const exportTargets = [...info.exportTargets].sort(byNumber);
    infoWire.encode(w, { ...info, exportTargets, standbyForRank: -1, standbyForName: '', standbyReplay: false });
  },
  decode(r) {
    const { standbyForRank, standbyForName, standbyReplay, ...info } = infoWire.decode(r);
    return info;
  },
};

/** MDSMap: one file system's metadata servers and settings. */
export interface MdsMap {
  readonly epoch: number;
  /** Bits of {@link mdsMapFlag}. */
  readonly flags: number;
  readonly lastFailure: number;
  readonly root: number;
  /** Seconds. */
  readonly sessionTimeout: number;
  readonly sessionAutoclose: number;
  /** Bytes. */
  readonly maxFileSize: number;
  readonly maxMds: number;
  readonly infos: ReadonlyMap<number, MdsInfo>;
  readonly dataPools: readonly number[];
  readonly casPool: number;
  readonly compat: CompatSet;
  readonly metadataPool: number;
  readonly created: Utime;
  readonly modified: Utime;
  readonly tableserver: number;
  /** Ranks there are, and of those: who holds them, and which nobody does. */
  readonly in: readonly number[];
  readonly up: ReadonlyMap<number, number>;
  readonly failed: readonly number[];
  readonly stopped: readonly number[];
  readonly damaged: readonly number[];
  readonly lastFailureOsdEpoch: number;
  readonly everAllowedFeatures: number;
  readonly explicitlyAllowedFeatures: number;
  readonly inlineDataEnabled: boolean;
  readonly enabled: boolean;
  readonly fsName: string;
  readonly balancer: string;
  /** -1: as many as there are file systems that want one. */
  readonly standbyCountWanted: number;
  readonly oldMaxMds: number;
  readonly requiredClientFeatures: bigint;
}

export const mdsMapEmpty: MdsMap = {
  epoch: 0,
  flags: MDSMAP_FLAGS_DEFAULT,
  lastFailure: 0,
  root: 0,
  sessionTimeout: 60,
  sessionAutoclose: 300,
  maxFileSize: 2 ** 40,
  maxMds: 1,
  infos: new Map(),
  dataPools: [],
  casPool: -1,
  compat: makeCompatSet(),
  metadataPool: -1,
  created: utimeZero,
  modified: utimeZero,
  tableserver: 0,
  in: [],
  up: new Map(),
  failed: [],
  stopped: [],
  damaged: [],
  lastFailureOsdEpoch: 0,
  everAllowedFeatures: 0,
  explicitlyAllowedFeatures: 0,
  inlineDataEnabled: false,
  enabled: false,
  fsName: 'cephfs',
  balancer: '',
  standbyCountWanted: -1,
  oldMaxMds: 0,
  requiredClientFeatures: 0n,
};

const ranks = list(s32);
const byRank = sortedMap(s32, u64num, byNumber);

/** What follows the u16 "extended version": all that kernel clients do not look at. Read from version 10 (Luminous) on. */
const extended = body(
  'MDSMap.extended',
  { version: 16, compat: 10 },
  {
    compat: compatSet,
    metadataPool: s64num,
    created: utime,
    modified: utime,
    tableserver: s32,
    in: ranks,
    inc: sortedMap(s32, s32, byNumber),
    up: byRank,
    failed: ranks,
    stopped: ranks,
    lastFailureOsdEpoch: u32,
    everAllowedFeatures: u8,
    explicitlyAllowedFeatures: u8,
    inlineDataEnabled: bool,
    enabled: bool,
    fsName: string,
    damaged: ranks,
    balancer: since(11, string, () => ''),
    standbyCountWanted: since(12, s32, () => -1),
    oldMaxMds: since(13, s32, () => 0),
    minCompatClient: since(14, u8, () => 0),
    requiredClientFeatures: since(16, featureBits, () => 0n),
  },
);
type Extended = typeof extended extends BodyCodec<infer T> ? T : never;

const tail: Codec<Extended> = {
  name: 'MDSMap.extended',
  length_min: 2,
  encode(w, value) {
    w.u16(extended.version);
    extended.encode(w, value);
  },
  decode(r) {
    const version = u16.decode(r);
    if (version < extended.compat) r.fail(`extended version ${version}, from before Luminous`);
    return extended.decode(r, version);
  },
};

const mapWire = struct(
  'MDSMap',
  { version: 5, compat: 4 },
  {
    epoch: u32,
    flags: u32,
    lastFailure: u32,
    root: s32,
    sessionTimeout: u32,
    sessionAutoclose: u32,
    maxFileSize: u64num,
    maxMds: s32,
    infos: sortedMap(u64num, mdsInfo, byNumber),
    dataPools: list(s64num),
    casPool: s64num,
    tail,
  },
);

const sorted = (ids: readonly number[]): number[] => [...ids].sort(byNumber);

export const mdsMap: Codec<MdsMap> = {
  name: 'MDSMap',
  length_min: 6,
  encode(w, map) {
    mapWire.encode(w, {
      ...map,
      infos: new Map(map.infos),
      dataPools: [...map.dataPools],
      tail: {
        ...map,
        in: sorted(map.in),
        inc: new Map(map.in.map((rank) => [rank, map.epoch])),
        up: new Map(map.up),
        failed: sorted(map.failed),
        stopped: sorted(map.stopped),
        damaged: sorted(map.damaged),
        minCompatClient: 0,
      },
    });
  },
  decode(r) {
    const { tail: more, ...map } = mapWire.decode(r);
    const { inc, minCompatClient, ...rest } = more;
    return { ...map, ...rest };
  },
};
