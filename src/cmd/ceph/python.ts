/** Texts and numbers as Python reads and writes them: Ceph's `ceph` is a Python program, and its messages show it. */

/** `repr()` of a string. */
export function pyRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const c of text) {
    const code = c.codePointAt(0)!;
    if (c === quote || c === '\\') out += `\\${c}`;
    else if (c === '\n') out += '\\n';
    else if (c === '\r') out += '\\r';
    else if (c === '\t') out += '\\t';
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += c;
  }
  return out + quote;
}

export function pyReprList(texts: readonly string[]): string {
  return `[${texts.map(pyRepr).join(', ')}]`;
}

/** `int(text, 0)`; undefined where it raises. Whole numbers beyond 2^53 come as bigint. */
export function pyInt(text: string): number | bigint | undefined {
  const match =
    /^\s*([-+]?)(0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|0[oO][0-7](?:_?[0-7])*|0[bB][01](?:_?[01])*|0(?:_?0)*|[1-9](?:_?\d)*)\s*$/.exec(
      text,
    );
  if (match === null) return undefined;
  const digits = match[2]!.replaceAll('_', '').replace(/^0+$/, '0');
  const value = BigInt(digits) * (match[1] === '-' ? -1n : 1n);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** `int(text)` with base 10 or 16; undefined where it raises. */
export function pyIntOfBase(text: string, base: 10 | 16): number | undefined {
  const digits = base === 10 ? /^\s*[-+]?\d+(?:_\d+)*\s*$/ : /^\s*[-+]?(?:0[xX])?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*\s*$/;
  return digits.test(text) ? Number.parseInt(text.replaceAll('_', '').trim(), base) : undefined;
}

/** `float(text)`; undefined where it raises. */
export function pyFloat(text: string): number | undefined {
  const t = text.trim().replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(t)) return Number(t);
  const word = /^([-+]?)(inf|infinity|nan)$/i.exec(t);
  if (word === null) return undefined;
  if (/nan/i.test(word[2]!)) return Number.NaN;
  return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** A float's `str()`: `1.0`, `0.5`, `1e+20`. */
export function pyFloatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= 16 || exponent < -4) {
    return value.toExponential().replace(/e([-+])(\d)$/, 'e$10$2');
  }
  return Number.isInteger(value) ? `${BigInt(value)}.0` : String(value);
}

/** A float, so that it is written as one (`1.0`) where Python would. */
export class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export type PyValue =
  | string
  | number
  | bigint
  | boolean
  | PyFloat
  | readonly PyValue[]
  | { readonly [key: string]: PyValue };

/** `json.dumps(value)`: spaces after commas and colons, ASCII only. */
export function pyJson(value: PyValue): string {
  if (typeof value === 'string') return pyJsonString(value);
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof PyFloat) {
    if (Number.isNaN(value.value)) return 'NaN';
    return pyFloatText(value.value).replace('inf', 'Infinity');
  }
  if (isList(value)) return `[${value.map(pyJson).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([k, v]) => `${pyJsonString(k)}: ${pyJson(v)}`)
    .join(', ')}}`;
}

function isList(value: readonly PyValue[] | { readonly [key: string]: PyValue }): value is readonly PyValue[] {
  return Array.isArray(value);
}

function pyJsonString(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** `str.rstrip()` of bytes' whitespace. */
export function pyRstrip(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && [9, 10, 11, 12, 13, 32].includes(bytes[end - 1]!)) end--;
  return bytes.subarray(0, end);
}

/** `shlex.split(text)`: words, quotes and backslashes as a POSIX shell has them. Throws where a quote or an escape is not ended. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw new Error('No closing quotation');
      word = (word ?? '') + text.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      word ??= '';
      for (i++; text[i] !== '"'; i++) {
        if (i >= text.length) throw new Error('No closing quotation');
        if (text[i] === '\\' && (text[i + 1] === '"' || text[i + 1] === '\\')) i++;
        word += text[i];
      }
    } else if (c === '\\') {
      if (i + 1 >= text.length) throw new Error('No escaped character');
      word = (word ?? '') + text[++i];
    } else word = (word ?? '') + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}
