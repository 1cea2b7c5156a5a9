// `sepiola up`, `down` and `status`: what they say and do when things are not as they should be, and the package as npm installs it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, root, run, sleep, TestCluster } from './lib/cluster.mjs';

const sepiola = (args, options = {}) =>
  run(join(root, 'sepiola'), args, { timeout_ms: 90_000, ...options, env: { SEPIOLA_NO_BUILD: '1', ...options.env } });
let scratch;

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sepiola-up-'));
});

after(() => rmSync(scratch, { recursive: true, force: true }));

test('help, version, unknown commands and flags', async () => {
  assert.match((await sepiola(['--help'])).stdout, /usage: sepiola COMMAND/);
  assert.match((await sepiola(['up', '--help'])).stdout, /--osds N/);
  assert.match((await sepiola(['--version'])).stdout, /^sepiola \d+\.\d+\.\d+/);
  const unknown = await sepiola(['sideways']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no command 'sideways'/);
  for (const args of [
    ['--osds', '0'],
    ['--osds', 'many'],
    ['--store', 'tape'],
    ['--osd-size', 'big'],
    ['--set', 'nonsense'],
    ['--set', 'osd:no_such_option=1'],
    ['--set', 'osd:osd_max_backfills=lots'],
    ['--frobnicate'],
  ]) {
    const dir = join(scratch, 'never');
    const result = await sepiola(['up', '--dir', dir, '--detach', ...args]);
    assert.equal(result.code, 1, args.join(' '));
    assert.match(result.stderr, /^sepiola: /, args.join(' '));
    assert.ok(!existsSync(dir), `${args.join(' ')} left something behind`);
  }
});

test('a directory in use, a taken port, a directory of a newer version, a directory of somebody else', async () => {
  const c = await TestCluster.start(['--osds', '1']);
  try {
    const again = await sepiola(['up', '--dir', c.dir, '--detach']);
    assert.equal(again.code, 1);
    const pid = c.pids().get('mon.a');
    assert.match(again.stderr, new RegExp(`is in use by .*mon\\.a \\(pid ${pid}\\)`));
    const taken = await sepiola(['up', '--dir', join(scratch, 'other'), '--port', String(c.port), '--detach']);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, new RegExp(`port ${c.port} .* is taken`));
    assert.ok(!existsSync(join(scratch, 'other')));
    assert.equal((await sepiola(['status', '--dir', c.dir])).code, 0);
    assert.match((await sepiola(['status', '--dir', c.dir])).stdout, /osd\.0 +pid \d+/);
    assert.equal(statSync(join(c.dir, 'ceph.client.admin.keyring')).mode & 0o777, 0o600);
    assert.ok(!existsSync(join(c.dir, 'bootstrap.keyring')));
    await c.down();
    assert.match((await sepiola(['status', '--dir', c.dir])).stdout, /is stopped/);
    const plan = JSON.parse(readFileSync(join(c.dir, 'cluster.json'), 'utf8'));
    writeFileSync(join(c.dir, 'cluster.json'), JSON.stringify({ ...plan, layout: 999 }));
    const before = readdirSync(c.dir).sort();
    const newer = await sepiola(['up', '--dir', c.dir, '--detach']);
    assert.equal(newer.code, 1);
    assert.match(newer.stderr, /was written by a newer sepiola/);
    assert.deepEqual(readdirSync(c.dir).sort(), before);
    writeFileSync(join(c.dir, 'cluster.json'), JSON.stringify(plan));
  } finally {
    await c.end();
  }
  const foreign = join(scratch, 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'thesis.txt'), 'do not touch');
  const refused = await sepiola(['up', '--dir', foreign, '--detach']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /holds other files \(thesis\.txt\)/);
  assert.deepEqual(readdirSync(foreign), ['thesis.txt']);
});

test('a directory that cannot be written says so', {
  skip: process.getuid() === 0 && !hasNobody() ? 'needs a second user' : false,
}, async () => {
  const closed = join(scratch, 'closed');
  mkdirSync(closed);
  chmodSync(closed, 0o555);
  chmodSync(scratch, 0o755);
  const args = [process.execPath, join(root, 'bin', 'sepiola.js'), 'up', '--dir', join(closed, 'cluster'), '--detach'];
  const result =
    process.getuid() === 0
      ? await run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...args])
      : await run(args[0], args.slice(1));
  assert.equal(result.code, 1);
  assert.match(result.stderr, /cannot write in/);
});

