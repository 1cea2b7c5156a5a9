/** `rados bench`: writes, then reads of what was written, with so many operations in flight, for so long. */
import { ALL_NAMESPACES, type IoCtx } from '../../client/index.ts';
import { blob, byString, encodeText, encodeToBytes, sortedMap, string } from '../../encoding/index.ts';
import { allocHintFlag, OsdOp, type OsdOpReply, osdFlag, osdOp, osdOpFlag } from '../../messages/index.ts';
import type { Formatter } from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import { BenchCleaner } from './bench-cleanup.ts';
import { type BenchRun, benchObject, LAST_RUN, objectsOf, readRun, runPrefix, writeRun } from './bench-names.ts';
import { BenchFigures, BenchTicker, dumpFinal, finalLines, text } from './bench-report.ts';
import { openForWriting, writeFully } from './files.ts';
import { err, fail, isErrno, out } from './report.ts';
import type { Session } from './session.ts';
import { timePrefix } from './show-time.ts';

const EINVAL = 22;
const ENOENT = 2;
const EIO = 5;

const HINTS =
  allocHintFlag.SEQUENTIAL_WRITE | allocHintFlag.SEQUENTIAL_READ | allocHintFlag.APPEND_ONLY | allocHintFlag.IMMUTABLE;

type Kind = 'write' | 'seq' | 'rand';

interface BenchOptions {
  readonly kind: Kind;
  readonly seconds: number;
  readonly inFlight: number;
  readonly opSize: number;
  readonly objectSize: number;
  readonly maxObjects: number;
  readonly isCleaned: boolean;
  readonly hasHints: boolean;
  readonly isReused: boolean;
  readonly isVerified: boolean;
  readonly runName: string;
  readonly showTime: boolean;
  readonly formatter: Formatter | undefined;
  readonly output: (text: string) => void;
  /** What a write goes to. */
  readonly destinations: { readonly data: boolean; readonly omap: boolean; readonly xattr: boolean };
}

const omapValues = sortedMap(string, blob, byString);

/** A place for one operation in flight. */
interface Slot {
  /** Number of the operation it does. */
  index: number;
  began_ms: number;
  readonly buffer: Uint8Array;
}

/** Content of operation `n`: its number, a zero byte, and `z`s. */
function mark(buffer: Uint8Array, n: number): void {
  const label = encodeText(`I'm the ${String(n).padStart(16)}th op!\0`);
  // As snprintf does: what does not fit is cut, and ends with a zero byte all the same.
  const fits = label.subarray(0, buffer.length);
  buffer.set(fits);
  if (fits.length > 0) buffer[fits.length - 1] = 0;
}

class Bench {
  readonly #session: Session;
  readonly #io: IoCtx;
  readonly #o: BenchOptions;
  readonly #figures: BenchFigures;
  readonly #perObject: number;

  constructor(session: Session, options: BenchOptions) {
    this.#session = session;
    this.#io = session.io;
    this.#o = options;
    this.#figures = new BenchFigures(options.opSize, options.objectSize);
    this.#perObject = options.opSize > 0 ? Math.floor(options.objectSize / options.opSize) : 1;
  }

  get #ticker(): BenchTicker {
    const { showTime, formatter, output } = this.#o;
    return new BenchTicker(this.#figures, showTime, formatter, output);
  }

