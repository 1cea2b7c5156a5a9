/** Class `timeindex`: values in the omap under keys that begin with a time (cls/timeindex). */
import { errno } from '../../base/index.ts';
import { blob, bool, byString, list, string, struct, u64num } from '../../encoding/index.ts';
import { type Utime, utime } from '../../types/index.ts';
import { CHANGES, type ClassMethods, done, encoded, methodOf, READS } from './method.ts';
import { omapAfter, removeOmapKey, setOmapValue } from './object.ts';
import { PREFIX, timePrefix } from './time-key.ts';

const LIST_MAX = 1000;

const entry = struct('cls_timeindex_entry', { version: 1, compat: 1 }, { time: utime, ext: string, value: blob });
const addOp = struct('cls_timeindex_add_op', { version: 1, compat: 1 }, { entries: list(entry) });
const listOp = struct(
  'cls_timeindex_list_op',
  { version: 1, compat: 1 },
  { from: utime, marker: string, to: utime, max: u64num },
);
const listReply = struct(
  'cls_timeindex_list_ret',
  { version: 1, compat: 1 },
  { entries: list(entry), marker: string, truncated: bool },
);
const trimOp = struct(
  'cls_timeindex_trim_op',
  { version: 1, compat: 1 },
  { from: utime, to: utime, fromMarker: string, toMarker: string },
);

const KEY = /^1_(\d+)\.(\d+)_(\S{0,255})/;

/** Ceph gives back the microseconds of a key as nanoseconds; who lists has learned to live with it. */
function parseKey(key: string): { time: Utime; ext: string } | undefined {
  const found = KEY.exec(key);
  return found === null ? undefined : { time: { sec: Number(found[1]), nsec: Number(found[2]) }, ext: found[3]! };
}

export const timeindexClass: ClassMethods = {
  add: methodOf(CHANGES, addOp, (ctx, { entries }) => {
    for (const e of entries) {
      const result = setOmapValue(ctx, timePrefix(e.time) + e.ext, e.value);
      if (result < 0) return result;
    }
    return done(0);
  }),
  list: methodOf(READS, listOp, (ctx, { from, marker, to, max }) => {
    const start = marker === '' ? timePrefix(from) : marker;
    const bounded = to.sec > from.sec || (to.sec === from.sec && to.nsec >= from.nsec);
    const end = bounded ? timePrefix(to) : undefined;
    const found = omapAfter(ctx, start, PREFIX, Math.min(max, LIST_MAX));
    if (typeof found === 'number') return found;
    const reply = {
      entries: [] as { time: Utime; ext: string; value: Uint8Array }[],
      marker: '',
      truncated: found.more,
    };
    for (const [key, value] of found.entries) {
      if (end !== undefined && byString(key.slice(0, end.length), end) >= 0) {
        reply.truncated = false;
        break;
      }
      const parsed = parseKey(key);
      if (parsed !== undefined) reply.entries.push({ ...parsed, value });
      reply.marker = key;
    }
    return encoded(listReply, reply);
  }),
  trim: methodOf(CHANGES, trimOp, (ctx, { from, to, fromMarker, toMarker }) => {
    const start = fromMarker === '' ? timePrefix(from) : fromMarker;
    const end = toMarker === '' ? timePrefix(to) : toMarker;
    const found = omapAfter(ctx, start, PREFIX, LIST_MAX);
    if (typeof found === 'number') return found;
    let removed = 0;
    for (const [key] of found.entries) {
      if (byString(key.slice(0, end.length), end) > 0) break;
      const result = removeOmapKey(ctx, key);
      if (result < 0) return result;
      removed++;
    }
    return removed === 0 ? -errno.ENODATA : done(0);
  }),
};
