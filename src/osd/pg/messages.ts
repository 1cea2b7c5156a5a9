/**
 * The messages with which copies of a PG find agreement, as Ceph 16.2 sends them between OSDs: one PG in each.
 */
import { type Codec, list, optional, type Reader, s8, s32, struct, u32, Writer } from '../../encoding/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import { type Eversion, eversion, NO_SHARD, type SpgId, spgId, type Utime, utime } from '../../types/index.ts';
import {
  PastIntervals,
  type PgHistory,
  type PgInfo,
  type PgLease,
  pastIntervals,
  pgHistory,
  pgInfo,
  pgLease,
  pgLeaseAck,
} from './info.ts';
import type { LogSlice } from './log.ts';
import { type LogDup, type LogEntry, readLogDup, readLogEntry, writeLogDup, writeLogEntry } from './log-entry.ts';
import { type MissingSet, readMissingSet, writeMissingSet } from './missing.ts';

export const pgMessage = {
  LOG: 83,
  REMOVE: 84,
  CREATE2: 120,
  NOTIFY2: 130,
  QUERY2: 131,
  INFO2: 132,
  LEASE: 133,
  LEASE_ACK: 134,
} as const;

const EMPTY = new Uint8Array(0);

function wire(type: number, version: number, compatVersion: number, w: Writer, priority = 127): WireMessage {
  return { type, version, compatVersion, priority, tid: 0, front: w.bytes(), middle: EMPTY, data: [], dataOffset: 0 };
}

/** pg_query_t kinds. */
export const queryType = { INFO: 0, LOG: 1, MISSING: 4, FULLLOG: 5 } as const;

/** pg_query_t: what a primary wants to know. */
export interface PgQuery {
  readonly type: number;
  /** Of LOG: entries newer than this. */
  readonly since: Eversion;
  readonly history: PgHistory;
  readonly epochSent: number;
  readonly to: number;
  readonly from: number;
}

const pgQuery: Codec<PgQuery> = struct(
  'pg_query_t',
  { version: 3, compat: 3 },
  { type: s32, since: eversion, history: pgHistory, epochSent: u32, to: s8, from: s8 },
);

export function queryMessage(
  pgid: SpgId,
  type: number,
  since: Eversion,
  history: PgHistory,
  epoch: number,
): WireMessage {
  const w = new Writer(256);
  spgId.encode(w, pgid);
  pgQuery.encode(w, { type, since, history, epochSent: epoch, to: NO_SHARD, from: NO_SHARD });
  return wire(pgMessage.QUERY2, 1, 1, w);
}

export function readQuery(r: Reader): { pgid: SpgId; query: PgQuery } {
  const pgid = spgId.decode(r);
  return { pgid, query: pgQuery.decode(r) };
}

/** pg_notify_t: a copy tells the primary where it stands. */
export interface PgNotify {
  readonly queryEpoch: number;
  readonly epochSent: number;
  readonly info: PgInfo;
  readonly to: number;
  readonly from: number;
  readonly past: PastIntervals;
}

const pgNotify: Codec<PgNotify> = struct(
  'pg_notify_t',
  { version: 3, compat: 2 },
  { queryEpoch: u32, epochSent: u32, info: pgInfo, to: s8, from: s8, past: pastIntervals },
);

export function notifyMessage(
  pgid: SpgId,
  queryEpoch: number,
  epoch: number,
  info: PgInfo,
  past: PastIntervals,
): WireMessage {
  const w = new Writer(2048);
  spgId.encode(w, pgid);
  pgNotify.encode(w, { queryEpoch, epochSent: epoch, info, to: NO_SHARD, from: NO_SHARD, past });
  return wire(pgMessage.NOTIFY2, 1, 1, w);
}

export function readNotify(r: Reader): { pgid: SpgId; notify: PgNotify } {
  const pgid = spgId.decode(r);
  return { pgid, notify: pgNotify.decode(r) };
}

const lease = optional(pgLease);
const leaseAck = optional(pgLeaseAck);

export interface PgInfoMessage {
  readonly pgid: SpgId;
  readonly epochSent: number;
  readonly minEpoch: number;
  readonly info: PgInfo;
  readonly lease: PgLease | undefined;
  readonly leaseAck: { readableUntilUb_ms: number } | undefined;
}

/** The primary tells a copy that it is up to date, or a copy tells that it is active. */
export function infoMessage(m: PgInfoMessage): WireMessage {
  const w = new Writer(2048);
  spgId.encode(w, m.pgid);
  w.u32(m.epochSent);
  w.u32(m.minEpoch);
  pgInfo.encode(w, m.info);
  lease.encode(w, m.lease);
  leaseAck.encode(w, m.leaseAck);
  return wire(pgMessage.INFO2, 1, 1, w);
}

export function readInfo(r: Reader): PgInfoMessage {
  const pgid = spgId.decode(r);
  const epochSent = r.u32();
  const minEpoch = r.u32();
  const info = pgInfo.decode(r);
  const l = lease.decode(r);
  return { pgid, epochSent, minEpoch, info, lease: l, leaseAck: leaseAck.decode(r) };
}

