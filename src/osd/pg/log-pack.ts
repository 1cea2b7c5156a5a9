/**
 * Records of a PG's log as bytes. An OSD keeps hundreds of thousands of them and looks at few: as objects they would be most of its memory, and most of what
 * the collector walks through. What is searched by (versions, requests) lies in arrays of numbers, the rest is read when asked for.
 */
import { invariant } from '../../base/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import { CEPH_NOSNAP, type Eversion, Hobject, hobject } from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { type Reqid, readEversion, writeEversion } from '../ops/object-info.ts';
import {
  type ExtraReqid,
  type LogDup,
  LogEntry,
  type OpReturn,
  readExtraReqids,
  readOpReturns,
  writeExtraReqids,
  writeOpReturns,
} from './log-entry.ts';

// A record: fixed fields, little-endian, at these offsets; then the parts that its flags name, in the order of the flags.
const OP = 0;
const FLAGS = 1;
const CLIENT_TYPE = 2;
const CLIENT_NUM = 4;
const TID = 12;
const CLIENT_INC = 20;
const HASH = 24;
const PRIOR_EPOCH = 28;
const PRIOR_VERSION = 32;
const USER_VERSION = 40;
const RETURN_CODE = 48;
const SEC = 52;
const NSEC = 56;
const FIXED = 60;

/** PLAIN: of the object only the name and the pool are written, as it is a head in no namespace and without a locator key. Without it and OID: no object, a dup. */
const flag = { OID: 1, SNAPS: 2, RETURNS: 4, EXTRA_REQIDS: 8, REVERTING_TO: 16, PLAIN: 32 } as const;

/** Records lie in chunks of this length (a longer record in one of its own), the first of a log in shorter ones. */
const CHUNK_BITS = 13;
const CHUNK = 1 << CHUNK_BITS;
const CHUNK_MIN = 1024;
/** Room for records in the arrays of a log that has any. */
const CAPACITY_MIN = 16;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const NO_NUMBERS = new Float64Array(0);
const NO_WORDS = new Uint32Array(0);
const variable = new Writer(256);

