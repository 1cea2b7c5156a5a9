export {
  type CollectionId,
  type CompressionOptions,
  type CorruptionInfo,
  type ObjectStat,
  type ObjectStore,
  type PoolSpace,
  StoreError,
  type StoreRoom,
  type StoreStats,
} from './api.ts';
export { OBJECT_SIZE_MAX } from './check.ts';
export {
  compareCollectionIds,
  decodeCollectionId,
  encodeCollectionId,
  formatCollectionId,
  type ParsedCollectionId,
  parseCollectionId,
} from './collection-id.ts';
export { DiskStore, type StoreEnvironment } from './disk/disk-store.ts';
export type { FsckOptions, FsckReport } from './disk/fsck.ts';
export { compressionDefaults, type DiskStoreOptions, diskStoreDefaults } from './disk/options.ts';
export { MemoryStore, type MemoryStoreOptions } from './memory-store.ts';
export {
  COLL_HINT_EXPECTED_NUM_OBJECTS,
  Transaction,
  TransactionIterator,
  txOp,
  txOpName,
} from './transaction.ts';
