import { ErrnoError } from '../base/index.ts';
import {
  type CrushTreeItem,
  dumpCrushTreeChildren,
  dumpCrushTreeItem,
  type Formatter,
  formatBytes,
  formatFixed,
  formatWeight,
  makeStoreStatfs,
  type StoreStatfs,
  statfsUsedRaw,
  TextTable,
  walkCrushTree,
} from '../types/index.ts';
import { command, type MgrCall, type MgrCommand, type MgrReply, output } from './commands.ts';
import type { MgrView } from './view.ts';

/** One line of `osd df`: an OSD, or in tree form a bucket with the sums of what is under it. */
interface Row {
  readonly item: CrushTreeItem;
  readonly space: StoreStatfs;
  readonly reweight: number;
  /** Percent. */
  readonly utilization: number;
  /** Utilization over the average. */
  readonly variance: number;
  readonly pgs: number;
}

interface Usage {
  readonly rows: readonly Row[];
  /** OSDs that are in no bucket. */
  readonly stray: readonly Row[];
  readonly total: StoreStatfs;
  readonly average: number;
  readonly varianceMin: number;
  readonly varianceMax: number;
  readonly deviation: number;
}

/** -1, Ceph's value for a bucket. */
const NO_REWEIGHT = -1;

function addSpace(into: StoreStatfs, s: StoreStatfs): void {
  for (const field of Object.keys(into) as (keyof StoreStatfs)[]) into[field] += s[field];
}

const percentUsed = (s: StoreStatfs): number => (s.total > 0 ? (100 * statfsUsedRaw(s)) / s.total : 0);

/** OSDs that a filter by class or bucket name lets through; undefined for all. */
function filtered(
  view: MgrView,
  by: string | undefined,
  filter: string | undefined,
): ((osd: number) => boolean) | undefined {
  if (by === undefined || filter === undefined) return undefined;
  const { crush } = view.placement;
  if (by === 'class') {
    if (![...crush.classNames.values()].includes(filter)) throw new ErrnoError('EINVAL', `class '${filter}' not found`);
    return (osd) => view.placement.deviceClass(osd) === filter;
  }
  const root = [...crush.itemNames].find(([, name]) => name === filter)?.[0];
  if (root === undefined) throw new ErrnoError('EINVAL', `'${filter}' not a pool, crush node or device class name`);
  const below = new Set([...walkCrushTree(crush, { root })].map((item) => item.id));
  return (osd) => below.has(osd);
}

function usageOf(view: MgrView, isTree: boolean, allowed: ((osd: number) => boolean) | undefined): Usage {
  const { osdMap, pgMap, placement, digest } = view;
  const spaceOf = (osd: number): StoreStatfs | undefined =>
    osdMap.isIn(osd) ? pgMap.osds.get(osd)?.statfs : undefined;
  const isShown = (osd: number): boolean => osdMap.exists(osd) && (allowed?.(osd) ?? true);
  const total = makeStoreStatfs();
  for (const osd of osdMap.osds()) {
    const space = spaceOf(osd);
    if (space !== undefined && isShown(osd)) addSpace(total, space);
  }
  const average = percentUsed(total);
  const items = [...walkCrushTree(placement.crush, { showLeaf: isShown, showEmpty: allowed === undefined })];
  const byId = new Map(items.map((item) => [item.id, item]));
  const spaceUnder = (item: CrushTreeItem): StoreStatfs => {
    if (item.id >= 0) return spaceOf(item.id) ?? makeStoreStatfs();
    const sum = makeStoreStatfs();
    for (const child of item.children) addSpace(sum, spaceUnder(byId.get(child)!));
    return sum;
  };
  const rowOf = (item: CrushTreeItem): Row => {
    const space = spaceUnder(item);
    const utilization = percentUsed(space);
    const count = item.id < 0 ? undefined : digest.numPgByOsd.get(item.id);
    return {
      item,
      space,
      reweight: item.id < 0 ? NO_REWEIGHT : Math.fround(osdMap.weightf(item.id)),
      utilization,
      variance: average > 0 ? utilization / average : 1,
      pgs: count === undefined ? 0 : count.acting + count.upNotActing,
    };
  };
  const rows = items.filter((item) => isTree || item.id >= 0).map(rowOf);
  const stray = [...osdMap.osds()]
    .filter((osd) => !byId.has(osd) && isShown(osd))
    .map((id) => rowOf({ id, parent: 0, depth: 0, weight: 0, children: [] }));
  // An OSD that holds nothing because it is out or new says nothing of the spread.
  const spread = [...rows, ...stray].filter(({ item, space }) => item.id >= 0 && space.total > 0);
  let weights = 0;
  let squares = 0;
  for (const row of spread) {
    weights += row.reweight;
    squares += row.reweight * (row.utilization - average) ** 2;
  }
  const variances = spread.map((row) => row.variance);
  return {
    rows,
    stray,
    total,
    average,
    varianceMin: variances.length === 0 ? -1 : Math.min(...variances),
    varianceMax: variances.length === 0 ? -1 : Math.max(...variances),
    deviation: weights > 0 ? Math.sqrt(squares / weights) : 0,
  };
}

