import { type Codec, mapped, plain, since, struct, u8, u32, u64 } from '../../encoding/index.ts';
import { feature, hasFeature } from '../features.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';

/** osd_info_t: epochs in the life of one OSD. */
export interface OsdInfo {
  /** The last interval that it ended cleanly. */
  readonly lastCleanBegin: number;
  readonly lastCleanEnd: number;
  /** Marked up. */
  readonly upFrom: number;
  /** It may have gone active in intervals up to here. */
  readonly upThru: number;
  /** Marked down, where later than upFrom. */
  readonly downAt: number;
  /** Declared lost. */
  readonly lostAt: number;
}

export const osdInfoNone: OsdInfo = Object.freeze({
  lastCleanBegin: 0,
  lastCleanEnd: 0,
  upFrom: 0,
  upThru: 0,
  downAt: 0,
  lostAt: 0,
});

const infoWire = plain('osd_info_t', {
  structV: u8,
  lastCleanBegin: u32,
  lastCleanEnd: u32,
  upFrom: u32,
  upThru: u32,
  downAt: u32,
  lostAt: u32,
});

export const osdInfo: Codec<OsdInfo> = mapped(
  infoWire,
  'osd_info_t',
  ({ structV, ...info }): OsdInfo => info,
  (info) => ({ structV: 1, ...info }),
);

/** osd_xinfo_t: what else the map knows of one OSD. */
export interface OsdXinfo {
  readonly downStamp: Utime;
  /** 0 to 1, a float of 32 bits. */
  readonly laggyProbability: number;
  /** Seconds. */
  readonly laggyInterval: number;
  readonly features: bigint;
  /** Weight before it was marked out automatically. */
  readonly oldWeight: number;
  readonly lastPurgedSnapsScrub: Utime;
  /** Last epoch in which it was known to be dead, not only down. */
  readonly deadEpoch: number;
}

export const osdXinfoNone: OsdXinfo = Object.freeze({
  downStamp: utimeZero,
  laggyProbability: 0,
  laggyInterval: 0,
  features: 0n,
  oldWeight: 0,
  lastPurgedSnapsScrub: utimeZero,
  deadEpoch: 0,
});

const TWO_32 = 2 ** 32;

/** A probability as a fraction of 2^32, in single precision both ways; 1 wraps to 0, as it does in Ceph on x86-64. */
const probability: Codec<number> = mapped(
  u32,
  'probability',
  (x) => Math.fround(Math.fround(x) / TWO_32),
  (p) => Math.trunc(Math.fround(p) * TWO_32) >>> 0,
);

export const osdXinfo: Codec<OsdXinfo> = struct(
  'osd_xinfo_t',
  {
    version: 4,
    compat: 1,
    forFeatures: (features) => ({ version: hasFeature(features, feature.SERVER_OCTOPUS) ? 4 : 3, compat: 1 }),
  },
  {
    downStamp: utime,
    laggyProbability: probability,
    laggyInterval: u32,
    features: since(2, u64, () => 0n),
    oldWeight: since(3, u32, () => 0),
    lastPurgedSnapsScrub: since(4, utime, () => utimeZero),
    deadEpoch: since(4, u32, () => 0),
  },
);
