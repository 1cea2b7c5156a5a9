import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../base/index.ts';
import { type Codec, DecodeError, decodeFromBytes, encodeToBytes, Reader } from '../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  decodeOSDMapIncremental,
  dumpFsMap,
  dumpMgrMap,
  dumpMonMap,
  dumpOSDMap,
  dumpOsdTree,
  EntityAddr,
  encodeOSDMapIncremental,
  type Formatter,
  feature,
  fsMap,
  fsMapEmpty,
  JsonFormatter,
  mgrMap,
  monMap,
  OSD_IN,
  OSDMap,
  OSDMapIncremental,
  osdState,
  PgPool,
  PgTable,
  pickPrimary,
  printFsMap,
  printMonMap,
  printOSDMap,
  printOsdTree,
  sealIncremental,
  toJson,
} from './index.ts';
import { corpusBytes, corpusText } from './testing/corpus.ts';

const LAST = 179;

/** The incrementals of a cluster's whole life, in order. */
function incrementals(): Uint8Array[] {
  const all = corpusBytes('maps/osdmap-incrementals.bin');
  const r = new Reader(all);
  const list: Uint8Array[] = [];
  while (r.remaining > 0) list.push(r.blob());
  return list;
}

function same(ours: Uint8Array, ceph: Uint8Array, what: string): void {
  assert.ok(Buffer.from(ours).equals(Buffer.from(ceph)), what);
}

/** The maps of all epochs; each is checked against the crc that its incremental promises. */
let chain: OSDMap[] | undefined;
function maps(): OSDMap[] {
  if (chain !== undefined) return chain;
  chain = [new OSDMap()];
  for (const bytes of incrementals()) {
    const inc = decodeOSDMapIncremental(bytes);
    const next = chain.at(-1)!.apply(inc);
    assert.equal(next.encode(inc.encodeFeatures).crc, inc.fullCrc, `crc of epoch ${inc.epoch}`);
    chain.push(next);
  }
  return chain;
}

test("incrementals: encode after decode gives Ceph's bytes", () => {
  for (const bytes of incrementals()) {
    const inc = decodeOSDMapIncremental(bytes);
    same(encodeOSDMapIncremental(inc, inc.encodeFeatures).bytes, bytes, `incremental ${inc.epoch}`);
  }
});

test("a chain of incrementals gives Ceph's map of every epoch", () => {
  const last = maps()[LAST]!;
  const full = corpusBytes(`maps/osdmap-${LAST}.bin`);
  same(last.encode().bytes, full, 'the last full map');
  same(OSDMap.decode(full).encode().bytes, full, 'the last full map, decoded and encoded');
});

test('PGs map where osdmaptool says', () => {
  // The map of Ceph 20.2.4 has chosen primaries (pg_upmap_primary).
  const later = OSDMap.decode(corpusBytes('maps/osdmap-20.2.4.bin'));
  assert.equal(later.pgUpmapPrimaries.size, 12);
  for (const epoch of [60, 100, LAST, '20.2.4'] as const) {
    const map = typeof epoch === 'string' ? later : maps()[epoch]!;
    let checked = 0;
    for (const line of corpusText(`maps/pgs-${epoch}.txt`).trim().split('\n')) {
      const pg = { pool: Number.parseInt(line, 10), seed: Number.parseInt(line.split('.')[1]!, 16) };
      const raw = map.pgToRawOsds(pg);
      const { up, upPrimary, acting, actingPrimary } = map.pgToUpActing(pg);
      const set = (osds: readonly number[], primary: number): string => `([${osds.join(',')}], p${primary})`;
      const ours = `raw ${set(raw, pickPrimary(raw))} up ${set(up, upPrimary)} acting ${set(acting, actingPrimary)}`;
      assert.equal(ours, line.slice(line.indexOf('raw')), `epoch ${epoch}, ${line}`);
      checked++;
    }
    assert.ok(checked >= 33);
  }
});

test('a stretch pool of Ceph 20.2.4 is what `osd pool stretch show` says', () => {
  const map = OSDMap.decode(corpusBytes('maps/osdmap-20.2.4-stretch.bin'));
  const { isStretchPool, peeringCrushBucketCount, peeringCrushBucketTarget, peeringCrushBucketBarrier } = map.pool(2)!;
  assert.deepEqual([peeringCrushBucketCount, peeringCrushBucketTarget], [2, 3]);
  assert.equal(map.crush.typeNames.get(peeringCrushBucketBarrier), 'zone');
  assert.ok(isStretchPool && !map.pool(1)!.isStretchPool);
});

