// The RADOS library beside Ceph's own `rados bench`, on one real Ceph, in one run: the same pool, sizes and number in flight, by turns.
// Both do the same: plain writes of new objects whose names are as long (hence --no-hints), reads of the objects that the last `rados bench` wrote.
//   usage: node bench/client.mjs [--conf FILE] [--seconds N] [--rounds N] [--size BYTES] [--into FILE]
// Without --conf a real Ceph of 3 OSDs is brought up for it. Give --conf of a cluster of this project to measure that.
import { writeFileSync } from 'node:fs';
import { cpus, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../test/lib/cluster.mjs';
import { RealCeph } from '../test/lib/real-ceph.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const argument = (name, other) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? other : process.argv[at + 1];
};
const SECONDS = Number(argument('--seconds', 10));
const ROUNDS = Number(argument('--rounds', 2));
const IN_FLIGHT = 16;
/** Of each side before each of its runs, and not counted: a service's library is warm, and so are then an OSD's caches for both. */
const WARM_UP_SECONDS = 2;
const KINDS = [
  { name: '4 KiB writes', size: 4096, isRead: false, target: 0.95 },
  { name: '4 KiB random reads', size: 4096, isRead: true, target: 0.9 },
  { name: '4 MiB writes', size: 4 << 20, isRead: false, target: 0.9 },
  { name: '4 MiB random reads', size: 4 << 20, isRead: true, target: 0.9 },
];

const { Rados } = await import(join(root, 'dist', 'lib', 'rados.js'));
let conf = argument('--conf');
const ceph = conf === undefined ? await RealCeph.start({ osds: 3 }) : undefined;
conf ??= ceph.env.CEPH_CONF;

/** Operations a second of `rados bench`. */
async function cephBench(pool, { size, isRead }, seconds) {
  const args = ['-p', pool, 'bench', String(seconds), isRead ? 'rand' : 'write', '-t', String(IN_FLIGHT)];
  if (!isRead) args.push('-b', String(size), '--no-hints', '--no-cleanup');
  const { code, stdout, stderr } = await run('rados', args, {
    env: { CEPH_CONF: conf },
    timeout_ms: seconds * 1000 + 60_000,
  });
  if (code !== 0) throw new Error(`rados ${args.join(' ')}: ${stderr}`);
  const total = /Total (?:writes|reads) made: +(\d+)/.exec(stdout);
  const time = /Total time run: +([\d.]+)/.exec(stdout);
  return Number(total[1]) / Number(time[1]);
}

/** Names of the objects that the last `rados bench` with writes left: those that it reads too. */
async function namesLeft(io) {
  // u64 size of an object, s32 count, s32 process.
  const about = Buffer.from(await io.read('benchmark_last_metadata'));
  const end = new RegExp(`^benchmark_data_.*_${about.readInt32LE(12)}_object\\d+$`);
  const names = [];
  for await (const { oid } of io.listObjects()) if (end.test(oid)) names.push(oid);
  if (names.length === 0) throw new Error('rados bench left no objects');
  return names;
}

let objects = 0;

async function ownBench(io, { size, isRead }, seconds) {
  const names = isRead ? await namesLeft(io) : [];
  const data = Buffer.alloc(size, 'z');
  const place = Array.from({ length: IN_FLIGHT }, () => new Uint8Array(size));
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let done = 0;
  const worker = async (_, slot) => {
    while (performance.now() < end) {
      if (isRead) {
        const oid = names[Math.floor(Math.random() * names.length)];
        const got = await io.read(oid, { into: place[slot] });
        if (got.length !== size) throw new Error(`${oid} has ${got.length} bytes`);
      } else await io.write(`benchmark_own_${hostname()}_${process.pid}_object${objects++}`, data);
      done++;
    }
  };
  await Promise.all(place.map(worker));
  return done / ((performance.now() - begin) / 1000);
}

const rados = await Rados.connect({ conf });
const lines = [];
const say = (line) => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};
let isSlow = false;
try {
  say(
    `${cpus().length} CPUs, Node ${process.version}, ${IN_FLIGHT} in flight, ${SECONDS} s a run after ${WARM_UP_SECONDS} s that do not count, best of ${ROUNDS}, each side first in turn`,
  );
  for (const size of [4096, 4 << 20]) {
    if (![undefined, String(size)].includes(argument('--size'))) continue;
    const pool = `bench${size}`;
    await rados.createPool(pool, { pgNum: 32, size: 3, application: 'bench' });
    const io = await rados.openPool(pool);
    for (const kind of KINDS.filter((k) => k.size === size)) {
      let [theirs, own] = [0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        // Each is the first in every second round: what writes leave to be done falls to whoever comes next.
        const each = [
          async () => {
            await cephBench(pool, kind, WARM_UP_SECONDS);
            theirs = Math.max(theirs, await cephBench(pool, kind, SECONDS));
          },
          async () => {
            await ownBench(io, kind, WARM_UP_SECONDS);
            own = Math.max(own, await ownBench(io, kind, SECONDS));
          },
        ];
        for (const run of round % 2 === 0 ? each : each.reverse()) await run();
      }
      const ratio = own / theirs;
      if (ratio < kind.target) isSlow = true;
      say(
        `${kind.name.padEnd(20)} rados bench ${theirs.toFixed(0).padStart(7)}/s   sepiola/rados ${own.toFixed(0).padStart(7)}/s   ratio ${ratio.toFixed(2)} (${kind.target} wanted)`,
      );
    }
    await rados.deletePool(pool);
  }
} finally {
  rados.shutdown();
  await ceph?.end();
}
const into = argument('--into');
if (into !== undefined) writeFileSync(into, `${lines.join('\n')}\n`);
process.exitCode = isSlow ? 1 : 0;
