import { AuthRegistry, CryptoKey, KeyRing, KeyServer, MonServerAuth, ServiceServerAuth } from '../../auth/index.ts';
import { errno, silentLogger } from '../../base/index.ts';
import { Config } from '../../config/index.ts';
import { encodeToBytes } from '../../encoding/index.ts';
import {
  MAuth,
  MAuthReply,
  MConfig,
  type MessageParts,
  MLog,
  MLogAck,
  MMonCommand,
  MMonCommandAck,
  MMonGetVersion,
  MMonGetVersionReply,
  MMonMap,
  MMonSubscribe,
  MOSDMap,
  MOSDOp,
  MOSDOpReply,
  messageTypeNumber,
  type OsdOpRequest,
  osdOp,
} from '../../messages/index.ts';
import { type Connection, Messenger, monPolicies, osdPublicPolicies, type ReceivedMessage } from '../../msgr/index.ts';
import {
  EntityAddrVec,
  entityType,
  entityTypeName,
  MonMap,
  makeMonInfo,
  monMap,
  OSDMap,
  osdState,
  type PgKey,
  PgPool,
  pgKey,
} from '../../types/index.ts';
import type { World } from './world.ts';

export const POOL = 1;
export const PG_NUM = 4;
const FSID = '11111111-2222-4333-8444-555555555555';

export function testConfig(type: number, options: Record<string, string> = {}): Config {
  const config = new Config({ cluster: 'ceph', type: entityTypeName(type), id: 'x', host: 'h', pid: 1, daemon: false });
  for (const [name, value] of Object.entries(options)) config.set('override', name, value);
  return config;
}

/** A monitor that knows just what clients ask. Several share a {@link MiniCluster}. */
export class MiniMon {
  readonly messenger: Messenger;
  readonly auth: MonServerAuth;
  readonly cluster: MiniCluster;
  readonly #osdmapSubs = new Map<Connection, { start: number; isOnce: boolean }>();
  readonly logged: string[] = [];
  readonly commands: string[] = [];
  /** Commands are kept unanswered while set. */
  isDeaf = false;

  constructor(cluster: MiniCluster) {
    this.cluster = cluster;
    const { world, keys } = cluster;
    this.auth = new MonServerAuth({
      registry: new AuthRegistry(entityType.MON, testConfig(entityType.MON)),
      keys,
      clock: world,
      entropy: world.entropy,
      log: silentLogger,
      isReady: () => true,
      assignGlobalId: (done) => done(cluster.nextGlobalId++),
    });
    this.messenger = new Messenger({
      network: world,
      clock: world,
      entropy: world.entropy,
      name: { type: entityType.MON, num: 0 },
      policies: monPolicies(),
      nonce: 0,
      authServer: this.auth,
    });
    this.messenger.addDispatcher({
      handleMessage: (m) => {
        this.#handle(m);
        m.release();
      },
      handleReset: (c) => this.#osdmapSubs.delete(c),
    });
  }

