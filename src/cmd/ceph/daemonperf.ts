/** `ceph daemonperf`: a daemon's counters as a table that grows by a line each interval. */
import { setTimeout as sleep } from 'node:timers/promises';
import { perfCounterKind, perfPriority } from '../../types/index.ts';
import { adminSocketCommand } from './admin-socket.ts';
import { terminalSize } from './help.ts';
import { pyFloat, pyIntOfBase } from './python.ts';

interface CounterSchema {
  readonly type: number;
  readonly nick?: string;
  readonly priority?: number;
}
type Schema = Record<string, Record<string, CounterSchema>>;
type Counter = number | { avgcount: number; sum: number };
type Dump = Record<string, Record<string, Counter>>;

interface Column {
  readonly section: string;
  readonly name: string;
  readonly nick: string;
  readonly type: number;
  readonly priority: number;
}

const PRIORITIES: readonly (readonly [string, number])[] = [
  ['critical', perfPriority.CRITICAL],
  ['interesting', perfPriority.INTERESTING],
  ['useful', perfPriority.USEFUL],
  ['uninteresting', perfPriority.UNINTERESTING],
  ['debugonly', perfPriority.DEBUGONLY],
];

const BLACK = 0;
const YELLOW = 3;
const BLUE = 4;
const colored = (text: string, color: number, isDark = false): string =>
  `\x1b[${isDark ? 0 : 1};${30 + color}m${text}\x1b[0m`;
const bold = (text: string): string => `\x1b[1m${text}\x1b[0m`;
const underlined = '\x1b[4m';

/** Shell pattern: `*`, `?`, `[...]`. */
function globMatches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/\[!/g, '[^')
    .replace(/[.+^${}()|\\]/g, (c, at: number) => (c === '^' && pattern[at - 1] === '[' ? c : `\\${c}`));
  return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(name);
}

async function loadColumns(path: string, patterns: readonly string[] | undefined, least: number): Promise<Column[]> {
  const schema = JSON.parse((await adminSocketCommand(path, ['perf', 'schema'])).toString()) as Schema;
  const columns: Column[] = [];
  for (const [section, counters] of Object.entries(schema)) {
    for (const [name, { type, nick, priority }] of Object.entries(counters)) {
      const isNamed = patterns?.some((p) => globMatches(p, name) || globMatches(p, `${section}.${name}`)) ?? true;
      if (isNamed && (priority ?? 0) >= least) {
        columns.push({ section, name, nick: nick ?? '', type, priority: priority ?? 0 });
      }
    }
  }
  if (columns.length === 0) throw new Error('no stats selected by filters');
  return columns;
}

const widthOf = (column: Column): number => Math.max(column.nick.length, 4);

function bySection(columns: readonly Column[]): Map<string, Column[]> {
  const sections = new Map<string, Column[]>();
  for (const column of columns) sections.set(column.section, [...(sections.get(column.section) ?? []), column]);
  return sections;
}

/** As many columns as the terminal is wide. */
function fitting(columns: readonly Column[], width: number): Column[] {
  let used = 0;
  return columns.filter((c) => {
    used += widthOf(c) + 1;
    return used <= width;
  });
}

function headerLines(columns: readonly Column[]): string {
  let names = '';
  let nicks = '';
  for (const [section, group] of bySection(columns)) {
    const width = group.reduce((sum, c) => sum + widthOf(c) + 1, -1);
    const pad = Math.max(width - section.length, 0);
    const before = Math.floor(pad / 2);
    names += `${'-'.repeat(before)}${section.slice(0, width)}${'-'.repeat(pad - before)} `;
    nicks += group.map((c) => `${underlined}${colored(c.nick.padEnd(widthOf(c)), BLUE)}`).join(' ');
    nicks += colored('|', BLUE);
  }
  return `${colored(`${names}\n`, BLUE, true)}${nicks}\n`;
}

