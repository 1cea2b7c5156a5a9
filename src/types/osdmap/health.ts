import { type CrushMap, fullLocation, minRequiredVersion } from '../../crush/index.ts';
import type { Formatter } from '../format/index.ts';
import { formatG } from '../format/index.ts';
import { type HealthCheck, healthStatus, healthStatusName } from '../osd/health.ts';
import { type PgPool, poolFlag } from '../pool/index.ts';
import { osdMapFlag, osdMapFlagsText, osdState, osdStateSet } from './flags.ts';
import type { OSDMap } from './osdmap.ts';

/** Checks that are raised, by code (`OSD_DOWN`). */
type HealthChecks = Map<string, HealthCheck>;

/** The options that the checks heed; Config has them. */
export interface OSDMapHealthOptions {
  num(name: 'osd_failsafe_full_ratio'): number;
  str(name: 'mon_crush_min_required_version'): string;
  bool(
    name:
      | 'mon_warn_on_legacy_crush_tunables'
      | 'mon_warn_on_crush_straw_calc_version_zero'
      | 'mon_warn_on_pool_pg_num_not_power_of_two'
      | 'mon_warn_on_pool_no_redundancy',
  ): boolean;
}

const DOC = 'see http://docs.ceph.com/en/latest/rados/operations/crush-map/#tunables';
const NODE_FLAGS = osdState.NOUP | osdState.NOIN | osdState.NODOWN | osdState.NOOUT;
/** Flags of the map that keep the cluster from healing itself. */
const WARN_FLAGS =
  osdMapFlag.PAUSERD |
  osdMapFlag.PAUSEWR |
  osdMapFlag.PAUSEREC |
  osdMapFlag.NOUP |
  osdMapFlag.NODOWN |
  osdMapFlag.NOIN |
  osdMapFlag.NOOUT |
  osdMapFlag.NOBACKFILL |
  osdMapFlag.NORECOVER |
  osdMapFlag.NOSCRUB |
  osdMapFlag.NODEEP_SCRUB |
  osdMapFlag.NOTIERAGENT |
  osdMapFlag.NOSNAPTRIM |
  osdMapFlag.NOREBALANCE;

/** Adds a check where there is anything to say. */
function raise(checks: HealthChecks, code: string, severity: number, summary: string, detail: string[]): void {
  if (detail.length > 0) checks.set(code, { severity, summary, detail, count: detail.length } satisfies HealthCheck);
}

function locationText(crush: CrushMap, item: number): string {
  return (fullLocation(crush, item) ?? [])
    .reverse()
    .map(([type, name]) => `${type}=${name}`)
    .join(',');
}

/** Buckets under which no OSD is up, with the number of OSDs under each. An empty bucket counts as down, as in Ceph. */
function downBuckets(map: OSDMap, down: readonly number[]): Map<number, number> {
  const { crush } = map;
  const parents = new Map<number, number[]>();
  for (const bucket of crush.buckets) {
    if (bucket === undefined || isShadow(crush, bucket.id)) continue;
    for (const item of bucket.items) parents.set(item, [...(parents.get(item) ?? []), bucket.id]);
  }
  const osdsOf = new Map<number, number | undefined>();
  const count = (id: number): number | undefined => {
    if (id >= 0) return map.isUp(id) ? undefined : 1;
    if (osdsOf.has(id)) return osdsOf.get(id);
    let sum: number | undefined = 0;
    for (const item of crush.bucket(id)?.items ?? []) {
      const n = count(item);
      if (n === undefined) {
        sum = undefined;
        break;
      }
      sum += n;
    }
    osdsOf.set(id, sum);
    return sum;
  };
  const found = new Map<number, number>();
  const climb = (item: number): void => {
    for (const parent of parents.get(item) ?? []) {
      const n = count(parent);
      if (n === undefined || found.has(parent)) continue;
      found.set(parent, n);
      climb(parent);
    }
  };
  for (const osd of down) climb(osd);
  return found;
}

function isShadow(crush: CrushMap, id: number): boolean {
  return crush.itemNames.get(id)?.includes('~') === true;
}

function checkDown(map: OSDMap, checks: HealthChecks): void {
  const { crush } = map;
  const down: number[] = [];
  const orphans: number[] = [];
  for (let osd = 0; osd < map.maxOsd; osd++) {
    if (!map.exists(osd)) {
      if (crush.itemNames.has(osd)) orphans.push(osd);
    } else if (!map.isOut(osd) && (map.osdState[osd]! & osdState.NEW) === 0 && !map.isUp(osd)) down.push(osd);
  }
  if (down.length > 0) {
    const types = [...crush.typeNames.keys()].filter((type) => type > 0).sort((a, b) => b - a);
    const buckets = downBuckets(map, down);
    for (const type of types) {
      const ids = [...buckets.keys()].filter((id) => crush.bucket(id)?.type === type).sort((a, b) => b - a);
      if (ids.length === 0) continue;
      const name = crush.typeNames.get(type)!;
      const osds = ids.reduce((sum, id) => sum + buckets.get(id)!, 0);
      const detail = ids.map((id) => {
        const where = type === types[0] ? '' : ` (${locationText(crush, id)})`;
        return `${name} ${crush.itemNames.get(id) ?? ''}${where} (${buckets.get(id)} osds) is down`;
      });
      const summary = `${ids.length} ${name}${ids.length > 1 ? 's' : ''} (${osds} osds) down`;
      raise(checks, `OSD_${name.toUpperCase()}_DOWN`, healthStatus.WARN, summary, detail);
    }
    const detail = down.map((osd) => `osd.${osd} (${locationText(crush, osd)}) is down`);
    raise(checks, 'OSD_DOWN', healthStatus.WARN, `${down.length} osds down`, detail);
  }
  raise(
    checks,
    'OSD_ORPHAN',
    healthStatus.WARN,
    `${orphans.length} osds exist in the crush map but not in the osdmap`,
    orphans.map((osd) => `osd.${osd} exists in crush map but not in osdmap`),
  );
}

