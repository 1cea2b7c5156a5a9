// sepiola objectstore-tool against what Ceph's own tool made of a BlueStore OSD: a PG goes in and comes out byte for byte.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vector = (name) => join(root, 'corpus/objectstore-tool', name);
const text = (name) => readFileSync(vector(name), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'sepiola-tool-'));
const osd = join(dir, 'osd');
const PG = '2.3';

function tool(args, input) {
  const r = spawnSync(process.execPath, [join(root, 'bin/sepiola.js'), 'objectstore-tool', ...args], {
    input,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: r.status, stdout: r.stdout, out: r.stdout.toString(), err: r.stderr.toString() };
}

const at = (...args) => tool(['--data-path', osd, ...args]);

function ok(r) {
  assert.equal(r.code, 0, r.err);
  return r;
}

const lineOf = (name, snapid) =>
  text('list.txt')
    .trim()
    .split('\n')
    .find((line) => {
      const [, o] = JSON.parse(line);
      return o.oid === name && o.snapid === snapid;
    });

before(() => {
  const fsid = JSON.parse(text('superblock.json')).osd_fsid;
  spawnSync('mkdir', ['-p', osd]);
  ok(at('--op', 'mkfs', '--fsid', fsid, '--bluestore-block-size', String(64 * 1024 ** 2)));
  ok(at('--no-superblock', '--op', 'set-superblock', '--file', vector('superblock')));
  for (const epoch of [22, 24]) ok(at('--op', 'set-osdmap', '--force', '--file', vector(`osdmap.${epoch}`)));
  const imported = ok(at('--op', 'import', '--file', vector('pg-2.3.export')));
  assert.match(imported.out, /^Importing pgid 2\.3\n(.*\n)*Import successful\n$/);
});

after(() => rmSync(dir, { recursive: true, force: true }));

test('a PG that Ceph exported is exported again byte for byte, and shown as Ceph shows it', () => {
  const file = join(dir, 'again');
  const exported = ok(at('--op', 'export', '--pgid', PG, '--file', file));
  assert.equal(exported.err, text('export.stderr'));
  assert.ok(readFileSync(file).equals(readFileSync(vector('pg-2.3.export'))), 'the same bytes');
  assert.equal(ok(at('--op', 'info', '--pgid', PG)).out, text('info.json'));
  assert.equal(ok(at('--op', 'log', '--pgid', PG)).out, text('log.json'));
  assert.equal(ok(at('--op', 'dump-super')).out, text('superblock.json'));
  assert.equal(ok(tool(['--op', 'dump-export', '--file', file])).out, text('dump-export.json'));
  assert.equal(ok(at('--op', 'list-pgs')).out, '2.3\n');
  assert.deepEqual(ok(at('--op', 'list')).out.trim().split('\n').sort(), text('list.txt').trim().split('\n').sort());
  assert.ok(ok(at('--op', 'get-superblock')).stdout.includes(readFileSync(vector('superblock'))));
});

test('objects are read and changed by name and by what --op list shows', () => {
  const obj1 = lineOf('obj1', -2);
  assert.match(at('obj1', 'list-attrs').err, /^Found 2 objects with id 'obj1', please use a JSON spec/);
  assert.equal(ok(at(obj1, 'list-attrs')).out, '_\n_attr1\nsnapset\n');
  assert.equal(ok(at(obj1, 'get-attr', '_attr1')).out, 'value1');
  assert.equal(ok(at(obj1, 'get-bytes')).out, 'hello\n');
  assert.equal(ok(at('obj5', 'get-omaphdr')).out, 'hdr5');
  assert.equal(ok(at('obj5', 'get-omap', 'key5')).out, 'val5');
  ok(tool(['--data-path', osd, 'obj5', 'set-omap', 'more'], 'x'));
  assert.equal(ok(at('obj5', 'list-omap')).out, 'key5\nmore\n');
  ok(at('obj5', 'rm-omap', 'key5'));
  assert.equal(at('obj5', 'get-omap', 'key5').err, 'Key not found\n');
  ok(tool(['--data-path', osd, 'obj5', 'set-attr', '_mine'], 'attribute'));
  assert.equal(ok(at('obj5', 'get-attr', '_mine')).out, 'attribute');
  const bytes = Buffer.alloc(3_000_000, 'seven c');
  ok(tool(['--data-path', osd, 'obj5', 'set-bytes'], bytes));
  assert.ok(ok(at('obj5', 'get-bytes')).stdout.equals(bytes));
  assert.equal(ok(at('obj5', 'set-size', '10')).out, 'Setting size to 10, stat size 3000000, obj info size 3000\n');
  assert.equal(JSON.parse(ok(at('obj5', 'dump')).out).info.size, 10);
  assert.match(at(obj1, 'remove').err, /Clones are present, use removeall to delete everything/);
  assert.match(ok(at('--dry-run', obj1, 'removeall')).out, /dry-run: Nothing changed/);
  ok(at(obj1, 'removeall'));
  assert.equal(at('obj1', 'list-attrs').code, 1);
});

test('a copy by dup passes fsck and holds the same; a PG that is removed is gone', () => {
  const copy = join(dir, 'copy');
  spawnSync('mkdir', ['-p', copy]);
  const fsid = JSON.parse(text('superblock.json')).osd_fsid;
  ok(tool(['--data-path', copy, '--op', 'mkfs', '--fsid', fsid, '--bluestore-block-size', String(64 * 1024 ** 2)]));
  ok(at('--op', 'dup', '--target-data-path', copy));
  const [a, b] = [osd, copy].map((path) => ok(tool(['--data-path', path, '--op', 'export', '--pgid', PG])).stdout);
  assert.ok(a.equals(b));
  assert.equal(ok(tool(['--data-path', copy, '--op', 'fsck-deep'])).out, 'fsck success\n');
  const refused = tool(['--data-path', copy, '--op', 'remove', '--pgid', PG]);
  assert.deepEqual([refused.code, refused.err], [1, 'Please use export-remove or you must use --force option\n']);
  ok(tool(['--data-path', copy, '--op', 'remove', '--force', '--pgid', PG]));
  assert.equal(ok(tool(['--data-path', copy, '--op', 'list-pgs'])).out, '');
  // An import that broke off is cleared away by the next.
  const cut = join(dir, 'cut');
  writeFileSync(cut, readFileSync(vector('pg-2.3.export')).subarray(0, 12_000));
  const broken = tool(['--data-path', copy, '--op', 'import', '--file', cut]);
  assert.deepEqual([broken.code, broken.err], [1, 'Unexpected EOF\nCorrupt input for import\n']);
  const again = ok(tool(['--data-path', copy, '--op', 'import', '--file', vector('pg-2.3.export')]));
  assert.match(again.out, /^finish_remove_pgs 2\.3_head removing 2\.3\n/);
});

test('a store that a daemon holds is left alone, with a sentence; so are wrong command lines', () => {
  const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  writeFileSync(join(osd, 'lock'), `${process.pid} ${started}\n`);
  try {
    const r = at('--op', 'list-pgs');
    assert.equal(r.code, 1);
    assert.match(
      r.err,
      new RegExp(`^OSD has the store locked: .* is in use by the process ${process.pid}; stop it first`),
    );
  } finally {
    rmSync(join(osd, 'lock'));
  }
  assert.match(tool(['--op', 'list']).err, /^Must provide --data-path\n/);
  assert.match(at('--op', 'info').err, /^Must provide pgid\n/);
  assert.deepEqual(at('--op', 'info', '--pgid', '9.9').err, "PG '9.9' not found\n");
  assert.match(at('--op', 'nothing').err, /^Must provide --op \(/);
  assert.ok(!existsSync(join(osd, 'lock')));
});
