import { type Clock, InvariantError, type Logger } from '../base/index.ts';
import { type CommitLogOptions, PaxosLog } from './log.ts';
import type { MonStore } from './monstore.ts';

/** The log of a monitor that has no peers: a majority of one, which leads at once. */
export function singleCommitLog(store: MonStore, logger: Logger, clock: Clock, options: CommitLogOptions): PaxosLog {
  const unreachable = (): never => {
    throw new InvariantError('a monitor alone has nobody to talk to', {});
  };
  const times = { lease_ms: 0, renew_ms: 0, leaseAck_ms: 0, accept_ms: 0 };
  const peers = { rank: 0, electionEpoch: 0, send: unreachable, bootstrap: unreachable };
  const log = new PaxosLog(store, logger, clock, options, () => times, peers);
  log.lead([0]);
  return log;
}
