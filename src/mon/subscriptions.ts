import { encodeToBytes } from '../encoding/index.ts';
import {
  MConfig,
  MKVData,
  MLog,
  MMgrMap,
  MMonMap,
  MOSDMap,
  MServiceMap,
  SUBSCRIBE_ONETIME,
} from '../messages/index.ts';
import { mgrMap, monMap, serviceMap } from '../types/index.ts';
import { clogLevel } from './log.ts';
import type { Monitor } from './monitor.ts';
import { sendOsdMapsBy } from './requests.ts';
import { type Session, SUBSCRIPTIONS_MAX, type Subscription } from './session.ts';

/** Who is let in to a subscription: the service whose messages it carries, of which read access is needed. */
function serviceOf(what: string): string {
  if (what === 'osdmap' || what === 'osd_pg_creates') return 'osd';
  if (what.startsWith('mdsmap') || what.startsWith('fsmap')) return 'mds';
  if (what.startsWith('kv:')) return 'config-key';
  return 'mon';
}

/** Sends new versions of maps to the peers that subscribed to them. */
export class Subscriptions {
  readonly #mon: Monitor;

  constructor(mon: Monitor) {
    this.#mon = mon;
  }

  /** MMonSubscribe. */
  subscribe(
    session: Session,
    what: ReadonlyMap<string, { readonly start: number; readonly flags: number }>,
    hostname: string,
  ): void {
    if (hostname !== '') session.hostname = hostname;
    for (const [name, { start, flags }] of what) {
      const onetime = (flags & SUBSCRIBE_ONETIME) !== 0;
      const known = session.subscriptions.get(name);
      if (known === undefined && session.subscriptions.size >= SUBSCRIPTIONS_MAX) continue;
      // Asking again from an earlier version does not take back what was sent in between.
      session.subscriptions.set(name, { next: start, onetime });
      if (name === 'osdmap' && start === 0) session.osdEpoch = 0;
      this.check(session, name);
    }
  }

  /** Looks at one subscription of every session: its map has a new version. */
  checkAll(matches: (what: string) => boolean): void {
    for (const session of this.#mon.sessions) {
      for (const what of [...session.subscriptions.keys()]) if (matches(what)) this.check(session, what);
    }
  }

  check(session: Session, what: string): void {
    const sub = session.subscriptions.get(what);
    if (sub === undefined || !this.#mon.isActive) return;
    if (what.startsWith('log-')) this.#checkLog(session, what, sub);
    else if (what.startsWith('kv:')) this.#checkKv(session, what, sub);
    else if (what.startsWith('mdsmap.') || what.startsWith('fsmap.')) this.#checkFs(session, what, sub);
    else {
      switch (what) {
        case 'monmap':
          this.#checkMonmap(session, what, sub);
          break;
        case 'osdmap':
          this.#checkOsdmap(session, what, sub);
          break;
        case 'osd_pg_creates':
          this.#mon.osdRequests.sendPgCreates(session, sub);
          break;
        case 'config':
          this.#checkConfig(session, what, sub);
          break;
        case 'mgrmap':
          this.#checkMgrmap(session, what, sub);
          break;
        case 'mgrdigest':
          this.#mon.sendDigest(session);
          if (sub.onetime) session.subscriptions.delete(what);
          break;
        case 'servicemap':
          this.#checkServicemap(session, what, sub);
          break;
        case 'fsmap':
        case 'mdsmap':
        case 'fsmap.user':
          this.#checkFs(session, what, sub);
          break;
        default:
          // Unknown names wait for a monitor that knows them, as in Ceph.
          break;
      }
    }
  }

  #allowed(session: Session, what: string): boolean {
    return session.may(serviceOf(what), 'r');
  }

