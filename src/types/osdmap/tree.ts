import { type CrushMap, DEFAULT_CHOOSE_ARGS, itemWeightAt } from '../../crush/index.ts';
import { type Formatter, formatWeight, TextTable } from '../format/index.ts';
import { compareText } from '../text-map.ts';
import { PRIMARY_AFFINITY_MAX } from './flags.ts';
import type { OSDMap } from './osdmap.ts';

/** An item of the hierarchy in the order in which trees are shown. */
export interface CrushTreeItem {
  readonly id: number;
  /** 0: a root. */
  readonly parent: number;
  readonly depth: number;
  /** As its parent weighs it; a root's own. */
  readonly weight: number;
  /** Of a bucket, in the reverse of the order in which they are shown. */
  readonly children: readonly number[];
}

export interface CrushTreeOptions {
  /** Also the shadow trees of device classes. */
  readonly shadow?: boolean;
  /** Which devices are shown. */
  readonly showLeaf?: (osd: number) => boolean;
  /** Whether buckets without a device that is shown are; so by default. */
  readonly showEmpty?: boolean;
  /** Only what is below this item. */
  readonly root?: number;
}

/** Depth at which the walk stops: deeper is a map with a cycle. */
const DEPTH_MAX = 100;

/** Items that no bucket holds, ascending. */
export function crushRoots(crush: CrushMap, shadow: boolean): number[] {
  const held = new Set<number>();
  for (const bucket of crush.buckets) for (const item of bucket?.items ?? []) held.add(item);
  const roots: number[] = [];
  for (const bucket of crush.buckets) {
    if (bucket === undefined || held.has(bucket.id)) continue;
    if (shadow || !isShadow(crush, bucket.id)) roots.push(bucket.id);
  }
  return roots.sort((a, b) => a - b);
}

function isShadow(crush: CrushMap, id: number): boolean {
  return crush.itemNames.get(id)?.includes('~') === true;
}

/** The device class of an item, or undefined. */
export function crushItemClass(crush: CrushMap, id: number): string | undefined {
  const classId = crush.itemClasses.get(id);
  return classId === undefined ? undefined : crush.classNames.get(classId);
}

function sortKey(crush: CrushMap, id: number): string {
  if (id >= 0) return `${crushItemClass(crush, id) ?? ''}_osd.${String(id).padStart(8, '0')}`;
  return `_${crush.itemNames.get(id) ?? ''}`;
}

/** Walks the hierarchy: each root, its children by class and name, and so on down. */
export function* walkCrushTree(crush: CrushMap, options: CrushTreeOptions = {}): IterableIterator<CrushTreeItem> {
  const { showLeaf = () => true, showEmpty = true } = options;
  const shown = (id: number, depth: number): boolean => {
    if (id >= 0) return showLeaf(id);
    if (showEmpty) return true;
    if (depth > DEPTH_MAX) return false;
    return crush.bucket(id)?.items.some((item) => shown(item, depth + 1)) ?? false;
  };
  const roots = options.root === undefined ? crushRoots(crush, options.shadow ?? false) : [options.root];
  for (const root of roots) {
    if (!shown(root, 0)) continue;
    const weight = (crush.bucket(root)?.weight ?? 0) / 0x10000;
    yield* walk(crush, { id: root, parent: 0, depth: 0, weight, children: [] }, shown);
  }
}

function* walk(
  crush: CrushMap,
  item: CrushTreeItem,
  shown: (id: number, depth: number) => boolean,
): IterableIterator<CrushTreeItem> {
  const bucket = crush.bucket(item.id);
  if (bucket === undefined || item.depth > DEPTH_MAX) {
    yield item;
    return;
  }
  const below = new Map<string, CrushTreeItem>();
  for (let i = bucket.items.length - 1; i >= 0; i--) {
    const id = bucket.items[i]!;
    if (!shown(id, item.depth + 1)) continue;
    const weight = itemWeightAt(bucket, i) / 0x10000;
    below.set(sortKey(crush, id), { id, parent: item.id, depth: item.depth + 1, weight, children: [] });
  }
  const children = [...below].sort((a, b) => compareText(a[0], b[0])).map(([, child]) => child);
  yield { ...item, children: children.map((child) => child.id).reverse() };
  for (const child of children) yield* walk(crush, child, shown);
}

/** The fields of one item in `osd crush tree`, `osd tree` and `osd df`. */
export function dumpCrushTreeItem(
  crush: CrushMap,
  poolNames: ReadonlyMap<number, string>,
  item: CrushTreeItem,
  f: Formatter,
): void {
  f.int('id', item.id);
  const deviceClass = crushItemClass(crush, item.id);
  if (deviceClass !== undefined) f.string('device_class', deviceClass);
  if (item.id < 0) {
    const type = crush.bucket(item.id)?.type ?? 0;
    f.string('name', crush.itemNames.get(item.id) ?? '');
    f.string('type', crush.typeNames.get(type) ?? '');
    f.int('type_id', type);
  } else {
    f.string('name', `osd.${item.id}`);
    f.string('type', crush.typeNames.get(0) ?? '');
    f.int('type_id', 0);
    f.float('crush_weight', Math.fround(item.weight));
    f.int('depth', item.depth);
  }
  if (item.parent < 0) dumpPoolWeights(crush, poolNames, item, f);
}

