import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeToBytes } from '../encoding/index.ts';
import {
  MLog,
  MMgrBeacon,
  MMonGetVersion,
  MMonGetVersionReply,
  MMonMgrReport,
  MMonSubscribe,
  MOSDBeacon,
  MOSDFailure,
  MOSDMap,
  MOSDPGCreate2,
  MOSDPGCreated,
  MPoolOp,
  MPoolOpReply,
  osdFailureFlag,
  poolOp,
} from '../messages/index.ts';
import {
  CEPH_FEATURES_ALL,
  decodeOSDMapIncremental,
  EntityAddrVec,
  makePgMapDigest,
  OSDMap,
  pgMapDigest,
  poolFlag,
} from '../types/index.ts';
import type { FakeConnection } from './testing/index.ts';
import { MonitorBench } from './testing/index.ts';

const subscribe = (bench: MonitorBench, peer: FakeConnection, what: string, start = 0, flags = 0): void =>
  bench.deliver(peer, MMonSubscribe.encode({ what: new Map([[what, { start, flags }]]) }));

interface DumpedOsd {
  osd: number;
  up: number;
  in: number;
  up_from: number;
}
const osds = (bench: MonitorBench, peer: FakeConnection): DumpedOsd[] =>
  (bench.json(peer, 'osd dump') as { osds: DumpedOsd[] }).osds;

describe('a new cluster', () => {
  it('has its first maps, and keeps them across a restart', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    const dump = bench.json(admin, 'osd dump') as Record<string, unknown>;
    assert.equal(dump.epoch, 1);
    assert.equal(dump.fsid, bench.fsid);
    assert.equal(dump.require_osd_release, 'pacific');
    const status = bench.json(admin, 'status') as { election_epoch: number; quorum_names: string[] };
    assert.equal(status.election_epoch, 3);
    assert.deepEqual(status.quorum_names, ['a']);
    assert.match(bench.run(admin, { prefix: 'auth get', entity: 'client.admin' }).out, /caps mon = "allow \*"/);
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 8 });
    await bench.restart();
    const again = bench.admin();
    assert.deepEqual(bench.json(again, 'osd pool ls'), ['p']);
    assert.equal((bench.json(again, 'status') as { election_epoch: number }).election_epoch, 5);
  });

  it('takes commands only from those whose caps allow them', async () => {
    const bench = await MonitorBench.start();
    const reader = bench.peer('client.r', 9, 'allow r');
    assert.equal(bench.run(reader, { prefix: 'osd pool ls' }).result, 0);
    const refused = bench.run(reader, { prefix: 'osd pool create', pool: 'p' });
    assert.deepEqual([refused.result, refused.text], [-13, 'access denied']);
    assert.equal(bench.run(reader, { prefix: 'auth ls' }).result, -13);
    const limited = bench.peer('client.c', 10, 'allow command "osd pool create" with pool=mine');
    assert.equal(bench.run(limited, { prefix: 'osd pool create', pool: 'mine', pg_num: 1 }).result, 0);
    assert.equal(bench.run(limited, { prefix: 'osd pool create', pool: 'other', pg_num: 1 }).result, -13);
  });

  it('answers what is no command, or one of another cluster', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    assert.equal(bench.run(admin, { prefix: 'osd frobnicate' }).result, -22);
    assert.equal(bench.run(admin, {}).result, -22);
    assert.equal(bench.run(admin, { prefix: 'osd pool create' }).result, -22);
    const described = JSON.parse(bench.run(admin, { prefix: 'get_command_descriptions' }).out) as Record<
      string,
      { sig: unknown[] }
    >;
    assert.ok(Object.keys(described).length > 200);
    assert.equal(described.cmd000?.sig[0], 'auth');
  });
});

