import { body, bool, type Codec, list, s8, s32, since, u8, u32 } from '../encoding/index.ts';
import { eversion, eversionZero, hobject, pgId, pgShard, spgId, uuid } from '../types/index.ts';
import { defineDataMessage, defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// Scrubbing, and what the manager orders.

/** u32, all ones: the seed of a hash no longer used. */
const seed: Codec<undefined> = {
  name: 'seed',
  length_min: 4,
  encode: (w) => w.u32(0xffffffff),
  decode(r) {
    r.u32();
    return undefined;
  },
};

/** Primary to replica: what is there of the objects from `start` to before `end`? */
export const MOSDRepScrub = defineMessage(
  messageTypeNumber.OSD_REP_SCRUB,
  body(
    'replica scrub',
    { version: 9, compat: 6 },
    {
      pgid: pgId,
      scrubFrom: eversion,
      scrubTo: eversion,
      mapEpoch: u32,
      chunky: bool,
      start: hobject,
      end: hobject,
      deep: bool,
      shard: s8,
      seed,
      minEpoch: since(7, u32, () => 0),
      allowPreemption: since(8, bool, () => false),
      priority: since(9, s32, () => 0),
      highPriority: since(9, bool, () => false),
    },
  ),
  { defaults: { scrubFrom: eversionZero, chunky: true, seed: undefined } },
);

/** The answer. `data` is an encoded ScrubMap. */
export const MOSDRepScrubMap = defineDataMessage(
  messageTypeNumber.OSD_REP_SCRUBMAP,
  body(
    'rep_scrubmap',
    { version: 2, compat: 1 },
    { pgid: spgId, mapEpoch: u32, from: pgShard, preempted: since(2, bool, () => false) },
  ),
  { defaults: { preempted: false } },
);

export const scrubReserveType = { REQUEST: 0, GRANT: 1, RELEASE: 2, REJECT: 3 } as const;

/** A place among the scrubs that an OSD does at a time. */
export const MOSDScrubReserve = defineMessage(
  messageTypeNumber.OSD_SCRUB_RESERVE,
  body(
    'MOSDScrubReserve',
    { version: 1, compat: 1 },
    {
      pgid: spgId,
      mapEpoch: u32,
      /** One of scrubReserveType. */
      type: s32,
      from: pgShard,
    },
  ),
);

/** Manager to OSD: scrub these PGs. */
export const MOSDScrub2 = defineMessage(
  messageTypeNumber.OSD_SCRUB2,
  body('scrub2', { version: 1, compat: 1 }, { fsid: uuid, epoch: u32, pgs: list(spgId), repair: bool, deep: bool }),
);

/** The same before Mimic. */
export const MOSDScrub = defineMessage(
  messageTypeNumber.OSD_SCRUB,
  body('scrub', { version: 2, compat: 2 }, { fsid: uuid, pgs: list(pgId), repair: bool, deep: bool }),
);

export const forceRecoveryFlag = { RECOVERY: 1, BACKFILL: 2, CANCEL: 4 } as const;

/** Manager to OSD: recover or backfill these PGs before others, or no longer. Needs Mimic or later at both ends. */
export const MOSDForceRecovery = defineMessage(
  messageTypeNumber.OSD_FORCE_RECOVERY,
  body(
    'force_recovery',
    { version: 2, compat: 2 },
    {
      fsid: uuid,
      pgs: list(spgId),
      /** Mask of forceRecoveryFlag. */
      options: u8,
    },
  ),
);
