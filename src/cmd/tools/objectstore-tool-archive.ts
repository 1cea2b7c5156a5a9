/**
 * The file that holds an exported PG, as Ceph's tool writes it:
 *
 * ```
 * u32 magic ffceffce, u32 version (2), u32 length of a section's header (18), u32 length of its footer (10)
 * section:  header: struct 1 { u32: type, type again, 16 bits of mark; s64 length }
 *           content, and where there is any, footer: struct 1 { u32 magic ecffffce }
 *
 * PG_BEGIN   PG_METADATA   (OBJECT_BEGIN DATA* ATTRS OMAP_HDR OMAP* OBJECT_END)*   PG_END
 * ```
 *
 * PG_END and OBJECT_END are empty. Every other content is a struct; {@link pgBegin} and the rest draw them.
 */
import { blob, type Codec, Reader, s8, since, struct, u64num, Writer } from '../../encoding/index.ts';
import {
  type Hobject,
  hobject,
  NO_SHARD,
  type ObjectInfo,
  type OsdSuperblock,
  objectInfo,
  osdSuperblock,
  type PastIntervals,
  type PgId,
  type PgInfo,
  type PgLog,
  type PgMissing,
  pastIntervals,
  pgId,
  pgInfo,
  pgLog,
  pgMissing,
} from '../../types/index.ts';
import { ToolExit } from './args.ts';
import { readFull, readNamed, writeAll, writeNamed } from './objectstore-tool-run.ts';

const SUPER_MAGIC = 0xffceffce;
const SUPER_VERSION = 2;
const SUPER_LENGTH = 16;
const SHORT_MAGIC = 0xffce;
const END_MAGIC = 0xecffffce;
const HEADER_LENGTH = 18;
const FOOTER_LENGTH = 10;
/** Longest content taken: Ceph's sections hold 1 MiB of data, 25 omap entries, or a PG's log. */
const CONTENT_MAX = 1024 ** 3;

export const section = {
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
  END_OF_TYPES: 12,
} as const;

/** Input that makes no sense (EFAULT): Ceph's tool says so, and importing, that the input is corrupt. */
export class ArchiveError extends Error {}

export class ArchiveWriter {
  readonly #fd: number;

  /** `fd` undefined: a dry run. */
  constructor(fd: number | undefined) {
    this.#fd = fd ?? -1;
  }

  #write(bytes: Uint8Array): void {
    if (this.#fd >= 0) writeAll(this.#fd, bytes);
  }

  begin(): void {
    const w = new Writer(SUPER_LENGTH);
    w.u32(SUPER_MAGIC);
    w.u32(SUPER_VERSION);
    w.u32(HEADER_LENGTH);
    w.u32(FOOTER_LENGTH);
    this.#write(w.bytes());
  }

  /** One section; `fill` writes its content. */
  section(type: number, fill?: (w: Writer) => void): void {
    const content = new Writer(512);
    fill?.(content);
    const w = new Writer(content.length + HEADER_LENGTH + FOOTER_LENGTH);
    let token = w.structStart(1, 1);
    w.u32(((type << 24) | (type << 16) | SHORT_MAGIC) >>> 0);
    w.s64num(content.length);
    w.structEnd(token);
    if (content.length > 0) {
      w.raw(content.bytes());
      token = w.structStart(1, 1);
      w.u32(END_MAGIC);
      w.structEnd(token);
    }
    this.#write(w.bytes());
  }
}

export class ArchiveReader {
  readonly #fd: number;
  #headerLength = HEADER_LENGTH;
  #footerLength = FOOTER_LENGTH;

  constructor(fd: number) {
    this.#fd = fd;
  }

