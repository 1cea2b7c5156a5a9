import { type CrushMap, crushHash2, fullLocation, ITEM_NONE, Mapper, walkTree } from '../../crush/index.ts';
import { encodeText } from '../../encoding/index.ts';
import { formatG } from '../../types/index.ts';
import { ToolExit } from './args.ts';
import { type CsvData, csvFiles } from './crushtool-csv.ts';
import type { ToolIo } from './io.ts';

/** C's lrand48 from its first state, which is what crushtool draws from: 48 bits, the upper 31 are the number. */
class Rand48 {
  #low = 0;
  #high = 0;

  next(): number {
    // x = x * 0x5deece66d + 0xb mod 2^48, in halves of 24 bits.
    const low = this.#low * 0xece66d + 0xb;
    const carry = Math.floor(low / 0x1000000);
    this.#high = (this.#low * 0x5de + this.#high * 0xece66d + carry) % 0x1000000;
    this.#low = low % 0x1000000;
    return Math.floor((this.#high * 0x1000000 + this.#low) / 0x20000);
  }
}

const TRIALS_MAX = 100;
const DEFAULT_MAX_X = 1023;

/** `crushtool --test`, `--check` and `--compare`. Options are set from the command line; -1 is not given. */
export class CrushTester {
  minX = -1;
  maxX = -1;
  minRule = -1;
  maxRule = -1;
  ruleset = -1;
  numRep = -1;
  poolId = -1;
  batches = 1;
  simulate = false;
  deviceDownRatio = 0;
  bucketDownRatio = 1;
  showUtilization = false;
  showUtilizationAll = false;
  showStatistics = false;
  showMappings = false;
  showBadMappings = false;
  showChooseTries = false;
  writeCsv = false;
  csvName = '';

  readonly #io: ToolIo;
  readonly #deviceWeights = new Map<number, number>();
  readonly #random = new Rand48();
  #pending: string[] = [];

  constructor(io: ToolIo) {
    this.#io = io;
  }

  setDeviceWeight(device: number, weight: number): void {
    const fixed = Math.trunc(Math.fround(weight * 0x10000));
    this.#deviceWeights.set(device, Math.min(0x10000, Math.max(0, fixed)));
  }

  /** Output is gathered, as a line a mapping is many. */
  #out(text: string): void {
    this.#pending.push(text);
    if (this.#pending.length >= 4096) this.#flush();
  }

  #flush(): void {
    if (this.#pending.length > 0) this.#io.out(this.#pending.join(''));
    this.#pending = [];
  }

  #setDefaults(map: CrushMap): void {
    if (this.minRule < 0 || this.maxRule < 0) {
      this.minRule = 0;
      this.maxRule = map.rules.length - 1;
    }
    if (this.minX < 0 || this.maxX < 0) {
      this.minX = 0;
      this.maxX = DEFAULT_MAX_X;
    }
  }

  #weights(map: CrushMap): number[] {
    const linked = new Set<number>();
    for (const bucket of map.buckets) for (const item of bucket?.items ?? []) linked.add(item);
    return Array.from(
      { length: map.maxDevices },
      (_, osd) => this.#deviceWeights.get(osd) ?? (linked.has(osd) ? 0x10000 : 0),
    );
  }

