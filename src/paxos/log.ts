import { InvariantError, invariant, type Logger } from '../base/index.ts';
import { Reader, Writer } from '../encoding/index.ts';
import type { MonStore } from './monstore.ts';
import { StoreTransaction } from './transaction.ts';

/** Table of the log itself: `first_committed`, `last_committed`, `last_pn`, `accepted_pn`, and one entry per version. */
const PREFIX = 'paxos';

/**
 * The one ordered, versioned, durable log that every change of a monitor's state goes through. A version is an encoded
 * {@link StoreTransaction}; committing it applies the transaction to the store in the same durable write that records it.
 *
 * Callers put changes into {@link CommitLog.pending} and call {@link CommitLog.propose}: what gathers while a write is under way becomes the next
 * version (group commit). {@link SingleCommitLog} below commits alone; Paxos among several monitors keeps this interface and puts its
 * begin/accept phases between "proposed" and "committed".
 */
export interface CommitLog {
  /** Version of the oldest entry still kept. */
  readonly firstCommitted: number;
  /** Version of the newest committed entry; 0 for a new store. */
  readonly lastCommitted: number;
  /** True while a version is on its way to being committed. */
  readonly isUpdating: boolean;
  /** True where this monitor may propose (it leads, and recovery is done). */
  readonly isWriteable: boolean;
  /** Changes that the next proposal will carry. Only filled by a caller that then calls `propose`. */
  pending(): StoreTransaction;
  /** Starts committing `pending`, or leaves it to follow the version under way. `done` is called after it is durable and applied. */
  propose(done: () => void): void;
  /** Called after each commit, before the callbacks of those who proposed it. */
  onCommitted: ((version: number) => void) | undefined;
}

export interface CommitLogOptions {
  /** Entries kept at least (paxos_min); more are trimmed in batches. */
  readonly keep_min: number;
  /** Entries trimmed at a time (paxos_trim_max); trimming starts when that many (paxos_trim_min) are too old. */
  readonly trim_min: number;
  readonly trim_max: number;
}

/** The log of a monitor that has no peers: a majority of one. */
export class SingleCommitLog implements CommitLog {
  readonly #store: MonStore;
  readonly #logger: Logger;
  readonly #options: CommitLogOptions;
  #firstCommitted: number;
  #lastCommitted: number;
  #pending = new StoreTransaction();
  #waiting: (() => void)[] = [];
  #updating = false;
  #stopped = false;
  onCommitted: ((version: number) => void) | undefined;

  constructor(store: MonStore, logger: Logger, options: CommitLogOptions) {
    this.#store = store;
    this.#logger = logger;
    this.#options = options;
    this.#firstCommitted = store.getNumber(PREFIX, 'first_committed');
    this.#lastCommitted = store.getNumber(PREFIX, 'last_committed');
    invariant(this.#firstCommitted <= this.#lastCommitted, 'commit log bounds are out of order', {
      first: this.#firstCommitted,
      last: this.#lastCommitted,
    });
  }

  get firstCommitted(): number {
    return this.#firstCommitted;
  }

  get lastCommitted(): number {
    return this.#lastCommitted;
  }

  get isUpdating(): boolean {
    return this.#updating;
  }

  get isWriteable(): boolean {
    return !this.#stopped;
  }

  pending(): StoreTransaction {
    return this.#pending;
  }

  propose(done: () => void): void {
    if (this.#stopped) return;
    this.#waiting.push(done);
    if (!this.#updating) this.#begin();
  }

  /** No further version is begun; one under way still completes. */
  stop(): void {
    this.#stopped = true;
  }

  #begin(): void {
    const transaction = this.#pending;
    const finishers = this.#waiting;
    this.#pending = new StoreTransaction();
    this.#waiting = [];
    this.#updating = true;

    const version = this.#lastCommitted + 1;
    const w = new Writer(transaction.size + 64 * transaction.ops.length + 64);
    transaction.encode(w);

    const record = new StoreTransaction();
    record.put(PREFIX, version, w.bytes());
    record.putNumber(PREFIX, 'last_committed', version);
    if (this.#firstCommitted === 0) record.putNumber(PREFIX, 'first_committed', 1);
    const first = this.#trimTo(version, record);
    record.append(transaction);

    this.#store.commit(record.ops, (error) => {
      // Durable or not, nobody may look any more: the database is closed.
      if (this.#stopped) return;
      // A store that cannot write leaves the cluster's state unknown: better no monitor than a wrong one.
      if (error !== null) throw new InvariantError(`monitor store failed to commit: ${error.message}`, { version });
      this.#lastCommitted = version;
      this.#firstCommitted = first;
      this.#updating = false;
      if (this.#logger.enabled('paxos', 10)) {
        this.#logger.log('paxos', 10, `committed version ${version}, ${transaction.ops.length} operations`);
      }
      this.onCommitted?.(version);
      for (const finish of finishers) finish();
      if (!this.#updating && !this.#stopped && this.#waiting.length > 0) this.#begin();
    });
  }

  /** Adds removal of entries that are too old; returns the first version that remains. */
  #trimTo(version: number, record: StoreTransaction): number {
    const first = Math.max(this.#firstCommitted, 1);
    const keepFrom = version - this.#options.keep_min;
    if (keepFrom - first < this.#options.trim_min) return first;
    const end = Math.min(keepFrom, first + this.#options.trim_max);
    for (let v = first; v < end; v++) record.erase(PREFIX, v);
    record.putNumber(PREFIX, 'first_committed', end);
    return end;
  }

  /** The transaction that made `version`, where it is still kept. */
  read(version: number): StoreTransaction | undefined {
    const bytes = this.#store.get(PREFIX, version);
    return bytes === undefined ? undefined : StoreTransaction.decode(new Reader(bytes));
  }
}
