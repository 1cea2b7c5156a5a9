/** Export, import and display of whole PGs. */
import { decodeFromBytes, type Reader } from '../../encoding/index.ts';
import { Transaction } from '../../store/index.ts';
import {
  compareCompatSet,
  dumpOSDMap,
  type Formatter,
  formatGhobject,
  formatSpgId,
  Ghobject,
  ghobjectMax,
  ghobjectMin,
  type Hobject,
  NO_GEN,
  NO_SHARD,
  OSDMap,
  type OsdSuperblock,
  objectInfo,
  type PgPool,
  pgCollection,
  pgSplitBits,
  pgSplitChildren,
  type SpgId,
  sameSpgId,
  snapSet,
} from '../../types/index.ts';
import { ToolExit } from './args.ts';
import {
  ArchiveError,
  ArchiveReader,
  ArchiveWriter,
  dataSection,
  objectBegin,
  omapHeaderSection,
  type PgMetadata,
  pgBegin,
  readEntries,
  readPgMetadata,
  section,
  writeEntries,
  writePgMetadata,
} from './objectstore-tool-archive.ts';
import {
  dumpGhobject,
  dumpObjectInfo,
  dumpPgInfo,
  dumpPgLog,
  dumpPgMissing,
  dumpSnapSet,
  formatCompatSet,
} from './objectstore-tool-dump.ts';
import { createPg, finishRemovals, formatPgInfo, type PgMeta, writePg } from './objectstore-tool-pg.ts';
import { CHUNK, cleanBytes, err, META, metaObject, out, readWhole, type ToolRun } from './objectstore-tool-run.ts';

/** CEPH_OSD_FEATURE_INCOMPAT_SHARDS: not needed to read a replicated PG. */
const FEATURE_SHARDS = 11;
const OMAP_BATCH = 25;
const LIST_BATCH = 300;
/** Objects of this namespace (osd_hit_set_namespace) stay with their PG whatever their hash. */
const HIT_SETS = '.ceph-internal';
/** Bytes of one object's import after which what came is committed. */
const COMMIT_BYTES = 4 * 1024 * 1024;

export function readOsdMap(run: ToolRun, epoch: number): Uint8Array {
  const bytes = readWhole(run.store, META, metaObject(`osdmap.${epoch}`));
  if (bytes === undefined) throw new ToolExit(1, `Can't find OSDMap for pg epoch ${epoch}\n`);
  return bytes;
}

// --- export -------------------------------------------------------------------------------------------------------------------

export function exportPg(run: ToolRun, pg: PgMeta, superblock: OsdSuperblock, fd: number | undefined): void {
  const { pgid } = pg.info;
  err(`Exporting ${formatSpgId(pgid)} info ${formatPgInfo(pg.info)}\n`);
  const archive = new ArchiveWriter(fd);
  archive.begin();
  const sb = { ...superblock, compatFeatures: superblock.compatFeatures };
  if (pgid.shard === NO_SHARD) sb.compatFeatures = withoutShards(sb.compatFeatures);
  archive.section(section.PG_BEGIN, (w) => pgBegin.encode(w, { pgid: pgid.pgid, superblock: sb, shard: pgid.shard }));
  const osdmap = readOsdMap(run, pg.epoch);
  archive.section(section.PG_METADATA, (w) => writePgMetadata(w, { ...pg, pgVersion: pg.version, osdmap }));
  const coll = pgCollection(pgid);
  for (let next = ghobjectMin; !next.isMax; ) {
    const found = run.store.list(coll, next, undefined, LIST_BATCH);
    for (const object of found.objects) {
      if (object.isPgMeta || object.hobj.isTemp || object.generation !== NO_GEN) continue;
      exportObject(run, archive, coll, object);
    }
    next = found.objects.length === 0 ? ghobjectMax : found.next;
  }
  archive.section(section.PG_END);
}

function withoutShards(features: OsdSuperblock['compatFeatures']): OsdSuperblock['compatFeatures'] {
  const incompat = new Map(features.incompat);
  incompat.delete(FEATURE_SHARDS);
  return { ...features, incompat };
}

