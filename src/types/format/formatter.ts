import { formatJsonString, formatXmlText } from './escape.ts';
import { formatG } from './number.ts';

/**
 * Where a dump goes: a stream of named values and sections that becomes JSON or XML in Ceph's layout. In an array the names are not
 * shown by JSON, but XML shows them, so they are always given.
 */
export interface Formatter {
  openObject(name: string): void;
  openArray(name: string): void;
  /** Ends the innermost open section. */
  close(): void;
  /** A whole number; bigint for what a double cannot hold (dump_int, dump_unsigned). */
  int(name: string, value: number | bigint): void;
  /** A double with 17 significant digits: `1`, `0.94999998807907104` (dump_float). */
  float(name: string, value: number): void;
  string(name: string, value: string): void;
  bool(name: string, value: boolean): void;
  /** Text that stands as it is, unquoted in JSON. */
  raw(name: string, text: string): void;
  /** What was written since the last flush. */
  flush(): string;
}

/** `-f json` and `-f json-pretty`. */
export class JsonFormatter implements Formatter {
  readonly #pretty: boolean;
  #parts: string[] = [];
  /** For each open section: is it an array, and how many values it holds. */
  #stack: { isArray: boolean; size: number }[] = [];
  #indent = '';

  constructor(pretty = false) {
    this.#pretty = pretty;
  }

  openObject(name: string): void {
    this.#open(name, false);
  }

  openArray(name: string): void {
    this.#open(name, true);
  }

  #open(name: string, isArray: boolean): void {
    this.#name(name);
    this.#parts.push(isArray ? '[' : '{');
    this.#stack.push({ isArray, size: 0 });
    this.#indent = '    '.repeat(this.#stack.length - 1);
  }

  close(): void {
    const section = this.#stack.pop();
    if (section === undefined) throw new RangeError('JsonFormatter.close: no section is open');
    if (this.#pretty && section.size > 0) this.#parts.push('\n', this.#indent);
    this.#parts.push(section.isArray ? ']' : '}');
    if (this.#pretty && this.#stack.length === 0) this.#parts.push('\n');
    this.#indent = '    '.repeat(Math.max(0, this.#stack.length - 1));
  }

  #name(name: string): void {
    const section = this.#stack.at(-1);
    if (section === undefined) return;
    if (section.size > 0) this.#parts.push(',');
    if (this.#pretty) this.#parts.push('\n', this.#indent, '    ');
    if (!section.isArray) this.#parts.push('"', name, this.#pretty ? '": ' : '":');
    section.size++;
  }

  int(name: string, value: number | bigint): void {
    this.raw(name, typeof value === 'number' && Math.abs(value) >= 1e21 ? BigInt(value).toString() : String(value));
  }

  float(name: string, value: number): void {
    this.raw(name, formatG(value, 17));
  }

  string(name: string, value: string): void {
    this.raw(name, formatJsonString(value));
  }

  bool(name: string, value: boolean): void {
    this.raw(name, value ? 'true' : 'false');
  }

  raw(name: string, text: string): void {
    this.#name(name);
    this.#parts.push(text);
  }

  flush(): string {
    const text = this.#parts.join('');
    this.#parts = [];
    return text;
  }
}

/** `-f xml` and `-f xml-pretty`. */
export class XmlFormatter implements Formatter {
  readonly #pretty: boolean;
  #parts: string[] = [];
  #sections: string[] = [];

  constructor(pretty = false) {
    this.#pretty = pretty;
  }

  openObject(name: string): void {
    this.#line(`<${name}>`);
    this.#sections.push(name);
  }

  openArray(name: string): void {
    this.openObject(name);
  }

  close(): void {
    const name = this.#sections.pop();
    if (name === undefined) throw new RangeError('XmlFormatter.close: no section is open');
    this.#line(`</${name}>`);
  }

  #line(text: string): void {
    if (this.#pretty) this.#parts.push(' '.repeat(this.#sections.length), text, '\n');
    else this.#parts.push(text);
  }

  int(name: string, value: number | bigint): void {
    this.raw(name, String(value));
  }

  float(name: string, value: number): void {
    this.raw(name, formatG(value, 17));
  }

  string(name: string, value: string): void {
    this.raw(name, formatXmlText(value));
  }

  bool(name: string, value: boolean): void {
    this.raw(name, value ? 'true' : 'false');
  }

  raw(name: string, text: string): void {
    this.#line(`<${name}>${text}</${name}>`);
  }

  flush(): string {
    const text = this.#parts.join('');
    this.#parts = [];
    return this.#pretty && text !== '' ? `${text}\n` : text;
  }
}

/** The formatter for a command's `format` argument: json, json-pretty, xml, xml-pretty; undefined for plain and unknown ones. */
export function createFormatter(format: string): Formatter | undefined {
  if (format === 'json') return new JsonFormatter();
  if (format === 'json-pretty') return new JsonFormatter(true);
  if (format === 'xml') return new XmlFormatter();
  if (format === 'xml-pretty') return new XmlFormatter(true);
  return undefined;
}

/** An object section around what `fill` writes. */
export function dumpObject(f: Formatter, name: string, fill: (f: Formatter) => void): void {
  f.openObject(name);
  fill(f);
  f.close();
}

/** An array section with what `each` writes for every element. */
export function dumpArray<T>(
  f: Formatter,
  name: string,
  items: Iterable<T>,
  each: (item: T, f: Formatter) => void,
): void {
  f.openArray(name);
  for (const item of items) each(item, f);
  f.close();
}

/** The JSON text (`-f json`) of one dump in an unnamed object. */
export function toJson(fill: (f: Formatter) => void, pretty = false): string {
  const f = new JsonFormatter(pretty);
  dumpObject(f, '', fill);
  return f.flush();
}
