import { type Compressor, compressorNamed, compressorReady } from '../../base/index.ts';
import type { CompressionOptions } from '../api.ts';
import { BLOCK_SIZE, SEGMENT_BLOCKS } from './format.ts';

/** CEPH_OSD_ALLOC_HINT_FLAG_* (include/rados.h). */
const hintFlag = {
  RANDOM_WRITE: 2,
  SEQUENTIAL_READ: 4,
  RANDOM_READ: 8,
  APPEND_ONLY: 16,
  IMMUTABLE: 32,
  COMPRESSIBLE: 256,
  INCOMPRESSIBLE: 512,
} as const;

/** How an object's data is to be compressed. */
export interface CompressionPlan {
  readonly compressor: Compressor;
  /** Compressed data may take this part of the raw data's blocks at most. */
  readonly requiredRatio: number;
  /** Blocks of raw data that are compressed together. */
  readonly blobBlocks: number;
}

/** Which data is compressed: bluestore_compression_* and what pools have instead, with the objects' hints. As BlueStore decides. */
export class CompressionPolicy {
  #defaults: CompressionOptions;
  readonly #pools = new Map<number, Partial<CompressionOptions>>();
  /** Whether any pool may have data compressed. */
  #isOn = false;
  /** Algorithms that were wanted and are not there. */
  readonly #missing = new Set<string>();
  /** Pieces of data that were kept compressed, and those that saved too little. */
  readonly counts = { success: 0, rejected: 0 };

  constructor(defaults: CompressionOptions) {
    this.#defaults = defaults;
    this.#changed();
  }

  setDefaults(options: CompressionOptions): void {
    this.#defaults = options;
    this.#changed();
  }

  /** What the pool has instead of the defaults; undefined: nothing. */
  setPool(pool: number, options: Partial<CompressionOptions> | undefined): void {
    if (options === undefined) this.#pools.delete(pool);
    else this.#pools.set(pool, options);
    this.#changed();
  }

  #changed(): void {
    this.#missing.clear();
    this.#isOn = this.#defaults.mode !== 'none';
    for (const { mode } of this.#pools.values()) if (mode !== undefined && mode !== 'none') this.#isOn = true;
    // Some take time to load: from now on, not from the first write on.
    for (const algorithm of this.algorithms) void compressorReady(algorithm);
  }

  /** What may be compressed with. */
  get algorithms(): Set<string> {
    const wanted = new Set<string>();
    if (!this.#isOn) return wanted;
    for (const own of [this.#defaults, ...this.#pools.values()]) wanted.add(own.algorithm ?? this.#defaults.algorithm);
    return wanted;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Algorithms without their library since the options last changed. */
  get missing(): ReadonlySet<string> {
    return this.#missing;
  }

  /** Undefined where the data is to stay as it is. */
  planFor(pool: number, hints: number): CompressionPlan | undefined {
    if (!this.#isOn || pool < 0) return undefined;
    const own = this.#pools.get(pool);
    const defaults = this.#defaults;
    const mode = own?.mode ?? defaults.mode;
    if (mode === 'none') return undefined;
    if (mode === 'passive' && (hints & hintFlag.COMPRESSIBLE) === 0) return undefined;
    if (mode === 'aggressive' && (hints & hintFlag.INCOMPRESSIBLE) !== 0) return undefined;
    const algorithm = own?.algorithm ?? defaults.algorithm;
    if (algorithm === 'none' || algorithm === '') return undefined;
    const compressor = compressorNamed(algorithm);
    if (compressor === undefined) {
      this.#missing.add(algorithm);
      return undefined;
    }
    // Read in sequence and never changed: long blobs cost nothing then.
    const isStream =
      (hints & hintFlag.SEQUENTIAL_READ) !== 0 &&
      (hints & (hintFlag.RANDOM_READ | hintFlag.RANDOM_WRITE)) === 0 &&
      (hints & (hintFlag.IMMUTABLE | hintFlag.APPEND_ONLY)) !== 0;
    const size = isStream ? (own?.maxBlobSize ?? defaults.maxBlobSize) : (own?.minBlobSize ?? defaults.minBlobSize);
    const most = Math.min(defaults.blobSizeLimit, SEGMENT_BLOCKS * BLOCK_SIZE);
    const target = size === 0 || size > most ? most : size;
    return {
      compressor,
      requiredRatio: own?.requiredRatio ?? defaults.requiredRatio,
      blobBlocks: Math.max(2, Math.floor(target / BLOCK_SIZE)),
    };
  }
}

/** Blocks that the compressed form of so many raw ones may take; it is worth nothing unless it takes fewer. */
export function acceptableBlocks(rawBlocks: number, requiredRatio: number): number {
  return Math.min(rawBlocks - 1, Math.ceil(rawBlocks * requiredRatio));
}
