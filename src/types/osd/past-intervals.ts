import { bool, type Codec, list, s32, since, struct, u32 } from '../../encoding/index.ts';
import { comparePgShard, formatPgShard, makePgShard, NO_OSD, type PgShard, pgShard, samePgShard } from './pgid.ts';

/** pg_interval_t: a stretch of epochs in which a PG's OSDs were the same. */
export interface PgInterval {
  first: number;
  /** Inclusive. */
  last: number;
  up: number[];
  acting: number[];
  /** Whether the PG may have been written in it. */
  maybeWentRw: boolean;
  primary: number;
  upPrimary: number;
}

export const pgInterval: Codec<PgInterval> = struct(
  'pg_interval_t',
  { version: 4, compat: 2 },
  {
    first: u32,
    last: u32,
    up: list(s32),
    acting: list(s32),
    maybeWentRw: bool,
    primary: since(3, s32, () => -1),
    upPrimary: since(4, s32, () => -1),
  },
);

/** An interval of the compact form: one that may have been written, with who was acting. */
export interface CompactInterval {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  /** Ascending. */
  readonly acting: readonly PgShard[];
}

const shards: Codec<readonly PgShard[]> = list(pgShard) as Codec<readonly PgShard[]>;

const compactInterval = struct(
  'compact_interval_t',
  { version: 1, compat: 1 },
  { first: u32, last: u32, acting: shards },
);

const compactRep = struct(
  'pi_compact_rep',
  { version: 1, compat: 1 },
  { first: u32, last: u32, allParticipants: shards, intervals: list(compactInterval) },
);

/** A sorted set with those of `more` in it. */
function merge(set: readonly PgShard[], more: readonly PgShard[]): PgShard[] {
  const all = [...set];
  for (const shard of more) if (!all.some((s) => samePgShard(s, shard))) all.push(shard);
  return all.sort(comparePgShard);
}

/**
 * PastIntervals: what is remembered of a PG's intervals since it was last clean: the first and last epoch, everyone who took part, and of the
 * intervals that may have been written those that no later one supersedes (whose acting set is part of theirs). A value: operations give new ones.
 */
export class PastIntervals {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  /** Ascending. */
  readonly allParticipants: readonly PgShard[];
  readonly intervals: readonly CompactInterval[];

  constructor(first: number, last: number, allParticipants: readonly PgShard[], intervals: readonly CompactInterval[]) {
    this.first = first;
    this.last = last;
    this.allParticipants = allParticipants;
    this.intervals = intervals;
  }

  static readonly empty = new PastIntervals(0, 0, [], []);

  get isEmpty(): boolean {
    return this.first > this.last || (this.first === 0 && this.last === 0);
  }

  /** First epoch, and the one after the last. */
  get bounds(): [first: number, end: number] {
    return [this.first, this.last + 1];
  }

  /** With the interval that follows. Throws RangeError where it does not. `isErasure`: shards are positions in the acting set. */
  add(isErasure: boolean, interval: PgInterval): PastIntervals {
    if (interval.last <= this.last) throw new RangeError(`interval up to ${interval.last} after ${this.last}`);
    const acting: PgShard[] = [];
    interval.acting.forEach((osd, i) => {
      if (osd === NO_OSD) return;
      const shard = isErasure ? makePgShard(osd, i) : makePgShard(osd);
      if (!acting.some((s) => samePgShard(s, shard))) acting.push(shard);
    });
    acting.sort(comparePgShard);
    const first = this.first === 0 ? interval.first : this.first;
    const all = merge(this.allParticipants, acting);
    if (!interval.maybeWentRw) return new PastIntervals(first, interval.last, all, this.intervals);
    const kept = this.intervals.filter((old) => !acting.every((s) => old.acting.some((o) => samePgShard(o, s))));
    kept.push({ first: interval.first, last: interval.last, acting });
    return new PastIntervals(first, interval.last, all, kept);
  }

  /** With the first epoch moved back, where the PG was clean before intervals were kept. */
  withStart(lastEpochClean: number): PastIntervals {
    return new PastIntervals(lastEpochClean, this.last, this.allParticipants, this.intervals);
  }

  /** Intervals that may have been written, newest first, back to the one in which epoch `lastEpochStarted` lies. */
  *maybeRwBackTo(lastEpochStarted: number): IterableIterator<CompactInterval> {
    for (let i = this.intervals.length - 1; i >= 0; i--) {
      const interval = this.intervals[i]!;
      if (interval.last < lastEpochStarted) return;
      yield interval;
    }
  }

  /** As Ceph prints it. */
  toString(): string {
    const who = (set: readonly PgShard[]) => set.map(formatPgShard).join(',');
    const all = this.intervals.map((i) => `([${i.first},${i.last}] acting ${who(i.acting)})`);
    return `([${this.first},${this.last}] all_participants=${who(this.allParticipants)} intervals=${all.join(',')})`;
  }
}

const TYPE_NONE = 0;
const TYPE_COMPACT = 2;

export const pastIntervals: Codec<PastIntervals> = {
  name: 'PastIntervals',
  length_min: 6,
  encode(w, p) {
    const token = w.structStart(1, 1);
    w.u8(TYPE_COMPACT);
    compactRep.encode(w, {
      first: p.first,
      last: p.last,
      allParticipants: p.allParticipants,
      intervals: p.intervals as CompactInterval[],
    });
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(1);
    const type = r.u8();
    let p = PastIntervals.empty;
    if (type === TYPE_COMPACT) {
      const c = compactRep.decode(r);
      p = new PastIntervals(c.first, c.last, c.allParticipants, c.intervals);
    } else if (type !== TYPE_NONE) r.fail(`past intervals of type ${type}`);
    r.structEnd(frame);
    return p;
  },
};
