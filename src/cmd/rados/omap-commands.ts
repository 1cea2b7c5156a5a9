/** Commands of `rados` for an object's omap. */
import { readFileSync } from 'node:fs';
import { encodeText } from '../../encoding/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { closeFile, openForWriting, readStdin, writeFully } from './files.ts';
import { readOmap, readOmapHeader, readOmapKeys, readOmapValue } from './reads.ts';
import { err, fail, hexdump, orFail, out, printable } from './report.ts';
import type { Session } from './session.ts';

/** Entries asked for at a time. */
const PAGE = 1024;

/** Object, key and what follows; a key from --omap-key-file takes the place of the word. */
function keyArgs(session: Session): [oid: string, key: string, ...rest: string[]] {
  const { omapKey } = session.input;
  const args = session.objectArgs(omapKey === undefined ? 1 : 0);
  return omapKey === undefined ? (args as [string, string, ...string[]]) : [args[0], omapKey, ...args.slice(1)];
}

/** A value: to a file, which is said on stderr, or shown with its length. */
function showValue(label: string, bytes: Uint8Array, path: string | undefined): void {
  if (path === undefined || path === '') {
    out(`${label} (${bytes.length} bytes) :\n${hexdump(bytes)}\n`);
    return;
  }
  err(`Writing to ${path}\n`);
  try {
    const fd = openForWriting(path);
    writeFully(fd, bytes);
    closeFile(fd);
  } catch (error) {
    // Ceph's program says so and goes on to end well.
    if (error instanceof Error) err(error.message);
  }
}

export async function getomapheader(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, path] = session.objectArgs();
  const header = await orFail(
    readOmapHeader(session.io, oid),
    () => `error getting omap header ${pool}/${printable(oid)}`,
  );
  showValue('header', header, path);
  return 0;
}

export async function setomapheader(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, value] = session.objectArgs(1);
  await orFail(
    session.io.omapSetHeader(oid, encodeText(value!)),
    () => `error setting omap value ${pool}/${printable(oid)}`,
  );
  return 0;
}

function givenValue(session: Session, given: string | undefined): Uint8Array {
  const path = session.value('inputFile') ?? '';
  if (path === '') return given === undefined ? readStdin() : encodeText(given);
  try {
    return readFileSync(path);
  } catch (error) {
    return fail(`error reading file ${path}: can't open ${path}: ${cppStrerror(errnoOf(error))}`);
  }
}

export async function setomapval(session: Session): Promise<number> {
  const pool = session.needPool();
  const { args } = session.input.words;
  const { omapKey } = session.input;
  const least = omapKey === undefined ? 3 : 2;
  if (args.length < least || args.length > least + 1) session.usage();
  const oid = args[1]!;
  const key = omapKey ?? args[2]!;
  const value = givenValue(session, args[least]);
  await orFail(
    session.io.omapSet(oid, new Map([[key, value]])),
    () => `error setting omap value ${pool}/${oid}/${printable(key)}`,
  );
  return 0;
}

export async function getomapval(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, key, path, ...more] = keyArgs(session);
  if (more.length > 0) session.usage();
  const name = `${pool}/${printable(oid)}/${printable(key)}`;
  const value = await orFail(readOmapValue(session.io, oid, key), () => `error getting omap value ${name}`);
  if (value === undefined) {
    out(`No such key: ${name}\n`);
    return 1;
  }
  showValue('value', value, path);
  return 0;
}

export async function rmomapkey(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid, key, ...more] = keyArgs(session);
  if (more.length > 0) session.usage();
  await orFail(
    session.io.omapRemoveKeys(oid, [key]),
    () => `error removing omap key ${pool}/${printable(oid)}/${printable(key)}`,
  );
  return 0;
}

export async function listomapvals(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  let last = '';
  while (true) {
    const values = await orFail(
      readOmap(session.io, oid, last, PAGE),
      () => `error getting omap keys ${pool}/${printable(oid)}`,
    );
    for (const [key, value] of values) {
      last = key;
      const bytes = encodeText(key);
      out(/^[ -~]*$/.test(key) ? `${key}\n` : `key (${bytes.length} bytes):\n${hexdump(bytes)}\n`);
      out(`value (${value.length} bytes) :\n${hexdump(value)}\n`);
    }
    if (values.size < PAGE) return 0;
  }
}

export async function listomapkeys(session: Session): Promise<number> {
  const pool = session.needPool();
  const [oid] = session.objectArgs();
  let last = '';
  while (true) {
    const { keys, more } = await orFail(
      readOmapKeys(session.io, oid, last, PAGE),
      () => `error getting omap key set ${pool}/${printable(oid)}`,
    );
    for (const key of keys) out(`${key}\n`);
    last = keys.at(-1) ?? last;
    if (!more || keys.length === 0) return 0;
  }
}
