import { blob, body, s32, string, u32, u64 } from '../encoding/index.ts';
import { paxos, paxosVersion, trailing } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** A step of authentication on an open session: msgr v1's handshake, and the renewal of tickets. */
export const MAuth = defineMessage(
  messageTypeNumber.AUTH,
  body(
    'auth',
    { version: 1, compat: 1 },
    { paxosVersion, protocol: u32, payload: blob, monmapEpoch: trailing(u32, () => 0) },
  ),
  { defaults: { ...paxos, monmapEpoch: 0 } },
);

export const MAuthReply = defineMessage(
  messageTypeNumber.AUTH_REPLY,
  body(
    'auth_reply',
    { version: 1, compat: 1 },
    {
      protocol: u32,
      /** 0 or a negative errno. */
      result: s32,
      globalId: u64,
      payload: blob,
      message: string,
    },
  ),
  { defaults: { globalId: 0n, message: '' } },
);
