import { type Clock, errno, type Logger, type TimerHandle } from '../base/index.ts';
import { decodeFromBytes } from '../encoding/index.ts';
import {
  MCommand,
  MCommandReply,
  MMgrCommand,
  MMgrCommandReply,
  MMgrMap,
  messageTypeNumber,
} from '../messages/index.ts';
import type { Connection, Dispatcher, Messenger, ReceivedMessage } from '../msgr/index.ts';
import { entityType, type MgrMap, mgrMap } from '../types/index.ts';
import type { CommandResult, MonClientApi } from './api.ts';

export interface MgrClientOptions {
  readonly messenger: Messenger;
  readonly monClient: MonClientApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** A daemon that reports: called with each new connection to the active manager, before anything is sent on it; it opens with MMgrOpen. */
  readonly onConnection?: (connection: Connection) => void;
}

interface MgrCommand {
  readonly tid: number;
  readonly cmd: readonly string[];
  readonly input: Uint8Array;
  /** Of the kind that `ceph tell mgr` sends. */
  readonly isTell: boolean;
  readonly done: (result: CommandResult) => void;
  timer: TimerHandle | undefined;
}

const NO_BYTES = new Uint8Array(0);
/** A manager is connected to again no sooner than this after the last time (mgr_connect_retry_interval's default). */
const RETRY_MS = 1000;

/**
 * The way to the active manager: follows the MgrMap, connects anew when the manager changes or the connection is lost, and sends commands again
 * then. Commands wait while there is no manager.
 */
export class MgrClient implements Dispatcher {
  readonly #o: MgrClientOptions;
  #map: MgrMap | undefined;
  #connection: Connection | undefined;
  #lastConnect_ms = Number.NEGATIVE_INFINITY;
  #retryTimer: TimerHandle | undefined;
  readonly #commands = new Map<number, MgrCommand>();
  #lastTid = 0;
  #isStopped = false;

  constructor(options: MgrClientOptions) {
    this.#o = options;
    options.messenger.addDispatcher(this);
  }

  get map(): MgrMap | undefined {
    return this.#map;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Follows the MgrMap. */
  start(): void {
    this.#o.monClient.subWant('mgrmap', this.#map === undefined ? 0 : this.#map.epoch + 1);
    this.#o.monClient.renewSubs();
  }

  /** A command to the active manager. ETIMEDOUT (as result) after `timeout_ms`, where given. */
  command(cmd: readonly string[], input: Uint8Array = NO_BYTES, timeout_ms = 0): Promise<CommandResult> {
    return this.#start(cmd, input, timeout_ms, false);
  }

  /** A command to the manager's process itself. */
  tell(cmd: readonly string[], input: Uint8Array = NO_BYTES): Promise<CommandResult> {
    return this.#start(cmd, input, 0, true);
  }

  #start(cmd: readonly string[], input: Uint8Array, timeout_ms: number, isTell: boolean): Promise<CommandResult> {
    return new Promise((done) => {
      if (this.#isStopped) return done({ result: -errno.ESHUTDOWN, text: 'shut down', data: NO_BYTES });
      const command: MgrCommand = { tid: ++this.#lastTid, cmd, input, isTell, done, timer: undefined };
      this.#commands.set(command.tid, command);
      if (timeout_ms > 0) {
        command.timer = this.#o.clock.setTimer(timeout_ms, () => {
          this.#finish(command, { result: -errno.ETIMEDOUT, text: 'timed out', data: NO_BYTES });
        });
      }
      if (this.#map === undefined) this.start();
      else if (this.#connection === undefined) this.#reconnect();
      else this.#send(command);
    });
  }

  #send({ tid, cmd, input, isTell }: MgrCommand): void {
    const fields = { fsid: this.#o.monClient.monMap.fsid, cmd: [...cmd], data: input };
    this.#connection?.send(isTell ? MCommand.encode(fields, { tid }) : MMgrCommand.encode(fields, { tid }));
  }

  #finish(command: MgrCommand, result: CommandResult): void {
    this.#commands.delete(command.tid);
    if (command.timer !== undefined) this.#o.clock.clearTimer(command.timer);
    command.done(result);
  }

  #reconnect(): void {
    this.#connection?.markDown();
    this.#connection = undefined;
    const map = this.#map;
    if (this.#isStopped || map === undefined || !map.available || map.activeAddrs.isEmpty) return;
    // Who has nothing to say does not connect.
    if (this.#o.onConnection === undefined && this.#commands.size === 0) return;
    const { clock, messenger } = this.#o;
    const wait = this.#lastConnect_ms + RETRY_MS - clock.monotonic();
    if (wait > 0) {
      this.#retryTimer ??= clock.setTimer(wait, () => {
        this.#retryTimer = undefined;
        if (this.#connection === undefined) this.#reconnect();
      });
      return;
    }
    this.#lastConnect_ms = clock.monotonic();
    const connection = messenger.connect(entityType.MGR, map.activeAddrs);
    this.#connection = connection;
    this.#o.log.log('mgrc', 4, `connecting to mgr.${map.activeName} at ${map.activeAddrs}`);
    this.#o.onConnection?.(connection);
    for (const command of this.#commands.values()) this.#send(command);
  }

  handleMessage(message: ReceivedMessage): unknown {
    switch (message.type) {
      case messageTypeNumber.MGR_MAP:
        break;
      case messageTypeNumber.MGR_COMMAND_REPLY:
      case messageTypeNumber.COMMAND_REPLY:
        if (message.connection !== this.#connection) return false;
        break;
      default:
        return false;
    }
    try {
      if (message.type === messageTypeNumber.MGR_MAP) this.#handleMap(message);
      else this.#handleReply(message);
    } finally {
      message.release();
    }
    return true;
  }

  #handleMap(message: ReceivedMessage): void {
    const map = decodeFromBytes(mgrMap, MMgrMap.decode(message).map);
    const before = this.#map;
    this.#map = map;
    this.#o.monClient.subGot('mgrmap', map.epoch);
    const isSame =
      before !== undefined &&
      this.#connection !== undefined &&
      before.activeAddrs.equals(map.activeAddrs) &&
      map.available;
    if (!isSame) this.#reconnect();
  }

  #handleReply(message: ReceivedMessage): void {
    const command = this.#commands.get(message.tid);
    if (command === undefined) return;
    const codec = message.type === messageTypeNumber.MGR_COMMAND_REPLY ? MMgrCommandReply : MCommandReply;
    const { result, text, data } = codec.decode(message);
    this.#finish(command, { result, text, data });
  }

  handleReset(connection: Connection): void {
    if (connection !== this.#connection || this.#isStopped) return;
    this.#connection = undefined;
    this.#reconnect();
  }

  shutdown(): void {
    this.#isStopped = true;
    if (this.#retryTimer !== undefined) this.#o.clock.clearTimer(this.#retryTimer);
    this.#connection?.markDown();
    this.#connection = undefined;
    for (const command of [...this.#commands.values()]) {
      this.#finish(command, { result: -errno.ESHUTDOWN, text: 'shut down', data: NO_BYTES });
    }
  }
}
