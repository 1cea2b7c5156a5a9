import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, Writer } from '../../encoding/index.ts';
import { StoreError, Transaction } from '../../store/index.ts';
import {
  CEPH_NOSNAP,
  formatPgState,
  type Ghobject,
  ghobjectMin,
  inconsistentObject,
  inconsistentSnapset,
  objectError,
  pgState,
  scrubLsResult,
  shardError,
  snapsetError,
} from '../../types/index.ts';
import { opCode } from '../ops/codes.ts';
import { extent, TestCluster, type TestRequest, xattrUnion } from '../testing.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const state = (c: TestCluster): string => formatPgState(c.primary.pg!.info.stats.state);

function put(c: TestCluster, name: string, content: string, snaps: readonly number[] = []): void {
  const request: TestRequest = { name, snaps, snapSeq: snaps[0] ?? 0 };
  const op = { code: opCode.WRITEFULL, union: extent(0, content.length), data: text(content) };
  assert.equal(c.do([op], request).result, 0);
}

function get(c: TestCluster, name: string, snap = CEPH_NOSNAP): string {
  const { result, data } = c.do([{ code: opCode.READ, union: extent(0, 0) }], { name, snap });
  return result < 0 ? `errno ${result}` : new TextDecoder().decode(data);
}

function find(c: TestCluster, osd: number, name: string, snap = CEPH_NOSNAP): Ghobject {
  const pg = c.osds[osd]!.pg!;
  const { objects } = pg.store.list(pg.coll, ghobjectMin, undefined, 1000);
  return objects.find((o) => o.hobj.oid === name && o.hobj.snap === snap)!;
}

/** Changes an object of one OSD behind everybody's back. */
function tamper(c: TestCluster, osd: number, change: (t: Transaction, coll: string) => void): void {
  const pg = c.osds[osd]!.pg!;
  const t = new Transaction();
  change(t, pg.coll);
  pg.store.queueTransactions(pg.coll, [t]);
  c.settle();
}

/** Runs a scrub to its end; what it told the cluster log. */
function scrub(c: TestCluster, kind: { deep?: boolean; repair?: boolean } = {}): string[] {
  c.log.length = 0;
  const pg = c.primary.pg!;
  pg.scrubber.request({ deep: kind.deep ?? false, repair: kind.repair ?? false, required: true });
  pg.run(() => assert.ok(pg.scrubber.start(), 'it begins'));
  c.settle();
  assert.equal(pg.scrubber.active, false, 'it has ended');
  return c.log;
}

function list(c: TestCluster, snapsets: boolean): Uint8Array[] {
  const w = new Writer(64);
  const token = w.structStart(1, 1);
  w.u32(0);
  w.u32(snapsets ? 1 : 0);
  w.string('');
  w.string('');
  w.u64num(0);
  w.u64num(100);
  w.structEnd(token);
  const { result, data } = c.do([{ code: opCode.SCRUBLS, data: w.bytes() }]);
  assert.equal(result, 0);
  return scrubLsResult.decode(new Reader(data)).values;
}

async function filled(): Promise<TestCluster> {
  const c = new TestCluster();
  await c.start();
  for (let i = 0; i < 12; i++) put(c, `object${i}`, `content of ${i}`);
  put(c, 'object3', 'newer', [4]);
  put(c, 'object3', 'newest', [7, 4]);
  const w = new Writer(64);
  w.u32(5);
  for (let i = 0; i < 5; i++) {
    w.string(`key${i}`);
    w.blob(text('value'));
  }
  c.do([{ code: opCode.OMAPSETVALS, data: w.bytes() }], { name: 'object5' });
  return c;
}