  #handle(m: ReceivedMessage): void {
    const { connection, tid } = m;
    switch (m.type) {
      case messageTypeNumber.MON_GET_MAP:
        connection.send(MMonMap.encode({ monmap: encodeToBytes(monMap, this.cluster.monMap) }));
        break;
      case messageTypeNumber.MON_SUBSCRIBE:
        for (const [what, { start, flags }] of MMonSubscribe.decode(m).what) {
          if (what === 'monmap' && start <= this.cluster.monMap.epoch) {
            connection.send(MMonMap.encode({ monmap: encodeToBytes(monMap, this.cluster.monMap) }));
          } else if (what === 'config') connection.send(MConfig.encode({ config: this.cluster.options }));
          else if (what === 'osdmap') {
            this.#osdmapSubs.set(connection, { start, isOnce: flags !== 0 });
            this.publish();
          }
        }
        break;
      case messageTypeNumber.MON_GET_VERSION: {
        const { handle } = MMonGetVersion.decode(m);
        connection.send(MMonGetVersionReply.encode({ handle, version: this.cluster.osdMap.epoch, oldestVersion: 1 }));
        break;
      }
      case messageTypeNumber.MON_COMMAND: {
        const { cmd } = MMonCommand.decode(m);
        this.commands.push(cmd.join());
        if (!this.isDeaf) {
          const data = new TextEncoder().encode(`did ${cmd.join()}`);
          connection.send(MMonCommandAck.encode({ result: 0, text: 'ok', cmd, data }, { tid }));
        }
        break;
      }
      case messageTypeNumber.AUTH: {
        const handler = this.auth.handlerOf(connection);
        const { payload, result } = handler!.handleRequest(MAuth.decode(m).payload);
        connection.send(MAuthReply.encode({ protocol: 2, result, payload, globalId: handler!.globalId }));
        break;
      }
      case messageTypeNumber.LOG: {
        const { entries, fsid } = MLog.decode(m);
        this.logged.push(...entries.map((e) => e.msg));
        if (!this.isDeaf) connection.send(MLogAck.encode({ fsid, last: entries.at(-1)!.seq }));
        break;
      }
    }
  }

  /** Sends maps to who waits for them. */
  publish(): void {
    const map = this.cluster.osdMap;
    for (const [connection, { start, isOnce }] of [...this.#osdmapSubs]) {
      if (map.epoch < start) continue;
      const message = MOSDMap.encode({
        fsid: FSID,
        incrementals: new Map(),
        fulls: new Map([[map.epoch, map.encode().bytes]]),
        oldest: 1,
        newest: map.epoch,
      });
      connection.send(message);
      if (isOnce) this.#osdmapSubs.delete(connection);
      else this.#osdmapSubs.set(connection, { start: map.epoch + 1, isOnce });
    }
  }
}

/** A request as an OSD got it. */
export interface SeenOp {
  readonly osd: number;
  readonly tid: number;
  readonly request: OsdOpRequest;
  readonly connection: Connection;
}

/** An OSD that does writefull, read and watch, and otherwise what the test says. */
export class MiniOsd {
  readonly id: number;
  readonly messenger: Messenger;
  readonly #cluster: MiniCluster;
  /** Decides instead: true where it has dealt with the request. */
  hook: ((op: SeenOp) => boolean) | undefined;

  constructor(cluster: MiniCluster, id: number) {
    this.id = id;
    this.#cluster = cluster;
    const { world, keys } = cluster;
    this.messenger = new Messenger({
      network: world,
      clock: world,
      entropy: world.entropy,
      name: { type: entityType.OSD, num: id },
      policies: osdPublicPolicies(),
      nonce: id + 1,
      authServer: new ServiceServerAuth({
        registry: new AuthRegistry(entityType.OSD, testConfig(entityType.OSD)),
        keys,
        entropy: world.entropy,
        log: silentLogger,
      }),
    });
    this.messenger.addDispatcher({
      handleMessage: (m) => {
        if (m.type === messageTypeNumber.OSD_OP) this.#op(m);
        else cluster.otherMessages.push(m);
        m.release();
      },
    });
  }

  #op(m: ReceivedMessage): void {
    const request = MOSDOp.decode(m);
    const seen: SeenOp = { osd: this.id, tid: m.tid, request, connection: m.connection };
    this.#cluster.seen.push(seen);
    if (this.hook?.(seen) === true) return;
    m.connection.send(this.reply(seen, this.#do(request)));
  }

  reply({ request, tid }: SeenOp, result: number, extra: object = {}): MessageParts {
    return MOSDOpReply.encode(
      {
        oid: request.hobj.oid,
        pgid: request.pgid.pgid,
        flags: request.flags,
        result,
        osdmapEpoch: this.#cluster.osdMap.epoch,
        ops: request.ops,
        retryAttempt: request.retryAttempt,
        userVersion: ++this.#cluster.version,
        ...extra,
      },
      { tid },
    );
  }

  #do(request: OsdOpRequest): number {
    const { objects } = this.#cluster;
    const { oid } = request.hobj;
    for (const op of request.ops) {
      if (op.code === osdOp.WRITEFULL) objects.set(oid, op.indata.slice());
      else if (op.code === osdOp.READ) {
        const data = objects.get(oid);
        if (data === undefined) return -errno.ENOENT;
        op.outdata = [data];
      } else if (op.code !== osdOp.WATCH) return -errno.EOPNOTSUPP;
    }
    return 0;
  }
}

