/**
 * The shapes that the messenger's handshake asks of authentication (msgr/auth-api.ts has the same ones, seen from there: this folder
 * stands below it and the classes fit by shape).
 */
import type { AuthName } from '../types/index.ts';

/** Authentication methods (CEPH_AUTH_*, include/ceph_fs.h). */
export const authMethod = { UNKNOWN: 0, NONE: 1, CEPHX: 2, GSS: 4 } as const;
/** Connection modes (CEPH_CON_MODE_*). */
export const connectionMode = { UNKNOWN: 0, CRC: 1, SECURE: 2 } as const;

/** Bytes of connection secret for a mode (AuthConnectionMeta::get_connection_secret_length). */
export function connectionSecretLength(mode: number): number {
  return mode === connectionMode.SECURE ? 64 : 0;
}

/** What authentication looks at of a connection. */
export interface AuthConnection {
  readonly peerType: number;
}

export interface AuthFail {
  readonly kind: 'fail';
  /** Positive. */
  readonly errno: number;
  readonly reason: string;
}

export interface AuthRequestContent {
  readonly kind: 'request';
  readonly method: number;
  readonly preferredModes: readonly number[];
  readonly payload: Uint8Array;
}

export interface AuthMoreContent {
  readonly kind: 'more';
  readonly payload: Uint8Array;
}

export interface AuthDoneKeys {
  readonly kind: 'done';
  readonly sessionKey: Uint8Array;
  readonly connectionSecret: Uint8Array;
  readonly globalId: bigint;
}

export interface ClientAttempt {
  request(): AuthRequestContent | AuthFail;
  replyMore(payload: Uint8Array): AuthMoreContent | AuthFail;
  badMethod(
    method: number,
    result: number,
    allowedMethods: readonly number[],
    allowedModes: readonly number[],
  ): { readonly kind: 'retry' } | AuthFail;
  done(globalId: bigint, connectionMode: number, payload: Uint8Array): AuthDoneKeys | AuthFail;
}

/** Who the peer is, proven. */
export interface ProvenPeer {
  readonly name: AuthName;
  readonly globalId: bigint;
  readonly caps: Uint8Array;
  readonly capsAllowAll: boolean;
}

export type ServerReply =
  | AuthMoreContent
  | {
      readonly kind: 'done';
      readonly payload: Uint8Array;
      readonly connectionMode: number;
      readonly sessionKey: Uint8Array;
      readonly connectionSecret: Uint8Array;
      readonly identity: ProvenPeer;
    }
  | {
      readonly kind: 'bad';
      readonly errno: number;
      readonly allowedMethods: readonly number[];
      readonly allowedModes: readonly number[];
    }
  | { readonly kind: 'drop'; readonly reason: string };

export interface ServerAttempt {
  request(
    method: number,
    preferredModes: readonly number[],
    payload: Uint8Array,
    reply: (result: ServerReply) => void,
  ): void;
  more(payload: Uint8Array, reply: (result: ServerReply) => void): void;
}
