// Compression as an operator meets it, with Ceph's own programs: options of pools, what `ceph df detail` says, data that comes back, after a kill as well, and the
// tool's deep check.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestCluster } from './lib/cluster.mjs';

let c;
let scratch;
const algorithms = ['snappy', 'zlib', 'zstd', 'lz4'];

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'sepiola-compression-'));
  const set = ['bluestore_compression_mode=force', 'bluestore_compression_min_blob_size=65536'];
  c = await TestCluster.start(['--osds', '1', ...set.flatMap((option) => ['--set', `osd:${option}`])]);
});

after(async () => {
  await c?.end();
  rmSync(scratch, { recursive: true, force: true });
});

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function poolStats(name) {
  const { pools } = await c.cephJson('df', 'detail');
  return pools.find((pool) => pool.name === name).stats;
}

test('pools compress as they are told, and `ceph df detail` says by how much', async () => {
  // Half of each 64 KiB is text, half noise.
  const data = Buffer.alloc(2 << 20, 'what a store keeps, it keeps; ');
  for (let at = 0; at < data.length; at += 65_536) randomBytes(32_768).copy(data, at);
  const file = join(scratch, 'data');
  writeFileSync(file, data);
  await Promise.all([...algorithms, 'plain'].map((name) => c.ceph('osd', 'pool', 'create', name, '1')));
  // The OSD compresses unless a pool says otherwise.
  await Promise.all(algorithms.map((name) => c.ceph('osd', 'pool', 'set', name, 'compression_algorithm', name)));
  await c.ceph('osd', 'pool', 'set', 'plain', 'compression_mode', 'none');
  await c.waitClean();
  await Promise.all([...algorithms, 'plain'].map((name) => c.rados('-p', name, 'put', 'o', file)));
  c.kill('osd.0');
  await c.waitFor('it to be gone', async () => !isAlive(c.pids().get('osd.0')));
  // What it had not compressed yet it does when it starts.
  c.startDaemon('osd.0');
  await c.waitFor('all to be compressed', async () => {
    const { pools } = await c.cephJson('df', 'detail');
    const missing = pools.filter((p) => algorithms.includes(p.name) && p.stats.compress_under_bytes !== data.length);
    if (missing.length > 0) throw new Error(missing.map((p) => `${p.name} ${p.stats.compress_under_bytes}`).join());
    return true;
  });
  // The OSD's own counters say the same.
  const { bluestore } = await c.cephJson('tell', 'osd.0', 'perf', 'dump');
  const total = { original: 0, allocated: 0, stored: 0 };
  for (const { stats } of (await c.cephJson('df', 'detail')).pools) {
    total.original += stats.compress_under_bytes;
    total.allocated += stats.compress_bytes_used;
    total.stored += stats.stored;
  }
  assert.equal(bluestore.bluestore_compressed_original, total.original);
  assert.equal(bluestore.bluestore_compressed_allocated, total.allocated);
  assert.ok(bluestore.bluestore_compressed > total.allocated / 2);
  assert.ok(bluestore.bluestore_compressed <= total.allocated);
  assert.ok(bluestore.bluestore_allocated >= total.allocated);
  assert.ok(bluestore.bluestore_stored >= total.stored);
  assert.ok(bluestore.compress_success_count > 0);
  for (const name of algorithms) {
    const stats = await poolStats(name);
    assert.equal(stats.stored, data.length, name);
    assert.ok(stats.compress_bytes_used < data.length * 0.8, `${name}: ${stats.compress_bytes_used}`);
    assert.equal(stats.bytes_used, stats.compress_bytes_used, name);
  }
  const plain = await poolStats('plain');
  assert.equal(plain.compress_under_bytes, 0);
  assert.equal(plain.bytes_used, data.length);
  await Promise.all(algorithms.map((name) => c.rados('-p', name, 'get', 'o', join(scratch, name))));
  for (const name of algorithms) assert.ok(readFileSync(join(scratch, name)).equals(data), name);
  const { nodes } = await c.cephJson('osd', 'df');
  assert.ok(nodes[0].kb_used_omap > 0 && nodes[0].kb_used_meta > 0);
});
