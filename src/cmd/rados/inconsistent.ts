/** `rados list-inconsistent-*`: what scrubs found of PGs, objects and their clones. */
import type { InconsistentOptions, IoCtx } from '../../client/index.ts';
import { decodeFromBytes } from '../../encoding/index.ts';
import {
  CEPH_NOSNAP,
  CEPH_SNAPDIR,
  dumpArray,
  dumpObject,
  type Formatter,
  type InconsistentObject,
  type InconsistentSnapset,
  type ObjectId,
  objectError,
  objectInfo,
  type ShardInfo,
  shardError,
  snapSet,
  snapsetError,
} from '../../types/index.ts';
import { dumpObjectInfo, dumpSnapSet } from '../tools/objectstore-tool-dump.ts';
import { err, isErrno, out } from './report.ts';
import { parsePgName, type Session } from './session.ts';

const ENOENT = 2;
const EAGAIN = 11;
/** Attributes of the OSD's own. */
const INFO_ATTR = '_';
const SNAPSET_ATTR = 'snapset';

/** Errors of copies in the order in which they are listed; those of erasure-coded pools are not in the types' table. */
const SHARD_ERRORS: readonly (readonly [bit: number, name: string])[] = [
  [shardError.MISSING, 'missing'],
  [shardError.STAT_ERROR, 'stat_error'],
  [shardError.READ_ERROR, 'read_error'],
  [shardError.DATA_DIGEST_MISMATCH_INFO, 'data_digest_mismatch_info'],
  [shardError.OMAP_DIGEST_MISMATCH_INFO, 'omap_digest_mismatch_info'],
  [shardError.SIZE_MISMATCH_INFO, 'size_mismatch_info'],
  [1 << 12, 'ec_hash_error'],
  [1 << 13, 'ec_size_error'],
  [shardError.INFO_MISSING, 'info_missing'],
  [shardError.INFO_CORRUPTED, 'info_corrupted'],
  [shardError.OBJ_SIZE_INFO_MISMATCH, 'obj_size_info_mismatch'],
  [shardError.SNAPSET_MISSING, 'snapset_missing'],
  [shardError.SNAPSET_CORRUPTED, 'snapset_corrupted'],
  [1 << 19, 'hinfo_missing'],
  [1 << 20, 'hinfo_corrupted'],
];

const OBJECT_ERRORS: readonly (readonly [bit: number, name: string])[] = [
  [objectError.OBJECT_INFO_INCONSISTENCY, 'object_info_inconsistency'],
  [objectError.DATA_DIGEST_MISMATCH, 'data_digest_mismatch'],
  [objectError.OMAP_DIGEST_MISMATCH, 'omap_digest_mismatch'],
  [objectError.SIZE_MISMATCH, 'size_mismatch'],
  [objectError.ATTR_VALUE_MISMATCH, 'attr_value_mismatch'],
  [objectError.ATTR_NAME_MISMATCH, 'attr_name_mismatch'],
  [objectError.SNAPSET_INCONSISTENCY, 'snapset_inconsistency'],
  [1 << 10, 'hinfo_inconsistency'],
  [objectError.SIZE_TOO_LARGE, 'size_too_large'],
];

const SNAPSET_ERRORS: readonly (readonly [bit: number, name: string])[] = [
  [snapsetError.SNAPSET_MISSING, 'snapset_missing'],
  [snapsetError.SNAPSET_CORRUPTED, 'snapset_corrupted'],
  [snapsetError.INFO_MISSING, 'info_missing'],
  [snapsetError.INFO_CORRUPTED, 'info_corrupted'],
  [snapsetError.SNAP_ERROR, 'snapset_error'],
  [snapsetError.HEADLESS_CLONE, 'headless'],
  [snapsetError.SIZE_MISMATCH, 'size_mismatch'],
  [snapsetError.EXTRA_CLONES, 'extra_clones'],
  [snapsetError.CLONE_MISSING, 'clone_missing'],
];

