import { type Clock, InvariantError, invariant, type Logger, type TimerHandle } from '../base/index.ts';
import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import { monPaxosOp } from '../messages/index.ts';
import { type Utime, utimeFromMs, utimeToMs, utimeZero } from '../types/index.ts';
import type { MonStore } from './monstore.ts';
import { type StoreOp, StoreTransaction } from './transaction.ts';

/**
 * Table of the log itself: `first_committed`, `last_committed`; `last_pn`, `accepted_pn`; `pending_v`, `pending_pn`; and one entry per version. An entry above
 * `last_committed` was accepted and may or may not have been committed.
 */
const PREFIX = 'paxos';

/**
 * The one ordered, versioned, durable log that every change of a monitor's state goes through. A version is an encoded
 * {@link StoreTransaction}; committing it applies the transaction to the store in the same durable write that records it.
 *
 * Callers put changes into {@link CommitLog.pending} and call {@link CommitLog.propose}: what gathers while a version is under way becomes the next
 * version (group commit).
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
  /**
   * Starts committing `pending`, or leaves it to follow the version under way. `done` is called after it is durable and applied; never,
   * where this monitor stops leading before.
   */
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

/** MMonPaxos without what only carries it. Fields that an operation does not use are left out. */
export interface PaxosMessage {
  /** Of the election that made the quorum. */
  readonly epoch: number;
  /** One of monPaxosOp. */
  readonly op: number;
  readonly firstCommitted: number;
  readonly lastCommitted: number;
  readonly pnFrom: number;
  readonly pn: number;
  readonly uncommittedPn: number;
  readonly leaseTimestamp: Utime;
  readonly sentTimestamp: Utime;
  readonly values: ReadonlyMap<number, Uint8Array>;
}

/** What {@link PaxosLog} needs of the monitor around it. */
export interface PaxosPeers {
  /** This monitor's rank: proposal numbers end in it. */
  readonly rank: number;
  readonly electionEpoch: number;
  send(rank: number, message: PaxosMessage): void;
  /** Somebody does not answer, or is too far behind: the quorum is over, and the monitors look for each other anew. */
  bootstrap(why: string): void;
}

/** Times in milliseconds, read when they are used. */
export interface PaxosTimes {
  readonly lease_ms: number;
  readonly renew_ms: number;
  readonly leaseAck_ms: number;
  readonly accept_ms: number;
}

/**
 * What a quorum's member is about.
 *
 *     leader  recovering -> (updating-previous ->) active <-> updating
 *     peon    recovering -> active <-> updating
 */
type Phase = 'recovering' | 'active' | 'updating' | 'updating-previous';
type Role = 'none' | 'leader' | 'peon';

const noValues: ReadonlyMap<number, Uint8Array> = new Map();
/** Proposal numbers of one monitor are this far apart. */
const PN_STEP = 100;
/** Messages that wait for a write, at most: a quorum has a handful under way. */
const WAITING_MAX = 4096;

/**
 * Paxos as Ceph's monitors run it (Paxos.h): the leader of a quorum recovers what an earlier one may have committed (COLLECT, LAST), then commits one version at a time
 * once all of the quorum have it on disk (BEGIN, ACCEPT, COMMIT), and gives its peons leases under which they answer reads. A monitor alone
 * commits with one write.
 *
 * All that comes while a write is under way waits for it, so that each step sees the store as the one before left it.
 */
export class PaxosLog implements CommitLog {
  readonly #store: MonStore;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #options: CommitLogOptions;
  readonly #times: () => PaxosTimes;
  readonly #peers: PaxosPeers;
  #role: Role = 'none';
  #phase: Phase = 'recovering';
  #quorum: readonly number[] = [];
  /** Raised whenever a role ends: what was begun before is void. */
  #term = 0;
  #firstCommitted = 0;
  #lastCommitted = 0;
  #lastPn = 0;
  #acceptedPn = 0;
  #pending = new StoreTransaction();
  #waiting: (() => void)[] = [];
  /** Of the version under way. */
  #finishers: (() => void)[] = [];
  #isWriting = false;
  /** What waits for the write under way. */
  #queue: { readonly term: number; readonly run: () => void }[] = [];
  #stopped = false;
  /** Set once this leader has been active: before, its state may lack a version. */
  #isOpen = false;
  // Recovery.
  /** Last committed version of those that answered. */
  readonly #known = new Map<number, number>();
  /** Those that promised to accept nothing below the present number. */
  readonly #promised = new Set<number>();
  #uncommitted: { readonly version: number; readonly pn: number; readonly value: Uint8Array } | undefined;
  // The version under way.
  #value: Uint8Array = new Uint8Array();
  readonly #accepted = new Set<number>();
  // Leases.
  readonly #ackedLease = new Set<number>();
  /** Clock.now() */
  #leaseExpires_ms = 0;
  #timer: TimerHandle | undefined;
  #renewTimer: TimerHandle | undefined;
  #ackTimer: TimerHandle | undefined;
  onCommitted: ((version: number) => void) | undefined;
  /** The leader or peon may serve (again): recovery is over, or a lease has come. */
  onActive: (() => void) | undefined;

