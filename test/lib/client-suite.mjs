// What Ceph's own programs must be able to do with a cluster: one suite, run in both connection modes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sleep, TestCluster } from './cluster.mjs';

/** `mode` is `crc` or `secure`: what daemons and clients agree on for every connection. */
export function clientSuite(mode) {
  let c;
  let files;

  before(async () => {
    const modes = [
      'ms_cluster_mode',
      'ms_service_mode',
      'ms_client_mode',
      'ms_mon_cluster_mode',
      'ms_mon_service_mode',
      'ms_mon_client_mode',
    ];
    c = await TestCluster.start(modes.flatMap((option) => ['--set', `global:${option}=${mode}`]));
    files = mkdtempSync(join(tmpdir(), 'sepiola-files-'));
  });

  after(async () => {
    await c?.end();
    rmSync(files, { recursive: true, force: true });
  });

  test('ceph -s and ceph health', async () => {
    const status = await c.cephJson('-s');
    assert.equal(status.osdmap.num_osds, 3);
    assert.equal(status.osdmap.num_up_osds, 3);
    assert.equal(status.osdmap.num_in_osds, 3);
    assert.equal(status.mgrmap.available, true);
    assert.deepEqual(status.quorum_names, ['a']);
    const plain = await c.ceph('-s');
    assert.match(plain, /osd: 3 osds: 3 up \(since .*\), 3 in \(since .*\)/);
    assert.match(plain, /mon: 1 daemons, quorum a/);
    assert.match(plain, /mgr: x\(active/);
    assert.match(await c.ceph('health', 'detail'), /^HEALTH_(OK|WARN)/);
  });

  test('ceph osd tree, df, dump, stat', async () => {
    // OSDs report their space to the manager within its first seconds.
    await c.waitFor(
      'the space of every OSD',
      async () => (await c.cephJson('osd', 'df')).nodes.every((n) => n.kb > 0),
      15_000,
    );
    const tree = await c.cephJson('osd', 'tree');
    assert.deepEqual(
      tree.nodes.filter((n) => n.type === 'osd').map((n) => [n.name, n.status]),
      [
        ['osd.0', 'up'],
        ['osd.1', 'up'],
        ['osd.2', 'up'],
      ],
    );
    assert.match(await c.ceph('osd', 'tree'), /^ID\s+CLASS\s+WEIGHT\s+TYPE NAME\s+STATUS\s+REWEIGHT\s+PRI-AFF/);
    const df = await c.cephJson('osd', 'df');
    assert.equal(df.nodes.length, 3);
    for (const n of df.nodes) assert.ok(n.kb > 0 && n.kb_avail > 0, JSON.stringify(n));
    assert.match(await c.ceph('osd', 'df'), /TOTAL/);
    const dump = await c.cephJson('osd', 'dump');
    assert.equal(dump.osds.length, 3);
    assert.equal(dump.require_osd_release, 'pacific');
    assert.match(await c.ceph('osd', 'stat'), /^3 osds: 3 up \(since .*\), 3 in \(since .*\); epoch: e\d+/);
  });

  test('ceph mon dump, versions, df', async () => {
    const mons = await c.cephJson('mon', 'dump');
    assert.deepEqual(
      mons.mons.map((m) => m.name),
      ['a'],
    );
    const versions = await c.cephJson('versions');
    assert.equal(
      Object.values(versions.osd).reduce((a, b) => a + b, 0),
      3,
    );
    const df = await c.cephJson('df');
    assert.ok(df.stats.total_bytes > 0);
    assert.match(await c.ceph('df'), /--- RAW STORAGE ---/);
  });

  test('pools: create, ls, set, get, rename, application, rm', async () => {
    await c.ceph('osd', 'pool', 'create', 'one', '8');
    await c.ceph('osd', 'pool', 'create', 'two', '8', '8', 'replicated');
    assert.deepEqual(
      (await c.ceph('osd', 'pool', 'ls'))
        .trim()
        .split('\n')
        .filter((p) => p !== 'device_health_metrics'),
      ['one', 'two'],
    );
    await c.ceph('osd', 'pool', 'set', 'one', 'min_size', '1');
    assert.equal((await c.cephJson('osd', 'pool', 'get', 'one', 'min_size')).min_size, 1);
    assert.match(await c.ceph('osd', 'pool', 'get', 'one', 'size'), /^size: 3$/m);
    await c.ceph('osd', 'pool', 'rename', 'two', 'three');
    await c.ceph('osd', 'pool', 'application', 'enable', 'one', 'rados');
    assert.deepEqual(await c.cephJson('osd', 'pool', 'application', 'get', 'one'), { rados: {} });
    const refused = await c.run('ceph', ['osd', 'pool', 'rm', 'three']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /EPERM/);
    await c.ceph('osd', 'pool', 'rm', 'three', 'three', '--yes-i-really-really-mean-it');
    assert.ok(!(await c.cephJson('osd', 'pool', 'ls')).includes('three'));
    const missing = await c.run('ceph', ['osd', 'pool', 'get', 'nowhere', 'size']);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /Error ENOENT: unrecognized pool 'nowhere'/);
    await c.waitClean();
  });

  test('ceph pg stat, dump, ls', async () => {
    assert.match(await c.ceph('pg', 'stat'), /^\d+ pgs: \d+ active\+clean; /);
    const dump = await c.cephJson('pg', 'dump');
    const pgs = dump.pg_map.pg_stats;
    assert.ok(pgs.length >= 8);
    for (const pg of pgs) {
      assert.equal(pg.state, 'active+clean');
      assert.equal(pg.acting.length, 3);
    }
    const ls = await c.cephJson('pg', 'ls');
    assert.equal(ls.pg_stats.length, pgs.length);
  });

  test('ceph auth get-or-create, ls, caps, rm; caps are enforced', async () => {
    const keyring = await c.ceph('auth', 'get-or-create', 'client.reader', 'mon', 'allow r', 'osd', 'allow r pool=one');
    assert.match(keyring, /^\[client\.reader\]\n\tkey = [A-Za-z0-9+/]{38}==\n/);
    assert.equal(
      await c.ceph('auth', 'get-or-create', 'client.reader', 'mon', 'allow r', 'osd', 'allow r pool=one'),
      keyring,
    );
    assert.match(await c.ceph('auth', 'ls'), /client\.reader\n\tkey: /);
    const path = join(files, 'reader.keyring');
    writeFileSync(path, keyring, { mode: 0o600 });
    const as = ['--name', 'client.reader', '--keyring', path];
    writeFileSync(join(files, 'x'), 'x');
    await c.rados('-p', 'one', 'put', 'readable', join(files, 'x'));
    assert.equal((await c.run('rados', [...as, '-p', 'one', 'get', 'readable', '-'])).stdout, 'x');
    const write = await c.run('rados', [...as, '-p', 'one', 'put', 'readable', join(files, 'x')]);
    assert.notEqual(write.code, 0);
    assert.match(write.stderr, /Operation not permitted/);
    const command = await c.run('ceph', [...as, 'osd', 'pool', 'create', 'mine']);
    assert.equal(command.code, 13);
    assert.match(command.stderr, /EACCES/);
    await c.ceph('auth', 'caps', 'client.reader', 'mon', 'allow r', 'osd', 'allow rw pool=one');
    assert.equal((await c.run('rados', [...as, '-p', 'one', 'put', 'readable', join(files, 'x')])).code, 0);
    await c.ceph('auth', 'rm', 'client.reader');
    const gone = await c.run('rados', [...as, '-p', 'one', 'ls']);
    assert.notEqual(gone.code, 0);
  });

  test('a wrong key is refused', async () => {
    const path = join(files, 'wrong.keyring');
    writeFileSync(path, '[client.admin]\n\tkey = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==\n');
    const result = await c.run('ceph', ['--keyring', path, '--connect-timeout', '10', '-s']);
    assert.notEqual(result.code, 0);
    assert.doesNotMatch(result.stdout, /health/);
  });

  test('ceph config set, get, dump', async () => {
    await c.ceph('config', 'set', 'osd', 'osd_max_backfills', '2');
    assert.equal((await c.ceph('config', 'get', 'osd.0', 'osd_max_backfills')).trim(), '2');
    const dump = await c.cephJson('config', 'dump');
    assert.ok(dump.some((o) => o.section === 'osd' && o.name === 'osd_max_backfills' && o.value === '2'));
    await c.ceph('config', 'rm', 'osd', 'osd_max_backfills');
    const unknown = await c.run('ceph', ['config', 'set', 'osd', 'no_such_option', '1']);
    assert.equal(unknown.code, 22);
    assert.match(unknown.stderr, /EINVAL/);
  });

  test('ceph log, log last, -w', async () => {
    const watcher = spawn('ceph', ['-w'], { env: { ...process.env, ...c.env } });
    let seen = '';
    watcher.stdout.on('data', (d) => {
      seen += d;
    });
    await c.waitFor('ceph -w to show the status', () => /cluster:/.test(seen));
    await sleep(500);
    await c.ceph('log', 'a squid was here');
    await c.waitFor('the line in ceph -w', () => seen.includes('a squid was here'));
    watcher.kill();
    assert.match(await c.ceph('log', 'last', '20'), /a squid was here/);
  });

  test('ceph tell, ceph daemon, ceph osd map', async () => {
    assert.match((await c.cephJson('tell', 'osd.0', 'version')).version, /\d+\.\d+/);
    assert.match((await c.cephJson('tell', 'mgr', 'version')).version, /\d+\.\d+/);
    const status = JSON.parse(await c.ceph('daemon', 'osd.0', 'status'));
    assert.equal(status.whoami, 0);
    assert.equal(status.state, 'active');
    const map = await c.cephJson('osd', 'map', 'one', 'someobject');
    assert.equal(map.acting.length, 3);
    assert.match(
      await c.ceph('osd', 'map', 'one', 'someobject'),
      /^osdmap e\d+ pool 'one' \(\d+\) object 'someobject' -> pg \d+\.[0-9a-f]+ \(\d+\.[0-9a-f]+\) -> up \(\[\d,\d,\d\], p\d\) acting \(\[\d,\d,\d\], p\d\)/,
    );
  });

  test('ceph --help lists what works, and an unknown command says so', async () => {
    assert.match(await c.ceph('--help'), /osd pool create/);
    const unknown = await c.run('ceph', ['osd', 'no-such-thing']);
    assert.equal(unknown.code, 22);
  });

  test('rados: objects', async () => {
    assert.ok((await c.rados('lspools')).split('\n').includes('one'));
    const path = join(files, 'data');
    const data = randomBytes(300_000);
    writeFileSync(path, data);
    await c.rados('-p', 'one', 'put', 'obj', path);
    await c.rados('-p', 'one', 'get', 'obj', `${path}.back`);
    assert.ok(readFileSync(`${path}.back`).equals(data));
    assert.match(await c.rados('-p', 'one', 'stat', 'obj'), /^one\/obj mtime .*, size 300000$/m);
    assert.ok((await c.rados('-p', 'one', 'ls')).split('\n').includes('obj'));
    await c.rados('-p', 'one', 'append', 'obj', path);
    assert.match(await c.rados('-p', 'one', 'stat', 'obj'), /size 600000$/m);
    await c.rados('-p', 'one', 'truncate', 'obj', '1000');
    await c.rados('-p', 'one', 'get', 'obj', `${path}.back`);
    assert.ok(readFileSync(`${path}.back`).equals(data.subarray(0, 1000)));
    await c.rados('-p', 'one', 'rm', 'obj');
    const gone = await c.run('rados', ['-p', 'one', 'stat', 'obj']);
    assert.notEqual(gone.code, 0);
    assert.match(gone.stderr, /\(2\) No such file or directory/);
  });

  test('rados: namespaces, odd names, empty objects', async () => {
    writeFileSync(join(files, 'empty'), '');
    for (const name of ['with space', 'ümläut-日本', 'a/b/c', 'x'.repeat(1000), '.hidden', 'percent%25']) {
      await c.rados('-p', 'one', 'put', name, join(files, 'empty'));
      assert.ok((await c.rados('-p', 'one', 'ls')).split('\n').includes(name), name);
      await c.rados('-p', 'one', 'rm', name);
    }
    await c.rados('-p', 'one', '-N', 'space', 'put', 'inside', join(files, 'empty'));
    assert.equal((await c.rados('-p', 'one', '-N', 'space', 'ls')).trim(), 'inside');
    assert.ok(!(await c.rados('-p', 'one', 'ls')).includes('inside'));
    await c.rados('-p', 'one', '-N', 'space', 'rm', 'inside');
    const long = await c.run('rados', ['-p', 'one', 'put', 'y'.repeat(5000), join(files, 'empty')]);
    assert.notEqual(long.code, 0);
    assert.match(long.stderr, /File name too long/);
  });

  test('rados: xattrs and omap', async () => {
    await c.rados('-p', 'one', 'create', 'meta');
    await c.rados('-p', 'one', 'setxattr', 'meta', 'color', 'red');
    assert.equal((await c.rados('-p', 'one', 'getxattr', 'meta', 'color')).trim(), 'red');
    assert.equal((await c.rados('-p', 'one', 'listxattr', 'meta')).trim(), 'color');
    await c.rados('-p', 'one', 'setomapval', 'meta', 'k1', 'v1');
    await c.rados('-p', 'one', 'setomapval', 'meta', 'k0', 'v0');
    assert.equal((await c.rados('-p', 'one', 'listomapkeys', 'meta')).trim(), 'k0\nk1');
    assert.match(await c.rados('-p', 'one', 'listomapvals', 'meta'), /k0\nvalue \(2 bytes\)/);
    await c.rados('-p', 'one', 'rmomapkey', 'meta', 'k0');
    assert.equal((await c.rados('-p', 'one', 'listomapkeys', 'meta')).trim(), 'k1');
    await c.rados('-p', 'one', 'rm', 'meta');
  });

  test('rados bench, df, cleanup', async () => {
    const out = await c.rados('bench', '-p', 'one', '3', 'write', '-b', '4096', '-t', '16', '--no-cleanup');
    assert.match(out, /Total writes made:\s+\d+/);
    assert.match(await c.rados('bench', '-p', 'one', '2', 'rand', '-t', '16'), /Total reads made:\s+\d+/);
    assert.match(await c.rados('bench', '-p', 'one', '2', 'seq', '-t', '16'), /Total reads made:\s+\d+/);
    await c.waitFor('the objects in rados df', async () => {
      const df = JSON.parse(await c.rados('df', '--format', 'json'));
      return df.pools.find((p) => p.name === 'one').num_objects > 10;
    });
    assert.match(await c.rados('-p', 'one', 'cleanup'), /Removed \d+ objects/);
  });

  test('a 200 MB file comes back identical', async () => {
    const path = join(files, 'big');
    writeFileSync(path, randomBytes(200_000_000));
    // An object is 128 MiB at most: osd_max_object_size. The striper is how Ceph's users store more under one name.
    await c.ceph('config', 'set', 'osd', 'osd_max_object_size', '256M');
    await c.rados('-p', 'one', 'put', 'big', path);
    await c.rados('-p', 'one', 'get', 'big', `${path}.back`);
    assert.equal((await c.run('cmp', [path, `${path}.back`])).code, 0);
    await c.rados('-p', 'one', 'rm', 'big');
    await c.ceph('config', 'rm', 'osd', 'osd_max_object_size');
  });

  test('python3-rados: pools, objects, xattrs, omap, aio, mon_command', async () => {
    const result = await c.python(readFileSync(new URL('./python-rados.py', import.meta.url), 'utf8'), {
      timeout_ms: 120_000,
    });
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /all good/);
  });

  test('a manager that is failed comes back as a standby, and serves again', async () => {
    const before = (await c.cephJson('mgr', 'dump')).active_gid;
    await c.ceph('mgr', 'fail', 'x');
    await c.waitFor('another life of the manager', async () => {
      const { available, active_gid } = await c.cephJson('mgr', 'dump');
      return available && active_gid !== before;
    });
    await c.waitFor('its statistics', async () => (await c.cephJson('osd', 'df')).nodes.every((n) => n.kb > 0), 20_000);
  });

  test('ceph -s shows I/O rates under load, and pools their usage', async () => {
    const bench = c.rados('bench', '-p', 'one', '12', 'write', '-b', '65536', '-t', '4');
    await c.waitFor('client I/O in ceph -s', async () => /client:.*wr/.test(await c.ceph('-s')), 15_000);
    await bench;
    const pools = await c.cephJson('osd', 'pool', 'stats');
    assert.ok(pools.some((p) => p.pool_name === 'one'));
  });
}
