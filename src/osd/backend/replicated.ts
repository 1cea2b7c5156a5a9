/**
 * A change on its way to the copies of a replicated pool: one transaction, applied by the primary and, as MOSDRepOp, by each replica; done when all have it on disk.
 * Replicas apply and answer in order, so changes end in the order in which they began.
 */
import { BLOCK_CRCS_MIN, CRC_BLOCK, knownBlockPhase, Queue } from '../../base/index.ts';
import { Reader, Writer } from '../../encoding/index.ts';
import type { ReceivedMessage, WireMessage } from '../../msgr/index.ts';
import { Transaction } from '../../store/index.ts';
import {
  compareEversion,
  type Eversion,
  hobject,
  hobjectMin,
  NO_SHARD,
  type PgStat,
  pgStat,
} from '../../types/index.ts';
import type { ClientOp } from '../ops/client-op.ts';
import { opFlag } from '../ops/codes.ts';
import type { Effects, ObjectContext } from '../ops/context.ts';
import { type Reqid, readEversion, writeEversion, writeReqid } from '../ops/object-info.ts';
import type { ReplyVersions } from '../ops/reply.ts';
import { frameLogEntry, type LogEntry, readLogEntry } from '../pg/log-entry.ts';
import { scratch } from '../scratch.ts';

const MSG_OSD_REPOP = 112;
const MSG_OSD_REPOPREPLY = 113;
const ACKS = opFlag.ACK | opFlag.ONDISK;
const EMPTY = new Uint8Array(0);
const NO_DATA: readonly Uint8Array[] = [];

/** Encodings that every message has. */
const HOBJECT_MIN: Uint8Array = (() => {
  const w = new Writer(64);
  hobject.encode(w, hobjectMin);
  return w.bytes().slice();
})();

function writeSpgId(w: Writer, pool: number, seed: number): void {
  w.u8(1);
  w.u8(1);
  w.u32(18);
  w.u8(1);
  w.u64num(pool);
  w.u32(seed);
  w.s32(-1);
  w.s8(NO_SHARD);
}

function writePgShard(w: Writer, osd: number): void {
  w.u8(1);
  w.u8(1);
  w.u32(5);
  w.s32(osd);
  w.s8(NO_SHARD);
}

/** A change that is not yet everywhere. */
export class InProgress {
  readonly tid: number;
  readonly version: Eversion;
  /** The request it is for; undefined for the PG's own. */
  op: ClientOp | undefined;
  readonly obc: ObjectContext | undefined;
  readonly cloneObc: ObjectContext | undefined;
  readonly result: number;
  readonly keepOut: boolean;
  readonly versions: ReplyVersions;
  readonly effects: Effects | undefined;
  readonly started_ms: number;
  /** Replicas that have not answered. */
  readonly waitingFor: number[];
  localDone = false;
  /** info.last_complete at submission: what is complete on disk once this is. */
  readonly lastComplete: Eversion;
  /** Repeats of the request, to be answered with it. */
  repeats: ClientOp[] | undefined = undefined;
  /** Called once it is done; for the PG's own changes. */
  onDone: (() => void) | undefined = undefined;

  constructor(fields: {
    readonly tid: number;
    readonly version: Eversion;
    readonly op: ClientOp | undefined;
    readonly obc: ObjectContext | undefined;
    readonly cloneObc: ObjectContext | undefined;
    readonly result: number;
    readonly keepOut: boolean;
    readonly versions: ReplyVersions;
    readonly effects: Effects | undefined;
    readonly started_ms: number;
    readonly waitingFor: number[];
    readonly lastComplete: Eversion;
  }) {
    this.tid = fields.tid;
    this.version = fields.version;
    this.op = fields.op;
    this.obc = fields.obc;
    this.cloneObc = fields.cloneObc;
    this.result = fields.result;
    this.keepOut = fields.keepOut;
    this.versions = fields.versions;
    this.effects = fields.effects;
    this.started_ms = fields.started_ms;
    this.waitingFor = fields.waitingFor;
    this.lastComplete = fields.lastComplete;
  }
}

/** What the backend needs of its PG. */
export interface BackendHost {
  readonly pool: number;
  readonly seed: number;
  readonly coll: string;
  readonly whoami: number;
  readonly mapEpoch: number;
  /** First epoch of the interval: what a replica must have. */
  readonly lastPeeringReset: number;
  /** Acting replicas and backfill targets without the primary. */
  readonly replicas: readonly number[];
  readonly stats: PgStat;
  readonly trimTo: Eversion;
  readonly minLastCompleteOndisk: Eversion;
  readonly lastComplete: Eversion;
  /** Whether a replica that is being backfilled has reached the object, so that the change is for it. */
  wantsData(osd: number, obc: ObjectContext | undefined): boolean;
  nextTid(): number;
  sendToOsd(osd: number, message: WireMessage): void;
  /** Applies; the callback comes when it is durable. */
  queue(transactions: readonly Transaction[], onCommit: () => void): void;
  /** The primary's own part of the log, into `t`. */
  logLocally(t: Transaction, entries: readonly LogEntry[], framed: readonly Uint8Array[]): void;
  /** A replica's: appends and writes entries, takes statistics, trims. */
  logAsReplica(
    t: Transaction,
    entries: readonly LogEntry[],
    framed: readonly Uint8Array[],
    stats: Uint8Array,
    trimTo: Eversion,
    minLastCompleteOndisk: Eversion,
  ): void;
  peerCompleteOndisk(osd: number, version: Eversion): void;
  localCompleteOndisk(version: Eversion): void;
  done(change: InProgress): void;
}

