/**
 * `sepiola objectstore-tool`: looks into the store of an OSD that is stopped, and changes it, in the manner of Ceph 16.2's `ceph-objectstore-tool`.
 * The file of an exported PG is Ceph's own, both ways.
 */

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrnoError } from '../../base/index.ts';
import { optionSpecs } from '../../config/index.ts';
import { DecodeError, Reader } from '../../encoding/index.ts';
import {
  installNativeCompressors,
  installNativeCrc32c,
  osDisk,
  systemClock,
  systemEntropy,
} from '../../runtime/index.ts';
import {
  DiskStore,
  type FsckOptions,
  type FsckReport,
  type ObjectStore,
  StoreError,
  Transaction,
} from '../../store/index.ts';
import {
  compareCompatSet,
  createFormatter,
  decodeOSDMapIncremental,
  dumpStoreStatfs,
  type Formatter,
  formatGhobject,
  formatSpgId,
  type Ghobject,
  ghobjectMax,
  ghobjectMin,
  hobjectMax,
  makeCompatSet,
  makeEversion,
  OSD_FEATURES_INCOMPAT,
  OSDMap,
  type OsdSuperblock,
  osdSuperblock,
  PastIntervals,
  parseSpgId,
  pgCollection,
  type SpgId,
} from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { claimDirectory } from '../claim.ts';
import { Args, readOptions, ToolExit, takeConfig, wantsHelp } from './args.ts';
import { ArchiveError } from './objectstore-tool-archive.ts';
import { dumpPgInfo, dumpPgLog, dumpPgMissing, dumpSuperblock } from './objectstore-tool-dump.ts';
import {
  collectionsOf,
  dumpList,
  type Filter,
  type Found,
  findObject,
  fixLost,
  objectCommands,
  objectsOf,
} from './objectstore-tool-objects.ts';
import { pgCollections, readPg, removePg, trimDups, trimLog, writeInfo } from './objectstore-tool-pg.ts';
import {
  CHUNK,
  err,
  failed,
  META,
  metaObject,
  out,
  readRest,
  readWhole,
  SUPERBLOCK,
  ToolRun,
  writeAll,
} from './objectstore-tool-run.ts';
import { dumpExport, exportPg, importPg, readOsdMap } from './objectstore-tool-transfer.ts';
import { OBJECTSTORE_TOOL_USAGE } from './objectstore-tool-usage.ts';

interface Request {
  dataPath: string | undefined;
  type: string | undefined;
  pgid: string;
  op: string;
  epoch: number;
  file: string | undefined;
  fsid: string | undefined;
  targetDataPath: string;
  format: string;
  debug: boolean;
  noSuperblock: boolean;
  force: boolean;
  head: boolean;
  dryRun: boolean;
  tty: boolean;
  nspace: string | undefined;
  rmtype: string | undefined;
  /** Options of the configuration that matter here. */
  blockSize: number;
  logEntriesMax: number;
  dupsTracked: number;
  words: string[];
}

const WRITES_FILE = ['export', 'export-remove', 'get-osdmap', 'get-inc-osdmap', 'get-superblock'];
const READS_FILE = ['import', 'dump-export', 'set-osdmap', 'set-inc-osdmap', 'set-superblock'];
const OF_ONE_PG = [
  'info',
  'log',
  'remove',
  'export',
  'export-remove',
  'mark-complete',
  'reset-last-complete',
  'trim-pg-log',
  'trim-pg-log-dups',
];
/** Known to Ceph's tool and not here, each with what to say. */
const NOT_HERE: Readonly<Record<string, string>> = {
  fuse: 'fuse support not enabled',
  'dump-journal': 'this store has no journal file; its log is replayed at every mount',
  'dump-journal-mount': 'this store has no journal file; its log is replayed at every mount',
  'apply-layout-settings': 'this store has no directories to lay out (filestore only)',
  'update-mon-db': 'rebuilding a monitor database is not there',
  'list-slow-omap': 'list-slow-omap is not there',
};

function defaultOf(option: string): number {
  return Number(optionSpecs().get(option)?.default ?? 0);
}

