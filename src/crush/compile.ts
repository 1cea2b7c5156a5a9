import { ErrnoError } from '../base/index.ts';
import { algByName, type BucketAlg, bucketAlg } from './bucket.ts';
import { makeBucket } from './build.ts';
import { hierarchyProblem } from './check.ts';
import { getOrCreateClass, placeBucket, populateShadows } from './classes.ts';
import { TEXT_TUNABLES } from './decompile.ts';
import { type ChooseArg, CrushMap, type Rule, type RuleStep, ruleOp } from './map.ts';
import { isMsrRule } from './msr.ts';
import { formatShort } from './number.ts';
import { addRule } from './rules.ts';
import {
  type BucketSyntax,
  type ChooseArgNode,
  type ChooseArgsNode,
  CrushSyntaxError,
  type DeviceNode,
  type ItemNode,
  type MapNode,
  parseCrushText,
  type RuleNode,
  type StepNode,
  type TunableNode,
} from './syntax.ts';

export { CrushSyntaxError };

const DEVICE_WEIGHT_MAX = 100 * 0x10000;
const BUCKET_WEIGHT_MAX = 65535 * 0x10000;
/** A text may name any id; the table of buckets (and of rules) is not grown to any size. */
const BUCKETS_MAX = 1 << 20;
const RULE_ID_MAX = 0xffff;

/** A map that is well written and makes no sense; the message is Ceph's. */
export class CrushCompileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CrushCompileError';
  }
}

/**
 * Compiles the text form. Throws {@link CrushSyntaxError} (with line, column and what was expected) or {@link CrushCompileError}. `log` is told
 * what is defined, a line at a time (crushtool -c -v).
 */
export function compileCrushMap(text: string, log?: (line: string) => void): CrushMap {
  return new Compiler(log ?? (() => {})).compile(placeBuckets(parseCrushText(text)));
}

/**
 * A bucket may be used before it is defined: then the two statements change places. As in Ceph places are exchanged by the original order, once,
 * so a longer chain may still end in an item that is not defined.
 */
function placeBuckets(nodes: MapNode[]): MapNode[] {
  const names: string[] = [];
  const places = new Map<string, number>();
  const items = new Map<string, Set<string>>();
  nodes.forEach((node, i) => {
    if (node.kind !== 'bucket') return;
    names.push(node.name);
    places.set(node.name, i);
    const held = items.get(node.name) ?? new Set<string>();
    for (const item of node.items) held.add(item.name);
    items.set(node.name, held);
  });
  names.forEach((a, i) => {
    for (const b of names.slice(i + 1)) {
      if (!items.get(a)!.has(b)) continue;
      if (items.get(b)!.has(a)) throw new CrushCompileError(`bucket  '${a}' and bucket '${b}' are included each other`);
      const [atA, atB] = [places.get(a)!, places.get(b)!];
      [nodes[atA], nodes[atB]] = [nodes[atB]!, nodes[atA]!];
    }
  });
  return nodes;
}

class Compiler {
  readonly #map = new CrushMap();
  readonly #log: (line: string) => void;
  readonly #items = new Map<string, number>();
  /** Ids that are spoken for, by devices, buckets and shadows. */
  readonly #usedIds = new Set<number>();
  readonly #bucketWeights = new Map<number, number>();
  readonly #types = new Map<string, number>();
  readonly #rules = new Set<string>();
  /** Ids the text wants for shadows. */
  readonly #shadows = new Map<number, Map<number, number>>();

  constructor(log: (line: string) => void) {
    this.#log = log;
    this.#map.setTunables('legacy');
  }

