/** A PG's info, log and missing set where the store has them: the omap of its meta object. The layout is drawn in `osd/pg/meta.ts`. */
import { crc32c } from '../../base/index.ts';
import { encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import { type ObjectStore, Transaction } from '../../store/index.ts';
import {
  compareEversion,
  decodeLogEntryWithChecksum,
  type Eversion,
  encodeLogEntryWithChecksum,
  eversion,
  eversionKey,
  eversionZero,
  formatEversion,
  formatHobject,
  formatSpgId,
  ghobjectMin,
  hobject,
  IntervalSet,
  intervalSet,
  makePgLog,
  makePgMissing,
  PastIntervals,
  type PgInfo,
  type PgLog,
  type PgMissing,
  parsePgCollection,
  pastIntervals,
  pgCollection,
  pgFastInfo,
  pgInfo,
  pgLogDup,
  pgMetaObject,
  pgMissingAdd,
  pgMissingItem,
  type SpgId,
  sameEversion,
} from '../../types/index.ts';
import { err, out, type ToolRun } from './objectstore-tool-run.ts';

/** Layout of a PG on disk: of all that Ceph wrote since Jewel. */
export const PG_VERSION = 10;
const REMOVE = '_remove';
const DELETES_KEY = 'may_include_deletes_in_missing';

export interface PgMeta {
  readonly version: number;
  readonly epoch: number;
  readonly info: PgInfo;
  readonly pastIntervals: PastIntervals;
  readonly log: PgLog;
  readonly missing: PgMissing;
}

/** Reads all of a PG's meta object; undefined where it is none. Throws DecodeError where it is damaged. */
export function readPg(store: ObjectStore, pgid: SpgId): PgMeta | undefined {
  const entries = store.omapIterate(pgCollection(pgid), pgMetaObject(pgid), { from: '' });
  if (entries === undefined) return undefined;
  let version = 0;
  let epoch = 0;
  let info: PgInfo | undefined;
  let fast: Uint8Array | undefined;
  let past = PastIntervals.empty;
  let purged = IntervalSet.empty;
  const log = makePgLog();
  const missing = makePgMissing();
  for (const [key, value] of entries) {
    const r = new Reader(value);
    if (key === '_infover') version = r.u8();
    else if (key === '_epoch') epoch = r.u32();
    else if (key === '_info') info = pgInfo.decode(r);
    else if (key === '_fastinfo') fast = value;
    else if (key === '_biginfo') {
      past = pastIntervals.decode(r);
      purged = intervalSet.decode(r);
    } else if (key === 'can_rollback_to') log.canRollbackTo = eversion.decode(r);
    else if (key === 'rollback_info_trimmed_to') log.rollbackInfoTrimmedTo = eversion.decode(r);
    else if (key === DELETES_KEY) missing.mayIncludeDeletes = true;
    else if (key.startsWith('dup_')) log.dups.push(pgLogDup.decode(r));
    else if (key.startsWith('missing/')) {
      const soid = hobject.decode(r);
      pgMissingAdd(missing, soid, pgMissingItem.decode(r));
    } else if (/^\d/.test(key)) log.log.push(decodeLogEntryWithChecksum(value, crc32c));
  }
  if (info === undefined) return undefined;
  info.purgedSnaps = purged;
  if (fast !== undefined) applyFastInfo(info, fast);
  log.head = info.lastUpdate;
  log.tail = info.logTail;
  // Keys in front of the tail are of a trim that the info has seen and the keys not yet.
  log.log = log.log.filter((e) => compareEversion(e.version, info.logTail) > 0);
  return { version, epoch, info, pastIntervals: past, log, missing };
}

function applyFastInfo(info: PgInfo, bytes: Uint8Array): void {
  const fast = pgFastInfo.decode(new Reader(bytes));
  if (compareEversion(fast.lastUpdate, info.lastUpdate) <= 0) return;
  const { stats } = info;
  info.lastUpdate = fast.lastUpdate;
  info.lastComplete = fast.lastComplete;
  info.lastUserVersion = fast.lastUserVersion;
  stats.version = fast.version;
  stats.reportedSeq = fast.reportedSeq;
  stats.lastFresh = fast.lastFresh;
  stats.lastActive = fast.lastActive;
  stats.lastPeered = fast.lastPeered;
  stats.lastClean = fast.lastClean;
  stats.lastUnstale = fast.lastUnstale;
  stats.lastUndegraded = fast.lastUndegraded;
  stats.lastFullsized = fast.lastFullsized;
  stats.logSize = fast.logSize;
  stats.ondiskLogSize = fast.logSize;
  const sum = stats.stats;
  sum.numBytes = fast.numBytes;
  sum.numObjects = fast.numObjects;
  sum.numObjectCopies = fast.numObjectCopies;
  sum.numRd = fast.numRd;
  sum.numRdKb = fast.numRdKb;
  sum.numWr = fast.numWr;
  sum.numWrKb = fast.numWrKb;
  sum.numObjectsDirty = fast.numObjectsDirty;
}

function u32Bytes(value: number): Uint8Array {
  const w = new Writer(4);
  w.u32(value);
  return w.bytes();
}

/** The keys of a PG's info. */
export function writeInfo(t: Transaction, epoch: number, info: PgInfo, past: PastIntervals): void {
  const coll = pgCollection(info.pgid);
  const meta = pgMetaObject(info.pgid);
  const big = new Writer(256);
  pastIntervals.encode(big, past);
  intervalSet.encode(big, info.purgedSnaps);
  t.omapSetKeys(coll, meta, [
    ['_biginfo', big.bytes()],
    ['_epoch', u32Bytes(epoch)],
    ['_info', encodeToBytes(pgInfo, { ...info, purgedSnaps: IntervalSet.empty })],
  ]);
  // One that is left might be taken for newer than the info.
  t.omapRmKeys(coll, meta, ['_fastinfo']);
}

/** Makes the collection of a PG that is marked for removal until {@link writePg} completes it. */
export function createPg(t: Transaction, pgid: SpgId, bits: number): void {
  const coll = pgCollection(pgid);
  const meta = pgMetaObject(pgid);
  t.createCollection(coll, bits);
  t.touch(coll, meta);
  t.omapSetKeys(coll, meta, [
    ['_infover', Uint8Array.of(PG_VERSION)],
    [REMOVE, Uint8Array.of(1)],
  ]);
}

/** All of a PG's meta object; takes the mark for removal away. */
export function writePg(t: Transaction, pg: PgMeta): void {
  const coll = pgCollection(pg.info.pgid);
  const meta = pgMetaObject(pg.info.pgid);
  writeInfo(t, pg.epoch, pg.info, pg.pastIntervals);
  const puts: [string, Uint8Array][] = pg.log.log.map((e) => [
    eversionKey(e.version),
    encodeLogEntryWithChecksum(e, crc32c),
  ]);
  for (const dup of pg.log.dups) puts.push([`dup_${eversionKey(dup.version)}`, encodeToBytes(pgLogDup, dup)]);
  for (const { soid, item } of pg.missing.missing.values()) {
    const w = new Writer(192);
    hobject.encode(w, soid);
    pgMissingItem.encode(w, item);
    puts.push([`missing/${soid.mapKey}`, w.bytes()]);
  }
  puts.push(['can_rollback_to', encodeToBytes(eversion, pg.log.canRollbackTo)]);
  puts.push(['rollback_info_trimmed_to', encodeToBytes(eversion, pg.log.rollbackInfoTrimmedTo)]);
  if (pg.missing.mayIncludeDeletes) puts.push([DELETES_KEY, new Uint8Array(0)]);
  t.omapSetKeys(coll, meta, puts);
  t.omapRmKeys(coll, meta, [REMOVE]);
}

/** Collections of PGs, with their ids. */
export function pgCollections(store: ObjectStore): { coll: string; pgid: SpgId }[] {
  const found: { coll: string; pgid: SpgId }[] = [];
  for (const coll of store.collections()) {
    const pgid = coll.endsWith('_head') ? parsePgCollection(coll) : undefined;
    if (pgid !== undefined) found.push({ coll, pgid });
  }
  return found;
}

/** Objects removed in one transaction. */
const REMOVE_BATCH = 64;

/** Removes what is marked for removal: PGs whose import or removal did not come to its end. */
export async function finishRemovals(run: ToolRun): Promise<void> {
  const { store } = run;
  for (const { coll, pgid } of pgCollections(store)) {
    const marked = store.omapValues(coll, pgMetaObject(pgid), [REMOVE]);
    if (marked === undefined || marked.size === 0) continue;
    out(`finish_remove_pgs ${coll} removing ${formatSpgId(pgid)}\n`);
    await removeCollection(run, coll, pgid);
  }
}

async function removeCollection(run: ToolRun, coll: string, pgid: SpgId): Promise<void> {
  const { store } = run;
  const meta = pgMetaObject(pgid);
  // The meta object with its mark goes last: whatever interrupts this, the next run goes on.
  for (;;) {
    const { objects } = store.list(coll, ghobjectMin, undefined, REMOVE_BATCH + 1);
    const others = objects.filter((o) => o.mapKey !== meta.mapKey);
    if (others.length === 0) break;
    const t = new Transaction();
    for (const object of others) t.remove(coll, object);
    await run.commit(coll, t);
  }
  const t = new Transaction();
  t.remove(coll, meta);
  t.removeCollection(coll);
  await run.commit(coll, t);
}

/** `--op remove`: marks the PG and removes it. False where there is none. */
export async function removePg(run: ToolRun, pgid: SpgId): Promise<boolean> {
  const { store } = run;
  const coll = pgCollection(pgid);
  if (!run.switches.dryRun) await finishRemovals(run);
  if (!store.collectionExists(coll)) return false;
  out(' marking collection for removal\n');
  if (run.switches.dryRun) return true;
  out("setting '_remove' omap key\n");
  const t = new Transaction();
  t.omapSetKeys(coll, pgMetaObject(pgid), [[REMOVE, Uint8Array.of(1)]]);
  await run.commit(coll, t);
  await finishRemovals(run);
  return true;
}

/** Keys of log entries (or dups) removed at a time (osd_pg_log_trim_max). */
const TRIM_BATCH = 10_000;

/** `--op trim-pg-log`: entries beyond `entriesMax` (osd_max_pg_log_entries) go. */
export async function trimLog(run: ToolRun, pg: PgMeta, entriesMax: number): Promise<void> {
  const { info } = pg;
  err(`Log bounds are: (${formatEversion(info.logTail)},${formatEversion(info.lastUpdate)}]\n`);
  if (info.lastUpdate.version - info.logTail.version <= entriesMax) {
    err(`Log not larger than osd_max_pg_log_entries ${entriesMax}\n`);
    return;
  }
  const trimTo = info.lastUpdate.version - entriesMax;
  const trimmed = pg.log.log.filter((e) => e.version.version <= trimTo).map((e) => e.version);
  await removeKeys(run, info.pgid, trimmed.map(eversionKey));
  const tail = trimmed.at(-1);
  if (tail !== undefined) {
    info.logTail = tail;
    const t = new Transaction();
    writeInfo(t, pg.epoch, info, pg.pastIntervals);
    await run.commit(pgCollection(info.pgid), t);
  }
  err('Finished trimming, now compacting...\n');
}

/** `--op trim-pg-log-dups`: dups beyond `dupsMax` (osd_pg_log_dups_tracked) go. */
export async function trimDups(run: ToolRun, pg: PgMeta, dupsMax: number): Promise<void> {
  const excess = Math.max(0, pg.log.dups.length - dupsMax);
  await removeKeys(
    run,
    pg.info.pgid,
    pg.log.dups.slice(0, excess).map((d) => `dup_${eversionKey(d.version)}`),
  );
  err('Finished trimming, now compacting...\n');
}

async function removeKeys(run: ToolRun, pgid: SpgId, keys: readonly string[]): Promise<void> {
  const coll = pgCollection(pgid);
  for (let i = 0; i < keys.length && !run.switches.dryRun; i += TRIM_BATCH) {
    const batch = keys.slice(i, i + TRIM_BATCH);
    out(`Removing keys ${batch[0]} - ${batch.at(-1)}\n`);
    const t = new Transaction();
    t.omapRmKeys(coll, pgMetaObject(pgid), batch);
    await run.commit(coll, t);
  }
}

/** As Ceph prints a pg_info_t. */
export function formatPgInfo(info: PgInfo): string {
  const h = info.history;
  const isEmpty = sameEversion(info.lastUpdate, eversionZero);
  const v = (x: Eversion): string => formatEversion(x);
  let text = `${formatSpgId(info.pgid)}(`;
  if (h.epochCreated === 0) text += ' DNE';
  if (isEmpty) text += ' empty';
  else {
    text += ` v ${v(info.lastUpdate)}`;
    if (!sameEversion(info.lastComplete, info.lastUpdate)) text += ` lc ${v(info.lastComplete)}`;
    text += ` (${v(info.logTail)},${v(info.lastUpdate)}]`;
  }
  if (!info.lastBackfill.isMax) text += ` lb ${formatHobject(info.lastBackfill)}`;
  text += ` local-lis/les=${info.lastIntervalStarted}/${info.lastEpochStarted} n=${info.stats.stats.numObjects}`;
  text += ` ec=${h.epochCreated}/${h.epochPoolCreated} lis/c=${h.lastIntervalStarted}/${h.lastIntervalClean}`;
  text += ` les/c/f=${h.lastEpochStarted}/${h.lastEpochClean}/${h.lastEpochMarkedFull} sis=${h.sameIntervalSince}`;
  if (h.priorReadableUntilUb_ns !== 0) text += ` pruub=${h.priorReadableUntilUb_ns / 1e9}s`;
  return `${text})`;
}
