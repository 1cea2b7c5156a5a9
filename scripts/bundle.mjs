// Puts what tsc emitted into few files, dist/bundle: a process that loads 250 modules one by one spends 0.4 s of CPU on that, and
// `sepiola up` starts five of them. One file a command, and chunks of what they share; not minified, so that stack traces stay readable.
//   usage: node scripts/bundle.mjs [DIST]
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = process.argv[2] ?? join(root, 'dist');
const out = join(dist, 'bundle');

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: { main: join(dist, 'cmd', 'main.js') },
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'error',
});
