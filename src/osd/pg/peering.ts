/**
 * How the copies of a PG agree on its history after every change of the acting set, and how the PG then becomes active and clean.
 *
 * One event union, one synchronous {@link Peering.apply}, a table of legal transitions; effects go through {@link PeeringHost}. The states are Ceph's:
 *
 * ```
 * Reset -> Primary/Peering/GetInfo -> GetLog -> GetMissing [-> WaitUpThru] -> Active/Activating -> Recovering -> Backfilling -> Clean
 *                     |                 |-> WaitActingChange (a temporary acting set was asked for)
 *                     |-> Down          |-> Incomplete
 * Reset -> Stray -> ReplicaActive
 * ```
 */
import { invariant, type Logger, unreachable } from '../../base/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import type { Transaction } from '../../store/index.ts';
import {
  compareEversion,
  compareHobject,
  type Eversion,
  eversionZero,
  formatEversion,
  formatPgId,
  type Hobject,
  hobjectMin,
  IntervalSet,
  type OSDMap,
  type PgPool,
  pgState,
  type SpgId,
} from '../../types/index.ts';
import { isZeroEversion } from '../model.ts';
import {
  buildPrior,
  chooseReplicated,
  findBestInfo,
  isNewInterval,
  maybeWentRw,
  type PgMapping,
  type PriorSet,
  priorAffected,
  sameSet,
} from './choose.ts';
import { mergeHistory, type PastIntervals, type PgHistory, type PgInfo, type PgLease } from './info.ts';
import type { MergeState, PgLog } from './log.ts';
import {
  infoMessage,
  logMessage,
  notifyMessage,
  type PgInfoMessage,
  type PgLogMessage,
  type PgNotify,
  type PgQuery,
  queryMessage,
  queryType,
} from './messages.ts';
import { MissingSet } from './missing.ts';

export type PeeringStateName =
  | 'Initial'
  | 'Reset'
  | 'GetInfo'
  | 'GetLog'
  | 'GetMissing'
  | 'WaitUpThru'
  | 'WaitActingChange'
  | 'Down'
  | 'Incomplete'
  | 'Activating'
  | 'Recovering'
  | 'Backfilling'
  | 'Clean'
  | 'Stray'
  | 'ReplicaActive'
  | 'Deleting';

/** What may follow what. Everything may go to Reset and Deleting. */
const TRANSITIONS: Readonly<Record<PeeringStateName, readonly PeeringStateName[]>> = {
  Initial: [],
  Reset: ['GetInfo', 'Stray'],
  GetInfo: ['GetLog', 'Down'],
  GetLog: ['GetMissing', 'WaitActingChange', 'Incomplete'],
  GetMissing: ['WaitUpThru', 'Activating'],
  WaitUpThru: ['Activating'],
  WaitActingChange: [],
  Down: ['GetInfo'],
  Incomplete: ['GetLog'],
  Activating: ['Recovering', 'Backfilling', 'Clean'],
  Recovering: ['Backfilling', 'Clean'],
  Backfilling: ['Clean', 'Recovering'],
  Clean: ['Recovering', 'Backfilling'],
  Stray: ['ReplicaActive'],
  ReplicaActive: [],
  Deleting: [],
};

/** As `ceph pg query` names them. */
export const stateNames: Readonly<Record<PeeringStateName, string>> = {
  Initial: 'Initial',
  Reset: 'Reset',
  GetInfo: 'Started/Primary/Peering/GetInfo',
  GetLog: 'Started/Primary/Peering/GetLog',
  GetMissing: 'Started/Primary/Peering/GetMissing',
  WaitUpThru: 'Started/Primary/Peering/WaitUpThru',
  WaitActingChange: 'Started/Primary/WaitActingChange',
  Down: 'Started/Primary/Peering/Down',
  Incomplete: 'Started/Primary/Peering/Incomplete',
  Activating: 'Started/Primary/Active/Activating',
  Recovering: 'Started/Primary/Active/Recovering',
  Backfilling: 'Started/Primary/Active/Backfilling',
  Clean: 'Started/Primary/Active/Clean',
  Stray: 'Started/Stray',
  ReplicaActive: 'Started/ReplicaActive',
  Deleting: 'Started/ToDelete/Deleting',
};

export type PeeringEvent =
  | { readonly kind: 'advanceMap'; readonly map: OSDMap; readonly lastMap: OSDMap; readonly mapping: PgMapping }
  /** All maps of a batch were applied. */
  | { readonly kind: 'activateMap' }
  | { readonly kind: 'notify'; readonly from: number; readonly notify: PgNotify }
  | { readonly kind: 'query'; readonly from: number; readonly query: PgQuery }
  | { readonly kind: 'info'; readonly from: number; readonly info: PgInfoMessage }
  | { readonly kind: 'log'; readonly from: number; readonly log: PgLogMessage }
  /** The activation's transaction is on disk. */
  | { readonly kind: 'activateCommitted'; readonly activationEpoch: number }
  /** Copies of objects were found to be damaged: they are among the missing ones now. */
  | { readonly kind: 'repair' }
  | { readonly kind: 'recovered' }
  | { readonly kind: 'backfilled' };

export interface PeeringHost {
  readonly whoami: number;
  readonly logger: Logger;
  readonly options: {
    readonly forceAuthMissing: number;
    readonly logEntriesMax: number;
    readonly allowBelowMinSize: boolean;
  };
  now(): { readonly sec: number; readonly nsec: number };
  send(osd: number, message: WireMessage): void;
  /** The transaction of this event. */
  transaction(): Transaction;
  /** Calls back once this event's transaction is on disk, unless the interval ended. */
  onCommit(fn: () => void): void;
  markDirty(big: boolean): void;
  removeObject(oid: Hobject, key: string): void;
  /** Asks for a temporary acting set; empty: none any more. */
  wantPgTemp(osds: readonly number[]): void;
  wantUpThru(epoch: number): void;
  /** A new interval: outstanding work of the old one is void. */
  intervalChanged(wasPrimary: boolean): void;
  /** Recovery may begin to look at what is missing. */
  activated(): void;
  /** Everybody has activated: requests may run. */
  active(): void;
  /** The object states of peers are known; says whether all that is missing can be found. */
  startRecovery(): void;
  startBackfill(): void;
  clean(): void;
  publishStats(): void;
  /** Stray copies are not needed any more. */
  purge(osds: readonly number[]): void;
  resetBackfill(log: PgLogMessage): void;
  readonly lease: PgLease | undefined;
}

