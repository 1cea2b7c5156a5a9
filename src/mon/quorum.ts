import type { Clock, Entropy, Logger, TimerHandle } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { byNumber, decodeFromBytes, encodeToBytes, s32, sortedMap, struct, u16 } from '../encoding/index.ts';
import { MMonElection, MMonJoin, MMonPaxos, MMonProbe, monElectionOp, monProbeOp } from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import {
  Election,
  type MonStore,
  type PaxosLog,
  type PaxosMessage,
  type PaxosPeers,
  StoreTransaction,
} from '../paxos/index.ts';
import {
  CEPH_FEATURES_ALL,
  type EntityAddrVec,
  entityType,
  MON_FEATURES_SUPPORTED,
  type MonMap,
  makeEntityName,
  monMap,
  release,
  textMap,
} from '../types/index.ts';
import { TABLE } from './mkfs.ts';
import { StoreSync } from './store-sync.ts';

/** What a monitor does about the others. */
export type QuorumState = 'probing' | 'synchronizing' | 'electing' | 'leader' | 'peon';

/** Addresses of monitors that are not in the map and asked to be let in, at most. */
const EXTRA_PEERS_MAX = 16;

export interface QuorumOwner {
  readonly id: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly config: Config;
  readonly logger: Logger;
  readonly store: MonStore;
  readonly commitLog: PaxosLog;
  readonly messenger: Messenger | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  readonly addrs: EntityAddrVec;
  /** The map in use, and its replacement by a newer one that another monitor has. */
  readonly map: MonMap;
  adoptMap(map: MonMap): void;
  /** The quorum is over: what waited for a commit will not hear of it. */
  left(): void;
  /** An election is won or lost; commits and leases follow. */
  joined(): void;
  /** The store was replaced by another monitor's. */
  reload(): void;
  /** The map has this monitor no more. */
  removed(): void;
  clusterLog(text: string): void;
}

/** Commands that a leader tells its peons (MonCommand::encode_vector): none, since each here has its own table. */
const noCommands = encodeToBytes(struct('MonCommands', { version: 2, compat: 1 }, { count: u16 }), { count: 0 });

/**
 * This monitor among the others: it looks for them (probing), copies the store of one where its own is too far behind (synchronizing), elects, and then leads or follows.
 *
 *     probing -> synchronizing -> probing
 *     probing -> electing -> leader | peon -> probing or electing, when somebody goes or comes
 *
 * The messages and times are Ceph's (Monitor.cc, Elector.cc).
 */
export class Quorum implements PaxosPeers {
  readonly #owner: QuorumOwner;
  readonly #election: Election;
  readonly #sync: StoreSync;
  #state: QuorumState = 'probing';
  #leader = -1;
  #ranks: readonly number[] = [];
  /** Clock.monotonic() */
  #since_ms = 0;
  #exited_ms: number | undefined;
  #rank = -1;
  #timer: TimerHandle | undefined;
  #stopped = false;
  /** Monitors that are there and in no quorum, by name. */
  readonly #outside = new Set<string>();
  #extraPeers: EntityAddrVec[] = [];
  /** What the members of the quorum told of themselves when they voted, by rank. */
  #votes = new Map<number, { metadata: ReadonlyMap<string, string>; features: bigint; monFeatures: bigint }>();
  #features = CEPH_FEATURES_ALL;
  #monFeatures = MON_FEATURES_SUPPORTED;

