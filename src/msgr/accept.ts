import { timingSafeEqual } from 'node:crypto';
import { invariant } from '../base/index.ts';
import {
  addrType,
  compareEntityAddr,
  EntityAddr,
  type EntityAddrVec,
  entityType,
  entityTypeName,
  formatAuthName,
  sameAuthName,
} from '../types/index.ts';
import {
  type AuthServerReply,
  type AuthServerSession,
  CEPH_AUTH_UNKNOWN,
  CEPH_CON_MODE_CRC,
  CEPH_CON_MODE_SECURE,
} from './auth-api.ts';
import { FRAME_FEATURES_REQUIRED } from './connect.ts';
import type { Handshake, PeerConnection } from './connection.ts';
import { CONNECT_FLAG_LOSSY, Tag, tagName } from './constants.ts';
import {
  authBadMethodFrame,
  authDoneFrame,
  authMoreFrame,
  authRequestFrame,
  authSignatureFrame,
  clientIdentFrame,
  decodeControl,
  encodeControl,
  helloFrame,
  identMissingFeaturesFrame,
  reconnectFrame,
  reconnectOkFrame,
  resetFrame,
  retryFrame,
  retryGlobalFrame,
  serverIdentFrame,
} from './control-frames.ts';
import { SECRET_LENGTH_MIN } from './crypto.ts';
import type { Link } from './link.ts';
import type { ConnectionState } from './states.ts';

const ROUNDS_MAX = 32;
/** A process has one address for each protocol and family. */
const ADDRS_MAX = 16;
const NO_PAYLOAD = new Uint8Array(0);

const peerTypes: ReadonlySet<number> = new Set([
  entityType.MON,
  entityType.MDS,
  entityType.OSD,
  entityType.CLIENT,
  entityType.MGR,
]);

/** In which state each frame may come to the side that was dialled. */
const expected: ReadonlyMap<number, ConnectionState> = new Map<number, ConnectionState>([
  [Tag.HELLO, 'HELLO_ACCEPTING'],
  [Tag.AUTH_REQUEST, 'AUTH_ACCEPTING'],
  [Tag.AUTH_REQUEST_MORE, 'AUTH_ACCEPTING_MORE'],
  [Tag.AUTH_SIGNATURE, 'AUTH_ACCEPTING_SIGN'],
  [Tag.CLIENT_IDENT, 'SESSION_ACCEPTING'],
  [Tag.SESSION_RECONNECT, 'SESSION_ACCEPTING'],
]);

/** The handshake of the side that was dialled, on one socket. */
export class Accepting implements Handshake {
  readonly #c: PeerConnection;
  readonly #link: Link;
  #auth: AuthServerSession | undefined;
  #signature: Uint8Array | undefined;
  /** Of the request that is being answered, in all of its rounds: Ceph's client aborts where AUTH_BAD_METHOD names another. */
  #method: number = CEPH_AUTH_UNKNOWN;
  #rounds = 0;

  constructor(connection: PeerConnection, link: Link) {
    this.#c = connection;
    this.#link = link;
  }

  banner(): void {
    const { core } = this.#c;
    this.#c.state = 'HELLO_ACCEPTING';
    this.#link.send(Tag.HELLO, encodeControl(helloFrame, { entityType: core.name.type, peerAddr: this.#c.targetAddr }));
  }

