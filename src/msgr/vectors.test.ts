import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entityType } from '../types/index.ts';
import { Tag, tagName } from './constants.ts';
import {
  authSignatureFrame,
  clientIdentFrame,
  decodeControl,
  encodeBanner,
  encodeControl,
  helloFrame,
  serverIdentFrame,
} from './control-frames.ts';
import { handshakeSignature, secureStreams } from './crypto.ts';
import { FrameParser } from './frame-parser.ts';
import { FrameWriter } from './frame-writer.ts';
import { type RecordedSession, recordedSessions } from './testing/corpus.ts';

interface Frame {
  readonly tag: number;
  readonly segments: readonly Uint8Array[];
}

/**
 * Reads one direction of a session. Encryption begins after the last frame of the authentication in that direction: `lastClear`, the
 * `count`-th of its tag.
 */
function readStream(
  session: RecordedSession,
  bytes: Uint8Array,
  isClient: boolean,
  lastClear: number,
  count: number,
): { frames: Frame[]; transcript: Uint8Array[]; banner: [bigint, bigint] } {
  const frames: Frame[] = [];
  let transcript: Uint8Array[] = [];
  let banner: [bigint, bigint] = [0n, 0n];
  let left = count;
  const parser: FrameParser = new FrameParser({
    banner: (supported, required) => {
      banner = [supported, required];
      parser.setRevision(session.revision === 1);
    },
    admit: () => true,
    frame: (tag) => {
      frames.push({ tag, segments: [0, 1, 2, 3].map((i) => parser.segment(i)) });
      if (tag !== lastClear || --left > 0) return;
      transcript = parser.takeTranscript();
      if (session.mode === 'secure') {
        parser.setOpener(secureStreams(session.connectionSecret, isClient, session.revision === 1).opener);
      }
    },
    aborted: () => assert.fail('aborted'),
  });
  for (let at = 0; at < bytes.length; at += 11) parser.push(bytes.subarray(at, at + 11));
  return { frames, transcript, banner };
}

for (const session of recordedSessions()) {
  test(`a session with Ceph reads, is signed and is written the same: ${session.file}`, () => {
    const isClient = session.from === 'mon';
    // cephx with a monitor takes AUTH_REQUEST and one AUTH_REQUEST_MORE.
    const own = isClient ? Tag.AUTH_REQUEST_MORE : Tag.AUTH_DONE;
    const peers = isClient ? Tag.AUTH_DONE : Tag.AUTH_REQUEST_MORE;
    const received = readStream(session, session.received, isClient, peers, 1);
    const sent = readStream(session, session.sent, !isClient, own, 1);
    assert.deepEqual(received.banner, [1n, 0n]);

    const find = (frames: Frame[], tag: number): Uint8Array => {
      const frame = frames.find((f) => f.tag === tag);
      assert.ok(frame !== undefined, `no ${tagName(tag)}`);
      return frame.segments[0]!;
    };
    // Ceph signed what it received from us, and took our signature of what it sent.
    const ofPeer = decodeControl(authSignatureFrame, find(received.frames, Tag.AUTH_SIGNATURE)).signature;
    const ofOwn = decodeControl(authSignatureFrame, find(sent.frames, Tag.AUTH_SIGNATURE)).signature;
    assert.deepEqual(Buffer.from(ofPeer), Buffer.from(handshakeSignature(session.sessionKey, sent.transcript)));
    assert.deepEqual(Buffer.from(ofOwn), Buffer.from(handshakeSignature(session.sessionKey, received.transcript)));

    const hello = decodeControl(helloFrame, find(received.frames, Tag.HELLO));
    assert.equal(hello.entityType, isClient ? entityType.MON : entityType.CLIENT);
    if (isClient) {
      const payload = find(received.frames, Tag.SERVER_IDENT);
      const ident = decodeControl(serverIdentFrame, payload);
      assert.equal(ident.addrs.length, 2);
      assert.equal(ident.supportedFeatures, 0x3f01cfbdfffdffffn);
      assert.equal(ident.flags, 1n);
      assert.deepEqual(Buffer.from(encodeControl(serverIdentFrame, ident)), Buffer.from(payload));
      assert.ok(received.frames.some((f) => f.tag === Tag.KEEPALIVE2_ACK));
    } else {
      const payload = find(received.frames, Tag.CLIENT_IDENT);
      const ident = decodeControl(clientIdentFrame, payload);
      assert.equal(ident.gid, -1);
      // The program's first connection fetches the monitor map, under no policy of its own: not lossy until the server says so.
      assert.equal(ident.flags, 0n);
      assert.notEqual(ident.cookie, 0n);
      assert.deepEqual(Buffer.from(encodeControl(clientIdentFrame, ident)), Buffer.from(payload));
    }
    assert.ok(received.frames.some((f) => f.tag === Tag.MESSAGE));

    // The same frames, laid out here, are the same bytes.
    const isRev1 = session.revision === 1;
    const sealer =
      session.mode === 'secure' ? secureStreams(session.connectionSecret, !isClient, isRev1).sealer : undefined;
    const writer = new FrameWriter();
    writer.raw(encodeBanner(1n, 0n));
    let isClear = true;
    for (const frame of received.frames) {
      const seal = isClear ? undefined : sealer;
      if (frame.tag === Tag.MESSAGE) {
        const [header, front, middle, data] = frame.segments;
        const view = new DataView(header!.buffer, header!.byteOffset, header!.length);
        const u64 = (at: number): number => Number(view.getBigUint64(at, true));
        writer.message(
          {
            type: view.getUint16(16, true),
            priority: view.getUint16(18, true),
            version: view.getUint16(20, true),
            compatVersion: view.getUint16(37, true),
            tid: u64(8),
            front: front!,
            middle: middle!,
            data: data!.length > 0 ? [data!] : [],
            dataOffset: view.getUint16(26, true),
          },
          u64(0),
          u64(28),
          isRev1,
          seal,
        );
      } else writer.control(frame.tag, frame.segments[0]!, isRev1, seal);
      if (frame.tag === peers) isClear = false;
    }
    const written = Buffer.concat(writer.take());
    const expected = Buffer.from(session.received);
    assert.equal(written.toString('hex'), expected.subarray(0, written.length).toString('hex'));
    assert.equal(written.length, expected.length);
  });
}
