import type { KvOp } from '../../base/index.ts';
import { type ByteString, fromByteString } from '../byte-string.ts';
import { SortedMap } from '../sorted-map.ts';
import { keys } from './format.ts';
import type { KeySpace } from './keyspace.ts';

/** Changes of one object's omap in one generation. An entry of `entries` outdoes `ranges`. */
export class OmapDelta {
  /** Value set, or null: removed. */
  readonly entries = new SortedMap<Uint8Array | null>();
  /** Removed [first, last) pairs. */
  readonly ranges: { first: ByteString; last: ByteString }[] = [];
  /** Nothing under the id was ever stored: removals need no trace. */
  readonly fresh: boolean;

  constructor(fresh: boolean) {
    this.fresh = fresh;
  }

  get isEmpty(): boolean {
    return this.entries.size === 0 && this.ranges.length === 0;
  }

  /** Value, null where this delta removed the key, undefined where it says nothing. */
  get(key: ByteString): Uint8Array | null | undefined {
    const entry = this.entries.get(key);
    if (entry !== undefined) return entry;
    for (const r of this.ranges) if (key >= r.first && key < r.last) return null;
    return undefined;
  }

  inRange(key: ByteString): boolean {
    for (const r of this.ranges) if (key >= r.first && key < r.last) return true;
    return false;
  }

  removeRange(first: ByteString, last: ByteString): void {
    if (first >= last) return;
    this.entries.deleteRange(first, last);
    if (this.fresh) return;
    const previous = this.ranges[this.ranges.length - 1];
    // Trimming goes on where it ended: one growing range, not a list of them.
    if (previous !== undefined && first <= previous.last && last >= previous.first) {
      if (first < previous.first) previous.first = first;
      if (last > previous.last) previous.last = last;
      return;
    }
    this.ranges.push({ first, last });
  }
}

/**
 * The omap of an object as seen through what is not yet in the database: the changes of the running generation over those of the one
 * being checkpointed over what is stored.
 */
export class ObjectOmap {
  readonly id: number;
  current: OmapDelta;
  frozen: OmapDelta | undefined = undefined;

  /** `fresh`: the id is new and nothing is stored under it. */
  constructor(id: number, fresh: boolean) {
    this.id = id;
    this.current = new OmapDelta(fresh);
  }

  set(key: ByteString, value: Uint8Array): void {
    this.current.entries.set(key, value);
  }

  remove(key: ByteString): void {
    const current = this.current;
    // Where nothing below can have the key, no trace is needed; what is set and removed between two checkpoints never gets stored.
    if (current.fresh || current.inRange(key)) current.entries.delete(key);
    else current.entries.set(key, null);
  }

  removeRange(first: ByteString, last: ByteString): void {
    this.current.removeRange(first, last);
  }

  /** The running changes become those of a checkpoint. */
  freeze(): OmapDelta {
    this.frozen = this.current;
    this.current = new OmapDelta(false);
    return this.frozen;
  }

  get(space: KeySpace, key: ByteString): Uint8Array | undefined {
    let value = this.current.get(key);
    if (value !== undefined) return value ?? undefined;
    if (this.current.fresh) return undefined;
    if (this.frozen !== undefined) {
      value = this.frozen.get(key);
      if (value !== undefined) return value ?? undefined;
      if (this.frozen.fresh) return undefined;
    }
    return space.get(keys.omapPrefix(this.id) + key);
  }

  /** Entries with key >= from, in order. To be gone through before anything changes them: they are read a page at a time. */
  *entries(space: KeySpace, from: ByteString): IterableIterator<readonly [ByteString, Uint8Array]> {
    const { current, frozen } = this;
    const isStored = !current.fresh && frozen?.fresh !== true;
    const prefix = keys.omapPrefix(this.id);
    const end = keys.omapEnd(this.id);
    let start = from;
    for (let size = FIRST_PAGE; ; size = Math.min(size * 4, PAGE_MAX)) {
      let page = new OmapPage();
      if (isStored) {
        const { names, values } = page;
        if (space.page(prefix + start, end, size, prefix.length, names, values)) page.last = names[names.length - 1];
      }
      if (frozen !== undefined) page = changed(page, frozen, start, size);
      page = changed(page, current, start, size);
      const { names, values } = page;
      for (let i = 0; i < names.length; i++) yield [names[i]!, values[i]!];
      if (page.last === undefined) return;
      start = `${page.last}\0`;
    }
  }
}

