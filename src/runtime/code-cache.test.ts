import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createContext, runInContext } from 'node:vm';

const folder = mkdtempSync(join(tmpdir(), 'sepiola-code-cache-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const url = pathToFileURL(join(folder, 'main.js')).href;
const cache = join(folder, '.code-cache');
const cached = (): string[] => readdirSync(cache).sort();

interface Loader {
  loadBundle(url: string, name: string): { answer(): number; where: string };
  bundleState(): Map<string, boolean>;
  keepCompiled(): void;
}

let copies = 0;
/** A loader that has loaded nothing, as in a process of its own. */
async function fresh(): Promise<Loader> {
  return (await import(`./code-cache.js?${copies++}`)) as unknown as Loader;
}

/** Two files, of which one takes from the other. */
function writeSources(answer: number): void {
  writeFileSync(
    join(folder, 'main.cjs'),
    "const { six } = require('./part.cjs'); exports.answer = () => six() * 7; exports.where = typeof __url === 'string' ? __url : '';",
  );
  writeFileSync(join(folder, 'part.cjs'), `exports.six = () => ${answer};`);
}

async function run(): Promise<{ answer: number; state: Record<string, boolean>; loader: Loader }> {
  const loader = await fresh();
  const main = loader.loadBundle(url, 'main.cjs');
  assert.equal(main.where, pathToFileURL(join(folder, 'main.cjs')).href);
  return { answer: main.answer(), state: Object.fromEntries(loader.bundleState()), loader };
}

test('what was compiled is kept and found, for exactly the source that it is of', async () => {
  writeSources(6);
  const first = await run();
  assert.deepEqual([first.answer, first.state], [42, { 'main.cjs': false, 'part.cjs': false }]);
  first.loader.keepCompiled();
  assert.equal(cached().length, 2);
  const second = await run();
  assert.deepEqual([second.answer, second.state], [42, { 'main.cjs': true, 'part.cjs': true }]);
  // As long as before, which is all that V8 itself looks at.
  writeSources(5);
  const third = await run();
  assert.deepEqual([third.answer, third.state], [35, { 'main.cjs': true, 'part.cjs': false }]);
  third.loader.keepCompiled();
  assert.deepEqual((await run()).state, { 'main.cjs': true, 'part.cjs': true });
});

test('a damaged file is not used and is replaced', async () => {
  writeSources(6);
  (await run()).loader.keepCompiled();
  for (const damage of ['flip', 'cut', 'empty']) {
    const file = join(cache, cached().find((name) => name.startsWith('part.cjs'))!);
    const bytes = readFileSync(file);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(file, damage === 'flip' ? bytes : bytes.subarray(0, damage === 'cut' ? 100 : 0));
    const again = await run();
    assert.deepEqual([again.answer, again.state], [42, { 'main.cjs': true, 'part.cjs': false }], damage);
    again.loader.keepCompiled();
    assert.equal((await run()).state['part.cjs'], true, damage);
  }
});

test('files of sources that are gone, and too many of one, are removed', async () => {
  writeSources(6);
  writeFileSync(join(cache, 'gone.cjs.v1.1'), '');
  for (let i = 0; i < 6; i++) writeFileSync(join(cache, `main.cjs.v1.${i}`), '');
  rmSync(join(cache, cached().find((name) => name.startsWith('part.cjs'))!));
  (await run()).loader.keepCompiled();
  assert.deepEqual(
    cached().map((name) => name.slice(0, name.indexOf('.'))),
    ['main', 'main', 'main', 'main', 'part'],
  );
});

test('where nothing can be written, and where other globals are, the sources are loaded as they are', async () => {
  rmSync(cache, { recursive: true });
  writeFileSync(cache, ''); // a file in the folder's place: nobody can write there, root neither
  const { answer, loader } = await run();
  loader.keepCompiled();
  assert.deepEqual([answer, readFileSync(cache, 'utf8')], [42, '']);
  rmSync(cache);

  // As a test runner that gives tests globals of their own does it.
  const compiled = createRequire(import.meta.url).resolve('./code-cache.js');
  const script = readFileSync(compiled, 'utf8')
    .replace(/^import \{([^}]*)\} from ('[^']+');$/gm, 'const {$1} = require($2);')
    .replace(/^export function (\w+)/gm, 'exports.$1 = $1; function $1');
  const context = createContext({ exports: {} as Loader, require: createRequire(import.meta.url) });
  runInContext(script, context);
  const foreign = context.exports as Loader;
  assert.equal(foreign.loadBundle(url, 'main.cjs').answer(), 42);
  assert.equal(foreign.bundleState().size, 0);
});
