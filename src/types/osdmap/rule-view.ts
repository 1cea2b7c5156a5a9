import { type CrushMap, itemWeightAt, ruleOp } from '../../crush/index.ts';
import { CRUSH_ITEM_NONE } from './placement.ts';

/** What a set of OSDs must keep to for a rule: found once, asked often. */
interface Constraint {
  /** `distinct`: no two members below one bucket of the type. `atMost`: members below at most `limit` buckets of it. */
  readonly kind: 'distinct' | 'atMost';
  readonly limit: number;
  /** OSD to its bucket of the type within what the rule takes. */
  readonly domainOf: ReadonlyMap<number, number>;
}

/** A part of the set that has to come from below one bucket. */
interface Segment {
  readonly root: number;
  readonly length: number;
}

/** Buckets deep that a hierarchy may be. */
const DEPTH_MAX = 100;

/**
 * A rule as those see it who change where PGs are by hand: which weights its OSDs have, and whether a set of OSDs respects its failure
 * domains.
 */
export class RuleView {
  /** Share of each OSD in what the rule places; they add up to the number of take steps. */
  readonly weights: ReadonlyMap<number, number>;
  readonly #constraints: Constraint[] = [];
  readonly #segments: Segment[] = [];
  readonly #below = new Map<number, Set<number>>();
  readonly #crush: CrushMap;

  constructor(crush: CrushMap, ruleId: number, poolSize: number) {
    this.#crush = crush;
    const steps = crush.rules[ruleId]?.steps ?? [];
    const takes = steps.filter((step) => step.op === ruleOp.TAKE).map((step) => step.arg1);
    this.weights = weightsOf(crush, takes);
    let root = 0;
    let perType = new Map<number, number>();
    for (const { op, arg1, arg2: type } of steps) {
      const numRep = arg1 <= 0 ? arg1 + poolSize : arg1;
      if (op === ruleOp.TAKE) {
        root = arg1;
      } else if (op === ruleOp.CHOOSELEAF_FIRSTN || op === ruleOp.CHOOSELEAF_INDEP) {
        if (!perType.has(type)) perType.set(type, numRep);
        if (type !== 0) this.#add('distinct', numRep, type, takes);
      } else if (op === ruleOp.CHOOSE_FIRSTN || op === ruleOp.CHOOSE_INDEP) {
        if (!perType.has(type)) perType.set(type, numRep);
        if (type !== 0) this.#add('atMost', numRep, type, takes);
      } else if (op === ruleOp.EMIT) {
        let length = 1;
        for (const n of perType.values()) length *= n;
        if (root < 0) this.#segments.push({ root, length });
        perType = new Map();
        root = 0;
      }
    }
  }

  #add(kind: Constraint['kind'], limit: number, type: number, takes: readonly number[]): void {
    const domainOf = new Map<number, number>();
    const visit = (id: number, domain: number | undefined, depth: number): void => {
      const bucket = this.#crush.bucket(id);
      if (bucket === undefined || depth > DEPTH_MAX) return;
      const inner = bucket.type === type ? id : domain;
      for (const item of bucket.items) {
        if (item < 0) visit(item, inner, depth + 1);
        else if (inner !== undefined && !domainOf.has(item)) domainOf.set(item, inner);
      }
    };
    for (const take of takes) visit(take, undefined, 0);
    this.#constraints.push({ kind, limit, domainOf });
  }

  #isBelow(root: number, osd: number): boolean {
    let below = this.#below.get(root);
    if (below === undefined) {
      below = new Set(leaves(this.#crush, root).map(([id]) => id));
      this.#below.set(root, below);
    }
    return below.has(osd);
  }

  /** Whether a set (holes allowed) keeps to the rule's failure domains and roots. */
  allows(osds: readonly number[]): boolean {
    for (const { kind, limit, domainOf } of this.#constraints) {
      const seen = new Map<number, number>();
      for (const osd of osds) {
        const domain = domainOf.get(osd);
        if (domain === undefined) continue;
        const other = seen.get(domain);
        if (kind === 'distinct' && other !== undefined && other !== osd) return false;
        seen.set(domain, osd);
      }
      if (kind === 'atMost' && seen.size > limit) return false;
    }
    let at = 0;
    for (const { root, length } of this.#segments) {
      const end = Math.min(at + length, osds.length);
      for (; at < end; at++) if (osds[at] !== CRUSH_ITEM_NONE && !this.#isBelow(root, osds[at]!)) return false;
    }
    return true;
  }
}

/** Devices below a bucket with their weights (16.16). */
function leaves(crush: CrushMap, root: number, depth = 0): [osd: number, weight: number][] {
  const bucket = crush.bucket(root);
  if (bucket === undefined || depth > DEPTH_MAX) return root >= 0 ? [[root, 0x10000]] : [];
  return bucket.items.flatMap((item, i): [number, number][] =>
    item >= 0 ? [[item, itemWeightAt(bucket, i)]] : leaves(crush, item, depth + 1),
  );
}

function weightsOf(crush: CrushMap, takes: readonly number[]): Map<number, number> {
  const weights = new Map<number, number>();
  for (const take of takes) {
    const found = leaves(crush, take);
    const sum = found.reduce((total, [, weight]) => total + weight, 0);
    if (sum === 0) continue;
    for (const [osd, weight] of found) weights.set(osd, (weights.get(osd) ?? 0) + weight / sum);
  }
  return weights;
}
