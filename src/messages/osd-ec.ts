import {
  blob,
  body,
  bool,
  type Codec,
  list,
  optional,
  pair,
  plain,
  s32,
  since,
  struct,
  u32,
  u64num,
} from '../encoding/index.ts';
import {
  eversion,
  eversionZero,
  type Hobject,
  hobject,
  namedBytes,
  osdReqid,
  type PgHitSetHistory,
  pairs,
  pgHitSetHistory,
  pgLogEntries,
  pgShard,
  pgStat,
  spgId,
} from '../types/index.ts';
import { reserved, structBytes } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// Between the shards of a PG of an erasure pool.

const objects: Codec<Hobject[]> = list(hobject);
const hitSetHistory: Codec<PgHitSetHistory | undefined> = optional(pgHitSetHistory);

/** ECSubWrite. */
const subWrite = struct(
  'ECSubWrite',
  { version: 4, compat: 1 },
  {
    from: pgShard,
    tid: u64num,
    reqid: osdReqid,
    soid: hobject,
    stats: pgStat,
    /** Encoded transaction. */
    transaction: structBytes,
    atVersion: eversion,
    trimTo: eversion,
    logEntries: pgLogEntries,
    tempAdded: objects,
    tempRemoved: objects,
    updatedHitSetHistory: since(2, hitSetHistory, () => undefined),
    rollForwardTo: since(3, eversion, () => eversionZero),
    backfillOrAsyncRecovery: since(4, bool, () => false),
  },
);

const subWriteReply = struct(
  'ECSubWriteReply',
  { version: 1, compat: 1 },
  { from: pgShard, tid: u64num, lastComplete: eversion, committed: bool, applied: bool },
);

/** ECSubRead: per object the ranges (with flags), and of which sub-chunks. */
const subRead = struct(
  'ECSubRead',
  { version: 3, compat: 2 },
  {
    from: pgShard,
    tid: u64num,
    toRead: pairs(hobject, list(plain('range', { offset: u64num, length: u64num, flags: u32 }))),
    attrsToRead: objects,
    subchunks: since(3, pairs(hobject, list(pair(s32, s32))), () => []),
  },
);

const subReadReply = struct(
  'ECSubReadReply',
  { version: 1, compat: 1 },
  {
    from: pgShard,
    tid: u64num,
    buffersRead: pairs(hobject, list(pair(u64num, blob))),
    attrsRead: pairs(hobject, namedBytes),
    errors: pairs(hobject, s32),
  },
);

const head = { pgid: spgId, mapEpoch: u32 };
const tail = (from: number) => ({
  minEpoch: since(from, u32, () => 0),
  trace: since(from, reserved(24), () => undefined),
});
const defaults = { trace: undefined };

export const MOSDECSubOpWrite = defineMessage(
  messageTypeNumber.OSD_EC_WRITE,
  body('MOSDECSubOpWrite', { version: 2, compat: 1 }, { ...head, op: subWrite, ...tail(2) }),
  { defaults },
);

export const MOSDECSubOpWriteReply = defineMessage(
  messageTypeNumber.OSD_EC_WRITE_REPLY,
  body('MOSDECSubOpWriteReply', { version: 2, compat: 1 }, { ...head, op: subWriteReply, ...tail(2) }),
  { defaults },
);

export const MOSDECSubOpRead = defineMessage(
  messageTypeNumber.OSD_EC_READ,
  body('MOSDECSubOpRead', { version: 3, compat: 1 }, { ...head, op: subRead, ...tail(3) }),
  { defaults },
);

export const MOSDECSubOpReadReply = defineMessage(
  messageTypeNumber.OSD_EC_READ_REPLY,
  body('MOSDECSubOpReadReply', { version: 2, compat: 1 }, { ...head, op: subReadReply, ...tail(2) }),
  { defaults },
);
