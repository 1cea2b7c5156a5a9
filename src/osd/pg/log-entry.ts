import { crc32c } from '../../base/index.ts';
import { DecodeError, Reader, type Writer } from '../../encoding/index.ts';
import { type Eversion, eversionZero, type Hobject, hobject, type Utime, utimeZero } from '../../types/index.ts';
import { objectKey } from '../model.ts';
import {
  type Reqid,
  readEversion,
  readReqid,
  readUtime,
  reqidNone,
  writeEversion,
  writeReqid,
  writeUtime,
} from '../ops/object-info.ts';
import type { Ranges } from '../ops/ranges.ts';
import { scratch } from '../scratch.ts';

/** pg_log_entry_t kinds. */
export const logOp = {
  MODIFY: 1,
  CLONE: 2,
  DELETE: 3,
  LOST_REVERT: 5,
  LOST_DELETE: 6,
  LOST_MARK: 7,
  PROMOTE: 8,
  CLEAN: 9,
  ERROR: 10,
} as const;

/** Result and answer of one operation of a request, kept so that a repeated request is answered alike. */
export interface OpReturn {
  readonly rval: number;
  readonly data: Uint8Array;
}

export interface ExtraReqid {
  readonly reqid: Reqid;
  readonly userVersion: number;
}

const EMPTY = new Uint8Array(0);

/**
 * One entry of a PG's log, as it is made, travels or is looked at; the log itself keeps bytes (`LogPack`). What part of the object an entry changed
 * (clean_regions) is written when it is made and not kept: entries that are passed on later call the whole object dirty, which is always right.
 */
export class LogEntry {
  readonly op: number;
  readonly oid: Hobject;
  /** objectKey(oid). */
  readonly key: string;
  readonly version: Eversion;
  readonly priorVersion: Eversion;
  readonly userVersion: number;
  readonly reqid: Reqid;
  readonly mtime: Utime;
  readonly returnCode: number;
  opReturns: readonly OpReturn[] | undefined = undefined;
  /** Encoded vector of snapshots, of entries on clones. */
  snaps: Uint8Array = EMPTY;
  extraReqids: readonly ExtraReqid[] | undefined = undefined;
  revertingTo: Eversion | undefined = undefined;

  constructor(
    op: number,
    oid: Hobject,
    key: string,
    version: Eversion,
    priorVersion: Eversion,
    userVersion: number,
    reqid: Reqid,
    mtime: Utime,
    returnCode: number,
  ) {
    this.op = op;
    this.oid = oid;
    this.key = key;
    this.version = version;
    this.priorVersion = priorVersion;
    this.userVersion = userVersion;
    this.reqid = reqid;
    this.mtime = mtime;
    this.returnCode = returnCode;
  }

  get isDelete(): boolean {
    return this.op === logOp.DELETE || this.op === logOp.LOST_DELETE;
  }

  get isError(): boolean {
    return this.op === logOp.ERROR;
  }

  get isClone(): boolean {
    return this.op === logOp.CLONE;
  }

  /** Leaves an object behind. */
  get isUpdate(): boolean {
    return !this.isDelete && this.op !== logOp.ERROR;
  }

  /** Answers repeats of a request. */
  get hasReqid(): boolean {
    return this.reqid.type !== 0 || this.reqid.tid !== 0;
  }
}

/** What an entry changed of its object. Undefined stands for everything. */
export interface Changed {
  readonly data: Ranges;
  readonly omap: boolean;
}

const TWO_32 = 0x1_0000_0000;
/** More ranges than this and the whole object is called dirty (osd_object_clean_region_max_num_intervals). */
const CLEAN_INTERVALS_MAX = 10;

/** ObjectCleanRegions: what is the same as before. */
function writeCleanRegions(w: Writer, changed: Changed | undefined): void {
  const token = w.structStart(1, 1);
  if (changed === undefined || changed.data.count >= CLEAN_INTERVALS_MAX) {
    w.u32(0);
    w.bool(false);
    w.bool(true);
    w.structEnd(token);
    return;
  }
  const data = changed.data;
  const n = data.count;
  const countAt = w.length;
  w.u32(0);
  let count = 0;
  let from = 0;
  for (let i = 0; i < n; i++) {
    const start = data.start(i);
    if (start > from) {
      w.u64num(from);
      w.u64num(start - from);
      count++;
    }
    from = start + data.length(i);
  }
  // The rest, to the largest 64-bit number: exact, so by halves.
  w.u64num(from);
  w.u32(0xffffffff - (from % TWO_32));
  w.u32(0xffffffff - Math.floor(from / TWO_32));
  w.patchU32(countAt, count + 1);
  w.bool(!changed.omap);
  w.bool(false);
  w.structEnd(token);
}

/** ObjectModDesc of an entry that cannot be rolled back locally, as all of replicated pools. */
function writeModDesc(w: Writer): void {
  const token = w.structStart(1, 1);
  w.bool(false);
  w.bool(false);
  w.u32(0);
  w.structEnd(token);
}

export function writeOpReturns(w: Writer, returns: readonly OpReturn[] | undefined): void {
  if (returns === undefined) {
    w.u32(0);
    return;
  }
  w.u32(returns.length);
  for (const x of returns) {
    w.s32(x.rval);
    w.blob(x.data);
  }
}

export function readOpReturns(r: Reader): OpReturn[] | undefined {
  const n = r.count(8);
  if (n === 0) return undefined;
  const returns: OpReturn[] = [];
  for (let i = 0; i < n; i++) {
    const rval = r.s32();
    returns.push({ rval, data: r.blob() });
  }
  return returns;
}

