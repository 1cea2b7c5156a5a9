/** Live watches on a PG's objects, and notifies to them. */
import type { Clock } from '../../base/index.ts';
import type { ClientOp } from '../ops/client-op.ts';
import type { Effects, ObjectContext } from '../ops/context.ts';
import { watchKey } from '../ops/object-info.ts';
import type { OpPath } from '../ops/op-path.ts';
import type { Session } from '../session.ts';
import { Notify, Watch } from '../watch.ts';
import type { Scrubber } from './scrub.ts';

export interface WatchesHost {
  readonly clock: Clock;
  /** This OSD leads the PG, which is active. */
  readonly isServing: boolean;
  readonly path: OpPath;
  readonly scrubber: Scrubber;
  after(delay_ms: number, fn: () => void): void;
}

/** A watch that ends on an object that is being scrubbed is taken off it so much later. */
const SCRUB_WAIT_MS = 1000;

export class Watches {
  readonly #host: WatchesHost;

  constructor(host: WatchesHost) {
    this.#host = host;
  }

  /** Registers the watches that an object carries. */
  load(obc: ObjectContext): void {
    obc.watches ??= new Map();
    for (const [key, w] of obc.oi.watchers ?? []) {
      if (!obc.watches.has(key)) obc.watches.set(key, this.#watch(obc, w.cookie, w.entity, w.timeout_s));
    }
  }

  #watch(obc: ObjectContext, cookie: bigint, entity: { type: number; num: number }, timeout_s: number): Watch {
    return new Watch(this.#host.clock, cookie, entity, timeout_s, (w) => this.#watchTimedOut(obc, w));
  }

  #watchTimedOut(obc: ObjectContext, w: Watch): void {
    if (!this.#host.isServing) return;
    if (this.#host.scrubber.covers(obc.oid)) {
      this.#host.after(SCRUB_WAIT_MS, () => this.#watchTimedOut(obc, w));
      return;
    }
    const key = watchKey(w.cookie, w.entity);
    obc.watches?.delete(key);
    w.remove(false);
    this.#host.path.dropWatch(obc, key);
  }

  /** What watches and notifies of a request do, once its change is sure. */
  run(change: { readonly op: ClientOp | undefined }, obc: ObjectContext, effects: Effects | undefined): void {
    if (effects === undefined) return;
    for (const d of effects.disconnects) {
      const key = watchKey(d.cookie, d.entity);
      const w = obc.watches?.get(key);
      obc.watches?.delete(key);
      w?.remove(d.sendDisconnect);
    }
    const { op } = change;
    const connection = op?.message.connection;
    const session = connection?.session as Session | undefined;
    if (op === undefined || connection === undefined || session === undefined) return;
    const entity = { type: op.reqid.type, num: op.reqid.num };
    for (const c of effects.connects) {
      const key = watchKey(c.cookie, entity);
      obc.watches ??= new Map();
      let w = obc.watches.get(key);
      if (w === undefined) {
        w = this.#watch(obc, c.cookie, entity, c.timeout_s);
        obc.watches.set(key, w);
      }
      w.connect(connection, session, c.willPing);
    }
    for (const n of effects.notifies) {
      const notify = new Notify(
        this.#host.clock,
        connection,
        entity.num,
        n.id,
        n.cookie,
        n.payload,
        obc.oi.userVersion,
      );
      notify.start(obc.watches?.values() ?? [], n.timeout_s);
    }
    for (const a of effects.acks) {
      for (const w of [...(obc.watches?.values() ?? [])]) {
        if (w.entity.num !== entity.num || w.entity.type !== entity.type) continue;
        if (a.cookie === undefined || a.cookie === w.cookie) w.acknowledge(a.id, a.reply);
      }
    }
  }
}
