import { type Clock, type Entropy, type Logger, type TimerHandle, trimLarge } from '../base/index.ts';
import type { MonClientApi } from '../client/index.ts';
import type { Config } from '../config/index.ts';
import { DecodeError, Reader } from '../encoding/index.ts';
import {
  type MessageParts,
  MOSDBeacon,
  MOSDMap,
  MOSDMarkMeDown,
  MOSDScrub2,
  messageTypeNumber,
} from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { type ObjectStore, StoreError, type StoreStats, Transaction } from '../store/index.ts';
import {
  CEPH_FEATURES_ALL,
  clogType,
  entityType,
  makeOsdStat,
  NO_SHARD,
  OSDMap,
  type OsdStat,
  type OsdSuperblock,
  type PgId,
  type PgStat,
  parsePgCollection,
  pgKey,
  pgState,
  type SpgId,
  type StoreStatfs,
  utimeFromMs,
} from '../types/index.ts';
import { Boot } from './boot.ts';
import { type ClassRegistry, defaultClasses } from './classes/index.ts';
import { ALLOW_ALL, ClientRequests } from './client-requests.ts';
import { Commands } from './commands.ts';
import { type CopySourceHost, CopySources } from './copy-source.ts';
import { Heartbeat, type HeartbeatHost } from './heartbeat.ts';
import { MapWants } from './map-wants.ts';
import type { ClientOp } from './ops/client-op.ts';
import { heartbeatOptions, opLimits, pgOptions, scrubOptions, storeCacheBytes } from './options.ts';
import { META_COLLECTION, OsdMaps, readSuperblock, writeSuperblock } from './osd-maps.ts';
import { Peers } from './peers.ts';
import { perfCounters } from './perf.ts';
import type { PgMapping } from './pg/choose.ts';
import { dispatchPgMessage, pgMessageTypes } from './pg/dispatch.ts';
import { newHistory, PastIntervals, type PgHistory } from './pg/info.ts';
import { createPg, loadPg } from './pg/make.ts';
import { pgMessage, readCreate } from './pg/messages.ts';
import type { Pg } from './pg/pg.ts';
import { newCounters, type OpCounters, type PgServices } from './pg/services.ts';
import { MgrReporter, type ReportHost } from './report.ts';
import { Reserver } from './reserver.ts';
import { ScrubSchedule } from './scrub-schedule.ts';
import { Session } from './session.ts';
import { Space } from './space.ts';
import { pgStatReport } from './stats.ts';
import { OpTracker } from './tracker.ts';

/** Messages that wait for a map at most; beyond, the oldest are dropped (their senders send again after the next interval). */
const WAITING_MAX = 10_000;
const TICK_MS = 1000;

export interface OsdOptions {
  readonly whoami: number;
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly store: ObjectStore;
  readonly monClient: MonClientApi;
  /** Bound already. `heartbeatClient` does not listen. */
  readonly messengers: {
    readonly public: Messenger;
    readonly cluster: Messenger;
    readonly heartbeatFront: Messenger;
    readonly heartbeatBack: Messenger;
    readonly heartbeatClient: Messenger;
  };
  /** About this process and machine, for `ceph osd metadata`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the OSD is in the CRUSH tree: `root=default host=x`. Empty: it does not place itself. */
  readonly crushLocation: readonly string[];
  /** Stops the process. */
  readonly fatal: (message: string) => never;
}

export type OsdState = 'initializing' | 'preboot' | 'booting' | 'active' | 'stopping';

