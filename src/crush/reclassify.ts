import { ErrnoError } from '../base/index.ts';
import { type Bucket, itemWeightAt } from './bucket.ts';
import { makeBucket } from './build.ts';
import { getOrCreateClass, rebuildShadows } from './classes.ts';
import { insertItem, linkBucket } from './items.ts';
import { type CrushMap, ruleOp } from './map.ts';
import { parentOf, splitIdClass, subtreeContains } from './query.ts';
import { weightFromFixed } from './weights.ts';

/** Buckets whose names match go to a class: `%suffix` or `prefix%` (the rest is the bucket they become), or a whole name. */
export interface ReclassifyBucket {
  readonly match: string;
  readonly className: string;
  /** Where a bucket goes that has to be made, and what a whole name becomes. */
  readonly defaultParent: string;
}

/**
 * Turns maps that keep a tree per kind of device (`root=ssd`, `host=a-ssd`) into maps with device classes, so that no data moves: the old buckets
 * become the shadows of the new ones, ids and all (`crushtool --reclassify`). `log` is told each step. Throws EINVAL with what was in the way.
 */
export function reclassify(
  map: CrushMap,
  roots: readonly (readonly [root: string, className: string])[],
  buckets: readonly ReclassifyBucket[],
  log: (line: string) => void,
): void {
  for (const [root, className] of roots) reclassifyRoot(map, root, className, log);
  new BucketReclassifier(map, log).run(buckets);
}

function fail(log: (line: string) => void, line: string): never {
  log(line);
  throw new ErrnoError('EINVAL', line.trim());
}

/** The first free bucket id; the table grows by one where it is full. */
function newBucketId(map: CrushMap): number {
  const free = map.buckets.indexOf(undefined);
  if (free >= 0) return -1 - free;
  map.buckets.push(undefined);
  return -map.buckets.length;
}

function placeEmpty(map: CrushMap, like: Bucket, id: number): void {
  const bucket = makeBucket(map, like.alg, like.type, [], [], like.hash);
  bucket.id = id;
  map.buckets[-1 - id] = bucket;
}

/** Every bucket of the tree gets a new id; the old one stays as its shadow of the class. */
function reclassifyRoot(map: CrushMap, root: string, className: string, log: (line: string) => void): void {
  const rootId = map.itemId(root);
  if (rootId === undefined) fail(log, `root ${root} does not exist`);
  const classId = getOrCreateClass(map, className);
  log(`classify_root ${root} (${rootId}) as ${className}`);
  map.rules.forEach((rule, ruleId) => {
    for (const step of rule?.steps ?? []) {
      if (step.op !== ruleOp.TAKE) continue;
      const split = splitIdClass(map, step.arg1);
      if (split === undefined)
        throw new ErrnoError('EINVAL', `rule ${ruleId} takes item ${step.arg1}, which has no name`);
      if (split.classId !== undefined && split.id === rootId) {
        fail(log, `  rule ${ruleId} includes take on root ${root} class ${split.classId}`);
      }
    }
  });

  const renumbered = new Map<number, number>();
  const queue = [rootId];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    const bucket = map.bucket(id);
    if (bucket === undefined) fail(log, `cannot find bucket ${id}: (2) No such file or directory`);
    const newId = newBucketId(map);
    log(`  renumbering bucket ${id} -> ${newId}`);
    renumbered.set(id, newId);
    map.buckets[-1 - newId] = bucket;
    bucket.id = newId;
    placeEmpty(map, bucket, id);
    for (const args of map.chooseArgs.values()) {
      const arg = args.get(-1 - id);
      args.delete(-1 - id);
      if (arg !== undefined) args.set(-1 - newId, arg);
      else args.delete(-1 - newId);
    }
    map.classBuckets.delete(id);
    const shadows = map.classBuckets.get(newId) ?? new Map<number, number>();
    map.classBuckets.set(newId, shadows.set(classId, id));
    const name = map.itemNames.get(id) ?? '';
    map.setItemName(newId, name);
    map.setItemName(id, `${name}~${className}`);
    for (const item of bucket.items) if (item < 0) queue.unshift(item);
  }
  for (const bucket of map.buckets) {
    if (bucket === undefined) continue;
    bucket.items = bucket.items.map((item) => renumbered.get(item) ?? item);
  }
  rebuildShadows(map);
}

class BucketReclassifier {
  readonly #map: CrushMap;
  readonly #log: (line: string) => void;
  /** From an old bucket to the one that takes what it holds. */
  readonly #sendTo = new Map<number, number>();
  readonly #shadows: { readonly base: number; readonly classId: number; readonly shadow: number }[] = [];
  readonly #shadowNames = new Map<number, string>();
  /** Buckets that were made, and where they go unless something links them. */
  readonly #made = new Map<number, { readonly type: string; readonly parent: string }>();
  readonly #madeByName = new Map<string, number>();

