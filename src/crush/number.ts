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
