import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeOSDMapIncremental,
  dumpOSDMap,
  encodeOSDMapIncremental,
  feature,
  minCompatClient,
  OSD_IN,
  OSDMap,
  OSDMapIncremental,
  PgTable,
  pgKey,
  printOSDMap,
  release,
  toJson,
} from '../index.ts';
import { corpusBytes } from '../testing/corpus.ts';

const base = OSDMap.decode(corpusBytes('maps/osdmap-179.bin'));
const pacific = base.encodingFeatures;
const reef = pacific | feature.SERVER_REEF;

/** A PG all of whose OSDs are there and in, and the map in which its last one leads. */
function led(): { pool: number; seed: number; before: readonly number[]; map: OSDMap; inc: OSDMapIncremental } {
  for (const [pool, { pgNum }] of base.pools) {
    for (let seed = 0; seed < pgNum; seed++) {
      const before = base.pgToRawUpmap({ pool, seed });
      if (before.length < 2 || before.some((osd) => base.osdWeight[osd] !== OSD_IN)) continue;
      const inc = new OSDMapIncremental(base.epoch + 1, { fsid: base.fsid });
      inc.newPgUpmapPrimaries.set(pgKey(pool, seed), before.at(-1)!);
      return { pool, seed, before, map: base.apply(inc), inc };
    }
  }
  throw new Error('no such PG');
}

test('pg_upmap_primary: the OSD changes places with the first, unless it is out or not of the set', () => {
  const { pool, seed, before, map } = led();
  const [first, ...rest] = before;
  const c = rest.pop()!;
  assert.deepEqual(map.pgToRawUpmap({ pool, seed }), [c, ...rest, first]);
  const out = map.with({ osdWeight: map.osdWeight.map((weight, osd) => (osd === c ? 0 : weight)) });
  assert.notEqual(out.pgToRawUpmap({ pool, seed })[0], c);
  const stranger = map.with({ pgUpmapPrimaries: new Map([[pgKey(pool, seed), 999]]) });
  assert.deepEqual(stranger.pgToRawUpmap({ pool, seed }), before);
  const table = new PgTable(base);
  table.update(map);
  assert.deepEqual(table.get(pool, seed), map.pgMapping(pool, seed));
});

test('pg_upmap_primary is written for receivers that know it, as Ceph 19 writes it, and for no other', () => {
  const { pool, seed, before, map, inc } = led();
  // Nothing of it in a map without: the very bytes of Ceph 16.
  assert.deepEqual(base.encode(reef).bytes, base.encode(pacific).bytes);
  const old = OSDMap.decode(map.encode(pacific).bytes);
  assert.equal(old.pgUpmapPrimaries.size, 0);
  const { bytes } = map.encode(reef);
  // The clients' part: version 10, with one entry at its end: count, pg_t (u8 version, u64 pool, u32 seed, s32 -1), osd.
  assert.equal(bytes[6], 10);
  const end = 12 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  const tail = new DataView(bytes.buffer, bytes.byteOffset + end - 25, 25);
  assert.equal(tail.getUint32(0, true), 1);
  assert.equal(tail.getUint8(4), 1);
  assert.equal(Number(tail.getBigUint64(5, true)), pool);
  assert.equal(tail.getUint32(13, true), seed);
  assert.equal(tail.getInt32(17, true), -1);
  assert.equal(tail.getInt32(21, true), before.at(-1));
  const again = OSDMap.decode(bytes);
  assert.deepEqual(again.pgUpmapPrimaries, map.pgUpmapPrimaries);
  assert.deepEqual(again.encode(reef).bytes, bytes);
  inc.oldPgUpmapPrimaries.add(pgKey(pool, seed + 1));
  const incBytes = encodeOSDMapIncremental(inc, reef).bytes;
  const decoded = decodeOSDMapIncremental(incBytes);
  assert.deepEqual(decoded.newPgUpmapPrimaries, inc.newPgUpmapPrimaries);
  assert.deepEqual(decoded.oldPgUpmapPrimaries, inc.oldPgUpmapPrimaries);
  assert.equal(decodeOSDMapIncremental(encodeOSDMapIncremental(inc, pacific).bytes).newPgUpmapPrimaries.size, 0);
});

test('pg_upmap_primary asks for Reef clients and shows in dumps only where there is one', () => {
  const { map, pool, seed, before } = led();
  assert.equal(minCompatClient(map), release.REEF);
  assert.ok(printOSDMap(map).includes(`pg_upmap_primary ${pool}.${seed.toString(16)} ${before.at(-1)}\n`));
  assert.ok(toJson((f) => dumpOSDMap(map, f)).includes('"pg_upmap_primaries":[{'));
  assert.ok(!toJson((f) => dumpOSDMap(base, f)).includes('pg_upmap_primaries'));
  const gone = new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid });
  gone.oldPgUpmapPrimaries.add(pgKey(pool, seed));
  assert.deepEqual(map.apply(gone).pgToRawUpmap({ pool, seed }), before);
});
