import { BLOCK_CRCS_MIN, crc32c, crc32cLong, crc32cPortable } from '../base/index.ts';
import type { WireMessage } from './api.ts';
import {
  ALIGNMENT_DATA,
  ALIGNMENT_DEFAULT,
  CRC_LENGTH,
  CRYPTO_BLOCK_LENGTH,
  EPILOGUE_CRC_REV0_LENGTH,
  EPILOGUE_CRC_REV1_LENGTH,
  EPILOGUE_SECURE_LENGTH,
  LATE_STATUS_COMPLETE,
  MESSAGE_FLAGS,
  MESSAGE_HEADER_LENGTH,
  PREAMBLE_INLINE_LENGTH,
  PREAMBLE_LENGTH,
  Tag,
} from './constants.ts';
import type { Sealer } from './crypto.ts';

const CRC_SEED = 0xffffffff;
const TWO_32 = 0x1_0000_0000;
const SLAB_LENGTH = 64 * 1024;
/** Parts up to this are copied beside the headers around them: 0.1 µs, where a buffer of its own costs the socket more. */
const COPY_MAX = 4096;
/** Below this the portable crc32c is faster than a native call (measured: they meet near 150 bytes). */
const CRC_PORTABLE_MAX = 128;

function crcOf(seed: number, bytes: Uint8Array): number {
  if (bytes.length <= CRC_PORTABLE_MAX) return crc32cPortable(seed, bytes);
  return bytes.length < BLOCK_CRCS_MIN ? crc32c(seed, bytes) : crc32cLong(seed, bytes);
}

const PADDING = new Uint8Array(CRYPTO_BLOCK_LENGTH);
const noParts: readonly Uint8Array[] = [];

/**
 * Lays out frames for the socket. One per messenger, used for one connection at a time: frames are appended, then {@link FrameWriter.take}
 * gives the buffers to write. Headers and small parts go one after another into slabs; larger parts stay where they are.
 *
 * Layout of a frame (all little-endian):
 *
 *     preamble   u8 tag, u8 segment count, 4 x (u32 length, u16 alignment), 2 zero bytes, u32 crc32c of the 28 bytes before, seed 0
 *     crc mode, revision 1:
 *       segment 0, u32 crc (nothing where it is empty); segments 1..3;
 *       with more than one segment: u8 late_status, 3 x u32 crc of segments 1..3
 *     crc mode, revision 0:
 *       segments; always: u8 late_flags, 4 x u32 crc
 *     secure mode, revision 1 (segments are padded with zeros to 16):
 *       sealed: preamble, first 48 bytes of segment 0 (zeros where it is shorter)
 *       sealed: rest of segment 0, where there is one
 *       with more than one segment, sealed: segments 1..3, u8 late_status, 15 zero bytes
 *     secure mode, revision 0, one sealed block:
 *       preamble, segments, u8 late_flags, 15 zero bytes
 *
 * Empty segments at the end are left out. Segment crcs have the seed 0xffffffff.
 */
export class FrameWriter {
  /** Bytes appended since the last {@link FrameWriter.take}. */
  bytes = 0;
  #slab: Uint8Array = Buffer.allocUnsafeSlow(SLAB_LENGTH);
  #view = new DataView(this.#slab.buffer);
  #at = 0;
  /** Start of what is in the slab and not yet in `#out`. */
  #start = 0;
  #out: Uint8Array[] = [];
  /** Where in the slab the current output begins, and that of the last `take` began. */
  #origin = 0;
  #lastOrigin = 0;

  /** The buffers of all frames since the last call. */
  take(): Uint8Array[] {
    this.#cut();
    const out = this.#out;
    this.#out = [];
    this.bytes = 0;
    this.#lastOrigin = this.#origin;
    this.#origin = this.#at;
    return out;
  }

  /** What the last `take` gave is with the kernel: its part of the slab is used again. Nothing was appended since. */
  reuse(): void {
    this.#at = this.#lastOrigin;
    this.#start = this.#lastOrigin;
    this.#origin = this.#lastOrigin;
  }

  /** Bytes as they are (the banner). */
  raw(bytes: Uint8Array): void {
    this.#append(bytes);
  }

