import { blob, body, byNumber, type Codec, s64num, since, sortedMap, u32 } from '../encoding/index.ts';
import { type IntervalSet, intervalSet, uuid } from '../types/index.ts';
import { paxos, paxosVersion } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

const maps: Codec<Map<number, Uint8Array>> = sortedMap(u32, blob, byNumber);

/** interval sets of snapids by pool. */
export const snapsByPool: Codec<Map<number, IntervalSet>> = sortedMap(s64num, intervalSet, byNumber);

/**
 * Maps by epoch, encoded in the form that the receiver's features ask for. `oldest` and `newest` are what the sender has; 0 from an OSD.
 */
export const MOSDMap = defineMessage(
  messageTypeNumber.OSD_MAP,
  body(
    'osdmap',
    { version: 4, compat: 3 },
    {
      fsid: uuid,
      incrementals: maps,
      fulls: maps,
      oldest: since(2, u32, () => 0),
      newest: since(2, u32, () => 0),
      /** No longer used; empty. */
      gapRemovedSnaps: since(4, snapsByPool, () => new Map()),
    },
  ),
  { defaults: { oldest: 0, newest: 0, gapRemovedSnaps: new Map() } },
);

/** First and last epoch that a message of maps holds; [0, 0] for none. */
export function mapsRange(m: {
  incrementals: ReadonlyMap<number, unknown>;
  fulls: ReadonlyMap<number, unknown>;
}): [first: number, last: number] {
  let first = 0;
  let last = 0;
  for (const epochs of [m.incrementals.keys(), m.fulls.keys()]) {
    for (const e of epochs) {
      if (first === 0 || e < first) first = e;
      if (e > last) last = e;
    }
  }
  return [first, last];
}

/** An OSD asks for maps that it lacks. Ranges are inclusive; 0 to 0 for none. */
export const MMonGetOSDMap = defineMessage(
  messageTypeNumber.MON_GET_OSDMAP,
  body(
    'mon_get_osdmap',
    { version: 1, compat: 1 },
    { paxosVersion, fullFirst: u32, fullLast: u32, incFirst: u32, incLast: u32 },
  ),
  { defaults: { ...paxos, fullFirst: 0, fullLast: 0, incFirst: 0, incLast: 0 } },
);

/** An OSD asks which snapshots were purged in these epochs. */
export const MMonGetPurgedSnaps = defineMessage(
  messageTypeNumber.MON_GET_PURGED_SNAPS,
  body('mon_get_purged_snaps', { version: 1, compat: 1 }, { paxosVersion, start: u32, last: u32 }),
  { defaults: paxos },
);

export const MMonGetPurgedSnapsReply = defineMessage(
  messageTypeNumber.MON_GET_PURGED_SNAPS_REPLY,
  body(
    'mon_get_purged_snaps_reply',
    { version: 1, compat: 1 },
    { paxosVersion, start: u32, last: u32, purgedSnaps: sortedMap(u32, snapsByPool, byNumber) },
  ),
  { defaults: paxos },
);
