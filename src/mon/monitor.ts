import { AuthRegistry, decodeCaps, KeyRing, MonCap, MonPeerAuth, MonServerAuth } from '../auth/index.ts';
import {
  type Clock,
  type Entropy,
  InvariantError,
  type Kv,
  type Logger,
  type Network,
  type TimerHandle,
} from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { DecodeError, decodeFromBytes, decodeText, encodeText } from '../encoding/index.ts';
import { MLog, MMgrDigest, MMonGlobalID, MMonHealthChecks, messageTypeNumber } from '../messages/index.ts';
import { type Connection, type Dispatcher, Messenger, monPolicies, type ReceivedMessage } from '../msgr/index.ts';
import { MonStore, type PaxosLog, StoreTransaction } from '../paxos/index.ts';
import {
  CEPH_VERSION_COMMIT,
  CEPH_VERSION_SHORT,
  CEPH_VERSION_TEXT,
  type CommandSpec,
  EntityAddrVec,
  entityType,
  type MonMap,
  makeEntityName,
  monMap,
  release,
  utimeToMs,
  uuidFromBytes,
} from '../types/index.ts';
import { AdminCommands, type AdminReply } from './admin.ts';
import { AuthMonitor } from './auth.ts';
import { CommandRunner } from './command-runner.ts';
import { CommandRegistry } from './commands/registry.ts';
import { ConfigMonitor } from './config.ts';
import type { OptionMask } from './config-map.ts';
import { Dispatch } from './dispatch.ts';
import { FsMonitor } from './fs.ts';
import { type HealthChecks, HealthMonitor } from './health.ts';
import { HealthLog } from './health-log.ts';
import { KvMonitor } from './kv.ts';
import { LogMonitor } from './log.ts';
import { handlePeerMessage, makeMembership } from './membership.ts';
import { MgrMonitor } from './mgr.ts';
import { MgrProxy } from './mgr-proxy.ts';
import { MgrStatMonitor } from './mgrstat.ts';
import { MKFS_TABLE, STORE_VERSION, TABLE } from './mkfs.ts';
import { monitorChecks, ownChecks } from './mon-checks.ts';
import { MonmapMonitor } from './monmap.ts';
import { registerOsdCommands } from './osd/commands.ts';
import { osdChecks } from './osd/health.ts';
import { OsdMonitor } from './osd/osd-monitor.ts';
import { OsdRequests } from './osd/requests.ts';
import { decodeMetadata, encodeMetadata, type Quorum } from './quorum.ts';
import { changesCluster, type Requests } from './requests.ts';
import type { Service, ServiceContext } from './service.ts';
import { Session } from './session.ts';
import { registerStatusCommands } from './status.ts';
import { Subscriptions } from './subscriptions.ts';
import type { TimeCheck } from './time-check.ts';

/** Peers with a session at most; more are turned away. */
const SESSIONS_MAX = 65_536;
/** Messages that wait for a quorum or a lease, at most; later ones are passed over, and their senders ask again. */
const WAITING_MAX = 10_000;
/** Table of the log, of which the first version is special. */
const FIRST_VERSION = 1;

export interface MonitorOptions {
  /** `a` of mon.a. */
  readonly id: string;
  readonly hostname: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  readonly logger: Logger;
  readonly config: Config;
  readonly kv: Kv;
  /** Holds the monitors' key, `mon.`. */
  readonly keyring: KeyRing;
  /** What this daemon tells of its host: arch, kernel, ... */
  readonly metadata: ReadonlyMap<string, string>;
  /** Commands that every daemon has (`ceph tell mon.a config show`), for those that the monitor does not serve itself. */
  readonly commonCommand?: (
    command: Readonly<Record<string, unknown>>,
    own: readonly CommandSpec[],
  ) => AdminReply | Promise<AdminReply>;
  /** Appends text to a cluster log file. */
  writeClusterLog(path: string, text: string): void;
  /** Where it listens while the monitor map does not have it: it then asks to be let in. */
  readonly addrs?: EntityAddrVec;
  /** Ends this monitor: the cluster's map has it no more. */
  readonly removed?: () => void;
  /** Bytes of the file system that holds the store; `used` is what the store itself takes. */
  statfs(): { readonly total: number; readonly free: number; readonly used?: number } | undefined;
}

