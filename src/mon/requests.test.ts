import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../base/index.ts';
import { MMonCommand, MMonCommandAck, MRoute } from '../messages/index.ts';
import type { Connection, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { Requests } from './requests.ts';
import type { Session } from './session.ts';
import { type FakeConnection, fakeSession, ManualClock } from './testing/index.ts';

const received = (message: WireMessage, session: Session): ReceivedMessage => ({
  ...message,
  connection: session.connection,
  source: session.name,
  seq: 1,
  received_ms: 0,
  release() {},
  recycleData() {},
});

/** Two monitors: what one sends the other is in `wire`. */
function fixture() {
  const clock = new ManualClock();
  const make = () => {
    const state = { isActiveLeader: false, forwardTo: -1 };
    const wire: WireMessage[] = [];
    const handled: { message: ReceivedMessage; session: Session }[] = [];
    const maps: [Session, number][] = [];
    const requests = new Requests({
      clock,
      logger: silentLogger,
      get isActiveLeader() {
        return state.isActiveLeader;
      },
      get forwardTo() {
        return state.forwardTo;
      },
      sendTo: (_rank, message) => wire.push(message),
      handle: (message, session) => handled.push({ message, session }),
      sendOsdMaps: (session, from) => maps.push([session, from]),
    });
    return { state, wire, handled, maps, requests };
  };
  const peon = make();
  const leader = make();
  peon.state.forwardTo = 0;
  leader.state.isActiveLeader = true;
  const back: WireMessage[] = [];
  const via = { isSecure: false, send: (m: WireMessage) => back.push(m) } as unknown as Connection;
  const forward = (): void => {
    for (const message of peon.wire.splice(0)) {
      leader.requests.handleForward({ ...message, connection: via } as ReceivedMessage);
    }
  };
  const route = (): void => {
    for (const message of back.splice(0)) peon.requests.handleRoute({ ...message, connection: via } as ReceivedMessage);
  };
  const command = (session: Session): ReceivedMessage =>
    received(
      MMonCommand.encode({ fsid: '00000000-0000-4000-8000-000000000001', cmd: ['{"prefix":"x"}'] }, { tid: 77 }),
      session,
    );
  const ack = MMonCommandAck.encode(
    { result: 0, text: 'done', cmd: ['x'], data: new Uint8Array(), paxosVersion: 9 },
    { tid: 77 },
  );
  return { clock, peon, leader, forward, route, command, ack };
}

const sentTo = (session: Session): WireMessage[] => (session.connection as FakeConnection).sent;

describe('requests of a peon', () => {
  it('go to the leader with who asks, and the answer comes back', () => {
    const { peon, leader, forward, route, command, ack } = fixture();
    const client = fakeSession('allow r');
    peon.requests.take(command(client), client);
    forward();
    const [{ message, session } = assert.fail()] = leader.handled;
    assert.equal(message.tid, 77);
    assert.deepEqual(session.entity, client.entity);
    assert.deepEqual(session.name, client.name);
    assert.ok(session.addrs.equals(client.addrs));
    assert.equal(session.may('osd', 'r'), true);
    assert.equal(session.may('osd', 'w'), false);
    session.connection.send(ack);
    route();
    assert.equal(sentTo(client).length, 1);
    assert.deepEqual(MMonCommandAck.decode(sentTo(client)[0]!).text, 'done');
  });

  it('are sent again to the next leader, until they are answered', () => {
    const { peon, leader, forward, route, command, ack } = fixture();
    const client = fakeSession();
    peon.requests.take(command(client), client);
    peon.wire.length = 0;
    peon.state.forwardTo = -1;
    peon.requests.left();
    peon.state.forwardTo = 1;
    peon.requests.sendAll();
    forward();
    leader.handled[0]!.session.connection.send(ack);
    route();
    peon.requests.sendAll();
    assert.equal(peon.wire.length, 0);
    assert.equal(sentTo(client).length, 1);
  });

  it('wait while there is no leader, and are forgotten with their client', () => {
    const { peon, forward, leader, command } = fixture();
    peon.state.forwardTo = -1;
    const [stays, goes] = [fakeSession(), fakeSession()];
    peon.requests.take(command(stays), stays);
    peon.requests.take(command(goes), goes);
    assert.equal(peon.wire.length, 0);
    peon.requests.drop(goes);
    peon.state.forwardTo = 0;
    peon.requests.sendAll();
    forward();
    assert.equal(leader.handled.length, 1);
  });

  it('are handled here where this one has become the leader', () => {
    const { peon, command, ack } = fixture();
    const client = fakeSession();
    peon.requests.take(command(client), client);
    peon.state.forwardTo = -1;
    peon.state.isActiveLeader = true;
    peon.requests.sendAll();
    peon.handled[0]!.session.connection.send(ack);
    assert.equal(sentTo(client).length, 1);
    peon.requests.sendAll();
    assert.equal(peon.handled.length, 1);
  });

  it('that ask for OSD maps get them from here', () => {
    const { peon, clock } = fixture();
    const client = fakeSession();
    peon.requests.take(received({ ...MRoute.encode({ tid: 0, message: undefined }), type: 71 }, client), client);
    const via = {} as Connection;
    const answer = { ...MRoute.encode({ tid: 1, message: undefined, sendOsdmapFirst: 5 }), connection: via };
    peon.requests.handleRoute(answer as unknown as ReceivedMessage);
    assert.deepEqual(peon.maps, [[client, 5]]);
    clock.advance(70_000);
    peon.requests.tick();
    assert.equal(peon.requests.size, 0);
  });
});

describe('requests at a leader', () => {
  it('of peons wait until it is ready', () => {
    const { peon, leader, forward, command } = fixture();
    leader.state.isActiveLeader = false;
    const client = fakeSession();
    peon.requests.take(command(client), client);
    forward();
    assert.equal(leader.handled.length, 0);
    leader.state.isActiveLeader = true;
    leader.requests.sendAll();
    assert.equal(leader.handled.length, 1);
  });
});
