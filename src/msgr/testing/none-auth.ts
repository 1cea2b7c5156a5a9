/** Authentication that asks nothing, for tests of the messenger: one round, a fixed key where frames shall be signed and encrypted. */
import { type AuthName, entityType } from '../../types/index.ts';
import type { Connection } from '../api.ts';
import {
  type AuthClient,
  type AuthClientSession,
  type AuthServer,
  type AuthServerReply,
  type AuthServerSession,
  CEPH_AUTH_NONE,
  CEPH_CON_MODE_CRC,
  CEPH_CON_MODE_SECURE,
  CONNECTION_SECRET_LENGTH,
} from '../auth-api.ts';

export const testSecret = Uint8Array.from({ length: CONNECTION_SECRET_LENGTH }, (_, i) => (i * 37 + 11) & 0xff);
export const testSessionKey = Uint8Array.from({ length: 16 }, (_, i) => 200 - i);

/** Client half. `rounds` extra exchanges of AUTH_REPLY_MORE. */
export function testAuthClient(isSecure: boolean): AuthClient {
  return {
    start: (): AuthClientSession => ({
      request: () => ({
        kind: 'request',
        method: CEPH_AUTH_NONE,
        preferredModes: isSecure ? [CEPH_CON_MODE_SECURE, CEPH_CON_MODE_CRC] : [CEPH_CON_MODE_CRC],
        payload: Uint8Array.of(1, 2, 3),
      }),
      replyMore: (payload) => ({ kind: 'more', payload }),
      badMethod: () => ({ kind: 'fail', errno: 13, reason: 'method refused' }),
      done: (globalId, mode) => ({
        kind: 'done',
        globalId,
        sessionKey: testSessionKey,
        connectionSecret: mode === CEPH_CON_MODE_SECURE ? testSecret : new Uint8Array(0),
      }),
    }),
  };
}

export interface TestAuthServerOptions {
  readonly rounds?: number;
  /** Holds replies back, to answer them later. */
  readonly defer?: (fn: () => void) => void;
  readonly nameOf?: (connection: Connection) => AuthName;
}

export function testAuthServer(options: TestAuthServerOptions = {}): AuthServer {
  const later = options.defer ?? ((fn: () => void) => fn());
  let nextId = 4100n;
  return {
    start(connection): AuthServerSession {
      let left = options.rounds ?? 0;
      let mode = CEPH_CON_MODE_CRC;
      const answer = (): AuthServerReply => {
        if (left-- > 0) return { kind: 'more', payload: Uint8Array.of(left) };
        return {
          kind: 'done',
          payload: new Uint8Array(0),
          connectionMode: mode,
          sessionKey: testSessionKey,
          connectionSecret: mode === CEPH_CON_MODE_SECURE ? testSecret : new Uint8Array(0),
          identity: {
            name: options.nameOf?.(connection) ?? {
              type: connection.peerType,
              id: connection.peerType === entityType.CLIENT ? 'admin' : '0',
            },
            globalId: nextId++,
            caps: new Uint8Array(0),
            capsAllowAll: true,
          },
        };
      };
      return {
        request(_method, preferredModes, _payload, reply) {
          mode = preferredModes[0] === CEPH_CON_MODE_SECURE ? CEPH_CON_MODE_SECURE : CEPH_CON_MODE_CRC;
          later(() => reply(answer()));
        },
        more(_payload, reply) {
          later(() => reply(answer()));
        },
      };
    },
  };
}
