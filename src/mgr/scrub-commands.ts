import { ErrnoError } from '../base/index.ts';
import { type MessageParts, MOSDScrub2 } from '../messages/index.ts';
import { formatPgId, type OSDMap, type PgId, parsePgId, type SpgId } from '../types/index.ts';
import { command, type MgrCall, type MgrCommand, type MgrReply, output, poolIdOf } from './commands.ts';

/** Sends to an OSD that has reported here; false where there is none of that number. */
export type SendToOsd = (osd: number, message: MessageParts) => boolean;

type Kind = 'scrub' | 'deep-scrub' | 'repair';

function spg(pgid: PgId): SpgId {
  return { pgid, shard: -1 };
}

function order(map: OSDMap, kind: Kind, pgs: SpgId[]): MessageParts {
  return MOSDScrub2.encode({
    fsid: map.fsid,
    epoch: map.epoch,
    pgs,
    repair: kind === 'repair',
    deep: kind === 'deep-scrub',
  });
}

/** PGs by the OSD that leads them. Those that nobody leads are left out. */
function byPrimary(map: OSDMap, pools: Iterable<number>): Map<number, SpgId[]> {
  const found = new Map<number, SpgId[]>();
  for (const pool of pools) {
    const pgNum = map.pool(pool)?.pgNum ?? 0;
    for (let seed = 0; seed < pgNum; seed++) {
      const { actingPrimary } = map.pgToUpActing({ pool, seed });
      if (actingPrimary < 0) continue;
      const list = found.get(actingPrimary);
      if (list === undefined) found.set(actingPrimary, [spg({ pool, seed })]);
      else list.push(spg({ pool, seed }));
    }
  }
  return found;
}

function scrubPg(kind: Kind, send: SendToOsd, { args, view }: MgrCall): MgrReply {
  const map = view.osdMap;
  const text = args.str('pgid');
  const pgid = parsePgId(text);
  if (pgid === undefined) throw new ErrnoError('EINVAL', `invalid pgid '${text}'`);
  const pool = map.pool(pgid.pool);
  const name = formatPgId(pgid);
  if (pool === undefined || pgid.seed >= pool.pgNum) throw new ErrnoError('ENOENT', `pg ${name} does not exist`);
  const { actingPrimary } = map.pgToUpActing(pgid);
  if (actingPrimary < 0) throw new ErrnoError('EAGAIN', `pg ${name} has no primary osd`);
  if (!send(actingPrimary, order(map, kind, [spg(pgid)]))) {
    throw new ErrnoError('EAGAIN', `pg ${name} primary osd.${actingPrimary} is not currently connected`);
  }
  return output('', `instructing pg ${name} on osd.${actingPrimary} to ${kind}`);
}

function scrubOsd(kind: Kind, send: SendToOsd, { args, view }: MgrCall): MgrReply {
  const map = view.osdMap;
  const who = args.str('who');
  let osds: number[];
  if (who === '*' || who === 'all' || who === 'any') {
    osds = Array.from({ length: map.maxOsd }, (_, osd) => osd).filter((osd) => map.isUp(osd));
  } else {
    const number = /^(?:osd\.)?(\d+)$/.exec(who)?.[1];
    if (number === undefined) {
      throw new ErrnoError('EINVAL', `Expected option value to be integer, got '${who}'invalid osd '${who}'`);
    }
    if (!map.isUp(Number(number))) throw new ErrnoError('EAGAIN', `osd.${number} is not up`);
    osds = [Number(number)];
  }
  const led = byPrimary(map, map.pools.keys());
  const sent: number[] = [];
  const failed: number[] = [];
  for (const osd of osds) (send(osd, order(map, kind, led.get(osd) ?? [])) ? sent : failed).push(osd);
  if (failed.length === osds.length) {
    return output('', `failed to instruct osd(s) ${osds.join(',')} to ${kind} (not connected)`);
  }
  const rest = failed.length > 0 ? `; osd(s) ${failed.join(',')} were not connected` : '';
  return output('', `instructed osd(s) ${sent.join(',')} to ${kind}${rest}`);
}

function scrubPools(kind: Kind, send: SendToOsd, { args, view }: MgrCall): MgrReply {
  const map = view.osdMap;
  const names = args.list('who');
  if (names.length === 0) throw new ErrnoError('EINVAL', 'must specify one or more pool names');
  const pools = names.map((name) => {
    if (map.poolId(name) === undefined) throw new ErrnoError('ENOENT', `unrecognized pool '${name}'`);
    return poolIdOf(view, name);
  });
  for (const [osd, pgs] of byPrimary(map, pools)) {
    if (!send(osd, order(map, kind, pgs))) throw new ErrnoError('EAGAIN', `osd.${osd} is not currently connected`);
  }
  return output('');
}

/** `pg scrub`, `osd scrub`, `osd pool scrub`, and the same for deep-scrub and repair. */
export function scrubCommands(send: SendToOsd): readonly MgrCommand[] {
  return (['scrub', 'deep-scrub', 'repair'] as const).flatMap((kind) => [
    command(`pg ${kind}`, 'pg', 'rw', 'pgid:Pgid', `have a PG do a ${kind}`, (call) => scrubPg(kind, send, call)),
    command(
      `osd ${kind}`,
      'osd',
      'rw',
      'who:String',
      `have the PGs that an OSD (or every one: all) leads do a ${kind}`,
      (call) => scrubOsd(kind, send, call),
    ),
    command(`osd pool ${kind}`, 'osd', 'rw', 'who*:Poolname', `have the PGs of pools do a ${kind}`, (call) =>
      scrubPools(kind, send, call),
    ),
  ]);
}
