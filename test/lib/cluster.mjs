// A cluster for whole-program tests: started with `sepiola up`, used through Ceph's own programs.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const sepiola = join(root, 'sepiola');

/** Runs a program to its end. Never throws for an exit status; throws when it does not end in time. */
export function run(program, args, { env = {}, input, timeout_ms = 60_000, cwd, encoding = 'utf8' } = {}) {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        env: { ...process.env, ...env },
        timeout: timeout_ms,
        killSignal: 'SIGKILL',
        maxBuffer: 1 << 30,
        cwd,
        encoding,
      },
      (error, stdout, stderr) => {
        if (error?.killed)
          reject(new Error(`${program} ${args.join(' ')} did not end in ${timeout_ms} ms\n${stdout}${stderr}`));
        else
          resolve({
            code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255,
            stdout,
            stderr,
            error,
          });
      },
    );
    child.stdin.on('error', () => {});
    if (input !== undefined) child.stdin.write(input);
    child.stdin.end();
  });
}

/** A port such that it and some after it are free now. */
export async function freePort() {
  for (let tries = 0; tries < 50; tries++) {
    const base = 20000 + Math.floor(Math.random() * 12000);
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen({ host: '127.0.0.1', port: base }, () => probe.close(() => resolve(true)));
    });
    if (free) return base;
  }
  throw new Error('no free port found');
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class TestCluster {
  constructor(dir, port) {
    this.dir = dir;
    this.port = port;
    this.env = { CEPH_CONF: join(dir, 'ceph.conf'), SEPIOLA_NO_BUILD: '1' };
  }

  /** Starts a cluster of its own in a temporary directory. `args` go to `sepiola up`. */
  static async start(args = []) {
    const dir = mkdtempSync(join(tmpdir(), 'sepiola-test-'));
    const cluster = new TestCluster(dir, await freePort());
    rmSync(dir, { recursive: true });
    await cluster.up(args);
    return cluster;
  }

  async up(args = []) {
    const started = Date.now();
    const result = await run(sepiola, ['up', '--dir', this.dir, '--port', String(this.port), '--detach', ...args], {
      env: this.env,
      timeout_ms: 90_000,
    });
    if (result.code !== 0) throw new Error(`sepiola up failed:\n${result.stdout}${result.stderr}${this.logs()}`);
    this.up_ms = Date.now() - started;
  }

  async down() {
    const result = await run(sepiola, ['down', '--dir', this.dir], { env: this.env });
    if (result.code !== 0) throw new Error(`sepiola down failed:\n${result.stdout}${result.stderr}`);
  }

  /** Stops everything and removes the data. */
  async end() {
    try {
      await this.down();
    } finally {
      for (const pid of this.pids().values()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It is gone already.
        }
      }
      if (!process.env.SEPIOLA_KEEP) rmSync(this.dir, { recursive: true, force: true });
    }
  }

  pids() {
    const found = new Map();
    const folder = join(this.dir, 'run');
    if (!existsSync(folder)) return found;
    for (const f of readdirSync(folder))
      if (f.endsWith('.pid')) found.set(f.slice(0, -4), Number(readFileSync(join(folder, f), 'utf8')));
    return found;
  }

  /** SIGKILL to one daemon. */
  kill(name) {
    process.kill(this.pids().get(name), 'SIGKILL');
  }

  /** Starts one daemon again, as `sepiola osd --conf C --id N` does. */
  startDaemon(name, args = []) {
    const [type, id] = name.split('.');
    const child = spawn(
      process.execPath,
      [join(root, 'bin', 'sepiola.js'), type, '--conf', this.env.CEPH_CONF, '--id', id, ...args],
      {
        detached: true,
        stdio: 'ignore',
      },
    );
    child.unref();
  }

  /** `ceph ARGS`: stdout; throws with everything when the exit status is not the expected one. */
  async ceph(...args) {
    return (await this.expect(0, 'ceph', ...args)).stdout;
  }

  async cephJson(...args) {
    return JSON.parse(await this.ceph(...args, '--format', 'json'));
  }

  async rados(...args) {
    return (await this.expect(0, 'rados', ...args)).stdout;
  }

  async expect(code, program, ...args) {
    const result = await run(program, args, { env: this.env });
    if (result.code !== code) {
      throw new Error(
        `${program} ${args.join(' ')}: exit status ${result.code}, expected ${code}\n${result.stdout}${result.stderr}`,
      );
    }
    return result;
  }

  run(program, args, options = {}) {
    return run(program, args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** Debian's Python, which has the rados module; another may come first on the PATH. */
  python(script, options = {}) {
    return this.run('/usr/bin/python3', ['-c', script], options);
  }

  async waitFor(what, condition, timeout_ms = 30_000) {
    const deadline = Date.now() + timeout_ms;
    let last;
    while (Date.now() < deadline) {
      try {
        last = await condition();
        if (last) return last;
      } catch (error) {
        last = error;
      }
      await sleep(200);
    }
    throw new Error(`waited ${timeout_ms} ms for ${what}; last: ${last}\n${this.logs()}`);
  }

  waitClean(timeout_ms = 60_000) {
    return this.waitFor(
      'every PG active+clean',
      async () => {
        const { pgmap } = await this.cephJson('status');
        const clean = pgmap.pgs_by_state
          .filter((s) => s.state_name === 'active+clean')
          .reduce((sum, s) => sum + s.count, 0);
        return pgmap.num_pgs > 0 && clean === pgmap.num_pgs;
      },
      timeout_ms,
    );
  }

  /** Ends of the daemons' logs, for a failure's text. */
  logs() {
    const folder = join(this.dir, 'log');
    if (!existsSync(folder)) return '';
    return readdirSync(folder)
      .map((f) => `--- ${f}\n${readFileSync(join(folder, f), 'utf8').split('\n').slice(-8).join('\n')}\n`)
      .join('');
  }
}
