// Puts what tsc emitted into few files: a process that loads 250 modules one by one spends 0.4 s of CPU on that, and `sepiola up` starts
// five of them. Not minified, so that stack traces stay readable.
//   dist/bundle  the programs, a file a command and chunks of what they share
//   dist/esm     the libraries of the package's exports, for those who bundle them once more
//   dist/lib     the same libraries for Node: a module each whose inside is CommonJS, of which the engine can keep the compiled code (src/runtime/code-cache.ts)
//   usage: node scripts/bundle.mjs [DIST]
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = process.argv[2] ?? join(root, 'dist');
const COMMON = { bundle: true, platform: 'node', target: 'node20', packages: 'external', logLevel: 'error' };
const LOADER = 'load.cjs';

/** The loader is one for all files of a folder, beside them and not in them. */
const loaderApart = {
  name: 'loader apart',
  setup(build) {
    build.onResolve({ filter: /\/code-cache\.js$/ }, () => ({ path: `./${LOADER}`, external: true }));
  },
};

async function bundle(folder, entryPoints, plugins = []) {
  const outdir = join(dist, folder);
  rmSync(outdir, { recursive: true, force: true });
  await build({ ...COMMON, entryPoints, outdir, splitting: true, format: 'esm', plugins });
  return outdir;
}

const buildLoader = (folder) =>
  build({
    ...COMMON,
    entryPoints: [join(dist, 'runtime', 'code-cache.js')],
    outfile: join(folder, LOADER),
    format: 'cjs',
  });

const names = (list) =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => {
      const [from, to = from] = name.split(' as ');
      return { from, to };
    });

/** Throws where an exported variable is given another value later: with its declaration made a constant, esbuild says so. */
async function checkUnchanging(file, text, exported) {
  let constant = text;
  for (const { from } of exported) {
    const name = from.replaceAll('$', '\\$&');
    if (new RegExp(`^var ${name};$`, 'm').test(text))
      throw new Error(`${file}: ${from} is exported before it has a value`);
    constant = constant.replace(new RegExp(`^var ${name} = `, 'm'), () => `const ${from} = `);
  }
  const { warnings } = await transform(constant, { logLevel: 'silent' });
  const change = warnings.find(({ id }) => id === 'assign-to-constant');
  if (change !== undefined) throw new Error(`${file}: ${change.text}, and it is exported`);
}

/** An ES module as esbuild writes it -> CommonJS, and what it exports. Bindings are taken once, so nothing exported may change afterwards: that is checked. */
async function toCommonJs(file, text) {
  const commonName = (path) => (path.startsWith('./') ? path.replace(/\.js$/, '.cjs') : path);
  let exported = [];
  const body = text
    .replace(/^import \{([^}]*)\} from ("[^"]+");$/gm, (_, list, path) => {
      const taken = names(list).map(({ from, to }) => (from === to ? from : `${from}: ${to}`));
      return `const { ${taken.join(', ')} } = require(${commonName(JSON.parse(path)).replace(/.*/, JSON.stringify)});`;
    })
    .replace(/^import \* as (\S+) from ("[^"]+");$/gm, (_, name, path) => `const ${name} = require(${path});`)
    .replace(/^import ("[^"]+");$/gm, (_, path) => `require(${JSON.stringify(commonName(JSON.parse(path)))});`)
    .replace(/\bimport\(("[^"]+")\)/g, (_, path) => {
      const name = JSON.stringify(commonName(JSON.parse(path)));
      return `Promise.resolve().then(() => { const all = require(${name}); return { ...all, default: all }; })`;
    })
    .replace(/^export \{([^}]*)\};$/gm, (_, list) => {
      exported = names(list);
      return `Object.assign(exports, { ${exported.map(({ from, to }) => `${to}: ${from}`).join(', ')} });`;
    })
    .replaceAll('import.meta.url', 'moduleUrl');
  const left = /^(import|export)\b.*|\bimport\.meta\b.*/m.exec(body);
  if (left !== null) throw new Error(`${file}: ${left[0]} is not understood`);
  await checkUnchanging(file, text, exported);
  const start = `'use strict'; const moduleUrl = typeof __url === 'string' ? __url : require('node:url').pathToFileURL(__filename).href; `;
  return { text: start + body, exported: exported.map(({ to }) => to) };
}

async function bundleLibraries(entryPoints) {
  const from = await bundle('esm', entryPoints, [loaderApart]);
  const into = join(dist, 'lib');
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  await Promise.all([buildLoader(from), buildLoader(into)]);
  for (const file of readdirSync(from).filter((name) => name.endsWith('.js'))) {
    const { text, exported } = await toCommonJs(file, readFileSync(join(from, file), 'utf8'));
    const name = file.replace(/\.js$/, '.cjs');
    writeFileSync(join(into, name), text);
    if (file.replace(/\.js$/, '') in entryPoints)
      writeFileSync(
        join(into, file),
        `import loader from './${LOADER}';\nexport const {\n${exported.map((e) => `  ${e},\n`).join('')}} = loader.loadBundle(import.meta.url, '${name}');\n`,
      );
  }
}

await Promise.all([
  bundle('bundle', { main: join(dist, 'cmd', 'main.js') }),
  bundleLibraries({ cluster: join(dist, 'cmd', 'cluster.js'), rados: join(dist, 'rados', 'index.js') }),
]);