function statusOf(view: MgrView, osd: number): string {
  if (view.osdMap.isUp(osd)) return 'up';
  return view.osdMap.isDestroyed(osd) ? 'destroyed' : 'down';
}

const kb = (bytes: number): number => Math.floor(bytes / 1024);

function dumpSpace(f: Formatter, prefix: string, s: StoreStatfs): void {
  f.int(`${prefix}kb`, kb(s.total));
  f.int(`${prefix}kb_used`, kb(statfsUsedRaw(s)));
  f.int(`${prefix}kb_used_data`, kb(s.allocated));
  f.int(`${prefix}kb_used_omap`, kb(s.omapAllocated));
  f.int(`${prefix}kb_used_meta`, kb(s.internalMetadata));
  f.int(`${prefix}kb_avail`, kb(s.available));
}

function dumpUsage(f: Formatter, view: MgrView, u: Usage): void {
  const { crush } = view.placement;
  const dumpRows = (name: string, rows: readonly Row[]): void => {
    f.openArray(name);
    for (const row of rows) {
      f.openObject('item');
      dumpCrushTreeItem(crush, view.osdMap.poolNames, row.item, f);
      f.float('reweight', row.reweight);
      dumpSpace(f, '', row.space);
      f.float('utilization', row.utilization);
      f.float('var', row.variance);
      f.int('pgs', row.pgs);
      if (row.item.id >= 0) f.string('status', statusOf(view, row.item.id));
      dumpCrushTreeChildren(row.item, f);
      f.close();
    }
    f.close();
  };
  dumpRows('nodes', u.rows);
  dumpRows('stray', u.stray);
  f.openObject('summary');
  dumpSpace(f, 'total_', u.total);
  f.float('average_utilization', u.average);
  f.float('min_var', u.varianceMin);
  f.float('max_var', u.varianceMax);
  f.float('dev', u.deviation);
  f.close();
}

/** Two decimals; small ones are 0, and none is `-`. */
function short(x: number): string {
  return x < -0.01 ? '-' : x < 0.001 ? '0' : formatFixed(Math.fround(x), 2);
}

const HEADINGS = [
  'ID',
  'CLASS',
  'WEIGHT',
  'REWEIGHT',
  'SIZE',
  'RAW USE',
  'DATA',
  'OMAP',
  'META',
  'AVAIL',
  '%USE',
  'VAR',
  'PGS',
  'STATUS',
];

function sizes(s: StoreStatfs): string[] {
  return [s.total, statfsUsedRaw(s), s.allocated, s.omapAllocated, s.internalMetadata, s.available].map((x) =>
    formatBytes(kb(x) * 1024),
  );
}

function usageText(view: MgrView, u: Usage, isTree: boolean): string {
  const { crush } = view.placement;
  const table = new TextTable();
  for (const heading of HEADINGS) table.column(heading, 'left', 'right');
  if (isTree) table.column('TYPE NAME', 'left', 'left');
  for (const { item, space, reweight, utilization, variance, pgs } of [...u.rows, ...u.stray]) {
    const isBucket = item.id < 0;
    const name = isBucket
      ? `${crush.typeNames.get(crush.bucket(item.id)?.type ?? 0)} ${crush.itemNames.get(item.id)}`
      : `osd.${item.id}`;
    table.row(
      item.id,
      view.placement.deviceClass(item.id) ?? '',
      formatWeight(item.weight),
      formatWeight(reweight),
      ...sizes(space),
      short(utilization),
      short(variance),
      isBucket ? '-' : pgs,
      isBucket ? '' : statusOf(view, item.id),
      ...(isTree ? ['    '.repeat(item.depth) + name] : []),
    );
  }
  table.row('', '', '', 'TOTAL', ...sizes(u.total), short(u.average), '');
  return `${table}MIN/MAX VAR: ${short(u.varianceMin)}/${short(u.varianceMax)}  STDDEV: ${short(u.deviation)}\n`;
}

function osdDf({ f, view, args }: MgrCall): MgrReply {
  const isTree = args.strOr('output_method', '') === 'tree';
  const usage = usageOf(view, isTree, filtered(view, args.optionalStr('filter_by'), args.optionalStr('filter')));
  if (f === undefined) return output(usageText(view, usage, isTree));
  f.openObject('df');
  dumpUsage(f, view, usage);
  f.close();
  return output(f.flush());
}

export const osdDfCommands: readonly MgrCommand[] = [
  command(
    'osd df',
    'osd',
    'r',
    'output_method?:Choices(plain|tree) filter_by?:Choices(class|name) filter?:String',
    'show what each OSD holds and how even that is',
    osdDf,
  ),
];
