import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Config } from '../config/index.ts';
import { MTimeCheck2, timeCheckOp } from '../messages/index.ts';
import type { Connection, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { EntityAddrVec, MonMap, makeMonInfo } from '../types/index.ts';
import { ManualClock } from './testing/index.ts';
import { TimeCheck } from './time-check.ts';

/** Three monitors whose messages arrive when told to, the third with a clock of its own. */
function fixture(skew_ms: number) {
  const clocks = [new ManualClock(), new ManualClock(), new ManualClock(1_700_000_000_000 + skew_ms)];
  let map = new MonMap();
  for (const name of ['a', 'b', 'c'])
    map = map.withMon(makeMonInfo(name, EntityAddrVec.parse(`v2:10.0.0.1:${name.charCodeAt(0)}/0`)!));
  const config = new Config({ cluster: 'ceph', type: 'mon', id: 'a', host: 'h', pid: 1, daemon: true });
  const wire: { from: number; to: number; message: WireMessage }[] = [];
  const log: string[] = [];
  const checks = clocks.map(
    (clock, rank) =>
      new TimeCheck({
        clock,
        config,
        map,
        rank,
        isLeader: rank === 0,
        ranks: [0, 1, 2],
        electionEpoch: 4,
        sendTo: (to, message) => wire.push({ from: rank, to, message }),
        clusterLog: (text) => log.push(text),
      }),
  );
  const deliver = (): void => {
    for (let next = wire.shift(); next !== undefined; next = wire.shift()) {
      const { from, to, message } = next;
      const connection = { send: (answer: WireMessage) => wire.push({ from: to, to: from, message: answer }) };
      checks[to]!.handle({ ...message, connection: connection as unknown as Connection } as ReceivedMessage, from);
    }
  };
  return { checks, clocks, wire, log, deliver };
}

describe('time check', () => {
  it('finds no skew among clocks that agree', () => {
    const { checks, log, deliver } = fixture(20);
    checks[0]!.start();
    deliver();
    assert.equal(checks[0]!.check(), undefined);
    assert.deepEqual(log, []);
  });

  it('tells everybody of a clock that is ahead, and looks again sooner', () => {
    const { checks, clocks, wire, log, deliver } = fixture(2500);
    checks[0]!.start();
    deliver();
    for (const check of checks) {
      assert.deepEqual(check.check(), {
        severity: 1,
        summary: 'clock skew detected on mon.c',
        detail: ['mon.c clock skew 2.5s > max 0.05s (latency 0s)'],
        count: 1,
      });
    }
    assert.deepEqual(log, ['mon.c clock skew 2.5s > max 0.05s']);
    clocks[0]!.advance(31_000);
    assert.equal(wire.length, 2);
  });

  it('takes no answer of another election or round', () => {
    const { checks, wire } = fixture(2500);
    checks[0]!.start();
    wire.length = 0;
    for (const fields of [
      { epoch: 2, round: 1 },
      { epoch: 4, round: 7 },
    ]) {
      const message = MTimeCheck2.encode({ op: timeCheckOp.PONG, ...fields, timestamp: { sec: 1, nsec: 0 } });
      checks[0]!.handle({ ...message, connection: {} as Connection } as ReceivedMessage, 2);
    }
    assert.equal(checks[0]!.check(), undefined);
  });
});
