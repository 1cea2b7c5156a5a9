/**
 * The format of `rados export` (and of ceph-objectstore-tool's exports): a super header of four u32 (magic, version, length of a header, length of
 * a footer), then sections:
 *
 *     header   struct v1 { u32 magic: type, type, 0xce, 0xff from the top; s64 length }
 *     content  `length` bytes
 *     footer   struct v1 { u32 magic }      only where there is content
 *
 * Source: tools/RadosDump.h.
 */
import { blob, byString, type Codec, Reader, sortedMap, string, struct, u64num, Writer } from '../../encoding/index.ts';
import {
  Ghobject,
  Hobject,
  hobject,
  hobjectMin,
  makeObjectInfo,
  NO_GEN,
  NO_SHARD,
  objectInfo,
} from '../../types/index.ts';

export const sectionType = {
  NONE: 0,
  PG_BEGIN: 1,
  PG_END: 2,
  OBJECT_BEGIN: 3,
  OBJECT_END: 4,
  DATA: 5,
  ATTRS: 6,
  OMAP_HDR: 7,
  OMAP: 8,
  PG_METADATA: 9,
  POOL_BEGIN: 10,
  POOL_END: 11,
} as const;
/** The first number that is no type. */
export const SECTION_TYPES_END = 12;

export const SUPER_MAGIC = 0xffceffce;
export const SUPER_VERSION = 2;
export const SUPER_LENGTH = 16;
const SHORT_MAGIC = 0xffce;
const END_MAGIC = 0xecffffce;
export const HEADER_LENGTH = 18;
export const FOOTER_LENGTH = 10;

export function encodeSuper(): Uint8Array {
  const w = new Writer(SUPER_LENGTH);
  w.u32(SUPER_MAGIC);
  w.u32(SUPER_VERSION);
  w.u32(HEADER_LENGTH);
  w.u32(FOOTER_LENGTH);
  return w.bytes();
}

export interface SuperHeader {
  readonly magic: number;
  readonly version: number;
  readonly headerLength: number;
  readonly footerLength: number;
}

export function decodeSuper(bytes: Uint8Array): SuperHeader {
  const r = new Reader(bytes);
  return { magic: r.u32(), version: r.u32(), headerLength: r.u32(), footerLength: r.u32() };
}

/** A section with its header, and its footer where it has content. */
export function encodeSection(type: number, content: Uint8Array | undefined): Uint8Array[] {
  const w = new Writer(HEADER_LENGTH);
  const token = w.structStart(1, 1);
  w.u32(((type << 24) | (type << 16) | SHORT_MAGIC) >>> 0);
  w.u64num(content?.length ?? 0);
  w.structEnd(token);
  if (content === undefined) return [w.bytes()];
  const footer = new Writer(FOOTER_LENGTH);
  const footerToken = footer.structStart(1, 1);
  footer.u32(END_MAGIC);
  footer.structEnd(footerToken);
  return [w.bytes(), content, footer.bytes()];
}

export function decodeSectionHeader(bytes: Uint8Array): { type: number; length: number } {
  const r = new Reader(bytes);
  const frame = r.structStart(1);
  const type = r.u32() >>> 24;
  const length = r.u64num();
  r.structEnd(frame);
  return { type, length };
}

export function isFooter(bytes: Uint8Array): boolean {
  const r = new Reader(bytes);
  const frame = r.structStart(1);
  const magic = r.u32();
  r.structEnd(frame);
  return magic === END_MAGIC;
}

/** An object begins: what it is, and (of no meaning to an import) its info. */
export const objectBegin: Codec<Ghobject> = {
  name: 'object_begin',
  length_min: 6,
  encode(w, g) {
    const token = w.structStart(3, 1);
    hobject.encode(w, g.hobj);
    w.u64num(g.generation);
    w.s8(g.shard);
    objectInfo.encode(w, makeObjectInfo(hobjectMin));
    w.structEnd(token);
  },
  decode(r) {
    const frame = r.structStart(3);
    const hobj = hobject.decode(r);
    const generation = frame.version > 1 ? r.u64num() : NO_GEN;
    const shard = frame.version > 1 ? r.s8() : NO_SHARD;
    r.structEnd(frame);
    return new Ghobject(hobj, generation, shard);
  },
};

/** The object as an export of a pool names it: without pool and hash. */
export function exportedObject(oid: string, nspace: string, locator: string, snap: Hobject['snap']): Ghobject {
  return new Ghobject(new Hobject(oid, locator, snap, 0, hobjectMin.pool, nspace));
}

export const dataSection = struct(
  'data_section',
  { version: 1, compat: 1 },
  { offset: u64num, length: u64num, data: blob },
);
export const attrSection = struct(
  'attr_section',
  { version: 1, compat: 1 },
  { attrs: sortedMap(string, blob, byString) },
);
export const omapHeaderSection = struct('omap_hdr_section', { version: 1, compat: 1 }, { header: blob });
export const omapSection = struct(
  'omap_section',
  { version: 1, compat: 1 },
  { values: sortedMap(string, blob, byString) },
);
