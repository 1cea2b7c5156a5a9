import { type Codec, string, struct, u16, u64num } from '../../encoding/index.ts';
import { EntityAddrVec, entityAddr, entityAddrVec } from '../entity-addr.ts';
import { type AuthName, authName, type EntityName, entityName } from '../entity-name.ts';
import { feature, hasFeature } from '../features.ts';
import { type Utime, utime } from '../utime.ts';

/** clog_type: how serious an entry of the cluster log is. */
export const clogType = { DEBUG: 0, INFO: 1, SEC: 2, WARN: 3, ERROR: 4, UNKNOWN: -1 } as const;

/** LogEntry: a line of the cluster log. */
export interface LogEntry {
  /** Whose key the writer has: `osd.3`, `client.admin`. */
  name: AuthName;
  /** What the writer calls itself on the wire: `osd.3`, `client.4123`. */
  rank: EntityName;
  addrs: EntityAddrVec;
  stamp: Utime;
  /** Ascends by writer. */
  seq: number;
  /** One of clogType. */
  prio: number;
  msg: string;
  /** `cluster`, `audit`, `cephadm`. */
  channel: string;
}

const current = struct(
  'LogEntry',
  { version: 5, compat: 5 },
  {
    name: authName,
    rank: entityName,
    addrs: entityAddrVec,
    stamp: utime,
    seq: u64num,
    prio: u16,
    msg: string,
    channel: string,
  },
);

export const logEntry: Codec<LogEntry> = {
  name: 'LogEntry',
  length_min: 6,
  encode(w, e) {
    if (hasFeature(w.features, feature.SERVER_NAUTILUS)) {
      current.encode(w, e);
      return;
    }
    const token = w.structStart(4, 2);
    entityName.encode(w, e.rank);
    entityAddr.encode(w, e.addrs.front);
    utime.encode(w, e.stamp);
    w.u64num(e.seq);
    w.u16(e.prio);
    w.string(e.msg);
    w.string(e.channel);
    authName.encode(w, e.name);
    w.structEnd(token);
  },
  decode(r) {
    // The version decides the order of all fields, so it is looked at before the struct is opened.
    r.need(1);
    if (r.buffer[r.offset]! >= 5) return current.decode(r);
    const frame = r.structStart(5);
    const rank = entityName.decode(r);
    const addrs = EntityAddrVec.of(entityAddr.decode(r));
    const stamp = utime.decode(r);
    const seq = r.u64num();
    const prio = r.u16();
    const msg = r.string();
    const channel = frame.version >= 3 ? r.string() : 'cluster';
    const name = frame.version >= 4 ? authName.decode(r) : { type: rank.type, id: String(rank.num) };
    r.structEnd(frame);
    return { name, rank, addrs, stamp, seq, prio, msg, channel };
  },
};
