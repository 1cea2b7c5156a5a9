// Compares Sepiola's CRUSH with the real crushtool on random maps: compiled bytes, decompiled text, mappings of every rule.
//   usage: node test/crush/compare.mjs [FIRST_SEED] [COUNT] [INPUTS] [DIST]
// Prints a line per difference (with the seed that makes it) and a summary; exits 1 where there is any.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { randomMap } from './generate.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [first = '1', count = '200', inputs = '1000', dist = join(root, 'dist')] = process.argv.slice(2);
const crush = await import(pathToFileURL(resolve(dist, 'crush/index.js')).href);
const folder = mkdtempSync(join(tmpdir(), 'sepiola-crush-'));
const crushtool = (...args) => spawnSync('crushtool', args, { encoding: 'latin1', maxBuffer: 2 ** 30 });

let maps = 0;
let mappings = 0;
let differences = 0;
let refused = 0;
function differ(seed, what) {
  differences++;
  if (differences < 50) process.stdout.write(`seed ${seed}: ${what}\n`);
}

function compare(seed) {
  const { text, deviceWeights } = randomMap(seed);
  const textFile = join(folder, 'map.txt');
  const mapFile = join(folder, 'map.bin');
  writeFileSync(textFile, text);
  const compiled = crushtool('-c', textFile, '-o', mapFile);
  let map;
  try {
    map = crush.compileCrushMap(text);
  } catch (error) {
    if (compiled.status === 0) differ(seed, `refused here: ${error.message}`);
    refused++;
    return;
  }
  if (compiled.status !== 0) {
    differ(seed, `refused there: ${compiled.status} ${compiled.signal} ${compiled.stderr}`);
    return;
  }
  maps++;
  const bytes = readFileSync(mapFile);
  if (Buffer.compare(bytes, crush.encodeCrushMap(map)) !== 0) differ(seed, 'compiled bytes differ');
  const decoded = crush.decodeCrushMap(bytes);
  if (Buffer.compare(bytes, crush.encodeCrushMap(decoded)) !== 0) differ(seed, 'bytes encoded after decode differ');
  const decompiled = crushtool('-d', mapFile);
  if (decompiled.stdout !== crush.decompileCrushMap(decoded)) differ(seed, 'decompiled text differs');

  const weights = new Array(decoded.maxDevices).fill(0);
  for (const bucket of decoded.buckets) for (const item of bucket?.items ?? []) if (item >= 0) weights[item] = 0x10000;
  for (const [osd, weight] of deviceWeights) if (osd < weights.length) weights[osd] = Math.trunc(weight * 0x10000);
  const options = deviceWeights.flatMap(([osd, weight]) => ['--weight', String(osd), String(weight)]);
  const reps = 1 + (seed % 7);
  const test = crushtool(
    '-i',
    mapFile,
    '--test',
    '--show-mappings',
    '--num-rep',
    String(reps),
    '--min-x',
    '0',
    '--max-x',
    String(inputs - 1),
    ...options,
  );
  const mapper = crush.mapperOf(decoded);
  let seen = 0;
  for (const line of test.stdout.split('\n')) {
    const found = /^CRUSH rule (\d+) x (\d+) \[(.*)\]$/.exec(line);
    if (found === null) continue;
    seen++;
    const ours = mapper.doRule(Number(found[1]), Number(found[2]), reps, weights, 0).join(',');
    if (ours !== found[3]) differ(seed, `rule ${found[1]} x ${found[2]}: [${found[3]}], here [${ours}]`);
  }
  if (seen === 0 && weights.some((w) => w > 0))
    differ(seed, `crushtool --test printed no mappings: ${test.status} ${test.signal} ${test.stderr.slice(0, 300)}`);
  mappings += seen;
}

for (let seed = Number(first); seed < Number(first) + Number(count); seed++) compare(seed);
rmSync(folder, { recursive: true });
process.stdout.write(
  `${maps} maps, ${mappings} mappings, ${refused} texts refused by both, ${differences} differences\n`,
);
process.exit(differences === 0 ? 0 : 1);
