import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantError } from '../base/index.ts';
import { DecodeError } from '../encoding/index.ts';
import { EntityAddrVec, entityType } from '../types/index.ts';
import { limits, Tag } from './constants.ts';
import { encodeBanner } from './control-frames.ts';
import { FrameWriter } from './frame-writer.ts';
import { clientPolicies, osdClusterPolicies, osdPublicPolicies, type PolicySet, policies } from './policy.ts';
import { type ConnectionState, checkTransition, isLegal, transitions } from './states.ts';
import { FakeWorld } from './testing/fake-world.ts';
import { client, makeNode, message, osd } from './testing/harness.ts';
import { testAuthServer } from './testing/none-auth.ts';

for (const isSecure of [false, true]) {
  for (const chunk of [undefined, 1, 7]) {
    test(`client and server exchange messages, ${isSecure ? 'secure' : 'crc'}, chunks of ${chunk ?? 'any size'}`, async () => {
      const world = new FakeWorld(chunk === undefined ? {} : { chunk: () => chunk });
      const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
      const user = await makeNode(world, client(-1), clientPolicies(), 0, { isSecure });
      server.recorder.onMessage = (m) => m.connection.send(message(m.tid + 1000, { data: m.data, middle: m.front }));
      const con = user.messenger.connect(entityType.OSD, server.addrs);
      const data = [Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff), Uint8Array.of(9, 9)];
      con.send(message(1));
      con.send(message(2, { data, dataOffset: 0x123 }));
      con.send(message(3, { front: new Uint8Array(0) }));
      assert.ok(world.run(() => user.recorder.received.length === 3));
      assert.deepEqual(server.recorder.tids, [1, 2, 3]);
      const second = server.recorder.received[1]!;
      assert.equal(second.dataOffset, 0x123);
      assert.equal(second.type, 42);
      assert.equal(second.version, 3);
      assert.equal(second.seq, 2);
      assert.deepEqual(Buffer.concat(second.data), Buffer.concat(data));
      assert.deepEqual(Buffer.concat(user.recorder.received[1]!.data), Buffer.concat(data));
      assert.deepEqual([...user.recorder.received[0]!.middle], [1, 0]);
      assert.equal(con.isSecure, isSecure);
      assert.equal(con.isConnected, true);
      assert.deepEqual(con.peerName, osd(1));
      assert.equal(second.connection.peerType, entityType.CLIENT);
      assert.equal(second.connection.identity?.name.id, 'admin');
      assert.equal(second.dataCrc === undefined, isSecure);
      assert.deepEqual(user.recorder.events, ['connect']);
      assert.deepEqual(server.recorder.events, ['accept']);
    });
  }
}

test('authentication in several rounds, answered later', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, {
    authServer: testAuthServer({ rounds: 3, defer: (fn) => void world.at(5, fn) }),
  });
  const user = await makeNode(world, client(-1), clientPolicies(), 0, { isSecure: true });
  user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1));
});

test('a lossy session ends with its socket, on both sides', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  let dialled = 0;
  let cut: (() => void) | undefined;
  world.network.onConnection = (dialling) => {
    dialled++;
    cut = () => dialling.break();
  };
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1));
  cut!();
  world.run(undefined, 1000);
  assert.deepEqual(user.recorder.events, ['connect', 'reset']);
  assert.deepEqual(server.recorder.events, ['accept', 'reset']);
  assert.equal(dialled, 1);
  con.send(message(2));
  const again = user.messenger.connect(entityType.OSD, server.addrs);
  assert.notEqual(again, con);
  again.send(message(3));
  world.run(undefined, 1000);
  assert.deepEqual(server.recorder.tids, [1, 3]);
});

test('a lossy client dials again, later and later, until it is refused no more', async () => {
  const world = new FakeWorld();
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  const addrs = EntityAddrVec.parse('v2:127.0.0.1:6800/6801')!;
  user.messenger.connect(entityType.OSD, addrs).send(message(1));
  world.run(undefined, 5000);
  // At 0, 0.2, 0.6, 1.4, 3.0 s.
  assert.equal(user.recorder.events.filter((e) => e === 'refused').length, 5);
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  assert.ok(world.run(() => server.recorder.received.length === 1, 20_000));
});

test('a second connection from a registered client address replaces the first', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1));
  user.messenger.connect(entityType.OSD, server.addrs, { anonymous: true }).send(message(2));
  assert.ok(world.run(() => server.recorder.received.length === 2));
  world.run(undefined, 1000);
  assert.deepEqual(server.recorder.events, ['accept', 'reset', 'accept']);
  assert.deepEqual(user.recorder.events.sort(), ['connect', 'connect', 'reset']);
});

