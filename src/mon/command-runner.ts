import { type Clock, ErrnoError } from '../base/index.ts';
import { encodeText } from '../encoding/index.ts';
import { MCommandReply, MMonCommand, MMonCommandAck } from '../messages/index.ts';
import type { ReceivedMessage } from '../msgr/index.ts';
import {
  type CommandMap,
  type CommandSpec,
  createFormatter,
  describeCommands,
  FLAG_DEPRECATED,
  FLAG_OBSOLETE,
  type Formatter,
  feature,
  formatAuthName,
  formatEntityName,
  hasFeature,
  parseCommand,
  validateArgs,
} from '../types/index.ts';
import { type CommandReply, errorText, failure, type RegisteredCommand, reply } from './commands/registry.ts';
import type { Monitor } from './monitor.ts';
import type { Session } from './session.ts';

const AUDIT = 'audit';
type Audit = (what: 'dispatch' | 'finished' | 'access denied') => void;
/** Commands whose words may hold secrets: they are not written into the log. */
const UNLOGGED = new Set(['config set', 'config-key set']);
/** Commands at most that wait for a commit or for the manager, of all peers. */
const WAITING_MAX = 10_000;
const EMPTY = new Uint8Array();
/** Commands that read what only the leader knows in full: health checks of all monitors, clocks, what the manager reports. */
const LEADER_READS = new Set(['status', 'health', 'report', 'time-sync-status']);

/** What MMonCommand and MCommand carry. */
export interface CommandMessage {
  readonly fsid: string;
  readonly cmd: readonly string[];
  readonly data?: Uint8Array | readonly Uint8Array[] | undefined;
}

interface Waiting {
  readonly text: string;
  readonly session: Session;
  readonly since_ms: number;
}

/** Takes commands from sessions: finds them in the table, checks caps and arguments, runs them, and replies after the commit. */
export class CommandRunner {
  readonly #mon: Monitor;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #count = 0;

  constructor(mon: Monitor) {
    this.#mon = mon;
    this.#clock = mon.clock;
  }

  /** Commands taken since the start. */
  get count(): number {
    return this.#count;
  }

  dumpWaiting(f: Formatter): void {
    f.openObject('ops');
    f.openArray('ops');
    for (const { text, session, since_ms } of this.#waiting) {
      f.openObject('op');
      f.string('description', `mon_command(${text} from ${formatEntityName(session.name)})`);
      f.float('age', (this.#clock.monotonic() - since_ms) / 1000);
      f.close();
    }
    f.close();
    f.int('num_ops', this.#waiting.size);
    f.close();
  }

  /**
   * Whether a command (MMonCommand) needs no leader: it reads committed state, or is the manager's. `isLeader`: this one leads. @throws DecodeError
   */
  isServedByPeons(message: ReceivedMessage, isLeader: boolean): boolean {
    const { cmd } = MMonCommand.decode(message);
    let prefix: string;
    try {
      ({ prefix } = parseCommand(cmd.join('')));
    } catch (error) {
      // Answered with what is wrong with it.
      if (error instanceof ErrnoError) return true;
      throw error;
    }
    const own = this.#mon.commands.get(prefix);
    return own === undefined || (own.service === undefined && (isLeader || !LEADER_READS.has(prefix)));
  }

  /** MMonCommand */
  monCommand(message: CommandMessage, tid: number, session: Session): void {
    this.#count++;
    const answer = ({ rc, status, out }: CommandReply): void => {
      const data = typeof out === 'string' ? encodeText(out) : out;
      const ack = {
        result: rc,
        text: status,
        cmd: [...message.cmd],
        data,
        paxosVersion: this.#mon.commitLog.lastCommitted,
      };
      session.connection.send(MMonCommandAck.encode(ack, { tid }));
    };
    if (message.fsid !== this.#mon.fsid) answer(failure('EPERM', 'wrong fsid'));
    else this.#guarded(answer, () => this.#run(message, session, answer));
  }

  /** Turns what a command throws as an expected failure into its answer. */
  #guarded(answer: (reply: CommandReply) => void, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      answer({ rc: -error.errno, status: errorText(error), out: '' });
    }
  }

  #run(message: CommandMessage, session: Session, answer: (reply: CommandReply) => void): void {
    const mon = this.#mon;
    const command = parseCommand(message.cmd.join(''));
    const { prefix } = command;
    if (prefix === 'get_command_descriptions') {
      const knowsBool = hasFeature(session.features, feature.SERVER_NAUTILUS);
      answer(reply(describeCommands(this.#allSpecs(), knowsBool)));
      return;
    }
    const own = mon.commands.get(prefix);
    const specs = own?.specs ?? mon.mgr.commands.filter((spec) => spec.prefix === prefix);
    const [spec] = specs;
    if (spec === undefined) {
      answer(failure('EINVAL', 'command not known'));
      return;
    }
    if (this.#isObsolete(spec)) {
      answer(failure('EOPNOTSUPP', 'command is obsolete; please check usage and/or man page'));
      return;
    }
    const log = this.#auditor(message, prefix, spec, session);
    if (!session.mayRun(spec.module, prefix, argumentTexts(command), spec.perm)) {
      log('access denied');
      answer(failure('EACCES', 'access denied'));
      return;
    }
    log('dispatch');
    if (this.#waiting.size >= WAITING_MAX) answer(failure('EAGAIN', 'too many commands are waiting'));
    else if (own === undefined) this.#proxy(message, session, answer);
    else this.#serve(own, command, message, session, answer, log);
  }

  /** The manager's commands and this monitor's own, each once: where both serve one, the manager knows more. */
  *#allSpecs(): Iterable<CommandSpec> {
    const { mgr, commands } = this.#mon;
    const ofManager = new Set(mgr.commands.map((spec) => spec.prefix));
    yield* mgr.commands;
    for (const spec of commands.specs()) if (!ofManager.has(spec.prefix)) yield spec;
  }

  #isObsolete({ flags }: CommandSpec): boolean {
    if ((flags & FLAG_OBSOLETE) !== 0) return true;
    return (flags & FLAG_DEPRECATED) !== 0 && this.#mon.config.bool('mon_debug_deprecated_as_obsolete');
  }

  /** Writes who ran which command into the audit channel of the cluster log. */
  #auditor({ cmd }: CommandMessage, prefix: string, { perm }: CommandSpec, session: Session): Audit {
    if (UNLOGGED.has(prefix)) return () => {};
    const level = /[wx]/.test(perm) ? 'info' : 'debug';
    const from = `from='${formatEntityName(session.name)} ${session.addrs}' entity='${formatAuthName(session.entity)}'`;
    const words = `[${cmd.join(', ')}]`;
    // The quotes and spaces are Ceph's, for programs that read its audit log.
    const form = {
      dispatch: `${words}: dispatch`,
      'access denied': `${words}:  access denied`,
      finished: `'${words}': finished`,
    };
    return (what) => this.#mon.log.log(level, `${from} cmd=${form[what]}`, AUDIT);
  }

  #serve(
    { specs, handler, service }: RegisteredCommand,
    command: CommandMap & { readonly prefix: string },
    message: CommandMessage,
    session: Session,
    answer: (reply: CommandReply) => void,
    log: Audit,
  ): void {
    const { prefix } = command;
    const args = validateAny(specs, command);
    const format = typeof command.format === 'string' ? command.format : 'plain';
    const f = (): Formatter | undefined => createFormatter(format);
    const data = joined(message.data);
    if (service === undefined) {
      const result = handler({ prefix, args, f: f(), format, data, session });
      if ('commit' in result) throw new ErrnoError('EINVAL', `${prefix} changes nothing`);
      answer(result);
      return;
    }
    const waiting: Waiting = { text: message.cmd.join(''), session, since_ms: this.#clock.monotonic() };
    this.#waiting.add(waiting);
    const finish = (result: CommandReply): void => {
      this.#waiting.delete(waiting);
      if (result.rc === 0 && /[wx]/.test(specs[0]!.perm)) log('finished');
      answer(result);
    };
    service.whenClean(() => {
      this.#guarded(finish, () => {
        const result = handler({ prefix, args, f: f(), format, data, session });
        if (!('commit' in result)) {
          finish(result);
          return;
        }
        service.submit(() => {
          this.#guarded(finish, () => finish(result.after?.() ?? { rc: 0, status: result.status, out: result.out }));
        });
      });
    });
  }

