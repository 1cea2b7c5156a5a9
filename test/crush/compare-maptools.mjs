// Compares `sepiola osdmaptool`, `monmaptool` and `ceph-authtool` with the real ones: every option, stdout, stderr, exit status and the file left.
// Known to differ, and not compared: ports by the names of services in --mon-host; the values that debug logs print.
//   usage: node test/crush/compare-maptools.mjs [TOOL] [DIST]
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [only = 'all', dist = join(root, 'dist')] = process.argv.slice(2);
const load = async (name) => import(pathToFileURL(resolve(dist, `cmd/tools/${name}.js`)).href);
const { osdmaptool } = await load('osdmaptool');
const { monmaptool } = await load('monmaptool');
const { authtool } = await load('authtool');
const { systemIo, withLookups } = await load('io');
const HOSTS = [
  'localhost',
  '127.0.0.1',
  '127.0.0.3',
  'nosuch.invalid',
  '[v2:localhost:3300',
  'v2',
  'v1:localhost:6789',
  'localhost/5',
  '',
  '::1',
];
const io = await withLookups(systemIo, HOSTS);
const ours = { osdmaptool, monmaptool, 'ceph-authtool': authtool };
const folder = mkdtempSync(join(tmpdir(), 'sepiola-maptools-'));

// Times, random ids and keys differ from run to run.
const bare = (text) =>
  text
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(\+\d{4})?/g, 'TIME')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, 'UUID')
    .replace(/AQ[A-Za-z0-9+/]{36}==/g, 'KEY')
    .replace(/[Tt]ime elapsed [\d.e+-]+ secs/g, 'time elapsed')
    .replace(/^TIME [0-9a-f]+ +-?\d+ .*\n/gm, '')
    .replace(/\n+/g, '\n')
    .replace(/^\n/, '')
    .replace(/^ceph version 16\.2\.15 \(\w+\)/, 'ceph version')
    // Ceph balances pools in random order.
    .replace(/^pools .*$/gm, (line) => line.split(' ').sort().join(' '));

function files(dir) {
  const found = {};
  for (const name of readdirSync(dir).sort()) found[name] = readFileSync(join(dir, name));
  return found;
}

function prepare(dir, before) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const [name, from] of Object.entries(before)) {
    if (typeof from === 'string') copyFileSync(from, join(dir, name));
    else writeFileSync(join(dir, name), from);
  }
}

let runs = 0;
let crashes = 0;
let differences = 0;
const cwd = process.cwd();

/** Runs both in folders of their own that hold the files of `before`. `loose`: files left may differ (keys, times). */
function same(tool, args, before = {}, { loose = false } = {}) {
  if (only !== 'all' && only !== tool) return;
  const [there, here] = [join(folder, 'there'), join(folder, 'here')];
  prepare(there, before);
  prepare(here, before);
  const r = spawnSync(tool, args, { cwd: there, encoding: 'latin1', maxBuffer: 2 ** 28, timeout: 60_000 });
  let [out, err] = ['', ''];
  process.chdir(here);
  let status;
  try {
    status = ours[tool](args, {
      ...io,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    });
  } catch (error) {
    status = `threw ${error.stack}`;
  } finally {
    process.chdir(cwd);
  }
  runs++;
  if (r.signal !== null) {
    // Where the real one crashes ours has to answer, and nothing more.
    crashes++;
    if (typeof status !== 'number') report([`ours ${status}`]);
    return;
  }
  const wrong = [];
  if (status !== r.status) wrong.push(`status ${r.status}, ours ${status}`);
  const utf = (text) => Buffer.from(text, 'latin1').toString('utf8');
  if (bare(utf(r.stdout)) !== bare(out)) wrong.push(`stdout\n${shown(bare(utf(r.stdout)), bare(out))}`);
  if (bare(utf(r.stderr)) !== bare(err)) wrong.push(`stderr\n${shown(bare(utf(r.stderr)), bare(err))}`);
  const [a, b] = [files(there), files(here)];
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (a[name] === undefined || b[name] === undefined) wrong.push(`file ${name} only ${a[name] ? 'there' : 'here'}`);
    else if (!loose && Buffer.compare(a[name], b[name]) !== 0)
      wrong.push(`file ${name} (${a[name].length}, ${b[name].length} bytes)`);
    else if (loose && bare(a[name].toString('utf8')) !== bare(b[name].toString('utf8')) && loose !== 'bytes')
      wrong.push(`file ${name}\n${shown(bare(a[name].toString('utf8')), bare(b[name].toString('utf8')))}`);
  }
  if (wrong.length > 0) report(wrong);

  function report(lines) {
    differences++;
    process.stdout.write(`${tool} ${args.join(' ')}: ${lines.join('; ')}\n`);
  }
}

