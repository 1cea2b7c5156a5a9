import { DecodeError, type Reader, type Writer } from '../encoding/index.ts';
import { type Snapid, snapidFromHalves, snapidToBigint } from '../types/index.ts';
import { joinParts, noBytes, noData } from './message.ts';
import { osdOp, osdOpName } from './osd-op-codes.ts';

/** Bytes of a ceph_osd_op: u16 code, u32 flags, 28 bytes of a union, u32 payload length. */
export const OSD_OP_LENGTH = 38;
const TWO_32 = 0x1_0000_0000;

/**
 * One operation of a request or reply, flat. The union is seven words; what they mean depends on the code, and the accessors below
 * read and set them by the name of each form. Offsets and lengths are doubles, exact below 2^53.
 */
export class OsdOp {
  code: number;
  flags: number;
  /** Little-endian words of the union's 28 bytes, unsigned. */
  u0 = 0;
  u1 = 0;
  u2 = 0;
  u3 = 0;
  u4 = 0;
  u5 = 0;
  u6 = 0;
  /** Bytes of this operation in the data segment, as the header says: input in a request, output in a reply. */
  payloadLength = 0;
  /** Input; a view of the request's data segment. */
  indata: Uint8Array = noBytes;
  /** Output in parts; in a decoded reply, one view of its data segment (or none). */
  outdata: readonly Uint8Array[] = noData;
  /** Result of this operation, negative errno or what it returns. */
  rval = 0;

  constructor(code: number, flags = 0) {
    this.code = code;
    this.flags = flags;
  }

  get name(): string {
    return osdOpName(this.code);
  }

  // extent: offset, length, truncate_size, truncate_seq; also writesame, checksum, cmpext, clonerange in their first fields
  get offset(): number {
    return this.u1 * TWO_32 + this.u0;
  }

  set offset(x: number) {
    this.u0 = x % TWO_32;
    this.u1 = Math.floor(x / TWO_32);
  }

  get length(): number {
    return this.u3 * TWO_32 + this.u2;
  }

  set length(x: number) {
    this.u2 = x % TWO_32;
    this.u3 = Math.floor(x / TWO_32);
  }

  get truncateSize(): number {
    return this.u5 * TWO_32 + this.u4;
  }

  set truncateSize(x: number) {
    this.u4 = x % TWO_32;
    this.u5 = Math.floor(x / TWO_32);
  }

  get truncateSeq(): number {
    return this.u6;
  }

  set truncateSeq(x: number) {
    this.u6 = x;
  }

  // xattr: name_len, value_len, cmp_op, cmp_mode
  get xattrNameLength(): number {
    return this.u0;
  }

  get xattrValueLength(): number {
    return this.u1;
  }

  get xattrCmpOp(): number {
    return this.u2 & 0xff;
  }

  get xattrCmpMode(): number {
    return (this.u2 >>> 8) & 0xff;
  }

  setXattr(nameLength: number, valueLength: number, cmpOp = 0, cmpMode = 0): void {
    this.u0 = nameLength;
    this.u1 = valueLength;
    this.u2 = cmpOp | (cmpMode << 8);
  }

  // cls: class_len u8, method_len u8, argc u8, indata_len u32
  get classLength(): number {
    return this.u0 & 0xff;
  }

  get methodLength(): number {
    return (this.u0 >>> 8) & 0xff;
  }

  get classArgc(): number {
    return (this.u0 >>> 16) & 0xff;
  }

  get classInputLength(): number {
    return ((this.u0 >>> 24) | (this.u1 << 8)) >>> 0;
  }

  setClass(classLength: number, methodLength: number, inputLength: number): void {
    this.u0 = (classLength | (methodLength << 8) | (inputLength << 24)) >>> 0;
    this.u1 = inputLength >>> 8;
  }

  // pgls: count, start_epoch
  get listCount(): number {
    return this.offset;
  }

  get listStartEpoch(): number {
    return this.u2;
  }

  setList(count: number, startEpoch: number): void {
    this.offset = count;
    this.u2 = startEpoch;
  }

  // snap: snapid; copy_from: snapid, src_version, flags u8, src_fadvise_flags
  get snapid(): Snapid {
    return snapidFromHalves(this.u0, this.u1);
  }

  set snapid(s: Snapid) {
    const x = snapidToBigint(s);
    this.u0 = Number(x & 0xffffffffn);
    this.u1 = Number(x >> 32n);
  }

  get copyFromVersion(): number {
    return this.length;
  }

  get copyFromFlags(): number {
    return this.u4 & 0xff;
  }

  get copyFromFadviseFlags(): number {
    return ((this.u4 >>> 8) | (this.u5 << 24)) >>> 0;
  }

  setCopyFrom(source: Snapid, version: number, flags: number, fadviseFlags: number): void {
    this.snapid = source;
    this.length = version;
    this.u4 = ((flags & 0xff) | (fadviseFlags << 8)) >>> 0;
    this.u5 = fadviseFlags >>> 24;
  }

  // watch: cookie, ver, op u8, gen, timeout; notify: cookie
  get cookie(): bigint {
    return (BigInt(this.u1) << 32n) | BigInt(this.u0);
  }

  set cookie(x: bigint) {
    this.u0 = Number(x & 0xffffffffn);
    this.u1 = Number((x >> 32n) & 0xffffffffn);
  }

  /** One of watchOp. */
  get watchOp(): number {
    return this.u4 & 0xff;
  }

  get watchGen(): number {
    return ((this.u4 >>> 8) | (this.u5 << 24)) >>> 0;
  }

  get watchTimeout_s(): number {
    return ((this.u5 >>> 8) | (this.u6 << 24)) >>> 0;
  }

