import { formatBytes, healthStatus } from '../types/index.ts';
import { type HealthChecks, mergeChecks } from './health.ts';
import type { Monitor } from './monitor.ts';

/**
 * What is wrong at this very monitor: its disk, and options that weaken the cluster. Summaries are Ceph's templates, which {@link monitorChecks} fills with the names
 * of all monitors that have the same to say.
 */
export function ownChecks(mon: Monitor): HealthChecks {
  const checks: HealthChecks = new Map();
  const { config, id } = mon;
  const raise = (code: string, severity: number, summary: string, detail: string): void => {
    checks.set(code, { severity, summary, detail: [detail], count: 1 });
  };
  const disk = mon.options.statfs();
  if (disk !== undefined && disk.total > 0) {
    const percent = Math.floor((disk.free / disk.total) * 100);
    const text = `mon.${id} has ${percent}% avail`;
    if (percent <= config.num('mon_data_avail_crit')) {
      raise('MON_DISK_CRIT', healthStatus.ERR, 'mon%plurals% %names% %isorare% very low on available space', text);
    } else if (percent <= config.num('mon_data_avail_warn')) {
      raise('MON_DISK_LOW', healthStatus.WARN, 'mon%plurals% %names% %isorare% low on available space', text);
    }
  }
  const limit = config.num('mon_data_size_warn');
  if (disk?.used !== undefined && disk.used >= limit) {
    const detail = `mon.${id} is ${formatBytes(disk.used)} >= mon_data_size_warn (${formatBytes(limit)})`;
    raise('MON_DISK_BIG', healthStatus.WARN, 'mon%plurals% %names% %isorare% using a lot of disk space', detail);
  }
  if (config.bool('mon_warn_on_osd_down_out_interval_zero') && config.num('mon_osd_down_out_interval') === 0) {
    raise(
      'OSD_NO_DOWN_OUT_INTERVAL',
      healthStatus.WARN,
      'mon%plurals% %names% %hasorhave% mon_osd_down_out_interval set to 0',
      `mon.${id} has mon_osd_down_out_interval set to 0`,
    );
  }
  if (
    config.bool('mon_warn_on_insecure_global_id_reclaim_allowed') &&
    config.bool('auth_allow_insecure_global_id_reclaim')
  ) {
    raise(
      'AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED',
      healthStatus.WARN,
      'mon%plurals% %isorare% allowing insecure global_id reclaim',
      `mon.${id} has auth_allow_insecure_global_id_reclaim set to true`,
    );
  }
  return checks;
}

/** Checks of this monitor and of those that report to it, each code once. */
function namedChecks(mon: Monitor): HealthChecks {
  const all: HealthChecks = new Map();
  const names = new Map<string, string[]>();
  const byRank = new Map(mon.peerChecks).set(mon.rank, ownChecks(mon));
  for (const [rank, checks] of [...byRank].sort(([a], [b]) => a - b)) {
    mergeChecks(all, checks);
    const name = mon.monmap.map.ranks[rank] ?? mon.id;
    for (const code of checks.keys()) names.set(code, [...(names.get(code) ?? []), name]);
  }
  for (const [code, check] of all) {
    const who = names.get(code)!;
    const many = who.length > 1;
    const summary = check.summary
      .replaceAll('%plurals%', many ? 's' : '')
      .replaceAll('%names%', who.join(','))
      .replaceAll('%isorare%', many ? 'are' : 'is')
      .replaceAll('%hasorhave%', many ? 'have' : 'has');
    all.set(code, { ...check, summary });
  }
  return all;
}

/** What is wrong with the monitors: what each says of itself, who is missing, and clocks that differ. */
export function monitorChecks(mon: Monitor): HealthChecks {
  const checks = namedChecks(mon);
  const { config } = mon;
  const { map } = mon.monmap;
  const { ranks, names } = mon.quorum;
  const out = map.ranks.filter((_name, rank) => !ranks.includes(rank));
  if (out.length > 0) {
    const detail = out.map(
      (name) => `mon.${name} (rank ${map.rankOf(name)}) addr ${map.mon(name)!.addrs} is down (out of quorum)`,
    );
    const summary = `${out.length}/${map.size} mons down, quorum ${names.join(',')}`;
    checks.set('MON_DOWN', { severity: healthStatus.WARN, summary, detail, count: out.length });
  }
  const skew = mon.timeCheck.check();
  if (skew !== undefined) checks.set('MON_CLOCK_SKEW', skew);
  if (config.bool('mon_warn_on_msgr2_not_enabled') && config.bool('ms_bind_msgr2')) {
    const old = [...map.mons.values()].filter((info) => !info.addrs.addrs.some((a) => a.type === 2));
    if (old.length > 0) {
      checks.set('MON_MSGR2_NOT_ENABLED', {
        severity: healthStatus.WARN,
        summary: `${old.length} monitors have not enabled msgr2`,
        detail: old.map((info) => `mon.${info.name} is not bound to a msgr2 port, only ${info.addrs}`),
        count: old.length,
      });
    }
  }
  return checks;
}
