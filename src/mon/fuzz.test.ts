import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  MAuth,
  MCommand,
  MGetConfig,
  MLog,
  MMonCommand,
  MMonGetOSDMap,
  MMonGetVersion,
  MMonSubscribe,
  MOSDAlive,
  MOSDBeacon,
  MOSDFailure,
  MOSDFull,
  MOSDMarkMeDown,
  MOSDPGCreated,
  MOSDPGTemp,
  MPoolOp,
  messageTypeNumber,
} from '../messages/index.ts';
import type { WireMessage } from '../msgr/index.ts';
import { entityType } from '../types/index.ts';
import { countingEntropy, MonitorBench } from './testing/index.ts';

const HANDLED = [
  messageTypeNumber.MON_SUBSCRIBE,
  messageTypeNumber.MON_COMMAND,
  messageTypeNumber.COMMAND,
  messageTypeNumber.MON_GET_VERSION,
  messageTypeNumber.MON_GET_OSDMAP,
  messageTypeNumber.AUTH,
  messageTypeNumber.PING,
  messageTypeNumber.LOG,
  messageTypeNumber.MGR_BEACON,
  messageTypeNumber.MON_MGR_REPORT,
  messageTypeNumber.STATFS,
  messageTypeNumber.GETPOOLSTATS,
  messageTypeNumber.GET_CONFIG,
  messageTypeNumber.POOLOP,
  messageTypeNumber.OSD_BOOT,
  messageTypeNumber.OSD_ALIVE,
  messageTypeNumber.OSD_PGTEMP,
  messageTypeNumber.OSD_FAILURE,
  messageTypeNumber.OSD_MARK_ME_DOWN,
  messageTypeNumber.OSD_MARK_ME_DEAD,
  messageTypeNumber.OSD_FULL,
  messageTypeNumber.OSD_BEACON,
  messageTypeNumber.OSD_PG_CREATED,
  messageTypeNumber.REMOVE_SNAPS,
  messageTypeNumber.MON_GET_PURGED_SNAPS,
];

it('no message brings a monitor down, whatever is in it', async () => {
  const bench = await MonitorBench.start();
  const entropy = countingEntropy();
  const below = (n: number): number => entropy.u32() % n;
  for (const id of [0, 1]) bench.bootOsd(id, `h${id}`);
  bench.json(bench.admin(), 'osd pool create', { pool: 'p', pg_num: 4 });
  const { fsid } = bench;
  const { map } = bench.monitor.osd;
  const addrs = map.clientAddrs[0]!;
  const pgid = { pool: 1, seed: 1 };
  const common = { paxosVersion: 0, fsid };
  const seeds: WireMessage[] = [
    MMonSubscribe.encode({ what: new Map([['osdmap', { start: 0, flags: 0 }]]), hostname: 'h' }),
    MMonGetVersion.encode({ handle: 1, what: 'osdmap' }),
    MMonGetOSDMap.encode({ fullFirst: 1, fullLast: 2, incFirst: 1, incLast: 3, paxosVersion: 0 }),
    MMonCommand.encode({ ...common, cmd: ['{"prefix":"osd pool set","pool":"p","var":"size","val":"2"}'] }),
    MCommand.encode({ fsid, cmd: ['{"prefix":"config get","var":"mon_lease"}'] }),
    MAuth.encode({ protocol: 2, payload: new Uint8Array(20), paxosVersion: 0 }),
    MGetConfig.encode({ name: { type: entityType.OSD, id: '0' }, host: 'h', deviceClass: 'ssd' }),
    MLog.encode({ ...common, entries: [] }),
    MOSDAlive.encode({ paxosVersion: 1, want: 5 }),
    MOSDBeacon.encode({ paxosVersion: 1, pgs: [pgid], minLastEpochClean: 1, reportInterval_s: 5 }),
    MOSDFailure.encode({ ...common, targetOsd: 0, targetAddrs: addrs, epoch: 3, flags: 1, failedFor_s: 30 }),
    MOSDFull.encode({ paxosVersion: 0, mapEpoch: 3, state: 16 }),
    MOSDMarkMeDown.encode({ ...common, targetOsd: 0, targetAddrs: addrs, epoch: 3, requestAck: true }),
    MOSDPGCreated.encode({ pgid, paxosVersion: 0 }),
    MOSDPGTemp.encode({ paxosVersion: 0, mapEpoch: map.epoch, pgTemp: [[pgid, [0, 1]]], forced: false }),
    MPoolOp.encode({ ...common, pool: 1, op: 0x11, name: 's' }),
  ];
  const mangled = (m: WireMessage): WireMessage => {
    const front = m.front.slice();
    for (let n = below(4); n >= 0 && front.length > 0; n--) front[below(front.length)] = below(256);
    return { ...m, front: below(8) === 0 ? front.subarray(0, below(front.length + 1)) : front };
  };
  const noise = (): WireMessage => ({
    type: HANDLED[below(HANDLED.length)]!,
    version: below(12),
    compatVersion: 1,
    priority: 127,
    tid: 1,
    front: entropy.bytes(below(200)),
    middle: new Uint8Array(),
    data: below(4) === 0 ? [entropy.bytes(below(100))] : [],
    dataOffset: 0,
  });
  for (let i = 0; i < 3000; i++) {
    const peer =
      below(3) === 0 ? bench.admin() : below(2) === 0 ? bench.osd(below(3)) : bench.peer('mgr.x', 9, 'allow *');
    bench.deliver(peer, below(4) === 0 ? noise() : mangled(seeds[below(seeds.length)]!));
    if (i % 50 === 0) bench.clock.advance(3000);
    bench.monitor.handleReset(peer);
  }
  assert.equal(bench.run(bench.admin(), { prefix: 'fsid' }).out, fsid);
  assert.equal(bench.run(bench.admin(), { prefix: 'osd dump' }).result, 0);
  await bench.restart();
  assert.equal(bench.run(bench.admin(), { prefix: 'osd dump' }).result, 0);
});