export class Osd implements PgServices, HeartbeatHost, ReportHost, CopySourceHost {
  readonly whoami: number;
  readonly config: Config;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly store: ObjectStore;
  readonly #o: OsdOptions;
  readonly #monc: MonClientApi;
  readonly counters: OpCounters = newCounters();
  readonly classes: ClassRegistry;
  limits: PgServices['limits'];
  pgOptions: PgServices['pgOptions'];
  heartbeat: HeartbeatHost['heartbeat'];
  state: OsdState = 'initializing';
  superblock!: OsdSuperblock;
  maps!: OsdMaps;
  map: OSDMap = new OSDMap();
  readonly pgs = new Map<number, Pg>();
  readonly scrubs = new Reserver<string>(() => this.config.num('osd_max_scrubs'));
  scrubOptions: PgServices['scrubOptions'];
  readonly #scrubSchedule = new ScrubSchedule(this);
  readonly copySources = new CopySources(this);
  readonly snapTrims = new Reserver<string>(() => this.config.num('osd_max_trimming_pgs'));
  readonly tracker: OpTracker;
  readonly heartbeats: Heartbeat;
  readonly reporter: MgrReporter;
  readonly #commands: Commands;
  #tid = 1;
  #notifyId = 0;
  readonly #peers: Peers;
  readonly #wants = new MapWants(this);
  #waitingForMap: { epoch: number; deliver: () => void; message: ReceivedMessage }[] = [];
  readonly #requests = new ClientRequests(this);
  readonly #space: Space;
  readonly #boot: Boot;
  readonly #statsChanged = new Set<number>();
  #nextBeacon_ms = 0;
  #timer: TimerHandle | undefined;
  #statSeq = 0;
  #stopped: (() => void) | undefined;
  readonly started_ms: number;

  constructor(options: OsdOptions) {
    this.#o = options;
    this.whoami = options.whoami;
    this.config = options.config;
    this.classes = defaultClasses(options.config.str('osd_class_load_list'));
    this.logger = options.logger;
    this.clock = options.clock;
    this.entropy = options.entropy;
    this.store = options.store;
    this.#space = new Space(this);
    this.#monc = options.monClient;
    this.started_ms = options.clock.monotonic();
    this.limits = opLimits(this.config);
    this.pgOptions = pgOptions(this.config);
    this.store.limitCache?.(storeCacheBytes(this.config));
    this.scrubOptions = scrubOptions(this.config);
    this.heartbeat = heartbeatOptions(this.config);
    this.tracker = new OpTracker(this.clock, {
      historySize: this.config.num('osd_op_history_size'),
      historyDuration_ms: this.config.num('osd_op_history_duration') * 1000,
      slow_ms: this.config.num('osd_op_complaint_time') * 1000,
    });
    const m = options.messengers;
    this.#peers = new Peers(this, m.cluster);
    this.#boot = new Boot(this, options);
    this.heartbeats = new Heartbeat(this, m.heartbeatClient);
    this.reporter = new MgrReporter(this, m.public);
    this.#commands = new Commands(this);
    m.public.addDispatcher(this.#dispatcher('public'));
    m.cluster.addDispatcher(this.#dispatcher('cluster'));
    for (const hb of [m.heartbeatFront, m.heartbeatBack, m.heartbeatClient]) {
      hb.addDispatcher({
        handleMessage: (message) => this.#handleHeartbeat(message),
        handleReset: (connection) => this.heartbeats.reset(connection),
        handleRefused: (connection) => {
          const osd = this.heartbeats.osdOf(connection);
          if (osd !== undefined) this.heartbeats.refused(osd);
        },
      });
    }
    this.#monc.addListener({
      sessionOpened: () => this.#sessionOpened(),
      configReceived: () => this.configChanged(),
    });
  }

