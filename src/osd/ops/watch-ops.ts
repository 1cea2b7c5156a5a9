import { errno } from '../../base/index.ts';
import { DecodeError, Reader, Writer } from '../../encoding/index.ts';
import { watchOp } from './codes.ts';
import type { OpContext } from './context.ts';
import { type WatchInfo, watchKey } from './object-info.ts';
import type { SubOp } from './sub-op.ts';

/** Union of a watch: u64 cookie, u64 unused, u8 op, u32 generation, u32 timeout in seconds. */
export function watch(ctx: OpContext, sub: SubOp): number {
  ctx.writes++;
  if (!ctx.exists) return -errno.ENOENT;
  const cookie = sub.unionU64(0);
  const entity = { type: ctx.reqid.type, num: ctx.reqid.num };
  const key = watchKey(cookie, entity);
  const timeout_s = sub.unionU32(21) || ctx.host.limits.watchTimeout_s;
  const registered = ctx.oi.watchers?.has(key) ?? false;
  switch (sub.unionU8(16)) {
    case watchOp.WATCH:
    case watchOp.LEGACY_WATCH: {
      if (!registered) {
        const addr = ctx.op.message.connection.peerAddrs.addrs[0];
        if (addr === undefined) return -errno.EINVAL;
        const watchers = new Map(ctx.oi.watchers ?? []);
        const info: WatchInfo = { cookie, entity, timeout_s, addr };
        watchers.set(key, info);
        ctx.oi.watchers = watchers;
        ctx.touched = true;
      }
      ctx.effect().connects.push({ cookie, timeout_s, willPing: sub.unionU8(16) === watchOp.WATCH });
      return 0;
    }
    case watchOp.RECONNECT:
      if (!registered) return -errno.ENOTCONN;
      ctx.effect().connects.push({ cookie, timeout_s, willPing: true });
      return 0;
    case watchOp.PING: {
      if (!registered) return -errno.ENOTCONN;
      const live = ctx.obc.watches?.get(key);
      if (live === undefined || !live.connected) return -errno.ETIMEDOUT;
      live.ping();
      return 0;
    }
    case watchOp.UNWATCH: {
      if (!registered) return 0;
      const watchers = new Map(ctx.oi.watchers ?? []);
      watchers.delete(key);
      ctx.oi.watchers = watchers.size === 0 ? undefined : watchers;
      ctx.touched = true;
      ctx.effect().disconnects.push({ cookie, entity, sendDisconnect: false });
      return 0;
    }
    default:
      return 0;
  }
}

/** Input: u32 unused, u32 timeout in seconds, payload. The answer is the notify's id; its outcome comes as MWatchNotify. */
export function notify(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  let timeout_s = 0;
  let payload: Uint8Array = new Uint8Array(0);
  try {
    const r = new Reader(sub.indata);
    r.u32();
    timeout_s = r.u32();
    payload = r.blob();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    timeout_s = 0;
  }
  if (timeout_s === 0) timeout_s = ctx.host.limits.notifyTimeout_s;
  const id = ctx.host.nextNotifyId();
  ctx.effect().notifies.push({ id, cookie: sub.unionU64(0), timeout_s, payload });
  const w = new Writer(8);
  w.u64(id);
  sub.out(w.bytes());
  return 0;
}

/** Input: u64 notify id, u64 cookie, reply. Old clients send no input and the id in the union. */
export function notifyAck(ctx: OpContext, sub: SubOp): number {
  ctx.reads++;
  try {
    const r = new Reader(sub.indata);
    const id = r.u64();
    const cookie = r.u64();
    const reply = r.remaining > 0 ? r.blob() : new Uint8Array(0);
    ctx.effect().acks.push({ id, cookie, reply });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    ctx.effect().acks.push({ id: sub.unionU64(0), cookie: undefined, reply: new Uint8Array(0) });
  }
  return 0;
}
