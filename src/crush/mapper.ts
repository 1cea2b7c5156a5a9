import { ErrnoError } from '../base/index.ts';
import { bucketAlg } from './bucket.ts';
import { chooseIndex, permutedIndex } from './choose.ts';
import { crushHash2, HASH_RJENKINS1 } from './hash.ts';
import { type CrushMap, DEFAULT_CHOOSE_ARGS, ITEM_NONE, type Rule, ruleOp } from './map.ts';
import { isMsrRule, type MsrEnvironment, placeMsr } from './msr.ts';
import {
  type BucketNode,
  buildNodes,
  buildOverlays,
  type ChooseOverlays,
  loadNodes,
  loadOverlays,
  nodesLength,
  overlaysLength,
} from './node.ts';
import { highest } from './straw2.ts';
import { type ChooseKernel, type Region, type Straw2Arena, straw2Arena } from './straw2-wasm.ts';

/** A place not filled yet; only within a mapping. */
const ITEM_UNDEF = 0x7ffffffe;

/** Items that one mapping may look at (a few seconds' worth): more is a rule or a map that was made to never end. */
const DRAWS_MAX = 100_000_000;

/** Places whose first descents are tried together; more are rare. */
const FIRST_PLACES_MAX = 16;
/** Of a bucket not looked at yet. */
const UNKNOWN = -2;
/** Where the buckets are that the places draw from, and what they draw. */
const bucketStarts = new Int32Array(FIRST_PLACES_MAX);
const draws = new Int32Array(FIRST_PLACES_MAX);

/** Making the kernel takes some 30 ms once, as long as the plain form takes for these mappings of a middling map. */
const PLAIN_MAPPINGS = 2000;

/** Weights of devices, 16.16: 0x10000 is in, 0 is out, between: in for that part of the inputs. Devices beyond its end are out. */
export type DeviceWeights = ArrayLike<number>;

interface LoadedOverlays {
  readonly overlays: ChooseOverlays;
  region: Region | undefined;
}

/**
 * Maps inputs to devices. Made from a map as it is at that moment (use {@link mapperOf} for one that follows edits); holds scratch memory,
 * so a mapping is not reentrant.
 */
export class Mapper {
  readonly #map: CrushMap;
  readonly #nodes: (BucketNode | undefined)[];
  readonly #overlays = new Map<number, LoadedOverlays>();
  /** The straw2 kernel, and where this map's data lies in it; without, the plain form draws. */
  #plain: boolean;
  #mappings = 0;
  #arena: Straw2Arena | undefined;
  #kernel: ChooseKernel | undefined;
  #region: Region | undefined;
  /** By bucket index, for {@link #firstDescents}: where in the words the bucket is, -1 for those it cannot draw from, and the type of its items. */
  readonly #starts: Int32Array;
  readonly #itemTypes: Int32Array;
  readonly #words: Int32Array;
  readonly #maxDevices: number;
  readonly #rules: readonly (Rule | undefined)[];

  /** Where set, counts the tries that choices took (crushtool's --show-choose-tries): index tries, up to choose_total_tries. */
  triesHistogram: Uint32Array | undefined;

  /**
   * Devices whose weight the last mapping asked for and that are not in its result (refused, or cut off), as a set of {@link deviceBit}s. A mapping
   * knows nothing else of weights, and goes the same way until an answer changes: only where these or devices of the result weigh otherwise can
   * it come out otherwise.
   */
  unseen = 0;

  #msr: MsrEnvironment | undefined;

  // What holds for one mapping, or one step of it.
  #x = 0;
  #weights: DeviceWeights = [];
  #overlay: ChooseOverlays | undefined;
  #tries = 0;
  #recurseTries = 0;
  #localRetries = 0;
  #localFallbackRetries = 0;
  #varyR = 0;
  #stable = false;
  #draws = 0;

  // Working vectors of a step: input, output, leaves of the output.
  #input = new Int32Array(16);
  #output = new Int32Array(16);
  #leaves = new Int32Array(16);

