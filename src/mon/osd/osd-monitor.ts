import type { Clock } from '../../base/index.ts';
import type { Config } from '../../config/index.ts';
import type { CrushMap } from '../../crush/index.ts';
import type { StoreTransaction } from '../../paxos/index.ts';
import {
  CEPH_FEATURES_ALL,
  decodeOSDMapIncremental,
  type EntityAddr,
  type EntityAddrVec,
  encodeOSDMapIncremental,
  OSD_IN,
  OSD_OUT,
  OSDMAP_SIGNIFICANT_FEATURES,
  OSDMap,
  OSDMapIncremental,
  osdMapFlag,
  osdState,
  type PgKey,
  type PgPool,
  pgKeyPool,
  pgKeySeed,
  poolFlag,
  release,
  releaseFromName,
  sealIncremental,
  utimeAdd,
  utimeFromMs,
  utimeFromSeconds,
  utimeToMs,
} from '../../types/index.ts';
import { MetadataTable } from '../metadata.ts';
import { MKFS_TABLE } from '../mkfs.ts';
import { Service, type ServiceContext } from '../service.ts';
import { cleanTemps } from './clean-temps.ts';
import type { ClogLevel, CrushView, OsdContext } from './context.ts';
import { CreatingPgs } from './creating.ts';
import { crushView, decodeCrush, encodeCrush, initialCrush } from './crush-view.ts';
import { FailureTracker } from './failure.ts';
import { updateFullFlags } from './full-flags.ts';
import { LastEpochClean } from './last-epoch-clean.ts';
import { PurgedSnaps } from './purged-snaps.ts';

const CREATING_TABLE = 'osd_pg_creating';
const METADATA_TABLE = 'osd_metadata';
/** Encoded maps kept in memory, full and incremental each. */
const MAP_CACHE_MAX = 64;

/** Encoded maps for a subscriber: what MOSDMap carries. */
export interface MapBatch {
  readonly incrementals: Map<number, Uint8Array>;
  readonly fulls: Map<number, Uint8Array>;
  readonly oldest: number;
  readonly newest: number;
}

/** The keys that `osd new` and `osd destroy` change along with the map. */
export interface OsdKeys {
  clog(level: ClogLevel, text: string): void;
}

/** The map of OSDs, pools and placement: what OSDs report changes it, and every epoch goes to who subscribed. */
export class OsdMonitor extends Service implements OsdContext {
  readonly config: Config;
  readonly metadata: MetadataTable;
  readonly failures: FailureTracker;
  readonly lastEpochClean = new LastEpochClean();
  readonly purgedSnaps: PurgedSnaps;
  readonly #clog: OsdKeys['clog'];
  #map = new OSDMap();
  #view: CrushView | undefined;
  #pending = new OSDMapIncremental(1);
  #creating = CreatingPgs.none;
  readonly #created = new Set<PgKey>();
  /** Clock.now() at which a down OSD that is in went down, as far as this monitor saw. */
  readonly #downSince = new Map<number, number>();
  /** Clock.monotonic() of the last beacon, and the OSD's interval of them in seconds. */
  readonly #beacons = new Map<number, { at_ms: number; interval_s: number }>();
  /** Newest epoch that each OSD said it has. */
  readonly #osdEpochs = new Map<number, number>();
  readonly #encoded = new Map<string, Uint8Array>();
  #started_ms: number;
  /** Statistics of a pool, for quotas. */
  poolUsage: (pool: number) => { bytes: number; objects: number } | undefined = () => undefined;
  fsid = '';
  onChanged: (() => void) | undefined;

  constructor(context: ServiceContext, config: Config, clog: OsdKeys['clog']) {
    super('osdmap', context);
    this.config = config;
    this.#clog = clog;
    this.metadata = new MetadataTable(METADATA_TABLE, context.store);
    this.failures = new FailureTracker(this);
    this.purgedSnaps = new PurgedSnaps(context.store);
    this.#started_ms = context.clock.monotonic();
  }

  get map(): OSDMap {
    return this.#map;
  }

  get pending(): OSDMapIncremental {
    return this.#pending;
  }

  get clock(): Clock {
    return this.context.clock;
  }

  get creating(): CreatingPgs {
    return this.#creating;
  }

