/** Class `refcount`: who still needs an object, by tags in xattr "refcount"; without any it removes itself (cls/refcount). */
import { errno } from '../../base/index.ts';
import { bool, byString, list, since, sortedMap, string, struct } from '../../encoding/index.ts';
import type { OpContext } from '../ops/context.ts';
import { CHANGES, type ClassMethods, done, EIO, eio, encoded, methodOf, READS, stored } from './method.ts';
import { getXattr, removeObject, setXattr } from './object.ts';

const ATTR = 'refcount';
/** Stands for the reference that an object has from its beginning, to callers who count it (implicit_ref). */
const WILDCARD = '';

const refcount = struct(
  'obj_refcount',
  { version: 2, compat: 1 },
  { refs: sortedMap(string, bool, byString), retired: since(2, list(string), (): string[] => []) },
);
const tagOp = struct('cls_refcount_get_op', { version: 1, compat: 1 }, { tag: string, implicitRef: bool });
const setOp = struct('cls_refcount_set_op', { version: 1, compat: 1 }, { refs: list(string) });
const readOp = struct('cls_refcount_read_op', { version: 1, compat: 1 }, { implicitRef: bool });

interface Refcount {
  readonly refs: Map<string, boolean>;
  retired: string[];
}

function read(ctx: OpContext, implicitRef: boolean): Refcount | number {
  const bytes = getXattr(ctx, ATTR);
  if (bytes === -errno.ENODATA) return { refs: new Map(implicitRef ? [[WILDCARD, true]] : []), retired: [] };
  if (typeof bytes === 'number') return bytes;
  const found = stored(refcount, bytes);
  return found === EIO ? eio : found;
}

function write(ctx: OpContext, r: Refcount): number {
  return setXattr(ctx, ATTR, encoded(refcount, { refs: r.refs, retired: [...r.retired].sort(byString) }));
}

export const refcountClass: ClassMethods = {
  get: methodOf(CHANGES, tagOp, (ctx, { tag, implicitRef }) => {
    const found = read(ctx, implicitRef);
    if (typeof found === 'number') return found;
    found.refs.set(tag, true);
    return done(write(ctx, found));
  }),
  put: methodOf(CHANGES, tagOp, (ctx, { tag, implicitRef }) => {
    const found = read(ctx, implicitRef);
    if (typeof found === 'number') return found;
    if (found.refs.size === 0) return -errno.EINVAL;
    const held = found.refs.has(tag) ? tag : implicitRef && found.refs.has(WILDCARD) ? WILDCARD : undefined;
    if (held === undefined || found.retired.includes(tag)) return done(0);
    found.retired.push(tag);
    found.refs.delete(held);
    return done(found.refs.size === 0 ? removeObject(ctx) : write(ctx, found));
  }),
  set: methodOf(CHANGES, setOp, (ctx, { refs }) => {
    if (refs.length === 0) return done(removeObject(ctx));
    return done(write(ctx, { refs: new Map(refs.map((tag) => [tag, true])), retired: [] }));
  }),
  read: methodOf(READS, readOp, (ctx, { implicitRef }) => {
    const found = read(ctx, implicitRef);
    return typeof found === 'number' ? found : encoded(setOp, { refs: [...found.refs.keys()].sort(byString) });
  }),
};