/** A replica's part that is on its way to disk. */
interface ReplicaCommit {
  readonly message: ReceivedMessage;
  /** Encoded osd_reqid_t. */
  readonly reqid: Uint8Array;
  readonly from: number;
  readonly lastComplete: Eversion;
  readonly interval: number;
}

/** The bytes of a versioned struct. */
function takeStruct(r: Reader): Uint8Array {
  const at = r.offset;
  r.skipStruct();
  return r.buffer.subarray(at, r.offset);
}

/** The transaction that does nothing, for a replica that has not reached the object. */
function noTransaction(): readonly Uint8Array[] {
  return new Transaction().encode();
}

/** Where in a block data starts, if the blocks of its long part are to be those whose checksums are known; the replica's messenger then reckons them once for itself and its store. */
function blockOffset(data: readonly Uint8Array[]): number {
  let at = 0;
  for (const part of data) {
    if (part.length >= BLOCK_CRCS_MIN) return (CRC_BLOCK - ((at + knownBlockPhase(part)) % CRC_BLOCK)) % CRC_BLOCK;
    at += part.length;
  }
  return 0;
}

export class ReplicatedBackend {
  readonly #host: BackendHost;
  /** Oldest first. */
  readonly #changes = new Queue<InProgress>();
  readonly #byTid = new Map<number, InProgress>();
  /** Commits to come, in order; an entry of an interval that has ended is undefined. */
  readonly #localCommits = new Queue<InProgress | undefined>();
  readonly #replicaCommits = new Queue<ReplicaCommit>();
  readonly #onLocalCommit = (): void => this.#localCommitted();
  readonly #onReplicaCommit = (): void => this.#replicaCommitted();
  #generation = 0;

  constructor(host: BackendHost) {
    this.#host = host;
  }

  get inProgress(): number {
    return this.#changes.length;
  }

  /** The change of that version (or of its entries), while it is in progress. */
  findByVersion(version: Eversion): InProgress | undefined {
    for (let i = 0; i < this.#changes.length; i++) {
      const c = this.#changes.at(i);
      if (compareEversion(c.version, version) >= 0) return c;
    }
    return undefined;
  }

  /** Oldest change, where there is one. */
  get oldest(): InProgress | undefined {
    return this.#changes.peek();
  }

  /**
   * Sends a change on its way. `encoded` are the entries as written, `identity` the object's encoded name.
   */
  submit(
    change: InProgress,
    reqid: Reqid,
    oidBytes: Uint8Array,
    t: Transaction,
    entries: readonly LogEntry[],
    encoded: readonly Uint8Array[],
  ): void {
    const host = this.#host;
    const replicas = change.waitingFor;
    if (replicas.length > 0) {
      const front = this.#front(change.version, reqid, oidBytes, encoded);
      const data = t.encode();
      const dataOffset = blockOffset(data);
      const sums = { front: -1, data: -1 };
      for (const osd of replicas) {
        const isWanted = host.wantsData(osd, change.obc);
        host.sendToOsd(osd, {
          type: MSG_OSD_REPOP,
          version: 3,
          compatVersion: 1,
          priority: 127,
          tid: change.tid,
          front,
          middle: EMPTY,
          data: isWanted ? data : noTransaction(),
          dataOffset,
          sums: isWanted ? sums : { front: -1, data: -1 },
        });
      }
    }
    const local = new Transaction();
    host.logLocally(
      local,
      entries,
      encoded.map((bytes) => frameLogEntry(bytes)),
    );
    this.#changes.push(change);
    this.#byTid.set(change.tid, change);
    this.#localCommits.push(change);
    host.queue(t.isEmpty ? [local] : [t, local], this.#onLocalCommit);
  }

  #front(version: Eversion, reqid: Reqid, oidBytes: Uint8Array, encoded: readonly Uint8Array[]): Uint8Array {
    const host = this.#host;
    const w = scratch();
    w.u32(host.mapEpoch);
    w.u32(host.lastPeeringReset);
    w.zeros(24);
    writeReqid(w, reqid);
    writeSpgId(w, host.pool, host.seed);
    w.raw(oidBytes);
    w.u8(ACKS);
    writeEversion(w, version);
    let length = 4;
    for (const e of encoded) length += e.length;
    w.u32(length);
    w.u32(encoded.length);
    for (const e of encoded) w.raw(e);
    pgStat.encode(w, host.stats);
    writeEversion(w, host.trimTo);
    w.raw(HOBJECT_MIN);
    w.raw(HOBJECT_MIN);
    writePgShard(w, host.whoami);
    w.u8(0);
    writeEversion(w, host.minLastCompleteOndisk);
    return w.take();
  }

