import { timingSafeEqual } from 'node:crypto';
import { invariant } from '../base/index.ts';
import { feature } from '../types/index.ts';
import { type AuthClientSession, CEPH_CON_MODE_CRC, CEPH_CON_MODE_SECURE } from './auth-api.ts';
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

/** What every peer must have for the frames themselves: they carry address vectors. */
export const FRAME_FEATURES_REQUIRED = feature.MSG_ADDR2;

/** Answers to one side's requests at most; an exchange of any method takes under ten. */
const ROUNDS_MAX = 32;

/** In which state each frame may come to the side that dialled. */
const expected: ReadonlyMap<number, readonly ConnectionState[]> = new Map<number, readonly ConnectionState[]>([
  [Tag.HELLO, ['HELLO_CONNECTING']],
  [Tag.AUTH_BAD_METHOD, ['AUTH_CONNECTING']],
  [Tag.AUTH_REPLY_MORE, ['AUTH_CONNECTING']],
  [Tag.AUTH_DONE, ['AUTH_CONNECTING']],
  [Tag.AUTH_SIGNATURE, ['AUTH_CONNECTING_SIGN']],
  [Tag.SERVER_IDENT, ['SESSION_CONNECTING']],
  [Tag.IDENT_MISSING_FEATURES, ['SESSION_CONNECTING']],
  [Tag.SESSION_RESET, ['SESSION_RECONNECTING']],
  [Tag.SESSION_RETRY, ['SESSION_RECONNECTING']],
  [Tag.SESSION_RETRY_GLOBAL, ['SESSION_RECONNECTING']],
  [Tag.SESSION_RECONNECT_OK, ['SESSION_RECONNECTING']],
  [Tag.WAIT, ['SESSION_CONNECTING', 'SESSION_RECONNECTING']],
]);

/** The handshake of the side that dialled, on one socket. */
export class Connecting implements Handshake {
  readonly #c: PeerConnection;
  readonly #link: Link;
  #auth: AuthClientSession | undefined;
  #signature: Uint8Array | undefined;
  #rounds = 0;

  constructor(connection: PeerConnection, link: Link) {
    this.#c = connection;
    this.#link = link;
  }

  banner(): void {
    const { core } = this.#c;
    this.#c.state = 'HELLO_CONNECTING';
    this.#link.send(Tag.HELLO, encodeControl(helloFrame, { entityType: core.name.type, peerAddr: this.#c.targetAddr }));
  }

  frame(tag: number): void {
    const states = expected.get(tag);
    if (states === undefined || !states.includes(this.#c.state)) {
      this.#link.reject(`${tagName(tag)} in state ${this.#c.state}`);
    }
    if (++this.#rounds > ROUNDS_MAX) this.#link.reject('handshake without end');
    const payload = this.#link.parser.segment(0);
    switch (tag) {
      case Tag.HELLO:
        this.#hello(payload);
        break;
      case Tag.AUTH_BAD_METHOD:
        this.#badMethod(payload);
        break;
      case Tag.AUTH_REPLY_MORE:
        this.#replyMore(payload);
        break;
      case Tag.AUTH_DONE:
        this.#authDone(payload);
        break;
      case Tag.AUTH_SIGNATURE:
        this.#authSignature(payload);
        break;
      case Tag.SERVER_IDENT:
        this.#serverIdent(payload);
        break;
      case Tag.IDENT_MISSING_FEATURES: {
        const { features } = decodeControl(identMissingFeaturesFrame, payload);
        this.#link.reject(`the peer requires features 0x${features.toString(16)}`);
        break;
      }
      case Tag.SESSION_RESET:
        this.#reset(decodeControl(resetFrame, payload).full);
        break;
      case Tag.SESSION_RETRY:
        this.#c.ids.connectSeq = decodeControl(retryFrame, payload).connectSeq + 1;
        this.#sendReconnect();
        break;
      case Tag.SESSION_RETRY_GLOBAL:
        this.#c.ids.globalSeq = this.#c.core.nextGlobalSeq(decodeControl(retryGlobalFrame, payload).globalSeq);
        this.#sendReconnect();
        break;
      case Tag.SESSION_RECONNECT_OK:
        this.#reconnectOk(payload);
        break;
      case Tag.WAIT:
        this.#c.waitForPeer();
        break;
    }
  }

  #hello(payload: Uint8Array): void {
    const c = this.#c;
    const hello = decodeControl(helloFrame, payload);
    if (hello.entityType !== c.peerType) {
      c.abandon(`the peer is of type ${hello.entityType}, not ${c.peerType}`);
      return;
    }
    c.core.learnAddr(hello.peerAddr);
    c.state = 'AUTH_CONNECTING';
    invariant(c.core.authClient !== undefined, 'messenger dials without an authentication client');
    this.#auth = c.core.authClient.start(c);
    this.#request();
  }

  #request(): void {
    const request = this.#auth!.request();
    if (this.#isOver()) return;
    if (request.kind === 'fail') {
      this.#c.abandon(`authentication: ${request.reason}`);
      return;
    }
    this.#link.send(
      Tag.AUTH_REQUEST,
      encodeControl(authRequestFrame, {
        method: request.method,
        preferredModes: [...request.preferredModes],
        payload: request.payload,
      }),
    );
  }

