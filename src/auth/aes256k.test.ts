import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { aes256kDecrypt, aes256kEncrypt } from './aes256k.ts';
import { hex, unhex } from './testing/corpus.ts';

/** Appendix A of RFC 8009: aes256-cts-hmac-sha384-192, usage 2. */
const KEY = unhex('6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52');
const SEALED = [
  ['', '41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c'],
  ['000102030405', '4ed7b37c2bcac8f74f23c1cf07e62bc7b75fb3f637b9f559c7f664f69eab7b6092237526ea0d1f61cb20d69d10f2'],
] as const;

test('aes256k opens the examples of its standard, and nothing that was changed', () => {
  for (const [plain, sealed] of SEALED) {
    assert.equal(hex(aes256kDecrypt(KEY, 2, unhex(sealed))), plain);
    assert.throws(() => aes256kDecrypt(KEY, 3, unhex(sealed)), { errno: 13 });
    for (let i = 0; i < sealed.length / 2; i++) {
      const changed = unhex(sealed);
      changed[i]! ^= 1;
      assert.throws(() => aes256kDecrypt(KEY, 2, changed), { errno: 13 });
    }
  }
  assert.throws(() => aes256kDecrypt(KEY, 2, new Uint8Array(39)), { errno: 13 });
});

test('what aes256k seals, of any length, it opens', () => {
  const random = new SeededEntropy(8);
  for (let length = 0; length < 100; length++) {
    const plain = random.bytes(length);
    const sealed = aes256kEncrypt(KEY, 0x10, plain, random);
    assert.equal(sealed.length, 16 + length + 24);
    assert.equal(hex(aes256kDecrypt(KEY, 0x10, sealed)), hex(plain));
  }
});
