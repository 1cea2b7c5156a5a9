import type { Clock, Entropy, Logger } from '../../base/index.ts';
import type { WireMessage } from '../../msgr/index.ts';
import type { ObjectStore } from '../../store/index.ts';
import type { OSDMap, PgId, SpgId } from '../../types/index.ts';
import type { ClassRegistry } from '../classes/index.ts';
import type { CopySources } from '../copy-source.ts';
import type { ClientOp } from '../ops/client-op.ts';
import type { OpLimits } from '../ops/context.ts';
import type { Reserver } from '../reserver.ts';
import type { PgMapping } from './choose.ts';
import type { ScrubOptions } from './scrub.ts';

/** Counters that PGs add to; the daemon's perf counters. */
export interface OpCounters {
  op: number;
  opIn: number;
  opOut: number;
  opLatency_s: number;
  opR: number;
  opROut: number;
  opRLatency_s: number;
  opW: number;
  opWIn: number;
  opWLatency_s: number;
  opRw: number;
  subop: number;
  subopIn: number;
  recoveryOps: number;
  recoveryBytes: number;
}

export function newCounters(): OpCounters {
  return {
    op: 0,
    opIn: 0,
    opOut: 0,
    opLatency_s: 0,
    opR: 0,
    opROut: 0,
    opRLatency_s: 0,
    opW: 0,
    opWIn: 0,
    opWLatency_s: 0,
    opRw: 0,
    subop: 0,
    subopIn: 0,
    recoveryOps: 0,
    recoveryBytes: 0,
  };
}

/** Counts a request that has ended. */
export function countOp(c: OpCounters, op: ClientOp, latency_s: number, bytesIn: number, bytesOut: number): void {
  c.op++;
  c.opIn += bytesIn;
  c.opOut += bytesOut;
  c.opLatency_s += latency_s;
  if (op.mayWrite) {
    if (op.mayRead) c.opRw++;
    else {
      c.opW++;
      c.opWIn += bytesIn;
      c.opWLatency_s += latency_s;
    }
  } else {
    c.opR++;
    c.opROut += bytesOut;
    c.opRLatency_s += latency_s;
  }
}

/** What PGs share: their daemon, as they see it. */
export interface PgServices {
  readonly whoami: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly entropy: Entropy;
  readonly store: ObjectStore;
  readonly limits: OpLimits;
  readonly counters: OpCounters;
  readonly classes: ClassRegistry;
  readonly pgOptions: {
    readonly forceAuthMissing: number;
    readonly logEntriesMin: number;
    readonly logEntriesMax: number;
    readonly logTrimMin: number;
    readonly logTrimMax: number;
    readonly dupsTracked: number;
    readonly allowBelowMinSize: boolean;
    readonly recoveryChunk: number;
    readonly recoveryActive: number;
    readonly recoveryOmapEntries: number;
    readonly backfillScan: number;
    readonly backoffOnDown: boolean;
    /** Epochs that the PG on disk may be behind (osd_pg_epoch_persisted_max_stale). */
    readonly epochStaleMax: number;
    readonly snapTrimsActive: number;
    readonly snapTrimSleep_ms: number;
    readonly purgedIntervalsMax: number;
  };
  /** PGs that trim snapshots now, by their names. */
  readonly snapTrims: Reserver<string>;
  /** Scrubs that this OSD takes part in now, by the names of PGs. */
  readonly scrubs: Reserver<string>;
  readonly scrubOptions: ScrubOptions;
  /** Entries that a PG's log should hold, given how many PGs there are. */
  readonly targetLogEntries: number;
  readonly contextsPerPg: number;
  readonly failsafeFull: boolean;
  mapPg(map: OSDMap, pgid: PgId): PgMapping;
  getMap(epoch: number): OSDMap | undefined;
  sendToOsd(osd: number, message: WireMessage): void;
  wantPgTemp(pgid: PgId, osds: readonly number[]): void;
  wantUpThru(epoch: number): void;
  statsChanged(pgid: SpgId): void;
  nextTid(): number;
  nextNotifyId(): bigint;
  opFinished(op: ClientOp): void;
  /** A request that nobody answers: its client sends it again, or never. */
  opDropped(op: ClientOp, why: string): void;
  /** The PG was made by order of the monitor, which wants to know when it is active. */
  pgCreated(pgid: PgId): void;
  /** A broken invariant of a store or peer: the daemon stops. */
  fatal(error: unknown): never;
  /** Brings an object from wherever it is. */
  readonly copySources: Pick<CopySources, 'copy'>;
  clusterLog(level: 'error' | 'warn' | 'info' | 'debug', text: string): void;
}
