// The RADOS library against this project's cluster and against the real Ceph: one suite, results equal, errors included.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, run, TestCluster } from './lib/cluster.mjs';
import { erasureSuite, radosApiSuite } from './lib/rados-api.mjs';
import { connectWays } from './lib/rados-connect.mjs';
import { acrossPrograms } from './lib/rados-cross.mjs';
import { RealCeph } from './lib/real-ceph.mjs';

const api = await import(join(root, 'dist', 'lib', 'rados.js'));
const { Rados } = api;

let ours;
let real;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sepiola-files-'));
  // One that does not come up must not leave the other running.
  const started = await Promise.allSettled([
    TestCluster.start(['--set', 'global:mon_allow_pool_delete=true']),
    RealCeph.start({ osds: 3 }),
  ]);
  [ours, real] = started.map((s) => s.value);
  for (const s of started) if (s.status === 'rejected') throw s.reason;
});

after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([ours?.end(), real?.end()]);
});

/** Runs with a connection that ends with it. */
async function withRados(cluster, run, options = {}) {
  const rados = await Rados.connect({ conf: cluster.env.CEPH_CONF, timeout_ms: 30_000, options });
  try {
    return await run(rados);
  } finally {
    rados.shutdown();
  }
}

/** What both say, in one mode; fails with the steps that differ. */
async function both(mode) {
  const results = await Promise.all(
    [ours, real].map((cluster) =>
      withRados(cluster, (rados) => radosApiSuite(api, rados, `api-${mode}`), {
        ms_client_mode: mode,
        ms_mon_client_mode: mode,
      }),
    ),
  );
  const [mine, theirs] = results;
  const differing = {};
  for (const name of Object.keys(theirs)) {
    if (JSON.stringify(mine[name]) !== JSON.stringify(theirs[name])) {
      differing[name] = { ours: mine[name], ceph: theirs[name] };
    }
  }
  assert.deepEqual(differing, {});
  assert.deepEqual(Object.keys(mine), Object.keys(theirs));
}

const across = (cluster) =>
  withRados(cluster, (rados) => acrossPrograms(rados, cluster, mkdtempSync(join(folder, 'across-'))));

// They wait more than they work: all at once.
test('the RADOS library on both clusters', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('the whole API, crc mode: results equal, errors included', () => both('crc')),
    t.test('the whole API, secure mode: results equal, errors included', () => both('secure')),
    t.test('an erasure-coded pool of the real Ceph', () => withRados(real, (rados) => erasureSuite(api, rados))),
    t.test('the reference in docs/rados is current', async () => {
      const { code, stderr } = await run(process.execPath, [join(root, 'scripts', 'docs-rados.mjs'), '--check']);
      assert.equal(code, 0, stderr);
    }),
    t.test('the library needs no native module', async () => {
      const alone = mkdtempSync(join(folder, 'alone-'));
      cpSync(join(root, 'dist', 'lib'), alone, { recursive: true });
      writeFileSync(join(alone, 'package.json'), '{"type":"module"}');
      const program = `const { Rados } = await import(${JSON.stringify(join(alone, 'rados.js'))});
        const rados = await Rados.connect({ timeout_ms: 20000 });
        process.stdout.write(rados.fsid);
        rados.shutdown();`;
      const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
        env: real.env,
        cwd: alone,
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^[0-9a-f-]{36}$/);
    }),
    t.test('across, with rados and python3-rados: this cluster', () => across(ours)),
    t.test('across, with rados and python3-rados: the real Ceph', () => across(real)),
  ]);
  // Alone, since it changes the environment, of which the others' programs get a copy.
  await t.test('ways to connect', async () => {
    for (const cluster of [ours, real]) await connectWays(api, cluster, mkdtempSync(join(folder, 'connect-')));
  });
});
