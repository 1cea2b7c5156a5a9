import { algName, bucketAlg, itemWeightAt } from './bucket.ts';
import { hashName } from './hash.ts';
import { type CrushMap, type Rule, ruleOp, type TunablesProfile } from './map.ts';
import { isMsrRule } from './msr.ts';
import { findRoots } from './query.ts';
import { sortedChooseArgs, type TreeOptions, walkTree, weightSetsOf } from './tree.ts';
import { weightFromFixed } from './weights.ts';

/** Where a dump goes: the part of `types`' Formatter that is needed here (this folder stands above that one). */
export interface DumpSink {
  openObject(name: string): void;
  openArray(name: string): void;
  /** Ends the innermost open section. */
  close(): void;
  int(name: string, value: number): void;
  /** A double, shown with 17 digits. */
  float(name: string, value: number): void;
  string(name: string, value: string): void;
}

/** `ceph osd crush dump` and `crushtool --dump`: the members of the unnamed object that the caller opens. */
export function dumpCrushMap(map: CrushMap, f: DumpSink): void {
  f.openArray('devices');
  for (let id = 0; id < map.maxDevices; id++) {
    f.openObject('device');
    f.int('id', id);
    f.string('name', map.itemNames.get(id) ?? `device${id}`);
    const deviceClass = map.className(id);
    if (deviceClass !== undefined) f.string('class', deviceClass);
    f.close();
  }
  f.close();
  dumpTypes(map, f);
  dumpBuckets(map, f);
  f.openArray('rules');
  dumpRules(map, f);
  f.close();
  f.openObject('tunables');
  dumpTunables(map, f);
  f.close();
  dumpChooseArgs(map, f);
}

function dumpTypes(map: CrushMap, f: DumpSink): void {
  f.openArray('types');
  const types = [...map.typeNames].filter(([id]) => id >= 0).sort(([a], [b]) => a - b);
  if (types.length > 0 && types[0]![0] !== 0) types.unshift([0, 'device']);
  for (const [id, name] of types) {
    f.openObject('type');
    f.int('type_id', id);
    f.string('name', name);
    f.close();
  }
  f.close();
}

function dumpBuckets(map: CrushMap, f: DumpSink): void {
  f.openArray('buckets');
  for (const bucket of map.buckets) {
    if (bucket === undefined) continue;
    f.openObject('bucket');
    f.int('id', bucket.id);
    const name = map.itemNames.get(bucket.id);
    if (name !== undefined) f.string('name', name);
    f.int('type_id', bucket.type);
    const typeName = map.typeNames.get(bucket.type);
    if (typeName !== undefined) f.string('type_name', typeName);
    f.int('weight', bucket.weight | 0);
    f.string('alg', algName(bucket.alg));
    f.string('hash', hashName(bucket.hash));
    f.openArray('items');
    bucket.items.forEach((item, position) => {
      f.openObject('item');
      f.int('id', item);
      f.int('weight', itemWeightAt(bucket, position) | 0);
      f.int('pos', position);
      f.close();
    });
    f.close();
    f.close();
  }
  f.close();
}

/** The elements of `ceph osd crush rule dump`. */
export function dumpRules(map: CrushMap, f: DumpSink): void {
  map.rules.forEach((rule, id) => {
    if (rule !== undefined) dumpRule(map, id, f);
  });
}

const SET_NAMES = new Map<number, string>([
  [ruleOp.SET_CHOOSE_TRIES, 'set_choose_tries'],
  [ruleOp.SET_CHOOSELEAF_TRIES, 'set_chooseleaf_tries'],
  [ruleOp.SET_MSR_DESCENTS, 'set_msr_descents'],
  [ruleOp.SET_MSR_COLLISION_TRIES, 'set_msr_collision_tries'],
]);

const CHOOSE_NAMES = new Map<number, string>([
  [ruleOp.CHOOSE_FIRSTN, 'choose_firstn'],
  [ruleOp.CHOOSE_INDEP, 'choose_indep'],
  [ruleOp.CHOOSELEAF_FIRSTN, 'chooseleaf_firstn'],
  [ruleOp.CHOOSELEAF_INDEP, 'chooseleaf_indep'],
  [ruleOp.CHOOSE_MSR, 'choosemsr'],
]);

/** `ceph osd crush rule dump <name>`: one rule's object. */
export function dumpRule(map: CrushMap, id: number, f: DumpSink): void {
  const rule = map.rules[id];
  if (rule === undefined) return;
  f.openObject('rule');
  f.int('rule_id', id);
  const name = map.ruleNames.get(id);
  if (name !== undefined) f.string('rule_name', name);
  f.int('ruleset', rule.ruleset);
  f.int('type', rule.type);
  f.int('min_size', rule.minSize);
  f.int('max_size', rule.maxSize);
  f.openArray('steps');
  dumpSteps(map, rule, f);
  f.close();
  f.close();
}

