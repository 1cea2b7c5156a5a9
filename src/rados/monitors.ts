/** Where a cluster's monitors are: what Ceph's clients look at, in their order. */
import { ErrnoError } from '../base/index.ts';
import { parseMonHost } from '../client/index.ts';
import type { ConfFile, Config } from '../config/index.ts';
import { resolveHost, resolveService } from '../runtime/index.ts';
import { type EntityAddrVec, MonMap, makeMonInfo } from '../types/index.ts';

/** One word of mon_host; a name of a host becomes an address for each that it has. */
async function addressesOf(word: string): Promise<EntityAddrVec[]> {
  try {
    return parseMonHost(word);
  } catch (error) {
    const named = /^(?:(v1|v2|any):)?([A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(\d+))?(\/\d+)?$/.exec(word);
    if (named === null) throw error;
    const [, protocol, host, port] = named;
    let found: string[];
    try {
      found = await resolveHost(host!);
    } catch (cause) {
      throw new ErrnoError('ENOENT', `mon_host: '${host}' has no address (${(cause as Error).message})`);
    }
    return found.flatMap((ip) => parseMonHost(addressText(ip, port, protocol)));
  }
}

function addressText(ip: string, port?: string | number, protocol?: string): string {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  return `${protocol === undefined ? '' : `${protocol}:`}${host}${port === undefined ? '' : `:${port}`}`;
}

/** A MonMap of epoch 0 to start from. ENOENT where nothing says where monitors are. */
export async function findMonitors(config: Config, conf: ConfFile | undefined): Promise<MonMap> {
  let map = new MonMap();
  let count = 0;
  const add = (addrs: EntityAddrVec, name = `noname-${count}`, extra = {}): void => {
    const isTaken = map.mon(name) !== undefined;
    map = map.withMon(makeMonInfo(isTaken ? `${name}-${count}` : name, addrs, extra));
    count++;
  };
  const monHost = config.str('mon_host_override') || config.str('mon_host');
  // Vectors in brackets have commas inside.
  for (const word of monHost.match(/\[(?:v1|v2|any):[^\]]*\]|[^\s,;]+/g) ?? []) {
    for (const addrs of await addressesOf(word)) add(addrs);
  }
  if (count > 0) return map;
  for (const [section, options] of conf ?? []) {
    const text = options.get('mon_addr');
    if (!section.startsWith('mon.') || text === undefined) continue;
    for (const addrs of await addressesOf(text)) add(addrs, section.slice(4));
  }
  if (count > 0) return map;
  for (const { name, port, priority, weight } of await resolveService(config.str('mon_dns_srv_name'))) {
    for (const ip of await resolveHost(name).catch(() => [])) {
      for (const addrs of parseMonHost(addressText(ip, port))) add(addrs, name, { priority, weight });
    }
  }
  if (count > 0) return map;
  throw new ErrnoError('ENOENT', 'no monitors specified to connect to: give monHost, or a ceph.conf with mon_host');
}
