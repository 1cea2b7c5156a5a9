import type { EntityAddr } from '../entity-addr.ts';
import type { Blocklist, BlocklistEntry } from './fields.ts';

/**
 * Ceph keeps the blocklist in a std::unordered_map and prints it in that container's order. To print the same, what GCC's library does
 * is done here: elements hang in one list; a new one goes to the front of its bucket, or, where that is empty, of the whole list; buckets grow
 * to the next of a series of primes of at least twice as many, and all elements are hung anew, in the order in which they hang.
 */
const PRIMES = [
  13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061, 712697, 1447153, 2938679,
];

/** Robert Jenkins' mix of one 32-bit integer (public domain). */
function mix32(x: number): number {
  let a = (x + 0x7ed55d16 + (x << 12)) | 0;
  a = a ^ 0xc761c23c ^ (a >>> 19);
  a = (a + 0x165667b1 + (a << 5)) | 0;
  a = ((a + 0xd3a2646c) | 0) ^ (a << 9);
  a = (a + 0xfd7046c5 + (a << 3)) | 0;
  return (a ^ 0xb55a4f09 ^ (a >>> 16)) >>> 0;
}

/** Hash of an address: its words as they lie in memory, XORed, and mixed. */
function hashOf(addr: EntityAddr): number {
  const key = addr.sortKey();
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  let x = 0;
  for (let i = 0; i + 4 <= key.length; i += 4) x ^= view.getUint32(i, true);
  return mix32(x);
}

interface Node {
  readonly hash: number;
  readonly entry: BlocklistEntry;
  next: Node | undefined;
}

/** The list with a head that comes before the first element, as there. */
class UnorderedList {
  #head: { next: Node | undefined } = { next: undefined };
  #buckets: ({ next: Node | undefined } | undefined)[] = [undefined];
  #size = 0;
  #next = 0;

  add(hash: number, entry: BlocklistEntry): void {
    if (this.#size + 1 > this.#limit) this.#grow();
    this.#hang({ hash, entry, next: undefined });
    this.#size++;
  }

  get #limit(): number {
    return this.#next === 0 ? 0 : this.#buckets.length;
  }

  #grow(): void {
    let node = this.#head.next;
    this.#buckets = Array<undefined>(PRIMES[Math.min(this.#next++, PRIMES.length - 1)]!).fill(undefined);
    this.#head = { next: undefined };
    while (node !== undefined) {
      const following: Node | undefined = node.next;
      this.#hang(node);
      node = following;
    }
  }

  /** Hangs a node into its bucket. A bucket points at what comes before its first element. */
  #hang(node: Node): void {
    const n = this.#buckets.length;
    const before = this.#buckets[node.hash % n];
    if (before !== undefined) {
      node.next = before.next;
      before.next = node;
      return;
    }
    node.next = this.#head.next;
    this.#head.next = node;
    this.#buckets[node.hash % n] = this.#head;
    if (node.next !== undefined) this.#buckets[node.next.hash % n] = node;
  }

  *entries(): IterableIterator<BlocklistEntry> {
    for (let node = this.#head.next; node !== undefined; node = node.next) yield node.entry;
  }
}

/** The entries in the order in which Ceph prints them, given that they came in the order they have here. */
export function printOrderBlocklist(list: Blocklist): BlocklistEntry[] {
  const unordered = new UnorderedList();
  for (const entry of list.values()) unordered.add(hashOf(entry.addr), entry);
  return [...unordered.entries()];
}
