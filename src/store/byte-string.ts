import { decodeText, encodeText } from '../encoding/index.ts';

/**
 * Bytes as a string of one character per byte (latin1). Comparing two with `<` is comparing the bytes, and the engine holds, hashes
 * and compares such strings at a byte per character. The store keeps omap keys and object keys so; for ASCII it is the text itself.
 */
export type ByteString = string;

interface Latin1 {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, s: string, offset: number, length: number): number;
}
const { latin1Slice, latin1Write } = Buffer.prototype as unknown as Latin1;

function isAscii(s: string): boolean {
  for (let i = 0; i < s.length; i++) if (s.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** From text as the interfaces carry it (see encoding/text.ts). */
export function toByteString(text: string): ByteString {
  return isAscii(text) ? text : bytesToByteString(encodeText(text));
}

/** Back to text. */
export function fromByteString(s: ByteString): string {
  return isAscii(s) ? s : decodeText(byteStringToBytes(s));
}

export function bytesToByteString(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  return latin1Slice.call(bytes, start, end);
}

export function byteStringToBytes(s: ByteString): Uint8Array {
  const bytes = new Uint8Array(s.length);
  latin1Write.call(bytes, s, 0, s.length);
  return bytes;
}

/** Writes the bytes of `s` into `into` at `offset`; returns their number. */
export function writeByteString(into: Uint8Array, s: ByteString, offset: number): number {
  return latin1Write.call(into, s, offset, s.length);
}
