import {
  type Endpoint,
  entropyBelow,
  type Listener,
  type Network,
  type SeededEntropy,
  type Socket,
  type SocketHandler,
} from '../base/index.ts';
import type { SimNode, SimWorld } from './world.ts';

export interface NetworkFaults {
  /** One-way delay of a chunk: least and spread, milliseconds. */
  delayMin_ms: number;
  delaySpread_ms: number;
  /** Chance that a chunk is delivered in two parts. */
  split: number;
  /** Chance that a connection is reset instead of delivering a chunk. */
  reset: number;
}

export const calmNetwork: NetworkFaults = { delayMin_ms: 0.05, delaySpread_ms: 0.2, split: 0.05, reset: 0 };

/** Bytes a socket takes before `write` says that it is backed up. */
const WINDOW = 1024 * 1024;
/** How often a connection attempt that is not answered is repeated, and for how long; Linux gives up after about two minutes. */
const CONNECT_RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 127_000;

const endpointKey = (e: Endpoint): string => `${e.host}:${e.port}`;

/** All the wires of a simulation. */
export class SimNetwork {
  readonly #world: SimWorld;
  readonly #entropy: SeededEntropy;
  readonly faults: NetworkFaults;
  readonly #listeners = new Map<string, { node: SimNode; life: number; onSocket: (socket: Socket) => void }>();
  readonly #sockets = new Set<SimSocket>();
  /** Pairs of hosts that cannot reach one another: `a|b`, both ways. */
  readonly #cut = new Set<string>();
  /** Hosts without power. */
  readonly #dark = new Set<string>();
  #nextPort = 40000;

  constructor(world: SimWorld, faults: NetworkFaults = calmNetwork) {
    this.#world = world;
    this.#entropy = world.entropy.fork();
    this.faults = { ...faults };
  }

