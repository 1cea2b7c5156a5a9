/** A clock and a network in memory, run event by event from a seed: the messenger's tests drive several messengers in one world. */
import type { Clock, Endpoint, Listener, Network, Socket, SocketHandler, TimerHandle } from '../../base/index.ts';
import { SeededEntropy } from '../../base/index.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  cancelled: boolean;
}

export interface WorldOptions {
  readonly seed?: number;
  /** Cuts what is written into chunks for the reader: bytes of the next chunk, of `available`. Default: as written. */
  readonly chunk?: (entropy: SeededEntropy, available: number) => number;
  /** Milliseconds that a chunk travels. */
  readonly latency_ms?: (entropy: SeededEntropy) => number;
  /** Whether a write backs the socket up for a millisecond. */
  readonly isBackedUp?: (entropy: SeededEntropy) => boolean;
}

export class FakeWorld {
  readonly entropy: SeededEntropy;
  readonly clock: Clock;
  readonly network: FakeNetwork;
  readonly options: WorldOptions;
  #now = 0;
  #order = 0;
  #events: Event[] = [];

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.entropy = new SeededEntropy(options.seed ?? 1);
    this.network = new FakeNetwork(this);
    this.clock = {
      now: () => 1_700_000_000_000 + this.#now,
      monotonic: () => this.#now,
      setTimer: (delay_ms, fn) => this.at(delay_ms, fn) as TimerHandle,
      clearTimer: (handle) => {
        (handle as Event).cancelled = true;
      },
      defer: (fn) => {
        this.at(0, fn);
      },
    };
  }

  at(delay_ms: number, fn: () => void): Event {
    const event = { at: this.#now + delay_ms, order: this.#order++, fn, cancelled: false };
    // Kept sorted: binary search for the place.
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.#events[mid]!.at <= event.at) low = mid + 1;
      else high = mid;
    }
    this.#events.splice(low, 0, event);
    return event;
  }

  /** Runs events until none is left, `until` holds, or `limit_ms` of its time passed. True where `until` holds. */
  run(until?: () => boolean, limit_ms = 60_000): boolean {
    const end = this.#now + limit_ms;
    for (;;) {
      if (until?.() === true) return true;
      const event = this.#events[0];
      if (event === undefined || event.at > end) {
        this.#now = event === undefined ? this.#now : end;
        return until === undefined;
      }
      this.#events.shift();
      if (event.cancelled) continue;
      this.#now = event.at;
      event.fn();
    }
  }
}

export class FakeSocket implements Socket {
  handler: SocketHandler | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  pendingBytes = 0;
  peer: FakeSocket | undefined;
  isOpen = true;
  bytesWritten = 0;
  /** Called before each chunk arrives here; false: the connection breaks instead. */
  onDeliver: ((bytesReceived: number) => boolean) | undefined;
  bytesReceived = 0;
  /** Chunks as they arrived here. */
  record: Uint8Array[] | undefined;
  readonly #world: FakeWorld;
  readonly #inbox: Uint8Array[] = [];
  #isPaused = false;
  #lastArrival = 0;

  constructor(world: FakeWorld, local: Endpoint, remote: Endpoint) {
    this.#world = world;
    this.local = local;
    this.remote = remote;
  }

