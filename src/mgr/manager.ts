import { type Clock, ErrnoError, type Logger, type TimerHandle } from '../base/index.ts';
import { type Config, configAdminCommand, configAdminCommands } from '../config/index.ts';
import { DecodeError, decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import {
  MCommand,
  MCommandReply,
  type MessageParts,
  MMgrBeacon,
  MMgrClose,
  MMgrCommand,
  MMgrCommandReply,
  MMgrConfigure,
  MMgrMap,
  MMgrOpen,
  MMgrReport,
  MMonMgrReport,
  MPGStats,
  MServiceMap,
  messageTypeNumber as type,
} from '../messages/index.ts';
import type { Connection, ReceivedMessage } from '../msgr/index.ts';
import {
  CEPH_FEATURES_ALL,
  CEPH_RELEASE_NAME,
  CEPH_VERSION_SHORT,
  type CommandMap,
  type CommandSpec,
  commandString,
  createFormatter,
  describeCommands,
  type EntityAddrVec,
  entityType,
  FLAG_TELL,
  type HealthCheckMap,
  healthStatus,
  type MgrMap,
  mgrMap,
  mgrMapEmpty,
  type PgMapDigest,
  parseCommand,
  parseSignature,
  pgMapDigest,
  type ServiceMap,
  serviceMap,
  serviceMapEmpty,
  validateArgs,
} from '../types/index.ts';
import { failed, type MgrCommand, type MgrReply, output } from './commands.ts';
import { CrushPlacement } from './crush-placement.ts';
import { pgHealthChecks } from './health.ts';
import { OsdMapFollower } from './map-follower.ts';
import { osdCommands } from './osd-commands.ts';
import { osdDfCommands } from './osd-df.ts';
import { pgCommands } from './pg-commands.ts';
import { PgMap } from './pg-map.ts';
import { scrubCommands } from './scrub-commands.ts';
import { serviceCommands } from './service-commands.ts';
import type { MgrView } from './view.ts';

/** What a manager needs of its process: a monitor to talk to, and who it is. */
export interface ManagerPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  /** `x` of `mgr.x`. */
  readonly id: string;
  readonly fsid: string;
  /** Global id of the session with the monitors: the manager's identity in the MgrMap. */
  readonly globalId: () => bigint;
  /** Where daemons and clients reach this manager. */
  readonly serverAddrs: () => EntityAddrVec;
  /** What `ceph mgr metadata` shows. */
  readonly metadata: ReadonlyMap<string, string>;
  sendToMonitor(message: MessageParts): void;
  /** Asks the monitors for maps from `start` on, for good. */
  subscribe(what: string, start: number): void;
  /** Says which version of a map has come, so that a new session does not ask for it again. */
  got(what: string, have: number): void;
  /** Whether a peer's caps allow a command of a service (`pg`, `osd`, ...), and which of r, w, x it needs. */
  isAllowed(
    connection: Connection,
    command: { module: string; perm: string; prefix: string; args: ReadonlyMap<string, string> },
  ): boolean;
}

/** Commands of `ceph tell mgr`, beside those that the monitors pass on. */
const tellSpecs: readonly CommandSpec[] = [
  { prefix: 'version', signature: '', help: 'show which version of Ceph this stands for' },
  ...configAdminCommands,
].map(({ prefix, signature, help }) => ({
  prefix,
  args: parseSignature(signature),
  module: 'mgr',
  perm: /^config (set|unset)$/.test(prefix) ? 'rw' : 'r',
  flags: FLAG_TELL,
  help,
}));

/** A daemon that reports here. */
interface Reporter {
  readonly name: string;
  readonly connection: Connection;
}

/**
 * The manager's core. It stands by until the monitors' MgrMap names its global id as the active one; then it takes the OSDs' statistics, tells the monitors
 * their digest every mgr_tick_period, and serves commands.
 *
 *     standby --MgrMap names us--> active (not available) --first OSD map--> available
 *        ^                                                                      |
 *        +---------------- MgrMap names another: the process starts anew -------+
 */
