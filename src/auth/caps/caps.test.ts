import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFromBytes, encodeToBytes } from '../../encoding/index.ts';
import { EntityAddr } from '../../types/index.ts';
import { corpusText } from '../testing/corpus.ts';
import { capsProblem, MgrCap, MonCap, type MonCapRequest, monCap, OsdCap, type OsdCapRequest } from './index.ts';

const addr = EntityAddr.parse('v2:10.1.2.3:1/1')!;
const admin = { type: 8, id: 'admin' };

test('caps are taken and refused as Ceph does, with its sentences', () => {
  const cases = JSON.parse(corpusText('caps.json')) as [string, string, number, string][];
  assert.ok(cases.length > 140);
  for (const [service, caps, result, text] of cases) {
    assert.equal(capsProblem(service, caps), result === 0 ? undefined : text, `${service} '${caps}'`);
  }
});

function mon(caps: string, q: Partial<MonCapRequest>): boolean {
  return MonCap.parse(caps).isCapable({ name: admin, addr, service: '', ...q });
}

test('mon caps', () => {
  assert.ok(mon('allow *', { service: 'config-key', write: true, exec: true }));
  assert.ok(mon('allow r', { service: 'osd', read: true }));
  assert.ok(!mon('allow r', { service: 'osd', read: true, write: true }));
  assert.ok(!mon('allow rwx', { service: 'config-key', read: true }));
  assert.ok(mon('allow r, allow w', { service: 'osd', read: true, write: true }));
  assert.ok(mon('allow service osd rw', { service: 'osd', write: true }));
  assert.ok(!mon('allow service osd rw', { service: 'mds', read: true }));
  assert.ok(mon('allow r network 10.0.0.0/8', { service: 'osd', read: true }));
  assert.ok(!mon('allow r network 11.0.0.0/8', { service: 'osd', read: true }));
  assert.ok(!mon('allow * network f/8, allow r', { service: 'osd', write: true }));
  assert.ok(mon('profile osd', { name: { type: 4, id: '0' }, service: 'osd', write: true, exec: true }));
  assert.ok(!mon('profile osd', { service: 'auth', read: true }));
  const key = (name: string): Partial<MonCapRequest> => ({
    name: { type: 4, id: '3' },
    service: 'config-key',
    command: 'config-key get',
    args: new Map([['key', name]]),
    read: true,
  });
  assert.ok(mon('profile osd', key('daemon-private/osd.3/x')));
  assert.ok(!mon('profile osd', key('daemon-private/osd.4/x')));
  const blocklist = (a: string): Partial<MonCapRequest> => ({
    service: 'osd',
    command: 'osd blocklist',
    args: new Map([
      ['blocklistop', 'add'],
      ['addr', a],
    ]),
    write: true,
  });
  assert.ok(mon('profile rbd', blocklist('1.2.3.4:0/77')));
  assert.ok(!mon('profile rbd', blocklist('1.2.3.4')));
  assert.ok(!mon('profile simple-rados-client', blocklist('1.2.3.4:0/77')));
  assert.equal(MonCap.parse('allow r fsname=a, allow rw fsname=b').allowedFsNames.join(), 'a,b');
  assert.equal(
    MonCap.parse('allow service "x y" r; profile osd, allow command foo with a="b c"').toString(),
    'allow service "x y" r, allow profile osd, allow command foo with a="b c"',
  );
  const back = decodeFromBytes(monCap, encodeToBytes(monCap, MonCap.parse('allow rw')));
  assert.equal(back.text, 'allow rw');
});

function osd(caps: string, q: Partial<OsdCapRequest>): boolean {
  return OsdCap.parse(caps).isCapable({
    pool: 'rbd',
    nspace: '',
    applications: new Map([['rbd', new Map()]]),
    object: 'o',
    read: false,
    write: false,
    classes: [],
    addr,
    ...q,
  });
}

test('osd caps', () => {
  const call = (className: string, methodName: string, read: boolean, write: boolean, allowed = true) => ({
    classes: [{ className, methodName, read, write, allowed }],
  });
  assert.ok(osd('allow *', { read: true, write: true, ...call('x', 'y', true, true, false) }));
  assert.ok(osd('allow rw pool=rbd', { read: true, write: true }));
  assert.ok(!osd('allow rw pool=rbd', { pool: 'other', read: true }));
  assert.ok(!osd('allow r', { write: true }));
  assert.ok(osd('allow rwx', call('rbd', 'get', true, true)));
  assert.ok(!osd('allow rwx', call('rbd', 'get', true, true, false)));
  assert.ok(!osd('allow rw', call('rbd', 'get', true, false)));
  assert.ok(osd('allow class-read', call('rbd', 'get', true, false)));
  assert.ok(!osd('allow class-read', call('rbd', 'set', false, true)));
  assert.ok(osd('allow class rbd get', call('rbd', 'get', true, true, false)));
  assert.ok(!osd('allow class rbd get', call('rbd', 'set', true, true, false)));
  assert.ok(osd('allow r namespace=a*', { nspace: 'abc', read: true }));
  assert.ok(osd('allow r namespace="a"*', { nspace: 'abc', read: true }));
  assert.ok(osd('allow r namespace=""', { read: true }));
  assert.ok(!osd('allow r namespace=""', { nspace: 'x', read: true }));
  assert.ok(osd('allow r object_prefix rbd_', { object: 'rbd_x', read: true }));
  assert.ok(!osd('allow r object_prefix rbd_', { object: 'x', read: true }));
  const apps = new Map([['cephfs', new Map([['data', 'fs1']])]]);
  assert.ok(osd('allow rw tag cephfs data=fs1', { applications: apps, write: true }));
  assert.ok(!osd('allow rw tag cephfs data=fs2', { applications: apps, write: true }));
  assert.ok(osd('allow rw tag cephfs *=*', { applications: apps, write: true }));
  assert.ok(osd('profile rbd pool=rbd', { read: true, write: true }));
  assert.ok(!osd('profile rbd pool=vms', { read: true }));
  assert.ok(osd('profile rbd pool=vms', { object: 'rbd_info', read: true }));
  assert.ok(!osd('profile rbd-read-only', { write: true }));
  assert.ok(!osd('allow r network 11.0.0.0/8', { read: true }));
  assert.ok(OsdCap.parse('allow *').isAllowAll && !OsdCap.parse('allow * network 10.0.0.0/8').isAllowAll);
});

test('mgr caps', () => {
  const can = (caps: string, q: object): boolean => MgrCap.parse(caps).isCapable({ addr, ...q });
  assert.ok(can('allow r', { read: true }));
  assert.ok(!can('allow r', { write: true }));
  assert.ok(can('allow command foo with a=b', { command: 'foo', args: new Map([['a', 'b']]), write: true }));
  assert.ok(!can('allow command foo with a=b', { command: 'foo', args: new Map([['a', 'c']]), write: true }));
  assert.ok(can('profile crash', { command: 'crash post', write: true }));
  const pool = new Map([['pool', 'rbd']]);
  assert.ok(can('profile rbd pool=rbd', { module: 'rbd_support', args: pool, write: true }));
  assert.ok(!can('profile rbd pool=other', { module: 'rbd_support', args: pool, write: true }));
  assert.ok(!can('profile rbd-read-only', { module: 'rbd_support', write: true }));
  assert.equal(MgrCap.parse('profile rbd pool=x').toString(), 'profile rbd pool=x');
});
