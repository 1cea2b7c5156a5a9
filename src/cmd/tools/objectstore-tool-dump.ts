/** The JSON and XML forms of what `sepiola objectstore-tool` shows, as Ceph's formatter lays them out. */
import { DecodeError, list, Reader } from '../../encoding/index.ts';
import {
  addrTypeName,
  dumpCompatSet,
  dumpPgStat,
  type EntityAddr,
  type Formatter,
  formatEntityName,
  formatEversion,
  formatHobject,
  formatOsdReqid,
  formatSpgId,
  formatUtime,
  type Ghobject,
  type Hobject,
  type IntervalSet,
  NO_GEN,
  NO_SHARD,
  type ObjectCleanRegions,
  type ObjectInfo,
  type ObjectManifest,
  type OpReturn,
  type OsdSuperblock,
  objectInfoFlag,
  type PgHistory,
  type PgInfo,
  type PgLog,
  type PgLogEntry,
  type PgMissing,
  pgLogOpName,
  type SnapSet,
  snapid,
  snapidToBigint,
} from '../../types/index.ts';

export function dumpHobject(f: Formatter, h: Hobject): void {
  f.string('oid', h.oid);
  f.string('key', h.key);
  f.int('snapid', BigInt.asIntN(64, snapidToBigint(h.snap)));
  f.int('hash', h.hash);
  f.int('max', h.max ? 1 : 0);
  f.int('pool', h.pool);
  f.string('namespace', h.nspace);
}

export function dumpGhobject(f: Formatter, g: Ghobject): void {
  dumpHobject(f, g.hobj);
  if (g.generation !== NO_GEN) f.int('generation', g.generation);
  if (g.shard !== NO_SHARD) f.int('shard_id', g.shard);
  f.int('max', g.max ? 1 : 0);
}

function dumpHistory(f: Formatter, h: PgHistory): void {
  f.openObject('history');
  f.int('epoch_created', h.epochCreated);
  f.int('epoch_pool_created', h.epochPoolCreated);
  f.int('last_epoch_started', h.lastEpochStarted);
  f.int('last_interval_started', h.lastIntervalStarted);
  f.int('last_epoch_clean', h.lastEpochClean);
  f.int('last_interval_clean', h.lastIntervalClean);
  f.int('last_epoch_split', h.lastEpochSplit);
  f.int('last_epoch_marked_full', h.lastEpochMarkedFull);
  f.int('same_up_since', h.sameUpSince);
  f.int('same_interval_since', h.sameIntervalSince);
  f.int('same_primary_since', h.samePrimarySince);
  f.string('last_scrub', formatEversion(h.lastScrub));
  f.string('last_scrub_stamp', formatUtime(h.lastScrubStamp));
  f.string('last_deep_scrub', formatEversion(h.lastDeepScrub));
  f.string('last_deep_scrub_stamp', formatUtime(h.lastDeepScrubStamp));
  f.string('last_clean_scrub_stamp', formatUtime(h.lastCleanScrubStamp));
  f.float('prior_readable_until_ub', h.priorReadableUntilUb_ns / 1e9);
  f.close();
}

/** pg_info_t into an open object. */
export function dumpPgInfo(f: Formatter, i: PgInfo): void {
  f.string('pgid', formatSpgId(i.pgid));
  f.string('last_update', formatEversion(i.lastUpdate));
  f.string('last_complete', formatEversion(i.lastComplete));
  f.string('log_tail', formatEversion(i.logTail));
  f.int('last_user_version', i.lastUserVersion);
  f.string('last_backfill', formatHobject(i.lastBackfill));
  f.openArray('purged_snaps');
  for (const [start, length] of i.purgedSnaps.ranges()) {
    f.openObject('purged_snap_interval');
    f.string('start', start.toString(16));
    f.string('length', length.toString(16));
    f.close();
  }
  f.close();
  dumpHistory(f, i.history);
  f.openObject('stats');
  dumpPgStat(f, i.stats);
  f.close();
  f.int('empty', i.lastUpdate.version === 0 ? 1 : 0);
  f.int('dne', i.history.epochCreated === 0 ? 1 : 0);
  f.int('incomplete', i.lastBackfill.isMax ? 0 : 1);
  f.int('last_epoch_started', i.lastEpochStarted);
  f.openObject('hit_set_history');
  f.string('current_last_update', formatEversion(i.hitSet.currentLastUpdate));
  f.openArray('history');
  for (const hit of i.hitSet.history) {
    f.openObject('info');
    f.string('begin', formatUtime(hit.begin));
    f.string('end', formatUtime(hit.end));
    f.string('version', formatEversion(hit.version));
    f.bool('using_gmt', hit.usingGmt);
    f.close();
  }
  f.close();
  f.close();
}

const OFFSET_MAX = 2n ** 64n - 1n;