export function writeExtraReqids(w: Writer, extra: readonly ExtraReqid[]): void {
  w.u32(extra.length);
  for (const x of extra) {
    writeReqid(w, x.reqid);
    w.u64num(x.userVersion);
  }
}

export function readExtraReqids(r: Reader): ExtraReqid[] {
  const extra: ExtraReqid[] = [];
  for (let n = r.count(35); n > 0; n--) {
    const reqid = readReqid(r);
    extra.push({ reqid, userVersion: r.u64num() });
  }
  return extra;
}

/** pg_log_entry_t version 14. `oidBytes` is the encoded object where the caller has it. */
export function writeLogEntry(w: Writer, e: LogEntry, oidBytes?: Uint8Array, changed?: Changed): void {
  const token = w.structStart(14, 4);
  w.s32(e.op);
  if (oidBytes === undefined) hobject.encode(w, e.oid);
  else w.raw(oidBytes);
  writeEversion(w, e.version);
  const reverts = e.op === logOp.LOST_REVERT;
  writeEversion(w, reverts ? (e.revertingTo ?? eversionZero) : e.priorVersion);
  writeReqid(w, e.reqid);
  writeUtime(w, e.mtime);
  if (reverts) writeEversion(w, e.priorVersion);
  w.blob(e.snaps);
  w.u64num(e.userVersion);
  writeModDesc(w);
  const extra = e.extraReqids ?? [];
  writeExtraReqids(w, extra);
  if (e.op === logOp.ERROR) w.s32(e.returnCode);
  if (extra.length > 0) w.u32(0);
  writeCleanRegions(w, changed);
  if (e.op !== logOp.ERROR) w.s32(e.returnCode);
  writeOpReturns(w, e.opReturns);
  w.structEnd(token);
}

function skipStruct(r: Reader, version: number): void {
  r.structEnd(r.structStart(version));
}

export function readLogEntry(r: Reader): LogEntry {
  const frame = r.structStart(14);
  if (frame.version < 11) r.fail(`pg_log_entry_t version ${frame.version} is from before Jewel`);
  const op = r.s32();
  const oid = hobject.decode(r);
  const version = readEversion(r);
  let priorVersion = readEversion(r);
  let revertingTo: Eversion | undefined;
  const reqid = readReqid(r);
  const mtime = readUtime(r);
  if (op === logOp.LOST_REVERT) {
    revertingTo = priorVersion;
    priorVersion = readEversion(r);
  }
  const snaps = r.blob();
  const userVersion = r.u64num();
  skipStruct(r, 2);
  const extra = readExtraReqids(r);
  let returnCode = 0;
  if (frame.version >= 11 && op === logOp.ERROR) returnCode = r.s32();
  if (frame.version >= 12 && extra.length > 0) r.skip(8 * r.count(8));
  if (frame.version >= 13) skipStruct(r, 1);
  let opReturns: OpReturn[] | undefined;
  if (frame.version >= 14) {
    if (op !== logOp.ERROR) returnCode = r.s32();
    opReturns = readOpReturns(r);
  }
  r.structEnd(frame);
  const e = new LogEntry(op, oid, objectKey(oid), version, priorVersion, userVersion, reqid, mtime, returnCode);
  // Copies: the entry outlives the buffer it came in.
  if (snaps.length > 0) e.snaps = snaps.slice();
  if (opReturns !== undefined) {
    e.opReturns = opReturns.map((x) => ({ rval: x.rval, data: x.data.length === 0 ? EMPTY : x.data.slice() }));
  }
  if (extra.length > 0) e.extraReqids = extra;
  e.revertingTo = revertingTo;
  return e;
}

/** The value of a log key: u32 length, the entry, crc32c of it. `entry` is the encoded entry. */
export function frameLogEntry(entry: Uint8Array): Uint8Array {
  const w = scratch();
  w.blob(entry);
  w.u32(crc32c(0, entry));
  return w.take();
}

/** Reads the value of a log key. Throws DecodeError where the checksum is wrong. */
export function readFramedLogEntry(value: Uint8Array): LogEntry {
  const r = new Reader(value);
  const entry = r.blob();
  if (r.u32() !== crc32c(0, entry)) throw new DecodeError('checksum of pg_log_entry_t is wrong', 0);
  return readLogEntry(new Reader(entry));
}

/** pg_log_dup_t: what is left of a trimmed entry, to answer repeats. */
export interface LogDup {
  readonly reqid: Reqid;
  readonly version: Eversion;
  readonly userVersion: number;
  readonly returnCode: number;
  readonly opReturns: readonly OpReturn[] | undefined;
}

export function writeLogDup(w: Writer, d: LogDup): void {
  const token = w.structStart(2, 1);
  writeReqid(w, d.reqid);
  writeEversion(w, d.version);
  w.u64num(d.userVersion);
  w.s32(d.returnCode);
  writeOpReturns(w, d.opReturns);
  w.structEnd(token);
}

export function readLogDup(r: Reader): LogDup {
  const frame = r.structStart(2);
  const reqid = readReqid(r);
  const version = readEversion(r);
  const userVersion = r.u64num();
  const returnCode = r.s32();
  const opReturns = frame.version >= 2 ? readOpReturns(r) : undefined;
  r.structEnd(frame);
  return { reqid, version, userVersion, returnCode, opReturns };
}

/** An entry that only remembers that a request failed. */
export function errorEntry(
  oid: Hobject,
  key: string,
  version: Eversion,
  reqid: Reqid,
  returnCode: number,
  opReturns: readonly OpReturn[] | undefined,
): LogEntry {
  const e = new LogEntry(logOp.ERROR, oid, key, version, eversionZero, 0, reqid, utimeZero, returnCode);
  e.opReturns = opReturns;
  return e;
}

export { reqidNone };
