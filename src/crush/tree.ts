import { itemWeightAt } from './bucket.ts';
import { type CrushMap, DEFAULT_CHOOSE_ARGS } from './map.ts';
import { formatFloat } from './number.ts';
import { findNonshadowRoots, findRoots } from './query.ts';
import { weightFromFixed } from './weights.ts';

/** A place in the hierarchy, as the walk of `ceph osd tree` and `ceph osd crush tree` meets it. */
export interface TreeItem {
  readonly id: number;
  /** Bucket it is in; 0 for a root. */
  readonly parent: number;
  readonly depth: number;
  /** As Ceph's float: 16.16 divided by 65536. */
  readonly weight: number;
  /** In the order Ceph lists them, which is the reverse of the order it visits them. */
  readonly children: readonly number[];
}

export interface TreeOptions {
  /** The shadow trees too. */
  readonly showShadow?: boolean;
  /** Which devices are shown; all by default. */
  readonly showDevice?: (osd: number) => boolean;
  /** Whether buckets without a shown device are; they are by default. */
  readonly showEmptyBuckets?: boolean;
  /** Start at this bucket or device instead of the roots. */
  readonly root?: number;
}

/**
 * Walks the trees depth first: roots from the lowest id up; in a bucket, devices by class and id, and buckets by name. What is linked twice is
 * met twice.
 */
export function* walkTree(map: CrushMap, options: TreeOptions = {}): Generator<TreeItem> {
  const { showDevice, showEmptyBuckets = true } = options;
  const shown = (id: number): boolean => {
    if (id >= 0) return showDevice?.(id) ?? true;
    return showEmptyBuckets || (map.bucket(id)?.items.some(shown) ?? false);
  };
  const roots =
    options.root !== undefined ? [options.root] : options.showShadow ? findRoots(map) : findNonshadowRoots(map);
  for (const root of roots) {
    if (!shown(root)) continue;
    const stack = [{ id: root, parent: 0, depth: 0, weight: weightFromFixed(map.bucket(root)?.weight ?? 0) }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const children = sortedChildren(map, top.id, shown);
      yield { ...top, children: children.map((child) => child.id).reverse() };
      for (const child of children.reverse()) {
        stack.push({ id: child.id, parent: top.id, depth: top.depth + 1, weight: weightFromFixed(child.weight) });
      }
    }
  }
}

function sortedChildren(
  map: CrushMap,
  id: number,
  shown: (id: number) => boolean,
): { readonly id: number; readonly weight: number }[] {
  const bucket = map.bucket(id);
  if (bucket === undefined) return [];
  const byKey = new Map<string, { id: number; weight: number }>();
  // From the last down, so that the first of equal keys is the one that stays.
  for (let i = bucket.items.length - 1; i >= 0; i--) {
    const item = bucket.items[i]!;
    if (!shown(item)) continue;
    const key =
      item >= 0
        ? `${map.className(item) ?? ''}_osd.${String(item).padStart(8, '0')}`
        : `_${map.itemNames.get(item) ?? ''}`;
    byKey.set(key, { id: item, weight: itemWeightAt(bucket, i) });
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, child]) => child);
}

/** Weight of an item by weight set: the set's name, the item's weight at each position. */
export function weightSetsOf(
  map: CrushMap,
  parent: number,
  item: number,
  names: ReadonlyMap<number, string>,
): [name: string, weights: number[]][] {
  const bucket = map.bucket(parent);
  if (bucket === undefined) return [];
  const at = bucket.items.indexOf(item);
  const found: [string, number[]][] = [];
  for (const [key, args] of sortedChooseArgs(map)) {
    const weightSet = args.get(-1 - parent)?.weightSet ?? [];
    if (weightSet.length === 0) continue;
    found.push([weightSetName(key, names), weightSet.map((weights) => weightFromFixed(weights[at] ?? 0))]);
  }
  return found;
}

export const sortedChooseArgs = (
  map: CrushMap,
): [number, CrushMap['chooseArgs'] extends Map<number, infer A> ? A : never][] =>
  [...map.chooseArgs].sort(([a], [b]) => a - b);

function weightSetName(key: number, names: ReadonlyMap<number, string>): string {
  return key === DEFAULT_CHOOSE_ARGS ? '(compat)' : (names.get(key) ?? String(key));
}

/** The plain form of `ceph osd crush tree`: headings and cells for a table (ID, CLASS, WEIGHT, a column per weight set, TYPE NAME). */
export function treeTable(
  map: CrushMap,
  names: ReadonlyMap<number, string> = new Map(),
  options: TreeOptions = {},
): { headings: string[]; rows: string[][] } {
  const keys = sortedChooseArgs(map).map(([key]) => key);
  const rows: string[][] = [];
  for (const item of walkTree(map, options)) {
    const sets = new Map(weightSetsOf(map, item.parent, item.id, names));
    const label =
      item.id < 0 ? `${map.typeNames.get(map.bucket(item.id)!.type)} ${map.itemNames.get(item.id)}` : `osd.${item.id}`;
    rows.push([
      String(item.id),
      map.className(item.id) ?? '',
      formatTreeWeight(item.weight),
      ...keys.map((key) => {
        const weights = sets.get(weightSetName(key, names));
        return weights === undefined ? '' : formatTreeWeight(weights[0]!);
      }),
      '    '.repeat(item.depth) + label,
    ]);
  }
  return { headings: ['ID', 'CLASS', 'WEIGHT', ...keys.map((key) => weightSetName(key, names)), 'TYPE NAME'], rows };
}

/** Five digits, ties to even as C's printf, `0` for nothing. */
export function formatTreeWeight(weight: number): string {
  if (weight < -0.01) return '-';
  if (weight < 0.000001) return '0';
  return formatFloat(weight, 5);
}
