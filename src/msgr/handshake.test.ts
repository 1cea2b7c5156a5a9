import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntityAddr, EntityAddrVec, entityType } from '../types/index.ts';
import { type AuthClient, type AuthServerReply, CEPH_CON_MODE_CRC, CEPH_CON_MODE_SECURE } from './auth-api.ts';
import { Tag } from './constants.ts';
import { decodeControl, encodeControl, reconnectFrame, retryGlobalFrame, serverIdentFrame } from './control-frames.ts';
import { FrameWriter } from './frame-writer.ts';
import { clientPolicies, osdClusterPolicies, osdPublicPolicies, type PolicySet, policies } from './policy.ts';
import { type FakeSocket, FakeWorld } from './testing/fake-world.ts';
import { client, makeNode, message, type Node, osd } from './testing/harness.ts';
import { testAuthClient, testAuthServer } from './testing/none-auth.ts';

/** Changes control frames on their way out. */
class ChangingWriter extends FrameWriter {
  readonly #change: (tag: number, payload: Uint8Array) => Uint8Array | undefined;

  constructor(change: (tag: number, payload: Uint8Array) => Uint8Array | undefined) {
    super();
    this.#change = change;
  }

  override control(tag: number, payload: Uint8Array, isRev1: boolean, sealer: undefined): void {
    const changed = this.#change(tag, payload);
    if (changed !== undefined) super.control(tag, changed, isRev1, sealer);
  }
}

function loggerInto(lines: string[]): object {
  return {
    enabled: (_s: string, level: number) => level <= 5,
    log: (_s: string, _l: number, line: string) => lines.push(line),
    error: () => {},
  };
}

const refuse = (errno: number): AuthServerReply => ({
  kind: 'bad',
  errno,
  allowedMethods: [2],
  allowedModes: [CEPH_CON_MODE_CRC, CEPH_CON_MODE_SECURE],
});

test('a refused method is tried again with another, and then no more', async () => {
  const world = new FakeWorld();
  const tried: number[] = [];
  const inner = testAuthServer();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, {
    authServer: {
      start(connection) {
        const session = inner.start(connection);
        return {
          more: session.more,
          request(method, modes, payload, reply) {
            tried.push(method);
            if (method === 2) session.request(method, modes, payload, reply);
            else reply(refuse(95));
          },
        };
      },
    },
  });
  const refusals: unknown[] = [];
  const authClient: AuthClient = {
    start(connection) {
      const session = testAuthClient(false).start(connection);
      let method = 4;
      return {
        ...session,
        request: () => ({ ...session.request(), method }) as ReturnType<typeof session.request>,
        badMethod(refused, result, methods, modes) {
          refusals.push([refused, result, [...methods], [...modes]]);
          if (method === 1) return { kind: 'fail', errno: 13, reason: 'nothing left' };
          method = method === 4 ? 2 : 1;
          return { kind: 'retry' };
        },
      };
    },
  };
  const user = await makeNode(world, client(-1), clientPolicies(), 0, { authClient });
  user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1, 1000));
  assert.deepEqual(tried, [4, 2]);
  assert.deepEqual(refusals, [[4, -95, [2], [1, 2]]]);
});

test('an authentication that cannot be begun ends the connection; one that fails is tried again later', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const never: AuthClient = {
    start: (connection) => ({
      ...testAuthClient(false).start(connection),
      request: () => ({ kind: 'fail', errno: 13, reason: 'no ticket' }),
    }),
  };
  const user = await makeNode(world, client(-1), clientPolicies(), 0, { authClient: never });
  user.messenger.connect(entityType.OSD, server.addrs);
  world.run(undefined, 5000);
  assert.deepEqual(user.recorder.events, ['reset']);

  let failures = 2;
  const sometimes: AuthClient = {
    start(connection) {
      const session = testAuthClient(false).start(connection);
      return {
        ...session,
        done: (id, mode, payload) =>
          failures-- > 0 ? { kind: 'fail', errno: 1, reason: 'bad reply' } : session.done(id, mode, payload),
      };
    },
  };
  const other = await makeNode(world, client(-1), clientPolicies(), 0, { authClient: sometimes });
  other.messenger.connect(entityType.OSD, server.addrs).send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1, 5000));
  assert.deepEqual(other.recorder.events, ['connect']);
});

