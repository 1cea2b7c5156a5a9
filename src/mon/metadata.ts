import { byString, decodeFromBytes, encodeToBytes, sortedMap, string } from '../encoding/index.ts';
import type { MonStore, StoreTransaction } from '../paxos/index.ts';

const codec = sortedMap(string, string, byString);

/** What daemons told about themselves at their start (host, version, devices), by name; stored beside the map that lists them. */
export class MetadataTable {
  readonly #table: string;
  readonly #store: MonStore;
  readonly #pending = new Map<string, ReadonlyMap<string, string> | undefined>();

  constructor(table: string, store: MonStore) {
    this.#table = table;
    this.#store = store;
  }

  get(name: string | number): ReadonlyMap<string, string> | undefined {
    const bytes = this.#store.get(this.#table, name);
    return bytes === undefined ? undefined : decodeFromBytes(codec, bytes);
  }

  set(name: string | number, metadata: ReadonlyMap<string, string>): void {
    this.#pending.set(String(name), metadata);
  }

  remove(name: string | number): void {
    this.#pending.set(String(name), undefined);
  }

  clearPending(): void {
    this.#pending.clear();
  }

  encodePending(t: StoreTransaction): void {
    for (const [name, metadata] of this.#pending) {
      if (metadata === undefined) t.erase(this.#table, name);
      else t.put(this.#table, name, encodeToBytes(codec, new Map(metadata)));
    }
  }
}

/** How many daemons have each value of a property, sorted by value; `unknown` for those that did not tell. */
export function countMetadata(
  table: MetadataTable,
  names: Iterable<string | number>,
  property: string,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const value = table.get(name)?.get(property) ?? 'unknown';
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => byString(a, b)));
}
