import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFromBytes } from '../../encoding/index.ts';
import { monMap } from '../../types/index.ts';
import type { ToolIo } from './io.ts';
import { monmaptool } from './monmaptool.ts';
import { osdmaptool } from './osdmaptool.ts';

/** A system in memory. */
function fakeIo(files: Map<string, Uint8Array>): ToolIo & { text: () => string } {
  let text = '';
  return {
    text: () => text,
    out: (s) => {
      text += s;
    },
    err: (s) => {
      text += s;
    },
    readFile: (path) => {
      const bytes = files.get(path);
      if (bytes === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
      return bytes;
    },
    writeFile: (path, bytes) => void files.set(path, bytes),
    exists: (path) => files.has(path),
    now: () => ({ sec: 1_800_000_000, nsec: 5000 }),
    newUuid: () => '323dd4d2-1336-4f9b-8a8a-6523a468664a',
    seconds: () => 0,
    random: () => 0,
    lookup: (host) => {
      if (host === 'both') return ['10.0.0.7', 'fd00::7'];
      return /^[\d.]+$/.test(host) ? [host] : 'Name or service not known';
    },
    servers: (service) =>
      service === 'stores_example.com'
        ? [
            { name: 'y', address: '10.0.1.2', port: 6789, priority: 10, weight: 60 },
            { name: 'x', address: '10.0.1.1', port: 3300, priority: 20, weight: 30 },
            { name: 'z', address: '10.0.1.3', port: 7000, priority: 0, weight: 0 },
          ]
        : undefined,
  };
}

const files = new Map<string, Uint8Array>();

function run(tool: (argv: string[], io: ToolIo) => number, line: string): { status: number; text: string } {
  const io = fakeIo(files);
  const status = tool(
    line.split(' ').filter((word) => word !== ''),
    io,
  );
  return { status, text: io.text() };
}

test('monmaptool makes, shows and changes a map', () => {
  const made = run(
    monmaptool,
    '--create --addv a [v2:127.0.0.1:3300,v1:127.0.0.1:6789] --add b 127.0.0.2:6789 --print m',
  );
  assert.equal(made.status, 0);
  assert.equal(
    made.text,
    `monmaptool: monmap file m
monmaptool: generated fsid 323dd4d2-1336-4f9b-8a8a-6523a468664a
epoch 0
fsid 323dd4d2-1336-4f9b-8a8a-6523a468664a
last_changed 2027-01-15T08:00:00.000005+0000
created 2027-01-15T08:00:00.000005+0000
min_mon_release 0 (unknown)
election_strategy: 1
0: [v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0] mon.a
1: v1:127.0.0.2:6789/0 mon.b
monmaptool: writing epoch 0 to m (2 monitors)
`,
  );
  assert.match(run(monmaptool, '--rm b m').text, /removing b/);
  assert.equal(run(monmaptool, '--rm b m').status, 1);
  assert.equal(run(monmaptool, 'm').text, 'monmaptool: monmap file m\nno action specified\nmonmaptool -h for usage\n');
  assert.equal(run(monmaptool, '--print missing').status, 255);
});

test('monmaptool --generate takes names of hosts', () => {
  const made = run(monmaptool, '--create --clobber --generate -m both,10.0.0.8:6789,10.0.0.7 --print n');
  assert.equal(made.status, 0, made.text);
  const monitors = made.text.split('\n').filter((line) => /^\d: /.test(line));
  assert.deepEqual(monitors, [
    '0: [v2:10.0.0.7:3300/0,v1:10.0.0.7:6789/0] mon.noname-a',
    '1: v1:10.0.0.8:6789/0 mon.noname-c',
    '2: [v2:[fd00::7]:3300/0,v1:[fd00::7]:6789/0] mon.noname-b',
  ]);
  const failed = run(monmaptool, '--create --clobber --generate -m both,nowhere n');
  assert.equal(failed.status, 234);
  assert.match(failed.text, /^server name not found: nowhere \(Name or service not known\)$/m);
  assert.match(failed.text, /^unable to parse addrs in 'both,nowhere'$/m);
});

test('monmaptool --generate takes monitors of sections, and what is wrong with the others it says as Ceph does', () => {
  const conf = `[global]
[mon.b]
mon addr = 10.0.0.2:3300
mon priority = 4
mon weight = 7
[mon.a]
mon addr = 10.0.0.1
[mon.c]
mon addr = 10.0.0.3:6789
[mon.d]
log file = x
[mon.e]
mon addr = rubbish
[mon.f]
mon addr = 10.0.0.3:6789
[mon.g]
mon addr = v2:10.0.0.9:3300
mon priority = x
[mon.h]
mon addr = [v2:10.0.0.10:3300,v1:10.0.0.10:6789]
[mon.i]
mon addr = [fd00::1]:6789
[mon.]
mon addr = 10.0.0.77
`;
  files.set('sections.conf', new TextEncoder().encode(conf));
  const made = run(monmaptool, '-c sections.conf --create --clobber --generate --print s');
  assert.equal(made.status, 0, made.text);
  // Seen from Ceph 16.2.15's tool with this file.
  assert.deepEqual(
    made.text.split('\n').filter((line) => /^\d: |^failed|^unable/.test(line)),
    [
      'failed to get an address for mon.d: error -2',
      "unable to parse address for mon.e: addr='rubbish'",
      "unable to parse priority for mon.g: priority='x'",
      "unable to parse address for mon.h: addr='[v2:10.0.0.10:3300,v1:10.0.0.10:6789]'",
      '0: v1:10.0.0.2:3300/0 mon.b',
      '1: v1:10.0.0.1:6789/0 mon.a',
      '2: v1:10.0.0.3:6789/0 mon.f',
      '3: v1:[fd00::1]:6789/0 mon.i',
    ],
  );
  const b = decodeFromBytes(monMap, files.get('s')!).mon('b')!;
  assert.deepEqual([b.priority, b.weight], [4, 7]);
});

test('monmaptool --generate asks the DNS for the servers of a service where nothing else names monitors', () => {
  files.set('srv.conf', new TextEncoder().encode('[global]\nmon dns srv name = stores_example.com\n'));
  const made = run(monmaptool, '-c srv.conf --create --clobber --generate --print d');
  assert.equal(made.status, 0, made.text);
  assert.deepEqual(
    made.text.split('\n').filter((line) => /^\d: /.test(line)),
    [
      '0: v1:10.0.1.2:6789/0 mon.y-legacy',
      '1: v1:10.0.1.3:7000/0 mon.z-legacy',
      '2: v2:10.0.1.1:3300/0 mon.x',
      '3: v2:10.0.1.3:7000/0 mon.z',
    ],
  );
  // Seen from Ceph 16.2.15's tool with a DNS that says the same.
  const none = run(monmaptool, '--create --clobber --generate d');
  assert.equal(none.status, 254);
  assert.match(none.text, /^unable to get monitor info from DNS SRV with service name: ceph-mon$/m);
});

test('osdmaptool makes a map, and evens out its PGs without putting two copies together', () => {
  assert.equal(run(osdmaptool, '--createsimple 16 --with-default-pool --osd-crush-chooseleaf-type 0 o').status, 0);
  assert.equal(run(osdmaptool, '--createsimple 16 o').status, 255);
  const stats = /avg (\d+) stddev ([\d.]+)/;
  const before = stats.exec(run(osdmaptool, '--mark-up-in --test-map-pgs o').text)!;
  const balanced = run(
    osdmaptool,
    '--mark-up-in --upmap - --upmap-max 1000 --upmap-deviation 1 --save --test-map-pgs o',
  );
  const after = stats.exec(balanced.text)!;
  assert.equal(before[1], after[1]);
  assert.ok(Number(after[2]) <= 1, `stddev ${before[2]} to ${after[2]}`);
  assert.match(balanced.text, /ceph osd pg-upmap-items 1\.[0-9a-f]+ \d+ \d+/);
  assert.match(run(osdmaptool, '--test-map-pgs o').text, /size 3\t1024\n$/);
  assert.match(run(osdmaptool, '--upmap-cleanup - o').text, /checking for upmap cleanups\n$/);
  assert.equal(run(osdmaptool, '--test-map-pg zz o').status, 1);
});