function usage(message = ''): ToolExit {
  if (message !== '') err(`${message}\n`);
  err(OBJECTSTORE_TOOL_USAGE);
  return new ToolExit(1);
}

function number(text: string): number {
  if (!/^\d+$/.test(text)) throw new ToolExit(1, `the argument ('${text}') for option is invalid\n`);
  return Number(text);
}

function parse(argv: readonly string[]): Request {
  const { rest } = takeConfig(argv.filter((_w, i) => !isOwnFsid(argv, i)));
  const q: Request = {
    dataPath: undefined,
    type: undefined,
    pgid: '',
    op: '',
    epoch: 0,
    file: undefined,
    fsid: ownFsid(argv),
    targetDataPath: '',
    format: 'json-pretty',
    debug: false,
    noSuperblock: false,
    force: false,
    head: false,
    dryRun: false,
    tty: false,
    nspace: undefined,
    rmtype: undefined,
    blockSize: defaultOf('bluestore_block_size'),
    logEntriesMax: defaultOf('osd_max_pg_log_entries'),
    dupsTracked: defaultOf('osd_pg_log_dups_tracked'),
    words: [],
  };
  const args = new Args(rest);
  const take = (changes: Partial<Request>): void => void Object.assign(q, changes);
  const set = (changes: Partial<Request>) => (): void => take(changes);
  const ignored = (): void => {};
  readOptions(args, {
    flags: {
      '--debug': set({ debug: true }),
      '--no-mon-config': ignored, // None is ever asked.
      '--no-superblock': set({ noSuperblock: true }),
      '--force': set({ force: true }),
      '--head': set({ head: true }),
      '--dry-run': set({ dryRun: true }),
      '--tty': set({ tty: true }),
      // Of filestore.
      '--skip-journal-replay': ignored,
      '--skip-mount-omap': ignored,
    },
    values: {
      '--type': (v) => take({ type: v }),
      '--data-path': (v) => take({ dataPath: v }),
      '--journal-path': ignored,
      '--pgid': (v) => take({ pgid: v }),
      '--pool': ignored,
      '--op': (v) => take({ op: v === 'dump-import' ? 'dump-export' : v }),
      '--epoch': (v) => take({ epoch: number(v) }),
      '--file': (v) => take({ file: v }),
      '--mon-store-path': ignored,
      '--target-data-path': (v) => take({ targetDataPath: v }),
      '--mountpoint': ignored,
      '--format': (v) => take({ format: v }),
      '--namespace': (v) => take({ nspace: v }),
      '--rmtype': (v) => take({ rmtype: v }),
      '--slow-omap-threshold': ignored,
      '--bluestore-block-size': (v) => take({ blockSize: number(v) }),
      '--osd-max-pg-log-entries': (v) => take({ logEntriesMax: number(v) }),
      '--osd-pg-log-dups-tracked': (v) => take({ dupsTracked: number(v) }),
    },
  });
  q.words = args.words;
  const unknown = q.words.find((w) => w.startsWith('--') && w.length > 2);
  if (unknown !== undefined) throw new ToolExit(1, `unrecognised option '${unknown}'\n`);
  if (q.words.length > 4)
    throw new ToolExit(1, 'too many positional options have been specified on the command line\n');
  return q;
}

/** --fsid is the tool's own here, and of the configuration in every other tool. */
function isOwnFsid(argv: readonly string[], i: number): boolean {
  return argv[i]!.startsWith('--fsid=') || argv[i] === '--fsid' || argv[i - 1] === '--fsid';
}

function ownFsid(argv: readonly string[]): string | undefined {
  const i = argv.findIndex((w) => w === '--fsid' || w.startsWith('--fsid='));
  return i < 0 ? undefined : argv[i] === '--fsid' ? argv[i + 1] : argv[i]!.slice('--fsid='.length);
}

// --- stores -------------------------------------------------------------------------------------------------------------------

