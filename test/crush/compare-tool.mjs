// Compares `sepiola crushtool` with the real one: chains of random commands on random maps; stdout, stderr, exit status and the map written.
//   usage: node test/crush/compare-tool.mjs [FIRST_SEED] [COUNT] [COMMANDS] [DIST]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { randomMap, seeded } from './generate.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [first = '1', count = '50', commands = '8', dist = join(root, 'dist')] = process.argv.slice(2);
const { crushtool } = await import(pathToFileURL(resolve(dist, 'cmd/tools/crushtool.js')).href);
const { decodeCrushMap } = await import(pathToFileURL(resolve(dist, 'crush/index.js')).href);
const folder = mkdtempSync(join(tmpdir(), 'sepiola-crushtool-'));
const [source, mapFile, theirFile, ourFile] = ['map.txt', 'map', 'theirs', 'ours'].map((name) => join(folder, name));

// Its debug log goes to stderr too, and lands in the middle of lines; so newlines there are not compared.
const bare = (err) => err.replace(/\d{4}-\d\d-\d\dT[^\n]*\n/g, '').replaceAll('\n', '');

function theirs(args) {
  rmSync(theirFile, { force: true });
  const r = spawnSync(
    'crushtool',
    args.map((a) => (a === 'OUT' ? theirFile : a)),
    { encoding: 'latin1', maxBuffer: 2 ** 30 },
  );
  return {
    status: r.status,
    signal: r.signal,
    out: r.stdout.replaceAll(theirFile, 'OUT'),
    err: r.stderr.replaceAll(theirFile, 'OUT'),
  };
}

function ours(args) {
  rmSync(ourFile, { force: true });
  const r = { status: 0, signal: null, out: '', err: '' };
  r.status = crushtool(
    args.map((a) => (a === 'OUT' ? ourFile : a)),
    {
      out: (text) => (r.out += text),
      err: (text) => (r.err += text),
      readFile: (path) => new Uint8Array(readFileSync(path)),
      writeFile: (path, bytes) => writeFileSync(path, bytes),
    },
  );
  r.out = r.out.replaceAll(ourFile, 'OUT');
  r.err = r.err.replaceAll(ourFile, 'OUT');
  return r;
}

const written = (path) => {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
};

function randomCommand(random, map) {
  const names = [...map.itemNames];
  const buckets = names.filter(([id, name]) => id < 0 && !name.includes('~'));
  const devices = names.filter(([id]) => id >= 0);
  const types = [...map.typeNames].filter(([id]) => id > 0);
  const anyName = () => (random.chance(0.05) ? 'nobody' : random.pick(names)[1]);
  const weight = () => String(random.pick([0, 1, 0.5, 2.25, 3.2718, 17, 0.001]));
  const place = () => {
    const parts = [];
    for (const [id, type] of types) {
      if (!random.chance(0.5)) continue;
      const here = buckets.filter(([bucket]) => map.bucket(bucket)?.type === id);
      const name = here.length > 0 && random.chance(0.8) ? random.pick(here)[1] : `new-${type}-${random.int(0, 3)}`;
      parts.push('--loc', type, name);
    }
    return parts;
  };
  const ruleNames = [...map.ruleNames.values()];
  const type = () => (random.chance(0.1) ? 'nosuch' : random.pick([...map.typeNames])[1]);
  switch (random.int(0, 14)) {
    case 0:
      return ['--add-item', String(random.int(0, 70)), weight(), `osd.${random.int(60, 99)}`, ...place()];
    case 1: {
      const [id, name] = random.pick(devices);
      return ['--update-item', String(id), weight(), name, ...place()];
    }
    case 2:
      return ['--remove-item', random.chance(0.7) ? random.pick(devices)[1] : anyName()];
    case 3:
      return ['--reweight-item', anyName(), weight()];
    case 4:
      return ['--add-bucket', random.chance(0.9) ? `b${random.int(0, 20)}` : anyName(), type(), ...place()];
    case 5:
      return ['--move', random.chance(0.7) ? random.pick(buckets)[1] : anyName(), ...place()];
    case 6:
      return ['--reweight'];
    case 7:
      return [
        '--create-replicated-rule',
        `rr${random.int(0, 9)}`,
        anyName(),
        type(),
        ...(random.chance(0.4) ? ['--device-class', random.pick(['hdd', 'ssd', 'nvme', 'none'])] : []),
      ];
    case 8:
      return [
        '--create-simple-rule',
        `rs${random.int(0, 9)}`,
        anyName(),
        type(),
        random.pick(['firstn', 'indep', 'odd']),
      ];
    case 9:
      return ['--remove-rule', random.chance(0.8) && ruleNames.length > 0 ? random.pick(ruleNames) : 'no-rule'];
    case 10:
      return ['--rebuild-class-roots'];
    case 11:
      return [
        '--set-subtree-class',
        random.pick(buckets)[1],
        random.pick(['hdd', 'ssd', 'new']),
        '--rebuild-class-roots',
      ];
    case 12:
      return [
        '--set-choose-total-tries',
        String(random.int(1, 60)),
        '--set-chooseleaf-vary-r',
        String(random.int(0, 3)),
        '--set-straw-calc-version',
        String(random.int(0, 1)),
        '--reweight',
      ];
    case 13:
      return random.pick([
        ['--tree'],
        ['--dump'],
        ['--dump', '-f', 'json'],
        ['--dump', '-f', 'xml-pretty'],
        ['-d', mapFile],
        ['--check', '40'],
        ['--show-location', String(random.pick(devices)[0])],
        ['--bucket-tree', '--bucket-name', random.pick(buckets)[1]],
        ['--compare', mapFile, '--num-rep', '3', '--min-x', '0', '--max-x', '50'],
      ]);
    default: {
      const shows = [
        '--show-utilization',
        '--show-utilization-all',
        '--show-statistics',
        '--show-mappings',
        '--show-bad-mappings',
        '--show-choose-tries',
      ].filter(() => random.chance(0.4));
      const extra = [
        ['--simulate'],
        ['--pool-id', '7'],
        ['--batches', '3'],
        ['--num-rep', '3'],
        ['--weight', '2', '0.5'],
        ['--rule', '1'],
        ['--mark-down-ratio', '0.4'],
        ['--ruleset', '1'],
      ]
        .filter(([name]) => random.chance(name === '--simulate' ? 0.1 : 0.25))
        .flat();
      return ['--test', ...shows, '--min-x', '0', '--max-x', String(random.int(5, 80)), ...extra];
    }
  }
}

