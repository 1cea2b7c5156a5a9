/** Commands of `rados` for pools: lists, statistics, snapshots, copies. */
import { ALL_NAMESPACES, type PoolStats } from '../../client/index.ts';
import { encodeText } from '../../encoding/index.ts';
import { osdFlag } from '../../messages/index.ts';
import {
  CEPH_NOSNAP,
  dumpArray,
  dumpObject,
  type Formatter,
  formatBytes,
  type PoolSnapInfo,
  type Snapid,
  snapidToBigint,
  TextTable,
  type Utime,
} from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import { BenchCleaner } from './bench-cleanup.ts';
import { copyObject } from './copy.ts';
import { closeFile, openForWriting, writeFully } from './files.ts';
import { readSnaps } from './reads.ts';
import { err, fail, isErrno, orFail, out, printable } from './report.ts';
import type { Session } from './session.ts';

const ENOENT = 2;
const EEXIST = 17;
/** What marks the first of the objects that make up a striped one. */
const STRIPED_SUFFIX = '.0000000000000000';

export async function lspools(session: Session): Promise<number> {
  for (const { name } of session.rados.listPools()) out(`${name}\n`);
  return 0;
}

type PoolStatOf = PoolStats extends ReadonlyMap<string, infer S> ? S : never;

/** The columns of a pool, in bytes and numbers. */
function poolRow({ stats, storeStats, numStoreStats }: PoolStatOf): {
  readonly bytes: number;
  readonly counts: readonly number[];
  readonly io: readonly [readOps: number, readBytes: number, writeOps: number, writeBytes: number];
  readonly compressed: readonly [used: number, under: number];
} {
  const bytes =
    numStoreStats > 0 ? storeStats.allocated + storeStats.omapAllocated : stats.numBytes + stats.numOmapBytes;
  return {
    bytes,
    counts: [
      stats.numObjects,
      stats.numObjectClones,
      stats.numObjectCopies,
      stats.numObjectsMissingOnPrimary,
      stats.numObjectsUnfound,
      stats.numObjectsDegraded,
    ],
    io: [stats.numRd, stats.numRdKb * 1024, stats.numWr, stats.numWrKb * 1024],
    compressed: [storeStats.dataCompressedAllocated, storeStats.dataCompressedOriginal],
  };
}

const COUNT_NAMES = [
  'num_objects',
  'num_object_clones',
  'num_object_copies',
  'num_objects_missing_on_primary',
  'num_objects_unfound',
  'num_objects_degraded',
];

function dumpPool(f: Formatter, name: string, id: number | undefined, stat: PoolStatOf): void {
  const { bytes, counts, io, compressed } = poolRow(stat);
  dumpObject(f, 'pool', () => {
    f.string('name', name);
    if (id !== undefined) f.int('id', id);
    f.int('size_bytes', bytes);
    f.int('size_kb', Math.ceil(bytes / 1024));
    counts.forEach((n, i) => {
      f.int(COUNT_NAMES[i]!, n);
    });
    f.int('read_ops', io[0]);
    f.int('read_bytes', io[1]);
    f.int('write_ops', io[2]);
    f.int('write_bytes', io[3]);
    f.int('compress_bytes_used', compressed[0]);
    f.int('compress_under_bytes', compressed[1]);
  });
}

function dfTable(stats: PoolStats): string {
  const table = new TextTable().column('POOL_NAME', 'left');
  for (const heading of [
    'USED',
    'OBJECTS',
    'CLONES',
    'COPIES',
    'MISSING_ON_PRIMARY',
    'UNFOUND',
    'DEGRADED',
    'RD_OPS',
    'RD',
    'WR_OPS',
    'WR',
    'USED COMPR',
    'UNDER COMPR',
  ]) {
    table.column(heading, 'right');
  }
  for (const [name, stat] of stats) {
    const { bytes, counts, io, compressed } = poolRow(stat);
    const [readOps, readBytes, writeOps, writeBytes] = io;
    table.row(
      name,
      formatBytes(bytes),
      ...counts,
      readOps,
      formatBytes(readBytes),
      writeOps,
      formatBytes(writeBytes),
      ...compressed.map(formatBytes),
    );
  }
  return table.toString();
}

