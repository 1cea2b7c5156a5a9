/**
 * A placement group on this OSD: holds its state together, and gives each part (operations, backend, peering, recovery) the narrow view it asks for.
 */
import { errno, type TimerHandle } from '../../base/index.ts';
import { pgBackfillOp } from '../../messages/index.ts';
import type { ReceivedMessage, WireMessage } from '../../msgr/index.ts';
import { StoreError, Transaction } from '../../store/index.ts';
import {
  compareEversion,
  compareHobject,
  type Eversion,
  formatPgId,
  Ghobject,
  type Hobject,
  hobjectMin,
  type IntervalSet,
  type OSDMap,
  type PgId,
  type PgPool,
  PgStatMirror,
  pgCollection,
  pgMetaObject,
  pgState,
  poolFlag,
  type Snapid,
  type SpgId,
  utimeFromMs,
} from '../../types/index.ts';
import { type BackendHost, type InProgress, ReplicatedBackend } from '../backend/replicated.ts';
import type { ClassAnswer } from '../classes/index.ts';
import { bringCopies, type Copied } from '../copy-source.ts';
import { objectKey } from '../model.ts';
import type { ClientOp } from '../ops/client-op.ts';
import type { Effects, ObjectContext, OpContext, PastRequest, StatDelta } from '../ops/context.ts';
import type { OpHost } from '../ops/op-host.ts';
import { OpPath } from '../ops/op-path.ts';
import { trimClone } from '../ops/own-change.ts';
import { runPgOps } from '../ops/pg-ls.ts';
import type { SubOp } from '../ops/sub-op.ts';
import type { Session } from '../session.ts';
import { Backfill, type BackfillHost } from './backfill.ts';
import type { PgMapping } from './choose.ts';
import { CompleteOndisk } from './complete-ondisk.ts';
import { Damages } from './damage.ts';
import type { PastIntervals, PgInfo, PgLease } from './info.ts';
import type { PgLog } from './log.ts';
import type { LogEntry } from './log-entry.ts';
import { type PgLogMessage, removeMessage } from './messages.ts';
import type { PgMeta } from './meta.ts';
import type { MissingSet } from './missing.ts';
import { Peering, type PeeringEvent, type PeeringHost, type PeeringStateName } from './peering.ts';
import { Recovery, type RecoveryHost } from './recovery.ts';
import { Scrubber, type ScrubHost } from './scrub.ts';
import type { NewDigests } from './scrub-compare.ts';
import { countOp, type PgServices } from './services.ts';
import { type SnapTrimHost, SnapTrimmer } from './snap-trim.ts';
import { Watches } from './watches.ts';

const NO_REPLICAS: readonly number[] = [];
export class Pg implements OpHost, BackendHost, PeeringHost, RecoveryHost, BackfillHost, SnapTrimHost, ScrubHost {
  readonly services: PgServices;
  readonly spgid: SpgId;
  readonly pgid: PgId;
  readonly key: string;
  readonly coll: string;
  readonly pool: number;
  readonly seed: number;
  readonly shard: number;
  readonly whoami: number;
  readonly clock;
  readonly store;
  readonly logger;
  readonly peering: Peering;
  readonly log: PgLog;
  readonly missing: MissingSet;
  readonly meta: PgMeta;
  readonly backend: ReplicatedBackend;
  readonly path: OpPath;
  readonly recovery: Recovery;
  readonly backfill: Backfill;
  readonly trimmer: SnapTrimmer;
  readonly scrubber: Scrubber;
  readonly #watches = new Watches(this);
  readonly #damages = new Damages(this);
  replicas: readonly number[] = NO_REPLICAS;
  readonly #complete: CompleteOndisk;
  /** What the primary says of the PG with each change, on a replica. */
  readonly #primaryStats = new PgStatMirror();
  #waitingForActive: ClientOp[] = [];
  readonly #blockedSessions = new Set<Session>();
  // The transaction of the event that is being handled, and what to do once it is durable.
  #t: Transaction | undefined;
  #commits: (() => void)[] = [];
  #depth = 0;
  #dirtyInfo = false;
  #dirtyBig = false;
  #statsDirty = false;
  deleted = false;
  /** State at the last report. */
  reportedState = 0n;
  readonly #timers = new Set<TimerHandle>();
  mapEpoch: number;
  /** Epoch that the PG has on disk: the map from which it would go on after a restart. */
  persistedEpoch: number;
  poolSnaps: { readonly seq: Snapid; readonly snaps: readonly Snapid[] } | undefined;
  poolFull = 0;
  supportsOmap = true;
  fadviseDontneed = false;

