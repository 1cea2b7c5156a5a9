import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errno, SeededEntropy, silentLogger } from '../base/index.ts';
import { Config } from '../config/index.ts';
import { Writer } from '../encoding/index.ts';
import { entityType, entityTypeName, parseAuthName } from '../types/index.ts';
import { type AuthConnection, authMethod, connectionMode, type ServerAttempt, type ServerReply } from './api.ts';
import { ClientAuth, type MonAuthSession, MonPeerAuth } from './client-auth.ts';
import { CryptoKey, cryptoType } from './crypto.ts';
import { KeyServer, RotatingKeyRing } from './key-server.ts';
import { KeyRing } from './keyring.ts';
import { decodeCaps } from './records.ts';
import { AuthRegistry } from './registry.ts';
import { MonServerAuth, ServiceServerAuth } from './server-auth.ts';
import { ManualClock } from './testing/fakes.ts';

const HOUR_MS = 3_600_000;

function config(type: number, options: Record<string, string> = {}): Config {
  const c = new Config({ cluster: 'ceph', type: entityTypeName(type), id: 'x', host: 'h', pid: 1, daemon: true });
  for (const [name, value] of Object.entries(options)) c.set('override', name, value);
  return c;
}

/** A monitor with keys, its clock, and clients of it. */
class World {
  readonly clock = new ManualClock();
  readonly entropy = new SeededEntropy(11);
  readonly keys: KeyServer;
  readonly mon: MonServerAuth;
  readonly keyring = new KeyRing();
  readonly options: Record<string, string>;
  readonly keyType: number;
  nextId = 4100n;

  constructor(options: Record<string, string> = {}, keyType: number = cryptoType.AES) {
    this.keyType = keyType;
    this.options = options;
    const monKey = new KeyRing(new Map([['mon.', { key: this.key(), caps: new Map([['mon', 'allow *']]) }]]));
    this.keys = new KeyServer(this.clock, this.entropy, { auth_s: () => 12 * 3600, service_s: () => 3600 }, monKey);
    this.rotate();
    for (const [name, caps] of [
      ['client.admin', { mon: 'allow *', osd: 'allow *' }],
      ['client.none', { osd: 'allow r' }],
      ['osd.0', { mon: 'allow profile osd', osd: 'allow *' }],
    ] as const) {
      const auth = { key: this.key(), caps: new Map(Object.entries(caps)) };
      this.keyring.set(name, auth);
      this.keys.apply({ op: 'add', name, auth });
    }
    this.mon = new MonServerAuth({
      registry: new AuthRegistry(entityType.MON, config(entityType.MON, options)),
      keys: this.keys,
      clock: this.clock,
      entropy: this.entropy,
      log: silentLogger,
      isReady: () => true,
      assignGlobalId: (done) => done(this.nextId++),
    });
  }

  key(): CryptoKey {
    const made = CryptoKey.create(this.entropy, this.clock.now());
    return this.keyType === cryptoType.AES ? made : new CryptoKey(this.keyType, made.created, this.entropy.bytes(32));
  }

  rotate(): boolean {
    const update = this.keys.prepareRotation();
    if (update !== undefined) this.keys.apply({ op: 'setRotating', update });
    return update !== undefined;
  }

  client(name: string, keyring = this.keyring): TestClient {
    return new TestClient(this, name, keyring);
  }

  /** Secrets as an OSD would have them from the monitors. */
  osdSecrets(): RotatingKeyRing {
    const osd = this.client('osd.0');
    assert.equal(osd.connect().kind, 'done');
    const cephx = osd.session!.cephx!;
    const reply = this.mon.handlerOf(osd.connection)!.handleRequest(cephx.rotatingRequest());
    assert.equal(reply.result, 0);
    const ring = new RotatingKeyRing(entityType.OSD, this.keyring);
    ring.set(cephx.handleReply(reply.payload)!);
    return ring;
  }

  osdServer(keys = this.osdSecrets()): ServiceServerAuth {
    return new ServiceServerAuth({
      registry: new AuthRegistry(entityType.OSD, config(entityType.OSD, this.options)),
      keys,
      entropy: this.entropy,
      log: silentLogger,
    });
  }
}