function checkRatios(map: OSDMap, options: OSDMapHealthOptions, checks: HealthChecks): void {
  let failsafe = options.num('osd_failsafe_full_ratio');
  if (failsafe > 1) failsafe /= 100;
  const detail: string[] = [];
  let { backfillfullRatio: backfill, fullRatio: full } = map;
  if (backfill < map.nearfullRatio) {
    const near = formatG(map.nearfullRatio);
    detail.push(`backfillfull_ratio (${formatG(backfill)}) < nearfull_ratio (${near}), increased`);
    backfill = map.nearfullRatio;
  }
  if (full < backfill) {
    detail.push(`full_ratio (${formatG(full)}) < backfillfull_ratio (${formatG(backfill)}), increased`);
    full = backfill;
  }
  if (Math.fround(failsafe) < full) {
    detail.push(`osd_failsafe_full_ratio (${formatG(failsafe)}) < full_ratio (${formatG(full)}), increased`);
  }
  if (detail.length > 0) {
    const summary = 'full ratio(s) out of order';
    checks.set('OSD_OUT_OF_ORDER_FULL', { severity: healthStatus.ERR, summary, detail, count: 0 });
  }
}

function checkFull(map: OSDMap, checks: HealthChecks): void {
  const lists = { full: [] as number[], backfillfull: [] as number[], nearfull: [] as number[] };
  for (const osd of map.osds()) {
    if (!map.isUp(osd) || map.isOut(osd)) continue;
    const state = map.osdState[osd]!;
    if ((state & osdState.FULL) !== 0) lists.full.push(osd);
    else if ((state & osdState.BACKFILLFULL) !== 0) lists.backfillfull.push(osd);
    else if ((state & osdState.NEARFULL) !== 0) lists.nearfull.push(osd);
  }
  const words = { full: 'full', backfillfull: 'backfill full', nearfull: 'near full' };
  for (const kind of ['full', 'backfillfull', 'nearfull'] as const) {
    const osds = lists[kind];
    const severity = kind === 'full' ? healthStatus.ERR : healthStatus.WARN;
    const detail = osds.map((osd) => `osd.${osd} is ${words[kind]}`);
    raise(checks, `OSD_${kind.toUpperCase()}`, severity, `${osds.length} ${kind} osd(s)`, detail);
  }
}

function checkFlags(map: OSDMap, checks: HealthChecks): void {
  const flags = map.flags & WARN_FLAGS;
  if (flags !== 0) {
    const text = osdMapFlagsText(flags);
    const summary = `${text} flag(s) set`;
    // The count is the length of the text, as in Ceph: it changes when a mute should end.
    checks.set('OSDMAP_FLAGS', { severity: healthStatus.WARN, summary, detail: [], count: text.length });
  }
  const { crush } = map;
  const detail: string[] = [];
  for (let osd = 0; osd < map.maxOsd; osd++) {
    const set = (map.osdState[osd] ?? 0) & NODE_FLAGS;
    if (set !== 0) detail.push(`osd.${osd} has flags ${osdStateSet(set).join(',')}`);
  }
  for (const [id, set] of map.crushNodeFlags) {
    if (set === 0 || !crush.itemNames.has(id)) continue;
    const type = crush.typeNames.get(id >= 0 ? 0 : (crush.bucket(id)?.type ?? 0)) ?? 'node';
    detail.push(`${type} ${crush.itemNames.get(id)} has flags ${osdStateSet(set).join(',')}`);
  }
  for (const [id, set] of map.deviceClassFlags) {
    const name = crush.classNames.get(id);
    if (set !== 0 && name !== undefined) {
      detail.push(`device class '${name}' has flags ${osdStateSet(set).join(',')}`);
    }
  }
  const summary = `${detail.length} OSDs or CRUSH {nodes, device-classes} have {NOUP,NODOWN,NOIN,NOOUT} flags set`;
  raise(checks, 'OSD_FLAGS', healthStatus.WARN, summary, detail);
}

