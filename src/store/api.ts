/**
 * The object store under an OSD: collections of objects with data, xattrs and an ordered omap; transactions that are all or
 * nothing and durable before their callback. What BlueStore is to Ceph. Every implementation passes `compliance.ts`.
 */
import type { Ghobject } from '../types/index.ts';
import type { Transaction } from './transaction.ts';

/** A collection's name as Ceph writes it: `meta`, `1.2a_head`, `1.2as0_head`, `1.2a_TEMP`. */
export type CollectionId = string;

export interface StoreStats {
  /** Bytes the store may hold. */
  readonly total: number;
  readonly available: number;
  /** Bytes of object data on disk (after compression), and before. */
  readonly allocated: number;
  readonly stored: number;
  readonly omapBytes: number;
  readonly metadataBytes: number;
  /** Compressed data, the blocks that it takes, and what it stands for. Zero where a store does not compress. */
  readonly compressedBytes: number;
  readonly compressedAllocatedBytes: number;
  readonly compressedOriginalBytes: number;
}

/** See {@link ObjectStore.room}. */
export type StoreRoom = Pick<StoreStats, 'total' | 'available'>;

/** What of {@link StoreStats} is known of each pool. */
export type PoolSpace = Pick<
  StoreStats,
  'allocated' | 'stored' | 'compressedBytes' | 'compressedAllocatedBytes' | 'compressedOriginalBytes'
>;

/** bluestore_compression_*, which pools may have otherwise (compression_mode and so on). */
export interface CompressionOptions {
  /** Passive: what is hinted to be compressible; aggressive: what is not hinted to be incompressible; force: all. */
  readonly mode: 'none' | 'passive' | 'aggressive' | 'force';
  /** snappy, zlib, zstd, lz4; or none. */
  readonly algorithm: string;
  /** What the compressed data may take of the raw data's blocks. */
  readonly requiredRatio: number;
  /** Bytes compressed together, and those of objects that are read in sequence and not overwritten. 0: as many as the limit allows. */
  readonly minBlobSize: number;
  readonly maxBlobSize: number;
  /** bluestore_max_blob_size: limit of both. */
  readonly blobSizeLimit: number;
}

export interface ObjectStat {
  /** Logical size in bytes. */
  readonly size: number;
}

/** Corruption found on read: never returned as data. The OSD repairs from a replica. */
export interface CorruptionInfo {
  readonly collection: CollectionId;
  readonly object: string;
  readonly offset: number;
  readonly expected: number;
  readonly found: number;
}

/**
 * Results: data or undefined for "no such object or collection" (ENOENT). Corruption and device errors throw
 * {@link StoreError}. Reads see every transaction queued before them, committed or not.
 */
export interface ObjectStore {
  /** Formats. Fails where something is there already. */
  mkfs(fsid: string): Promise<void>;
  /** Makes the store usable: replays its log, verifies its version. */
  mount(): Promise<void>;
  /** Flushes and ends; everything queued is durable when it resolves. */
  umount(): Promise<void>;
  /** Keeps what the store caches of itself within so many bytes, now or from its mount on. Absent where nothing is cached. */
  limitCache?(bytes: number): void;

  /** Small named values beside the collections (fsid, whoami, ceph_fsid, ready, ...). Durable on return. */
  getMeta(key: string): string | undefined;
  setMeta(key: string, value: string): void;

  /**
   * Applies transactions in order and makes them durable together. Visible to reads on return. Callbacks of one collection come
   * in order of queueing; all callbacks come from a later turn. A transaction that cannot be applied (no space, unknown collection,
   * missing object where one is needed) throws {@link StoreError} before anything of it is visible.
   */
  queueTransactions(collection: CollectionId, transactions: readonly Transaction[], onCommit?: () => void): void;

  collections(): CollectionId[];
  collectionExists(collection: CollectionId): boolean;
  /** Bits of the placement seed that name the collection's objects. */
  collectionBits(collection: CollectionId): number | undefined;
  collectionEmpty(collection: CollectionId): boolean;
  /**
   * Objects with start <= object < end in ghobject bitwise order, at most `limit`; `next` is where to go on (the end or ghobject max when done).
   */
  list(
    collection: CollectionId,
    start: Ghobject,
    end: Ghobject | undefined,
    limit: number,
  ): { objects: Ghobject[]; next: Ghobject };

  exists(collection: CollectionId, object: Ghobject): boolean;
  stat(collection: CollectionId, object: Ghobject): ObjectStat | undefined;
  /**
   * Bytes [offset, offset+length) as parts in order (short at the object's end; length 0 means to the end). Holes are zeros. Synchronous: for
   * small or cached ranges.
   */
  readSync(collection: CollectionId, object: Ghobject, offset: number, length: number): Uint8Array[] | undefined;
  /** As readSync without blocking the event loop for long; the callback may come before the return when the data is at hand. */
  read(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
    done: (error: Error | null, data: Uint8Array[] | undefined) => void,
  ): void;
  /** Allocated ranges within [offset, offset+length) as offset -> length. */
  extents(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
  ): { offset: number; length: number }[] | undefined;

  getAttr(collection: CollectionId, object: Ghobject, name: string): Uint8Array | undefined;
  /** All xattrs, or undefined where the object is missing. The map must not be changed. */
  getAttrs(collection: CollectionId, object: Ghobject): ReadonlyMap<string, Uint8Array> | undefined;

  omapHeader(collection: CollectionId, object: Ghobject): Uint8Array | undefined;
  /** Values of those keys that exist. Keys are byte strings (see encoding/text.ts). */
  omapValues(collection: CollectionId, object: Ghobject, keys: readonly string[]): Map<string, Uint8Array> | undefined;
  /** Entries with key > after (or >= from), in bytewise order. Lazy: stops reading when the iteration stops. */
  omapIterate(
    collection: CollectionId,
    object: Ghobject,
    position: { after?: string; from?: string },
  ): Iterable<readonly [key: string, value: Uint8Array]> | undefined;

  statfs(): StoreStats;
  /** Of {@link statfs} what says how full the store is: cheap enough for every operation. */
  room(): StoreRoom;
  /** Space by pool. Absent where the store does not count by pool. */
  poolSpace?(): ReadonlyMap<number, PoolSpace>;
  /** How data is compressed that is written from now on, and what is otherwise in some pools. Absent where nothing is compressed. */
  setCompression?(options: CompressionOptions): void;
  setPoolCompression?(pool: number, options: Partial<CompressionOptions> | undefined): void;
  /** How often compressing was worth it since the store was mounted, and how often not, in pieces of data. Absent where nothing is compressed. */
  compressionCounts?(): { success: number; rejected: number };
  /** What an operator should know, by Ceph's names of such alerts. */
  alerts?(): ReadonlyMap<string, string>;
}

/** A failure of the store, told apart by kind; see DESIGN.md, "three kinds of failure". */
export class StoreError extends Error {
  readonly kind: 'nospace' | 'corrupt' | 'io' | 'invalid' | 'version';
  readonly corruption: CorruptionInfo | undefined;

  constructor(kind: StoreError['kind'], message: string, corruption?: CorruptionInfo) {
    super(message);
    this.name = 'StoreError';
    this.kind = kind;
    this.corruption = corruption;
  }
}
