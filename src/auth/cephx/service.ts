import { type Entropy, errno } from '../../base/index.ts';
import { blob, encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import { type AuthName, entityType, formatAuthName, utimeFromSeconds } from '../../types/index.ts';
import { CryptoKey, keyUsage } from '../crypto.ts';
import { AuthError, authFailure } from '../error.ts';
import type { KeyServer } from '../key-server.ts';
import { encodeCaps, makeTicket } from '../records.ts';
import { openTicket, readAuthorizer } from './authorizer.ts';
import {
  type Authenticate,
  authenticate,
  CEPHX_GET_AUTH_SESSION_KEY,
  CEPHX_GET_PRINCIPAL_SESSION_KEY,
  CEPHX_GET_ROTATING_KEY,
  challengeProof,
  makeChallenge,
  requestHeader,
  responseHeader,
  type SessionAuthInfo,
  serverChallenge,
  serviceTicketRequest,
  writeSealed,
  writeTickets,
} from './protocol.ts';

/**
 * How a client came to its global id:
 *
 *     newPending ----> newOk            a fresh id, proven with the entity's key
 *     reclaimPending -> reclaimOk       an id it had, proven with the key and the old ticket
 *     newOk, reclaimOk -> reclaimOk     the ticket renewed on the same connection
 */
export type GlobalIdStatus = 'newPending' | 'newOk' | 'reclaimPending' | 'reclaimOk';

/** Result of one request. */
export interface ServiceReply {
  /** 0, or a negative errno. */
  readonly result: number;
  readonly payload: Uint8Array;
  /** What failed, for the log. */
  readonly reason?: string;
  /** Set by a request that proves who the client is. */
  readonly session?: {
    readonly sessionKey: CryptoKey;
    readonly connectionSecret: Uint8Array;
    /** Encoded caps string for the monitor. */
    readonly monCaps: Uint8Array;
  };
}

const NO_BYTES = new Uint8Array(0);

/** One client's exchange with a monitor, in the handshake and (renewals) after it. */
export class CephxServiceHandler {
  readonly name: AuthName;
  readonly globalId: bigint;
  readonly #keys: KeyServer;
  readonly #entropy: Entropy;
  readonly #now: () => number;
  readonly #challenge: bigint;
  #status: GlobalIdStatus;

  /** `now`: wall time in ms. */
  constructor(
    name: AuthName,
    globalId: bigint,
    isNewGlobalId: boolean,
    keys: KeyServer,
    entropy: Entropy,
    now: () => number,
  ) {
    this.name = name;
    this.globalId = globalId;
    this.#keys = keys;
    this.#entropy = entropy;
    this.#now = now;
    this.#challenge = makeChallenge(entropy);
    this.#status = isNewGlobalId ? 'newPending' : 'reclaimPending';
  }

  get globalIdStatus(): GlobalIdStatus {
    return this.#status;
  }

  get isAuthenticated(): boolean {
    return this.#status === 'newOk' || this.#status === 'reclaimOk';
  }

  /** The first thing to send. */
  challenge(): Uint8Array {
    return encodeToBytes(serverChallenge, { serverChallenge: this.#challenge });
  }

  /** `secretLength`: bytes of connection secret to make; undefined for a request that comes after the handshake. Never throws for bad input. */
  handleRequest(payload: Uint8Array, secretLength?: number): ServiceReply {
    try {
      const r = new Reader(payload);
      const { requestType } = requestHeader.decode(r);
      switch (requestType) {
        case CEPHX_GET_AUTH_SESSION_KEY:
          return this.#authSession(r, secretLength);
        case CEPHX_GET_PRINCIPAL_SESSION_KEY:
          return this.#serviceTickets(r);
        case CEPHX_GET_ROTATING_KEY:
          return this.#rotatingSecrets();
        default:
          return { result: -errno.EINVAL, payload: NO_BYTES, reason: `unknown request ${requestType}` };
      }
    } catch (error) {
      const { errno: code, reason } = authFailure(error, errno.EPERM);
      return { result: -code, payload: NO_BYTES, reason };
    }
  }

  #authSession(r: Reader, secretLength: number | undefined): ServiceReply {
    const request = authenticate.decode(r);
    const entity = this.#keys.get(this.name);
    // An unknown name costs the same work and gives the same answer as a wrong key.
    const secret = entity === undefined || entity.key.isEmpty ? CryptoKey.create(this.#entropy, 0) : entity.key;
    const proof = challengeProof(secret, this.#challenge, request.clientChallenge);
    if (entity === undefined || secret !== entity.key || proof !== request.key) {
      throw new AuthError(errno.EACCES, `${formatAuthName(this.name)}: wrong key or unknown entity`);
    }
    const renewal = this.#checkOldTicket(request);
    const current = this.#keys.currentServiceSecret(entityType.AUTH);
    if (current === undefined) throw new AuthError(errno.EIO, 'no secrets for service auth');
    const info: SessionAuthInfo = {
      serviceId: entityType.AUTH,
      secretId: current.secretId,
      serviceSecret: current.secret,
      sessionKey: this.#keys.generateKey(),
      ticket: makeTicket(this.name, this.globalId, this.#now(), current.ttl_s),
      validity: utimeFromSeconds(current.ttl_s),
    };
    const monCaps = entity.caps.get('mon') ?? '';
    if (monCaps === '') throw new AuthError(errno.EACCES, `${formatAuthName(this.name)} has no mon caps`);
    const w = new Writer(1024);
    responseHeader.encode(w, { requestType: CEPHX_GET_AUTH_SESSION_KEY, status: 0 });
    writeTickets(w, entity.key, [info], renewal.key, this.#entropy);
    let connectionSecret: Uint8Array = NO_BYTES;
    if (request.otherKeys !== 0) {
      if (secretLength === undefined) w.blob(NO_BYTES);
      else {
        connectionSecret = this.#entropy.bytes(secretLength);
        const sealed = new Writer(128);
        writeSealed(sealed, info.sessionKey, blob, connectionSecret, keyUsage.CONNECTION_SECRET, this.#entropy);
        w.blob(sealed.bytes());
      }
      w.blob(this.#extraTickets(request.otherKeys, info));
    }
    this.#status = renewal.status;
    return {
      result: 0,
      payload: w.bytes(),
      session: { sessionKey: info.sessionKey, connectionSecret, monCaps: encodeCaps(monCaps) },
    };
  }

  /**
   * Who asks for a new global id must not show an old ticket; who wants to go on with one must prove that it is its own. What is
   * sent back is then sealed with the old ticket's session key, which a thief of the ticket alone does not have.
   */
  #checkOldTicket(request: Authenticate): { status: GlobalIdStatus; key: CryptoKey | undefined } {
    const hasTicket = request.oldTicket.blob.length > 0;
    if (this.#status === 'newPending') {
      if (hasTicket) throw new AuthError(errno.EINVAL, 'superfluous ticket presented');
      return { status: 'newOk', key: undefined };
    }
    if (!hasTicket) throw new AuthError(errno.EACCES, `global id ${this.globalId} reclaimed without a ticket`);
    const old = openTicket(this.#keys, entityType.AUTH, request.oldTicket, 'mon.');
    if (old.ticket.globalId !== this.globalId) {
      throw new AuthError(errno.EACCES, `global id ${this.globalId} reclaimed with the ticket of another`);
    }
    return { status: 'reclaimOk', key: old.sessionKey };
  }

  #extraTickets(services: number, parent: SessionAuthInfo): Uint8Array {
    const infos = this.#ticketsFor(services, parent.ticket).infos;
    if (infos.length === 0) return NO_BYTES;
    const w = new Writer(1024);
    writeTickets(w, parent.sessionKey, infos, undefined, this.#entropy);
    return w.bytes();
  }

  /** Tickets for a mask of services; without AUTH, and without services that have no secrets yet. */
  #ticketsFor(services: number, parent: SessionAuthInfo['ticket']): { infos: SessionAuthInfo[]; failed: number } {
    const infos: SessionAuthInfo[] = [];
    let failed = 0;
    for (let bit = 0; bit < 32; bit++) {
      const service = (1 << bit) >>> 0;
      if ((services & service) === 0 || service === entityType.AUTH) continue;
      try {
        infos.push(this.#keys.serviceTicket(service, parent));
      } catch (error) {
        if (!(error instanceof AuthError)) throw error;
        failed = error.errno;
      }
    }
    return { infos, failed };
  }

  #serviceTickets(r: Reader): ServiceReply {
    this.#needAuthenticated();
    const { info } = readAuthorizer(r, this.#keys);
    const { keys } = serviceTicketRequest.decode(r);
    const { infos, failed } = this.#ticketsFor(keys, info.ticket);
    const result = infos.length === 0 && failed !== 0 ? -failed : 0;
    const w = new Writer(1024);
    responseHeader.encode(w, { requestType: CEPHX_GET_PRINCIPAL_SESSION_KEY, status: result });
    writeTickets(w, info.sessionKey, infos, undefined, this.#entropy);
    return { result, payload: w.bytes() };
  }

  #rotatingSecrets(): ServiceReply {
    this.#needAuthenticated();
    const w = new Writer(512);
    responseHeader.encode(w, { requestType: CEPHX_GET_ROTATING_KEY, status: 0 });
    this.#keys.writeRotating(w, this.name);
    return { result: 0, payload: w.bytes() };
  }

  #needAuthenticated(): void {
    if (!this.isAuthenticated) throw new AuthError(errno.EACCES, 'request before authentication');
  }
}
