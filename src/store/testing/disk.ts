import type { Disk, DiskFile, Kv, KvOp, SeededEntropy } from '../../base/index.ts';
import { byteStringToBytes, bytesToByteString } from '../byte-string.ts';
import { SortedMap } from '../sorted-map.ts';

/** What the disk needs of its machine: timers for its completions, and whether the world has stopped. */
export interface DiskMachine {
  stopped: boolean;
  setTimer(delay_ms: number, fn: () => void): unknown;
}

const PAGE = 4096;
/** What a device writes whole or not at all. */
const SECTOR = 512;

/** Thrown out of whatever the program was doing when the power went. */
export class PowerLoss extends Error {
  constructor() {
    super('power loss');
    this.name = 'PowerLoss';
  }
}

/** Bytes of a file, sparse. */
class Image {
  readonly #pages: Map<number, Uint8Array>;
  /** Pages that no clone shares: those may be written in place. */
  readonly #own = new Set<number>();
  size: number;

  constructor(pages = new Map<number, Uint8Array>(), size = 0) {
    this.#pages = pages;
    this.size = size;
  }

  clone(): Image {
    this.#own.clear();
    return new Image(new Map(this.#pages), this.size);
  }

  /** A page to be written: made where it is missing, copied where a clone has it too. */
  #page(index: number): Uint8Array {
    let page = this.#pages.get(index);
    if (page !== undefined && this.#own.has(index)) return page;
    page = page === undefined ? new Uint8Array(PAGE) : page.slice();
    this.#pages.set(index, page);
    this.#own.add(index);
    return page;
  }

  read(into: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const within = at % PAGE;
      const n = Math.min(length - done, PAGE - within);
      const page = this.#pages.get((at - within) / PAGE);
      if (page === undefined) into.fill(0, done, done + n);
      else into.set(page.subarray(within, within + n), done);
      done += n;
    }
    return length;
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const within = at % PAGE;
      const n = Math.min(bytes.length - done, PAGE - within);
      const page = this.#page((at - within) / PAGE);
      page.set(bytes.subarray(done, done + n), within);
      done += n;
    }
    this.size = Math.max(this.size, offset + bytes.length);
  }

  /** Zeros, as pages that hold nothing where whole ones are concerned. */
  punch(offset: number, length: number): void {
    for (let at = offset; at < offset + length; ) {
      const within = at % PAGE;
      const n = Math.min(offset + length - at, PAGE - within);
      const index = (at - within) / PAGE;
      if (n === PAGE) {
        this.#pages.delete(index);
        this.#own.delete(index);
      } else if (this.#pages.has(index)) this.#page(index).fill(0, within, within + n);
      at += n;
    }
  }

  flip(bit: number): void {
    const index = Math.floor(bit / 8 / PAGE);
    const page = this.#pages.has(index) ? this.#page(index) : undefined;
    if (page !== undefined) page[Math.floor(bit / 8) % PAGE]! ^= 1 << (bit % 8);
  }

  /** Indices of pages that hold something. */
  get pages(): number[] {
    return [...this.#pages.keys()];
  }
}

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The bytes are zeros, as a hole. */
  readonly isHole?: true;
  completed: boolean;
}

function doWrite(image: Image, write: PendingWrite): void {
  if (write.isHole === true) image.punch(write.offset, write.bytes.length);
  else image.write(write.bytes, write.offset);
}

class FileState {
  current = new Image();
  durable = new Image();
  pending: PendingWrite[] = [];
}

class KvState {
  current = new SortedMap<Uint8Array>();
  durable = new SortedMap<Uint8Array>();
  pending: (readonly KvOp[])[] = [];
}

/** Faults that the next calls meet. */
export interface Fault {
  /** Which calls: 'write', 'sync', 'read', 'commit', 'punch'. */
  readonly call: string;
  /** How many of them pass before. */
  after: number;
  readonly error: Error;
  /** Of a write: some of it is done all the same, as of a short write whose rest fails. */
  readonly short?: boolean;
}

/**
 * A disk for tests. Files remember which writes were synced; `crash` leaves what was durable and, of the rest, whatever the chance
 * decides: each write whole, not at all, or torn into sectors. Database commits survive in order: all that completed, and of those under
 * way a prefix. `powerLossAfter` counts down with every write, sync and commit; at zero the world stops.
 */
export class TestDisk implements Disk {
  readonly #clock: DiskMachine;
  readonly #entropy: SeededEntropy;
  #files = new Map<string, FileState>();
  #kvs = new Map<string, KvState>();
  #small = new Map<string, Uint8Array>();
  readonly #directories = new Set<string>();
  powerLossAfter = Number.POSITIVE_INFINITY;
  /** Writes, syncs and commits so far. */
  operations = 0;
  faults: Fault[] = [];
  /** Of the file system. */
  space = { total: 2 ** 40, free: 2 ** 39 };
  /** Files that are devices. */
  readonly devices = new Set<string>();
  readonly keyLength_max: number;
  /** The longest that a write, sync, commit or read takes, in milliseconds. */
  readonly latency_ms_max: number;

