import { type CrushMap, dumpItemFields, type TreeItem, walkTree } from '../../crush/index.ts';
import { type Formatter, formatWeight, TextTable } from '../format/index.ts';
import { PRIMARY_AFFINITY_MAX } from './flags.ts';
import type { OSDMap } from './osdmap.ts';

/** An item of the hierarchy in the order in which trees are shown. */
export type CrushTreeItem = TreeItem;

export interface CrushTreeOptions {
  /** Which devices are shown. */
  readonly showLeaf?: (osd: number) => boolean;
  /** Whether buckets without a device that is shown are; so by default. */
  readonly showEmpty?: boolean;
  /** Only what is below this item. */
  readonly root?: number;
}

/** The device class of an item, or undefined. */
export function crushItemClass(crush: CrushMap, id: number): string | undefined {
  return crush.className(id);
}

/** Walks the hierarchy: each root, its children by class and name, and so on down. */
export function walkCrushTree(crush: CrushMap, options: CrushTreeOptions = {}): IterableIterator<CrushTreeItem> {
  const { showLeaf = () => true, showEmpty = true, root } = options;
  const shown = { showDevice: showLeaf, showEmptyBuckets: showEmpty };
  return walkTree(crush, root === undefined ? shown : { ...shown, root });
}

/** The fields of one item in `osd crush tree`, `osd tree` and `osd df`. */
export function dumpCrushTreeItem(
  crush: CrushMap,
  poolNames: ReadonlyMap<number, string>,
  item: CrushTreeItem,
  f: Formatter,
): void {
  dumpItemFields(crush, item, poolNames, f);
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
