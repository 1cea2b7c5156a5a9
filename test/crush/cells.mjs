// Every bucket algorithm with every tunable profile; in each map a rule for every step and mode, 1,000 inputs a rule. corpus/crush/cells.bin
// has 16 bytes a map: u32 seed, and the crc32c of the map's bytes, of its decompiled text and of all mappings, as the real crushtool made them.
// The maps themselves come from the seed again.
//   usage: node test/crush/cells.mjs [verify] [EVERY=1] [DIST [DRAW]]  our results against the digests (each EVERYth map)
//          node test/crush/cells.mjs compare FIRST COUNT [DIST [DRAW]] maps FIRST... beside the real crushtool
//          node test/crush/cells.mjs write FIRST COUNT [DIST [DRAW]]   the same, and the digests are written
// DRAW is which form of straw2 draws, `plain` or `kernel`; without, they take turns by map.
// Map n is of cell n modulo 25. Exits 1 where anything differs; the line says which map.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ALGS, PROFILES, randomMap } from './generate.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const corpus = join(root, 'corpus/crush/cells.bin');
const INPUTS = 1000;
const RECORD = 16;

const [mode = 'verify', ...rest] = process.argv.slice(2);
const [distGiven, draw] = rest.slice(mode === 'verify' ? 1 : 2);
const dist = resolve(distGiven ?? join(root, 'dist'));
const crush = await import(pathToFileURL(join(dist, 'crush/index.js')).href);
const { crc32c } = await import(pathToFileURL(join(dist, 'base/index.js')).href);
const digest = (data) => crc32c(0, typeof data === 'string' ? new TextEncoder().encode(data) : data) >>> 0;

const cellOf = (n) => ({ alg: ALGS[n % 5], profile: PROFILES[Math.floor(n / 5) % 5] });
const repsOf = (n) => 1 + (Math.floor(n / 25) % 7);

/** What we make of map n: undefined where its text does not compile. */
function ours(n) {
  const { text, deviceWeights } = randomMap(n, cellOf(n));
  let map;
  try {
    map = crush.compileCrushMap(text);
  } catch {
    return { text, deviceWeights, results: undefined };
  }
  const bytes = crush.encodeCrushMap(map);
  const weights = new Array(map.maxDevices).fill(0);
  for (const bucket of map.buckets) for (const item of bucket?.items ?? []) if (item >= 0) weights[item] = 0x10000;
  for (const [osd, weight] of deviceWeights) if (osd < weights.length) weights[osd] = Math.trunc(weight * 0x10000);
  const mapper = new crush.Mapper(map, draw ?? (n % 2 === 0 ? 'kernel' : 'plain'));
  const lines = [];
  map.rules.forEach((rule, id) => {
    if (rule === undefined) return;
    for (let x = 0; x < INPUTS; x++)
      lines.push(`${id} ${x} [${mapper.doRule(id, x, repsOf(n), weights, 0).join(',')}]`);
  });
  return { text, deviceWeights, results: { bytes, decompiled: crush.decompileCrushMap(map), lines } };
}

function verify(every) {
  const records = readFileSync(corpus);
  let maps = 0;
  let different = 0;
  for (let at = 0; at < records.length; at += RECORD * every) {
    const n = records.readUInt32LE(at);
    const { results } = ours(n);
    maps++;
    const found = results && [results.bytes, results.decompiled, results.lines.join('\n')].map(digest);
    const wanted = [4, 8, 12].map((o) => records.readUInt32LE(at + o));
    const wrong = ['bytes', 'text', 'mappings'].filter((_, i) => found?.[i] !== wanted[i]);
    if (wrong.length === 0) continue;
    different++;
    process.stdout.write(`map ${n} (${Object.values(cellOf(n)).join(', ')}): ${wrong.join(', ')} differ\n`);
  }
  process.stdout.write(`${maps} maps of ${records.length / RECORD} against the digests, ${different} differences\n`);
  return different;
}

function compare(first, count, write) {
  const folder = mkdtempSync(join(tmpdir(), 'sepiola-crush-cells-'));
  const [source, mapFile] = [join(folder, 'map.txt'), join(folder, 'map')];
  const crushtool = (...args) => spawnSync('crushtool', args, { encoding: 'latin1', maxBuffer: 2 ** 30 });
  const records = [];
  const per = new Map();
  const seen = { maps: 0, mappings: 0, refused: 0, different: 0 };
  for (let n = first; n < first + count; n++) {
    const { text, deviceWeights, results } = ours(n);
    writeFileSync(source, text);
    const compiled = crushtool('-c', source, '-o', mapFile);
    if (compiled.status !== 0 && results === undefined) {
      seen.refused++;
      continue;
    }
    const cell = Object.values(cellOf(n)).join(', ');
    const wrong = [];
    if (compiled.status !== 0 || results === undefined) wrong.push(`compile (${compiled.status} ${compiled.stderr})`);
    else {
      const bytes = readFileSync(mapFile);
      const decompiled = crushtool('-d', mapFile).stdout;
      const test = crushtool(
        ...['-i', mapFile, '--test', '--show-mappings', '--num-rep', String(repsOf(n))],
        ...['--min-x', '0', '--max-x', String(INPUTS - 1)],
        ...deviceWeights.flatMap(([osd, weight]) => ['--weight', String(osd), String(weight)]),
      );
      const lines = [...test.stdout.matchAll(/^CRUSH rule (\d+) x (\d+) (\[.*\])$/gm)].map((m) => m.slice(1).join(' '));
      // Without any weight the real one does not test.
      const idle = lines.length === 0 && test.status === 0;
      if (Buffer.compare(bytes, results.bytes) !== 0) wrong.push('bytes');
      if (decompiled !== results.decompiled) wrong.push('text');
      if (!idle && lines.join('\n') !== results.lines.join('\n')) wrong.push('mappings');
      if (!idle) {
        seen.maps++;
        seen.mappings += lines.length;
        per.set(cell, (per.get(cell) ?? 0) + 1);
        const record = Buffer.alloc(RECORD);
        const values = [n, digest(bytes), digest(decompiled), digest(lines.join('\n'))];
        for (const [i, value] of values.entries()) record.writeUInt32LE(value, 4 * i);
        records.push(record);
        if (write && records.length % 100 === 0) writeFileSync(corpus, Buffer.concat(records));
      }
    }
    if (wrong.length > 0) {
      seen.different++;
      process.stdout.write(`map ${n} (${cell}): ${wrong.join(', ')} differ\n`);
    }
  }
  rmSync(folder, { recursive: true });
  if (write) writeFileSync(corpus, Buffer.concat(records));
  process.stdout.write(
    `${seen.maps} maps, ${per.size} cells of ${Math.min(...per.values())} maps or more, ${seen.mappings} mappings, ${seen.refused} texts refused by both, ${seen.different} differences\n`,
  );
  return seen.different;
}

const different =
  mode === 'verify' ? verify(Number(rest[0] ?? 1)) : compare(Number(rest[0]), Number(rest[1]), mode === 'write');
process.exit(different === 0 ? 0 : 1);
