import { DecodeError, encodeText, Reader, Writer } from '../encoding/index.ts';
import { compareGhobject, type Ghobject, ghobject, sameGhobject } from '../types/index.ts';
import type { CollectionId } from './api.ts';
import { Arena } from './arena.ts';
import { compareCollectionIds, decodeCollectionId, encodeCollectionId } from './collection-id.ts';
import { PartsReader } from './parts-reader.ts';

/**
 * A transaction in the form in which it travels between OSDs (MOSDRepOp) and lies in the store's log:
 *
 *     version 9, compat 9, length          struct header
 *     u32 length, payload                  strings, attributes, data: consumed in the order of the operations
 *     u32 length, operations               72 bytes each, see below
 *     u32 count, (collection, u32 id)*     in collection order
 *     u32 count, (ghobject, u32 id)*       in ghobject order
 *     u64 operations, u32 length, offset and payload offset of the largest write, u32 fadvise flags
 *
 * One operation (little-endian, packed):
 *
 *      0 u32 op          12 u64 off      36 u64 dest_off     56 u64 expected_write_size
 *      4 u32 collection  20 u64 len      44 u32 hint         64 u32 split_bits
 *      8 u32 object      28 u32 dest collection              68 u32 split_rem
 *                        32 u32 dest object   48 u64 expected_object_size
 */
export const OP_LENGTH = 72;
const VERSION = 9;
/** Struct header and the payload's length. */
const HEADER_LENGTH = 10;
/** Payloads up to this long are copied beside the small things; longer ones stay views. */
const INLINE_MAX = 1024;
const TWO_32 = 0x1_0000_0000;
const NOTHING = new Uint8Array(0);
const NO_VIEW = new DataView(NOTHING.buffer);
/** Room that a transaction starts with: what a small write with its log entry takes. */
const OPS_FIRST = 8;
const SMALL_FIRST = 1536;
/** What transactions are built in; they are soon done with. */
const arena = new Arena();
/** The end of an encoding is put together here. */
const tailWriter = new Writer(4096);

/** Operation numbers of the wire. */
export const txOp = {
  nop: 0,
  create: 7,
  touch: 9,
  write: 10,
  zero: 11,
  truncate: 12,
  remove: 13,
  setattr: 14,
  setattrs: 15,
  rmattr: 16,
  clone: 17,
  cloneRange: 18,
  trimCache: 19,
  mkcoll: 20,
  rmcoll: 21,
  collAdd: 22,
  collRemove: 23,
  collSetattr: 24,
  collRmattr: 25,
  collSetattrs: 26,
  rmattrs: 28,
  collRename: 29,
  cloneRange2: 30,
  omapClear: 31,
  omapSetKeys: 32,
  omapRmKeys: 33,
  omapSetHeader: 34,
  splitCollection: 35,
  splitCollection2: 36,
  omapRmKeyRange: 37,
  collMoveRename: 38,
  setAllocHint: 39,
  collHint: 40,
  tryRename: 41,
  collSetBits: 42,
  mergeCollection: 43,
} as const;

const opNames = new Map<number, string>(Object.entries(txOp).map(([name, code]) => [code, name]));

/** Name of an operation number, for messages. */
export function txOpName(op: number): string {
  return opNames.get(op) ?? `op ${op}`;
}

/** Hint kinds of {@link Transaction.collHint}. */
export const COLL_HINT_EXPECTED_NUM_OBJECTS = 1;

type Bytes = Uint8Array | readonly Uint8Array[];
type KeyValues = ReadonlyMap<string, Uint8Array> | Iterable<readonly [key: string, value: Uint8Array]>;

/**
 * A sequence of changes that is applied all or not at all. Built by the methods (each appends one operation), or decoded from a
 * peer's bytes. Buffers given to `write` are kept as views: they must not change until the transaction is committed.
 *
 * Key sets and maps should be given in bytewise key order, as Ceph's are; the store does not depend on it.
 */
