import {
  BLOCK_CRCS_MIN,
  CRC_BLOCK,
  crc32c,
  crc32cLong,
  crc32cPortable,
  invariant,
  LARGE_MIN,
  takeLarge,
} from '../base/index.ts';
import {
  AUTH_TAG_LENGTH,
  BANNER_PAYLOAD_LENGTH,
  BANNER_PREFIX,
  BANNER_V1_PREFIX,
  CRC_LENGTH,
  CRYPTO_BLOCK_LENGTH,
  EPILOGUE_CRC_REV0_LENGTH,
  EPILOGUE_CRC_REV1_LENGTH,
  EPILOGUE_SECURE_LENGTH,
  LATE_FLAG_ABORTED,
  LATE_STATUS_ABORTED,
  LATE_STATUS_COMPLETE,
  MESSAGE_HEADER_LENGTH,
  PREAMBLE_INLINE_LENGTH,
  PREAMBLE_LENGTH,
  SEGMENTS_MAX,
  Tag,
} from './constants.ts';
import type { Opener, OpenerStream } from './crypto.ts';
import { FrameError } from './frame-error.ts';

const CRC_SEED = 0xffffffff;
const CRC_PORTABLE_MAX = 128;
/** Less than this is better read together with what follows, and copied. */
const TARGET_MIN = 16 * 1024;
const EMPTY = new Uint8Array(0);
const TWO_32 = 0x1_0000_0000;

/** Whom the parser tells. Calls are synchronous, from within `push` or `resume`. */
export interface FrameSink {
  /** The peer's banner is there. Throws {@link FrameError} to end the connection. */
  banner(supported: bigint, required: bigint): void;
  /**
   * A preamble is there and sound; nothing is allocated for the rest yet. `lengths` holds `count` segment lengths (the array is reused).
   * False: wait, until `resume` (the frame is then asked for again). Throws {@link FrameError} to refuse it.
   */
  admit(tag: number, count: number, lengths: readonly number[]): boolean;
  /**
   * A message begins whose header is checked, with `length` bytes of data, which is long: memory of that length to put it into, or undefined. It holds
   * what came, good or not, when `frame` is called or nothing more is; see {@link FrameParser.leave}.
   */
  place?(type: number, tid: number, length: number): Uint8Array | undefined;
  /** A whole, checked frame. Its parts are read from the parser during the call. */
  frame(tag: number): void;
  /** An admitted frame was given up by its sender. */
  aborted(tag: number): void;
}

/**
 * Cuts a byte stream into a banner and frames (layout: `frame-writer.ts`). Chunks come in any size; a frame that lies whole in a chunk is
 * read in place, one that does not is gathered into one buffer of its exact length. What is bad throws {@link FrameError} out of `push` or `resume`.
 */
export class FrameParser {
  readonly #sink: FrameSink;
  /** Whether the checksums of long data are wanted by the block, as who stores it does. */
  readonly #keepsBlockCrcs: boolean;
  #isRev1 = false;
  #opener: Opener | undefined;
  #paused = false;
  #closed = false;
  #running = false;
  /** Chunks not yet looked at, the first from `#backlogAt` on. */
  readonly #backlog: Uint8Array[] = [];
  #backlogAt = 0;

  #stage: 'banner' | 'preamble' | 'admission' | 'body' | 'head' | 'data' | 'epilogue' = 'banner';
  /** Bytes the stage needs at once. */
  #need = BANNER_PREFIX.length + 2;
  #bannerLength = 0;
  /** Where a stage's bytes are gathered that did not come in one chunk. */
  #gather: Uint8Array | undefined;
  #gathered = 0;
  readonly #small = new Uint8Array(PREAMBLE_LENGTH + PREAMBLE_INLINE_LENGTH + AUTH_TAG_LENGTH);

  #transcript: Uint8Array[] | undefined = [];
  #transcriptBytes = 0;

