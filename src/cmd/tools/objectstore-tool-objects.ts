/** Finding objects and what `sepiola objectstore-tool` does with one: its bytes, attributes, omap and what Ceph keeps in them. */
import { closeSync, openSync } from 'node:fs';
import { DecodeError, decodeFromBytes, encodeText, encodeToBytes } from '../../encoding/index.ts';
import { Transaction } from '../../store/index.ts';
import {
  type Formatter,
  formatGhobject,
  formatSpgId,
  Ghobject,
  ghobjectMax,
  ghobjectMin,
  Hobject,
  type ObjectInfo,
  objectInfo,
  objectInfoFlag,
  parsePgCollection,
  parseSpgId,
  pgCollection,
  pgMetaObject,
  type SnapSet,
  type SpgId,
  sameSpgId,
  snapidFromBigint,
  snapSet,
} from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { ToolExit } from './args.ts';
import { dumpGhobject, dumpObjectInfo, dumpSnapSet } from './objectstore-tool-dump.ts';
import { pgCollections } from './objectstore-tool-pg.ts';
import {
  CHUNK,
  cleanForTty,
  err,
  failed,
  META,
  out,
  readFull,
  readRest,
  type ToolRun,
  writeAll,
} from './objectstore-tool-run.ts';

const ENOENT = 2;
const EINVAL = 22;
const ENODATA = 61;

/** An object and the collection it is in. */
export interface Found {
  readonly coll: string;
  readonly object: Ghobject;
}

/** What a listing is narrowed to. */
export interface Filter {
  /** Empty: any. */
  readonly name: string;
  readonly nspace: string | undefined;
  /** Only heads. */
  readonly heads: boolean;
}

/** Objects of a collection that pass; those without readable object_info_t are told. */
export function* objectsOf(run: ToolRun, coll: string, filter: Filter): IterableIterator<Found> {
  const { store } = run;
  for (let next = ghobjectMin; !next.isMax; ) {
    const page = store.list(coll, next, undefined, 100);
    for (const object of page.objects) {
      if (object.isPgMeta) continue;
      if (coll !== META) checkInfo(run, coll, object);
      const { hobj } = object;
      if (filter.heads && !hobj.isHead) continue;
      if (filter.name !== '' && hobj.oid !== filter.name) continue;
      if (filter.nspace !== undefined && hobj.nspace !== filter.nspace) continue;
      yield { coll, object };
    }
    next = page.objects.length === 0 ? ghobjectMax : page.next;
  }
}

