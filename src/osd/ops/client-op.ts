import { errno } from '../../base/index.ts';
import { DecodeError, Reader } from '../../encoding/index.ts';
import type { ReceivedMessage } from '../../msgr/index.ts';
import { type Snapid, snapid, type Utime } from '../../types/index.ts';
import type { Copied } from '../copy-source.ts';
import { OP_MODE_CACHE, OP_MODE_RD, OP_MODE_WR, OP_TYPE_MASK, OP_TYPE_PG, opCode, opFlag, watchOp } from './codes.ts';
import { type Reqid, readReqid, readUtime } from './object-info.ts';
import { SUB_OP_LENGTH, SubOp, splitInput } from './sub-op.ts';

/** What a request may do; decided from its operations. */
export const may = { READ: 1, WRITE: 2, CACHE: 4, PG_OP: 8, ORDERED: 16, CLASS: 32, COPY: 64 } as const;

const BULK: ReadonlySet<number> = new Set([opCode.WRITE, opCode.WRITEFULL, opCode.APPEND, opCode.WRITESAME]);

/** A range of the object's data, or why it could not be read; undefined data: there is no such object. */
export interface Fetched {
  readonly offset: number;
  readonly length: number;
  readonly error: Error | null;
  readonly data: Uint8Array[] | undefined;
}

/**
 * One MOSDOp, decoded flat. Lives from arrival to reply; the messenger's bytes are given back when it ends.
 */
export class ClientOp {
  readonly message: ReceivedMessage;
  /** Raw pg: the pool and the full hash or seed the client computed. */
  readonly pool: number;
  readonly seed: number;
  readonly shard: number;
  /** Bytes of the pg_t, for the reply. */
  readonly pgBytes: Uint8Array;
  readonly hash: number;
  readonly mapEpoch: number;
  readonly flags: number;
  readonly reqid: Reqid;
  readonly mtime: Utime;
  readonly locatorKey: string;
  readonly nspace: string;
  readonly name: string;
  /** Length in bytes of the name as sent. */
  readonly nameLength: number;
  /** The encoded string (u32 length and bytes), for the reply. */
  readonly nameBytes: Uint8Array;
  readonly ops: readonly SubOp[];
  readonly snapId: Snapid;
  readonly snapSeq: Snapid;
  readonly snaps: readonly Snapid[];
  readonly retryAttempt: number;
  /** {@link may} bits; set by classify. */
  may = 0;
  /** What caps must allow beside class methods. */
  needsReadCap = false;
  needsWriteCap = false;
  /** Class methods called, for caps. Undefined where there are none. */
  classes: { name: string; method: string; read: boolean; write: boolean; allowed: boolean }[] | undefined = undefined;
  /** Clock.monotonic() when it came, and when it began to execute. */
  readonly received_ms: number;
  started_ms = 0;
  /** Last thing that happened to it, for dump_ops_in_flight. */
  state = 'queued for pg';
  /** Whether all the data that came with it is for the object's bytes: nobody keeps views of it when it is done. */
  get isBulkWrite(): boolean {
    for (const sub of this.ops) if (sub.payloadLength > 0 && !BULK.has(sub.code)) return false;
    return true;
  }

  /** Begun in an interval that has ended: messages with views of its data may still wait to be sent to copies of that interval. */
  wasTakenBack = false;
  /** Data read ahead of execution. */
  fetched: Fetched | undefined = undefined;
  /** Objects brought here for its copy-from operations, or why they are not. */
  copied: ReadonlyMap<SubOp, Copied | number> | undefined = undefined;
  /** Position in the table of operations in flight. */
  slot = -1;

