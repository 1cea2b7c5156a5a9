/**
 * Watches and notifies, on the primary. A watch is registered in the object and lives while its client pings; a notify goes to every watch and ends when all
 * have acknowledged or its time is up.
 */
import type { Clock, TimerHandle } from '../base/index.ts';
import { errno } from '../base/index.ts';
import { Writer } from '../encoding/index.ts';
import type { Connection, WireMessage } from '../msgr/index.ts';
import type { EntityName } from '../types/index.ts';

const CEPH_MSG_WATCH_NOTIFY = 44;
/** CEPH_WATCH_EVENT_*. */
const watchEvent = { NOTIFY: 1, NOTIFY_COMPLETE: 2, DISCONNECT: 3 } as const;
const EMPTY = new Uint8Array(0);
const NO_DATA: readonly Uint8Array[] = [];

/**
 * MWatchNotify version 3: u8 1, u8 event, u64 cookie, u64 version, u64 notify id, payload, s32 result, u64 gid of the notifier. The outcome of a notify
 * is in the data segment.
 */
function watchNotify(
  event: number,
  cookie: bigint,
  version: number,
  id: bigint,
  payload: Uint8Array,
  result: number,
  notifier: number,
  data: readonly Uint8Array[] = NO_DATA,
): WireMessage {
  const w = new Writer(64 + payload.length);
  w.u8(1);
  w.u8(event);
  w.u64(cookie);
  w.u64num(version);
  w.u64(id);
  w.blob(payload);
  w.s32(result);
  w.u64num(notifier);
  return {
    type: CEPH_MSG_WATCH_NOTIFY,
    version: 3,
    compatVersion: 1,
    priority: 127,
    tid: 0,
    front: w.bytes(),
    middle: EMPTY,
    data,
    dataOffset: 0,
  };
}

/** Per connection: the watches that it carries. */
export interface WatchSession {
  readonly watches: Set<Watch>;
}

export class Watch {
  readonly cookie: bigint;
  readonly entity: EntityName;
  readonly timeout_s: number;
  readonly #clock: Clock;
  readonly #onTimeout: (watch: Watch) => void;
  #connection: Connection | undefined;
  #session: WatchSession | undefined;
  #willPing = false;
  #timer: TimerHandle | undefined;
  #discarded = false;
  lastPing_ms: number;
  /** Notifies that this watch has not acknowledged. */
  readonly #open = new Map<bigint, Notify>();

  /** Begins disconnected, its time running. */
  constructor(clock: Clock, cookie: bigint, entity: EntityName, timeout_s: number, onTimeout: (watch: Watch) => void) {
    this.#clock = clock;
    this.cookie = cookie;
    this.entity = entity;
    this.timeout_s = timeout_s;
    this.#onTimeout = onTimeout;
    this.lastPing_ms = clock.now();
    this.#arm();
  }

  get connected(): boolean {
    return this.#connection?.isConnected === true;
  }