  constructor(owner: QuorumOwner) {
    this.#owner = owner;
    const self = this;
    this.#election = new Election({
      get rank() {
        return self.#rank;
      },
      get size() {
        return owner.map.size;
      },
      get hasEverJoined() {
        return self.hasEverJoined;
      },
      readEpoch: () => owner.store.getNumber(TABLE, 'election_epoch'),
      writeEpoch: (epoch) => this.#putNumber('election_epoch', epoch),
      isMember: (rank) => this.#ranks.includes(rank),
      propose: (epoch) => this.#propose(epoch),
      acknowledge: (rank, epoch) => this.#sendElection(rank, monElectionOp.ACK, epoch, { metadata: owner.metadata }),
      joinElection: () => {
        this.#reset();
        this.#state = 'electing';
      },
      callElection: () => this.#callElection(),
      giveUp: () => this.bootstrap('no election was won'),
      win: (epoch, quorum) => this.#win(epoch, quorum),
      startTimer: (extra_ms) =>
        this.#startTimer(owner.config.num('mon_election_timeout') * 1000 + extra_ms, () => this.#election.timeUp()),
      stopTimer: () => this.#stopTimer(),
    });
    this.#sync = new StoreSync({
      clock: owner.clock,
      config: owner.config,
      logger: owner.logger,
      store: owner.store,
      commitLog: owner.commitLog,
      electionEpoch: () => this.electionEpoch,
      send: (addrs, message) => this.#sendTo(addrs, message),
      isSynchronizing: () => this.#state === 'synchronizing',
      reload: () => owner.reload(),
      restart: (why) => this.bootstrap(why),
    });
  }

  get state(): QuorumState {
    return this.#state;
  }

  get rank(): number {
    return this.#rank;
  }

  /** Rank of the leader; -1 without a quorum. */
  get leader(): number {
    return this.#leader;
  }

  get isLeader(): boolean {
    return this.#state === 'leader';
  }

  get isPeon(): boolean {
    return this.#state === 'peon';
  }

  get isIn(): boolean {
    return this.isLeader || this.isPeon;
  }

  /** Ranks of its members, in order. */
  get ranks(): readonly number[] {
    return this.#ranks;
  }

  get names(): string[] {
    return this.#ranks.map((rank) => this.#owner.map.ranks[rank] ?? '?');
  }

  /** Monitors that answer and are in no quorum, as far as this one knows. */
  get outside(): readonly string[] {
    return [...this.#outside].sort();
  }

  get extraPeers(): readonly EntityAddrVec[] {
    return this.#extraPeers;
  }

  get syncProvider(): EntityAddrVec | undefined {
    return this.#state === 'synchronizing' ? this.#sync.provider : undefined;
  }

  /** Milliseconds since the last election ended. */
  get age_ms(): number {
    return this.#owner.clock.monotonic() - this.#since_ms;
  }

  /** Milliseconds without a quorum; undefined in one, and before the first. */
  get exitedFor_ms(): number | undefined {
    return this.#exited_ms === undefined ? undefined : this.#owner.clock.monotonic() - this.#exited_ms;
  }

  /** Odd while electing, even with a quorum. */
  get electionEpoch(): number {
    return this.#election.epoch;
  }

  /** Features that all of the quorum have: of connections, and of monitors. */
  get features(): { readonly connection: bigint; readonly monitor: bigint } {
    return { connection: this.#features, monitor: this.#monFeatures };
  }

  /** Whether this monitor was in a quorum at any time. */
  get hasEverJoined(): boolean {
    return this.#owner.store.exists(TABLE, 'joined');
  }

  /** What members told of themselves when they voted for this leader. */
  get votes(): ReadonlyMap<number, { readonly metadata: ReadonlyMap<string, string> }> {
    return this.#votes;
  }

  // --- life

  /** Looks for the other monitors, from the beginning. */
  bootstrap(why: string): void {
    if (this.#stopped) return;
    const { map, id, messenger, logger } = this.#owner;
    logger.log('mon', 1, `mon.${id} looks for its quorum: ${why}`);
    this.#stopTimer();
    this.#sync.stopRequesting();
    const rank = map.rankOf(id);
    if (rank < 0 && this.#rank >= 0 && this.hasEverJoined) {
      this.#reset();
      this.#owner.removed();
      return;
    }
    if (rank !== this.#rank && messenger !== undefined) {
      if (this.#rank >= 0) logger.log('mon', 0, `mon.${id} has rank ${rank} now (was ${this.#rank})`);
      this.#rank = rank;
      messenger.name = makeEntityName(entityType.MON, rank);
      // Or the others would take this monitor for who had its rank.
      for (const connection of [...messenger.connections()]) {
        if (connection.peerType === entityType.MON) connection.markDown();
      }
    }
    this.#rank = rank;
    this.#reset();
    this.#state = 'probing';
    if (map.size === 1 && rank === 0) {
      this.#winAlone();
      return;
    }
    this.#sync.resumeInterrupted();
    this.#outside.add(id);
    this.#startTimer(this.#owner.config.num('mon_probe_timeout') * 1000, () =>
      this.bootstrap('nobody answered in time'),
    );
    const probe = MMonProbe.encode({
      fsid: map.fsid,
      op: monProbeOp.PROBE,
      name: id,
      hasEverJoined: this.hasEverJoined,
      release: release.PACIFIC,
    });
    map.ranks.forEach((_name, other) => {
      if (other !== rank) this.#send(other, probe);
    });
    for (const addrs of this.#extraPeers) this.#sendTo(addrs, probe);
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    this.#sync.stop();
  }

  /** Every mon_tick_interval. */
  tick(): void {
    this.#sync.dropIdle();
  }

  /** This monitor is in a working quorum: from now on it votes even where it cannot win. */
  noteJoined(): void {
    if (!this.hasEverJoined) this.#putNumber('joined', 1);
  }

  #reset(): void {
    const wasIn = this.#ranks.length > 0;
    this.#leader = -1;
    this.#ranks = [];
    this.#outside.clear();
    this.#owner.commitLog.leave();
    if (wasIn) this.#exited_ms = this.#owner.clock.monotonic();
    this.#owner.left();
  }

  #putNumber(key: string, value: number): void {
    const t = new StoreTransaction();
    t.putNumber(TABLE, key, value);
    this.#owner.store.commitSync(t.ops);
  }

  #startTimer(delay_ms: number, then: () => void): void {
    this.#stopTimer();
    this.#timer = this.#owner.clock.setTimer(delay_ms, () => {
      this.#timer = undefined;
      if (!this.#stopped) then();
    });
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  // --- sending

  #sendTo(addrs: EntityAddrVec, message: WireMessage): void {
    if (!this.#stopped) this.#owner.messenger?.connect(entityType.MON, addrs).send(message);
  }

  #send(rank: number, message: WireMessage): void {
    const info = this.#owner.map.mon(rank);
    if (info !== undefined) this.#sendTo(info.addrs, message);
  }

  /** To a monitor of the map. */
  sendTo(rank: number, message: WireMessage): void {
    this.#send(rank, message);
  }

  /** Paxos. */
  send(rank: number, message: PaxosMessage): void {
    this.#send(rank, MMonPaxos.encode({ ...message, values: new Map(message.values) }));
  }

  #sendElection(
    rank: number,
    op: number,
    epoch: number,
    fields: Partial<Parameters<typeof MMonElection.encode>[0]> = {},
  ): void {
    const { map } = this.#owner;
    this.#send(
      rank,
      MMonElection.encode({
        fsid: map.fsid,
        op,
        epoch,
        monmap: encodeToBytes(monMap, map),
        monFeatures: MON_FEATURES_SUPPORTED,
        release: release.PACIFIC,
        strategy: map.strategy,
        ...fields,
      }),
    );
  }

  // --- receiving

  /** A message of another monitor; false where it is none of those handled here. @throws DecodeError */
  handle(message: ReceivedMessage): boolean {
    const { connection } = message;
    if (message.type === MMonProbe.type) this.#handleProbe(MMonProbe.decode(message), connection);
    else if (message.type === MMonElection.type) this.#handleElection(MMonElection.decode(message), connection);
    else if (message.type === MMonPaxos.type) this.#handlePaxos(message);
    else if (this.#sync.handles(message)) this.#sync.handle(message);
    else return false;
    return true;
  }

  /** -1 for a monitor that is not in the map. */
  rankOf(connection: Connection): number {
    const { map } = this.#owner;
    const name = map.nameOfAddr(connection.peerAddrs.front);
    return name === undefined ? -1 : map.rankOf(name);
  }

  #handleProbe(m: ReturnType<typeof MMonProbe.decode>, connection: Connection): void {
    const { map, logger, commitLog, id } = this.#owner;
    if (m.fsid !== map.fsid) {
      logger.log('mon', 0, `mon.${m.name} at ${connection.peerAddrs} is of another cluster, ${m.fsid}`);
      return;
    }
    if (m.op === monProbeOp.REPLY) {
      this.#handleProbeReply(m, connection);
      return;
    }
    if (m.op === monProbeOp.MISSING_FEATURES) {
      logger.log('mon', 0, `mon.${m.name} refuses this monitor: it requires features ${m.requiredFeatures}`);
      return;
    }
    if (m.op !== monProbeOp.PROBE) return;
    if (m.release !== 0 && m.release < map.minMonRelease) {
      connection.send(
        MMonProbe.encode({
          fsid: map.fsid,
          op: monProbeOp.MISSING_FEATURES,
          name: id,
          hasEverJoined: this.hasEverJoined,
          release: map.minMonRelease,
        }),
      );
      return;
    }
    if (this.#state !== 'probing' && this.#state !== 'synchronizing') {
      // It is so far ahead that this monitor will not be in a quorum with it.
      if (commitLog.lastCommitted + 1 < m.paxosFirstVersion) {
        this.bootstrap(`mon.${m.name} keeps nothing before version ${m.paxosFirstVersion}`);
        return;
      }
    }
    connection.send(
      MMonProbe.encode({
        fsid: map.fsid,
        op: monProbeOp.REPLY,
        name: id,
        quorum: [...this.#ranks],
        leader: this.#leader,
        monmap: encodeToBytes(monMap, map, connection.peerFeatures),
        hasEverJoined: this.hasEverJoined,
        paxosFirstVersion: commitLog.firstCommitted,
        paxosLastVersion: commitLog.lastCommitted,
        release: release.PACIFIC,
      }),
    );
    const { peerAddrs } = connection;
    if (this.rankOf(connection) < 0 && !this.#extraPeers.some((addrs) => addrs.equals(peerAddrs))) {
      this.#extraPeers = [...this.#extraPeers, peerAddrs].slice(-EXTRA_PEERS_MAX);
      // It may know the newer map.
      if (this.#state === 'probing') this.bootstrap(`mon.${m.name} at ${peerAddrs} is there too`);
    }
  }

  #handleProbeReply(m: ReturnType<typeof MMonProbe.decode>, connection: Connection): void {
    const { map, id, commitLog, config } = this.#owner;
    if (this.#state !== 'probing' && this.#state !== 'electing') return;
    const theirs = decodeFromBytes(monMap, m.monmap);
    if (m.hasEverJoined && (theirs.epoch > map.epoch || (!this.hasEverJoined && theirs.epoch !== map.epoch))) {
      this.#owner.adoptMap(theirs);
      this.bootstrap(`mon.${m.name} has monitor map ${theirs.epoch}`);
      return;
    }
    if (this.#state !== 'probing') return;
    const version = commitLog.lastCommitted;
    if (m.paxosLastVersion >= this.#sync.floor) {
      const { peerAddrs } = connection;
      if (version < m.paxosFirstVersion && m.paxosFirstVersion > 1) {
        this.#synchronize(peerAddrs, true, m);
        return;
      }
      if (version + config.num('paxos_max_join_drift') < m.paxosLastVersion) {
        this.#synchronize(peerAddrs, false, m);
        return;
      }
    }
    // An interrupted copy is no store to vote with.
    if (this.#sync.isInterrupted) {
      if (m.paxosLastVersion > 0) this.#synchronize(connection.peerAddrs, true, m);
      return;
    }
    if (m.quorum.length > 0) {
      if (map.rankOf(id) >= 0) this.#callElection();
      // A newer map, with this monitor, comes with the answer to a later probe.
      else this.#send(m.leader, MMonJoin.encode({ fsid: map.fsid, name: id, addrs: this.#owner.addrs }));
      return;
    }
    if (map.mon(m.name) !== undefined) this.#outside.add(m.name);
    if (this.#outside.size > map.size >> 1 && this.#outside.has(id) && map.rankOf(id) >= 0) this.#callElection();
  }

  #synchronize(provider: EntityAddrVec, isFull: boolean, m: ReturnType<typeof MMonProbe.decode>): void {
    const { logger, commitLog } = this.#owner;
    logger.log(
      'mon',
      0,
      `copies ${isFull ? 'the store' : 'what is missing'} of mon.${m.name}: it has versions ${m.paxosFirstVersion} to ${m.paxosLastVersion}, here is ${commitLog.lastCommitted}`,
    );
    this.#stopTimer();
    this.#state = 'synchronizing';
    this.#sync.start(provider, isFull);
  }

  // --- elections

  #callElection(): void {
    const { id, map } = this.#owner;
    if (map.rankOf(id) < 0 || this.#state === 'synchronizing') return;
    this.#owner.logger.log('mon', 1, `mon.${id} calls an election`);
    this.#stopTimer();
    this.#reset();
    this.#state = 'electing';
    this.#election.start();
  }

  #propose(epoch: number): void {
    this.#votes = new Map([
      [
        this.#rank,
        { metadata: this.#owner.metadata, features: CEPH_FEATURES_ALL, monFeatures: MON_FEATURES_SUPPORTED },
      ],
    ]);
    this.#owner.map.ranks.forEach((_name, other) => {
      if (other !== this.#rank) this.#sendElection(other, monElectionOp.PROPOSE, epoch);
    });
  }

  #handleElection(m: ReturnType<typeof MMonElection.decode>, connection: Connection): void {
    const { map, logger } = this.#owner;
    if (this.#state === 'probing' || this.#state === 'synchronizing' || m.fsid !== map.fsid) return;
    const from = this.rankOf(connection);
    if (from < 0) return;
    const theirs = decodeFromBytes(monMap, m.monmap);
    if (theirs.epoch > map.epoch) {
      this.#owner.adoptMap(theirs);
      this.bootstrap(`rank ${from} has monitor map ${theirs.epoch}`);
      return;
    }
    if (m.strategy !== map.strategy) return;
    const required = map.persistentFeatures | map.optionalFeatures;
    switch (m.op) {
      case monElectionOp.PROPOSE:
        if ((m.monFeatures & required) === required) this.#election.receivePropose(from, m.epoch);
        return;
      case monElectionOp.ACK:
        if ((m.monFeatures & required) !== required) return;
        this.#votes.set(from, {
          metadata: m.metadata,
          features: connection.peerFeatures,
          monFeatures: m.monFeatures,
        });
        this.#election.receiveAck(from, m.epoch);
        return;
      case monElectionOp.VICTORY:
        if (!this.#election.receiveVictory(from, m.epoch) || !m.quorum.includes(this.#rank)) return;
        this.#features = m.quorumFeatures;
        this.#monFeatures = m.monFeatures;
        this.#enter('peon', from, m.quorum);
        this.#owner.commitLog.follow(this.#ranks);
        this.#owner.joined();
        return;
      default:
        logger.log('mon', 0, `rank ${from} refuses this monitor: it requires monitor features ${m.monFeatures}`);
    }
  }

  #enter(state: 'leader' | 'peon', leader: number, ranks: readonly number[]): void {
    this.#state = state;
    this.#leader = leader;
    this.#ranks = [...ranks].sort((a, b) => a - b);
    this.#since_ms = this.#owner.clock.monotonic();
    this.#exited_ms = undefined;
    this.#outside.clear();
    const text = this.#ranks.map((rank) => this.#owner.map.ranks[rank]).join(',');
    this.#owner.logger.log('mon', 0, `${state} of quorum ${text}, election epoch ${this.electionEpoch}`);
  }

  #win(epoch: number, ranks: readonly number[]): void {
    const { map } = this.#owner;
    for (const rank of [...this.#votes.keys()]) if (!ranks.includes(rank)) this.#votes.delete(rank);
    this.#features = CEPH_FEATURES_ALL;
    this.#monFeatures = MON_FEATURES_SUPPORTED;
    for (const vote of this.#votes.values()) {
      this.#features &= vote.features;
      this.#monFeatures &= vote.monFeatures;
    }
    for (const rank of ranks) {
      if (rank === this.#rank) continue;
      this.#sendElection(rank, monElectionOp.VICTORY, epoch, {
        quorum: [...ranks],
        quorumFeatures: this.#features,
        monFeatures: this.#monFeatures,
        sharing: noCommands,
      });
    }
    this.#enter('leader', this.#rank, ranks);
    const names = ranks.map((rank) => map.ranks[rank]).join(',');
    this.#owner.commitLog.lead(this.#ranks);
    this.#owner.joined();
    this.#owner.clusterLog(`mon.${this.#owner.id} is new leader, mons ${names} in quorum (ranks ${ranks.join(',')})`);
  }

  #winAlone(): void {
    const epoch = this.#election.winAlone();
    this.#votes = new Map([
      [0, { metadata: this.#owner.metadata, features: CEPH_FEATURES_ALL, monFeatures: MON_FEATURES_SUPPORTED }],
    ]);
    this.#win(epoch, [0]);
  }

  // --- Paxos

  #handlePaxos(message: ReceivedMessage): void {
    const m = MMonPaxos.decode(message);
    if (!this.isIn) return;
    if (m.epoch > this.electionEpoch) {
      this.bootstrap(`there was an election ${m.epoch}`);
      return;
    }
    if (m.epoch === this.electionEpoch) this.#owner.commitLog.receive(this.rankOf(message.connection), m);
  }
}

/** The metadata of all monitors by rank, as Ceph keeps it in `last_metadata`. */
const metadataByRank = sortedMap(s32, textMap, byNumber);

export function decodeMetadata(bytes: Uint8Array): ReadonlyMap<number, ReadonlyMap<string, string>> {
  return decodeFromBytes(metadataByRank, bytes);
}

export function encodeMetadata(all: ReadonlyMap<number, ReadonlyMap<string, string>>): Uint8Array {
  return encodeToBytes(metadataByRank, new Map([...all].map(([rank, values]) => [rank, new Map(values)])));
}
