import { OsdCap } from '../../auth/index.ts';
import { ErrnoError } from '../../base/index.ts';
import { encodeToBytes, u64num } from '../../encoding/index.ts';
import {
  MMonGetPurgedSnaps,
  MMonGetPurgedSnapsReply,
  MOSDAlive,
  MOSDBeacon,
  MOSDBoot,
  MOSDFailure,
  MOSDFull,
  MOSDMarkMeDead,
  MOSDMarkMeDown,
  MOSDPGCreate2,
  MOSDPGCreated,
  MOSDPGTemp,
  MPoolOp,
  MPoolOpReply,
  MRemoveSnaps,
  osdFailureFlag,
  poolOp,
} from '../../messages/index.ts';
import type { ReceivedMessage } from '../../msgr/index.ts';
import {
  compareUtime,
  entityType,
  feature,
  formatEntityName,
  hasFeature,
  type IntervalSet,
  makeSpgId,
  osdState,
  type PgKey,
  pgKeyOf,
  pgKeyPool,
  pgKeySeed,
  poolFlag,
  type SpgId,
  type Utime,
  utimeToMs,
  uuidZero,
} from '../../types/index.ts';
import type { Monitor } from '../monitor.ts';
import type { Session, Subscription } from '../session.ts';
import { flipState } from './context.ts';
import type { OsdMonitor } from './osd-monitor.ts';
import { addPool, dropPool, queueRemovedSnap, snapByName, withoutSnap, withSnap } from './pools.ts';

/**
 * Milliseconds between proposals for what many OSDs ask for at the same time (boots, up_thru, pg_temp), for each OSD there is and at most. A few OSDs ask for
 * little, and peering waits for it.
 */
const SPACING_PER_OSD_MS = 4;
const SPACING_MS_MAX = 50;

/** What OSDs and pool tools ask of the OSD map by message: checks who asks, changes the pending map, answers after the commit. */
export class OsdRequests {
  readonly #mon: Monitor;
  /** Creating PGs by primary, then by the epoch from which it has been so; made anew with each map. */
  #creates = new Map<number, Map<PgKey, number>>();
  #createsEpoch = 0;

  constructor(mon: Monitor) {
    this.#mon = mon;
  }

