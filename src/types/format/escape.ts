/** Ceph's escaping: only what must be, control characters as \u00XX; other bytes pass as they are. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
const JSON_SPECIAL = /["\\\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
const JSON_SPECIALS = /["\\\u0000-\u001f\u007f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped.
const XML_SPECIALS = /[<&>'"\u0000-\u0008\u000b-\u001f\u007f]/g;

const JSON_NAMED: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\t': '\\t', '\n': '\\n' };
const XML_NAMED: Record<string, string> = { '<': '&lt;', '&': '&amp;', '>': '&gt;', "'": '&apos;', '"': '&quot;' };

/** With the quotes. */
export function formatJsonString(s: string): string {
  if (!JSON_SPECIAL.test(s)) return `"${s}"`;
  const escaped = s.replace(
    JSON_SPECIALS,
    (c) => JSON_NAMED[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}

export function formatXmlText(s: string): string {
  return s.replace(XML_SPECIALS, (c) => XML_NAMED[c] ?? `&#x${c.charCodeAt(0).toString(16).padStart(2, '0')};`);
}
