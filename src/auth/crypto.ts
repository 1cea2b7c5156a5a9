import { createCipheriv, createDecipheriv } from 'node:crypto';
import { type Entropy, errno } from '../base/index.ts';
import {
  blob,
  type Codec,
  DecodeError,
  decodeFromBytes,
  encodeToBytes,
  Reader,
  type Writer,
} from '../encoding/index.ts';
import { type Utime, utime, utimeFromMs, utimeZero } from '../types/index.ts';
import { AES256K_LENGTH, aes256kDecrypt, aes256kEncrypt, aes256kHash } from './aes256k.ts';
import { AuthError } from './error.ts';

/** CEPH_CRYPTO_*. */
export const cryptoType = { NONE: 0, AES: 1, AES256K: 2 } as const;

/**
 * CEPHX_KEY_USAGE_* (auth/cephx/CephxProtocol.h of Ceph 20.2): what is sealed, from which keys of type aes256k derive what they seal it with. Others seal all alike.
 */
export const keyUsage = {
  CONNECTION_SECRET: 0x03,
  TICKET_SESSION_KEY: 0x04,
  TICKET_BLOB: 0x05,
  AUTHORIZE: 0x10,
  AUTHORIZE_CHALLENGE: 0x11,
  AUTHORIZE_REPLY: 0x12,
  ROTATING_SECRET: 0x20,
  TICKET_INFO: 0x30,
} as const;
export type KeyUsage = (typeof keyUsage)[keyof typeof keyUsage];

/** Bytes of an AES key; of a longer secret the first 16 count. */
export const AES_KEY_LENGTH = 16;
const AES_BLOCK_LENGTH = 16;
/** Ceph's fixed initialization vector (CEPH_AES_IV, include/ceph_fs.h). */
const IV = Uint8Array.from('cephsageyudagreg', (c) => c.charCodeAt(0));

/** First field of everything sealed (AUTH_ENC_MAGIC, auth/cephx/CephxProtocol.h): tells a right key from a wrong one. */
const SEAL_MAGIC = 0xff009cad8826aa55n;

/** A secret and when it was made. A value; prints nothing of itself. */
export class CryptoKey {
  readonly type: number;
  readonly created: Utime;
  readonly secret: Uint8Array;

  constructor(type: number, created: Utime, secret: Uint8Array) {
    this.type = type;
    this.created = created;
    this.secret = secret;
  }

  static readonly none = new CryptoKey(cryptoType.NONE, utimeZero, new Uint8Array(0));

  /** A fresh AES key. `now_ms`: wall time. */
  static create(entropy: Entropy, now_ms: number): CryptoKey {
    return new CryptoKey(cryptoType.AES, utimeFromMs(now_ms), entropy.bytes(AES_KEY_LENGTH));
  }

