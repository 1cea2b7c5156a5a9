import { body, list, s32, string } from '../encoding/index.ts';
import { uuid } from '../types/index.ts';
import { paxos, paxosVersion } from './common.ts';
import { defineDataMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

const options = { version: 1, compat: 1 };
const command = { fsid: uuid, cmd: list(string) };
/** `result` is 0 or a negative errno; `text` is what the `ceph` program prints to stderr; `data` is the output. */
const reply = { result: s32, text: string };

/** A command to the monitors: one JSON object, or words. `data` is its input (`-i`). */
export const MMonCommand = defineDataMessage(
  messageTypeNumber.MON_COMMAND,
  body('mon_command', options, { paxosVersion, ...command }),
  { defaults: paxos },
);

export const MMonCommandAck = defineDataMessage(
  messageTypeNumber.MON_COMMAND_ACK,
  body('mon_command_ack', options, { paxosVersion, ...reply, cmd: list(string) }),
  { defaults: paxos },
);

/** A command to an OSD, a PG's OSD, or another daemon (`ceph tell`). */
export const MCommand = defineDataMessage(messageTypeNumber.COMMAND, body('command', options, command));

export const MCommandReply = defineDataMessage(messageTypeNumber.COMMAND_REPLY, body('command_reply', options, reply));

/** A command to the manager. */
export const MMgrCommand = defineDataMessage(messageTypeNumber.MGR_COMMAND, body('mgr_command', options, command));

export const MMgrCommandReply = defineDataMessage(
  messageTypeNumber.MGR_COMMAND_REPLY,
  body('mgr_command_reply', options, reply),
);