function openStore(
  path: string,
  q: Request,
  onFailure: (error: StoreError) => void,
  acceptDamagedLog = false,
): DiskStore {
  return new DiskStore({ disk: osDisk, clock: systemClock, entropy: systemEntropy }, path, {
    size: Math.floor(q.blockSize / 4096) * 4096,
    syncInTurn_ms: 1,
    acceptDamagedLog,
    onFailure,
  });
}

/** Claims the directory of an OSD that must not run. */
function claim(path: string): () => void {
  try {
    return claimDirectory(path);
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    throw new ToolExit(1, `OSD has the store locked: ${error.message}; stop it first\n`);
  }
}

/** Does something with a mounted store, and ends it well. */
async function withStore<T>(
  q: Request,
  path: string,
  use: (run: ToolRun, store: DiskStore) => Promise<T> | T,
): Promise<T> {
  const release = claim(path);
  try {
    let failure: Error | undefined;
    let run: ToolRun | undefined;
    const store = openStore(path, q, (error) => {
      failure = error;
      run?.storeFailed(error);
    });
    try {
      await store.mount();
    } catch (error) {
      throw new ToolExit(1, `Mount failed with '${(error as Error).message}'\n`);
    }
    const isTty = q.tty || process.stdout.isTTY === true;
    run = new ToolRun(store, { debug: q.debug, force: q.force, dryRun: q.dryRun, tty: isTty });
    try {
      const result = await use(run, store);
      await store.umount();
      return result;
    } finally {
      store.close();
      if (failure !== undefined) err(`the store failed: ${failure.message}\n`);
    }
  } finally {
    release();
  }
}

// --- without a mounted store --------------------------------------------------------------------------------------------------

async function check(q: Request, path: string, what: 'fsck' | 'repair', deep: boolean): Promise<number> {
  const isRepair = what === 'repair' && !q.dryRun;
  let report = await checkOnce(q, path, { deep, repair: isRepair });
  for (const line of report.errors) err(`${line}\n`);
  if (isRepair && report.repaired > 0) {
    const before = report.errorCount;
    // Mending one thing may bring another to light, and what counts is what is left.
    report = await checkOnce(q, path, { deep, repair: true });
    if (report.repaired > 0) report = await checkOnce(q, path, { deep });
    err(`${before} error(s) found, ${report.errorCount} left\n`);
  }
  if (report.errorCount > 0) {
    err(`${what} status: ${report.errorCount} remaining error(s) and warning(s)\n`);
    return 1;
  }
  out(`${what} success\n`);
  return 0;
}

/** Checks the mounted store, or where damage forbids mounting, its last checkpoint. */
async function checkOnce(q: Request, path: string, options: FsckOptions): Promise<FsckReport> {
  const release = claim(path);
  try {
    const store = openStore(path, q, () => {}, options.repair === true && q.force);
    try {
      await store.mount();
      return store.fsck(options);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'corrupt') throw error;
      store.close();
      err(`cannot be mounted: ${error.message}\n`);
      const report = store.checkUnmounted(options);
      // What the log holds beyond is given up by `--op repair --force` alone.
      return report.errorCount > 0 ? report : { ...report, errors: [], errorCount: 1 };
    } finally {
      store.close();
    }
  } finally {
    release();
  }
}

async function mkfs(q: Request, path: string): Promise<number> {
  const fsid = q.fsid ?? randomUUID();
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(fsid)) {
    throw new ToolExit(1, `failed to parse uuid '${fsid}'\n`);
  }
  const release = claim(path);
  try {
    await openStore(path, q, () => {}).mkfs(fsid);
  } catch (error) {
    throw new ToolExit(1, `mkfs failed: ${(error as Error).message}\n`);
  } finally {
    release();
  }
  return 0;
}

