/**
 * What the handshake asks of authentication, both sides. `auth` implements these shapes (cephx, none); the messenger carries
 * the payloads without looking inside. Each connection attempt gets a session object of its own, so that challenge and
 * ticket state of one attempt never meets another's.
 *
 * `auth` stands below `msgr` in the layer table and does not import this file: its classes fit by shape. They may declare
 * the `connection` parameter as `{ readonly peerType: number }`.
 */
import type { Connection, PeerIdentity } from './api.ts';

/** Authentication methods (CEPH_AUTH_*, include/ceph_fs.h). */
export const CEPH_AUTH_UNKNOWN = 0;
export const CEPH_AUTH_NONE = 1;
export const CEPH_AUTH_CEPHX = 2;
export const CEPH_AUTH_GSS = 4;

/** Connection modes (CEPH_CON_MODE_*). */
export const CEPH_CON_MODE_UNKNOWN = 0;
export const CEPH_CON_MODE_CRC = 1;
export const CEPH_CON_MODE_SECURE = 2;

/** Bytes of connection secret that secure mode needs: key 16, two nonces of 12, the rest unused (Ceph makes 64). */
export const CONNECTION_SECRET_LENGTH = 64;

/** The attempt cannot go on. `errno` is positive (`EACCES`, ...); `reason` goes to the log and holds no secret. */
export interface AuthFailure {
  readonly kind: 'fail';
  readonly errno: number;
  readonly reason: string;
}

/** Content of AUTH_REQUEST. */
export interface AuthRequest {
  readonly kind: 'request';
  readonly method: number;
  /** CEPH_CON_MODE_*, most wanted first. */
  readonly preferredModes: readonly number[];
  readonly payload: Uint8Array;
}

/** Content of AUTH_REQUEST_MORE. */
export interface AuthMore {
  readonly kind: 'more';
  readonly payload: Uint8Array;
}

/** Keys that the client derived from AUTH_DONE. */
export interface AuthClientDone {
  readonly kind: 'done';
  /** 16 bytes that sign the handshake; empty for method none. */
  readonly sessionKey: Uint8Array;
  /** At least 40 bytes in secure mode; empty in crc mode. */
  readonly connectionSecret: Uint8Array;
  /** Usually the one that AUTH_DONE carried. */
  readonly globalId: bigint;
}

/** Makes the client's half of the handshake for each outgoing connection. */
export interface AuthClient {
  /** Called once per attempt, when the peer's HELLO has been checked. */
  start(connection: Connection): AuthClientSession;
}

/** One attempt, client side. All calls are synchronous: what is needed (tickets) must be there before connecting. */
export interface AuthClientSession {
  /** First request; called again after {@link badMethod} said 'retry'. */
  request(): AuthRequest | AuthFailure;
  replyMore(payload: Uint8Array): AuthMore | AuthFailure;
  /** `result` is the server's negative errno. */
  badMethod(
    method: number,
    result: number,
    allowedMethods: readonly number[],
    allowedModes: readonly number[],
  ): { readonly kind: 'retry' } | AuthFailure;
  done(globalId: bigint, connectionMode: number, payload: Uint8Array): AuthClientDone | AuthFailure;
}

/** What the server's half answers to AUTH_REQUEST or AUTH_REQUEST_MORE. */
export type AuthServerReply =
  /** AUTH_REPLY_MORE. */
  | { readonly kind: 'more'; readonly payload: Uint8Array }
  /** AUTH_DONE. */
  | {
      readonly kind: 'done';
      readonly payload: Uint8Array;
      /** The CEPH_CON_MODE_* chosen from what the client prefers and the server allows. */
      readonly connectionMode: number;
      readonly sessionKey: Uint8Array;
      readonly connectionSecret: Uint8Array;
      /** Its `globalId` goes into AUTH_DONE. */
      readonly identity: PeerIdentity;
    }
  /** AUTH_BAD_METHOD: the client may try again with a method and mode of those lists. `errno` positive. */
  | {
      readonly kind: 'bad';
      readonly errno: number;
      readonly allowedMethods: readonly number[];
      readonly allowedModes: readonly number[];
    }
  /** Ends the connection without a word (a monitor without quorum: the client tries another). */
  | { readonly kind: 'drop'; readonly reason: string };

/** Makes the server's half of the handshake for each incoming connection. */
export interface AuthServer {
  /** Called once per connection, when the peer's HELLO gave its type. */
  start(connection: Connection): AuthServerSession;
}

/**
 * One attempt, server side. `reply` must be called exactly once per call, at once or later (a monitor that commits a global
 * id first); the messenger sends nothing and reads nothing from that peer in between. A reply that comes after the connection ended is ignored.
 */
export interface AuthServerSession {
  request(
    method: number,
    preferredModes: readonly number[],
    payload: Uint8Array,
    reply: (result: AuthServerReply) => void,
  ): void;
  more(payload: Uint8Array, reply: (result: AuthServerReply) => void): void;
}
