import { formatTimespan } from '../types/index.ts';

/** A span as `ceph -s` prints ages: `12s`, `5m`, `3h`, `2d`. Takes milliseconds. */
export function formatSpan(span_ms: number): string {
  return formatTimespan(Math.max(0, span_ms) / 1000);
}

const unitSeconds = new Map([
  ['s', 1],
  ['sec', 1],
  ['second', 1],
  ['seconds', 1],
  ['m', 60],
  ['min', 60],
  ['minute', 60],
  ['minutes', 60],
  ['h', 3600],
  ['hr', 3600],
  ['hour', 3600],
  ['hours', 3600],
  ['d', 86400],
  ['day', 86400],
  ['days', 86400],
  ['w', 604800],
  ['wk', 604800],
  ['week', 604800],
  ['weeks', 604800],
  ['mo', 2592000],
  ['month', 2592000],
  ['months', 2592000],
  ['y', 31536000],
  ['yr', 31536000],
  ['year', 31536000],
  ['years', 31536000],
]);

/** Reads `90`, `5m`, `1h 30m`; seconds, or undefined where it is no span. */
export function parseSpan(text: string): number | undefined {
  let rest = text.trim();
  let total = 0;
  if (rest === '') return undefined;
  while (rest !== '') {
    const match = /^(\d+)\s*([a-z]*)\s*/.exec(rest);
    const unit = match === null ? undefined : match[2] === '' ? 1 : unitSeconds.get(match[2]!);
    if (match === null || unit === undefined) return undefined;
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  return total;
}
