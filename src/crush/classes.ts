import { ErrnoError } from '../base/index.ts';
import { type Bucket, itemWeightAt } from './bucket.ts';
import { bucketAddItem, makeBucket } from './build.ts';
import { fitChooseArgs } from './choose-args.ts';
import { type CrushMap, isValidName, ruleOp } from './map.ts';
import { findNonshadowRoots, findShadowRoots } from './query.ts';

/*
 * Device classes. For every class that is in use, every tree has a shadow: the same buckets, named `bucket~class`, with only the devices of
 * the class. Rules take the shadow. Shadows are made anew after every change; a bucket's shadow keeps its id.
 */

/** Ids that a map from outside gives its shadows may be any: the table is not made larger than this for one. */
const BUCKETS_MAX = 1 << 20;

/** Adds a bucket to the map's table at `id`, or at the first free one; the table doubles when it is full. Gives the id. */
export function placeBucket(map: CrushMap, bucket: Bucket, id?: number): number {
  let index = id === undefined ? map.buckets.indexOf(undefined) : -1 - id;
  if (index < 0) index = map.buckets.length;
  if (index >= BUCKETS_MAX) throw new ErrnoError('EINVAL', `bucket id ${-1 - index} is out of range`);
  let length = map.buckets.length;
  while (index >= length) length = length === 0 ? 8 : length * 2;
  while (map.buckets.length < length) map.buckets.push(undefined);
  if (map.buckets[index] !== undefined) throw new ErrnoError('EEXIST', `bucket ${-1 - index} exists`);
  bucket.id = -1 - index;
  map.buckets[index] = bucket;
  return bucket.id;
}

export function getOrCreateClass(map: CrushMap, name: string): number {
  const known = map.classId(name);
  if (known !== undefined) return known;
  let id = map.classNames.size === 0 ? 0 : Math.max(...map.classNames.keys()) + 1;
  if (id > 0x7fffffff) {
    id = 0;
    while (map.classNames.has(id)) id++;
  }
  map.classNames.set(id, name);
  return id;
}

/** Removes a tree's buckets, names and classes (a shadow's: nothing else may hold them). */
export function removeTree(map: CrushMap, root: number): void {
  const bucket = map.bucket(root);
  if (bucket === undefined) return;
  for (const item of bucket.items) if (item < 0) removeTree(map, item);
  map.buckets[-1 - root] = undefined;
  map.deleteItemName(root);
  map.classBuckets.delete(root);
  map.itemClasses.delete(root);
}

/** A class is dead when no device has it and no rule takes a shadow of it. */
function dropDeadClasses(map: CrushMap): void {
  const taken = new Set<number>();
  for (const rule of map.rules) for (const step of rule?.steps ?? []) if (step.op === ruleOp.TAKE) taken.add(step.arg1);
  const alive = new Set<number>();
  for (const [item, classId] of map.itemClasses) if (item >= 0) alive.add(classId);
  for (const shadows of map.classBuckets.values()) {
    for (const [classId, shadow] of shadows) if (taken.has(shadow)) alive.add(classId);
  }
  for (const classId of [...map.classNames.keys()]) if (!alive.has(classId)) map.classNames.delete(classId);
}

/** Makes all shadow trees anew from the trees and the devices' classes. */
export function rebuildShadows(map: CrushMap): void {
  dropDeadClasses(map);
  const old = map.classBuckets;
  // removeTree takes the removed buckets' own entries out; the ids of their shadows are still wanted.
  map.classBuckets = new Map(old);
  const roots = findShadowRoots(map);
  for (const root of roots) removeTree(map, root);
  if (roots.length > 0) fitChooseArgs(map);
  map.classBuckets = new Map();
  populateShadows(map, old);
}

