import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32c, crc32cPortable, type KvOp, SeededEntropy, type Socket, type SocketHandler } from '../base/index.ts';
import { installNativeCrc32c, openLmdb, osDisk, tcpNetwork } from './index.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test('the native crc32c agrees with the portable one', () => {
  assert.ok(installNativeCrc32c());
  const random = new SeededEntropy(5);
  for (let i = 0; i < 200; i++) {
    const data = random.bytes(random.u32() % 5000);
    const seed = random.u32();
    assert.equal(crc32c(seed, data), crc32cPortable(seed, data));
  }
});

test('files: long transfers past the cache are what short ones through it see, at any cut', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const file = osDisk.openFile(join(dir, 'block'), { create: true, direct: true });
    const random = new SeededEntropy(3);
    const whole = random.bytes(3 * 1024 * 1024 + 8192);
    const parts = [whole.subarray(0, 100), whole.subarray(100, 1_500_000), whole.subarray(1_500_000)];
    await new Promise<void>((resolve, reject) => file.write(parts, 4096, (e) => (e ? reject(e) : resolve())));
    const short = new Uint8Array(whole.length);
    assert.equal(file.readSync(short, 4096), whole.length);
    assert.deepEqual(short, whole);
    const long = new Uint8Array(whole.length + 4096 * 3);
    const n = await new Promise<number>((resolve, reject) =>
      file.read(long, 4096, (e, n) => (e ? reject(e) : resolve(n))),
    );
    assert.equal(n, whole.length);
    assert.deepEqual(long.subarray(0, n), whole);
    file.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('files: a close waits for what is under way, whose descriptor no other file gets meanwhile', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const file = osDisk.openFile(join(dir, 'block'), { create: true, direct: true });
    const long = new Uint8Array(4 * 1024 * 1024).fill(7);
    const written = new Promise<Error | null>((resolve) => file.write([long], 0, resolve));
    file.close();
    const others = Array.from({ length: 20 }, (_, i) => osDisk.openFile(join(dir, `other${i}`), { create: true }));
    assert.equal(await written, null);
    assert.equal(osDisk.readFile(join(dir, 'block'))!.length, long.length);
    for (const other of others) assert.equal(other.size(), 0);
    for (const other of others) other.close();
    const late = await new Promise<Error | null>((resolve) => file.write([long], 0, resolve));
    assert.match(late!.message, /block is closed/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('files: gather writes, reads beyond the end, sync', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const file = osDisk.openFile(join(dir, 'block'), { create: true });
    file.writeSync([text('hello '), text('world')], 10);
    await new Promise<void>((resolve, reject) =>
      file.write([text('HELLO'), text(' '), text('WORLD!')], 30, (e) => (e ? reject(e) : resolve())),
    );
    await new Promise<void>((resolve, reject) => file.sync((e) => (e ? reject(e) : resolve())));
    const into = new Uint8Array(12);
    assert.equal(file.readSync(into, 10), 12);
    assert.equal(new TextDecoder().decode(into), 'hello world\0');
    const n = await new Promise<number>((resolve, reject) =>
      file.read(into, 35, (e, k) => (e ? reject(e) : resolve(k))),
    );
    assert.equal(new TextDecoder().decode(into.subarray(0, n)), ' WORLD!');
    assert.equal(file.size(), 42);
    file.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('files: a punched range reads as zeros and takes no space; a closed file ends what was under way', {
  skip: process.platform !== 'linux' ? 'holes are made by a program of Linux' : false,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const path = join(dir, 'file');
    const file = osDisk.openFile(path, { create: true });
    const MIB = 1 << 20;
    file.writeSync([new Uint8Array(8 * MIB).fill(7)], 0);
    file.syncSync();
    const before = statSync(path);
    const punch = (offset: number, length: number): Promise<Error | null> =>
      new Promise((done) => {
        file.punch!(offset, length, done);
      });
    assert.equal(await punch(2 * MIB, 4 * MIB), null);
    const after = statSync(path);
    assert.equal(after.size, before.size);
    assert.ok((before.blocks - after.blocks) * 512 >= 4 * MIB, `${before.blocks} blocks, then ${after.blocks}`);
    const all = Buffer.alloc(8 * MIB);
    assert.equal(file.readSync(all, 0), 8 * MIB);
    const expected = Buffer.alloc(8 * MIB, 7).fill(0, 2 * MIB, 6 * MIB);
    assert.ok(all.equals(expected));
    assert.ok((await punch(0, 0)) instanceof Error, 'a length of nothing is refused');

    // Closed at once: whether the hole is there or not, nobody makes it once the next to open the file was told so.
    const last = punch(0, MIB);
    file.close();
    const again = osDisk.openFile(path);
    await again.punchesEnded!();
    again.writeSync([new Uint8Array(MIB).fill(9)], 0);
    await last;
    const found = Buffer.alloc(MIB);
    again.readSync(found, 0);
    assert.ok(found.equals(Buffer.alloc(MIB, 9)));
    again.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('Kv: a long batch goes in over several turns, all or nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const kv = openLmdb(join(dir, 'kv'));
    const key = (i: number): Uint8Array => Buffer.from(`key-${String(i).padStart(6, '0')}`);
    const puts = (from: number, to: number): KvOp[] => {
      const ops: KvOp[] = [];
      for (let i = from; i < to; i++) ops.push({ kind: 'put', key: key(i), value: Buffer.alloc(100, i) });
      return ops;
    };
    const give = (ops: readonly KvOp[]): Promise<Error | null> =>
      new Promise((done) => {
        kv.commitInTurns!(ops, done);
      });
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const all = [...puts(0, 30_000), { kind: 'del', key: key(7) } as const];
    assert.equal(await give(all), null);
    isDone = true;
    assert.ok(turns > 3, `${turns} turns`);
    assert.equal([...kv.range(key(0), undefined)].length, 29_999);
    assert.equal(kv.get(key(7)), undefined);
    assert.deepEqual(kv.get(key(29_999)), Buffer.alloc(100, 29_999));

    // One operation that cannot be: nothing of the batch is there, and the database goes on.
    const failed = await give([...puts(40_000, 50_000), { kind: 'put', key: Buffer.alloc(4000), value: key(1) }]);
    assert.ok(failed instanceof Error);
    assert.equal([...kv.range(key(40_000), undefined)].length, 0);
    assert.equal(await give(puts(30_000, 33_000)), null);

    // What else is written meanwhile would become a part of it.
    const long = give(puts(60_000, 90_000));
    while (kv.get(key(60_000)) === undefined) await new Promise((next) => setImmediate(next));
    assert.throws(() => kv.commitSync(puts(0, 1)), /while a long one goes in/);
    assert.throws(() => kv.commit(puts(0, 1), () => {}), /while a long one goes in/);
    // Closed on its way: given up.
    kv.close();
    assert.ok((await long) instanceof Error);
    const again = openLmdb(join(dir, 'kv'));
    assert.equal([...again.range(key(0), undefined)].length, 32_999);
    again.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('Kv: order, ranges, batches', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sepiola-'));
  try {
    const kv = openLmdb(join(dir, 'kv'));
    const k = (...b: number[]): Uint8Array => Uint8Array.from(b);
    kv.commitSync([
      { kind: 'put', key: k(1, 0), value: text('a') },
      { kind: 'put', key: k(1, 255), value: text('b') },
      { kind: 'put', key: k(2), value: text('c') },
      { kind: 'put', key: k(0), value: text('') },
    ]);
    const keys = (it: Iterable<readonly [Uint8Array, Uint8Array]>): number[][] => [...it].map(([key]) => [...key]);
    assert.deepEqual(keys(kv.range(k(1), k(2))), [
      [1, 0],
      [1, 255],
    ]);
    assert.deepEqual(keys(kv.range(k(0), undefined)), [[0], [1, 0], [1, 255], [2]]);
    assert.deepEqual(keys(kv.range(k(0), k(2), { reverse: true })), [[1, 255], [1, 0], [0]]);
    assert.deepEqual(keys(kv.range(k(0), undefined, { limit: 2, keysOnly: true })), [[0], [1, 0]]);
    await new Promise<void>((resolve, reject) =>
      kv.commit(
        [
          { kind: 'del', key: k(2) },
          { kind: 'put', key: k(3), value: text('d') },
        ],
        (e) => (e ? reject(e) : resolve()),
      ),
    );
    await new Promise<void>((resolve, reject) =>
      kv.commit(
        [
          { kind: 'delRange', start: k(1), end: k(2) },
          { kind: 'put', key: k(4), value: text('e') },
        ],
        (e) => (e ? reject(e) : resolve()),
      ),
    );
    assert.deepEqual(keys(kv.range(k(0), undefined)), [[0], [3], [4]]);
    assert.equal(kv.get(k(0))?.length, 0);
    assert.equal(kv.get(k(9)), undefined);
    // What is read is what was committed last, however it was, and though something was read just before.
    const value = (key: Uint8Array): string => Buffer.from(kv.get(key) ?? []).toString();
    kv.commitSync([{ kind: 'put', key: k(3), value: text('of commitSync') }]);
    assert.equal(value(k(3)), 'of commitSync');
    for (const n of [2, 3000]) {
      const ops = Array.from({ length: n }, (_, i) => ({
        kind: 'put' as const,
        key: k(5, i >> 8, i & 255),
        value: text(`${n}`),
      }));
      await new Promise<void>((resolve, reject) => {
        kv.commitInTurns!(ops, (e) => (e ? reject(e) : resolve()));
        assert.notEqual(value(k(5, 0, 1)), `${n}`);
      });
      assert.equal(value(k(5, 0, 1)), `${n}`);
    }
    kv.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('TCP: bytes both ways, refusal, orderly end', async () => {
  const received: string[] = [];
  let serverClosed: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    serverClosed = resolve;
  });
  const listener = await tcpNetwork.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
    socket.handler = {
      data: (chunk) => {
        received.push(new TextDecoder().decode(chunk));
        socket.write([text('got '), chunk]);
      },
      drain: () => {},
      closed: () => serverClosed(),
    };
  });
  const answer = await new Promise<string>((resolve, reject) => {
    tcpNetwork.connect(
      listener.endpoint,
      (socket) => {
        socket.handler = {
          data: (chunk) => {
            resolve(new TextDecoder().decode(chunk));
            socket.end();
          },
          drain: () => {},
          closed: () => {},
        };
        socket.write([text('ping')]);
      },
      reject,
    );
  });
  assert.equal(answer, 'got ping');
  await closed;
  listener.close();
  await assert.rejects(
    new Promise((resolve, reject) => {
      tcpNetwork.connect(listener.endpoint, resolve, reject);
    }),
    /ECONNREFUSED/,
  );
});

test('TCP: what a handler wants in one place is read into that place; pauses hold, both ways', async () => {
  const random = new SeededEntropy(11);
  const sent = random.bytes(700_000);
  const place = new Uint8Array(500_000);
  let filled = 0;
  let at = 0;
  const received = new Uint8Array(sent.length);
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  let pauses = 0;
  const receiver = (socket: Socket): SocketHandler => ({
    target: () => (filled < place.length ? place.subarray(filled) : undefined),
    filled(length) {
      received.set(place.subarray(filled, filled + length), at);
      at += length;
      filled += length;
      if (pauses < 3) {
        pauses++;
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      }
    },
    data(chunk) {
      received.set(chunk, at);
      at += chunk.length;
      if (at === sent.length) resolve();
    },
    drain() {},
    closed() {},
  });
  for (const sender of ['dialling', 'listening'] as const) {
    filled = 0;
    at = 0;
    pauses = 0;
    const done = new Promise<void>((ok, failed) => {
      resolve = ok;
      reject = failed;
    });
    const quiet: SocketHandler = { data() {}, drain() {}, closed() {} };
    const attach = (socket: Socket, side: 'dialling' | 'listening'): void => {
      socket.handler = side === sender ? quiet : receiver(socket);
      if (side !== sender) return;
      socket.write([sent.subarray(0, 100), sent.subarray(100, 300_000), sent.subarray(300_000)]);
    };
    const listener = await tcpNetwork.listen({ host: '127.0.0.1', port: 0 }, (s) => attach(s, 'listening'));
    let dialled: Socket | undefined;
    tcpNetwork.connect(
      listener.endpoint,
      (s) => {
        dialled = s;
        attach(s, 'dialling');
      },
      (error) => reject(error),
    );
    await done;
    dialled?.destroy();
    listener.close();
    assert.equal(Buffer.compare(received, sent), 0);
    assert.equal(filled, place.length);
  }
});

test('TCP: a place that is not wanted any more is not written to, though the socket waits with it', async () => {
  const first = new Uint8Array(100_000);
  const second = new Uint8Array(100_000);
  let place = first;
  let filled = 0;
  let arrived = (): void => {};
  const next = (): Promise<void> => new Promise((resolve) => (arrived = resolve));
  let receiver: Socket | undefined;
  const listener = await tcpNetwork.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
    receiver = socket;
    socket.handler = {
      target: () => place.subarray(filled),
      filled(length) {
        filled += length;
        arrived();
      },
      // Before the first read nobody was asked.
      data(chunk) {
        place.set(chunk, filled);
        filled += chunk.length;
        arrived();
      },
      drain() {},
      closed() {},
    };
  });
  const sender = await new Promise<Socket>((resolve, reject) => tcpNetwork.connect(listener.endpoint, resolve, reject));
  sender.handler = { data() {}, drain() {}, closed() {} };
  const one = next();
  sender.write([new Uint8Array(1000).fill(1)]);
  await one;
  for (let round = 0; round < 3; round++) {
    place = round % 2 === 0 ? second : first;
    assert.equal(receiver!.retarget!(), true);
    const before = first.slice();
    const more = next();
    sender.write([new Uint8Array(1000).fill(2 + round)]);
    await more;
    if (round % 2 === 0) assert.deepEqual(first, before);
    assert.equal(place[filled - 1], 2 + round);
    assert.equal(place[filled - 1000], 2 + round);
  }
  sender.destroy();
  receiver!.destroy();
  listener.close();
});