export class Manager {
  readonly #ports: ManagerPorts;
  readonly #follower: OsdMapFollower;
  readonly #pgMap: PgMap;
  readonly #commands = new Map<string, MgrCommand>();
  readonly #reporters = new Map<string, Reporter>();
  #mgrMap: MgrMap = mgrMapEmpty;
  #serviceMap: ServiceMap = serviceMapEmpty;
  #state: 'standby' | 'active' | 'stopped' = 'standby';
  #timer: TimerHandle | undefined;
  #soon: TimerHandle | undefined;
  #placement: CrushPlacement | undefined;
  /** Called when another manager took over: Ceph's process starts itself anew then. */
  onDeposed: (() => void) | undefined;

  constructor(ports: ManagerPorts) {
    this.#ports = ports;
    this.#follower = new OsdMapFollower(ports.logger);
    this.#pgMap = new PgMap(
      ports.config.num('mon_stat_smooth_intervals'),
      ports.config.num('mon_delta_reset_interval') * 1000,
    );
    const all = [
      ...pgCommands,
      ...osdCommands,
      ...osdDfCommands,
      ...serviceCommands(() => this.#serviceMap),
      ...scrubCommands((osd, message) => this.#sendToOsd(osd, message)),
    ];
    for (const c of all) this.#commands.set(c.spec.prefix, c);
  }

  get isActive(): boolean {
    return this.#state === 'active';
  }

  get isAvailable(): boolean {
    return this.#state === 'active' && this.#follower.map !== undefined;
  }

  /** Called once the session with the monitors stands. */
  start(): void {
    this.#ports.subscribe('mgrmap', 0);
    this.#beacon();
    this.#armTick();
  }

  stop(): void {
    this.#state = 'stopped';
    for (const timer of [this.#timer, this.#soon]) if (timer !== undefined) this.#ports.clock.clearTimer(timer);
  }

  /** The monitors' session is new: say at once who is here. */
  monitorSessionOpened(): void {
    if (this.#timer !== undefined) this.#beacon();
  }

  #armTick(): void {
    this.#timer = this.#ports.clock.setTimer(this.#ports.config.num('mgr_tick_period') * 1000, () => {
      this.#tick();
      this.#armTick();
    });
  }

  #tick(): void {
    this.#beacon();
    if (!this.isAvailable) return;
    this.#pgMap.tick(this.#ports.clock.now());
    this.#report();
  }

