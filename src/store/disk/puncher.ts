import type { Clock, DiskFile, TimerHandle } from '../../base/index.ts';
import type { AllocationDelta, BlockAllocator } from './allocator.ts';
import { BLOCK_SIZE } from './format.ts';

/** Bytes punched at one time: so much of what is free is not to be had meanwhile. */
const HELD_MAX = 64 * 1024 * 1024;
/** Only where free space is so many times as much: punching is never why a write is refused. */
const FREE_MIN = 8;
/** Between two punches, in milliseconds. */
const PAUSE_MS = 20;
/** Units that are remembered; the oldest beyond are forgotten until they are freed again. */
const UNITS_MAX = 65_536;

export interface PuncherHost {
  readonly clock: Clock;
  readonly allocator: BlockAllocator;
  readonly blocks: DiskFile;
  /** Space is given back once it has been free for so long; 0: never. */
  readonly after_ms: number;
  /** Bytes of the units, at multiples of their size, that are given back where all of a unit is free. */
  readonly unitBytes: number;
  /** It does not work here; said once. */
  notice(message: string): void;
}

/**
 * Gives the space of freed blocks back to the file system, one range at a time, in the background. A range that is being punched is held by the allocator, so
 * nothing can be written to it before the punch has ended; and only blocks get here whose being free is durable, so no crash leads back to their content.
 * What is freed and soon used again is left alone: it pays only to give back what stays free.
 */
export class Puncher {
  readonly #host: PuncherHost;
  readonly #unitBlocks: number;
  /** Units in which blocks were freed, the longest ago first, and when they are due. */
  readonly #due = new Map<number, number>();
  #timer: TimerHandle | undefined;
  #isRunning = false;
  #isOff: boolean;
  #idle: (() => void)[] = [];
  /** Bytes given back since the store was mounted. */
  punched = 0;

  constructor(host: PuncherHost) {
    this.#host = host;
    this.#unitBlocks = Math.max(1, Math.floor(host.unitBytes / BLOCK_SIZE));
    this.#isOff = host.after_ms === 0 || host.blocks.punch === undefined;
  }

  /** A checkpoint is durable that freed these. */
  freed({ freed }: AllocationDelta): void {
    if (this.#isOff || freed.length === 0) return;
    const { clock, after_ms } = this.#host;
    const at = clock.monotonic() + after_ms;
    let last = -1;
    for (let i = 0; i < freed.length; i += 2) {
      const to = Math.floor((freed[i]! + freed[i + 1]! - 1) / this.#unitBlocks);
      for (let unit = Math.floor(freed[i]! / this.#unitBlocks); unit <= to; unit++) {
        if (unit === last) continue;
        last = unit;
        this.#due.delete(unit);
        this.#due.set(unit, at);
      }
    }
    for (const unit of this.#due.keys()) {
      if (this.#due.size <= UNITS_MAX) break;
      this.#due.delete(unit);
    }
    this.#arm(after_ms);
  }

  #arm(delay_ms: number): void {
    if (this.#isOff || this.#isRunning || this.#timer !== undefined || this.#due.size === 0) return;
    this.#timer = this.#host.clock.setTimer(delay_ms, () => {
      this.#timer = undefined;
      this.#next();
    });
  }

  #isReady(unit: number, now: number): boolean {
    const at = this.#due.get(unit);
    const n = this.#unitBlocks;
    return at !== undefined && at <= now && this.#host.allocator.isFree(unit * n, n);
  }

  /** Starts on the first range that is due. */
  #next(): void {
    const { clock, allocator } = this.#host;
    const now = clock.monotonic();
    for (const [unit, at] of this.#due) {
      if (at > now) {
        this.#arm(at - now);
        return;
      }
      if (this.#isReady(unit, now)) {
        const most = Math.floor(HELD_MAX / BLOCK_SIZE / this.#unitBlocks);
        let first = unit;
        let end = unit + 1;
        while (end - first < most && this.#isReady(end, now)) end++;
        while (end - first < most && this.#isReady(first - 1, now)) first--;
        for (let u = first; u < end; u++) this.#due.delete(u);
        const count = (end - first) * this.#unitBlocks;
        if (allocator.free >= count * FREE_MIN) {
          this.#punch(first * this.#unitBlocks, count);
          return;
        }
      } else this.#due.delete(unit);
    }
  }

  #punch(start: number, count: number): void {
    const { allocator, blocks, notice } = this.#host;
    allocator.hold(start, count);
    this.#isRunning = true;
    blocks.punch!(start * BLOCK_SIZE, count * BLOCK_SIZE, (error) => {
      this.#isRunning = false;
      allocator.letGo(start, count);
      if (error === null) {
        this.punched += count * BLOCK_SIZE;
        this.#arm(PAUSE_MS);
      } else if (!this.#isOff) {
        this.#isOff = true;
        notice(`freed space is not given back to the file system: ${error.message}`);
      }
      const idle = this.#idle;
      this.#idle = [];
      for (const done of idle) done();
    });
  }

  /** Begins no more. Resolves when the one under way has ended. */
  stop(): Promise<void> {
    this.#isOff = true;
    if (this.#timer !== undefined) this.#host.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    return new Promise((resolve) => {
      if (this.#isRunning) this.#idle.push(resolve);
      else resolve();
    });
  }
}