/** `--op dup`: copies all collections into an empty store of the same fsid. */
async function dup(q: Request, path: string): Promise<number> {
  if (!existsSync(join(q.targetDataPath, 'type'))) throw new ToolExit(1, `Unable to open ${q.targetDataPath}/type\n`);
  const kind = readFileSync(join(q.targetDataPath, 'type'), 'utf8').trim();
  out(`dup from sepiola-disk: ${path}\n      to ${kind}: ${q.targetDataPath}\n`);
  return withStore(q, path, (from) =>
    withStore(q, q.targetDataPath, async (to) => {
      const [a, b] = [from.store.getMeta('fsid'), to.store.getMeta('fsid')];
      if (a !== b) throw new ToolExit(1, `src fsid ${a} != dest ${b}\n`);
      out(`fsid ${a}\n`);
      if (to.store.collections().length > 0) throw new ToolExit(1, 'destination store is not empty\n');
      const colls = from.store.collections();
      out(`${colls.length} collections\n`);
      for (const [i, coll] of colls.entries()) {
        out(`${i + 1}/${colls.length} ${coll}\n`);
        await dupCollection(from, to, coll);
      }
      out('keyring\n');
      const keyring = join(path, 'keyring');
      if (existsSync(keyring)) writeFileSync(join(q.targetDataPath, 'keyring'), readFileSync(keyring), { mode: 0o600 });
      out('duping osd metadata\n');
      for (const key of ['magic', 'whoami', 'ceph_fsid', 'fsid']) {
        const value = from.store.getMeta(key);
        if (value !== undefined && !q.dryRun) to.store.setMeta(key, value);
      }
      if (!q.dryRun) to.store.setMeta('ready', 'ready');
      out('done.\n');
      return 0;
    }),
  );
}

async function dupCollection(from: ToolRun, to: ToolRun, coll: string): Promise<void> {
  const { store } = from;
  let t = new Transaction();
  t.createCollection(coll, store.collectionBits(coll)!);
  await to.commit(coll, t);
  let objects = 0;
  let bytes = 0;
  let keys = 0;
  for (let next: Ghobject = ghobjectMin; !next.isMax; ) {
    const page = store.list(coll, next, undefined, 1000);
    for (const object of page.objects) {
      objects++;
      t = new Transaction();
      t.touch(coll, object);
      const attrs = store.getAttrs(coll, object)!;
      if (attrs.size > 0) t.setattrs(coll, object, attrs);
      const { size } = store.stat(coll, object)!;
      // Holes stay holes.
      for (const extent of store.extents(coll, object, 0, size)!) {
        for (let at = extent.offset; at < extent.offset + extent.length; at += CHUNK) {
          const length = Math.min(CHUNK, extent.offset + extent.length - at);
          t.write(coll, object, at, store.readSync(coll, object, at, length)!);
        }
      }
      t.truncate(coll, object, size);
      bytes += size;
      const header = store.omapHeader(coll, object)!;
      if (header.length > 0) {
        t.omapSetHeader(coll, object, header);
        keys++;
      }
      keys += await dupOmap(from, to, coll, object, t);
    }
    next = page.objects.length === 0 ? ghobjectMax : page.next;
  }
  const column = (n: number): string => String(n).padStart(16);
  out(`  ${column(objects)} objects, ${column(bytes)} bytes, ${column(keys)} keys\n`);
}

/** Commits `t` with the object's omap, in parts where it is long. */
async function dupOmap(
  from: ToolRun,
  to: ToolRun,
  coll: string,
  object: Ghobject,
  first: Transaction,
): Promise<number> {
  let t = first;
  let batch: (readonly [string, Uint8Array])[] = [];
  let length = 0;
  let keys = 0;
  for (const entry of [...from.store.omapIterate(coll, object, { from: '' })!]) {
    batch.push(entry);
    keys++;
    length += entry[0].length + entry[1].length;
    if (length < CHUNK) continue;
    t.omapSetKeys(coll, object, batch);
    await to.commit(coll, t);
    t = new Transaction();
    batch = [];
    length = 0;
  }
  if (batch.length > 0) t.omapSetKeys(coll, object, batch);
  await to.commit(coll, t);
  return keys;
}

// --- with a mounted store -----------------------------------------------------------------------------------------------------

interface Job {
  readonly q: Request;
  readonly run: ToolRun;
  readonly store: ObjectStore;
  readonly f: Formatter;
  readonly pgid: SpgId | undefined;
  readonly filter: Filter;
  /** Pretty lists have a line for each object. */
  readonly isHuman: boolean;
  /** Of the file that is read or written. */
  readonly fd: number | undefined;
  superblock(): OsdSuperblock;
}

