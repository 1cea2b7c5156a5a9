import { CryptoKey, KeyRing } from '../../auth/index.ts';
import { type Entropy, type Network, silentLogger } from '../../base/index.ts';
import { Config } from '../../config/index.ts';
import { decodeText, encodeText } from '../../encoding/index.ts';
import { MMonCommand, MMonCommandAck, MOSDBoot } from '../../messages/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import { MemoryKv } from '../../paxos/index.ts';
import {
  CEPH_FEATURES_ALL,
  EntityAddrVec,
  MonMap,
  makeCompatSet,
  makeEntityName,
  makeMonInfo,
  parseAuthName,
  utimeFromMs,
  utimeZero,
} from '../../types/index.ts';
import { mkfs } from '../mkfs.ts';
import { Monitor } from '../monitor.ts';
import { FakeConnection, ManualClock } from './fakes.ts';

/** A network on which listening succeeds and nobody ever connects. */
const deafNetwork: Network = {
  listen: (at) => Promise.resolve({ endpoint: at, close() {} }),
  connect: () => ({ cancel() {} }),
};

/** Entropy that is the same in every run. */
export function countingEntropy(): Entropy {
  let n = 1;
  const next = (): number => {
    n = (Math.imul(n, 1664525) + 1013904223) >>> 0;
    return n;
  };
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() >>> 24),
    u32: next,
    float: () => next() / 2 ** 32,
  };
}

/** A whole monitor over memory, with peers that are objects instead of sockets. */
export class MonitorBench {
  readonly clock = new ManualClock();
  readonly kv = new MemoryKv();
  readonly config: Config;
  readonly keyring: KeyRing;
  readonly fsid = 'a3c7a5c1-0000-4000-8000-000000000001';
  readonly clusterLog: string[] = [];
  monitor: Monitor;
  #nextTid = 1;

  private constructor(options: Readonly<Record<string, string>>) {
    this.kv.hold = (complete) => complete();
    this.config = new Config({ cluster: 'ceph', type: 'mon', id: 'a', host: 'h1', pid: 1, daemon: true });
    for (const [name, value] of Object.entries(options)) this.config.set('file', name, value);
    const entropy = countingEntropy();
    const key = (): CryptoKey => CryptoKey.create(entropy, this.clock.now());
    const caps = (words: Record<string, string>): Map<string, string> => new Map(Object.entries(words));
    this.keyring = new KeyRing();
    this.keyring.set('mon.', { key: key(), caps: caps({ mon: 'allow *' }) });
    this.keyring.set('client.admin', { key: key(), caps: caps({ mon: 'allow *', osd: 'allow *', mgr: 'allow *' }) });
    const map = new MonMap({ fsid: this.fsid, created: utimeFromMs(this.clock.now()) }).withMon(
      makeMonInfo('a', EntityAddrVec.parse('v2:127.0.0.1:3300/0')!),
    );
    mkfs(this.kv, map, this.keyring.toBytes());
    this.monitor = this.#make(entropy);
  }

  static async start(options: Readonly<Record<string, string>> = {}): Promise<MonitorBench> {
    const bench = new MonitorBench(options);
    await bench.monitor.start();
    bench.clock.settle();
    return bench;
  }

