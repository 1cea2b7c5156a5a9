// What the RADOS library is asked of every cluster: steps whose results are written down, so that two clusters can be compared.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export const bytes = (text) => new TextEncoder().encode(text);
export const text = (data) => new TextDecoder().decode(data);
export const sha = (data) => createHash('sha1').update(data).digest('hex');

/** Bytes that are the same in every run. */
export function pattern(length, seed = 1) {
  const data = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    data[i] = x >>> 16;
  }
  return data;
}

export async function collect(iterable, limit = Number.POSITIVE_INFINITY) {
  const all = [];
  for await (const item of iterable) {
    all.push(item);
    if (all.length >= limit) break;
  }
  return all;
}

/** Makes results of all kinds comparable: bytes as text or digest, maps as entries. */
function plain(value) {
  if (value instanceof Uint8Array) return value.length > 64 ? `sha1:${sha(value)}` : text(value);
  if (value instanceof Map) return [...value].map(([k, v]) => [k, plain(v)]);
  if (typeof value === 'bigint') return `${value}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  }
  return value;
}

/** Runs steps by name; results and errors go into the transcript. */
export class Transcript {
  steps = {};

  async step(name, run) {
    assert.ok(!(name in this.steps), `two steps ${name}`);
    let value;
    try {
      value = await run();
      this.steps[name] = plain(value);
    } catch (error) {
      if (error.name !== 'RadosError' && error.name !== 'AbortError') throw error;
      const { name: kind, code, errno, operation, object } = error;
      this.steps[name] = { error: { kind, code, errno, operation, object } };
    }
    return value;
  }

  /** An error by the name it should have. */
  expectError(name, code) {
    assert.equal(this.steps[name]?.error?.code, code, `${name}: ${JSON.stringify(this.steps[name])}`);
  }

  expect(name, value) {
    assert.deepEqual(this.steps[name], plain(value), name);
  }
}

/** Steps that a pool of any kind must do alike. */
async function dataSteps({ io, t, api, isErasure }) {
  const { WriteOperation, ReadOperation } = api;
  await t.step('writeFull', () => io.writeFull('a', bytes('hello world')));
  await t.step('read', () => io.read('a'));
  t.expect('read', 'hello world');
  await t.step('read a part', () => io.read('a', { offset: 6, length: 3 }));
  t.expect('read a part', 'wor');
  await t.step('read past the end', () => io.read('a', { offset: 100, length: 3 }));
  await t.step('read into', () => io.read('a', { into: new Uint8Array(5), offset: 6 }));
  t.expect('read into', 'world');
  const long = pattern(300_000);
  await t.step('long', () => io.writeFull('long', long));
  const place = new Uint8Array(300_000);
  await t.step('long into', () => io.read('long', { into: place }));
  assert.ok(Buffer.from(long).equals(place));
  await t.step('read nothing', () => io.read('nothing'));
  t.expectError('read nothing', 'ENOENT');
  await t.step('stat', async () => (await io.stat('a')).size);
  await t.step('stat nothing', () => io.stat('nothing'));
  await t.step('stat if there', () => io.statIfExists('nothing'));
  await t.step('append', () => io.append('a', bytes('!')));
  await t.step('after append', () => io.read('a'));
  await t.step('remove nothing', () => io.remove('nothing'));
  await t.step('create', () => io.create('c', true));
  await t.step('create again', () => io.create('c', true));
  t.expectError('create again', 'EEXIST');
  await t.step('setXattr', () => io.setXattr('a', 'n', bytes('5')));
  await t.step('setXattr of another', () => io.setXattr('a', 'b', bytes('x')));
  await t.step('getXattr', () => io.getXattr('a', 'n'));
  await t.step('getXattrs', () => io.getXattrs('a'));
  await t.step('getXattr nothing', () => io.getXattr('a', 'none'));
  t.expectError('getXattr nothing', 'ENODATA');
  await t.step('removeXattr', () => io.removeXattr('a', 'b'));
  await t.step('xattr too long', () => io.setXattr('a', 'x'.repeat(300), bytes('y')));
  await t.step('crc32c', () => io.checksum('a', 'crc32c'));
  await t.step('xxhash32', () => io.checksum('a', 'xxhash32', { length: 8, chunkSize: 4 }));
  await t.step('xxhash64', () => io.checksum('a', 'xxhash64', { seed: 0n }));
  await t.step('checksum unaligned', () => io.checksum('a', 'crc32c', { length: 7, chunkSize: 4 }));
  await t.step('cmpExt equal', () => io.cmpExt('a', bytes('hello')));
  await t.step('cmpExt other', () => io.cmpExt('a', bytes('hellX')));
  t.expect('cmpExt other', 4);
  for (const [name, comparison, value] of [
    ['eq', 'eq', 5],
    ['ne', 'ne', 5],
    ['gt 6', 'gt', 6],
    ['gt 5', 'gt', 5],
    ['gte 5', 'gte', 5],
    ['lt 4', 'lt', 4],
    ['lte 6', 'lte', 6],
    ['text eq', 'eq', '5'],
    ['text gt', 'gt', '6'],
    ['text lt', 'lt', '6'],
  ]) {
    await t.step(`cmpXattr ${name}`, () =>
      io.operate('a', new WriteOperation().cmpXattr('n', comparison, value).setXattr('m', bytes('1'))),
    );
  }
  t.expectError('cmpXattr ne', 'ECANCELED');
  await t.step('cmpXattr that is not there', () =>
    io.operate('a', new WriteOperation().cmpXattr('zz', 'eq', '').setXattr('m', bytes('1'))),
  );
  await t.step('guard: exists', () => io.operate('nothing', new WriteOperation().assertExists().append(bytes('x'))));
  await t.step('guard: version low', () => io.operate('a', new WriteOperation().assertVersion(1).append(bytes('x'))));
  await t.step('guard: version high', () =>
    io.operate('a', new WriteOperation().assertVersion(10_000).append(bytes('x'))),
  );
  await t.step('guards: nothing was written', () => io.read('a'));
  await t.step('compound read', async () => {
    const op = new ReadOperation().assertExists();
    const [read, stat, xattrs] = [op.read(0, 5), op.stat(), op.getXattrs()];
    await io.operateRead('a', op);
    return [read.value, stat.value.size, xattrs.value];
  });
  await t.step('compound read, part fails', async () => {
    const op = new ReadOperation();
    const [read, missing] = [op.read(0, 5), op.getXattr('none')];
    op.failOk();
    await io.operateRead('a', op);
    return [read.value, missing.rval];
  });
  await t.step('version grows', async () => {
    const before = await io.operateRead('a', new ReadOperation().assertExists());
    const after = await io.setXattr('a', 'v', bytes('1'));
    return after > before;
  });
  // Locks.
  const lock = await t.step('lock', async () => {
    const held = await io.lock('a', 'L', { cookie: 'c', description: 'why', duration_ms: 60_000 });
    return held;
  });
  t.steps.lock = 'held';
  const lockInfo = async () => {
    const { type, tag, holders } = await io.lockInfo('a', 'L');
    return {
      type,
      tag,
      holders: holders.map(({ cookie, description, expires_ms }) => ({
        cookie,
        description,
        limited: expires_ms !== undefined,
      })),
    };
  };
  await t.step('lockInfo', lockInfo);
  await t.step('lock again', () => io.lock('a', 'L', { cookie: 'c' }));
  t.expectError('lock again', 'EEXIST');
  await t.step('lock another cookie', () => io.lock('a', 'L', { cookie: 'd' }));
  t.expectError('lock another cookie', 'EBUSY');
  await t.step('lock renewed', async () => void (await lock.renew(5000)));
  await t.step('assertLocked', () =>
    io.operate('a', new WriteOperation().assertLocked('L', 'exclusive', 'c').setXattr('l', bytes('1'))),
  );
  await t.step('assertLocked wrongly', () =>
    io.operate('a', new WriteOperation().assertLocked('L', 'exclusive', 'd').setXattr('l', bytes('1'))),
  );
  await t.step('listLocks', () => io.listLocks('a'));
  await t.step('unlock', async () => void (await lock.unlock()));
  await t.step('unlock again', () => io.unlock('a', 'L', 'c'));
  t.expectError('unlock again', 'ENOENT');
  await t.step('shared', async () => {
    await io.lock('a', 'S', { type: 'shared', cookie: '1', tag: 't' });
    await io.lock('a', 'S', { type: 'shared', cookie: '2', tag: 't' });
    return (await io.lockInfo('a', 'S')).holders.map((h) => h.cookie);
  });
  await t.step('shared, another tag', () => io.lock('a', 'S', { type: 'shared', cookie: '3', tag: 'u' }));
  await t.step('break', async () => {
    const { holders } = await io.lockInfo('a', 'S');
    for (const { client, cookie } of holders) await io.breakLock('a', 'S', client, cookie);
    return (await io.lockInfo('a', 'S')).holders.length;
  });
  await t.step('renew what is not held', () => io.lock('a', 'L', { cookie: 'c', renew: 'must' }));
  // Classes.
  await t.step('exec', () => io.exec('a', 'hello', 'say_hello', bytes('you'), { isRead: true }));
  await t.step('exec of no method', () => io.exec('a', 'lock', 'nono'));
  // Namespaces, keys, listing.
  const other = io.with({ namespace: 'other' });
  for (let i = 0; i < 40; i++) await io.writeFull(`o${i}`, bytes('x'));
  await t.step('namespace', () => other.writeFull('a', bytes('elsewhere')));
  await t.step('namespace apart', async () => [await other.read('a'), await io.read('a')]);
  const keyed = io.with({ locatorKey: 'key' });
  await t.step('locator', () => keyed.writeFull('k', bytes('by key')));
  await t.step('locator: not found without', () => io.read('k'));
  await t.step('listObjects', async () => (await collect(io.listObjects())).map((o) => [o.oid, o.locator]));
  await t.step('listObjects in slices', async () => {
    const parts = [];
    for (let index = 0; index < 5; index++)
      parts.push(...(await collect(io.listObjects({ slice: { index, count: 5 } }))));
    return parts.map((o) => [o.oid, o.locator]);
  });
  t.expect('listObjects in slices', t.steps.listObjects);
  await t.step('listObjects at once', async () =>
    (await collect(io.listObjects({ parallel: 4 }))).map((o) => o.oid).sort(),
  );
  await t.step('listObjects by attribute', async () =>
    (await collect(io.listObjects({ filter: { xattr: 'n', value: bytes('5') } }))).map((o) => o.oid),
  );
  await t.step('listNamespaces', () => io.listNamespaces());
  await t.step('no such slice', () => collect(io.listObjects({ slice: { index: 5, count: 5 } })));
  await t.step('pgOf', () => io.pgOf('a'));
  // Streams.
  await t.step('streams', async () => {
    const data = pattern(1_500_000, 7);
    const parts = [data.subarray(0, 3), data.subarray(3, 700_001), data.subarray(700_001)];
    await pipeline(Readable.from(parts), io.createWriteStream('stream', { chunkSize: 1 << 18 }));
    const back = Buffer.concat(await collect(io.createReadStream('stream', { chunkSize: 100_000 })));
    const range = Buffer.concat(
      await collect(io.createReadStream('stream', { start: 5, end: 250_004, chunkSize: 100_000 })),
    );
    return [sha(back) === sha(data), sha(range) === sha(data.subarray(5, 250_005))];
  });
  t.expect('streams', [true, true]);
  await t.step('stream of nothing', () => collect(io.createReadStream('nothing')));
  // Ends of waiting.
  await t.step('aborted before', () => io.read('a', { signal: AbortSignal.abort() }));
  await t.step('aborted', () => {
    const controller = new AbortController();
    const read = io.read('a', { signal: controller.signal });
    controller.abort();
    return read;
  });
  // Scrubs and hit sets.
  await t.step('inconsistentPgs', () => io.inconsistentPgs());
  await t.step('hitSets', () => io.hitSets(0));
  await t.step('hitSet', () => io.hitSet(0, 1_000_000_000_000));
  await t.step('alignment', () => io.alignment > 0);
  assert.equal(t.steps.alignment, isErasure);
}

/** What replicated pools have beside. */
async function replicatedSteps({ io, t, api }) {
  const { WriteOperation, osdFlag } = api;
  await t.step('write at', () => io.write('w', bytes('abc'), 5));
  await t.step('write at: content', () => io.read('w'));
  await t.step('writeSame', () => io.writeSame('same', bytes('ab'), 8));
  await t.step('writeSame: content', () => io.read('same'));
  await t.step('writeSame unaligned', () => io.writeSame('same', bytes('abc'), 8));
  await t.step('sparseRead', () => io.sparseRead('same', 0, 100));
  await t.step('zero', () => io.zero('same', 2, 3));
  await t.step('zero: content', async () => [...(await io.read('same'))]);
  await t.step('truncate', () => io.truncate('same', 4));
  await t.step('truncate longer', () => io.truncate('same', 6));
  await t.step('truncate: content', async () => [...(await io.read('same'))]);
  await t.step('truncate nothing', () => io.truncate('nothing', 6));
  await t.step('cmpExt in a write', () =>
    io.operate('w', new WriteOperation().cmpExt(bytes('zz'), 5).write(bytes('XX'), 5)),
  );
  t.expectError('cmpExt in a write', 'EILSEQ');
  await t.step('cmpExt in a write, equal', () =>
    io.operate('w', new WriteOperation().cmpExt(bytes('abc'), 5).write(bytes('XX'), 5)),
  );
  await t.step('cmpExt: content', async () => text(await io.read('w', { offset: 5 })));
  await t.step('setAllocHint', () => io.setAllocHint('w', 1 << 22, 4096));
  await t.step('copyFrom', async () => {
    await io.copyFrom('copy', io.copySource('w'));
    return io.read('copy', { offset: 5 });
  });
  await t.step('copyFrom of another version', () => io.copyFrom('copy', io.copySource('w', 1)));
  // omap
  const entries = new Map(Array.from({ length: 2100 }, (_, i) => [`k${String(i).padStart(4, '0')}`, bytes(`v${i}`)]));
  await t.step('omapSet', () => io.omapSet('omap', entries));
  await t.step('omapSetHeader', () => io.omapSetHeader('omap', bytes('head')));
  await t.step('omapGetHeader', () => io.omapGetHeader('omap'));
  await t.step('omapEntries', async () => {
    const all = await collect(io.omapEntries('omap'));
    return [all.length, all[0][0], text(all.at(-1)[1])];
  });
  await t.step(
    'omapEntries after, with prefix',
    async () => (await collect(io.omapEntries('omap', { startAfter: 'k0008', prefix: 'k00' }))).length,
  );
  await t.step('omapKeys', async () => await collect(io.omapKeys('omap', { startAfter: 'k0003' }), 3));
  await t.step('omapGetByKeys', () => io.omapGetByKeys('omap', ['k0002', 'none', 'k0001']));
  await t.step('omapRemoveKeys', () => io.omapRemoveKeys('omap', ['k0000', 'none']));
  await t.step('omapRemoveRange', () => io.omapRemoveRange('omap', 'k0010', 'k2000'));
  await t.step('omapKeys then', async () => (await collect(io.omapKeys('omap'))).length);
  for (const [name, assertions] of [
    ['eq', [['k0001', [bytes('v1'), 'eq']]]],
    ['not', [['k0001', [bytes('v2'), 'eq']]]],
    ['gt', [['k0001', [bytes('v0'), 'gt']]]],
    ['lt', [['k0001', [bytes('v0'), 'lt']]]],
    ['not there', [['none', [bytes(''), 'eq']]]],
    ['ne', [['k0001', [bytes('v0'), 'ne']]]],
  ]) {
    await t.step(`omapCmp ${name}`, () =>
      io.operate('omap', new WriteOperation().omapCmp(new Map(assertions)).setXattr('x', bytes('y'))),
    );
  }
  await t.step('omapClear', () => io.omapClear('omap'));
  await t.step('omapGetAll', () => io.omapGetAll('omap'));
  await t.step('omap of nothing', () => io.omapGetAll('nothing'));
  // Watches.
  await t.step('watch', async () => {
    const heard = [];
    const watch = await io.watch('a', (notify) => {
      heard.push(text(notify.payload));
      notify.ack(bytes('yes'));
    });
    const { acks, timeouts } = await io.notify('a', bytes('ping'), 5000);
    const watchers = await io.listWatchers('a');
    const age = watch.check();
    await watch.unwatch();
    return [
      heard,
      acks.map((a) => text(a.payload)),
      timeouts,
      watchers.length,
      watchers[0].timeout_s,
      age >= 0,
      (await io.listWatchers('a')).length,
    ];
  });
  await t.step('watch nothing', () => io.watch('nothing', () => {}));
  await t.step('notify nobody', () => io.notify('a', bytes('x'), 1000));
  await t.step('notify, no answer', async () => {
    const watch = await io.watch('a', () => {});
    const { acks, timeouts } = await io.notify('a', bytes('x'), 1000);
    await watch.unwatch();
    return [acks.length, timeouts.length];
  });
  await t.step('watched object removed', async () => {
    await io.writeFull('doomed', bytes('x'));
    const error = await new Promise((resolve, reject) => {
      io.watch('doomed', () => {}, { onError: resolve })
        .then(() => io.remove('doomed'))
        .catch(reject);
    });
    return error.code;
  });
  // Reads from replicas.
  await t.step('balanced reads', async () => {
    const all = await Promise.all(
      Array.from({ length: 12 }, () => io.read('w', { offset: 5, flags: osdFlag.BALANCE_READS })),
    );
    return all.map(text);
  });
  await t.step('localized read', () => io.read('w', { offset: 5, flags: osdFlag.LOCALIZE_READS }));
}

async function snapshotSteps({ rados, t, pool, selfManaged }) {
  const io = await rados.openPool(pool);
  await io.writeFull('s', bytes('one'));
  await t.step('createSnapshot', () => io.createSnapshot('first'));
  await t.step('createSnapshot again', () => io.createSnapshot('first'));
  await io.writeFull('s', bytes('two'));
  await t.step('snapshot', async () => {
    const snaps = io.listSnapshots().map((s) => s.name);
    const old = io.with({ snapRead: io.snapshotId('first') });
    return [snaps, await old.read('s'), await io.read('s')];
  });
  t.expect('snapshot', [['first'], 'one', 'two']);
  await t.step('listSnaps', async () => {
    const { clones, seq } = await io.listSnaps('s');
    return [clones.length, clones[0].snaps.length, clones[0].size, seq === io.snapshotId('first')];
  });
  await t.step('rollback', async () => {
    await io.rollback('s', 'first');
    return io.read('s');
  });
  t.expect('rollback', 'one');
  await t.step('no such snapshot', () => io.rollback('s', 'none'));
  await t.step('removeSnapshot', () => io.removeSnapshot('first'));
  await t.step('removeSnapshot again', () => io.removeSnapshot('first'));
  await t.step('no snapshots of programs there', () => io.createSelfManagedSnapshot());
  // Of programs' own.
  const own = await rados.openPool(selfManaged);
  await own.writeFull('s', bytes('old'));
  const snap = await own.createSelfManagedSnapshot();
  const later = own.with({ snapContext: { seq: snap, snaps: [snap] } });
  await later.writeFull('s', bytes('new'));
  await t.step('own snapshot', async () => [await own.with({ snapRead: snap }).read('s'), await own.read('s')]);
  t.expect('own snapshot', ['old', 'new']);
  await t.step('own snapshot, back', async () => {
    await later.rollback('s', snap);
    return own.read('s');
  });
  await t.step('own snapshot removed', () => own.removeSelfManagedSnapshot(snap));
  await t.step('no snapshots of the pool there', () => own.createSnapshot('x'));
}

async function stripedSteps({ io, t }) {
  const striper = io.striper({ stripeUnit: 65536, stripeCount: 3, objectSize: 131_072 });
  const data = pattern(700_001, 3);
  const names = async () =>
    (await collect(io.listObjects()))
      .map((o) => o.oid)
      .filter((n) => n.startsWith('S.'))
      .sort();
  await t.step('striped write', () => striper.write('S', data));
  await t.step('striped read', async () => sha(await striper.read('S')) === sha(data));
  await t.step(
    'striped part',
    async () =>
      sha(await striper.read('S', { offset: 65_000, length: 300_000 })) === sha(data.subarray(65_000, 365_000)),
  );
  await t.step('striped append', async () => {
    await striper.append('S', bytes('tail'));
    return striper.read('S', { offset: 700_001 });
  });
  await t.step('striped stat', async () => (await striper.stat('S')).size);
  await t.step('striped names', names);
  await t.step('striped attributes', async () => [await striper.getXattrs('S'), await striper.layoutOf('S')]);
  await t.step('striped truncate', async () => {
    await striper.truncate('S', 400_000);
    return [sha(await striper.read('S')) === sha(data.subarray(0, 400_000)), await names()];
  });
  await t.step('striped hole', async () => {
    await striper.truncate('S', 500_000);
    return (await striper.read('S', { offset: 400_000 })).every((x) => x === 0);
  });
  await t.step('striped, locked', async () => {
    const lock = await io.lock('S.0000000000000000', 'striper.lock', { type: 'shared', tag: 'Tag' });
    try {
      return await striper.remove('S');
    } finally {
      await lock.unlock();
    }
  });
  t.expectError('striped, locked', 'EBUSY');
  await t.step('striped remove', async () => {
    await striper.remove('S');
    return names();
  });
  await t.step('striped nothing', () => striper.read('S'));
  await t.step('striper: bad layout', () => io.striper({ stripeUnit: 1000 }));
}

async function clusterSteps({ rados, t, pool }) {
  await t.step('createPool again', () => rados.createPool(pool));
  t.expectError('createPool again', 'EEXIST');
  await t.step('createPool again, by command', () => rados.createPool(pool, { pgNum: 8 }));
  await t.step('openPool nothing', () => rados.openPool('nothing'));
  await t.step('openPool by a wrong number', () => rados.openPool(999));
  await t.step('deletePool nothing', () => rados.deletePool('nothing'));
  await t.step('pool variable', () => rados.cluster.getPool(pool, 'size'));
  await t.step('pool variable that is none', () => rados.cluster.getPool(pool, 'nono'));
  await t.step('set and get', async () => {
    await rados.cluster.setPool(pool, 'min_size', 1);
    return rados.cluster.getPool(pool, 'min_size');
  });
  await t.step('status', async () => {
    const { osdmap, quorum_names } = await rados.cluster.status();
    return [osdmap.num_up_osds, quorum_names];
  });
  await t.step('df', async () => (await rados.cluster.df()).pools.some((p) => p.name === pool));
  await t.step('osd tree', async () =>
    (await rados.cluster.osdTree()).nodes.filter((n) => n.type === 'osd').map((n) => [n.name, n.status]),
  );
  await t.step('users', async () => {
    const caps = { mon: 'allow r', osd: `allow r pool=${pool}` };
    const made = await rados.cluster.getOrCreateUser(`client.${pool}`, caps);
    return [made.entity, made.caps, (await rados.cluster.getOrCreateUser(`client.${pool}`, caps)).key === made.key];
  });
  await t.step('user with other caps', () => rados.cluster.getOrCreateUser(`client.${pool}`, { mon: 'allow *' }));
  await t.step('statfs', async () => {
    const { kb, kbAvail } = await rados.statfs();
    return kb > 0 && kbAvail > 0;
  });
  await t.step('poolStats', async () => [...(await rados.poolStats([pool])).keys()]);
  await t.step('monCommand that is none', async () => (await rados.monCommand({ prefix: 'nono' })).result);
  await t.step(
    'osdCommand',
    async () => JSON.parse(text((await rados.osdCommand(0, { prefix: 'version' })).data)).version.split('.')[0],
  );
  await t.step('osdCommand to nobody', async () => (await rados.osdCommand(77, { prefix: 'version' })).result);
  await t.step('pgCommand', async () => {
    const { id } = rados.listPools().find((p) => p.name === pool);
    const { result, data } = await rados.pgCommand(id, 1, { prefix: 'query', pgid: `${id}.1` });
    return [result, typeof JSON.parse(text(data)).state];
  });
  await t.step('mgrCommand', async () => (await rados.mgrCommand({ prefix: 'pg stat', format: 'json' })).result);
  await t.step('log', async () => {
    const word = `said ${Math.random()}`;
    const lines = rados.watchLog({ signal: AbortSignal.timeout(20_000), channel: 'cluster' });
    const heard = (async () => {
      for await (const line of lines) if (line.message === word) return [line.name, line.level, line.channel];
      return 'not heard';
    })();
    await rados.cluster.log(word);
    return heard;
  });
}

/** The whole suite in pools of its own, whose names begin with `prefix`; gives the transcript. */
export async function radosApiSuite(api, rados, prefix) {
  const t = new Transcript();
  const pools = [prefix, `${prefix}-snap`, `${prefix}-own`];
  for (const pool of pools) await rados.createPool(pool, { pgNum: 8, application: 'rados' });
  const io = await rados.openPool(prefix);
  await dataSteps({ io, t, api, isErasure: false });
  await replicatedSteps({ io, t, api });
  await snapshotSteps({ rados, t, pool: pools[1], selfManaged: pools[2] });
  await stripedSteps({ io, t });
  await clusterSteps({ rados, t, pool: prefix });
  for (const pool of pools) await rados.deletePool(pool);
  await t.step('pool deleted', () => io.read('a'));
  t.expectError('pool deleted', 'ENOENT');
  return t.steps;
}

/** As {@link radosApiSuite}, what an erasure-coded pool has of it. */
export async function erasureSuite(api, rados) {
  const t = new Transcript();
  await rados.cluster.run('profile', {
    prefix: 'osd erasure-code-profile set',
    name: 'api',
    profile: ['k=2', 'm=1', 'crush-failure-domain=osd'],
  });
  await rados.createPool('api-ec', { pgNum: 8, type: 'erasure', erasureCodeProfile: 'api', application: 'rados' });
  const io = await rados.openPool('api-ec');
  await dataSteps({ io, t, api, isErasure: true });
  await t.step('no omap', () => io.omapSet('a', new Map([['k', bytes('v')]])));
  t.expectError('no omap', 'EOPNOTSUPP');
  await t.step('no overwrites', () => io.write('a', bytes('x'), 3));
  await rados.deletePool('api-ec');
  return t.steps;
}
