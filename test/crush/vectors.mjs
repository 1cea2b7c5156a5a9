// Writes corpus/crush/random.jsonl.gz: random maps compiled by the real crushtool, what it decompiles them to, and digests of its mappings.
//   usage: node test/crush/vectors.mjs [FIRST_SEED] [COUNT] [DIST]
// A line a map: { seed, map (base64), text, reps, weights: [[device, 16.16]], digests: { rule: [crc32c of each 250 inputs' results] } }.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { randomMap } from './generate.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [first = '10001', count = '220', dist = join(root, 'dist')] = process.argv.slice(2);
const { crc32c } = await import(pathToFileURL(resolve(dist, 'base/index.js')).href);
const folder = mkdtempSync(join(tmpdir(), 'sepiola-crush-vectors-'));
const [source, mapFile] = [join(folder, 'map.txt'), join(folder, 'map')];
const INPUTS = 1000;
const CHUNK = 250;

const lines = [];
for (let seed = Number(first); lines.length < Number(count); seed++) {
  const { text, deviceWeights } = randomMap(seed);
  writeFileSync(source, text);
  if (spawnSync('crushtool', ['-c', source, '-o', mapFile]).status !== 0) continue;
  const decompiled = spawnSync('crushtool', ['-d', mapFile], { encoding: 'latin1', maxBuffer: 2 ** 28 });
  const reps = 1 + (seed % 7);
  const options = deviceWeights.flatMap(([osd, weight]) => ['--weight', String(osd), String(weight)]);
  const inputs = ['--min-x', '0', '--max-x', String(INPUTS - 1)];
  const tested = spawnSync(
    'crushtool',
    ['-i', mapFile, '--test', '--show-mappings', '--num-rep', String(reps), ...inputs, ...options],
    { encoding: 'latin1', maxBuffer: 2 ** 28 },
  );
  if (decompiled.status !== 0 || tested.status !== 0) continue;
  const results = new Map();
  for (const [, rule, out] of tested.stdout.matchAll(/^CRUSH rule (\d+) x \d+ (\[.*\])$/gm)) {
    const list = results.get(rule) ?? [];
    results.set(rule, list);
    list.push(out);
  }
  if (results.size === 0) continue;
  const digests = {};
  for (const [rule, list] of results) {
    digests[rule] = [];
    for (let at = 0; at < INPUTS; at += CHUNK) {
      digests[rule].push(crc32c(0, new TextEncoder().encode(list.slice(at, at + CHUNK).join('\n'))));
    }
  }
  const weights = deviceWeights.map(([osd, weight]) => [osd, Math.trunc(weight * 0x10000)]);
  const map = readFileSync(mapFile).toString('base64');
  lines.push(JSON.stringify({ seed, map, text: decompiled.stdout, reps, weights, digests }));
}
rmSync(folder, { recursive: true });
mkdirSync(join(root, 'corpus/crush'), { recursive: true });
const bytes = gzipSync(`${lines.join('\n')}\n`, { level: 9 });
writeFileSync(join(root, 'corpus/crush/random.jsonl.gz'), bytes);
process.stdout.write(`${lines.length} maps, ${bytes.length} bytes\n`);
