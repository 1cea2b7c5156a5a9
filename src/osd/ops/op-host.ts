import type { Clock } from '../../base/index.ts';
import type { Eversion, Hobject, Snapid } from '../../types/index.ts';
import type { ReplicatedBackend } from '../backend/replicated.ts';
import type { Copied } from '../copy-source.ts';
import type { PgLog } from '../pg/log.ts';
import type { ClientOp } from './client-op.ts';
import type { ExecHost, ObjectContext, OpContext, StatDelta } from './context.ts';
import type { SubOp } from './sub-op.ts';

/** What the path needs of its PG beyond execution. */
export interface OpHost extends ExecHost {
  readonly clock: Clock;
  readonly pool: number;
  readonly shard: number;
  readonly whoami: number;
  readonly mapEpoch: number;
  readonly isPrimary: boolean;
  readonly log: PgLog;
  readonly backend: ReplicatedBackend;
  readonly replicas: readonly number[];
  lastUpdate: Eversion;
  readonly lastComplete: Eversion;
  lastUserVersion: number;
  readonly minLastCompleteOndisk: Eversion;
  /** The object's bytes are not here. */
  isUnreadable(key: string): boolean;
  /** Some copy lacks the object. */
  isDegraded(key: string, oid: Hobject): boolean;
  /** Recovery of this object is waited for. */
  wantRecovered(key: string): void;
  /** The object is being scrubbed: the request was taken, and comes back after. */
  waitsForScrub(op: ClientOp): boolean;
  /** Brings what the copy-from operations of a request want; not where it is not wanted any more. */
  copyFrom(op: ClientOp, isWanted: () => boolean, done: (copied: ReadonlyMap<SubOp, Copied | number>) => void): void;
  nextTid(): number;
  /** Snapshots of the pool, where the pool makes them (and not its clients). */
  readonly poolSnaps: { readonly seq: Snapid; readonly snaps: readonly Snapid[] } | undefined;
  isRemovedSnap(snap: Snapid): boolean;
  /** The pool takes no more data: -errno to answer those who ask, 0 where it does. */
  readonly poolFull: number;
  readonly failsafeFull: boolean;
  isBlocklisted(op: ClientOp): boolean;
  addStats(delta: StatDelta, version: Eversion, oid: Hobject): void;
  readStats(delta: StatDelta): void;
  opDone(op: ClientOp, bytesIn: number, bytesOut: number): void;
  /** The request is dropped: its client sends it again by itself, or never. */
  drop(op: ClientOp, why: string): void;
  updateTrimTo(): void;
  /** Runs watch and notify effects. */
  runEffects(change: { readonly op: ClientOp | undefined }, obc: ObjectContext, ctx: OpContext['effects']): void;
  /** Registers watches that the object carries. */
  loadWatches(obc: ObjectContext): void;
  listObjects(op: ClientOp): void;
  warn(text: string): void;
}
