import { ErrnoError } from '../base/index.ts';
import { algName, type Bucket, bucketAlg, itemWeightAt } from './bucket.ts';
import { hashName } from './hash.ts';
import { type ChooseArg, type CrushMap, type Rule, ruleOp, ruleType, type Tunables } from './map.ts';
import { formatFloat } from './number.ts';
import { splitIdClass } from './query.ts';
import { sortedChooseArgs } from './tree.ts';
import { weightFromFixed } from './weights.ts';

/** Tunables as the text names them, and the values that go without saying. */
export const TEXT_TUNABLES: readonly [name: string, key: keyof Tunables, legacy: number][] = [
  ['choose_local_tries', 'chooseLocalTries', 2],
  ['choose_local_fallback_tries', 'chooseLocalFallbackTries', 5],
  ['choose_total_tries', 'chooseTotalTries', 19],
  ['chooseleaf_descend_once', 'chooseleafDescendOnce', 0],
  ['chooseleaf_vary_r', 'chooseleafVaryR', 0],
  ['chooseleaf_stable', 'chooseleafStable', 0],
  ['straw_calc_version', 'strawCalcVersion', 0],
  [
    'allowed_bucket_algs',
    'allowedBucketAlgs',
    (1 << bucketAlg.UNIFORM) | (1 << bucketAlg.LIST) | (1 << bucketAlg.STRAW),
  ],
  ['msr_descents', 'msrDescents', 100],
  ['msr_collision_tries', 'msrCollisionTries', 100],
];

/** Steps that set a number, by opcode. */
export const SET_STEPS: readonly [op: number, name: string][] = [
  [ruleOp.SET_CHOOSE_TRIES, 'set_choose_tries'],
  [ruleOp.SET_CHOOSE_LOCAL_TRIES, 'set_choose_local_tries'],
  [ruleOp.SET_CHOOSE_LOCAL_FALLBACK_TRIES, 'set_choose_local_fallback_tries'],
  [ruleOp.SET_CHOOSELEAF_TRIES, 'set_chooseleaf_tries'],
  [ruleOp.SET_CHOOSELEAF_VARY_R, 'set_chooseleaf_vary_r'],
  [ruleOp.SET_CHOOSELEAF_STABLE, 'set_chooseleaf_stable'],
  [ruleOp.SET_MSR_DESCENTS, 'set_msr_descents'],
  [ruleOp.SET_MSR_COLLISION_TRIES, 'set_msr_collision_tries'],
];

export const CHOOSE_STEPS: readonly [op: number, name: string, mode: string][] = [
  [ruleOp.CHOOSE_FIRSTN, 'choose', 'firstn'],
  [ruleOp.CHOOSE_INDEP, 'choose', 'indep'],
  [ruleOp.CHOOSELEAF_FIRSTN, 'chooseleaf', 'firstn'],
  [ruleOp.CHOOSELEAF_INDEP, 'chooseleaf', 'indep'],
];

export const RULE_TYPE_NAMES: readonly [type: number, name: string][] = [
  [ruleType.REPLICATED, 'replicated'],
  [ruleType.ERASURE, 'erasure'],
  [ruleType.MSR_FIRSTN, 'msr_firstn'],
  [ruleType.MSR_INDEP, 'msr_indep'],
];

const BUCKET_NOTES: Partial<Record<number, (size: number) => string>> = {
  [bucketAlg.UNIFORM]: (size) => `\t# do not change bucket size (${size}) unnecessarily`,
  [bucketAlg.LIST]: () => '\t# add new items at the end; do not change order unnecessarily',
  [bucketAlg.TREE]: () => '\t# do not change pos for existing items unnecessarily',
};

/** The map's text form, as `crushtool -d` prints it. Throws EINVAL for a rule that takes an item without a name. */
export function decompileCrushMap(map: CrushMap): string {
  const text = new Decompiler(map);
  text.tunables();
  text.devices();
  text.types();
  text.buckets();
  text.rules();
  text.chooseArgs();
  return `${text.out}\n# end crush map\n`;
}

class Decompiler {
  out = '# begin crush map\n';
  readonly #map: CrushMap;

  constructor(map: CrushMap) {
    this.#map = map;
  }

  tunables(): void {
    for (const [name, key, legacy] of TEXT_TUNABLES) {
      const value = this.#map.tunables[key];
      if (value !== legacy) this.out += `tunable ${name} ${value}\n`;
    }
  }

  devices(): void {
    const map = this.#map;
    this.out += '\n# devices\n';
    const ids = [...map.itemNames.keys()].filter((id) => id >= 0 && id < map.maxDevices).sort((a, b) => a - b);
    for (const id of ids) {
      const deviceClass = map.className(id);
      this.out += `device ${id} ${map.itemNames.get(id)}${deviceClass === undefined ? '' : ` class ${deviceClass}`}\n`;
    }
  }