  /** From the form that keyrings hold; undefined where it is none. */
  static fromBase64(text: string): CryptoKey | undefined {
    const trimmed = text.trim();
    if (trimmed === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(trimmed)) return undefined;
    try {
      return decodeFromBytes(cryptoKey, Uint8Array.from(Buffer.from(trimmed, 'base64')));
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  get isEmpty(): boolean {
    return this.secret.length === 0;
  }

  /** The form that keyrings and `ceph auth` print. The only way the secret becomes text. */
  toBase64(): string {
    return Buffer.from(encodeToBytes(cryptoKey, this)).toString('base64');
  }

  equals(other: CryptoKey): boolean {
    return this.type === other.type && Buffer.compare(this.secret, other.secret) === 0;
  }

  toString(): string {
    return this.isEmpty ? 'no key' : 'key';
  }

  /** Keeps secrets out of JSON that a log may print. */
  toJSON(): string {
    return this.toString();
  }

  /** `entropy`: what keys of type aes256k seal is never twice the same. */
  encrypt(plain: Uint8Array, usage: KeyUsage, entropy: Entropy): Uint8Array {
    if (this.type === cryptoType.AES256K) return aes256kEncrypt(this.secret, usage, plain, entropy);
    return this.encryptAlike(plain);
  }

  /** As {@link encrypt}, to the same bytes each time: what keys of the other types do. */
  encryptAlike(plain: Uint8Array): Uint8Array {
    if (this.type === cryptoType.NONE) return plain;
    const cipher = createCipheriv('aes-128-cbc', this.secret.subarray(0, AES_KEY_LENGTH), IV);
    return concat(cipher.update(plain), cipher.final());
  }

  /**
   * Bad padding is not told apart (no oracle): what comes out is garbage then, and the magic inside catches it. Fails only
   * where the length is no multiple of a block.
   */
  decrypt(sealed: Uint8Array, usage: KeyUsage): Uint8Array {
    if (this.type === cryptoType.NONE) return sealed;
    if (this.type === cryptoType.AES256K) return aes256kDecrypt(this.secret, usage, sealed);
    if (sealed.length === 0 || sealed.length % AES_BLOCK_LENGTH !== 0) {
      throw new AuthError(errno.EACCES, `${sealed.length} encrypted bytes are no whole blocks`);
    }
    const decipher = createDecipheriv('aes-128-cbc', this.secret.subarray(0, AES_KEY_LENGTH), IV).setAutoPadding(false);
    const plain = concat(decipher.update(sealed), decipher.final());
    return plain.subarray(0, plain.length - Math.min(plain[plain.length - 1]!, AES_BLOCK_LENGTH));
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** CryptoKey: u16 type, utime_t created, u16 length, secret. */
export const cryptoKey: Codec<CryptoKey> = {
  name: 'CryptoKey',
  length_min: 12,
  encode(w, key) {
    w.u16(key.type);
    utime.encode(w, key.created);
    w.u16(key.secret.length);
    w.raw(key.secret);
  },
  decode(r) {
    const type = r.u16();
    const created = utime.decode(r);
    const secret = r.raw(r.u16()).slice();
    if (secret.length > 0) {
      if (type > cryptoType.AES256K) r.fail(`unknown type of key ${type}`);
      if (type === cryptoType.AES && secret.length < AES_KEY_LENGTH) r.fail('malformed secret');
      if (type === cryptoType.AES256K && secret.length !== AES256K_LENGTH) r.fail('malformed secret');
    }
    return new CryptoKey(type, created, secret);
  },
};

/** Ceph's envelope: u8 version, u64 magic, the value. */
function envelope<T>(codec: Codec<T>, value: T): Uint8Array {
  return encodeToBytes(
    {
      name: 'envelope',
      length_min: 9,
      encode(w: Writer, v: T) {
        w.u8(1);
        w.u64(SEAL_MAGIC);
        codec.encode(w, v);
      },
      decode: codec.decode,
    },
    value,
  );
}

/** Encrypts a value in its {@link envelope}. */
export function seal<T>(key: CryptoKey, codec: Codec<T>, value: T, usage: KeyUsage, entropy: Entropy): Uint8Array {
  if (key.isEmpty) throw new AuthError(errno.EACCES, 'no key to encrypt with');
  return key.encrypt(envelope(codec, value), usage, entropy);
}

/** What stands for a value where two holders of the key must come to the same bytes: it sealed, with its length in front, or (aes256k) a keyed hash of it. */
export function sealAlike<T>(key: CryptoKey, codec: Codec<T>, value: T): Uint8Array {
  if (key.isEmpty) throw new AuthError(errno.EACCES, 'no key to encrypt with');
  if (key.type === cryptoType.AES256K) return aes256kHash(key.secret, encodeToBytes(codec, value));
  return encodeToBytes(blob, key.encryptAlike(envelope(codec, value)));
}

/** Opens what {@link seal} made. EACCES where the key does not fit or the content does not decode. */
export function unseal<T>(key: CryptoKey, codec: Codec<T>, sealed: Uint8Array, usage: KeyUsage): T {
  if (key.isEmpty) throw new AuthError(errno.EACCES, 'no key to decrypt with');
  const r = new Reader(key.decrypt(sealed, usage));
  try {
    r.u8();
    if (r.u64() !== SEAL_MAGIC) throw new AuthError(errno.EACCES, `${codec.name}: encrypted with another key`);
    return codec.decode(r);
  } catch (error) {
    if (error instanceof DecodeError) throw new AuthError(errno.EACCES, `${codec.name}: ${error.message}`);
    throw error;
  }
}