  frame(tag: number): void {
    if (expected.get(tag) !== this.#c.state) this.#link.reject(`${tagName(tag)} in state ${this.#c.state}`);
    if (++this.#rounds > ROUNDS_MAX) this.#link.reject('handshake without end');
    const payload = this.#link.parser.segment(0);
    switch (tag) {
      case Tag.HELLO:
        this.#hello(payload);
        break;
      case Tag.AUTH_REQUEST: {
        const request = decodeControl(authRequestFrame, payload);
        this.#method = request.method;
        this.#awaitReply();
        this.#auth!.request(request.method, request.preferredModes, request.payload, this.#replyOnce());
        break;
      }
      case Tag.AUTH_REQUEST_MORE: {
        const more = decodeControl(authMoreFrame, payload);
        this.#awaitReply();
        this.#auth!.more(more.payload, this.#replyOnce());
        break;
      }
      case Tag.AUTH_SIGNATURE:
        if (!timingSafeEqual(decodeControl(authSignatureFrame, payload).signature, this.#signature!)) {
          this.#link.reject('handshake signature mismatch');
        }
        this.#c.state = 'SESSION_ACCEPTING';
        break;
      case Tag.CLIENT_IDENT:
        this.#clientIdent(payload);
        break;
      case Tag.SESSION_RECONNECT:
        this.#reconnect(payload);
        break;
    }
  }

  #hello(payload: Uint8Array): void {
    const c = this.#c;
    const hello = decodeControl(helloFrame, payload);
    if (!peerTypes.has(hello.entityType)) this.#link.reject(`the peer is of type ${hello.entityType}`);
    c.setPeerType(hello.entityType);
    c.core.learnAddr(hello.peerAddr);
    invariant(c.core.authServer !== undefined, 'messenger listens without an authentication server');
    c.state = 'AUTH_ACCEPTING';
    this.#auth = c.core.authServer.start(c);
  }

  // ---- authentication

  #awaitReply(): void {
    this.#c.state = 'AUTH_ACCEPTING_WAIT';
    this.#link.pause();
  }

  #replyOnce(): (reply: AuthServerReply) => void {
    let isDone = false;
    return (reply) => {
      invariant(!isDone, 'authentication answered twice');
      isDone = true;
      if (this.#c.link !== this.#link || this.#c.state !== 'AUTH_ACCEPTING_WAIT') return;
      this.#reply(reply);
      this.#link.resume();
    };
  }

  #reply(reply: AuthServerReply): void {
    const c = this.#c;
    switch (reply.kind) {
      case 'more':
        c.state = 'AUTH_ACCEPTING_MORE';
        this.#link.send(Tag.AUTH_REPLY_MORE, encodeControl(authMoreFrame, { payload: reply.payload }));
        return;
      case 'bad':
        c.state = 'AUTH_ACCEPTING';
        this.#link.send(
          Tag.AUTH_BAD_METHOD,
          encodeControl(authBadMethodFrame, {
            method: this.#method,
            result: -reply.errno,
            allowedMethods: [...reply.allowedMethods],
            allowedModes: [...reply.allowedModes],
          }),
        );
        return;
      case 'drop':
        c.fault(`authentication: ${reply.reason}`, true);
        return;
      case 'done':
        this.#authDone(reply);
    }
  }

  #authDone(reply: AuthServerReply & { kind: 'done' }): void {
    const c = this.#c;
    const isSecure = reply.connectionMode === CEPH_CON_MODE_SECURE;
    invariant(isSecure || reply.connectionMode === CEPH_CON_MODE_CRC, 'authentication chose no connection mode', {
      mode: reply.connectionMode,
    });
    // A daemon's place can be taken only with that kind of daemon's key. Programs of any name may call themselves clients.
    if (c.peerType !== entityType.CLIENT && reply.identity.name.type !== c.peerType) {
      c.fault(`${formatAuthName(reply.identity.name)} calls itself ${entityTypeName(c.peerType)}`, true);
      return;
    }
    if (isSecure && reply.connectionSecret.length < SECRET_LENGTH_MIN) {
      c.fault('secure mode without a connection secret', true);
      return;
    }
    c.identity = reply.identity;
    c.peerGlobalId = reply.identity.globalId;
    c.state = 'AUTH_ACCEPTING_SIGN';
    this.#link.send(
      Tag.AUTH_DONE,
      encodeControl(authDoneFrame, {
        globalId: reply.identity.globalId,
        connectionMode: reply.connectionMode,
        payload: reply.payload,
      }),
    );
    const signatures = this.#link.finishAuthentication(
      reply.sessionKey,
      isSecure ? reply.connectionSecret : undefined,
      false,
    );
    this.#signature = signatures.expected;
    this.#link.send(Tag.AUTH_SIGNATURE, encodeControl(authSignatureFrame, { signature: signatures.own }));
  }

  // ---- sessions

  #setPeerAddrs(addrs: EntityAddrVec): void {
    const c = this.#c;
    if (addrs.isEmpty || addrs.front.type === addrType.NONE) this.#link.reject('the peer has no address');
    if (addrs.length > ADDRS_MAX) this.#link.reject(`the peer has ${addrs.length} addresses`);
    const family = c.targetAddr.family;
    c.peerAddrs = addrs;
    c.targetAddr = addrs.addrs.find((a) => a.type !== addrType.LEGACY && a.family === family) ?? EntityAddr.none;
  }

  #clientIdent(payload: Uint8Array): void {
    const c = this.#c;
    const ident = decodeControl(clientIdentFrame, payload);
    this.#setPeerAddrs(ident.addrs);
    const own = c.core.addrs;
    if (!own.contains(ident.targetAddr) && !own.front.isBlankIp) {
      this.#link.reject(`the peer wants ${ident.targetAddr}, this is ${own}`);
    }
    c.peerName = { type: c.peerType, num: ident.gid };
    c.ids.clientCookie = ident.cookie;
    const missing = (c.policy.featuresRequired | FRAME_FEATURES_REQUIRED) & ~ident.supportedFeatures;
    if (missing !== 0n) {
      this.#link.send(Tag.IDENT_MISSING_FEATURES, encodeControl(identMissingFeaturesFrame, { features: missing }));
      return;
    }
    c.peerFeatures = ident.supportedFeatures & c.core.featuresSupported;
    c.ids.peerGlobalSeq = ident.globalSeq;
    const isRegistered = !(c.policy.server && c.policy.lossy && c.policy.registerLossyClients === false);
    const existing = isRegistered ? c.core.lookup(c.peerAddrs) : undefined;
    if (existing !== undefined) this.#meetExisting(existing);
    else sendServerIdent(c, this.#link);
  }

  /** A new session from an address with which there is one (or an attempt at one) already. */
  #meetExisting(existing: PeerConnection): void {
    const c = this.#c;
    if (existing.ids.peerGlobalSeq > c.ids.peerGlobalSeq) {
      // The peer has made a newer attempt since; this one was late on the way.
      c.abandon('stale attempt');
      return;
    }
    if (existing.policy.lossy || !sameIdentity(existing, c)) {
      existing.replacedByPeer();
      sendServerIdent(c, this.#link);
      return;
    }
    const { ids } = existing;
    if (ids.serverCookie !== 0n && ids.clientCookie !== 0n && ids.clientCookie !== c.ids.clientCookie) {
      // The peer began anew: it lost the session.
      if (c.policy.resetCheck) {
        existing.resetSession();
        if (existing.state === 'CLOSED') {
          sendServerIdent(c, this.#link);
          return;
        }
      }
      this.#takeOver(existing);
      return;
    }
    const isSameAttempt = ids.clientCookie === c.ids.clientCookie;
    if (isSameAttempt || existing.state === 'READY' || existing.state === 'STANDBY') {
      this.#takeOver(existing);
      return;
    }
    // Both dialled at once. The attempt of the smaller address goes on.
    if (comparePeer(c) < 0 || existing.policy.server) {
      this.#takeOver(existing);
      return;
    }
    existing.wantSocket();
    this.#link.send(Tag.WAIT, NO_PAYLOAD);
  }

  #takeOver(existing: PeerConnection): void {
    const c = this.#c;
    const { peerName, peerFeatures } = c;
    const { clientCookie, peerGlobalSeq } = c.ids;
    const link = existing.adopt(c);
    existing.peerName = peerName;
    existing.peerFeatures = peerFeatures;
    existing.ids.clientCookie = clientCookie;
    existing.ids.peerGlobalSeq = peerGlobalSeq;
    sendServerIdent(existing, link);
  }

  #reconnect(payload: Uint8Array): void {
    const c = this.#c;
    const link = this.#link;
    const request = decodeControl(reconnectFrame, payload);
    this.#setPeerAddrs(request.addrs);
    c.ids.peerGlobalSeq = request.globalSeq;
    const existing = c.core.lookup(c.peerAddrs);
    if (existing === undefined || !sameIdentity(existing, c)) {
      this.#sendReset(true);
      return;
    }
    const { ids } = existing;
    if (ids.clientCookie !== request.clientCookie) {
      // One of the two has lost the session.
      this.#sendReset(c.policy.resetCheck);
      return;
    }
    if (ids.serverCookie === 0n) {
      // This side dialled and never saw the answer that made the session: from the start, nothing is lost.
      this.#sendReset(false);
      return;
    }
    if (ids.peerGlobalSeq > request.globalSeq) {
      link.send(Tag.SESSION_RETRY_GLOBAL, encodeControl(retryGlobalFrame, { globalSeq: ids.peerGlobalSeq }));
      return;
    }
    if (ids.connectSeq > request.connectSeq) {
      link.send(Tag.SESSION_RETRY, encodeControl(retryFrame, { connectSeq: ids.connectSeq }));
      return;
    }
    if (ids.connectSeq === request.connectSeq && comparePeer(existing) > 0 && !existing.policy.server) {
      // Both reconnect at once, and this side's attempt goes on.
      existing.wantSocket();
      link.send(Tag.WAIT, NO_PAYLOAD);
      return;
    }
    const { peerGlobalSeq } = c.ids;
    const adopted = existing.adopt(c);
    existing.ids.connectSeq = request.connectSeq;
    existing.ids.peerGlobalSeq = peerGlobalSeq;
    existing.discardRequeued(request.messageSeq);
    adopted.send(Tag.SESSION_RECONNECT_OK, encodeControl(reconnectOkFrame, { messageSeq: existing.inSeq }));
    established(existing);
  }

  #sendReset(full: boolean): void {
    this.#link.send(Tag.SESSION_RESET, encodeControl(resetFrame, { full }));
  }
}

