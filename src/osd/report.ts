/** The OSD's dealings with the manager: opens a session with the active one, reports counters, its own and its PGs' statistics. */
import type { Clock, Logger } from '../base/index.ts';
import { decodeFromBytes } from '../encoding/index.ts';
import { MMgrClose, MMgrConfigure, MMgrMap, MMgrOpen, MMgrReport, MPGStats } from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage } from '../msgr/index.ts';
import {
  compareText,
  type EntityAddrVec,
  entityType,
  type MgrMap,
  mgrMap,
  mgrMapEmpty,
  type OsdStat,
  type PerfCounterType,
  type PerfCounterValue,
  type PgId,
  type PgStat,
  packPerfCounters,
  type StoreStatfs,
} from '../types/index.ts';

export interface ReportHost {
  readonly whoami: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fsid: string;
  readonly mapEpoch: number;
  readonly isActive: boolean;
  osdStat(): OsdStat;
  /** Statistics of the PGs that this OSD leads and that changed (or all). */
  pgStats(all: boolean): [PgId, PgStat][];
  poolStats(): Map<number, StoreStatfs>;
  counterValues(): (readonly [PerfCounterType, PerfCounterValue])[];
}

export class MgrReporter {
  readonly #host: ReportHost;
  readonly #messenger: Messenger;
  #map: MgrMap = mgrMapEmpty;
  #connection: Connection | undefined;
  #addrs: EntityAddrVec | undefined;
  #period_s = 0;
  #threshold = 5;
  #configured = false;
  readonly #declared = new Set<string>();
  #nextReport_ms = 0;
  #nextDial_ms = 0;
  #allNext = true;

  constructor(host: ReportHost, messenger: Messenger) {
    this.#host = host;
    this.#messenger = messenger;
  }

  get map(): MgrMap {
    return this.#map;
  }

  /** MMgrMap from the monitors; returns its epoch. Throws DecodeError. */
  handleMap(message: ReceivedMessage): number {
    const map = decodeFromBytes(mgrMap, MMgrMap.decode(message).map);
    this.#map = map;
    const text = map.activeAddrs.toString();
    if (map.activeGid === 0 || !map.available) {
      if (map.activeGid === 0) this.#close();
      return map.epoch;
    }
    if (this.#connection === undefined || this.#addrs?.toString() !== text) this.#open();
    return map.epoch;
  }

  #open(): void {
    this.#close();
    const addrs = this.#map.activeAddrs;
    if (addrs.addrs.length === 0) return;
    this.#addrs = addrs;
    this.#configured = false;
    this.#declared.clear();
    this.#allNext = true;
    this.#connection = this.#messenger.connect(entityType.MGR, addrs);
    this.#connection.send(MMgrOpen.encode({ daemonName: String(this.#host.whoami) }));
    this.#nextDial_ms = this.#host.clock.monotonic() + 1000;
  }

  #close(): void {
    this.#connection?.markDown();
    this.#connection = undefined;
    this.#addrs = undefined;
  }

  /** Says goodbye. */
  stop(): void {
    this.#connection?.send(MMgrClose.encode({ daemonName: String(this.#host.whoami) }));
    this.#connection?.markDisposable();
    this.#connection = undefined;
  }

  handleReset(connection: Connection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#nextDial_ms = this.#host.clock.monotonic() + 1000;
  }

  /** MMgrConfigure. Throws DecodeError. */
  handleConfigure(message: ReceivedMessage): void {
    const m = MMgrConfigure.decode(message);
    this.#period_s = m.statsPeriod_s;
    if (m.statsThreshold !== this.#threshold) this.#declared.clear();
    this.#threshold = m.statsThreshold;
    this.#configured = true;
    this.#nextReport_ms = 0;
    this.tick();
  }

  tick(): void {
    const now = this.#host.clock.monotonic();
    if (this.#connection === undefined) {
      if (this.#map.activeGid !== 0 && this.#map.available && now >= this.#nextDial_ms) this.#open();
      return;
    }
    if (!this.#configured || this.#period_s === 0 || now < this.#nextReport_ms) return;
    this.#nextReport_ms = now + this.#period_s * 1000;
    this.#report();
    this.sendPgStats();
  }

  #report(): void {
    const counters = this.#host
      .counterValues()
      .filter(([t]) => t.priority >= this.#threshold)
      .sort((a, b) => compareText(a[0].path, b[0].path));
    const declareTypes: PerfCounterType[] = [];
    for (const [t] of counters) {
      if (this.#declared.has(t.path)) continue;
      this.#declared.add(t.path);
      declareTypes.push(t);
    }
    this.#connection?.send(
      MMgrReport.encode({
        daemonName: String(this.#host.whoami),
        declareTypes,
        packed: packPerfCounters(counters),
      }),
    );
  }

  /** MPGStats, now. */
  sendPgStats(): void {
    if (this.#connection === undefined || !this.#configured || !this.#host.isActive) return;
    const pgStats = this.#host.pgStats(this.#allNext);
    this.#allNext = false;
    this.#connection.send(
      MPGStats.encode({
        fsid: this.#host.fsid,
        osdStat: this.#host.osdStat(),
        pgStats,
        epoch: this.#host.mapEpoch,
        poolStats: this.#host.poolStats(),
      }),
    );
  }
}
