import {
  body,
  bool,
  byNumber,
  type Codec,
  list,
  pair,
  s32,
  s64num,
  since,
  sortedMap,
  u8,
  u32,
  u64,
  u64num,
} from '../encoding/index.ts';
import {
  entityAddrVec,
  eversion,
  osdStat,
  osdSuperblock,
  pairs,
  pastIntervals,
  pgCreate,
  pgHistory,
  pgId,
  pgStat,
  snapid,
  spgId,
  storeStatfs,
  textMap,
  utime,
  utimeZero,
  uuid,
} from '../types/index.ts';
import { paxos, paxosVersion, reserved } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// What an OSD tells the monitors (and, MPGStats, the manager), and what the monitors answer. All need Nautilus or later at both ends.

/** An OSD is up and wants to be in the map. `paxosVersion` is the epoch it has. */
export const MOSDBoot = defineMessage(
  messageTypeNumber.OSD_BOOT,
  body(
    'osd_boot',
    { version: 7, compat: 7 },
    {
      paxosVersion,
      superblock: osdSuperblock,
      hbBackAddrs: entityAddrVec,
      clusterAddrs: entityAddrVec,
      /** Epoch in which this instance was last marked up; 0 for a new one. */
      bootEpoch: u32,
      hbFrontAddrs: entityAddrVec,
      metadata: textMap,
      features: u64,
    },
  ),
  { defaults: { ...paxos, bootEpoch: 0, metadata: new Map<string, string>() } },
);

/** An OSD wants its up_thru to be at least `want`. */
export const MOSDAlive = defineMessage(
  messageTypeNumber.OSD_ALIVE,
  body('osd_alive', { version: 1, compat: 1 }, { paxosVersion, want: u32 }),
  { defaults: paxos },
);

export const osdFailureFlag = { ALIVE: 0, FAILED: 1, IMMEDIATE: 2 } as const;

/** An OSD does not hear from another, or does again. */
export const MOSDFailure = defineMessage(
  messageTypeNumber.OSD_FAILURE,
  body(
    'osd_failure',
    { version: 4, compat: 4 },
    {
      paxosVersion,
      fsid: uuid,
      targetOsd: s32,
      targetAddrs: entityAddrVec,
      epoch: u32,
      /** Mask of osdFailureFlag. */
      flags: u8,
      failedFor_s: s32,
    },
  ),
  { defaults: { ...paxos, failedFor_s: 0 } },
);

/** An OSD that stops asks to be marked down; with `requestAck` it waits for the same message back. */
export const MOSDMarkMeDown = defineMessage(
  messageTypeNumber.OSD_MARK_ME_DOWN,
  body(
    'MOSDMarkMeDown',
    { version: 4, compat: 3 },
    {
      paxosVersion,
      fsid: uuid,
      targetOsd: s32,
      targetAddrs: entityAddrVec,
      epoch: u32,
      requestAck: bool,
      /** Mark it dead too: nothing of it is left running. */
      downAndDead: since(4, bool, () => false),
    },
  ),
  { defaults: { ...paxos, downAndDead: false } },
);

/** A stopping OSD whose process is about to be gone. */
export const MOSDMarkMeDead = defineMessage(
  messageTypeNumber.OSD_MARK_ME_DEAD,
  body('MOSDMarkMeDead', { version: 1, compat: 1 }, { paxosVersion, fsid: uuid, targetOsd: s32, epoch: u32 }),
  { defaults: paxos },
);

/** An OSD's state of fullness: mask of osdState's FULL, NEARFULL, BACKFILLFULL. */
export const MOSDFull = defineMessage(
  messageTypeNumber.OSD_FULL,
  body('osd_full', { version: 1, compat: 1 }, { paxosVersion, mapEpoch: u32, state: u32 }),
  { defaults: paxos },
);

