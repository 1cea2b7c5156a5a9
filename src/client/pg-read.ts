/** Requests on a PG instead of an object: what scrubs found, and hit sets. */
import { decodeFromBytes, encodeToBytes, list, pair } from '../encoding/index.ts';
import { OsdOp, osdFlag, osdOp } from '../messages/index.ts';
import {
  CEPH_NOSNAP,
  type InconsistentObject,
  type InconsistentSnapset,
  inconsistentObject,
  inconsistentSnapset,
  type ObjectId,
  scrubLsArg,
  scrubLsResult,
  utime,
  utimeFromMs,
  utimeToMs,
} from '../types/index.ts';
import type { OpOptions } from './io-ctx-options.ts';
import type { Objecter } from './objecter.ts';
import { noSnapContext, Op } from './op.ts';
import { OpTarget } from './op-target.ts';
import { RadosError } from './rados-error.ts';
import { runOp } from './run-op.ts';

/** Where a request on a PG goes. */
export interface PgPlace {
  readonly objecter: Objecter;
  readonly poolId: number;
  readonly poolName: string;
  readonly nspace: string;
  readonly flags: number;
}

/** One operation on the PG with this seed (or of a hash in it); its output. */
export async function pgRead(
  place: PgPlace,
  operation: string,
  seed: number,
  op: OsdOp,
  options: OpOptions,
): Promise<Uint8Array> {
  const { objecter, poolId, poolName, nspace } = place;
  const flags = osdFlag.READ | osdFlag.IGNORE_OVERLAY | place.flags | (options.flags ?? 0);
  const target = new OpTarget('', poolId, flags, { nspace, snap: CEPH_NOSNAP, pgSeed: seed });
  const reply = await runOp(
    objecter,
    options,
    (done, timeout_ms) =>
      new Op(target, [op], done, { snapc: noSnapContext, mtime: utimeFromMs(objecter.now_ms), timeout_ms }),
    (result) => new RadosError(result, { operation, pool: poolName }),
  );
  return reply.ops[0]?.output ?? new Uint8Array(0);
}

/** For what scrubs found. */
export interface InconsistentOptions extends OpOptions {
  /** Is told the epoch in which the PG's present interval began, once the PG answered and before anything is given. */
  readonly onInterval?: ((epoch: number) => void) | undefined;
}

/** Inconsistencies asked for at a time. */
const PAGE = 256;

async function* scrubLs(
  place: PgPlace,
  operation: string,
  seed: number,
  getSnapsets: boolean,
  options: InconsistentOptions,
): AsyncGenerator<Uint8Array, void, ObjectId> {
  let startAfter: Pick<ObjectId, 'name' | 'nspace' | 'snap'> = { name: '', nspace: '', snap: 0 };
  // 0 asks for whichever it is; named, it fails where that has ended.
  let interval: number | undefined;
  for (;;) {
    const op = new OsdOp(osdOp.SCRUBLS);
    op.indata = encodeToBytes(scrubLsArg, {
      interval: interval ?? 0,
      getSnapsets: getSnapsets ? 1 : 0,
      startAfter,
      max: PAGE,
    });
    const output = await pgRead(place, operation, seed, op, options);
    const page = decodeFromBytes(scrubLsResult, output);
    const { values } = page;
    if (interval === undefined) options.onInterval?.(page.interval);
    interval = page.interval;
    for (const value of values) startAfter = yield value;
    if (values.length < PAGE) return;
  }
}

/**
 * Objects of a PG whose copies differ, as its last scrub found them. ENOENT where it was not scrubbed since it was last peered; EAGAIN where it was peered
 * anew between two of the requests that this takes.
 */
export async function* inconsistentObjects(
  place: PgPlace,
  seed: number,
  options: InconsistentOptions,
): AsyncGenerator<InconsistentObject> {
  const pages = scrubLs(place, 'listInconsistentObjects', seed, false, options);
  let next = await pages.next();
  while (!next.done) {
    const found = decodeFromBytes(inconsistentObject, next.value);
    yield found;
    next = await pages.next(found.object);
  }
}

/** Objects of a PG whose snapshots are broken. */
export async function* inconsistentSnapsets(
  place: PgPlace,
  seed: number,
  options: InconsistentOptions,
): AsyncGenerator<InconsistentSnapset> {
  const pages = scrubLs(place, 'listInconsistentSnapsets', seed, true, options);
  let next = await pages.next();
  while (!next.done) {
    const found = decodeFromBytes(inconsistentSnapset, next.value);
    yield found;
    next = await pages.next(found.object);
  }
}

/** Times, in ms since 1970, that a hit set is about. */
export interface HitSetSpan {
  readonly begin_ms: number;
  readonly end_ms: number;
}

const spans = list(pair(utime, utime));

/** Hit sets that a PG has. */
export async function hitSets(place: PgPlace, seed: number, options: OpOptions): Promise<HitSetSpan[]> {
  const output = await pgRead(place, 'hitSets', seed, new OsdOp(osdOp.PG_HITSET_LS), options);
  if (output.length === 0) return [];
  return decodeFromBytes(spans, output).map(([begin, end]) => ({
    begin_ms: utimeToMs(begin),
    end_ms: utimeToMs(end),
  }));
}

/** The hit set of a PG that is about a time, as Ceph encodes it. ENOENT. */
export function hitSet(place: PgPlace, seed: number, stamp_ms: number, options: OpOptions): Promise<Uint8Array> {
  const op = new OsdOp(osdOp.PG_HITSET_GET);
  const { sec, nsec } = utimeFromMs(stamp_ms);
  op.u0 = sec;
  op.u1 = nsec;
  return pgRead(place, 'hitSet', seed, op, options);
}
