import { ErrnoError } from '../base/index.ts';
import { type Codec, DecodeError, decodeText, encodeText, Reader } from '../encoding/index.ts';
import { type AuthName, formatAuthName, parseAuthName } from '../types/index.ts';
import { CryptoKey } from './crypto.ts';
import { compareAuthNameText, type EntityAuth, entityAuthMap, tagged } from './records.ts';

const keyringWire: Codec<{ keys: Map<string, EntityAuth> }> = tagged('KeyRing', 1, { keys: entityAuthMap });

/**
 * Keys and caps of entities, as keyring files hold them:
 *
 *     [client.admin]
 *     	key = AQ...==
 *     	caps mon = "allow *"
 *
 * The old binary form is read too.
 */
export class KeyRing {
  readonly #keys: Map<string, EntityAuth>;

  constructor(keys: ReadonlyMap<string, EntityAuth> = new Map()) {
    this.#keys = new Map(keys);
  }

  /** Parses a keyring file. EINVAL with the line where it is wrong; the text of a line (a key may be in it) is never told. */
  static parse(file: Uint8Array | string, path = 'keyring'): KeyRing {
    if (typeof file !== 'string' && file[0] === 1) {
      try {
        return new KeyRing(keyringWire.decode(new Reader(file)).keys);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }
    return new KeyRing(parseText(typeof file === 'string' ? file : decodeText(file), path));
  }

  get(name: AuthName | string): EntityAuth | undefined {
    return this.#keys.get(typeof name === 'string' ? name : formatAuthName(name));
  }

  key(name: AuthName | string): CryptoKey | undefined {
    return this.get(name)?.key;
  }

  set(name: AuthName | string, auth: EntityAuth): void {
    this.#keys.set(typeof name === 'string' ? name : formatAuthName(name), auth);
  }

  delete(name: AuthName | string): boolean {
    return this.#keys.delete(typeof name === 'string' ? name : formatAuthName(name));
  }

  /** Takes over all of `other`, over what is here. */
  import(other: KeyRing): void {
    for (const [name, auth] of other.#keys) this.#keys.set(name, auth);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** In Ceph's order: by type, then by id. */
  entries(): [name: string, auth: EntityAuth][] {
    return [...this.#keys].sort((a, b) => compareAuthNameText(a[0], b[0]));
  }

  /** The text form, as ceph-authtool and `ceph auth export` write it. */
  format(): string {
    return this.entries()
      .map(([name, auth]) => formatEntity(name, auth))
      .join('');
  }

  toBytes(): Uint8Array {
    return encodeText(this.format());
  }
}

function formatEntity(name: string, auth: EntityAuth): string {
  let text = `[${name}]\n\tkey = ${auth.key.toBase64()}\n`;
  for (const [service, caps] of [...auth.caps].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    text += `\tcaps ${service} = "${caps.replaceAll('"', '\\"')}"\n`;
  }
  return text;
}

function fail(path: string, line: number, what: string): never {
  throw new ErrnoError('EINVAL', `${path} line ${line}: ${what}`);
}

/** Value of `name = value`: quoted with escapes, or up to a comment. Undefined where the quote does not end. */
function parseValue(text: string): string | undefined {
  const quote = text[0];
  let value = '';
  if (quote !== '"' && quote !== "'") {
    for (let i = 0; i < text.length; i++) {
      const c = text[i]!;
      if (c === '\\' && i + 1 < text.length) value += text[++i];
      else if (c === '#' || c === ';') break;
      else value += c;
    }
    return value.trimEnd();
  }
  for (let i = 1; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\' && i + 1 < text.length) value += text[++i];
    else if (c === quote) return /^\s*([#;].*)?$/.test(text.slice(i + 1)) ? value : undefined;
    else value += c;
  }
  return undefined;
}

function parseText(text: string, path: string): Map<string, EntityAuth> {
  const keys = new Map<string, { key: CryptoKey; caps: Map<string, string> }>();
  const lines = text.split(/\r?\n/);
  let entity: { key: CryptoKey; caps: Map<string, string> } | undefined;
  let isSkipped = true;
  for (let i = 0; i < lines.length; i++) {
    const number = i + 1;
    let line = lines[i]!;
    while (line.endsWith('\\') && i + 1 < lines.length) line = line.slice(0, -1) + lines[++i]!;
    line = line.trim();
    if (line === '' || line[0] === '#' || line[0] === ';') continue;
    const section = /^\[([^\]]*)\]\s*([#;].*)?$/.exec(line);
    if (section !== null) {
      const name = section[1]!.trim();
      isSkipped = name === 'global';
      if (isSkipped) continue;
      if (parseAuthName(name) === undefined) fail(path, number, `bad entity name in keyring: ${name}`);
      entity = keys.get(name) ?? { key: CryptoKey.none, caps: new Map() };
      keys.set(name, entity);
      continue;
    }
    const equals = line.indexOf('=');
    if (equals <= 0) fail(path, number, 'expected [entity] or name = value');
    if (isSkipped) continue;
    const name = line
      .slice(0, equals)
      .trim()
      .replace(/[\s_]+/g, ' ');
    const value = parseValue(line.slice(equals + 1).trim());
    if (entity === undefined || value === undefined) fail(path, number, 'unterminated quote');
    if (name === 'key') {
      const key = CryptoKey.fromBase64(value);
      if (key === undefined) fail(path, number, 'malformed key');
      entity.key = key;
    } else if (name.startsWith('caps ')) entity.caps.set(name.slice(5), value);
    else if (name !== 'auid') fail(path, number, `unknown setting '${name}'`);
  }
  return keys;
}
