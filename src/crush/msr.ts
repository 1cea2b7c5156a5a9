import { ITEM_NONE, type Rule, type RuleStep, ruleOp, ruleType } from './map.ts';
import type { BucketNode } from './node.ts';

/*
 * Multi-step-retry rules (Ceph 19, doc/dev/crush-msr.rst): a descent goes through all choose steps of a block at once, and one that ends at a
 * device that is out is begun again from the top. So `choosemsr 4 host, choosemsr 2 osd` can leave a host whose devices are gone, which rules of
 * choose steps cannot.
 *
 * A block's results are the places [start, end). A step divides its range into strides, one per item it is to choose; an item belongs to one stride
 * only, but a stride may come to use several items, as places that could not be filled beneath the first are tried beneath another.
 */

/** What a placement needs of the mapper. */
export interface MsrEnvironment {
  node(item: number): BucketNode | undefined;
  /** Item that a bucket (not empty) gives for attempt `r`; `position` selects the weight set. */
  choose(node: BucketNode, r: number, position: number): number;
  isOut(device: number): boolean;
  /** Longest descent there can be. */
  readonly depthMax: number;
}

const FREE = 0x7ffffffe;
/** Places a block's steps may span together, of which only those asked for are filled. */
const SPAN_MAX = 1 << 20;

interface Block {
  readonly take: number;
  readonly steps: readonly RuleStep[];
  /** Product of the steps' counts. */
  readonly span: number;
}

export function isMsrRule(rule: Rule): boolean {
  return rule.type === ruleType.MSR_FIRSTN || rule.type === ruleType.MSR_INDEP;
}

/** Settings first, then blocks of take, choosemsr..., emit; undefined for any other form. */
function parse(
  rule: Rule,
  numRep: number,
  settings: { descents: number; collisionTries: number },
): Block[] | undefined {
  const { steps } = rule;
  let at = 0;
  for (; at < steps.length; at++) {
    const step = steps[at]!;
    if (step.op === ruleOp.SET_MSR_DESCENTS) settings.descents = step.arg1 >>> 0;
    else if (step.op === ruleOp.SET_MSR_COLLISION_TRIES) settings.collisionTries = step.arg1 >>> 0;
    else break;
  }
  const blocks: Block[] = [];
  while (at < steps.length) {
    const take = steps[at++]!;
    if (take.op !== ruleOp.TAKE) return undefined;
    const chosen: RuleStep[] = [];
    let span = 1;
    for (; steps[at]?.op === ruleOp.CHOOSE_MSR; at++) {
      chosen.push(steps[at]!);
      span *= steps[at]!.arg1 === 0 ? numRep : steps[at]!.arg1;
    }
    if (steps[at++]?.op !== ruleOp.EMIT || span <= 0 || span > SPAN_MAX) return undefined;
    // A device stands for itself; a bucket has to be chosen from.
    if (take.arg1 >= 0 !== (chosen.length === 0)) return undefined;
    blocks.push({ take: take.arg1, steps: chosen, span });
  }
  return blocks;
}

/** Devices by an MSR rule; see `Mapper.doRule`. A rule of the wrong form gives none. */
export function placeMsr(
  env: MsrEnvironment,
  rule: Rule,
  numRep: number,
  descents: number,
  collisionTries: number,
): number[] {
  const settings = { descents, collisionTries };
  const blocks = parse(rule, numRep, settings);
  if (blocks === undefined) return [];
  const placement = new MsrPlacement(env, rule.type === ruleType.MSR_FIRSTN, numRep, settings.collisionTries);
  let start = 0;
  for (const block of blocks) {
    const end = Math.min(start + block.span, numRep);
    if (start < end) placement.fill(block, start, end, settings.descents);
    start = end;
  }
  return placement.results();
}

class MsrPlacement {
  readonly #env: MsrEnvironment;
  readonly #firstn: boolean;
  readonly #numRep: number;
  readonly #collisionTries: number;
  readonly #out: number[];
  #placed = 0;
  #steps: readonly RuleStep[] = [];
  /** For each step of the block the items in use, within the stride's range of places. */
  #used: Int32Array[] = [];
  #descent = 0;

