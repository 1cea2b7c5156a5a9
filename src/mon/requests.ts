import { MonCap } from '../auth/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { MForward, MRoute, messageTypeNumber as type } from '../messages/index.ts';
import type { Connection, PeerIdentity, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import type { EntityAddrVec, EntityName } from '../types/index.ts';
import { Session } from './session.ts';

/** Requests that wait for an answer or for a quorum, at most; more are passed over, and their senders ask again. */
const REQUESTS_MAX = 20_000;
/** How long a request that may never be answered is kept to be sent again, and one that was answered for further answers. */
const KEEP_MS = 60_000;

/** Messages that change the cluster: the leader's to handle. */
const changing: ReadonlySet<number> = new Set([
  type.LOG,
  type.MGR_BEACON,
  type.MON_MGR_REPORT,
  type.POOLOP,
  type.OSD_BOOT,
  type.OSD_ALIVE,
  type.OSD_PGTEMP,
  type.OSD_FAILURE,
  type.OSD_MARK_ME_DOWN,
  type.OSD_MARK_ME_DEAD,
  type.OSD_FULL,
  type.OSD_BEACON,
  type.OSD_PG_CREATED,
  type.REMOVE_SNAPS,
]);

/** Messages whose sender always hears of them, sooner or later. */
const answered: ReadonlySet<number> = new Set([type.MON_COMMAND, type.POOLOP, type.LOG, type.REMOVE_SNAPS]);

export function changesCluster(messageType: number): boolean {
  return changing.has(messageType);
}

interface Request {
  readonly tid: number;
  readonly session: Session;
  readonly message: ReceivedMessage;
  readonly since_ms: number;
  isAnswered: boolean;
}

export interface RequestsOwner {
  readonly clock: Clock;
  readonly logger: Logger;
  /** True while this monitor leads and its state is recovered. */
  readonly isActiveLeader: boolean;
  /** The leader to forward to; -1 for none, or this one. */
  readonly forwardTo: number;
  sendTo(rank: number, message: WireMessage): void;
  /** Handles a message as the leader. */
  handle(message: ReceivedMessage, session: Session): void;
  /** Sends OSD maps from an epoch on. */
  sendOsdMaps(session: Session, from: number): void;
}

/** What a handler sees of the connection of one request: its answers are noted on their way. */
abstract class AnswerConnection implements Connection {
  abstract readonly peerType: number;
  abstract readonly peerName: EntityName;
  abstract readonly peerAddrs: EntityAddrVec;
  abstract readonly peerFeatures: bigint;
  abstract readonly peerGlobalId: bigint;
  abstract readonly isConnected: boolean;
  abstract readonly isSecure: boolean;
  abstract readonly lastActive_ms: number;
  readonly identity: PeerIdentity | undefined = undefined;
  readonly isOutgoing = false;
  session: unknown;
  abstract send(message: WireMessage): void;
  abstract sendOsdMaps(from: number): void;
  keepalive(): void {}
  markDown(): void {}
  markDisposable(): void {}
}

/** Of a client of this monitor. */
class LocalAnswer extends AnswerConnection {
  readonly #request: Request;
  readonly #owner: RequestsOwner;

  constructor(request: Request, owner: RequestsOwner) {
    super();
    this.#request = request;
    this.#owner = owner;
  }

  get #real(): Connection {
    return this.#request.session.connection;
  }

  get peerType(): number {
    return this.#real.peerType;
  }

  get peerName(): EntityName {
    return this.#real.peerName;
  }

  get peerAddrs(): EntityAddrVec {
    return this.#real.peerAddrs;
  }

  get peerFeatures(): bigint {
    return this.#real.peerFeatures;
  }

  get peerGlobalId(): bigint {
    return this.#real.peerGlobalId;
  }

  get isConnected(): boolean {
    return this.#real.isConnected;
  }

  get isSecure(): boolean {
    return this.#real.isSecure;
  }

  get lastActive_ms(): number {
    return this.#real.lastActive_ms;
  }

  send(message: WireMessage): void {
    this.#request.isAnswered = true;
    this.#real.send(message);
  }

  sendOsdMaps(from: number): void {
    this.#request.isAnswered = true;
    this.#owner.sendOsdMaps(this.#request.session, from);
  }
}

/** Of a client of another monitor, which forwarded the request and passes the answer on. */
class RoutedAnswer extends AnswerConnection {
  readonly #tid: number;
  readonly #via: Connection;
  readonly peerType: number;
  readonly peerName: EntityName;
  readonly peerAddrs: EntityAddrVec;
  readonly peerFeatures: bigint;
  readonly peerGlobalId = 0n;
  readonly isConnected = true;
  readonly lastActive_ms = 0;
  hasAnswered = false;

  constructor(m: ReturnType<typeof MForward.decode>, via: Connection) {
    super();
    this.#tid = m.tid;
    this.#via = via;
    this.peerType = m.clientType;
    this.peerName = m.message.source;
    this.peerAddrs = m.clientAddrs;
    this.peerFeatures = m.features;
  }

  get isSecure(): boolean {
    return this.#via.isSecure;
  }

  send(message: WireMessage): void {
    this.hasAnswered = true;
    const parts = { ...message, data: [...message.data] };
    this.#via.send(MRoute.encode({ tid: this.#tid, message: { parts, source: { type: 1, num: 0 }, seq: 0 } }));
  }

  sendOsdMaps(from: number): void {
    this.hasAnswered = true;
    this.#via.send(MRoute.encode({ tid: this.#tid, message: undefined, sendOsdmapFirst: Math.max(1, from) }));
  }