it('every command answers, whatever its arguments', async () => {
  const bench = await MonitorBench.start({ mon_allow_pool_delete: 'true' });
  const entropy = countingEntropy();
  const pick = <T>(from: readonly T[]): T => from[entropy.u32() % from.length]!;
  for (const id of [0, 1]) bench.bootOsd(id, `h${id}`);
  bench.json(bench.admin(), 'osd pool create', { pool: 'p', pg_num: 4 });
  const texts = [
    'p',
    'q',
    'default',
    'h0',
    'osd.0',
    'client.x',
    '',
    'a b',
    '../x',
    'é',
    '1.0',
    '-1',
    'x'.repeat(300),
    'osd_max_backfills',
    'all',
    'root=default',
  ];
  const numbers = [0, 1, 2, -1, 3.5, 1e9, 2 ** 31, 2 ** 53, '7', 'x', Number.MAX_VALUE];
  const others = [null, true, [], {}, [1, 'a'], ['osd.0', '1'], ['host=h0', 'root=default']];
  const valueFor = (type: string, strings: string | undefined): unknown => {
    if (entropy.u32() % 10 === 0) return pick(others);
    if (strings !== undefined && entropy.u32() % 8 !== 0) return pick(strings.split('|'));
    if (type === 'CephInt' || type === 'CephFloat' || type === 'CephOsdName') return pick(numbers);
    if (type === 'CephBool') return pick([true, true, false, 'true', 'x']);
    if (type === 'CephPgid') return pick(['1.0', '1.3', '1.ffffffff', '9.0', 'x', '1.']);
    if (type === 'CephUUID') return '00000000-0000-4000-8000-00000000000a';
    if (type === 'CephIPAddr' || type === 'CephEntityAddr') return pick(['1.2.3.4', '1.2.3.4:5/6', '[::1]:0/0', 'x']);
    return pick(texts);
  };
  const specs = [...bench.monitor.commands.specs()];
  for (let i = 0; i < 4 * specs.length; i++) {
    const spec = specs[i % specs.length]!;
    const command: Record<string, unknown> = { prefix: spec.prefix };
    if (entropy.u32() % 2 === 0) command.format = pick(['json', 'json-pretty', 'xml', 'plain', 'x']);
    for (const arg of spec.args) {
      if (!arg.required && entropy.u32() % 3 === 0) continue;
      const one = valueFor(arg.type, arg.strings);
      command[arg.name] = arg.many && !Array.isArray(one) ? [one] : one;
    }
    const input = pick([
      '',
      'junk',
      '[client.y]\n\tkey = AQA3mQlrkH1zARAA7fDs/bPx2rCHTr+4koD3MQ==\n',
      '[osd]\nx = 1\n',
      '{"a": 1}',
    ]);
    const admin = bench.admin();
    const { result } = bench.run(admin, command, input);
    bench.monitor.handleReset(admin);
    assert.ok(Number.isInteger(result) && result <= 0, spec.prefix);
    if (i % 20 === 0) bench.clock.advance(2000);
  }
  assert.equal(bench.run(bench.admin(), { prefix: 'status' }).result, 0);
  await bench.restart();
  assert.equal(bench.run(bench.admin(), { prefix: 'status' }).result, 0);
});
