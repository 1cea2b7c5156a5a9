// A disk store with many objects: what its mount takes and how much memory it then uses, each in a process of its own; and one object with many omap keys, set and
// listed while the event loop is watched.
//   usage: node bench/store-large.mjs [--objects 1000000] [--bytes 8192] [--keys 100000] [--dir DIR] [--dist DIST]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const option = (name, otherwise) => {
  const i = process.argv.indexOf(`--${name}`);
  return i < 0 ? otherwise : process.argv[i + 1];
};
const dist = resolve(option('dist', join(root, 'dist')));
const objects = Number(option('objects', '1000000'));
const bytes = Number(option('bytes', '8192'));
const keys = Number(option('keys', '100000'));
const dir = option('dir', undefined) ?? mkdtempSync(join(tmpdir(), 'store-large-'));
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { osDisk, systemClock, systemEntropy, installNativeCrc32c } = await load('runtime/index.js');
const { DiskStore, Transaction } = await load('store/index.js');
const { CEPH_NOSNAP, Ghobject, Hobject } = await load('types/index.js');
await installNativeCrc32c();

const C = '1.0_head';
const IN_FLIGHT = 64;
const keepAlive = setInterval(() => {}, 1000);
const hash = (i) => Math.imul(i + 1, 0x9e3779b1) >>> 0;
const object = (i) =>
  new Ghobject(new Hobject(`an-object-with-a-name-of-usual-length-${i}`, '', CEPH_NOSNAP, hash(i), 1, ''));
const makeStore = () =>
  new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, join(dir, 'store'), {
    size: Math.ceil((objects * (bytes + 4096)) / 2 ** 30 + 2) * 2 ** 30,
    syncInTurn_ms: 1,
  });

async function fill() {
  const store = makeStore();
  await store.mkfs('f');
  await store.mount();
  store.queueTransactions(C, [new Transaction().createCollection(C, 0)]);
  const data = new Uint8Array(bytes).fill(7);
  const from = performance.now();
  let next = 0;
  let active = 0;
  await new Promise((finished) => {
    const go = () => {
      while (active < IN_FLIGHT && next < objects) {
        const o = object(next++);
        active++;
        const t = new Transaction();
        t.write(C, o, 0, data);
        t.setattr(C, o, '_', data.subarray(0, 250));
        t.setattr(C, o, 'snapset', data.subarray(0, 31));
        store.queueTransactions(C, [t], () => {
          active--;
          if (active === 0 && next === objects) finished();
          else go();
        });
      }
    };
    go();
  });
  const rate = objects / ((performance.now() - from) / 1000);
  console.log(`${objects} objects of ${bytes} bytes written, ${rate.toFixed(0)} a second`);
  await store.umount();
}

async function mount() {
  const store = makeStore();
  const before = process.memoryUsage.rss();
  const from = performance.now();
  await store.mount();
  const took = performance.now() - from;
  const first = process.memoryUsage.rss();
  for (let i = 0; i < 100_000; i++) store.stat(C, object(hash(i) % objects));
  const later = process.memoryUsage.rss();
  const mib = (n) => (n / 2 ** 20).toFixed(0);
  console.log(
    `mounted in ${took.toFixed(0)} ms; ${mib(first)} MiB resident (${mib(before)} before), ${mib(later)} after 100,000 look-ups of random objects`,
  );
  store.close();
}

async function omap() {
  const store = makeStore();
  await store.mount();
  const o = object(0);
  const delay = monitorEventLoopDelay({ resolution: 2 });
  delay.enable();
  const pause = () => new Promise((resolve) => setImmediate(resolve));
  let from = performance.now();
  for (let i = 0; i < keys; i += 1000) {
    const entries = [];
    for (let k = i; k < Math.min(keys, i + 1000); k++)
      entries.push([`key-${String(k).padStart(8, '0')}`, new Uint8Array(100)]);
    await new Promise((done) => {
      store.queueTransactions(C, [new Transaction().omapSetKeys(C, o, entries)], done);
    });
  }
  const set = performance.now() - from;
  from = performance.now();
  let seen = 0;
  for (let after; ; ) {
    let n = 0;
    for (const [key] of store.omapIterate(C, o, after === undefined ? {} : { after })) {
      after = key;
      n++;
      if (n === 1000) break;
    }
    seen += n;
    if (n < 1000) break;
    await pause();
  }
  const listed = performance.now() - from;
  console.log(
    `${seen} omap keys set in ${set.toFixed(0)} ms and listed in ${listed.toFixed(0)} ms, a thousand at a time; longest stall ${(delay.max / 1e6).toFixed(0)} ms`,
  );
  await store.umount();
}

const part = option('part', undefined);
if (part !== undefined) {
  await { fill, mount, omap }[part]();
  clearInterval(keepAlive);
} else {
  clearInterval(keepAlive);
  try {
    for (const name of ['fill', 'mount', 'omap']) {
      // As daemons run.
      const args = [
        '--max-semi-space-size=4',
        '--heap-growing-percent=60',
        script,
        ...process.argv.slice(2),
        '--dir',
        dir,
        '--part',
        name,
      ];
      const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
      if (status !== 0) throw new Error(`${name}: exit status ${status}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