function exportObject(run: ToolRun, archive: ArchiveWriter, coll: string, object: Ghobject): void {
  const { store } = run;
  err(`Read ${formatGhobject(object)}\n`);
  const attrs = store.getAttrs(coll, object);
  const info = attrs?.get('_');
  if (attrs === undefined || info === undefined) throw new ToolExit(1, 'getattr failure object_info -61\n');
  archive.section(section.OBJECT_BEGIN, (w) =>
    objectBegin.encode(w, {
      oid: object.hobj,
      generation: object.generation,
      shard: object.shard,
      info: decodeFromBytes(objectInfo, info),
    }),
  );
  const size = store.stat(coll, object)!.size;
  for (let offset = 0; offset < size; offset += CHUNK) {
    const data = Buffer.concat(store.readSync(coll, object, offset, Math.min(CHUNK, size - offset))!);
    archive.section(section.DATA, (w) => dataSection.encode(w, { offset, length: data.length, data }));
  }
  archive.section(section.ATTRS, (w) => writeEntries(w, attrs));
  const header = store.omapHeader(coll, object) ?? new Uint8Array(0);
  archive.section(section.OMAP_HDR, (w) => omapHeaderSection.encode(w, { header }));
  let batch: (readonly [string, Uint8Array])[] = [];
  for (const entry of store.omapIterate(coll, object, { from: '' }) ?? []) {
    batch.push(entry);
    if (batch.length < OMAP_BATCH) continue;
    archive.section(section.OMAP, (w) => writeEntries(w, batch));
    batch = [];
  }
  if (batch.length > 0) archive.section(section.OMAP, (w) => writeEntries(w, batch));
  archive.section(section.OBJECT_END);
}

// --- import -------------------------------------------------------------------------------------------------------------------

/** Reads the head of an archive: whose PG it is. */
function readBegin(archive: ArchiveReader, ofPool: string): { pgid: SpgId; superblock: OsdSuperblock } {
  archive.begin();
  const { type, content } = archive.next();
  if (type === section.POOL_BEGIN) throw new ToolExit(1, ofPool);
  if (type !== section.PG_BEGIN) throw new ArchiveError(`Invalid first section type ${type}`);
  const begin = pgBegin.decode(content);
  return { pgid: { pgid: begin.pgid, shard: begin.shard }, superblock: begin.superblock };
}

interface Import {
  readonly run: ToolRun;
  readonly archive: ArchiveReader;
  readonly pgid: SpgId;
  readonly coll: string;
  metadata: PgMetadata | undefined;
  /** The pool as it was when the PG was exported: says which objects are the PG's. */
  pool: PgPool | undefined;
  skipped: boolean;
}

/** Imports a PG. `wanted`: the one that the command line names, if it does. Gives the tool's status. */
export async function importPg(
  run: ToolRun,
  fd: number,
  superblock: OsdSuperblock,
  wanted: SpgId | undefined,
): Promise<number> {
  const { store, switches } = run;
  if (!switches.dryRun) await finishRemovals(run);
  const archive = new ArchiveReader(fd);
  const begin = readBegin(archive, 'Pool exports cannot be imported into a PG\n');
  const { pgid } = begin;
  if (wanted !== undefined && !sameSpgId(wanted, pgid)) {
    throw new ToolExit(1, `specified pgid ${formatSpgId(wanted)} does not match actual pgid ${formatSpgId(pgid)}\n`);
  }
  const theirs = begin.superblock;
  if (theirs.clusterFsid !== ZERO_FSID && theirs.clusterFsid !== superblock.clusterFsid) {
    throw new ToolExit(1, `Export came from different cluster with fsid ${theirs.clusterFsid}\n`);
  }
  run.debug(`Exported features: ${formatCompatSet(theirs.compatFeatures)}`);
  const needed = pgid.shard === NO_SHARD ? withoutShards(theirs.compatFeatures) : theirs.compatFeatures;
  if (compareCompatSet(superblock.compatFeatures, needed) < 0) {
    err(`Export has incompatible features set ${formatCompatSet(needed)}\n`);
    if (!switches.force) return 11;
  }
  const current = OSDMap.decode(readOsdMap(run, superblock.currentEpoch));
  if (current.pool(pgid.pgid.pool) === undefined) {
    err(`Pool ${pgid.pgid.pool} no longer exists\n`);
    return 10;
  }
  const coll = pgCollection(pgid);
  if (store.collectionExists(coll)) throw new ToolExit(1, `pgid ${formatSpgId(pgid)} already exists\n`);
  out(`Importing pgid ${formatSpgId(pgid)}\n`);
  const job: Import = { run, archive, pgid, coll, metadata: undefined, pool: undefined, skipped: false };
  for (;;) {
    const { type, content } = archive.next();
    run.debug(`do_import: Section type ${type}`);
    if (type === section.PG_END) break;
    if (type >= section.END_OF_TYPES) out('Skipping unknown section type\n');
    else if (type === section.OBJECT_BEGIN) await importObject(job, content);
    else if (type === section.PG_METADATA) {
      const status = await importMetadata(job, content, superblock, current);
      if (status !== 0) return status;
    } else throw new ArchiveError(`Unknown section type ${type}`);
  }
  if (job.metadata === undefined) throw new ArchiveError('Missing metadata section');
  await finishImport(job, job.metadata);
  return 0;
}