export class Transaction {
  /** Names by id as the operations use them. Not to be changed. */
  readonly collections: CollectionId[] = [];
  readonly objects: Ghobject[] = [];
  /** Finished parts of the payload. */
  #parts: Uint8Array[] = [];
  #payloadLength = 0;
  /** Payload since the last finished part: [smallStart, smallAt) of a piece of memory that goes to smallEnd. */
  #small: Uint8Array = NOTHING;
  #smallView: DataView = NO_VIEW;
  #smallStart = 0;
  #smallAt = 0;
  #smallEnd = 0;
  /** Operations: from opsStart on, with room up to opsEnd. */
  #ops: Uint8Array = NOTHING;
  #opsView: DataView = NO_VIEW;
  #opsStart = 0;
  #opsEnd = 0;
  #opCount = 0;
  #fadviseFlags = 0;
  #largestLength = 0;
  #largestOffset = 0;
  #largestPosition = 0;
  /** Set once encoded: no more operations may follow. */
  #encoded: Uint8Array[] | undefined;
  #encodedLength = 0;
  #payload: readonly Uint8Array[] | undefined;
  /** Last object asked for and its id: operations on one object come in runs. */
  #lastObject: Ghobject | undefined;
  #lastObjectId = 0;

  get opCount(): number {
    return this.#opCount;
  }

  get isEmpty(): boolean {
    return this.#opCount === 0;
  }

  get fadviseFlags(): number {
    return this.#fadviseFlags;
  }

  /** Bytes of payload (data, attributes, keys). */
  get payloadLength(): number {
    return this.#payloadLength;
  }

  /** Length of the longest single write. */
  get largestWrite(): number {
    return this.#largestLength;
  }

  // --- building ---------------------------------------------------------------------------------------------------------------

  /** Room for one more operation, all zeros; its offset. */
  #slot(): number {
    if (this.#encoded !== undefined) throw new Error('an encoded transaction takes no more operations');
    const at = this.#opsStart + this.#opCount * OP_LENGTH;
    if (at + OP_LENGTH > this.#opsEnd) return this.#growOps();
    this.#opCount++;
    this.#ops.fill(0, at, at + OP_LENGTH);
    return at;
  }

  #growOps(): number {
    const used = this.#opCount * OP_LENGTH;
    const capacity = Math.max(OPS_FIRST * OP_LENGTH, used * 2);
    const start = arena.cut(capacity);
    arena.bytes.set(this.#ops.subarray(this.#opsStart, this.#opsStart + used), start);
    this.#ops = arena.bytes;
    this.#opsView = arena.view;
    this.#opsStart = start;
    this.#opsEnd = start + capacity;
    return this.#slot();
  }

  #op(op: number, collection: CollectionId, object?: Ghobject): number {
    const at = this.#slot();
    const v = this.#opsView;
    v.setUint32(at, op, true);
    v.setUint32(at + 4, this.#collectionId(collection), true);
    if (object !== undefined) v.setUint32(at + 8, this.#objectId(object), true);
    return at;
  }

  #collectionId(collection: CollectionId): number {
    const { collections } = this;
    let id = collections.indexOf(collection);
    if (id < 0) {
      id = collections.length;
      collections.push(collection);
    }
    return id;
  }

  #objectId(object: Ghobject): number {
    if (object === this.#lastObject) return this.#lastObjectId;
    const objects = this.objects;
    let id = 0;
    while (id < objects.length && !sameGhobject(objects[id]!, object)) id++;
    if (id === objects.length) objects.push(object);
    this.#lastObject = object;
    this.#lastObjectId = id;
    return id;
  }

  #u64(at: number, x: number): void {
    const v = this.#opsView;
    if (x >= 0x1_0000_0000_0000_0000) {
      v.setUint32(at, TWO_32 - 1, true);
      v.setUint32(at + 4, TWO_32 - 1, true);
      return;
    }
    v.setUint32(at, x % TWO_32, true);
    v.setUint32(at + 4, Math.floor(x / TWO_32), true);
  }

  /** Ends the current small part, so that what follows is a part of its own. */
  #flushSmall(): void {
    if (this.#smallAt > this.#smallStart) this.#parts.push(this.#small.subarray(this.#smallStart, this.#smallAt));
    this.#smallStart = this.#smallAt;
  }

  /** Room for so many bytes of payload; their offset in `#small`. */
  #room(length: number): number {
    const at = this.#smallAt;
    if (at + length > this.#smallEnd) {
      const used = at - this.#smallStart;
      const capacity = Math.max(SMALL_FIRST, (used + length) * 2);
      const start = arena.cut(capacity);
      if (used > 0) arena.bytes.set(this.#small.subarray(this.#smallStart, at), start);
      this.#small = arena.bytes;
      this.#smallView = arena.view;
      this.#smallStart = start;
      this.#smallAt = start + used;
      this.#smallEnd = start + capacity;
      return this.#room(length);
    }
    this.#smallAt = at + length;
    this.#payloadLength += length;
    return at;
  }

