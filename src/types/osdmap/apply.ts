import { type EntityAddr, EntityAddrVec } from '../entity-addr.ts';
import type { IntervalSet } from '../interval-set.ts';
import { release } from '../release.ts';
import { utimeIsZero } from '../utime.ts';
import { uuidZero } from '../uuid.ts';
import { type OSDMapFields, withMaxOsd } from './data.ts';
import type { Blocklist } from './fields.ts';
import { OSD_OUT, OSDMAP_LEGACY_REQUIRE_FLAGS, osdMapFlag, osdState, PRIMARY_AFFINITY_DEFAULT } from './flags.ts';
import { type OSDMapIncremental, RELEASE_UNCHANGED } from './incremental.ts';
import { osdInfoNone, osdXinfoNone } from './records.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A copy of `table` with `additions` in it and `removals` gone; the same table where nothing changes. */
function patched<K, V>(
  table: ReadonlyMap<K, V>,
  additions: ReadonlyMap<K, V>,
  removals: Iterable<K> = [],
  isRemoval?: (value: V) => boolean,
): ReadonlyMap<K, V> {
  const gone = [...removals];
  if (additions.size === 0 && gone.length === 0) return table;
  const out = new Map(table);
  for (const [key, value] of additions) {
    if (isRemoval?.(value) === true) out.delete(key);
    else out.set(key, value);
  }
  for (const key of gone) out.delete(key);
  return out;
}

/** A list by OSD id that is copied at its first change. Ids out of range are left alone: a map from outside may hold any. */
class OsdColumn<T> {
  #list: readonly T[];
  #copy: T[] | undefined;

  constructor(list: readonly T[]) {
    this.#list = list;
  }

