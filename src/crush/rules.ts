import { ErrnoError } from '../base/index.ts';
import { rebuildShadows } from './classes.ts';
import { type CrushMap, type Rule, type RuleStep, ruleOp, ruleType } from './map.ts';

const RULES_MAX = 256;

/** Puts a rule into the table at `id`, or at the first free one; it has no name yet. Throws EEXIST, ENOSPC beyond 256. */
export function addRule(map: CrushMap, rule: Rule, id?: number): number {
  const at = id ?? freeRuleId(map);
  if (at >= map.rules.length && map.rules.length >= RULES_MAX)
    throw new ErrnoError('ENOSPC', `the map has ${RULES_MAX} rules already`);
  if (map.rules[at] !== undefined) throw new ErrnoError('EEXIST', `rule ${at} exists`);
  while (map.rules.length <= at) map.rules.push(undefined);
  map.rules[at] = rule;
  map.changed();
  return at;
}

function freeRuleId(map: CrushMap): number {
  let id = 0;
  while (map.rules[id] !== undefined) id++;
  return id;
}

const rulesetExists = (map: CrushMap, ruleset: number): boolean => map.rules.some((rule) => rule?.ruleset === ruleset);

export interface SimpleRule {
  readonly name: string;
  /** Bucket to take. */
  readonly root: string;
  /** Type across which replicas are spread; the devices' or '' for none. */
  readonly failureDomain: string;
  /** Only devices of this class; '' for all. */
  readonly deviceClass?: string;
  /** `firstn` or `indep`. */
  readonly mode: string;
  /** A pool type, see `ruleType`. */
  readonly type?: number;
  /** The id to have; by default the first free one. */
  readonly id?: number;
}

/**
 * Adds a rule that takes a root and chooses across a failure domain (`ceph osd crush rule create-simple`, `create-replicated`). Gives its id.
 * Throws EEXIST, ENOENT for an unknown root, EINVAL for an unknown type, class or mode.
 */
export function addSimpleRule(map: CrushMap, options: SimpleRule): number {
  const { name, mode, id } = options;
  if (map.ruleId(name) !== undefined) throw new ErrnoError('EEXIST', `rule ${name} exists`);
  if (id !== undefined && map.rules[id] !== undefined) throw new ErrnoError('EEXIST', `rule with ruleno ${id} exists`);
  if (id !== undefined && rulesetExists(map, id)) throw new ErrnoError('EEXIST', `ruleset ${id} exists`);
  let at = id ?? 0;
  if (id === undefined) while (map.rules[at] !== undefined || rulesetExists(map, at)) at++;
  if (map.itemId(options.root) === undefined)
    throw new ErrnoError('ENOENT', `root item ${options.root} does not exist`);
  let type = 0;
  if (options.failureDomain !== '') {
    const known = map.typeId(options.failureDomain);
    if (known === undefined) throw new ErrnoError('EINVAL', `unknown type ${options.failureDomain}`);
    type = known;
  }
  const root = takeTarget(map, options.root, options.deviceClass ?? '');
  if (mode !== 'firstn' && mode !== 'indep') throw new ErrnoError('EINVAL', `unknown mode ${mode}`);
  const indep = mode === 'indep';
  const choose = indep
    ? type === 0
      ? ruleOp.CHOOSE_INDEP
      : ruleOp.CHOOSELEAF_INDEP
    : type === 0
      ? ruleOp.CHOOSE_FIRSTN
      : ruleOp.CHOOSELEAF_FIRSTN;
  const steps: RuleStep[] = [
    { op: ruleOp.TAKE, arg1: root, arg2: 0 },
    { op: choose, arg1: 0, arg2: type },
    { op: ruleOp.EMIT, arg1: 0, arg2: 0 },
  ];
  if (indep) {
    steps.unshift(
      { op: ruleOp.SET_CHOOSELEAF_TRIES, arg1: 5, arg2: 0 },
      { op: ruleOp.SET_CHOOSE_TRIES, arg1: 100, arg2: 0 },
    );
  }
  addRule(
    map,
    {
      ruleset: at,
      type: options.type ?? ruleType.REPLICATED,
      minSize: indep ? 3 : 1,
      maxSize: indep ? 20 : 10,
      steps,
    },
    at,
  );
  map.ruleNames.set(at, name);
  return at;
}

function takeTarget(map: CrushMap, rootName: string, className: string): number {
  const root = map.itemId(rootName);
  if (root === undefined) throw new ErrnoError('ENOENT', `root item ${rootName} does not exist`);
  if (className === '') return root;
  const classId = map.classId(className);
  if (classId === undefined) throw new ErrnoError('EINVAL', `device class ${className} does not exist`);
  const shadow = map.classBuckets.get(root)?.get(classId);
  if (shadow === undefined) throw new ErrnoError('EINVAL', `root ${rootName} has no devices with class ${className}`);
  return shadow;
}

/** Adds the rule of an erasure-coded pool of `chunks` chunks (`ceph osd crush rule create-erasure`). Gives its id. */
export function addErasureRule(
  map: CrushMap,
  options: Pick<SimpleRule, 'name' | 'root' | 'failureDomain' | 'deviceClass'>,
  chunks: number,
): number {
  const id = addSimpleRule(map, { ...options, mode: 'indep', type: ruleType.ERASURE });
  map.rules[id]!.maxSize = chunks;
  map.changed();
  return id;
}

/** Removes a rule (its place stays). Throws ENOENT. */
export function removeRule(map: CrushMap, id: number): void {
  if (map.rules[id] === undefined) throw new ErrnoError('ENOENT', `rule ${id} does not exist`);
  map.rules[id] = undefined;
  map.ruleNames.delete(id);
  rebuildShadows(map);
}

/** Throws ENOENT, EEXIST. */
export function renameRule(map: CrushMap, from: string, to: string): void {
  const id = map.ruleId(from);
  if (id === undefined) throw new ErrnoError('ENOENT', `source rule name '${from}' does not exist`);
  if (map.ruleId(to) !== undefined) throw new ErrnoError('EEXIST', `destination rule name '${to}' already exists`);
  map.ruleNames.set(id, to);
  map.changed();
}
