import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  type Eversion,
  eversion,
  eversionZero,
  type Hobject,
  hobject,
  hobjectMin,
  type OsdReqid,
  osdReqid,
  type PgShard,
  pgShard,
  type SpgId,
  spgId,
} from '../types/index.ts';
import {
  checkHeader,
  type EncodeOptions,
  type IncomingParts,
  type MessageParts,
  type MessageType,
  messagePriority,
  noBytes,
  noData,
} from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/*
 * MOSDRepOp, version 3 (messages/MOSDRepOp.h). Front:
 *
 *   u32 map epoch, u32 min epoch        the primary's; what a receiver must have
 *   3 x u64 trace               zero
 *   osd_reqid_t reqid           the client's request
 *   spg_t pgid
 *   hobject_t object
 *   u8 acks wanted
 *   eversion_t version
 *   bytes log entries           u32 length; holds a vector of pg_log_entry_t
 *   pg_stat_t
 *   eversion_t trim to
 *   hobject_t new temporary object, hobject_t temporary object to forget
 *   pg_shard_t from
 *   optional pg_hit_set_history_t
 *   eversion_t min last complete on disk
 *
 * Data: the transaction. A reply (version 2) has the first five, then u8 ack type, s32 result, eversion_t last complete on disk, pg_shard_t from.
 */
const VERSION = 3;
const COMPAT = 1;
const REPLY_VERSION = 2;
const REPLY_COMPAT = 1;

export interface RepOp {
  readonly mapEpoch: number;
  readonly minEpoch: number;
  readonly reqid: OsdReqid;
  readonly pgid: SpgId;
  readonly poid: Hobject;
  readonly acksWanted: number;
  readonly version: Eversion;
  /** Encoded vector of pg_log_entry_t: {@link pgLogEntries}. */
  readonly logEntries: Uint8Array;
  /** Encoded pg_stat_t: `pgStat` reads and writes it. Left as bytes: a replica seldom looks inside. */
  readonly pgStats: Uint8Array;
  readonly pgTrimTo: Eversion;
  readonly newTempOid: Hobject;
  readonly discardTempOid: Hobject;
  readonly from: PgShard;
  /** Encoded pg_hit_set_history_t. */
  readonly hitSetHistory: Uint8Array | undefined;
  readonly minLastCompleteOndisk: Eversion;
  /** The transaction, in parts. */
  readonly data: readonly Uint8Array[];
}

export type RepOpInput = Omit<RepOp, 'newTempOid' | 'discardTempOid' | 'hitSetHistory'> &
  Partial<Pick<RepOp, 'newTempOid' | 'discardTempOid' | 'hitSetHistory'>>;

/** Encodings that nearly every message has: of "no object". */
const MIN_BYTES: Uint8Array = (() => {
  const w = new Writer(64);
  hobject.encode(w, hobjectMin);
  return w.bytes().slice();
})();

function encodeHobject(w: Writer, h: Hobject | undefined): void {
  if (h === undefined || h === hobjectMin) w.raw(MIN_BYTES);
  else hobject.encode(w, h);
}

function encode(f: RepOpInput, options: EncodeOptions = {}): MessageParts {
  const w = new Writer(512 + f.logEntries.length + f.pgStats.length, options.features ?? CEPH_FEATURES_ALL);
  w.u32(f.mapEpoch);
  w.u32(f.minEpoch);
  w.zeros(24);
  osdReqid.encode(w, f.reqid);
  spgId.encode(w, f.pgid);
  hobject.encode(w, f.poid);
  w.u8(f.acksWanted);
  eversion.encode(w, f.version);
  w.blob(f.logEntries);
  w.raw(f.pgStats);
  eversion.encode(w, f.pgTrimTo);
  encodeHobject(w, f.newTempOid);
  encodeHobject(w, f.discardTempOid);
  pgShard.encode(w, f.from);
  w.bool(f.hitSetHistory !== undefined);
  if (f.hitSetHistory !== undefined) w.raw(f.hitSetHistory);
  eversion.encode(w, f.minLastCompleteOndisk);
  return {
    type: messageTypeNumber.OSD_REPOP,
    version: VERSION,
    compatVersion: COMPAT,
    priority: options.priority ?? messagePriority.DEFAULT,
    tid: options.tid ?? 0,
    front: w.bytes(),
    middle: noBytes,
    data: f.data,
    dataOffset: 0,
  };
}

