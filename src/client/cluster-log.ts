import { type MessageParts, MLog } from '../messages/index.ts';
import type { LogEntry, Uuid } from '../types/index.ts';

/** Entries kept for monitors that do not take them; beyond that the oldest are dropped. */
const PENDING_MAX = 10_000;

/** Entries for the cluster log on their way to a monitor. Pure. */
export class ClusterLogQueue {
  #queue: LogEntry[] = [];
  #lastSeq = 0;
  #lastSent = 0;

  push(entry: Omit<LogEntry, 'seq'>): void {
    this.#queue.push({ ...entry, seq: ++this.#lastSeq });
    if (this.#queue.length > PENDING_MAX) this.#queue.shift();
  }

  get isPending(): boolean {
    return this.#lastSeq > this.#lastSent && this.#queue.length > 0;
  }

  /** A new session: what no monitor acknowledged goes out again. */
  rewind(): void {
    const first = this.#queue[0];
    if (first !== undefined) this.#lastSent = first.seq - 1;
  }

  /** The next message, of at most `count_max` entries (0: no limit); undefined where all was sent. */
  next(fsid: Uuid, count_max: number): MessageParts | undefined {
    const unsent = this.#queue.filter((e) => e.seq > this.#lastSent);
    const entries = count_max > 0 ? unsent.slice(0, count_max) : unsent;
    const last = entries.at(-1);
    if (last === undefined) return undefined;
    this.#lastSent = last.seq;
    return MLog.encode({ fsid, entries });
  }

  acknowledged(last: number): void {
    const keep = this.#queue.findIndex((e) => e.seq > last);
    this.#queue = keep < 0 ? [] : this.#queue.slice(keep);
  }
}
