import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrnoError, errno, silentLogger } from '../base/index.ts';
import { backoffOp, MOSDBackoff, MWatchNotify, osdFlag, osdOp, watchEvent, watchOp } from '../messages/index.ts';
import { clientPolicies, Messenger } from '../msgr/index.ts';
import {
  entityType,
  Hobject,
  hobjectMax,
  osdMapFlag,
  osdState,
  PgPool,
  parseAuthName,
  poolFlag,
} from '../types/index.ts';
import { type IoCtx, initialMonMap, MonClient, Rados, RadosError } from './index.ts';
import { parseCrushLocation } from './op-target.ts';
import { everyPg, MiniCluster, PG_NUM, POOL, type SeenOp, testConfig } from './testing/mini-cluster.ts';
import { World } from './testing/world.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const hasErrno = (name: string) => (e: ErrnoError) => e.errnoName === name;

function makeRados(cluster: MiniCluster, options: Record<string, string> = {}): Rados {
  const { world } = cluster;
  return new Rados({
    name: parseAuthName('client.admin')!,
    keyring: cluster.keyring,
    config: testConfig(entityType.CLIENT, { mon_host: cluster.monHost, ...options }),
    network: world,
    clock: world,
    entropy: world.entropy,
    log: silentLogger,
  });
}

async function start(
  options: Record<string, string> = {},
  mons = 1,
): Promise<{ world: World; cluster: MiniCluster; rados: Rados; io: IoCtx }> {
  const world = new World();
  const cluster = await MiniCluster.start(world, mons);
  const rados = makeRados(cluster, options);
  await world.settle(rados.connect());
  const io = await world.settle(rados.openPool('p'));
  return { world, cluster, rados, io };
}

test('mon_host in all its spellings', () => {
  const names = (host: string): string =>
    [...initialMonMap(host).mons.values()].map((m) => `${m.name} ${m.addrs}`).join('; ');
  assert.equal(
    names('[v2:1.2.3.4:3300,v1:1.2.3.4:6789],5.6.7.8'),
    'noname-a [v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]; noname-b [v2:5.6.7.8:3300/0,v1:5.6.7.8:6789/0]',
  );
  assert.equal(
    names('v2:1.2.3.4:77 [::1]:5;v1:9.9.9.9'),
    'noname-a v2:1.2.3.4:77/0; noname-b v2:[::1]:5/0; noname-c v1:9.9.9.9:6789/0',
  );
  assert.throws(() => initialMonMap('some.host'), hasErrno('EINVAL'));
  assert.throws(() => initialMonMap(''), hasErrno('ENOENT'));
});

test('a client connects, reads and writes', async () => {
  const { world, rados, io } = await start();
  assert.equal(rados.instanceId, 4100n);
  assert.equal(await world.settle(io.writeFull('o', text('hello'))), 1);
  assert.deepEqual(await world.settle(io.read('o')), text('hello'));
  await assert.rejects(world.settle(io.read('nothing')), hasErrno('ENOENT'));
  assert.deepEqual(rados.listPools(), [{ id: POOL, name: 'p' }]);
  await assert.rejects(world.settle(rados.openPool('q')), hasErrno('ENOENT'));
  rados.shutdown();
  await assert.rejects(io.read('o'), hasErrno('ESHUTDOWN'));
});

test('a refused client is told so; one without monitors waits for its timeout', async () => {
  const world = new World();
  const cluster = await MiniCluster.start(world, 2);
  cluster.keys.apply({ op: 'del', name: 'client.admin' });
  await assert.rejects(world.settle(makeRados(cluster).connect()), hasErrno('EACCES'));
  for (const mon of cluster.mons) mon.messenger.shutdown();
  const rados = makeRados(cluster, { client_mount_timeout: '5' });
  await assert.rejects(world.settle(rados.connect()), hasErrno('ETIMEDOUT'));
});