function checkCrush({ crush }: OSDMap, config: OSDMapHealthOptions, checks: HealthChecks): void {
  const warn = (code: string, summary: string, detail: string[]): void => {
    checks.set(code, { severity: healthStatus.WARN, summary, detail, count: 0 });
  };
  if (config.bool('mon_warn_on_legacy_crush_tunables')) {
    const min = minRequiredVersion(crush);
    const wanted = config.str('mon_crush_min_required_version');
    if (min < wanted) {
      warn('OLD_CRUSH_TUNABLES', `crush map has legacy tunables (require ${min}, min is ${wanted})`, [DOC]);
    }
  }
  if (config.bool('mon_warn_on_crush_straw_calc_version_zero') && (crush.tunables.strawCalcVersion ?? 0) === 0) {
    warn('OLD_CRUSH_STRAW_CALC_VERSION', 'crush map has straw_calc_version=0', [DOC]);
  }
}

function checkPools(map: OSDMap, config: OSDMapHealthOptions, checks: HealthChecks): void {
  const pools = [...map.pools].map(([id, pool]): [string, PgPool] => [map.poolName(id) ?? '', pool]);
  const having = (flag: number): string[] => pools.filter(([, p]) => p.hasFlag(flag)).map(([name]) => name);
  const noscrub = having(poolFlag.NOSCRUB).map((name) => `Pool ${name} has noscrub flag`);
  const nodeep = having(poolFlag.NODEEP_SCRUB).map((name) => `Pool ${name} has nodeep-scrub flag`);
  if (noscrub.length + nodeep.length > 0) {
    const flags = [...(noscrub.length > 0 ? ['noscrub'] : []), ...(nodeep.length > 0 ? ['nodeep-scrub'] : [])];
    const summary = `Some pool(s) have the ${flags.join(', ')} flag(s) set`;
    checks.set('POOL_SCRUB_FLAGS', { severity: healthStatus.OK, summary, detail: [...noscrub, ...nodeep], count: 0 });
  }
  const full: string[] = [];
  const backfillfull: string[] = [];
  const nearfull: string[] = [];
  for (const [name, pool] of pools) {
    if (pool.hasFlag(poolFlag.FULL)) {
      const why = pool.hasFlag(poolFlag.FULL_QUOTA) ? 'running out of quota' : 'no space';
      full.push(`pool '${name}' is full (${why})`);
    } else if (pool.hasFlag(poolFlag.BACKFILLFULL)) backfillfull.push(`pool '${name}' is backfillfull`);
    else if (pool.hasFlag(poolFlag.NEARFULL)) nearfull.push(`pool '${name}' is nearfull`);
  }
  const { WARN } = healthStatus;
  raise(checks, 'POOL_FULL', WARN, `${full.length} pool(s) full`, full);
  raise(checks, 'POOL_BACKFILLFULL', WARN, `${backfillfull.length} pool(s) backfillfull`, backfillfull);
  raise(checks, 'POOL_NEARFULL', WARN, `${nearfull.length} pool(s) nearfull`, nearfull);
  if (config.bool('mon_warn_on_pool_pg_num_not_power_of_two')) {
    const odd = pools.filter(([, p]) => (p.pgNumTarget & (p.pgNumTarget - 1)) !== 0);
    const detail = odd.map(([name, p]) => `pool '${name}' pg_num ${p.pgNumTarget} is not a power of two`);
    const summary = `${odd.length} pool(s) have non-power-of-two pg_num`;
    raise(checks, 'POOL_PG_NUM_NOT_POWER_OF_TWO', WARN, summary, detail);
  }
  if (config.bool('mon_warn_on_pool_no_redundancy')) {
    const single = pools.filter(([, p]) => p.size === 1);
    const detail = single.map(([name]) => `pool '${name}' has no replicas configured`);
    raise(checks, 'POOL_NO_REDUNDANCY', WARN, `${single.length} pool(s) have no replicas configured`, detail);
  }
}

/** What the OSD map itself shows to be wrong (OSDMap::check_health). */
export function osdMapChecks(map: OSDMap, options: OSDMapHealthOptions): HealthChecks {
  const checks: HealthChecks = new Map();
  checkDown(map, checks);
  checkRatios(map, options, checks);
  checkFull(map, checks);
  checkFlags(map, checks);
  checkCrush(map, options, checks);
  if ((map.flags & osdMapFlag.SORTBITWISE) === 0) {
    const summary = "'sortbitwise' flag is not set";
    checks.set('OSD_NO_SORTBITWISE', { severity: healthStatus.WARN, summary, detail: [], count: 0 });
  }
  checkPools(map, options, checks);
  return checks;
}

/** Checks as `ceph health` and osdmaptool show them, by code; into the object that is open. */
export function dumpHealthChecks(checks: ReadonlyMap<string, HealthCheck>, f: Formatter): void {
  for (const [code, { severity, summary, count, detail }] of [...checks].sort(([a], [b]) => (a < b ? -1 : 1))) {
    f.openObject(code);
    f.string('severity', healthStatusName(severity));
    f.openObject('summary');
    f.string('message', summary);
    f.int('count', count);
    f.close();
    f.openArray('detail');
    for (const message of detail) {
      f.openObject('detail_item');
      f.string('message', message);
      f.close();
    }
    f.close();
    f.close();
  }
}
