import { type Clock, type Entropy, entropyU64, errno } from '../../base/index.ts';
import { blob, encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import { type AuthName, entityType, formatAuthName } from '../../types/index.ts';
import { type CryptoKey, keyUsage } from '../crypto.ts';
import { AuthError } from '../error.ts';
import type { KeyRing } from '../keyring.ts';
import { type RotatingSecrets, rotatingSecrets } from '../records.ts';
import {
  authenticate,
  CEPHX_GET_AUTH_SESSION_KEY,
  CEPHX_GET_PRINCIPAL_SESSION_KEY,
  CEPHX_GET_ROTATING_KEY,
  challengeProof,
  readSealed,
  requestHeader,
  responseHeader,
  serverChallenge,
  serviceTicketRequest,
} from './protocol.ts';
import { TicketManager } from './tickets.ts';

/** What the handshake gave. */
export interface CephxSession {
  readonly sessionKey: CryptoKey;
  readonly connectionSecret: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/**
 * A client's dealings with the monitors: who it is, its tickets, and their renewal. Outlives connections; the exchange of one
 * connection starts with {@link restart}.
 */
export class CephxClientHandler {
  readonly #name: AuthName;
  readonly #keyring: KeyRing;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly tickets: TicketManager;
  /** Mask of the services to have tickets for; always with AUTH. */
  want: number;
  #serverChallenge: bigint | undefined;

  constructor(name: AuthName, keyring: KeyRing, want: number, clock: Clock, entropy: Entropy) {
    this.#name = name;
    this.#keyring = keyring;
    this.#clock = clock;
    this.#entropy = entropy;
    this.tickets = new TicketManager(entropy);
    this.want = want | entityType.AUTH;
  }

  get globalId(): bigint {
    return this.tickets.globalId;
  }

  set globalId(id: bigint) {
    this.tickets.globalId = id;
  }

  #secret(): CryptoKey {
    const key = this.#keyring.key(this.#name);
    if (key === undefined || key.isEmpty) {
      throw new AuthError(errno.ENOENT, `no key for ${formatAuthName(this.#name)} in the keyring`);
    }
    return key;
  }

  /** A connection attempt begins: the next bytes from the monitor are its challenge. */
  restart(): void {
    this.#serverChallenge = undefined;
  }

  /** Answers the monitor's challenge with a proof and a request for tickets. AuthError without key, or for bytes that are no challenge. */
  answerChallenge(payload: Uint8Array): Uint8Array {
    if (this.#serverChallenge !== undefined) throw new AuthError(errno.EPERM, 'a second challenge');
    const r = new Reader(payload);
    this.#serverChallenge = serverChallenge.decode(r).serverChallenge;
    this.tickets.invalidate(entityType.AUTH);
    return this.#sessionRequest(this.#serverChallenge);
  }

  #sessionRequest(challenge: bigint): Uint8Array {
    const clientChallenge = entropyU64(this.#entropy);
    const w = new Writer(256);
    requestHeader.encode(w, { requestType: CEPHX_GET_AUTH_SESSION_KEY });
    authenticate.encode(w, {
      clientChallenge,
      key: challengeProof(this.#secret(), challenge, clientChallenge),
      oldTicket: this.tickets.ticket(entityType.AUTH),
      otherKeys: this.#need(),
      mayOmitOldTicket: false,
    });
    return w.bytes();
  }

  /** Takes AUTH_DONE's payload: tickets, the session key and, in secure mode, the connection secret. */
  finish(payload: Uint8Array): CephxSession {
    const r = new Reader(payload);
    const header = responseHeader.decode(r);
    if (header.requestType !== CEPHX_GET_AUTH_SESSION_KEY) {
      throw new AuthError(errno.EPERM, `reply to request ${header.requestType}`);
    }
    if (header.status !== 0) throw new AuthError(Math.abs(header.status), 'the monitor refuses');
    const now_ms = this.#clock.now();
    this.tickets.receive(r, this.#secret(), now_ms);
    const sessionKey = this.tickets.sessionKey(entityType.AUTH);
    if (sessionKey === undefined) throw new AuthError(errno.EACCES, 'no ticket of the monitor in the reply');
    let connectionSecret: Uint8Array = NO_BYTES;
    if (r.remaining > 0) {
      const sealedSecret = r.blob();
      const extra = r.blob();
      if (sealedSecret.length > 0) {
        connectionSecret = readSealed(new Reader(sealedSecret), sessionKey, blob, keyUsage.CONNECTION_SECRET).slice();
      }
      if (extra.length > 0) this.tickets.receive(new Reader(extra), sessionKey, now_ms);
    }
    return { sessionKey, connectionSecret };
  }

  #need(): number {
    return this.tickets.needed(this.want, this.#clock.now());
  }

  /** Services to ask tickets for now. The mgr's alone is not worth asking: a cluster may have no mgr keys yet. */
  neededTickets(): number {
    const need = this.#need();
    return need === entityType.MGR ? 0 : need;
  }

  /**
   * Request for the tickets that want renewal, for an MAuth message on an authenticated connection; undefined where none
   * does. The session's own ticket is renewed with the challenge of the handshake, as the monitor keeps it too.
   */
  renewalRequest(): Uint8Array | undefined {
    const need = this.neededTickets();
    if (need === 0) return undefined;
    if ((need & entityType.AUTH) !== 0) {
      return this.#serverChallenge === undefined ? undefined : this.#sessionRequest(this.#serverChallenge);
    }
    const w = new Writer(256);
    requestHeader.encode(w, { requestType: CEPHX_GET_PRINCIPAL_SESSION_KEY });
    w.raw(this.tickets.authorizer(entityType.AUTH).bytes());
    serviceTicketRequest.encode(w, { keys: need });
    return w.bytes();
  }

  /** Request for the rotating secrets of this daemon's kind. */
  rotatingRequest(): Uint8Array {
    return encodeToBytes(requestHeader, { requestType: CEPHX_GET_ROTATING_KEY });
  }

  /** Takes the payload of an MAuthReply to one of those requests. Gives rotating secrets where it held them. */
  handleReply(payload: Uint8Array): RotatingSecrets | undefined {
    const r = new Reader(payload);
    const header = responseHeader.decode(r);
    if (header.status !== 0) throw new AuthError(Math.abs(header.status), 'the monitor refuses');
    switch (header.requestType) {
      case CEPHX_GET_AUTH_SESSION_KEY:
        this.finish(payload);
        return undefined;
      case CEPHX_GET_PRINCIPAL_SESSION_KEY: {
        const key = this.tickets.sessionKey(entityType.AUTH);
        if (key === undefined) throw new AuthError(errno.EACCES, 'tickets without a session');
        this.tickets.receive(r, key, this.#clock.now());
        return undefined;
      }
      case CEPHX_GET_ROTATING_KEY:
        return readSealed(r, this.#secret(), rotatingSecrets, keyUsage.ROTATING_SECRET);
      default:
        throw new AuthError(errno.EPERM, `reply to request ${header.requestType}`);
    }
  }
}
