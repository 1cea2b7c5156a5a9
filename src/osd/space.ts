/** How much room the store has, as the OSD tells it and acts by it. */
import type { Config } from '../config/index.ts';
import { type MessageParts, MOSDFull } from '../messages/index.ts';
import type { ObjectStore, PoolSpace, StoreRoom, StoreStats } from '../store/index.ts';
import { makeStoreStatfs, type OSDMap, osdState, type StoreStatfs } from '../types/index.ts';
import { compressionOptions, poolCompression, SPARE_BYTES } from './options.ts';

export interface SpaceHost {
  readonly whoami: number;
  readonly config: Config;
  readonly store: ObjectStore;
  readonly map: OSDMap;
  sendToMon(message: MessageParts): void;
  log(level: number, text: string): void;
}

export class Space {
  readonly #host: SpaceHost;
  /** Of the options, read once for each change of them: every write asks. */
  #blockSize = 0;
  #failsafeFullRatio = 1;

  constructor(host: SpaceHost) {
    this.#host = host;
    this.configChanged();
  }

  configChanged(): void {
    const { config } = this.#host;
    this.#blockSize = config.num('bluestore_block_size');
    this.#failsafeFullRatio = config.num('osd_failsafe_full_ratio');
  }

  /**
   * The store's space less what is kept spare beyond the size that was asked for: where writes that are under way go while the OSD is being found full. A copy can
   * refuse nothing that its primary has taken.
   */
  room(): StoreRoom {
    const room = this.#host.store.room();
    const spare = Math.min(SPARE_BYTES, Math.max(0, room.total - this.#blockSize));
    return { total: room.total - spare, available: Math.max(0, room.available - spare) };
  }

  stats(): StoreStats {
    return { ...this.#host.store.statfs(), ...this.room() };
  }

  /** Tells the monitors where the map has another state of fullness than this OSD. They mark the pools, and clients then hold their writes. */
  reportFullness(): void {
    const { map, whoami } = this.#host;
    if (!map.exists(whoami)) return;
    const { total, available } = this.room();
    const used = total > 0 ? (total - available) / total : 0;
    const levels = [
      [map.fullRatio, osdState.FULL],
      [map.backfillfullRatio, osdState.BACKFILLFULL],
      [map.nearfullRatio, osdState.NEARFULL],
    ] as const;
    const state = levels.find(([ratio]) => ratio > 0 && used >= ratio)?.[1] ?? 0;
    const known = map.osdState[whoami]! & (osdState.FULL | osdState.BACKFILLFULL | osdState.NEARFULL);
    if (state === known) return;
    this.#host.log(1, `is ${(used * 100).toFixed(1)} % full`);
    this.#host.sendToMon(MOSDFull.encode({ paxosVersion: map.epoch, mapEpoch: map.epoch, state }));
  }

  /** Whether so little is left that writes must not even begin (osd_failsafe_full_ratio). */
  get failsafeFull(): boolean {
    const { total, available } = this.room();
    return total > 0 && (total - available) / total > this.#failsafeFullRatio;
  }

  statfs(): StoreStatfs {
    const s = this.stats();
    const f = spaceOf(s);
    f.total = s.total;
    f.available = s.available;
    f.omapAllocated = s.omapBytes;
    f.internalMetadata = s.metadataBytes;
    return f;
  }

  /** Whether the store counts by pool. */
  get isByPool(): boolean {
    return this.#host.store.poolSpace !== undefined;
  }

  byPool(): Map<number, StoreStatfs> {
    const pools = new Map<number, StoreStatfs>();
    for (const [pool, s] of this.#host.store.poolSpace?.() ?? []) {
      if (pool >= 0) pools.set(pool, spaceOf(s));
    }
    return pools;
  }

  /** Tells the store how data is compressed where a pool says nothing. */
  setCompression(): void {
    this.#host.store.setCompression?.(compressionOptions(this.#host.config));
  }

  /** Tells the store what pools of a new map have otherwise than `last` had. */
  setPoolCompression(map: OSDMap, last: OSDMap | undefined): void {
    const { store } = this.#host;
    if (store.setPoolCompression === undefined) return;
    for (const [id, pool] of map.pools) {
      if (last?.pools.get(id)?.opts !== pool.opts) store.setPoolCompression(id, poolCompression(pool.opts));
    }
    if (last === undefined) return;
    for (const id of last.pools.keys()) if (!map.pools.has(id)) store.setPoolCompression(id, undefined);
  }
}

/** What is told of the whole store and of each pool alike. */
function spaceOf(s: PoolSpace): StoreStatfs {
  const f = makeStoreStatfs();
  f.allocated = s.allocated;
  f.dataStored = s.stored;
  f.dataCompressed = s.compressedBytes;
  f.dataCompressedAllocated = s.compressedAllocatedBytes;
  f.dataCompressedOriginal = s.compressedOriginalBytes;
  return f;
}
