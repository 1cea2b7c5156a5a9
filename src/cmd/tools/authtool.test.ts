import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utimeFromMs } from '../../types/index.ts';
import { authtool } from './authtool.ts';
import type { ToolIo } from './io.ts';

const KEY = 'AQCUmAlrAgEKKhAAlWZgyBzoY23cZJZC5Uth2A==';

class FakeIo implements ToolIo {
  readonly files = new Map<string, Uint8Array>();
  readonly modes = new Map<string, number | undefined>();
  stdout = '';
  stderr = '';

  out(text: string): void {
    this.stdout += text;
  }
  err(text: string): void {
    this.stderr += text;
  }
  readFile(path: string): Uint8Array {
    const file = this.files.get(path);
    if (file === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return file;
  }
  writeFile(path: string, bytes: Uint8Array, mode?: number): void {
    this.files.set(path, bytes);
    this.modes.set(path, mode);
  }
  exists(path: string): boolean {
    return this.files.has(path);
  }
  now() {
    return utimeFromMs(1.7e12);
  }
  newUuid(): string {
    return '';
  }
  seconds(): number {
    return 0;
  }
  random(): number {
    return 0;
  }
  lookup(): string {
    return '';
  }
  servers(): undefined {}
  text(path: string): string {
    return new TextDecoder().decode(this.files.get(path));
  }
}

test('ceph-authtool makes, changes and shows keyrings', () => {
  const io = new FakeIo();
  assert.equal(authtool(['-C', 'k', '-n', 'osd.0', '-a', KEY, '--cap', 'osd', 'allow "*"'], io), 0);
  assert.equal(io.text('k'), `[osd.0]\n\tkey = ${KEY}\n\tcaps osd = "allow \\"*\\""\n`);
  assert.equal(io.modes.get('k'), 0o600);
  assert.equal(authtool(['k', '--name=client.a', '--gen-key', '--mode', '0644'], io), 0);
  assert.match(io.text('k'), /^\[osd\.0\][\s\S]*\[client\.a\]\n\tkey = AQ/);
  assert.equal(io.modes.get('k'), 0o644);
  io.stdout = '';
  assert.equal(authtool(['-p', '-n', 'osd.0', 'k'], io), 0);
  assert.equal(io.stdout, `${KEY}\n`);
  for (const [argv, message] of [
    [['k'], 'no command specified\n'],
    [['-l'], 'ceph-authtool: must specify filename\n'],
    [
      ['k', '-n', 'client.b', '--cap', 'mon', 'allow r'],
      "can't find existing key for client.b and neither gen-key nor add-key specified\n",
    ],
    [['none', '-l'], "can't open none: can't open none: (2) No such file or directory\n"],
    [
      ['k', '-n', 'x', '-g'],
      "error parsing 'x': expected string of the form TYPE.ID, valid types are: auth, mon, osd, mds, mgr, client\n",
    ],
  ] as const) {
    io.stderr = '';
    assert.equal(authtool([...argv], io), 1);
    assert.equal(io.stderr, message);
  }
});
