import { blob, body, type Codec, s32, since, u8, u32, u64, u64num } from '../encoding/index.ts';
import { hobject, spgId } from '../types/index.ts';
import { defineDataMessage, defineMessage, noBytes } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

// From an OSD to its clients, beside replies.

/** Do not send requests for objects in [begin, end) of the PG (one object where they are equal), or do again. */
export const MOSDBackoff = defineMessage(
  messageTypeNumber.OSD_BACKOFF,
  body(
    'osd_backoff',
    { version: 1, compat: 1 },
    {
      pgid: spgId,
      mapEpoch: u32,
      /** One of backoffOp. */
      op: u8,
      /** Names the backoff within the session. */
      id: u64num,
      begin: hobject,
      end: hobject,
    },
  ),
);

/** CEPH_WATCH_EVENT_*. */
export const watchEvent = { NOTIFY: 1, NOTIFY_COMPLETE: 2, DISCONNECT: 3 } as const;

const messageVersion: Codec<number> = {
  name: 'msg_ver',
  length_min: 1,
  encode: (w) => w.u8(1),
  decode(r) {
    const v = r.u8();
    if (v < 1) r.fail('version 0 is from before Argonaut');
    return v;
  },
};

/**
 * Something for a watcher, or the outcome of a notify for who sent it. Of NOTIFY_COMPLETE, `data` holds the encoded answers: a map of (watcher's global id,
 * cookie) to bytes, and a list of such pairs that did not answer in time.
 */
export const MWatchNotify = defineDataMessage(
  messageTypeNumber.WATCH_NOTIFY,
  body(
    'watch-notify',
    { version: 3, compat: 1 },
    {
      messageVersion,
      /** One of watchEvent. */
      opcode: u8,
      /** The watch's or the notify's, as the client chose it. */
      cookie: u64,
      unused: u64,
      notifyId: u64,
      payload: blob,
      /** Of the notify: 0 or a negative errno. */
      returnCode: since(2, s32, () => 0),
      /** Global id of who sent the notify. */
      notifierGid: since(3, u64, () => 0n),
    },
  ),
  { defaults: { messageVersion: 1, unused: 0n, payload: noBytes, returnCode: 0, notifierGid: 0n } },
);