/** Makes the shadow trees. `old` has the ids that shadows had before, to be had again. */
export function populateShadows(map: CrushMap, old: ReadonlyMap<number, ReadonlyMap<number, number>>): void {
  const used = new Set<number>();
  for (const shadows of old.values()) for (const shadow of shadows.values()) used.add(shadow);
  const cloner = new Cloner(map, old, used);
  const classIds = [...map.classNames.keys()].sort((a, b) => a - b);
  for (const root of findNonshadowRoots(map)) for (const classId of classIds) cloner.clone(root, classId);
  map.changed();
}

class Cloner {
  readonly #map: CrushMap;
  readonly #old: ReadonlyMap<number, ReadonlyMap<number, number>>;
  readonly #used: ReadonlySet<number>;
  /** choose_args key, shadow bucket: its weight by position. */
  readonly #weights = new Map<number, Map<number, number[]>>();

  constructor(map: CrushMap, old: ReadonlyMap<number, ReadonlyMap<number, number>>, used: ReadonlySet<number>) {
    this.#map = map;
    this.#old = old;
    this.#used = used;
  }

  /** The shadow of a bucket for a class, made where it is not there yet. */
  clone(id: number, classId: number): number {
    const map = this.#map;
    const name = map.itemNames.get(id);
    const original = map.bucket(id);
    if (name === undefined) throw new ErrnoError('ECHILD', `bucket ${id} has no name`);
    if (original === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
    const shadowName = `${name}~${map.classNames.get(classId)}`;
    const known = map.itemId(shadowName);
    if (known !== undefined) return known;

    const copy = makeBucket(map, original.alg, original.type, [], [], original.hash);
    const positions: number[] = [];
    original.items.forEach((item, position) => {
      if (item >= 0) {
        if (map.itemClasses.get(item) !== classId) return;
        bucketAddItem(map, copy, item, itemWeightAt(original, position));
      } else {
        const child = this.clone(item, classId);
        bucketAddItem(map, copy, child, map.bucket(child)!.weight);
      }
      positions.push(position);
    });

    const shadow = placeBucket(map, copy, this.#old.get(id)?.get(classId) ?? this.#freeId());
    map.itemClasses.set(shadow, classId);
    map.setItemName(shadow, shadowName);
    const shadows = map.classBuckets.get(id) ?? new Map<number, number>();
    shadows.set(classId, shadow);
    map.classBuckets.set(id, shadows);
    this.#cloneChooseArgs(id, copy, positions);
    return shadow;
  }

  /** The first id that neither the map uses nor any shadow had before. */
  #freeId(): number {
    let id = -1;
    while (this.#map.buckets[-1 - id] !== undefined || this.#used.has(id)) id--;
    return id;
  }

  #cloneChooseArgs(originalId: number, copy: Bucket, positions: readonly number[]): void {
    for (const [key, args] of this.#map.chooseArgs) {
      const original = args.get(-1 - originalId);
      if (original === undefined || original.weightSet.length === 0) continue;
      const known = this.#weights.get(key) ?? new Map<number, number[]>();
      this.#weights.set(key, known);
      let sum = 0;
      const weightSet = original.weightSet.map((weights, position) => {
        const own = copy.items.map((item, i) =>
          item >= 0 ? (weights[positions[i]!] ?? 0) : (known.get(item)?.[position] ?? 0),
        );
        sum = own.reduce((a, b) => (a + b) >>> 0, 0);
        return own;
      });
      args.set(-1 - copy.id, { weightSet, ids: [] });
      // Ceph keeps a bucket's weight for the last position only, and so the weights of buckets for the others are 0.
      known.set(
        copy.id,
        weightSet.map((_, position) => (position === weightSet.length - 1 ? sum : 0)),
      );
    }
  }
}

/**
 * Binds a device to a class. Gives whether that changed anything; throws EBUSY where it has another one, EINVAL for a bucket or an invalid
 * name.
 */
export function setDeviceClass(map: CrushMap, osd: number, className: string): boolean {
  const old = map.className(osd);
  if (old !== undefined && old !== className) {
    throw new ErrnoError(
      'EBUSY',
      `osd.${osd} has already bound to class '${old}', can not reset class to '${className}'; use 'ceph osd crush rm-device-class <id>' to remove old class first`,
    );
  }
  if (osd < 0) throw new ErrnoError('EINVAL', `${map.itemNames.get(osd) ?? ''} id ${osd} is negative`);
  if (!isValidName(className)) throw new ErrnoError('EINVAL', `'${className}' is not a valid class name`);
  if (old === className) return false;
  map.itemClasses.set(osd, getOrCreateClass(map, className));
  rebuildShadows(map);
  return true;
}

/** Takes a device out of its class; false where it had none. Throws ENOENT for a device that is not in the map. */
export function removeDeviceClass(map: CrushMap, osd: number): boolean {
  if (!map.itemNames.has(osd)) throw new ErrnoError('ENOENT', `osd.${osd} does not have a name`);
  if (map.className(osd) === undefined) return false;
  map.itemClasses.delete(osd);
  rebuildShadows(map);
  return true;
}

/** Names of the rules that take a shadow of the class. */
export function rulesUsingClass(map: CrushMap, classId: number): string[] {
  const shadows = new Set<number>();
  for (const byClass of map.classBuckets.values()) {
    const shadow = byClass.get(classId);
    if (shadow !== undefined) shadows.add(shadow);
  }
  const names: string[] = [];
  map.rules.forEach((rule, id) => {
    for (const step of rule?.steps ?? []) {
      if (step.op === ruleOp.TAKE && shadows.has(step.arg1)) names.push(map.ruleNames.get(id) ?? '');
    }
  });
  return names;
}

/** Renames a class and its shadows. Throws ENOENT, EEXIST. */
export function renameClass(map: CrushMap, from: string, to: string): void {
  const classId = map.classId(from);
  if (classId === undefined) throw new ErrnoError('ENOENT', `class '${from}' does not exist`);
  if (map.classId(to) !== undefined) throw new ErrnoError('EEXIST', `class '${to}' already exists`);
  for (const [item, itemClass] of map.itemClasses) {
    if (item >= 0 || itemClass !== classId) continue;
    const name = map.itemNames.get(item) ?? '';
    map.setItemName(item, `${name.slice(0, name.indexOf('~'))}~${to}`);
  }
  map.classNames.set(classId, to);
  map.changed();
}

/**
 * Removes a class: its devices are in none afterwards. Throws ENOENT, and EBUSY where a rule takes a shadow of it. Gives the devices that had it.
 */
export function removeClass(map: CrushMap, name: string): number[] {
  const classId = map.classId(name);
  if (classId === undefined) throw new ErrnoError('ENOENT', `class '${name}' does not exist`);
  const rules = rulesUsingClass(map, classId);
  if (rules.length > 0) {
    throw new ErrnoError('EBUSY', `still referenced by crush_rule(s): ${rules.map((rule) => `'${rule}'`).join(',')}`);
  }
  const osds = [...map.itemClasses].filter(([item, c]) => item >= 0 && c === classId).map(([item]) => item);
  for (const osd of osds) map.itemClasses.delete(osd);
  if (osds.length > 0) rebuildShadows(map);
  // Without devices the rebuild drops it, but it may have had none to begin with.
  map.classNames.delete(classId);
  map.changed();
  return osds.sort((a, b) => a - b);
}

/** Puts all devices beneath a bucket into a class, whatever they had. Shadows are not rebuilt. Throws ENOENT for an unknown bucket. */
export function setSubtreeClass(map: CrushMap, subtree: string, className: string): void {
  const root = map.itemId(subtree);
  if (root === undefined) throw new ErrnoError('ENOENT', `item '${subtree}' does not exist`);
  const classId = getOrCreateClass(map, className);
  const visit = (id: number): void => {
    const bucket = map.bucket(id);
    if (bucket === undefined) throw new ErrnoError('ENOENT', `bucket ${id} does not exist`);
    for (const item of bucket.items) {
      if (item >= 0) map.itemClasses.set(item, classId);
      else visit(item);
    }
  };
  visit(root);
  map.changed();
}
