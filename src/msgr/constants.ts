/**
 * Numbers of messenger protocol v2 (msg/async/frames_v2.h, include/msgr.h of Ceph 16.2) and this side's limits.
 */

/** Frame tags. */
export const Tag = {
  HELLO: 1,
  AUTH_REQUEST: 2,
  AUTH_BAD_METHOD: 3,
  AUTH_REPLY_MORE: 4,
  AUTH_REQUEST_MORE: 5,
  AUTH_DONE: 6,
  AUTH_SIGNATURE: 7,
  CLIENT_IDENT: 8,
  SERVER_IDENT: 9,
  IDENT_MISSING_FEATURES: 10,
  SESSION_RECONNECT: 11,
  SESSION_RESET: 12,
  SESSION_RETRY: 13,
  SESSION_RETRY_GLOBAL: 14,
  SESSION_RECONNECT_OK: 15,
  WAIT: 16,
  MESSAGE: 17,
  KEEPALIVE2: 18,
  KEEPALIVE2_ACK: 19,
  ACK: 20,
} as const;

const tagNames = new Map<number, string>(Object.entries(Tag).map(([name, tag]) => [tag, name]));

/** `HELLO` and so on; `tag 99` for one that does not exist. */
export function tagName(tag: number): string {
  return tagNames.get(tag) ?? `tag ${tag}`;
}

/** What both ends send first; then u16 length and that many bytes: u64 supported, u64 required features of the protocol. */
export const BANNER_PREFIX = Uint8Array.from('ceph v2\n', (c) => c.charCodeAt(0));
/** What a peer of the old protocol sends first; named in the log line that refuses it. */
export const BANNER_V1_PREFIX = Uint8Array.from('ceph v027', (c) => c.charCodeAt(0));
/** Feature of the protocol itself: frame revision 1 (msgr 2.1). */
export const MSGR2_FEATURE_REVISION_1 = 1n;
export const BANNER_PAYLOAD_LENGTH = 16;

export const SEGMENTS_MAX = 4;
export const PREAMBLE_LENGTH = 32;
/** Revision 1, secure: the start of the first segment rides in the preamble's block. */
export const PREAMBLE_INLINE_LENGTH = 48;
export const CRYPTO_BLOCK_LENGTH = 16;
export const AUTH_TAG_LENGTH = 16;
export const CRC_LENGTH = 4;
export const EPILOGUE_CRC_REV0_LENGTH = 1 + 4 * SEGMENTS_MAX;
export const EPILOGUE_CRC_REV1_LENGTH = 1 + 4 * (SEGMENTS_MAX - 1);
/** Without the authentication tag that follows it. */
export const EPILOGUE_SECURE_LENGTH = CRYPTO_BLOCK_LENGTH;
/** ceph_msg_header2. */
export const MESSAGE_HEADER_LENGTH = 41;

/** Revision 0 late_flags: the sender gave the frame up after its preamble. */
export const LATE_FLAG_ABORTED = 1;
/** Revision 1 late_status, low nibble. */
export const LATE_STATUS_ABORTED = 0x1;
export const LATE_STATUS_COMPLETE = 0xe;

/** Alignments that the preamble states: of a pointer, and of a page for the data segment. */
export const ALIGNMENT_DEFAULT = 8;
export const ALIGNMENT_DATA = 4096;

/** Flag of CLIENT_IDENT and SERVER_IDENT: the session is dropped with the socket. */
export const CONNECT_FLAG_LOSSY = 1n;

/** ceph_msg_footer flags as Ceph's header2 carries them: complete, and no crc (the frame has its own). */
export const MESSAGE_FLAGS = 1 | 2;

/** CEPH_MSG_PRIO_*. */
export const messagePriority = { LOW: 64, DEFAULT: 127, HIGH: 196, HIGHEST: 255 } as const;

/** Limits of what a peer can make this side hold. All bytes. */
export const limits = {
  /** Everything received on a connection until the peer is authenticated. A cephx exchange takes under 4 KiB; Kerberos tickets may take 64. */
  preAuthBytes: 256 * 1024,
  /** A control frame's payload after that. An ident with a full address vector takes under 1 KiB. */
  controlBytes: 64 * 1024,
  /** Front, middle and data together of one message. Ceph's OSD refuses writes above 90 MiB, an object may have 128 MiB, a full OSD map 10 MiB. */
  messageBytes: 256 * 1024 * 1024,
} as const;
