import { type Clock, errno, type TimerHandle } from '../base/index.ts';
import { Reader } from '../encoding/index.ts';
import type { LingerOp } from './linger-op.ts';
import { NO_BYTES } from './op-build.ts';
import { RadosError } from './rados-error.ts';
import type { WatchedObject, Watches } from './watches.ts';

/** How long after a watch broke it is tried again, at first and at most. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;

/** Answers of a notify: what watchers said, and who said nothing in time. */
export interface NotifyReply {
  readonly acks: { readonly gid: bigint; readonly cookie: bigint; readonly payload: Uint8Array }[];
  readonly timeouts: { readonly gid: bigint; readonly cookie: bigint }[];
}

export function decodeNotifyReply(bytes: Uint8Array): NotifyReply {
  const acks: NotifyReply['acks'] = [];
  const timeouts: NotifyReply['timeouts'] = [];
  if (bytes.length > 0) {
    const r = new Reader(bytes);
    const n = r.count(20);
    for (let i = 0; i < n; i++) acks.push({ gid: r.u64(), cookie: r.u64(), payload: r.blob() });
    const m = r.count(16);
    for (let i = 0; i < m; i++) timeouts.push({ gid: r.u64(), cookie: r.u64() });
  }
  return { acks, timeouts };
}

/** A notify that a watcher got. */
export interface Notify {
  readonly notifyId: bigint;
  /** Whose it is: the number of the client (`Rados.instanceId`). */
  readonly notifierGid: bigint;
  readonly payload: Uint8Array;
  /** To be called once; the notifier waits for it. */
  ack(payload?: Uint8Array): void;
}

export interface WatchOptions {
  /** The OSD takes a watcher that is not heard of for so long as gone. Whole seconds; by default osd_client_watch_timeout, 30 s. */
  readonly timeout_ms?: number | undefined;
  /**
   * Told when the watch is broken: ENOENT (the object was removed), ENOTCONN, ETIMEDOUT. A watch that may be restored is, unless
   * `reconnect` is false, and this is told only where that cannot be.
   */
  readonly onError?: ((error: RadosError) => void) | undefined;
  /** Told when a watch that was broken is there again: notifies in between were missed. */
  readonly onReconnect?: (() => void) | undefined;
  /** Whether a broken watch is restored; true. */
  readonly reconnect?: boolean | undefined;
}

export interface WatchHost {
  readonly watches: Watches;
  readonly clock: Clock;
  readonly object: WatchedObject;
  readonly poolName: string;
}

/**
 * A watch on an object. It outlives lost connections, restarted OSDs and moved PGs; where the OSD took the watcher for dead meanwhile, it
 * is made anew (with another cookie).
 */
export class Watch {
  readonly #host: WatchHost;
  readonly #onNotify: (notify: Notify) => void;
  readonly #options: WatchOptions;
  #linger: LingerOp | undefined;
  #error: RadosError | undefined;
  #isEnded = false;
  #retry_ms = RETRY_MS_MIN;
  #timer: TimerHandle | undefined;

  /** Use {@link IoCtx.watch}. */
  constructor(host: WatchHost, onNotify: (notify: Notify) => void, options: WatchOptions) {
    this.#host = host;
    this.#onNotify = onNotify;
    this.#options = options;
  }

  /** For IoCtx: resolves when the OSD has it. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#register((result) => (result < 0 ? reject(this.#failure(result, 'watch')) : resolve()));
    });
  }

  #failure(result: number, operation: string): RadosError {
    return new RadosError(result, { operation, pool: this.#host.poolName, object: this.#host.object.oid });
  }

  #register(done: (result: number) => void): void {
    const { watches, object } = this.#host;
    const linger = watches.watch(
      object,
      Math.ceil((this.#options.timeout_ms ?? 0) / 1000),
      {
        notify: (notifyId, notifierGid, payload) =>
          this.#onNotify({
            notifyId,
            notifierGid,
            payload,
            ack: (answer = NO_BYTES) => watches.notifyAck(linger, notifyId, answer),
          }),
        error: (code) => this.#broken(linger, code),
      },
      done,
    );
    this.#linger = linger;
  }

  #broken(linger: LingerOp, code: number): void {
    if (this.#isEnded || this.#linger !== linger) return;
    this.#error = this.#failure(-code, 'watch');
    if (this.#options.reconnect === false || code === errno.ESHUTDOWN) {
      this.#options.onError?.(this.#error);
      return;
    }
    // What the OSD still has of it, if anything, goes.
    this.#host.watches.unwatch(linger, () => {});
    this.#restore();
  }

  #restore(): void {
    this.#register((result) => {
      if (this.#isEnded) {
        if (result >= 0) this.#host.watches.unwatch(this.#linger!, () => {});
        return;
      }
      if (result >= 0) {
        this.#error = undefined;
        this.#retry_ms = RETRY_MS_MIN;
        this.#options.onReconnect?.();
      } else if (result === -errno.ENOENT || result === -errno.ESHUTDOWN) {
        this.#error = this.#failure(result, 'watch');
        this.#options.onError?.(this.#error);
      } else {
        this.#timer = this.#host.clock.setTimer(this.#retry_ms, () => {
          this.#timer = undefined;
          if (!this.#isEnded) this.#restore();
        });
        this.#retry_ms = Math.min(this.#retry_ms * 2, RETRY_MS_MAX);
      }
    });
  }

  /** By which the OSD and other clients name it. */
  get cookie(): bigint {
    return this.#linger?.id ?? 0n;
  }

  /** Milliseconds since the OSD last confirmed it. Throws what broke it. */
  check(): number {
    if (this.#error !== undefined) throw this.#error;
    const age = this.#linger === undefined ? -errno.ENOTCONN : this.#host.watches.check(this.#linger);
    if (age < 0) throw this.#failure(age, 'watch');
    return age;
  }

  /** Ends it, here and at the OSD. */
  unwatch(): Promise<void> {
    this.#isEnded = true;
    if (this.#timer !== undefined) this.#host.clock.clearTimer(this.#timer);
    const linger = this.#linger;
    this.#linger = undefined;
    if (linger === undefined) return Promise.resolve();
    return new Promise((resolve, reject) =>
      this.#host.watches.unwatch(linger, (result) =>
        result < 0 ? reject(this.#failure(result, 'unwatch')) : resolve(),
      ),
    );
  }

  /** As {@link unwatch}; that the object or the connection is gone is no error here. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.unwatch();
    } catch (error) {
      if (!(error instanceof RadosError)) throw error;
    }
  }
}
