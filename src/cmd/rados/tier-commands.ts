/** Commands of `rados` for cache pools, and for objects that point to others (redirects and chunks). */
import { ALL_NAMESPACES, type IoCtx } from '../../client/index.ts';
import { Writer } from '../../encoding/index.ts';
import { OsdOp, osdFlag, osdOp, osdOpFlag } from '../../messages/index.ts';
import { CEPH_NOSNAP, makeObjectLocator, objectLocator } from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import { readSnaps } from './reads.ts';
import { err, fail, isErrno, orFail, out, printable } from './report.ts';
import { type Session, submit } from './session.ts';

type CacheOp = 'flush' | 'tryFlush' | 'evict';

const CACHE_OPS = { flush: osdOp.CACHE_FLUSH, tryFlush: osdOp.CACHE_TRY_FLUSH, evict: osdOp.CACHE_EVICT } as const;

async function cacheOp(io: IoCtx, oid: string, kind: CacheOp): Promise<void> {
  const flags = osdFlag.READ | osdFlag.IGNORE_CACHE | osdFlag.IGNORE_OVERLAY;
  const unlocked = kind === 'flush' ? 0 : osdFlag.SKIPRWLOCKS;
  await submit(io, oid, [new OsdOp(CACHE_OPS[kind])], flags | unlocked);
}

async function cacheCommand(session: Session, kind: CacheOp): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  const { io } = session;
  // Ceph's program says `flush` of each of them.
  const failed = (): string => `error from cache-flush ${printable(oid)}`;
  if (!session.has('withClones')) {
    await orFail(cacheOp(io, oid, kind), failed);
    return 0;
  }
  const last = session.io.snapRead;
  const { clones } = await orFail(readSnaps(io, oid), () => `error listing snapshots ${pool}/${printable(oid)}`);
  for (const { cloneid } of clones) {
    if (last !== CEPH_NOSNAP && cloneid > last) break;
    io.snapRead = cloneid;
    await orFail(cacheOp(io, oid, kind), failed);
  }
  return 0;
}

export const cacheFlush = (session: Session): Promise<number> => cacheCommand(session, 'flush');
export const cacheTryFlush = (session: Session): Promise<number> => cacheCommand(session, 'tryFlush');
export const cacheEvict = (session: Session): Promise<number> => cacheCommand(session, 'evict');

async function flushEvictAll(session: Session, kind: 'flush' | 'tryFlush', name: string): Promise<number> {
  session.needPool();
  const { io } = session;
  const listing = await session.openPool(session.needPool());
  listing.nspace = ALL_NAMESPACES;
  let errors = 0;
  /** False where it failed, which is counted. */
  const attempt = async (verb: string, object: string, work: Promise<unknown>): Promise<boolean> => {
    try {
      await work;
      return true;
    } catch (error) {
      if (!isErrno(error)) throw error;
      err(`${verb} ${object}: ${cppStrerror(error.errno)}\n`);
      errors++;
      return false;
    }
  };
  for await (const { nspace, oid, locator } of listing.listObjects()) {
    out(`${nspace}\t${oid}\t${locator}\n`);
    io.locatorKey = locator;
    io.nspace = nspace;
    const shown = `${nspace}/${oid}`;
    const listed = readSnaps(io, oid);
    if (!(await attempt('error listing snap shots', shown, listed))) continue;
    const { clones } = await listed;
    for (const snap of clones.length === 0 ? [CEPH_NOSNAP] : clones.map((c) => c.cloneid)) {
      io.snapRead = snap;
      if (!(await attempt('failed to flush', shown, cacheOp(io, oid, kind)))) break;
      if (!(await attempt('failed to evict', shown, cacheOp(io, oid, 'evict')))) break;
    }
    io.snapRead = CEPH_NOSNAP;
  }
  if (errors > 0) fail(`${name} finished with errors`);
  return 0;
}

