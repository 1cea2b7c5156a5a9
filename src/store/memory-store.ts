import type { Clock } from '../base/index.ts';
import type { Ghobject } from '../types/index.ts';
import {
  type CollectionId,
  type ObjectStat,
  type ObjectStore,
  StoreError,
  type StoreRoom,
  type StoreStats,
} from './api.ts';
import { type ByteString, fromByteString, toByteString } from './byte-string.ts';
import { type StoreFacts, TransactionChecker } from './check.ts';
import { compareCollectionIds } from './collection-id.ts';

import { listRanges } from './listing.ts';
import { MemoryData } from './memory-data.ts';
import { collectionHolds, collectionRanges, type SortKey, sortKey } from './object-key.ts';
import { SortedMap } from './sorted-map.ts';
import { type Transaction, type TransactionIterator, txOp } from './transaction.ts';

interface MemoryObject {
  name: Ghobject;
  key: SortKey;
  data: MemoryData;
  attrs: Map<string, Uint8Array>;
  omap: SortedMap<Uint8Array> | undefined;
  header: Uint8Array;
}

const EMPTY = new Uint8Array(0);

export interface MemoryStoreOptions {
  /** Bytes of object data it takes before it answers that it is full. */
  readonly size: number;
}

/** An object store in memory: what it holds is gone with the process. For tests, simulations and throw-away clusters. */
export class MemoryStore implements ObjectStore {
  readonly #clock: Clock;
  readonly #size: number;
  readonly #meta = new Map<string, string>();
  readonly #collections = new Map<CollectionId, number>();
  /** By their keys. */
  readonly #objects = new SortedMap<MemoryObject>();
  readonly #checker: TransactionChecker;
  #callbacks: (() => void)[] = [];
  #formatted = false;
  #mounted = false;
  #bytes = 0;
  /** Bytes that the transactions being checked may add. */
  #wanted = 0;

  constructor(clock: Clock, options: Partial<MemoryStoreOptions> = {}) {
    this.#clock = clock;
    this.#size = options.size ?? 1024 ** 3;
    const facts: StoreFacts = {
      collectionBits: (collection) => this.#collections.get(collection),
      exists: (_collection, object) => this.#objects.has(sortKey(object)),
      isEmptyExcept: (collection, gone) => this.#first(collection, gone) === undefined,
      change: (kind, object, _offset, length) => {
        if (kind === 'write' || kind === 'copy') this.#wanted += length;
        else if (kind === 'clone') this.#wanted += this.#objects.get(sortKey(object))?.data.allocated ?? 0;
      },
    };
    this.#checker = new TransactionChecker(facts);
  }

  async mkfs(fsid: string): Promise<void> {
    if (this.#formatted) throw new StoreError('invalid', 'this memory store is formatted already');
    this.#formatted = true;
    this.#meta.set('fsid', fsid);
  }

  async mount(): Promise<void> {
    if (!this.#formatted) throw new StoreError('invalid', 'this memory store is not formatted');
    this.#mounted = true;
  }

  async umount(): Promise<void> {
    this.#runCallbacks();
    this.#mounted = false;
  }

  getMeta(key: string): string | undefined {
    return this.#meta.get(key);
  }

  setMeta(key: string, value: string): void {
    this.#meta.set(key, value);
  }

  queueTransactions(_collection: CollectionId, transactions: readonly Transaction[], onCommit?: () => void): void {
    if (!this.#mounted) throw new StoreError('invalid', 'the store is not mounted');
    this.#wanted = 0;
    this.#checker.check(transactions);
    if (this.#wanted > 0 && this.#bytes + this.#wanted > this.#size) {
      throw new StoreError('nospace', `${this.#wanted} bytes wanted, ${Math.max(0, this.#size - this.#bytes)} left`);
    }
    for (const tx of transactions) this.#apply(tx);
    if (onCommit === undefined) return;
    this.#callbacks.push(onCommit);
    if (this.#callbacks.length === 1) this.#clock.defer(() => this.#runCallbacks());
  }

  #runCallbacks(): void {
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback();
  }

  // --- applying ---------------------------------------------------------------------------------------------------------------

  #make(name: Ghobject): MemoryObject {
    const known = this.#objects.get(sortKey(name));
    if (known !== undefined) return known;
    const object: MemoryObject = {
      name,
      key: sortKey(name),
      data: new MemoryData(),
      attrs: new Map(),
      omap: undefined,
      header: EMPTY,
    };
    this.#objects.set(object.key, object);
    return object;
  }

  #drop(object: MemoryObject): void {
    this.#bytes -= object.data.allocated;
    this.#objects.delete(object.key);
  }

  /** Runs a change of data and keeps the sum of bytes. */
  #change(object: MemoryObject, change: (data: MemoryData) => void): void {
    const before = object.data.allocated;
    change(object.data);
    this.#bytes += object.data.allocated - before;
  }

