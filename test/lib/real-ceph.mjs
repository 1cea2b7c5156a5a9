// The real Ceph, brought up on loopback from Debian's packages: what this project is compared with.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { freePort, run, sleep } from './cluster.mjs';

export class RealCeph {
  constructor(dir, port, root) {
    this.dir = dir;
    this.port = port;
    /** Directory with another system, whose programs are meant; undefined: this one's. */
    this.root = root;
    this.env = { CEPH_CONF: join(dir, 'ceph.conf') };
  }

  /**
   * `mons` monitors, one manager and `osds` OSDs with BlueStore; resolves when all are up. `root`: a directory with a newer release in it, whose programs
   * are run there; `keyType`: the type of all keys, of a release that knows more than one.
   */
  static async start({ osds = 3, mons = 1, base = tmpdir(), port, options = {}, root, keyType } = {}) {
    let dir = mkdtempSync(join(root === undefined ? base : join(root, 'tmp'), 'real-ceph-'));
    if (root !== undefined) {
      // One path that leads there from within and from without.
      const outside = join('/tmp', basename(dir));
      symlinkSync(dir, outside);
      dir = outside;
    }
    const ceph = new RealCeph(dir, port ?? (await freePort()), root);
    const started = Date.now();
    try {
      await ceph.#make(osds, mons, options, keyType);
    } catch (error) {
      await ceph.end();
      throw error;
    }
    ceph.up_ms = Date.now() - started;
    return ceph;
  }