  /** The network as a node sees it. */
  of(node: SimNode): Network {
    return {
      listen: (at, onSocket) => {
        const bound = { host: at.host, port: at.port === 0 ? this.#nextPort++ : at.port };
        const key = endpointKey(bound);
        const taken = this.#listeners.get(key);
        if (taken?.node.alive && taken.node.life === taken.life) {
          return Promise.reject(Object.assign(new Error(`listen EADDRINUSE ${key}`), { code: 'EADDRINUSE' }));
        }
        const entry = { node, life: node.life, onSocket };
        this.#listeners.set(key, entry);
        const listener: Listener = {
          endpoint: bound,
          close: () => {
            if (this.#listeners.get(key) === entry) this.#listeners.delete(key);
          },
        };
        return Promise.resolve(listener);
      },
      connect: (to, onConnected, onFailed) => {
        let cancelled = false;
        const started_ms = this.#world.now_ms;
        const attempt = (): void => {
          if (cancelled) return;
          if (this.isCut(node.host, to.host) || this.#dark.has(to.host)) {
            if (this.#world.now_ms - started_ms < CONNECT_TIMEOUT_MS) {
              this.#world.schedule(CONNECT_RETRY_MS, attempt, node);
              return;
            }
            onFailed(Object.assign(new Error(`connect ETIMEDOUT ${endpointKey(to)}`), { code: 'ETIMEDOUT' }));
            return;
          }
          const target = this.#listeners.get(endpointKey(to));
          if (target === undefined || !target.node.alive || target.node.life !== target.life) {
            onFailed(Object.assign(new Error(`connect ECONNREFUSED ${endpointKey(to)}`), { code: 'ECONNREFUSED' }));
            return;
          }
          const from = { host: node.host, port: this.#nextPort++ };
          const near = new SimSocket(this, this.#world, node, from, to);
          const far = new SimSocket(this, this.#world, target.node, to, from);
          near.peer = far;
          far.peer = near;
          this.#sockets.add(near);
          this.#sockets.add(far);
          // Each end learns of it in an event of its own node.
          this.#world.schedule(0, () => target.onSocket(far), target.node);
          onConnected(near);
        };
        this.#world.schedule(this.delay(), attempt, node);
        return {
          cancel: () => {
            cancelled = true;
          },
        };
      },
    };
  }

  delay(): number {
    return this.faults.delayMin_ms + this.#entropy.float() * this.faults.delaySpread_ms;
  }

  chance(p: number): boolean {
    // The draw is made even for 0, so that turning a fault on leaves other draws where they were.
    return this.#entropy.float() < p;
  }

  below(n: number): number {
    return entropyBelow(this.#entropy, n);
  }

  isCut(a: string, b: string): boolean {
    return this.#cut.has(a < b ? `${a}|${b}` : `${b}|${a}`);
  }

  /**
   * Cuts or mends the wire between two hosts. Nobody is told: what is sent meanwhile is sent again by the systems and arrives once the wire is mended, if its
   * connection is still there.
   */
  setCut(a: string, b: string, cut: boolean): void {
    const key = a < b ? `${a}|${b}` : `${b}|${a}`;
    if (cut) this.#cut.add(key);
    else {
      this.#cut.delete(key);
      this.#resend();
    }
  }

  /** Whether anything sent from one host to another arrives now. */
  isReachable(from: string, to: string): boolean {
    return !this.isCut(from, to) && !this.#dark.has(to);
  }

  /** A node stopped. Its system tells the other ends of its connections; or it went dark with the node, and they hear nothing at all. */
  nodeCrashed(node: SimNode, isDark: boolean): void {
    if (isDark) this.#dark.add(node.host);
    for (const socket of [...this.#sockets]) if (socket.node === node) socket.vanish();
  }

  /** The node's system is there again, and knows nothing of earlier connections. */
  nodeStarted(node: SimNode): void {
    if (this.#dark.delete(node.host)) this.#resend();
  }

  #resend(): void {
    for (const socket of [...this.#sockets]) socket.resend();
  }

  forget(socket: SimSocket): void {
    this.#sockets.delete(socket);
  }
}

class SimSocket implements Socket {
  #handler: SocketHandler | undefined;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly node: SimNode;
  readonly #life: number;
  readonly #network: SimNetwork;
  readonly #world: SimWorld;
  peer: SimSocket | undefined;
  #open = true;
  #paused = false;
  #held: Uint8Array[] = [];
  #ended = false;
  /** Sent while the other host could not be reached. */
  #unanswered: Uint8Array[] = [];
  pendingBytes = 0;
  #backedUp = false;
  /** No chunk overtakes another: the time the last one arrives. */
  #lastArrival_ms = 0;

  constructor(network: SimNetwork, world: SimWorld, node: SimNode, local: Endpoint, remote: Endpoint) {
    this.#network = network;
    this.#world = world;
    this.node = node;
    this.#life = node.life;
    this.local = local;
    this.remote = remote;
  }

  get handler(): SocketHandler | undefined {
    return this.#handler;
  }

  /** What came before there was an owner is delivered to it afterwards. */
  set handler(handler: SocketHandler | undefined) {
    this.#handler = handler;
    if (handler !== undefined && this.#held.length > 0) this.#world.schedule(0, () => this.#flushHeld(), this.node);
  }

  get lives(): boolean {
    return this.#open && this.node.alive && this.node.life === this.#life;
  }

  /** What was written has been copied, as a system does that has room. */
  isFlushed(): boolean {
    return true;
  }

  write(buffers: readonly Uint8Array[]): boolean {
    if (!this.#open || this.#ended) return true;
    let length = 0;
    for (const b of buffers) length += b.length;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const b of buffers) {
      whole.set(b, at);
      at += b.length;
    }
    this.pendingBytes += length;
    const cut =
      length > 1 && this.#network.chance(this.#network.faults.split) ? 1 + this.#network.below(length - 1) : length;
    this.#transmit(whole.subarray(0, cut));
    if (cut < length) this.#transmit(whole.subarray(cut));
    if (this.pendingBytes > WINDOW) this.#backedUp = true;
    return !this.#backedUp;
  }

  #arrival(): number {
    this.#lastArrival_ms = Math.max(this.#lastArrival_ms, this.#world.now_ms + this.#network.delay());
    return this.#lastArrival_ms - this.#world.now_ms;
  }

  #transmit(chunk: Uint8Array): void {
    const { peer } = this;
    if (peer === undefined) return;
    this.#world.schedule(this.#arrival(), () => this.#arrive(peer, chunk));
  }

  #arrive(peer: SimSocket, chunk: Uint8Array): void {
    if (!this.#open) return;
    if (this.#unanswered.length > 0 || !this.#network.isReachable(this.local.host, this.remote.host)) {
      this.#unanswered.push(chunk);
      return;
    }
    this.pendingBytes -= chunk.length;
    if (this.#backedUp && this.pendingBytes < WINDOW / 2 && this.lives) {
      this.#backedUp = false;
      this.#world.schedule(0, () => this.handler?.drain(), this.node);
    }
    if (!peer.lives) {
      // The other system knows of no such connection.
      this.#drop(new Error('read ECONNRESET'));
      return;
    }
    if (this.#network.chance(this.#network.faults.reset)) {
      this.#world.trace(`${this.node.name} -> ${peer.node.name} reset`);
      peer.#drop(new Error('read ECONNRESET'));
      this.#drop(new Error('read ECONNRESET'));
      return;
    }
    this.#world.trace(`${this.node.name} -> ${peer.node.name} ${chunk.length}`);
    peer.#receive(chunk);
  }

  /** Tries again what was not answered, in its order. */
  resend(): void {
    const { peer } = this;
    if (this.#unanswered.length === 0 || peer === undefined) return;
    if (!this.#network.isReachable(this.local.host, this.remote.host)) return;
    const chunks = this.#unanswered;
    this.#unanswered = [];
    for (const chunk of chunks) this.#world.schedule(this.#arrival(), () => this.#arrive(peer, chunk));
  }

  #receive(chunk: Uint8Array): void {
    this.#held.push(chunk);
    this.#flushHeld();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#world.schedule(0, () => this.#flushHeld(), this.node);
  }

  #flushHeld(): void {
    while (!this.#paused && this.#held.length > 0 && this.handler !== undefined) this.handler.data(this.#held.shift()!);
  }

  destroy(): void {
    if (!this.#open) return;
    this.handler = undefined;
    this.#close();
  }

  end(): void {
    if (!this.#open || this.#ended) return;
    this.#ended = true;
    const { peer } = this;
    this.#world.schedule(this.#arrival(), () => {
      if (peer?.lives === true && this.#network.isReachable(this.local.host, this.remote.host)) peer.#drop(undefined);
      this.#drop(undefined);
    });
  }

  /** The node is gone; its kernel, or the lack of one, tells the peer. */
  vanish(): void {
    this.handler = undefined;
    this.#close();
  }

  #close(): void {
    this.#open = false;
    this.#network.forget(this);
    const { peer } = this;
    if (peer === undefined) return;
    this.#world.schedule(this.#network.delay(), () => {
      // Where this end cannot be heard, the other stays open until it sends something.
      if (
        peer.lives &&
        this.#network.isReachable(this.remote.host, this.local.host) &&
        this.#network.isReachable(this.local.host, this.remote.host)
      ) {
        peer.#drop(new Error('read ECONNRESET'));
      }
    });
  }

  /** Ends this end and tells its owner, in an event of its own. */
  #drop(error: Error | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#network.forget(this);
    const { handler } = this;
    this.handler = undefined;
    if (handler !== undefined) this.#world.schedule(0, () => handler.closed(error), this.node);
  }
}