  #arm(): void {
    this.#disarm();
    if (this.#discarded) return;
    this.#timer = this.#clock.setTimer(this.timeout_s * 1000, () => {
      this.#timer = undefined;
      if (!this.#discarded) this.#onTimeout(this);
    });
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** The client speaks for the watch through this connection. Without pings, only the connection's end starts the time. */
  connect(connection: Connection, session: WatchSession, willPing: boolean): void {
    if (this.#session !== session) this.#session?.watches.delete(this);
    this.#connection = connection;
    this.#session = session;
    session.watches.add(this);
    this.#willPing = willPing;
    this.lastPing_ms = this.#clock.now();
    if (willPing) this.#arm();
    else this.#disarm();
    for (const n of this.#open.values()) this.#send(n);
  }

  /** The connection ended: the client has the timeout to come back. */
  disconnect(): void {
    this.#connection = undefined;
    this.#session = undefined;
    this.#arm();
  }

  ping(): void {
    this.lastPing_ms = this.#clock.now();
    if (this.#willPing) this.#arm();
  }

  /** The watch is no more. Open notifies wait for it no longer. */
  remove(tell: boolean): void {
    if (tell && this.#connection !== undefined) {
      this.#connection.send(watchNotify(watchEvent.DISCONNECT, this.cookie, 0, 0n, EMPTY, 0, 0));
    }
    const open = [...this.#open.values()];
    this.discard();
    for (const n of open) n.gone(this);
  }

  /** Forgets the watch without a word; another primary goes on with it. */
  discard(): void {
    this.#discarded = true;
    this.#disarm();
    this.#session?.watches.delete(this);
    this.#session = undefined;
    this.#connection = undefined;
    this.#open.clear();
  }

  #send(n: Notify): void {
    this.#connection?.send(watchNotify(watchEvent.NOTIFY, this.cookie, n.version, n.id, n.payload, 0, n.notifier));
  }

  startNotify(n: Notify): void {
    this.#open.set(n.id, n);
    if (this.connected) this.#send(n);
  }

  acknowledge(id: bigint, reply: Uint8Array): void {
    const n = this.#open.get(id);
    if (n === undefined) return;
    this.#open.delete(id);
    n.acknowledged(this, reply);
  }

  notifyEnded(id: bigint): void {
    this.#open.delete(id);
  }
}

/** One notify in progress. */
export class Notify {
  readonly id: bigint;
  readonly cookie: bigint;
  readonly payload: Uint8Array;
  readonly version: number;
  /** Global id of the client that notifies. */
  readonly notifier: number;
  readonly #connection: Connection;
  readonly #waiting = new Set<Watch>();
  readonly #replies: { gid: number; cookie: bigint; reply: Uint8Array }[] = [];
  readonly #missed: { gid: number; cookie: bigint }[] = [];
  #timer: TimerHandle | undefined;
  readonly #clock: Clock;
  #done = false;

  constructor(
    clock: Clock,
    connection: Connection,
    notifier: number,
    id: bigint,
    cookie: bigint,
    payload: Uint8Array,
    version: number,
  ) {
    this.#clock = clock;
    this.#connection = connection;
    this.notifier = notifier;
    this.id = id;
    this.cookie = cookie;
    this.payload = payload;
    this.version = version;
  }

  start(watches: Iterable<Watch>, timeout_s: number): void {
    for (const w of watches) this.#waiting.add(w);
    this.#timer = this.#clock.setTimer(timeout_s * 1000, () => {
      this.#timer = undefined;
      this.#timedOut();
    });
    for (const w of [...this.#waiting]) w.startNotify(this);
    this.#maybeDone(0);
  }

  acknowledged(w: Watch, reply: Uint8Array): void {
    if (!this.#waiting.delete(w)) return;
    this.#replies.push({ gid: w.entity.num, cookie: w.cookie, reply: reply.slice() });
    this.#maybeDone(0);
  }

  /** A watch that will not answer any more. */
  gone(w: Watch): void {
    if (this.#waiting.delete(w)) this.#maybeDone(0);
  }

  #timedOut(): void {
    for (const w of this.#waiting) {
      w.notifyEnded(this.id);
      this.#missed.push({ gid: w.entity.num, cookie: w.cookie });
    }
    this.#waiting.clear();
    this.#maybeDone(-errno.ETIMEDOUT);
  }

  /** The answer: multimap of (gid, cookie) to reply, then the list of those that missed it. */
  #maybeDone(result: number): void {
    if (this.#done || this.#waiting.size > 0) return;
    this.#done = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#replies.sort((a, b) => a.gid - b.gid || (a.cookie < b.cookie ? -1 : 1));
    const w = new Writer(128);
    w.u32(this.#replies.length);
    for (const x of this.#replies) {
      w.u64num(x.gid);
      w.u64(x.cookie);
      w.blob(x.reply);
    }
    w.u32(this.#missed.length);
    for (const x of this.#missed) {
      w.u64num(x.gid);
      w.u64(x.cookie);
    }
    this.#connection.send(
      watchNotify(watchEvent.NOTIFY_COMPLETE, this.cookie, this.version, this.id, EMPTY, result, this.notifier, [
        w.bytes(),
      ]),
    );
  }
}
