import { type Endpoint, entropyU64, giveLarge, Queue, type TimerHandle } from '../base/index.ts';
import {
  type EntityAddr,
  type EntityAddrVec,
  type EntityName,
  formatEntityName,
  makeEntityName,
} from '../types/index.ts';
import { Accepting } from './accept.ts';
import type { Connection, PeerIdentity, Policy, WireMessage } from './api.ts';
import { Connecting } from './connect.ts';
import { limits, MESSAGE_HEADER_LENGTH, Tag, tagName } from './constants.ts';
import type { MessengerCore, PeerThrottles } from './core.ts';
import { FrameError } from './frame-error.ts';
import { InboundMessage, type ThrottleHolder } from './inbound-message.ts';
import { Link, type LinkOwner } from './link.ts';
import { messageLength, OutQueue } from './out-queue.ts';
import { type ConnectionState, checkTransition, isAccepting, isDialling } from './states.ts';
import type { ThrottleWaiter } from './throttle.ts';

/** Encoded output handed to the socket at a time. */
const BATCH_BYTES = 1024 * 1024;
/** An acknowledgement alone costs a system call on both ends; it may wait this long, or for so much, for a message to ride on. */
const ACK_DELAY_MS = 20;
const ACK_MESSAGES_MAX = 64;
const ACK_BYTES_MAX = 1024 * 1024;
/** Sequence numbers are exact doubles; no session lives to see this. */
const SEQ_MAX = 2 ** 52;

/** One side of the handshake on one link. */
export interface Handshake {
  banner(): void;
  frame(tag: number): void;
}

/** Numbers that name a lossless session and its position; they outlive sockets. */
export class SessionIds {
  /** Made by the side that dialled first; the other's proves that a reconnect means this session. 0: none. */
  clientCookie = 0n;
  serverCookie = 0n;
  /** Of this side's latest attempt. */
  globalSeq = 0;
  /** Reconnects of this session. */
  connectSeq = 0;
  /** Latest attempt of the peer. */
  peerGlobalSeq = 0;
}

/**
 * A session with one peer, over any number of sockets, one at a time. The handshake of each socket is in `connect.ts` and `accept.ts`;
 * this holds what lasts: the queues, sequence numbers, cookies, and what becomes of them when a socket fails.
 */
export class PeerConnection implements Connection, LinkOwner, ThrottleWaiter, ThrottleHolder {
  readonly core: MessengerCore;
  readonly isOutgoing: boolean;
  /** Not in the table of connections by address. */
  readonly isAnonymous: boolean;
  peerType: number;
  peerName: EntityName;
  peerAddrs: EntityAddrVec;
  peerFeatures = 0n;
  peerGlobalId = 0n;
  identity: PeerIdentity | undefined;
  session: unknown;
  policy: Policy;
  /** Where this side dials the peer. */
  targetAddr: EntityAddr;
  /** Key in the messenger's table of connections by address. */
  registeredAs: string | undefined;
  readonly ids = new SessionIds();
  link: Link | undefined;
  inSeq = 0;
  outSeq = 0;
  #state: ConnectionState;
  #handshake: Handshake | undefined;
  #throttles: PeerThrottles;
  #lastActive_ms: number;
  /** The dispatchers know of it. */
  #isAnnounced: boolean;
  #isDisposable = false;

  readonly #out = new OutQueue();
  #outBytes = 0;
  /** Sent and not acknowledged, in order; the last has number `outSeq`. Lossless only. */
  readonly #sent = new Queue<WireMessage>();
  /** Lossy only: sent, and their data's memory is to be used again once the system has taken it. */
  readonly #owned: WireMessage[] = [];
  /** To be sent again before everything else, with the numbers from `outSeq + 1` on. */
  #requeued = new Queue<WireMessage>();
  #keepaliveWanted = false;
  #keepaliveAck: Uint8Array | undefined;
  #ackMessages = 0;
  #ackBytes = 0;
  #ackTimer: TimerHandle | undefined;

  /** Bytes taken from the throttles for the frame that is being read; -1: none. */
  #admitted = -1;
  /** Bytes of messages that the dispatchers hold. */
  #held = 0;
  #waitsForHeld = false;

