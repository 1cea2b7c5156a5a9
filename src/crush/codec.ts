import { type Codec, DecodeError, list, Reader, s32, sortedMap, string, u32, Writer } from '../encoding/index.ts';
import { type Bucket, bucketAlg } from './bucket.ts';
import { hierarchyProblem } from './check.ts';
import { fitChooseArgs } from './choose-args.ts';
import { type ChooseArg, CrushMap, type Rule } from './map.ts';

/*
 * The binary form (Ceph: CrushWrapper::encode), little-endian, no version header; newer parts are a tail that older readers
 * ignore and that is absent in older maps.
 *
 *   u32 magic 0x00010000 | s32 max_buckets | u32 max_rules | s32 max_devices
 *   max_buckets times:  u32 alg (0: no bucket) | s32 id | u16 type | u8 alg | u8 hash | u32 weight | u32 size | s32 items[size]
 *                       uniform: u32 weight; list: (u32 weight, u32 sum)[]; tree: u8 n, u32 nodes[n];
 *                       straw: (u32 weight, u32 straw)[]; straw2: u32 weight[]
 *   max_rules times:    u32 present | u32 steps | u8 ruleset, type, min_size, max_size | (u32 op, s32 arg1, s32 arg2)[steps]
 *   names of types, items, rules: u32 n, (s32 id, string)[n]
 *   tunables: u32 local | u32 fallback | u32 total || u32 once || u8 vary_r || u8 straw_calc || u32 algs || u8 stable
 *   || classes: (s32 item, s32 class)[] | (s32 class, string)[] | (s32 bucket, (s32 class, s32 shadow)[])[]
 *   || choose_args: u32 n, (s64 key, u32 n, (u32 index, u32 positions, u32 weights[][], u32 ids[])[])[]
 *   || msr: u32 descents | u32 collision_tries
 */

const MAGIC = 0x00010000;

/** Feature bits that shape the encoding (bits as in `types/features.ts`, which stands below this folder). */
const TUNABLES5 = 1n << 58n;
const LUMINOUS = (1n << 21n) | (1n << 57n);
const CRUSH_MSR = (1n << 38n) | (1n << 57n);

const bySigned = (a: number, b: number): number => a - b;
const idMap: Codec<Map<number, number>> = sortedMap(s32, s32, bySigned);
const classNames: Codec<Map<number, string>> = sortedMap(s32, string, bySigned);
const classBuckets: Codec<Map<number, Map<number, number>>> = sortedMap(s32, idMap, bySigned);
const u32List = list(u32);
const s32List = list(s32);

/** Bytes of the map for a receiver with these feature bits. */
export function encodeCrushMap(map: CrushMap, features?: bigint): Uint8Array {
  const w = new Writer(4096, features);
  crushMapCodec.encode(w, map);
  return w.bytes();
}

/**
 * Reads a map. Throws {@link DecodeError} for bytes that are none, and for a hierarchy that cannot be walked (cycles, buckets that do not exist),
 * on which Ceph's programs would crash or hang.
 */
export function decodeCrushMap(bytes: Uint8Array): CrushMap {
  return crushMapCodec.decode(new Reader(bytes));
}

export const crushMapCodec: Codec<CrushMap> = {
  name: 'CrushMap',
  length_min: 16,
  encode,
  decode(r) {
    try {
      return decode(r);
    } catch (error) {
      if (error instanceof DecodeError) error.within('CrushMap');
      throw error;
    }
  },
};

function encode(w: Writer, map: CrushMap): void {
  const luminous = (w.features & LUMINOUS) === LUMINOUS;
  w.u32(MAGIC);
  w.s32(map.buckets.length);
  w.u32(map.rules.length);
  w.s32(map.maxDevices);
  // A receiver that does not know choose_args is given the first set's weights as if they were the buckets'.
  const compat = luminous ? undefined : [...map.chooseArgs].sort(([a], [b]) => a - b)[0]?.[1];
  map.buckets.forEach((bucket, index) => {
    if (bucket === undefined) w.u32(0);
    else encodeBucket(w, bucket, compat?.get(index)?.weightSet[0]);
  });
  for (const rule of map.rules) encodeRule(w, rule);
  classNames.encode(w, map.typeNames);
  classNames.encode(w, map.itemNames);
  classNames.encode(w, map.ruleNames);
  const t = map.tunables;
  w.u32(t.chooseLocalTries);
  w.u32(t.chooseLocalFallbackTries);
  w.u32(t.chooseTotalTries);
  w.u32(t.chooseleafDescendOnce);
  w.u8(t.chooseleafVaryR);
  w.u8(t.strawCalcVersion);
  w.u32(t.allowedBucketAlgs);
  if ((w.features & TUNABLES5) !== 0n) w.u8(t.chooseleafStable);
  if (!luminous) return;
  idMap.encode(w, map.itemClasses);
  classNames.encode(w, map.classNames);
  classBuckets.encode(w, map.classBuckets);
  w.u32(map.chooseArgs.size);
  for (const [key, args] of [...map.chooseArgs].sort(([a], [b]) => a - b)) {
    w.s64num(key);
    encodeChooseArgs(w, args);
  }
  if (map.carriesMsr && (w.features & CRUSH_MSR) === CRUSH_MSR) {
    w.u32(t.msrDescents);
    w.u32(t.msrCollisionTries);
  }
}