  constructor(clock: DiskMachine, entropy: SeededEntropy, keyLength_max = 1978, latency_ms_max = 0.2) {
    this.#clock = clock;
    this.#entropy = entropy;
    this.keyLength_max = keyLength_max;
    this.latency_ms_max = latency_ms_max;
  }

  /** Counts an operation; here the power may go. */
  tick(): void {
    if (this.#clock.stopped) throw new PowerLoss();
    this.operations++;
    if (--this.powerLossAfter <= 0) {
      this.#clock.stopped = true;
      throw new PowerLoss();
    }
  }

  fault(call: string): Error | undefined {
    return this.#faultOf(call)?.error;
  }

  #faultOf(call: string): Fault | undefined {
    for (const fault of this.faults) {
      if (fault.call === call && fault.after-- <= 0) return fault;
    }
    return undefined;
  }

  /** As {@link fault} of a write: what of it is done before it fails. */
  writeFault(length: number): { readonly error: Error; readonly done: number } | undefined {
    const fault = this.#faultOf('write');
    if (fault === undefined) return undefined;
    return { error: fault.error, done: fault.short === true ? Math.floor(this.#entropy.float() * length) : 0 };
  }

  /** A part, by chance. */
  share(): number {
    return this.#entropy.float();
  }

  /** `times`: as long as so many of the usual calls. */
  later(fn: () => void, times = 1): void {
    this.#clock.setTimer(this.#entropy.float() * this.latency_ms_max * times, fn);
  }

  /** The disk that a machine finds when it comes up again. */
  afterCrash(clock: DiskMachine, entropy: SeededEntropy): TestDisk {
    const next = new TestDisk(clock, entropy, this.keyLength_max, this.latency_ms_max);
    for (const [path, file] of this.#files) {
      const image = file.durable.clone();
      for (const write of file.pending) tear(image, write, entropy);
      const state = new FileState();
      state.durable = image;
      state.current = image.clone();
      next.#files.set(path, state);
    }
    for (const [path, kv] of this.#kvs) {
      const state = new KvState();
      const survivors = Math.floor(entropy.float() * (kv.pending.length + 1));
      for (const [key, value] of kv.durable) state.durable.set(key, value);
      for (const ops of kv.pending.slice(0, survivors)) applyOps(state.durable, ops);
      for (const [key, value] of state.durable) state.current.set(key, value);
      next.#kvs.set(path, state);
    }
    next.#small = new Map(this.#small);
    for (const d of this.#directories) next.#directories.add(d);
    return next;
  }

  /** Changes one bit of a file, as a failing device would. */
  flipBit(path: string, bit: number): void {
    const file = this.#files.get(path)!;
    file.current.flip(bit);
    file.durable.flip(bit);
  }

  /** Pages of a file that hold something. */
  pagesOf(path: string): number[] {
    return this.#files.get(path)!.current.pages;
  }

  kvOf(path: string): SortedMap<Uint8Array> {
    return this.#kvs.get(path)!.current;
  }

  openFile(path: string, options: { create?: boolean } = {}): DiskFile {
    let state = this.#files.get(path);
    if (state === undefined) {
      if (options.create !== true) throw new Error(`ENOENT: no such file, open '${path}'`);
      state = new FileState();
      this.#files.set(path, state);
    }
    return new TestFile(this, state, this.devices.has(path));
  }

  readFile(path: string): Uint8Array | undefined {
    return this.#small.get(path);
  }

  writeFileAtomic(path: string, content: Uint8Array): void {
    this.tick();
    this.#small.set(path, content.slice());
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#kvs.has(path) || this.#small.has(path) || this.#directories.has(path);
  }

  makeDirectory(path: string): void {
    this.#directories.add(path);
  }

  list(path: string): string[] {
    const names = new Set<string>();
    for (const all of [this.#files, this.#kvs, this.#small]) {
      for (const name of all.keys())
        if (name.startsWith(`${path}/`)) names.add(name.slice(path.length + 1).split('/')[0]!);
    }
    return [...names].sort();
  }

  remove(path: string): void {
    for (const all of [this.#files, this.#kvs, this.#small]) all.delete(path);
    this.#directories.delete(path);
  }

  openKv(path: string): Kv {
    let state = this.#kvs.get(path);
    if (state === undefined) {
      state = new KvState();
      this.#kvs.set(path, state);
    }
    return new TestKv(this, state);
  }

  statfs(): { total: number; free: number } {
    return this.space;
  }
}

function tear(image: Image, write: PendingWrite, entropy: SeededEntropy): void {
  const choice = entropy.float();
  if (choice < 0.3) return;
  if (choice < 0.6) {
    doWrite(image, write);
    return;
  }
  // A prefix of the sectors, or each by chance.
  const end = write.offset + write.bytes.length;
  const cut = write.offset + Math.floor(entropy.float() * write.bytes.length);
  for (let at = write.offset; at < end; ) {
    const next = Math.min(end, (Math.floor(at / SECTOR) + 1) * SECTOR);
    const isKept = choice < 0.8 ? next <= cut : entropy.float() < 0.5;
    if (isKept) image.write(write.bytes.subarray(at - write.offset, next - write.offset), at);
    at = next;
  }
}

class TestFile implements DiskFile {
  readonly #disk: TestDisk;
  readonly #state: FileState;
  readonly isDevice: boolean;

  constructor(disk: TestDisk, state: FileState, isDevice: boolean) {
    this.#disk = disk;
    this.#state = state;
    this.isDevice = isDevice;
  }

  size(): number {
    return this.#state.current.size;
  }

  takenBytes(): number {
    return this.#state.current.pages.length * PAGE;
  }

  readSync(into: Uint8Array, offset: number): number {
    const error = this.#disk.fault('read');
    if (error !== undefined) throw error;
    return this.#state.current.read(into, offset);
  }

  read(into: Uint8Array, offset: number, done: (error: Error | null, bytesRead: number) => void): void {
    this.#disk.later(() => {
      const error = this.#disk.fault('read');
      if (error !== undefined) done(error, 0);
      else done(null, this.#state.current.read(into, offset));
    });
  }

  #write(buffers: readonly Uint8Array[], offset: number, completed: boolean): PendingWrite {
    const length = buffers.reduce((sum, b) => sum + b.length, 0);
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const b of buffers) {
      bytes.set(b, at);
      at += b.length;
    }
    const write = { offset, bytes, completed };
    this.#state.pending.push(write);
    this.#state.current.write(bytes, offset);
    return write;
  }

  /** The error that a write meets, with a part of it done where it was short. */
  #failing(buffers: readonly Uint8Array[], offset: number): Error | undefined {
    const fault = this.#disk.writeFault(buffers.reduce((sum, b) => sum + b.length, 0));
    if (fault === undefined) return undefined;
    if (fault.done > 0) this.#write([Buffer.concat(buffers).subarray(0, fault.done)], offset, true);
    return fault.error;
  }

  writeSync(buffers: readonly Uint8Array[], offset: number): void {
    const error = this.#failing(buffers, offset);
    if (error !== undefined) throw error;
    this.#write(buffers, offset, true);
    this.#disk.tick();
  }

  write(buffers: readonly Uint8Array[], offset: number, done: (error: Error | null) => void): void {
    const error = this.#failing(buffers, offset);
    if (error !== undefined) {
      this.#disk.later(() => done(error));
      return;
    }
    const write = this.#write(buffers, offset, false);
    this.#disk.tick();
    this.#disk.later(() => {
      this.#disk.tick();
      let at = 0;
      for (const b of buffers) {
        if (Buffer.compare(b, write.bytes.subarray(at, at + b.length)) !== 0) {
          throw new Error('a buffer was changed while it was being written');
        }
        at += b.length;
      }
      // Memory that was given to somebody else meanwhile leaves empty views.
      if (at !== write.bytes.length) throw new Error('a buffer was taken away while it was being written');
      write.completed = true;
      done(null);
    });
  }

