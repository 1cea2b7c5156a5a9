/**
 * Runs the operations of one request on one object: reads against the store as it is, writes into one transaction. All that an operation
 * answers is an errno (negative) or a count; nothing here throws for what a client sent.
 */
import { errno } from '../../base/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import { compareXattr, getXattr, getXattrs, removeXattr, setXattr } from './attr-ops.ts';
import { callNames } from './client-op.ts';
import { opCode, subOpFlag } from './codes.ts';
import type { OpContext } from './context.ts';
import { copyFrom, copyGet } from './copy-ops.ts';
import { oiFlag } from './object-info.ts';
import {
  omapClear,
  omapCompare,
  omapGetHeader,
  omapGetKeys,
  omapGetVals,
  omapGetValsByKeys,
  omapRemoveKeys,
  omapRemoveRange,
  omapSetHeader,
  omapSetVals,
} from './omap-ops.ts';
import {
  assertVersion,
  checksum,
  compareExtent,
  listSnaps,
  listWatchers,
  mapExtents,
  read,
  sparseRead,
  stat,
} from './read-ops.ts';
import { SubOp } from './sub-op.ts';
import { notify, notifyAck, watch } from './watch-ops.ts';
import {
  append,
  create,
  remove,
  rollback,
  setAllocHint,
  truncate,
  write,
  writeFull,
  writeSame,
  zero,
} from './write-ops.ts';

/** Operations that move no user version although they write. */
function leavesUserVersion(code: number): boolean {
  return code === opCode.WATCH || code === opCode.UNDIRTY || code === opCode.COPY_FROM || code === opCode.COPY_FROM2;
}

/** Extent operations with a truncation of sequence 1 and no size mean none. */
function usesExtent(code: number): boolean {
  switch (code) {
    case opCode.READ:
    case opCode.MAPEXT:
    case opCode.MASKTRUNC:
    case opCode.SPARSE_READ:
    case opCode.SYNC_READ:
    case opCode.WRITE:
    case opCode.WRITEFULL:
    case opCode.TRUNCATE:
    case opCode.ZERO:
    case opCode.APPEND:
    case opCode.TRIMTRUNC:
    case opCode.CMPEXT:
      return true;
    default:
      return false;
  }
}

const NO_TRUNCATION = 2 ** 64;

/**
 * Runs all operations in order until one fails without FAILOK. Returns the last result, or the failure. `rval` and the answers are in the operations.
 */
export function executeOps(ctx: OpContext, ops: readonly SubOp[]): number {
  let result = 0;
  for (const sub of ops) {
    result = executeOne(ctx, sub);
    sub.rval = result;
    ctx.subOps++;
    if (result < 0) {
      if ((sub.flags & subOpFlag.FAILOK) !== 0 && result !== -errno.EAGAIN) result = 0;
      else break;
    }
  }
  return result;
}

export function executeOne(ctx: OpContext, sub: SubOp): number {
  try {
    return dispatch(ctx, sub);
  } catch (error) {
    if (error instanceof DecodeError) return -errno.EINVAL;
    throw error;
  }
}

