/** Class `lock`: advisory locks on objects, kept in xattr "lock.NAME" (cls/lock/cls_lock.cc, cls_lock_types.h). */
import { errno } from '../../base/index.ts';
import { DecodeError, Reader, Writer } from '../../encoding/index.ts';
import {
  addrType,
  EntityAddr,
  type EntityName,
  entityAddr,
  entityName,
  type Utime,
  utime,
  utimeAdd,
  utimeFromMs,
  utimeIsZero,
  utimeToMs,
  utimeZero,
} from '../../types/index.ts';
import { attrOf, userAttrs } from '../ops/attr-ops.ts';
import type { OpContext } from '../ops/context.ts';
import { deleteObject } from '../ops/write-ops.ts';
import type { ClassMethod, ClassMethods } from './method.ts';

const PREFIX = 'lock.';
const EMPTY = new Uint8Array(0);

const lockType = { NONE: 0, EXCLUSIVE: 1, SHARED: 2, EXCLUSIVE_EPHEMERAL: 3 } as const;
const lockFlag = { MAY_RENEW: 1, MUST_RENEW: 2 } as const;

interface Locker {
  readonly who: EntityName;
  readonly cookie: string;
  readonly expiration: Utime;
  readonly addr: EntityAddr;
  readonly description: string;
}

interface Lock {
  lockers: Locker[];
  type: number;
  tag: string;
}

function isValid(type: number): boolean {
  return type === lockType.EXCLUSIVE || type === lockType.SHARED || type === lockType.EXCLUSIVE_EPHEMERAL;
}

function indexOf(lock: Lock, who: EntityName, cookie: string): number {
  return lock.lockers.findIndex((l) => l.who.type === who.type && l.who.num === who.num && l.cookie === cookie);
}

function byLocker(a: Locker, b: Locker): number {
  return a.who.type - b.who.type || a.who.num - b.who.num || (a.cookie < b.cookie ? -1 : a.cookie > b.cookie ? 1 : 0);
}

function writeLockers(w: Writer, lockers: readonly Locker[]): void {
  w.u32(lockers.length);
  for (const l of [...lockers].sort(byLocker)) {
    const id = w.structStart(1, 1);
    entityName.encode(w, l.who);
    w.string(l.cookie);
    w.structEnd(id);
    const info = w.structStart(1, 1);
    utime.encode(w, l.expiration);
    entityAddr.encode(w, l.addr);
    w.string(l.description);
    w.structEnd(info);
  }
}

function encodeLock(lock: Lock): Uint8Array {
  const w = new Writer(256);
  const token = w.structStart(1, 1);
  writeLockers(w, lock.lockers);
  w.u8(lock.type);
  w.string(lock.tag);
  w.structEnd(token);
  return w.bytes();
}

function decodeLock(bytes: Uint8Array): Lock {
  const r = new Reader(bytes);
  const frame = r.structStart(1);
  const n = r.count(12);
  const lockers: Locker[] = [];
  for (let i = 0; i < n; i++) {
    const id = r.structStart(1);
    const who = entityName.decode(r);
    const cookie = r.string();
    r.structEnd(id);
    const info = r.structStart(1);
    const expiration = utime.decode(r);
    const addr = entityAddr.decode(r);
    const description = r.string();
    r.structEnd(info);
    lockers.push({ who, cookie, expiration, addr, description });
  }
  const type = r.u8();
  const tag = r.string();
  r.structEnd(frame);
  return { lockers, type, tag };
}

/** The lock without those who hold it no longer; a negative errno. */
function readLock(ctx: OpContext, name: string): Lock | number {
  ctx.reads++;
  const bytes = attrOf(ctx, `_${PREFIX}${name}`);
  if (bytes === -errno.ENODATA) return { lockers: [], type: lockType.NONE, tag: '' };
  if (typeof bytes === 'number') return bytes;
  try {
    const lock = decodeLock(bytes);
    const now = ctx.host.now_ms;
    lock.lockers = lock.lockers.filter((l) => utimeIsZero(l.expiration) || utimeToMs(l.expiration) >= now);
    return lock;
  } catch (error) {
    if (error instanceof DecodeError) return -errno.EIO;
    throw error;
  }
}

function writeLock(ctx: OpContext, name: string, lock: Lock): number {
  ctx.writes++;
  if (name.length + PREFIX.length > ctx.host.limits.attrNameLength) return -errno.ENAMETOOLONG;
  ctx.ensureObject();
  ctx.t.setattr(ctx.host.coll, ctx.obc.gho, `_${PREFIX}${name}`, encodeLock(lock));
  ctx.touched = true;
  ctx.delta.wr++;
  return 0;
}

/** Who sent the request. Its address is kept without a protocol, as old clients know it. */
export function origin(ctx: OpContext): { who: EntityName; addr: EntityAddr } {
  const peer = ctx.op.message.connection.peerAddrs.addrs[0] ?? EntityAddr.none;
  const { nonce, family, port, ip, flowinfo, scopeId } = peer;
  return {
    who: ctx.op.message.source,
    addr: new EntityAddr({ type: addrType.LEGACY, nonce, family, port, ip, flowinfo, scopeId }),
  };
}

