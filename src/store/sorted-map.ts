/** Entries of a block before it is cut in two. */
const BLOCK_MAX = 512;

interface Block<V> {
  keys: string[];
  values: V[];
}

/** A map ordered by key (`<` on strings). Blocks of a few hundred entries: appending at the end costs next to nothing, inserting anywhere a microsecond. */
export class SortedMap<V> {
  #blocks: Block<V>[] = [];
  #size = 0;
  /** Block of the last access: neighbours are asked for in runs. */
  #last = 0;

  get size(): number {
    return this.#size;
  }

  /** Index of the block that holds `key` or would: the last whose first key is <= key. */
  #findBlock(key: string): number {
    const blocks = this.#blocks;
    const hint = this.#last;
    const hinted = blocks[hint];
    if (
      hinted !== undefined &&
      hinted.keys[0]! <= key &&
      (hint + 1 >= blocks.length || key < blocks[hint + 1]!.keys[0]!)
    ) {
      return hint;
    }
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (blocks[mid]!.keys[0]! <= key) low = mid + 1;
      else high = mid;
    }
    this.#last = low > 0 ? low - 1 : 0;
    return this.#last;
  }

  get(key: string): V | undefined {
    const block = this.#blocks[this.#findBlock(key)];
    if (block === undefined) return undefined;
    const i = lowerBound(block.keys, key);
    return block.keys[i] === key ? block.values[i] : undefined;
  }

  has(key: string): boolean {
    const block = this.#blocks[this.#findBlock(key)];
    return block !== undefined && block.keys[lowerBound(block.keys, key)] === key;
  }

  set(key: string, value: V): void {
    const at = this.#findBlock(key);
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push({ keys: [key], values: [value] });
      this.#size++;
      return;
    }
    const { keys, values } = block;
    const n = keys.length;
    if (keys[n - 1]! < key) {
      // A run of ascending keys fills blocks instead of cutting them in halves.
      if (n >= BLOCK_MAX) this.#blocks.splice(at + 1, 0, { keys: [key], values: [value] });
      else {
        keys.push(key);
        values.push(value);
      }
      this.#size++;
      return;
    }
    const i = lowerBound(keys, key);
    if (keys[i] === key) {
      values[i] = value;
      return;
    }
    keys.splice(i, 0, key);
    values.splice(i, 0, value);
    this.#size++;
    if (n + 1 > BLOCK_MAX) {
      const half = (n + 1) >>> 1;
      this.#blocks.splice(at + 1, 0, { keys: keys.splice(half), values: values.splice(half) });
    }
  }

  delete(key: string): boolean {
    const at = this.#findBlock(key);
    const block = this.#blocks[at];
    if (block === undefined) return false;
    const i = lowerBound(block.keys, key);
    if (block.keys[i] !== key) return false;
    this.#size--;
    if (block.keys.length === 1) {
      this.#blocks.splice(at, 1);
      this.#last = 0;
    } else {
      block.keys.splice(i, 1);
      block.values.splice(i, 1);
    }
    return true;
  }

  /** Removes keys with start <= key < end; without `end`, all from start. Returns how many. */
  deleteRange(start: string, end: string | undefined): number {
    let removed = 0;
    let at = this.#findBlock(start);
    while (at < this.#blocks.length) {
      const block = this.#blocks[at]!;
      const from = lowerBound(block.keys, start);
      const to = end === undefined ? block.keys.length : lowerBound(block.keys, end);
      if (to > from) {
        removed += to - from;
        if (to - from === block.keys.length) {
          this.#blocks.splice(at, 1);
          continue;
        }
        block.keys.splice(from, to - from);
        block.values.splice(from, to - from);
      }
      if (end !== undefined && to < block.keys.length) break;
      at++;
    }
    this.#size -= removed;
    this.#last = 0;
    return removed;
  }

  clear(): void {
    this.#blocks = [];
    this.#size = 0;
    this.#last = 0;
  }

  /** First entry with key >= from (or > from), or undefined. */
  next(from: string, exclusive: boolean): readonly [string, V] | undefined {
    let at = this.#findBlock(from);
    for (; at < this.#blocks.length; at++) {
      const block = this.#blocks[at]!;
      let i = lowerBound(block.keys, from);
      if (exclusive && block.keys[i] === from) i++;
      if (i < block.keys.length) return [block.keys[i]!, block.values[i]!];
    }
    return undefined;
  }

  /** Adds the first entries with key >= from to `keys` and `values`, `count` at most. Returns whether there are more. */
  page(from: string, count: number, keys: string[], values: V[]): boolean {
    let left = count;
    for (let at = this.#findBlock(from); at < this.#blocks.length; at++) {
      const block = this.#blocks[at]!;
      for (let i = keys.length === 0 ? lowerBound(block.keys, from) : 0; i < block.keys.length; i++) {
        if (left-- === 0) return true;
        keys.push(block.keys[i]!);
        values.push(block.values[i]!);
      }
    }
    return false;
  }

  /**
   * Entries with key >= from (all without it), in order. Entries set or removed while the iteration runs may or may not be seen;
   * each is seen at most once and the order holds.
   */
  *entries(from = ''): IterableIterator<[string, V]> {
    let position = from;
    let exclusive = false;
    for (;;) {
      const at = this.#findBlock(position);
      let found = false;
      for (let b = at; b < this.#blocks.length && !found; b++) {
        const block = this.#blocks[b]!;
        let i = lowerBound(block.keys, position);
        if (exclusive && block.keys[i] === position) i++;
        // The block may change between two steps: go on by index while the key before is where it was.
        while (i < block.keys.length) {
          found = true;
          position = block.keys[i]!;
          exclusive = true;
          yield [position, block.values[i]!];
          if (block.keys[i] === position) i++;
          else break;
        }
      }
      if (!found) return;
    }
  }

  *[Symbol.iterator](): IterableIterator<[string, V]> {
    yield* this.entries();
  }
}

/** Index of the first key >= `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (keys[mid]! < key) low = mid + 1;
    else high = mid;
  }
  return low;
}
