/** Randomness. `Seeded` below for simulations and tests; the process's own comes from `runtime`. */
export interface Entropy {
  /** Unpredictable bytes (keys, nonces, cookies). */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 2^32). */
  u32(): number;
  /** Uniform in [0, 1). */
  float(): number;
}

/** Uniform 64-bit value. */
export function entropyU64(entropy: Entropy): bigint {
  return (BigInt(entropy.u32()) << 32n) | BigInt(entropy.u32());
}

/** Uniform integer in [0, n). `n` at most 2^32. */
export function entropyBelow(entropy: Entropy, n: number): number {
  return Math.floor(entropy.float() * n);
}

/** A version 4 UUID in its usual text form. */
export function entropyUuid(entropy: Entropy): string {
  const b = entropy.bytes(16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** xoshiro128** seeded through splitmix32: the same seed gives the same sequence everywhere. Not for secrets. */
export class SeededEntropy implements Entropy {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let s = seed >>> 0;
    const next = (): number => {
      s = (s + 0x9e3779b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() || 1;
  }

  u32(): number {
    const b = this.#b;
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    this.#c ^= this.#a;
    this.#d ^= b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const x = this.u32();
      for (let j = 0; j < 4 && i + j < length; j++) out[i + j] = (x >>> (8 * j)) & 0xff;
    }
    return out;
  }

  /** An independent stream, for a part of a simulation whose draws must not shift another's. */
  fork(): SeededEntropy {
    return new SeededEntropy(this.u32());
  }
}