/** Gives the tool's status. */
type Op = (job: Job) => Promise<number> | number;

const ops: Readonly<Record<string, Op>> = {
  list: ({ q, run, f, filter, pgid, isHuman }) => {
    const found = q.pgid === META ? objectsOf(run, META, filter) : inPgs(run, pgid, filter);
    dumpList(f, found, isHuman);
    return 0;
  },
  'meta-list': ({ q, run, f, isHuman }) => {
    dumpList(f, objectsOf(run, META, { name: q.words[0] ?? '', nspace: undefined, heads: false }), isHuman);
    return 0;
  },
  'list-pgs': ({ store }) => {
    for (const { pgid } of pgCollections(store)) out(`${formatSpgId(pgid)}\n`);
    return 0;
  },
  'fix-lost': async ({ run, pgid, filter }) => {
    await fixLost(run, inPgs(run, pgid, { ...filter, name: '' }));
    return 0;
  },
  'dump-super': (job) => {
    shown(job, 'superblock', (f) => dumpSuperblock(f, job.superblock()));
    return 0;
  },
  statfs: (job) => {
    const s = job.store.statfs();
    shown(job, 'statfs', (f) =>
      dumpStoreStatfs(f, {
        total: s.total,
        available: s.available,
        internallyReserved: 0,
        allocated: s.allocated,
        dataStored: s.stored,
        dataCompressed: s.compressedBytes,
        dataCompressedAllocated: s.compressedBytes,
        dataCompressedOriginal: s.compressedOriginalBytes,
        omapAllocated: s.omapBytes,
        internalMetadata: s.metadataBytes,
      }),
    );
    return 0;
  },
  import: async (job) => {
    try {
      const status = await importPg(job.run, job.fd!, job.superblock(), job.pgid);
      if (status === 0) out('Import successful\n');
      return status;
    } catch (error) {
      if (!(error instanceof ArchiveError || error instanceof DecodeError || error instanceof RangeError)) throw error;
      throw new ToolExit(1, `${error.message}\nCorrupt input for import\n`);
    }
  },
  'get-osdmap': (job) => {
    const epoch = job.q.epoch || job.superblock().currentEpoch;
    return giveFile(job, readOsdMap(job.run, epoch), `osdmap#${epoch} exported.\n`);
  },
  'get-inc-osdmap': (job) => {
    const epoch = job.q.epoch || job.superblock().currentEpoch;
    const bytes = readWhole(job.store, META, metaObject(`inc_osdmap.${epoch}`));
    if (bytes === undefined) throw failed(`Failed to get incremental osdmap# ${epoch}`, 2);
    return giveFile(job, bytes, `inc-osdmap#${epoch} exported.\n`);
  },
  'get-superblock': (job) => {
    const bytes = readWhole(job.store, META, SUPERBLOCK);
    if (bytes === undefined) throw failed('Failed to get superblock', 2);
    return giveFile(job, bytes, 'superblock exported.\n');
  },
  'set-osdmap': (job) => {
    const bytes = readRest(job.fd!);
    return setMap(job, 'osdmap', OSDMap.decode(bytes).epoch, bytes);
  },
  'set-inc-osdmap': (job) => {
    const bytes = readRest(job.fd!);
    return setMap(job, 'inc_osdmap', decodeOSDMapIncremental(bytes).epoch, bytes);
  },
  'set-superblock': async ({ run, store, fd }) => {
    const bytes = readRest(fd!);
    osdSuperblock.decode(new Reader(bytes));
    const t = new Transaction();
    if (!store.collectionExists(META)) t.createCollection(META, 0);
    putWhole(t, SUPERBLOCK, bytes);
    await run.commit(META, t);
    out('Superblock was set\n');
    return 0;
  },
  remove: async ({ q, run, pgid }) => {
    if (!q.force && !q.dryRun) throw new ToolExit(1, 'Please use export-remove or you must use --force option\n');
    if (!(await removePg(run, pgid!))) throw new ToolExit(1, `PG '${formatSpgId(pgid!)}' not found\n`);
    out('Remove successful\n');
    return 0;
  },
};

