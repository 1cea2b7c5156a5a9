import { type Clock, invariant, type Logger, type TimerHandle } from '../base/index.ts';
import { type CommitLog, type MonStore, StoreTransaction } from '../paxos/index.ts';

/** What every service is given. */
export interface ServiceContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: MonStore;
  readonly log: CommitLog;
}

/**
 * One part of the cluster's state (the OSD map, the keys, ...) kept over the commit log, as Ceph's PaxosService.
 *
 * A service holds its committed state, read by {@link Service.updateFromCommitted}, and a pending change of it that requests add to. A proposal encodes
 * the pending change into the log; after the commit every service reads what is new, the pending change starts empty, and the
 * callbacks of {@link Service.submit} run. While a proposal is under way, changes wait ({@link Service.whenWriteable}); reads go on.
 */
export abstract class Service {
  /** Table of the store that holds its versions. */
  readonly table: string;
  protected readonly context: ServiceContext;
  #proposing = false;
  #dirty = false;
  #scheduled: TimerHandle | undefined;
  #deferred = false;
  #finishers: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #proposed_ms = Number.NEGATIVE_INFINITY;
  #version = 0;

  constructor(table: string, context: ServiceContext) {
    this.table = table;
    this.context = context;
  }

  /** Puts the first state of a new cluster into the pending change. */
  protected abstract createInitial(): void;
  /** Makes the pending change empty, on top of the committed state. */
  protected abstract createPending(): void;
  /** Writes the pending change as the service's next version. */
  protected abstract encodePending(t: StoreTransaction): void;
  /** Reads the state up to version {@link lastCommitted} from the store. */
  protected abstract updateFromCommitted(): void;
  /** The leader's work after recovery or each commit of this service: what follows from the new state. */
  onActive(): void {}
  /** Called every mon_tick_interval. */
  tick(): void {}
  /** First version to keep, when old ones may go; 0 for none. */
  protected trimTo(): number {
    return 0;
  }
  /** Adds to a trimming proposal what else goes with the versions below `to`. */
  protected encodeTrimExtra(_t: StoreTransaction, _to: number): void {}

  /** Newest version in the store. */
  get lastCommitted(): number {
    return this.context.store.getNumber(this.table, 'last_committed');
  }

  get firstCommitted(): number {
    return this.context.store.getNumber(this.table, 'first_committed');
  }

  /** Version that the in-memory state is of. */
  get version(): number {
    return this.#version;
  }

  get isProposing(): boolean {
    return this.#proposing;
  }

  get isWriteable(): boolean {
    return !this.#proposing && this.context.log.isWriteable;
  }

  /** Reads the store and starts with an empty pending change. */
  start(): void {
    this.refresh();
    this.createPending();
  }

  /** Writes the first version of a new store into `t`. */
  bootstrap(t: StoreTransaction): void {
    this.createPending();
    this.createInitial();
    this.encodePending(t);
  }

  /** Takes up a newer version where the store has one. */
  refresh(): boolean {
    const last = this.lastCommitted;
    if (last === this.#version) return false;
    this.#version = last;
    this.updateFromCommitted();
    return true;
  }

  protected putVersion(t: StoreTransaction, version: number, value: Uint8Array): void {
    t.put(this.table, version, value);
  }

  protected putLastCommitted(t: StoreTransaction, version: number): void {
    t.putNumber(this.table, 'last_committed', version);
    if (this.firstCommitted === 0) t.putNumber(this.table, 'first_committed', version);
  }

  protected getVersion(version: number): Uint8Array | undefined {
    return this.context.store.get(this.table, version);
  }

  /** Runs `change` when the pending change may be added to: at once, or after the proposal under way. */
  whenWriteable(change: () => void): void {
    if (this.isWriteable) change();
    else this.#waiting.push(change);
  }

  /**
   * Runs `change` on an empty pending change: what gathered from others is committed first. So a command judges by
   * the committed state alone.
   */
  whenClean(change: () => void): void {
    if (!this.isWriteable) this.#waiting.push(() => this.whenClean(change));
    else if (this.#dirty) {
      this.#waiting.push(() => this.whenClean(change));
      this.propose();
    } else change();
  }

  /** Says that the pending change is not empty; `done` runs after it is committed. Proposes at the end of this turn. */
  submit(done?: () => void): void {
    invariant(!this.#proposing, 'change submitted while a proposal is under way', { table: this.table });
    this.#dirty = true;
    if (done !== undefined) this.#finishers.push(done);
    this.#proposeSoon(0);
  }

  /** As {@link submit} for changes that many peers ask for at about the same time: proposals keep `spacing_ms` between them. */
  submitPaced(spacing_ms: number, done?: () => void): void {
    invariant(!this.#proposing, 'change submitted while a proposal is under way', { table: this.table });
    this.#dirty = true;
    if (done !== undefined) this.#finishers.push(done);
    this.#proposeSoon(this.#proposed_ms + spacing_ms - this.context.clock.monotonic());
  }

  #proposeSoon(delay_ms: number): void {
    const { clock } = this.context;
    if (delay_ms <= 0) {
      if (this.#deferred) return;
      this.#deferred = true;
      clock.defer(() => {
        this.#deferred = false;
        if (this.#dirty && !this.#proposing) this.propose();
      });
    } else {
      this.#scheduled ??= clock.setTimer(delay_ms, () => {
        this.#scheduled = undefined;
        if (this.#dirty && !this.#proposing) this.propose();
      });
    }
  }

  /** Puts the pending change on its way. */
  propose(): void {
    invariant(!this.#proposing, 'second proposal of one service at once', { table: this.table });
    const { clock, log } = this.context;
    if (this.#scheduled !== undefined) clock.clearTimer(this.#scheduled);
    this.#scheduled = undefined;
    if (!log.isWriteable) return;
    const t = new StoreTransaction();
    this.encodePending(t);
    this.#encodeTrim(t);
    this.#proposing = true;
    this.#dirty = false;
    this.#proposed_ms = clock.monotonic();
    const finishers = this.#finishers;
    this.#finishers = [];
    log.pending().append(t);
    log.propose(() => {
      this.#proposing = false;
      this.createPending();
      for (const finish of finishers) finish();
      this.onActive();
      this.#runWaiting();
    });
  }

  #encodeTrim(t: StoreTransaction): void {
    const to = this.trimTo();
    const first = this.firstCommitted;
    if (to <= first || first === 0) return;
    for (let v = first; v < to; v++) t.erase(this.table, v);
    t.putNumber(this.table, 'first_committed', to);
    this.encodeTrimExtra(t, to);
  }

  /** This monitor leads now, on the committed state: changes are made on top of it. */
  lead(): void {
    this.createPending();
    this.onActive();
    this.#runWaiting();
  }

  /** There is no quorum any more: what was not committed is forgotten. Whoever asked for it is kept by {@link Requests} and asks again. */
  leave(): void {
    this.stop();
    this.#proposing = false;
    this.#dirty = false;
    this.#finishers = [];
  }

  /** Each may start the next proposal; the rest then waits again, in order. */
  #runWaiting(): void {
    while (this.#waiting.length > 0 && this.isWriteable) this.#waiting.shift()!();
  }

  /** Stops timers; nothing is proposed afterwards. */
  stop(): void {
    if (this.#scheduled !== undefined) this.context.clock.clearTimer(this.#scheduled);
    this.#scheduled = undefined;
    this.#waiting = [];
  }
}
