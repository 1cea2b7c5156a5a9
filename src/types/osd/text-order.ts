import { encodeText } from '../../encoding/index.ts';

/**
 * Order of two byte strings (see encoding/text.ts) as std::string orders them: bytewise. JavaScript's own order differs only for
 * characters from U+D800 on.
 */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (x < 0xd800 && y < 0xd800) return x - y;
    return compareBytes(encodeText(a), encodeText(b));
  }
  return a.length - b.length;
}

/** memcmp order; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