  #make(entropy: Entropy): Monitor {
    return new Monitor({
      id: 'a',
      hostname: 'h1',
      clock: this.clock,
      entropy,
      network: deafNetwork,
      logger: silentLogger,
      config: this.config,
      kv: this.kv,
      keyring: this.keyring,
      metadata: new Map([['arch', 'x86_64']]),
      writeClusterLog: (_path, text) => this.clusterLog.push(text),
      statfs: () => ({ total: 1000, free: 900 }),
    });
  }

  /** The same monitor after the process ended and was started again. */
  async restart(): Promise<void> {
    this.monitor.stop();
    this.monitor = this.#make(countingEntropy());
    await this.monitor.start();
    this.clock.settle();
  }

  /** A peer whose connection was just accepted. */
  peer(entity: string, num: number, caps: string, addr = 'v2:127.0.0.1:0/77'): FakeConnection {
    const name = parseAuthName(entity)!;
    const connection = new FakeConnection(name, makeEntityName(name.type, num), addr, caps);
    this.monitor.handleAccept(connection);
    return connection;
  }

  admin(): FakeConnection {
    return this.peer('client.admin', -1, 'allow *');
  }

  osd(id: number): FakeConnection {
    return this.peer(`osd.${id}`, id, 'allow profile osd', `v2:127.0.0.1:${6800 + id}/${id + 1}`);
  }

  deliver(connection: FakeConnection, message: WireMessage): void {
    this.monitor.handleMessage({
      ...message,
      connection,
      source: connection.peerName,
      seq: 1,
      received_ms: 0,
      release() {},
      recycleData() {},
    });
    this.clock.settle();
  }

  /** Runs a command as `ceph` sends it. */
  run(
    connection: FakeConnection,
    command: Record<string, unknown>,
    input = '',
  ): { result: number; text: string; out: string } {
    const tid = this.#nextTid++;
    const fields = { fsid: this.fsid, cmd: [JSON.stringify(command)], data: encodeText(input) };
    this.deliver(connection, MMonCommand.encode(fields, { tid }));
    const reply = connection.sent.find((m) => m.type === MMonCommandAck.type && m.tid === tid);
    if (reply === undefined) throw new Error(`no reply to ${JSON.stringify(command)}`);
    connection.sent.splice(connection.sent.indexOf(reply), 1);
    const { result, text, data } = MMonCommandAck.decode(reply);
    return { result, text, out: decodeText(data) };
  }

  /** As {@link run}; throws unless it succeeds, and reads its JSON. */
  json(connection: FakeConnection, prefix: string, args: Record<string, unknown> = {}): unknown {
    const { result, text, out } = this.run(connection, { prefix, format: 'json', ...args });
    if (result !== 0) throw new Error(`${prefix}: ${result} ${text}`);
    return out === '' ? undefined : JSON.parse(out);
  }

  /** An OSD that registers itself and boots, as the daemon does at its first start. */
  bootOsd(id: number, host: string): FakeConnection {
    const uuid = `00000000-0000-4000-8000-00000000000${id}`;
    const admin = this.admin();
    this.json(admin, 'osd new', { uuid, id });
    const args = [`host=${host}`, 'root=default'];
    const placed = this.run(admin, { prefix: 'osd crush create-or-move', id, weight: 1, args });
    if (placed.result !== 0) throw new Error(placed.text);
    const osd = this.osd(id);
    this.boot(osd, id, uuid);
    return osd;
  }

  boot(osd: FakeConnection, id: number, uuid: string): void {
    const { map } = this.monitor.osd;
    const at = (offset: number): EntityAddrVec => EntityAddrVec.parse(`v2:127.0.0.1:${6800 + id + offset}/${id + 1}`)!;
    const fields = {
      paxosVersion: map.epoch,
      superblock: {
        clusterFsid: this.fsid,
        osdFsid: uuid,
        whoami: id,
        currentEpoch: map.epoch,
        oldestMap: 1,
        newestMap: map.epoch,
        weight: 1,
        compatFeatures: makeCompatSet([]),
        cleanThru: 0,
        mounted: 0,
        purgedSnapsLast: 0,
        lastPurgedSnapsScrub: utimeZero,
        clusterOsdmapTrimLowerBound: 0,
      },
      hbBackAddrs: at(100),
      clusterAddrs: at(200),
      hbFrontAddrs: at(300),
      bootEpoch: map.osdInfo[id]?.upFrom ?? 0,
      metadata: new Map([
        ['hostname', 'h1'],
        ['ceph_version', 'v'],
      ]),
      features: CEPH_FEATURES_ALL,
    };
    this.deliver(osd, MOSDBoot.encode(fields));
    this.clock.advance(1000);
  }
}