test('the table of all PGs follows the maps, and does less than all again', () => {
  const table = new PgTable(maps()[0]!);
  let mapped = 0;
  let all = 0;
  for (const map of maps()) {
    table.update(map);
    mapped += table.work.mapped;
    for (const [id, pool] of map.pools) {
      for (let seed = 0; seed < pool.pgNum; seed++) {
        assert.deepEqual(table.get(id, seed), map.pgMapping(id, seed), `epoch ${map.epoch}, ${id}.${seed}`);
        all++;
      }
    }
  }
  assert.ok(mapped < all / 5, `${mapped} of ${all}`);
});

test('the table of all PGs follows weights up and down, in part and whole', () => {
  const random = new SeededEntropy(31);
  let map = maps()[LAST]!;
  const table = new PgTable(map);
  let mapped = 0;
  let all = 0;
  for (let step = 0; step < 150; step++) {
    const inc = new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid });
    for (let n = 1 + entropyBelow(random, 3); n > 0; n--) {
      const osd = entropyBelow(random, map.maxOsd);
      const kind = entropyBelow(random, 4);
      const weight = [0, OSD_IN, OSD_IN, entropyBelow(random, OSD_IN)][entropyBelow(random, 4)]!;
      if (kind < 3) inc.newWeight.set(osd, weight);
      else inc.newState.set(osd, osdState.UP);
    }
    map = map.apply(inc);
    table.update(map);
    mapped += table.work.mapped;
    for (const [id, pool] of map.pools) {
      for (let seed = 0; seed < pool.pgNum; seed++) {
        assert.deepEqual(table.get(id, seed), map.pgMapping(id, seed), `step ${step}, ${id}.${seed}`);
        all++;
      }
    }
  }
  assert.ok(mapped < all / 2, `${mapped} of ${all}`);
});

test('osd dump and osd tree are as Ceph prints them', () => {
  const map = maps()[LAST]!;
  assert.equal(printOSDMap(map), corpusText(`maps/osdmap-${LAST}.print.txt`));
  assert.equal(
    toJson((f) => dumpOSDMap(map, f)),
    corpusText(`maps/osdmap-${LAST}.dump.json`).trim(),
  );
  assert.equal(printOsdTree(map), corpusText(`maps/osdmap-${LAST}.tree.txt`));
  const pretty = new JsonFormatter(true);
  pretty.openObject('tree');
  dumpOsdTree(map, pretty);
  pretty.close();
  assert.equal(pretty.flush().trim(), corpusText(`maps/osdmap-${LAST}.tree.json`).trim());
});

test('a long blocklist is printed in the order in which Ceph prints it', () => {
  const map = OSDMap.decode(corpusBytes('maps/osdmap-227.bin'));
  assert.ok(map.blocklist.size > 40);
  assert.equal(printOSDMap(map), corpusText('maps/osdmap-227.print.txt'));
  const listed = (text: string): boolean => map.isBlocklisted(EntityAddr.parse(text)!);
  assert.ok(listed('v2:10.1.2.4:6800/99'), 'a whole host');
  assert.ok(listed('v1:10.7.1.1:1000/7919') && !listed('v1:10.7.1.1:1000/7920'), 'one instance');
  const ranges = maps()[LAST]!;
  assert.ok(ranges.isBlocklisted(EntityAddr.parse('v2:10.9.0.77:1/2')!), 'a network');
  assert.ok(!ranges.isBlocklisted(EntityAddr.parse('v2:10.9.1.77:1/2')!), 'the next network');
  assert.ok(ranges.isBlocklisted(EntityAddr.parse('v2:[fe80::1:2]:1/2')!), 'a network of IPv6');
});

function roundTrip<T>(codec: Codec<T>, name: string): T {
  const bytes = corpusBytes(name);
  const value = decodeFromBytes(codec, bytes);
  same(encodeToBytes(codec, value, CEPH_FEATURES_ALL), bytes, name);
  return value;
}

test('MonMap, MgrMap and FSMap: bytes, JSON and text', () => {
  const json = (fill: (f: Formatter) => void): string => toJson(fill);
  const mon = roundTrip(monMap, 'maps/monmap-1.bin');
  assert.equal(printMonMap(mon), corpusText('maps/monmap-1.print.txt'));
  // `mon dump` adds the quorum.
  const dumped = json((f) => dumpMonMap(mon, f));
  assert.equal(`${dumped.slice(0, -1)},"quorum":[0]}`, corpusText('maps/monmap-1.dump.json').trim());
  const mgr = roundTrip(mgrMap, 'maps/mgrmap-4.bin');
  assert.equal(
    json((f) => dumpMgrMap(mgr, f)),
    corpusText('maps/mgrmap-4.dump.json').trim(),
  );
  const fs = roundTrip(fsMap, 'maps/fsmap-6.bin');
  assert.equal(
    json((f) => dumpFsMap(fs, f)),
    corpusText('maps/fsmap-6.dump.json').trim(),
  );
  assert.equal(printFsMap(fs).trim(), corpusText('maps/fsmap-6.print.txt').trim());
  same(
    encodeToBytes(fsMap, { ...fsMapEmpty, epoch: 1 }),
    corpusBytes('maps/fsmap-1.bin'),
    'a new cluster has this FSMap',
  );
});

