// The disk store beside the machine's own limits, in one run: fio with the same pattern and sync, a bare pread loop in this program, and
// LMDB's plain durable puts of the same bytes. Prints rates, CPU per operation and ratios; keeps them as JSON with --json FILE.
//   usage: node bench/store.mjs [--dir DIR] [--dist DIST] [--seconds 4] [--json FILE]
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const option = (name, otherwise) => {
  const i = process.argv.indexOf(`--${name}`);
  return i < 0 ? otherwise : process.argv[i + 1];
};
const dist = resolve(option('dist', join(root, 'dist')));
const seconds = Number(option('seconds', '4'));
const dir = option('dir', undefined) ?? mkdtempSync(join(tmpdir(), 'store-bench-'));
mkdirSync(dir, { recursive: true });
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { osDisk, systemClock, systemEntropy, installNativeCrc32c } = await load('runtime/index.js');
const { DiskStore, Transaction } = await load('store/index.js');
const { CEPH_NOSNAP, Ghobject, Hobject } = await load('types/index.js');
await installNativeCrc32c();

const KIB = 1024;
const MIB = 1024 * KIB;
const C = '1.0_head';
const results = {};
const keepAlive = setInterval(() => {}, 1000);
const delay = monitorEventLoopDelay({ resolution: 2 });
delay.enable();

/** Runs operations at a fixed number in flight for the set time; `start(done)` begins one. */
async function measure(name, inFlight, start, bytes) {
  delay.reset();
  const cpu = process.cpuUsage();
  const from = performance.now();
  const until = from + seconds * 1000;
  let count = 0;
  let active = 0;
  await new Promise((finished) => {
    const next = () => {
      while (active < inFlight && performance.now() < until) {
        active++;
        start(() => {
          active--;
          count++;
          if (performance.now() < until) next();
          else if (active === 0) finished();
        });
      }
      if (active === 0) finished();
    };
    next();
  });
  const elapsed_s = (performance.now() - from) / 1000;
  const used = process.cpuUsage(cpu);
  const row = {
    perSecond: count / elapsed_s,
    mibPerSecond: (count * bytes) / MIB / elapsed_s,
    cpu_us: (used.user + used.system) / count,
    stall_ms: delay.max / 1e6,
  };
  results[name] = row;
  console.log(
    `${name.padEnd(46)} ${row.perSecond.toFixed(0).padStart(8)}/s ${row.mibPerSecond.toFixed(1).padStart(8)} MiB/s` +
      ` ${row.cpu_us.toFixed(1).padStart(8)} us CPU, longest stall ${row.stall_ms.toFixed(0)} ms`,
  );
  return row;
}

function fio(name, args) {
  const run = spawnSync(
    'fio',
    [
      `--filename=${join(dir, 'fio')}`,
      '--name=x',
      '--output-format=json',
      '--time_based',
      `--runtime=${seconds}`,
      ...args,
    ],
    { encoding: 'utf8' },
  );
  if (run.error !== undefined || run.status !== 0) {
    console.log(`${name.padEnd(46)} fio is not there`);
    return undefined;
  }
  const job = JSON.parse(run.stdout.slice(run.stdout.indexOf('{'))).jobs[0];
  const side = job.write.iops > 0 ? job.write : job.read;
  results[name] = { perSecond: side.iops, mibPerSecond: side.bw / 1024 };
  console.log(
    `${name.padEnd(46)} ${side.iops.toFixed(0).padStart(8)}/s ${(side.bw / 1024).toFixed(1).padStart(8)} MiB/s`,
  );
  return results[name];
}

const hash = (i) => Math.imul(i + 1, 0x9e3779b1) >>> 0;
const object = (name, i) => new Ghobject(new Hobject(`${name}${i}`, '', CEPH_NOSNAP, hash(i), 1, ''));
const store = new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, join(dir, 'osd'), {
  size: 10 * 1024 * MIB,
});
await store.mkfs('bench');
await store.mount();
const meta = new Ghobject(new Hobject('', '', CEPH_NOSNAP, 0, 1, ''));
store.queueTransactions(C, [new Transaction().createCollection(C, 0).touch(C, meta)]);

// 4 KiB random overwrites of 4 MiB objects, each with what an OSD adds: two xattrs, a log entry, a trimmed one.
const OBJECTS = 64;
const images = Array.from({ length: OBJECTS }, (_, i) => object('image', i));
const chunk = Buffer.alloc(4 * MIB, 'sepiola');
for (const o of images)
  await new Promise((done) => store.queueTransactions(C, [new Transaction().write(C, o, 0, [chunk])], done));
