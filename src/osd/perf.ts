/** The daemon's counters in Ceph's names (osd/osd_perf_counters.cc), for the manager and `perf dump`. */
import {
  type PerfCounterType,
  type PerfCounterValue,
  perfCounterKind,
  perfPriority,
  perfUnit,
} from '../types/index.ts';
import type { Osd } from './osd.ts';

type Entry = readonly [PerfCounterType, PerfCounterValue];
const { TIME, U64, LONGRUNAVG, COUNTER } = perfCounterKind;
const { CRITICAL, INTERESTING, USEFUL } = perfPriority;

function entry(
  path: string,
  type: number,
  description: string,
  value: number,
  options: { logger?: string; nick?: string; priority?: number; unit?: number; count?: number } = {},
): Entry {
  return [
    {
      path: `${options.logger ?? 'osd'}.${path}`,
      description,
      nick: options.nick ?? '',
      type,
      priority: options.priority ?? USEFUL,
      unit: options.unit ?? perfUnit.NONE,
    },
    options.count === undefined ? { value } : { value, count: options.count },
  ];
}

export function perfCounters(osd: Osd): Entry[] {
  const c = osd.counters;
  const { total, available } = osd.space();
  const bytes = { unit: perfUnit.BYTES };
  const ns = (s: number): number => Math.round(s * 1e9);
  let primary = 0;
  let replica = 0;
  let stray = 0;
  for (const pg of osd.pgs.values()) {
    if (pg.isPrimary) primary++;
    else if (pg.peering.isActing) replica++;
    else stray++;
  }
  return [
    entry('op_wip', U64, 'Replication operations currently being processed (primary)', osd.tracker.inFlight),
    entry('op', U64 | COUNTER, 'Client operations', c.op, { nick: 'ops', priority: CRITICAL }),
    entry('op_in_bytes', U64 | COUNTER, 'Client operations total write size', c.opIn, {
      nick: 'wr',
      priority: INTERESTING,
      ...bytes,
    }),
    entry('op_out_bytes', U64 | COUNTER, 'Client operations total read size', c.opOut, {
      nick: 'rd',
      priority: INTERESTING,
      ...bytes,
    }),
    entry('op_latency', TIME | LONGRUNAVG, 'Latency of client operations (including queue time)', ns(c.opLatency_s), {
      nick: 'l',
      priority: CRITICAL,
      count: c.op,
    }),
    entry('op_r', U64 | COUNTER, 'Client read operations', c.opR),
    entry('op_r_out_bytes', U64 | COUNTER, 'Client data read', c.opROut, bytes),
    entry('op_r_latency', TIME | LONGRUNAVG, 'Latency of read operation (including queue time)', ns(c.opRLatency_s), {
      count: c.opR,
    }),
    entry('op_w', U64 | COUNTER, 'Client write operations', c.opW),
    entry('op_w_in_bytes', U64 | COUNTER, 'Client data written', c.opWIn, bytes),
    entry('op_w_latency', TIME | LONGRUNAVG, 'Latency of write operation (including queue time)', ns(c.opWLatency_s), {
      count: c.opW,
    }),
    entry('op_rw', U64 | COUNTER, 'Client read-modify-write operations', c.opRw),
    entry('subop', U64 | COUNTER, 'Suboperations', c.subop),
    entry('recovery_ops', U64 | COUNTER, 'Started recovery operations', c.recoveryOps, {
      nick: 'rop',
      priority: INTERESTING,
    }),
    entry('recovery_bytes', U64 | COUNTER, 'recovery bytes', c.recoveryBytes, {
      nick: 'rbt',
      priority: INTERESTING,
      ...bytes,
    }),
    entry('numpg', U64, 'Placement groups', osd.pgs.size, { nick: 'pgs' }),
    entry('numpg_primary', U64, 'Placement groups for which this osd is primary', primary),
    entry('numpg_replica', U64, 'Placement groups for which this osd is replica', replica),
    entry('numpg_stray', U64, 'Placement groups ready to be deleted from this osd', stray),
    entry('heartbeat_to_peers', U64, 'Heartbeat (ping) peers we send to', osd.heartbeats.peers.length),
    entry('stat_bytes', U64, 'OSD size', total, { nick: 'size', ...bytes }),
    entry('stat_bytes_used', U64, 'Used space', total - available, { nick: 'used', ...bytes }),
    entry('stat_bytes_avail', U64, 'Available space', available, bytes),
    entry('slow_ops', U64, 'Requests older than osd_op_complaint_time', osd.tracker.slowOps),
    ...storeCounters(osd),
  ];
}

/** Those of the disk store, as BlueStore names them (os/bluestore/BlueStore.cc). */
function storeCounters({ store }: Osd): Entry[] {
  const counts = store.compressionCounts?.();
  if (counts === undefined) return [];
  const s = store.statfs();
  const own = { logger: 'bluestore' };
  const bytes = { ...own, unit: perfUnit.BYTES };
  return [
    entry('compress_success_count', U64 | COUNTER, 'Pieces of data that were compressed', counts.success, own),
    entry(
      'compress_rejected_count',
      U64 | COUNTER,
      'Pieces of data that stayed as they were: compressing saved too little',
      counts.rejected,
      own,
    ),
    entry('bluestore_allocated', U64, 'Space that data takes', s.allocated, bytes),
    entry('bluestore_stored', U64, 'Bytes of data', s.stored, bytes),
    entry('bluestore_compressed', U64, 'Compressed bytes', s.compressedBytes, { ...bytes, nick: 'c' }),
    entry('bluestore_compressed_allocated', U64, 'Space that compressed data takes', s.compressedAllocatedBytes, {
      ...bytes,
      nick: 'c_a',
    }),
    entry(
      'bluestore_compressed_original',
      U64,
      'Bytes of data that compressed data stands for',
      s.compressedOriginalBytes,
      {
        ...bytes,
        nick: 'c_o',
      },
    ),
  ];
}

/** `perf dump`: counters by logger. */
export function perfDump(osd: Osd): Record<string, Record<string, unknown>> {
  const out: Record<string, Record<string, unknown>> = {};
  for (const [t, v] of perfCounters(osd)) {
    const dot = t.path.indexOf('.');
    const logger = t.path.slice(0, dot);
    const group = out[logger] ?? {};
    out[logger] = group;
    const name = t.path.slice(dot + 1);
    if ((t.type & LONGRUNAVG) !== 0) {
      const sum = v.value / 1e9;
      const avgcount = v.count ?? 0;
      group[name] = { avgcount, sum, avgtime: avgcount === 0 ? 0 : sum / avgcount };
    } else group[name] = v.value;
  }
  return out;
}

export function perfSchema(osd: Osd): Record<string, Record<string, unknown>> {
  const out: Record<string, Record<string, unknown>> = {};
  for (const [t] of perfCounters(osd)) {
    const dot = t.path.indexOf('.');
    const logger = t.path.slice(0, dot);
    const group = out[logger] ?? {};
    out[logger] = group;
    group[t.path.slice(dot + 1)] = {
      type: t.type,
      metric_type: (t.type & COUNTER) !== 0 || (t.type & LONGRUNAVG) !== 0 ? 'counter' : 'gauge',
      value_type: (t.type & LONGRUNAVG) !== 0 ? 'real-integer-pair' : 'integer',
      description: t.description,
      nick: t.nick,
      priority: t.priority,
      units: t.unit === perfUnit.BYTES ? 'bytes' : 'none',
    };
  }
  return out;
}
