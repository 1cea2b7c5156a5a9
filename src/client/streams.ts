import { Readable, Writable } from 'node:stream';
import type { OpOptions, ReadOptions } from './io-ctx-options.ts';

/** Bytes of one request. */
const CHUNK = 4 << 20;
/** Requests of one stream under way at once. */
const PARALLEL = 4;

export interface ReadStreamOptions extends OpOptions {
  /** First byte; 0. */
  readonly start?: number | undefined;
  /** Last byte, as fs.createReadStream has it; the object's end. */
  readonly end?: number | undefined;
  /** Bytes of one request; 4 MiB. The stream holds `parallel` times so many at most. */
  readonly chunkSize?: number | undefined;
  /** Requests under way at once; 4. */
  readonly parallel?: number | undefined;
}

export interface WriteStreamOptions extends OpOptions {
  /** Where to begin; 0. */
  readonly start?: number | undefined;
  /** 'w': in place of the content that is there; 'r+': over it; 'a': after it. 'w'. */
  readonly mode?: 'w' | 'r+' | 'a' | undefined;
  /** Bytes of one request; 4 MiB. */
  readonly chunkSize?: number | undefined;
  /** Requests under way at once; 4. Appends go one after another. */
  readonly parallel?: number | undefined;
}

/** What streams read from and write to: an {@link IoCtx} or a {@link Striper}. */
export interface StreamTarget {
  read(oid: string, options: ReadOptions): Promise<Uint8Array>;
  write(oid: string, data: Uint8Array, offset: number, options: OpOptions): Promise<unknown>;
  writeFull(oid: string, data: Uint8Array, options: OpOptions): Promise<unknown>;
  append(oid: string, data: Uint8Array, options: OpOptions): Promise<unknown>;
}

async function* chunks(target: StreamTarget, oid: string, options: ReadStreamOptions): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Number.POSITIVE_INFINITY, chunkSize = CHUNK, parallel = PARALLEL, ...more } = options;
  const asked: { length: number; data: Promise<Uint8Array> }[] = [];
  let next = start;
  // An object that ends with the first request needs no others.
  let window = 1;
  for (;;) {
    while (asked.length < window && next <= end) {
      const length = Math.min(chunkSize, end + 1 - next);
      const data = target.read(oid, { ...more, offset: next, length });
      // One that is not waited for any more may fail unheard.
      data.catch(() => {});
      asked.push({ length, data });
      next += length;
    }
    const first = asked.shift();
    if (first === undefined) return;
    const data = await first.data;
    if (data.length > 0) yield data;
    if (data.length < first.length) return;
    window = parallel;
  }
}

/** The content as a stream. */
export function readStream(target: StreamTarget, oid: string, options: ReadStreamOptions): Readable {
  return Readable.from(chunks(target, oid, options), { objectMode: false, highWaterMark: options.chunkSize ?? CHUNK });
}

/** Gathers what is written into requests, some of which are under way at once. */
class ObjectWriter extends Writable {
  readonly #target: StreamTarget;
  readonly #oid: string;
  readonly #options: OpOptions;
  readonly #mode: 'w' | 'r+' | 'a';
  readonly #chunkSize: number;
  readonly #parallel: number;
  #at: number;
  #isFirst = true;
  #parts: Uint8Array[] = [];
  #length = 0;
  readonly #underWay = new Set<Promise<unknown>>();
  #error: Error | undefined;

  constructor(target: StreamTarget, oid: string, options: WriteStreamOptions, alignment: number) {
    const { start = 0, mode = 'w', chunkSize = CHUNK, parallel = PARALLEL, ...more } = options;
    super({ highWaterMark: chunkSize, decodeStrings: true });
    this.#target = target;
    this.#oid = oid;
    this.#options = more;
    this.#mode = mode;
    this.#at = start;
    this.#chunkSize = alignment === 0 ? chunkSize : Math.ceil(chunkSize / alignment) * alignment;
    this.#parallel = mode === 'a' ? 1 : parallel;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#take(chunk).then(() => done(this.#error), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    const finish = async (): Promise<void> => {
      if (this.#length > 0 || (this.#isFirst && this.#mode === 'w')) await this.#send();
      await Promise.all(this.#underWay);
    };
    finish().then(() => done(this.#error), done);
  }

  async #take(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0 && this.#error === undefined; ) {
      const part = rest.subarray(0, this.#chunkSize - this.#length);
      rest = rest.subarray(part.length);
      this.#parts.push(part);
      this.#length += part.length;
      if (this.#length === this.#chunkSize) await this.#send();
    }
  }

  /** Resolves when there is room for another request. */
  async #send(): Promise<void> {
    const data = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    this.#length = 0;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const request = this.#request(data, isFirst).catch((error: Error) => {
      this.#error ??= error;
    });
    this.#underWay.add(request);
    request.finally(() => this.#underWay.delete(request));
    this.#at += data.length;
    // What follows must not be there before the content of old is gone.
    if (isFirst && this.#mode === 'w') await request;
    while (this.#underWay.size >= this.#parallel) await Promise.race(this.#underWay);
  }

  #request(data: Uint8Array, isFirst: boolean): Promise<unknown> {
    const target = this.#target;
    if (this.#mode === 'a') return target.append(this.#oid, data, this.#options);
    if (this.#mode === 'w' && isFirst && this.#at === 0) return target.writeFull(this.#oid, data, this.#options);
    return target.write(this.#oid, data, this.#at, this.#options);
  }
}

/** A stream into an object. `alignment`: requests must be of multiples of so many bytes; 0. */
export function writeStream(
  target: StreamTarget,
  oid: string,
  options: WriteStreamOptions,
  alignment: number,
): Writable {
  return new ObjectWriter(target, oid, options, alignment);
}
