/** The sessions with other OSDs, made when there is something to say and ended when the map says that the other is gone; and which maps the others have. */
import type { Connection, Messenger, WireMessage } from '../msgr/index.ts';
import { CEPH_FEATURES_ALL, type EntityAddrVec, entityType, type OSDMap } from '../types/index.ts';
import type { OsdMaps } from './osd-maps.ts';

/** Epochs sent in one message of maps (osd_map_share_max_epochs, osd_map_message_max). */
export const MAPS_PER_MESSAGE = 40;

export interface PeersHost {
  readonly map: OSDMap;
  readonly maps: OsdMaps;
  readonly isActive: boolean;
}

export class Peers {
  readonly #host: PeersHost;
  readonly #messenger: Messenger;
  readonly #connections: { addrs: EntityAddrVec; connection: Connection }[] = [];
  /** Newest epoch that each was sent. */
  readonly #sharedWith = new Map<number, number>();

  constructor(host: PeersHost, messenger: Messenger) {
    this.#host = host;
    this.#messenger = messenger;
  }

  /** The OSD at the other end, or -1. */
  osdOf(connection: Connection): number {
    return this.#connections.findIndex((c) => c?.connection === connection);
  }

  send(osd: number, message: WireMessage): void {
    const known = this.#connections[osd];
    if (known !== undefined) {
      known.connection.send(message);
      return;
    }
    const { map, isActive } = this.#host;
    // Before it is up, an OSD has no say: its PGs begin again with the map that has it.
    if (!isActive) return;
    const addrs = map.clusterAddrs[osd];
    if (addrs === undefined || !map.isUp(osd) || addrs.addrs.length === 0) return;
    const connection = this.#messenger.connect(entityType.OSD, addrs);
    this.#connections[osd] = { addrs, connection };
    connection.send(message);
  }

  /** The other has `since`: it gets what it lacks, once. */
  shareMapWith(osd: number, since: number): void {
    const { map, maps } = this.#host;
    const sent = Math.max(since, this.#sharedWith.get(osd) ?? 0);
    if (sent >= map.epoch || !map.isUp(osd)) return;
    const message = maps.messageSince(sent, map.epoch, MAPS_PER_MESSAGE, CEPH_FEATURES_ALL);
    if (message === undefined) return;
    this.#sharedWith.set(osd, Math.min(map.epoch, sent + MAPS_PER_MESSAGE));
    this.send(osd, message);
  }

  /** A session is gone with what was in it. The OSD it was with, or -1. */
  reset(connection: Connection): number {
    const osd = this.osdOf(connection);
    if (osd >= 0) this.#forget(osd);
    return osd;
  }

  #forget(osd: number): void {
    delete this.#connections[osd];
    this.#sharedWith.delete(osd);
  }

  /** Sessions with OSDs that went down, or came back elsewhere, are over. */
  refresh(): void {
    const { map } = this.#host;
    for (let osd = 0; osd < this.#connections.length; osd++) {
      const known = this.#connections[osd];
      if (known === undefined) continue;
      if (map.isUp(osd) && map.clusterAddrs[osd]?.toString() === known.addrs.toString()) continue;
      known.connection.markDown();
      this.#forget(osd);
    }
  }

  /** This OSD begins a new life: nothing of the old one goes on. */
  endAll(): void {
    this.#messenger.markDownAll();
    this.#connections.length = 0;
  }
}
