import { ErrnoError } from '../base/index.ts';
import { type BucketAlg, bucketAlg, itemWeightAt } from './bucket.ts';
import { makeBucket } from './build.ts';
import { fitChooseArgs, positionsOf } from './choose-args.ts';
import { placeBucket, rebuildShadows } from './classes.ts';
import { type CrushMap, isValidName, ruleOp } from './map.ts';
import {
  type CrushLocation,
  isLinked,
  itemWeight,
  parentOf,
  sortedTypes,
  splitIdClass,
  subtreeContains,
  weightAtLocation,
} from './query.ts';
import {
  adjustItemWeight,
  adjustItemWeightAt,
  adjustItemWeightInBucket,
  linkItem,
  unlinkItem,
  weightFromFixed,
  weightToFixed,
} from './weights.ts';

/*
 * The edits of `ceph osd crush ...`: items are created, linked, moved and removed, weights and shadow trees follow. Weights are numbers as the
 * operator writes them (1.0 for 1 TiB by custom). All throw ErrnoError; an edit that throws may leave the map half changed, so edit a copy
 * (decode the encoded map) where that matters.
 */

/** `type=name` words as a location. Throws EINVAL. */
export function parseLocation(words: readonly string[]): Map<string, string> {
  const location = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    const value = word.slice(at + 1);
    if (at < 0 || value === '') throw new ErrnoError('EINVAL', `'${word}' is not type=name`);
    location.set(word.slice(0, at), value);
  }
  return location;
}

function checkNames(name: string, location: CrushLocation): void {
  if (!isValidName(name)) throw new ErrnoError('EINVAL', `'${name}' is not a valid name`);
  for (const [type, value] of location) {
    if (!isValidName(type) || !isValidName(value))
      throw new ErrnoError('EINVAL', `'${type}=${value}' is not a valid location`);
  }
}

/** The algorithm of new buckets: the best of those that the tunables allow. Throws EINVAL where none is. */
export function defaultBucketAlg(map: CrushMap): BucketAlg {
  const { STRAW2, STRAW, TREE, LIST, UNIFORM } = bucketAlg;
  for (const alg of [STRAW2, STRAW, TREE, LIST, UNIFORM]) {
    if ((map.tunables.allowedBucketAlgs & (1 << alg)) !== 0) return alg;
  }
  throw new ErrnoError('EINVAL', 'the tunables allow no bucket algorithm');
}

/** Adds a bucket with these items at the first free id (or `id`), of the default algorithm; it has no name yet. Gives its id. */
export function addBucket(
  map: CrushMap,
  type: number,
  items: readonly number[] = [],
  weights: readonly number[] = [],
  options: { readonly id?: number; readonly alg?: BucketAlg } = {},
): number {
  const bucket = makeBucket(map, options.alg ?? defaultBucketAlg(map), type, items, weights);
  const id = placeBucket(map, bucket, options.id);
  if (items.length > 0) {
    for (const args of map.chooseArgs.values()) {
      const weightSet = Array.from({ length: positionsOf(args) }, () => items.map((_, i) => weights[i] ?? 0));
      args.set(-1 - id, { weightSet, ids: [] });
    }
  }
  map.changed();
  return id;
}

/** Adds an empty named bucket. Throws EEXIST for a name that is taken, EINVAL for a type that is unknown or the devices'. */
export function addNamedBucket(map: CrushMap, name: string, typeName: string): number {
  if (map.itemId(name) !== undefined) throw new ErrnoError('EEXIST', `bucket '${name}' already exists`);
  const type = map.typeId(typeName);
  if (type === undefined) throw new ErrnoError('EINVAL', `type '${typeName}' does not exist`);
  if (type === 0) throw new ErrnoError('EINVAL', `type '${typeName}' is for devices, not buckets`);
  if (!isValidName(name)) throw new ErrnoError('EINVAL', `error setting bucket name to '${name}'`);
  const id = addBucket(map, type);
  map.setItemName(id, name);
  return id;
}

/**
 * Links an item at a location. From the lowest type up, buckets that do not exist are created around it, until one exists, which takes it;
 * what the location says above that is ignored. Throws EEXIST for a name that another item has, EINVAL for a location that leads nowhere or
 * already holds the item, ELOOP for one beneath the item.
 */
