import { itemWeightAt } from './bucket.ts';
import { type CrushMap, ruleOp } from './map.ts';

/** Buckets that are in no other bucket, ascending (the deepest negative first, as Ceph's sets run). */
export function findRoots(map: CrushMap): number[] {
  const children = new Set<number>();
  for (const bucket of map.buckets) if (bucket !== undefined) for (const item of bucket.items) children.add(item);
  const roots: number[] = [];
  for (const bucket of map.buckets) if (bucket !== undefined && !children.has(bucket.id)) roots.push(bucket.id);
  return roots.sort((a, b) => a - b);
}

export function findNonshadowRoots(map: CrushMap): number[] {
  return findRoots(map).filter((id) => !map.isShadow(id));
}

export function findShadowRoots(map: CrushMap): number[] {
  return findRoots(map).filter((id) => map.isShadow(id));
}

/** Whether any bucket holds the item. */
export function isLinked(map: CrushMap, item: number): boolean {
  return map.buckets.some((bucket) => bucket?.items.includes(item));
}

/** Whether `item` is `root` or anywhere beneath it. */
export function subtreeContains(map: CrushMap, root: number, item: number): boolean {
  if (root === item) return true;
  const bucket = map.bucket(root);
  return bucket?.items.some((child) => subtreeContains(map, child, item)) ?? false;
}

/** The bucket that holds an item, shadows aside; of several the one with the highest id. */
export function parentOf(map: CrushMap, item: number): number | undefined {
  for (const bucket of map.buckets) {
    if (bucket !== undefined && !map.isShadow(bucket.id) && bucket.items.includes(item)) return bucket.id;
  }
  return undefined;
}

/** Types and names of the buckets above an item, innermost first; undefined for an item without a name. */
export function fullLocation(map: CrushMap, item: number): [type: string, name: string][] | undefined {
  if (!map.itemNames.has(item)) return undefined;
  const path: [string, string][] = [];
  for (let parent = parentOf(map, item); parent !== undefined; parent = parentOf(map, parent)) {
    path.push([map.typeNames.get(map.bucket(parent)!.type) ?? '', map.itemNames.get(parent) ?? '']);
  }
  return path;
}

/** Items of `type` at or beneath `id`, in order. Shadow buckets are left out on request. */
export function childrenOfType(map: CrushMap, id: number, type: number, excludeShadow = true): number[] {
  const found: number[] = [];
  const visit = (item: number): void => {
    if (item >= 0) {
      if (type === 0) found.push(item);
      return;
    }
    const bucket = map.bucket(item);
    if (bucket === undefined || bucket.type < type) return;
    if (bucket.type !== type) bucket.items.forEach(visit);
    else if (!excludeShadow || !map.isShadow(item)) found.push(item);
  };
  visit(id);
  return found;
}

/** Buckets and devices that a rule's take steps name. */
export function takesOfRule(map: CrushMap, ruleId: number): number[] {
  const takes = new Set<number>();
  for (const step of map.rules[ruleId]?.steps ?? []) if (step.op === ruleOp.TAKE) takes.add(step.arg1);
  return [...takes].sort((a, b) => a - b);
}

/** The ancestor of `type` of an item, within the trees that a rule takes where one is given. */
export function parentOfType(map: CrushMap, item: number, type: number, ruleId?: number): number | undefined {
  if (ruleId !== undefined) {
    for (const root of takesOfRule(map, ruleId)) {
      const found = childrenOfType(map, root, type, false).find((candidate) => subtreeContains(map, candidate, item));
      if (found !== undefined) return found;
    }
    return undefined;
  }
  let parent = parentOf(map, item);
  while (parent !== undefined && map.bucket(parent)!.type !== type) parent = parentOf(map, parent);
  return parent;
}

/** Devices at or beneath `id`, in order; one that is linked twice comes twice. */
export function leavesOf(map: CrushMap, id: number): number[] {
  return childrenOfType(map, id, 0);
}

/** Weight (16.16) of the first place an item has in the map, a bucket's own weight for a bucket; undefined for none. */
export function itemWeight(map: CrushMap, item: number): number | undefined {
  for (const bucket of map.buckets) {
    if (bucket === undefined) continue;
    if (bucket.id === item) return bucket.weight;
    const at = bucket.items.indexOf(item);
    if (at >= 0) return itemWeightAt(bucket, at);
  }
  return undefined;
}

/** Location: bucket type to bucket name. */
export type CrushLocation = ReadonlyMap<string, string>;

/**
 * Whether an item is where the most specific part of the location says; the weight (16.16) it has there, else undefined. Parts further up
 * are not looked at.
 */
export function weightAtLocation(map: CrushMap, item: number, location: CrushLocation): number | undefined {
  for (const [, typeName] of sortedTypes(map)) {
    const name = location.get(typeName);
    if (name === undefined) continue;
    const id = map.itemId(name);
    const bucket = id === undefined ? undefined : map.bucket(id);
    const at = bucket?.items.indexOf(item) ?? -1;
    return at < 0 ? undefined : itemWeightAt(bucket!, at);
  }
  return undefined;
}

/** Bucket types from the lowest up. */
export function sortedTypes(map: CrushMap): [id: number, name: string][] {
  return [...map.typeNames].filter(([id]) => id !== 0).sort(([a], [b]) => a - b);
}

/** The bucket and class that a shadow bucket stands for, the item itself where it is none; undefined for what has no name. */
export function splitIdClass(map: CrushMap, id: number): { id: number; classId: number | undefined } | undefined {
  const name = map.itemNames.get(id);
  if (name === undefined) return undefined;
  const tilde = name.indexOf('~');
  if (tilde < 0) return { id, classId: undefined };
  const original = map.itemId(name.slice(0, tilde));
  const classId = map.classId(name.slice(tilde + 1));
  return original === undefined || classId === undefined ? undefined : { id: original, classId };
}

/** Lowest ruleset of the rules of a type (a pool's), undefined where there is none. */
export function firstRuleset(map: CrushMap, type: number): number | undefined {
  const sets = map.rules.filter((rule) => rule?.type === type).map((rule) => rule!.ruleset);
  return sets.length > 0 ? Math.min(...sets) : undefined;
}

/** The rule an old client would select. */
export function findRule(map: CrushMap, ruleset: number, type: number, size: number): number | undefined {
  const at = map.rules.findIndex(
    (rule) =>
      rule !== undefined &&
      rule.ruleset === ruleset &&
      rule.type === type &&
      rule.minSize <= size &&
      rule.maxSize >= size,
  );
  return at < 0 ? undefined : at;
}
