import {
  type Clock,
  type Endpoint,
  ErrnoError,
  type Listener,
  type Network,
  SeededEntropy,
  type Socket,
  type SocketHandler,
  type TimerHandle,
} from '../../base/index.ts';

interface Event {
  readonly at_ms: number;
  readonly order: number;
  fn: (() => void) | undefined;
}

/** Milliseconds that bytes travel. */
const LATENCY_MS = 1;
/** Bytes that arrive at once, at most. */
const CHUNK_MAX = 40_000;

/** Time and a network in memory: what happens does so in {@link World.run}, in one order. */
export class World implements Clock, Network {
  readonly entropy = new SeededEntropy(7);
  #now = 0;
  #order = 0;
  #events: Event[] = [];
  readonly #listeners = new Map<string, (socket: Socket) => void>();
  #port = 40_000;

  now(): number {
    return Date.UTC(2026, 10, 27) + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(delay_ms: number, fn: () => void): TimerHandle {
    const event: Event = { at_ms: this.#now + delay_ms, order: this.#order++, fn };
    this.#events.push(event);
    return event;
  }

  clearTimer(handle: TimerHandle): void {
    (handle as Event).fn = undefined;
  }

  defer(fn: () => void): void {
    this.setTimer(0, fn);
  }

  /** Lets things happen until `until` holds. Fails where it does not within `limit_ms`. */
  async run(until: () => boolean, limit_ms = 60_000): Promise<void> {
    const end = this.#now + limit_ms;
    for (;;) {
      for (let i = 0; i < 4; i++) await undefined;
      if (until()) return;
      this.#events = this.#events.filter((e) => e.fn !== undefined);
      const next = this.#events.reduce<Event | undefined>(
        (a, b) => (a === undefined || b.at_ms < a.at_ms || (b.at_ms === a.at_ms && b.order < a.order) ? b : a),
        undefined,
      );
      if (next === undefined || next.at_ms > end) throw new Error(`it did not happen within ${limit_ms} ms`);
      this.#now = Math.max(this.#now, next.at_ms);
      const { fn } = next;
      next.fn = undefined;
      fn?.();
    }
  }

  /** Waits for a promise while things happen. */
  async settle<T>(promise: Promise<T>, limit_ms = 60_000): Promise<T> {
    let isDone = false;
    const tracked = promise.finally(() => {
      isDone = true;
    });
    tracked.catch(() => {});
    await this.run(() => isDone, limit_ms);
    return tracked;
  }

  /** Lets a span of time pass. */
  async pass(span_ms: number): Promise<void> {
    let isOver = false;
    this.setTimer(span_ms, () => {
      isOver = true;
    });
    await this.run(() => isOver, span_ms + 1);
  }

  listen(at: Endpoint, onSocket: (socket: Socket) => void): Promise<Listener> {
    const key = `${at.host}:${at.port}`;
    this.#listeners.set(key, onSocket);
    return Promise.resolve({ endpoint: at, close: () => this.#listeners.delete(key) });
  }

  connect(to: Endpoint, onConnected: (socket: Socket) => void, onFailed: (error: Error) => void): { cancel(): void } {
    const timer = this.setTimer(LATENCY_MS, () => {
      const onSocket = this.#listeners.get(`${to.host}:${to.port}`);
      if (onSocket === undefined) {
        onFailed(new ErrnoError('ECONNREFUSED', `${to.host}:${to.port}`));
        return;
      }
      const from: Endpoint = { host: '127.0.0.1', port: this.#port++ };
      const [near, far] = [new Pipe(this, from, to), new Pipe(this, to, from)];
      near.other = far;
      far.other = near;
      onSocket(far);
      onConnected(near);
    });
    return { cancel: () => this.clearTimer(timer) };
  }
}

class Pipe implements Socket {
  handler: SocketHandler | undefined;
  other!: Pipe;
  readonly pendingBytes = 0;
  readonly #world: World;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  #isClosed = false;
  #isPaused = false;
  #held: Uint8Array[] = [];

  constructor(world: World, local: Endpoint, remote: Endpoint) {
    this.#world = world;
    this.local = local;
    this.remote = remote;
  }

  write(buffers: readonly Uint8Array[]): boolean {
    if (this.#isClosed) return true;
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; at += CHUNK_MAX) {
        const copy = buffer.slice(at, at + CHUNK_MAX);
        this.#world.setTimer(LATENCY_MS, () => this.other.#deliver(copy));
      }
    }
    return true;
  }

  #deliver(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#isPaused) this.#held.push(chunk);
    else this.handler?.data(chunk);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused && this.#held.length > 0) this.#deliver(this.#held.shift()!);
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { other } = this;
    this.#world.setTimer(LATENCY_MS, () => {
      if (other.#isClosed) return;
      other.#isClosed = true;
      other.handler?.closed();
    });
  }

  end(): void {
    this.destroy();
  }
}