/**
 * A monitor: the services over one commit log, the sessions of its peers, and what goes between them. It talks to the world through the
 * interfaces it is given, so the simulator runs this very code.
 */
export class Monitor implements Dispatcher {
  readonly id: string;
  readonly options: MonitorOptions;
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: MonStore;
  readonly commitLog: PaxosLog;
  readonly quorum: Quorum;
  readonly requests: Requests;
  readonly timeCheck: TimeCheck;
  readonly monmap: MonmapMonitor;
  readonly osd: OsdMonitor;
  readonly auth: AuthMonitor;
  readonly kv: KvMonitor;
  readonly configService: ConfigMonitor;
  readonly log: LogMonitor;
  readonly mgr: MgrMonitor;
  readonly mgrStat: MgrStatMonitor;
  readonly health: HealthMonitor;
  readonly fs: FsMonitor;
  readonly commands = new CommandRegistry();
  readonly subscriptions: Subscriptions;
  readonly osdRequests: OsdRequests;
  readonly mgrProxy: MgrProxy;
  readonly runner: CommandRunner;
  readonly serverAuth: MonServerAuth;
  readonly admin: AdminCommands;
  readonly #registry: AuthRegistry;
  readonly #healthLog: HealthLog;
  readonly #dispatch: Dispatch;
  readonly #services: readonly Service[];
  /** What those who follow this leader say is wrong at them, by rank. */
  readonly peerChecks = new Map<number, HealthChecks>();
  readonly #sessions = new Set<Session>();
  /** Messages of clients that wait for a quorum or a lease. */
  #waiting: { readonly message: ReceivedMessage; readonly session: Session }[] = [];
  #whenActive: (() => void) | undefined;
  #messenger: Messenger | undefined;
  /** True on a leader whose state is recovered. */
  #leading = false;
  /** Version of the log up to which subscribers were told, on a follower. */
  #toldVersion = 0;
  /** A follower has told its leader of something wrong. */
  #hasReported = false;
  #stopped = false;
  #timer: TimerHandle | undefined;
  #digestTimer: TimerHandle | undefined;

