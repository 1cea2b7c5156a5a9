import { invariant } from '../base/index.ts';
import type { SimCluster } from './cluster.ts';

/** Tables in which monitors differ: what is their own. */
const OWN_TABLES: ReadonlySet<string> = new Set(['monitor', 'mkfs', 'mon_sync']);
/** Promises of Paxos are each monitor's own. */
const OWN_PAXOS_KEYS: ReadonlySet<string> = new Set(['last_pn', 'accepted_pn', 'pending_v', 'pending_pn']);
/** How often to look for an instant at which nothing is being committed. */
const TRIES_MAX = 200;

/** Every monitor has the same version of everything, byte for byte. */
export async function compareMonitors(cluster: SimCluster): Promise<void> {
  const monitors = [...cluster.monitors.values()];
  for (let tries = 0; ; tries++) {
    const versions = new Set(monitors.map((mon) => mon.commitLog.lastCommitted));
    const idle = monitors.every((mon) => !mon.commitLog.isUpdating && mon.commitLog.isReadable);
    if (versions.size === 1 && idle) break;
    invariant(tries < TRIES_MAX, 'monitors never agree', { versions: [...versions] });
    await cluster.pass(37);
  }
  const texts = monitors.map((mon) => {
    const lines: string[] = [];
    for (const [table, key, value] of mon.store.all('', '')) {
      if (OWN_TABLES.has(table) || (table === 'paxos' && OWN_PAXOS_KEYS.has(key))) continue;
      lines.push(`${table} ${key} ${Buffer.from(value).toString('base64')}`);
    }
    return lines;
  });
  for (const [i, lines] of texts.entries()) {
    const first = texts[0]!;
    const at = lines.findIndex((line, n) => line !== first[n]);
    invariant(lines.length === first.length && at < 0, 'two monitors differ', {
      monitor: monitors[i]!.id,
      keys: [first.length, lines.length],
      here: lines[at]?.slice(0, 200),
      there: first[at]?.slice(0, 200),
    });
  }
}
