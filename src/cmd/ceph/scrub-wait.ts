/** `ceph osd scrub --block`: waits until every PG of the OSDs that were named has been scrubbed anew. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rados } from '../../client/index.ts';
import { pyJson } from './python.ts';

interface PgStat {
  readonly pgid: string;
  readonly up_primary: number;
  readonly last_scrub_stamp: string;
  readonly last_deep_scrub_stamp: string;
}

/** Stamps of the last scrub by PG. */
type Stamps = ReadonlyMap<string, string>;

/** `words`: `osd scrub|deep-scrub WHO`. */
export async function scrubStamps(rados: Rados, words: readonly string[]): Promise<Stamps> {
  const [, kind, who] = words;
  const { result, text, data } = await rados.mgrCommand(
    pyJson({ prefix: 'pg dump', format: 'json', target: ['mon-mgr', ''] }),
  );
  if (result !== 0) throw new Error(`pg dump: ${text}`);
  const stats = (JSON.parse(new TextDecoder().decode(data)) as { pg_map: { pg_stats: PgStat[] } }).pg_map.pg_stats;
  const isAll = who === 'all' || who === 'any' || who === '*';
  return new Map(
    stats
      .filter((pg) => isAll || pg.up_primary === Number(who))
      .map((pg) => [pg.pgid, kind === 'scrub' ? pg.last_scrub_stamp : pg.last_deep_scrub_stamp]),
  );
}

export async function waitForScrub(rados: Rados, words: readonly string[], before: Stamps): Promise<void> {
  process.stdout.write(`Waiting for ${words[1]} to complete...\n`);
  while (true) {
    const now = await scrubStamps(rados, words);
    if ([...before].every(([pgid, stamp]) => now.get(pgid) !== stamp)) break;
    await sleep(3000);
  }
  process.stdout.write(`${words[1]} completed\n`);
}
