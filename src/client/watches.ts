import { type Clock, errno } from '../base/index.ts';
import { Reader, Writer } from '../encoding/index.ts';
import {
  joinParts,
  MWatchNotify,
  OsdOp,
  type OsdOpReply,
  osdFlag,
  osdOp,
  watchEvent,
  watchOp,
} from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import { CEPH_NOSNAP, type OSDMap, utimeFromMs } from '../types/index.ts';
import { LingerOp, type WatchHandler } from './linger-op.ts';
import { noSnapContext, Op } from './op.ts';
import { OpTarget, type TargetChange } from './op-target.ts';
import type { OsdSession } from './osd-session.ts';

/** What watches need of the objecter. */
export interface WatchesHost {
  readonly clock: Clock;
  map(): OSDMap;
  /** Brings a target to the newest map; every new interval counts. */
  recalc(target: OpTarget): TargetChange;
  session(osd: number): OsdSession;
  submit(op: Op): void;
  cancel(tid: number): void;
}

/** An object to watch or notify. */
export interface WatchedObject {
  readonly oid: string;
  readonly pool: number;
  readonly key?: string;
  readonly nspace?: string;
}

/**
 * Watches and notifies: requests that stay with an object's primary OSD. With each new interval they are registered again; between, pings
 * confirm that they are.
 */
export class Watches {
  readonly #host: WatchesHost;
  readonly #all = new Map<bigint, LingerOp>();
  #lastId = 0n;
  #toResend = new Set<LingerOp>();

  constructor(host: WatchesHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#all.size;
  }

  // --- for programs

  /** Watches an object; `done` is called once, with 0 when the OSD has it. `timeout_s` 0: the OSD's default. */
  watch(object: WatchedObject, timeout_s: number, handler: WatchHandler, done: (result: number) => void): LingerOp {
    const linger = this.#make(object, osdFlag.WRITE, true);
    linger.handler = handler;
    linger.timeout_s = timeout_s;
    linger.onRegistered = done;
    this.#register(linger);
    return linger;
  }

  /** Stops watching, here and at the OSD. */
  unwatch(linger: LingerOp, done: (result: number) => void): void {
    this.#drop(linger);
    const op = new OsdOp(osdOp.WATCH);
    op.setWatch(linger.id, watchOp.UNWATCH, 0, 0);
    this.#submit(linger.target, [op], osdFlag.WRITE, done);
  }

  /** How long ago the OSD last confirmed the watch, in ms; or the negative errno of what broke it. */
  check(linger: LingerOp): number {
    if (linger.lastError !== 0) return -linger.lastError;
    return this.#host.clock.monotonic() - linger.confirmed_ms;
  }

  /** Tells all watchers, and waits for their answers up to `timeout_s`. `reply` is what the OSD made of the answers (see decodeNotifyReply). */
  notify(
    object: WatchedObject,
    payload: Uint8Array,
    timeout_s: number,
    done: (result: number, reply: Uint8Array) => void,
  ): void {
    const linger = this.#make(object, osdFlag.READ, false);
    const w = new Writer(12 + payload.length);
    w.u32(1);
    w.u32(timeout_s);
    w.blob(payload);
    linger.notifyPayload = w.bytes();
    linger.onNotified = (result, reply) => {
      linger.onNotified = undefined;
      this.#drop(linger);
      done(result, reply);
    };
    this.#register(linger);
  }

  /** A watcher's answer to a notify. */
  notifyAck(linger: LingerOp, notifyId: bigint, payload: Uint8Array): void {
    const w = new Writer(20 + payload.length);
    w.u64(notifyId);
    w.u64(linger.id);
    w.blob(payload);
    const op = new OsdOp(osdOp.NOTIFY_ACK);
    op.indata = w.bytes();
    this.#submit(linger.target, [op], osdFlag.READ, () => {});
  }

  // --- registration

  #make(object: WatchedObject, flags: number, isWatch: boolean): LingerOp {
    const { oid, pool, key, nspace } = object;
    const target = new OpTarget(oid, pool, flags, {
      snap: CEPH_NOSNAP,
      ...(key === undefined ? {} : { key }),
      ...(nspace === undefined ? {} : { nspace }),
    });
    const linger = new LingerOp(++this.#lastId, target, isWatch);
    this.#all.set(linger.id, linger);
    return linger;
  }

