// Damage on disk is found, told, and put right from a good copy; and what removed snapshots held is freed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestCluster } from './lib/cluster.mjs';

const SIZE = 300_000;
let c;

before(async () => {
  c = await TestCluster.start([
    '--osd-size',
    '64M',
    '--set',
    'global:osd_scrub_backoff_ratio=0',
    '--set',
    'global:mgr_stats_period=1',
  ]);
  await c.ceph('osd', 'pool', 'create', 'data', '1');
  await c.ceph('osd', 'pool', 'application', 'enable', 'data', 'test');
  await c.waitClean();
});

after(() => c?.end());

async function put(name) {
  const content = randomBytes(SIZE);
  const { code, stderr } = await c.run('rados', ['-p', 'data', 'put', name, '-'], { input: content });
  assert.equal(code, 0, stderr);
  return content;
}

async function get(name) {
  const { code, stdout, stderr } = await c.run('rados', ['-p', 'data', 'get', name, '-'], { encoding: 'buffer' });
  assert.equal(code, 0, String(stderr));
  return stdout;
}

/** Changes a few bytes of an object where they lie on an OSD's disk. */
function damage(osd, content) {
  const fd = openSync(join(c.dir, `osd.${osd}`, 'block'), 'r+');
  try {
    const piece = Buffer.alloc(8 << 20);
    const mark = content.subarray(0, 64);
    for (let at = 0; ; at += piece.length - mark.length) {
      const n = readSync(fd, piece, 0, piece.length, at);
      if (n < mark.length) break;
      const found = piece.subarray(0, n).indexOf(mark);
      if (found < 0) continue;
      writeSync(fd, Buffer.from('damaged'), 0, 7, at + found + 100);
      return;
    }
    assert.fail('the object is not found on the disk');
  } finally {
    closeSync(fd);
  }
}

const pgStat = async () => (await c.cephJson('pg', 'dump', 'pgs')).pg_stats.find((p) => p.pgid === '1.0');

async function scrub(kind) {
  const before = (await pgStat()).last_scrub_stamp;
  await c.ceph('pg', kind, '1.0');
  await c.waitFor(`the ${kind}`, async () => (await pgStat()).last_scrub_stamp !== before);
}

test('a deep scrub finds damaged copies, and a repair puts them right', async () => {
  const [primary, second] = (await c.cephJson('pg', 'map', '1.0')).acting;
  const first = await put('first');
  const other = await put('other');
  damage(primary, first);
  damage(second, other);
  await scrub('scrub');
  assert.equal((await pgStat()).stat_sum.num_scrub_errors, 0, 'a light scrub reads no data');
  await scrub('deep-scrub');
  assert.equal((await pgStat()).stat_sum.num_deep_scrub_errors, 2);
  const checks = await c.waitFor('the health checks', async () => {
    const found = Object.keys((await c.cephJson('health', 'detail')).checks);
    return found.includes('PG_DAMAGED') && found;
  });
  assert.ok(checks.includes('OSD_SCRUB_ERRORS'));
  assert.equal((await c.rados('list-inconsistent-pg', 'data')).trim(), '["1.0"]');
  const { inconsistents } = JSON.parse(await c.rados('list-inconsistent-obj', '1.0'));
  assert.deepEqual(
    inconsistents.map((x) => [x.object.name, x.union_shard_errors]),
    [
      ['first', ['read_error']],
      ['other', ['read_error']],
    ],
  );
  await scrub('repair');
  await c.waitFor('a clean PG', async () => (await pgStat()).state === 'active+clean');
  await scrub('deep-scrub');
  assert.equal((await pgStat()).stat_sum.num_scrub_errors, 0);
  assert.ok((await get('first')).equals(first));
  assert.ok((await get('other')).equals(other));
});

test('a client that reads a damaged object gets it whole', async () => {
  const [primary] = (await c.cephJson('pg', 'map', '1.0')).acting;
  const content = await put('read');
  damage(primary, content);
  assert.ok((await get('read')).equals(content));
  assert.ok((await get('read')).equals(content));
});

test('the clones of a removed snapshot go, and the monitors take note', async () => {
  await c.rados('-p', 'data', 'mksnap', 'one');
  await put('first');
  const clones = async () => (await pgStat()).stat_sum.num_object_clones;
  await c.waitFor('the clone to be counted', async () => (await clones()) === 1);
  await c.rados('-p', 'data', 'rmsnap', 'one');
  await c.waitFor('the clone to go', async () => (await clones()) === 0);
  await c.waitFor('the snapshot to be purged', async () => {
    const { removed_snaps_queue } = await c.cephJson('osd', 'dump');
    return removed_snaps_queue.length === 0;
  });
  await scrub('deep-scrub');
  assert.equal((await pgStat()).stat_sum.num_scrub_errors, 0);
});
