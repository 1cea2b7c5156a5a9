/** Whoever waits for room. */
export interface ThrottleWaiter {
  /** There may be room now; ask again. */
  throttleOpened(): void;
}

/**
 * A budget in bytes or messages. One bigger than the whole budget passes when the budget is not overdrawn, as in Ceph, so that nothing waits
 * for ever.
 */
export class Throttle {
  readonly max: number;
  #current = 0;
  readonly #waiting = new Set<ThrottleWaiter>();
  #waking = false;

  constructor(max: number) {
    this.max = max;
  }

  get current(): number {
    return this.#current;
  }

  /** False: no room; `waiter` is told when there may be. */
  tryTake(amount: number, waiter: ThrottleWaiter): boolean {
    const fits = amount < this.max ? this.#current + amount <= this.max : this.#current <= this.max;
    if (!fits) {
      this.#waiting.add(waiter);
      return false;
    }
    this.#current += amount;
    return true;
  }

  give(amount: number): void {
    this.#current -= amount;
    if (this.#waiting.size > 0) this.#wake();
  }

  /** Stops telling it. */
  forget(waiter: ThrottleWaiter): void {
    this.#waiting.delete(waiter);
  }

  #wake(): void {
    if (this.#waking) return; // a waiter that gives back at once is served by the loop below
    this.#waking = true;
    try {
      // Oldest first; one that has to wait again goes to the end, so this round asks each of them once.
      for (let left = this.#waiting.size; left > 0 && this.#current < this.max; left--) {
        const [waiter] = this.#waiting;
        if (waiter === undefined) return;
        this.#waiting.delete(waiter);
        waiter.throttleOpened();
      }
    } finally {
      this.#waking = false;
    }
  }
}
