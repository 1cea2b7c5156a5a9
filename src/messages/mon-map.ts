import { between, blob, body, plain, since, sortedMap, string, u8, u32, u64num } from '../encoding/index.ts';
import { compareText, uuid } from '../types/index.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** Asks for the MonMap; also the first thing a client without one sends. */
export const MMonGetMap = defineMessage(
  messageTypeNumber.MON_GET_MAP,
  body('mon_getmap', { version: 1, compat: 1 }, {}),
);

/** `monmap` is an encoded MonMap, in the form that the receiver's features ask for. */
export const MMonMap = defineMessage(
  messageTypeNumber.MON_MAP,
  body('mon_map', { version: 1, compat: 1 }, { monmap: blob }),
);

/** CEPH_SUBSCRIBE_ONETIME: one answer, then no more. */
export const SUBSCRIBE_ONETIME = 1;

const item = plain('ceph_mon_subscribe_item', { start: u64num, flags: u8 });

/** Asks for maps (`osdmap`, `monmap`, `mgrmap`, `config`, ...) from a version on, as they come. */
export const MMonSubscribe = defineMessage(
  messageTypeNumber.MON_SUBSCRIBE,
  body(
    'mon_subscribe',
    { version: 3, compat: 1 },
    {
      what: between(2, Number.POSITIVE_INFINITY, sortedMap(string, item, compareText), () => new Map()),
      hostname: since(3, string, () => ''),
    },
  ),
  { defaults: { hostname: '' } },
);

/** Sent to clients without stateful subscriptions only: ask again within `interval_s`. */
export const MMonSubscribeAck = defineMessage(
  messageTypeNumber.MON_SUBSCRIBE_ACK,
  body('mon_subscribe_ack', { version: 1, compat: 1 }, { interval_s: u32, fsid: uuid }),
);

/** Asks for the newest and oldest version of a map. `handle` comes back with the answer. */
export const MMonGetVersion = defineMessage(
  messageTypeNumber.MON_GET_VERSION,
  body('mon_get_version', { version: 1, compat: 1 }, { handle: u64num, what: string }),
);

export const MMonGetVersionReply = defineMessage(
  messageTypeNumber.MON_GET_VERSION_REPLY,
  body(
    'mon_get_version_reply',
    { version: 2, compat: 2 },
    { handle: u64num, version: u64num, oldestVersion: since(2, u64num, () => 0) },
  ),
);
