import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DecodeError } from '../encoding/index.ts';
import { CEPH_NOSNAP, Ghobject, Hobject } from '../types/index.ts';
import { Transaction, type TransactionIterator, txOp, txOpName } from './transaction.ts';

const corpus = new URL('../../corpus/store/transaction/', import.meta.url);

function vectors(): { name: string; bytes: Uint8Array }[] {
  // Tests run from the build folder as well; the corpus is beside the sources.
  for (const base of [
    corpus,
    new URL('../../../corpus/store/transaction/', import.meta.url),
    new URL('../../../../corpus/store/transaction/', import.meta.url),
  ]) {
    try {
      return readdirSync(base)
        .sort()
        .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, base))) }));
    } catch {}
  }
  throw new Error('the corpus is not where it should be');
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Builds the current operation anew through the public methods. */
function rebuild(tx: Transaction, it: TransactionIterator): void {
  const p = it.payload;
  const pairs = (): [string, Uint8Array][] => {
    const out: [string, Uint8Array][] = [];
    for (let n = p.count(8); n > 0; n--) out.push([p.string(), p.blob()]);
    return out;
  };
  switch (it.op) {
    case txOp.create:
      tx.create(it.collection, it.object);
      return;
    case txOp.touch:
      tx.touch(it.collection, it.object);
      return;
    case txOp.write:
      tx.write(it.collection, it.object, it.offset, it.data(), it.transaction.fadviseFlags);
      return;
    case txOp.truncate:
      tx.truncate(it.collection, it.object, it.offset);
      return;
    case txOp.remove:
      tx.remove(it.collection, it.object);
      return;
    case txOp.setattrs:
      tx.setattrs(it.collection, it.object, pairs());
      return;
    case txOp.rmattr:
      tx.rmattr(it.collection, it.object, p.string());
      return;
    case txOp.clone:
      tx.clone(it.collection, it.object, it.destObject);
      return;
    case txOp.omapSetKeys:
      tx.omapSetKeys(it.collection, it.object, pairs());
      return;
    case txOp.omapRmKeys: {
      const keys: string[] = [];
      for (let n = p.count(4); n > 0; n--) keys.push(p.string());
      tx.omapRmKeys(it.collection, it.object, keys);
      return;
    }
    case txOp.omapSetHeader:
      tx.omapSetHeader(it.collection, it.object, p.blob());
      return;
    default:
      assert.fail(`no vector has ${txOpName(it.op)}`);
  }
}

for (const { name, bytes } of vectors()) {
  test(`Ceph's transaction ${name} is built again byte for byte`, () => {
    const decoded = Transaction.decode(bytes);
    assert.deepEqual(join(decoded.encode()), bytes);
    assert.ok(decoded.opCount > 0);
    const built = new Transaction();
    for (const it = decoded.iterate(); it.next(); ) rebuild(built, it);
    assert.deepEqual(join(built.encode()), bytes);
    assert.equal(built.encodedLength, bytes.length);
    assert.deepEqual(join(new Transaction().append(decoded).encode()), bytes);
  });

  test(`${name} cut anywhere, or spread over buffers, fails cleanly or reads the same`, () => {
    for (let n = 0; n < bytes.length; n += 7)
      assert.throws(() => Transaction.decode(bytes.subarray(0, n)), DecodeError);
    for (const step of [1, 3, 64, 1000]) {
      const parts = [];
      for (let at = 0; at < bytes.length; at += step) parts.push(bytes.subarray(at, at + step));
      const tx = new Transaction();
      for (const it = Transaction.decode(parts).iterate(); it.next(); ) rebuild(tx, it);
      assert.deepEqual(join(tx.encode()), bytes);
    }
  });
}

