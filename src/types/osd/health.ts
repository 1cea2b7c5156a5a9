import {
  bool,
  type Codec,
  f32,
  list,
  s64num,
  since,
  sortedMap,
  string,
  struct,
  u8,
  u32,
  u64,
} from '../../encoding/index.ts';
import { type Utime, utime } from '../utime.ts';
import { compareText } from './text-order.ts';

/** health_status_t: the lower, the worse. */
export const healthStatus = { ERR: 0, WARN: 1, OK: 2 } as const;

/** `HEALTH_WARN` */
export function healthStatusName(status: number): string {
  return status === healthStatus.ERR
    ? 'HEALTH_ERR'
    : status === healthStatus.WARN
      ? 'HEALTH_WARN'
      : status === healthStatus.OK
        ? 'HEALTH_OK'
        : 'HEALTH_?';
}

/** health_check_t: one thing that is wrong. */
export interface HealthCheck {
  /** One of healthStatus. */
  severity: number;
  summary: string;
  detail: string[];
  count: number;
}

export const healthCheck: Codec<HealthCheck> = struct(
  'health_check_t',
  { version: 2, compat: 1 },
  { severity: u8, summary: string, detail: list(string), count: since(2, s64num, () => 0) },
);

/** health_check_map_t: code -> check. */
export type HealthCheckMap = Map<string, HealthCheck>;

const checks = struct(
  'health_check_map_t',
  { version: 1, compat: 1 },
  { checks: sortedMap(string, healthCheck, compareText) },
);

export const healthCheckMap: Codec<HealthCheckMap> = {
  name: 'health_check_map_t',
  length_min: 6,
  encode: (w, map) => checks.encode(w, { checks: map }),
  decode: (r) => checks.decode(r).checks,
};

/** health_mute_t: a check that was silenced. */
export interface HealthMute {
  code: string;
  /** When it ends; zero: never. */
  ttl: Utime;
  sticky: boolean;
  summary: string;
  count: number;
}

export const healthMute: Codec<HealthMute> = struct(
  'health_mute_t',
  { version: 1, compat: 1 },
  { code: string, ttl: utime, sticky: bool, summary: string, count: s64num },
);

/** daemon_metric: what a daemon reports to the manager beside its counters. */
export const daemonMetric = { SLOW_OPS: 0, PENDING_CREATING_PGS: 1, NONE: 2 } as const;

/** DaemonHealthMetric. Its value is one number of 64 bits or two of 32 (the low half first). */
export interface DaemonHealthMetric {
  /** One of daemonMetric. */
  type: number;
  value: bigint;
}

export const daemonHealthMetric: Codec<DaemonHealthMetric> = struct(
  'DaemonHealthMetric',
  { version: 1, compat: 1 },
  { type: u8, value: u64 },
);

/** A metric of two halves: of SLOW_OPS, how many and for how many seconds the oldest. */
export function makeDaemonHealthMetric(type: number, n1: number, n2: number): DaemonHealthMetric {
  return { type, value: (BigInt(n2 >>> 0) << 32n) | BigInt(n1 >>> 0) };
}

export function daemonHealthMetricHalves(m: DaemonHealthMetric): [n1: number, n2: number] {
  return [Number(m.value & 0xffffffffn), Number(m.value >> 32n)];
}

/** ProgressEvent: something the manager does over time. */
export interface ProgressEvent {
  message: string;
  /** 0 to 1. */
  progress: number;
  /** Whether `ceph -s` shows it. */
  addToCephS: boolean;
}

export const progressEvent: Codec<ProgressEvent> = {
  name: 'ProgressEvent',
  length_min: 6,
  encode(w, e) {
    const token = w.structStart(2, 1);
    w.string(e.message);
    w.f32(e.progress);
    w.bool(e.addToCephS);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(2);
    const message = r.string();
    const progress = f32.decode(r);
    const addToCephS = frame.version >= 2 ? r.bool() : message !== '';
    r.structEnd(frame);
    return { message, progress, addToCephS };
  },
};

/** DataStats: space of a monitor's data directory. */
export interface MonDataStats {
  totalBytes: bigint;
  usedBytes: bigint;
  availBytes: bigint;
  availPercent: number;
  lastUpdate: Utime;
  storeStats: { bytesTotal: bigint; bytesSst: bigint; bytesLog: bigint; bytesMisc: bigint; lastUpdate: Utime };
}

const storeStats = struct(
  'LevelDBStoreStats',
  { version: 1, compat: 1 },
  { bytesTotal: u64, bytesSst: u64, bytesLog: u64, bytesMisc: u64, lastUpdate: utime },
);

/** Version 3 only: earlier ones, from before Firefly, are in KiB. */
export const monDataStats: Codec<MonDataStats> = struct(
  'DataStats',
  { version: 3, compat: 1 },
  { totalBytes: u64, usedBytes: u64, availBytes: u64, availPercent: u32, lastUpdate: utime, storeStats },
);
