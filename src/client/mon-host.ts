import { ErrnoError } from '../base/index.ts';
import { addrType, EntityAddr, EntityAddrVec, MonMap, makeMonInfo } from '../types/index.ts';

/** Ports of a monitor where none is given. */
const PORT_V2 = 3300;
const PORT_V1 = 6789;

/**
 * The monitors of option `mon_host`: address vectors `[v2:...,v1:...]` and addresses `v2:1.2.3.4:3300`, `1.2.3.4:6789`, `1.2.3.4`,
 * separated by commas, semicolons or spaces. An address without protocol and port stands for both on their usual ports; one with
 * port 6789 for v1, any other for v2 (or either, on the same port). Names of hosts are not resolved here: EINVAL.
 */
export function parseMonHost(text: string): EntityAddrVec[] {
  const mons: EntityAddrVec[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const token = /^(\[(?:v1|v2|any):[^ ;]*?\](?=[,; ]|$)|[^,; ]+)[,; ]*/.exec(rest);
    if (token === null) throw new ErrnoError('EINVAL', `mon_host '${text}' does not parse at '${rest}'`);
    mons.push(parseOne(token[1]!, text));
    rest = rest.slice(token[0].length);
  }
  return mons;
}

function parseOne(token: string, whole: string): EntityAddrVec {
  if (token.startsWith('[v') || token.startsWith('[any')) {
    const vec = EntityAddrVec.parse(token);
    if (vec !== undefined) return vec;
  } else {
    const addr = EntityAddr.parse(token, addrType.ANY);
    if (addr !== undefined && !addr.isBlankIp) return expand(addr);
  }
  throw new ErrnoError('EINVAL', `mon_host '${whole}': '${token}' is no address`);
}

function expand(addr: EntityAddr): EntityAddrVec {
  if (addr.type === addrType.MSGR2) {
    return EntityAddrVec.of(addr.port === 0 ? addr.with({ port: PORT_V2 }) : addr);
  }
  if (addr.type === addrType.LEGACY) {
    return EntityAddrVec.of(addr.port === 0 ? addr.with({ port: PORT_V1 }) : addr);
  }
  if (addr.port === 0) {
    return EntityAddrVec.of(
      addr.with({ type: addrType.MSGR2, port: PORT_V2 }),
      addr.with({ type: addrType.LEGACY, port: PORT_V1 }),
    );
  }
  return EntityAddrVec.of(addr.with({ type: addr.port === PORT_V1 ? addrType.LEGACY : addrType.MSGR2 }));
}

/** A MonMap of epoch 0 to start from: monitors `noname-a` and on at those addresses. EINVAL without any. */
export function initialMonMap(monHost: string): MonMap {
  const addrs = parseMonHost(monHost);
  if (addrs.length === 0) throw new ErrnoError('ENOENT', 'no monitors specified to connect to; set mon_host');
  let map = new MonMap();
  addrs.forEach((vec, i) => {
    map = map.withMon(makeMonInfo(`noname-${suffix(i)}`, vec));
  });
  return map;
}

/** a..z, aa.. */
function suffix(i: number): string {
  const last = String.fromCharCode(97 + (i % 26));
  return i < 26 ? last : suffix(Math.floor(i / 26) - 1) + last;
}