  get #osd(): OsdMonitor {
    return this.#mon.osd;
  }

  /** The OSD that speaks, where its caps allow an OSD's requests. */
  #sender(session: Session): number | undefined {
    const { name } = session;
    return name.type === entityType.OSD && session.may('osd', 'x') ? name.num : undefined;
  }

  #submit(done?: () => void): void {
    this.#osd.submitPaced(Math.min(SPACING_MS_MAX, SPACING_PER_OSD_MS * this.#osd.map.maxOsd), done);
  }

  #sendMaps(session: Session, from: number): void {
    if (!session.connection.isConnected) return;
    this.#mon.subscriptions.sendOsdMaps(session, from);
  }

  // --- boot

  boot(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDBoot.decode(message);
    this.#osd.whenWriteable(() => this.#boot(m, id, session));
  }

  #boot(m: ReturnType<typeof MOSDBoot.decode>, id: number, session: Session): void {
    const osd = this.#osd;
    const { map, pending, config } = osd;
    const sb = m.superblock;
    const from = sb.currentEpoch + 1;
    if (sb.clusterFsid !== this.#mon.fsid) {
      this.#log(1, `osd.${id} is of another cluster, ${sb.clusterFsid}`);
      return;
    }
    if (!hasFeature(m.features, feature.SERVER_LUMINOUS) || !hasFeature(m.features, feature.OSD_RECOVERY_DELETES)) {
      osd.clog('info', `disallowing boot of OSD ${formatEntityName(session.name)} because the osd is too old`);
      return;
    }
    if (osd.isCurrent(id, session.addrs) && map.clusterAddrs[id]!.legacyEquals(m.clusterAddrs)) {
      this.#sendMaps(session, from);
      return;
    }
    const known = map.osdUuid[id] ?? uuidZero;
    if (map.exists(id) && known !== uuidZero && known !== sb.osdFsid) {
      this.#log(0, `osd.${id} boots with uuid ${sb.osdFsid}, but the map has ${known}`);
      return;
    }
    if (id >= map.maxOsd) {
      this.#log(0, `boot from osd.${id} >= max_osd ${map.maxOsd}: make it with 'osd new' first`);
      return;
    }
    const info = map.osdInfo[id]!;
    if (map.exists(id) && info.upFrom > m.paxosVersion && map.clientAddrs[id]!.legacyEquals(session.addrs)) {
      this.#sendMaps(session, from);
      return;
    }
    if (!osd.canMarkUp(id)) {
      this.#log(1, `osd.${id} is not marked up: noup`);
      this.#sendMaps(session, from);
      return;
    }
    if (map.isUp(id)) {
      // Another instance is in the map: it goes down first, then this one comes up in an epoch of its own.
      if (((pending.newState.get(id) ?? 0) & osdState.UP) === 0) flipState(osd, id, osdState.UP);
      this.#submit(() => osd.whenWriteable(() => this.#boot(m, id, session)));
      return;
    }
    if (pending.newUpClient.has(id)) {
      this.#submit(() => osd.whenWriteable(() => this.#boot(m, id, session)));
      return;
    }
    pending.newUpClient.set(id, session.addrs);
    pending.newUpCluster.set(id, m.clusterAddrs);
    pending.newHbBackUp.set(id, m.hbBackAddrs);
    pending.newHbFrontUp.set(id, m.hbFrontAddrs);
    osd.forgetDown(id);
    if (known !== sb.osdFsid) pending.newUuid.set(id, sb.osdFsid);
    // An OSD that has lost its store knows no map: what it had is lost with it.
    if (sb.newestMap === 0 && map.exists(id) && info.upFrom > info.lostAt) pending.newLost.set(id, map.epoch);
    osd.metadata.set(id, m.metadata);
    if (sb.mounted > info.lastCleanBegin || (sb.mounted === info.lastCleanBegin && sb.cleanThru > info.lastCleanEnd)) {
      pending.newLastCleanInterval.set(id, [sb.mounted, sb.cleanThru]);
    }
    this.#bootXinfo(m, id, config.num('mon_osd_laggy_weight'));
    this.#submit(() => {
      osd.clog('info', `osd.${id} ${session.addrs} boot`);
      this.#sendMaps(session, from);
    });
  }

  /** Notes how the OSD was away, and marks it in where it should be. */
  #bootXinfo(m: ReturnType<typeof MOSDBoot.decode>, id: number, weight: number): void {
    const osd = this.#osd;
    const { map, pending, config } = osd;
    const before = pending.newXinfo.get(id) ?? map.osdXinfo[id]!;
    let { laggyProbability, laggyInterval, oldWeight } = before;
    if (m.bootEpoch === 0) {
      laggyProbability *= 1 - weight;
      laggyInterval = Math.trunc(laggyInterval * (1 - weight));
    } else {
      // It was marked down while it ran: it is slow, or was cut off.
      if (before.downStamp.sec > 0) {
        const max = config.num('mon_osd_laggy_max_interval');
        let away_s = Math.floor(osd.clock.now() / 1000) - before.downStamp.sec;
        if (max > 0) away_s = Math.min(away_s, max);
        laggyInterval = Math.trunc(away_s * weight + laggyInterval * (1 - weight));
      }
      laggyProbability = weight + laggyProbability * (1 - weight);
    }
    const state = map.exists(id) ? map.osdState[id]! ^ (pending.newState.get(id) ?? 0) : osdState.NEW;
    const markIn =
      (config.bool('mon_osd_auto_mark_auto_out_in') && (state & osdState.AUTOOUT) !== 0) ||
      (config.bool('mon_osd_auto_mark_new_in') && (state & osdState.NEW) !== 0) ||
      config.bool('mon_osd_auto_mark_in');
    if (markIn && osd.canMarkIn(id)) {
      pending.newWeight.set(id, osd.inWeight(oldWeight));
      oldWeight = 0;
    }
    pending.newXinfo.set(id, {
      ...before,
      laggyProbability: Math.fround(laggyProbability),
      laggyInterval,
      oldWeight,
      features: m.features,
    });
  }

  // --- alive, pg_temp

  alive(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDAlive.decode(message);
    const osd = this.#osd;
    osd.whenWriteable(() => {
      if (!osd.isCurrent(id, session.addrs)) return;
      if (osd.map.osdInfo[id]!.upThru >= m.want) {
        this.#sendMaps(session, m.paxosVersion + 1);
        return;
      }
      // Up to the newest map that it has, so that it need not ask again soon.
      osd.updateUpThru(id, Math.max(m.want, m.paxosVersion));
      this.#submit(() => this.#sendMaps(session, m.paxosVersion + 1));
    });
  }

  pgTemp(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDPGTemp.decode(message);
    const osd = this.#osd;
    osd.whenWriteable(() => {
      if (!osd.isCurrent(id, session.addrs)) return;
      const { map, pending } = osd;
      let changed = false;
      let stale = 0;
      for (const [pg, osds] of m.pgTemp) {
        const key = pgKeyOf(pg);
        if (map.pool(pg.pool) === undefined || (!m.forced && map.pgToUpActing(pg).actingPrimary !== id)) {
          // Its pool is gone, or another is primary since: the request is out of date.
          stale++;
          continue;
        }
        const current = map.pgTemp.get(key);
        const same =
          osds.length === 0
            ? current === undefined && !map.primaryTemp.has(key)
            : current !== undefined && current.length === osds.length && current.every((o, i) => o === osds[i]);
        if (same && !m.forced) continue;
        pending.newPgTemp.set(key, osds);
        if (map.primaryTemp.has(key)) pending.newPrimaryTemp.set(key, -1);
        changed = true;
      }
      if (!changed) {
        if (stale < m.pgTemp.length) this.#sendMaps(session, m.mapEpoch + 1);
        return;
      }
      osd.updateUpThru(id, m.mapEpoch);
      this.#submit(() => this.#sendMaps(session, m.mapEpoch + 1));
    });
  }

  // --- failures

  failure(message: ReceivedMessage, session: Session): void {
    const reporter = this.#sender(session);
    if (reporter === undefined) return;
    const m = MOSDFailure.decode(message);
    const osd = this.#osd;
    if (m.fsid !== this.#mon.fsid) return;
    osd.whenWriteable(() => {
      const { map } = osd;
      const failed = (m.flags & osdFailureFlag.FAILED) !== 0;
      const target = m.targetOsd;
      const tell = (): void => this.#sendMaps(session, m.epoch + 1);
      if (
        !map.exists(reporter) ||
        !map.clientAddrs[reporter]!.legacyEquals(session.addrs) ||
        (map.isDown(reporter) && failed) ||
        map.isDown(target) ||
        !map.clientAddrs[target]!.equals(m.targetAddrs) ||
        map.osdInfo[target]!.upFrom > m.epoch
      ) {
        // The reporter, or who it reports, is not what the map has: it needs newer maps, nothing else.
        if (m.epoch < map.epoch) tell();
        return;
      }
      if (!osd.canMarkDown(target)) return;
      if (!failed) {
        osd.clog('debug', `osd.${target} failure report canceled by osd.${reporter}`);
        osd.failures.cancel(target, reporter);
        return;
      }
      if ((m.flags & osdFailureFlag.IMMEDIATE) !== 0) {
        osd.clog('debug', `osd.${target} reported immediately failed by osd.${reporter}`);
        osd.failures.force(target, reporter);
        this.#submit(tell);
        return;
      }
      osd.clog('debug', `osd.${target} reported failed by osd.${reporter}`);
      osd.failures.add(target, reporter, osd.clock.now() - m.failedFor_s * 1000, tell);
      if (osd.failures.checkOne(target)) this.#submit();
    });
  }

  markMeDown(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDMarkMeDown.decode(message);
    const osd = this.#osd;
    const acknowledge = (): void => {
      if (m.requestAck) session.connection.send(MOSDMarkMeDown.encode({ ...m, requestAck: false }));
    };
    osd.whenWriteable(() => {
      const { map } = osd;
      const target = m.targetOsd;
      if (m.fsid !== this.#mon.fsid || map.isDown(target) || !map.clientAddrs[target]!.equals(m.targetAddrs)) {
        if (map.epoch > m.epoch) this.#sendMaps(session, m.epoch + 1);
        acknowledge();
        return;
      }
      if (!osd.canMarkDown(target)) {
        acknowledge();
        return;
      }
      osd.clog('info', `osd.${target} marked itself down`);
      osd.pending.newState.set(target, osdState.UP);
      this.#submit(acknowledge);
    });
  }

  markMeDead(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDMarkMeDead.decode(message);
    const osd = this.#osd;
    osd.whenWriteable(() => {
      const { map, pending } = osd;
      const target = m.targetOsd;
      if (m.fsid !== this.#mon.fsid || !map.exists(target) || map.isUp(target)) {
        this.#sendMaps(session, m.epoch + 1);
        return;
      }
      osd.clog('info', `osd.${target} marked itself dead as of e${m.epoch}`);
      const xinfo = pending.newXinfo.get(target) ?? map.osdXinfo[target]!;
      pending.newXinfo.set(target, { ...xinfo, deadEpoch: m.epoch });
      this.#submit();
    });
  }

  full(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDFull.decode(message);
    const osd = this.#osd;
    const mask = osdState.FULL | osdState.BACKFILLFULL | osdState.NEARFULL;
    osd.whenWriteable(() => {
      if (!osd.isCurrent(id, session.addrs) || (m.state & ~mask) !== 0) return;
      const flips = (osd.map.osdState[id]! & mask) ^ m.state;
      if (flips === 0) {
        this.#sendMaps(session, m.paxosVersion + 1);
        return;
      }
      osd.pending.newState.set(id, (osd.pending.newState.get(id) ?? 0) ^ flips);
      this.#submit(() => this.#sendMaps(session, m.paxosVersion + 1));
    });
  }

  beacon(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDBeacon.decode(message);
    const osd = this.#osd;
    if (!osd.isCurrent(id, session.addrs)) {
      // It may not know that it is down.
      if (!osd.map.isUp(id)) this.#sendMaps(session, m.paxosVersion + 1);
      return;
    }
    osd.beacon(id, {
      epoch: m.paxosVersion,
      interval_s: m.reportInterval_s,
      pgs: m.pgs.map(pgKeyOf),
      minLastEpochClean: m.minLastEpochClean,
    });
    const xinfo = osd.map.osdXinfo[id]!;
    if (compareUtime(xinfo.lastPurgedSnapsScrub, m.lastPurgedSnapsScrub) >= 0) return;
    osd.whenWriteable(() => {
      const current = osd.pending.newXinfo.get(id) ?? osd.map.osdXinfo[id]!;
      osd.pending.newXinfo.set(id, { ...current, lastPurgedSnapsScrub: m.lastPurgedSnapsScrub });
      this.#submit();
    });
  }

  // --- creation of PGs

  pgCreated(message: ReceivedMessage, session: Session): void {
    const id = this.#sender(session);
    if (id === undefined) return;
    const m = MOSDPGCreated.decode(message);
    const osd = this.#osd;
    osd.whenWriteable(() => {
      if (osd.isCurrent(id, session.addrs) && osd.pgCreated(pgKeyOf(m.pgid))) this.#submit();
    });
  }

  /** Tells an OSD which PGs it is to make: all that it leads and was not told since they became its own. */
  sendPgCreates(session: Session, sub: Subscription): void {
    const { name } = session;
    const osd = this.#osd;
    if (name.type !== entityType.OSD || !osd.map.isUp(name.num)) return;
    this.#updateCreates();
    const mine = this.#creates.get(name.num);
    if (mine === undefined) return;
    const pgs: [SpgId, [number, Utime]][] = [];
    let last = 0;
    for (const [key, since] of mine) {
      const creating = osd.creating.pgs.get(key);
      if (creating === undefined || since < sub.next) continue;
      pgs.push([makeSpgId(pgKeyPool(key), pgKeySeed(key)), [creating.epoch, creating.stamp]]);
      last = Math.max(last, since);
    }
    if (pgs.length === 0) return;
    pgs.sort(([a], [b]) => a.pgid.pool - b.pgid.pool || a.pgid.seed - b.pgid.seed);
    session.connection.send(MOSDPGCreate2.encode({ epoch: osd.map.epoch, pgs }));
    sub.next = last + 1;
  }

  #updateCreates(): void {
    const osd = this.#osd;
    if (this.#createsEpoch === osd.map.epoch) return;
    this.#createsEpoch = osd.map.epoch;
    const next = new Map<number, Map<PgKey, number>>();
    for (const [key, creating] of osd.creating.pgs) {
      const { actingPrimary } = osd.map.pgToUpActing({ pool: pgKeyPool(key), seed: pgKeySeed(key) });
      if (actingPrimary < 0) continue;
      const of = next.get(actingPrimary) ?? new Map<PgKey, number>();
      next.set(actingPrimary, of);
      const before = this.#creates.get(actingPrimary)?.get(key);
      of.set(key, before ?? Math.max(creating.epoch, osd.map.epoch));
    }
    this.#creates = next;
  }

  // --- snapshots and pools by message

  removeSnaps(message: ReceivedMessage, session: Session): void {
    if (!session.mayRun('osd', 'osd pool rmsnap', undefined, 'rw')) return;
    const m = MRemoveSnaps.decode(message);
    const osd = this.#osd;
    osd.whenWriteable(() => {
      let changed = false;
      for (const [pool, snaps] of m.snaps) {
        for (const snap of snaps) {
          const info = osd.pendingPool(pool);
          if (info === undefined || this.#isRemovedSnap(pool, snap)) continue;
          osd.pending.newPools.set(
            pool,
            info.clone({
              flags: info.flags | poolFlag.SELFMANAGED_SNAPS,
              snapSeq: Math.max(info.snapSeq, snap),
              snapEpoch: osd.pending.epoch,
            }),
          );
          queueRemovedSnap(osd, pool, snap);
          changed = true;
        }
      }
      const answer = (): void => session.connection.send(MRemoveSnaps.encode({ snaps: m.snaps }));
      if (changed) osd.submit(answer);
      else answer();
    });
  }

  #isRemovedSnap(pool: number, snap: number): boolean {
    const osd = this.#osd;
    return (
      osd.map.removedSnapsQueue.get(pool)?.contains(snap) === true ||
      osd.pending.newRemovedSnaps.get(pool)?.contains(snap) === true ||
      osd.purgedSnaps.isPurged(pool, snap)
    );
  }

  getPurgedSnaps(message: ReceivedMessage, session: Session): void {
    if (!session.may('osd', 'x')) return;
    const m = MMonGetPurgedSnaps.decode(message);
    const { purged, reached } = this.#osd.purgedSnaps.since(m.start, m.last);
    session.connection.send(MMonGetPurgedSnapsReply.encode({ start: m.start, last: reached, purgedSnaps: purged }));
  }

  /** Snapshots that the manager's digest says are trimmed everywhere leave the queue of the map. */
  takePurgedSnaps(purged: ReadonlyMap<number, IntervalSet>): void {
    const osd = this.#osd;
    const due = (): Map<number, IntervalSet> => {
      const all = new Map<number, IntervalSet>();
      for (const [pool, queue] of osd.map.removedSnapsQueue) {
        const trimmed = purged.get(pool)?.intersection(queue);
        if (trimmed !== undefined && !trimmed.isEmpty) all.set(pool, trimmed);
      }
      return all;
    };
    if (due().size === 0) return;
    osd.whenWriteable(() => {
      for (const [pool, snaps] of due()) osd.pending.newPurgedSnaps.set(pool, snaps);
      if (osd.pending.newPurgedSnaps.size > 0) osd.submit();
    });
  }

  /** MPoolOp: pools and snapshots as librados changes them. */
  poolOp(message: ReceivedMessage, session: Session): void {
    const m = MPoolOp.decode(message);
    const osd = this.#osd;
    const answer = (result: number, epoch: number, response?: Uint8Array): void => {
      const fields = { fsid: this.#mon.fsid, result, epoch, response };
      session.connection.send(MPoolOpReply.encode(fields, { tid: message.tid }));
    };
    if (!this.#mayPoolOp(session, m.op, m.pool)) {
      answer(-1, osd.map.epoch);
      return;
    }
    if (m.fsid !== this.#mon.fsid) {
      answer(-22, osd.map.epoch);
      return;
    }
    osd.whenClean(() => {
      try {
        const outcome = this.#changePool(m.op, m.pool, m.name, m.snapid);
        if (typeof outcome === 'number') answer(outcome, osd.map.epoch);
        else {
          const { epoch } = osd.pending;
          osd.submit(() => answer(0, epoch, outcome.response));
        }
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
        answer(-error.errno, osd.map.epoch);
      }
    });
  }

  #mayPoolOp(session: Session, op: number, pool: number): boolean {
    if (op !== poolOp.CREATE_UNMANAGED_SNAP && op !== poolOp.DELETE_UNMANAGED_SNAP) return session.may('osd', 'w');
    const name = this.#osd.map.poolName(pool);
    const args = new Map(name === undefined ? [] : [['poolname', name]]);
    if (session.mayRun('osd', 'osd pool op unmanaged-snap', args, 'w')) return true;
    // Whoever may write to the pool's objects may take snapshots of them.
    const caps = this.#mon.auth.keyServer.caps(session.entity, 'osd');
    const info = this.#osd.map.pool(pool);
    if (caps === undefined || caps === '' || name === undefined || info === undefined) return false;
    try {
      return OsdCap.parse(caps).isCapable({
        pool: name,
        nspace: '',
        applications: info.applicationMetadata,
        object: '',
        read: false,
        write: true,
        classes: [],
        addr: session.addrs.front,
      });
    } catch {
      return false;
    }
  }

  /** 0 or a negative errno where nothing changes; else what the reply carries. */
  #changePool(op: number, id: number, name: string, snap: number): number | { response?: Uint8Array } {
    const osd = this.#osd;
    const { map, pending } = osd;
    if (op === poolOp.CREATE) {
      if (map.poolId(name) !== undefined) return 0;
      addPool(osd, {
        name,
        ruleName: '',
        pgNum: 0,
        pgpNum: 0,
        size: 0,
        pgNumMin: 0,
        pgNumMax: 0,
        targetSizeBytes: 0,
        targetSizeRatio: 0,
        expectedNumObjects: 0,
        autoscaleMode: '',
        bulk: false,
      });
      return {};
    }
    const pool = map.pool(id);
    if (pool === undefined) return op === poolOp.DELETE ? 0 : -2;
    const EINVAL = -22;
    switch (op) {
      case poolOp.DELETE:
        dropPool(osd, id);
        return {};
      case poolOp.CREATE_SNAP:
        if (pool.isUnmanagedSnapsMode || pool.isTier) return EINVAL;
        if (snapByName(pool, name) !== undefined) return 0;
        pending.newPools.set(id, withSnap(osd, pool, name));
        return {};
      case poolOp.DELETE_SNAP: {
        if (pool.isUnmanagedSnapsMode) return EINVAL;
        const found = snapByName(pool, name);
        if (found === undefined) return 0;
        pending.newPools.set(id, withoutSnap(osd, id, pool, found.id));
        return {};
      }
      case poolOp.CREATE_UNMANAGED_SNAP: {
        if (pool.isPoolSnapsMode) return EINVAL;
        // 1 is left out, so that a pool with snapshots of its own and one with clients' are told apart.
        const made = Math.max(pool.snapSeq, 1) + 1;
        pending.newPools.set(
          id,
          pool.clone({
            flags: pool.flags | poolFlag.SELFMANAGED_SNAPS,
            snapSeq: made,
            snapEpoch: pending.epoch,
          }),
        );
        return { response: encodeToBytes(u64num, made) };
      }
      case poolOp.DELETE_UNMANAGED_SNAP: {
        if (pool.isPoolSnapsMode) return EINVAL;
        if (this.#isRemovedSnap(id, snap)) return 0;
        if (!pool.isUnmanagedSnapsMode) return -95;
        if (snap > pool.snapSeq) return -2;
        const seq = pool.snapSeq + 1;
        pending.newPools.set(id, pool.clone({ snapSeq: seq, snapEpoch: pending.epoch }));
        queueRemovedSnap(osd, id, snap);
        osd.purgedSnaps.addPseudo(id, seq);
        return {};
      }
      default:
        return -95;
    }
  }

  #log(level: number, text: string): void {
    this.#mon.logger.log('mon', level, text);
  }

  /** Wall time of an OSD's last death, for messages. */
  downSince_ms(osd: number): number {
    return utimeToMs(this.#osd.map.osdXinfo[osd]!.downStamp);
  }
}
