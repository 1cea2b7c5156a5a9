/** A place in a text being parsed, with the few steps that the caps grammars are made of. A step that fails does not move. */
export class Scanner {
  readonly text: string;
  at = 0;
  constructor(text: string) {
    this.text = text;
  }

  get isAtEnd(): boolean {
    return this.at === this.text.length;
  }

  get rest(): string {
    return this.text.slice(this.at);
  }

  /** What the sticky expression matches here, or undefined. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.at += found[0].length;
    return found[0];
  }

  literal(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** Runs `parse`; where it gives undefined, goes back to where it began. */
  attempt<T>(parse: () => T | undefined): T | undefined {
    const begin = this.at;
    const value = parse();
    if (value === undefined) this.at = begin;
    return value;
  }

  /** The first of the alternatives that holds. */
  first<T>(...alternatives: (() => T | undefined)[]): T | undefined {
    for (const parse of alternatives) {
      const value = this.attempt(parse);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Text in single or double quotes, at least one character unless `allowEmpty`. No escapes. */
  quoted(allowEmpty = false): string | undefined {
    return this.attempt(() => {
      const quote = this.text[this.at];
      if (quote !== '"' && quote !== "'") return undefined;
      const end = this.text.indexOf(quote, this.at + 1);
      if (end < 0 || (end === this.at + 1 && !allowEmpty)) return undefined;
      const value = this.text.slice(this.at + 1, end);
      this.at = end + 1;
      return value;
    });
  }

  /** A quoted text or an unquoted word. */
  word(allowEmpty = false): string | undefined {
    return this.quoted(allowEmpty) ?? this.match(/[a-zA-Z0-9_./-]+/y);
  }

  /** `network` and an address with prefix length, behind spaces. Undefined in `value` where there is none. */
  network(spaces: RegExp): string {
    return (
      this.attempt(() =>
        this.match(spaces) !== undefined && this.literal('network') && this.match(spaces) !== undefined
          ? this.match(/[/.:a-fA-F0-9\][]+/y)
          : undefined,
      ) ?? ''
    );
  }
}

/** Grants separated by `;` or `,`. Undefined where the first does not parse; otherwise stops before what does not. */
export function parseGrants<T>(s: Scanner, grant: () => T | undefined, separator: RegExp): T[] | undefined {
  const first = s.attempt(grant);
  if (first === undefined) return undefined;
  const grants = [first];
  for (;;) {
    const next = s.attempt(() => (s.match(separator) === undefined ? undefined : s.attempt(grant)));
    if (next === undefined) return grants;
    grants.push(next);
  }
}