const ZERO_FSID = '00000000-0000-0000-0000-000000000000';

async function importMetadata(
  job: Import,
  content: Reader,
  superblock: OsdSuperblock,
  current: OSDMap,
): Promise<number> {
  const { run, pgid } = job;
  const m = readPgMetadata(content);
  const map = OSDMap.decode(m.osdmap);
  if (map.epoch !== m.epoch) throw new ArchiveError('FATAL: Invalid OSDMap epoch in export data');
  if (m.epoch > superblock.currentEpoch) {
    throw new ToolExit(
      1,
      `ERROR: Export PG's map_epoch ${m.epoch} > OSD's epoch ${superblock.currentEpoch}\n` +
        'The OSD you are using is older than the exported PG\n' +
        'Either use another OSD or join selected OSD to cluster to update it first\n',
    );
  }
  if (map.epoch < superblock.oldestMap) {
    err(`PG export's map ${map.epoch} is older than OSD's oldest_map ${superblock.oldestMap}\n`);
    if (!run.switches.force) {
      throw new ToolExit(1, ' pass --force to proceed anyway (with incomplete PastIntervals)\n');
    }
  }
  if (!sameSpgId(m.info.pgid, pgid)) {
    throw new ToolExit(
      1,
      `specified pgid ${formatSpgId(pgid)} does not match import file pgid ${formatSpgId(m.info.pgid)}\n`,
    );
  }
  const pool = map.pool(pgid.pgid.pool);
  if (pool === undefined) throw new ArchiveError(`the export's map lacks pool ${pgid.pgid.pool}`);
  // A PG that has since been divided must not come beside its children.
  const pgNum = current.pool(pgid.pgid.pool)!.pgNum;
  if (pgNum > pool.pgNum) {
    const children = pgSplitChildren(pgid.pgid, pool.pgNum, pgNum).map((p) => ({ pgid: p, shard: pgid.shard }));
    for (const child of children) {
      if (!run.store.collectionExists(pgCollection(child))) continue;
      err(
        `pgid ${formatSpgId(pgid)} splits to ${children.map(formatSpgId).join(',')} and ${formatSpgId(child)} exists\n`,
      );
      return 12;
    }
  } else if (pgNum < pool.pgNum) {
    err(
      `pgid ${formatSpgId(pgid)}: its pool had ${pool.pgNum} PGs then and has ${pgNum} now; merged PGs cannot be imported\n`,
    );
    return 12;
  }
  job.metadata = m;
  job.pool = pool;
  const t = new Transaction();
  createPg(t, pgid, pgSplitBits(pgid.pgid, pool.pgNum));
  await run.commit(job.coll, t);
  return 0;
}

/** Whether the object is of the PG, by the map that came with it. */
function belongs(job: Import, oid: Hobject): boolean {
  if (oid.nspace === HIT_SETS) return true;
  const key = oid.key === '' ? oid.oid : oid.key;
  return job.pool!.rawPgToPg(job.pool!.hashKey(key, oid.nspace)) === job.pgid.pgid.seed;
}