  compile(nodes: readonly MapNode[]): CrushMap {
    for (const node of nodes) {
      if (node.kind === 'bucket') for (const { id } of node.ids) this.#usedIds.add(id);
    }
    let sawRule = false;
    for (const node of nodes) {
      switch (node.kind) {
        case 'tunable':
          this.#tunable(node);
          break;
        case 'device':
          this.#device(node);
          break;
        case 'type':
          this.#log(`type ${node.id} '${node.name}'`);
          this.#types.set(node.name, node.id);
          this.#map.typeNames.set(node.id, node.name);
          break;
        case 'bucket':
          if (sawRule) throw new CrushCompileError('buckets must be defined before rules');
          this.#bucket(node);
          break;
        case 'rule':
          if (!sawRule) this.#populate();
          sawRule = true;
          this.#rule(node);
          break;
        case 'chooseArgs':
          this.#chooseArgs(node);
      }
    }
    this.#map.finalize();
    const problem = hierarchyProblem(this.#map);
    if (problem !== undefined) throw new CrushCompileError(problem);
    return this.#map;
  }

  /** Ceph goes on with the shadows it has where one cannot be made (in uniform buckets). */
  #populate(): void {
    try {
      populateShadows(this.#map, this.#shadows);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
    }
  }

  #tunable(node: TunableNode): void {
    const known = TEXT_TUNABLES.find(([name]) => name === node.name);
    if (known === undefined) throw new CrushCompileError(`tunable ${node.name} not recognized`);
    const key = known[1];
    const byte = key === 'chooseleafVaryR' || key === 'chooseleafStable' || key === 'strawCalcVersion';
    const value =
      key === 'chooseleafDescendOnce' ? Number(node.value !== 0) : byte ? node.value & 0xff : node.value >>> 0;
    this.#map.tunables[key] = value;
    if (key === 'msrDescents' || key === 'msrCollisionTries') this.#map.carriesMsr = true;
    this.#log(`tunable ${node.name} ${node.value}`);
  }

  #device(node: DeviceNode): void {
    this.#map.setItemName(node.id, node.name);
    if (this.#items.has(node.name)) throw new CrushCompileError(`item ${node.name} defined twice`);
    this.#items.set(node.name, node.id);
    this.#usedIds.add(node.id);
    if (node.className !== undefined) this.#map.itemClasses.set(node.id, getOrCreateClass(this.#map, node.className));
    this.#log(`device ${node.id} '${node.name}'${node.className === undefined ? '' : ` class '${node.className}'`}`);
  }

