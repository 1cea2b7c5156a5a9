import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  write,
  writeSync,
  writev,
  writevSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Disk, DiskFile, KvOptions } from '../base/index.ts';
import { DIRECT_ALIGN, DirectFile } from './direct-io.ts';
import { openLmdb } from './kv.ts';
import { discardRange, punchesOf, punchHole } from './punch.ts';

/** Most buffers the kernel takes in one gather write (IOV_MAX). */
const IOV_MAX = 1024;
/** Shorter transfers go through the page cache also where they need not: it gathers writes, and answers reads without a wait. */
const DIRECT_WRITE_MIN = 64 * 1024;
const DIRECT_READ_MIN = 256 * 1024;

/** Bytes of a block device, which stat does not tell: the kernel counts it in units of 512. */
function deviceBytes(rdev: number, path: string): number {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  try {
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
  } catch (error) {
    throw new Error(`the size of the device ${path} cannot be told: ${(error as Error).message}`);
  }
}

/** Opens for reading and writing. A device is opened so that nobody else may hold it: no second daemon, no mounted file system. */
function openReadWrite(path: string, create: boolean): number {
  const fd = openSync(path, constants.O_RDWR | (create ? constants.O_CREAT : 0), 0o600);
  if (!fstatSync(fd).isBlockDevice()) return fd;
  closeSync(fd);
  try {
    return openSync(path, constants.O_RDWR | constants.O_EXCL);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    throw new Error(`the device ${path} is in use by somebody else: another daemon, or a file system that is mounted`);
  }
}

class OsFile implements DiskFile {
  readonly isDevice: boolean;
  readonly punch?: (offset: number, length: number, done: (error: Error | null) => void) => void;
  readonly punchesEnded?: () => Promise<void>;
  /** Programs that punch this file. */
  readonly #punches = new Set<ChildProcess>();
  readonly #fd: number;
  readonly #path: string;
  readonly #direct: DirectFile | undefined;
  /** Transfers under way. Their descriptor must stay what it is until they end: the number of one that is closed goes to the next file that is opened. */
  #busy = 0;
  #closed = false;

