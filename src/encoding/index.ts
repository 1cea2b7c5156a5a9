export * from './codec.ts';
export { DecodeError } from './error.ts';
export { Reader, type StructFrame } from './reader.ts';
export {
  type BodyCodec,
  between,
  body,
  plain,
  type StructOf,
  type StructOptions,
  since,
  struct,
  type VersionedField,
} from './struct.ts';
export { decodeText, encodeText } from './text.ts';
export { Writer } from './writer.ts';

import type { Codec } from './codec.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Bytes of one value. */
export function encodeToBytes<T>(codec: Codec<T>, value: T, features?: bigint): Uint8Array {
  const w = new Writer(256, features);
  codec.encode(w, value);
  return w.bytes();
}

/** One value from the start of `bytes`. Bytes after it are ignored, as Ceph ignores them. */
export function decodeFromBytes<T>(codec: Codec<T>, bytes: Uint8Array, features?: bigint): T {
  return codec.decode(new Reader(bytes, 0, bytes.length, features));
}
