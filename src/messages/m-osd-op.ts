import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  type EntityName,
  Hobject,
  NO_SHARD,
  type OsdReqid,
  objectLocator,
  osdReqid,
  osdReqidNone,
  pgId,
  type Snapid,
  type SpgId,
  snapid,
  spgId,
  type Utime,
  utime,
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
 * MOSDOp, version 8 (messages/MOSDOp.h). Front:
 *
 *   spg_t pgid                  the PG, actual seed
 *   u32 hash                    of the object
 *   u32 osdmap epoch            the client's
 *   u32 flags                   osdFlag
 *   osd_reqid_t reqid           name empty: the message's source and tid
 *   3 x u64 trace               zero
 *   u32 client incarnation
 *   utime_t mtime
 *   object_locator_t locator
 *   string object name
 *   u16 n, n x ceph_osd_op      38 bytes each
 *   snapid_t snapid             to read
 *   snapid_t seq, u32 n, n x snapid_t    snap context of a write
 *   s32 retry attempt
 *   u64 features                of the connection
 *
 * Data: the operations' inputs, one after another. Version 7 has a pg_t, no hash (it is the seed) and a version to assert in place of
 * the trace.
 */
const VERSION = 8;
const COMPAT = 3;
/** Bytes of a pg_t and a shard. */
const SPG_LENGTH = 18;
const NO_SNAPS: readonly Snapid[] = Object.freeze([]);

/** A request for operations on one object, or on a PG. */
export interface OsdOpRequest {
  /** The PG with its actual seed (version 7: the raw one). */
  readonly pgid: SpgId;
  readonly hobj: Hobject;
  readonly osdmapEpoch: number;
  /** Mask of osdFlag. */
  readonly flags: number;
  /** {@link osdReqidNone} (but for inc) where it is the message's source and tid: see {@link requestReqid}. */
  readonly reqid: OsdReqid;
  readonly clientInc: number;
  readonly mtime: Utime;
  readonly ops: OsdOp[];
  readonly snapSeq: Snapid;
  readonly snaps: readonly Snapid[];
  /** Resends so far; -1 unknown. */
  readonly retryAttempt: number;
  readonly features: bigint;
}

export type OsdOpRequestInput = Pick<OsdOpRequest, 'pgid' | 'hobj' | 'osdmapEpoch' | 'flags' | 'ops'> &
  Partial<OsdOpRequest>;

/** The request's id: the one it carries, or made of who sent it. */
export function requestReqid(request: OsdOpRequest, source: EntityName, tid: number): OsdReqid {
  const q = request.reqid;
  return q.tid === 0 && q.name.type === 0 && q.name.num === 0 ? { name: source, tid, inc: q.inc } : q;
}

function encodeData(ops: readonly OsdOp[]): readonly Uint8Array[] {
  let data: Uint8Array[] | undefined;
  for (const op of ops) {
    if (op.indata.length === 0) continue;
    if (data === undefined) data = [op.indata];
    else data.push(op.indata);
  }
  return data ?? noData;
}

/**
 * Requests are encoded one behind another in pieces of memory, each of which lasts as long as a request in it: one of its own for each is the dearest part of
 * the encoding, and most are sent, and done with, in the same turn.
 */
const PIECE = 32 * 1024;
let shared = new Writer(PIECE, CEPH_FEATURES_ALL);

function writerFor(features: bigint | undefined, length: number): Writer {
  if ((features !== undefined && features !== CEPH_FEATURES_ALL) || length > PIECE / 2) {
    return new Writer(length, features ?? CEPH_FEATURES_ALL);
  }
  // What an odd one made it grow to is not held for ever; what an encoding that threw left is forgotten.
  if (shared.capacity > PIECE) shared = new Writer(PIECE, CEPH_FEATURES_ALL);
  else shared.reset();
  return shared;
}

/** spg_t, object's hash, epoch, flags: what follows the first has no frame of its own. */
function writePlace(w: Writer, f: OsdOpRequestInput): void {
  const { pgid, shard } = f.pgid;
  w.u8(1);
  w.u8(1);
  w.u32(SPG_LENGTH);
  pgId.encode(w, pgid);
  w.s8(shard);
  w.u32(f.hobj.hash);
  w.u32(f.osdmapEpoch);
  w.u32(f.flags);
}

