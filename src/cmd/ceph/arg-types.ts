/** The types of arguments that command descriptions name (CephInt, CephChoices, ...): what each accepts, and what it says to the rest. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { PyFloat, type PyValue, pyFloat, pyFloatText, pyInt, pyIntOfBase } from './python.ts';

/**
 * How an argument is wrong. `prefix`: it is not the word that this command begins with, so another command may be meant; `tooFew`: the command may
 * be right, and more is needed; `missing`: a parameter is; the rest are faults of a value.
 */
export type ArgumentFault = 'prefix' | 'tooFew' | 'missing' | 'value';

export class ArgumentError extends Error {
  readonly fault: ArgumentFault;

  constructor(fault: ArgumentFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

const bad = (message: string): never => {
  throw new ArgumentError('value', message);
};

export interface ArgType {
  /** Name of the type in descriptions. */
  readonly name: string;
  /** How error texts show it: `<int[0-]>`. */
  readonly text: string;
  /** The value of a word. `partial`: the beginning of it will do. Throws ArgumentError. */
  parse(word: string, partial: boolean): PyValue;
  /** What a word could be completed to. */
  complete?(word: string): string[];
  /** Of CephChoices. */
  readonly choices?: readonly string[];
}

type Attributes = Readonly<Record<string, unknown>>;

const textOf = (attributes: Attributes, key: string): string =>
  typeof attributes[key] === 'string' ? attributes[key] : '';

function rangeText(bounds: readonly string[]): string {
  if (bounds.length === 1) return `[${bounds[0]}-]`;
  return bounds.length === 2 ? `[${bounds[0]}-${bounds[1]}]` : '';
}

function rangeOf(attributes: Attributes): string[] {
  const range = textOf(attributes, 'range');
  return range === '' ? [] : range.split('|');
}

function outside(value: number, bounds: readonly number[]): boolean {
  if (bounds.length === 0 || bounds.length > 2) return false;
  return value < bounds[0]! || (bounds.length === 2 && value > bounds[1]!);
}

function makeInt(attributes: Attributes): ArgType {
  const bounds = rangeOf(attributes).map(Number);
  return {
    name: 'CephInt',
    text: `<int${rangeText(bounds.map(String))}>`,
    parse: (word) => {
      const value = pyInt(word);
      if (value === undefined) return bad(`${word} doesn't represent an int`);
      if (outside(Number(value), bounds)) bad(`${value} not in range [${bounds.join(', ')}]`);
      return value;
    },
  };
}

function makeFloat(attributes: Attributes): ArgType {
  const bounds = rangeOf(attributes).map(Number);
  const shown = bounds.map(pyFloatText);
  return {
    name: 'CephFloat',
    text: `<float${rangeText(shown)}>`,
    parse: (word) => {
      const value = pyFloat(word);
      if (value === undefined) return bad(`${word} doesn't represent a float`);
      if (outside(value, bounds)) bad(`${pyFloatText(value)} not in range [${shown.join(', ')}]`);
      return new PyFloat(value);
    },
  };
}

/** Of ASCII alone: Python's string.printable. */
const PRINTABLE = /^[\t-\r -~]$/;

function makeString(attributes: Attributes): ArgType {
  const goodchars = textOf(attributes, 'goodchars');
  const good = new RegExp(`^(?:${goodchars})`);
  return {
    name: 'CephString',
    text: `<string${goodchars === '' ? '' : `(goodchars ${goodchars})`}>`,
    parse: (word) => {
      const wrong = [...new Set(word)].filter((c) => !PRINTABLE.test(c) || !good.test(c));
      if (wrong.length > 0) bad(`invalid chars ${wrong.join('')} in ${word}`);
      return word;
    },
    complete: (word) => (word === '' ? [] : [word]),
  };
}

function makeChoices(attributes: Attributes): ArgType {
  const choices = textOf(attributes, 'strings').split('|');
  const text = choices.join('|');
  return {
    name: 'CephChoices',
    text,
    choices,
    parse: (word, partial) => {
      const isGood = partial ? choices.some((c) => c.startsWith(word)) : choices.includes(word);
      return isGood ? word : bad(`${word} not in ${text}`);
    },
    complete: (word) => choices.filter((c) => c.startsWith(word)),
  };
}

/** The words a command begins with. */
export function makePrefix(prefix: string): ArgType {
  return {
    name: 'CephPrefix',
    text: prefix,
    parse: (word, partial) => {
      if (partial ? prefix.startsWith(word) : word === prefix) return word;
      throw new ArgumentError('prefix', `no match for ${word}`);
    },
    complete: (word) => (prefix.startsWith(word) ? [prefix.trimEnd()] : []),
  };
}

const anyText = (name: string, text: string): ArgType => ({ name, text, parse: (word) => word });

const bool: ArgType = {
  name: 'CephBool',
  text: '<bool>',
  parse: (word) => {
    const lower = word.toLowerCase();
    if (lower === 'true' || lower === '1') return true;
    if (lower === 'false' || lower === '0') return false;
    return bad(`${word} not one of 'true', 'false'`);
  },
};

const pgid: ArgType = {
  name: 'CephPgid',
  text: '<pgid>',
  parse: (word) => {
    const dot = word.indexOf('.');
    if (dot < 0) bad('pgid has no .');
    const pool = pyIntOfBase(word.slice(0, dot), 10);
    if (pool === undefined) return bad(`pool ${word.slice(0, dot)} not integer`);
    if (pool < 0) bad(`pool ${pool} < 0`);
    if (pyIntOfBase(word.slice(dot + 1), 16) === undefined) bad(`pgnum ${word.slice(dot + 1)} not hex integer`);
    return word;
  },
};

/** Type and id of a name; the id is undefined for `mon` and `mgr` alone, and both are for `*`. */
export interface DaemonName {
  readonly type: string | undefined;
  readonly id: string | undefined;
}

/** `osd.0`, `mon.a`, `osd.*`, `mgr`, `*`. Throws ArgumentError. */
export function parseDaemonName(word: string): DaemonName {
  if (word === '*') return { type: undefined, id: undefined };
  if (word === 'mgr' || word === 'mon') return { type: word, id: undefined };
  const dot = word.indexOf('.');
  if (dot < 0) return bad(`CephName: no . in ${word}`);
  const type = word.slice(0, dot);
  const id = word.slice(dot + 1);
  if (!['osd', 'mon', 'client', 'mds', 'mgr'].includes(type)) bad(`unknown type ${type}`);
  if (type === 'osd' && id !== '*') {
    const number = pyIntOfBase(id, 10);
    return number === undefined ? bad(`osd id ${id} not integer`) : { type, id: String(number) };
  }
  return { type, id };
}

const daemonName: ArgType = {
  name: 'CephName',
  text: '<name (type.id)>',
  parse: (word) => {
    parseDaemonName(word);
    return word;
  },
};

const osdName: ArgType = {
  name: 'CephOsdName',
  text: '<osdname (id|osd.id)>',
  parse: (word) => {
    if (word === '*') return word;
    const dot = word.indexOf('.');
    if (dot >= 0 && word.slice(0, dot) !== 'osd') bad(`unknown type ${word.slice(0, dot)}`);
    const id = dot < 0 ? word : word.slice(dot + 1);
    const number = pyIntOfBase(id, 10);
    if (number === undefined) return bad(`osd id ${id} not integer`);
    return number < 0 ? bad(`osd id ${number} is less than 0`) : number;
  },
};

function checkPort(text: string, message: string): void {
  const port = pyIntOfBase(text, 10);
  if (port === undefined || port > 65535) bad(message);
}

function checkAddress(word: string): void {
  let rest = word;
  let isV4 = false;
  const tag = /^(v1|v2|any):/.exec(rest);
  if (tag !== null) {
    rest = rest.slice(tag[0].length);
    isV4 = tag[1] !== 'v2';
  } else if (!rest.startsWith('[') && rest.includes('.')) isV4 = true;
  if (isV4 || (tag !== null && rest.includes('.'))) {
    const colon = rest.indexOf(':');
    const address = colon < 0 ? rest : rest.slice(0, colon);
    if (colon >= 0) checkPort(rest.slice(colon + 1), `${rest.slice(colon + 1)}: invalid IPv4 port`);
    if (!isIPv4(address)) bad(`${address}: invalid IPv4 address`);
    return;
  }
  let address = rest;
  if (rest.startsWith('[')) {
    const end = rest.indexOf(']');
    if (end < 0) bad(`${word} missing terminating ]`);
    address = rest.slice(1, end);
    if (rest[end + 1] === ':') checkPort(rest.slice(end + 2), `${word}: bad port number`);
  }
  if (!isIPv6(address)) bad(`${word} not valid IPv6 address`);
}

const ipAddr: ArgType = {
  name: 'CephIPAddr',
  text: '<IPaddr[:port]>',
  parse: (word) => {
    checkAddress(word);
    return word;
  },
};

const entityAddr: ArgType = {
  name: 'CephEntityAddr',
  text: '<EntityAddr>',
  parse: (word) => {
    const slash = word.indexOf('/');
    if (slash < 0) checkAddress(word);
    else {
      let nonce = word.slice(slash + 1);
      let address = word.slice(0, slash);
      if (nonce.endsWith(']')) {
        nonce = nonce.slice(0, -1);
        address += ']';
      }
      checkAddress(address);
      const number = pyIntOfBase(nonce, 10);
      if (nonce !== '' && (number === undefined || number < 0)) {
        bad(`${word}: invalid entity, nonce ${nonce} not integer > 0`);
      }
    }
    return word;
  },
};

const uuid: ArgType = {
  name: 'CephUUID',
  text: '<uuid>',
  parse: (word) => {
    const digits = word
      .replace('urn:', '')
      .replace('uuid:', '')
      .replace(/^[{}]+|[{}]+$/g, '')
      .replaceAll('-', '');
    if (digits.length !== 32) bad(`invalid UUID ${word}: badly formed hexadecimal UUID string`);
    if (!/^[0-9a-fA-F]{32}$/.test(digits)) {
      bad(`invalid UUID ${word}: invalid literal for int() with base 16: '${digits}'`);
    }
    return word;
  },
};

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

const filepath: ArgType = {
  name: 'CephFilepath',
  text: '<outfilename>',
  parse: (word) => {
    const path = resolve(word);
    if (isAllowed(path, constants.R_OK)) return path;
    if (!existsSync(path)) {
      if (!isAllowed(dirname(path), constants.W_OK)) bad(`cannot create file in ${dirname(path)}`);
    } else if (!statSync(path).isFile()) bad(`${path} is not file`);
    else if (!isAllowed(path, constants.W_OK)) bad(`${path} is not writable`);
    return path;
  },
};

const socketPath: ArgType = {
  name: 'CephSocketpath',
  text: '<admin-socket-path>',
  parse: (word) => {
    if (!existsSync(word) || !statSync(word).isSocket()) bad(`socket path ${word} is not a socket`);
    return word;
  },
};

const fragment: ArgType = {
  name: 'CephFragment',
  text: '<CephFS fragment ID (0xvvv/bbb)>',
  parse: (word) => {
    const [value, bits, ...more] = word.split('/');
    if (bits === undefined || more.length > 0) bad(`${word}: no /`);
    if (!value!.startsWith('0x')) bad(`${value} not a hex integer`);
    if (pyInt(value!) === undefined) bad(`can't convert ${value} to integer`);
    if (pyIntOfBase(bits!, 10) === undefined) bad(`can't convert ${bits} to integer`);
    return word;
  },
};

const FIXED: readonly ArgType[] = [
  bool,
  pgid,
  daemonName,
  osdName,
  ipAddr,
  entityAddr,
  uuid,
  filepath,
  socketPath,
  fragment,
  anyText('CephPoolname', '<poolname>'),
  anyText('CephObjectname', '<objectname>'),
];

/** The type of a description. Throws where there is none of that name. */
export function makeArgType(name: string, attributes: Attributes): ArgType {
  switch (name) {
    case 'CephInt':
      return makeInt(attributes);
    case 'CephFloat':
      return makeFloat(attributes);
    case 'CephString':
      return makeString(attributes);
    case 'CephChoices':
      return makeChoices(attributes);
    default: {
      const type = FIXED.find((t) => t.name === name);
      if (type === undefined) throw new Error(`unknown type ${name}`);
      return type;
    }
  }
}
