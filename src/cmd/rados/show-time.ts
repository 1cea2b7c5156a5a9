import { formatUtime, utimeFromMs } from '../../types/index.ts';

/** What --show-time puts before lines. `at_ms`: wall time. */
export function timePrefix(isShown: boolean, at_ms = Date.now()): string {
  return isShown ? `${formatUtime(utimeFromMs(at_ms))} ` : '';
}
