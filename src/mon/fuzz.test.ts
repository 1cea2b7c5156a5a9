import assert from 'node:assert/strict';
import { it } from 'node:test';
import { encodeToBytes } from '../encoding/index.ts';
import {
  MAuth,
  MCommand,
  MForward,
  MGetConfig,
  MLog,
  MMonCommand,
  MMonElection,
  MMonGetOSDMap,
  MMonGetVersion,
  MMonGlobalID,
  MMonProbe,
  MMonSubscribe,
  MOSDAlive,
  MOSDBeacon,
  MOSDFailure,
  MOSDFull,
  MOSDMarkMeDown,
  MOSDPGCreated,
  MOSDPGTemp,
  MPoolOp,
  MRoute,
  MTimeCheck2,
  messageTypeNumber,
  monElectionOp,
  monProbeOp,
  timeCheckOp,
} from '../messages/index.ts';
import type { WireMessage } from '../msgr/index.ts';
import { CEPH_FEATURES_ALL, entityType, monMap } from '../types/index.ts';
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

it('no message of another monitor brings one down, whatever is in it', async () => {
  const bench = await MonitorBench.start();
  const entropy = countingEntropy();
  const below = (n: number): number => entropy.u32() % n;
  const admin = bench.admin();
  const { fsid } = bench;
  const inner = MMonCommand.encode({ fsid, cmd: ['{"prefix":"osd pool ls"}'] }, { tid: 3 });
  const forward = MForward.encode({
    tid: 1,
    clientType: entityType.CLIENT,
    clientAddrs: admin.peerAddrs,
    clientSocketAddr: admin.peerAddrs.front,
    clientCaps: { text: 'allow *' },
    message: { parts: inner, source: admin.peerName, seq: 1 },
    features: CEPH_FEATURES_ALL,
    entityName: admin.identity.name,
  });
  const map = encodeToBytes(monMap, bench.monitor.monmap.map);
  const seeds: WireMessage[] = [
    forward,
    MRoute.encode({ tid: 1, message: { parts: inner, source: admin.peerName, seq: 1 } }),
    MMonElection.encode({ fsid, op: monElectionOp.PROPOSE, epoch: 9, monmap: map, strategy: 1 }),
    MMonProbe.encode({ fsid, op: monProbeOp.PROBE, name: 'b', hasEverJoined: true, release: 16 }),
    MMonProbe.encode({ fsid, op: monProbeOp.REPLY, name: 'b', hasEverJoined: false, monmap: map, release: 16 }),
    MTimeCheck2.encode({ op: timeCheckOp.PING, epoch: 3, round: 1 }),
    MMonGlobalID.encode({ oldMaxId: 4 }),
  ];
  const types = [...seeds.map((m) => m.type), messageTypeNumber.MON_PAXOS, messageTypeNumber.MON_SYNC];
  for (let i = 0; i < 2000; i++) {
    const seed = seeds[below(seeds.length)]!;
    const front = below(4) === 0 ? entropy.bytes(below(300)) : seed.front.slice();
    for (let n = below(4); n >= 0 && front.length > 0; n--) front[below(front.length)] = below(256);
    const peer = bench.peer('mon.', 1, 'allow *', 'v2:127.0.0.1:3301/0');
    const type = below(5) === 0 ? types[below(types.length)]! : seed.type;
    bench.deliver(peer, { ...seed, type, front: below(6) === 0 ? front.subarray(0, below(front.length)) : front });
    if (i % 50 === 0) bench.clock.advance(3000);
    bench.monitor.handleReset(peer);
  }
  assert.equal(bench.run(bench.admin(), { prefix: 'fsid' }).out, fsid);
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
  // A monitor that was added and never comes takes the quorum away, and with it the answers.
  const specs = [...bench.monitor.commands.specs()].filter(({ prefix }) => prefix !== 'mon add');
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
