import {
  byNumber,
  type Codec,
  list,
  plain,
  type Reader,
  since,
  sortedMap,
  struct,
  u8,
  u32,
  u64,
  u64num,
} from '../../encoding/index.ts';
import { EntityAddr, entityAddr } from '../entity-addr.ts';
import { compareEntityName, type EntityName, entityName } from '../entity-name.ts';
import type { IntervalSet } from '../interval-set.ts';
import { type Utime, utime, utimeZero } from '../utime.ts';
import { type Eversion, eversion, eversionZero, type OsdReqid, osdReqid, osdReqidNone } from './eversion.ts';
import { extentSet } from './extents.ts';
import { type Hobject, hobject } from './hobject.ts';
import { hobjectLocator, objectLocator } from './locator.ts';
import { type Snapid, snapid } from './snapid.ts';

/** watch_info_t: a registered watch, as the object keeps it. */
export interface WatchInfo {
  readonly cookie: bigint;
  readonly timeout_s: number;
  readonly addr: EntityAddr;
}

export const watchInfo: Codec<WatchInfo> = struct(
  'watch_info_t',
  { version: 4, compat: 3 },
  { cookie: u64, timeout_s: u32, addr: since(4, entityAddr, () => EntityAddr.none) },
);

/** A watch and whose it is. */
export interface Watcher {
  readonly entity: EntityName;
  readonly info: WatchInfo;
}

function compareWatcher(a: Watcher, b: Watcher): number {
  const x = a.info.cookie;
  const y = b.info.cookie;
  return x !== y ? (x < y ? -1 : 1) : compareEntityName(a.entity, b.entity);
}

/** object_info_t::FLAG_*. */
export const objectInfoFlag = {
  LOST: 1 << 0,
  WHITEOUT: 1 << 1,
  DIRTY: 1 << 2,
  OMAP: 1 << 3,
  DATA_DIGEST: 1 << 4,
  OMAP_DIGEST: 1 << 5,
  CACHE_PIN: 1 << 6,
  MANIFEST: 1 << 7,
  USES_TMAP: 1 << 8,
  REDIRECT_HAS_REFERENCE: 1 << 9,
} as const;

/** chunk_info_t: where a part of a deduplicated object is. */
export interface ChunkInfo {
  offset: number;
  length: number;
  oid: Hobject;
  flags: number;
}

const chunkInfo: Codec<ChunkInfo> = struct(
  'chunk_info_t',
  { version: 1, compat: 1 },
  { offset: u32, length: u32, oid: hobject, flags: u32 },
);

/** object_manifest_t. */
export type ObjectManifest =
  | { readonly type: 'none' }
  | { readonly type: 'redirect'; readonly target: Hobject }
  | { readonly type: 'chunked'; readonly chunks: Map<number, ChunkInfo> };

const chunkMap = sortedMap(u64num, chunkInfo, byNumber);

export const objectManifest: Codec<ObjectManifest> = {
  name: 'object_manifest_t',
  length_min: 7,
  encode(w, m) {
    const token = w.structStart(1, 1);
    if (m.type === 'redirect') {
      w.u8(1);
      hobject.encode(w, m.target);
    } else if (m.type === 'chunked') {
      w.u8(2);
      chunkMap.encode(w, m.chunks);
    } else w.u8(0);
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(1);
    const m = decodeManifest(r, r.u8());
    r.structEnd(frame);
    return m;
  },
};

function decodeManifest(r: Reader, type: number): ObjectManifest {
  if (type === 0) return { type: 'none' };
  if (type === 1) return { type: 'redirect', target: hobject.decode(r) };
  if (type === 2) return { type: 'chunked', chunks: chunkMap.decode(r) };
  r.fail(`manifest of type ${type}`);
}

/** object_info_t: what an object's xattr `_` holds. */
export interface ObjectInfo {
  soid: Hobject;
  version: Eversion;
  priorVersion: Eversion;
  lastReqid: OsdReqid;
  size: number;
  mtime: Utime;
  truncateSeq: number;
  truncateSize: number;
  userVersion: number;
  watchers: readonly Watcher[];
  /** Mask of objectInfoFlag. */
  flags: number;
  /** The OSD's clock at the last modification. */
  localMtime: Utime;
  dataDigest: number;
  omapDigest: number;
  expectedObjectSize: number;
  expectedWriteSize: number;
  allocHintFlags: number;
  /** There where the flag MANIFEST is set. */
  manifest: ObjectManifest | undefined;
}

const DIGEST_NONE = 0xffffffff;

export function makeObjectInfo(soid: Hobject): ObjectInfo {
  return {
    soid,
    version: eversionZero,
    priorVersion: eversionZero,
    lastReqid: osdReqidNone,
    size: 0,
    mtime: utimeZero,
    truncateSeq: 0,
    truncateSize: 0,
    userVersion: 0,
    watchers: [],
    flags: 0,
    localMtime: utimeZero,
    dataDigest: DIGEST_NONE,
    omapDigest: DIGEST_NONE,
    expectedObjectSize: 0,
    expectedWriteSize: 0,
    allocHintFlags: 0,
    manifest: undefined,
  };
}

