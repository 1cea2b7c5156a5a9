/** Commands of `rados` for an object's data and attributes. */
import { fstatSync, openSync } from 'node:fs';
import { type IoCtx, WriteOperation } from '../../client/index.ts';
import { encodeText } from '../../encoding/index.ts';
import { OsdOp, osdFlag, osdOp } from '../../messages/index.ts';
import { formatUtime, utimeFromMs } from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { copyObject } from './copy.ts';
import { closeFile, OpenFailure, openForWriting, Progress, readFully, readStdin, writeFully } from './files.ts';
import { err, fail, isErrno, orFail, out, printable } from './report.ts';
import { type Session, submit } from './session.ts';
import type { ObjectStore } from './store.ts';
import { storeOf } from './striped.ts';

/** Reads and writes of one transfer that are under way at once. They reach an object in the order in which they were sent. */
const WINDOW = 4;

/** A whole number as C's strtoll reads it; undefined where something else is left of the text. */
function strtoll(text: string): number | undefined {
  const match = /^\s*([-+]?\d+)?$/.exec(text);
  return match === null ? undefined : Number(match[1] ?? 0);
}

/** Waits for the oldest of a transfer's requests once there are enough of them. */
async function throttle<T>(pending: Promise<T>[], most: number): Promise<void> {
  while (pending.length > most) await pending.shift();
}

/** A rejection that is looked at later must not end the process now. */
function guarded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

async function readInto(store: ObjectStore, oid: string, fd: number, opSize: number): Promise<void> {
  const progress = new Progress(printable(oid));
  const pending: Promise<Uint8Array>[] = [];
  let offset = 0;
  try {
    while (true) {
      while (pending.length < WINDOW) {
        pending.push(guarded(store.read(oid, opSize, offset)));
        offset += opSize;
        // Most objects are smaller than one read: the next ones are worth asking for once the first was full.
        if (offset === opSize) break;
      }
      const data = await pending.shift()!;
      writeFully(fd, data);
      progress.add(data.length);
      if (data.length < opSize) return;
    }
  } finally {
    progress.end();
  }
}

export async function get(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, path] = session.objectArgs(1);
  let fd = 1;
  try {
    fd = openForWriting(path!);
    await readInto(storeOf(session), oid, fd, session.opSize);
  } catch (error) {
    if (error instanceof OpenFailure) err(error.message);
    if (!isErrno(error)) throw error;
    fail(`error getting ${pool}/${printable(oid)}`, error);
  } finally {
    closeFile(fd);
  }
  return 0;
}

/** The file to read from, or undefined where it cannot be read: that was said. */
function openInput(path: string): number | undefined {
  if (path === '-') return 0;
  try {
    return openSync(path, 'r');
  } catch (error) {
    err(`error reading input file ${path}: ${cppStrerror(errnoOf(error))}\n`);
    return undefined;
  }
}

function* chunksOf(fd: number, path: string, size: number): Generator<Uint8Array> {
  while (true) {
    let chunk: Uint8Array;
    try {
      chunk = readFully(fd, size);
    } catch (error) {
      err(`error reading input file ${path}: ${cppStrerror(errnoOf(error))}\n`);
      throw error;
    }
    yield chunk;
    if (chunk.length === 0) return;
  }
}

/** Bytes of a regular file; undefined of anything else. */
function lengthOf(fd: number): number | undefined {
  const stat = fstatSync(fd);
  return stat.isFile() ? stat.size : undefined;
}

