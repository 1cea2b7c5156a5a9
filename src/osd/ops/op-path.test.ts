import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errno } from '../../base/index.ts';
import { type Decoded, Reader, Writer } from '../../encoding/index.ts';
import { formatPgState, objectLocator } from '../../types/index.ts';
import { extent, TestCluster, type TestOp, type TestRequest, xattrUnion } from '../testing.ts';
import { opCode, opFlag, subOpFlag, watchOp } from './codes.ts';
import { copyCursor, copyStart, readCopyPiece } from './copy-ops.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const plain = (b: Uint8Array): string => new TextDecoder().decode(b);

const write = (s: string, offset = 0): TestOp => ({
  code: opCode.WRITE,
  union: extent(offset, s.length),
  data: text(s),
});
const writeFull = (s: string): TestOp => ({
  code: opCode.WRITEFULL,
  union: extent(0, s.length),
  data: text(s),
});
const read = (offset = 0, length = 0): TestOp => ({ code: opCode.READ, union: extent(offset, length) });
const stat: TestOp = { code: opCode.STAT };
const setXattr = (name: string, value: string): TestOp => ({
  code: opCode.SETXATTR,
  union: xattrUnion(text(name).length, text(value).length),
  data: text(name + value),
});
const getXattr = (name: string): TestOp => ({
  code: opCode.GETXATTR,
  union: xattrUnion(text(name).length, 0),
  data: text(name),
});

async function one(): Promise<TestCluster> {
  const c = new TestCluster({ osds: 1, size: 1, minSize: 1 });
  await c.start();
  return c;
}

function content(c: TestCluster, options: TestRequest = {}): string {
  const { result, data } = c.do([read()], options);
  return result < 0 ? `errno ${-result}` : plain(data);
}

test('operations on bytes', async () => {
  const c = await one();
  const steps: [TestOp, number, string][] = [
    [read(), -errno.ENOENT, `errno ${errno.ENOENT}`],
    [{ code: opCode.TRUNCATE, union: extent(3, 0) }, 0, `errno ${errno.ENOENT}`],
    [write('hello'), 0, 'hello'],
    [write('world', 7), 0, 'hello\0\0world'],
    [{ code: opCode.TRUNCATE, union: extent(3, 0) }, 0, 'hel'],
    [{ code: opCode.TRUNCATE, union: extent(5, 0) }, 0, 'hel\0\0'],
    [{ code: opCode.APPEND, union: extent(0, 2), data: text('XY') }, 0, 'hel\0\0XY'],
    [{ code: opCode.ZERO, union: extent(0, 2) }, 0, '\0\0l\0\0XY'],
    [{ code: opCode.ZERO, union: extent(4, 100) }, 0, '\0\0l\0'],
    [writeFull('whole'), 0, 'whole'],
    [writeFull(''), 0, ''],
  ];
  for (const [op, result, after] of steps) {
    assert.equal(c.do([op]).result, result, `result of ${op.code.toString(16)}`);
    assert.equal(content(c), after, `after ${op.code.toString(16)}`);
  }
  assert.equal(c.do([{ code: opCode.CREATE, flags: subOpFlag.EXCL }]).result, -errno.EEXIST);
  assert.equal(c.do([{ code: opCode.DELETE }]).result, 0);
  assert.equal(c.do([{ code: opCode.DELETE }]).result, -errno.ENOENT);
  assert.equal(c.do([{ code: opCode.CREATE, flags: subOpFlag.EXCL }]).result, 0);
});

test('a failed operation undoes those before it', async () => {
  const c = await one();
  c.do([writeFull('before')]);
  assert.equal(c.do([write('after!'), getXattr('none')]).result, -errno.ENODATA);
  assert.equal(content(c), 'before');
  assert.equal(c.do([write('after!'), { ...getXattr('none'), flags: subOpFlag.FAILOK }]).result, 0);
  assert.equal(content(c), 'after!');
});

test('xattrs', async () => {
  const c = await one();
  assert.equal(c.do([setXattr('k', 'value')]).result, 0);
  assert.equal(plain(c.do([getXattr('k')]).data), 'value');
  assert.equal(c.do([getXattr('other')]).result, -errno.ENODATA);
  assert.equal(c.do([getXattr('k')], { name: 'none' }).result, -errno.ENOENT);
  assert.equal(c.do([{ ...getXattr('k'), code: opCode.RMXATTR }]).result, 0);
  assert.equal(c.do([getXattr('k')]).result, -errno.ENODATA);
});