  #tag = 0;
  #count = 0;
  readonly #length: number[] = [0, 0, 0, 0];
  /** Revision 0, secure: the frame's one block, opened at its preamble. */
  #stream: OpenerStream | undefined;
  /** Revision 1, secure: what the preamble's block holds of segment 0. */
  #inline: Uint8Array = EMPTY;

  readonly #segment: Uint8Array[] = [EMPTY, EMPTY, EMPTY, EMPTY];
  readonly #segmentAt: number[] = [0, 0, 0, 0];
  /** Views of segments that were made to sum them. */
  readonly #view: (Uint8Array | undefined)[] = [undefined, undefined, undefined, undefined];
  #dataCrc: number | undefined;
  /** A message whose long data has memory of its own: where its other parts are. */
  #head: Uint8Array = EMPTY;
  #headAt = 0;
  #data: Uint8Array | undefined;
  /** Of the long data that came so far, where it is summed as it comes. */
  #runningCrc = CRC_SEED;
  #isSummed = false;
  /** The receiver's memory that data is gathered in. */
  #landing: Uint8Array | undefined;

  constructor(sink: FrameSink, keepsBlockCrcs = true) {
    this.#sink = sink;
    this.#keepsBlockCrcs = keepsBlockCrcs;
  }

  /** Length of segment `index` of the current frame; 0 for one it lacks. */
  segmentLength(index: number): number {
    return this.#length[index]!;
  }

  /** View of segment `index`; it may be kept. */
  segment(index: number): Uint8Array {
    const made = this.#view[index];
    if (made !== undefined) return made;
    const length = this.#length[index]!;
    if (length === 0) return EMPTY;
    const bytes = this.#segment[index]!;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + this.#segmentAt[index]!, length);
  }

  #segmentCrc(index: number): number {
    const length = this.#length[index]!;
    const at = this.#segmentAt[index]!;
    if (length <= CRC_PORTABLE_MAX) return crc32cPortable(CRC_SEED, this.#segment[index]!, at, at + length);
    const view = this.segment(index);
    this.#view[index] = view;
    return crc32c(CRC_SEED, view);
  }

  /** u16 and u64 (as a double) at `at` of segment 0, which is longer than that. */
  u16(at: number): number {
    const b = this.#segment[0]!;
    const o = this.#segmentAt[0]! + at;
    return b[o]! | (b[o + 1]! << 8);
  }

