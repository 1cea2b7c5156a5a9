import type { Clock, TimerHandle } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { MTimeCheck2, timeCheckOp } from '../messages/index.ts';
import type { ReceivedMessage, WireMessage } from '../msgr/index.ts';
import { type Formatter, type HealthCheck, healthStatus, type MonMap, utimeFromMs, utimeToMs } from '../types/index.ts';

export interface TimeCheckOwner {
  readonly clock: Clock;
  readonly config: Config;
  readonly map: MonMap;
  readonly rank: number;
  readonly isLeader: boolean;
  readonly ranks: readonly number[];
  readonly electionEpoch: number;
  sendTo(rank: number, message: WireMessage): void;
  clusterLog(text: string): void;
}

/**
 * How far the clocks of the quorum are apart, as the leader finds by asking each for its time (MTimeCheck2) every mon_timecheck_interval, and tells all. Leases and tickets
 * depend on it.
 */
export class TimeCheck {
  readonly #owner: TimeCheckOwner;
  #round = 0;
  /** Clock.now() at which each was asked. */
  readonly #waiting = new Map<number, number>();
  #skews = new Map<number, number>();
  #latencies = new Map<number, number>();
  #roundsSinceClean = 0;
  #timer: TimerHandle | undefined;

  constructor(owner: TimeCheckOwner) {
    this.#owner = owner;
  }

  /** The leader begins. */
  start(): void {
    this.stop();
    if (this.#owner.isLeader && this.#owner.ranks.length > 1) this.#startRound();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#owner.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#round = 0;
    this.#waiting.clear();
    this.#skews = new Map();
    this.#latencies = new Map();
    this.#roundsSinceClean = 0;
  }

  #startRound(): void {
    const { clock, ranks, rank, electionEpoch } = this.#owner;
    // One that somebody did not answer is given up.
    if (this.#round % 2 === 1) this.#round++;
    this.#round++;
    this.#waiting.clear();
    this.#skews.set(rank, 0);
    this.#latencies.set(rank, 0);
    for (const other of ranks) {
      if (other === rank) continue;
      this.#waiting.set(other, clock.now());
      this.#owner.sendTo(other, MTimeCheck2.encode({ op: timeCheckOp.PING, epoch: electionEpoch, round: this.#round }));
    }
    this.#schedule();
  }

  #schedule(): void {
    const { clock, config } = this.#owner;
    const interval_s = config.num('mon_timecheck_interval');
    let delay_s = config.num('mon_timecheck_skew_interval') * this.#roundsSinceClean;
    if (delay_s <= 0 || delay_s > interval_s) delay_s = interval_s;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#timer = clock.setTimer(delay_s * 1000, () => {
      this.#timer = undefined;
      this.#startRound();
    });
  }

  /** @throws DecodeError */
  handle(message: ReceivedMessage, from: number): void {
    const m = MTimeCheck2.decode(message);
    const { clock, isLeader, electionEpoch, ranks } = this.#owner;
    if (m.epoch !== electionEpoch || !ranks.includes(from)) return;
    if (m.op === timeCheckOp.PING && !isLeader) {
      message.connection.send(
        MTimeCheck2.encode({
          op: timeCheckOp.PONG,
          epoch: m.epoch,
          round: m.round,
          timestamp: utimeFromMs(clock.now()),
        }),
      );
    } else if (m.op === timeCheckOp.REPORT && !isLeader) {
      this.#round = m.round;
      this.#skews = new Map(m.skews);
      this.#latencies = new Map(m.latencies);
    } else if (m.op === timeCheckOp.PONG && isLeader && m.round === this.#round) {
      this.#pong(from, utimeToMs(m.timestamp));
    }
  }

  #pong(from: number, theirs_ms: number): void {
    const sent_ms = this.#waiting.get(from);
    if (sent_ms === undefined) return;
    this.#waiting.delete(from);
    const now_ms = this.#owner.clock.now();
    if (now_ms < sent_ms) return;
    const latency = (now_ms - sent_ms) / 1000;
    const before = this.#latencies.get(from);
    this.#latencies.set(from, before === undefined ? latency : before * 0.8 + latency * 0.2);
    const delta = (theirs_ms - now_ms) / 1000;
    // What the way may have taken is no skew.
    const skew = Math.abs(delta) > latency ? Math.sign(delta) * (Math.abs(delta) - latency) : 0;
    this.#skews.set(from, skew);
    const { text } = this.#judge(from);
    if (text !== '') this.#owner.clusterLog(`mon.${this.#owner.map.ranks[from]} ${text}`);
    if (this.#waiting.size === 0) this.#finish();
  }

  #finish(): void {
    this.#round++;
    const { ranks, rank, electionEpoch } = this.#owner;
    for (const other of ranks) {
      if (other === rank) continue;
      this.#owner.sendTo(
        other,
        MTimeCheck2.encode({
          op: timeCheckOp.REPORT,
          epoch: electionEpoch,
          round: this.#round,
          skews: this.#skews,
          latencies: this.#latencies,
        }),
      );
    }
    if ([...this.#skews.keys()].some((other) => this.#judge(other).text !== '')) {
      this.#roundsSinceClean++;
      this.#schedule();
    } else if (this.#roundsSinceClean > 0) {
      this.#roundsSinceClean = 1;
      this.#schedule();
      this.#roundsSinceClean = 0;
    }
  }

  #judge(rank: number): { skew: number; latency: number; text: string } {
    const skew = this.#skews.get(rank) ?? 0;
    const latency = this.#latencies.get(rank) ?? 0;
    const max = this.#owner.config.num('mon_clock_drift_allowed');
    const text = Math.abs(skew) > max ? `clock skew ${number(Math.abs(skew))}s > max ${number(max)}s` : '';
    return { skew, latency, text };
  }

  /** MON_CLOCK_SKEW, where there is any. */
  check(): HealthCheck | undefined {
    const { map } = this.#owner;
    const names: string[] = [];
    const detail: string[] = [];
    for (const rank of [...this.#skews.keys()].sort((a, b) => a - b)) {
      const { text, latency } = this.#judge(rank);
      if (text === '') continue;
      names.push(` mon.${map.ranks[rank]}`);
      detail.push(`mon.${map.ranks[rank]} ${text} (latency ${number(latency)}s)`);
    }
    if (names.length === 0) return undefined;
    return {
      severity: healthStatus.WARN,
      summary: `clock skew detected on${names.join(',')}`,
      detail,
      count: detail.length,
    };
  }

  /** `ceph time-sync-status` */
  dump(f: Formatter): void {
    const { map, electionEpoch } = this.#owner;
    f.openObject('time_sync');
    if (this.#skews.size > 0) {
      f.openObject('time_skew_status');
      for (const rank of [...this.#skews.keys()].sort((a, b) => a - b)) {
        const { skew, latency, text } = this.#judge(rank);
        f.openObject(map.ranks[rank] ?? String(rank));
        f.float('skew', skew);
        f.float('latency', latency);
        f.string('health', text === '' ? 'HEALTH_OK' : 'HEALTH_WARN');
        if (text !== '') f.string('details', text);
        f.close();
      }
      f.close();
    }
    f.openObject('timechecks');
    f.int('epoch', electionEpoch);
    f.int('round', this.#round);
    f.string('round_status', this.#round % 2 === 1 ? 'on-going' : 'finished');
    f.close();
    f.close();
  }
}

/** As C++ writes a double by default: six significant digits. */
function number(value: number): string {
  return String(Number(value.toPrecision(6)));
}
