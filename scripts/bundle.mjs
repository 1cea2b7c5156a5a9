// Puts what tsc emitted into few files: a process that loads 250 modules one by one spends 0.4 s of CPU on that, and `sepiola up` starts
// five of them. dist/bundle has the programs, a file a command and chunks of what they share; dist/lib the libraries of the package's exports.
// Not minified, so that stack traces stay readable.
//   usage: node scripts/bundle.mjs [DIST]
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = process.argv[2] ?? join(root, 'dist');

async function bundle(folder, entryPoints) {
  const outdir = join(dist, folder);
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
}

await Promise.all([
  bundle('bundle', { main: join(dist, 'cmd', 'main.js') }),
  bundle('lib', { cluster: join(dist, 'cmd', 'cluster.js'), rados: join(dist, 'rados', 'index.js') }),
]);
