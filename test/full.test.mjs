// OSDs that run full: they stay up, writes are held and not lost, deleting with --force-full makes room, and the writes go on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { TestCluster } from './lib/cluster.mjs';

let c;

before(async () => {
  c = await TestCluster.start(['--osd-size', '128M']);
  await c.ceph('osd', 'pool', 'create', 'data', '8');
  await c.waitClean();
});

after(() => c?.end());

const checks = async () => Object.keys((await c.cephJson('health', 'detail')).checks);

test('filled as fast as it goes, every OSD stays up; once there is room again, the write that was held is done', async () => {
  const filling = spawn(
    'rados',
    ['-p', 'data', 'bench', '100', 'write', '-b', '1M', '-t', '8', '--no-cleanup', '--run-name', 'fill'],
    { env: { ...process.env, ...c.env }, stdio: 'ignore' },
  );
  try {
    await c.waitFor('the OSDs to be full', async () => (await checks()).includes('OSD_FULL'), 60_000);
  } finally {
    filling.kill('SIGKILL');
  }
  assert.ok((await checks()).includes('POOL_FULL'));
  assert.equal((await c.cephJson('osd', 'stat')).num_up_osds, 3);

  let held = true;
  const put = c.run('rados', ['-p', 'data', 'put', 'held', '/etc/passwd']).then((result) => {
    held = false;
    return result;
  });
  const names = (await c.run('rados', ['-p', 'data', 'ls'])).stdout.trim().split('\n');
  assert.ok(names.length > 60, `${names.length} objects of 1 MiB`);
  assert.ok(held, 'a write into a full pool waits');
  for (let i = 0; i < 50; i += 10) {
    const removed = names.slice(i, i + 10).map((name) => c.run('rados', ['-p', 'data', 'rm', name, '--force-full']));
    for (const { code, stderr } of await Promise.all(removed)) assert.equal(code, 0, stderr);
  }
  await c.waitFor('the OSDs to have room', async () => !(await checks()).includes('OSD_FULL'), 30_000);
  const { code, stderr } = await put;
  assert.equal(code, 0, stderr);
  assert.equal((await c.cephJson('osd', 'stat')).num_up_osds, 3);
});
