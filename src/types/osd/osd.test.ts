import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../../base/index.ts';
import { type Codec, decodeFromBytes, encodeText, encodeToBytes } from '../../encoding/index.ts';
import { IntervalSet } from '../interval-set.ts';
import { stableMod, stableModMask } from '../str-hash.ts';
import {
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  compareBytes,
  compareGhobject,
  compareHobject,
  compareText,
  eversion,
  eversionKey,
  eversionMax,
  extentSet,
  extentsAll,
  formatEversion,
  formatGhobject,
  formatHobject,
  formatPgState,
  formatSnapid,
  formatSpgId,
  Ghobject,
  ghobject,
  ghobjectMax,
  ghobjectMin,
  Hobject,
  hobject,
  hobjectMax,
  hobjectMin,
  makeSpgId,
  matchHash,
  PastIntervals,
  type PgInterval,
  packPerfCounters,
  parseGhobject,
  parseHobject,
  parsePgCollection,
  parsePgState,
  parseSpgId,
  pastIntervals,
  perfCounterKind,
  pgAncestor,
  pgHobjectEnd,
  pgHobjectStart,
  pgMergeTarget,
  pgSplitBits,
  pgSplitChildren,
  pgState,
  reverseBits,
  snapid,
  snapidFromBigint,
  snapidToBigint,
  span_ns,
  unpackPerfCounters,
} from './index.ts';

function hex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
}

function roundTrip<T>(codec: Codec<T>, value: T): T {
  return decodeFromBytes(codec, encodeToBytes(codec, value));
}

test('snapids: the marks at the top of 64 bits keep their order and their bytes', () => {
  assert.equal(hex(encodeToBytes(snapid, CEPH_NOSNAP)), 'feffffffffffffff');
  assert.equal(hex(encodeToBytes(snapid, CEPH_SNAPDIR)), 'ffffffffffffffff');
  for (const s of [0, 1, 2 ** 40, CEPH_NOSNAP, CEPH_SNAPDIR]) {
    assert.equal(roundTrip(snapid, s), s);
    assert.equal(snapidFromBigint(snapidToBigint(s)), s);
  }
  assert.ok(2 ** 52 < CEPH_NOSNAP && CEPH_NOSNAP < CEPH_SNAPDIR);
  assert.deepEqual(
    [formatSnapid(CEPH_NOSNAP), formatSnapid(CEPH_SNAPDIR), formatSnapid(26)],
    ['head', 'snapdir', '1a'],
  );
});

test('versions: print, key, and the largest', () => {
  assert.equal(formatEversion({ epoch: 12, version: 345 }), "12'345");
  assert.equal(eversionKey({ epoch: 12, version: 345 }), '0000000012.00000000000000000345');
  assert.equal(eversionKey({ epoch: 13, version: 345 }), '0000000013.00000000000000000345');
  assert.equal(eversionKey({ epoch: 13, version: 1345 }), '0000000013.00000000000000001345');
  assert.equal(eversionKey({ epoch: 12, version: 999 }), '0000000012.00000000000000000999');
  assert.equal(hex(encodeToBytes(eversion, eversionMax)), 'ffffffffffffffffffffffff');
  assert.deepEqual(roundTrip(eversion, eversionMax), eversionMax);
});

/** Objects in the form of Ceph's logs and tools. */
const PRINTED = [
  'MIN',
  'MAX',
  '2:c8a5e3f7:::obj1:head',
  '2:00000000:::rbd_header.1071ab:2',
  '5:8a1f1d09:ns1:k1:loc%2fobj:snapdir',
  '-1:6ee0d2f4:::osd_superblock:0',
  '-4:12345678:::temp_recovering_2.0_5%3a1:head',
];

test('objects print as Ceph prints them, and are read back', () => {
  for (const text of PRINTED) {
    const parsed = parseHobject(text.replace('snapdir', 'ffffffffffffffff'));
    assert.ok(parsed !== undefined, text);
    assert.equal(formatHobject(parsed), text);
    assert.equal(roundTrip(hobject, parsed).mapKey, parsed.mapKey);
  }
  for (const text of ['GHMIN', 'GHMAX', '#2:c8a5e3f7:::obj1:head#', '1#2:c8a5e3f7:::obj1:head#ff']) {
    const parsed = parseGhobject(text);
    assert.ok(parsed !== undefined, text);
    assert.equal(formatGhobject(parsed), text);
    assert.equal(roundTrip(ghobject, parsed).mapKey, parsed.mapKey);
  }
  assert.equal(parseHobject('2:xyz:::a:head'), undefined);
});

