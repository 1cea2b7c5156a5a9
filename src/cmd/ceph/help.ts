/** `ceph -h`: usage lines and help side by side; and what a beginning of a command could be completed to. */
import { type CommandDescription, commandFlag, usageLine } from './signature.ts';

const { OBSOLETE, DEPRECATED, HIDDEN } = commandFlag;

/** A heading as `ceph` prints it: the text, and a line of `=` below it. */
export function heading(text: string): string {
  return `\n ${text} \n ${'='.repeat(text.length)}\n`;
}

/** Columns of the terminal; 80 where there is none. */
export function terminalColumns(): number {
  return terminalSize().columns;
}

/** Size of the terminal on stdin, as Ceph looks for it there; 25 lines of 80 where there is none. */
export function terminalSize(): { columns: number; rows: number } {
  if (!process.stdin.isTTY) return { columns: 80, rows: 25 };
  return { columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 25 };
}

/** Lines of at most `width`; all but the first begin with a space. Not broken within words and brackets. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  let room = width;
  while (rest !== '') {
    const indent = lines.length === 0 ? '' : ' ';
    if (rest.length <= room) {
      lines.push(indent + rest);
      break;
    }
    let at = room;
    while (at > 0 && /[A-Za-z{[<>\]}]/.test(rest[at - 1]!)) at--;
    if (at === 0) at = room;
    if (lines.length === 0) room--;
    lines.push(indent + rest.slice(0, at).trimStart());
    rest = rest.slice(at);
  }
  return lines;
}

/** The commands that are to be seen and begin with `beginning`, in order, in two columns. */
export function formatHelp(commands: readonly CommandDescription[], beginning: string): string {
  const width = terminalColumns() - 1;
  const left = Math.floor(width / 2);
  const right = left + (width % 2);
  let text = '';
  const shown = commands
    .filter(({ help, flags }) => help !== '' && (flags & (OBSOLETE | DEPRECATED | HIDDEN)) === 0)
    .map(({ signature, help }) => ({ usage: usageLine(signature), help }))
    .filter(({ usage }) => usage.startsWith(beginning));
  for (const { usage, help } of shown.sort((a, b) => (a.usage < b.usage ? -1 : a.usage > b.usage ? 1 : 0))) {
    const usageLines = wrapText(usage, left);
    const helpLines = wrapText(help, right);
    for (let i = 0; i < Math.max(usageLines.length, helpLines.length); i++) {
      text += `${(usageLines[i] ?? '').padEnd(left)} ${helpLines[i] ?? ''}\n`;
    }
  }
  return text;
}

/** `ceph --completion ...`: what the last word may become, a line each; the help of the only command that is left. */
export function completions(commands: readonly CommandDescription[], words: readonly string[]): string[] {
  const found: string[] = [];
  let matches = 0;
  let last: CommandDescription | undefined;
  for (const command of commands) {
    if ((command.flags & (OBSOLETE | HIDDEN)) !== 0) continue;
    const { signature } = command;
    let at = 0;
    let isMatch = true;
    for (const word of words.slice(0, -1)) {
      const parameter = signature[at];
      if (parameter === undefined) {
        isMatch = false;
        break;
      }
      const isFound = parameter.type.complete?.(word).includes(word) ?? false;
      if (!isFound && parameter.isRequired) {
        isMatch = false;
        break;
      }
      if (!parameter.isRepeated) at++;
    }
    if (!isMatch) continue;
    const next = signature[at];
    if (next !== undefined && words.length > 0) found.push(...(next.type.complete?.(words.at(-1)!) ?? []));
    matches++;
    last = command;
  }
  if (matches === 1 && found.length === 0) found.push(' ', `#${last!.help}`);
  return [...new Set(found)].sort();
}
