import type { CompressionOptions, StoreError } from '../api.ts';

export interface DiskStoreOptions {
  /** Bytes of the block file, at mkfs. A multiple of 4096; the file takes only what is used. */
  readonly size: number;
  /** Bytes of the log file, at mkfs. */
  readonly logCapacity: number;
  /** Writes at least this long go to the block file directly and not through the log. Ceph: bluestore_prefer_deferred_size. */
  readonly directBytes: number;
  /** Bytes of small writes that wait in memory before a checkpoint starts; while one runs, as much again. */
  readonly deferredBytes: number;
  /** Bytes of omap changes that wait in memory before a checkpoint starts. What is gathered costs the collector: more of it, longer stops. */
  readonly metaBytes: number;
  /** Limit of the onode cache (what is changed and not yet stored comes on top). */
  readonly cacheBytes: number;
  /** A checkpoint starts this long after the first change that it would store. */
  readonly checkpointInterval_ms: number;
  /** Log syncs that take less than this on average, in milliseconds, run on the event loop's own thread; 0: none. */
  readonly syncInTurn_ms: number;
  /** Blocks kept back so that a full store can still delete. */
  readonly reserveBlocks: number;
  /** Mount also where the log is damaged in its middle: what it holds from there on is lost. For repairs. */
  readonly acceptDamagedLog: boolean;
  /** Space of the block file goes back to the file system once it has been free for so long, in milliseconds; 0: never. After 20 s where that has little left. */
  readonly punchAfter_ms: number;
  /** Devices are told, too (discard). */
  readonly discardDevices: boolean;
  /** It goes back in units of so many bytes, at multiples of that. */
  readonly punchBytes: number;
  /** Until told otherwise. Ceph: bluestore_compression_*. */
  readonly compression: CompressionOptions;
  /** Called once when the device or the database fails: nothing further is acknowledged. Without it the error is thrown from a timer. */
  readonly onFailure?: (error: StoreError) => void;
  /** What an operator may want to know and nothing depends on. */
  readonly onNotice?: (message: string) => void;
}

/** Ceph's, of 16.2. */
export const compressionDefaults: CompressionOptions = {
  mode: 'none',
  algorithm: 'snappy',
  requiredRatio: 0.875,
  minBlobSize: 8192,
  maxBlobSize: 65_536,
  blobSizeLimit: 65_536,
};

export const diskStoreDefaults: DiskStoreOptions = {
  size: 10 * 1024 ** 3,
  logCapacity: 64 * 1024 ** 2,
  directBytes: 64 * 1024,
  deferredBytes: 6 * 1024 ** 2,
  metaBytes: 3 * 1024 ** 2,
  cacheBytes: 16 * 1024 ** 2,
  checkpointInterval_ms: 30_000,
  syncInTurn_ms: 0,
  reserveBlocks: 256,
  acceptDamagedLog: false,
  punchAfter_ms: 600_000,
  discardDevices: false,
  punchBytes: 1024 ** 2,
  compression: compressionDefaults,
};