  punch(offset: number, length: number, done: (error: Error | null) => void): void {
    const error = this.#disk.fault('punch');
    if (error !== undefined) {
      this.#disk.later(() => done(error));
      return;
    }
    const hole: PendingWrite = { offset, bytes: new Uint8Array(length), isHole: true, completed: false };
    this.#state.pending.push(hole);
    // A program is started for it, and the file system does it piece by piece at any time until that has ended: others write many times meanwhile, and what they wrote
    // to the range is lost.
    const pieces = 1 + Math.floor(this.#disk.share() * 4);
    const times = this.#disk.share() < 0.3 ? 10 : 200;
    const next = (piece: number): void => {
      const from = Math.floor(((piece / pieces) * length) / PAGE) * PAGE;
      const to = piece + 1 === pieces ? length : Math.floor((((piece + 1) / pieces) * length) / PAGE) * PAGE;
      this.#disk.tick();
      this.#state.current.punch(offset + from, to - from);
      const { pending } = this.#state;
      pending.splice(pending.indexOf(hole), 1);
      pending.push(hole);
      if (piece + 1 < pieces) {
        this.#disk.later(() => next(piece + 1), times / pieces);
        return;
      }
      doWrite(this.#state.current, hole);
      hole.completed = true;
      done(null);
    };
    this.#disk.tick();
    this.#disk.later(() => next(0), times / pieces);
  }

  /** Moves the covered writes into what survives, in their order. */
  #settle(covered: ReadonlySet<PendingWrite>): void {
    const state = this.#state;
    for (const write of state.pending) if (covered.has(write)) doWrite(state.durable, write);
    state.pending = state.pending.filter((write) => !covered.has(write));
  }

  sync(done: (error: Error | null) => void): void {
    const error = this.#disk.fault('sync');
    if (error !== undefined) {
      this.#disk.later(() => done(error));
      return;
    }
    this.#disk.tick();
    const covered = new Set(this.#state.pending.filter((write) => write.completed));
    this.#disk.later(() => {
      this.#disk.tick();
      this.#settle(covered);
      done(null);
    });
  }

