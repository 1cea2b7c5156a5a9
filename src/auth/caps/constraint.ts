import type { Scanner } from './scanner.ts';

/** What an argument of a command must look like. */
export interface Constraint {
  readonly kind: 'equal' | 'prefix' | 'regex';
  readonly value: string;
}

export type Constraints = ReadonlyMap<string, Constraint>;

/** Arguments of a command by name. */
export type CommandArgs = ReadonlyMap<string, string>;

export const noConstraints: Constraints = new Map();
const SPACES = /[ \n\t]+/y;

/** One `name=value`, `name prefix value` or `name regex value`. `looseEquals`: spaces around `=` are taken. */
function parseConstraint(s: Scanner, looseEquals: boolean): [string, Constraint] | undefined {
  const name = s.word();
  if (name === undefined) return undefined;
  const value =
    s.attempt((): Constraint | undefined => {
      if (s.match(looseEquals ? /[ \n\t]*=[ \n\t]*/y : /=/y) === undefined) return undefined;
      const text = s.word();
      return text === undefined ? undefined : { kind: 'equal', value: text };
    }) ??
    parseMatch(s, 'prefix') ??
    parseMatch(s, 'regex');
  return value === undefined ? undefined : [name, value];
}

function parseMatch(s: Scanner, kind: 'prefix' | 'regex'): Constraint | undefined {
  return s.attempt(() => {
    if (s.match(SPACES) === undefined || !s.literal(kind) || s.match(SPACES) === undefined) return undefined;
    const value = s.word();
    return value === undefined ? undefined : { kind, value };
  });
}

/** One or more, with spaces between; of the same name the first counts. */
export function parseConstraints(s: Scanner, looseEquals: boolean): Constraints | undefined {
  const first = s.attempt(() => parseConstraint(s, looseEquals));
  if (first === undefined) return undefined;
  const all = new Map([first]);
  for (;;) {
    const next = s.attempt(() => (s.match(SPACES) === undefined ? undefined : parseConstraint(s, looseEquals)));
    if (next === undefined) return all;
    if (!all.has(next[0])) all.set(next[0], next[1]);
  }
}

/** Every constraint's argument must be there and fit. */
export function constraintsHold(constraints: Constraints, args: CommandArgs): boolean {
  for (const [name, { kind, value }] of constraints) {
    const given = args.get(name);
    if (given === undefined) return false;
    if (
      kind === 'equal' ? given !== value : kind === 'prefix' ? !given.startsWith(value) : !matchesRegex(value, given)
    ) {
      return false;
    }
  }
  return true;
}

/**
 * Longest text that is matched against an expression: both come from those who may set caps or send commands, and matching
 * backtracks.
 */
const REGEX_INPUT_MAX = 1024;

/** POSIX extended expressions are close enough to JavaScript's for what caps hold. A bad one never matches. */
function matchesRegex(pattern: string, text: string): boolean {
  if (text.length > REGEX_INPUT_MAX) return false;
  try {
    return new RegExp(`^(?:${pattern})$`).test(text);
  } catch {
    return false;
  }
}

/** Quotes where a word holds more than letters, digits, `-` and `_`. */
export function maybeQuote(text: string): string {
  return /^[a-zA-Z0-9_-]*$/.test(text) ? text : `"${text}"`;
}
