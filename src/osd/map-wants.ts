/** What PGs want of the monitors: temporary acting sets, a newer up_thru, and to have it known that they were made. Said again to a new monitor, until the map has it. */
import type { Clock } from '../base/index.ts';
import { type MessageParts, MOSDAlive, MOSDPGCreated, MOSDPGTemp } from '../messages/index.ts';
import { type OSDMap, type PgId, pgKey, poolFlag } from '../types/index.ts';

export interface MapWantsHost {
  readonly whoami: number;
  readonly clock: Clock;
  readonly map: OSDMap;
  readonly isActive: boolean;
  sendToMon(message: MessageParts): void;
}

export class MapWants {
  readonly #host: MapWantsHost;
  readonly #pgTemp = new Map<number, { pgid: PgId; osds: readonly number[]; sent: boolean }>();
  readonly #created = new Map<number, PgId>();
  #upThruWanted = 0;
  #upThruAsked = 0;

  constructor(host: MapWantsHost) {
    this.#host = host;
  }

  pgTemp(pgid: PgId, osds: readonly number[]): void {
    this.#pgTemp.set(pgKey(pgid.pool, pgid.seed), { pgid, osds, sent: false });
    this.#host.clock.defer(() => this.send());
  }

  upThru(epoch: number): void {
    if (epoch <= this.#upThruWanted) return;
    this.#upThruWanted = epoch;
    this.#host.clock.defer(() => this.send());
  }

  created(pgid: PgId): void {
    this.#created.set(pgKey(pgid.pool, pgid.seed), pgid);
    this.#host.sendToMon(MOSDPGCreated.encode({ pgid }));
  }

  /** A new monitor: what the old one was told may not have been passed on. */
  sendAll(): void {
    this.#upThruAsked = 0;
    for (const want of this.#pgTemp.values()) want.sent = false;
    this.send();
  }

  /** A new map: what it fulfils, or makes pointless, is wanted no more. */
  mapChanged(): void {
    const { map } = this.#host;
    for (const [key, want] of [...this.#pgTemp]) if (map.pool(want.pgid.pool) === undefined) this.#pgTemp.delete(key);
    for (const [key, pgid] of [...this.#created]) {
      if (map.pool(pgid.pool)?.hasFlag(poolFlag.CREATING) !== true) this.#created.delete(key);
    }
    this.send();
  }

  /** Every second: PGs that the monitors do not yet know to be made. */
  tick(): void {
    for (const pgid of this.#created.values()) this.#host.sendToMon(MOSDPGCreated.encode({ pgid }));
  }

  send(): void {
    const { map, whoami, isActive } = this.#host;
    if (!isActive) return;
    const upThru = map.osdInfo[whoami]?.upThru ?? 0;
    if (this.#upThruWanted > upThru && this.#upThruWanted > this.#upThruAsked) {
      // The newest epoch serves every PG that waits now.
      this.#upThruAsked = map.epoch;
      this.#host.sendToMon(MOSDAlive.encode({ paxosVersion: map.epoch, want: map.epoch }));
    }
    const temps: [PgId, number[]][] = [];
    for (const [key, want] of this.#pgTemp) {
      const current = map.pgTemp.get(key) ?? [];
      if (current.length === want.osds.length && current.every((osd, i) => osd === want.osds[i])) {
        this.#pgTemp.delete(key);
        continue;
      }
      if (want.sent) continue;
      want.sent = true;
      temps.push([want.pgid, [...want.osds]]);
    }
    if (temps.length === 0) return;
    temps.sort((a, b) => a[0].pool - b[0].pool || a[0].seed - b[0].seed);
    this.#host.sendToMon(MOSDPGTemp.encode({ paxosVersion: map.epoch, mapEpoch: map.epoch, pgTemp: temps }));
  }
}