export function insertItem(
  map: CrushMap,
  item: number,
  weight: number,
  name: string,
  location: CrushLocation,
  initWeightSets = true,
): void {
  checkNames(name, location);
  const fixed = weightToFixed(weight);
  const known = map.itemId(name);
  if (known !== undefined && known !== item)
    throw new ErrnoError('EEXIST', `name '${name}' already exists as id ${known}`);
  if (known === undefined) map.setItemName(item, name);

  let current = item;
  for (const [type, typeName] of sortedTypes(map)) {
    const bucketName = location.get(typeName);
    if (bucketName === undefined) continue;
    const id = map.itemId(bucketName);
    if (id === undefined) {
      const created = addBucket(map, type, [current], [0]);
      map.setItemName(created, bucketName);
      current = created;
      continue;
    }
    const bucket = map.bucket(id);
    if (bucket === undefined) throw new ErrnoError('EINVAL', `'${bucketName}' is not a bucket`);
    if (subtreeContains(map, id, current)) {
      throw new ErrnoError('EINVAL', `item ${current} already exists beneath '${bucketName}'`);
    }
    if (bucket.type !== type) {
      throw new ErrnoError('EINVAL', `'${bucketName}' is a '${map.typeNames.get(bucket.type)}', not a '${typeName}'`);
    }
    if (subtreeContains(map, current, id)) {
      throw new ErrnoError('ELOOP', `item ${current} already contains '${bucketName}'; cannot form loop`);
    }
    linkItem(map, bucket, current, 0);
    break;
  }
  map.changed();

  if (adjustItemWeightAt(map, item, fixed, location, item >= 0 && initWeightSets) === 0) {
    throw new ErrnoError('EINVAL', `didn't find anywhere to add item ${item}`);
  }
  if (item >= map.maxDevices) map.maxDevices = item + 1;
  rebuildShadows(map);
}