  syncSync(): void {
    const error = this.#disk.fault('sync');
    if (error !== undefined) throw error;
    this.#disk.tick();
    this.#settle(new Set(this.#state.pending));
  }

  truncateSync(size: number): void {
    this.#disk.tick();
    this.#state.current.size = size;
    this.#state.durable.size = size;
  }

  close(): void {}
}

function applyOps(map: SortedMap<Uint8Array>, ops: readonly KvOp[]): void {
  for (const op of ops) {
    if (op.kind === 'put') map.set(bytesToByteString(op.key), op.value.slice());
    else if (op.kind === 'del') map.delete(bytesToByteString(op.key));
    else map.deleteRange(bytesToByteString(op.start), bytesToByteString(op.end));
  }
}

class TestKv implements Kv {
  readonly #disk: TestDisk;
  readonly #state: KvState;

  constructor(disk: TestDisk, state: KvState) {
    this.#disk = disk;
    this.#state = state;
  }

  get keyLength_max(): number {
    return this.#disk.keyLength_max;
  }

  #check(ops: readonly KvOp[]): void {
    for (const op of ops) {
      if (op.kind !== 'delRange' && op.key.length > this.keyLength_max)
        throw new Error('MDB_BAD_VALSIZE: key too long');
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#state.current.get(bytesToByteString(key))?.slice();
  }

  *range(
    start: Uint8Array,
    end: Uint8Array | undefined,
    options: { limit?: number; reverse?: boolean; keysOnly?: boolean } = {},
  ): Iterable<readonly [Uint8Array, Uint8Array]> {
    const to = end === undefined ? undefined : bytesToByteString(end);
    let entries: Iterable<[string, Uint8Array]> = this.#state.current.entries(bytesToByteString(start));
    if (options.reverse === true) {
      const all: [string, Uint8Array][] = [];
      for (const entry of entries) {
        if (to !== undefined && entry[0] >= to) break;
        all.push(entry);
      }
      entries = all.reverse();
    }
    let n = 0;
    for (const [key, value] of entries) {
      if (to !== undefined && key >= to) break;
      if (options.limit !== undefined && n++ >= options.limit) break;
      yield [byteStringToBytes(key), options.keysOnly === true ? new Uint8Array(0) : value.slice()];
    }
  }

  commitSync(ops: readonly KvOp[]): void {
    this.#check(ops);
    const error = this.#disk.fault('commit');
    if (error !== undefined) throw error;
    this.#disk.tick();
    applyOps(this.#state.current, ops);
    applyOps(this.#state.durable, ops);
  }

  commit(ops: readonly KvOp[], done: (error: Error | null) => void): void {
    this.#commit(ops, 0, done);
  }

  /** Reads find some first part of the batch before it is done. */
  commitInTurns(ops: readonly KvOp[], done: (error: Error | null) => void): void {
    this.#commit(ops, Math.floor(this.#disk.share() * (ops.length + 1)), done);
  }

  #commit(ops: readonly KvOp[], early: number, done: (error: Error | null) => void): void {
    this.#check(ops);
    const error = this.#disk.fault('commit');
    if (error !== undefined) {
      this.#disk.later(() => done(error));
      return;
    }
    const kept = ops.map((op) =>
      op.kind === 'put' ? { ...op, key: op.key.slice(), value: op.value.slice() } : op,
    ) as readonly KvOp[];
    this.#state.pending.push(kept);
    applyOps(this.#state.current, kept.slice(0, early));
    this.#disk.tick();
    this.#disk.later(() => {
      this.#disk.tick();
      const i = this.#state.pending.indexOf(kept);
      for (const earlier of this.#state.pending.splice(0, i + 1)) {
        applyOps(this.#state.current, earlier);
        applyOps(this.#state.durable, earlier);
      }
      done(null);
    });
  }

  close(): void {}
}
