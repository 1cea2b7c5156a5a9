import { type Clock, errno } from '../base/index.ts';
import {
  type MessageParts,
  MGetPoolStats,
  MGetPoolStatsReply,
  MPoolOp,
  MPoolOpReply,
  MStatfs,
  MStatfsReply,
  messageTypeNumber,
} from '../messages/index.ts';
import type { Dispatcher, ReceivedMessage } from '../msgr/index.ts';
import type { MonClientApi } from './api.ts';

/** Space and use of the cluster, or of a pool; KiB. */
export interface ClusterStat {
  readonly kb: number;
  readonly kbUsed: number;
  readonly kbAvail: number;
  readonly numObjects: number;
}

export type PoolStats = ReturnType<typeof MGetPoolStatsReply.decode>['poolStats'];

interface Pending {
  readonly make: (tid: number) => MessageParts;
  /** Undefined where the client is shut down. */
  readonly done: (message: ReceivedMessage | undefined) => void;
}

const REPLIES: readonly number[] = [
  messageTypeNumber.STATFS_REPLY,
  messageTypeNumber.GETPOOLSTATSREPLY,
  messageTypeNumber.POOLOP_REPLY,
];

/** Requests to the monitors that are no commands: sent again to the next monitor when a session ends before the answer. */
export class MonRequests implements Dispatcher {
  readonly #mon: MonClientApi;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #lastTid = 0;
  #isStopped = false;

  constructor(mon: MonClientApi, clock: Clock) {
    this.#mon = mon;
    this.#clock = clock;
    mon.addListener({
      sessionOpened: () => {
        for (const [tid, { make }] of this.#pending) this.#mon.send(make(tid));
      },
    });
  }

  #start(make: Pending['make'], done: Pending['done']): void {
    if (this.#isStopped) {
      this.#clock.defer(() => done(undefined));
      return;
    }
    const tid = ++this.#lastTid;
    this.#pending.set(tid, { make, done });
    if (this.#mon.isConnected) this.#mon.send(make(tid));
  }

  handleMessage(message: ReceivedMessage): unknown {
    if (!REPLIES.includes(message.type)) return false;
    const pending = this.#pending.get(message.tid);
    this.#pending.delete(message.tid);
    try {
      pending?.done(message);
    } finally {
      message.release();
    }
    return true;
  }

  statfs(pool: number | undefined, done: (result: number, stat: ClusterStat | undefined) => void): void {
    const { fsid } = this.#mon.monMap;
    this.#start(
      (tid) => MStatfs.encode({ fsid, dataPool: pool }, { tid }),
      (m) => (m === undefined ? done(-errno.ESHUTDOWN, undefined) : done(0, MStatfsReply.decode(m).statfs)),
    );
  }

  poolStats(pools: readonly string[], done: (result: number, stats: PoolStats) => void): void {
    const { fsid } = this.#mon.monMap;
    this.#start(
      (tid) => MGetPoolStats.encode({ fsid, pools: [...pools] }, { tid }),
      (m) => (m === undefined ? done(-errno.ESHUTDOWN, new Map()) : done(0, MGetPoolStatsReply.decode(m).poolStats)),
    );
  }

  /** `epoch`: of the map that has the change. `response`: of some operations. */
  poolOp(
    fields: { op: number; pool?: number; name?: string; snapid?: number; crushRule?: number },
    done: (result: number, epoch: number, response: Uint8Array | undefined) => void,
  ): void {
    const { fsid } = this.#mon.monMap;
    this.#start(
      (tid) => MPoolOp.encode({ fsid, ...fields }, { tid }),
      (m) => {
        if (m === undefined) return done(-errno.ESHUTDOWN, 0, undefined);
        const reply = MPoolOpReply.decode(m);
        done(reply.result, reply.epoch, reply.response);
      },
    );
  }

  shutdown(): void {
    this.#isStopped = true;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { done } of pending) done(undefined);
  }
}