  /** The authentication client ended the connection inside its call. */
  #isOver(): boolean {
    return this.#c.link !== this.#link;
  }

  #badMethod(payload: Uint8Array): void {
    const bad = decodeControl(authBadMethodFrame, payload);
    const next = this.#auth!.badMethod(bad.method, bad.result, bad.allowedMethods, bad.allowedModes);
    if (this.#isOver()) return;
    if (next.kind === 'fail') this.#c.fault(`authentication: ${next.reason}`, true);
    else this.#request();
  }

  #replyMore(payload: Uint8Array): void {
    const more = this.#auth!.replyMore(decodeControl(authMoreFrame, payload).payload);
    if (this.#isOver()) return;
    if (more.kind === 'fail') {
      this.#c.fault(`authentication: ${more.reason}`, true);
      return;
    }
    this.#link.send(Tag.AUTH_REQUEST_MORE, encodeControl(authMoreFrame, { payload: more.payload }));
  }

  #authDone(payload: Uint8Array): void {
    const c = this.#c;
    const done = decodeControl(authDoneFrame, payload);
    const result = this.#auth!.done(done.globalId, done.connectionMode, done.payload);
    if (this.#isOver()) return;
    if (result.kind === 'fail') {
      c.fault(`authentication: ${result.reason}`, true);
      return;
    }
    const isSecure = done.connectionMode === CEPH_CON_MODE_SECURE;
    if (!isSecure && done.connectionMode !== CEPH_CON_MODE_CRC) {
      this.#link.reject(`connection mode ${done.connectionMode}`);
    }
    if (isSecure && result.connectionSecret.length < SECRET_LENGTH_MIN) {
      this.#link.reject('secure mode without a connection secret');
    }
    const signatures = this.#link.finishAuthentication(
      result.sessionKey,
      isSecure ? result.connectionSecret : undefined,
      true,
    );
    this.#signature = signatures.expected;
    c.state = 'AUTH_CONNECTING_SIGN';
    this.#link.send(Tag.AUTH_SIGNATURE, encodeControl(authSignatureFrame, { signature: signatures.own }));
  }

  #authSignature(payload: Uint8Array): void {
    const c = this.#c;
    const { signature } = decodeControl(authSignatureFrame, payload);
    if (!timingSafeEqual(signature, this.#signature!)) this.#link.reject('handshake signature mismatch');
    if (c.ids.serverCookie === 0n) {
      c.ids.connectSeq = 0;
      c.state = 'SESSION_CONNECTING';
      this.#sendIdent();
    } else {
      c.state = 'SESSION_RECONNECTING';
      this.#sendReconnect();
    }
  }

  #sendIdent(): void {
    const c = this.#c;
    const { core, ids } = c;
    if (!c.policy.lossy && ids.clientCookie === 0n) ids.clientCookie = c.newCookie();
    this.#link.send(
      Tag.CLIENT_IDENT,
      encodeControl(clientIdentFrame, {
        addrs: core.addrs,
        targetAddr: c.targetAddr,
        gid: core.name.num,
        globalSeq: ids.globalSeq,
        supportedFeatures: core.featuresSupported,
        requiredFeatures: c.policy.featuresRequired | FRAME_FEATURES_REQUIRED,
        flags: c.policy.lossy ? CONNECT_FLAG_LOSSY : 0n,
        cookie: ids.clientCookie,
      }),
    );
  }

  #sendReconnect(): void {
    const c = this.#c;
    const { ids } = c;
    this.#link.send(
      Tag.SESSION_RECONNECT,
      encodeControl(reconnectFrame, {
        addrs: c.core.addrs,
        clientCookie: ids.clientCookie,
        serverCookie: ids.serverCookie,
        globalSeq: ids.globalSeq,
        connectSeq: ids.connectSeq,
        messageSeq: c.inSeq,
      }),
    );
  }

  #serverIdent(payload: Uint8Array): void {
    const c = this.#c;
    const ident = decodeControl(serverIdentFrame, payload);
    if (!ident.addrs.contains(c.targetAddr)) {
      this.#link.reject(`the peer calls itself ${ident.addrs}, not ${c.targetAddr}`);
    }
    const missing = (c.policy.featuresRequired | FRAME_FEATURES_REQUIRED) & ~ident.supportedFeatures;
    if (missing !== 0n) this.#link.reject(`the peer lacks features 0x${missing.toString(16)}`);
    const unknown = ident.requiredFeatures & ~c.core.featuresSupported;
    if (unknown !== 0n) this.#link.reject(`the peer requires features 0x${unknown.toString(16)}`);
    c.ids.serverCookie = ident.cookie;
    c.ids.peerGlobalSeq = ident.globalSeq;
    c.peerAddrs = ident.addrs;
    c.peerName = { type: c.peerType, num: ident.gid };
    c.peerFeatures = ident.supportedFeatures & c.core.featuresSupported;
    const lossy = (ident.flags & CONNECT_FLAG_LOSSY) !== 0n;
    if (lossy !== c.policy.lossy) c.policy = { ...c.policy, lossy };
    this.#connected();
  }

  #reset(full: boolean): void {
    const c = this.#c;
    if (full) {
      c.resetSession();
      if (this.#isOver()) return;
    } else {
      c.ids.serverCookie = 0n;
      c.ids.connectSeq = 0;
      c.inSeq = 0;
    }
    c.state = 'SESSION_CONNECTING';
    this.#sendIdent();
  }

  #reconnectOk(payload: Uint8Array): void {
    this.#c.discardRequeued(decodeControl(reconnectOkFrame, payload).messageSeq);
    this.#connected();
  }

  #connected(): void {
    this.#c.ready();
    this.#c.core.notifyConnect(this.#c);
  }
}