describe('OSDs', () => {
  it('register, boot, and are in', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    for (const id of [0, 1, 2]) bench.bootOsd(id, `h${id}`);
    assert.deepEqual(
      osds(bench, admin).map((o) => [o.osd, o.up, o.in]),
      [
        [0, 1, 1],
        [1, 1, 1],
        [2, 1, 1],
      ],
    );
    assert.deepEqual(bench.json(admin, 'osd versions'), { v: 3 });
    const tree = bench.run(admin, { prefix: 'osd tree' }).out;
    assert.match(tree, /host h2[\s\S]*osd\.2 {6}up {3}1\.00000 {2}1\.00000/);
  });

  it('cannot take the place of another', async () => {
    const bench = await MonitorBench.start();
    bench.bootOsd(0, 'h0');
    const before = bench.monitor.osd.map.epoch;
    bench.boot(bench.osd(0), 0, '99999999-0000-4000-8000-000000000000');
    assert.equal(bench.monitor.osd.map.epoch, before);
    bench.boot(bench.osd(5), 5, '00000000-0000-4000-8000-000000000005');
    assert.equal(bench.monitor.osd.map.exists(5), false);
  });

  it('are marked down when enough others miss them, and out after a while', async () => {
    const bench = await MonitorBench.start({ mon_osd_down_out_interval: '600', mon_osd_min_in_ratio: '0.1' });
    const admin = bench.admin();
    const peers = [0, 1, 2, 3].map((id) => bench.bootOsd(id, `h${id}`));
    const report = (from: number, flags: number, failedFor_s: number): void => {
      const { map } = bench.monitor.osd;
      const fields = {
        paxosVersion: 0,
        fsid: bench.fsid,
        targetOsd: 0,
        targetAddrs: map.clientAddrs[0]!,
        epoch: map.epoch,
      };
      bench.deliver(peers[from]!, MOSDFailure.encode({ ...fields, flags, failedFor_s }));
    };
    bench.clock.advance(100_000);
    report(1, osdFailureFlag.FAILED, 60);
    bench.clock.advance(6000);
    assert.equal(osds(bench, admin)[0]!.up, 1, 'one reporter is not enough');
    report(1, osdFailureFlag.ALIVE, 60);
    report(2, osdFailureFlag.FAILED, 60);
    bench.clock.advance(6000);
    assert.equal(osds(bench, admin)[0]!.up, 1, 'a report taken back does not count');
    report(3, osdFailureFlag.FAILED, 60);
    bench.clock.advance(6000);
    assert.deepEqual([osds(bench, admin)[0]!.up, osds(bench, admin)[0]!.in], [0, 1]);
    assert.match(bench.run(admin, { prefix: 'health', detail: 'detail' }).out, /\[WRN\] OSD_DOWN: 1 osds down/);
    assert.match(bench.run(admin, { prefix: 'health' }).out, /1 host \(1 osds\) down/);
    bench.clock.advance(700_000);
    assert.equal(osds(bench, admin)[0]!.in, 0);
  });

  it('get maps as increments from where they are, equal to the full ones', async () => {
    const bench = await MonitorBench.start();
    bench.bootOsd(0, 'h0');
    const osd = bench.osd(0);
    subscribe(bench, osd, 'osdmap', 1);
    bench.json(bench.admin(), 'osd pool create', { pool: 'p', pg_num: 4 });
    let map = new OSDMap({ fsid: bench.fsid });
    for (const { fulls, incrementals } of osd.take(MOSDMap)) {
      for (const epoch of [...fulls.keys(), ...incrementals.keys()].sort((a, b) => a - b)) {
        const full = fulls.get(epoch);
        if (full !== undefined) map = OSDMap.decode(full);
        else map = map.apply(decodeOSDMapIncremental(incrementals.get(epoch)!));
      }
    }
    assert.equal(map.epoch, bench.monitor.osd.map.epoch);
    assert.deepEqual(map.encode().bytes, bench.monitor.osd.fullBytes(map.epoch));
  });

  it('say by their beacons from which epoch on maps are needed; older ones go', async () => {
    const bench = await MonitorBench.start({
      osd_pool_default_size: '1',
      mon_allow_pool_size_one: 'true',
      mon_min_osdmap_epochs: '5',
    });
    const admin = bench.admin();
    const osd = bench.bootOsd(0, 'h0');
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 1 });
    bench.deliver(osd, MOSDPGCreated.encode({ pgid: { pool: 1, seed: 0 }, paxosVersion: 0 }));
    const flip = (): void => {
      for (const how of ['osd set', 'osd unset']) bench.json(admin, how, { key: 'noout' });
    };
    for (let i = 0; i < 10; i++) flip();
    const epoch = bench.monitor.osd.map.epoch;
    assert.equal(bench.monitor.osd.firstCommitted, 1, 'nothing is known of the PG');
    const beacon = { pgs: [{ pool: 1, seed: 0 }], minLastEpochClean: epoch - 8, reportInterval_s: 300 };
    bench.deliver(osd, MOSDBeacon.encode({ ...beacon, paxosVersion: epoch }));
    flip();
    assert.equal(bench.monitor.osd.firstCommitted, epoch - 8);
    assert.equal(bench.run(admin, { prefix: 'osd dump', epoch: epoch - 9 }).result, -2);
    // Who is further behind than what is kept gets a full map first.
    const late = bench.peer('client.r', 9, 'allow r');
    subscribe(bench, late, 'osdmap', 2);
    const [maps] = late.take(MOSDMap);
    assert.deepEqual([...maps!.fulls.keys()], [epoch - 8]);
    assert.equal(maps!.incrementals.size, bench.monitor.osd.map.epoch - (epoch - 8));
  });

  it('are told to make the PGs of a new pool until they have', async () => {
    const bench = await MonitorBench.start({ osd_pool_default_size: '1', mon_allow_pool_size_one: 'true' });
    const osd = bench.bootOsd(0, 'h0');
    subscribe(bench, osd, 'osd_pg_creates', 1);
    bench.json(bench.admin(), 'osd pool create', { pool: 'p', pg_num: 2 });
    bench.clock.advance(6000);
    const made = osd.take(MOSDPGCreate2).flatMap((m) => [...m.pgs.keys()]);
    assert.equal(new Set(made).size, 2);
    for (const seed of [0, 1]) bench.deliver(osd, MOSDPGCreated.encode({ pgid: { pool: 1, seed }, paxosVersion: 0 }));
    bench.clock.advance(6000);
    assert.equal(bench.monitor.osd.creating.pgs.size, 0);
    assert.equal(bench.monitor.osd.map.pool(1)!.hasFlag(poolFlag.CREATING), false);
  });
});