test('a server that drops or cannot encrypt: the attempt ends with one line', async () => {
  for (const reply of [
    { kind: 'drop', reason: 'no quorum' },
    {
      kind: 'done',
      payload: new Uint8Array(0),
      connectionMode: CEPH_CON_MODE_SECURE,
      sessionKey: new Uint8Array(0),
      connectionSecret: new Uint8Array(0),
      identity: { name: { type: 8, id: 'x' }, globalId: 1n, caps: new Uint8Array(0), capsAllowAll: false },
    },
  ] as const) {
    const world = new FakeWorld();
    const lines: string[] = [];
    const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, {
      logger: loggerInto(lines) as never,
      authServer: { start: () => ({ request: (_m, _o, _p, answer) => answer(reply), more: () => {} }) },
    });
    const user = await makeNode(world, client(-1), clientPolicies(), 0);
    user.messenger.connect(entityType.OSD, server.addrs);
    world.run(undefined, 100);
    assert.equal(lines.length, 1);
    assert.equal(server.messenger.stats.connections, 0);
  }
});

test('what is signed cannot be changed on the way', async () => {
  // HELLO's first byte, the type of its sender, is in clear, and so is AUTH_DONE's payload.
  for (const side of ['dialling', 'listening'] as const) {
    for (const offset of [26 + 32, 26 + 32 + 10]) {
      const world = new FakeWorld();
      const lines: string[] = [];
      const logger = loggerInto(lines) as never;
      const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, { logger });
      const user = await makeNode(world, client(-1), clientPolicies(), 0, {
        logger,
        // Checksums are no protection from an adversary: take them out of play.
        writer: new FrameWriter(),
      });
      world.network.onConnection = (dialling, listening) => {
        const socket = side === 'dialling' ? dialling : listening;
        const deliver = socket.deliver.bind(socket);
        let seen = 0;
        socket.deliver = (chunk) => {
          const bytes = Uint8Array.from(chunk);
          if (offset >= seen && offset < seen + bytes.length) bytes[offset - seen]! ^= 1;
          seen += bytes.length;
          deliver(bytes);
        };
      };
      user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
      world.run(undefined, 150);
      assert.equal(server.recorder.received.length, 0);
    }
  }
});

test('a wrong signature ends the handshake, on either side', async () => {
  for (const isServerWrong of [true, false]) {
    const world = new FakeWorld();
    const lines: string[] = [];
    const logger = loggerInto(lines) as never;
    const wrong = new ChangingWriter((tag, payload) => {
      if (tag !== Tag.AUTH_SIGNATURE) return payload;
      const bad = Uint8Array.from(payload);
      bad[31]! ^= 1;
      return bad;
    });
    const server = await makeNode(
      world,
      osd(1),
      osdPublicPolicies(),
      6800,
      isServerWrong ? { writer: wrong } : { logger },
    );
    const user = await makeNode(world, client(-1), clientPolicies(), 0, isServerWrong ? { logger } : { writer: wrong });
    user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
    world.run(undefined, 100);
    assert.equal(server.recorder.received.length, 0);
    assert.ok(
      lines.some((line) => line.includes('signature mismatch')),
      lines.join('\n'),
    );
  }
});

test('a server that is not the one that was dialled, or asks for what is not there, is left', async () => {
  const cases: [RegExp, (payload: Uint8Array) => Uint8Array][] = [
    [
      /calls itself/,
      (p) => encodeControl(serverIdentFrame, { ...decodeControl(serverIdentFrame, p), addrs: EntityAddrVec.empty }),
    ],
    [
      /lacks features/,
      (p) => encodeControl(serverIdentFrame, { ...decodeControl(serverIdentFrame, p), supportedFeatures: 0n }),
    ],
    [
      /requires features/,
      (p) => encodeControl(serverIdentFrame, { ...decodeControl(serverIdentFrame, p), requiredFeatures: 1n << 63n }),
    ],
    [/wants 8 bytes/, (p) => p.subarray(0, p.length - 1)],
  ];
  for (const [why, change] of cases) {
    const world = new FakeWorld();
    const lines: string[] = [];
    const writer = new ChangingWriter((tag, payload) => (tag === Tag.SERVER_IDENT ? change(payload) : payload));
    const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800, { writer });
    const user = await makeNode(world, client(-1), clientPolicies(), 0, { logger: loggerInto(lines) as never });
    const con = user.messenger.connect(entityType.OSD, server.addrs);
    world.run(undefined, 100);
    assert.equal(con.isConnected, false);
    assert.ok(
      lines.some((line) => why.test(line)),
      `${why}: ${lines.join('\n')}`,
    );
  }
  const world = new FakeWorld();
  const lines: string[] = [];
  const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
  const user = await makeNode(world, client(-1), clientPolicies(), 0, { logger: loggerInto(lines) as never });
  user.messenger.connect(entityType.MON, server.addrs);
  world.run(undefined, 100);
  assert.deepEqual(user.recorder.events, ['reset']);
  assert.ok(lines.some((line) => line.includes('the peer is of type 4, not 1')));
});

