import type { Reader, Writer } from '../../encoding/index.ts';

/** A set of byte ranges: sorted, disjoint, never adjacent. Bytes as doubles (exact below 2^53). */
export class Ranges {
  /** start, length, start, length, ... */
  readonly #pairs: number[];

  constructor(pairs: readonly number[] = []) {
    this.#pairs = [...pairs];
  }

  static of(start: number, length: number): Ranges {
    return new Ranges(length > 0 ? [start, length] : []);
  }

  get empty(): boolean {
    return this.#pairs.length === 0;
  }

  get count(): number {
    return this.#pairs.length / 2;
  }

  /** Bytes in all. */
  get size(): number {
    let n = 0;
    for (let i = 1; i < this.#pairs.length; i += 2) n += this.#pairs[i]!;
    return n;
  }

  start(i: number): number {
    return this.#pairs[2 * i]!;
  }

  length(i: number): number {
    return this.#pairs[2 * i + 1]!;
  }

  clone(): Ranges {
    return new Ranges(this.#pairs);
  }

  clear(): void {
    this.#pairs.length = 0;
  }

  /** Adds [start, start+length). */
  add(start: number, length: number): void {
    if (length <= 0) return;
    const p = this.#pairs;
    let end = start + length;
    let i = 0;
    while (i < p.length && p[i]! + p[i + 1]! < start) i += 2;
    let j = i;
    while (j < p.length && p[j]! <= end) {
      if (p[j]! < start) start = p[j]!;
      const e = p[j]! + p[j + 1]!;
      if (e > end) end = e;
      j += 2;
    }
    p.splice(i, j - i, start, end - start);
  }

  addAll(other: Ranges): void {
    for (let i = 0; i < other.count; i++) this.add(other.start(i), other.length(i));
  }

  /** Takes [start, start+length) out. */
  remove(start: number, length: number): void {
    if (length <= 0) return;
    const p = this.#pairs;
    const end = start + length;
    const kept: number[] = [];
    for (let i = 0; i < p.length; i += 2) {
      const s = p[i]!;
      const e = s + p[i + 1]!;
      if (e <= start || s >= end) {
        kept.push(s, e - s);
        continue;
      }
      if (s < start) kept.push(s, start - s);
      if (e > end) kept.push(end, e - end);
    }
    p.length = 0;
    for (const x of kept) p.push(x);
  }

  removeAll(other: Ranges): void {
    for (let i = 0; i < other.count; i++) this.remove(other.start(i), other.length(i));
  }

  /** Keeps only what is in both. */
  intersect(other: Ranges): void {
    const a = [...this.#pairs];
    this.#pairs.length = 0;
    let i = 0;
    let j = 0;
    while (i < a.length && j < other.#pairs.length) {
      const s = Math.max(a[i]!, other.#pairs[j]!);
      const ae = a[i]! + a[i + 1]!;
      const be = other.#pairs[j]! + other.#pairs[j + 1]!;
      const e = Math.min(ae, be);
      if (s < e) this.#pairs.push(s, e - s);
      if (ae < be) i += 2;
      else j += 2;
    }
  }

  /** interval_set<uint64_t>: u32 count, then start and length of each. */
  encode(w: Writer): void {
    w.u32(this.count);
    for (const x of this.#pairs) w.u64num(x);
  }

  static decode(r: Reader): Ranges {
    const n = r.count(16);
    const set = new Ranges();
    for (let i = 0; i < n; i++) {
      const start = r.u64num();
      set.add(start, r.u64num());
    }
    return set;
  }
}
