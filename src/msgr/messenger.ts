import {
  type Clock,
  type Endpoint,
  type Entropy,
  ErrnoError,
  type Listener,
  type Logger,
  type Network,
  type Socket,
  silentLogger,
  type TimerHandle,
} from '../base/index.ts';
import {
  addrType,
  CEPH_FEATURES_SUPPORTED_DEFAULT,
  EntityAddr,
  EntityAddrVec,
  type EntityName,
  formatEntityName,
} from '../types/index.ts';
import type { Connection, Dispatcher, Policy, ReceivedMessage } from './api.ts';
import type { AuthClient, AuthServer } from './auth-api.ts';
import { PeerConnection } from './connection.ts';
import { defaultOptions, type MessengerCore, type MessengerOptions, type PeerThrottles } from './core.ts';
import { FrameWriter } from './frame-writer.ts';
import { Link } from './link.ts';
import { LoopbackConnection } from './loopback.ts';
import type { PolicySet } from './policy.ts';
import { Throttle } from './throttle.ts';

/** What a messenger is made of. */
export interface MessengerConfig {
  readonly network: Network;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger?: Logger;
  /** Whom this process speaks as. May be set later ({@link Messenger.name}), before the first connection. */
  readonly name: EntityName;
  readonly policies: PolicySet;
  /** Of this side's addresses: 0 for monitors, else a number that no earlier process at the same address had (default: random). */
  readonly nonce?: number;
  /** Needed for dialling. */
  readonly authClient?: AuthClient;
  /** Needed for listening. */
  readonly authServer?: AuthServer;
  readonly featuresSupported?: bigint;
  readonly options?: Partial<MessengerOptions>;
  /** For fuzz tests: lays out frames in its own way. */
  readonly writer?: FrameWriter;
}

/** Where {@link Messenger.bind} looks for a port where none is given: ms_bind_port_min, ms_bind_port_max. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

/** Half of a connection's idle timeout is precise enough, and rarely wakes an idle process. */
const SWEEP_MS = 60_000;

/**
 * All connections of one role of a process (an OSD has several messengers: for clients, for its peers, for heartbeats). Everything runs in the caller's event loop;
 * output of a turn leaves at the turn's end.
 */
export class Messenger {
  readonly #core: Core;

  constructor(config: MessengerConfig) {
    this.#core = new Core(config);
  }

  get name(): EntityName {
    return this.#core.name;
  }

  /** A client learns its number (global id) only from the monitor; connections made after see it. */
  set name(name: EntityName) {
    this.#core.name = name;
  }

  /** This side's addresses: those bound, or for one that does not listen what its first peer sees. */
  get addrs(): EntityAddrVec {
    return this.#core.addrs;
  }

  set authClient(client: AuthClient) {
    this.#core.authClient = client;
  }

  set authServer(server: AuthServer) {
    this.#core.authServer = server;
  }

  /** Events go to all dispatchers in the order added; a message to the first that does not return false. */
  addDispatcher(dispatcher: Dispatcher): void {
    this.#core.dispatchers.push(dispatcher);
  }

  setDefaultPolicy(policy: Policy): void {
    this.#core.defaultPolicy = policy;
    this.#core.throttles.clear();
  }

  setPolicy(peerType: number, policy: Policy): void {
    this.#core.policies.set(peerType, policy);
    this.#core.throttles.delete(peerType);
  }

  /**
   * Listens on each address of type v2. Port 0 takes the first free one of `ports` (any free one without). Resolves to the addresses as peers must use them. Fails with
   * the system's error of the address it could not bind (EADDRINUSE, EADDRNOTAVAIL, EACCES); then none is bound.
   */
  bind(addrs: EntityAddrVec, ports?: PortRange): Promise<EntityAddrVec> {
    return this.#core.bind(addrs, ports);
  }

  /**
   * Leaves the bound ports for others of `ports`, under a new nonce, and ends all sessions (handleReset is not called): what an OSD does
   * that was marked down while it lives, so that nobody takes it for the one before. Fails as {@link Messenger.bind} does; nothing is bound then.
   */
  rebind(ports?: PortRange): Promise<EntityAddrVec> {
    return this.#core.rebind(ports);
  }

  /** Sets what peers are told, where it differs from what was bound (a wildcard address). */
  setAddrs(addrs: EntityAddrVec): void {
    this.#core.addrs = addrs;
  }

