/**
 * The map epochs an OSD has: full and incremental, in the store's collection `meta` (objects `osdmap.N` and `inc_osdmap.N`), the newest ones decoded in memory.
 */
import { invariant } from '../base/index.ts';
import { decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import { MOSDMap, mapsRange } from '../messages/index.ts';
import type { WireMessage } from '../msgr/index.ts';
import { type ObjectStore, Transaction } from '../store/index.ts';
import {
  decodeOSDMapIncremental,
  Ghobject,
  Hobject,
  makeCompatSet,
  OSD_FEATURES_INCOMPAT,
  OSDMap,
  type OsdSuperblock,
  osdSuperblock,
  POOL_META,
  type Uuid,
  utimeZero,
} from '../types/index.ts';

export const META_COLLECTION = 'meta';

/** An object of the OSD's own (hobject of pool -1, snapshot 0). */
export function metaObject(name: string): Ghobject {
  return new Ghobject(new Hobject(name, '', 0, 0, POOL_META, ''));
}

const SUPERBLOCK = metaObject('osd_superblock');

export function newSuperblock(clusterFsid: Uuid, osdFsid: Uuid, whoami: number): OsdSuperblock {
  return {
    clusterFsid,
    osdFsid,
    whoami,
    currentEpoch: 0,
    oldestMap: 0,
    newestMap: 0,
    weight: 1,
    compatFeatures: makeCompatSet(OSD_FEATURES_INCOMPAT),
    cleanThru: 0,
    mounted: 0,
    purgedSnapsLast: 0,
    lastPurgedSnapsScrub: utimeZero,
    clusterOsdmapTrimLowerBound: 0,
  };
}

export function readSuperblock(store: ObjectStore): OsdSuperblock | undefined {
  const parts = store.readSync(META_COLLECTION, SUPERBLOCK, 0, 0);
  if (parts === undefined) return undefined;
  const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  return decodeFromBytes(osdSuperblock, whole);
}

export function writeSuperblock(t: Transaction, sb: OsdSuperblock): void {
  t.truncate(META_COLLECTION, SUPERBLOCK, 0);
  t.write(META_COLLECTION, SUPERBLOCK, 0, encodeToBytes(osdSuperblock, sb));
}

/** mkfs: the meta collection and the superblock. */
export function formatMeta(store: ObjectStore, sb: OsdSuperblock, done: () => void): void {
  const t = new Transaction();
  t.createCollection(META_COLLECTION, 0);
  t.touch(META_COLLECTION, SUPERBLOCK);
  t.write(META_COLLECTION, SUPERBLOCK, 0, encodeToBytes(osdSuperblock, sb));
  store.queueTransactions(META_COLLECTION, [t], done);
}

/** Decoded maps kept. Peering looks back over intervals; the rest is for peers that are behind. */
const CACHE_MAX = 64;
/** Maps removed from the store at a time. */
const TRIM_MAX = 200;

/** What came of a message of maps. */
export interface NewMaps {
  /** Epochs now known, ascending; empty for nothing new. */
  readonly epochs: readonly number[];
  /** First epoch that is needed to go on, where the message left a gap. */
  readonly missingFrom: number | undefined;
  /** An incremental did not make the map that its sender has: this full map must be asked for. */
  readonly needFull: number | undefined;
}

export class OsdMaps {
  readonly #store: ObjectStore;
  readonly #cache = new Map<number, OSDMap>();
  readonly #encoded = new Map<number, Uint8Array>();
  oldest: number;
  newest: number;

  constructor(store: ObjectStore, oldest: number, newest: number) {
    this.#store = store;
    this.oldest = oldest;
    this.newest = newest;
  }

  #remember(map: OSDMap): void {
    this.#cache.set(map.epoch, map);
    if (this.#cache.size > CACHE_MAX) {
      const first = this.#cache.keys().next().value;
      if (first !== undefined) this.#cache.delete(first);
    }
  }

  /** The map of an epoch, or undefined where it is not (or no longer) here. Epoch 0 is the empty map. */
  get(epoch: number): OSDMap | undefined {
    const cached = this.#cache.get(epoch);
    if (cached !== undefined) return cached;
    if (epoch === 0) return new OSDMap();
    const full = this.#read(`osdmap.${epoch}`);
    if (full === undefined) return undefined;
    const map = OSDMap.decode(full);
    this.#remember(map);
    return map;
  }

  #read(name: string): Uint8Array | undefined {
    const parts = this.#store.readSync(META_COLLECTION, metaObject(name), 0, 0);
    if (parts === undefined) return undefined;
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  #incremental(epoch: number): Uint8Array | undefined {
    const cached = this.#encoded.get(epoch);
    if (cached !== undefined) return cached;
    return this.#read(`inc_osdmap.${epoch}`);
  }

  /**
   * Takes the maps of a message that follow the newest one here, into `t` and memory. Throws DecodeError for bytes that are no map.
   */
  add(
    m: {
      readonly incrementals: ReadonlyMap<number, Uint8Array>;
      readonly fulls: ReadonlyMap<number, Uint8Array>;
      readonly oldest: number;
    },
    t: Transaction,
  ): NewMaps {
    const [first, last] = mapsRange(m);
    const epochs: number[] = [];
    if (last <= this.newest) return { epochs, missingFrom: undefined, needFull: undefined };
    let from = this.newest + 1;
    if (first > from) {
      // A gap: only a full map bridges it, and only where nobody has what lies in between any more.
      if (this.newest > 0 && m.oldest <= from) return { epochs, missingFrom: from, needFull: undefined };
      if (m.oldest > from && m.oldest < first) return { epochs, missingFrom: m.oldest - 1, needFull: undefined };
      if (!m.fulls.has(first)) return { epochs, missingFrom: from, needFull: undefined };
      from = first;
    }
    for (let e = from; e <= last; e++) {
      const full = m.fulls.get(e);
      const inc = m.incrementals.get(e);
      let map: OSDMap;
      let encoded: Uint8Array;
      if (full !== undefined) {
        map = OSDMap.decode(full);
        encoded = full;
      } else if (inc !== undefined) {
        const previous = this.get(e - 1);
        if (previous === undefined) return { epochs, missingFrom: undefined, needFull: e };
        const delta = decodeOSDMapIncremental(inc);
        const next = previous.apply(delta);
        const made = next.encode();
        if (delta.fullCrc !== 0 && made.crc !== delta.fullCrc) return { epochs, missingFrom: undefined, needFull: e };
        map = new OSDMap(next.fields, made.crc);
        encoded = made.bytes.slice();
      } else return { epochs, missingFrom: e, needFull: undefined };
      invariant(map.epoch === e, 'map of another epoch', { claimed: e, found: map.epoch });
      this.#put(t, `osdmap.${e}`, encoded);
      if (inc !== undefined) {
        this.#put(t, `inc_osdmap.${e}`, inc);
        this.#encoded.set(e, inc.slice());
        if (this.#encoded.size > CACHE_MAX) this.#encoded.delete(this.#encoded.keys().next().value!);
      }
      this.#remember(map);
      if (this.oldest === 0) this.oldest = e;
      this.newest = e;
      epochs.push(e);
    }
    return { epochs, missingFrom: undefined, needFull: undefined };
  }

  #put(t: Transaction, name: string, content: Uint8Array): void {
    const o = metaObject(name);
    t.touch(META_COLLECTION, o);
    t.truncate(META_COLLECTION, o, 0);
    t.write(META_COLLECTION, o, 0, content);
  }

  /** Removes maps before `epoch`, some at a time. */
  trim(epoch: number, t: Transaction): void {
    const end = Math.min(epoch, this.newest, this.oldest + TRIM_MAX);
    for (; this.oldest < end; this.oldest++) {
      t.remove(META_COLLECTION, metaObject(`osdmap.${this.oldest}`));
      t.remove(META_COLLECTION, metaObject(`inc_osdmap.${this.oldest}`));
      this.#cache.delete(this.oldest);
      this.#encoded.delete(this.oldest);
    }
  }

  /** The message that brings a peer which has `since` up to `to` (at most `max` epochs of it), or undefined where it needs nothing. */
  messageSince(since: number, to: number, max: number, features: bigint): WireMessage | undefined {
    if (since >= to) return undefined;
    const incrementals = new Map<number, Uint8Array>();
    const fulls = new Map<number, Uint8Array>();
    let from = since + 1;
    if (from < this.oldest) from = this.oldest;
    const end = Math.min(to, from + max - 1);
    for (let e = from; e <= end; e++) {
      const inc = e === from && from !== since + 1 ? undefined : this.#incremental(e);
      if (inc !== undefined) {
        incrementals.set(e, inc);
        continue;
      }
      const full = this.#read(`osdmap.${e}`);
      if (full === undefined) break;
      fulls.set(e, full);
    }
    if (incrementals.size === 0 && fulls.size === 0) return undefined;
    const fsid = this.get(this.newest)?.fsid ?? '';
    return MOSDMap.encode({ fsid, incrementals, fulls, oldest: this.oldest, newest: this.newest }, { features });
  }
}