  constructor(map: CrushMap, log: (line: string) => void) {
    this.#map = map;
    this.#log = log;
  }

  run(buckets: readonly ReclassifyBucket[]): void {
    const map = this.#map;
    for (const rule of [...buckets].sort((a, b) => (a.match < b.match ? -1 : 1))) this.#match(rule);
    for (const [from, to] of [...this.#sendTo].sort(([a], [b]) => a - b)) this.#moveItems(from, to);
    for (const [id, { type, parent }] of [...this.#made].sort(([a], [b]) => a - b)) {
      if (parentOf(map, id) !== undefined) continue;
      this.#log(`new bucket ${id} missing parent, adding at {${type}=${parent}}`);
      this.#insert(() => linkBucket(map, id, new Map([[type, parent]])));
    }
    for (const { base, classId, shadow } of this.#shadows) {
      const shadows = map.classBuckets.get(base) ?? new Map<number, number>();
      map.classBuckets.set(base, shadows.set(classId, shadow));
    }
    for (const [id, name] of this.#shadowNames) map.setItemName(id, name);
    rebuildShadows(map);
  }

  #match({ match, className, defaultParent }: ReclassifyBucket): void {
    const map = this.#map;
    const parentId = map.itemId(defaultParent);
    const parent = parentId === undefined ? undefined : map.bucket(parentId);
    if (parent === undefined) fail(this.#log, `default parent ${defaultParent} does not exist`);
    const parentType = map.typeNames.get(parent.type) ?? '';
    this.#log(`classify_bucket ${match} as ${className} default bucket ${defaultParent} (${parentType})`);
    const classId = getOrCreateClass(map, className);
    for (let index = 0; index < map.buckets.length; index++) {
      const bucket = map.buckets[index];
      if (bucket === undefined || map.isShadow(bucket.id)) continue;
      const name = map.itemNames.get(bucket.id) ?? '';
      const base = baseName(name, match, defaultParent);
      if (base === undefined) continue;
      this.#log(`match ${match} to ${name} basename ${base}`);
      const baseId = this.#baseBucket(base, bucket, parentType, defaultParent);
      this.#sendTo.set(bucket.id, baseId);
      this.#shadows.push({ base: baseId, classId, shadow: bucket.id });
      this.#shadowNames.set(bucket.id, `${base}~${className}`);
      for (const item of bucket.items) if (item >= 0) map.itemClasses.set(item, classId);
    }
  }

  #baseBucket(name: string, like: Bucket, parentType: string, parent: string): number {
    const map = this.#map;
    // Names of buckets made here count only as such, as in Ceph.
    const made = this.#madeByName.get(name);
    if (made !== undefined) {
      this.#log(`  already creating base ${made}`);
      return made;
    }
    const known = map.itemId(name);
    if (known !== undefined) {
      this.#log(`  have base ${known}`);
      return known;
    }
    const id = newBucketId(map);
    placeEmpty(map, like, id);
    map.setItemName(id, name);
    this.#madeByName.set(name, id);
    this.#log(`  created base ${id}`);
    this.#made.set(id, { type: parentType, parent });
    return id;
  }

  #moveItems(fromId: number, toId: number): void {
    const map = this.#map;
    const from = map.bucket(fromId)!;
    const to = map.bucket(toId)!;
    this.#log(`moving items from ${fromId} (${map.itemNames.get(fromId)}) to ${toId} (${map.itemNames.get(toId)})`);
    const location = new Map([[map.typeNames.get(to.type) ?? '', map.itemNames.get(toId) ?? '']]);
    [...from.items].forEach((item, position) => {
      if (item < 0) {
        const target = this.#sendTo.get(item);
        if (target === undefined) {
          throw new ErrnoError('EINVAL', `item ${item} in bucket ${fromId} is not also a reclassified bucket`);
        }
        if (!subtreeContains(map, toId, target)) this.#insert(() => linkBucket(map, target, location));
      } else if (!subtreeContains(map, toId, item)) {
        const weight = weightFromFixed(itemWeightAt(from, position));
        this.#insert(() => insertItem(map, item, weight, map.itemNames.get(item) ?? '', location));
      }
    });
  }

  #insert(insert: () => void): void {
    try {
      insert();
    } catch (error) {
      if (error instanceof ErrnoError) this.#log(`reclassify err from insert_item: ${error.message}`);
      throw error;
    }
  }
}

/** The name of the bucket that one with a matching name becomes; undefined for one that does not match. */
function baseName(name: string, match: string, whole: string): string | undefined {
  if (name.length < match.length) return undefined;
  if (match.startsWith('%')) {
    return name.endsWith(match.slice(1)) ? name.slice(0, name.length - match.length + 1) : undefined;
  }
  if (match.endsWith('%')) return name.startsWith(match.slice(0, -1)) ? name.slice(match.length - 1) : undefined;
  return match === name ? whole : undefined;
}
