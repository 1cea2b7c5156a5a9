import type { Clock, TimerHandle } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { type HealthCheck, healthStatus } from '../types/index.ts';

/** After a change of state, how long to wait for more before the checks are looked at. */
const SETTLE_MS = 500;

interface Told {
  readonly check: HealthCheck;
  readonly at_ms: number;
}

export interface HealthLogOwner {
  readonly clock: Clock;
  readonly config: Config;
  checks(): ReadonlyMap<string, HealthCheck>;
  log(level: 'info' | 'warn' | 'error', text: string): void;
}

/** Tells the cluster log which health checks begin, change and end: what an operator sees in `ceph -w`. */
export class HealthLog {
  readonly #owner: HealthLogOwner;
  readonly #told = new Map<string, Told>();
  #timer: TimerHandle | undefined;

  constructor(owner: HealthLogOwner) {
    this.#owner = owner;
  }

  /** Something changed: looks soon. */
  note(): void {
    const { clock } = this.#owner;
    this.#timer ??= clock.setTimer(SETTLE_MS, () => {
      this.#timer = undefined;
      this.look();
    });
  }

  look(): void {
    const { clock, config, log } = this.#owner;
    if (!config.bool('mon_health_to_clog')) return;
    const now_ms = clock.monotonic();
    const period_ms = config.num('mon_health_log_update_period') * 1000;
    const now = this.#owner.checks();
    for (const [code, check] of now) {
      const before = this.#told.get(code);
      if (before !== undefined) {
        const worse = before.check.severity !== check.severity;
        if (!worse && before.check.summary === check.summary) continue;
        if (!worse && now_ms - before.at_ms < period_ms) continue;
      }
      const what = before === undefined ? 'Health check failed' : 'Health check update';
      log(levelOf(check), `${what}: ${check.summary} (${code})`);
      this.#told.set(code, { check, at_ms: now_ms });
    }
    const had = this.#told.size > 0;
    for (const [code, { check }] of [...this.#told]) {
      if (now.has(code)) continue;
      this.#told.delete(code);
      log('info', endText(code, check));
    }
    if (had && this.#told.size === 0) log('info', 'Cluster is now healthy');
  }

  stop(): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

function levelOf({ severity }: HealthCheck): 'info' | 'warn' | 'error' {
  if (severity === healthStatus.ERR) return 'error';
  return severity === healthStatus.WARN ? 'warn' : 'info';
}

function endText(code: string, check: HealthCheck): string {
  if (code === 'DEGRADED_OBJECTS') return 'All degraded objects recovered';
  if (code === 'OSD_FLAGS') return 'OSD flags cleared';
  return `Health check cleared: ${code} (was: ${check.summary})`;
}