test('sessions move to another monitor: commands, subscriptions, the log and the global id go along', async () => {
  const { world, cluster, rados } = await start({}, 3);
  const current = (): number => cluster.monMap.rankOf(rados.monClient.currentMon ?? '');
  const before = current();
  const events: string[] = [];
  rados.monClient.addListener({
    sessionReset: () => events.push('reset'),
    sessionOpened: () => events.push('opened'),
    configReceived: (options) => events.push(`config ${[...options.keys()]}`),
  });
  cluster.mons[before]!.isDeaf = true;
  rados.monClient.clusterLog(1, 'something happened');
  const command = rados.monCommand('{"prefix":"x"}');
  await world.run(() => cluster.mons[before]!.commands.length > 0 && cluster.mons[before]!.logged.length > 0);
  cluster.options = new Map([['osd_max_backfills', '3']]);
  cluster.mons[before]!.messenger.shutdown();
  const result = await world.settle(command);
  assert.equal(new TextDecoder().decode(result.data), 'did {"prefix":"x"}');
  assert.notEqual(current(), before);
  assert.equal(rados.instanceId, 4100n);
  await world.run(() => events.includes('config osd_max_backfills'));
  assert.deepEqual(events.slice(0, 2), ['reset', 'opened']);
  assert.deepEqual(cluster.mons[current()]!.logged, ['something happened']);
  rados.shutdown();
});

test('a silent monitor is left', async () => {
  const { world, cluster, rados } = await start({}, 2);
  const before = rados.monClient.currentMon;
  const mon = cluster.mons[cluster.monMap.rankOf(before!)]!;
  // It accepts everything and answers nothing, keepalives included.
  for (const c of mon.messenger.connections()) (c as unknown as { link: { pause(): void } }).link.pause();
  await world.run(() => rados.monClient.currentMon !== before && rados.monClient.isConnected, 120_000);
  rados.shutdown();
});

test('tickets and rotating secrets are renewed while time passes', async () => {
  const world = new World();
  const cluster = await MiniCluster.start(world);
  const messenger = new Messenger({
    network: world,
    clock: world,
    entropy: world.entropy,
    name: { type: entityType.OSD, num: 9 },
    policies: clientPolicies(),
  });
  const mon = new MonClient({
    messenger,
    name: parseAuthName('osd.9')!,
    keyring: cluster.keyring,
    clock: world,
    entropy: world.entropy,
    log: silentLogger,
    config: testConfig(entityType.OSD, { mon_host: cluster.monHost, mon_client_log_interval: '10' }),
  });
  await world.settle(mon.authenticate(5000));
  await world.settle(mon.waitRotating(5000));
  // The OSD checks a fresh client's ticket by what it last got.
  for (let hours = 0; hours < 4; hours++) {
    await world.pass(3_600_000);
    cluster.rotate();
    await world.settle(mon.waitRotating(60_000));
    const client = mon.authClient.start({ peerType: entityType.OSD } as never);
    const server = mon.authServer.start({ peerType: entityType.OSD } as never);
    const request = client.request();
    assert.ok(request.kind === 'request');
    let kind = '';
    server.request(request.method, [1], request.payload, (reply) => {
      kind = reply.kind;
    });
    assert.equal(kind, 'more', `hour ${hours}`);
  }
  mon.shutdown();
});

test('requests follow the primary, in order, and are done once', async () => {
  const { world, cluster, rados, io } = await start();
  const held: SeenOp[] = [];
  cluster.osds[0]!.hook = (op) => {
    held.push(op);
    return true;
  };
  const writes = ['1', '2', '3'].map((v) => io.writeFull('o', text(v)));
  await world.run(() => held.length === 3);
  cluster.change({ pgTemp: everyPg([1, 0]) });
  await world.settle(Promise.all(writes));
  const later = cluster.seen.filter((op) => op.osd === 1);
  assert.deepEqual(
    later.map((op) => [op.tid, op.request.retryAttempt]),
    held.map((op) => [op.tid, 1]),
  );
  assert.equal(later[0]!.request.osdmapEpoch, cluster.osdMap.epoch);
  // The old primary's answer comes too late and counts for nothing.
  held[0]!.connection.send(cluster.osds[0]!.reply(held[0]!, -5));
  assert.deepEqual(await world.settle(io.read('o')), text('3'));
  rados.shutdown();
});

