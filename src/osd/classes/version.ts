/** Class `version`: a counter with a tag in xattr "ceph.objclass.version", and conditions on it (cls/version). */
import { Buffer } from 'node:buffer';
import { errno } from '../../base/index.ts';
import { type Decoded, list, string, struct, u32, u64 } from '../../encoding/index.ts';
import type { OpContext } from '../ops/context.ts';
import { CHANGES, type ClassMethods, done, EIO, eio, encoded, methodOf, READS, stored } from './method.ts';
import { getXattr, setXattr } from './object.ts';

const ATTR = 'ceph.objclass.version';
const TAG_LENGTH = 24;

const version = struct('obj_version', { version: 1, compat: 1 }, { ver: u64, tag: string });
type Version = Decoded<typeof version>;
const condition = struct('obj_version_cond', { version: 1, compat: 1 }, { ver: version, cond: u32 });
type Condition = Decoded<typeof condition>;
const setOp = struct('cls_version_set_op', { version: 1, compat: 1 }, { objv: version });
const checkOp = struct('cls_version_check_op', { version: 1, compat: 1 }, { objv: version, conds: list(condition) });

const cond = { NONE: 0, EQ: 1, GT: 2, GE: 3, LT: 4, LE: 5, TAG_EQ: 6, TAG_NE: 7 } as const;

function holds({ ver: wanted, cond: kind }: Condition, found: Version): boolean {
  switch (kind) {
    case cond.EQ:
      return found.ver === wanted.ver && found.tag === wanted.tag;
    case cond.GT:
      return found.ver > wanted.ver;
    case cond.GE:
      return found.ver >= wanted.ver;
    case cond.LT:
      return found.ver < wanted.ver;
    case cond.LE:
      return found.ver <= wanted.ver;
    case cond.TAG_EQ:
      return found.tag === wanted.tag;
    case cond.TAG_NE:
      return found.tag !== wanted.tag;
    default:
      return true;
  }
}

function write(ctx: OpContext, v: Version): number {
  return setXattr(ctx, ATTR, encoded(version, v));
}

/** The version; an object without one has version 0 or, where it is to be changed, gets version 1 and a tag of its own. */
function read(ctx: OpContext, create: boolean): Version | number {
  const bytes = getXattr(ctx, ATTR);
  if (bytes === -errno.ENOENT || bytes === -errno.ENODATA) {
    if (!create) return { ver: 0n, tag: '' };
    const tag = Buffer.from(ctx.host.entropy.bytes(TAG_LENGTH)).toString('base64').slice(0, TAG_LENGTH);
    const first = { ver: 1n, tag };
    const result = write(ctx, first);
    return result < 0 ? result : first;
  }
  if (typeof bytes === 'number') return bytes;
  const found = stored(version, bytes);
  return found === EIO ? eio : found;
}

const increment = methodOf(CHANGES, checkOp, (ctx, { conds }) => {
  const found = read(ctx, true);
  if (typeof found === 'number') return found;
  if (!conds.every((c) => holds(c, found))) return -errno.ECANCELED;
  return done(write(ctx, { ...found, ver: BigInt.asUintN(64, found.ver + 1n) }));
});

export const versionClass: ClassMethods = {
  set: methodOf(CHANGES, setOp, (ctx, { objv }) => done(write(ctx, objv))),
  inc: increment,
  inc_conds: increment,
  read: {
    ...READS,
    run(ctx) {
      const objv = read(ctx, false);
      return typeof objv === 'number' ? objv : encoded(setOp, { objv });
    },
  },
  check_conds: methodOf(READS, checkOp, (ctx, { conds }) => {
    const found = read(ctx, false);
    if (typeof found === 'number') return found;
    return conds.every((c) => holds(c, found)) ? done(0) : -errno.ECANCELED;
  }),
};
