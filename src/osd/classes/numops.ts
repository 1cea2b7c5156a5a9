/** Class `numops`: arithmetic on omap values that hold decimal numbers (cls/numops). */
import { errno } from '../../base/index.ts';
import { decodeText, encodeText, plain, string } from '../../encoding/index.ts';
import { CHANGES, type ClassMethod, type ClassMethods, done, methodOf } from './method.ts';
import { omapValue, setOmapValue } from './object.ts';

const input = plain('numops', { key: string, operand: string });
const NUMBER = /^\s*[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|inf(inity)?|nan)$/i;

/** As C's strtod where it takes the whole text; undefined where it does not. The empty text is 0. */
function parse(text: string): number | undefined {
  if (text === '') return 0;
  if (!NUMBER.test(text)) return undefined;
  const t = text.trim().toLowerCase();
  if (/inf/.test(t)) return t.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(t);
}

const DIGITS = 10;

/** As C++ streams print with a precision of 10: shortest of fixed and scientific, no zeros at the end. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const scientific = value.toExponential(DIGITS - 1);
  const [mantissa, power] = scientific.split('e') as [string, string];
  const exponent = Number(power);
  const trim = (s: string): string => (s.includes('.') ? s.replace(/\.?0+$/, '') : s);
  if (exponent >= -4 && exponent < DIGITS) return trim(value.toFixed(DIGITS - 1 - exponent));
  return `${trim(mantissa)}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function arithmetic(apply: (value: number, operand: number) => number): ClassMethod {
  return methodOf(CHANGES, input, (ctx, { key, operand: text }) => {
    const operand = parse(text);
    if (operand === undefined) return -errno.EINVAL;
    const found = omapValue(ctx, key);
    let value: number | undefined = 0;
    if (typeof found !== 'number') value = parse(decodeText(found));
    if (value === undefined) return -errno.EBADMSG;
    return done(setOmapValue(ctx, key, encodeText(formatNumber(apply(value, operand)))));
  });
}

export const numopsClass: ClassMethods = {
  add: arithmetic((value, operand) => value + operand),
  mul: arithmetic((value, operand) => value * operand),
};
