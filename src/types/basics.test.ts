import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entropyBelow, SeededEntropy } from '../base/index.ts';
import { DecodeError, decodeFromBytes, encodeToBytes } from '../encoding/index.ts';
import {
  CEPH_FEATURES_ALL,
  EntityAddr,
  EntityAddrVec,
  entityAddr,
  entityAddrVec,
  feature,
  formatBytes,
  formatEntityName,
  formatFixed,
  formatG,
  formatSi,
  formatUtime,
  hasFeature,
  JsonFormatter,
  monFeatureNames,
  PgStat,
  PgStatMirror,
  parseAuthName,
  parseEntityName,
  parseUtime,
  parseUuid,
  pgStat,
  releaseFromFeatures,
  releaseName,
  TextTable,
  utimeFromMs,
  uuid,
  XmlFormatter,
} from './index.ts';

test('addresses parse and print as Ceph does', () => {
  for (const text of [
    'v2:127.0.0.1:6800/123',
    'v1:[::1]:6789/0',
    'v2:[fe80::1:0:0:2]:3300/4294967295',
    '10.0.0.1:0/3710147553',
    '-',
  ]) {
    const addr = EntityAddr.parse(text, 3);
    assert.equal(addr?.toString(), text);
    if (text === '-') continue;
    for (const features of [CEPH_FEATURES_ALL, 0n]) {
      const back: EntityAddr = decodeFromBytes(entityAddr, encodeToBytes(entityAddr, addr!, features));
      assert.equal(back.sockaddrText, addr!.sockaddrText);
      assert.equal(back.nonce, addr!.nonce);
      assert.equal(back.type, features === 0n ? 1 : addr!.type);
    }
  }
  for (const bad of ['', 'v2:', '1.2.3', '1.2.3.4:70000', '[1.2.3.4', '1.2.3.4x', '1::2::3']) {
    assert.equal(EntityAddr.parse(bad), undefined, bad);
  }
  const vec = EntityAddrVec.parse('[v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]');
  assert.equal(vec?.toString(), '[v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]');
  assert.equal(vec.msgr2.port, 3300);
  assert.equal(vec.legacyText, '127.0.0.1:6789/0');
  assert.equal(decodeFromBytes(entityAddrVec, encodeToBytes(entityAddrVec, vec)).toString(), vec.toString());
  assert.equal(decodeFromBytes(entityAddrVec, encodeToBytes(entityAddrVec, vec, 0n)).toString(), 'v1:127.0.0.1:6789/0');
  assert.equal(EntityAddrVec.parse('[::1]:6789')?.front.host, '::1');
  assert.throws(() => decodeFromBytes(entityAddrVec, Uint8Array.of(2, 255, 255, 255, 255)), /entity_addrvec_t/);
});

test('names', () => {
  assert.equal(formatEntityName(parseEntityName('osd.12')!), 'osd.12');
  assert.equal(formatEntityName({ type: 8, num: -1 }), 'client.?');
  assert.equal(parseEntityName('disk.1'), undefined);
  assert.deepEqual(parseAuthName('client.rgw.a'), { type: 8, id: 'rgw.a' });
});

test('times', () => {
  const t = utimeFromMs(Date.UTC(2026, 10, 27, 13, 36, 30) + 123.456);
  assert.equal(formatUtime(t), '2026-11-27T13:36:30.123456+0000');
  assert.deepEqual(parseUtime('2026-11-27T13:36:30.123456+0000'), t);
  assert.deepEqual(parseUtime('2026-11-27 15:36:30.123456+0200'), t);
  assert.equal(formatUtime({ sec: 0, nsec: 0 }), '0.000000');
});

test('uuid', () => {
  const text = '1206797e-a87d-45b0-8215-482603d24202';
  assert.equal(decodeFromBytes(uuid, encodeToBytes(uuid, text)), text);
  assert.equal(parseUuid(text.toUpperCase()), text);
  assert.equal(parseUuid('x'), undefined);
});

test('features and releases', () => {
  assert.ok(hasFeature(CEPH_FEATURES_ALL, feature.SERVER_PACIFIC));
  assert.ok(!hasFeature(feature.CRUSH_TUNABLES2, feature.SERVER_LUMINOUS));
  assert.equal(releaseName(16), 'pacific');
  assert.equal(releaseName(releaseFromFeatures(CEPH_FEATURES_ALL)), 'luminous');
  assert.deepEqual(monFeatureNames(0x41n, true), ['kraken(1)', 'pacific(64)']);
});

