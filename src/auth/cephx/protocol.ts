/**
 * The structs of cephx (auth/cephx/CephxProtocol.h of Ceph 16.2; doc/dev/cephx_protocol.rst tells the exchange).
 */
import { type Entropy, entropyU64, errno } from '../../base/index.ts';
import {
  blob,
  bool,
  type Codec,
  decodeFromBytes,
  encodeToBytes,
  plain,
  Reader,
  s32,
  since,
  u16,
  u32,
  u64,
  type Writer,
} from '../../encoding/index.ts';
import { type Utime, utime } from '../../types/index.ts';
import { type CryptoKey, cryptoKey, type KeyUsage, keyUsage, seal, sealAlike, unseal } from '../crypto.ts';
import { AuthError } from '../error.ts';
import { type AuthTicket, authTicket, tagged } from '../records.ts';

/** Requests inside the exchange with a monitor. */
export const CEPHX_GET_AUTH_SESSION_KEY = 0x0100;
export const CEPHX_GET_PRINCIPAL_SESSION_KEY = 0x0200;
export const CEPHX_GET_ROTATING_KEY = 0x0400;

/** First byte of an AUTH_REQUEST's payload (AUTH_MODE_*, auth/Auth.h): what kind of proof follows. */
export const AUTH_MODE_AUTHORIZER = 1;
export const AUTH_MODE_AUTHORIZER_MAX = 9;
export const AUTH_MODE_MON = 10;
export const AUTH_MODE_MON_MAX = 19;

/** `secretId` of tickets that are sealed with a key of the key ring, not a rotating one: those of monitors among themselves. */
export const SECRET_ID_KEYRING = 0xffff_ffff_ffff_ffffn;

export const serverChallenge = tagged('CephXServerChallenge', 1, { serverChallenge: u64 });

export const requestHeader = plain('CephXRequestHeader', { requestType: u16 });
export const responseHeader = plain('CephXResponseHeader', { requestType: u16, status: s32 });

/** A ticket as its holder sees it: opaque, sealed with the service's secret of that id. */
export interface TicketBlob {
  readonly secretId: bigint;
  readonly blob: Uint8Array;
}

export const ticketBlob: Codec<TicketBlob> = tagged('CephXTicketBlob', 1, { secretId: u64, blob });
export const noTicket: TicketBlob = Object.freeze({ secretId: 0n, blob: new Uint8Array(0) });

/** The client's answer to the challenge. */
export interface Authenticate {
  readonly clientChallenge: bigint;
  readonly key: bigint;
  /** The ticket that proves ownership of the global id that is reclaimed; empty for a new one. */
  readonly oldTicket: TicketBlob;
  /** Mask of entity types whose tickets shall come along (Nautilus on). */
  readonly otherKeys: number;
  /** Form of clients from before 16.2.1, which may not have sent their old ticket. */
  readonly mayOmitOldTicket: boolean;
}

const AUTHENTICATE_VERSION = 3;

export const authenticate: Codec<Authenticate> = {
  name: 'CephXAuthenticate',
  length_min: 30,
  encode(w, a) {
    w.u8(a.mayOmitOldTicket ? 2 : AUTHENTICATE_VERSION);
    w.u64(a.clientChallenge);
    w.u64(a.key);
    ticketBlob.encode(w, a.oldTicket);
    w.u32(a.otherKeys);
  },
  decode(r) {
    const version = r.u8();
    return {
      clientChallenge: r.u64(),
      key: r.u64(),
      oldTicket: ticketBlob.decode(r),
      otherKeys: version >= 2 ? r.u32() : 0,
      mayOmitOldTicket: version < AUTHENTICATE_VERSION,
    };
  },
};

const challengeBlob = plain('CephXChallengeBlob', { serverChallenge: u64, clientChallenge: u64 });

/**
 * The proof of knowing `secret`: both challenges sealed with it, with the length in front, folded by exclusive or into 64 bits. The
 * last, incomplete word is left out. What keys of type aes256k seal is never twice the same: with them it is a keyed hash of the challenges.
 */
export function challengeProof(secret: CryptoKey, server: bigint, client: bigint): bigint {
  const r = new Reader(sealAlike(secret, challengeBlob, { serverChallenge: server, clientChallenge: client }));
  let proof = 0n;
  while (r.remaining >= 8) proof ^= r.u64();
  return proof;
}

export const serviceTicketRequest = tagged('CephXServiceTicketRequest', 1, { keys: u32 });

/** What the holder of a ticket learns: the session key, and for how long. */
export interface ServiceTicket {
  readonly sessionKey: CryptoKey;
  readonly validity: Utime;
}
export const serviceTicket: Codec<ServiceTicket> = tagged('CephXServiceTicket', 1, {
  sessionKey: cryptoKey,
  validity: utime,
});

/** What the service finds in a ticket. */
export interface ServiceTicketInfo {
  readonly ticket: AuthTicket;
  readonly sessionKey: CryptoKey;
}
export const serviceTicketInfo: Codec<ServiceTicketInfo> = tagged('CephXServiceTicketInfo', 1, {
  ticket: authTicket,
  sessionKey: cryptoKey,
});

export const authorizeChallenge = tagged('CephXAuthorizeChallenge', 1, { serverChallenge: u64 });

