import { performance } from 'node:perf_hooks';
import type { Clock, TimerHandle } from '../base/index.ts';

/** The process's clock. Timers do not keep the process alive by themselves: daemons live by their sockets. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
  setTimer(delay_ms, fn) {
    // setTimeout wraps delays beyond 2^31 ms round to 1 ms.
    return setTimeout(fn, Math.min(delay_ms, 0x7fffffff)) as unknown as TimerHandle;
  },
  clearTimer(handle) {
    clearTimeout(handle as unknown as NodeJS.Timeout);
  },
  defer(fn) {
    setImmediate(fn);
  },
};
