import { bytes, type Codec, mapped } from '../encoding/index.ts';

/** A uuid_d as text: 36 characters, lower case. */
export type Uuid = string;

export const uuidZero: Uuid = '00000000-0000-0000-0000-000000000000';

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

export function uuidFromBytes(b: Uint8Array): Uuid {
  let s = '';
  for (let i = 0; i < 16; i++) {
    s += HEX[b[i]!];
    if (i === 3 || i === 5 || i === 7 || i === 9) s += '-';
  }
  return s;
}

/** 16 bytes. Throws RangeError unless `text` is a uuid. */
export function uuidToBytes(text: Uuid): Uint8Array {
  const hex = text.replaceAll('-', '');
  if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw new RangeError(`not a uuid: ${text}`);
  const b = new Uint8Array(16);
  for (let i = 0; i < 16; i++) b[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return b;
}

/** Normalised, or undefined where `text` is no uuid. */
export function parseUuid(text: string): Uuid | undefined {
  const body = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (!/^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})$/i.test(body)) return undefined;
  return uuidFromBytes(uuidToBytes(body));
}

/** A version 4 uuid made of 16 random bytes. */
export function uuidFromRandom(random: Uint8Array): Uuid {
  const b = random.slice(0, 16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  return uuidFromBytes(b);
}

export const uuid: Codec<Uuid> = mapped(bytes(16), 'uuid_d', uuidFromBytes, uuidToBytes);