test('a scrub of what is whole finds nothing, and leaves its stamp', async () => {
  for (const deep of [false, true]) {
    const c = await filled();
    c.clock.ms += 1000;
    const title = deep ? 'deep-scrub' : 'scrub';
    assert.deepEqual(scrub(c, { deep }), [`debug: 1.0 ${title} starts`, `debug: 1.0 ${title} ok`]);
    const { history, stats } = c.primary.pg!.info;
    assert.equal(history.lastScrubStamp.sec, Math.floor(c.clock.ms / 1000));
    assert.equal(history.lastDeepScrubStamp.sec === history.lastScrubStamp.sec, deep);
    assert.equal(stats.stats.numScrubErrors, 0);
    assert.equal(stats.stats.numOmapKeys, deep ? 5 : 0);
    assert.equal(state(c), 'active+clean');
    for (const osd of [1, 2]) assert.deepEqual(c.osds[osd]!.pg!.info.history.lastScrubStamp, history.lastScrubStamp);
  }
});

test('a lost copy and changed data are found, listed and repaired', async () => {
  const c = await filled();
  tamper(c, 1, (t, coll) => t.remove(coll, find(c, 1, 'object1')));
  tamper(c, 2, (t, coll) => t.write(coll, find(c, 2, 'object2'), 0, text('CONTENT')));
  tamper(c, 0, (t, coll) => t.setattr(coll, find(c, 0, 'object4'), '_x', text('stray')));
  const light = scrub(c);
  assert.ok(
    light.some((l) => /error: 1\.0 shard 1 .*object1:head : missing$/.test(l)),
    light.join('\n'),
  );
  assert.ok(!light.some((l) => l.includes('object2')));
  const log = scrub(c, { deep: true });
  assert.ok(
    log.some((l) => /1\.0 shard 2 soid .*object2:head : data_digest 0x.* != data_digest 0x.* from shard 0/.test(l)),
  );
  assert.ok(log.includes('error: 1.0 deep-scrub 1 missing, 2 inconsistent objects'), log.join('\n'));
  const { stats } = c.primary.pg!.info.stats;
  assert.ok(stats.numScrubErrors >= 3);
  const found = list(c, false).map((b) => inconsistentObject.decode(new Reader(b)));
  assert.deepEqual(
    found.map((x) => x.object.name),
    ['object1', 'object2', 'object4'],
  );
  assert.equal(found[0]!.shards.get(1)!.errors, shardError.MISSING);
  assert.equal(found[1]!.errors, objectError.DATA_DIGEST_MISMATCH);
  assert.equal(found[1]!.shards.get(2)!.errors, shardError.DATA_DIGEST_MISMATCH_INFO);
  assert.equal(found[2]!.errors, objectError.ATTR_NAME_MISMATCH);
  const repaired = scrub(c, { repair: true });
  assert.ok(
    repaired.some((l) => /1\.0 repair \d+ errors, \d+ fixed$/.test(l)),
    repaired.join('\n'),
  );
  assert.equal(state(c), 'active+clean');
  assert.deepEqual(scrub(c, { deep: true }), ['debug: 1.0 deep-scrub starts', 'debug: 1.0 deep-scrub ok']);
  assert.equal(get(c, 'object2'), 'content of 2');
});

test('what the primary cannot read is repaired too', async () => {
  const c = await filled();
  tamper(c, 0, (t, coll) => t.write(coll, find(c, 0, 'object6'), 0, text('broken')));
  scrub(c, { repair: true });
  assert.equal(get(c, 'object6'), 'content of 6');
  assert.equal(state(c), 'active+clean');
  assert.deepEqual(scrub(c, { deep: true }).length, 2);
});

test('a read that meets damage is answered from another copy', async () => {
  const c = await filled();
  const pg = c.primary.pg!;
  const broken = find(c, 0, 'object7');
  const { store } = pg;
  const readSync = store.readSync.bind(store);
  let isBroken = true;
  store.readSync = (coll, o, offset, length) => {
    if (isBroken && o.toString() === broken.toString()) {
      isBroken = false;
      throw new StoreError('corrupt', 'bad checksum');
    }
    return readSync(coll, o, offset, length);
  };
  assert.equal(get(c, 'object7'), 'content of 7');
  assert.equal(state(c), 'active+clean');
  assert.ok(c.log.some((l) => l.includes('bad checksum')));
  // Changed, not broken: the digest tells.
  tamper(c, 0, (t, coll) => t.write(coll, find(c, 0, 'object8'), 0, text('CONTENT')));
  assert.equal(get(c, 'object8'), 'content of 8');
});

