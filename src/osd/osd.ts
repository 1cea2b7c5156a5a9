/**
 * The object storage daemon: who it is, its maps, its PGs, and what comes in at its messengers.
 */

import { OsdCap } from '../auth/index.ts';
import { type Clock, type Entropy, errno, type Logger, type TimerHandle, trimLarge } from '../base/index.ts';
import type { MonClientApi } from '../client/index.ts';
import type { Config } from '../config/index.ts';
import { DecodeError, Reader } from '../encoding/index.ts';
import {
  type MessageParts,
  MOSDAlive,
  MOSDBeacon,
  MOSDBoot,
  MOSDFull,
  MOSDMap,
  MOSDMarkMeDown,
  MOSDPGCreated,
  MOSDPGTemp,
  MOSDScrub2,
  messageTypeNumber,
} from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { type ObjectStore, StoreError, type StoreStats, Transaction } from '../store/index.ts';
import {
  CEPH_FEATURES_ALL,
  clogType,
  compareText,
  type EntityAddrVec,
  entityType,
  eversionZero,
  formatAuthName,
  makeOsdStat,
  makeStoreStatfs,
  NO_SHARD,
  OSDMap,
  type OsdStat,
  type OsdSuperblock,
  osdMapFlag,
  osdState,
  type PgId,
  type PgStat,
  parsePgCollection,
  pgKey,
  pgState,
  type SpgId,
  type StoreStatfs,
  utimeFromMs,
} from '../types/index.ts';
import { type ClassRegistry, defaultClasses } from './classes/index.ts';
import { Commands } from './commands.ts';
import { type CopySourceHost, CopySources } from './copy-source.ts';
import { Heartbeat, type HeartbeatHost } from './heartbeat.ts';
import { ClientOp, classify } from './ops/client-op.ts';
import { opFlag } from './ops/codes.ts';
import { encodeReply } from './ops/reply.ts';
import { heartbeatOptions, opLimits, pgOptions, SPARE_BYTES, scrubOptions } from './options.ts';
import { META_COLLECTION, OsdMaps, readSuperblock, writeSuperblock } from './osd-maps.ts';
import { perfCounters } from './perf.ts';
import type { PgMapping } from './pg/choose.ts';
import { dispatchPgMessage, pgMessageTypes } from './pg/dispatch.ts';
import { newHistory, PastIntervals, type PgHistory } from './pg/info.ts';
import { pgMessage, readCreate } from './pg/messages.ts';
import { Pg } from './pg/pg.ts';
import { newCounters, type OpCounters, type PgServices } from './pg/services.ts';
import { MgrReporter, type ReportHost } from './report.ts';
import { Reserver } from './reserver.ts';
import { ScrubSchedule } from './scrub-schedule.ts';
import { type OpCaps, Session } from './session.ts';
import { pgStatReport } from './stats.ts';
import { OpTracker } from './tracker.ts';

