import { createRequire } from 'node:module';
import { crc32cPortable, installCrc32c } from '../base/index.ts';

/** Bytes that the portable crc32c sums, in about a millisecond, before the native one is worth its loading: that takes ten times as long. */
const PORTABLE_BYTES = 1 << 20;

let isDecided = false;

/** Installs the native crc32c where its package is there; the portable one stays otherwise. Returns whether it did. */
export function installNativeCrc32c(): boolean {
  isDecided = true;
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as {
      crc32c(data: Uint8Array, state?: number): number;
    };
    // The package inverts on the way in and out; Ceph's convention does neither.
    installCrc32c((seed, data) => ~native.crc32c(data, ~seed >>> 0) >>> 0);
    return true;
  } catch {
    installCrc32c(crc32cPortable);
    return false;
  }
}

/** {@link installNativeCrc32c}, as soon as there is something to sum: a program that ends after a few messages does not pay for it. */
export function installCrc32cOnDemand(): void {
  if (isDecided) return;
  isDecided = true;
  let left = PORTABLE_BYTES;
  installCrc32c((seed, data) => {
    left -= data.length;
    if (left < 0) installNativeCrc32c();
    return crc32cPortable(seed, data);
  });
}
