// CRUSH beside the real crushtool: every vector whole, and fresh maps and commands (the seed is printed; the scripts in test/crush replay it).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { prepare } from '../scripts/prepare.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
if (!process.env.SEPIOLA_NO_BUILD) prepare();
const dist = process.env.SEPIOLA_DIST ?? join(root, 'dist');
const missing = spawnSync('crushtool', ['--help']).status !== 0;
const skip = missing ? 'crushtool is not installed' : false;
const fresh = Math.floor(Date.now() / 1000) % 1_000_000;

test('all mappings of the vectors', async () => {
  const crush = await import(join(dist, 'crush/index.js'));
  const { crc32c } = await import(join(dist, 'base/index.js'));
  const lines = gunzipSync(readFileSync(join(root, 'corpus/crush/random.jsonl.gz')))
    .toString()
    .trim()
    .split('\n');
  for (const line of lines) {
    const { seed, map: base64, reps, weights, digests } = JSON.parse(line);
    const map = crush.decodeCrushMap(new Uint8Array(Buffer.from(base64, 'base64')));
    const mapper = crush.mapperOf(map);
    const deviceWeights = new Array(map.maxDevices).fill(0);
    for (const bucket of map.buckets)
      for (const item of bucket?.items ?? []) if (item >= 0) deviceWeights[item] = 0x10000;
    for (const [osd, weight] of weights) if (osd < deviceWeights.length) deviceWeights[osd] = weight;
    for (const [rule, chunks] of Object.entries(digests)) {
      chunks.forEach((expected, chunk) => {
        const results = [];
        for (let x = chunk * 250; x < (chunk + 1) * 250; x++) {
          results.push(`[${mapper.doRule(Number(rule), x, reps, deviceWeights, 0).join(',')}]`);
        }
        assert.equal(crc32c(0, new TextEncoder().encode(results.join('\n'))), expected, `seed ${seed} rule ${rule}`);
      });
    }
  }
});

function script(name, ...args) {
  const result = spawnSync(process.execPath, [join(root, 'test/crush', name), ...args.map(String), dist], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  assert.equal(result.status, 0, `${name} ${args.join(' ')}\n${result.stdout}${result.stderr}`);
}

test('every algorithm with every profile: digests of what the real crushtool gave, a part of them', () =>
  script('cells.mjs', 'verify', 25));
test(`mappings change with nothing but the weights they say (first ${fresh})`, () => script('weights.mjs', fresh, 15));
test(`fresh maps of every algorithm and profile (first ${fresh})`, { skip }, () =>
  script('cells.mjs', 'compare', fresh, 25),
);
test(`fresh maps: bytes, text and mappings (seed ${fresh})`, { skip }, () => script('compare.mjs', fresh, 20, 1000));
test(`fresh commands of crushtool (seed ${fresh})`, { skip }, () => script('compare-tool.mjs', fresh, 15, 6));
