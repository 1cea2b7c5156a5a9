import {
  clientIoText,
  dumpClientIo,
  dumpOsdPerf,
  dumpRecovery,
  dumpRecoveryRate,
  type IoRates,
  ioRates,
  makePoolStat,
  type PoolStat,
  recoveryRateText,
  recoveryTexts,
  TextTable,
  utimeZero,
} from '../types/index.ts';
import { command, type MgrCall, type MgrCommand, type MgrReply, output, poolIdOf } from './commands.ts';

function osdPerf({ f, view }: MgrCall): MgrReply {
  const osds = [...view.pgMap.osds].sort((a, b) => b[0] - a[0]);
  if (f !== undefined) {
    f.openObject('osd_perf');
    f.bool('pg_ready', true);
    f.openObject('osdstats');
    f.openArray('osd_perf_infos');
    for (const [osd, stat] of osds) {
      f.openObject('osd');
      f.int('id', osd);
      dumpOsdPerf(f, stat, 'perf_stats');
      f.close();
    }
    f.close();
    f.close();
    f.close();
    return output(f.flush());
  }
  const table = new TextTable()
    .column('osd', 'left', 'right')
    .column('commit_latency(ms)', 'left', 'right')
    .column('apply_latency(ms)', 'left', 'right');
  for (const [osd, { perfStat }] of osds)
    table.row(osd, Math.floor(perfStat.commitLatency_ns / 1e6), Math.floor(perfStat.applyLatency_ns / 1e6));
  return output(String(table));
}

function blockedBy({ f, view }: MgrCall): MgrReply {
  const blocked = new Map<number, number>();
  for (const pg of view.pgMap.pgs.values())
    for (const osd of pg.blockedBy) blocked.set(osd, (blocked.get(osd) ?? 0) + 1);
  const osds = [...blocked].sort((a, b) => a[0] - b[0]);
  if (f !== undefined) {
    f.openObject('osd_blocked_by');
    f.openArray('osd_blocked_by_infos');
    for (const [osd, count] of osds) {
      f.openObject('osd');
      f.int('id', osd);
      f.int('num_blocked', count);
      f.close();
    }
    f.close();
    f.close();
    return output(f.flush());
  }
  const table = new TextTable().column('osd', 'left', 'right').column('num_blocked', 'left', 'right');
  for (const [osd, count] of osds) table.row(osd, count);
  return output(String(table));
}

function poolStats({ f, view, args }: MgrCall): MgrReply {
  const name = args.optionalStr('pool_name');
  const pools = name === undefined ? [...view.osdMap.pools.keys()] : [poolIdOf(view, name)];
  const { digest } = view;
  const of = (pool: number): { sum: PoolStat; rates: IoRates } => ({
    sum: digest.poolSum.get(pool) ?? makePoolStat(),
    rates: ioRates(
      digest.poolSumDelta.get(pool)?.[0] ?? makePoolStat(),
      digest.poolSumDeltaStamps.get(pool) ?? utimeZero,
    ),
  });
  if (f !== undefined) {
    f.openArray('pool_stats');
    for (const pool of pools) {
      const { sum, rates } = of(pool);
      f.openObject('pool_stats');
      f.string('pool_name', view.osdMap.poolName(pool) ?? '');
      f.int('pool_id', pool);
      f.openObject('recovery');
      dumpRecovery(f, sum);
      f.close();
      f.openObject('recovery_rate');
      dumpRecoveryRate(f, rates);
      f.close();
      f.openObject('client_io_rate');
      dumpClientIo(f, rates);
      f.close();
      f.close();
    }
    f.close();
    return output(f.flush());
  }
  if (pools.length === 0) return output('there are no pools!');
  let text = '';
  for (const pool of pools) {
    const { sum, rates } = of(pool);
    const lines = recoveryTexts(sum).map((line) => `  ${line}\n`);
    const recovery = recoveryRateText(rates);
    if (recovery !== '') lines.push(`  recovery io ${recovery}\n`);
    const client = clientIoText(rates);
    if (client !== '') lines.push(`  client io ${client}\n`);
    text += `pool ${view.osdMap.poolName(pool)} id ${pool}\n${lines.length === 0 ? '  nothing is going on\n' : lines.join('')}\n`;
  }
  return output(text);
}

export const osdCommands: readonly MgrCommand[] = [
  command('osd perf', 'osd', 'r', '', 'show recent commit and apply latencies of OSDs', osdPerf),
  command('osd blocked-by', 'osd', 'r', '', 'show which OSDs keep PGs from peering', blockedBy),
  command('osd pool stats', 'osd', 'r', 'pool_name?:Poolname', 'show the I/O and recovery rates of pools', poolStats),
];
