/** A few OSDs' worth of one PG in one process, for tests: real PGs on memory stores, messages in a queue, time by hand. */
import { type Clock, crc32c, invariant, SeededEntropy, silentLogger, type TimerHandle } from '../base/index.ts';
import { Writer } from '../encoding/index.ts';
import { messageTypeNumber } from '../messages/index.ts';
import type { Connection, PartSums, ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { MemoryStore } from '../store/index.ts';
import {
  EntityAddr,
  EntityAddrVec,
  IntervalSet,
  OSDMap,
  type OsdInfo,
  objectLocator,
  osdState,
  type PgId,
  PgPool,
  type Snapid,
  snapid,
  spgId,
  utimeFromMs,
} from '../types/index.ts';
import { type ClassRegistry, defaultClasses } from './classes/index.ts';
import { CopySources } from './copy-source.ts';
import { ClientOp, classify } from './ops/client-op.ts';
import { opFlag } from './ops/codes.ts';
import { type Reqid, writeReqid } from './ops/object-info.ts';
import type { PgMapping } from './pg/choose.ts';
import { dispatchPgMessage } from './pg/dispatch.ts';
import { newHistory, PastIntervals } from './pg/info.ts';
import { createPg, loadPg } from './pg/make.ts';
import type { Pg } from './pg/pg.ts';
import { newCounters, type PgServices } from './pg/services.ts';
import { Reserver } from './reserver.ts';
import { Session } from './session.ts';

export class ManualClock implements Clock {
  ms = 1_700_000_000_000;
  #deferred: (() => void)[] = [];
  #timers = new Map<object, { at: number; fn: () => void }>();

  now(): number {
    return this.ms;
  }

  monotonic(): number {
    return this.ms;
  }

  setTimer(delay_ms: number, fn: () => void): TimerHandle {
    const handle = {};
    this.#timers.set(handle, { at: this.ms + delay_ms, fn });
    return handle;
  }

  clearTimer(handle: TimerHandle): void {
    this.#timers.delete(handle);
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn);
  }

  /** Runs what was deferred; false where there was nothing. */
  turn(): boolean {
    const list = this.#deferred;
    if (list.length === 0) return false;
    this.#deferred = [];
    for (const fn of list) fn();
    return true;
  }

  advance(ms: number): void {
    this.ms += ms;
    for (const [handle, t] of [...this.#timers]) {
      if (t.at > this.ms || !this.#timers.has(handle)) continue;
      this.#timers.delete(handle);
      t.fn();
    }
  }
}

export const TEST_PG: PgId = { pool: 1, seed: 0 };

export function testPool(size = 3, minSize = 2): PgPool {
  return new PgPool({
    size,
    minSize,
    pgNum: 1,
    pgpNum: 1,
    pgNumPending: 1,
    pgNumTarget: 1,
    pgpNumTarget: 1,
    crushRule: 0,
  });
}

const LIMITS: PgServices['limits'] = {
  objectSize: 128 * 1024 * 1024,
  nameLength: 2048,
  nspaceLength: 256,
  attrNameLength: 100,
  attrSize: 0,
  omapEntries: 1024,
  omapBytes: 1 << 30,
  pgls: 1024,
  writeSize: 90 << 20,
  writeReply: 64,
  watchTimeout_s: 30,
  notifyTimeout_s: 30,
};

/** One fake OSD: a store that outlives restarts, and the PG while it runs. */
export class TestOsd {
  readonly id: number;
  readonly store: MemoryStore;
  readonly cluster: TestCluster;
  readonly classes: ClassRegistry = defaultClasses();
  pg: Pg | undefined;
  up = false;
  mapEpoch = 0;
  #tid = 1;
  #waiting: { epoch: number; message: ReceivedMessage }[] = [];
  readonly services: PgServices;
  readonly copySources: CopySources;

  constructor(cluster: TestCluster, id: number) {
    this.cluster = cluster;
    this.id = id;
    this.store = new MemoryStore(cluster.clock);
    this.copySources = new CopySources({
      whoami: id,
      clock: cluster.clock,
      isActive: true,
      get map(): OSDMap {
        return cluster.maps[cluster.maps.length - 1]!;
      },
      mapPg: (map) => cluster.mapping(map),
      nextTid: () => this.#tid++,
      sendToOsd: () => {},
      selfConnection: (reply) => {
        const c: Connection = { ...cluster.connection, send: reply };
        c.session = new Session(c, { allows: () => true, allowsCommand: () => true });
        return c;
      },
      handleOwnRequest: (message) => {
        const op = new ClientOp(message);
        classify(op, (cls, m) => this.classes.find(cls, m));
        this.pg!.handleOp(op);
      },
    });
    this.services = {
      whoami: id,
      clock: cluster.clock,
      logger: silentLogger,
      entropy: new SeededEntropy(1),
      store: this.store,
      limits: LIMITS,
      counters: newCounters(),
      classes: this.classes,
      pgOptions: {
        forceAuthMissing: cluster.forceAuthMissing,
        logEntriesMin: 10,
        logEntriesMax: cluster.logEntries,
        logTrimMin: 1,
        logTrimMax: 100,
        dupsTracked: 100,
        allowBelowMinSize: true,
        recoveryChunk: cluster.chunk,
        recoveryActive: 3,
        recoveryOmapEntries: 8,
        backfillScan: 4,
        backoffOnDown: true,
        epochStaleMax: 40,
        snapTrimsActive: 2,
        snapTrimSleep_ms: 0,
        purgedIntervalsMax: 512,
      },
      snapTrims: new Reserver(() => 2),
      scrubs: new Reserver(() => 1),
      scrubOptions: {
        stride: 4,
        keys: 2,
        largeKeys: 6,
        largeBytes: 1000,
        chunk_max: 5,
        sleep_ms: 0,
        objectSize_max: LIMITS.objectSize,
        digestAge_ms: 7200_000,
        autoRepair_max: 0,
      },
      targetLogEntries: cluster.logEntries,
      contextsPerPg: 64,
      failsafeFull: false,
      mapPg: (map) => cluster.mapping(map),
      getMap: (epoch) => cluster.maps[epoch],
      sendToOsd: (to, message) => cluster.send(id, to, message),
      wantPgTemp: (_pg, osds) => cluster.pgTemp(osds),
      wantUpThru: (epoch) => cluster.upThru(id, epoch),
      statsChanged: () => {},
      nextTid: () => this.#tid++,
      nextNotifyId: () => BigInt(this.#tid++),
      copySources: this.copySources,
      opFinished: () => {},
      opDropped: (op, why) => cluster.dropped.push(`${op.name}: ${why}`),
      pgCreated: () => {},
      fatal: (error) => {
        throw error;
      },
      clusterLog: (level, text) => cluster.log.push(`${level}: ${text}`),
    };
  }

  find(pgid: PgId): Pg | undefined {
    return pgid.pool === TEST_PG.pool && this.pg !== undefined && !this.pg.deleted ? this.pg : undefined;
  }

  make(
    spgid: { pgid: PgId; shard: number },
    epoch: number,
    history: ReturnType<typeof newHistory>,
    past: PastIntervals,
  ): Pg | undefined {
    const map = this.cluster.maps[epoch]!;
    const pool = map.pool(TEST_PG.pool)!;
    this.pg = createPg(this.services, spgid, map, pool, history, past, undefined);
    this.pg.begin(this.cluster.mapping(map));
    this.pg.advanceTo(this.cluster.maps.slice(epoch + 1).filter((m) => m !== undefined));
    return this.pg;
  }

  waitForMap(epoch: number, message: ReceivedMessage): void {
    this.#waiting.push({ epoch, message });
  }

  sendToOsd(to: number, message: WireMessage): void {
    this.cluster.send(this.id, to, message);
  }

  deliver(message: ReceivedMessage): void {
    dispatchPgMessage(this, message);
  }

  newMap(map: OSDMap): void {
    this.mapEpoch = map.epoch;
    this.pg?.advanceTo([map]);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const w of waiting) {
      if (w.epoch > map.epoch) this.#waiting.push(w);
      else this.deliver(w.message);
    }
  }
}

interface Reply {
  readonly result: number;
  readonly message: WireMessage;
}

export interface TestClusterOptions {
  readonly osds?: number;
  readonly size?: number;
  readonly minSize?: number;
  readonly logEntries?: number;
  readonly chunk?: number;
  readonly forceAuthMissing?: number;
}

/** Several OSDs with one PG, and the monitor's part of its maps. */
export class TestCluster {
  readonly clock = new ManualClock();
  readonly maps: OSDMap[] = [];
  readonly osds: TestOsd[] = [];
  readonly logEntries: number;
  readonly chunk: number;
  readonly forceAuthMissing: number;
  readonly dropped: string[] = [];
  /** What OSDs told the cluster log. */
  readonly log: string[] = [];
  #queue: { from: number; to: number; message: WireMessage }[] = [];
  #infos: OsdInfo[];
  #pool: PgPool;
  #temp: readonly number[] = [];
  #wantMap = false;
  readonly #upThru = new Map<number, number>();
  /** Snapshots that were removed and are not known to be trimmed. */
  removedSnaps: IntervalSet = IntervalSet.empty;
  /** Messages that are lost: by sender and receiver. */
  lose: ((from: number, to: number, message: WireMessage) => boolean) | undefined;
  readonly replies = new Map<number, Reply>();
  #tid = 1;
  readonly connection: Connection;

  constructor(options: TestClusterOptions = {}) {
    const n = options.osds ?? 3;
    this.logEntries = options.logEntries ?? 1000;
    this.chunk = options.chunk ?? 8 << 20;
    this.forceAuthMissing = options.forceAuthMissing ?? 100;
    this.#pool = testPool(options.size ?? 3, options.minSize ?? 2);
    this.#infos = Array.from({ length: n }, () => ({
      lastCleanBegin: 0,
      lastCleanEnd: 0,
      upFrom: 0,
      upThru: 0,
      downAt: 0,
      lostAt: 0,
    }));
    this.maps.push(new OSDMap());
    for (let i = 0; i < n; i++) this.osds.push(new TestOsd(this, i));
    this.connection = this.#client();
  }

  #client(): Connection {
    const cluster = this;
    const connection: Connection = {
      peerType: 8,
      peerName: { type: 8, num: 4100 },
      peerAddrs: EntityAddrVec.of(
        new EntityAddr({ type: 2, nonce: 1, family: 2, port: 0, ip: Uint8Array.of(127, 0, 0, 1) }),
      ),
      peerFeatures: ~0n,
      peerGlobalId: 4100n,
      identity: undefined,
      isConnected: true,
      isSecure: false,
      isOutgoing: false,
      lastActive_ms: 0,
      session: undefined,
      send(message) {
        if (message.type !== messageTypeNumber.OSD_OP_REPLY) return;
        const view = new DataView(message.front.buffer, message.front.byteOffset);
        const nameLength = view.getUint32(0, true);
        cluster.replies.set(message.tid, { result: view.getInt32(4 + nameLength + 25, true), message });
      },
      keepalive() {},
      markDown() {},
      markDisposable() {},
    };
    connection.session = new Session(connection, { allows: () => true, allowsCommand: () => true });
    return connection;
  }

  async start(): Promise<void> {
    for (const osd of this.osds) {
      await osd.store.mkfs('00000000-0000-0000-0000-000000000001');
      await osd.store.mount();
      osd.up = true;
    }
    this.nextMap();
    const map = this.maps[1]!;
    const primary = this.osds[this.mapping(map).actingPrimary]!;
    primary.mapEpoch = 1;
    for (const osd of this.osds) osd.mapEpoch = 1;
    primary.pg = createPg(
      primary.services,
      { pgid: TEST_PG, shard: -1 },
      map,
      this.#pool,
      newHistory(1, utimeFromMs(this.clock.now())),
      new PastIntervals(),
      undefined,
    );
    primary.pg.begin(this.mapping(map));
    primary.pg.apply({ kind: 'activateMap' });
    this.settle();
  }

  mapping(map: OSDMap): PgMapping {
    const up = this.osds.map((o) => o.id).filter((id) => map.isUp(id));
    const first = up.slice(0, map.pool(TEST_PG.pool)?.size ?? 3);
    const temp = (map.pgTemp.get(TEST_PG.pool * 2 ** 32) ?? []).filter((id) => map.isUp(id));
    const acting = temp.length > 0 ? temp : first;
    return { up: first, upPrimary: first[0] ?? -1, acting, actingPrimary: acting[0] ?? -1 };
  }

  /** The monitor commits a map. */
  nextMap(): OSDMap {
    const epoch = this.maps.length;
    const before = this.maps[epoch - 1]!;
    this.#infos = this.#infos.map((info, id) => {
      const isUp = this.osds[id]!.up;
      const wasUp = before.isUp(id);
      const upThru = this.#upThru.get(id) ?? info.upThru;
      if (isUp && !wasUp) return { ...info, upFrom: epoch, upThru };
      if (!isUp && wasUp) return { ...info, downAt: epoch, upThru };
      return { ...info, upThru };
    });
    const n = this.osds.length;
    const map = new OSDMap({
      epoch,
      maxOsd: n,
      osdState: this.osds.map((o) => osdState.EXISTS | (o.up ? osdState.UP : 0)),
      osdWeight: Array(n).fill(0x10000),
      osdInfo: this.#infos,
      pools: new Map([[TEST_PG.pool, this.#pool]]),
      removedSnapsQueue: this.removedSnaps.isEmpty ? new Map() : new Map([[TEST_PG.pool, this.removedSnaps]]),
      pgTemp: this.#temp.length > 0 ? new Map([[TEST_PG.pool * 2 ** 32, this.#temp]]) : new Map(),
    });
    this.maps.push(map);
    for (const osd of this.osds) if (osd.up && epoch > 1) osd.newMap(map);
    return map;
  }

  pgTemp(osds: readonly number[]): void {
    this.#temp = osds;
    this.#wantMap = true;
  }

  upThru(osd: number, epoch: number): void {
    this.#upThru.set(osd, Math.max(epoch, this.#upThru.get(osd) ?? 0));
    this.#wantMap = true;
  }

  send(from: number, to: number, message: WireMessage): void {
    if (message.sums !== undefined) checkSums(message, message.sums);
    this.#queue.push({ from, to, message });
  }

  #received(from: number, message: WireMessage): ReceivedMessage {
    return {
      ...message,
      connection: this.connection,
      source: { type: 4, num: from },
      seq: 0,
      received_ms: this.clock.ms,
      release: () => {},
      recycleData: () => {},
    };
  }

  /** Lets everything happen until nothing more does. */
  settle(): void {
    for (let i = 0; i < 10_000; i++) if (!this.step()) return;
    throw new Error('the cluster does not come to rest');
  }

  /** Takes messages, commits and wanted maps one at a time: for stopping in the middle. False where there is nothing to take. */
  step(): boolean {
    const next = this.#queue.shift();
    if (next !== undefined) {
      const { from, to, message } = next;
      if (this.osds[to]!.up && this.osds[from]!.up && this.lose?.(from, to, message) !== true) {
        this.osds[to]!.deliver(this.#received(from, message));
      }
      return true;
    }
    if (this.clock.turn()) return true;
    if (!this.#wantMap) return false;
    this.#wantMap = false;
    this.nextMap();
    return true;
  }

  kill(id: number): void {
    const osd = this.osds[id]!;
    osd.up = false;
    osd.pg = undefined;
    this.#queue = this.#queue.filter((m) => m.from !== id && m.to !== id);
  }

  /** Starts an OSD again with what its store has. */
  restart(id: number): void {
    const osd = this.osds[id]!;
    osd.up = true;
    osd.mapEpoch = this.maps.length - 1;
    const pg = loadPg(osd.services, { pgid: TEST_PG, shard: -1 }, (e) => this.maps[e]);
    osd.pg = pg;
    if (pg === undefined) return;
    pg.begin(this.mapping(pg.map));
    pg.advanceTo(this.maps.slice(pg.map.epoch + 1));
  }

  get primary(): TestOsd {
    const map = this.maps[this.maps.length - 1]!;
    return this.osds[this.mapping(map).actingPrimary]!;
  }

  /** Sends a request to the primary; its tid. */
  request(ops: TestOp[], options: TestRequest = {}): number {
    const tid = options.tid ?? this.#tid++;
    const epoch = this.maps.length - 1;
    const message = { ...this.#received(0, encodeOp(tid, epoch, ops, options)), source: { type: 8, num: 4100 } };
    const op = new ClientOp(message);
    const osd = this.primary;
    const bad = classify(op, (c, m) => osd.classes.find(c, m));
    if (bad < 0) this.replies.set(tid, { result: bad, message });
    else osd.pg!.handleOp(op);
    return tid;
  }

  /** Sends and waits: the result, and the answers' bytes. */
  do(ops: TestOp[], options: TestRequest = {}): { result: number; data: Uint8Array } {
    const tid = this.request(ops, options);
    this.settle();
    const reply = this.replies.get(tid);
    if (reply === undefined) return { result: Number.NaN, data: new Uint8Array(0) };
    return { result: reply.result, data: Buffer.concat(reply.message.data) };
  }
}

export interface TestOp {
  readonly code: number;
  readonly flags?: number;
  readonly data?: Uint8Array;
  /** Bytes of the union; see {@link extent} and {@link xattr}. */
  readonly union?: Uint8Array;
}

export interface TestRequest {
  readonly name?: string;
  readonly nspace?: string;
  readonly flags?: number;
  readonly snap?: Snapid;
  readonly snapSeq?: Snapid;
  readonly snaps?: readonly Snapid[];
  readonly tid?: number;
  readonly reqid?: Reqid;
}

export function extent(
  offset: number | bigint,
  length: number | bigint,
  truncateSize = 0n,
  truncateSeq = 0,
): Uint8Array {
  const b = new DataView(new ArrayBuffer(28));
  b.setBigUint64(0, BigInt(offset), true);
  b.setBigUint64(8, BigInt(length), true);
  b.setBigUint64(16, truncateSize, true);
  b.setUint32(24, truncateSeq, true);
  return new Uint8Array(b.buffer);
}

export function xattrUnion(nameLength: number, valueLength: number, op = 0, mode = 0): Uint8Array {
  const b = new DataView(new ArrayBuffer(28));
  b.setUint32(0, nameLength, true);
  b.setUint32(4, valueLength, true);
  b.setUint8(8, op);
  b.setUint8(9, mode);
  return new Uint8Array(b.buffer);
}

/** A MOSDOp of version 8 as a client sends it. */
export function encodeOp(tid: number, epoch: number, ops: readonly TestOp[], options: TestRequest): WireMessage {
  const w = new Writer(512);
  spgId.encode(w, { pgid: TEST_PG, shard: -1 });
  w.u32(0);
  w.u32(epoch);
  w.u32(options.flags ?? opFlag.ONDISK | opFlag.ACK);
  writeReqid(w, options.reqid ?? { type: 0, num: 0, tid: 0, inc: 0 });
  w.zeros(24);
  w.u32(0);
  w.u32(1_700_000_000);
  w.u32(0);
  objectLocator.encode(w, { pool: TEST_PG.pool, key: '', nspace: options.nspace ?? '', hash: -1 });
  w.string(options.name ?? 'obj');
  w.u16(ops.length);
  const data: Uint8Array[] = [];
  for (const op of ops) {
    w.u16(op.code);
    w.u32(op.flags ?? 0);
    w.raw(op.union ?? new Uint8Array(28));
    w.u32(op.data?.length ?? 0);
    if (op.data !== undefined) data.push(op.data);
  }
  snapid.encode(w, options.snap ?? 0xfffffffffffff800);
  snapid.encode(w, options.snapSeq ?? 0);
  w.u32(options.snaps?.length ?? 0);
  for (const s of options.snaps ?? []) snapid.encode(w, s);
  w.s32(0);
  w.u64(~0n);
  return {
    type: messageTypeNumber.OSD_OP,
    version: 8,
    compatVersion: 3,
    priority: 127,
    tid,
    front: w.bytes(),
    middle: new Uint8Array(0),
    data: data.length > 1 ? [Buffer.concat(data)] : data,
    dataOffset: 0,
  };
}

/** What the messenger would put on the wire for this message is what its parts sum up to. */
function checkSums(message: WireMessage, sums: PartSums): void {
  const parts: Record<'front' | 'data', readonly Uint8Array[]> = { front: [message.front], data: message.data };
  for (const part of ['front', 'data'] as const) {
    const sum = parts[part].reduce((crc, bytes) => crc32c(crc, bytes), 0xffffffff);
    if (sums[part] < 0) sums[part] = sum;
    invariant(sums[part] === sum, `a message with another's sum of its ${part}`, { type: message.type });
  }
}
