// osdmaptool, monmaptool and ceph-authtool beside the real ones: every option, output to the character, status, files.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { prepare } from '../scripts/prepare.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
if (!process.env.SEPIOLA_NO_BUILD) prepare();
const dist = process.env.SEPIOLA_DIST ?? join(root, 'dist');

for (const tool of ['osdmaptool', 'monmaptool', 'ceph-authtool']) {
  const missing = spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0;
  test(`${tool} is as Ceph's`, { skip: missing ? `${tool} is not installed` : false }, () => {
    const args = [join(root, 'test/crush/compare-maptools.mjs'), tool, dist];
    const result = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 300_000 });
    assert.equal(result.status, 0, `${result.stdout}${result.stderr}`);
  });
}