  constructor(
    services: PgServices,
    spgid: SpgId,
    map: OSDMap,
    pool: PgPool,
    state: { info: PgInfo; past: PastIntervals; log: PgLog; missing: MissingSet; meta: PgMeta },
  ) {
    this.services = services;
    this.spgid = spgid;
    this.pgid = spgid.pgid;
    this.key = formatPgId(spgid.pgid);
    this.coll = pgCollection(spgid);
    this.pool = spgid.pgid.pool;
    this.seed = spgid.pgid.seed;
    this.shard = spgid.shard;
    this.whoami = services.whoami;
    this.clock = services.clock;
    this.store = services.store;
    this.logger = services.logger;
    this.log = state.log;
    this.missing = state.missing;
    this.meta = state.meta;
    this.mapEpoch = map.epoch;
    this.persistedEpoch = map.epoch;
    this.peering = new Peering(this, spgid, state.info, state.past, state.log, state.missing, map, pool);
    this.backend = new ReplicatedBackend(this);
    this.path = new OpPath(this);
    this.recovery = new Recovery(this);
    this.backfill = new Backfill(this);
    this.trimmer = new SnapTrimmer(this);
    this.scrubber = new Scrubber(this);
    this.#complete = new CompleteOndisk(state.info.lastComplete);
    this.#noteMap();
  }

  // --- views of state ---------------------------------------------------------------------------------------------------------

  get info(): PgInfo {
    return this.peering.info;
  }

  get map(): OSDMap {
    return this.peering.map;
  }

  get isPrimary(): boolean {
    return this.peering.isPrimary;
  }

  get lastPeeringReset(): number {
    return this.peering.lastPeeringReset;
  }

  get limits(): PgServices['limits'] {
    return this.services.limits;
  }

  get stats(): PgInfo['stats'] {
    return this.info.stats;
  }

  get lastUpdate(): Eversion {
    return this.info.lastUpdate;
  }

  set lastUpdate(v: Eversion) {
    const { info } = this;
    info.lastUpdate = v;
    if (this.missing.empty) info.lastComplete = v;
    info.stats.version = v;
  }

  get lastComplete(): Eversion {
    return this.info.lastComplete;
  }

  get lastUserVersion(): number {
    return this.info.lastUserVersion;
  }

  set lastUserVersion(v: number) {
    this.info.lastUserVersion = v;
  }

  get failsafeFull(): boolean {
    return this.services.failsafeFull;
  }

  get state(): PeeringStateName {
    return this.peering.state;
  }