  types(): void {
    this.out += '\n# types\n';
    const types = [...this.#map.typeNames].filter(([id]) => id >= 0).sort(([a], [b]) => a - b);
    if (types.length > 0 && types[0]![0] !== 0) this.out += 'type 0 osd\n';
    for (const [id, name] of types) this.out += `type ${id} ${name}\n`;
  }

  /** Children before the buckets that hold them. */
  buckets(): void {
    this.out += '\n# buckets\n';
    const done = new Set<number>();
    const visit = (id: number): void => {
      const bucket = this.#map.bucket(id);
      if (bucket === undefined || done.has(id)) return;
      done.add(id);
      bucket.items.forEach(visit);
      this.#bucket(bucket);
    };
    this.#map.buckets.forEach((_, index) => {
      visit(-1 - index);
    });
  }

  #typeName(type: number): string {
    return this.#map.typeNames.get(type) ?? (type === 0 ? 'device' : `type${type}`);
  }

  #itemName(item: number): string {
    return this.#map.itemNames.get(item) ?? (item >= 0 ? `device${item}` : `bucket${-1 - item}`);
  }

  #bucket(bucket: Bucket): void {
    const map = this.#map;
    // Shadows are told by their ids in the bucket they stand for.
    if (map.isShadow(bucket.id)) return;
    const { id, items } = bucket;
    let text = `${this.#typeName(bucket.type)} ${this.#itemName(id)} {\n\tid ${id}\t\t# do not change unnecessarily\n`;
    for (const [classId, shadow] of [...(map.classBuckets.get(id) ?? [])].sort(([a], [b]) => a - b)) {
      text += `\tid ${shadow} class ${map.classNames.get(classId) ?? ''}\t\t# do not change unnecessarily\n`;
    }
    text += `\t# weight ${fixedPoint(bucket.weight)}\n`;
    text += `\talg ${algName(bucket.alg)}${BUCKET_NOTES[bucket.alg]?.(items.length) ?? ''}\n`;
    text += `\thash ${bucket.hash}\t# ${hashName(bucket.hash)}\n`;
    const positions = bucket.alg === bucketAlg.UNIFORM || bucket.alg === bucketAlg.TREE;
    items.forEach((item, i) => {
      text += `\titem ${this.#itemName(item)} weight ${fixedPoint(itemWeightAt(bucket, i))}${positions ? ` pos ${i}` : ''}\n`;
    });
    this.out += `${text}}\n`;
  }

  rules(): void {
    this.out += '\n# rules\n';
    this.#map.rules.forEach((rule, id) => {
      if (rule !== undefined) this.#rule(rule, id);
    });
  }

  #rule(rule: Rule, id: number): void {
    let text = `rule ${this.#map.ruleNames.get(id) ?? ''} {\n\tid ${id}\n`;
    if (rule.ruleset !== id) {
      text += `\t# WARNING: ruleset ${rule.ruleset} != id ${id}; this will not recompile to the same map\n`;
    }
    const type = RULE_TYPE_NAMES.find(([number]) => number === rule.type)?.[1] ?? String(rule.type);
    text += `\ttype ${type}\n\tmin_size ${rule.minSize}\n\tmax_size ${rule.maxSize}\n`;
    for (const { op, arg1, arg2 } of rule.steps) {
      const set = SET_STEPS.find(([number]) => number === op);
      const choose = CHOOSE_STEPS.find(([number]) => number === op);
      if (op === ruleOp.NOOP) text += '\tstep noop\n';
      else if (op === ruleOp.TAKE) text += `\tstep take ${this.#takeTarget(arg1)}\n`;
      else if (op === ruleOp.EMIT) text += '\tstep emit\n';
      else if (set !== undefined) text += `\tstep ${set[1]} ${arg1}\n`;
      else if (op === ruleOp.CHOOSE_MSR) text += `\tstep choosemsr ${arg1} type ${this.#typeName(arg2)}\n`;
      else if (choose !== undefined) text += `\tstep ${choose[1]} ${choose[2]} ${arg1} type ${this.#typeName(arg2)}\n`;
    }
    this.out += `${text}}\n`;
  }

  #takeTarget(item: number): string {
    const split = splitIdClass(this.#map, item);
    if (split === undefined) throw new ErrnoError('EINVAL', `a rule takes item ${item}, which has no name`);
    const name = this.#itemName(split.id);
    return split.classId === undefined ? name : `${name} class ${this.#map.classNames.get(split.classId)}`;
  }

  chooseArgs(): void {
    const sets = sortedChooseArgs(this.#map);
    if (sets.length === 0) return;
    this.out += '\n# choose_args\n';
    for (const [key, args] of sets) {
      // The key is signed and printed as if it were not.
      this.out += `choose_args ${BigInt.asUintN(64, BigInt(key))} {\n`;
      for (const [index, arg] of [...args].sort(([a], [b]) => a - b)) this.#chooseArg(-1 - index, arg);
      this.out += '}\n';
    }
  }

  #chooseArg(bucketId: number, arg: ChooseArg): void {
    if (arg.weightSet.length === 0 && arg.ids.length === 0) return;
    let text = `  {\n    bucket_id ${bucketId}\n`;
    if (arg.weightSet.length > 0) {
      text += '    weight_set [\n';
      for (const weights of arg.weightSet)
        text += `      [ ${weights.map((weight) => `${fixedPoint(weight)} `).join('')}]\n`;
      text += '    ]\n';
    }
    if (arg.ids.length > 0) text += `    ids [ ${arg.ids.map((id) => `${id} `).join('')}]\n`;
    this.out += `${text}  }\n`;
  }
}

/** Three digits of a weight; 32 bits are read as signed. */
const fixedPoint = (weight: number): string => formatFloat(weightFromFixed(weight | 0), 3);
