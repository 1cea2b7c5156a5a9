// Brings a checkout to the state in which dist/ can run: packages installed as the lock file says, sources built. Does nothing,
// fast, where both are current. Uses Node alone, so it works on a fresh clone.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const time = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newestSource(folder) {
  let newest = time(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestSource(path) : time(path));
  }
  return newest;
}

export function prepare({ quiet = true } = {}) {
  const run = (command, args) =>
    execFileSync(command, args, {
      cwd: root,
      stdio: ['ignore', quiet && command === 'npm' ? 'ignore' : 2, 2],
    });
  const installed = join(root, 'node_modules', '.package-lock.json');
  // A link leads to somebody else's packages, which npm would delete.
  const linked = lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  if (!linked && time(installed) < time(join(root, 'package-lock.json'))) {
    process.stderr.write('installing packages ...\n');
    run('npm', ['ci', '--no-audit', '--no-fund']);
    const now = new Date();
    utimesSync(installed, now, now);
  }
  const stamp = join(root, 'dist', '.built');
  const sources = Math.max(
    newestSource(join(root, 'src')),
    time(join(root, 'tsconfig.json')),
    time(installed),
    time(join(root, 'scripts', 'bundle.mjs')),
  );
  if (time(stamp) < sources) {
    process.stderr.write('building ...\n');
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']);
    run(process.execPath, [join(root, 'scripts', 'bundle.mjs')]);
    writeFileSync(stamp, '');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare();