test('a lost connection, an OSD that is down, and one that comes back elsewhere', async () => {
  const { world, cluster, rados, io } = await start();
  await world.settle(io.writeFull('o', text('a')));
  let isDeaf = true;
  cluster.osds[0]!.hook = (op) => {
    if (!isDeaf) return false;
    isDeaf = false;
    op.connection.markDown();
    return true;
  };
  await world.settle(io.writeFull('o', text('b')));
  isDeaf = true;
  cluster.osds[0]!.hook = () => isDeaf;
  const write = io.writeFull('o', text('c'));
  await world.run(() => cluster.seen.length === 4);
  const [up, ...rest] = cluster.osdMap.osdState;
  cluster.change({ osdState: [osdState.EXISTS, ...rest], pgTemp: everyPg([]) });
  await world.run(() => rados.osdMap.epoch === 2, 20_000);
  isDeaf = false;
  cluster.change({ osdState: [up!, ...rest], pgTemp: everyPg([0, 1]) });
  await world.settle(write);
  assert.deepEqual(await world.settle(io.read('o')), text('c'));
  rados.shutdown();
});

test('paused and full: requests wait, and go on when the map says so', async () => {
  const { world, cluster, rados, io } = await start();
  cluster.change({ flags: osdMapFlag.PAUSEWR });
  await world.settle(rados.waitForLatestMap());
  const write = io.writeFull('o', text('x'));
  await world.pass(1000);
  assert.equal(cluster.seen.length, 0);
  cluster.change({ flags: 0 });
  await world.settle(write);
  const pool = cluster.osdMap.pools.get(POOL)!;
  cluster.change({ pools: new Map([[POOL, pool.clone({ flags: poolFlag.FULL })]]) });
  await world.settle(rados.waitForLatestMap());
  const second = io.writeFull('o', text('y'));
  await world.settle(io.read('o'));
  const forced = await start();
  forced.rados.shutdown();
  const seen = cluster.seen.length;
  await world.pass(1000);
  assert.equal(cluster.seen.length, seen);
  cluster.change({ pools: new Map([[POOL, pool]]) });
  await world.settle(second);
  // A pool that goes away ends what is for it.
  cluster.osds[0]!.hook = () => true;
  const lost = io.read('o');
  await world.pass(10);
  cluster.change({ pools: new Map(), poolNames: new Map() });
  await assert.rejects(world.settle(lost), hasErrno('ENOENT'));
  rados.shutdown();
});

test('a split sends again what is for the PGs that split', async () => {
  const { world, cluster, rados, io } = await start();
  const held: SeenOp[] = [];
  cluster.osds[0]!.hook = (op) => {
    if (op.request.osdmapEpoch > 1) return false;
    held.push(op);
    return true;
  };
  const names = Array.from({ length: 16 }, (_, i) => `o${i}`);
  const writes = names.map((name) => io.writeFull(name, text(name)));
  await world.run(() => held.length === names.length);
  const pool = new PgPool({ size: 2, minSize: 1, pgNum: PG_NUM + 1, pgpNum: PG_NUM });
  cluster.change({
    pools: new Map([[POOL, pool]]),
    pgTemp: new Map([...everyPg([0, 1]), [POOL * 2 ** 32 + PG_NUM, [0, 1]]]),
  });
  await world.run(() => rados.osdMap.epoch === 2 || cluster.seen.length > held.length, 20_000).catch(() => {});
  await world.settle(rados.waitForLatestMap());
  await world.pass(100);
  const again = new Set(cluster.seen.filter((op) => op.request.osdmapEpoch === 2).map((op) => op.request.hobj.oid));
  for (const op of held)
    assert.equal(again.has(op.request.hobj.oid), op.request.pgid.pgid.seed === 0, op.request.hobj.oid);
  for (const op of held) {
    if (!again.has(op.request.hobj.oid)) op.connection.send(cluster.osds[0]!.reply(op, 0));
  }
  await world.settle(Promise.all(writes));
  rados.shutdown();
});

test('backoffs hold requests for their range back', async () => {
  const { world, cluster, rados, io } = await start();
  let first: SeenOp | undefined;
  cluster.osds[0]!.hook = (op) => {
    if (first !== undefined) return false;
    first = op;
    const { pgid } = op.request;
    const begin = new Hobject('', '', 0, 0, -(2 ** 63), '');
    op.connection.send(MOSDBackoff.encode({ pgid, mapEpoch: 1, op: backoffOp.BLOCK, id: 5, begin, end: hobjectMax }));
    return true;
  };
  const blocked = io.writeFull('o', text('x'));
  await world.run(() => cluster.otherMessages.length === 1);
  assert.equal(MOSDBackoff.decode(cluster.otherMessages[0]!).op, backoffOp.ACK_BLOCK);
  const read = io.read('o');
  await world.pass(1000);
  assert.equal(cluster.seen.length, 1);
  const { pgid } = first!.request;
  const begin = new Hobject('', '', 0, 0, -(2 ** 63), '');
  first!.connection.send(
    MOSDBackoff.encode({ pgid, mapEpoch: 1, op: backoffOp.UNBLOCK, id: 5, begin, end: hobjectMax }),
  );
  await world.settle(blocked);
  assert.deepEqual(await world.settle(read), text('x'));
  rados.shutdown();
});