/** A lossless pair whose socket can be cut at will. */
async function pair(
  world: FakeWorld,
  set: PolicySet = osdClusterPolicies(),
): Promise<{ a: Node; b: Node; cut: () => void; dialled: () => number }> {
  const sockets: FakeSocket[] = [];
  world.network.onConnection = (dialling) => sockets.push(dialling);
  const a = await makeNode(world, osd(1), set, 6800);
  const b = await makeNode(world, osd(2), set, 6801);
  const cut = (): void => {
    for (const socket of sockets) socket.break();
  };
  return { a, b, cut, dialled: () => sockets.length };
}

test('SESSION_RETRY_GLOBAL: a peer whose attempt counts behind what was seen counts on from there', async () => {
  const world = new FakeWorld();
  let behind = true;
  let retries = 0;
  const set = osdClusterPolicies();
  let cut: (() => void) | undefined;
  world.network.onConnection = (dialling) => {
    cut = () => dialling.break();
  };
  const a = await makeNode(world, osd(1), set, 6800, {
    writer: new ChangingWriter((tag, payload) => {
      if (tag !== Tag.SESSION_RECONNECT || !behind) return payload;
      behind = false;
      return encodeControl(reconnectFrame, { ...decodeControl(reconnectFrame, payload), globalSeq: 5 });
    }),
  });
  const b = await makeNode(world, osd(2), set, 6801, {
    writer: new ChangingWriter((tag, payload) => {
      if (tag === Tag.SESSION_RETRY_GLOBAL) {
        retries++;
        assert.ok(decodeControl(retryGlobalFrame, payload).globalSeq > 5);
      }
      return payload;
    }),
  });
  const con = a.messenger.connect(entityType.OSD, b.addrs);
  con.send(message(1));
  assert.ok(world.run(() => b.recorder.received.length === 1));
  cut!();
  world.run(undefined, 10);
  con.send(message(2));
  assert.ok(world.run(() => b.recorder.received.length === 2));
  assert.equal(retries, 1);
});

test('a stateful server waits for its client, and what it queued meanwhile arrives', async () => {
  const world = new FakeWorld();
  const server = await makeNode(world, osd(1), { default: policies.statefulServer(), byType: new Map() }, 6800);
  const user = await makeNode(world, client(5), { default: policies.losslessClient(), byType: new Map() }, 0);
  let cut: (() => void) | undefined;
  let dialled = 0;
  let isDown = false;
  world.network.onConnection = (dialling) => {
    dialled++;
    cut = () => dialling.break();
    if (isDown) dialling.onDeliver = () => false;
  };
  const con = user.messenger.connect(entityType.OSD, server.addrs);
  con.send(message(1));
  assert.ok(world.run(() => server.recorder.received.length === 1));
  isDown = true;
  cut!();
  world.run(undefined, 50);
  const back = server.recorder.accepted[0]!;
  back.send(message(11));
  back.send(message(12));
  world.run(undefined, 2000);
  assert.equal(user.recorder.received.length, 0);
  assert.ok(dialled > 2); // the client tries, whether it has something to send or not
  isDown = false;
  assert.ok(world.run(() => user.recorder.received.length === 2, 20_000));
  con.send(message(2));
  assert.ok(world.run(() => server.recorder.received.length === 2));
  assert.deepEqual(user.recorder.tids, [11, 12]);
  assert.ok(!server.recorder.events.includes('reset'));
});

test('large frames, full sockets and used-again slabs deliver the same bytes', async () => {
  for (const isSecure of [false, true]) {
    const world = new FakeWorld({
      seed: 3,
      latency_ms: (e) => e.float(),
      chunk: (e, n) => Math.min(n, 1 + Math.floor(e.float() * 70_000)),
      isBackedUp: (e) => e.float() < 0.4,
    });
    const draws = world.entropy.fork();
    const server = await makeNode(world, osd(1), osdPublicPolicies(), 6800);
    const user = await makeNode(world, client(-1), clientPolicies(), 0, { isSecure });
    server.recorder.onMessage = (m) =>
      m.connection.send(message(m.tid, { front: m.front, middle: m.middle, data: m.data }));
    const con = user.messenger.connect(entityType.OSD, server.addrs);
    const sent: Uint8Array[][] = [];
    for (let tid = 0; tid < 40; tid++) {
      const sizes = [draws.float() * 300, draws.float() < 0.3 ? draws.float() * 6000 : 0, draws.float() ** 3 * 400_000];
      const parts = sizes.map((n) => draws.bytes(Math.floor(n)));
      sent.push(parts);
      world.at(Math.floor(tid / 8), () =>
        con.send(message(tid, { front: parts[0]!, middle: parts[1]!, data: [parts[2]!] })),
      );
    }
    assert.ok(world.run(() => user.recorder.received.length === 40, 60_000));
    for (const got of [server.recorder.received, user.recorder.received]) {
      for (const m of got) {
        const [front, middle, data] = sent[m.tid]!;
        assert.equal(Buffer.compare(m.front, front!), 0);
        assert.equal(Buffer.compare(m.middle, middle!), 0);
        assert.equal(Buffer.compare(Buffer.concat(m.data), data!), 0);
      }
    }
  }
});

