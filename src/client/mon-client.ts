import {
  type AuthConnection,
  AuthError,
  AuthRegistry,
  authMethod,
  ClientAuth,
  type KeyRing,
  type MonAttemptObserver,
  type MonAuthSession,
  RotatingKeyRing,
  ServiceServerAuth,
} from '../auth/index.ts';
import {
  type Clock,
  type Entropy,
  ErrnoError,
  type ErrnoName,
  entropyBelow,
  errno,
  errnoName,
  type Logger,
  type TimerHandle,
} from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { decodeFromBytes } from '../encoding/index.ts';
import {
  MAuth,
  MAuthReply,
  MConfig,
  type MessageParts,
  MLogAck,
  MMonGetMap,
  MMonGetVersion,
  MMonGetVersionReply,
  MMonMap,
  MMonSubscribe,
  messageTypeNumber,
  SUBSCRIBE_ONETIME,
} from '../messages/index.ts';
import type { AuthClient, AuthServer, Connection, Dispatcher, Messenger, ReceivedMessage } from '../msgr/index.ts';
import { type AuthName, entityType, formatAuthName, type MonMap, monMap, utimeFromMs } from '../types/index.ts';
import type { CommandResult, MonClientApi, MonClientListener, MonTarget } from './api.ts';
import { ClusterLogQueue } from './cluster-log.ts';
import { MonCommands } from './mon-commands.ts';
import { initialMonMap } from './mon-host.ts';
import { MonSub } from './mon-sub.ts';

/** Kinds of daemons that check tickets with rotating secrets (auth_principal_needs_rotating_keys). */
const ROTATING_TYPES: readonly number[] = [entityType.OSD, entityType.MDS, entityType.MGR];

/** Messages that wait for a session at most; the oldest are dropped beyond. */
const WAITING_MAX = 4096;
export interface MonClientOptions {
  readonly messenger: Messenger;
  readonly name: AuthName;
  readonly keyring: KeyRing;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** Options are read from here; MConfig goes in as layer `mon`. */
  readonly config: Config;
  /** Where to start; else option `mon_host`. */
  readonly monMap?: MonMap;
  /** Mask of entity types to get tickets for; by default MON, OSD, MDS and MGR. */
  readonly wantKeys?: number;
  /** Host's short name, told to the monitors with subscriptions. */
  readonly hostname?: string;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  timer: TimerHandle | undefined;
}

const NO_BYTES = new Uint8Array(0);

/**
 * A process's dealings with the monitors. States:
 *
 *     closed --openSession--> hunting --a monitor authenticates us--> open
 *     open --connection reset, no keepalive, monitor left the map--> hunting
 *     hunting --every monitor refuses us--> closed
 *
 * While hunting, up to mon_client_hunt_parallel monitors are dialled at once; the first that authenticates wins. If none has after
 * mon_client_hunt_interval (times a growing factor), the next ones are tried.
 */
export class MonClient implements MonClientApi, Dispatcher, MonAttemptObserver {
  readonly #o: MonClientOptions;
  readonly #messenger: Messenger;
  readonly #auth: ClientAuth;
  readonly #rotating: RotatingKeyRing;
  readonly authServer: AuthServer;
  readonly #listeners: MonClientListener[] = [];
  readonly #sub = new MonSub();
  readonly #clusterLog = new ClusterLogQueue();
  #monMap: MonMap;

  #active: Connection | undefined;
  readonly #pending = new Set<Connection>();
  readonly #tried = new Set<number>();
  #hasHadConnection = false;
  #huntMultiplier: number;
  #waiting: MessageParts[] = [];

  #authWaiters = new Set<Waiter>();
  #rotatingWaiters = new Set<Waiter>();
  readonly #commands: MonCommands;
  #lastHandle = 0;
  readonly #versions = new Map<number, (error: number, newest: number, oldest: number) => void>();

