import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../../base/index.ts';
import {
  addErasureRule,
  addSimpleRule,
  adjustItemWeight,
  bucketAlg,
  CrushMap,
  DEFAULT_TYPES,
  encodeCrushMap,
  insertItem,
  parentOfType,
  weightToFixed,
} from '../../crush/index.ts';
import {
  balancePgUpmaps,
  CRUSH_ITEM_NONE,
  cleanPgUpmaps,
  OSD_IN,
  OSDMap,
  OSDMapIncremental,
  osdState,
  PgPool,
  PgTable,
  poolFlag,
  poolType,
} from '../index.ts';

const HOST = DEFAULT_TYPES.indexOf('host');

/** A cluster of 4 to 9 hosts in 2 to 4 racks, devices of one size or of three, one replicated pool over hosts and maybe one erasure-coded. */
function cluster(random: SeededEntropy): OSDMap {
  const below = (n: number): number => entropyBelow(random, n);
  const crush = new CrushMap();
  crush.typeNames = new Map(DEFAULT_TYPES.map((name, id) => [id, name]));
  const hosts = 4 + below(6);
  const racks = 2 + below(3);
  const perHost = 1 + below(4);
  // Where hosts differ much in size, failure domains may forbid an even share.
  const sizes = below(2) === 0 ? [1] : [1, 1.25, 1.5];
  let osds = 0;
  for (let host = 0; host < hosts; host++) {
    for (let i = 0; i < perHost; i++) {
      const location = new Map([
        ['host', `h${host}`],
        ['rack', `r${host % racks}`],
        ['root', 'default'],
      ]);
      insertItem(crush, osds, sizes[below(sizes.length)]!, `osd.${osds}`, location);
      osds++;
    }
  }
  addSimpleRule(crush, { name: 'rep', root: 'default', failureDomain: 'host', mode: 'firstn' });
  addErasureRule(crush, { name: 'ec', root: 'default', failureDomain: 'host' }, 4);
  crush.finalize();
  const pool = (type: number, size: number, crushRule: number, pgNum: number): PgPool =>
    new PgPool({
      ...{ type, size, crushRule, pgNum, minSize: 2, flags: poolFlag.HASHPSPOOL },
      ...{ pgNumPending: pgNum, pgNumTarget: pgNum, pgpNum: pgNum, pgpNumTarget: pgNum },
    });
  const pools = new Map([[1, pool(poolType.REPLICATED, 2 + below(2), 0, 64 << below(2))]]);
  if (below(2) === 0) pools.set(2, pool(poolType.ERASURE, 4, 1, 32));
  return new OSDMap({
    epoch: 1,
    crushBytes: encodeCrushMap(crush),
    pools,
    poolNames: new Map([...pools.keys()].map((id) => [id, `p${id}`])),
  })
    .withMaxOsd(osds)
    .with({
      osdState: Array<number>(osds).fill(osdState.EXISTS | osdState.UP),
      osdWeight: Array<number>(osds).fill(OSD_IN),
    });
}

/** No two OSDs of a PG on one host, every place filled. */
function assertDomains(map: OSDMap, what: string): void {
  for (const [id, pool] of map.pools) {
    for (let seed = 0; seed < pool.pgNum; seed++) {
      const { up } = map.pgMapping(id, seed);
      const set = up.filter((osd) => osd !== CRUSH_ITEM_NONE);
      assert.equal(set.length, pool.size, `${what}: ${id}.${seed} has ${up}`);
      const hosts = new Set(set.map((osd) => parentOfType(map.crush, osd, HOST)));
      assert.equal(hosts.size, set.length, `${what}: ${id}.${seed} has ${up}, two of them on one host`);
    }
  }
}

/** Most PGs that any OSD has more, or less, than its share of one pool; shares by weight. */
function deviation(map: OSDMap, pool: number): number {
  const counts = new PgTable(map).upCounts([pool]);
  const weights = Array.from({ length: map.maxOsd }, (_, osd) => weightOf(map, osd));
  const total = weights.reduce((a, b) => a + b, 0);
  const placed = map.pools.get(pool)!.pgNum * map.pools.get(pool)!.size;
  return Math.max(...weights.map((weight, osd) => Math.abs(counts[osd]! - (weight / total) * placed)));
}

function weightOf(map: OSDMap, osd: number): number {
  for (const bucket of map.crush.buckets) {
    if (bucket === undefined || bucket.type !== HOST || bucket.alg !== bucketAlg.STRAW2) continue;
    const at = bucket.items.indexOf(osd);
    if (at >= 0) return bucket.itemWeights[at]!;
  }
  return 0;
}

/** A host may not have more than one copy of each PG, whatever its weight. */
function isEvenPossible(map: OSDMap, pool: number): boolean {
  const hosts = map.crush.buckets.filter((bucket) => bucket?.type === HOST).map((bucket) => bucket!.weight);
  const total = hosts.reduce((a, b) => a + b, 0);
  return Math.max(...hosts) * map.pools.get(pool)!.size <= total;
}

/** All changes that `balancePgUpmaps` finds for each pool, applied. */
function balanced(map: OSDMap): OSDMap {
  let at = map;
  for (const id of map.pools.keys()) {
    const inc = new OSDMapIncremental(at.epoch + 1, { fsid: at.fsid });
    balancePgUpmaps(at, { maxDeviation: 1, maxChanges: 10_000, pools: [id] }, inc);
    at = at.apply(inc);
  }
  return at;
}

test('upmap optimizer: random clusters come within one PG of each share, and no failure domain breaks', () => {
  const random = new SeededEntropy(3);
  let checked = 0;
  for (let round = 0; round < 40; round++) {
    const map = cluster(random);
    const what = `cluster ${round}`;
    const after = balanced(map);
    assertDomains(after, what);
    for (const id of map.pools.keys()) {
      if (!isEvenPossible(map, id)) continue;
      checked++;
      const off = deviation(after, id);
      assert.ok(off <= 1, `${what}: pool ${id} is off by ${off.toFixed(2)} (was ${deviation(map, id).toFixed(2)})`);
    }
    // It is stable: nothing to clean up, nothing more to do.
    const more = new OSDMapIncremental(after.epoch + 1, { fsid: after.fsid });
    assert.equal(cleanPgUpmaps(after, more), false, `${what}: of its own items some were idle`);
    assert.equal(balancePgUpmaps(after, { maxDeviation: 1, maxChanges: 10, pools: [1] }, more), 0, what);
  }
  assert.ok(checked >= 40, `${checked} pools could be even`);
});

test('upmap optimizer: after an OSD goes out, is reweighted or fills up, domains still hold', () => {
  const random = new SeededEntropy(4);
  for (let round = 0; round < 15; round++) {
    let map = balanced(cluster(random));
    const inc = new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid });
    const victim = entropyBelow(random, map.maxOsd);
    if (round % 2 === 0) inc.newWeight.set(victim, 0x8000);
    else {
      const crush = new OSDMap({ crushBytes: map.crushBytes }).crush;
      adjustItemWeight(crush, victim, weightToFixed(1.1));
      inc.crush = encodeCrushMap(crush);
    }
    map = map.apply(inc);
    const clean = new OSDMapIncremental(map.epoch + 1, { fsid: map.fsid });
    cleanPgUpmaps(map, clean);
    map = balanced(map.apply(clean));
    assertDomains(map, `cluster ${round}`);
  }
});
