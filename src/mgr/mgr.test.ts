import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Config } from '../config/index.ts';
import { encodeCrushMap, initialCrushMap } from '../crush/index.ts';
import { decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import {
  createFormatter,
  makeOsdStat,
  makePoolStat,
  makeStoreStatfs,
  OSDMap,
  osdState,
  PgPool,
  PgStat,
  parseCommand,
  pgMapDigest,
  pgMapSummaryText,
  pgState,
  utimeFromMs,
  validateArgs,
} from '../types/index.ts';
import type { MgrCommand, MgrReply } from './commands.ts';
import { CrushPlacement } from './crush-placement.ts';
import { pgHealthChecks } from './health.ts';
import { osdCommands } from './osd-commands.ts';
import { osdDfCommands } from './osd-df.ts';
import { pgCommands } from './pg-commands.ts';
import { PgMap } from './pg-map.ts';
import { RateWindow } from './rate-window.ts';
import type { MgrView } from './view.ts';

const GIB = 2 ** 30;
const START_MS = Date.UTC(2026, 10, 1);
const config = new Config({ cluster: 'ceph', type: 'mgr', id: 'x', host: 'h', pid: 1, daemon: true });
const corpus = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../corpus/mgr/${name}.json`, import.meta.url), 'utf8').toString());

/** A map of two OSDs, up and in, and a pool of four PGs. */
function makeMap(): OSDMap {
  const pool = new PgPool({ type: 1, size: 2, minSize: 1, pgNum: 4, pgpNum: 4, crushRule: 0 });
  return new OSDMap({
    epoch: 5,
    pools: new Map([[1, pool]]),
    poolNames: new Map([[1, 'data']]),
    crushBytes: encodeCrushMap(initialCrushMap()),
    fullRatio: 0.95,
  })
    .withMaxOsd(2)
    .with({ osdState: [osdState.EXISTS | osdState.UP, osdState.EXISTS | osdState.UP], osdWeight: [0x10000, 0x10000] });
}

function makePg(seed: number, state: bigint, objects: number): readonly [{ pool: number; seed: number }, PgStat] {
  const pg = new PgStat();
  pg.state = state;
  pg.reportedEpoch = 5;
  pg.reportedSeq = 10;
  pg.up = [0, 1];
  pg.acting = [0, 1];
  pg.upPrimary = 0;
  pg.actingPrimary = 0;
  pg.stats.numObjects = objects;
  pg.stats.numObjectCopies = objects * 2;
  pg.stats.numBytes = objects * 4096;
  pg.stats.numWr = objects;
  pg.stats.numWrKb = objects * 4;
  pg.lastActive =
    pg.lastClean =
    pg.lastPeered =
    pg.lastUnstale =
    pg.lastFullsized =
    pg.lastChange =
      utimeFromMs(START_MS);
  return [{ pool: 1, seed }, pg];
}

const CLEAN = pgState.ACTIVE | pgState.CLEAN;

function makePgMap(map: OSDMap, states: readonly bigint[] = [CLEAN, CLEAN, CLEAN, CLEAN]): PgMap {
  const pgMap = new PgMap(6, 10_000);
  pgMap.updateMap(map, START_MS);
  for (const osd of [0, 1]) {
    const osdStat = makeOsdStat();
    osdStat.statfs = { ...makeStoreStatfs(), total: 10 * GIB, available: 9 * GIB };
    osdStat.numOsds = osdStat.numPerPoolOsds = osdStat.numPerPoolOmapOsds = 1;
    osdStat.seq = 7n;
    const pgs = osd === 0 ? states.map((state, seed) => makePg(seed, state, 10)) : [];
    pgMap.report(
      { osd, osdStat, pgs, pools: [[1, { ...makeStoreStatfs(), allocated: 40 * 4096, dataStored: 40 * 4096 }]] },
      map,
    );
  }
  return pgMap;
}

function viewOf(map = makeMap(), pgMap = makePgMap(map)): MgrView {
  const placement = new CrushPlacement(map);
  return { osdMap: map, pgMap, placement, digest: pgMap.digest(map, placement), config, now_ms: START_MS + 1000 };
}

function run(commands: readonly MgrCommand[], text: string, view: MgrView): MgrReply {
  const given = parseCommand(text);
  const found = commands.find((c) => c.spec.prefix === given.prefix)!;
  return found.run({ args: validateArgs(found.spec, given), f: createFormatter(String(given.format ?? '')), view });
}

/** Members in order, all the way down; of lists the first element. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([k, v]) => [k, shape(v)]);
}

/** Shapes agree where both sides have something to show. */
function assertSameShape(ours: unknown, ceph: unknown, path = ''): void {
  if (Array.isArray(ours) && Array.isArray(ceph) && (ours.length === 0 || ceph.length === 0)) return;
  if (
    Array.isArray(ours) &&
    Array.isArray(ceph) &&
    Array.isArray(ours[0]) &&
    typeof (ours[0] as unknown[])[0] === 'string'
  ) {
    const names = (s: unknown[]): unknown[] => s.map((m) => (m as unknown[])[0]);
    assert.deepEqual(names(ours), names(ceph), path);
    ours.forEach((m, i) => {
      const [name, inner] = m as [string, unknown];
      assertSameShape(inner, (ceph[i] as unknown[])[1], `${path}.${name}`);
    });
  } else if (Array.isArray(ours) && Array.isArray(ceph)) assertSameShape(ours[0], ceph[0], `${path}[]`);
  else assert.equal(ours, ceph, path);
}

test('the digest sums what was reported and survives its encoding', () => {
  const { digest } = viewOf();
  assert.equal(digest.numPg, 4);
  assert.equal(digest.numPgActive, 4);
  assert.equal(digest.pgSum.stats.numObjects, 40);
  assert.equal(digest.osdSum.statfs.total, 20 * GIB);
  assert.deepEqual(digest.numPgByOsd.get(0), { acting: 4, upNotActing: 0, primary: 4 });
  assert.deepEqual(digest.osdLastSeq, [7n, 7n]);
  const back = decodeFromBytes(pgMapDigest, encodeToBytes(pgMapDigest, digest));
  assert.deepEqual(encodeToBytes(pgMapDigest, back), encodeToBytes(pgMapDigest, digest));
  assert.equal(
    pgMapSummaryText(back),
    '    pools:   1 pools, 4 pgs\n    objects: 40 objects, 160 KiB\n    usage:   2 GiB used, 18 GiB / 20 GiB avail\n    pgs:     4 active+clean\n',
  );
});

test('an older report does not overwrite a newer one; PGs go with their pool', () => {
  const map = makeMap();
  const pgMap = makePgMap(map);
  const [pgid, old] = makePg(0, pgState.PEERING, 1);
  old.reportedSeq = 9;
  pgMap.report({ osd: 0, osdStat: makeOsdStat(), pgs: [[pgid, old]], pools: [] }, map);
  assert.equal(pgMap.pgs.get('1.0')!.state, CLEAN);
  pgMap.updateMap(map.with({ pools: new Map() }), START_MS);
  assert.equal(pgMap.pgs.size, 0);
});

test('PGs of a primary that is down are stale', () => {
  const map = makeMap();
  const pgMap = makePgMap(map);
  pgMap.updateMap(map.with({ osdState: [osdState.EXISTS, osdState.EXISTS | osdState.UP] }), START_MS + 500);
  assert.equal(pgMap.pgs.get('1.2')!.state, CLEAN | pgState.STALE);
});

test('rates cover the last readings only', () => {
  const window = new RateWindow(2, 10_000);
  const at = (writes: number) => {
    const sum = makePoolStat();
    sum.stats.numWr = writes;
    return sum;
  };
  for (const [ms, writes] of [
    [0, 0],
    [2000, 100],
    [4000, 300],
    [6000, 600],
  ] as const)
    window.add(at(writes), ms);
  assert.equal(window.delta.stats.numWr, 500);
  assert.equal(window.span_ms, 4000);
  window.add(at(700), 60_000);
  assert.equal(window.span_ms, 0);
});

test('what PGs had counted before they were heard of is no rate; what they count afterwards is', () => {
  const map = makeMap();
  const pgMap = new PgMap(6, 10_000);
  const placement = new CrushPlacement(map);
  const report = (objects: number, seq: number): void => {
    const pgs = [0, 1, 2, 3].map((seed) => {
      const [pgid, pg] = makePg(seed, CLEAN, objects);
      pg.reportedSeq = seq;
      return [pgid, pg] as const;
    });
    pgMap.report({ osd: 0, osdStat: makeOsdStat(), pgs, pools: [] }, map);
  };
  pgMap.updateMap(map, START_MS);
  pgMap.tick(START_MS);
  report(1000, 1);
  pgMap.tick(START_MS + 2000);
  assert.equal(pgMap.digest(map, placement).pgSumDelta.stats.numWr, 0);
  assert.equal(pgMap.digest(map, placement).poolSumDelta.get(1)![0].stats.numWr, 0);
  report(1010, 2);
  pgMap.tick(START_MS + 4000);
  const digest = pgMap.digest(map, placement);
  assert.equal(digest.pgSumDelta.stats.numWr, 40);
  assert.equal(digest.poolSumDelta.get(1)![0].stats.numWr, 40);
  assert.equal(digest.pgSum.stats.numWr, 4040);
});

test('health checks say what Ceph says', () => {
  const map = makeMap();
  const pgMap = makePgMap(map, [CLEAN, pgState.ACTIVE | pgState.UNDERSIZED | pgState.DEGRADED, CLEAN, pgState.DOWN]);
  const pg = pgMap.pgs.get('1.1')!;
  pg.stats.numObjectsDegraded = 10;
  pg.lastFullsized = utimeFromMs(START_MS - 200_000);
  const digest = pgMap.digest(map, new CrushPlacement(map));
  const checks = pgHealthChecks(pgMap, digest, map, START_MS, { stuckAfter_s: 60, detail_max: 50 });
  assert.deepEqual(
    checks.map((c) => [c.code, c.summary]),
    [
      ['PG_AVAILABILITY', 'Reduced data availability: 1 pg down'],
      ['PG_DEGRADED', 'Degraded data redundancy: 10/80 objects degraded (12.500%), 1 pg degraded, 1 pg undersized'],
      ['POOL_APP_NOT_ENABLED', '1 pool(s) do not have an application enabled'],
    ],
  );
  assert.ok(
    checks[1]!.detail[0]!.startsWith(
      'pg 1.1 is stuck undersized for 3m, current state active+undersized+degraded, last acting [0,1]',
    ),
  );
});

test("pg dump, pg stat, osd df, osd perf, pool stats have the shape of Ceph's", () => {
  const view = viewOf();
  for (const [commands, text, sample] of [
    [pgCommands, '{"prefix":"pg dump","format":"json"}', 'pg-dump'],
    [pgCommands, '{"prefix":"pg stat","format":"json"}', 'pg-stat'],
    [osdDfCommands, '{"prefix":"osd df","format":"json"}', 'osd-df'],
    [osdCommands, '{"prefix":"osd perf","format":"json"}', 'osd-perf'],
    [osdCommands, '{"prefix":"osd pool stats","format":"json"}', 'osd-pool-stats'],
  ] as const) {
    const reply = run(commands, text, view);
    assert.equal(reply.rc, 0);
    assertSameShape(shape(JSON.parse(String(reply.out))), shape(corpus(sample)), sample);
  }
});

test('pg ls filters by state, OSD and pool', () => {
  const map = makeMap();
  const view = viewOf(map, makePgMap(map, [CLEAN, pgState.PEERING, CLEAN, CLEAN]));
  const ls = (args: string): number =>
    (
      JSON.parse(String(run(pgCommands, `{"prefix":"pg ls","format":"json"${args}}`, view).out)) as {
        pg_stats: unknown[];
      }
    ).pg_stats.length;
  assert.equal(ls(''), 4);
  assert.equal(ls(',"states":["peering"]'), 1);
  assert.equal(ls(',"states":["clean"]'), 3);
  assert.throws(() => ls(',"states":["sparkling"]'), /'sparkling' is not a valid pg state/);
  assert.throws(() => ls(',"pool":9'), /pool 9 does not exist/);
  assert.equal(
    String(run(pgCommands, '{"prefix":"pg ls-by-pool","poolstr":"data"}', view).out)
      .split('\n')[0]!
      .slice(0, 2),
    'PG',
  );
});
