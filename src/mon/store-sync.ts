import type { Clock, Logger, TimerHandle } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { Reader, Writer } from '../encoding/index.ts';
import { MMonSync, monSyncOp } from '../messages/index.ts';
import type { Connection, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { type MonStore, type PaxosLog, StoreTransaction } from '../paxos/index.ts';
import { EntityAddr, EntityAddrVec, makeEntityName } from '../types/index.ts';
import { MKFS_TABLE, TABLE } from './mkfs.ts';

const PAXOS = 'paxos';
/** Keys of an interrupted copy: `in_sync`, `last_committed_floor`. */
const SYNC_TABLE = 'mon_sync';
/** Tables that are a monitor's own. */
const OWN_TABLES: ReadonlySet<string> = new Set([TABLE, MKFS_TABLE, SYNC_TABLE]);
/** Promises of a monitor are its own, too. */
const OWN_PAXOS_KEYS: ReadonlySet<string> = new Set(['last_pn', 'accepted_pn', 'pending_v', 'pending_pn']);
/** Of the monitor's table, what is the cluster's. */
const SHARED_KEYS = ['cluster_fingerprint', 'last_metadata'];
/** Copies that are made of this store at once. */
const COPIES_MAX = 16;

const noCookie = 0n;
const noBytes = new Uint8Array();

export interface StoreSyncOwner {
  readonly clock: Clock;
  readonly config: Config;
  readonly logger: Logger;
  readonly store: MonStore;
  readonly commitLog: PaxosLog;
  electionEpoch(): number;
  send(addrs: EntityAddrVec, message: WireMessage): void;
  isSynchronizing(): boolean;
  /** The store has changed beneath the services. */
  reload(): void;
  /** The copy is done, or failed: the monitor looks for the others again. */
  restart(why: string): void;
}

/** A copy that another monitor makes of this store. */
interface Copy {
  readonly isFull: boolean;
  /** Newest version of the log that was sent. */
  lastCommitted: number;
  /** Where the scan of the tables goes on; undefined at its end. */
  next: readonly [table: string, key: string] | undefined;
  idleSince_ms: number;
}

/**
 * Copying the store of another monitor, in parts that fit a message, and giving parts to others (MMonSync).
 *
 *     GET_COOKIE_FULL | GET_COOKIE_RECENT -> COOKIE, then GET_CHUNK -> CHUNK ... LAST_CHUNK, or NO_COOKIE: begin anew
 *
 * A full copy takes all tables while the other goes on committing, and all versions of the log committed meanwhile; these are applied again at the end, in order,
 * which makes the copy that of the last one. A recent one takes only versions of the log. A copy that is interrupted is begun anew: until then the store is
 * marked as no store to vote with.
 */
export class StoreSync {
  readonly #owner: StoreSyncOwner;
  readonly #copies = new Map<bigint, Copy>();
  #copyCount = 0;
  #provider: EntityAddrVec | undefined;
  #cookie = noCookie;
  #isFull = false;
  #startVersion = 0;
  #timer: TimerHandle | undefined;
  #isWriting = false;

  constructor(owner: StoreSyncOwner) {
    this.#owner = owner;
  }

  get provider(): EntityAddrVec | undefined {
    return this.#provider;
  }

  /** A copy was begun and not finished. */
  get isInterrupted(): boolean {
    return this.#owner.store.exists(SYNC_TABLE, 'in_sync');
  }

  /** The version that this store had before a copy was begun: one that is older does not replace it. */
  get floor(): number {
    return this.#owner.store.getNumber(SYNC_TABLE, 'last_committed_floor');
  }

  // --- the one who copies

  start(provider: EntityAddrVec, isFull: boolean): void {
    const { store, commitLog } = this.#owner;
    this.stopRequesting();
    this.#copies.clear();
    this.#provider = provider;
    this.#isFull = isFull;
    const ask = (): void => {
      this.#startTimer();
      const op = isFull ? monSyncOp.GET_COOKIE_FULL : monSyncOp.GET_COOKIE_RECENT;
      this.#send(provider, { op, lastCommitted: isFull ? 0 : commitLog.lastCommitted });
    };
    if (!isFull) {
      ask();
      return;
    }
    const t = new StoreTransaction();
    t.putNumber(SYNC_TABLE, 'in_sync', 1);
    t.putNumber(SYNC_TABLE, 'last_committed_floor', Math.max(this.floor, commitLog.lastCommitted));
    for (const table of store.tables()) {
      if (OWN_TABLES.has(table)) continue;
      if (table !== PAXOS) t.eraseRange(table, '', '\u{10ffff}');
      else for (const key of store.keys(PAXOS)) if (key !== 'last_pn' && key !== 'accepted_pn') t.erase(PAXOS, key);
    }
    this.#write(t, () => {
      commitLog.reload();
      ask();
    });
  }

  /** `then` runs unless the copy was given up meanwhile. */
  #write(t: StoreTransaction, then: () => void): void {
    const { commitLog, store } = this.#owner;
    const provider = this.#provider;
    this.#isWriting = true;
    commitLog.whenIdle(() => {
      store.commitSync(t.ops);
      this.#isWriting = false;
      if (provider === this.#provider && this.#owner.isSynchronizing()) then();
    });
  }

  /** Nothing is asked of anybody any more. */
  stopRequesting(): void {
    this.#stopTimer();
    this.#provider = undefined;
    this.#cookie = noCookie;
  }

  stop(): void {
    this.stopRequesting();
    this.#copies.clear();
  }

  /** After a start: what an earlier life had begun is known from the store alone. */
  resumeInterrupted(): void {
    if (this.isInterrupted) this.#owner.logger.log('mon', 0, 'a copy of the store was interrupted; it is begun anew');
  }

  #startTimer(): void {
    this.#stopTimer();
    this.#timer = this.#owner.clock.setTimer(this.#owner.config.num('mon_sync_timeout') * 1000, () => {
      this.#timer = undefined;
      this.#owner.restart('the monitor whose store is copied does not answer');
    });
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #send(to: EntityAddrVec | Connection, fields: Partial<Parameters<typeof MMonSync.encode>[0]> & { op: number }): void {
    const message = MMonSync.encode({
      cookie: noCookie,
      lastCommitted: 0,
      lastKey: ['', ''],
      chunk: noBytes,
      replyTo: { name: makeEntityName(0, 0), addr: EntityAddr.none },
      ...fields,
    });
    if (to instanceof EntityAddrVec) this.#owner.send(to, message);
    else to.send(message);
  }

  handles(message: ReceivedMessage): boolean {
    return message.type === MMonSync.type;
  }

  /** @throws DecodeError */
  handle(message: ReceivedMessage): void {
    const m = MMonSync.decode(message);
    const { connection } = message;
    switch (m.op) {
      case monSyncOp.GET_COOKIE_FULL:
      case monSyncOp.GET_COOKIE_RECENT:
        this.#giveCookie(m, connection);
        return;
      case monSyncOp.GET_CHUNK:
        this.#giveChunk(m, connection);
        return;
      default:
        if (!this.#owner.isSynchronizing() || this.#provider?.equals(connection.peerAddrs) !== true) return;
        if (m.op === monSyncOp.COOKIE) {
          if (this.#cookie !== noCookie) return;
          this.#cookie = m.cookie;
          this.#startVersion = m.lastCommitted;
          this.#startTimer();
          this.#send(this.#provider, { op: monSyncOp.GET_CHUNK, cookie: this.#cookie });
        } else if (m.op === monSyncOp.CHUNK || m.op === monSyncOp.LAST_CHUNK) this.#takeChunk(m);
        else if (m.op === monSyncOp.NO_COOKIE) this.#owner.restart('the monitor whose store is copied has given up');
    }
  }

  #takeChunk(m: ReturnType<typeof MMonSync.decode>): void {
    if (m.cookie !== this.#cookie || this.#isWriting) return;
    const { commitLog, store } = this.#owner;
    const given = StoreTransaction.decode(new Reader(m.chunk));
    const t = new StoreTransaction();
    for (const op of given.ops) {
      const isOwn =
        (OWN_TABLES.has(op.prefix) && !(op.prefix === TABLE && SHARED_KEYS.includes(op.key))) ||
        (op.prefix === PAXOS && OWN_PAXOS_KEYS.has(op.key));
      if (op.kind === 'put' && !isOwn) t.put(op.prefix, op.key, op.value);
    }
    const isLast = m.op === monSyncOp.LAST_CHUNK;
    this.#write(t, () => {
      if (!this.#isFull) {
        this.#replay(commitLog.lastCommitted, m.lastCommitted);
        commitLog.reload();
      }
      if (!isLast) {
        this.#startTimer();
        this.#send(this.#provider!, { op: monSyncOp.GET_CHUNK, cookie: this.#cookie });
        return;
      }
      if (this.#isFull) this.#replay(this.#startVersion, m.lastCommitted);
      const end = new StoreTransaction();
      for (const key of ['in_sync', 'last_committed_floor']) end.erase(SYNC_TABLE, key);
      store.commitSync(end.ops);
      commitLog.reload();
      this.#owner.reload();
      this.#owner.restart(`the store is copied, up to version ${m.lastCommitted}`);
    });
  }

  /** Applies the versions after `from`, which are in the store, in order. */
  #replay(from: number, to: number): void {
    const { store } = this.#owner;
    const t = new StoreTransaction();
    let last = from;
    while (last < to) {
      const value = store.get(PAXOS, last + 1);
      if (value === undefined) break;
      t.append(StoreTransaction.decode(new Reader(value)));
      last++;
    }
    if (last > 0) t.putNumber(PAXOS, 'last_committed', last);
    store.commitSync(t.ops);
  }

  // --- the one who is copied

  #giveCookie(m: ReturnType<typeof MMonSync.decode>, to: Connection): void {
    const { commitLog, clock } = this.#owner;
    if (this.#owner.isSynchronizing() || this.isInterrupted || this.#copies.size >= COPIES_MAX) {
      this.#send(to, { op: monSyncOp.NO_COOKIE, cookie: m.cookie });
      return;
    }
    const cookie = (BigInt(this.#owner.electionEpoch()) << 24n) + BigInt(++this.#copyCount);
    const isFull = m.op === monSyncOp.GET_COOKIE_FULL;
    const copy: Copy = {
      isFull,
      lastCommitted: isFull ? commitLog.lastCommitted : m.lastCommitted,
      next: isFull ? ['', ''] : undefined,
      idleSince_ms: clock.monotonic(),
    };
    this.#copies.set(cookie, copy);
    this.#send(to, { op: monSyncOp.COOKIE, cookie, lastCommitted: copy.lastCommitted });
  }

  #giveChunk(m: ReturnType<typeof MMonSync.decode>, to: Connection): void {
    const { commitLog, store, config, clock } = this.#owner;
    const copy = this.#copies.get(m.cookie);
    if (copy === undefined || (copy.lastCommitted + 1 < commitLog.firstCommitted && commitLog.firstCommitted > 1)) {
      this.#copies.delete(m.cookie);
      this.#send(to, { op: monSyncOp.NO_COOKIE, cookie: m.cookie });
      return;
    }
    copy.idleSince_ms = clock.monotonic();
    const bytes_max = config.num('mon_sync_max_payload_size');
    const keys_max = config.num('mon_sync_max_payload_keys');
    const t = new StoreTransaction();
    const hasRoom = (): boolean => t.size < bytes_max && t.ops.length < keys_max;
    while (copy.lastCommitted < commitLog.lastCommitted && hasRoom()) {
      const value = store.get(PAXOS, copy.lastCommitted + 1);
      if (value === undefined) break;
      copy.lastCommitted++;
      t.put(PAXOS, copy.lastCommitted, value);
    }
    if (copy.next !== undefined && hasRoom()) {
      if (copy.next[0] === '') {
        for (const key of SHARED_KEYS) {
          const value = store.get(TABLE, key);
          if (value !== undefined) t.put(TABLE, key, value);
        }
      }
      const from = copy.next;
      copy.next = undefined;
      for (const [table, key, value] of store.all(...from)) {
        if (OWN_TABLES.has(table)) continue;
        if (!hasRoom()) {
          copy.next = [table, key];
          break;
        }
        t.put(table, key, value);
      }
    }
    const isLast = copy.next === undefined && copy.lastCommitted >= commitLog.lastCommitted;
    if (isLast) this.#copies.delete(m.cookie);
    const w = new Writer(t.size + 64 * t.ops.length + 64);
    t.encode(w);
    this.#send(to, {
      op: isLast ? monSyncOp.LAST_CHUNK : monSyncOp.CHUNK,
      cookie: m.cookie,
      lastCommitted: copy.lastCommitted,
      chunk: w.bytes(),
      ...(copy.next === undefined ? {} : { lastKey: [copy.next[0], copy.next[1]] as [string, string] }),
    });
  }

  /** Forgets copies whose makers are gone. */
  dropIdle(): void {
    const { clock, config } = this.#owner;
    const limit_ms = config.num('mon_sync_timeout') * 2000;
    for (const [cookie, copy] of this.#copies) {
      if (clock.monotonic() - copy.idleSince_ms > limit_ms) this.#copies.delete(cookie);
    }
  }
}
