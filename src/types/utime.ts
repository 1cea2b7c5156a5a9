import { type Codec, plain, u32 } from '../encoding/index.ts';

/** utime_t: seconds and nanoseconds since 1970, or a span of time. */
export interface Utime {
  readonly sec: number;
  readonly nsec: number;
}

export const utime: Codec<Utime> = plain('utime_t', { sec: u32, nsec: u32 });

export const utimeZero: Utime = Object.freeze({ sec: 0, nsec: 0 });

/** From milliseconds since 1970 (a fraction is kept to the microsecond). Below 0 becomes 0. */
export function utimeFromMs(ms: number): Utime {
  if (!(ms > 0)) return utimeZero;
  const usec = Math.round(ms * 1000);
  const sec = Math.floor(usec / 1e6);
  return { sec, nsec: (usec - sec * 1e6) * 1000 };
}

/** Milliseconds since 1970, with a fraction. */
export function utimeToMs(t: Utime): number {
  return t.sec * 1000 + t.nsec / 1e6;
}

/** From seconds as a double, as utime_t::set_from_double. */
export function utimeFromSeconds(seconds: number): Utime {
  const sec = Math.trunc(seconds);
  return { sec, nsec: Math.trunc((seconds - sec) * 1e9) };
}

export function utimeToSeconds(t: Utime): number {
  return t.sec + t.nsec / 1e9;
}

export function utimeIsZero(t: Utime): boolean {
  return t.sec === 0 && t.nsec === 0;
}

export function compareUtime(a: Utime, b: Utime): number {
  return a.sec - b.sec || a.nsec - b.nsec;
}

/** a + b. */
export function utimeAdd(a: Utime, b: Utime): Utime {
  const nsec = a.nsec + b.nsec;
  return nsec >= 1e9 ? { sec: a.sec + b.sec + 1, nsec: nsec - 1e9 } : { sec: a.sec + b.sec, nsec };
}

/** a - b, or 0 where b is later. */
export function utimeSub(a: Utime, b: Utime): Utime {
  if (compareUtime(a, b) <= 0) return utimeZero;
  return a.nsec < b.nsec
    ? { sec: a.sec - b.sec - 1, nsec: a.nsec + 1e9 - b.nsec }
    : { sec: a.sec - b.sec, nsec: a.nsec - b.nsec };
}

/** Below ten years Ceph takes a utime_t for a span and prints its seconds. */
const SPAN_MAX = 60 * 60 * 24 * 365 * 10;

function pad(n: number, width: number): string {
  return String(n).padStart(width, '0');
}

function dateParts(sec: number): string {
  return new Date(sec * 1000).toISOString().slice(0, 19);
}

/** `2026-11-27T13:36:30.123456+0000` (Ceph's local time form, where local is UTC), `0.000000` and the like for spans. */
export function formatUtime(t: Utime): string {
  const usec = pad(Math.floor(t.nsec / 1000), 6);
  return t.sec < SPAN_MAX ? `${t.sec}.${usec}` : `${dateParts(t.sec)}.${usec}+0000`;
}

/** `2026-11-27T13:36:30.123456Z`: Ceph's gmtime form. */
export function formatUtimeGm(t: Utime): string {
  const usec = pad(Math.floor(t.nsec / 1000), 6);
  return t.sec < SPAN_MAX ? `${t.sec}.${usec}` : `${dateParts(t.sec)}.${usec}Z`;
}

/** `2026-11-27 13:36:30.123456`: the form of older logs. */
export function formatUtimeLegacy(t: Utime): string {
  const usec = pad(Math.floor(t.nsec / 1000), 6);
  return t.sec < SPAN_MAX ? `${t.sec}.${usec}` : `${dateParts(t.sec).replace('T', ' ')}.${usec}`;
}

/** Parses what {@link formatUtime} and its siblings print, and `2026-11-27`, `2026-11-27 13:36:30`, `12.5`; undefined otherwise. */
export function parseUtime(text: string): Utime | undefined {
  const span = /^(\d{1,10})\.(\d{1,9})$/.exec(text);
  if (span !== null) return { sec: Number(span[1]), nsec: Number(span[2]) * 1000 };
  const m = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9})\d*)?(Z|[+-]\d{4})?)?$/.exec(text);
  if (m === null) return undefined;
  const ms = Date.parse(`${m[1]}T${m[2] ?? '00:00:00'}Z`);
  if (Number.isNaN(ms) || ms < 0) return undefined;
  let sec = ms / 1000;
  const zone = m[4];
  if (zone !== undefined && zone !== 'Z') {
    const offset = Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(3, 5)) * 60;
    sec -= zone.startsWith('-') ? -offset : offset;
  }
  return { sec, nsec: Number((m[3] ?? '0').padEnd(9, '0')) };
}