  /** Takes a part of the devices in a part of the buckets right above devices out. */
  #markDown(map: CrushMap, weights: number[]): void {
    if (this.deviceDownRatio <= 0) return;
    const above: number[] = [];
    for (const bucket of map.buckets) {
      if (bucket !== undefined && bucket.weight > 0 && (bucket.items[0] ?? -1) >= 0) above.push(bucket.id);
    }
    const shuffle = (list: number[]): void => {
      for (let i = 0; i < list.length; i++) {
        if (list.length < 2)
          throw new ToolExit(1, 'crushtool: cannot mark devices down in a single bucket or device\n');
        const j = this.#random.next() % (list.length - 1);
        [list[i], list[j]] = [list[j]!, list[i]!];
      }
    };
    shuffle(above);
    const buckets = Math.trunc(Math.fround(this.bucketDownRatio * above.length));
    for (const id of above.slice(0, buckets)) {
      const items = map.bucket(id)!.items;
      // Ceph shuffles a copy and then takes the items in order.
      shuffle([...items]);
      const devices = Math.trunc(Math.fround(this.deviceDownRatio * items.length));
      for (const item of items.slice(0, devices)) weights[item] = 0;
    }
  }

  *#rules(map: CrushMap): Generator<number> {
    for (let id = this.minRule; id < map.rules.length && id <= this.maxRule; id++) {
      const rule = map.rules[id];
      if (rule === undefined) {
        if (this.showStatistics) this.#out(`rule ${id} dne\n`);
      } else if (this.ruleset < 0 || rule.ruleset === this.ruleset) yield id;
    }
  }

  #reps(map: CrushMap, rule: number): [number, number] {
    if (this.numRep >= 0) return [this.numRep, this.numRep];
    return [map.rules[rule]!.minSize, map.rules[rule]!.maxSize];
  }

  test(map: CrushMap): void {
    if (this.showUtilization || this.showUtilizationAll) this.showStatistics = true;
    this.#setDefaults(map);
    const weights = this.#weights(map);
    if (this.showUtilizationAll) {
      this.#io.err(`devices weights (hex): [${weights.map((weight) => weight.toString(16)).join(',')}]\n`);
    }
    this.#markDown(map, weights);
    const mapper = new Mapper(map);
    if (this.showChooseTries) mapper.triesHistogram = new Uint32Array(map.tunables.chooseTotalTries + 1);
    for (const rule of this.#rules(map)) {
      const [minRep, maxRep] = this.#reps(map, rule);
      if (this.showStatistics) {
        this.#out(
          `rule ${rule} (${map.ruleNames.get(rule) ?? ''}), x = ${this.minX}..${this.maxX}, numrep = ${minRep}..${maxRep}\n`,
        );
      }
      for (let rep = minRep; rep <= maxRep; rep++) this.#testRule(map, mapper, rule, rep, weights);
    }
    const histogram = mapper.triesHistogram;
    histogram?.subarray(0, -1).forEach((count, tries) => {
      this.#out(`${String(tries).padStart(2)}: ${String(count).padStart(9)}\n`);
    });
    this.#flush();
  }

  #testRule(map: CrushMap, mapper: Mapper, rule: number, rep: number, weights: readonly number[]): void {
    const total = weights.reduce((sum, weight) => (sum + weight) | 0, 0);
    if (total === 0) return;
    const devices = weights.length;
    const objects = this.maxX - this.minX + 1;
    const affected = Math.min(rep, maximumAffected(map, rule));
    const expectedObjects = Math.fround(Math.imul(affected, objects));
    const proportional = weights.map((weight) => Math.fround(Math.fround(weight) / Math.fround(total)));
    const expected = proportional.map((share) => Math.fround(share * expectedObjects));
    const per = new Array<number>(devices).fill(0);
    const sizes = new Map<number, number>();
    const csv: CsvData = { placements: [], batches: [], weights, proportional, per, expected, maxRep: this.numRep };

    let first = this.minX;
    let count = Math.trunc(objects / this.batches);
    for (let batch = 0; batch < this.batches; batch++) {
      const last = batch === this.batches - 1 ? this.maxX : first + count - 1;
      if (batch === this.batches - 1) count = last - first + 1;
      const inBatch = new Array<number>(devices).fill(0);
      for (let x = first; x <= last; x++) {
        const out = this.#place(map, mapper, rule, x, rep, weights);
        if (this.writeCsv) csv.placements.push([x, ...out].join(','));
        for (const osd of out) {
          if (osd === ITEM_NONE) continue;
          per[osd] = (per[osd] ?? 0) + 1;
          inBatch[osd] = (inBatch[osd] ?? 0) + 1;
        }
        sizes.set(out.length, (sizes.get(out.length) ?? 0) + 1);
        if (this.showBadMappings && (out.length !== rep || out.includes(ITEM_NONE))) {
          this.#out(`bad mapping rule ${rule} x ${x} num_rep ${rep} result [${out.join(',')}]\n`);
        }
      }
      csv.batches.push(first <= last ? inBatch : []);
      first = last + 1;
    }
    this.#report(map, rule, rep, objects, per, expected, sizes);
    if (this.writeCsv) this.#csv(map, rule, csv);
  }

  #place(map: CrushMap, mapper: Mapper, rule: number, x: number, rep: number, weights: readonly number[]): number[] {
    let out: number[];
    if (this.simulate) out = this.#randomPlacement(map, rule, rep, weights);
    else out = mapper.doRule(rule, this.poolId === -1 ? x : crushHash2(x, this.poolId), rep, weights, 0);
    if (this.showMappings) {
      this.#out(`${this.simulate ? 'RNG' : 'CRUSH'} rule ${rule} x ${x} [${out.join(',')}]\n`);
    }
    return out;
  }

  #report(
    map: CrushMap,
    rule: number,
    rep: number,
    objects: number,
    per: readonly number[],
    expected: readonly number[],
    sizes: ReadonlyMap<number, number>,
  ): void {
    if (!this.showStatistics) return;
    for (const [size, count] of [...sizes].sort(([a], [b]) => a - b)) {
      this.#out(
        `rule ${rule} (${map.ruleNames.get(rule) ?? ''}) num_rep ${rep} result size == ${size}:\t${count}/${objects}\n`,
      );
    }
    per.forEach((stored, osd) => {
      const used = expected[osd]! > 0 && stored > 0;
      if (this.showUtilization ? used : this.showUtilizationAll) {
        this.#out(`  device ${osd}:\t\t stored : ${stored}\t expected : ${formatG(expected[osd]!)}\n`);
      }
    });
  }

  #csv(map: CrushMap, rule: number, data: CsvData): void {
    for (const [name, text] of csvFiles(data, this.batches)) {
      this.#io.writeFile(`${this.csvName}${map.ruleNames.get(rule) ?? ''}-${name}.csv`, encodeText(text));
    }
  }

  #randomPlacement(map: CrushMap, rule: number, rep: number, weights: readonly number[]): number[] {
    if (map.maxDevices === 0) return [];
    const wanted = Math.min(rep, maximumAffected(map, rule));
    for (let trial = 0; trial < TRIALS_MAX; trial++) {
      const placement = Array.from({ length: wanted }, () => this.#random.next() % map.maxDevices);
      if (isValidPlacement(map, rule, placement, weights)) return placement;
    }
    return [];
  }

  /** Whether the maps give the same for every rule and input tested. */
  compare(map: CrushMap, other: CrushMap): boolean {
    this.#setDefaults(map);
    const weights = this.#weights(map);
    this.#markDown(map, weights);
    const [mapper, otherMapper] = [new Mapper(map), new Mapper(other)];
    let equal = true;
    for (const rule of this.#rules(map)) {
      const [minRep, maxRep] = this.#reps(map, rule);
      let bad = 0;
      for (let rep = minRep; rep <= maxRep; rep++) {
        for (let x = this.minX; x <= this.maxX; x++) {
          const a = mapper.doRule(rule, x, rep, weights, 0);
          const b = otherMapper.doRule(rule, x, rep, weights, 0);
          if (a.length !== b.length || a.some((osd, i) => osd !== b[i])) bad++;
        }
      }
      if (bad > 0) equal = false;
      const max = (maxRep - minRep + 1) * (this.maxX - this.minX + 1);
      this.#out(`rule ${rule} had ${bad}/${max} mismatched mappings (${formatG(bad / max)})\n`);
    }
    if (equal) this.#out('maps appear equivalent\n');
    this.#flush();
    if (!equal) this.#io.err('warning: maps are NOT equivalent\n');
    return equal;
  }

  /** Tells of rules that old clients could not tell apart: same ruleset, type, and sizes in common. */
  checkOverlappedRules(map: CrushMap): void {
    const bySet = new Map<
      number,
      { readonly ruleset: number; readonly rules: [min: number, max: number, name: string][] }
    >();
    map.rules.forEach((rule, id) => {
      if (rule === undefined) return;
      const key = rule.ruleset * 256 + rule.type;
      const entry = bySet.get(key) ?? { ruleset: rule.ruleset, rules: [] };
      entry.rules.push([rule.minSize, rule.maxSize, map.ruleNames.get(id) ?? `rule${id}`]);
      bySet.set(key, entry);
    });
    for (const [, { ruleset, rules }] of [...bySet].sort(([a], [b]) => a - b)) {
      let previous = '';
      for (let size = 0; size < 256; size++) {
        const names = [...new Set(rules.filter(([min, max]) => min <= size && size <= max).map(([, , name]) => name))];
        const text = names.length > 1 ? names.sort().join(', ') : '';
        if (text !== previous && text !== '') this.#io.out(`overlapped rules in ruleset ${ruleset}: ${text}\n`);
        previous = text;
      }
    }
  }

  /** Whether all items have names and types, and device ids are below `maxId` (0: any). */
  checkNameMaps(map: CrushMap, maxId: number): boolean {
    const problem = (id: number): string | undefined => {
      const bucket = map.bucket(id);
      if (id < 0 && !map.itemNames.has(id)) return 'unknown item name';
      if (id >= 0 && maxId > 0 && id >= maxId) return 'item id too large';
      return map.typeNames.has(bucket?.type ?? 0) ? undefined : 'unknown type name';
    };
    // Device 0 is looked at in any case: it stands for those outside of the map.
    for (const id of [...[...walkTree(map)].map((item) => item.id), 0]) {
      const what = problem(id);
      if (what === undefined) continue;
      this.#io.out(`${what}: item#${id}\n`);
      return false;
    }
    return true;
  }
}