test('the iterator gives back what every method put in', () => {
  const c = '3.1f_head';
  const d = '3.5fs2_head';
  const o = new Ghobject(new Hobject('name', 'locator', CEPH_NOSNAP, 0x1f, 3, 'space'));
  const q = new Ghobject(new Hobject('ö'.repeat(90), '', 5, 0x5f, 3, ''), 7, 2);
  const big = new Uint8Array(5000).fill(9);
  const tx = new Transaction()
    .nop()
    .zero(c, o, 2 ** 33, 4096)
    .write(c, o, 2 ** 40 + 1, [big, new Uint8Array(0), Uint8Array.of(1, 2)])
    .setattr(c, o, 'ä', Uint8Array.of(7))
    .rmattrs(c, o)
    .cloneRange(c, o, q, 1, 2 ** 35, 3)
    .createCollection(d, 9)
    .collSetBits(d, 10)
    .splitCollection(c, 7, 0x5f, d)
    .mergeCollection(d, c, 6)
    .collMoveRename(c, o, d, q)
    .tryRename(c, o, q)
    .collHint(c, 1, Uint8Array.of(1, 0, 0))
    .setAllocHint(c, o, 4 << 20, 64 << 10, 5)
    .omapClear(c, o)
    .omapRmKeyRange(c, o, 'a', 'b\0')
    .removeCollection(d);
  for (const it of [tx.iterate(), Transaction.decode(join(tx.encode())).iterate()]) {
    const seen: unknown[] = [];
    while (it.next()) {
      const row: unknown[] = [txOpName(it.op)];
      if (it.op === txOp.write) row.push(it.offset, join(it.data()).length);
      else if (it.op === txOp.zero) row.push(it.offset, it.length, it.object.toString());
      else if (it.op === txOp.setattr) row.push(it.payload.string(), [...it.payload.blob()]);
      else if (it.op === txOp.cloneRange2) row.push(it.offset, it.length, it.destOffset, it.destObject.toString());
      else if (it.op === txOp.mkcoll || it.op === txOp.collSetBits) row.push(it.collection, it.splitBits);
      else if (it.op === txOp.splitCollection2) row.push(it.splitBits, it.splitRem, it.destCollection);
      else if (it.op === txOp.mergeCollection) row.push(it.collection, it.destCollection, it.splitBits);
      else if (it.op === txOp.collMoveRename) row.push(it.destCollection, it.destObject.toString());
      else if (it.op === txOp.collHint) row.push(it.hint, [...it.payload.blob()]);
      else if (it.op === txOp.setAllocHint) row.push(it.expectedObjectSize, it.expectedWriteSize, it.hint);
      else if (it.op === txOp.omapRmKeyRange) row.push(it.payload.string(), it.payload.string());
      seen.push(row);
    }
    assert.deepEqual(seen, [
      ['nop'],
      ['zero', 2 ** 33, 4096, o.toString()],
      ['write', 2 ** 40 + 1, 5002],
      ['setattr', 'ä', [7]],
      ['rmattrs'],
      ['cloneRange2', 1, 2 ** 35, 3, q.toString()],
      ['mkcoll', d, 9],
      ['collSetBits', d, 10],
      ['splitCollection2', 7, 0x5f, d],
      ['mergeCollection', d, c, 6],
      ['collMoveRename', d, q.toString()],
      ['tryRename'],
      ['collHint', 1, [1, 0, 0]],
      ['setAllocHint', 4 << 20, 64 << 10, 5],
      ['omapClear'],
      ['omapRmKeyRange', 'a', 'b\0'],
      ['rmcoll'],
    ]);
  }
});

test('a long transaction survives the growth of its buffers', () => {
  const c = '1.0_head';
  const tx = new Transaction();
  const objects: Ghobject[] = [];
  for (let i = 0; i < 500; i++) {
    const o = new Ghobject(new Hobject(`object${i}`, '', CEPH_NOSNAP, i * 7919, 1, ''));
    objects.push(o);
    tx.touch(c, o).setattr(c, o, `a${i}`, new Uint8Array(i % 90).fill(i));
    if (i % 50 === 0) tx.write(c, o, i, new Uint8Array(3000).fill(i));
  }
  const it = Transaction.decode(join(tx.encode())).iterate();
  for (let i = 0; i < 500; i++) {
    assert.ok(it.next());
    assert.equal(it.object.toString(), objects[i]!.toString());
    assert.ok(it.next());
    assert.equal(it.payload.string(), `a${i}`);
    assert.deepEqual(it.payload.blob(), new Uint8Array(i % 90).fill(i));
    if (i % 50 === 0) {
      assert.ok(it.next());
      assert.deepEqual(join(it.data()), new Uint8Array(3000).fill(i));
    }
  }
  assert.ok(!it.next());
});
