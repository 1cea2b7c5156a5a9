// `rados`: ours beside Ceph's, the same lines with both on one cluster. SEPIOLA_CLI_CONF=/path/ceph.conf takes a cluster that is there (a real one),
// SEPIOLA_CLI_ALL=1 runs all lines of test/cli/rados.txt and not only those of the check.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compare, readScenario, scenarioFiles } from './lib/cli-compare.mjs';
import { root, run, TestCluster } from './lib/cluster.mjs';

const isWhole = process.env.SEPIOLA_CLI_ALL === '1';
const compat = join(root, 'bin', 'compat');
let cluster;
let conf;
let files;
const pools = ['cli-pool-a', 'cli-pool-b'];
const parts = readScenario('rados', isWhole);
const poolsOf = (part) => pools.map((name) => `${name}-${part}`);

const env = () => ({ ...process.env, CEPH_CONF: conf, SEPIOLA_NO_BUILD: '1' });

/** `ceph osd pool ...` for each pool of these tests. */
function onPools(words) {
  const all = [...pools, ...parts.flatMap((_, i) => poolsOf(i))];
  return Promise.all(all.map((pool) => run(join(compat, 'ceph'), ['osd', 'pool', ...words(pool)], { env: env() })));
}

before(async () => {
  files = scenarioFiles();
  conf = process.env.SEPIOLA_CLI_CONF;
  if (conf === undefined) {
    cluster = await TestCluster.start(['--store', 'memory']);
    conf = cluster.env.CEPH_CONF;
  }
  const made = await onPools((pool) => ['create', pool, '8']);
  assert.deepEqual(
    made.filter(({ code }) => code !== 0).map(({ stderr }) => stderr),
    [],
  );
});

after(async () => {
  files?.remove();
  if (cluster !== undefined) await cluster.end();
  else await onPools((pool) => ['rm', pool, pool, '--yes-i-really-really-mean-it']);
});

test("rados prints and ends as Ceph's", async () => {
  const lanes = parts.map((steps, i) => compare(steps, { conf, files, pools: poolsOf(i), run: '' }));
  const different = (await Promise.all(lanes)).flat();
  assert.deepEqual(different, [], different.join('\n'));
});

test('pools with the same content export to the same bytes, and an export comes back', async () => {
  const at = (name) => join(files.folder, name);
  const theirs = (...args) => execFileSync('rados', ['-p', pools[0], ...args], { env: env() });
  theirs('put', 'data', at('big'));
  theirs('setxattr', 'data', 'name', 'value');
  theirs('-N', 'space', 'setomapval', 'keys', 'key', 'value');
  theirs('-N', 'space', 'setomapheader', 'keys', 'header');
  execFileSync('rados', ['-p', pools[0], 'export', at('theirs')], { env: env() });
  execFileSync(join(compat, 'rados'), ['-p', pools[0], 'export', at('ours')], { env: env() });
  assert.ok(readFileSync(at('theirs')).equals(readFileSync(at('ours'))), 'exports of one pool');
  execFileSync(join(compat, 'rados'), ['purge', pools[1], '--yes-i-really-really-mean-it'], { env: env() });
  execFileSync(join(compat, 'rados'), ['-p', pools[1], 'import', at('theirs')], { env: env() });
  execFileSync('rados', ['-p', pools[1], 'export', at('again')], { env: env() });
  assert.ok(readFileSync(at('again')).equals(readFileSync(at('theirs'))), 'export of an import');
});

test('the folder of our programs, first on PATH', async () => {
  const path = { ...env(), PATH: `${compat}:${process.env.PATH}` };
  const { stdout } = await run('sh', ['-c', 'command -v ceph; command -v rados; rados lspools; ceph osd pool ls'], {
    env: path,
  });
  const lines = stdout.split('\n');
  assert.deepEqual(lines.slice(0, 2), [join(compat, 'ceph'), join(compat, 'rados')]);
  assert.equal(lines.filter((l) => l === pools[0]).length, 2);
});