  #bucket(node: BucketSyntax): void {
    const map = this.#map;
    const { name } = node;
    const type = this.#types.get(node.type);
    if (type === undefined) throw new CrushCompileError(`bucket type '${node.type}' is not defined`);
    if (this.#items.has(name)) throw new CrushCompileError(`bucket or device '${name}' is already defined`);
    const shadows = new Map<number, number>();
    let id = 0;
    for (const wanted of node.ids) {
      if (wanted.className === undefined) {
        id = wanted.id;
        this.#log(`bucket ${name} id ${id}`);
        continue;
      }
      // The class may have no devices: a rule can still take the empty shadow.
      const classId = getOrCreateClass(map, wanted.className);
      if (shadows.has(classId))
        throw new CrushCompileError(`duplicate device class ${wanted.className} for bucket ${name}`);
      if (-1 - wanted.id >= BUCKETS_MAX) throw new CrushCompileError(`bucket id ${wanted.id} is out of range`);
      shadows.set(classId, wanted.id);
      this.#log(`bucket ${name} id ${wanted.id} class '${wanted.className}'`);
    }
    const alg = algByName(node.alg);
    if (alg === 0) throw new CrushCompileError(`unknown bucket alg '${node.alg}'\n`);
    const { items, weights } = this.#placeItems(node, alg);
    if (id === 0) {
      id = -1;
      while (this.#usedIds.has(id)) id--;
    }
    if (shadows.size > 0) this.#shadows.set(id, shadows);
    const weight = weights.reduce((a, b) => a + b, 0);
    this.#log(`bucket ${name} (${id}) ${items.length} items and weight ${formatShort(Math.fround(weight) / 0x10000)}`);
    this.#usedIds.add(id);
    this.#items.set(name, id);
    this.#bucketWeights.set(id, weight);
    if (-1 - id >= BUCKETS_MAX) throw new CrushCompileError(`bucket id ${id} is out of range`);
    if (map.bucket(id) !== undefined) throw new CrushCompileError(`Duplicate bucket id ${id}`);
    try {
      placeBucket(map, makeBucket(map, alg, type & 0xffff, items, weights, node.hash & 0xff), id);
    } catch (error) {
      if (error instanceof ErrnoError) throw new CrushCompileError(`bucket '${name}': ${error.message}`);
      throw error;
    }
    map.setItemName(id, name);
  }

  /** Items in their positions: those without one fill the gaps in order. */
  #placeItems(node: BucketSyntax, alg: BucketAlg): { items: number[]; weights: number[] } {
    const taken = new Set<number>();
    for (const item of node.items) {
      if (item.pos === undefined) continue;
      if (taken.has(item.pos)) {
        throw new CrushCompileError(
          `item '${item.name}' in bucket '${node.name}' has explicit pos ${item.pos}, which is occupied`,
        );
      }
      taken.add(item.pos);
    }
    const size = Math.max(node.items.length, ...taken);
    if (size > BUCKETS_MAX)
      throw new CrushCompileError(`bucket '${node.name}' has a pos ${size}, which is out of range`);
    const items = new Array<number>(size).fill(0);
    const weights = new Array<number>(size).fill(0);
    let free = 0;
    let total = 0;
    let uniform: number | undefined;
    for (const item of node.items) {
      const id = this.#items.get(item.name);
      if (id === undefined) throw new CrushCompileError(`item '${item.name}' in bucket '${node.name}' is not defined`);
      const weight = this.#itemWeight(item, id);
      if (alg === bucketAlg.UNIFORM) {
        uniform ??= weight;
        if (uniform !== weight) {
          throw new CrushCompileError(
            `item '${item.name}' in uniform bucket '${node.name}' has weight ${weight} but previous item(s) have weight ${formatShort(uniform / 0x10000)}; uniform bucket items must all have identical weights.`,
          );
        }
      }
      let pos = item.pos ?? -1;
      if (pos >= size) {
        throw new CrushCompileError(`item '${item.name}' in bucket '${node.name}' has pos ${pos} >= size ${size}`);
      }
      if (pos < 0) {
        while (taken.has(free)) free++;
        pos = free++;
      }
      items[pos] = id;
      weights[pos] = weight;
      total += weight;
      if (total > 0xffffffff) {
        throw new CrushCompileError(
          'oh no! our bucket weights are overflowing all over the place, better lower the item weights',
        );
      }
    }
    return { items, weights };
  }

