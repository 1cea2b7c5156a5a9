/** Objects on their way between copies: PushOp, PullOp and the messages that carry them (osd/osd_types.cc, messages/MOSDPGPush.h and siblings). */
import { Reader, Writer } from '../../encoding/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import {
  type Eversion,
  eversion,
  type Hobject,
  hobject,
  NO_SHARD,
  type PgId,
  pgId,
  pgShard,
} from '../../types/index.ts';
import { identityBytes, ObjectInfo, writeObjectInfo } from '../ops/object-info.ts';
import { snapSetBytes, snapSetEmpty } from '../ops/snap-set.ts';

export const recoveryMessage = { PUSH: 105, PULL: 106, PUSH_REPLY: 107 } as const;

/** ObjectRecoveryProgress: how far an object has come. */
export interface RecoveryProgress {
  readonly first: boolean;
  readonly dataComplete: boolean;
  readonly dataRecoveredTo: number;
  readonly omapRecoveredTo: string;
  readonly omapComplete: boolean;
}

export const progressStart: RecoveryProgress = {
  first: true,
  dataComplete: false,
  dataRecoveredTo: 0,
  omapRecoveredTo: '',
  omapComplete: false,
};

function writeProgress(w: Writer, p: RecoveryProgress): void {
  const token = w.structStart(1, 1);
  w.bool(p.first);
  w.bool(p.dataComplete);
  w.u64num(p.dataRecoveredTo);
  w.string(p.omapRecoveredTo);
  w.bool(p.omapComplete);
  w.structEnd(token);
}

function readProgress(r: Reader): RecoveryProgress {
  const frame = r.structStart(1);
  const first = r.bool();
  const dataComplete = r.bool();
  const dataRecoveredTo = r.u64num();
  const omapRecoveredTo = r.string();
  const omapComplete = r.bool();
  r.structEnd(frame);
  return { first, dataComplete, dataRecoveredTo, omapRecoveredTo, omapComplete };
}

/** ObjectRecoveryInfo: what is being brought. Objects travel whole, so the subsets are not used. */
export interface RecoveryInfo {
  readonly oid: Hobject;
  readonly version: Eversion;
  readonly size: number;
}

const UNKNOWN_SIZE = 2 ** 64;

function writeInfo(w: Writer, i: RecoveryInfo): void {
  const token = w.structStart(3, 1);
  hobject.encode(w, i.oid);
  eversion.encode(w, i.version);
  w.u64num(i.size);
  const oi = new ObjectInfo();
  oi.version = i.version;
  oi.size = i.size >= UNKNOWN_SIZE ? 0 : i.size;
  writeObjectInfo(w, oi, identityBytes(i.oid), i.oid.isHead);
  w.raw(snapSetBytes(snapSetEmpty));
  // copy_subset: all of it.
  if (i.size > 0) {
    w.u32(1);
    w.u64num(0);
    w.u64num(i.size);
  } else w.u32(0);
  w.u32(0);
  w.bool(true);
  w.structEnd(token);
}

function readInfo(r: Reader): RecoveryInfo {
  const frame = r.structStart(3);
  const oid = hobject.decode(r);
  const version = eversion.decode(r);
  const size = r.u64num();
  r.structEnd(frame);
  return { oid, version, size };
}

/** A piece of an object. */
export interface PushOp {
  readonly oid: Hobject;
  readonly version: Eversion;
  /** The data of `ranges`, one after another. */
  readonly data: readonly Uint8Array[];
  readonly ranges: readonly { offset: number; length: number }[];
  readonly omapHeader: Uint8Array;
  readonly omap: readonly (readonly [string, Uint8Array])[];
  readonly attrs: ReadonlyMap<string, Uint8Array>;
  readonly info: RecoveryInfo;
  readonly after: RecoveryProgress;
  readonly before: RecoveryProgress;
}

function writePushOp(w: Writer, p: PushOp): void {
  const token = w.structStart(1, 1);
  hobject.encode(w, p.oid);
  eversion.encode(w, p.version);
  let n = 0;
  for (const part of p.data) n += part.length;
  w.u32(n);
  for (const part of p.data) w.raw(part);
  w.u32(p.ranges.length);
  for (const x of p.ranges) {
    w.u64num(x.offset);
    w.u64num(x.length);
  }
  w.blob(p.omapHeader);
  w.u32(p.omap.length);
  for (const [k, v] of p.omap) {
    w.string(k);
    w.blob(v);
  }
  w.u32(p.attrs.size);
  for (const [k, v] of p.attrs) {
    w.string(k);
    w.blob(v);
  }
  writeInfo(w, p.info);
  writeProgress(w, p.after);
  writeProgress(w, p.before);
  w.structEnd(token);
}

