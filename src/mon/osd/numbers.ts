/** Numbers in arguments of commands, read as strictly as Ceph reads them. */

/** A whole decimal number, or why it is none. */
export function parseWhole(text: string): number | { readonly error: string } {
  if (text === '') return { error: 'strict_strtoll: value is empty' };
  if (!/^\s*[+-]?\d+$/.test(text)) return { error: `Expected option value to be integer, got '${text}'` };
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : { error: `The option value '${text}' seems to be invalid` };
}

export function parseReal(text: string): number | { readonly error: string } {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    return { error: `Expected option value to be float, got '${text}'` };
  }
  return value;
}

const SI = new Map([
  ['', 1],
  ['B', 1],
  ['K', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
]);
const IEC = new Map([
  ['', 1],
  ['B', 1],
  ['K', 2 ** 10],
  ['M', 2 ** 20],
  ['G', 2 ** 30],
  ['T', 2 ** 40],
  ['P', 2 ** 50],
  ['E', 2 ** 60],
]);

function parseScaled(text: string, units: ReadonlyMap<string, number>): number | { readonly error: string } {
  const match = /^([+-]?\d+)([BKMGTPE]?)(i?)B?$/.exec(text);
  const unit = match === null ? undefined : (match[3] === 'i' ? IEC : units).get(match[2]!);
  if (match === null || unit === undefined)
    return { error: `strict_sistrtoll: unit prefix not recognized in '${text}'` };
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : { error: `The option value '${text}' seems to be too large` };
}

/** `10K` is 10,000. */
export function parseSi(text: string): number | { readonly error: string } {
  return parseScaled(text, SI);
}

/** `10K` and `10Ki` are 10,240. */
export function parseIec(text: string): number | { readonly error: string } {
  return parseScaled(text, IEC);
}