function* inPgs(run: ToolRun, pgid: SpgId | undefined, filter: Filter): IterableIterator<Found> {
  for (const coll of collectionsOf(run, pgid)) yield* objectsOf(run, coll, filter);
}

function shown({ f }: Job, section: string, fill: (f: Formatter) => void): void {
  f.openObject(section);
  fill(f);
  f.close();
  out(`${f.flush()}\n`);
}

function giveFile({ fd }: Job, bytes: Uint8Array, message: string): number {
  if (fd !== undefined) writeAll(fd, bytes);
  out(message);
  return 0;
}

function putWhole(t: Transaction, object: Ghobject, bytes: Uint8Array): void {
  t.touch(META, object);
  t.truncate(META, object, 0);
  t.write(META, object, 0, bytes);
}

async function setMap(
  { q, run, store }: Job,
  name: 'osdmap' | 'inc_osdmap',
  found: number,
  bytes: Uint8Array,
): Promise<number> {
  const epoch = q.epoch || found;
  const spoken = name === 'osdmap' ? 'osdmap' : 'inc-osdmap';
  if (epoch !== found) {
    err(`${name === 'osdmap' ? 'osdmap' : 'incremental'}.epoch mismatch: ${epoch} != ${found}\n`);
    if (!q.force) return 1;
    err('But will continue anyway.\n');
  }
  const object = metaObject(`${name}.${epoch}`);
  if (!store.exists(META, object)) {
    err(`${spoken} (${formatGhobject(object)}) does not exist.\n`);
    if (!q.force) return 1;
    out('Creating a new epoch.\n');
  }
  const t = new Transaction();
  putWhole(t, object, bytes);
  await run.commit(META, t);
  return 0;
}

/** Operations on a PG that is there. */
async function pgOp(job: Job): Promise<number> {
  const { q, run, store } = job;
  const pgid = job.pgid!;
  if (!store.collectionExists(pgCollection(pgid))) throw new ToolExit(1, `PG '${formatSpgId(pgid)}' not found\n`);
  const pg = readPg(store, pgid);
  if (pg === undefined) throw failed('read_info error', 2);
  const { info } = pg;
  switch (q.op) {
    case 'info':
      shown(job, 'info', (f) => dumpPgInfo(f, info));
      return 0;
    case 'log': {
      const { f } = job;
      f.openObject('op_log');
      f.openObject('pg_log_t');
      dumpPgLog(f, pg.log);
      f.close();
      f.openObject('pg_missing_t');
      dumpPgMissing(f, pg.missing);
      f.close();
      f.close();
      out(f.flush());
      return 0;
    }
    case 'export':
    case 'export-remove':
      exportPg(run, pg, job.superblock(), job.fd);
      err('Export successful\n');
      if (q.op === 'export-remove') {
        await removePg(run, pgid);
        err('Remove successful\n');
      }
      return 0;
    case 'mark-complete': {
      const { currentEpoch } = job.superblock();
      out('Marking complete \n');
      info.lastUpdate = makeEversion(currentEpoch, info.lastUpdate.version + 1);
      info.lastBackfill = hobjectMax;
      info.lastEpochStarted = currentEpoch;
      info.history.lastEpochStarted = currentEpoch;
      info.history.lastEpochClean = currentEpoch;
      await commitInfo(job, pg.epoch, info, PastIntervals.empty);
      out('Marking complete succeeded\n');
      return 0;
    }
    case 'reset-last-complete':
      if (!q.force) {
        throw new ToolExit(
          1,
          'WARNING: reset-last-complete is extremely dangerous and almost certain to lead to permanent data loss unless you know exactly what you are doing. Pass --force to proceed anyway.\n',
        );
      }
      out('Reseting last_complete \n');
      info.lastComplete = info.lastUpdate;
      await commitInfo(job, pg.epoch, info, pg.pastIntervals);
      out('Reseting last_complete succeeded\n');
      return 0;
    case 'trim-pg-log':
      await trimLog(run, pg, q.logEntriesMax);
      out('Finished trimming pg log\n');
      return 0;
    default:
      await trimDups(run, pg, q.dupsTracked);
      out('Finished trimming pg log dups\n');
      return 0;
  }
}

