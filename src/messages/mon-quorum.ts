import {
  blob,
  body,
  bool,
  byNumber,
  f64,
  list,
  pair,
  plain,
  s32,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u32,
  u64,
  u64num,
} from '../encoding/index.ts';
import {
  compareText,
  entityAddr,
  entityAddrVec,
  entityName,
  healthCheckMap,
  monDataStats,
  monFeatureSet,
  release,
  textMap,
  utime,
  utimeZero,
  uuid,
} from '../types/index.ts';
import { paxos, paxosVersion, reserved } from './common.ts';
import { defineMessage, noBytes } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

export const monElectionOp = { PROPOSE: 1, ACK: 2, NAK: 3, VICTORY: 4 } as const;

/** Between monitors: who leads. `monmap` is encoded with the receiver's features. */
export const MMonElection = defineMessage(
  messageTypeNumber.MON_ELECTION,
  body(
    'election',
    { version: 9, compat: 5 },
    {
      fsid: uuid,
      /** One of monElectionOp. */
      op: s32,
      epoch: u32,
      monmap: blob,
      /** Ranks. */
      quorum: list(s32),
      quorumFeatures: u64,
      defunct: reserved(16),
      /** With a victory or nak: what the receiver is to know (the commands, or what it lacks). */
      sharing: blob,
      monFeatures: since(6, monFeatureSet, () => 0n),
      metadata: since(7, textMap, () => new Map()),
      release: since(8, u8, () => 0),
      /** Encoded ConnectionTracker. */
      scoring: since(9, blob, () => noBytes),
      /** One of electionStrategy. */
      strategy: since(9, u8, () => 1),
    },
  ),
  {
    defaults: {
      quorum: [],
      quorumFeatures: 0n,
      defunct: undefined,
      sharing: noBytes,
      monFeatures: 0n,
      metadata: new Map(),
      release: release.UNKNOWN,
      scoring: noBytes,
    },
  },
);

export const monPaxosOp = {
  COLLECT: 1,
  LAST: 2,
  BEGIN: 3,
  ACCEPT: 4,
  COMMIT: 5,
  LEASE: 6,
  LEASE_ACK: 7,
} as const;

/** Between monitors: the steps of Paxos. */
export const MMonPaxos = defineMessage(
  messageTypeNumber.MON_PAXOS,
  body(
    'paxos',
    { version: 4, compat: 3 },
    {
      epoch: u32,
      /** One of monPaxosOp. */
      op: s32,
      firstCommitted: u64num,
      lastCommitted: u64num,
      /** Proposals below it are not accepted any more. */
      pnFrom: u64num,
      pn: u64num,
      /** Of a value accepted and not committed, that a LAST carries. */
      uncommittedPn: u64num,
      leaseTimestamp: utime,
      sentTimestamp: utime,
      latestVersion: u64num,
      latestValue: blob,
      /** Version -> encoded transaction. */
      values: sortedMap(u64num, blob, byNumber),
      featureMap: since(4, blob, () => noBytes),
    },
  ),
  {
    defaults: {
      firstCommitted: 0,
      lastCommitted: 0,
      pnFrom: 0,
      pn: 0,
      uncommittedPn: 0,
      leaseTimestamp: utimeZero,
      latestVersion: 0,
      latestValue: noBytes,
      values: new Map(),
      featureMap: noBytes,
    },
  },
);

export const monProbeOp = {
  PROBE: 1,
  REPLY: 2,
  SLURP: 3,
  SLURP_LATEST: 4,
  DATA: 5,
  MISSING_FEATURES: 6,
} as const;

/** Between monitors: who is there. */
export const MMonProbe = defineMessage(
  messageTypeNumber.MON_PROBE,
  body(
    'mon_probe',
    { version: 8, compat: 5 },
    {
      fsid: uuid,
      /** One of monProbeOp. */
      op: s32,
      name: string,
      quorum: list(s32),
      monmap: blob,
      hasEverJoined: bool,
      paxosFirstVersion: u64num,
      paxosLastVersion: u64num,
      requiredFeatures: since(6, u64, () => 0n),
      release: since(7, u8, () => 0),
      /** Rank, or -1. */
      leader: since(8, s32, () => -1),
    },
  ),
  {
    defaults: {
      quorum: [],
      monmap: noBytes,
      paxosFirstVersion: 0,
      paxosLastVersion: 0,
      requiredFeatures: 0n,
      leader: -1,
    },
  },
);

