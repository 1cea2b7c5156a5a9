// The data of an OSD's store on a block device: a loop device here, where the machine has them and lets us.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dir = mkdtempSync(join(tmpdir(), 'sepiola-device-'));
const osd = join(dir, 'osd');
const loops = [];

function loop(bytes) {
  const image = join(dir, `image${loops.length}`);
  writeFileSync(image, '');
  if (spawnSync('truncate', ['-s', String(bytes), image]).status !== 0) return undefined;
  const r = spawnSync('losetup', ['-f', '--show', image]);
  if (r.status !== 0) return undefined;
  loops.push(r.stdout.toString().trim());
  return loops.at(-1);
}

after(() => {
  for (const device of loops) spawnSync('losetup', ['-d', device]);
  rmSync(dir, { recursive: true, force: true });
});

function tool(args, input) {
  const r = spawnSync(
    process.execPath,
    [join(root, 'bin/sepiola.js'), 'objectstore-tool', '--data-path', osd, ...args],
    {
      input,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  return { code: r.status, stdout: r.stdout, err: r.stderr.toString() };
}

test('a store takes the size of its device, holds it alone, and knows when it is another', (t) => {
  const device = loop(96 * 1024 ** 2);
  if (device === undefined) return t.skip('no loop devices here');
  mkdirSync(osd);
  symlinkSync(device, join(osd, 'block'));
  const meta = JSON.stringify(['meta', { oid: 'big', key: '', snapid: 0, hash: 0, max: 0, pool: -1, namespace: '' }]);
  assert.equal(tool(['--op', 'mkfs']).code, 0);
  const superblock = join(root, 'corpus/objectstore-tool/superblock');
  assert.equal(tool(['--no-superblock', '--op', 'set-superblock', '--file', superblock]).code, 0);
  const bytes = Buffer.alloc(20_000_000, 'device');
  assert.equal(tool([meta, 'set-bytes'], bytes).code, 0);
  assert.ok(tool([meta, 'get-bytes']).stdout.equals(bytes));
  assert.equal(JSON.parse(tool(['--op', 'statfs']).stdout).total, 96 * 1024 ** 2);
  const fd = openSync(device, constants.O_RDWR | constants.O_EXCL);
  try {
    assert.match(tool(['--op', 'list-pgs']).err, /the device .* is in use by somebody else/);
  } finally {
    closeSync(fd);
  }
  assert.equal(tool(['--op', 'fsck-deep']).stdout.toString(), 'fsck success\n');
  const other = loop(50 * 1024 ** 2);
  rmSync(join(osd, 'block'));
  symlinkSync(other, join(osd, 'block'));
  assert.match(tool(['--op', 'list-pgs']).err, /has 52428800 bytes and its store was made on 100663296/);
});
