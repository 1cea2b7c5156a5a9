/**
 * Scrubbing: the primary of a clean PG has every copy say what it has of a range of objects, compares, and goes on to the next range.
 *
 * ```
 * idle -> reserving (every copy's OSD has a turn for it: osd_max_scrubs) -> [range: gathering -> comparing]* -> idle
 * ```
 *
 * While a range is being gathered, changes of its objects wait. Copies get MOSDRepScrub on the session that changes come by, so all of them look at the same state.
 * Light scrubs compare sizes, xattrs and snapshot sets; deep ones read data and omap. A repair is a deep scrub after which copies that differ count as missing,
 * and recovery replaces them.
 */
import { DecodeError, decodeFromBytes, encodeToBytes } from '../../encoding/index.ts';
import { MOSDRepScrub, MOSDRepScrubMap, MOSDScrubReserve, scrubReserveType } from '../../messages/index.ts';
import type { ReceivedMessage, WireMessage } from '../../msgr/index.ts';
import type { ObjectStore } from '../../store/index.ts';
import {
  CEPH_NOSNAP,
  compareHobject,
  type Eversion,
  Ghobject,
  Hobject,
  hobjectMin,
  type InconsistentObject,
  type InconsistentSnapset,
  type PgId,
  pgState,
  type ScrubMap,
  type ScrubObject,
  scrubMap,
  type Utime,
} from '../../types/index.ts';
import type { ClientOp } from '../ops/client-op.ts';
import type { StatDelta } from '../ops/context.ts';
import type { Peering } from './peering.ts';
import { type BuildLimits, ScrubMapBuilder } from './scrub-build.ts';
import { type CompareOptions, compareMaps, type Damage, type NewDigests } from './scrub-compare.ts';
import { checkSnapsets, type ScrubSums, zeroSums } from './scrub-snaps.ts';

export interface ScrubOptions extends BuildLimits {
  /** Objects in a range (osd_scrub_chunk_max), and the pause between ranges (osd_scrub_sleep). */
  readonly chunk_max: number;
  readonly sleep_ms: number;
  readonly objectSize_max: number;
  readonly digestAge_ms: number;
  /** Errors that a scrub which came by itself may put right (osd_scrub_auto_repair and its num_errors); 0 for none. */
  readonly autoRepair_max: number;
}

export interface ScrubHost {
  readonly whoami: number;
  readonly pgid: PgId;
  readonly key: string;
  readonly coll: string;
  readonly shard: number;
  readonly store: ObjectStore;
  readonly mapEpoch: number;
  readonly peering: Peering;
  readonly lastUpdate: Eversion;
  readonly scrubOptions: ScrubOptions;
  now(): Utime;
  send(osd: number, message: WireMessage): void;
  requeueLater(fn: () => void): void;
  after(delay_ms: number, fn: () => void): void;
  /** A turn among the scrubs of this OSD, of its own PGs and others'. */
  takeScrubTurn(): boolean;
  releaseScrubTurn(): void;
  readonly pool: number;
  readonly path: { doOp(op: ClientOp): void };
  /** Changes the digests in an object's info. */
  recordDigests(digests: NewDigests): void;
  /** These copies are to be replaced: they count as missing from now on. */
  markDamaged(oid: Hobject, key: string, version: Eversion, osds: readonly number[]): void;
  /** Recovery begins. */
  repair(): void;
  scrubEnded(): void;
  publishStats(): void;
  markDirty(big: boolean): void;
  clusterLog(level: 'error' | 'warn' | 'info' | 'debug', text: string): void;
}

export interface ScrubRequest {
  readonly deep: boolean;
  readonly repair: boolean;
  /** Somebody asked for it: whatever flags and hours say. */
  readonly required: boolean;
}

/** What the last scrub found; kept for those who ask until the next one, or the next interval. */
export interface ScrubFindings {
  readonly objects: InconsistentObject[];
  readonly snapsets: InconsistentSnapset[];
}

/** Findings kept of one PG; beyond, they are counted and in the cluster log only. */
const FINDINGS_MAX = 10_000;

interface Range {
  readonly start: Hobject;
  readonly end: Hobject;
}

interface Run {
  readonly deep: boolean;
  repair: boolean;
  readonly required: boolean;
  /** Whether it is a repair only because errors were few. */
  readonly auto: boolean;
  readonly title: string;
  next: Hobject;
  range: Range | undefined;
  readonly maps: Map<number, ScrubMap>;
  shallow: number;
  deepErrors: number;
  readonly sums: ScrubSums;
  readonly damages: Damage[];
  omapKeys: number;
  omapBytes: number;
  largeOmaps: number;
}

