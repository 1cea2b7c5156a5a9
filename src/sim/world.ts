import { createHash } from 'node:crypto';
import { type Clock, invariant, SeededEntropy, type TimerHandle } from '../base/index.ts';

/** Something that will happen: when, in which order among those of one instant, on which node (undefined: to the world itself). */
interface Event {
  readonly at_ms: number;
  readonly order: number;
  readonly node: SimNode | undefined;
  /** The node's life in which it was scheduled: what an earlier life awaited does not happen to a later one. */
  readonly life: number;
  fn: (() => void) | undefined;
}

/** How many steps of promise chains go on after each event. */
const MICROTASK_ROUNDS = 4;
/** How many steps of promise chains are waited for where no event is left. */
const IDLE_ROUNDS_MAX = 100;

/** Wall time of the simulation's start: any constant will do. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

/**
 * Virtual time and its events. Everything that happens in a simulation happens in `run`, one event after another, in an order that the
 * seed alone decides; the trace is a running hash (and, if asked, the lines) of what happened.
 */
export class SimWorld {
  readonly entropy: SeededEntropy;
  readonly #heap: Event[] = [];
  readonly #trace = createHash('sha256');
  readonly #keepLines: boolean;
  readonly lines: string[] = [];
  #now_ms = 0;
  #order = 0;
  #events = 0;

  constructor(seed: number, options: { keepLines?: boolean } = {}) {
    this.entropy = new SeededEntropy(seed);
    this.#keepLines = options.keepLines ?? false;
  }

  /** Milliseconds since the simulation began. */
  get now_ms(): number {
    return this.#now_ms;
  }

  /** Number of events that have happened. */
  get events(): number {
    return this.#events;
  }

  /** Hash of the trace so far. */
  digest(): string {
    return this.#trace.copy().digest('hex');
  }

  /** Adds a line to the trace. */
  trace(line: string): void {
    const text = `${this.#now_ms.toFixed(6)} ${line}\n`;
    this.#trace.update(text);
    if (this.#keepLines) this.lines.push(text);
  }

  schedule(delay_ms: number, fn: () => void, node?: SimNode): Event {
    const event: Event = {
      at_ms: this.#now_ms + Math.max(0, delay_ms),
      order: this.#order++,
      node,
      life: node?.life ?? 0,
      fn,
    };
    this.#push(event);
    return event;
  }

  /**
   * Lets time pass until `done` holds, `until_ms` is reached or nothing is left to happen. Resolves to whether `done` held. Promises that
   * an event settles go on between it and the next (a daemon's start is asynchronous); their order too is the same every time.
   */
  async run(until_ms: number, done: () => boolean = () => false): Promise<boolean> {
    let idleRounds = 0;
    while (!done()) {
      const next = this.#heap[0];
      if (next === undefined || next.at_ms > until_ms) {
        // A promise that is on its way may yet schedule something.
        if (idleRounds++ < IDLE_ROUNDS_MAX) {
          await undefined;
          continue;
        }
        this.#now_ms = Math.max(this.#now_ms, Math.min(until_ms, next?.at_ms ?? until_ms));
        return done();
      }
      idleRounds = 0;
      this.#pop();
      this.#now_ms = next.at_ms;
      const { fn, node, life } = next;
      next.fn = undefined;
      if (fn === undefined || (node !== undefined && (node.life !== life || !node.alive))) continue;
      this.#events++;
      fn();
      for (let i = 0; i < MICROTASK_ROUNDS; i++) await undefined;
    }
    return true;
  }

  #before(a: Event, b: Event): boolean {
    return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    invariant(last !== undefined, 'an empty event heap was popped');
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

/** A machine in the simulation: a name, an address, and lives that end in crashes. */
export class SimNode {
  readonly name: string;
  readonly host: string;
  readonly world: SimWorld;
  /** Counts its starts; events of an earlier life are void. */
  life = 0;
  alive = false;
  /** Wall clock minus true time, milliseconds. */
  skew_ms = 0;

  constructor(world: SimWorld, name: string, host: string) {
    this.world = world;
    this.name = name;
    this.host = host;
  }

  start(): void {
    invariant(!this.alive, 'a node that runs was started', { node: this.name });
    this.life++;
    this.alive = true;
    this.world.trace(`${this.name} starts`);
  }

  /** Ends this life at once: no timer, packet or disk completion of it happens any more. */
  crash(): void {
    invariant(this.alive, 'a node that does not run was crashed', { node: this.name });
    this.alive = false;
    this.world.trace(`${this.name} crashes`);
  }

  /** The clock that the node's present life runs by. */
  clock(): Clock {
    const { world } = this;
    return {
      now: () => EPOCH_MS + world.now_ms + this.skew_ms,
      monotonic: () => world.now_ms,
      setTimer: (delay_ms, fn) => world.schedule(delay_ms, fn, this) as TimerHandle,
      clearTimer: (handle) => {
        (handle as Event).fn = undefined;
      },
      defer: (fn) => {
        world.schedule(0, fn, this);
      },
    };
  }
}
