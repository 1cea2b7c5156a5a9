import { entropyBelow, type SeededEntropy } from '../../base/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject, NO_GEN, tempPool } from '../../types/index.ts';
import type { CollectionId, ObjectStore } from '../api.ts';
import { parseCollectionId } from '../collection-id.ts';
import { collectionHolds } from '../object-key.ts';
import { Transaction } from '../transaction.ts';

const POOL = 3;
const NAMES = ['a', 'rbd_data.1.0000000000000007', 'ä\udc80', 'x'.repeat(300), 'with\u0001control\u0000bytes', 'z'];
const KEYS = ['k', 'k\u0000', 'longer key', 'é', 'm'.repeat(250), '0000000012.00000000000000000001', '_info', 'p/'];

export interface WorkloadOptions {
  /** Greatest offset and length of writes. */
  readonly extent_max: number;
  /** Hash values that objects have: fewer make for more collisions of names. */
  readonly hashes: number;
}

/** Random transactions over a small set of names, so that they meet: most of them sensible, some not. */
export class Workload {
  readonly #entropy: SeededEntropy;
  readonly #options: WorkloadOptions;
  readonly #hashes: number[] = [];
  #filler = 1;

  constructor(entropy: SeededEntropy, options: Partial<WorkloadOptions> = {}) {
    this.#entropy = entropy;
    this.#options = { extent_max: 300_000, hashes: 6, ...options };
    for (let i = 0; i < this.#options.hashes; i++) this.#hashes.push(entropy.u32());
  }

  #below(n: number): number {
    return entropyBelow(this.#entropy, n);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  /** The collections that a store starts with. */
  first(): Transaction {
    return new Transaction().createCollection('meta', 0).createCollection(`${POOL}.0_head`, 0);
  }

  object(hash?: number): Ghobject {
    if (hash === undefined && this.#below(20) === 0) {
      return new Ghobject(new Hobject(this.#pick(['superblock', 'osdmap.7']), '', 0, 0, -1, ''));
    }
    const name = this.#pick(NAMES);
    const key = this.#below(8) === 0 ? this.#pick(['loc', 'zz', name]) : '';
    const snap = this.#below(3) === 0 ? this.#pick([4, 9]) : CEPH_NOSNAP;
    const pool = this.#below(12) === 0 ? tempPool(POOL) : POOL;
    const nspace = this.#below(6) === 0 ? 'ns' : '';
    const generation = this.#below(16) === 0 ? 5 : NO_GEN;
    return new Ghobject(new Hobject(name, key, snap, hash ?? this.#pick(this.#hashes), pool, nspace), generation);
  }

  #collectionOf(store: ObjectStore, object: Ghobject): CollectionId | undefined {
    return store.collections().find((c) => collectionHolds(c, store.collectionBits(c)!, object));
  }

  /** Bytes that no two calls give alike. */
  bytes(length: number): Uint8Array {
    const n = this.#filler++;
    // Some of it is hard to compress.
    if (n % 5 === 0) {
      const noise = Buffer.allocUnsafe(length);
      for (let i = 0, x = n; i < length; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        noise[i] = x >>> 24;
      }
      return noise;
    }
    const pattern = Buffer.from(`${n.toString(36)}/${(n * 2654435761).toString(16)};`);
    return Buffer.alloc(length, pattern);
  }

  #parts(length: number): Uint8Array[] {
    const whole = this.bytes(length);
    const parts: Uint8Array[] = [];
    let at = 0;
    for (let n = this.#below(4); n > 0 && at < length; n--) {
      const cut = at + this.#below(length - at + 1);
      parts.push(whole.subarray(at, cut));
      at = cut;
    }
    parts.push(whole.subarray(at));
    return parts;
  }

  #offset(): number {
    const max = this.#options.extent_max;
    switch (this.#below(4)) {
      case 0:
        return 0;
      case 1:
        return this.#below(max / 4096) * 4096;
      case 2:
        return this.#below(9000);
      default:
        return this.#below(max);
    }
  }

  #length(): number {
    switch (this.#below(6)) {
      case 0:
        return 4096;
      case 1:
        return this.#below(100);
      case 2:
        return this.#below(20_000);
      case 3:
        return 4096 * this.#below(8);
      case 4:
        return this.#below(this.#options.extent_max);
      default:
        return this.#below(5000);
    }
  }

  /** One transaction for the store in its present state. */
  next(store: ObjectStore): Transaction {
    const tx = new Transaction();
    if (this.#below(40) === 0) {
      this.#collectionOp(store, tx);
      return tx;
    }
    const object = this.object();
    const collection = this.#collectionOf(store, object);
    if (collection === undefined) return tx.nop();
    for (let n = 1 + this.#below(4); n > 0; n--)
      this.#op(store, tx, collection, this.#below(4) === 0 ? this.#sibling(object) : object);
    return tx;
  }

  /** Another object of the same PG. */
  #sibling(object: Ghobject): Ghobject {
    return object.hobj.pool === -1 ? object : this.object(object.hobj.hash);
  }

  #op(store: ObjectStore, tx: Transaction, collection: CollectionId, object: Ghobject): void {
    const attrs = (): Map<string, Uint8Array> => {
      const m = new Map<string, Uint8Array>();
      for (let n = this.#below(4); n >= 0; n--)
        m.set(this.#pick(['_', 'snapset', 'user.ä', 'x'.repeat(90)]), this.bytes(this.#below(400)));
      return m;
    };
    const omap = (): Map<string, Uint8Array> => {
      const m = new Map<string, Uint8Array>();
      for (let n = this.#below(5); n >= 0; n--) m.set(this.#key(), this.bytes(this.#below(300)));
      return m;
    };
    // Operations on missing objects are refused; now and then one is tried all the same.
    if (!store.exists(collection, object) && this.#below(10) > 0) tx.touch(collection, object);
    switch (this.#below(23)) {
      case 0:
        tx.touch(collection, object);
        return;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        tx.write(collection, object, this.#offset(), this.#parts(this.#length()));
        return;
      case 7:
        tx.zero(collection, object, this.#offset(), this.#length());
        return;
      case 8:
        tx.truncate(collection, object, this.#below(2) === 0 ? 0 : this.#offset());
        return;
      case 9:
        tx.remove(collection, object);
        return;
      case 10:
        tx.setattr(collection, object, '_', this.bytes(this.#below(300)));
        return;
      case 11:
        tx.setattrs(collection, object, attrs());
        return;
      case 12:
        tx.rmattr(collection, object, this.#pick(['_', 'snapset', 'nope']));
        return;
      case 13:
        if (this.#below(4) === 0) tx.rmattrs(collection, object);
        else {
          const hints = this.#pick([3, 4 + 32, 256, 512]);
          tx.setAllocHint(collection, object, this.#below(10_000), this.#below(1000), hints);
        }
        return;
      case 14:
        tx.clone(collection, object, this.#sibling(object));
        return;
      case 15: {
        const from = this.#offset();
        const to = this.#below(2) === 0 ? from : this.#below(2) === 0 ? this.#below(60) * 4096 : this.#offset();
        tx.cloneRange(collection, object, this.#sibling(object), from, this.#length(), to);
        return;
      }
      case 16:
      case 17:
        tx.omapSetKeys(collection, object, omap());
        return;
      case 18:
        tx.omapRmKeys(collection, object, omap().keys());
        return;
      case 19: {
        const [a, b] = [this.#key(), this.#key()];
        tx.omapRmKeyRange(collection, object, a, b);
        return;
      }
      case 20:
        if (this.#below(3) === 0) tx.omapClear(collection, object);
        else tx.omapSetHeader(collection, object, this.bytes(this.#below(100)));
        return;
      case 21:
        tx.collMoveRename(collection, object, collection, this.#sibling(object));
        return;
      default:
        tx.tryRename(collection, object, this.#sibling(object));
    }
  }

  #key(): string {
    return this.#pick(KEYS) + (this.#below(2) === 0 ? '' : String(this.#below(30)));
  }

  #collectionOp(store: ObjectStore, tx: Transaction): void {
    const pgs = store.collections().filter((c) => c !== 'meta');
    const pg = this.#pick(pgs);
    const bits = store.collectionBits(pg)!;
    const seed = parseCollectionId(pg)!.seed;
    switch (this.#below(4)) {
      case 0:
      case 1: {
        // Split in two.
        if (bits >= 4) return;
        const child = `${POOL}.${(seed + 2 ** bits).toString(16)}_head`;
        tx.createCollection(child, bits + 1).splitCollection(pg, bits + 1, seed + 2 ** bits, child);
        return;
      }
      case 2: {
        // Merge with its sibling, where there is one of as many bits.
        if (bits === 0) return;
        const parent = seed & (2 ** (bits - 1) - 1);
        const target = `${POOL}.${parent.toString(16)}_head`;
        const other = `${POOL}.${(parent + 2 ** (bits - 1)).toString(16)}_head`;
        if (store.collectionBits(target) !== bits || store.collectionBits(other) !== bits) return;
        tx.mergeCollection(other, target, bits - 1);
        return;
      }
      default:
        // Refused unless empty.
        if (pgs.length > 1) tx.removeCollection(pg).createCollection(pg, bits);
        else tx.nop();
    }
  }
}