  #read(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (readFull(this.#fd, bytes) < length) throw new ArchiveError('Unexpected EOF');
    return bytes;
  }

  begin(): void {
    const r = new Reader(this.#read(SUPER_LENGTH));
    const magic = r.u32();
    const version = r.u32();
    this.#headerLength = r.u32();
    this.#footerLength = r.u32();
    if (magic !== SUPER_MAGIC) throw new ArchiveError('Invalid magic number');
    if (version > SUPER_VERSION) throw new ToolExit(1, `Can't handle export format version=${version}\n`);
    if (this.#headerLength > 4096 || this.#footerLength > 4096) throw new ArchiveError('Invalid section sizes');
  }

  next(): { type: number; content: Reader } {
    const r = new Reader(this.#read(this.#headerLength));
    r.structStart(1);
    const type = r.u32() >>> 24;
    const length = r.s64num();
    if (length < 0 || length > CONTENT_MAX) throw new ArchiveError(`Invalid section size ${length}`);
    const content = new Reader(this.#read(length));
    if (length > 0) {
      const footer = new Reader(this.#read(this.#footerLength));
      footer.structStart(1);
      if (footer.u32() !== END_MAGIC) throw new ArchiveError('Bad footer magic');
    }
    return { type, content };
  }
}

export interface PgBegin {
  pgid: PgId;
  superblock: OsdSuperblock;
  shard: number;
}

export const pgBegin: Codec<PgBegin> = struct(
  'pg_begin',
  { version: 3, compat: 2 },
  { pgid: pgId, superblock: osdSuperblock, shard: since(3, s8, () => NO_SHARD) },
);

export interface ObjectBegin {
  oid: Hobject;
  generation: number;
  shard: number;
  info: ObjectInfo;
}

export const objectBegin: Codec<ObjectBegin> = struct(
  'object_begin',
  { version: 3, compat: 1 },
  { oid: hobject, generation: u64num, shard: s8, info: objectInfo },
);

export const dataSection: Codec<{ offset: number; length: number; data: Uint8Array }> = struct(
  'data_section',
  { version: 1, compat: 1 },
  { offset: u64num, length: u64num, data: blob },
);

/** attr_section and omap_section. */
export function writeEntries(w: Writer, entries: Iterable<readonly [string, Uint8Array]>): void {
  const token = w.structStart(1, 1);
  writeNamed(w, entries);
  w.structEnd(token);
}

export function readEntries(r: Reader): [string, Uint8Array][] {
  const frame = r.structStart(1);
  const entries = readNamed(r);
  r.structEnd(frame);
  return entries;
}

export const omapHeaderSection: Codec<{ header: Uint8Array }> = struct(
  'omap_hdr_section',
  { version: 1, compat: 1 },
  { header: blob },
);

export interface PgMetadata {
  /** Layout of the PG on its disk. */
  pgVersion: number;
  epoch: number;
  info: PgInfo;
  log: PgLog;
  pastIntervals: PastIntervals;
  /** The map of that epoch, as it is stored: encoding it anew might change its checksum. */
  osdmap: Uint8Array;
  missing: PgMissing;
}

export function writePgMetadata(w: Writer, m: PgMetadata): void {
  const token = w.structStart(6, 6);
  w.u8(m.pgVersion);
  w.u32(m.epoch);
  pgInfo.encode(w, m.info);
  pgLog.encode(w, m.log);
  pastIntervals.encode(w, m.pastIntervals);
  w.raw(m.osdmap);
  w.u32(0); // divergent priors: of PGs from before Kraken
  pgMissing.encode(w, m.missing);
  w.structEnd(token);
}

export function readPgMetadata(r: Reader): PgMetadata {
  const frame = r.structStart(6);
  if (frame.version < 6) r.fail(`an export of version ${frame.version}, from before Luminous`);
  const pgVersion = r.u8();
  const epoch = r.u32();
  const info = pgInfo.decode(r);
  const log = pgLog.decode(r);
  const past = pastIntervals.decode(r);
  const start = r.offset;
  r.structEnd(r.structStart(255));
  const osdmap = r.buffer.subarray(start, r.offset);
  for (let n = r.count(18); n > 0; n--) {
    r.skip(12);
    hobject.decode(r);
  }
  const missing = pgMissing.decode(r);
  r.structEnd(frame);
  return { pgVersion, epoch, info, log, pastIntervals: past, osdmap, missing };
}
