import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { type Entropy, errno } from '../base/index.ts';
import { AuthError } from './error.ts';

/*
 * AES256-CTS-HMAC384-192 (RFC 8009, Kerberos' encryption type 20), which cephx keys of type `aes256k` seal with; Ceph has them from 19.2.6 and 20.2.4 on.
 *
 *   Ke, Ki   from the key and the usage, by HMAC-SHA-384 (section 3)
 *   sealed   C | the first 192 bits of HMAC-SHA-384(Ki, zeros | C)
 *   C        AES-256-CBC with ciphertext stealing, under Ke and an initialization vector of zeros, of 16 random bytes and the plain ones (section 5)
 */

export const AES256K_LENGTH = 32;
const BLOCK = 16;
const MAC_LENGTH = 24;
const ZEROS = new Uint8Array(BLOCK);

/** KDF-HMAC-SHA2: `length` bytes for a usage and what it is for (0xaa: to encrypt, 0x55: to check). */
function derive(secret: Uint8Array, usage: number, purpose: number, length: number): Uint8Array {
  const label = Buffer.alloc(14);
  label.writeUInt32BE(1, 0);
  label.writeUInt32BE(usage, 4);
  label[8] = purpose;
  label.writeUInt32BE(length * 8, 10);
  return createHmac('sha384', secret).update(label).digest().subarray(0, length);
}

function mac(secret: Uint8Array, usage: number, sealed: Uint8Array): Uint8Array {
  const key = derive(secret, usage, 0x55, MAC_LENGTH);
  return createHmac('sha384', key).update(ZEROS).update(sealed).digest().subarray(0, MAC_LENGTH);
}

export function aes256kEncrypt(secret: Uint8Array, usage: number, plain: Uint8Array, entropy: Entropy): Uint8Array {
  const length = BLOCK + plain.length;
  const padded = Buffer.alloc(Math.ceil(length / BLOCK) * BLOCK);
  padded.set(entropy.bytes(BLOCK));
  padded.set(plain, BLOCK);
  const key = derive(secret, usage, 0xaa, AES256K_LENGTH);
  const blocks = createCipheriv('aes-256-cbc', key, ZEROS).setAutoPadding(false).update(padded);
  const out = Buffer.alloc(length + MAC_LENGTH);
  if (blocks.length === BLOCK) blocks.copy(out);
  else {
    // The last two blocks change places, and what is now the last is cut to the length.
    const last = blocks.length - BLOCK;
    blocks.copy(out, 0, 0, last - BLOCK);
    blocks.copy(out, last - BLOCK, last);
    blocks.copy(out, last, last - BLOCK, length - BLOCK);
  }
  out.set(mac(secret, usage, out.subarray(0, length)), length);
  return Uint8Array.from(out);
}

/** EACCES where the key does not fit, or a bit is not as it was sealed. */
export function aes256kDecrypt(secret: Uint8Array, usage: number, sealed: Uint8Array): Uint8Array {
  const length = sealed.length - MAC_LENGTH;
  if (length < BLOCK) throw new AuthError(errno.EACCES, `${sealed.length} encrypted bytes are too few`);
  const body = sealed.subarray(0, length);
  if (!timingSafeEqual(mac(secret, usage, body), sealed.subarray(length))) {
    throw new AuthError(errno.EACCES, 'encrypted with another key');
  }
  const key = derive(secret, usage, 0xaa, AES256K_LENGTH);
  const decrypt = (blocks: Uint8Array): Buffer =>
    createDecipheriv('aes-256-cbc', key, ZEROS).setAutoPadding(false).update(blocks);
  const whole = Buffer.alloc(Math.ceil(length / BLOCK) * BLOCK);
  if (whole.length === BLOCK) return decrypt(body).subarray(BLOCK);
  const last = whole.length - BLOCK;
  // The block that was last, decrypted alone, gives back what was cut off the one before it.
  const stolen = decrypt(body.subarray(last - BLOCK, last));
  whole.set(body.subarray(0, last - BLOCK));
  whole.set(body.subarray(last), last - BLOCK);
  whole.set(stolen.subarray(length - last), last - BLOCK + (length - last));
  whole.set(body.subarray(last - BLOCK, last), last);
  return Uint8Array.from(decrypt(whole).subarray(BLOCK, length));
}

/** HMAC-SHA-256 under the key: what stands for sealing where two sides must come to the same bytes. */
export function aes256kHash(secret: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(data).digest();
}