function ask(start: (reply: (r: ServerReply) => void) => void): ServerReply {
  let answer: ServerReply | undefined;
  start((r) => {
    answer = r;
  });
  assert.ok(answer !== undefined, 'answered at once');
  return answer;
}

class TestClient {
  readonly auth: ClientAuth;
  connection: AuthConnection = { peerType: entityType.CLIENT };
  session: MonAuthSession | undefined;
  readonly name: string;
  readonly #world: World;

  constructor(world: World, name: string, keyring: KeyRing) {
    this.#world = world;
    this.name = name;
    const parsed = parseAuthName(name)!;
    this.auth = new ClientAuth({
      name: parsed,
      keyring,
      want: entityType.MON | entityType.OSD | entityType.MGR,
      registry: new AuthRegistry(parsed.type, config(parsed.type, world.options)),
      clock: world.clock,
      entropy: world.entropy,
      log: silentLogger,
    });
    this.auth.observer = {
      authenticated: (_connection, session) => {
        this.session = session;
        this.auth.session = session;
        return true;
      },
      failed: () => {},
    };
  }

  /** A handshake with the monitor, or with `server` as one of `peerType`. Gives the server's last word. */
  connect(
    server: { start(c: AuthConnection): ServerAttempt } = this.#world.mon,
    peerType: number = entityType.MON,
    meddle: (payload: Uint8Array) => Uint8Array = (p) => p,
  ): ServerReply {
    this.connection = { peerType: parseAuthName(this.name)!.type };
    const client = this.auth.start({ peerType });
    const attempt = server.start(this.connection);
    const request = client.request();
    assert.ok(request.kind === 'request', reasonOf(request));
    let reply = ask((done) => attempt.request(request.method, request.preferredModes, request.payload, done));
    while (reply.kind === 'more') {
      const more = client.replyMore(reply.payload);
      assert.ok(more.kind === 'more', reasonOf(more));
      reply = ask((done) => attempt.more(meddle(more.payload), done));
    }
    if (reply.kind === 'done') {
      const done = client.done(reply.identity.globalId, reply.connectionMode, reply.payload);
      assert.ok(done.kind === 'done', reasonOf(done));
      assert.deepEqual([...done.sessionKey], [...reply.sessionKey]);
      assert.deepEqual([...done.connectionSecret], [...reply.connectionSecret]);
    }
    return reply;
  }
}

function reasonOf(result: object): string {
  return 'reason' in result ? String(result.reason) : '';
}

function refusal(reply: ServerReply): number {
  assert.equal(reply.kind, 'bad');
  return reply.kind === 'bad' ? reply.errno : 0;
}

for (const [name, keyType] of [
  ['aes', cryptoType.AES],
  ['aes256k', cryptoType.AES256K],
] as const) {
  test(`a client authenticates with the monitor and with an OSD, with keys of type ${name}`, () => {
    const world = new World({}, keyType);
    const admin = world.client('client.admin');
    const done = admin.connect();
    assert.ok(done.kind === 'done');
    assert.equal(done.connectionMode, connectionMode.SECURE);
    assert.equal(done.connectionSecret.length, 64);
    assert.equal(done.identity.globalId, 4100n);
    assert.equal(decodeCaps(done.identity.caps), 'allow *');

    const osd = world.osdServer();
    const served = admin.connect(osd, entityType.OSD);
    assert.ok(served.kind === 'done');
    assert.equal(served.connectionMode, connectionMode.CRC);
    assert.deepEqual(served.identity.name, parseAuthName('client.admin'));
    assert.equal(decodeCaps(served.identity.caps), 'allow *');
  });
}