function shown(theirs, mine) {
  let k = 0;
  while (k < theirs.length && theirs[k] === mine[k]) k++;
  const cut = (text) => JSON.stringify(text.slice(Math.max(0, k - 60), k + 160));
  return `   - ${cut(theirs)}\n   + ${cut(mine)}`;
}

function osdmaps() {
  const tool = 'osdmaptool';
  const corpus = (name) => join(root, 'corpus/maps', name);
  const real = { map: corpus('osdmap-179.bin') };
  const later = { map: corpus('osdmap-227.bin') };
  spawnSync('osdmaptool', [
    '--createsimple',
    '12',
    join(folder, 'simple'),
    '--with-default-pool',
    '--pg-bits',
    '3',
    '--clobber',
  ]);
  const simple = { map: join(folder, 'simple') };
  same(tool, []);
  same(tool, ['--help']);
  same(tool, ['-h']);
  same(tool, ['-v']);
  same(tool, ['map', '--version']);
  same(tool, ['--print']);
  same(tool, ['--print', 'missing']);
  same(tool, ['--print', 'map'], { map: new Uint8Array([1, 2, 3]) });
  same(tool, ['--print', 'map'], { map: new Uint8Array(0) });
  same(tool, ['map'], real);
  same(tool, ['map', 'map2'], real);
  same(tool, ['map', '--nosuch'], real);
  for (const map of [real, later, simple]) {
    for (const args of [
      ['-p'],
      ['--print'],
      ['--tree'],
      ['--tree', 'plain'],
      ['--tree=json'],
      ['--tree=json-pretty'],
      ['--tree=xml'],
      ['--dump'],
      ['--dump', 'plain'],
      ['--dump', 'json'],
      ['--dump=json-pretty'],
      ['--dump=xml'],
      ['--dump=nosuch'],
      ['--health'],
      ['--mark-up-in', '--health'],
      ['--mark-up-in', '--mark-out', '1', '--health', '--print'],
      ['--health', '--mon_warn_on_pool_no_redundancy=false'],
      ['--mark-up', '0', '--print'],
      ['--mark-in', '0', '--mark-up', '0', '--print'],
      ['--mark-out', '99', '--print'],
      ['--mark-out', 'x', '--print'],
      ['--clear-temp', '--print'],
      ['--clean-temps', '--print'],
      ['--export-crush', 'crush'],
      ['--export-crush', '/nosuch/crush'],
      ['--import-crush', 'missing'],
      ['--test-map-object', 'foo'],
      ['--test-map-object', 'foo', '--pool', '1'],
      ['--test-map-object', 'foo', '--pool', '77'],
      ['--test-map-object', 'foo', '--pool', 'x'],
      ['--test-map-pg', '1.0'],
      ['--test-map-pg', '1.7f'],
      ['--test-map-pg', '77.0'],
      ['--test-map-pg', 'x'],
      ['--mark-up-in', '--test-map-pg', '1.3'],
      ['--test-map-pgs'],
      ['--mark-up-in', '--test-map-pgs'],
      ['--mark-up-in', '--test-map-pgs', '--pool', '1'],
      ['--mark-up-in', '--test-map-pgs', '--pool', '77'],
      ['--mark-up-in', '--test-map-pgs', '--pg-num', '64'],
      ['--mark-up-in', '--test-map-pgs-dump', '--pool', '1'],
      ['--mark-up-in', '--test-map-pgs-dump-all', '--pool', '1'],
      ['--test-map-pgs-dump-all'],
      ['--upmap-cleanup', '-'],
      ['--upmap-cleanup', 'cmds'],
      ['--upmap', '-', '--upmap-deviation', '0'],
      ['--upmap', '-', '--upmap-max', '0'],
      ['--upmap', '-', '--upmap-pool', 'nosuch'],
      ['--adjust-crush-weight', '0:2.5', '--print'],
      ['--adjust-crush-weight', '0:2,1:0.5', '--tree'],
      ['--adjust-crush-weight', '0', '--tree'],
      ['--adjust-crush-weight', '99:1', '--tree'],
      ['--adjust-crush-weight'],
      ['--range-first', '1', '--range-last', '2'],
    ])
      same(tool, ['map', ...args], map);
  }
  for (const n of ['0', '-1', 'x', '1', '3', '40']) {
    same(tool, ['new', '--createsimple', n], {}, { loose: 'bytes' });
    same(tool, ['new', '--createsimple', n, '--with-default-pool', '--print'], {}, { loose: 'bytes' });
  }
  same(tool, ['map', '--createsimple', '3'], simple);
  same(tool, ['map', '--createsimple', '3', '--clobber', '--print'], simple, { loose: 'bytes' });
  same(tool, ['map', '--clobber', '--print'], simple);
  for (const bits of [
    ['--pg-bits', '2'],
    ['--pg-bits', '4', '--pgp-bits', '2'],
    ['--osd-pg-bits=5'],
    ['--osd_pool_default_size=2'],
    ['--osd_crush_chooseleaf_type', '0'],
  ])
    same(tool, ['new', '--createsimple', '4', '--with-default-pool', ...bits, '--print'], {}, { loose: 'bytes' });
  const conf = '[osd.0]\nhost = a\nrack = r1\n[osd.1]\nhost = b\nrack = r1\n[osd.5]\nhost = c\nrack = r2\nrow = x\n';
  same(
    tool,
    ['new', '--create-from-conf', '-c', 'ceph.conf', '--with-default-pool', '--print'],
    { 'ceph.conf': Buffer.from(conf) },
    { loose: 'bytes' },
  );
  same(
    tool,
    ['new', '--create-from-conf', '-c', 'ceph.conf', '--tree'],
    { 'ceph.conf': Buffer.from(conf) },
    { loose: 'bytes' },
  );
  spawnSync('crushtool', [
    '-o',
    join(folder, 'crush'),
    '--build',
    '--num_osds',
    '4',
    'host',
    'straw2',
    '2',
    'root',
    'straw2',
    '0',
  ]);
  spawnSync('crushtool', [
    '-o',
    join(folder, 'crush99'),
    '--build',
    '--num_osds',
    '99',
    'host',
    'straw2',
    '2',
    'root',
    'straw2',
    '0',
  ]);
  same(
    tool,
    ['map', '--import-crush', 'crush', '--print'],
    { ...real, crush: join(folder, 'crush') },
    { loose: 'bytes' },
  );
  same(tool, ['map', '--import-crush', 'crush'], { ...simple, crush: join(folder, 'crush99') });
  same(tool, ['map', '--import-crush', 'crush'], { ...simple, crush: new Uint8Array([9, 9]) });
}