const EMIT = 4;
const CHOOSE_FIRSTN = 2;

/** Types that a rule's steps are about. Ceph counts every step that is neither noop, take nor emit, those that set a number too. */
function affectedTypes(map: CrushMap, rule: number): { readonly type: number; readonly count: number }[] {
  return map.rules[rule]!.steps.filter(({ op }) => op >= CHOOSE_FIRSTN && op !== EMIT).map(({ arg1, arg2 }) => ({
    type: arg2,
    count: arg1,
  }));
}

/** How many devices a rule can give at most, by the buckets there are of the types it chooses. */
function maximumAffected(map: CrushMap, rule: number): number {
  const affected = affectedTypes(map, rule);
  const wanted = new Map(affected.map(({ type, count }) => [type, count]));
  const found = new Map<number, number>();
  for (const { type } of affected) {
    for (const id of map.itemNames.keys())
      if (map.bucket(id)?.type === type) found.set(type, (found.get(type) ?? 0) + 1);
  }
  for (const { type } of affected) {
    const count = wanted.get(type)!;
    if (count > 0 && count < (found.get(type) ?? 0)) found.set(type, count);
  }
  let max = Math.max(map.buckets.length, map.maxDevices);
  for (const { type } of affected) {
    const count = found.get(type) ?? 0;
    if (count > 0 && count < max) max = count;
  }
  return max;
}

/** Whether devices drawn at random are up, different, and in different buckets of the types a rule chooses. */
function isValidPlacement(
  map: CrushMap,
  rule: number,
  placement: readonly number[],
  weights: readonly number[],
): boolean {
  if (placement.some((osd) => weights[osd] === 0)) return false;
  if (new Set(placement).size !== placement.length) return false;
  const types = affectedTypes(map, rule).map(({ type }) => map.typeNames.get(type) ?? '');
  const lowest = Math.min(map.typeNames.size, ...map.typeNames.keys());
  const lowestName = map.typeNames.get(lowest) ?? '';
  if (types.length === 1 && types[0] === lowestName && lowestName === 'osd') return true;
  const seen = new Set<string>();
  for (const osd of placement) {
    const location = new Map(fullLocation(map, osd) ?? []);
    for (const type of types) {
      const bucket = location.get(type) ?? '';
      if (seen.has(bucket)) return false;
      seen.add(bucket);
    }
  }
  return true;
}
