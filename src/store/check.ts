import { DecodeError } from '../encoding/index.ts';
import type { Ghobject } from '../types/index.ts';
import { type CollectionId, StoreError } from './api.ts';
import { collectionType, parseCollectionId } from './collection-id.ts';
import { collectionHolds, sortKey } from './object-key.ts';
import { type Transaction, type TransactionIterator, txOp, txOpName } from './transaction.ts';

/** Largest object in bytes, as in Ceph's stores. */
export const OBJECT_SIZE_MAX = 0xffff_ffff;
/** Longest name, namespace or locator key in bytes; an OSD refuses far shorter ones. */
const NAME_LENGTH_MAX = 8192;

/**
 * `write`: bytes of the transaction itself; `copy`: bytes of another object; `edges`: nothing is stored but what the ends of the range leave
 * of their blocks; `clone`: the named object is copied whole.
 */
export type DataChange = 'write' | 'copy' | 'edges' | 'clone';

/** What the checker must know of the store before the transactions. */
export interface StoreFacts {
  collectionBits(collection: CollectionId): number | undefined;
  /** Whether the collection exists and has the object. */
  exists(collection: CollectionId, object: Ghobject): boolean;
  /** Whether it had no object before; `gone` says whether an object is removed by these transactions. */
  isEmptyExcept(collection: CollectionId, gone: (object: Ghobject) => boolean): boolean;
  /** Called for each change of data, for what else could fail: no space, or damage in what is only partly replaced. */
  change?(kind: DataChange, object: Ghobject, offset: number, length: number): void;
}

/**
 * Goes through transactions before they are applied and throws {@link StoreError} for whatever could not be, so that applying
 * cannot fail half way. The rules on missing objects are those of Ceph's stores: `remove`, `truncate`, `rmattrs`, `omapClear`,
 * renames and hints pass over one; `setattr(s)`, `rmattr`, clones and the other omap operations must find it.
 */
export class TransactionChecker {
  readonly #facts: StoreFacts;
  /** Objects made (true) or removed (false) by what was checked so far. */
  readonly #objects = new Map<string, boolean>();
  #made: Ghobject[] = [];
  /** The object whose membership was checked last, and in which collection. */
  #last: Ghobject | undefined;
  #lastCollection: CollectionId = '';
  /** Collections made (bits) or removed (-1). */
  readonly #collections = new Map<CollectionId, number>();

  constructor(facts: StoreFacts) {
    this.#facts = facts;
  }

  check(transactions: readonly Transaction[]): void {
    if (this.#objects.size > 0) this.#objects.clear();
    if (this.#made.length > 0) this.#made = [];
    if (this.#collections.size > 0) this.#collections.clear();
    for (const tx of transactions) {
      this.#last = undefined;
      try {
        this.#checkOne(tx.iterate());
      } catch (error) {
        if (error instanceof DecodeError) throw new StoreError('invalid', error.message);
        throw error;
      }
    }
  }

  #bits(collection: CollectionId): number {
    const changed = this.#collections.size > 0 ? this.#collections.get(collection) : undefined;
    const bits = changed ?? this.#facts.collectionBits(collection) ?? -1;
    if (bits < 0) throw new StoreError('invalid', `no collection ${collection}`);
    return bits;
  }

  #exists(collection: CollectionId, object: Ghobject): boolean {
    if (this.#objects.size > 0) {
      const changed = this.#objects.get(sortKey(object));
      if (changed !== undefined) return changed;
    }
    return this.#facts.exists(collection, object);
  }

  #member(collection: CollectionId, object: Ghobject): void {
    if (!collectionHolds(collection, this.#bits(collection), object)) {
      throw new StoreError('invalid', `object ${object} does not belong into collection ${collection}`);
    }
    const h = object.hobj;
    if (h.oid.length > NAME_LENGTH_MAX || h.key.length > NAME_LENGTH_MAX || h.nspace.length > NAME_LENGTH_MAX) {
      throw new StoreError('invalid', `an object name, key or namespace is longer than ${NAME_LENGTH_MAX}`);
    }
  }

  #make(collection: CollectionId, object: Ghobject): void {
    if (this.#exists(collection, object)) return;
    this.#objects.set(sortKey(object), true);
    this.#made.push(object);
  }

  #need(it: TransactionIterator, collection: CollectionId, object: Ghobject): void {
    if (!this.#exists(collection, object)) {
      throw new StoreError('invalid', `${txOpName(it.op)}: no object ${object} in ${collection}`);
    }
  }

