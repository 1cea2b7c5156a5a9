import type { TimerHandle } from '../base/index.ts';
import type { OpTarget } from './op-target.ts';
import type { OsdSession } from './osd-session.ts';

/** Events of a watch. */
export interface WatchHandler {
  /** A notify came; answer with `Objecter.notifyAck`. */
  notify(notifyId: bigint, notifierGid: bigint, payload: Uint8Array): void;
  /** The watch is broken: `error` is a positive errno (ENOTCONN, ETIMEDOUT, ENOENT). It is not restored by itself. */
  error(error: number): void;
}

/** A watch or a notify that is under way: it outlives OSDs and is registered again with each new primary. */
export class LingerOp {
  /** Cookie by which the OSD names it. */
  readonly id: bigint;
  readonly target: OpTarget;
  readonly isWatch: boolean;
  session: OsdSession | undefined;
  /** tid of the (re)registration under way, or 0. */
  registerTid = 0;
  pingTid = 0;
  isRegistered = false;
  /** Registrations with OSDs so far. */
  generation = 0;
  /** Positive errno; 0 while it works. */
  lastError = 0;
  /** Clock.monotonic() up to which the OSD has confirmed it. */
  confirmed_ms = 0;
  isCanceled = false;
  /** Watch. */
  handler: WatchHandler | undefined;
  timeout_s = 0;
  onRegistered: ((result: number) => void) | undefined;
  /** Notify. */
  notifyPayload: Uint8Array = new Uint8Array(0);
  notifyId = 0n;
  onNotified: ((result: number, reply: Uint8Array) => void) | undefined;
  timer: TimerHandle | undefined;

  constructor(id: bigint, target: OpTarget, isWatch: boolean) {
    this.id = id;
    this.target = target;
    this.isWatch = isWatch;
  }
}
