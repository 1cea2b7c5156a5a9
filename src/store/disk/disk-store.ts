import {
  type Clock,
  compressorReady,
  type Disk,
  type DiskFile,
  type Entropy,
  invariant,
  type TimerHandle,
} from '../../base/index.ts';
import { decodeFromBytes, encodeToBytes } from '../../encoding/index.ts';
import { type Ghobject, ghobjectMin } from '../../types/index.ts';
import {
  type CollectionId,
  type CompressionOptions,
  type ObjectStat,
  type ObjectStore,
  type PoolSpace,
  StoreError,
  type StoreRoom,
  type StoreStats,
} from '../api.ts';
import { Arena } from '../arena.ts';
import { byteStringToBytes, bytesToByteString, toByteString } from '../byte-string.ts';
import { type DataChange, TransactionChecker } from '../check.ts';
import { compareCollectionIds } from '../collection-id.ts';
import { listRanges } from '../listing.ts';
import { collectionHolds, collectionRanges, fromSortKey, type SortKey } from '../object-key.ts';
import type { Transaction } from '../transaction.ts';
import { BlockAllocator } from './allocator.ts';
import { Applier, type RecordedWrite } from './apply.ts';
import { Checkpointer } from './checkpoint.ts';
import { CompressionPolicy } from './compression.ts';
import { CommitQueue, type DirectState, StoreCore } from './core.ts';
import { explain } from './corruption.ts';
import { ObjectData } from './data.ts';
import { checkMetaKey, StoreDirectory } from './directory.ts';
import {
  BLOCK_SIZE,
  FORMAT_FILE,
  FORMAT_NAME,
  FORMAT_VERSION,
  keys,
  NO_BLOCK,
  pageOfKey,
  type Superblock,
  superblock,
} from './format.ts';
import { type FsckOptions, type FsckReport, fsckStore } from './fsck.ts';
import { KeySpace } from './keyspace.ts';
import { Log } from './log.ts';
import { namedFrom } from './omap.ts';
import type { Onode } from './onode.ts';
import { type DiskStoreOptions, diskStoreDefaults } from './options.ts';
import { Puncher } from './puncher.ts';
import { objectsFrom, StoreReader } from './reader.ts';
import { recordLength, writeRecord } from './record.ts';
import { replayLog } from './replay.ts';
import { getSealed, rangeSealed, sealedPut } from './sealed.ts';
import { measureUsage, poolOf, Usage } from './usage.ts';

/** Blocks that may wait to be free before a checkpoint is started for their sake: 128 MiB. */
const PENDING_FREE_MAX = 32_768;

/** Times `deferredBytes` that data which is to be compressed may take in memory: beyond, it goes to the device as it is. */
const COMPRESSIBLE_WAITING = 8;

/** What a store needs of the world. */
export interface StoreEnvironment {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

interface Mounted {
  readonly core: StoreCore;
  readonly data: ObjectData;
  readonly reader: StoreReader;
  readonly applier: Applier;
  readonly checkpointer: Checkpointer;
  readonly checker: TransactionChecker;
  readonly log: Log;
  readonly logFile: DiskFile;
  readonly commits: CommitQueue;
  readonly puncher: Puncher;
}

/**
 * The durable store: a redo log, a block file and an ordered database in one directory.
 *
 * A transaction changes the state in memory at once and is appended to the log; one sync makes all durable that came while the one
 * before it ran. Checkpoints bring the changes into block file and database in the background; docs/store-format.md has the whole
 * picture, docs/decisions/store.md the reasons.
 */
export class DiskStore implements ObjectStore {
  readonly #env: StoreEnvironment;
  readonly #directory: StoreDirectory;
  readonly #options: DiskStoreOptions;
  #cacheBytes: number;
  readonly #compression: CompressionPolicy;
  #super: Superblock | undefined;
  #mounted: Mounted | undefined;
  #failure: StoreError | undefined;
  #timer: TimerHandle | undefined;
  /** Blocks and long-write bytes that the transactions being checked would take. */
  #wantedBlocks = 0;
  #wantedEdges = 0;
  #directBytes = 0;
  /** Whether all of them fit the log: only then may long writes wait there to be compressed. */
  #fitsLog = true;
  #trimTo = 0;

