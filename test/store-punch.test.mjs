// The block file of a store on the real file system: what is deleted is given back to it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const load = (path) => import(pathToFileURL(join(process.env.SEPIOLA_DIST ?? join(root, 'dist'), path)).href);
const { installNativeCrc32c, osDisk, systemClock, systemEntropy } = await load('runtime/index.js');
const { DiskStore, Transaction } = await load('store/index.js');
const { CEPH_NOSNAP, Ghobject, Hobject } = await load('types/index.js');

const dir = mkdtempSync(join(tmpdir(), 'sepiola-punch-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const MIB = 1024 ** 2;
const C = '1.0_head';
const object = (n) => new Ghobject(new Hobject(`o${n}`, '', CEPH_NOSNAP, 7, 1, ''));

test('a store that deletes gets smaller, and goes on while it does', {
  skip: process.platform !== 'linux' ? 'holes are made by a program of Linux' : false,
}, async () => {
  await installNativeCrc32c();
  const notices = [];
  const open = () =>
    new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, join(dir, 'osd'), {
      size: 1024 * MIB,
      checkpointInterval_ms: 100,
      punchAfter_ms: 50,
      onNotice: (message) => notices.push(message),
    });
  let store = open();
  await store.mkfs('f');
  await store.mount();
  const queue = (t) => new Promise((done) => store.queueTransactions(C, [t], done));
  await queue(new Transaction().createCollection(C, 0));
  const content = (n) => Buffer.alloc(4 * MIB, n + 1);
  const taken = () => statSync(join(dir, 'osd', 'block')).blocks * 512;
  const OBJECTS = 24;
  for (let n = 0; n < OBJECTS; n++) await queue(new Transaction().write(C, object(n), 0, content(n)));
  assert.ok(taken() >= OBJECTS * 4 * MIB);
  // All but every sixth go; others come all the while, in the space that is free and that which is being given back.
  for (let n = 0; n < OBJECTS; n++) if (n % 6 !== 0) await queue(new Transaction().remove(C, object(n)));
  const until = Date.now() + 20_000;
  let written = 100;
  const left = 4 * 4 * MIB + 8 * 4 * MIB;
  while (taken() > left + 8 * MIB && Date.now() < until) {
    await queue(new Transaction().write(C, object(100 + (written % 4)), 0, content(written % 200)));
    written++;
    await new Promise((next) => setTimeout(next, 20));
  }
  assert.ok(taken() <= left + 8 * MIB, `${taken()} bytes still taken`);
  assert.ok(store.punching.punched > 0);
  const holds = (n, value) =>
    assert.ok(Buffer.concat(store.readSync(C, object(n), 0, 0)).equals(content(value)), `object ${n}`);
  await store.umount();
  store = open();
  await store.mount();
  assert.deepEqual(store.fsck({ deep: true }).errors, []);
  for (let n = 0; n < OBJECTS; n += 6) holds(n, n);
  for (let w = Math.max(100, written - 4); w < written; w++) holds(100 + (w % 4), w % 200);
  await store.umount();
  assert.deepEqual(notices, []);
});

/** A block device over the file, or undefined where this machine makes none. */
function loopDevice(path) {
  try {
    return execFileSync('losetup', ['--find', '--show', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

test('a device that is held is told what was deleted', async (t) => {
  await installNativeCrc32c();
  const backing = join(dir, 'backing');
  writeFileSync(backing, '');
  truncateSync(backing, 512 * MIB);
  const device = loopDevice(backing);
  if (device === undefined) {
    t.skip('no loop devices here');
    return;
  }
  try {
    mkdirSync(join(dir, 'on-device'));
    symlinkSync(device, join(dir, 'on-device', 'block'));
    const notices = [];
    const open = () =>
      new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, join(dir, 'on-device'), {
        checkpointInterval_ms: 100,
        punchAfter_ms: 50,
        discardDevices: true,
        onNotice: (message) => notices.push(message),
      });
    const store = open();
    await store.mkfs('f');
    await store.mount();
    const queue = (tx) => new Promise((done) => store.queueTransactions(C, [tx], done));
    await queue(new Transaction().createCollection(C, 0));
    const content = Buffer.alloc(4 * MIB, 7);
    for (let n = 0; n < 16; n++) await queue(new Transaction().write(C, object(n), 0, content));
    const taken = () => statSync(backing).blocks * 512;
    execFileSync('sync', [device]);
    const full = taken();
    assert.ok(full >= 64 * MIB);
    for (let n = 1; n < 16; n++) await queue(new Transaction().remove(C, object(n)));
    const until = Date.now() + 20_000;
    while (taken() > full - 56 * MIB && Date.now() < until) await new Promise((next) => setTimeout(next, 50));
    assert.ok(taken() <= full - 56 * MIB, `${full} bytes, then ${taken()}`);
    assert.ok(Buffer.concat(store.readSync(C, object(0), 0, 0)).equals(content));
    await store.umount();
    const again = open();
    await again.mount();
    assert.deepEqual(again.fsck({ deep: true }).errors, []);
    await again.umount();
    assert.deepEqual(notices, []);
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
});