  #tickTimer: TimerHandle | undefined;
  #lastKeepalive_ms = 0;
  #lastLog_ms = 0;
  #lastRotatingRequest_ms = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(options: MonClientOptions) {
    this.#o = options;
    const { messenger, name, keyring, clock, entropy, log, config } = options;
    this.#messenger = messenger;
    this.#monMap = options.monMap ?? initialMonMap(config.str('mon_host'));
    this.#huntMultiplier = config.num('mon_client_hunt_interval_min_multiple');
    const registry = new AuthRegistry(name.type, config, () => keyring.size > 0);
    this.#auth = new ClientAuth({
      name,
      keyring,
      want: options.wantKeys ?? entityType.MON | entityType.OSD | entityType.MDS | entityType.MGR,
      registry,
      clock,
      entropy,
      log,
    });
    this.#auth.observer = this;
    this.#rotating = new RotatingKeyRing(name.type, keyring);
    this.authServer = new ServiceServerAuth({ registry, keys: this.#rotating, entropy, log });
    this.#commands = new MonCommands({
      clock,
      config,
      messenger,
      monMap: () => this.#monMap,
      isOpen: () => this.#active !== undefined,
      send: (message) => this.send(message),
    });
    messenger.authClient = this.#auth;
    messenger.addDispatcher(this);
  }

  get monMap(): MonMap {
    return this.#monMap;
  }

  get globalId(): bigint {
    return this.#auth.globalId;
  }

  get isConnected(): boolean {
    return this.#active !== undefined;
  }

  /** Name of the monitor of the session. */
  get currentMon(): string | undefined {
    return this.#active === undefined ? undefined : this.#monMap.nameOfAddr(this.#active.peerAddrs.msgr2);
  }

  get authClient(): AuthClient {
    return this.#auth;
  }

  addListener(listener: MonClientListener): void {
    this.#listeners.push(listener);
  }

  #debug(level: number, message: string): void {
    this.#o.log.log('monc', level, message);
  }

  #ms(option: string): number {
    return this.#o.config.num(option) * 1000;
  }

  // --- opening

  authenticate(timeout_ms: number): Promise<void> {
    if (this.#isStopped) return Promise.reject(new ErrnoError('ESHUTDOWN', 'the monitor client is shut down'));
    if (this.#isReady) return Promise.resolve();
    this.#sub.want('monmap', this.#monMap.epoch > 0 ? this.#monMap.epoch + 1 : 0, 0);
    this.#sub.want('config', 0, 0);
    if (!this.#isOpened) this.#reopenSession();
    this.#scheduleTick();
    return this.#wait(this.#authWaiters, timeout_ms, 'authentication with the monitors timed out');
  }

  waitRotating(timeout_ms: number): Promise<void> {
    if (!this.#needsRotating || !this.#rotating.needsNew(this.#rotatingCutoff_ms())) return Promise.resolve();
    this.#checkRotating();
    return this.#wait(this.#rotatingWaiters, timeout_ms, 'no rotating secrets came from the monitors');
  }

  #wait(waiters: Set<Waiter>, timeout_ms: number, text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: undefined };
      waiters.add(waiter);
      if (timeout_ms <= 0) return;
      waiter.timer = this.#o.clock.setTimer(timeout_ms, () => {
        waiters.delete(waiter);
        reject(new ErrnoError('ETIMEDOUT', `${text} after ${timeout_ms / 1000} s`));
      });
    });
  }

  #settle(waiters: Set<Waiter>, error?: Error): void {
    for (const waiter of waiters) {
      if (waiter.timer !== undefined) this.#o.clock.clearTimer(waiter.timer);
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
    }
    waiters.clear();
  }

  get #isOpened(): boolean {
    return this.#active !== undefined || this.#pending.size > 0;
  }

  get #isReady(): boolean {
    return this.#active !== undefined && this.#monMap.epoch > 0;
  }

  #reopenSession(): void {
    const hadSession = this.#active !== undefined;
    this.#closeConnections();
    this.#waiting = [];
    if (hadSession) for (const l of this.#listeners) l.sessionReset?.();
    for (const [handle, done] of [...this.#versions]) {
      this.#versions.delete(handle);
      done(errno.EAGAIN, 0, 0);
    }
    if (this.#isStopped) return;
    if (this.#hasHadConnection) {
      this.#huntMultiplier = Math.min(
        this.#huntMultiplier * this.#o.config.num('mon_client_hunt_interval_backoff'),
        this.#o.config.num('mon_client_hunt_interval_max_multiple'),
      );
    }
    this.#dialNext();
    if (this.#sub.reload()) this.renewSubs();
    this.#scheduleTick();
  }

  #closeConnections(): void {
    this.#active?.markDown();
    this.#active = undefined;
    for (const connection of this.#pending) connection.markDown();
    this.#pending.clear();
  }

  /** Dials the next few monitors: of those not tried yet the ones of the lowest priority value, by weight or by chance. */
  #dialNext(): void {
    let ranks = this.#candidates();
    if (ranks.length === 0) {
      this.#tried.clear();
      ranks = this.#candidates();
    }
    this.#shuffle(ranks);
    const parallel = this.#o.config.num('mon_client_hunt_parallel') || ranks.length;
    for (const rank of ranks.slice(0, parallel)) {
      this.#tried.add(rank);
      const { addrs } = this.#monMap.mon(rank)!;
      const connection = this.#messenger.connect(entityType.MON, addrs);
      this.#debug(10, `dialling mon.${this.#monMap.ranks[rank]} at ${addrs}`);
      this.#pending.add(connection);
      connection.send(MMonGetMap.encode({}));
    }
  }

  #candidates(): number[] {
    let best = Number.POSITIVE_INFINITY;
    let ranks: number[] = [];
    for (let rank = 0; rank < this.#monMap.ranks.length; rank++) {
      if (this.#tried.has(rank)) continue;
      const { priority } = this.#monMap.mon(rank)!;
      if (priority > best) continue;
      if (priority < best) ranks = [];
      best = priority;
      ranks.push(rank);
    }
    return ranks;
  }

  #shuffle(ranks: number[]): void {
    const { entropy } = this.#o;
    const weights = ranks.map((rank) => this.#monMap.mon(rank)!.weight);
    const isWeighted = weights.some((w) => w > 0);
    for (let i = 0; i < ranks.length - 1; i++) {
      let pick = i;
      if (isWeighted) {
        let at = entropyBelow(entropy, weights.slice(i).reduce((a, b) => a + b, 0) || 1);
        while (pick < ranks.length - 1 && at >= weights[pick]!) at -= weights[pick++]!;
      } else pick = i + entropyBelow(entropy, ranks.length - i);
      [ranks[i], ranks[pick]] = [ranks[pick]!, ranks[i]!];
      [weights[i], weights[pick]] = [weights[pick]!, weights[i]!];
    }
  }

  // --- what the handshakes tell (MonAttemptObserver)

  isSeparate(connection: AuthConnection): boolean {
    return this.#commands.owns(connection);
  }

  authenticated(connection: AuthConnection, session: MonAuthSession): boolean {
    if (this.isSeparate(connection)) return true;
    const hunted = this.#hunted(connection);
    if (hunted === undefined && connection !== this.#active) return false;
    this.#auth.session = session;
    // The session's own connection failed on the last steps and was dialled again.
    if (hunted === undefined) return true;
    this.#pending.delete(hunted);
    this.#active = hunted;
    for (const other of this.#pending) other.markDown();
    this.#pending.clear();
    this.#hasHadConnection = true;
    this.#calmHunt();
    this.#debug(1, `found mon.${this.currentMon ?? '?'}`);
    // Outside the handshake: what listeners do may touch the connection.
    const { clock } = this.#o;
    clock.defer(() => {
      if (this.#active === connection) this.#sessionOpened();
    });
    return true;
  }

  #hunted(connection: AuthConnection): Connection | undefined {
    for (const candidate of this.#pending) if (candidate === connection) return candidate;
    return undefined;
  }

  failed(connection: AuthConnection, code: number, reason: string): void {
    if (this.#commands.refused(connection, code, reason)) return;
    const hunted = this.#hunted(connection);
    if (hunted !== undefined) {
      this.#pending.delete(hunted);
      hunted.markDown();
    }
    if (this.#active === connection) {
      // Authenticated before, and refused when it dialled again: start over.
      this.#o.clock.defer(() => this.#reopenSession());
      return;
    }
    if (this.#isOpened) return;
    this.#hasHadConnection = true;
    this.#calmHunt();
    this.#debug(1, `no monitor takes us: ${reason}`);
    this.#settle(this.#authWaiters, new ErrnoError(nameOfErrno(code), `authentication failed: ${reason}`));
  }

  #sessionOpened(): void {
    const connection = this.#active!;
    this.#lastRotatingRequest_ms = Number.NEGATIVE_INFINITY;
    this.#lastKeepalive_ms = this.#o.clock.monotonic();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) connection.send(message);
    this.#commands.sessionOpened();
    this.#clusterLog.rewind();
    this.#sendLog();
    this.#checkAuth();
    for (const l of this.#listeners) l.sessionOpened?.();
    this.#noteReady();
    this.#scheduleTick();
  }

  #noteReady(): void {
    if (this.#isReady) this.#settle(this.#authWaiters);
  }

  #calmHunt(): void {
    this.#huntMultiplier = Math.max(
      this.#o.config.num('mon_client_hunt_interval_min_multiple'),
      this.#huntMultiplier / this.#o.config.num('mon_client_hunt_interval_backoff'),
    );
  }

  // --- time

  #scheduleTick(): void {
    if (this.#tickTimer !== undefined) this.#o.clock.clearTimer(this.#tickTimer);
    this.#tickTimer = undefined;
    if (this.#isStopped) return;
    const delay =
      this.#active === undefined
        ? this.#ms('mon_client_hunt_interval') * this.#huntMultiplier
        : Math.min(this.#ms('mon_client_ping_interval'), this.#ms('mon_client_log_interval'));
    this.#tickTimer = this.#o.clock.setTimer(delay, () => this.#tick());
  }

  #tick(): void {
    this.#tickTimer = undefined;
    this.#commands.tick();
    if (this.#pending.size > 0) {
      this.#debug(1, 'continuing hunt');
      this.#reopenSession();
      return;
    }
    if (this.#active !== undefined && !this.#keepInTouch(this.#active)) return;
    this.#scheduleTick();
  }

  /** False where the session turned out to be dead. */
  #keepInTouch(connection: Connection): boolean {
    const now = this.#o.clock.monotonic();
    this.#checkAuth();
    if (now - this.#lastKeepalive_ms > this.#ms('mon_client_ping_interval')) {
      connection.keepalive();
      this.#lastKeepalive_ms = now;
      const timeout = this.#ms('mon_client_ping_timeout');
      if (timeout > 0 && connection.isConnected && now - connection.lastActive_ms > timeout) {
        this.#debug(1, `no keepalive for ${Math.round(now - connection.lastActive_ms)} ms, reconnecting`);
        this.#reopenSession();
        return false;
      }
      this.#calmHunt();
    }
    if (now - this.#lastLog_ms >= this.#ms('mon_client_log_interval')) {
      this.#lastLog_ms = now;
      this.#sendLog();
    }
    return true;
  }

  // --- tickets

  get #needsRotating(): boolean {
    return ROTATING_TYPES.includes(this.#o.name.type) && this.#auth.session?.method !== authMethod.NONE;
  }

  /** Secrets that were over by this wall time are to be replaced. A little behind now, so that the monitor has made new ones. */
  #rotatingCutoff_ms(): number {
    return this.#o.clock.now() - Math.min(30_000, this.#ms('auth_service_ticket_ttl') / 4);
  }

  #checkAuth(): void {
    const cephx = this.#auth.session?.cephx;
    if (cephx === undefined || this.#active === undefined) return;
    try {
      const request = cephx.renewalRequest();
      if (request !== undefined) {
        this.#debug(10, 'renewing tickets');
        this.send(MAuth.encode({ protocol: authMethod.CEPHX, payload: request }));
      }
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      this.#debug(0, `tickets cannot be renewed: ${error.message}`);
    }
    this.#checkRotating();
  }

  #checkRotating(): void {
    const cephx = this.#auth.session?.cephx;
    if (cephx === undefined || this.#active === undefined || !this.#needsRotating) return;
    if (!this.#rotating.needsNew(this.#rotatingCutoff_ms())) return;
    const now = this.#o.clock.monotonic();
    if (now - this.#lastRotatingRequest_ms < 1000) return;
    this.#lastRotatingRequest_ms = now;
    this.send(MAuth.encode({ protocol: authMethod.CEPHX, payload: cephx.rotatingRequest() }));
  }

  #handleAuthReply(message: ReceivedMessage): void {
    const cephx = this.#auth.session?.cephx;
    const reply = MAuthReply.decode(message);
    if (cephx === undefined) return;
    if (reply.result < 0) {
      this.#debug(1, `the monitor refuses to renew: ${errnoName(reply.result)}`);
      return;
    }
    try {
      const secrets = cephx.handleReply(reply.payload);
      if (secrets !== undefined) {
        this.#rotating.set(secrets);
        if (!this.#rotating.needsNew(this.#rotatingCutoff_ms())) this.#settle(this.#rotatingWaiters);
      }
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      this.#debug(0, `renewal of tickets failed: ${error.message}`);
    }
  }

  // --- messages

  send(message: MessageParts): void {
    if (this.#active !== undefined) this.#active.send(message);
    else {
      this.#waiting.push(message);
      if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    }
  }

  handleMessage(message: ReceivedMessage): unknown {
    switch (message.type) {
      case messageTypeNumber.MON_MAP:
      case messageTypeNumber.AUTH_REPLY:
      case messageTypeNumber.MON_SUBSCRIBE_ACK:
      case messageTypeNumber.MON_GET_VERSION_REPLY:
      case messageTypeNumber.MON_COMMAND_ACK:
      case messageTypeNumber.LOGACK:
      case messageTypeNumber.CONFIG:
        break;
      case messageTypeNumber.COMMAND_REPLY:
        if (message.connection.peerType !== entityType.MON) return false;
        break;
      default:
        return false;
    }
    try {
      this.#dispatch(message);
    } finally {
      message.release();
    }
    return true;
  }

  #dispatch(message: ReceivedMessage): void {
    const { connection } = message;
    if (connection.peerType !== entityType.MON) return;
    if (message.type === messageTypeNumber.COMMAND_REPLY) {
      this.#commands.handleReply(message);
      return;
    }
    if (connection !== this.#active) return;
    switch (message.type) {
      case messageTypeNumber.MON_MAP:
        this.#handleMonMap(decodeFromBytes(monMap, MMonMap.decode(message).monmap));
        break;
      case messageTypeNumber.AUTH_REPLY:
        this.#handleAuthReply(message);
        break;
      case messageTypeNumber.MON_GET_VERSION_REPLY: {
        const reply = MMonGetVersionReply.decode(message);
        const done = this.#versions.get(reply.handle);
        this.#versions.delete(reply.handle);
        done?.(0, reply.version, reply.oldestVersion);
        break;
      }
      case messageTypeNumber.MON_COMMAND_ACK:
        this.#commands.handleAck(message);
        break;
      case messageTypeNumber.LOGACK:
        this.#clusterLog.acknowledged(MLogAck.decode(message).last);
        this.#sendLog();
        break;
      case messageTypeNumber.CONFIG:
        this.#handleConfig(MConfig.decode(message).config);
        break;
    }
  }

  #handleMonMap(map: MonMap): void {
    const connection = this.#active!;
    const addr = connection.peerAddrs.msgr2;
    const wasKnown = this.#monMap.nameOfAddr(addr) !== undefined;
    if (map.epoch !== this.#monMap.epoch) this.#tried.clear();
    this.#monMap = map;
    this.#sub.got('monmap', map.epoch);
    this.#debug(10, `monmap ${map.epoch}`);
    for (const l of this.#listeners) l.monMapChanged?.(map);
    if (this.#active !== connection) return;
    if (!wasKnown || map.nameOfAddr(addr) === undefined) {
      this.#debug(10, 'the current monitor is not in the monmap');
      if (map.size > 0) this.#reopenSession();
      return;
    }
    this.#noteReady();
  }

  #handleConfig(options: ReadonlyMap<string, string>): void {
    for (const { name, reason } of this.#o.config.replaceLayer('mon', options)) {
      this.#debug(1, `option ${name} of the cluster's configuration not taken: ${reason}`);
    }
    for (const l of this.#listeners) l.configReceived?.(options);
  }

  handleReset(connection: Connection): void {
    if (connection.peerType !== entityType.MON) return;
    if (this.#commands.reset(connection)) return;
    if (connection === this.#active) {
      this.#debug(10, `session with ${connection.peerAddrs} reset`);
      this.#reopenSession();
    }
    // One that was hunted: the tick goes on with others.
  }

  // --- subscriptions

  subWant(what: string, start: number, isOnce = false): boolean {
    return this.#sub.want(what, start, isOnce ? SUBSCRIBE_ONETIME : 0);
  }

  subWantIncrement(what: string, start: number, isOnce = false): boolean {
    return this.#sub.wantIncrement(what, start, isOnce ? SUBSCRIBE_ONETIME : 0);
  }

  subGot(what: string, have: number): void {
    this.#sub.got(what, have);
  }

  subUnwant(what: string): void {
    this.#sub.unwant(what);
  }

  renewSubs(): void {
    if (!this.#sub.hasNew || this.#isStopped) return;
    if (!this.#isOpened) {
      this.#reopenSession();
      return;
    }
    this.send(MMonSubscribe.encode({ what: new Map(this.#sub.fresh), hostname: this.#o.hostname ?? '' }));
    this.#sub.renewed();
  }

  getVersion(map: string, done: (error: number, newest: number, oldest: number) => void): void {
    if (this.#isStopped) {
      done(errno.ESHUTDOWN, 0, 0);
      return;
    }
    const handle = ++this.#lastHandle;
    this.#versions.set(handle, done);
    this.send(MMonGetVersion.encode({ handle, what: map }));
  }

  // --- commands

  command(cmd: readonly string[], input: Uint8Array = NO_BYTES, timeout_ms = 0): Promise<CommandResult> {
    return this.#commands.start(cmd, input, timeout_ms, undefined);
  }

  tell(target: MonTarget, cmd: readonly string[], input: Uint8Array = NO_BYTES): Promise<CommandResult> {
    const isRank = typeof target === 'string' && /^\d+$/.test(target);
    return this.#commands.start(cmd, input, 0, isRank ? Number(target) : target);
  }

  // --- cluster log

  clusterLog(prio: number, message: string, channel = 'cluster'): void {
    const { name, clock } = this.#o;
    const { addrs, name: rank } = this.#messenger;
    this.#clusterLog.push({ name, rank, addrs, stamp: utimeFromMs(clock.now()), prio, msg: message, channel });
  }

  #sendLog(): void {
    if (this.#active === undefined || !this.#clusterLog.isPending) return;
    const message = this.#clusterLog.next(
      this.#monMap.fsid,
      this.#o.config.num('mon_client_max_log_entries_per_message'),
    );
    if (message !== undefined) this.send(message);
  }

  shutdown(): void {
    if (this.#isStopped) return;
    this.#sendLog();
    this.#isStopped = true;
    if (this.#tickTimer !== undefined) this.#o.clock.clearTimer(this.#tickTimer);
    this.#tickTimer = undefined;
    const gone = new ErrnoError('ESHUTDOWN', `${formatAuthName(this.#o.name)}: the monitor client is shut down`);
    this.#settle(this.#authWaiters, gone);
    this.#settle(this.#rotatingWaiters, gone);
    for (const [, done] of this.#versions) done(errno.ESHUTDOWN, 0, 0);
    this.#versions.clear();
    this.#commands.shutdown();
    this.#closeConnections();
    this.#waiting = [];
  }
}

function nameOfErrno(code: number): ErrnoName {
  const name = errnoName(code);
  return name in errno ? (name as ErrnoName) : 'EIO';
}