  /** `draw`: whether the WebAssembly kernel draws (where there is one): once it pays, at once, or never. */
  constructor(map: CrushMap, draw: 'auto' | 'kernel' | 'plain' = 'auto') {
    this.#map = map;
    this.#nodes = buildNodes(map);
    this.#plain = draw === 'plain';
    if (draw === 'kernel') this.#mappings = PLAIN_MAPPINGS;
    this.#maxDevices = map.maxDevices;
    this.#starts = new Int32Array(this.#nodes.length).fill(UNKNOWN);
    for (let i = 0; i < this.#starts.length; i++) this.#markUsual(i);
    this.#itemTypes = Int32Array.from(this.#nodes, (node) => node?.itemType ?? -1);
    this.#words = this.#nodes.find((node) => node !== undefined)?.words ?? new Int32Array(0);
    this.#rules = [...map.rules];
  }

  /**
   * Devices for input `x` (taken modulo 2^32) by a rule: at most `numRep`, in order. Rules that keep positions (indep) give {@link ITEM_NONE}
   * where a place could not be filled; an unknown rule gives nothing. `chooseArgs` is a pool id: its weight set, else the default one, else none.
   * Throws ELOOP for a mapping that looks at more than 100 million items.
   */
  doRule(
    ruleId: number,
    x: number,
    numRep: number,
    weights: DeviceWeights,
    chooseArgs = DEFAULT_CHOOSE_ARGS,
  ): number[] {
    let result: number[] = [];
    const rule = this.#rules[ruleId];
    if (rule === undefined || numRep <= 0) return result;
    this.#reserve(numRep);
    this.#x = x | 0;
    this.#weights = weights;
    this.#load(chooseArgs);
    this.#draws = 0;
    this.unseen = 0;

    const t = this.#map.tunables;
    if (isMsrRule(rule)) {
      this.#msr ??= this.#msrEnvironment();
      return placeMsr(this.#msr, rule, numRep, t.msrDescents, t.msrCollisionTries);
    }
    // choose_total_tries counts retries, hence one more.
    let chooseTries = (t.chooseTotalTries + 1) | 0;
    let leafTries = 0;
    this.#localRetries = t.chooseLocalTries;
    this.#localFallbackRetries = t.chooseLocalFallbackTries;
    this.#varyR = t.chooseleafVaryR;
    this.#stable = t.chooseleafStable !== 0;
    let size = 0;

    for (const { op, arg1, arg2 } of rule.steps) {
      switch (op) {
        case ruleOp.TAKE:
          if (arg1 >= 0 ? arg1 < this.#maxDevices : this.#nodes[-1 - arg1] !== undefined) {
            this.#input[0] = arg1;
            size = 1;
          }
          break;
        case ruleOp.SET_CHOOSE_TRIES:
          if (arg1 > 0) chooseTries = arg1;
          break;
        case ruleOp.SET_CHOOSELEAF_TRIES:
          if (arg1 > 0) leafTries = arg1;
          break;
        case ruleOp.SET_CHOOSE_LOCAL_TRIES:
          if (arg1 >= 0) this.#localRetries = arg1;
          break;
        case ruleOp.SET_CHOOSE_LOCAL_FALLBACK_TRIES:
          if (arg1 >= 0) this.#localFallbackRetries = arg1;
          break;
        case ruleOp.SET_CHOOSELEAF_VARY_R:
          if (arg1 >= 0) this.#varyR = arg1;
          break;
        case ruleOp.SET_CHOOSELEAF_STABLE:
          if (arg1 >= 0) this.#stable = arg1 !== 0;
          break;
        case ruleOp.CHOOSE_FIRSTN:
        case ruleOp.CHOOSELEAF_FIRSTN: {
          if (size === 0) break;
          this.#tries = chooseTries >>> 0;
          this.#recurseTries = (leafTries !== 0 ? leafTries : t.chooseleafDescendOnce !== 0 ? 1 : chooseTries) >>> 0;
          size = this.#stepFirstn(arg1, arg2, size, numRep, op === ruleOp.CHOOSELEAF_FIRSTN);
          break;
        }
        case ruleOp.CHOOSE_INDEP:
        case ruleOp.CHOOSELEAF_INDEP: {
          if (size === 0) break;
          this.#tries = chooseTries >>> 0;
          this.#recurseTries = (leafTries !== 0 ? leafTries : 1) >>> 0;
          size = this.#stepIndep(arg1, arg2, size, numRep, op === ruleOp.CHOOSELEAF_INDEP);
          break;
        }
        case ruleOp.EMIT:
          if (result.length === 0 && size === 3 && numRep >= 3) {
            // The common case: an array that grows takes room for seventeen.
            result = [this.#input[0]!, this.#input[1]!, this.#input[2]!];
          } else {
            for (let i = 0; i < size; i++) {
              const item = this.#input[i]!;
              if (result.length < numRep) result.push(item);
              else this.unseen |= deviceBit(item);
            }
          }
          size = 0;
          break;
        default:
          break;
      }
    }
    return result;
  }

  #reserve(numRep: number): void {
    if (numRep <= this.#input.length) return;
    if (numRep > 0xffff) throw new ErrnoError('EINVAL', `a mapping to ${numRep} devices is more than 65535`);
    this.#input = new Int32Array(numRep);
    this.#output = new Int32Array(numRep);
    this.#leaves = new Int32Array(numRep);
  }

  /** Sees to it that the kernel has the buckets' data, and that of the weight set if there is one. */
  #load(key: number): void {
    const set = this.#map.chooseArgs.size === 0 ? undefined : this.#overlaysFor(key);
    this.#overlay = set?.overlays;
    const arena = this.#plain ? undefined : (this.#arena ?? this.#findArena());
    if (arena === undefined || (arena.holds(this.#region) && (set === undefined || arena.holds(set.region)))) return;
    // Room for the second may be made by giving up the first: then both are loaded anew.
    for (let attempt = 0; attempt < 2; attempt++) {
      if (!arena.holds(this.#region)) {
        this.#region = arena.reserve(nodesLength(this.#nodes));
        if (this.#region === undefined) break;
        loadNodes(this.#nodes, arena, this.#region.base);
      }
      if (set === undefined) return;
      if (!arena.holds(set.region)) {
        set.region = arena.reserve(overlaysLength(set.overlays));
        if (set.region === undefined) break;
        loadOverlays(this.#nodes, set.overlays, arena, set.region.base);
      }
      if (arena.holds(this.#region)) return;
    }
    // Too large a map for the kernel's memory.
    this.#plain = true;
    this.#kernel = undefined;
  }

  #findArena(): Straw2Arena | undefined {
    const arena = straw2Arena(++this.#mappings > PLAIN_MAPPINGS);
    if (arena === null) this.#plain = true;
    this.#arena = arena ?? undefined;
    this.#kernel = this.#arena?.choose;
    return this.#arena;
  }

  #overlaysFor(key: number): LoadedOverlays | undefined {
    const all = this.#map.chooseArgs;
    const used = all.has(key) ? key : DEFAULT_CHOOSE_ARGS;
    let known = this.#overlays.get(used);
    if (known === undefined) {
      const args = all.get(used);
      if (args === undefined) return undefined;
      known = { overlays: buildOverlays(this.#map, this.#nodes, args), region: undefined };
      this.#overlays.set(used, known);
    }
    return known;
  }

  /** How many to choose under each input item: the step's number, or one relative to the result's size. */
  #stepFirstn(arg1: number, type: number, size: number, numRep: number, toLeaf: boolean): number {
    const count = arg1 > 0 ? arg1 : arg1 + numRep;
    let length = 0;
    if (count > 0) {
      for (let i = 0; i < size; i++) {
        const node = this.#node(this.#input[i]!);
        if (node === undefined) continue;
        const room = numRep - length;
        const out = this.#output;
        const drawn = length === 0 ? this.#firstDescents(node, Math.min(count, room), type, toLeaf) : 0;
        // A first descent that failed is not made again, unless the general form would go on from where it failed.
        const isFromRoot = this.#localRetries === 0 && this.#localFallbackRetries === 0 && this.#recurseTries === 1;
        const failed = isFromRoot && this.#tries > 1 ? 1 : 0;
        let rep = 0;
        let done = 0;
        for (; rep < drawn && done === rep; rep++) {
          if (this.#isFree(rep, type, toLeaf)) done++;
          else done = this.#firstn(node, rep + 1, type, out, 0, done, rep, 1, this.#tries, toLeaf, 0, failed);
        }
        if (rep < count && done < room) {
          done = this.#firstn(node, count, type, out, length, done, rep, room - done, this.#tries, toLeaf, 0);
        }
        length += done;
      }
    }
    return this.#finishStep(length, toLeaf);
  }

  #stepIndep(arg1: number, type: number, size: number, numRep: number, toLeaf: boolean): number {
    const count = arg1 > 0 ? arg1 : arg1 + numRep;
    let length = 0;
    if (count > 0) {
      for (let i = 0; i < size; i++) {
        const node = this.#node(this.#input[i]!);
        if (node === undefined) continue;
        const room = Math.min(count, numRep - length);
        this.#indep(node, room, count, type, length, toLeaf);
        length += room;
      }
    }
    return this.#finishStep(length, toLeaf);
  }

  #finishStep(length: number, toLeaf: boolean): number {
    const spare = this.#input;
    if (toLeaf) {
      this.#input = this.#leaves;
      this.#leaves = spare;
    } else {
      this.#input = this.#output;
      this.#output = spare;
    }
    return length;
  }

  /** Whether what the first descent gave for a place is what none before it has, and in. */
  #isFree(place: number, type: number, toLeaf: boolean): boolean {
    const out = this.#output;
    const leaves = this.#leaves;
    for (let i = 0; i < place; i++) {
      if (out[i] === out[place] || (toLeaf && leaves[i] === leaves[place])) return false;
    }
    if (toLeaf) return !this.#isOut(leaves[place]!);
    return type !== 0 || !this.#isOut(out[place]!);
  }

  /**
   * Whether {@link #firstDescents} can draw from a bucket and from all beneath it, which `#starts` then says: a descent that stopped half way would be
   * made twice.
   */
  #markUsual(index: number): boolean {
    const starts = this.#starts;
    if (starts[index] !== UNKNOWN) return starts[index]! >= 0;
    // Also for whoever asks again from beneath, in a cycle.
    starts[index] = -1;
    const node = this.#nodes[index];
    if (node?.straw2?.equal !== true || node.hash !== HASH_RJENKINS1 || node.size === 0 || node.itemType < 0)
      return false;
    const isUsual =
      node.itemType === 0
        ? node.items.every((item) => item < this.#maxDevices)
        : node.items.every((item) => this.#markUsual(-1 - item));
    if (isUsual) starts[index] = node.itemsAt - 1;
    return isUsual;
  }

  #node(item: number): BucketNode | undefined {
    return item < 0 ? this.#nodes[-1 - item] : undefined;
  }

  #msrEnvironment(): MsrEnvironment {
    return {
      node: (item) => this.#node(item),
      choose: (node, r, position) => {
        this.#countDraws(node.size);
        const overlay = this.#overlay?.[-1 - node.id];
        return node.items[chooseIndex(node, this.#x, r, overlay, position, this.#kernel)]!;
      },
      isOut: (device) => this.#isOut(device),
      depthMax: this.#nodes.length,
    };
  }

  #countDraws(items: number): void {
    // A draw among few costs about as much as sixteen items of one among many.
    this.#draws += items + 16;
    if (this.#draws > DRAWS_MAX) {
      throw new ErrnoError(
        'ELOOP',
        `mapping ${this.#x >>> 0} takes more than ${DRAWS_MAX} draws: the map or the rule does not end`,
      );
    }
  }

  #countTries(failures: number): void {
    const histogram = this.triesHistogram;
    if (histogram !== undefined && failures < histogram.length) histogram[failures]!++;
  }

  #isOut(item: number): boolean {
    const weight = item >= 0 && item < this.#weights.length ? this.#weights[item]! : 0;
    if (weight >= 0x10000) return false;
    if (weight !== 0 && (crushHash2(this.#x, item) & 0xffff) < weight) return false;
    this.unseen |= deviceBit(item);
    return true;
  }

  /**
   * Draws the first descents of the places, as far as they go in the usual case: straw2 buckets of items of one type and weight, no weight set. Gives
   * for how many places there are items now (and leaves); whether they can be kept is still to be asked ({@link #isFree}). The common mapping is done
   * with this, and without the general form's questions, which took a tenth of its time.
   */
  #firstDescents(root: BucketNode, count: number, type: number, toLeaf: boolean): number {
    // Tries are counted by the general form, and so are draws, of which there are few here.
    if (this.#kernel !== undefined || this.#overlay !== undefined || this.triesHistogram !== undefined) return 0;
    const starts = this.#starts;
    if (starts[-1 - root.id]! < 0) return 0;
    const words = this.#words;
    const depthMax = starts.length;
    const x = this.#x;
    const out = this.#output;
    const items = this.#leaves;
    // Where the number of a place goes into its device's draw as well, the next place's is one more.
    const leafStep = (this.#stable ? 0 : 1) + this.#varyR;
    if (toLeaf && this.#varyR > 1) return 0;
    let places = Math.min(count, FIRST_PLACES_MAX);
    for (let i = 0; i < places; i++) items[i] = root.id;
    let goal = type;
    let isLeaf = false;
    let step = 1;
    for (let depth = 0; depth < depthMax; depth++) {
      const itemType = this.#itemTypes[-1 - items[0]!]!;
      for (let i = 0; i < places; i++) {
        const index = -1 - items[i]!;
        const start = starts[index]!;
        if (start < 0 || this.#itemTypes[index] !== itemType) {
          places = i;
          break;
        }
        bucketStarts[i] = start;
        draws[i] = start;
      }
      highest(words, draws, places, x, 0, step);
      for (let i = 0; i < places; i++) items[i] = words[bucketStarts[i]! + 1 + draws[i]!]!;
      if (places === 0) return 0;
      if (itemType !== goal) {
        if (itemType <= 0) return 0;
        continue;
      }
      if (!isLeaf) for (let i = 0; i < places; i++) out[i] = items[i]!;
      if (goal === 0 || !toLeaf) return places;
      isLeaf = true;
      goal = 0;
      step = leafStep;
    }
    return 0;
  }

  /**
   * Chooses distinct items of `type` beneath `root`, for the numbers from `first` to `numRep`, moving later ones up where one cannot be found.
   * Writes to `out` from `base + start`; returns the end position relative to `base`. With `toLeaf` a device under each goes to the leaves at the same place.
   * `failed` counts the tries that the first of them had already.
   */
  #firstn(
    root: BucketNode,
    numRep: number,
    type: number,
    out: Int32Array,
    base: number,
    start: number,
    first: number,
    room: number,
    tries: number,
    toLeaf: boolean,
    parentR: number,
    failed = 0,
  ): number {
    const maxDepth = this.#nodes.length;
    let pos = start;
    let count = room;
    for (let rep = first; rep < numRep && count > 0; rep++) {
      let failures = rep === first ? failed : 0;
      let found = false;
      let item = 0;
      // Each turn is a descent from the root.
      descents: for (;;) {
        let node = root;
        let localFailures = 0;
        let depth = 0;
        for (;;) {
          const r = (rep + parentR + failures) | 0;
          let failed = false;
          let collided = false;
          this.#countDraws(node.size);
          if (node.size === 0) {
            failed = true;
          } else {
            const index =
              this.#localFallbackRetries > 0 &&
              localFailures >= node.size >>> 1 &&
              localFailures > this.#localFallbackRetries
                ? permutedIndex(node, this.#x, r)
                : chooseIndex(node, this.#x, r, this.#overlay?.[-1 - node.id], pos, this.#kernel);
            item = node.words[node.itemsAt + index]!;
            const itemType = node.words[node.typesAt + index]!;
            if (item >= this.#maxDevices) break descents;
            if (itemType !== type) {
              const next = this.#node(item);
              if (next === undefined || ++depth > maxDepth) break descents;
              node = next;
              continue;
            }
            for (let i = 0; i < pos; i++) {
              if (out[base + i] === item) {
                collided = true;
                break;
              }
            }
            if (!collided) {
              if (toLeaf) failed = !this.#leafOf(item, base, pos, count, r);
              if (!failed && itemType === 0) failed = this.#isOut(item);
            }
            if (!failed && !collided) {
              found = true;
              break descents;
            }
          }
          failures++;
          localFailures++;
          if (collided && localFailures <= this.#localRetries) continue;
          if (this.#localFallbackRetries > 0 && localFailures <= node.size + this.#localFallbackRetries) continue;
          if (failures < tries) break;
          break descents;
        }
      }
      if (!found) continue;
      out[base + pos] = item;
      pos++;
      count--;
      this.#countTries(failures);
    }
    return pos;
  }

  /** Finds the device under an item that a chooseleaf step chose; into the leaves at `base + pos`. */
  #leafOf(item: number, base: number, pos: number, count: number, r: number): boolean {
    if (item >= 0) {
      this.#leaves[base + pos] = item;
      return true;
    }
    const node = this.#node(item);
    if (node === undefined) return false;
    const subR = this.#varyR !== 0 ? r >> (this.#varyR - 1) : 0;
    const first = this.#stable ? 0 : pos;
    const tries = this.#recurseTries;
    return this.#firstn(node, first + 1, 0, this.#leaves, base, pos, first, count, tries, false, subR) > pos;
  }

  /** Chooses items that keep their positions: a failure leaves a hole instead of moving the rest up. Fills `room` places from `base`. */
  #indep(root: BucketNode, room: number, numRep: number, type: number, base: number, toLeaf: boolean): void {
    const out = this.#output;
    out.fill(ITEM_UNDEF, base, base + room);
    if (toLeaf) this.#leaves.fill(ITEM_UNDEF, base, base + room);
    let left = room;
    let failures = 0;
    for (; left > 0 && failures < this.#tries; failures++) {
      for (let rep = 0; rep < room; rep++) {
        if (out[base + rep] !== ITEM_UNDEF) continue;
        const item = this.#indepOne(
          root,
          rep,
          numRep,
          type,
          failures,
          0,
          0,
          out,
          base,
          base + room,
          base + rep,
          toLeaf,
        );
        if (item === ITEM_UNDEF) continue;
        out[base + rep] = item;
        if (item === ITEM_NONE && toLeaf) this.#leaves[base + rep] = ITEM_NONE;
        left--;
      }
    }
    for (let i = base; i < base + room; i++) {
      if (out[i] === ITEM_UNDEF) out[i] = ITEM_NONE;
      if (toLeaf && this.#leaves[i] === ITEM_UNDEF) this.#leaves[i] = ITEM_NONE;
    }
    this.#countTries(failures);
  }

  /** One place's device beneath a chosen item, into the leaves at `at`. */
  #indepLeaf(root: BucketNode, rep: number, numRep: number, at: number, parentR: number): void {
    const leaves = this.#leaves;
    leaves[at] = ITEM_UNDEF;
    let failures = 0;
    let item = ITEM_UNDEF;
    for (; item === ITEM_UNDEF && failures < this.#recurseTries; failures++) {
      item = this.#indepOne(root, rep, numRep, 0, failures, parentR, rep, leaves, at, at + 1, at, false);
    }
    leaves[at] = item === ITEM_UNDEF ? ITEM_NONE : item;
    this.#countTries(failures);
  }

  /**
   * One descent for one place. Gives the item, ITEM_UNDEF where this attempt failed, ITEM_NONE where none can succeed. `from` to `to` are
   * the places of `out` it must differ from.
   */
  #indepOne(
    root: BucketNode,
    rep: number,
    numRep: number,
    type: number,
    failures: number,
    parentR: number,
    position: number,
    out: Int32Array,
    from: number,
    to: number,
    at: number,
    toLeaf: boolean,
  ): number {
    const maxDepth = this.#nodes.length;
    let node = root;
    let depth = 0;
    for (;;) {
      // Uniform buckets whose size is a multiple of the count would meet the same items again, hence the other stride.
      const stride = node.alg === bucketAlg.UNIFORM && node.size % numRep === 0 ? numRep + 1 : numRep;
      const r = (rep + parentR + Math.imul(stride, failures)) | 0;
      this.#countDraws(node.size);
      if (node.size === 0) return ITEM_UNDEF;
      const index = chooseIndex(node, this.#x, r, this.#overlay?.[-1 - node.id], position, this.#kernel);
      const item = node.words[node.itemsAt + index]!;
      const itemType = node.words[node.typesAt + index]!;
      if (item >= this.#maxDevices) return ITEM_NONE;
      if (itemType !== type) {
        const next = this.#node(item);
        if (next === undefined || ++depth > maxDepth) return ITEM_NONE;
        node = next;
        continue;
      }
      for (let i = from; i < to; i++) if (out[i] === item) return ITEM_UNDEF;
      if (toLeaf) {
        const child = this.#node(item);
        if (item >= 0) this.#leaves[at] = item;
        else if (child === undefined) return ITEM_UNDEF;
        else {
          this.#indepLeaf(child, rep, numRep, at, r);
          if (this.#leaves[at] === ITEM_NONE) return ITEM_UNDEF;
        }
      }
      return itemType === 0 && this.#isOut(item) ? ITEM_UNDEF : item;
    }
  }
}

/** One of 32 bits for a device. */
export function deviceBit(device: number): number {
  return 1 << (Math.imul(device, 0x9e3779b1) >>> 27);
}

const mappers = new WeakMap<CrushMap, { generation: number; mapper: Mapper }>();

/** The mapper of a map as it is now; kept until the map changes. */
export function mapperOf(map: CrushMap): Mapper {
  const known = mappers.get(map);
  if (known !== undefined && known.generation === map.generation) return known.mapper;
  const mapper = new Mapper(map);
  mappers.set(map, { generation: map.generation, mapper });
  return mapper;
}

/** {@link Mapper.doRule} on the map as it is now. */
export function doRule(
  map: CrushMap,
  ruleId: number,
  x: number,
  numRep: number,
  weights: DeviceWeights,
  chooseArgs?: number,
): number[] {
  return mapperOf(map).doRule(ruleId, x, numRep, weights, chooseArgs);
}