  constructor(env: StoreEnvironment, path: string, options: Partial<DiskStoreOptions> = {}) {
    this.#env = env;
    this.#directory = new StoreDirectory(env.disk, path);
    this.#options = { ...diskStoreDefaults, ...options };
    this.#cacheBytes = this.#options.cacheBytes;
    this.#compression = new CompressionPolicy(this.#options.compression);
  }

  // --- life -------------------------------------------------------------------------------------------------------------------

  async mkfs(fsid: string): Promise<void> {
    const { disk, entropy } = this.#env;
    disk.makeDirectory(this.#directory.path);
    if (disk.exists(this.#directory.file(FORMAT_FILE))) {
      throw new StoreError(
        'invalid',
        `${this.#directory.path} holds a store already; remove it first to make a new one`,
      );
    }
    const { logCapacity } = this.#options;
    const device = this.#directory.deviceSize();
    const size = device ?? this.#options.size;
    if (size % BLOCK_SIZE !== 0 || size < 1024 * BLOCK_SIZE || size / BLOCK_SIZE >= NO_BLOCK) {
      throw new StoreError(
        'invalid',
        `a block file of ${size} bytes: wants a multiple of ${BLOCK_SIZE}, 4 MiB to 16 TiB`,
      );
    }
    if (logCapacity % BLOCK_SIZE !== 0 || logCapacity < 64 * BLOCK_SIZE) {
      throw new StoreError(
        'invalid',
        `a log of ${logCapacity} bytes: wants a multiple of ${BLOCK_SIZE}, 256 KiB or more`,
      );
    }
    // What an mkfs that did not finish left behind.
    for (const name of ['kv', 'kv-lock', 'log', ...(device === undefined ? ['block'] : [])])
      if (disk.exists(this.#directory.file(name))) disk.remove(this.#directory.file(name));
    if (device === undefined) {
      const block = disk.openFile(this.#directory.file('block'), { create: true });
      block.truncateSync(size);
      block.syncSync();
      block.close();
    }
    const log = disk.openFile(this.#directory.file('log'), { create: true });
    log.syncSync();
    log.close();
    const kv = disk.openKv(this.#directory.file('kv'));
    const value: Superblock = {
      version: FORMAT_VERSION,
      fsid,
      storeId: (BigInt(entropy.u32()) << 32n) | BigInt(entropy.u32()),
      blockCount: size / BLOCK_SIZE,
      logCapacity,
      seq: 0,
      logStart: 0,
      logEpoch: 1,
      batchNumber: 1,
      nidNext: 1,
    };
    kv.commitSync([sealedPut(new Arena(), keys.superblock, encodeToBytes(superblock, value))]);
    kv.close();
    this.setMeta('fsid', fsid);
    // Last: a store without it was never finished.
    this.#directory.writeText(FORMAT_FILE, `${FORMAT_NAME} ${FORMAT_VERSION}`);
  }

  async mount(): Promise<void> {
    if (this.#mounted !== undefined) throw new StoreError('invalid', 'the store is mounted already');
    const version = this.#directory.checkVersion();
    const { disk, clock } = this.#env;
    const kv = disk.openKv(this.#directory.file('kv'));
    const stored = getSealed(kv, byteStringToBytes(keys.superblock));
    if (stored === undefined)
      throw new StoreError('corrupt', `${this.#directory.path}: the database has no superblock`);
    const sb = decodeFromBytes(superblock, stored);
    // Before anything is written in this version's way: from here on older programs refuse the store.
    if (version < FORMAT_VERSION) this.#directory.writeText(FORMAT_FILE, `${FORMAT_NAME} ${FORMAT_VERSION}`);
    sb.version = FORMAT_VERSION;
    this.#super = sb;
    const blocks = disk.openFile(this.#directory.file('block'), { direct: true });
    if (blocks.size() < sb.blockCount * BLOCK_SIZE) {
      const size = blocks.size();
      blocks.close();
      throw new StoreError(
        'invalid',
        `${this.#directory.file('block')} has ${size} bytes and its store was made on ${sb.blockCount * BLOCK_SIZE}: it is not the same, or was cut`,
      );
    }
    await blocks.punchesEnded?.();
    const logFile = disk.openFile(this.#directory.file('log'), { direct: true });
    const allocator = new BlockAllocator(sb.blockCount);
    for (const [key, value] of rangeSealed(kv, byteStringToBytes('A'), byteStringToBytes('B'))) {
      allocator.loadPage(pageOfKey(bytesToByteString(key)), value);
    }
    for (const [key, value] of rangeSealed(kv, byteStringToBytes('R'), byteStringToBytes('S'))) {
      allocator.loadReferences(pageOfKey(bytesToByteString(key)), value);
    }
    const space = new KeySpace(kv);
    const counted = getSealed(kv, byteStringToBytes(keys.usage));
    // A store of before format 3: counted once, with the first checkpoint stored.
    const usage = counted === undefined ? measureUsage(space, sb.blockCount) : Usage.decode(counted);
    for (const name of [...usage.compressorNames, ...this.#compression.algorithms]) await compressorReady(name);
    const core = new StoreCore({
      clock,
      kv,
      space,
      usage,
      blocks,
      allocator,
      nidNext: sb.nidNext,
      seq: sb.seq,
      cacheBytes: this.#cacheBytes,
    });
    for (const [key, value] of rangeSealed(kv, byteStringToBytes('C'), byteStringToBytes('D'))) {
      core.collections.set(bytesToByteString(key, 1), value[0]!);
    }
    const data = new ObjectData(core);
    const directState: { current: DirectState | undefined } = { current: undefined };
    const applier = new Applier(core, data, {
      isDirect: (length, o) => {
        const waiting = core.unplaced * BLOCK_SIZE;
        const { directBytes, deferredBytes } = this.#options;
        // Memory is short: let the data go now, whatever its size.
        if (length < directBytes && (length < BLOCK_SIZE || waiting <= 2 * deferredBytes)) return false;
        if (!this.#compression.isOn || !this.#fitsLog || waiting > COMPRESSIBLE_WAITING * deferredBytes) return true;
        // What is to be compressed waits in memory and log for the checkpoint that does it.
        return this.#compression.planFor(poolOf(o.name), o.hintFlags) === undefined;
      },
      start: (runs, buffers) => this.#startDirect(runs, buffers, directState.current!),
    });
    this.#directState = directState;
    const state = {
      storeId: sb.storeId,
      capacity: sb.logCapacity,
      syncInTurn_ms: this.#options.syncInTurn_ms,
      epoch: sb.logEpoch,
      position: sb.logStart,
      batchNumber: sb.batchNumber,
    };
    const end = replayLog(logFile, state, core, applier, this.#options.acceptDamagedLog);
    const commits = new CommitQueue();
    const log = new Log(
      logFile,
      clock,
      { ...state, epoch: sb.logEpoch + 1, position: end.position, batchNumber: end.batchNumber },
      {
        durable: (seq) => commits.logged(seq),
        failed: (error) => this.#fail(error),
        directSeq: () => commits.directSeq(core.seq),
      },
    );
    const checker = new TransactionChecker({
      collectionBits: (collection) => core.collections.get(collection),
      exists: (_collection, object) => core.lookup(object).exists,
      isEmptyExcept: (collection, gone) => this.#firstObject(collection, gone) === undefined,
      change: (kind, object, offset, length) => this.#checkChange(kind, object, offset, length),
    });
    const checkpointer = new Checkpointer({
      core,
      data,
      compression: this.#compression,
      superblock: (seq) => this.#encodeSuper(seq),
      committed: (generation) => {
        puncher.freed(generation.allocation);
        this.#committed();
      },
      failed: (error) => this.#fail(error),
    });
    let lookedAt = core.seq;
    const puncher = new Puncher({
      clock,
      allocator,
      blocks,
      after_ms: this.#options.punchAfter_ms,
      unitBytes: this.#options.punchBytes,
      discardDevices: this.#options.discardDevices,
      isBusy: () => {
        const before = lookedAt;
        lookedAt = core.seq;
        return commits.length > 0 || before !== lookedAt;
      },
      isShort: () => this.#directory.isShort(),
      notice: (message) => this.#options.onNotice?.(message),
    });
    this.#mounted = {
      core,
      data,
      reader: new StoreReader(core, data),
      applier,
      checkpointer,
      checker,
      log,
      logFile,
      commits,
      puncher,
    };
    // The log's new epoch becomes true before anything is written to it: what an earlier mount left beyond the end found by replay
    // can then never be taken for this mount's.
    if (core.generation.isClean) {
      const arena = new Arena();
      kv.commitSync([
        sealedPut(arena, keys.usage, core.usage.encode()),
        sealedPut(arena, keys.superblock, this.#encodeSuper(core.seq)),
      ]);
    } else await this.#checkpoint();
    core.pool.shrink(0);
    puncher.start();
  }
  #directState: { current: DirectState | undefined } = { current: undefined };

  #encodeSuper(seq: number): Uint8Array {
    const { core, log } = this.#mounted!;
    const start = log.startAfter(seq);
    this.#trimTo = start.position;
    return encodeToBytes(superblock, {
      ...this.#super!,
      seq,
      logStart: start.position,
      logEpoch: this.#super!.logEpoch + 1,
      batchNumber: start.batchNumber,
      nidNext: core.nidNext,
    });
  }

  limitCache(bytes: number): void {
    this.#cacheBytes = bytes;
    if (this.#mounted !== undefined) this.#mounted.core.cacheBytes_max = bytes;
  }

  /** What the cache of onodes holds, in bytes as it counts them and as they are now. For tests and tools. */
  get cacheUse(): { onodes: number; counted: number; bytes: number } {
    const { core } = this.#need();
    let bytes = 0;
    for (const o of core.onodes.values()) bytes += o.memory;
    return { onodes: core.onodes.size, counted: core.cacheBytes, bytes };
  }

  /** Number of the last transaction applied: they count from 1 at mkfs. For tests and tools. */
  get lastTransaction(): number {
    return this.#need().core.seq;
  }

  /** Bytes of free space that go back to the file system just now, and those that went since it was mounted. For tests and tools. */
  get punching(): { held: number; punched: number } {
    const { core, puncher } = this.#need();
    return { held: core.allocator.held * BLOCK_SIZE, punched: puncher.punched };
  }

  /** Whether an object's data lies in a block of the block file. For tests. */
  usesBlock(block: number): boolean {
    return this.#need().core.allocator.isBusy(block);
  }

  /**
   * Checks the store's structure, and deep all data. To be called right after `mount` or on an idle store: throws 'invalid' while changes
   * wait for a checkpoint. After a repair the store must be mounted anew.
   */
  fsck(options: FsckOptions = {}): FsckReport {
    const { core } = this.#need();
    if (core.frozen !== undefined || !core.generation.isClean) {
      throw new StoreError('invalid', 'fsck wants a store without changes that wait: stop its daemon first');
    }
    return fsckStore(
      {
        kv: core.kv,
        space: core.space,
        blocks: core.blocks,
        blockCount: core.allocator.blockCount,
        collections: core.collections,
        nidNext: core.nidNext,
      },
      options,
    );
  }

  /**
   * As {@link fsck}, of a store that is not mounted (and maybe cannot be): its last checkpoint is checked, what the log holds beyond is not looked at. Mends
   * what keeps a store from being mounted: damaged pages of the allocation map. Throws StoreError where there is no store or its superblock is gone.
   */
  checkUnmounted(options: FsckOptions = {}): FsckReport {
    if (this.#mounted !== undefined) throw new StoreError('invalid', 'the store is mounted');
    this.#directory.checkVersion();
    const { disk } = this.#env;
    const kv = disk.openKv(this.#directory.file('kv'));
    try {
      const stored = getSealed(kv, byteStringToBytes(keys.superblock));
      if (stored === undefined)
        throw new StoreError('corrupt', `${this.#directory.path}: the database has no superblock`);
      const sb = decodeFromBytes(superblock, stored);
      const blocks = disk.openFile(this.#directory.file('block'));
      try {
        const collections = new Map<CollectionId, number>();
        for (const [key, value] of rangeSealed(kv, byteStringToBytes('C'), byteStringToBytes('D'))) {
          collections.set(bytesToByteString(key, 1), value[0]!);
        }
        const space = new KeySpace(kv);
        return fsckStore({ kv, space, blocks, blockCount: sb.blockCount, collections, nidNext: sb.nidNext }, options);
      } finally {
        blocks.close();
      }
    } finally {
      kv.close();
    }
  }

  #checkpoint(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else {
        this.#onFailed.push(reject);
        this.#mounted!.checkpointer.start(() => {
          this.#onFailed = this.#onFailed.filter((f) => f !== reject);
          resolve();
        });
      }
    });
  }
  #onFailed: ((error: Error) => void)[] = [];

  #committed(): void {
    const m = this.#mounted;
    if (m === undefined) return;
    m.log.trim(this.#trimTo);
    m.core.pool.shrink(this.#options.deferredBytes / BLOCK_SIZE);
    this.#maybeCheckpoint();
  }

  async umount(): Promise<void> {
    const m = this.#mounted;
    if (m === undefined) return;
    if (this.#failure === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#onFailed.push(reject);
        m.commits.whenEmpty(resolve);
      });
      while (m.core.frozen !== undefined || !m.core.generation.isClean) await this.#checkpoint();
      await m.puncher.stop();
    }
    this.close();
  }

  /** Ends at once, as a crash would, but for the handles. What was acknowledged is durable. */
  close(): void {
    const m = this.#mounted;
    if (m === undefined) return;
    if (this.#timer !== undefined) this.#env.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#mounted = undefined;
    void m.puncher.stop();
    m.log.close();
    m.logFile.close();
    m.core.blocks.close();
    m.core.kv.close();
  }

  #fail(error: Error): void {
    // What was under way when the store was closed may end as it likes.
    if (this.#failure !== undefined || this.#mounted === undefined) return;
    const failure = new StoreError('io', `the store at ${this.#directory.path} failed: ${error.message}`);
    this.#failure = failure;
    for (const reject of this.#onFailed) reject(failure);
    this.#onFailed = [];
    const { onFailure } = this.#options;
    if (onFailure !== undefined) onFailure(failure);
    else {
      this.#env.clock.defer(() => {
        throw failure;
      });
    }
  }

  getMeta(key: string): string | undefined {
    checkMetaKey(key);
    return this.#directory.readText(key);
  }

  setMeta(key: string, value: string): void {
    checkMetaKey(key);
    this.#directory.writeText(key, value);
  }

  // --- transactions -----------------------------------------------------------------------------------------------------------

  #need(): Mounted {
    if (this.#mounted === undefined) throw new StoreError('invalid', 'the store is not mounted');
    return this.#mounted;
  }

  queueTransactions(_collection: CollectionId, transactions: readonly Transaction[], onCommit?: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    const m = this.#need();
    const { core } = m;
    this.#wantedBlocks = 0;
    this.#wantedEdges = 0;
    this.#directBytes = 0;
    let isChecked = false;
    core.trimCache();
    try {
      m.checker.check(transactions);
      this.#checkSpace(m, transactions);
      isChecked = true;
      const seq = core.seq + 1;
      const state: DirectState = { seq, writes: 0, durable: false };
      this.#directState.current = state;
      const direct: RecordedWrite[] = [];
      for (let i = 0; i < transactions.length; i++) m.applier.apply(transactions[i]!, i, direct);
      core.seq = seq;
      // Before the record is appended: the batch's header says how far the data of such writes is known to be durable.
      m.commits.add(seq, direct.length === 0 ? undefined : state, onCommit);
      const length = recordLength(transactions, direct);
      const { buffer, offset } = m.log.append(seq, length);
      const written = writeRecord(buffer, offset, transactions, direct);
      invariant(written === length, 'a record is not as long as reckoned', { written, length });
    } catch (error) {
      // Half applied: the state in memory is not one that the log leads to. Nothing of it may be acknowledged or stored.
      if (isChecked) this.#fail(error as Error);
      throw error;
    } finally {
      m.data.forgetPrefetched();
    }
    this.#maybeCheckpoint();
  }

  #checkChange(kind: DataChange, object: Ghobject, offset: number, length: number): void {
    const m = this.#mounted!;
    if (kind === 'clone') {
      // What waits in memory is copied; the rest is shared.
      for (const s of m.core.lookup(object).segments) this.#wantedBlocks += s?.memory?.length ?? 0;
      return;
    }
    if (kind === 'edges') this.#wantedEdges += 2;
    else if (length > 0) {
      const blocks = Math.floor((offset + length - 1) / BLOCK_SIZE) - Math.floor(offset / BLOCK_SIZE) + 1;
      this.#wantedBlocks += blocks;
      if (kind === 'write' && length >= this.#options.directBytes) this.#directBytes += (blocks - 2) * BLOCK_SIZE;
    }
    if (((offset % BLOCK_SIZE) | ((offset + length) % BLOCK_SIZE)) === 0) return;
    const o = m.core.lookup(object);
    if (!o.exists) return;
    try {
      m.data.prefetch(o, offset, length);
    } catch (error) {
      throw explain(error);
    }
  }

  #checkSpace(m: Mounted, transactions: readonly Transaction[]): void {
    const { core } = m;
    // Cutting and zeroing may take from what is kept back, since that is how a full store gets space.
    const free = core.allocator.free - core.unplaced - this.#wantedEdges;
    const left = this.#wantedBlocks > 0 ? free - this.#options.reserveBlocks : free;
    if (this.#wantedBlocks > left) {
      // What was deleted becomes free with the next checkpoint.
      if (core.allocator.pendingFree > 0 && core.frozen === undefined) m.checkpointer.start();
      throw new StoreError(
        'nospace',
        `${this.#wantedBlocks * BLOCK_SIZE} bytes wanted, ${Math.max(0, left) * BLOCK_SIZE} left`,
      );
    }
    let length = 0;
    for (const tx of transactions) length += tx.encodedLength;
    this.#fitsLog = length + 16_384 <= m.log.recordLength_max;
    // Whole blocks of long writes stay out of the record but for some six bytes each.
    if (length - this.#directBytes * 0.998 + 16_384 > m.log.recordLength_max) {
      throw new StoreError(
        'invalid',
        `a transaction of ${length} bytes besides long writes is more than the log takes`,
      );
    }
  }

  #startDirect(runs: readonly { start: number; count: number }[], buffers: Uint8Array[][], state: DirectState): void {
    const m = this.#mounted!;
    const { core } = m;
    const { generation } = core;
    for (let i = 0; i < runs.length; i++) {
      state.writes++;
      generation.directWrites++;
      core.blocks.write(buffers[i]!, runs[i]!.start * BLOCK_SIZE, (error) => {
        if (error !== null) {
          this.#fail(error);
          return;
        }
        generation.directWrites--;
        if (generation.directWrites === 0) generation.onDirectDone?.();
        state.writes--;
        if (state.writes > 0) return;
        core.syncBlocks((failure) => {
          if (failure !== null) {
            this.#fail(failure);
            return;
          }
          state.durable = true;
          m.commits.run();
        });
      });
    }
  }

  /** Starts a checkpoint where enough has gathered; else sees to it that one comes in time. */
  #maybeCheckpoint(): void {
    const m = this.#mounted;
    if (m === undefined || this.#failure !== undefined || m.core.frozen !== undefined) return;
    const { core, log } = m;
    const { generation } = core;
    const o = this.#options;
    if (
      core.unplaced * BLOCK_SIZE >= o.deferredBytes ||
      generation.metaBytes >= o.metaBytes ||
      generation.dirty.length >= 16_384 ||
      // Overwritten blocks are free again only after a checkpoint.
      core.allocator.pendingFree >= PENDING_FREE_MAX ||
      log.used + log.waiting >= log.capacity * 0.4
    ) {
      m.checkpointer.start();
      return;
    }
    if (this.#timer === undefined && !generation.isClean) {
      this.#timer = this.#env.clock.setTimer(o.checkpointInterval_ms, () => {
        this.#timer = undefined;
        if (this.#mounted === m && m.core.frozen === undefined && this.#failure === undefined) m.checkpointer.start();
      });
    }
  }

  // --- collections and listing ------------------------------------------------------------------------------------------------

  collections(): CollectionId[] {
    return [...this.#need().core.collections.keys()].sort(compareCollectionIds);
  }

  collectionExists(collection: CollectionId): boolean {
    return this.#need().core.collections.has(collection);
  }

  collectionBits(collection: CollectionId): number | undefined {
    return this.#need().core.collections.get(collection);
  }

  collectionEmpty(collection: CollectionId): boolean {
    return this.#firstObject(collection, () => false) === undefined;
  }

  #firstObject(collection: CollectionId, skip: (object: Ghobject) => boolean): Ghobject | undefined {
    const { core } = this.#need();
    const bits = core.collections.get(collection);
    if (bits === undefined) return undefined;
    const ranges = collectionRanges(collection, bits);
    const all = listRanges(ranges, ghobjectMin, undefined, Number.POSITIVE_INFINITY, (from, to) => {
      return filtered(objectsFrom(core, from, to), skip);
    });
    return all.objects[0];
  }

  list(
    collection: CollectionId,
    start: Ghobject,
    end: Ghobject | undefined,
    limit: number,
  ): { objects: Ghobject[]; next: Ghobject } {
    const { core } = this.#need();
    const bits = core.collections.get(collection);
    const ranges = bits === undefined ? [] : collectionRanges(collection, bits);
    return listRanges(ranges, start, end, limit, (from, to) => objectsFrom(core, from, to));
  }

  // --- reading ----------------------------------------------------------------------------------------------------------------

  #find(collection: CollectionId, name: Ghobject): Onode | undefined {
    const { core } = this.#need();
    const bits = core.collections.get(collection);
    if (bits === undefined || !collectionHolds(collection, bits, name)) return undefined;
    core.trimCache();
    return core.find(name);
  }

  exists(collection: CollectionId, object: Ghobject): boolean {
    return this.#find(collection, object) !== undefined;
  }

  stat(collection: CollectionId, object: Ghobject): ObjectStat | undefined {
    const o = this.#find(collection, object);
    return o === undefined ? undefined : { size: o.size };
  }

  readSync(collection: CollectionId, object: Ghobject, offset: number, length: number): Uint8Array[] | undefined {
    const o = this.#find(collection, object);
    if (o === undefined) return undefined;
    const end = length === 0 ? o.size : Math.min(o.size, offset + length);
    if (end <= offset) return [];
    try {
      return [this.#mounted!.data.readSync(o, offset, end - offset)];
    } catch (error) {
      throw explain(error, collection);
    }
  }

  read(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
    done: (error: Error | null, data: Uint8Array[] | undefined) => void,
  ): void {
    let o: Onode | undefined;
    try {
      o = this.#find(collection, object);
    } catch (error) {
      done(explain(error, collection), undefined);
      return;
    }
    if (o === undefined) {
      done(null, undefined);
      return;
    }
    const end = length === 0 ? o.size : Math.min(o.size, offset + length);
    if (end <= offset) {
      done(null, []);
      return;
    }
    this.#mounted!.reader.read(o, offset, end - offset, (error, data) => {
      done(error === null ? null : explain(error, collection), data === undefined ? undefined : [data]);
    });
  }

  extents(
    collection: CollectionId,
    object: Ghobject,
    offset: number,
    length: number,
  ): { offset: number; length: number }[] | undefined {
    const o = this.#find(collection, object);
    return o === undefined ? undefined : this.#mounted!.data.extents(o, offset, length);
  }

  getAttr(collection: CollectionId, object: Ghobject, name: string): Uint8Array | undefined {
    return this.#find(collection, object)?.attrs.get(name);
  }

  getAttrs(collection: CollectionId, object: Ghobject): ReadonlyMap<string, Uint8Array> | undefined {
    return this.#find(collection, object)?.attrs;
  }

  omapHeader(collection: CollectionId, object: Ghobject): Uint8Array | undefined {
    return this.#find(collection, object)?.omapHeader;
  }

  omapValues(
    collection: CollectionId,
    object: Ghobject,
    names: readonly string[],
  ): Map<string, Uint8Array> | undefined {
    const o = this.#find(collection, object);
    if (o === undefined) return undefined;
    const { applier, core } = this.#mounted!;
    const found = new Map<string, Uint8Array>();
    const omap = applier.omapOf(o);
    if (omap === undefined) return found;
    for (const name of names) {
      const value = omap.get(core.space, toByteString(name));
      if (value !== undefined) found.set(name, value);
    }
    return found;
  }

  omapIterate(
    collection: CollectionId,
    object: Ghobject,
    position: { after?: string; from?: string },
  ): Iterable<readonly [key: string, value: Uint8Array]> | undefined {
    const o = this.#find(collection, object);
    if (o === undefined) return undefined;
    const { applier, core } = this.#mounted!;
    const omap = applier.omapOf(o);
    if (omap === undefined) return [];
    const after = position.after === undefined ? undefined : toByteString(position.after);
    const from = after ?? toByteString(position.from ?? '');
    return namedFrom(omap.entries(core.space, from), after);
  }

  statfs(): StoreStats {
    const { core, log } = this.#need();
    const { allocated, stored, compressed, compressedAllocated, compressedOriginal } = core.usage.total;
    const omapBytes = core.usage.omap;
    return {
      ...this.room(),
      allocated,
      stored,
      omapBytes,
      // What is not omap, as Ceph has it.
      metadataBytes: Math.max(0, log.used + (core.kv.usedBytes?.() ?? 0) - omapBytes),
      compressedBytes: compressed,
      compressedAllocatedBytes: compressedAllocated,
      compressedOriginalBytes: compressedOriginal,
    };
  }

  room(): StoreRoom {
    const { core } = this.#need();
    const { allocator } = core;
    return {
      total: allocator.blockCount * BLOCK_SIZE,
      available: Math.max(0, allocator.free + allocator.held + allocator.pendingFree - core.unplaced) * BLOCK_SIZE,
    };
  }

  poolSpace(): ReadonlyMap<number, PoolSpace> {
    const pools = new Map<number, PoolSpace>();
    for (const [pool, use] of this.#need().core.usage.pools) {
      if (use.isEmpty) continue;
      pools.set(pool, {
        allocated: use.allocated,
        stored: use.stored,
        compressedBytes: use.compressed,
        compressedAllocatedBytes: use.compressedAllocated,
        compressedOriginalBytes: use.compressedOriginal,
      });
    }
    return pools;
  }

  setCompression(options: CompressionOptions): void {
    this.#compression.setDefaults(options);
  }

  setPoolCompression(pool: number, options: Partial<CompressionOptions> | undefined): void {
    this.#compression.setPool(pool, options);
  }

  compressionCounts(): { success: number; rejected: number } {
    return { ...this.#compression.counts };
  }

  alerts(): ReadonlyMap<string, string> {
    const missing = [...this.#compression.missing].sort();
    return new Map(missing.length === 0 ? [] : [['BLUESTORE_NO_COMPRESSION', `unable to load:${missing.join(', ')}`]]);
  }
}

function* filtered(
  objects: Iterable<readonly [SortKey, Ghobject | undefined]>,
  skip: (object: Ghobject) => boolean,
): IterableIterator<readonly [SortKey, Ghobject | undefined]> {
  for (const [key, known] of objects) {
    const name = known ?? fromSortKey(key);
    if (skip(name)) continue;
    yield [key, name];
    return;
  }
}