function writeLog(w: Writer, log: LogSlice): void {
  const token = w.structStart(7, 3);
  eversion.encode(w, log.head);
  eversion.encode(w, log.tail);
  w.u32(log.entries.length);
  for (const e of log.entries) writeLogEntry(w, e);
  eversion.encode(w, log.canRollbackTo);
  eversion.encode(w, log.rollbackInfoTrimmedTo);
  w.u32(log.dups.length);
  for (const d of log.dups) writeLogDup(w, d);
  w.structEnd(token);
}

function readLog(r: Reader): LogSlice {
  const frame = r.structStart(7);
  if (frame.version < 7) r.fail(`pg_log_t version ${frame.version} is from before Luminous`);
  const head = eversion.decode(r);
  const tail = eversion.decode(r);
  const entries: LogEntry[] = [];
  for (let n = r.count(6); n > 0; n--) entries.push(readLogEntry(r));
  const canRollbackTo = eversion.decode(r);
  const rollbackInfoTrimmedTo = eversion.decode(r);
  const dups: LogDup[] = [];
  for (let n = r.count(6); n > 0; n--) dups.push(readLogDup(r));
  r.structEnd(frame);
  return { head, tail, entries, canRollbackTo, rollbackInfoTrimmedTo, dups };
}

/** MOSDPGLog: an answer to a query for a log, or the log that a copy is to continue with. */
export interface PgLogMessage {
  readonly epoch: number;
  readonly queryEpoch: number;
  readonly info: PgInfo;
  readonly log: LogSlice;
  readonly missing: MissingSet;
  readonly past: PastIntervals;
  readonly lease: PgLease | undefined;
}

export function logMessage(m: PgLogMessage): WireMessage {
  const w = new Writer(4096);
  w.u32(m.epoch);
  pgInfo.encode(w, m.info);
  writeLog(w, m.log);
  writeMissingSet(w, m.missing);
  w.u32(m.queryEpoch);
  m.past.encode(w);
  w.s8(NO_SHARD);
  w.s8(NO_SHARD);
  lease.encode(w, m.lease);
  return wire(pgMessage.LOG, 6, 5, w);
}

export function readLogMessage(r: Reader, version: number): PgLogMessage {
  const epoch = r.u32();
  const info = pgInfo.decode(r);
  const log = readLog(r);
  const missing = readMissingSet(r);
  const queryEpoch = r.u32();
  const past = PastIntervals.decode(r);
  r.s8();
  r.s8();
  return { epoch, info, log, missing, queryEpoch, past, lease: version >= 6 ? lease.decode(r) : undefined };
}

/** MOSDPGLease: how long reads may be served. */
export function leaseMessage(epoch: number, pgid: SpgId, l: PgLease): WireMessage {
  const w = new Writer(96);
  w.u32(epoch);
  spgId.encode(w, pgid);
  pgLease.encode(w, l);
  return wire(pgMessage.LEASE, 1, 1, w);
}

export function readLease(r: Reader): { epoch: number; pgid: SpgId; lease: PgLease } {
  const epoch = r.u32();
  const pgid = spgId.decode(r);
  return { epoch, pgid, lease: pgLease.decode(r) };
}

export function leaseAckMessage(epoch: number, pgid: SpgId, readableUntilUb_ms: number): WireMessage {
  const w = new Writer(96);
  w.u32(epoch);
  spgId.encode(w, pgid);
  pgLeaseAck.encode(w, { readableUntilUb_ms });
  return wire(pgMessage.LEASE_ACK, 1, 1, w);
}

export function readLeaseAck(r: Reader): { epoch: number; pgid: SpgId; readableUntilUb_ms: number } {
  const epoch = r.u32();
  const pgid = spgId.decode(r);
  return { epoch, pgid, readableUntilUb_ms: pgLeaseAck.decode(r).readableUntilUb_ms };
}

const spgIds = list(spgId);

/** MOSDPGRemove: copies that are not wanted any more. */
export function removeMessage(epoch: number, pgids: SpgId[]): WireMessage {
  const w = new Writer(96);
  w.u32(epoch);
  spgIds.encode(w, pgids);
  return wire(pgMessage.REMOVE, 3, 3, w);
}

export function readRemove(r: Reader): { epoch: number; pgids: SpgId[] } {
  const epoch = r.u32();
  return { epoch, pgids: spgIds.decode(r) };
}

/** MOSDPGCreate2: the monitor has PGs made. */
export interface PgCreate {
  readonly pgid: SpgId;
  readonly epoch: number;
  readonly stamp: Utime;
  history: PgHistory | undefined;
  past: PastIntervals | undefined;
}

export function readCreate(r: Reader, version: number): { epoch: number; pgs: PgCreate[] } {
  const epoch = r.u32();
  const pgs = new Map<string, PgCreate>();
  const key = (p: SpgId): string => `${p.pgid.pool}.${p.pgid.seed}.${p.shard}`;
  for (let n = r.count(36); n > 0; n--) {
    const pgid = spgId.decode(r);
    const created = r.u32();
    pgs.set(key(pgid), { pgid, epoch: created, stamp: utime.decode(r), history: undefined, past: undefined });
  }
  if (version >= 2) {
    for (let n = r.count(37); n > 0; n--) {
      const pgid = spgId.decode(r);
      const history = pgHistory.decode(r);
      const past = PastIntervals.decode(r);
      const pg = pgs.get(key(pgid));
      if (pg !== undefined) {
        pg.history = history;
        pg.past = past;
      }
    }
  }
  return { epoch, pgs: [...pgs.values()] };
}