test('EAGAIN and redirects are requests anew; timeouts and the budget', async () => {
  const { world, cluster, rados, io } = await start({ rados_osd_op_timeout: '2', objecter_inflight_ops: '2' });
  const hook = cluster.osds[0]!;
  const tids: number[] = [];
  hook.hook = (op) => {
    tids.push(op.tid);
    if (tids.length === 1) op.connection.send(hook.reply(op, -errno.EAGAIN));
    else if (tids.length === 2) {
      const redirect = {
        locator: { pool: POOL, key: '', nspace: '', hash: -1 },
        object: 'elsewhere',
        legacyInstructions: new Uint8Array(0),
      };
      op.connection.send(hook.reply(op, -errno.ENOENT, { redirect }));
    } else return false;
    return true;
  };
  await world.settle(io.writeFull('o', text('x')));
  assert.equal(new Set(tids).size, 3);
  assert.ok(cluster.objects.has('elsewhere'));
  assert.notEqual(cluster.seen[2]!.request.flags & osdFlag.REDIRECTED, 0);

  hook.hook = () => true;
  const slow = [1, 2, 3, 4].map((i) => io.read(`r${i}`));
  for (const promise of slow) promise.catch(() => {});
  await world.pass(1000);
  assert.equal(cluster.seen.length, 5, 'two under way, two waiting');
  assert.equal(rados.objecter.inFlight, 4);
  for (const promise of slow) await assert.rejects(world.settle(promise), hasErrno('ETIMEDOUT'));
  rados.shutdown();
});

test('watches: registered, pinged, moved with the primary, told and broken', async () => {
  const { world, cluster, rados, io } = await start();
  const notified: string[] = [];
  const errors: string[] = [];
  const watch = await world.settle(
    io.watch(
      'o',
      (n) => {
        notified.push(new TextDecoder().decode(n.payload));
        n.ack();
      },
      { onError: (e) => errors.push(e.errnoName), reconnect: false },
    ),
  );
  const kinds = (): number[] =>
    cluster.seen.filter((s) => s.request.ops[0]!.code === osdOp.WATCH).map((s) => s.request.ops[0]!.watchOp);
  assert.deepEqual(kinds(), [watchOp.WATCH]);
  const send = (opcode: number): void =>
    cluster.seen
      .at(-1)!
      .connection.send(MWatchNotify.encode({ opcode, cookie: watch.cookie, notifyId: 9n, payload: text('hey') }));
  send(watchEvent.NOTIFY);
  await world.run(() => cluster.seen.some((s) => s.request.ops[0]!.code === osdOp.NOTIFY_ACK));
  assert.deepEqual(notified, ['hey']);
  await world.run(() => kinds().includes(watchOp.PING));
  assert.ok(watch.check() < 10_000);
  cluster.change({ pgTemp: everyPg([1, 0]) });
  await world.run(() => kinds().includes(watchOp.RECONNECT), 20_000);
  assert.equal(cluster.seen.at(-1)!.osd, 1);
  await world.pass(10);
  send(watchEvent.DISCONNECT);
  await world.run(() => errors.length > 0);
  assert.deepEqual(errors, ['ENOTCONN']);
  assert.throws(() => watch.check(), hasErrno('ENOTCONN'));
  await world.settle(watch.unwatch());
  rados.shutdown();
});