/** A versioned struct as bytes. */
function structBytes(r: Reader): Uint8Array {
  const start = r.offset;
  r.need(6);
  r.skip(2);
  r.skip(r.u32());
  return r.buffer.subarray(start, r.offset);
}

function decode(parts: IncomingParts): RepOp {
  checkHeader(parts, messageTypeNumber.OSD_REPOP, 'osd_repop', VERSION);
  const r = new Reader(parts.front);
  try {
    const mapEpoch = r.u32();
    let minEpoch = mapEpoch;
    if (parts.version >= 2) {
      minEpoch = r.u32();
      r.skip(24);
    }
    const reqid = osdReqid.decode(r);
    const pgid = spgId.decode(r);
    const poid = hobject.decode(r);
    const acksWanted = r.u8();
    const version = eversion.decode(r);
    const logEntries = r.blob();
    const pgStats = structBytes(r);
    const pgTrimTo = eversion.decode(r);
    const newTempOid = hobject.decode(r);
    const discardTempOid = hobject.decode(r);
    const from = pgShard.decode(r);
    const hitSetHistory = r.bool() ? structBytes(r) : undefined;
    const last = eversion.decode(r);
    return {
      mapEpoch,
      minEpoch,
      reqid,
      pgid,
      poid,
      acksWanted,
      version,
      logEntries,
      pgStats,
      pgTrimTo,
      newTempOid,
      discardTempOid,
      from,
      hitSetHistory,
      minLastCompleteOndisk: parts.version >= 3 ? last : eversionZero,
      data: parts.data,
    };
  } catch (error) {
    if (error instanceof DecodeError) error.within('osd_repop');
    throw error;
  }
}

/** Primary to replica: log these entries and apply this transaction. */
export const MOSDRepOp: MessageType<RepOp, RepOpInput> = {
  type: messageTypeNumber.OSD_REPOP,
  name: 'osd_repop',
  version: VERSION,
  compat: COMPAT,
  encode,
  decode,
};

export interface RepOpReply {
  readonly mapEpoch: number;
  readonly minEpoch: number;
  readonly reqid: OsdReqid;
  readonly pgid: SpgId;
  /** osdFlag.ONDISK once durable. */
  readonly ackType: number;
  readonly result: number;
  readonly lastCompleteOndisk: Eversion;
  readonly from: PgShard;
}

function encodeReply(f: RepOpReply, options: EncodeOptions = {}): MessageParts {
  const w = new Writer(160, options.features ?? CEPH_FEATURES_ALL);
  w.u32(f.mapEpoch);
  w.u32(f.minEpoch);
  w.zeros(24);
  osdReqid.encode(w, f.reqid);
  spgId.encode(w, f.pgid);
  w.u8(f.ackType);
  w.s32(f.result);
  eversion.encode(w, f.lastCompleteOndisk);
  pgShard.encode(w, f.from);
  return {
    type: messageTypeNumber.OSD_REPOPREPLY,
    version: REPLY_VERSION,
    compatVersion: REPLY_COMPAT,
    priority: options.priority ?? messagePriority.HIGH,
    tid: options.tid ?? 0,
    front: w.bytes(),
    middle: noBytes,
    data: noData,
    dataOffset: 0,
  };
}

function decodeReply(parts: IncomingParts): RepOpReply {
  checkHeader(parts, messageTypeNumber.OSD_REPOPREPLY, 'osd_repop_reply', REPLY_VERSION);
  const r = new Reader(parts.front);
  try {
    const mapEpoch = r.u32();
    let minEpoch = mapEpoch;
    if (parts.version >= 2) {
      minEpoch = r.u32();
      r.skip(24);
    }
    const reqid = osdReqid.decode(r);
    const pgid = spgId.decode(r);
    const ackType = r.u8();
    const result = r.s32();
    const lastCompleteOndisk = eversion.decode(r);
    const from = pgShard.decode(r);
    return { mapEpoch, minEpoch, reqid, pgid, ackType, result, lastCompleteOndisk, from };
  } catch (error) {
    if (error instanceof DecodeError) error.within('osd_repop_reply');
    throw error;
  }
}

/** Replica to primary: the transaction is durable. */
export const MOSDRepOpReply: MessageType<RepOpReply> = {
  type: messageTypeNumber.OSD_REPOPREPLY,
  name: 'osd_repop_reply',
  version: REPLY_VERSION,
  compat: REPLY_COMPAT,
  encode: encodeReply,
  decode: decodeReply,
};
