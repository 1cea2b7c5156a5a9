// Three monitors: the cluster goes on while any two of them run, waits while only one does, and all have the same in the end.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MonStore } from '../dist/paxos/index.js';
import { osDisk } from '../dist/runtime/index.js';
import { root, sleep, TestCluster } from './lib/cluster.mjs';

let c;

before(async () => {
  // A monitor that is gone is missed sooner than by default.
  c = await TestCluster.start([
    ...['--mons', '3', '--osd-size', '1G'],
    ...['--set', 'mon:mon_lease=1', '--set', 'mon:mon_election_timeout=1', '--set', 'mon:mon_probe_timeout=1'],
  ]);
});

after(() => c?.end());

const quorum = async () => (await c.cephJson('quorum_status')).quorum_names;
const waitQuorum = (names) =>
  c.waitFor(`quorum ${names}`, async () => (await quorum()).join() === names.join(), 30_000);

/** Puts a file into a pool and reads it back. */
async function putAndGet(pool, name) {
  const path = join(c.dir, 'object');
  const content = `${name}\n`.repeat(2000);
  writeFileSync(path, content);
  await c.rados('-p', pool, 'put', name, path);
  await c.rados('-p', pool, 'get', name, `${path}.back`);
  assert.equal(readFileSync(`${path}.back`, 'utf8'), content);
}

test('up waits for a quorum of all, and Ceph shows it', async () => {
  assert.match(await c.ceph('-s'), /mon: 3 daemons, quorum a,b,c \(age /);
  const status = await c.cephJson('quorum_status');
  assert.deepEqual(status.quorum, [0, 1, 2]);
  assert.equal(status.quorum_leader_name, 'a');
  assert.equal(status.monmap.mons.length, 3);
  assert.match(await c.ceph('mon', 'stat'), /leader 0 a, quorum 0,1,2 a,b,c/);
  assert.match(await c.ceph('tell', 'mon.b', 'mon_status'), /"state": "peon"/);
  assert.equal((await c.cephJson('mon', 'versions'))['ceph version 16.2.15 (sepiola) pacific (stable)'], 3);
  // Asked of a peon: what it reads itself, and what its leader must do.
  const of = (...args) => c.run('ceph', ['-m', `[v2:127.0.0.1:${c.port + 2}/0]`, ...args]);
  const created = await of('osd', 'pool', 'create', 'data', '8');
  assert.match(created.stderr, /pool 'data' created/);
  assert.equal((await of('osd', 'pool', 'ls')).stdout, 'data\n');
  assert.match((await of('osd', 'pool', 'create', 'x', '8', '16')).stderr, /Error ERANGE/);
  await putAndGet('data', 'first');
});

test('the leader is killed: the others go on, and take it back', async () => {
  c.kill('mon.a');
  await c.ceph('osd', 'pool', 'create', 'without-a', '4');
  await putAndGet('without-a', 'second');
  assert.deepEqual(await quorum(), ['b', 'c']);
  const health = await c.ceph('health', 'detail');
  assert.match(health, /MON_DOWN: 1\/3 mons down, quorum b,c/);
  assert.match(health, /mon\.a \(rank 0\) addr .* is down \(out of quorum\)/);
  assert.match(await c.ceph('-s'), /quorum b,c \(age .*\), out of quorum: a/);
  c.startDaemon('mon.a');
  await waitQuorum(['a', 'b', 'c']);
  assert.equal((await c.cephJson('quorum_status')).quorum_leader_name, 'a');
  assert.deepEqual(await c.cephJson('osd', 'pool', 'ls'), ['data', 'without-a']);
});

test('a second monitor is killed: commands wait until one is back', async () => {
  c.kill('mon.c');
  await c.ceph('osd', 'pool', 'create', 'without-c', '4');
  await putAndGet('without-c', 'third');
  c.kill('mon.b');
  await sleep(1500);
  let ended = false;
  const creating = c.ceph('osd', 'pool', 'create', 'waited', '4').finally(() => {
    ended = true;
  });
  await sleep(3000);
  assert.equal(ended, false, 'one monitor of three has made a pool');
  c.startDaemon('mon.c');
  await creating;
  assert.deepEqual(await quorum(), ['a', 'c']);
  c.startDaemon('mon.b');
  await waitQuorum(['a', 'b', 'c']);
  await putAndGet('waited', 'fourth');
});

test('all three have the same state, and come up again with it', async () => {
  await c.down();
  const own = new Set(['monitor', 'mkfs', 'mon_sync']);
  const promises = new Set(['last_pn', 'accepted_pn', 'pending_v', 'pending_pn']);
  const [a, b, d] = ['a', 'b', 'c'].map((id) => {
    const kv = osDisk.openKv(join(c.dir, `mon.${id}`, 'store.mdb'));
    const store = new MonStore(kv);
    const last = store.getNumber('paxos', 'last_committed');
    const all = new Map();
    for (const [table, key, value] of store.all('', '')) {
      if (!own.has(table) && !(table === 'paxos' && promises.has(key))) all.set(`${table} ${key}`, Buffer.from(value));
    }
    kv.close();
    return { last, all };
  });
  // Stopped one after the other, the last of them may have one version more; what all have is the same.
  const last = Math.min(a.last, b.last, d.last);
  assert.ok(last > 10 && Math.max(a.last, b.last, d.last) - last <= 1, `${a.last}, ${b.last}, ${d.last}`);
  for (const other of [b, d]) {
    for (const [key, value] of a.all) {
      if (/^paxos \d+$/.test(key) && Number(key.slice(6)) > last) continue;
      if (other.last === a.last || key.startsWith('paxos ')) {
        if (key === 'paxos last_committed' && other.last !== a.last) continue;
        assert.deepEqual(other.all.get(key), value, key);
      }
    }
  }
  await c.up();
  assert.deepEqual(await quorum(), ['a', 'b', 'c']);
  assert.deepEqual(await c.cephJson('osd', 'pool', 'ls'), ['data', 'without-a', 'without-c', 'waited']);
});

test('a monitor is removed, made anew, and joins', async () => {
  const gone = c.pids().get('mon.c');
  await c.ceph('mon', 'rm', 'c');
  await waitQuorum(['a', 'b']);
  await c.waitFor('mon.c to end', () => !existsSync(`/proc/${gone}`));
  const map = join(c.dir, 'map');
  const store = join(c.dir, 'mon.c');
  await c.ceph('mon', 'getmap', '-o', map);
  rmSync(join(store, 'store.mdb'), { recursive: true });
  const keyring = join(store, 'keyring');
  const sepiola = [join(root, 'bin', 'sepiola.js'), 'mon', '--conf', c.env.CEPH_CONF, '--id', 'c'];
  const made = await c.run(process.execPath, [...sepiola, '--mkfs', '--monmap', map, '--keyring', keyring]);
  assert.equal(made.code, 0, made.stderr);
  c.startDaemon('mon.c', ['--public-addr', `127.0.0.1:${c.port + 2}`]);
  await waitQuorum(['a', 'b', 'c']);
  assert.equal((await c.cephJson('mon', 'dump')).mons.length, 3);
});
