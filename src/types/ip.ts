/** IP addresses as text and as network bytes. */
/** Four bytes, of the plain dotted form only; undefined otherwise. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (m === null) return undefined;
  const ip = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = m[i + 1]!;
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    ip[i] = Number(part);
  }
  return ip;
}

/** Sixteen bytes; undefined where it is no IPv6 address. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] | undefined => {
    if (half === '') return [];
    const out: number[] = [];
    const parts = half.split(':');
    for (const [i, part] of parts.entries()) {
      const v4 = i === parts.length - 1 ? parseIpv4(part) : undefined;
      if (v4 !== undefined) out.push((v4[0]! << 8) | v4[1]!, (v4[2]! << 8) | v4[3]!);
      else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16));
      else return undefined;
    }
    return out;
  };
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (head === undefined || tail === undefined) return undefined;
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const all = [...head, ...Array<number>(gap).fill(0), ...tail];
  const ip = new Uint8Array(16);
  for (const [i, group] of all.entries()) {
    ip[2 * i] = group >> 8;
    ip[2 * i + 1] = group & 0xff;
  }
  return ip;
}

/** As inet_ntop writes it: lower case, the first longest run of two or more zero groups as `::`, mapped IPv4 with dots. */
export function formatIpv6(ip: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (ip[2 * i]! << 8) | ip[2 * i + 1]!);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) {
      best = i;
      bestLength = n;
    }
  }
  const mapped = best === 0 && (bestLength === 6 || (bestLength === 5 && groups[5] === 0xffff));
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (best >= 0 && i === best) {
      text += '::';
      i += bestLength - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    if (mapped && i === 6) return `${text}${ip.subarray(12).join('.')}`;
    text += groups[i]!.toString(16);
  }
  return text;
}