async function importObject(job: Import, content: Reader): Promise<void> {
  const { run, archive, coll, pgid } = job;
  if (job.metadata === undefined) throw new ArchiveError('an object before the metadata section');
  const begin = objectBegin.decode(content);
  const object = new Ghobject(begin.oid, begin.generation, begin.shard);
  const name = formatGhobject(object);
  if (begin.oid.isTemp) throw new ArchiveError(`ERROR: Export contains temporary object '${name}'`);
  if (begin.shard !== pgid.shard) {
    throw new ArchiveError(`INTERNAL ERROR: Importing shard ${pgid.shard} but object shard is ${begin.shard}`);
  }
  const isOurs = belongs(job, begin.oid);
  if (isOurs) out(`Write ${name}\n`);
  else {
    out(`Skipping object '${name}' which belongs in another pg\n`);
    job.skipped = true;
  }
  let t = new Transaction();
  let bytes = 0;
  if (isOurs) t.touch(coll, object);
  for (;;) {
    const { type, content: c } = archive.next();
    if (type === section.OBJECT_END) break;
    if (type >= section.END_OF_TYPES) {
      out('Skipping unknown object section type\n');
      continue;
    }
    bytes += c.remaining;
    if (type === section.DATA) {
      const { offset, data } = dataSection.decode(c);
      if (isOurs) t.write(coll, object, offset, data);
    } else if (type === section.ATTRS) {
      const attrs = readEntries(c);
      if (isOurs) t.setattrs(coll, object, attrs);
      reportSnapSet(object, attrs);
    } else if (type === section.OMAP_HDR) {
      const { header } = omapHeaderSection.decode(c);
      if (isOurs) t.omapSetHeader(coll, object, header);
    } else if (type === section.OMAP) {
      const entries = readEntries(c);
      if (isOurs) t.omapSetKeys(coll, object, entries);
    } else throw new ArchiveError(`Unknown section type ${type}`);
    if (isOurs && bytes >= COMMIT_BYTES) {
      // The whole PG is marked for removal until its end: nobody sees half an object.
      await run.commit(coll, t);
      t = new Transaction();
      bytes = 0;
    }
  }
  if (isOurs) await run.commit(coll, t);
}

/** Says which clones an object has, as Ceph's tool does while it files them in its snap mapper. Here clones are found by listing. */
function reportSnapSet(object: Ghobject, attrs: readonly [string, Uint8Array][]): void {
  if (!object.hobj.isHead || object.generation !== NO_GEN) return;
  const value = attrs.find(([name]) => name === 'snapset')?.[1];
  if (value === undefined) {
    err(`missing SS_ATTR on ${formatGhobject(object)}\n`);
    return;
  }
  const s = decodeFromBytes(snapSet, value);
  const clones = s.clones.map((c) => `${c.id.toString(16)}=[${c.snaps.map((n) => n.toString(16)).join(',')}]`);
  out(`snapset ${s.seq.toString(16)}={${clones.join(',')}}\n`);
}

async function finishImport(job: Import, m: PgMetadata): Promise<void> {
  const { run } = job;
  if (run.switches.dryRun) return;
  m.log.log = m.log.log.filter((e) => belongs(job, e.soid));
  for (const [key, { soid }] of m.missing.missing) if (!belongs(job, soid)) m.missing.missing.delete(key);
  if (job.skipped) m.info.stats.statsInvalid = true;
  out(`write_pg epoch ${m.epoch} info ${formatPgInfo(m.info)}\n`);
  const t = new Transaction();
  writePg(t, { ...m, version: m.pgVersion });
  await run.commit(job.coll, t);
}

// --- dump-export --------------------------------------------------------------------------------------------------------------

/** `--op dump-export`: shows what a file holds. */
export function dumpExport(f: Formatter, fd: number, isDebug: boolean): void {
  const archive = new ArchiveReader(fd);
  const write = (): void => out(f.flush());
  f.openObject('Export');
  const { pgid, superblock } = readBegin(archive, 'Dump of pool exports not supported\n');
  f.string('pgid', formatSpgId(pgid));
  f.string('cluster_fsid', superblock.clusterFsid);
  f.string('features', formatCompatSet(superblock.compatFeatures));
  let found = false;
  let started = false;
  for (;;) {
    const { type, content } = archive.next();
    if (isDebug) err(`dump_export: Section type ${type}\n`);
    if (type === section.PG_END) break;
    if (type >= section.END_OF_TYPES) err('Skipping unknown section type\n');
    else if (type === section.OBJECT_BEGIN) {
      if (!started) f.openArray('objects');
      started = true;
      dumpArchivedObject(f, archive, content, write);
    } else if (type === section.PG_METADATA) {
      if (started) err('WARNING: metadata_section out of order\n');
      dumpMetadata(f, readPgMetadata(content), write);
      found = true;
    } else throw new ArchiveError(`Unknown section type ${type}`);
  }
  if (started) f.close();
  if (!found) throw new ArchiveError('Missing metadata section');
  f.close();
  write();
}

