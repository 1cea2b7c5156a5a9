/** What the OSD writes by hand is, byte for byte, what the declared codecs write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../base/index.ts';
import { type Codec, encodeToBytes, Reader } from '../encoding/index.ts';
import * as messages from '../messages/index.ts';
import type { WireMessage } from '../msgr/index.ts';
import * as types from '../types/index.ts';
import { opCode, subOpFlag } from './ops/codes.ts';
import { extent, TestCluster, type TestOp, xattrUnion } from './testing.ts';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

function same<T>(codec: Codec<T>, bytes: Uint8Array, what: string): T {
  const r = new Reader(bytes);
  const value = codec.decode(r);
  assert.equal(r.remaining, 0, `${what}: all is read`);
  assert.equal(hex(encodeToBytes(codec, value)), hex(bytes), what);
  return value;
}

interface Kind {
  readonly type: number;
  readonly name: string;
  encode(fields: never, options?: { tid?: number }): { front: Uint8Array };
  decode(parts: WireMessage): unknown;
}

const KINDS: readonly Kind[] = [
  messages.MOSDPGNotify2,
  messages.MOSDPGQuery2,
  messages.MOSDPGInfo2,
  messages.MOSDPGLog,
  messages.MOSDPGPush,
  messages.MOSDPGPull,
  messages.MOSDPGPushReply,
  messages.MOSDRepOp,
  messages.MOSDRepOpReply,
  messages.MOSDOpReply,
] as unknown as Kind[];

/** Says once per kind what differs. */
function checkMessage(m: WireMessage, seen: Set<string>): void {
  const kind = KINDS.find((k) => k.type === m.type);
  if (kind === undefined) return;
  const again = kind.encode(kind.decode(m) as never, { tid: m.tid });
  assert.equal(hex(again.front), hex(m.front), kind.name);
  seen.add(kind.name);
}

test('objects, log, info and messages are what the declared codecs write', async () => {
  const c = new TestCluster();
  const seen = new Set<string>();
  c.lose = (_from, _to, m) => {
    checkMessage(m, seen);
    return false;
  };
  await c.start();
  const xattr: TestOp = { code: opCode.SETXATTR, union: xattrUnion(1, 3), data: text('kval') };
  let tid = 0;
  const put = (name: string, s: string, options = {}): void => {
    const reqid = { type: 8, num: 4100, tid: ++tid, inc: 0 };
    c.do([{ code: opCode.WRITEFULL, union: extent(0, s.length), data: text(s) }, xattr], { name, reqid, ...options });
  };
  put('a', 'one');
  put('b', 'before the snapshot');
  put('b', 'after', { snapSeq: 3, snaps: [3] });
  c.do([{ code: opCode.WRITE, union: extent(2, 2), data: text('xx') }], { name: 'b', snapSeq: 4, snaps: [4, 3] });
  c.do([{ code: opCode.CREATE, flags: subOpFlag.EXCL }], { name: 'a' });
  c.kill(2);
  c.nextMap();
  c.settle();
  put('a', 'two');
  put('c', 'three');
  c.do([{ code: opCode.DELETE }], { name: 'b' });
  c.restart(2);
  c.nextMap();
  c.settle();
  for (const reply of c.replies.values()) checkMessage(reply.message, seen);
  const kinds = KINDS.filter((k) => k !== (messages.MOSDPGPull as unknown as Kind)).map((k) => k.name);
  assert.deepEqual(
    kinds.filter((k) => !seen.has(k)),
    [],
    'all kinds were sent',
  );

  for (const osd of c.osds) {
    const pg = osd.pg!;
    const { store, coll } = pg;
    for (const o of store.list(coll, types.ghobjectMin, undefined, 1000).objects) {
      if (!o.isPgMeta) {
        const attrs = store.getAttrs(coll, o)!;
        const info = same(types.objectInfo, attrs.get('_')!, 'object_info_t');
        assert.equal(`${info.soid}`, `${o.hobj}`);
        const ss = attrs.get('snapset');
        if (ss !== undefined) same(types.snapSet, ss, 'SnapSet');
        continue;
      }
      let entries = 0;
      for (const [key, value] of store.omapIterate(coll, o, { from: '' })!) {
        if (key === '_info') same(types.pgInfo, value, key);
        else if (key === '_fastinfo') same(types.pgFastInfo, value, key);
        else if (key.startsWith('dup_')) same(types.pgLogDup, value, key);
        else if (/^\d/.test(key)) {
          const entry = types.decodeLogEntryWithChecksum(value, crc32c);
          assert.equal(hex(types.encodeLogEntryWithChecksum(entry, crc32c)), hex(value), 'pg_log_entry_t');
          entries++;
        }
      }
      assert.ok(entries >= 7, 'the log is there');
    }
  }
});
