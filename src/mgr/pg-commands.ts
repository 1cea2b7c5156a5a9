import { ErrnoError } from '../base/index.ts';
import {
  dumpPgStatSummary,
  parsePgId,
  parsePgState,
  pgState,
  pgStatText,
  type Utime,
  utimeToMs,
} from '../types/index.ts';
import { command, type MgrCall, type MgrCommand, type MgrReply, output, poolIdOf } from './commands.ts';
import {
  allText,
  basicText,
  dumpBasic,
  dumpDelta,
  dumpOsds,
  dumpPgs,
  dumpPools,
  type NamedPg,
  OMAP_NOTE,
  osdsText,
  pgLsText,
  pgSumText,
  pgsBriefText,
  pgsText,
  poolsText,
  sortedPgs,
} from './pg-dump.ts';

function pgStatCommand({ f, view }: MgrCall): MgrReply {
  if (f === undefined) return output(pgStatText(view.digest));
  f.openObject('pg_stat');
  f.bool('pg_ready', true);
  f.openObject('pg_summary');
  dumpPgStatSummary(f, view.digest);
  f.close();
  f.close();
  return output(f.flush());
}

function pgDump({ f, view, args }: MgrCall, only?: string): MgrReply {
  const asked = only === undefined ? args.list('dumpcontents') : [only];
  const what = new Set(asked.length === 0 ? ['all'] : [...asked].sort());
  const { pgMap, digest } = view;
  // Largest first, as Ceph's table of PGs comes out.
  const pgs = sortedPgs(pgMap.pgs).reverse();
  const status = `dumped ${[...what].join(',')}`;
  if (f !== undefined) {
    f.openObject('pg_dump');
    f.bool('pg_ready', true);
    if (what.has('all') || what.has('summary') || what.has('sum')) {
      f.openObject('pg_map');
      dumpBasic(f, pgMap, digest);
      if (what.has('all')) {
        dumpPgs(f, pgs);
        dumpPools(f, digest);
        dumpOsds(f, pgMap);
      }
      f.close();
    } else {
      if (what.has('pools')) dumpPools(f, digest);
      if (what.has('osds')) dumpOsds(f, pgMap);
      if (what.has('pgs')) dumpPgs(f, pgs);
      if (what.has('pgs_brief')) dumpPgs(f, pgs, true);
      if (what.has('delta')) {
        f.openObject('delta');
        dumpDelta(f, digest);
        f.close();
      }
    }
    f.close();
    return output(f.flush(), status);
  }
  if (what.has('all')) return output(allText(pgMap, digest) + OMAP_NOTE, status);
  let text = '';
  let note = false;
  if (what.has('summary') || what.has('sum')) {
    text = basicText(pgMap) + pgSumText(digest.pgSum, true) + osdsText(pgMap, digest);
    note = true;
  } else {
    if (what.has('pgs_brief')) text += pgsBriefText(pgs);
    if (what.has('pgs')) text += pgsText(pgs);
    if (what.has('pools')) text += poolsText(digest, !what.has('pgs'));
    if (what.has('osds')) text += osdsText(pgMap, digest);
    note = what.has('pgs') || what.has('pools');
  }
  return output(note ? text + OMAP_NOTE : text, status);
}

/** The mask of the named states; undefined for all. */
function stateFilter(names: readonly string[]): bigint | undefined {
  let mask = 0n;
  for (const name of names) {
    if (name === 'all') return undefined;
    const state = parsePgState(name);
    if (state === undefined) {
      const choices = Object.keys(pgState)
        .map((n) => n.toLowerCase())
        .join('+');
      throw new ErrnoError('EINVAL', `'${name}' is not a valid pg state, available choices: ${choices}`);
    }
    mask |= state;
  }
  return names.length === 0 ? undefined : mask;
}

interface Filter {
  readonly pool?: number | undefined;
  readonly osd?: number;
  readonly primaryOnly?: boolean;
}

function pgLs({ f, view, args }: MgrCall, filter: Filter): MgrReply {
  const { osdMap, pgMap } = view;
  if (filter.pool !== undefined && osdMap.pool(filter.pool) === undefined) {
    throw new ErrnoError('ENOENT', `pool ${filter.pool} does not exist`);
  }
  if (filter.osd !== undefined && filter.osd >= 0 && !osdMap.isUp(filter.osd)) {
    throw new ErrnoError('EAGAIN', `osd ${filter.osd} is not up`);
  }
  const mask = stateFilter(args.list('states'));
  const wanted = ([key, pg]: NamedPg): boolean => {
    if (filter.pool !== undefined && parsePgId(key)!.pool !== filter.pool) return false;
    // `unknown` is the state without a bit.
    if (mask !== undefined && (mask === 0n ? pg.state !== 0n : (pg.state & mask) === 0n)) return false;
    if (filter.osd === undefined || filter.osd < 0) return true;
    return filter.primaryOnly
      ? pg.actingPrimary === filter.osd
      : pg.acting.includes(filter.osd) || pg.up.includes(filter.osd);
  };
  const pgs = sortedPgs([...pgMap.pgs].filter(wanted));
  if (f !== undefined) {
    f.openObject('pg_ls');
    f.bool('pg_ready', true);
    dumpPgs(f, pgs);
    f.close();
    return output(f.flush());
  }
  return output(pgs.length === 0 ? '' : pgLsText(pgs, view.now_ms) + OMAP_NOTE);
}

