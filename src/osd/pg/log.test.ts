import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CEPH_NOSNAP, type Eversion, eversionZero, Hobject, hobjectMax, utimeZero } from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { emptySlice, type MergeState, PgLog } from './log.ts';
import { errorEntry, LogEntry, logOp } from './log-entry.ts';
import { MissingSet } from './missing.ts';

const object = (name: string): Hobject => new Hobject(name, '', CEPH_NOSNAP, name.length * 7919, 1, '');
const at = (version: number, epoch = 3): Eversion => ({ epoch, version });
const request = (tid: number) => ({ type: 8, num: 4100, tid, inc: 0 });

function modify(name: string, version: Eversion, priorVersion = eversionZero): LogEntry {
  const oid = object(name);
  return new LogEntry(
    logOp.MODIFY,
    oid,
    objectKey(oid),
    version,
    priorVersion,
    version.version,
    request(1000 + version.version),
    utimeZero,
    0,
  );
}

const stateOf = (log: PgLog, missing = new MissingSet()): MergeState & { removed: string[] } => {
  const removed: string[] = [];
  return {
    lastUpdate: log.head,
    lastComplete: log.head,
    lastBackfill: hobjectMax,
    missing,
    removed,
    removeObject: (_oid, key) => removed.push(key),
  };
};

test('a trimmed entry still answers its request, as a dup, until that is dropped', () => {
  const log = new PgLog();
  for (let v = 1; v <= 10; v++) log.append(modify('a', at(v), at(v - 1)));
  const oid = object('a');
  log.append(errorEntry(oid, 'a', at(11), request(5), -17, [{ rval: -17, data: Uint8Array.of(1, 2) }]));
  const trimmed = log.trim(at(4), 9);
  assert.deepEqual(trimmed.entries, [at(1), at(2), at(3), at(4)]);
  assert.deepEqual(
    trimmed.dups.map((d) => d.version.version),
    [3, 4],
    'the last nine versions are tracked',
  );
  assert.deepEqual(log.tail, at(4));
  assert.equal(log.length, 7);
  assert.equal(log.find(request(1002)), undefined);
  assert.equal(log.find(request(1003))?.userVersion, 3);
  assert.equal(log.find(request(1007))?.userVersion, 7);
  const failed = log.find(request(5));
  assert.equal(failed?.returnCode, -17);
  assert.deepEqual(failed?.opReturns, [{ rval: -17, data: Uint8Array.of(1, 2) }]);
  for (let v = 12; v <= 13; v++) log.append(modify('b', at(v)));
  const again = log.trim(at(5), 9);
  assert.deepEqual(again.droppedDups, [at(3), at(4)]);
  assert.equal(log.find(request(1004)), undefined);
  assert.equal(log.find(request(1005))?.userVersion, 5, 'of the entry just trimmed');
});

test('requests on an object come newest first, no more than asked for, none of others with the same hash', () => {
  const log = new PgLog();
  for (let v = 1; v <= 12; v++) log.append(modify(v % 2 === 0 ? 'ab' : 'cd', at(v)));
  const oid = object('ab');
  assert.deepEqual(
    log.requestsOn(oid, 'ab', 3).map((e) => e.version.version),
    [12, 10, 8],
  );
  assert.deepEqual(
    [...log.on(oid, 'ab', at(8))].map((e) => e.version.version),
    [12, 10],
  );
});

test('slices: after a version, the last few, all', () => {
  const log = new PgLog();
  for (let v = 1; v <= 10; v++) log.append(modify(`o${v}`, at(v)));
  log.trim(at(2), 0);
  const after = log.sliceAfter(at(7));
  assert.deepEqual([after.tail, after.head, after.entries.length], [at(7), at(10), 3]);
  const last = log.sliceLast(2);
  assert.deepEqual([last.tail, last.entries[0]!.version], [at(8), at(9)]);
  assert.deepEqual([log.slice().tail, log.slice().entries.length], [at(2), 8]);
  assert.deepEqual(log.sliceAfter(at(1)).tail, at(2), 'no older than the log');
});

test('divergent entries go and what they changed is wanted as it was, or in the version that replaced it', () => {
  const mine = new PgLog();
  mine.append(modify('kept', at(1)));
  mine.append(modify('both', at(2)));
  mine.append(modify('old', at(3)));
  // Epoch 3: nobody else has these.
  mine.append(modify('both', at(4), at(2)));
  mine.append(modify('old', at(5), at(3)));
  mine.append(modify('made', at(6)));
  const theirs = emptySlice();
  theirs.entries = [modify('old', at(3)), modify('both', at(4, 4), at(2)), modify('new', at(5, 4))];
  theirs.tail = at(2);
  theirs.head = at(5, 4);
  const state = stateOf(mine);
  assert.equal(mine.merge(theirs, state), true);
  assert.deepEqual(
    Array.from({ length: mine.length }, (_, i) => mine.versionAt(i)),
    [at(1), at(2), at(3), at(4, 4), at(5, 4)],
  );
  assert.deepEqual(state.missing.get('both')?.need, at(4, 4));
  assert.deepEqual(state.missing.get('old')?.need, at(3));
  assert.deepEqual(state.missing.get('new')?.need, at(5, 4));
  assert.equal(state.missing.get('kept'), undefined);
  assert.equal(state.missing.get('made'), undefined, 'nobody has it');
  assert.deepEqual([...new Set(state.removed)].sort(), ['both', 'made', 'old']);
  assert.equal(mine.find(request(1006)), undefined, 'a request that was undone is new when it comes again');
  assert.deepEqual(mine.takeChanges()?.rewriteFrom, at(3), 'its keys are written anew from where the logs part');
});

test('a request that failed is not what stays of an object', () => {
  const mine = new PgLog();
  mine.append(modify('both', at(1)));
  mine.append(modify('both', at(2), at(1)));
  const theirs = emptySlice();
  const failed = errorEntry(object('both'), 'both', at(3, 4), request(7), -17, undefined);
  theirs.entries = [modify('both', at(2, 4), at(1)), failed];
  theirs.tail = at(1);
  theirs.head = at(3, 4);
  const state = stateOf(mine);
  mine.merge(theirs, state);
  assert.deepEqual(state.missing.get('both')?.need, at(2, 4));
});

test('an older tail is taken over, in front', () => {
  const mine = new PgLog();
  for (let v = 1; v <= 6; v++) mine.append(modify('a', at(v), at(v - 1)));
  mine.trim(at(4), 0);
  const theirs = emptySlice();
  theirs.entries = [2, 3, 4, 5, 6].map((v) => modify('a', at(v), at(v - 1)));
  theirs.tail = at(1);
  theirs.head = at(6);
  assert.equal(mine.merge(theirs, stateOf(mine)), true);
  assert.deepEqual([mine.tail, mine.length], [at(1), 5]);
  assert.equal(mine.find(request(1003))?.userVersion, 3);
});
