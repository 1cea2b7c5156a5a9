import { type Clock, type Entropy, SeededEntropy, type TimerHandle } from '../../base/index.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  time_ms: number;

  constructor(time_ms = Date.UTC(2026, 10, 27)) {
    this.time_ms = time_ms;
  }

  now(): number {
    return this.time_ms;
  }

  monotonic(): number {
    return this.time_ms;
  }

  setTimer(): TimerHandle {
    return {};
  }

  clearTimer(): void {}

  defer(fn: () => void): void {
    fn();
  }
}

/** Gives the bytes it was told to, in order; then goes on from a seed. */
export class ScriptedEntropy implements Entropy {
  #script: Uint8Array;
  readonly #rest = new SeededEntropy(1);

  constructor(...parts: Uint8Array[]) {
    this.#script = new Uint8Array(Buffer.concat(parts));
  }

  bytes(length: number): Uint8Array {
    if (this.#script.length === 0) return this.#rest.bytes(length);
    const part = this.#script.slice(0, length);
    this.#script = this.#script.slice(length);
    return part;
  }

  u32(): number {
    const b = this.bytes(4);
    return (b[0]! | (b[1]! << 8) | (b[2]! << 16) | (b[3]! << 24)) >>> 0;
  }

  float(): number {
    return this.u32() / 0x1_0000_0000;
  }
}

/** Script for `entropyU64` to give that value: it draws the upper half first. */
export function u64Script(value: bigint): Uint8Array {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setUint32(0, Number(value >> 32n), true);
  new DataView(b.buffer).setUint32(4, Number(value & 0xffffffffn), true);
  return b;
}
