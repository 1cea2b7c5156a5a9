import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../../base/index.ts';
import { blob, decodeFromBytes, encodeToBytes, Reader, Writer } from '../../encoding/index.ts';
import { entityType, formatAuthName, parseAuthName } from '../../types/index.ts';
import { CryptoKey, keyUsage, seal, unseal } from '../crypto.ts';
import { KeyServer, keyIncremental, RotatingKeyRing } from '../key-server.ts';
import { KeyRing } from '../keyring.ts';
import { decodeCaps, rotatingSecrets } from '../records.ts';
import { corpusBytes, handshakes, hex, unhex } from '../testing/corpus.ts';
import { ManualClock, ScriptedEntropy, u64Script } from '../testing/fakes.ts';
import { Authorizer, AuthorizerVerifier, openTicket, readAuthorizer } from './authorizer.ts';
import { CephxClientHandler } from './client.ts';
import {
  authenticate,
  authorizeChallenge,
  authorizeReply,
  CEPHX_GET_AUTH_SESSION_KEY,
  challengeProof,
  readSealed,
  requestHeader,
  responseHeader,
  serverChallenge,
  serviceTicketInfo,
  ticketBlob,
} from './protocol.ts';

const captured = handshakes();
const name = parseAuthName(captured.entity)!;
const key = CryptoKey.fromBase64(captured.key)!;
const keyring = new KeyRing(new Map([[captured.entity, { key, caps: new Map() }]]));

/** Key database of the captured cluster as it began. */
function keyServer(): { server: KeyServer; bytes: Uint8Array } {
  const server = new KeyServer(new ManualClock(), new SeededEntropy(1), {
    auth_s: () => 259200,
    service_s: () => 3600,
  });
  const bytes = corpusBytes('auth-full-1.bin').subarray(9);
  server.decode(new Reader(bytes));
  return { server, bytes };
}

/** Keys of type aes take nothing of it. */
const entropy = new SeededEntropy(5);

test("the monitor's key database and its changes encode to Ceph's bytes", () => {
  const { server, bytes } = keyServer();
  const w = new Writer();
  server.encode(w);
  assert.equal(hex(w.bytes()), hex(bytes));
  assert.ok(server.contains('client.admin') && server.contains('client.bootstrap-osd'));

  // u8 version, then { u8, u8, u32 length, u32 kind of change, u32 auth type, bufferlist }.
  const r = new Reader(corpusBytes('auth-14.bin'), 1);
  r.skip(6 + 8);
  const change = r.blob();
  const inc = decodeFromBytes(keyIncremental, change);
  assert.equal(hex(encodeToBytes(keyIncremental, inc)), hex(change));
  server.apply(inc);
  assert.ok(server.get('client.vec')?.key.equals(key));
  assert.equal(server.caps('client.vec', 'osd'), 'allow rw pool=device_health_metrics');
});

/** Secrets of a service as its daemon got them. */
function daemonSecrets(daemon: string): RotatingKeyRing {
  const { key: text, reply } = captured.rotating[daemon]!;
  const r = new Reader(unhex(reply));
  responseHeader.decode(r);
  const daemonKey = CryptoKey.fromBase64(text)!;
  const secrets = readSealed(r, daemonKey, rotatingSecrets, keyUsage.ROTATING_SECRET);
  assert.equal(secrets.secrets.size, 3);
  // Padding, vector and layout are Ceph's: sealing it again gives its bytes.
  const sealed = new Reader(unhex(reply));
  responseHeader.decode(sealed);
  assert.equal(hex(seal(daemonKey, rotatingSecrets, secrets, keyUsage.ROTATING_SECRET, entropy)), hex(sealed.blob()));
  const ring = new RotatingKeyRing(parseAuthName(daemon)!.type, new KeyRing());
  ring.set(secrets);
  return ring;
}

/** A client that went through the captured exchange with the monitor. */
function client(): CephxClientHandler {
  const handler = new CephxClientHandler(name, keyring, 0x1f, new ManualClock(), new SeededEntropy(2));
  handler.answerChallenge(unhex(captured.mon.AUTH_REPLY_MORE).subarray(4));
  handler.finish(doneOf(captured.mon.AUTH_DONE).payload);
  return handler;
}

test("a client's proof and request are those of Ceph's client", () => {
  const server = decodeFromBytes(serverChallenge, unhex(captured.mon.AUTH_REPLY_MORE).subarray(4)).serverChallenge;
  const sent = unhex(captured.mon.AUTH_REQUEST_MORE);
  // The frame's own length comes first.
  const payload = sent.subarray(4);
  const r = new Reader(payload);
  assert.equal(requestHeader.decode(r).requestType, CEPHX_GET_AUTH_SESSION_KEY);
  const request = authenticate.decode(r);
  assert.equal(request.mayOmitOldTicket, false);
  assert.equal(challengeProof(key, server, request.clientChallenge), request.key);
  const handler = new CephxClientHandler(
    name,
    keyring,
    request.otherKeys,
    new ManualClock(),
    new ScriptedEntropy(u64Script(request.clientChallenge)),
  );
  assert.equal(hex(handler.answerChallenge(unhex(captured.mon.AUTH_REPLY_MORE).subarray(4))), hex(payload));
});

