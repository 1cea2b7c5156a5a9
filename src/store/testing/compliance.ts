import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CEPH_NOSNAP, Ghobject, ghobjectMin, Hobject } from '../../types/index.ts';
import { type ObjectStore, StoreError } from '../api.ts';
import { Transaction } from '../transaction.ts';

/** A store under test: how to let time pass, and how to shut it and open it again with what it kept. */
export interface StoreFixture {
  readonly store: ObjectStore;
  run(): void;
  reopen(): Promise<void>;
}

const C = '1.0_head';

function object(name: string, hash = 0x10, snap = CEPH_NOSNAP, pool = 1): Ghobject {
  return new Ghobject(new Hobject(name, '', snap, hash, pool, ''));
}

function bytes(s: string): Uint8Array {
  return new TextEncoder().encode(s);
}

function text(parts: Uint8Array[] | undefined): string | undefined {
  return parts === undefined ? undefined : Buffer.concat(parts).toString('latin1');
}

function refuses(store: ObjectStore, tx: Transaction, kind: StoreError['kind'] = 'invalid'): void {
  assert.throws(
    () => store.queueTransactions(C, [tx]),
    (error) => error instanceof StoreError && error.kind === kind,
  );
}

/** What every store must do; each case runs on a fresh store, and once more after reopening where the store keeps anything. */
export function storeCompliance(name: string, make: () => Promise<StoreFixture>): void {
  const o = object('o');
  const p = object('p');
  const on = (
    what: string,
    body: (f: StoreFixture, apply: (tx: Transaction) => void) => Promise<void> | void,
  ): void => {
    test(`${name}: ${what}`, async () => {
      const f = await make();
      const apply = (tx: Transaction): void => f.store.queueTransactions(C, [tx]);
      apply(new Transaction().createCollection(C, 0).createCollection('meta', 0));
      await body(f, apply);
    });
  };

  on('a write is seen at once and acknowledged later, in order', async (f, apply) => {
    const order: number[] = [];
    f.store.queueTransactions(C, [new Transaction().write(C, o, 0, bytes('hello'))], () => order.push(1));
    assert.equal(text(f.store.readSync(C, o, 0, 0)), 'hello');
    f.store.queueTransactions(C, [new Transaction().write(C, o, 3, new Uint8Array(200_000))], () => order.push(2));
    f.store.queueTransactions(C, [new Transaction().write(C, p, 0, bytes('x'))], () => order.push(3));
    apply(new Transaction().nop());
    assert.deepEqual(order, []);
    f.run();
    assert.deepEqual(order, [1, 2, 3]);
    await f.reopen();
    assert.equal(f.store.stat(C, o)?.size, 200_003);
    assert.equal(text(f.store.readSync(C, o, 0, 5)), 'hel\0\0');
  });

  on('reads: short at the end, empty beyond, undefined without an object, holes are zeros', async (f, apply) => {
    apply(new Transaction().write(C, o, 5000, bytes('abc')));
    for (let i = 0; i < 2; i++) {
      assert.equal(text(f.store.readSync(C, o, 4998, 100)), '\0\0abc');
      assert.equal(text(f.store.readSync(C, o, 5001, 1)), 'b');
      assert.equal(text(f.store.readSync(C, o, 5003, 10)), '');
      assert.equal(text(f.store.readSync(C, o, 9000, 0)), '');
      assert.equal(f.store.readSync(C, p, 0, 0), undefined);
      assert.equal(f.store.readSync('1.1_head', o, 0, 0), undefined);
      assert.equal(f.store.stat(C, p), undefined);
      let seen: string | undefined;
      f.store.read(C, o, 5000, 0, (error, data) => {
        assert.equal(error, null);
        seen = text(data);
      });
      f.run();
      assert.equal(seen, 'abc');
      assert.deepEqual(f.store.extents(C, o, 0, 5003), [{ offset: 4096, length: 907 }]);
      await f.reopen();
    }
  });

  on('a write of nothing makes the object and no more', (f, apply) => {
    apply(new Transaction().write(C, o, 100, new Uint8Array(0)));
    assert.deepEqual(f.store.stat(C, o), { size: 0 });
    apply(new Transaction().zero(C, o, 100, 0));
    assert.deepEqual(f.store.stat(C, o), { size: 0 });
  });

  on('zero and truncate: what is cut off does not come back', async (f, apply) => {
    apply(new Transaction().write(C, o, 0, new Uint8Array(20_000).fill(65)));
    apply(new Transaction().truncate(C, o, 5000).truncate(C, o, 12_000));
    apply(new Transaction().zero(C, o, 10, 5));
    await f.reopen();
    const data = text(f.store.readSync(C, o, 0, 0))!;
    assert.equal(data, `${'A'.repeat(10)}${'\0'.repeat(5)}${'A'.repeat(4985)}${'\0'.repeat(7000)}`);
    apply(new Transaction().zero(C, o, 0, 8192));
    assert.deepEqual(f.store.extents(C, o, 0, 12_000), []);
  });

  on('xattrs', async (f, apply) => {
    apply(
      new Transaction().touch(C, o).setattrs(
        C,
        o,
        new Map([
          ['_', bytes('1')],
          ['ä', bytes('')],
        ]),
      ),
    );
    apply(new Transaction().setattr(C, o, '_', bytes('2')).rmattr(C, o, 'missing'));
    await f.reopen();
    assert.equal(Buffer.from(f.store.getAttr(C, o, '_')!).toString(), '2');
    assert.deepEqual([...f.store.getAttrs(C, o)!.keys()].sort(), ['_', 'ä']);
    assert.equal(f.store.getAttr(C, o, 'none'), undefined);
    assert.equal(f.store.getAttrs(C, p), undefined);
    apply(new Transaction().rmattr(C, o, '_').rmattrs(C, o));
    assert.equal(f.store.getAttrs(C, o)!.size, 0);
  });

  on('omap: order, ranges, header, clear', async (f, apply) => {
    const keys = ['b', 'a', 'é', 'a\0', '\udcff', 'ab', '_x'];
    apply(
      new Transaction()
        .touch(C, o)
        .omapSetKeys(
          C,
          o,
          keys.map((k) => [k, bytes(`v${k}`)] as const),
        )
        .omapSetHeader(C, o, bytes('h')),
    );
    const names = (position: { from?: string; after?: string } = {}): string[] =>
      [...f.store.omapIterate(C, o, position)!].map(([k]) => k);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(names(), ['_x', 'a', 'a\0', 'ab', 'b', 'é', '\udcff']);
      assert.deepEqual(names({ after: 'a' }), ['a\0', 'ab', 'b', 'é', '\udcff']);
      assert.deepEqual(names({ from: 'aa' }), ['ab', 'b', 'é', '\udcff']);
      assert.deepEqual([...f.store.omapValues(C, o, ['b', 'nope', 'é'])!.keys()], ['b', 'é']);
      assert.equal(Buffer.from(f.store.omapHeader(C, o)!).toString(), 'h');
      await f.reopen();
    }
    apply(
      new Transaction()
        .omapRmKeyRange(C, o, 'a', 'b')
        .omapSetKeys(C, o, new Map([['aa', bytes('1')]]))
        .omapRmKeys(C, o, ['é', 'none']),
    );
    assert.deepEqual(names(), ['_x', 'aa', 'b', '\udcff']);
    await f.reopen();
    assert.deepEqual(names(), ['_x', 'aa', 'b', '\udcff']);
    apply(new Transaction().omapClear(C, o).omapSetKeys(C, o, new Map([['n', bytes('1')]])));
    assert.deepEqual(names(), ['n']);
    assert.equal(f.store.omapHeader(C, o)!.length, 0);
    await f.reopen();
    assert.deepEqual(names(), ['n']);
    assert.equal(f.store.omapIterate(C, p, {}), undefined);
    assert.equal(f.store.omapValues(C, p, ['a']), undefined);
  });

  on('a clone has all four parts and goes its own way', async (f, apply) => {
    const snap = object('o', 0x10, 4);
    apply(
      new Transaction()
        .write(C, o, 0, new Uint8Array(300_000).fill(66))
        .setattr(C, o, 'a', bytes('1'))
        .omapSetKeys(C, o, new Map([['k', bytes('v')]]))
        .omapSetHeader(C, o, bytes('h')),
    );
    apply(new Transaction().write(C, snap, 0, bytes('old')).omapSetKeys(C, snap, new Map([['gone', bytes('x')]])));
    apply(
      new Transaction().clone(C, o, snap).write(C, o, 5000, bytes('new')).omapRmKeys(C, o, ['k']).rmattr(C, o, 'a'),
    );
    await f.reopen();
    assert.equal(text(f.store.readSync(C, snap, 0, 0)), 'B'.repeat(300_000));
    assert.equal(text(f.store.readSync(C, o, 4999, 5)), 'BnewB');
    assert.deepEqual(
      [...f.store.omapIterate(C, snap, {})!].map(([k]) => k),
      ['k'],
    );
    assert.equal(Buffer.from(f.store.omapHeader(C, snap)!).toString(), 'h');
    assert.ok(f.store.getAttr(C, snap, 'a') !== undefined);
    apply(new Transaction().remove(C, o));
    await f.reopen();
    assert.equal(text(f.store.readSync(C, snap, 299_999, 5)), 'B');
    apply(new Transaction().cloneRange(C, snap, p, 4096, 8192, 4096).cloneRange(C, snap, p, 10, 20, 1));
    await f.reopen();
    assert.equal(text(f.store.readSync(C, p, 0, 0)), `\0${'B'.repeat(20)}${'\0'.repeat(4075)}${'B'.repeat(8192)}`);
  });

  on('objects are listed in order, page by page, with temporary ones first', async (f, apply) => {
    const tx = new Transaction();
    const all: Ghobject[] = [];
    for (let i = 0; i < 60; i++)
      all.push(object(`n${i}`, Math.imul(i, 0x9e3779b1) >>> 0, CEPH_NOSNAP, i % 5 === 0 ? -3 : 1));
    for (const x of all) tx.touch(C, x);
    apply(tx);
    apply(new Transaction().remove(C, all[7]!));
    for (let i = 0; i < 2; i++) {
      const seen: string[] = [];
      let start = ghobjectMin;
      while (!start.max) {
        const page = f.store.list(C, start, undefined, 7);
        assert.ok(page.objects.length <= 7);
        seen.push(...page.objects.map(String));
        start = page.next;
      }
      assert.equal(seen.length, 59);
      assert.ok(seen.slice(0, 12).every((s) => s.startsWith('#-3:')));
      assert.equal(new Set(seen).size, 59);
      const third = f.store.list(C, ghobjectMin, undefined, 20).objects;
      assert.deepEqual(f.store.list(C, third[3]!, third[9]!, 100).objects.map(String), third.slice(3, 9).map(String));
      await f.reopen();
    }
  });

  on('collections: made, split, merged, removed when empty', async (f, apply) => {
    const even = object('even', 0x10);
    const odd = object('odd', 0x11);
    apply(new Transaction().write(C, even, 0, bytes('e')).write(C, odd, 0, bytes('o')));
    apply(new Transaction().createCollection('1.1_head', 1).splitCollection(C, 1, 1, '1.1_head'));
    await f.reopen();
    assert.deepEqual(f.store.collections(), ['meta', C, '1.1_head']);
    assert.equal(f.store.collectionBits(C), 1);
    assert.ok(f.store.exists(C, even) && !f.store.exists(C, odd) && f.store.exists('1.1_head', odd));
    refuses(f.store, new Transaction().touch(C, odd));
    refuses(f.store, new Transaction().removeCollection('1.1_head'));
    apply(new Transaction().mergeCollection('1.1_head', C, 0));
    assert.ok(f.store.exists(C, odd));
    assert.ok(!f.store.collectionExists('1.1_head'));
    apply(new Transaction().remove(C, even).remove(C, odd).removeCollection(C));
    await f.reopen();
    assert.deepEqual(f.store.collections(), ['meta']);
  });

  on('a rename takes everything along and replaces what had the name', async (f, apply) => {
    const temp = object('temp', 0x10, CEPH_NOSNAP, -3);
    apply(
      new Transaction()
        .write(C, temp, 0, new Uint8Array(100_000).fill(67))
        .omapSetKeys(C, temp, new Map([['k', bytes('v')]])),
    );
    apply(new Transaction().write(C, o, 0, bytes('old')));
    apply(new Transaction().collMoveRename(C, temp, C, o).tryRename(C, object('none'), p));
    await f.reopen();
    assert.ok(!f.store.exists(C, temp) && !f.store.exists(C, p));
    assert.equal(f.store.stat(C, o)?.size, 100_000);
    assert.deepEqual(
      [...f.store.omapIterate(C, o, {})!].map(([k]) => k),
      ['k'],
    );
  });

  on('what cannot be applied is refused with nothing of it done', async (f, apply) => {
    apply(new Transaction().write(C, o, 0, bytes('safe')));
    refuses(f.store, new Transaction().write(C, o, 0, bytes('gone')).setattr(C, p, 'a', bytes('1')));
    refuses(f.store, new Transaction().write(C, o, 0, bytes('gone')).clone(C, p, o));
    refuses(f.store, new Transaction().write(C, o, 0, bytes('gone')).touch('9.0_head', object('x', 0, CEPH_NOSNAP, 9)));
    refuses(f.store, new Transaction().truncate(C, o, 0).createCollection(C, 0));
    refuses(f.store, new Transaction().truncate(C, o, 2 ** 40));
    refuses(f.store, new Transaction().truncate(C, o, 0).write(C, o, 2 ** 60, bytes('x')));
    refuses(f.store, new Transaction().createCollection('1.0_TEMP', 0));
    assert.throws(() =>
      f.store.queueTransactions(C, [new Transaction().truncate(C, o, 0), new Transaction().rmattr(C, p, 'a')]),
    );
    const encoded = Buffer.concat(new Transaction().truncate(C, o, 0).setattr(C, o, 'name', bytes('value')).encode());
    encoded.writeUInt32LE(0x7fffffff, 10); // The length of the attribute's name.
    refuses(f.store, Transaction.decode(encoded));
    assert.equal(text(f.store.readSync(C, o, 0, 0)), 'safe');
    await f.reopen();
    assert.equal(text(f.store.readSync(C, o, 0, 0)), 'safe');
  });

  on('missing objects are passed over where Ceph passes over them', (f, apply) => {
    apply(new Transaction().remove(C, p).truncate(C, p, 5).rmattrs(C, p).omapClear(C, p).setAllocHint(C, p, 1, 1, 0));
    assert.ok(!f.store.exists(C, p));
    apply(new Transaction().remove(C, o).touch(C, o).remove(C, o).write(C, o, 0, bytes('again')));
    assert.equal(text(f.store.readSync(C, o, 0, 0)), 'again');
  });

  on('values beside the collections', async (f) => {
    f.store.setMeta('whoami', '7');
    await f.reopen();
    assert.equal(f.store.getMeta('whoami'), '7');
    assert.equal(f.store.getMeta('nothing'), undefined);
  });
}
