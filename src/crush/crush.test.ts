import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrnoError, SeededEntropy } from '../base/index.ts';
import { DecodeError } from '../encoding/index.ts';
import {
  addBucket,
  addRule,
  bucketAlg,
  CrushCompileError,
  CrushMap,
  CrushSyntaxError,
  compileCrushMap,
  createOrMoveItem,
  crushHash1,
  crushHash2,
  crushHash3,
  crushHash4,
  crushHash5,
  decodeCrushMap,
  decompileCrushMap,
  doRule,
  dumpTunables,
  encodeCrushMap,
  initialCrushMap,
  Mapper,
  parseLocation,
  ruleOp,
  walkTree,
} from './index.ts';
import { fillLnTables, lnRanks, lnTable } from './ln.ts';
import { Straw2Items, straw2Choose } from './straw2.ts';
import { padded, straw2Arena } from './straw2-wasm.ts';

const random = new SeededEntropy(7);
const below = (n: number): number => random.u32() % n;

const HASHES = [1547637176, 2437553297, 3900369045, 1702695071, 787235054];

test('hashes of one to five numbers', () => {
  // As Ceph's crush/hash.c computes them.
  const all = [
    crushHash1(1234),
    crushHash2(1234, 5678),
    crushHash3(1234, 5678, 91011),
    crushHash4(1234, 5678, 91011, -5),
    crushHash5(1234, 5678, 91011, -5, 0xffffffff),
  ];
  assert.deepEqual(all, HASHES);
});

test('logarithms of hashes two or more apart have the order of the hashes', () => {
  fillLnTables();
  let greatest = -1;
  for (let u = 2; u < lnRanks.length; u++) {
    greatest = Math.max(greatest, lnRanks[u - 2]!);
    assert.ok(lnRanks[u]! > greatest, `${u}`);
  }
});

test('straw2 draws as 64-bit integer division does, in all its forms', () => {
  const arena = straw2Arena(true);
  for (let round = 0; round < 3020; round++) {
    // Among many the greatest hashes lie close together, or are the same.
    const size = round < 3000 ? 1 + below(21) : 2000 + below(8000);
    const ids = Int32Array.from({ length: size }, () => below(100_000) - 50_000);
    const style = round % 6;
    const same = 1 + below(2 ** 26);
    const weights = Float64Array.from({ length: size }, () => {
      if (style === 0) return same;
      if (style === 1) return below(3) * 0x8000;
      if (style === 2) return below(2 ** 31);
      // As disks are, and now and then far off.
      if (style === 3) return 0x8000 + below(0x80000);
      if (style === 4) return below(8) === 0 ? below(2) * below(0x100) : 0x10000 + below(3) * 0x8000;
      return random.u32() | 0;
    });
    const items = new Straw2Items(ids, weights, size);
    for (let r = 0; r < 6; r++) {
      const x = random.u32() | 0;
      let high = 0;
      let best: bigint | undefined;
      for (let i = 0; i < size; i++) {
        const w = BigInt(weights[i]!);
        const ln = BigInt(lnTable[crushHash3(x, ids[i]!, r) & 0xffff]!);
        const straw = w === 0n ? -(2n ** 63n) : ln / w;
        if (best === undefined || straw > best) {
          high = i;
          best = straw;
        }
      }
      assert.equal(straw2Choose(0, x, r, items), high);
      if (arena === null || arena === undefined || weights.some((w) => w < 0)) continue;
      const region = arena.reserve(12 * padded(size))!;
      arena.writeIds(region.base, ids);
      arena.writeWeights(region.base + 4 * padded(size), weights);
      assert.equal(arena.choose(region.base, region.base + 4 * padded(size), size, x, r), high);
      if (style === 0 && same <= 56_128_037) assert.equal(arena.choose(region.base, 0, size, x, r), high);
    }
  }
});