  constructor(env: MsrEnvironment, firstn: boolean, numRep: number, collisionTries: number) {
    this.#env = env;
    this.#firstn = firstn;
    this.#numRep = numRep;
    this.#collisionTries = collisionTries;
    this.#out = new Array<number>(numRep).fill(ITEM_NONE);
  }

  results(): number[] {
    if (this.#firstn) this.#out.length = this.#placed;
    return this.#out;
  }

  fill(block: Block, start: number, end: number, descents: number): void {
    if (block.take >= 0) {
      this.#emit(start, block.take);
      return;
    }
    const root = this.#env.node(block.take);
    if (root === undefined) return;
    this.#steps = block.steps;
    this.#used = block.steps.map(() => new Int32Array(this.#numRep).fill(FREE));
    const full = this.#placed + end - start;
    for (this.#descent = 0; this.#descent < descents && this.#placed < full; this.#descent++) {
      this.#chooseStep(root, 0, block.span, start, end);
    }
  }

  #emit(place: number, device: number): void {
    this.#out[this.#firstn ? this.#placed : place] = device;
    this.#placed++;
  }

  /** Chooses for the places [start, end), which are the first of `span`; gives how many it filled. */
  #chooseStep(root: BucketNode, index: number, span: number, start: number, end: number): number {
    const { arg1, arg2: type } = this.#steps[index]!;
    const stride = span / (arg1 === 0 ? this.#numRep : arg1);
    const last = index + 1 === this.#steps.length;
    const leaves = this.#used.at(-1)!;
    const used = this.#used[index]!;
    /** Ranges whose newest item filled nothing. It stays in the way of others until this step is done. */
    const undo: [from: number, to: number][] = [];
    let filled = 0;
    for (let from = start, n = 0; from < end; from += stride, n++) {
      const to = Math.min(from + stride, end);
      if (leaves.indexOf(FREE, from) >= to || leaves.indexOf(FREE, from) < 0) continue;
      const item = this.#findItem(root, type, n, used, start, end, from, to);
      if (item === undefined) continue;
      if (type === 0) {
        // A device at a step that others follow, or for several places, is a rule that makes no sense.
        if (stride !== 1 || !last || this.#env.isOut(item)) continue;
        used[from] = item;
        this.#emit(from, item);
        filled++;
        continue;
      }
      const child = this.#env.node(item);
      if (last || child === undefined) continue;
      const below = this.#chooseStep(child, index + 1, stride, from, to);
      if (this.#use(used, from, to, item) && below === 0) undo.push([from, to]);
      else filled += below;
    }
    for (const [from, to] of undo) {
      let at = to - 1;
      while (at > from && used[at] === FREE) at--;
      used[at] = FREE;
    }
    return filled;
  }

  /** An item that no other stride uses; tries again on collision. */
  #findItem(
    root: BucketNode,
    type: number,
    stride: number,
    used: Int32Array,
    start: number,
    end: number,
    from: number,
    to: number,
  ): number | undefined {
    for (let collision = 0; collision < this.#collisionTries; collision++) {
      const r = (((this.#descent * this.#numRep + stride) << 16) + collision) | 0;
      const item = this.#descend(root, type, r, stride);
      if (item === undefined) continue;
      let owner = start;
      while (owner < end && used[owner] !== item) owner++;
      if (owner === end || (owner >= from && owner < to)) return item;
    }
    return undefined;
  }

  /** Down to an item of the type, or a device. */
  #descend(root: BucketNode, type: number, r: number, position: number): number | undefined {
    let node = root;
    for (let depth = 0; depth <= this.#env.depthMax; depth++) {
      if (node.size === 0) return undefined;
      const item = this.#env.choose(node, r, position);
      if (item >= 0) return item;
      const next = this.#env.node(item);
      if (next === undefined) return undefined;
      if (next.type === type) return item;
      node = next;
    }
    return undefined;
  }

  /** Notes an item in a range; false where it is there already. */
  #use(used: Int32Array, from: number, to: number, item: number): boolean {
    for (let at = from; at < to; at++) {
      if (used[at] === item) return false;
      if (used[at] === FREE) {
        used[at] = item;
        return true;
      }
    }
    return false;
  }
}