  /** What OSDs told an earlier leader, or this one in an earlier reign, says nothing of them now. */
  override lead(): void {
    this.#started_ms = this.clock.monotonic();
    this.#beacons.clear();
    this.failures.clear();
    super.lead();
  }

  /** The committed CRUSH map. Not to be changed: see {@link editCrush}. */
  get crushMap(): CrushMap {
    return this.#map.crush;
  }

  get crush(): CrushView {
    this.#view ??= crushView(this.crushMap);
    return this.#view;
  }

  clog(level: ClogLevel, text: string): void {
    this.#clog(level, text);
  }

  /** A copy of the CRUSH map as the pending change has it, to be edited and given to {@link setCrush}. */
  editCrush(): CrushMap {
    return decodeCrush(this.#pending.crush.length > 0 ? this.#pending.crush : this.#map.crushBytes);
  }

  setCrush(crush: CrushMap): void {
    this.#pending.crush = encodeCrush(crush, this.#map.encodingFeatures);
  }

  /** The pool as the next epoch will have it. */
  pendingPool(id: number): PgPool | undefined {
    return this.#pending.newPools.get(id) ?? this.#map.pool(id);
  }

  protected override createInitial(): void {
    const { config, clock } = this;
    const now = utimeFromMs(clock.now());
    const ratio = (name: string): number => {
      const r = config.num(name);
      return Math.fround(r > 1 ? r / 100 : r);
    };
    const profile = new Map<string, string>();
    for (const word of config.str('osd_pool_default_erasure_code_profile').split(/\s+/)) {
      const at = word.indexOf('=');
      if (at > 0) profile.set(word.slice(0, at), word.slice(at + 1));
    }
    const given = this.context.store.get(MKFS_TABLE, 'osdmap');
    const base = given === undefined ? new OSDMap() : OSDMap.decode(given);
    const initial = base.with({
      fsid: this.fsid,
      epoch: 1,
      created: now,
      modified: now,
      flags:
        osdMapFlag.SORTBITWISE | osdMapFlag.RECOVERY_DELETES | osdMapFlag.PURGED_SNAPDIRS | osdMapFlag.PGLOG_HARDLIMIT,
      fullRatio: ratio('mon_osd_full_ratio'),
      backfillfullRatio: ratio('mon_osd_backfillfull_ratio'),
      nearfullRatio: ratio('mon_osd_nearfull_ratio'),
      requireOsdRelease: release.PACIFIC,
      requireMinCompatClient: releaseFromName(config.str('mon_osd_initial_require_min_compat_client')),
      erasureCodeProfiles: new Map([['default', new Map([...profile].sort(([a], [b]) => (a < b ? -1 : 1)))]]),
    });
    const crushBytes =
      given === undefined ? encodeCrush(initialCrush(config), initial.encodingFeatures) : base.crushBytes;
    this.#pending.fsid = this.fsid;
    this.#pending.fullMap = initial.with({ crushBytes }).encode().bytes;
  }

  protected override createPending(): void {
    this.#pending = new OSDMapIncremental(this.#map.epoch + 1, { fsid: this.fsid });
    this.metadata.clearPending();
    this.purgedSnaps.clearPending();
  }

  protected override encodePending(t: StoreTransaction): void {
    const inc = this.#pending;
    inc.modified = utimeFromMs(this.clock.now());
    this.#stampChanges(inc);
    if (inc.fullMap.length === 0) {
      const next = this.#map.apply(inc);
      cleanTemps(this.#map, next, inc);
      this.#advanceCreating(inc, next, t);
      updateFullFlags(next, inc);
    }
    const { full, incremental } = sealIncremental(this.#map, inc);
    this.putVersion(t, inc.epoch, incremental.bytes);
    t.put(this.table, `full_${inc.epoch}`, full.bytes);
    this.putLastCommitted(t, inc.epoch);
    this.metadata.encodePending(t);
    this.purgedSnaps.encodePending(t, inc);
  }

  /** Notes the time of changes that `ceph -s` shows, and drops flips that undid each other. */
  #stampChanges(inc: OSDMapIncremental): void {
    for (const [osd, bits] of [...inc.newState]) {
      // On the wire no bits at all would mean "up flips".
      if (bits === 0) inc.newState.delete(osd);
      else if ((bits & osdState.UP) !== 0) inc.newLastUpChange = inc.modified;
    }
    if (inc.newUpClient.size > 0) inc.newLastUpChange = inc.modified;
    for (const [osd, weight] of inc.newWeight) {
      const before = this.#map.osdWeight[osd] ?? OSD_OUT;
      if ((weight === OSD_OUT) !== (before === OSD_OUT)) inc.newLastInChange = inc.modified;
    }
  }

  #advanceCreating(inc: OSDMapIncremental, next: OSDMap, t: StoreTransaction): void {
    const max = Math.max(1, this.config.num('mon_osd_max_creating_pgs'));
    const creating = this.#creating.advance(inc, next, this.#created, max);
    this.#created.clear();
    t.put(CREATING_TABLE, 'creating', creating.encode());
    for (const [id, pool] of next.pools) {
      if (!pool.hasFlag(poolFlag.CREATING) || creating.isCreating(id)) continue;
      inc.newPools.set(id, (inc.newPools.get(id) ?? pool).clone({ flags: pool.flags & ~poolFlag.CREATING }));
    }
  }

  protected override updateFromCommitted(): void {
    const before = this.#map;
    if (this.#map.epoch === 0) {
      const full = this.context.store.get(this.table, `full_${this.version}`);
      if (full !== undefined) this.#map = OSDMap.decode(full);
    }
    while (this.#map.epoch < this.version) {
      const bytes = this.getVersion(this.#map.epoch + 1);
      if (bytes === undefined) {
        // The store was copied from another monitor's, which keeps no more than this.
        const full = this.context.store.get(this.table, `full_${this.version}`);
        if (full !== undefined) this.#map = OSDMap.decode(full);
        break;
      }
      const inc = decodeOSDMapIncremental(bytes);
      this.#map = this.#map.apply(inc);
      this.#forget(inc);
    }
    if (before.crushBytes !== this.#map.crushBytes) {
      this.#view = undefined;
    }
    const creating = this.context.store.get(CREATING_TABLE, 'creating');
    this.#creating = creating === undefined ? CreatingPgs.none : CreatingPgs.decode(creating);
    this.#noteDown();
    this.failures.settle();
    this.onChanged?.();
  }

  #forget(inc: OSDMapIncremental): void {
    for (const [osd, bits] of inc.newState) if ((bits & osdState.UP) !== 0) this.#beacons.delete(osd);
    for (const [osd, weight] of inc.newWeight) if (weight === OSD_OUT) this.#osdEpochs.delete(osd);
    for (const pool of inc.oldPools) this.lastEpochClean.removePool(pool);
  }

  #noteDown(): void {
    for (let osd = 0; osd < this.#map.maxOsd; osd++) {
      if (this.#map.isOut(osd)) continue;
      if (this.#map.isUp(osd)) this.#downSince.delete(osd);
      else if (!this.#downSince.has(osd)) this.#downSince.set(osd, this.clock.now());
    }
  }

  protected override trimTo(): number {
    if (this.#creating.pgs.size > 0) return 0;
    let floor = this.lastEpochClean.lowerBound(this.#map);
    for (const epoch of this.#osdEpochs.values()) floor = Math.min(floor, epoch);
    const min = this.config.num('mon_min_osdmap_epochs');
    if (floor + min > this.version) floor = Math.max(0, this.version - min);
    return floor > this.firstCommitted ? floor : 0;
  }

  protected override encodeTrimExtra(t: StoreTransaction, to: number): void {
    for (let epoch = this.firstCommitted; epoch < to; epoch++) t.erase(this.table, `full_${epoch}`);
  }

  // --- encoded maps ---

  #cached(key: string, make: () => Uint8Array | undefined): Uint8Array | undefined {
    const found = this.#encoded.get(key);
    if (found !== undefined) return found;
    const bytes = make();
    if (bytes === undefined) return undefined;
    if (this.#encoded.size >= 2 * MAP_CACHE_MAX) {
      for (const old of this.#encoded.keys()) {
        this.#encoded.delete(old);
        if (this.#encoded.size <= MAP_CACHE_MAX) break;
      }
    }
    this.#encoded.set(key, bytes);
    return bytes;
  }

  /** The map of an epoch as a receiver with `features` reads it; undefined where it is not kept. */
  fullBytes(epoch: number, features = CEPH_FEATURES_ALL): Uint8Array | undefined {
    const significant = features & OSDMAP_SIGNIFICANT_FEATURES;
    return this.#cached(`f${epoch}/${significant}`, () => {
      const canonical = this.context.store.get(this.table, `full_${epoch}`);
      if (canonical === undefined || significant === OSDMAP_SIGNIFICANT_FEATURES) return canonical;
      const map = OSDMap.decode(canonical);
      return map.encode(features & map.encodingFeatures).bytes;
    });
  }

  incrementalBytes(epoch: number, features = CEPH_FEATURES_ALL): Uint8Array | undefined {
    const significant = features & OSDMAP_SIGNIFICANT_FEATURES;
    return this.#cached(`i${epoch}/${significant}`, () => {
      const canonical = this.getVersion(epoch);
      if (canonical === undefined || significant === OSDMAP_SIGNIFICANT_FEATURES) return canonical;
      const inc = decodeOSDMapIncremental(canonical);
      const f = features & inc.encodeFeatures;
      if (inc.fullMap.length > 0) inc.fullMap = OSDMap.decode(inc.fullMap).encode(f).bytes;
      return encodeOSDMapIncremental(inc, f).bytes;
    });
  }

  mapAt(epoch: number): OSDMap | undefined {
    if (epoch === 0 || epoch === this.#map.epoch) return this.#map;
    const bytes = this.fullBytes(epoch);
    return bytes === undefined ? undefined : OSDMap.decode(bytes);
  }

  /** Maps from `from` on, at most osd_map_message_max of them: incrementals, after a full one where the first are trimmed. */
  mapsFrom(from: number, features: bigint): MapBatch {
    const newest = this.#map.epoch;
    const batch: MapBatch = { incrementals: new Map(), fulls: new Map(), oldest: this.firstCommitted, newest };
    if (from === 0) {
      this.#addFull(batch, newest, features);
      return batch;
    }
    let epoch = from;
    if (epoch < batch.oldest) {
      epoch = batch.oldest;
      this.#addFull(batch, epoch, features);
      epoch++;
    }
    const last = Math.min(newest, epoch + Math.max(1, this.config.num('osd_map_message_max')) - 1);
    for (; epoch <= last; epoch++) {
      const bytes = this.incrementalBytes(epoch, features);
      if (bytes === undefined) this.#addFull(batch, epoch, features);
      else batch.incrementals.set(epoch, bytes);
    }
    return batch;
  }

  #addFull(batch: MapBatch, epoch: number, features: bigint): void {
    const bytes = this.fullBytes(epoch, features);
    if (bytes !== undefined) batch.fulls.set(epoch, bytes);
  }

  // --- what may change by itself ---

  canMarkDown(osd: number): boolean {
    const { map } = this;
    if (this.#hasFlag(osd, osdMapFlag.NODOWN, osdState.NODOWN)) return false;
    const { osds, up } = map.osdCounts;
    if (osds === 0) return false;
    let leaving = 0;
    for (const [id, bits] of this.#pending.newState) if ((bits & osdState.UP) !== 0 && map.isUp(id)) leaving++;
    return (up - leaving) / osds >= this.config.num('mon_osd_min_up_ratio');
  }

  canMarkUp(osd: number): boolean {
    return !this.#hasFlag(osd, osdMapFlag.NOUP, osdState.NOUP);
  }

  canMarkIn(osd: number): boolean {
    return !this.#hasFlag(osd, osdMapFlag.NOIN, osdState.NOIN);
  }

  /** -1: whether any OSD may be marked out at all. */
  canMarkOut(osd: number): boolean {
    const { map } = this;
    if (osd < 0 ? (map.flags & osdMapFlag.NOOUT) !== 0 : this.#hasFlag(osd, osdMapFlag.NOOUT, osdState.NOOUT)) {
      return false;
    }
    const counts = map.osdCounts;
    if (counts.osds === 0) return false;
    let leaving = 0;
    for (const [id, weight] of this.#pending.newWeight) if (weight === OSD_OUT && map.isIn(id)) leaving++;
    return (counts.in - leaving) / counts.osds >= this.config.num('mon_osd_min_in_ratio');
  }

  /** A flag of the whole map, of the OSD, of its device class or of a bucket above it. */
  #hasFlag(osd: number, mapBit: number, stateBit: number): boolean {
    const { map } = this;
    if ((map.flags & mapBit) !== 0) return true;
    if (osd < 0 || osd >= map.maxOsd) return false;
    if ((map.osdState[osd]! & stateBit) !== 0) return true;
    const deviceClass = this.crush.classOf(osd);
    const classId = deviceClass === undefined ? undefined : this.crush.classId(deviceClass);
    if (classId !== undefined && ((map.deviceClassFlags.get(classId) ?? 0) & stateBit) !== 0) return true;
    if (map.crushNodeFlags.size === 0) return false;
    if (((map.crushNodeFlags.get(osd) ?? 0) & stateBit) !== 0) return true;
    for (const name of this.crush.locationOf(osd).values()) {
      const id = this.crush.itemId(name);
      if (id !== undefined && ((map.crushNodeFlags.get(id) ?? 0) & stateBit) !== 0) return true;
    }
    return false;
  }

  /** An OSD is up and listens at `addrs`: the one that speaks is the one in the map. */
  isCurrent(osd: number, addrs: EntityAddrVec): boolean {
    return this.#map.isUp(osd) && this.#map.clientAddrs[osd]!.legacyEquals(addrs);
  }

  override tick(): void {
    if (!this.isWriteable) return;
    let changed = this.#checkBeacons();
    if (this.failures.check((osd) => this.canMarkDown(osd))) changed = true;
    if (this.#markOut()) changed = true;
    if (this.#expireBlocklist()) changed = true;
    if (this.#updateQuotas()) changed = true;
    if (changed) this.submit();
  }

  #checkBeacons(): boolean {
    const now_ms = this.clock.monotonic();
    const timeout_s = this.config.num('mon_osd_report_timeout');
    // After a start of this monitor everybody gets the whole time.
    if (now_ms - this.#started_ms < timeout_s * 1000) return false;
    let changed = false;
    for (let osd = 0; osd < this.#map.maxOsd; osd++) {
      if (!this.#map.isUp(osd)) continue;
      const beacon = this.#beacons.get(osd);
      if (beacon === undefined) {
        this.#beacons.set(osd, { at_ms: now_ms, interval_s: 0 });
        continue;
      }
      const silent_s = (now_ms - beacon.at_ms) / 1000;
      if (silent_s <= Math.max(timeout_s, 2 * beacon.interval_s) || !this.canMarkDown(osd)) continue;
      this.clog('info', `osd.${osd} marked down after no beacon for ${silent_s.toFixed(6)} seconds`);
      this.#pending.newState.set(osd, osdState.UP);
      changed = true;
    }
    return changed;
  }

  #markOut(): boolean {
    const { map, config } = this;
    if (!this.canMarkOut(-1)) return false;
    const now_ms = this.clock.now();
    const interval_s = config.num('mon_osd_down_out_interval');
    const destroyed_s = config.num('mon_osd_destroyed_out_interval');
    let changed = false;
    for (const [osd, since_ms] of [...this.#downSince]) {
      if (!map.isDown(osd) || !map.isIn(osd)) {
        this.#downSince.delete(osd);
        continue;
      }
      if (!this.canMarkOut(osd)) continue;
      if (this.#wholeSubtreeIsDown(osd)) {
        this.#downSince.set(osd, now_ms);
        continue;
      }
      const down_s = (now_ms - since_ms) / 1000;
      const xinfo = map.osdXinfo[osd]!;
      let grace_s = interval_s;
      if (config.bool('mon_osd_adjust_down_out_interval')) {
        const decay = Math.exp((down_s * Math.log(0.5)) / config.num('mon_osd_laggy_halflife'));
        grace_s += decay * xinfo.laggyInterval * xinfo.laggyProbability;
      }
      const isDestroyed = map.isDestroyed(osd);
      const due = isDestroyed ? destroyed_s > 0 && down_s >= destroyed_s : interval_s > 0 && down_s >= grace_s;
      if (!due) continue;
      this.#pending.newWeight.set(osd, OSD_OUT);
      this.#pending.newState.set(
        osd,
        (this.#pending.newState.get(osd) ?? 0) | (osdState.AUTOOUT & ~map.osdState[osd]!),
      );
      const pendingXinfo = this.#pending.newXinfo.get(osd) ?? xinfo;
      this.#pending.newXinfo.set(osd, { ...pendingXinfo, oldWeight: map.osdWeight[osd]! });
      this.clog('info', `Marking osd.${osd} out (has been down for ${Math.floor(down_s)} seconds)`);
      this.#downSince.delete(osd);
      changed = true;
    }
    return changed;
  }

  /** Whether the bucket of type mon_osd_down_out_subtree_limit above the OSD has no OSD that is up. */
  #wholeSubtreeIsDown(osd: number): boolean {
    const limit = this.config.str('mon_osd_down_out_subtree_limit');
    if (limit === '' || this.crush.typeId(limit) === undefined) return false;
    const name = this.crush.locationOf(osd).get(limit);
    if (name === undefined) return false;
    for (let other = 0; other < this.#map.maxOsd; other++) {
      if (this.#map.isUp(other) && this.crush.locationOf(other).get(limit) === name) return false;
    }
    return true;
  }

  #expireBlocklist(): boolean {
    const now_ms = this.clock.now();
    let changed = false;
    for (const { addr, until } of this.#map.blocklist.values()) {
      if (utimeToMs(until) >= now_ms) continue;
      this.#pending.oldBlocklist.push(addr);
      changed = true;
    }
    return changed;
  }

  /** Sets and clears the flags of pools whose quota is reached. */
  #updateQuotas(): boolean {
    let changed = false;
    for (const [id, pool] of this.#map.pools) {
      const usage = this.poolUsage(id);
      if (usage === undefined) continue;
      const full =
        (pool.quotaMaxBytes > 0 && usage.bytes >= pool.quotaMaxBytes) ||
        (pool.quotaMaxObjects > 0 && usage.objects >= pool.quotaMaxObjects);
      const flags = poolFlag.FULL_QUOTA | poolFlag.FULL;
      if (full === pool.hasFlag(poolFlag.FULL_QUOTA)) continue;
      const name = this.#map.poolName(id);
      if (full) {
        this.clog('warn', `pool '${name}' is full (reached quota)`);
        const others = poolFlag.NEARFULL | poolFlag.BACKFILLFULL;
        this.#pending.newPools.set(id, this.pendingPool(id)!.clone({ flags: (pool.flags | flags) & ~others }));
      } else {
        this.clog('info', `pool '${name}' no longer out of quota; removing NO_QUOTA flag`);
        this.#pending.newPools.set(id, this.pendingPool(id)!.clone({ flags: pool.flags & ~flags }));
      }
      changed = true;
    }
    return changed;
  }

  // --- what others ask for ---

  /** An OSD's regular sign of life. True where it changed the pending map. */
  beacon(
    osd: number,
    report: {
      readonly epoch: number;
      readonly interval_s: number;
      readonly pgs: Iterable<PgKey>;
      readonly minLastEpochClean: number;
    },
  ): void {
    this.#beacons.set(osd, { at_ms: this.clock.monotonic(), interval_s: report.interval_s });
    this.#osdEpochs.set(osd, report.epoch);
    for (const key of report.pgs) {
      const pool = this.#map.pool(pgKeyPool(key));
      if (pool !== undefined) {
        this.lastEpochClean.report(pgKeyPool(key), pool.pgNum, pgKeySeed(key), report.minLastEpochClean);
      }
    }
  }

  /** A PG exists now. */
  pgCreated(key: PgKey): boolean {
    if (!this.#creating.pgs.has(key)) return false;
    this.#created.add(key);
    return true;
  }

  /** Raises an OSD's up_thru in the pending change. */
  updateUpThru(osd: number, epoch: number): void {
    const before = this.#pending.newUpThru.get(osd) ?? this.#map.osdInfo[osd]!.upThru;
    if (epoch > before) this.#pending.newUpThru.set(osd, epoch);
  }

  forgetDown(osd: number): void {
    this.#downSince.delete(osd);
  }

  /** Puts addresses on the blocklist; returns the epoch that has them. The caller has checked that changes may be added, and submits. */
  blocklist(addrs: Iterable<EntityAddr>, seconds: number): number {
    const until = utimeAdd(utimeFromMs(this.clock.now()), utimeFromSeconds(seconds));
    for (const addr of addrs) {
      const any = addr.with({ type: 3 });
      this.#pending.newBlocklist.set(any.toString(), { addr: any, until });
    }
    return this.#pending.epoch;
  }

  /** Weight that `osd in` and a boot give an OSD. */
  inWeight(oldWeight: number): number {
    return oldWeight > 0 ? oldWeight : OSD_IN;
  }
}
