import { MonCap } from '../../auth/index.ts';
import type { Clock, TimerHandle } from '../../base/index.ts';
import { encodeToBytes, string } from '../../encoding/index.ts';
import type { MessageType } from '../../messages/index.ts';
import type { Connection, PeerIdentity, WireMessage } from '../../msgr/index.ts';
import {
  type AuthName,
  CEPH_FEATURES_ALL,
  EntityAddrVec,
  type EntityName,
  entityType,
  makeEntityName,
  parseAuthName,
} from '../../types/index.ts';
import { Session } from '../session.ts';

/** A clock that moves when told to; deferred calls run with `settle`. For unit tests. */
export class ManualClock implements Clock {
  #now_ms: number;
  #timers: { at_ms: number; fn: () => void }[] = [];
  #deferred: (() => void)[] = [];

  constructor(now_ms = 1_700_000_000_000) {
    this.#now_ms = now_ms;
  }

  now(): number {
    return this.#now_ms;
  }

  monotonic(): number {
    return this.#now_ms - 1_600_000_000_000;
  }

  setTimer(delay_ms: number, fn: () => void): TimerHandle {
    const timer = { at_ms: this.#now_ms + delay_ms, fn };
    this.#timers.push(timer);
    return timer;
  }

  clearTimer(handle: TimerHandle): void {
    this.#timers = this.#timers.filter((t) => t !== handle);
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn);
  }

  /** Runs deferred calls, and those they defer. */
  settle(): void {
    for (let fn = this.#deferred.shift(); fn !== undefined; fn = this.#deferred.shift()) fn();
  }

  advance(ms: number): void {
    const end = this.#now_ms + ms;
    this.settle();
    for (;;) {
      const next = this.#timers.filter((t) => t.at_ms <= end).sort((a, b) => a.at_ms - b.at_ms)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.#now_ms = Math.max(this.#now_ms, next.at_ms);
      next.fn();
      this.settle();
    }
    this.#now_ms = end;
  }
}

/** A peer without a network: what is sent to it stays in `sent`. */
export class FakeConnection implements Connection {
  readonly peerType: number;
  readonly peerName: EntityName;
  readonly peerAddrs: EntityAddrVec;
  readonly peerFeatures = CEPH_FEATURES_ALL;
  readonly peerGlobalId = 4242n;
  readonly identity: PeerIdentity;
  readonly isSecure = false;
  readonly isOutgoing = false;
  readonly lastActive_ms = 0;
  readonly sent: WireMessage[] = [];
  isConnected = true;
  session: unknown;

  constructor(entity: AuthName, peerName: EntityName, addrs: string, monCaps: string) {
    this.peerType = peerName.type;
    this.peerName = peerName;
    this.peerAddrs = EntityAddrVec.parse(addrs)!;
    this.identity = { name: entity, globalId: 4242n, caps: encodeToBytes(string, monCaps), capsAllowAll: false };
  }

  send(message: WireMessage): void {
    if (this.isConnected) this.sent.push(message);
  }

  keepalive(): void {}

  markDown(): void {
    this.isConnected = false;
  }

  markDisposable(): void {
    this.isConnected = false;
  }

  /** Takes the messages of one type that were sent since the last take. */
  take<T>(type: MessageType<T, never> | { readonly type: number; decode(m: WireMessage): T }): T[] {
    const found = this.sent.filter((m) => m.type === type.type);
    for (const m of found) this.sent.splice(this.sent.indexOf(m), 1);
    return found.map((m) => type.decode(m as never));
  }
}

/** A session of client.admin. */
export function fakeSession(caps = 'allow *'): Session {
  const entity = parseAuthName('client.admin')!;
  const name = makeEntityName(entityType.CLIENT, 4242);
  const connection = new FakeConnection(entity, name, 'v2:127.0.0.1:0/99', caps);
  return new Session(connection, entity, 4242n, MonCap.parse(caps), 0);
}
