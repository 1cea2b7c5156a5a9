/** Requests in flight and lately done, for dump_ops_in_flight and its siblings, and for slow-request warnings. */
import type { Clock } from '../base/index.ts';
import { formatUtime, utimeFromMs } from '../types/index.ts';
import type { ClientOp } from './ops/client-op.ts';

interface Done {
  readonly description: string;
  readonly started_ms: number;
  readonly duration_ms: number;
}

export interface TrackerLimits {
  /** Done ones kept, and for how long. */
  readonly historySize: number;
  readonly historyDuration_ms: number;
  readonly slow_ms: number;
}

export class OpTracker {
  readonly #clock: Clock;
  limits: TrackerLimits;
  readonly #inFlight = new Set<ClientOp>();
  /** The slowest of late, worst last. */
  #history: Done[] = [];
  slowOps = 0;

  constructor(clock: Clock, limits: TrackerLimits) {
    this.#clock = clock;
    this.limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  begin(op: ClientOp): void {
    this.#inFlight.add(op);
  }

  end(op: ClientOp): void {
    if (!this.#inFlight.delete(op)) return;
    const now = this.#clock.monotonic();
    const duration_ms = now - op.received_ms;
    const h = this.#history;
    const { historySize } = this.limits;
    // Nearly all requests are faster than the slowest ones kept: they cost nothing here.
    if (h.length >= historySize && duration_ms <= h[0]!.duration_ms) return;
    this.#note({ description: op.describe(), started_ms: this.#clock.now() - duration_ms, duration_ms });
  }

  #note(done: Done): void {
    const oldest = this.#clock.now() - this.limits.historyDuration_ms;
    this.#history.push(done);
    this.#history = this.#history
      .filter((d) => d.started_ms + d.duration_ms >= oldest)
      .sort((a, b) => a.duration_ms - b.duration_ms)
      .slice(-this.limits.historySize);
  }

  /** Requests older than the complaint time, and the age of the oldest in milliseconds. */
  slow(): { count: number; oldest_ms: number } {
    const now = this.#clock.monotonic();
    let count = 0;
    let oldest = 0;
    for (const op of this.#inFlight) {
      const age = now - op.received_ms;
      if (age < this.limits.slow_ms) break;
      count++;
      oldest = Math.max(oldest, age);
    }
    return { count, oldest_ms: oldest };
  }

  dumpInFlight(): unknown {
    const now = this.#clock.monotonic();
    const wall = this.#clock.now();
    const ops = [...this.#inFlight].map((op) => ({
      description: op.describe(),
      initiated_at: formatUtime(utimeFromMs(wall - (now - op.received_ms))),
      age: (now - op.received_ms) / 1000,
      duration: (now - op.received_ms) / 1000,
      type_data: { flag_point: op.state },
    }));
    return { ops, num_ops: ops.length };
  }

  dumpHistory(): unknown {
    return {
      size: this.limits.historySize,
      duration: this.limits.historyDuration_ms / 1000,
      ops: this.#history.map((d) => ({
        description: d.description,
        initiated_at: formatUtime(utimeFromMs(d.started_ms)),
        age: (this.#clock.now() - d.started_ms) / 1000,
        duration: d.duration_ms / 1000,
      })),
    };
  }
}
