import type { Clock, DiskFile, TimerHandle } from '../../base/index.ts';
import type { AllocationDelta, BlockAllocator } from './allocator.ts';
import { BLOCK_SIZE } from './format.ts';

/** Bytes punched at one time: so much of what is free is not to be had meanwhile. */
const HELD_MAX = 64 * 1024 * 1024;
/** Only where free space is so many times as much: punching is never why a write is refused. */
const FREE_MIN = 8;
/** Between two punches, in milliseconds, while the store is idle; and where it never is. */
const PAUSE_MS = 20;
const BUSY_PAUSE_MS = 500;
/** How often it is looked whether a store that was busy is idle. */
const BUSY_LOOK_MS = 100;
/** How often it is looked whether the file system has got short of space; where it is, nothing has to have been free for longer than this. */
const SHORT_MS = 20_000;
/** Units that are remembered; the oldest beyond are forgotten, and found again as what a mount finds. */
const UNITS_MAX = 65_536;
/** Units looked at in one turn for what was free when the store was mounted, and how many may stay unfound. */
const SWEPT_PER_TURN = 16_384;
const SURPLUS_UNITS = 16;

export interface PuncherHost {
  readonly clock: Clock;
  readonly allocator: BlockAllocator;
  readonly blocks: DiskFile;
  /** Space is given back once it has been free for so long; 0: never. */
  readonly after_ms: number;
  /** Bytes of the units, at multiples of their size, that are given back where all of a unit is free. */
  readonly unitBytes: number;
  /** Devices are told what is free only where somebody asked for it. */
  readonly discardDevices: boolean;
  /** Whether somebody waits for the device now, or has since the last call. */
  isBusy(): boolean;
  /** Whether the file system has little left. */
  isShort(): boolean;
  /** It does not work here; said once. */
  notice(message: string): void;
}

/**
 * Gives the space of freed blocks back to the file system, one range at a time, in the background. A range that is being punched is held by the allocator, so
 * nothing can be written to it before the punch has ended; and only blocks get here whose being free is durable, so no crash leads back to their content.
 *
 * What is written into a hole costs the file system half as much again as what goes where something lay, so what is freed and soon used again is left alone: space has to
 * have been free for long, unless the file system gets short of it. And a punch keeps syncs waiting: it comes when nothing else does, or at last when that never is.
 */
export class Puncher {
  readonly #host: PuncherHost;
  readonly #unitBlocks: number;
  /** Units in which blocks were freed, the longest ago first, and when. */
  readonly #freed = new Map<number, number>();
  /** From which unit on it is to be seen what was free at `#sweptSince` and still takes space; undefined: nothing is. */
  #sweep: number | undefined;
  #sweptSince = 0;
  #timer: TimerHandle | undefined;
  #isRunning = false;
  #isOff: boolean;
  #idle: (() => void)[] = [];
  /** Bytes given back since the store was mounted. */
  punched = 0;

  constructor(host: PuncherHost) {
    const { blocks } = host;
    this.#host = host;
    this.#unitBlocks = Math.max(1, Math.floor(host.unitBytes / BLOCK_SIZE));
    this.#isOff =
      host.after_ms === 0 || blocks.punch === undefined || (blocks.isDevice === true && !host.discardDevices);
  }

  /** The store is mounted: what was freed before, and not given back, is looked for in its time. */
  start(): void {
    if (this.#isOff || !this.#hasSurplus()) return;
    this.#startSweep();
    this.#arm(this.#host.after_ms);
  }

  /** Whether the block file takes notably more than what it holds. */
  #hasSurplus(): boolean {
    const { allocator, blocks } = this.#host;
    const taken = blocks.takenBytes?.();
    if (taken === undefined) return false;
    const known = (allocator.used + allocator.pendingFree + this.#freed.size * this.#unitBlocks) * BLOCK_SIZE;
    return taken > known + SURPLUS_UNITS * this.#unitBlocks * BLOCK_SIZE;
  }

  #startSweep(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = 0;
    this.#sweptSince = this.#host.clock.monotonic();
  }

