import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededEntropy } from '../base/index.ts';
import { CryptoKey } from './crypto.ts';
import { KeyRing } from './keyring.ts';
import { corpusText } from './testing/corpus.ts';

test('a keyring of ceph-authtool reads and writes back the same', () => {
  const text = corpusText('keyring');
  const keyring = KeyRing.parse(text);
  assert.equal(keyring.format(), text);
  assert.equal(keyring.size, 5);
  assert.equal(keyring.get('client.q')?.caps.get('mon'), 'allow command "config-key get" with key prefix "a b"');
});

test('keyrings: other spellings, and errors that tell no key', () => {
  const key = CryptoKey.create(new SeededEntropy(1), 1.6e12);
  const loose = KeyRing.parse(
    `# comment\n[global]\n anything = x\n[client.a]\nkey=${key.toBase64()} ; note\n caps_mon = 'allow r'\n\tcaps  osd = allow \\\nrw\n auid = 3\n`,
  );
  assert.ok(loose.key('client.a')?.equals(key));
  assert.deepEqual(
    [...loose.get('client.a')!.caps],
    [
      ['mon', 'allow r'],
      ['osd', 'allow rw'],
    ],
  );
  for (const bad of ['[nobody]\n', '[client.a]\nkey = c2VjcmV0\n', '[client.a]\nfoo = bar\n', '[client.a\n']) {
    assert.throws(
      () => KeyRing.parse(bad, 'k'),
      (error: Error) => /^EINVAL: k line \d+: /.test(error.message) && !error.message.includes('c2VjcmV0'),
    );
  }
  assert.equal(CryptoKey.fromBase64('AQ=='), undefined);
  assert.equal(CryptoKey.fromBase64('!'), undefined);
  assert.equal(`${key} ${JSON.stringify({ key })}`.includes(key.toBase64()), false);
});
