// The rules of the house that a compiler does not know: who may import whom, and where clock, chance and I/O may live.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src');

/** Folder -> folders it may import directly, besides itself. Closed over what those may import. */
const direct = {
  base: [],
  config: ['base'],
  encoding: ['base'],
  crush: ['encoding'],
  types: ['crush', 'config'],
  erasure: ['base'],
  auth: ['types'],
  msgr: ['auth'],
  messages: ['types'],
  paxos: ['messages'],
  store: ['types'],
  client: ['msgr', 'messages'],
  mon: ['paxos', 'client', 'store'],
  osd: ['client', 'store', 'erasure'],
  rbd: ['client'],
  fs: ['client'],
  rgw: ['client'],
  mds: ['fs', 'client'],
  mgr: ['client'],
  gateway: ['rbd', 'fs', 'rgw'],
  runtime: ['config'],
  rados: ['client', 'runtime'],
  sim: ['mon', 'osd', 'mgr', 'mds', 'rbd', 'fs', 'rgw', 'gateway'],
  cmd: ['mon', 'osd', 'mgr', 'mds', 'rbd', 'fs', 'rgw', 'gateway', 'runtime', 'rados'],
};

const allowed = new Map();
function closure(folder) {
  if (!allowed.has(folder)) {
    assert.ok(folder in direct, `src/${folder} is not in the table of folders`);
    const set = new Set([folder]);
    for (const d of direct[folder]) for (const f of closure(d)) set.add(f);
    allowed.set(folder, set);
  }
  return allowed.get(folder);
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

const files = [...sources(src)].map((path) => ({ path, name: relative(src, path), text: readFileSync(path, 'utf8') }));
const imports = (text) => [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1]);
const folderOf = (name) => name.split(sep)[0];
const isTest = (name) => name.endsWith('.test.ts') || name.split(sep).includes('testing');

test("folders import only what the table allows, through the other folder's door", () => {
  const wrong = [];
  for (const { path, name, text } of files) {
    const folder = folderOf(name);
    for (const target of imports(text)) {
      if (!target.startsWith('.')) continue;
      const resolved = relative(src, join(dirname(path), target));
      const other = folderOf(resolved);
      if (other === folder) continue;
      if (!closure(folder).has(other)) wrong.push(`${name} imports ${resolved}: ${folder} may not import ${other}`);
      else if (folder === 'sim' && resolved === join(other, 'testing', 'index.ts'))
        continue; // What tests and simulations share.
      else if (resolved !== join(other, 'index.ts'))
        wrong.push(`${name} imports ${resolved}: only ${other}/index.ts is its door`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('clock, chance, network and disk live in runtime and cmd alone', () => {
  const pattern =
    /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandom(?:Bytes|UUID|Int|Fill|FillSync)\b|\bperformance\.now\(|\bsetTimeout\(|\bsetInterval\(|\bsetImmediate\(|\bprocess\.(?!env\.NODE_DEBUG)|from 'node:(?!assert|test|crypto|zlib|util|buffer|stream)[^']*'/;
  const wrong = [];
  for (const { name, text } of files) {
    if (['runtime', 'cmd'].includes(folderOf(name)) || isTest(name)) continue;
    text.split('\n').forEach((line, i) => {
      if (pattern.test(line) && !/^\s*(\/?\*|\/\/)/.test(line)) wrong.push(`${name}:${i + 1}: ${line.trim()}`);
    });
  }
  assert.deepEqual(wrong, []);
});

test('what must run in a browser uses nothing of Node', () => {
  const wrong = [];
  for (const { name, text } of files) {
    if (!['base', 'encoding', 'crush', 'types'].includes(folderOf(name)) || isTest(name)) continue;
    text.split('\n').forEach((line, i) => {
      if (/\bBuffer\b|from 'node:|\bprocess\./.test(line) && !/^\s*(\/?\*|\/\/)/.test(line))
        wrong.push(`${name}:${i + 1}: ${line.trim()}`);
    });
  }
  assert.deepEqual(wrong, []);
});

test('every folder has its door and its page', () => {
  const wrong = [];
  for (const folder of new Set(files.map(({ name }) => folderOf(name)))) {
    for (const needed of ['README.md', 'index.ts']) {
      if (folder === 'cmd' && needed === 'index.ts') continue; // Nothing imports cmd.
      try {
        readFileSync(join(src, folder, needed));
      } catch {
        wrong.push(`src/${folder} has no ${needed}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

/** Files that are longer than a sitting, and why; a shorter one leaves the list. */
const longFiles = new Map([
  ['config/table.ts', 'data, a line an option'],
  ['osd/pg/peering.ts', 'one state machine'],
]);

test('source files fit a sitting', () => {
  const long = files
    .filter(({ name }) => !isTest(name) && !longFiles.has(name))
    .map(({ name, text }) => [name, text.split('\n').length])
    .filter(([, lines]) => lines > 900);
  assert.deepEqual(long, []);
});

test('nothing names this machine, a registry, or silences a checker', () => {
  const wrong = [];
  for (const { name, text } of files) {
    text.split('\n').forEach((line, i) => {
      if (/\/work\/|registry\.npmjs|deb\.debian|@ts-ignore|@ts-nocheck/.test(line))
        wrong.push(`${name}:${i + 1}: ${line.trim()}`);
    });
  }
  assert.deepEqual(wrong, []);
});
