import { formatG } from './number.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, as `ceph -s` says it: `0.5s`, `90s`, `17m`, `3h`, `5d`, `2w`, `4M`, `2y`; rounded down, to the unit that leaves few digits. */
export function formatTimespan(seconds: number): string {
  if (seconds < 2) return `${formatG(Math.fround(seconds))}s`;
  const whole = Math.floor(seconds);
  if (whole < 2 * MINUTE) return `${whole}s`;
  if (whole < 2 * HOUR) return `${Math.floor(whole / MINUTE)}m`;
  const hours = Math.floor(whole / HOUR);
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(whole / DAY);
  if (days < 14) return `${days}d`;
  if (days < 12 * 7) return `${Math.floor(days / 7)}w`;
  return days < 24 * 30 ? `${Math.floor(days / 30)}M` : `${Math.floor(days / 365)}y`;
}
