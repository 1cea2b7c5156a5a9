/** Numbers as C's printf and C++'s streams write them. */

/** As `%.{precision}g`: 6 is what C++ streams use, 17 what Ceph's JSON uses for doubles. */
export function formatG(x: number, precision = 6): string {
  if (Number.isNaN(x)) return 'nan';
  if (!Number.isFinite(x)) return x < 0 ? '-inf' : 'inf';
  if (x === 0) return Object.is(x, -0) ? '-0' : '0';
  const [mantissa, exponentText] = roundHalfEven(x, precision).split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= precision) {
    const sign = exponent < 0 ? '-' : '+';
    return `${trimZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const digits = mantissa.replace('-', '').replace('.', '');
  const minus = x < 0 ? '-' : '';
  if (exponent < 0) return `${minus}0.${'0'.repeat(-exponent - 1)}${trimZeros(`.${digits}`).slice(1)}`;
  const whole = digits.slice(0, exponent + 1);
  return `${minus}${trimZeros(`${whole}.${digits.slice(exponent + 1)}`)}`;
}

/** `precision` digits in exponential form; an exact tie goes to the even digit as in C, where toExponential takes the larger. */
function roundHalfEven(x: number, precision: number): string {
  const rounded = x.toExponential(precision - 1);
  const exact = x.toExponential(precision + 20);
  const digits = exact.slice(0, exact.indexOf('e')).replace(/[-.]/g, '');
  if (!/^50*$/.test(digits.slice(precision)) || Number(digits[precision - 1]) % 2 === 1) return rounded;
  // The digits as they are, cut off: toward the even one.
  const cut = digits.slice(0, precision);
  const sign = x < 0 ? '-' : '';
  return `${sign}${cut[0]}${precision > 1 ? `.${cut.slice(1)}` : ''}${exact.slice(exact.indexOf('e'))}`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** As `%.{digits}f`: exact ties go to the even digit, where toFixed takes the larger. */
export function formatFixed(x: number, digits: number): string {
  if (!Number.isFinite(x)) return formatG(x);
  if (Math.abs(x) >= 1e21) return BigInt(x).toString() + (digits > 0 ? `.${'0'.repeat(digits)}` : '');
  const text = x.toFixed(digits);
  // A tie needs the scaled value to be exactly half way, which only binary fractions with few digits are.
  const scaled = Math.abs(x) * 10 ** digits;
  if (scaled < 2 ** 52 && scaled - Math.floor(scaled) === 0.5 && scaled / 10 ** digits === Math.abs(x)) {
    const exactTie = Number.isInteger(Math.abs(x) * 2 ** (digits + 1));
    if (exactTie && Math.floor(scaled) % 2 === 0) {
      const even = (Math.floor(scaled) / 10 ** digits).toFixed(digits);
      return x < 0 ? `-${even}` : even;
    }
  }
  return Object.is(x, -0) ? `-${text}` : text;
}

/** A CRUSH weight as tables show it (weightf_t): `0.09769`, `0`, `-` for none. */
export function formatWeight(w: number): string {
  if (w < -0.01) return '-';
  return w < 0.000001 ? '0' : formatFixed(Math.fround(w), 5);
}

const SI_UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

function scaled(value: number, base: number, units: readonly string[], separator: string): string {
  let n = value;
  let unit = 0;
  while (n >= base && unit < units.length - 1) {
    n = Math.floor(n / base);
    unit++;
  }
  // Exact multiples are shown whole, others with as many digits as keep them short (Ceph's format_u).
  if (unit === 0) return `${n}${separator}${units[unit]}`;
  const multiple = base ** unit;
  if (value % multiple === 0) return `${value / multiple}${separator}${units[unit]}`;
  const v = value / multiple;
  let text = '';
  for (let precision = 2; precision >= 0; precision--) {
    text = `${formatFixed(v, precision)}${separator}${units[unit]}`;
    if (text.length <= 7) break;
  }
  return text;
}

/** byte_u_t: `1.5 GiB`, `512 B`. */
export function formatBytes(value: number): string {
  return scaled(value, 1024, BYTE_UNITS, ' ');
}

/** si_u_t: `1.2k`, `35`. */
export function formatSi(value: number): string {
  return scaled(value, 1000, SI_UNITS, '');
}
