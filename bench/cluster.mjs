// The cluster's speed beside the real Ceph's: Ceph's own `rados bench` on both, on the same disk, in alternation. Prints medians
// and ratios, writes bench/results/cluster.json and docs/bench.md.
// Both clusters are warmed by the same load before the rounds: what daemons do in the first half minute of their lives (Ceph fills caches, V8 compiles what is
// hot) is a figure of its own, the first two rows.
//   usage: npm run bench -- [--seconds 10] [--rounds 3] [--warm 10] [--only sepiola]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, TestCluster } from '../test/lib/cluster.mjs';
import { cephVersion, RealCeph } from '../test/lib/real-ceph.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    warm: { type: 'string', default: '10' },
    only: { type: 'string' },
    sizes: { type: 'string', default: '4096,65536,4194304' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
/** Passes of warming, and the seconds of each. */
const WARM_PASSES = 3;
const SETTLE_S = 10;
const warm_s = Number(values.warm);
const sizes = values.sizes.split(',').map(Number);
const HZ = 100; // USER_HZ of Linux on every architecture Node runs on.

const median = (xs) => {
  const sorted = [...xs].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
};
const label = (size) => (size >= 1 << 20 ? `${size >> 20} MiB` : `${size >> 10} KiB`);

/**
 * CPU seconds that the daemons have used, and their memory in bytes: what is resident of each added up (rss), and with what they share, as the program's own
 * pages, divided among those that have it (pss): what the machine gives to all of them.
 */
function usage(cluster) {
  let cpu = 0;
  let rss = 0;
  let pss = 0;
  for (const pid of cluster.pids().values()) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    cpu += (Number(fields[11]) + Number(fields[12])) / HZ;
    rss += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
    pss += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) * 1024;
  }
  return { cpu, rss, pss };
}