  async #make(osds, mons, options, keyType) {
    const d = this.dir;
    const fsid = randomUUID();
    const monitors = Array.from({ length: mons }, (_, i) => {
      const port = this.port + 2 * i;
      return { id: String.fromCharCode(97 + i), addrs: `[v2:127.0.0.1:${port},v1:127.0.0.1:${port + 1}]` };
    });
    for (const folder of ['log', 'run', 'mgr.x', ...monitors.map(({ id }) => `mon.${id}`)]) mkdirSync(join(d, folder));
    const extra = Object.entries(options)
      .map(([k, v]) => `${k} = ${v}\n`)
      .join('');
    writeFileSync(
      join(d, 'ceph.conf'),
      `[global]
fsid = ${fsid}
mon_host = ${monitors.map(({ addrs }) => addrs).join(',')}
mon_initial_members = ${monitors.map(({ id }) => id).join(',')}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
run_dir = ${d}/run
admin_socket = ${d}/run/$cluster-$name.asok
log_file = ${d}/log/$name.log
pid_file = ${d}/run/$name.pid
osd_pool_default_size = 3
osd_pool_default_min_size = 2
osd_crush_chooseleaf_type = 0
mon_data = ${d}/mon.$id
mgr_data = ${d}/mgr.$id
osd_data = ${d}/osd.$id
mon_allow_pool_delete = true
mon_allow_pool_size_one = true
auth_allow_insecure_global_id_reclaim = false
osd_objectstore = bluestore
bluestore_block_size = 10737418240
bluestore_block_create = true
osd_memory_target = 1073741824
ms_bind_ipv6 = false
${extra}[client]
keyring = ${d}/keyring
log_file = /dev/null
admin_socket =
[mon]
keyring = ${d}/keyring
[mgr]
keyring = ${d}/mgr.$id/keyring
[osd]
keyring = ${d}/osd.$id/keyring
`,
    );
    const conf = ['-c', join(d, 'ceph.conf')];
    const keys = keyType === undefined ? [] : ['--key-type', keyType];
    const ciphers = ['--auth-service-cipher', keyType, '--auth-preferred-cipher', keyType];
    const must = async (program, args, o = {}) => {
      const r = await this.run(program, args, { timeout_ms: 120_000, ...o });
      if (r.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${r.stdout}${r.stderr}`);
      return r.stdout;
    };
    // Daemons put themselves in the background and keep the pipes: their output must not be waited for.
    const daemon = (program, args) => {
      const r = spawnSync(...this.#at(program, args), { env: { ...process.env, ...this.env }, stdio: 'ignore' });
      if (r.status !== 0) throw new Error(`${program} ${args.join(' ')}: exit status ${r.status}; see ${d}/log`);
    };
    await must('ceph-authtool', [
      '--create-keyring',
      join(d, 'keyring'),
      '--gen-key',
      ...keys,
      '-n',
      'mon.',
      '--cap',
      'mon',
      'allow *',
    ]);
    await must('ceph-authtool', [
      join(d, 'keyring'),
      '--gen-key',
      ...keys,
      '-n',
      'client.admin',
      '--cap',
      'mon',
      'allow *',
      '--cap',
      'osd',
      'allow *',
      '--cap',
      'mds',
      'allow *',
      '--cap',
      'mgr',
      'allow *',
    ]);
    await must('monmaptool', [
      '--create',
      '--clobber',
      '--fsid',
      fsid,
      ...monitors.flatMap(({ id, addrs }) => ['--addv', id, addrs]),
      ...(keyType === undefined ? [] : [...ciphers, '--auth-allowed-ciphers', 'aes,aes256k']),
      join(d, 'monmap'),
    ]);
    for (const { id } of monitors) {
      const from = ['--monmap', join(d, 'monmap'), '--keyring', join(d, 'keyring')];
      await must('ceph-mon', [...conf, '--mkfs', '-i', id, ...from]);
    }
    for (const { id } of monitors) daemon('ceph-mon', [...conf, '-i', id]);
    writeFileSync(
      join(d, 'mgr.x', 'keyring'),
      await must('ceph', [
        'auth',
        'get-or-create',
        'mgr.x',
        'mon',
        'allow profile mgr',
        'osd',
        'allow *',
        'mds',
        'allow *',
      ]),
    );
    daemon('ceph-mgr', [...conf, '-i', 'x']);
    for (let i = 0; i < osds; i++) {
      mkdirSync(join(d, `osd.${i}`));
      const uuid = randomUUID();
      const key = (await must('ceph-authtool', ['--gen-print-key', ...keys])).trim();
      await must('ceph', ['osd', 'new', uuid, String(i), '-i', '-'], { input: JSON.stringify({ cephx_secret: key }) });
      await must('ceph-authtool', [
        '--create-keyring',
        join(d, `osd.${i}`, 'keyring'),
        '-n',
        `osd.${i}`,
        '--add-key',
        key,
      ]);
      daemon('ceph-osd', [...conf, '-i', String(i), '--mkfs', '--osd-uuid', uuid, '--key', key]);
      daemon('ceph-osd', [...conf, '-i', String(i)]);
    }
    for (let tries = 0; tries < 300; tries++) {
      const { osdmap, mgrmap } = JSON.parse(await must('ceph', ['-s', '-f', 'json']));
      if (osdmap.num_up_osds === osds && mgrmap.available) return;
      await sleep(200);
    }
    throw new Error(`the real Ceph did not come up in ${d}`);
  }

  pids() {
    const found = new Map();
    const folder = join(this.dir, 'run');
    for (const f of readdirSync(folder))
      if (f.endsWith('.pid')) found.set(f.slice(0, -4), Number(readFileSync(join(folder, f), 'utf8')));
    return found;
  }

  /** SIGKILL to one daemon: `osd.0`. */
  kill(name) {
    process.kill(this.pids().get(name), 'SIGKILL');
  }

  /** Starts a daemon that was killed; resolves when it has put itself in the background. */
  restart(name) {
    const [type, id] = name.split('.');
    const child = spawn(...this.#at(`ceph-${type}`, ['-c', join(this.dir, 'ceph.conf'), '-i', id]), {
      stdio: 'ignore',
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (status) =>
        status === 0 ? resolve() : reject(new Error(`${name}: exit status ${status}; see ${this.dir}/log`)),
      );
    });
  }

  #at(program, args) {
    return this.root === undefined ? [program, args] : ['chroot', [this.root, program, ...args]];
  }

  run(program, args, options = {}) {
    return run(...this.#at(program, args), { ...options, env: { ...this.env, ...options.env } });
  }

  async end() {
    const pids = [...this.pids().values()];
    const signal = (name) => {
      for (const pid of pids) {
        try {
          process.kill(pid, name);
        } catch {
          // It has ended.
        }
      }
    };
    signal('SIGTERM');
    for (let i = 0; i < 50 && pids.some((pid) => existsSync(`/proc/${pid}`)); i++) await sleep(100);
    signal('SIGKILL');
    rmSync(realpathSync(this.dir), { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Version line of the installed Ceph. */
export const cephVersion = () => execFileSync('ceph', ['--version'], { encoding: 'utf8' }).trim();