test("tickets in the monitor's answer open, and seal again to Ceph's bytes", () => {
  const { tickets } = client();
  const { server } = keyServer();
  for (const [service, store] of [
    [entityType.AUTH, server],
    [entityType.OSD, daemonSecrets('osd.0')],
    [entityType.MGR, daemonSecrets('mgr.x')],
  ] as const) {
    const ticket = tickets.ticket(service);
    const info = openTicket(store, service, ticket, 'mon.');
    assert.equal(formatAuthName(info.ticket.name), captured.entity);
    assert.ok(info.sessionKey.equals(tickets.sessionKey(service)!));
    const caps = decodeCaps(info.ticket.caps.caps);
    if (service === entityType.OSD) assert.equal(caps, 'allow rw pool=device_health_metrics');
    if (service === entityType.MGR) assert.equal(caps, 'allow r');
    const secret = store.serviceSecret(service, ticket.secretId)!;
    assert.equal(hex(seal(secret, serviceTicketInfo, info, keyUsage.TICKET_INFO, entropy)), hex(ticket.blob));
  }
  assert.throws(() => openTicket(daemonSecrets('mgr.x'), entityType.OSD, tickets.ticket(entityType.OSD), ''));
});

for (const [service, daemon, secretLength] of [
  ['osd', 'osd.0', 0],
  ['mgr', 'mgr.x', 64],
] as const) {
  test(`authorizers of Ceph's client are taken as ${daemon} took them`, () => {
    const store = daemonSecrets(daemon);
    const shake = captured[service];
    const [first, second] = [authPayload(shake.AUTH_REQUEST), unhex(shake.AUTH_REQUEST_MORE).subarray(4)];
    const { info, nonce, haveChallenge } = readAuthorizer(new Reader(first), store);
    assert.equal(haveChallenge, false);
    const challengeBytes = unhex(shake.AUTH_REPLY_MORE).subarray(4);
    const { serverChallenge: value } = unseal(
      info.sessionKey,
      authorizeChallenge,
      challengeBytes,
      keyUsage.AUTHORIZE_CHALLENGE,
    );
    const done = doneOf(shake.AUTH_DONE);
    const { connectionSecret } = readSealed(
      new Reader(done.payload),
      info.sessionKey,
      authorizeReply,
      keyUsage.AUTHORIZE_REPLY,
    );
    assert.equal(connectionSecret.length, secretLength);

    const server = new AuthorizerVerifier(store, new ScriptedEntropy(u64Script(value), connectionSecret));
    const challenge = server.verify(first, secretLength);
    assert.equal(challenge.kind, 'challenge');
    assert.equal(hex(challenge.payload), hex(challengeBytes));
    const result = server.verify(second, secretLength);
    assert.equal(result.kind, 'ok');
    assert.equal(hex(result.payload), hex(done.payload));

    // A recorded answer does not do for another challenge.
    const other = new AuthorizerVerifier(store, new SeededEntropy(3));
    other.verify(first, secretLength);
    assert.throws(() => other.verify(second, secretLength), /challenge/);
    assert.throws(() =>
      new AuthorizerVerifier(daemonSecrets(daemon === 'osd.0' ? 'mgr.x' : 'osd.0'), new SeededEntropy(4)).verify(
        first,
        0,
      ),
    );

    const r = new Reader(first);
    r.u8();
    const globalId = r.u64();
    const type = r.u32();
    const ours = new Authorizer(
      globalId,
      type,
      ticketBlob.decode(r),
      info.sessionKey,
      new ScriptedEntropy(u64Script(nonce)),
    );
    assert.equal(hex(ours.bytes()), hex(first));
    assert.equal(hex(ours.answer(challengeBytes)), hex(second));
    assert.equal(hex(ours.verifyReply(done.payload)), hex(connectionSecret));
  });
}

/** AUTH_REQUEST: u32 method, u32 n and n modes, bufferlist. */
function authPayload(text: string): Uint8Array {
  const r = new Reader(unhex(text));
  r.u32();
  r.skip(4 * r.u32());
  return blob.decode(r);
}

/** AUTH_DONE: u64 global id, u32 mode, bufferlist. */
function doneOf(text: string): { payload: Uint8Array } {
  const r = new Reader(unhex(text));
  r.skip(12);
  return { payload: blob.decode(r) };
}
