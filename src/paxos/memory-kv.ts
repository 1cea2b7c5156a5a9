import type { Kv, KvOp } from '../base/index.ts';

function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** A key-value database in memory, for tests and for monitors that need not outlive their process. Commits complete when told to, or at once. */
export class MemoryKv implements Kv {
  readonly keyLength_max = 65536;
  /** Sorted by key. */
  #entries: (readonly [Uint8Array, Uint8Array])[] = [];
  /** Where set, `commit` completes only when the returned function runs. */
  hold: ((complete: () => void) => void) | undefined;

  #find(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#entries[middle]![0], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const entry = this.#entries[this.#find(key)];
    return entry !== undefined && compare(entry[0], key) === 0 ? entry[1] : undefined;
  }

  range(
    start: Uint8Array,
    end: Uint8Array | undefined,
    options: { limit?: number; reverse?: boolean; keysOnly?: boolean } = {},
  ): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    const found = this.#entries.slice(this.#find(start), end === undefined ? undefined : this.#find(end));
    if (options.reverse === true) found.reverse();
    return options.limit === undefined ? found : found.slice(0, options.limit);
  }

  commitSync(ops: readonly KvOp[]): void {
    for (const op of ops) {
      if (op.kind === 'delRange') {
        const from = this.#find(op.start);
        this.#entries.splice(from, this.#find(op.end) - from);
        continue;
      }
      const at = this.#find(op.key);
      const present = at < this.#entries.length && compare(this.#entries[at]![0], op.key) === 0;
      if (op.kind === 'put') this.#entries.splice(at, present ? 1 : 0, [op.key.slice(), op.value.slice()]);
      else if (present) this.#entries.splice(at, 1);
    }
  }

  commit(ops: readonly KvOp[], done: (error: Error | null) => void): void {
    const complete = (): void => {
      this.commitSync(ops);
      done(null);
    };
    if (this.hold === undefined) queueMicrotask(complete);
    else this.hold(complete);
  }

  close(): void {}
}
