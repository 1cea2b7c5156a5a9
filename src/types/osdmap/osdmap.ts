import { CrushMap, decodeCrushMap, encodeCrushMap } from '../../crush/index.ts';
import { addrType, type EntityAddr, type EntityAddrVec } from '../entity-addr.ts';
import { feature, hasFeature } from '../features.ts';
import type { PgId } from '../osd/pgid.ts';
import { type PgKey, pgKey } from '../pg-key.ts';
import type { PgPool } from '../pool/index.ts';
import { compareUtime, type Utime } from '../utime.ts';
import { applyFields } from './apply.ts';
import {
  decodeFields,
  decodeIncremental,
  type EncodedMap,
  encodeFields,
  encodeIncrementalFields,
  osdMapEncodingFeatures,
  readerOf,
} from './codec.ts';
import { emptyOSDMapFields, type OSDMapFields, withMaxOsd } from './data.ts';
import type { BlocklistEntry } from './fields.ts';
import { OSD_IN, OSD_OUT, osdState, PRIMARY_AFFINITY_DEFAULT } from './flags.ts';
import type { OSDMapIncremental } from './incremental.ts';
import {
  applyUpmap,
  mapPg,
  type PgMapping,
  type PoolPlacement,
  pgMappingNone,
  placementSeed,
  poolPlacement,
  rawOsds,
} from './placement.ts';

/** Decoded CRUSH maps by their bytes, which maps of many epochs share. */
const crushMaps = new WeakMap<Uint8Array, CrushMap>();

function crushOf(bytes: Uint8Array): CrushMap {
  let crush = crushMaps.get(bytes);
  if (crush === undefined) {
    crush = bytes.length === 0 ? new CrushMap() : decodeCrushMap(bytes);
    crushMaps.set(bytes, crush);
  }
  return crush;
}

/** Receivers that have these get the CRUSH map as it is kept; for others it is written anew. */
const CRUSH_FORM_FEATURES = feature.CRUSH_TUNABLES5 | feature.SERVER_LUMINOUS;

/** PGs whose mapping is remembered at most, for each map. */
const MAPPINGS_MAX = 65536;

/** Gives the class the fields as its own properties, without naming them all again. */
const WithFields = class {
  constructor(fields: OSDMapFields) {
    Object.assign(this, fields);
  }
} as new (
  fields: OSDMapFields,
) => OSDMapFields;

/**
 * The map of OSDs, pools and exceptions to placement, of one epoch. A value: {@link OSDMap.apply} gives the next epoch's map, which shares
 * with this one all that did not change.
 */
export class OSDMap extends WithFields {
  /** crc32c of the encoding it was decoded from; undefined for one made here. */
  readonly crc: number | undefined;
  #poolIds: Map<string, number> | undefined;
  readonly #placements = new Map<number, PoolPlacement>();
  readonly #mappings = new Map<PgKey, PgMapping>();
  #counts: { osds: number; up: number; in: number } | undefined;

  constructor(fields: Partial<OSDMapFields> = {}, crc?: number) {
    super({ ...emptyOSDMapFields, ...fields });
    this.crc = crc;
  }

  /** Throws DecodeError for bytes that are no map or whose crc is wrong. */
  static decode(bytes: Uint8Array): OSDMap {
    const { fields, crc } = decodeFields(readerOf(bytes));
    // Now, so that a broken one is refused here and not where it is first used.
    crushOf(fields.crushBytes);
    return new OSDMap(fields, crc);
  }

  /** A copy with other fields. */
  with(changes: Partial<OSDMapFields>): OSDMap {
    return new OSDMap({ ...this.fields, ...changes });
  }

  /** A copy that has room for OSD ids below `maxOsd`. */
  withMaxOsd(maxOsd: number): OSDMap {
    return new OSDMap(withMaxOsd(this.fields, maxOsd));
  }

  /** The fields alone. */
  get fields(): OSDMapFields {
    return { ...this };
  }

  /** Features that the canonical encoding of this map is made with. */
  get encodingFeatures(): bigint {
    return osdMapEncodingFeatures(this.requireOsdRelease);
  }

  /**
   * The map's bytes for a receiver with `features` (canonical by default). The canonical ones are those that crcs are about. Throws RangeError for receivers
   * before Luminous.
   */
  encode(features = this.encodingFeatures): EncodedMap {
    const crushBytes = hasFeature(features, CRUSH_FORM_FEATURES)
      ? this.crushBytes
      : encodeCrushMap(this.crush, features);
    return encodeFields(this, features, crushBytes);
  }

