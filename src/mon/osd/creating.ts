import {
  byNumber,
  type Codec,
  decodeFromBytes,
  encodeToBytes,
  list,
  plain,
  s64num,
  sortedMap,
  u32,
  u64num,
} from '../../encoding/index.ts';
import {
  type OSDMap,
  type OSDMapIncremental,
  type PgKey,
  type PgPool,
  pgKey,
  pgKeyPool,
  pgKeySeed,
  type Utime,
  utime,
} from '../../types/index.ts';

/** When a PG that nobody reported as created yet was to be made. */
interface Creating {
  readonly epoch: number;
  readonly stamp: Utime;
}

/** PGs of a new pool that wait for their turn: seeds [start, end). */
interface Queued {
  readonly created: number;
  readonly stamp: Utime;
  readonly start: number;
  readonly end: number;
}

const wire = plain('creating_pgs', {
  lastScanEpoch: u32,
  pgs: sortedMap(u64num, plain('creating', { epoch: u32, stamp: utime }) as Codec<Creating>, byNumber),
  queue: sortedMap(
    s64num,
    plain('queued', { created: u32, stamp: utime, start: u32, end: u32 }) as Codec<Queued>,
    byNumber,
  ),
  createdPools: list(s64num),
});

/**
 * Which PGs of new pools are still to be created. They are made in portions (mon_osd_max_creating_pgs); each stays here, and is told to its
 * primary again whenever that changes, until its OSD says that it is there. Committed beside the OSD map.
 */
export class CreatingPgs {
  readonly lastScanEpoch: number;
  readonly pgs: ReadonlyMap<PgKey, Creating>;
  readonly queue: ReadonlyMap<number, Queued>;
  /** Pools whose PGs have been queued once; never again. */
  readonly createdPools: ReadonlySet<number>;

  constructor(
    lastScanEpoch: number,
    pgs: ReadonlyMap<PgKey, Creating>,
    queue: ReadonlyMap<number, Queued>,
    createdPools: ReadonlySet<number>,
  ) {
    this.lastScanEpoch = lastScanEpoch;
    this.pgs = pgs;
    this.queue = queue;
    this.createdPools = createdPools;
  }

  static readonly none = new CreatingPgs(0, new Map(), new Map(), new Set());

  static decode(bytes: Uint8Array): CreatingPgs {
    const { lastScanEpoch, pgs, queue, createdPools } = decodeFromBytes(wire, bytes);
    return new CreatingPgs(lastScanEpoch, pgs, queue, new Set(createdPools));
  }

  encode(): Uint8Array {
    return encodeToBytes(wire, {
      lastScanEpoch: this.lastScanEpoch,
      pgs: new Map(this.pgs),
      queue: new Map(this.queue),
      createdPools: [...this.createdPools],
    });
  }

  /** True while PGs of the pool are queued or not yet reported. */
  isCreating(pool: number): boolean {
    if (this.queue.has(pool)) return true;
    for (const key of this.pgs.keys()) if (pgKeyPool(key) === pool) return true;
    return false;
  }

  /**
   * What is to be created after `inc`: pools it adds are queued, pools it removes forgotten, PGs in `created` done, and the queue goes on as
   * far as `max` PGs at a time allow. `next` is the map that `inc` makes.
   */
  advance(inc: OSDMapIncremental, next: OSDMap, created: Iterable<PgKey>, max: number): CreatingPgs {
    const pgs = new Map(this.pgs);
    const queue = new Map(this.queue);
    const createdPools = new Set(this.createdPools);
    for (const [id, pool] of next.pools) this.#scan(id, pool, inc, queue, createdPools);
    for (const id of inc.oldPools) {
      queue.delete(id);
      createdPools.delete(id);
    }
    for (const key of created) pgs.delete(key);
    for (const key of [...pgs.keys()]) {
      const pool = next.pool(pgKeyPool(key));
      if (pool === undefined || pgKeySeed(key) >= pool.pgNum) pgs.delete(key);
    }
    for (const [id, q] of [...queue]) {
      const n = Math.min(max - pgs.size, q.end - q.start);
      if (n <= 0) break;
      // The PG's history begins with this epoch, so that its OSDs need not look further back.
      for (let seed = q.start; seed < q.start + n; seed++)
        pgs.set(pgKey(id, seed), { epoch: inc.epoch, stamp: q.stamp });
      if (q.start + n === q.end) queue.delete(id);
      else queue.set(id, { ...q, start: q.start + n });
    }
    return new CreatingPgs(inc.epoch, pgs, queue, createdPools);
  }

  #scan(id: number, pool: PgPool, inc: OSDMapIncremental, queue: Map<number, Queued>, createdPools: Set<number>): void {
    if (createdPools.has(id)) return;
    createdPools.add(id);
    queue.set(id, { created: pool.lastChange, stamp: inc.modified, start: 0, end: pool.pgNum });
  }
}