/** Weights that choose_args give the item in place of its own. */
function dumpPoolWeights(
  crush: CrushMap,
  poolNames: ReadonlyMap<number, string>,
  item: CrushTreeItem,
  f: Formatter,
): void {
  f.openObject('pool_weights');
  const parent = crush.bucket(item.parent);
  const position = parent?.items.indexOf(item.id) ?? -1;
  for (const [key, args] of crush.chooseArgs) {
    const weightSet = args.get(-1 - item.parent)?.weightSet ?? [];
    if (parent === undefined || weightSet.length === 0) continue;
    f.openArray(key === DEFAULT_CHOOSE_ARGS ? '(compat)' : (poolNames.get(key) ?? String(key)));
    for (const weights of weightSet) f.float('weight', Math.fround((weights[position] ?? 0) / 0x10000));
    f.close();
  }
  f.close();
}

export function dumpCrushTreeChildren(item: CrushTreeItem, f: Formatter): void {
  if (item.id >= 0) return;
  f.openArray('children');
  for (const child of item.children) f.int('child', child);
  f.close();
}

/** States by which `ceph osd tree` filters: any of them shows an OSD; none given shows all. */
export interface OsdTreeFilter {
  readonly up?: boolean;
  readonly down?: boolean;
  readonly in?: boolean;
  readonly out?: boolean;
  readonly destroyed?: boolean;
}

function treeOptions(map: OSDMap, filter: OsdTreeFilter, bucket: string): CrushTreeOptions | undefined {
  const filtered = Object.values(filter).some((on) => on === true);
  const showLeaf = (osd: number): boolean =>
    !filtered ||
    (filter.up === true && map.isUp(osd)) ||
    (filter.down === true && map.isDown(osd)) ||
    (filter.in === true && map.isIn(osd)) ||
    (filter.out === true && map.isOut(osd)) ||
    (filter.destroyed === true && map.isDestroyed(osd));
  if (bucket === '') return { showLeaf, showEmpty: !filtered };
  for (const [id, name] of map.crush.itemNames) {
    if (name === bucket) return { showLeaf, showEmpty: !filtered, root: id };
  }
  return undefined;
}

function osdStatus(map: OSDMap, osd: number): string {
  if (map.isUp(osd)) return 'up';
  return map.isDestroyed(osd) ? 'destroyed' : 'down';
}

/** The items of `ceph osd tree`: those of the hierarchy, and OSDs that are not in it. */
function treeItems(
  map: OSDMap,
  options: CrushTreeOptions | undefined,
): { nodes: CrushTreeItem[]; stray: CrushTreeItem[] } {
  const nodes = options === undefined ? [] : [...walkCrushTree(map.crush, options)];
  const touched = new Set(nodes.map((item) => item.id));
  const stray: CrushTreeItem[] = [];
  for (const osd of map.osds()) {
    if (touched.has(osd) || options?.showLeaf?.(osd) === false) continue;
    stray.push({ id: osd, parent: 0, depth: 0, weight: 0, children: [] });
  }
  return { nodes, stray };
}

/** `ceph osd tree -f json`: the arrays `nodes` and, without a bucket, `stray`. */
export function dumpOsdTree(map: OSDMap, f: Formatter, filter: OsdTreeFilter = {}, bucket = ''): void {
  const { nodes, stray } = treeItems(map, treeOptions(map, filter, bucket));
  const dumpItem = (item: CrushTreeItem): void => {
    f.openObject('item');
    dumpCrushTreeItem(map.crush, map.poolNames, item, f);
    if (item.id >= 0) {
      const { id } = item;
      f.int('exists', map.exists(id) ? 1 : 0);
      f.string('status', osdStatus(map, id));
      f.float('reweight', Math.fround((map.osdWeight[id] ?? 0) / 0x10000));
      f.float(
        'primary_affinity',
        Math.fround((id < map.maxOsd ? map.primaryAffinityOf(id) : 0) / PRIMARY_AFFINITY_MAX),
      );
    }
    dumpCrushTreeChildren(item, f);
    f.close();
  };
  f.openArray('nodes');
  for (const item of nodes) dumpItem(item);
  f.close();
  if (bucket !== '') return;
  f.openArray('stray');
  for (const item of stray) dumpItem(item);
  f.close();
}

/** Plain `ceph osd tree`. */
export function printOsdTree(map: OSDMap, filter: OsdTreeFilter = {}, bucket = ''): string {
  const table = new TextTable()
    .column('ID', 'left', 'right')
    .column('CLASS', 'left', 'right')
    .column('WEIGHT', 'left', 'right')
    .column('TYPE NAME', 'left', 'left')
    .column('STATUS', 'left', 'right')
    .column('REWEIGHT', 'left', 'right')
    .column('PRI-AFF', 'left', 'right');
  const { nodes, stray } = treeItems(map, treeOptions(map, filter, bucket));
  const { crush } = map;
  for (const item of bucket === '' ? [...nodes, ...stray] : nodes) {
    const { id } = item;
    const indent = '    '.repeat(item.depth);
    const cells: (string | number)[] = [id, crushItemClass(crush, id) ?? '', formatWeight(item.weight)];
    if (id < 0) {
      const type = crush.typeNames.get(crush.bucket(id)?.type ?? 0) ?? '';
      cells.push(`${indent}${type} ${crush.itemNames.get(id) ?? ''}`);
    } else {
      cells.push(`${indent}osd.${id}`);
      if (!map.exists(id)) cells.push('DNE', 0);
      else {
        cells.push(osdStatus(map, id), formatWeight(map.weightf(id)));
        cells.push(formatWeight(map.primaryAffinityOf(id) / PRIMARY_AFFINITY_MAX));
      }
    }
    table.row(...cells);
  }
  return table.toString();
}
