import { type Clock, errno, type TimerHandle } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { MCommand, MCommandReply, type MessageParts, MMonCommand, MMonCommandAck } from '../messages/index.ts';
import type { Connection, Messenger, ReceivedMessage } from '../msgr/index.ts';
import { entityType, type MonMap } from '../types/index.ts';
import type { CommandResult, MonTarget } from './api.ts';

/** Commands without answer at most; one more is refused with EAGAIN. */
const COMMANDS_MAX = 4096;

export interface MonCommandsHost {
  readonly clock: Clock;
  readonly config: Config;
  readonly messenger: Messenger;
  monMap(): MonMap;
  /** Whether there is a session to send commands on. */
  isOpen(): boolean;
  send(message: MessageParts): void;
}

interface PendingCommand {
  readonly tid: number;
  readonly cmd: readonly string[];
  readonly input: Uint8Array;
  readonly done: (result: CommandResult) => void;
  timer: TimerHandle | undefined;
  /** For a command to one particular monitor, which gets a connection of its own. */
  readonly target: MonTarget | undefined;
  connection: Connection | undefined;
  attempts: number;
  lastAttempt_ms: number;
}

const NO_BYTES = new Uint8Array(0);

function refusal(code: number, text: string): CommandResult {
  return { result: -code, text, data: NO_BYTES };
}

/** Commands to the monitors that wait for their answers: those to whichever monitor the session is with, and those to a particular one. */
export class MonCommands {
  readonly #host: MonCommandsHost;
  readonly #commands = new Map<number, PendingCommand>();
  #lastTid = 0;
  #isStopped = false;

  constructor(host: MonCommandsHost) {
    this.#host = host;
  }

  start(
    cmd: readonly string[],
    input: Uint8Array,
    timeout_ms: number,
    target: MonTarget | undefined,
  ): Promise<CommandResult> {
    if (this.#isStopped) return Promise.resolve(refusal(errno.ESHUTDOWN, 'the monitor client is shut down'));
    if (this.#commands.size >= COMMANDS_MAX) {
      return Promise.resolve(refusal(errno.EAGAIN, 'too many commands wait for an answer'));
    }
    return new Promise((done) => {
      const command: PendingCommand = {
        tid: ++this.#lastTid,
        cmd,
        input,
        done,
        timer: undefined,
        target,
        connection: undefined,
        attempts: 0,
        lastAttempt_ms: 0,
      };
      this.#commands.set(command.tid, command);
      if (timeout_ms > 0) {
        command.timer = this.#host.clock.setTimer(timeout_ms, () =>
          this.#finish(command, refusal(errno.ETIMEDOUT, 'timed out')),
        );
      }
      if (target !== undefined) this.#sendTell(command);
      else if (this.#host.isOpen()) this.#send(command);
      // Otherwise it goes out when the session opens.
    });
  }

  /** A session is open: whatever has no answer goes to its monitor. */
  sessionOpened(): void {
    for (const command of this.#commands.values()) if (command.target === undefined) this.#send(command);
  }

  #send({ tid, cmd, input }: PendingCommand): void {
    this.#host.send(MMonCommand.encode({ fsid: this.#host.monMap().fsid, cmd: [...cmd], data: input }, { tid }));
  }

  #sendTell(command: PendingCommand): void {
    const { clock, config, messenger } = this.#host;
    const target = command.target!;
    if (command.connection !== undefined) command.connection.markDown();
    command.connection = undefined;
    if (++command.attempts > config.num('mon_client_directed_command_retry')) {
      this.#finish(command, refusal(errno.ENXIO, 'mon unavailable'));
      return;
    }
    const map = this.#host.monMap();
    const info = map.mon(target);
    if (info === undefined) {
      this.#finish(command, refusal(errno.ENOENT, typeof target === 'number' ? 'mon rank dne' : 'mon dne'));
      return;
    }
    command.lastAttempt_ms = clock.monotonic();
    command.connection = messenger.connect(entityType.MON, info.addrs, { anonymous: true });
    const { tid, cmd, input } = command;
    command.connection.send(MCommand.encode({ fsid: map.fsid, cmd: [...cmd], data: input }, { tid }));
  }

  /** Dials again where a monitor that a command is for does not answer the dial. */
  tick(): void {
    const now = this.#host.clock.monotonic();
    const patience = this.#host.config.num('mon_client_hunt_interval') * 1000;
    for (const command of [...this.#commands.values()]) {
      const { connection, lastAttempt_ms } = command;
      if (connection === undefined || connection.isConnected || now - lastAttempt_ms <= patience) continue;
      this.#sendTell(command);
    }
  }

  #owner(connection: unknown): PendingCommand | undefined {
    for (const command of this.#commands.values()) if (command.connection === connection) return command;
    return undefined;
  }

  /** Whether the connection belongs to a command. */
  owns(connection: unknown): boolean {
    return this.#owner(connection) !== undefined;
  }

  /** The connection of a command was refused. False where it is of none. */
  refused(connection: unknown, code: number, reason: string): boolean {
    const command = this.#owner(connection);
    if (command !== undefined) this.#finish(command, refusal(code, reason));
    return command !== undefined;
  }

  /** The connection of a command is lost. False where it is of none. */
  reset(connection: Connection): boolean {
    const command = this.#owner(connection);
    if (command !== undefined) this.#sendTell(command);
    return command !== undefined;
  }

  handleAck(message: ReceivedMessage): void {
    const ack = MMonCommandAck.decode(message);
    const command = this.#commands.get(message.tid);
    if (command === undefined || command.target !== undefined) return;
    this.#finish(command, { result: ack.result, text: ack.text, data: ack.data });
  }

  handleReply(message: ReceivedMessage): void {
    const command = this.#commands.get(message.tid);
    if (command === undefined || command.connection !== message.connection) return;
    const { result, text, data } = MCommandReply.decode(message);
    this.#finish(command, { result, text, data });
  }

  #finish(command: PendingCommand, result: CommandResult): void {
    this.#commands.delete(command.tid);
    if (command.timer !== undefined) this.#host.clock.clearTimer(command.timer);
    command.connection?.markDown();
    command.connection = undefined;
    command.done(result);
  }

  shutdown(): void {
    this.#isStopped = true;
    for (const command of [...this.#commands.values()]) this.#finish(command, refusal(errno.ESHUTDOWN, 'shut down'));
  }
}
