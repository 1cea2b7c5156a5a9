import {
  type Clock,
  type Entropy,
  entropyBelow,
  errno,
  invariant,
  type Logger,
  Queue,
  type TimerHandle,
} from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { DecodeError } from '../encoding/index.ts';
import {
  backoffOp,
  MOSDBackoff,
  MOSDMap,
  MOSDOp,
  MOSDOpReply,
  MPing,
  mapsRange,
  messageTypeNumber,
  type OsdOpReply,
  osdFlag,
} from '../messages/index.ts';
import type { Connection, Dispatcher, Messenger, ReceivedMessage } from '../msgr/index.ts';
import {
  CEPH_FEATURES_SUPPORTED_DEFAULT,
  decodeOSDMapIncremental,
  entityType,
  OSDMap,
  osdMapFlag,
} from '../types/index.ts';
import type { CommandResult, MonClientApi } from './api.ts';
import type { Op } from './op.ts';
import { calcTarget, isMapFull, isPoolFull, parseCrushLocation, type ReplicaChoice } from './op-target.ts';
import type { OsdCommand } from './osd-command.ts';
import { OsdCommands } from './osd-commands.ts';
import { BACKOFFS_MAX, OsdSession } from './osd-session.ts';
import { Watches } from './watches.ts';

/** Requests that wait for room at most; one more is refused with EAGAIN. See {@link Objecter.whenRoom}. */
const WAITING_MAX = 1 << 20;

export interface ObjecterOptions {
  readonly messenger: Messenger;
  readonly monClient: MonClientApi;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly config: Config;
  /** Number of this client's incarnation, where it keeps its name over restarts (an OSD). */
  readonly clientInc?: number;
  /** Where this client is, for reads that go to a near replica: `host=a root=default`, where option crush_location says nothing. */
  readonly crushLocation?: string;
}

/**
 * Brings requests to the OSDs that serve them, by the newest map, and again wherever a map or a lost connection asks for it. Requests to one
 * object leave in the order they came.
 */
export class Objecter implements Dispatcher {
  readonly #o: ObjecterOptions;
  readonly #mon: MonClientApi;
  #map = new OSDMap();
  readonly #sessions = new Map<number, OsdSession>();
  readonly #homeless = new OsdSession(-1);
  readonly #ops = new Map<number, Op>();
  readonly #commands: OsdCommands;
  readonly watches: Watches;
  #lastTid = 0;
  /** Requests that wait for room in the budget. */
  readonly #waiting = new Queue<Op>();
  readonly #roomWaiters = new Queue<() => void>();
  #inFlight = 0;
  #inFlightBytes = 0;
  readonly #inFlight_max: number;
  readonly #inFlightBytes_max: number;
  readonly #mapWaiters: { epoch: number; done: (error: number) => void }[] = [];
  readonly #mapListeners: ((map: OSDMap) => void)[] = [];
  #epochBarrier = 0;
  #tickTimer: TimerHandle | undefined;
  #isStopped = false;

