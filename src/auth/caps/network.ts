import { type EntityAddr, parseIpv4, parseIpv6 } from '../../types/index.ts';

/** An address range that a grant is bound to. */
export interface NetworkRange {
  readonly ip: Uint8Array;
  readonly prefixLength: number;
}

/** Parses `10.0.0.0/8`; undefined where it is none: a grant bound to it then never holds. */
export function parseNetwork(text: string): NetworkRange | undefined {
  const m = /^([^/]*)\/(\d+)$/.exec(text);
  if (m === null) return undefined;
  const ip = parseIpv4(m[1]!) ?? parseIpv6(m[1]!);
  return ip === undefined ? undefined : { ip, prefixLength: Number(m[2]) };
}

export function networkContains(range: NetworkRange, addr: EntityAddr): boolean {
  const { ip, prefixLength } = range;
  const other = addr.ip;
  if (other.length !== ip.length || !(addr.isIpv4 || addr.isIpv6)) return false;
  let bits = Math.min(prefixLength, ip.length * 8);
  for (let i = 0; bits > 0; i++, bits -= 8) {
    const mask = bits >= 8 ? 0xff : (0xff << (8 - bits)) & 0xff;
    if (((ip[i]! ^ other[i]!) & mask) !== 0) return false;
  }
  return true;
}

/** Whether a grant bound to `network` (empty: to none) holds for a peer at `addr`. */
export function networkAllows(network: string, range: NetworkRange | undefined, addr: EntityAddr): boolean {
  return network === '' || (range !== undefined && networkContains(range, addr));
}