function answer(result: number): Uint8Array | number {
  return result < 0 ? result : EMPTY;
}

function method(write: boolean, run: (ctx: OpContext, r: Reader) => Uint8Array | number): ClassMethod {
  return {
    read: true,
    write,
    run(ctx, input) {
      const r = new Reader(input);
      const frame = r.structStart(1);
      const result = run(ctx, r);
      r.structEnd(frame);
      return result;
    },
  };
}

function take(ctx: OpContext, r: Reader): Uint8Array | number {
  const name = r.string();
  const type = r.u8();
  const cookie = r.string();
  const tag = r.string();
  const description = r.string();
  const duration = utime.decode(r);
  const flags = r.u8();
  const mayRenew = (flags & lockFlag.MAY_RENEW) !== 0;
  const mustRenew = (flags & lockFlag.MUST_RENEW) !== 0;
  if (!isValid(type) || name === '' || (mayRenew && mustRenew)) return -errno.EINVAL;
  const read = readLock(ctx, name);
  if (typeof read === 'number' && read !== -errno.ENOENT) return read;
  const lock: Lock = typeof read === 'number' ? { lockers: [], type: lockType.NONE, tag: '' } : read;
  const { who, addr } = origin(ctx);
  if (lock.lockers.length > 0 && lock.tag !== tag) return -errno.EBUSY;
  const at = indexOf(lock, who, cookie);
  if (at >= 0) {
    if (!mayRenew && !mustRenew) return -errno.EEXIST;
    lock.lockers.splice(at, 1);
  } else if (mustRenew) {
    return -errno.ENOENT;
  }
  if (lock.lockers.length > 0 && (type !== lockType.SHARED || lock.type !== type)) return -errno.EBUSY;
  const expiration = utimeIsZero(duration) ? utimeZero : utimeAdd(utimeFromMs(ctx.host.now_ms), duration);
  lock.lockers.push({ who, cookie, expiration, addr, description });
  lock.type = type;
  lock.tag = tag;
  return answer(writeLock(ctx, name, lock));
}

function release(ctx: OpContext, name: string, who: EntityName, cookie: string): Uint8Array | number {
  const lock = readLock(ctx, name);
  if (typeof lock === 'number') return lock;
  const at = indexOf(lock, who, cookie);
  if (at < 0) return -errno.ENOENT;
  if (lock.type === lockType.EXCLUSIVE_EPHEMERAL) {
    ctx.writes++;
    return answer(deleteObject(ctx));
  }
  lock.lockers.splice(at, 1);
  return answer(writeLock(ctx, name, lock));
}

/** The lock, and where in it the caller's hold stands; EBUSY where it does not hold it as it says. */
function held(
  ctx: OpContext,
  name: string,
  type: number,
  cookie: string,
  tag: string,
): { lock: Lock; at: number } | number {
  if (!isValid(type) || name === '') return -errno.EINVAL;
  const lock = readLock(ctx, name);
  if (typeof lock === 'number') return lock;
  const at = indexOf(lock, origin(ctx).who, cookie);
  return lock.type !== type || lock.tag !== tag || at < 0 ? -errno.EBUSY : { lock, at };
}

export const lockClass: ClassMethods = {
  lock: method(true, take),
  unlock: method(true, (ctx, r) => release(ctx, r.string(), origin(ctx).who, r.string())),
  break_lock: method(true, (ctx, r) => {
    const name = r.string();
    const who = entityName.decode(r);
    return release(ctx, name, who, r.string());
  }),
  get_info: method(false, (ctx, r) => {
    const lock = readLock(ctx, r.string());
    return typeof lock === 'number' ? lock : encodeLock(lock);
  }),
  list_locks: {
    read: true,
    write: false,
    run(ctx) {
      ctx.reads++;
      if (!ctx.present) return -errno.ENOENT;
      const names = [...userAttrs(ctx).keys()].filter((n) => n.startsWith(PREFIX));
      const w = new Writer(64);
      const token = w.structStart(1, 1);
      w.u32(names.length);
      for (const n of names) w.string(n.slice(PREFIX.length));
      w.structEnd(token);
      return w.bytes();
    },
  },
  assert_locked: method(false, (ctx, r) => {
    const found = held(ctx, r.string(), r.u8(), r.string(), r.string());
    return typeof found === 'number' ? found : EMPTY;
  }),
  set_cookie: method(true, (ctx, r) => {
    const name = r.string();
    const found = held(ctx, name, r.u8(), r.string(), r.string());
    const cookie = r.string();
    if (typeof found === 'number') return found;
    const { lock, at } = found;
    const old = lock.lockers[at]!;
    if (indexOf(lock, old.who, cookie) >= 0) return -errno.EBUSY;
    lock.lockers[at] = { ...old, cookie };
    return answer(writeLock(ctx, name, lock));
  }),
};
