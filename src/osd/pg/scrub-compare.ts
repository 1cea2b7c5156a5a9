/**
 * What the copies of a range of objects say of each other (PGBackend::be_compare_scrubmaps): which copy of an object is to be believed, which ones differ from it, and
 * what of that is put right. Pure; texts are those of Ceph's cluster log.
 */
import { DecodeError } from '../../encoding/index.ts';
import {
  compareEversion,
  compareHobject,
  type Eversion,
  eversionZero,
  formatEversion,
  type Hobject,
  type InconsistentObject,
  makeShardInfo,
  OBJECT_DEEP_ERRORS,
  objectError,
  type ScrubMap,
  type ScrubObject,
  SHARD_DEEP_ERRORS,
  type ShardInfo,
  shardError,
} from '../../types/index.ts';
import { objectKey } from '../model.ts';
import { type ObjectInfo, oiFlag, readObjectInfo } from '../ops/object-info.ts';
import { readSnapSet } from '../ops/snap-set.ts';

export interface CompareOptions {
  /** `1.2a`, for texts. */
  readonly pg: string;
  readonly primary: number;
  readonly repair: boolean;
  readonly objectSize_max: number;
  readonly now_ms: number;
  /** Objects that were changed so recently are not given digests (osd_deep_scrub_update_digest_min_age). */
  readonly digestAge_ms: number;
}

/** An object of which some copies are to be replaced. */
export interface Damage {
  readonly oid: Hobject;
  readonly key: string;
  readonly version: Eversion;
  /** What it should be, as a copy that is right has it. */
  readonly right: ScrubObject;
  readonly missing: readonly number[];
  readonly inconsistent: readonly number[];
}

export interface NewDigests {
  readonly oid: Hobject;
  readonly data: number | undefined;
  readonly omap: number | undefined;
}

export interface Comparison {
  readonly errors: string[];
  shallow: number;
  deep: number;
  readonly objects: InconsistentObject[];
  readonly damages: Damage[];
  readonly digests: NewDigests[];
}

type Copies = Map<number, ScrubObject>;

/** Every object of any map, in order, with its copies by OSD. */
function byObject(maps: ReadonlyMap<number, ScrubMap>): { oid: Hobject; copies: Copies }[] {
  const all = new Map<string, { oid: Hobject; copies: Copies }>();
  for (const [osd, map] of maps) {
    for (const [oid, found] of map.objects) {
      const key = objectKey(oid);
      let x = all.get(key);
      if (x === undefined) {
        x = { oid, copies: new Map() };
        all.set(key, x);
      }
      x.copies.set(osd, found);
    }
  }
  return [...all.values()].sort((a, b) => compareHobject(a.oid, b.oid));
}

export function compareMaps(maps: ReadonlyMap<number, ScrubMap>, options: CompareOptions): Comparison {
  const result: Comparison = { errors: [], shallow: 0, deep: 0, objects: [], damages: [], digests: [] };
  for (const { oid, copies } of byObject(maps)) compareObject(oid, copies, [...maps.keys()], options, result);
  return result;
}

