/** `rados import`: objects from an export, into a pool. */
import { openSync } from 'node:fs';
import { type IoCtx, WriteOperation } from '../../client/index.ts';
import { type Codec, DecodeError, decodeFromBytes } from '../../encoding/index.ts';
import { formatGhobject, type Ghobject, POOL_MIN } from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import {
  attrSection,
  dataSection,
  decodeSectionHeader,
  decodeSuper,
  isFooter,
  objectBegin,
  omapHeaderSection,
  omapSection,
  SECTION_TYPES_END,
  SUPER_LENGTH,
  SUPER_MAGIC,
  SUPER_VERSION,
  type SuperHeader,
  sectionType,
} from './dump-format.ts';
import { closeFile, Progress, readFully } from './files.ts';
import { readStat } from './reads.ts';
import { err, fail, isErrno, out } from './report.ts';
import { alignmentOf, ErrnoFailure, type Session } from './session.ts';

const EFAULT = 14;
const EINVAL = 22;
const EEXIST = 17;
const EOPNOTSUPP = 95;
/** Content of a section at most: Ceph writes no more than 4 MiB of data, but omap values and attributes in one. */
const SECTION_MAX = 1 << 30;

function broken(message: string, code = EFAULT): never {
  if (message !== '') err(`${message}\n`);
  throw new ErrnoFailure(code, 'import');
}

/** Reads sections from a file. */
class Sections {
  readonly #fd: number;
  readonly #progress: Progress;
  #super: SuperHeader = { magic: 0, version: 0, headerLength: 0, footerLength: 0 };

  constructor(fd: number, progress: Progress) {
    this.#fd = fd;
    this.#progress = progress;
  }

  #read(length: number): Uint8Array {
    const bytes = readFully(this.#fd, length);
    this.#progress.add(bytes.length);
    return bytes.length === length ? bytes : broken('Unexpected EOF');
  }

  readSuper(): SuperHeader {
    this.#super = decodeSuper(this.#read(SUPER_LENGTH));
    return this.#super;
  }

  next(): { type: number; content: Uint8Array } {
    const { headerLength, footerLength } = this.#super;
    if (headerLength > 4096 || footerLength > 4096) broken('Unexpected EOF');
    const { type, length } = decodeSectionHeader(this.#read(headerLength));
    if (length > SECTION_MAX) broken(`A section of ${length} bytes is too large`);
    const content = this.#read(length);
    if (length > 0 && !isFooter(this.#read(footerLength))) broken('Bad footer magic');
    return { type, content };
  }
}

/** An object as Ceph prints it; the pool of those in a pool's export is the least there can be, which a double does not hold. */
function nameOf(g: Ghobject): string {
  return formatGhobject(g).replace(String(POOL_MIN), '-9223372036854775808');
}

interface ImportOptions {
  readonly isDry: boolean;
  readonly isKept: boolean;
}

class Importer {
  readonly #sections: Sections;
  readonly #io: IoCtx;
  readonly #align: number | undefined;
  readonly #options: ImportOptions;

  constructor(sections: Sections, session: Session, options: ImportOptions) {
    this.#sections = sections;
    this.#io = session.io;
    this.#align = alignmentOf(session.pool);
    this.#options = options;
  }

  async run(): Promise<void> {
    const { magic, version } = this.#sections.readSuper();
    if (magic !== SUPER_MAGIC) {
      broken(`Invalid magic number: 0x${magic.toString(16)} vs. 0x${SUPER_MAGIC.toString(16)}`);
    }
    if (version > SUPER_VERSION) broken(`Can't handle export format version=${version}`, EINVAL);
    const isPool = this.#begin();
    let hasMetadata = false;
    while (true) {
      const { type, content } = this.#sections.next();
      if (type >= SECTION_TYPES_END) out('Skipping unknown section type\n');
      else if (type === sectionType.OBJECT_BEGIN) await this.#objectOrFail(content);
      else if (type === sectionType.PG_METADATA) hasMetadata = true;
      else if (type === sectionType.PG_END || type === sectionType.POOL_END) break;
      else broken('');
    }
    if (!isPool && !hasMetadata) err('Missing metadata section!\n');
  }

  /** True for the export of a pool. */
  #begin(): boolean {
    const { type, content } = this.#sections.next();
    if (type === sectionType.POOL_BEGIN) {
      out('Importing pool\n');
      return true;
    }
    if (type !== sectionType.PG_BEGIN) broken(`Invalid initial section code ${type}`);
    // struct v3 { pg_t (u8 1, u64 pool, u32 seed, s32 -1), superblock, s8 shard }: the shard is the last byte.
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const shard = view.getUint8(0) > 2 ? view.getInt8(content.length - 1) : -1;
    if (shard !== -1) broken('Importing Erasure Coded shard is not supported', EOPNOTSUPP);
    out(`Importing from pgid ${view.getBigUint64(7, true)}.${view.getUint32(15, true).toString(16)}\n`);
    return false;
  }

  async #objectOrFail(content: Uint8Array): Promise<void> {
    try {
      await this.#object(decodeFromBytes(objectBegin, content));
    } catch (error) {
      if (isErrno(error)) err(`Error inserting object: ${-error.errno}\n`);
      throw error;
    }
  }

  #skip(next: () => { readonly type: number } = () => this.#sections.next()): void {
    while (true) {
      const { type } = next();
      if (type >= SECTION_TYPES_END) out('Skipping unknown object section type\n');
      else if (type === sectionType.OBJECT_END) return;
      else if (type < sectionType.DATA || type > sectionType.OMAP) broken(`Can't skip unknown type: ${type}`);
    }
  }

