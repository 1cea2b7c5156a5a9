/** Files and streams that objects' data comes from and goes to. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { formatBytes } from '../../types/index.ts';
import { cppStrerror, errnoOf } from '../ceph/strerror.ts';
import { ToolExit } from '../tools/args.ts';

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** Reads up to `length` bytes: fewer only at the end. `fd` may be a pipe that has nothing yet. */
export function readFully(fd: number, length: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(length);
  let got = 0;
  while (got < length) {
    try {
      const n = readSync(fd, buffer, got, length - got, null);
      if (n === 0) break;
      got += n;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(sleepCell, 0, 0, 5);
    }
  }
  return buffer.subarray(0, got);
}

/** Everything that stdin gives. */
export function readStdin(): Uint8Array {
  const parts: Uint8Array[] = [];
  while (true) {
    const part = readFully(0, 1 << 16);
    if (part.length === 0) return Buffer.concat(parts);
    parts.push(part);
  }
}

export function writeFully(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(sleepCell, 0, 0, 5);
    }
  }
}

/** Opens a file to be written; `-` is stdout. ToolExit with status 1 where it cannot be. */
export function openForWriting(path: string, mode = 0o644): number {
  if (path === '-') return 1;
  try {
    return openSync(path, 'w', mode);
  } catch (error) {
    throw new OpenFailure(errnoOf(error));
  }
}

/** A file could not be opened; who asked for it says so. */
export class OpenFailure extends ToolExit {
  readonly errno: number;

  constructor(errno: number) {
    super(1, `failed to open file: ${cppStrerror(errno)}\n`);
    this.errno = errno;
  }
}

export function closeFile(fd: number): void {
  if (fd > 2) closeSync(fd);
}

/** Milliseconds before a transfer is long enough to show how far it is, and between two looks. */
const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 200;

/** How far a transfer is, on a terminal only: one line of stderr that is written over, and gone at the end. */
export class Progress {
  readonly #what: string;
  readonly #total: number | undefined;
  readonly #started = performance.now();
  readonly #isOn = process.stderr.isTTY === true;
  #last = this.#started + PROGRESS_AFTER_MS - PROGRESS_EVERY_MS;
  #bytes = 0;
  #isShown = false;

  /** `total`: bytes, where they are known. */
  constructor(what: string, total?: number) {
    this.#what = what;
    this.#total = total;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#isOn) return;
    const now = performance.now();
    if (now - this.#last < PROGRESS_EVERY_MS) return;
    this.#last = now;
    this.#isShown = true;
    const rate = (this.#bytes * 1000) / (now - this.#started);
    const of = this.#total === undefined || this.#total === 0 ? '' : ` of ${formatBytes(this.#total)}`;
    const part =
      this.#total === undefined || this.#total === 0
        ? ''
        : `, ${Math.min(100, Math.floor((this.#bytes * 100) / this.#total))} %`;
    process.stderr.write(
      `\r\x1b[K${this.#what}: ${formatBytes(this.#bytes)}${of}${part}, ${formatBytes(Math.floor(rate))}/s`,
    );
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K');
  }
}
