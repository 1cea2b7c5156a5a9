import { createRequire } from 'node:module';
import type * as lmdb from 'lmdb';
import { invariant, type Kv, type KvOp, type KvOptions } from '../base/index.ts';

/** Loaded by the first database that is opened: clients and clusters in memory have none, and it is a sixth of what they would load. */
let binding: typeof lmdb | undefined;

function load(): typeof lmdb {
  if (binding !== undefined) return binding;
  try {
    binding = createRequire(import.meta.url)('lmdb') as typeof lmdb;
  } catch (error) {
    // An optional package: clients do without it.
    throw new Error(`daemons that keep their state on disk need the package lmdb: ${(error as Error).message}`);
  }
  return binding;
}

/** Bytes as they are, and what is read cut from pieces of memory that many share, as small Buffers are. */
const keyEncoder = {
  writeKey(key: Uint8Array, target: Uint8Array, start: number): number {
    target.set(key, start);
    return start + key.length;
  },
  readKey: (source: Uint8Array, start: number, end: number): Uint8Array => copied(source, start, end - start),
};
const valueEncoder = {
  encode: (value: Uint8Array): Uint8Array => value,
  // The binding's buffer is longer than it says.
  decode: (bytes: Uint8Array, length = bytes.length): Uint8Array => copied(bytes, 0, length),
};

function copied(bytes: Uint8Array, start: number, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length));
  return copy;
}

/** LMDB's limit for keys at the 4 KiB page size it is opened with here. */
const KEY_LENGTH_MAX = 1978;

/**
 * Address space that a database is mapped into from the start. Where it must grow, the binding maps the whole file anew and keeps what was mapped before, so that
 * the pages of a database that began small are counted (and faulted in) twice. Pages that are not there cost nothing. Windows makes the file as long as its map.
 */
const MAP_SIZE = process.platform === 'win32' ? undefined : 64 * 2 ** 30;

/** What the binding tells of a database; its types leave it open. */
interface DbStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** `getBinary` takes a transaction as `get` does; the binding's types leave that out. */
interface ReadsAt {
  getBinary(key: Buffer, options: { readonly transaction: lmdb.Transaction }): Buffer | undefined;
}

/** Operations of a batch that go in at once: the binding takes some three microseconds for each on this thread, and leaves as much again to be collected. */
const OPS_AT_ONCE = 2048;
/** A longer batch goes in for so long in a turn, in milliseconds; and how many operations pass between two looks at the time. */
const TURN_MS = 3;
const OPS_PER_LOOK = 64;

class Lmdb implements Kv {
  readonly keyLength_max = KEY_LENGTH_MAX;
  readonly #db: lmdb.RootDatabase<Buffer, Buffer>;
  readonly #path: string;
  /** What {@link usedBytes} found; only a commit changes it. */
  #used: number | undefined;
  /** A batch is going in over several turns: the binding would take whatever else is written for a part of it. */
  #inTurns = false;
  #closed = false;
  /** The state that is read, held until the next commit: for one that lasts a turn of the event loop only, the binding starts a timer each time. */
  #reads: { readonly transaction: lmdb.Transaction } | undefined;