function hasNobody() {
  try {
    execFileSync('setpriv', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('an interrupted first `up` is begun afresh; data that no such explains is not touched', async () => {
  const dir = join(scratch, 'interrupted');
  const args = ['up', '--dir', dir, '--port', String(await freePort()), '--osds', '1', '--store', 'memory', '--detach'];
  mkdirSync(join(dir, 'mon.a'), { recursive: true });
  writeFileSync(join(dir, 'mon.a', 'store.mdb'), 'half of it');
  const refused = await sepiola(args);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /holds data of daemons \(mon\.a\) and no cluster\.json/);
  assert.equal(readFileSync(join(dir, 'mon.a', 'store.mdb'), 'utf8'), 'half of it');
  writeFileSync(join(dir, 'unfinished'), '');
  const afresh = await sepiola(args);
  assert.equal(afresh.code, 0, afresh.stderr);
  assert.ok(!existsSync(join(dir, 'unfinished')));
  assert.equal((await sepiola(['down', '--dir', dir])).code, 0);
});

for (const [how, stop] of [
  ['Ctrl-C', (child) => child.kill('SIGINT')],
  ['sepiola down elsewhere', (_child, dir) => sepiola(['down', '--dir', dir])],
])
  test(`in the foreground: a status, and ${how} ends it all`, async () => {
    const dir = join(scratch, `front-${how.length}`);
    const port = await freePort();
    const child = spawn(
      join(root, 'sepiola'),
      ['up', '--dir', dir, '--port', String(port), '--osds', '2', '--store', 'memory'],
      { env: { ...process.env, SEPIOLA_NO_BUILD: '1' } },
    );
    let out = '';
    child.stdout.on('data', (d) => {
      out += d;
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    for (let i = 0; i < 300 && !/osd: 2 osds: 2 up/.test(out); i++) await sleep(100);
    assert.match(out, /osd: 2 osds: 2 up/);
    await stop(child, dir);
    assert.equal(await ended, 0);
    assert.deepEqual(
      readdirSync(join(dir, 'run')).filter((f) => f.endsWith('.pid')),
      [],
    );
  });

test('hosts: OSDs spread over host buckets, the rule separates them', async () => {
  const c = await TestCluster.start([
    '--osds',
    '4',
    '--hosts',
    '2',
    '--store',
    'memory',
    '--set',
    'global:osd_pool_default_pg_num=16',
  ]);
  try {
    const tree = await c.cephJson('osd', 'tree');
    assert.equal(tree.nodes.filter((n) => n.type === 'host').length, 2);
    const [rule] = await c.cephJson('osd', 'crush', 'rule', 'dump');
    assert.ok(rule.steps.some((s) => s.op === 'chooseleaf_firstn' && s.type === 'host'));
    await c.ceph('osd', 'pool', 'create', 'p');
    await c.waitClean();
    assert.equal((await c.cephJson('osd', 'pool', 'get', 'p', 'pg_num')).pg_num, 16);
  } finally {
    await c.end();
  }
});

test('a taken daemon port or a broken store: the reason and the log, within a minute', async () => {
  const c = await TestCluster.start(['--osds', '1']);
  try {
    await c.down();
    rmSync(join(c.dir, 'osd.0'), { recursive: true });
    const result = await sepiola(['up', '--dir', c.dir, '--detach']);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /osd\.0 ended .*its log is .*osd\.0\.log/s);
    assert.deepEqual([...c.pids().keys()], []);
  } finally {
    await c.end();
  }
});

test('a cluster whose operator removed a monitor and an OSD and took another out is resumed as it is', async () => {
  const c = await TestCluster.start(['--mons', '3', '--osds', '3']);
  try {
    await c.ceph('mon', 'rm', 'c');
    await c.ceph('osd', 'out', '0');
    c.kill('osd.2');
    await c.ceph('osd', 'purge', '2', '--force', '--yes-i-really-mean-it');
    await c.down();
    const { code, stderr } = await sepiola(['up', '--dir', c.dir, '--detach']);
    assert.equal(code, 0, stderr);
    for (const name of ['mon.c', 'osd.2'])
      assert.ok(stderr.includes(`${name} is no longer of this cluster: left out\n`), stderr);
    assert.match(stderr, /resumed a cluster of 2 OSDs/);
    const status = await c.cephJson('status');
    assert.deepEqual(status.quorum_names, ['a', 'b']);
    assert.equal(status.osdmap.num_up_osds, 2);
    assert.equal(status.osdmap.num_in_osds, 1);
    assert.deepEqual([...c.pids().keys()].sort(), ['mgr.x', 'mon.a', 'mon.b', 'osd.0', 'osd.1']);
  } finally {
    await c.end();
  }
});

test('the package of npm pack, installed in an empty folder, runs', async () => {
  const folder = join(scratch, 'installed');
  mkdirSync(folder);
  const packed = JSON.parse(
    (
      await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
        cwd: root,
        timeout_ms: 120_000,
      })
    ).stdout,
  );
  const tarball = packed[0]?.filename ?? Object.values(packed)[0].filename;
  const installed = await run('npm', ['install', '--no-audit', '--no-fund', join(folder, tarball)], {
    cwd: folder,
    timeout_ms: 240_000,
  });
  assert.equal(installed.code, 0, installed.stdout + installed.stderr);
  const dir = join(scratch, 'packed');
  const up = await run('npx', ['sepiola', 'up', '--dir', dir, '--port', String(await freePort()), '--detach'], {
    cwd: folder,
    timeout_ms: 90_000,
  });
  try {
    assert.equal(up.code, 0, up.stdout + up.stderr);
    const status = await run('ceph', ['-s'], { env: { CEPH_CONF: join(dir, 'ceph.conf') } });
    assert.match(status.stdout, /3 osds: 3 up/);
  } finally {
    await run('npx', ['sepiola', 'down', '--dir', dir], { cwd: folder });
  }
});

test('one daemon by itself, as Ceph starts its own', async () => {
  const c = await TestCluster.start(['--osds', '2', '--store', 'disk']);
  try {
    c.kill('osd.1');
    await sleep(300);
    c.startDaemon('osd.1');
    await c.waitFor('osd.1 to be up again', async () => (await c.cephJson('osd', 'dump')).osds[1].up === 1);
    const missing = await run(process.execPath, [
      join(root, 'bin', 'sepiola.js'),
      'osd',
      '--conf',
      c.env.CEPH_CONF,
      '--id',
      '77',
    ]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /osd/);
  } finally {
    await c.end();
  }
});
