export { InvariantError, invariant, unreachable } from './assert.ts';
export {
  BLOCK_CRCS_MIN,
  CRC_BLOCK,
  crc32cLong,
  knownBlockCrcs,
  knownBlockPhase,
  rememberBlockCrcs,
} from './block-crc.ts';
export type { Clock, TimerHandle } from './clock.ts';
export {
  type CompressionName,
  type Compressor,
  type CompressorSource,
  compressionName,
  compressionTypes,
  compressorNamed,
  compressorReady,
  installCompressors,
  isCompressionName,
} from './compress.ts';
export { type Crc32c, crc32c, crc32cPortable, installCrc32c } from './crc32c.ts';
export type { Disk, DiskFile, Kv, KvOp, KvOptions } from './disk.ts';
export { type Entropy, entropyBelow, entropyU64, entropyUuid, SeededEntropy } from './entropy.ts';
export { ErrnoError, type ErrnoName, errno, errnoName } from './errno.ts';
export { giveLarge, LARGE_MIN, takeLarge, trimLarge } from './large-buffers.ts';
export { type Logger, silentLogger } from './log.ts';
export type { Endpoint, Listener, Network, Socket, SocketHandler } from './network.ts';
export { Queue } from './queue.ts';
