export { type CommitLog, type CommitLogOptions, SingleCommitLog } from './log.ts';
export { MemoryKv } from './memory-kv.ts';
export { MonStore } from './monstore.ts';
export { type StoreOp, StoreTransaction } from './transaction.ts';
