import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config, confFor, optionSpecs, parseConf, parseOptionValue } from './index.ts';

const owner = { cluster: 'ceph', type: 'osd', id: '0', host: 'here', pid: 42, daemon: true };

test('ceph.conf: sections, comments, continuation, quotes, name spelling', () => {
  const conf = parseConf(`
; a comment
[global]
fsid = 0ca78ac4-b608-48cc-a545-e93578f63f29   # trailing
osd pool-default size = 2
mon_host = "[v2:127.0.0.1:1/0]"
log_file = /a/\\
b.log
[osd]
osd_pool_default_size = 3
[osd.0]
osd_heartbeat_grace = 7
`);
  const merged = confFor(conf, 'osd', '0');
  assert.equal(merged.get('osd_pool_default_size'), '3');
  assert.equal(merged.get('osd_heartbeat_grace'), '7');
  assert.equal(merged.get('mon_host'), '[v2:127.0.0.1:1/0]');
  assert.equal(merged.get('log_file'), '/a/b.log');
  assert.equal(confFor(conf, 'mon', 'a').get('osd_pool_default_size'), '2');
  assert.throws(() => parseConf('what is this'), /line 1/);
});

test('layers rank as Ceph ranks them, and observers hear only of changes', () => {
  const config = new Config(owner);
  assert.equal(config.num('osd_heartbeat_grace'), 20);
  const heard: unknown[] = [];
  config.observe('osd_heartbeat_grace', (v) => heard.push(v));
  config.set('file', 'osd_heartbeat_grace', '30');
  config.set('mon', 'osd_heartbeat_grace', '40');
  assert.equal(config.num('osd_heartbeat_grace'), 30);
  config.set('override', 'osd_heartbeat_grace', '50');
  config.unset('override', 'osd_heartbeat_grace');
  assert.deepEqual(heard, [30, 50, 30]);
  assert.deepEqual(
    config
      .replaceLayer(
        'mon',
        new Map([
          ['no_such_option', '1'],
          ['osd_heartbeat_grace', 'x'],
        ]),
      )
      .map((r) => r.name),
    ['no_such_option', 'osd_heartbeat_grace'],
  );
});

test('metavariables expand', () => {
  const config = new Config(owner);
  config.set('file', 'run_dir', '/r');
  assert.equal(config.expand('$run_dir/$cluster-$name.$pid'), '/r/ceph-osd.0.42');
  assert.equal(config.expand(config.str('log_file')), '/var/log/ceph/ceph-osd.0.log');
});

test('values parse as Ceph parses them', () => {
  const parse = (name: string, text: string) => parseOptionValue(optionSpecs().get(name)!, text);
  assert.equal(parse('osd_memory_target', '4G'), 4 * 2 ** 30);
  assert.equal(parse('osd_memory_target', '4Gi'), 4 * 2 ** 30);
  assert.throws(() => parse('osd_memory_target', '1'), /minimum/);
  assert.throws(() => parse('osd_objectstore', 'x'), /one of/);
  assert.equal(parse('osd_recovery_sleep', '0.5'), 0.5);
  assert.throws(
    () => parse('osd_heartbeat_grace', 'soon'),
    /EINVAL: value 'soon' of osd_heartbeat_grace: expected a whole number/,
  );
  assert.equal(new Config(owner).text('osd_recovery_sleep'), '0.000000');
});

test('every default of the table parses', () => {
  const config = new Config(owner);
  for (const name of optionSpecs().keys()) config.get(name);
});
