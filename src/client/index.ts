export * from './api.ts';
export * from './cluster.ts';
export * from './io-ctx.ts';
export type { IoCtxOptions, OpOptions, ReadOptions } from './io-ctx-options.ts';
export type { WatchHandler } from './linger-op.ts';
export type { ListedObject, ListOptions } from './list-objects.ts';
export { Lock, type LockHolder, type LockInfo, type LockOptions, type LockType, lockInput } from './locks.ts';
export type { LogLevel, LogLine, LogWatchOptions } from './log-watch.ts';
export { MgrClient, type MgrClientOptions } from './mgr-client.ts';
export { MonClient, type MonClientOptions } from './mon-client.ts';
export { initialMonMap, parseMonHost } from './mon-host.ts';
export { type ClusterStat, MonRequests, type PoolStats } from './mon-requests.ts';
export type { ObjectClone, ObjectSnaps, Watcher } from './object-info.ts';
export { type Comparison, ObjectOperation, OpResult } from './object-operation.ts';
export { Objecter, type ObjecterOptions } from './objecter.ts';
export { noSnapContext, Op, type OpDone, type SnapContext } from './op.ts';
export { OpTarget } from './op-target.ts';
export type { HitSetSpan, InconsistentOptions } from './pg-read.ts';
export { type CreatePoolOptions, Rados, type RadosOptions } from './rados.ts';
export { asRadosError, RadosError, type RadosFailure } from './rados-error.ts';
export {
  type ChecksumKind,
  type ObjectStat,
  type OmapPage,
  ReadOperation,
  type SparseData,
} from './read-operation.ts';
export type { ReadStreamOptions, WriteStreamOptions } from './streams.ts';
export { Striper } from './striper.ts';
export type { StripeLayout } from './striper-layout.ts';
export { type Notify, type NotifyReply, Watch, type WatchOptions } from './watch.ts';
export { type CopySource, WriteOperation } from './write-operation.ts';