function sample(hosts: number, perHost: number): CrushMap {
  const map = initialCrushMap();
  for (let osd = 0; osd < hosts * perHost; osd++) {
    const place = parseLocation([`host=h${Math.floor(osd / perHost)}`, 'root=default']);
    createOrMoveItem(map, osd, 1, `osd.${osd}`, place);
  }
  return map;
}

test('mapping follows edits, and mappers share the kernel', () => {
  const map = sample(4, 3);
  const other = sample(9, 2);
  const weights = new Array<number>(18).fill(0x10000);
  const mappers = [new Mapper(map, 'kernel'), new Mapper(other, 'kernel')];
  const plain = [new Mapper(map, 'plain'), new Mapper(other, 'plain')];
  for (let x = 0; x < 200; x++) {
    for (const i of [0, 1]) assert.deepEqual(mappers[i]!.doRule(0, x, 3, weights), plain[i]!.doRule(0, x, 3, weights));
  }
  const before = doRule(map, 0, 1, 3, weights);
  assert.equal(new Set(before.map((osd) => Math.floor(osd / 3))).size, 3);
  const out = [...weights];
  out[before[0]!] = 0;
  assert.ok(!doRule(map, 0, 1, 3, out).includes(before[0]!));
  createOrMoveItem(map, 12, 1e4, 'osd.12', parseLocation(['host=new', 'root=default']));
  assert.ok(doRule(map, 0, 1, 3, weights).includes(12));
  assert.deepEqual(doRule(map, 5, 1, 3, weights), []);
});

test('the walk lists devices by class and id, buckets by name, roots first', () => {
  const map = sample(2, 2);
  const shown = [...walkTree(map)].map(({ id, depth, children }) => [id, depth, children]);
  const [root, a, b] = ['default', 'h0', 'h1'].map((name) => map.itemId(name)!);
  assert.deepEqual(shown, [
    [root, 0, [b, a]],
    [a, 1, [1, 0]],
    [0, 2, []],
    [1, 2, []],
    [b, 1, [3, 2]],
    [2, 2, []],
    [3, 2, []],
  ]);
});

test('tunables know their profile and what they ask of clients', () => {
  const map = initialCrushMap();
  const seen: Record<string, unknown> = {};
  const set = (name: string, value: unknown): void => {
    seen[name] = value;
  };
  const sink = { openObject() {}, openArray() {}, close() {}, int: set, float: set, string: set };
  for (const profile of ['argonaut', 'bobtail', 'firefly', 'hammer', 'jewel'] as const) {
    map.setTunables(profile);
    dumpTunables(map, sink);
    assert.equal(seen.profile, profile);
  }
  map.tunables.chooseTotalTries = 7;
  dumpTunables(map, sink);
  assert.equal(seen.profile, 'unknown');
});

test('an old receiver gets an old form', () => {
  const map = sample(2, 2);
  const whole = encodeCrushMap(map);
  const noClasses = encodeCrushMap(map, 1n << 58n);
  const noStable = encodeCrushMap(map, 0n);
  assert.equal(noClasses.length - noStable.length, 1);
  assert.deepEqual(noClasses, whole.slice(0, noClasses.length));
  assert.equal(decodeCrushMap(noStable).tunables.chooseleafStable, 0);
});

const TEXT = decompileCrushMap(sample(2, 2));

test('a syntax error names line, column and what was expected', () => {
  const lines = TEXT.split('\n');
  const at = lines.findIndex((line) => line.includes('alg straw2'));
  lines[at] = '\talgo straw2';
  const broken = [...lines];
  broken[at] = '\tid straw2';
  assert.throws(
    () => compileCrushMap(broken.join('\n')),
    (error: unknown) =>
      error instanceof CrushSyntaxError &&
      error.line === at + 1 &&
      error.column === 5 &&
      error.expected.includes('a negative number'),
  );
  assert.throws(() => compileCrushMap(`${TEXT}\nnonsense`), CrushSyntaxError);
});