  /** Runs one step; says what failed. */
  async #step(what: string, promise: Promise<unknown>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      if (isErrno(error)) err(`${what} failed: ${cppStrerror(error.errno)}\n`);
      throw error;
    }
  }

  /** As a step, but what a pool cannot hold (an omap in an erasure-coded one) is left out. */
  async #softStep(what: string, promise: Promise<unknown>): Promise<void> {
    try {
      await this.#step(what, promise);
    } catch (error) {
      if (!isErrno(error) || error.errno !== EOPNOTSUPP) throw error;
    }
  }

  /** Creates the object where it is not there. False where it is. */
  async #create(oid: string): Promise<boolean> {
    try {
      await this.#io.operate(oid, new WriteOperation().create(true));
      return true;
    } catch (error) {
      if (isErrno(error) && error.errno === EEXIST) return false;
      if (isErrno(error)) err(`create failed: ${cppStrerror(error.errno)}\n`);
      throw error;
    }
  }

  /** Makes room for the object: what is said of it, and whether its content is to be skipped. */
  async #prepare(oid: string): Promise<{ message: string; isSkipped: boolean }> {
    const { isDry, isKept } = this.#options;
    if (isDry) {
      const isThere = await readStat(this.#io, oid).then(
        () => true,
        () => false,
      );
      const message = !isThere ? 'Write' : isKept ? 'Skipping existing' : '***Overwrite***';
      return { message, isSkipped: true };
    }
    if (await this.#create(oid)) return { message: 'Write', isSkipped: false };
    if (isKept) return { message: 'Skipping existing', isSkipped: true };
    await this.#step('remove', this.#io.remove(oid));
    const isMade = await this.#create(oid);
    return { message: isMade ? '***Overwrite***' : 'Skipping in-use object', isSkipped: !isMade };
  }

  async #object(g: Ghobject): Promise<void> {
    const { oid, nspace, key, isHead } = g.hobj;
    if (nspace === '.ceph-internal') {
      out(`Skipping internal object ${nameOf(g)}\n`);
      return this.#skip();
    }
    if (!isHead) {
      out(`Skipping non-head for ${nameOf(g)}\n`);
      return this.#skip();
    }
    this.#io.nspace = nspace;
    this.#io.locatorKey = key;
    const { message, isSkipped } = await this.#prepare(oid);
    out(`${message} ${nameOf(g)}\n`);
    if (isSkipped) return this.#skip(() => this.#nextOfObject());
    await this.#content(oid);
  }

  /** The next section; within an object it is said that there is none. */
  #nextOfObject(): { type: number; content: Uint8Array } {
    try {
      return this.#sections.next();
    } catch (error) {
      if (isErrno(error)) err(`Error reading section: ${-error.errno}\n`);
      throw error;
    }
  }

  async #content(oid: string): Promise<void> {
    const io = this.#io;
    const data = new AlignedData(this.#align, (bytes, offset) => this.#step('write', io.write(oid, bytes, offset)));
    const read = <T>(codec: Codec<T>, content: Uint8Array): T => decodeFromBytes(codec, content);
    while (true) {
      const { type, content } = this.#nextOfObject();
      if (type >= SECTION_TYPES_END) {
        out('Skipping unknown object section type\n');
        continue;
      }
      switch (type) {
        case sectionType.DATA: {
          const section = read(dataSection, content);
          await data.add(section.data, section.offset);
          break;
        }
        case sectionType.ATTRS:
          for (const [name, value] of read(attrSection, content).attrs) {
            // `_` alone is the object's info, and what has no `_` is the OSD's own.
            if (name === '_' || !name.startsWith('_')) continue;
            await this.#softStep('setxattr', io.setXattr(oid, name.slice(1), value));
          }
          break;
        case sectionType.OMAP_HDR:
          await this.#softStep('omap_set_header', io.omapSetHeader(oid, read(omapHeaderSection, content).header));
          break;
        case sectionType.OMAP:
          await this.#softStep('omap_set', io.omapSet(oid, read(omapSection, content).values));
          break;
        case sectionType.OBJECT_END:
          await data.end();
          return;
        default:
          broken(`Unexpected section type ${type}`);
      }
    }
  }
}