  u64(at: number): number {
    const o = this.#segmentAt[0]! + at;
    const low = readU32(this.#segment[0]!, o);
    const high = readU32(this.#segment[0]!, o + 4);
    // What multiplication makes is a number with a fraction to the engine, which takes an allocation wherever it is kept.
    return high === 0 ? low : high * TWO_32 + low;
  }

  /** crc32c of segment 3 as checked; undefined in secure mode. */
  get dataCrc(): number | undefined {
    return this.#dataCrc;
  }

  /** Frames that follow have this revision. Set once, at the banner. */
  setRevision(isRev1: boolean): void {
    this.#isRev1 = isRev1;
  }

  /** Frames that follow are encrypted. Called within `frame`, or later in the pause that began in it. */
  setOpener(opener: Opener): void {
    this.#opener = opener;
    if (this.#stage !== 'preamble') return;
    invariant(this.#gather === undefined, 'encryption switched on inside a frame');
    this.#toPreamble();
  }

  /** Everything received up to the current frame's end, since the start; recording then stops. */
  takeTranscript(): Uint8Array[] {
    const transcript = this.#transcript ?? [];
    this.#transcript = undefined;
    return transcript;
  }

  /** Bytes recorded for the transcript so far. */
  get transcriptBytes(): number {
    return this.#transcriptBytes;
  }

  /** Stops before the next frame; what comes in waits. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on, also where `admit` said to wait. */
  resume(): void {
    this.#paused = false;
    if (!this.#running) this.#run();
  }

  /** Nothing further is parsed or reported. */
  close(): void {
    this.#closed = true;
    this.#backlog.length = 0;
    this.#gather = undefined;
    this.#landing = undefined;
  }

  /** Puts nothing more into `place`, which {@link FrameSink.place} gave. True: it was filling it, so that {@link target} may have given out some of it. */
  leave(place: Uint8Array): boolean {
    if (this.#landing !== place) return false;
    this.#landing = undefined;
    const gathered = place.subarray(0, this.#gathered);
    this.#gather = takeLarge(this.#need);
    this.#gather.set(gathered);
    return true;
  }

  /** Where the next bytes belong, while a large frame is being gathered; {@link filled} then says how many are there. */
  target(): Uint8Array | undefined {
    if (
      this.#gather === undefined ||
      (this.#stage !== 'body' && this.#stage !== 'data') ||
      this.#backlog.length > 0 ||
      this.#paused
    )
      return undefined;
    if (this.#need - this.#gathered < TARGET_MIN) return undefined;
    return this.#gather.subarray(this.#gathered, this.#need);
  }

  /** `length` bytes were put at the start of what {@link target} gave. */
  filled(length: number): void {
    if (this.#closed) return;
    this.#sum(this.#gather!.subarray(this.#gathered, this.#gathered + length));
    this.#gathered += length;
    if (this.#gathered < this.#need) return;
    this.#gatherComplete();
    this.#run();
  }

  push(chunk: Uint8Array): void {
    if (this.#closed || chunk.length === 0) return;
    this.#backlog.push(chunk);
    if (!this.#running) this.#run();
  }

  #run(): void {
    this.#running = true;
    try {
      while (!this.#closed && !this.#paused) {
        if (this.#stage === 'admission') {
          if (!this.#sink.admit(this.#tag, this.#count, this.#length)) return;
          this.#toBody();
        }
        if (this.#stage === 'body' && this.#need === 0) {
          this.#body(EMPTY, 0);
          continue;
        }
        const chunk = this.#backlog[0];
        if (chunk === undefined) return;
        this.#consume(chunk);
      }
    } finally {
      this.#running = false;
    }
  }

  /** Takes what the stage needs from the front chunk. */
  #consume(chunk: Uint8Array): void {
    const at = this.#backlogAt;
    const available = chunk.length - at;
    if (this.#gather === undefined && available >= this.#need) {
      const need = this.#need;
      this.#advance(chunk, need);
      this.#complete(chunk, at);
      return;
    }
    if (this.#gather === undefined) {
      const isKept = this.#stage === 'body' || this.#stage === 'head';
      this.#gather = this.#need <= this.#small.length && !isKept ? this.#small : allocate(this.#need);
      this.#gathered = 0;
    }
    const take = Math.min(available, this.#need - this.#gathered);
    const part = take === chunk.length ? chunk : chunk.subarray(at, at + take);
    this.#sum(part);
    this.#gather.set(part, this.#gathered);
    this.#gathered += take;
    this.#advance(chunk, take);
    if (this.#gathered === this.#need) this.#gatherComplete();
  }

  /** Data that is not summed by the block is as it comes, while it is in the cache. */
  #sum(part: Uint8Array): void {
    if (this.#isSummed && this.#stage === 'data') this.#runningCrc = crc32c(this.#runningCrc, part);
  }

  #gatherComplete(): void {
    const whole = this.#gather;
    invariant(whole !== undefined && this.#gathered === this.#need, 'gathered more than a frame');
    this.#gather = undefined;
    this.#complete(whole, 0);
  }

  /** The receiver's memory for the data of the message whose head is there. */
  #placeOfData(): Uint8Array | undefined {
    const header = this.#length[0]!;
    // Revision 0 has the header's checksum at the very end.
    if (this.#sink.place === undefined || !this.#isRev1 || this.#tag !== Tag.MESSAGE || header < MESSAGE_HEADER_LENGTH)
      return undefined;
    const [b, o] = [this.#head, this.#headAt];
    if (crcRange(b, o, header) !== readU32(b, o + header)) throw new FrameError('bad segment crc');
    const tid = readU32(b, o + 8) + readU32(b, o + 12) * TWO_32;
    const place = this.#sink.place(b[o + 16]! | (b[o + 17]! << 8), tid, this.#need);
    invariant(place === undefined || place.length === this.#need, 'a place of another length than the data');
    return place;
  }

  #advance(chunk: Uint8Array, length: number): void {
    this.#backlogAt += length;
    if (this.#backlogAt === chunk.length) {
      this.#backlog.shift();
      this.#backlogAt = 0;
    }
  }

  #complete(bytes: Uint8Array, at: number): void {
    if (this.#transcript !== undefined && this.#need > 0) {
      this.#transcript.push(bytes.slice(at, at + this.#need));
      this.#transcriptBytes += this.#need;
    }
    switch (this.#stage) {
      case 'banner':
        this.#banner(bytes, at);
        break;
      case 'preamble':
        this.#preamble(bytes, at);
        break;
      case 'head':
        this.#head = bytes;
        this.#headAt = at;
        this.#stage = 'data';
        this.#need = this.#length[3]!;
        this.#landing = this.#placeOfData();
        // Else into memory of its own, which is given back apart from the rest.
        this.#gather = this.#landing ?? takeLarge(this.#need);
        this.#gathered = 0;
        this.#isSummed = !this.#keepsBlockCrcs;
        this.#runningCrc = CRC_SEED;
        break;
      case 'data':
        this.#data = bytes;
        this.#landing = undefined;
        this.#stage = 'epilogue';
        this.#need = this.#isRev1 ? EPILOGUE_CRC_REV1_LENGTH : EPILOGUE_CRC_REV0_LENGTH;
        break;
      default:
        this.#body(bytes, at);
    }
  }

  #banner(bytes: Uint8Array, at: number): void {
    if (this.#bannerLength === 0) {
      if (startsWith(bytes, at, BANNER_V1_PREFIX)) throw new FrameError('the peer speaks protocol v1');
      if (!startsWith(bytes, at, BANNER_PREFIX)) throw new FrameError('bad banner');
      const length = bytes[at + BANNER_PREFIX.length]! | (bytes[at + BANNER_PREFIX.length + 1]! << 8);
      if (length < BANNER_PAYLOAD_LENGTH) throw new FrameError('banner payload too short');
      // A later protocol may append; a kilobyte is more than any will.
      if (length > 1024) throw new FrameError('banner payload too long');
      this.#bannerLength = length;
      this.#need = length;
      return;
    }
    const supported = readU64(bytes, at);
    const required = readU64(bytes, at + 8);
    this.#sink.banner(supported, required);
    this.#toPreamble();
  }

  #toPreamble(): void {
    this.#stage = 'preamble';
    this.#need =
      this.#opener !== undefined && this.#isRev1
        ? PREAMBLE_LENGTH + PREAMBLE_INLINE_LENGTH + AUTH_TAG_LENGTH
        : PREAMBLE_LENGTH;
  }

  #preamble(bytes: Uint8Array, at: number): void {
    let block = bytes;
    let o = at;
    if (this.#opener !== undefined) {
      const sealed = bytes.subarray(at, at + this.#need);
      if (this.#isRev1) {
        block = this.#opener.open(sealed);
        this.#inline = block.subarray(PREAMBLE_LENGTH);
      } else {
        this.#stream = this.#opener.begin();
        block = this.#stream.update(sealed);
      }
      o = 0;
    }
    if (crc32cPortable(0, block, o, o + PREAMBLE_LENGTH - CRC_LENGTH) !== readU32(block, o + 28)) {
      throw new FrameError('bad preamble crc');
    }
    const count = block[o + 1]!;
    if (count < 1 || count > SEGMENTS_MAX) throw new FrameError(`bad number of segments: ${count}`);
    const length = this.#length;
    for (let i = 0; i < SEGMENTS_MAX; i++) length[i] = i < count ? readU32(block, o + 2 + 6 * i) : 0;
    if (count > 1 && length[count - 1] === 0) throw new FrameError('last segment empty');
    this.#tag = block[o]!;
    this.#count = count;
    this.#stage = 'admission';
  }

  #toBody(): void {
    const length = this.#length;
    if (this.#opener === undefined && length[3]! >= LARGE_MIN) {
      this.#stage = 'head';
      this.#need = length[0]! + length[1]! + length[2]!;
      if (this.#isRev1 && length[0]! > 0) this.#need += CRC_LENGTH;
      if (this.#need === 0) this.#complete(EMPTY, 0);
      return;
    }
    this.#stage = 'body';
    this.#need = this.#bodyLength();
  }

  /** Bytes on the wire after the preamble. */
  #bodyLength(): number {
    const length = this.#length;
    const count = this.#count;
    let sum = 0;
    if (this.#opener === undefined) {
      for (let i = 0; i < count; i++) sum += length[i]!;
      if (!this.#isRev1) return sum + EPILOGUE_CRC_REV0_LENGTH;
      if (length[0]! > 0) sum += CRC_LENGTH;
      return count > 1 ? sum + EPILOGUE_CRC_REV1_LENGTH : sum;
    }
    for (let i = 1; i < count; i++) sum += padded(length[i]!);
    const sealedEpilogue = EPILOGUE_SECURE_LENGTH + AUTH_TAG_LENGTH;
    if (!this.#isRev1) return padded(length[0]!) + sum + sealedEpilogue;
    return this.#firstRestLength() + (count > 1 ? sum + sealedEpilogue : 0);
  }

  /** Revision 1, secure: bytes on the wire of what of segment 0 the preamble's block did not hold. */
  #firstRestLength(): number {
    const length = padded(this.#length[0]!);
    return length > PREAMBLE_INLINE_LENGTH ? length - PREAMBLE_INLINE_LENGTH + AUTH_TAG_LENGTH : 0;
  }

  #body(bytes: Uint8Array, at: number): void {
    const isWhole =
      this.#opener !== undefined
        ? this.#isRev1
          ? this.#secureRev1(bytes, at)
          : this.#secureRev0(bytes, at)
        : this.#crc(bytes, at);
    const tag = this.#tag;
    if (isWhole) this.#sink.frame(tag);
    else this.#sink.aborted(tag);
    // The sink may have switched encryption on: the next preamble's length is known only now.
    const segment = this.#segment;
    segment[0] = EMPTY;
    segment[1] = EMPTY;
    segment[2] = EMPTY;
    segment[3] = EMPTY;
    const view = this.#view;
    view[0] = undefined;
    view[1] = undefined;
    view[2] = undefined;
    view[3] = undefined;
    this.#inline = EMPTY;
    this.#head = EMPTY;
    this.#data = undefined;
    this.#toPreamble();
  }

  #crc(bytes: Uint8Array, at: number): boolean {
    const length = this.#length;
    const count = this.#count;
    const isRev1 = this.#isRev1;
    const data = this.#data;
    // With data in memory of its own, `bytes` is the epilogue.
    const rest = data === undefined ? bytes : this.#head;
    let o = data === undefined ? at : this.#headAt;
    for (let i = 0; i < count; i++) {
      if (i === 3 && data !== undefined) {
        this.#segment[i] = data;
        this.#segmentAt[i] = 0;
        continue;
      }
      this.#segment[i] = rest;
      this.#segmentAt[i] = o;
      o += length[i]!;
      if (i === 0 && isRev1 && length[0]! > 0) {
        if (crcRange(rest, o - length[0]!, length[0]!) !== readU32(rest, o)) throw new FrameError('bad segment crc');
        o += CRC_LENGTH;
      }
    }
    if (data !== undefined) o = at;
    this.#dataCrc = undefined;
    if (isRev1 && count === 1) return true;
    // An aborted frame's later segments are zeros with no crc that fits: status first.
    const status = bytes[o]!;
    if (isRev1 ? lateStatusAborted(status) : (status & LATE_FLAG_ABORTED) !== 0) return false;
    o += 1;
    for (let i = isRev1 ? 1 : 0; i < count; i++) {
      const expected = readU32(bytes, o);
      o += 4;
      const found =
        i === 3 && data !== undefined && this.#isSummed
          ? this.#runningCrc
          : i === 3 && length[3]! >= BLOCK_CRCS_MIN && this.#keepsBlockCrcs
            ? this.#longCrc()
            : this.#segmentCrc(i);
      if (found !== expected) throw new FrameError('bad segment crc');
      if (i === 3) this.#dataCrc = expected;
    }
    return true;
  }

  /** Checksum of a message's long data, by the blocks that its header says it has: data_off is where in a block the data starts. */
  #longCrc(): number {
    const offset = this.#length[0]! >= MESSAGE_HEADER_LENGTH ? this.u16(26) % CRC_BLOCK : 0;
    return crc32cLong(CRC_SEED, this.segment(3), offset === 0 ? 0 : CRC_BLOCK - offset, true);
  }

  #secureRev1(bytes: Uint8Array, at: number): boolean {
    const opener = this.#opener;
    invariant(opener !== undefined, 'secure frame without keys');
    this.#dataCrc = undefined;
    let o = at;
    const rest = this.#firstRestLength();
    this.#segmentAt[0] = 0;
    if (rest === 0) {
      this.#segment[0] = this.#inline;
    } else {
      const tail = opener.open(bytes.subarray(o, o + rest));
      o += rest;
      const first = new Uint8Array(PREAMBLE_INLINE_LENGTH + tail.length);
      first.set(this.#inline);
      first.set(tail, PREAMBLE_INLINE_LENGTH);
      this.#segment[0] = first;
    }
    if (this.#count === 1) return true;
    const plain = opener.open(bytes.subarray(o, at + this.#need));
    return !lateStatusAborted(plain[this.#place(plain, 1, 0)]!);
  }

  #secureRev0(bytes: Uint8Array, at: number): boolean {
    const stream = this.#stream;
    invariant(stream !== undefined, 'secure frame without its preamble');
    this.#stream = undefined;
    this.#dataCrc = undefined;
    const end = at + this.#need;
    const plain = stream.update(bytes.subarray(at, end - AUTH_TAG_LENGTH));
    stream.finish(bytes.subarray(end - AUTH_TAG_LENGTH, end));
    return (plain[this.#place(plain, 0, 0)]! & LATE_FLAG_ABORTED) === 0;
  }

  /** Notes where padded segments from `first` on lie in `plain`; returns where they end. */
  #place(plain: Uint8Array, first: number, at: number): number {
    let o = at;
    for (let i = first; i < this.#count; i++) {
      this.#segment[i] = plain;
      this.#segmentAt[i] = o;
      o += padded(this.#length[i]!);
    }
    return o;
  }
}

function allocate(length: number): Uint8Array {
  // Not zeroed: every byte is written before it is read.
  return Buffer.allocUnsafeSlow(length);
}

function padded(length: number): number {
  return Math.ceil(length / CRYPTO_BLOCK_LENGTH) * CRYPTO_BLOCK_LENGTH;
}

function lateStatusAborted(status: number): boolean {
  const low = status & 0xf;
  if (low !== LATE_STATUS_ABORTED && low !== LATE_STATUS_COMPLETE) throw new FrameError('bad late_status');
  return low === LATE_STATUS_ABORTED;
}

function crcRange(bytes: Uint8Array, at: number, length: number): number {
  if (length <= CRC_PORTABLE_MAX) return crc32cPortable(CRC_SEED, bytes, at, at + length);
  return crc32c(CRC_SEED, new Uint8Array(bytes.buffer, bytes.byteOffset + at, length));
}

function readU32(b: Uint8Array, o: number): number {
  return (b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24)) >>> 0;
}

function readU64(b: Uint8Array, o: number): bigint {
  return (BigInt(readU32(b, o + 4)) << 32n) | BigInt(readU32(b, o));
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}
