import { blob, body, u8 } from '../encoding/index.ts';
import { utime } from '../types/index.ts';
import { rest } from './common.ts';
import { defineMessage, noBytes } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** Needs no authentication (`ceph ping`). A monitor answers with the same, its `payload` an encoded string of JSON. */
export const MPing = defineMessage(messageTypeNumber.PING, body('ping', { version: 1, compat: 1 }, { payload: rest }), {
  defaults: { payload: noBytes },
});

export const monPingOp = { PING: 1, PING_REPLY: 2 } as const;

/** Between monitors, for the connectivity election. `padding` is what fills it up to a least size. */
export const MMonPing = defineMessage(
  messageTypeNumber.MON_PING,
  body('mon_ping', { version: 1, compat: 1 }, { op: u8, stamp: utime, tracker: blob, padding: blob }),
  { defaults: { padding: new Uint8Array(0) } },
);
