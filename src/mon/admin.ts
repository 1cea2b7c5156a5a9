import { ErrnoError, errno } from '../base/index.ts';
import { configAdminCommand, configAdminCommands } from '../config/index.ts';
import { type CommandSpec, createFormatter, FLAG_TELL, type Formatter, parseSignature } from '../types/index.ts';
import { errorText } from './commands/registry.ts';
import type { Monitor } from './monitor.ts';
import type { Session } from './session.ts';
import { dumpMonStatus, dumpQuorumStatus } from './status.ts';

/** What an admin command answers: 0 or a negative errno, the output, and a sentence for stderr. */
export interface AdminReply {
  readonly code: number;
  readonly out: string | Uint8Array;
  readonly err: string;
}

function spec(prefix: string, signature: string, help: string): CommandSpec {
  return { prefix, args: parseSignature(signature), module: 'mon', perm: 'rw', flags: FLAG_TELL, help };
}

const ok = (out: string, err = ''): AdminReply => ({ code: 0, out, err });

/** Commands about this very monitor: what `ceph tell mon.a ...` and the admin socket serve. */
export class AdminCommands {
  readonly #mon: Monitor;
  /** What is served here; the process adds those that every daemon has. */
  readonly specs: readonly CommandSpec[] = [
    spec('compact', '', "compact the monitor's store"),
    spec('injectargs', 'injected_args*:String', 'change options of this monitor until it ends'),
    spec('mon_status', '', 'print the state of this monitor'),
    spec('ops', '', 'print the commands that wait for a commit'),
    spec('perf dump', 'logger?:String counter?:String', 'print the counters of this monitor'),
    spec('quorum_status', '', "print the monitors' quorum"),
    spec('sessions', '', 'print the sessions of this monitor'),
    ...configAdminCommands.map((c) => spec(c.prefix, c.signature, c.help)),
  ];

  constructor(mon: Monitor) {
    this.#mon = mon;
  }

  monStatusJson(): string {
    return this.#format('json', (f) => dumpMonStatus(this.#mon, f));
  }

  healthJson(): string {
    return this.#format('json', (f) => this.#mon.health.dump(f, true));
  }

  /** What `ceph ping mon.ID` shows. */
  pongJson(): string {
    return this.#format('json-pretty', (f) => {
      f.openObject('pong');
      this.#mon.health.dump(f, false);
      dumpMonStatus(this.#mon, f);
      f.close();
    });
  }

  #format(format: unknown, dump: (f: Formatter) => void): string {
    const f = createFormatter(String(format)) ?? createFormatter('json-pretty')!;
    dump(f);
    return f.flush();
  }

  /** Undefined for a command that is not served here. */
  run(command: Readonly<Record<string, unknown>>): AdminReply | undefined {
    const mon = this.#mon;
    const show = (dump: (f: Formatter) => void): AdminReply => ok(this.#format(command.format, dump));
    try {
      switch (command.prefix) {
        case 'mon_status':
          return show((f) => dumpMonStatus(mon, f));
        case 'quorum_status':
          return show((f) => dumpQuorumStatus(mon, f));
        case 'sessions':
          return show((f) => {
            f.openArray('sessions');
            for (const session of mon.sessions) dumpSession(f, session);
            f.close();
          });
        case 'version':
          return show((f) => {
            f.openObject('version');
            f.string('version', mon.version.short);
            f.string('release', 'pacific');
            f.string('release_type', 'stable');
            f.close();
          });
        case 'ops':
          return show((f) => mon.runner.dumpWaiting(f));
        case 'perf dump':
          return show((f) => this.#dumpPerf(f, command));
        case 'compact':
          // The store reclaims its space by itself; there is nothing left to do.
          return ok('', 'the store needs no compaction');
        case 'injectargs':
          return this.#inject(command.injected_args);
        default: {
          const out = configAdminCommand(mon.config, command);
          return out === undefined ? undefined : ok(out);
        }
      }
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      return { code: -error.errno, out: '', err: errorText(error) };
    }
  }

  #dumpPerf(f: Formatter, command: Readonly<Record<string, unknown>>): void {
    const mon = this.#mon;
    const { osds, up, in: inside } = mon.osd.map.osdCounts;
    const all: Record<string, Record<string, number>> = {
      cluster: {
        num_mon: mon.monmap.map.size,
        num_mon_quorum: mon.quorum.ranks.length,
        num_osd: osds,
        num_osd_up: up,
        num_osd_in: inside,
        osd_epoch: mon.osd.map.epoch,
        num_pool: mon.osd.map.pools.size,
        num_pg: mon.mgrStat.digest.numPg,
        num_object: mon.mgrStat.digest.pgSum.stats.numObjects,
      },
      mon: { num_sessions: mon.sessions.size, commands: mon.runner.count },
      paxos: { last_committed: mon.commitLog.lastCommitted, first_committed: mon.commitLog.firstCommitted },
    };
    f.openObject('perfcounter_collection');
    for (const [name, counters] of Object.entries(all)) {
      if (typeof command.logger === 'string' && command.logger !== '' && command.logger !== name) continue;
      f.openObject(name);
      for (const [counter, value] of Object.entries(counters)) {
        if (typeof command.counter !== 'string' || command.counter === '' || command.counter === counter) {
          f.int(counter, value);
        }
      }
      f.close();
    }
    f.close();
  }

  /** `--debug_mon=1 --mon-lease 5`, in one text or several. */
  #inject(given: unknown): AdminReply {
    const words = (Array.isArray(given) ? given.map(String) : [String(given ?? '')]).join(' ').split(/\s+/);
    const { config } = this.#mon;
    for (let i = 0; i < words.length; i++) {
      const match = /^--?([^=]+)(?:=(.*))?$/.exec(words[i]!);
      if (match === null) {
        if (words[i] === '') continue;
        throw new ErrnoError('EINVAL', `failed to parse arguments: ${words.slice(i).join(',')}`);
      }
      const name = match[1]!.replaceAll('-', '_');
      let value = match[2];
      if (value === undefined && words[i + 1]?.startsWith('--') === false) value = words[++i];
      config.set('override', name, value ?? 'true');
    }
    return ok('{}\n');
  }

  /** A command that every daemon has, or none: what {@link run} does not serve. */
  unknown(prefix: string): AdminReply {
    return { code: -errno.EINVAL, out: '', err: `no valid command found for '${prefix}'` };
  }
}

function dumpSession(f: Formatter, session: Session): void {
  f.openObject('session');
  session.dump(f);
  f.close();
}
