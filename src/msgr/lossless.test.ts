import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entityType } from '../types/index.ts';
import { monPolicies, osdClusterPolicies, type PolicySet, policies } from './policy.ts';
import { FakeWorld } from './testing/fake-world.ts';
import { makeNode, message, type Node, osd } from './testing/harness.ts';

const range = (n: number, from = 1): number[] => Array.from({ length: n }, (_, i) => i + from);

function openConnections(node: Node): number {
  return [...node.messenger.connections()].length;
}

/** Two peers that send to each other while sockets break as `breakAt` says. Checks that all arrives once and in order. */
async function exchange(
  world: FakeWorld,
  options: { count: number; policies?: PolicySet; isSecure?: boolean; gap_ms?: number; context: string },
): Promise<[Node, Node]> {
  const set = options.policies ?? osdClusterPolicies();
  const isSecure = options.isSecure === true;
  const a = await makeNode(world, osd(1), set, 6800, { isSecure });
  const b = await makeNode(world, osd(2), set, 6801, { isSecure });
  const tids = range(options.count);
  const gap = options.gap_ms ?? 0;
  for (const tid of tids) {
    world.at(tid * gap, () =>
      a.messenger.connect(entityType.OSD, b.addrs).send(message(tid, { data: [new Uint8Array(tid)] })),
    );
    world.at(tid * gap, () => b.messenger.connect(entityType.OSD, a.addrs).send(message(tid)));
  }
  const done = (): boolean => a.recorder.received.length >= tids.length && b.recorder.received.length >= tids.length;
  const isDone = world.run(done, 300_000);
  assert.ok(isDone, `${options.context}: a got ${a.recorder.tids}, b got ${b.recorder.tids}`);
  world.run(undefined, 1000);
  assert.deepEqual(a.recorder.tids, tids, options.context);
  assert.deepEqual(b.recorder.tids, tids, options.context);
  for (const node of [a, b]) {
    assert.ok(!node.recorder.events.includes('reset'), options.context);
    assert.ok(!node.recorder.events.includes('remote reset'), options.context);
    assert.ok(openConnections(node) === 1, `${options.context}: ${openConnections(node)} connections`);
    assert.equal(node.messenger.stats.halfOpen, 0, options.context);
  }
  return [a, b];
}

test('both dial at once: one session, everything once and in order', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = new FakeWorld({
      seed,
      latency_ms: (e) => e.float() * 5,
      chunk: (e) => 1 + Math.floor(e.float() * 300),
    });
    await exchange(world, { count: 8, context: `seed ${seed}`, gap_ms: seed % 3 });
  }
});

test('a socket that breaks after any number of bytes, either way', async () => {
  // The first connection to `broken` carries a whole session in about 1,200 bytes each way.
  for (const side of ['dialling', 'listening'] as const) {
    for (let at = 1; at < 1500; at += at < 700 ? 5 : 17) {
      const world = new FakeWorld({ seed: at, latency_ms: () => 1, chunk: () => 50 });
      let isFirst = true;
      world.network.onConnection = (dialling, listening) => {
        if (!isFirst) return;
        isFirst = false;
        const socket = side === 'dialling' ? dialling : listening;
        socket.onDeliver = (received) => received < at;
      };
      await exchange(world, { count: 4, context: `${side} breaks at ${at}`, gap_ms: 1 });
    }
  }
});

test('sockets that break again and again', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = new FakeWorld({
      seed,
      latency_ms: (e) => e.float() * 3,
      chunk: (e) => 1 + Math.floor(e.float() * 200),
    });
    const draws = world.entropy.fork();
    let left = 12;
    world.network.onConnection = (dialling, listening) => {
      if (left-- <= 0) return;
      const at = 100 + draws.float() * 4000;
      (draws.float() < 0.5 ? dialling : listening).onDeliver = (received) => received < at;
    };
    await exchange(world, { count: 40, context: `seed ${seed}`, gap_ms: 2, isSecure: seed % 4 === 0 });
  }
});

test('a peer with nothing to send waits in standby, and the session goes on', async () => {
  const world = new FakeWorld();
  let breakAll: (() => void) | undefined;
  let dialled = 0;
  world.network.onConnection = (dialling) => {
    dialled++;
    breakAll = () => dialling.break();
  };
  const a = await makeNode(world, osd(1), osdClusterPolicies(), 6800);
  const b = await makeNode(world, osd(2), osdClusterPolicies(), 6801);
  const con = a.messenger.connect(entityType.OSD, b.addrs);
  con.send(message(1));
  assert.ok(world.run(() => b.recorder.received.length === 1));
  world.run(undefined, 100); // the acknowledgement
  breakAll!();
  world.run(undefined, 10_000);
  assert.equal(dialled, 1);
  assert.equal(con.isConnected, false);
  b.recorder.accepted[0]!.send(message(5));
  assert.ok(world.run(() => a.recorder.received.length === 1));
  assert.equal(dialled, 2);
  con.send(message(2));
  assert.ok(world.run(() => b.recorder.received.length === 2));
  assert.equal(b.recorder.received[1]!.seq, 2);
  assert.deepEqual(a.recorder.events, ['connect', 'accept']);
});

test('a peer that restarts under its address: told where the policy asks', async () => {
  for (const check of [true, false]) {
    const set: PolicySet = {
      default: check ? policies.losslessPeerReuse() : policies.losslessPeer(),
      byType: monPolicies().byType,
    };
    for (const direction of ['the restarted one dials', 'the other one dials']) {
      const world = new FakeWorld({ latency_ms: () => 1 });
      const a = await makeNode(world, osd(1), { ...set, byType: new Map() }, 6800, { nonce: 0 });
      const b = await makeNode(world, osd(2), { ...set, byType: new Map() }, 6801, { nonce: 0 });
      const con = a.messenger.connect(entityType.OSD, b.addrs);
      con.send(message(1));
      assert.ok(world.run(() => b.recorder.received.length === 1));
      world.run(undefined, 100);
      b.messenger.shutdown();
      world.run(undefined, 100);
      const again = await makeNode(world, osd(2), { ...set, byType: new Map() }, 6801, { nonce: 0 });
      if (direction === 'the restarted one dials') {
        again.messenger.connect(entityType.OSD, a.addrs).send(message(9));
        assert.ok(
          world.run(() => a.recorder.received.length === 1),
          direction,
        );
      } else {
        con.send(message(2));
        assert.ok(
          world.run(() => a.recorder.events.includes('remote reset'), 20_000),
          direction,
        );
      }
      // With the check, and always where a reconnect finds nothing, the loss is told.
      const isTold = check || direction === 'the other one dials';
      assert.equal(a.recorder.events.includes('remote reset'), isTold, `${check} ${direction}`);
      con.send(message(3));
      assert.ok(
        world.run(() => again.recorder.tids.includes(3), 20_000),
        direction,
      );
    }
  }
});
