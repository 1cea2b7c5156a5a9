/** How cells sit in their column. */
export type Align = 'left' | 'center' | 'right';

interface Column {
  readonly heading: string;
  readonly headingAlign: Align;
  readonly align: Align;
}

/** Columns that are as wide as their widest cell, two spaces apart: the plain output of many commands (Ceph's TextTable). */
export class TextTable {
  #columns: Column[] = [];
  #rows: string[][] = [];
  #indent = 0;
  #separator = '  ';

  /** Adds a column. `align` is that of the cells. */
  column(heading: string, headingAlign: Align, align: Align = headingAlign): this {
    this.#columns.push({ heading, headingAlign, align });
    return this;
  }

  /** Spaces before every cell. */
  setIndent(spaces: number): this {
    this.#indent = spaces;
    return this;
  }

  setSeparator(separator: string): this {
    this.#separator = separator;
    return this;
  }

  /** Adds a row; cells that are not given are blank. */
  row(...cells: (string | number | bigint)[]): this {
    if (cells.length > this.#columns.length) {
      throw new RangeError(`TextTable: ${cells.length} cells in ${this.#columns.length} columns`);
    }
    this.#rows.push(cells.map(String));
    return this;
  }

  /** Heading and rows, each ended by a newline. */
  toString(): string {
    const widths = this.#columns.map((c, i) =>
      Math.max(c.heading.length, ...this.#rows.map((r) => (r[i] ?? '').length)),
    );
    const line = (cell: (i: number) => string, align: (i: number) => Align): string =>
      `${this.#columns.map((_, i) => ' '.repeat(this.#indent) + pad(cell(i), widths[i]!, align(i))).join(this.#separator)}\n`;
    let text = line(
      (i) => this.#columns[i]!.heading,
      (i) => this.#columns[i]!.headingAlign,
    );
    for (const row of this.#rows) {
      text += line(
        (i) => row[i] ?? '',
        (i) => this.#columns[i]!.align,
      );
    }
    return text;
  }
}

function pad(s: string, width: number, align: Align): string {
  if (align === 'left') return s.padEnd(width);
  if (align === 'right') return s.padStart(width);
  const left = Math.floor(width / 2) - Math.floor(s.length / 2);
  return `${' '.repeat(Math.max(0, left))}${s}`.padEnd(width);
}

/**
 * Plain text as Ceph's monitor and manager send it where they append a stream to the reply: blank lines are lost on the way, and the last line gets
 * its newline. `ceph osd dump` is `printOSDMap` so treated, while `osdmaptool --print` shows it whole.
 */
export function withoutBlankLines(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => `${line}\n`).join('');
}
