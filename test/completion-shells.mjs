// Completion in zsh and fish themselves, where they are installed. Not a part of the check, which would have to install them: run it by hand after
// src/cmd/completion.ts was changed.
//   usage: node test/completion-shells.mjs
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './lib/cluster.mjs';

/** What is typed, and what must be offered; `files`: names of files, for there is nothing better. */
const CASES = [
  ['sepiola ra', ['rados']],
  ['sepiola up --st', ['--store']],
  ['sepiola up --store ', ['disk', 'memory']],
  ['sepiola rados lock ', ['break', 'get', 'info', 'list']],
  ['sepiola completion ', ['bash', 'fish', 'zsh']],
  ['sepiola crushtool -i some', ['some-file']],
];

const folder = mkdtempSync(join(tmpdir(), 'sepiola-completion-'));
symlinkSync(join(root, 'bin', 'sepiola.js'), join(folder, 'sepiola'));
writeFileSync(join(folder, 'some-file'), '');
const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HOME: folder, TERM: 'dumb' };
const shell = (program, args) => spawnSync(program, args, { env, cwd: folder, encoding: 'utf8', timeout: 120_000 });

/** Runs the completion in a terminal of zsh's own and gives what it shows after two tabs. */
function zsh(typed) {
  const script = `zmodload zsh/zpty
    zpty -b z 'zsh -f -i'
    take() { local text line; sleep $1; while zpty -rt z line; do text+=$line; done; print -r -- "$text" }
    zpty -w z 'autoload -U compinit; compinit -u -D; source <(sepiola completion zsh); PS1="> "; LISTMAX=1000'
    take 4 >/dev/null
    zpty -wn z '${typed}'$'\\t'; sleep 4; zpty -wn z $'\\t'
    take 3
    zpty -d z`;
  return shell('zsh', ['-c', script]).stdout;
}

try {
  for (const [typed, wanted] of CASES) {
    const { stdout, stderr } = shell('fish', ['-c', `sepiola completion fish | source; complete -C '${typed}'`]);
    const offered = stdout.trim().split('\n');
    assert.deepEqual(offered.sort(), wanted, `fish, ${typed}: ${stdout}${stderr}`);
    const shown = zsh(typed);
    for (const word of wanted) assert.ok(shown.includes(word), `zsh, ${typed}: ${shown}`);
    process.stdout.write(`${typed.padEnd(28)} ${wanted.join(' ')}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