test('a text that makes no sense is refused with a sentence', () => {
  const refused: [from: RegExp, to: string, message: RegExp][] = [
    [/device 0 osd.0/, 'device 0 osd.1', /item osd.1 defined twice/],
    [/item osd.3 /, 'item osd.9 ', /item 'osd.9' in bucket 'h1' is not defined/],
    [/alg straw2/, 'alg straw9', /unknown bucket alg 'straw9'/],
    [/tunable choose_total_tries/, 'tunable choose_luck', /tunable choose_luck not recognized/],
    [/type host\n/, 'type hostel\n', /type 'hostel' not defined/],
    [/step take default/, 'step take elsewhere', /item 'elsewhere' not defined/],
    [/weight 1.000/, 'weight 101', /device weight limited to 100/],
    [/item osd.1 weight 1.000/, 'item osd.1 weight 1.000 pos 7', /pos 7 >= size 7/],
    [/id -2\t/, 'id -1\t', /Duplicate bucket id -1/],
  ];
  for (const [from, to, message] of refused) {
    assert.ok(from.test(TEXT), String(from));
    assert.throws(
      () => compileCrushMap(TEXT.replace(from, to)),
      (error: unknown) => error instanceof CrushCompileError && message.test(error.message),
      to,
    );
  }
});

test('hierarchies that cannot be walked are refused', () => {
  const decode = (change: (map: CrushMap) => void): CrushMap => {
    const map = sample(2, 2);
    change(map);
    return decodeCrushMap(encodeCrushMap(map));
  };
  const host = (map: CrushMap): number[] => map.bucket(map.itemId('h0')!)!.items;
  const fails = (change: (map: CrushMap) => void, message: RegExp): void => {
    assert.throws(
      () => decode(change),
      (error: unknown) => error instanceof DecodeError && message.test(error.message),
    );
  };
  fails((map) => host(map).splice(0, 1, -1), /bucket -\d is within itself/);
  fails((map) => host(map).splice(0, 1, -99), /holds bucket -99, which does not exist/);
  fails((map) => host(map).splice(0, 1, 2 ** 30), /device \d+ is beyond/);
  fails((map) => {
    map.bucket(-1)!.id = -3;
  }, /bucket -1 says it is -3/);
  // Links that double at each of forty levels.
  fails((map) => {
    let below = map.itemId('h0')!;
    for (let level = 0; level < 40; level++) below = addBucket(map, 3, [below, below], [1, 1]);
  }, /more than \d+ places/);
});

test('a mapping that would not end is stopped', () => {
  const map = sample(1, 1);
  const root = map.itemId('default')!;
  map.tunables.chooseTotalTries = 0xfffffff0;
  const take = { op: ruleOp.TAKE, arg1: root, arg2: 0 };
  const emit = { op: ruleOp.EMIT, arg1: 0, arg2: 0 };
  for (const op of [ruleOp.CHOOSE_FIRSTN, ruleOp.CHOOSE_INDEP]) {
    const rule = { ruleset: 9, type: 1, minSize: 1, maxSize: 10, steps: [take, { op, arg1: 0, arg2: 0 }, emit] };
    const id = addRule(map, rule);
    assert.throws(
      () => doRule(map, id, 1, 3, [0]),
      (error: unknown) => error instanceof ErrnoError && error.errnoName === 'ELOOP',
    );
  }
  // Not even where the map itself was broken by hand: what is no bucket is passed over, a cycle is left.
  const broken = sample(2, 1);
  broken.bucket(broken.itemId('h0')!)!.items[0] = broken.itemId('default')!;
  broken.changed();
  assert.ok(doRule(broken, 0, 1, 3, [0x10000, 0x10000]).length <= 3);
});

test('a tree of impossible shape counts as empty', () => {
  const map = new CrushMap();
  map.typeNames = new Map([
    [0, 'osd'],
    [1, 'root'],
  ]);
  const id = addBucket(map, 1, [0, 1, 2], [1, 1, 1], { alg: bucketAlg.TREE });
  const tree = map.bucket(id)!;
  assert.ok(tree.alg === bucketAlg.TREE);
  tree.nodeWeights = [0, 0, 0];
  addRule(map, {
    ruleset: 0,
    type: 1,
    minSize: 1,
    maxSize: 10,
    steps: [
      { op: ruleOp.TAKE, arg1: id, arg2: 0 },
      { op: ruleOp.CHOOSE_FIRSTN, arg1: 0, arg2: 0 },
      { op: ruleOp.EMIT, arg1: 0, arg2: 0 },
    ],
  });
  map.finalize();
  assert.deepEqual(doRule(map, 0, 1, 2, [0x10000, 0x10000, 0x10000]), []);
});

