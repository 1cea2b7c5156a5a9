/** What the parts of `sepiola objectstore-tool` share: the store, the switches of the command line, and where bytes go. */
import { readSync, writeSync } from 'node:fs';
import { encodeText, type Reader, type Writer } from '../../encoding/index.ts';
import type { CollectionId, ObjectStore, Transaction } from '../../store/index.ts';
import { compareText, Ghobject, Hobject, POOL_META } from '../../types/index.ts';
import { cppStrerror } from '../ceph/strerror.ts';
import { ToolExit } from './args.ts';

export const META = 'meta';
/** Bytes read, written and sent to the store at a time. */
export const CHUNK = 1024 * 1024;

export interface Switches {
  readonly debug: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Standard output is a terminal (or is to be taken for one): no binary data there. */
  readonly tty: boolean;
}

/** A mounted store and what is to be done with it. */
export class ToolRun {
  readonly store: ObjectStore;
  readonly switches: Switches;
  #failed: ((error: Error) => void) | undefined;

  constructor(store: ObjectStore, switches: Switches) {
    this.store = store;
    this.switches = switches;
  }

  /** The store can write no more: whoever waits for a commit learns it. */
  storeFailed(error: Error): void {
    this.#failed?.(error);
  }

  /** Applies a transaction and waits until it is durable. Nothing on a dry run. */
  async commit(collection: CollectionId, t: Transaction): Promise<void> {
    if (this.switches.dryRun) return;
    await new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      this.store.queueTransactions(collection, [t], resolve);
    });
    this.#failed = undefined;
  }

  debug(text: string): void {
    if (this.switches.debug) err(`${text}\n`);
  }
}

export function out(text: string | Uint8Array): void {
  writeAll(1, typeof text === 'string' ? encodeText(text) : text);
}

export function err(text: string): void {
  writeAll(2, encodeText(text));
}

/** Writes everything, also to a pipe that is full for now. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') throw new ToolExit(1);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Fills `into` as far as the file reaches. */
export function readFull(fd: number, into: Uint8Array): number {
  let at = 0;
  while (at < into.length) {
    try {
      const n = readSync(fd, into, at, into.length - at, null);
      if (n === 0) break;
      at += n;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return at;
}

/** Everything that is left of a file. */
export function readRest(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = new Uint8Array(CHUNK);
    const n = readFull(fd, part);
    parts.push(part.subarray(0, n));
    if (n < CHUNK) return Buffer.concat(parts);
  }
}

/** Ends the tool with status 1: `what: (2) No such file or directory`. */
export function failed(what: string, code: number): ToolExit {
  return new ToolExit(1, `${what}: ${cppStrerror(code)}\n`);
}

/** As Ceph shows text that may be binary: as it is, or in base64 where it has control characters. */
export function cleanBytes(bytes: Uint8Array): { text: string; isBase64: boolean } {
  const isBase64 = bytes.some((b) => b < 32 || b === 127);
  return { text: Buffer.from(bytes).toString(isBase64 ? 'base64' : 'utf8'), isBase64 };
}

/** A key or value for a terminal. */
export function cleanForTty(bytes: Uint8Array): string {
  const { text, isBase64 } = cleanBytes(bytes);
  return isBase64 ? `Base64:${text}` : text;
}

/** An object of the OSD's own. */
export function metaObject(name: string): Ghobject {
  return new Ghobject(new Hobject(name, '', 0, 0, POOL_META, ''));
}

export const SUPERBLOCK = metaObject('osd_superblock');

/** Whole content of a small object; undefined where there is none. */
export function readWhole(store: ObjectStore, collection: CollectionId, object: Ghobject): Uint8Array | undefined {
  const parts = store.readSync(collection, object, 0, 0);
  return parts === undefined ? undefined : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** map<string, bufferlist>, in order of the keys' bytes. */
export function writeNamed(w: Writer, entries: Iterable<readonly [string, Uint8Array]>): void {
  const sorted = [...entries].sort((a, b) => compareText(a[0], b[0]));
  w.u32(sorted.length);
  for (const [key, value] of sorted) {
    w.string(key);
    w.blob(value);
  }
}

export function readNamed(r: Reader): [string, Uint8Array][] {
  const entries: [string, Uint8Array][] = [];
  for (let n = r.count(8); n > 0; n--) {
    const key = r.string();
    entries.push([key, r.blob()]);
  }
  return entries;
}
