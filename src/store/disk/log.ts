import { type Clock, crc32c, type DiskFile, invariant, Queue } from '../../base/index.ts';
import { CRC_SEED } from './format.ts';

/**
 * The redo log: one file, used round and round. It consists of batches, each what one write and one sync made durable:
 *
 *      0 u32 magic               24 u64 batch number            48 u64 direct seq
 *      4 u32 crc32c of the rest  32 u64 seq of first record     56 u64 position
 *      8 u64 store id            40 u32 records
 *     16 u32 epoch               44 u32 zero
 *     20 u32 length              64 records, each u32 length and its bytes
 *
 * A batch starts at a multiple of 4096 and is zero-padded to one, so that no write touches a sector that an acknowledged batch lies
 * in. It does not wrap: where the room to the end of the file is too short, the next one starts at the file's beginning. A batch is
 * valid if its checksum, store, epoch, position and number are what the reader expects; the first that is not ends the log.
 *
 * `direct seq` says up to which record the data that records describe but do not contain was durable when the batch was written.
 */
const MAGIC = 0x474c5053; // "SPLG"
const HEADER = 64;
const ALIGN = 4096;
/** Memory kept for gathering a batch. */
const STAGING = 1 << 20;
/** Batches up to this long are written at once, longer ones by a worker thread: a write into the page cache takes some 0.2 us per KiB. */
const SYNC_WRITE_MAX = 128 * 1024;
/** The file grows by zeros ahead of the first lap, so that a sync has no new metadata to write. */
const GROW = 4 << 20;
const ZEROS = new Uint8Array(128 * 1024);

const TWO_32 = 0x1_0000_0000;

/** Records gathered for one write. */
interface Gathered {
  buffer: Uint8Array;
  length: number;
  count: number;
  firstSeq: number;
  lastSeq: number;
}

interface Batch {
  /** Where it starts, and where the next may. */
  readonly position: number;
  readonly end: number;
  readonly number: number;
  readonly lastSeq: number;
}

export interface LogState {
  readonly storeId: bigint;
  readonly capacity: number;
  readonly epoch: number;
  /** Position of the next batch, and its number. */
  readonly position: number;
  readonly batchNumber: number;
  /** Syncs that take less than this (milliseconds, as a running mean) run on the event loop's own thread; 0 or absent: none do. */
  readonly syncInTurn_ms?: number;
}

export interface LogEvents {
  /** Records up to `seq` are durable. */
  durable(seq: number): void;
  failed(error: Error): void;
  /** See the header's field. */
  directSeq(): number;
}

export class Log {
  readonly #file: DiskFile;
  readonly #clock: Clock;
  readonly #state: LogState;
  readonly #events: LogEvents;
  /** Position of the next batch. */
  #head: number;
  /** First position that must be kept. */
  #tail: number;
  #batchNumber: number;
  #batches = new Queue<Batch>();
  /** Batches that are full and wait for their turn. */
  readonly #full = new Queue<Gathered>();
  #staging: Uint8Array = new Uint8Array(STAGING);
  /** The other staging buffer, when it is not being written. */
  #spare: Uint8Array | undefined = new Uint8Array(STAGING);
  #length = HEADER;
  #count = 0;
  #firstSeq = 0;
  #lastSeq = 0;
  #writing = false;
  #scheduled = false;
  #closed = false;
  /** A running mean of what a sync takes; high until some were seen. */
  #syncCost_ms = 10;
  #grown: number;
  /** Range being filled with zeros: no batch may go there meanwhile. */
  #growing: { from: number; to: number } | undefined;

  constructor(file: DiskFile, clock: Clock, state: LogState, events: LogEvents) {
    invariant(state.capacity % ALIGN === 0 && state.position % ALIGN === 0, 'log position is not aligned');
    this.#file = file;
    this.#clock = clock;
    this.#state = state;
    this.#events = events;
    this.#head = state.position;
    this.#tail = state.position;
    this.#batchNumber = state.batchNumber;
    this.#grown = Math.min(file.size(), state.capacity);
  }

