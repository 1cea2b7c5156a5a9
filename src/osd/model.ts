/** Small values that every part of the OSD shares. */
import { CEPH_NOSNAP, type Eversion, type Hobject } from '../types/index.ts';

export function isZeroEversion(v: Eversion): boolean {
  return v.version === 0 && v.epoch === 0;
}

/**
 * The key of an object's head in tables of one PG: its name, for nearly all; names in a namespace, with a locator key, or beginning with NUL
 * are spelled out so that no two objects meet.
 */
export function headKey(name: string, nspace: string, key: string): string {
  if (nspace === '' && key === '' && name.charCodeAt(0) !== 0) return name;
  return `\0${nspace.length},${key.length},${nspace}${key}${name}`;
}

/** The key of any object, clones too. */
export function objectKey(oid: Hobject): string {
  const head = headKey(oid.oid, oid.nspace, oid.key);
  return oid.snap === CEPH_NOSNAP ? head : cloneKey(head, oid.snap);
}

/** The key of a clone of the object whose head has the key `head`. */
export function cloneKey(head: string, snap: number): string {
  return `\0\0${snap},${head}`;
}

/** Neither head nor snapdir. */
export function isClone(oid: Hobject): boolean {
  return oid.snap < CEPH_NOSNAP;
}
