import {
  blob,
  body,
  bool,
  type Codec,
  list,
  optional,
  plain,
  s16,
  s32,
  s64num,
  since,
  sortedMap,
  string,
  u32,
  u64num,
} from '../encoding/index.ts';
import { compareText, poolStat, snapid, uuid } from '../types/index.ts';
import { paxos, paxosVersion, reserved } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** POOL_OP_*. */
export const poolOp = {
  CREATE: 0x01,
  DELETE: 0x02,
  AUID_CHANGE: 0x03,
  CREATE_SNAP: 0x11,
  DELETE_SNAP: 0x12,
  CREATE_UNMANAGED_SNAP: 0x21,
  DELETE_UNMANAGED_SNAP: 0x22,
} as const;

/** A change to a pool. Versions before 2, with another order of fields, are not read. */
export const MPoolOp = defineMessage(
  messageTypeNumber.POOLOP,
  body(
    'poolop',
    { version: 4, compat: 2 },
    {
      paxosVersion,
      fsid: uuid,
      pool: u32,
      /** One of poolOp. */
      op: u32,
      auid: reserved(8),
      snapid,
      name: string,
      pad: since(3, reserved(1), () => undefined),
      crushRule: since(4, s16, () => -1),
    },
  ),
  {
    defaults: { ...paxos, pool: 0, name: '', snapid: 0, crushRule: 0, auid: undefined, pad: undefined },
  },
);

/** bool, then a bufferlist where it is true. */
const response: Codec<Uint8Array | undefined> = optional(blob);

/** `response` holds the new snapid (u64) where an unmanaged snapshot was created. */
export const MPoolOpReply = defineMessage(
  messageTypeNumber.POOLOP_REPLY,
  body('poolopreply', { version: 1, compat: 1 }, { paxosVersion, fsid: uuid, result: s32, epoch: u32, response }),
  { defaults: { ...paxos, response: undefined } },
);

/** Asks for the space and use of the cluster, or of one pool. */
export const MStatfs = defineMessage(
  messageTypeNumber.STATFS,
  body(
    'statfs',
    { version: 2, compat: 1 },
    { paxosVersion, fsid: uuid, dataPool: since(2, optional(s64num), () => undefined) },
  ),
  { defaults: { ...paxos, dataPool: undefined } },
);

/** Sizes in KiB. */
const statfs = plain('ceph_statfs', { kb: u64num, kbUsed: u64num, kbAvail: u64num, numObjects: u64num });

export const MStatfsReply = defineMessage(
  messageTypeNumber.STATFS_REPLY,
  body('statfs_reply', { version: 1, compat: 1 }, { fsid: uuid, version: u64num, statfs }),
);

/** Asks for the statistics of pools by name. */
export const MGetPoolStats = defineMessage(
  messageTypeNumber.GETPOOLSTATS,
  body('getpoolstats', { version: 1, compat: 1 }, { paxosVersion, fsid: uuid, pools: list(string) }),
  { defaults: paxos },
);

/** `perPool`: store statistics are kept by pool, and can be trusted. */
export const MGetPoolStatsReply = defineMessage(
  messageTypeNumber.GETPOOLSTATSREPLY,
  body(
    'getpoolstats_reply',
    { version: 2, compat: 1 },
    {
      paxosVersion,
      fsid: uuid,
      poolStats: sortedMap(string, poolStat, compareText),
      perPool: since(2, bool, () => false),
    },
  ),
  { defaults: paxos },
);
