import { errno } from '../base/index.ts';
import { MCommand, MCommandReply } from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import type { OSDMap, Uuid } from '../types/index.ts';
import type { CommandResult } from './api.ts';
import type { OsdCommand } from './osd-command.ts';
import type { OsdSession } from './osd-session.ts';

export interface OsdCommandsHost {
  map(): OSDMap;
  fsid(): Uuid;
  nextTid(): number;
  session(osd: number): OsdSession;
  requestMap(): void;
  waitForLatestMap(done: (error: number) => void): void;
}

/** Commands without answer at most; one more is refused with EAGAIN. */
const COMMANDS_MAX = 4096;
const NO_BYTES = new Uint8Array(0);

/** Commands to OSDs that wait for their answers; sent again when their OSD changes or its connection is lost. */
export class OsdCommands {
  readonly #host: OsdCommandsHost;
  readonly #commands = new Map<number, OsdCommand>();
  #isStopped = false;

  constructor(host: OsdCommandsHost) {
    this.#host = host;
  }

  start(target: OsdCommand['target'], cmd: readonly string[], input: Uint8Array = NO_BYTES): Promise<CommandResult> {
    return new Promise((done) => {
      const command: OsdCommand = { tid: this.#host.nextTid(), cmd, input, done, target, session: undefined };
      if (this.#isStopped) this.#finish(command, -errno.ESHUTDOWN, 'shut down');
      else if (this.#commands.size >= COMMANDS_MAX) this.#finish(command, -errno.EAGAIN, 'too many commands');
      else {
        this.#commands.set(command.tid, command);
        // Only the newest map can tell that an OSD does not exist.
        this.#host.waitForLatestMap((error) => {
          if (error !== 0) this.#finish(command, -error, 'no map');
          else this.#place(command);
        });
      }
    });
  }

  /** A new map. */
  placeAll(): void {
    for (const command of [...this.#commands.values()]) if (command.session !== undefined) this.#place(command);
  }

  #place(command: OsdCommand): void {
    if (!this.#commands.has(command.tid)) return;
    const osd = this.#osdFor(command);
    if (osd === undefined) return;
    const session = this.#host.session(osd);
    if (command.session === session) return;
    this.#assign(command, session);
    if (session.isHomeless) this.#host.requestMap();
    else this.#send(command);
  }

  /** -1: nobody yet. Undefined where the command cannot be done; it is then finished. */
  #osdFor(command: OsdCommand): number | undefined {
    const map = this.#host.map();
    const { target } = command;
    if ('osd' in target) {
      const { osd } = target;
      if (map.isUp(osd)) return osd;
      if (map.exists(osd)) this.#finish(command, -errno.ENXIO, 'osd down');
      else this.#finish(command, -errno.ENOENT, `osd.${osd} does not exist`);
      return undefined;
    }
    if (map.pools.has(target.pool)) return map.pgMapping(target.pool, target.seed).actingPrimary;
    this.#finish(command, -errno.ENOENT, 'pool dne');
    return undefined;
  }

  #assign(command: OsdCommand, session: OsdSession): void {
    command.session?.commands.delete(command.tid);
    command.session = session;
    session.commands.set(command.tid, command);
  }

  #send({ tid, cmd, input, session }: OsdCommand): void {
    session?.connection?.send(MCommand.encode({ fsid: this.#host.fsid(), cmd: [...cmd], data: input }, { tid }));
  }

  /** The session has a new connection. */
  resend(session: OsdSession): void {
    for (const command of session.commands.values()) this.#send(command);
  }

  leave(session: OsdSession, homeless: OsdSession): void {
    for (const command of [...session.commands.values()]) this.#assign(command, homeless);
  }

  handleReply(message: ReceivedMessage): void {
    const command = this.#commands.get(message.tid);
    if (command?.session === undefined || command.session.connection !== message.connection) return;
    const { result, text, data } = MCommandReply.decode(message);
    this.#finish(command, result, text, data);
  }

  #finish(command: OsdCommand, result: number, text: string, data: Uint8Array = NO_BYTES): void {
    this.#commands.delete(command.tid);
    command.session?.commands.delete(command.tid);
    command.done({ result, text, data });
  }

  shutdown(): void {
    this.#isStopped = true;
    for (const command of [...this.#commands.values()]) this.#finish(command, -errno.ESHUTDOWN, 'shut down');
  }
}