  setWatch(cookie: bigint, op: number, gen: number, timeout_s: number): void {
    this.cookie = cookie;
    this.u4 = ((op & 0xff) | (gen << 8)) >>> 0;
    this.u5 = ((gen >>> 24) | (timeout_s << 8)) >>> 0;
    this.u6 = timeout_s >>> 24;
  }

  // assert_ver: unused, ver
  get assertVersion(): number {
    return this.length;
  }

  set assertVersion(x: number) {
    this.length = x;
  }

  // alloc_hint: expected_object_size, expected_write_size, flags
  get expectedObjectSize(): number {
    return this.offset;
  }

  get expectedWriteSize(): number {
    return this.length;
  }

  get allocHintFlags(): number {
    return this.u4;
  }

  setAllocHint(objectSize: number, writeSize: number, flags: number): void {
    this.offset = objectSize;
    this.length = writeSize;
    this.u4 = flags;
  }

  // writesame: offset, length, data_length
  get writesameDataLength(): number {
    return this.truncateSize;
  }

  // checksum: offset, length, chunk_size, type u8
  get checksumChunkSize(): number {
    return this.u4;
  }

  /** One of checksumType. */
  get checksumType(): number {
    return this.u5 & 0xff;
  }

  setChecksum(offset: number, length: number, chunkSize: number, type: number): void {
    this.offset = offset;
    this.length = length;
    this.u4 = chunkSize;
    this.u5 = type;
  }

  // copy_get: max; tmap2omap: flags u8; hit_set_get: stamp
  get copyGetMax(): number {
    return this.offset;
  }

  get tmap2omapFlags(): number {
    return this.u0 & 0xff;
  }

  /** Output whole. */
  get output(): Uint8Array {
    return this.outdata.length === 0 ? noBytes : joinParts(this.outdata);
  }

  get outLength(): number {
    let n = 0;
    for (const part of this.outdata) n += part.length;
    return n;
  }

  /** As Ceph prints it, in brief: `write 0~4096`. */
  toString(): string {
    switch (this.code) {
      case osdOp.CALL: {
        const names = decodeNames(this.indata, this.classLength, this.methodLength);
        return `call ${names}`;
      }
      case osdOp.READ:
      case osdOp.SPARSE_READ:
      case osdOp.SYNC_READ:
      case osdOp.WRITE:
      case osdOp.WRITEFULL:
      case osdOp.APPEND:
      case osdOp.ZERO:
      case osdOp.CMPEXT:
      case osdOp.MAPEXT:
        return `${this.name} ${this.offset}~${this.length}`;
      case osdOp.TRUNCATE:
        return `${this.name} ${this.offset}`;
      default:
        return this.name;
    }
  }
}

function decodeNames(input: Uint8Array, classLength: number, methodLength: number): string {
  if (classLength + methodLength > input.length) return '(truncated)';
  const text = (from: number, to: number) => String.fromCharCode(...input.subarray(from, to));
  return `${text(0, classLength)}.${text(classLength, classLength + methodLength)}`;
}

export function readOsdOp(r: Reader): OsdOp {
  r.need(OSD_OP_LENGTH);
  const op = new OsdOp(r.u16(), r.u32());
  op.u0 = r.u32();
  op.u1 = r.u32();
  op.u2 = r.u32();
  op.u3 = r.u32();
  op.u4 = r.u32();
  op.u5 = r.u32();
  op.u6 = r.u32();
  op.payloadLength = r.u32();
  return op;
}

export function writeOsdOp(w: Writer, op: OsdOp, payloadLength: number): void {
  w.u16(op.code);
  w.u32(op.flags);
  w.u32(op.u0);
  w.u32(op.u1);
  w.u32(op.u2);
  w.u32(op.u3);
  w.u32(op.u4);
  w.u32(op.u5);
  w.u32(op.u6);
  w.u32(payloadLength);
}

/** `count` operations; the count is checked against the bytes there before anything is allocated. */
export function readOsdOps(r: Reader, count: number): OsdOp[] {
  r.need(count * OSD_OP_LENGTH);
  const ops: OsdOp[] = [];
  for (let i = 0; i < count; i++) ops.push(readOsdOp(r));
  return ops;
}

/**
 * Cuts a data segment into the operations' payloads in order: views, except where a payload straddles two parts. Throws DecodeError where
 * the operations claim more than there is.
 */
export class DataCutter {
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #at = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  take(length: number): Uint8Array {
    if (length === 0) return noBytes;
    while (this.#part < this.#parts.length && this.#at === this.#parts[this.#part]!.length) this.#next();
    const part = this.#parts[this.#part];
    if (part === undefined) return this.#short(length);
    if (length <= part.length - this.#at) {
      const view = this.#at === 0 && length === part.length ? part : part.subarray(this.#at, this.#at + length);
      this.#at += length;
      return view;
    }
    return this.#straddle(length);
  }

  #next(): void {
    this.#part++;
    this.#at = 0;
  }

  #straddle(length: number): Uint8Array {
    let there = -this.#at;
    for (let i = this.#part; i < this.#parts.length; i++) there += this.#parts[i]!.length;
    if (there < length) return this.#short(length);
    const whole = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const part = this.#parts[this.#part]!;
      const n = Math.min(length - done, part.length - this.#at);
      whole.set(part.subarray(this.#at, this.#at + n), done);
      done += n;
      this.#at += n;
      if (this.#at === part.length) this.#next();
    }
    return whole;
  }

  #short(length: number): never {
    throw new DecodeError(`an operation claims ${length} bytes of data that are not there`, 0);
  }
}
