// `ceph`: ours beside Ceph's, as cli.test.mjs does for `rados`.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { compare, readScenario, scenarioFiles } from './lib/cli-compare.mjs';
import { root, sleep, TestCluster } from './lib/cluster.mjs';

const isWhole = process.env.SEPIOLA_CLI_ALL === '1';
const ours = join(root, 'bin', 'compat', 'ceph');
const pool = 'cli-pool';
let cluster;
let conf;
let files;

const env = () => ({ ...process.env, CEPH_CONF: conf, SEPIOLA_NO_BUILD: '1' });

before(async () => {
  files = scenarioFiles();
  conf = process.env.SEPIOLA_CLI_CONF;
  if (conf === undefined) {
    cluster = await TestCluster.start(['--store', 'memory']);
    conf = cluster.env.CEPH_CONF;
  }
  execFileSync(ours, ['osd', 'pool', 'create', pool, '8'], { env: env() });
});

after(async () => {
  files?.remove();
  await cluster?.end();
});

test("ceph prints and ends as Ceph's", async () => {
  const sockets = join(dirname(conf), 'run', 'ceph-');
  const context = { conf, files, pools: [pool, pool], run: sockets };
  const parts = readScenario('ceph', isWhole);
  const different = (await Promise.all(parts.map((steps) => compare(steps, context)))).flat();
  assert.deepEqual(different, [], different.join('\n'));
});

test('ceph -w and -W show the log of the cluster, line by line as Ceph does', async () => {
  const watchers = ['ceph', ours].map((program) => {
    const child = spawn(program, ['-W', '*'], { env: env() });
    const watcher = { child, text: '' };
    child.stdout.on('data', (d) => {
      watcher.text += d;
    });
    return watcher;
  });
  const seen = (text) => watchers.every((w) => w.text.includes(text));
  const wait = async (text) => {
    for (let i = 0; i < 200 && !seen(text); i++) await sleep(50);
    assert.ok(seen(text), watchers.map((w) => w.text).join('\n---\n'));
  };
  await wait('cluster:');
  await sleep(500);
  execFileSync(ours, ['log', 'a line for both'], { env: env() });
  await wait('a line for both');
  for (const { child } of watchers) child.kill();
  const line = (w) => w.text.split('\n').find((l) => l.includes('[INF] a line for both'));
  assert.equal(line(watchers[1]), line(watchers[0]));
});
