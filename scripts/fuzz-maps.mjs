// Mutated CRUSH, OSD, monitor, manager and file system maps against their codecs and what reads them; a failure names the seed and case.
//   usage: node scripts/fuzz-maps.mjs [CASES=100000] [SEED=now] [DIST=dist]
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cases = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_007);
const dist = resolve(root, process.argv[4] ?? 'dist');
const { fuzzMaps } = await import(pathToFileURL(join(dist, 'types/testing/fuzz-maps.js')).href);

console.log(`maps: ${cases} cases, seed ${seed}`);
const started = performance.now();
// CPU time: on a busy machine a case can wait for seconds.
const clock = () => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;
const { decoded, slowest } = fuzzMaps(cases, seed, clock);
const read = Object.entries(decoded).map(([kind, n]) => `${kind} ${n}`);
console.log(
  `maps: ${cases} cases in ${((performance.now() - started) / 1000).toFixed(0)} s, none broke a rule; read: ${read.join(', ')}; ` +
    `slowest ${slowest.ms.toFixed(0)} ms (${slowest.kind}, case ${slowest.index}); ` +
    `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most`,
);