describe('clients', () => {
  it('learn of new maps that they subscribed to', async () => {
    const bench = await MonitorBench.start();
    const client = bench.peer('client.r', 9, 'allow r');
    subscribe(bench, client, 'osdmap', 0);
    assert.equal(client.take(MOSDMap).length, 1);
    bench.json(bench.admin(), 'osd set', { key: 'noout' });
    const [update] = client.take(MOSDMap);
    assert.deepEqual([...update!.incrementals.keys()], [2]);
    bench.deliver(client, MMonGetVersion.encode({ handle: 5, what: 'osdmap' }));
    assert.deepEqual(client.take(MMonGetVersionReply), [{ handle: 5, version: 2, oldestVersion: 1 }]);
  });

  it('make self-managed snapshots', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 1 });
    const op = (which: number, snapid = 0): void =>
      bench.deliver(admin, MPoolOp.encode({ fsid: bench.fsid, pool: 1, op: which, snapid, paxosVersion: 0 }));
    op(poolOp.CREATE_UNMANAGED_SNAP);
    const [first] = admin.take(MPoolOpReply);
    assert.equal(first!.result, 0);
    assert.equal(first!.response?.[0], 2, 'one less than the first is kept free, as in Ceph');
    op(poolOp.CREATE_UNMANAGED_SNAP);
    assert.equal(admin.take(MPoolOpReply)[0]!.response?.[0], 3);
    op(poolOp.DELETE_UNMANAGED_SNAP, 2);
    assert.equal(admin.take(MPoolOpReply)[0]!.result, 0);
    assert.match(bench.run(admin, { prefix: 'osd pool ls', detail: 'detail' }).out, /removed_snaps_queue \[2~1\]/);
  });

  it('write into the log, each entry once', async () => {
    const bench = await MonitorBench.start();
    const osd = bench.bootOsd(0, 'h0');
    const entry = {
      name: { type: 4, id: '0' },
      rank: osd.peerName,
      addrs: osd.peerAddrs,
      stamp: { sec: 1_700_000_000, nsec: 5 },
      seq: 7,
      prio: 3,
      msg: 'slow request',
      channel: 'cluster',
    };
    for (let i = 0; i < 2; i++) {
      bench.deliver(osd, MLog.encode({ paxosVersion: 0, fsid: bench.fsid, entries: [entry] }));
      bench.clock.advance(2000);
    }
    const last = bench.run(bench.admin(), { prefix: 'log last', num: 100 }).out;
    assert.equal(last.match(/slow request/g)?.length, 1);
    assert.ok(bench.clusterLog.some((text) => text.includes('slow request')));
  });

  it('cannot make the monitor keep what it does not understand', async () => {
    const bench = await MonitorBench.start();
    const client = bench.peer('client.r', 9, 'allow r');
    const message = MMonSubscribe.encode({ what: new Map() });
    bench.deliver(client, { ...message, front: new Uint8Array([255, 255, 255, 255]) });
    assert.equal(client.isConnected, false);
    assert.equal(bench.monitor.sessions.size, 0);
    const other = bench.admin();
    assert.equal(bench.run(other, { prefix: 'fsid' }).result, 0);
  });
});

