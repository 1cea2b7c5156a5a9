/**
 * Payloads of the control frames, in the order of the handshake. Each is plain fields one after another.
 */
import {
  blob,
  bool,
  bytes,
  type Codec,
  encodeToBytes,
  list,
  plain,
  Reader,
  s32,
  s64num,
  u8,
  u32,
  u64,
  u64num,
} from '../encoding/index.ts';
import { entityAddr, entityAddrVec } from '../types/index.ts';
import { BANNER_PAYLOAD_LENGTH, BANNER_PREFIX } from './constants.ts';
import { SIGNATURE_LENGTH } from './crypto.ts';

/** HELLO: who speaks, and the address it sees the other end under. */
export const helloFrame = plain('HELLO', { entityType: u8, peerAddr: entityAddr });

export const authRequestFrame = plain('AUTH_REQUEST', { method: u32, preferredModes: list(u32), payload: blob });

/** `result` is a negative errno. */
export const authBadMethodFrame = plain('AUTH_BAD_METHOD', {
  method: u32,
  result: s32,
  allowedMethods: list(u32),
  allowedModes: list(u32),
});

/** AUTH_REPLY_MORE and AUTH_REQUEST_MORE. */
export const authMoreFrame = plain('AUTH_MORE', { payload: blob });

export const authDoneFrame = plain('AUTH_DONE', { globalId: u64, connectionMode: u32, payload: blob });

export const authSignatureFrame = plain('AUTH_SIGNATURE', { signature: bytes(SIGNATURE_LENGTH) });

export const clientIdentFrame = plain('CLIENT_IDENT', {
  addrs: entityAddrVec,
  /** The address the client dialled. */
  targetAddr: entityAddr,
  /** Number of the client's entity name (an OSD's id, a client's global id). */
  gid: s64num,
  globalSeq: u64num,
  supportedFeatures: u64,
  requiredFeatures: u64,
  flags: u64,
  cookie: u64,
});

export const serverIdentFrame = plain('SERVER_IDENT', {
  addrs: entityAddrVec,
  gid: s64num,
  globalSeq: u64num,
  supportedFeatures: u64,
  requiredFeatures: u64,
  flags: u64,
  cookie: u64,
});

export const identMissingFeaturesFrame = plain('IDENT_MISSING_FEATURES', { features: u64 });

export const reconnectFrame = plain('SESSION_RECONNECT', {
  addrs: entityAddrVec,
  clientCookie: u64,
  serverCookie: u64,
  globalSeq: u64num,
  connectSeq: u64num,
  /** Last message the sender received. */
  messageSeq: u64num,
});

export const resetFrame = plain('SESSION_RESET', { full: bool });
export const retryFrame = plain('SESSION_RETRY', { connectSeq: u64num });
export const retryGlobalFrame = plain('SESSION_RETRY_GLOBAL', { globalSeq: u64num });
export const reconnectOkFrame = plain('SESSION_RECONNECT_OK', { messageSeq: u64num });
export const ackFrame = plain('ACK', { seq: u64num });

/** Reads a control frame's payload. Bytes after what is known are a later version's and skipped, as Ceph skips them. */
export function decodeControl<T>(codec: Codec<T>, payload: Uint8Array): T {
  return codec.decode(new Reader(payload));
}

export function encodeControl<T>(codec: Codec<T>, value: T): Uint8Array {
  return encodeToBytes(codec, value);
}

/** The banner: prefix, u16 length of the payload, u64 supported and u64 required protocol features. */
export function encodeBanner(supported: bigint, required: bigint): Uint8Array {
  const banner = new Uint8Array(BANNER_PREFIX.length + 2 + BANNER_PAYLOAD_LENGTH);
  banner.set(BANNER_PREFIX);
  const view = new DataView(banner.buffer);
  view.setUint16(BANNER_PREFIX.length, BANNER_PAYLOAD_LENGTH, true);
  view.setBigUint64(BANNER_PREFIX.length + 2, supported, true);
  view.setBigUint64(BANNER_PREFIX.length + 10, required, true);
  return banner;
}
