import { body, bool, type Codec, list, pair, s8, since, u32, u64num } from '../encoding/index.ts';
import {
  type Eversion,
  eversion,
  type Hobject,
  hobject,
  objectStatCollection,
  pgId,
  pgShard,
  pgStat,
  pullOps,
  pushOps,
  pushReplyOps,
  spgId,
} from '../types/index.ts';
import { defineDataMessage, defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// Between the OSDs of a PG: objects that some lack.

/** Objects for who lacks them. The PG's shard stands apart, where version 2 put it. */
export const MOSDPGPush = defineMessage(
  messageTypeNumber.OSD_PG_PUSH,
  body(
    'MOSDPGPush',
    { version: 4, compat: 2 },
    {
      pgid: pgId,
      mapEpoch: u32,
      pushes: pushOps,
      cost: u64num,
      shard: s8,
      from: pgShard,
      minEpoch: since(3, u32, () => 0),
      isRepair: since(4, bool, () => false),
    },
  ),
  { defaults: { cost: 0, isRepair: false } },
);

/** Asks for objects. */
export const MOSDPGPull = defineMessage(
  messageTypeNumber.OSD_PG_PULL,
  body(
    'MOSDPGPull',
    { version: 3, compat: 2 },
    {
      pgid: pgId,
      mapEpoch: u32,
      pulls: pullOps,
      cost: u64num,
      shard: s8,
      from: pgShard,
      minEpoch: since(3, u32, () => 0),
    },
  ),
  { defaults: { cost: 0 } },
);

export const MOSDPGPushReply = defineMessage(
  messageTypeNumber.OSD_PG_PUSH_REPLY,
  body(
    'MOSDPGPushReply',
    { version: 3, compat: 2 },
    {
      pgid: pgId,
      mapEpoch: u32,
      replies: pushReplyOps,
      cost: u64num,
      shard: s8,
      from: pgShard,
      minEpoch: since(3, u32, () => 0),
    },
  ),
  { defaults: { cost: 0 } },
);

export const pgScanOp = { GET_DIGEST: 1, DIGEST: 2 } as const;

/** What objects are in a range; the answer's `data` is an encoded map of hobject to eversion (codec `backfillDigest`). */
export const MOSDPGScan = defineDataMessage(
  messageTypeNumber.OSD_PG_SCAN,
  body(
    'pg_scan',
    { version: 2, compat: 2 },
    {
      /** One of pgScanOp. */
      op: u32,
      mapEpoch: u32,
      queryEpoch: u32,
      pgid: pgId,
      begin: hobject,
      end: hobject,
      from: pgShard,
      shard: s8,
    },
  ),
);

export const pgBackfillOp = { PROGRESS: 2, FINISH: 3, FINISH_ACK: 4 } as const;

/** How far a backfill has come. Statistics travel twice. */
export const MOSDPGBackfill = defineMessage(
  messageTypeNumber.OSD_PG_BACKFILL,
  body(
    'pg_backfill',
    { version: 3, compat: 3 },
    {
      /** One of pgBackfillOp. */
      op: u32,
      mapEpoch: u32,
      queryEpoch: u32,
      pgid: pgId,
      lastBackfill: hobject,
      /** Those of `stats`. */
      objectStats: objectStatCollection,
      stats: pgStat,
      shard: s8,
    },
  ),
);

/** Objects with the versions meant. */
export type ObjectVersions = [object: Hobject, version: Eversion][];
const objectVersions: Codec<ObjectVersions> = list(pair(hobject, eversion));

/** std::map<hobject_t, eversion_t>: what a scan found. */
export const backfillDigest: Codec<ObjectVersions> = objectVersions;

/** Objects that the target of a backfill is to remove. */
export const MOSDPGBackfillRemove = defineMessage(
  messageTypeNumber.OSD_PG_BACKFILL_REMOVE,
  body('backfill_remove', { version: 1, compat: 1 }, { pgid: spgId, mapEpoch: u32, objects: objectVersions }),
);

/** Objects to delete in the course of recovery. */
export const MOSDPGRecoveryDelete = defineMessage(
  messageTypeNumber.OSD_PG_RECOVERY_DELETE,
  body(
    'recovery_delete',
    { version: 2, compat: 1 },
    { from: pgShard, pgid: spgId, mapEpoch: u32, minEpoch: u32, cost: u64num, objects: objectVersions },
  ),
  { defaults: { cost: 0 } },
);

export const MOSDPGRecoveryDeleteReply = defineMessage(
  messageTypeNumber.OSD_PG_RECOVERY_DELETE_REPLY,
  body(
    'recovery_delete_reply',
    { version: 2, compat: 1 },
    { pgid: pgId, mapEpoch: u32, minEpoch: u32, objects: objectVersions, shard: s8, from: pgShard },
  ),
);
