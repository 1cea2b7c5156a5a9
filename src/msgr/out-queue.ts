import { Queue } from '../base/index.ts';
import type { WireMessage } from './api.ts';

interface Level {
  readonly priority: number;
  readonly queue: Queue<WireMessage>;
}

/** Messages that wait to be sent: higher priority first, in order of arrival within one. */
export class OutQueue {
  /** Highest first. Honest senders use four. */
  readonly #levels: Level[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(message: WireMessage): void {
    this.#length++;
    this.#level(message.priority).push(message);
  }

  shift(): WireMessage | undefined {
    if (this.#length === 0) return undefined;
    for (let i = 0; i < this.#levels.length; i++) {
      const message = this.#levels[i]!.queue.shift();
      if (message !== undefined) {
        this.#length--;
        return message;
      }
    }
    return undefined;
  }

  clear(): void {
    this.#levels.length = 0;
    this.#length = 0;
  }

  #level(priority: number): Queue<WireMessage> {
    let i = 0;
    for (; i < this.#levels.length; i++) {
      const level = this.#levels[i]!;
      if (level.priority === priority) return level.queue;
      if (level.priority < priority) break;
    }
    const queue = new Queue<WireMessage>();
    this.#levels.splice(i, 0, { priority, queue });
    return queue;
  }
}

/** Bytes of a message's parts: what limits and throttles count. */
export function messageLength(message: WireMessage): number {
  let length = message.front.length + message.middle.length;
  const data = message.data;
  for (let i = 0; i < data.length; i++) length += data[i]!.length;
  return length;
}
