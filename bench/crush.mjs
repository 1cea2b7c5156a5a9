// Placement beside Ceph's own tools, in one run on one core; writes docs/bench-crush.md.
//  1. CRUSH mappings a second beside `crushtool --test`: 1,000 OSDs in 100 hosts in 10 racks, straw2, 3 replicas over hosts.
//  2. All 512,000 PGs of a map of 10,000 OSDs, beside `osdmaptool --test-map-pgs`; then again after one OSD went out, went down, came back.
// Figures are of CPU time, so that what else runs on the machine counts little.
//   usage: node bench/crush.mjs [DIST] [MAPPINGS]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [dist = join(root, 'dist'), mappings = '30000'] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(resolve(dist, name)).href);
const crush = await load('crush/index.js');
const types = await load('types/index.js');
const n = Number(mappings);
const folder = mkdtempSync(join(tmpdir(), 'sepiola-bench-crush-'));

/** CPU seconds of one of Ceph's tools, all its threads together. */
function tool(...args) {
  const command = 'TIMEFORMAT="TIME %U %S"; time "$0" "$@"';
  const r = spawnSync('bash', ['-c', command, ...args], { encoding: 'latin1', maxBuffer: 2 ** 30 });
  const time = /TIME ([\d.]+) ([\d.]+)\s*$/.exec(r.stderr);
  if (r.status !== 0 || time === null) throw new Error(`${args.join(' ')}: ${r.status} ${r.stderr}`);
  return Number(time[1]) + Number(time[2]);
}

/** CPU and wall-clock seconds of a call, and what it gave. */
function measure(call) {
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  const value = call();
  const used = process.cpuUsage(cpu);
  return { value, cpu: (used.user + used.system) / 1e6, wall: Number(process.hrtime.bigint() - started) / 1e9 };
}

const ROUNDS = 40;
const best = (list) => Math.min(...list);
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
const rate = (count, seconds) => `${Math.round(count / seconds).toLocaleString('en-US')}/s`;
const seconds = (value) => `${value.toFixed(2)} s`;
const rows = [];
const row = (what, ours, theirs, ratio) => {
  rows.push(`| ${what} | ${ours} | ${theirs} | ${ratio} |`);
  process.stdout.write(`${what}: sepiola ${ours}, ceph ${theirs}, ratio ${ratio}\n`);
};

function build(file, osds, hosts, racks) {
  tool(
    ...['crushtool', '--build', '--num_osds', String(osds), 'host', 'straw2', String(hosts), 'rack', 'straw2'],
    ...[String(racks), 'root', 'straw2', '0', '-o', file],
  );
}

/** Weights of 0.5 to 8, another for every device. */
function unequal(bytes) {
  const map = crush.decodeCrushMap(bytes);
  for (let osd = 0; osd < map.maxDevices; osd++) {
    crush.adjustItemWeight(map, osd, crush.weightToFixed(0.5 + ((osd * 7919) % 1000) * 0.0075));
  }
  return crush.encodeCrushMap(map);
}

function mappingRates(file, label) {
  const test = (x) =>
    tool(
      ...['crushtool', '-i', file, '--test', '--show-bad-mappings', '--num-rep', '3'],
      ...['--min-x', '0', '--max-x', String(x - 1)],
    );
  const map = crush.decodeCrushMap(readFileSync(file));
  const weights = new Array(1000).fill(0x10000);
  const mappers = { kernel: new crush.Mapper(map, 'kernel'), plain: new crush.Mapper(map, 'plain') };
  const mapAll = (mapper, count) => {
    let check = 0;
    for (let x = 0; x < count; x++) check += mapper.doRule(0, x, 3, weights)[0];
    return check;
  };
  const ours = (mapper) => {
    // Memory that the last process was forked from is written anew first; crushtool's start does not count either.
    mapAll(mapper, n / 5);
    return measure(() => mapAll(mapper, n));
  };
  for (const mapper of Object.values(mappers)) for (let i = 0; i < 5; i++) ours(mapper);
  const times = { theirs: [], kernel: [], plain: [] };
  for (let round = 0; round < ROUNDS; round++) {
    times.theirs.push(test(n) - test(1));
    for (const kind of ['kernel', 'plain']) times[kind].push(ours(mappers[kind]).cpu);
  }
  const theirs = best(times.theirs);
  const names = { kernel: 'WebAssembly SIMD', plain: 'plain TypeScript' };
  for (const kind of ['kernel', 'plain']) {
    const mine = best(times[kind]);
    row(
      `mappings, 1,000 OSDs, ${label} weights, ${names[kind]}`,
      rate(n, mine),
      rate(n, theirs),
      `${(theirs / mine).toFixed(2)} (${median(times.theirs.map((their, i) => their / times[kind][i])).toFixed(2)})`,
    );
  }
}

