import { ErrnoError } from '../base/index.ts';
import { normalizeOptionName } from './spec.ts';

/** A parsed ceph.conf: section -> option -> text, in file order. Option names are normalized. */
export type ConfFile = Map<string, Map<string, string>>;

function unquote(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match === null ? value : match[2]!;
}

/** Cuts an unquoted, unescaped `;` or `#` comment. */
function stripComment(line: string): string {
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (c === '\\') i++;
    else if (quote !== '') quote = c === quote ? '' : quote;
    else if (c === '"' || c === "'") quote = c;
    else if (c === '#' || c === ';') return line.slice(0, i);
  }
  return line;
}

/** Parses ceph.conf's text. `name` is for messages. A line that is neither section, option nor comment is EINVAL with its number. */
export function parseConf(text: string, name = 'ceph.conf'): ConfFile {
  const conf: ConfFile = new Map();
  let section = 'global';
  const lines = text.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    const number = i + 1;
    let line = lines[i]!;
    while (line.endsWith('\\') && i + 1 < lines.length) line = line.slice(0, -1) + lines[++i]!;
    line = stripComment(line).trim();
    if (line === '') continue;
    const header = /^\[([^\]]*)\]$/.exec(line);
    if (header !== null) {
      section = header[1]!.trim();
      if (!conf.has(section)) conf.set(section, new Map());
      continue;
    }
    const equals = line.indexOf('=');
    if (equals <= 0) throw new ErrnoError('EINVAL', `${name} line ${number}: expected [section] or option = value`);
    if (!conf.has(section)) conf.set(section, new Map());
    conf.get(section)!.set(
      normalizeOptionName(line.slice(0, equals)),
      unquote(line.slice(equals + 1).trim())
        .replaceAll('\\#', '#')
        .replaceAll('\\;', ';'),
    );
  }
  return conf;
}

/** The options that hold for a daemon or client, weakest section first: [global], [type], [type.id]. */
export function confFor(conf: ConfFile, type: string, id: string): Map<string, string> {
  const merged = new Map<string, string>();
  for (const section of ['global', type, `${type}.${id}`]) {
    for (const [name, value] of conf.get(section) ?? []) merged.set(name, value);
  }
  return merged;
}