test('a repeated request is answered, not done again', async () => {
  const c = await one();
  const reqid = { type: 8, num: 4100, tid: 77, inc: 0 };
  const append: TestOp = { code: opCode.APPEND, union: extent(0, 1), data: text('x') };
  assert.equal(c.do([append], { tid: 900, reqid }).result, 0);
  assert.equal(c.do([append], { tid: 900, reqid, flags: opFlag.ONDISK | opFlag.RETRY }).result, 0);
  assert.equal(content(c), 'x');
  const create: TestOp = { code: opCode.CREATE, flags: subOpFlag.EXCL };
  const again = { type: 8, num: 4100, tid: 78, inc: 0 };
  assert.equal(c.do([create], { tid: 901, reqid: again }).result, -errno.EEXIST);
  c.do([{ code: opCode.DELETE }]);
  assert.equal(c.do([create], { tid: 901, reqid: again }).result, -errno.EEXIST, 'the failure too is remembered');
});

test('odd input is answered with an errno, and the OSD serves on', async () => {
  const c = await one();
  c.do([writeFull('steady')]);
  const huge = 2n ** 63n;
  const megabyte = 'n'.repeat(1 << 20);
  const odd: [string, TestOp[], number | undefined][] = [
    ['nothing', [], -errno.EINVAL],
    ['zero of no length', [{ code: opCode.ZERO, union: extent(0, 0) }], 0],
    ['zero at 2^63', [{ code: opCode.ZERO, union: extent(huge, 8) }], -errno.EFBIG],
    ['zero of length 2^63', [{ code: opCode.ZERO, union: extent(0, huge) }], -errno.EFBIG],
    ['write at 2^63', [{ ...write('x'), union: extent(huge, 1) }], -errno.EFBIG],
    ['write at 2^64-1', [{ ...write('x'), union: extent(2n ** 64n - 1n, 1) }], -errno.EFBIG],
    ['write with less data than it says', [{ ...write('x'), union: extent(0, 100) }], -errno.EINVAL],
    ['write of nothing', [{ ...write('') }], 0],
    ['append of 2^63', [{ code: opCode.APPEND, union: extent(0, huge), data: text('x') }], undefined],
    ['truncate to 2^63', [{ code: opCode.TRUNCATE, union: extent(huge, 0) }], -errno.EFBIG],
    ['writesame of no length', [{ code: opCode.WRITESAME, union: extent(0, 0) }], undefined],
    ['writesame to 2^63', [{ code: opCode.WRITESAME, union: extent(0, huge), data: text('x') }], undefined],
    ['read at 2^63', [{ code: opCode.READ, union: extent(huge, 10) }], undefined],
    ['read of 2^63', [{ code: opCode.READ, union: extent(0, huge) }], undefined],
    ['sparse read at 2^63', [{ code: opCode.SPARSE_READ, union: extent(huge, huge) }], undefined],
    ['checksum of nothing', [{ code: opCode.CHECKSUM }], undefined],
    ['cmpext at 2^63', [{ code: opCode.CMPEXT, union: extent(huge, 1), data: text('x') }], undefined],
    ['xattr with a name of a megabyte', [setXattr(megabyte, 'v')], -errno.ENAMETOOLONG],
    ['get of it', [getXattr(megabyte)], -errno.ENODATA],
    ['xattr whose name is longer than its input', [{ code: opCode.GETXATTR, union: xattrUnion(2 ** 31, 0) }], -22],
    ['call with no input', [{ code: opCode.CALL, union: new Uint8Array(28).fill(255) }], -errno.EINVAL],
    ['call of a class that is not on the list', [call('nosuch', 'm')], -errno.EPERM],
    ['call of a class that is not there', [call('rbd', 'create')], -errno.EOPNOTSUPP],
    ['omap of garbage', [{ code: opCode.OMAPSETVALS, data: new Uint8Array(9).fill(255) }], -errno.EINVAL],
    ['omap get of garbage', [{ code: opCode.OMAPGETKEYS, data: Uint8Array.of(255) }], -errno.EINVAL],
    ['an operation nobody knows', [{ code: 0x2fff }], -errno.EOPNOTSUPP],
    ['as many operations as fit', Array.from({ length: 65535 }, () => stat), 0],
    ['rollback to nothing', [{ code: opCode.ROLLBACK, union: new Uint8Array(28) }], undefined],
  ];
  for (const [what, ops, result] of odd) {
    const got = c.do(ops).result;
    assert.ok(!Number.isNaN(got), `${what}: answered`);
    if (result !== undefined) assert.equal(got, result, what);
  }
  c.do([writeFull('steady')]);
  assert.equal(content(c), 'steady');
});