export const monSyncOp = {
  GET_COOKIE_FULL: 1,
  GET_COOKIE_RECENT: 2,
  COOKIE: 3,
  GET_CHUNK: 4,
  CHUNK: 5,
  LAST_CHUNK: 6,
  NO_COOKIE: 8,
} as const;

/** entity_inst_t: a name and an address. */
const entityInst = plain('entity_inst_t', { name: entityName, addr: entityAddr });

/** Between monitors: copying the whole store. */
export const MMonSync = defineMessage(
  messageTypeNumber.MON_SYNC,
  body(
    'mon_sync',
    { version: 2, compat: 2 },
    {
      /** One of monSyncOp. */
      op: u32,
      cookie: u64,
      lastCommitted: u64num,
      lastKey: pair(string, string),
      /** Encoded MonitorDBStore::Transaction. */
      chunk: blob,
      replyTo: entityInst,
    },
  ),
);

/** ScrubResult: sums over the store by prefix. */
const scrubResult = struct(
  'ScrubResult',
  { version: 1, compat: 1 },
  { prefixCrc: sortedMap(string, u32, compareText), prefixKeys: sortedMap(string, u64num, compareText) },
);

export const monScrubOp = { SCRUB: 1, RESULT: 2 } as const;

/** Between monitors: comparing the stores. */
export const MMonScrub = defineMessage(
  messageTypeNumber.MON_SCRUB,
  body(
    'mon_scrub',
    { version: 2, compat: 2 },
    {
      /** One of monScrubOp. */
      op: u8,
      version: u64num,
      result: scrubResult,
      numKeys: s32,
      key: pair(string, string),
    },
  ),
);

export const timeCheckOp = { PING: 1, PONG: 2, REPORT: 3 } as const;

const timeCheckHead = {
  /** One of timeCheckOp. */
  op: s32,
  epoch: u64num,
  round: u64num,
  timestamp: utime,
};

/** Between monitors: differences of clocks, by rank, in seconds. */
export const MTimeCheck2 = defineMessage(
  messageTypeNumber.TIMECHECK2,
  body(
    'time_check2',
    { version: 1, compat: 1 },
    { ...timeCheckHead, skews: sortedMap(s32, f64, byNumber), latencies: sortedMap(s32, f64, byNumber) },
  ),
  { defaults: { timestamp: utimeZero, skews: new Map(), latencies: new Map() } },
);

/** The same before Nautilus, by address: pairs in the order of the map. */
export const MTimeCheck = defineMessage(
  messageTypeNumber.TIMECHECK,
  body(
    'time_check',
    { version: 1, compat: 1 },
    { ...timeCheckHead, skews: list(pair(entityInst, f64)), latencies: list(pair(entityInst, f64)) },
  ),
  { defaults: { timestamp: utimeZero, skews: [], latencies: [] } },
);

/** Between monitors before Luminous: state of the data directory. */
export const MMonHealth = defineMessage(
  messageTypeNumber.MON_HEALTH,
  body(
    'mon_health',
    { version: 1, compat: 1 },
    { epoch: u32, round: u64num, serviceType: s32, serviceOp: s32, dataStats: monDataStats },
  ),
);

/** Monitor to leader: health checks of its own. `paxosVersion` is 1, as Ceph sends it. */
export const MMonHealthChecks = defineMessage(
  messageTypeNumber.MON_HEALTH_CHECKS,
  body('mon_health_checks', { version: 1, compat: 1 }, { paxosVersion, healthChecks: healthCheckMap }),
  { defaults: { paxosVersion: 1 } },
);

/** A monitor that is not in the MonMap asks to be put there. */
export const MMonJoin = defineMessage(
  messageTypeNumber.MON_JOIN,
  body(
    'mon_join',
    { version: 3, compat: 2 },
    {
      paxosVersion,
      fsid: uuid,
      name: string,
      addrs: entityAddrVec,
      crushLocation: since(3, textMap, () => new Map()),
      forceLocation: since(3, bool, () => false),
    },
  ),
  { defaults: { ...paxos, crushLocation: new Map(), forceLocation: false } },
);

/** A monitor asks the leader for more global ids to give out. */
export const MMonGlobalID = defineMessage(
  messageTypeNumber.MON_GLOBAL_ID,
  body('global_id', { version: 1, compat: 1 }, { paxosVersion, oldMaxId: u64num }),
  { defaults: paxos },
);
