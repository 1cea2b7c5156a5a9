/**
 * What the OSD keeps of one connection: who it is and what it may do, the watches it carries, the backoffs it was told.
 */

import { Writer } from '../encoding/index.ts';
import type { Connection, WireMessage } from '../msgr/index.ts';
import { type Hobject, hobject, hobjectMax, hobjectMin, type SpgId, spgId } from '../types/index.ts';
import type { ClientOp } from './ops/client-op.ts';
import type { Watch } from './watch.ts';

/** Decides by the caps that came with the ticket. `auth` gives it. */
export interface OpCaps {
  /** May this request run on objects of that pool? */
  allows(op: ClientOp, pool: number): boolean;
  /** May a command run? */
  allowsCommand(prefix: string, args: Readonly<Record<string, unknown>>): boolean;
}

const MSG_OSD_BACKOFF = 61;
/** CEPH_OSD_BACKOFF_OP_*. */
export const backoffOp = { BLOCK: 1, ACK_BLOCK: 2, UNBLOCK: 3 } as const;

interface Backoff {
  readonly id: number;
  readonly pgid: SpgId;
}

/** MOSDBackoff version 1: pg, epoch, u8 op, u64 id, begin, end. */
function backoffMessage(pgid: SpgId, epoch: number, op: number, id: number, begin: Hobject, end: Hobject): WireMessage {
  const w = new Writer(160);
  spgId.encode(w, pgid);
  w.u32(epoch);
  w.u8(op);
  w.u64num(id);
  hobject.encode(w, begin);
  hobject.encode(w, end);
  return {
    type: MSG_OSD_BACKOFF,
    version: 1,
    compatVersion: 1,
    priority: 127,
    tid: 0,
    front: w.bytes(),
    middle: new Uint8Array(0),
    data: [],
    dataOffset: 0,
  };
}

export class Session {
  readonly connection: Connection;
  readonly watches = new Set<Watch>();
  /** Last map epoch that the other end is known to have, or to have been sent. */
  sentEpoch = 0;
  readonly #caps: OpCaps;
  readonly #backoffs = new Map<string, Backoff>();
  #nextBackoff = 1;

  constructor(connection: Connection, caps: OpCaps) {
    this.connection = connection;
    this.#caps = caps;
  }

  allows(op: ClientOp, pool: number): boolean {
    return this.#caps.allows(op, pool);
  }

  allowsCommand(prefix: string, args: Readonly<Record<string, unknown>>): boolean {
    return this.#caps.allowsCommand(prefix, args);
  }

  /** Tells the client to send nothing to a PG until further notice. */
  block(key: string, pgid: SpgId, epoch: number): void {
    if (this.#backoffs.has(key)) return;
    const backoff: Backoff = { id: this.#nextBackoff++, pgid };
    this.#backoffs.set(key, backoff);
    this.connection.send(backoffMessage(pgid, epoch, backoffOp.BLOCK, backoff.id, hobjectMin, hobjectMax));
  }

  isBlocked(key: string): boolean {
    return this.#backoffs.has(key);
  }

  /** Lets it send again, which it then does with all it has. */
  unblock(key: string, epoch: number): void {
    const backoff = this.#backoffs.get(key);
    if (backoff === undefined) return;
    this.#backoffs.delete(key);
    this.connection.send(backoffMessage(backoff.pgid, epoch, backoffOp.UNBLOCK, backoff.id, hobjectMin, hobjectMax));
  }

  /** The connection is gone. */
  end(): void {
    for (const w of [...this.watches]) w.disconnect();
    this.watches.clear();
    this.#backoffs.clear();
  }
}
