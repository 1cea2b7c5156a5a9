import { MLog, MMonGlobalID, MMonHealthChecks, MMonJoin, messageTypeNumber } from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import { PaxosLog } from '../paxos/index.ts';
import { entityType } from '../types/index.ts';
import type { Monitor } from './monitor.ts';
import { Quorum } from './quorum.ts';
import { Requests } from './requests.ts';
import type { Session } from './session.ts';
import { TimeCheck } from './time-check.ts';

/** What a monitor does when its quorum begins and ends. */
export interface MembershipHooks {
  /** True on a leader whose state is recovered. */
  isLeading(): boolean;
  left(): void;
  joined(): void;
  /** The store was replaced. */
  reload(): void;
  /** Handles a client's request as the leader. */
  handle(message: ReceivedMessage, session: Session): void;
}

/** The parts of a monitor that are about the other ones. */
export interface Membership {
  readonly commitLog: PaxosLog;
  readonly quorum: Quorum;
  readonly requests: Requests;
  readonly timeCheck: TimeCheck;
}

/** Makes them, for a monitor that is being made: of it they use what it has from the start, and the rest once it runs. */
export function makeMembership(mon: Monitor, hooks: MembershipHooks): Membership {
  const { id, store } = mon;
  const { config, clock, logger, entropy } = mon.options;
  const seconds = (name: string): number => config.num(name) * 1000;
  const commitLog = new PaxosLog(
    store,
    logger,
    clock,
    {
      keep_min: config.num('paxos_min'),
      trim_min: config.num('paxos_trim_min'),
      trim_max: config.num('paxos_trim_max'),
    },
    () => {
      const lease_ms = seconds('mon_lease');
      return {
        lease_ms,
        renew_ms: lease_ms * config.num('mon_lease_renew_interval_factor'),
        leaseAck_ms: lease_ms * config.num('mon_lease_ack_timeout_factor'),
        accept_ms: lease_ms * config.num('mon_accept_timeout_factor'),
      };
    },
    {
      get rank() {
        return quorum.rank;
      },
      get electionEpoch() {
        return quorum.electionEpoch;
      },
      send: (rank, message) => quorum.send(rank, message),
      bootstrap: (why) => quorum.bootstrap(why),
    },
  );
  const quorum = new Quorum({
    id,
    clock,
    entropy,
    config,
    logger,
    store,
    commitLog,
    get messenger() {
      return mon.messenger;
    },
    get metadata() {
      return mon.metadata;
    },
    get addrs() {
      return mon.addrs;
    },
    get map() {
      return mon.monmap.map;
    },
    adoptMap: (map) => mon.monmap.adopt(map),
    left: () => hooks.left(),
    joined: () => hooks.joined(),
    reload: () => hooks.reload(),
    removed: () => {
      logger.log('mon', 0, `mon.${id} was removed from the monitor map, and ends`);
      mon.options.removed?.();
    },
    clusterLog: (text) => mon.log.log('info', text),
  });
  const requests = new Requests({
    clock,
    logger,
    get isActiveLeader() {
      return hooks.isLeading();
    },
    get forwardTo() {
      return quorum.isPeon ? quorum.leader : -1;
    },
    sendTo: (rank, message) => quorum.sendTo(rank, message),
    handle: (message, session) => hooks.handle(message, session),
    sendOsdMaps: (session, from) => {
      if (session.connection.isConnected) mon.subscriptions.sendOsdMaps(session, from);
    },
  });
  const timeCheck = new TimeCheck({
    clock,
    config,
    get map() {
      return mon.monmap.map;
    },
    get rank() {
      return quorum.rank;
    },
    get isLeader() {
      return quorum.isLeader;
    },
    get ranks() {
      return quorum.ranks;
    },
    get electionEpoch() {
      return quorum.electionEpoch;
    },
    sendTo: (rank, message) => quorum.sendTo(rank, message),
    clusterLog: (text) => mon.log.log('warn', text),
  });
  return { commitLog, quorum, requests, timeCheck };
}

/**
 * A message among monitors, at one that leads (`isLeading`) or not; false for what a monitor sends as any client does.
 * @throws DecodeError
 */
export function handlePeerMessage(mon: Monitor, message: ReceivedMessage, isLeading: boolean): boolean {
  const { connection, type } = message;
  // Who dialled has shown the monitors' key; who was dialled answered with it.
  if (!connection.isOutgoing && connection.identity?.name.type !== entityType.MON) return false;
  const { quorum } = mon;
  if (quorum.handle(message)) return true;
  const from = quorum.rankOf(connection);
  switch (type) {
    case messageTypeNumber.FORWARD:
      mon.requests.handleForward(message);
      return true;
    case messageTypeNumber.ROUTE:
      if (from === quorum.leader || quorum.leader < 0) mon.requests.handleRoute(message);
      return true;
    case messageTypeNumber.TIMECHECK2:
      mon.timeCheck.handle(message, from);
      return true;
    case messageTypeNumber.MON_GLOBAL_ID:
      if (isLeading) mon.auth.moreIds(MMonGlobalID.decode(message).oldMaxId);
      return true;
    case messageTypeNumber.MON_HEALTH_CHECKS:
      if (isLeading && quorum.ranks.includes(from)) {
        mon.peerChecks.set(from, MMonHealthChecks.decode(message).healthChecks);
      }
      return true;
    case messageTypeNumber.MON_JOIN: {
      const { fsid, name, addrs } = MMonJoin.decode(message);
      if (isLeading && fsid === mon.fsid) mon.monmap.join(name, addrs);
      return true;
    }
    case messageTypeNumber.LOG: {
      // Entries that a peon writes into the cluster log.
      const { fsid, entries } = MLog.decode(message);
      if (isLeading && fsid === mon.fsid) mon.log.add(entries);
      return true;
    }
    default:
      return false;
  }
}