  #say(line: string): void {
    out(`${timePrefix(this.#o.showTime)}${line}\n`);
  }

  #finish(isWrite: boolean): void {
    const runTime_s = this.#figures.elapsed_s;
    const { formatter, showTime } = this.#o;
    if (formatter === undefined) out(timePrefix(showTime) + finalLines(this.#figures, isWrite, runTime_s));
    else dumpFinal(formatter, this.#figures, isWrite, runTime_s);
  }

  /** Writes until the time is up or there are enough objects. `pid` names the objects. 0 or a negative errno. */
  async write(pid: number): Promise<number> {
    const { inFlight, seconds, maxObjects, opSize, objectSize, formatter } = this.#o;
    if (formatter === undefined) {
      this.#say(
        `Maintaining ${inFlight} concurrent writes of ${opSize} bytes to objects of size ${objectSize} for up to ${seconds} seconds or ${maxObjects} objects`,
      );
      this.#say(`Object prefix: ${runPrefix(pid)}`);
    } else {
      text(formatter, 'concurrent_ios', inFlight);
      text(formatter, 'object_size', objectSize);
      text(formatter, 'op_size', opSize);
      text(formatter, 'seconds_to_run', seconds);
      text(formatter, 'max_objects', maxObjects);
      formatter.string('object_prefix', runPrefix(pid));
    }
    const opsMax =
      opSize > 0 && maxObjects > 0 ? Math.ceil((objectSize * maxObjects) / opSize) : Number.POSITIVE_INFINITY;
    const result = await this.#drive({
      next: (n) => (n < opsMax ? n : undefined),
      send: (slot, done) => {
        mark(slot.buffer, slot.index);
        const object = benchObject(pid, Math.floor(slot.index / this.#perObject));
        const offset = opSize * (slot.index % this.#perObject);
        this.#io.submit(object, this.#writeOps(slot.buffer, offset), osdFlag.WRITE, done);
      },
      check: () => true,
    });
    if (result < 0) return result;
    this.#finish(true);
    await writeRun(this.#io, this.#o.runName, { objectSize, opSize, ops: this.#figures.finished, pid });
    return 0;
  }

  #writeOps(data: Uint8Array, offset: number): OsdOp[] {
    const { destinations, hasHints, objectSize, opSize } = this.#o;
    const ops: OsdOp[] = [];
    if (destinations.data) {
      if (hasHints) {
        const hint = new OsdOp(osdOp.SETALLOCHINT, osdOpFlag.FAILOK);
        hint.setAllocHint(objectSize, opSize, HINTS);
        ops.push(hint);
      }
      const write = new OsdOp(osdOp.WRITE);
      write.offset = offset;
      write.length = data.length;
      write.indata = data;
      ops.push(write);
    }
    if (destinations.omap) {
      const set = new OsdOp(osdOp.OMAPSETVALS);
      set.indata = encodeToBytes(omapValues, new Map([[`bench-omap-key-${offset}`, data]]));
      ops.push(set);
    }
    if (destinations.xattr) {
      const name = encodeText(`bench-xattr-key-${offset}`);
      const set = new OsdOp(osdOp.SETXATTR);
      set.indata = Buffer.concat([name, data]);
      set.setXattr(name.length, data.length);
      ops.push(set);
    }
    return ops;
  }

  /** Reads what a run wrote: in order, or (`rand`) any of it. 0 or a negative errno. */
  async read({ ops, pid }: BenchRun): Promise<number> {
    const { kind, opSize, isVerified } = this.#o;
    const expected = Buffer.alloc(opSize, 'z');
    const nameOf = (index: number): string => benchObject(pid, Math.floor(index / this.#perObject));
    let wrong = 0;
    const result = await this.#drive({
      next: (n, isFirst) => {
        if (isFirst) return n;
        if (kind === 'rand') return Math.floor(Math.random() * ops);
        return n < ops ? n : undefined;
      },
      send: (slot, done) => {
        const op = new OsdOp(osdOp.READ);
        op.offset = opSize * (slot.index % this.#perObject);
        op.length = opSize;
        this.#io.submit(nameOf(slot.index), [op], osdFlag.READ, done);
      },
      check: (slot, reply) => {
        if (!isVerified) return true;
        mark(expected, slot.index);
        if (isSame(reply.ops[0]!.outdata, expected)) return true;
        err(`${nameOf(slot.index)} is not correct!\n`);
        wrong++;
        return true;
      },
    });
    if (result < 0) {
      err(`read got ${result}\n`);
      return result;
    }
    this.#finish(false);
    return wrong > 0 ? -EIO : 0;
  }

  /**
   * Keeps the slots busy. `next` gives the number of the operation after `n` others were started, or undefined where no more are to be. Resolves to 0,
   * or to the first failure.
   */
  #drive(work: {
    readonly next: (n: number, isFirst: boolean) => number | undefined;
    readonly send: (slot: Slot, done: (result: number, reply: OsdOpReply | undefined) => void) => void;
    readonly check: (slot: Slot, reply: OsdOpReply) => boolean;
  }): Promise<number> {
    const { inFlight, seconds, opSize, kind } = this.#o;
    const figures = this.#figures;
    const ticker = this.#ticker;
    ticker.start();
    figures.begin();
    const until_ms = figures.started_ms + seconds * 1000;
    return new Promise((resolve) => {
      let isOver = false;
      const end = (result: number): void => {
        if (isOver) return;
        isOver = true;
        ticker.stop();
        resolve(result);
      };
      const start = (slot: Slot): void => {
        slot.began_ms = performance.now();
        figures.started++;
        work.send(slot, (result, reply) => done(slot, result, reply));
      };
      const done = (slot: Slot, result: number, reply: OsdOpReply | undefined): void => {
        if (isOver) return;
        if (result < 0 || reply === undefined) {
          end(result < 0 ? result : -EIO);
          return;
        }
        figures.done(slot.began_ms);
        work.check(slot, reply);
        const isTime = seconds !== 0 && performance.now() < until_ms;
        const next = isTime ? work.next(figures.started, false) : undefined;
        if (next !== undefined) {
          slot.index = next;
          start(slot);
        } else if (figures.inFlight === 0) end(0);
      };
      for (let i = 0; i < inFlight; i++) {
        const buffer = kind === 'write' ? Buffer.alloc(opSize, 'z') : new Uint8Array(0);
        start({ index: i, began_ms: 0, buffer });
      }
    });
  }

  async cleanUp(): Promise<number> {
    const { inFlight, showTime, runName } = this.#o;
    const run = await readRun(this.#io, runName);
    const began = performance.now();
    this.#say('Cleaning up (deleting benchmark objects)');
    const cleaner = new BenchCleaner(this.#session.rados, this.#io, inFlight, showTime);
    const result = await cleaner.removeRun(objectsOf(run), run.pid);
    if (result !== 0) return result;
    const seconds = (performance.now() - began) / 1000;
    this.#say(`Clean up completed and total clean up time :${Number(seconds.toPrecision(6))}`);
    await this.#io.remove(runName);
    return 0;
  }
}

function isSame(parts: readonly Uint8Array[], expected: Buffer): boolean {
  let at = 0;
  for (const part of parts) {
    if (expected.compare(part, 0, part.length, at, Math.min(at + part.length, expected.length)) !== 0) return false;
    at += part.length;
  }
  return at === expected.length;
}

async function runBench(session: Session, options: BenchOptions): Promise<number> {
  const { kind, inFlight, isReused, runName, formatter, output } = options;
  if (inFlight <= 0) return -EINVAL;
  let run: BenchRun | undefined;
  let all = options;
  if (kind !== 'write' || isReused) {
    try {
      run = await readRun(session.io, runName);
    } catch (error) {
      if (!isErrno(error)) throw error;
      if (error.errno === ENOENT) {
        const what = isReused ? 'using reuse_bench for a write benchmark' : 'running a read benchmark';
        err(`Must write data before ${what}!\n`);
      }
      return -error.errno;
    }
    all = { ...options, opSize: run.opSize, objectSize: run.objectSize };
  }
  const bench = new Bench(session, all);
  formatter?.openObject('bench');
  let result: number;
  try {
    result = kind === 'write' ? await bench.write(run?.pid ?? process.pid) : await bench.read(run!);
    if (result === 0 && kind === 'write' && options.isCleaned) result = await bench.cleanUp();
  } catch (error) {
    if (!isErrno(error)) throw error;
    result = -error.errno;
  }
  if (formatter !== undefined) {
    formatter.close();
    output(`${formatter.flush()}\n`);
  }
  return result;
}

/** C's strtol of a whole text. */
function seconds(given: string): number {
  if (!/^\s*[-+]?\d+$/.test(given)) fail(`Invalid value for seconds: '${given}'`);
  return Number(given);
}

export async function bench(session: Session): Promise<number> {
  session.needPool();
  const { args } = session.input.words;
  if (args.length < 3) session.usage();
  const duration = seconds(args[1]!);
  const kind = args[2]!;
  if (kind !== 'write' && kind !== 'seq' && kind !== 'rand') return session.usage();
  const wanted = { data: session.has('writeObject'), omap: session.has('writeOmap'), xattr: session.has('writeXattr') };
  const isAnyWanted = wanted.data || wanted.omap || wanted.xattr;
  if (kind !== 'write') {
    if (session.number('blockSize') !== undefined || session.number('objectSize') !== undefined) {
      fail("-b|--block_size option can be used only with 'write' bench test");
    }
    if (isAnyWanted) {
      fail("--write-object, --write-omap and --write-xattr options can only be used with the 'write' bench test");
    }
  }
  const { formatter } = session.input;
  const path = session.value('output');
  if (formatter === undefined && path !== undefined) {
    fail("-o|--output option can only be used with '--format' option");
  }
  const fd = path === undefined ? undefined : openForWriting(path);
  const hasHints = !session.has('noHints');
  const asked = session.number('objectSize') ?? 0;
  const objectSize = asked === 0 ? session.opSize : asked;
  const runName = session.value('runName') ?? '';
  out(`hints = ${Number(hasHints)}\n`);
  const result = await runBench(session, {
    kind,
    seconds: duration,
    inFlight: session.number('concurrentIos') ?? 16,
    opSize: Math.min(session.opSize, objectSize),
    objectSize,
    maxObjects: session.number('maxObjects') ?? 0,
    isCleaned: !session.has('noCleanup'),
    hasHints,
    isReused: session.has('reuseBench'),
    isVerified: !session.has('noVerify'),
    runName: runName === '' ? LAST_RUN : runName,
    showTime: session.has('showTime'),
    formatter,
    output: (t) => (fd === undefined ? out(t) : writeFully(fd, encodeText(t))),
    destinations: isAnyWanted ? wanted : { data: true, omap: false, xattr: false },
  });
  if (result !== 0) err(`error during benchmark: ${cppStrerror(result)}\n`);
  return result;
}

export async function cleanup(session: Session): Promise<number> {
  session.needPool();
  const { io } = session;
  if (session.isEveryNamespace) io.nspace = ALL_NAMESPACES;
  const cleaner = new BenchCleaner(session.rados, io, session.number('concurrentIos') ?? 16, false);
  const listed = await cleaner.cleanUp(session.value('prefix') ?? '', session.value('runName') ?? '');
  if (listed !== 0) err(`error during cleanup: ${cppStrerror(listed)}\n`);
  return listed;
}
