/** Class `log`: entries in the omap, keyed and listed by time (cls/log). */
import { errno } from '../../base/index.ts';
import { blob, bool, byString, list, s32, since, string, struct } from '../../encoding/index.ts';
import { type Utime, utime, utimeIsZero, utimeZero } from '../../types/index.ts';
import type { OpContext } from '../ops/context.ts';
import { CHANGES, type ClassMethods, done, EIO, encoded, methodOf, READS, stored } from './method.ts';
import { omapAfter, omapHeader, removeOmapRange, setOmapHeader, setOmapValue } from './object.ts';
import { PREFIX, timePrefix } from './time-key.ts';

const LIST_MAX = 1000;

const entry = struct(
  'cls_log_entry',
  { version: 2, compat: 1 },
  { section: string, name: string, timestamp: utime, data: blob, id: since(2, string, () => '') },
);
const header = struct('cls_log_header', { version: 1, compat: 1 }, { maxMarker: string, maxTime: utime });
const addOp = struct(
  'cls_log_add_op',
  { version: 2, compat: 1 },
  { entries: list(entry), monotonic: since(2, bool, () => true) },
);
const listOp = struct(
  'cls_log_list_op',
  { version: 1, compat: 1 },
  { from: utime, marker: string, to: utime, max: s32 },
);
const listReply = struct(
  'cls_log_list_ret',
  { version: 1, compat: 1 },
  { entries: list(entry), marker: string, truncated: bool },
);
const trimOp = struct(
  'cls_log_trim_op',
  { version: 2, compat: 1 },
  { from: utime, to: utime, fromMarker: since(2, string, () => ''), toMarker: since(2, string, () => '') },
);
const infoOp = struct('cls_log_info_op', { version: 1, compat: 1 }, {});
const infoReply = struct('cls_log_info_ret', { version: 1, compat: 1 }, { header });

function before(a: Utime, b: Utime): boolean {
  return a.sec < b.sec || (a.sec === b.sec && a.nsec < b.nsec);
}

/** A header that cannot be read counts as none. */
function readHeader(ctx: OpContext): { maxMarker: string; maxTime: Utime } | number {
  const bytes = omapHeader(ctx);
  if (typeof bytes === 'number') return bytes;
  const found = bytes.length === 0 ? EIO : stored(header, bytes);
  return found === EIO ? { maxMarker: '', maxTime: utimeZero } : { ...found };
}

export const logClass: ClassMethods = {
  add: methodOf(CHANGES, addOp, (ctx, { entries, monotonic }) => {
    const head = readHeader(ctx);
    if (typeof head === 'number') return head;
    for (const e of entries) {
      let time = e.timestamp;
      if (monotonic && before(time, head.maxTime)) time = head.maxTime;
      else if (before(head.maxTime, time)) head.maxTime = time;
      // Version and place of the operation make keys of one time differ.
      const id = e.id !== '' ? e.id : `${timePrefix(time)}${ctx.host.lastUserVersion}.${ctx.subOps}`;
      if (byString(id, head.maxMarker) > 0) head.maxMarker = id;
      const result = setOmapValue(ctx, id, encoded(entry, { ...e, id }));
      if (result < 0) return result;
    }
    return done(setOmapHeader(ctx, encoded(header, head)));
  }),
  list: methodOf(READS, listOp, (ctx, { from, marker, to, max }) => {
    const start = marker === '' ? timePrefix(from) : marker;
    const end = !utimeIsZero(from) && !before(to, from) ? timePrefix(to) : undefined;
    const found = omapAfter(ctx, start, PREFIX, max > 0 && max <= LIST_MAX ? max : LIST_MAX);
    if (typeof found === 'number') return found;
    const reply = { entries: [] as Parameters<typeof entry.encode>[1][], marker: '', truncated: found.more };
    for (const [key, value] of found.entries) {
      reply.marker = key;
      if (end !== undefined && byString(key.slice(0, end.length), end) >= 0) {
        reply.truncated = false;
        break;
      }
      const e = stored(entry, value);
      if (e !== EIO) reply.entries.push(e);
    }
    return encoded(listReply, reply);
  }),
  trim: methodOf(CHANGES, trimOp, (ctx, { from, to, fromMarker, toMarker }) => {
    const start = fromMarker === '' ? timePrefix(from) : fromMarker;
    const end = toMarker === '' ? timePrefix({ sec: to.sec, nsec: to.nsec + 1000 }) : `${toMarker}\0`;
    const found = omapAfter(ctx, start, '', 1);
    if (typeof found === 'number') return found;
    const first = found.entries[0]?.[0];
    if (first === undefined || byString(end, first) < 0) return -errno.ENODATA;
    return done(removeOmapRange(ctx, first, end));
  }),
  info: methodOf(READS, infoOp, (ctx) => {
    const head = readHeader(ctx);
    return typeof head === 'number' ? head : encoded(infoReply, { header: head });
  }),
};
