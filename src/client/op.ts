import type { TimerHandle } from '../base/index.ts';
import { type OsdOp, type OsdOpReply, osdOp } from '../messages/index.ts';
import type { Connection } from '../msgr/index.ts';
import type { Snapid, Utime } from '../types/index.ts';
import type { OpTarget } from './op-target.ts';
import type { OsdSession } from './osd-session.ts';

/** Snapshots that a write preserves, newest first. */
export interface SnapContext {
  readonly seq: Snapid;
  readonly snaps: readonly Snapid[];
}

export const noSnapContext: SnapContext = Object.freeze({ seq: 0, snaps: [] });

/** `result` is 0 or above or a negative errno; without a reply the request was not answered by an OSD. */
export type OpDone = (result: number, reply: OsdOpReply | undefined) => void;

/** A request to an OSD that is under way. */
export class Op {
  tid = 0;
  readonly target: OpTarget;
  readonly ops: OsdOp[];
  readonly snapc: SnapContext;
  readonly mtime: Utime;
  readonly done: OpDone;
  /** Bytes of the objecter's budget that it takes. */
  readonly cost: number;
  /** Not counted in the budget: what serves other requests. */
  readonly isFree: boolean;
  /** Ends it with ETIMEDOUT after so long; 0: rados_osd_op_timeout. */
  readonly timeout_ms: number;
  /** Where the data of the reply is wanted; it need not come there, and may where the request fails. Nobody has a view of data elsewhere once `done` has returned. */
  readonly into: Uint8Array | undefined;
  /** Where its reply's data was last directed into `into`: that may still go on. */
  filledBy: Connection | undefined;
  place: Uint8Array | undefined;
  session: OsdSession | undefined;
  attempts = 0;
  /** Clock.monotonic() when it was last sent. */
  sent_ms = 0;
  /** Epoch from which on a missing pool means that there is none; 0: not known yet. */
  poolGoneEpoch = 0;
  isAskingForEpoch = false;
  /** It waits for room in the budget. */
  isWaiting = false;
  /** It ended while it waited. */
  isEnded = false;
  timer: TimerHandle | undefined;

  constructor(
    target: OpTarget,
    ops: OsdOp[],
    done: OpDone,
    options: {
      snapc: SnapContext;
      mtime: Utime;
      isFree?: boolean;
      timeout_ms?: number | undefined;
      into?: Uint8Array | undefined;
    },
  ) {
    this.target = target;
    this.ops = ops;
    this.done = done;
    this.snapc = options.snapc;
    this.mtime = options.mtime;
    this.isFree = options.isFree ?? false;
    this.timeout_ms = options.timeout_ms ?? 0;
    this.into = options.into;
    let cost = 0;
    for (const op of ops) {
      cost += op.indata.length;
      // What a reply may bring is in memory too.
      if (op.code === osdOp.READ || op.code === osdOp.SPARSE_READ) cost += op.length;
    }
    this.cost = cost;
  }
}
