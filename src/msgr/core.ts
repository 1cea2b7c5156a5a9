/** What connections need of the messenger they belong to. */
import type { Clock, Entropy, Logger, Network } from '../base/index.ts';
import type { EntityAddr, EntityAddrVec, EntityName } from '../types/index.ts';
import type { Connection, Policy, ReceivedMessage } from './api.ts';
import type { AuthClient, AuthServer } from './auth-api.ts';
import type { PeerConnection } from './connection.ts';
import type { Link, LinkContext } from './link.ts';
import type { Throttle } from './throttle.ts';

/** Times in milliseconds, sizes in bytes. */
export interface MessengerOptions {
  /** ms_connection_ready_timeout: from dialling or accepting to READY. */
  readonly connectTimeout_ms: number;
  /** ms_connection_idle_timeout. */
  readonly idleTimeout_ms: number;
  /** ms_initial_backoff, ms_max_backoff. */
  readonly initialBackoff_ms: number;
  readonly maxBackoff_ms: number;
  /** ms_dispatch_throttle_bytes: messages of one connection in memory at most. */
  readonly dispatchThrottle_bytes: number;
  /** Incoming connections in their handshake at most; one more ends the oldest. */
  readonly halfOpen_max: number;
  /** Output that waits for a lossy peer that does not read, at most; then the connection ends. */
  readonly lossyQueue_bytes_max: number;
  /** Whether msgr 2.1 is offered to peers; without, frames have revision 0. For tests: every Ceph since 14.2.11 has 2.1. */
  readonly offerRevision1: boolean;
}

export const defaultOptions: MessengerOptions = {
  connectTimeout_ms: 10_000,
  idleTimeout_ms: 900_000,
  initialBackoff_ms: 200,
  maxBackoff_ms: 15_000,
  dispatchThrottle_bytes: 100 * 1024 * 1024,
  halfOpen_max: 1024,
  lossyQueue_bytes_max: 1024 * 1024 * 1024,
  offerRevision1: true,
};

/** Budgets that all connections to one type of peer share. */
export interface PeerThrottles {
  readonly bytes: Throttle | undefined;
  readonly messages: Throttle | undefined;
}

export interface MessengerCore extends LinkContext {
  readonly name: EntityName;
  readonly addrs: EntityAddrVec;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly network: Network;
  readonly logger: Logger;
  readonly options: MessengerOptions;
  readonly featuresSupported: bigint;
  readonly authClient: AuthClient | undefined;
  readonly authServer: AuthServer | undefined;
  policyFor(peerType: number): Policy;
  throttlesFor(peerType: number): PeerThrottles;
  /** A number above all before it, and above `after`. */
  nextGlobalSeq(after?: number): number;
  learnAddr(addr: EntityAddr): void;
  lookup(addrs: EntityAddrVec): PeerConnection | undefined;
  /** An accepted connection is a session now. */
  registerAccepted(connection: PeerConnection): void;
  /** The connection is closed. */
  forget(connection: PeerConnection): void;
  /** Goes on reading from the link once the events that are waiting have run. */
  scheduleResume(link: Link): void;
  dispatch(message: ReceivedMessage): void;
  /** See {@link Dispatcher.placeFor}. */
  placeFor(connection: Connection, type: number, tid: number, length: number): Uint8Array | undefined;
  notifyConnect(connection: Connection): void;
  notifyAccept(connection: Connection): void;
  notifyReset(connection: Connection): void;
  notifyRemoteReset(connection: Connection): void;
  notifyRefused(connection: Connection): void;
}