/** object_locator_t of an object: {@link objectLocator}, without an object to hold it. */
function writeLocator(w: Writer, h: Hobject): void {
  if (h.oid === '') {
    objectLocator.encode(w, { pool: h.pool, key: h.key, nspace: h.nspace, hash: h.hash });
    return;
  }
  const token = w.structStart(6, 3);
  w.s64num(h.pool);
  w.s32(-1);
  w.string(h.key);
  w.string(h.nspace);
  w.u32(0xffffffff);
  w.u32(0xffffffff);
  w.structEnd(token);
}

function encode(f: OsdOpRequestInput, options: EncodeOptions = {}): MessageParts {
  const { hobj, ops } = f;
  const w = writerFor(options.features, 320 + 38 * ops.length + hobj.oid.length);
  const snaps = f.snaps ?? NO_SNAPS;
  writePlace(w, f);
  osdReqid.encode(w, f.reqid ?? osdReqidNone);
  w.zeros(24);
  w.u32(f.clientInc ?? 0);
  w.u32(f.mtime?.sec ?? 0);
  w.u32(f.mtime?.nsec ?? 0);
  writeLocator(w, hobj);
  w.string(hobj.oid);
  w.u16(ops.length);
  for (let i = 0; i < ops.length; i++) writeOsdOp(w, ops[i]!, ops[i]!.indata.length);
  snapid.encode(w, hobj.snap);
  snapid.encode(w, f.snapSeq ?? 0);
  w.u32(snaps.length);
  for (const s of snaps) snapid.encode(w, s);
  w.s32(f.retryAttempt ?? -1);
  w.u64(f.features ?? w.features);
  return {
    type: messageTypeNumber.OSD_OP,
    version: VERSION,
    compatVersion: COMPAT,
    priority: options.priority ?? 63,
    tid: options.tid ?? 0,
    front: w.take(),
    middle: noBytes,
    data: encodeData(f.ops),
    dataOffset: 0,
  };
}

function decode(parts: IncomingParts): OsdOpRequest {
  checkHeader(parts, messageTypeNumber.OSD_OP, 'osd_op', VERSION);
  const r = new Reader(parts.front);
  try {
    return decodeFront(r, parts);
  } catch (error) {
    if (error instanceof DecodeError) error.within('osd_op');
    throw error;
  }
}

function decodeFront(r: Reader, parts: IncomingParts): OsdOpRequest {
  const { version } = parts;
  if (version < 7) throw new DecodeError(`version ${version} is from before Jewel`, 0);
  const pgid = version >= 8 ? spgId.decode(r) : { pgid: pgId.decode(r), shard: NO_SHARD };
  const hash = version >= 8 ? r.u32() : pgid.pgid.seed;
  const osdmapEpoch = r.u32();
  const flags = r.u32();
  if (version === 7) r.skip(12);
  const reqid = osdReqid.decode(r);
  if (version >= 8) r.skip(24);
  const clientInc = r.u32();
  const mtime = utime.decode(r);
  const locator = objectLocator.decode(r);
  const oid = r.string();
  const ops = readOsdOps(r, r.u16());
  const snap = snapid.decode(r);
  const snapSeq = snapid.decode(r);
  const n = r.count(8);
  let snaps = NO_SNAPS;
  if (n > 0) {
    const list: Snapid[] = [];
    for (let i = 0; i < n; i++) list.push(snapid.decode(r));
    snaps = list;
  }
  const retryAttempt = r.s32();
  const features = r.u64();
  const cutter = new DataCutter(parts.data);
  for (const op of ops) if (op.payloadLength > 0) op.indata = cutter.take(op.payloadLength);
  return {
    pgid,
    hobj: new Hobject(oid, locator.key, snap, hash, pgid.pgid.pool, locator.nspace),
    osdmapEpoch,
    flags,
    reqid,
    clientInc,
    mtime,
    ops,
    snapSeq,
    snaps,
    retryAttempt,
    features,
  };
}

/** Client to OSD: do these operations. Priority 63 (osd_client_op_priority). */
export const MOSDOp: MessageType<OsdOpRequest, OsdOpRequestInput> = {
  type: messageTypeNumber.OSD_OP,
  name: 'osd_op',
  version: VERSION,
  compat: COMPAT,
  encode,
  decode,
};
