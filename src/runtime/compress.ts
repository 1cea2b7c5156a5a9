import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { type CompressionName, type Compressor, compressionTypes, installCompressors } from '../base/index.ts';

/** Ceph's compressor_zlib_level and compressor_zstd_level. */
const ZLIB_LEVEL = 5;
const ZSTD_LEVEL = 1;

type Sync = (data: Uint8Array) => Uint8Array;

/** What Node has from 22.15 on; the types are of Node 20. */
interface NodeZstd {
  zstdCompressSync?(data: Uint8Array, options: object): Uint8Array;
  zstdDecompressSync?(data: Uint8Array, options: object): Uint8Array;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

interface WasmZstd {
  init(): Promise<void>;
  compress(data: Uint8Array, level: number): Uint8Array;
  decompress(data: Uint8Array): Uint8Array;
}

const found = new Map<CompressionName, Compressor | undefined>();
const require = createRequire(import.meta.url);
let zstd: WasmZstd | undefined;
let zstdReady: Promise<void> | undefined;

/** Lets base find what is installed: zlib is Node's own; snappy, lz4 and zstd (before Node 22.15) are optional packages, each loaded when it is first asked for. */
export function installNativeCompressors(): void {
  installCompressors({
    find: (name) => {
      const known = found.get(name);
      if (known !== undefined || found.has(name)) return known;
      const compressor = load(name);
      // One that gets ready in the background is asked for again.
      if (compressor !== undefined || name !== 'zstd') found.set(name, compressor);
      return compressor;
    },
    ready: async (name) => {
      if (name === 'zstd' && nodeZstd() === undefined) await loadZstd();
    },
  });
}

function load(name: CompressionName): Compressor | undefined {
  const type = compressionTypes[name];
  try {
    switch (name) {
      case 'zlib':
        return {
          name,
          type,
          compress: (data) => zlib.deflateRawSync(data, { level: ZLIB_LEVEL }),
          compressLater: (data, done) => zlib.deflateRaw(data, { level: ZLIB_LEVEL }, (e, packed) => done(e, packed)),
          decompress: (packed, length) => exactly(zlib.inflateRawSync(packed, { maxOutputLength: length }), length),
        };
      case 'snappy': {
        const snappy = require('snappy') as { compressSync: Sync; uncompressSync: Sync };
        return {
          name,
          type,
          compress: (data) => snappy.compressSync(data),
          decompress: (packed, length) => exactly(snappy.uncompressSync(packed), length),
        };
      }
      case 'lz4': {
        const lz4 = require('lz4-napi') as { compressSync: Sync; uncompressSync: Sync };
        return {
          name,
          type,
          compress: (data) => lz4.compressSync(data),
          decompress: (packed, length) => exactly(lz4.uncompressSync(packed), length),
        };
      }
      case 'zstd':
        return nodeZstd() ?? wasmZstd();
    }
  } catch {
    return undefined;
  }
}

function exactly(data: Uint8Array, length: number): Uint8Array {
  if (data.length !== length) throw new RangeError(`${data.length} bytes came out, ${length} went in`);
  return data;
}

function nodeZstd(): Compressor | undefined {
  const node = zlib as unknown as NodeZstd;
  const { zstdCompressSync, zstdDecompressSync } = node;
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined;
  const params = { [node.constants.ZSTD_c_compressionLevel!]: ZSTD_LEVEL };
  return {
    name: 'zstd',
    type: compressionTypes.zstd,
    compress: (data) => zstdCompressSync(data, { params }),
    decompress: (packed, length) => exactly(zstdDecompressSync(packed, { maxOutputLength: length }), length),
  };
}

function wasmZstd(): Compressor | undefined {
  const ready = zstd;
  if (ready === undefined) {
    void loadZstd();
    return undefined;
  }
  return {
    name: 'zstd',
    type: compressionTypes.zstd,
    compress: (data) => ready.compress(data, ZSTD_LEVEL),
    decompress: (packed, length) => exactly(ready.decompress(packed), length),
  };
}

function loadZstd(): Promise<void> {
  zstdReady ??= (async () => {
    try {
      const module = require('@bokuweb/zstd-wasm') as WasmZstd;
      await module.init();
      zstd = module;
    } catch {
      // Not installed: whoever asks is told that there is none.
    }
  })();
  return zstdReady;
}
