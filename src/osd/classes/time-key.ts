import type { Utime } from '../../types/index.ts';

/** Keys of what is ordered by time begin so. */
export const PREFIX = '1_';

/** `1_SSSSSSSSSS.UUUUUU_`: seconds and microseconds, so that keys sort as times do. */
export function timePrefix(t: Utime): string {
  const carry = Math.floor(t.nsec / 1e9);
  const micros = Math.floor((t.nsec - carry * 1e9) / 1000);
  return `${PREFIX}${String(t.sec + carry).padStart(10, '0')}.${String(micros).padStart(6, '0')}_`;
}
