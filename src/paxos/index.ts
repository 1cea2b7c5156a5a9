export { Election, type ElectionPeers } from './election.ts';
export {
  type CommitLog,
  type CommitLogOptions,
  PaxosLog,
  type PaxosMessage,
  type PaxosPeers,
  type PaxosTimes,
} from './log.ts';
export { MemoryKv } from './memory-kv.ts';
export { MonStore } from './monstore.ts';
export { singleCommitLog } from './single.ts';
export { type StoreOp, StoreTransaction } from './transaction.ts';
