// Does the RADOS library leave memory and sockets where they were? Many operations of all kinds on one connection, and many connections, against
// a cluster of its own; memory is compared after a collection of garbage, from when caches are warm on.
//   usage: node scripts/leak-client.mjs [--ops N] [--connects N] [--conf FILE]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (globalThis.gc === undefined) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const argument = (name, other) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? other : process.argv[at + 1];
};
const OPS = Number(argument('--ops', 1_000_000));
const CONNECTS = Number(argument('--connects', 1000));
/** Growth that is no leak: the collector's and the allocator's whims, for all of the run. */
const GROWTH_MAX = 6 << 20;
const PARALLEL = 64;

const { Rados, ReadOperation, WriteOperation } = await import(join(root, 'dist', 'lib', 'rados.js'));
let conf = argument('--conf');
let cluster;
if (conf === undefined) {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-leak-'));
  rmSync(dir, { recursive: true });
  cluster = dir;
  const args = ['up', '--dir', dir, '--port', String(20000 + Math.floor(Math.random() * 10000)), '--detach'];
  const up = spawnSync(process.execPath, [join(root, 'bin', 'sepiola.js'), ...args], { stdio: 'inherit' });
  if (up.status !== 0) process.exit(1);
  conf = join(dir, 'ceph.conf');
}

const sockets = () => readdirSync('/proc/self/fd').length;
async function memory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
const mb = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
const failures = [];
function judge(what, before, after, descriptorsBefore) {
  const grown = after - before;
  process.stdout.write(
    `${what}: ${mb(before)} before, ${mb(after)} after (${mb(grown)}); ${descriptorsBefore} descriptors before, ${sockets()} after\n`,
  );
  if (grown > GROWTH_MAX) failures.push(`${what}: memory has grown by ${mb(grown)}`);
  if (sockets() > descriptorsBefore + 2) failures.push(`${what}: ${sockets() - descriptorsBefore} descriptors more`);
}

const POOL = 'leak';
const data = Buffer.alloc(4096, 'x');
async function operation(io, i) {
  const oid = `o${i % 256}`;
  const code = i % 10;
  if (code < 3) await io.read(oid);
  else if (code < 6) await io.write(oid, data);
  else if (code === 6)
    await io.operate(
      oid,
      new WriteOperation()
        .assertExists()
        .setXattr('a', data.subarray(0, 16))
        .omapSet(new Map([['k', data.subarray(0, 16)]])),
    );
  else if (code === 7) {
    const op = new ReadOperation();
    const [xattr, omap] = [op.getXattr('a').rval, op.omapGetVals()];
    await io.operateRead(oid, op).catch(() => {});
    return [xattr, omap];
  } else if (code === 8) await io.read(`none${i}`).catch(() => {});
  else await io.stat(oid, { signal: AbortSignal.timeout(60_000), timeout_ms: 60_000 });
}
async function many(io, count) {
  let next = 0;
  const worker = async () => {
    while (next < count) await operation(io, next++);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

try {
  const rados = await Rados.connect({ conf });
  await rados.createPool(POOL, { pgNum: 8, application: 'rados' });
  const io = await rados.openPool(POOL);
  await Promise.all(Array.from({ length: 256 }, (_, i) => io.writeFull(`o${i}`, data)));
  await many(io, Math.min(OPS / 5, 50_000));
  const warm = await memory();
  const descriptors = sockets();
  const begin = performance.now();
  await many(io, OPS);
  process.stdout.write(`${OPS} operations in ${((performance.now() - begin) / 1000).toFixed(0)} s\n`);
  judge('operations', warm, await memory(), descriptors);

  const connect = async () => {
    const one = await Rados.connect({ conf });
    const pool = await one.openPool(POOL);
    await pool.stat('o0');
    const watch = await pool.watch('o0', (notify) => notify.ack());
    await watch.unwatch();
    one.shutdown();
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (let i = 0; i < Math.max(10, CONNECTS / 10); i++) await connect();
  const before = await memory();
  const descriptorsThen = sockets();
  const then = performance.now();
  for (let i = 0; i < CONNECTS; i++) await connect();
  process.stdout.write(`${CONNECTS} connects in ${((performance.now() - then) / 1000).toFixed(0)} s\n`);
  judge('connects', before, await memory(), descriptorsThen);
  await rados.deletePool(POOL).catch(() => {});
  rados.shutdown();
} finally {
  if (cluster !== undefined) {
    spawnSync(process.execPath, [join(root, 'bin', 'sepiola.js'), 'down', '--dir', cluster], { stdio: 'inherit' });
    rmSync(cluster, { recursive: true, force: true });
  }
}
for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
