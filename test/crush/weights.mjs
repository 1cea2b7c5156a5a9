// What the table of all PGs relies on: a mapping comes out otherwise only where a device of its result or of `unseen` weighs otherwise.
// Random maps of every algorithm and profile, random changes of weights, mapped before and after.
//   usage: node test/crush/weights.mjs [FIRST=0] [COUNT=50] [DIST]
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ALGS, PROFILES, randomMap } from './generate.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [first = '0', count = '50', dist = join(root, 'dist')] = process.argv.slice(2);
const crush = await import(pathToFileURL(resolve(dist, 'crush/index.js')).href);
const { SeededEntropy } = await import(pathToFileURL(resolve(dist, 'base/index.js')).href);
const random = new SeededEntropy(Number(first) + 1);
const below = (n) => random.u32() % n;
const seen = { maps: 0, mappings: 0, suspected: 0, changed: 0, wrong: 0 };

for (let n = Number(first); n < Number(first) + Number(count); n++) {
  const { text, deviceWeights } = randomMap(n, { alg: ALGS[n % 5], profile: PROFILES[Math.floor(n / 5) % 5] });
  let map;
  try {
    map = crush.compileCrushMap(text);
  } catch {
    continue;
  }
  seen.maps++;
  let weights = new Array(map.maxDevices).fill(0x10000);
  for (const [osd, weight] of deviceWeights) if (osd < weights.length) weights[osd] = Math.trunc(weight * 0x10000);
  const mapper = new crush.Mapper(map, n % 2 === 0 ? 'kernel' : 'plain');
  for (let step = 0; step < 4; step++) {
    const next = [...weights];
    for (let k = below(4); k >= 0; k--) next[below(next.length)] = [0, 0x10000, 0x10000, below(0x10000)][below(4)];
    const lighter = new Set();
    let changed = 0;
    next.forEach((weight, osd) => {
      if (weight !== weights[osd]) changed |= crush.deviceBit(osd);
      if (weight < weights[osd]) lighter.add(osd);
    });
    map.rules.forEach((rule, id) => {
      for (let x = 0; rule !== undefined && x < 100; x++) {
        const before = mapper.doRule(id, x, 1 + (n % 7), weights, 0);
        const suspected = (mapper.unseen & changed) !== 0 || before.some((osd) => lighter.has(osd));
        const after = mapper.doRule(id, x, 1 + (n % 7), next, 0);
        seen.mappings++;
        if (suspected) seen.suspected++;
        if (before.join() === after.join()) continue;
        seen.changed++;
        if (suspected) continue;
        seen.wrong++;
        process.stdout.write(`map ${n} rule ${id} x ${x}: [${before}] became [${after}]\n`);
      }
    });
    weights = next;
  }
}
process.stdout.write(
  `${Object.entries(seen)
    .map(([what, number]) => `${number} ${what}`)
    .join(', ')}\n`,
);
process.exit(seen.wrong > 0 ? 1 : 0);
