import {
  blob,
  type Codec,
  list,
  map,
  pair,
  plain,
  Reader,
  s32,
  since,
  struct,
  u32,
  u64num,
  Writer,
} from '../../encoding/index.ts';
import { IntervalSet } from '../interval-set.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type Eversion, eversion, eversionZero, type OsdReqid, osdReqid, osdReqidNone } from './eversion.ts';
import { extentSet, extentsAll } from './extents.ts';
import { type Hobject, hobject, hobjectMin } from './hobject.ts';

/** ObjectCleanRegions: what a modification left alone, so that recovery need not copy it. */
export interface ObjectCleanRegions {
  readonly cleanOffsets: IntervalSet;
  readonly cleanOmap: boolean;
  readonly newObject: boolean;
}

/** Nothing modified. */
export const cleanRegionsAll: ObjectCleanRegions = Object.freeze({
  cleanOffsets: extentsAll,
  cleanOmap: true,
  newObject: false,
});

/** All modified. */
export const cleanRegionsNone: ObjectCleanRegions = Object.freeze({
  cleanOffsets: IntervalSet.empty,
  cleanOmap: false,
  newObject: true,
});

export const objectCleanRegions: Codec<ObjectCleanRegions> = {
  name: 'ObjectCleanRegions',
  length_min: 6,
  encode(w, c) {
    const token = w.structStart(1, 1);
    extentSet.encode(w, c.cleanOffsets);
    w.bool(c.cleanOmap);
    w.bool(c.newObject);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(1);
    const cleanOffsets = extentSet.decode(r);
    const cleanOmap = r.bool();
    const newObject = r.bool();
    r.structEnd(frame);
    return { cleanOffsets, cleanOmap, newObject };
  },
};