function monmaps() {
  const tool = 'monmaptool';
  const fsid = 'a2e3c1d4-1111-2222-3333-444455556666';
  const made = (name, ...args) => {
    spawnSync('monmaptool', ['--create', '--fsid', fsid, ...args, '--clobber', join(folder, name)]);
    return { map: join(folder, name) };
  };
  const legacy = made('m1', '--add', 'a', '10.0.0.1:6789');
  const many = made(
    'm2',
    '--addv',
    'a',
    '[v2:10.0.0.1:3300,v1:10.0.0.1:6789]',
    '--addv',
    'b',
    '[v2:10.0.0.2:3300,v1:10.0.0.2:6789]',
    '--add',
    'c',
    '10.0.0.3:6789',
  );
  const real = { map: join(root, 'corpus/maps/monmap-1.bin') };
  same(tool, []);
  same(tool, ['--help']);
  same(tool, ['-h']);
  same(tool, ['-v']);
  same(tool, ['map', '--version']);
  same(tool, ['--print']);
  same(tool, ['--print', 'missing']);
  same(tool, ['--print', 'map'], { map: new Uint8Array([1, 2, 3]) });
  for (const map of [legacy, many, real])
    for (const args of [
      [],
      ['--print'],
      ['-p'],
      ['--nosuch'],
      ['--rm', 'a'],
      ['--rm', 'b', '--print'],
      ['--rm', 'nosuch'],
      ['--add', 'a', '10.0.0.9:6789'],
      ['--add', 'z', '10.0.0.9:6789', '--print'],
      ['--add', 'z', '10.0.0.9', '--print'],
      ['--add', 'z', '10.0.0.1:6789'],
      ['--add', 'z', 'bad'],
      ['--add', 'z'],
      ['--add', 'z', '10.0.0.9:3300', '--print'],
      ['--add', 'z', '[2001:db8::1]:6789', '--print'],
      ['--addv', 'z', '[v2:10.0.0.9:3300,v1:10.0.0.9:6789]', '--print'],
      ['--addv', 'z', '10.0.0.9:3300', '--print'],
      ['--addv', 'z', 'bad'],
      ['--addv', 'a', '[v2:10.0.0.9:3300]'],
      ['--feature-list'],
      ['--feature-list', 'plain'],
      ['--feature-list', 'parseable'],
      ['--feature-list', 'xx'],
      ['--show-features'],
      ['--feature-set', 'kraken', '--print'],
      ['--feature-set', 'luminous', '--persistent', '--print'],
      ['--feature-set', 'luminous', '--optional', '--print'],
      ['--feature-unset', 'luminous', '--persistent', '--feature-list'],
      ['--feature-set', '12', '--print'],
      ['--feature-set', 'nosuch'],
      ['--enable-all-features', '--print'],
      ['--enable-all-features', '--feature-list'],
      ['--set-min-mon-release', '14', '--print'],
      ['--set-min-mon-release', 'octopus', '--print'],
      ['--set-min-mon-release', 'bad'],
      ['--set-election-strategy', 'classic', '--print'],
      ['--set-election-strategy', 'disallow'],
      ['--set-initial-members', '--print'],
      ['--filter-initial-members', '--print'],
      ['--filter-initial-members', '--mon-initial-members', 'a,q', '--print'],
      ['--fsid', fsid, '--print'],
      ['--fsid', 'bad'],
      ['--generate', '--print'],
      ['--create', '--print'],
      ['--create', '--clobber', '--fsid', fsid, '--print'],
    ])
      same(tool, [...args, 'map'], map, { loose: 'bytes' });
  for (const args of [
    ['--create'],
    ['--create', '--add', 'a', '1.2.3.4:6789', '--fsid', fsid, '--print'],
    ['--create', '--add', 'a', '1.2.3.4:0', '--fsid', fsid, '--print'],
    ['--create', '--add', 'a', '1.2.3.4:6789', '--add', 'a', '1.2.3.5:6789', '--fsid', fsid],
    ['--create', '--generate', '-m', '1.2.3.4,1.2.3.5', '--fsid', fsid, '--print'],
    ...[
      ...[
        'localhost',
        'localhost,127.0.0.3',
        'localhost:6790',
        'localhost:6789',
        'localhost;127.0.0.3:3300',
        'localhost,localhost',
      ],
      ...[
        'nosuch.invalid',
        '127.0.0.1,nosuch.invalid',
        'localhost nosuch.invalid',
        '[v2:localhost:3300,v1:localhost:6789]',
      ],
      ...[
        'v2:localhost',
        'v1:localhost:6789',
        'localhost:abc',
        'localhost/5',
        '127.0.0.1:99999',
        'localhost:',
        '127.0.0.1,127.0.0.1',
      ],
      ...['[::1]', '[::1]:6789,localhost', '[localhost]:3300', ':6789'],
    ].map((hosts) => ['--create', '--generate', '-m', hosts, '--fsid', fsid, '--print']),
    ['--create', '--generate', '-c', 'ceph.conf', '--print'],
    ['--create', '--generate', '--mon-initial-members', 'x,y', '--fsid', fsid, '--print'],
    ['--create', '--min-mon-release', '15', '--fsid', fsid, '--print'],
    ['--create', '--set-min-mon-release', '15', '--fsid', fsid, '--print'],
  ])
    same(
      tool,
      [...args, 'new'],
      { 'ceph.conf': Buffer.from(`[global]\nfsid = ${fsid}\nmon host = 10.1.1.1,10.1.1.2\n`) },
      { loose: 'bytes' },
    );
}

