import type { Clock, TimerHandle } from '../base/index.ts';
import { MMgrCommand, MMgrCommandReply } from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage } from '../msgr/index.ts';
import { EntityAddrVec, entityType, type MgrMap } from '../types/index.ts';
import type { CommandReply } from './commands/registry.ts';

/** Least time between attempts to reach the manager. */
const RETRY_MS = 1000;

interface Pending {
  readonly fsid: string;
  readonly cmd: readonly string[];
  readonly data: Uint8Array;
  readonly done: (reply: CommandReply) => void;
}

/** Takes the manager's commands to it for clients that ask the monitors instead, as programs over librados do. */
export class MgrProxy {
  readonly #clock: Clock;
  readonly #messenger: () => Messenger | undefined;
  readonly #pending = new Map<number, Pending>();
  #addrs = EntityAddrVec.empty;
  #connection: Connection | undefined;
  #timer: TimerHandle | undefined;
  #lastTid = 0;

  constructor(clock: Clock, messenger: () => Messenger | undefined) {
    this.#clock = clock;
    this.#messenger = messenger;
  }

  /** The active manager is this one now; what waits is sent to it (again). */
  update(map: MgrMap): void {
    const addrs = map.available ? map.activeAddrs : EntityAddrVec.empty;
    if (addrs.equals(this.#addrs)) return;
    this.#addrs = addrs;
    this.#drop();
    this.#connect();
  }

  send(command: Pending): void {
    const tid = ++this.#lastTid;
    this.#pending.set(tid, command);
    if (this.#connection === undefined) this.#connect();
    else this.#sendOne(tid, command);
  }

  owns(connection: Connection): boolean {
    return connection === this.#connection;
  }

  handleMessage(message: ReceivedMessage): void {
    if (message.type !== MMgrCommandReply.type) return;
    const { result, text, data } = MMgrCommandReply.decode(message);
    const command = this.#pending.get(message.tid);
    this.#pending.delete(message.tid);
    command?.done({ rc: result, status: text, out: data });
  }

  /** The connection is gone: what waits is sent over the next one. */
  handleReset(): void {
    this.#connection = undefined;
    if (this.#pending.size === 0 || this.#timer !== undefined) return;
    this.#timer = this.#clock.setTimer(RETRY_MS, () => {
      this.#timer = undefined;
      this.#connect();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#pending.clear();
    this.#drop();
  }

  #drop(): void {
    this.#connection?.markDown();
    this.#connection = undefined;
  }

  #connect(): void {
    if (this.#connection !== undefined || this.#pending.size === 0 || this.#addrs.isEmpty) return;
    this.#connection = this.#messenger()?.connect(entityType.MGR, this.#addrs);
    for (const [tid, command] of this.#pending) this.#sendOne(tid, command);
  }

  #sendOne(tid: number, { fsid, cmd, data }: Pending): void {
    this.#connection?.send(MMgrCommand.encode({ fsid, cmd: [...cmd], data }, { tid }));
  }
}
