/** How a PG comes to be here: made anew, or read from the disk. */
import { Transaction } from '../../store/index.ts';
import {
  type Hobject,
  type OSDMap,
  type PgPool,
  pgCollection,
  pgMetaObject,
  pgSplitBits,
  type SpgId,
} from '../../types/index.ts';
import { type PastIntervals, type PgHistory, PgInfo } from './info.ts';
import { PgLog } from './log.ts';
import { PgMeta } from './meta.ts';
import { MissingSet } from './missing.ts';
import { Pg } from './pg.ts';
import type { PgServices } from './services.ts';

/** Makes a PG on disk and in memory. It begins with `begin`. */
export function createPg(
  services: PgServices,
  spgid: SpgId,
  map: OSDMap,
  pool: PgPool,
  history: PgHistory,
  past: PastIntervals,
  lastBackfill: Hobject | undefined,
): Pg {
  const coll = pgCollection(spgid);
  const meta = new PgMeta(coll, pgMetaObject(spgid));
  const info = new PgInfo(spgid, history);
  if (lastBackfill !== undefined) info.lastBackfill = lastBackfill;
  info.stats.created = history.epochCreated;
  info.stats.lastEpochClean = history.lastEpochClean;
  const log = new PgLog();
  const missing = new MissingSet(true);
  const pg = new Pg(services, spgid, map, pool, { info, past, log, missing, meta });
  const t = new Transaction();
  t.createCollection(coll, pgSplitBits(spgid.pgid, pool.pgNum));
  meta.create(t);
  meta.dirtyInfo = true;
  meta.dirtyBigInfo = true;
  meta.write(t, map.epoch, info, past, log, missing);
  services.store.queueTransactions(coll, [t]);
  return pg;
}

/** Reads a PG that is on disk, or undefined where its meta object is not there. The map is that of its epoch. */
export function loadPg(
  services: PgServices,
  spgid: SpgId,
  getMap: (epoch: number) => OSDMap | undefined,
): Pg | undefined {
  const coll = pgCollection(spgid);
  const meta = new PgMeta(coll, pgMetaObject(spgid));
  const loaded = meta.load(services.store);
  if (loaded === undefined) return undefined;
  const map = getMap(loaded.epoch);
  const pool = map?.pool(spgid.pgid.pool);
  if (map === undefined || pool === undefined) return undefined;
  const log = new PgLog();
  log.reset({
    entries: loaded.entries,
    head: loaded.info.lastUpdate,
    tail: loaded.info.logTail,
    dups: loaded.dups,
    canRollbackTo: loaded.canRollbackTo,
    rollbackInfoTrimmedTo: loaded.rollbackInfoTrimmedTo,
  });
  loaded.info.stats.state = 0n;
  return new Pg(services, spgid, map, pool, {
    info: loaded.info,
    past: loaded.past,
    log,
    missing: loaded.missing,
    meta,
  });
}