test('numbers print as in C', () => {
  assert.equal(formatG(Math.fround(0.95), 17), '0.94999998807907104');
  assert.equal(formatG(1, 17), '1');
  assert.equal(formatG(1e20, 17), '1e+20');
  assert.equal(formatG(0.00001234), '1.234e-05');
  assert.equal(formatG(0.0012), '0.0012');
  assert.equal(formatG(-1234567), '-1.23457e+06');
  assert.equal(formatFixed(0.125, 2), '0.12');
  assert.equal(formatFixed(0.375, 2), '0.38');
  assert.equal(formatFixed(2.5, 0), '2');
  assert.equal(formatFixed(1.005, 2), '1.00');
  assert.equal(formatBytes(1536), '1.5 KiB');
  assert.equal(formatBytes(4096), '4 KiB');
  assert.equal(formatSi(1234), '1.23k');
});

test('json and xml layouts', () => {
  const fill = (f: JsonFormatter | XmlFormatter): string => {
    f.openObject('top');
    f.int('n', 18446744073709551615n);
    f.openArray('list');
    f.string('item', 'a"\\\n\u0001<');
    f.openObject('item');
    f.close();
    f.close();
    f.openArray('none');
    f.close();
    f.bool('b', false);
    f.close();
    return f.flush();
  };
  assert.equal(
    fill(new JsonFormatter()),
    '{"n":18446744073709551615,"list":["a\\"\\\\\\n\\u0001<",{}],"none":[],"b":false}',
  );
  assert.equal(
    fill(new JsonFormatter(true)),
    '{\n    "n": 18446744073709551615,\n    "list": [\n        "a\\"\\\\\\n\\u0001<",\n        {}\n    ],\n    "none": [],\n    "b": false\n}\n',
  );
  assert.equal(
    fill(new XmlFormatter()),
    '<top><n>18446744073709551615</n><list><item>a&quot;\\\n&#x01;&lt;</item><item></item></list><none></none><b>false</b></top>',
  );
});

test('tables', () => {
  const t = new TextTable().column('ID', 'left', 'right').column('NAME', 'left').row(1, 'x').row(20, 'longer');
  assert.equal(t.toString(), 'ID  NAME  \n 1  x     \n20  longer\n');
});

test('a mirror of statistics is what they are decoded to, whatever changes', () => {
  const entropy = new SeededEntropy(3);
  const source = new PgStat();
  source.acting = [2, 0, 1];
  const mirror = new PgStatMirror();
  let own = new PgStat();
  const number = (): number => entropyBelow(entropy, 2 ** 31) * (entropyBelow(entropy, 4) === 0 ? 2 ** 20 : 1);
  const changes: (() => void)[] = [
    () => {
      source.lastFresh = { sec: entropyBelow(entropy, 2 ** 31), nsec: 5 };
    },
    () => {
      source.acting = source.acting.length === 3 ? [1, 2] : [2, 0, 1];
    },
    () => {
      source.state ^= 1n << 40n;
    },
    () => {
      source.reportedSeq++;
    },
    () => {
      source.manifestStatsInvalid = !source.manifestStatsInvalid;
    },
  ];
  let kept = 0;
  for (let i = 0; i < 400; i++) {
    source.version = { epoch: 5, version: number() };
    source.stats.numBytes = number();
    source.stats.numObjectsRepaired = -i;
    source.stats.numFlushModeLow = -i;
    source.logSize = number();
    source.ondiskLogSize = number();
    if (i % 10 === 9) changes[entropyBelow(entropy, changes.length)]!();
    const bytes = encodeToBytes(pgStat, source);
    const before = own;
    own = mirror.read(own, bytes);
    if (own === before) kept++;
    assert.deepEqual(encodeToBytes(pgStat, own), bytes);
    // What its owner changes itself lasts only until the next, where another put its own in its place.
    if (i % 50 === 49) own = own.copy();
    if (i % 30 === 29) assert.throws(() => mirror.read(own, bytes.subarray(0, bytes.length - 1)), DecodeError);
  }
  assert.ok(kept > 300);
});