export async function put(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, path] = session.objectArgs(1);
  const fd = openInput(path!);
  // Ceph's program says that it cannot read the file, and ends with status 0.
  if (fd === undefined) return 0;
  const start = session.number('offset') ?? 0;
  const isWhole = session.number('offset') === undefined;
  const progress = new Progress(printable(oid), lengthOf(fd));
  try {
    const store = storeOf(session);
    const pending: Promise<unknown>[] = [];
    let offset = start;
    for (const chunk of chunksOf(fd, path!, session.opSize)) {
      if (chunk.length > 0) {
        const isFirst = offset === 0 && isWhole;
        pending.push(guarded(isFirst ? store.writeFull(oid, chunk) : store.write(oid, chunk, offset)));
      } else if (offset === start) {
        pending.push(guarded(store.writeFull(oid, chunk)));
        if (offset > 0) pending.push(guarded(store.truncate(oid, offset)));
      }
      await throttle(pending, WINDOW - 1);
      offset += chunk.length;
      progress.add(chunk.length);
    }
    await throttle(pending, 0);
  } catch (error) {
    progress.end();
    if (!isErrno(error)) throw error;
    fail(`error putting ${pool}/${printable(oid)}`, error);
  } finally {
    progress.end();
    closeFile(fd);
  }
  return 0;
}

export async function append(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, path] = session.objectArgs(1);
  const fd = openInput(path!);
  if (fd === undefined) return 0;
  const progress = new Progress(printable(oid), lengthOf(fd));
  try {
    const store = storeOf(session);
    const pending: Promise<unknown>[] = [];
    for (const chunk of chunksOf(fd, path!, session.opSize)) {
      pending.push(guarded(store.append(oid, chunk)));
      await throttle(pending, WINDOW - 1);
      progress.add(chunk.length);
    }
    await throttle(pending, 0);
  } catch (error) {
    progress.end();
    if (!isErrno(error)) throw error;
    fail(`error appending ${pool}/${printable(oid)}`, error);
  } finally {
    progress.end();
    closeFile(fd);
  }
  return 0;
}

export async function truncate(session: Session): Promise<number> {
  const [oid, text] = session.objectArgs(1);
  const size = strtoll(text!);
  if (size === undefined) fail(`Invalid value for size: '${text}'`);
  if (size < 0) {
    err('error, cannot truncate to negative value\n');
    session.usage();
  }
  const store = storeOf(session);
  try {
    await store.truncate(oid, size);
    return 0;
  } catch (error) {
    if (!isErrno(error)) throw error;
    err(`error truncating oid ${printable(oid)} to ${size}: ${cppStrerror(errnoOf(error))}\n`);
    return -errnoOf(error);
  }
}

async function showStat(session: Session, isPrecise: boolean): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  const store = storeOf(session);
  const { size, mtime_ms } = await orFail(store.stat(oid), () => ` error stat-ing ${pool}/${printable(oid)}`);
  const shown = isPrecise ? mtime_ms : Math.floor(mtime_ms / 1000) * 1000;
  out(`${pool}/${printable(oid)} mtime ${formatUtime(utimeFromMs(shown))}, size ${size}\n`);
  return 0;
}

export const stat = (session: Session): Promise<number> => showStat(session, false);
export const stat2 = (session: Session): Promise<number> => showStat(session, true);

export async function touch(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, text] = session.objectArgs();
  const seconds = text === undefined ? Math.floor(Date.now() / 1000) : strtoll(text);
  if (seconds === undefined) fail(`Invalid value for timestamp: '${text}'`);
  const op = new WriteOperation().create();
  op.mtime_ms = seconds * 1000;
  await orFail(session.io.operate(oid, op), () => ` error touch-ing ${pool}/${printable(oid)}`);
  return 0;
}

export async function create(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  await orFail(
    session.io.operate(oid, new WriteOperation().create(true)),
    () => `error creating ${pool}/${printable(oid)}`,
  );
  return 0;
}

/** Objects that a command names after its own word, and the one of --obj-name-file. */
function allObjects(session: Session): string[] {
  session.needPool();
  const { objName, words } = session.input;
  const names = words.args.slice(1);
  if (objName !== undefined) names.push(objName);
  if (names.length === 0) session.usage();
  return names;
}

export async function rm(session: Session): Promise<number> {
  const oids = allObjects(session);
  const nspace = session.value('namespace') ?? '';
  const store = storeOf(session);
  for (const oid of oids) {
    await orFail(
      store.remove(oid, session.has('forceFull')),
      () => `error removing ${session.poolName}>${nspace === '' ? '' : `${nspace}/`}${printable(oid)}`,
    );
  }
  return 0;
}