export class Scrubber {
  readonly #host: ScrubHost;
  #state: 'idle' | 'reserving' | 'scrubbing' = 'idle';
  #planned: ScrubRequest | undefined;
  #run: Run | undefined;
  readonly #granted = new Set<number>();
  /** Counts runs and intervals, so that steps of one that is over do nothing. */
  #generation = 0;
  /** Does this OSD hold a turn for the primary of this PG? */
  #heldForPrimary = false;
  findings: ScrubFindings | undefined;
  /** Changes of objects in the range, which wait. */
  #held: ClientOp[] = [];
  /** Another deep scrub is to come, to see what a repair has left. */
  #checkRepair = false;

  constructor(host: ScrubHost) {
    this.#host = host;
  }

  get active(): boolean {
    return this.#state !== 'idle';
  }

  get planned(): ScrubRequest | undefined {
    return this.#planned;
  }

  /** Somebody asks for a scrub: the next that begins is it. */
  request(wanted: ScrubRequest): void {
    const { peering } = this.#host;
    if (!peering.isPrimary) return;
    const before = this.#planned;
    this.#planned = {
      deep: wanted.deep || wanted.repair || before?.deep === true,
      repair: wanted.repair || before?.repair === true,
      required: wanted.required || before?.required === true,
    };
  }

  /** Changes of this object wait. */
  covers(oid: Hobject): boolean {
    const range = this.#run?.range;
    return range !== undefined && compareHobject(oid, range.start) >= 0 && compareHobject(oid, range.end) < 0;
  }

  /** Takes a change of what is being scrubbed, until that is done. */
  holds(op: ClientOp): boolean {
    const oid = new Hobject(op.name, op.locatorKey, CEPH_NOSNAP, op.hash, this.#host.pool, op.nspace);
    if (!this.covers(oid)) return false;
    op.state = 'waiting for scrub';
    this.#held.push(op);
    return true;
  }

  #letGo(): void {
    const held = this.#held;
    this.#held = [];
    for (const op of held) this.#host.path.doOp(op);
  }

  /** An object that was counted already has changed. */
  changed(oid: Hobject, d: StatDelta): void {
    const run = this.#run;
    if (run === undefined || compareHobject(oid, run.range?.start ?? run.next) >= 0) return;
    const s = run.sums;
    s.objects += d.objects;
    s.clones += d.clones;
    s.dirty += d.dirty;
    s.omap += d.omap;
    s.whiteouts += d.whiteouts;
    s.bytes += d.bytes;
  }

  /** A new interval. Gives back the changes that waited. */
  reset(): ClientOp[] {
    const held = this.#held;
    this.#held = [];
    if (this.#state !== 'idle') this.#end();
    this.#generation++;
    this.#planned = undefined;
    this.#checkRepair = false;
    this.findings = undefined;
    if (this.#heldForPrimary) {
      this.#heldForPrimary = false;
      this.#host.releaseScrubTurn();
    }
    return held;
  }

  // --- the primary ------------------------------------------------------------------------------------------------------------

  get #others(): number[] {
    const { peering, whoami } = this.#host;
    return [...peering.participants].filter((osd) => osd !== whoami);
  }

  /** Begins what was asked for, or `byItself`. False where it cannot now. */
  start(byItself?: { readonly deep: boolean; readonly autoRepair: boolean }): boolean {
    const host = this.#host;
    const { peering } = host;
    const planned =
      this.#planned ?? (byItself && { deep: byItself.deep, repair: byItself.autoRepair, required: false });
    if (planned === undefined || this.#state !== 'idle') return false;
    if (!peering.isPrimary || peering.state !== 'Clean' || !peering.test(pgState.CLEAN)) return false;
    if (!host.takeScrubTurn()) return false;
    this.#generation++;
    this.#state = 'reserving';
    this.#granted.clear();
    const auto = planned.repair && !planned.required;
    this.#run = {
      ...planned,
      auto,
      title: planned.repair && !auto ? 'repair' : planned.deep ? 'deep-scrub' : 'scrub',
      next: hobjectMin,
      range: undefined,
      maps: new Map(),
      shallow: 0,
      deepErrors: 0,
      sums: zeroSums(),
      damages: [],
      omapKeys: 0,
      omapBytes: 0,
      largeOmaps: 0,
    };
    for (const osd of this.#others) this.#reserve(osd, scrubReserveType.REQUEST);
    this.#maybeBegin();
    return true;
  }

  #reserve(osd: number, type: number): void {
    const { pgid, shard, mapEpoch, whoami } = this.#host;
    this.#host.send(
      osd,
      MOSDScrubReserve.encode({ pgid: { pgid, shard }, mapEpoch, type, from: { osd: whoami, shard } }),
    );
  }

  #maybeBegin(): void {
    const run = this.#run;
    if (this.#state !== 'reserving' || run === undefined) return;
    if (!this.#others.every((osd) => this.#granted.has(osd))) return;
    const { peering, key } = this.#host;
    this.#state = 'scrubbing';
    this.#planned = undefined;
    this.findings = { objects: [], snapsets: [] };
    peering.setState(pgState.SCRUBBING | (run.deep ? pgState.DEEP_SCRUB : 0n) | (run.repair ? pgState.REPAIR : 0n));
    this.#host.publishStats();
    this.#host.clusterLog('debug', `${key} ${run.title} starts`);
    this.#nextRange();
  }

  /** The next objects, families whole: a head and its clones are never parted. */
  #selectRange(run: Run): Range {
    const { store, coll, shard, scrubOptions } = this.#host;
    const start = run.next;
    for (let limit = scrubOptions.chunk_max; ; limit *= 2) {
      const found = store.list(coll, new Ghobject(start, undefined, shard), undefined, limit);
      if (found.next.isMax) return { start, end: found.next.hobj };
      const end = found.next.hobj.objectBoundary;
      if (compareHobject(end, start) > 0) return { start, end };
    }
  }

  #nextRange(): void {
    const run = this.#run!;
    const host = this.#host;
    const { pgid, shard, mapEpoch, peering } = host;
    run.range = this.#selectRange(run);
    run.maps.clear();
    const { start, end } = run.range;
    for (const osd of this.#others) {
      host.send(
        osd,
        MOSDRepScrub.encode({
          pgid,
          scrubTo: host.lastUpdate,
          mapEpoch,
          start,
          end,
          deep: run.deep,
          shard,
          minEpoch: peering.lastPeeringReset,
          allowPreemption: false,
          priority: 0,
          highPriority: run.required,
        }),
      );
    }
    this.#gather(run.range, run.deep, (map) => this.#gotMap(host.whoami, map));
  }

  /** Gathers this OSD's own map, a step at each turn of the event loop. */
  #gather(range: Range, deep: boolean, done: (map: ScrubMap) => void): void {
    const { store, coll, shard, lastUpdate, scrubOptions } = this.#host;
    const builder = new ScrubMapBuilder(store, coll, shard, range, deep, lastUpdate, scrubOptions);
    const generation = this.#generation;
    const step = (): void => {
      if (generation !== this.#generation) return;
      // A light look at a few objects takes less than the turn costs.
      for (let n = 0; n < (deep ? 1 : LIGHT_STEPS); n++) {
        if (builder.step()) {
          done(builder.map);
          return;
        }
      }
      this.#host.requeueLater(step);
    };
    step();
  }

  #gotMap(osd: number, map: ScrubMap): void {
    const run = this.#run;
    if (this.#state !== 'scrubbing' || run?.range === undefined) return;
    run.maps.set(osd, map);
    if (run.maps.size <= this.#others.length) return;
    const { range } = run;
    this.#compare(run);
    run.range = undefined;
    run.next = range.end;
    this.#letGo();
    if (this.#run !== run) return;
    if (range.end.isMax) {
      this.#finish(run);
      return;
    }
    const generation = this.#generation;
    const next = (): void => {
      if (generation === this.#generation && this.#state === 'scrubbing') this.#nextRange();
    };
    const { sleep_ms } = this.#host.scrubOptions;
    if (sleep_ms > 0) this.#host.after(sleep_ms, next);
    else this.#host.requeueLater(next);
  }

  get #compareOptions(): CompareOptions {
    const { key, whoami, scrubOptions } = this.#host;
    const now = this.#host.now();
    return {
      pg: key,
      primary: whoami,
      repair: this.#run!.repair,
      objectSize_max: scrubOptions.objectSize_max,
      now_ms: now.sec * 1000 + now.nsec / 1e6,
      digestAge_ms: scrubOptions.digestAge_ms,
    };
  }

  #compare(run: Run): void {
    const host = this.#host;
    const own = new Map(run.maps.get(host.whoami)!.objects.map(([oid, found]) => [oid, found]));
    const meta = new Map<string, readonly [Hobject, ScrubObject]>();
    for (const [oid, found] of own) meta.set(oid.mapKey, [oid, found]);
    this.#omapSums(run);
    if (run.maps.size > 1) {
      const c = compareMaps(run.maps, this.#compareOptions);
      run.shallow += c.shallow;
      run.deepErrors += c.deep;
      run.damages.push(...c.damages);
      this.#keep(this.findings!.objects, c.objects);
      for (const text of c.errors) host.clusterLog('error', text);
      for (const d of c.damages) meta.set(d.oid.mapKey, [d.oid, d.right]);
      for (const d of c.digests) host.recordDigests(d);
    }
    const objects = [...meta.values()].sort((a, b) => compareHobject(a[0], b[0]));
    const snaps = checkSnapsets(objects, `${run.title} ${host.key}`, run.sums);
    run.shallow += snaps.shallow;
    this.#keep(this.findings!.snapsets, snaps.snapsets);
    for (const text of snaps.errors) host.clusterLog('error', text);
    for (const text of snaps.remarks) host.clusterLog('info', text);
  }

  #keep<T>(kept: T[], found: readonly T[]): void {
    for (const x of found) if (kept.length < FINDINGS_MAX) kept.push(x);
  }

  /** Omap sizes of the range, and objects whose omap is remarkably large. */
  #omapSums(run: Run): void {
    const host = this.#host;
    for (const [oid, found] of run.maps.get(host.whoami)!.objects) {
      run.omapKeys += found.objectOmapKeys;
      run.omapBytes += found.objectOmapBytes;
      if (!found.largeOmapObjectFound) continue;
      run.largeOmaps++;
      host.clusterLog(
        'warn',
        `Large omap object found. Object: ${oid} PG: ${host.pgid.pool}.${oid.hash.toString(16)} (${host.key}) ` +
          `Key count: ${found.largeOmapObjectKeyCount} Size (bytes): ${found.largeOmapObjectValueSize}`,
      );
    }
  }

  #finish(run: Run): void {
    const host = this.#host;
    const { peering, key } = host;
    if (run.auto && run.damages.length > host.scrubOptions.autoRepair_max) run.repair = false;
    let fixed = this.#checkSums(run);
    if (run.damages.length > 0) {
      const missing = run.damages.filter((d) => d.missing.length > 0).length;
      const inconsistent = run.damages.filter((d) => d.inconsistent.length > 0).length;
      host.clusterLog('error', `${key} ${run.title} ${missing} missing, ${inconsistent} inconsistent objects`);
    }
    const repairs = run.repair && run.damages.length > 0;
    if (repairs) {
      for (const d of run.damages) {
        const osds = [...d.missing, ...d.inconsistent];
        host.markDamaged(d.oid, d.key, d.version, osds);
        fixed += osds.length;
      }
    }
    const total = run.shallow + run.deepErrors;
    const sum = peering.info.stats.stats;
    let text = `${key} ${run.title} ${total > 0 ? `${total} errors` : 'ok'}`;
    if (!run.deep && sum.numDeepScrubErrors > 0) {
      text += ` ( ${sum.numDeepScrubErrors} remaining deep scrub error details lost)`;
    }
    if (run.repair) text += `, ${fixed} fixed`;
    host.clusterLog(total > 0 ? 'error' : 'debug', text);
    if (run.repair) {
      if (fixed === total) {
        run.shallow = 0;
        run.deepErrors = 0;
        this.findings = { objects: [], snapsets: [] };
      } else if (repairs) this.#checkRepair = true;
      else if (total > 0) peering.setState(pgState.FAILED_REPAIR);
    }
    this.#record(run);
    const again = !run.deep && run.auto && run.damages.length > 0;
    this.#end();
    if (again) this.request({ deep: true, repair: true, required: false });
    if (repairs) {
      peering.setState(pgState.REPAIR);
      host.repair();
    }
    peering.shareInfo();
    host.publishStats();
    host.scrubEnded();
  }

  /** Stamps and error counts of a scrub that came to its end. */
  #record(run: Run): void {
    const host = this.#host;
    const { info } = host.peering;
    const { history } = info;
    const sum = info.stats.stats;
    const now = host.now();
    history.lastScrub = info.lastUpdate;
    history.lastScrubStamp = now;
    sum.numShallowScrubErrors = run.shallow;
    if (run.deep) {
      history.lastDeepScrub = info.lastUpdate;
      history.lastDeepScrubStamp = now;
      sum.numDeepScrubErrors = run.deepErrors;
      sum.numLargeOmapObjects = run.largeOmaps;
      sum.numOmapBytes = run.omapBytes;
      sum.numOmapKeys = run.omapKeys;
    }
    if (run.shallow === 0 && (!run.deep || run.deepErrors === 0)) history.lastCleanScrubStamp = now;
    sum.numScrubErrors = sum.numShallowScrubErrors + sum.numDeepScrubErrors;
    if (this.#checkRepair && !run.repair) {
      this.#checkRepair = false;
      if (sum.numScrubErrors > 0) host.peering.setState(pgState.FAILED_REPAIR);
    }
    host.markDirty(true);
  }

  /** Compares what the objects add up to with the PG's statistics; a repair puts those right. Returns how many errors were. */
  #checkSums(run: Run): number {
    const host = this.#host;
    const sum = host.peering.info.stats.stats;
    const got = run.sums;
    const is: ScrubSums = {
      objects: sum.numObjects,
      clones: sum.numObjectClones,
      dirty: sum.numObjectsDirty,
      omap: sum.numObjectsOmap,
      whiteouts: sum.numWhiteouts,
      bytes: sum.numBytes,
    };
    if ((Object.keys(is) as (keyof ScrubSums)[]).every((k) => is[k] === got[k])) return 0;
    host.clusterLog(
      'error',
      `${host.key} ${run.title} : stat mismatch, got ${got.objects}/${is.objects} objects, ${got.clones}/${is.clones} clones, ` +
        `${got.dirty}/${is.dirty} dirty, ${got.omap}/${is.omap} omap, 0/0 pinned, 0/0 hit_set_archive, ` +
        `${got.whiteouts}/${is.whiteouts} whiteouts, ${got.bytes}/${is.bytes} bytes, 0/0 manifest objects, 0/0 hit_set_archive bytes.`,
    );
    run.shallow++;
    if (!run.repair) return 0;
    sum.numObjects = got.objects;
    sum.numObjectClones = got.clones;
    sum.numObjectsDirty = got.dirty;
    sum.numObjectsOmap = got.omap;
    sum.numWhiteouts = got.whiteouts;
    sum.numBytes = got.bytes;
    return 1;
  }

  /** Everybody may scrub other PGs. */
  #end(): void {
    const { peering } = this.#host;
    this.#generation++;
    this.#state = 'idle';
    this.#run = undefined;
    for (const osd of this.#others) this.#reserve(osd, scrubReserveType.RELEASE);
    this.#granted.clear();
    this.#host.releaseScrubTurn();
    peering.clearState(pgState.SCRUBBING | pgState.DEEP_SCRUB | pgState.REPAIR);
  }

  /** The PG is clean after a repair: looks whether all is well now, where that is not sure. */
  cleanAgain(): void {
    if (this.#checkRepair) this.request({ deep: true, repair: false, required: true });
  }

  // --- messages ---------------------------------------------------------------------------------------------------------------

  /** MOSDScrubReserve: a primary asks this OSD for a turn, or one answers that was asked. */
  handleReserve(message: ReceivedMessage): void {
    const m = MOSDScrubReserve.decode(message);
    const host = this.#host;
    const from = m.from.osd;
    switch (m.type) {
      case scrubReserveType.REQUEST: {
        this.#heldForPrimary ||= host.takeScrubTurn();
        this.#reserve(from, this.#heldForPrimary ? scrubReserveType.GRANT : scrubReserveType.REJECT);
        return;
      }
      case scrubReserveType.RELEASE:
        if (!this.#heldForPrimary) return;
        this.#heldForPrimary = false;
        this.#generation++;
        host.releaseScrubTurn();
        return;
      case scrubReserveType.GRANT:
        this.#granted.add(from);
        this.#maybeBegin();
        return;
      case scrubReserveType.REJECT:
        // What was planned stays so; the next tick tries again.
        if (this.#state === 'reserving') this.#end();
        return;
      default:
        throw new DecodeError(`MOSDScrubReserve of type ${m.type}`, 0);
    }
  }

  /** MOSDRepScrub: the primary asks what is here. */
  handleRepScrub(message: ReceivedMessage): void {
    const m = MOSDRepScrub.decode(message);
    const host = this.#host;
    const from = message.source.num;
    const { pgid, shard, whoami } = host;
    this.#gather({ start: m.start, end: m.end }, m.deep, (map) => {
      host.send(
        from,
        MOSDRepScrubMap.encode({
          pgid: { pgid, shard },
          mapEpoch: host.mapEpoch,
          from: { osd: whoami, shard },
          data: encodeToBytes(scrubMap, map),
        }),
      );
    });
  }

  /** MOSDRepScrubMap: a copy has answered. */
  handleMap(message: ReceivedMessage): void {
    const m = MOSDRepScrubMap.decode(message);
    this.#gotMap(m.from.osd, decodeFromBytes(scrubMap, m.data));
  }
}

const LIGHT_STEPS = 32;