  #range(it: TransactionIterator, offset: number, length: number): void {
    if (offset + length > OBJECT_SIZE_MAX) {
      throw new StoreError('invalid', `${txOpName(it.op)}: ${offset}~${length} is beyond the largest object size`);
    }
  }

  #checkOne(it: TransactionIterator): void {
    const payload = it.payload;
    while (it.next()) {
      switch (it.op) {
        case txOp.nop:
          continue;
        case txOp.mkcoll:
          this.#makeCollection(it);
          continue;
        case txOp.rmcoll: {
          const collection = it.collection;
          this.#bits(collection);
          if (!this.#isEmpty(collection)) throw new StoreError('invalid', `collection ${collection} is not empty`);
          this.#collections.set(collection, -1);
          continue;
        }
        case txOp.collSetBits: {
          this.#bits(it.collection);
          this.#checkBits(it.splitBits);
          this.#collections.set(it.collection, it.splitBits);
          continue;
        }
        case txOp.splitCollection2: {
          this.#checkBits(it.splitBits);
          const bits = this.#bits(it.collection);
          if (it.splitBits < bits) throw new StoreError('invalid', `split of ${it.collection} to fewer bits`);
          this.#bits(it.destCollection);
          this.#collections.set(it.collection, it.splitBits);
          this.#collections.set(it.destCollection, it.splitBits);
          continue;
        }
        case txOp.mergeCollection: {
          this.#checkBits(it.splitBits);
          this.#bits(it.collection);
          this.#bits(it.destCollection);
          this.#collections.set(it.collection, -1);
          this.#collections.set(it.destCollection, it.splitBits);
          continue;
        }
        case txOp.collHint:
          this.#bits(it.collection);
          it.skipPayload();
          continue;
        default:
      }
      const collection = it.collection;
      const object = it.object;
      // Operations on one object come in runs.
      if (object !== this.#last || collection !== this.#lastCollection || this.#collections.size > 0) {
        this.#member(collection, object);
        this.#last = object;
        this.#lastCollection = collection;
      }
      switch (it.op) {
        case txOp.create:
        case txOp.touch:
          this.#make(collection, object);
          break;
        case txOp.write: {
          const length = payload.u32();
          if (length !== it.length) throw new StoreError('invalid', `write of ${it.length} bytes carries ${length}`);
          payload.skip(length);
          this.#range(it, it.offset, length);
          this.#make(collection, object);
          this.#facts.change?.('write', object, it.offset, length);
          break;
        }
        case txOp.zero:
          this.#range(it, it.offset, it.length);
          this.#make(collection, object);
          this.#facts.change?.('edges', object, it.offset, it.length);
          break;
        case txOp.truncate:
          this.#range(it, it.offset, 0);
          this.#facts.change?.('edges', object, it.offset, 0);
          break;
        case txOp.remove:
          if (this.#exists(collection, object)) this.#objects.set(sortKey(object), false);
          break;
        case txOp.rmattrs:
        case txOp.omapClear:
        case txOp.setAllocHint:
          break;
        case txOp.setattr:
        case txOp.setattrs:
        case txOp.rmattr:
        case txOp.omapSetKeys:
        case txOp.omapRmKeys:
        case txOp.omapRmKeyRange:
        case txOp.omapSetHeader:
          this.#need(it, collection, object);
          it.skipPayload();
          break;
        case txOp.clone:
          this.#need(it, collection, object);
          this.#member(collection, it.destObject);
          this.#make(collection, it.destObject);
          this.#facts.change?.('clone', object, 0, 0);
          break;
        case txOp.cloneRange2:
          this.#need(it, collection, object);
          this.#member(collection, it.destObject);
          this.#range(it, it.offset, it.length);
          this.#range(it, it.destOffset, it.length);
          this.#make(collection, it.destObject);
          this.#facts.change?.('copy', it.destObject, it.destOffset, it.length);
          break;
        case txOp.collMoveRename:
        case txOp.tryRename: {
          const destination = it.op === txOp.tryRename ? collection : it.destCollection;
          this.#member(destination, it.destObject);
          // Space is counted by pool. Temporary objects are of their pool.
          if (object.hobj.logicalPool !== it.destObject.hobj.logicalPool) {
            throw new StoreError(
              'invalid',
              `${txOpName(it.op)}: ${object} and ${it.destObject} are of different pools`,
            );
          }
          if (this.#exists(collection, object)) {
            this.#objects.set(sortKey(object), false);
            this.#objects.set(sortKey(it.destObject), true);
            this.#made.push(it.destObject);
          }
          break;
        }
        default:
          throw new StoreError('invalid', `operation ${it.op} is not one that this store knows`);
      }
    }
  }

  #checkBits(bits: number): void {
    if (bits > 32) throw new StoreError('invalid', `a collection of ${bits} bits: at most 32`);
  }

  #makeCollection(it: TransactionIterator): void {
    const collection = it.collection;
    const changed = this.#collections.get(collection);
    if ((changed ?? this.#facts.collectionBits(collection) ?? -1) >= 0) {
      throw new StoreError('invalid', `collection ${collection} exists`);
    }
    const parsed = parseCollectionId(collection);
    if (parsed === undefined || parsed.type === collectionType.pgTemp) {
      // Ceph's are of the past as well: temporary objects are told by their pool.
      throw new StoreError('invalid', `collection ${collection}: temporary objects live in the collection of their PG`);
    }
    this.#checkBits(it.splitBits);
    this.#collections.set(collection, it.splitBits);
  }

  #isEmpty(collection: CollectionId): boolean {
    const bits = this.#bits(collection);
    for (const object of this.#made) {
      if (this.#objects.get(sortKey(object)) === true && collectionHolds(collection, bits, object)) return false;
    }
    return this.#facts.isEmptyExcept(collection, (object) => this.#objects.get(sortKey(object)) === false);
  }
}