function dumpSteps(map: CrushMap, rule: Rule, f: DumpSink): void {
  for (const { op, arg1, arg2 } of rule.steps) {
    const choose = CHOOSE_NAMES.get(op);
    const set = SET_NAMES.get(op);
    f.openObject('step');
    if (op === ruleOp.NOOP) f.string('op', 'noop');
    else if (op === ruleOp.EMIT) f.string('op', 'emit');
    else if (op === ruleOp.TAKE) {
      f.string('op', 'take');
      f.int('item', arg1);
      f.string('item_name', map.itemNames.get(arg1) ?? '');
    } else if (choose !== undefined) {
      f.string('op', choose);
      f.int('num', arg1);
      f.string('type', map.typeNames.get(arg2) ?? '');
    } else if (set !== undefined) {
      f.string('op', set);
      f.int('num', arg1);
    } else {
      f.int('opcode', op);
      f.int('arg1', arg1);
      f.int('arg2', arg2);
    }
    f.close();
  }
}

/** What a map needs of its clients. */
export interface CrushNeeds {
  /** Other local and total tries than the legacy ones. */
  readonly tunables: boolean;
  readonly tunables2: boolean;
  readonly tunables3: boolean;
  readonly tunables5: boolean;
  /** indep or tries steps. */
  readonly v2Rules: boolean;
  /** vary_r steps. */
  readonly v3Rules: boolean;
  /** straw2. */
  readonly v4Buckets: boolean;
  /** stable steps. */
  readonly v5Rules: boolean;
  /** MSR rules (feature CRUSH_MSR, Ceph 19). */
  readonly msr: boolean;
}

const V2_OPS: readonly number[] = [
  ruleOp.CHOOSE_INDEP,
  ruleOp.CHOOSELEAF_INDEP,
  ruleOp.SET_CHOOSE_TRIES,
  ruleOp.SET_CHOOSELEAF_TRIES,
];

export function crushNeeds(map: CrushMap): CrushNeeds {
  const t = map.tunables;
  const uses = (ops: readonly number[]): boolean =>
    map.rules.some((rule) => rule?.steps.some((step) => ops.includes(step.op)));
  return {
    tunables: t.chooseLocalTries !== 2 || t.chooseLocalFallbackTries !== 5 || t.chooseTotalTries !== 19,
    tunables2: t.chooseleafDescendOnce !== 0,
    tunables3: t.chooseleafVaryR !== 0,
    tunables5: t.chooseleafStable !== 0,
    v2Rules: uses(V2_OPS),
    v3Rules: uses([ruleOp.SET_CHOOSELEAF_VARY_R]),
    v4Buckets: map.buckets.some((bucket) => bucket?.alg === bucketAlg.STRAW2),
    v5Rules: uses([ruleOp.SET_CHOOSELEAF_STABLE]),
    msr: map.rules.some((rule) => rule !== undefined && isMsrRule(rule)),
  };
}

/** Name of the oldest release whose clients understand the map. */
export function minRequiredVersion(map: CrushMap): string {
  const needs = crushNeeds(map);
  if (needs.msr) return 'squid';
  if (needs.v5Rules || needs.tunables5) return 'jewel';
  if (needs.v4Buckets) return 'hammer';
  if (needs.tunables3) return 'firefly';
  return needs.tunables2 || needs.tunables ? 'bobtail' : 'argonaut';
}

const NAMED_PROFILES: readonly TunablesProfile[] = ['jewel', 'hammer', 'firefly', 'bobtail', 'argonaut'];

/** The members of `ceph osd crush show-tunables`. */
export function dumpTunables(map: CrushMap, f: DumpSink): void {
  const t = map.tunables;
  const needs = crushNeeds(map);
  f.int('choose_local_tries', t.chooseLocalTries);
  f.int('choose_local_fallback_tries', t.chooseLocalFallbackTries);
  f.int('choose_total_tries', t.chooseTotalTries);
  f.int('chooseleaf_descend_once', t.chooseleafDescendOnce);
  f.int('chooseleaf_vary_r', t.chooseleafVaryR);
  f.int('chooseleaf_stable', t.chooseleafStable);
  f.int('straw_calc_version', t.strawCalcVersion);
  f.int('allowed_bucket_algs', t.allowedBucketAlgs);
  f.string('profile', NAMED_PROFILES.find((name) => map.hasTunables(name)) ?? 'unknown');
  f.int('optimal_tunables', Number(map.hasTunables('optimal')));
  f.int('legacy_tunables', Number(map.hasTunables('legacy')));
  f.string('minimum_required_version', minRequiredVersion(map));
  f.int('require_feature_tunables', Number(needs.tunables));
  f.int('require_feature_tunables2', Number(needs.tunables2));
  f.int('has_v2_rules', Number(needs.v2Rules));
  f.int('require_feature_tunables3', Number(needs.tunables3));
  f.int('has_v3_rules', Number(needs.v3Rules));
  f.int('has_v4_buckets', Number(needs.v4Buckets));
  f.int('require_feature_tunables5', Number(needs.tunables5));
  f.int('has_v5_rules', Number(needs.v5Rules));
}

