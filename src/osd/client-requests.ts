/** Requests of clients (MOSDOp) on their way to the PG: who may send what, maps that one of the two lacks, PGs that are still being made. */
import { OsdCap } from '../auth/index.ts';
import { Reader } from '../encoding/index.ts';
import type { Connection, ReceivedMessage } from '../msgr/index.ts';
import { entityType, eversionZero, formatAuthName, type OSDMap, type PgId, pgKey } from '../types/index.ts';
import type { ClassRegistry } from './classes/index.ts';
import { ClientOp, classify } from './ops/client-op.ts';
import { opFlag } from './ops/codes.ts';
import { encodeReply } from './ops/reply.ts';
import type { OsdMaps } from './osd-maps.ts';
import { MAPS_PER_MESSAGE } from './peers.ts';
import type { PgMapping } from './pg/choose.ts';
import type { Pg } from './pg/pg.ts';
import { type OpCaps, Session } from './session.ts';
import type { OpTracker } from './tracker.ts';

export interface ClientRequestsHost {
  readonly whoami: number;
  readonly map: OSDMap;
  readonly maps: OsdMaps;
  readonly isActive: boolean;
  readonly isStopping: boolean;
  readonly pgs: ReadonlyMap<number, Pg>;
  readonly classes: ClassRegistry;
  readonly tracker: OpTracker;
  mapPg(map: OSDMap, pgid: PgId): PgMapping;
  /** Delivers again when the map is there. */
  waitForMap(epoch: number, message: ReceivedMessage): void;
  opDropped(op: ClientOp, why: string): void;
  log(level: number, text: string): void;
}

export const ALLOW_ALL: OpCaps = { allows: () => true, allowsCommand: () => true };
const NO_VERSIONS = { replay: eversionZero, badReplay: eversionZero, user: 0 };

export class ClientRequests {
  readonly #host: ClientRequestsHost;
  readonly #waitingForPg = new Map<number, ClientOp[]>();

  constructor(host: ClientRequestsHost) {
    this.#host = host;
  }

  sessionOf(connection: Connection): Session {
    const known = connection.session as Session | undefined;
    if (known !== undefined) return known;
    const session = new Session(connection, this.#capsOf(connection));
    connection.session = session;
    return session;
  }

  /** The caps that came with the ticket: an encoded string. */
  #capsOf(connection: Connection): OpCaps {
    const identity = connection.identity;
    let cap = OsdCap.none;
    // A session that this OSD began with another, which has proved then that it is one: it may copy objects from here.
    if (connection.isOutgoing && connection.peerType === entityType.OSD) cap = OsdCap.allowAll;
    else if (identity?.capsAllowAll === true) cap = OsdCap.allowAll;
    else if (identity !== undefined && identity.caps.length > 0) {
      try {
        cap = OsdCap.parse(new Reader(identity.caps).string());
      } catch {
        this.#host.log(0, `caps of ${formatAuthName(identity.name)} cannot be read: none are granted`);
      }
    }
    if (cap.isAllowAll) return ALLOW_ALL;
    return {
      allows: (op, poolId) => {
        const pool = this.#host.map.pool(poolId);
        const addr = connection.peerAddrs.addrs[0];
        if (pool === undefined || addr === undefined) return false;
        return cap.isCapable({
          pool: this.#host.map.poolName(poolId) ?? '',
          nspace: op.nspace,
          applications: pool.applicationMetadata,
          object: op.name,
          read: op.needsReadCap,
          write: op.needsWriteCap,
          classes: (op.classes ?? []).map((c) => ({
            className: c.name,
            methodName: c.method,
            read: c.read,
            write: c.write,
            allowed: c.allowed,
          })),
          addr,
        });
      },
      allowsCommand: () => false,
    };
  }

  /** Throws DecodeError. */
  handle(message: ReceivedMessage): void {
    const op = new ClientOp(message);
    const session = this.sessionOf(message.connection);
    const { map, isActive, isStopping } = this.#host;
    if (!isActive) {
      if (!isStopping && op.mapEpoch > map.epoch) this.#host.waitForMap(op.mapEpoch, message);
      else message.release();
      return;
    }
    if (op.mapEpoch > map.epoch) {
      this.#host.waitForMap(op.mapEpoch, message);
      return;
    }
    if (op.mapEpoch < this.#host.map.epoch) this.#shareMap(session, op.mapEpoch);
    this.#host.tracker.begin(op);
    const bad = classify(op, (cls, method) => this.#host.classes.find(cls, method));
    if (bad < 0) {
      this.#refuse(op, bad);
      return;
    }
    const key = pgKey(op.pool, this.#seedOf(op));
    const pg = this.#host.pgs.get(key);
    if (pg !== undefined) pg.handleOp(op);
    else this.#withoutPg(op, key);
  }

  /** Old requests carry the raw hash; new ones the PG's seed. */
  #seedOf(op: ClientOp): number {
    if (op.message.version >= 8) return op.seed;
    return this.#host.map.pool(op.pool)?.rawPgToPg(op.seed) ?? op.seed;
  }

  #refuse(op: ClientOp, result: number): void {
    op.message.connection.send(
      encodeReply(op, result, this.#host.map.epoch, opFlag.ACK | opFlag.ONDISK, NO_VERSIONS, op.has(opFlag.RETURNVEC)),
    );
    op.message.release();
    this.#host.tracker.end(op);
  }

  #withoutPg(op: ClientOp, key: number): void {
    const pool = this.#host.map.pool(op.pool);
    const seed = this.#seedOf(op);
    if (pool !== undefined && seed < pool.pgNum) {
      const mapping = this.#host.mapPg(this.#host.map, { pool: op.pool, seed });
      if (mapping.actingPrimary === this.#host.whoami) {
        // It is being made.
        op.state = 'waiting for pg to exist locally';
        const list = this.#waitingForPg.get(key);
        if (list === undefined) this.#waitingForPg.set(key, [op]);
        else list.push(op);
        return;
      }
    }
    // Sent by an older map, which the client was just brought on from: it sends again where it belongs.
    op.message.release();
    this.#host.opDropped(op, 'no such PG here');
  }

  /** The PG may be there now. */
  deliverWaiting(key: number): void {
    const list = this.#waitingForPg.get(key);
    if (list === undefined) return;
    const pg = this.#host.pgs.get(key);
    this.#waitingForPg.delete(key);
    for (const op of list) {
      if (pg !== undefined) pg.handleOp(op);
      else this.#withoutPg(op, key);
    }
  }

  /** The other end has `since`: it gets the incrementals it lacks, once. */
  #shareMap(session: Session, since: number): void {
    const { epoch } = this.#host.map;
    if (since >= epoch || session.sentEpoch >= epoch) return;
    const from = Math.max(since, session.sentEpoch);
    const message = this.#host.maps.messageSince(from, epoch, MAPS_PER_MESSAGE, session.connection.peerFeatures);
    if (message === undefined) return;
    session.sentEpoch = Math.min(epoch, from + MAPS_PER_MESSAGE);
    session.connection.send(message);
  }

  /** PGs may have come, or gone elsewhere. */
  deliverAll(): void {
    for (const key of [...this.#waitingForPg.keys()]) this.deliverWaiting(key);
  }
}