function decoded<T>(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T | undefined {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** What is wrong with a copy by itself: errors and their texts, and its object info where that can be read. */
function examine(oid: Hobject, found: ScrubObject): { errors: number; texts: string[]; oi: ObjectInfo | undefined } {
  const texts: string[] = [];
  let errors = 0;
  const wrong = (error: number, text: string): void => {
    errors |= error;
    texts.push(text);
  };
  if (found.readError) wrong(shardError.READ_ERROR, 'candidate had a read error');
  if (found.statError) {
    wrong(shardError.STAT_ERROR, 'candidate had a stat error');
    return { errors, texts, oi: undefined };
  }
  if (oid.isHead) {
    const snapset = found.attrs.get('snapset');
    if (snapset === undefined) wrong(shardError.SNAPSET_MISSING, 'candidate had a missing snapset key');
    else if (decoded(snapset, readSnapSet) === undefined)
      wrong(shardError.SNAPSET_CORRUPTED, 'candidate had a corrupt snapset');
  }
  const info = found.attrs.get('_');
  if (info === undefined) {
    wrong(shardError.INFO_MISSING, 'candidate had a missing info key');
    return { errors, texts, oi: undefined };
  }
  const oi = decoded(info, (b) => readObjectInfo(b).oi);
  if (oi === undefined) {
    wrong(shardError.INFO_CORRUPTED, 'candidate had a corrupt info');
    return { errors, texts, oi: undefined };
  }
  if (oi.size !== found.size) {
    wrong(shardError.OBJ_SIZE_INFO_MISMATCH, `candidate size ${found.size} info size ${oi.size} mismatch`);
  }
  return { errors, texts, oi };
}

function digestCount(oi: ObjectInfo): number {
  return (oi.test(oiFlag.DATA_DIGEST) ? 1 : 0) + (oi.test(oiFlag.OMAP_DIGEST) ? 1 : 0);
}

interface Authority {
  readonly osd: number;
  readonly oi: ObjectInfo;
  readonly found: ScrubObject;
}

/** Chooses the copy to be believed: without errors of its own, of the newest version; the primary's, all else being equal. */
function chooseAuthority(
  oid: Hobject,
  copies: Copies,
  shards: Map<number, ShardInfo>,
  { pg, primary }: CompareOptions,
  errors: string[],
): { authority: Authority | undefined; digestsAgree: boolean } {
  const order = [primary, ...[...copies.keys()].filter((osd) => osd !== primary).sort((a, b) => a - b)];
  let authority: Authority | undefined;
  let digestsAgree = true;
  for (const osd of order) {
    const found = copies.get(osd);
    if (found === undefined) continue;
    const shard = makeShardInfo(osd === primary);
    shards.set(osd, shard);
    const { errors: own, texts, oi } = examine(oid, found);
    shard.errors = own;
    if (texts.length > 0) errors.push(`${pg} shard ${osd} soid ${oid} : ${texts.join(', ')}`);
    if (oi === undefined) continue;
    if (authority?.found.digestPresent === true && found.digestPresent && authority.found.digest !== found.digest) {
      digestsAgree = false;
    }
    if (own !== 0) continue;
    const order_ = authority === undefined ? 1 : compareEversion(oi.version, authority.oi.version);
    if (authority === undefined || order_ > 0 || (order_ === 0 && digestCount(oi) > digestCount(authority.oi))) {
      authority = { osd, oi, found };
    }
  }
  return { authority, digestsAgree };
}

function hex(n: number): string {
  return `0x${n.toString(16)}`;
}

/** object_info_t as Ceph prints it. */
function formatInfo(oid: Hobject, oi: ObjectInfo): string {
  const q = oi.lastReqid;
  const kind = ['unknown', 'mon', 'mds', '', 'osd', '', '', '', 'client'][q.type] ?? '';
  const names = [
    [oiFlag.LOST, 'lost'],
    [oiFlag.WHITEOUT, 'whiteout'],
    [oiFlag.DIRTY, 'dirty'],
    [oiFlag.OMAP, 'omap'],
    [oiFlag.DATA_DIGEST, 'data_digest'],
    [oiFlag.OMAP_DIGEST, 'omap_digest'],
    [oiFlag.CACHE_PIN, 'cache_pin'],
    [oiFlag.MANIFEST, 'manifest'],
  ] as const;
  const flags = names.filter(([flag]) => oi.test(flag)).map(([, name]) => name);
  return (
    `${oid}(${formatEversion(oi.version)} ${kind}.${q.num}.${q.inc}:${q.tid}` +
    `${flags.length > 0 ? ` ${flags.join('|')}` : ''} s ${oi.size} uv ${oi.userVersion}` +
    `${oi.test(oiFlag.DATA_DIGEST) ? ` dd ${oi.dataDigest.toString(16)}` : ''}` +
    `${oi.test(oiFlag.OMAP_DIGEST) ? ` od ${oi.omapDigest.toString(16)}` : ''}` +
    ` alloc_hint [${oi.expectedObjectSize} ${oi.expectedWriteSize} ${oi.allocHintFlags}])`
  );
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** In what a copy differs from the one to be believed: texts; marks go into `shard` and `object`. */
function differences(
  oid: Hobject,
  { osd: from, oi, found: right }: Authority,
  found: ScrubObject,
  shard: ShardInfo,
  object: InconsistentObject,
  objectSize_max: number,
): string[] {
  const texts: string[] = [];
  const info = formatInfo(oid, oi);
  const differ = (error: number, text: string): void => {
    object.errors |= error;
    texts.push(text);
  };
  const wrong = (error: number, text: string): void => {
    shard.errors |= error;
    texts.push(text);
  };
  if (right.digestPresent && found.digestPresent && right.digest !== found.digest) {
    const text = `data_digest ${hex(found.digest)} != data_digest ${hex(right.digest)} from shard ${from}`;
    differ(objectError.DATA_DIGEST_MISMATCH, text);
  }
  if (right.omapDigestPresent && found.omapDigestPresent && right.omapDigest !== found.omapDigest) {
    const text = `omap_digest ${hex(found.omapDigest)} != omap_digest ${hex(right.omapDigest)} from shard ${from}`;
    differ(objectError.OMAP_DIGEST_MISMATCH, text);
  }
  if (oi.test(oiFlag.DATA_DIGEST) && found.digestPresent && oi.dataDigest !== found.digest) {
    const text = `data_digest ${hex(found.digest)} != data_digest ${hex(oi.dataDigest)} from auth oi ${info}`;
    wrong(shardError.DATA_DIGEST_MISMATCH_INFO, text);
  }
  if (oi.test(oiFlag.OMAP_DIGEST) && found.omapDigestPresent && oi.omapDigest !== found.omapDigest) {
    const text = `omap_digest ${hex(found.omapDigest)} != omap_digest ${hex(oi.omapDigest)} from auth oi ${info}`;
    wrong(shardError.OMAP_DIGEST_MISMATCH_INFO, text);
  }
  if (found.statError) return texts;
  if ((shard.errors & (shardError.INFO_MISSING | shardError.INFO_CORRUPTED)) === 0) {
    if (!same(found.attrs.get('_'), right.attrs.get('_')))
      differ(objectError.OBJECT_INFO_INCONSISTENCY, 'object info inconsistent ');
  }
  if (oid.isHead && (shard.errors & (shardError.SNAPSET_MISSING | shardError.SNAPSET_CORRUPTED)) === 0) {
    if (!same(found.attrs.get('snapset'), right.attrs.get('snapset')))
      differ(objectError.SNAPSET_INCONSISTENCY, 'snapset inconsistent ');
  }
  if (oi.size !== found.size) {
    wrong(shardError.SIZE_MISMATCH_INFO, `size ${found.size} != size ${oi.size} from auth oi ${info}`);
  }
  if (right.size !== found.size) {
    differ(objectError.SIZE_MISMATCH, `size ${found.size} != size ${right.size} from shard ${from}`);
  }
  if (found.size > objectSize_max && (object.errors & objectError.SIZE_TOO_LARGE) === 0) {
    differ(objectError.SIZE_TOO_LARGE, `size ${found.size} > ${objectSize_max} is too large`);
  }
  const isUser = (name: string): boolean => name !== '_' && name.startsWith('_');
  for (const [name, value] of right.attrs) {
    if (!isUser(name)) continue;
    const own = found.attrs.get(name);
    if (own === undefined) differ(objectError.ATTR_NAME_MISMATCH, `attr name mismatch '${name}'`);
    else if (!same(own, value)) differ(objectError.ATTR_VALUE_MISMATCH, `attr value mismatch '${name}'`);
  }
  for (const name of found.attrs.keys()) {
    if (isUser(name) && !right.attrs.has(name)) differ(objectError.ATTR_NAME_MISMATCH, `attr name mismatch '${name}'`);
  }
  return texts;
}

function describe(shard: ShardInfo, found: ScrubObject): void {
  shard.attrs = found.attrs;
  shard.size = found.size;
  if (found.omapDigestPresent) shard.omapDigest = found.omapDigest;
  if (found.digestPresent) shard.dataDigest = found.digest;
}

function compareObject(
  oid: Hobject,
  copies: Copies,
  osds: readonly number[],
  options: CompareOptions,
  result: Comparison,
): void {
  const { pg, primary, repair } = options;
  const shards = new Map<number, ShardInfo>();
  const { authority, digestsAgree } = chooseAuthority(oid, copies, shards, options, result.errors);
  const object: InconsistentObject = {
    errors: 0,
    object: { name: oid.oid, nspace: oid.nspace, locator: oid.key, snap: oid.snap },
    version: authority?.oi.userVersion ?? 0,
    shards,
    unionErrors: 0,
  };
  const count = (errors: number, deep: number): void => {
    if ((errors & deep) !== 0) result.deep++;
    else if (errors !== 0) result.shallow++;
  };
  if (authority === undefined) {
    for (const osd of osds) {
      const found = copies.get(osd);
      const shard = shards.get(osd) ?? makeShardInfo(osd === primary);
      shards.set(osd, shard);
      if (found === undefined) shard.errors |= shardError.MISSING;
      else describe(shard, found);
      count(shard.errors, SHARD_DEEP_ERRORS);
      object.unionErrors |= shard.errors;
    }
    result.objects.push(object);
    result.errors.push(`${pg} soid ${oid} : failed to pick suitable object info`);
    return;
  }
  const missing: number[] = [];
  const inconsistent: number[] = [];
  const right: number[] = [];
  const unclear: number[] = [];
  let fixDigest = false;
  for (const osd of osds) {
    const found = copies.get(osd);
    const shard = shards.get(osd) ?? makeShardInfo(osd === primary);
    shards.set(osd, shard);
    if (found === undefined) {
      missing.push(osd);
      shard.errors |= shardError.MISSING;
      result.shallow++;
      result.errors.push(`${pg} shard ${osd} ${oid} : missing`);
    } else {
      if (osd === authority.osd) shard.selectedOi = true;
      describe(shard, found);
      const texts = differences(oid, authority, found, shard, object, options.objectSize_max);
      // All copies agree and only the digest in the info does not: that is what is put right.
      if (
        repair &&
        osd === authority.osd &&
        shards.size > 1 &&
        digestsAgree &&
        shard.errors === shardError.DATA_DIGEST_MISMATCH_INFO &&
        found.digestPresent
      ) {
        fixDigest = true;
        shard.errors = 0;
        result.errors.push(`${pg} soid ${oid} : repairing object info data_digest`);
      }
      if (shard.errors !== 0) {
        inconsistent.push(osd);
        count(shard.errors, SHARD_DEEP_ERRORS);
        if (texts.length > 0) result.errors.push(`${pg} shard ${osd} soid ${oid} : ${texts.join(', ')}`);
      } else if (texts.length > 0) {
        unclear.push(osd);
        result.errors.push(`${pg} soid ${oid} : ${texts.join(', ')}`);
      } else right.push(osd);
    }
    object.unionErrors |= shard.errors;
  }
  if (right.length === 0 && unclear.length > 0) {
    const chosen = unclear.includes(authority.osd) ? authority.osd : unclear[0]!;
    right.push(chosen);
    unclear.splice(unclear.indexOf(chosen), 1);
  }
  if (right.length === 0) {
    result.errors.push(`${pg} soid ${oid} : failed to pick suitable auth object`);
  } else {
    inconsistent.push(...unclear);
    if (inconsistent.length > 0 || missing.length > 0) {
      const copy = copies.get(right[right.length - 1]!)!;
      const version = decoded(copy.attrs.get('_') ?? new Uint8Array(0), (b) => readObjectInfo(b).oi.version);
      result.damages.push({
        oid,
        key: objectKey(oid),
        version: version ?? eversionZero,
        right: copy,
        missing,
        inconsistent,
      });
    } else checkDigests(oid, authority, fixDigest, options, result);
  }
  count(object.errors, OBJECT_DEEP_ERRORS);
  if (object.errors !== 0 || object.unionErrors !== 0) result.objects.push(object);
}

/** All copies agree: the info gets the digests that it lacks, or (on repair) has wrong. */
function checkDigests(
  oid: Hobject,
  { oi, found }: Authority,
  fix: boolean,
  { pg, repair, now_ms, digestAge_ms }: CompareOptions,
  result: Comparison,
): void {
  let update = fix;
  let force = fix;
  const check = (flag: number, present: boolean, recorded: number, actual: number, what: string): void => {
    if (!present) return;
    if (!oi.test(flag)) update = true;
    else if (recorded !== actual) {
      result.errors.push(`${pg} recorded ${what} digest ${hex(recorded)} != on disk ${hex(actual)} on ${oid}`);
      if (repair) {
        update = true;
        force = true;
      }
    }
  };
  if (!fix) {
    check(oiFlag.DATA_DIGEST, found.digestPresent, oi.dataDigest, found.digest, 'data');
    check(oiFlag.OMAP_DIGEST, found.omapDigestPresent, oi.omapDigest, found.omapDigest, 'omap');
  }
  if (!update) return;
  const age_ms = now_ms - (oi.localMtime.sec * 1000 + oi.localMtime.nsec / 1e6);
  if (!force && age_ms <= digestAge_ms) return;
  result.digests.push({
    oid,
    data: found.digestPresent ? found.digest : undefined,
    omap: found.omapDigestPresent ? found.omapDigest : undefined,
  });
}