function encodeBucket(w: Writer, bucket: Bucket, compatWeights: readonly number[] | undefined): void {
  w.u32(bucket.alg);
  w.s32(bucket.id);
  w.u16(bucket.type);
  w.u8(bucket.alg);
  w.u8(bucket.hash);
  w.u32(bucket.weight);
  s32List.encode(w, bucket.items);
  switch (bucket.alg) {
    case bucketAlg.UNIFORM:
      w.u32(bucket.itemWeight);
      return;
    case bucketAlg.LIST:
      encodePairs(w, bucket.itemWeights, bucket.sumWeights);
      return;
    case bucketAlg.TREE:
      w.u8(bucket.nodeWeights.length);
      for (const weight of bucket.nodeWeights) w.u32(weight);
      return;
    case bucketAlg.STRAW:
      encodePairs(w, bucket.itemWeights, bucket.straws);
      return;
    case bucketAlg.STRAW2:
      for (const weight of compatWeights ?? bucket.itemWeights) w.u32(weight);
  }
}

function encodePairs(w: Writer, first: readonly number[], second: readonly number[]): void {
  for (let i = 0; i < first.length; i++) {
    w.u32(first[i]!);
    w.u32(second[i]!);
  }
}

function encodeRule(w: Writer, rule: Rule | undefined): void {
  w.u32(rule === undefined ? 0 : 1);
  if (rule === undefined) return;
  w.u32(rule.steps.length);
  w.u8(rule.ruleset);
  w.u8(rule.type);
  w.u8(rule.minSize);
  w.u8(rule.maxSize);
  for (const step of rule.steps) {
    w.u32(step.op);
    w.s32(step.arg1);
    w.s32(step.arg2);
  }
}

function encodeChooseArgs(w: Writer, args: ReadonlyMap<number, ChooseArg>): void {
  const present = [...args]
    .filter(([, arg]) => arg.weightSet.length > 0 || arg.ids.length > 0)
    .sort(([a], [b]) => a - b);
  w.u32(present.length);
  for (const [index, arg] of present) {
    w.u32(index);
    w.u32(arg.weightSet.length);
    for (const weights of arg.weightSet) u32List.encode(w, weights);
    s32List.encode(w, arg.ids);
  }
}

function decode(r: Reader): CrushMap {
  if (r.u32() !== MAGIC) r.fail('bad magic number');
  const map = new CrushMap();
  const maxBuckets = r.s32();
  const maxRules = r.u32();
  map.maxDevices = r.s32();
  if (maxBuckets < 0 || maxBuckets * 4 > r.remaining) r.fail(`claims ${maxBuckets} buckets, ${r.remaining} bytes left`);
  map.setTunables('legacy');
  for (let i = 0; i < maxBuckets; i++) map.buckets.push(decodeBucket(r, -1 - i));
  if (maxRules * 4 > r.remaining) r.fail(`claims ${maxRules} rules, ${r.remaining} bytes left`);
  for (let i = 0; i < maxRules; i++) map.rules.push(decodeRule(r));
  map.typeNames = decodeNames(r);
  map.itemNames = decodeNames(r);
  map.ruleNames = decodeNames(r);
  decodeTail(r, map);
  map.finalize();
  const problem = hierarchyProblem(map);
  if (problem !== undefined) r.fail(problem);
  fitChooseArgs(map);
  return map;
}

