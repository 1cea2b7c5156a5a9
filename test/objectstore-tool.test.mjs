// sepiola objectstore-tool against what Ceph's own tool made of a BlueStore OSD: a PG goes in and comes out byte for byte.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vector = (name) => join(root, 'corpus/objectstore-tool', name);
const text = (name) => readFileSync(vector(name), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'sepiola-tool-'));
const osd = join(dir, 'osd');
const PG = '2.3';
const fsid = JSON.parse(text('superblock.json')).osd_fsid;
const BLOCK_SIZE = String(64 * 1024 ** 2);

// Many commands in one process: starting one takes longer than what it does.
const runner = `
import { writeSync } from 'node:fs';
const { objectstoreTool } = await import(process.argv[1]);
for (const args of JSON.parse(process.argv[2])) {
  const code = await objectstoreTool(args);
  for (const fd of [1, 2]) writeSync(fd, '\\0end ' + code + '\\0');
}
`;
const module = pathToFileURL(join(root, 'dist/cmd/tools/objectstore-tool.js')).href;

/** What each command gave: status, and what it wrote. */
function tool(...commands) {
  const r = spawnSync(process.execPath, ['--input-type=module', '-e', runner, module, JSON.stringify(commands)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(r.status, 0, r.stderr.toString());
  const split = (bytes) => {
    const parts = [];
    let at = 0;
    for (let n = 0; n < commands.length; n++) {
      const end = bytes.indexOf('\0end ', at);
      const close = bytes.indexOf('\0', end + 1);
      parts.push({ bytes: bytes.subarray(at, end), code: Number(bytes.subarray(end + 5, close)) });
      at = close + 1;
    }
    return parts;
  };
  const errors = split(r.stderr);
  return split(r.stdout).map(({ bytes, code }, i) => ({
    code,
    stdout: bytes,
    out: bytes.toString(),
    err: errors[i].bytes.toString(),
  }));
}

const at = (...commands) => tool(...commands.map((args) => ['--data-path', osd, ...args]));

function ok(results) {
  for (const { code, err } of results) assert.equal(code, 0, err);
  return results;
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
  mkdirSync(osd);
  const results = ok(
    at(
      ['--op', 'mkfs', '--fsid', fsid, '--bluestore-block-size', BLOCK_SIZE],
      ['--no-superblock', '--op', 'set-superblock', '--file', vector('superblock')],
      ['--op', 'set-osdmap', '--force', '--file', vector('osdmap.22')],
      ['--op', 'set-osdmap', '--force', '--file', vector('osdmap.24')],
      ['--op', 'import', '--file', vector('pg-2.3.export')],
    ),
  );
  assert.match(results[4].out, /^Importing pgid 2\.3\n(.*\n)*Import successful\n$/);
});

after(() => rmSync(dir, { recursive: true, force: true }));

test('a PG that Ceph exported is exported again byte for byte, and shown as Ceph shows it', () => {
  const file = join(dir, 'again');
  const [exported, info, log, superblock, dumped, pgs, listed] = ok(
    at(
      ['--op', 'export', '--pgid', PG, '--file', file],
      ['--op', 'info', '--pgid', PG],
      ['--op', 'log', '--pgid', PG],
      ['--op', 'dump-super'],
      ['--op', 'dump-export', '--file', file],
      ['--op', 'list-pgs'],
      ['--op', 'list'],
      ['--op', 'get-superblock', '--file', join(dir, 'superblock')],
    ),
  );
  assert.equal(exported.err, text('export.stderr'));
  assert.ok(readFileSync(file).equals(readFileSync(vector('pg-2.3.export'))), 'the same bytes');
  assert.equal(info.out, text('info.json'));
  assert.equal(log.out, text('log.json'));
  assert.equal(superblock.out, text('superblock.json'));
  assert.equal(dumped.out, text('dump-export.json'));
  assert.equal(pgs.out, '2.3\n');
  assert.deepEqual(listed.out.trim().split('\n').sort(), text('list.txt').trim().split('\n').sort());
  assert.ok(readFileSync(join(dir, 'superblock')).equals(readFileSync(vector('superblock'))));
});

test('objects are read and changed by name and by what --op list shows', () => {
  const obj1 = lineOf('obj1', -2);
  const file = (name, content) => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const bytes = Buffer.alloc(3_000_000, 'seven c');
  const r = at(
    ['obj1', 'list-attrs'],
    [obj1, 'list-attrs'],
    [obj1, 'get-attr', '_attr1'],
    [obj1, 'get-bytes'],
    ['obj5', 'get-omaphdr'],
    ['obj5', 'get-omap', 'key5'],
    ['obj5', 'set-omap', 'more', file('omap', 'x')],
    ['obj5', 'list-omap'],
    ['obj5', 'rm-omap', 'key5'],
    ['obj5', 'get-omap', 'key5'],
    ['obj5', 'set-attr', '_mine', file('attr', 'attribute')],
    ['obj5', 'get-attr', '_mine'],
    ['obj5', 'set-bytes', file('bytes', bytes)],
    ['obj5', 'get-bytes'],
    ['obj5', 'set-size', '10'],
    ['obj5', 'dump'],
    [obj1, 'remove'],
    ['--dry-run', obj1, 'removeall'],
    [obj1, 'removeall'],
    ['obj1', 'list-attrs'],
  );
  assert.deepEqual(
    r.map(({ code }) => code),
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1],
  );
  assert.match(r[0].err, /^Found 2 objects with id 'obj1', please use a JSON spec/);
  assert.equal(r[1].out, '_\n_attr1\nsnapset\n');
  assert.equal(r[2].out, 'value1');
  assert.equal(r[3].out, 'hello\n');
  assert.equal(r[4].out, 'hdr5');
  assert.equal(r[5].out, 'val5');
  assert.equal(r[7].out, 'key5\nmore\n');
  assert.equal(r[9].err, 'Key not found\n');
  assert.equal(r[11].out, 'attribute');
  assert.ok(r[13].stdout.equals(bytes));
  assert.equal(r[14].out, 'Setting size to 10, stat size 3000000, obj info size 3000\n');
  assert.equal(JSON.parse(r[15].out).info.size, 10);
  assert.match(r[16].err, /Clones are present, use removeall to delete everything/);
  assert.match(r[17].out, /dry-run: Nothing changed/);
});