  #apply(tx: Transaction): void {
    const it = tx.iterate();
    while (it.next()) if (!this.#applyCollection(it)) this.#applyObject(it);
  }

  #applyCollection(it: TransactionIterator): boolean {
    switch (it.op) {
      case txOp.nop:
        return true;
      case txOp.mkcoll:
      case txOp.collSetBits:
        this.#collections.set(it.collection, it.splitBits);
        return true;
      case txOp.rmcoll:
        this.#collections.delete(it.collection);
        return true;
      case txOp.splitCollection2:
        this.#collections.set(it.collection, it.splitBits);
        this.#collections.set(it.destCollection, it.splitBits);
        return true;
      case txOp.mergeCollection:
        this.#collections.delete(it.collection);
        this.#collections.set(it.destCollection, it.splitBits);
        return true;
      case txOp.collHint:
        it.skipPayload();
        return true;
      default:
        return false;
    }
  }

  #applyObject(it: TransactionIterator): void {
    const p = it.payload;
    const makes = it.op === txOp.touch || it.op === txOp.create || it.op === txOp.write || it.op === txOp.zero;
    const object = makes ? this.#make(it.object) : this.#objects.get(sortKey(it.object));
    if (object === undefined) {
      it.skipPayload();
      return;
    }
    switch (it.op) {
      case txOp.create:
      case txOp.touch:
        return;
      case txOp.write: {
        const parts = it.data();
        this.#change(object, (d) => d.write(it.offset, parts));
        return;
      }
      case txOp.zero:
        this.#change(object, (d) => d.zero(it.offset, it.length));
        return;
      case txOp.truncate:
        this.#change(object, (d) => d.truncate(it.offset));
        return;
      case txOp.remove:
        this.#drop(object);
        return;
      case txOp.setattr: {
        const name = p.string();
        object.attrs.set(name, p.blob().slice());
        return;
      }
      case txOp.setattrs:
        for (let n = p.count(8); n > 0; n--) {
          const name = p.string();
          object.attrs.set(name, p.blob().slice());
        }
        return;
      case txOp.rmattr:
        object.attrs.delete(p.string());
        return;
      case txOp.rmattrs:
        object.attrs.clear();
        return;
      case txOp.clone: {
        if (sortKey(it.destObject) === object.key) return;
        const to = this.#make(it.destObject);
        this.#change(to, () => {
          to.data = object.data.clone();
        });
        to.attrs = new Map(object.attrs);
        to.omap = copyOmap(object.omap);
        to.header = object.header;
        return;
      }
      case txOp.cloneRange2: {
        const to = this.#make(it.destObject);
        this.#change(to, (d) => d.copyRange(object.data, it.offset, it.length, it.destOffset));
        return;
      }
      case txOp.collMoveRename:
      case txOp.tryRename: {
        const name = it.destObject;
        if (sortKey(name) === object.key) return;
        const replaced = this.#objects.get(sortKey(name));
        if (replaced !== undefined) this.#drop(replaced);
        this.#objects.delete(object.key);
        object.name = name;
        object.key = sortKey(name);
        this.#objects.set(object.key, object);
        return;
      }
      case txOp.omapClear:
        object.omap = undefined;
        object.header = EMPTY;
        return;
      case txOp.omapSetKeys: {
        object.omap ??= new SortedMap();
        for (let n = p.count(8); n > 0; n--) {
          const key = p.byteString();
          object.omap.set(key, p.blob().slice());
        }
        return;
      }
      case txOp.omapRmKeys:
        for (let n = p.count(4); n > 0; n--) {
          const key = p.byteString();
          object.omap?.delete(key);
        }
        return;
      case txOp.omapRmKeyRange: {
        const first = p.byteString();
        const last = p.byteString();
        object.omap?.deleteRange(first, last);
        return;
      }
      case txOp.omapSetHeader:
        object.header = p.blob().slice();
        return;
      default:
        return;
    }
  }

  // --- reading ----------------------------------------------------------------------------------------------------------------

  collections(): CollectionId[] {
    return [...this.#collections.keys()].sort(compareCollectionIds);
  }

  collectionExists(collection: CollectionId): boolean {
    return this.#collections.has(collection);
  }

  collectionBits(collection: CollectionId): number | undefined {
    return this.#collections.get(collection);
  }

  #first(collection: CollectionId, skip: (object: Ghobject) => boolean): MemoryObject | undefined {
    const bits = this.#collections.get(collection);
    if (bits === undefined) return undefined;
    for (const { start, end } of collectionRanges(collection, bits)) {
      for (const [key, object] of this.#objects.entries(start)) {
        if (key >= end) break;
        if (!skip(object.name)) return object;
      }
    }
    return undefined;
  }

  collectionEmpty(collection: CollectionId): boolean {
    return this.#first(collection, () => false) === undefined;
  }

  list(
    collection: CollectionId,
    start: Ghobject,
    end: Ghobject | undefined,
    limit: number,
  ): { objects: Ghobject[]; next: Ghobject } {
    return listRanges(this.#ranges(collection), start, end, limit, (from) => this.#names(from));
  }

  *#names(from: SortKey): IterableIterator<readonly [SortKey, Ghobject]> {
    for (const [key, object] of this.#objects.entries(from)) yield [key, object.name];
  }

  #ranges(collection: CollectionId): { start: SortKey; end: SortKey }[] {
    const bits = this.#collections.get(collection);
    return bits === undefined ? [] : collectionRanges(collection, bits);
  }

  #find(collection: CollectionId, name: Ghobject): MemoryObject | undefined {
    const object = this.#objects.get(sortKey(name));
    if (object === undefined) return undefined;
    const bits = this.#collections.get(collection);
    return bits !== undefined && collectionHolds(collection, bits, name) ? object : undefined;
  }

  exists(collection: CollectionId, object: Ghobject): boolean {
    return this.#find(collection, object) !== undefined;
  }

  stat(collection: CollectionId, object: Ghobject): ObjectStat | undefined {
    const o = this.#find(collection, object);
    return o === undefined ? undefined : { size: o.data.size };
  }

  readSync(collection: CollectionId, object: Ghobject, offset: number, length: number): Uint8Array[] | undefined {
    const data = this.#find(collection, object)?.data;
    if (data === undefined) return undefined;
    const end = length === 0 ? data.size : Math.min(data.size, offset + length);
    return end <= offset ? [] : [data.read(offset, end - offset)];
  }

  read(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
    done: (error: Error | null, data: Uint8Array[] | undefined) => void,
  ): void {
    done(null, this.readSync(collection, object, offset, length));
  }

  extents(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
  ): { offset: number; length: number }[] | undefined {
    return this.#find(collection, object)?.data.extents(offset, length);
  }

  getAttr(collection: CollectionId, object: Ghobject, name: string): Uint8Array | undefined {
    return this.#find(collection, object)?.attrs.get(name);
  }

  getAttrs(collection: CollectionId, object: Ghobject): ReadonlyMap<string, Uint8Array> | undefined {
    return this.#find(collection, object)?.attrs;
  }

  omapHeader(collection: CollectionId, object: Ghobject): Uint8Array | undefined {
    return this.#find(collection, object)?.header;
  }

  omapValues(collection: CollectionId, object: Ghobject, keys: readonly string[]): Map<string, Uint8Array> | undefined {
    const o = this.#find(collection, object);
    if (o === undefined) return undefined;
    const found = new Map<string, Uint8Array>();
    for (const key of keys) {
      const value = o.omap?.get(toByteString(key));
      if (value !== undefined) found.set(key, value);
    }
    return found;
  }

  omapIterate(
    collection: CollectionId,
    object: Ghobject,
    position: { after?: string; from?: string },
  ): Iterable<readonly [key: string, value: Uint8Array]> | undefined {
    const o = this.#find(collection, object);
    if (o === undefined) return undefined;
    const after = position.after === undefined ? undefined : toByteString(position.after);
    const from = after ?? toByteString(position.from ?? '');
    return iterateOmap(o, from, after);
  }

  statfs(): StoreStats {
    return {
      ...this.room(),
      allocated: this.#bytes,
      stored: this.#bytes,
      omapBytes: 0,
      metadataBytes: 0,
      compressedBytes: 0,
      compressedAllocatedBytes: 0,
      compressedOriginalBytes: 0,
    };
  }

  room(): StoreRoom {
    return { total: this.#size, available: this.#size - Math.min(this.#bytes, this.#size) };
  }
}

function copyOmap(omap: SortedMap<Uint8Array> | undefined): SortedMap<Uint8Array> | undefined {
  if (omap === undefined) return undefined;
  const copy = new SortedMap<Uint8Array>();
  for (const [key, value] of omap) copy.set(key, value);
  return copy;
}

function* iterateOmap(
  object: MemoryObject,
  from: ByteString,
  after: ByteString | undefined,
): IterableIterator<readonly [string, Uint8Array]> {
  if (object.omap === undefined) return;
  for (const [key, value] of object.omap.entries(from)) {
    if (key !== after) yield [fromByteString(key), value];
  }
}
