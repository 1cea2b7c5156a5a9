import type { Clock, Listener, Network, Socket, TimerHandle } from '../base/index.ts';
import { systemClock } from './clock.ts';
import { makeTcpNetwork } from './network.ts';

/** How long sockets that were ended get to tell so. */
const CLOSING_MS = 1000;

/**
 * The clock and the network of one daemon among several in a process. What it has pending and open ends with {@link Scope.end}, as it would with a
 * process of its own; nothing of it is called after that.
 */
export class Scope {
  readonly clock: Clock;
  readonly network: Network;
  readonly #timers = new Set<{ handle: TimerHandle }>();
  readonly #open = new Set<Listener | Socket>();
  readonly #dials = new Set<{ cancel(): void }>();
  #ended = false;

  constructor() {
    this.clock = {
      now: systemClock.now,
      monotonic: systemClock.monotonic,
      setTimer: (delay_ms, fn) => {
        const timer = { handle: undefined as unknown as TimerHandle };
        if (this.#ended) return timer;
        timer.handle = systemClock.setTimer(delay_ms, () => {
          this.#timers.delete(timer);
          fn();
        });
        this.#timers.add(timer);
        return timer;
      },
      clearTimer: (handle) => {
        const timer = handle as { handle: TimerHandle };
        if (this.#timers.delete(timer)) systemClock.clearTimer(timer.handle);
      },
      defer: (fn) => {
        systemClock.defer(() => {
          if (!this.#ended) fn();
        });
      },
    };
    const tcp = makeTcpNetwork(this.#open);
    this.network = {
      listen: async (at, onSocket) => {
        const listener = await tcp.listen(at, (socket) => {
          if (this.#ended) socket.destroy();
          else onSocket(socket);
        });
        if (this.#ended) listener.close();
        return listener;
      },
      connect: (to, onConnected, onFailed) => {
        if (this.#ended) return { cancel() {} };
        const dial = tcp.connect(
          to,
          (socket) => {
            this.#dials.delete(dial);
            onConnected(socket);
          },
          (error) => {
            this.#dials.delete(dial);
            onFailed(error);
          },
        );
        this.#dials.add(dial);
        return {
          cancel: () => {
            this.#dials.delete(dial);
            dial.cancel();
          },
        };
      },
    };
  }

  /** Timers pending, and sockets open or being dialled. */
  get pending(): { readonly timers: number; readonly sockets: number } {
    return { timers: this.#timers.size, sockets: this.#open.size + this.#dials.size };
  }

  /** Ends everything at once. Resolves when the system has closed it all, or after a second. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const timer of this.#timers) systemClock.clearTimer(timer.handle);
    this.#timers.clear();
    for (const dial of this.#dials) dial.cancel();
    this.#dials.clear();
    for (const end of this.#open) {
      if ('destroy' in end) end.destroy();
      else end.close();
    }
    const until = systemClock.monotonic() + CLOSING_MS;
    while (this.#open.size > 0 && systemClock.monotonic() < until)
      await new Promise((resolve) => setImmediate(resolve));
  }
}