  /** Payload bytes without a length before them. */
  #append(bytes: Uint8Array): void {
    if (bytes.length <= INLINE_MAX) {
      const at = this.#room(bytes.length);
      this.#small.set(bytes, at);
      return;
    }
    this.#flushSmall();
    this.#payloadLength += bytes.length;
    this.#parts.push(bytes);
  }

  #blob(data: Bytes): number {
    if (data instanceof Uint8Array) {
      this.#u32(data.length);
      this.#append(data);
      return data.length;
    }
    let length = 0;
    for (const part of data) length += part.length;
    this.#u32(length);
    for (const part of data) this.#append(part);
    return length;
  }

  #string(s: string): void {
    const n = s.length;
    if (n <= 64) {
      // Short ASCII by hand; anything else backs out to the general way.
      const at = this.#room(4 + n);
      const b = this.#small;
      let i = 0;
      for (; i < n; i++) {
        const c = s.charCodeAt(i);
        if (c >= 0x80) break;
        b[at + 4 + i] = c;
      }
      if (i === n) {
        this.#smallView.setUint32(at, n, true);
        return;
      }
      this.#smallAt = at;
      this.#payloadLength -= 4 + n;
    }
    this.#blob(encodeText(s));
  }

  #u32(x: number): void {
    const at = this.#room(4);
    this.#smallView.setUint32(at, x, true);
  }

  nop(): this {
    // It names no collection; its fields stay zero, as does its number.
    this.#slot();
    return this;
  }

  /** Makes an object that must not exist yet. */
  create(collection: CollectionId, object: Ghobject): this {
    this.#op(txOp.create, collection, object);
    return this;
  }

  /** Makes the object where it is missing. */
  touch(collection: CollectionId, object: Ghobject): this {
    this.#op(txOp.touch, collection, object);
    return this;
  }

  /** Writes at `offset`, making the object or growing it. Writing nothing changes no size. `flags` are fadvise bits. */
  write(collection: CollectionId, object: Ghobject, offset: number, data: Bytes, flags = 0): this {
    const at = this.#op(txOp.write, collection, object);
    const position = this.#payloadLength;
    const length = this.#blob(data);
    this.#u64(at + 12, offset);
    this.#u64(at + 20, length);
    this.#fadviseFlags |= flags;
    if (length > this.#largestLength) {
      this.#largestLength = length;
      this.#largestOffset = offset;
      this.#largestPosition = position + 4;
    }
    return this;
  }

  /** As writing zeros, and gives whole blocks back. A length of 0 changes nothing. */
  zero(collection: CollectionId, object: Ghobject, offset: number, length: number): this {
    const at = this.#op(txOp.zero, collection, object);
    this.#u64(at + 12, offset);
    this.#u64(at + 20, length);
    return this;
  }

  /** Sets the size: cuts or grows by a hole. */
  truncate(collection: CollectionId, object: Ghobject, size: number): this {
    const at = this.#op(txOp.truncate, collection, object);
    this.#u64(at + 12, size);
    return this;
  }

  /** Removes the object with all its parts; no error where it is missing. */
  remove(collection: CollectionId, object: Ghobject): this {
    this.#op(txOp.remove, collection, object);
    return this;
  }

  setattr(collection: CollectionId, object: Ghobject, name: string, value: Uint8Array): this {
    this.#op(txOp.setattr, collection, object);
    this.#string(name);
    this.#blob(value);
    return this;
  }

  setattrs(collection: CollectionId, object: Ghobject, attrs: KeyValues): this {
    this.#op(txOp.setattrs, collection, object);
    this.#keyValues(attrs);
    return this;
  }

  #keyValues(entries: KeyValues): void {
    const list = entries instanceof Map ? entries : Array.isArray(entries) ? entries : [...entries];
    this.#u32(list instanceof Map ? list.size : list.length);
    for (const [key, value] of list as Iterable<readonly [string, Uint8Array]>) {
      this.#string(key);
      this.#blob(value);
    }
  }

  rmattr(collection: CollectionId, object: Ghobject, name: string): this {
    this.#op(txOp.rmattr, collection, object);
    this.#string(name);
    return this;
  }

  /** Removes all xattrs. */
  rmattrs(collection: CollectionId, object: Ghobject): this {
    this.#op(txOp.rmattrs, collection, object);
    return this;
  }

  /** Makes `to` a copy of `from` in all parts (data, xattrs, omap); what `to` was is gone. */
  clone(collection: CollectionId, from: Ghobject, to: Ghobject): this {
    const at = this.#op(txOp.clone, collection, from);
    this.#opsView.setUint32(at + 32, this.#objectId(to), true);
    return this;
  }

  /** Copies data only: `length` bytes from `offset` of `from` to `toOffset` of `to`. */
  cloneRange(
    collection: CollectionId,
    from: Ghobject,
    to: Ghobject,
    offset: number,
    length: number,
    toOffset: number,
  ): this {
    const at = this.#op(txOp.cloneRange2, collection, from);
    this.#opsView.setUint32(at + 32, this.#objectId(to), true);
    this.#u64(at + 12, offset);
    this.#u64(at + 20, length);
    this.#u64(at + 36, toOffset);
    return this;
  }

  /** Makes a collection of the objects whose hash ends in `bits` bits of the PG's seed. */
  createCollection(collection: CollectionId, bits: number): this {
    const at = this.#op(txOp.mkcoll, collection);
    this.#opsView.setUint32(at + 64, bits, true);
    return this;
  }

  /** The collection must be empty. */
  removeCollection(collection: CollectionId): this {
    this.#op(txOp.rmcoll, collection);
    return this;
  }

  collSetBits(collection: CollectionId, bits: number): this {
    const at = this.#op(txOp.collSetBits, collection);
    this.#opsView.setUint32(at + 64, bits, true);
    return this;
  }

  /** Moves an object to another name, perhaps in another collection. What had that name is replaced. */
  collMoveRename(fromCollection: CollectionId, from: Ghobject, collection: CollectionId, to: Ghobject): this {
    const at = this.#op(txOp.collMoveRename, fromCollection, from);
    this.#opsView.setUint32(at + 28, this.#collectionId(collection), true);
    this.#opsView.setUint32(at + 32, this.#objectId(to), true);
    return this;
  }

  /** As collMoveRename within one collection; no error where `from` is missing. */
  tryRename(collection: CollectionId, from: Ghobject, to: Ghobject): this {
    const at = this.#op(txOp.tryRename, collection, from);
    this.#opsView.setUint32(at + 32, this.#objectId(to), true);
    return this;
  }

  /** Moves the objects whose hash has `rem` in its low `bits` bits into `destination`, which exists; both have `bits` bits afterwards. */
  splitCollection(collection: CollectionId, bits: number, rem: number, destination: CollectionId): this {
    const at = this.#op(txOp.splitCollection2, collection);
    this.#opsView.setUint32(at + 28, this.#collectionId(destination), true);
    this.#opsView.setUint32(at + 64, bits, true);
    this.#opsView.setUint32(at + 68, rem, true);
    return this;
  }

  /** Moves all objects into `destination`, which has `bits` bits afterwards, and removes the collection. */
  mergeCollection(collection: CollectionId, destination: CollectionId, bits: number): this {
    const at = this.#op(txOp.mergeCollection, collection);
    this.#opsView.setUint32(at + 28, this.#collectionId(destination), true);
    this.#opsView.setUint32(at + 64, bits, true);
    return this;
  }

  collHint(collection: CollectionId, type: number, hint: Uint8Array): this {
    const at = this.#op(txOp.collHint, collection);
    this.#opsView.setUint32(at + 44, type, true);
    this.#blob(hint);
    return this;
  }

  setAllocHint(
    collection: CollectionId,
    object: Ghobject,
    expectedObjectSize: number,
    expectedWriteSize: number,
    flags: number,
  ): this {
    const at = this.#op(txOp.setAllocHint, collection, object);
    this.#u64(at + 48, expectedObjectSize);
    this.#u64(at + 56, expectedWriteSize);
    this.#opsView.setUint32(at + 44, flags, true);
    return this;
  }

  omapClear(collection: CollectionId, object: Ghobject): this {
    this.#op(txOp.omapClear, collection, object);
    return this;
  }

  omapSetKeys(collection: CollectionId, object: Ghobject, entries: KeyValues): this {
    this.#op(txOp.omapSetKeys, collection, object);
    this.#keyValues(entries);
    return this;
  }

  /** As omapSetKeys with the map already encoded (u32 count, then key and value each with its length), as a client sent it. */
  omapSetKeysEncoded(collection: CollectionId, object: Ghobject, encoded: Uint8Array): this {
    this.#op(txOp.omapSetKeys, collection, object);
    this.#append(encoded);
    return this;
  }

  omapRmKeys(collection: CollectionId, object: Ghobject, keys: Iterable<string>): this {
    this.#op(txOp.omapRmKeys, collection, object);
    const list = Array.isArray(keys) ? (keys as string[]) : [...keys];
    this.#u32(list.length);
    for (const key of list) this.#string(key);
    return this;
  }

  /** As omapRmKeys with the set already encoded. */
  omapRmKeysEncoded(collection: CollectionId, object: Ghobject, encoded: Uint8Array): this {
    this.#op(txOp.omapRmKeys, collection, object);
    this.#append(encoded);
    return this;
  }

  /** Removes keys with first <= key < last. */
  omapRmKeyRange(collection: CollectionId, object: Ghobject, first: string, last: string): this {
    this.#op(txOp.omapRmKeyRange, collection, object);
    this.#string(first);
    this.#string(last);
    return this;
  }

  omapSetHeader(collection: CollectionId, object: Ghobject, header: Uint8Array): this {
    this.#op(txOp.omapSetHeader, collection, object);
    this.#blob(header);
    return this;
  }

  /** Appends the operations of `other`, which stays as it is. */
  append(other: Transaction): this {
    if (this.#encoded !== undefined) throw new Error('an encoded transaction takes no more operations');
    const collections = other.collections.map((c) => this.#collectionId(c));
    const objects = other.objects.map((o) => this.#objectId(o));
    for (let i = 0; i < other.#opCount; i++) {
      const from = other.#opsStart + i * OP_LENGTH;
      const at = this.#slot();
      this.#ops.set(other.#ops.subarray(from, from + OP_LENGTH), at);
      const v = this.#opsView;
      // Fields that an operation does not use are zero and stay so.
      const op = v.getUint32(at, true);
      if (op === txOp.nop) continue;
      v.setUint32(at + 4, collections[v.getUint32(at + 4, true)] ?? 0, true);
      if (usesObject(op)) v.setUint32(at + 8, objects[v.getUint32(at + 8, true)] ?? 0, true);
      if (usesDestCollection(op)) v.setUint32(at + 28, collections[v.getUint32(at + 28, true)] ?? 0, true);
      if (usesDestObject(op)) v.setUint32(at + 32, objects[v.getUint32(at + 32, true)] ?? 0, true);
    }
    if (other.#largestLength > this.#largestLength) {
      this.#largestLength = other.#largestLength;
      this.#largestOffset = other.#largestOffset;
      this.#largestPosition = this.#payloadLength + other.#largestPosition;
    }
    this.#fadviseFlags |= other.#fadviseFlags;
    for (const part of other.payload()) this.#append(part);
    return this;
  }

  // --- the encoded form -------------------------------------------------------------------------------------------------------

  /**
   * The encoded form as buffers in order, without a copy of long payloads. The same buffers on every call; the transaction takes no
   * more operations afterwards.
   */
  encode(): readonly Uint8Array[] {
    if (this.#encoded !== undefined) return this.#encoded;
    const payload = this.payload();
    const tail = tailWriter;
    tail.reset();
    // Header and tail share one piece of memory.
    tail.zeros(HEADER_LENGTH);
    const opsLength = this.#opCount * OP_LENGTH;
    tail.u32(opsLength);
    tail.raw(this.#ops.subarray(this.#opsStart, this.#opsStart + opsLength));
    encodeIndex(tail, this.collections, compareCollectionIds, encodeCollectionId);
    encodeIndex(tail, this.objects, compareGhobject, ghobject.encode);
    tail.u64num(this.#opCount);
    tail.u32(this.#largestLength);
    tail.u32(this.#largestOffset % TWO_32);
    tail.u32(this.#largestPosition);
    tail.u32(this.#fadviseFlags);
    tail.patchU8(0, VERSION);
    tail.patchU8(1, VERSION);
    tail.patchU32(2, 4 + this.#payloadLength + tail.length - HEADER_LENGTH);
    tail.patchU32(6, this.#payloadLength);
    const bytes = arena.copy(tail.bytes());
    this.#encoded = [bytes.subarray(0, HEADER_LENGTH), ...payload, bytes.subarray(HEADER_LENGTH)];
    this.#encodedLength = this.#payloadLength + bytes.length;
    this.#payload = payload;
    return this.#encoded;
  }

  /** Length of {@link Transaction.encode}'s result. Encodes where that is still to be done. */
  get encodedLength(): number {
    if (this.#encoded === undefined) this.encode();
    return this.#encodedLength;
  }

  /** The payload's parts, without header. */
  payload(): readonly Uint8Array[] {
    if (this.#payload !== undefined) return this.#payload;
    const parts = this.#parts.slice();
    if (this.#smallAt > this.#smallStart) parts.push(this.#small.subarray(this.#smallStart, this.#smallAt));
    return parts;
  }

  /** Reads a transaction; views of the input serve as its parts. Throws DecodeError where the bytes are no transaction. */
  static decode(input: Bytes): Transaction {
    const parts = input instanceof Uint8Array ? [input] : input;
    const r = new PartsReader(parts);
    const tx = new Transaction();
    r.u8();
    const compat = r.u8();
    if (compat > VERSION) {
      throw new DecodeError(
        `needs version ${compat} of the format, this program reads up to ${VERSION}`,
        1,
        'Transaction',
      );
    }
    r.u32();
    const payloadLength = r.u32();
    tx.#parts = r.views(payloadLength);
    tx.#payload = tx.#parts;
    tx.#payloadLength = payloadLength;
    const opsLength = r.u32();
    if (opsLength % OP_LENGTH !== 0) {
      throw new DecodeError(
        `operations take ${opsLength} bytes, not a multiple of ${OP_LENGTH}`,
        r.position,
        'Transaction',
      );
    }
    tx.#ops = r.raw(opsLength);
    tx.#opsView = new DataView(tx.#ops.buffer, tx.#ops.byteOffset, tx.#ops.byteLength);
    tx.#opsEnd = opsLength;
    // The indices and counters are small: one contiguous view for the ordinary reader.
    const rest = new Reader(r.rest());
    decodeIndex(rest, tx.collections, 8, decodeCollectionId);
    decodeIndex(rest, tx.objects, 44, ghobject.decode);
    tx.#opCount = rest.u64num();
    if (tx.#opCount * OP_LENGTH !== opsLength) {
      throw new DecodeError(
        `claims ${tx.#opCount} operations, has ${opsLength} bytes of them`,
        r.position,
        'Transaction',
      );
    }
    tx.#largestLength = rest.u32();
    tx.#largestOffset = rest.u32();
    tx.#largestPosition = rest.u32();
    tx.#fadviseFlags = rest.u32();
    tx.#encoded = parts.slice();
    tx.#encodedLength = totalLength(parts);
    return tx;
  }

  /** Steps over the operations. */
  iterate(): TransactionIterator {
    return new TransactionIterator(this, this.#opsView, this.#opsStart, this.#opCount, this.payload());
  }
}

function totalLength(parts: readonly Uint8Array[]): number {
  let n = 0;
  for (const part of parts) n += part.length;
  return n;
}

/** Operations that name an object in the object field. */
function usesObject(op: number): boolean {
  switch (op) {
    case txOp.mkcoll:
    case txOp.rmcoll:
    case txOp.collHint:
    case txOp.collSetBits:
    case txOp.splitCollection2:
    case txOp.mergeCollection:
    case txOp.nop:
      return false;
    default:
      return true;
  }
}

function usesDestCollection(op: number): boolean {
  return op === txOp.collMoveRename || op === txOp.splitCollection2 || op === txOp.mergeCollection;
}

function usesDestObject(op: number): boolean {
  return op === txOp.clone || op === txOp.cloneRange2 || op === txOp.collMoveRename || op === txOp.tryRename;
}

function encodeIndex<T>(
  w: Writer,
  names: readonly T[],
  compare: (a: T, b: T) => number,
  encode: (w: Writer, name: T) => void,
): void {
  w.u32(names.length);
  if (names.length <= 1) {
    for (const name of names) {
      encode(w, name);
      w.u32(0);
    }
    return;
  }
  const order = names.map((_, i) => i).sort((a, b) => compare(names[a]!, names[b]!));
  for (const i of order) {
    encode(w, names[i]!);
    w.u32(i);
  }
}

function decodeIndex<T>(r: Reader, into: T[], length_min: number, decode: (r: Reader) => T): void {
  const n = r.count(length_min);
  for (let i = 0; i < n; i++) into.push(undefined as T);
  for (let i = 0; i < n; i++) {
    const name = decode(r);
    const id = r.u32();
    if (id >= n || into[id] !== undefined) r.fail(`index ${id} of ${n} is out of range or given twice`);
    into[id] = name;
  }
}

/**
 * The current operation of a transaction. `next()` moves on; fields are those of the packed form. Payload getters must be called in
 * the order in which the operation's payload is laid out; what is not read is not skipped, so each operation's payload must be read
 * or skipped ({@link TransactionIterator.skipPayload}).
 */
export class TransactionIterator {
  readonly transaction: Transaction;
  readonly payload: PartsReader;
  readonly #view: DataView;
  readonly #start: number;
  readonly #count: number;
  #next = 0;
  #at = 0;
  op = 0;

  constructor(transaction: Transaction, view: DataView, start: number, count: number, payload: readonly Uint8Array[]) {
    this.transaction = transaction;
    this.payload = new PartsReader(payload);
    this.#view = view;
    this.#start = start;
    this.#count = count;
  }

  /** Back to before the first operation. */
  rewind(): void {
    this.#next = 0;
    this.payload.rewind();
  }

  /** Moves to the next operation; false at the end. */
  next(): boolean {
    if (this.#next >= this.#count) return false;
    this.#at = this.#start + this.#next++ * OP_LENGTH;
    this.op = this.#view.getUint32(this.#at, true);
    return true;
  }

  /** Position of the current operation, from 0. */
  get index(): number {
    return this.#next - 1;
  }

  #u64(o: number): number {
    const at = this.#at + o;
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
  }

  get collectionId(): number {
    return this.#view.getUint32(this.#at + 4, true);
  }

  get objectId(): number {
    return this.#view.getUint32(this.#at + 8, true);
  }

  get offset(): number {
    return this.#u64(12);
  }

  get length(): number {
    return this.#u64(20);
  }

  get destCollectionId(): number {
    return this.#view.getUint32(this.#at + 28, true);
  }

  get destObjectId(): number {
    return this.#view.getUint32(this.#at + 32, true);
  }

  get destOffset(): number {
    return this.#u64(36);
  }

  get hint(): number {
    return this.#view.getUint32(this.#at + 44, true);
  }

  get expectedObjectSize(): number {
    return this.#u64(48);
  }

  get expectedWriteSize(): number {
    return this.#u64(56);
  }

  get splitBits(): number {
    return this.#view.getUint32(this.#at + 64, true);
  }

  get splitRem(): number {
    return this.#view.getUint32(this.#at + 68, true);
  }

  #name<T>(names: readonly T[], id: number, what: string): T {
    const name = names[id];
    if (name === undefined)
      throw new DecodeError(`operation ${this.index} names ${what} ${id} of ${names.length}`, 0, 'Transaction');
    return name;
  }

  get collection(): CollectionId {
    return this.#name(this.transaction.collections, this.collectionId, 'collection');
  }

  get object(): Ghobject {
    return this.#name(this.transaction.objects, this.objectId, 'object');
  }

  get destCollection(): CollectionId {
    return this.#name(this.transaction.collections, this.destCollectionId, 'collection');
  }

  get destObject(): Ghobject {
    return this.#name(this.transaction.objects, this.destObjectId, 'object');
  }

  /** Payload of `write`: its bytes as views. */
  data(): Uint8Array[] {
    return this.payload.views(this.payload.u32());
  }

  /** Steps over the current operation's payload. */
  skipPayload(): void {
    const p = this.payload;
    switch (this.op) {
      case txOp.write:
      case txOp.collHint:
      case txOp.omapSetHeader:
      case txOp.rmattr:
        p.skip(p.u32());
        return;
      case txOp.setattr:
      case txOp.omapRmKeyRange:
        p.skip(p.u32());
        p.skip(p.u32());
        return;
      case txOp.setattrs:
      case txOp.omapSetKeys:
        for (let n = p.count(8); n > 0; n--) {
          p.skip(p.u32());
          p.skip(p.u32());
        }
        return;
      case txOp.omapRmKeys:
        for (let n = p.count(4); n > 0; n--) p.skip(p.u32());
        return;
      default:
    }
  }
}
