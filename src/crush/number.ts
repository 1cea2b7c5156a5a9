/**
 * `%.{digits}f` of a 32-bit float (that is what Ceph prints weights as), exact ties to even as C does; digits up to 5, where the product is exact
 * in a double.
 */
export function formatFloat(x: number, digits: number): string {
  const scaled = Math.abs(x) * 10 ** digits;
  let whole = Math.floor(scaled);
  const rest = scaled - whole;
  if (rest > 0.5 || (rest === 0.5 && whole % 2 === 1)) whole++;
  const text = String(whole).padStart(digits + 1, '0');
  return `${x < 0 ? '-' : ''}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Six significant digits, as C++ streams print a weight. */
export function formatShort(x: number): string {
  if (x === 0 || Math.abs(x) >= 1e-4) return String(Number(x.toPrecision(6)));
  return x
    .toExponential(5)
    .replace(/\.?0*e/, 'e')
    .replace(/e-(\d)$/, 'e-0$1');
}
