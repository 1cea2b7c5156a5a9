import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CEPH_NOSNAP, compareEversion, type Eversion, Hobject } from '../../types/index.ts';
import { objectKey } from '../model.ts';
import type { Reqid } from '../ops/object-info.ts';
import { type LogDup, LogEntry, logOp } from './log-entry.ts';
import { LogPack } from './log-pack.ts';

/** Numbers from a seed (xorshift), below `n`. */
function numbers(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

const reqid = (client: number, tid: number): Reqid => ({ type: 8, num: client, tid, inc: 3 });

function entryOf(version: Eversion, below: (n: number) => number): LogEntry {
  const name = `object ${below(50)}`;
  const snap = below(5) === 0 ? 7 : CEPH_NOSNAP;
  const oid = new Hobject(name, below(9) === 0 ? 'locator' : '', snap, below(2 ** 31), 4, below(9) === 0 ? 'ns' : '');
  const e = new LogEntry(
    [logOp.MODIFY, logOp.DELETE, logOp.CLONE, logOp.ERROR][below(4)]!,
    oid,
    objectKey(oid),
    version,
    { epoch: below(10), version: 2 ** 40 + below(1000) },
    2 ** 41 + below(1000),
    // Some requests come twice, and some entries have none.
    below(10) === 0 ? { type: 0, num: 0, tid: 0, inc: 0 } : reqid(below(3), below(400)),
    { sec: 1_700_000_000, nsec: below(1e9) },
    below(100) - 100,
  );
  if (below(6) === 0) e.snaps = Uint8Array.of(1, 2, below(256));
  if (below(6) === 0) e.opReturns = [{ rval: -5, data: new Uint8Array(below(64)).fill(9) }];
  // Longer than a chunk.
  if (below(200) === 0) e.opReturns = [{ rval: 0, data: new Uint8Array(9000).fill(below(256)) }];
  if (below(12) === 0) e.extraReqids = [{ reqid: reqid(9, below(400)), userVersion: below(1000) }];
  if (below(30) === 0) e.revertingTo = { epoch: 1, version: below(1000) };
  return e;
}

const same = (a: Reqid, b: Reqid): boolean =>
  a.type === b.type && a.num === b.num && a.tid === b.tid && a.inc === b.inc;
const isOf = (e: LogEntry, q: Reqid): boolean =>
  (e.hasReqid && same(e.reqid, q)) || (e.extraReqids ?? []).some((x) => same(x.reqid, q));

test('what is packed comes out as it was, through growth, trimming and rewinding', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const below = numbers(seed * 7919);
    const pack = new LogPack();
    let model: LogEntry[] = [];
    let version = 1;
    // Short logs and long ones.
    const longest = seed % 2 === 0 ? 40 : 3000;
    for (let step = 0; step < 9000; step++) {
      const what = below(100);
      if (what < 2 && model.length > longest / 2) {
        const n = below(model.length + 1);
        pack.dropFirst(n);
        model = model.slice(n);
      } else if (what < 3 && below(4) === 0) {
        const n = below(Math.min(30, model.length + 1));
        pack.dropLast(n);
        model = model.slice(0, model.length - n);
      } else if (model.length >= longest) {
        pack.dropFirst(1);
        model.shift();
      } else {
        const e = entryOf({ epoch: 5 + Math.floor(version / 500), version: version++ }, below);
        pack.pushEntry(e);
        model.push(e);
      }
      assert.equal(pack.length, model.length);
      if (step % 50 !== 0) continue;
      const q = reqid(below(4) === 0 ? 9 : below(3), below(400));
      assert.equal(
        pack.find(q),
        model.findLastIndex((e) => isOf(e, q)),
        `seed ${seed} step ${step}`,
      );
      const v = { epoch: 5 + Math.floor(version / 500), version: version - below(longest) };
      assert.equal(pack.countUpTo(v), model.filter((e) => compareEversion(e.version, v) <= 0).length);
      if (model.length === 0) continue;
      const i = below(model.length);
      assert.deepEqual(pack.entry(i), model[i]);
      assert.deepEqual(pack.version(i), model[i]!.version);
      assert.equal(pack.objectHash(i), model[i]!.oid.hash);
    }
    for (const [i, e] of model.entries()) assert.deepEqual(pack.entry(i), e, `seed ${seed}, record ${i}`);
  }
});

test('a request of type and tid 0 is none, and is not found', () => {
  const pack = new LogPack();
  const below = numbers(5);
  for (let v = 1; v < 100; v++) pack.pushEntry(entryOf({ epoch: 1, version: v }, below));
  assert.equal(pack.find({ type: 0, num: 0, tid: 0, inc: 0 }), -1);
});

test('dups keep request, version, result and answers', () => {
  const pack = new LogPack();
  const dups: LogDup[] = [];
  for (let v = 1; v <= 500; v++) {
    dups.push({
      reqid: reqid(2 ** 33, 2 ** 35 + v),
      version: { epoch: 2, version: v },
      userVersion: v,
      returnCode: -v,
      opReturns: v % 3 === 0 ? [{ rval: v, data: Uint8Array.of(v & 255) }] : undefined,
    });
    pack.pushDup(dups[v - 1]!);
  }
  pack.dropFirst(100);
  for (let i = 0; i < 400; i++) {
    assert.deepEqual(pack.dup(i), dups[i + 100]);
    assert.equal(pack.find(dups[i + 100]!.reqid), i);
  }
  assert.equal(pack.find(dups[3]!.reqid), -1);
});

test('a log that turns over keeps its memory', () => {
  const pack = new LogPack();
  const below = numbers(11);
  const entries = Array.from({ length: 300 }, (_, i) => entryOf({ epoch: 1, version: i + 1 }, below));
  for (let round = 0; round < 400; round++) {
    for (const e of entries) pack.pushEntry(e);
    if (round > 0) pack.dropFirst(300);
  }
  assert.equal(pack.length, 300);
  // Some 120 bytes and what is kept free.
  assert.ok(pack.bytes < 300 * 400, `${pack.bytes} bytes`);
});