function dumpErrors(
  f: Formatter,
  name: string,
  errors: number,
  table: readonly (readonly [bit: number, name: string])[],
): void {
  const there = table.filter(([bit]) => (errors & bit) !== 0);
  dumpArray(f, name, there, ([, text]) => f.string('error', text));
}

function dumpObjectId(f: Formatter, { name, nspace, locator, snap }: ObjectId): void {
  f.string('name', name);
  f.string('nspace', nspace);
  f.string('locator', locator);
  if (snap === CEPH_NOSNAP) f.string('snap', 'head');
  else if (snap === CEPH_SNAPDIR) f.string('snap', 'snapdir');
  else f.int('snap', snap);
}

/** A text, or base64 where it holds what cannot be shown. */
function shown(bytes: Uint8Array): { text: string; isBase64: boolean } {
  const isBase64 = bytes.some((b) => b < 0x20 || b === 0x7f);
  return { text: Buffer.from(bytes).toString(isBase64 ? 'base64' : 'latin1'), isBase64 };
}

/** An attribute of a copy: what `dump` makes of it, or, where it is damaged, its bytes. */
function dumpAttribute(
  f: Formatter,
  name: string,
  value: Uint8Array | undefined,
  isDamaged: boolean,
  dump: (value: Uint8Array) => void,
): void {
  if (value === undefined) return;
  if (isDamaged) f.string(name, shown(value).text);
  else dumpObject(f, name, () => dump(value));
}

const hex8 = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;

function dumpShard(f: Formatter, shard: ShardInfo, { errors, unionErrors }: InconsistentObject): void {
  const has = (bits: number): boolean => (shard.errors & bits) !== 0;
  dumpErrors(f, 'errors', shard.errors, SHARD_ERRORS);
  if (has(shardError.MISSING)) return;
  if (!has(shardError.STAT_ERROR)) f.int('size', shard.size);
  if (shard.omapDigest !== undefined) f.string('omap_digest', hex8(shard.omapDigest));
  if (shard.dataDigest !== undefined) f.string('data_digest', hex8(shard.dataDigest));
  const isInfoShown =
    (unionErrors & (shardError.INFO_MISSING | shardError.INFO_CORRUPTED)) !== 0 ||
    (errors & objectError.OBJECT_INFO_INCONSISTENCY) !== 0 ||
    has(shardError.OBJ_SIZE_INFO_MISMATCH);
  if (isInfoShown && !has(shardError.INFO_MISSING)) {
    dumpAttribute(f, 'object_info', shard.attrs.get(INFO_ATTR), has(shardError.INFO_CORRUPTED), (value) =>
      dumpObjectInfo(f, decodeFromBytes(objectInfo, value)),
    );
  }
  const isSnapsetShown =
    (unionErrors & (shardError.SNAPSET_MISSING | shardError.SNAPSET_CORRUPTED)) !== 0 ||
    (errors & objectError.SNAPSET_INCONSISTENCY) !== 0;
  if (isSnapsetShown && !has(shardError.SNAPSET_MISSING)) {
    dumpAttribute(f, 'snapset', shard.attrs.get(SNAPSET_ATTR), has(shardError.SNAPSET_CORRUPTED), (value) =>
      dumpSnapSet(f, decodeFromBytes(snapSet, value)),
    );
  }
  if ((errors & (objectError.ATTR_NAME_MISMATCH | objectError.ATTR_VALUE_MISMATCH)) === 0) return;
  const own = [...shard.attrs].filter(([name]) => name !== INFO_ATTR && name.startsWith('_'));
  dumpArray(f, 'attrs', own, ([name, value]) =>
    dumpObject(f, 'attr', () => {
      const { text, isBase64 } = shown(value);
      f.string('name', name.slice(1));
      f.string('value', text);
      f.bool('Base64', isBase64);
    }),
  );
}