  #drop(linger: LingerOp): void {
    linger.isCanceled = true;
    this.#all.delete(linger.id);
    linger.session?.lingers.delete(linger.id);
    linger.session = undefined;
    this.#toResend.delete(linger);
    for (const tid of [linger.registerTid, linger.pingTid]) if (tid !== 0) this.#host.cancel(tid);
  }

  #place(linger: LingerOp): void {
    const session = this.#host.session(linger.target.osd);
    if (linger.session === session) return;
    linger.session?.lingers.delete(linger.id);
    linger.session = session;
    session.lingers.set(linger.id, linger);
  }

  /** A request of its own to where the object is; `target` is only read. */
  #submit(
    target: OpTarget,
    ops: OsdOp[],
    flags: number,
    done: (result: number, reply: OsdOpReply | undefined) => void,
  ): number {
    const { oid, pool, key, nspace } = target;
    const op = new Op(new OpTarget(oid, pool, flags, { key, nspace, snap: CEPH_NOSNAP }), ops, done, {
      snapc: noSnapContext,
      mtime: utimeFromMs(this.#host.clock.now()),
      isFree: true,
    });
    this.#host.submit(op);
    return op.tid;
  }

  #register(linger: LingerOp): void {
    if (this.#host.map().epoch > 0) this.#host.recalc(linger.target);
    this.#place(linger);
    if (linger.registerTid !== 0) this.#host.cancel(linger.registerTid);
    const sent_ms = this.#host.clock.monotonic();
    const isFirst = !linger.isRegistered;
    const op = new OsdOp(linger.isWatch ? osdOp.WATCH : osdOp.NOTIFY);
    if (linger.isWatch) {
      if (!isFirst) linger.generation++;
      op.setWatch(linger.id, isFirst ? watchOp.WATCH : watchOp.RECONNECT, linger.generation, linger.timeout_s);
    } else {
      op.cookie = linger.id;
      op.indata = linger.notifyPayload;
    }
    const { generation } = linger;
    const tid = this.#submit(linger.target, [op], linger.isWatch ? osdFlag.WRITE : osdFlag.READ, (result, reply) => {
      if (linger.registerTid === tid) linger.registerTid = 0;
      if (linger.isCanceled || generation !== linger.generation || result === -errno.ECANCELED) return;
      this.#registered(linger, result, reply, sent_ms);
    });
    linger.registerTid = tid;
  }

  #registered(linger: LingerOp, result: number, reply: OsdOpReply | undefined, sent_ms: number): void {
    const isFirst = !linger.isRegistered;
    if (result < 0) {
      if (!linger.isWatch) linger.onNotified?.(result, new Uint8Array(0));
      else if (isFirst) {
        const done = linger.onRegistered;
        this.#drop(linger);
        done?.(result);
      } else this.#broken(linger, -result);
      return;
    }
    linger.isRegistered = true;
    linger.confirmed_ms = sent_ms;
    if (!linger.isWatch) {
      const output = reply?.ops[0]?.output;
      if (output !== undefined && output.length >= 8) linger.notifyId = new Reader(output).u64();
    } else if (isFirst) {
      const done = linger.onRegistered;
      linger.onRegistered = undefined;
      done?.(0);
    }
  }

  #broken(linger: LingerOp, code: number): void {
    if (linger.lastError !== 0 || linger.isCanceled) return;
    // The OSD does not know the watch (any more): to the watcher that is a lost connection.
    linger.lastError = code === errno.ENOENT ? errno.ENOTCONN : code;
    linger.handler?.error(linger.lastError);
  }

  // --- what the objecter tells

  /** A new map. Those to be registered again are kept for {@link flushResend}. */
  scan(isSkipped: boolean): void {
    for (const linger of [...this.#all.values()]) {
      const change = this.#host.recalc(linger.target);
      if (change === 'noPool') {
        if (!linger.target.isPoolKnown) continue;
        if (linger.isWatch) this.#broken(linger, errno.ENOTCONN);
        else linger.onNotified?.(-errno.ENOENT, new Uint8Array(0));
      } else if (change === 'resend' || isSkipped) this.#toResend.add(linger);
    }
  }

  flushResend(): void {
    const lingers = this.#toResend;
    this.#toResend = new Set();
    for (const linger of lingers) {
      this.#place(linger);
      // The registration that is under way finds its way by itself.
      if (linger.isRegistered && linger.lastError === 0) this.#register(linger);
    }
  }

  /** The connection of a session is new: the OSD has forgotten. */
  resend(session: OsdSession): void {
    for (const linger of [...session.lingers.values()]) {
      if (linger.isRegistered && linger.lastError === 0) this.#register(linger);
    }
  }

  leave(session: OsdSession, homeless: OsdSession): void {
    for (const linger of session.lingers.values()) {
      linger.session = homeless;
      homeless.lingers.set(linger.id, linger);
      this.#toResend.add(linger);
    }
    session.lingers.clear();
  }

  handleMessage(message: ReceivedMessage): void {
    const m = MWatchNotify.decode(message);
    const linger = this.#all.get(m.cookie);
    if (linger === undefined) return;
    if (linger.session !== undefined && linger.session.connection !== message.connection) return;
    if (m.opcode === watchEvent.DISCONNECT) this.#broken(linger, errno.ENOTCONN);
    else if (linger.isWatch) {
      if (m.opcode === watchEvent.NOTIFY) linger.handler?.notify(m.notifyId, m.notifierGid, m.payload);
    } else if (m.opcode === watchEvent.NOTIFY_COMPLETE) {
      if (linger.notifyId !== 0n && linger.notifyId !== m.notifyId) return;
      linger.onNotified?.(m.returnCode, joinParts(message.data));
    }
  }

  /** Pings every watch: the OSD would drop one it does not hear of. */
  tick(): void {
    for (const linger of this.#all.values()) {
      if (!linger.isWatch || !linger.isRegistered || linger.lastError !== 0 || linger.pingTid !== 0) continue;
      const op = new OsdOp(osdOp.WATCH);
      const { generation } = linger;
      op.setWatch(linger.id, watchOp.PING, generation, 0);
      const sent_ms = this.#host.clock.monotonic();
      linger.pingTid = this.#submit(linger.target, [op], osdFlag.READ, (result) => {
        linger.pingTid = 0;
        if (linger.isCanceled || linger.generation !== generation || result === -errno.ECANCELED) return;
        if (result >= 0) linger.confirmed_ms = sent_ms;
        else this.#broken(linger, -result);
      });
    }
  }

  shutdown(): void {
    for (const linger of [...this.#all.values()]) {
      this.#drop(linger);
      linger.onRegistered?.(-errno.ESHUTDOWN);
      linger.onNotified?.(-errno.ESHUTDOWN, new Uint8Array(0));
    }
  }
}