/** A primary wants other OSDs acting for a while: PG -> OSDs, none to end it; in the order of PGs. */
export const MOSDPGTemp = defineMessage(
  messageTypeNumber.OSD_PGTEMP,
  body(
    'osd_pgtemp',
    { version: 2, compat: 1 },
    { paxosVersion, mapEpoch: u32, pgTemp: pairs(pgId, list(s32)), forced: since(2, bool, () => false) },
  ),
  { defaults: { ...paxos, forced: false } },
);

/** A PG is ready to be merged, or cannot be. */
export const MOSDPGReadyToMerge = defineMessage(
  messageTypeNumber.OSD_PG_READY_TO_MERGE,
  body(
    'osd_pg_ready_to_merge',
    { version: 1, compat: 1 },
    {
      paxosVersion,
      pgid: pgId,
      sourceVersion: eversion,
      targetVersion: eversion,
      lastEpochStarted: u32,
      lastEpochClean: u32,
      ready: bool,
    },
  ),
  { defaults: paxos },
);

/** A new PG is there: its creation need not be sent again. */
export const MOSDPGCreated = defineMessage(
  messageTypeNumber.OSD_PG_CREATED,
  body('pg_created', { version: 1, compat: 1 }, { paxosVersion, pgid: pgId }),
  { defaults: paxos },
);

/** An OSD is alive; sent every osd_beacon_report_interval. */
export const MOSDBeacon = defineMessage(
  messageTypeNumber.OSD_BEACON,
  body(
    'osd_beacon',
    { version: 3, compat: 1 },
    {
      paxosVersion,
      pgs: list(pgId),
      minLastEpochClean: u32,
      lastPurgedSnapsScrub: since(2, utime, () => utimeZero),
      reportInterval_s: since(3, s32, () => 0),
    },
  ),
  { defaults: { ...paxos, lastPurgedSnapsScrub: utimeZero } },
);

/** Monitor to OSD: create these PGs; epoch and time of creation of each, in the order of PGs. */
export const MOSDPGCreate2 = defineMessage(
  messageTypeNumber.OSD_PG_CREATE2,
  body(
    'pg_create2',
    { version: 2, compat: 1 },
    {
      epoch: u32,
      pgs: pairs(spgId, pair(u32, utime)),
      /** Of PGs whose creation began in an earlier interval. */
      pgExtra: since(2, pairs(spgId, pair(pgHistory, pastIntervals)), () => []),
    },
  ),
  { defaults: { pgExtra: [] } },
);

/** The same before Nautilus. */
export const MOSDPGCreate = defineMessage(
  messageTypeNumber.OSD_PG_CREATE,
  body(
    'pg_create',
    { version: 3, compat: 3 },
    { epoch: u64num, pgs: pairs(pgId, pgCreate), times: pairs(pgId, utime) },
  ),
);

/** OSD to manager: statistics of itself, its PGs (in order) and its store by pool. */
export const MPGStats = defineMessage(
  messageTypeNumber.PGSTATS,
  body(
    'pg_stats',
    { version: 2, compat: 1 },
    {
      paxosVersion,
      fsid: uuid,
      osdStat,
      pgStats: pairs(pgId, pgStat),
      epoch: u32,
      unused: reserved(8),
      poolStats: since(2, sortedMap(s64num, storeStatfs, byNumber), () => new Map()),
    },
  ),
  { defaults: { ...paxos, unused: undefined, poolStats: new Map() } },
);

const seqAndEpoch: Codec<[seq: number, epoch: number]> = pair(u64num, u32);

/** The manager has these reports. */
export const MPGStatsAck = defineMessage(
  messageTypeNumber.PGSTATSACK,
  body('pg_stats_ack', { version: 1, compat: 1 }, { pgStats: pairs(pgId, seqAndEpoch) }),
);

/** Snapshots to remove by pool, from an MDS. */
export const MRemoveSnaps = defineMessage(
  messageTypeNumber.REMOVE_SNAPS,
  body('remove_snaps', { version: 1, compat: 1 }, { paxosVersion, snaps: sortedMap(s32, list(snapid), byNumber) }),
  { defaults: paxos },
);