  /** A frame of one segment. `payload` is copied where it is small, else must not change. */
  control(tag: number, payload: Uint8Array, isRev1: boolean, sealer: Sealer | undefined): void {
    const count = 1;
    if (sealer !== undefined) {
      this.#sealed(tag, count, payload, noParts, 0, noParts, 0, noParts, 0, isRev1, sealer);
      return;
    }
    this.#preamble(tag, count, payload.length, 0, 0, 0);
    this.#append(payload);
    if (isRev1) {
      if (payload.length > 0) this.#u32(crcOf(CRC_SEED, payload));
      return;
    }
    const at = this.#reserve(EPILOGUE_CRC_REV0_LENGTH);
    this.#slab.fill(0, at, at + EPILOGUE_CRC_REV0_LENGTH);
    this.#view.setUint32(at + 1, crcOf(CRC_SEED, payload), true);
  }

  /** A MESSAGE frame. `seq` and `ackSeq` are this session's. */
  message(message: WireMessage, seq: number, ackSeq: number, isRev1: boolean, sealer: Sealer | undefined): void {
    const { front, middle, data } = message;
    let dataLength = 0;
    for (let i = 0; i < data.length; i++) dataLength += data[i]!.length;
    const count = dataLength > 0 ? 4 : middle.length > 0 ? 3 : front.length > 0 ? 2 : 1;
    if (sealer !== undefined) {
      const header = new Uint8Array(MESSAGE_HEADER_LENGTH);
      this.#header(new DataView(header.buffer), 0, message, seq, ackSeq);
      this.#sealed(
        Tag.MESSAGE,
        count,
        header,
        [front],
        front.length,
        [middle],
        middle.length,
        data,
        dataLength,
        isRev1,
        sealer,
      );
      return;
    }
    this.#preamble(Tag.MESSAGE, count, MESSAGE_HEADER_LENGTH, front.length, middle.length, dataLength);
    const at = this.#reserve(MESSAGE_HEADER_LENGTH + (isRev1 ? CRC_LENGTH : 0));
    this.#header(this.#view, at, message, seq, ackSeq);
    const headerCrc = crc32cPortable(CRC_SEED, this.#slab, at, at + MESSAGE_HEADER_LENGTH);
    if (isRev1) {
      this.#view.setUint32(at + MESSAGE_HEADER_LENGTH, headerCrc, true);
      if (count === 1) return;
    }
    this.#append(front);
    this.#append(middle);
    let dataCrc = CRC_SEED;
    const { sums } = message;
    if (dataLength > 0) {
      const known = message.dataCrc ?? sums?.data ?? -1;
      for (let i = 0; i < data.length; i++) {
        const part = data[i]!;
        if (known < 0) dataCrc = crcOf(dataCrc, part);
        this.#append(part);
      }
      if (known >= 0) dataCrc = known;
      if (sums !== undefined) sums.data = dataCrc;
    }
    let frontCrc = sums?.front ?? -1;
    if (frontCrc < 0 && count > 1) frontCrc = crcOf(CRC_SEED, front);
    if (sums !== undefined) sums.front = frontCrc;
    const length = isRev1 ? EPILOGUE_CRC_REV1_LENGTH : EPILOGUE_CRC_REV0_LENGTH;
    let e = this.#reserve(length);
    const view = this.#view;
    view.setUint8(e, isRev1 ? LATE_STATUS_COMPLETE : 0);
    e += 1;
    if (!isRev1) {
      view.setUint32(e, headerCrc, true);
      e += 4;
    }
    view.setUint32(e, count > 1 ? frontCrc : 0, true);
    view.setUint32(e + 4, count > 2 ? crcOf(CRC_SEED, middle) : 0, true);
    view.setUint32(e + 8, count > 3 ? dataCrc : 0, true);
  }

