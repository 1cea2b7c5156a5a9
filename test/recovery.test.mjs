// What was acknowledged stays: daemons killed with SIGKILL under load, the whole cluster killed, and every object compared.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { sleep, TestCluster } from './lib/cluster.mjs';

const writer = readFileSync(new URL('./lib/verifying-writer.py', import.meta.url), 'utf8');
let c;

before(async () => {
  c = await TestCluster.start(['--set', 'global:osd_heartbeat_grace=4', '--set', 'global:osd_heartbeat_interval=1']);
  await c.ceph('osd', 'pool', 'create', 'data', '16');
  await c.waitClean();
});

after(() => c?.end());

/** Runs the verifying writer for some seconds while `disturb` does its work, then has every object compared. */
async function writeWhile(seconds, disturb) {
  const writing = c.python(writer, {
    env: { SECONDS: String(seconds), POOL: 'data' },
    timeout_ms: (seconds + 120) * 1000,
  });
  await sleep(1000);
  await disturb();
  const result = await writing;
  assert.equal(result.code, 0, result.stdout + result.stderr + c.logs());
  assert.match(result.stdout, /\d+ writes acknowledged, all read back/);
}

test('an OSD killed under load and started again costs nothing', async () => {
  await writeWhile(15, async () => {
    c.kill('osd.1');
    await sleep(7000);
    c.startDaemon('osd.1');
  });
  await c.waitFor('osd.1 to be up', async () => (await c.cephJson('osd', 'stat')).num_up_osds === 3);
  await c.waitClean();
});

test('under rados bench, an OSD killed and started again costs no acknowledged object', async () => {
  const bench = c.run('rados', [
    'bench',
    '-p',
    'data',
    '12',
    'write',
    '-b',
    '16384',
    '-t',
    '16',
    '--no-cleanup',
    '--run-name',
    'killed',
  ]);
  await sleep(3000);
  c.kill('osd.2');
  await sleep(5000);
  c.startDaemon('osd.2');
  const { code, stdout, stderr } = await bench;
  assert.equal(code, 0, stdout + stderr);
  await c.waitFor('osd.2 to be up', async () => (await c.cephJson('osd', 'stat')).num_up_osds === 3);
  await c.waitClean();
  // `seq` checks what it reads against what was written.
  const read = await c.run('rados', ['bench', '-p', 'data', '60', 'seq', '-t', '16', '--run-name', 'killed'], {
    timeout_ms: 120_000,
  });
  assert.equal(read.code, 0, read.stdout + read.stderr);
  const written = Number(/Total writes made:\s+(\d+)/.exec(stdout)[1]);
  assert.equal(Number(/Total reads made:\s+(\d+)/.exec(read.stdout)[1]), written);
  await c.rados('-p', 'data', 'cleanup', '--run-name', 'killed');
});

test('every daemon killed at once: the cluster resumes with all that it had acknowledged', async () => {
  const keep = await c.python(writer, { env: { SECONDS: '3', POOL: 'data', KEEP: '1' }, timeout_ms: 60_000 });
  assert.equal(keep.code, 0, keep.stdout + keep.stderr);
  await c.ceph('osd', 'pool', 'create', 'after', '8');
  await c.ceph('config', 'set', 'osd', 'osd_max_backfills', '3');
  for (const name of c.pids().keys()) c.kill(name);
  await sleep(500);
  await c.up();
  await c.waitClean();
  assert.ok((await c.cephJson('osd', 'pool', 'ls')).includes('after'));
  assert.equal((await c.ceph('config', 'get', 'osd.0', 'osd_max_backfills')).trim(), '3');
  const verify = await c.python(writer, { env: { SECONDS: '0', POOL: 'data', VERIFY: '1' }, timeout_ms: 60_000 });
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
});

test('the monitor killed and started again: clients go on', async () => {
  await writeWhile(8, async () => {
    c.kill('mon.a');
    await sleep(1500);
    c.startDaemon('mon.a');
    await sleep(1000);
  });
  assert.equal((await c.cephJson('-s')).osdmap.num_up_osds, 3);
});

test('down and up leave everything as it was', async () => {
  const before = await c.cephJson('osd', 'dump');
  await c.down();
  assert.equal(c.pids().size, 0);
  await c.up();
  await c.waitClean();
  const now = await c.cephJson('osd', 'dump');
  assert.equal(now.fsid, before.fsid);
  assert.deepEqual(
    now.pools.map((p) => p.pool_name),
    before.pools.map((p) => p.pool_name),
  );
  const verify = await c.python(writer, { env: { SECONDS: '0', POOL: 'data', VERIFY: '1' }, timeout_ms: 60_000 });
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
});