/** `[3000~18446744073709548615,...]` */
function formatExtents(set: IntervalSet): string {
  const parts = [...set.ranges()].map(([start, length]) =>
    Number.isFinite(length) ? `${start}~${length}` : `${start}~${OFFSET_MAX - BigInt(start)}`,
  );
  return `[${parts.join(',')}]`;
}

function dumpOpReturns(f: Formatter, returns: readonly OpReturn[]): void {
  if (returns.length === 0) return;
  f.openArray('op_returns');
  for (const r of returns) {
    f.openObject('op');
    f.int('rval', r.rval);
    f.int('bl_length', r.data.length);
    f.close();
  }
  f.close();
}

function dumpLogEntry(f: Formatter, e: PgLogEntry): void {
  f.openObject('entry');
  f.string('op', pgLogOpName(e.op));
  f.string('object', formatHobject(e.soid));
  f.string('version', formatEversion(e.version));
  f.string('prior_version', formatEversion(e.priorVersion));
  f.string('reqid', formatOsdReqid(e.reqid));
  f.openArray('extra_reqids');
  e.extraReqids.forEach(([reqid, version], i) => {
    f.openObject('extra_reqid');
    f.string('reqid', formatOsdReqid(reqid));
    f.string('user_version', String(version));
    const code = e.extraReqidReturnCodes.get(i);
    if (code !== undefined) f.int('return_code', code);
    f.close();
  });
  f.close();
  f.string('mtime', formatUtime(e.mtime));
  f.int('return_code', e.returnCode);
  dumpOpReturns(f, e.opReturns);
  if (e.snaps.length > 0) {
    f.openObject('snaps');
    for (const s of snapsOf(e.snaps)) f.int('snap', snapidToBigint(s));
    f.close();
  }
  f.openObject('mod_desc');
  f.openObject('object_mod_desc');
  f.bool('can_local_rollback', e.modDesc.canLocalRollback);
  f.bool('rollback_info_completed', e.modDesc.rollbackInfoCompleted);
  // Of erasure pools an entry tells here how it is undone; those steps stay encoded and are not shown.
  f.openArray('ops');
  f.close();
  f.close();
  f.close();
  f.openObject('clean_regions');
  dumpCleanRegions(f, e.cleanRegions);
  f.close();
  f.close();
}

function dumpCleanRegions(f: Formatter, c: ObjectCleanRegions): void {
  f.openObject('object_clean_regions');
  f.string('clean_offsets', formatExtents(c.cleanOffsets));
  f.bool('clean_omap', c.cleanOmap);
  f.bool('new_object', c.newObject);
  f.close();
}

