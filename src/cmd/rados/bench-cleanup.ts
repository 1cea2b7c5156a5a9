/** Removes what `rados bench` wrote. */
import { type IoCtx, type ListedObject, type Rados, WriteOperation } from '../../client/index.ts';
import { osdFlag } from '../../messages/index.ts';
import { BENCH_PREFIX, benchObject, hostPrefix, LAST_RUN, objectsOf, readRun } from './bench-names.ts';
import { err, isErrno, out } from './report.ts';
import { timePrefix } from './show-time.ts';

const ENOENT = 2;
const EINVAL = 22;

export class BenchCleaner {
  readonly #rados: Rados;
  readonly #io: IoCtx;
  readonly #inFlight: number;
  readonly #showTime: boolean;

  constructor(rados: Rados, io: IoCtx, inFlight: number, showTime: boolean) {
    this.#rados = rados;
    this.#io = io;
    this.#inFlight = inFlight;
    this.#showTime = showTime;
  }

  #say(text: string): void {
    out(`${timePrefix(this.#showTime)}${text}\n`);
  }

  /** Removes one object; resolves to 0 or a negative errno. That it is not there is no failure. */
  #remove(oid: string): Promise<number> {
    return new Promise((resolve) => {
      const { ops } = new WriteOperation().remove();
      this.#io.submit(oid, ops, osdFlag.WRITE, (result) => resolve(result === -ENOENT ? 0 : Math.min(result, 0)));
    });
  }

  /** Removes objects, some at a time, until one cannot be. 0 or a negative errno. */
  async #removeAll(objects: AsyncIterable<string | ListedObject> | Iterable<string | ListedObject>): Promise<number> {
    const pending = new Set<Promise<number>>();
    let removed = 0;
    let failure = 0;
    const one = async (oid: string): Promise<number> => {
      const result = await this.#remove(oid);
      if (result < 0) failure ||= result;
      else removed++;
      return result;
    };
    for await (const object of objects) {
      if (typeof object !== 'string') this.#io.nspace = object.nspace;
      const work = one(typeof object === 'string' ? object : object.oid);
      pending.add(work);
      void work.finally(() => pending.delete(work));
      if (pending.size >= this.#inFlight) await Promise.race(pending);
      if (failure < 0) break;
    }
    await Promise.all(pending);
    if (failure < 0) {
      err(`remove got ${failure}\n`);
      return failure;
    }
    this.#say(`Removed ${removed} object${removed === 1 ? '' : 's'}`);
    return 0;
  }

  /** Those of one run, by their numbers. */
  removeRun(objects: number, pid: number): Promise<number> {
    if (this.#inFlight <= 0) return Promise.resolve(-EINVAL);
    if (objects === 0) return Promise.resolve(0);
    return this.#removeAll(Array.from({ length: objects }, (_, i) => benchObject(pid, i)));
  }

  /** All whose names begin with `prefix`, found by listing the pool. */
  async removeByPrefix(prefix: string): Promise<number> {
    if (this.#inFlight <= 0) return -EINVAL;
    this.#say('Warning: using slow linear search');
    const io = this.#io;
    const listing = await this.#rados.openPool(io.poolId);
    listing.nspace = io.nspace;
    const matching = async function* (): AsyncGenerator<ListedObject> {
      for await (const object of listing.listObjects()) if (object.oid.startsWith(prefix)) yield object;
    };
    const result = await this.#removeAll(matching());
    return result < 0 ? -5 : 0;
  }

  /** `rados cleanup`: what runs of this machine (or with `prefix`) left in the namespaces that `io` lists. 0 or a negative errno. */
  async cleanUp(prefix: string, runName: string): Promise<number> {
    const name = runName === '' ? LAST_RUN : runName;
    const wanted = prefix === '' ? hostPrefix() : prefix;
    if (!wanted.startsWith(BENCH_PREFIX)) {
      err(`Specified --prefix invalid, it must begin with "${BENCH_PREFIX}"\n`);
      return -EINVAL;
    }
    const withRun = new Set<string>();
    const withObjects = new Set<string>();
    for await (const { oid, nspace } of this.#io.listObjects()) {
      if (oid === name) withRun.add(nspace);
      if (oid.startsWith(wanted)) withObjects.add(nspace);
    }
    for (const nspace of [...withObjects].sort()) {
      this.#io.nspace = nspace;
      const result = withRun.has(nspace) ? await this.#cleanRun(name) : await this.removeByPrefix(wanted);
      if (result === 0) continue;
      if (!withRun.has(nspace)) err(`clean_up_slow error r= ${result}\n`);
      return result;
    }
    return 0;
  }

  async #cleanRun(name: string): Promise<number> {
    try {
      const run = await readRun(this.#io, name);
      const result = await this.removeRun(objectsOf(run), run.pid);
      if (result !== 0) return result;
      await this.#io.remove(name);
      return 0;
    } catch (error) {
      if (isErrno(error)) return -error.errno;
      throw error;
    }
  }
}
