// What the RADOS library writes, Ceph's `rados` and python3-rados read, and the other way round: objects, attributes, omap, snapshots, locks,
// watches, striped objects. On both clusters.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytes, collect, pattern, sha, text } from './rados-api.mjs';

const script = fileURLToPath(new URL('python-rados-cross.py', import.meta.url));

/** A conversation with python3-rados: one line a question, one JSON line an answer. */
class Python {
  #child;
  #lines = [];
  #waiting = [];
  #rest = '';

  constructor(env) {
    this.#child = spawn('/usr/bin/python3', [script], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const lines = (this.#rest + chunk).split('\n');
      this.#rest = lines.pop();
      for (const line of lines) {
        const waiter = this.#waiting.shift();
        if (waiter === undefined) this.#lines.push(line);
        else waiter(line);
      }
    });
  }

  async ask(...question) {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const line = this.#lines.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    const answer = JSON.parse(line);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  }

  async end() {
    this.#child.stdin.end();
    await new Promise((resolve) => this.#child.once('close', resolve));
  }
}

/** In a pool of its own; `folder` is for files. */
export async function acrossPrograms(rados, cluster, folder) {
  const pool = 'across';
  await rados.createPool(pool, { pgNum: 8, application: 'rados' });
  const io = await rados.openPool(pool);
  const cli = async (...args) => {
    const { code, stdout, stderr } = await cluster.run('rados', ['-p', pool, ...args], { timeout_ms: 30_000 });
    assert.equal(code, 0, `rados ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const python = new Python(cluster.env);
  try {
    await python.ask('open', pool);
    await objects({ io, cli, python, folder });
    await snapshots({ io, cli, python, folder, rados });
    await locks({ io, cli, python, rados });
    await watches({ io, cli, python });
    await striped({ io, cli, folder });
  } finally {
    await python.end();
  }
  await rados.deletePool(pool);
}

async function objects({ io, cli, python, folder }) {
  const data = pattern(200_000, 5);
  const file = join(folder, 'object');
  await io.writeFull('ours', data);
  await io.setXattr('ours', 'x', bytes('value'));
  await io.omapSet(
    'ours',
    new Map([
      ['k1', bytes('v1')],
      ['k2', bytes('v2')],
    ]),
  );
  await io.omapSetHeader('ours', bytes('head'));
  await cli('get', 'ours', file);
  assert.equal(sha(readFileSync(file)), sha(data));
  assert.equal(await cli('getxattr', 'ours', 'x'), 'value');
  assert.match(await cli('listomapvals', 'ours'), /k1\nvalue \(2 bytes\) :\n00000000 {2}76 31/);
  assert.deepEqual(await python.ask('describe', 'ours'), {
    size: 200_000,
    sha: sha(data),
    xattrs: { x: 'value' },
    omap: { k1: 'v1', k2: 'v2' },
  });
  // The other way round.
  writeFileSync(file, data);
  await cli('put', 'theirs', file);
  await cli('setxattr', 'theirs', 'x', 'value');
  await cli('setomapval', 'theirs', 'k', 'v');
  assert.equal(sha(await io.read('theirs')), sha(data));
  assert.equal(text(await io.getXattr('theirs', 'x')), 'value');
  assert.deepEqual(
    [...(await io.omapGetAll('theirs'))].map(([k, v]) => [k, text(v)]),
    [['k', 'v']],
  );
  await python.ask('write', 'python', 'content', { a: '1', b: '2' }, { k: 'v' });
  assert.equal(text(await io.read('python')), 'content');
  assert.deepEqual(
    [...(await io.getXattrs('python'))].map(([k, v]) => [k, text(v)]),
    [
      ['a', '1'],
      ['b', '2'],
    ],
  );
  assert.deepEqual(
    [...(await io.omapGetAll('python'))].map(([k, v]) => [k, text(v)]),
    [['k', 'v']],
  );
  // Listings, namespaces, keys.
  await io.with({ namespace: 'n' }).writeFull('inside', bytes('n'));
  await io.with({ locatorKey: 'key' }).writeFull('placed', bytes('k'));
  const listed = (await collect(io.listObjects())).map((o) => o.oid).sort();
  assert.deepEqual(
    (await cli('ls'))
      .trim()
      .split('\n')
      .map((l) => l.split('\t')[0])
      .sort(),
    listed,
  );
  assert.deepEqual((await python.ask('list')).sort(), listed);
  assert.equal(await cli('-N', 'n', 'get', 'inside', '-'), 'n');
  assert.equal(await cli('--object-locator', 'key', 'get', 'placed', '-'), 'k');
}

async function snapshots({ io, cli, python, folder, rados }) {
  const file = join(folder, 'snapped');
  await io.writeFull('s', bytes('one'));
  await io.createSnapshot('first');
  await io.writeFull('s', bytes('two'));
  assert.match(await cli('lssnap'), /\tfirst\t/);
  await cli('-s', 'first', 'get', 's', file);
  assert.equal(readFileSync(file, 'utf8'), 'one');
  assert.deepEqual(await python.ask('snaps'), ['first']);
  assert.equal(await python.ask('readSnap', 's', 'first'), 'one');
  await python.ask('createSnap', 'second');
  // OSDs learn of it by the map that our next requests go by.
  await rados.waitForLatestMap();
  await io.writeFull('s', bytes('three'));
  await io.removeSnapshot('first');
  assert.deepEqual(
    io.listSnapshots().map((s) => s.name),
    ['second'],
  );
  assert.equal(text(await io.with({ snapRead: io.snapshotId('second') }).read('s')), 'two');
  await cli('rollback', 's', 'second');
  assert.equal(text(await io.read('s')), 'two');
}

async function locks({ io, cli, python, rados }) {
  const lock = await io.lock('ours', 'L', { cookie: 'c', tag: '', description: 'why' });
  const info = JSON.parse(await cli('lock', 'info', 'ours', 'L'));
  assert.equal(info.type, 'exclusive');
  assert.deepEqual(
    info.lockers.map((l) => [l.name, l.cookie, l.description]),
    [[`client.${rados.instanceId}`, 'c', 'why']],
  );
  assert.equal(await python.ask('lock', 'ours', 'L', 'p', 'exclusive'), 16);
  await lock.unlock();
  assert.equal(await python.ask('lock', 'ours', 'L', 'p', 'exclusive'), 0);
  await assert.rejects(io.lock('ours', 'L'), { code: 'EBUSY' });
  const { holders } = await io.lockInfo('ours', 'L');
  assert.equal(holders[0].cookie, 'p');
  await io.breakLock('ours', 'L', holders[0].client, 'p');
  assert.equal(await python.ask('unlock', 'ours', 'L', 'p'), 2);
  assert.equal(await python.ask('lock', 'ours', 'S', 'p', 'shared'), 0);
  await io.lock('ours', 'S', { type: 'shared', cookie: 'o', tag: 'tag' });
  const shared = await io.lockInfo('ours', 'S');
  assert.deepEqual([shared.type, shared.tag, shared.holders.length], ['shared', 'tag', 2]);
}

async function watches({ io, cli, python }) {
  const heard = [];
  const watch = await io.watch('ours', (notify) => {
    heard.push(text(notify.payload));
    notify.ack(bytes('heard'));
  });
  // What `rados notify` sends is an encoded text.
  assert.match(await cli('notify', 'ours', 'from rados'), /client\.\d+/);
  assert.match(heard[0], /from rados$/);
  assert.deepEqual(await python.ask('notify', 'ours', 'from python'), ['heard']);
  assert.equal(heard[1], 'from python');
  assert.match(await cli('listwatchers', 'ours'), /watcher=127\.0\.0\.1:0\/\d+ client\.\d+ cookie=\d+/);
  await watch.unwatch();
  await python.ask('watch', 'theirs');
  const { acks, timeouts } = await io.notify('theirs', bytes('to python'), 5000);
  assert.deepEqual([acks.length, timeouts.length], [1, 0]);
  assert.deepEqual(await python.ask('heard'), ['to python']);
}

async function striped({ io, cli, folder }) {
  const data = pattern(9_000_001, 9);
  const file = join(folder, 'striped');
  const back = join(folder, 'striped.back');
  // Theirs has the layout of libradosstriper's defaults.
  writeFileSync(file, data);
  await cli('--striper', 'put', 'striped.theirs', file);
  const striper = io.striper();
  assert.equal((await striper.stat('striped.theirs')).size, data.length);
  assert.equal(sha(await striper.read('striped.theirs')), sha(data));
  await striper.write('striped.ours', data);
  await cli('--striper', 'get', 'striped.ours', back);
  assert.equal(sha(readFileSync(back)), sha(data));
  const wide = io.striper({ stripeUnit: 65536, stripeCount: 4, objectSize: 1 << 20 });
  await wide.write('striped.wide', data);
  await wide.truncate('striped.wide', 5_000_000);
  await cli('--striper', 'get', 'striped.wide', back);
  assert.equal(sha(readFileSync(back)), sha(data.subarray(0, 5_000_000)));
  await cli('--striper', 'append', 'striped.ours', file);
  assert.equal((await striper.stat('striped.ours')).size, 2 * data.length);
  await cli('--striper', 'rm', 'striped.ours');
  await striper.remove('striped.theirs');
  await wide.remove('striped.wide');
  const left = (await collect(io.listObjects())).map((o) => o.oid).filter((n) => n.startsWith('striped.'));
  assert.deepEqual(left, []);
}