async function must(cluster, program, args, timeout_ms = 300_000) {
  const r = await cluster.run(program, args, { timeout_ms });
  if (r.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${r.stdout}${r.stderr}`);
  return r.stdout;
}

/** What a `rados bench` made of operations: how many a second, how long each took, and the daemons' CPU for each. */
async function load(cluster, kind, length_s, ...args) {
  const before = usage(cluster);
  const text = await must(cluster, 'rados', ['bench', '-p', 'bench', String(length_s), kind, '-t', '16', ...args]);
  const after = usage(cluster);
  const number = (name) => {
    const match = new RegExp(`${name}:\\s+([\\d.]+)`).exec(text);
    if (match === null) throw new Error(`no "${name}" in:\n${text}`);
    return Number(match[1]);
  };
  const made = number(kind === 'write' ? 'Total writes made' : 'Total reads made');
  return {
    rate: made / number('Total time run'),
    latency_ms: number('Average Latency\\(s\\)') * 1000,
    cpu_us: ((after.cpu - before.cpu) / made) * 1e6,
  };
}

async function bench(cluster, size) {
  const write = await load(cluster, 'write', seconds, '-b', String(size), '--no-cleanup');
  const read = await load(cluster, 'rand', seconds);
  await must(cluster, 'rados', ['-p', 'bench', 'cleanup']);
  return { write, read };
}

const mode = ['ms_cluster_mode', 'ms_service_mode', 'ms_client_mode'];
const makers = {
  sepiola: () => TestCluster.start(mode.flatMap((o) => ['--set', `global:${o}=crc`])),
  ceph: () => RealCeph.start({ options: Object.fromEntries(mode.map((o) => [o, 'crc'])) }),
};
const names = Object.keys(makers).filter((n) => values.only === undefined || values.only === n);
const clusters = {};
const results = Object.fromEntries(names.map((n) => [n, { runs: [] }]));
try {
  for (const n of names) {
    clusters[n] = await makers[n]();
    results[n].up_ms = clusters[n].up_ms;
    await must(clusters[n], 'ceph', ['osd', 'pool', 'create', 'bench', '32']);
    await must(clusters[n], 'ceph', ['osd', 'pool', 'set', 'bench', 'pg_autoscale_mode', 'off']).catch(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve, 5000));
  for (let pass = 0; pass < WARM_PASSES && warm_s > 0; pass++) {
    for (const n of names) {
      const write = await load(clusters[n], 'write', warm_s, '-b', '4096', '--no-cleanup');
      await must(clusters[n], 'rados', ['-p', 'bench', 'cleanup']);
      if (pass === 0) results[n].first = write;
      process.stderr.write(
        `warming ${n.padEnd(8)} 4 KiB write ${write.rate.toFixed(0)}/s ${write.cpu_us.toFixed(0)} us\n`,
      );
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      for (const n of round % 2 === 0 ? names : [...names].reverse()) {
        const result = await bench(clusters[n], size);
        results[n].runs.push({ round, size, ...result });
        process.stderr.write(
          `round ${round + 1} ${n.padEnd(8)} ${label(size).padStart(7)}: write ${result.write.rate.toFixed(0)}/s ${result.write.cpu_us.toFixed(0)} us, read ${result.read.rate.toFixed(0)}/s ${result.read.cpu_us.toFixed(0)} us\n`,
        );
      }
    }
  }
  // At once, with what the last operations took; and when the daemons have let go of what nobody uses.
  for (const when of ['after', 'settled']) {
    if (when === 'settled') await new Promise((resolve) => setTimeout(resolve, SETTLE_S * 1000));
    for (const n of names) {
      const { rss, pss } = usage(clusters[n]);
      results[n][when] = { rss, pss };
      results[n][when].rss_by_daemon = Object.fromEntries(
        [...clusters[n].pids()].map(([name, pid]) => [
          name,
          Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024,
        ]),
      );
    }
  }
} finally {
  for (const n of names) await clusters[n]?.end();
}

const rows = [];
const value = (n, size, kind, what) => median(results[n].runs.filter((r) => r.size === size).map((r) => r[kind][what]));
const figures = [
  ['rate', 'op/s', 'more'],
  ['cpu_us', "µs of daemons' CPU an operation", 'less'],
];
if (warm_s > 0) {
  for (const [what, unit, better] of figures) {
    rows.push({
      name: `4 KiB write in a new cluster's first ${warm_s} s of load: ${unit}`,
      better,
      values: Object.fromEntries(names.map((n) => [n, results[n].first[what]])),
    });
  }
}
for (const size of sizes) {
  for (const kind of ['write', 'read']) {
    for (const [what, unit, better] of figures) {
      rows.push({
        name: `${label(size)} ${kind === 'read' ? 'random read' : 'write'}, 16 in flight: ${unit}`,
        better,
        values: Object.fromEntries(names.map((n) => [n, value(n, size, kind, what)])),
      });
    }
  }
}
rows.push({
  name: 'start of 1 mon + 1 mgr + 3 OSDs: s',
  better: 'less',
  values: Object.fromEntries(names.map((n) => [n, results[n].up_ms / 1000])),
});
for (const [when, time] of [
  ['after', 'right after the run'],
  ['settled', `${SETTLE_S} s after the run`],
]) {
  for (const [what, how] of [
    ['rss', 'resident, added up'],
    ['pss', 'shared pages counted once'],
  ]) {
    rows.push({
      name: `memory of all daemons ${time} (${how}): MB`,
      better: 'less',
      values: Object.fromEntries(names.map((n) => [n, results[n][when][what] / 1e6])),
    });
  }
}

const show = (x) => (x === undefined ? '' : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
let table = '| figure (median) | Sepiola | Ceph 16.2 | ratio |\n|---|---:|---:|---:|\n';
for (const { name, values: v } of rows)
  table += `| ${name} | ${show(v.sepiola)} | ${show(v.ceph)} | ${v.ceph === undefined || v.sepiola === undefined ? '' : (v.sepiola / v.ceph).toFixed(2)} |\n`;
process.stdout.write(table);
if (values.only === undefined) {
  const about = `${rounds} rounds of ${seconds} s, in alternation on one disk, after ${WARM_PASSES} × ${warm_s} s of 4 KiB writes on each; ${cpus().length} cores (${cpus()[0].model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}; ${cephVersion()}. Both in crc mode, size 3, 32 PGs; Ceph with BlueStore.`;
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(
    join(root, 'bench', 'results', 'cluster.json'),
    `${JSON.stringify({ about, date: new Date().toISOString(), rows, results }, undefined, 1)}\n`,
  );
  writeFileSync(
    join(root, 'docs', 'bench.md'),
    `# Speed beside the real Ceph\n\nMade by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: Ceph's own \`rados bench\` against both clusters. Why some figures fall short: bench-reasons.md.\n${about}\n\n${table}`,
  );
}