function readPushOp(r: Reader): PushOp {
  const frame = r.structStart(1);
  const oid = hobject.decode(r);
  const version = eversion.decode(r);
  const data = [r.blob()];
  const ranges: { offset: number; length: number }[] = [];
  for (let n = r.count(16); n > 0; n--) {
    const offset = r.u64num();
    ranges.push({ offset, length: r.u64num() });
  }
  const omapHeader = r.blob();
  const omap: [string, Uint8Array][] = [];
  for (let n = r.count(8); n > 0; n--) {
    const k = r.string();
    omap.push([k, r.blob()]);
  }
  const attrs = new Map<string, Uint8Array>();
  for (let n = r.count(8); n > 0; n--) {
    const k = r.string();
    attrs.set(k, r.blob());
  }
  const info = readInfo(r);
  const after = readProgress(r);
  const before = readProgress(r);
  r.structEnd(frame);
  return { oid, version, data, ranges, omapHeader, omap, attrs, info, after, before };
}

export interface PullOp {
  readonly oid: Hobject;
  readonly info: RecoveryInfo;
  readonly progress: RecoveryProgress;
}

/** A pull of an object of unknown size. */
export function pullInfo(oid: Hobject, version: Eversion): RecoveryInfo {
  return { oid, version, size: UNKNOWN_SIZE };
}

function wire(type: number, version: number, w: Writer): WireMessage {
  return {
    type,
    version,
    compatVersion: 2,
    priority: 127,
    tid: 0,
    front: w.bytes(),
    middle: new Uint8Array(0),
    data: [],
    dataOffset: 0,
  };
}

interface Header {
  readonly pgid: PgId;
  readonly epoch: number;
  readonly minEpoch: number;
  readonly from: number;
}

function writeTail(w: Writer, h: Header, cost: number): void {
  w.u64num(cost);
  w.s8(NO_SHARD);
  pgShard.encode(w, { osd: h.from, shard: NO_SHARD });
  w.u32(h.minEpoch);
}

export function pushMessage(h: Header, pushes: readonly PushOp[]): WireMessage {
  let n = 1024;
  for (const p of pushes) for (const part of p.data) n += part.length;
  const w = new Writer(n);
  pgId.encode(w, h.pgid);
  w.u32(h.epoch);
  w.u32(pushes.length);
  for (const p of pushes) writePushOp(w, p);
  writeTail(w, h, n);
  w.bool(false);
  return wire(recoveryMessage.PUSH, 4, w);
}

function readTail(r: Reader, pgid: PgId, epoch: number): Header {
  r.u64num();
  r.s8();
  const from = pgShard.decode(r).osd;
  return { pgid, epoch, from, minEpoch: r.u32() };
}

/** Reads pg and epoch, which every one of these messages begins with. */
export function readRecoveryHead(front: Uint8Array): { pgid: PgId; epoch: number } {
  const r = new Reader(front);
  const id = pgId.decode(r);
  return { pgid: id, epoch: r.u32() };
}

export function readPush(front: Uint8Array): Header & { pushes: PushOp[] } {
  const r = new Reader(front);
  const id = pgId.decode(r);
  const epoch = r.u32();
  const pushes: PushOp[] = [];
  for (let n = r.count(6); n > 0; n--) pushes.push(readPushOp(r));
  return { ...readTail(r, id, epoch), pushes };
}

export function pullMessage(h: Header, pulls: readonly PullOp[]): WireMessage {
  const w = new Writer(512);
  pgId.encode(w, h.pgid);
  w.u32(h.epoch);
  w.u32(pulls.length);
  for (const p of pulls) {
    const token = w.structStart(1, 1);
    hobject.encode(w, p.oid);
    writeInfo(w, p.info);
    writeProgress(w, p.progress);
    w.structEnd(token);
  }
  writeTail(w, h, 0);
  return wire(recoveryMessage.PULL, 3, w);
}

export function readPull(front: Uint8Array): Header & { pulls: PullOp[] } {
  const r = new Reader(front);
  const id = pgId.decode(r);
  const epoch = r.u32();
  const pulls: PullOp[] = [];
  for (let n = r.count(6); n > 0; n--) {
    const frame = r.structStart(1);
    const oid = hobject.decode(r);
    const info = readInfo(r);
    pulls.push({ oid, info, progress: readProgress(r) });
    r.structEnd(frame);
  }
  return { ...readTail(r, id, epoch), pulls };
}

export function pushReplyMessage(h: Header, oids: readonly Hobject[]): WireMessage {
  const w = new Writer(256);
  pgId.encode(w, h.pgid);
  w.u32(h.epoch);
  w.u32(oids.length);
  for (const oid of oids) {
    const token = w.structStart(1, 1);
    hobject.encode(w, oid);
    w.structEnd(token);
  }
  writeTail(w, h, 0);
  return wire(recoveryMessage.PUSH_REPLY, 3, w);
}

export function readPushReply(front: Uint8Array): Header & { oids: Hobject[] } {
  const r = new Reader(front);
  const id = pgId.decode(r);
  const epoch = r.u32();
  const oids: Hobject[] = [];
  for (let n = r.count(6); n > 0; n--) {
    const frame = r.structStart(1);
    oids.push(hobject.decode(r));
    r.structEnd(frame);
  }
  return { ...readTail(r, id, epoch), oids };
}