function checkInfo(run: ToolRun, coll: string, object: Ghobject): void {
  const value = run.store.getAttr(coll, object, '_');
  const what = `attr on : ${coll},${formatGhobject(object)}`;
  if (value === undefined) {
    err(`Error getting ${what}, ${cppStrerror(ENODATA)}\n`);
    return;
  }
  try {
    decodeFromBytes(objectInfo, value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    err(`Error decoding ${what}, ${cppStrerror(EINVAL)}\n`);
  }
}

/** Collections of a PG; without a shard named, of all its shards. */
export function collectionsOf(run: ToolRun, pgid: SpgId | undefined): string[] {
  const all = pgCollections(run.store);
  if (pgid === undefined) return all.map((c) => c.coll);
  const matches = (p: SpgId): boolean =>
    sameSpgId(p, pgid) || (pgid.shard < 0 && p.pgid.pool === pgid.pgid.pool && p.pgid.seed === pgid.pgid.seed);
  return all.filter((c) => matches(c.pgid)).map((c) => c.coll);
}

/** `--op list` and `--op meta-list`. Pretty formats have a line for each object. */
export function dumpList(f: Formatter, found: Iterable<Found>, isHuman: boolean): void {
  if (!isHuman) f.openArray('pgid_objects');
  for (const { coll, object } of found) {
    const pgid = parsePgCollection(coll);
    f.openArray('pgid_object');
    if (pgid !== undefined) f.string('pgid', formatSpgId(pgid));
    if (pgid === undefined || !isHuman) f.string('coll', coll);
    f.openObject('ghobject');
    dumpGhobject(f, object);
    f.close();
    f.close();
    if (isHuman) out(`${f.flush()}\n`);
  }
  if (!isHuman) {
    f.close();
    out(`${f.flush()}\n`);
  }
}

// --- naming one object --------------------------------------------------------------------------------------------------------

/** The object that a command line names: '' for the PG's meta object, the JSON that `--op list` shows, or a name. */
export function findObject(run: ToolRun, text: string, pgidText: string, filter: Filter): Found {
  const pgid = pgidText === '' ? undefined : parseSpgId(pgidText);
  if (text === '') {
    if (pgid === undefined) throw new ToolExit(1, "The object '' needs --pgid\n");
    return { coll: pgCollection(pgid), object: pgMetaObject(pgid) };
  }
  const spec = parseSpec(text);
  if (spec === undefined) return findByName(run, text, pgid, filter);
  let coll = pgidText === META ? META : pgid === undefined ? undefined : pgCollection(pgid);
  let fields: unknown = spec;
  if (Array.isArray(spec)) {
    if (spec.length !== 2) throw new ToolExit(1, `Object '${text}' must be a JSON array with 2 elements\n`);
    const [where, object] = spec as unknown[];
    if (typeof where !== 'string') {
      throw new ToolExit(1, `Object '${text}' must be a JSON array with the first element a string\n`);
    }
    const there = where === META ? META : collectionOfText(where);
    if (coll !== undefined && coll !== there) {
      throw new ToolExit(1, `object '${where}' has a pgid different from the --pgid=${pgidText} option\n`);
    }
    coll = there;
    fields = object;
  } else if (coll === undefined) {
    throw new ToolExit(1, `Without --pgid the object '${text}' must be a JSON array\n`);
  }
  const object = objectOfJson(fields);
  if (coll !== META) checkHome(run, coll!, object);
  return { coll: coll!, object };
}

function collectionOfText(text: string): string {
  const pgid = parseSpgId(text);
  if (pgid === undefined) throw new ToolExit(1, `Invalid pgid '${text}' specified\n`);
  return pgCollection(pgid);
}

/** An array or object of JSON; undefined for whatever else the text is. */
function parseSpec(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function findByName(run: ToolRun, name: string, pgid: SpgId | undefined, filter: Filter): Found {
  const colls = pgid === undefined ? collectionsOf(run, undefined) : [pgCollection(pgid)];
  const found: Found[] = [];
  for (const coll of colls) found.push(...objectsOf(run, coll, { ...filter, name }));
  if (found.length === 0) throw new ToolExit(1, `No object id '${name}' found or invalid JSON specified\n`);
  if (found.length > 1) {
    throw new ToolExit(
      1,
      `Found ${found.length} objects with id '${name}', please use a JSON spec from --op list instead\n`,
    );
  }
  return found[0]!;
}

function checkHome(run: ToolRun, coll: string, object: Ghobject): void {
  const pgid = parsePgCollection(coll)!;
  if (pgid.pgid.pool !== object.hobj.pool) throw new ToolExit(1, "Object pool and pgid pool don't match\n");
  const bits = run.store.collectionBits(coll);
  if (bits === undefined) throw new ToolExit(1, `PG '${formatSpgId(pgid)}' not found\n`);
  const mask = bits >= 32 ? 0xffffffff : 2 ** bits - 1;
  if ((object.hobj.hash & mask) >>> 0 !== (pgid.pgid.seed & mask) >>> 0 || object.shard !== pgid.shard) {
    throw new ToolExit(1, `object ${formatGhobject(object)} not contained by pg ${formatSpgId(pgid)}\n`);
  }
}

/** The object that the fields of `--op list` name. */
export function objectOfJson(value: unknown): Ghobject {
  const fail = (what: string): ToolExit => new ToolExit(1, `Decode object JSON error: ${what}\n`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail('value type is not an object');
  const fields = value as Record<string, unknown>;
  const text = (name: string): string => {
    const v = fields[name] ?? '';
    if (typeof v !== 'string') throw fail(`${name} is not a string`);
    return v;
  };
  const int = (name: string, missing: number): number => {
    const v = fields[name] ?? missing;
    if (typeof v !== 'number' || !Number.isInteger(v)) throw fail(`${name} is not an integer`);
    return v;
  };
  const hobj = new Hobject(
    text('oid'),
    text('key'),
    snapidFromBigint(BigInt(int('snapid', 0))),
    int('hash', 0),
    int('pool', 0),
    text('namespace'),
  );
  const generation = fields.generation;
  return generation === undefined && fields.shard_id === undefined
    ? new Ghobject(hobj)
    : new Ghobject(hobj, generation === undefined ? undefined : int('generation', 0), int('shard_id', -1));
}

// --- commands -----------------------------------------------------------------------------------------------------------------

/** The words after the object. */
export interface CommandWords {
  readonly arg1: string | undefined;
  readonly arg2: string | undefined;
  /** --rmtype: without the object itself (`snapmap`), or everything. */
  readonly rmtype: string | undefined;
  usage(): ToolExit;
}

type Command = (run: ToolRun, at: Found, words: CommandWords, f: Formatter) => Promise<void> | void;

export const objectCommands: Readonly<Record<string, Command>> = {
  remove: (run, at, words) => remove(run, at, false, words),
  removeall: (run, at, words) => remove(run, at, true, words),
  'list-attrs': listAttrs,
  'list-omap': listOmap,
  'get-bytes': getBytes,
  'set-bytes': setBytes,
  'get-attr': getAttr,
  'set-attr': (run, at, words) =>
    setNamed(run, at, words, (t, name, value) => t.setattr(at.coll, at.object, name, value)),
  'rm-attr': (run, at, words) => removeNamed(run, at, words, (t, name) => t.rmattr(at.coll, at.object, name)),
  'get-omap': getOmap,
  'set-omap': (run, at, words) =>
    setNamed(run, at, words, (t, key, value) => t.omapSetKeys(at.coll, at.object, [[key, value]])),
  'rm-omap': (run, at, words) => removeNamed(run, at, words, (t, key) => t.omapRmKeys(at.coll, at.object, [key])),
  'get-omaphdr': getOmapHeader,
  'set-omaphdr': setOmapHeader,
  dump,
  'set-size': (run, at, words) => setSize(run, at, words, false),
  'corrupt-size': (run, at, words) => setSize(run, at, words, true),
  'clear-data-digest': clearDataDigest,
  'remove-clone-metadata': removeCloneMetadata,
};

function show(run: ToolRun, bytes: Uint8Array): void {
  if (run.switches.tty) out(`${cleanForTty(bytes)}\n`);
  else out(bytes);
}

function needObject(run: ToolRun, { coll, object }: Found, what: string): void {
  if (!run.store.exists(coll, object)) throw failed(what, ENOENT);
}

/** Opens where input is to come from; `-` and nothing: standard input. */
function withInput<T>(path: string | undefined, use: (fd: number) => T): T {
  if (path === undefined || path === '-') {
    if (process.stdin.isTTY === true) throw new ToolExit(1, 'stdin is a tty and no file specified\n');
    return use(0);
  }
  const fd = openAt(path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function openAt(path: string, flags: string): number {
  try {
    return openSync(path, flags, 0o666);
  } catch (error) {
    throw new ToolExit(1, `open ${path} ${cppStrerror(errnoOf(error))}\n`);
  }
}

function listAttrs(run: ToolRun, at: Found): void {
  const attrs = run.store.getAttrs(at.coll, at.object);
  if (attrs === undefined) throw failed('getattrs', ENOENT);
  for (const name of [...attrs.keys()].sort()) out(`${run.switches.tty ? cleanForTty(encodeText(name)) : name}\n`);
}

function listOmap(run: ToolRun, at: Found): void {
  const entries = run.store.omapIterate(at.coll, at.object, { from: '' });
  if (entries === undefined) throw failed('omap_get_iterator', ENOENT);
  for (const [key] of entries) out(`${run.switches.tty ? cleanForTty(encodeText(key)) : key}\n`);
}

function getBytes(run: ToolRun, at: Found, { arg1 }: CommandWords): void {
  const { store } = run;
  const size = store.stat(at.coll, at.object)?.size;
  const fd = arg1 === undefined || arg1 === '-' ? 1 : openAt(arg1, 'wx');
  if (size === undefined) throw failed('get-bytes', ENOENT);
  for (let offset = 0; offset < size; offset += CHUNK) {
    for (const part of store.readSync(at.coll, at.object, offset, Math.min(CHUNK, size - offset))!) writeAll(fd, part);
  }
  if (fd !== 1) closeSync(fd);
}

/** Bytes of a transaction: what does not fit goes into further ones. */
const COMMIT_BYTES = 8 * CHUNK;

async function setBytes(run: ToolRun, at: Found, { arg1 }: CommandWords): Promise<void> {
  const { coll, object } = at;
  const parts = withInput(arg1, (fd) => {
    const read: Uint8Array[] = [];
    for (;;) {
      const part = new Uint8Array(CHUNK);
      const n = readFull(fd, part);
      if (n > 0) read.push(part.subarray(0, n));
      if (n < CHUNK) return read;
    }
  });
  let t = new Transaction();
  t.touch(coll, object);
  t.truncate(coll, object, 0);
  let offset = 0;
  let since = 0;
  for (const part of parts) {
    t.write(coll, object, offset, part);
    offset += part.length;
    since += part.length;
    if (since < COMMIT_BYTES) continue;
    await run.commit(coll, t);
    t = new Transaction();
    since = 0;
  }
  await run.commit(coll, t);
}

function getAttr(run: ToolRun, at: Found, words: CommandWords): void {
  if (words.arg1 === undefined) throw words.usage();
  needObject(run, at, 'getattr');
  const value = run.store.getAttr(at.coll, at.object, words.arg1);
  if (value === undefined) throw failed('getattr', ENODATA);
  show(run, value);
}

async function setNamed(
  run: ToolRun,
  at: Found,
  words: CommandWords,
  put: (t: Transaction, name: string, value: Uint8Array) => void,
): Promise<void> {
  const { arg1 } = words;
  if (arg1 === undefined) throw words.usage();
  const value = withInput(words.arg2, readRest);
  const t = new Transaction();
  t.touch(at.coll, at.object);
  put(t, arg1, value);
  await run.commit(at.coll, t);
}

async function removeNamed(
  run: ToolRun,
  at: Found,
  words: CommandWords,
  drop: (t: Transaction, name: string) => void,
): Promise<void> {
  if (words.arg1 === undefined) throw words.usage();
  needObject(run, at, 'remove');
  const t = new Transaction();
  drop(t, words.arg1);
  await run.commit(at.coll, t);
}

function getOmap(run: ToolRun, at: Found, words: CommandWords): void {
  const { arg1 } = words;
  if (arg1 === undefined) throw words.usage();
  const values = run.store.omapValues(at.coll, at.object, [arg1]);
  if (values === undefined) throw failed('omap_get_values', ENOENT);
  const value = values.get(arg1);
  if (value === undefined) throw new ToolExit(1, 'Key not found\n');
  show(run, value);
}

function getOmapHeader(run: ToolRun, at: Found, words: CommandWords): void {
  if (words.arg1 !== undefined) throw words.usage();
  needObject(run, at, 'omap_get_header');
  show(run, run.store.omapHeader(at.coll, at.object) ?? new Uint8Array(0));
}

async function setOmapHeader(run: ToolRun, at: Found, words: CommandWords): Promise<void> {
  if (words.arg2 !== undefined) throw words.usage();
  const header = withInput(words.arg1, readRest);
  const t = new Transaction();
  t.touch(at.coll, at.object);
  t.omapSetHeader(at.coll, at.object, header);
  await run.commit(at.coll, t);
}

// --- what Ceph keeps in attributes --------------------------------------------------------------------------------------------

function readInfo(run: ToolRun, { coll, object }: Found): ObjectInfo {
  const value = run.store.getAttr(coll, object, '_');
  const what = `Error getting attr on : ${coll},${formatGhobject(object)}`;
  if (value === undefined) {
    throw new ToolExit(1, `${what}, ${cppStrerror(run.store.exists(coll, object) ? ENODATA : ENOENT)}\n`);
  }
  try {
    return decodeFromBytes(objectInfo, value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new ToolExit(1, `${what}, ${cppStrerror(EINVAL)}\n`);
  }
}

function readSnapSet(run: ToolRun, coll: string, object: Ghobject): SnapSet {
  const value = run.store.getAttr(coll, object, 'snapset');
  const where = `snapset on : ${coll},${formatGhobject(object)}`;
  if (value === undefined) {
    const code = run.store.exists(coll, object) ? ENODATA : ENOENT;
    throw new ToolExit(1, `Error getting ${where}, ${cppStrerror(code)}\n`);
  }
  try {
    return decodeFromBytes(snapSet, value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new ToolExit(1, `Error decoding ${where}, ${cppStrerror(EINVAL)}\n`);
  }
}

function withHead({ object }: Found): Ghobject {
  return new Ghobject(object.hobj.head, object.generation, object.shard);
}

function dump(run: ToolRun, at: Found, words: CommandWords, f: Formatter): void {
  if (words.arg1 !== undefined) throw words.usage();
  const { store } = run;
  const { coll, object } = at;
  let failure: ToolExit | undefined;
  const attempt = (section: string, fill: () => void): void => {
    try {
      f.openObject(section);
      fill();
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error;
      failure = error;
    }
    f.close();
  };
  f.openObject('obj');
  f.openObject('id');
  dumpGhobject(f, object);
  f.close();
  attempt('info', () => dumpObjectInfo(f, readInfo(run, at)));
  const stat = store.stat(coll, object);
  if (stat === undefined) failure ??= failed(`Error stat on : ${coll},${formatGhobject(object)}`, ENOENT);
  else {
    f.openObject('stat');
    f.int('size', stat.size);
    f.int('blksize', 4096);
    f.int('blocks', Math.ceil(stat.size / 4096));
    f.int('nlink', 1);
    f.close();
  }
  if (object.hobj.isHead) attempt('SnapSet', () => dumpSnapSet(f, readSnapSet(run, coll, object)));
  const extents = store.extents(coll, object, 0, stat?.size ?? 0) ?? [];
  f.openObject('onode');
  f.int('size', stat?.size ?? 0);
  f.openObject('attrs');
  for (const [name, value] of store.getAttrs(coll, object) ?? []) {
    f.openObject('attr');
    f.string('name', name);
    f.int('len', value.length);
    f.close();
  }
  f.close();
  f.openArray('extents');
  for (const extent of extents) {
    f.openObject('extent');
    f.int('logical_offset', extent.offset);
    f.int('length', extent.length);
    f.close();
  }
  f.close();
  f.close();
  f.close();
  out(`${f.flush()}\n`);
  if (failure !== undefined) throw failure;
}

async function remove(run: ToolRun, at: Found, all: boolean, words: CommandWords): Promise<void> {
  const { coll, object } = at;
  const { force } = run.switches;
  needObject(run, at, 'remove');
  let clones: readonly { id: number }[] = [];
  if (object.hobj.isHead && coll !== META) {
    try {
      clones = readSnapSet(run, coll, object).clones;
    } catch (error) {
      // A head whose SnapSet cannot be read may be removed by force.
      if (!(error instanceof ToolExit) || !force || all) throw error;
      err(error.message);
    }
  }
  if (clones.length > 0 && !all) {
    if (!force) throw new ToolExit(1, 'Clones are present, use removeall to delete everything\n');
    out('WARNING: only removing head with clones present\n');
    clones = [];
  }
  // There is no snap mapper here: clones are found by listing. So `snapmap` alone leaves nothing to remove.
  const isObject = words.rmtype !== 'snapmap';
  const t = new Transaction();
  for (const { id } of clones) {
    const clone = new Ghobject(object.hobj.withSnap(id), object.generation, object.shard);
    out(`remove clone ${formatGhobject(clone)}\n`);
    if (isObject) t.remove(coll, clone);
  }
  out(`remove ${formatGhobject(object)}\n`);
  if (isObject) t.remove(coll, object);
  await run.commit(coll, t);
}

async function setSize(run: ToolRun, at: Found, words: CommandWords, corrupt: boolean): Promise<void> {
  const { coll, object } = at;
  const { arg1 } = words;
  if (arg1 === undefined || words.arg2 !== undefined) throw words.usage();
  if (!/^\d/.test(arg1)) throw new ToolExit(1, `Invalid size '${arg1}' specified\n`);
  const size = Number.parseInt(arg1, 10);
  const info = readInfo(run, at);
  const stat = run.store.stat(coll, object)!.size;
  const head = withHead(at);
  const { isSnap } = object.hobj;
  const snaps = isSnap ? readSnapSet(run, coll, head) : undefined;
  const clone = snaps?.clones.find((c) => c.id === object.hobj.snap);
  if (isSnap && clone === undefined) {
    throw new ToolExit(1, `SnapSet is missing clone_size for snap ${object.hobj.snap.toString(16)}\n`);
  }
  if (stat === size && info.size === size && (clone === undefined || clone.size === size)) {
    out(`Size of object is already ${size}\n`);
    return;
  }
  const cloneText = clone === undefined ? '' : `, head clone_size ${clone.size}`;
  out(`Setting size to ${size}, stat size ${stat}, obj info size ${info.size}${cloneText}\n`);
  const t = new Transaction();
  info.size = size;
  if (!corrupt && stat !== size) {
    t.truncate(coll, object, size);
    forgetDataDigest(info);
  }
  t.setattr(coll, object, '_', encodeToBytes(objectInfo, info));
  if (snaps !== undefined) {
    const clones = snaps.clones.map((c) => (c === clone ? { ...c, size } : c));
    t.setattr(coll, head, 'snapset', encodeToBytes(snapSet, { ...snaps, clones }));
  }
  await run.commit(coll, t);
}

function forgetDataDigest(info: ObjectInfo): void {
  info.flags &= ~objectInfoFlag.DATA_DIGEST;
  info.dataDigest = 0xffffffff;
}

async function clearDataDigest(run: ToolRun, at: Found): Promise<void> {
  const info = readInfo(run, at);
  forgetDataDigest(info);
  const t = new Transaction();
  t.setattr(at.coll, at.object, '_', encodeToBytes(objectInfo, info));
  await run.commit(at.coll, t);
}

async function removeCloneMetadata(run: ToolRun, at: Found, words: CommandWords): Promise<void> {
  const { arg1 } = words;
  if (arg1 === undefined || words.arg2 !== undefined) throw words.usage();
  if (!at.object.hobj.isHead) throw new ToolExit(1, "'remove-clone-metadata' requires a head or snapdir object\n");
  if (!/^\d/.test(arg1)) throw new ToolExit(1, `Invalid cloneid '${arg1}' specified\n`);
  const id = Number.parseInt(arg1, 10);
  const set = readSnapSet(run, at.coll, at.object);
  const i = set.clones.findIndex((c) => c.id === id);
  if (i < 0) throw new ToolExit(1, `Clone ${id.toString(16)} not present\n`);
  const gone = set.clones[i]!;
  // What the next older clone shares with the one after it now passes through the one that goes.
  const clones = set.clones.map((c, k) => (k === i - 1 ? { ...c, overlap: c.overlap.intersection(gone.overlap) } : c));
  clones.splice(i, 1);
  const t = new Transaction();
  t.setattr(at.coll, at.object, 'snapset', encodeToBytes(snapSet, { ...set, clones }));
  await run.commit(at.coll, t);
  if (run.switches.dryRun) return;
  out(`Removal of clone ${id.toString(16)} complete\n`);
  out('Use pg repair after OSD restarted to correct stat information\n');
}

/** `--op fix-lost`: takes the mark of a lost object off. */
export async function fixLost(run: ToolRun, found: Iterable<Found>): Promise<void> {
  for (const at of [...found]) {
    const info = readInfo(run, at);
    if ((info.flags & objectInfoFlag.LOST) === 0) continue;
    out(`${at.coll}/${formatGhobject(at.object)} is lost${run.switches.dryRun ? '' : ', fixing'}\n`);
    info.flags &= ~objectInfoFlag.LOST;
    const t = new Transaction();
    t.setattr(at.coll, at.object, '_', encodeToBytes(objectInfo, info));
    await run.commit(at.coll, t);
  }
}
