// `sepiola/crush` and `sepiola/maps` in a browser: bundled for one as any application would, without anything of Node, and run in headless Chromium
// on Ceph's maps. What comes out is compared with what Ceph's programs gave.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { ensureChromium } from '../scripts/ceph-packages.mjs';
import { prepare } from '../scripts/prepare.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
if (!process.env.SEPIOLA_NO_BUILD) prepare();
const MAPS = 24;

/** The page's script. It uses the package by its public names alone. */
const APP = `
import { compileCrushMap, decodeCrushMap, decompileCrushMap, encodeCrushMap, mapperOf } from 'sepiola/crush';
import { OSDMap, PgTable, dumpOSDMap, printOSDMap, toJson } from 'sepiola/maps';

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const { crush, osdmap } = globalThis.DATA;
const result = { node: [typeof Buffer, typeof process].join(' '), crush: [] };
let mappings = 0;
let ms = 0;
for (const { map: base64, text, reps, weights, rules } of crush) {
  const bytes = bytesOf(base64);
  const map = decodeCrushMap(bytes);
  const deviceWeights = new Array(map.maxDevices).fill(0);
  for (const bucket of map.buckets) for (const item of bucket?.items ?? []) if (item >= 0) deviceWeights[item] = 0x10000;
  for (const [osd, weight] of weights) if (osd < deviceWeights.length) deviceWeights[osd] = weight;
  const mapper = mapperOf(map);
  const results = {};
  const started = performance.now();
  for (const rule of rules) {
    results[rule] = [];
    for (let x = 0; x < 1000; x++) results[rule].push('[' + mapper.doRule(rule, x, reps, deviceWeights, 0).join(',') + ']');
    mappings += 1000;
  }
  ms += performance.now() - started;
  result.crush.push({
    encoded: equal(encodeCrushMap(map), bytes),
    text: decompileCrushMap(map) === text,
    compiled: decompileCrushMap(compileCrushMap(text)) === text,
    results,
  });
}
result.rate = Math.round((mappings * 1000) / ms);
const bytes = bytesOf(osdmap);
const map = OSDMap.decode(bytes);
const table = new PgTable(map);
result.osdmap = {
  encoded: equal(map.encode().bytes, bytes),
  print: printOSDMap(map),
  dump: toJson((f) => dumpOSDMap(map, f)),
  pgs: [...map.pools].map(([id, { pgNum }]) => Array.from({ length: pgNum }, (_, seed) => table.get(id, seed).acting)),
};
document.body.textContent = 'RESULT' + btoa(unescape(encodeURIComponent(JSON.stringify(result)))) + 'END';
`;

/** Bundles APP in a folder where the package is installed under its name. */
async function bundle(folder) {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/sepiola'));
  writeFileSync(join(folder, 'app.js'), APP);
  await build({
    entryPoints: [join(folder, 'app.js')],
    outfile: join(folder, 'bundle.js'),
    bundle: true,
    // An import of anything of Node does not resolve for a browser, and fails here.
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    logLevel: 'silent',
  });
  return readFileSync(join(folder, 'bundle.js'), 'utf8');
}

test('placement and maps in headless Chromium', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sepiola-browser-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const code = await bundle(folder);
  assert.ok(!/\bBuffer\s*[.(]|\bprocess\s*\.|["']node:/.test(code), 'the bundle uses something of Node');

  const { chromium, missing } = ensureChromium();
  if (missing !== undefined) {
    if (process.env.CI) throw new Error(missing);
    t.skip(missing);
    return;
  }
  const vectors = gunzipSync(readFileSync(join(root, 'corpus/crush/random.jsonl.gz')))
    .toString()
    .trim()
    .split('\n')
    .filter((_, i) => i % 9 === 0)
    .slice(0, MAPS)
    .map((line) => JSON.parse(line));
  const corpus = (name) => readFileSync(join(root, 'corpus/maps', name));
  const data = {
    crush: vectors.map((v) => ({ ...v, rules: Object.keys(v.digests).map(Number), digests: undefined })),
    osdmap: corpus('osdmap-179.bin').toString('base64'),
  };
  writeFileSync(join(folder, 'data.js'), `globalThis.DATA = ${JSON.stringify(data)};`);
  const page =
    '<!doctype html><meta charset="utf-8"><body><script src="data.js"></script><script src="bundle.js"></script>';
  writeFileSync(join(folder, 'page.html'), page);
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
  ];
  const run = spawnSync(
    chromium,
    [...flags, `--user-data-dir=${join(folder, 'profile')}`, '--dump-dom', `file://${folder}/page.html`],
    {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 2 ** 28,
    },
  );
  const found = /RESULT([A-Za-z0-9+/=]*)END/.exec(run.stdout ?? '');
  assert.ok(
    found,
    `no result: ${run.status} ${run.error ?? ''} ${(run.stdout ?? '').slice(-500)} ${(run.stderr ?? '').slice(-1500)}`,
  );
  const result = JSON.parse(Buffer.from(found[1], 'base64').toString('utf8'));

  assert.equal(result.node, 'undefined undefined');
  const { crc32c } = await import('../dist/base/index.js');
  vectors.forEach(({ seed, digests }, i) => {
    const ours = result.crush[i];
    assert.ok(ours.encoded && ours.text && ours.compiled, `seed ${seed}: ${JSON.stringify({ ...ours, results: 0 })}`);
    for (const [rule, chunks] of Object.entries(digests)) {
      chunks.forEach((expected, chunk) => {
        const lines = ours.results[rule].slice(chunk * 250, (chunk + 1) * 250).join('\n');
        assert.equal(crc32c(0, new TextEncoder().encode(lines)), expected, `seed ${seed} rule ${rule}`);
      });
    }
  });
  assert.equal(result.osdmap.encoded, true);
  assert.equal(result.osdmap.print, corpus('osdmap-179.print.txt').toString());
  assert.equal(result.osdmap.dump, corpus('osdmap-179.dump.json').toString().trim());
  const { OSDMap } = await import('sepiola/maps');
  const map = OSDMap.decode(new Uint8Array(corpus('osdmap-179.bin')));
  const here = [...map.pools].map(([id, { pgNum }]) =>
    Array.from({ length: pgNum }, (_, seed) => map.pgMapping(id, seed).acting),
  );
  assert.deepEqual(result.osdmap.pgs, here);
  t.diagnostic(`${result.rate.toLocaleString('en-US')} mappings a second in the browser`);
});