/** Removes a bucket from its parent; gives its weight (16.16). */
export function detachBucket(map: CrushMap, id: number): number {
  const bucket = map.bucket(id);
  if (bucket === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
  const weight = bucket.weight;
  const parent = parentOf(map, id);
  if (parent !== undefined) {
    adjustItemWeightInBucket(map, id, 0, parent, true);
    unlinkItem(map, map.bucket(parent)!, id);
  }
  map.changed();
  return weight;
}

function requireBucketName(map: CrushMap, id: number): string {
  if (id >= 0) throw new ErrnoError('EINVAL', `item ${id} is not a bucket`);
  const name = map.itemNames.get(id);
  if (name === undefined || map.bucket(id) === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
  return name;
}

/** Moves a bucket, with what it holds, to a location ({@link insertItem}). */
export function moveBucket(map: CrushMap, id: number, location: CrushLocation): void {
  const name = requireBucketName(map, id);
  const weight = detachBucket(map, id);
  insertItem(map, id, weightFromFixed(weight), name, location, false);
}

/** Links a bucket at one more location. */
export function linkBucket(map: CrushMap, id: number, location: CrushLocation): void {
  const name = requireBucketName(map, id);
  insertItem(map, id, weightFromFixed(map.bucket(id)!.weight), name, location);
}

/** Exchanges the contents, weights and names of two buckets; ids stay. Throws EINVAL where one is above the other. */
export function swapBucket(map: CrushMap, a: number, b: number): void {
  const first = map.bucket(a);
  const second = map.bucket(b);
  if (first === undefined || second === undefined || !map.itemNames.has(a) || !map.itemNames.has(b)) {
    throw new ErrnoError('EINVAL', `${a} and ${b} are not both buckets`);
  }
  if (isAncestor(map, a, b) || isAncestor(map, b, a))
    throw new ErrnoError('EINVAL', `one of ${a} and ${b} is above the other`);
  const weightFirst = first.weight;
  adjustItemWeight(map, a, second.weight);
  adjustItemWeight(map, b, weightFirst);

  const takeAll = (bucket: typeof first): [item: number, weight: number][] => {
    const taken: [number, number][] = [];
    while (bucket.items.length > 0) {
      const item = bucket.items[0]!;
      taken.push([item, itemWeightAt(bucket, 0)]);
      unlinkItem(map, bucket, item);
    }
    return taken;
  };
  const fromFirst = takeAll(first);
  for (const [item, weight] of takeAll(second)) linkItem(map, first, item, weight);
  // Ceph keeps these in a map, so they come out by id.
  for (const [item, weight] of fromFirst.sort(([x], [y]) => x - y)) linkItem(map, second, item, weight);

  const name = map.itemNames.get(a)!;
  map.setItemName(a, map.itemNames.get(b)!);
  map.setItemName(b, name);
  rebuildShadows(map);
}

function isAncestor(map: CrushMap, item: number, ancestor: number): boolean {
  for (let parent = parentOf(map, item); parent !== undefined; parent = parentOf(map, parent)) {
    if (parent === ancestor) return true;
  }
  return false;
}

/**
 * Puts an item at a location if it is not there; its weight in the map is kept where it has one (`ceph osd crush create-or-move`, and what an OSD
 * asks for when it boots). Gives whether anything changed.
 */
export function createOrMoveItem(
  map: CrushMap,
  item: number,
  weight: number,
  name: string,
  location: CrushLocation,
  initWeightSets = true,
): boolean {
  if (!isValidName(name)) throw new ErrnoError('EINVAL', `'${name}' is not a valid name`);
  if (weightAtLocation(map, item, location) !== undefined) return false;
  let kept = weight;
  if (isLinked(map, item)) {
    kept = weightFromFixed(itemWeight(map, item)!);
    removeItem(map, item, true);
  }
  insertItem(map, item, kept, name, location, item >= 0 && initWeightSets);
  return true;
}

/** Puts an item at a location with this weight and name, wherever it was (`ceph osd crush set`). Gives whether anything changed. */
export function updateItem(
  map: CrushMap,
  item: number,
  weight: number,
  name: string,
  location: CrushLocation,
): boolean {
  checkNames(name, location);
  const fixed = weightToFixed(weight);
  const old = weightAtLocation(map, item, location);
  if (old === undefined) {
    if (map.itemNames.has(item)) removeItem(map, item, true);
    insertItem(map, item, weight, name, location);
    return true;
  }
  let changed = false;
  if (old !== fixed) {
    adjustItemWeightAt(map, item, fixed, location);
    rebuildShadows(map);
    changed = true;
  }
  if (map.itemNames.get(item) !== name) {
    map.setItemName(item, name);
    changed = true;
  }
  return changed;
}

/** Whether a rule takes the bucket (or a shadow of it), or it is a shadow. */
export function bucketInUse(map: CrushMap, id: number): boolean {
  for (const shadows of map.classBuckets.values())
    for (const shadow of shadows.values()) if (shadow === id) return true;
  for (const rule of map.rules) {
    for (const step of rule?.steps ?? []) {
      if (step.op !== ruleOp.TAKE) continue;
      const split = splitIdClass(map, step.arg1);
      if (split === undefined) return false;
      if (step.arg1 === id || split.id === id) return true;
    }
  }
  return false;
}

function checkRemovable(map: CrushMap, id: number): void {
  const bucket = map.bucket(id);
  if (bucket === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
  if (bucket.items.length > 0)
    throw new ErrnoError('ENOTEMPTY', `bucket ${id} has ${bucket.items.length} items, not empty`);
}

/** What remains to be done when an item may have lost its last link; whether it had. */
function forgetUnlinked(map: CrushMap, item: number, unlinkOnly: boolean): boolean {
  if (isLinked(map, item) || (item < 0 && bucketInUse(map, item))) return false;
  if (item < 0 && !unlinkOnly) {
    map.buckets[-1 - item] = undefined;
    map.classBuckets.delete(item);
    map.itemClasses.delete(item);
    fitChooseArgs(map);
  }
  if ((item >= 0 || !unlinkOnly) && map.itemNames.has(item)) {
    map.deleteItemName(item);
    if (item >= 0 && !unlinkOnly) map.itemClasses.delete(item);
  }
  try {
    rebuildShadows(map);
  } catch (error) {
    // Shadows of uniform buckets cannot be made: the removal stands, as in Ceph.
    if (!(error instanceof ErrnoError)) throw error;
  }
  return true;
}

/**
 * Removes an item from every bucket, and from the map. `unlinkOnly` leaves a bucket (and a device's class) in the map. Throws ENOENT, ENOTEMPTY
 * for a bucket with items, EBUSY for one that a rule takes.
 */
export function removeItem(map: CrushMap, item: number, unlinkOnly = false): void {
  if (item < 0 && !unlinkOnly) {
    checkRemovable(map, item);
    if (bucketInUse(map, item)) throw new ErrnoError('EBUSY', `bucket ${item} is in use`);
  }
  let removed = false;
  for (const bucket of map.buckets) {
    if (bucket !== undefined && unlinkAll(map, bucket.id, item)) removed = true;
  }
  if (forgetUnlinked(map, item, unlinkOnly)) removed = true;
  map.changed();
  if (!removed) throw new ErrnoError('ENOENT', `item ${item} is not in the map`);
}

function unlinkAll(map: CrushMap, bucketId: number, item: number): boolean {
  const bucket = map.bucket(bucketId)!;
  let removed = false;
  for (let i = 0; i < bucket.items.length; i++) {
    if (bucket.items[i] !== item) continue;
    adjustItemWeightInBucket(map, item, 0, bucketId, true);
    unlinkItem(map, bucket, item);
    removed = true;
    // A tree bucket keeps a hole that reads as device 0.
    if (bucket.alg === bucketAlg.TREE && item === 0) break;
  }
  return removed;
}

/** {@link removeItem} beneath one bucket only. */
export function removeItemUnder(map: CrushMap, item: number, ancestor: number, unlinkOnly = false): void {
  if (!unlinkOnly && bucketInUse(map, item)) throw new ErrnoError('EBUSY', `item ${item} is in use`);
  const root = map.bucket(ancestor);
  if (root === undefined) throw new ErrnoError('EINVAL', `${ancestor} is not a bucket`);
  const under = (bucketId: number): boolean => {
    let removed = unlinkAll(map, bucketId, item);
    for (const child of [...(map.bucket(bucketId)?.items ?? [])]) if (child < 0 && under(child)) removed = true;
    return removed;
  };
  if (!under(ancestor)) throw new ErrnoError('ENOENT', `item ${item} is not beneath ${ancestor}`);
  if (item < 0 && !unlinkOnly) checkRemovable(map, item);
  forgetUnlinked(map, item, unlinkOnly);
  map.changed();
}

/** Renames a bucket. Throws ENOENT, EEXIST, EINVAL; EALREADY where only the new name exists; ENOTDIR for a device. */
export function renameBucket(map: CrushMap, from: string, to: string): void {
  const id = checkRename(map, from, to);
  if (id >= 0) throw new ErrnoError('ENOTDIR', `srcname = '${from}' is not a bucket because its id = ${id} is >= 0`);
  map.setItemName(id, to);
  map.changed();
}

/** Renames a device or bucket; as {@link renameBucket}. */
export function renameItem(map: CrushMap, from: string, to: string): void {
  map.setItemName(checkRename(map, from, to), to);
  map.changed();
}

function checkRename(map: CrushMap, from: string, to: string): number {
  const id = map.itemId(from);
  const taken = map.itemId(to) !== undefined;
  if (id === undefined) {
    const missing = `srcname = '${from}' does not exist`;
    if (taken) throw new ErrnoError('EALREADY', `${missing} and dstname = '${to}' already exists`);
    throw new ErrnoError('ENOENT', missing);
  }
  if (taken) throw new ErrnoError('EEXIST', `dstname = '${to}' already exists`);
  if (!isValidName(to)) throw new ErrnoError('EINVAL', `dstname = '${to}' does not match [-_.0-9a-zA-Z]+`);
  return id;
}

/** Makes every straw bucket a straw2 bucket of the same weights. */
export function convertStrawBuckets(map: CrushMap): void {
  map.buckets.forEach((bucket, index) => {
    if (bucket?.alg !== bucketAlg.STRAW) return;
    const { straws: _, ...rest } = bucket;
    map.buckets[index] = { ...rest, alg: bucketAlg.STRAW2 };
  });
  map.changed();
}
