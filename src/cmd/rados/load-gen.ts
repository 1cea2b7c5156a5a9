/** `rados load-gen`: reads and writes of random places at a rate that is asked for. */
import { randomInt } from 'node:crypto';
import { type IoCtx, ReadOperation, WriteOperation } from '../../client/index.ts';
import { osdFlag } from '../../messages/index.ts';
import { formatG } from '../../types/index.ts';
import { err, fail, out, UsageExit } from './report.ts';
import type { Session } from './session.ts';

const MIB = 1024 * 1024;
const NAME_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

interface LoadOptions {
  readonly objects: number;
  readonly objectLength: readonly [min: number, max: number];
  readonly opLength: readonly [min: number, max: number];
  readonly opsMax: number;
  /** Bytes under way above which nothing more is started. */
  readonly backlogMax: number;
  readonly readPercent: number;
  /** Bytes a second. */
  readonly throughput: number;
  readonly seconds: number;
  readonly align: number;
}

/** One of min..max, both included. */
function between(min: number, max: number): number {
  // randomInt takes ranges below 2^48 only, which lengths of objects are.
  return max <= min ? min : min + randomInt(Math.min(max - min + 1, 2 ** 48 - 1));
}

interface Target {
  readonly oid: string;
  readonly length: number;
}

class LoadGen {
  readonly #io: IoCtx;
  readonly #o: LoadOptions;
  readonly #targets: Target[] = [];
  #started_ms = 0;
  #sent = 0;
  #completed = 0;
  #lastId = 0;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(io: IoCtx, options: LoadOptions) {
    this.#io = io;
    this.#o = options;
  }

  /** Makes the objects, each of its full length by its last byte. A negative errno where one cannot be made. */
  async prepare(): Promise<number> {
    const pending = new Set<Promise<number>>();
    let failure = 0;
    for (let i = 0; i < this.#o.objects && failure === 0; i++) {
      const letters = Array.from({ length: 15 }, () => NAME_LETTERS[randomInt(NAME_LETTERS.length)]);
      const target = { oid: `obj-${letters.join('')}`, length: between(...this.#o.objectLength) };
      this.#targets.push(target);
      const { ops } = new WriteOperation().write(new Uint8Array(1), Math.max(0, target.length - 1));
      const work = new Promise<number>((resolve) => {
        this.#io.submit(target.oid, ops, osdFlag.WRITE, resolve);
      });
      pending.add(work);
      void work.then((result) => {
        pending.delete(work);
        if (result < 0) failure ||= result;
      });
      if (pending.size > this.#o.opsMax) await Promise.race(pending);
    }
    await Promise.all(pending);
    if (failure < 0) err('aio_write failed\n');
    return failure;
  }

  get #elapsed_s(): number {
    return Math.max((performance.now() - this.#started_ms) / 1000, 1e-6);
  }

  get #rate(): string {
    return `${formatG(Math.floor(this.#completed / this.#elapsed_s) / MIB, 3)}MB/sec`;
  }

  /** Starts one operation; its bytes. */
  #start(): number {
    const { oid, length: whole } = this.#targets[randomInt(this.#targets.length)]!;
    const length = Math.min(between(...this.#o.opLength), whole);
    let offset = Math.min(between(0, whole), whole - length);
    if (this.#o.align > 0) offset -= offset % this.#o.align;
    const isRead = between(1, 100) <= this.#o.readPercent;
    out(`${isRead ? 'READ' : 'WRITE'} : oid=${oid} off=${offset} len=${length}\n`);
    const id = this.#lastId++;
    const operation = isRead ? new ReadOperation() : new WriteOperation().write(new Uint8Array(length), offset);
    if (operation instanceof ReadOperation) operation.read(offset, length);
    this.#inFlight++;
    this.#sent += length;
    this.#io.submit(oid, operation.ops, isRead ? osdFlag.READ : osdFlag.WRITE, () => {
      this.#completed += length;
      this.#inFlight--;
      out(`op ${id} completed, throughput=${this.#rate}\n`);
      this.#idle?.();
    });
    return length;
  }

  async run(): Promise<void> {
    this.#started_ms = performance.now();
    const end_ms = this.#started_ms + this.#o.seconds * 1000;
    let stamp_ms = this.#started_ms;
    let second = 0;
    while (true) {
      await this.#completionOrSecond();
      const now = performance.now();
      if (now > end_ms) break;
      if (now - stamp_ms >= 1000) {
        out(`${String(++second).padStart(5)}: throughput=${this.#rate} pending data=${this.#sent - this.#completed}\n`);
        stamp_ms = now;
      }
      const expected = this.#o.throughput * this.#elapsed_s;
      while (
        this.#sent < expected &&
        this.#sent - this.#completed < this.#o.backlogMax &&
        this.#inFlight < this.#o.opsMax
      ) {
        this.#start();
      }
    }
    out('waiting for all operations to complete\n');
    while (this.#inFlight > 0) await this.#completionOrSecond();
  }

  /** Until an operation is done, a second at most. */
  #completionOrSecond(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(), 1000);
      const done = (): void => {
        clearTimeout(timer);
        this.#idle = undefined;
        resolve();
      };
      this.#idle = done;
    });
  }

  async cleanUp(): Promise<void> {
    out('cleaning up objects\n');
    for (const { oid } of this.#targets) {
      const { ops } = new WriteOperation().remove();
      const result = await new Promise<number>((resolve) => {
        this.#io.submit(oid, ops, osdFlag.WRITE, resolve);
      });
      if (result < 0) err(`couldn't remove obj: ${oid} ret=${result}\n`);
    }
  }
}

export async function loadGen(session: Session): Promise<number> {
  if (session.poolName === undefined) throw new UsageExit('error: must specify pool\n');
  // 0 stands for what there is without the option, but for the share of reads.
  const given = (option: Parameters<Session['number']>[0], otherwise: number): number => {
    const value = session.number(option) ?? 0;
    return value === 0 ? otherwise : value;
  };
  const options: LoadOptions = {
    objects: given('numObjects', 200),
    objectLength: [given('minObjectSize', 1024), given('maxObjectSize', 5 * 2 ** 30)],
    opLength: [given('minOpLen', 1024), given('maxOpLen', 2 * MIB)],
    opsMax: given('maxOps', 16),
    backlogMax: given('maxBacklog', 10 * MIB),
    readPercent: session.number('readPercent') ?? 80,
    throughput: given('targetThroughput', 5 * MIB),
    seconds: given('runLength', 60),
    align: session.number('offsetAlign') ?? 0,
  };
  out(`run length ${session.number('runLength') ?? 0} seconds\n`);
  out(`preparing ${options.objects} objects\n`);
  const load = new LoadGen(session.io, options);
  if ((await load.prepare()) < 0) fail('load-gen bootstrap failed');
  out(`load-gen will run ${options.seconds} seconds\n`);
  await load.run();
  await load.cleanUp();
  return 0;
}
