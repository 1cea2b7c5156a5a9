/** Takes messages between OSDs to their PG, makes PGs that messages bring, and holds back what is of a map that has not come or an interval that is over. */
import { Reader } from '../../encoding/index.ts';
import {
  MOSDPGBackfill,
  MOSDRepScrub,
  MOSDRepScrubMap,
  MOSDScrubReserve,
  messageTypeNumber,
} from '../../messages/index.ts';
import type { ReceivedMessage, WireMessage } from '../../msgr/index.ts';
import type { PgId, SpgId } from '../../types/index.ts';
import { newHistory, PastIntervals, type PgHistory, PgInfo } from './info.ts';
import { emptySlice } from './log.ts';
import {
  logMessage,
  notifyMessage,
  pgMessage,
  queryType,
  readInfo,
  readLease,
  readLeaseAck,
  readLogMessage,
  readNotify,
  readQuery,
  readRemove,
} from './messages.ts';
import { MissingSet } from './missing.ts';
import type { Pg } from './pg.ts';
import { readRecoveryHead, recoveryMessage } from './push.ts';

export interface PgDirectory {
  readonly mapEpoch: number;
  find(pgid: PgId): Pg | undefined;
  /** Makes a PG that others have already, as it was at `epoch`; undefined where it is not wanted here. */
  make(spgid: SpgId, epoch: number, history: PgHistory, past: PastIntervals): Pg | undefined;
  /** Delivers the message again when the map is there. */
  waitForMap(epoch: number, message: ReceivedMessage): void;
  sendToOsd(osd: number, message: WireMessage): void;
}

/** Type numbers that {@link dispatchPgMessage} takes. */
export const pgMessageTypes: ReadonlySet<number> = new Set([
  ...Object.values(pgMessage).filter((t) => t !== pgMessage.CREATE2),
  ...Object.values(recoveryMessage),
  messageTypeNumber.OSD_REPOP,
  messageTypeNumber.OSD_REPOPREPLY,
  messageTypeNumber.OSD_PG_BACKFILL,
  messageTypeNumber.OSD_REP_SCRUB,
  messageTypeNumber.OSD_REP_SCRUBMAP,
  messageTypeNumber.OSD_SCRUB_RESERVE,
]);

/** Throws DecodeError for bytes that are not what their type says. */
export function dispatchPgMessage(dir: PgDirectory, message: ReceivedMessage): void {
  switch (message.type) {
    case messageTypeNumber.OSD_REPOP:
      repOp(dir, message);
      return;
    case messageTypeNumber.OSD_REPOPREPLY:
      repOpReply(dir, message);
      return;
    case pgMessage.QUERY2:
      query(dir, message);
      return;
    case pgMessage.NOTIFY2:
      notify(dir, message);
      return;
    case pgMessage.INFO2:
      info(dir, message);
      return;
    case pgMessage.LOG:
      log(dir, message);
      return;
    case pgMessage.REMOVE:
      remove(dir, message);
      return;
    case pgMessage.LEASE:
      readLease(new Reader(message.front));
      message.release();
      return;
    case pgMessage.LEASE_ACK:
      readLeaseAck(new Reader(message.front));
      message.release();
      return;
    case messageTypeNumber.OSD_PG_BACKFILL:
      backfill(dir, message);
      return;
    case messageTypeNumber.OSD_REP_SCRUB:
      scrub(dir, message, MOSDRepScrub.decode(message), (pg) => pg.scrubber.handleRepScrub(message));
      return;
    case messageTypeNumber.OSD_REP_SCRUBMAP:
      scrub(dir, message, ofPg(MOSDRepScrubMap.decode(message)), (pg) => pg.scrubber.handleMap(message));
      return;
    case messageTypeNumber.OSD_SCRUB_RESERVE:
      scrub(dir, message, ofPg(MOSDScrubReserve.decode(message)), (pg) => pg.scrubber.handleReserve(message));
      return;
    default:
      recovery(dir, message);
      return;
  }
}

/** spg_t at the reader: pool, seed. */
function readSpg(r: Reader): PgId {
  r.skip(2);
  const length = r.u32();
  r.u8();
  const pool = r.s64num();
  const seed = r.u32();
  r.skip(length - 13);
  return { pool, seed };
}

function repOp(dir: PgDirectory, message: ReceivedMessage): void {
  const r = new Reader(message.front);
  const epoch = r.u32();
  const minEpoch = r.u32();
  r.skip(24);
  r.skipStruct();
  const pgid = readSpg(r);
  if (minEpoch > dir.mapEpoch) {
    dir.waitForMap(minEpoch, message);
    return;
  }
  const pg = dir.find(pgid);
  if (pg === undefined) message.release();
  else pg.handleRepOp(message, epoch);
}

function repOpReply(dir: PgDirectory, message: ReceivedMessage): void {
  const r = new Reader(message.front);
  const epoch = r.u32();
  if (message.version >= 2) r.skip(28);
  r.skipStruct();
  const pg = dir.find(readSpg(r));
  if (pg !== undefined && !pg.deleted && epoch >= pg.info.history.sameIntervalSince) pg.backend.handleReply(message);
  message.release();
}

/** True where the message is of an interval that is over. */
function stale(pg: Pg, sent: number, asked: number): boolean {
  return pg.deleted || pg.lastPeeringReset > sent || pg.lastPeeringReset > asked;
}

