import { closeSync, constants, openSync, read, readSync, write } from 'node:fs';

/**
 * Large reads and writes past the page cache (O_DIRECT). On many machines filling the page cache costs ten times what the device
 * needs, and the memory it takes is lost to others.
 *
 * The kernel wants buffers aligned to the device's blocks. Memory of WebAssembly is aligned to 64 KiB, the only such memory that Node gives without an addon;
 * so bytes are copied through a few such places, which stay warm and are used in turn.
 */
const PLACE_LENGTH = 1 << 20;
/** As many transfers run at one time: the thread pool has four threads, and a sync must find one. */
const PLACES = 3;
/** WebAssembly's unit of memory. */
const WASM_PAGE = 65_536;

/** Offsets and lengths must be multiples of this: the largest block of devices in use, and the page. */
export const DIRECT_ALIGN = 4096;

/** Node has it; its types leave it to those of browsers. */
const { Memory } = (
  globalThis as unknown as {
    readonly WebAssembly: {
      readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
    };
  }
).WebAssembly;

const idle: Uint8Array[] = [];
let made = 0;
const waiting: ((place: Uint8Array) => void)[] = [];

/** Aligned memory of so many pages. */
function place(pages: number): Uint8Array {
  return new Uint8Array(new Memory({ initial: pages, maximum: pages }).buffer);
}

function take(then: (place: Uint8Array) => void): void {
  const free = idle.pop();
  if (free !== undefined) then(free);
  else if (made < PLACES) {
    made++;
    then(place(PLACE_LENGTH / WASM_PAGE));
  } else waiting.push(then);
}

function give(place: Uint8Array): void {
  const next = waiting.shift();
  if (next === undefined) idle.push(place);
  else next(place);
}

/** A second handle on a file, whose transfers go past the page cache. */
export class DirectFile {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Undefined where the file system has no such thing: some refuse it only at the first transfer, others for blocks of this size. */
  static open(path: string): DirectFile | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(path, constants.O_RDWR | constants.O_DIRECT);
      readSync(fd, place(1), 0, DIRECT_ALIGN, 0);
      return new DirectFile(fd);
    } catch {
      if (fd !== undefined) closeSync(fd);
      return undefined;
    }
  }

  /** Writes all, in order. `length` is the sum of the buffers' and, as `offset`, a multiple of {@link DIRECT_ALIGN}. */
  write(buffers: readonly Uint8Array[], length: number, offset: number, done: (error: Error | null) => void): void {
    take((place) => {
      let buffer = 0;
      let within = 0;
      let at = 0;
      const end = (error: Error | null): void => {
        give(place);
        done(error);
      };
      const fill = (): void => {
        if (at === length) {
          end(null);
          return;
        }
        let filled = 0;
        while (filled < PLACE_LENGTH && buffer < buffers.length) {
          const b = buffers[buffer]!;
          const n = Math.min(PLACE_LENGTH - filled, b.length - within);
          place.set(n === b.length ? b : b.subarray(within, within + n), filled);
          filled += n;
          within += n;
          if (within === b.length) {
            buffer++;
            within = 0;
          }
        }
        put(0, filled);
      };
      const put = (from: number, to: number): void => {
        write(this.#fd, place, from, to - from, offset + at, (error, n) => {
          if (error !== null) {
            end(error);
            return;
          }
          if (n === 0) {
            end(new Error(`a write at ${offset + at} made no progress`));
            return;
          }
          at += n;
          if (from + n === to) fill();
          else put(from + n, to);
        });
      };
      fill();
    });
  }

  /** Fills `into`; fewer bytes at the end of the file. Its length and `offset` are multiples of {@link DIRECT_ALIGN}. */
  read(into: Uint8Array, offset: number, done: (error: Error | null, bytesRead: number) => void): void {
    take((place) => {
      const end = (error: Error | null, at: number): void => {
        give(place);
        done(error, at);
      };
      const step = (at: number): void => {
        const want = Math.min(PLACE_LENGTH, into.length - at);
        read(this.#fd, place, 0, want, offset + at, (error, n) => {
          if (error !== null) {
            end(error, at);
            return;
          }
          into.set(n === PLACE_LENGTH ? place : place.subarray(0, n), at);
          // A short read that does not end on a block is the file's end.
          if (at + n === into.length || n === 0 || n % DIRECT_ALIGN !== 0) end(null, at + n);
          else step(at + n);
        });
      };
      step(0);
    });
  }

  close(): void {
    closeSync(this.#fd);
  }
}
