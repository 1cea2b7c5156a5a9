import { type Entropy, entropyU64, errno } from '../../base/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import { formatAuthName } from '../../types/index.ts';
import { type CryptoKey, keyUsage, seal, unseal } from '../crypto.ts';
import { AuthError } from '../error.ts';
import {
  AUTH_MODE_AUTHORIZER,
  authorize,
  authorizeChallenge,
  authorizeReply,
  makeChallenge,
  readSealed,
  SECRET_ID_KEYRING,
  type ServiceTicketInfo,
  serviceTicketInfo,
  type TicketBlob,
  ticketBlob,
  U64_MASK,
  writeSealed,
} from './protocol.ts';

/*
 * An authorizer: what a client shows to a service.
 *
 *   u8 1 (AUTH_MODE_AUTHORIZER), u64 global id, u32 service
 *   CephXTicketBlob              sealed with the service's secret
 *   CephXAuthorize               sealed with the session key: nonce, the server's challenge + 1
 *
 * The service answers the first with a challenge, the second with nonce + 1. The challenge keeps a recorded authorizer from being
 * used again.
 */

/** Client's half of one exchange with a service. */
export class Authorizer {
  readonly sessionKey: CryptoKey;
  readonly #base: Uint8Array;
  readonly #nonce: bigint;
  readonly #entropy: Entropy;

  constructor(globalId: bigint, serviceId: number, ticket: TicketBlob, sessionKey: CryptoKey, entropy: Entropy) {
    this.sessionKey = sessionKey;
    this.#nonce = entropyU64(entropy);
    this.#entropy = entropy;
    const w = new Writer(64 + ticket.blob.length);
    w.u8(AUTH_MODE_AUTHORIZER);
    w.u64(globalId);
    w.u32(serviceId);
    ticketBlob.encode(w, ticket);
    this.#base = w.bytes();
  }

  /** The first one, without a challenge. */
  bytes(): Uint8Array {
    return this.#build(false, 0n);
  }

  /** The one that answers a challenge. */
  answer(challenge: Uint8Array): Uint8Array {
    if (challenge.length === 0) return this.bytes();
    const { serverChallenge } = unseal(this.sessionKey, authorizeChallenge, challenge, keyUsage.AUTHORIZE_CHALLENGE);
    return this.#build(true, (serverChallenge + 1n) & U64_MASK);
  }

  /** Checks the service's last answer; gives the connection secret (empty in crc mode). EACCES where it is not the service. */
  verifyReply(reply: Uint8Array): Uint8Array {
    const { noncePlusOne, connectionSecret } = readSealed(
      new Reader(reply),
      this.sessionKey,
      authorizeReply,
      keyUsage.AUTHORIZE_REPLY,
    );
    if (noncePlusOne !== ((this.#nonce + 1n) & U64_MASK)) throw new AuthError(errno.EACCES, 'wrong nonce in the reply');
    return connectionSecret;
  }

  #build(haveChallenge: boolean, serverChallengePlusOne: bigint): Uint8Array {
    const w = new Writer(this.#base.length + 64);
    w.raw(this.#base);
    writeSealed(
      w,
      this.sessionKey,
      authorize,
      { nonce: this.#nonce, haveChallenge, serverChallengePlusOne },
      keyUsage.AUTHORIZE,
      this.#entropy,
    );
    return w.bytes();
  }
}

/** Where a service finds the secrets that tickets are sealed with. */
export interface KeyStore {
  /** Key of an entity, by name: for tickets between monitors. */
  secretOf(name: string): CryptoKey | undefined;
  serviceSecret(serviceId: number, secretId: bigint): CryptoKey | undefined;
}

/** Opens a ticket. EACCES where the secret is not (or no longer) known, or does not fit. `owner`: whose key seals tickets without secret id. */
export function openTicket(keys: KeyStore, serviceId: number, ticket: TicketBlob, owner: string): ServiceTicketInfo {
  const secret =
    ticket.secretId === SECRET_ID_KEYRING ? keys.secretOf(owner) : keys.serviceSecret(serviceId, ticket.secretId);
  if (secret === undefined || secret.isEmpty) {
    throw new AuthError(errno.EACCES, `no secret ${ticket.secretId} of service ${serviceId}`);
  }
  return unseal(secret, serviceTicketInfo, ticket.blob, keyUsage.TICKET_INFO);
}

/** Reads an authorizer up to its nonce. Used without challenge only for requests inside an authenticated session. */
export function readAuthorizer(
  r: Reader,
  keys: KeyStore,
): { info: ServiceTicketInfo; nonce: bigint; haveChallenge: boolean; serverChallengePlusOne: bigint } {
  r.u8();
  const globalId = r.u64();
  const serviceId = r.u32();
  const ticket = ticketBlob.decode(r);
  const info = openTicket(keys, serviceId, ticket, formatAuthName({ type: serviceId, id: '' }));
  if (info.ticket.globalId !== globalId) {
    throw new AuthError(errno.EACCES, `authorizer for global id ${globalId}, ticket for ${info.ticket.globalId}`);
  }
  return { info, ...readSealed(r, info.sessionKey, authorize, keyUsage.AUTHORIZE) };
}

/** Service's half of one exchange. */
export class AuthorizerVerifier {
  readonly #keys: KeyStore;
  readonly #entropy: Entropy;
  #challenge: bigint | undefined;

  constructor(keys: KeyStore, entropy: Entropy) {
    this.#keys = keys;
    this.#entropy = entropy;
  }

  /**
   * First call: gives the challenge to send. Second: gives who it is, and the answer. Throws AuthError (EACCES) for anything
   * else. As in Ceph, a ticket ends when the secret that sealed it is rotated out, not by a clock: clocks of hosts may differ.
   */
  verify(
    authorizer: Uint8Array,
    secretLength: number,
  ):
    | { kind: 'challenge'; payload: Uint8Array }
    | { kind: 'ok'; payload: Uint8Array; info: ServiceTicketInfo; connectionSecret: Uint8Array } {
    const { info, nonce, haveChallenge, serverChallengePlusOne } = readAuthorizer(new Reader(authorizer), this.#keys);
    if (this.#challenge === undefined) {
      this.#challenge = makeChallenge(this.#entropy);
      return {
        kind: 'challenge',
        payload: seal(
          info.sessionKey,
          authorizeChallenge,
          { serverChallenge: this.#challenge },
          keyUsage.AUTHORIZE_CHALLENGE,
          this.#entropy,
        ),
      };
    }
    if (!haveChallenge || serverChallengePlusOne !== ((this.#challenge + 1n) & U64_MASK)) {
      throw new AuthError(errno.EACCES, 'wrong answer to the challenge');
    }
    const connectionSecret = this.#entropy.bytes(secretLength);
    const w = new Writer(128);
    writeSealed(
      w,
      info.sessionKey,
      authorizeReply,
      { noncePlusOne: (nonce + 1n) & U64_MASK, connectionSecret },
      keyUsage.AUTHORIZE_REPLY,
      this.#entropy,
    );
    return { kind: 'ok', payload: w.bytes(), info, connectionSecret };
  }
}