export async function clearomap(session: Session): Promise<number> {
  for (const oid of allObjects(session)) {
    try {
      await session.io.omapClear(oid);
    } catch (error) {
      if (!isErrno(error)) throw error;
      fail(`error clearing omap keys ${session.poolName}/${printable(oid)}/${cppStrerror(error.errno)}`);
    }
  }
  return 0;
}

export async function cp(session: Session): Promise<number> {
  const pool = session.needPool();
  const { args } = session.input.words;
  if (args.length < 2 || args.length > 3) session.usage();
  const target = session.value('targetPool') ?? pool;
  if (args[2] === undefined && target === pool) fail('cannot copy object into itself');
  const [, from] = args as [string, string];
  const to = args[2] ?? from;
  const targetIo = await orFail(session.openPool(target), () => `error opening target pool ${target}`);
  targetIo.locatorKey = session.value('targetLocator') ?? '';
  targetIo.nspace = session.value('targetNspace') ?? '';
  await orFail(copyObject(session.io, from, targetIo, to), () => `error copying ${pool}/${from} => ${target}/${to}`);
  return 0;
}

export async function mapext(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  const extents = await orFail(readExtents(session.io, oid), () => `mapext error on ${pool}/${printable(oid)}`);
  for (const [offset, length] of extents) out(`${offset.toString(16)}\t${length.toString(16)}\n`);
  return 0;
}

/** Where an object has data. */
async function readExtents(io: IoCtx, oid: string): Promise<[number, number][]> {
  const op = new OsdOp(osdOp.MAPEXT);
  op.u2 = 0xffffffff;
  op.u3 = 0xffffffff;
  const reply = await submit(io, oid, [op], osdFlag.READ);
  const bytes = reply.ops[0]!.output;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  return Array.from({ length: count }, (_, i) => [
    Number(view.getBigUint64(4 + 16 * i, true)),
    Number(view.getBigUint64(12 + 16 * i, true)),
  ]);
}

export async function setAllocHint(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, ...sizes] = session.objectArgs(2);
  const names = ['expected_object_size', 'expected_write_size'];
  const [objectSize, writeSize] = names.map((name, i) => {
    const text = sizes[i]!;
    if (/^[-+]?\d+$/.test(text)) return Number(text);
    err(`couldn't parse ${name}: Expected option value to be integer, got '${text}'\n`);
    return session.usage();
  });
  const op = new OsdOp(osdOp.SETALLOCHINT);
  op.setAllocHint(objectSize!, writeSize!, 0);
  // Older OSDs may not know it, which is no failure.
  op.flags = 2;
  await orFail(
    submit(session.io, oid, [op], osdFlag.WRITE),
    () => `error setting alloc-hint ${pool}/${printable(oid)}`,
  );
  return 0;
}

// --- attributes

export async function setxattr(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, name, value, ...more] = session.objectArgs(1);
  if (more.length > 0) session.usage();
  const bytes = value === undefined ? readStdin() : encodeText(value);
  const store = storeOf(session);
  await orFail(store.setXattr(oid, name!, bytes), () => `error setting xattr ${pool}/${printable(oid)}/${name}`);
  return 0;
}

export async function getxattr(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, name] = session.objectArgs(1);
  const store = storeOf(session);
  const value = await orFail(store.getXattr(oid, name!), () => `error getting xattr ${pool}/${printable(oid)}/${name}`);
  writeFully(1, value);
  return 0;
}

export async function rmxattr(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, name] = session.objectArgs(1);
  const store = storeOf(session);
  await orFail(store.removeXattr(oid, name!), () => `error removing xattr ${pool}/${printable(oid)}/${name}`);
  return 0;
}

export async function listxattr(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  const store = storeOf(session);
  const attrs = await orFail(store.getXattrs(oid), () => `error getting xattr set ${pool}/${printable(oid)}`);
  for (const name of [...attrs.keys()].sort()) out(`${name}\n`);
  return 0;
}