/** Entries of a first and a later page: many ask for one or two; and in a page they are read and merged in loops, without a generator's steps for each. */
const FIRST_PAGE = 4;
const PAGE_MAX = 256;

/** Entries in order. */
class OmapPage {
  readonly names: ByteString[] = [];
  readonly values: Uint8Array[] = [];
  /** Nothing is missing up to this key; undefined: up to the end. */
  last: ByteString | undefined = undefined;
}

/** A page that begins at `from` with a delta's changes; of these, `count` at most. */
function changed(page: OmapPage, delta: OmapDelta, from: ByteString, count: number): OmapPage {
  if (delta.isEmpty) return page;
  const names: ByteString[] = [];
  const values: (Uint8Array | null)[] = [];
  const isMore = delta.entries.page(from, count, names, values);
  const out = new OmapPage();
  out.last = page.last;
  const lastChange = names[names.length - 1];
  if (isMore && (out.last === undefined || lastChange! < out.last)) out.last = lastChange;
  const { last } = out;
  if (delta.ranges.length === 0 && (names.length === 0 || (page.last !== undefined && names[0]! > page.last)))
    return page;
  const hasRanges = delta.ranges.length > 0;
  const below = page.names;
  let i = 0;
  for (let k = 0; k <= names.length; k++) {
    // Past the changes: the rest.
    const change = names[k];
    for (; i < below.length && (change === undefined || below[i]! < change); i++) {
      const name = below[i]!;
      if (last !== undefined && name > last) return out;
      if (hasRanges && delta.inRange(name)) continue;
      out.names.push(name);
      out.values.push(page.values[i]!);
    }
    if (change === undefined || (last !== undefined && change > last)) return out;
    if (below[i] === change) i++;
    const value = values[k];
    if (value === null || value === undefined) continue;
    out.names.push(change);
    out.values.push(value);
  }
  return out;
}

const KEYS_PER_PAGE = 512;

/** Keys of a range, read in pages, so that no cursor stays open while the caller pauses. */
export function* pagedKeys(space: KeySpace, start: ByteString, end: ByteString): IterableIterator<ByteString> {
  let from = start;
  for (;;) {
    const page: ByteString[] = [];
    for (const [key] of space.range(from, end, true)) {
      page.push(key);
      if (page.length >= KEYS_PER_PAGE) break;
    }
    yield* page;
    if (page.length < KEYS_PER_PAGE) return;
    from = `${page[page.length - 1]}\0`;
  }
}

/**
 * The database operations that a frozen delta comes to. Ranges become single removals of what is stored. `grown` is told by how many bytes of keys and values the
 * database grows or (negative) shrinks.
 */
export function* omapOps(
  space: KeySpace,
  id: number,
  delta: OmapDelta,
  ops: KvOp[],
  grown: (bytes: number) => void,
): IterableIterator<void> {
  const prefix = keys.omapPrefix(id);
  for (const { first, last } of delta.ranges) {
    for (const key of pagedKeys(space, prefix + first, prefix + last)) {
      if (delta.entries.has(key.slice(prefix.length))) continue;
      grown(-(space.storedLength(key) ?? 0));
      space.del(ops, key);
      yield;
    }
  }
  for (const [key, value] of delta.entries) {
    const whole = prefix + key;
    let change = delta.fresh ? 0 : -(space.storedLength(whole) ?? 0);
    if (value === null) space.del(ops, whole);
    else {
      change += whole.length + value.length;
      space.put(ops, whole, value);
    }
    grown(change);
    yield;
  }
}

/** Entries with their keys as text, without the one at `after`. */
export function* namedFrom(
  entries: Iterable<readonly [string, Uint8Array]>,
  after: string | undefined,
): IterableIterator<readonly [string, Uint8Array]> {
  for (const [key, value] of entries) if (key !== after) yield [fromByteString(key), value];
}