  /** A change that users wait for (a PG turned active): the monitors hear of it soon, not at the next tick. */
  #reportSoon(): void {
    if (this.#soon !== undefined) return;
    this.#soon = this.#ports.clock.setTimer(100, () => {
      this.#soon = undefined;
      if (this.isAvailable) this.#report();
    });
  }

  #beacon(): void {
    const { id, fsid, globalId, serverAddrs, metadata } = this.#ports;
    this.#ports.sendToMonitor(
      MMgrBeacon.encode({
        serverAddrs: serverAddrs(),
        gid: globalId(),
        available: this.isAvailable,
        name: id,
        fsid,
        moduleNames: [],
        modules: [],
        metadata: new Map(metadata),
        commands: this.isAvailable
          ? [...this.#commands.values()].map(({ spec }) => ({
              cmdstring: commandString(spec),
              help: spec.help,
              module: spec.module,
              perms: spec.perm,
              availability: 'cli',
              flags: BigInt(spec.flags),
            }))
          : [],
        features: CEPH_FEATURES_ALL,
      }),
    );
  }

  #digest(): PgMapDigest {
    return this.#pgMap.digest(this.#follower.map!, this.#placement!);
  }

  #report(): void {
    const map = this.#follower.map!;
    const digest = this.#digest();
    const { config, clock } = this.#ports;
    const checks: HealthCheckMap = new Map();
    const limits = {
      stuckAfter_s: config.num('mon_pg_stuck_threshold'),
      detail_max: config.num('mon_health_max_detail'),
    };
    for (const c of pgHealthChecks(this.#pgMap, digest, map, clock.now(), limits)) {
      checks.set(c.code, {
        severity: healthStatus[c.severity === 'HEALTH_ERR' ? 'ERR' : 'WARN'],
        summary: c.summary,
        detail: [...c.detail],
        count: c.count,
      });
    }
    this.#ports.sendToMonitor(
      MMonMgrReport.encode({
        healthChecks: checks,
        serviceMap: encodeToBytes(serviceMap, this.#serviceMap),
        gid: this.#ports.globalId(),
        data: encodeToBytes(pgMapDigest, digest),
      }),
    );
  }

  /** Takes a message of the monitors or of a daemon or client. Returns false for a type that is not a manager's. */
  handle(message: ReceivedMessage): boolean {
    switch (message.type) {
      case type.MGR_MAP:
        this.#handleMgrMap(decodeFromBytes(mgrMap, MMgrMap.decode(message).map));
        return true;
      case type.OSD_MAP:
        this.#handleOsdMap(message);
        return true;
      case type.SERVICE_MAP:
        this.#serviceMap = decodeFromBytes(serviceMap, MServiceMap.decode(message).map);
        return true;
      case type.MGR_DIGEST:
        return true; // mon_status and health, for modules that show them; none does yet.
      case type.MGR_OPEN:
        this.#handleOpen(message);
        return true;
      case type.MGR_REPORT:
        MMgrReport.decode(message); // Counters are for modules that export them; none does yet.
        return true;
      case type.MGR_CLOSE: {
        const { daemonName } = MMgrClose.decode(message);
        this.#reporters.delete(daemonName);
        message.connection.send(MMgrClose.encode({ daemonName }));
        return true;
      }
      case type.PGSTATS:
        this.#handlePgStats(message);
        return true;
      case type.MGR_COMMAND:
      case type.COMMAND:
        this.#handleCommand(message);
        return true;
      default:
        return false;
    }
  }

  connectionLost(connection: Connection): void {
    for (const [key, r] of this.#reporters) if (r.connection === connection) this.#reporters.delete(key);
  }

  #handleMgrMap(map: MgrMap): void {
    if (map.epoch <= this.#mgrMap.epoch) return;
    this.#mgrMap = map;
    this.#ports.got('mgrmap', map.epoch);
    const isOurs = BigInt(map.activeGid) === this.#ports.globalId();
    if (isOurs && this.#state === 'standby') {
      this.#ports.logger.log('mgr', 1, 'this manager is now the active one');
      this.#state = 'active';
      this.#ports.subscribe('osdmap', 0);
      this.#ports.subscribe('servicemap', 0);
      this.#ports.subscribe('mgrdigest', 0);
    } else if (!isOurs && this.#state === 'active') {
      this.#ports.logger.log('mgr', 0, `manager ${map.activeName} took over`);
      this.stop();
      this.onDeposed?.();
    }
  }

  #handleOsdMap(message: ReceivedMessage): void {
    const wasAvailable = this.isAvailable;
    const result = this.#follower.take(message);
    if (result === 'gap') this.#ports.subscribe('osdmap', 0);
    if (result !== 'newer' || this.#state !== 'active') return;
    const map = this.#follower.map!;
    this.#ports.got('osdmap', map.epoch);
    this.#placement = new CrushPlacement(map, this.#placement);
    this.#pgMap.updateMap(map, this.#ports.clock.now());
    if (!wasAvailable) {
      // The first beacon that says so makes the cluster's clients come here.
      this.#beacon();
      this.#pgMap.tick(this.#ports.clock.now());
    }
    this.#reportSoon();
  }

  #handleOpen(message: ReceivedMessage): void {
    const { daemonName, serviceName } = MMgrOpen.decode(message);
    const { connection } = message;
    this.#reporters.set(`${serviceName === '' ? connection.peerType : serviceName}.${daemonName}`, {
      name: daemonName,
      connection,
    });
    const { config } = this.#ports;
    connection.send(
      MMgrConfigure.encode(
        { statsPeriod_s: config.num('mgr_stats_period'), statsThreshold: config.num('mgr_stats_threshold') },
        { features: connection.peerFeatures },
      ),
    );
  }

  #sendToOsd(osd: number, message: MessageParts): boolean {
    const reporter = this.#reporters.get(`${entityType.OSD}.${osd}`);
    if (reporter === undefined) return false;
    reporter.connection.send(message);
    return true;
  }

  #handlePgStats(message: ReceivedMessage): void {
    const { connection } = message;
    const map = this.#follower.map;
    if (connection.peerType !== entityType.OSD || map === undefined) return;
    const { fsid, osdStat, pgStats, poolStats } = MPGStats.decode(message);
    if (fsid !== this.#ports.fsid) return;
    const changed = this.#pgMap.report({ osd: message.source.num, osdStat, pgs: pgStats, pools: poolStats }, map);
    if (changed) this.#reportSoon();
  }

  #view(): MgrView {
    return {
      osdMap: this.#follower.map!,
      pgMap: this.#pgMap,
      digest: this.#digest(),
      placement: this.#placement!,
      config: this.#ports.config,
      now_ms: this.#ports.clock.now(),
    };
  }

  #handleCommand(message: ReceivedMessage): void {
    const isMgrCommand = message.type === type.MGR_COMMAND;
    const { cmd, data } = (isMgrCommand ? MMgrCommand : MCommand).decode(message);
    const result = this.#run(cmd.join(' '), data, message.connection);
    const out = typeof result.out === 'string' ? new TextEncoder().encode(result.out) : result.out;
    message.connection.send(
      (isMgrCommand ? MMgrCommandReply : MCommandReply).encode(
        { result: result.rc, text: result.status, data: out },
        { tid: message.tid },
      ),
    );
  }

  #run(text: string, _data: Uint8Array, connection: Connection): MgrReply {
    try {
      const given = parseCommand(text);
      if (given.prefix === 'get_command_descriptions') {
        return output(describeCommands([...tellSpecs, ...[...this.#commands.values()].map((c) => c.spec)]));
      }
      const told = this.#tell(given, connection);
      if (told !== undefined) return told;
      const found = this.#commands.get(given.prefix);
      if (found === undefined) throw new ErrnoError('EINVAL', `No handler found for '${given.prefix}'`);
      const args = validateArgs(found.spec, given);
      const textArgs = new Map(Object.entries(given).map(([k, v]) => [k, String(v)]));
      if (!this.#ports.isAllowed(connection, { ...found.spec, args: textArgs })) {
        throw new ErrnoError(
          'EACCES',
          `access denied: does your client key have mgr caps? See http://docs.ceph.com/en/latest/mgr/administrator/#client-authentication`,
        );
      }
      if (!this.isAvailable)
        throw new ErrnoError('EAGAIN', 'this manager is not the active one, or has no maps yet; try again');
      return found.run({
        args,
        f: createFormatter(typeof given.format === 'string' ? given.format : ''),
        view: this.#view(),
      });
    } catch (error) {
      if (error instanceof ErrnoError) return failed(error);
      if (error instanceof DecodeError) return failed(new ErrnoError('EINVAL', error.message));
      throw error;
    }
  }

  /** What every daemon answers to `ceph tell`; undefined for another command. */
  #tell(given: CommandMap & { readonly prefix: string }, connection: Connection): MgrReply | undefined {
    const spec = tellSpecs.find((s) => s.prefix === given.prefix);
    if (spec === undefined) return undefined;
    if (!this.#ports.isAllowed(connection, { module: 'mgr', perm: spec.perm, prefix: spec.prefix, args: new Map() })) {
      throw new ErrnoError('EACCES', 'access denied');
    }
    if (spec.prefix === 'version') {
      const version = { version: CEPH_VERSION_SHORT, release: CEPH_RELEASE_NAME, release_type: 'stable' };
      return output(`${JSON.stringify(version, undefined, 4)}\n`);
    }
    return output(configAdminCommand(this.#ports.config, given) ?? '');
  }

  /** A command of the admin socket; undefined for one that is not the manager's own. */
  adminCommand(prefix: string): MgrReply | undefined {
    if (prefix === 'mgr_status' || prefix === 'status') {
      const { id } = this.#ports;
      const status = {
        name: `mgr.${id}`,
        state: this.#state,
        available: this.isAvailable,
        mgrmap_epoch: this.#mgrMap.epoch,
        osdmap_epoch: this.#follower.map?.epoch ?? 0,
        num_pgs: this.#pgMap.pgs.size,
        reporters: [...this.#reporters.keys()].sort(),
      };
      return output(`${JSON.stringify(status, undefined, 4)}\n`);
    }
    return undefined;
  }
}