const STUCK: Record<string, { ill: (state: bigint) => boolean; since: (pg: NamedPg[1]) => Utime }> = {
  inactive: { ill: (s) => (s & pgState.ACTIVE) === 0n, since: (pg) => pg.lastActive },
  unclean: { ill: (s) => (s & pgState.CLEAN) === 0n, since: (pg) => pg.lastClean },
  stale: { ill: (s) => (s & pgState.STALE) !== 0n, since: (pg) => pg.lastUnstale },
  undersized: { ill: (s) => (s & pgState.UNDERSIZED) !== 0n, since: (pg) => pg.lastFullsized },
  degraded: { ill: (s) => (s & pgState.DEGRADED) !== 0n, since: (pg) => pg.lastUndegraded },
};

function dumpStuck({ f, view, args }: MgrCall): MgrReply {
  const kinds = args.list('stuckops').length === 0 ? ['unclean'] : args.list('stuckops');
  const threshold_s = args.numOr('threshold', view.config.num('mon_pg_stuck_threshold'));
  const cutoff_ms = view.now_ms - threshold_s * 1000;
  const stuck = sortedPgs(
    [...view.pgMap.pgs].filter(([, pg]) =>
      kinds.some((kind) => {
        const { ill, since } = STUCK[kind]!;
        return ill(pg.state) && utimeToMs(since(pg)) < cutoff_ms;
      }),
    ),
  );
  if (f !== undefined) {
    f.openObject('stuck');
    dumpPgs(f, stuck, false, 'stuck_pg_stats');
    f.close();
    return output(f.flush(), 'ok');
  }
  return output(stuck.length === 0 ? '' : pgsBriefText(stuck), 'ok');
}

export const pgCommands: readonly MgrCommand[] = [
  command('pg stat', 'pg', 'r', '', 'show how many PGs are in which state', pgStatCommand),
  command(
    'pg dump',
    'pg',
    'r',
    'dumpcontents?*:Choices(all|summary|sum|delta|pools|osds|pgs|pgs_brief)',
    'show the statistics of PGs, pools and OSDs',
    (call) => pgDump(call),
  ),
  command(
    'pg dump_json',
    'pg',
    'r',
    'dumpcontents?*:Choices(all|summary|sum|pools|osds|pgs)',
    'show the statistics of PGs as JSON',
    (call) => pgDump(call, 'all'),
  ),
  command('pg dump_pools_json', 'pg', 'r', '', 'show the statistics of pools as JSON', (call) => pgDump(call, 'pools')),
  command('pg ls', 'pg', 'r', 'pool?:Int states?*:String', 'list PGs, of one pool or in given states', (call) =>
    pgLs(call, { pool: call.args.optionalNum('pool') }),
  ),
  command('pg ls-by-pool', 'pg', 'r', 'poolstr:String states?*:String', 'list the PGs of a pool', (call) =>
    pgLs(call, { pool: poolIdOf(call.view, call.args.str('poolstr')) }),
  ),
  command(
    'pg ls-by-primary',
    'pg',
    'r',
    'osd:OsdName pool?:Int states?*:String',
    'list the PGs of which an OSD is the primary',
    (call) => pgLs(call, { pool: call.args.optionalNum('pool'), osd: call.args.num('osd'), primaryOnly: true }),
  ),
  command('pg ls-by-osd', 'pg', 'r', 'osd:OsdName pool?:Int states?*:String', 'list the PGs of an OSD', (call) =>
    pgLs(call, { pool: call.args.optionalNum('pool'), osd: call.args.num('osd') }),
  ),
  command(
    'pg dump_stuck',
    'pg',
    'r',
    'stuckops?*:Choices(inactive|unclean|stale|undersized|degraded) threshold?:Int',
    'list PGs that stay in a bad state',
    dumpStuck,
  ),
  command(
    'pg debug',
    'pg',
    'r',
    'debugop:Choices(unfound_objects_exist|degraded_pgs_exist)',
    'tell whether any PG has unfound objects or is degraded',
    ({ args, view }) => {
      const field = args.str('debugop') === 'unfound_objects_exist' ? 'numObjectsUnfound' : 'numObjectsDegraded';
      return output([...view.pgMap.pgs.values()].some((pg) => pg.stats[field] > 0) ? 'TRUE' : 'FALSE');
    },
  ),
];
