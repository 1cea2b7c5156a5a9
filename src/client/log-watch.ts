import { MLog, messageTypeNumber } from '../messages/index.ts';
import type { Dispatcher, ReceivedMessage } from '../msgr/index.ts';
import { clogType, formatAuthName, type LogEntry, utimeToMs } from '../types/index.ts';
import type { MonClientApi } from './api.ts';

/** From the least serious on. */
export type LogLevel = 'debug' | 'info' | 'sec' | 'warn' | 'error';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'sec', 'warn', 'error'];
const PRIOS: readonly number[] = [clogType.DEBUG, clogType.INFO, clogType.SEC, clogType.WARN, clogType.ERROR];

/** Lines kept for a reader that is slow; beyond that the oldest are dropped. */
const LINES_MAX = 10_000;

/** A line of the cluster log. */
export interface LogLine {
  readonly stamp_ms: number;
  /** Who wrote it: `mon.a`, `osd.3`, `client.admin`. */
  readonly name: string;
  readonly level: LogLevel;
  /** `cluster`, `audit`, `cephadm`. */
  readonly channel: string;
  readonly message: string;
}

interface Reader {
  readonly level: number;
  readonly channel: string | undefined;
  readonly lines: LogLine[];
  wake: (() => void) | undefined;
}

export interface LogWatchOptions {
  /** Lines at least so serious; 'info'. */
  readonly level?: LogLevel | undefined;
  /** Only of this channel. */
  readonly channel?: string | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

/** The cluster log as it comes, for any number of readers: one subscription, of the least serious level that anybody wants. */
export class LogWatch implements Dispatcher {
  readonly #mon: MonClientApi;
  readonly #readers = new Set<Reader>();
  #subscribed: string | undefined;
  #lastVersion = 0;
  #isStopped = false;

  constructor(mon: MonClientApi) {
    this.#mon = mon;
  }

  async *follow({ level = 'info', channel, signal }: LogWatchOptions): AsyncGenerator<LogLine> {
    const reader: Reader = { level: LEVELS.indexOf(level), channel, lines: [], wake: undefined };
    const wake = (): void => reader.wake?.();
    signal?.addEventListener('abort', wake);
    this.#readers.add(reader);
    this.#subscribe();
    try {
      while (!this.#isStopped && !signal?.aborted) {
        const line = reader.lines.shift();
        if (line !== undefined) yield line;
        else {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#readers.delete(reader);
      this.#subscribe();
    }
  }

  #subscribe(): void {
    const levels = [...this.#readers].map((r) => r.level);
    const what = levels.length === 0 ? undefined : `log-${LEVELS[Math.min(...levels)]}`;
    if (what === this.#subscribed || this.#isStopped) return;
    if (this.#subscribed !== undefined) this.#mon.subUnwant(this.#subscribed);
    this.#subscribed = what;
    if (what === undefined) return;
    this.#mon.subWant(what, this.#lastVersion === 0 ? 0 : this.#lastVersion + 1);
    this.#mon.renewSubs();
  }

  handleMessage(message: ReceivedMessage): unknown {
    if (message.type !== messageTypeNumber.LOG || this.#subscribed === undefined) return false;
    try {
      const { paxosVersion, entries } = MLog.decode(message);
      if (paxosVersion > this.#lastVersion) {
        this.#lastVersion = paxosVersion;
        this.#mon.subGot(this.#subscribed, paxosVersion);
        for (const entry of entries) this.#deliver(entry);
      }
    } finally {
      message.release();
    }
    return true;
  }

  #deliver(entry: LogEntry): void {
    const level = PRIOS.indexOf(entry.prio);
    if (level < 0) return;
    const line: LogLine = {
      stamp_ms: utimeToMs(entry.stamp),
      name: formatAuthName(entry.name),
      level: LEVELS[level]!,
      channel: entry.channel,
      message: entry.msg,
    };
    for (const reader of this.#readers) {
      if (level < reader.level || (reader.channel !== undefined && reader.channel !== entry.channel)) continue;
      reader.lines.push(line);
      if (reader.lines.length > LINES_MAX) reader.lines.shift();
      reader.wake?.();
    }
  }

  shutdown(): void {
    this.#isStopped = true;
    for (const reader of this.#readers) reader.wake?.();
  }
}