describe('pools', () => {
  it('are removed only by who says so thrice', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 1 });
    assert.equal(bench.run(admin, { prefix: 'osd pool rm', pool: 'p' }).result, -1);
    const sure = { prefix: 'osd pool rm', pool: 'p', pool2: 'p', yes_i_really_really_mean_it: true };
    assert.match(bench.run(admin, sure).text, /mon_allow_pool_delete/);
    bench.json(admin, 'config set', { who: 'mon', name: 'mon_allow_pool_delete', value: 'true' });
    assert.equal(bench.run(admin, sure).text, "pool 'p' removed");
    assert.deepEqual(bench.json(admin, 'osd pool ls'), []);
  });

  it('keep what is set on them', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 1 });
    bench.json(admin, 'osd pool set', { pool: 'p', var: 'size', val: '2' });
    const all = bench.json(admin, 'osd pool get', { pool: 'p', var: 'size' });
    assert.deepEqual(all, { pool: 'p', pool_id: 1, size: 2 });
    assert.equal(bench.run(admin, { prefix: 'osd pool set', pool: 'p', var: 'min_size', val: '3' }).result, -22);
    assert.equal(bench.run(admin, { prefix: 'osd pool set', pool: 'p', var: 'pg_num', val: '64' }).result < 0, true);
    bench.json(admin, 'osd pool application enable', { pool: 'p', app: 'rbd' });
    assert.deepEqual(bench.json(admin, 'osd pool application get', { pool: 'p' }), { rbd: {} });
  });
});

describe('health', () => {
  it('is told to the cluster log when it changes, and can be muted', async () => {
    const bench = await MonitorBench.start({ auth_allow_insecure_global_id_reclaim: 'false' });
    const admin = bench.admin();
    assert.equal(bench.run(admin, { prefix: 'health' }).out, 'HEALTH_OK\n');
    bench.json(admin, 'osd set', { key: 'noout' });
    bench.clock.advance(2000);
    assert.equal(bench.run(admin, { prefix: 'health' }).out, 'HEALTH_WARN noout flag(s) set\n');
    bench.json(admin, 'health mute', { code: 'OSDMAP_FLAGS', ttl: '10m' });
    assert.equal(bench.run(admin, { prefix: 'health' }).out, 'HEALTH_OK (muted: OSDMAP_FLAGS(10m))\n');
    bench.clock.advance(700_000);
    assert.equal(bench.run(admin, { prefix: 'health' }).out, 'HEALTH_WARN noout flag(s) set\n');
    bench.json(admin, 'osd unset', { key: 'noout' });
    bench.clock.advance(2000);
    const log = bench.run(admin, { prefix: 'log last', num: 50 }).out;
    assert.match(log, /\[WRN\] Health check failed: noout flag\(s\) set \(OSDMAP_FLAGS\)/);
    assert.match(log, /\[INF\] Health check cleared: OSDMAP_FLAGS \(was: noout flag\(s\) set\)/);
    assert.match(log, /\[INF\] Cluster is now healthy/);
  });
});