async function commitInfo(
  { run }: Job,
  epoch: number,
  info: Parameters<typeof writeInfo>[2],
  past: PastIntervals,
): Promise<void> {
  const t = new Transaction();
  writeInfo(t, epoch, info, past);
  await run.commit(pgCollection(info.pgid), t);
}

async function objectCommand(job: Job): Promise<number> {
  const { q, run, filter } = job;
  const [name = '', command = '', arg1, arg2] = q.words;
  const heads = filter.heads || command === 'remove-clone-metadata';
  const at = findObject(run, name, q.pgid, { ...filter, heads });
  if (!run.store.collectionExists(at.coll)) {
    throw new ToolExit(1, `PG '${job.pgid === undefined ? at.coll : formatSpgId(job.pgid)}' not found\n`);
  }
  const execute = objectCommands[command];
  if (execute === undefined) throw usage(`Unknown object command '${command}'`);
  await execute(run, at, { arg1, arg2, rmtype: q.rmtype, usage: () => usage() }, job.f);
  return 0;
}

/** Reads the superblock and checks that this program may work on such a store. */
function superblockOf(store: ObjectStore): OsdSuperblock {
  const bytes = readWhole(store, META, SUPERBLOCK);
  if (bytes === undefined) throw failed('Failure to read OSD superblock', 2);
  const sb = osdSuperblock.decode(new Reader(bytes));
  const supported = makeCompatSet(OSD_FEATURES_INCOMPAT);
  if (compareCompatSet(supported, sb.compatFeatures) < 0) {
    const lacking = [...sb.compatFeatures.incompat].filter(([id]) => !supported.incompat.has(id));
    throw new ToolExit(
      1,
      `On-disk OSD incompatible features set {${lacking.map(([id, n]) => `${id}=${n}`).join(',')}}\n`,
    );
  }
  return sb;
}

function openFile(q: Request): number | undefined {
  const isStandard = q.file === undefined || q.file === '-';
  if (WRITES_FILE.includes(q.op) && !q.dryRun) {
    if (!isStandard) return openAt(q.file!, 'w');
    if (q.tty || process.stdout.isTTY === true) {
      throw new ToolExit(1, 'stdout is a tty and no --file filename specified\n');
    }
    return 1;
  }
  if (READS_FILE.includes(q.op)) {
    if (!isStandard) return openAt(q.file!, 'r');
    if (process.stdin.isTTY === true) throw new ToolExit(1, 'stdin is a tty and no --file filename specified\n');
    return 0;
  }
  if (q.file !== undefined && !q.dryRun) {
    throw new ToolExit(
      1,
      '--file option only applies to import, dump-export, export, export-remove, get-osdmap, set-osdmap, get-superblock, set-superblock, get-inc-osdmap or set-inc-osdmap\n',
    );
  }
  return undefined;
}

function openAt(path: string, flags: string): number {
  try {
    const fd = openSync(path, flags, 0o666);
    if (fstatSync(fd).isDirectory()) throw new ErrnoError('EISDIR', path);
    return fd;
  } catch (error) {
    throw new ToolExit(1, `file: ${path}: ${strip(cppStrerror(errnoOf(error)))}\n`);
  }
}

/** As perror says it: without the number. */
function strip(text: string): string {
  return text.replace(/^\(\d+\) /, '');
}

