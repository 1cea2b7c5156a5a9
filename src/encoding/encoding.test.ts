import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import {
  DecodeError,
  decodeFromBytes,
  decodeText,
  encodeText,
  encodeToBytes,
  list,
  map,
  optional,
  Reader,
  s64num,
  since,
  string,
  struct,
  u8,
  u16,
  u32,
  u64,
  u64num,
  Writer,
} from './index.ts';

const V1 = struct('thing_t', { version: 1, compat: 1 }, { id: u32, name: string });
const V3 = struct(
  'thing_t',
  { version: 3, compat: 1 },
  { id: u32, name: string, tags: since(2, list(string), () => []), size: since(3, u64num, () => 7) },
);

test('a newer reader fills in what an older writer did not know', () => {
  assert.deepEqual(decodeFromBytes(V3, encodeToBytes(V1, { id: 1, name: 'a' })), {
    id: 1,
    name: 'a',
    tags: [],
    size: 7,
  });
});

test('an older reader skips what a newer writer appended', () => {
  const w = new Writer();
  V3.encode(w, { id: 5, name: 'b', tags: ['x'], size: 2 ** 40 });
  w.u16(0xbeef);
  const r = new Reader(w.bytes());
  assert.deepEqual(V1.decode(r), { id: 5, name: 'b' });
  assert.equal(r.u16(), 0xbeef);
});

test('a compat beyond this reader is refused with a sentence', () => {
  const bytes = encodeToBytes(V1, { id: 1, name: 'a' }).slice();
  bytes[1] = 9;
  assert.throws(() => decodeFromBytes(V1, bytes), /thing_t: needs version 9 of the format/);
});

test('a failure names struct, field and offset', () => {
  const Outer = struct('outer_t', { version: 1, compat: 1 }, { first: u16, things: list(V1) });
  const bytes = encodeToBytes(Outer, { first: 1, things: [{ id: 1, name: 'abc' }] }).slice();
  bytes[6 + 2 + 4 + 6 + 4] = 200; // the name's length
  assert.throws(
    () => decodeFromBytes(Outer, bytes),
    (e: unknown) => e instanceof DecodeError && e.path === 'outer_t.things.thing_t.name' && e.offset === 26,
  );
});

test('a count that cannot be true fails before it is allocated', () => {
  const w = new Writer();
  w.u32(0xffffffff);
  assert.throws(() => decodeFromBytes(list(u64), w.bytes()), /claims 4294967295 elements, 0 bytes left/);
  assert.throws(() => decodeFromBytes(map(u32, string), w.bytes()), DecodeError);
});

test('64-bit values as doubles agree with those as bigints', () => {
  for (const x of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 123456789012345]) {
    assert.deepEqual(encodeToBytes(u64num, x), encodeToBytes(u64, BigInt(x)));
    assert.equal(decodeFromBytes(u64num, encodeToBytes(u64, BigInt(x))), x);
    assert.equal(decodeFromBytes(s64num, encodeToBytes(s64num, -x)), x === 0 ? 0 : -x);
    assert.deepEqual(encodeToBytes(s64num, -x), encodeToBytes(u64, BigInt(-x)));
  }
});

test('byte strings that are not UTF-8 survive the round trip', () => {
  const random = new SeededEntropy(3);
  for (let i = 0; i < 2000; i++) {
    const b = random.bytes(random.u32() % 60);
    const s = decodeText(b);
    assert.deepEqual(encodeText(s), Uint8Array.from(b));
  }
  assert.equal(decodeText(encodeText('Grüße, 日本, 🦑')), 'Grüße, 日本, 🦑');
});

test('random bytes only ever give a DecodeError', () => {
  const random = new SeededEntropy(11);
  const codecs = [V3, list(V3), map(string, V3), optional(V3), list(list(u8))];
  for (let i = 0; i < 5000; i++) {
    const b = random.bytes(random.u32() % 64);
    for (const codec of codecs) {
      try {
        decodeFromBytes<unknown>(codec as never, b);
      } catch (e) {
        assert.ok(e instanceof DecodeError, String(e));
      }
    }
  }
});

test('what was taken from a writer stays as it is, whatever is written next', () => {
  const w = new Writer(64);
  const entropy = new SeededEntropy(9);
  const taken: { bytes: Uint8Array; copy: string }[] = [];
  for (let i = 0; i < 300; i++) {
    w.reset();
    const token = w.structStart(3, 1);
    assert.equal(w.length, 6);
    const expected = entropy.bytes(entropy.u32() % (i % 50 === 49 ? 500 : 40));
    const at = w.length;
    w.u32(0);
    w.raw(expected);
    w.patchU32(at, i);
    w.structEnd(token);
    const dropped = w.bytes().slice();
    if (i % 7 === 6) continue; // what is written is forgotten
    const bytes = w.take();
    assert.deepEqual(bytes, dropped);
    const r = new Reader(bytes);
    const frame = r.structStart(3);
    assert.equal(frame.end, bytes.length);
    assert.equal(r.u32(), i);
    assert.deepEqual(r.raw(expected.length), expected);
    assert.equal(w.length, 0);
    taken.push({ bytes, copy: Buffer.from(bytes).toString('hex') });
  }
  for (const { bytes, copy } of taken) assert.equal(Buffer.from(bytes).toString('hex'), copy);
});

test('a copy of what is read is one, of a Buffer too', () => {
  const bytes = Buffer.from([2, 0, 0, 0, 7, 8]);
  const copy = new Reader(bytes).blob().slice();
  bytes.fill(0);
  assert.deepEqual(copy, Uint8Array.of(7, 8));
});

test('a struct that is passed over may be of any version, and may not be longer than what is there', () => {
  const w = new Writer();
  const token = w.structStart(200, 200);
  w.raw(new Uint8Array(9));
  w.structEnd(token);
  w.u8(77);
  const r = new Reader(w.bytes());
  r.skipStruct();
  assert.equal(r.u8(), 77);
  assert.throws(() => new Reader(w.bytes().subarray(0, 12)).skipStruct(), DecodeError);
});
