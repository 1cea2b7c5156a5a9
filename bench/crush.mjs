// CRUSH mappings per second beside the real `crushtool --test`, in one run on one core: 1,000 OSDs in 100 hosts in 10 racks, straw2, 3 replicas
// over hosts.
//   usage: node bench/crush.mjs [DIST] [MAPPINGS]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [dist = join(root, 'dist'), mappings = '300000'] = process.argv.slice(2);
const crush = await import(pathToFileURL(resolve(dist, 'crush/index.js')).href);
const n = Number(mappings);
const folder = mkdtempSync(join(tmpdir(), 'sepiola-bench-crush-'));
const mapFile = join(folder, 'map');
const crushtool = (...args) => {
  const started = process.hrtime.bigint();
  const result = spawnSync('crushtool', args, { encoding: 'latin1', maxBuffer: 2 ** 30 });
  if (result.status !== 0) throw new Error(`crushtool ${args.join(' ')}: ${result.stderr}`);
  return Number(process.hrtime.bigint() - started) / 1e9;
};
crushtool(
  ...['--build', '--num_osds', '1000', 'host', 'straw2', '10', 'rack', 'straw2', '10', 'root', 'straw2', '0'],
  ...['-o', mapFile],
);

/** Seconds that crushtool takes for n mappings, its start taken off. */
function theirs() {
  const test = (x) =>
    crushtool(
      '-i',
      mapFile,
      '--test',
      '--show-bad-mappings',
      '--num-rep',
      '3',
      '--min-x',
      '0',
      '--max-x',
      String(x - 1),
    );
  return test(n) - test(1);
}

const map = crush.decodeCrushMap(readFileSync(mapFile));
const weights = new Array(1000).fill(0x10000);
function ours() {
  const mapper = crush.mapperOf(map);
  const started = process.hrtime.bigint();
  let check = 0;
  for (let x = 0; x < n; x++) check += mapper.doRule(0, x, 3, weights)[0];
  if (check === 0) throw new Error('no mappings');
  return Number(process.hrtime.bigint() - started) / 1e9;
}

ours();
const rounds = [1, 2, 3].map(() => [theirs(), ours()]);
rmSync(folder, { recursive: true });
const best = (i) => Math.min(...rounds.map((round) => round[i]));
const rate = (seconds) => `${Math.round(n / seconds).toLocaleString('en-US')}/s`;
process.stdout.write(
  `crush: 1,000 OSDs, 3 replicas over hosts: sepiola ${rate(best(1))}, crushtool ${rate(best(0))}, ratio ${(best(0) / best(1)).toFixed(2)}\n`,
);
