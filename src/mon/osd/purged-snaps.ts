import { byNumber, decodeFromBytes, encodeToBytes, pair, s64num, sortedMap, u64num } from '../../encoding/index.ts';
import type { MonStore, StoreTransaction } from '../../paxos/index.ts';
import { IntervalSet, intervalSet, type OSDMapIncremental } from '../../types/index.ts';

const TABLE = 'osd_snap';
const byPool = sortedMap(s64num, intervalSet, byNumber);
const range = pair(u64num, u64num);

/** Keys sort by number as text: 16 hexadecimal digits. */
function hex(n: number): string {
  return n.toString(16).padStart(16, '0');
}

function epochKey(epoch: number): string {
  return `purged_epoch_${epoch.toString(16).padStart(8, '0')}`;
}

/** A range of purged snaps is stored under its end, so that the first key after a snap is the range that may hold it. */
function snapKey(pool: number, end: number): string {
  return `purged_snap_${pool}_${hex(end)}`;
}

/** Snapshots whose objects are gone from every OSD, by pool and by the epoch in which the map said so. */
export class PurgedSnaps {
  readonly #store: MonStore;
  /** Ids that removals used up and that no snapshot ever had: purged from the start. */
  readonly #pseudo = new Map<number, IntervalSet>();

  constructor(store: MonStore) {
    this.#store = store;
  }

  addPseudo(pool: number, snap: number): void {
    this.#pseudo.set(pool, (this.#pseudo.get(pool) ?? IntervalSet.empty).insert(snap));
  }

  clearPending(): void {
    this.#pseudo.clear();
  }

  /** The purged range that holds a snap. */
  #find(pool: number, snap: number): readonly [begin: number, end: number] | undefined {
    const prefix = `purged_snap_${pool}_`;
    for (const [key, value] of this.#store.entries(TABLE, `${prefix}${hex(snap + 1)}`)) {
      if (!key.startsWith(prefix)) return undefined;
      const [begin, end] = decodeFromBytes(range, value);
      return begin <= snap && snap < end ? [begin, end] : undefined;
    }
    return undefined;
  }

  isPurged(pool: number, snap: number): boolean {
    return this.#find(pool, snap) !== undefined;
  }

  encodePending(t: StoreTransaction, inc: OSDMapIncremental): void {
    if (inc.newPurgedSnaps.size > 0) t.put(TABLE, epochKey(inc.epoch), encodeToBytes(byPool, inc.newPurgedSnaps));
    const all = new Map(inc.newPurgedSnaps);
    for (const [pool, snaps] of this.#pseudo) all.set(pool, (all.get(pool) ?? IntervalSet.empty).union(snaps));
    for (const [pool, snaps] of all) {
      for (const [start, length] of snaps.ranges()) this.#insert(t, pool, start, start + length);
    }
  }

  /** Adds a range, joined with its neighbours. */
  #insert(t: StoreTransaction, pool: number, start: number, end: number): void {
    let begin = start;
    let stop = end;
    const before = start > 0 ? this.#find(pool, start - 1) : undefined;
    if (before !== undefined) {
      begin = before[0];
      t.erase(TABLE, snapKey(pool, before[1]));
    }
    const after = this.#find(pool, end);
    if (after !== undefined) {
      stop = after[1];
      t.erase(TABLE, snapKey(pool, after[1]));
    }
    t.put(TABLE, snapKey(pool, stop), encodeToBytes(range, [begin, stop]));
  }

  /** What each epoch of (start, last] purged; `reached` is the epoch up to which the answer is whole. */
  since(start: number, last: number): { purged: Map<number, Map<number, IntervalSet>>; reached: number } {
    const purged = new Map<number, Map<number, IntervalSet>>();
    let bytes = 0;
    for (const [key, value] of this.#store.entries(TABLE, epochKey(start + 1))) {
      if (!key.startsWith('purged_epoch_')) break;
      const epoch = Number.parseInt(key.slice('purged_epoch_'.length), 16);
      if (epoch > last) break;
      purged.set(epoch, decodeFromBytes(byPool, value));
      bytes += value.length;
      if (bytes > 1 << 20) return { purged, reached: epoch };
    }
    return { purged, reached: last };
  }
}