export const authorize = tagged('CephXAuthorize', 2, {
  nonce: u64,
  haveChallenge: since(2, bool, () => false),
  serverChallengePlusOne: since(2, u64, () => 0n),
});

/** The service's answer to a good authorizer. The connection secret is there in secure mode. */
export interface AuthorizeReply {
  readonly noncePlusOne: bigint;
  readonly connectionSecret: Uint8Array;
}
const NO_BYTES = new Uint8Array(0);
export const authorizeReply: Codec<AuthorizeReply> = {
  name: 'CephXAuthorizeReply',
  length_min: 9,
  encode(w, reply) {
    const hasSecret = reply.connectionSecret.length > 0;
    w.u8(hasSecret ? 2 : 1);
    w.u64(reply.noncePlusOne);
    if (hasSecret) w.blob(reply.connectionSecret);
  },
  decode(r) {
    const version = r.u8();
    return { noncePlusOne: r.u64(), connectionSecret: version >= 2 ? r.blob().slice() : NO_BYTES };
  },
};

export const U64_MASK = 0xffff_ffff_ffff_ffffn;

/** A challenge; never 0, which means none. */
export function makeChallenge(entropy: Entropy): bigint {
  return entropyU64(entropy) || 1n;
}

/** A sealed value behind its length: encode_encrypt. */
export function writeSealed<T>(
  w: Writer,
  key: CryptoKey,
  codec: Codec<T>,
  value: T,
  usage: KeyUsage,
  entropy: Entropy,
): void {
  w.blob(seal(key, codec, value, usage, entropy));
}

export function readSealed<T>(r: Reader, key: CryptoKey, codec: Codec<T>, usage: KeyUsage): T {
  return unseal(key, codec, r.blob(), usage);
}

/** A ticket that a server gives away. */
export interface SessionAuthInfo {
  /** Entity type of the service. */
  readonly serviceId: number;
  /** Id of {@link serviceSecret}. */
  readonly secretId: bigint;
  readonly ticket: AuthTicket;
  readonly sessionKey: CryptoKey;
  readonly serviceSecret: CryptoKey;
  readonly validity: Utime;
}

/** The ticket as its holder passes it on. */
export function sealTicket(info: SessionAuthInfo, entropy: Entropy): TicketBlob {
  return {
    secretId: info.secretId,
    blob: seal(
      info.serviceSecret,
      serviceTicketInfo,
      { ticket: info.ticket, sessionKey: info.sessionKey },
      keyUsage.TICKET_INFO,
      entropy,
    ),
  };
}

/*
 * The reply that hands out tickets:
 *
 *   u8 1, u32 n, n x
 *     u32 service, u8 1
 *     { session key, validity } sealed with the principal's secret
 *     u8 encrypted
 *     bufferlist of CephXTicketBlob; where encrypted is 1, sealed with the session key of the old ticket, so that only the
 *     ticket's owner can go on using the global id
 */

/** Writes it. `renewalKey`: session key of the ticket that is renewed. */
export function writeTickets(
  w: Writer,
  principalSecret: CryptoKey,
  infos: readonly SessionAuthInfo[],
  renewalKey: CryptoKey | undefined,
  entropy: Entropy,
): void {
  w.u8(1);
  w.u32(infos.length);
  for (const info of infos) {
    w.u32(info.serviceId);
    w.u8(1);
    writeSealed(
      w,
      principalSecret,
      serviceTicket,
      { sessionKey: info.sessionKey, validity: info.validity },
      keyUsage.TICKET_SESSION_KEY,
      entropy,
    );
    const ticket = encodeToBytes(ticketBlob, sealTicket(info, entropy));
    w.u8(renewalKey === undefined ? 0 : 1);
    if (renewalKey === undefined) w.blob(ticket);
    else writeSealed(w, renewalKey, blob, ticket, keyUsage.TICKET_BLOB, entropy);
  }
}

/** A ticket out of a reply. */
export interface ReceivedTicket extends ServiceTicket {
  readonly serviceId: number;
  readonly ticket: TicketBlob;
}

/** Reads it. `renewalKeyOf` gives the session key of the ticket held so far for a service. */
export function readTickets(
  r: Reader,
  principalSecret: CryptoKey,
  renewalKeyOf: (serviceId: number) => CryptoKey | undefined,
): ReceivedTicket[] {
  r.u8();
  const n = r.count(14);
  const tickets: ReceivedTicket[] = [];
  for (let i = 0; i < n; i++) {
    const serviceId = r.u32();
    r.u8();
    const { sessionKey, validity } = readSealed(r, principalSecret, serviceTicket, keyUsage.TICKET_SESSION_KEY);
    const isEncrypted = r.u8() !== 0;
    let bytes: Uint8Array;
    if (isEncrypted) {
      const key = renewalKeyOf(serviceId);
      if (key === undefined) throw new AuthError(errno.EACCES, 'ticket encrypted for a ticket not held');
      bytes = readSealed(r, key, blob, keyUsage.TICKET_BLOB);
    } else bytes = r.blob();
    const ticket = decodeFromBytes(ticketBlob, bytes);
    tickets.push({ serviceId, sessionKey, validity, ticket: { secretId: ticket.secretId, blob: ticket.blob.slice() } });
  }
  return tickets;
}