  #itemWeight(item: ItemNode, id: number): number {
    if (item.weight === undefined) return this.#bucketWeights.get(id) ?? 0x10000;
    const weight = toFixed(item.weight);
    if (id >= 0 && weight > DEVICE_WEIGHT_MAX) throw new CrushCompileError('device weight limited to 100');
    if (id < 0 && weight > BUCKET_WEIGHT_MAX) {
      throw new CrushCompileError('bucket weight limited to 65535 to prevent overflow');
    }
    return weight;
  }

  #rule(node: RuleNode): void {
    const { name, id } = node;
    if (name !== '' && this.#rules.has(name)) throw new CrushCompileError(`rule name '${name}' already defined\n`);
    if (this.#map.rules[id] !== undefined) throw new CrushCompileError(`rule ${id} already exists`);
    const ruleset = id & 0xff;
    if (id < 0 || id > RULE_ID_MAX) throw new CrushCompileError(`unable to add rule id ${id} for rule '${name}'`);
    const rule: Rule = {
      ruleset,
      type: node.type,
      minSize: node.minSize & 0xff,
      maxSize: node.maxSize & 0xff,
      steps: [],
    };
    if (name !== '') this.#rules.add(name);
    for (const step of node.steps) rule.steps.push(this.#step(step, name));
    try {
      addRule(this.#map, rule, id);
    } catch (error) {
      if (error instanceof ErrnoError) throw new CrushCompileError(`unable to add rule id ${id} for rule '${name}'`);
      throw error;
    }
    if (name !== '') this.#map.ruleNames.set(id, name);
    if (isMsrRule(rule)) this.#map.carriesMsr = true;
  }

  #step(step: StepNode, rule: string): RuleStep {
    switch (step.kind) {
      case 'take':
        return { op: ruleOp.TAKE, arg1: this.#takeTarget(step.item, step.className, rule), arg2: 0 };
      case 'set':
        return { op: step.op, arg1: step.value, arg2: 0 };
      case 'choose': {
        const type = this.#types.get(step.type);
        if (type === undefined) throw new CrushCompileError(`in rule '${rule}' type '${step.type}' not defined`);
        return { op: step.op, arg1: step.count, arg2: type };
      }
      case 'emit':
        return { op: ruleOp.EMIT, arg1: 0, arg2: 0 };
    }
  }

  #takeTarget(item: string, className: string | undefined, rule: string): number {
    const id = this.#items.get(item);
    if (id === undefined) throw new CrushCompileError(`in rule '${rule}' item '${item}' not defined`);
    if (className === undefined) {
      this.#log(`rule ${rule} take ${item}`);
      return id;
    }
    const classId = this.#map.classId(className);
    // Ceph says nothing here.
    if (classId === undefined) throw new CrushCompileError('');
    const shadows = this.#map.classBuckets.get(id);
    if (shadows === undefined)
      throw new CrushCompileError(`in rule '${rule}' step take ${item} has no class information`);
    const shadow = shadows.get(classId);
    if (shadow === undefined) {
      throw new CrushCompileError(`in rule '${rule}' step take ${item} no matching bucket for class ${className}`);
    }
    this.#log(`rule ${rule} take ${item} remapped to ${this.#map.itemNames.get(shadow)}`);
    return shadow;
  }

  #chooseArgs(node: ChooseArgsNode): void {
    if (this.#map.chooseArgs.has(node.key)) throw new CrushCompileError(`${node.key} duplicated`);
    const args = new Map<number, ChooseArg>();
    for (const arg of node.args) this.#chooseArg(arg, args);
    this.#map.chooseArgs.set(node.key, args);
  }

  #chooseArg(node: ChooseArgNode, args: Map<number, ChooseArg>): void {
    const { bucketId } = node;
    const index = -1 - bucketId;
    if (index < 0 || index >= this.#map.buckets.length) throw new CrushCompileError(`${bucketId} is out of range`);
    const size = this.#map.bucket(bucketId)?.items.length;
    if (size === undefined) throw new CrushCompileError(`${bucketId} does not exist`);
    const arg = args.get(index) ?? { weightSet: [], ids: [] };
    if (node.weightSet !== undefined) {
      arg.weightSet = node.weightSet.map((weights) => {
        if (weights.length !== size) {
          throw new CrushCompileError(`${bucketId} needs exactly ${size} weights but got ${weights.length}`);
        }
        return weights.map(toFixed);
      });
    }
    if (node.ids !== undefined) {
      if (node.ids.length !== size) {
        throw new CrushCompileError(`${bucketId} needs exactly ${size} ids but got ${node.ids.length}`);
      }
      arg.ids = [...node.ids];
    }
    args.set(index, arg);
  }
}

/** 16.16 of a weight, by way of a 32-bit float and, for what is negative or large, as the machine converts. */
function toFixed(weight: number): number {
  const scaled = Math.fround(weight * 0x10000);
  return Math.abs(scaled) < 2 ** 63 ? Math.trunc(scaled) >>> 0 : 0;
}