test('one connection to each peer; the own address is the loopback', async () => {
  const world = new FakeWorld();
  const a = await makeNode(world, osd(1), osdClusterPolicies(), 6800);
  const b = await makeNode(world, osd(2), osdClusterPolicies(), 6801);
  const con = a.messenger.connect(entityType.OSD, b.addrs);
  assert.equal(a.messenger.connect(entityType.OSD, b.addrs), con);
  assert.equal(a.messenger.getConnection(b.addrs), con);
  const self = a.messenger.connect(entityType.OSD, a.addrs);
  assert.equal(self, a.messenger.loopback);
  self.send(message(7));
  self.send(message(8));
  assert.equal(a.recorder.received.length, 0);
  world.run(() => con.isConnected);
  assert.deepEqual(a.recorder.tids, [7, 8]);
  // The peer answers on the session it was dialled on.
  assert.equal(b.messenger.connect(entityType.OSD, a.addrs), b.recorder.accepted[0]);
});

test('keepalives renew lastActive_ms; an idle connection ends', async () => {
  const world = new FakeWorld({ latency_ms: () => 3 });
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0, { options: { idleTimeout_ms: 100_000 } });
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  assert.ok(world.run(() => con.isConnected));
  for (let i = 0; i < 5; i++) {
    world.run(undefined, 60_000);
    const before = con.lastActive_ms;
    con.keepalive();
    assert.ok(world.run(() => con.lastActive_ms > before, 1000));
  }
  world.run(undefined, 90_000);
  assert.deepEqual(user.recorder.events, ['connect']);
  world.run(undefined, 120_000);
  assert.deepEqual(user.recorder.events, ['connect', 'reset']);
});

test('markDisposable sends what is queued, markDown does not; neither is told', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1));
  con.markDisposable();
  world.run(undefined, 1000);
  assert.deepEqual(server.recorder.tids, [1]);
  assert.deepEqual(server.recorder.events, ['accept', 'reset']);
  const nowhere = user.messenger.connect(entityType.OSD, EntityAddrVec.parse('v2:127.0.0.1:6999/1')!);
  nowhere.markDisposable();
  world.run(undefined, 1000);
  assert.equal(user.messenger.stats.connections, 0);
  user.recorder.events.length = 1;
  const other = user.messenger.connect(entityType.OSD, server.addrs);
  other.send(message(2));
  other.markDown();
  world.run(undefined, 1000);
  assert.deepEqual(server.recorder.tids, [1]);
  assert.deepEqual(user.recorder.events, ['connect']);
});

test('missing features end the attempt, with what is missing', async () => {
  const world = new FakeWorld();
  const lines: string[] = [];
  const server = await makeNode(
    world,
    osd(1),
    { default: { ...osdPublicPolicies().default, featuresRequired: 1n << 12n }, byType: new Map() },
    6800,
  );
  const user = await makeNode(world, client(-1), clientPolicies(), 0, {
    featuresSupported: (1n << 59n) | 1n,
    logger: { enabled: () => true, log: (_s, _l, line) => lines.push(line), error: () => {} },
  });
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  world.run(undefined, 1000);
  assert.equal(con.isConnected, false);
  assert.ok(lines.some((line) => line.includes('requires features 0x1000')));
});

test('high priority overtakes what waits behind a full socket', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1, { priority: 63 }));
  con.send(message(2));
  con.send(message(3, { priority: 196 }));
  con.send(message(4, { priority: 196 }));
  assert.ok(world.run(() => server.recorder.received.length === 4));
  assert.deepEqual(server.recorder.tids, [3, 4, 2, 1]);
});

test('a message budget holds the peer back until messages are released', async () => {
  const world = new FakeWorld();
  const limited = (options: object): PolicySet => ({
    default: { ...policies.statelessServer(), ...options },
    byType: new Map(),
  });
  const cases = [
    { policies: limited({ throttleBytes_max: 2500 }), options: {}, fit: 2 },
    { policies: limited({ throttleMessages_max: 3 }), options: {}, fit: 3 },
    { policies: limited({}), options: { dispatchThrottle_bytes: 4100 }, fit: 4 },
    // One larger than the whole budget passes alone.
    { policies: limited({ throttleBytes_max: 10 }), options: {}, fit: 1 },
  ];
  for (const [i, { policies: set, options, fit }] of cases.entries()) {
    const server = await makeNode(world, osd(i), set, 6800 + i, { options });
    server.recorder.keep = true;
    const user = await makeNode(world, client(-1), clientPolicies(), 0);
    const con = user.messenger.connect(entityType.OSD, server.addrs);
    for (let tid = 1; tid <= 12; tid++) con.send(message(tid, { data: [new Uint8Array(1000)] }));
    world.run(undefined, 1000);
    assert.equal(server.recorder.received.length, fit, `case ${i}`);
    for (let n = 0; n < 12; n++) {
      const held = server.recorder.received[n]!;
      held.release();
      held.release(); // counts once
      world.run(undefined, 10);
    }
    assert.deepEqual(server.recorder.tids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], `case ${i}`);
  }
});