/** A number in `width` characters, with a unit where it is large. */
export function fitNumber(value: number, width: number, isColored: boolean): string {
  const units = [' ', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  let unit = 0;
  while (String(Math.floor(Math.trunc(value) / 1000 ** unit)).length > width - 1 && unit < units.length - 1) unit++;
  let text = String(Math.trunc(value)).padStart(width - 1);
  if (unit > 0) {
    text = (value / 1000 ** unit).toFixed(6).slice(0, width - 1);
    if (text.endsWith('.')) text = ` ${text.slice(0, -1)}`;
  }
  if (!isColored) return text + units[unit];
  return bold(colored(text, value === 0 ? BLACK : YELLOW)) + bold(colored(units[unit]!, YELLOW));
}

/** What a counter did since the last time; a mean time in milliseconds; the value itself where it is no counter. */
function shownValue({ section, name, type }: Column, now: Dump, before: Dump): number {
  const value = now[section]?.[name] ?? 0;
  const last = before[section]?.[name] ?? 0;
  if (typeof value === 'object' && typeof last === 'object') {
    const entries = value.avgcount - last.avgcount;
    return entries === 0 ? 0 : ((value.sum - last.sum) / entries) * 1000;
  }
  if (typeof value === 'object' || typeof last === 'object') return 0;
  return (type & perfCounterKind.COUNTER) !== 0 ? Math.max(value - last, 0) : value;
}

function valueLine(columns: readonly Column[], now: Dump, before: Dump, isColored: boolean): string {
  const groups = [...bySection(columns).values()].map((group) =>
    group.map((c) => fitNumber(shownValue(c, now, before), widthOf(c), isColored)).join(' '),
  );
  return `${groups.join(colored('|', BLUE))}\n`;
}

function listTable(columns: readonly Column[]): string {
  const rows = columns.map((c) => [c.section, c.name, c.nick, String(c.priority)]);
  const head = ['section', 'name', 'nick', 'prio'];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `|${cells.map((cell, i) => ` ${i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)} `).join('|')}|\n`;
  return `${line(head)}+${widths.map((w) => '-'.repeat(w + 2)).join('+')}+\n${rows.map(line).join('')}`;
}

async function run(path: string, columns: readonly Column[], interval_s: number, count?: number): Promise<void> {
  const isColored = process.stdout.isTTY === true;
  const dump = async (): Promise<Dump> =>
    JSON.parse((await adminSocketCommand(path, ['perf', 'dump'])).toString()) as Dump;
  let shown = fitting(columns, terminalSize().columns);
  let width = terminalSize().columns;
  process.stdout.write(headerLines(shown));
  let before = await dump();
  let sinceHeader = 0;
  for (let n = 1; ; n++) {
    const now = await dump();
    const { columns: newWidth, rows } = terminalSize();
    if (newWidth !== width || sinceHeader >= rows - 2) {
      width = newWidth;
      shown = fitting(columns, width);
      process.stdout.write(headerLines(shown));
      sinceHeader = 0;
    }
    process.stdout.write(valueLine(shown, now, before, isColored));
    if (count !== undefined && n >= Math.max(count, 1)) return;
    sinceHeader++;
    before = now;
    await sleep(interval_s * 1000);
  }
}

/** Arguments after the daemon: `list`, patterns, a priority, an interval in seconds, a count. Gives the exit status. */
export async function daemonperf(path: string, words: readonly string[]): Promise<number> {
  const left = [...words];
  let isList = false;
  let least: number = perfPriority.INTERESTING;
  let patterns: string[] | undefined;
  while (left.length > 0 && pyFloat(left[0]!) === undefined) {
    const word = left.shift()!;
    const priority = PRIORITIES.find(([name]) => name.startsWith(word));
    if (word === 'list' || word === 'ls') isList = true;
    else if (priority !== undefined) least = priority[1];
    else patterns = word.split(',');
  }
  const interval_s = left.length > 0 ? pyFloat(left.shift()!)! : 1;
  if (interval_s < 0) {
    process.stderr.write('daemonperf: interval should be a positive number\n');
    return 22;
  }
  const count = left.length > 0 ? pyIntOfBase(left.shift()!, 10) : 0;
  if (count === undefined || count < 0) {
    process.stderr.write('daemonperf: count should be a positive integer\n');
    return 22;
  }
  const columns = await loadColumns(path, patterns, least);
  if (isList) process.stdout.write(listTable(columns));
  else await run(path, columns, interval_s, left.length === 0 && count === 0 ? undefined : count);
  return 0;
}