export async function df(session: Session): Promise<number> {
  const { rados, poolName } = session;
  const names = poolName === undefined ? rados.listPools().map((p) => p.name) : [poolName];
  const stats = await orFail(rados.poolStats(names), () => 'error fetching pool stats');
  const f = session.input.formatter;
  if (f === undefined) out(dfTable(stats));
  const total = await orFail(rados.statfs(), () => 'error getting total cluster usage');
  if (f === undefined) {
    out(
      `\ntotal_objects    ${total.numObjects}\ntotal_used       ${formatBytes(total.kbUsed * 1024)}\n` +
        `total_avail      ${formatBytes(total.kbAvail * 1024)}\ntotal_space      ${formatBytes(total.kb * 1024)}\n`,
    );
    return 0;
  }
  dumpObject(f, 'stats', () => {
    dumpArray(f, 'pools', stats, ([name, stat]) => dumpPool(f, name, rados.osdMap.poolId(name), stat));
    f.int('total_objects', total.numObjects);
    f.int('total_used', total.kbUsed);
    f.int('total_avail', total.kbAvail);
    f.int('total_space', total.kb);
  });
  out(f.flush());
  return 0;
}

/** Text is gathered up to this length before it is written. */
const WRITE_AT = 1 << 16;

export async function ls(session: Session): Promise<number> {
  if (!session.hasPool) fail('either pool name or pg id needs to be specified');
  const { io, pg, input } = session;
  const isWild = session.isEveryNamespace;
  if (isWild) io.nspace = ALL_NAMESPACES;
  const path = session.value('output');
  const given = input.words.args[1];
  if (path === undefined && given !== undefined && given !== '-') {
    fail('Please use --output to specify the output file name');
  }
  const fd = path === undefined ? undefined : openForWriting(path);
  const f = input.formatter;
  const isStriped = session.has('striper');
  let text = '';
  const write = (more: string): void => {
    text += more;
    if (text.length >= WRITE_AT) flush();
  };
  const flush = (): void => {
    if (fd === undefined) out(text);
    else writeFully(fd, encodeText(text));
    text = '';
  };
  const isXmlPretty = session.value('format') === 'xml-pretty';
  f?.openArray('objects');
  try {
    for await (const object of io.listObjects({ pg: pg?.seed })) {
      if (isStriped && !(object.oid.length > STRIPED_SUFFIX.length && object.oid.endsWith(STRIPED_SUFFIX))) continue;
      const oid = isStriped ? object.oid.slice(0, -STRIPED_SUFFIX.length) : object.oid;
      if (f === undefined) {
        const space = isWild ? `${object.nspace}\t` : '';
        write(`${space}${oid}${object.locator === '' ? '' : `\t${object.locator}`}\n`);
        continue;
      }
      dumpObject(f, 'object', () => {
        f.string('namespace', object.nspace);
        f.string('name', oid);
        if (object.locator !== '') f.string('locator', object.locator);
      });
      // The pretty form of XML ends with an empty line wherever it is cut.
      if (!isXmlPretty) write(f.flush());
    }
  } catch (error) {
    flush();
    if (!isErrno(error)) throw error;
    err(`${cppStrerror(error.errno)}\n`);
    return 1;
  }
  if (f !== undefined) {
    f.close();
    write(`${f.flush()}${session.has('prettyFormat') ? '\n' : ''}`);
  }
  flush();
  if (fd !== undefined) closeFile(fd);
  return 0;
}

// --- snapshots of a pool