  /** What maps say of the pool, taken out once per map. */
  #noteMap(): void {
    const { pool, map } = this.peering;
    this.mapEpoch = map.epoch;
    this.poolSnaps = pool.isPoolSnapsMode ? pool.snapContext : undefined;
    this.poolFull = pool.hasFlag(poolFlag.FULL)
      ? -(pool.hasFlag(poolFlag.FULL_QUOTA) ? errno.EDQUOT : errno.ENOSPC)
      : 0;
    this.supportsOmap = pool.supportsOmap;
    this.fadviseDontneed = pool.hasFlag(poolFlag.WRITE_FADVISE_DONTNEED);
  }

  // --- events and their transactions ------------------------------------------------------------------------------------------

  /** Runs something that changes the PG's standing, and queues what it wrote. */
  run(fn: () => void): void {
    this.#depth++;
    try {
      fn();
    } finally {
      this.#depth--;
    }
    if (this.#depth === 0) this.#flush();
  }

  apply(event: PeeringEvent): void {
    if (this.deleted) return;
    this.run(() => this.peering.apply(event));
  }

  begin(mapping: PgMapping): void {
    this.run(() => {
      this.peering.begin(mapping);
      this.#interval();
    });
  }

  /** Brings the PG from its map to the newest, epoch by epoch. */
  advanceTo(maps: readonly OSDMap[]): void {
    if (this.deleted) return;
    this.run(() => {
      for (const map of maps) {
        if (map.epoch <= this.map.epoch) continue;
        if (map.pool(this.pool) === undefined) {
          this.#delete();
          return;
        }
        const mapping = this.services.mapPg(map, this.pgid);
        this.peering.apply({ kind: 'advanceMap', map, lastMap: this.map, mapping });
        this.#noteMap();
      }
      this.#interval();
      this.peering.apply({ kind: 'activateMap' });
      // Maps that it would need after a restart are kept; they must not be many.
      this.trimmer.kick();
      if (this.mapEpoch - this.persistedEpoch > this.services.pgOptions.epochStaleMax) this.markDirty(false);
    });
  }

  /** Who takes part, for the operation path. */
  #interval(): void {
    this.path.contexts_max = this.services.contextsPerPg;
  }

  transaction(): Transaction {
    this.#t ??= new Transaction();
    return this.#t;
  }

  onCommit(fn: () => void): void {
    this.#commits.push(fn);
  }

  markDirty(big: boolean): void {
    this.#dirtyInfo = true;
    if (big) this.#dirtyBig = true;
  }

  #flush(): void {
    if (this.deleted) return;
    const dirty = this.#dirtyInfo || this.#dirtyBig;
    if (dirty || this.#t !== undefined || this.#commits.length > 0) {
      const t = this.transaction();
      if (dirty) this.writeMeta(t);
      const commits = this.#commits;
      const interval = this.lastPeeringReset;
      const epoch = this.mapEpoch;
      this.#t = undefined;
      this.#commits = [];
      this.store.queueTransactions(this.coll, [t], () => {
        if (dirty && epoch > this.persistedEpoch) this.persistedEpoch = epoch;
        if (this.deleted || this.lastPeeringReset !== interval) return;
        this.run(() => {
          for (const fn of commits) fn();
        });
      });
    }
    if (this.#statsDirty) {
      this.#statsDirty = false;
      this.services.statsChanged(this.spgid);
    }
  }

  writeMeta(t: Transaction): void {
    this.meta.dirtyInfo ||= this.#dirtyInfo;
    this.meta.dirtyBigInfo ||= this.#dirtyBig;
    this.#dirtyInfo = false;
    this.#dirtyBig = false;
    this.meta.write(t, this.mapEpoch, this.info, this.peering.past, this.log, this.missing);
  }

  now(): { sec: number; nsec: number } {
    return utimeFromMs(this.clock.now());
  }

  get options(): PeeringHost['options'] {
    return this.services.pgOptions;
  }

  send(osd: number, message: WireMessage): void {
    this.services.sendToOsd(osd, message);
  }

  sendToOsd(osd: number, message: WireMessage): void {
    this.services.sendToOsd(osd, message);
  }

  removeObject(oid: Hobject, key: string): void {
    this.transaction().remove(this.coll, new Ghobject(oid, undefined, this.shard));
    this.path.forget(key);
  }

  wantPgTemp(osds: readonly number[]): void {
    this.services.wantPgTemp(this.pgid, osds);
  }

  wantUpThru(epoch: number): void {
    this.services.wantUpThru(epoch);
  }

  get lease(): PgLease | undefined {
    return undefined;
  }

  intervalChanged(): void {
    const open = this.backend.reset();
    const again = this.path.reset(open);
    this.recovery.reset(this.transaction());
    this.backfill.reset();
    this.trimmer.reset();
    const held = this.scrubber.reset();
    this.replicas = NO_REPLICAS;
    this.#complete.reset(this.info.lastComplete);
    this.#waitingForActive = [...again, ...held, ...this.#waitingForActive];
    if (!this.isPrimary) {
      const drop = this.#waitingForActive;
      this.#waitingForActive = [];
      for (const op of drop) this.drop(op, 'not primary any more');
    }
  }

  activated(): void {
    this.replicas = [...this.peering.participants].filter((osd) => osd !== this.whoami);
  }

  /** Requests may run. */
  active(): void {
    for (const s of this.#blockedSessions) s.unblock(this.key, this.mapEpoch);
    this.#blockedSessions.clear();
    if (!this.peering.isActive) return;
    if (this.isPrimary && this.peering.pool.hasFlag(poolFlag.CREATING)) this.services.pgCreated(this.pgid);
    const waiting = this.#waitingForActive;
    this.#waitingForActive = [];
    for (const op of waiting) this.path.doOp(op);
  }

  startRecovery(): void {
    this.recovery.start();
  }

  startBackfill(): void {
    this.backfill.start();
  }

  clean(): void {
    this.markDirty(true);
    this.scrubber.cleanAgain();
    this.trimmer.kick();
  }

  publishStats(): void {
    this.#statsDirty = true;
    if (this.#depth === 0) this.#flush();
  }

  purge(osds: readonly number[]): void {
    for (const osd of osds) this.send(osd, removeMessage(this.mapEpoch, [this.spgid]));
  }

  resetBackfill(message: PgLogMessage): void {
    const t = this.transaction();
    // Everything that is here may be anything: it goes, and comes back by backfill.
    const { objects, next } = this.store.list(
      this.coll,
      new Ghobject(hobjectMin, undefined, this.shard),
      undefined,
      512,
    );
    for (const o of objects) if (!o.isPgMeta) t.remove(this.coll, o);
    if (!next.isMax && objects.some((o) => !o.isPgMeta)) {
      this.store.queueTransactions(this.coll, [t]);
      this.#t = undefined;
      this.resetBackfill(message);
      return;
    }
    this.missing.clear();
    this.log.reset(message.log);
    this.log.markAllDirty();
    const { info } = this;
    const { state } = info.stats;
    Object.assign(info, message.info.copy());
    info.stats.state = state;
    this.markDirty(true);
  }

  /** What was sent to a peer, or came from it, may be lost. */
  peerReset(osd: number): void {
    if (this.deleted) return;
    this.run(() => this.peering.peerReset(osd));
  }

  /** Not reported for long: the manager must not take it for stale. */
  needsReport(epoch: number): boolean {
    return epoch > this.info.stats.reportedEpoch;
  }

  // --- deletion ---------------------------------------------------------------------------------------------------------------

  /** The pool is gone, or the primary says that this copy is not needed. */
  #delete(): void {
    this.peering.beginDelete();
    this.intervalChanged();
    for (const op of this.#waitingForActive) this.drop(op, 'the pool is gone');
    this.#waitingForActive = [];
    for (;;) {
      const t = new Transaction();
      const found = this.store.list(this.coll, new Ghobject(hobjectMin, undefined, this.shard), undefined, 1024);
      for (const o of found.objects) t.remove(this.coll, o);
      if (found.next.isMax) {
        t.remove(this.coll, pgMetaObject(this.spgid));
        t.removeCollection(this.coll);
        this.store.queueTransactions(this.coll, [t]);
        break;
      }
      this.store.queueTransactions(this.coll, [t]);
    }
    this.deleted = true;
    this.stop();
  }

  remove(): void {
    this.run(() => this.#delete());
  }

  stop(): void {
    for (const timer of this.#timers) this.clock.clearTimer(timer);
    this.#timers.clear();
    this.releaseTrimTurn();
    this.releaseScrubTurn();
  }

  // --- client requests --------------------------------------------------------------------------------------------------------

  handleOp(op: ClientOp): void {
    if (this.deleted) {
      this.drop(op, 'the PG is gone');
      return;
    }
    if (this.peering.isActive) {
      this.path.doOp(op);
      return;
    }
    const session = op.message.connection.session as Session | undefined;
    const hopeless = this.state === 'Down' || this.state === 'Incomplete' || this.peering.test(pgState.PEERED);
    if (this.isPrimary && hopeless && session !== undefined && this.services.pgOptions.backoffOnDown) {
      session.block(this.key, this.spgid, this.mapEpoch);
      this.#blockedSessions.add(session);
      this.drop(op, 'backoff');
      return;
    }
    if (!this.isPrimary && !this.peering.isActing) {
      this.drop(op, 'not acting');
      return;
    }
    op.state = 'waiting for peered';
    this.#waitingForActive.push(op);
  }

  drop(op: ClientOp, why: string): void {
    op.message.release();
    this.services.opDropped(op, why);
  }

  isUnreadable(key: string): boolean {
    return !this.missing.empty && this.missing.has(key);
  }

  isDegraded(key: string, oid: Hobject): boolean {
    if (!this.missing.empty && this.missing.has(key)) return true;
    const { peering } = this;
    if (this.state === 'Clean') return false;
    for (const osd of this.replicas) {
      if (peering.peerMissing.get(osd)?.has(key) === true) return true;
    }
    return this.backfill.isBusy(key, oid);
  }

  wantRecovered(key: string): void {
    this.recovery.want(key);
  }

  nextTid(): number {
    return this.services.nextTid();
  }

  nextNotifyId(): bigint {
    return this.services.nextNotifyId();
  }

  isRemovedSnap(snap: Snapid): boolean {
    return this.map.removedSnapsQueue.get(this.pool)?.contains(snap) === true;
  }

  isBlocklisted(op: ClientOp): boolean {
    if (this.map.blocklist.size === 0) return false;
    const addr = op.message.connection.peerAddrs.addrs[0];
    return addr !== undefined && this.map.isBlocklisted(addr);
  }

  addStats(d: StatDelta, version: Eversion, oid: Hobject): void {
    if (this.scrubber.active) this.scrubber.changed(oid, d);
    d.addTo(this.info.stats.stats);
    this.info.stats.version = version;
    this.services.statsChanged(this.spgid);
  }

  readStats(d: StatDelta): void {
    const s = this.info.stats.stats;
    s.numRd += d.rd;
    s.numRdKb += d.rdKb;
    this.services.statsChanged(this.spgid);
  }

  opDone(op: ClientOp, bytesIn: number, bytesOut: number): void {
    const latency_s = (this.clock.monotonic() - op.received_ms) / 1000;
    countOp(this.services.counters, op, latency_s, bytesIn, bytesOut);
    this.services.opFinished(op);
  }

  warn(text: string): void {
    this.services.clusterLog('warn', text);
  }

  corrupt(error: unknown, oid: Hobject): number {
    if (error !== undefined && !(error instanceof StoreError)) throw error;
    const what = error === undefined ? 'full-object read crc does not match' : error.message;
    this.services.clusterLog('error', `${this.key} ${what} on ${oid}`);
    return this.#damages.repairFromCopy(oid) ? -errno.EAGAIN : -errno.EIO;
  }

  contextAt(head: ObjectContext, snap: Snapid): ObjectContext | number {
    return this.path.contextAt(head, snap);
  }

  get now_ms(): number {
    return this.services.clock.now();
  }

  call(ctx: OpContext, cls: string, method: string, input: Uint8Array): ClassAnswer {
    return this.services.classes.call(ctx, cls, method, input);
  }

  copyFrom(op: ClientOp, isWanted: () => boolean, done: (copied: ReadonlyMap<SubOp, Copied | number>) => void): void {
    bringCopies(this.services.copySources, op, isWanted, done);
  }

  get entropy(): PgServices['entropy'] {
    return this.services.entropy;
  }

  requestsOn(oid: Hobject, key: string, max: number): PastRequest[] {
    return this.log.requestsOn(oid, key, max);
  }

  listObjects(op: ClientOp): void {
    const result = runPgOps(
      {
        store: this.store,
        coll: this.coll,
        shard: this.shard,
        pgid: this.pgid,
        pgNum: this.peering.pool.pgNum,
        missing: this.missing,
        interval: this.info.history.sameIntervalSince,
        findings: this.scrubber.findings,
        listMax: this.limits.pgls,
      },
      op,
    );
    this.path.replyPg(op, result);
  }

  // --- watches ----------------------------------------------------------------------------------------------------------------

  get isServing(): boolean {
    return !this.deleted && this.isPrimary && this.peering.isActive;
  }

  loadWatches(obc: ObjectContext): void {
    this.#watches.load(obc);
  }

  runEffects(change: { readonly op: ClientOp | undefined }, obc: ObjectContext, effects: Effects | undefined): void {
    this.#watches.run(change, obc, effects);
  }

  // --- backend ----------------------------------------------------------------------------------------------------------------

  wantsData(osd: number, obc: ObjectContext | undefined): boolean {
    if (obc === undefined) return true;
    const peer = this.peering.peerInfo.get(osd);
    if (peer === undefined || !peer.isIncomplete || compareHobject(obc.oid, peer.lastBackfill) <= 0) return true;
    return this.backfill.reached(osd, obc.oid);
  }

  queue(transactions: readonly Transaction[], onCommit: () => void): void {
    this.store.queueTransactions(this.coll, transactions, onCommit);
  }

  #trim(t: Transaction, to: Eversion): void {
    if (compareEversion(to, this.log.tail) <= 0) return;
    const trimmed = this.log.trim(to, this.services.pgOptions.dupsTracked);
    this.info.logTail = this.log.tail;
    this.info.stats.logStart = this.log.tail;
    this.info.stats.ondiskLogStart = this.log.tail;
    this.meta.writeTrim(t, trimmed);
    this.meta.dirtyInfo = true;
  }

  #writeEntries(t: Transaction, entries: readonly LogEntry[], framed: readonly Uint8Array[]): void {
    const { info } = this;
    if (entries.length === 1) this.meta.writeEntry(t, entries[0]!.version, framed[0]!, info);
    else
      this.meta.writeEntries(
        t,
        entries.map((e, i) => [e.version, framed[i]!] as const),
        info,
      );
  }

  logLocally(t: Transaction, entries: readonly LogEntry[], framed: readonly Uint8Array[]): void {
    const { info } = this;
    for (const e of entries) this.log.append(e);
    info.stats.logSize = this.log.length;
    info.stats.ondiskLogSize = info.stats.logSize;
    this.#writeEntries(t, entries, framed);
    this.#trim(t, this.#complete.trimTo);
    if (this.meta.dirtyInfo) this.writeMeta(t);
  }

  logAsReplica(
    t: Transaction,
    entries: readonly LogEntry[],
    framed: readonly Uint8Array[],
    stats: Uint8Array,
    trimTo: Eversion,
    minLastCompleteOndisk: Eversion,
  ): void {
    const { info } = this;
    const { state } = info.stats;
    info.stats = this.#primaryStats.read(info.stats, stats);
    info.stats.state = state;
    for (const e of entries) {
      this.log.append(e);
      if (e.userVersion > info.lastUserVersion) info.lastUserVersion = e.userVersion;
    }
    const last = entries[entries.length - 1];
    if (last !== undefined) {
      info.lastUpdate = last.version;
      if (this.missing.empty) info.lastComplete = last.version;
    }
    info.stats.logSize = this.log.length;
    info.stats.ondiskLogSize = info.stats.logSize;
    this.#complete.least = minLastCompleteOndisk;
    this.#writeEntries(t, entries, framed);
    this.#trim(t, trimTo);
    if (this.meta.dirtyInfo) this.writeMeta(t);
    this.services.counters.subop++;
  }

  get trimTo(): Eversion {
    return this.#complete.trimTo;
  }

  get minLastCompleteOndisk(): Eversion {
    return this.#complete.least;
  }

  localCompleteOndisk(version: Eversion): void {
    this.#complete.local(version, this.isPrimary ? this.replicas : undefined);
  }

  peerCompleteOndisk(osd: number, version: Eversion): void {
    this.#complete.peer(osd, version, this.isPrimary ? this.replicas : undefined);
  }

  updateTrimTo(): void {
    this.#complete.advance(this.log, this.services.targetLogEntries, this.services.pgOptions);
  }

  done(change: InProgress): void {
    this.path.changeDone(change);
  }

  // --- recovery ---------------------------------------------------------------------------------------------------------------

  get chunkSize(): number {
    return this.services.pgOptions.recoveryChunk;
  }

  get active_max(): number {
    return this.services.pgOptions.recoveryActive;
  }

  get omapEntries(): number {
    return this.services.pgOptions.recoveryOmapEntries;
  }

  get scanSize(): number {
    return this.services.pgOptions.backfillScan;
  }

  commit(t: Transaction, done: () => void): void {
    const interval = this.lastPeeringReset;
    this.store.queueTransactions(this.coll, [t], () => {
      if (this.deleted || this.lastPeeringReset !== interval) return;
      this.run(done);
    });
  }

  gotLocally(oid: Hobject, key: string, version: Eversion): void {
    this.missing.got(key, version);
    if (compareHobject(oid, this.info.lastBackfill) > 0) return;
    if (this.missing.empty) this.info.lastComplete = this.info.lastUpdate;
    this.info.stats.stats.numObjectsMissing = this.missing.size;
    this.markDirty(false);
  }

  objectRecovered(key: string, bytes: number): void {
    const c = this.services.counters;
    c.recoveryOps++;
    c.recoveryBytes += bytes;
    const s = this.info.stats.stats;
    s.numObjectsRecovered++;
    s.numBytesRecovered += bytes;
    if (this.peering.test(pgState.REPAIR)) s.numObjectsRepaired++;
    this.publishStats();
    this.path.objectRecovered(key);
  }

  forgetContext(key: string): void {
    this.path.forget(key);
  }

  allRecovered(): void {
    this.apply({ kind: 'recovered' });
  }

  allBackfilled(): void {
    this.apply({ kind: 'backfilled' });
  }

  unfound(found: boolean): void {
    if (found === this.peering.test(pgState.RECOVERY_UNFOUND)) return;
    if (found) this.peering.setState(pgState.RECOVERY_UNFOUND);
    else this.peering.clearState(pgState.RECOVERY_UNFOUND);
    this.publishStats();
  }

  requeueLater(fn: () => void): void {
    const interval = this.lastPeeringReset;
    this.clock.defer(() => {
      if (!this.deleted && this.lastPeeringReset === interval) this.run(fn);
    });
  }

  after(delay_ms: number, fn: () => void): void {
    const interval = this.lastPeeringReset;
    const timer = this.clock.setTimer(delay_ms, () => {
      this.#timers.delete(timer);
      if (!this.deleted && this.lastPeeringReset === interval) this.run(fn);
    });
    this.#timers.add(timer);
  }

  // --- snapshots --------------------------------------------------------------------------------------------------------------

  get trimActive_max(): number {
    return this.services.pgOptions.snapTrimsActive;
  }

  get trimSleep_ms(): number {
    return this.services.pgOptions.snapTrimSleep_ms;
  }

  requestTrimTurn(granted: () => void): void {
    this.services.snapTrims.request(this.key, () => this.run(granted));
  }

  releaseTrimTurn(): void {
    this.services.snapTrims.release(this.key);
  }

  trimClone(oid: Hobject, removed: IntervalSet, done: () => void): ReturnType<SnapTrimHost['trimClone']> {
    const key = objectKey(oid.head);
    const head = this.path.cached(key) ?? this.path.loadHead(oid.head, key);
    if (typeof head === 'number') return 'failed';
    const clone = this.path.cloneContext(head, oid.snap);
    if (typeof clone === 'number') return 'failed';
    return trimClone(this, head, clone, removed, () => {
      if (!clone.exists && clone.idle) this.path.forget(clone.key);
      this.run(done);
    });
  }

  // --- scrubbing --------------------------------------------------------------------------------------------------------------

  get isScrubbing(): boolean {
    return this.scrubber.active;
  }

  get scrubOptions(): ScrubHost['scrubOptions'] {
    return this.services.scrubOptions;
  }

  takeScrubTurn(): boolean {
    return this.services.scrubs.tryTake(this.key);
  }

  releaseScrubTurn(): void {
    this.services.scrubs.release(this.key);
  }

  waitsForScrub(op: ClientOp): boolean {
    return this.scrubber.active && this.scrubber.holds(op);
  }

  recordDigests(digests: NewDigests): void {
    this.#damages.recordDigests(digests);
  }

  markDamaged(oid: Hobject, key: string, version: Eversion, osds: readonly number[]): void {
    this.#damages.mark(oid, key, version, osds);
  }

  repair(): void {
    this.apply({ kind: 'repair' });
  }

  scrubEnded(): void {
    this.trimmer.kick();
  }

  clusterLog(level: 'error' | 'warn' | 'info' | 'debug', text: string): void {
    this.services.clusterLog(level, text);
  }

  // --- messages of the others -------------------------------------------------------------------------------------------------

  /** MOSDPGBackfill: the primary says how far this copy is. */
  handleBackfill(op: number, lastBackfill: Hobject): void {
    if (this.deleted || this.state !== 'ReplicaActive' || op === pgBackfillOp.FINISH_ACK) return;
    this.run(() => {
      this.info.lastBackfill = lastBackfill;
      this.markDirty(true);
    });
  }

  /** MOSDRepOp: a change from the primary of this interval. */
  handleRepOp(message: ReceivedMessage, mapEpoch: number): void {
    if (this.deleted || mapEpoch < this.info.history.sameIntervalSince || this.state !== 'ReplicaActive') {
      message.release();
      return;
    }
    this.backend.handleRepOp(message);
  }
}