const load1 = loadavg()[0].toFixed(1);
const OSDS = 10_000;
const PGS = 512_000;

function osdMap(crushBytes) {
  const pool = new types.PgPool({
    type: types.poolType.REPLICATED,
    flags: types.poolFlag.HASHPSPOOL,
    size: 3,
    minSize: 2,
    pgNum: PGS,
    pgNumPending: PGS,
    pgNumTarget: PGS,
    pgpNum: PGS,
    pgpNumTarget: PGS,
  });
  const map = new types.OSDMap({
    epoch: 1,
    crushBytes,
    poolMax: 1,
    pools: new Map([[1, pool]]),
    poolNames: new Map([[1, 'p']]),
  });
  const { EXISTS, UP } = types.osdState;
  return map.withMaxOsd(OSDS).with({
    osdState: new Array(OSDS).fill(EXISTS | UP),
    osdWeight: new Array(OSDS).fill(types.OSD_IN),
  });
}

function wholeMap(crushBytes, label) {
  const map = osdMap(crushBytes);
  const file = join(folder, 'osdmap');
  writeFileSync(file, map.encode(types.CEPH_FEATURES_ALL).bytes);
  const theirs = tool('osdmaptool', file, '--test-map-pgs');
  const whole = measure(() => new types.PgTable(map));
  const table = whole.value;
  const both = ({ cpu, wall }) => `${seconds(cpu)} (${seconds(wall)} on the clock)`;
  row(
    `all 512,000 PGs of 10,000 OSDs, ${label} weights`,
    both(whole),
    seconds(theirs),
    (theirs / whole.cpu).toFixed(1),
  );
  let at = map;
  const change = (what, fill) => {
    const inc = new types.OSDMapIncremental(at.epoch + 1, { fsid: at.fsid });
    fill(inc);
    at = at.apply(inc);
    const used = measure(() => table.update(at));
    const { mapped, derived } = table.work;
    row(
      `… after one OSD ${what} (${mapped} PGs mapped, ${derived} looked at)`,
      both(used),
      seconds(theirs),
      (theirs / used.cpu).toFixed(0),
    );
  };
  change('went out', (inc) => inc.newWeight.set(77, 0));
  change('went down', (inc) => inc.newState.set(78, types.osdState.UP));
  change('came back in', (inc) => inc.newWeight.set(77, types.OSD_IN));
  change('came back up', (inc) => inc.newState.set(78, types.osdState.UP));
  change('got half its primary affinity', (inc) => inc.newPrimaryAffinity.set(79, 0x8000));
  change('was reweighted to 0.9', (inc) => inc.newWeight.set(80, Math.round(0.9 * types.OSD_IN)));
}

const small = join(folder, 'map');
build(small, 1000, 10, 10);
mappingRates(small, 'equal');
writeFileSync(small, unequal(readFileSync(small)));
mappingRates(small, 'unequal');
const large = join(folder, 'large');
build(large, OSDS, 20, 25);
wholeMap(new Uint8Array(readFileSync(large)), 'equal');
wholeMap(unequal(readFileSync(large)), 'unequal');
rmSync(folder, { recursive: true });

const ceph = spawnSync('ceph', ['--version'], { encoding: 'utf8' }).stdout?.trim();
writeFileSync(
  join(root, 'docs/bench-crush.md'),
  `# Placement beside Ceph's own

Made by \`npm run bench:crush\` on ${new Date().toISOString().slice(0, 10)}: CPU time on one core, best of ${ROUNDS} in alternation, beside it in brackets the median
of the rounds' ratios (whole maps: once). The load when it began was ${load1}: on a busy machine the
plain form was seen down to half its rate, crushtool at six sevenths of its own (its hashes wait for one another, ours fill a core that others may share).
${cpus().length} cores (${cpus()[0].model}), Node ${process.version}; ${ceph}. Ceph's side: \`crushtool --test\`, \`osdmaptool --test-map-pgs\`, which always maps everything.

| what | Sepiola | Ceph 16.2 | ratio |
|---|---:|---:|---:|
${rows.join('\n')}
`,
);
