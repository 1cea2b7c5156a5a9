import { crc32c } from '../base/index.ts';
import {
  body,
  type Codec,
  optional,
  type Reader,
  string,
  struct,
  u8,
  u32,
  u64,
  u64num,
  Writer,
} from '../encoding/index.ts';
import { authName, EntityAddr, type EntityName, entityAddr, entityAddrVec, entityName } from '../types/index.ts';
import { defineMessage, joinParts, type MessageParts, noData } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/*
 * A message inside a message (encode_message in msg/Message.cc):
 *
 *   ceph_msg_header             53 bytes: u64 seq, u64 tid, u16 type, u16 priority, u16 version, u32 front, u32 middle and u32 data length,
 *                               u16 data offset, u8 and s64 source, u16 compat version, u16 reserved, u32 crc of the 49 before
 *   ceph_msg_footer_old         u32 front crc, u32 middle crc, u32 data crc, u8 flags
 *   bytes front, bytes middle, bytes data
 */
const HEADER_LENGTH = 53;
const FOOTER_LENGTH = 13;
const FOOTER_COMPLETE = 1;

/** A message that travels in another, with who sent it. */
export interface EmbeddedMessage {
  readonly parts: MessageParts;
  readonly source: EntityName;
  readonly seq: number;
}

function encodeEmbedded(w: Writer, { parts, source, seq }: EmbeddedMessage): void {
  const data = parts.data.length === 0 ? new Uint8Array(0) : joinParts(parts.data);
  const h = new Writer(HEADER_LENGTH);
  h.u64num(seq);
  h.u64num(parts.tid);
  h.u16(parts.type);
  h.u16(parts.priority);
  h.u16(parts.version);
  h.u32(parts.front.length);
  h.u32(parts.middle.length);
  h.u32(data.length);
  h.u16(parts.dataOffset);
  entityName.encode(h, source);
  h.u16(parts.compatVersion);
  h.u16(0);
  const crc = crc32c(0, h.bytes());
  w.raw(h.bytes());
  w.u32(crc);
  w.u32(crc32c(0, parts.front));
  w.u32(crc32c(0, parts.middle));
  w.u32(crc32c(0, data));
  w.u8(FOOTER_COMPLETE);
  w.blob(parts.front);
  w.blob(parts.middle);
  w.blob(data);
}

/** Checksums are not looked at: the message around was checked. */
function decodeEmbedded(r: Reader): EmbeddedMessage {
  r.need(HEADER_LENGTH + FOOTER_LENGTH);
  const seq = r.u64num();
  const tid = r.u64num();
  const type = r.u16();
  const priority = r.u16();
  const version = r.u16();
  r.skip(12);
  const dataOffset = r.u16();
  const source = entityName.decode(r);
  const compatVersion = r.u16();
  r.skip(2 + 4 + FOOTER_LENGTH);
  const front = r.blob();
  const middle = r.blob();
  const data = r.blob();
  return {
    seq,
    source,
    parts: {
      type,
      version,
      compatVersion,
      priority,
      tid,
      front,
      middle,
      data: data.length === 0 ? noData : [data],
      dataOffset,
    },
  };
}

export const embeddedMessage: Codec<EmbeddedMessage> = {
  name: 'message',
  length_min: HEADER_LENGTH + FOOTER_LENGTH + 12,
  encode: encodeEmbedded,
  decode: decodeEmbedded,
};

/** MonCap as text. */
const monCap = struct('MonCap', { version: 4, compat: 4 }, { text: string });

/** Monitor to leader: a client's message. The answer comes as MRoute with the same `tid`. */
export const MForward = defineMessage(
  messageTypeNumber.FORWARD,
  body(
    'forward',
    { version: 4, compat: 4 },
    {
      tid: u64num,
      clientType: u8,
      clientAddrs: entityAddrVec,
      clientSocketAddr: entityAddr,
      clientCaps: monCap,
      message: embeddedMessage,
      /** Features of the client's connection. */
      features: u64,
      entityName: authName,
    },
  ),
);

/** bool, then the message where there is one. */
const maybeMessage: Codec<EmbeddedMessage | undefined> = optional(embeddedMessage);

const unusedInst: Codec<undefined> = {
  name: 'entity_inst_t',
  length_min: 10,
  encode(w) {
    entityName.encode(w, { type: 0, num: 0 });
    entityAddr.encode(w, EntityAddr.none);
  },
  decode(r) {
    entityName.decode(r);
    entityAddr.decode(r);
    return undefined;
  },
};

/** Leader to monitor: pass this on to the client of the forwarded message, and send it OSD maps from an epoch on. */
export const MRoute = defineMessage(
  messageTypeNumber.ROUTE,
  body(
    'route',
    { version: 3, compat: 3 },
    { tid: u64num, destination: unusedInst, message: maybeMessage, sendOsdmapFirst: u32 },
  ),
  { defaults: { destination: undefined, sendOsdmapFirst: 0 } },
);