  constructor(path: string, options: KvOptions) {
    this.#path = path;
    const mapSize = options.mapSize ?? MAP_SIZE;
    this.#db = load().open<Buffer, Buffer>({
      path,
      noSubdir: true,
      // The binding's own 'binary' gives each key and value that it reads memory of its own: half of what listing an omap takes.
      keyEncoder,
      encoding: 'binary',
      encoder: valueEncoder,
      // Commits are durable before they are reported: no separate, later flush.
      overlappingSync: false,
      noMemInit: true,
      cache: false,
      pageSize: 4096,
      ...(mapSize === undefined ? {} : { mapSize }),
    });
  }

  usedBytes(): number {
    if (this.#used === undefined) {
      const s = this.#db.getStats() as Partial<DbStats>;
      const pages = (s.treeBranchPageCount ?? 0) + (s.treeLeafPageCount ?? 0) + (s.overflowPages ?? 0);
      this.#used = pages * (s.pageSize ?? 4096);
    }
    return this.#used;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#reads ??= { transaction: this.#db.useReadTransaction() };
    return (this.#db as ReadsAt).getBinary(key as Buffer, this.#reads);
  }

  /** There is a newer state to read, and the pages of the old one may be used again. */
  #committed(): void {
    this.#used = undefined;
    this.#reads?.transaction.done();
    this.#reads = undefined;
  }

  *range(
    start: Uint8Array,
    end: Uint8Array | undefined,
    options: { limit?: number; reverse?: boolean; keysOnly?: boolean } = {},
  ): Iterable<readonly [Uint8Array, Uint8Array]> {
    const bounds = options.reverse
      ? {
          ...(end === undefined ? {} : { start: end as Buffer }),
          end: start as Buffer,
          exclusiveStart: true,
          inclusiveEnd: true,
        }
      : { start: start as Buffer, ...(end === undefined ? {} : { end: end as Buffer }) };
    const limit = options.limit === undefined ? {} : { limit: options.limit };
    if (options.keysOnly) {
      for (const key of this.#db.getKeys({ ...bounds, ...limit, reverse: options.reverse ?? false })) {
        yield [key as unknown as Uint8Array, EMPTY];
      }
      return;
    }
    for (const { key, value } of this.#db.getRange({ ...bounds, ...limit, reverse: options.reverse ?? false }))
      yield [key, value];
  }

  commitSync(ops: readonly KvOp[]): void {
    invariant(!this.#inTurns, 'a batch is given while a long one goes in', { path: this.#path });
    try {
      this.#db.transactionSync(() => this.#apply(ops));
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#committed();
    }
  }

  #apply(ops: readonly KvOp[]): void {
    for (const op of ops) this.#applyOne(op);
  }

  #applyOne(op: KvOp): void {
    if (op.kind === 'put') this.#db.putSync(op.key as Buffer, op.value as Buffer);
    else if (op.kind === 'del') this.#db.removeSync(op.key as Buffer);
    else {
      const range = { start: op.start as Buffer, end: op.end as Buffer };
      for (const key of [...this.#db.getKeys(range)]) this.#db.removeSync(key);
    }
  }

  /** The batch through an open transaction, which its thread commits and syncs once all of it is in. */
  async #applyInTurns(ops: readonly KvOp[]): Promise<void> {
    for (let at = 0; at < ops.length; ) {
      if (at > 0) await nextTurn();
      if (this.#closed) throw new Error('closed');
      const until = performance.now() + TURN_MS;
      do {
        const end = Math.min(at + OPS_PER_LOOK, ops.length);
        while (at < end) this.#applyOne(ops[at++]!);
      } while (at < ops.length && performance.now() < until);
    }
  }

  commitInTurns(ops: readonly KvOp[], done: (error: Error | null) => void): void {
    if (ops.length <= OPS_AT_ONCE) {
      this.commit(ops, done);
      return;
    }
    invariant(!this.#inTurns, 'a batch is given while a long one goes in', { path: this.#path });
    this.#inTurns = true;
    const ended = (error: Error | null): void => {
      this.#inTurns = false;
      this.#committed();
      if (this.#closed) void this.#db.close();
      done(error);
    };
    // A child of the transaction that the thread holds: should one operation fail, all of them are taken back.
    this.#db
      .childTransaction(() => this.#applyInTurns(ops))
      .then(
        () => ended(null),
        (error: unknown) => ended(this.#failure(error)),
      );
  }

  commit(ops: readonly KvOp[], done: (error: Error | null) => void): void {
    invariant(!this.#inTurns, 'a batch is given while a long one goes in', { path: this.#path });
    // delRange needs what is visible inside the transaction, so a batch that has one runs on this thread.
    const committed = ops.some((op) => op.kind === 'delRange')
      ? this.#db.transaction(() => this.#apply(ops))
      : this.#db.batch(() => {
          // What becomes of each is what becomes of the batch, which tells.
          for (const op of ops) {
            if (op.kind === 'put') this.#db.put(op.key as Buffer, op.value as Buffer).catch(ignore);
            else if (op.kind === 'del') this.#db.remove(op.key as Buffer).catch(ignore);
          }
        });
    committed.then(
      () => {
        this.#committed();
        done(null);
      },
      (error: unknown) => done(this.#failure(error)),
    );
  }

  #failure(error: unknown): Error {
    return new Error(`the database ${this.#path}: ${describeFailure(error) ?? (error as Error).message}`, {
      cause: error,
    });
  }

  close(): void {
    this.#closed = true;
    this.#committed();
    // A batch on its way in is given up first.
    if (!this.#inTurns) void this.#db.close();
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const EMPTY = new Uint8Array(0);
const ignore = (): void => {};

/**
 * What to tell an operator of an error that LMDB's binding gave for a failed commit; undefined for other errors. Some of its rejections reach nobody but the process's
 * own handler. The reason itself comes later, through a promise, and is printed by the binding to stderr.
 */
export function describeFailure(error: unknown): string | undefined {
  const { commitError } = error as { commitError?: unknown };
  if (commitError === undefined) return undefined;
  if (commitError instanceof Promise) commitError.catch(ignore);
  return 'a change could not be written; is the disk full?';
}

/** Opens (makes) an LMDB database in the file `path`. */
export function openLmdb(path: string, options: KvOptions = {}): Kv {
  return new Lmdb(path, options);
}