  /** Nothing will come. */
  sendNothing(): void {
    this.#via.send(MRoute.encode({ tid: this.#tid, message: undefined }));
  }
}

/**
 * Requests of this monitor's clients that only the leader can handle. A peon forwards them; whoever stops leading, or loses its leader, keeps them and hands them
 * to the next one, so that a client that stays connected never has to ask twice. (A change that was committed just before may then be asked for
 * again: handlers answer repeated requests as done.)
 */
export class Requests {
  readonly #owner: RequestsOwner;
  readonly #requests = new Map<number, Request>();
  #lastTid = 0;
  /** Forwarded ones that came before this leader was ready. */
  #early: (() => void)[] = [];

  constructor(owner: RequestsOwner) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Takes a request that changes the cluster. */
  take(message: ReceivedMessage, session: Session): void {
    if (this.#requests.size >= REQUESTS_MAX) {
      this.#owner.logger.log('mon', 1, `too many requests wait: one of ${session.addrs} is passed over`);
      return;
    }
    const tid = ++this.#lastTid;
    const since_ms = this.#owner.clock.monotonic();
    const request: Request = { tid, session, message, since_ms, isAnswered: false };
    this.#requests.set(tid, request);
    this.#send(request);
  }

  #send(request: Request): void {
    const { isActiveLeader, forwardTo } = this.#owner;
    const { message, session } = request;
    if (isActiveLeader) {
      const { entity, globalId, caps, started_ms } = session;
      const answer = new LocalAnswer(request, this.#owner);
      const own = new Session(answer, entity, globalId, caps, started_ms);
      own.hostname = session.hostname;
      this.#owner.handle(message, own);
    } else if (forwardTo >= 0) {
      const { priority, version, compatVersion, front, middle, data, dataOffset } = message;
      this.#owner.sendTo(
        forwardTo,
        MForward.encode(
          {
            tid: request.tid,
            clientType: session.connection.peerType,
            clientAddrs: session.addrs,
            clientSocketAddr: session.addrs.front,
            clientCaps: { text: session.caps.toString() },
            message: {
              parts: {
                type: message.type,
                tid: message.tid,
                priority,
                version,
                compatVersion,
                front,
                middle,
                data,
                dataOffset,
              },
              source: message.source,
              seq: message.seq,
            },
            features: session.features,
            entityName: session.entity,
          },
          { priority },
        ),
      );
    }
  }

  /** There is a leader (again): it gets everything that is not answered. */
  sendAll(): void {
    for (const request of [...this.#requests.values()]) {
      if (!request.isAnswered && this.#requests.has(request.tid)) this.#send(request);
    }
    const early = this.#early;
    this.#early = [];
    for (const run of early) run();
  }

  /** The quorum is over: who forwarded something forwards it again. */
  left(): void {
    this.#early = [];
  }

  /** MForward, of a peon. @throws DecodeError */
  handleForward(message: ReceivedMessage): void {
    const m = MForward.decode(message);
    const via = message.connection;
    const run = (): void => {
      const answer = new RoutedAnswer(m, via);
      const session = new Session(answer, m.entityName, 0n, readCaps(m.clientCaps.text), this.#owner.clock.now());
      const { parts, source, seq } = m.message;
      const received_ms = this.#owner.clock.monotonic();
      const inner = { ...parts, connection: answer, source, seq, received_ms, release() {}, recycleData() {} };
      this.#owner.handle(inner, session);
      if (!answer.hasAnswered && !answered.has(parts.type) && isSilent(parts.type)) answer.sendNothing();
    };
    if (this.#owner.isActiveLeader) run();
    else if (this.#early.length < REQUESTS_MAX) this.#early.push(run);
  }

  /** MRoute, of the leader. @throws DecodeError */
  handleRoute(message: ReceivedMessage): void {
    const { tid, message: inner, sendOsdmapFirst } = MRoute.decode(message);
    const request = this.#requests.get(tid);
    if (request === undefined) return;
    request.isAnswered = true;
    if (inner !== undefined) request.session.connection.send(inner.parts);
    if (sendOsdmapFirst > 0) this.#owner.sendOsdMaps(request.session, sendOsdmapFirst);
    if (inner === undefined && sendOsdmapFirst === 0) this.#requests.delete(tid);
  }

  /** The client is gone. */
  drop(session: Session): void {
    for (const [tid, request] of this.#requests) if (request.session === session) this.#requests.delete(tid);
  }

  /** Every mon_tick_interval. */
  tick(): void {
    const now_ms = this.#owner.clock.monotonic();
    for (const [tid, request] of this.#requests) {
      if (now_ms - request.since_ms < KEEP_MS) continue;
      if (request.isAnswered || !answered.has(request.message.type)) this.#requests.delete(tid);
    }
  }

  stop(): void {
    this.#requests.clear();
    this.#early = [];
  }
}

/** Messages that get no answer unless at once. */
function isSilent(messageType: number): boolean {
  return (
    messageType === type.OSD_BEACON ||
    messageType === type.MGR_BEACON ||
    messageType === type.MON_MGR_REPORT ||
    messageType === type.OSD_PG_CREATED
  );
}

/** Caps that do not parse allow nothing. */
function readCaps(text: string): MonCap {
  try {
    return MonCap.parse(text);
  } catch {
    return MonCap.none;
  }
}

/** Sends OSD maps by the way that a request's answer takes; false for an ordinary connection. */
export function sendOsdMapsBy(connection: Connection, from: number): boolean {
  if (!(connection instanceof AnswerConnection)) return false;
  connection.sendOsdMaps(from);
  return true;
}