  write(buffers: readonly Uint8Array[]): boolean {
    if (!this.isOpen) return true;
    const peer = this.peer;
    for (const buffer of buffers) {
      this.bytesWritten += buffer.length;
      // A copy, so that a sender that changes what it gave away is found out by nobody but itself; cut as the world wants it.
      const bytes = Uint8Array.from(buffer);
      let at = 0;
      while (at < bytes.length) {
        const left = bytes.length - at;
        const n = Math.max(1, Math.min(left, this.#world.options.chunk?.(this.#world.entropy, left) ?? left));
        const chunk = bytes.subarray(at, at + n);
        at += n;
        this.#later(() => peer?.deliver(chunk));
      }
    }
    if (this.#world.options.isBackedUp?.(this.#world.entropy) !== true) return true;
    this.#world.at(1, () => this.handler?.drain());
    return false;
  }

  /** Everything was copied. */
  isFlushed(): boolean {
    return true;
  }

  #later(fn: () => void): void {
    const now = this.#world.clock.monotonic();
    const latency = this.#world.options.latency_ms?.(this.#world.entropy) ?? 0;
    this.#lastArrival = Math.max(this.#lastArrival, now + latency);
    this.#world.at(this.#lastArrival - now, fn);
  }

  deliver(chunk: Uint8Array): void {
    if (!this.isOpen) return;
    this.#inbox.push(chunk);
    this.#drain();
  }

  #drain(): void {
    while (this.isOpen && !this.#isPaused) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) return;
      this.bytesReceived += chunk.length;
      if (this.onDeliver?.(this.bytesReceived) === false) {
        this.break();
        return;
      }
      this.record?.push(chunk);
      this.#hand(chunk);
    }
  }

  /** As a real socket does: into the place that the handler wants filled, where it names one. */
  #hand(chunk: Uint8Array): void {
    const target = this.handler?.target?.();
    if (target === undefined) {
      this.handler?.data(chunk);
      return;
    }
    const length = Math.min(target.length, chunk.length);
    target.set(chunk.subarray(0, length));
    this.handler?.filled?.(length);
    if (length === chunk.length) return;
    this.#inbox.unshift(chunk.subarray(length));
    this.bytesReceived -= chunk.length - length;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#world.at(0, () => this.#drain());
  }

  /** The connection is lost for both ends. */
  break(): void {
    this.#lost(new Error('reset'));
    const peer = this.peer;
    this.#world.at(0, () => peer?.arriveEnd(new Error('reset')));
  }

  arriveEnd(error: Error | undefined): void {
    this.#lost(error);
  }

  #lost(error: Error | undefined): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const handler = this.handler;
    this.handler = undefined;
    handler?.closed(error);
  }

  destroy(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.handler = undefined;
    const peer = this.peer;
    this.#later(() => peer?.arriveEnd(undefined));
  }

  end(): void {
    this.destroy();
  }
}

export class FakeNetwork implements Network {
  readonly #world: FakeWorld;
  readonly #listeners = new Map<number, (socket: Socket) => void>();
  /** Told of each new connection: dialling end, listening end. */
  onConnection: ((dialling: FakeSocket, listening: FakeSocket) => void) | undefined;
  #nextPort = 40_000;

  constructor(world: FakeWorld) {
    this.#world = world;
  }

  listen(at: Endpoint, onSocket: (socket: Socket) => void): Promise<Listener> {
    const port = at.port === 0 ? this.#nextPort++ : at.port;
    if (this.#listeners.has(port)) return Promise.reject(Object.assign(new Error('in use'), { code: 'EADDRINUSE' }));
    this.#listeners.set(port, onSocket);
    return Promise.resolve({
      endpoint: { host: at.host, port },
      close: () => {
        this.#listeners.delete(port);
      },
    });
  }

  connect(to: Endpoint, onConnected: (socket: Socket) => void, onFailed: (error: Error) => void): { cancel(): void } {
    const latency = this.#world.options.latency_ms?.(this.#world.entropy) ?? 0;
    const event = this.#world.at(latency, () => {
      const onSocket = this.#listeners.get(to.port);
      if (onSocket === undefined) {
        onFailed(Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }));
        return;
      }
      const from = { host: '127.0.0.1', port: this.#nextPort++ };
      const dialling = new FakeSocket(this.#world, from, to);
      const listening = new FakeSocket(this.#world, to, from);
      dialling.peer = listening;
      listening.peer = dialling;
      this.onConnection?.(dialling, listening);
      onSocket(listening);
      onConnected(dialling);
    });
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }
}