function call(cls: string, method: string, input: Uint8Array = new Uint8Array(0)): TestOp {
  const union = new Uint8Array(28);
  union[0] = cls.length;
  union[1] = method.length;
  new DataView(union.buffer).setUint32(3, input.length, true);
  return { code: opCode.CALL, union, data: Buffer.concat([text(cls + method), input]) };
}

function lockInput(name: string, type: number, cookie: string, tag = '', flags = 0): Uint8Array {
  const w = new Writer(64);
  const token = w.structStart(1, 1);
  w.string(name);
  w.u8(type);
  w.string(cookie);
  w.string(tag);
  w.string('what for');
  w.zeros(8);
  w.u8(flags);
  w.structEnd(token);
  return w.bytes();
}

function unlockInput(name: string, cookie: string): Uint8Array {
  const w = new Writer(64);
  const token = w.structStart(1, 1);
  w.string(name);
  w.string(cookie);
  w.structEnd(token);
  return w.bytes();
}

test('class lock', async () => {
  const c = await one();
  const lock = (type: number, cookie: string, tag = '', flags = 0): number =>
    c.do([call('lock', 'lock', lockInput('l', type, cookie, tag, flags))]).result;
  assert.equal(lock(1, 'a'), 0);
  assert.equal(lock(1, 'a'), -errno.EEXIST);
  assert.equal(lock(1, 'a', '', 1), 0, 'renewed');
  assert.equal(lock(1, 'b'), -errno.EBUSY);
  assert.equal(lock(9, 'b'), -errno.EINVAL);
  const unlock = (cookie: string): number => c.do([call('lock', 'unlock', unlockInput('l', cookie))]).result;
  assert.equal(unlock('b'), -errno.ENOENT);
  assert.equal(unlock('a'), 0);
  assert.equal(lock(2, 'a', 't'), 0);
  assert.equal(lock(2, 'b', 't'), 0, 'shared');
  assert.equal(lock(2, 'c', 'other'), -errno.EBUSY);
  const listed = new Reader(c.do([call('lock', 'list_locks')]).data);
  listed.skip(6);
  assert.equal(listed.u32(), 1);
  assert.equal(listed.string(), 'l');
});

test('snapshots: a write after a snapshot clones; the snapshot reads the old state', async () => {
  const c = await one();
  c.do([writeFull('one')]);
  const later: TestRequest = { snapSeq: 5, snaps: [5] };
  assert.equal(c.do([write('T')], later).result, 0);
  assert.equal(content(c), 'Tne');
  assert.equal(content(c, { snap: 5 }), 'one');
  assert.equal(c.do([{ code: opCode.DELETE }], { snapSeq: 7, snaps: [7, 5] }).result, 0);
  assert.equal(content(c), `errno ${errno.ENOENT}`);
  assert.equal(content(c, { snap: 7 }), 'Tne');
  assert.equal(content(c, { snap: 5 }), 'one');
  const union = new Uint8Array(28);
  new DataView(union.buffer).setBigUint64(0, 5n, true);
  assert.equal(c.do([{ code: opCode.ROLLBACK, union }], { snapSeq: 7, snaps: [7, 5] }).result, 0);
  assert.equal(content(c), 'one');
});