export const cacheFlushEvictAll = (session: Session): Promise<number> =>
  flushEvictAll(session, 'flush', 'cache-flush-evict-all');
export const cacheTryFlushEvictAll = (session: Session): Promise<number> =>
  flushEvictAll(session, 'tryFlush', 'cache-try-flush-evict-all');

// --- manifests

/** The pool a manifest points into, by --target-pool and its companions. */
async function targetOf(session: Session): Promise<{ name: string; io: IoCtx }> {
  const name = session.value('targetPool') ?? session.needPool();
  const io = await orFail(session.openPool(name), () => `error opening target pool ${name}`);
  io.locatorKey = session.value('targetLocator') ?? '';
  io.nspace = session.value('targetNspace') ?? '';
  return { name, io };
}

export async function setRedirect(session: Session): Promise<number> {
  const pool = session.needPool();
  const [, oid, given] = session.input.words.args;
  if (oid === undefined) return session.usage();
  if (given === undefined && (session.value('targetPool') ?? pool) === pool) fail('cannot copy object into itself');
  const target = given ?? oid;
  const { name, io } = await targetOf(session);
  const op = new OsdOp(osdOp.SET_REDIRECT, session.has('withReference') ? osdOpFlag.WITH_REFERENCE : 0);
  op.setCopyFrom(CEPH_NOSNAP, 0, 0, 0);
  const w = new Writer();
  w.string(target);
  objectLocator.encode(w, makeObjectLocator(io.poolId, io.nspace, io.locatorKey));
  op.indata = w.bytes();
  await orFail(
    submit(session.io, oid, [op], osdFlag.WRITE),
    () => `error set-redirect ${pool}/${oid} => ${name}/${target}`,
  );
  return 0;
}

export async function setChunk(session: Session): Promise<number> {
  const pool = session.needPool();
  const [, oid, ...rest] = session.input.words.args;
  if (oid === undefined || rest.length < 4) return session.usage();
  const [offset, length, target, targetOffset] = rest as [string, string, string, string];
  for (const number of [offset, length, targetOffset]) {
    if (!/^\d*$/.test(number)) fail(`Invalid value for size: '${offset}'`);
  }
  const { name, io } = await targetOf(session);
  const op = new OsdOp(osdOp.SET_CHUNK, osdOpFlag.WITH_REFERENCE);
  const w = new Writer();
  w.u64num(Number(offset));
  w.u64num(Number(length));
  objectLocator.encode(w, makeObjectLocator(io.poolId, io.nspace, io.locatorKey));
  w.string(target);
  w.u64num(Number(targetOffset));
  op.indata = w.bytes();
  await orFail(
    submit(session.io, oid, [op], osdFlag.READ | osdFlag.WRITE),
    () =>
      `error set-chunk ${pool}/${oid}  offset ${offset} length ${length} target_pool ${name}tgt_offset: ${targetOffset} `,
  );
  return 0;
}

async function simple(session: Session, name: string, code: number, flags: number): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  await orFail(submit(session.io, oid, [new OsdOp(code)], flags), () => `error ${name} ${pool}/${printable(oid)} `);
  return 0;
}

const AROUND_CACHE = osdFlag.READ | osdFlag.IGNORE_CACHE | osdFlag.IGNORE_OVERLAY;

export const tierPromote = (s: Session): Promise<number> =>
  simple(s, 'tier-promote', osdOp.TIER_PROMOTE, osdFlag.WRITE);
export const unsetManifest = (s: Session): Promise<number> =>
  simple(s, 'unset-manifest', osdOp.UNSET_MANIFEST, osdFlag.WRITE);
export const tierFlush = (s: Session): Promise<number> => simple(s, 'tier-flush', osdOp.TIER_FLUSH, AROUND_CACHE);
export const tierEvict = (s: Session): Promise<number> => simple(s, 'tier-evict', osdOp.TIER_EVICT, AROUND_CACHE);
