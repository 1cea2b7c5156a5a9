// The RADOS library on a cluster of Ceph 20.2, whose programs run in a root of their own that is made of Debian sid: about 1.5 GB and some minutes the
// first time. Not a part of the check; its last result stands in docs/rados/runs.md.
//   usage: node scripts/interop-20.mjs [--root DIR] [--key-types aes,aes256k] [--port N]
// Needs root, debootstrap, and Ceph 16.2 on this machine, whose answers those of 20.2 are compared with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytes, erasureSuite, radosApiSuite, text } from '../test/lib/rados-api.mjs';
import { cephVersion, RealCeph } from '../test/lib/real-ceph.mjs';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const argument = (name, other) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? other : process.argv[at + 1];
};
const ROOT = argument('--root', '/var/tmp/sepiola-sid');
const KEY_TYPES = argument('--key-types', 'aes,aes256k').split(',');
const PORT = argument('--port');
const PACKAGES = ['ceph-common', 'ceph-base', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'python3-rados'];

/** The step that asks an OSD for its version. */
const SAYS_VERSION = 'osdCommand';

const say = (line) => process.stdout.write(`${line}\n`);

/** Where this machine's own packages come from. */
function ownMirror() {
  const targets = spawnSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  const [mirror] = targets.stdout.split('\n').filter((site) => site !== '' && !site.includes('security'));
  if (mirror === undefined) throw new Error('apt names no mirror: give one with --mirror');
  return mirror;
}

function makeRoot() {
  if (existsSync(join(ROOT, 'usr/bin/ceph-osd'))) return;
  const must = (program, args) => {
    const { status } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit status ${status}`);
  };
  say(`making ${ROOT} of Debian sid ...`);
  must('debootstrap', ['--variant=minbase', 'sid', ROOT, argument('--mirror', ownMirror())]);
  // Some packages want a running system to end their installation in; their programs are there all the same.
  spawnSync('chroot', [ROOT, 'apt-get', 'install', '-y', '--no-install-recommends', ...PACKAGES], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** What daemons need of a system; it stays for the next run. */
function mountAll() {
  if (!existsSync(join(ROOT, 'proc/self'))) spawnSync('mount', ['-t', 'proc', 'proc', join(ROOT, 'proc')]);
  if (!existsSync(join(ROOT, 'dev/urandom'))) spawnSync('mount', ['--bind', '/dev', join(ROOT, 'dev')]);
}

const api = await import(join(here, 'dist', 'lib', 'rados.js'));

async function withRados(cluster, run, options = {}) {
  const rados = await api.Rados.connect({ conf: cluster.env.CEPH_CONF, timeout_ms: 60_000, options });
  try {
    return await run(rados);
  } finally {
    rados.shutdown();
  }
}

const modes = (mode) => ({ ms_client_mode: mode, ms_mon_client_mode: mode });

/** Steps of the API's suite, and those whose results differ from the older release's. */
async function suites(cluster, old) {
  let failures = 0;
  for (const mode of ['crc', 'secure']) {
    const run = (c) => withRados(c, (rados) => radosApiSuite(api, rados, `api-${mode}`), modes(mode));
    const [mine, theirs] = [await run(cluster), await run(old)];
    const differing = Object.keys(theirs).filter(
      (name) => name !== SAYS_VERSION && JSON.stringify(mine[name]) !== JSON.stringify(theirs[name]),
    );
    say(
      `  the whole API, ${mode} mode: ${Object.keys(mine).length} steps, ${differing.length} with another result than 16.2`,
    );
    for (const name of differing)
      say(`    ${name}: ${JSON.stringify(mine[name])}, 16.2: ${JSON.stringify(theirs[name])}`);
    failures += differing.length;
  }
  await withRados(cluster, (rados) => erasureSuite(api, rados));
  say('  an erasure-coded pool: as it should be');
  return failures;
}

/** What one writes the other reads: Ceph's own program of that release, in its root. */
async function across(cluster) {
  await withRados(cluster, async (rados) => {
    await rados.createPool('across', { pgNum: 8, application: 'rados' });
    const io = await rados.openPool('across');
    await io.writeFull('ours', bytes('written by the library'));
    await io.setXattr('ours', 'a', bytes('1'));
    await io.omapSet('ours', new Map([['k', bytes('v')]]));
    const cli = async (args, input) => {
      const { code, stdout, stderr } = await cluster.run('rados', ['-p', 'across', ...args], { input });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    assert.equal(await cli(['get', 'ours', '-']), 'written by the library');
    assert.match(await cli(['getxattr', 'ours', 'a']), /^1/);
    assert.match(await cli(['listomapvals', 'ours']), /k\n/);
    await cli(['put', 'theirs', '-'], 'written by rados');
    await cli(['setxattr', 'theirs', 'b', '2']);
    assert.equal(text(await io.read('theirs')), 'written by rados');
    assert.equal(text(await io.getXattr('theirs', 'b')), '2');
  });
  say("  across, with that release's own rados: equal");
}

makeRoot();
mountAll();
const version = spawnSync('chroot', [ROOT, 'ceph', '--version'], { encoding: 'utf8' }).stdout.trim();
say(`${version}, beside ${cephVersion()}`);
const old = await RealCeph.start({ osds: 3 });
let failed = 0;
try {
  for (const keyType of KEY_TYPES) {
    say(`keys of type ${keyType}:`);
    const cluster = await RealCeph.start({
      osds: 3,
      root: ROOT,
      keyType,
      ...(PORT === undefined ? {} : { port: Number(PORT) }),
    });
    try {
      failed += await suites(cluster, old);
      await across(cluster);
    } catch (error) {
      failed++;
      say(`  FAILED: ${error.stack ?? error}`);
    } finally {
      await cluster.end();
    }
    // The next finds no pools of the last.
    await withRados(old, async (rados) => {
      for (const { name } of rados.listPools())
        if (name.startsWith('api-')) await rados.deletePool(name).catch(() => {});
    });
  }
} finally {
  await old.end();
}
say(failed === 0 ? 'all equal' : `${failed} differences or failures`);
process.exit(failed === 0 ? 0 : 1);