  #sent(session: Session, what: string, sub: Subscription, version: number): void {
    if (sub.onetime) session.subscriptions.delete(what);
    else sub.next = version + 1;
  }

  #checkMonmap(session: Session, what: string, sub: Subscription): void {
    const map = this.#mon.monmap.map;
    if (sub.next > map.epoch) return;
    const bytes = encodeToBytes(monMap, map, session.features);
    session.connection.send(MMonMap.encode({ monmap: bytes }));
    this.#sent(session, what, sub, map.epoch);
  }

  #checkOsdmap(session: Session, what: string, sub: Subscription): void {
    const { osd } = this.#mon;
    if (!this.#allowed(session, what) || osd.map.epoch === 0 || sub.next > osd.map.epoch) return;
    if (sub.next === 0) this.sendOsdMaps(session, 0);
    else {
      let from = sub.next;
      do {
        from = this.sendOsdMaps(session, from);
      } while (!sub.onetime && from > 0 && from <= osd.map.epoch);
    }
    this.#sent(session, what, sub, osd.map.epoch);
  }

  /** Sends the maps from `from` on that the peer was not sent yet (0: the newest, whole); returns the epoch that is next, or 0 where there was nothing. */
  sendOsdMaps(session: Session, from: number): number {
    if (sendOsdMapsBy(session.connection, from)) return 0;
    const { osd } = this.#mon;
    const first = from === 0 ? 0 : Math.max(from, session.osdEpoch + 1);
    if (first > osd.map.epoch) return 0;
    const batch = osd.mapsFrom(first, session.features);
    const last = Math.max(0, ...batch.incrementals.keys(), ...batch.fulls.keys());
    session.connection.send(MOSDMap.encode({ fsid: this.#mon.fsid, ...batch }, { features: session.features }));
    session.osdEpoch = Math.max(session.osdEpoch, last);
    return last + 1;
  }

  #checkConfig(session: Session, what: string, sub: Subscription): void {
    const { configService } = this.#mon;
    if (sub.next > Math.max(1, configService.version) && session.lastConfig !== undefined) return;
    this.sendConfig(session);
    this.#sent(session, what, sub, configService.version);
  }

  /** Sends a peer its options where they differ from what it has. */
  sendConfig(session: Session): void {
    const values = this.#mon.configService.valuesFor(session.entity, session.hostname);
    const last = session.lastConfig;
    if (last !== undefined && last.size === values.size && [...values].every(([k, v]) => last.get(k) === v)) return;
    session.lastConfig = values;
    session.connection.send(MConfig.encode({ config: values }));
  }

  #checkMgrmap(session: Session, what: string, sub: Subscription): void {
    const { map } = this.#mon.mgr;
    if (!this.#allowed(session, what) || sub.next > map.epoch) return;
    session.connection.send(MMgrMap.encode({ map: encodeToBytes(mgrMap, map, session.features) }));
    this.#sent(session, what, sub, map.epoch);
  }

  #checkServicemap(session: Session, what: string, sub: Subscription): void {
    const { services } = this.#mon.mgrStat;
    if (!this.#allowed(session, what) || sub.next > services.epoch) return;
    session.connection.send(MServiceMap.encode({ map: encodeToBytes(serviceMap, services, session.features) }));
    this.#sent(session, what, sub, services.epoch);
  }

  #checkFs(session: Session, what: string, sub: Subscription): void {
    if (!this.#allowed(session, what)) return;
    const epoch = this.#mon.fs.send(session, what, sub.next);
    if (epoch > 0) this.#sent(session, what, sub, epoch);
  }

  #checkLog(session: Session, what: string, sub: Subscription): void {
    const level = clogLevel(what.slice('log-'.length));
    const { log } = this.#mon;
    if (level === undefined || !this.#allowed(session, what) || sub.next > log.version) return;
    const entries = log.since(sub.next === 0 ? log.version : sub.next, level);
    if (entries.length > 0) {
      session.connection.send(
        MLog.encode({ paxosVersion: log.version, fsid: this.#mon.fsid, entries }, { features: session.features }),
      );
    }
    this.#sent(session, what, sub, log.version);
  }

  #checkKv(session: Session, what: string, sub: Subscription): void {
    if (!this.#allowed(session, what)) return;
    const { kv } = this.#mon;
    const prefix = what.slice('kv:'.length);
    if (sub.next > kv.version) return;
    const changes = sub.next <= 1 ? undefined : kv.changesSince(sub.next, prefix);
    if (changes === undefined) {
      const data = new Map<string, Uint8Array | undefined>(kv.entries(prefix));
      session.connection.send(MKVData.encode({ version: kv.version, prefix, incremental: false, data }));
    } else if (changes.size > 0) {
      session.connection.send(MKVData.encode({ version: kv.version, prefix, incremental: true, data: changes }));
    }
    this.#sent(session, what, sub, kv.version);
  }
}
