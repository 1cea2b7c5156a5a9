import { body, type Codec, list, optional, s8, s64num, since, u32, u64num } from '../encoding/index.ts';
import {
  eversion,
  eversionZero,
  PastIntervals,
  type PgLease,
  type PgNotify,
  pairs,
  pastIntervals,
  pgId,
  pgInfo,
  pgLease,
  pgLeaseAck,
  pgLog,
  pgLogEntries,
  pgMissing,
  pgNotify,
  pgQuery,
  spgId,
} from '../types/index.ts';
import { defineMessage, messagePriority } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// Between the OSDs of a PG: who has what, and until when replicas may serve reads.

const HIGH = { priority: messagePriority.HIGH };
const V1 = { version: 1, compat: 1 };
const lease: Codec<PgLease | undefined> = optional(pgLease);
const leaseAck = optional(pgLeaseAck);

/** An OSD tells a PG's primary what it has of it. */
export const MOSDPGNotify2 = defineMessage(
  messageTypeNumber.OSD_PG_NOTIFY2,
  body('pg_notify2', V1, { spgid: spgId, notify: pgNotify }),
  HIGH,
);

/** A primary asks what an OSD has. */
export const MOSDPGQuery2 = defineMessage(
  messageTypeNumber.OSD_PG_QUERY2,
  body('pg_query2', V1, { spgid: spgId, query: pgQuery }),
  HIGH,
);

/** What the sender knows of the PG, from the primary or as its answer. */
export const MOSDPGInfo2 = defineMessage(
  messageTypeNumber.OSD_PG_INFO2,
  body('pg_info2', V1, { spgid: spgId, epochSent: u32, minEpoch: u32, info: pgInfo, lease, leaseAck }),
  { ...HIGH, defaults: { lease: undefined, leaseAck: undefined } },
);

/** The log, or a part of it. The PG is `info.pgid.pgid` with shard `to`. */
export const MOSDPGLog = defineMessage(
  messageTypeNumber.OSD_PG_LOG,
  body(
    'PGlog',
    { version: 6, compat: 5 },
    {
      epoch: u32,
      info: pgInfo,
      log: pgLog,
      missing: pgMissing,
      queryEpoch: u32,
      pastIntervals,
      to: s8,
      from: s8,
      lease: since(6, lease, () => undefined),
    },
  ),
  { ...HIGH, defaults: { pastIntervals: PastIntervals.empty, lease: undefined } },
);

const notifies: Codec<PgNotify[]> = list(pgNotify);

/** Many PGs in one, from before Octopus. Of the form before version 7 (6 for the info) only what Octopus sends is read. */
export const MOSDPGNotify = defineMessage(
  messageTypeNumber.OSD_PG_NOTIFY,
  body('PGnot', { version: 7, compat: 6 }, { epoch: u32, pgs: notifies }),
  HIGH,
);

export const MOSDPGInfo = defineMessage(
  messageTypeNumber.OSD_PG_INFO,
  body('pg_info', { version: 6, compat: 5 }, { epoch: u32, pgs: notifies }),
  HIGH,
);

export const MOSDPGQuery = defineMessage(
  messageTypeNumber.OSD_PG_QUERY,
  body('pg_query', { version: 4, compat: 4 }, { epoch: u64num, pgs: pairs(spgId, pgQuery) }),
  HIGH,
);

/** A replica may forget its log up to here. */
export const MOSDPGTrim = defineMessage(
  messageTypeNumber.OSD_PG_TRIM,
  body('pg_trim', { version: 2, compat: 2 }, { epoch: u32, pgid: pgId, trimTo: eversion, shard: s8 }),
);

/** Strays are no longer needed. */
export const MOSDPGRemove = defineMessage(
  messageTypeNumber.OSD_PG_REMOVE,
  body('PGrm', { version: 3, compat: 3 }, { epoch: u32, pgs: list(spgId) }),
);

export const MOSDPGLease = defineMessage(
  messageTypeNumber.OSD_PG_LEASE,
  body('pg_lease', V1, { epoch: u32, spgid: spgId, lease: pgLease }),
);

export const MOSDPGLeaseAck = defineMessage(
  messageTypeNumber.OSD_PG_LEASE_ACK,
  body('pg_lease_ack', V1, { epoch: u32, spgid: spgId, leaseAck: pgLeaseAck }),
);

/** Primary to replica: log entries without a transaction (errors, objects marked lost). */
export const MOSDPGUpdateLogMissing = defineMessage(
  messageTypeNumber.OSD_PG_UPDATE_LOG_MISSING,
  body(
    'PGUpdateLogMissing',
    { version: 3, compat: 1 },
    {
      mapEpoch: u32,
      pgid: spgId,
      from: s8,
      repTid: u64num,
      entries: pgLogEntries,
      minEpoch: since(2, u32, () => 0),
      pgTrimTo: since(3, eversion, () => eversionZero),
      pgRollForwardTo: since(3, eversion, () => eversionZero),
    },
  ),
);

export const MOSDPGUpdateLogMissingReply = defineMessage(
  messageTypeNumber.OSD_PG_UPDATE_LOG_MISSING_REPLY,
  body(
    'PGUpdateLogMissingReply',
    { version: 3, compat: 1 },
    {
      mapEpoch: u32,
      pgid: spgId,
      from: s8,
      repTid: u64num,
      minEpoch: since(2, u32, () => 0),
      lastCompleteOndisk: since(3, eversion, () => eversionZero),
    },
  ),
);

export const backfillReserveType = {
  REQUEST: 0,
  GRANT: 1,
  REJECT_TOOFULL: 2,
  RELEASE: 3,
  REVOKE_TOOFULL: 4,
  REVOKE: 5,
} as const;

/** A place among the backfills that an OSD does at a time. Needs Mimic or later at both ends. */
export const MBackfillReserve = defineMessage(
  messageTypeNumber.OSD_BACKFILL_RESERVE,
  body(
    'MBackfillReserve',
    { version: 5, compat: 4 },
    {
      pgid: pgId,
      queryEpoch: u32,
      /** One of backfillReserveType. */
      type: u32,
      priority: u32,
      shard: s8,
      primaryNumBytes: since(5, s64num, () => 0),
      shardNumBytes: since(5, s64num, () => 0),
    },
  ),
  { defaults: { priority: 0xffffffff, primaryNumBytes: 0, shardNumBytes: 0 } },
);

export const recoveryReserveType = { REQUEST: 0, GRANT: 1, RELEASE: 2, REVOKE: 3 } as const;

/** A place among the recoveries that an OSD does at a time. */
export const MRecoveryReserve = defineMessage(
  messageTypeNumber.OSD_RECOVERY_RESERVE,
  body(
    'MRecoveryReserve',
    { version: 3, compat: 2 },
    {
      pgid: pgId,
      queryEpoch: u32,
      /** One of recoveryReserveType. */
      type: u32,
      shard: s8,
      priority: since(3, u32, () => 0),
    },
  ),
  { defaults: { priority: 0 } },
);
