import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { invariant } from '../base/index.ts';
import { AUTH_TAG_LENGTH } from './constants.ts';
import { FrameError } from './frame-error.ts';

/**
 * Secure mode: AES-128-GCM. The connection secret holds, in order,
 *
 *     16 bytes   key, shared by both directions
 *     12 bytes   first nonce of what the client receives
 *     12 bytes   first nonce of what the client sends
 *
 * A nonce is u32 and u64, little-endian. Each sealed block takes the next: frame revision 1 counts in the u64, revision 0 in the u32.
 */
const KEY_LENGTH = 16;
const NONCE_LENGTH = 12;
export const SECRET_LENGTH_MIN = KEY_LENGTH + 2 * NONCE_LENGTH;

const ALGORITHM = 'aes-128-gcm';

class Nonce {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #inU64: boolean;
  /** Blocks sealed so far. Revision 0 ends at 2^32; revision 1 cannot get there. */
  #used = 0;

  constructor(initial: Uint8Array, inU64: boolean) {
    this.bytes = Uint8Array.from(initial);
    this.#view = new DataView(this.bytes.buffer);
    this.#inU64 = inU64;
  }

  /** Moves on after the current value was used. */
  advance(): void {
    this.#used++;
    const view = this.#view;
    if (!this.#inU64) {
      view.setUint32(0, (view.getUint32(0, true) + 1) >>> 0, true);
      return;
    }
    const low = (view.getUint32(4, true) + 1) >>> 0;
    view.setUint32(4, low, true);
    if (low === 0) view.setUint32(8, (view.getUint32(8, true) + 1) >>> 0, true);
  }

  /** Throws where the next block would use a nonce a second time. */
  check(): void {
    if (!this.#inU64 && this.#used >= 0x1_0000_0000) throw new FrameError('out of nonces');
  }
}

/** Encrypts what this side sends. */
export class Sealer {
  readonly #key: KeyObject;
  readonly #nonce: Nonce;

  constructor(key: Uint8Array, nonce: Uint8Array, isRev1: boolean) {
    this.#key = createSecretKey(key);
    this.#nonce = new Nonce(nonce, isRev1);
  }

  /** Ciphertext of all parts together and the tag, as buffers in order. */
  seal(parts: readonly Uint8Array[], into: Uint8Array[]): void {
    this.#nonce.check();
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce.bytes);
    this.#nonce.advance();
    for (const part of parts) into.push(cipher.update(part));
    cipher.final();
    into.push(cipher.getAuthTag());
  }
}

/** Decrypts what the peer sent. */
export class Opener {
  readonly #key: KeyObject;
  readonly #nonce: Nonce;

  constructor(key: Uint8Array, nonce: Uint8Array, isRev1: boolean) {
    this.#key = createSecretKey(key);
    this.#nonce = new Nonce(nonce, isRev1);
  }

  /** Plaintext of one block whose last 16 bytes are its tag. Throws {@link FrameError} where the tag does not fit. */
  open(block: Uint8Array): Uint8Array {
    const length = block.length - AUTH_TAG_LENGTH;
    const stream = this.begin();
    const plain = stream.update(block.subarray(0, length));
    stream.finish(block.subarray(length));
    return plain;
  }

  /** A block that is read in pieces, before its tag is there (revision 0 has one for a whole frame). */
  begin(): OpenerStream {
    this.#nonce.check();
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce.bytes, { authTagLength: AUTH_TAG_LENGTH });
    this.#nonce.advance();
    return {
      update: (part) => decipher.update(part),
      finish: (tag) => {
        decipher.setAuthTag(tag);
        try {
          decipher.final();
        } catch {
          throw new FrameError('bad auth tag');
        }
      },
    };
  }
}

export interface OpenerStream {
  update(part: Uint8Array): Uint8Array;
  finish(tag: Uint8Array): void;
}

/** Both directions of one side. `isClient`: whether this side opened the connection. */
export function secureStreams(
  secret: Uint8Array,
  isClient: boolean,
  isRev1: boolean,
): { sealer: Sealer; opener: Opener } {
  invariant(secret.length >= SECRET_LENGTH_MIN, 'connection secret too short for secure mode', {
    length: secret.length,
  });
  const key = secret.subarray(0, KEY_LENGTH);
  const toClient = secret.subarray(KEY_LENGTH, KEY_LENGTH + NONCE_LENGTH);
  const toServer = secret.subarray(KEY_LENGTH + NONCE_LENGTH, SECRET_LENGTH_MIN);
  return {
    sealer: new Sealer(key, isClient ? toServer : toClient, isRev1),
    opener: new Opener(key, isClient ? toClient : toServer, isRev1),
  };
}

export const SIGNATURE_LENGTH = 32;

/** The AUTH_SIGNATURE over all bytes of one direction before it: hmac-sha256 under the session key; zeros where there is no key. */
export function handshakeSignature(sessionKey: Uint8Array, transcript: readonly Uint8Array[]): Uint8Array {
  if (sessionKey.length === 0) return new Uint8Array(SIGNATURE_LENGTH);
  const hmac = createHmac('sha256', sessionKey);
  for (const part of transcript) hmac.update(part);
  return hmac.digest();
}