function keyrings() {
  const tool = 'ceph-authtool';
  const key = 'AQC0Z2Fh8Cl5DhAAr3ZVXZSCgYzMMgPvXBcHOg==';
  const two = {
    ring: Buffer.from(
      `[client.admin]\n\tkey = ${key}\n\tcaps mds = "allow *"\n\tcaps mon = "allow *"\n[osd.1]\n\tkey = AQBPZ2FhCl5DhAAr3ZVXZSCgYzMMgPvXBcHOg==\n`,
    ),
    other: Buffer.from(`[client.x]\n\tkey = ${key}\n\tcaps mon = "allow r"\n`),
    caps: Buffer.from('mon = "allow rw"\nosd = "allow *"\n'),
    capsfull: Buffer.from('[client.admin]\n\tcaps mon = "allow rw"\n\tcaps osd = "allow *"\n'),
  };
  const one = {
    ...two,
    ring: Buffer.from(`[client.admin]\n\tkey = ${key}\n\tcaps mds = "allow *"\n\tcaps mon = "allow *"\n`),
  };
  const bad = { ring: Buffer.from('not a keyring\n') };
  for (const before of [one, two, bad, {}, { ring: new Uint8Array(0) }])
    for (const args of [
      ['ring'],
      ['-l', 'ring'],
      ['--list', 'ring'],
      ['-p', 'ring'],
      ['--print-key', 'ring'],
      ['-p', '-n', 'client.admin', 'ring'],
      ['-p', '-n', 'client.nosuch', 'ring'],
      ['-p', '-n', 'bad', 'ring'],
      ['-l', '-n', 'client.admin', 'ring'],
      ['-l', '-n', 'client.nosuch', 'ring'],
      ['ring', '-n', 'client.admin', '--cap', 'osd', 'allow rw'],
      ['ring', '-n', 'client.admin', '--cap', 'osd', 'bad caps'],
      ['ring', '-n', 'client.new', '--cap', 'osd', 'allow rw', '--gen-key'],
      ['ring', '-n', 'client.new', '--gen-key'],
      ['ring', '-g', '-n', 'client.admin'],
      ['ring', '--add-key', key, '-n', 'client.z'],
      ['ring', '-a', 'bad', '-n', 'client.z'],
      ['ring', '-u', '0', '-n', 'client.admin'],
      ['ring', '--caps', 'caps', '-n', 'client.admin'],
      ['ring', '--caps', 'capsfull', '-n', 'client.admin'],
      ['ring', '--caps', 'missing', '-n', 'client.admin'],
      ['ring', '--import-keyring', 'other'],
      ['ring', '--import-keyring', 'missing'],
      ['-C', 'ring'],
      ['-C', 'ring', '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'],
      ['--create-keyring', 'ring', '--mode', '0644'],
      ['--create-keyring', 'ring', '--mode', 'x'],
      ['ring', '--mode', '0644', '-n', 'client.admin', '--cap', 'osd', 'allow rw'],
      ['ring', '--nosuch'],
      ['ring', '--cap', 'osd'],
      ['ring', '--cap'],
      ['ring', '-l', '-p'],
      ['ring', 'more'],
      ['ring', '--gen-print-key'],
    ])
      same(tool, args, before, { loose: true });
  same(tool, []);
  same(tool, ['--help']);
  same(tool, ['-h']);
  same(tool, ['--gen-print-key']);
  same(tool, ['-v']);
  same(tool, ['--version']);
}

osdmaps();
monmaps();
keyrings();
rmSync(folder, { recursive: true });
process.stdout.write(`${runs} commands, ${crashes} on which the real one crashed, ${differences} differences\n`);
process.exit(differences === 0 ? 0 : 1);
