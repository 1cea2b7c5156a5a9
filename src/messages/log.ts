import { body, list, string, u64num } from '../encoding/index.ts';
import { logEntry, uuid } from '../types/index.ts';
import { paxos, paxosVersion, trailing } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** Entries for the cluster log; or of it, to who subscribed (with `paxosVersion` the log's version). */
export const MLog = defineMessage(
  messageTypeNumber.LOG,
  body('log', { version: 1, compat: 1 }, { paxosVersion, fsid: uuid, entries: list(logEntry) }),
  { defaults: paxos },
);

/** Entries of the writer up to `last` are kept. */
export const MLogAck = defineMessage(
  messageTypeNumber.LOGACK,
  body('log_ack', { version: 1, compat: 1 }, { fsid: uuid, last: u64num, channel: trailing(string, () => '') }),
  { defaults: { channel: '' } },
);
