/** A pending timer; opaque to everyone but the clock that made it. */
export type TimerHandle = { readonly timer: unique symbol } | object;

/** Time. The only way the cores learn of it, so that a simulation can own it. */
export interface Clock {
  /** Wall time in milliseconds since 1970 (fractions allowed). May jump. For stamps that leave the process. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For intervals and timeouts. */
  monotonic(): number;
  /** Calls `fn` once after at least `delay_ms`. */
  setTimer(delay_ms: number, fn: () => void): TimerHandle;
  clearTimer(handle: TimerHandle): void;
  /** Calls `fn` after the events that are already waiting: for batching the output of one turn. Runs in order of calls. */
  defer(fn: () => void): void;
}
