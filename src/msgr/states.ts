import { InvariantError } from '../base/index.ts';

/**
 * States of a connection. Those of the handshake have Ceph's names (msg/async/ProtocolV2.h).
 *
 * - CONNECTING: the socket is being opened
 * - ..._CONNECTING, SESSION_RECONNECTING: this side dialled and is that far in the handshake
 * - ..._ACCEPTING: the other side dialled
 * - AUTH_ACCEPTING_WAIT: the authentication server has not answered yet; nothing is read
 * - READY: messages flow
 * - STANDBY: no socket; the next message (or the peer) makes one
 * - BACKOFF: no socket; a timer dials again
 * - WAIT: the peer said that its own attempt goes on; should it not come, a long timer dials again
 * - CLOSED: for good
 */
export type ConnectionState =
  | 'CONNECTING'
  | 'BANNER_CONNECTING'
  | 'HELLO_CONNECTING'
  | 'AUTH_CONNECTING'
  | 'AUTH_CONNECTING_SIGN'
  | 'SESSION_CONNECTING'
  | 'SESSION_RECONNECTING'
  | 'BANNER_ACCEPTING'
  | 'HELLO_ACCEPTING'
  | 'AUTH_ACCEPTING'
  | 'AUTH_ACCEPTING_MORE'
  | 'AUTH_ACCEPTING_WAIT'
  | 'AUTH_ACCEPTING_SIGN'
  | 'SESSION_ACCEPTING'
  | 'READY'
  | 'STANDBY'
  | 'BACKOFF'
  | 'WAIT'
  | 'CLOSED';

/** From every state but CLOSED: the connection is ended. From every one of a dialling side: what its failure leads to, and the peer's own socket taking over. */
const failed = ['BACKOFF', 'STANDBY', 'SESSION_ACCEPTING', 'CLOSED'] as const;

/** The legal moves. Everything else is a fault of this program, whatever the peer sent. */
export const transitions: { readonly [S in ConnectionState]: readonly ConnectionState[] } = {
  CONNECTING: ['BANNER_CONNECTING', ...failed],
  BANNER_CONNECTING: ['HELLO_CONNECTING', ...failed],
  HELLO_CONNECTING: ['AUTH_CONNECTING', ...failed],
  AUTH_CONNECTING: ['AUTH_CONNECTING_SIGN', ...failed],
  AUTH_CONNECTING_SIGN: ['SESSION_CONNECTING', 'SESSION_RECONNECTING', ...failed],
  SESSION_CONNECTING: ['READY', 'WAIT', ...failed],
  // RESET makes a reconnect an attempt at a new session.
  SESSION_RECONNECTING: ['READY', 'SESSION_CONNECTING', 'WAIT', ...failed],
  BANNER_ACCEPTING: ['HELLO_ACCEPTING', 'CLOSED'],
  HELLO_ACCEPTING: ['AUTH_ACCEPTING', 'CLOSED'],
  AUTH_ACCEPTING: ['AUTH_ACCEPTING_WAIT', 'CLOSED'],
  AUTH_ACCEPTING_MORE: ['AUTH_ACCEPTING_WAIT', 'CLOSED'],
  AUTH_ACCEPTING_WAIT: ['AUTH_ACCEPTING', 'AUTH_ACCEPTING_MORE', 'AUTH_ACCEPTING_SIGN', 'CLOSED'],
  AUTH_ACCEPTING_SIGN: ['SESSION_ACCEPTING', 'CLOSED'],
  SESSION_ACCEPTING: ['READY', 'CLOSED'],
  // A lossless session that lost its socket dials at once, the first time.
  READY: ['CONNECTING', 'BACKOFF', 'STANDBY', 'SESSION_ACCEPTING', 'CLOSED'],
  STANDBY: ['CONNECTING', 'SESSION_ACCEPTING', 'CLOSED'],
  BACKOFF: ['CONNECTING', 'SESSION_ACCEPTING', 'CLOSED'],
  WAIT: ['CONNECTING', 'SESSION_ACCEPTING', 'CLOSED'],
  CLOSED: [],
};

export function isLegal(from: ConnectionState, to: ConnectionState): boolean {
  return transitions[from].includes(to);
}

export function checkTransition(from: ConnectionState, to: ConnectionState, context: () => string): void {
  if (!isLegal(from, to)) throw new InvariantError('illegal connection state', { from, to, connection: context() });
}

const dialling: ReadonlySet<ConnectionState> = new Set<ConnectionState>([
  'CONNECTING',
  'BANNER_CONNECTING',
  'HELLO_CONNECTING',
  'AUTH_CONNECTING',
  'AUTH_CONNECTING_SIGN',
  'SESSION_CONNECTING',
  'SESSION_RECONNECTING',
]);

const accepting: ReadonlySet<ConnectionState> = new Set<ConnectionState>([
  'BANNER_ACCEPTING',
  'HELLO_ACCEPTING',
  'AUTH_ACCEPTING',
  'AUTH_ACCEPTING_MORE',
  'AUTH_ACCEPTING_WAIT',
  'AUTH_ACCEPTING_SIGN',
  'SESSION_ACCEPTING',
]);

/** This side opened (or is opening) the socket and the handshake is not done. */
export function isDialling(state: ConnectionState): boolean {
  return dialling.has(state);
}

/** The peer opened the socket and the handshake is not done. */
export function isAccepting(state: ConnectionState): boolean {
  return accepting.has(state);
}
