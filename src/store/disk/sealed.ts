import { crc32c, type Kv, type KvOp } from '../../base/index.ts';
import { StoreError } from '../api.ts';
import type { Arena } from '../arena.ts';
import { type ByteString, writeByteString } from '../byte-string.ts';
import { CRC_SEED } from './format.ts';

/** The database does not check what it reads back: every value ends in a crc32c (little-endian) of its key and itself. */
export const SEAL_LENGTH = 4;

/**
 * An operation whose key and value lie one after the other in a piece of memory: views of them are made when they are asked for. Tens of thousands wait for a
 * checkpoint, and two views for each of them were a quarter of the collector's work.
 */
class StoredPut {
  readonly kind = 'put';
  readonly #bytes: Uint8Array;
  readonly #at: number;
  readonly #middle: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, middle: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#middle = middle;
    this.#end = end;
  }

  get key(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#middle);
  }

  get value(): Uint8Array {
    return this.#bytes.subarray(this.#middle, this.#end);
  }
}

/** A put of a sealed value; key and value are copied into the arena. */
export function sealedPut(arena: Arena, key: ByteString, value: Uint8Array): KvOp {
  const n = key.length + value.length;
  const at = arena.cut(n + SEAL_LENGTH);
  const { bytes } = arena;
  const middle = at + key.length;
  const end = at + n;
  writeByteString(bytes, key, at);
  bytes.set(value, middle);
  arena.view.setUint32(end, crc32c(CRC_SEED, bytes.subarray(at, end)), true);
  return new StoredPut(bytes, at, middle, end + SEAL_LENGTH);
}

/** The value without its seal. Throws StoreError 'corrupt' where the seal is not that of key and value. */
export function unseal(key: Uint8Array, stored: Uint8Array): Uint8Array {
  const n = stored.length - SEAL_LENGTH;
  if (n >= 0) {
    const value = stored.subarray(0, n);
    const expected = (stored[n]! | (stored[n + 1]! << 8) | (stored[n + 2]! << 16) | (stored[n + 3]! << 24)) >>> 0;
    if (crc32c(crc32c(CRC_SEED, key), value) === expected) return value;
  }
  throw new StoreError('corrupt', `the database's value of key ${Buffer.from(key).toString('hex')} fails its checksum`);
}

/** Reads a sealed value. */
export function getSealed(kv: Kv, key: Uint8Array): Uint8Array | undefined {
  const stored = kv.get(key);
  return stored === undefined ? undefined : unseal(key, stored);
}

/** Iterates over sealed values. */
export function* rangeSealed(
  kv: Kv,
  start: Uint8Array,
  end: Uint8Array,
): IterableIterator<readonly [Uint8Array, Uint8Array]> {
  for (const [key, stored] of kv.range(start, end)) yield [key, unseal(key, stored)];
}