  /** A checkpoint is durable that freed these. */
  freed({ freed }: AllocationDelta): void {
    if (this.#isOff || freed.length === 0) return;
    const { clock, after_ms } = this.#host;
    const now = clock.monotonic();
    let last = -1;
    for (let i = 0; i < freed.length; i += 2) {
      const to = Math.floor((freed[i]! + freed[i + 1]! - 1) / this.#unitBlocks);
      for (let unit = Math.floor(freed[i]! / this.#unitBlocks); unit <= to; unit++) {
        if (unit === last) continue;
        last = unit;
        this.#freed.delete(unit);
        this.#freed.set(unit, now);
      }
    }
    for (const unit of this.#freed.keys()) {
      if (this.#freed.size <= UNITS_MAX) break;
      this.#freed.delete(unit);
      this.#startSweep();
    }
    this.#arm(after_ms);
  }

  #arm(delay_ms: number): void {
    if (this.#isOff || this.#isRunning || this.#timer !== undefined) return;
    if (this.#freed.size === 0 && this.#sweep === undefined) return;
    this.#timer = this.#host.clock.setTimer(Math.min(delay_ms, SHORT_MS), () => {
      this.#timer = undefined;
      this.#next();
    });
  }

  #isFree(unit: number): boolean {
    const n = this.#unitBlocks;
    return unit >= 0 && this.#host.allocator.isFree(unit * n, n);
  }

  /** Starts on a range if one is due and this is the time for it. */
  #next(): void {
    const { clock, after_ms, isBusy, isShort } = this.#host;
    const now = clock.monotonic();
    const isHurried = isShort();
    const wait_ms = isHurried ? Math.min(after_ms, SHORT_MS) : after_ms;
    const since = this.#freed.values().next().value ?? this.#sweptSince;
    const due = (this.#sweep === undefined ? since : Math.min(since, this.#sweptSince)) + wait_ms;
    if (due > now) {
      this.#arm(due - now);
      return;
    }
    // One that is never idle does not keep what it freed for ever.
    const busy = isBusy();
    if (busy && !isHurried && now < due + after_ms) {
      this.#arm(Math.min(BUSY_LOOK_MS, after_ms));
      return;
    }
    const pause_ms = Math.min(busy && !isHurried ? BUSY_PAUSE_MS : PAUSE_MS, after_ms);
    const isDue = (unit: number): boolean => {
      const at = this.#freed.get(unit);
      return at !== undefined && at + wait_ms <= now && this.#isFree(unit);
    };
    for (const [unit, at] of this.#freed) {
      if (at + wait_ms > now) break;
      if (isDue(unit)) {
        if (this.#punchAround(unit, isDue, pause_ms)) return;
      } else this.#freed.delete(unit);
    }
    if (this.#sweep !== undefined && this.#sweptSince + wait_ms <= now && this.#sweepOn(pause_ms)) return;
    this.#arm(after_ms);
  }

  /** Goes on in search of what was free when the sweep began. False where all of it was found. */
  #sweepOn(pause_ms: number): boolean {
    const { allocator } = this.#host;
    const units = Math.floor(allocator.blockCount / this.#unitBlocks);
    if (!this.#hasSurplus()) this.#sweep = undefined;
    for (let n = 0; this.#sweep !== undefined; n++) {
      const unit: number = this.#sweep;
      if (unit >= units) {
        this.#sweep = undefined;
        break;
      }
      if (n === SWEPT_PER_TURN) {
        this.#arm(pause_ms);
        return true;
      }
      this.#sweep = unit + 1;
      const isOld = (u: number): boolean => u >= unit && !this.#freed.has(u) && this.#isFree(u);
      if (isOld(unit) && this.#punchAround(unit, isOld, pause_ms)) return true;
    }
    return false;
  }

  /** Punches the range of units around one that all are as that. False where too little is free for it. */
  #punchAround(unit: number, isSuch: (unit: number) => boolean, pause_ms: number): boolean {
    const most = Math.floor(Math.min(HELD_MAX / BLOCK_SIZE, this.#host.allocator.free / FREE_MIN) / this.#unitBlocks);
    if (most === 0) return false;
    let first = unit;
    let end = unit + 1;
    while (end - first < most && isSuch(end)) end++;
    while (end - first < most && isSuch(first - 1)) first--;
    for (let u = first; u < end; u++) this.#freed.delete(u);
    const count = (end - first) * this.#unitBlocks;
    if (this.#sweep !== undefined && first <= this.#sweep && end > this.#sweep) this.#sweep = end;
    this.#punch(first * this.#unitBlocks, count, pause_ms);
    return true;
  }

  #punch(start: number, count: number, pause_ms: number): void {
    const { allocator, blocks, notice } = this.#host;
    allocator.hold(start, count);
    this.#isRunning = true;
    blocks.punch!(start * BLOCK_SIZE, count * BLOCK_SIZE, (error) => {
      this.#isRunning = false;
      allocator.letGo(start, count);
      if (error === null) {
        this.punched += count * BLOCK_SIZE;
        this.#arm(pause_ms);
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