test('budgets of a connection that is gone go back', async () => {
  const world = new FakeWorld({ chunk: () => 100 });
  const set: PolicySet = { default: { ...policies.statelessServer(), throttleBytes_max: 1500 }, byType: new Map() };
  const server = await makeNode(world, osd(1), set, 6800);
  server.recorder.keep = true;
  const first = await makeNode(world, client(-1), clientPolicies(), 0);
  world.network.onConnection = (_dialling, listening) => {
    listening.onDeliver = (received) => received < 1500;
  };
  // Dies in the middle of its message.
  first.messenger.connect(entityType.OSD, server.addrs).send(message(1, { data: [new Uint8Array(1400)] }));
  world.run(undefined, 100);
  assert.deepEqual(server.recorder.tids, []);
  world.network.onConnection = undefined;
  const second = await makeNode(world, client(-1), clientPolicies(), 0);
  second.messenger.connect(entityType.OSD, server.addrs).send(message(2, { data: [new Uint8Array(1400)] }));
  world.run(undefined, 100);
  assert.deepEqual(server.recorder.tids, [2]);
  second.messenger.shutdown();
  world.run(undefined, 100);
  const third = await makeNode(world, client(-1), clientPolicies(), 0);
  third.messenger.connect(entityType.OSD, server.addrs).send(message(3, { data: [new Uint8Array(1400)] }));
  world.run(undefined, 100);
  assert.deepEqual(server.recorder.tids, [2]);
  server.recorder.received[0]!.release();
  world.run(undefined, 100);
  assert.deepEqual(server.recorder.tids, [2, 3]);
});

test('half-open connections are bounded in number and time', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, {
    options: { halfOpen_max: 5, connectTimeout_ms: 1000 },
  });
  let closed = 0;
  for (let i = 0; i < 30; i++) {
    world.network.connect(
      { host: '127.0.0.1', port: 6800 },
      (socket) => {
        socket.handler = { data: () => {}, drain: () => {}, closed: () => closed++ };
        if (i % 2 === 0) socket.write([Uint8Array.of(0x63)]);
      },
      () => {},
    );
  }
  world.run(undefined, 100);
  assert.equal(server.messenger.stats.halfOpen, 5);
  assert.equal(closed, 25);
  world.run(undefined, 2000);
  assert.equal(server.messenger.stats.halfOpen, 0);
  assert.equal(closed, 30);
  assert.deepEqual(server.recorder.events, []);
});

test('a peer that does not prove itself cannot make us keep much', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const writer = new FrameWriter();
  writer.raw(encodeBanner(1n, 0n));
  writer.control(Tag.HELLO, new Uint8Array(limits.preAuthBytes), true, undefined);
  let closed = false;
  world.network.connect(
    { host: '127.0.0.1', port: 6800 },
    (socket) => {
      socket.handler = { data: () => {}, drain: () => {}, closed: () => (closed = true) };
      const bytes = Buffer.concat(writer.take());
      socket.write([bytes.subarray(0, 26 + 32)]);
    },
    () => {},
  );
  world.run(undefined, 100);
  assert.ok(closed);
  assert.equal(server.messenger.stats.connections, 0);
});

test("a daemon's place is taken with that daemon's kind of key only", async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdClusterPolicies(), 6800, {
    authServer: testAuthServer({ nameOf: () => ({ type: entityType.CLIENT, id: 'eve' }) }),
  });
  const impostor = await makeNode(world, osd(2), osdClusterPolicies(), 6801);
  const con = impostor.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1));
  world.run(undefined, 5000);
  assert.equal(con.isConnected, false);
  assert.deepEqual(server.recorder.events, []);
});

test('a session is not taken over by another identity under the same address', async () => {
  const world = new FakeWorld();
  let id = '2';
  const server = await makeNode(world, osd(1), osdClusterPolicies(), 6800, {
    authServer: testAuthServer({ nameOf: () => ({ type: entityType.OSD, id }) }),
  });
  const peer = await makeNode(world, osd(2), osdClusterPolicies(), 6801);
  peer.messenger.connect(entityType.OSD, server.addrs).send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1));
  id = '3';
  peer.messenger.shutdown();
  const other = await makeNode(world, osd(3), osdClusterPolicies(), 6801);
  other.messenger.connect(entityType.OSD, server.addrs).send(message(2));
  assert.ok(world.run(() => server.recorder.received.length === 2));
  assert.deepEqual(server.recorder.events, ['accept', 'reset', 'accept']);
  assert.notEqual(server.recorder.accepted[0], server.recorder.accepted[1]);
});

test('a message that nobody takes is released; one that does not decode ends its connection', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  server.recorder.handleMessage = (m) => {
    if (m.tid === 1) return false;
    throw new DecodeError('bad', 0);
  };
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1));
  world.run(undefined, 100);
  assert.deepEqual(user.recorder.events, ['connect']);
  con.send(message(2));
  world.run(undefined, 100);
  assert.deepEqual(user.recorder.events, ['connect', 'reset']);
});

test('every state but CLOSED can be left, and an illegal move is an invariant', () => {
  for (const [from, to] of Object.entries(transitions)) {
    assert.equal(to.length === 0, from === 'CLOSED');
    if (from !== 'CLOSED') assert.ok(isLegal(from as ConnectionState, 'CLOSED'));
  }
  assert.throws(() => checkTransition('CLOSED', 'READY', () => 'x'), InvariantError);
  assert.throws(() => checkTransition('BANNER_ACCEPTING', 'READY', () => 'x'), InvariantError);
});