test('a wrong key, an unknown name and missing caps get the same answer', () => {
  const world = new World();
  const other = new KeyRing();
  for (const name of ['client.admin', 'client.ghost']) other.set(name, { key: world.key(), caps: new Map() });
  for (const client of [
    world.client('client.admin', other),
    world.client('client.ghost', other),
    world.client('client.none'),
  ]) {
    assert.equal(refusal(client.connect()), errno.EACCES);
  }
  const keyless = new ClientAuth({
    name: parseAuthName('client.nobody')!,
    keyring: world.keyring,
    want: entityType.MON,
    registry: new AuthRegistry(entityType.CLIENT, config(entityType.CLIENT)),
    clock: world.clock,
    entropy: world.entropy,
    log: silentLogger,
  }).start({ peerType: entityType.MON });
  keyless.request();
  const attempt = world.mon.start({ peerType: entityType.CLIENT });
  const w = new Writer();
  w.u8(10);
  w.u32(entityType.CLIENT);
  w.string('nobody');
  w.u64(0n);
  const challenge = ask((done) => attempt.request(authMethod.CEPHX, [1], w.bytes(), done));
  assert.ok(challenge.kind === 'more');
  const answer = keyless.replyMore(challenge.payload);
  assert.ok(answer.kind === 'fail' && answer.errno === errno.ENOENT);
});

test('a global id is reclaimed with its ticket, and only so', () => {
  const world = new World();
  const admin = world.client('client.admin');
  admin.connect();
  const again = admin.connect();
  assert.ok(again.kind === 'done' && again.identity.globalId === 4100n);
  assert.equal(world.mon.handlerOf(admin.connection)?.globalIdStatus, 'reclaimOk');

  // Another client of the same key, without the ticket.
  const thief = world.client('client.admin');
  thief.auth.session = { method: authMethod.CEPHX, globalId: 4100n, cephx: undefined };
  assert.equal(refusal(thief.connect()), errno.EACCES);
  // With a ticket of its own for another id.
  const second = world.client('client.admin');
  second.connect();
  second.auth.session = { ...second.session!, globalId: 4100n };
  assert.equal(refusal(second.connect()), errno.EACCES);
  // A ticket whose secret has been rotated out.
  world.clock.time_ms += 13 * HOUR_MS;
  for (let i = 0; i < 3; i++) {
    world.rotate();
    world.clock.time_ms += 13 * HOUR_MS;
  }
  world.rotate();
  assert.equal(refusal(admin.connect()), errno.EACCES);
});

test('tickets are renewed on the open session', () => {
  const world = new World();
  const admin = world.client('client.admin');
  admin.connect();
  const cephx = admin.session!.cephx!;
  const handler = world.mon.handlerOf(admin.connection)!;
  assert.equal(cephx.renewalRequest(), undefined);
  world.clock.time_ms += 0.8 * HOUR_MS;
  world.rotate();
  assert.equal(cephx.neededTickets(), entityType.MON | entityType.OSD | entityType.MGR);
  const reply = handler.handleRequest(cephx.renewalRequest()!);
  assert.equal(reply.result, 0);
  cephx.handleReply(reply.payload);
  assert.equal(cephx.neededTickets(), 0);
  // The session's own ticket: sealed with the session key of the old one.
  world.clock.time_ms += 10 * HOUR_MS;
  world.rotate();
  assert.notEqual(cephx.neededTickets() & entityType.AUTH, 0);
  const before = cephx.tickets.sessionKey(entityType.AUTH)!;
  const renewed = handler.handleRequest(cephx.renewalRequest()!);
  assert.equal(renewed.result, 0, renewed.reason);
  cephx.handleReply(renewed.payload);
  assert.equal(cephx.neededTickets(), 0);
  assert.ok(!cephx.tickets.sessionKey(entityType.AUTH)!.equals(before));
  assert.ok(admin.connect(world.osdServer(), entityType.OSD).kind === 'done');
});