let runs = 0;
let crashes = 0;
let differences = 0;
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const random = seeded(seed * 7919);
  // No trees: where they are changed item by item, Ceph leaves nodes to chance.
  writeFileSync(source, randomMap(seed).text.replaceAll('alg tree', 'alg straw2'));
  if (spawnSync('crushtool', ['-c', source, '-o', mapFile]).status !== 0) continue;
  for (let i = 0; i < Number(commands); i++) {
    const map = decodeCrushMap(new Uint8Array(readFileSync(mapFile)));
    const args = ['-i', mapFile, ...randomCommand(random, map), '-o', 'OUT'];
    const a = theirs(args);
    if (a.signal !== null) {
      // Where the real one crashes there is nothing to be equal to.
      crashes++;
      ours(args);
      continue;
    }
    const b = ours(args);
    runs++;
    const [mapA, mapB] = [written(theirFile), written(ourFile)];
    const wrong = [];
    for (const key of ['status', 'out', 'err'])
      if (key === 'err' ? bare(a.err) !== bare(b.err) : a[key] !== b[key]) wrong.push(key);
    if ((mapA === undefined) !== (mapB === undefined) || (mapA && Buffer.compare(mapA, mapB) !== 0)) wrong.push('map');
    if (wrong.length > 0) {
      differences++;
      const where = (x, y) => {
        let k = 0;
        while (k < x.length && x[k] === y[k]) k++;
        return `\n   - ${JSON.stringify(x.slice(Math.max(0, k - 40), k + 80))}\n   + ${JSON.stringify(y.slice(Math.max(0, k - 40), k + 80))}`;
      };
      const detail = wrong
        .map((key) => (key === 'map' ? '' : key === 'status' ? ` ${a.status}/${b.status}` : where(a[key], b[key])))
        .join('');
      if (differences < 25)
        process.stdout.write(`seed ${seed} step ${i}: ${args.join(' ')}: ${wrong.join(', ')} differ${detail}\n`);
    }
    if (mapA !== undefined && !args.includes('-d')) writeFileSync(mapFile, mapA);
  }
}
rmSync(folder, { recursive: true });
process.stdout.write(`${runs} commands, ${crashes} on which the real one crashed, ${differences} differences\n`);
process.exit(differences === 0 ? 0 : 1);