test('maps for older receivers hold the same, but for what those do not know', () => {
  const map = maps()[LAST]!.with({ rangeBlocklist: new Map() });
  const nautilus = map.encodingFeatures & ~(1n << 16n);
  const mimic = nautilus & ~(1n << 2n);
  const luminous = mimic & ~(1n << 28n);
  for (const features of [nautilus, mimic, luminous]) {
    const back = OSDMap.decode(map.encode(features).bytes);
    assert.deepEqual(back.pgUpmapItems, map.pgUpmapItems);
    assert.equal(back.clientAddrs[0]!.legacy.toString(), map.clientAddrs[0]!.legacy.toString());
    for (const id of map.pools.keys()) assert.equal(back.pools.get(id)!.pgNum, map.pools.get(id)!.pgNum);
    assert.deepEqual(back.pgToUpActing({ pool: 2, seed: 5 }), map.pgToUpActing({ pool: 2, seed: 5 }));
  }
  assert.throws(() => map.encode(feature.OSDMAP_ENC), RangeError);
});

test('a monitor seals an incremental that others can apply', () => {
  const map = maps()[LAST]!;
  const inc = new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid, modified: { sec: 1_800_000_000, nsec: 5 } });
  inc.newPools.set(40, new PgPool({ size: 3, minSize: 2, pgNum: 8, pgpNum: 8, flags: 1 }));
  inc.newPoolNames.set(40, 'fresh');
  inc.newWeight.set(1, 0);
  const sealed = sealIncremental(map, inc);
  const received = decodeOSDMapIncremental(sealed.incremental.bytes);
  const applied = map.apply(received);
  same(applied.encode().bytes, sealed.full.bytes, 'the same map');
  assert.equal(received.fullCrc, sealed.full.crc);
  assert.equal(applied.poolId('fresh'), 40);
  assert.equal(applied.pools.get(40)!.lastChange, map.epoch + 1);
  assert.ok(applied.isOut(1) && map.isIn(1));
  assert.ok(!applied.pgToUpActing({ pool: 40, seed: 3 }).up.includes(1));
  assert.throws(() => applied.apply(received), RangeError);
});

test('objects hash to the PGs that `ceph osd map` names', () => {
  const map = maps()[LAST]!;
  assert.deepEqual(map.objectToPg(2, 'obj1'), { pool: 2, seed: map.pool(2)!.rawPgToPg(0x6cf8deff) });
  assert.equal(map.pool(2)!.hashKey('obj1'), 0x6cf8deff);
  assert.deepEqual(map.objectToPg(2, 'x', { key: 'obj1' }), map.objectToPg(2, 'obj1'));
  assert.notEqual(map.pool(2)!.hashKey('obj1', 'ns'), map.pool(2)!.hashKey('obj1'));
  assert.equal(map.objectToPg(99, 'obj1'), undefined);
});

test('damaged maps are refused, not crashed on', () => {
  const full = corpusBytes(`maps/osdmap-${LAST}.bin`);
  const refused = (bytes: Uint8Array, decode: (b: Uint8Array) => unknown): void => {
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
    }
  };
  for (let cut = 0; cut < full.length; cut += 97)
    assert.throws(() => OSDMap.decode(full.subarray(0, cut)), DecodeError);
  let state = 12345;
  const next = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % n;
  };
  const inputs: [Uint8Array, (b: Uint8Array) => unknown][] = [
    [full, (b) => OSDMap.decode(b)],
    [incrementals()[20]!, decodeOSDMapIncremental],
    [corpusBytes('maps/monmap-1.bin'), (b) => decodeFromBytes(monMap, b)],
    [corpusBytes('maps/fsmap-6.bin'), (b) => decodeFromBytes(fsMap, b)],
    [corpusBytes('maps/mgrmap-4.bin').subarray(0, 4000), (b) => decodeFromBytes(mgrMap, b)],
  ];
  for (const [bytes, decode] of inputs) {
    for (let i = 0; i < 60; i++) {
      const bad = bytes.slice();
      for (let k = 0; k < 3; k++) bad[next(bad.length)] = next(256);
      refused(bad, decode);
    }
  }
});