/** The parts that came one by one; each is there or the map ends before it. */
function decodeTail(r: Reader, map: CrushMap): void {
  const t = map.tunables;
  if (r.remaining > 0) {
    t.chooseLocalTries = r.u32();
    t.chooseLocalFallbackTries = r.u32();
    t.chooseTotalTries = r.u32();
  }
  if (r.remaining > 0) t.chooseleafDescendOnce = r.u32();
  if (r.remaining > 0) t.chooseleafVaryR = r.u8();
  if (r.remaining > 0) t.strawCalcVersion = r.u8();
  if (r.remaining > 0) t.allowedBucketAlgs = r.u32();
  if (r.remaining > 0) t.chooseleafStable = r.u8();
  if (r.remaining > 0) {
    map.itemClasses = idMap.decode(r);
    map.classNames = classNames.decode(r);
    map.classBuckets = classBuckets.decode(r);
  }
  if (r.remaining > 0) {
    const n = r.count(12);
    for (let i = 0; i < n; i++) {
      const key = r.s64num();
      map.chooseArgs.set(key, decodeChooseArgs(r, map));
    }
  }
  if (r.remaining > 0) {
    t.msrDescents = r.u32();
    t.msrCollisionTries = r.u32();
    map.carriesMsr = true;
  }
}

function decodeBucket(r: Reader, expectedId: number): Bucket | undefined {
  const start = r.offset;
  const alg = r.u32();
  if (alg === 0) return undefined;
  const id = r.s32();
  const type = r.u16();
  const innerAlg = r.u8();
  const hash = r.u8();
  const weight = r.u32();
  if (id !== expectedId) throw new DecodeError(`bucket ${expectedId} says it is ${id}`, start);
  if (innerAlg !== alg) throw new DecodeError(`bucket ${id} names two algorithms, ${alg} and ${innerAlg}`, start);
  const items = s32List.decode(r);
  const base = { id, type, hash, weight, items };
  switch (alg) {
    case bucketAlg.UNIFORM:
      return { ...base, alg, itemWeight: r.u32() };
    case bucketAlg.LIST: {
      const [itemWeights, sumWeights] = decodePairs(r, items.length);
      return { ...base, alg, itemWeights, sumWeights };
    }
    case bucketAlg.TREE:
      return { ...base, alg, nodeWeights: decodeU32s(r, r.u8()) };
    case bucketAlg.STRAW: {
      const [itemWeights, straws] = decodePairs(r, items.length);
      return { ...base, alg, itemWeights, straws };
    }
    case bucketAlg.STRAW2:
      return { ...base, alg, itemWeights: decodeU32s(r, items.length) };
    default:
      throw new DecodeError(`unsupported bucket algorithm: ${alg}`, start);
  }
}

function decodeU32s(r: Reader, n: number): number[] {
  r.need(4 * n);
  const values: number[] = [];
  for (let i = 0; i < n; i++) values.push(r.u32());
  return values;
}

function decodePairs(r: Reader, n: number): [number[], number[]] {
  r.need(8 * n);
  const first: number[] = [];
  const second: number[] = [];
  for (let i = 0; i < n; i++) {
    first.push(r.u32());
    second.push(r.u32());
  }
  return [first, second];
}

function decodeRule(r: Reader): Rule | undefined {
  if (r.u32() === 0) return undefined;
  const n = r.u32();
  const rule: Rule = { ruleset: r.u8(), type: r.u8(), minSize: r.u8(), maxSize: r.u8(), steps: [] };
  if (n * 12 > r.remaining) r.fail(`claims ${n} rule steps, ${r.remaining} bytes left`);
  for (let i = 0; i < n; i++) rule.steps.push({ op: r.u32(), arg1: r.s32(), arg2: r.s32() });
  return rule;
}

/** Early versions wrote the ids as 64 bits; an empty name then stands for the upper half, as names are never empty. */
function decodeNames(r: Reader): Map<number, string> {
  const n = r.count(8);
  const names = new Map<number, string>();
  for (let i = 0; i < n; i++) {
    const id = r.s32();
    let name = r.string();
    if (name === '') name = r.string();
    names.set(id, name);
  }
  return names;
}

function decodeChooseArgs(r: Reader, map: CrushMap): Map<number, ChooseArg> {
  const args = new Map<number, ChooseArg>();
  const n = r.count(12);
  for (let i = 0; i < n; i++) {
    const index = r.u32();
    if (index >= map.buckets.length) r.fail(`choose_args for bucket ${-1 - index}, there are ${map.buckets.length}`);
    const weightSet: number[][] = [];
    const positions = r.count(4);
    for (let p = 0; p < positions; p++) weightSet.push(u32List.decode(r));
    const ids = s32List.decode(r);
    const size = map.buckets[index]?.items.length ?? 0;
    if (ids.length > 0 && ids.length !== size) {
      r.fail(`choose_args of bucket ${-1 - index} replace ${ids.length} ids of ${size}`);
    }
    args.set(index, { weightSet, ids });
  }
  return args;
}