  get(osd: number): T | undefined {
    return (this.#copy ?? this.#list)[osd];
  }

  set(osd: number, value: T): void {
    if (osd < 0 || osd >= this.#list.length) return;
    this.#copy ??= this.#list.slice();
    this.#copy[osd] = value;
  }

  get list(): readonly T[] {
    return this.#copy ?? this.#list;
  }
}

/** The columns that changes of OSDs touch. */
class Columns {
  readonly state: OsdColumn<number>;
  readonly weight: OsdColumn<number>;
  readonly info: OsdColumn<OSDMapFields['osdInfo'][number]>;
  readonly xinfo: OsdColumn<OSDMapFields['osdXinfo'][number]>;
  readonly uuid: OsdColumn<string>;
  readonly client: OsdColumn<EntityAddrVec>;
  readonly cluster: OsdColumn<EntityAddrVec>;
  readonly hbBack: OsdColumn<EntityAddrVec>;
  readonly hbFront: OsdColumn<EntityAddrVec>;
  affinity: OsdColumn<number>;
  readonly maxOsd: number;

  constructor(map: OSDMapFields) {
    this.state = new OsdColumn(map.osdState);
    this.weight = new OsdColumn(map.osdWeight);
    this.info = new OsdColumn(map.osdInfo);
    this.xinfo = new OsdColumn(map.osdXinfo);
    this.uuid = new OsdColumn(map.osdUuid);
    this.client = new OsdColumn(map.clientAddrs);
    this.cluster = new OsdColumn(map.clusterAddrs);
    this.hbBack = new OsdColumn(map.hbBackAddrs);
    this.hbFront = new OsdColumn(map.hbFrontAddrs);
    this.affinity = new OsdColumn(map.primaryAffinity);
    this.maxOsd = map.maxOsd;
  }

  setAffinity(osd: number, affinity: number): void {
    if (this.affinity.list.length === 0) {
      this.affinity = new OsdColumn(Array<number>(this.maxOsd).fill(PRIMARY_AFFINITY_DEFAULT));
    }
    this.affinity.set(osd, affinity);
  }

  /** The OSD is gone for good: nothing of it stays. */
  destroy(osd: number): void {
    this.uuid.set(osd, uuidZero);
    this.info.set(osd, osdInfoNone);
    this.xinfo.set(osd, osdXinfoNone);
    this.setAffinity(osd, PRIMARY_AFFINITY_DEFAULT);
    for (const column of [this.client, this.cluster, this.hbBack, this.hbFront]) column.set(osd, EntityAddrVec.empty);
    this.state.set(osd, 0);
  }
}

function applyWeights(columns: Columns, inc: OSDMapIncremental): void {
  for (const [osd, weight] of inc.newWeight) {
    columns.weight.set(osd, weight);
    // A weight other than "out" also says that the OSD exists.
    const state = columns.state.get(osd) ?? 0;
    if (weight === OSD_OUT) continue;
    columns.state.set(osd, (state | osdState.EXISTS) & ~(osdState.AUTOOUT | osdState.NEW));
    columns.xinfo.set(osd, { ...(columns.xinfo.get(osd) ?? osdXinfoNone), oldWeight: 0 });
  }
}

function applyStates(columns: Columns, inc: OSDMapIncremental): void {
  for (const [osd, bits] of inc.newState) {
    const flips = bits === 0 ? osdState.UP : bits;
    const state = columns.state.get(osd) ?? 0;
    if ((state & flips & osdState.UP) !== 0) {
      columns.info.set(osd, { ...(columns.info.get(osd) ?? osdInfoNone), downAt: inc.epoch });
      columns.xinfo.set(osd, { ...(columns.xinfo.get(osd) ?? osdXinfoNone), downStamp: inc.modified });
    }
    if ((state & flips & osdState.EXISTS) !== 0) columns.destroy(osd);
    else columns.state.set(osd, (state ^ flips) >>> 0);
  }
}

function applyBoots(columns: Columns, inc: OSDMapIncremental): void {
  for (const [osd, addrs] of inc.newUpClient) {
    const state = columns.state.get(osd) ?? 0;
    columns.state.set(osd, (state | osdState.EXISTS | osdState.UP) & ~osdState.STOP);
    columns.client.set(osd, addrs);
    columns.hbBack.set(osd, inc.newHbBackUp.get(osd) ?? EntityAddrVec.empty);
    columns.hbFront.set(osd, inc.newHbFrontUp.get(osd) ?? EntityAddrVec.empty);
    columns.info.set(osd, { ...(columns.info.get(osd) ?? osdInfoNone), upFrom: inc.epoch });
  }
  for (const [osd, addrs] of inc.newUpCluster) columns.cluster.set(osd, addrs);
}

function applyInfos(columns: Columns, inc: OSDMapIncremental): void {
  const info = (osd: number): OSDMapFields['osdInfo'][number] => columns.info.get(osd) ?? osdInfoNone;
  for (const [osd, upThru] of inc.newUpThru) columns.info.set(osd, { ...info(osd), upThru });
  for (const [osd, [lastCleanBegin, lastCleanEnd]] of inc.newLastCleanInterval) {
    columns.info.set(osd, { ...info(osd), lastCleanBegin, lastCleanEnd });
  }
  for (const [osd, lostAt] of inc.newLost) columns.info.set(osd, { ...info(osd), lostAt });
  for (const [osd, xinfo] of inc.newXinfo) columns.xinfo.set(osd, xinfo);
  for (const [osd, id] of inc.newUuid) columns.uuid.set(osd, id);
}

function applyPools(map: Mutable<OSDMapFields>, inc: OSDMapIncremental): void {
  if (inc.newPools.size > 0 || inc.oldPools.size > 0) {
    const pools = new Map(map.pools);
    for (const [id, pool] of inc.newPools) pools.set(id, pool.clone({ lastChange: inc.epoch }));
    for (const id of inc.oldPools) pools.delete(id);
    map.pools = pools;
  }
  map.poolNames = patched(map.poolNames, inc.newPoolNames, inc.oldPools);
}

function applySnaps(map: Mutable<OSDMapFields>, inc: OSDMapIncremental): void {
  map.newRemovedSnaps = inc.newRemovedSnaps;
  map.newPurgedSnaps = inc.newPurgedSnaps;
  if (inc.newRemovedSnaps.size === 0 && inc.newPurgedSnaps.size === 0) return;
  const queue = new Map<number, IntervalSet>(map.removedSnapsQueue);
  for (const [pool, snaps] of inc.newRemovedSnaps) queue.set(pool, queue.get(pool)?.union(snaps) ?? snaps);
  for (const [pool, snaps] of inc.newPurgedSnaps) {
    const left = queue.get(pool)?.subtract(snaps);
    if (left === undefined || left.isEmpty) queue.delete(pool);
    else queue.set(pool, left);
  }
  map.removedSnapsQueue = queue;
}

function applyReleases(map: Mutable<OSDMapFields>, inc: OSDMapIncremental): void {
  if (inc.newRequireMinCompatClient > 0 && inc.newRequireMinCompatClient !== RELEASE_UNCHANGED) {
    map.requireMinCompatClient = inc.newRequireMinCompatClient;
  }
  if (inc.newRequireOsdRelease === RELEASE_UNCHANGED) return;
  map.requireOsdRelease = inc.newRequireOsdRelease;
  if (map.requireOsdRelease >= release.LUMINOUS) {
    map.flags = ((map.flags & ~OSDMAP_LEGACY_REQUIRE_FLAGS) | osdMapFlag.RECOVERY_DELETES) >>> 0;
  }
  if (map.requireOsdRelease >= release.NAUTILUS) map.flags |= osdMapFlag.PGLOG_HARDLIMIT;
}

function applyRatios(map: Mutable<OSDMapFields>, inc: OSDMapIncremental): void {
  if (inc.newNearfullRatio >= 0) map.nearfullRatio = inc.newNearfullRatio;
  if (inc.newBackfillfullRatio >= 0) map.backfillfullRatio = inc.newBackfillfullRatio;
  if (inc.newFullRatio >= 0) map.fullRatio = inc.newFullRatio;
}

function applyStretch(map: Mutable<OSDMapFields>, inc: OSDMapIncremental): void {
  if (!inc.changeStretchMode) return;
  map.stretchModeEnabled = inc.stretchModeEnabled;
  map.stretchBucketCount = inc.newStretchBucketCount;
  map.degradedStretchMode = inc.newDegradedStretchMode;
  map.recoveringStretchMode = inc.newRecoveringStretchMode;
  map.stretchModeBucket = inc.newStretchModeBucket;
}

/** An address that is listed already keeps the time it has. */
function listed(list: Blocklist, added: Blocklist, removed: readonly EntityAddr[]): Blocklist {
  const fresh = new Map([...added].filter(([key]) => !list.has(key)));
  return patched(list, fresh, removed.map(String));
}

/**
 * The fields of the map that `inc` makes of `map`. Tables and lists that do not change are shared with the old map.
 * `inc.fullMap` is not looked at, and `classExists` says which device classes the new CRUSH map knows.
 */
export function applyFields(
  map: OSDMapFields,
  inc: OSDMapIncremental,
  classExists: (crush: Uint8Array, id: number) => boolean,
): OSDMapFields {
  const next: Mutable<OSDMapFields> = { ...(inc.newMaxOsd >= 0 ? withMaxOsd(map, inc.newMaxOsd) : map) };
  if (inc.epoch === 1) next.fsid = inc.fsid;
  next.epoch = inc.epoch;
  next.modified = inc.modified;
  if (inc.newFlags >= 0) {
    next.flags = inc.newFlags;
    const { requireOsdRelease: r } = next;
    if ((next.flags & osdMapFlag.REQUIRE_KRAKEN) !== 0) next.requireOsdRelease = Math.max(r, release.KRAKEN);
    else if ((next.flags & osdMapFlag.REQUIRE_JEWEL) !== 0) next.requireOsdRelease = Math.max(r, release.JEWEL);
  }
  if (inc.newPoolMax !== -1) next.poolMax = inc.newPoolMax;
  applyPools(next, inc);
  applySnaps(next, inc);
  if (!utimeIsZero(inc.newLastUpChange)) next.lastUpChange = inc.newLastUpChange;
  if (!utimeIsZero(inc.newLastInChange)) next.lastInChange = inc.newLastInChange;

  const columns = new Columns(next);
  applyWeights(columns, inc);
  for (const [osd, affinity] of inc.newPrimaryAffinity) columns.setAffinity(osd, affinity);
  next.erasureCodeProfiles = patched(
    patched(next.erasureCodeProfiles, new Map(), inc.oldErasureCodeProfiles),
    inc.newErasureCodeProfiles,
  );
  applyStates(columns, inc);
  applyBoots(columns, inc);
  applyInfos(columns, inc);
  next.osdState = columns.state.list;
  next.osdWeight = columns.weight.list;
  next.osdInfo = columns.info.list;
  next.osdXinfo = columns.xinfo.list;
  next.osdUuid = columns.uuid.list;
  next.clientAddrs = columns.client.list;
  next.clusterAddrs = columns.cluster.list;
  next.hbBackAddrs = columns.hbBack.list;
  next.hbFrontAddrs = columns.hbFront.list;
  next.primaryAffinity = columns.affinity.list;

  next.pgTemp = patched(next.pgTemp, inc.newPgTemp, [], (osds) => osds.length === 0);
  next.primaryTemp = patched(next.primaryTemp, inc.newPrimaryTemp, [], (osd) => osd === -1);
  next.pgUpmap = patched(next.pgUpmap, inc.newPgUpmap, inc.oldPgUpmap);
  next.pgUpmapItems = patched(next.pgUpmapItems, inc.newPgUpmapItems, inc.oldPgUpmapItems);
  next.pgUpmapPrimaries = patched(next.pgUpmapPrimaries, inc.newPgUpmapPrimaries, inc.oldPgUpmapPrimaries);
  next.blocklist = listed(next.blocklist, inc.newBlocklist, inc.oldBlocklist);
  next.rangeBlocklist = listed(next.rangeBlocklist, inc.newRangeBlocklist, inc.oldRangeBlocklist);
  next.crushNodeFlags = patched(next.crushNodeFlags, inc.newCrushNodeFlags, [], (flags) => flags === 0);
  next.deviceClassFlags = patched(next.deviceClassFlags, inc.newDeviceClassFlags, [], (flags) => flags === 0);
  next.clusterSnapshot = inc.clusterSnapshot;
  next.clusterSnapshotEpoch = inc.clusterSnapshot === '' ? 0 : inc.epoch;
  applyRatios(next, inc);
  applyReleases(next, inc);
  if (inc.crush.length > 0) {
    next.crushBytes = inc.crush;
    if (next.requireOsdRelease >= release.LUMINOUS) next.crushVersion++;
    const gone = [...next.deviceClassFlags.keys()].filter((id) => !classExists(inc.crush, id));
    next.deviceClassFlags = patched(next.deviceClassFlags, new Map(), gone);
  }
  applyStretch(next, inc);
  return next;
}