  /** The next epoch's map. Throws RangeError where `inc` does not follow this map, DecodeError where a map inside it is broken. */
  apply(inc: OSDMapIncremental): OSDMap {
    if (inc.epoch !== this.epoch + 1) throw new RangeError(`incremental ${inc.epoch} on a map of epoch ${this.epoch}`);
    if (inc.epoch !== 1 && inc.fsid !== this.fsid) throw new RangeError(`incremental of cluster ${inc.fsid}`);
    if (inc.fullMap.length > 0) return OSDMap.decode(inc.fullMap);
    if (inc.crush.length > 0) crushOf(inc.crush);
    return new OSDMap(applyFields(this.fields, inc, (bytes, id) => crushOf(bytes).classNames.has(id)));
  }

  /** The CRUSH map. Shared between maps: not to be changed; decode `crushBytes` for one to edit. */
  get crush(): CrushMap {
    return crushOf(this.crushBytes);
  }

  /** Where an object's PG is: its hash, or that of its locator key, folded to the pool's PGs; undefined where there is no such pool. */
  objectToPg(poolId: number, name: string, locator: { key?: string; namespace?: string } = {}): PgId | undefined {
    const pool = this.pools.get(poolId);
    if (pool === undefined) return undefined;
    const key = locator.key === undefined || locator.key === '' ? name : locator.key;
    return { pool: poolId, seed: pool.rawPgToPg(pool.hashKey(key, locator.namespace)) };
  }

  /**
   * Where the PG's copies are. `pg.seed` may be an unfolded hash. All is empty and -1 where there is no such pool. Remembered for
   * later calls; the result must not be changed.
   */
  pgToUpActing(pg: PgId): PgMapping {
    return this.pgMapping(pg.pool, pg.seed);
  }