function snapsOf(bytes: Uint8Array): number[] {
  try {
    return list(snapid).decode(new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

/** pg_log_t into an open object. */
export function dumpPgLog(f: Formatter, log: PgLog): void {
  f.string('head', formatEversion(log.head));
  f.string('tail', formatEversion(log.tail));
  f.openArray('log');
  for (const e of log.log) dumpLogEntry(f, e);
  f.close();
  f.openArray('dups');
  for (const d of log.dups) {
    f.openObject('entry');
    f.string('reqid', formatOsdReqid(d.reqid));
    f.string('version', formatEversion(d.version));
    f.string('user_version', String(d.userVersion));
    f.string('return_code', String(d.returnCode));
    dumpOpReturns(f, d.opReturns);
    f.close();
  }
  f.close();
}

/** pg_missing_t into an open object. */
export function dumpPgMissing(f: Formatter, m: PgMissing): void {
  f.openArray('missing');
  for (const { soid, item } of m.missing.values()) {
    const c = item.cleanRegions;
    f.openObject('item');
    f.string('object', formatHobject(soid));
    f.string('need', formatEversion(item.need));
    f.string('have', formatEversion(item.have));
    f.string('flags', item.isDelete ? 'delete' : 'none');
    f.string(
      'clean_regions',
      `clean_offsets: ${formatExtents(c.cleanOffsets)}, clean_omap: ${c.cleanOmap ? 1 : 0}, new_object: ${c.newObject ? 1 : 0}`,
    );
    f.close();
  }
  f.close();
  f.bool('may_include_deletes', m.mayIncludeDeletes);
}

/** Names of object_info_t's flags in the order in which Ceph shows them. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [objectInfoFlag.LOST, 'lost'],
  [objectInfoFlag.WHITEOUT, 'whiteout'],
  [objectInfoFlag.DIRTY, 'dirty'],
  [objectInfoFlag.USES_TMAP, 'uses_tmap'],
  [objectInfoFlag.OMAP, 'omap'],
  [objectInfoFlag.DATA_DIGEST, 'data_digest'],
  [objectInfoFlag.OMAP_DIGEST, 'omap_digest'],
  [objectInfoFlag.CACHE_PIN, 'cache_pin'],
  [objectInfoFlag.MANIFEST, 'manifest'],
  [objectInfoFlag.REDIRECT_HAS_REFERENCE, 'redirect_has_reference'],
];

function hex8(x: number): string {
  return `0x${(x >>> 0).toString(16).padStart(8, '0')}`;
}

function dumpAddr(f: Formatter, addr: EntityAddr): void {
  f.openObject('addr');
  f.string('type', addrTypeName(addr.type));
  f.string('addr', addr.sockaddrText);
  f.int('nonce', addr.nonce);
  f.close();
}

function dumpManifest(f: Formatter, m: ObjectManifest | undefined): void {
  f.openObject('manifest');
  f.int('type', m === undefined || m.type === 'none' ? 0 : m.type === 'redirect' ? 1 : 2);
  if (m?.type === 'redirect') {
    f.openObject('redirect_target');
    dumpHobject(f, m.target);
    f.close();
  } else if (m?.type === 'chunked') {
    f.openArray('chunk_map');
    for (const [offset, chunk] of m.chunks) {
      f.openObject('chunk');
      f.int('offset', offset);
      f.int('length', chunk.length);
      f.openObject('oid');
      dumpHobject(f, chunk.oid);
      f.close();
      f.int('flags', chunk.flags);
      f.close();
    }
    f.close();
  }
  f.close();
}

/** object_info_t into an open object. */
export function dumpObjectInfo(f: Formatter, o: ObjectInfo): void {
  f.openObject('oid');
  dumpHobject(f, o.soid);
  f.close();
  f.string('version', formatEversion(o.version));
  f.string('prior_version', formatEversion(o.priorVersion));
  f.string('last_reqid', formatOsdReqid(o.lastReqid));
  f.int('user_version', o.userVersion);
  f.int('size', o.size);
  f.string('mtime', formatUtime(o.mtime));
  f.string('local_mtime', formatUtime(o.localMtime));
  f.int('lost', (o.flags & objectInfoFlag.LOST) !== 0 ? 1 : 0);
  f.openArray('flags');
  for (const [flag, name] of FLAG_NAMES) if ((o.flags & flag) !== 0) f.string('flags', name);
  f.close();
  f.int('truncate_seq', o.truncateSeq);
  f.int('truncate_size', o.truncateSize);
  f.string('data_digest', hex8(o.dataDigest));
  f.string('omap_digest', hex8(o.omapDigest));
  f.int('expected_object_size', o.expectedObjectSize);
  f.int('expected_write_size', o.expectedWriteSize);
  f.int('alloc_hint_flags', o.allocHintFlags);
  dumpManifest(f, o.manifest);
  f.openObject('watchers');
  for (const { entity, info } of o.watchers) {
    f.openObject(formatEntityName(entity));
    f.int('cookie', info.cookie);
    f.int('timeout_seconds', info.timeout_s);
    dumpAddr(f, info.addr);
    f.close();
  }
  f.close();
}

/** SnapSet into an open object. */
export function dumpSnapSet(f: Formatter, s: SnapSet): void {
  f.int('seq', s.seq);
  f.openArray('clones');
  for (const c of s.clones) {
    f.openObject('clone');
    f.int('snap', c.id);
    f.int('size', c.size);
    f.string('overlap', formatExtents(c.overlap));
    f.openArray('snaps');
    for (const snap of c.snaps) f.int('snap', snap);
    f.close();
    f.close();
  }
  f.close();
}

/** OSDSuperblock into an open object. */
export function dumpSuperblock(f: Formatter, s: OsdSuperblock): void {
  f.string('cluster_fsid', s.clusterFsid);
  f.string('osd_fsid', s.osdFsid);
  f.int('whoami', s.whoami);
  f.int('current_epoch', s.currentEpoch);
  f.int('oldest_map', s.oldestMap);
  f.int('newest_map', s.newestMap);
  f.float('weight', s.weight);
  dumpCompatSet(f, 'compat', s.compatFeatures);
  f.int('clean_thru', s.cleanThru);
  f.int('last_epoch_mounted', s.mounted);
  f.int('purged_snaps_last', s.purgedSnapsLast);
  f.string('last_purged_snaps_scrub', formatUtime(s.lastPurgedSnapsScrub));
  f.int('cluster_osdmap_trim_lower_bound', s.clusterOsdmapTrimLowerBound);
}

/** As Ceph prints a CompatSet: `compat={},rocompat={},incompat={1=...,2=...}`. */
export function formatCompatSet(s: OsdSuperblock['compatFeatures']): string {
  const one = (set: ReadonlyMap<number, string>): string =>
    `{${[...set].map(([id, name]) => `${id}=${name}`).join(',')}}`;
  return `compat=${one(s.compat)},rocompat=${one(s.roCompat)},incompat=${one(s.incompat)}`;
}