describe('keys', () => {
  it('are made once, and changed only by who may', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    const make = {
      prefix: 'auth get-or-create',
      entity: 'client.x',
      caps: ['mon', 'allow r', 'osd', 'allow rw pool=p'],
    };
    const first = bench.run(admin, make);
    assert.equal(first.result, 0);
    assert.match(first.out, /^\[client\.x\]\n\tkey = [A-Za-z0-9+/]{38}==\n/);
    assert.equal(bench.run(admin, make).out, first.out);
    assert.equal(bench.run(admin, { ...make, caps: ['mon', 'allow *'] }).result, -22);
    assert.equal(bench.run(admin, { ...make, caps: ['mon', 'allow bogus('] }).result, -22);
    await bench.restart();
    assert.equal(bench.run(bench.admin(), make).out, first.out);
    assert.equal(bench.run(bench.admin(), { prefix: 'auth rm', entity: 'client.x' }).text, 'updated');
  });
});

describe('managers', () => {
  const beacon = (bench: MonitorBench, peer: FakeConnection, gid: bigint, name: string, available = true): void =>
    bench.deliver(
      peer,
      MMgrBeacon.encode({
        serverAddrs: EntityAddrVec.parse(`v2:127.0.0.1:${6900 + Number(gid)}/1`)!,
        gid,
        available,
        name,
        fsid: bench.fsid,
        moduleNames: [],
        metadata: new Map([['hostname', 'h1']]),
        modules: [],
        features: CEPH_FEATURES_ALL,
        paxosVersion: 0,
        commands: [{ cmdstring: 'pg stat', help: 'x', module: 'pg', perms: 'r', availability: 'cli', flags: 8n }],
      }),
    );

  it('take over from one that falls silent, and keep it from writing', async () => {
    const bench = await MonitorBench.start({ mon_mgr_beacon_grace: '30' });
    const admin = bench.admin();
    const [x, y] = [bench.peer('mgr.x', 11, 'allow profile mgr'), bench.peer('mgr.y', 12, 'allow profile mgr')];
    beacon(bench, x, 11n, 'x');
    beacon(bench, y, 12n, 'y');
    const names = (): unknown => {
      const map = bench.json(admin, 'mgr dump') as { active_name: string; standbys: { name: string }[] };
      return [map.active_name, ...map.standbys.map((s) => s.name)];
    };
    assert.deepEqual(names(), ['x', 'y']);
    // The one that was made active tells its commands with the next beacon.
    beacon(bench, x, 11n, 'x');
    assert.ok(bench.run(admin, { prefix: 'get_command_descriptions' }).out.includes('"sig":["pg","stat"]'));
    for (let i = 0; i < 30; i++) {
      bench.clock.advance(2000);
      beacon(bench, y, 12n, 'y');
    }
    assert.deepEqual(names(), ['y']);
    assert.match(bench.run(admin, { prefix: 'osd blocklist ls' }).out, /^127\.0\.0\.1:6911\/1 /m);
  });

  it('report what PGs have done with removed snapshots', async () => {
    const bench = await MonitorBench.start();
    const admin = bench.admin();
    const x = bench.peer('mgr.x', 11, 'allow profile mgr');
    beacon(bench, x, 11n, 'x');
    bench.json(admin, 'osd pool create', { pool: 'p', pg_num: 1 });
    bench.json(admin, 'osd pool mksnap', { pool: 'p', snap: 's' });
    bench.json(admin, 'osd pool rmsnap', { pool: 'p', snap: 's' });
    const queue = (): boolean => bench.monitor.osd.map.removedSnapsQueue.has(1);
    assert.equal(queue(), true);
    const digest = makePgMapDigest();
    digest.purgedSnaps.set(1, bench.monitor.osd.map.removedSnapsQueue.get(1)!);
    const report = {
      paxosVersion: 0,
      healthChecks: new Map(),
      serviceMap: new Uint8Array(),
      gid: 11n,
      progressEvents: new Map(),
    };
    bench.deliver(x, MMonMgrReport.encode({ ...report, data: encodeToBytes(pgMapDigest, digest) }));
    bench.clock.advance(10_000);
    assert.equal(queue(), false);
  });
});