/** ObjectModDesc: how to undo a modification (erasure pools). `operations` stays encoded. */
export interface ObjectModDesc {
  /** 1, or 2 where an operation needs it. */
  readonly version: number;
  readonly canLocalRollback: boolean;
  readonly rollbackInfoCompleted: boolean;
  readonly operations: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Cannot be undone, as all modifications in replicated pools. */
export const modDescUnrollbackable: ObjectModDesc = Object.freeze({
  version: 1,
  canLocalRollback: false,
  rollbackInfoCompleted: true,
  operations: NO_BYTES,
});

export const objectModDesc: Codec<ObjectModDesc> = {
  name: 'ObjectModDesc',
  length_min: 6,
  encode(w, d) {
    const token = w.structStart(d.version, d.version);
    w.bool(d.canLocalRollback);
    w.bool(d.rollbackInfoCompleted);
    w.blob(d.operations);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const canLocalRollback = r.bool();
    const rollbackInfoCompleted = r.bool();
    const operations = r.blob();
    r.structEnd(frame);
    return { version: frame.version, canLocalRollback, rollbackInfoCompleted, operations };
  },
};

/** pg_log_op_return_item_t: result of one operation of a request, remembered for its repetition. */
export interface OpReturn {
  readonly rval: number;
  readonly data: Uint8Array;
}

const opReturns: Codec<OpReturn[]> = list(plain('pg_log_op_return_item_t', { rval: s32, data: blob }));

/** What a log entry is about. */
export const pgLogOp = {
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

const OP_NAMES: ReadonlyMap<number, string> = new Map([
  [pgLogOp.MODIFY, 'modify'],
  [pgLogOp.CLONE, 'clone'],
  [pgLogOp.DELETE, 'delete'],
  [pgLogOp.LOST_REVERT, 'l_revert'],
  [pgLogOp.LOST_DELETE, 'l_delete'],
  [pgLogOp.LOST_MARK, 'l_mark'],
  [pgLogOp.PROMOTE, 'promote'],
  [pgLogOp.CLEAN, 'clean'],
  [pgLogOp.ERROR, 'error'],
]);

export function pgLogOpName(op: number): string {
  return OP_NAMES.get(op) ?? 'unknown';
}

/** pg_log_entry_t. */
export interface PgLogEntry {
  /** One of pgLogOp. */
  readonly op: number;
  readonly soid: Hobject;
  readonly version: Eversion;
  /** Version of the object before. */
  readonly priorVersion: Eversion;
  /** LOST_REVERT only. */
  readonly revertingTo: Eversion;
  readonly reqid: OsdReqid;
  /** The client's. */
  readonly mtime: Utime;
  /** CLONE: encoded vector of snapids. */
  readonly snaps: Uint8Array;
  readonly userVersion: number;
  readonly modDesc: ObjectModDesc;
  readonly extraReqids: readonly (readonly [reqid: OsdReqid, userVersion: number])[];
  /** Index in extraReqids -> errno. */
  readonly extraReqidReturnCodes: ReadonlyMap<number, number>;
  readonly cleanRegions: ObjectCleanRegions;
  readonly returnCode: number;
  readonly opReturns: readonly OpReturn[];
}

const NO_EXTRA: PgLogEntry['extraReqids'] = Object.freeze([]);
const NO_CODES: ReadonlyMap<number, number> = new Map();
const NO_RETURNS: readonly OpReturn[] = Object.freeze([]);

/** An entry with what is usual where nothing is given. */
export function makePgLogEntry(fields: Partial<PgLogEntry> & Pick<PgLogEntry, 'op' | 'soid' | 'version'>): PgLogEntry {
  return {
    op: fields.op,
    soid: fields.soid,
    version: fields.version,
    priorVersion: fields.priorVersion ?? eversionZero,
    revertingTo: fields.revertingTo ?? eversionZero,
    reqid: fields.reqid ?? osdReqidNone,
    mtime: fields.mtime ?? utimeZero,
    snaps: fields.snaps ?? NO_BYTES,
    userVersion: fields.userVersion ?? 0,
    modDesc: fields.modDesc ?? modDescUnrollbackable,
    extraReqids: fields.extraReqids ?? NO_EXTRA,
    extraReqidReturnCodes: fields.extraReqidReturnCodes ?? NO_CODES,
    cleanRegions: fields.cleanRegions ?? cleanRegionsAll,
    returnCode: fields.returnCode ?? 0,
    opReturns: fields.opReturns ?? NO_RETURNS,
  };
}

const extraReqids: Codec<[OsdReqid, number][]> = list(pair(osdReqid, u64num));
const returnCodes: Codec<Map<number, number>> = map(u32, s32);

export const pgLogEntry: Codec<PgLogEntry> = {
  name: 'pg_log_entry_t',
  length_min: 6,
  encode(w, e) {
    const token = w.structStart(14, 4);
    const reverts = e.op === pgLogOp.LOST_REVERT;
    w.s32(e.op);
    hobject.encode(w, e.soid);
    eversion.encode(w, e.version);
    // What is reverted to stands where readers from before it look for the prior version.
    eversion.encode(w, reverts ? e.revertingTo : e.priorVersion);
    osdReqid.encode(w, e.reqid);
    w.u32(e.mtime.sec);
    w.u32(e.mtime.nsec);
    if (reverts) eversion.encode(w, e.priorVersion);
    w.blob(e.snaps);
    w.u64num(e.userVersion);
    objectModDesc.encode(w, e.modDesc);
    w.u32(e.extraReqids.length);
    for (const [reqid, version] of e.extraReqids) {
      osdReqid.encode(w, reqid);
      w.u64num(version);
    }
    if (e.op === pgLogOp.ERROR) w.s32(e.returnCode);
    if (e.extraReqids.length > 0) returnCodes.encode(w, e.extraReqidReturnCodes as Map<number, number>);
    objectCleanRegions.encode(w, e.cleanRegions);
    if (e.op !== pgLogOp.ERROR) w.s32(e.returnCode);
    opReturns.encode(w, e.opReturns as OpReturn[]);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(14);
    const v = frame.version;
    // Version 8 is Firefly's; earlier ones differ in what is there for which operation.
    if (v < 8) r.fail(`pg_log_entry_t version ${v} is from before Firefly`);
    const op = r.s32();
    const soid = hobject.decode(r);
    const version = eversion.decode(r);
    let priorVersion = eversion.decode(r);
    let revertingTo = eversionZero;
    const reqid = osdReqid.decode(r);
    const mtime = utime.decode(r);
    if (op === pgLogOp.LOST_REVERT) {
      revertingTo = priorVersion;
      priorVersion = eversion.decode(r);
    }
    const snaps = r.blob();
    const userVersion = r.u64num();
    const modDesc = v >= 9 ? objectModDesc.decode(r) : modDescUnrollbackable;
    let extra: PgLogEntry['extraReqids'] = NO_EXTRA;
    if (v >= 10) {
      const there = extraReqids.decode(r);
      if (there.length > 0) extra = there;
    }
    let returnCode = v >= 11 && op === pgLogOp.ERROR ? r.s32() : 0;
    const codes = v >= 12 && extra.length > 0 ? returnCodes.decode(r) : NO_CODES;
    const cleanRegions = v >= 13 ? objectCleanRegions.decode(r) : cleanRegionsNone;
    let returns = NO_RETURNS;
    if (v >= 14) {
      if (op !== pgLogOp.ERROR) returnCode = r.s32();
      const there = opReturns.decode(r);
      if (there.length > 0) returns = there;
    }
    r.structEnd(frame);
    return {
      op,
      soid,
      version,
      priorVersion,
      revertingTo,
      reqid,
      mtime,
      snaps,
      userVersion,
      modDesc,
      extraReqids: extra,
      extraReqidReturnCodes: codes,
      cleanRegions,
      returnCode,
      opReturns: returns,
    };
  },
};

/** A vector of entries, as messages carry it. */
export const pgLogEntries: Codec<PgLogEntry[]> = list(pgLogEntry);

/** pg_log_dup_t: of a request whose entry is gone from the log, what is needed to answer its repetition. */
export interface PgLogDup {
  reqid: OsdReqid;
  version: Eversion;
  userVersion: number;
  returnCode: number;
  opReturns: OpReturn[];
}

export const pgLogDup: Codec<PgLogDup> = struct(
  'pg_log_dup_t',
  { version: 2, compat: 1 },
  {
    reqid: osdReqid,
    version: eversion,
    userVersion: u64num,
    returnCode: s32,
    opReturns: since(2, opReturns, () => []),
  },
);

/** pg_log_t. */
export interface PgLog {
  /** Newest entry. */
  head: Eversion;
  /** The entry before the oldest. */
  tail: Eversion;
  log: PgLogEntry[];
  canRollbackTo: Eversion;
  rollbackInfoTrimmedTo: Eversion;
  dups: PgLogDup[];
}

export const pgLog: Codec<PgLog> = struct(
  'pg_log_t',
  { version: 7, compat: 3 },
  {
    head: eversion,
    tail: eversion,
    log: pgLogEntries,
    canRollbackTo: since(5, eversion, () => eversionZero),
    rollbackInfoTrimmedTo: since(6, eversion, () => eversionZero),
    dups: since(7, list(pgLogDup), () => []),
  },
);

export function makePgLog(): PgLog {
  return {
    head: eversionZero,
    tail: eversionZero,
    log: [],
    canRollbackTo: eversionZero,
    rollbackInfoTrimmedTo: eversionZero,
    dups: [],
  };
}

/** As it is kept under an entry's key: the entry's bytes and their crc32c (seed 0), which `crc32c` computes. */
export function encodeLogEntryWithChecksum(
  entry: PgLogEntry,
  crc32c: (seed: number, data: Uint8Array) => number,
): Uint8Array {
  const inner = new Writer(256);
  pgLogEntry.encode(inner, entry);
  const w = new Writer(inner.length + 8);
  w.blob(inner.bytes());
  w.u32(crc32c(0, inner.bytes()));
  return w.bytes();
}

/** Reads {@link encodeLogEntryWithChecksum}; throws DecodeError where the checksum is wrong. */
export function decodeLogEntryWithChecksum(
  bytes: Uint8Array,
  crc32c: (seed: number, data: Uint8Array) => number,
): PgLogEntry {
  const r = new Reader(bytes);
  const inner = r.blob();
  if (crc32c(0, inner) !== r.u32()) r.fail('bad checksum on pg_log_entry_t');
  return pgLogEntry.decode(new Reader(inner));
}

/** The entry of nothing. */
export const pgLogEntryNone: PgLogEntry = makePgLogEntry({ op: 0, soid: hobjectMin, version: eversionZero });
