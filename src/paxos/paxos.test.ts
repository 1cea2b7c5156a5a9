import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clock, silentLogger } from '../base/index.ts';
import { decodeText, encodeText, Reader, Writer } from '../encoding/index.ts';
import { MemoryKv, MonStore, type PaxosLog, StoreTransaction, singleCommitLog } from './index.ts';

/** A monitor alone waits for nothing. */
const noClock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  setTimer: () => assert.fail('a timer'),
  clearTimer: () => {},
  defer: (fn) => fn(),
};

const options = { keep_min: 5, trim_min: 2, trim_max: 10 };

function fixture(): { kv: MemoryKv; store: MonStore; log: PaxosLog; held: (() => void)[] } {
  const kv = new MemoryKv();
  const held: (() => void)[] = [];
  kv.hold = (complete) => held.push(complete);
  const store = new MonStore(kv);
  return { kv, store, log: singleCommitLog(store, silentLogger, noClock, options), held };
}

describe('StoreTransaction', () => {
  it('survives its own encoding', () => {
    const t = new StoreTransaction();
    t.put('osdmap', 3, encodeText('three'));
    t.erase('osdmap', 'full_1');
    t.eraseRange('logm', '1', '5');
    const w = new Writer();
    t.encode(w);
    assert.deepEqual(StoreTransaction.decode(new Reader(w.bytes())).ops, t.ops);
  });
});

describe('the commit log of a monitor alone', () => {
  it('applies a proposal and records it in one write', () => {
    const { store, log, held } = fixture();
    const seen: string[] = [];
    log.onCommitted = (v) => seen.push(`committed ${v}`);
    log.pending().put('t', 'k', encodeText('v'));
    log.propose(() => seen.push('done'));
    assert.equal(log.isUpdating, true);
    assert.equal(store.get('t', 'k'), undefined);
    held.shift()!();
    assert.equal(decodeText(store.get('t', 'k')!), 'v');
    assert.equal(log.lastCommitted, 1);
    // And where the log begins.
    assert.equal(log.read(1)!.ops.length, 2);
    assert.deepEqual(seen, ['committed 1', 'done']);
  });

  it('gathers what comes during a write into the next version', () => {
    const { log, held } = fixture();
    const finished: number[] = [];
    log.propose(() => finished.push(0));
    for (let i = 1; i <= 3; i++) {
      log.pending().put('t', i, encodeText(String(i)));
      log.propose(() => finished.push(i));
    }
    assert.equal(held.length, 1);
    held.shift()!();
    assert.deepEqual(finished, [0]);
    held.shift()!();
    assert.deepEqual(finished, [0, 1, 2, 3]);
    assert.equal(log.lastCommitted, 2);
  });

  it('keeps its versions across a restart and trims old ones', () => {
    const { kv, store, log, held } = fixture();
    for (let i = 0; i < 12; i++) {
      log.propose(() => {});
      held.shift()!();
    }
    assert.equal(log.lastCommitted, 12);
    assert.ok(log.firstCommitted > 1);
    assert.equal(log.read(1), undefined);
    assert.ok(log.read(log.firstCommitted) !== undefined);
    const again = singleCommitLog(new MonStore(kv), silentLogger, noClock, options);
    assert.equal(again.lastCommitted, 12);
    assert.equal(again.firstCommitted, store.getNumber('paxos', 'first_committed'));
  });
});
