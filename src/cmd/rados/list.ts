/** Objects of a pool in the order of their hashes, as librados lists them. */
import { type IoCtx, type ListedObject, noSnapContext, Op, OpTarget, type Rados } from '../../client/index.ts';
import { type Codec, list, plain, Reader, string, struct, Writer } from '../../encoding/index.ts';
import { OsdOp, type OsdOpReply, osdFlag, osdOp } from '../../messages/index.ts';
import { CEPH_NOSNAP, Hobject, hobject, hobjectMin, utimeFromMs } from '../../types/index.ts';
import { ErrnoFailure } from './session.ts';

const entry: Codec<ListedObject> = plain('librados::ListObjectImpl', { nspace: string, oid: string, locator: string });
const page = struct('pg_nls_response_t', { version: 1, compat: 1 }, { handle: hobject, entries: list(entry) });

/** Objects asked for at a time. */
const PAGE = 1024;

/**
 * Lists what `io`'s namespace holds (ALL_NAMESPACES: everything). `seed`: begin with the PG of that seed; it is for the caller to stop.
 */
export async function* listObjects(rados: Rados, io: IoCtx, seed?: number): AsyncGenerator<ListedObject> {
  const { poolId, nspace } = io;
  let cursor = seed === undefined ? hobjectMin : new Hobject('', '', CEPH_NOSNAP, seed, poolId, '');
  while (!cursor.isMax) {
    const { handle, entries } = await listPage(rados, poolId, nspace, io.flags, cursor);
    yield* entries;
    cursor = handle;
  }
}

function listPage(
  rados: Rados,
  pool: number,
  nspace: string,
  flags: number,
  cursor: Hobject,
): Promise<{ handle: Hobject; entries: ListedObject[] }> {
  const op = new OsdOp(osdOp.PGNLS);
  const w = new Writer();
  hobject.encode(w, cursor);
  op.indata = w.bytes();
  op.setList(PAGE, rados.osdMap.epoch);
  const target = new OpTarget('', pool, osdFlag.READ | osdFlag.IGNORE_OVERLAY | flags, {
    nspace,
    snap: CEPH_NOSNAP,
    pgSeed: cursor.hash,
  });
  return new Promise((resolve, reject) => {
    const done = (result: number, reply: OsdOpReply | undefined): void => {
      const output = reply?.ops[0]?.output;
      try {
        if (result < 0 || output === undefined) throw new ErrnoFailure(-result, `list pool ${pool}`);
        resolve(page.decode(new Reader(output)));
      } catch (error) {
        reject(error);
      }
    };
    const mtime = utimeFromMs(rados.objecter.now_ms);
    rados.objecter.submit(new Op(target, [op], done, { snapc: noSnapContext, mtime }));
  });
}

/** The seed of the PG that an object of the pool is in. */
export function pgSeedOf(rados: Rados, io: IoCtx, { oid, locator, nspace }: ListedObject): number {
  const pool = rados.osdMap.pool(io.poolId)!;
  return pool.rawPgToPg(pool.hashKey(locator === '' ? oid : locator, nspace));
}