  #timer: TimerHandle | undefined;
  #backoff_ms = 0;
  #dial: { cancel(): void } | undefined;

  constructor(
    core: MessengerCore,
    options: {
      readonly isOutgoing: boolean;
      readonly isAnonymous: boolean;
      readonly peerType: number;
      readonly peerAddrs: EntityAddrVec;
      readonly targetAddr: EntityAddr;
    },
  ) {
    this.core = core;
    this.isOutgoing = options.isOutgoing;
    this.isAnonymous = options.isAnonymous;
    this.peerType = options.peerType;
    this.peerName = makeEntityName(options.peerType);
    this.peerAddrs = options.peerAddrs;
    this.targetAddr = options.targetAddr;
    this.policy = core.policyFor(options.peerType);
    this.#throttles = core.throttlesFor(options.peerType);
    this.#state = options.isOutgoing ? 'STANDBY' : 'BANNER_ACCEPTING';
    this.#isAnnounced = options.isOutgoing;
    this.#lastActive_ms = core.monotonic();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  set state(to: ConnectionState) {
    checkTransition(this.#state, to, () => this.describe());
    if (this.core.logger.enabled('ms', 10))
      this.core.logger.log('ms', 10, `${this.describe()} ${this.#state} -> ${to}`);
    this.#state = to;
  }

  get isConnected(): boolean {
    return this.#state === 'READY';
  }

  get isSecure(): boolean {
    return this.link?.isSecure === true;
  }

  get lastActive_ms(): number {
    return this.link === undefined ? this.#lastActive_ms : this.link.lastActive_ms;
  }

  /** For the log. */
  describe(): string {
    const where = this.peerAddrs.isEmpty ? this.targetAddr.toString() : this.peerAddrs.toString();
    return `${this.isOutgoing ? '->' : '<-'} ${formatEntityName(this.peerName)} ${where}`;
  }

  // ---- what the daemon calls

  send(message: WireMessage): void {
    const state = this.#state;
    if (state === 'CLOSED') return;
    this.#out.push(message);
    this.#outBytes += messageLength(message);
    if (state === 'READY') {
      this.core.scheduleFlush(this.link!);
      if (this.policy.lossy && this.#outBytes > this.core.options.lossyQueue_bytes_max) {
        // Later, so that the sender does not lose its connection inside its own call.
        this.core.clock.defer(() => this.fault('the peer does not read what is sent to it', true));
      }
      return;
    }
    if (state === 'STANDBY') this.#leaveStandby();
  }

  keepalive(): void {
    if (this.#state === 'CLOSED') return;
    this.#keepaliveWanted = true;
    if (this.#state === 'READY') this.core.scheduleFlush(this.link!);
    else if (this.#state === 'STANDBY') this.#leaveStandby();
  }

  markDown(): void {
    this.close();
  }

  leave(place: Uint8Array): void {
    const link = this.link;
    if (link === undefined || link.leave(place)) return;
    // Later, so that the caller does not lose its connection inside its own call.
    this.core.clock.defer(() => {
      if (this.link === link) this.fault('its message was not wanted any more where it was to go', false);
    });
  }

  markDisposable(): void {
    this.#isDisposable = true;
    this.policy = { ...this.policy, lossy: true };
    if (this.#state === 'READY') this.core.scheduleFlush(this.link!);
    else if (this.#state === 'STANDBY') this.close();
  }

  // ---- life of the socket

  /** An accepted socket: this side's half of the handshake begins. */
  accept(link: Link): void {
    this.link = link;
    this.#handshake = new Accepting(this, link);
    this.#startTimer(this.core.options.connectTimeout_ms, this.#onTimeout);
  }

  /** Opens a socket to the peer. */
  dial(): void {
    this.state = 'CONNECTING';
    this.ids.globalSeq = this.core.nextGlobalSeq();
    this.#startTimer(this.core.options.connectTimeout_ms, this.#onTimeout);
    const endpoint: Endpoint = { host: this.targetAddr.host, port: this.targetAddr.port };
    const dial = this.core.network.connect(
      endpoint,
      (socket) => {
        if (this.#dial !== dial) {
          socket.destroy();
          return;
        }
        this.#dial = undefined;
        this.state = 'BANNER_CONNECTING';
        this.link = new Link(socket, this, this.core);
        this.#handshake = new Connecting(this, this.link);
      },
      (error) => {
        if (this.#dial !== dial) return;
        this.#dial = undefined;
        if ((error as { code?: string }).code === 'ECONNREFUSED') {
          this.core.notifyRefused(this);
          if (this.#state !== 'CONNECTING') return; // the dispatcher closed it
        }
        this.fault(error.message, false);
      },
    );
    this.#dial = dial;
  }

  /** The handshake is done: messages flow. */
  ready(): void {
    this.state = 'READY';
    this.#handshake = undefined;
    this.#backoff_ms = 0;
    this.#stopTimer();
    this.#isAnnounced = true;
    this.core.scheduleFlush(this.link!);
  }

  /** Takes over the socket of an incoming connection that turned out to be this session's peer. */
  adopt(incoming: PeerConnection): Link {
    const link = incoming.link!;
    incoming.link = undefined;
    this.#dropLink();
    this.#requeueSent();
    this.link = link;
    link.owner = this;
    this.#handshake = undefined;
    this.identity = incoming.identity;
    this.peerGlobalId = incoming.peerGlobalId;
    incoming.close();
    this.state = 'SESSION_ACCEPTING';
    return link;
  }

  /** The socket failed, or the peer broke the protocol on it. Decides by the policy what becomes of the session. */
  fault(reason: string, isBad: boolean): void {
    const state = this.#state;
    if (state === 'CLOSED') return;
    const logger = this.core.logger;
    if (logger.enabled('ms', isBad ? 1 : 5)) {
      logger.log('ms', isBad ? 1 : 5, `${this.describe()} ${state}: ${reason}`);
    }
    const wasDialling = isDialling(state);
    if (this.policy.lossy && !wasDialling && state !== 'BACKOFF') {
      this.#closeWithReset();
      return;
    }
    if (isAccepting(state)) {
      this.#closeWithReset();
      return;
    }
    if (state === 'STANDBY' || state === 'BACKOFF') return;
    this.#dropLink();
    this.#requeueSent();
    const isIdle = this.#out.length === 0 && this.#requeued.length === 0 && !this.#keepaliveWanted;
    if (this.#isDisposable && isIdle) {
      this.close();
      return;
    }
    if ((this.policy.standby && isIdle && state !== 'WAIT') || this.policy.server) {
      this.state = 'STANDBY';
      return;
    }
    if (this.targetAddr.port === 0 || this.targetAddr.isBlankIp) {
      // A peer that dialled and gave no address to dial back: only it can return.
      this.state = 'STANDBY';
      return;
    }
    if (this.ids.serverCookie !== 0n) this.ids.connectSeq++;
    if (state === 'READY' && !isBad) {
      this.dial();
      return;
    }
    this.#backoff_ms =
      this.#backoff_ms === 0
        ? this.core.options.initialBackoff_ms
        : Math.min(this.#backoff_ms * 2, this.core.options.maxBackoff_ms);
    this.state = 'BACKOFF';
    this.#startTimer(this.#backoff_ms, this.#onBackoff);
  }

  /** The peer said WAIT: its own attempt is on the way. */
  waitForPeer(): void {
    this.#dropLink();
    this.state = 'WAIT';
    this.#startTimer(this.core.options.maxBackoff_ms, this.#onBackoff);
  }

  /** Ends for good. The dispatchers are not told. */
  close(): void {
    if (this.#state === 'CLOSED') return;
    this.#dropLink();
    if (this.#ackTimer !== undefined) this.core.clock.clearTimer(this.#ackTimer);
    this.#discardOut();
    this.state = 'CLOSED';
    this.core.forget(this);
  }

  /** A new connection of the same peer takes this one's place. */
  replacedByPeer(): void {
    this.#closeWithReset();
  }

  #closeWithReset(): void {
    const tell = this.#isAnnounced;
    this.close();
    if (tell) this.core.notifyReset(this);
  }

  /** Ends an attempt that cannot succeed (authentication impossible): no retry. */
  abandon(reason: string): void {
    this.core.logger.log('ms', 1, `${this.describe()} ${this.#state}: ${reason}`);
    this.#closeWithReset();
  }

  #leaveStandby(): void {
    if (this.policy.server || this.targetAddr.port === 0 || this.targetAddr.isBlankIp) return;
    if (this.ids.serverCookie !== 0n) this.ids.connectSeq++;
    this.dial();
  }

  #dropLink(): void {
    this.#stopTimer();
    const dial = this.#dial;
    this.#dial = undefined;
    dial?.cancel();
    this.#handshake = undefined;
    if (this.#admitted >= 0) {
      this.#giveThrottles(this.#admitted);
      this.#admitted = -1;
    }
    this.#throttles.bytes?.forget(this);
    this.#throttles.messages?.forget(this);
    this.#waitsForHeld = false;
    const link = this.link;
    if (link === undefined) return;
    this.link = undefined;
    // The system may hold them still.
    this.#owned.length = 0;
    this.#lastActive_ms = link.lastActive_ms;
    link.close();
  }

  #startTimer(delay_ms: number, fn: () => void): void {
    this.#stopTimer();
    this.#timer = this.core.clock.setTimer(delay_ms, fn);
  }

  #stopTimer(): void {
    if (this.#timer === undefined) return;
    this.core.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  readonly #onTimeout = (): void => {
    this.#timer = undefined;
    this.fault(`not ready after ${this.core.options.connectTimeout_ms} ms`, false);
  };

  readonly #onBackoff = (): void => {
    this.#timer = undefined;
    this.dial();
  };

  // ---- sessions (called by the handshake)

  /** Behaviour and budgets, once the peer has said what it is. */
  setPeerType(peerType: number): void {
    this.peerType = peerType;
    this.peerName = makeEntityName(peerType);
    this.policy = this.core.policyFor(peerType);
    this.#throttles = this.core.throttlesFor(peerType);
  }

  newCookie(): bigint {
    return entropyU64(this.core.entropy) || 1n;
  }

  /** The peer lost the session: everything of it goes, and the dispatchers are told. */
  resetSession(): void {
    this.#discardOut();
    this.inSeq = 0;
    this.outSeq = 0;
    this.ids.clientCookie = 0n;
    this.ids.serverCookie = 0n;
    this.ids.connectSeq = 0;
    this.ids.peerGlobalSeq = 0;
    this.#ackMessages = 0;
    this.#ackBytes = 0;
    this.core.notifyRemoteReset(this);
  }

  /** The peer has everything up to `seq`: of what waits to be sent again, that much is not. */
  discardRequeued(seq: number): void {
    if (seq > SEQ_MAX) throw new FrameError(`impossible message number ${seq}`);
    if (this.#requeued.length === 0) {
      this.outSeq = seq;
      return;
    }
    while (this.#requeued.length > 0 && this.outSeq < seq) {
      this.#requeued.shift();
      this.outSeq++;
    }
  }

  /** Waits for the peer's own attempt, or follows this side's through: either way a socket is wanted. */
  wantSocket(): void {
    this.#keepaliveWanted = true;
  }

  #requeueSent(): void {
    if (this.#sent.length === 0) return;
    this.outSeq -= this.#sent.length;
    const all = new Queue<WireMessage>();
    for (const message of this.#sent) all.push(message);
    for (const message of this.#requeued) all.push(message);
    this.#requeued = all;
    this.#sent.clear();
  }

  #discardOut(): void {
    this.#sent.clear();
    this.#requeued.clear();
    this.#out.clear();
    this.#outBytes = 0;
    this.#keepaliveAck = undefined;
  }

  // ---- output

  /** Writes what waits, as one batch. The messenger calls it once in a turn. */
  flush(link: Link): void {
    link.flushPending();
    if (this.#state !== 'READY' || link.isBackedUp) return;
    const { writer } = this.core;
    const { isRev1, sealer } = link;
    const keepSent = !this.policy.lossy;
    try {
      do {
        let message: WireMessage | undefined;
        while (writer.bytes < BATCH_BYTES) {
          message = this.#next();
          if (message === undefined) break;
          this.outSeq++;
          if (keepSent) this.#sent.push(message);
          else if (message.isDataOwned === true) this.#owned.push(message);
          writer.message(message, this.outSeq, this.inSeq, isRev1, sealer);
          this.#ackMessages = 0;
          this.#ackBytes = 0;
        }
        if (message === undefined) this.#appendControls(link);
        if (writer.bytes === 0) break;
        link.write(writer.take());
        if (link.socket.isFlushed?.() === true) {
          writer.reuse();
          this.#recycle();
        }
      } while (!link.isBackedUp);
    } catch (error) {
      writer.take();
      if (!(error instanceof FrameError)) throw error;
      this.fault(error.message, false);
      return;
    }
    if (this.#isDisposable && this.#out.length === 0 && this.#requeued.length === 0 && !link.isBackedUp) {
      link.end();
      this.close();
    }
  }

  /** What the system has taken whole is nobody's any more. */
  #recycle(): void {
    if (this.#owned.length === 0) return;
    for (const message of this.#owned) for (const part of message.data) giveLarge(part);
    this.#owned.length = 0;
  }

  #next(): WireMessage | undefined {
    if (this.#requeued.length > 0) return this.#requeued.shift();
    const message = this.#out.shift();
    if (message !== undefined) this.#outBytes -= messageLength(message);
    return message;
  }

  #appendControls(link: Link): void {
    const { writer } = this.core;
    if (this.#keepaliveWanted) {
      this.#keepaliveWanted = false;
      writer.control(Tag.KEEPALIVE2, stamp(this.core.clock.now()), link.isRev1, link.sealer);
    }
    if (this.#keepaliveAck !== undefined) {
      writer.control(Tag.KEEPALIVE2_ACK, this.#keepaliveAck, link.isRev1, link.sealer);
      this.#keepaliveAck = undefined;
    }
    if (this.#ackMessages >= ACK_MESSAGES_MAX || this.#ackBytes >= ACK_BYTES_MAX) this.#appendAck(link);
  }

  #appendAck(link: Link): void {
    this.#ackMessages = 0;
    this.#ackBytes = 0;
    const payload = new Uint8Array(8);
    const view = new DataView(payload.buffer);
    view.setUint32(0, this.inSeq >>> 0, true);
    view.setUint32(4, Math.floor(this.inSeq / 0x1_0000_0000), true);
    this.core.writer.control(Tag.ACK, payload, link.isRev1, link.sealer);
  }

  readonly #onAckTimer = (): void => {
    this.#ackTimer = undefined;
    const link = this.link;
    if (this.#ackMessages === 0 || this.#state !== 'READY' || link === undefined) return;
    // Counts as due at the next flush.
    this.#ackMessages = ACK_MESSAGES_MAX;
    this.core.scheduleFlush(link);
  };

  // ---- input

  linkBanner(): void {
    this.#handshake!.banner();
  }

  linkAdmit(link: Link, tag: number, lengths: readonly number[]): boolean {
    if (this.#state !== 'READY' || tag !== Tag.MESSAGE) {
      this.#admitControl(link, tag, lengths);
      return true;
    }
    if (lengths[0] !== MESSAGE_HEADER_LENGTH) throw new FrameError(`message header of ${lengths[0]} bytes`);
    const bytes = lengths[1]! + lengths[2]! + lengths[3]!;
    if (bytes > limits.messageBytes) throw new FrameError(`message of ${bytes} bytes`);
    if (!this.#takeThrottles(bytes)) return false;
    this.#admitted = bytes;
    return true;
  }

  #admitControl(link: Link, tag: number, lengths: readonly number[]): void {
    if (tag === Tag.MESSAGE) throw new FrameError(`MESSAGE in state ${this.#state}`);
    const length = lengths[0]!;
    if (lengths[1] !== 0) throw new FrameError(`${tagName(tag)} of several segments`);
    if (length > limits.controlBytes || link.parser.transcriptBytes + length > limits.preAuthBytes) {
      throw new FrameError(`${tagName(tag)} of ${length} bytes`);
    }
  }

  #takeThrottles(bytes: number): boolean {
    if (this.#held > 0 && this.#held + bytes > this.core.options.dispatchThrottle_bytes) {
      this.#waitsForHeld = true;
      return false;
    }
    const { bytes: shared, messages } = this.#throttles;
    if (shared !== undefined && !shared.tryTake(bytes, this)) return false;
    if (messages !== undefined && !messages.tryTake(1, this)) {
      shared?.give(bytes);
      return false;
    }
    this.#held += bytes;
    return true;
  }

  #giveThrottles(bytes: number): void {
    this.#held -= bytes;
    this.#throttles.bytes?.give(bytes);
    this.#throttles.messages?.give(1);
  }

  giveBack(bytes: number): void {
    this.#giveThrottles(bytes);
    if (this.#waitsForHeld) {
      this.#waitsForHeld = false;
      this.throttleOpened();
    }
  }

  throttleOpened(): void {
    if (this.link !== undefined) this.core.scheduleResume(this.link);
  }

  linkFrame(link: Link, tag: number): void {
    if (this.#state !== 'READY') {
      this.#handshake!.frame(tag);
      return;
    }
    switch (tag) {
      case Tag.MESSAGE:
        this.#message(link);
        break;
      case Tag.ACK:
        if (link.parser.segmentLength(0) < 8) throw new FrameError('short ACK');
        this.#acknowledged(link.parser.u64(0));
        break;
      case Tag.KEEPALIVE2:
        if (link.parser.segmentLength(0) < 8) throw new FrameError('short KEEPALIVE2');
        this.#keepaliveAck = link.parser.segment(0).slice(0, 8);
        this.core.scheduleFlush(link);
        break;
      case Tag.KEEPALIVE2_ACK:
        break; // lastActive_ms is renewed by every byte
      default:
        throw new FrameError(`${tagName(tag)} in state READY`);
    }
  }

  linkPlace(type: number, tid: number, length: number): Uint8Array | undefined {
    return this.core.placeFor(this, type, tid, length);
  }

  #message(link: Link): void {
    const parser = link.parser;
    const bytes = this.#admitted;
    this.#admitted = -1;
    const seq = parser.u64(0);
    if (seq > SEQ_MAX) {
      this.#giveThrottles(bytes);
      throw new FrameError(`impossible message number ${seq}`);
    }
    if (seq <= this.inSeq) {
      // Sent again by a peer that did not see the acknowledgement.
      this.#giveThrottles(bytes);
      return;
    }
    this.inSeq = seq;
    if (!this.policy.lossy) {
      this.#acknowledged(parser.u64(28));
      this.#ackMessages++;
      this.#ackBytes += bytes;
      if (this.#ackMessages >= ACK_MESSAGES_MAX || this.#ackBytes >= ACK_BYTES_MAX) this.core.scheduleFlush(link);
      else if (this.#ackTimer === undefined) this.#ackTimer = this.core.clock.setTimer(ACK_DELAY_MS, this.#onAckTimer);
    }
    const message = new InboundMessage(this, parser, seq, bytes, link.lastActive_ms);
    try {
      this.core.dispatch(message);
    } catch (error) {
      message.release(); // a dispatcher that threw did not keep it
      throw error;
    }
  }

  /** The peer has everything up to `seq`. */
  #acknowledged(seq: number): void {
    const sent = this.#sent;
    let first = this.outSeq - sent.length + 1;
    while (sent.length > 0 && first <= seq) {
      sent.shift();
      first++;
    }
  }

  linkAborted(_link: Link, tag: number): void {
    if (this.#admitted >= 0) {
      this.#giveThrottles(this.#admitted);
      this.#admitted = -1;
      return;
    }
    throw new FrameError(`${tagName(tag)} aborted`);
  }

  linkDrained(link: Link): void {
    if (link.socket.isFlushed?.() === true) this.#recycle();
    this.core.scheduleFlush(link);
  }

  linkFailed(_link: Link, reason: string, isBad: boolean): void {
    this.fault(reason, isBad);
  }
}

/** utime_t: u32 seconds, u32 nanoseconds. */
function stamp(now_ms: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const sec = Math.floor(now_ms / 1000);
  view.setUint32(0, sec, true);
  view.setUint32(4, Math.floor((now_ms - sec * 1000) * 1e6), true);
  return bytes;
}