function dumpInconsistentObject(f: Formatter, found: InconsistentObject): void {
  dumpObject(f, 'object', () => {
    dumpObjectId(f, found.object);
    f.int('version', found.version);
  });
  dumpErrors(f, 'errors', found.errors, OBJECT_ERRORS);
  dumpErrors(f, 'union_shard_errors', found.unionErrors, SHARD_ERRORS);
  const selected = [...found.shards.values()].find((s) => s.selectedOi)?.attrs.get(INFO_ATTR);
  if (selected !== undefined) {
    dumpObject(f, 'selected_object_info', () => dumpObjectInfo(f, decodeFromBytes(objectInfo, selected)));
  }
  dumpArray(f, 'shards', found.shards, ([osd, shard]) =>
    dumpObject(f, 'shard', () => {
      f.int('osd', osd);
      f.bool('primary', shard.primary);
      dumpShard(f, shard, found);
    }),
  );
}

function dumpInconsistentSnapset(f: Formatter, found: InconsistentSnapset): void {
  dumpObjectId(f, found.object);
  if (found.snapset.length > 0) {
    dumpObject(f, 'snapset', () => dumpSnapSet(f, decodeFromBytes(snapSet, found.snapset)));
  }
  dumpErrors(f, 'errors', found.errors, SNAPSET_ERRORS);
  const snaps = (name: string, list: InconsistentSnapset['clones']): void =>
    dumpArray(f, name, list, (snap) => f.int('snap', snap));
  if ((found.errors & snapsetError.EXTRA_CLONES) !== 0) snaps('extra clones', found.clones);
  if ((found.errors & snapsetError.CLONE_MISSING) !== 0) snaps('missing', found.missing);
}

async function listInconsistent<T>(
  session: Session,
  list: (io: IoCtx, seed: number, options: InconsistentOptions) => AsyncIterable<T>,
  dump: (f: Formatter, found: T) => void,
): Promise<number> {
  const text = session.input.words.args[1] ?? session.usage();
  const pg = parsePgName(text);
  if (pg === undefined) {
    err(`bad pg: ${text}\n`);
    return 0;
  }
  const f = session.formatter;
  let interval: number | undefined;
  let result = 0;
  const onInterval = (epoch: number): void => {
    interval = epoch;
    f.openObject('info');
    f.int('epoch', interval);
    f.openArray('inconsistents');
  };
  try {
    const io = await session.rados.openPool(pg.pool);
    for await (const found of list(io, pg.seed, { onInterval })) dumpObject(f, 'inconsistent', () => dump(f, found));
  } catch (error) {
    if (!isErrno(error)) throw error;
    if (error.errno === EAGAIN) err(`interval#${interval ?? 0} expired.\n`);
    if (error.errno === ENOENT) err(`No scrub information available for pg ${text}\n`);
    result = -error.errno;
  }
  if (interval !== undefined) {
    f.close();
    f.close();
    out(f.flush());
  }
  return result;
}

export function listInconsistentObj(session: Session): Promise<number> {
  return listInconsistent(
    session,
    (io, seed, options) => io.listInconsistentObjects(seed, options),
    dumpInconsistentObject,
  );
}

export function listInconsistentSnapset(session: Session): Promise<number> {
  return listInconsistent(
    session,
    (io, seed, options) => io.listInconsistentSnapsets(seed, options),
    dumpInconsistentSnapset,
  );
}

export async function listInconsistentPg(session: Session): Promise<number> {
  const name = session.input.words.args[1] ?? session.usage();
  const { rados } = session;
  const pool = rados.osdMap.poolId(name);
  if (pool === undefined) {
    err(`pool "${name}" not found\n`);
    return -ENOENT;
  }
  const io = await rados.openPool(pool);
  const seeds = await io.inconsistentPgs();
  const f = session.formatter;
  dumpArray(f, 'pgs', seeds, (seed) => f.string('pg', `${pool}.${seed.toString(16)}`));
  out(`${f.flush()}\n`);
  return 0;
}
