import { itemWeight } from '../../crush/index.ts';
import { CRUSH_ITEM_NONE, formatG, formatPgId, type OSDMap, type PgId, pickPrimary } from '../../types/index.ts';
import { ToolExit } from './args.ts';
import type { ToolIo } from './io.ts';

/** How `--test-map-pgs` and its kin are asked for. */
export interface MapPgsRequest {
  /** -1: all. */
  readonly pool: number;
  readonly dump: 'none' | 'acting' | 'all';
  /** Draws sets at random instead of mapping: a number in [0, n). */
  readonly random: ((n: number) => number) | undefined;
}

function set(osds: readonly number[]): string {
  return `[${osds.join(',')}]`;
}

/** `1.0 raw ([..], p1) up (..) acting (..)` */
export function describePg(map: OSDMap, pg: PgId): string {
  const raw = map.pgToRawOsds(pg);
  const m = map.pgToUpActing(pg);
  const acting = `acting (${set(m.acting)}, p${m.actingPrimary})`;
  return `${formatPgId(pg)} raw (${set(raw)}, p${pickPrimary(raw)}) up (${set(m.up)}, p${m.upPrimary}) ${acting}`;
}

class Tally {
  readonly count: number[];
  readonly first: number[];
  readonly primary: number[];
  readonly sizes: number[] = [];

  constructor(osds: number) {
    this.count = Array<number>(osds).fill(0);
    this.first = Array<number>(osds).fill(0);
    this.primary = Array<number>(osds).fill(0);
  }

  add(osds: readonly number[], primary: number): void {
    this.sizes[osds.length] = (this.sizes[osds.length] ?? 0) + 1;
    const bump = (list: number[], osd: number | undefined): void => {
      if (osd !== undefined && osd >= 0 && osd !== CRUSH_ITEM_NONE && osd < list.length) list[osd]!++;
    };
    for (const osd of osds) bump(this.count, osd);
    bump(this.first, osds[0]);
    bump(this.primary, primary);
  }
}

/** 0/0 is a negative NaN where Ceph runs. */
function number(x: number): string {
  return Number.isNaN(x) ? '-nan' : formatG(x);
}

function report(map: OSDMap, tally: Tally, out: (text: string) => void): void {
  const { count } = tally;
  let total = 0;
  let least = -1;
  let most = -1;
  const counted: number[] = [];
  out('#osd\tcount\tfirst\tprimary\tc wt\twt\n');
  for (let osd = 0; osd < map.maxOsd; osd++) {
    const weight = itemWeight(map.crush, osd) ?? 0;
    if (!map.isIn(osd) || weight <= 0) continue;
    counted.push(osd);
    const weights = `${formatG(Math.fround(weight / 0x10000))}\t${formatG(Math.fround(map.weightf(osd)))}`;
    out(`osd.${osd}\t${count[osd]}\t${tally.first[osd]}\t${tally.primary[osd]}\t${weights}\n`);
    total += count[osd]!;
    if (count[osd]! > 0 && (least < 0 || count[osd]! < count[least]!)) least = osd;
    if (count[osd]! > 0 && (most < 0 || count[osd]! > count[most]!)) most = osd;
  }
  const n = counted.length;
  const average = n > 0 ? Math.floor(total / n) : 0;
  const squares = counted.reduce((sum, osd) => sum + (average - count[osd]!) ** 2, 0);
  const deviation = Math.sqrt(squares / n);
  const expected = Math.sqrt((total / n) * (1 - 1 / n));
  out(` in ${n}\n`);
  out(` avg ${average} stddev ${number(deviation)} (${number(deviation / average)}x)`);
  out(` (expected ${number(expected)} ${number(expected / average)}x))\n`);
  if (least >= 0) out(` min osd.${least} ${count[least]}\n`);
  if (most >= 0) out(` max osd.${most} ${count[most]}\n`);
  for (const [size, sets] of tally.sizes.entries()) if (sets !== undefined) out(`size ${size}\t${sets}\n`);
}

/** Maps all PGs and tells how evenly they lie. */
export function testMapPgs(map: OSDMap, q: MapPgsRequest, io: ToolIo): void {
  if (q.pool !== -1 && map.pool(q.pool) === undefined) throw new ToolExit(1, `There is no pool ${q.pool}\n`);
  const tally = new Tally(map.maxOsd);
  for (const [id, pool] of map.pools) {
    if (q.pool !== -1 && id !== q.pool) continue;
    const lines = [`pool ${id} pg_num ${pool.pgNum}\n`];
    for (let seed = 0; seed < pool.pgNum; seed++) {
      const pg = { pool: id, seed };
      let { acting, actingPrimary } = map.pgToUpActing(pg);
      if (q.random !== undefined) {
        acting = Array.from({ length: pool.size }, () => q.random!(map.maxOsd));
        actingPrimary = acting[0] ?? -1;
      }
      tally.add(acting, actingPrimary);
      if (q.dump === 'acting') lines.push(`${formatPgId(pg)}\t${set(acting)}\t${actingPrimary}\n`);
      else if (q.dump === 'all') lines.push(`${describePg(map, pg)}\n`);
    }
    io.out(lines.join(''));
  }
  const lines: string[] = [];
  report(map, tally, (text) => void lines.push(text));
  io.out(lines.join(''));
}
