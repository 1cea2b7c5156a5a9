import { type ErrnoError, type ErrnoName, errno, InvariantError } from '../../base/index.ts';
import type { Formatter } from '../../types/index.ts';
import type { Service } from '../service.ts';
import type { Session } from '../session.ts';
import type { CommandArgs } from './args.ts';
import type { CommandSpec } from './spec.ts';
import { monCommands } from './table.ts';

/** One command as its handler sees it. */
export interface CommandCall {
  readonly prefix: string;
  readonly args: CommandArgs;
  /** The `format` asked for; undefined for plain text. */
  readonly f: Formatter | undefined;
  readonly format: string;
  /** What came with `-i`. */
  readonly data: Uint8Array;
  /** Whose command it is. */
  readonly session: Session;
}

/** What goes back: 0 or a negative errno, the status line (stderr) and the output (stdout). */
export interface CommandReply {
  readonly rc: number;
  readonly status: string;
  readonly out: Uint8Array | string;
}

/** A reply that is due when the service's pending change, submitted by the dispatcher, is committed. */
export interface CommitReply {
  readonly commit: true;
  readonly status: string;
  readonly out: Uint8Array | string;
  /** Makes reply from the committed state instead of `status` and `out`. */
  readonly after?: () => CommandReply;
}

export type CommandResult = CommandReply | CommitReply;
/** A handler throws {@link ErrnoError} for an expected failure. */
export type CommandHandler = (call: CommandCall) => CommandResult;

export function reply(out: Uint8Array | string, status = ''): CommandReply {
  return { rc: 0, status, out };
}

/** Text as Ceph's replies have it that were written line by line: no empty lines, and an end of line at the end. */
export function asLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}

/** Success with a status line only. */
export function done(status: string): CommandReply {
  return { rc: 0, status, out: '' };
}

export function failure(name: ErrnoName, status: string, out: Uint8Array | string = ''): CommandReply {
  return { rc: -errno[name], status, out };
}

/** Success once the pending change of the command's service is committed. */
export function committing(status: string, out: Uint8Array | string = '', after?: () => CommandReply): CommitReply {
  return after === undefined ? { commit: true, status, out } : { commit: true, status, out, after };
}

/** The status line of an ErrnoError without the name in front. */
export function errorText(error: ErrnoError): string {
  return error.message.slice(error.errnoName.length + 2);
}

/** A command with who serves it. */
export interface RegisteredCommand {
  readonly specs: readonly CommandSpec[];
  readonly handler: CommandHandler;
  /** The service whose pending change the handler adds to; undefined for those that only read. */
  readonly service: Service | undefined;
}

/** Handlers by command. Every command of the table has exactly one, and every handler is in the table. */
export class CommandRegistry {
  readonly #commands = new Map<string, RegisteredCommand>();
  readonly #specs = new Map<string, CommandSpec[]>();

  constructor() {
    for (const spec of monCommands) {
      const list = this.#specs.get(spec.prefix);
      if (list === undefined) this.#specs.set(spec.prefix, [spec]);
      else list.push(spec);
    }
  }

  /** A command that reads committed state. */
  read(prefix: string, handler: CommandHandler): void {
    this.#add(prefix, undefined, handler);
  }

  /** As {@link read}, for output that Ceph writes line by line: see {@link asLines}. */
  readLines(prefix: string, handler: CommandHandler): void {
    this.read(prefix, (call) => {
      const result = handler(call);
      if ('commit' in result || typeof result.out !== 'string') return result;
      return { ...result, out: asLines(result.out) };
    });
  }

  /** A command that may change a service's state; it runs when that service's pending change is empty. */
  write(prefix: string, service: Service, handler: CommandHandler): void {
    this.#add(prefix, service, handler);
  }

  #add(prefix: string, service: Service | undefined, handler: CommandHandler): void {
    const specs = this.#specs.get(prefix);
    if (specs === undefined || this.#commands.has(prefix)) {
      throw new InvariantError('command is not in the table, or has two handlers', { prefix });
    }
    this.#commands.set(prefix, { specs, handler, service });
  }

  get(prefix: string): RegisteredCommand | undefined {
    return this.#commands.get(prefix);
  }

  /** What get_command_descriptions lists, in the table's order. */
  *specs(): Iterable<CommandSpec> {
    for (const spec of monCommands) if (this.#commands.has(spec.prefix)) yield spec;
  }

  /** Table entries that nobody serves: none, once a monitor is built. */
  unserved(): string[] {
    return [...this.#specs.keys()].filter((prefix) => !this.#commands.has(prefix));
  }
}
