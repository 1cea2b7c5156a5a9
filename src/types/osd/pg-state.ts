const bit = (n: number): bigint => 1n << BigInt(n);

/** PG_STATE_*: a mask of 64 bits, some beyond 32, so a bigint. */
export const pgState = {
  CREATING: bit(0),
  ACTIVE: bit(1),
  CLEAN: bit(2),
  DOWN: bit(4),
  RECOVERY_UNFOUND: bit(5),
  BACKFILL_UNFOUND: bit(6),
  PREMERGE: bit(7),
  SCRUBBING: bit(8),
  DEGRADED: bit(10),
  INCONSISTENT: bit(11),
  PEERING: bit(12),
  REPAIR: bit(13),
  RECOVERING: bit(14),
  BACKFILL_WAIT: bit(15),
  INCOMPLETE: bit(16),
  STALE: bit(17),
  REMAPPED: bit(18),
  DEEP_SCRUB: bit(19),
  BACKFILLING: bit(20),
  BACKFILL_TOOFULL: bit(21),
  RECOVERY_WAIT: bit(22),
  UNDERSIZED: bit(23),
  ACTIVATING: bit(24),
  PEERED: bit(25),
  SNAPTRIM: bit(26),
  SNAPTRIM_WAIT: bit(27),
  RECOVERY_TOOFULL: bit(28),
  SNAPTRIM_ERROR: bit(29),
  FORCED_RECOVERY: bit(30),
  FORCED_BACKFILL: bit(31),
  FAILED_REPAIR: bit(32),
  LAGGY: bit(33),
  WAIT: bit(34),
} as const;

/** Names in the order in which Ceph lists them (pg_state_string), which is not that of the bits. */
const NAMES: readonly (readonly [bigint, string])[] = [
  [pgState.STALE, 'stale'],
  [pgState.CREATING, 'creating'],
  [pgState.ACTIVE, 'active'],
  [pgState.ACTIVATING, 'activating'],
  [pgState.CLEAN, 'clean'],
  [pgState.RECOVERY_WAIT, 'recovery_wait'],
  [pgState.RECOVERY_TOOFULL, 'recovery_toofull'],
  [pgState.RECOVERING, 'recovering'],
  [pgState.FORCED_RECOVERY, 'forced_recovery'],
  [pgState.DOWN, 'down'],
  [pgState.RECOVERY_UNFOUND, 'recovery_unfound'],
  [pgState.BACKFILL_UNFOUND, 'backfill_unfound'],
  [pgState.UNDERSIZED, 'undersized'],
  [pgState.DEGRADED, 'degraded'],
  [pgState.REMAPPED, 'remapped'],
  [pgState.PREMERGE, 'premerge'],
  [pgState.SCRUBBING, 'scrubbing'],
  [pgState.DEEP_SCRUB, 'deep'],
  [pgState.INCONSISTENT, 'inconsistent'],
  [pgState.PEERING, 'peering'],
  [pgState.REPAIR, 'repair'],
  [pgState.BACKFILL_WAIT, 'backfill_wait'],
  [pgState.BACKFILLING, 'backfilling'],
  [pgState.FORCED_BACKFILL, 'forced_backfill'],
  [pgState.BACKFILL_TOOFULL, 'backfill_toofull'],
  [pgState.INCOMPLETE, 'incomplete'],
  [pgState.PEERED, 'peered'],
  [pgState.SNAPTRIM, 'snaptrim'],
  [pgState.SNAPTRIM_WAIT, 'snaptrim_wait'],
  [pgState.SNAPTRIM_ERROR, 'snaptrim_error'],
  [pgState.FAILED_REPAIR, 'failed_repair'],
  [pgState.LAGGY, 'laggy'],
  [pgState.WAIT, 'wait'],
];

/** `active+clean`; `unknown` for none. */
export function formatPgState(state: bigint): string {
  let text = '';
  for (const [flag, name] of NAMES) if ((state & flag) !== 0n) text += text === '' ? name : `+${name}`;
  return text === '' ? 'unknown' : text;
}

/** The flag of one name (pg_string_state), 0 for `unknown`; undefined for a name that is none. */
export function parsePgState(name: string): bigint | undefined {
  if (name === 'unknown') return 0n;
  for (const [flag, known] of NAMES) if (known === name) return flag;
  return undefined;
}
