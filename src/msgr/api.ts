/**
 * What the daemons and clients see of the messenger. The implementation (frames, handshake, session, replay) is beside this file.
 */
import type { AuthName, EntityAddrVec, EntityName } from '../types/index.ts';

/**
 * A message as it travels: header fields, and the three parts as bytes. `messages` turns parts into typed values and back;
 * the messenger does not look inside.
 */
export interface WireMessage {
  readonly type: number;
  /** Version of the front's layout (header.version). */
  readonly version: number;
  /** Oldest reader's version that understands it (header.compat_version). */
  readonly compatVersion: number;
  /** CEPH_MSG_PRIO_*: 63 low, 127 default, 196 high, 255 highest. */
  readonly priority: number;
  /** Transaction id the sender matches replies by. Doubles are exact to 2^53, which no sender reaches. */
  readonly tid: number;
  readonly front: Uint8Array;
  readonly middle: Uint8Array;
  /** Payload parts in order; sent without copying, so they must not change before the message is acknowledged or its connection gone. */
  readonly data: readonly Uint8Array[];
  /** Alignment hint of the data segment (low bits of its offset in the object), as Ceph sends it. */
  readonly dataOffset: number;
  /**
   * crc32c of all data parts together (seed 0xffffffff), where it is known: the messenger then does not compute it again. Set on
   * messages received in crc mode (it was checked), so that data passed on to replicas or to the store is summed once.
   */
  readonly dataCrc?: number;
  /** Messages with the same front and data share one: the messenger then sums these parts once. */
  readonly sums?: PartSums;
  /** The data is nobody's once it is sent on a lossy connection: its memory is then used again. */
  readonly isDataOwned?: boolean;
}

/** Checksums (crc32c, seed 0xffffffff) of a message's front and data; -1 until the messenger has reckoned them. */
export interface PartSums {
  front: number;
  data: number;
}

/** A received message: also where it came from. Front, middle and data are views that the receiver may keep. */
export interface ReceivedMessage extends WireMessage {
  readonly connection: Connection;
  readonly source: EntityName;
  readonly seq: number;
  /** Clock.monotonic() at the arrival of the last byte. */
  readonly received_ms: number;
  /**
   * Gives the messenger's throttle its bytes back. The dispatcher must call it exactly once, when the message no longer occupies
   * memory on the peer's account (usually when the operation is done).
   */
  release(): void;
  /**
   * Gives the data's memory to the next message, where it is long. Beside `release`, by a dispatcher that knows that nobody has a view of
   * the data any more; such views are empty afterwards.
   */
  recycleData(): void;
}

/** How a peer proved who it is. */
export interface PeerIdentity {
  /** Whose key it was: `client.admin`. (What the peer calls itself on the wire, `client.4123`, is `Connection.peerName`.) */
  readonly name: AuthName;
  readonly globalId: bigint;
  /** Caps that came with the ticket for this service: an encoded caps string, or empty. */
  readonly caps: Uint8Array;
  readonly capsAllowAll: boolean;
}

export interface Connection {
  readonly peerType: number;
  /** Known once connected (or at once for one made by name). */
  readonly peerName: EntityName;
  readonly peerAddrs: EntityAddrVec;
  readonly peerFeatures: bigint;
  readonly peerGlobalId: bigint;
  readonly identity: PeerIdentity | undefined;
  readonly isConnected: boolean;
  /** True when frames are encrypted. */
  readonly isSecure: boolean;
  /** Whether this side asked for it. */
  readonly isOutgoing: boolean;
  /** Clock.monotonic() of the last byte or keepalive acknowledgement received. */
  readonly lastActive_ms: number;
  /** Room for the dispatcher: per-peer state that lives as long as the connection. */
  session: unknown;
  /** Queues a message. Lossless connections deliver it in order and once, across reconnects; lossy ones drop it on reset. */
  send(message: WireMessage): void;
  /** Sends KEEPALIVE2; the answer renews lastActive_ms. */
  keepalive(): void;
  /** Ends the session now; handleReset is not called for it. */
  markDown(): void;
  /** Ends after what is queued was sent. */
  markDisposable(): void;
  /** Nothing is put into `place`, which {@link Dispatcher.placeFor} gave, any more: the rest of its message goes elsewhere. */
  leave?(place: Uint8Array): void;
}

/** Where events of all connections of a messenger go. Called synchronously; must not block. */
export interface Dispatcher {
  /** Returning `false` (nothing else) says that it is not for this dispatcher: the next one added is asked. A DecodeError thrown ends the connection. */
  handleMessage(message: ReceivedMessage): unknown;
  /**
   * Memory in which the long data, `length` bytes, of a message that begins to arrive is wanted; the message's data is then a view of it. It is written before the data's
   * checksum is known, and until the message is handled or {@link Connection.leave} is called. Undefined: memory of the messenger's.
   */
  placeFor?(connection: Connection, type: number, tid: number, length: number): Uint8Array | undefined;
  /** An outgoing connection finished its handshake; again after each reconnect of a lossless session. */
  handleConnect?(connection: Connection): void;
  /** An incoming connection finished its handshake. Also for one known already, where its peer made the session's new socket. */
  handleAccept?(connection: Connection): void;
  /** The session is gone with all that was queued in it. */
  handleReset?(connection: Connection): void;
  /** The peer lost its state of a lossless session (RESETSESSION): what was sent may not have arrived. */
  handleRemoteReset?(connection: Connection): void;
  /** A connection attempt was refused by the other end's system. */
  handleRefused?(connection: Connection): void;
}

/** Session behaviour towards one type of peer. */
export interface Policy {
  /** Drops the session when the socket ends; otherwise reconnects and replays. */
  readonly lossy: boolean;
  /** Never reconnects by itself; waits for the peer to. */
  readonly server: boolean;
  /** Reconnects only when there is something to send. */
  readonly standby: boolean;
  /** Tells the peer when its session is unknown here, so that it resets. */
  readonly resetCheck: boolean;
  /** Feature bits a peer must have, else refused with what is missing. */
  readonly featuresRequired: bigint;
  /** Bytes of messages from such peers in memory at most (all connections together); undefined: only the per-connection limit. */
  readonly throttleBytes_max?: number;
  /** As above, for the number of messages. */
  readonly throttleMessages_max?: number;
  /** Lossy server: keep at most one connection for each peer address, the newest. Default true. */
  readonly registerLossyClients?: boolean;
}
