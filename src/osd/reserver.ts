/**
 * Turns at something that only so many may do at a time (trimming snapshots, scrubbing): who asks waits in a queue until one is free. Used within one daemon.
 */
export class Reserver<K> {
  readonly #held = new Set<K>();
  readonly #waiting = new Map<K, () => void>();
  /** How many may hold a turn now; read at each decision, so that the option behind it may change. */
  readonly #limit: () => number;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Asks for a turn; `granted` is called once, at once or later, unless it is given back before. */
  request(key: K, granted: () => void): void {
    if (this.#held.has(key) || this.#waiting.has(key)) return;
    this.#waiting.set(key, granted);
    this.#grant();
  }

  /** Takes a turn if one is free now. */
  tryTake(key: K): boolean {
    if (this.#held.has(key)) return true;
    if (this.#held.size >= this.#limit()) return false;
    this.#held.add(key);
    return true;
  }

  /** Gives the turn back, or the place in the queue. */
  release(key: K): void {
    this.#waiting.delete(key);
    if (this.#held.delete(key)) this.#grant();
  }

  #grant(): void {
    for (const [key, granted] of this.#waiting) {
      if (this.#held.size >= this.#limit()) return;
      this.#waiting.delete(key);
      this.#held.add(key);
      granted();
    }
  }
}
