import { closeSync, openSync, writeSync } from 'node:fs';
import type { Logger } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { systemClock } from './clock.ts';

/** `2026-11-27T13:36:30.123+0000`, as Ceph's logs stamp their lines. */
export function logStamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}+0000`;
}

/** Writes Ceph-shaped lines to a file (reopened on `reopen`, for logrotate) and, if asked, errors to stderr as well. */
export class FileLogger implements Logger {
  readonly #path: string | undefined;
  readonly #config: Config;
  readonly #levels = new Map<string, number>();
  readonly #alsoStderr: boolean;
  #fd: number | undefined;
  #pending: string[] = [];
  #scheduled = false;

  constructor(path: string | undefined, config: Config, alsoStderr: boolean) {
    this.#path = path;
    this.#config = config;
    this.#alsoStderr = alsoStderr;
    this.reopen();
  }

  reopen(): void {
    this.flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = this.#path === undefined ? undefined : openSync(this.#path, 'a', 0o644);
  }

  enabled(subsystem: string, level: number): boolean {
    let limit = this.#levels.get(subsystem);
    if (limit === undefined) {
      const option = `debug_${subsystem}`;
      const read = (): number => Number.parseInt(this.#config.str(option), 10);
      limit = read();
      this.#levels.set(subsystem, limit);
      this.#config.observe(option, () => this.#levels.set(subsystem, read()));
    }
    return level <= limit;
  }

  log(subsystem: string, level: number, message: string): void {
    if (this.enabled(subsystem, level)) this.#write(level, subsystem, message);
  }

  error(subsystem: string, message: string): void {
    this.#write(-1, subsystem, message);
    if (this.#alsoStderr) process.stderr.write(`${message}\n`);
  }

  #write(level: number, subsystem: string, message: string): void {
    this.#pending.push(`${logStamp(systemClock.now())} ${level < 0 ? '' : ' '}${level} ${subsystem}: ${message}\n`);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Hands everything to the kernel; called on the way out too. */
  flush(): void {
    this.#scheduled = false;
    if (this.#pending.length === 0) return;
    const text = this.#pending.join('');
    this.#pending = [];
    try {
      if (this.#fd !== undefined) writeSync(this.#fd, text);
    } catch {
      // A full log disk must not stop the daemon; the lines are lost.
    }
  }

  /** Ends it: what is logged later is lost. */
  close(): void {
    this.flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
