/** `rados export`: all objects of a pool into one file. */
import { openSync } from 'node:fs';
import { ALL_NAMESPACES } from '../../client/index.ts';
import { type Codec, encodeToBytes } from '../../encoding/index.ts';
import { CEPH_NOSNAP } from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import {
  attrSection,
  dataSection,
  encodeSection,
  encodeSuper,
  exportedObject,
  objectBegin,
  omapHeaderSection,
  omapSection,
  sectionType,
} from './dump-format.ts';
import { closeFile, Progress, writeFully } from './files.ts';
import { readData, readOmap, readOmapHeader, readXattrs } from './reads.ts';
import { err, fail, isErrno } from './report.ts';
import type { Session } from './session.ts';

const READ_SIZE = 1 << 22;
const OMAP_PAGE = 512;

class Exporter {
  readonly #session: Session;
  readonly #fd: number;
  readonly #progress: Progress;

  constructor(session: Session, fd: number, progress: Progress) {
    this.#session = session;
    this.#fd = fd;
    this.#progress = progress;
  }

  #write(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      writeFully(this.#fd, part);
      this.#progress.add(part.length);
    }
  }

  #section<T>(type: number, codec: Codec<T>, value: T): void {
    this.#write(encodeSection(type, encodeToBytes(codec, value)));
  }

  async run(): Promise<void> {
    const { rados, io } = this.#session;
    this.#write([encodeSuper()]);
    this.#write(encodeSection(sectionType.POOL_BEGIN, undefined));
    const listing = await rados.openPool(io.poolId);
    listing.nspace = ALL_NAMESPACES;
    for await (const { oid, nspace, locator } of listing.listObjects()) {
      io.nspace = nspace;
      io.locatorKey = locator;
      const begin = exportedObject(oid, nspace, locator, CEPH_NOSNAP);
      this.#section(sectionType.OBJECT_BEGIN, objectBegin, begin);
      await this.#data(oid);
      await this.#attributes(oid);
      this.#write(encodeSection(sectionType.OBJECT_END, undefined));
    }
    this.#write(encodeSection(sectionType.POOL_END, undefined));
  }

  async #data(oid: string): Promise<void> {
    const { io } = this.#session;
    for (let offset = 0; ; offset += READ_SIZE) {
      let data: Uint8Array;
      try {
        data = await readData(io, oid, READ_SIZE, offset);
      } catch (error) {
        // As Ceph's: what cannot be read is left out.
        if (isErrno(error)) return;
        throw error;
      }
      if (data.length === 0) return;
      this.#section(sectionType.DATA, dataSection, { offset, length: data.length, data });
      if (data.length < READ_SIZE) return;
    }
  }

  async #attributes(oid: string): Promise<void> {
    const { io } = this.#session;
    const attrs = await told(readXattrs(io, oid), `error getting xattr set ${oid}`);
    // A PG's export has the attributes of programs with `_` before them.
    const named = new Map([...attrs].map(([name, value]) => [`_${name}`, value]));
    this.#section(sectionType.ATTRS, attrSection, { attrs: named });
    const header = await told(readOmapHeader(io, oid), `error getting omap header ${oid}`);
    this.#section(sectionType.OMAP_HDR, omapHeaderSection, { header });
    let last = '';
    while (true) {
      const values = await told(readOmap(io, oid, last, OMAP_PAGE), `error getting omap keys ${oid}`);
      if (values.size === 0) return;
      for (const key of values.keys()) last = key;
      this.#section(sectionType.OMAP, omapSection, { values });
      if (values.size < OMAP_PAGE) return;
    }
  }
}

/** Says on stderr what failed, and fails. */
async function told<T>(promise: Promise<T>, what: string): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (isErrno(error)) err(`${what}: ${cppStrerror(error.errno)}\n`);
    throw error;
  }
}

export async function exportPool(session: Session): Promise<number> {
  session.needPool();
  const { args } = session.input.words;
  if (args.length > 2) session.usage();
  const path = args[1] ?? '-';
  let fd = 1;
  try {
    if (path !== '-') fd = openSync(path, 'w', 0o666);
  } catch {
    // Ceph's program gives the number -1 here instead of what went wrong.
    fail(`Error opening '${path}': ${cppStrerror(1)}`);
  }
  const progress = new Progress(`export of ${session.poolName}`);
  try {
    await new Exporter(session, fd, progress).run();
    return 0;
  } catch (error) {
    progress.end();
    if (!isErrno(error)) throw error;
    return fail('error from export', error);
  } finally {
    progress.end();
    closeFile(fd);
  }
}
