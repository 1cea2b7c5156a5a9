/** Options of the daemon, read out of the configuration once and again when it changes. Names and defaults are Ceph's. */
import type { Config } from '../config/index.ts';
import type { CompressionOptions } from '../store/index.ts';
import { getPoolOpt, type PoolOpts } from '../types/index.ts';
import type { OpLimits } from './ops/context.ts';
import type { ScrubOptions } from './pg/scrub.ts';
import type { PgServices } from './pg/services.ts';

/** Bytes that a store is made larger than its OSD says it is (the block file is sparse); see Osd.space. */
export const SPARE_BYTES = 128 * 1024 * 1024;

/**
 * What the store may cache. Data is cached by the system and not by the process, as BlueStore does it; so the caches of a store are its onodes alone, and they get
 * a small part of what the operator lets the OSD have: 16 MiB at Ceph's default of 4 GiB.
 */
export function storeCacheBytes(config: Config): number {
  return Math.floor(config.num('osd_memory_target') / 256);
}

/** bluestore_compression_*: what pools do not have otherwise. Devices count as flash. */
export function compressionOptions(config: Config): CompressionOptions {
  const mode = config.str('bluestore_compression_mode');
  const size = (name: string): number => config.num(name) || config.num(`${name}_ssd`);
  return {
    mode: isCompressionMode(mode) ? mode : 'none',
    algorithm: config.str('bluestore_compression_algorithm'),
    requiredRatio: config.num('bluestore_compression_required_ratio'),
    minBlobSize: size('bluestore_compression_min_blob_size'),
    maxBlobSize: size('bluestore_compression_max_blob_size'),
    blobSizeLimit: size('bluestore_max_blob_size'),
  };
}

/** What a pool has instead; undefined: nothing. */
export function poolCompression(opts: PoolOpts): Partial<CompressionOptions> | undefined {
  const mode = getPoolOpt(opts, 'compression_mode');
  const algorithm = getPoolOpt(opts, 'compression_algorithm');
  const requiredRatio = getPoolOpt(opts, 'compression_required_ratio');
  const minBlobSize = getPoolOpt(opts, 'compression_min_blob_size');
  const maxBlobSize = getPoolOpt(opts, 'compression_max_blob_size');
  const own: Partial<CompressionOptions> = {
    ...(isCompressionMode(mode) ? { mode } : {}),
    ...(typeof algorithm === 'string' ? { algorithm } : {}),
    ...(typeof requiredRatio === 'number' ? { requiredRatio } : {}),
    ...(typeof minBlobSize === 'number' ? { minBlobSize } : {}),
    ...(typeof maxBlobSize === 'number' ? { maxBlobSize } : {}),
  };
  return Object.keys(own).length === 0 ? undefined : own;
}

function isCompressionMode(mode: unknown): mode is CompressionOptions['mode'] {
  return mode === 'none' || mode === 'passive' || mode === 'aggressive' || mode === 'force';
}

export function opLimits(config: Config): OpLimits {
  return {
    objectSize: config.num('osd_max_object_size'),
    nameLength: config.num('osd_max_object_name_len'),
    nspaceLength: config.num('osd_max_object_namespace_len'),
    attrNameLength: config.num('osd_max_attr_name_len'),
    attrSize: config.num('osd_max_attr_size'),
    omapEntries: config.num('osd_max_omap_entries_per_request'),
    omapBytes: config.num('osd_max_omap_bytes_per_request'),
    pgls: config.num('osd_max_pgls'),
    writeSize: config.num('osd_max_write_size') << 20,
    writeReply: config.num('osd_max_write_op_reply_len'),
    watchTimeout_s: config.num('osd_client_watch_timeout'),
    notifyTimeout_s: config.num('osd_default_notify_timeout'),
  };
}

export function scrubOptions(config: Config): ScrubOptions {
  return {
    stride: config.num('osd_deep_scrub_stride'),
    keys: config.num('osd_deep_scrub_keys'),
    largeKeys: config.num('osd_deep_scrub_large_omap_object_key_threshold'),
    largeBytes: config.num('osd_deep_scrub_large_omap_object_value_sum_threshold'),
    chunk_max: Math.max(3, config.num('osd_scrub_chunk_max')),
    sleep_ms: config.num('osd_scrub_sleep') * 1000,
    objectSize_max: config.num('osd_max_object_size'),
    digestAge_ms: config.num('osd_deep_scrub_update_digest_min_age') * 1000,
    autoRepair_max: config.bool('osd_scrub_auto_repair') ? config.num('osd_scrub_auto_repair_num_errors') : 0,
  };
}

/** Objects that one PG recovers at a time, where osd_recovery_max_active leaves it to the kind of disk. */
function recoveryActive(config: Config): number {
  return config.num('osd_recovery_max_active') || config.num('osd_recovery_max_active_ssd');
}

export function pgOptions(config: Config): PgServices['pgOptions'] {
  return {
    forceAuthMissing: config.num('osd_force_auth_primary_missing_objects'),
    logEntriesMin: config.num('osd_min_pg_log_entries'),
    logEntriesMax: config.num('osd_max_pg_log_entries'),
    logTrimMin: config.num('osd_pg_log_trim_min'),
    logTrimMax: config.num('osd_pg_log_trim_max'),
    dupsTracked: config.num('osd_pg_log_dups_tracked'),
    allowBelowMinSize: config.bool('osd_allow_recovery_below_min_size'),
    recoveryChunk: config.num('osd_recovery_max_chunk'),
    recoveryActive: recoveryActive(config),
    recoveryOmapEntries: config.num('osd_recovery_max_omap_entries_per_chunk'),
    backfillScan: config.num('osd_backfill_scan_min'),
    backoffOnDown: true,
    epochStaleMax: config.num('osd_pg_epoch_persisted_max_stale'),
    snapTrimsActive: config.num('osd_pg_max_concurrent_snap_trims'),
    snapTrimSleep_ms: (config.num('osd_snap_trim_sleep') || config.num('osd_snap_trim_sleep_ssd')) * 1000,
    purgedIntervalsMax: config.num('osd_max_snap_prune_intervals_per_epoch'),
  };
}

export interface HeartbeatOptions {
  readonly interval_ms: number;
  readonly grace_ms: number;
  readonly minPeers: number;
  readonly minSize: number;
}

export function heartbeatOptions(config: Config): HeartbeatOptions {
  return {
    interval_ms: config.num('osd_heartbeat_interval') * 1000,
    grace_ms: config.num('osd_heartbeat_grace') * 1000,
    minPeers: config.num('osd_heartbeat_min_peers'),
    minSize: config.num('osd_heartbeat_min_size'),
  };
}