  /** A command of the manager from a client that does not ask it directly. */
  #proxy(message: CommandMessage, session: Session, answer: (reply: CommandReply) => void): void {
    const waiting: Waiting = { text: message.cmd.join(''), session, since_ms: this.#clock.monotonic() };
    this.#waiting.add(waiting);
    const { fsid, cmd } = message;
    const done = (result: CommandReply): void => {
      this.#waiting.delete(waiting);
      answer(result);
    };
    this.#mon.mgrProxy.send({ fsid, cmd, data: joined(message.data), done });
  }

  /** MCommand: `ceph tell mon.a ..., about this very monitor. */
  tellCommand(message: CommandMessage, tid: number, session: Session): void {
    this.#count++;
    const answer = ({ rc, status, out }: CommandReply): void => {
      const data = typeof out === 'string' ? encodeText(out) : out;
      session.connection.send(MCommandReply.encode({ result: rc, text: status, data }, { tid }));
    };
    this.#guarded(answer, () => {
      if (message.fsid !== this.#mon.fsid) throw new ErrnoError('EACCES', 'wrong fsid');
      const command = parseCommand(message.cmd.join(''));
      if (!session.mayRun('mon', command.prefix, argumentTexts(command), 'rwx')) {
        throw new ErrnoError('EACCES', 'insufficient caps');
      }
      void this.#mon.adminCommand(command).then(({ code, out, err }) => answer({ rc: code, status: err, out }));
    });
  }
}

/** Checks a command against the signature meant: the longest of which it gives any argument, else the shortest. */
function validateAny(specs: readonly CommandSpec[], command: CommandMap): ReturnType<typeof validateArgs> {
  const longestFirst = [...specs].sort((a, b) => b.args.length - a.args.length);
  const meant = longestFirst.find((spec) => spec.args.some(({ name }) => name in command));
  return validateArgs(meant ?? longestFirst.at(-1)!, command);
}

/** Arguments as caps match them: texts, and each of `caps` by its service. */
function argumentTexts(command: CommandMap): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(command)) {
    if (name === 'prefix') continue;
    if (name === 'caps' && Array.isArray(value) && value.length % 2 === 0) {
      for (let i = 0; i < value.length; i += 2) texts.set(`caps_${value[i]}`, String(value[i + 1]));
    } else texts.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  return texts;
}

function joined(data: CommandMessage['data']): Uint8Array {
  if (data === undefined) return EMPTY;
  if (data instanceof Uint8Array) return data;
  const all = new Uint8Array(data.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of data) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