test('watch, notify, acknowledge', async () => {
  const c = await one();
  c.do([writeFull('x')]);
  const sent: { type: number; front: Uint8Array }[] = [];
  const send = c.connection.send;
  c.connection.send = (m) => {
    if (m.type === 44) sent.push(m);
    send.call(c.connection, m);
  };
  const watchUnion = (op: number): Uint8Array => {
    const b = new DataView(new ArrayBuffer(28));
    b.setBigUint64(0, 9n, true);
    b.setUint8(16, op);
    b.setUint32(21, 30, true);
    return new Uint8Array(b.buffer);
  };
  const reqid = { type: 8, num: 4100, tid: 1, inc: 0 };
  const watch = (op: number, tid: number): number =>
    c.do([{ code: opCode.WATCH, union: watchUnion(op) }], { reqid: { ...reqid, tid } }).result;
  assert.equal(watch(watchOp.PING, 1), -errno.ENOTCONN);
  assert.equal(watch(watchOp.WATCH, 2), 0);
  assert.equal(watch(watchOp.PING, 3), 0);
  const w = new Writer(32);
  w.u32(1);
  w.u32(10);
  w.blob(text('news'));
  const id = new Reader(c.do([{ code: opCode.NOTIFY, data: w.bytes(), union: watchUnion(0) }]).data).u64();
  assert.equal(sent.length, 1, 'the watcher is told');
  const ack = new Writer(32);
  ack.u64(id);
  ack.u64(9n);
  ack.blob(text('heard'));
  assert.equal(c.do([{ code: opCode.NOTIFY_ACK, data: ack.bytes() }], { reqid: { ...reqid, tid: 4 } }).result, 0);
  assert.equal(sent.length, 2, 'and the notifier, once it has acknowledged');
  assert.equal(sent[1]!.front[1], 2);
  assert.equal(watch(watchOp.UNWATCH, 5), 0);
  assert.equal(watch(watchOp.PING, 6), -errno.ENOTCONN);
  assert.equal(formatPgState(c.primary.pg!.info.stats.state), 'active+clean');
});

test('copy-from makes an object like another, and copy-get goes on where it left off', async () => {
  const c = await one();
  const keys = new Writer(64);
  keys.u32(3);
  for (const k of ['a', 'b', 'c']) {
    keys.string(k);
    keys.blob(text(`value of ${k}`));
  }
  const { result } = c.do(
    [writeFull('the source'), setXattr('x', 'y'), { code: opCode.OMAPSETVALS, data: keys.bytes() }],
    { name: 'source' },
  );
  assert.equal(result, 0);
  const from = (name: string, version = 0): TestOp => {
    const union = new Uint8Array(28);
    const view = new DataView(union.buffer);
    view.setBigUint64(0, 0xfffffffffffffffen, true);
    view.setBigUint64(8, BigInt(version), true);
    const w = new Writer(64);
    w.string(name);
    objectLocator.encode(w, { pool: 1, key: '', nspace: '', hash: -1 });
    return { code: opCode.COPY_FROM, union, data: w.bytes() };
  };
  assert.equal(c.do([from('source')], { name: 'copy' }).result, 0);
  assert.equal(content(c, { name: 'copy' }), 'the source');
  assert.equal(plain(c.do([getXattr('x')], { name: 'copy' }).data), 'y');
  const omap = c.do([{ code: opCode.OMAPGETVALSBYKEYS, data: keysOf('b') }], { name: 'copy' });
  assert.match(plain(omap.data), /value of b$/);
  assert.equal(c.do([from('nothing')], { name: 'copy' }).result, -errno.ENOENT);
  assert.equal(c.do([from('copy')], { name: 'copy' }).result, -errno.EINVAL);
  assert.equal(c.do([from('source', 99)], { name: 'copy' }).result, -errno.EOVERFLOW);
  assert.equal(c.do([{ ...from('source'), data: text('?') }], { name: 'copy' }).result, -errno.EINVAL);
  // What comes after in the same request sees the copy.
  assert.equal(c.do([from('source'), setXattr('z', '1')], { name: 'second' }).result, 0);
  assert.equal(content(c, { name: 'second' }), 'the source');
  // In pieces of six bytes.
  let cursor: Decoded<typeof copyCursor> = copyStart;
  let data = '';
  let rounds = 0;
  for (; !cursor.dataComplete || !cursor.omapComplete; rounds++) {
    const w = new Writer(64);
    copyCursor.encode(w, cursor);
    w.u64num(6);
    const answer = c.do([{ code: opCode.COPY_GET, data: w.bytes() }], { name: 'source' });
    assert.equal(answer.result, 0);
    const piece = readCopyPiece(new Reader(answer.data));
    data += plain(piece.data);
    cursor = piece.cursor;
  }
  assert.equal(data, 'the source');
  assert.ok(rounds >= 4, `${rounds} rounds`);
});

function keysOf(...keys: string[]): Uint8Array {
  const w = new Writer(64);
  w.u32(keys.length);
  for (const k of keys) w.string(k);
  return w.bytes();
}
