import { makePoolStat, type PoolStat } from '../types/index.ts';

interface Step {
  readonly delta: PoolStat;
  readonly span_ms: number;
}

/** What changed in a sum over its last few readings: the source of the I/O rates that `ceph -s` shows. */
export class RateWindow {
  readonly #length: number;
  readonly #resetAfter_ms: number;
  #steps: Step[] = [];
  #last: PoolStat | undefined;
  #last_ms = 0;

  /** Looks at the last `length` readings; one that comes more than `resetAfter_ms` late starts afresh. */
  constructor(length: number, resetAfter_ms: number) {
    this.#length = length;
    this.#resetAfter_ms = resetAfter_ms;
  }

  add(sum: PoolStat, now_ms: number): void {
    const last = this.#last;
    const span_ms = now_ms - this.#last_ms;
    this.#last = sum;
    this.#last_ms = now_ms;
    if (last === undefined || span_ms <= 0) return;
    if (span_ms > this.#resetAfter_ms) {
      this.#steps = [];
      return;
    }
    const delta = makePoolStat();
    delta.stats = sum.stats.copy();
    delta.stats.sub(last.stats);
    delta.logSize = sum.logSize - last.logSize;
    delta.ondiskLogSize = sum.ondiskLogSize - last.ondiskLogSize;
    this.#steps.push({ delta, span_ms });
    if (this.#steps.length > this.#length) this.#steps.shift();
  }

  /** The change over the window. */
  get delta(): PoolStat {
    const sum = makePoolStat();
    for (const { delta } of this.#steps) {
      sum.stats.add(delta.stats);
      sum.logSize += delta.logSize;
      sum.ondiskLogSize += delta.ondiskLogSize;
    }
    return sum;
  }

  /** Length of the window in milliseconds. */
  get span_ms(): number {
    return this.#steps.reduce((total, s) => total + s.span_ms, 0);
  }
}