  #localCommitted(): void {
    const change = this.#localCommits.shift();
    if (change === undefined) return;
    change.localDone = true;
    this.#host.localCompleteOndisk(change.lastComplete);
    if (change.waitingFor.length === 0) this.#finish();
  }

  /** MOSDRepOpReply. Throws DecodeError. */
  handleReply(message: ReceivedMessage): void {
    const r = new Reader(message.front);
    r.u32();
    if (message.version >= 2) r.skip(28);
    // reqid and pgid: the tid tells which change it is.
    r.skipStruct();
    r.skipStruct();
    r.u8();
    r.s32();
    const version = r.u64num();
    const lastComplete: Eversion = { epoch: r.u32(), version };
    const osd = message.source.num;
    const change = this.#byTid.get(message.tid);
    if (change === undefined) return;
    const i = change.waitingFor.indexOf(osd);
    if (i < 0) return;
    // The order does not matter.
    const last = change.waitingFor.pop()!;
    if (i < change.waitingFor.length) change.waitingFor[i] = last;
    this.#host.peerCompleteOndisk(osd, lastComplete);
    if (change.localDone && change.waitingFor.length === 0) this.#finish();
  }

  #finish(): void {
    for (;;) {
      const c = this.#changes.peek();
      if (c === undefined || !c.localDone || c.waitingFor.length > 0) return;
      this.#changes.shift();
      this.#byTid.delete(c.tid);
      this.#host.done(c);
    }
  }

  /** A new interval: nothing of the old one ends any more. Returns what was open, oldest first. */
  reset(): InProgress[] {
    this.#generation++;
    const open = [...this.#changes];
    this.#changes.clear();
    this.#byTid.clear();
    const n = this.#localCommits.length;
    this.#localCommits.clear();
    for (let i = 0; i < n; i++) this.#localCommits.push(undefined);
    return open;
  }

  /** MOSDRepOp. Throws DecodeError for what is none; the caller has checked the interval. What a replica has no use for is not decoded. */
  handleRepOp(message: ReceivedMessage): void {
    const t = Transaction.decode(message.data);
    const r = new Reader(message.front);
    // Epochs and trace; the request; PG, object.
    r.skip(8 + 24);
    const reqid = takeStruct(r);
    r.skipStruct();
    r.skipStruct();
    r.u8();
    readEversion(r);
    const log = r.blob();
    const stats = takeStruct(r);
    const trimTo = readEversion(r);
    // Temporary objects to make and to forget.
    r.skipStruct();
    r.skipStruct();
    r.skip(2);
    const senderLength = r.u32();
    const from = r.s32();
    r.skip(senderLength - 4);
    if (r.bool()) r.skipStruct();
    const minLastCompleteOndisk = readEversion(r);
    const lr = new Reader(log);
    const n = lr.count(6);
    const entries: LogEntry[] = new Array(n);
    const framed: Uint8Array[] = new Array(n);
    for (let i = 0; i < n; i++) {
      const at = lr.offset;
      entries[i] = readLogEntry(lr);
      framed[i] = frameLogEntry(log.subarray(at, lr.offset));
    }
    const host = this.#host;
    const local = new Transaction();
    host.logAsReplica(local, entries, framed, stats, trimTo, minLastCompleteOndisk);
    this.#replicaCommits.push({ message, reqid, from, lastComplete: host.lastComplete, interval: this.#generation });
    host.queue(t.isEmpty ? [local] : [t, local], this.#onReplicaCommit);
  }

  #replicaCommitted(): void {
    const commit = this.#replicaCommits.shift();
    if (commit === undefined) return;
    const { message, reqid, from, lastComplete } = commit;
    // It is on disk, and what the store keeps in memory it has copied.
    message.recycleData();
    if (commit.interval !== this.#generation) {
      message.release();
      return;
    }
    const host = this.#host;
    host.localCompleteOndisk(lastComplete);
    const w = scratch();
    w.u32(host.mapEpoch);
    w.u32(host.lastPeeringReset);
    w.zeros(24);
    w.raw(reqid);
    message.release();
    writeSpgId(w, host.pool, host.seed);
    w.u8(opFlag.ONDISK);
    w.s32(0);
    writeEversion(w, lastComplete);
    writePgShard(w, host.whoami);
    host.sendToOsd(from, {
      type: MSG_OSD_REPOPREPLY,
      version: 2,
      compatVersion: 1,
      priority: 196,
      tid: message.tid,
      front: w.take(),
      middle: EMPTY,
      data: NO_DATA,
      dataOffset: 0,
    });
  }
}
