/** Calls of the object class `lock`, which keeps advisory locks as attributes of objects (cls/lock/cls_lock_ops.h). */
import { list, Reader, string, struct, u8, Writer } from '../../encoding/index.ts';
import { type EntityAddr, type EntityName, entityAddr, entityName, type Utime, utime } from '../../types/index.ts';

export const lockType = { NONE: 0, EXCLUSIVE: 1, SHARED: 2 } as const;

export interface Locker {
  readonly who: EntityName;
  readonly cookie: string;
  readonly expiration: Utime;
  readonly addr: EntityAddr;
  readonly description: string;
}

const lockerId = struct('locker_id_t', { version: 1, compat: 1 }, { who: entityName, cookie: string });
const lockerInfo = struct(
  'locker_info_t',
  { version: 1, compat: 1 },
  { expiration: utime, addr: entityAddr, description: string },
);
const lockNames = struct('cls_lock_list_locks_reply', { version: 1, compat: 1 }, { names: list(string) });

/** An input of the class: a versioned struct that `fill` writes. */
function input(fill: (w: Writer) => void): Uint8Array {
  const w = new Writer();
  const token = w.structStart(1, 1);
  fill(w);
  w.structEnd(token);
  return w.bytes();
}

/** Of method `lock`. `duration_s` 0: until it is given back. */
export function lockInput(lock: {
  readonly name: string;
  readonly type: number;
  readonly cookie: string;
  readonly tag: string;
  readonly description?: string;
  readonly duration_s?: number;
}): Uint8Array {
  return input((w) => {
    w.string(lock.name);
    w.u8(lock.type);
    w.string(lock.cookie);
    w.string(lock.tag);
    w.string(lock.description ?? '');
    utime.encode(w, { sec: lock.duration_s ?? 0, nsec: 0 });
    w.u8(0);
  });
}

/** Of method `unlock`. */
export function unlockInput(name: string, cookie: string): Uint8Array {
  return input((w) => {
    w.string(name);
    w.string(cookie);
  });
}

/** Of method `break_lock`. */
export function breakInput(name: string, locker: EntityName, cookie: string): Uint8Array {
  return input((w) => {
    w.string(name);
    entityName.encode(w, locker);
    w.string(cookie);
  });
}

/** Of method `get_info`. */
export function infoInput(name: string): Uint8Array {
  return input((w) => w.string(name));
}

/** What `list_locks` gives. DecodeError. */
export function readLockNames(bytes: Uint8Array): readonly string[] {
  return lockNames.decode(new Reader(bytes)).names;
}

/** What `get_info` gives. DecodeError. */
export function readLockInfo(bytes: Uint8Array): { lockers: Locker[]; type: number; tag: string } {
  const r = new Reader(bytes);
  const frame = r.structStart(1);
  const count = r.count(12);
  const lockers = Array.from({ length: count }, () => ({ ...lockerId.decode(r), ...lockerInfo.decode(r) }));
  const type = u8.decode(r);
  const tag = r.string();
  r.structEnd(frame);
  return { lockers, type, tag };
}