  #dispatcher(name: 'public' | 'cluster'): {
    handleMessage: (message: ReceivedMessage) => boolean;
    handleReset: (connection: Connection) => void;
    handleRefused: (connection: Connection) => void;
  } {
    return {
      handleMessage: (message) => this.#handleMessage(message),
      handleReset: (connection) => {
        (connection.session as Session | undefined)?.end();
        connection.session = undefined;
        this.reporter.handleReset(connection);
        this.#osdReset(connection);
      },
      handleRefused: (connection) => {
        if (name === 'public') return;
        const osd = this.#peers.osdOf(connection);
        if (osd >= 0) this.heartbeats.refused(osd);
      },
    };
  }

  log(level: number, text: string): void {
    if (this.logger.enabled('osd', level))
      this.logger.log('osd', level, `osd.${this.whoami} ${this.map.epoch} ${text}`);
  }

  configChanged(): void {
    this.limits = opLimits(this.config);
    this.pgOptions = pgOptions(this.config);
    this.scrubOptions = scrubOptions(this.config);
    this.heartbeat = heartbeatOptions(this.config);
    this.store.limitCache?.(storeCacheBytes(this.config));
    this.#space.configChanged();
    this.#space.setCompression();
    this.tracker.limits = {
      historySize: this.config.num('osd_op_history_size'),
      historyDuration_ms: this.config.num('osd_op_history_duration') * 1000,
      slow_ms: this.config.num('osd_op_complaint_time') * 1000,
    };
  }

  // --- life -------------------------------------------------------------------------------------------------------------------

  /** Mounts the store, loads the PGs, and goes to meet the monitors. Resolves when it is on its way; {@link state} tells the rest. */
  async start(): Promise<void> {
    this.#space.setCompression();
    await this.store.mount();
    const superblock = readSuperblock(this.store);
    if (superblock === undefined) throw new Error('the store has no superblock; make it with --mkfs');
    if (superblock.whoami !== this.whoami) {
      throw new Error(`the store is that of osd.${superblock.whoami}, not of osd.${this.whoami}`);
    }
    this.superblock = superblock;
    this.maps = new OsdMaps(this.store, superblock.oldestMap, superblock.newestMap);
    this.map = this.maps.get(superblock.currentEpoch) ?? new OSDMap();
    this.#space.setPoolCompression(this.map, undefined);
    this.#loadPgs();
    this.log(0, `has maps ${superblock.oldestMap} to ${superblock.newestMap}, ${this.pgs.size} PGs`);
    await this.#monc.authenticate(0);
    await this.#monc.waitRotating(30_000);
    await this.#boot.placeItself();
    this.state = 'preboot';
    this.#subscribe();
    this.#tick();
    // Maps that a crash kept from being taken in.
    if (superblock.newestMap > superblock.currentEpoch) this.#consumeTo(superblock.newestMap);
    this.#boot.ask();
  }

  #subscribe(): void {
    this.#monc.subWant('osdmap', this.maps.newest + 1);
    this.#monc.subWant('mgrmap', 0);
    this.#monc.subWant('osd_pg_creates', 0);
    this.#monc.renewSubs();
  }

  #sessionOpened(): void {
    if (this.state === 'initializing' || this.state === 'stopping') return;
    // What the old monitor was told and may not have passed on.
    this.#wants.sendAll();
    this.heartbeats.reportAgain();
    if (this.state !== 'active') this.#boot.ask();
    else this.#nextBeacon_ms = 0;
  }

  /** Tells the monitors, waits for the map without it, flushes and closes. */
  async stop(): Promise<void> {
    const wasActive = this.state === 'active';
    this.state = 'stopping';
    if (wasActive && this.map.isUp(this.whoami)) {
      await new Promise<void>((resolve) => {
        const timer = this.clock.setTimer(this.config.num('osd_mon_shutdown_timeout') * 1000, resolve);
        this.#stopped = () => {
          this.clock.clearTimer(timer);
          resolve();
        };
        this.#monc.send(
          MOSDMarkMeDown.encode({
            fsid: this.map.fsid,
            targetOsd: this.whoami,
            targetAddrs: this.map.clientAddrs[this.whoami]!,
            epoch: this.map.epoch,
            requestAck: true,
          }),
        );
      });
    }
    if (this.#timer !== undefined) this.clock.clearTimer(this.#timer);
    this.reporter.stop();
    this.heartbeats.stop();
    for (const pg of this.pgs.values()) pg.stop();
    const t = new Transaction();
    this.superblock.mounted = this.#boot.bootEpoch;
    this.superblock.cleanThru = this.map.epoch;
    writeSuperblock(t, this.superblock);
    this.store.queueTransactions(META_COLLECTION, [t]);
    this.#monc.shutdown();
    for (const m of Object.values(this.#o.messengers) as Messenger[]) m.shutdown();
    await this.store.umount();
  }

  // --- PGs --------------------------------------------------------------------------------------------------------------------

  #loadPgs(): void {
    for (const coll of this.store.collections()) {
      const spgid = parsePgCollection(coll);
      if (spgid === undefined) continue;
      const pg = loadPg(this, spgid, (epoch) => this.maps.get(epoch));
      if (pg === undefined) {
        this.logger.error('osd', `PG ${coll} cannot be loaded: its info or map is not there`);
        continue;
      }
      this.#addPg(pg);
      pg.begin(this.mapPg(pg.map, spgid.pgid));
      this.#advance(pg);
    }
  }

  #addPg(pg: Pg): void {
    this.pgs.set(pgKey(pg.pool, pg.seed), pg);
  }

  #advance(pg: Pg): void {
    const maps: OSDMap[] = [];
    for (let e = pg.map.epoch + 1; e <= this.map.epoch; e++) {
      const map = this.maps.get(e);
      if (map !== undefined) maps.push(map);
    }
    pg.advanceTo(maps);
    if (pg.deleted) this.pgs.delete(pgKey(pg.pool, pg.seed));
  }

  find(pgid: PgId): Pg | undefined {
    return this.pgs.get(pgKey(pgid.pool, pgid.seed));
  }

  /** A PG that others have already, or that a map or the monitor makes. */
  make(spgid: SpgId, epoch: number, history: PgHistory, past: PastIntervals): Pg | undefined {
    if (this.state === 'stopping') return undefined;
    const at = this.maps.get(epoch) ?? this.map;
    const pool = at.pool(spgid.pgid.pool);
    if (pool === undefined || spgid.pgid.seed >= pool.pgNum || this.map.pool(spgid.pgid.pool) === undefined) {
      return undefined;
    }
    const pg = createPg(this, spgid, at, pool, history, past, undefined);
    this.#addPg(pg);
    pg.begin(this.mapPg(at, spgid.pgid));
    if (at.epoch === this.map.epoch) pg.apply({ kind: 'activateMap' });
    else this.#advance(pg);
    this.heartbeats.updatePeers();
    this.#requests.deliverWaiting(pgKey(spgid.pgid.pool, spgid.pgid.seed));
    return this.find(spgid.pgid);
  }

  /** A pool appears between two maps: the PGs of it that this OSD leads are made. */
  #makeNewPgs(map: OSDMap, last: OSDMap): void {
    if (map.pools === last.pools || last.epoch === 0 || !map.isUp(this.whoami)) return;
    for (const [id, pool] of map.pools) {
      if (last.pools.has(id)) continue;
      for (let seed = 0; seed < pool.pgNum; seed++) {
        const pgid = { pool: id, seed };
        if (this.find(pgid) !== undefined) continue;
        if (this.mapPg(map, pgid).actingPrimary !== this.whoami) continue;
        this.#makeFirst(pgid, map, pool.createTime);
      }
    }
  }

  #makeFirst(pgid: PgId, map: OSDMap, stamp: { sec: number; nsec: number }): void {
    const pool = map.pool(pgid.pool);
    if (pool === undefined) return;
    const pg = createPg(
      this,
      { pgid, shard: NO_SHARD },
      map,
      pool,
      newHistory(map.epoch, stamp),
      new PastIntervals(),
      undefined,
    );
    this.#addPg(pg);
    pg.begin(this.mapPg(map, pgid));
    if (map.epoch === this.map.epoch) pg.apply({ kind: 'activateMap' });
  }

  /** MOSDPGCreate2: the monitor has PGs made that this OSD leads. */
  #handleCreate(message: ReceivedMessage): void {
    const m = readCreate(new Reader(message.front), message.version);
    if (m.epoch > this.map.epoch) {
      this.waitForMap(m.epoch, message);
      return;
    }
    message.release();
    let last = 0;
    for (const c of m.pgs) {
      last = Math.max(last, c.epoch);
      const known = this.find(c.pgid.pgid);
      if (known !== undefined) {
        if (known.peering.isActive) this.pgCreated(c.pgid.pgid);
        continue;
      }
      const history = c.history ?? newHistory(c.epoch, c.stamp);
      const map = this.maps.get(Math.max(c.epoch, history.sameIntervalSince));
      if (map === undefined) continue;
      this.make(c.pgid, map.epoch, { ...history, sameIntervalSince: map.epoch }, c.past ?? new PastIntervals());
    }
    this.#monc.subGot('osd_pg_creates', Math.max(last, m.epoch));
  }

  pgCreated(pgid: PgId): void {
    this.#wants.created(pgid);
  }

  mapPg(map: OSDMap, pgid: PgId): PgMapping {
    return map.pgToUpActing(pgid);
  }

  getMap(epoch: number): OSDMap | undefined {
    return this.maps.get(epoch);
  }

  get targetLogEntries(): number {
    const { logEntriesMin, logEntriesMax } = this.pgOptions;
    const share = this.config.num('osd_target_pg_log_entries_per_osd') / Math.max(1, this.pgs.size);
    return Math.min(logEntriesMax, Math.max(logEntriesMin, Math.floor(share)));
  }

  /** Object contexts: some thousands in all, of about a kilobyte each; no PG has fewer than Ceph gives it. */
  get contextsPerPg(): number {
    const least = this.config.num('osd_pg_object_context_cache_count');
    return Math.max(least, Math.floor(8192 / Math.max(1, this.pgs.size)));
  }

  get mapEpoch(): number {
    return this.map.epoch;
  }

  get fsid(): string {
    return this.superblock.clusterFsid;
  }

  get isStopping(): boolean {
    return this.state === 'stopping';
  }

  get isActive(): boolean {
    return this.state === 'active';
  }

  get upFrom(): number {
    return this.map.osdInfo[this.whoami]?.upFrom ?? 0;
  }

  peersOfPgs(): Iterable<number> {
    const peers = new Set<number>();
    for (const pg of this.pgs.values()) {
      for (const osd of pg.peering.mapping.acting) peers.add(osd);
      for (const osd of pg.peering.mapping.up) peers.add(osd);
      if (pg.isPrimary) for (const osd of pg.peering.peerInfo.keys()) peers.add(osd);
    }
    return peers;
  }

  // --- maps -------------------------------------------------------------------------------------------------------------------

  /** MOSDMap from a monitor or another OSD. */
  #handleMaps(message: ReceivedMessage): void {
    const m = MOSDMap.decode(message);
    message.release();
    if (m.fsid !== this.superblock.clusterFsid || this.state === 'stopping') {
      if (this.state === 'stopping' && this.#sawDown(m)) this.#stopped?.();
      return;
    }
    const t = new Transaction();
    const { epochs, missingFrom, needFull } = this.maps.add(m, t);
    if (needFull !== undefined || (epochs.length === 0 && missingFrom !== undefined)) {
      this.#monc.subWant('osdmap', needFull ?? missingFrom!);
      this.#monc.renewSubs();
    }
    if (epochs.length === 0) return;
    if (m.oldest > 0) this.superblock.clusterOsdmapTrimLowerBound = m.oldest;
    this.maps.trim(this.#trimTo(), t);
    this.superblock.newestMap = this.maps.newest;
    this.superblock.oldestMap = this.maps.oldest;
    this.superblock.currentEpoch = this.map.epoch;
    writeSuperblock(t, this.superblock);
    this.#monc.subGot('osdmap', this.maps.newest);
    const to = this.maps.newest;
    this.store.queueTransactions(META_COLLECTION, [t], () => this.#consumeTo(to));
  }

  #sawDown(m: Parameters<OsdMaps['add']>[0]): boolean {
    const t = new Transaction();
    this.maps.add(m, t);
    const newest = this.maps.get(this.maps.newest);
    return newest !== undefined && !newest.isUp(this.whoami);
  }

  /** No PG needs maps before this. */
  #trimTo(): number {
    let least = this.superblock.clusterOsdmapTrimLowerBound;
    for (const pg of this.pgs.values()) least = Math.min(least, pg.persistedEpoch);
    return Math.min(least, this.map.epoch - 1);
  }

  /** Takes in all maps up to `epoch`, which are on disk. */
  #consumeTo(epoch: number): void {
    const from = this.map.epoch;
    const maps: OSDMap[] = [];
    for (let e = from + 1; e <= epoch; e++) {
      const map = this.maps.get(e);
      if (map !== undefined) maps.push(map);
    }
    if (maps.length === 0) return;
    let last = this.map;
    for (const map of maps) {
      this.map = map;
      this.#space.setPoolCompression(map, last);
      this.#makeNewPgs(map, last);
      last = map;
    }
    this.superblock.currentEpoch = this.map.epoch;
    this.#peers.refresh();
    this.#checkUp();
    for (const [key, pg] of [...this.pgs]) {
      pg.advanceTo(maps);
      if (pg.deleted) this.pgs.delete(key);
    }
    this.heartbeats.updatePeers();
    this.copySources.again();
    this.#wants.mapChanged();
    this.#deliverMaps();
    this.#requests.deliverAll();
    if (this.state === 'preboot') this.#boot.ask();
  }

  /** What the map says of this OSD. */
  #checkUp(): void {
    const { map } = this;
    const mine = this.#o.messengers.public.addrs.toString();
    const isUp = map.isUp(this.whoami) && map.clientAddrs[this.whoami]?.toString() === mine;
    if (isUp) {
      if (this.state === 'booting' || this.state === 'preboot') {
        this.state = 'active';
        this.#boot.done(map.osdInfo[this.whoami]!.upFrom);
        this.superblock.mounted = this.#boot.bootEpoch;
        this.log(0, `is up, from epoch ${this.#boot.bootEpoch}`);
        this.#nextBeacon_ms = 0;
      }
      return;
    }
    if (this.state === 'active') {
      // Somebody took this OSD for dead. Sessions of the old life must not go on.
      this.logger.error(
        'osd',
        `osd.${this.whoami} was marked down in epoch ${map.epoch} although it runs; boots again`,
      );
      this.#peers.endAll();
      this.state = 'preboot';
      this.#boot.ask();
    }
    if (this.state === 'booting') this.#boot.notYet();
  }

  /** A map is needed before this can be dealt with. */
  waitForMap(epoch: number, message: ReceivedMessage): void {
    this.#waitForMap(epoch, message, () => this.#handleMessage(message));
  }

  #waitForMap(epoch: number, message: ReceivedMessage, deliver: () => void): void {
    this.#waitingForMap.push({ epoch, message, deliver });
    if (this.#waitingForMap.length > WAITING_MAX) this.#waitingForMap.shift()?.message.release();
    this.sawEpoch(epoch);
  }

  #deliverMaps(): void {
    const waiting = this.#waitingForMap;
    this.#waitingForMap = [];
    for (const w of waiting) {
      if (w.epoch > this.map.epoch) this.#waitingForMap.push(w);
      else w.deliver();
    }
  }

  sawEpoch(epoch: number): void {
    if (epoch <= this.maps.newest) return;
    this.#monc.subWant('osdmap', this.maps.newest + 1);
    this.#monc.renewSubs();
  }

  // --- to others --------------------------------------------------------------------------------------------------------------

  sendToMon(message: MessageParts): void {
    this.#monc.send(message);
  }

  sendToOsd(osd: number, message: WireMessage): void {
    this.#peers.send(osd, message);
  }

  shareMapWith(osd: number, since: number): void {
    this.#peers.shareMapWith(osd, since);
  }

  /** A session with an OSD that is up ended with what was in it: PGs that wait for that OSD begin again. */
  #osdReset(connection: Connection): void {
    const osd = this.#peers.reset(connection);
    if (osd < 0) return;
    if (this.state !== 'active' || !this.map.isUp(osd)) return;
    this.log(1, `lost the session with osd.${osd}, which is up`);
    for (const pg of this.pgs.values()) pg.peerReset(osd);
    this.copySources.again(osd);
  }

  wantPgTemp(pgid: PgId, osds: readonly number[]): void {
    this.#wants.pgTemp(pgid, osds);
  }

  wantUpThru(epoch: number): void {
    this.#wants.upThru(epoch);
  }

  statsChanged(pgid: SpgId): void {
    this.#statsChanged.add(pgKey(pgid.pgid.pool, pgid.pgid.seed));
  }

  nextTid(): number {
    return this.#tid++;
  }

  nextNotifyId(): bigint {
    return (BigInt(this.map.epoch) << 32n) | BigInt(this.#notifyId++ >>> 0);
  }

  clusterLog(level: 'error' | 'warn' | 'info' | 'debug', text: string): void {
    const prio = { error: clogType.ERROR, warn: clogType.WARN, info: clogType.INFO, debug: clogType.DEBUG };
    this.#monc.clusterLog(prio[level], text);
  }

  fatal(error: unknown): never {
    return this.#o.fatal(`osd.${this.whoami} stops: ${(error as Error)?.stack ?? error}`);
  }

  opFinished(op: ClientOp): void {
    this.tracker.end(op);
  }

  opDropped(op: ClientOp, why: string): void {
    this.tracker.end(op);
    this.log(10, `drops ${op.describe()}: ${why}`);
  }

  // --- what comes in ----------------------------------------------------------------------------------------------------------

  #handleHeartbeat(message: ReceivedMessage): boolean {
    if (message.type !== messageTypeNumber.OSD_PING) return false;
    try {
      if (this.state !== 'initializing') this.heartbeats.handle(message);
    } catch (error) {
      this.#badMessage(message, error);
    }
    message.release();
    return true;
  }

  /** The door: what does not decode ends the connection, what breaks an invariant stops the daemon. */
  #handleMessage(message: ReceivedMessage): boolean {
    try {
      return this.#take(message);
    } catch (error) {
      if (error instanceof DecodeError) {
        this.#badMessage(message, error);
        message.release();
        return true;
      }
      if (error instanceof StoreError) this.fatal(error);
      throw error;
    }
  }

  #badMessage(message: ReceivedMessage, error: unknown): void {
    if (!(error instanceof DecodeError)) throw error;
    this.log(
      0,
      `ends the connection to ${message.source.type}.${message.source.num}: message ${message.type}: ${error.message}`,
    );
    message.connection.markDown();
  }

  #take(message: ReceivedMessage): boolean {
    const { type } = message;
    if (type === messageTypeNumber.OSD_OP) {
      this.#requests.handle(message);
      return true;
    }
    if (pgMessageTypes.has(type)) {
      if (message.connection.peerType !== entityType.OSD) {
        message.release();
        return true;
      }
      if (this.state === 'stopping' || this.state === 'initializing') message.release();
      else dispatchPgMessage(this, message);
      return true;
    }
    switch (type) {
      case messageTypeNumber.OSD_MAP: {
        const from = message.connection.peerType;
        if ((from !== entityType.MON && from !== entityType.OSD) || this.state === 'initializing') {
          if (this.state !== 'initializing') message.connection.markDown();
          message.release();
        } else this.#handleMaps(message);
        return true;
      }
      case pgMessage.CREATE2:
        if (message.connection.peerType === entityType.MON) this.#handleCreate(message);
        else message.release();
        return true;
      case messageTypeNumber.MGR_MAP:
        this.#monc.subGot('mgrmap', this.reporter.handleMap(message));
        message.release();
        return true;
      case messageTypeNumber.MGR_CONFIGURE:
        this.reporter.handleConfigure(message);
        message.release();
        return true;
      case messageTypeNumber.OSD_MARK_ME_DOWN:
        message.release();
        this.#stopped?.();
        return true;
      case messageTypeNumber.OSD_OP_REPLY:
        if (message.connection.peerType === entityType.OSD) this.copySources.handleReply(message);
        message.release();
        return true;
      case messageTypeNumber.OSD_SCRUB2:
        this.#handleScrub(message);
        return true;
      case messageTypeNumber.COMMAND:
        this.#commands.handle(message, this.#requests.sessionOf(message.connection));
        return true;
      case messageTypeNumber.OSD_BACKOFF:
      case messageTypeNumber.PGSTATSACK:
        // An acknowledgement: nothing waits for it.
        message.release();
        return true;
      default:
        return false;
    }
  }

  selfConnection(send: (message: WireMessage) => void): Connection {
    const { public: own } = this.#o.messengers;
    const connection: Connection = {
      peerType: entityType.OSD,
      peerName: { type: entityType.OSD, num: this.whoami },
      peerAddrs: own.addrs,
      peerFeatures: CEPH_FEATURES_ALL,
      peerGlobalId: 0n,
      identity: undefined,
      isConnected: true,
      isSecure: true,
      isOutgoing: true,
      lastActive_ms: this.clock.monotonic(),
      session: undefined,
      send,
      keepalive: () => {},
      markDown: () => {},
      markDisposable: () => {},
    };
    connection.session = new Session(connection, ALLOW_ALL);
    return connection;
  }

  handleOwnRequest(message: ReceivedMessage): void {
    if (this.state !== 'stopping') this.#requests.handle(message);
  }

  /** MOSDScrub2: the manager passes on that somebody wants PGs scrubbed. */
  #handleScrub(message: ReceivedMessage): void {
    const from = message.connection.peerType;
    message.release();
    if (from !== entityType.MGR && from !== entityType.MON) return;
    const { fsid, pgs, repair, deep } = MOSDScrub2.decode(message);
    if (fsid !== this.fsid) return;
    for (const { pgid } of pgs) this.find(pgid)?.scrubber.request({ deep, repair, required: true });
  }

  // --- the clock --------------------------------------------------------------------------------------------------------------

  #tick(): void {
    this.#timer = this.clock.setTimer(TICK_MS, () => {
      if (this.state === 'stopping') return;
      this.#tick();
      this.#everySecond();
    });
  }

  #everySecond(): void {
    const now = this.clock.monotonic();
    this.heartbeats.tick();
    this.reporter.tick();
    trimLarge();
    this.tracker.slowOps = this.tracker.slow().count;
    this.#boot.tick();
    if (this.state !== 'active') return;
    this.#space.reportFullness();
    this.#scrubSchedule.tick();
    this.copySources.again();
    if (now >= this.#nextBeacon_ms) {
      this.#nextBeacon_ms = now + this.config.num('osd_beacon_report_interval') * 1000;
      this.sendBeacon();
    }
    this.#wants.tick();
  }

  /** MOSDBeacon: alive, and how far back the PGs need maps: a clean one needs none before its own, another those since it was last clean. */
  sendBeacon(): void {
    let least = this.map.epoch;
    const pgs: PgId[] = [];
    for (const pg of this.pgs.values()) {
      if (!pg.isPrimary) continue;
      pgs.push(pg.pgid);
      least = Math.min(least, pg.peering.test(pgState.CLEAN) ? pg.mapEpoch : pg.info.history.lastEpochClean);
    }
    pgs.sort((a, b) => a.pool - b.pool || a.seed - b.seed);
    this.#monc.send(
      MOSDBeacon.encode({
        paxosVersion: this.map.epoch,
        pgs,
        minLastEpochClean: least,
        reportInterval_s: this.config.num('osd_beacon_report_interval'),
      }),
    );
  }

  // --- reports ----------------------------------------------------------------------------------------------------------------

  space(): StoreStats {
    return this.#space.stats();
  }

  get failsafeFull(): boolean {
    return this.#space.failsafeFull;
  }

  osdStat(): OsdStat {
    const stat = makeOsdStat();
    stat.upFrom = this.upFrom;
    stat.seq = (BigInt(stat.upFrom) << 32n) | BigInt(++this.#statSeq);
    stat.hbPeers = this.heartbeats.peers;
    stat.numPgs = this.pgs.size;
    stat.statfs = this.#space.statfs();
    stat.numOsds = 1;
    stat.numPerPoolOsds = this.#space.isByPool ? 1 : 0;
    const alerts = this.store.alerts?.();
    if (alerts !== undefined && alerts.size > 0) stat.alerts.set(this.whoami, new Map(alerts));
    return stat;
  }

  pgStats(all: boolean): [PgId, PgStat][] {
    const out: [PgId, PgStat][] = [];
    const now = utimeFromMs(this.clock.now());
    for (const [key, pg] of this.pgs) {
      if (!pg.isPrimary || (!all && !this.#statsChanged.has(key) && !pg.needsReport(this.map.epoch))) continue;
      out.push([pg.pgid, pgStatReport(pg, this.map.epoch, now)]);
    }
    this.#statsChanged.clear();
    return out.sort((a, b) => a[0].pool - b[0].pool || a[0].seed - b[0].seed);
  }

  poolStats(): Map<number, StoreStatfs> {
    return this.#space.byPool();
  }

  counterValues(): ReturnType<typeof perfCounters> {
    return perfCounters(this);
  }

  adminCommand(command: Record<string, unknown>): ReturnType<Commands['admin']> {
    return this.#commands.admin(command);
  }

  get messengerStats(): Record<string, { connections: number; halfOpen: number }> {
    const m = this.#o.messengers;
    return {
      public: m.public.stats,
      cluster: m.cluster.stats,
      heartbeat: m.heartbeatClient.stats,
    };
  }
}