test('an operation ends with its own timeout or signal, under way or waiting; room is told', async () => {
  const { world, cluster, rados, io } = await start({ objecter_inflight_ops: '2' });
  for (const osd of cluster.osds) osd.hook = () => true;
  const controller = new AbortController();
  const calls = [
    io.read('a', { timeout_ms: 50 }),
    io.read('b', { signal: controller.signal }),
    io.read('c', { signal: controller.signal }),
    io.read('d', { timeout_ms: 20 }),
  ];
  const ended = Promise.allSettled(calls);
  let hasRoom = false;
  io.whenRoom().then(() => {
    hasRoom = true;
  });
  await world.pass(10);
  assert.equal(hasRoom, false);
  controller.abort(new Error('enough'));
  const results = await world.settle(ended);
  const reasons = results.map((r) => (r.status === 'rejected' ? (r.reason.code ?? r.reason.message) : r.value));
  assert.deepEqual(reasons, ['ETIMEDOUT', 'enough', 'enough', 'ETIMEDOUT']);
  await world.pass(1);
  assert.equal(hasRoom, true);
  assert.equal(rados.objecter.inFlight, 0);
  await assert.rejects(io.read('e', { signal: controller.signal }), /enough/);
  rados.shutdown();
});

test('reads into a buffer; errors say what failed, and where', async () => {
  const { world, rados, io } = await start();
  await world.settle(io.writeFull('o', text('hello')));
  const place = new Uint8Array(16);
  const got = await world.settle(io.read('o', { into: place }));
  assert.deepEqual(got, text('hello'));
  assert.equal(got.buffer, place.buffer);
  await assert.rejects(io.read('o', { into: place, length: 17 }), hasErrno('ERANGE'));
  const error = await world.settle(io.read('nothing').catch((e: unknown) => e));
  assert.ok(error instanceof RadosError);
  const { code, operation, pool, object, message } = error;
  assert.deepEqual([code, operation, pool, object], ['ENOENT', 'read', 'p', 'nothing']);
  assert.equal(message, 'ENOENT: read p/nothing');
  assert.equal(new RadosError(-4095 - 7, { operation: 'cmpext' }).mismatchOffset, 7);
  rados.shutdown();
});

test("long content that was read is the caller's: changed, it can be written back", async () => {
  const { world, rados, io } = await start();
  await world.settle(io.writeFull('o', new Uint8Array(200_000).fill(3)));
  for (const options of [{}, { into: new Uint8Array(200_000) }]) {
    const content = await world.settle(io.read('o', options));
    content[150_000]! += 1;
    await world.settle(io.writeFull('o', content));
    assert.deepEqual(await world.settle(io.read('o')), content);
  }
  rados.shutdown();
});

test('a read that was given up leaves the buffer alone, however much of the reply is there', async () => {
  const { world, rados, io } = await start();
  const content = new Uint8Array(100_000).fill(7);
  await world.settle(io.writeFull('o', content));
  const counts = { done: 0, givenUp: 0, begun: 0 };
  for (let steps = 0; counts.done < 3; steps++) {
    const place = new Uint8Array(content.length);
    const controller = new AbortController();
    const ended = world.settle(Promise.allSettled([io.read('o', { into: place, signal: controller.signal })]));
    let left = steps;
    await world.run(() => left-- === 0).catch(() => {});
    controller.abort(new Error('enough'));
    const [outcome] = await ended;
    const before = place.slice();
    await world.pass(20);
    assert.deepEqual(place, before, `after ${steps} steps`);
    if (outcome!.status === 'fulfilled') {
      counts.done++;
      assert.deepEqual(place, content);
      assert.equal(outcome!.value.buffer, place.buffer);
    } else counts.givenUp++;
    if (place[0] === 7 && place.at(-1) === 0) counts.begun++;
  }
  assert.ok(counts.givenUp > 2 && counts.begun > 0, JSON.stringify(counts));
  assert.deepEqual(await world.settle(io.read('o')), content);
  rados.shutdown();
});

test('a watch that the OSD dropped is made anew', async () => {
  const { world, cluster, rados, io } = await start();
  let again = 0;
  const watch = await world.settle(io.watch('o', (n) => n.ack(), { onReconnect: () => again++ }));
  const { cookie } = watch;
  cluster.seen
    .at(-1)!
    .connection.send(MWatchNotify.encode({ opcode: watchEvent.DISCONNECT, cookie, notifyId: 0n, payload: text('') }));
  await world.run(() => again === 1);
  assert.notEqual(watch.cookie, cookie);
  assert.ok(watch.check() >= 0);
  await world.settle(watch.unwatch());
  rados.shutdown();
});

test('where a client is', () => {
  const location = parseCrushLocation('root=default rack=r1;host=a, host=b bad =x');
  assert.deepEqual(
    [...location],
    [
      ['root', ['default']],
      ['rack', ['r1']],
      ['host', ['a', 'b']],
    ],
  );
});