test('byte strings are ordered by their bytes', () => {
  const random = new SeededEntropy(5);
  const pieces = ['a', 'b', 'é', '\udc80', '\udcff', '日', '\ue000', '🦑', '\uffff', ''];
  const draw = () => Array.from({ length: 3 }, () => pieces[entropyBelow(random, pieces.length)]!).join('');
  for (let i = 0; i < 3000; i++) {
    const a = draw();
    const b = draw();
    assert.equal(Math.sign(compareText(a, b)), Math.sign(compareBytes(encodeText(a), encodeText(b))), `${a} ${b}`);
  }
});

test('objects are in order of pool, reversed hash, namespace, key, name, snapshot', () => {
  const make = (pool: number, hash: number, ns: string, key: string, name: string, snap: number) =>
    new Hobject(name, key, snap, hash, pool, ns);
  const ordered = [
    hobjectMin,
    make(-1, 5, '', '', 'meta', 0),
    make(1, reverseBits(1), '', '', 'z', CEPH_NOSNAP),
    make(1, reverseBits(2), '', '', 'a', 4),
    make(1, reverseBits(2), '', '', 'a', CEPH_NOSNAP),
    make(1, reverseBits(2), '', '', 'a', CEPH_SNAPDIR),
    make(1, reverseBits(2), '', 'b', 'a', CEPH_NOSNAP),
    make(1, reverseBits(2), '', '', 'b', CEPH_NOSNAP),
    make(1, reverseBits(2), 'n', '', 'a', CEPH_NOSNAP),
    make(1, reverseBits(0xffffffff), '', '', 'a', CEPH_NOSNAP),
    make(2, 0, '', '', '', 0),
    hobjectMax,
  ];
  for (let i = 0; i < ordered.length; i++) {
    for (let j = 0; j < ordered.length; j++) {
      assert.equal(
        Math.sign(compareHobject(ordered[i]!, ordered[j]!)),
        Math.sign(i - j),
        `${ordered[i]} ${ordered[j]}`,
      );
    }
  }
  const keys = new Set(ordered.map((o) => o.mapKey));
  assert.equal(keys.size, ordered.length);
  const o = ordered[4]!;
  const shards = [ghobjectMin, new Ghobject(o), new Ghobject(o, 5, 0), new Ghobject(o, undefined, 0), ghobjectMax];
  for (let i = 1; i < shards.length; i++) assert.ok(compareGhobject(shards[i - 1]!, shards[i]!) < 0);
});

test('PGs: names, and what splits and merges do to objects', () => {
  assert.deepEqual(parseSpgId('1.2as0'), makeSpgId(1, 0x2a, 0));
  assert.equal(formatSpgId(makeSpgId(1, 0x2a)), '1.2a');
  assert.deepEqual(parsePgCollection('1.2as1_head'), makeSpgId(1, 0x2a, 1));
  assert.equal(parsePgCollection('meta'), undefined);
  const random = new SeededEntropy(9);
  const pgOf = (hash: number, pgNum: number) => ({ pool: 1, seed: stableMod(hash, pgNum, stableModMask(pgNum)) });
  for (let i = 0; i < 4000; i++) {
    const oldNum = 1 + entropyBelow(random, 70);
    const newNum = oldNum + entropyBelow(random, 200);
    const hash = random.u32();
    const before = pgOf(hash, oldNum);
    const after = pgOf(hash, newNum);
    const where = `${hash.toString(16)} ${oldNum} ${newNum}`;
    assert.equal(pgAncestor(after, oldNum).seed, before.seed, where);
    if (after.seed !== before.seed) {
      assert.ok(
        pgSplitChildren(before, oldNum, newNum).some((c) => c.seed === after.seed),
        where,
      );
      assert.equal(pgMergeTarget(after, newNum, oldNum)?.seed, before.seed, where);
    }
    const object = new Hobject('x', '', CEPH_NOSNAP, hash, 1, '');
    for (const pg of [after, { pool: 1, seed: entropyBelow(random, newNum) }]) {
      const inside = pg.seed === after.seed;
      assert.equal(matchHash(hash, pgSplitBits(pg, newNum), pg.seed), inside, where);
      const start = compareHobject(pgHobjectStart(pg), object) <= 0;
      const end = compareHobject(object, pgHobjectEnd(pg, newNum)) < 0;
      assert.equal(start && end, inside, where);
    }
  }
});