function dumpMetadata(f: Formatter, m: PgMetadata, write: () => void): void {
  f.openObject('metadata_section');
  f.int('pg_disk_version', m.pgVersion);
  f.int('map_epoch', m.epoch);
  f.openObject('OSDMap');
  const map = OSDMap.decode(m.osdmap);
  dumpOSDMap(map, f);
  f.close();
  write();
  out('\n');
  f.openObject('info');
  dumpPgInfo(f, m.info);
  f.close();
  f.openObject('log');
  dumpPgLog(f, m.log);
  f.close();
  f.openObject('pg_missing_t');
  dumpPgMissing(f, m.missing);
  f.close();
  f.close();
  write();
  if (map.epoch !== m.epoch) throw new ArchiveError('FATAL: Invalid OSDMap epoch in export data');
}

function dumpArchivedObject(f: Formatter, archive: ArchiveReader, content: Reader, write: () => void): void {
  const begin = objectBegin.decode(content);
  const object = new Ghobject(begin.oid, begin.generation, begin.shard);
  if (begin.oid.isTemp) throw new ArchiveError(`ERROR: Export contains temporary object '${formatGhobject(object)}'`);
  f.openObject('object');
  f.openObject('oid');
  dumpGhobject(f, object);
  f.close();
  f.openObject('object_info');
  dumpObjectInfo(f, begin.info);
  f.close();
  for (;;) {
    const { type, content: c } = archive.next();
    if (type === section.OBJECT_END) break;
    if (type >= section.END_OF_TYPES) out('Skipping unknown object section type\n');
    else if (type === section.DATA) {
      const { offset, length } = dataSection.decode(c);
      f.openObject('data_block');
      f.int('offset', offset);
      f.int('len', length);
      f.close();
    } else if (type === section.ATTRS) dumpAttrs(f, object, readEntries(c));
    else if (type === section.OMAP_HDR) {
      f.openObject('omap_header');
      f.string('value', Buffer.from(omapHeaderSection.decode(c).header).toString());
      f.close();
    } else if (type === section.OMAP) {
      const entries = readEntries(c);
      f.openObject('omaps');
      f.int('count', entries.length);
      f.openArray('data');
      for (const [name, value] of entries) dumpNamed(f, 'omap', name, value);
      f.close();
      f.close();
    } else throw new ArchiveError(`Unknown section type ${type}`);
    write();
  }
  f.close();
}

function dumpNamed(f: Formatter, what: string, name: string, value: Uint8Array): void {
  const { text, isBase64 } = cleanBytes(value);
  f.openObject(what);
  f.string('name', name);
  f.string('value', text);
  f.bool('Base64', isBase64);
  f.close();
}

function dumpAttrs(f: Formatter, object: Ghobject, attrs: readonly [string, Uint8Array][]): void {
  if (object.generation === NO_GEN && object.hobj.isHead) {
    const value = attrs.find(([name]) => name === 'snapset')?.[1];
    f.openObject('snapset');
    if (value === undefined) f.string('error', 'missing SS_ATTR');
    else dumpSnapSet(f, decodeFromBytes(snapSet, value));
    f.close();
  }
  const isUser = (name: string): boolean => name.startsWith('_') && name.length > 1;
  f.openObject('attrs');
  f.openArray('user');
  for (const [name, value] of attrs) if (isUser(name)) dumpNamed(f, 'user_attr', name.slice(1), value);
  f.close();
  f.openArray('system');
  for (const [name] of attrs) {
    if (isUser(name)) continue;
    f.openObject('sys_attr');
    f.string('name', name);
    f.close();
  }
  f.close();
  f.close();
}