/** Order of the peer's address against this side's: both ends come to the same result. */
function comparePeer(c: PeerConnection): number {
  return compareEntityAddr(c.peerAddrs.msgr2, c.core.addrs.msgr2);
}

/**
 * A session is taken over only by whom it belongs to; an address alone proves nothing. A session that this side dialled has no identity
 * of the peer yet.
 */
function sameIdentity(existing: PeerConnection, incoming: PeerConnection): boolean {
  const before = existing.identity?.name;
  const now = incoming.identity?.name;
  return (
    existing.peerType === incoming.peerType && (before === undefined || now === undefined || sameAuthName(before, now))
  );
}

function sendServerIdent(c: PeerConnection, link: Link): void {
  const { core } = c;
  c.discardRequeued(0);
  c.inSeq = 0;
  if (!c.policy.lossy) c.ids.serverCookie = c.newCookie();
  link.send(
    Tag.SERVER_IDENT,
    encodeControl(serverIdentFrame, {
      addrs: core.addrs,
      gid: core.name.num,
      globalSeq: core.nextGlobalSeq(),
      supportedFeatures: core.featuresSupported,
      requiredFeatures: c.policy.featuresRequired | FRAME_FEATURES_REQUIRED,
      flags: c.policy.lossy ? CONNECT_FLAG_LOSSY : 0n,
      cookie: c.ids.serverCookie,
    }),
  );
  established(c);
}

function established(c: PeerConnection): void {
  c.core.registerAccepted(c);
  c.ready();
  c.core.notifyAccept(c);
}
