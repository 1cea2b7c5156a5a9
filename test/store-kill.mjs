// A process that writes to a disk store is killed (SIGKILL) at random times and started again; each time it must find every transaction
// that it had acknowledged, whole, and every other whole or not at all.
// Data is compressed with another algorithm (or none) each time.
//   usage: node test/store-kill.mjs [--kills 200] [--dir DIR] [--dist DIST]
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const self = fileURLToPath(import.meta.url);
const option = (name, otherwise) => {
  const i = process.argv.indexOf(`--${name}`);
  return i < 0 ? otherwise : process.argv[i + 1];
};
const dist = resolve(option('dist', join(dirname(dirname(self)), 'dist')));
const OBJECTS = 40;
const C = '1.0_head';

/** Content that transaction `n` leaves in its object: long ones go around the log, odd lengths exercise partial blocks. */
function content(n) {
  const length = n % 7 === 0 ? 150_000 + (n % 5000) : 500 + ((n * 37) % 9000);
  return Buffer.alloc(length, `transaction ${n};`);
}

async function child(dir) {
  const load = (path) => import(pathToFileURL(join(dist, path)).href);
  const { installNativeCompressors, installNativeCrc32c, osDisk, systemClock, systemEntropy } =
    await load('runtime/index.js');
  const { compressionDefaults, DiskStore, Transaction } = await load('store/index.js');
  const { CEPH_NOSNAP, Ghobject, Hobject } = await load('types/index.js');
  installNativeCrc32c();
  installNativeCompressors();
  const entropy = systemEntropy;
  // Another at each start; what one has compressed, all must read.
  const algorithm = ['none', 'snappy', 'zlib', 'zstd', 'lz4'][systemEntropy.u32() % 5];
  const store = new DiskStore({ disk: osDisk, clock: systemClock, entropy }, dir, {
    size: 1 << 30,
    logCapacity: 8 << 20,
    deferredBytes: 1 << 20,
    punchAfter_ms: 20,
    punchBytes: 64 << 10,
    compression: {
      ...compressionDefaults,
      mode: algorithm === 'none' ? 'none' : 'force',
      algorithm,
      minBlobSize: 65_536,
    },
  });
  if (!osDisk.exists(join(dir, 'type'))) await store.mkfs('kill');
  await store.mount();
  const last = store.lastTransaction;
  const object = (n) => new Ghobject(new Hobject(`o${n % OBJECTS}`, '', CEPH_NOSNAP, n % OBJECTS, 1, ''));
  const log = new Ghobject(new Hobject('', '', CEPH_NOSNAP, 0, 1, ''));
  const errors = store.fsck({ deep: true }).errors;
  assert.deepEqual(errors, []);
  // Transaction 1 makes the collection; transaction n writes object n mod 40 and its entry in a common omap, and trims the entry of 100 before.
  for (let n = Math.max(2, last - OBJECTS + 1); n <= last; n++) {
    const data = Buffer.concat(store.readSync(C, object(n), 0, 0));
    assert.ok(data.equals(content(n)), `object of transaction ${n}`);
    assert.equal(Buffer.from(store.getAttr(C, object(n), 'n')).toString(), String(n));
  }
  if (last >= 2) {
    const keys = [...store.omapIterate(C, log, {})].map(([key]) => Number(key));
    assert.deepEqual(
      keys,
      Array.from({ length: Math.min(100, last - 1) }, (_, i) => Math.max(2, last - 99) + i),
    );
  }
  writeSync(1, `mounted ${last}\n`);
  let n = last;
  const next = () => {
    n++;
    const tx = new Transaction();
    const number = n;
    if (n === 1) tx.createCollection(C, 0).touch(C, log);
    else {
      const o = object(n);
      tx.touch(C, o)
        .truncate(C, o, 0)
        .write(C, o, 0, [content(n)])
        .setattr(C, o, 'n', Buffer.from(String(n)));
      tx.omapSetKeys(C, log, [[String(n).padStart(12, '0'), Buffer.from('entry')]]);
      if (n > 101) tx.omapRmKeys(C, log, [String(n - 100).padStart(12, '0')]);
    }
    store.queueTransactions(C, [tx], () => {
      writeSync(1, `${number}\n`);
      next();
    });
  };
  for (let i = 0; i < 16; i++) next();
  setInterval(() => {}, 1000);
}

async function parent() {
  const kills = Number(option('kills', '200'));
  const dir = option('dir', mkdtempSync(join(tmpdir(), 'store-kill-')));
  let acknowledged = 0;
  for (let i = 1; i <= kills; i++) {
    const process_ = spawn(process.execPath, [self, '--child', dir, '--dist', dist], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    let mounted;
    process_.stdout.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith('mounted ')) {
          mounted = Number(line.slice(8));
          assert.ok(mounted >= acknowledged, `kill ${i}: ${acknowledged} acknowledged, ${mounted} found`);
          setTimeout(() => process_.kill('SIGKILL'), 20 + Math.random() * 300);
        } else {
          assert.equal(Number(line), Math.max(acknowledged, mounted) + 1, 'acknowledged out of order');
          acknowledged = Number(line);
        }
      }
    });
    const [code, signal] = await new Promise((done) => process_.on('close', (...a) => done(a)));
    assert.equal(signal, 'SIGKILL', `kill ${i}: the writer ended by itself with ${code}`);
  }
  rmSync(dir, { recursive: true, force: true });
  console.log(`${kills} kills, ${acknowledged} transactions acknowledged, none lost`);
}

const c = process.argv.indexOf('--child');
await (c < 0 ? parent() : child(process.argv[c + 1]));
