import { type Ghobject, ghobjectMax } from '../types/index.ts';
import { fromSortKey, type KeyRange, type SortKey, sortKey } from './object-key.ts';

/**
 * One page of a listing: objects of the ranges (in order) with start <= object < end. `objectsFrom` gives the store's objects from a
 * key on, in order; the object may be left out where the key is to be decoded.
 */
export function listRanges(
  ranges: readonly KeyRange[],
  start: Ghobject,
  end: Ghobject | undefined,
  limit: number,
  objectsFrom: (key: SortKey, end: SortKey) => Iterable<readonly [SortKey, Ghobject | undefined]>,
): { objects: Ghobject[]; next: Ghobject } {
  const objects: Ghobject[] = [];
  const endKey = end === undefined || end.max ? undefined : sortKey(end);
  const done = end ?? ghobjectMax;
  if (start.max) return { objects, next: done };
  // The smallest object comes before every key, whatever its fields.
  const startKey = start.isMin ? '' : sortKey(start);
  for (const range of ranges) {
    if (range.end <= startKey) continue;
    const from = later(startKey, range.start);
    const to = endKey === undefined ? range.end : earlier(endKey, range.end);
    if (from >= to) continue;
    for (const [key, name] of objectsFrom(from, to)) {
      if (key >= to) break;
      if (objects.length >= limit) return { objects, next: name ?? fromSortKey(key) };
      objects.push(name ?? fromSortKey(key));
    }
  }
  return { objects, next: done };
}

function later(a: SortKey, b: SortKey): SortKey {
  return a < b ? b : a;
}

function earlier(a: SortKey, b: SortKey): SortKey {
  return a < b ? a : b;
}