test('states print in the order of Ceph', () => {
  assert.equal(formatPgState(pgState.CLEAN | pgState.ACTIVE), 'active+clean');
  assert.equal(
    formatPgState(pgState.ACTIVE | pgState.CLEAN | pgState.SCRUBBING | pgState.DEEP_SCRUB),
    'active+clean+scrubbing+deep',
  );
  assert.equal(formatPgState(0n), 'unknown');
  assert.equal(parsePgState('deep'), pgState.DEEP_SCRUB);
  assert.equal(parsePgState('no such'), undefined);
});

test('ranges that go to the end of all offsets keep their bytes', () => {
  assert.equal(hex(encodeToBytes(extentSet, extentsAll)), '010000000000000000000000ffffffffffffffff');
  const dirty = extentsAll.erase(4096, 8192);
  const bytes = encodeToBytes(extentSet, dirty);
  assert.equal(hex(bytes.subarray(20)), '0030000000000000ffcfffffffffffff');
  assert.ok(decodeFromBytes(extentSet, bytes).equals(dirty));
  assert.ok(roundTrip(extentSet, IntervalSet.of([1, 2], [8, 9])).equals(IntervalSet.of([1, 2], [8, 9])));
});

test('spans may be negative', () => {
  for (const ns of [0, 1, -1, 1_500_000_000, -2_000_000_001]) assert.equal(roundTrip(span_ns, ns), ns);
});

test('past intervals keep those that may have been written and are not superseded', () => {
  const interval = (acting: number[], first: number, last: number, maybeWentRw: boolean): PgInterval => ({
    up: acting,
    acting,
    first,
    last,
    maybeWentRw,
    primary: acting[0]!,
    upPrimary: acting[0]!,
  });
  let p = PastIntervals.empty;
  assert.ok(p.isEmpty);
  p = p.add(false, interval([0, 1, 2], 10, 20, true));
  p = p.add(false, interval([1, 2], 21, 30, true));
  p = p.add(false, interval([2], 31, 35, false));
  p = p.add(false, interval([0, 2], 36, 50, true));
  assert.equal(String(p), '([10,50] all_participants=0,1,2 intervals=([21,30] acting 1,2),([36,50] acting 0,2))');
  assert.deepEqual(p.bounds, [10, 51]);
  assert.deepEqual(
    [...p.maybeRwBackTo(31)].map((i) => i.first),
    [36],
  );
  assert.equal(String(roundTrip(pastIntervals, p)), String(p));
  assert.throws(() => p.add(false, interval([1], 40, 45, true)), RangeError);
  const erasure = PastIntervals.empty.add(true, interval([3, 0x7fffffff, 1], 1, 2, true));
  assert.equal(String(erasure), '([1,2] all_participants=1(2),3(0) intervals=([1,2] acting 1(2),3(0)))');
});

test('counters pack and unpack', () => {
  const type = (path: string, kind: number) => ({ path, description: '', nick: '', type: kind, priority: 5, unit: 1 });
  const types = [
    type('osd.op', perfCounterKind.U64 | perfCounterKind.COUNTER),
    type('osd.op_latency', perfCounterKind.TIME | perfCounterKind.LONGRUNAVG),
  ];
  const packed = packPerfCounters([
    [types[0]!, { value: 7 }],
    [types[1]!, { value: 1_000_000, count: 3 }],
  ]);
  assert.deepEqual(
    [...unpackPerfCounters(packed, types)],
    [
      ['osd.op', { value: 7 }],
      ['osd.op_latency', { value: 1_000_000, count: 3 }],
    ],
  );
});
