/**
 * Byte strings as JavaScript strings. Ceph's names are bytes; nearly all are UTF-8. A byte that is not part of valid UTF-8
 * becomes the lone surrogate U+DC00 + byte (as Python's surrogateescape does), so every byte string survives the round trip.
 */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Up to here text is made of its characters at once. */
const SHORT = 64;
/** Room for the characters of a text of each such length. */
const rooms: number[][] = Array.from({ length: SHORT + 1 }, (_, n) => new Array<number>(n).fill(0));

export function decodeText(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (end <= start) return '';
  // Short ASCII, by far the usual case, is faster by hand than through TextDecoder. Not added up character by character: that would be kept as a
  // tree of so many parts until somebody reads it.
  if (end - start <= SHORT) {
    const room = rooms[end - start]!;
    let i = start;
    for (; i < end; i++) {
      const c = bytes[i]!;
      if (c >= 0x80) break;
      room[i - start] = c;
    }
    if (i === end) return String.fromCharCode.apply(null, room);
  }
  const part = bytes.subarray(start, end);
  try {
    return decoder.decode(part);
  } catch {
    return decodeEscaped(part);
  }
}

function decodeEscaped(b: Uint8Array): string {
  let s = '';
  for (let i = 0; i < b.length; ) {
    const length = sequenceLength(b, i);
    if (length === 0) {
      s += String.fromCharCode(0xdc00 + b[i]!);
      i++;
    } else {
      s += decoder.decode(b.subarray(i, i + length));
      i += length;
    }
  }
  return s;
}

/** Length of the valid UTF-8 sequence at `i`, or 0. */
function sequenceLength(b: Uint8Array, i: number): number {
  const c = b[i]!;
  if (c < 0x80) return 1;
  const length = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
  if (length === 0 || i + length > b.length) return 0;
  for (let k = 1; k < length; k++) if ((b[i + k]! & 0xc0) !== 0x80) return 0;
  const second = b[i + 1]!;
  if (c === 0xe0 && second < 0xa0) return 0; // overlong
  if (c === 0xed && second > 0x9f) return 0; // surrogates
  if (c === 0xf0 && second < 0x90) return 0; // overlong
  if (c === 0xf4 && second > 0x8f) return 0; // beyond U+10FFFF
  return length;
}

export function encodeText(s: string): Uint8Array {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c >= 0xd800 && c <= 0xdfff) return encodeEscaped(s);
  }
  return encoder.encode(s);
}

function encodeEscaped(s: string): Uint8Array {
  const out: number[] = [];
  for (const ch of s) {
    const c = ch.codePointAt(0)!;
    if (c >= 0xdc80 && c <= 0xdcff) out.push(c - 0xdc00);
    else out.push(...encoder.encode(ch));
  }
  return Uint8Array.from(out);
}