export class MiniCluster {
  readonly world: World;
  readonly keys: KeyServer;
  readonly keyring = new KeyRing();
  readonly mons: MiniMon[] = [];
  readonly osds: MiniOsd[] = [];
  readonly objects = new Map<string, Uint8Array>();
  readonly seen: SeenOp[] = [];
  readonly otherMessages: ReceivedMessage[] = [];
  options = new Map<string, string>();
  nextGlobalId = 4100n;
  version = 0;
  monMap = new MonMap({ fsid: FSID, epoch: 1 });
  osdMap: OSDMap;

  private constructor(world: World, osdCount: number) {
    this.world = world;
    this.keys = new KeyServer(world, world.entropy, { auth_s: () => 12 * 3600, service_s: () => 3600 });
    for (const name of ['client.admin', 'osd.9']) {
      const caps = new Map([
        ['mon', 'allow *'],
        ['osd', 'allow *'],
      ]);
      const auth = { key: CryptoKey.create(world.entropy, world.now()), caps };
      this.keyring.set(name, auth);
      this.keys.apply({ op: 'add', name, auth });
    }
    this.rotate();
    let map = new OSDMap({
      fsid: FSID,
      epoch: 1,
      requireOsdRelease: 16,
      pools: new Map([[POOL, new PgPool({ size: 2, minSize: 1, pgNum: PG_NUM, pgpNum: PG_NUM })]]),
      poolNames: new Map([[POOL, 'p']]),
      poolMax: POOL,
    }).withMaxOsd(osdCount);
    map = map.with({
      osdState: map.osdState.map(() => osdState.EXISTS | osdState.UP),
      clientAddrs: map.clientAddrs.map((_, i) => osdAddrs(i)),
      pgTemp: everyPg([0, 1]),
    });
    this.osdMap = map;
  }

  static async start(world: World, monCount = 1, osdCount = 2): Promise<MiniCluster> {
    const cluster = new MiniCluster(world, osdCount);
    for (let i = 0; i < monCount; i++) {
      const name = String.fromCharCode(97 + i);
      cluster.monMap = cluster.monMap.withMon(makeMonInfo(name, monAddrs(i)));
      cluster.mons.push(new MiniMon(cluster));
    }
    for (let i = 0; i < osdCount; i++) cluster.osds.push(new MiniOsd(cluster, i));
    for (const [i, mon] of cluster.mons.entries()) await mon.messenger.bind(monAddrs(i));
    for (const [i, osd] of cluster.osds.entries()) await osd.messenger.bind(osdAddrs(i));
    return cluster;
  }

  rotate(): void {
    const update = this.keys.prepareRotation();
    if (update !== undefined) this.keys.apply({ op: 'setRotating', update });
  }

  /** The next epoch. */
  change(changes: Parameters<OSDMap['with']>[0]): void {
    this.osdMap = this.osdMap.with({ ...changes, epoch: this.osdMap.epoch + 1 });
    for (const mon of this.mons) mon.publish();
  }

  get monHost(): string {
    return this.mons.map((_, i) => `v2:127.0.0.1:${3300 + i}`).join(',');
  }
}

function monAddrs(i: number): EntityAddrVec {
  return EntityAddrVec.parse(`v2:127.0.0.1:${3300 + i}/0`)!;
}

function osdAddrs(i: number): EntityAddrVec {
  return EntityAddrVec.parse(`v2:127.0.0.1:${6800 + i}/${i + 1}`)!;
}

/** The same acting set for every PG of the pool. */
export function everyPg(acting: readonly number[]): Map<PgKey, readonly number[]> {
  const pgs = new Map<PgKey, readonly number[]>();
  for (let seed = 0; seed < PG_NUM; seed++) pgs.set(pgKey(POOL, seed), acting);
  return pgs;
}