  constructor(options: ObjecterOptions) {
    this.#o = options;
    this.#mon = options.monClient;
    this.#inFlight_max = options.config.num('objecter_inflight_ops');
    this.#inFlightBytes_max = options.config.num('objecter_inflight_op_bytes');
    this.watches = new Watches({
      clock: options.clock,
      map: () => this.#map,
      recalc: (target) => calcTarget(this.#map, target, this.#epochBarrier, this.#choice, true),
      session: (osd) => this.#session(osd),
      submit: (op) => this.submit(op),
      cancel: (tid) => this.cancel(tid, errno.ECANCELED),
    });
    this.#commands = new OsdCommands({
      map: () => this.#map,
      fsid: () => this.#mon.monMap.fsid,
      nextTid: () => ++this.#lastTid,
      session: (osd) => this.#session(osd),
      requestMap: () => this.#maybeRequestMap(),
      waitForLatestMap: (done) => this.waitForLatestMap(done),
    });
    this.#choice = {
      pick: (n) => entropyBelow(options.entropy, n),
      location: parseCrushLocation(options.config.str('crush_location') || (options.crushLocation ?? '')),
    };
    options.messenger.addDispatcher(this);
    this.#mon.addListener({
      sessionOpened: () => this.#maybeRequestMap(),
    });
  }

  /** The newest map; epoch 0 before the first. Replaced, never changed. */
  get map(): OSDMap {
    return this.#map;
  }

  get now_ms(): number {
    return this.#o.clock.now();
  }

  /** Requests under way, those included that wait. */
  get inFlight(): number {
    return this.#ops.size + this.#waiting.length;
  }

  /** Subscribes to maps. Requests may be submitted before the first has come. */
  start(): void {
    this.#maybeRequestMap();
    this.#scheduleTick();
  }

  addMapListener(listener: (map: OSDMap) => void): void {
    this.#mapListeners.push(listener);
  }

  // --- requests

  /** How reads that may go to any replica choose one. */
  readonly #choice: ReplicaChoice;

  /** Sends it as soon as there is room, a map and an OSD for it. Its `done` is called exactly once. */
  submit(op: Op): void {
    if (this.#isStopped) {
      op.done(-errno.ESHUTDOWN, undefined);
      return;
    }
    op.tid = ++this.#lastTid;
    const timeout_ms = op.timeout_ms || this.#o.config.num('rados_osd_op_timeout') * 1000;
    if (timeout_ms > 0) op.timer = this.#o.clock.setTimer(timeout_ms, () => this.cancelOp(op, errno.ETIMEDOUT));
    if (!op.isFree && (this.#waiting.length > 0 || !this.#hasRoom(op))) {
      if (this.#waiting.length >= WAITING_MAX) {
        if (op.timer !== undefined) this.#o.clock.clearTimer(op.timer);
        op.done(-errno.EAGAIN, undefined);
        return;
      }
      op.isWaiting = true;
      this.#waiting.push(op);
      return;
    }
    this.#admit(op);
  }

  /** True where a request that is submitted now would wait for others to end first. */
  get isCrowded(): boolean {
    return (
      this.#waiting.length > 0 || this.#inFlight >= this.#inFlight_max || this.#inFlightBytes >= this.#inFlightBytes_max
    );
  }

  /** Calls `done`, at once or later, when requests can be submitted without waiting. */
  whenRoom(done: () => void): void {
    if (!this.isCrowded || this.#isStopped) done();
    else this.#roomWaiters.push(done);
  }

  #hasRoom(op: Op): boolean {
    if (this.#inFlight === 0) return true;
    return this.#inFlight < this.#inFlight_max && this.#inFlightBytes + op.cost <= this.#inFlightBytes_max;
  }

  #admit(op: Op): void {
    if (!op.isFree) {
      this.#inFlight++;
      this.#inFlightBytes += op.cost;
    }
    op.isWaiting = false;
    this.#ops.set(op.tid, op);
    this.#place(op);
  }

  /** Gives the request to the session of its OSD and sends it where it may be sent. */
  #place(op: Op): void {
    const change = this.#map.epoch === 0 ? 'same' : calcTarget(this.#map, op.target, this.#epochBarrier, this.#choice);
    this.#assign(op, this.#session(op.target.osd));
    if (change === 'noPool') this.#checkPoolGone(op);
    else if (op.target.isPaused || op.session!.isHomeless) this.#maybeRequestMap();
    else this.#send(op);
  }

  #assign(op: Op, session: OsdSession): void {
    if (op.session === session) return;
    this.#leave(op);
    op.session = session;
    session.ops.set(op.tid, op);
  }

  /** Takes it from its session: no reply is its own any more, and none is put into its memory. */
  #leave(op: Op): void {
    op.session?.ops.delete(op.tid);
    op.session = undefined;
    if (op.filledBy === undefined) return;
    op.filledBy.leave?.(op.place!);
    op.filledBy = undefined;
  }

  placeFor(connection: Connection, type: number, tid: number, length: number): Uint8Array | undefined {
    if (type !== messageTypeNumber.OSD_OP_REPLY) return undefined;
    const session = connection.session;
    if (!(session instanceof OsdSession) || session.connection !== connection) return undefined;
    const op = session.ops.get(tid);
    if (op?.into === undefined || op.into.length < length || !isPlain(op.into.buffer)) return undefined;
    op.filledBy = connection;
    op.place = op.into.subarray(0, length);
    return op.place;
  }

  #send(op: Op): void {
    const { target } = op;
    const session = op.session!;
    const hobj = target.hobject;
    if (session.isBlocked(target.pg, hobj)) return;
    op.sent_ms = this.#o.clock.monotonic();
    session.connection!.send(
      MOSDOp.encode(
        {
          pgid: target.pg,
          hobj,
          osdmapEpoch: this.#map.epoch,
          flags: target.flags | osdFlag.KNOWN_REDIR | osdFlag.ONDISK,
          ops: op.ops,
          clientInc: this.#o.clientInc ?? 0,
          mtime: op.mtime,
          snapSeq: op.snapc.seq,
          snaps: op.snapc.snaps,
          retryAttempt: op.attempts++,
          features: CEPH_FEATURES_SUPPORTED_DEFAULT,
        },
        { tid: op.tid },
      ),
    );
  }

  /** As {@link cancel}; also for a request that waits, and for one whose tid has changed since. */
  cancelOp(op: Op, code: number): boolean {
    if (this.#ops.get(op.tid) === op) return this.cancel(op.tid, code);
    if (!op.isWaiting || op.isEnded) return false;
    op.isEnded = true;
    if (op.timer !== undefined) this.#o.clock.clearTimer(op.timer);
    op.done(-code, undefined);
    return true;
  }

  /** Ends a request with an errno (positive), whatever may become of it at the OSD. False where there is none of that tid. */
  cancel(tid: number, code: number): boolean {
    const op = this.#ops.get(tid);
    if (op === undefined) return false;
    this.#finish(op, -code, undefined);
    return true;
  }

  #finish(op: Op, result: number, reply: OsdOpReply | undefined): void {
    this.#ops.delete(op.tid);
    this.#leave(op);
    if (op.timer !== undefined) this.#o.clock.clearTimer(op.timer);
    if (!op.isFree) {
      this.#inFlight--;
      this.#inFlightBytes -= op.cost;
    }
    op.done(result, reply);
    this.#admitWaiting();
  }

  #admitWaiting(): void {
    while (this.#waiting.length > 0) {
      const op = this.#waiting.at(0);
      if (!op.isEnded && !this.#hasRoom(op)) break;
      this.#waiting.shift();
      if (!op.isEnded) this.#admit(op);
    }
    while (this.#roomWaiters.length > 0 && !this.isCrowded) this.#roomWaiters.shift()!();
  }

  #handleReply(message: ReceivedMessage): void {
    const session = message.connection.session as OsdSession | undefined;
    const op = session?.ops.get(message.tid);
    if (session === undefined || session.connection !== message.connection || op === undefined) return;
    const reply = MOSDOpReply.decode(message);
    if (reply.retryAttempt >= 0 && reply.retryAttempt !== op.attempts - 1) return;
    if (reply.redirect !== undefined) {
      const { locator, object } = reply.redirect;
      op.target.pool = locator.pool;
      op.target.key = locator.key;
      op.target.nspace = locator.nspace;
      if (object !== '') op.target.oid = object;
      op.target.hash = 0;
      op.target.flags |= osdFlag.REDIRECTED | osdFlag.IGNORE_CACHE | osdFlag.IGNORE_OVERLAY;
      this.#resubmit(op);
    } else if (reply.result === -errno.EAGAIN) {
      op.target.flags &= ~(osdFlag.BALANCE_READS | osdFlag.LOCALIZE_READS);
      this.#resubmit(op);
    } else {
      this.#finish(op, reply.result, reply);
      if (op.into !== undefined && message.data[0]?.buffer !== op.into.buffer) message.recycleData();
    }
  }

  /** As a new request: an OSD that saw the old one must not take this for it. */
  #resubmit(op: Op): void {
    this.#ops.delete(op.tid);
    this.#leave(op);
    op.target.forget();
    op.tid = ++this.#lastTid;
    this.#ops.set(op.tid, op);
    this.#place(op);
  }

  // --- pools that are not in the map

  #checkPoolGone(op: Op): void {
    if (op.target.isPoolKnown) op.poolGoneEpoch = this.#map.epoch;
    if (op.poolGoneEpoch > 0) {
      if (this.#map.epoch >= op.poolGoneEpoch) this.#finish(op, -errno.ENOENT, undefined);
      else this.#maybeRequestMap();
      return;
    }
    if (op.isAskingForEpoch) return;
    op.isAskingForEpoch = true;
    this.#mon.getVersion('osdmap', (error, newest) => {
      op.isAskingForEpoch = false;
      if (this.#ops.get(op.tid) !== op || this.#map.pools.has(op.target.pool)) return;
      if (error === errno.ESHUTDOWN) return;
      if (error === 0) op.poolGoneEpoch = newest;
      if (error === 0 || this.#mon.isConnected) this.#checkPoolGone(op);
      else this.#o.clock.defer(() => this.#ops.get(op.tid) === op && this.#checkPoolGone(op));
    });
  }

  // --- sessions

  #session(osd: number): OsdSession {
    if (osd < 0) return this.#homeless;
    let session = this.#sessions.get(osd);
    if (session === undefined) {
      session = new OsdSession(osd);
      this.#sessions.set(osd, session);
      this.#connect(session);
    }
    return session;
  }

  #connect(session: OsdSession): void {
    const addrs = this.#map.addrsOf(session.osd);
    invariant(addrs !== undefined, 'a session with an OSD without addresses', { osd: session.osd });
    session.clearBackoffs();
    session.connection = this.#o.messenger.connect(entityType.OSD, addrs);
    session.connection.session = session;
  }

  /** The OSD is down or came back elsewhere: what was under way with it is left without a session. */
  #closeSession(session: OsdSession): Op[] {
    this.#sessions.delete(session.osd);
    session.connection?.markDown();
    session.connection = undefined;
    const ops = [...session.ops.values()];
    for (const op of ops) this.#assign(op, this.#homeless);
    this.watches.leave(session, this.#homeless);
    this.#commands.leave(session, this.#homeless);
    return ops;
  }

  handleReset(connection: Connection): void {
    const session = connection.session;
    if (!(session instanceof OsdSession) || session.connection !== connection || this.#isStopped) return;
    this.#debug(1, `connection with osd.${session.osd} reset`);
    this.#maybeRequestMap();
    if (!this.#map.isUp(session.osd)) {
      this.#closeSession(session);
      return;
    }
    if (session.isIdle) {
      this.#sessions.delete(session.osd);
      return;
    }
    this.#connect(session);
    this.#resend([...session.ops.values()]);
    this.watches.resend(session);
    this.#commands.resend(session);
  }

  /** Sends what may be sent, in the order of submission. */
  #resend(ops: Op[]): void {
    ops.sort((a, b) => a.tid - b.tid);
    for (const op of ops) {
      if (op.session === undefined || op.session.isHomeless || op.target.isPaused) continue;
      this.#send(op);
    }
  }

  #handleBackoff(message: ReceivedMessage): void {
    const session = message.connection.session as OsdSession | undefined;
    if (session === undefined || session.connection !== message.connection) return;
    const b = MOSDBackoff.decode(message);
    if (b.op === backoffOp.BLOCK) {
      if (session.backoffCount >= BACKOFFS_MAX) throw new DecodeError('more backoffs than one client can have', 0);
      session.block(b.pgid, b.id, b.begin, b.end);
      message.connection.send(MOSDBackoff.encode({ ...b, mapEpoch: this.#map.epoch, op: backoffOp.ACK_BLOCK }));
    } else if (b.op === backoffOp.UNBLOCK && session.unblock(b.pgid, b.id, b.begin)) {
      const { pool, seed } = b.pgid.pgid;
      this.#resend(
        [...session.ops.values()].filter((op) => op.target.pg.pgid.pool === pool && op.target.pg.pgid.seed === seed),
      );
    }
  }

  // --- maps

  /** Asks for the next map: once, or for all that come where requests wait for the map to change. */
  #maybeRequestMap(): void {
    if (this.#isStopped) return;
    const start = this.#map.epoch > 0 ? this.#map.epoch + 1 : 0;
    if (this.#mon.subWant('osdmap', start, !isHeld(this.#map))) this.#mon.renewSubs();
  }

  #handleMap(message: ReceivedMessage): void {
    const m = MOSDMap.decode(message);
    if (this.#mon.monMap.epoch > 0 && m.fsid !== this.#mon.monMap.fsid) return;
    const before = this.#map;
    const [, last] = mapsRange(m);
    if (last > before.epoch) this.#applyMaps(m, last);
    const map = this.#map;
    this.#mon.subGot('osdmap', map.epoch);
    if (isHeld(before) || isHeld(map) || map.epoch < this.#epochBarrier || this.#homeless.ops.size > 0) {
      this.#maybeRequestMap();
    }
    if (map === before) return;
    for (const listener of this.#mapListeners) listener(map);
    for (const waiter of this.#mapWaiters.splice(0)) {
      if (waiter.epoch <= map.epoch) waiter.done(0);
      else this.#mapWaiters.push(waiter);
    }
    if (this.#mapWaiters.length > 0) this.#maybeRequestMap();
  }

  #applyMaps(m: ReturnType<typeof MOSDMap.decode>, last: number): void {
    const resend = new Set<Op>();
    for (let epoch = this.#map.epoch === 0 ? last : this.#map.epoch + 1; epoch <= last; epoch++) {
      const incremental = m.incrementals.get(epoch);
      const full = m.fulls.get(epoch);
      let next: OSDMap;
      if (incremental !== undefined && this.#map.epoch > 0 && this.#map.epoch === epoch - 1) {
        try {
          next = this.#map.apply(decodeOSDMapIncremental(incremental));
        } catch (error) {
          if (!(error instanceof RangeError) && !(error instanceof DecodeError)) throw error;
          this.#debug(0, `incremental map ${epoch} does not fit: ${error.message}`);
          break;
        }
      } else if (full !== undefined) next = OSDMap.decode(full);
      else {
        if (this.#map.epoch > 0 && epoch < m.oldest) {
          epoch = m.oldest - 1;
          continue;
        }
        if (this.#map.epoch === 0) {
          this.#mon.subWant('osdmap', 0, true);
          this.#mon.renewSubs();
        } else this.#maybeRequestMap();
        break;
      }
      const isSkipped = this.#map.epoch > 0 && next.epoch !== this.#map.epoch + 1;
      const wasFull = this.#fullPools();
      this.#map = next;
      this.#scan(isSkipped, wasFull, resend);
    }
    for (const op of resend) {
      if (this.#ops.get(op.tid) !== op) continue;
      this.#assign(op, this.#session(op.target.osd));
    }
    this.#resend([...resend].filter((op) => this.#ops.get(op.tid) === op));
    this.watches.flushResend();
  }

  /** Pools that are or (by the map as a whole) count as full. */
  #fullPools(): { all: boolean; pools: Set<number> } {
    const pools = new Set<number>();
    for (const [id, pool] of this.#map.pools) if (isPoolFull(pool)) pools.add(id);
    return { all: isMapFull(this.#map), pools };
  }

  /** Recalculates every target. Writes to what was full are sent again: an OSD drops them while it is full. */
  #scan(isSkipped: boolean, wasFull: { all: boolean; pools: Set<number> }, resend: Set<Op>): void {
    const isFullNow = isMapFull(this.#map);
    for (const op of [...this.#ops.values()]) {
      const change = calcTarget(this.#map, op.target, this.#epochBarrier, this.#choice);
      if (change === 'noPool') {
        resend.delete(op);
        this.#assign(op, this.#homeless);
        this.#checkPoolGone(op);
        continue;
      }
      const isHeldWrite =
        op.target.respectsFull && (wasFull.all || isFullNow || wasFull.pools.has(op.target.pool)) && isWrite(op);
      if (change === 'resend' || isSkipped || isHeldWrite) resend.add(op);
    }
    this.watches.scan(isSkipped);
    for (const session of [...this.#sessions.values()]) {
      const addrs = this.#map.addrsOf(session.osd);
      if (this.#map.isUp(session.osd) && addrs !== undefined && session.connection?.peerAddrs.equals(addrs)) continue;
      // Whatever it had is sent again, to whoever serves it next.
      for (const op of this.#closeSession(session)) resend.add(op);
    }
    this.#commands.placeAll();
  }

  /** Calls `done` with 0 when the map is of that epoch or later; with ESHUTDOWN where it will not be. */
  waitForMap(epoch: number, done: (error: number) => void): void {
    if (this.#map.epoch >= epoch || this.#isStopped) {
      done(this.#isStopped ? errno.ESHUTDOWN : 0);
      return;
    }
    this.#mapWaiters.push({ epoch, done });
    this.#maybeRequestMap();
  }

  /** Calls `done` with 0 when the map is at least what is newest at the monitors now, else with an errno. */
  waitForLatestMap(done: (error: number) => void): void {
    this.#mon.getVersion('osdmap', (error, newest) => {
      if (error === errno.EAGAIN) this.waitForLatestMap(done);
      else if (error !== 0) done(error);
      else this.waitForMap(newest, done);
    });
  }

  /** No request leaves before the map is of that epoch: for a client that was told of a change by other ways. */
  setEpochBarrier(epoch: number): void {
    if (epoch <= this.#epochBarrier) return;
    this.#epochBarrier = epoch;
    if (this.#map.epoch < epoch) this.#maybeRequestMap();
  }

  // --- commands to OSDs

  /** A command to an OSD, or to the OSD that leads a PG. ENXIO where it is down, ENOENT where there is none such. */
  command(target: OsdCommand['target'], cmd: readonly string[], input?: Uint8Array): Promise<CommandResult> {
    return this.#commands.start(target, cmd, input);
  }

  // --- messages and time

  handleMessage(message: ReceivedMessage): unknown {
    switch (message.type) {
      case messageTypeNumber.OSD_OP_REPLY:
      case messageTypeNumber.OSD_BACKOFF:
      case messageTypeNumber.WATCH_NOTIFY:
      case messageTypeNumber.OSD_MAP:
        break;
      case messageTypeNumber.COMMAND_REPLY:
        if (message.connection.peerType !== entityType.OSD) return false;
        break;
      default:
        return false;
    }
    try {
      if (message.type === messageTypeNumber.OSD_OP_REPLY) this.#handleReply(message);
      else if (message.type === messageTypeNumber.OSD_MAP) this.#handleMap(message);
      else if (message.type === messageTypeNumber.OSD_BACKOFF) this.#handleBackoff(message);
      else if (message.type === messageTypeNumber.WATCH_NOTIFY) this.watches.handleMessage(message);
      else this.#commands.handleReply(message);
    } finally {
      message.release();
    }
    return true;
  }

  #scheduleTick(): void {
    if (this.#isStopped) return;
    this.#tickTimer = this.#o.clock.setTimer(this.#o.config.num('objecter_tick_interval') * 1000, () => {
      this.#tick();
      this.#scheduleTick();
    });
  }

  /** Pings OSDs that owe an answer for long (a dead connection shows itself then), and asks for a newer map. */
  #tick(): void {
    const cutoff = this.#o.clock.monotonic() - this.#o.config.num('objecter_timeout') * 1000;
    let isLaggy = this.#homeless.ops.size > 0 || this.#homeless.lingers.size > 0;
    for (const session of this.#sessions.values()) {
      let needsPing = session.lingers.size > 0 || session.commands.size > 0;
      for (const op of session.ops.values()) {
        if (op.sent_ms >= cutoff) continue;
        needsPing = true;
        break;
      }
      if (!needsPing) continue;
      isLaggy = true;
      session.connection?.send(MPing.encode({}));
    }
    this.watches.tick();
    if (isLaggy) this.#maybeRequestMap();
  }

  #debug(level: number, message: string): void {
    this.#o.log.log('objecter', level, message);
  }

  /** Ends everything under way with ESHUTDOWN. The messenger is the caller's. */
  shutdown(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#tickTimer !== undefined) this.#o.clock.clearTimer(this.#tickTimer);
    this.watches.shutdown();
    while (this.#waiting.length > 0) {
      const op = this.#waiting.shift()!;
      if (op.timer !== undefined) this.#o.clock.clearTimer(op.timer);
      if (!op.isEnded) op.done(-errno.ESHUTDOWN, undefined);
    }
    for (const op of [...this.#ops.values()]) this.#finish(op, -errno.ESHUTDOWN, undefined);
    while (this.#roomWaiters.length > 0) this.#roomWaiters.shift()!();
    this.#commands.shutdown();
    for (const { done } of this.#mapWaiters.splice(0)) done(errno.ESHUTDOWN);
    for (const session of this.#sessions.values()) session.connection?.markDown();
    this.#sessions.clear();
  }
}

/** Memory that the system may write to while nobody looks: neither shared nor shrinking. */
function isPlain(buffer: ArrayBufferLike): boolean {
  return buffer instanceof ArrayBuffer && (buffer as { readonly resizable?: boolean }).resizable !== true;
}

function isWrite(op: Op): boolean {
  return (op.target.flags & osdFlag.WRITE) !== 0;
}

/** Whether requests wait for this map to change. */
function isHeld(map: OSDMap): boolean {
  if (isMapFull(map) || (map.flags & (osdMapFlag.PAUSERD | osdMapFlag.PAUSEWR)) !== 0) return true;
  for (const pool of map.pools.values()) if (isPoolFull(pool)) return true;
  return false;
}