  /**
   * The connection to that peer: an existing one, or a new one that dials at once. It queues messages from the start. One's own address gives the loopback.
   * `anonymous`: always a new one, which nobody else gets.
   */
  connect(peerType: number, addrs: EntityAddrVec, options: { readonly anonymous?: boolean } = {}): Connection {
    return this.#core.connect(peerType, addrs, options.anonymous === true);
  }

  /** The open connection to that peer, where there is one. */
  getConnection(addrs: EntityAddrVec): Connection | undefined {
    return this.#core.lookup(addrs);
  }

  get loopback(): Connection {
    return this.#core.loopback;
  }

  /** Ends the session with that peer; handleReset is called for it. */
  markDownAddrs(addrs: EntityAddrVec): void {
    this.#core.lookup(addrs)?.replacedByPeer();
  }

  /** Ends all sessions; handleReset is not called. */
  markDownAll(): void {
    for (const connection of [...this.#core.all]) connection.close();
  }

  /** All open connections that are past their handshake or dialling. */
  *connections(): IterableIterator<Connection> {
    for (const connection of this.#core.all) if (!this.#core.halfOpen.has(connection)) yield connection;
  }

  /** Counts for the admin socket. */
  get stats(): { connections: number; halfOpen: number } {
    return { connections: this.#core.all.size, halfOpen: this.#core.halfOpen.size };
  }

  /** Stops listening and ends everything. What was queued in this turn still leaves where the socket takes it. */
  shutdown(): void {
    this.#core.shutdown();
  }
}

class Core implements MessengerCore {
  name: EntityName;
  addrs: EntityAddrVec = EntityAddrVec.empty;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  readonly logger: Logger;
  readonly options: MessengerOptions;
  readonly featuresSupported: bigint;
  authClient: AuthClient | undefined;
  authServer: AuthServer | undefined;
  readonly writer: FrameWriter;
  readonly dispatchers: Dispatcher[] = [];
  defaultPolicy: Policy;
  readonly policies: Map<number, Policy>;
  readonly throttles = new Map<number, PeerThrottles>();
  /** Every connection that is not closed. */
  readonly all = new Set<PeerConnection>();
  /** Incoming and not yet a session; oldest first. */
  readonly halfOpen = new Set<PeerConnection>();
  readonly loopback: LoopbackConnection;
  #nonce: number;
  readonly #byAddrs = new Map<string, PeerConnection>();
  readonly #listeners: Listener[] = [];
  #toFlush: Link[] = [];
  #toResume: Link[] = [];
  #isScheduled = false;
  #globalSeq: number;
  #isShutDown = false;
  #sweepTimer: TimerHandle | undefined;

  constructor(config: MessengerConfig) {
    this.name = config.name;
    this.clock = config.clock;
    this.entropy = config.entropy;
    this.network = config.network;
    this.logger = config.logger ?? silentLogger;
    this.options = { ...defaultOptions, ...config.options };
    this.featuresSupported = config.featuresSupported ?? CEPH_FEATURES_SUPPORTED_DEFAULT;
    this.authClient = config.authClient;
    this.authServer = config.authServer;
    this.writer = config.writer ?? new FrameWriter();
    this.defaultPolicy = config.policies.default;
    this.policies = new Map(config.policies.byType);
    this.#nonce = config.nonce ?? config.entropy.u32();
    // A process that comes back under the same address (a monitor) must count on from where the last one was, or peers take its attempts for old ones.
    this.#globalSeq = Math.floor(config.clock.now());
    this.loopback = new LoopbackConnection(this);
  }

  monotonic(): number {
    return this.clock.monotonic();
  }

  // ---- addresses and policies

  async rebind(ports: PortRange | undefined): Promise<EntityAddrVec> {
    const before = this.addrs.addrs;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.length = 0;
    for (const connection of [...this.all]) connection.close();
    this.#nonce = (this.#nonce + 1_000_000) >>> 0;
    const avoid = new Set(before.map((a) => a.port));
    return this.bind(new EntityAddrVec(before.map((a) => a.with({ port: 0 }))), ports, avoid);
  }

  async bind(
    addrs: EntityAddrVec,
    ports: PortRange | undefined,
    avoid: ReadonlySet<number> = new Set(),
  ): Promise<EntityAddrVec> {
    const bound: EntityAddr[] = [];
    const listeners: Listener[] = [];
    try {
      for (const addr of addrs.addrs) {
        if (addr.type === addrType.LEGACY) {
          throw new ErrnoError(
            'EOPNOTSUPP',
            `cannot listen on ${addr}: protocol v1 is not there yet; use a v2 address`,
          );
        }
        const listener = await this.#listen(addr, ports, avoid);
        listeners.push(listener);
        bound.push(addr.with({ type: addrType.MSGR2, port: listener.endpoint.port, nonce: this.#nonce }));
      }
    } catch (error) {
      for (const listener of listeners) listener.close();
      throw error;
    }
    if (this.#isShutDown) {
      for (const listener of listeners) listener.close();
      throw new ErrnoError('ESHUTDOWN', 'the messenger was shut down while it was binding');
    }
    this.#listeners.push(...listeners);
    this.addrs = new EntityAddrVec(bound);
    return this.addrs;
  }

  async #listen(addr: EntityAddr, ports: PortRange | undefined, avoid: ReadonlySet<number>): Promise<Listener> {
    const at = (port: number): Promise<Listener> => {
      const endpoint: Endpoint = { host: addr.host, port };
      return this.network.listen(endpoint, (socket) => this.#accept(socket));
    };
    if (addr.port !== 0 || ports === undefined) return at(addr.port);
    for (let port = ports.min; ; port++) {
      if (avoid.has(port) && port < ports.max) continue;
      try {
        return await at(port);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EADDRINUSE' || port >= ports.max) throw error;
      }
    }
  }

  learnAddr(seen: EntityAddr): void {
    if (seen.isBlankIp) return;
    if (this.addrs.isEmpty) {
      this.addrs = EntityAddrVec.of(seen.with({ type: addrType.ANY, port: 0, nonce: this.#nonce }));
      return;
    }
    if (!this.addrs.addrs.some((a) => a.isBlankIp && a.family === seen.family)) return;
    this.addrs = new EntityAddrVec(
      this.addrs.addrs.map((a) => (a.isBlankIp && a.family === seen.family ? a.with({ ip: seen.ip }) : a)),
    );
  }

  policyFor(peerType: number): Policy {
    return this.policies.get(peerType) ?? this.defaultPolicy;
  }

  throttlesFor(peerType: number): PeerThrottles {
    let throttles = this.throttles.get(peerType);
    if (throttles === undefined) {
      const { throttleBytes_max: bytes, throttleMessages_max: messages } = this.policyFor(peerType);
      throttles = {
        bytes: bytes === undefined ? undefined : new Throttle(bytes),
        messages: messages === undefined ? undefined : new Throttle(messages),
      };
      this.throttles.set(peerType, throttles);
    }
    return throttles;
  }

  nextGlobalSeq(after = 0): number {
    this.#globalSeq = Math.max(this.#globalSeq, after) + 1;
    return this.#globalSeq;
  }

  // ---- connections

  connect(peerType: number, addrs: EntityAddrVec, isAnonymous: boolean): Connection {
    if (!isAnonymous) {
      if (this.#isOwn(addrs)) return this.loopback;
      const existing = this.lookup(addrs);
      if (existing !== undefined) return existing;
    }
    const target = addrs.addrs.find((a) => a.type === addrType.MSGR2 || a.type === addrType.ANY);
    const connection = new PeerConnection(this, {
      isOutgoing: true,
      isAnonymous,
      peerType,
      peerAddrs: addrs,
      targetAddr: target ?? addrs.front,
    });
    if (target === undefined || target.isBlankIp || target.port === 0 || this.#isShutDown) {
      const reason = target === undefined ? 'has no v2 address, and protocol v1 is not there yet' : 'cannot be dialled';
      this.logger.log('ms', 1, `${formatEntityName(connection.peerName)} at '${addrs}' ${reason}`);
      this.clock.defer(() => connection.replacedByPeer());
      return connection;
    }
    this.all.add(connection);
    if (!isAnonymous) this.#register(connection);
    this.#startSweep();
    connection.dial();
    return connection;
  }

  #isOwn(addrs: EntityAddrVec): boolean {
    const own = this.addrs;
    return !own.isEmpty && (own.equals(addrs) || (addrs.length === 1 && own.contains(addrs.front)));
  }

  lookup(addrs: EntityAddrVec): PeerConnection | undefined {
    return this.#byAddrs.get(addrs.toString());
  }

  #accept(socket: Socket): void {
    if (this.#isShutDown) {
      socket.destroy();
      return;
    }
    if (this.halfOpen.size >= this.options.halfOpen_max) {
      const [oldest] = this.halfOpen;
      oldest?.close();
    }
    const { host, port } = socket.remote;
    const connection = new PeerConnection(this, {
      isOutgoing: false,
      isAnonymous: false,
      peerType: 0,
      peerAddrs: EntityAddrVec.empty,
      targetAddr: EntityAddr.fromHost(unmapped(host), port) ?? EntityAddr.none,
    });
    this.all.add(connection);
    this.halfOpen.add(connection);
    this.#startSweep();
    connection.accept(new Link(socket, connection, this));
  }

  registerAccepted(connection: PeerConnection): void {
    this.halfOpen.delete(connection);
    const { policy } = connection;
    if (connection.isAnonymous || (policy.server && policy.lossy && policy.registerLossyClients === false)) return;
    this.#register(connection);
  }

  forget(connection: PeerConnection): void {
    this.all.delete(connection);
    this.halfOpen.delete(connection);
    const key = connection.registeredAs;
    if (key !== undefined && this.#byAddrs.get(key) === connection) this.#byAddrs.delete(key);
  }

  #register(connection: PeerConnection): void {
    // Stays under the addresses it was dialled by, whatever the peer then calls itself.
    connection.registeredAs ??= connection.peerAddrs.toString();
    this.#byAddrs.set(connection.registeredAs, connection);
  }

  shutdown(): void {
    this.#isShutDown = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.length = 0;
    for (const connection of [...this.all]) {
      if (connection.link !== undefined) {
        connection.flush(connection.link);
        connection.link?.end();
      }
      connection.close();
    }
    if (this.#sweepTimer !== undefined) this.clock.clearTimer(this.#sweepTimer);
    this.#sweepTimer = undefined;
  }

  #startSweep(): void {
    this.#sweepTimer ??= this.clock.setTimer(SWEEP_MS, this.#sweep);
  }

  /** Ends connections on which nothing came for too long. */
  readonly #sweep = (): void => {
    this.#sweepTimer = undefined;
    const idleSince = this.clock.monotonic() - this.options.idleTimeout_ms;
    for (const connection of [...this.all]) {
      if (connection.isConnected && connection.lastActive_ms < idleSince) connection.fault('idle', false);
    }
    if (this.all.size > 0) this.#startSweep();
  };

  // ---- turns

  scheduleFlush(link: Link): void {
    if (link.isScheduled) return;
    link.isScheduled = true;
    this.#toFlush.push(link);
    this.#schedule();
  }

  scheduleResume(link: Link): void {
    this.#toResume.push(link);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.clock.defer(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isScheduled = false;
    if (this.#toResume.length > 0) {
      const links = this.#toResume;
      this.#toResume = [];
      for (const link of links) link.resume();
    }
    const links = this.#toFlush;
    if (links.length === 0) return;
    this.#toFlush = [];
    for (let i = 0; i < links.length; i++) {
      const link = links[i]!;
      link.isScheduled = false;
      if (!link.isClosed) link.owner.flush(link);
    }
  };

  // ---- dispatch

  dispatch(message: ReceivedMessage): void {
    const dispatchers = this.dispatchers;
    for (let i = 0; i < dispatchers.length; i++) if (dispatchers[i]!.handleMessage(message) !== false) return;
    if (this.logger.enabled('ms', 1)) {
      this.logger.log('ms', 1, `nobody takes message type ${message.type} from ${formatEntityName(message.source)}`);
    }
    message.release();
  }

  placeFor(connection: Connection, type: number, tid: number, length: number): Uint8Array | undefined {
    for (const dispatcher of this.dispatchers) {
      const place = dispatcher.placeFor?.(connection, type, tid, length);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  notifyConnect(connection: Connection): void {
    for (const d of this.dispatchers) d.handleConnect?.(connection);
  }

  notifyAccept(connection: Connection): void {
    for (const d of this.dispatchers) d.handleAccept?.(connection);
  }

  notifyReset(connection: Connection): void {
    for (const d of this.dispatchers) d.handleReset?.(connection);
  }

  notifyRemoteReset(connection: Connection): void {
    for (const d of this.dispatchers) d.handleRemoteReset?.(connection);
  }

  notifyRefused(connection: Connection): void {
    for (const d of this.dispatchers) d.handleRefused?.(connection);
  }
}

/** A dual-stack socket shows IPv4 peers as `::ffff:1.2.3.4`. */
function unmapped(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host;
}