  /** Throws DecodeError. */
  constructor(message: ReceivedMessage) {
    this.message = message;
    this.received_ms = message.received_ms;
    const r = new Reader(message.front);
    const version = message.version;
    if (version >= 8) {
      const frame = r.structStart(1);
      this.pgBytes = message.front.subarray(r.offset, r.offset + 17);
      r.u8();
      this.pool = r.s64num();
      this.seed = r.u32();
      r.skip(4);
      this.shard = r.s8();
      r.structEnd(frame);
      this.hash = r.u32();
      this.mapEpoch = r.u32();
      this.flags = r.u32();
      this.reqid = sourceReqid(readReqid(r), message);
      r.skip(24);
    } else if (version === 7) {
      this.pgBytes = message.front.subarray(0, 17);
      r.u8();
      this.pool = r.s64num();
      this.seed = r.u32();
      r.skip(4);
      this.shard = -1;
      this.hash = this.seed;
      this.mapEpoch = r.u32();
      this.flags = r.u32();
      r.skip(12);
      this.reqid = sourceReqid(readReqid(r), message);
    } else {
      throw new DecodeError(`MOSDOp version ${version} is from before Jewel`, 0);
    }
    r.u32();
    this.mtime = readUtime(r);
    const locator = r.structStart(6);
    r.skip(12);
    this.locatorKey = r.string();
    this.nspace = locator.version >= 5 ? r.string() : '';
    r.structEnd(locator);
    const nameStart = r.offset;
    this.nameLength = r.u32();
    r.offset = nameStart;
    this.name = r.string();
    this.nameBytes = message.front.subarray(nameStart, r.offset);
    const count = r.u16();
    r.need(count * SUB_OP_LENGTH);
    const ops: SubOp[] = new Array(count);
    for (let i = 0; i < count; i++) {
      ops[i] = new SubOp(message.front, r.offset);
      r.offset += SUB_OP_LENGTH;
    }
    this.ops = ops;
    this.snapId = snapid.decode(r);
    this.snapSeq = snapid.decode(r);
    const snapCount = r.count(8);
    if (snapCount === 0) this.snaps = NO_SNAPS;
    else {
      const snaps: Snapid[] = new Array(snapCount);
      for (let i = 0; i < snapCount; i++) snaps[i] = snapid.decode(r);
      this.snaps = snaps;
    }
    this.retryAttempt = r.s32();
    splitInput(ops, message.data);
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  get mayRead(): boolean {
    return (this.may & may.READ) !== 0;
  }

  get mayWrite(): boolean {
    return (this.may & may.WRITE) !== 0;
  }

  /** Waits behind, and holds back, others of its object as a write does. */
  get writeOrdered(): boolean {
    return (this.may & (may.WRITE | may.CACHE | may.ORDERED)) !== 0;
  }

  describe(): string {
    const q = this.reqid;
    const kind = q.type === 8 ? 'client' : q.type === 4 ? 'osd' : q.type === 2 ? 'mds' : `${q.type}`;
    return (
      `osd_op(${kind}.${q.num}.${q.inc}:${q.tid} ${this.pool}.${this.seed.toString(16)} ${this.nspace}:${this.name} ` +
      `[${this.ops.length} ops] snapc ${this.snapSeq}=[${this.snaps}] flags ${this.flags.toString(16)} e${this.mapEpoch})`
    );
  }
}

const NO_SNAPS: readonly Snapid[] = [];

function sourceReqid(q: Reqid, message: ReceivedMessage): Reqid {
  if (q.type !== 0 || q.tid !== 0) return q;
  return { type: message.source.type, num: message.source.num, tid: message.tid, inc: q.inc };
}

/** Looks up a class method: its flags, or a negative errno where it is not to be had. */
export type MethodLookup = (
  cls: string,
  method: string,
) => { readonly read: boolean; readonly write: boolean } | number;

const decoder = new TextDecoder('latin1');

/** Class and method names of a call operation, or undefined where its input is too short. */
export function callNames(op: SubOp): { cls: string; method: string; inputAt: number } | undefined {
  const c = op.unionU8(0);
  const m = op.unionU8(1);
  if (c + m > op.indata.length) return undefined;
  return {
    cls: decoder.decode(op.indata.subarray(0, c)),
    method: decoder.decode(op.indata.subarray(c, c + m)),
    inputAt: c + m,
  };
}

/** Decides what a request may do. The errno (negative) to answer at once, or 0. */
export function classify(op: ClientOp, methods: MethodLookup): number {
  let bits = 0;
  let caps = 0;
  if ((op.flags & opFlag.RWORDERED) !== 0) bits |= may.ORDERED;
  for (const sub of op.ops) {
    const code = sub.code;
    if (code === opCode.CALL) {
      bits |= may.CLASS;
      const names = callNames(sub);
      if (names === undefined) return -errno.EINVAL;
      const method = methods(names.cls, names.method);
      if (typeof method === 'number') return method;
      if (method.read) bits |= may.READ;
      if (method.write) bits |= may.WRITE;
      op.classes ??= [];
      op.classes.push({ name: names.cls, method: names.method, read: method.read, write: method.write, allowed: true });
      continue;
    }
    if (code === opCode.WATCH) {
      caps |= may.READ;
      if (sub.unionU8(16) === watchOp.PING) bits |= may.ORDERED;
      else caps |= may.WRITE;
      continue;
    }
    if (code === opCode.COPY_FROM || code === opCode.COPY_FROM2) bits |= may.COPY;
    if ((code & OP_MODE_WR) !== 0) caps |= may.WRITE;
    if ((code & OP_MODE_RD) !== 0) caps |= may.READ;
    if ((code & OP_MODE_CACHE) !== 0) bits |= may.CACHE;
    if ((code & OP_TYPE_MASK) === OP_TYPE_PG) bits |= may.PG_OP;
  }
  op.needsReadCap = (caps & may.READ) !== 0;
  op.needsWriteCap = (caps & may.WRITE) !== 0;
  bits |= caps;
  op.may = bits;
  return (bits & ~may.CLASS) === 0 ? -errno.EINVAL : 0;
}
