// Runs every unit test of dist/ in this one process (a process per file would cost more than the tests).
// usage: node scripts/unit.mjs [DIST] [FOLDER]
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = resolve(root, process.argv[2] ?? 'dist', process.argv[3] ?? '.');

function* tests(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* tests(path);
    else if (entry.name.endsWith('.test.js')) yield path;
  }
}

// The first test ends when every file is loaded, so that no test runs in the middle of its file.
let loaded;
const loading = new Promise((resolve) => {
  loaded = resolve;
});
test('every test file loads', () => loading);
for (const path of [...tests(dist)].sort()) await import(pathToFileURL(path).href);
loaded();
