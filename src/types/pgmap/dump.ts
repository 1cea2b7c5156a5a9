import type { Formatter } from '../format/index.ts';
import {
  formatEversion,
  formatPgId,
  formatPgShard,
  formatPgState,
  type ObjectStatField,
  type ObjectStatSum,
  type OsdStat,
  type PgStat,
  type PoolStat,
  type StoreStatfs,
  statfsUsedRaw,
} from '../osd/index.ts';
import { formatUtime, type Utime } from '../utime.ts';

/** The order in which Ceph dumps the sums, which is not that of the wire. */
const SUM_ORDER: readonly ObjectStatField[] = [
  'numBytes',
  'numObjects',
  'numObjectClones',
  'numObjectCopies',
  'numObjectsMissingOnPrimary',
  'numObjectsMissing',
  'numObjectsDegraded',
  'numObjectsMisplaced',
  'numObjectsUnfound',
  'numObjectsDirty',
  'numWhiteouts',
  'numRd',
  'numRdKb',
  'numWr',
  'numWrKb',
  'numScrubErrors',
  'numShallowScrubErrors',
  'numDeepScrubErrors',
  'numObjectsRecovered',
  'numBytesRecovered',
  'numKeysRecovered',
  'numObjectsOmap',
  'numObjectsHitSetArchive',
  'numBytesHitSetArchive',
  'numFlush',
  'numFlushKb',
  'numEvict',
  'numEvictKb',
  'numPromote',
  'numFlushModeHigh',
  'numFlushModeLow',
  'numEvictModeSome',
  'numEvictModeFull',
  'numObjectsPinned',
  'numLegacySnapsets',
  'numLargeOmapObjects',
  'numObjectsManifest',
  'numOmapBytes',
  'numOmapKeys',
  'numObjectsRepaired',
];

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}

const sumName = (field: ObjectStatField): string =>
  snake(field)
    .replace(/^num_rd\b|^num_rd(?=_kb)/, 'num_read')
    .replace(/^num_wr\b|^num_wr(?=_kb)/, 'num_write');
const SUM_NAMES: readonly (readonly [ObjectStatField, string])[] = SUM_ORDER.map((field) => [field, sumName(field)]);

export function dumpObjectStatSum(f: Formatter, s: ObjectStatSum): void {
  f.openObject('stat_sum');
  for (const [field, name] of SUM_NAMES) f.int(name, s[field]);
  f.close();
}

const SPACE_FIELDS = [
  'total',
  'available',
  'internallyReserved',
  'allocated',
  'dataStored',
  'dataCompressed',
  'dataCompressedAllocated',
  'dataCompressedOriginal',
  'omapAllocated',
  'internalMetadata',
] as const;

/** store_statfs_t into an open object. */
export function dumpStoreStatfs(f: Formatter, s: StoreStatfs): void {
  for (const field of SPACE_FIELDS) f.int(snake(field), s[field]);
}

/** pool_stat_t into an open object. */
export function dumpPoolStat(f: Formatter, s: PoolStat): void {
  dumpObjectStatSum(f, s.stats);
  f.openObject('store_stats');
  dumpStoreStatfs(f, s.storeStats);
  f.close();
  f.int('log_size', s.logSize);
  f.int('ondisk_log_size', s.ondiskLogSize);
  f.int('up', s.up);
  f.int('acting', s.acting);
  f.int('num_store_stats', s.numStoreStats);
}

function numbers(f: Formatter, name: string, item: string, values: Iterable<number>): void {
  f.openArray(name);
  for (const value of values) f.int(item, value);
  f.close();
}

/** pg_stat_t in brief, into an open object: what `pg dump pgs_brief` shows. */
export function dumpPgStatBrief(f: Formatter, s: PgStat): void {
  f.string('state', formatPgState(s.state));
  numbers(f, 'up', 'osd', s.up);
  numbers(f, 'acting', 'osd', s.acting);
  f.int('up_primary', s.upPrimary);
  f.int('acting_primary', s.actingPrimary);
}

/** pg_stat_t into an open object. */
export function dumpPgStat(f: Formatter, s: PgStat): void {
  const stamp = (name: string, t: Utime): void => f.string(name, formatUtime(t));
  f.string('version', formatEversion(s.version));
  f.int('reported_seq', s.reportedSeq);
  f.int('reported_epoch', s.reportedEpoch);
  f.string('state', formatPgState(s.state));
  stamp('last_fresh', s.lastFresh);
  stamp('last_change', s.lastChange);
  stamp('last_active', s.lastActive);
  stamp('last_peered', s.lastPeered);
  stamp('last_clean', s.lastClean);
  stamp('last_became_active', s.lastBecameActive);
  stamp('last_became_peered', s.lastBecamePeered);
  stamp('last_unstale', s.lastUnstale);
  stamp('last_undegraded', s.lastUndegraded);
  stamp('last_fullsized', s.lastFullsized);
  f.int('mapping_epoch', s.mappingEpoch);
  f.string('log_start', formatEversion(s.logStart));
  f.string('ondisk_log_start', formatEversion(s.ondiskLogStart));
  f.int('created', s.created);
  f.int('last_epoch_clean', s.lastEpochClean);
  f.string('parent', formatPgId(s.parent));
  f.int('parent_split_bits', s.parentSplitBits);
  f.string('last_scrub', formatEversion(s.lastScrub));
  stamp('last_scrub_stamp', s.lastScrubStamp);
  f.string('last_deep_scrub', formatEversion(s.lastDeepScrub));
  stamp('last_deep_scrub_stamp', s.lastDeepScrubStamp);
  stamp('last_clean_scrub_stamp', s.lastCleanScrubStamp);
  f.int('log_size', s.logSize);
  f.int('ondisk_log_size', s.ondiskLogSize);
  f.bool('stats_invalid', s.statsInvalid);
  f.bool('dirty_stats_invalid', s.dirtyStatsInvalid);
  f.bool('omap_stats_invalid', s.omapStatsInvalid);
  f.bool('hitset_stats_invalid', s.hitsetStatsInvalid);
  f.bool('hitset_bytes_stats_invalid', s.hitsetBytesStatsInvalid);
  f.bool('pin_stats_invalid', s.pinStatsInvalid);
  f.bool('manifest_stats_invalid', s.manifestStatsInvalid);
  f.int('snaptrimq_len', s.snaptrimqLen);
  dumpObjectStatSum(f, s.stats);
  numbers(f, 'up', 'osd', s.up);
  numbers(f, 'acting', 'osd', s.acting);
  f.openArray('avail_no_missing');
  for (const shard of s.availNoMissing) f.string('shard', formatPgShard(shard));
  f.close();
  f.openArray('object_location_counts');
  for (const { shards, count } of s.objectLocationCounts) {
    f.openObject('entry');
    f.string('shards', shards.map(formatPgShard).join(','));
    f.int('objects', count);
    f.close();
  }
  f.close();
  numbers(f, 'blocked_by', 'osd', s.blockedBy);
  f.int('up_primary', s.upPrimary);
  f.int('acting_primary', s.actingPrimary);
  f.openArray('purged_snaps');
  for (const [start, length] of s.purgedSnaps.ranges()) {
    f.openObject('interval');
    f.string('start', start.toString(16));
    f.string('length', length.toString(16));
    f.close();
  }
  f.close();
}