  constructor(
    store: MonStore,
    logger: Logger,
    clock: Clock,
    options: CommitLogOptions,
    times: () => PaxosTimes,
    peers: PaxosPeers,
  ) {
    this.#store = store;
    this.#logger = logger;
    this.#clock = clock;
    this.#options = options;
    this.#times = times;
    this.#peers = peers;
    this.reload();
  }

  /** Reads what the store holds. */
  reload(): void {
    const store = this.#store;
    this.#firstCommitted = store.getNumber(PREFIX, 'first_committed');
    this.#lastCommitted = store.getNumber(PREFIX, 'last_committed');
    this.#lastPn = store.getNumber(PREFIX, 'last_pn');
    this.#acceptedPn = store.getNumber(PREFIX, 'accepted_pn');
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

  get lastPn(): number {
    return this.#lastPn;
  }

  get acceptedPn(): number {
    return this.#acceptedPn;
  }

  get isUpdating(): boolean {
    return this.#phase === 'updating' || this.#phase === 'updating-previous';
  }

  get isWriteable(): boolean {
    return this.#isOpen && !this.#stopped;
  }

  /** Whether the committed state here is the cluster's: the quorum commits nothing without this monitor, and the lease holds. */
  get isReadable(): boolean {
    if (this.#stopped || this.#role === 'none' || this.#lastCommitted === 0) return false;
    if (this.#role === 'leader' ? !this.#isOpen : this.#phase !== 'active') return false;
    return this.#quorum.length === 1 || this.#clock.now() < this.#leaseExpires_ms;
  }

  pending(): StoreTransaction {
    return this.#pending;
  }

  propose(done: () => void): void {
    invariant(this.isWriteable, 'proposal by a monitor that does not lead', { role: this.#role });
    this.#waiting.push(done);
    this.#beginNext();
  }

  // --- roles

  /** This monitor leads `quorum`, which it is in. */
  lead(quorum: readonly number[]): void {
    this.leave();
    this.#role = 'leader';
    this.#quorum = quorum;
    this.#after(() => {
      if (quorum.length === 1) this.#becomeActive();
      else this.#collect(0);
    });
  }

  /** This monitor is in the quorum of another. */
  follow(quorum: readonly number[]): void {
    this.leave();
    this.#role = 'peon';
    this.#quorum = quorum;
    this.#awaitLease();
  }

  /** There is no quorum any more: what was not committed is not, as far as this monitor knows. */
  leave(): void {
    this.#term++;
    this.#role = 'none';
    this.#phase = 'recovering';
    this.#isOpen = false;
    this.#pending = new StoreTransaction();
    this.#waiting = [];
    this.#finishers = [];
    this.#queue = [];
    this.#known.clear();
    this.#promised.clear();
    this.#uncommitted = undefined;
    this.#leaseExpires_ms = 0;
    for (const timer of [this.#timer, this.#renewTimer, this.#ackTimer]) {
      if (timer !== undefined) this.#clock.clearTimer(timer);
    }
    this.#timer = undefined;
    this.#renewTimer = undefined;
    this.#ackTimer = undefined;
  }

  stop(): void {
    this.leave();
    this.#stopped = true;
  }

  /** A message of a member of the quorum. The caller has checked the election epoch. @throws DecodeError */
  receive(from: number, message: PaxosMessage): void {
    if (this.#role === 'none' || this.#stopped || this.#queue.length >= WAITING_MAX || !this.#quorum.includes(from)) {
      return;
    }
    this.#after(() => this.#receive(from, message));
  }

  #receive(from: number, m: PaxosMessage): void {
    if (this.#role === 'leader') {
      if (m.op === monPaxosOp.LAST) this.#handleLast(from, m);
      else if (m.op === monPaxosOp.ACCEPT) this.#handleAccept(from, m);
      else if (m.op === monPaxosOp.LEASE_ACK) this.#handleLeaseAck(from);
      return;
    }
    // The lowest rank leads.
    if (from !== this.#quorum[0]) return;
    if (m.op === monPaxosOp.COLLECT) this.#handleCollect(from, m);
    else if (m.op === monPaxosOp.BEGIN) this.#handleBegin(from, m);
    else if (m.op === monPaxosOp.COMMIT) this.#handleCommit(m);
    else if (m.op === monPaxosOp.LEASE) this.#handleLease(from, m);
  }

  // --- writes

  /** Runs in order after what is being written; void when the role has ended by then. */
  #after(run: () => void): void {
    if (this.#isWriting) this.#queue.push({ term: this.#term, run });
    else run();
  }

  /** `always` runs when the write is done, `then` only where the role still holds. */
  #write(ops: readonly StoreOp[], always: (() => void) | undefined, then: () => void): void {
    invariant(!this.#isWriting, 'two writes of the commit log at once');
    this.#isWriting = true;
    const term = this.#term;
    this.#store.commit(ops, (error) => {
      // Durable or not, nobody may look any more: the database is closed.
      if (this.#stopped) return;
      // A store that cannot write leaves the cluster's state unknown: better no monitor than a wrong one.
      if (error !== null) throw new InvariantError(`monitor store failed to commit: ${error.message}`, {});
      this.#isWriting = false;
      always?.();
      if (term === this.#term && !this.#stopped) then();
      while (!this.#isWriting && !this.#stopped) {
        const next = this.#queue.shift();
        if (next === undefined) break;
        if (next.term === this.#term) next.run();
      }
    });
  }

  /** Runs when no write is under way: whoever replaces the store waits for that. */
  whenIdle(run: () => void): void {
    if (!this.#isWriting) run();
    else this.#queue.push({ term: this.#term, run });
  }

  #message(op: number, fields: Partial<PaxosMessage> = {}): PaxosMessage {
    return {
      epoch: this.#peers.electionEpoch,
      op,
      firstCommitted: this.#firstCommitted,
      lastCommitted: this.#lastCommitted,
      pnFrom: 0,
      pn: 0,
      uncommittedPn: 0,
      leaseTimestamp: utimeZero,
      sentTimestamp: utimeFromMs(this.#clock.now()),
      values: noValues,
      ...fields,
    };
  }

  #others(send: (rank: number) => void): void {
    for (const rank of this.#quorum) if (rank !== this.#peers.rank) send(rank);
  }

  #log(text: string): void {
    if (this.#logger.enabled('paxos', 10)) this.#logger.log('paxos', 10, text);
  }

  #startTimer(delay_ms: number, why: string): void {
    this.#stopTimer();
    const term = this.#term;
    this.#timer = this.#clock.setTimer(delay_ms, () => {
      this.#timer = undefined;
      if (term === this.#term) this.#peers.bootstrap(why);
    });
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  // --- recovery

  /** An entry that was accepted here, and with which proposal number. */
  #storedUncommitted(): { version: number; pn: number; value: Uint8Array } | undefined {
    const version = this.#lastCommitted + 1;
    const value = this.#store.get(PREFIX, version);
    if (value === undefined) return undefined;
    const isNoted = this.#store.getNumber(PREFIX, 'pending_v') === version;
    return { version, value, pn: isNoted ? this.#store.getNumber(PREFIX, 'pending_pn') : this.#acceptedPn };
  }

  /** Asks all of the quorum what they have, under a proposal number above every one seen. */
  #collect(above: number): void {
    this.#phase = 'recovering';
    this.#uncommitted = this.#storedUncommitted();
    this.#known.clear();
    this.#promised.clear();
    const seen = Math.max(this.#lastPn, this.#acceptedPn, above);
    this.#lastPn = (Math.floor(seen / PN_STEP) + 1) * PN_STEP + this.#peers.rank;
    this.#acceptedPn = this.#lastPn;
    const pn = this.#acceptedPn;
    const t = new StoreTransaction();
    t.putNumber(PREFIX, 'last_pn', pn);
    t.putNumber(PREFIX, 'accepted_pn', pn);
    this.#startTimer(this.#times().accept_ms, 'a member of the quorum does not answer COLLECT');
    this.#write(t.ops, undefined, () => {
      this.#others((rank) => this.#peers.send(rank, this.#message(monPaxosOp.COLLECT, { pn })));
    });
  }

  #handleCollect(from: number, m: PaxosMessage): void {
    this.#phase = 'recovering';
    this.#leaseExpires_ms = 0;
    this.#awaitLease();
    if (m.firstCommitted > this.#lastCommitted + 1) {
      this.#peers.bootstrap(
        `the leader keeps nothing before version ${m.firstCommitted}, here is ${this.#lastCommitted}`,
      );
      return;
    }
    const uncommitted = m.lastCommitted <= this.#lastCommitted ? this.#storedUncommitted() : undefined;
    const answer = (): void => {
      const values = new Map<number, Uint8Array>();
      this.#share(values, m.lastCommitted);
      if (uncommitted !== undefined) values.set(uncommitted.version, uncommitted.value);
      this.#peers.send(
        from,
        this.#message(monPaxosOp.LAST, {
          pn: this.#acceptedPn,
          values,
          uncommittedPn: uncommitted?.pn ?? 0,
        }),
      );
    };
    if (m.pn <= this.#acceptedPn) {
      answer();
      return;
    }
    this.#acceptedPn = m.pn;
    const t = new StoreTransaction();
    t.putNumber(PREFIX, 'accepted_pn', m.pn);
    this.#write(t.ops, undefined, answer);
  }

  /** Adds the committed versions after `last`. */
  #share(values: Map<number, Uint8Array>, last: number): void {
    for (let version = last + 1; version <= this.#lastCommitted; version++) {
      const value = this.#store.get(PREFIX, version);
      if (value !== undefined) values.set(version, value);
    }
  }

  #handleLast(from: number, m: PaxosMessage): void {
    if (this.#phase !== 'recovering') return;
    if (m.firstCommitted > this.#lastCommitted + 1) {
      this.#peers.bootstrap(
        `rank ${from} keeps nothing before version ${m.firstCommitted}, here is ${this.#lastCommitted}`,
      );
      return;
    }
    this.#known.set(from, m.lastCommitted);
    this.#learn(m, () => this.#judgeLast(from, m));
  }

  #judgeLast(from: number, m: PaxosMessage): void {
    for (const [rank, last] of this.#known) {
      if (last + 1 < this.#firstCommitted && this.#firstCommitted > 1) {
        this.#peers.bootstrap(
          `rank ${rank} is at version ${last}, here nothing is kept before ${this.#firstCommitted}`,
        );
        return;
      }
      if (last >= this.#lastCommitted) continue;
      const values = new Map<number, Uint8Array>();
      this.#share(values, last);
      this.#peers.send(rank, this.#message(monPaxosOp.COMMIT, { pn: this.#acceptedPn, values }));
      this.#known.set(rank, this.#lastCommitted);
    }
    if (m.pn > this.#acceptedPn) {
      this.#collect(m.pn);
      return;
    }
    if (m.pn < this.#acceptedPn) return;
    this.#promised.add(from);
    if (m.uncommittedPn > 0) {
      const version = m.lastCommitted + 1;
      const value = m.values.get(version);
      const best = this.#uncommitted;
      const isNewer =
        best === undefined || version > best.version || (version === best.version && m.uncommittedPn >= best.pn);
      if (value !== undefined && version > this.#lastCommitted && isNewer) {
        this.#uncommitted = { version, pn: m.uncommittedPn, value };
      }
    }
    if (this.#promised.size < this.#quorum.length - 1) return;
    this.#stopTimer();
    const found = this.#uncommitted;
    this.#uncommitted = undefined;
    if (found?.version === this.#lastCommitted + 1) {
      this.#log(`version ${found.version} was accepted and may have been committed: it is proposed again`);
      this.#phase = 'updating-previous';
      this.#begin(found.value);
    } else {
      this.#becomeActive();
    }
  }

  #becomeActive(): void {
    this.#phase = 'active';
    this.#isOpen = true;
    if (this.#quorum.length > 1) this.#extendLease();
    this.onActive?.();
    this.#beginNext();
  }

  // --- committing

  #beginNext(): void {
    if (this.#role !== 'leader' || !this.#isOpen || this.#phase !== 'active' || this.#isWriting) return;
    if (this.#waiting.length === 0) return;
    const transaction = this.#pending;
    this.#finishers = this.#waiting;
    this.#pending = new StoreTransaction();
    this.#waiting = [];
    this.#phase = 'updating';
    if (this.#lastCommitted === 0) transaction.putNumber(PREFIX, 'first_committed', 1);
    else this.#trim(transaction);
    const w = new Writer(transaction.size + 64 * transaction.ops.length + 64);
    transaction.encode(w);
    if (this.#quorum.length === 1) this.#commit(w.bytes(), transaction);
    else this.#begin(w.bytes());
  }

  /** Adds removal of entries that are too old. */
  #trim(t: StoreTransaction): void {
    const version = this.#lastCommitted + 1;
    const first = Math.max(this.#firstCommitted, 1);
    const keepFrom = version - this.#options.keep_min;
    if (keepFrom - first < this.#options.trim_min) return;
    const end = Math.min(keepFrom, first + this.#options.trim_max);
    for (let v = first; v < end; v++) t.erase(PREFIX, v);
    t.putNumber(PREFIX, 'first_committed', end);
  }

  #accept(version: number, value: Uint8Array): readonly StoreOp[] {
    const t = new StoreTransaction();
    t.put(PREFIX, version, value);
    t.putNumber(PREFIX, 'pending_v', version);
    t.putNumber(PREFIX, 'pending_pn', this.#acceptedPn);
    return t.ops;
  }

  #begin(value: Uint8Array): void {
    const version = this.#lastCommitted + 1;
    this.#value = value;
    this.#accepted.clear();
    this.#startTimer(this.#times().accept_ms, 'a member of the quorum does not accept');
    if (this.#renewTimer !== undefined) this.#clock.clearTimer(this.#renewTimer);
    this.#renewTimer = undefined;
    // To the peons' disks at the same time as to this one's.
    const message = this.#message(monPaxosOp.BEGIN, { pn: this.#acceptedPn, values: new Map([[version, value]]) });
    this.#others((rank) => this.#peers.send(rank, message));
    this.#write(this.#accept(version, value), undefined, () => this.#acceptedBy(this.#peers.rank));
  }

  #handleBegin(from: number, m: PaxosMessage): void {
    const version = this.#lastCommitted + 1;
    const value = m.values.get(version);
    // Of an earlier leader, or out of step with what this one was told: the next COLLECT finds out.
    if (m.pn !== this.#acceptedPn || m.lastCommitted !== this.#lastCommitted || value === undefined) return;
    this.#phase = 'updating';
    this.#leaseExpires_ms = 0;
    this.#write(this.#accept(version, value), undefined, () => {
      this.#peers.send(from, this.#message(monPaxosOp.ACCEPT, { pn: this.#acceptedPn }));
    });
  }

  #handleAccept(from: number, m: PaxosMessage): void {
    if (m.pn !== this.#acceptedPn || m.lastCommitted !== this.#lastCommitted || !this.isUpdating) return;
    this.#acceptedBy(from);
  }

  #acceptedBy(rank: number): void {
    this.#accepted.add(rank);
    if (this.#accepted.size < this.#quorum.length) return;
    this.#stopTimer();
    this.#commit(this.#value);
  }

  #commit(value: Uint8Array, decoded?: StoreTransaction): void {
    const version = this.#lastCommitted + 1;
    const record = new StoreTransaction();
    record.put(PREFIX, version, value);
    record.putNumber(PREFIX, 'last_committed', version);
    record.append(decoded ?? StoreTransaction.decode(new Reader(value)));
    this.#write(
      record.ops,
      () => this.#committed(version),
      () => {
        this.#log(`committed version ${version}, ${record.ops.length} operations`);
        const message = this.#message(monPaxosOp.COMMIT, { pn: this.#acceptedPn, values: new Map([[version, value]]) });
        this.#others((rank) => this.#peers.send(rank, message));
        const finishers = this.#finishers;
        this.#finishers = [];
        const isFirst = !this.#isOpen;
        this.#phase = 'active';
        this.#isOpen = true;
        if (this.#quorum.length > 1) this.#extendLease();
        const term = this.#term;
        for (const finish of finishers) finish();
        if (term !== this.#term) return;
        if (isFirst) this.onActive?.();
        this.#beginNext();
      },
    );
  }

  #committed(version: number): void {
    this.#lastCommitted = version;
    this.#firstCommitted = this.#store.getNumber(PREFIX, 'first_committed');
    this.onCommitted?.(version);
  }

  /** Commits what a message has of committed versions that follow the last one here. */
  #learn(m: PaxosMessage, then: () => void): void {
    const record = new StoreTransaction();
    let version = this.#lastCommitted;
    while (version < m.lastCommitted) {
      const value = m.values.get(version + 1);
      if (value === undefined) break;
      let t: StoreTransaction;
      try {
        t = StoreTransaction.decode(new Reader(value));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        throw new InvariantError(`the quorum committed what this monitor cannot read: ${error.message}`, { version });
      }
      version++;
      record.put(PREFIX, version, value);
      record.append(t);
    }
    if (version === this.#lastCommitted) {
      then();
      return;
    }
    record.putNumber(PREFIX, 'last_committed', version);
    if (this.#firstCommitted === 0 && !record.ops.some((op) => op.prefix === PREFIX && op.key === 'first_committed')) {
      record.putNumber(PREFIX, 'first_committed', 1);
    }
    const term = this.#term;
    this.#write(
      record.ops,
      () => {
        this.#lastCommitted = version;
        this.#firstCommitted = this.#store.getNumber(PREFIX, 'first_committed');
        if ((this.#uncommitted?.version ?? 0) <= version) this.#uncommitted = undefined;
        this.onCommitted?.(version);
      },
      () => {
        if (term === this.#term) then();
      },
    );
  }

  #handleCommit(m: PaxosMessage): void {
    this.#learn(m, () => {});
  }

  // --- leases

  #extendLease(): void {
    const { lease_ms, renew_ms, leaseAck_ms } = this.#times();
    this.#leaseExpires_ms = this.#clock.now() + lease_ms;
    this.#ackedLease.clear();
    this.#ackedLease.add(this.#peers.rank);
    const message = this.#message(monPaxosOp.LEASE, { leaseTimestamp: utimeFromMs(this.#leaseExpires_ms) });
    this.#others((rank) => this.#peers.send(rank, message));
    const term = this.#term;
    this.#ackTimer ??= this.#clock.setTimer(leaseAck_ms, () => {
      this.#ackTimer = undefined;
      if (term === this.#term) this.#peers.bootstrap('a member of the quorum does not acknowledge its lease');
    });
    if (this.#renewTimer !== undefined) this.#clock.clearTimer(this.#renewTimer);
    this.#renewTimer = this.#clock.setTimer(renew_ms, () => {
      this.#renewTimer = undefined;
      if (term === this.#term && this.#phase === 'active') this.#extendLease();
    });
  }

  #handleLease(from: number, m: PaxosMessage): void {
    if (m.lastCommitted !== this.#lastCommitted) return;
    const expires_ms = utimeToMs(m.leaseTimestamp);
    this.#leaseExpires_ms = Math.max(this.#leaseExpires_ms, expires_ms);
    const late_ms = this.#clock.now() - this.#leaseExpires_ms;
    if (late_ms > 0) {
      this.#logger.log(
        'paxos',
        0,
        `the leader's lease ended ${(late_ms / 1000).toFixed(3)} s ago: monitors are slow, or their clocks differ`,
      );
    }
    this.#phase = 'active';
    this.#peers.send(from, this.#message(monPaxosOp.LEASE_ACK, { leaseTimestamp: utimeFromMs(this.#clock.now()) }));
    this.#awaitLease();
    if (this.isReadable) this.onActive?.();
  }

  #awaitLease(): void {
    this.#startTimer(this.#times().leaseAck_ms, 'the leader gives no lease');
  }

  #handleLeaseAck(from: number): void {
    this.#ackedLease.add(from);
    if (this.#ackedLease.size < this.#quorum.length || this.#ackTimer === undefined) return;
    this.#clock.clearTimer(this.#ackTimer);
    this.#ackTimer = undefined;
  }

  /** The transaction that made `version`, where it is still kept. */
  read(version: number): StoreTransaction | undefined {
    if (version > this.#lastCommitted) return undefined;
    const bytes = this.#store.get(PREFIX, version);
    return bytes === undefined ? undefined : StoreTransaction.decode(new Reader(bytes));
  }
}