  /** {@link OSDMap.pgToUpActing} by pool id and seed. */
  pgMapping(poolId: number, hash: number): PgMapping {
    const placement = this.placementOf(poolId);
    if (placement === undefined) return pgMappingNone;
    const seed = placement.pool.rawPgToPg(hash);
    const key = pgKey(poolId, seed);
    let mapping = this.#mappings.get(key);
    if (mapping === undefined) {
      mapping = mapPg(this, placement, seed);
      if (this.#mappings.size >= MAPPINGS_MAX) this.#mappings.clear();
      this.#mappings.set(key, mapping);
    }
    return mapping;
  }

  /** What all PGs of a pool share in placement; undefined where there is no such pool. */
  placementOf(poolId: number): PoolPlacement | undefined {
    let placement = this.#placements.get(poolId);
    if (placement === undefined) {
      const pool = this.pools.get(poolId);
      if (pool === undefined) return undefined;
      placement = poolPlacement(this.crush, poolId, pool);
      this.#placements.set(poolId, placement);
    }
    return placement;
  }

  /** What CRUSH says of a PG before exceptions and states (pg_to_raw_osds). */
  pgToRawOsds(pg: PgId): number[] {
    const placement = this.placementOf(pg.pool);
    if (placement === undefined) return [];
    return rawOsds(this, placement, placementSeed(placement.pool, pg.pool, pg.seed));
  }

  /** The same with the exceptions of upmaps (pg_to_raw_upmap). */
  pgToRawUpmap(pg: PgId): number[] {
    const placement = this.placementOf(pg.pool);
    if (placement === undefined) return [];
    return applyUpmap(this, this.pgToRawOsds(pg), pgKey(pg.pool, placement.pool.rawPgToPg(pg.seed)));
  }

  /** The pool's id, or undefined. */
  poolId(name: string): number | undefined {
    this.#poolIds ??= new Map([...this.poolNames].map(([id, known]) => [known, id]));
    return this.#poolIds.get(name);
  }

  pool(id: number): PgPool | undefined {
    return this.pools.get(id);
  }

  poolName(id: number): string | undefined {
    return this.poolNames.get(id);
  }

  exists(osd: number): boolean {
    return osd >= 0 && osd < this.maxOsd && (this.osdState[osd]! & osdState.EXISTS) !== 0;
  }

  isUp(osd: number): boolean {
    return this.exists(osd) && (this.osdState[osd]! & osdState.UP) !== 0;
  }

  isDown(osd: number): boolean {
    return !this.isUp(osd);
  }

  isOut(osd: number): boolean {
    return !this.exists(osd) || this.osdWeight[osd] === OSD_OUT;
  }

  isIn(osd: number): boolean {
    return !this.isOut(osd);
  }

  isDestroyed(osd: number): boolean {
    return this.exists(osd) && (this.osdState[osd]! & osdState.DESTROYED) !== 0;
  }

  /** Weight as a fraction; 1 is fully in. */
  weightf(osd: number): number {
    return this.osdWeight[osd]! / OSD_IN;
  }

  /** 16.16 fixed point. */
  primaryAffinityOf(osd: number): number {
    return this.primaryAffinity.length === 0 ? PRIMARY_AFFINITY_DEFAULT : this.primaryAffinity[osd]!;
  }

  addrsOf(osd: number): EntityAddrVec | undefined {
    return this.clientAddrs[osd];
  }

  get osdCounts(): { readonly osds: number; readonly up: number; readonly in: number } {
    if (this.#counts === undefined) {
      const counts = { osds: 0, up: 0, in: 0 };
      for (let osd = 0; osd < this.maxOsd; osd++) {
        if (!this.exists(osd)) continue;
        counts.osds++;
        if (this.isUp(osd)) counts.up++;
        if (this.isIn(osd)) counts.in++;
      }
      this.#counts = counts;
    }
    return this.#counts;
  }

  /** Ids of the OSDs that exist, ascending. */
  *osds(): IterableIterator<number> {
    for (let osd = 0; osd < this.maxOsd; osd++) if (this.exists(osd)) yield osd;
  }

  /**
   * True where an address is on the blocklist: itself, all of its host, or its network. Entries are there until the monitor takes them out; with
   * `now`, ones that have run out do not count.
   */
  isBlocklisted(addr: EntityAddr, now?: Utime): boolean {
    if (this.blocklist.size === 0 && this.rangeBlocklist.size === 0) return false;
    const counts = (entry: BlocklistEntry | undefined): boolean =>
      entry !== undefined && (now === undefined || compareUtime(now, entry.until) < 0);
    // Entries are of type `any`; one of port and nonce 0 stands for its host.
    const exact = addr.with({ type: addrType.ANY });
    if (counts(this.blocklist.get(exact.toString()))) return true;
    if (counts(this.blocklist.get(exact.with({ port: 0, nonce: 0 }).toString()))) return true;
    for (const entry of this.rangeBlocklist.values()) if (counts(entry) && inNetwork(addr, entry.addr)) return true;
    return false;
  }

  /** {@link OSDMap.isBlocklisted} for any of a peer's addresses. */
  isAnyBlocklisted(addrs: EntityAddrVec, now?: Utime): boolean {
    return addrs.addrs.some((addr) => this.isBlocklisted(addr, now));
  }

  /** Features that all up OSDs have; 0 where none is up. */
  get upOsdFeatures(): bigint {
    let features: bigint | undefined;
    for (let osd = 0; osd < this.maxOsd; osd++) {
      const own = this.osdXinfo[osd]!.features;
      if (!this.isUp(osd) || own === 0n) continue;
      features = features === undefined ? own : features & own;
    }
    return features ?? 0n;
  }
}

/** Whether an address is in a network; its prefix is as long as the nonce says. */
function inNetwork(addr: EntityAddr, network: EntityAddr): boolean {
  if (addr.family !== network.family) return false;
  const whole = network.nonce >> 3;
  for (let i = 0; i < whole; i++) if (addr.ip[i] !== network.ip[i]) return false;
  const mask = (0xff00 >> (network.nonce & 7)) & 0xff;
  return mask === 0 || ((addr.ip[whole] ?? 0) & mask) === ((network.ip[whole] ?? 0) & mask);
}

/** Throws DecodeError for bytes that are no incremental or whose crc is wrong. */
export function decodeOSDMapIncremental(bytes: Uint8Array): OSDMapIncremental {
  return decodeIncremental(readerOf(bytes));
}

/**
 * Bytes of an incremental for a receiver with `features`. For the canonical one (what the monitor commits) set `inc.fullCrc` first; see
 * {@link sealIncremental}.
 */
export function encodeOSDMapIncremental(inc: OSDMapIncremental, features: bigint): EncodedMap {
  return encodeIncrementalFields(inc, features);
}

/** What the monitor commits for a new epoch: the incremental and the full map that it makes of `previous`, both encoded, crcs filled in. */
export function sealIncremental(
  previous: OSDMap,
  inc: OSDMapIncremental,
): { map: OSDMap; full: EncodedMap; incremental: EncodedMap } {
  const next = previous.apply(inc);
  const features = next.encodingFeatures;
  const full = next.encode(features);
  inc.fullCrc = full.crc;
  const incremental = encodeIncrementalFields(inc, features);
  return { map: new OSDMap(next.fields, full.crc), full, incremental };
}