  /** Bytes between the oldest batch that is still needed and the next one. */
  get used(): number {
    return this.#head - this.#tail;
  }

  get capacity(): number {
    return this.#state.capacity;
  }

  /** Bytes waiting to be written. */
  get waiting(): number {
    let n = this.#count === 0 ? 0 : this.#length;
    for (let i = 0; i < this.#full.length; i++) n += this.#full.at(i).length;
    return n;
  }

  /** Longest record it takes. */
  get recordLength_max(): number {
    return Math.floor(this.#state.capacity / 4) - HEADER - ALIGN;
  }

  /** Room for a record of `length` bytes; the caller fills it before anything else is called. The write follows in a later turn. */
  append(seq: number, length: number): { buffer: Uint8Array; offset: number } {
    invariant(!this.#closed, 'the log is closed');
    invariant(length <= this.recordLength_max, 'a record is longer than the log takes', { length });
    // A batch must find room in the log; so one that would get too long is closed, and the record starts the next.
    if (this.#count > 0 && this.#length + length > this.#state.capacity / 8) this.#full.push(this.#take());
    const need = this.#length + 4 + length;
    if (need > this.#staging.length) {
      const grown = new Uint8Array(Math.max(need, this.#staging.length * 2));
      grown.set(this.#staging.subarray(0, this.#length));
      this.#staging = grown;
    }
    if (this.#count === 0) this.#firstSeq = seq;
    this.#count++;
    this.#lastSeq = seq;
    const offset = this.#length + 4;
    writeU32(this.#staging, this.#length, length);
    this.#length = need;
    if (!this.#writing && !this.#scheduled) {
      this.#scheduled = true;
      // After the events that are waiting: what they queue shares this write.
      this.#clock.defer(() => {
        this.#scheduled = false;
        this.#flush(true);
      });
    }
    return { buffer: this.#staging, offset };
  }

  /** `inTurn`: this is a turn of its own, in which acknowledgements may be given at once. */
  #flush(inTurn = false): void {
    if (this.#writing || this.#closed || (this.#count === 0 && this.#full.length === 0)) return;
    const isFull = this.#full.length > 0;
    const length = isFull ? this.#full.peek()!.length : this.#length;
    const padded = Math.ceil(length / ALIGN) * ALIGN;
    const { capacity } = this.#state;
    let position = this.#head;
    const toEnd = capacity - (position % capacity);
    if (padded > toEnd) position += toEnd;
    // Full: what waits is written once a checkpoint has trimmed the log; acknowledgements wait meanwhile, and so do the clients.
    if (position + padded - this.#tail > capacity) return;
    const offset = position % capacity;
    const growing = this.#growing;
    if (growing !== undefined && offset < growing.to && offset + padded > growing.from) return;

    const gathered = isFull ? this.#full.shift()! : this.#take();
    const { buffer } = gathered;
    buffer.fill(0, length, Math.min(padded, buffer.length));
    this.#writeHeader(gathered, position);
    const whole = buffer.length >= padded ? buffer.subarray(0, padded) : padTo(buffer, length, padded);
    const batch: Batch = { position, end: position + padded, number: this.#batchNumber++, lastSeq: gathered.lastSeq };
    this.#batches.push(batch);
    this.#head = batch.end;
    this.#writing = true;

    const written = (error: Error | null): void => {
      if (this.#closed) return;
      if (error !== null) {
        this.#events.failed(error);
        return;
      }
      this.#sync(inTurn, (failure) => {
        if (this.#closed) return;
        if (failure !== null) {
          this.#events.failed(failure);
          return;
        }
        this.#writing = false;
        if (buffer.length <= 2 * STAGING && this.#spare === undefined) this.#spare = buffer;
        this.#events.durable(batch.lastSeq);
        this.#flush(inTurn);
      });
    };
    if (padded <= SYNC_WRITE_MAX) {
      try {
        this.#file.writeSync([whole], offset);
      } catch (error) {
        written(error as Error);
        return;
      }
      written(null);
    } else this.#file.write([whole], offset, written);
    this.#growAhead(offset + padded);
  }

  /**
   * Syncs on this thread where the device is so quick that handing the work to another thread and back costs more than the work, else on
   * another. What a sync takes is watched: one slow answer, and the next ones run elsewhere again.
   */
  #sync(inTurn: boolean, done: (error: Error | null) => void): void {
    const started_ms = this.#clock.monotonic();
    const limit_ms = this.#state.syncInTurn_ms ?? 0;
    if (!inTurn || this.#syncCost_ms > limit_ms || limit_ms === 0) {
      this.#file.sync((error) => {
        this.#noteSync(this.#clock.monotonic() - started_ms);
        done(error);
      });
      return;
    }
    let failure: Error | null = null;
    try {
      this.#file.syncSync();
    } catch (error) {
      failure = error as Error;
    }
    this.#noteSync(this.#clock.monotonic() - started_ms);
    done(failure);
  }

  #noteSync(took_ms: number): void {
    // Slowness counts at once, quickness only when it lasts.
    this.#syncCost_ms = took_ms > 4 * this.#syncCost_ms ? took_ms : this.#syncCost_ms * 0.95 + took_ms * 0.05;
  }

  /** What was gathered, for writing; gathering goes on in another buffer. */
  #take(): Gathered {
    const gathered = {
      buffer: this.#staging,
      length: this.#length,
      count: this.#count,
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastSeq,
    };
    this.#staging = this.#spare ?? new Uint8Array(STAGING);
    this.#spare = undefined;
    this.#length = HEADER;
    this.#count = 0;
    return gathered;
  }

  #writeHeader(batch: Gathered, position: number): void {
    const b = batch.buffer;
    writeU32(b, 0, MAGIC);
    writeU32(b, 8, Number(this.#state.storeId & 0xffffffffn));
    writeU32(b, 12, Number(this.#state.storeId >> 32n));
    writeU32(b, 16, this.#state.epoch);
    writeU32(b, 20, batch.length);
    writeU64(b, 24, this.#batchNumber);
    writeU64(b, 32, batch.firstSeq);
    writeU32(b, 40, batch.count);
    writeU32(b, 44, 0);
    writeU64(b, 48, this.#events.directSeq());
    writeU64(b, 56, position);
    writeU32(b, 4, crc32c(CRC_SEED, b.subarray(8, batch.length)));
  }

  #growAhead(reached: number): void {
    if (this.#growing !== undefined || this.#grown >= this.#state.capacity || reached + GROW / 2 < this.#grown) return;
    const from = Math.max(this.#grown, reached);
    const to = Math.min(this.#state.capacity, from + GROW);
    if (to <= from) return;
    this.#growing = { from, to };
    const zeros = new Array<Uint8Array>(Math.ceil((to - from) / ZEROS.length)).fill(ZEROS);
    zeros[zeros.length - 1] = ZEROS.subarray(0, to - from - (zeros.length - 1) * ZEROS.length);
    this.#file.write(zeros, from, (error) => {
      this.#growing = undefined;
      if (this.#closed) return;
      if (error !== null) {
        this.#events.failed(error);
        return;
      }
      this.#grown = to;
      if (!this.#writing) this.#flush();
    });
  }

  /** Where replay would have to start to see every record after `seq`: position and number of that batch. */
  startAfter(seq: number): { position: number; batchNumber: number } {
    for (const batch of this.#batches) {
      if (batch.lastSeq > seq) return { position: batch.position, batchNumber: batch.number };
    }
    return { position: this.#head, batchNumber: this.#batchNumber };
  }

  /** Frees what lies before `position`: a durable checkpoint holds it. */
  trim(position: number): void {
    while (this.#batches.length > 0 && this.#batches.peek()!.end <= position) this.#batches.shift();
    this.#tail = Math.max(this.#tail, position);
    if (!this.#writing) this.#flush();
  }

  close(): void {
    this.#closed = true;
  }
}

function padTo(buffer: Uint8Array, length: number, padded: number): Uint8Array {
  const whole = new Uint8Array(padded);
  whole.set(buffer.subarray(0, length));
  return whole;
}

/** Whether the mark of a batch stands at `at`. */
export function beginsBatch(bytes: Uint8Array, at: number): boolean {
  return readU32(bytes, at) === MAGIC;
}

export interface LogBatch {
  readonly position: number;
  readonly end: number;
  readonly number: number;
  readonly firstSeq: number;
  readonly directSeq: number;
  readonly records: Uint8Array[];
}

/** Reads the log from a position on, batch by batch. */
export class LogReader {
  readonly #file: DiskFile;
  readonly #state: LogState;
  #position: number;
  #number: number;

  constructor(file: DiskFile, state: LogState) {
    this.#file = file;
    this.#state = state;
    this.#position = state.position;
    this.#number = state.batchNumber;
  }

  get position(): number {
    return this.#position;
  }

  get batchNumber(): number {
    return this.#number;
  }

  /** The next batch, or undefined at the end of the log. */
  next(): LogBatch | undefined {
    const { capacity } = this.#state;
    const batch = this.#readAt(this.#position);
    if (batch !== undefined) return batch;
    const within = this.#position % capacity;
    return within === 0 ? undefined : this.#readAt(this.#position + capacity - within);
  }

  #readAt(position: number): LogBatch | undefined {
    const { capacity, storeId, epoch } = this.#state;
    const offset = position % capacity;
    const header = new Uint8Array(HEADER);
    if (this.#file.readSync(header, offset) < HEADER) return undefined;
    if (readU32(header, 0) !== MAGIC || readU32(header, 16) !== epoch) return undefined;
    if (readU32(header, 8) !== Number(storeId & 0xffffffffn) || readU32(header, 12) !== Number(storeId >> 32n)) {
      return undefined;
    }
    if (readU64(header, 56) !== position || readU64(header, 24) !== this.#number) return undefined;
    const length = readU32(header, 20);
    if (length < HEADER || length > capacity - offset) return undefined;
    const bytes = new Uint8Array(length);
    if (this.#file.readSync(bytes, offset) < length) return undefined;
    if (crc32c(CRC_SEED, bytes.subarray(8)) !== readU32(bytes, 4)) return undefined;
    const records: Uint8Array[] = [];
    let at = HEADER;
    for (let n = readU32(bytes, 40); n > 0; n--) {
      if (at + 4 > length) return undefined;
      const recordLength = readU32(bytes, at);
      if (at + 4 + recordLength > length) return undefined;
      records.push(bytes.subarray(at + 4, at + 4 + recordLength));
      at += 4 + recordLength;
    }
    const end = position + Math.ceil(length / ALIGN) * ALIGN;
    const batch: LogBatch = {
      position,
      end,
      number: this.#number,
      firstSeq: readU64(bytes, 32),
      directSeq: readU64(bytes, 48),
      records,
    };
    this.#position = end;
    this.#number++;
    return batch;
  }
}

function writeU32(b: Uint8Array, at: number, x: number): void {
  b[at] = x;
  b[at + 1] = x >>> 8;
  b[at + 2] = x >>> 16;
  b[at + 3] = x >>> 24;
}

function writeU64(b: Uint8Array, at: number, x: number): void {
  writeU32(b, at, x % TWO_32);
  writeU32(b, at + 4, Math.floor(x / TWO_32));
}

function readU32(b: Uint8Array, at: number): number {
  return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
}

function readU64(b: Uint8Array, at: number): number {
  return readU32(b, at + 4) * TWO_32 + readU32(b, at);
}