  constructor(options: MonitorOptions) {
    this.options = options;
    this.id = options.id;
    this.config = options.config;
    this.clock = options.clock;
    this.logger = options.logger;
    this.store = new MonStore(options.kv);
    this.#checkStore();
    const { config, clock, logger, entropy } = options;
    const { commitLog, quorum, requests, timeCheck } = makeMembership(this, {
      isLeading: () => this.#leading,
      left: () => this.#leftQuorum(),
      joined: () => this.#joinedQuorum(),
      reload: () => this.#refresh(),
      handle: (message, session) => this.#handleRequest(message, session),
    });
    this.commitLog = commitLog;
    this.quorum = quorum;
    this.requests = requests;
    this.timeCheck = timeCheck;
    const context: ServiceContext = { clock, logger, store: this.store, log: this.commitLog };
    const clog = (level: 'debug' | 'info' | 'sec' | 'warn' | 'error', text: string): void => this.log.log(level, text);

    this.monmap = new MonmapMonitor(context, this.#mkfsMap());
    this.log = new LogMonitor(context, {
      config,
      self: {
        id: this.id,
        authType: entityType.MON,
        rank: () => makeEntityName(entityType.MON, this.rank),
        addrs: () => this.addrs,
      },
      writeFile: (path, text) => options.writeClusterLog(path, text),
      toLeader: (entries) => {
        if (!this.quorum.isPeon) return;
        this.quorum.sendTo(this.quorum.leader, MLog.encode({ fsid: this.fsid, entries: [...entries] }));
      },
    });
    this.osd = new OsdMonitor(context, config, clog);
    this.auth = new AuthMonitor(context, config, entropy, options.keyring, {
      share: () => ({ rank: this.rank, size: Math.max(1, this.monmap.map.size) }),
      askLeader: (max) => {
        if (this.quorum.isPeon) this.quorum.sendTo(this.quorum.leader, MMonGlobalID.encode({ oldMaxId: max }));
      },
    });
    this.kv = new KvMonitor(context);
    this.configService = new ConfigMonitor(context, this.kv, {
      place: (entity, hostname) => this.#placeOf(entity, hostname),
      precision: (mask) => this.#precisionOf(mask),
      moduleOption: (name) => this.mgr.moduleOption(name),
      moduleOptionNames: () => this.mgr.moduleOptionNames(),
      fsid: () => this.fsid,
      minimalConf: () => this.#minimalConf(),
    });
    this.mgr = new MgrMonitor(context, {
      config,
      blocklist: (addrs, seconds) => this.#blocklist(addrs, seconds),
      osdCount: () => this.osd.map.osdCounts.osds,
      clusterCreated: () => utimeToMs(this.monmap.map.created),
      clog,
    });
    this.mgrStat = new MgrStatMonitor(context);
    this.health = new HealthMonitor(context);
    this.fs = new FsMonitor(context);
    // Later ones look at earlier ones when they take up a new version.
    this.#services = [
      this.monmap,
      this.osd,
      this.auth,
      this.kv,
      this.configService,
      this.log,
      this.mgr,
      this.mgrStat,
      this.health,
      this.fs,
    ];
    this.#registry = new AuthRegistry(entityType.MON, config);
    this.serverAuth = new MonServerAuth({
      registry: this.#registry,
      keys: this.auth.keyServer,
      clock,
      entropy,
      log: logger,
      isReady: () => this.isServing,
      assignGlobalId: (done) => this.auth.allocateGlobalId(done),
    });
    this.subscriptions = new Subscriptions(this);
    this.osdRequests = new OsdRequests(this);
    this.mgrProxy = new MgrProxy(clock, () => this.#messenger);
    this.runner = new CommandRunner(this);
    this.#healthLog = new HealthLog({
      clock,
      config,
      checks: () => this.health.checks(),
      log: clog,
    });
    this.#dispatch = new Dispatch(this);
    this.admin = new AdminCommands(this);
    this.#wire();
    this.#registerCommands();
  }

  #checkStore(): void {
    const version = this.store.getNumber(TABLE, 'store_version');
    if (version === 0) throw new Error('this is not the store of a monitor: make one with --mkfs first');
    if (version > STORE_VERSION) {
      throw new Error(
        `the monitor's store has version ${version}, from a newer program; this one reads up to ${STORE_VERSION}`,
      );
    }
  }

  #mkfsMap(): MonMap | undefined {
    const bytes = this.store.get(MKFS_TABLE, 'monmap');
    return bytes === undefined ? undefined : decodeFromBytes(monMap, bytes);
  }

  #wire(): void {
    const { commitLog } = this;
    commitLog.onCommitted = () => this.#refresh();
    commitLog.onActive = () => this.#becameActive();
    const subs = this.subscriptions;
    this.monmap.onChanged = (membersChanged) => {
      subs.checkAll((what) => what === 'monmap');
      // After who proposed the change has heard of it.
      if (membersChanged && this.#messenger !== undefined) {
        this.clock.defer(() => this.quorum.bootstrap('the monitor map has changed'));
      }
    };
    this.osd.onChanged = () => {
      subs.checkAll((what) => what === 'osdmap' || what === 'osd_pg_creates');
      if (this.#leading) {
        this.#healthLog.note();
        const { map } = this.osd;
        const { osds, up, in: inside } = map.osdCounts;
        this.log.log('debug', `osdmap e${map.epoch}: ${osds} total, ${up} up, ${inside} in`);
      }
    };
    this.configService.onChanged = () => {
      this.#applyOwnConfig();
      subs.checkAll((what) => what === 'config');
    };
    this.kv.onChanged = () => subs.checkAll((what) => what.startsWith('kv:'));
    this.log.onChanged = () => subs.checkAll((what) => what.startsWith('log-'));
    this.mgr.onChanged = () => {
      subs.checkAll((what) => what === 'mgrmap');
      this.mgrProxy.update(this.mgr.map);
      if (this.#leading) this.#healthLog.note();
    };
    this.mgrStat.onChanged = () => {
      subs.checkAll((what) => what === 'servicemap');
      if (!this.#leading) return;
      this.#takePurgedSnaps();
      this.#healthLog.note();
    };
    this.fs.onChanged = () => subs.checkAll((what) => /^(fs|mds)map/.test(what));
    this.health.onInfo = (text) => this.log.log('info', text);
    this.health.addSource(() => monitorChecks(this));
    this.health.addSource(() => osdChecks(this.osd));
    this.health.addSource(() => this.mgr.checks());
    this.health.addSource(() => this.mgrStat.checks());
    this.osd.poolUsage = (pool) => {
      const stat = this.mgrStat.poolStat(pool);
      return stat === undefined ? undefined : { bytes: stat.stats.numBytes, objects: stat.stats.numObjects };
    };
  }

  #registerCommands(): void {
    const { commands } = this;
    this.monmap.registerCommands(commands, this);
    registerOsdCommands(commands, this);
    this.auth.registerCommands(commands);
    this.kv.registerCommands(commands, () => this.config.num('mon_config_key_max_entry_size'));
    this.configService.registerCommands(commands);
    this.log.registerCommands(commands);
    this.mgr.registerCommands(commands);
    this.mgrStat.registerCommands(commands, () => this.osd.map);
    this.health.registerCommands(commands);
    this.fs.registerCommands(commands);
    registerStatusCommands(commands, this);
    const unserved = commands.unserved();
    if (unserved.length > 0) throw new InvariantError('commands without a handler', { unserved });
  }

  // --- what it is

  get fsid(): string {
    return this.monmap.map.fsid;
  }

  get rank(): number {
    return Math.max(0, this.monmap.map.rankOf(this.id));
  }

  get addrs(): EntityAddrVec {
    return this.monmap.map.mon(this.id)?.addrs ?? this.options.addrs ?? EntityAddrVec.empty;
  }

  /** True in a quorum, where the state here is the cluster's. */
  get isActive(): boolean {
    return !this.#stopped && (this.#leading || this.commitLog.isReadable);
  }

  /** True where new clients are let in: in a quorum, and for a while after. Before the first there are no keys. */
  get isServing(): boolean {
    if (this.#stopped || this.auth.version === 0) return false;
    if (this.quorum.isIn) return true;
    const { exitedFor_ms } = this.quorum;
    return exitedFor_ms !== undefined && exitedFor_ms < this.#outOfQuorumMax_ms;
  }

  /** Clients of a monitor that has no quorum for so long look for another. */
  get #outOfQuorumMax_ms(): number {
    return 2 * this.config.num('mon_lease') * 1000;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  get messenger(): Messenger | undefined {
    return this.#messenger;
  }

  /** Milliseconds since the quorum was made. */
  get quorumAge_ms(): number {
    return this.quorum.age_ms;
  }

  /** Odd while electing, even with a quorum; odd for a monitor alone, as in Ceph. */
  get electionEpoch(): number {
    return this.quorum.electionEpoch;
  }

  /** Name of the leader; empty without a quorum. */
  get leaderName(): string {
    return this.monmap.map.ranks[this.quorum.leader] ?? '';
  }

  /** What this monitor tells of itself (`ceph mon metadata`). */
  get metadata(): ReadonlyMap<string, string> {
    return new Map([
      ['addrs', this.addrs.toString()],
      ...this.options.metadata,
      ['ceph_release', 'pacific'],
      ['ceph_version', CEPH_VERSION_TEXT],
      ['ceph_version_short', CEPH_VERSION_SHORT],
      ['hostname', this.options.hostname],
    ]);
  }

  /** Random id of the cluster for reports that should not tell its fsid. */
  get fingerprint(): string {
    const bytes = this.store.get(TABLE, 'cluster_fingerprint');
    return bytes === undefined ? '' : decodeText(bytes);
  }

  get version(): { readonly text: string; readonly short: string; readonly commit: string } {
    return { text: CEPH_VERSION_TEXT, short: CEPH_VERSION_SHORT, commit: CEPH_VERSION_COMMIT };
  }

  // --- life

  /**
   * Reads the store, listens, and looks for the other monitors. Resolves when clients are served; where there are other monitors, already when it
   * listens: a quorum may be long in coming.
   */
  async start(): Promise<void> {
    const fsid = decodeText(this.store.get(TABLE, 'cluster_uuid') ?? new Uint8Array()).trim();
    this.osd.fsid = fsid;
    this.fs.fsid = fsid;
    for (const service of this.#services) service.start();
    this.#applyOwnConfig();
    if (this.monmap.map.rankOf(this.id) < 0 && this.quorum.hasEverJoined) {
      throw new Error(
        `mon.${this.id} was removed from the cluster's monitor map; to bring it back, make it anew with --mkfs`,
      );
    }
    if (this.addrs.isEmpty) throw new Error(`mon.${this.id} is not in the monitor map; give it a --public-addr`);
    const { config, network, clock, entropy, logger } = this.options;
    const messenger = new Messenger({
      network,
      clock,
      entropy,
      logger,
      name: makeEntityName(entityType.MON, this.rank),
      policies: monPolicies(config.num('mon_client_bytes'), config.num('mon_daemon_bytes')),
      nonce: 0,
      authServer: this.serverAuth,
      authClient: new MonPeerAuth({ registry: this.#registry, keys: this.auth.keyServer, clock, entropy }),
    });
    messenger.addDispatcher(this);
    this.#messenger = messenger;
    const addrs = new EntityAddrVec(this.addrs.addrs.filter((a) => a.type === 2));
    const { map } = this.monmap;
    const isAlone = map.size === 1 && map.rankOf(this.id) === 0;
    // One that is alone listens when its first maps are there.
    if (isAlone) await this.#lookAround();
    await messenger.bind(addrs);
    if (!isAlone) this.quorum.bootstrap('it starts');
    this.#scheduleTick();
    this.#scheduleDigests();
    this.logger.log('mon', 0, `mon.${this.id} serves at ${addrs}, version ${this.commitLog.lastCommitted}`);
  }

  #lookAround(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenActive = resolve;
      this.quorum.bootstrap('it starts');
    });
  }

  /** The first version of the log: every service's first state. */
  #makeCluster(): void {
    const keyring = this.store.get(MKFS_TABLE, 'keyring');
    if (keyring !== undefined) this.auth.initialKeyring = KeyRing.parse(keyring);
    const t = new StoreTransaction();
    for (const service of this.#services) service.bootstrap(t);
    for (const key of ['monmap', 'keyring', 'osdmap']) t.erase(MKFS_TABLE, key);
    t.put(TABLE, 'cluster_fingerprint', encodeText(newUuid(this.options.entropy)));
    this.commitLog.pending().append(t);
    this.commitLog.propose(() => this.#lead());
  }

  // --- in and out of the quorum

  /** Takes up what is new in the store. */
  #refresh(): void {
    for (const service of this.#services) service.refresh();
  }

  #leftQuorum(): void {
    this.#leading = false;
    this.peerChecks.clear();
    this.#hasReported = false;
    this.timeCheck.stop();
    this.requests.left();
    this.#healthLog.stop();
    for (const service of this.#services) service.leave();
  }

  #joinedQuorum(): void {
    // A peon's requests wait at the leader; a leader's wait until it is active.
    if (this.quorum.isPeon) this.requests.sendAll();
  }

  /** The commit log may be written (on a leader) or the state read under a lease (on a peon). */
  #becameActive(): void {
    if (this.#stopped) return;
    if (this.quorum.isLeader) {
      if (this.#leading) return;
      if (this.commitLog.lastCommitted < FIRST_VERSION) this.#makeCluster();
      else this.#lead();
      return;
    }
    this.quorum.noteJoined();
    this.#serveWaiting();
  }

  #lead(): void {
    this.quorum.noteJoined();
    const { commitLog } = this;
    this.#refresh();
    this.#leading = true;
    for (const service of this.#services) service.lead();
    commitLog.pending().put(TABLE, 'last_metadata', this.#allMetadata());
    commitLog.propose(() => {});
    this.auth.tick();
    if (this.monmap.map.size > 1) {
      this.timeCheck.start();
      this.#healthLog.note();
    }
    this.requests.sendAll();
    this.#serveWaiting();
    this.#whenActive?.();
    this.#whenActive = undefined;
  }

  /** What every monitor told of itself: those of this quorum now, the others when they were last in one. */
  #allMetadata(): Uint8Array {
    const all = new Map(this.monMetadata);
    for (const [rank, vote] of this.quorum.votes) all.set(rank, vote.metadata);
    for (const rank of all.keys()) if (rank >= this.monmap.map.size) all.delete(rank);
    return encodeMetadata(all);
  }

  /** What monitors told of themselves, by rank. */
  get monMetadata(): ReadonlyMap<number, ReadonlyMap<string, string>> {
    const bytes = this.store.get(TABLE, 'last_metadata');
    return bytes === undefined ? new Map() : decodeMetadata(bytes);
  }

  /** Clients' messages that came while there was no quorum, or no lease. */
  #serveWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { message, session } of waiting) {
      if (this.#sessions.has(session)) this.#guard(message, () => this.#route(message, session));
    }
    // A follower commits before it may tell. Digests go out by the clock alone.
    const version = this.commitLog.lastCommitted;
    if (version === this.#toldVersion) return;
    this.#toldVersion = version;
    this.subscriptions.checkAll((what) => what !== 'mgrdigest');
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [this.#timer, this.#digestTimer]) if (timer !== undefined) this.clock.clearTimer(timer);
    this.quorum.stop();
    this.timeCheck.stop();
    this.requests.stop();
    this.#waiting = [];
    this.mgrProxy.stop();
    this.#healthLog.stop();
    this.#messenger?.shutdown();
    for (const service of this.#services) service.stop();
    this.commitLog.stop();
    this.#sessions.clear();
  }

  /** A command to this very monitor: `ceph tell mon.a ...` and the admin socket. */
  async adminCommand(command: Readonly<Record<string, unknown>>): Promise<AdminReply> {
    const own = this.admin.run(command);
    if (own !== undefined) return own;
    return this.options.commonCommand?.(command, this.admin.specs) ?? this.admin.unknown(String(command.prefix));
  }

  #scheduleTick(): void {
    this.#timer = this.clock.setTimer(this.config.num('mon_tick_interval') * 1000, () => {
      if (this.#stopped) return;
      if (this.#leading) {
        for (const service of this.#services) service.tick();
        this.#healthLog.look();
      } else if (this.quorum.isPeon) this.#reportChecks();
      this.quorum.tick();
      this.requests.tick();
      const { exitedFor_ms } = this.quorum;
      if (exitedFor_ms !== undefined && exitedFor_ms > this.#outOfQuorumMax_ms) this.#sendClientsAway();
      this.#scheduleTick();
    });
  }

  /** Tells the leader what is wrong here, and once when nothing is any more. */
  #reportChecks(): void {
    const healthChecks = ownChecks(this);
    if (healthChecks.size === 0 && !this.#hasReported) return;
    this.#hasReported = healthChecks.size > 0;
    this.quorum.sendTo(this.quorum.leader, MMonHealthChecks.encode({ healthChecks }));
  }

  /** Out of the quorum for too long: clients look for another monitor. */
  #sendClientsAway(): void {
    for (const session of [...this.#sessions]) {
      if (session.connection.peerType === entityType.MON) continue;
      session.connection.markDown();
      this.handleReset(session.connection);
    }
  }

  // --- sessions

  handleAccept(connection: Connection): void {
    if (connection.session === undefined) this.#openSession(connection);
  }

  #openSession(connection: Connection): Session | undefined {
    const { identity } = connection;
    if (identity === undefined || this.#sessions.size >= SESSIONS_MAX) {
      connection.markDown();
      return undefined;
    }
    const caps = identity.capsAllowAll ? MonCap.allowAll : readCaps(identity.caps);
    const session = new Session(connection, identity.name, identity.globalId, caps, this.clock.now());
    connection.session = session;
    this.#sessions.add(session);
    return session;
  }

  handleReset(connection: Connection): void {
    if (this.mgrProxy.owns(connection)) this.mgrProxy.handleReset();
    const session = connection.session;
    if (session instanceof Session) {
      this.#sessions.delete(session);
      this.requests.drop(session);
    }
    connection.session = undefined;
  }

  handleMessage(message: ReceivedMessage): void {
    try {
      this.#guard(message, () => this.#handleMessage(message));
    } finally {
      message.release();
    }
  }

  #guard(message: ReceivedMessage, handle: () => void): void {
    try {
      if (!this.#stopped) handle();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const { connection, type } = message;
      this.logger.log('mon', 0, `bad message of type ${type} from ${connection.peerAddrs}: ${error.message}`);
      connection.markDown();
      this.handleReset(connection);
    }
  }

  #handleMessage(message: ReceivedMessage): void {
    const { connection } = message;
    if (connection.peerType === entityType.MON && handlePeerMessage(this, message, this.#leading)) return;
    if (connection.isOutgoing) {
      if (this.mgrProxy.owns(connection)) this.mgrProxy.handleMessage(message);
      return;
    }
    const session = connection.session instanceof Session ? connection.session : this.#openSession(connection);
    if (session !== undefined) this.#route(message, session);
  }

  /** Brings a client's message to where it can be handled: here, or at the leader. */
  #route(message: ReceivedMessage, session: Session): void {
    if (this.monmap.map.size === 1 && this.#leading) {
      this.#dispatch.handle(message, session);
      return;
    }
    const { type } = message;
    if (
      changesCluster(type) ||
      (type === messageTypeNumber.MON_COMMAND && !this.runner.isServedByPeons(message, this.#leading))
    ) {
      this.requests.take(message, session);
      return;
    }
    // About this very monitor, quorum or not; and keys are good for as long as it lets clients in.
    if (
      this.isActive ||
      type === messageTypeNumber.COMMAND ||
      type === messageTypeNumber.PING ||
      type === messageTypeNumber.AUTH
    ) {
      this.#dispatch.handle(message, session);
    } else if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ message, session });
  }

  /** A request at the leader that it is for. */
  #handleRequest(message: ReceivedMessage, session: Session): void {
    this.#guard(message, () => this.#dispatch.handle(message, session));
  }

  // --- what services ask of each other

  #applyOwnConfig(): void {
    const values = this.configService.valuesFor({ type: entityType.MON, id: this.id }, this.options.hostname);
    for (const { name, reason } of this.config.replaceLayer('mon', values)) {
      this.logger.log('mon', 1, `stored option ${name} is left out: ${reason}`);
    }
  }

  #placeOf(
    entity: { type: number; id: string },
    hostname: string,
  ): { entity: { type: number; id: string }; location: Map<string, string>; deviceClass: string } {
    const { crush } = this.osd;
    if (entity.type === entityType.OSD && /^\d+$/.test(entity.id)) {
      const id = Number(entity.id);
      return { entity, location: crush.locationOf(id), deviceClass: crush.classOf(id) ?? '' };
    }
    const host = hostname === '' ? undefined : crush.itemId(hostname);
    const location = host === undefined ? new Map<string, string>() : crush.locationOf(host);
    if (host !== undefined) location.set('host', hostname);
    return { entity, location, deviceClass: '' };
  }

  #precisionOf(mask: OptionMask): number {
    const types = this.osd.crushMap.typeNames.size;
    if (mask.locationType !== '') return this.osd.crush.typeId(mask.locationType) ?? types + 1;
    return mask.deviceClass !== '' ? types : types + 1;
  }

  #blocklist(addrs: readonly EntityAddrVec[], seconds: number): number {
    const all = addrs.flatMap((vec) => vec.addrs);
    const epoch = this.osd.map.epoch + 1;
    if (all.length > 0) {
      this.osd.whenWriteable(() => {
        this.osd.blocklist(all, seconds);
        this.osd.submit();
      });
    }
    return epoch;
  }

  #minimalConf(): string {
    const hosts = this.monmap.map.ranks.map((name: string) => {
      const addrs = this.monmap.map.mon(name)!.addrs;
      return addrs.length === 1 ? `[${addrs}]` : addrs.toString();
    });
    return `# minimal ceph.conf for ${this.fsid}\n[global]\n\tfsid = ${this.fsid}\n\tmon_host = ${hosts.join(' ')}\n`;
  }

  /** Snapshots that every PG has trimmed are purged in the next map. */
  #takePurgedSnaps(): void {
    this.osdRequests.takePurgedSnaps(this.mgrStat.digest.purgedSnaps);
  }

  // --- the manager's view of the monitors

  #scheduleDigests(): void {
    this.#digestTimer = this.clock.setTimer(this.config.num('mon_mgr_digest_period') * 1000, () => {
      if (this.#stopped) return;
      for (const session of this.#sessions) {
        if (this.isActive && session.subscriptions.has('mgrdigest')) this.sendDigest(session);
      }
      this.#scheduleDigests();
    });
  }

  sendDigest(session: Session): void {
    const monStatus = this.admin.monStatusJson();
    const health = this.admin.healthJson();
    session.connection.send(MMgrDigest.encode({ monStatus: encodeText(monStatus), health: encodeText(health) }));
  }

  /** Release that every monitor has: for `ceph mon dump` and the status. */
  get minMonRelease(): number {
    return release.PACIFIC;
  }
}

/** Caps that do not parse allow nothing. */
function readCaps(caps: Uint8Array): MonCap {
  try {
    return MonCap.parse(decodeCaps(caps));
  } catch {
    return MonCap.none;
  }
}

/** A random (version 4) uuid. */
function newUuid(entropy: Entropy): string {
  const b = entropy.bytes(16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  return uuidFromBytes(b);
}