test('a copy by dup passes fsck and holds the same; a PG that is removed is gone', () => {
  const copy = join(dir, 'copy');
  mkdirSync(copy);
  const inCopy = (...args) => ['--data-path', copy, ...args];
  // An import that broke off is cleared away by the next.
  const cut = join(dir, 'cut');
  writeFileSync(cut, readFileSync(vector('pg-2.3.export')).subarray(0, 12_000));
  const r = tool(
    inCopy('--op', 'mkfs', '--fsid', fsid, '--bluestore-block-size', BLOCK_SIZE),
    ['--data-path', osd, '--op', 'dup', '--target-data-path', copy],
    ['--data-path', osd, '--op', 'export', '--pgid', PG, '--file', join(dir, 'a')],
    inCopy('--op', 'export', '--pgid', PG, '--file', join(dir, 'b')),
    inCopy('--op', 'fsck-deep'),
    inCopy('--op', 'remove', '--pgid', PG),
    inCopy('--op', 'remove', '--force', '--pgid', PG),
    inCopy('--op', 'list-pgs'),
    inCopy('--op', 'import', '--file', cut),
    inCopy('--op', 'import', '--file', vector('pg-2.3.export')),
  );
  assert.deepEqual(
    r.map(({ code }) => code),
    [0, 0, 0, 0, 0, 1, 0, 0, 1, 0],
    r.map(({ err }) => err).join(''),
  );
  assert.ok(readFileSync(join(dir, 'a')).equals(readFileSync(join(dir, 'b'))));
  assert.equal(r[4].out, 'fsck success\n');
  assert.equal(r[5].err, 'Please use export-remove or you must use --force option\n');
  assert.equal(r[7].out, '');
  assert.equal(r[8].err, 'Unexpected EOF\nCorrupt input for import\n');
  assert.match(r[9].out, /^finish_remove_pgs 2\.3_head removing 2\.3\n/);
});

test('a store that a daemon holds is left alone, with a sentence; so are wrong command lines', () => {
  const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  writeFileSync(join(osd, 'lock'), `${process.pid} ${started}\n`);
  const [locked] = at(['--op', 'list-pgs']);
  rmSync(join(osd, 'lock'));
  assert.equal(locked.code, 1);
  const sentence = new RegExp(`^OSD has the store locked: .* is in use by the process ${process.pid}; stop it first`);
  assert.match(locked.err, sentence);
  const [noPath, noPg, noSuchPg, noOp] = tool(
    ['--op', 'list'],
    ['--data-path', osd, '--op', 'info'],
    ['--data-path', osd, '--op', 'info', '--pgid', '9.9'],
    ['--data-path', osd, '--op', 'nothing'],
  );
  assert.match(noPath.err, /^Must provide --data-path\n/);
  assert.match(noPg.err, /^Must provide pgid\n/);
  assert.equal(noSuchPg.err, "PG '9.9' not found\n");
  assert.match(noOp.err, /^Must provide --op \(/);
  assert.ok(!existsSync(join(osd, 'lock')));
});