export class Peering {
  readonly #host: PeeringHost;
  readonly pgid: SpgId;
  state: PeeringStateName = 'Initial';
  info: PgInfo;
  past: PastIntervals;
  readonly log: PgLog;
  readonly missing: MissingSet;
  map: OSDMap;
  pool: PgPool;
  mapping: PgMapping = { up: [], upPrimary: -1, acting: [], actingPrimary: -1 };
  /** Epoch of the interval's beginning, as far as this copy is concerned. */
  lastPeeringReset = 0;
  readonly peerInfo = new Map<number, PgInfo>();
  readonly peerMissing = new Map<number, MissingSet>();
  readonly strays = new Set<number>();
  /** Acting, backfill targets. Set by GetLog. */
  participants: ReadonlySet<number> = new Set();
  backfillTargets: ReadonlySet<number> = new Set();
  readonly peerActivated = new Set<number>();
  blockedBy: number[] = [];
  prior: PriorSet | undefined;
  #infoRequested = new Set<number>();
  #missingRequested = new Set<number>();
  /** Strays asked for their logs because objects cannot be found. */
  readonly unfoundAsked = new Set<number>();
  #authLog = -1;
  #authMessage: PgLogMessage | undefined;
  #wantActing: readonly number[] = [];
  #needUpThru = false;
  #sendNotify = false;
  entered_ms = 0;

  constructor(
    host: PeeringHost,
    pgid: SpgId,
    info: PgInfo,
    past: PastIntervals,
    log: PgLog,
    missing: MissingSet,
    map: OSDMap,
    pool: PgPool,
  ) {
    this.#host = host;
    this.pgid = pgid;
    this.info = info;
    this.past = past;
    this.log = log;
    this.missing = missing;
    this.map = map;
    this.pool = pool;
  }

  // --- standing ---------------------------------------------------------------------------------------------------------------

  get isPrimary(): boolean {
    return this.mapping.actingPrimary === this.#host.whoami;
  }

  get isActing(): boolean {
    return this.mapping.acting.includes(this.#host.whoami);
  }

  get acting(): readonly number[] {
    return this.mapping.acting;
  }

  test(flag: bigint): boolean {
    return (this.info.stats.state & flag) !== 0n;
  }

  /** Requests may run (on the primary), or reads (on a replica). */
  get isActive(): boolean {
    return this.test(pgState.ACTIVE);
  }

  get isPeered(): boolean {
    return this.test(pgState.ACTIVE | pgState.PEERED);
  }

  setState(flag: bigint): void {
    this.info.stats.state |= flag;
  }

  clearState(flag: bigint): void {
    this.info.stats.state &= ~flag;
  }

  /** Enough copies act that writes may be taken. */
  get writeable(): boolean {
    return this.mapping.acting.length >= this.pool.minSize;
  }

  needsRecovery(): boolean {
    if (!this.missing.empty) return true;
    for (const osd of this.participants) {
      if (osd === this.#host.whoami) continue;
      if (!(this.peerMissing.get(osd)?.empty ?? true)) return true;
    }
    return false;
  }

  needsBackfill(): boolean {
    for (const osd of this.backfillTargets) if (this.peerInfo.get(osd)?.isIncomplete ?? true) return true;
    return false;
  }

  #log(level: number, text: string): void {
    const { logger, whoami } = this.#host;
    if (logger.enabled('osd', level)) {
      logger.log('osd', level, `osd.${whoami} pg ${formatPgId(this.pgid.pgid)} ${this.state}: ${text}`);
    }
  }

  #enter(state: PeeringStateName): void {
    const from = this.state;
    invariant(
      state === 'Reset' || state === 'Deleting' || TRANSITIONS[from].includes(state),
      'peering: illegal transition',
      { pg: formatPgId(this.pgid.pgid), from, to: state },
    );
    this.#log(5, `-> ${state}`);
    this.state = state;
    const now = this.#host.now();
    this.entered_ms = now.sec * 1000 + now.nsec / 1e6;
  }

  // --- events -----------------------------------------------------------------------------------------------------------------

  apply(event: PeeringEvent): void {
    switch (event.kind) {
      case 'advanceMap':
        this.#advanceMap(event.map, event.lastMap, event.mapping);
        return;
      case 'activateMap':
        this.#activateMap();
        return;
      case 'notify':
        this.#notify(event.from, event.notify);
        return;
      case 'query':
        this.#query(event.from, event.query);
        return;
      case 'info':
        this.#info(event.from, event.info);
        return;
      case 'log':
        this.#logArrived(event.from, event.log);
        return;
      case 'activateCommitted':
        this.#activateCommitted(event.activationEpoch);
        return;
      case 'repair':
        if (this.state !== 'Clean') return;
        this.clearState(pgState.CLEAN);
        this.#recover();
        return;
      case 'recovered':
        if (this.state === 'Recovering') this.#afterRecovery();
        return;
      case 'backfilled':
        if (this.state === 'Backfilling') this.#afterBackfill();
        return;
      default:
        unreachable(event, 'peering event');
    }
  }

  /** The PG was just loaded or made: it knows no interval yet. */
  begin(mapping: PgMapping): void {
    this.mapping = mapping;
    this.#noteMapping();
    this.lastPeeringReset = this.map.epoch;
    this.#sendNotify = !this.isPrimary;
    this.#enter('Reset');
  }