/** The object `choose_args` (`ceph osd crush weight-set dump` shows it in one more). */
export function dumpChooseArgs(map: CrushMap, f: DumpSink): void {
  f.openObject('choose_args');
  for (const [key, args] of sortedChooseArgs(map)) {
    f.openArray(String(key));
    for (const [index, arg] of [...args].sort(([a], [b]) => a - b)) {
      if (arg.weightSet.length === 0 && arg.ids.length === 0) continue;
      f.openObject('choose_args');
      f.int('bucket_id', -1 - index);
      if (arg.weightSet.length > 0) {
        f.openArray('weight_set');
        for (const weights of arg.weightSet) {
          f.openArray('weights');
          for (const weight of weights) f.float('weight', weightFromFixed(weight));
          f.close();
        }
        f.close();
      }
      if (arg.ids.length > 0) {
        f.openArray('ids');
        for (const id of arg.ids) f.int('id', id);
        f.close();
      }
      f.close();
    }
    f.close();
  }
  f.close();
}

/** The members of an item in tree dumps. `names` are those of the pools that have weight sets. */
export function dumpItemFields(
  map: CrushMap,
  item: { readonly id: number; readonly parent: number; readonly depth: number; readonly weight: number },
  names: ReadonlyMap<number, string>,
  f: DumpSink,
): void {
  f.int('id', item.id);
  const deviceClass = map.className(item.id);
  if (deviceClass !== undefined) f.string('device_class', deviceClass);
  if (item.id < 0) {
    const type = map.bucket(item.id)?.type ?? 0;
    f.string('name', map.itemNames.get(item.id) ?? '');
    f.string('type', map.typeNames.get(type) ?? '');
    f.int('type_id', type);
  } else {
    f.string('name', `osd.${item.id}`);
    f.string('type', map.typeNames.get(0) ?? '');
    f.int('type_id', 0);
    f.float('crush_weight', item.weight);
    f.int('depth', item.depth);
  }
  if (item.parent >= 0) return;
  f.openObject('pool_weights');
  for (const [name, weights] of weightSetsOf(map, item.parent, item.id, names)) {
    f.openArray(name);
    for (const weight of weights) f.float('weight', weight);
    f.close();
  }
  f.close();
}

/** `ceph osd crush tree`: the members `nodes` and `stray`. */
export function dumpTree(
  map: CrushMap,
  f: DumpSink,
  names: ReadonlyMap<number, string> = new Map(),
  options: TreeOptions = {},
): void {
  const seen = new Set<number>();
  f.openArray('nodes');
  for (const item of walkTree(map, options)) {
    seen.add(item.id);
    f.openObject('item');
    dumpItemFields(map, item, names, f);
    if (item.id < 0) {
      f.openArray('children');
      for (const child of item.children) f.int('child', child);
      f.close();
    }
    f.close();
  }
  f.close();
  f.openArray('stray');
  const devices = [...map.itemNames.keys()].filter((id) => id >= 0 && !seen.has(id)).sort((a, b) => a - b);
  for (const id of devices) {
    if (options.showDevice?.(id) === false) continue;
    f.openObject('item');
    dumpItemFields(map, { id, parent: 0, depth: 0, weight: 0 }, names, f);
    f.close();
  }
  f.close();
}

/** The trees as nested objects, in the buckets' own order (`ceph osd crush tree` of older releases, `ceph report`). */
export function dumpNestedTree(map: CrushMap, f: DumpSink, names: ReadonlyMap<number, string> = new Map()): void {
  const dump = (id: number, parent: number, depth: number, weight: number): void => {
    f.openObject(id < 0 ? 'bucket' : 'device');
    dumpItemFields(map, { id, parent, depth, weight: weightFromFixed(weight) }, names, f);
    const bucket = map.bucket(id);
    if (bucket !== undefined) {
      f.openArray('items');
      bucket.items.forEach((item, i) => {
        dump(item, id, depth + 1, itemWeightAt(bucket, i));
      });
      f.close();
    }
    f.close();
  };
  for (const root of findRoots(map)) dump(root, 0, 0, map.bucket(root)!.weight);
}