test('an OSD refuses old, altered and replayed authorizers', () => {
  const world = new World();
  const admin = world.client('client.admin');
  admin.connect();
  const secrets = world.osdSecrets();
  const osd = world.osdServer(secrets);
  let recorded: Uint8Array | undefined;
  admin.connect(osd, entityType.OSD, (p) => {
    recorded = p;
    return p;
  });
  assert.equal(refusal(admin.connect(osd, entityType.OSD, () => recorded!)), errno.EACCES);
  for (const at of [0, 3, 20, recorded!.length - 1]) {
    const broken = admin.connect(osd, entityType.OSD, (p) => {
      const copy = p.slice();
      copy[at]! ^= 0x40;
      return copy;
    });
    assert.equal(refusal(broken), errno.EACCES);
  }
  for (let length = 0; length < recorded!.length; length += 7) {
    assert.equal(refusal(admin.connect(osd, entityType.OSD, (p) => p.subarray(0, length))), errno.EACCES);
  }
  // Three rotations later the OSD's secrets no longer hold the ticket's.
  for (let i = 0; i < 4; i++) {
    world.clock.time_ms += 1.1 * HOUR_MS;
    world.rotate();
  }
  assert.ok(secrets.needsNew(world.clock.now()));
  assert.equal(refusal(admin.connect(world.osdServer(), entityType.OSD)), errno.EACCES);
  admin.connect();
  assert.equal(admin.connect(world.osdServer(), entityType.OSD).kind, 'done');
});

test('monitors know each other by their key', () => {
  const world = new World();
  const peer = new MonPeerAuth({
    keys: world.keys,
    registry: new AuthRegistry(entityType.MON, config(entityType.MON)),
    clock: world.clock,
    entropy: world.entropy,
  });
  const client = peer.start({ peerType: entityType.MON });
  const attempt = world.mon.start({ peerType: entityType.MON });
  const request = client.request();
  assert.ok(request.kind === 'request');
  const challenge = ask((done) => attempt.request(request.method, request.preferredModes, request.payload, done));
  assert.ok(challenge.kind === 'more');
  const answer = client.replyMore(challenge.payload);
  assert.ok(answer.kind === 'more');
  const done = ask((reply) => attempt.more(answer.payload, reply));
  assert.ok(done.kind === 'done' && done.identity.name.type === entityType.MON);
  assert.equal(client.done(0n, done.connectionMode, done.payload).kind, 'done');
  const osd = peer.start({ peerType: entityType.OSD }).request();
  assert.ok(osd.kind === 'fail');
  // A client's ticket for monitors is sealed with a rotating secret and does not pass for a monitor's.
  const admin = world.client('client.admin');
  admin.connect();
  const authorizer = admin.session!.cephx!.tickets.authorizer(entityType.MON);
  const refused = ask((reply) =>
    world.mon.start({ peerType: entityType.MON }).request(2, [1], authorizer.bytes(), reply),
  );
  assert.equal(refusal(refused), errno.EACCES);
});

test('method none, where all are set to it', () => {
  const none = { auth_cluster_required: 'none', auth_service_required: 'none', auth_client_required: 'none' };
  const world = new World(none);
  const admin = world.client('client.admin');
  const done = admin.connect();
  assert.ok(done.kind === 'done' && done.identity.capsAllowAll && done.connectionMode === connectionMode.CRC);
  const served = admin.connect(world.osdServer(new RotatingKeyRing(entityType.OSD, new KeyRing())), entityType.OSD);
  assert.ok(served.kind === 'done' && served.identity.globalId === done.identity.globalId);
  // A cephx cluster does not take it.
  const cephx = new World();
  const attempt = cephx.mon.start({ peerType: entityType.CLIENT });
  const w = new Writer();
  w.u8(10);
  w.u32(8);
  w.string('admin');
  w.u64(0n);
  const refused = ask((reply) => attempt.request(authMethod.NONE, [1], w.bytes(), reply));
  assert.equal(refusal(refused), errno.EOPNOTSUPP);
});

test('rubbish is refused, whatever it is', () => {
  const world = new World();
  const osd = world.osdServer();
  for (let i = 0; i < 300; i++) {
    const length = world.entropy.u32() % 120;
    const rubbish = world.entropy.bytes(length);
    if (length > 0 && i % 2 === 0) rubbish[0] = i % 4 === 0 ? 1 : 10;
    for (const server of [world.mon, osd]) {
      const attempt = server.start({ peerType: entityType.CLIENT });
      const reply = ask((done) => attempt.request(authMethod.CEPHX, [1, 2], rubbish, done));
      if (reply.kind === 'more') refusal(ask((done) => attempt.more(rubbish, done)));
      else refusal(reply);
    }
  }
});
