import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { entropyBelow, installCompressors, type SeededEntropy } from '../../base/index.ts';
import type { CompressionOptions } from '../api.ts';
import { compressionDefaults } from '../disk/options.ts';
import type { TestClock } from './clock.ts';

/** The clock of the machine that runs: another one after each power loss. */
export interface TestMachine {
  clock: TestClock;
}

/**
 * Compressors for tests in virtual time, where no library's thread may answer: zlib answers in a later turn of the machine's clock; what stands for snappy, which
 * the store need not know, is zlib as well, at once.
 */
export function installTestCompressors(machine: TestMachine): void {
  const compress = (data: Uint8Array): Uint8Array => deflateRawSync(data, { level: 1 });
  const decompress = (packed: Uint8Array, length: number): Uint8Array => {
    const data = inflateRawSync(packed, { maxOutputLength: length });
    if (data.length !== length) throw new RangeError(`${data.length} bytes came out, ${length} went in`);
    return data;
  };
  installCompressors({
    ready: async () => {},
    find: (name) => {
      if (name === 'snappy') return { name, type: 1, compress, decompress };
      if (name !== 'zlib') return undefined;
      return {
        name,
        type: 2,
        compress,
        decompress,
        compressLater: (data, done) => machine.clock.defer(() => done(null, compress(data))),
      };
    },
  });
}

/** Options for a run: mostly everything is compressed, in blobs of any size. */
export function randomCompression(entropy: SeededEntropy): CompressionOptions {
  const pick = <T>(list: readonly T[]): T => list[entropyBelow(entropy, list.length)]!;
  // The first numbers of near seeds are near.
  for (let i = 0; i < 8; i++) entropy.u32();
  return {
    ...compressionDefaults,
    mode: pick(['force', 'force', 'aggressive', 'passive']),
    algorithm: pick(['snappy', 'zlib']),
    requiredRatio: pick([0.875, 0.5, 1]),
    minBlobSize: pick([8192, 12_288, 65_536, 0]),
    blobSizeLimit: pick([65_536, 524_288]),
  };
}
