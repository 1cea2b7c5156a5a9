// Runs command lines with Ceph's program and with ours, and compares what they print and how they end.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './cluster.mjs';

/** What may differ from run to run, by the names that scenario files use. */
const MASKS = {
  digits: [[/\d+/g, '#']],
  numbers: [[/\d+(\.\d+)?(e[-+]?\d+)?/g, '#']],
  all: [[/.*/s, '']],
  // Rates and counts, and how many lines a second brought.
  bench: [
    [/\d+(\.\d+)?(e[-+]\d+)?/g, '#'],
    [/ +/g, ' '],
    [/-(?= |$)/gm, '#'],
    [/^ # #.*\n/gm, ''],
  ],
  'bench-json': [
    [/"-?[\d.]+"/g, '"#"'],
    [/(,?\{"sec"[^}]*\})+/g, 'DATA'],
  ],
  'load-gen': [
    [/^(READ|WRITE|op|obj|\s+\d+:).*\n/gm, ''],
    [/\d+/g, '#'],
  ],
  table: [
    [/[\d.]+ [KMGT]?i?B/g, '#'],
    [/\d+(\.\d+)?/g, '#'],
    [/ +/g, ' '],
  ],
  status: [
    [/\(age \S+\)/g, '(age)'],
    [/\(active, since \S+\)/g, '(active)'],
    [/since \S+?\)/g, 'since)'],
    [/"?\w*_age"?: *[\d.]+/g, 'AGE'],
    [/[\d.]+ [KMGT]?i?B/g, 'BYTES'],
    [/ +/g, ' '],
  ],
  // Ceph's program ends with an exception of Python.
  traceback: [[/Traceback.*\n(?=ceph_arg)/s, '']],
};

/** What always differs: clients' numbers and addresses, times, lines of the log. */
const ALWAYS = [
  [/^\d{4}-\d\d-\d\dT\S+ \S+ +-?\d+ .*\n\n?/gm, ''],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+0000|Z)?/g, 'STAMP'],
  [/\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d/g, 'STAMP'],
  [/client\.\d+/g, 'client.N'],
  [/127\.0\.0\.1:\d+\/\d+/g, 'ADDR'],
  [/cookie=?\s*\d+/g, 'cookie N'],
  [/notify_id \d+ from \d+/g, 'notify_id N from N'],
  // What the program calls itself.
  [/"[^"\n]*ceph tell/g, '"ceph tell'],
  [/benchmark_data_(\w+?)_\d+/g, 'benchmark_data_$1_PID'],
];

function words(text) {
  const found = [];
  for (const [, quoted, plain] of text.matchAll(/'([^']*)'|([^\s']+)/g)) found.push(quoted ?? plain);
  return found;
}

/** Parts of a scenario file, each a list of steps. `isWhole`: with the lines that are only run by hand. */
export function readScenario(name, isWhole) {
  const text = readFileSync(join(root, 'test', 'cli', `${name}.txt`), 'utf8');
  return text
    .split(/^=== .*$/m)
    .map((part) => readSteps(part.split('\n'), isWhole))
    .filter((steps) => steps.length > 0);
}

function readSteps(lines, isWhole) {
  const steps = [];
  for (const line of lines) {
    if (line === '' || line.startsWith('#') || (!isWhole && !line.startsWith('+ '))) continue;
    const [command, ...extras] = line.slice(2).split(/\s+## /);
    const extra = Object.fromEntries(extras.map((x) => [x.slice(0, x.indexOf('=')), x.slice(x.indexOf('=') + 1)]));
    const [program, ...args] = words(command);
    steps.push({
      label: command.trim(),
      program,
      args,
      input: extra.in === undefined ? '' : JSON.parse(extra.in),
      env: extra.env === undefined ? {} : { CEPH_ARGS: extra.env },
      masks: extra.mask === undefined ? [] : MASKS[extra.mask],
    });
  }
  return steps;
}

/** Files that scenarios read. The caller removes the folder. */
export function scenarioFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'sepiola-cli-'));
  const bytes = Uint8Array.from({ length: 10240 }, (_, i) => i & 0xff);
  writeFileSync(join(folder, 'in'), bytes);
  writeFileSync(join(folder, 'big'), Buffer.alloc(11_200_000, '0123456789abcdef'));
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'key'), Buffer.from([0x6b, 0, 0xff, 0x0a]));
  writeFileSync(join(folder, 'name'), Buffer.from('bin\x01\xffname', 'latin1'));
  for (const side of ['a', 'b']) mkdirSync(join(folder, side));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function run(program, args, { input, env, timeout_ms = 40_000 }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env } });
    const parts = { out: [], err: [] };
    child.stdout.on('data', (d) => parts.out.push(d));
    child.stderr.on('data', (d) => parts.err.push(d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout_ms);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const text = (list) => Buffer.concat(list).toString('latin1');
      resolve({ status: signal ?? code, out: text(parts.out), err: text(parts.err) });
    });
  });
}

/** A piece of two texts around the first difference. */
function around(a, b) {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const piece = (text) => JSON.stringify(text.slice(Math.max(0, i - 60), i + 160));
  return `ceph: ${piece(a)}\n    ours: ${piece(b)}`;
}

/**
 * Runs steps one after another, each with both programs at once. `context`: `conf`, `files` (of scenarioFiles), `pools` (one for each program),
 * `run` (where admin sockets are, with the beginning of their names). Gives what differs, a text each.
 */
export async function compare(steps, { conf, files, pools, run: sockets }) {
  const ours = join(root, 'bin', 'compat');
  const different = [];
  for (const step of steps) {
    const side = async (which) => {
      const pool = pools[which];
      const args = step.args.map((arg) =>
        arg
          .replaceAll('$P', pool)
          .replaceAll('$F', files.folder)
          .replaceAll('$T', join(files.folder, which === 0 ? 'a' : 'b'))
          .replaceAll('$RUN', sockets)
          .replaceAll('$LONG', 'y'.repeat(5000)),
      );
      const program = which === 0 ? step.program : join(ours, step.program);
      const env = { CEPH_CONF: conf, SEPIOLA_NO_BUILD: '1', ...step.env };
      const done = await run(program, args, { input: step.input, env });
      const mask = (text) => {
        let shown = text;
        for (const name of pools) shown = shown.replaceAll(name, 'POOL');
        for (const name of ['a', 'b']) shown = shown.replaceAll(join(files.folder, name), 'FILES');
        for (const [what, instead] of [...ALWAYS, ...step.masks]) shown = shown.replace(what, instead);
        return shown;
      };
      return { status: done.status, out: mask(done.out), err: mask(done.err) };
    };
    const [theirs, mine] = await Promise.all([side(0), side(1)]);
    // Ceph's programs sometimes crash on their way out where the machine is busy: then there is nothing to compare with.
    if (/^SIG(SEGV|ABRT)$/.test(theirs.status) || theirs.err.includes('*** Caught signal')) continue;
    for (const what of ['status', 'out', 'err']) {
      if (theirs[what] === mine[what]) continue;
      const shown =
        what === 'status' ? `ceph: ${theirs.status}, ours: ${mine.status}` : around(theirs[what], mine[what]);
      different.push(`${step.label}\n  ${what}: ${shown}`);
    }
  }
  return different;
}