function query(dir: PgDirectory, message: ReceivedMessage): void {
  const { pgid, query: q } = readQuery(new Reader(message.front));
  if (q.epochSent > dir.mapEpoch) {
    dir.waitForMap(q.epochSent, message);
    return;
  }
  message.release();
  const from = message.source.num;
  const pg = dir.find(pgid.pgid);
  if (pg !== undefined) {
    if (!stale(pg, q.epochSent, q.epochSent)) pg.apply({ kind: 'query', from, query: q });
    return;
  }
  // There is no such PG here, and the asker must know.
  const none = new PgInfo(pgid, emptyHistory());
  if (q.type === queryType.LOG || q.type === queryType.FULLLOG) {
    dir.sendToOsd(
      from,
      logMessage({
        epoch: dir.mapEpoch,
        queryEpoch: q.epochSent,
        info: none,
        log: emptySlice(),
        missing: new MissingSet(),
        past: new PastIntervals(),
        lease: undefined,
      }),
    );
  } else dir.sendToOsd(from, notifyMessage(pgid, q.epochSent, dir.mapEpoch, none, new PastIntervals()));
}

function emptyHistory(): PgHistory {
  const h = newHistory(0, { sec: 0, nsec: 0 });
  h.lastEpochClean = 0;
  return h;
}

function notify(dir: PgDirectory, message: ReceivedMessage): void {
  const { pgid, notify: n } = readNotify(new Reader(message.front));
  if (n.epochSent > dir.mapEpoch) {
    dir.waitForMap(n.epochSent, message);
    return;
  }
  message.release();
  let pg = dir.find(pgid.pgid);
  // A copy whose primary this OSD became without having had the PG.
  if (pg === undefined && !n.info.dne) pg = dir.make(pgid, n.epochSent, { ...n.info.history }, n.past.copy());
  if (pg === undefined || stale(pg, n.epochSent, n.queryEpoch)) return;
  pg.apply({ kind: 'notify', from: message.source.num, notify: n });
}

function info(dir: PgDirectory, message: ReceivedMessage): void {
  const m = readInfo(new Reader(message.front));
  if (m.epochSent > dir.mapEpoch) {
    dir.waitForMap(m.epochSent, message);
    return;
  }
  message.release();
  const pg = dir.find(m.pgid.pgid);
  if (pg === undefined || stale(pg, m.epochSent, m.minEpoch)) return;
  pg.apply({ kind: 'info', from: message.source.num, info: m });
}

function log(dir: PgDirectory, message: ReceivedMessage): void {
  const m = readLogMessage(new Reader(message.front), message.version);
  if (m.epoch > dir.mapEpoch) {
    dir.waitForMap(m.epoch, message);
    return;
  }
  message.release();
  const { pgid } = m.info;
  let pg = dir.find(pgid.pgid);
  if (pg === undefined) pg = dir.make(pgid, m.queryEpoch, { ...m.info.history }, m.past.copy());
  if (pg === undefined || stale(pg, m.epoch, m.queryEpoch)) return;
  pg.apply({ kind: 'log', from: message.source.num, log: m });
}

function remove(dir: PgDirectory, message: ReceivedMessage): void {
  const m = readRemove(new Reader(message.front));
  if (m.epoch > dir.mapEpoch) {
    dir.waitForMap(m.epoch, message);
    return;
  }
  message.release();
  for (const pgid of m.pgids) {
    const pg = dir.find(pgid.pgid);
    if (pg === undefined || pg.lastPeeringReset > m.epoch || pg.state !== 'Stray') continue;
    if (message.source.num === pg.peering.mapping.actingPrimary) pg.remove();
  }
}

function recovery(dir: PgDirectory, message: ReceivedMessage): void {
  const { pgid, epoch } = readRecoveryHead(message.front);
  if (epoch > dir.mapEpoch) {
    dir.waitForMap(epoch, message);
    return;
  }
  const pg = dir.find(pgid);
  if (pg === undefined || stale(pg, epoch, epoch)) {
    message.release();
    return;
  }
  if (message.type === recoveryMessage.PUSH) pg.recovery.handlePush(message);
  else if (message.type === recoveryMessage.PULL) pg.recovery.handlePull(message);
  else pg.run(() => pg.recovery.handlePushReply(message));
}

function ofPg(m: { pgid: SpgId; mapEpoch: number }): { pgid: PgId; mapEpoch: number } {
  return { pgid: m.pgid.pgid, mapEpoch: m.mapEpoch };
}

function scrub(
  dir: PgDirectory,
  message: ReceivedMessage,
  m: { readonly pgid: PgId; readonly mapEpoch: number },
  take: (pg: Pg) => void,
): void {
  if (m.mapEpoch > dir.mapEpoch) {
    dir.waitForMap(m.mapEpoch, message);
    return;
  }
  const pg = dir.find(m.pgid);
  if (pg !== undefined && !stale(pg, m.mapEpoch, m.mapEpoch)) pg.run(() => take(pg));
  message.release();
}

function backfill(dir: PgDirectory, message: ReceivedMessage): void {
  const m = MOSDPGBackfill.decode(message);
  if (m.mapEpoch > dir.mapEpoch) {
    dir.waitForMap(m.mapEpoch, message);
    return;
  }
  message.release();
  const pg = dir.find(m.pgid);
  if (pg !== undefined && !stale(pg, m.mapEpoch, m.queryEpoch)) pg.handleBackfill(m.op, m.lastBackfill);
}
