import type { Clock, TimerHandle } from '../base/index.ts';

/** A clock that moves when told to; deferred calls run with `settle`. For unit tests. */
export class ManualClock implements Clock {
  #now_ms: number;
  #timers: { at_ms: number; fn: () => void }[] = [];
  #deferred: (() => void)[] = [];

  constructor(now_ms = 1_700_000_000_000) {
    this.#now_ms = now_ms;
  }

  now(): number {
    return this.#now_ms;
  }

  monotonic(): number {
    return this.#now_ms - 1_600_000_000_000;
  }

  setTimer(delay_ms: number, fn: () => void): TimerHandle {
    const timer = { at_ms: this.#now_ms + delay_ms, fn };
    this.#timers.push(timer);
    return timer;
  }

  clearTimer(handle: TimerHandle): void {
    this.#timers = this.#timers.filter((t) => t !== handle);
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn);
  }

  /** Runs deferred calls, and those they defer. */
  settle(): void {
    for (let fn = this.#deferred.shift(); fn !== undefined; fn = this.#deferred.shift()) fn();
  }

  advance(ms: number): void {
    const end = this.#now_ms + ms;
    this.settle();
    for (;;) {
      const next = this.#timers.filter((t) => t.at_ms <= end).sort((a, b) => a.at_ms - b.at_ms)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.#now_ms = Math.max(this.#now_ms, next.at_ms);
      next.fn();
      this.settle();
    }
    this.#now_ms = end;
  }
}