/** Version 17. Read are those from version 13 (Firefly) on. */
export const objectInfo: Codec<ObjectInfo> = {
  name: 'object_info_t',
  length_min: 6,
  encode(w, o) {
    const token = w.structStart(17, 8);
    hobject.encode(w, o.soid);
    objectLocator.encode(w, hobjectLocator(o.soid));
    w.u32(0); // category
    eversion.encode(w, o.version);
    eversion.encode(w, o.priorVersion);
    osdReqid.encode(w, o.lastReqid);
    w.u64num(o.size);
    utime.encode(w, o.mtime);
    if (o.soid.isHead)
      osdReqid.encode(w, osdReqidNone); // the holder of a write lock, once
    else w.u32(0); // snaps, once
    w.u64num(o.truncateSeq);
    w.u64num(o.truncateSize);
    w.bool((o.flags & objectInfoFlag.LOST) !== 0);
    const watchers = o.watchers.length === 0 ? o.watchers : [...o.watchers].sort(compareWatcher);
    // The old map has one watch of each entity, the one with the lowest cookie.
    const old = watchers.filter((x, i) => watchers.findIndex((y) => compareEntityName(x.entity, y.entity) === 0) === i);
    old.sort((a, b) => compareEntityName(a.entity, b.entity));
    oldWatchers.encode(w, old);
    w.u64num(o.userVersion); // as an eversion of epoch 0
    w.u32(0);
    w.bool((o.flags & objectInfoFlag.USES_TMAP) !== 0);
    newWatchers.encode(w, watchers as Watcher[]);
    w.u32(o.flags);
    utime.encode(w, o.localMtime);
    w.u32(o.dataDigest);
    w.u32(o.omapDigest);
    w.u64num(o.expectedObjectSize);
    w.u64num(o.expectedWriteSize);
    w.u32(o.allocHintFlags);
    if ((o.flags & objectInfoFlag.MANIFEST) !== 0) objectManifest.encode(w, o.manifest ?? { type: 'none' });
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(17);
    const v = frame.version;
    if (v < 13) r.fail(`object_info_t version ${v} is from before Firefly`);
    const soid = hobject.decode(r);
    const o = makeObjectInfo(soid);
    objectLocator.decode(r);
    r.blob();
    o.version = eversion.decode(r);
    o.priorVersion = eversion.decode(r);
    o.lastReqid = osdReqid.decode(r);
    o.size = r.u64num();
    o.mtime = utime.decode(r);
    if (soid.isHead) osdReqid.decode(r);
    else r.skip(8 * r.count(8));
    o.truncateSeq = r.u64num();
    o.truncateSize = r.u64num();
    r.u8();
    oldWatchers.decode(r);
    o.userVersion = r.u64num();
    r.u32();
    r.bool();
    o.watchers = newWatchers.decode(r);
    o.flags = r.u32();
    if (v >= 14) o.localMtime = utime.decode(r);
    if (v >= 15) {
      o.dataDigest = r.u32();
      o.omapDigest = r.u32();
    } else o.flags &= ~(objectInfoFlag.DATA_DIGEST | objectInfoFlag.OMAP_DIGEST);
    if (v >= 16) {
      o.expectedObjectSize = r.u64num();
      o.expectedWriteSize = r.u64num();
      o.allocHintFlags = r.u32();
    }
    if (v >= 17 && (o.flags & objectInfoFlag.MANIFEST) !== 0) o.manifest = objectManifest.decode(r);
    r.structEnd(frame);
    return o;
  },
};

const oldWatchers = list(plain('pair', { entity: entityName, info: watchInfo }));

/** By cookie and entity; the key's cookie is that of the watch. */
const newWatchers: Codec<Watcher[]> = list({
  name: 'watcher',
  length_min: 23,
  encode(w, { entity, info }: Watcher) {
    w.u64(info.cookie);
    entityName.encode(w, entity);
    watchInfo.encode(w, info);
  },
  decode(r: Reader): Watcher {
    r.skip(8);
    return { entity: entityName.decode(r), info: watchInfo.decode(r) };
  },
});

/** A clone of an object in its SnapSet. */
export interface SnapSetClone {
  /** Snapshot it was made under; also its name. */
  readonly id: Snapid;
  /** Bytes shared with the next newer clone or the head. */
  readonly overlap: IntervalSet;
  readonly size: number;
  /** Snapshots it serves, newest first. */
  readonly snaps: readonly Snapid[];
}

/** SnapSet: the clones of an object, oldest first; xattr `snapset` of its head. */
export interface SnapSet {
  readonly seq: Snapid;
  readonly clones: readonly SnapSetClone[];
}

export const snapSetNone: SnapSet = Object.freeze({ seq: 0, clones: [] });

const snapids: Codec<Snapid[]> = list(snapid);
const byClone = <T>(value: Codec<T>): Codec<Map<Snapid, T>> => sortedMap(snapid, value, byNumber);

const snapSetWire = struct(
  'SnapSet',
  { version: 3, compat: 2 },
  {
    seq: snapid,
    headExists: u8,
    /** For readers from before Octopus; empty. */
    snaps: snapids,
    clones: snapids,
    overlap: byClone(extentSet),
    size: byClone(u64num),
    cloneSnaps: since(3, byClone(snapids), () => new Map<Snapid, Snapid[]>()),
  },
);

export const snapSet: Codec<SnapSet> = {
  name: 'SnapSet',
  length_min: 6,
  encode(w, s) {
    snapSetWire.encode(w, {
      seq: s.seq,
      headExists: 1,
      snaps: [],
      clones: s.clones.map((c) => c.id),
      overlap: new Map(s.clones.map((c) => [c.id, c.overlap])),
      size: new Map(s.clones.map((c) => [c.id, c.size])),
      cloneSnaps: new Map(s.clones.map((c) => [c.id, c.snaps as Snapid[]])),
    });
  },
  decode(r: Reader) {
    const s = snapSetWire.decode(r);
    if (s.seq === 0 && s.clones.length === 0) return snapSetNone;
    const clones = s.clones.map((id) => {
      const overlap = s.overlap.get(id);
      const size = s.size.get(id);
      if (overlap === undefined || size === undefined) r.fail(`clone ${id} without size or overlap`);
      return { id, overlap, size, snaps: s.cloneSnaps.get(id) ?? [] };
    });
    return { seq: s.seq, clones };
  },
};