/** Epochs sent in one message of maps (osd_map_share_max_epochs, osd_map_message_max). */
const MAPS_PER_MESSAGE = 40;
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
  #seconds = 0;
  #notifyId = 0;
  readonly #osdConnections: { addrs: EntityAddrVec; connection: Connection }[] = [];
  readonly #sharedWith = new Map<number, number>();
  #waitingForMap: { epoch: number; deliver: () => void; message: ReceivedMessage }[] = [];
  readonly #waitingForPg = new Map<number, ClientOp[]>();
  readonly #statsChanged = new Set<number>();
  readonly #pgTemp = new Map<number, { pgid: PgId; osds: readonly number[]; sent: boolean }>();
  #upThruWanted = 0;
  #upThruAsked = 0;
  #createdWaiting = new Map<number, PgId>();
  #bootEpoch = 0;
  #nextBeacon_ms = 0;
  #nextBoot_ms = Number.POSITIVE_INFINITY;
  #bootAsked = false;
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
    this.#monc = options.monClient;
    this.started_ms = options.clock.monotonic();
    this.limits = opLimits(this.config);
    this.pgOptions = pgOptions(this.config);
    this.scrubOptions = scrubOptions(this.config);
    this.heartbeat = heartbeatOptions(this.config);
    this.tracker = new OpTracker(this.clock, {
      historySize: this.config.num('osd_op_history_size'),
      historyDuration_ms: this.config.num('osd_op_history_duration') * 1000,
      slow_ms: this.config.num('osd_op_complaint_time') * 1000,
    });
    const m = options.messengers;
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
        const osd = this.#osdConnections.findIndex((c) => c?.connection === connection);
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
    this.tracker.limits = {
      historySize: this.config.num('osd_op_history_size'),
      historyDuration_ms: this.config.num('osd_op_history_duration') * 1000,
      slow_ms: this.config.num('osd_op_complaint_time') * 1000,
    };
  }

  // --- life -------------------------------------------------------------------------------------------------------------------

  /** Mounts the store, loads the PGs, and goes to meet the monitors. Resolves when it is on its way; {@link state} tells the rest. */
  async start(): Promise<void> {
    await this.store.mount();
    const superblock = readSuperblock(this.store);
    if (superblock === undefined) throw new Error('the store has no superblock; make it with --mkfs');
    if (superblock.whoami !== this.whoami) {
      throw new Error(`the store is that of osd.${superblock.whoami}, not of osd.${this.whoami}`);
    }
    this.superblock = superblock;
    this.maps = new OsdMaps(this.store, superblock.oldestMap, superblock.newestMap);
    this.map = this.maps.get(superblock.currentEpoch) ?? new OSDMap();
    this.#loadPgs();
    this.log(0, `has maps ${superblock.oldestMap} to ${superblock.newestMap}, ${this.pgs.size} PGs`);
    await this.#monc.authenticate(0);
    await this.#monc.waitRotating(30_000);
    await this.#placeItself();
    this.state = 'preboot';
    this.#subscribe();
    this.#tick();
    // Maps that a crash kept from being taken in.
    if (superblock.newestMap > superblock.currentEpoch) this.#consumeTo(superblock.newestMap);
    this.#askToBoot();
  }

  /** Registers with the monitors and takes its place in the CRUSH tree, as osd_crush_update_on_start asks. */
  async #placeItself(): Promise<void> {
    const { crushLocation } = this.#o;
    if (!this.config.bool('osd_crush_update_on_start') || crushLocation.length === 0) return;
    const weight = this.config.num('osd_crush_initial_weight');
    const { total } = this.space();
    const tib = Math.max(0.00001, Math.round((total / 2 ** 40) * 1e5) / 1e5);
    const command = {
      prefix: 'osd crush create-or-move',
      id: this.whoami,
      weight: weight >= 0 ? weight : tib,
      args: crushLocation,
    };
    // One that has never seen a map is most likely new to the monitors.
    const isNew = this.superblock.newestMap === 0;
    const place = (): Promise<{ result: number; text: string }> => this.#monc.command([JSON.stringify(command)]);
    let { result, text } = isNew ? { result: -errno.ENOENT, text: '' } : await place();
    if (result === -errno.ENOENT) {
      const made = await this.#monc.command([
        JSON.stringify({ prefix: 'osd create', id: this.whoami, uuid: this.superblock.osdFsid }),
      ]);
      if (made.result < 0) throw new Error(`the monitor refuses osd.${this.whoami}: ${made.text}`);
      ({ result, text } = await place());
    }
    if (result < 0) this.logger.error('osd', `cannot place osd.${this.whoami} in the CRUSH tree: ${text}`);
    const deviceClass = this.config.str('osd_class_update_on_start') === 'false' ? '' : 'ssd';
    if (deviceClass !== '') {
      await this.#monc.command([
        JSON.stringify({ prefix: 'osd crush set-device-class', class: deviceClass, ids: [String(this.whoami)] }),
      ]);
    }
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
    this.#upThruAsked = 0;
    for (const want of this.#pgTemp.values()) want.sent = false;
    this.#sendWants();
    this.heartbeats.reportAgain();
    if (this.state !== 'active') this.#askToBoot();
    else this.#nextBeacon_ms = 0;
  }

  /** Asks which maps there are; boots when it has nearly the newest. */
  #askToBoot(): void {
    if (this.state !== 'preboot' && this.state !== 'booting') return;
    if (this.#bootAsked) return;
    this.#bootAsked = true;
    this.#nextBoot_ms = this.clock.monotonic() + 10_000;
    this.#monc.getVersion('osdmap', (error, newest, oldest) => {
      this.#bootAsked = false;
      if (error !== 0) {
        this.#nextBoot_ms = this.clock.monotonic() + 1000;
        return;
      }
      this.#preboot(newest, oldest);
    });
  }

  #preboot(newest: number, oldest: number): void {
    if (this.state !== 'preboot' && this.state !== 'booting') return;
    const { map } = this;
    if (map.epoch === 0 || map.epoch < oldest - 1 || map.epoch + MAPS_PER_MESSAGE <= newest) {
      // Behind: maps come first.
      this.#nextBoot_ms = this.clock.monotonic() + 1000;
      this.#monc.subWant('osdmap', this.maps.newest + 1);
      this.#monc.renewSubs();
      return;
    }
    if ((map.flags & osdMapFlag.NOUP) !== 0 || map.isDestroyed(this.whoami)) {
      this.log(1, 'may not boot: noup or destroyed');
      this.#nextBoot_ms = this.clock.monotonic() + 5000;
      return;
    }
    this.#sendBoot();
  }

  #sendBoot(): void {
    const m = this.#o.messengers;
    this.state = 'booting';
    this.log(1, `boots at ${m.public.addrs}`);
    const metadata = new Map([
      ...this.#o.metadata,
      ['front_addr', m.public.addrs.toString()],
      ['back_addr', m.cluster.addrs.toString()],
      ['hb_front_addr', m.heartbeatFront.addrs.toString()],
      ['hb_back_addr', m.heartbeatBack.addrs.toString()],
    ]);
    this.#monc.send(
      MOSDBoot.encode({
        paxosVersion: this.map.epoch,
        superblock: this.superblock,
        hbBackAddrs: m.heartbeatBack.addrs,
        clusterAddrs: m.cluster.addrs,
        bootEpoch: this.#bootEpoch,
        hbFrontAddrs: m.heartbeatFront.addrs,
        metadata: new Map([...metadata].sort((a, b) => compareText(a[0], b[0]))),
        features: CEPH_FEATURES_ALL,
      }),
    );
    this.#nextBoot_ms = this.clock.monotonic() + 10_000;
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
    this.superblock.mounted = this.#bootEpoch;
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
      const pg = Pg.load(this, spgid, (epoch) => this.maps.get(epoch));
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
    const pg = Pg.create(this, spgid, at, pool, history, past, undefined);
    this.#addPg(pg);
    pg.begin(this.mapPg(at, spgid.pgid));
    if (at.epoch === this.map.epoch) pg.apply({ kind: 'activateMap' });
    else this.#advance(pg);
    this.heartbeats.updatePeers();
    this.#deliverWaiting(pgKey(spgid.pgid.pool, spgid.pgid.seed));
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
    const pg = Pg.create(
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
    this.#createdWaiting.set(pgKey(pgid.pool, pgid.seed), pgid);
    this.#monc.send(MOSDPGCreated.encode({ pgid }));
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

  /** Object contexts: some thousands in all. */
  get contextsPerPg(): number {
    return Math.min(4096, Math.max(64, Math.floor(32_768 / Math.max(1, this.pgs.size))));
  }

  get mapEpoch(): number {
    return this.map.epoch;
  }

  get fsid(): string {
    return this.superblock.clusterFsid;
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
      this.#makeNewPgs(map, last);
      last = map;
    }
    this.superblock.currentEpoch = this.map.epoch;
    this.#refreshConnections();
    this.#checkUp();
    for (const [key, pg] of [...this.pgs]) {
      pg.advanceTo(maps);
      if (pg.deleted) this.pgs.delete(key);
    }
    this.heartbeats.updatePeers();
    this.copySources.again();
    for (const [key, want] of [...this.#pgTemp]) {
      if (this.map.pool(want.pgid.pool) === undefined) this.#pgTemp.delete(key);
    }
    for (const [key, pgid] of [...this.#createdWaiting]) {
      const pool = this.map.pool(pgid.pool);
      if (pool === undefined || !pool.hasFlag(1 << 15)) this.#createdWaiting.delete(key);
    }
    this.#sendWants();
    this.#deliverMaps();
    for (const key of [...this.#waitingForPg.keys()]) this.#deliverWaiting(key);
    if (this.state === 'preboot') this.#askToBoot();
  }

  /** What the map says of this OSD. */
  #checkUp(): void {
    const { map } = this;
    const mine = this.#o.messengers.public.addrs.toString();
    const isUp = map.isUp(this.whoami) && map.clientAddrs[this.whoami]?.toString() === mine;
    if (isUp) {
      if (this.state === 'booting' || this.state === 'preboot') {
        this.state = 'active';
        this.#bootEpoch = map.osdInfo[this.whoami]!.upFrom;
        this.superblock.mounted = this.#bootEpoch;
        this.log(0, `is up, from epoch ${this.#bootEpoch}`);
        this.#nextBeacon_ms = 0;
        this.#nextBoot_ms = Number.POSITIVE_INFINITY;
      }
      return;
    }
    if (this.state === 'active') {
      // Somebody took this OSD for dead. Sessions of the old life must not go on.
      this.logger.error(
        'osd',
        `osd.${this.whoami} was marked down in epoch ${map.epoch} although it runs; boots again`,
      );
      this.#o.messengers.cluster.markDownAll();
      this.#osdConnections.length = 0;
      this.state = 'preboot';
      this.#askToBoot();
    }
    if (this.state === 'booting') this.#nextBoot_ms = Math.min(this.#nextBoot_ms, this.clock.monotonic() + 3000);
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

  /** The other end has `since`: it gets the incrementals it lacks, once. */
  #shareMap(session: Session, since: number): void {
    const { epoch } = this.map;
    if (since >= epoch || session.sentEpoch >= epoch) return;
    const from = Math.max(since, session.sentEpoch);
    const message = this.maps.messageSince(from, epoch, MAPS_PER_MESSAGE, session.connection.peerFeatures);
    if (message === undefined) return;
    session.sentEpoch = Math.min(epoch, from + MAPS_PER_MESSAGE);
    session.connection.send(message);
  }

  shareMapWith(osd: number, since: number): void {
    const { epoch } = this.map;
    const sent = Math.max(since, this.#sharedWith.get(osd) ?? 0);
    if (sent >= epoch || !this.map.isUp(osd)) return;
    const message = this.maps.messageSince(sent, epoch, MAPS_PER_MESSAGE, CEPH_FEATURES_ALL);
    if (message === undefined) return;
    this.#sharedWith.set(osd, Math.min(epoch, sent + MAPS_PER_MESSAGE));
    this.sendToOsd(osd, message);
  }

  // --- to others --------------------------------------------------------------------------------------------------------------

  sendToMon(message: MessageParts): void {
    this.#monc.send(message);
  }

  sendToOsd(osd: number, message: WireMessage): void {
    const known = this.#osdConnections[osd];
    if (known !== undefined) {
      known.connection.send(message);
      return;
    }
    // Before it is up, an OSD has no say: its PGs begin again with the map that has it.
    if (this.state !== 'active') return;
    const addrs = this.map.clusterAddrs[osd];
    if (addrs === undefined || !this.map.isUp(osd) || addrs.addrs.length === 0) return;
    const connection = this.#o.messengers.cluster.connect(entityType.OSD, addrs);
    this.#osdConnections[osd] = { addrs, connection };
    connection.send(message);
  }

  /** A session with an OSD that is up ended with what was in it: PGs that wait for that OSD begin again. */
  #osdReset(connection: Connection): void {
    const osd = this.#osdConnections.findIndex((c) => c?.connection === connection);
    if (osd < 0) return;
    delete this.#osdConnections[osd];
    this.#sharedWith.delete(osd);
    if (this.state !== 'active' || !this.map.isUp(osd)) return;
    this.log(1, `lost the session with osd.${osd}, which is up`);
    for (const pg of this.pgs.values()) pg.peerReset(osd);
    this.copySources.again(osd);
  }

  /** Connections to OSDs that went down, or came back elsewhere, are over. */
  #refreshConnections(): void {
    for (let osd = 0; osd < this.#osdConnections.length; osd++) {
      const known = this.#osdConnections[osd];
      if (known === undefined) continue;
      if (this.map.isUp(osd) && this.map.clusterAddrs[osd]?.toString() === known.addrs.toString()) continue;
      known.connection.markDown();
      delete this.#osdConnections[osd];
      this.#sharedWith.delete(osd);
    }
  }

  wantPgTemp(pgid: PgId, osds: readonly number[]): void {
    this.#pgTemp.set(pgKey(pgid.pool, pgid.seed), { pgid, osds, sent: false });
    this.clock.defer(() => this.#sendWants());
  }

  wantUpThru(epoch: number): void {
    if (epoch <= this.#upThruWanted) return;
    this.#upThruWanted = epoch;
    this.clock.defer(() => this.#sendWants());
  }

  /** Tells the monitors what PGs want of the map. */
  #sendWants(): void {
    if (this.state !== 'active') return;
    const { map } = this;
    const upThru = map.osdInfo[this.whoami]?.upThru ?? 0;
    if (this.#upThruWanted > upThru && this.#upThruWanted > this.#upThruAsked) {
      // The newest epoch serves every PG that waits now.
      this.#upThruAsked = map.epoch;
      this.#monc.send(MOSDAlive.encode({ paxosVersion: map.epoch, want: map.epoch }));
    }
    const temps: [PgId, number[]][] = [];
    for (const [key, want] of this.#pgTemp) {
      const current = map.pgTemp.get(key) ?? [];
      if (current.length === want.osds.length && current.every((osd, i) => osd === want.osds[i])) {
        this.#pgTemp.delete(key);
        continue;
      }
      if (want.sent) continue;
      want.sent = true;
      temps.push([want.pgid, [...want.osds]]);
    }
    if (temps.length > 0) {
      temps.sort((a, b) => a[0].pool - b[0].pool || a[0].seed - b[0].seed);
      this.#monc.send(MOSDPGTemp.encode({ paxosVersion: map.epoch, mapEpoch: map.epoch, pgTemp: temps }));
    }
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
      this.#handleOp(message);
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
        this.copySources.handleReply(message);
        message.release();
        return true;
      case messageTypeNumber.OSD_SCRUB2:
        this.#handleScrub(message);
        return true;
      case messageTypeNumber.COMMAND:
        this.#commands.handle(message, this.#sessionOf(message.connection));
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
    if (this.state !== 'stopping') this.#handleOp(message);
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

  #sessionOf(connection: Connection): Session {
    const known = connection.session as Session | undefined;
    if (known !== undefined) return known;
    const session = new Session(connection, this.#capsOf(connection));
    connection.session = session;
    return session;
  }

  /** The caps that came with the ticket: an encoded string. */
  #capsOf(connection: Connection): OpCaps {
    const identity = connection.identity;
    let cap = OsdCap.none;
    // A session that this OSD began with another, which has proved then that it is one: it may copy objects from here.
    if (connection.isOutgoing && connection.peerType === entityType.OSD) cap = OsdCap.allowAll;
    else if (identity?.capsAllowAll === true) cap = OsdCap.allowAll;
    else if (identity !== undefined && identity.caps.length > 0) {
      try {
        cap = OsdCap.parse(new Reader(identity.caps).string());
      } catch {
        this.log(0, `caps of ${formatAuthName(identity.name)} cannot be read: none are granted`);
      }
    }
    if (cap.isAllowAll) return ALLOW_ALL;
    return {
      allows: (op, poolId) => {
        const pool = this.map.pool(poolId);
        const addr = connection.peerAddrs.addrs[0];
        if (pool === undefined || addr === undefined) return false;
        return cap.isCapable({
          pool: this.map.poolName(poolId) ?? '',
          nspace: op.nspace,
          applications: pool.applicationMetadata,
          object: op.name,
          read: op.needsReadCap,
          write: op.needsWriteCap,
          classes: (op.classes ?? []).map((c) => ({
            className: c.name,
            methodName: c.method,
            read: c.read,
            write: c.write,
            allowed: c.allowed,
          })),
          addr,
        });
      },
      allowsCommand: () => false,
    };
  }

  #handleOp(message: ReceivedMessage): void {
    const op = new ClientOp(message);
    const session = this.#sessionOf(message.connection);
    if (this.state !== 'active') {
      if (this.state !== 'stopping' && op.mapEpoch > this.map.epoch) {
        this.#waitForMap(op.mapEpoch, message, () => this.#handleOp(message));
      } else message.release();
      return;
    }
    if (op.mapEpoch > this.map.epoch) {
      this.#waitForMap(op.mapEpoch, message, () => this.#handleOp(message));
      return;
    }
    if (op.mapEpoch < this.map.epoch) this.#shareMap(session, op.mapEpoch);
    this.tracker.begin(op);
    const bad = classify(op, (cls, method) => this.classes.find(cls, method));
    if (bad < 0) {
      this.#refuse(op, bad);
      return;
    }
    const key = pgKey(op.pool, this.#seedOf(op));
    const pg = this.pgs.get(key);
    if (pg !== undefined) pg.handleOp(op);
    else this.#withoutPg(op, key);
  }

  /** Old requests carry the raw hash; new ones the PG's seed. */
  #seedOf(op: ClientOp): number {
    if (op.message.version >= 8) return op.seed;
    return this.map.pool(op.pool)?.rawPgToPg(op.seed) ?? op.seed;
  }

  #refuse(op: ClientOp, result: number): void {
    const versions = { replay: eversionZero, badReplay: eversionZero, user: 0 };
    op.message.connection.send(
      encodeReply(op, result, this.map.epoch, opFlag.ACK | opFlag.ONDISK, versions, op.has(opFlag.RETURNVEC)),
    );
    op.message.release();
    this.tracker.end(op);
  }

  #withoutPg(op: ClientOp, key: number): void {
    const pool = this.map.pool(op.pool);
    const seed = this.#seedOf(op);
    if (pool !== undefined && seed < pool.pgNum) {
      const mapping = this.mapPg(this.map, { pool: op.pool, seed });
      if (mapping.actingPrimary === this.whoami) {
        // It is being made.
        op.state = 'waiting for pg to exist locally';
        const list = this.#waitingForPg.get(key);
        if (list === undefined) this.#waitingForPg.set(key, [op]);
        else list.push(op);
        return;
      }
    }
    // Sent by an older map, which the client was just brought on from: it sends again where it belongs.
    op.message.release();
    this.opDropped(op, 'no such PG here');
  }

  #deliverWaiting(key: number): void {
    const list = this.#waitingForPg.get(key);
    if (list === undefined) return;
    const pg = this.pgs.get(key);
    this.#waitingForPg.delete(key);
    for (const op of list) {
      if (pg !== undefined) pg.handleOp(op);
      else this.#withoutPg(op, key);
    }
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
    if (++this.#seconds % 4 === 0) trimLarge();
    this.tracker.slowOps = this.tracker.slow().count;
    if (now >= this.#nextBoot_ms) this.#askToBoot();
    if (this.state !== 'active') return;
    this.#reportFullness();
    this.#scrubSchedule.tick();
    this.copySources.again();
    if (now >= this.#nextBeacon_ms) {
      this.#nextBeacon_ms = now + this.config.num('osd_beacon_report_interval') * 1000;
      this.sendBeacon();
    }
    for (const pgid of this.#createdWaiting.values()) this.#monc.send(MOSDPGCreated.encode({ pgid }));
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

  /**
   * The store's space less what is kept spare beyond the size that was asked for: where writes that are under way go while the OSD is being found full. A copy can
   * refuse nothing that its primary has taken.
   */
  space(): StoreStats {
    const s = this.store.statfs();
    const spare = Math.min(SPARE_BYTES, Math.max(0, s.total - this.config.num('bluestore_block_size')));
    return spare === 0 ? s : { ...s, total: s.total - spare, available: Math.max(0, s.available - spare) };
  }

  /** Tells the monitors where the map has another state of fullness than this OSD. They mark the pools, and clients then hold their writes. */
  #reportFullness(): void {
    const { map, whoami } = this;
    if (!map.exists(whoami)) return;
    const { total, available } = this.space();
    const used = total > 0 ? (total - available) / total : 0;
    const levels = [
      [map.fullRatio, osdState.FULL],
      [map.backfillfullRatio, osdState.BACKFILLFULL],
      [map.nearfullRatio, osdState.NEARFULL],
    ] as const;
    const state = levels.find(([ratio]) => ratio > 0 && used >= ratio)?.[1] ?? 0;
    const known = map.osdState[whoami]! & (osdState.FULL | osdState.BACKFILLFULL | osdState.NEARFULL);
    if (state === known) return;
    this.log(1, `is ${(used * 100).toFixed(1)} % full`);
    this.#monc.send(MOSDFull.encode({ paxosVersion: map.epoch, mapEpoch: map.epoch, state }));
  }

  /** Whether so little is left that writes must not even begin (osd_failsafe_full_ratio). */
  get failsafeFull(): boolean {
    const { total, available } = this.space();
    return total > 0 && (total - available) / total > this.config.num('osd_failsafe_full_ratio');
  }

  statfs(): StoreStatfs {
    const s = this.space();
    const f = makeStoreStatfs();
    f.total = s.total;
    f.available = s.available;
    f.allocated = s.allocated;
    f.dataStored = s.stored;
    f.dataCompressed = s.compressedBytes;
    f.dataCompressedAllocated = s.compressedBytes;
    f.dataCompressedOriginal = s.compressedOriginalBytes;
    f.omapAllocated = s.omapBytes;
    f.internalMetadata = s.metadataBytes;
    return f;
  }

  osdStat(): OsdStat {
    const stat = makeOsdStat();
    stat.upFrom = this.upFrom;
    stat.seq = (BigInt(stat.upFrom) << 32n) | BigInt(++this.#statSeq);
    stat.hbPeers = this.heartbeats.peers;
    stat.numPgs = this.pgs.size;
    stat.statfs = this.statfs();
    stat.numOsds = 1;
    // The store's space is told as a whole, not by pool.
    stat.numPerPoolOsds = 0;
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
    return new Map();
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

const ALLOW_ALL: OpCaps = { allows: () => true, allowsCommand: () => true };
