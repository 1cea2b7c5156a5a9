/**
 * Compression for whoever stores data. The libraries are the runtime's to load; what runs without it (a browser, a test of something else) has none.
 */

/** Names and numbers as Ceph's (`Compressor::CompressionAlgorithm`); the numbers lie on disk. */
export const compressionTypes = { snappy: 1, zlib: 2, zstd: 3, lz4: 4 } as const;
export type CompressionName = keyof typeof compressionTypes;

export interface Compressor {
  readonly name: CompressionName;
  /** Its number in {@link compressionTypes}. */
  readonly type: number;
  compress(data: Uint8Array): Uint8Array;
  /** Compresses away from the caller's thread: for those that take long. `data` must not change meanwhile. The callback comes in a later turn. */
  compressLater?(data: Uint8Array, done: (error: Error | null, packed: Uint8Array | undefined) => void): void;
  /** Exactly `length` bytes; throws where `packed` does not give them. */
  decompress(packed: Uint8Array, length: number): Uint8Array;
}

export interface CompressorSource {
  /** The compressor, where it is there and ready. One that takes time to load may begin to, and is found later. */
  find(name: CompressionName): Compressor | undefined;
  /** Resolves once `find` says for good whether there is one. */
  ready(name: CompressionName): Promise<void>;
}

let source: CompressorSource = { find: () => undefined, ready: async () => {} };

/** Says where compressors come from, normally at process start (`runtime` does). */
export function installCompressors(from: CompressorSource): void {
  source = from;
}

/** The compressor, or undefined where its library is not installed (or not loaded yet: see {@link compressorReady}). */
export function compressorNamed(name: string): Compressor | undefined {
  return isCompressionName(name) ? source.find(name) : undefined;
}

/** Resolves once {@link compressorNamed} gives the compressor, if it is installed. */
export async function compressorReady(name: string): Promise<void> {
  if (isCompressionName(name)) await source.ready(name);
}

export function isCompressionName(name: string): name is CompressionName {
  return Object.hasOwn(compressionTypes, name);
}

/** The name that a number on disk means. */
export function compressionName(type: number): CompressionName | undefined {
  for (const name of Object.keys(compressionTypes)) {
    if (isCompressionName(name) && compressionTypes[name] === type) return name;
  }
  return undefined;
}
