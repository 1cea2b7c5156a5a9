import type { Codec } from '../encoding/index.ts';

/**
 * interval_set<snapid_t>: disjoint ranges of numbers, kept merged and in order. A value: operations give new sets.
 * Numbers are exact to 2^53.
 */
export class IntervalSet {
  /** Start and length of each range, one after another. */
  readonly #ranges: readonly number[];

  private constructor(ranges: readonly number[]) {
    this.#ranges = ranges;
  }

  static readonly empty = new IntervalSet([]);

  /** From `[start, length]` pairs in any order, overlapping or not. */
  static of(...pairs: readonly (readonly [start: number, length: number])[]): IntervalSet {
    let set = IntervalSet.empty;
    for (const [start, length] of pairs) set = set.union(new IntervalSet([start, length]));
    return set;
  }

  /** From ranges that are in order and disjoint already, as decoded; adjacent ones stay apart. */
  static fromOrdered(ranges: readonly number[]): IntervalSet {
    return ranges.length === 0 ? IntervalSet.empty : new IntervalSet(ranges);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Number of ranges. */
  get rangeCount(): number {
    return this.#ranges.length / 2;
  }

  /** Sum of the lengths. */
  get size(): number {
    let sum = 0;
    for (let i = 1; i < this.#ranges.length; i += 2) sum += this.#ranges[i]!;
    return sum;
  }

  /** `[start, length]` of each range in order. */
  *ranges(): IterableIterator<[start: number, length: number]> {
    for (let i = 0; i < this.#ranges.length; i += 2) yield [this.#ranges[i]!, this.#ranges[i + 1]!];
  }

  /** Range that holds `value`, as an index of its start; -1 if none. */
  #find(value: number): number {
    let low = 0;
    let high = this.#ranges.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[2 * middle]! <= value) low = middle + 1;
      else high = middle;
    }
    const i = 2 * (low - 1);
    return i >= 0 && value < this.#ranges[i]! + this.#ranges[i + 1]! ? i : -1;
  }

  contains(value: number): boolean {
    return this.#find(value) >= 0;
  }

  /** True where all of [start, start + length) is in it. */
  containsRange(start: number, length: number): boolean {
    const i = this.#find(start);
    return i >= 0 && start + length <= this.#ranges[i]! + this.#ranges[i + 1]!;
  }

  insert(start: number, length = 1): IntervalSet {
    return this.union(new IntervalSet([start, length]));
  }

  erase(start: number, length = 1): IntervalSet {
    return this.subtract(new IntervalSet([start, length]));
  }

  union(other: IntervalSet): IntervalSet {
    const a = this.#ranges;
    const b = other.#ranges;
    const out: number[] = [];
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      const takeA = j >= b.length || (i < a.length && a[i]! <= b[j]!);
      const start = takeA ? a[i]! : b[j]!;
      const end = start + (takeA ? a[i + 1]! : b[j + 1]!);
      if (takeA) i += 2;
      else j += 2;
      const last = out.length - 2;
      if (last >= 0 && start <= out[last]! + out[last + 1]!) {
        out[last + 1] = Math.max(out[last + 1]!, end - out[last]!);
      } else {
        out.push(start, end - start);
      }
    }
    return IntervalSet.fromOrdered(out);
  }

  /** What is in this and not in `other`. */
  subtract(other: IntervalSet): IntervalSet {
    const b = other.#ranges;
    const out: number[] = [];
    let j = 0;
    for (const [start, length] of this.ranges()) {
      let from = start;
      const end = start + length;
      while (j < b.length && b[j]! + b[j + 1]! <= from) j += 2;
      for (let k = j; k < b.length && b[k]! < end; k += 2) {
        if (b[k]! > from) out.push(from, b[k]! - from);
        from = Math.max(from, b[k]! + b[k + 1]!);
      }
      if (from < end) out.push(from, end - from);
    }
    return IntervalSet.fromOrdered(out);
  }

  intersection(other: IntervalSet): IntervalSet {
    return this.subtract(this.subtract(other));
  }

  equals(other: IntervalSet): boolean {
    return this.#ranges.length === other.#ranges.length && this.#ranges.every((x, i) => x === other.#ranges[i]);
  }

  /** As Ceph prints it, lengths in hexadecimal as the starts: `[1~3,a~1]`. */
  toString(): string {
    const parts: string[] = [];
    for (const [start, length] of this.ranges()) parts.push(`${start.toString(16)}~${length.toString(16)}`);
    return `[${parts.join(',')}]`;
  }
}

/** interval_set<snapid_t>: a map of start to length. */
export const intervalSet: Codec<IntervalSet> = {
  name: 'interval_set',
  length_min: 4,
  encode(w, set) {
    w.u32(set.rangeCount);
    for (const [start, length] of set.ranges()) {
      w.u64num(start);
      w.u64num(length);
    }
  },
  decode(r) {
    const n = r.count(16);
    const ranges: number[] = [];
    let end = 0;
    for (let i = 0; i < n; i++) {
      const start = r.u64num();
      const length = r.u64num();
      if (start < end) r.fail('ranges out of order');
      end = start + length;
      ranges.push(start, length);
    }
    return IntervalSet.fromOrdered(ranges);
  },
};