const kb = (bytes: number): number => Math.floor(bytes / 1024);

/** osd_stat_t into an open object. `withNetwork`: the heartbeat times too. */
export function dumpOsdStat(f: Formatter, s: OsdStat, withNetwork = true): void {
  f.int('up_from', s.upFrom);
  f.int('seq', s.seq);
  f.int('num_pgs', s.numPgs);
  f.int('num_osds', s.numOsds);
  f.int('num_per_pool_osds', s.numPerPoolOsds);
  f.int('num_per_pool_omap_osds', s.numPerPoolOmapOsds);
  f.int('kb', kb(s.statfs.total));
  f.int('kb_used', kb(statfsUsedRaw(s.statfs)));
  f.int('kb_used_data', kb(s.statfs.allocated));
  f.int('kb_used_omap', kb(s.statfs.omapAllocated));
  f.int('kb_used_meta', kb(s.statfs.internalMetadata));
  f.int('kb_avail', kb(s.statfs.available));
  f.openObject('statfs');
  dumpStoreStatfs(f, s.statfs);
  f.close();
  numbers(f, 'hb_peers', 'osd', s.hbPeers);
  f.int('snap_trim_queue_len', s.snapTrimQueueLen);
  f.int('num_snap_trimming', s.numSnapTrimming);
  f.int('num_shards_repaired', s.numShardsRepaired);
  f.openObject('op_queue_age_hist');
  numbers(f, 'histogram', 'count', s.opQueueAgeHist);
  f.int('upper_bound', 2 ** s.opQueueAgeHist.length);
  f.close();
  dumpOsdPerf(f, s);
  f.openArray('alerts');
  for (const [osd, alerts] of s.alerts) {
    f.openObject('osd');
    f.int('osd', osd);
    f.openArray('alert');
    for (const [name, text] of alerts) {
      f.openObject('alert');
      f.string('alert', name);
      f.string('text', text);
      f.close();
    }
    f.close();
    f.close();
  }
  f.close();
  if (!withNetwork) return;
  f.openArray('network_ping_times');
  for (const [osd, t] of s.hbPingtime) {
    f.openObject('entry');
    f.int('osd', osd);
    f.string('last update', ctime(t.lastUpdate));
    f.openArray('interfaces');
    interfaceTimes(f, 'back', t.backPingtime, t.backMin, t.backMax, t.backLast);
    // An interface of which nothing was heard is left out.
    if (t.frontLast !== 0) interfaceTimes(f, 'front', t.frontPingtime, t.frontMin, t.frontMax, t.frontLast);
    f.close();
    f.close();
  }
  f.close();
}

type Three = readonly [number, number, number];

function interfaceTimes(f: Formatter, name: string, average: Three, min: Three, max: Three, last: number): void {
  const ms = (us: number): string => String(us / 1000);
  f.openObject('interface');
  f.string('interface', name);
  for (const [what, times] of [
    ['average', average],
    ['min', min],
    ['max', max],
  ] as const) {
    f.openObject(what);
    ['1min', '5min', '15min'].forEach((span, i) => {
      f.raw(span, ms(times[i]!));
    });
    f.close();
  }
  f.raw('last', ms(last));
  f.close();
}

/** `Sat Nov 21 21:29:14 2026`, in UTC. */
function ctime(seconds: number): string {
  // `Sat, 21 Nov 2026 21:29:14 GMT`
  const [weekday, day, month, year, time] = new Date(seconds * 1000).toUTCString().split(/,? /);
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}

/** objectstore_perf_stat_t, as `perf_stat`. */
export function dumpOsdPerf(f: Formatter, s: OsdStat, name = 'perf_stat'): void {
  const { commitLatency_ns: commit, applyLatency_ns: apply } = s.perfStat;
  f.openObject(name);
  f.int('commit_latency_ms', Math.floor(commit / 1e6));
  f.int('apply_latency_ms', Math.floor(apply / 1e6));
  f.int('commit_latency_ns', commit);
  f.int('apply_latency_ns', apply);
  f.close();
}
