// Mutated handshakes and frames against the messenger, mutated messages against their codecs; a failure names the seed and case that repeat it.
//   usage: node scripts/fuzz.mjs [CASES=100000] [SEED=now] [DIST=dist]
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cases = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_007);
const dist = resolve(root, process.argv[4] ?? 'dist');
const { fuzzMessenger } = await import(pathToFileURL(join(dist, 'msgr/testing/fuzz.js')).href);

console.log(`messenger: ${cases} cases, seed ${seed}`);
const start = process.hrtime.bigint();
const report = await fuzzMessenger(cases, seed);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(
  `messenger: ${report.cases} cases in ${seconds.toFixed(0)} s, ${report.connected} connected, ${report.survived} survived, none broke a rule`,
);

const { fuzzMessages } = await import(pathToFileURL(join(dist, 'messages/testing/fuzz.js')).href);
const mutants = fuzzMessages(cases, seed);
console.log(`messages: ${mutants.cases} mutants, seed ${seed}, ${mutants.decoded} read, the rest refused`);
