import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errno } from '../../base/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import { opCode } from '../ops/codes.ts';
import { extent, TestCluster, type TestOp } from '../testing.ts';
import { formatNumber } from './numops.ts';
import { timePrefix } from './time-key.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const plain = (b: Uint8Array): string => new TextDecoder().decode(b);

function call(cls: string, method: string, input: Uint8Array = new Uint8Array(0)): TestOp {
  const union = new Uint8Array(28);
  union[0] = cls.length;
  union[1] = method.length;
  new DataView(union.buffer).setUint32(3, input.length, true);
  return { code: opCode.CALL, union, data: Buffer.concat([text(cls + method), input]) };
}

const bytes = (write: (w: Writer) => void): Uint8Array => {
  const w = new Writer(64);
  write(w);
  return w.bytes().slice();
};

/** A struct of version 1 with what `write` puts in it. */
const struct = (write: (w: Writer) => void, version = 1): Uint8Array =>
  bytes((w) => {
    const token = w.structStart(version, 1);
    write(w);
    w.structEnd(token);
  });

async function one(): Promise<TestCluster> {
  const c = new TestCluster({ osds: 1, size: 1, minSize: 1 });
  await c.start();
  return c;
}

// The texts are what Ceph's own class stored for the same operations.
test('numbers are printed as Ceph prints them', () => {
  const known: [number, string][] = [
    [12.5, '12.5'],
    [-987.5, '-987.5'],
    [1e20, '1e+20'],
    [0.1000001, '0.1000001'],
    [3e20, '3e+20'],
    [3.333336667e-12, '3.333336667e-12'],
    [1234567890, '1234567890'],
    [12345678901, '1.23456789e+10'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NaN, 'nan'],
    [0, '0'],
  ];
  for (const [value, printed] of known) assert.equal(formatNumber(value), printed);
});

test('class numops', async () => {
  const c = await one();
  const add = (key: string, n: string): number =>
    c.do([
      call(
        'numops',
        'add',
        bytes((w) => {
          w.string(key);
          w.string(n);
        }),
      ),
    ]).result;
  assert.equal(add('k', '10'), 0);
  assert.equal(add('k', '2.5'), 0);
  assert.equal(add('k', 'ten'), -errno.EINVAL);
  const { data } = c.do([
    {
      code: opCode.OMAPGETVALSBYKEYS,
      data: bytes((w) => {
        w.u32(1);
        w.string('k');
      }),
    },
  ]);
  assert.match(plain(data), /12\.5$/);
  assert.equal(c.do([call('numops', 'add', text('x'))]).result, -errno.EINVAL);
});

test('class version: an increment on condition', async () => {
  const c = await one();
  const version = (ver: number, tag: string): Uint8Array =>
    struct((w) => {
      w.u64num(ver);
      w.string(tag);
    });
  const conditions = (ver: number, tag: string, kind: number): Uint8Array =>
    struct((w) => {
      w.raw(version(0, ''));
      w.u32(1);
      w.raw(
        struct((x) => {
          x.raw(version(ver, tag));
          x.u32(kind);
        }),
      );
    });
  const read = (): string => {
    const r = new Reader(c.do([call('version', 'read')]).data);
    r.skip(12);
    return `${r.u64num()} ${r.string()}`;
  };
  assert.equal(
    c.do([
      call(
        'version',
        'set',
        struct((w) => w.raw(version(5, 'tag'))),
      ),
    ]).result,
    0,
  );
  assert.equal(read(), '5 tag');
  assert.equal(c.do([call('version', 'inc_conds', conditions(5, 'tag', 1))]).result, 0);
  assert.equal(c.do([call('version', 'inc_conds', conditions(5, 'tag', 1))]).result, -errno.ECANCELED);
  assert.equal(read(), '6 tag');
  const fresh = { name: 'fresh' };
  const nothing = struct((w) => {
    w.raw(version(0, ''));
    w.u32(0);
  });
  assert.equal(c.do([call('version', 'inc', nothing)], fresh).result, 0);
  const { data } = c.do([call('version', 'read')], fresh);
  assert.match(plain(data.subarray(24)), /^[\w+/]{24}$/);
});

test('class refcount: the object goes with its last reference', async () => {
  const c = await one();
  const ref = (tag: string, implicit: boolean): Uint8Array =>
    struct((w) => {
      w.string(tag);
      w.bool(implicit);
    });
  const put = (tag: string, implicit = true): number => c.do([call('refcount', 'put', ref(tag, implicit))]).result;
  const there = (): boolean => c.do([{ code: opCode.STAT }]).result === 0;
  assert.equal(put('a'), -errno.ENOENT);
  c.do([{ code: opCode.WRITEFULL, union: extent(0, 1), data: text('x') }]);
  assert.equal(put('a', false), -errno.EINVAL);
  assert.equal(c.do([call('refcount', 'get', ref('a', true))]).result, 0);
  // The reference that it has had from the beginning, then the other.
  assert.equal(put('z'), 0);
  assert.equal(put('z'), 0);
  assert.ok(there());
  assert.equal(put('a', false), 0);
  assert.ok(!there());
});

test('class hello: answers of changes are for those who ask for them', async () => {
  const c = await one();
  assert.equal(c.do([call('hello', 'say_hello')]).result, -errno.ENOENT);
  assert.equal(c.do([call('hello', 'record_hello')]).result, 0);
  assert.equal(plain(c.do([call('hello', 'replay')]).data), 'Hello, world!');
  assert.equal(plain(c.do([call('hello', 'say_hello', text('Bob'))]).data), 'Hello, Bob!');
  assert.equal(c.do([call('hello', 'write_return_data')]).result, 0);
  const asked = c.do([call('hello', 'write_return_data')], { flags: 0x400_0000 | 4 });
  assert.equal(asked.result, 42);
  assert.equal(plain(asked.data), 'you might see this');
  assert.equal(c.do([call('hello', 'bad_writer', text('x'))]).result, -errno.EIO);
  assert.equal(c.do([call('hello', 'bad_reader')]).result, -errno.EIO);
});

test('keys of times', () => {
  assert.equal(timePrefix({ sec: 100, nsec: 5000 }), '1_0000000100.000005_');
  assert.equal(timePrefix({ sec: 1, nsec: 999_999_999 + 1000 }), '1_0000000002.000000_');
});
