// What comes over a port or in an operation can be anything: the daemon serves on, and its memory stays bounded.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sleep, TestCluster } from './lib/cluster.mjs';

let c;
let ports;

before(async () => {
  c = await TestCluster.start();
  await c.ceph('osd', 'pool', 'create', 'p', '8');
  await c.waitClean();
  const dump = await c.cephJson('osd', 'dump');
  const mgr = await c.cephJson('mgr', 'dump');
  const port = (addrvec) => Number(addrvec[0].addr.split(':').at(-1));
  ports = [c.port, port(mgr.active_addrs.addrvec)];
  for (const osd of dump.osds) {
    for (const which of ['public_addrs', 'cluster_addrs', 'heartbeat_back_addrs', 'heartbeat_front_addrs'])
      ports.push(port(osd[which].addrvec));
  }
});

after(() => c?.end());

const rss = (name) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${c.pids().get(name)}/status`, 'utf8'))[1]) / 1024;

/** Sends bytes and waits for the other end to hang up, or for a while. */
function send(port, chunks, wait_ms = 500) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, async () => {
      for (const chunk of chunks) {
        if (socket.destroyed) break;
        socket.write(chunk);
        await sleep(1);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(true));
    socket.on('data', () => {});
    setTimeout(() => {
      resolve(false);
      socket.destroy();
    }, wait_ms);
  });
}

async function alive() {
  assert.equal((await c.cephJson('-s')).osdmap.num_up_osds, 3);
  const put = await c.run('rados', ['-p', 'p', 'put', 'x', '-'], { input: 'still here' });
  assert.equal(put.code, 0, put.stderr);
  assert.equal(await c.rados('-p', 'p', 'get', 'x', '-'), 'still here');
}

const banner = Buffer.concat([
  Buffer.from('ceph v2\n'),
  Buffer.from([16, 0]),
  Buffer.from('0100000000000000', 'hex'),
  Buffer.alloc(8),
]);

test('none, random, a valid banner then garbage, a frame of 4 GiB', async () => {
  const logs = () =>
    [...c.pids().keys()].reduce((sum, name) => sum + statSync(join(c.dir, 'log', `${name}.log`)).size, 0);
  const before = logs();
  const huge = Buffer.alloc(32);
  huge[0] = 17;
  huge[1] = 4;
  for (let i = 0; i < 4; i++) huge.writeUInt32LE(0xffffffff, 2 + 6 * i);
  let connections = 0;
  for (const port of ports) {
    const attempts = [
      send(port, []),
      send(port, [randomBytes(1000)]),
      send(port, [randomBytes(100_000)]),
      send(port, [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]),
      send(port, [banner, randomBytes(5000)]),
      send(port, [banner, huge]),
      send(port, [banner.subarray(0, 9)]),
      send(port, [Buffer.from('ceph v027')]),
      send(port, [Buffer.from('ceph v2\n'), Buffer.from([255, 255]), randomBytes(65535)]),
    ];
    connections += attempts.length;
    await Promise.all(attempts);
  }
  await alive();
  assert.ok(
    logs() - before < connections * 600 + 20_000,
    `the logs grew by ${logs() - before} bytes over ${connections} bad connections`,
  );
});

test('thousands of half-open connections: memory bounded, service goes on', async () => {
  const before = rss('osd.0');
  const sockets = [];
  for (let i = 0; i < 3000; i++) {
    const socket = connect({ host: '127.0.0.1', port: ports[2] });
    socket.on('error', () => {});
    if (i % 2 === 0) socket.write(banner);
    sockets.push(socket);
    if (i % 200 === 199) await sleep(20);
  }
  await sleep(500);
  await alive();
  assert.ok(rss('osd.0') - before < 120, `osd.0 grew by ${rss('osd.0') - before} MiB`);
  for (const socket of sockets) socket.destroy();
  await alive();
});

test('odd operations are answered with an errno', async () => {
  const result = await c.python(readFileSync(new URL('./lib/odd-operations.py', import.meta.url), 'utf8'), {
    timeout_ms: 180_000,
  });
  assert.equal(result.code, 0, result.stdout + result.stderr + c.logs());
  await alive();
});

test('odd commands are answered with an errno and a sentence', async () => {
  for (const [args, code] of [
    [['osd', 'pool', 'create', ''], 22],
    [['osd', 'pool', 'create', 'x', '-5'], 2],
    [['osd', 'pool', 'create', 'x', '99999999'], 34],
    [['osd', 'pool', 'set', 'p', 'size', '99'], 22],
    [['osd', 'pool', 'set', 'nowhere', 'size', '2'], 2],
    [['osd', 'pool', 'rename', 'nowhere', 'x'], 2],
    [['osd', 'out', 'osd.99'], 0],
    [['auth', 'get', 'client.nobody'], 2],
    [['auth', 'caps', 'client.nobody', 'mon', 'allow r'], 2],
    [['config', 'set', 'osd', 'osd_max_backfills', 'lots'], 22],
    [['tell', 'osd.99', 'version'], 2],
    [['pg', 'ls-by-pool', 'nowhere'], 2],
  ]) {
    const result = await c.run('ceph', args);
    assert.equal(result.code, code, `ceph ${args.join(' ')}: ${result.code} ${result.stderr}`);
    if (code !== 0) assert.match(result.stderr, /\S/);
  }
  await alive();
});