/** Data as it comes, or in whole stripes for a pool that takes no others. */
class AlignedData {
  readonly #align: number | undefined;
  readonly #write: (bytes: Uint8Array, offset: number) => Promise<void>;
  #kept: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(align: number | undefined, write: (bytes: Uint8Array, offset: number) => Promise<void>) {
    this.#align = align;
    this.#write = write;
  }

  async add(bytes: Uint8Array, offset: number): Promise<void> {
    if (this.#align === undefined) return this.#write(bytes, offset);
    if (offset !== this.#at + this.#kept.length) broken('Discontiguous object data in export');
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const whole = Math.floor(all.length / this.#align) * this.#align;
    this.#kept = all.subarray(whole);
    if (whole > 0) await this.#write(all.subarray(0, whole), this.#at);
    this.#at += whole;
  }

  async end(): Promise<void> {
    if (this.#kept.length > 0) await this.#write(this.#kept, this.#at);
  }
}

export async function importPool(session: Session): Promise<number> {
  session.needPool();
  const { args } = session.input.words;
  if (args.length < 2 || args.length > 4) session.usage();
  const path = args.at(-1)!;
  const flags = args.slice(1, -1);
  for (const flag of flags) {
    if (flag !== '--no-overwrite' && flag !== '--dry-run') fail(`Invalid argument '${flag}'`);
  }
  let fd = 0;
  try {
    if (path !== '-') fd = openSync(path, 'r');
  } catch {
    // As for the export.
    fail(`Error opening '${path}': ${cppStrerror(1)}`);
  }
  const progress = new Progress(`import into ${session.poolName}`);
  const options = { isDry: flags.includes('--dry-run'), isKept: flags.includes('--no-overwrite') };
  try {
    await new Importer(new Sections(fd, progress), session, options).run();
    return 0;
  } catch (error) {
    progress.end();
    if (error instanceof DecodeError) return fail(`error from import: ${error.message}`);
    if (!isErrno(error)) throw error;
    return fail('error from import', error);
  } finally {
    progress.end();
    closeFile(fd);
  }
}
