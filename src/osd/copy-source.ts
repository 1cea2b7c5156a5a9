/**
 * Objects that copy-from takes from wherever they are: this OSD asks the OSD that leads their PG, as a client would, piece by piece (copy-get). What asks is a read, so it
 * is simply asked again where a map, a lost session or silence makes that look right. An object of this OSD's own is asked for by the same way, without the wire.
 */
import { type Clock, errno } from '../base/index.ts';
import { DecodeError, Reader, Writer } from '../encoding/index.ts';
import { MOSDOp, MOSDOpReply, OsdOp, osdFlag, osdOp } from '../messages/index.ts';
import type { Connection, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { CEPH_NOSNAP, entityType, Hobject, NO_SHARD, type OSDMap, type PgId, type Snapid } from '../types/index.ts';
import type { ClientOp } from './ops/client-op.ts';
import { opCode } from './ops/codes.ts';
import { type CopyPiece, copyCursor, copyStart, readCopyFrom, readCopyPiece } from './ops/copy-ops.ts';
import type { SubOp } from './ops/sub-op.ts';
import type { PgMapping } from './pg/choose.ts';

export interface CopySourceHost {
  readonly whoami: number;
  readonly clock: Clock;
  readonly map: OSDMap;
  readonly isActive: boolean;
  mapPg(map: OSDMap, pgid: PgId): PgMapping;
  nextTid(): number;
  sendToOsd(osd: number, message: WireMessage): void;
  /** A connection to this OSD itself, whose replies go to `reply`. */
  selfConnection(reply: (message: WireMessage) => void): Connection;
  handleOwnRequest(message: ReceivedMessage): void;
}

/** The object to copy. */
export interface CopyFrom {
  readonly pool: number;
  readonly name: string;
  readonly nspace: string;
  readonly key: string;
  readonly snap: Snapid;
  /** User version that it must have; 0: any. */
  readonly version: number;
  /** Mask of osdFlag that the requests carry. */
  readonly flags: number;
}

/** An object whole: its pieces in order. */
export interface Copied {
  readonly pieces: readonly CopyPiece[];
  readonly userVersion: number;
}

/** Bytes in one piece (osd_copyfrom_max_chunk). */
const PIECE = 8 << 20;
/** What an object may come to in all: its data at most, and as much again of omap. */
const WHOLE_MAX = 256 << 20;
const SILENCE_MS = 5000;

interface Pending {
  readonly from: CopyFrom;
  /** The copy is still wanted. */
  readonly isWanted: () => boolean;
  readonly done: (result: Copied | number) => void;
  readonly pieces: CopyPiece[];
  bytes: number;
  version: number;
  osd: number;
  upFrom: number;
  sent_ms: number;
}

export class CopySources {
  readonly #host: CopySourceHost;
  readonly #pending = new Map<number, Pending>();
  #self: Connection | undefined;

  constructor(host: CopySourceHost) {
    this.#host = host;
  }

  /** Brings an object here, into memory. `done` gets it, or a negative errno; never where it is not wanted any more. */
  copy(from: CopyFrom, isWanted: () => boolean, done: (result: Copied | number) => void): void {
    const { version } = from;
    this.#send({ from, isWanted, done, pieces: [], bytes: 0, version, osd: -1, upFrom: 0, sent_ms: 0 });
  }

  /** Asks for the next piece, by the map of now. */
  #send(p: Pending): void {
    const host = this.#host;
    const { map } = host;
    const { from } = p;
    const pool = map.pool(from.pool);
    if (pool === undefined) {
      p.done(-errno.ENOENT);
      return;
    }
    const tid = host.nextTid();
    this.#pending.set(tid, p);
    const hash = pool.hashKey(from.key === '' ? from.name : from.key, from.nspace);
    const seed = pool.rawPgToPg(hash);
    p.osd = host.mapPg(map, { pool: from.pool, seed }).actingPrimary;
    p.upFrom = map.osdInfo[p.osd]?.upFrom ?? 0;
    p.sent_ms = host.clock.monotonic();
    const ops: OsdOp[] = [];
    if (p.version !== 0) {
      const check = new OsdOp(osdOp.ASSERT_VER);
      check.length = p.version;
      ops.push(check);
    }
    const get = new OsdOp(osdOp.COPY_GET);
    const w = new Writer(64);
    copyCursor.encode(w, p.pieces[p.pieces.length - 1]?.cursor ?? copyStart);
    w.u64num(PIECE);
    get.indata = w.bytes();
    ops.push(get);
    const message = MOSDOp.encode(
      {
        pgid: { pgid: { pool: from.pool, seed }, shard: NO_SHARD },
        hobj: new Hobject(from.name, from.key, from.snap, hash, from.pool, from.nspace),
        osdmapEpoch: map.epoch,
        flags: osdFlag.READ | from.flags,
        ops,
        retryAttempt: 0,
      },
      { tid },
    );
    if (p.osd === host.whoami) this.#sendToSelf(message);
    else if (p.osd >= 0) host.sendToOsd(p.osd, message);
  }

  #sendToSelf(message: WireMessage): void {
    const host = this.#host;
    this.#self ??= host.selfConnection((reply) => this.#reply(reply));
    const own = this.#received(message, this.#self);
    host.clock.defer(() => host.handleOwnRequest(own));
  }

  #received(message: WireMessage, connection: Connection): ReceivedMessage {
    const { whoami, clock } = this.#host;
    return {
      ...message,
      connection,
      source: { type: entityType.OSD, num: whoami },
      seq: 0,
      received_ms: clock.monotonic(),
      release: () => {},
      recycleData: () => {},
    };
  }

  #reply(message: WireMessage): void {
    const self = this.#self;
    if (self !== undefined) this.#host.clock.defer(() => this.handleReply(this.#received(message, self)));
  }

  /** MOSDOpReply. Throws DecodeError. */
  handleReply(message: ReceivedMessage): void {
    const p = this.#pending.get(message.tid);
    if (p === undefined) return;
    if (!p.isWanted()) {
      this.#pending.delete(message.tid);
      return;
    }
    // What does not decode counts as not answered: it is asked again.
    const reply = MOSDOpReply.decode(message);
    const parts = reply.ops[reply.ops.length - 1]?.outdata ?? [];
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const piece = reply.result < 0 ? undefined : readCopyPiece(new Reader(bytes.slice()));
    this.#pending.delete(message.tid);
    if (reply.result === -errno.EAGAIN) {
      // Asked again by the next tick.
      p.osd = -1;
      this.#pending.set(this.#host.nextTid(), p);
      return;
    }
    if (piece === undefined) {
      p.done(reply.result);
      return;
    }
    p.pieces.push(piece);
    p.bytes += bytes.length;
    p.version = reply.userVersion;
    const { cursor } = piece;
    if (cursor.attrComplete && cursor.dataComplete && cursor.omapComplete) {
      p.done({ pieces: p.pieces, userVersion: p.version });
    } else if (p.bytes > WHOLE_MAX) p.done(-errno.EFBIG);
    else this.#send(p);
  }

  /** A new map, a second later, or a session that is gone: what will not be answered is asked again. */
  again(lost?: number): void {
    const host = this.#host;
    if (this.#pending.size === 0 || !host.isActive) return;
    const now = host.clock.monotonic();
    for (const [tid, p] of [...this.#pending]) {
      const moved = p.osd < 0 || !host.map.isUp(p.osd) || (host.map.osdInfo[p.osd]?.upFrom ?? 0) !== p.upFrom;
      if (!moved && p.osd !== lost && now - p.sent_ms < SILENCE_MS && p.isWanted()) continue;
      this.#pending.delete(tid);
      if (p.isWanted()) this.#send(p);
    }
  }
}

/** What a copy-from asks for, or the errno to answer. */
function copyAsked(sub: SubOp): CopyFrom | number {
  try {
    const asked = readCopyFrom(sub);
    return typeof asked === 'number' ? asked : asked.from;
  } catch (error) {
    if (error instanceof DecodeError) return -errno.EINVAL;
    throw error;
  }
}

/** Is it the object itself? */
function isSame(from: CopyFrom, op: ClientOp): boolean {
  const { pool, name, nspace, locatorKey } = op;
  if (from.pool !== pool || from.name !== name || from.nspace !== nspace || from.snap !== CEPH_NOSNAP) return false;
  return from.key === locatorKey;
}

/** Brings what every copy-from of a request wants, one after another. */
export function bringCopies(
  sources: Pick<CopySources, 'copy'>,
  op: ClientOp,
  isWanted: () => boolean,
  done: (copied: ReadonlyMap<SubOp, Copied | number>) => void,
): void {
  const copied = new Map<SubOp, Copied | number>();
  const wants = op.ops.filter((sub) => sub.code === opCode.COPY_FROM || sub.code === opCode.COPY_FROM2);
  const next = (): void => {
    const sub = wants.shift();
    if (sub === undefined) {
      done(copied);
      return;
    }
    const got = (result: Copied | number): void => {
      copied.set(sub, result);
      next();
    };
    const asked = copyAsked(sub);
    if (typeof asked === 'number') got(asked);
    else if (isSame(asked, op)) got(-errno.EINVAL);
    else sources.copy(asked, isWanted, got);
  };
  next();
}