test('clones that are lost and those that nobody knows', async () => {
  const c = await filled();
  for (const osd of [0, 1, 2]) tamper(c, osd, (t, coll) => t.remove(coll, find(c, osd, 'object3', 4)));
  const log = scrub(c);
  assert.ok(
    log.some((l) => /error: scrub 1\.0 .*object3:head : expected clone .*object3:4 1 missing$/.test(l)),
    log.join('\n'),
  );
  assert.ok(
    log.some((l) => /stat mismatch, got 13\/14 objects, 1\/2 clones/.test(l)),
    log.join('\n'),
  );
  const found = list(c, true).map((b) => inconsistentSnapset.decode(new Reader(b)));
  assert.equal(found.length, 1);
  assert.equal(found[0]!.errors, snapsetError.CLONE_MISSING);
  assert.deepEqual(found[0]!.missing, [4]);
  assert.ok(c.primary.pg!.info.stats.stats.numScrubErrors > 0);
});

test('writes to what is being scrubbed wait and are then done', async () => {
  const c = await filled();
  const pg = c.primary.pg!;
  pg.scrubber.request({ deep: true, repair: false, required: true });
  pg.run(() => pg.scrubber.start());
  for (let i = 0; i < 200 && !pg.peering.test(pgState.SCRUBBING); i++) c.step();
  assert.match(state(c), /scrubbing\+deep/);
  const tids = Array.from({ length: 12 }, (_, i) => {
    const data = text(`while scrubbed ${i}`);
    const op = { code: opCode.WRITEFULL, union: extent(0, data.length), data };
    return c.request([op], { name: `object${i}` });
  });
  c.settle();
  for (const tid of tids) assert.equal(c.replies.get(tid)!.result, 0);
  assert.ok(c.log.includes('debug: 1.0 deep-scrub ok'), c.log.join('\n'));
  assert.equal(get(c, 'object9'), 'while scrubbed 9');
});

test('an OSD that is at another scrub lets this one wait; a new interval ends it', async () => {
  const c = await filled();
  const pg = c.primary.pg!;
  c.osds[2]!.services.scrubs.tryTake('another');
  pg.scrubber.request({ deep: false, repair: false, required: true });
  pg.run(() => pg.scrubber.start());
  c.settle();
  assert.equal(pg.scrubber.active, false);
  assert.ok(pg.scrubber.planned !== undefined, 'it is tried again');
  assert.equal(c.osds[1]!.services.scrubs.held, 0);
  c.osds[2]!.services.scrubs.release('another');
  pg.run(() => pg.scrubber.start());
  for (let i = 0; i < 4; i++) c.step();
  c.kill(2);
  c.nextMap();
  c.settle();
  assert.equal(pg.scrubber.active, false);
  for (const osd of [0, 1]) assert.equal(c.osds[osd]!.services.scrubs.held, 0);
  put(c, 'object0', 'goes on');
});

test('xattrs that differ are no harm to the daemon', async () => {
  const c = await filled();
  const data = text('ab');
  c.do([{ code: opCode.SETXATTR, union: xattrUnion(1, 1), data }], { name: 'object0' });
  tamper(c, 1, (t, coll) => t.rmattr(coll, find(c, 1, 'object0'), '_'));
  tamper(c, 2, (t, coll) => t.setattr(coll, find(c, 2, 'object0'), 'snapset', text('?')));
  const log = scrub(c, { repair: true });
  assert.ok(
    log.some((l) => l.includes('candidate had a missing info key')),
    log.join('\n'),
  );
  assert.ok(
    log.some((l) => l.includes('candidate had a corrupt snapset')),
    log.join('\n'),
  );
  assert.equal(state(c), 'active+clean');
  assert.equal(scrub(c, { deep: true }).length, 2);
});