function localStamp({ sec }: Utime): string {
  const d = new Date(sec * 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${String(d.getFullYear()).padStart(4, '0')}.${two(d.getMonth() + 1)}.${two(d.getDate())}`;
  return `${date} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** A snapshot of the pool by its name. */
function snapNamed(session: Session, name: string): PoolSnapInfo | undefined {
  return [...session.pool.snaps.values()].find((s) => s.name === name);
}

export async function lssnap(session: Session): Promise<number> {
  session.needPool();
  if (session.input.words.args.length !== 1) session.usage();
  const { snaps } = session.pool;
  for (const [id, { name, stamp }] of snaps) out(`${id}\t${name}\t${localStamp(stamp)}\n`);
  out(`${snaps.size} snaps\n`);
  return 0;
}

export async function mksnap(session: Session): Promise<number> {
  const pool = session.needPool();
  const name = session.input.words.args[1] ?? session.usage();
  if (session.pool.isUnmanagedSnapsMode) fail(`can't create snapshot: pool ${pool} is in selfmanaged snaps mode`);
  const isThere = snapNamed(session, name) !== undefined;
  await orFail(
    isThere ? Promise.reject({ errno: EEXIST }) : session.rados.createPoolSnap(session.io.poolId, name),
    () => `error creating pool ${pool} snapshot ${name}`,
  );
  out(`created pool ${pool} snap ${name}\n`);
  return 0;
}

export async function rmsnap(session: Session): Promise<number> {
  const pool = session.needPool();
  const name = session.input.words.args[1] ?? session.usage();
  const isThere = snapNamed(session, name) !== undefined;
  await orFail(
    isThere ? session.rados.removePoolSnap(session.io.poolId, name) : Promise.reject({ errno: ENOENT }),
    () => `error removing pool ${pool} snapshot ${name}`,
  );
  out(`removed pool ${pool} snap ${name}\n`);
  return 0;
}

export async function rollback(session: Session): Promise<number> {
  const pool = session.needPool();
  const [, oid, name] = session.input.words.args;
  if (oid === undefined || name === undefined) return session.usage();
  const snap = snapNamed(session, name);
  const back = snap === undefined ? Promise.reject({ errno: ENOENT }) : session.io.rollback(oid, snap.id);
  try {
    await back;
  } catch (error) {
    if (!isErrno(error)) throw error;
    fail(`error rolling back pool ${pool} to snapshot ${oid}${cppStrerror(error.errno)}`);
  }
  out(`rolled back pool ${pool} to snapshot ${name}\n`);
  return 0;
}

function snapText(snap: Snapid): string {
  return snapidToBigint(snap).toString();
}

export async function listsnaps(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  const { clones } = await orFail(
    readSnaps(session.io, oid),
    () => `error listing snap shots ${pool}/${printable(oid)}`,
  );
  const { snaps: poolSnaps } = session.pool;
  const f = session.input.formatter;
  if (f === undefined) {
    const isNamed = session.has('prettyFormat');
    out(`${printable(oid)}:\ncloneid\tsnaps\tsize\toverlap\n`);
    for (const { cloneid, snaps, size, overlap } of clones) {
      const isHead = cloneid === CEPH_NOSNAP;
      const shown = snaps.map((s) => {
        const name = isNamed ? poolSnaps.get(Number(snapText(s)))?.name : undefined;
        return name === undefined ? snapText(s) : `${name}(${snapText(s)})`;
      });
      out(`${isHead ? 'head' : snapText(cloneid)}\t${shown.length === 0 ? '-' : shown.join(',')}\t${size}`);
      if (!isHead) out(`\t[${overlap.map(([start, length]) => `${start}~${length}`).join(',')}]\n`);
    }
    out('\n');
    return 0;
  }
  dumpObject(f, 'object', () => {
    f.string('name', oid);
    dumpArray(f, 'clones', clones, ({ cloneid, snaps, size, overlap }) => {
      f.openObject('clone');
      const isHead = cloneid === CEPH_NOSNAP;
      if (isHead) f.string('id', 'head');
      else f.int('id', snapidToBigint(cloneid));
      dumpArray(f, 'snapshots', snaps, (s) => {
        f.openObject('snapshot');
        f.int('id', snapidToBigint(s));
        const name = poolSnaps.get(Number(snapText(s)))?.name;
        if (name !== undefined) f.string('name', name);
        f.close();
      });
      f.int('size', size);
      if (!isHead) {
        dumpArray(f, 'overlaps', overlap, ([start, length]) => {
          f.openObject('section');
          f.int('start', start);
          f.int('length', length);
          f.close();
        });
      }
      f.close();
    });
  });
  out(f.flush());
  return 0;
}

// --- whole pools

export async function cppool(session: Session): Promise<number> {
  const { args } = session.input.words;
  const isForced = args.length === 4 && args[3] === '--yes-i-really-mean-it';
  if (args.length !== 3 && !isForced) session.usage();
  const [, from, to] = args as [string, string, string];
  if (from === to) fail('cannot copy pool into itself');
  err('WARNING: pool copy does not preserve user_version, which some     apps may rely on.\n');
  const { rados } = session;
  const fromId = rados.osdMap.poolId(from);
  if (fromId === undefined) fail(`failed to query pool ${from} for selfmanaged snaps`, { errno: ENOENT });
  if (rados.osdMap.pool(fromId)!.isUnmanagedSnapsMode) {
    err(
      `WARNING: pool ${from} has selfmanaged snaps, which are not preserved\n    by the cppool operation.  This will break any snapshot user.\n`,
    );
    if (!isForced) {
      err('    If you insist on making a broken copy, you can pass\n    --yes-i-really-mean-it to proceed anyway.\n');
      return 1;
    }
  }
  try {
    await copyPool(session, from, to);
  } catch (error) {
    if (!isErrno(error)) throw error;
    fail(`error copying pool ${from} => ${to}`, error);
  }
  out(`successfully copied pool ${from}\n`);
  return 0;
}

async function copyPool({ rados }: Session, from: string, to: string): Promise<void> {
  const open = async (which: string, name: string): Promise<Awaited<ReturnType<typeof rados.openPool>>> => {
    try {
      return await rados.openPool(name);
    } catch (error) {
      err(`cannot open ${which} pool: ${name}\n`);
      throw error;
    }
  };
  const source = await open('source', from);
  const target = await open('target', to);
  const listing = await rados.openPool(from);
  listing.nspace = ALL_NAMESPACES;
  for await (const { nspace, oid, locator } of listing.listObjects()) {
    const name = nspace === '' ? oid : `${nspace}/${oid}`;
    out(`${from}:${name}${locator === '' ? '' : `(@${locator})`} => ${to}:${name}\n`);
    source.locatorKey = locator;
    source.nspace = nspace;
    target.nspace = nspace;
    try {
      await copyObject(source, oid, target, oid);
    } catch (error) {
      if (isErrno(error)) err(`error copying object: ${cppStrerror(error.errno)}\n`);
      throw error;
    }
  }
}

export async function purge(session: Session): Promise<number> {
  const [, name, consent] = session.input.words.args;
  if (name === undefined) return session.usage();
  if (consent !== '--yes-i-really-really-mean-it') {
    err(
      'WARNING:\n  This will PERMANENTLY DESTROY all objects from a pool with no way back.\n' +
        '  To confirm, follow pool with --yes-i-really-really-mean-it\n',
    );
    return 1;
  }
  const io = await orFail(session.openPool(name), () => `error pool ${name}`);
  io.nspace = ALL_NAMESPACES;
  io.flags |= osdFlag.FULL_TRY;
  const cleaner = new BenchCleaner(session.rados, io, session.number('concurrentIos') ?? 16, false);
  const result = await cleaner.removeByPrefix('');
  if (result >= 0) out(`successfully purged pool ${name}\n`);
  else {
    err(
      `pool ${name} could not be purged\n` +
        'Check your monitor configuration - `mon allow pool delete` is set to false by default, change it to true to allow deletion of pools\n',
    );
  }
  return result;
}
