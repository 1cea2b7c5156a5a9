import { ErrnoError } from '../../base/index.ts';
import type { ArgSpec, CommandSpec } from './spec.ts';

/** Arguments of one command as they came: a JSON object. */
export type CommandMap = Readonly<Record<string, unknown>>;

/** Longest command taken, in characters: `ceph config assimilate-conf` and key imports travel as data beside it. */
export const COMMAND_LENGTH_MAX = 1 << 20;

/** Reads the JSON text of a command. @throws ErrnoError EINVAL */
export function parseCommand(text: string): CommandMap & { readonly prefix: string } {
  if (text.length > COMMAND_LENGTH_MAX) throw new ErrnoError('EINVAL', 'command is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ErrnoError('EINVAL', `unparseable JSON ${text.slice(0, 200)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ErrnoError('EINVAL', 'command is not a JSON object');
  }
  const prefix = (value as Record<string, unknown>).prefix;
  if (typeof prefix !== 'string') throw new ErrnoError('EINVAL', 'command prefix not found');
  if (prefix === '') throw new ErrnoError('EINVAL', 'command prefix must not be empty');
  return value as CommandMap & { prefix: string };
}

export type ArgValue = string | number | boolean | readonly string[] | readonly number[];

/** Validated arguments of one command. Asking for a name the signature lacks is a programming error. */
export class CommandArgs {
  readonly #values: ReadonlyMap<string, ArgValue>;

  constructor(values: ReadonlyMap<string, ArgValue>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** A string that the signature requires. */
  str(name: string): string {
    const value = this.#values.get(name);
    if (value === undefined) throw new ErrnoError('EINVAL', `bad or missing field '${name}'`);
    return String(value);
  }

  strOr(name: string, otherwise: string): string {
    const value = this.#values.get(name);
    return value === undefined ? otherwise : String(value);
  }

  optionalStr(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : String(value);
  }

  num(name: string): number {
    const value = this.#values.get(name);
    if (typeof value !== 'number') throw new ErrnoError('EINVAL', `bad or missing field '${name}'`);
    return value;
  }

  numOr(name: string, otherwise: number): number {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : otherwise;
  }

  optionalNum(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  list(name: string): readonly string[] {
    const value = this.#values.get(name);
    if (value === undefined) return [];
    return Array.isArray(value) ? value.map(String) : [String(value)];
  }

  numbers(name: string): readonly number[] {
    const value = this.#values.get(name);
    if (value === undefined) return [];
    return Array.isArray(value) ? value.map(Number) : [Number(value)];
  }
}

const INVALID = 'invalid command: ';

function bad(arg: ArgSpec, value: unknown, why: string): never {
  throw new ErrnoError('EINVAL', `${INVALID}${why} for argument '${arg.name}': ${JSON.stringify(value)}`);
}

function checkRange(arg: ArgSpec, value: number): void {
  if (arg.range === undefined || arg.range === '') return;
  const [min, max] = arg.range.split('|');
  if (value < Number(min) || (max !== undefined && value > Number(max))) bad(arg, value, `not in range ${arg.range}`);
}

function toNumber(arg: ArgSpec, value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return Number(value);
  bad(arg, value, 'not a number');
}

/** `osd.3` and `3` are both an OSD's name; `ceph` sends the number alone, or -1 for `any`. */
export function parseOsdId(text: string): number | undefined {
  const match = /^(?:osd\.)?(\d+)$/.exec(text);
  if (match === null) return undefined;
  const id = Number(match[1]);
  return id <= 0x7fffffff ? id : undefined;
}

function checkOne(arg: ArgSpec, value: unknown): string | number | boolean {
  switch (arg.type) {
    case 'CephInt': {
      const n = toNumber(arg, value);
      if (!Number.isSafeInteger(n)) bad(arg, value, 'not a whole number');
      checkRange(arg, n);
      return n;
    }
    case 'CephFloat': {
      const x = toNumber(arg, value);
      if (!Number.isFinite(x)) bad(arg, value, 'not a finite number');
      checkRange(arg, x);
      return x;
    }
    case 'CephBool':
      if (typeof value === 'boolean') return value;
      // Clients from before Nautilus send the option itself.
      if (value === 'true' || value === `--${arg.name.replaceAll('_', '-')}`) return true;
      if (value === 'false') return false;
      bad(arg, value, 'not true or false');
      break;
    case 'CephOsdName': {
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= -1 && value <= 0x7fffffff) return value;
      const id = typeof value === 'string' ? parseOsdId(value) : undefined;
      if (id === undefined) bad(arg, value, 'not an OSD id');
      return id;
    }
    case 'CephUUID':
      if (typeof value !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) {
        bad(arg, value, 'not a UUID');
      }
      return value.toLowerCase();
    case 'CephPgid':
      if (typeof value !== 'string' || !/^\d+\.[0-9a-f]{1,8}$/i.test(value)) bad(arg, value, 'not a placement group');
      return value;
    case 'CephChoices': {
      if (typeof value !== 'string') bad(arg, value, 'not a string');
      if (arg.strings !== undefined && !arg.strings.split('|').includes(value)) {
        bad(arg, value, `not one of ${arg.strings}`);
      }
      return value;
    }
    default: {
      if (typeof value === 'number') return checkText(arg, String(value));
      if (typeof value !== 'string') bad(arg, value, 'not a string');
      return checkText(arg, value);
    }
  }
}

function checkText(arg: ArgSpec, text: string): string {
  if (arg.goodchars !== undefined && !goodcharsOf(arg.goodchars).test(text)) {
    bad(arg, text, `characters outside ${arg.goodchars}`);
  }
  return text;
}

const goodcharsCache = new Map<string, RegExp>();

function goodcharsOf(chars: string): RegExp {
  let re = goodcharsCache.get(chars);
  if (re === undefined) {
    // Ceph writes the classes with a bare hyphen between sets: `[A-Za-z0-9-_.]`.
    re = new RegExp(`^${chars.replace('0-9-_', '0-9\\-_')}*$`);
    goodcharsCache.set(chars, re);
  }
  return re;
}

/**
 * Checks a command's arguments against its signature: types, ranges, choices, characters, what is required. Fields the signature
 * lacks are passed over, as Ceph does. @throws ErrnoError EINVAL that names the argument
 */
export function validateArgs(spec: CommandSpec, given: CommandMap): CommandArgs {
  const values = new Map<string, ArgValue>();
  for (const arg of spec.args) {
    const value = Object.hasOwn(given, arg.name) ? given[arg.name] : undefined;
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
      if (arg.required) throw new ErrnoError('EINVAL', `${INVALID}missing required argument '${arg.name}'`);
      continue;
    }
    if (!arg.many) {
      values.set(arg.name, checkOne(arg, value));
      continue;
    }
    const items = Array.isArray(value) ? (value as unknown[]) : [value];
    values.set(arg.name, items.map((item) => checkOne(arg, item)) as ArgValue);
  }
  return new CommandArgs(values);
}
