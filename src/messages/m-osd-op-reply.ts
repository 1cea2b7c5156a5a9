import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  type Eversion,
  eversion,
  eversionZero,
  type PgId,
  pgId,
  type RequestRedirect,
  requestRedirect,
} from '../types/index.ts';
import {
  checkHeader,
  type EncodeOptions,
  type IncomingParts,
  type MessageParts,
  type MessageType,
  noBytes,
  noData,
} from './message.ts';
import { DataCutter, type OsdOp, readOsdOps, writeOsdOp } from './osd-op.ts';
import { messageTypeNumber } from './type-numbers.ts';

/*
 * MOSDOpReply, version 8 (messages/MOSDOpReply.h). Front:
 *
 *   string object name
 *   pg_t pgid
 *   s64 flags                   the request's, with ACK or ONDISK
 *   s32 result
 *   eversion_t bad replay version       what clients from before Firefly look at
 *   u32 osdmap epoch            the OSD's
 *   u32 n, n x ceph_osd_op
 *   s32 retry attempt           the request's
 *   n x s32 result of each operation
 *   eversion_t replay version
 *   u64 user version
 *   bool redirected [request_redirect_t]
 *   3 x u64 trace               zero
 *
 * Data: the operations' outputs, one after another.
 */
const VERSION = 8;
const COMPAT = 2;
/** Operations that one reply may have; those of a request are counted in 16 bits. */
const OPS_MAX = 0xffff;

export interface OsdOpReply {
  /** Object name. */
  readonly oid: string;
  readonly pgid: PgId;
  /** Mask of osdFlag. */
  readonly flags: number;
  /** 0 or above, or a negative errno. */
  readonly result: number;
  readonly badReplayVersion: Eversion;
  readonly osdmapEpoch: number;
  /** With `outdata` and `rval`. */
  readonly ops: OsdOp[];
  readonly retryAttempt: number;
  readonly replayVersion: Eversion;
  readonly userVersion: number;
  /** Where to send the request instead. */
  readonly redirect: RequestRedirect | undefined;
}

export type OsdOpReplyInput = Pick<OsdOpReply, 'oid' | 'pgid' | 'flags' | 'result' | 'osdmapEpoch' | 'ops'> &
  Partial<OsdOpReply>;

/** Versions of a reply to a write (MOSDOpReply::set_reply_versions): old clients see the user version in the bad one. */
export function replyVersions(
  version: Eversion,
  userVersion: number,
): Pick<OsdOpReply, 'replayVersion' | 'userVersion' | 'badReplayVersion'> {
  return {
    replayVersion: version,
    userVersion,
    badReplayVersion: userVersion === 0 ? version : { epoch: version.epoch, version: userVersion },
  };
}

function encode(f: OsdOpReplyInput, options: EncodeOptions = {}): MessageParts {
  const { ops } = f;
  const w = new Writer(160 + 42 * ops.length + f.oid.length, options.features ?? CEPH_FEATURES_ALL);
  w.string(f.oid);
  pgId.encode(w, f.pgid);
  w.s64num(f.flags);
  w.s32(f.result);
  eversion.encode(w, f.badReplayVersion ?? eversionZero);
  w.u32(f.osdmapEpoch);
  w.u32(ops.length);
  let data: Uint8Array[] | undefined;
  for (const op of ops) {
    let length = 0;
    for (const part of op.outdata) {
      if (part.length === 0) continue;
      length += part.length;
      if (data === undefined) data = [part];
      else data.push(part);
    }
    writeOsdOp(w, op, length);
  }
  w.s32(f.retryAttempt ?? -1);
  for (const op of ops) w.s32(op.rval);
  eversion.encode(w, f.replayVersion ?? eversionZero);
  w.u64num(f.userVersion ?? 0);
  w.bool(f.redirect !== undefined);
  if (f.redirect !== undefined) requestRedirect.encode(w, f.redirect);
  w.zeros(24);
  return {
    type: messageTypeNumber.OSD_OP_REPLY,
    version: VERSION,
    compatVersion: COMPAT,
    priority: options.priority ?? 127,
    tid: options.tid ?? 0,
    front: w.bytes(),
    middle: noBytes,
    data: data ?? noData,
    dataOffset: 0,
  };
}

function decode(parts: IncomingParts): OsdOpReply {
  checkHeader(parts, messageTypeNumber.OSD_OP_REPLY, 'osd_op_reply', VERSION);
  try {
    return decodeFront(new Reader(parts.front), parts);
  } catch (error) {
    if (error instanceof DecodeError) error.within('osd_op_reply');
    throw error;
  }
}

function decodeFront(r: Reader, parts: IncomingParts): OsdOpReply {
  const { version } = parts;
  if (version < 5) throw new DecodeError(`version ${version} is from before Firefly`, 0);
  const oid = r.string();
  const pgid = pgId.decode(r);
  const flags = r.s64num();
  const result = r.s32();
  const badReplayVersion = eversion.decode(r);
  const osdmapEpoch = r.u32();
  const count = r.u32();
  if (count > OPS_MAX) throw new DecodeError(`claims ${count} operations`, r.offset - 4);
  const ops = readOsdOps(r, count);
  const retryAttempt = r.s32();
  r.need(4 * ops.length);
  for (const op of ops) op.rval = r.s32();
  const replayVersion = eversion.decode(r);
  const userVersion = r.u64num();
  let redirect: RequestRedirect | undefined;
  if (version === 6) {
    redirect = requestRedirect.decode(r);
    if (redirect.locator.pool === -1 && redirect.object === '') redirect = undefined;
  } else if (version >= 7 && r.bool()) redirect = requestRedirect.decode(r);
  const cutter = new DataCutter(parts.data);
  for (const op of ops) if (op.payloadLength > 0) op.outdata = [cutter.take(op.payloadLength)];
  return {
    oid,
    pgid,
    flags,
    result,
    badReplayVersion,
    osdmapEpoch,
    ops,
    retryAttempt,
    replayVersion,
    userVersion,
    redirect,
  };
}

/** OSD to client: what came of the operations. */
export const MOSDOpReply: MessageType<OsdOpReply, OsdOpReplyInput> = {
  type: messageTypeNumber.OSD_OP_REPLY,
  name: 'osd_op_reply',
  version: VERSION,
  compat: COMPAT,
  encode,
  decode,
};
