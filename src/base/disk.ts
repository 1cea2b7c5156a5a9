/**
 * Durable storage as the cores see it: a directory of files plus ordered key-value databases. `runtime` gives the real one,
 * `sim` one that loses what was not synced.
 */
export interface Disk {
  /**
   * Opens for reading and writing; `create` makes the file where it is missing. `direct`: long asynchronous reads and writes of whole
   * 4096-byte blocks go past the system's cache, where it can.
   */
  openFile(path: string, options?: { create?: boolean; direct?: boolean }): DiskFile;
  /** Whole content of a small file, or undefined where it does not exist. */
  readFile(path: string): Uint8Array | undefined;
  /** Replaces a small file so that a crash leaves the old or the new content; durable on return. `mode` defaults to 0644. */
  writeFileAtomic(path: string, content: Uint8Array, mode?: number): void;
  exists(path: string): boolean;
  makeDirectory(path: string): void;
  list(path: string): string[];
  remove(path: string): void;
  /** Opens (makes, if missing) an ordered key-value database at a path of its own. */
  openKv(path: string, options?: KvOptions): Kv;
  /** Bytes in all and free on the file system that holds `path`. */
  statfs(path: string): { total: number; free: number };
}

/** One file. Offsets and lengths in bytes. Synchronous calls block the event loop: for small or cached ranges only. */
export interface DiskFile {
  /** A device: its size is what it is, and it is held alone while it is open. */
  readonly isDevice?: boolean;
  size(): number;
  /** Bytes of the file system that the file takes; missing where that cannot be told. */
  takenBytes?(): number;
  /** Fills `into` from `offset`; returns bytes read (less at the end of the file). Throws the system's error. */
  readSync(into: Uint8Array, offset: number): number;
  read(into: Uint8Array, offset: number, done: (error: Error | null, bytesRead: number) => void): void;
  /** Writes all buffers in order at `offset`. Not durable before a sync that starts afterwards completes. */
  writeSync(buffers: readonly Uint8Array[], offset: number): void;
  write(buffers: readonly Uint8Array[], offset: number, done: (error: Error | null) => void): void;
  /** Makes every write that completed before this call durable (fdatasync). */
  sync(done: (error: Error | null) => void): void;
  syncSync(): void;
  truncateSync(size: number): void;
  /**
   * Gives the space of a range of whole 4096-byte blocks back to the file system; it then reads as zeros, or as before where that fails (of a device: as anything). The
   * range must not be written before `done` is called. Missing where the system has no way to.
   */
  punch?(offset: number, length: number, done: (error: Error | null) => void): void;
  /** Resolves once no punch of an earlier opening of this file (maybe by a process that was killed) can still come. */
  punchesEnded?(): Promise<void>;
  close(): void;
}

export interface KvOptions {
  /** Upper limit of the database in bytes, for engines that reserve address space. */
  mapSize?: number;
}

/** One change of a {@link Kv} batch. */
export type KvOp =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'del'; readonly key: Uint8Array }
  /** Removes every key in [start, end). */
  | { readonly kind: 'delRange'; readonly start: Uint8Array; readonly end: Uint8Array };

/** An embedded, ordered (bytewise), transactional key-value database. */
export interface Kv {
  /** Longest key it takes, in bytes. */
  readonly keyLength_max: number;
  /** Bytes that its content takes on disk, about. */
  usedBytes?(): number;
  get(key: Uint8Array): Uint8Array | undefined;
  /** Entries with start <= key < end in order (or backwards), as a snapshot at the call. Buffers may be kept. */
  range(
    start: Uint8Array,
    end: Uint8Array | undefined,
    options?: { limit?: number; reverse?: boolean; keysOnly?: boolean },
  ): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** Applies all or nothing, visible on return, durable on return. */
  commitSync(ops: readonly KvOp[]): void;
  /** Applies all or nothing; visible and durable when `done` is called; batches take effect in order of calls. */
  commit(ops: readonly KvOp[], done: (error: Error | null) => void): void;
  /**
   * As {@link commit}, for a batch so long that it would hold up the event loop: the engine may take it a few milliseconds at a time. As durable and as much all or
   * nothing as any other; but until `done` is called, reads may find any part of it, ranges must be read within one turn, and no other batch may be given.
   * Engines that are never held up leave it out.
   */
  commitInTurns?(ops: readonly KvOp[], done: (error: Error | null) => void): void;
  close(): void;
}
