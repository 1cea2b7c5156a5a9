import { readFileSync } from 'node:fs';

// Loaded when it is needed: a program that names addresses starts sooner without.
// Its default export, not its names: only that follows dns.promises.setServers.
const dns = async () => (await import('node:dns/promises')).default;

/** A server of a service, as DNS names it. */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  /** Lower first. */
  readonly priority: number;
  readonly weight: number;
}

/** Addresses of a host, by the system's resolver. Fails with the system's error (ENOTFOUND). */
export async function resolveHost(name: string): Promise<string[]> {
  return (await (await dns()).lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
}

/** Domains in which names without one are looked for. */
function searchDomains(): string[] {
  try {
    const lines = readFileSync('/etc/resolv.conf', 'utf8').split('\n');
    const last = lines.filter((l) => /^\s*(search|domain)\s/.test(l)).at(-1);
    return last?.trim().split(/\s+/).slice(1) ?? [];
  } catch {
    return [];
  }
}

/**
 * Servers of `_NAME._tcp`, for `NAME_DOMAIN` in that domain, else in the first of the system's own that has some; none where nobody knows. That is the form
 * of option mon_dns_srv_name.
 */
export async function resolveService(service: string): Promise<SrvRecord[]> {
  const [name = '', domain = ''] = service.split(/_(.*)/s);
  const resolver = await dns();
  for (const suffix of domain !== '' ? [domain] : [...searchDomains(), '']) {
    try {
      const found = await resolver.resolveSrv(`_${name}._tcp${suffix === '' ? '' : `.${suffix}`}`);
      if (found.length > 0) return found;
    } catch {
      // Not there, or no answer: the next.
    }
  }
  return [];
}
