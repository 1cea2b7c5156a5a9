/**
 * crc32c (Castagnoli) in Ceph's convention: the seed is the running register, neither inverted on the way in nor out.
 * Ceph's usual seed is 0xffffffff; a checksum continues by passing the previous result as the seed.
 */
export type Crc32c = (seed: number, data: Uint8Array) => number;

/** Eight tables of 256 for the slicing-by-8 fallback; built at first use. */
let tables: Uint32Array | undefined;

function buildTables(): Uint32Array {
  const t = new Uint32Array(8 * 256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    t[i] = c >>> 0;
  }
  for (let i = 0; i < 256; i++) {
    for (let s = 1; s < 8; s++) {
      const previous = t[(s - 1) * 256 + i]!;
      t[s * 256 + i] = (previous >>> 8) ^ t[previous & 0xff]!;
    }
  }
  return t;
}

/**
 * The portable implementation; `crc32c` uses it until a faster one is installed. Of `data` from `start` to `end`: below about 150
 * bytes it beats a native call, and needs no view.
 */
export function crc32cPortable(seed: number, data: Uint8Array, start = 0, end = data.length): number {
  tables ??= buildTables();
  const t = tables;
  let crc = seed >>> 0;
  let i = start;
  const end8 = end - 7;
  for (; i < end8; i += 8) {
    crc ^= data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    crc =
      t[7 * 256 + (crc & 0xff)]! ^
      t[6 * 256 + ((crc >>> 8) & 0xff)]! ^
      t[5 * 256 + ((crc >>> 16) & 0xff)]! ^
      t[4 * 256 + (crc >>> 24)]! ^
      t[3 * 256 + data[i + 4]!]! ^
      t[2 * 256 + data[i + 5]!]! ^
      t[256 + data[i + 6]!]! ^
      t[data[i + 7]!]!;
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t[(crc ^ data[i]!) & 0xff]!;
  return crc >>> 0;
}

let implementation: Crc32c = crc32cPortable;

/** Replaces the implementation, normally by a native one at process start (`runtime` does). It must agree with the portable one. */
export function installCrc32c(fast: Crc32c): void {
  implementation = fast;
}

/** crc32c of `data` continued from `seed`, as an unsigned 32-bit number. */
export function crc32c(seed: number, data: Uint8Array): number {
  return implementation(seed, data);
}
