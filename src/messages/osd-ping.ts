import { type BodyCodec, DecodeError, optional } from '../encoding/index.ts';
import { span_ns, type Utime, type Uuid, utime, uuid } from '../types/index.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

export const osdPingOp = {
  HEARTBEAT: 0,
  START_HEARTBEAT: 1,
  YOU_DIED: 2,
  STOP_HEARTBEAT: 3,
  PING: 4,
  PING_REPLY: 5,
} as const;

export interface OsdPing {
  fsid: Uuid;
  mapEpoch: number;
  /** One of osdPingOp. */
  op: number;
  /** When the PING was sent, by the pinger's wall clock. */
  pingStamp: Utime;
  upFrom: number;
  /** The same by its monotonic clock, nanoseconds. */
  monoPingStamp_ns: number;
  /** When this message was sent, by the sender's monotonic clock. */
  monoSendStamp_ns: number;
  /** The sender's clock is behind the receiver's by at most this. */
  deltaUb_ns: number | undefined;
  /** Size to fill the message up to, so that large packets are tried too (osd_heartbeat_min_size). */
  minMessageSize: number;
}

/** Bytes before the count of padding. */
const HEAD_LENGTH = 29;
const delta = optional(span_ns);

/*
 * uuid fsid, u32 map epoch, u8 op, utime_t stamp, u32 n, u32 up from, duration mono ping stamp, duration mono send stamp,
 * optional duration delta, n zeros
 */
const codec: BodyCodec<OsdPing> = {
  name: 'osd_ping',
  version: 5,
  compat: 4,
  encode(w, p) {
    uuid.encode(w, p.fsid);
    w.u32(p.mapEpoch);
    w.u8(p.op);
    utime.encode(w, p.pingStamp);
    const padding = Math.max(0, p.minMessageSize - HEAD_LENGTH);
    w.u32(padding);
    w.u32(p.upFrom);
    span_ns.encode(w, p.monoPingStamp_ns);
    span_ns.encode(w, p.monoSendStamp_ns);
    delta.encode(w, p.deltaUb_ns);
    w.zeros(padding);
  },
  decode(r, version) {
    try {
      const fsid = uuid.decode(r);
      const mapEpoch = r.u32();
      const op = r.u8();
      const pingStamp = utime.decode(r);
      const padding = r.u32();
      const current = version >= 5;
      const upFrom = current ? r.u32() : 0;
      const monoPingStamp_ns = current ? span_ns.decode(r) : 0;
      const monoSendStamp_ns = current ? span_ns.decode(r) : 0;
      const deltaUb_ns = current ? delta.decode(r) : undefined;
      r.skip(padding);
      const minMessageSize = padding + HEAD_LENGTH;
      return {
        fsid,
        mapEpoch,
        op,
        pingStamp,
        upFrom,
        monoPingStamp_ns,
        monoSendStamp_ns,
        deltaUb_ns,
        minMessageSize,
      };
    } catch (error) {
      if (error instanceof DecodeError) error.within('osd_ping');
      throw error;
    }
  },
};

/** Heartbeat between OSDs, and its answer. */
export const MOSDPing = defineMessage(messageTypeNumber.OSD_PING, codec, {
  defaults: { deltaUb_ns: undefined, minMessageSize: 0 },
});