  #noteMapping(): void {
    const s = this.info.stats;
    const m = this.mapping;
    if (
      !sameSet(s.up, m.up) ||
      !sameSet(s.acting, m.acting) ||
      s.upPrimary !== m.upPrimary ||
      s.actingPrimary !== m.actingPrimary
    ) {
      s.up = m.up.slice();
      s.acting = m.acting.slice();
      s.upPrimary = m.upPrimary;
      s.actingPrimary = m.actingPrimary;
      s.mappingEpoch = this.map.epoch;
    }
    if (sameSet(m.up, m.acting)) this.clearState(pgState.REMAPPED);
    else this.setState(pgState.REMAPPED);
  }

  #advanceMap(map: OSDMap, lastMap: OSDMap, mapping: PgMapping): void {
    const oldPool = lastMap.pool(this.pgid.pgid.pool);
    const pool = map.pool(this.pgid.pgid.pool);
    const cameUp = !lastMap.isUp(this.#host.whoami) && map.isUp(this.#host.whoami);
    this.map = map;
    if (pool !== undefined) this.pool = pool;
    if (isNewInterval(this.mapping, mapping, oldPool, pool) || cameUp) {
      this.#newInterval(map, lastMap, mapping, oldPool, pool);
      return;
    }
    switch (this.state) {
      case 'GetInfo':
      case 'GetLog':
      case 'GetMissing':
      case 'WaitUpThru':
      case 'Down':
      case 'Incomplete':
        if (this.prior !== undefined && priorAffected(this.prior, map)) {
          this.#restart();
          return;
        }
        if (this.state === 'GetLog' && this.#authLog >= 0 && !map.isUp(this.#authLog)) {
          this.#restart();
          return;
        }
        this.#adjustUpThru();
        return;
      case 'WaitActingChange':
        if (this.#wantActing.some((osd) => !map.isUp(osd))) this.#restart();
        return;
      case 'Activating':
      case 'Recovering':
      case 'Backfilling':
      case 'Clean':
        if (this.#forgetPurged()) {
          this.#host.markDirty(true);
          this.shareInfo();
          this.#host.publishStats();
        }
        return;
      default:
    }
  }

  /** Trimmed snapshots are remembered as long as the map has them among the removed ones. True where some are forgotten. */
  #forgetPurged(): boolean {
    const { info } = this;
    if (info.purgedSnaps.isEmpty) return false;
    const queue = this.map.removedSnapsQueue.get(this.pgid.pgid.pool) ?? IntervalSet.empty;
    const kept = info.purgedSnaps.intersection(queue);
    if (kept.equals(info.purgedSnaps)) return false;
    info.purgedSnaps = kept;
    return true;
  }

  #adjustUpThru(): void {
    if (!this.#needUpThru) return;
    const upThru = this.map.osdInfo[this.#host.whoami]?.upThru ?? 0;
    if (upThru >= this.info.history.sameIntervalSince) this.#needUpThru = false;
  }

  /** Peering begins again within the same interval: other OSDs have come or gone. */
  #restart(): void {
    this.lastPeeringReset = this.map.epoch;
    this.#clearPrimaryState();
    this.clearState(PEERING_STATES | ACTIVE_STATES);
    this.#host.intervalChanged(true);
    this.#enter('Reset');
  }

  /** The session with a peer broke although it is up: what was asked or answered may be lost, so it is asked again. */
  peerReset(osd: number): void {
    if (this.isPrimary) {
      const involved =
        this.participants.has(osd) || this.#infoRequested.has(osd) || this.prior?.probe.has(osd) === true;
      if (!involved || this.state === 'WaitActingChange' || this.state === 'Deleting') return;
      this.#restart();
      this.#activateMap();
      return;
    }
    if (osd === this.mapping.actingPrimary && (this.state === 'Stray' || this.state === 'ReplicaActive')) {
      this.#sendNotify = true;
      this.#tellPrimary();
    }
  }

  #newInterval(
    map: OSDMap,
    lastMap: OSDMap,
    mapping: PgMapping,
    oldPool: PgPool | undefined,
    pool: PgPool | undefined,
  ): void {
    const old = this.mapping;
    const { history } = this.info;
    const wasPrimary = this.isPrimary;
    const isNew = isNewInterval(old, mapping, oldPool, pool);
    if (isNew && oldPool !== undefined) {
      const first = history.sameIntervalSince;
      const last = map.epoch - 1;
      // After a gap in the maps what is known of intervals is of no use: somebody was clean since, or the maps would be there.
      if (lastMap.epoch + 1 < map.epoch && history.lastEpochClean < map.epoch) this.past.clear();
      else
        this.past.add(first, last, old.acting, maybeWentRw(first, last, old, lastMap, oldPool, history.lastEpochClean));
      history.sameIntervalSince = map.epoch;
    }
    if (old.upPrimary !== mapping.upPrimary || !sameSet(old.up, mapping.up)) history.sameUpSince = map.epoch;
    if (old.actingPrimary !== mapping.actingPrimary) history.samePrimarySince = map.epoch;
    this.lastPeeringReset = map.epoch;
    this.mapping = mapping;
    this.#noteMapping();
    this.#log(1, `new interval: up [${old.up}] -> [${mapping.up}], acting [${old.acting}] -> [${mapping.acting}]`);
    this.#host.markDirty(true);
    this.clearState(PEERING_STATES | ACTIVE_STATES);
    if (wasPrimary || this.isPrimary) this.clearState(pgState.CLEAN | pgState.UNDERSIZED | pgState.DEGRADED);
    this.#clearPrimaryState();
    this.#host.intervalChanged(wasPrimary);
    this.#sendNotify = !this.isPrimary;
    this.#enter('Reset');
    if (mapping.acting.length === 0 && mapping.up.length > 0 && mapping.upPrimary === this.#host.whoami) {
      this.#host.wantPgTemp([]);
    }
  }

  #clearPrimaryState(): void {
    this.peerInfo.clear();
    this.peerMissing.clear();
    this.strays.clear();
    this.peerActivated.clear();
    this.unfoundAsked.clear();
    this.participants = new Set();
    this.backfillTargets = new Set();
    this.#wantActing = [];
    this.#infoRequested.clear();
    this.#missingRequested.clear();
    this.#authMessage = undefined;
    this.#authLog = -1;
    this.#needUpThru = false;
    this.prior = undefined;
    this.blockedBy = [];
  }

  #activateMap(): void {
    switch (this.state) {
      case 'Reset':
        if (!this.isPrimary) {
          this.#enter('Stray');
          this.#tellPrimary();
        } else this.#startPrimary();
        return;
      case 'Stray':
      case 'ReplicaActive':
        this.#tellPrimary();
        return;
      case 'WaitUpThru':
        if (!this.#needUpThru) this.#activate();
        return;
      case 'Recovering':
      case 'Clean':
      case 'Backfilling':
        this.#sizeChanged();
        return;
      default:
    }
  }

  /** Fewer copies act than the pool wants. */
  #sizeChanged(): void {
    if (this.pool.size > this.mapping.acting.length) this.setState(pgState.UNDERSIZED);
    else this.clearState(pgState.UNDERSIZED);
  }

  /** A copy that is not the primary says once in each interval that it is there. */
  #tellPrimary(): void {
    if (!this.#sendNotify || this.mapping.actingPrimary < 0) return;
    this.#host.send(
      this.mapping.actingPrimary,
      notifyMessage(this.pgid, this.map.epoch, this.map.epoch, this.info, this.past),
    );
  }

  // --- primary: GetInfo -------------------------------------------------------------------------------------------------------

  #startPrimary(): void {
    if (this.info.history.lastEpochStarted === 0) {
      this.setState(pgState.CREATING);
      const t = this.info.history.lastScrubStamp;
      const s = this.info.stats;
      s.lastFresh = t;
      s.lastActive = t;
      s.lastChange = t;
      s.lastPeered = t;
      s.lastClean = t;
      s.lastUnstale = t;
      s.lastUndegraded = t;
      s.lastFullsized = t;
      s.lastScrubStamp = t;
      s.lastDeepScrubStamp = t;
      s.lastCleanScrubStamp = t;
    }
    this.setState(pgState.PEERING);
    this.#getInfo();
  }

  #getInfo(): void {
    this.#enter('GetInfo');
    this.#buildPrior();
    this.#askInfos();
    if (this.prior!.pgDown) {
      this.#enter('Down');
      this.clearState(pgState.PEERING);
      this.setState(pgState.DOWN);
      this.blockedBy = [...this.prior!.down];
      this.#host.publishStats();
    } else if (this.#infoRequested.size === 0) this.#getLog();
  }

  #buildPrior(): void {
    this.prior = buildPrior(
      this.past,
      this.info.history.lastEpochStarted,
      this.map,
      this.mapping.up,
      this.mapping.acting,
    );
    const upThru = this.map.osdInfo[this.#host.whoami]?.upThru ?? 0;
    this.#needUpThru = upThru < this.info.history.sameIntervalSince;
    if (this.#needUpThru) this.#host.wantUpThru(this.info.history.sameIntervalSince);
  }

  #askInfos(): void {
    for (const osd of this.prior!.probe) {
      if (osd === this.#host.whoami || this.peerInfo.has(osd) || this.#infoRequested.has(osd)) continue;
      if (!this.map.isUp(osd)) continue;
      this.#infoRequested.add(osd);
      this.#host.send(osd, queryMessage(this.pgid, queryType.INFO, eversionZero, this.info.history, this.map.epoch));
    }
    this.blockedBy = [...this.#infoRequested];
    this.#host.publishStats();
  }

  #mergeHistory(other: PgHistory): void {
    if (mergeHistory(this.info.history, other)) this.#host.markDirty(false);
    // What was clean since needs no older interval.
    if (!this.past.empty && this.info.history.lastEpochClean >= this.past.last) {
      this.past.clear();
      this.#host.markDirty(true);
    }
  }

  /** Takes a peer's info; false where it says nothing new or comes from one that is down. */
  #takeInfo(from: number, info: PgInfo, epochSent: number): boolean {
    const known = this.peerInfo.get(from);
    if (known !== undefined && compareEversion(known.lastUpdate, info.lastUpdate) === 0) return false;
    if (!this.map.isUp(from) || (this.map.osdInfo[from]?.upFrom ?? 0) > epochSent) return false;
    this.peerInfo.set(from, info.copy());
    this.#mergeHistory(info.history);
    if (!this.mapping.up.includes(from) && !this.mapping.acting.includes(from)) {
      this.strays.add(from);
      if (this.state === 'Clean') this.#purgeStrays();
    }
    return true;
  }

  #notify(from: number, notify: PgNotify): void {
    if (!this.isPrimary) return;
    switch (this.state) {
      case 'GetInfo':
        this.#notifyInGetInfo(from, notify);
        return;
      case 'Down': {
        const started = this.info.history.lastEpochStarted;
        if (this.map.isUp(from)) this.#mergeHistory(notify.info.history);
        if (this.info.history.lastEpochStarted > started) {
          this.clearState(pgState.DOWN);
          this.setState(pgState.PEERING);
          this.#getInfo();
        }
        return;
      }
      case 'Incomplete':
        if (this.#takeInfo(from, notify.info, notify.epochSent)) {
          this.clearState(pgState.INCOMPLETE);
          this.setState(pgState.PEERING);
          this.#getLog();
        }
        return;
      case 'WaitActingChange':
        return;
      case 'Reset':
      case 'Initial':
      case 'Deleting':
      case 'Stray':
      case 'ReplicaActive':
        return;
      case 'GetLog':
      case 'GetMissing':
      case 'WaitUpThru':
        this.#takeInfo(from, notify.info, notify.epochSent);
        return;
      default:
        this.#notifyInActive(from, notify);
    }
  }

  #notifyInGetInfo(from: number, notify: PgNotify): void {
    this.#infoRequested.delete(from);
    const started = this.info.history.lastEpochStarted;
    if (this.#takeInfo(from, notify.info, notify.epochSent) && started < this.info.history.lastEpochStarted) {
      this.#buildPrior();
      for (const osd of [...this.#infoRequested]) if (!this.prior!.probe.has(osd)) this.#infoRequested.delete(osd);
      this.#askInfos();
    }
    this.blockedBy = [...this.#infoRequested];
    if (this.#infoRequested.size === 0 && !this.prior!.pgDown) this.#getLog();
  }

  #notifyInActive(from: number, notify: PgNotify): void {
    if (this.peerInfo.has(from)) return;
    this.#takeInfo(from, notify.info, notify.epochSent);
    if (this.hasUnfound()) this.#askForUnfound();
    // A former member that is back may make a better acting set.
    const choice = this.#choose();
    if (choice !== undefined && !sameSet(choice.want, this.mapping.acting)) this.#askActing(choice.want);
  }

  // --- primary: GetLog --------------------------------------------------------------------------------------------------------

  /** `recovered`: everybody who takes part has what this primary has, whatever was known of them when peering began. */
  #choose(
    recovered = false,
  ):
    | { best: number; want: readonly number[]; backfill: ReadonlySet<number>; participants: ReadonlySet<number> }
    | undefined {
    const infos = new Map(this.peerInfo);
    infos.set(this.#host.whoami, this.info);
    if (recovered) for (const osd of this.participants) infos.set(osd, this.info);
    const { best } = findBestInfo(infos, this.#host.whoami);
    if (best === undefined) return undefined;
    const choice = chooseReplicated(
      infos,
      best,
      this.mapping.up,
      this.mapping.upPrimary,
      this.mapping.acting,
      this.pool.size,
      this.#host.options.forceAuthMissing,
    );
    if (choice.want.length < this.pool.minSize && !this.#host.options.allowBelowMinSize) return undefined;
    return { best, ...choice };
  }

  #askActing(want: readonly number[]): void {
    this.#wantActing = want;
    this.#host.wantPgTemp(sameSet(want, this.mapping.up) ? [] : want);
  }

  #getLog(): void {
    this.#enter('GetLog');
    this.blockedBy = [];
    const choice = this.#choose();
    if (choice === undefined) {
      if (!sameSet(this.mapping.up, this.mapping.acting)) {
        this.#askActing(this.mapping.up);
        this.#enter('WaitActingChange');
      } else this.#incomplete();
      return;
    }
    if (!sameSet(choice.want, this.mapping.acting)) {
      this.#askActing(choice.want);
      this.#enter('WaitActingChange');
      return;
    }
    this.#wantActing = [];
    this.participants = choice.participants;
    this.backfillTargets = choice.backfill;
    for (const osd of choice.backfill) this.strays.delete(osd);
    this.#authLog = choice.best;
    if (choice.best === this.#host.whoami) {
      this.#gotLog();
      return;
    }
    const best = this.peerInfo.get(choice.best)!;
    if (compareEversion(this.info.lastUpdate, best.logTail) < 0) {
      this.#incomplete();
      return;
    }
    let from = this.info.lastUpdate;
    for (const osd of this.participants) {
      const peer = this.peerInfo.get(osd);
      if (peer === undefined) continue;
      const lu = peer.lastUpdate;
      if (
        compareEversion(lu, this.info.logTail) < 0 &&
        compareEversion(lu, best.logTail) >= 0 &&
        compareEversion(lu, from) < 0
      ) {
        from = lu;
      }
    }
    this.blockedBy = [choice.best];
    this.#host.send(choice.best, queryMessage(this.pgid, queryType.LOG, from, this.info.history, this.map.epoch));
    this.#host.publishStats();
  }

  #incomplete(): void {
    this.#enter('Incomplete');
    this.clearState(pgState.PEERING);
    this.setState(pgState.INCOMPLETE);
    this.blockedBy = [...(this.prior?.down ?? [])];
    this.#host.publishStats();
  }

  #ownState(): MergeState {
    const { info, missing } = this;
    return {
      lastUpdate: info.lastUpdate,
      lastComplete: info.lastComplete,
      lastBackfill: info.lastBackfill,
      missing,
      removeObject: (oid, key) => this.#host.removeObject(oid, key),
    };
  }

  #takeOwnState(state: MergeState): void {
    this.info.lastUpdate = state.lastUpdate;
    this.info.lastComplete = state.lastComplete;
    this.info.logTail = this.log.tail;
    this.info.stats.stats.numObjectsMissing = this.missing.size;
  }

  /** Merges another's log into this copy's, with what its info knows better. */
  #mergeLog(oinfo: PgInfo, message: PgLogMessage): void {
    const state = this.#ownState();
    const headGrows = compareEversion(message.log.head, this.log.head) > 0;
    const { reportedSeq, reportedEpoch, state: flags } = this.info.stats;
    if (this.log.merge(message.log, state)) this.#host.markDirty(true);
    this.#takeOwnState(state);
    if (!this.info.isIncomplete) {
      const s = oinfo.stats.copy();
      // Reports must go on from where they are, and states are each copy's own.
      s.reportedSeq = Math.max(s.reportedSeq, reportedSeq);
      s.reportedEpoch = Math.max(s.reportedEpoch, reportedEpoch);
      s.state = flags;
      s.up = this.mapping.up.slice();
      s.acting = this.mapping.acting.slice();
      s.upPrimary = this.mapping.upPrimary;
      s.actingPrimary = this.mapping.actingPrimary;
      s.stats.numObjectsMissing = this.missing.size;
      this.info.stats = s;
    }
    if (headGrows) {
      this.info.lastUserVersion = oinfo.lastUserVersion;
      this.info.purgedSnaps = oinfo.purgedSnaps;
    }
    this.#host.markDirty(true);
  }

  #gotLog(): void {
    const message = this.#authMessage;
    this.#authMessage = undefined;
    if (message !== undefined) {
      const { info } = message;
      this.#mergeLog(info, message);
      this.peerInfo.set(this.#authLog, info.copy());
      this.peerMissing.set(this.#authLog, message.missing);
      this.info.lastEpochStarted = Math.max(this.info.lastEpochStarted, info.lastEpochStarted);
      this.info.lastIntervalStarted = Math.max(this.info.lastIntervalStarted, info.lastIntervalStarted);
      this.#mergeHistory(info.history);
    }
    this.#getMissing();
  }

  // --- primary: GetMissing ----------------------------------------------------------------------------------------------------

  #getMissing(): void {
    this.#enter('GetMissing');
    this.blockedBy = [];
    for (const osd of this.participants) {
      if (osd === this.#host.whoami) continue;
      const peer = this.peerInfo.get(osd);
      if (peer === undefined || peer.isEmpty) {
        this.peerMissing.set(osd, this.peerMissing.get(osd) ?? new MissingSet());
        continue;
      }
      const behindLog = compareEversion(peer.lastUpdate, this.log.tail) < 0;
      const nothingFilled = compareHobject(peer.lastBackfill, hobjectMin) === 0;
      const upToDate =
        compareEversion(peer.lastUpdate, peer.lastComplete) === 0 &&
        compareEversion(peer.lastUpdate, this.info.lastUpdate) === 0;
      if (behindLog || nothingFilled || upToDate) {
        this.peerMissing.set(osd, new MissingSet());
        continue;
      }
      if (osd === this.#authLog) continue;
      // From where that copy last went active: what it may have that nobody else has is newer.
      const since: Eversion = { epoch: peer.lastEpochStarted, version: 0 };
      const type = compareEversion(peer.logTail, since) <= 0 ? queryType.LOG : queryType.FULLLOG;
      this.#missingRequested.add(osd);
      this.#host.send(
        osd,
        queryMessage(this.pgid, type, type === queryType.LOG ? since : eversionZero, this.info.history, this.map.epoch),
      );
    }
    this.blockedBy = [...this.#missingRequested];
    if (this.#missingRequested.size === 0) this.#gotMissing();
    else this.#host.publishStats();
  }

  #reviewReplica(from: number, message: PgLogMessage): void {
    const info = message.info.copy();
    const state: MergeState = {
      lastUpdate: info.lastUpdate,
      lastComplete: info.lastComplete,
      lastBackfill: info.lastBackfill,
      missing: message.missing,
    };
    this.log.reviewReplica(message.log, state);
    info.lastUpdate = state.lastUpdate;
    info.lastComplete = state.lastComplete;
    this.peerInfo.set(from, info);
    this.peerMissing.set(from, message.missing);
  }

  #gotMissing(): void {
    this.#adjustUpThru();
    if (this.#needUpThru) this.#enter('WaitUpThru');
    else this.#activate();
  }

  #logArrived(from: number, message: PgLogMessage): void {
    switch (this.state) {
      case 'GetLog':
        if (from !== this.#authLog) return;
        this.#authMessage = message;
        this.#gotLog();
        return;
      case 'GetMissing':
        if (!this.#missingRequested.delete(from)) return;
        this.#reviewReplica(from, message);
        this.blockedBy = [...this.#missingRequested];
        if (this.#missingRequested.size === 0) this.#gotMissing();
        return;
      case 'WaitUpThru':
        this.#reviewReplica(from, message);
        return;
      case 'Activating':
      case 'Recovering':
      case 'Backfilling':
      case 'Clean':
        // A stray's log, asked for to find what nobody else has.
        if (this.participants.has(from)) return;
        this.#reviewReplica(from, message);
        if (this.state === 'Recovering') this.#host.startRecovery();
        return;
      case 'Stray':
        this.#becomeReplica(message);
        return;
      case 'ReplicaActive':
        if (compareEversion(message.log.head, this.log.head) >= 0) this.#mergeLog(message.info, message);
        if (from === this.mapping.actingPrimary && this.isPeered) this.#sayActive(message.info.lastEpochStarted);
        return;
      default:
    }
  }

  // --- active -----------------------------------------------------------------------------------------------------------------

  #activate(): void {
    this.#enter('Activating');
    this.clearState(pgState.PEERING | pgState.DOWN);
    this.setState(pgState.ACTIVATING);
    this.blockedBy = [];
    this.#forgetPurged();
    this.#activateLocally(this.map.epoch);
    for (const osd of this.participants) if (osd !== this.#host.whoami) this.#activatePeer(osd);
    this.#sizeChanged();
    this.#host.activated();
    this.#host.publishStats();
  }

  /** What a copy does to be active, primary or not. */
  #activateLocally(activationEpoch: number): void {
    const { info } = this;
    this.#sendNotify = false;
    if (this.isPrimary ? this.writeable : this.isActing && info.lastEpochStarted < activationEpoch) {
      info.lastEpochStarted = activationEpoch;
      info.lastIntervalStarted = info.history.sameIntervalSince;
    }
    if (this.missing.empty) info.lastComplete = info.lastUpdate;
    else {
      const first = this.missing.first()!;
      info.lastComplete = eversionZero;
      for (let i = 0; i < this.log.length; i++) {
        const v = this.log.versionAt(i);
        if (compareEversion(v, first.need) >= 0) break;
        info.lastComplete = v;
      }
    }
    info.stats.stats.numObjectsMissing = this.missing.size;
    this.#host.markDirty(true);
    this.#host.onCommit(() => this.apply({ kind: 'activateCommitted', activationEpoch }));
  }

  #activatePeer(osd: number): void {
    const host = this.#host;
    const { info, log } = this;
    let peer = this.peerInfo.get(osd);
    invariant(peer !== undefined, 'activates a copy that it knows nothing of', { osd });
    let missing = this.peerMissing.get(osd);
    if (missing === undefined) {
      missing = new MissingSet();
      this.peerMissing.set(osd, missing);
    }
    const isNew = peer.dne;
    let message: PgLogMessage | undefined;
    const base = { epoch: this.map.epoch, queryEpoch: this.lastPeeringReset, lease: host.lease };
    const noPast = this.past;
    if (compareEversion(peer.lastUpdate, info.lastUpdate) === 0 && !peer.isEmpty) {
      host.send(osd, this.#infoFor(host.lease));
    } else if (compareEversion(peer.lastUpdate, info.lastUpdate) === 0) {
      message = { ...base, info, log: { ...log.sliceAfter(info.lastUpdate) }, missing: new MissingSet(), past: noPast };
    } else if (
      compareEversion(log.tail, peer.lastUpdate) > 0 ||
      compareHobject(peer.lastBackfill, hobjectMin) === 0 ||
      (this.backfillTargets.has(osd) && !peer.isIncomplete)
    ) {
      peer = peer.copy();
      peer.lastUpdate = info.lastUpdate;
      peer.lastComplete = info.lastUpdate;
      peer.lastBackfill = hobjectMin;
      peer.lastEpochStarted = info.lastEpochStarted;
      peer.lastIntervalStarted = info.lastIntervalStarted;
      peer.history = { ...info.history };
      peer.purgedSnaps = info.purgedSnaps;
      const slice = log.sliceLast(host.options.logEntriesMax);
      peer.logTail = slice.tail;
      this.peerInfo.set(osd, peer);
      missing.clear();
      message = { ...base, info: peer, log: slice, missing: new MissingSet(), past: noPast };
    } else {
      message = { ...base, info, log: log.sliceAfter(peer.lastUpdate), missing: new MissingSet(), past: noPast };
    }
    if (message !== undefined && compareHobject(peer.lastBackfill, hobjectMin) !== 0) {
      for (const e of message.log.entries) {
        if (!e.isError && compareHobject(e.oid, peer.lastBackfill) <= 0) missing.addNextEvent(e);
      }
    }
    if (message !== undefined) host.send(osd, logMessage(message));
    peer.lastUpdate = info.lastUpdate;
    if (missing.empty) peer.lastComplete = peer.lastUpdate;
    this.#log(10, `activates osd.${osd}${isNew ? ' (new)' : ''}, which lacks ${missing.size} objects`);
  }

  #infoFor(lease: PgLease | undefined): WireMessage {
    return infoMessage({
      pgid: this.pgid,
      epochSent: this.map.epoch,
      minEpoch: this.map.epoch,
      info: this.info,
      lease,
      leaseAck: undefined,
    });
  }

  #activateCommitted(activationEpoch: number): void {
    if (this.state === 'Activating') {
      this.peerActivated.add(this.#host.whoami);
      this.#maybeAllActivated();
      return;
    }
    if (this.state !== 'ReplicaActive') return;
    this.#sayActive(activationEpoch);
    this.setState(this.writeable ? pgState.ACTIVE : pgState.PEERED);
    this.#host.active();
  }

  #sayActive(activationEpoch: number): void {
    const info = this.info.copy();
    info.history.lastEpochStarted = activationEpoch;
    info.history.lastIntervalStarted = info.history.sameIntervalSince;
    this.#host.send(
      this.mapping.actingPrimary,
      infoMessage({
        pgid: this.pgid,
        epochSent: this.map.epoch,
        minEpoch: this.map.epoch,
        info,
        lease: undefined,
        leaseAck: { readableUntilUb_ms: 0 },
      }),
    );
  }

  #info(from: number, message: PgInfoMessage): void {
    switch (this.state) {
      case 'Activating':
        if (this.participants.has(from)) {
          this.peerActivated.add(from);
          this.#maybeAllActivated();
        }
        return;
      case 'Stray':
        this.#becomeReplicaByInfo(message);
        return;
      case 'ReplicaActive':
        // A primary that began again in the same interval waits for this answer.
        if (from === this.mapping.actingPrimary && this.isPeered) this.#sayActive(message.info.lastEpochStarted);
        this.#mergeHistory(message.info.history);
        if (!this.info.purgedSnaps.equals(message.info.purgedSnaps)) {
          this.info.purgedSnaps = message.info.purgedSnaps;
          this.#host.markDirty(true);
        }
        return;
      default:
    }
  }

  #maybeAllActivated(): void {
    for (const osd of this.participants) if (!this.peerActivated.has(osd)) return;
    const { info } = this;
    this.clearState(pgState.ACTIVATING | pgState.CREATING);
    this.setState(this.writeable ? pgState.ACTIVE : pgState.PEERED);
    info.history.lastEpochStarted = info.lastEpochStarted;
    info.history.lastIntervalStarted = info.lastIntervalStarted;
    this.#host.markDirty(false);
    this.shareInfo();
    this.#host.active();
    if (this.needsRecovery()) this.#recover();
    else this.#afterRecovery();
    this.#host.publishStats();
  }

  /** Tells all participants the info. */
  shareInfo(): void {
    for (const osd of this.participants) {
      if (osd === this.#host.whoami) continue;
      const peer = this.peerInfo.get(osd);
      if (peer !== undefined) {
        peer.lastEpochStarted = this.info.lastEpochStarted;
        peer.lastIntervalStarted = this.info.lastIntervalStarted;
        mergeHistory(peer.history, this.info.history);
      }
      this.#host.send(osd, this.#infoFor(this.#host.lease));
    }
  }

  #recover(): void {
    this.#enter('Recovering');
    this.setState(pgState.RECOVERING | pgState.DEGRADED);
    if (this.hasUnfound()) this.#askForUnfound();
    this.#host.startRecovery();
    this.#host.publishStats();
  }

  #afterRecovery(): void {
    this.clearState(pgState.RECOVERING | pgState.RECOVERY_WAIT | pgState.RECOVERY_UNFOUND);
    if (this.needsBackfill()) {
      this.#enter('Backfilling');
      this.setState(pgState.BACKFILLING | pgState.DEGRADED);
      this.#host.startBackfill();
      this.#host.publishStats();
      return;
    }
    this.#afterAll();
  }

  #afterBackfill(): void {
    this.clearState(pgState.BACKFILLING | pgState.BACKFILL_WAIT);
    this.#afterAll();
  }

  /** Nobody lacks anything: a temporary acting set (for a copy that was behind) is not needed any more, and the mapped one takes over. */
  #afterAll(): void {
    if (!sameSet(this.mapping.up, this.mapping.acting)) {
      const choice = this.#choose(true);
      if (choice !== undefined && !sameSet(choice.want, this.mapping.acting)) {
        this.clearState(pgState.DEGRADED);
        this.#askActing(choice.want);
        this.#host.publishStats();
        return;
      }
    }
    this.#beClean();
  }

  #beClean(): void {
    this.#enter('Clean');
    this.clearState(pgState.DEGRADED | pgState.RECOVERING | pgState.BACKFILLING | pgState.REPAIR);
    const { info } = this;
    info.lastComplete = info.lastUpdate;
    if (this.mapping.acting.length === this.pool.size) {
      this.clearState(pgState.FORCED_BACKFILL | pgState.FORCED_RECOVERY);
      this.setState(pgState.CLEAN);
      info.history.lastEpochClean = this.map.epoch;
      info.history.lastIntervalClean = info.history.sameIntervalSince;
      info.stats.lastEpochClean = this.map.epoch;
      this.past.clear();
    } else {
      // Complete as far as there are copies, but not as many as there should be.
      this.setState(pgState.DEGRADED);
    }
    this.#host.markDirty(true);
    if (this.isPeered) {
      this.shareInfo();
      this.#purgeStrays();
    }
    this.#host.clean();
    this.#host.publishStats();
  }

  #purgeStrays(): void {
    if (!this.test(pgState.CLEAN) || this.strays.size === 0) return;
    const osds = [...this.strays].filter((osd) => this.map.isUp(osd));
    this.#host.purge(osds);
    for (const osd of this.strays) {
      this.peerInfo.delete(osd);
      this.peerMissing.delete(osd);
    }
    this.strays.clear();
  }

  // --- what can be found where ------------------------------------------------------------------------------------------------

  /** Who holds an object in the version that is needed. */
  sourcesOf(oid: Hobject, key: string, need: Eversion): number[] {
    const found: number[] = [];
    const own = this.missing.get(key);
    if (own === undefined || compareEversion(own.have, need) >= 0) {
      if (compareHobject(oid, this.info.lastBackfill) <= 0) found.push(this.#host.whoami);
    }
    for (const [osd, peer] of this.peerInfo) {
      const missing = this.peerMissing.get(osd);
      if (missing === undefined || !this.map.isUp(osd)) continue;
      // What takes part has had every change since; of others it is known how far they are.
      if (!this.participants.has(osd) && compareEversion(peer.lastUpdate, need) < 0) continue;
      if (compareHobject(oid, peer.lastBackfill) > 0) continue;
      if (missing.has(key)) continue;
      found.push(osd);
    }
    return found;
  }

  hasUnfound(): boolean {
    for (const item of this.missing.items())
      if (this.sourcesOf(item.oid, item.key, item.need).length === 0) return true;
    return false;
  }

  /** Asks everybody who may have what cannot be found. */
  #askForUnfound(): void {
    const ask = new Set<number>([...this.strays, ...this.past.participants]);
    for (const osd of ask) {
      if (osd === this.#host.whoami || this.participants.has(osd) || !this.map.isUp(osd)) continue;
      if (this.peerMissing.has(osd) || this.unfoundAsked.has(osd)) continue;
      this.unfoundAsked.add(osd);
      this.#host.send(osd, queryMessage(this.pgid, queryType.FULLLOG, eversionZero, this.info.history, this.map.epoch));
    }
  }

  // --- replica ----------------------------------------------------------------------------------------------------------------

  #query(from: number, query: PgQuery): void {
    if (this.state !== 'Stray' && this.state !== 'ReplicaActive') return;
    if (from !== this.mapping.actingPrimary) return;
    this.#mergeHistory(query.history);
    if (query.type === queryType.INFO) {
      this.#host.send(from, notifyMessage(this.pgid, query.epochSent, this.map.epoch, this.info, this.past));
      return;
    }
    const whole =
      query.type === queryType.FULLLOG ||
      (!isZeroEversion(query.since) && compareEversion(query.since, this.log.tail) < 0);
    const slice = whole ? this.log.slice() : this.log.sliceAfter(query.since);
    this.#host.send(
      from,
      logMessage({
        epoch: this.map.epoch,
        queryEpoch: query.epochSent,
        info: this.info,
        log: slice,
        missing: this.missing,
        past: this.past,
        lease: undefined,
      }),
    );
  }

  #becomeReplica(message: PgLogMessage): void {
    if (compareHobject(message.info.lastBackfill, hobjectMin) === 0) {
      this.#host.resetBackfill(message);
      this.info.logTail = this.log.tail;
    } else {
      if (
        compareEversion(this.log.head, message.log.tail) < 0 ||
        compareEversion(message.log.head, this.log.tail) < 0
      ) {
        this.#log(0, `log ${formatEversion(message.log.tail)} does not continue mine; waits for a new interval`);
        return;
      }
      this.#mergeLog(message.info, message);
    }
    this.#mergeHistory(message.info.history);
    this.#enter('ReplicaActive');
    this.#activateLocally(message.info.lastEpochStarted);
  }

  #becomeReplicaByInfo(message: PgInfoMessage): void {
    if (compareEversion(this.info.lastUpdate, message.info.lastUpdate) > 0) {
      const state = this.#ownState();
      this.log.rewindDivergent(message.info.lastUpdate, state);
      this.#takeOwnState(state);
      const { reportedSeq, reportedEpoch, state: flags } = this.info.stats;
      this.info.stats = message.info.stats.copy();
      this.info.stats.reportedSeq = reportedSeq;
      this.info.stats.reportedEpoch = reportedEpoch;
      this.info.stats.state = flags;
      this.#host.markDirty(true);
    }
    if (compareEversion(this.info.lastUpdate, message.info.lastUpdate) !== 0) return;
    this.#mergeHistory(message.info.history);
    this.#enter('ReplicaActive');
    this.#activateLocally(message.info.lastEpochStarted);
  }

  /** The PG is not wanted here any more. */
  beginDelete(): void {
    this.#enter('Deleting');
    this.#clearPrimaryState();
  }
}

const ACTIVE_STATES =
  pgState.ACTIVE |
  pgState.PEERED |
  pgState.RECOVERY_WAIT |
  pgState.RECOVERY_UNFOUND |
  pgState.RECOVERING |
  pgState.BACKFILLING |
  pgState.BACKFILL_WAIT |
  pgState.ACTIVATING;
const PEERING_STATES = pgState.PEERING | pgState.INCOMPLETE | pgState.DOWN;