  constructor(path: string, create: boolean, direct: boolean) {
    this.#path = path;
    this.#fd = openReadWrite(path, create);
    this.isDevice = fstatSync(this.#fd).isBlockDevice();
    this.#direct = direct ? DirectFile.open(path) : undefined;
    if (process.platform === 'linux') {
      // What it is in the end: that is what the programs that punch it name.
      const real = realpathSync(path);
      this.punch = (offset, length, done) => this.#punch(real, offset, length, done);
      this.punchesEnded = () => punchesOf(real);
    }
  }

  #punch(real: string, offset: number, length: number, done: (error: Error | null) => void): void {
    if (!this.#begin(done)) return;
    const punch = this.isDevice ? discardRange : punchHole;
    const child = punch(real, offset, length, (error) => {
      this.#punches.delete(child);
      this.#end();
      done(error);
    });
    this.#punches.add(child);
  }

  size(): number {
    const stat = fstatSync(this.#fd);
    return stat.isBlockDevice() ? deviceBytes(stat.rdev, this.#path) : stat.size;
  }

  takenBytes(): number {
    return this.isDevice ? 0 : fstatSync(this.#fd).blocks * 512;
  }

  readSync(into: Uint8Array, offset: number): number {
    let done = 0;
    while (done < into.length) {
      const n = readSync(this.#fd, into, done, into.length - done, offset + done);
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  read(into: Uint8Array, offset: number, then: (error: Error | null, bytesRead: number) => void): void {
    if (!this.#begin((error) => then(error, 0))) return;
    const done = (error: Error | null, bytesRead: number): void => {
      this.#end();
      then(error, bytesRead);
    };
    if (
      this.#direct !== undefined &&
      into.length >= DIRECT_READ_MIN &&
      (into.length | (offset % DIRECT_ALIGN)) % DIRECT_ALIGN === 0
    ) {
      this.#direct.read(into, offset, done);
      return;
    }
    const step = (at: number): void => {
      read(this.#fd, into, at, into.length - at, offset + at, (error, n) => {
        if (error !== null) done(error, at);
        else if (n === 0 || at + n === into.length) done(null, at + n);
        else step(at + n);
      });
    };
    step(0);
  }

  writeSync(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset;
    for (let i = 0; i < buffers.length; i += IOV_MAX) {
      const group = buffers.slice(i, i + IOV_MAX);
      const length = group.reduce((sum, b) => sum + b.length, 0);
      let written = group.length === 1 ? 0 : writevSync(this.#fd, group as Uint8Array[], at);
      if (written < length) {
        // A short write (or a single buffer): finish it piece by piece.
        let skip = written;
        for (const b of group) {
          if (skip >= b.length) {
            skip -= b.length;
            continue;
          }
          let from = skip;
          skip = 0;
          while (from < b.length) {
            const n = writeSync(this.#fd, b, from, b.length - from, at + written);
            if (n === 0) throw new Error(`write to ${this.#path} at ${at + written} made no progress`);
            from += n;
            written += n;
          }
        }
      }
      at += length;
    }
  }

  write(buffers: readonly Uint8Array[], offset: number, then: (error: Error | null) => void): void {
    if (!this.#begin(then)) return;
    const done = (error: Error | null): void => {
      this.#end();
      then(error);
    };
    if (this.#direct !== undefined) {
      let length = 0;
      for (const b of buffers) length += b.length;
      if (length >= DIRECT_WRITE_MIN && (length | (offset % DIRECT_ALIGN)) % DIRECT_ALIGN === 0) {
        this.#direct.write(buffers, length, offset, done);
        return;
      }
    }
    if (buffers.length === 1) {
      const b = buffers[0]!;
      const step = (at: number): void => {
        write(this.#fd, b, at, b.length - at, offset + at, (error, n) => {
          if (error !== null) done(error);
          else if (at + n === b.length) done(null);
          else if (n === 0) done(new Error(`write to ${this.#path} at ${offset + at} made no progress`));
          else step(at + n);
        });
      };
      step(0);
      return;
    }
    const step = (rest: readonly Uint8Array[], at: number): void => {
      if (rest.length === 0) {
        done(null);
        return;
      }
      writev(this.#fd, rest.slice(0, IOV_MAX) as Uint8Array[], at, (error, n) => {
        if (error !== null) {
          done(error);
          return;
        }
        if (n === 0) {
          done(new Error(`write to ${this.#path} at ${at} made no progress`));
          return;
        }
        let i = 0;
        let skip = n;
        while (i < rest.length && skip >= rest[i]!.length) skip -= rest[i++]!.length;
        const left = rest.slice(i);
        if (skip > 0) left[0] = left[0]!.subarray(skip);
        step(left, at + n);
      });
    };
    step(
      buffers.filter((b) => b.length > 0),
      offset,
    );
  }

  sync(done: (error: Error | null) => void): void {
    if (!this.#begin(done)) return;
    fdatasync(this.#fd, (error) => {
      this.#end();
      done(error);
    });
  }

  syncSync(): void {
    fdatasyncSync(this.#fd);
  }

  truncateSync(size: number): void {
    ftruncateSync(this.#fd, size);
  }

  /** What is under way ends as it would have; the descriptors are closed after it. */
  close(): void {
    this.#closed = true;
    for (const child of this.#punches) child.kill('SIGKILL');
    if (this.#busy === 0) this.#release();
  }

  #begin(failed: (error: Error) => void): boolean {
    if (this.#closed) {
      setImmediate(failed, new Error(`${this.#path} is closed`));
      return false;
    }
    this.#busy++;
    return true;
  }

  #end(): void {
    this.#busy--;
    if (this.#closed && this.#busy === 0) this.#release();
  }

  #release(): void {
    closeSync(this.#fd);
    this.#direct?.close();
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The operating system's file system. Paths are taken as they are. */
export const osDisk: Disk = {
  openFile: (path, options = {}) => new OsFile(path, options.create ?? false, options.direct ?? false),

  readFile(path) {
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },

  writeFileAtomic(path, content, mode = 0o644) {
    const temporary = `${path}.new`;
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      let at = 0;
      while (at < content.length) at += writeSync(fd, content, at, content.length - at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  },

  exists: (path) => existsSync(path),
  makeDirectory: (path) => {
    mkdirSync(path, { recursive: true });
  },
  list: (path) => readdirSync(path).sort(),
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  openKv: (path: string, options?: KvOptions) => openLmdb(path, options),
  statfs(path) {
    const s = statfsSync(path);
    return { total: s.blocks * s.bsize, free: s.bavail * s.bsize };
  },
};