test('a lossy peer that does not read loses its connection; a lossless one is waited for', async () => {
  for (const isLossy of [true, false]) {
    let isStuck = false;
    const world = new FakeWorld();
    const set = isLossy ? osdPublicPolicies() : osdClusterPolicies();
    const server = await makeNode(world, osd(1), set, 6800, { options: { lossyQueue_bytes_max: 100_000 } });
    const user = await makeNode(world, osd(2), isLossy ? clientPolicies() : set, isLossy ? 0 : 6801);
    world.network.onConnection = (_dialling, listening) => {
      const write = listening.write.bind(listening);
      listening.write = (buffers) => {
        write(buffers);
        return !isStuck;
      };
    };
    user.messenger.connect(entityType.OSD, server.addrs).send(message(1));
    assert.ok(world.run(() => server.recorder.received.length === 1));
    isStuck = true;
    for (let i = 0; i < 300; i++) server.recorder.accepted[0]!.send(message(i, { data: [new Uint8Array(1000)] }));
    world.run(undefined, 100);
    assert.equal(server.recorder.events.includes('reset'), isLossy);
  }
});

test('addresses: a free port of a range, one in use, a wildcard learned from the peer, protocol v1 refused', async () => {
  const world = new FakeWorld();
  const range = { min: 7000, max: 7001 };
  const bind = async (text: string): Promise<[Node, EntityAddrVec]> => {
    const node = await makeNode(world, osd(1), osdClusterPolicies(), 0, { nonce: 9 });
    return [node, await node.messenger.bind(EntityAddrVec.parse(text)!, range)];
  };
  assert.equal((await bind('v2:127.0.0.1:0'))[1].toString(), 'v2:127.0.0.1:7000/9');
  const [wild, addrs] = await bind('v2:0.0.0.0:0');
  assert.equal(addrs.toString(), 'v2:0.0.0.0:7001/9');
  await assert.rejects(bind('v2:127.0.0.1:0'), /in use/);
  await assert.rejects(bind('v2:127.0.0.1:7000'), /in use/);
  await assert.rejects(bind('v1:127.0.0.1:0'), /EOPNOTSUPP.*protocol v1/);
  const peer = await makeNode(world, osd(2), osdClusterPolicies(), 6801);
  const con = peer.messenger.connect(entityType.OSD, EntityAddrVec.parse('v2:127.0.0.1:7001/9')!);
  assert.ok(world.run(() => con.isConnected, 1000));
  assert.equal(wild.messenger.addrs.toString(), 'v2:127.0.0.1:7001/9');
  const again = await wild.messenger.rebind({ min: 7001, max: 7010 });
  assert.equal(again.toString(), 'v2:127.0.0.1:7002/1000009');
  world.run(undefined, 100);
  assert.equal(wild.messenger.stats.connections, 0);
  const other = peer.messenger.connect(entityType.OSD, again);
  assert.ok(world.run(() => other.isConnected, 1000));
  // Nothing to dial.
  const user = await makeNode(world, client(-1), clientPolicies(), 0);
  for (const text of ['v1:127.0.0.1:6800/0', 'v2:0.0.0.0:6800/0', 'v2:127.0.0.1:0/0']) {
    user.messenger.connect(entityType.OSD, EntityAddrVec.parse(text)!);
  }
  user.messenger.connect(entityType.OSD, EntityAddrVec.of(EntityAddr.none));
  world.run(undefined, 10);
  assert.deepEqual(user.recorder.events, ['reset', 'reset', 'reset', 'reset']);
});

test('both sides of a lossless session cut at once, many times: one dials, none waits for ever', async () => {
  const world = new FakeWorld({ latency_ms: () => 2 });
  const { a, b, cut, dialled } = await pair(world);
  const con = a.messenger.connect(entityType.OSD, b.addrs);
  con.send(message(1));
  assert.ok(world.run(() => b.recorder.received.length === 1));
  for (let round = 2; round < 30; round++) {
    cut();
    con.send(message(round));
    b.messenger.connect(entityType.OSD, a.addrs).send(message(round));
    assert.ok(
      world.run(() => b.recorder.received.length === round && a.recorder.received.length === round - 1, 40_000),
      `round ${round}`,
    );
  }
  assert.ok(dialled() >= 29);
});