  /** ceph_msg_header2. */
  #header(view: DataView, at: number, message: WireMessage, seq: number, ackSeq: number): void {
    setU64(view, at, seq);
    setU64(view, at + 8, message.tid);
    view.setUint16(at + 16, message.type, true);
    view.setUint16(at + 18, message.priority, true);
    view.setUint16(at + 20, message.version, true);
    view.setUint32(at + 22, 0, true); // data_pre_padding_len
    view.setUint16(at + 26, message.dataOffset, true);
    setU64(view, at + 28, ackSeq);
    view.setUint8(at + 36, MESSAGE_FLAGS);
    view.setUint16(at + 37, message.compatVersion, true);
    view.setUint16(at + 39, 0, true); // reserved
  }

  #preamble(tag: number, count: number, length0: number, length1: number, length2: number, length3: number): void {
    const at = this.#reserve(PREAMBLE_LENGTH);
    writePreamble(this.#slab, this.#view, at, tag, count, length0, length1, length2, length3);
  }

  #sealed(
    tag: number,
    count: number,
    first: Uint8Array,
    front: readonly Uint8Array[],
    frontLength: number,
    middle: readonly Uint8Array[],
    middleLength: number,
    data: readonly Uint8Array[],
    dataLength: number,
    isRev1: boolean,
    sealer: Sealer,
  ): void {
    const head = new Uint8Array(PREAMBLE_LENGTH + (isRev1 ? PREAMBLE_INLINE_LENGTH : 0));
    writePreamble(
      head,
      new DataView(head.buffer),
      0,
      tag,
      count,
      first.length,
      frontLength,
      middleLength,
      count > 3 ? dataLength : 0,
    );
    const plain: Uint8Array[] = [head];
    if (isRev1) {
      head.set(first.subarray(0, PREAMBLE_INLINE_LENGTH), PREAMBLE_LENGTH);
      this.#seal(plain, sealer);
      plain.length = 0;
      if (first.length > PREAMBLE_INLINE_LENGTH) {
        pushPadded(plain, [first.subarray(PREAMBLE_INLINE_LENGTH)], first.length - PREAMBLE_INLINE_LENGTH);
        this.#seal(plain, sealer);
        plain.length = 0;
      }
      if (count === 1) return;
    } else {
      pushPadded(plain, [first], first.length);
    }
    if (count > 1) pushPadded(plain, front, frontLength);
    if (count > 2) pushPadded(plain, middle, middleLength);
    if (count > 3) pushPadded(plain, data, dataLength);
    const epilogue = new Uint8Array(EPILOGUE_SECURE_LENGTH);
    if (isRev1) epilogue[0] = LATE_STATUS_COMPLETE;
    plain.push(epilogue);
    this.#seal(plain, sealer);
  }

  #seal(plain: readonly Uint8Array[], sealer: Sealer): void {
    let length = 0;
    for (let i = 0; i < plain.length; i++) length += plain[i]!.length;
    this.#cut();
    const from = this.#out.length;
    // Each update costs a microsecond and a buffer: a small block goes through in one.
    sealer.seal(length <= COPY_MAX * 2 && plain.length > 1 ? [joined(plain, length)] : plain, this.#out);
    for (let i = from; i < this.#out.length; i++) this.bytes += this.#out[i]!.length;
  }

  #append(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length === 0) return;
    if (length <= COPY_MAX) {
      const at = this.#reserve(length);
      this.#slab.set(bytes, at);
      return;
    }
    this.#cut();
    this.#out.push(bytes);
    this.bytes += length;
  }

  #u32(x: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, x, true);
  }

  #reserve(length: number): number {
    if (this.#at + length > SLAB_LENGTH) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
      this.#view = new DataView(this.#slab.buffer);
      this.#at = 0;
      this.#start = 0;
      this.#origin = 0; // the rest of the output is in slabs that are given up
    }
    const at = this.#at;
    this.#at = at + length;
    this.bytes += length;
    return at;
  }

  #cut(): void {
    if (this.#at === this.#start) return;
    this.#out.push(this.#slab.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }
}

function setU64(view: DataView, at: number, x: number): void {
  if (x < TWO_32) {
    view.setUint32(at, x, true);
    view.setUint32(at + 4, 0, true);
    return;
  }
  view.setUint32(at, x % TWO_32, true);
  view.setUint32(at + 4, x / TWO_32, true);
}

function writePreamble(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  tag: number,
  count: number,
  length0: number,
  length1: number,
  length2: number,
  length3: number,
): void {
  bytes[at] = tag;
  bytes[at + 1] = count;
  view.setUint32(at + 2, length0, true);
  view.setUint16(at + 6, ALIGNMENT_DEFAULT, true);
  view.setUint32(at + 8, length1, true);
  view.setUint16(at + 12, count > 1 ? ALIGNMENT_DEFAULT : 0, true);
  view.setUint32(at + 14, length2, true);
  view.setUint16(at + 18, count > 2 ? ALIGNMENT_DEFAULT : 0, true);
  view.setUint32(at + 20, length3, true);
  view.setUint16(at + 24, count > 3 ? ALIGNMENT_DATA : 0, true);
  view.setUint16(at + 26, 0, true);
  view.setUint32(at + 28, crc32cPortable(0, bytes, at, at + PREAMBLE_LENGTH - CRC_LENGTH), true);
}

function pushPadded(into: Uint8Array[], parts: readonly Uint8Array[], length: number): void {
  for (let i = 0; i < parts.length; i++) if (parts[i]!.length > 0) into.push(parts[i]!);
  const over = length % CRYPTO_BLOCK_LENGTH;
  if (over > 0) into.push(PADDING.subarray(over));
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    all.set(parts[i]!, at);
    at += parts[i]!.length;
  }
  return all;
}
