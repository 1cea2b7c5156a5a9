import type { Clock, TimerHandle } from '../../base/index.ts';

interface Event {
  at_ms: number;
  order: number;
  fn: (() => void) | undefined;
}

/** Virtual time for tests: nothing happens until `run` or `step` is called. */
export class TestClock implements Clock {
  #now_ms = 0;
  #order = 0;
  readonly #events: Event[] = [];
  /** Set by a power loss: nothing happens any more. */
  stopped = false;

  now(): number {
    return this.#now_ms;
  }

  monotonic(): number {
    return this.#now_ms;
  }

  setTimer(delay_ms: number, fn: () => void): TimerHandle {
    const event: Event = { at_ms: this.#now_ms + Math.max(0, delay_ms), order: this.#order++, fn };
    let i = this.#events.length;
    this.#events.push(event);
    while (i > 0 && this.#events[i - 1]!.at_ms > event.at_ms) {
      this.#events[i] = this.#events[i - 1]!;
      i--;
    }
    this.#events[i] = event;
    return event;
  }

  clearTimer(handle: TimerHandle): void {
    (handle as Event).fn = undefined;
  }

  defer(fn: () => void): void {
    this.setTimer(0, fn);
  }

  /** Lets the next thing happen; false where there is nothing within the limit. */
  step(until_ms = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const event = this.#events[0];
      if (this.stopped || event === undefined || event.at_ms > until_ms) return false;
      this.#events.shift();
      this.#now_ms = event.at_ms;
      const { fn } = event;
      if (fn === undefined) continue;
      event.fn = undefined;
      fn();
      return true;
    }
  }

  /** Lets everything happen that comes within so many milliseconds. */
  run(duration_ms = 1000): void {
    const until_ms = this.#now_ms + duration_ms;
    while (this.step(until_ms));
    if (!this.stopped) this.#now_ms = until_ms;
  }

  /** Lets things happen until the promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    promise.then(end, end);
    for (let idle = 0; !isDone && idle < 100; ) {
      for (let i = 0; i < 8; i++) await undefined;
      if (isDone) break;
      if (this.step()) idle = 0;
      else idle++;
    }
    if (!isDone) throw new Error('the promise waits for something that does not happen');
    return promise;
  }
}
