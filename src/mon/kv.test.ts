import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../base/index.ts';
import { decodeText, encodeText } from '../encoding/index.ts';
import { MemoryKv, MonStore, singleCommitLog } from '../paxos/index.ts';
import { JsonFormatter, parseAuthName } from '../types/index.ts';
import { validateArgs } from './commands/args.ts';
import { CommandRegistry, type CommandReply } from './commands/registry.ts';
import { ConfigMonitor } from './config.ts';
import { KvMonitor } from './kv.ts';
import { fakeSession, ManualClock } from './testing/index.ts';

function fixture() {
  const clock = new ManualClock();
  const kvdb = new MemoryKv();
  kvdb.hold = (complete) => complete();
  const store = new MonStore(kvdb);
  const log = singleCommitLog(store, silentLogger, clock, { keep_min: 500, trim_min: 250, trim_max: 500 });
  const context = { clock, logger: silentLogger, store, log };
  const kv = new KvMonitor(context);
  const config = new ConfigMonitor(context, kv, {
    place: (entity) => ({ entity, location: new Map([['host', 'h1']]), deviceClass: 'ssd' }),
    precision: (mask) => (mask.locationType !== '' ? 1 : mask.deviceClass !== '' ? 12 : 13),
    moduleOption: () => undefined,
    moduleOptionNames: () => [],
    minimalConf: () => '# minimal\n[global]\n',
    fsid: () => 'f',
  });
  log.onCommitted = () => {
    kv.refresh();
    config.refresh();
  };
  kv.start();
  config.start();
  const commands = new CommandRegistry();
  kv.registerCommands(commands, () => 64);
  config.registerCommands(commands);
  const run = (prefix: string, args: Record<string, unknown> = {}, data = '', json = false): CommandReply => {
    const command = commands.get(prefix)!;
    const call = {
      prefix,
      args: validateArgs(command.specs[0]!, args),
      f: json ? new JsonFormatter() : undefined,
      format: json ? 'json' : 'plain',
      data: encodeText(data),
      session: fakeSession(),
    };
    const result = command.handler(call);
    if (!('commit' in result)) return result;
    command.service!.submit();
    clock.settle();
    return { rc: 0, status: result.status, out: result.out };
  };
  return { kv, config, run };
}

const text = (r: CommandReply): string => (typeof r.out === 'string' ? r.out : decodeText(r.out));

describe('config-key', () => {
  it('stores, lists and removes', () => {
    const { run, kv } = fixture();
    assert.equal(run('config-key set', { key: 'a/b', val: '1' }).status, 'set a/b');
    assert.equal(text(run('config-key get', { key: 'a/b' })), '1');
    assert.deepEqual([...kv.changeOf(1)!.keys()], ['a/b']);
    run('config-key set', { key: 'a/c' }, 'from file');
    assert.equal(text(run('config-key dump', { key: 'a/' }, '', true)), '{"a/b":"1","a/c":"from file"}');
    run('config-key rm', { key: 'a/b' });
    assert.equal(run('config-key get', { key: 'a/b' }).rc, -2);
    assert.equal(text(run('config-key ls', {}, '', true)), '["a/c"]');
  });
});

describe('config', () => {
  it('sets, masks, logs and resets', () => {
    const { run, config } = fixture();
    run('config set', { who: 'osd', name: 'osd_max_backfills', value: '2' });
    run('config set', { who: 'osd/class:ssd', name: 'osd_max_backfills', value: '4' });
    run('config set', { who: 'osd.0', name: 'osd_memory_target', value: '4G' });
    const osd0 = config.valuesFor(parseAuthName('osd.0')!);
    assert.equal(osd0.get('osd_max_backfills'), '4');
    assert.equal(osd0.get('osd_memory_target'), '4294967296');
    assert.equal(config.valuesFor(parseAuthName('mon.a')!).size, 0);
    assert.equal(text(run('config get', { who: 'osd.1', key: 'osd_max_backfills' })), '4\n');
    assert.equal(
      text(run('config dump', {}, '', true)),
      '[{"section":"osd","name":"osd_max_backfills","value":"4","level":"advanced","can_update_at_runtime":true,"mask":"class:ssd","device_class":"ssd"},' +
        '{"section":"osd","name":"osd_max_backfills","value":"2","level":"advanced","can_update_at_runtime":true,"mask":""},' +
        '{"section":"osd.0","name":"osd_memory_target","value":"4294967296","level":"basic","can_update_at_runtime":true,"mask":""}]',
    );
    assert.match(
      text(run('config log', { num: 1 })),
      /^--- 3 --- \S+ ---\n\+ osd.0\/osd_memory_target = 4294967296\n$/,
    );
    run('config reset', { num: 1 });
    assert.equal(config.valuesFor(parseAuthName('osd.0')!).get('osd_max_backfills'), '2');
  });

  it('refuses what it does not know', () => {
    const { run } = fixture();
    assert.match(run('config set', { who: 'osd', name: 'nope', value: '1' }).status, /unrecognized config option/);
    assert.match(
      run('config set', { who: 'osd', name: 'osd_max_backfills', value: 'x' }).status,
      /error parsing value/,
    );
    assert.throws(
      () => run('config set', { who: 'zzz', name: 'osd_max_backfills', value: '1' }),
      /unrecognized config target/,
    );
  });

  it('takes over a ceph.conf and gives back what it cannot', () => {
    const { run } = fixture();
    const rest = text(run('config assimilate-conf', {}, '[osd]\nosd_max_backfills = 3\nunknown_thing = 1\n'));
    assert.equal(rest, '\n[osd]\n\tunknown_thing = 1\n');
    assert.equal(text(run('config get', { who: 'osd.5', key: 'osd_max_backfills' })), '3\n');
  });
});
