// Whole clusters on virtual time: the code that the processes run, on a network, a disk and a clock of one seed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installNativeCrc32c } from '../dist/runtime/index.js';
import { crashOneOsd, SimCluster, SimWorkload } from '../dist/sim/index.js';

installNativeCrc32c();

test('boot, a pool, 1,000 mixed operations, an OSD loses its power and returns, every object is compared', async () => {
  const result = await crashOneOsd({ seed: 7, operations: 1000 });
  assert.equal(result.operations, 1000);
  assert.ok(result.objects > 10);
});

test('two runs of a seed give the same trace, byte for byte; another seed gives another', async () => {
  const run = (seed) => crashOneOsd({ seed, operations: 200, keepTrace: true });
  const first = await run(11);
  const second = await run(11);
  assert.equal(second.digest, first.digest);
  assert.deepEqual(second.lines, first.lines);
  assert.notEqual((await run(12)).digest, first.digest);
});

test('a primary that returns with much missing yields for a while, and takes its place again', async () => {
  const cluster = new SimCluster({
    seed: 3,
    settings: {
      global: { osd_heartbeat_grace: '6', osd_heartbeat_interval: '2', osd_force_auth_primary_missing_objects: '2' },
    },
  });
  await cluster.start();
  await cluster.drive(cluster.client.createPool('p'));
  await cluster.waitClean();
  const io = await cluster.drive(cluster.client.openPool('p'));
  const workload = new SimWorkload(io, cluster.world.entropy.fork(), 200);
  await cluster.drive(workload.run(300));
  cluster.crash('osd.1');
  const during = workload.run(400);
  await cluster.pass(15_000);
  await cluster.restart('osd.1');
  await cluster.drive(during);
  await cluster.waitClean();
  assert.ok((await cluster.drive(workload.verify())) > 50);
});

test('all OSDs lose their power at once: nothing acknowledged is gone', async () => {
  const cluster = new SimCluster({
    seed: 5,
    settings: { global: { osd_heartbeat_grace: '6', osd_heartbeat_interval: '2' } },
  });
  await cluster.start();
  await cluster.drive(cluster.client.createPool('p'));
  await cluster.waitClean();
  const io = await cluster.drive(cluster.client.openPool('p'));
  const workload = new SimWorkload(io, cluster.world.entropy.fork());
  await cluster.drive(workload.run(200));
  for (let i = 0; i < 3; i++) cluster.crash(`osd.${i}`);
  await cluster.pass(2000);
  for (let i = 0; i < 3; i++) await cluster.restart(`osd.${i}`);
  await cluster.drive(workload.run(100));
  await cluster.waitClean();
  assert.ok((await cluster.drive(workload.verify())) > 10);
});
