import type { Formatter } from '../format/index.ts';
import { formatBytes, formatSi } from '../format/index.ts';
import type { ObjectStatSum, PoolStat } from '../osd/index.ts';
import { type Utime, utimeToMs } from '../utime.ts';

/** What happened a second in the time a delta covers. Whole numbers, never negative, cut as Ceph cuts them. */
export interface IoRates {
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly any: ObjectStatSum;
  readonly seconds: number;
}

/** A delta may go below zero when OSDs report older state after a restart; that is no activity. */
export function ioRates(delta: PoolStat, over: Utime): IoRates {
  const any = delta.stats.copy();
  any.floor(0);
  const seconds = utimeToMs(over) / 1000;
  const per = (x: number): number => (seconds > 0 ? Math.trunc(x / seconds) : 0);
  return {
    readBytes: per(any.numRdKb * 1024),
    writeBytes: per(any.numWrKb * 1024),
    reads: per(any.numRd),
    writes: per(any.numWr),
    any,
    seconds,
  };
}

/** `1.2 MiB/s rd, 3 KiB/s wr, 4 op/s rd, 5 op/s wr`; empty where nothing happened. */
export function clientIoText(r: IoRates): string {
  if (r.any.numRd === 0 && r.any.numWr === 0) return '';
  const read = r.any.numRd > 0 ? `${formatBytes(r.readBytes)}/s rd, ` : '';
  const write = r.any.numWr > 0 ? `${formatBytes(r.writeBytes)}/s wr, ` : '';
  return `${read}${write}${formatSi(r.reads)} op/s rd, ${formatSi(r.writes)} op/s wr`;
}

export function dumpClientIo(f: Formatter, r: IoRates): void {
  if (r.any.numRd === 0 && r.any.numWr === 0) return;
  if (r.any.numRd > 0) f.int('read_bytes_sec', r.readBytes);
  if (r.any.numWr > 0) f.int('write_bytes_sec', r.writeBytes);
  f.int('read_op_per_sec', r.reads);
  f.int('write_op_per_sec', r.writes);
}

function recoveryPerSecond(r: IoRates): { bytes: number; keys: number; objects: number } | undefined {
  const { numObjectsRecovered: objects, numBytesRecovered: bytes, numKeysRecovered: keys } = r.any;
  if (objects === 0 && bytes === 0 && keys === 0) return undefined;
  const per = (x: number): number => (r.seconds > 0 ? Math.trunc(x / r.seconds) : 0);
  return { bytes: per(bytes), keys: per(keys), objects: per(objects) };
}

export function recoveryRateText(r: IoRates): string {
  const s = recoveryPerSecond(r);
  if (s === undefined) return '';
  const keys = r.any.numKeysRecovered > 0 ? `, ${formatSi(s.keys)} keys/s` : '';
  return `${formatBytes(s.bytes)}/s${keys}, ${formatSi(s.objects)} objects/s`;
}

export function dumpRecoveryRate(f: Formatter, r: IoRates): void {
  const s = recoveryPerSecond(r);
  if (s === undefined) return;
  f.int('recovering_objects_per_sec', s.objects);
  f.int('recovering_bytes_per_sec', s.bytes);
  f.int('recovering_keys_per_sec', s.keys);
  f.int('num_objects_recovered', r.any.numObjectsRecovered);
  f.int('num_bytes_recovered', r.any.numBytesRecovered);
  f.int('num_keys_recovered', r.any.numKeysRecovered);
}