function dispatch(ctx: OpContext, sub: SubOp): number {
  let code = sub.code;
  if ((code & 0x2000) !== 0 && !leavesUserVersion(code)) ctx.userModify = true;
  if (sub.truncateSeq === 1 && sub.truncateSize >= NO_TRUNCATION && usesExtent(code)) {
    sub.truncateSize = 0;
    sub.truncateSeq = 0;
  }
  if (code === opCode.ZERO && ctx.exists && reachesEnd(ctx, sub)) {
    if (sub.offset >= ctx.oi.size) return 0;
    code = opCode.TRUNCATE;
    sub.code = code;
  }
  switch (code) {
    case opCode.READ:
    case opCode.SYNC_READ:
      return read(ctx, sub);
    case opCode.WRITE:
      return write(ctx, sub);
    case opCode.WRITEFULL:
      return writeFull(ctx, sub);
    case opCode.STAT:
      return stat(ctx, sub);
    case opCode.SPARSE_READ:
      return sparseRead(ctx, sub);
    case opCode.MAPEXT:
      return mapExtents(ctx, sub);
    case opCode.CMPEXT:
      return compareExtent(ctx, sub);
    case opCode.CHECKSUM:
      return checksum(ctx, sub);
    case opCode.ASSERT_VER:
      return assertVersion(ctx, sub);
    case opCode.LIST_WATCHERS:
      return listWatchers(ctx, sub);
    case opCode.LIST_SNAPS:
      return listSnaps(ctx, sub);
    case opCode.GETXATTR:
      return getXattr(ctx, sub);
    case opCode.GETXATTRS:
      return getXattrs(ctx, sub);
    case opCode.CMPXATTR:
      return compareXattr(ctx, sub);
    case opCode.SETXATTR:
      return setXattr(ctx, sub);
    case opCode.RMXATTR:
      return removeXattr(ctx, sub);
    case opCode.APPEND:
      return append(ctx, sub);
    case opCode.WRITESAME:
      return writeSame(ctx, sub);
    case opCode.ZERO:
      return zero(ctx, sub);
    case opCode.CREATE:
      return create(ctx, sub);
    case opCode.TRIMTRUNC:
      sub.offset = sub.truncateSize;
      return truncate(ctx, sub);
    case opCode.TRUNCATE:
      return truncate(ctx, sub);
    case opCode.DELETE:
      return remove(ctx);
    case opCode.ROLLBACK:
      return rollback(ctx, sub);
    case opCode.SETALLOCHINT:
      return setAllocHint(ctx, sub);
    case opCode.STARTSYNC:
      ctx.touched = true;
      return 0;
    case opCode.WATCH:
      return watch(ctx, sub);
    case opCode.NOTIFY:
      return notify(ctx, sub);
    case opCode.NOTIFY_ACK:
      return notifyAck(ctx, sub);
    case opCode.OMAPGETKEYS:
      return omapGetKeys(ctx, sub);
    case opCode.OMAPGETVALS:
      return omapGetVals(ctx, sub);
    case opCode.OMAPGETHEADER:
      return omapGetHeader(ctx, sub);
    case opCode.OMAPGETVALSBYKEYS:
      return omapGetValsByKeys(ctx, sub);
    case opCode.OMAP_CMP:
      return omapCompare(ctx, sub);
    case opCode.OMAPSETVALS:
      return omapSetVals(ctx, sub);
    case opCode.OMAPSETHEADER:
      return omapSetHeader(ctx, sub);
    case opCode.OMAPCLEAR:
      return omapClear(ctx);
    case opCode.OMAPRMKEYS:
      return omapRemoveKeys(ctx, sub);
    case opCode.OMAPRMKEYRANGE:
      return omapRemoveRange(ctx, sub);
    case opCode.CALL:
      return call(ctx, sub);
    case opCode.ISDIRTY:
      ctx.reads++;
      ctx.delta.rd++;
      sub.out(Uint8Array.of(ctx.oi.test(oiFlag.DIRTY) ? 1 : 0));
      return 0;
    case opCode.UNDIRTY:
      ctx.writes++;
      if (ctx.oi.test(oiFlag.DIRTY)) {
        ctx.undirty = true;
        ctx.modify = true;
        ctx.delta.wr++;
      }
      return 0;
    case opCode.COPY_GET:
      return copyGet(ctx, sub);
    case opCode.COPY_FROM:
    case opCode.COPY_FROM2:
      return copyFrom(ctx, sub);
    case opCode.TMAPGET: {
      const whole = SubOp.extent(opCode.SYNC_READ, 0, 0);
      const result = read(ctx, whole);
      sub.outdata = whole.outdata;
      return result;
    }
    case opCode.UNSET_MANIFEST:
      ctx.writes++;
      // No object here has a manifest.
      return ctx.exists ? -errno.EOPNOTSUPP : -errno.ENOENT;
    case opCode.CACHE_PIN:
    case opCode.CACHE_UNPIN:
    case opCode.CACHE_FLUSH:
    case opCode.CACHE_TRY_FLUSH:
    case opCode.CACHE_EVICT:
      // Only a cache tier takes these, and no pool here is one.
      return -errno.EINVAL;
    default:
      return -errno.EOPNOTSUPP;
  }
}

/** A zero that covers the object's end is a truncation (and one beyond the end is nothing). */
function reachesEnd(ctx: OpContext, sub: SubOp): boolean {
  const limit = ctx.host.limits.objectSize;
  return sub.offset < limit && sub.length >= 1 && sub.length <= limit && sub.offset + sub.length >= ctx.oi.size;
}

function call(ctx: OpContext, sub: SubOp): number {
  const names = callNames(sub);
  if (names === undefined) return -errno.EINVAL;
  const length = sub.unionU32(3);
  if (length > sub.indata.length - names.inputAt) return -errno.EINVAL;
  const input = sub.indata.subarray(names.inputAt, names.inputAt + length);
  const answer = ctx.host.call(ctx, names.cls, names.method, input);
  if (typeof answer === 'number') return answer;
  const data = answer instanceof Uint8Array ? answer : answer.data;
  if (data.length > 0) sub.out(data);
  sub.length = data.length;
  return answer instanceof Uint8Array ? 0 : answer.result;
}