test('damaged maps give a DecodeError or a map, and a map maps or says why not', () => {
  const good = encodeCrushMap(sample(3, 2));
  const weights = new Array<number>(6).fill(0x10000);
  for (let round = 0; round < 2000; round++) {
    const bytes = good.slice(0, round % 5 === 0 ? below(good.length) : good.length);
    for (let i = 0; i < 1 + below(3); i++) bytes[below(bytes.length)] = below(4) === 0 ? 0xff : below(256);
    let map: CrushMap;
    try {
      map = decodeCrushMap(bytes);
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
      continue;
    }
    // Tries that were turned into billions would take their seconds to be stopped; that is another test's.
    map.tunables.chooseTotalTries = Math.min(map.tunables.chooseTotalTries, 50);
    try {
      encodeCrushMap(map);
      doRule(map, 0, round, 3, weights);
    } catch (error) {
      assert.ok(error instanceof ErrnoError, String(error));
    }
  }
});

test('a shadow with an id far out is refused, not given a table of that length', () => {
  const text = [
    'device 0 osd.0 class hdd',
    'type 0 osd',
    'type 1 root',
    'root default {\n\tid -1\n\tid -169220804 class hdd\n\talg straw2\n\thash 0\n\titem osd.0 weight 1.000\n}',
    'rule r {\n\tid 0\n\ttype replicated\n\tmin_size 1\n\tmax_size 10\n\tstep take default class hdd\n\tstep choose firstn 0 type osd\n\tstep emit\n}\n',
  ].join('\n');
  assert.throws(() => compileCrushMap(text), /bucket id -169220804 is out of range/);
});

test('first descents of all places together map as one place after the other does', () => {
  for (let round = 0; round < 60; round++) {
    // Odd and even buckets, so few hosts that they collide, and weights that leave devices out.
    const perHost = 1 + below(5);
    const hosts = 1 + below(9);
    const map = sample(hosts, perHost);
    if (round % 4 === 3) createOrMoveItem(map, 0, 3, 'osd.0', parseLocation(['host=h0', 'root=default']));
    map.tunables.chooseleafVaryR = below(4);
    map.tunables.chooseleafStable = below(2);
    map.tunables.chooseleafDescendOnce = below(2);
    map.tunables.chooseLocalTries = below(2);
    map.tunables.chooseTotalTries = below(2) * 50;
    const weights = Array.from({ length: hosts * perHost }, () => [0x10000, 0x10000, 0x10000, 0x8000, 0][below(5)]!);
    const type = below(2);
    const op = round % 3 === 0 ? ruleOp.CHOOSE_FIRSTN : ruleOp.CHOOSELEAF_FIRSTN;
    const steps = [
      { op: ruleOp.TAKE, arg1: -1, arg2: 0 },
      { op, arg1: below(3), arg2: type },
      { op: ruleOp.EMIT, arg1: 0, arg2: 0 },
    ];
    const rule = addRule(map, { ruleset: 1, type: 1, minSize: 1, maxSize: 10, steps });
    const together = new Mapper(map, 'plain');
    const oneByOne = new Mapper(map, 'plain');
    // Tries are counted in the general form.
    oneByOne.triesHistogram = new Uint32Array(100);
    for (let i = 0; i < 200; i++) {
      const x = random.u32();
      const size = 1 + below(20);
      assert.deepEqual(together.doRule(rule, x, size, weights), oneByOne.doRule(rule, x, size, weights));
      assert.equal(together.unseen, oneByOne.unseen);
    }
  }
});
