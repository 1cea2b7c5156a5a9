import { decodeFromBytes, encodeToBytes, string } from '../encoding/index.ts';
import {
  MAuth,
  MAuthReply,
  MCommand,
  MConfig,
  MGetConfig,
  MGetPoolStats,
  MGetPoolStatsReply,
  MLog,
  MLogAck,
  MMgrBeacon,
  MMonCommand,
  MMonGetOSDMap,
  MMonGetVersion,
  MMonGetVersionReply,
  MMonMap,
  MMonMgrReport,
  MMonSubscribe,
  MMonSubscribeAck,
  MOSDMap,
  MPing,
  MStatfs,
  MStatfsReply,
  messageName,
  messageTypeNumber as type,
} from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import {
  entityType,
  feature,
  hasFeature,
  hasPoolStats,
  monMap,
  type PoolStat,
  pgMapDigest,
  serviceMap,
} from '../types/index.ts';
import type { Monitor } from './monitor.ts';
import type { Service } from './service.ts';
import type { Session } from './session.ts';

type Handler = (message: ReceivedMessage, session: Session) => void;

/** Brings each message to who handles it. Messages of unknown types are passed over, with a line in the log. */
export class Dispatch {
  readonly #mon: Monitor;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor(mon: Monitor) {
    this.#mon = mon;
    const osd = mon.osdRequests;
    this.#handlers = new Map<number, Handler>([
      [type.MON_SUBSCRIBE, (m, s) => this.#subscribe(m, s)],
      [type.MON_COMMAND, (m, s) => mon.runner.monCommand(MMonCommand.decode(m), m.tid, s)],
      [type.COMMAND, (m, s) => mon.runner.tellCommand(MCommand.decode(m), m.tid, s)],
      [type.MON_GET_MAP, (_m, s) => this.#sendMonMap(s)],
      [type.MON_GET_VERSION, (m, s) => this.#getVersion(m, s)],
      [type.MON_GET_OSDMAP, (m, s) => this.#getOsdMap(m, s)],
      [type.AUTH, (m, s) => this.#auth(m, s)],
      [type.PING, (m, s) => this.#ping(m, s)],
      [type.LOG, (m, s) => this.#log(m, s)],
      [type.MGR_BEACON, (m, s) => this.#mgrBeacon(m, s)],
      [type.MON_MGR_REPORT, (m, s) => this.#mgrReport(m, s)],
      [type.STATFS, (m, s) => this.#statfs(m, s)],
      [type.GETPOOLSTATS, (m, s) => this.#poolStats(m, s)],
      [type.GET_CONFIG, (m, s) => this.#getConfig(m, s)],
      [type.POOLOP, (m, s) => osd.poolOp(m, s)],
      [type.OSD_BOOT, (m, s) => osd.boot(m, s)],
      [type.OSD_ALIVE, (m, s) => osd.alive(m, s)],
      [type.OSD_PGTEMP, (m, s) => osd.pgTemp(m, s)],
      [type.OSD_FAILURE, (m, s) => osd.failure(m, s)],
      [type.OSD_MARK_ME_DOWN, (m, s) => osd.markMeDown(m, s)],
      [type.OSD_MARK_ME_DEAD, (m, s) => osd.markMeDead(m, s)],
      [type.OSD_FULL, (m, s) => osd.full(m, s)],
      [type.OSD_BEACON, (m, s) => osd.beacon(m, s)],
      [type.OSD_PG_CREATED, (m, s) => osd.pgCreated(m, s)],
      [type.REMOVE_SNAPS, (m, s) => osd.removeSnaps(m, s)],
      [type.MON_GET_PURGED_SNAPS, (m, s) => osd.getPurgedSnaps(m, s)],
    ]);
  }

  /** @throws DecodeError for a message that is not what its type says */
  handle(message: ReceivedMessage, session: Session): void {
    const handler = this.#handlers.get(message.type);
    if (handler !== undefined) handler(message, session);
    else {
      const { addrs } = session;
      this.#mon.logger.log('mon', 1, `${messageName(message.type)} from ${addrs} is nothing a monitor handles`);
    }
  }

  #subscribe(message: ReceivedMessage, session: Session): void {
    const m = MMonSubscribe.decode(message);
    this.#mon.subscriptions.subscribe(session, m.what, m.hostname);
    if (!hasFeature(session.features, feature.MON_STATEFUL_SUB)) {
      const interval_s = Math.min(this.#mon.config.num('mon_subscribe_interval'), 0xffffffff);
      session.connection.send(MMonSubscribeAck.encode({ interval_s, fsid: this.#mon.fsid }));
    }
  }

  #sendMonMap(session: Session): void {
    const monmap = encodeToBytes(monMap, this.#mon.monmap.map, session.features);
    session.connection.send(MMonMap.encode({ monmap }));
  }

  #getVersion(message: ReceivedMessage, session: Session): void {
    const { handle, what } = MMonGetVersion.decode(message);
    const mon = this.#mon;
    const services = new Map<string, Service>([
      ['mgrmap', mon.mgr],
      ['fsmap', mon.fs],
      ['osdmap', mon.osd],
      ['monmap', mon.monmap],
      ['kv', mon.kv],
    ]);
    const service = services.get(what);
    if (service === undefined) mon.logger.log('mon', 1, `version of unknown map ${what} asked for`);
    const version = service?.version ?? 0;
    const oldestVersion = service?.firstCommitted ?? 0;
    session.connection.send(MMonGetVersionReply.encode({ handle, version, oldestVersion }, { tid: message.tid }));
  }

  #getOsdMap(message: ReceivedMessage, session: Session): void {
    if (!session.may('osd', 'r')) return;
    const m = MMonGetOSDMap.decode(message);
    const { osd } = this.#mon;
    const oldest = osd.firstCommitted;
    const newest = osd.map.epoch;
    let left = Math.max(1, this.#mon.config.num('osd_map_message_max'));
    const incrementals = new Map<number, Uint8Array>();
    const fulls = new Map<number, Uint8Array>();
    const take = (
      into: Map<number, Uint8Array>,
      from: number,
      to: number,
      read: (e: number, f: bigint) => Uint8Array | undefined,
    ): void => {
      if (to === 0) return;
      for (let e = Math.max(from, oldest); e <= Math.min(to, newest) && left > 0; e++) {
        const bytes = read(e, session.features);
        if (bytes === undefined) continue;
        into.set(e, bytes);
        left--;
      }
    };
    take(fulls, m.fullFirst, m.fullLast, (e, f) => osd.fullBytes(e, f));
    take(incrementals, m.incFirst, m.incLast, (e, f) => osd.incrementalBytes(e, f));
    session.connection.send(MOSDMap.encode({ fsid: this.#mon.fsid, incrementals, fulls, oldest, newest }));
  }

  /** Renewal of tickets, and rotating secrets, by who was authenticated on this connection. */
  #auth(message: ReceivedMessage, session: Session): void {
    const m = MAuth.decode(message);
    const handler = this.#mon.serverAuth.handlerOf(session.connection);
    if (handler === undefined) return;
    const { result, payload, reason } = handler.handleRequest(m.payload);
    if (result < 0) this.#mon.logger.log('auth', 1, `${session.addrs}: ${reason ?? 'refused'}`);
    session.connection.send(
      MAuthReply.encode(
        { protocol: m.protocol === 0 ? 2 : m.protocol, result, globalId: session.globalId, payload },
        { tid: message.tid },
      ),
    );
  }

  #ping(message: ReceivedMessage, session: Session): void {
    MPing.decode(message);
    // The answer's front holds a text that `ceph ping mon.ID` shows.
    const front = encodeToBytes(string, this.#mon.admin.pongJson());
    session.connection.send({ ...MPing.encode({}), front });
  }

  #log(message: ReceivedMessage, session: Session): void {
    if (!session.may('log', 'w')) return;
    const m = MLog.decode(message);
    if (m.fsid !== this.#mon.fsid || m.entries.length === 0) return;
    const last = m.entries.at(-1)!.seq;
    this.#mon.log.add(m.entries, () => {
      session.connection.send(MLogAck.encode({ fsid: m.fsid, last, channel: '' }));
    });
  }

  #mgrBeacon(message: ReceivedMessage, session: Session): void {
    if (!session.may('mgr', 'x')) return;
    const m = MMgrBeacon.decode(message);
    if (m.fsid !== this.#mon.fsid) return;
    this.#mon.mgr.whenWriteable(() => {
      this.#mon.mgr.handleBeacon({
        gid: Number(m.gid),
        name: m.name,
        serverAddrs: m.serverAddrs,
        available: m.available,
        availableModules: m.modules,
        commandDescs: m.commands.map((c) => ({
          cmdstring: c.cmdstring,
          helpstring: c.help,
          module: c.module,
          perm: c.perms,
          flags: Number(c.flags),
        })),
        metadata: m.metadata,
        services: m.services,
        clients: m.clients.map((addrs, i) => ({ name: m.clientNames[i] ?? '', addrs })),
        mgrFeatures: m.features,
      });
    });
  }

  #mgrReport(message: ReceivedMessage, session: Session): void {
    if (session.name.type !== entityType.MGR || !session.may('mgr', 'x')) return;
    const m = MMonMgrReport.decode(message);
    // A manager that lost its place may still be sending.
    if (m.gid !== 0n && Number(m.gid) !== this.#mon.mgr.map.activeGid) return;
    const services = m.serviceMap.length > 0 ? decodeFromBytes(serviceMap, m.serviceMap) : undefined;
    const digest = decodeFromBytes(pgMapDigest, m.data);
    this.#mon.mgrStat.handleReport(digest, services, m.healthChecks, m.progressEvents);
  }

  #statfs(message: ReceivedMessage, session: Session): void {
    const m = MStatfs.decode(message);
    const mon = this.#mon;
    if (!session.may('pg', 'r') || m.fsid !== mon.fsid) return;
    if (m.dataPool !== undefined && mon.osd.map.pool(m.dataPool) === undefined) return;
    const statfs = mon.mgrStat.statfs(mon.osd.map, m.dataPool);
    const fields = { fsid: mon.fsid, version: mon.mgrStat.version, statfs };
    session.connection.send(MStatfsReply.encode(fields, { tid: message.tid }));
  }

  #poolStats(message: ReceivedMessage, session: Session): void {
    const m = MGetPoolStats.decode(message);
    const mon = this.#mon;
    if (!session.may('pg', 'r') || m.fsid !== mon.fsid) return;
    const poolStats = new Map<string, PoolStat>();
    for (const name of m.pools) {
      const id = mon.osd.map.poolId(name);
      const stat = id === undefined ? undefined : mon.mgrStat.poolStat(id);
      if (stat !== undefined) poolStats.set(name, stat);
    }
    const fields = {
      paxosVersion: mon.mgrStat.version,
      fsid: mon.fsid,
      poolStats,
      perPool: hasPoolStats(mon.mgrStat.digest),
    };
    session.connection.send(MGetPoolStatsReply.encode(fields, { tid: message.tid, features: session.features }));
  }

  #getConfig(message: ReceivedMessage, session: Session): void {
    const m = MGetConfig.decode(message);
    session.connection.send(MConfig.encode({ config: this.#mon.configService.valuesFor(m.name, m.host) }));
  }
}
