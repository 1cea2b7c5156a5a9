import { createRequire } from 'node:module';
import { installCrc32c } from '../base/index.ts';

/** Installs the native crc32c where its package is there; the portable one stays otherwise. Returns whether it did. */
export function installNativeCrc32c(): boolean {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as {
      crc32c(data: Uint8Array, state?: number): number;
    };
    // The package inverts on the way in and out; Ceph's convention does neither.
    installCrc32c((seed, data) => ~native.crc32c(data, ~seed >>> 0) >>> 0);
    return true;
  } catch {
    return false;
  }
}
