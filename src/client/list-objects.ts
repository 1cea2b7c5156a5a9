import { list, plain, Reader, string, struct, Writer } from '../encoding/index.ts';
import { OsdOp, osdOp } from '../messages/index.ts';
import { CEPH_NOSNAP, Hobject, hobject, hobjectMax, hobjectMin, type PgPool } from '../types/index.ts';
import type { OpOptions } from './io-ctx-options.ts';
import { type PgPlace, pgRead } from './pg-read.ts';
import { RadosError } from './rados-error.ts';

/** Entries asked for at a time. */
export const LIST_PAGE = 1024;
/** Slices of a listing at most. */
const SLICES_MAX = 65_536;
/** Namespace that means all of them, for listing only. */
export const ALL_NAMESPACES = '\u0001';

/** An object as listing finds it. */
export interface ListedObject {
  readonly nspace: string;
  readonly oid: string;
  /** Locator key, where it has one. */
  readonly locator: string;
}

export interface ListOptions extends OpOptions {
  /** Only one of `count` equal parts of the pool's objects: `index` from 0 to count - 1. Together the parts have each object once. */
  readonly slice?: { readonly index: number; readonly count: number } | undefined;
  /** Only objects of the PG with this seed. */
  readonly pg?: number | undefined;
  /** How many parts of the pool are listed at once; 1. With more, objects come in no particular order. */
  readonly parallel?: number | undefined;
  /** Only objects that have this attribute with this value. */
  readonly filter?: { readonly xattr: string; readonly value: Uint8Array } | undefined;
}

const listEntry = plain('librados::ListObjectImpl', { nspace: string, oid: string, locator: string });
/** pg_nls_response_t */
const listReply = struct('pg_nls_response_t', { version: 1, compat: 1 }, { handle: hobject, entries: list(listEntry) });

/** Bits in the other order: objects are sorted by their hashes so. */
export function reverseBits(x: number): number {
  let r = 0;
  for (let i = 0; i < 32; i++) r = (r << 1) | ((x >>> i) & 1);
  return r >>> 0;
}

const TWO_32 = 2 ** 32;

/** Begin of a part of the hashes' range, in the order of listing. */
function sliceStart(index: number, count: number): number {
  return Math.floor((index * TWO_32) / count);
}

/** Objects of one slice, page by page. */
export async function* listSlice(place: PgPlace, options: ListOptions): AsyncGenerator<ListedObject[]> {
  const { index, count } = options.slice ?? { index: 0, count: 1 };
  if (!Number.isInteger(index) || !Number.isInteger(count) || index < 0 || index >= count || count > SLICES_MAX) {
    throw new RadosError(-22, {
      operation: 'listObjects',
      pool: place.poolName,
      detail: `there is no slice ${index} of ${count}`,
    });
  }
  if (options.pg !== undefined) return yield* listPg(place, options.pg, options);
  const end = sliceStart(index + 1, count);
  let cursor =
    index === 0 ? hobjectMin : new Hobject('', '', 0, reverseBits(sliceStart(index, count)), place.poolId, '');
  while (!cursor.isMax && reverseBits(cursor.hash) < end) {
    const { handle, entries } = await listPage(place, cursor, options);
    const pool = place.objecter.map.pool(place.poolId);
    yield end >= TWO_32 || pool === undefined ? entries : entries.filter((e) => orderOf(pool, e) < end);
    cursor = handle;
  }
}

async function* listPg(place: PgPlace, seed: number, options: ListOptions): AsyncGenerator<ListedObject[]> {
  let cursor = new Hobject('', '', CEPH_NOSNAP, seed, place.poolId, '');
  while (!cursor.isMax) {
    const { handle, entries } = await listPage(place, cursor, options);
    const pool = place.objecter.map.pool(place.poolId);
    const own = pool === undefined ? entries : entries.filter((e) => pool.rawPgToPg(hashOf(pool, e)) === seed);
    yield own;
    // Others come after it.
    if (own.length < entries.length) return;
    cursor = handle;
  }
}

function hashOf(pool: PgPool, { oid, nspace, locator }: ListedObject): number {
  return pool.hashKey(locator === '' ? oid : locator, nspace);
}

function orderOf(pool: PgPool, entry: ListedObject): number {
  return reverseBits(hashOf(pool, entry));
}

/** Several slices at once; pages as they come. */
export async function* listParallel(
  place: PgPlace,
  options: ListOptions,
  parallel: number,
): AsyncGenerator<ListedObject[]> {
  const { index, count } = options.slice ?? { index: 0, count: 1 };
  const slices = Array.from({ length: parallel }, (_, i) =>
    listSlice(place, { ...options, slice: { index: index * parallel + i, count: count * parallel } }),
  );
  const next = (i: number): Promise<{ i: number; result: IteratorResult<ListedObject[]> }> =>
    slices[i]!.next().then((result) => ({ i, result }));
  const waiting = new Map(slices.map((_, i) => [i, next(i)]));
  try {
    while (waiting.size > 0) {
      const { i, result } = await Promise.race(waiting.values());
      if (result.done) waiting.delete(i);
      else {
        waiting.set(i, next(i));
        yield result.value;
      }
    }
  } finally {
    // What is under way ends unheard.
    for (const promise of waiting.values()) promise.catch(() => {});
  }
}

async function listPage(
  place: PgPlace,
  cursor: Hobject,
  options: ListOptions,
): Promise<{ handle: Hobject; entries: ListedObject[] }> {
  const { filter } = options;
  const op = new OsdOp(filter === undefined ? osdOp.PGNLS : osdOp.PGNLS_FILTER);
  const w = new Writer();
  if (filter !== undefined) {
    w.string('pg');
    w.string('filter');
    w.string('plain');
    w.string(`_${filter.xattr}`);
    w.blob(filter.value);
  }
  hobject.encode(w, cursor);
  op.indata = w.bytes();
  op.setList(LIST_PAGE, place.objecter.map.epoch);
  const output = await pgRead(place, 'listObjects', cursor.hash, op, options);
  const page = listReply.decode(new Reader(output));
  return { entries: page.entries, handle: page.handle.isMax ? hobjectMax : page.handle };
}