function hashOf(type: number, num: number, tid: number, inc: number): number {
  let h = Math.imul(tid | 0, 0x9e3779b1) ^ Math.imul(num | 0, 0x85ebca6b) ^ Math.imul(inc, 0xc2b2ae35) ^ type;
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

/** Entries, or dups, of one log, oldest first. An index counts from the oldest. */
export class LogPack {
  // The arrays are in use from #start to #end. Of each record: its version, and where it lies, as the number of its chunk above CHUNK_BITS bits of offset.
  #versions = NO_NUMBERS;
  #epochs = NO_WORDS;
  #places = NO_WORDS;
  #start = 0;
  #end = 0;
  #chunks: Chunk[] = [];
  /** Number of the first chunk. */
  #chunkBase = 0;
  /** Bytes used of the last chunk. */
  #used = 0;
  #spare: Chunk | undefined;
  // Open hash table of requests: 1 + the index into the arrays, 0 where free. What points in front of #start is of records that are gone, and goes when the
  // table is made anew.
  #slots = NO_WORDS;
  #slotsUsed = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Memory that the records take. */
  get bytes(): number {
    let bytes = this.#versions.byteLength + this.#epochs.byteLength + this.#places.byteLength + this.#slots.byteLength;
    for (const chunk of this.#chunks) bytes += chunk.bytes.length;
    return bytes + (this.#spare?.bytes.length ?? 0);
  }

  version(i: number): Eversion {
    const at = this.#start + i;
    return { epoch: this.#epochs[at]!, version: this.#versions[at]! };
  }

  /** The version of a record against another, as compareEversion. */
  compareVersion(i: number, v: Eversion): number {
    const at = this.#start + i;
    return this.#epochs[at]! - v.epoch || this.#versions[at]! - v.version;
  }

  /** How many records are not newer than `v`. */
  countUpTo(v: Eversion): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareVersion(middle, v) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The placement hash of an entry's object: what tells cheaply that it is another. */
  objectHash(i: number): number {
    const at = this.#start + i;
    return this.#chunkOf(at).view.getUint32(this.#offset(at) + HASH, true);
  }

  // --- reading ----------------------------------------------------------------------------------------------------------------

  entry(i: number): LogEntry {
    const at = this.#start + i;
    const { bytes, view } = this.#chunkOf(at);
    const offset = this.#offset(at);
    const flags = bytes[offset + FLAGS]!;
    const r = new Reader(bytes, offset + FIXED);
    const oid = (flags & flag.PLAIN) === 0 ? hobject.decode(r) : readPlain(r, view.getUint32(offset + HASH, true));
    const e = new LogEntry(
      bytes[offset + OP]!,
      oid,
      objectKey(oid),
      this.version(i),
      { epoch: view.getUint32(offset + PRIOR_EPOCH, true), version: view.getFloat64(offset + PRIOR_VERSION, true) },
      view.getFloat64(offset + USER_VERSION, true),
      reqidAt(view, offset),
      { sec: view.getUint32(offset + SEC, true), nsec: view.getUint32(offset + NSEC, true) },
      view.getInt32(offset + RETURN_CODE, true),
    );
    if ((flags & flag.SNAPS) !== 0) e.snaps = r.blob().slice();
    if ((flags & flag.RETURNS) !== 0) e.opReturns = copyReturns(readOpReturns(r));
    if ((flags & flag.EXTRA_REQIDS) !== 0) e.extraReqids = readExtraReqids(r);
    if ((flags & flag.REVERTING_TO) !== 0) e.revertingTo = readEversion(r);
    return e;
  }

  dup(i: number): LogDup {
    const at = this.#start + i;
    const { bytes, view } = this.#chunkOf(at);
    const offset = this.#offset(at);
    const returns = (bytes[offset + FLAGS]! & flag.RETURNS) !== 0;
    return {
      reqid: reqidAt(view, offset),
      version: this.version(i),
      userVersion: view.getFloat64(offset + USER_VERSION, true),
      returnCode: view.getInt32(offset + RETURN_CODE, true),
      opReturns: returns ? copyReturns(readOpReturns(new Reader(bytes, offset + FIXED))) : undefined,
    };
  }

  /** The index of the newest record of a request, -1 where there is none. Entries are also found by the requests that they stand for besides their own. */
  find(q: Reqid): number {
    const slots = this.#slots;
    if (slots.length === 0) return -1;
    const mask = slots.length - 1;
    let found = -1;
    for (let s = hashOf(q.type, q.num, q.tid, q.inc) & mask; slots[s] !== 0; s = (s + 1) & mask) {
      const at = slots[s]! - 1;
      if (at >= this.#start && at > found && this.#isOf(at, q)) found = at;
    }
    return found < 0 ? -1 : found - this.#start;
  }

  #isOf(at: number, q: Reqid): boolean {
    const { bytes, view } = this.#chunkOf(at);
    const offset = this.#offset(at);
    if (
      view.getFloat64(offset + TID, true) === q.tid &&
      view.getFloat64(offset + CLIENT_NUM, true) === q.num &&
      view.getInt32(offset + CLIENT_INC, true) === q.inc &&
      bytes[offset + CLIENT_TYPE] === q.type
    )
      return true;
    if ((bytes[offset + FLAGS]! & flag.EXTRA_REQIDS) === 0) return false;
    return this.entry(at - this.#start).extraReqids!.some(
      ({ reqid: x }) => x.tid === q.tid && x.num === q.num && x.inc === q.inc && x.type === q.type,
    );
  }

  // --- changing ---------------------------------------------------------------------------------------------------------------

  pushEntry(e: LogEntry): void {
    const w = variable;
    w.reset();
    let flags: number;
    if (isPlain(e.oid)) {
      flags = flag.PLAIN;
      w.u32(e.oid.pool);
      w.string(e.oid.oid);
    } else {
      flags = flag.OID;
      hobject.encode(w, e.oid);
    }
    if (e.snaps.length > 0) {
      flags |= flag.SNAPS;
      w.blob(e.snaps);
    }
    if (e.opReturns !== undefined) {
      flags |= flag.RETURNS;
      writeOpReturns(w, e.opReturns);
    }
    if (e.extraReqids !== undefined) {
      flags |= flag.EXTRA_REQIDS;
      writeExtraReqids(w, e.extraReqids);
    }
    if (e.revertingTo !== undefined) {
      flags |= flag.REVERTING_TO;
      writeEversion(w, e.revertingTo);
    }
    const at = this.#push(e.version, e.op, flags, e.reqid, e.userVersion, e.returnCode, w.bytes());
    const { view } = this.#chunkOf(at);
    const offset = this.#offset(at);
    view.setUint32(offset + HASH, e.oid.hash, true);
    view.setUint32(offset + PRIOR_EPOCH, e.priorVersion.epoch, true);
    view.setFloat64(offset + PRIOR_VERSION, e.priorVersion.version, true);
    view.setUint32(offset + SEC, e.mtime.sec, true);
    view.setUint32(offset + NSEC, e.mtime.nsec, true);
    if (e.extraReqids !== undefined) for (const x of e.extraReqids) this.#index(at, x.reqid);
  }

  pushDup(d: LogDup): void {
    const w = variable;
    w.reset();
    let flags = 0;
    if (d.opReturns !== undefined) {
      flags = flag.RETURNS;
      writeOpReturns(w, d.opReturns);
    }
    this.#push(d.version, 0, flags, d.reqid, d.userVersion, d.returnCode, w.bytes());
  }

  /** Takes the oldest `count` records away. */
  dropFirst(count: number): void {
    invariant(count <= this.length, 'drops more records than there are', { count, length: this.length });
    this.#start += count;
    if (this.#start === this.#end) {
      this.clear();
      return;
    }
    const first = this.#places[this.#start]! >>> CHUNK_BITS;
    while (this.#chunkBase < first) {
      const gone = this.#chunks.shift()!;
      if (gone.bytes.length === CHUNK) this.#spare = gone;
      this.#chunkBase++;
    }
  }

  /** Takes the newest `count` records away. */
  dropLast(count: number): void {
    invariant(count <= this.length, 'drops more records than there are', { count, length: this.length });
    if (count === 0) return;
    this.#end -= count;
    if (this.#start === this.#end) {
      this.clear();
      return;
    }
    const chunk = (this.#places[this.#end]! >>> CHUNK_BITS) - this.#chunkBase;
    const offset = this.#offset(this.#end);
    // The first of what goes may begin a chunk: then the chunk goes too.
    if (offset === 0) {
      this.#chunks.length = chunk;
      this.#used = this.#chunks[chunk - 1]!.bytes.length;
    } else {
      this.#chunks.length = chunk + 1;
      this.#used = offset;
    }
    this.#reindex();
  }

  clear(): void {
    this.#versions = NO_NUMBERS;
    this.#epochs = NO_WORDS;
    this.#places = NO_WORDS;
    this.#start = 0;
    this.#end = 0;
    this.#chunks = [];
    this.#chunkBase = 0;
    this.#used = 0;
    this.#spare = undefined;
    this.#slots = NO_WORDS;
    this.#slotsUsed = 0;
  }

  // By index into the arrays.
  #chunkOf(at: number): Chunk {
    return this.#chunks[(this.#places[at]! >>> CHUNK_BITS) - this.#chunkBase]!;
  }

  #offset(at: number): number {
    return this.#places[at]! & (CHUNK - 1);
  }

  /** Returns the record's index into the arrays. */
  #push(
    version: Eversion,
    op: number,
    flags: number,
    reqid: Reqid,
    userVersion: number,
    returnCode: number,
    rest: Uint8Array,
  ): number {
    if (this.#end === this.#versions.length) this.#makeRoom();
    const offset = this.#reserve(FIXED + rest.length);
    const chunk = this.#chunks.length - 1;
    const { bytes, view } = this.#chunks[chunk]!;
    bytes[offset + OP] = op;
    bytes[offset + FLAGS] = flags;
    bytes[offset + CLIENT_TYPE] = reqid.type;
    view.setFloat64(offset + CLIENT_NUM, reqid.num, true);
    view.setFloat64(offset + TID, reqid.tid, true);
    view.setInt32(offset + CLIENT_INC, reqid.inc, true);
    view.setFloat64(offset + USER_VERSION, userVersion, true);
    view.setInt32(offset + RETURN_CODE, returnCode, true);
    bytes.set(rest, offset + FIXED);
    const at = this.#end++;
    this.#versions[at] = version.version;
    this.#epochs[at] = version.epoch;
    this.#places[at] = ((this.#chunkBase + chunk) << CHUNK_BITS) | offset;
    this.#index(at, reqid);
    return at;
  }

  /** The offset of so many bytes in the last chunk. */
  #reserve(length: number): number {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last !== undefined && this.#used + length <= last.bytes.length) {
      const offset = this.#used;
      this.#used += length;
      return offset;
    }
    const usual = last === undefined ? CHUNK_MIN : Math.min(CHUNK, 2 * last.bytes.length);
    let chunk = this.#spare;
    if (chunk !== undefined && usual === CHUNK && length <= CHUNK) this.#spare = undefined;
    else {
      const bytes = new Uint8Array(Math.max(length, usual));
      chunk = { bytes, view: new DataView(bytes.buffer) };
    }
    this.#chunks.push(chunk);
    this.#used = length;
    return 0;
  }

  /** The arrays are full: what is gone from their front makes room, or they grow. */
  #makeRoom(): void {
    const start = this.#start;
    const { length } = this;
    const full = this.#versions.length;
    // Chunks are counted from 0 again, for their numbers have 19 bits.
    for (let at = start; at < this.#end; at++) this.#places[at]! -= this.#chunkBase << CHUNK_BITS;
    this.#chunkBase = 0;
    if (full > 0 && start * 4 >= full) {
      for (const array of [this.#versions, this.#epochs, this.#places]) array.copyWithin(0, start);
    } else {
      const capacity = Math.max(CAPACITY_MIN, (full * 3) >> 1);
      const grow = <T extends Float64Array | Uint32Array>(from: T, to: T): T => {
        to.set(from.subarray(start));
        return to;
      };
      this.#versions = grow(this.#versions, new Float64Array(capacity));
      this.#epochs = grow(this.#epochs, new Uint32Array(capacity));
      this.#places = grow(this.#places, new Uint32Array(capacity));
    }
    this.#start = 0;
    this.#end = length;
    if (start > 0) this.#reindex();
  }

  // --- requests ---------------------------------------------------------------------------------------------------------------

  #index(at: number, q: Reqid): void {
    if (q.type === 0 && q.tid === 0) return;
    if ((this.#slotsUsed + 1) * 4 > this.#slots.length * 3) {
      // With the new one, which is in the arrays.
      this.#reindex();
      return;
    }
    this.#insert(at, q);
  }

  #insert(at: number, q: Reqid): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let s = hashOf(q.type, q.num, q.tid, q.inc) & mask;
    while (slots[s] !== 0) s = (s + 1) & mask;
    slots[s] = at + 1;
    this.#slotsUsed++;
  }

  #reindex(): void {
    const extras: [number, ExtraReqid][] = [];
    for (let at = this.#start; at < this.#end; at++) {
      if ((this.#chunkOf(at).bytes[this.#offset(at) + FLAGS]! & flag.EXTRA_REQIDS) === 0) continue;
      for (const x of this.entry(at - this.#start).extraReqids!) extras.push([at, x]);
    }
    const count = this.length + extras.length;
    let size = CAPACITY_MIN;
    // Three quarters are used at most, and half as many again fit before the next time.
    while (size < 2 * (count + 1)) size *= 2;
    if (this.#slots.length === size) this.#slots.fill(0);
    else this.#slots = new Uint32Array(size);
    this.#slotsUsed = 0;
    for (let at = this.#start; at < this.#end; at++) {
      const q = reqidAt(this.#chunkOf(at).view, this.#offset(at));
      if (q.type !== 0 || q.tid !== 0) this.#insert(at, q);
    }
    for (const [at, x] of extras) this.#insert(at, x.reqid);
  }
}

function isPlain(h: Hobject): boolean {
  const isNamedAlone = h.key === '' && h.nspace === '' && h.snap === CEPH_NOSNAP && !h.max;
  return isNamedAlone && h.pool >= 0 && h.pool < 2 ** 32;
}

function readPlain(r: Reader, hash: number): Hobject {
  const pool = r.u32();
  return new Hobject(r.string(), '', CEPH_NOSNAP, hash, pool, '');
}

function reqidAt(view: DataView, offset: number): Reqid {
  return {
    type: view.getUint8(offset + CLIENT_TYPE),
    num: view.getFloat64(offset + CLIENT_NUM, true),
    tid: view.getFloat64(offset + TID, true),
    inc: view.getInt32(offset + CLIENT_INC, true),
  };
}

/** Off the chunk, which is used again. */
function copyReturns(returns: OpReturn[] | undefined): OpReturn[] | undefined {
  return returns?.map((x) => ({ rval: x.rval, data: x.data.slice() }));
}
