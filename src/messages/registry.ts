import { DecodeError } from '../encoding/index.ts';
import * as auth from './auth.ts';
import * as command from './command.ts';
import * as config from './config.ts';
import * as forward from './forward.ts';
import * as fs from './fs.ts';
import * as log from './log.ts';
import * as osdOp from './m-osd-op.ts';
import * as osdOpReply from './m-osd-op-reply.ts';
import * as osdRepOp from './m-osd-rep-op.ts';
import type { IncomingParts, MessageType } from './message.ts';
import * as mgr from './mgr.ts';
import * as monMap from './mon-map.ts';
import * as monQuorum from './mon-quorum.ts';
import * as osdClient from './osd-client.ts';
import * as osdEc from './osd-ec.ts';
import * as osdMap from './osd-map.ts';
import * as osdPing from './osd-ping.ts';
import * as osdReport from './osd-report.ts';
import * as pgPeering from './pg-peering.ts';
import * as pgRecovery from './pg-recovery.ts';
import * as pgScrub from './pg-scrub.ts';
import * as ping from './ping.ts';
import * as pool from './pool.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** A message's codec where its type is only known when it comes. */
export type AnyMessageType = Pick<MessageType<unknown, never>, 'type' | 'name' | 'version' | 'compat'> & {
  decode(parts: IncomingParts): unknown;
};

function isMessageType(x: unknown): x is AnyMessageType {
  return typeof x === 'object' && x !== null && 'type' in x && 'compat' in x && 'decode' in x;
}

const families: readonly object[] = [
  auth,
  command,
  config,
  forward,
  fs,
  log,
  mgr,
  monMap,
  monQuorum,
  osdClient,
  osdEc,
  osdMap,
  osdOp,
  osdOpReply,
  osdPing,
  osdRepOp,
  osdReport,
  pgPeering,
  pgRecovery,
  pgScrub,
  ping,
  pool,
];

/** Every message that this project can read and write, by its number. */
export const messageTypes: ReadonlyMap<number, AnyMessageType> = new Map(
  families.flatMap((family) =>
    Object.values(family)
      .filter(isMessageType)
      .map((m): [number, AnyMessageType] => [m.type, m]),
  ),
);

const NUMBERS: ReadonlyMap<number, string> = new Map(
  Object.entries(messageTypeNumber).map(([name, number]) => [number, name.toLowerCase()]),
);

/** `mon_command`: what Ceph calls the message; for one without a codec here, its constant in lower case; else `type 1234`. */
export function messageName(type: number): string {
  return messageTypes.get(type)?.name ?? NUMBERS.get(type) ?? `type ${type}`;
}

/** Any message's fields. Throws DecodeError, for an unknown type too. */
export function decodeMessage(parts: IncomingParts): unknown {
  const codec = messageTypes.get(parts.type);
  if (codec === undefined) throw new DecodeError(`no codec for messages of ${messageName(parts.type)}`, 0);
  return codec.decode(parts);
}