const block = Buffer.alloc(4 * KIB, 'block');
const info = new Map([
  ['_', Buffer.alloc(270, 1)],
  ['snapset', Buffer.alloc(31, 2)],
]);
let version = 0;
const entry = (v) => `0000000012.${String(v).padStart(20, '0')}`;
const osdWrite = (o, offset, data) => {
  version++;
  const tx = new Transaction().touch(C, o).setattrs(C, o, info).write(C, o, offset, [data]);
  tx.omapSetKeys(C, meta, [
    [entry(version), Buffer.alloc(250, 3)],
    ['_fastinfo', Buffer.alloc(180, 4)],
  ]);
  if (version > 3000) tx.omapRmKeys(C, meta, [entry(version - 3000)]);
  return tx;
};
const random = (n) => Math.floor(Math.random() * n);
const overwrite = (done) =>
  store.queueTransactions(C, [osdWrite(images[random(OBJECTS)], random(1024) * 4096, block)], done);
const plainOverwrite = (done) =>
  store.queueTransactions(C, [new Transaction().write(C, images[random(OBJECTS)], random(1024) * 4096, [block])], done);
await measure('warm-up', 16, overwrite, 4 * KIB);
const durable = await measure('4 KiB overwrite as an OSD does it, 16 in flight', 16, overwrite, 4 * KIB);
const plain = await measure('4 KiB overwrite alone, 16 in flight', 16, plainOverwrite, 4 * KIB);
let created = 0;
await measure(
  '4 KiB new object as an OSD does it, 16',
  16,
  (done) => store.queueTransactions(C, [osdWrite(object('new', created++), 0, block)], done),
  4 * KIB,
);

const kv = osDisk.openKv(join(dir, 'lmdb'));
let key = 0;
const lmdb = await measure(
  'LMDB durable put of 4 KiB, 16 in flight',
  16,
  (done) => {
    const k = Buffer.alloc(8);
    k.writeUInt32BE(hash(key++ % 65536));
    kv.commit([{ kind: 'put', key: k, value: block }], done);
  },
  4 * KIB,
);
const fioSync = fio('fio 4 KiB random write, fdatasync, 1 job', [
  '--rw=randwrite',
  '--bs=4k',
  '--size=256m',
  '--ioengine=psync',
  '--fdatasync=1',
]);

// Reads from the page cache.
const N = 50_000;
const readLoop = (name, read) => {
  for (let i = 0; i < N / 5; i++) read();
  const from = performance.now();
  for (let i = 0; i < N; i++) read();
  const us = ((performance.now() - from) * 1000) / N;
  results[name] = { perSecond: 1e6 / us };
  console.log(`${name.padEnd(46)} ${(1e6 / us).toFixed(0).padStart(8)}/s ${us.toFixed(2).padStart(8)} us`);
  return results[name];
};
const fd = openSync(join(dir, 'osd', 'block'), 'r');
const into = Buffer.alloc(4096);
const bare = readLoop('bare pread of 4 KiB, cached', () => readSync(fd, into, 0, 4096, random(65536) * 4096));
const reads = readLoop('4 KiB random read with checksum, cached', () =>
  store.readSync(C, images[random(OBJECTS)], random(1024) * 4096, 4096),
);
closeSync(fd);

let big = 0;
const bigs = Array.from({ length: 64 }, (_, i) => object('big', i));
const writes = await measure(
  '4 MiB write, 16 in flight',
  16,
  (done) => store.queueTransactions(C, [new Transaction().write(C, bigs[big++ % 64], 0, [chunk])], done),
  4 * MIB,
);
await measure('4 MiB read, 4 in flight', 4, (done) => store.read(C, bigs[big++ % 64], 0, 0, done), 4 * MIB);
const fioBig = fio('fio 4 MiB sequential write, fdatasync, 1 job', [
  '--rw=write',
  '--bs=4m',
  '--size=256m',
  '--ioengine=psync',
  '--fdatasync=1',
]);

await store.umount();
const again = new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, join(dir, 'osd'));
const from = performance.now();
await again.mount();
results.mount_ms = performance.now() - from;
await again.umount();
results.rss_mib = process.memoryUsage().rss / MIB;
const size = openSync(join(dir, 'osd', 'kv'), 'r');
results.database_mib = fstatSync(size).size / MIB;
closeSync(size);
const ratio = (what, a, b, goal) => {
  if (a === undefined || b === undefined) return;
  const r = a.perSecond / b.perSecond;
  results[`ratio: ${what}`] = r;
  console.log(`${what.padEnd(62)} ${r.toFixed(2)}${goal === undefined ? '' : ` (goal ${goal})`}`);
};
console.log(
  `mount ${results.mount_ms.toFixed(0)} ms, memory ${results.rss_mib.toFixed(0)} MiB, load ${readFileSync('/proc/loadavg', 'utf8').trim()}`,
);
ratio('overwrites alone / fio', plain, fioSync, 0.6);
ratio("overwrites as an OSD's / fio", durable, fioSync);
ratio('overwrites alone / LMDB puts', plain, lmdb, 1);
ratio('cached reads with checksum / bare pread', reads, bare, 0.4);
ratio('4 MiB writes / fio', writes, fioBig, 0.6);
const json = option('json', undefined);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
if (option('dir', undefined) === undefined) rmSync(dir, { recursive: true, force: true });
clearInterval(keepAlive);
