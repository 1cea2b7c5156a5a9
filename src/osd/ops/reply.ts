import { LARGE_MIN } from '../../base/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import type { Eversion } from '../../types/index.ts';
import { scratch } from '../scratch.ts';
import type { ClientOp } from './client-op.ts';
import { opCode, opFlag } from './codes.ts';
import { SUB_OP_LENGTH } from './sub-op.ts';

export const CEPH_MSG_OSD_OPREPLY = 43;
const HEAD_VERSION = 8;
const COMPAT_VERSION = 2;
const PRIORITY = 127;
const NO_DATA: readonly Uint8Array[] = [];
const EMPTY = new Uint8Array(0);
const ACKS = opFlag.ACK | opFlag.ONNVRAM | opFlag.ONDISK;

/** What a reply says of versions. */
export interface ReplyVersions {
  readonly replay: Eversion;
  /** What old clients read. */
  readonly badReplay: Eversion;
  readonly user: number;
}

/**
 * MOSDOpReply version 8:
 * ```
 * string oid | pg_t | s64 flags | s32 result | eversion bad_replay | u32 epoch | u32 n | n * ceph_osd_op | s32 retry |
 * n * s32 rval | eversion replay | u64 user_version | u8 redirect (0) | 24 bytes of trace
 * ```
 * The answers of the operations follow one another in the data segment.
 */
export function encodeReply(
  op: ClientOp,
  result: number,
  epoch: number,
  acks: number,
  versions: ReplyVersions,
  keepOut: boolean,
): WireMessage {
  const ops = op.ops;
  const n = ops.length;
  const name = op.nameBytes;
  const w = scratch();
  w.raw(name);
  w.raw(op.pgBytes);
  w.u32((op.flags & ~ACKS) | acks);
  w.u32(0);
  w.s32(result);
  w.u64num(versions.badReplay.version);
  w.u32(versions.badReplay.epoch);
  w.u32(epoch);
  w.u32(n);
  let data: readonly Uint8Array[] = NO_DATA;
  let gathered: Uint8Array[] | undefined;
  let dataOffset = 0;
  const at = w.length;
  w.zeros(n * SUB_OP_LENGTH);
  const bytes = w.bytes();
  for (let i = 0; i < n; i++) {
    const sub = ops[i]!;
    let out = 0;
    if (keepOut && sub.outdata !== undefined) {
      out = sub.outLength;
      if (out > 0) {
        if (data.length === 0) {
          data = sub.outdata;
          dataOffset = sub.offset;
        } else {
          gathered ??= [...data];
          for (const part of sub.outdata) gathered.push(part);
          data = gathered;
        }
      }
    }
    sub.encodeReply(bytes, at + i * SUB_OP_LENGTH, out, out > 0 && sub.length === out);
  }
  const isRead = n === 1 && (ops[0]!.code === opCode.READ || ops[0]!.code === opCode.SYNC_READ);
  w.s32(op.retryAttempt);
  for (let i = 0; i < n; i++) w.s32(ops[i]!.rval);
  w.u64num(versions.replay.version);
  w.u32(versions.replay.epoch);
  w.u64num(versions.user);
  w.u8(0);
  w.zeros(24);
  return {
    type: CEPH_MSG_OSD_OPREPLY,
    version: HEAD_VERSION,
    compatVersion: COMPAT_VERSION,
    priority: PRIORITY,
    tid: op.message.tid,
    front: w.take(),
    middle: EMPTY,
    data,
    dataOffset: dataOffset % 65536,
    // What was read for this answer alone.
    isDataOwned: isRead && data.length > 0 && data[0]!.length >= LARGE_MIN,
  };
}