async function run(q: Request): Promise<number> {
  const isList = q.op === 'list' || q.op === 'meta-list';
  const isHuman = isList && q.format.endsWith('-pretty');
  const f = createFormatter(isHuman ? q.format.slice(0, -'-pretty'.length) : q.format);
  if (f === undefined) throw new ToolExit(1, `unrecognized format: ${q.format}\n`);
  const fd = openFile(q);
  try {
    if (q.op === 'dump-export') {
      try {
        dumpExport(f, fd!, q.debug);
      } catch (error) {
        if (!(error instanceof ArchiveError || error instanceof DecodeError || error instanceof RangeError))
          throw error;
        throw failed(`${error.message}\ndump-export`, 14);
      }
      return 0;
    }
    const path = q.dataPath!;
    if (!existsSync(path)) throw new ToolExit(1, `data-path: ${path}: No such file or directory\n`);
    const pgid = q.pgid === '' || q.pgid === META ? undefined : parseSpgId(q.pgid);
    if (pgid === undefined && q.pgid !== '' && q.pgid !== META) {
      throw new ToolExit(1, `Invalid pgid '${q.pgid}' specified\n`);
    }
    if (q.op === 'fsck' || q.op === 'fsck-deep') return await check(q, path, 'fsck', q.op === 'fsck-deep');
    if (q.op === 'repair' || q.op === 'repair-deep') return await check(q, path, 'repair', q.op === 'repair-deep');
    if (q.op === 'mkfs') return await mkfs(q, path);
    if (q.op === 'dup') return await dup(q, path);
    return await withStore(q, path, async (toolRun, store) => {
      const needsSuper = !q.noSuperblock && q.op !== 'set-superblock';
      const superblock = needsSuper ? superblockOf(store) : undefined;
      const job: Job = {
        q,
        run: toolRun,
        store,
        f,
        pgid,
        filter: { name: isList ? (q.words[0] ?? '') : '', nspace: q.nspace, heads: q.head },
        isHuman,
        fd,
        superblock: () => superblock ?? superblockOf(store),
      };
      const status = await dispatch(job);
      if (q.dryRun) (q.op === 'export' ? err : out)('dry-run: Nothing changed\n');
      return status;
    });
  } finally {
    if (fd !== undefined && fd > 2) closeSync(fd);
  }
}

async function dispatch(job: Job): Promise<number> {
  const { q } = job;
  if (q.op === '') return objectCommand(job);
  const missing = NOT_HERE[q.op];
  if (missing !== undefined) throw new ToolExit(1, `${missing}\n`);
  if (OF_ONE_PG.includes(q.op) && job.pgid === undefined) throw usage('Must provide pgid');
  const op = ops[q.op] ?? (OF_ONE_PG.includes(q.op) ? pgOp : undefined);
  if (op === undefined) {
    throw usage(
      'Must provide --op (info, log, remove, mkfs, fsck, repair, export, export-remove, import, list, fix-lost, list-pgs, dump-journal, dump-super, meta-list, get-osdmap, set-osdmap, get-superblock, set-superblock, get-inc-osdmap, set-inc-osdmap, mark-complete, reset-last-complete, dump-export, trim-pg-log, trim-pg-log-dups, statfs)',
    );
  }
  return op(job);
}

/** Refuses command lines that make no sense, in the order and words of Ceph's tool. */
function checkRequest(q: Request): void {
  if (q.dataPath === undefined && q.op !== 'dump-export') throw usage('Must provide --data-path');
  const hasObject = q.words.length > 0;
  if (q.op === '' && !hasObject) throw usage('Must provide --op or object command...');
  const takesObject = q.op === 'list' || q.op === 'meta-list' || q.op === 'apply-layout-settings';
  if (q.op !== '' && hasObject && !takesObject) throw usage("Can't specify both --op and object command syntax");
  if (q.op === '' && q.words.length < 2) throw usage('Invalid syntax, missing command');
  const type = q.type;
  if (type !== undefined && !['bluestore', 'sepiola-disk'].includes(type)) {
    throw new ToolExit(1, `Unable to create store of type ${type}\n`);
  }
}

export async function objectstoreTool(argv: string[]): Promise<number> {
  try {
    if (wantsHelp(argv)) throw usage();
    installNativeCrc32c();
    installNativeCompressors();
    const q = parse(argv);
    checkRequest(q);
    return await run(q);
  } catch (error) {
    if (error instanceof ToolExit) {
      if (error.message !== '') err(error.message);
      return error.status;
    }
    if (error instanceof StoreError || error instanceof DecodeError || error instanceof ErrnoError) {
      err(`${error.message}\n`);
      return 1;
    }
    throw error;
  }
}
